"""What policy decides, and who writes it: precedence (I17), previews (I18) and the guard of the tables (I20), against plain models.

500 examples each, or GROUNDRULE_EXAMPLES. Previews and SQL run on a real home with a charter, made once; nothing that an example does
to it is left for the next.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import hypothesis
import pytest
import random_rules
import shapely
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from governed_home import START, Clock, Desk, base_home, decided, desk, quick_folder
from governed_world import HOUR
from groundrule.areas.model import Area
from groundrule.canon import canonical_json
from groundrule.errors import MalformedRule, StoreError
from groundrule.govern.objects import Change
from groundrule.instant import MAX_NS
from groundrule.pipeline.changes import area_content
from groundrule.pipeline.fleet import load_fleet
from groundrule.pipeline.impact import preview, timeline
from groundrule.records import Outcome
from groundrule.rules.compile import compile_rulebook
from groundrule.rules.evidence import AreaFact, Membership, Profile
from groundrule.rules.model import All, Authority, Rule, Rulebook
from groundrule.rules.reference import Row, decide_one, row_of
from groundrule.rules.text import read_rulebook
from groundrule.store.policy import history, put_object
from groundrule.store.registers import POLICY_KINDS
from small_home import RECORDED, observation, register, table

EXAMPLES = int(os.environ.get("GROUNDRULE_EXAMPLES", "500"))
MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)


# --- I17 ----------------------------------------------------------------------------------------------------------------


def alone(book: Rulebook, row: Row) -> list[tuple[int, Outcome]]:
    """Tier and outcome of every rule that applies, each judged as if it were the only one."""
    found = []
    for rule in book.rules:
        judged = decide_one(replace(book, rules=(rule,)), row)
        if judged.rule_id == rule.id:
            found.append((book.precedence.index(rule.tier), judged.outcome))
    return found


def overridden(applying: list[tuple[int, Outcome]], otherwise: Outcome) -> Outcome:
    """The first tier that says anything decides, and in it the strictest word."""
    if not applying:
        return otherwise
    first = min(tier for tier, _ in applying)
    return max(outcome for tier, outcome in applying if tier == first)


@MANY
@given(st.integers(0, 2**32), st.integers(0, 2), st.sampled_from(Outcome))
def test_i17_deny_overrides_permit_only_within_the_declared_precedence(seed: int, tier: int, says: Outcome) -> None:
    rng = random.Random(seed)
    book = random_rules.rulebook(rng, most=8)
    added = Rule(
        id="added", title="everywhere", tier=book.precedence[tier], outcome=says, reason="no_service_zone",
        where=All(()), authority=Authority("random"),
    )  # fmt: skip
    rules = [*book.rules, added]
    rng.shuffle(rules)
    more = replace(book, rules=tuple(rules))
    try:
        compiled, again = compile_rulebook(book), compile_rulebook(more)
    except MalformedRule:
        assume(False)  # too large for a table: refused as a whole
    batch = random_rules.batch(rng, 4, len(compiled.latches))
    before, after = compiled.decide(batch), again.decide(batch)
    for row in range(len(batch)):
        applying = alone(book, row_of(batch, row, compiled.latches))
        wanted = overridden(applying, book.default_outcome)
        # Total: one of the four words for whatever evidence, broken evidence too.
        assert Outcome(before.outcome[row]) is wanted
        first = min((place for place, _ in applying), default=len(book.precedence))
        expected = wanted if first < tier else max(wanted, says) if first == tier else says
        assert Outcome(after.outcome[row]) is expected
        hypothesis.event(f"{says.word} in {'a later' if first < tier else 'the same' if first == tier else 'an earlier'} tier")
        if says is Outcome.DENY:
            assert (expected is Outcome.DENY) == (wanted is Outcome.DENY or tier <= first)
    # Deterministic: the order of the rules meant nothing (they are shuffled in `more`), nor do asking again and what was asked before.
    assert list(again.decide(batch).outcome) == list(after.outcome)
    again._forget()
    assert list(again.decide(batch).outcome) == list(after.outcome)


# --- I18 ----------------------------------------------------------------------------------------------------------------

HEAD = """\
rulebook: small
version: {version}
title: Made up
operator: Example Orbit (invented)
default: {{outcome: {default}, reason: served}}
precedence: [account, zone]
rules:
"""
RULE = """\
  - id: rule-{number}
    title: Rule {number}
    tier: {tier}
    where: {{any: [{where}]}}
    outcome: {outcome}
    edge: {edge}
    reason: no_service_zone
    authority: {{basis: "an order (invented)", illustrative: true}}
"""
WHERE = ("area:closed", "area:second", "country:AT", "country:BE", "kind:zone", "anywhere")
WHO = ("plan: roam", "class: hospital", "programme: rail", "account: suspended", "registration: registered", "activation_country: AT")
UNLESS = ("list: pass", "programme: rail", "class: hospital")
WORDS = ("serve", "restrict", "review", "deny")
COUNTRIES = (("country:AT", "country", "AT", (0, 0, 10, 10)), ("country:BE", "country", "BE", (10, 0, 20, 10)))
PLACES = ((2.0, 2.0), (2.5, 2.5), (2.5, 2.5), (2.75, 4.0), (3.0, 3.5), (4.25, 2.5), (5.0, 5.0), (5.0, 10.0), (5.25, 12.0), (7.5, 12.5))
"""Latitude and longitude on a grid of quarters of a degree, as the zones are: a place is clearly inside, outside, or on an edge."""
CLASSES = ("", "hospital", "", "ambulance", "")


@dataclass(frozen=True)
class Terminal:
    """What a terminal is, in words."""

    name: str
    lat: float
    lon: float
    profile: Profile | None


FLEET = tuple(
    Terminal(
        f"t{n:02d}",
        *PLACES[n % len(PLACES)],
        None
        if n % 7 == 6
        else Profile(
            plan=("roam", "business", None)[n % 3],
            account_state=("active", "active", "suspended")[n % 3],
            account_country=("AT", "BE", "AT")[n % 3],
            activation_country=("AT", "BE")[n % 2],
            registration="registered",
            programmes=("rail",) if n % 4 == 0 else (),
            protected_class=CLASSES[n % 5] or "none",
        ),
    )
    for n in range(20)
)


def box(corners: tuple[int, int, int, int]) -> tuple[float, ...]:
    """West, south, east and north of a zone, from quarters of a degree."""
    west, south, width, height = corners
    return (west / 4, south / 4, (west + width) / 4, (south + height) / 4)


def book_text(version: int, default: str, rules: list[Any]) -> str:
    text = HEAD.format(version=version, default=default)
    for number, (tier, where, who, unless, outcome, edge) in enumerate(rules):
        # What happens at an edge or with what is unknown is never harsher than the rule.
        milder = WORDS[min(WORDS.index(edge), WORDS.index(outcome))]
        text += RULE.format(number=number, tier=tier, where=where, outcome=outcome, edge=milder)
        text += f"    who: {{{who}}}\n" if who else ""
        text += f"    unless: [{{{unless}}}]\n" if unless else ""
    return text if rules else text.replace("rules:\n", "rules: none\n")


BASE = book_text(1, "serve", [("zone", "area:closed", None, "list: pass", "deny", "review")])
OLD = read_rulebook(BASE)
CLOSED = (4, 4, 8, 8)


def slow_outcome(book: Rulebook, zones: dict[str, tuple[float, ...]], passes: set[str], each: Terminal, at_ns: int) -> Outcome:
    """Place a terminal by comparing numbers, write its evidence by hand and ask the plain evaluator."""
    facts = []
    for name, kind, country, (west, south, east, north) in [
        *COUNTRIES, *((name, "zone", None, corners) for name, corners in zones.items())
    ]:  # fmt: skip
        if west < each.lon < east and south < each.lat < north:
            facts.append(AreaFact(name, kind, country, (), Membership.INSIDE))
        elif west <= each.lon <= east and south <= each.lat <= north:
            facts.append(AreaFact(name, kind, country, (), Membership.EDGE))
    who = each.profile
    if who is not None and each.name in passes:
        who = replace(who, lists=(("pass", "active"),))
    return decide_one(book, Row(at_ns, tuple(facts), who, {"position_age_s": (0.0, 0.0)})).outcome


@dataclass(repr=False)
class Office:
    """A home with the fleet, and what never changes in it."""

    desk: Desk
    at_ns: int
    options: dict[str, Any]
    before: dict[str, str | None]

    def change(self, op: str, name: str, data: bytes) -> Change:
        kept = {"sha256": put_object(self.desk.home, data), "size": len(data), "media_type": "application/json"}
        if name not in self.before:
            self.before[name] = self.desk.change(op, name, data)["before_sha256"]
        digest = sha256(data).hexdigest()
        return Change.parse({"op": op, "object": name, "before_sha256": self.before[name], "after": kept, "after_sha256": digest})


def open_office(stack: ExitStack) -> Office:
    folder = quick_folder()
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    zones = [Area("closed", "zone", "Closed (invented)", shapely.box(*box(CLOSED)))]
    zones += [Area(name, kind, name, shapely.box(*corners), country=land) for name, kind, land, corners in COUNTRIES]
    home = base_home(folder / "home", book=BASE, areas=tuple(zones), registers=False)
    stated = ((0, "AT", "active"), (1, "BE", "active"), (2, "AT", "suspended"))
    accounts = "".join(f"acc-{n},p{n},{land},{state}\n" for n, land, state in stated)
    register(home, "accounts", f"account_id,party_id,country,state\n{accounts}")
    rows = "".join(
        f"{each.name},acc-{n % 3},{who.plan or ''},{';'.join(who.programmes)},{CLASSES[n % 5]},registered,{who.activation_country}\n"
        for n, each in enumerate(FLEET)
        if (who := each.profile) is not None
    )
    register(home, "terminals", f"terminal_id,account_id,plan,programmes,protected_class,registration,activation_country\n{rows}")
    with home.writer():
        decided(home, table([observation(each.name, n, each.lat, each.lon) for n, each in enumerate(FLEET)]), at_ns=RECORDED)
    opened = stack.enter_context(desk(home, Clock(START)))
    opened.genesis()
    at_ns = START + HOUR
    return Office(opened, at_ns, {"fleet": load_fleet(home), "registers": timeline(home, at_ns)}, {})


@pytest.fixture(scope="module")
def office() -> Iterator[Office]:
    with ExitStack() as stack:
        yield open_office(stack)


MADE_RULES = st.lists(
    st.tuples(
        st.sampled_from(["account", "zone"]), st.sampled_from(WHERE), st.none() | st.sampled_from(WHO), st.none() | st.sampled_from(UNLESS),
        st.sampled_from(WORDS), st.sampled_from(WORDS),
    ),
    max_size=4,
)  # fmt: skip
CORNERS = st.tuples(st.integers(0, 40), st.integers(1, 24), st.integers(1, 16), st.integers(1, 12))


@MANY
@given(
    st.none() | st.tuples(st.sampled_from(["serve", "deny"]), MADE_RULES), st.none() | CORNERS, st.none() | CORNERS,
    st.none() | st.sets(st.integers(0, len(FLEET) - 1), min_size=1, max_size=5),
)  # fmt: skip
def test_i18_the_preview_is_the_difference_that_a_plain_judge_finds(
    office: Office, book: Any, closed: Any, second: Any, passes: Any
) -> None:
    assume(any(each is not None for each in (book, closed, second, passes)))
    zones, text, listed = {"closed": box(CLOSED)}, BASE, set()
    first = dict(zones)
    changes = []
    if book is not None:
        text = book_text(2, *book)
        changes.append(office.change("replace", "rulebook", text.encode()))
    for name, corners, op in (("closed", closed, "replace"), ("second", second, "create")):
        if corners is not None:
            zones[name] = box(corners)
            area = Area(name, "zone", "Zone (invented)", shapely.box(*zones[name]))
            changes.append(office.change(op, f"area/{name}", area_content([area])))
    if passes is not None:
        listed = {FLEET[n].name for n in passes}
        add = [{"terminal_id": name, "holder": f"h{name}", "legal_class": "individual"} for name in sorted(listed)]
        title = {"title": "Passes (invented)"}
        batch = {"v": 1, "salt": "3f" * 16, "list": title, "add": add, "remove": []}
        changes.append(office.change("replace", "list/pass", canonical_json(batch)))
    impact = preview(office.desk.home, changes, at_ns=office.at_ns, **office.options).impact
    old, new = OLD, read_rulebook(text) if book is not None else OLD
    counts: dict[str, dict[str, dict[str, int]]] = {}
    moved: set[str] = set()
    for each in FLEET:
        was = slow_outcome(old, first, set(), each, office.at_ns)
        now = slow_outcome(new, zones, listed, each, office.at_ns)
        of = each.profile.protected_class if each.profile else "not registered"
        kind = "ordinary" if of == "none" else str(of)
        row = counts.setdefault(was.word, {}).setdefault(now.word, {})
        row[kind] = row.get(kind, 0) + 1
        if was != now:
            moved.add(kind)
    assert {a: {b: dict(cells) for b, cells in row.items()} for a, row in impact.counts.items()} == counts
    assert set(impact.protected_changed) == moved - {"ordinary", "not registered"}
    assert impact.changed == sum(n for a, row in counts.items() for b, cells in row.items() if a != b for n in cells.values())
    hypothesis.event(f"changed: {min(impact.changed, 3)} or more" if impact.changed else "nothing changed")


# --- I20 ----------------------------------------------------------------------------------------------------------------

GUARDED = (*POLICY_KINDS, "policy_enactments")
VALUES = st.sampled_from([0, 1, MAX_NS, START, "pass", "t00", "active", "x", "", None])
HOW = st.sampled_from(["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT", "OR ROLLBACK"])


@st.composite
def statements(draw: st.DrawFn) -> str:
    """Return one statement that would write a table of policy."""
    where, how, value, other = draw(st.sampled_from(GUARDED)), draw(HOW), draw(VALUES), draw(VALUES)
    columns = COLUMNS[where]
    name, second = draw(st.sampled_from(columns)), draw(st.sampled_from(columns))
    values = ", ".join(literal(draw(VALUES)) for _ in columns)
    key = columns[0]
    return draw(st.sampled_from([
        f"INSERT {how} INTO {where} ({', '.join(columns)}) VALUES ({values})",
        f"REPLACE INTO {where} ({', '.join(columns)}) VALUES ({values})",
        f"INSERT {how} INTO {where} ({', '.join(columns)}) SELECT {', '.join(columns)} FROM {where}",
        f"INSERT INTO {where} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT DO UPDATE SET {name} = {literal(value)}",
        f"WITH made AS (SELECT 1) INSERT {how} INTO {where} ({', '.join(columns)}) SELECT {values} FROM made",
        f"UPDATE {how} {where} SET {name} = {literal(value)}",
        f"UPDATE {how} {where} SET {name} = {second}, {second} = {name} WHERE {key} <> {literal(other)}",
        f"UPDATE {where} SET {name} = {literal(value)} FROM terminals",
        f"DELETE FROM {where}",
        f"DELETE FROM {where} WHERE {key} = {literal(other)}",
    ]))  # fmt: skip


def literal(value: Any) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int) else f"'{value}'"


COLUMNS = {
    "programmes": ("programme_id", "title", "valid_from", "valid_until", "recorded_at", "superseded_at", "revision", "governed"),
    "lists": ("list_id", "title", "valid_from", "valid_until", "recorded_at", "superseded_at", "revision", "governed"),
    "list_entries": (
        "entry_id", "list_id", "terminal_id", "state", "holder", "valid_from", "valid_until", "recorded_at", "superseded_at", "revision",
        "governed",
    ),
    "policy_enactments": ("log_index", "proposal", "rulebook", "areas", "lists", "enacted_at"),
}  # fmt: skip
SETTINGS = st.sampled_from([
    "", "PRAGMA foreign_keys=OFF", "PRAGMA recursive_triggers=ON", "PRAGMA ignore_check_constraints=ON", "SAVEPOINT a",
])  # fmt: skip
PROVENANCE = ("version", "recorded_at", "superseded_at", "revision", "governed")
OPENED, SHUT = "INSERT INTO policy_writing VALUES (9, '')", "DELETE FROM policy_writing"
INSIDE = st.sampled_from([
    OPENED, SHUT, "INSERT INTO policy_never VALUES ('')",
    *(f"DROP TRIGGER IF EXISTS {name}_{end}" for name in GUARDED for end in ("enacted_insert", "enacted_update", "keep", "fixed")),
    "DROP TRIGGER IF EXISTS policy_never_empty", "DROP TABLE IF EXISTS policy_enactments",
    "ALTER TABLE policy_writing RENAME TO policy_wrote",
])  # fmt: skip
"""What somebody can do who holds the file and knows the guard: no trigger stops that, so it has to show."""


@dataclass(repr=False)
class Enacted:
    """A home in which lists were enacted; the database is put back after each example."""

    desk: Desk
    kept: bytes = field(repr=False)

    @property
    def file(self) -> Any:
        return self.desk.home.path / "registers.sqlite"

    def run(self, acts: list[str]) -> None:
        with closing(sqlite3.connect(self.file, isolation_level=None)) as database:
            for act in acts:
                try:
                    database.execute(act)
                except sqlite3.Error as error:
                    hypothesis.event(str(error)[:40])
            if database.in_transaction:
                try:
                    database.execute("COMMIT")
                except sqlite3.Error:
                    database.execute("ROLLBACK")

    def rows(self) -> dict[str, list[Any]]:
        """All that the tables of policy hold."""
        with closing(sqlite3.connect(self.file)) as database:
            return {name: database.execute(f"SELECT rowid, * FROM {name}").fetchall() for name in GUARDED}

    def stated(self) -> Any:
        """What is in force, and what lists state; not by which revision and since when that is known."""
        believed = f"superseded_at = {MAX_NS}"
        try:
            with closing(sqlite3.connect(self.file)) as database:
                rows = {
                    name: sorted(
                        repr([value for value, column in zip(row, cursor.description, strict=True) if column[0] not in PROVENANCE])
                        for row in cursor
                    )
                    for name in POLICY_KINDS
                    if (cursor := database.execute(f"SELECT * FROM {name} WHERE {believed}"))
                }
            return history(self.desk.home), rows
        except (sqlite3.Error, StoreError):
            return None

    def put_back(self) -> None:
        if self.file.read_bytes() != self.kept:
            self.file.write_bytes(self.kept)
        for more in ("-wal", "-shm", "-journal"):
            self.file.with_name(self.file.name + more).unlink(missing_ok=True)


def open_enacted(stack: ExitStack) -> Enacted:
    opened = open_office(stack).desk
    opened.clock.now = START + HOUR
    batch = {"v": 1, "salt": "4a" * 16, "list": {"title": "Passes (invented)"}, "add": [], "remove": []}
    batch["add"] = [{"terminal_id": f"t0{n}", "holder": f"h{n}", "legal_class": "individual"} for n in range(3)]
    change = [opened.change("replace", "list/pass", canonical_json(batch))]
    change.append(opened.change("create", "programme/rail", canonical_json({"title": "Rail (invented)"})))
    made = opened.propose(*change)
    opened.approve(made)
    assert opened.governance.enact(made).in_force
    assert opened.governance.check() == []
    file = opened.home.path / "registers.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Enacted(opened, file.read_bytes())


@pytest.fixture(scope="module")
def enacted() -> Iterator[Enacted]:
    with ExitStack() as stack:
        yield open_enacted(stack)


@MANY
@given(SETTINGS, st.booleans(), st.lists(statements(), min_size=1, max_size=5))
def test_i20_no_statement_writes_a_table_of_policy_outside_an_enactment(
    enacted: Enacted, setting: str, together: bool, acts: list[str]
) -> None:
    before = enacted.rows()
    assert all(before.values()), "each table holds something that could be changed"
    enacted.run([setting, *(["BEGIN"] if together and setting != "SAVEPOINT a" else []), *acts])
    assert enacted.rows() == before


@MANY
@given(SETTINGS, st.booleans(), st.lists(st.tuples(st.booleans(), st.one_of(statements(), INSIDE)), min_size=1, max_size=5))
def test_i20_who_breaks_the_guard_is_seen(enacted: Enacted, setting: str, together: bool, acts: list[tuple[bool, str]]) -> None:
    before = enacted.stated()
    try:
        steps = [step for opened, act in acts for step in ([OPENED, act, SHUT] if opened else [act])]
        enacted.run([setting, *(["BEGIN"] if together else []), *steps])
        after = enacted.stated()
        same = after == before
        hypothesis.event("nothing in force changed" if same else "something changed")
        assert same or reported(enacted.desk)
    finally:
        enacted.put_back()


def reported(office: Desk) -> bool:
    try:
        return office.governance.check() != []
    except Exception:  # noqa: BLE001 - a database that cannot be read any more is a report, too
        return True
