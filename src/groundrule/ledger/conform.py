"""Run a folder of test vectors against this implementation and count everything.

Two schemas are known: vectors made for this project (each file states its own form; logs come in archives) and vectors
taken from other implementations. The name of a file decides which check it gets. Files that no check knows are listed, as
are cases that are left out, each with its reason; nothing is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from groundrule.errors import InputError
from groundrule.ledger import conform_formats as formats
from groundrule.ledger import conform_trees as trees
from groundrule.ledger import conform_witness as witnesses
from groundrule.ledger.vectors import BrokenVector, CaseFailure, Fields, FileResult, VectorFile

__all__ = ["CaseFailure", "FileResult", "conform"]

FileCheck = Callable[[VectorFile, FileResult], None]
FolderCheck = Callable[[Path, FileResult], None]


def _each(check: Callable[[Fields], str | None]) -> FileCheck:
    return lambda file, result: result.run_all(file.cases(result), check)


FILE_CHECKS: Mapping[str, FileCheck] = {
    "trees.json": trees.check_trees,
    "paths.json": trees.check_paths,
    "inclusion.json": _each(formats.inclusion),
    "consistency.json": _each(formats.consistency),
    "checkpoints.json": _each(formats.checkpoint),
    "vkeys.json": _each(formats.vkey),
    "cosignatures.json": _each(formats.cosignature),
    "policies.json": _each(formats.policy),
    "proofs.json": _each(formats.proof),
    "witness.json": witnesses.check_transcript,
    "logs.json": trees.check_logs,
    "dsse.json": formats.check_envelopes,
    "merkle-inclusion.json": _each(formats.inclusion),
    "merkle-consistency.json": _each(formats.consistency),
    "merkle-subtreeinclusion.json": _each(formats.subtree_inclusion),
    "merkle-subtreeconsistency.json": _each(formats.subtree_consistency),
    "notes.json": formats.check_notes,
    "witness-litewitness.json": witnesses.check_litewitness,
    "ed25519vectors.json": _each(formats.edge_key),
}
FOLDER_CHECKS: Mapping[str, FolderCheck] = {
    "tessera-log": trees.check_tessera,
    "sunlight": trees.check_sunlight,
}
DOCUMENTS = frozenset({"README.md", "SOURCES.json", "licenses"})
"""Files beside vectors that say where they come from."""
ARCHIVES = "logs"


def conform(folder: Path | str, *, progress: Callable[[str], None] | None = None) -> list[FileResult]:
    """Check every vector in a folder, or in the folders of vectors within it.

    Args:
        folder: holds vector files, or folders of them such as `generated` and `thirdparty`.
        progress: told the name of each file before it is run.
    Returns:
        One result per file, by name; files of no known name have `known` False. What is wrong with a vector file itself
        stands in its `broken`.
    Raises:
        InputError: there is no such folder, or nothing in it is a vector file.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(f"there is no folder `{folder}`", help="name a folder of test vectors")
    results = list(_folder(place, "", progress or (lambda _name: None)))
    if not any(result.known for result in results):
        raise InputError(
            f"nothing in `{folder}` is a file of test vectors", help=f"known are {', '.join(sorted(FILE_CHECKS))}"
        )
    return results


def _folder(place: Path, prefix: str, progress: Callable[[str], None]) -> Iterator[FileResult]:
    for path in sorted(place.iterdir()):
        name = prefix + path.name
        result = FileResult(name)
        if path.is_file() and path.name in FILE_CHECKS:
            progress(name)
            _run(result, lambda path=path, result=result: _file(path, result))  # type: ignore[misc]  # loop values are bound
            yield result
        elif path.is_dir() and path.name in FOLDER_CHECKS:
            progress(name)
            check = FOLDER_CHECKS[path.name]
            _run(result, lambda path=path, result=result, check=check: check(path, result))  # type: ignore[misc]  # as above
            yield result
        elif path.name == ARCHIVES and path.is_dir():
            yield from _stray_archives(path, name, place / "logs.json")
        elif path.is_dir() and not prefix and any((path / known).exists() for known in FILE_CHECKS):
            yield from _folder(path, f"{path.name}/", progress)
        elif path.name not in DOCUMENTS:
            yield FileResult(name, known=False)


def _file(path: Path, result: FileResult) -> None:
    FILE_CHECKS[path.name](VectorFile.read(result.file, path), result)


def _run(result: FileResult, check: Callable[[], None]) -> None:
    """Run the check of one file; whatever is wrong with the file as a whole stands in its result."""
    before = (result.passed, len(result.failed), len(result.skipped), len(result.broken))
    try:
        check()
    except BrokenVector as error:
        result.broken.append(str(error))
    except (InputError, OSError) as error:
        # A key, policy or folder of the vectors themselves that cannot be used.
        result.broken.append(f"{result.file}: {error}")
    except Exception as error:  # noqa: BLE001 - as for single cases: a crash is a result of this file and ends no other
        result.failed.append(CaseFailure("whole file", f"crashed: {type(error).__name__}: {error}"))
    if before == (result.passed, len(result.failed), len(result.skipped), len(result.broken)):
        result.broken.append(f"{result.file} holds no case")


def _stray_archives(folder: Path, name: str, listing: Path) -> Iterator[FileResult]:
    """Yield the archives that the list of logs does not mention."""
    try:
        named = trees.archives_named(VectorFile.read(listing.name, listing))
    except (BrokenVector, OSError):
        named = set()
    for path in sorted(folder.iterdir()):
        if f"{ARCHIVES}/{path.name}" not in named:
            yield FileResult(f"{name}/{path.name}", known=False)
