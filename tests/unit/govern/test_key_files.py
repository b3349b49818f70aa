"""Key files: sealed with a passphrase, opened with no other; anything that can sign can seal an envelope."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import governed_world as gw
from groundrule.errors import InputError
from groundrule.signing import SigningKey, open_envelope, open_key, seal_key, sign_envelope

KEY = gw.key("holder")


def test_a_sealed_key_opens_with_its_passphrase_only() -> None:
    pem = seal_key(KEY, b"five invented words in a row")
    assert open_key(pem, b"five invented words in a row") == KEY
    assert KEY.seed not in pem
    for wrong in (b"", b"five invented words in a ro", b"five invented words in a row\n"):
        with pytest.raises(InputError, match="does not open"):
            open_key(pem, wrong)


def test_no_key_without_a_passphrase() -> None:
    with pytest.raises(InputError, match="empty passphrase"):
        seal_key(KEY, b"")


def test_only_encrypted_ed25519_files_are_keys() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    sealed = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"words")
    )
    with pytest.raises(InputError, match="no Ed25519 key"):
        open_key(sealed, b"words")
    plain = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for wrong in (plain, b"", b"not a key", seal_key(KEY, b"words")[:80]):
        with pytest.raises(InputError):
            open_key(wrong, b"words")
    with pytest.raises(InputError, match="ml-dsa-44"):
        seal_key(SigningKey.generate("ml-dsa-44"), b"words")


def test_a_token_signs_through_the_same_protocol() -> None:
    class Token:
        """Gives signatures, never its key."""

        public = KEY.public

        def sign(self, message: bytes, /) -> bytes:
            return KEY.sign(message)

    envelope = sign_envelope(b"{}", "application/x", [Token()])
    assert open_envelope(envelope, [KEY.public], "application/x") == (b"{}", {KEY.public})
