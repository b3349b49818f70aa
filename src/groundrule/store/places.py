"""Where files of history may lie: in a directory, or in object storage under an address; one way of using both.

    /srv/groundrule/site                                       a directory: `pathlib.Path`, and nothing else
    s3://bucket/prefix                                         S3, and what speaks like it, with where and how after a `?`:
        ?region=eu-central-1 &endpoint_override=host:port &scheme=http &tls_ca_file_path=/etc/ca.pem
    gs://bucket/prefix      ?endpoint_override=… &scheme=… &retry_limit_seconds=…
    abfs://container@account.dfs.core.windows.net/prefix       abfss too

An address holds no secret. Credentials come from where the client of the storage finds them: its environment variables, a profile, or
the role of the machine. `ObjectPath` has the methods of `Path` that history needs, with the same meaning and errors of ours, so
that a reader does not ask which of both it has; what differs is in the functions below.

What is assumed of object storage: what was written is read, and stands in lists, from then on, and an object is replaced whole or not at
all. Nothing is renamed. An object is read whole with one request, and its length is compared. Waiting is bounded: see CONNECT_S.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from groundrule.errors import InputError, StoreError
from groundrule.store.durable import sync_folder, write_durably
from groundrule.store.storage_errors import CREDENTIALS, storage_error

State = tuple[int, int, int, int]
"""Size [bytes], change and status times [ns], and inode of a file; of an object its size and time, and zeros."""

CONNECT_S: Final = 5.0
REQUEST_S: Final = 20.0
ATTEMPTS: Final = 3
"""Of one request to object storage: until it is connected, without a byte, and how often it is tried; a minute or so at most."""
_THREADS: Final = 16
"""Files that are flushed, or objects that are on their way, at the same time."""
_MAY_SAY: Final = {
    "s3": frozenset({"region", "scheme", "endpoint_override", "tls_ca_file_path"}),
    "gs": frozenset({"scheme", "endpoint_override", "retry_limit_seconds", "project_id"}),
    "abfs": frozenset({"enable_tls", "blob_storage_authority", "dfs_storage_authority", "blob_storage_scheme", "dfs_storage_scheme"}),
}
_SAME: Final = {"gcs": "gs", "abfss": "abfs"}
_BUCKET: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,221}")
_EXAMPLE: Final = "for example: s3://bucket/prefix"


@dataclass(frozen=True, slots=True, order=True)
class ObjectPath:
    """An object, or all objects below a prefix; used like a `Path`.

    Attributes:
        scheme: `s3`, `gs`, `abfs` or `abfss`.
        host: bucket, or container and account.
        key: without a slash at its ends; may be empty.
        query: what the address says after its `?`.
    """

    scheme: str
    host: str
    key: str
    query: str = ""

    @classmethod
    def parse(cls, text: str) -> ObjectPath:
        """Read an address.

        Raises:
            InputError: it is none, holds a secret, or says something that is no place. A text that may hold a secret is not repeated.
        """
        try:
            parts = urlsplit(text)
            said = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError as error:
            raise InputError("the address of object storage cannot be understood", help=_EXAMPLE) from error
        kind = _SAME.get(parts.scheme, parts.scheme)
        if kind not in _MAY_SAY:
            raise InputError(
                f"`{parts.scheme[:20]}://` is not known", help=f"a directory, s3://, gs:// or abfs://; {_EXAMPLE}", scheme=parts.scheme[:20]
            )
        user, _, host = parts.netloc.rpartition("@")
        if (user and kind != "abfs") or ":" in user:
            raise InputError("the address of object storage holds a user or a secret", help=f"leave it out; {CREDENTIALS}")
        names = [name for name, _ in said]
        if unknown := sorted(set(names) - _MAY_SAY[kind]):
            raise InputError(
                f"the address of object storage says `{unknown[0][:40]}`",
                help=f"it may say {', '.join(sorted(_MAY_SAY[kind]))}; {CREDENTIALS}",
            )
        if len(set(names)) < len(names) or any("@" in value for _, value in said) or "#" in text:
            raise InputError("the address of object storage cannot be understood", help=f"each name once, and no `@` or `#`; {_EXAMPLE}")
        key = unquote(parts.path).strip("/")
        if _BUCKET.fullmatch(host) is None or any(part in ("", ".", "..") for part in key.split("/") if key):
            raise InputError("the address of object storage names no bucket, or a part of its path is empty or `..`", help=_EXAMPLE)
        return cls("gs" if kind == "gs" else parts.scheme, parts.netloc, key, urlencode(sorted(said)))

    @property
    def address(self) -> str:
        """The whole address, which `place_at` reads again."""
        return f"{self.scheme}://{self.host}/{quote(self.key, safe='/=')}" + (f"?{self.query}" if self.query else "")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}/{self.key}"

    def __truediv__(self, name: str) -> ObjectPath:
        return replace(self, key=f"{self.key}/{name}".strip("/"))

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> ObjectPath:
        """What it lies in."""
        return replace(self, key=self.key.rpartition("/")[0])

    def exists(self) -> bool:
        """Is there such an object?

        Raises:
            StoreError: the storage does not say.
        """
        files, path = self._opened()
        with self._told("read"):
            return bool(files.get_file_info(path).is_file)

    def read_buffer(self) -> pa.Buffer:
        """Return the whole object.

        Raises:
            FileNotFoundError: there is none. StoreError: the storage does not give it, or less of it than it has.
        """
        files, path = self._opened()
        with self._told("read"), files.open_input_file(path) as stream:
            size = stream.size()
            data = stream.read_buffer(size)
        if data.size != size:
            raise StoreError(f"`{self}` has {size:,} bytes, and {data.size:,} came", help="try again", path=str(self))
        return data

    def read_bytes(self) -> bytes:
        """Return the whole object; see `read_buffer`."""
        return bytes(self.read_buffer().to_pybytes())

    def write_bytes(self, data: bytes | pa.Buffer) -> int:
        """Write a whole object, which then is durable; return its length [bytes].

        Raises:
            StoreError: the storage does not take it; what was there before is still there.
        """
        files, path = self._opened()
        try:
            with self._told("write"):
                stream = files.open_output_stream(path)
                stream.write(data)
                stream.close()
        except FileNotFoundError as error:
            raise storage_error(f"write `{self}`", str(self), error) from error
        return len(data)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the object.

        Raises:
            FileNotFoundError: there is none. StoreError: the storage refuses.
        """
        files, path = self._opened()
        try:
            with self._told("delete"):
                files.delete_file(path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def remove_all(self) -> None:
        """Delete every object below.

        Raises:
            StoreError: the storage refuses.
        """
        for found in self.below():
            (self / found.name).unlink(missing_ok=True)

    def glob(self, pattern: str) -> Iterator[ObjectPath]:
        """Yield objects below whose names match, part by part."""
        wanted = pattern.split("/")
        for found in self.below():
            parts = found.name.split("/")
            if len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted)):
                yield self / found.name

    def names(self) -> list[str]:
        """Return the names of what lies directly below: objects, and what further objects lie in.

        Raises:
            StoreError: the storage does not say, or there is no such bucket.
        """
        return sorted({each.name.split("/")[0] for each in self.below()})

    def below(self) -> list[Found]:
        """Return all objects below, in no order; empty where there are none.

        Raises:
            StoreError: the storage does not say, or there is no such bucket.
        """
        from pyarrow import fs  # noqa: PLC0415 - loaded where history lies in object storage only

        files, path = self._opened()
        try:
            with self._told("list"):
                # INVARIANT: a bucket that is not there is an error; asked to allow for that, the client would tell of no objects.
                infos = files.get_file_info(fs.FileSelector(path, recursive=True))
        except FileNotFoundError:
            return []
        cut = len(path.rstrip("/")) + 1
        return [Found(each.path[cut:], int(each.size), (int(each.size), int(each.mtime_ns or 0), 0, 0)) for each in infos if each.is_file]

    def _opened(self) -> tuple[Any, str]:
        files, base = opened_storage(self.scheme, self.host, self.query)
        return files, f"{base}/{self.key}".rstrip("/")

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, pa.ArrowException) as error:
            raise storage_error(f"{doing} `{self}`", str(self), error) from error


Place: TypeAlias = Path | ObjectPath
"""Where a file or a folder lies."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file in a folder.

    Attributes:
        name: its path below the folder, with slashes.
        size: [bytes].
        state: what differs when it was written or replaced.
    """

    name: str
    size: int
    state: State


@lru_cache(maxsize=64)
def opened_storage(scheme: str, host: str, query: str) -> tuple[Any, str]:
    """Return the client of a storage, shared by the process, and how it calls the bucket.

    Raises:
        StoreError: this machine has no client for it.
    """
    from pyarrow import fs  # noqa: PLC0415 - see `below`

    try:
        if scheme == "s3":
            retry = fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS)
            said: dict[str, Any] = dict(parse_qsl(query))
            # One request for an object that fits into one; the bucket of a mistyped address is never made.
            client = fs.S3FileSystem(
                **said, connect_timeout=CONNECT_S, request_timeout=REQUEST_S, retry_strategy=retry, allow_delayed_open=True,
                background_writes=False,
            )  # fmt: skip
            return client, host
        bound = [f"retry_limit_seconds={REQUEST_S}"] if scheme == "gs" and "retry_limit_seconds" not in query else []
        bounded = "&".join(each for each in (query, *bound) if each)
        client, base = fs.FileSystem.from_uri(f"{scheme}://{host}" + (f"?{bounded}" if bounded else ""))
    except (OSError, ValueError, AttributeError, pa.ArrowException) as error:
        raise StoreError(
            f"`{scheme}://{host}` cannot be opened: {str(error).splitlines()[0][:200]}", help=f"correct the address; {CREDENTIALS}"
        ) from error
    return client, str(base).rstrip("/")


def place_at(text: Path | str) -> Place:
    """Return a directory or file by its path or `file:///…`, or what lies in object storage by its address.

    Raises:
        InputError: the address cannot be used.
    """
    if isinstance(text, Path) or "://" not in text:
        return Path(text)
    if text.startswith("file:///"):
        return Path(unquote(text.removeprefix("file://")))
    return ObjectPath.parse(text)


def address_of(place: Place) -> str:
    """Return what `place_at` reads again, also in another process or on another machine."""
    return place.address if isinstance(place, ObjectPath) else str(place.resolve())


def state_of(found: os.stat_result) -> State:
    """Return what differs when a file was written or replaced."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def size_of(place: Place) -> int:
    """Return the length of a file [bytes].

    Raises:
        OSError: there is none. StoreError: the storage does not say.
    """
    if isinstance(place, Path):
        return place.stat().st_size
    files, path = place._opened()
    with place._told("read"):
        found = files.get_file_info(path)
    if not found.is_file:
        raise FileNotFoundError(str(place))
    return int(found.size)


@contextmanager
def opened(place: Place) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file for reading; its length comes with it [bytes].

    Raises:
        OSError: there is none. StoreError: the storage does not give it.
    """
    if isinstance(place, Path):
        with place.open("rb") as stream:
            yield stream, place.stat().st_size
        return
    data = place.read_bytes()
    yield io.BytesIO(data), len(data)


def names_in(folder: Place) -> list[str]:
    """Return the names of what lies directly in a folder; none where it is not there.

    Raises:
        StoreError: the storage does not say.
    """
    if isinstance(folder, ObjectPath):
        return folder.names()
    return [each.name for each in folder.iterdir()] if folder.is_dir() else []


def remove_folder(folder: Place) -> None:
    """Delete a folder with all that lies in it.

    Raises:
        OSError: the disk refuses. StoreError: the storage does.
    """
    if isinstance(folder, ObjectPath):
        folder.remove_all()
    else:
        shutil.rmtree(folder)


def put(place: Place, data: bytes) -> None:
    """Write a whole file durably: the old content or the new is there, never a part.

    Raises:
        StoreError: the disk or the storage refused.
    """
    if isinstance(place, Path):
        write_durably(place, data)
    else:
        place.write_bytes(data)


def put_all(files: Sequence[tuple[Path, ObjectPath]]) -> None:
    """Copy files of this machine to object storage, some at the same time.

    Raises:
        StoreError: the storage refused. OSError: one of them cannot be read.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(lambda each: each[1].write_bytes(each[0].read_bytes()), files):
            pass


def on_this_machine(files: Sequence[Place], folder: Path) -> list[str]:
    """Return paths under which a program that knows only directories reads files: their own, or those of copies.

    Args:
        folder: for copies of objects; somebody else removes it.
    Raises:
        FileNotFoundError: there is no such object. StoreError: the storage does not give it. OSError: a copy cannot be written.
    """
    found = []
    for number, place in enumerate(files):
        path = place
        if isinstance(place, ObjectPath):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{number:06d}-{place.name}"
            path.write_bytes(place.read_buffer())
        found.append(str(path))
    return found


def parquet_source(place: Place) -> Path | pa.BufferReader:
    """Return what a reader of Parquet is given: the path, or the whole object.

    Raises:
        FileNotFoundError: there is no such object. StoreError: the storage does not give it.
    """
    return place if isinstance(place, Path) else pa.BufferReader(place.read_buffer())


def dataset_of(place: Place) -> ds.Dataset:
    """Return the rows of a Parquet file, of which a condition and columns may be asked.

    Raises:
        OSError, pa.ArrowException: it cannot be read. StoreError: the storage does not give it.
    """
    if isinstance(place, Path):
        return ds.dataset(str(place), format="parquet")
    form = ds.ParquetFileFormat()
    fragment = form.make_fragment(place.read_buffer())
    return ds.FileSystemDataset([fragment], fragment.physical_schema, form)


def write_parquet(files: Sequence[tuple[pa.Table, Place]]) -> None:
    """Write tables, so that they can be read; `settle` then makes them durable.

    Raises:
        StoreError: the disk or the storage refused.
    """
    away: list[tuple[pa.Table, ObjectPath]] = []
    for table, place in files:
        if isinstance(place, ObjectPath):
            away.append((table, place))
            continue
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, place, compression="zstd", compression_level=1)
        except OSError as error:
            raise StoreError(f"cannot write `{place}`: {error.strerror or error}", path=str(place)) from error
    if away:
        with ThreadPoolExecutor(min(_THREADS, len(away))) as pool:
            for _ in pool.map(lambda each: each[1].write_bytes(_encoded(each[0])), away):
                pass


def settle(files: Sequence[Place], root: Place) -> None:
    """Make files, and the folders that they lie in, durable.

    Args:
        root: the outermost folder that may be new.
    """
    kept = [each for each in files if isinstance(each, Path)]  # an object is durable when it is written
    folders: set[Path] = set()
    for path in kept:
        folders.update(each for each in path.parents if each == root or root in each.parents)
    _sync_all(kept)
    _sync_all(sorted(folders))


def _sync_all(paths: Sequence[Path]) -> None:
    """Flush files or folders; at the same time, because the disk's journal then commits many of them at once."""
    if len(paths) < 4:
        for path in paths:
            sync_folder(path)
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(sync_folder, paths):
            pass


def _encoded(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=1)
    return sink.getvalue()
