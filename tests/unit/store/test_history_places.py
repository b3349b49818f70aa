"""A file of history is used alike in a directory and in object storage; addresses hold no secret; a storage that fails says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from groundrule.errors import ConflictError, GroundruleError, InputError, StoreError
from groundrule.store import places
from groundrule.store.home import HISTORY_MARK, Home
from groundrule.store.places import (
    ObjectPath,
    Place,
    address_of,
    dataset_of,
    opened,
    parquet_source,
    place_at,
    put,
    put_all,
    settle,
    size_of,
    write_parquet,
)
from object_storage import Storage, address, free_port, refusing

ROWS = pa.table({"terminal_id": ["a", "b", "c"], "n": [1, 2, 3]})


class Folder(fs.FileSystemHandler):
    """Object storage in a folder; what it is told to do wrong, it does wrong."""

    def __init__(self, root: Path) -> None:
        self.inner = fs.SubTreeFileSystem(str(root), fs.LocalFileSystem())
        self.fault: Callable[[str], None] = lambda _: None
        self.cut = 0

    def get_type_name(self) -> str:
        return "folder"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> Any:
        self.fault("read")
        return self.inner.get_file_info(paths)

    def get_file_info_selector(self, selector: fs.FileSelector) -> Any:
        self.fault("list")
        return self.inner.get_file_info(selector)

    def open_input_file(self, path: str) -> Any:
        self.fault("read")
        found = self.inner.open_input_file(path)
        return pa.PythonFile(_Short(found, self.cut), "rb") if self.cut else found

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        self.fault("write")
        self.inner.create_dir(path.rpartition("/")[0], recursive=True)
        return self.inner.open_output_stream(path, metadata=metadata)

    def delete_file(self, path: str) -> None:
        self.fault("delete")
        self.inner.delete_file(path)

    def _never(self, *_: Any) -> Any:
        raise AssertionError("history asks for nothing of the kind")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = move = copy_file = _never
    open_input_stream = open_append_stream = _never


class _Short:
    """A file that ends earlier than it says."""

    closed = False

    def __init__(self, found: Any, cut: int) -> None:
        self._found, self._cut = found, cut

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._found.tell())

    def seek(self, *where: int) -> int:
        return int(self._found.seek(*where))

    def read(self, size: int = -1) -> bytes:
        return bytes(self._found.read(max(0, size - self._cut)))

    def close(self) -> None:
        self._found.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Object storage in a folder, whatever the address."""
    (tmp_path / "stored" / "bucket").mkdir(parents=True)
    made = Folder(tmp_path / "stored")
    monkeypatch.setattr(places, "opened_storage", lambda *_: (fs.PyFileSystem(made), "bucket"))
    return made


@pytest.fixture(params=["directory", "folder", "server"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place in each kind of storage."""
    if request.param == "directory":
        yield tmp_path / "kept"
    elif request.param == "folder":
        request.getfixturevalue("folder")
        yield ObjectPath.parse("s3://bucket/kept")
    else:
        yield request.getfixturevalue("storage").place()


def test_a_file_is_written_whole_found_read_and_deleted_in_every_place(root: Place) -> None:
    place = root / "date=2026-03-02" / "hour=00-23" / "run-000001-000000.parquet"
    assert not place.exists()
    assert list(root.glob("date=*/hour=*/run-*.parquet")) == []
    put(place, b"old")
    put(place, b"longer than the old")
    assert (place.exists(), place.read_bytes(), size_of(place)) == (True, b"longer than the old", 19)
    with opened(place) as (stream, size):
        assert (stream.read(), size) == (b"longer than the old", 19)
    assert (place.name, place.parent.name) == ("run-000001-000000.parquet", "hour=00-23")
    assert list(root.glob("date=*/hour=*/run-*.parquet")) == [place]
    assert list(root.glob("run-*.parquet")) == list(root.glob("date=*/hour=*/run-000002*")) == []
    assert place_at(address_of(place)) == place
    place.unlink()
    place.unlink(missing_ok=True)
    assert not place.exists()
    for ask in (place.unlink, place.read_bytes, lambda: size_of(place)):
        with pytest.raises(FileNotFoundError):
            ask()


def test_tables_are_the_same_bytes_in_every_place(root: Place, tmp_path: Path) -> None:
    files = [(ROWS, root / "a" / "1.parquet"), (ROWS.slice(1), root / "a" / "2.parquet"), (ROWS, tmp_path / "here" / "1.parquet")]
    write_parquet(files)
    settle([place for _, place in files], root)
    assert files[0][1].read_bytes() == files[2][1].read_bytes()
    assert pq.ParquetFile(parquet_source(files[1][1])).read().to_pydict() == {"terminal_id": ["b", "c"], "n": [2, 3]}
    found = dataset_of(files[0][1])
    assert found.schema.names == ["terminal_id", "n"]
    assert found.to_table(columns=["terminal_id"], filter=pc.field("n") > 1, use_threads=False).to_pydict() == {"terminal_id": ["b", "c"]}


def test_what_lies_below_has_name_length_and_a_state_that_a_change_shows(storage: Storage, tmp_path: Path) -> None:
    root = storage.place()
    (tmp_path / "one").write_bytes(b"12345")
    put_all([(tmp_path / "one", root / "a/b/one"), (tmp_path / "one", root / "two")])
    before = {each.name: each for each in root.below()}
    assert {name: each.size for name, each in before.items()} == {"a/b/one": 5, "two": 5}
    (root / "two").write_bytes(b"123456")
    after = {each.name: each.state for each in root.below()}
    assert after["a/b/one"] == before["a/b/one"].state
    assert after["two"] != before["two"].state
    root.remove_all()
    assert root.below() == []


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("s3://bucket", "s3://bucket/"),
        ("s3://bucket/some/prefix/", "s3://bucket/some/prefix"),
        ("s3://bucket/p?scheme=http&endpoint_override=127.0.0.1%3A9000", "s3://bucket/p?endpoint_override=127.0.0.1%3A9000&scheme=http"),
        ("s3://bucket/a%20b", "s3://bucket/a%20b"),
        ("gcs://bucket/p", "gs://bucket/p"),
        ("abfs://box@account.dfs.core.windows.net/p", "abfs://box@account.dfs.core.windows.net/p"),
    ],
)
def test_an_address_is_kept_as_it_was_given(text: str, again: str) -> None:
    found = place_at(text)
    assert isinstance(found, ObjectPath)
    assert found.address == again
    assert place_at(again) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("s3://key:hunter2@bucket/p", "a secret"),
        ("s3://hunter2@bucket/p", "a secret"),
        ("abfs://box:secret@account.dfs.core.windows.net/p", "a secret"),
        ("s3://bucket/p?secret_key=hunter2", "says `secret_key`"),
        ("s3://bucket/p?allow_bucket_creation=true", "says `allow_bucket_creation`"),
        ("s3://bucket/p?endpoint_override=hunter2%40host", "cannot be understood"),
        ("s3://bucket/p?region=a&region=b", "cannot be understood"),
        ("s3://bucket/p#hunter2", "cannot be understood"),
        ("s3://bucket/p?region", "cannot be understood"),
        ("s3a://bucket/p", "`s3a://` is not known"),
        ("hdfs://node/p", "`hdfs://` is not known"),
        ("file://host/p", "`file://` is not known"),
        ("s3:///p", "names no bucket"),
        ("s3://bucket/a/../b", "names no bucket"),
        ("s3://bucket/a//b", "names no bucket"),
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_and_not_repeated(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=why) as caught:
        Home.create(tmp_path / "home", history=text)
    assert caught.value.help
    assert "hunter2" not in str(caught.value)
    assert ":secret" not in str(caught.value)
    assert not (tmp_path / "home").exists()


def test_a_file_address_is_a_directory(tmp_path: Path) -> None:
    assert place_at(f"file://{tmp_path}/a%20b") == tmp_path / "a b"
    assert Home.create(tmp_path / "home", history=f"file://{tmp_path}/disk").history_at == tmp_path / "disk"


def test_an_object_that_ends_early_is_an_error_and_never_half_a_file(folder: Folder) -> None:
    place = ObjectPath.parse("s3://bucket/p/one")
    place.write_bytes(b"123456")
    folder.cut = 2
    with pytest.raises(StoreError, match="has 6 bytes, and 4 came"):
        place.read_bytes()


@pytest.mark.parametrize("doing", ["read", "list", "write", "delete"])
@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("AWS Error NETWORK_CONNECTION during X operation: curlCode: 28, Timeout was reached", "does not answer"),
        ("AWS Error ACCESS_DENIED during X operation", "does not allow it"),
        ("something else went wrong", "something else went wrong"),
    ],
)
def test_every_fault_of_a_storage_is_one_of_ours(folder: Folder, doing: str, said: str, why: str) -> None:
    place = ObjectPath.parse("s3://bucket/p/one")
    place.write_bytes(b"1")
    acts: dict[str, list[Callable[[], object]]] = {
        "read": [place.read_bytes, place.exists, lambda: size_of(place)],
        "list": [place.parent.below],
        "write": [lambda: place.write_bytes(b"2")],
        "delete": [place.unlink],
    }

    def fail(what: str) -> None:
        if what == doing:
            raise OSError(said)

    folder.fault = fail
    for act in acts[doing]:
        with pytest.raises(StoreError, match=f"cannot {doing} `s3://bucket/p/?(one)?`: .*{why}") as caught:
            act()
        assert caught.value.help
    folder.fault = lambda _: None
    assert place.read_bytes() == b"1"


def test_a_storage_that_cannot_be_used_is_told_before_a_home_is_made(storage: Storage, tmp_path: Path) -> None:
    nobody = address(free_port(), "bucket/p")
    cases: list[tuple[str, str]] = [(nobody, "does not answer"), (storage.address("no-such-bucket"), "no such bucket")]
    with refusing(403, "AccessDenied") as denied, refusing(403, "InvalidAccessKeyId") as unknown:
        cases += [(address(port, "bucket/p"), "does not allow it") for port in (denied, unknown)]
        for text, why in cases:
            with pytest.raises(StoreError, match=why) as caught:
                Home.create(tmp_path / "home", history=text)
            assert caught.value.help
            assert not (tmp_path / "home").exists()


def test_a_history_in_object_storage_takes_no_prefix_that_is_in_use(storage: Storage, tmp_path: Path) -> None:
    root = storage.place()
    (root / "letter.txt").write_bytes(b"keep me")
    with pytest.raises(ConflictError, match="not empty"):
        Home.create(tmp_path / "home", history=root.address)
    assert [each.name for each in root.below()] == ["letter.txt"]


def test_a_home_that_may_not_write_its_mark_is_not_made_and_may_be_made_later(folder: Folder, tmp_path: Path) -> None:
    def fail(what: str) -> None:
        if what == "write":
            raise OSError("AWS Error ACCESS_DENIED during PutObject operation")

    folder.fault = fail
    with pytest.raises(StoreError, match="does not allow it"):
        Home.create(tmp_path / "home", history="s3://bucket/p")
    folder.fault = lambda _: None
    assert Home.create(tmp_path / "home", history="s3://bucket/p") == Home.open(tmp_path / "home")


@pytest.mark.parametrize("lost", ["mark", "another", "damaged", "bucket", "storage"])
def test_a_history_in_object_storage_that_is_not_this_homes_is_never_taken_for_one_without_rows(
    storage: Storage, tmp_path: Path, lost: str
) -> None:
    made = Home.create(tmp_path / "home", history=storage.address())
    assert Home.open(made.path) == made
    assert isinstance(made.history, ObjectPath)
    mark = made.history / HISTORY_MARK
    description = made.path / "home.json"
    if lost == "mark":
        mark.unlink()
    elif lost == "another":
        other = Home.create(tmp_path / "second", history=storage.address())
        mark.write_bytes((other.history / HISTORY_MARK).read_bytes())
    elif lost == "damaged":
        mark.write_bytes(b"{")
    elif lost == "bucket":
        description.write_text(description.read_text().replace(made.history.host, "no-such-bucket"))
    else:
        description.write_text(description.read_text().replace(str(storage.port), str(free_port())))
    why = {"another": "another home", "storage": "does not answer"}.get(lost, "is not there")
    with pytest.raises(StoreError, match=why) as caught:
        Home.open(made.path)
    assert caught.value.help


def test_a_program_that_knows_directories_only_refuses_the_home(storage: Storage, tmp_path: Path) -> None:
    made = Home.create(tmp_path / "home", history=storage.address())
    assert b'"version": 4' in (made.path / "home.json").read_bytes()
    (made.path / "home.json").write_bytes(made.description().replace(b'"s3://', b'"http://'))
    with pytest.raises(GroundruleError, match=r"home\.json` is damaged"):
        Home.open(made.path)
