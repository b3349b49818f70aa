"""Where a passphrase may come from: a file, the environment, or a prompt. Never an argument, which others can see."""

from __future__ import annotations

import os
import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated, Final

import typer

from groundrule.errors import InputError

VARIABLE: Final = "GROUNDRULE_PASSPHRASE"
MIN_CHARACTERS: Final = 12
"""Shortest passphrase of a new key [characters]: a stolen key file is attacked offline, without a limit on attempts."""
MAX_FILE_BYTES: Final = 4_096

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help=f"File whose first line is the passphrase; without it, the variable {VARIABLE} or a prompt.",
    ),
]


def passphrase_for(key: Path, file: Path | None, *, new: bool = False, ask: bool = False) -> bytes:
    """Get the passphrase of a key file.

    Args:
        key: the key file, for the prompt.
        file: where the passphrase is; None takes the environment or asks.
        new: the key is being made: ask twice and refuse a short one.
        ask: ask although the environment holds one.
    Raises:
        InputError: there is none, it is too short, or two typings differ.
    """
    text = _from_file(file) if file is not None else (not ask and os.environ.get(VARIABLE)) or _typed(key, new=new)
    if not text:
        raise InputError(f"an empty passphrase for `{key}`", help="a key without a passphrase is anybody's key")
    if new and len(text) < MIN_CHARACTERS:
        raise InputError(
            f"a passphrase of {len(text)} characters", help=f"take at least {MIN_CHARACTERS}, for instance five words"
        )
    return text.encode()


def _from_file(file: Path) -> str:
    with file.open("rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    line = data.split(b"\n", 1)[0].removesuffix(b"\r")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise InputError(f"the first line of `{file}` is not UTF-8", help="write the passphrase as text") from None


def _typed(key: Path, *, new: bool) -> str:
    if not sys.stdin.isatty():
        raise InputError(
            f"no passphrase for `{key}`", help=f"give --passphrase-file FILE, set {VARIABLE}, or run this at a terminal"
        )
    text = getpass(f"Passphrase of {key}: ", stream=sys.stderr)
    if new and getpass("Once more: ", stream=sys.stderr) != text:
        raise InputError("the two passphrases differ", help="nothing was written; try again")
    return text
