"""Answers of buckets kept in a folder, so that a job that was broken off goes on where it was.

    CHECKPOINT/DIGEST-OF-THE-JOB/bucket-000012.answers      SHA-256 of what follows (32 bytes) | MessagePack list of answers

CHECKPOINT is a directory or a prefix in object storage. Whoever answers for a bucket writes its file whole and durably; a file
whose digest does not hold counts as not there. The digest of a job is that of everything its answers depend on: the question, the
bundle, the bytes of every file of history, how many buckets there are and the program version. So a file never answers another question
than the one it was written for.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from groundrule.canon import SCHEME, digest, digest_bytes, digest_file
from groundrule.engines.slices import HistoryFile
from groundrule.errors import StoreError
from groundrule.pipeline.decisions import ENGINE
from groundrule.store.places import Place, names_in, place_at, put

READERS: Final = 4
"""Files of which digests are taken at the same time."""
_DIGEST_BYTES: Final = 32


def job_digest(question: dict[str, Any], bundle: Path, reads: Sequence[Sequence[HistoryFile]], buckets: int) -> str:
    """Return the digest of a job, by all that its answers depend on.

    Args:
        question: canonical JSON content.
        bundle: named by its digest.
        reads: files of history; how they are read together changes no answer.
        buckets: into how many terminals are divided.
    Raises:
        StoreError: a file cannot be read.
    """
    files = sorted((each for read in reads for each in read), key=lambda each: (each.kind, each.run, each.correction, each.number))
    with ThreadPoolExecutor(READERS, thread_name_prefix="digests") as pool:
        digests = list(pool.map(_file_digest, files))
    named = [[each.kind, each.run, each.correction, each.number, found] for each, found in zip(files, digests, strict=True)]
    return digest({"engine": ENGINE, "question": question, "bundle": bundle.name, "files": named, "buckets": buckets})


def folder_of(checkpoint: Place, job: str) -> Place:
    """Return where the answers of a job are kept, and make the folder.

    Args:
        checkpoint: of all jobs.
        job: its digest.
    Raises:
        StoreError: it cannot be made.
    """
    if not isinstance(checkpoint, Path):
        return checkpoint / job.removeprefix(SCHEME)
    folder = checkpoint.resolve() / job.removeprefix(SCHEME)
    try:
        # Answers name terminals.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make `{folder}`: {error.strerror or error}", help="name a folder for --checkpoint") from error
    return folder


def keep(folder: Place, bucket: int, answers: Sequence[bytes]) -> None:
    """Write all answers of a bucket durably; whoever wrote them before has written the same.

    Raises:
        StoreError: the folder is not there, or the disk refused.
    """
    if isinstance(folder, Path) and not folder.is_dir():
        raise StoreError(f"`{folder}` is not on this machine", help="every worker has to see the checkpoint under the same path")
    content = msgspec.msgpack.encode(list(answers))
    put(_path(folder, bucket), sha256(content).digest() + content)


def kept(folder: Place, buckets: int) -> dict[int, list[bytes]]:
    """Return the answers of those buckets that are wholly there."""
    found = {}
    names = set(names_in(folder))
    for bucket in range(buckets):
        if _path(folder, bucket).name not in names:
            continue
        with suppress(OSError, msgspec.DecodeError):
            data = _path(folder, bucket).read_bytes()
            head, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
            if sha256(content).digest() == head:
                found[bucket] = msgspec.msgpack.decode(content, type=list[bytes])
    return found


def _path(folder: Place, bucket: int) -> Place:
    return folder / f"bucket-{bucket:06d}.answers"


def _file_digest(file: HistoryFile) -> str:
    try:
        place = place_at(file.path)
        return digest_file(place) if isinstance(place, Path) else digest_bytes(place.read_bytes())
    except OSError as error:
        raise StoreError(f"cannot read `{file.path}`: {error.strerror or error}", path=file.path) from error
