"""A folder of decisions that a cluster wrote: batches of files by bucket of terminals, each batch committed by its manifest.

    FOLDER/batch-000001/_manifest.json                                    written last; a batch without it counts as not there
    FOLDER/batch-000001/DIGITS/KIND/bucket-000012.parquet                 DIGITS are of the job that wrote it

KIND is `decisions`, `corrections` (of what earlier batches decided, because something came late), `observations` as they were accepted,
`over_late` (stored and not decided), `rejected` (rows that could not be used, JSON lines), `remembered` and `remembered_over_late` (what
the home had before the first batch), `memory` (what the next batch needs to know of each terminal), and `emergencies` (of bucket 0: those
that were open). A manifest names every file with rows, length and SHA-256, what the batch was decided under, and the digest of the manifest
before. What no manifest names is no result.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from groundrule.canon import SCHEME, canonical_json, digest, digest_bytes
from groundrule.errors import InputError, IntegrityError, StoreError
from groundrule.pipeline.replaying import Progress, no_progress
from groundrule.records import DECISION_SCHEMA, OBSERVATION_SCHEMA, with_later
from groundrule.store.places import Place, names_in, put, size_of

MANIFEST: Final = "_manifest.json"
VERSION: Final = 1
DECISION_KINDS: Final = ("decisions", "corrections")
TABLES: Final = (*DECISION_KINDS, "observations", "over_late", "remembered", "remembered_over_late")
"""Kinds of files that are Parquet."""
_ENDINGS: Final = {"rejected": "jsonl", "memory": "npz", "emergencies": "json"}
"""Of the other kinds."""


class DecidedFile(msgspec.Struct, frozen=True):
    """One file of a batch.

    Attributes:
        kind: see the module.
        bucket: which terminals.
        name: its path in the folder of the batch.
        rows: in it.
        bytes: its length.
        digest: SHA-256 of its bytes.
    """

    kind: str
    bucket: int
    name: str
    rows: int
    bytes: int
    digest: str


@dataclass(frozen=True)
class DecidedBatch:
    """One committed batch.

    Attributes:
        folder: of the batch.
        manifest: its content.
        digest: of the manifest.
    """

    folder: Place
    manifest: dict[str, Any]
    digest: str

    @cached_property
    def files(self) -> tuple[DecidedFile, ...]:
        """All its files, by kind and bucket."""
        return tuple(msgspec.convert(each, DecidedFile) for each in self.manifest["files"])

    @cached_property
    def _by_place(self) -> dict[tuple[str, int], DecidedFile]:
        return {(each.kind, each.bucket): each for each in self.files}

    def file(self, kind: str, bucket: int) -> DecidedFile | None:
        """Return the file of one kind and bucket; None where the bucket has no such rows."""
        return self._by_place.get((kind, bucket))

    def data(self, file: DecidedFile) -> bytes:
        """Return the bytes of a file.

        Raises:
            IntegrityError: they are not those that were committed.
        """
        path = self.folder / file.name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise IntegrityError(f"`{path}` is in the manifest and cannot be read: {error.strerror or error}", path=str(path)) from error
        if SCHEME + sha256(data).hexdigest() != file.digest:
            raise IntegrityError(f"`{path}` is not what its manifest says", help="decide again into another folder", path=str(path))
        return data

    def table(self, file: DecidedFile) -> pa.Table:
        """Return the rows of a file: decisions of DECISION_SCHEMA, observations of OBSERVATION_SCHEMA.

        Raises:
            IntegrityError: they are not those that were committed.
        """
        table = pq.read_table(io.BytesIO(self.data(file)))
        if file.kind in DECISION_KINDS:
            return table.cast(DECISION_SCHEMA)
        return with_later(table).cast(OBSERVATION_SCHEMA)


@dataclass(frozen=True)
class DecidedFolder:
    """A folder of decisions.

    Attributes:
        path: where it lies: a directory, or a prefix in object storage.
        batches: those that are committed, in their order.
    """

    path: Place
    batches: tuple[DecidedBatch, ...]

    @classmethod
    def open(cls, path: Place, *, empty: bool = False) -> DecidedFolder:
        """Open a folder; a last batch that is not finished is left out.

        Args:
            empty: a folder without any batch is fine, and so is one that is not there.
        Raises:
            InputError: there is no such folder, or it holds no finished batch.
            IntegrityError: a batch is missing, or a manifest is not what was written.
        """
        numbers = sorted(
            int(name.removeprefix("batch-"))
            for name in names_in(path)
            if name.startswith("batch-") and name.removeprefix("batch-").isdigit()
        )
        found: list[DecidedBatch] = []
        for number in numbers:
            folder = batch_folder(path, number)
            if not (folder / MANIFEST).exists():
                if number != numbers[-1]:
                    raise IntegrityError(f"`{folder}` has no manifest, and later batches have: it was removed", path=str(folder))
                break
            if number != len(found) + 1:
                raise IntegrityError(f"`{batch_folder(path, len(found) + 1)}` is missing", path=str(path))
            found.append(_read(folder, number, found[-1].digest if found else None))
        if not found and not empty:
            raise InputError(f"`{path}` holds no finished batch of decisions", help="a batch is finished when its manifest is there")
        return cls(path, tuple(found))

    @property
    def latest(self) -> DecidedBatch | None:
        """The last batch."""
        return self.batches[-1] if self.batches else None

    def memory(self, bucket: int, rulebook: str, areas: str) -> tuple[DecidedBatch, DecidedFile] | None:
        """Return where what is known of the terminals of a bucket was last written, as a rulebook and areas see it.

        Returns:
            None where nothing was since they came into force.
        """
        for batch in reversed(self.batches):
            if (batch.manifest["rulebook"], batch.manifest["areas"]) != (rulebook, areas):
                return None
            if file := batch.file("memory", bucket):
                return batch, file
        return None

    def tables(self, kind: str, batches: Sequence[DecidedBatch] | None = None) -> Iterator[pa.Table]:
        """Yield the rows of a kind, batch after batch and bucket after bucket; each file is checked.

        Raises:
            IntegrityError: they are not those that were committed.
        """
        for batch in self.batches if batches is None else batches:
            for file in batch.files:
                if file.kind == kind:
                    yield batch.table(file)

    def check(self, progress: Progress = no_progress) -> int:
        """Check the bytes of every file, and return how many files there are.

        Args:
            progress: told of rows checked.
        Raises:
            IntegrityError: the first that is not what was committed.
        """
        files = [(batch, file) for batch in self.batches for file in batch.files]
        for batch, file in files:
            batch.data(file)
            progress("check", file.rows)
        return len(files)


def batch_folder(path: Place, number: int) -> Place:
    """Return the folder of a batch; batches count from 1."""
    return path / f"batch-{number:06d}"


def put_file(folder: Place, job: str, kind: str, bucket: int, content: pa.Table | bytes, rows: int | None = None) -> DecidedFile:
    """Write a file of a batch durably; whoever wrote it before for the same job has written the same.

    Args:
        folder: of the batch.
        job: digits of the job.
        content: a table, or bytes with their rows.
    Raises:
        StoreError: the disk or the storage refused.
    """
    if isinstance(content, bytes):
        data, count, ending = content, rows or 0, _ENDINGS[kind]
    else:
        sink = pa.BufferOutputStream()
        pq.write_table(content, sink, compression="zstd", compression_level=1)
        data, count, ending = sink.getvalue().to_pybytes(), len(content), "parquet"
    name = f"{job}/{kind}/bucket-{bucket:06d}.{ending}"
    put(folder / name, data)
    return DecidedFile(kind, bucket, name, count, len(data), SCHEME + sha256(data).hexdigest())


def commit(folder: Place, manifest: dict[str, Any], files: Sequence[DecidedFile]) -> DecidedBatch:
    """Write the manifest of a batch, after which it counts.

    Raises:
        StoreError: a file is not there or has another length, or the disk refused.
    """
    for each in files:
        path = folder / each.name
        if _length(path) != each.bytes:
            raise StoreError(f"`{path}` is not as it was written", help="remove the folder of this batch, and start again", path=str(path))
    ordered = sorted(files, key=lambda each: (each.kind, each.bucket))
    content = {**manifest, "v": VERSION, "files": [msgspec.to_builtins(each) for each in ordered]}
    data = canonical_json(content)
    put(folder / MANIFEST, data)
    return DecidedBatch(folder, content, digest_bytes(data))


def combined(content: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """Return rows and digest of a kind over all buckets, as a manifest names them.

    Args:
        content: rows and digest of each bucket that has some.
    """
    return {"rows": sum(each["rows"] for each in content.values()), "digest": digest([list(each) for each in sorted(content.items())])}


def _length(place: Place) -> int | None:
    try:
        return size_of(place)
    except OSError:
        return None


def _read(folder: Place, number: int, previous: str | None) -> DecidedBatch:
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
        content = json.loads(data)
        intact = canonical_json(content) == data and content["batch"] == number and content["v"] == VERSION
        batch = DecidedBatch(folder, content, digest_bytes(data))
        intact = intact and content["previous"] == previous and len(batch.files) >= 0
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error.strerror or error}", path=str(path)) from error
    except (ValueError, KeyError, TypeError, RecursionError):
        intact = False
    if not intact:
        raise IntegrityError(f"the manifest `{path}` has been changed, or does not follow the one before", path=str(path))
    return batch
