"""The public edition: nothing small, nothing to be computed from the rest, nothing that names anybody."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.evidence.oversight import Edition, report_json
from groundrule.evidence.render.oversight_page import oversight_documents
from groundrule.instant import NS_PER_DAY, parse_instant
from groundrule.ledger.aggregate import AggregateFile
from groundrule.ledger.entry import Entry
from groundrule.ledger.reader import read_log
from groundrule.pipeline.aggregates import publish_aggregate
from groundrule.pipeline.home_ledger import HomeLedger, LedgerSetup, log_folder
from groundrule.pipeline.oversight import public
from groundrule.pipeline.oversight.publish import Published, publish
from groundrule.store.home import Home
from small_home import copy_home, make_home, observation, register, run, table

DAY = parse_instant("2026-03-02")
LATER = parse_instant("2026-03-21T00:00Z")
K, OWNERS = 20, 5


# --- the rule of suppression, against an attacker by brute force ------------------------------------------------------


def counted(where: dict[str, tuple[str, list[str]]], past: list[AggregateFile], day: int) -> AggregateFile:
    """An edition of a register that is made up: terminal to owner and programmes."""
    names = sorted({name for _, programmes in where.values() for name in programmes})
    code = {name: number for number, name in enumerate(names)}
    fleet = SimpleNamespace(
        groups=lambda about: list(enumerate(names)) if about == "programmes" else [],
        at_end=[(terminal, code[name]) for terminal, (_, programmes) in where.items() for name in programmes],
    )
    none = SimpleNamespace(tolist=list)
    counts = SimpleNamespace(
        tagged_terminals=lambda *_: iter(()), response=lambda: SimpleNamespace(terminals=none, seconds=none), names=lambda _: []
    )
    desk = SimpleNamespace(bench=SimpleNamespace(home=None, now_ns=0), from_ns=day * NS_PER_DAY, until_ns=(day + 1) * NS_PER_DAY)
    history: Any = SimpleNamespace(fleet=fleet, counts=counts, desk=desk, said=[], codes=lambda **_: [])
    accounts = SimpleNamespace(at=lambda terminal, _: where[terminal][0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(public, "accounts_of", lambda *_: accounts)
        return public.count_public(history, past, issued_ns=day * NS_PER_DAY)


def attack(files: list[AggregateFile], worlds: list[dict[str, tuple[str, list[str]]]]) -> None:
    """Every figure rests on enough; and what rows of several editions leave over is nothing, or enough."""
    group = ("programmes", "registered", "")
    alone_ever = {row.area for file in files for row in file.rows} - {public.REST}
    for file, world in zip(files, worlds, strict=True):
        members: dict[str, set[str]] = {}
        for terminal, (_, programmes) in world.items():
            for name in programmes:
                members.setdefault(name, set()).add(terminal)
        shown = {row.area: row.terminals for row in file.rows}
        rest = file.groups[group].rest if group in file.groups else frozenset()
        for area, number in shown.items():
            held = set().union(*(members[cell] for cell in rest)) if area == public.REST else members[area]
            assert len(held) >= K
            assert len({world[each][0] for each in held}) >= OWNERS
            assert abs(number - len(held)) <= 2
        if public.REST in shown:
            hidden = rest - alone_ever
            inside = sum(len(members[cell]) for cell in rest & alone_ever)
            whole = len(set().union(*(members[cell] for cell in rest)))
            assert not hidden or whole - inside >= K
            for cell in rest & alone_ever:
                assert len(members[cell]) >= K


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 4))
def test_no_figure_rests_on_few_and_none_can_be_computed_from_the_others(seed: int, editions: int) -> None:
    rng = random.Random(seed)
    sizes = {f"p{n}": rng.choice([0, 1, 3, 12, 19, 20, 21, 25, 40]) for n in range(rng.randint(1, 6))}
    owners = rng.choice([1, 4, 5, 9, 50])
    worlds, files = [], []
    for day in range(editions):
        world: dict[str, tuple[str, list[str]]] = {}
        for name, size in sizes.items():
            for n in range(max(0, size + rng.choice([0, 0, -3, 2, 15, -15]) * (day > 0))):
                programmes = [name] + ([rng.choice(list(sizes))] if rng.random() < 0.1 else [])
                world[f"{name}-{n}"] = (f"o{rng.randrange(owners)}", sorted(set(programmes)))
        files.append(counted(world, files.copy(), day))
        worlds.append(world)
    attack(files, worlds)


def test_a_neighbour_less_changes_no_row_into_a_small_one() -> None:
    world = {f"a-{n}": (f"o{n % 7}", ["a"]) for n in range(20)} | {f"b-{n}": (f"o{n % 7}", ["b"]) for n in range(30)}
    whole = {row.area: row.terminals for row in counted(world, [], 0).rows}
    assert whole == {"a": 20, "b": 30}
    # With one terminal less in `a` neither its 19 nor the 49 of both are told.
    fewer = {name: each for name, each in world.items() if name != "a-0"}
    assert {row.area: row.terminals for row in counted(fewer, [], 0).rows} == {public.REST: 50}
    # Where `b` stood alone before, it stays so, and `a` is left out.
    before = counted(world, [], 0)
    assert {row.area: row.terminals for row in counted(fewer, [before], 1).rows} == {"b": 30}


# --- the edition of a home --------------------------------------------------------------------------------------------

CLASSES = (("hospital", 24, 6), ("rescue", 4, 4))
CANARIES = ("canary-terminal", "canary-account", "canary-donor", "canary-place")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("public") / "home", ledger=LedgerSetup(), registers=False)
    fleet = [
        (f"canary-terminal-{kind}-{n}", f"canary-account-{kind}-{n % owners}", kind) for kind, size, owners in CLASSES for n in range(size)
    ]
    register(home, "accounts", "account_id,country,state\n" + "".join(f"{name},AT,active\n" for name in sorted({a for _, a, _ in fleet})))
    lines = "".join(f"{name},{account},roam,aid,canary-donor-{kind},AT,{kind}\n" for name, account, kind in fleet)
    register(home, "terminals", "terminal_id,account_id,plan,programmes,donor,activation_country,protected_class\n" + lines)
    # Everybody stands in the closed zone, after a minute outside of it.
    early = [(name, n / 100 + minute) for n, (name, _, _) in enumerate(fleet) for minute in (60, 120)]
    run(home, table(observation(name, at, 2.5 + at / 30, 2.5) for name, at in early))
    run(home, table(observation(name, 300 + n / 100, 2.5, 2.5) for n, (name, _, _) in enumerate(fleet)))
    return home


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return copy_home(template, tmp_path / "home")


def made(
    home: Home,
    folder: Path,
    since: int = DAY,
    until: int = DAY + NS_PER_DAY,
    *,
    edition: Edition = Edition.PUBLIC,
    now: int | None = None,
) -> Published:
    return publish(
        home, since, until, folder, edition=edition, now_ns=now or 2 * LATER - DAY, documents=oversight_documents()
    )  # fmt: skip


def figures(done: Published, question: str) -> dict[str, int | None]:
    return {each.name: each.value for each in done.report.answer(question).figures}


def tables(done: Published, question: str) -> dict[str, tuple[tuple[Any, ...], ...]]:
    return {each.name: each.rows for each in done.report.answer(question).tables}


def test_the_public_edition_names_nobody_and_nothing_of_it_is_small(home: Home, tmp_path: Path) -> None:
    full = made(home, tmp_path / "full", edition=Edition.FULL)
    assert figures(full, "collateral")["protected_denied"] == 28
    assert {name: terminals for name, terminals, _ in tables(full, "collateral")["protected_by_class"]} == {"hospital": 24, "rescue": 4}
    done = made(home, tmp_path / "public")
    # 24 hospitals could be told alone, but then 4 of rescue would be left out; together they are told, and neither alone.

    assert tables(done, "collateral")["public_protected"] == ((public.REST, 30),)
    assert tables(done, "programmes")["public_by_programme"] == (("aid", 30),)
    assert "protected_denied" not in figures(done, "collateral")
    for path in done.files.values():
        data = path.read_bytes()
        assert not any(canary.encode() in data for canary in CANARIES), path
    assert {"full_edition"} <= {gap.need for answer in done.report.answers for gap in answer.gaps}
    # Without published days nothing is said of denials by rule, and nobody takes that for zero.
    assert done.report.answer("disabled").standing.value == "unknown"
    assert [gap.detail for gap in done.report.answer("disabled").gaps if gap.why == "days_not_published"] == ["1"]


def test_denials_by_rule_are_those_of_the_published_days_and_of_nothing_else(home: Home, tmp_path: Path) -> None:
    with home.writer(), HomeLedger.open(home) as ledger:
        day = publish_aggregate(ledger, "2026-03-02")
        ledger.commit()
    done = made(home, tmp_path / "public")
    rows = {(row.rule): row.terminals for row in day.file.rows if row.outcome == "deny"}
    assert rows
    assert tables(done, "published_disablements")["public_by_day"] == tuple(("2026-03-02", rule, n) for rule, n in sorted(rows.items()))
    assert tables(done, "disabled")["public_by_rule"] == tuple(("deny", rule, 1, n, n) for rule, n in sorted(rows.items()))
    path = home.path / "aggregates" / "2026-03-02.json"
    path.write_bytes(path.read_bytes().replace(b'"terminals":', b'"terminals": '))
    with pytest.raises(IntegrityError, match="not what the log names"):
        made(home, tmp_path / "again")


def test_the_same_interval_gives_the_same_bytes_and_one_entry_and_an_overlap_is_refused(home: Home, tmp_path: Path) -> None:
    first = made(home, tmp_path / "a")
    again = made(home, tmp_path / "b")
    assert (again.sha256, again.entry) == (first.sha256, first.entry)
    for name in first.files:
        assert first.files[name].read_bytes() == again.files[name].read_bytes() or name.endswith("tlog-proof")
    log = read_log(log_folder(home))
    said = [entry.body for entry in map(Entry.decode, log.tree(log.integrated_size).entries()) if entry.body.get("what") == "oversight"]
    assert [body["sha256"] for body in said] == [first.sha256]
    assert set(said[0]) == {"what", "sha256", "sealed"}
    with pytest.raises(ConflictError, match="overlaps"):
        made(home, tmp_path / "c", DAY, DAY + 2 * NS_PER_DAY)
    assert not (tmp_path / "c").exists()
    made(home, tmp_path / "d", DAY + NS_PER_DAY, DAY + 2 * NS_PER_DAY)


def test_the_full_edition_is_the_same_bytes_too_and_is_not_put_into_the_log_twice(home: Home, tmp_path: Path) -> None:
    one = made(home, tmp_path / "one", edition=Edition.FULL)
    two = made(home, tmp_path / "two", edition=Edition.FULL, now=2 * LATER)
    assert (one.sha256, one.entry) == (two.sha256, two.entry)
    assert report_json(one.report) == one.files["oversight.json"].read_bytes()
    assert json.loads(report_json(one.report))["inputs"]["history"]["runs"] == 2
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o700


def test_wrong_use_of_the_public_edition(home: Home, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="whole days"):
        made(home, tmp_path / "x", DAY + 1)
    with pytest.raises(ConflictError, match="may not be made yet"):
        made(home, tmp_path / "x", now=DAY + 4 * NS_PER_DAY - 1)
    with pytest.raises(ConflictError, match="no log"):
        made(make_home(tmp_path / "plain"), tmp_path / "x")
    assert not (tmp_path / "x").exists()
