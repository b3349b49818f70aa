"""One home with its history on a disk and in object storage: the same manifests, log, files and answers, and the same after a backup."""

from __future__ import annotations

import itertools
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from console import groundrule, refused
from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.backup import back_up
from groundrule.pipeline.erasing import erase_history
from groundrule.pipeline.explain import explain_terminal
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.history_view import history_view
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.home_ledger import HomeLedger, LedgerSetup, keys_folder, log_folder
from groundrule.pipeline.manifests import manifest_path, runs
from groundrule.pipeline.replaying import replay
from groundrule.pipeline.restore import restore
from groundrule.pipeline.runs import decide
from groundrule.pipeline.whatif import what_if
from groundrule.store.history import history_files, read_newest, read_terminals, run_files, run_numbers
from groundrule.store.home import HISTORY_MARK, Home
from groundrule.store.leaving import MARK
from groundrule.store.places import ObjectPath
from groundrule.store.shelves import shelves_for
from groundrule.store.shelving import shelve
from late_delivery import deliver
from object_storage import Storage, free_port
from small_home import RECORDED, copy_home, inputs, make_home, run, stream

KINDS = ("observations", "decisions", "over_late")


def in_storage(template: Home, path: Path, storage: Storage) -> Home:
    """The same home, before its first run, with its history in object storage."""
    copied = replace(copy_home(template, path), history_at=storage.place())
    shutil.rmtree(path / "history")
    copied.mark_history()
    (path / "home.json").write_bytes(copied.description())
    return Home.open(path)


def files_of(home: Home) -> dict[str, bytes]:
    """Bytes of every file of history by its name."""
    if isinstance(home.history, ObjectPath):
        return {each.name: (home.history / each.name).read_bytes() for each in home.history.below() if each.name != HISTORY_MARK}
    paths = (path for path in home.history.rglob("*") if path.is_file())
    return {path.relative_to(home.history).as_posix(): path.read_bytes() for path in paths if path.name != HISTORY_MARK}


def manifests_of(home: Home) -> list[bytes]:
    return [manifest_path(home, number).read_bytes() for number in runs(home)]


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory, storage: Storage) -> tuple[Home, Home]:
    """A home on a disk and its twin in object storage, after several runs, some of which correct what came before."""
    folder = tmp_path_factory.mktemp("twins")
    here = make_home(folder / "here", ledger=LedgerSetup())
    there = in_storage(here, folder / "there", storage)
    parts = deliver(stream(3, rows=240), 0)[0]
    assert len(parts) > 1
    for home in (here, there):
        drawn, ticks = random.Random(7), itertools.count(RECORDED, NS_PER_S)
        # The log draws salts and asks for the time; the same ones give the same head.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("os.urandom", drawn.randbytes)
            for number, part in enumerate(parts):
                with home.writer(), HomeLedger.open(home, clock=ticks.__next__) as ledger:
                    decide(home, inputs(part), recorded_at_ns=RECORDED + number, ledger=ledger)
    return here, there


def test_the_same_bytes_are_decided_wherever_history_lies(twins: tuple[Home, Home]) -> None:
    here, there = twins
    assert manifests_of(here) == manifests_of(there)
    assert len(manifests_of(here)) > 1
    found = files_of(here)
    assert found == files_of(there)
    assert any("-c-" in name for name in found), "nothing was corrected"
    assert not (there.path / "history").exists()
    assert run_numbers(there) == set(runs(here))


def test_both_replay_to_the_same_bytes(twins: tuple[Home, Home]) -> None:
    made = [replay(home) for home in twins]
    assert all(each.identical for each in made)
    assert made[0] == made[1]


def test_both_give_the_same_answers(twins: tuple[Home, Home]) -> None:
    bases = [basis_of(home, recorded_at_ns=RECORDED) for home in twins]
    asked = [
        [explain_terminal(home, name, basis=basis).explanation.as_text() for name in ("car", "van", "guest")]
        for home, basis in zip(twins, bases, strict=True)
    ]
    assert asked[0] == asked[1]
    tallies = [what_if(all_observations(home, of_runs=runs(home)), basis, basis) for home, basis in zip(twins, bases, strict=True)]
    assert tallies[0] == tallies[1]
    for kind in KINDS:
        rows = [read_terminals(home, kind, ["car", "guest"], runs=runs(home)) for home in twins]
        assert rows[0].equals(rows[1])
    newest = [read_newest(home, "decisions", "car", runs=runs(home), rows=3) for home in twins]
    assert newest[0][0].equals(newest[1][0])


def test_shelves_stand_for_objects_until_one_is_replaced(twins: tuple[Home, Home], storage: Storage, tmp_path: Path) -> None:
    back_up(twins[1], tmp_path / "home.backup", now_ns=RECORDED)
    home = restore(tmp_path / "home.backup", tmp_path / "home", history=storage.address()).home
    before = read_terminals(home, "decisions", ["car"], runs=runs(home))
    assert shelve(home, runs(home)) > 0
    states = history_files(home, "decisions", runs(home))
    assert [source.name for shelf in shelves_for(home, "decisions", states) for source in shelf.sources] == list(states)
    assert read_newest(home, "decisions", "car", runs=runs(home), rows=1 << 40)[0].equals(before)
    path = home.history / "decisions" / next(iter(states))
    path.write_bytes(path.read_bytes() + b" ")
    assert shelves_for(home, "decisions", history_files(home, "decisions", runs(home))) == []


def test_a_backup_goes_from_either_to_either(twins: tuple[Home, Home], storage: Storage, tmp_path: Path) -> None:
    wanted = files_of(twins[0])
    (twins[1].path / "raw" / "stream").mkdir(parents=True)
    (twins[1].path / "raw" / "stream" / "reply").write_bytes(b"{}")
    names = set()
    for number, home in enumerate(twins):
        archive = tmp_path / f"{number}.backup"
        back_up(home, archive, now_ns=RECORDED)
        on_disk = restore(archive, tmp_path / f"disk-{number}").home
        away = restore(archive, tmp_path / f"away-{number}", history=storage.address()).home
        for made in (on_disk, away):
            assert manifests_of(made) == manifests_of(twins[0])
            assert {name: data for name, data in files_of(made).items() if not name.startswith("raw/")} == wanted
            assert replay(made).identical
        names |= {path.relative_to(made.path).as_posix() for made in (on_disk, away) for path in made.path.rglob("reply")}
        assert Home.open(away.path) == away
    assert names == {"history/raw/stream/reply", "raw/stream/reply"}
    shutil.rmtree(twins[1].path / "raw")


def test_a_restore_that_fails_leaves_nothing_in_object_storage(twins: tuple[Home, Home], storage: Storage, tmp_path: Path) -> None:
    archive = tmp_path / "home.backup"
    back_up(twins[1], archive, now_ns=RECORDED)
    place = storage.place()
    with pytest.raises(IntegrityError):
        restore(archive, tmp_path / "home", history=place.address, pinned=[b"no checkpoint"])
    assert place.below() == []
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("how", ["cut", "gone"])
def test_an_object_that_is_damaged_or_gone_is_found(twins: tuple[Home, Home], storage: Storage, tmp_path: Path, how: str) -> None:
    back_up(twins[1], tmp_path / "home.backup", now_ns=RECORDED)
    home = restore(tmp_path / "home.backup", tmp_path / "home", history=storage.address()).home
    path = run_files(home, "decisions", 1)[0]
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.unlink()
    found = replay(home)
    assert not found.identical
    if how == "cut":
        with pytest.raises(IntegrityError, match="cannot be read"):
            read_terminals(home, "decisions", ["car"], runs=runs(home), columns=["outcome"])


def test_a_storage_that_goes_away_decides_nothing_and_loses_nothing(twins: tuple[Home, Home], storage: Storage, tmp_path: Path) -> None:
    back_up(twins[1], tmp_path / "home.backup", now_ns=RECORDED)
    home = restore(tmp_path / "home.backup", tmp_path / "home", history=storage.address()).home
    shutil.copytree(keys_folder(twins[1]), keys_folder(home))
    assert isinstance(home.history, ObjectPath)
    before = manifests_of(home)
    away = replace(home, history_at=replace(home.history, query=home.history.query.replace(str(storage.port), str(free_port()))))
    with pytest.raises(StoreError, match="does not answer"):
        run(away, stream(9), recorded_at=RECORDED + NS_PER_S)
    with pytest.raises(StoreError, match="does not answer"):
        read_terminals(away, "decisions", ["car"], runs=[1])
    assert manifests_of(home) == before
    assert replay(home).identical


def test_every_command_works_on_such_a_home(storage: Storage, tmp_path: Path) -> None:
    made = groundrule("init", "--home", tmp_path / "home", "--no-world", "--history", storage.address(), "--json").json
    assert made["history"].startswith("s3://groundrule-tests/")
    given = tmp_path / "given.csv"
    given.write_text("terminal_id,observed_at,lat,lon\n" + "".join(f"t{n},2026-03-02T10:0{n}:00Z,5,{n}\n" for n in range(6)))
    assert groundrule("decide", given, "--home", tmp_path / "home", "--json").json["decided"] == 6
    assert groundrule("replay", "--home", tmp_path / "home", "--json").json["identical"]
    assert groundrule("explain", "t3", "--home", tmp_path / "home", "--json").json
    assert groundrule("detect", given, "--home", tmp_path / "home", "--json").json is not None
    (tmp_path / "landing").mkdir()
    landed = "".join(f"t{n},2026-03-02T11:00:00Z,5,{n}\n" for n in (3, 9))
    (tmp_path / "landing" / "later.csv").write_text(f"terminal_id,observed_at,lat,lon\n{landed}")
    assert groundrule("watch", tmp_path / "landing", "--home", tmp_path / "home", "--once").code == 0
    assert len(runs(Home.open(tmp_path / "home"))) == 2
    assert groundrule("dossier", "terminal", "t3", "--home", tmp_path / "home", "--out", tmp_path / "dossier").code == 0
    assert groundrule("backup", tmp_path / "b", "--home", tmp_path / "home", "--json").json["digest"]
    told = groundrule("restore", tmp_path / "b", "--home", tmp_path / "again", "--history", storage.address(), "--json").json
    assert told["history"].startswith("s3://groundrule-tests/")
    assert groundrule("replay", "--home", tmp_path / "again", "--json").json["identical"]
    refused(groundrule("init", "--home", tmp_path / "no", "--history", "s3://a:b@bucket/p"), "holds a user or a secret")


def test_the_log_and_its_keys_stay_in_the_home(twins: tuple[Home, Home]) -> None:
    for home in twins:
        assert (log_folder(home) / "checkpoint").is_file()
        assert keys_folder(home).is_dir()
    heads = [(log_folder(home) / "checkpoint").read_bytes().splitlines()[:3] for home in twins]
    assert heads[0] == heads[1], "the heads of the logs differ"


def test_nothing_is_erased_from_object_storage_and_no_half_of_an_erasure_is_brought_there(
    twins: tuple[Home, Home], storage: Storage, tmp_path: Path
) -> None:
    here, there = twins
    with there.writer(), HomeLedger.open(there) as ledger, pytest.raises(ConflictError, match="nothing is erased from `s3://"):
        erase_history(there, ledger, "terminal:car", basis="a request (invented)", now_ns=RECORDED)
    assert replay(there).identical
    told = {kind["kind"]: kind for kind in history_view(there)["kinds"]}
    assert told == {kind["kind"]: kind for kind in history_view(here)["kinds"]}
    assert told["decisions"]["rows"] > 0
    back_up(there, tmp_path / "home.backup", now_ns=RECORDED)
    disk = restore(tmp_path / "home.backup", tmp_path / "disk").home
    (disk.path / "history" / MARK).write_text("{}")
    place, archive = storage.place(), tmp_path / "begun.backup"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("groundrule.pipeline.backup.leaving", lambda _: None)
        patch.setattr("groundrule.store.erasures.leaving", lambda _: None)
        back_up(disk, archive, now_ns=RECORDED)
    with pytest.raises(ConflictError, match="while history was being erased"):
        restore(archive, tmp_path / "again", history=place.address)
    assert place.below() == []
