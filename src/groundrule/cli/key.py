"""`groundrule key`: the keys with which persons sign, made and kept on their own machines."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Annotated

import typer

from groundrule.canon import digest_bytes
from groundrule.cli.output import OutputJson, print_json, print_text, warn
from groundrule.cli.passphrase import PassphraseFile, passphrase_for
from groundrule.errors import ConflictError, InputError
from groundrule.govern.duress import code_of
from groundrule.govern.signed import new_id
from groundrule.ledger.note import ED25519, VerifierKey
from groundrule.signing import SigningKey, open_key, seal_key
from groundrule.store.durable import sync_folder

app = typer.Typer(no_args_is_help=True, help="Make and show the key with which a person signs approvals.")
MAX_KEY_BYTES = 16_384
PUBLIC_SUFFIX = ".pub"
OTHER_SUFFIX = ".alt"
PARTY = re.compile(r"party-[0-9a-f]{32}")


def public_file(key: Path) -> Path:
    """Return where the public half of a key file is written."""
    return key.with_name(key.name + PUBLIC_SUFFIX)


def other_file(key: Path) -> Path:
    """Return the second file of a key, which opens with the second passphrase, or with none that anybody knows."""
    return key.with_name(key.name + OTHER_SUFFIX)


def read_key(file: Path, passphrase_file: Path | None) -> SigningKey:
    """Open a private key file with its passphrase.

    Raises:
        InputError: no key file, or another passphrase.
    """
    return open_either(file, passphrase_file)[0]


def open_either(file: Path, passphrase_file: Path | None) -> tuple[SigningKey, bytes, bytes]:
    """Open a private key with either of its passphrases; return the key, the passphrase and its code (`govern.duress`).

    Raises:
        InputError: no key file, or another passphrase.
    """
    with file.open("rb") as stream:
        mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
        pem = stream.read(MAX_KEY_BYTES + 1)
    if mode & 0o077:
        warn(f"others on this machine can read `{file}`: chmod 600 {file}")
    passphrase, other = passphrase_for(file, passphrase_file), other_file(file)
    # Both are tried whatever happens, so that the time taken does not tell which one opened.
    opened = [_opened(each, passphrase) for each in (pem, other.read_bytes()[: MAX_KEY_BYTES + 1] if other.exists() else b"")]
    key = opened[0] or opened[1] or open_key(pem, passphrase)
    return key, passphrase, code_of(key.seed, passphrase)


def _opened(pem: bytes, passphrase: bytes) -> SigningKey | None:
    try:
        return open_key(pem, passphrase)
    except InputError:
        return None


def fingerprint(public: bytes) -> str:
    """Return what two people read to each other over the telephone: eight groups of four hex digits."""
    text = digest_bytes(public).removeprefix("sha256:")[:32]
    return " ".join(text[at : at + 4] for at in range(0, 32, 4))


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="Private key file to write; its public half goes to FILE.pub.")],
    party: Annotated[
        str | None, typer.Option("--party", help="Your party id; without it a new one is drawn. Two keys of one person share it.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """Make a key on your own machine. The private half stays there; give FILE.pub to whoever drafts the charter."""
    public = public_file(file)
    for path in (file, public, other_file(file)):
        if path.exists():
            raise ConflictError(f"`{path}` exists already", help="a key is never overwritten; name another file")
    key = SigningKey.generate("ed25519")
    name = party or new_id("party", os.urandom(16))
    if PARTY.fullmatch(name) is None:
        raise InputError(f"`{name[:60]}` is no party id", help="party- and 32 hexadecimal digits, or leave it out")
    vkey = VerifierKey(name, ED25519, key.public)
    pem = seal_key(key, passphrase_for(file, passphrase_file, new=True))
    file.parent.mkdir(parents=True, exist_ok=True)
    _write_new(file, pem, 0o600)
    # Every key has a second file, so that having one tells nothing (`groundrule duress enrol`).
    _write_new(other_file(file), seal_key(key, os.urandom(32).hex().encode()), 0o600)
    _write_new(public, f"{vkey}\n".encode(), 0o644)
    sync_folder(file.parent)
    _show(file, vkey, as_json=as_json, made=True)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="Private key file, or a public one that ends in .pub.")],
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """Show the public half. Of a private key file the passphrase is asked, so that it is known to be right."""
    public = file if file.suffix == PUBLIC_SUFFIX else public_file(file)
    vkey = VerifierKey.parse(public.read_text("utf-8").strip())
    if file.suffix != PUBLIC_SUFFIX and read_key(file, passphrase_file).public != vkey.public:
        raise InputError(f"`{public}` is the public half of another key than `{file}`", help="restore the right one")
    _show(file, vkey, as_json=as_json, made=False)


def _show(file: Path, vkey: VerifierKey, *, as_json: bool, made: bool) -> None:
    if as_json:
        print_json({"key": str(file), "vkey": str(vkey), "party": vkey.name, "fingerprint": fingerprint(vkey.public)})
        return
    if made:
        print_text(f"Made {file}, readable for you alone and encrypted with your passphrase, and {public_file(file)}.")
    print_text(str(vkey))
    print_text(f"fingerprint {fingerprint(vkey.public)}: read it aloud to whoever writes the key into the charter")


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not exist, with this mode from its first moment."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
