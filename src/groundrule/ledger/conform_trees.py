"""Checks of vectors about trees, tiles and whole logs."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path, PurePosixPath

from groundrule.canon import format_base64
from groundrule.errors import InputError, IntegrityError, ProofFailed, StoreError
from groundrule.ledger.audit.fsck import FsckReport, fsck
from groundrule.ledger.audit.source import Source
from groundrule.ledger.checkpoint import Checkpoint, open_checkpoint
from groundrule.ledger.cosignature import cosignatures
from groundrule.ledger.note import Note, VerifierKey
from groundrule.ledger.policy import Policy
from groundrule.ledger.tiles import TilePath, TileTree, new_bundles, new_tiles, resources, tile_hashes
from groundrule.ledger.tree import Frontier, leaf_hashes, root_of
from groundrule.ledger.vectors import BrokenVector, Fields, FileResult, Skip, VectorFile, refusal, verdict

MAX_LEAVES = 2_000_000
"""Largest tree that is built for a vector; its leaves and tiles are held in memory."""
MAX_ARCHIVE_FILES = 100_000
MAX_ARCHIVE_BYTES = 1 << 29
"""Most that one archive may hold, unpacked [bytes]."""
LOG_EXPECTATIONS = ("ok", "bad", "bad-with-prev", "bad-with-policy", "needs-other-view")


# --- trees and paths --------------------------------------------------------------------------------------------------


def check_trees(file: VectorFile, result: FileResult) -> None:
    """Roots and resources of trees whose leaf i is `<seed>/leaf/<i>` and a line feed."""
    seed = file.top.text("seed")
    cases = list(file.cases(result))
    sizes: list[tuple[int, str, Fields]] = []
    for desc, case in cases:
        try:
            sizes.append((case.number("size"), f"size {case.number('size')}", case))
        except BrokenVector as error:
            result.broken.append(f"{error} ({desc})")
    log = _GrowingLog(seed)
    for size, desc, case in sorted(sizes, key=lambda item: item[0]):
        result.run(desc, lambda size=size, case=case: log.check(size, case))  # type: ignore[misc]  # loop values are bound


class _GrowingLog:
    """One log that grows from size to size, made by the functions that the real log uses."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._size = 0
        self._files: dict[str, bytes] = {}
        self._digests: dict[str, bytes] = {}
        self._frontier = Frontier()

    def check(self, size: int, case: Fields) -> str | None:
        """Grow to a size and compare root and resources."""
        if not 0 <= size <= MAX_LEAVES:
            raise Skip(f"trees of more than {MAX_LEAVES:,} leaves are not built here")
        self._grow(size)
        root = case.text("root")
        if format_base64(self._frontier.root()) != root:
            return "the root of the leaves differs"
        if format_base64(TileTree(self._files.__getitem__, size).root()) != root:
            return "the root read from the tiles differs"
        found = {str(path): self._digest(str(path)) for path in resources(size)}
        if len(found) != case.number("n_resources"):
            return f"{len(found)} resources, and must be {case.number('n_resources')}"
        whole = sha256()
        for path in sorted(found):
            whole.update(path.encode() + b"\x00" + found[path])
        if "resources" in case:
            named = Fields(f"{case.where}: resources", case.any("resources"))
            for path in case.any("resources"):
                if found.get(path) != named.hex(path):
                    return (
                        f"`{path[:80]}` differs" if path in found else f"`{path[:80]}` is not a resource of this size"
                    )
        return None if whole.digest() == case.hex("resources_sha256") else "the digest over all resources differs"

    def _grow(self, size: int) -> None:
        entries = [f"{self._seed}/leaf/{index}\n".encode() for index in range(self._size, size)]
        hashes = leaf_hashes(entries)
        made = [
            *new_bundles(self._size, self._files.__getitem__, entries),
            *new_tiles(self._size, self._files.__getitem__, hashes),
        ]
        self._files.update((str(path), data) for path, data in made)
        self._frontier.extend(hashes)
        self._size = size

    def _digest(self, path: str) -> bytes:
        if path not in self._digests:
            self._digests[path] = sha256(self._files[path]).digest()
        return self._digests[path]


def check_paths(file: VectorFile, result: FileResult) -> None:
    """Paths: `level`, `n`, `w` (null for a full tile) and `path`; and `reject`, paths that no tile has."""

    def written(case: Fields) -> str | None:
        expected = case.text("path")
        level = None if case.any("level") == "entries" else case.number("level")
        path = TilePath(level, case.number("n"), case.number("w") if "w" in case else 256)
        if str(path) != expected:
            return f"is written `{path}`"
        return None if TilePath.parse(expected) == path else "is read otherwise"

    result.run_all(file.cases(result), written)
    for text in file.top.texts("reject"):
        result.run(
            f"reject ({text[:60]})",
            lambda text=text: verdict(refusal(lambda: TilePath.parse(text), InputError), refuse=True),  # type: ignore[misc]  # loop value is bound
        )


# --- archives of logs -------------------------------------------------------------------------------------------------


def read_archive(path: Path, name: str) -> dict[str, bytes]:
    """Read a tar archive into memory; nothing of it is written to disk.

    Raises:
        BrokenVector: missing, not an archive, too large, with links, devices, names that leave the archive or twice the same.
    """
    files: dict[str, bytes] = {}
    total = 0
    try:
        # As a stream: members are read as they come, and a header cannot point back.
        with tarfile.open(path, "r|*") as archive:
            for number, member in enumerate(archive, start=1):
                if number > MAX_ARCHIVE_FILES:
                    raise BrokenVector(f"{name} holds more than {MAX_ARCHIVE_FILES} files")
                if member.isdir():
                    continue
                inner = PurePosixPath(member.name)
                if not member.isreg() or inner.is_absolute() or ".." in inner.parts or str(inner) in files:
                    raise BrokenVector(
                        f"{name}: `{member.name[:80]}` is not taken", help="plain files within the archive, each once"
                    )
                total += member.size
                if total > MAX_ARCHIVE_BYTES:
                    raise BrokenVector(f"{name} unpacks to more than {MAX_ARCHIVE_BYTES} bytes")
                stream = archive.extractfile(member)
                files[str(inner)] = b"" if stream is None else stream.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise BrokenVector(f"{name} cannot be read: {error}") from None
    return files


def memory_source(files: Mapping[str, bytes]) -> Source:
    """Return files in memory as a log that can be read."""

    def read(path: str) -> bytes:
        try:
            return files[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    return Source(read, frozenset(files))


def check_logs(file: VectorFile, result: FileResult) -> None:
    """Whole logs in archives: `name`, `file`, `expect`; and `log_vkey`, `policy` and the pinned checkpoint `prev`."""
    top = file.top
    keys = [VerifierKey.parse(top.text("log_vkey"))]
    policy, pinned = Policy.parse(top.utf8("policy")), top.utf8("prev")
    good = _good_checkpoints(file)

    def check(case: Fields) -> str | None:
        expect = case.one_of("expect", LOG_EXPECTATIONS)
        log = memory_source(_archive_of(file, case))
        alone = fsck(log, keys, raw=True)
        if expect == "bad":
            return verdict(_first_fault(alone), refuse=True)
        if not alone.ok and expect != "ok":
            return f"fails already on its own: {_first_fault(alone)}"
        if expect == "bad-with-prev":
            return verdict(_first_fault(fsck(log, keys, raw=True, pinned=[pinned])), refuse=True)
        if expect == "bad-with-policy":
            return verdict(_first_fault(fsck(log, policy, raw=True)), refuse=True)
        if expect == "ok":
            strict = fsck(log, policy, raw=True, pinned=[pinned])
            return verdict(_first_fault(alone) or _first_fault(strict), refuse=False)
        if fault := _first_fault(fsck(log, keys, raw=True, pinned=[pinned])):
            return f"fails with the pinned checkpoint already: {fault}"
        if not good:
            raise BrokenVector(f"{case.where}: no case expects `ok`, so there is no other view to compare with")
        return split_view_missing(fsck(log, keys, raw=True, other=good), keys)

    result.run_all(file.cases(result), check)


def archives_named(file: VectorFile) -> set[str]:
    """Return the archives that a file of logs refers to."""
    try:
        cases = file.top.items("cases")
    except BrokenVector:
        return set()
    return {case["file"] for case in cases if isinstance(case, dict) and isinstance(case.get("file"), str)}


def _archive_of(file: VectorFile, case: Fields) -> dict[str, bytes]:
    name = case.text("file")
    inner = PurePosixPath(name)
    if inner.is_absolute() or ".." in inner.parts:
        raise BrokenVector(f"{case.where}: `{name[:80]}` leaves the folder")
    path = file.path.parent / inner
    if not path.is_file():
        raise BrokenVector(f"{case.where}: there is no archive `{name[:80]}`")
    return read_archive(path, name)


def _good_checkpoints(file: VectorFile) -> list[bytes]:
    found = []
    for number, values in enumerate(file.top.items("cases"), start=1):
        if isinstance(values, dict) and values.get("expect") == "ok":
            try:
                files = _archive_of(file, Fields(f"{file.name}: cases {number}", values))
            except BrokenVector:
                continue  # reported where the case itself is run
            if "checkpoint" in files:
                found.append(files["checkpoint"])
    return found


def _first_fault(report: FsckReport) -> str | None:
    return str(report.faults[0]) if report.faults else None


def split_view_missing(report: FsckReport, keys: Sequence[VerifierKey]) -> str | None:
    """Check that the two heads of a split view prove it to anybody who has the log's key."""
    if report.split_view is None:
        return "yields no proof of a split view"
    one, two = (open_checkpoint(data, keys).checkpoint for data in report.split_view)
    if (one.origin, one.size) != (two.origin, two.size) or one.root == two.root:
        return "yields two checkpoints that do not contradict each other"
    return None


# --- logs of other implementations ------------------------------------------------------------------------------------


def check_tessera(folder: Path, result: FileResult) -> None:
    """A log that grew entry by entry: `VKEY.txt`, `checkpoint`, `checkpoint.<size>` and the partial tiles of each size."""
    keys = [VerifierKey.parse(_read(folder / "VKEY.txt", result).decode().strip())]
    heads = sorted(
        (int(path.suffix[1:]), path.name) for path in folder.glob("checkpoint.*") if path.suffix[1:].isdecimal()
    )

    def read_with(head: str) -> Callable[[str], bytes]:
        return lambda path: (folder / (head if path == "checkpoint" else path)).read_bytes()

    def check(head: str, size: int | None, earlier: bytes | None) -> str | None:
        report = fsck(Source(read_with(head)), keys, raw=True, pinned=[] if earlier is None else [earlier])
        if report.faults:
            return _first_fault(report)
        return None if size in (None, report.size) else f"has size {report.size}"

    def shrunk(head: str, later: str) -> str | None:
        return _first_fault(fsck(Source(read_with(head)), keys, raw=True, pinned=[(folder / later).read_bytes()]))

    before: bytes | None = None
    for size, name in heads:
        result.run(f"size {size}", lambda name=name, size=size, before=before: check(name, size, before))  # type: ignore[misc]  # loop values are bound
        before = _read(folder / name, result)
    result.run("checkpoint", lambda: check("checkpoint", None, before))
    for (size, one), (later, two) in pairwise(heads):
        result.run(
            f"size {size} after size {later} was seen",
            lambda one=one, two=two: verdict(shrunk(one, two), refuse=True),  # type: ignore[misc]  # loop values are bound
        )


def check_sunlight(folder: Path, result: FileResult) -> None:
    """Cosignatures of another witness and mirror, a line of type 5 to ignore, and the tiles of the mirror."""
    for who, head in (("witness", "witness-checkpoint.txt"), ("mirror", "mirror/checkpoint")):
        described = VectorFile.read(f"{result.file}/{who}.v0.json", folder / f"{who}.v0.json").top
        keys = [VerifierKey.parse(text) for text in described.texts("verifier_keys")]
        note = Note.parse(_read(folder / head, result))

        def cosigned(note: Note = note, keys: Sequence[VerifierKey] = keys) -> str | None:
            times, failed = cosignatures(note, Checkpoint.parse(note.text), keys)
            return None if len(times) == len(keys) and not failed else f"{len(times)} of {len(keys)} cosignatures hold"

        result.run(f"{head}: cosigned by {who}", cosigned)
        result.run(
            f"{head}: other lines do not count",
            lambda note=note, keys=keys: verdict(_log_refusal(note, keys), refuse=True),  # type: ignore[misc]  # loop values are bound
        )
    mirrored = Checkpoint.parse(Note.parse(_read(folder / "mirror/checkpoint", result)).text)

    def tiles() -> str | None:
        paths = [path for path in resources(mirrored.size) if path.level is not None]
        hashes = [
            found
            for path in paths
            if path.level == 0
            for found in tile_hashes((folder / "mirror" / str(path)).read_bytes(), path.width)
        ]
        if root_of(hashes) != mirrored.root:
            return "the leaf hashes do not lead to the root"
        tree = TileTree(lambda path: (folder / "mirror" / path).read_bytes(), mirrored.size)
        return None if tree.root() == mirrored.root else "the tiles do not lead to the root"

    result.run("mirror: tiles", tiles)


def _log_refusal(note: Note, keys: Sequence[VerifierKey]) -> str | None:
    """A checkpoint without a log signature of type 1 or 6 must not open, whoever else signed it."""
    try:
        open_checkpoint(note.format(), keys, origin=Checkpoint.parse(note.text).origin)
    except (ProofFailed, InputError, IntegrityError, StoreError) as error:
        return str(error)
    return None


def _read(path: Path, result: FileResult) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BrokenVector(f"{result.file}: `{path.name}` cannot be read: {error.strerror}") from None
