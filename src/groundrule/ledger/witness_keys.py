"""The keys of a witness: a file that only its owner reads, bound to the folder that remembers what they signed.

    keys missing, state new       → both are created
    keys there, state of theirs   → go on
    keys missing, state used      → refused: the witness has another key somewhere
    keys there, state missing     → refused: the memory is lost (allowed on purpose for keys that were made elsewhere)

One key file holds one Ed25519 key (type 4) and one ML-DSA-44 key (type 6) under one name, each as one line of text.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from groundrule.errors import ConflictError, InputError
from groundrule.ledger.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, NoteSigner
from groundrule.ledger.witness_store import FileWitnessStore
from groundrule.signing import SigningKey

FILE_NAME = "witness.keys"
"""Name of the key file when a folder is given."""
MAX_KEY_FILE_BYTES = 4_096


def key_file(path: Path) -> Path:
    """Return the key file meant by a path that may be a folder."""
    return path / FILE_NAME if path.is_dir() else path


def make_signers(name: str) -> tuple[NoteSigner, ...]:
    """Make new keys of both types for a witness."""
    return (
        NoteSigner(name, COSIGNATURE_ED25519, SigningKey.generate("ed25519")),
        NoteSigner(name, COSIGNATURE_ML_DSA_44, SigningKey.generate("ml-dsa-44")),
    )


def open_signers(path: Path, name: str, store: FileWitnessStore, *, new_state: bool = False) -> tuple[NoteSigner, ...]:
    """Return the keys of a witness, made on the first start, and bind them to its state.

    Args:
        path: key file or a folder for it.
        name: name of the witness.
        store: its state.
        new_state: keys that were made elsewhere may begin with a new state folder.
    Raises:
        InputError: the file is readable for others, malformed, or of another name.
        ConflictError: keys and state do not belong together.
    """
    file = key_file(path)
    bound = store.identity()
    if not file.exists():
        if not store.is_empty():
            raise ConflictError(
                f"the state in `{store.folder}` is that of a witness whose keys are not in `{file}`",
                help="give the key file it was made with; new keys need a new state folder",
            )
        signers = make_signers(name)
        store.bind([str(signer.verifier) for signer in signers])
        write_signers(file, signers)
        return signers
    signers = read_signers(file, name)
    vkeys = tuple(str(signer.verifier) for signer in signers)
    if bound is None:
        if not new_state and not store.is_empty():
            raise ConflictError(
                f"the state in `{store.folder}` does not say whose it is", help="restore its file `identity`"
            )
        if not new_state:
            raise ConflictError(
                f"the keys in `{file}` exist, and the state in `{store.folder}` is empty",
                help="a witness that has lost its memory can cosign a second history: restore the state, or retire the "
                "key; if these keys have never signed, start once with --new-state",
            )
        store.bind(vkeys)
    elif set(bound) != set(vkeys):
        raise ConflictError(
            f"the state in `{store.folder}` belongs to other keys than those in `{file}`",
            help="each key has its own state folder",
        )
    return signers


def read_signers(file: Path, name: str) -> tuple[NoteSigner, ...]:
    """Read a key file.

    Raises:
        InputError: readable for others, malformed, without a key, or of another witness; never shows a key.
    """
    with file.open("rb") as stream:
        mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
        data = stream.read(MAX_KEY_FILE_BYTES + 1)
    if mode & 0o077:
        raise InputError(f"others may read the keys in `{file}`", help=f"chmod 600 {file}")
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        lines = []
    signers = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            signer = NoteSigner.parse(line.strip())
        except InputError as error:
            raise InputError(f"`{file}` line {number}: {error.message}", help=error.help, line=number) from None
        if signer.name != name or signer.type not in (COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44):
            raise InputError(
                f"`{file}` line {number}: the key is of `{signer.name[:80]}`, type {signer.type}",
                help=f"keys of this witness have the name `{name}` and type 4 or 6",
            )
        signers.append(signer)
    if not signers or len(data) > MAX_KEY_FILE_BYTES or len({signer.type for signer in signers}) < len(signers):
        raise InputError(
            f"`{file}` is not a key file of a witness",
            help="one line for an Ed25519 key, one for an ML-DSA-44 key, or both",
        )
    return tuple(signers)


def write_signers(file: Path, signers: Sequence[NoteSigner]) -> None:
    """Write a key file that must not exist yet, mode 0600, durably.

    Raises:
        OSError: it exists, or cannot be written.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = "".join(signer.format() + "\n" for signer in signers)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write("# private keys of a witness: whoever reads this can sign in its name\n" + text)
        stream.flush()
        os.fsync(stream.fileno())
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
