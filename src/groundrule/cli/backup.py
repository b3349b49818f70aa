"""`groundrule backup` and `groundrule restore`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text, warn
from groundrule.cli.passphrase import PassphraseFile, passphrase_for
from groundrule.errors import ConflictError, InputError
from groundrule.ledger.policy import Policy
from groundrule.pipeline.backup import back_up
from groundrule.pipeline.home_ledger import keys_folder, policy_of
from groundrule.pipeline.restore import restore as restore_home
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.key_backup import open_keys, place_keys, seal_keys


def backup(
    out: Annotated[Path, typer.Argument(help="The archive to write; it must not exist.")],
    home: HomeOption = DEFAULT_HOME,
    keys: Annotated[
        Path | None, typer.Option(help="Also write the keys into this file, encrypted; without it no key leaves its folder.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """Write a home into one file with a digest of everything in it; the service may run meanwhile."""
    place = Home.open(home)
    for each in (out, keys):
        if each is not None:
            _check_target(each, place)
    if keys is not None and keys.resolve() == out.resolve():
        said = f"`{out}` cannot be both the backup and the file of keys"
        raise InputError(said, help="name two files, and keep them apart", option="--keys")
    sealed = None if keys is None else seal_keys(keys_folder(place), passphrase_for(keys, passphrase_file, new=True))
    made = back_up(place, out, now_ns=time.time_ns())
    if keys is not None and sealed is not None:
        write_durably(keys, sealed)
        keys.chmod(0o600)
    if as_json:
        print_json({"archive": str(out), "files": made.files, "bytes": made.bytes, "digest": made.digest, "log_size": made.log_size,
                    "written_meanwhile": not made.held, "keys": None if keys is None else str(keys)})  # fmt: skip
        return
    print_text(f"Backup {out}: {made.files:,} files, {made.bytes:,} bytes" + ("" if made.held else "; the service ran meanwhile"))
    if made.log_size is not None:
        print_text(f"  log     {made.log_size:,} entries, checked completely")
    print_text(f"  digest  {made.digest}")
    if keys is None:
        print_text("  keys    not inside; back them up apart from this file, or with --keys FILE")
    else:
        print_text(f"  keys    {keys}, encrypted; keep it apart from the backup")


def restore(
    archive: Annotated[Path, typer.Argument(help="What `groundrule backup` wrote.")],
    home: HomeOption = DEFAULT_HOME,
    registers: Annotated[
        str | None, typer.Option(help="Put the registers into this empty PostgreSQL database; the default is SQLite in the home.")
    ] = None,
    keys: Annotated[Path | None, typer.Option(help="File of keys that `backup --keys` wrote.")] = None,
    pinned: Annotated[
        list[Path] | None, typer.Option("--pinned", help="Checkpoint of the log that a witness or monitor has seen; may be repeated.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy of the log as known elsewhere; the default trusts the archive's.")] = None,
    digest: Annotated[str | None, typer.Option(help="Digest that was printed when the backup was made.")] = None,
    history: Annotated[
        str | None,
        typer.Option(help="Put observations and decisions into this empty directory, or s3://bucket/prefix; the default is in the home."),
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """Make a home from a backup, in SQLite or in PostgreSQL: all is verified first, and nothing is written over."""
    named = [("ARCHIVE", archive), ("--keys", keys), ("--policy", policy), *(("--pinned", path) for path in pinned or ())]
    for name, each in named:
        if each is not None and not each.is_file():
            raise InputError(f"{name}: there is no file `{each}`", help="name a file that is there, and no folder", option=name)
    files = None if keys is None else open_keys(keys.read_bytes(), passphrase_for(keys, passphrase_file))
    target = keys_folder(Home(Path(home), ""))
    if files is not None and target.exists() and any(target.iterdir()):
        raise ConflictError(f"`{target}` is not empty", help="keys are never written over others")
    made = restore_home(
        archive, Path(home), registers=registers, pinned=[_checkpoint(each) for each in pinned or ()], expected=digest,
        policy=None if policy is None else Policy.parse(policy.read_bytes()), history=history,
    )  # fmt: skip
    if files is not None:
        place_keys(files, target)
    if as_json:
        print_json({"home": str(made.home.path), "id": made.home.id, "registers": made.home.registers,
                    "history": str(made.home.history), "log_size": made.log_size,
                    "made_at": made.archive.made_at, "digest": made.archive.digest, "compared": made.compared})  # fmt: skip
        return
    print_text(f"Home {made.home.path} is restored from the backup of {made.archive.made_at}: {made.archive.files:,} files.")
    if made.home.registers is not None:
        print_text(f"  registers {made.home.registers}")
    if made.home.history_at is not None:
        print_text(f"  history   {made.home.history_at}")
    if made.log_size is not None:
        print_text(f"  log       {made.log_size:,} entries, checked completely")
        if not made.compared:
            warn(
                "If the log had grown after this backup, going on from here is a roll-back, and whoever saw the later head will refuse"
                f" it: the {len(policy_of(made.home).witnesses)} witnesses of its policy, monitors, holders of receipts."
                " Ask them for their newest checkpoint and restore with --pinned FILE, which refuses a log that is older."
            )
    print_text("Next: groundrule govern check, groundrule ledger fsck, groundrule replay")


def _check_target(path: Path, place: Home) -> None:
    """Refuse a file that could not be written, before the work of a backup is done."""
    if path.exists():
        raise ConflictError(f"`{path}` exists already", help="name another file; a backup is never written over")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder `{path.parent}`", help="make it first, or name another one", path=str(path.parent))
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"nothing may be written into `{path.parent}`", help="name another folder", path=str(path.parent))
    if path.resolve().is_relative_to(place.path.resolve()):
        raise InputError(f"`{path}` lies in the home", help="write the backup elsewhere, best onto another machine", path=str(path))


def _checkpoint(path: Path) -> bytes:
    data = path.read_bytes()
    if len(data) > 1 << 20:
        raise InputError(f"`{path}` is no checkpoint", help="it is a few lines of text")
    return data
