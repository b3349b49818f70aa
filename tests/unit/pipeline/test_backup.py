"""Backup and restore: what comes back is what was there, in either place; what is damaged is refused before anything is made."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from governed_home import START, Desk, base_home, decided, desk
from governed_world import HOUR
from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, GroundruleError, InputError, IntegrityError
from groundrule.pipeline.backup import back_up
from groundrule.pipeline.home_ledger import keys_folder, log_folder
from groundrule.pipeline.policy_check import policy_differences
from groundrule.pipeline.restore import restore, verify_archive
from groundrule.store.home import Home
from groundrule.store.key_backup import open_keys, place_keys, seal_keys
from groundrule.store.policy import check_guard, history, lists_digest
from groundrule.store.registers import TABLES, Registers
from register_places import Place, Server
from small_home import RECORDED, copy_home, drive, register, table

NOW = START + 5 * HOUR


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Home:
    """A governed home with a run, a log, and lists that were enacted."""
    home = base_home(tmp_path_factory.mktemp("backup") / "home", place=place)
    with home.writer():
        decided(home, table(drive("car", 0, 12, lat=5, lon=5, km_h=80)), at_ns=RECORDED)
    with desk(home) as office:
        office.genesis()
        office.clock.now = START + HOUR
        office.pass_through(office.change("replace", "list/pass", passes("car")))
    return home


@pytest.fixture(scope="module")
def archive(template: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("archive") / "home.backup"
    made = back_up(template, out, now_ns=NOW)
    assert made.held
    assert made.log_size
    assert verify_archive(out).digest == made.digest
    return out


@pytest.fixture
def opened(template: Home, tmp_path: Path, place: Place) -> Iterator[Desk]:
    with desk(copy_home(template, tmp_path / "home", place)) as office:
        office.clock.now = START + 2 * HOUR
        office.nonces = itertools.count(1000)
        yield office


def passes(*terminals: str) -> bytes:
    add = [{"terminal_id": name, "holder": f"h {name}", "legal_class": "individual", "state": "active"} for name in terminals]
    return canonical_json({"v": 1, "salt": "5a" * 16, "list": None, "add": add, "remove": []})


def registers_of(home: Home) -> dict[str, Any]:
    with Registers.open(home) as registers, registers.reading() as connection:
        rows: dict[str, Any] = {
            name: [tuple(row) for row in connection.execute(held.select().order_by(held.c.version))] for name, held in TABLES.items()
        }
        return rows | {"revisions": registers.revisions(), "in force": history(home), "lists": lists_digest(connection)}


def files_of(home: Home) -> dict[str, bytes]:
    apart = ("registers.sqlite", "home.json", "cache", "lock")
    return {
        name: path.read_bytes()
        for path in home.path.rglob("*")
        if path.is_file() and not (name := str(path.relative_to(home.path))).startswith(apart)
        and not name.endswith(("-wal", "-shm")) and path.suffix != ".sqlite"
    }  # fmt: skip


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_a_home_comes_back_in_either_place(template: Home, archive: Path, postgres: Server, tmp_path: Path, into: str) -> None:
    address = Place(postgres if into == "postgresql" else None).address()
    made = restore(archive, tmp_path / "new" / "home", registers=address)
    assert (made.home.id, made.home.registers) == (template.id, address)
    again = Home.open(made.home.path)
    assert registers_of(again) == registers_of(template)
    assert files_of(again) == files_of(template)
    assert check_guard(again) == []
    assert policy_differences(again) == []
    # Numbering goes on where it ended.
    assert register(again, "terminals", "terminal_id\nnewcomer\n", recorded_at=NOW).inserted == 1
    assert back_up(again, tmp_path / "second.backup", now_ns=NOW).log_size == made.log_size


def test_a_restored_home_with_its_keys_goes_on(template: Home, archive: Path, tmp_path: Path) -> None:
    made = restore(archive, tmp_path / "home").home
    sealed = seal_keys(keys_folder(template), b"correct horse battery")
    assert not any(data in sealed for path in keys_folder(template).rglob("*") if path.is_file() and (data := path.read_bytes()[:32]))
    with pytest.raises(InputError, match="do not open"):
        open_keys(sealed, b"another passphrase")
    with pytest.raises(InputError, match="do not open"):
        open_keys(sealed[:-1] + bytes([sealed[-1] ^ 1]), b"correct horse battery")
    with pytest.raises(InputError, match="no file of keys"):
        open_keys(b"x" * 99, b"correct horse battery")
    place_keys(open_keys(sealed, b"correct horse battery"), keys_folder(made))
    with pytest.raises(ConflictError, match="not empty"):
        place_keys({}, keys_folder(made))
    with desk(made) as office:
        office.clock.now = START + 3 * HOUR
        office.nonces = itertools.count(2000)
        office.pass_through(office.change("replace", "list/pass", passes("train")))
        assert office.governance.check() == []


def test_history_is_restored_to_another_disk_goes_on_there_and_comes_back(template: Home, archive: Path, tmp_path: Path) -> None:
    there = restore(archive, tmp_path / "home", history=tmp_path / "disk").home
    assert there.history == tmp_path / "disk"
    before = len(list(there.history.rglob("run-*.parquet")))
    assert before == len(list(template.history.rglob("run-*.parquet"))) > 0
    place_keys(open_keys(seal_keys(keys_folder(template), b"correct horse battery"), b"correct horse battery"), keys_folder(there))
    with there.writer():
        decided(there, table(drive("bus", 0, 12, lat=5, lon=5, km_h=80)), at_ns=NOW)
    assert len(list(there.history.rglob("run-*.parquet"))) > before
    assert not (there.path / "history").exists()
    back_up(there, tmp_path / "again.backup", now_ns=NOW)
    back = restore(tmp_path / "again.backup", tmp_path / "back").home
    assert back.history == tmp_path / "back" / "history"
    assert {k: v for k, v in files_of(back).items() if k.startswith("history/")} == {
        f"history/{path.relative_to(there.history).as_posix()}": path.read_bytes() for path in there.history.rglob("*.parquet")
    }


def test_a_restore_that_fails_leaves_nothing_on_the_other_disk(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError):
        restore(archive, tmp_path / "home", history=tmp_path / "disk", pinned=[b"no checkpoint"])
    assert not (tmp_path / "disk").exists()


def test_no_key_and_no_secret_of_the_database_is_in_a_backup(template: Home, archive: Path) -> None:
    held = archive.read_bytes()
    for path in keys_folder(template).rglob("*"):
        if path.is_file() and ".sqlite" not in path.name:
            assert path.read_bytes().strip() not in held, path.name
    with tarfile.open(archive) as tar:
        assert not [name for name in tar.getnames() if "key" in name.casefold() or name.endswith("home.json")]


def test_nothing_is_written_over(template: Home, archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="exists already"):
        back_up(template, archive, now_ns=NOW)
    with pytest.raises(ConflictError, match="lies in the home"):
        back_up(template, template.path / "x.backup", now_ns=NOW)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "something").write_text("x")
    with pytest.raises(ConflictError, match="not empty"):
        restore(archive, tmp_path / "home")
    if template.registers is not None:
        with pytest.raises(ConflictError, match="registers in this database already"):
            restore(archive, tmp_path / "other", registers=template.registers)
        assert not (tmp_path / "other").exists()


def test_a_backup_while_others_write_is_of_one_moment(opened: Desk, tmp_path: Path) -> None:
    stop, wrong = threading.Event(), list[BaseException]()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                register(opened.home, "terminals", f"terminal_id\nn{number}\n", recorded_at=NOW + number)
            except ConflictError:
                continue  # the backup holds the lock at this moment
            except BaseException as error:  # noqa: BLE001 - told by the test
                wrong.append(error)
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            back_up(opened.home, tmp_path / f"{number}.backup", now_ns=NOW)
    finally:
        stop.set()
        writer.join()
    assert not wrong
    for number in range(3):
        made = restore(tmp_path / f"{number}.backup", tmp_path / f"home {number}").home
        assert policy_differences(made) == []
        with Registers.open(made) as registers:
            assert registers.revision().revision == len(registers.revisions())


def test_a_log_that_is_older_than_a_head_that_was_seen_is_a_roll_back(opened: Desk, archive: Path, tmp_path: Path) -> None:
    same = (log_folder(opened.home) / "checkpoint").read_bytes()
    opened.pass_through(opened.change("replace", "list/pass", passes("train")))
    later = (log_folder(opened.home) / "checkpoint").read_bytes()
    assert later != same
    with pytest.raises(IntegrityError, match="cannot be used") as refused:
        restore(archive, tmp_path / "old", pinned=[later])
    assert "roll-back" in str(refused.value.help)
    assert not (tmp_path / "old").exists()
    assert restore(archive, tmp_path / "old", pinned=[same]).compared == 1


def test_another_backup_than_the_one_that_is_meant_is_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="another backup"):
        restore(archive, tmp_path / "home", expected="0" * 64)
    assert list(tmp_path.iterdir()) == []


# --- what is damaged ------------------------------------------------------------------------------------------------------


def refused(archive: Path, folder: Path) -> str:
    with pytest.raises(GroundruleError) as error:
        restore(archive, folder / "target" / "home")
    assert not (folder / "target").exists() or list((folder / "target").iterdir()) == [], "nothing was made"
    return str(error.value)


def test_an_archive_that_is_cut_off_is_refused(archive: Path, tmp_path: Path, place: Place) -> None:
    if place.is_postgres:
        pytest.skip("the archive is the same")
    data = archive.read_bytes()
    for part in (0, 1, 511, 512, 513, len(data) // 3, len(data) // 2, len(data) - 10_240 - 1_000, len(data) * 9 // 10):
        (tmp_path / "cut").write_bytes(data[:part])
        assert "cannot be used" in refused(tmp_path / "cut", tmp_path), part


def test_an_archive_with_a_changed_byte_is_refused(archive: Path, tmp_path: Path, place: Place) -> None:
    if place.is_postgres:
        pytest.skip("the archive is the same")
    data = archive.read_bytes()
    with tarfile.open(archive) as tar:
        places = [(member.name, member.offset_data + member.size // 2) for member in tar if member.size]
    for name, at in places[:: max(1, len(places) // 25)]:
        (tmp_path / "changed").write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        assert "cannot be used" in refused(tmp_path / "changed", tmp_path), name


def rewritten(archive: Path, target: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None]) -> None:
    """An archive that somebody made over, with a manifest that fits it."""
    with tarfile.open(archive) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]  # files only
    manifest = json.loads(members.pop("manifest.json"))
    change(members, manifest)
    manifest["members"] = {name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)} for name, data in members.items()}
    with tarfile.open(target, "w") as tar:
        for name, data in (*members.items(), ("manifest.json", json.dumps(manifest).encode())):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


NAMES = (
    "../x", "home/../../x", "home/../x", "/etc/x", "//x", "home//x", "home/./x", "home", "registers/a/b", "x", "elsewhere/x",
    "home/a\\..\\x",
    "home/\x1b[2J", "home/\u202ex", "registers/../home/x", "home/..", "./home/x", "manifest.json/x", "C:/x", "~/x",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_elsewhere_are_refused(archive: Path, tmp_path: Path, place: Place, name: str) -> None:
    if place.is_postgres:
        pytest.skip("the archive is the same")
    rewritten(archive, tmp_path / "made", lambda members, _: members.update({name: b"x"}))
    assert "leads elsewhere" in refused(tmp_path / "made", tmp_path)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_what_is_no_plain_file_is_refused(archive: Path, tmp_path: Path, place: Place, kind: bytes) -> None:
    if place.is_postgres:
        pytest.skip("the archive is the same")
    made = tmp_path / "made"
    with tarfile.open(archive) as source, tarfile.open(made, "w") as tar:
        link = tarfile.TarInfo("home/link")
        link.type, link.linkname = kind, "/etc"
        tar.addfile(link)
        for member in source:
            tar.addfile(member, source.extractfile(member))
    assert "leads elsewhere" in refused(made, tmp_path)


def _more_rows(_members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["tables"]["terminals"]["rows"] += 1


def _fewer_bytes(_members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["tables"]["terminals"]["plain_bytes"] -= 1


def _other_rows(_members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["tables"]["terminals"]["digest"] = "0" * 64


def _no_table(members: dict[str, bytes], _manifest: dict[str, Any]) -> None:
    members.pop("registers/accounts.jsonl.gz")


def _another_table(members: dict[str, bytes], _manifest: dict[str, Any]) -> None:
    members["registers/accounts.jsonl.gz"] = members["registers/terminals.jsonl.gz"]


def _no_log(members: dict[str, bytes], _manifest: dict[str, Any]) -> None:
    for name in [name for name in members if name.startswith("home/ledger/")]:
        members.pop(name)


def _cut_log(members: dict[str, bytes], _manifest: dict[str, Any]) -> None:
    for name in [name for name in members if name.startswith("home/ledger/tile/0/")]:
        members.pop(name)


def _later(_members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["version"] = 2


def _later_registers(_members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["registers"] = "0999_future"


def _foreign(_members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    manifest["format"] = "something else"


def _no_tables(_members: dict[str, bytes], manifest: dict[str, Any]) -> None:
    del manifest["tables"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_more_rows, "rows and says"), (_fewer_bytes, "cannot be read"), (_other_rows, "not what was backed up"),
        (_no_table, "cannot be read"),
        (_another_table, "cannot be read"), (_no_log, "holds no log"), (_cut_log, "the log in the backup cannot be used"),
        (_later, "later program"), (_later_registers, "later program"), (_foreign, "no backup"), (_no_tables, "manifest cannot be read"),
    ],
)  # fmt: skip
def test_an_archive_that_contradicts_itself_is_refused(
    archive: Path, tmp_path: Path, place: Place, change: Callable[[dict[str, bytes], dict[str, Any]], None], said: str
) -> None:
    if place.is_postgres:
        pytest.skip("the archive is the same")
    rewritten(archive, tmp_path / "made", change)
    assert said in refused(tmp_path / "made", tmp_path)


def test_a_restore_that_fails_leaves_an_empty_database(archive: Path, postgres: Server, tmp_path: Path) -> None:
    address = postgres.address(postgres.new_database())
    rewritten(archive, tmp_path / "made", _other_rows)
    with pytest.raises(IntegrityError):
        restore(tmp_path / "made", tmp_path / "home", registers=address)
    assert restore(archive, tmp_path / "home", registers=address).home.registers == address
