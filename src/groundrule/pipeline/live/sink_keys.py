"""What a delivery is signed with, and what seals the tokens of receivers: all of it follows from one key of the service.

Signatures are those of Standard Webhooks (standardwebhooks.com): over `id.timestamp.body`, `v1,` with HMAC-SHA256 under a secret that
the receiver knows, or `v1a,` with Ed25519 under a key whose public half everybody may know. No secret is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64encode
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from groundrule.errors import IntegrityError
from groundrule.signing import SigningKey

Signature = Literal["hmac-sha256", "ed25519"]
_NONCE: Final = 12


class SinkKeys:
    """Keys of the deliveries of one home.

    Args:
        seed: of the service's key, 32 bytes.
        home_id: of the home; each has keys of its own.
    """

    def __init__(self, seed: bytes, home_id: str) -> None:
        self._root = hmac.digest(seed, b"groundrule/sinks/1\n" + home_id.encode(), hashlib.sha256)
        self._pair = SigningKey.from_seed("ed25519", self._derived("ed25519"))
        self._cipher = AESGCM(self._derived("tokens"))

    def _derived(self, purpose: str) -> bytes:
        return hmac.digest(self._root, purpose.encode(), hashlib.sha256)

    def secret(self, sink_id: str) -> str:
        """Return the secret of a webhook, for its receiver alone."""
        return f"whsec_{b64encode(self._derived(f'webhook/{sink_id}')).decode()}"

    @property
    def public(self) -> str:
        """Return the public key of Ed25519 signatures."""
        return f"whpk_{b64encode(self._pair.public).decode()}"

    def headers(self, sink_id: str, algorithm: Signature, event_id: str, at_s: int, body: bytes) -> dict[str, str]:
        """Return the headers that prove a delivery.

        Args:
            sink_id: of the webhook.
            algorithm: of the signature.
            event_id: the same for every try.
            at_s: when it is sent [s since 1970].
            body: as it is sent.
        """
        message = f"{event_id}.{at_s}.".encode() + body
        if algorithm == "ed25519":
            value = f"v1a,{b64encode(self._pair.sign(message)).decode()}"
        else:
            value = f"v1,{b64encode(hmac.digest(self._derived(f'webhook/{sink_id}'), message, hashlib.sha256)).decode()}"
        return {"webhook-id": event_id, "webhook-timestamp": str(at_s), "webhook-signature": value}

    def seal(self, sink_id: str, token: str) -> bytes:
        """Return a token in a form that is of no use without the service's key."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, token.encode(), sink_id.encode())

    def open(self, sink_id: str, sealed: bytes) -> str:
        """Return a token that was sealed.

        Raises:
            IntegrityError: it was changed, or sealed under another key.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], sink_id.encode()).decode()
        except (InvalidTag, ValueError):
            raise IntegrityError(f"the token of `{sink_id}` does not open", help="its owner has to make the subscription anew") from None
