"""Keys, signatures and signed envelopes, on `cryptography` only.

Two algorithms: Ed25519 (RFC 8032) and ML-DSA-44 (FIPS 204, empty context). A public key is trusted only after
`check_public_key`: keys of low order verify signatures of anyone over anything, and two encodings of one key would count
as two signers.

Envelopes are DSSE 1.0.2. The bytes that are signed:

    "DSSEv1" SP <length of type> SP <type> SP <length of body> SP <body>          lengths in decimal ASCII

Source: RFC 8032 section 5.1; FIPS 204; secure-systems-lab/dsse protocol.md and envelope.md 1.0.2.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from groundrule.errors import InputError

ED25519: Final = "ed25519"
ML_DSA_44: Final = "ml-dsa-44"
ALGORITHMS = (ED25519, ML_DSA_44)
SEED_SIZE = 32
PUBLIC_SIZE: Mapping[str, int] = {ED25519: 32, ML_DSA_44: 1312}
SIGNATURE_SIZE: Mapping[str, int] = {ED25519: 64, ML_DSA_44: 2420}
MAX_SIGNATURES = 100
"""Most signatures in one envelope."""

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_ORDER_8_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_LOW_ORDER_Y = frozenset((0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y))
"""The y of all eight points whose order divides 8."""


class _Signer(Protocol):
    def sign(self, data: bytes, /) -> bytes: ...


class Signer(Protocol):
    """Whatever can sign: a key in memory, or a token that never gives its key away."""

    @property
    def public(self) -> bytes:
        """Encoded public key."""
        ...

    def sign(self, message: bytes, /) -> bytes:
        """Return the signature of the message."""
        ...


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key. Its text form never shows the seed.

    Attributes:
        algorithm: one of ALGORITHMS.
        seed: 32 bytes; whoever has them can sign.
        public: encoded public key, 32 (Ed25519) or 1,312 (ML-DSA-44) bytes.
    """

    algorithm: str
    seed: bytes = field(repr=False)
    public: bytes = field(init=False, repr=False, compare=False)
    _key: _Signer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_algorithm(self.algorithm)
        if len(self.seed) != SEED_SIZE:
            raise InputError(f"a seed of {len(self.seed)} bytes", help=f"a seed has {SEED_SIZE} bytes")
        ed25519 = self.algorithm == ED25519
        key = (Ed25519PrivateKey.from_private_bytes if ed25519 else MLDSA44PrivateKey.from_seed_bytes)(self.seed)
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "public", key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, algorithm: str) -> SigningKey:
        """Make a new key from the randomness of the operating system."""
        return cls(algorithm, os.urandom(SEED_SIZE))

    @classmethod
    def from_seed(cls, algorithm: str, seed: bytes) -> SigningKey:
        """Make the key of a 32-byte seed; the same seed gives the same key."""
        return cls(algorithm, seed)

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 (Ed25519) or 2,420 (ML-DSA-44, randomised) bytes."""
        return self._key.sign(message)


def seal_key(key: SigningKey, passphrase: bytes) -> bytes:
    """Return an Ed25519 key as a PKCS #8 PEM file, encrypted with a passphrase (PBES2: PBKDF2-HMAC-SHA256, AES-256-CBC).

    The derivation of the library is cheap for an attacker, so the strength is that of the passphrase.

    Raises:
        InputError: an empty passphrase, or a key of another algorithm.
    """
    if key.algorithm != ED25519:
        raise InputError(f"a key file for {key.algorithm}", help=f"key files hold {ED25519} keys")
    if not passphrase:
        raise InputError("an empty passphrase", help="a key without a passphrase is anybody's key")
    private = Ed25519PrivateKey.from_private_bytes(key.seed)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))


def open_key(pem: bytes, passphrase: bytes) -> SigningKey:
    """Read a key file that `seal_key` wrote.

    Raises:
        InputError: another passphrase, no encrypted PKCS #8 file, damage, or a key that is not Ed25519.
    """
    if not pem.lstrip().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"):
        raise InputError("not an encrypted key file", help="its first line is -----BEGIN ENCRYPTED PRIVATE KEY-----")
    try:
        private = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's message tells a wrong passphrase and damage apart by chance only.
        raise InputError("the key file does not open", help="the passphrase is another one, or the file is damaged") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError("the key file holds no Ed25519 key", help="make one with `groundrule key new`")
    return SigningKey(ED25519, private.private_bytes_raw())


def check_algorithm(algorithm: str) -> None:
    """Refuse an unknown algorithm.

    Raises:
        InputError: not one of ALGORITHMS.
    """
    if algorithm not in ALGORITHMS:
        raise InputError(f"unknown signature algorithm `{algorithm[:40]}`", help=f"one of {', '.join(ALGORITHMS)}")


def algorithm_of(public: bytes) -> str:
    """Return the algorithm of a public key, known by its length.

    Raises:
        InputError: a length that no algorithm has.
    """
    for algorithm, size in PUBLIC_SIZE.items():
        if len(public) == size:
            return algorithm
    raise InputError(f"a public key of {len(public)} bytes", help="32 bytes for Ed25519, 1,312 for ML-DSA-44")


def check_public_key(algorithm: str, public: bytes) -> None:
    """Refuse a public key that must never be trusted.

    Args:
        algorithm: one of ALGORITHMS.
        public: encoded key.
    Raises:
        InputError: wrong length; for Ed25519 also an encoding that is not canonical, no point of the curve, or a point
            of low order.
    Accuracy: `tests/unit/ledger/test_signing.py` compares with the edge cases of C2SP/CCTV.
    """
    check_algorithm(algorithm)
    if len(public) != PUBLIC_SIZE[algorithm]:
        raise InputError(
            f"a public key of {len(public)} bytes", help=f"{algorithm} keys have {PUBLIC_SIZE[algorithm]} bytes"
        )
    if algorithm != ED25519:
        return
    y = int.from_bytes(public, "little") & (2**255 - 1)
    if y >= _P:
        raise InputError("Ed25519 key in an encoding that is not canonical", help="use the key its owner published")
    if y in _LOW_ORDER_Y:
        raise InputError("Ed25519 key of low order", help="anyone can sign for such a key; use another")
    # RFC 8032 section 5.1.3: x^2 = (y^2 - 1) / (d y^2 + 1) must be a square. x = 0 only for y = 1 and -1, refused above.
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if pow(square, (_P - 1) // 2, _P) != 1:
        raise InputError("Ed25519 key that is no point of the curve", help="use the key its owner published")


def verify(algorithm: str, public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether a signature holds; False for anything malformed, also for a key that must not be trusted.

    Args:
        algorithm: one of ALGORITHMS.
        public: encoded public key.
        signature: 64 or 2,420 bytes.
        message: the bytes signed.
    """
    if len(signature) != SIGNATURE_SIZE.get(algorithm, -1):
        return False
    try:
        _verifier(algorithm, bytes(public))(signature, message)
    except (InvalidSignature, InputError, ValueError, UnsupportedAlgorithm):
        return False
    return True


@lru_cache(maxsize=1024)
def _verifier(algorithm: str, public: bytes) -> Callable[[bytes, bytes], None]:
    check_public_key(algorithm, public)
    if algorithm == ED25519:
        return Ed25519PublicKey.from_public_bytes(public).verify
    return MLDSA44PublicKey.from_public_bytes(public).verify


def pae(payload_type: str, body: bytes) -> bytes:
    """Return the pre-authentication encoding of an envelope, the bytes that its signatures cover.

    Example:
        >>> pae("http://example.com/HelloWorld", b"hello world")
        b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    name = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(body), body)


def sign_envelope(payload: bytes, payload_type: str, keys: Sequence[Signer]) -> dict[str, Any]:
    """Return a DSSE envelope of the payload, signed by every key.

    The `keyid` of each signature is empty: readers must find the key by trying those they trust.
    """
    message = pae(payload_type, payload)
    return {
        "payload": base64.b64encode(payload).decode("ascii"),
        "payloadType": payload_type,
        "signatures": [{"keyid": "", "sig": base64.b64encode(key.sign(message)).decode("ascii")} for key in keys],
    }


def open_envelope(
    envelope: Mapping[str, Any], trusted: Iterable[bytes], payload_type: str
) -> tuple[bytes, frozenset[bytes]]:
    """Verify a DSSE envelope under the keys that are trusted.

    The set may be smaller than a quorum, even empty: the caller maps keys to persons and counts persons, never
    signatures. `keyid` is ignored, a signature that fails is skipped, a key counts once. Only the returned bytes may be
    parsed.

    Args:
        envelope: decoded JSON object.
        trusted: encoded public keys (Ed25519 or ML-DSA-44, told apart by length).
        payload_type: the type expected.
    Returns:
        The payload and the public keys of which a signature verifies.
    Raises:
        InputError: not an envelope, another payload type, text that is not base64 in the standard or the URL-safe
            alphabet, or more than MAX_SIGNATURES signatures.
    """
    found_type, payload, signatures = (envelope.get(name) for name in ("payloadType", "payload", "signatures"))
    if not isinstance(found_type, str) or not isinstance(payload, str) or not isinstance(signatures, list | tuple):
        raise InputError("not a signed envelope", help="an object with payloadType, payload and signatures (DSSE)")
    if found_type != payload_type:
        raise InputError(f"envelope of type `{found_type[:80]}`", help=f"`{payload_type}` is expected here")
    if len(signatures) > MAX_SIGNATURES:
        raise InputError(f"{len(signatures)} signatures in one envelope", help=f"at most {MAX_SIGNATURES}")
    body = _either_base64(payload, "payload")
    found = []
    for signature in signatures:
        text = signature.get("sig") if isinstance(signature, Mapping) else None
        if not isinstance(text, str):
            raise InputError("a signature of an envelope without `sig`", help="each signature is {keyid, sig}")
        found.append(_either_base64(text, "signature"))
    message = pae(payload_type, body)
    verified = frozenset(
        public
        for public in set(map(bytes, trusted))
        if any(verify(algorithm_of(public), public, signature, message) for signature in found)
    )
    return body, verified


def _either_base64(text: str, what: str) -> bytes:
    """Read base64 of the standard or the URL-safe alphabet, not mixed, padded and canonical."""
    for altchars in (b"+/", b"-_"):
        try:
            data = base64.b64decode(text, altchars=altchars, validate=True)
        except (binascii.Error, ValueError):
            continue
        if base64.b64encode(data, altchars=altchars).decode("ascii") == text:
            return data
    raise InputError(f"the {what} of the envelope is not canonical base64", value=text[:60])
