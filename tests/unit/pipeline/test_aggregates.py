"""The aggregates of a home: what is counted, when they are published, and that nothing half is left."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h3
import pyarrow as pa
import pytest

from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.instant import NS_PER_DAY, NS_PER_S, parse_instant
from groundrule.ledger import aggregate as rules
from groundrule.ledger.aggregate import AggregateFile, Decided
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.commitment import seal_commitment
from groundrule.ledger.entry import Entry
from groundrule.ledger.log import read_log
from groundrule.pipeline import aggregates as module
from groundrule.pipeline.aggregates import publish_aggregate, read_sealed, sealed_path
from groundrule.pipeline.day_counts import DayCounts
from groundrule.pipeline.home_ledger import HomeLedger, LedgerSetup, log_folder, policy_of
from groundrule.pipeline.journal import accounts_of
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.private_records import Accounts
from groundrule.store.home import Home
from late_delivery import deliver
from small_home import AREAS, copy_home, final_decisions, make_home, observation, register, run, stream, table

DAY = "2026-03-02"
LATER = parse_instant("2026-03-21T00:00Z")
PLACES = {"town": (5.0, 5.0), "village": (8.0, 8.0), "sea": (-1.0, 5.0), "abroad": (5.0, 15.0)}


def fleet() -> list[tuple[str, str, str]]:
    """Terminal, account and place of 40 in a town, 8 in a village, 30 in the sea and 30 abroad."""
    made = []
    for place, count, owners in (("town", 40, 8), ("village", 8, 4), ("sea", 30, 3), ("abroad", 30, 6)):
        made += [(f"{place}-{n}", f"acc-{place}-{n % owners}", place) for n in range(count)]
    return made


def seen(names: Sequence[tuple[str, str, str]], at_s: float = 0) -> pa.Table:
    return table(observation(name, at_s + n, *PLACES[place]) for n, (name, _, place) in enumerate(names))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("aggregates") / "home", ledger=LedgerSetup(), registers=False)
    accounts = sorted({account for _, account, _ in fleet()})
    register(home, "accounts", "account_id,country,state\n" + "".join(f"{name},AT,active\n" for name in accounts))
    lines = "".join(f"{name},{account},roam,registered,AT\n" for name, account, _ in fleet())
    register(home, "terminals", "terminal_id,account_id,plan,registration,activation_country\n" + lines)
    run(home, seen(fleet()))
    return home


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return copy_home(template, tmp_path / "home")


def publish(home: Home, day: str = DAY, *, now: int = LATER, conflict: Sequence[str] = ()) -> module.PublishedDay:
    with home.writer(), HomeLedger.open(home, clock=lambda: now) as ledger:
        done = publish_aggregate(ledger, day, conflict=conflict)
        ledger.commit()
    return done


def cell(place: str) -> str:
    return h3.latlng_to_cell(*PLACES[place], 3)


def logged(home: Home) -> list[dict[str, Any]]:
    log = read_log(log_folder(home))
    entries = [Entry.decode(data) for data in log.tree(log.integrated_size).entries()]
    return [item.body for item in entries if item.kind == "evidence"]


# --- what is published ------------------------------------------------------------------------------------------------


def test_places_with_enough_terminals_and_owners_are_published_and_the_small_go_to_the_rest(home: Home) -> None:
    done = publish(home)
    content = json.loads(done.path.read_bytes())
    assert content == json.loads(canonical_json(content))
    # 8 of the village and 30 of the sea, which have too few owners alone, make the rest of the country.
    assert {(row["outcome"], row["rule"]) for row in content["rows"]} == {("serve", "default")}
    assert {row["area"]: row["terminals"] for row in content["rows"]} == {
        "country:AT": 40, f"h3:{cell('town')}": 40, f"h3:{cell('abroad')}": 30,
    }  # fmt: skip
    assert (done.decisions, done.placed) == (len(fleet()), len(fleet()))


def test_in_a_conflict_area_nothing_is_finer_than_the_country(home: Home) -> None:
    rows = publish(home, conflict=["AT"]).file.rows
    assert {(row.area, row.terminals) for row in rows} == {("country:AT", 80), (f"h3:{cell('abroad')}", 30)}


def test_terminals_without_account_count_as_one_owner(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ledger=LedgerSetup(), registers=False)
    run(home, seen(fleet()))
    assert publish(home).file.rows == ()
    with HomeLedger.open(home, clock=lambda: LATER) as ledger:
        exact = read_sealed(home, DAY, ledger.keys)
    assert {count.owners for group in exact.groups.values() for count in group.cells.values()} == {1}


def test_digest_and_commitment_are_in_the_log_and_open(home: Home) -> None:
    done = publish(home)
    assert logged(home) == [{"day": DAY, "sealed": done.commitment, "sha256": done.file.digest, "what": "aggregate"}]
    with HomeLedger.open(home) as ledger:
        salt = ledger.keys.seal_salt(b64decode(done.commitment).hex())
        assert salt is not None
        assert seal_commitment(salt, done.file.sealed()) == b64decode(done.commitment)
        assert read_sealed(home, DAY, ledger.keys).groups == done.file.groups
    assert fsck(log_folder(home), policy_of(home)).faults == ()


# --- what is counted --------------------------------------------------------------------------------------------------


def expected(home: Home, accounts: Accounts, day: str) -> set[Decided]:
    """The same by plain loops over rows that are all in memory."""
    start = parse_instant(day)
    country = {area.id: area.country for area in AREAS if area.country}
    by_key: dict[tuple[int, str], list[dict[str, Any]]] = {}
    from groundrule.pipeline.history import all_observations

    for part in all_observations(home):
        for row in part.to_pylist():
            by_key.setdefault((row["observed_at"], row["terminal_id"]), []).append(row)
    first: dict[tuple[str, ...], int] = {}
    for row in final_decisions(home, runs(home)):
        place = by_key[row["observed_at"], row["terminal_id"]].pop(0)
        if not start <= row["observed_at"] < start + NS_PER_DAY or place["lat_deg"] is None:
            continue
        hits = {hit["id"]: hit["probability"] for hit in row["areas"] if hit["id"] in country}
        names = {name: p for name, p in hits.items() if name.startswith("country:")} or hits
        chosen = {country[name] for name, p in names.items() if p >= 0.5 or p == max(names.values())}
        if not chosen:
            continue
        where = h3.latlng_to_cell(place["lat_deg"], place["lon_deg"], 3)
        key = (row["terminal_id"], where, "+".join(sorted(map(str, chosen))), row["outcome"], row["rule"])
        first[key] = min(first.get(key, row["observed_at"]), row["observed_at"])
    return {Decided(key[0], accounts.at(key[0], at) or "", *key[1:]) for key, at in first.items()}


@pytest.mark.parametrize("seed", range(3))
def test_the_last_run_that_decided_an_observation_counts(
    tmp_path: Path, seed: int, small: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundrule.pipeline.day_counts._BATCH", 17)
    home = copy_home(small, tmp_path / "home")
    parts, _ = deliver(stream(seed, rows=180), seed)
    for part in parts:
        run(home, part)
    accounts = accounts_of(home, LATER)
    total = 0
    for offset in range(12):
        day = f"2026-03-{2 + offset:02d}"
        (tmp_path / day).mkdir()
        counts = DayCounts(home, day, accounts, tmp_path / day)
        found = list(counts.decided())
        assert len(found) == len(set(found))
        assert set(found) == expected(home, accounts, day)
        assert counts.placed >= len(found)
        total += len(found)
    assert total > 10


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("small") / "home", ledger=LedgerSetup())


def counted(home: Home, folder: Path, day: str = DAY) -> tuple[list[Decided], DayCounts]:
    folder.mkdir()
    counts = DayCounts(home, day, Accounts([]), folder)
    return sorted(counts.decided()), counts


def test_a_conflicting_observation_keeps_its_own_answer(small: Home, tmp_path: Path) -> None:
    home = copy_home(small, tmp_path / "home")
    # One terminal at one instant inside the closed zone, outside it, and nowhere.
    run(home, table([observation("car", 0, lat, lon) for lat, lon in ((2.5, 2.5), (8, 8), (None, None))]))
    found, counts = counted(home, tmp_path / "work")
    assert {(each.cell, each.outcome) for each in found} == {
        (h3.latlng_to_cell(2.5, 2.5, 3), "deny"), (h3.latlng_to_cell(8, 8, 3), "serve"),
    }  # fmt: skip
    assert (counts.decisions, counts.placed) == (3, 2)


def test_reported_cells_are_taken_to_resolution_3_and_coarser_ones_are_not_counted(small: Home, tmp_path: Path) -> None:
    home = copy_home(small, tmp_path / "home")
    cells = [h3.str_to_int(h3.latlng_to_cell(5, 5, resolution)) for resolution in (3, 6, 2)]
    rows = [
        observation("car", 60 * n, None, None, h3_cell=each, position_source="cell") for n, each in enumerate([*cells, 77])
    ]
    run(home, table(rows))
    found, counts = counted(home, tmp_path / "work")
    assert {each.cell for each in found} == {h3.latlng_to_cell(5, 5, 3)}
    assert {each.country for each in found} == {"AT"}
    assert counts.decisions == 4


def test_on_a_border_the_likelier_country_counts_and_the_high_seas_do_not(small: Home, tmp_path: Path) -> None:
    home = copy_home(small, tmp_path / "home")
    run(home, table([
        observation("car", 0, 5, 10 - 1e-4, position_sigma_m=30), observation("van", 0, 5, 10 + 1e-4, position_sigma_m=30),
        observation("train", 0, -1e-4, 5, position_sigma_m=30), observation("guest", 0, -60, 100),
    ]))  # fmt: skip
    found, counts = counted(home, tmp_path / "work")
    assert {(each.terminal, each.country) for each in found} == {("car", "AT"), ("van", "BE"), ("train", "AT")}
    assert (counts.decisions, counts.placed) == (4, 3)


def test_claimants_of_one_place_are_joined(tmp_path: Path) -> None:
    from shapely import box

    from groundrule.areas.model import Area

    both = Area("country:CE", "country", "Cland (invented)", box(2, 2, 3, 3), country="CE")
    home = make_home(tmp_path / "home", areas=(*AREAS, both), ledger=LedgerSetup())
    run(home, table([observation("car", 0, 2.5, 2.5), observation("van", 0, 5, 5)]))
    found, _ = counted(home, tmp_path / "work")
    assert {(each.terminal, each.country) for each in found} == {("car", "AT+CE"), ("van", "AT")}


def test_a_decision_without_its_observation_stops_the_count(small: Home, tmp_path: Path) -> None:
    home = copy_home(small, tmp_path / "home")
    run(home, table([observation("car", 0, 5, 5)]))
    for path in (home.history / "observations").rglob("*.parquet"):
        path.unlink()
    with pytest.raises(IntegrityError, match="not those of its observations"):
        publish(home)
    assert not (home.path / "aggregates").exists()


# --- when it is published, and what a crash leaves --------------------------------------------------------------------


def test_it_is_refused_before_72_hours_after_the_day(home: Home) -> None:
    due = parse_instant("2026-03-06T00:00Z")
    with pytest.raises(ConflictError, match="may not be published yet") as refused:
        publish(home, now=due - 1)
    assert "2026-03-06T00:00:00Z" in (refused.value.help or "")
    assert not (home.path / "aggregates").exists()
    assert publish(home, now=due).path.exists()


@pytest.mark.parametrize(("day", "conflict"), [("yesterday", []), ("2026-3-2", []), ("../../etc", []), (DAY, ["at"]), (DAY, ["AUT"])])
def test_what_is_no_day_or_no_country_is_refused(home: Home, day: str, conflict: list[str]) -> None:
    with pytest.raises(InputError):
        publish(home, day, conflict=conflict)
    assert not (home.path / "sealed").exists()


def test_a_second_call_changes_nothing(home: Home) -> None:
    first = publish(home)
    before = first.path.read_bytes()
    second = publish(home, now=LATER + NS_PER_DAY, conflict=["AT"])
    assert second.again
    assert second.path.read_bytes() == before
    assert len(logged(home)) == 1
    assert second.file == first.file


@pytest.mark.parametrize("step", ["public file", "queue", "flush", "mark"])
def test_what_a_crash_left_undone_is_completed_with_the_same_bytes(
    home: Home, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_arguments: object, **_options: object) -> None:
        raise Killed

    write = module.write_durably
    with monkeypatch.context() as patched:
        if step == "public file":
            patched.setattr(module, "write_durably", lambda path, data: die() if path.parent.name == "aggregates" else write(path, data))
        elif step == "mark":
            patched.setattr("groundrule.store.records.RecordStore.mark_logged", die)
        elif step == "queue":
            patched.setattr(HomeLedger, "queue", die)
        with home.writer(), HomeLedger.open(home, clock=lambda: LATER) as ledger:
            if step == "flush":
                patched.setattr(HomeLedger, "flush", die)
            with pytest.raises(Killed):
                publish_aggregate(ledger, DAY)
    sealed = sealed_path(home, DAY).read_bytes()
    done = publish(home, now=LATER + 5 * NS_PER_S)
    assert done.again
    assert sealed_path(home, DAY).read_bytes() == sealed
    assert done.path.read_bytes() == done.file.public()
    assert [body["sha256"] for body in logged(home)] == [done.file.digest]


def test_days_are_published_in_order(home: Home) -> None:
    publish(home, "2026-03-03")
    with pytest.raises(ConflictError, match="2026-03-03 are published already"):
        publish(home)


def test_a_day_without_decisions_has_an_empty_file(home: Home) -> None:
    assert json.loads(publish(home, "2026-03-01").path.read_bytes())["rows"] == []


def test_the_days_before_keep_a_cell_out_that_fell_below_the_limit(home: Home) -> None:
    publish(home)
    fewer = [each for each in fleet() if each[2] != "town"] + [each for each in fleet() if each[2] == "town"][:10]
    run(home, seen(fewer, 86_400), recorded_at=LATER)
    rows = {row.area: row.terminals for row in publish(home, "2026-03-03").file.rows}
    # In the rest, the ten would follow from today's rest and the next: so they are left out.
    assert rows == {"country:AT": 40, f"h3:{cell('abroad')}": 30}
    with HomeLedger.open(home) as ledger:
        held = read_sealed(home, "2026-03-03", ledger.keys).groups["AT", "serve", "default"]
    assert cell("town") in held.cells
    assert cell("town") not in held.alone | held.rest


def test_without_the_days_before_the_small_cell_would_show(home: Home) -> None:
    """Control of the test above: the window comes from the sealed parts."""
    fewer = [each for each in fleet() if each[2] != "town"] + [each for each in fleet() if each[2] == "town"][:10]
    run(home, seen(fewer, 86_400), recorded_at=LATER)
    rows = {row.area: row.terminals for row in publish(home, "2026-03-03").file.rows}
    assert rows == {"country:AT": 50, f"h3:{cell('abroad')}": 30}


def test_a_file_that_would_expose_a_group_is_withheld_as_a_whole(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(cells: Any, owners: Any, *_others: Any) -> rules.GroupDay:
        counts = {name: rules.Count(len(found), len(owners[name])) for name, found in cells.items()}
        return rules.GroupDay(counts, frozenset(counts), frozenset(), None)

    with monkeypatch.context() as patched:
        patched.setattr(rules, "divide", careless)
        with pytest.raises(ConflictError, match="would expose"):
            publish(home)
    assert not (home.path / "aggregates").exists()
    assert not (home.path / "sealed").exists()
    assert logged(home) == []
    assert publish(home).file.rows


@pytest.mark.parametrize("what", ["a count", "the commitment", "all of it"])
def test_altered_sealed_counts_are_refused(home: Home, what: str) -> None:
    publish(home)
    path = sealed_path(home, DAY)
    held = json.loads(path.read_bytes())
    if what == "a count":
        held["content"]["groups"][0]["cells"][0][1] += 1
    elif what == "the commitment":
        held["commitment"] = "00" * 32
    path.write_bytes(b"{}" if what == "all of it" else canonical_json(held))
    for day in (DAY, "2026-03-03"):
        with pytest.raises(IntegrityError, match="not what was committed to"):
            publish(home, day)


def test_an_altered_public_file_is_noticed(home: Home) -> None:
    done = publish(home)
    done.path.write_bytes(done.path.read_bytes().replace(b"40", b"45"))
    with pytest.raises(IntegrityError, match="not what was published"):
        publish(home)
    done.path.unlink()
    assert publish(home).path.read_bytes() == done.file.public()


def test_the_command_publishes_and_says_so(home: Home) -> None:
    from typer.testing import CliRunner

    from groundrule.cli import app

    def call(*words: str) -> tuple[int, str]:
        ended = CliRunner().invoke(app, ["ledger", "aggregate", *words, "--home", str(home.path)])
        return ended.exit_code, ended.output

    code, out = call(DAY, "--conflict", "AT", "--json")
    said = json.loads(out)
    assert (code, said["rows"], said["decisions"], said["again"]) == (0, 2, len(fleet()), False)
    assert AggregateFile.from_sealed(canonical_json(json.loads(sealed_path(home, DAY).read_bytes())["content"])).digest == said["sha256"]
    code, out = call(DAY)
    assert code == 0
    assert "was published before" in out
    assert call("2999-01-01")[0] != 0

