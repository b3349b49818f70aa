"""Signed notes: a text and the lines of those who signed it.

    <text, ends in LF>
    <empty line>                                  the last empty line separates
    — <name> <base64(key id, 4 bytes ‖ blob)>     one line per signature, U+2014 first

A signature belongs to a key when both name and key id match. The type byte inside the key says what the blob is and what
it covers; this module knows type 1 (Ed25519 over the text), `cosignature` knows 4 and 6. Whatever comes from outside is
parsed strictly: a note that parses is written back byte for byte the same.

Source: C2SP signed-note.md; golang.org/x/mod/sumdb/note for the limits and the text of private keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from groundrule.canon import format_base64, parse_base64
from groundrule.errors import InputError, ProofFailed
from groundrule.signing import ED25519 as ED25519_ALGORITHM
from groundrule.signing import ML_DSA_44, SEED_SIZE, SigningKey, check_public_key, verify

ED25519 = 1
COSIGNATURE_ED25519 = 4
COSIGNATURE_ML_DSA_44 = 6
ALGORITHM_OF: Mapping[int, str] = {
    ED25519: ED25519_ALGORITHM,
    COSIGNATURE_ED25519: ED25519_ALGORITHM,
    COSIGNATURE_ML_DSA_44: ML_DSA_44,
}
"""Signature types that can be verified here; keys of other types are read but never verify anything."""
ECDSA = 2

KEY_ID_SIZE = 4
MAX_SIGNATURES = 100
MAX_NOTE_BYTES = 1_000_000
_CONTROLS = bytes(set(range(0x20)) - {0x0A})
_DASH = "— "
_PRIVATE = "PRIVATE+KEY+"


def check_name(name: str) -> None:
    """Refuse a name that no key may have.

    Raises:
        InputError: empty, with a Unicode space, a plus or a control character, or not encodable as UTF-8.
    """
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise InputError(f"`{name[:80]}` is no name of a key", help="a name has no spaces and no plus", value=name[:80])
    _encode(name)


def key_id(name: str, type: int, public: bytes) -> bytes:  # noqa: A002 - the format calls it the type
    """Return the four bytes that, with the name, tell which key made a signature."""
    if type == ECDSA:
        return hashlib.sha256(public).digest()[:KEY_ID_SIZE]
    return hashlib.sha256(_encode(name) + b"\n" + bytes((type,)) + public).digest()[:KEY_ID_SIZE]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name and signature type.

    Attributes:
        name: who signs; for a log its origin.
        type: signature type byte, 0 to 255.
        public: encoded public key.
        key_id: four bytes.
    """

    name: str
    type: int
    public: bytes = field(repr=False)
    key_id: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 0 <= self.type <= 255 or not self.public:
            raise InputError(f"the key of `{self.name}` is incomplete", help="a type byte and a public key")
        algorithm = ALGORITHM_OF.get(self.type)
        if algorithm is not None:
            check_public_key(algorithm, self.public)
        object.__setattr__(self, "key_id", key_id(self.name, self.type, self.public))

    @classmethod
    def parse(cls, vkey: str) -> VerifierKey:
        """Read `<name>+<hex of key id>+<base64(type ‖ public key)>`.

        Raises:
            InputError: another form, a key id that does not belong to the key, or a key that must not be trusted.
        """
        name, public_id, kind, public = _parse_key(vkey, "vkey")
        key = cls(name, kind, public)
        if key.key_id != public_id:
            raise InputError(
                f"the key id {public_id.hex()} does not belong to the key of `{name}`",
                help=f"the id of this key is {key.key_id.hex()}; copy the whole vkey again",
            )
        return key

    def format(self) -> str:
        """Write the vkey; `parse` reads it back."""
        return f"{self.name}+{self.key_id.hex()}+{format_base64(bytes((self.type,)) + self.public)}"

    def __str__(self) -> str:
        return self.format()

    def made(self, signature: Signature) -> bool:
        """Tell whether a signature line claims to be of this key: same name and same key id."""
        return signature.key_id == self.key_id and signature.name == self.name


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A private key with the name and type under which it signs notes."""

    name: str
    type: int
    key: SigningKey
    verifier: VerifierKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if ALGORITHM_OF.get(self.type) != self.key.algorithm:
            raise InputError(
                f"a key of {self.key.algorithm} cannot make signatures of type {self.type}",
                help="types 1 and 4 take Ed25519, type 6 takes ML-DSA-44",
            )
        object.__setattr__(self, "verifier", VerifierKey(self.name, self.type, self.key.public))

    @classmethod
    def parse(cls, text: str) -> NoteSigner:
        """Read the text of a private key, as `format` writes it.

        Raises:
            InputError: another form or a key id that does not belong to the key; the message never shows the seed.
        """
        if not text.startswith(_PRIVATE):
            raise InputError("not a private key", help=f"its text starts with {_PRIVATE}")
        name, public_id, kind, seed = _parse_key(text[len(_PRIVATE) :], "private key")
        if kind not in ALGORITHM_OF:
            raise InputError(f"a private key of type {kind}", help="types 1, 4 and 6 can sign")
        signer = cls(name, kind, SigningKey.from_seed(ALGORITHM_OF[kind], seed))
        if signer.verifier.key_id != public_id:
            raise InputError(f"the key id {public_id.hex()} does not belong to the private key of `{name}`")
        return signer

    def format(self) -> str:
        """Write the private key as text; whoever reads it can sign."""
        packed = format_base64(bytes((self.type,)) + self.key.seed)
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{packed}"

    def signature(self, blob: bytes) -> Signature:
        """Wrap a blob that this key made into a signature line."""
        return Signature(self.name, self.verifier.key_id, blob)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line.

    Attributes:
        name: who claims to have signed.
        key_id: four bytes.
        blob: what the type of the key says, at least one byte.
    """

    name: str
    key_id: bytes
    blob: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.key_id) != KEY_ID_SIZE or not self.blob:
            raise InputError(
                f"the signature of `{self.name}` is too short", help="four bytes of key id, then a signature"
            )

    @classmethod
    def parse(cls, line: str) -> Signature:
        """Read a signature line without its LF.

        Raises:
            InputError: another form or base64 that is not canonical.
        """
        name, space, packed = line[len(_DASH) :].partition(" ")
        if not line.startswith(_DASH) or not space:
            raise InputError(f"`{line[:60]}` is no signature line", help="`— <name> <base64>`", value=line[:60])
        data = parse_base64(packed, what=f"the signature of `{name[:80]}`")
        return cls(name, data[:KEY_ID_SIZE], data[KEY_ID_SIZE:])

    def format(self) -> str:
        """Write the line without its LF."""
        return f"{_DASH}{self.name} {format_base64(self.key_id + self.blob)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text with at least one signature line; nothing is verified yet.

    Attributes:
        text: ends in LF; UTF-8 without control characters other than LF.
        signatures: in the order of the lines, repeated ones included.
    """

    text: bytes
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        if not self.text.endswith(b"\n"):
            raise InputError("the text of a note must end in a line feed")
        _decode(self.text)
        if not 0 < len(self.signatures) <= MAX_SIGNATURES:
            raise InputError(
                f"a note with {len(self.signatures)} signatures", help=f"from 1 to {MAX_SIGNATURES} are accepted"
            )

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """Split a note into text and signatures.

        Raises:
            InputError: too large, not UTF-8, a control character, no empty line, a malformed or unterminated signature
                line, or more than MAX_SIGNATURES.
        """
        if len(data) > MAX_NOTE_BYTES:
            raise InputError(f"a note of {len(data)} bytes", help=f"at most {MAX_NOTE_BYTES} are accepted")
        separator = data.rfind(b"\n\n")
        if separator < 0:
            raise InputError("a note without an empty line", help="text, an empty line, signature lines")
        tail = data[separator + 2 :]
        if tail.count(b"\n") > MAX_SIGNATURES:
            raise InputError("a note with too many signatures", help=f"at most {MAX_SIGNATURES} are accepted")
        if not tail.endswith(b"\n"):
            raise InputError("the last signature line does not end in a line feed")
        lines = _decode(tail)[:-1].split("\n")
        return cls(data[: separator + 1], tuple(map(Signature.parse, lines)))

    def format(self) -> bytes:
        """Write the note; `parse` reads it back."""
        lines = "".join(signature.format() + "\n" for signature in self.signatures)
        return self.text + b"\n" + lines.encode()

    def of(self, key: VerifierKey) -> tuple[Signature, ...]:
        """Return the different signatures that claim to be of a key; identical lines count once."""
        return tuple(dict.fromkeys(signature for signature in self.signatures if key.made(signature)))


def check_unambiguous(keys: Iterable[VerifierKey]) -> None:
    """Refuse a set in which two different keys have one name and one key id.

    Raises:
        InputError: such a pair; a signature would have two owners.
    """
    seen: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if seen.setdefault((key.name, key.key_id), key) != key:
            raise InputError(f"two keys of `{key.name}` share the id {key.key_id.hex()}", help="replace one of them")


def sign_note(text: bytes, signers: Sequence[NoteSigner]) -> bytes:
    """Sign a text with keys of type 1 and return the note.

    Raises:
        InputError: a key of another type, or a text that no note can have.
    """
    return Note(text, tuple(sign_text(text, signer) for signer in signers)).format()


def sign_text(text: bytes, signer: NoteSigner) -> Signature:
    """Make the type 1 signature line of a text."""
    if signer.type != ED25519:
        raise InputError(f"a key of type {signer.type} does not sign plain notes", help="use a key of type 1")
    return signer.signature(signer.key.sign(text))


def verify_text(note: Note, key: VerifierKey, signature: Signature) -> bool:
    """Tell whether a signature of type 1 covers the text of the note."""
    return key.type == ED25519 and verify(ALGORITHM_OF[ED25519], key.public, signature.blob, note.text)


def open_note(data: bytes, keys: Sequence[VerifierKey]) -> tuple[Note, tuple[VerifierKey, ...]]:
    """Open a note under keys of type 1.

    Args:
        data: the note.
        keys: keys trusted; those of other types never verify.
    Returns:
        The note and the keys that signed it, in the order given, at least one.
    Raises:
        InputError: not a note, or two keys with one name and id.
        ProofFailed: a signature of a trusted key is wrong, or no trusted key signed.
    """
    check_unambiguous(keys)
    note = Note.parse(data)
    verified = []
    for key in dict.fromkeys(keys):
        signatures = note.of(key) if key.type == ED25519 else ()
        if not all(verify_text(note, key, signature) for signature in signatures):
            raise ProofFailed(f"a signature of `{key.name}` on the note is wrong", key=str(key))
        if signatures:
            verified.append(key)
    if not verified:
        raise ProofFailed("no trusted key signed the note", help="check that the vkeys are those of the signers")
    return note, tuple(verified)


def _parse_key(text: str, what: str) -> tuple[str, bytes, int, bytes]:
    """Split `<name>+<hex id>+<base64(type ‖ rest)>`; messages show nothing after the id."""
    parts = text.split("+", 2)
    if len(parts) != 3 or len(parts[1]) != 2 * KEY_ID_SIZE or not set(parts[1]) <= set("0123456789abcdef"):
        raise InputError(f"not a {what}", help="`<name>+<8 hex digits>+<base64>`")
    name, digits, packed = parts
    check_name(name)
    try:
        data = parse_base64(packed)
    except InputError:
        raise InputError(f"the {what} of `{name[:80]}` is not canonical base64", help="copy it again") from None
    if len(data) < 2 or (what == "private key" and len(data) != 1 + SEED_SIZE):
        raise InputError(f"the {what} of `{name[:80]}` has the wrong length", help="copy it again")
    return name, bytes.fromhex(digits), data[0], data[1:]


def _encode(name: str) -> bytes:
    try:
        return name.encode()
    except UnicodeEncodeError:
        raise InputError("a name of a key that is not UTF-8", help="names are text") from None


def _decode(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"a note that is not UTF-8 (byte {error.start})") from None
    if len(data.translate(None, _CONTROLS)) != len(data):
        raise InputError("a note with a control character", help="only line feeds are allowed")
    return text
