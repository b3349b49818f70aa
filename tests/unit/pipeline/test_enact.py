"""Enactment writes policy, nothing else does, and a crash leaves the old policy or the new one."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import shapely
import sqlalchemy as sa

import groundrule
from governed_home import OTHER_BOOK, START, Desk, Witnesses, base_home, decided, desk
from governed_world import HOUR
from groundrule.areas.model import Area, ServiceInterval
from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.instant import MAX_NS, MIN_NS
from groundrule.pipeline import list_check
from groundrule.pipeline.changes import area_content, service_content
from groundrule.pipeline.home import import_areas, rulebook_of
from groundrule.store.area_store import current_areas_digest, load_areas, save_areas
from groundrule.store.home import Home
from groundrule.store.policy import InForce, check_guard, enacting, in_force
from groundrule.store.register_view import RegisterView
from groundrule.store.registers import POLICY_KINDS, Registers
from register_places import Place
from small_home import AREAS, BOOK, RECORDED, copy_home, drive, register, table


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Home:
    """A governed home with one run."""
    home = base_home(tmp_path_factory.mktemp("enact") / "home", place=place)
    with home.writer():
        decided(home, table(drive("car", 0, 12, lat=5, lon=5, km_h=80)), at_ns=RECORDED)
    with desk(home) as opened:
        opened.genesis()
    return home


@pytest.fixture
def office(template: Home, tmp_path: Path, place: Place) -> Iterator[Desk]:
    with desk(copy_home(template, tmp_path / "home", place)) as opened:
        opened.clock.now = START + HOUR
        yield opened


def batch(*add: dict[str, Any], remove: tuple[str, ...] = (), about: dict[str, Any] | None = None) -> bytes:
    return canonical_json({"v": 1, "salt": "5a" * 16, "list": about, "add": list(add), "remove": list(remove)})


def entry(terminal: str, holder: str = "p1", **more: Any) -> dict[str, Any]:
    return {"terminal_id": terminal, "holder": holder, "legal_class": "individual"} | more


def on_list(home: Home, terminal: str, at_ns: int) -> dict[str, str]:
    with Registers.open(home) as registers:
        view = RegisterView.load(registers, valid_at_ns=at_ns)
        row = view.terminal_ids.to_pylist().index(terminal)
        return dict(view.profiles[view.profile_code[row]].lists)


def zone(name: str = "zone:new", **more: Any) -> Area:
    return Area(name, "zone", "New zone (invented)", shapely.box(6, 6, 7, 7), **more)


def policy_of(home: Home) -> tuple[Any, ...]:
    """All that decides, as it would be found by the next run."""
    with Registers.open(home) as registers:
        lists = [row for kind in POLICY_KINDS for row in registers.rows(kind, valid_at_ns=START + 300 * HOUR)]
    return rulebook_of(home).digest, current_areas_digest(home), lists


def mixed(office: Desk) -> list[dict[str, Any]]:
    """A change of rulebook, areas and lists together."""
    return [
        office.change("replace", "rulebook", OTHER_BOOK.encode()),
        office.change("create", "area/zone:new", area_content([zone()])),
        office.change("replace", "list/pass", batch(entry("car", "p9"))),
    ]


# --- what can be enacted ------------------------------------------------------------------------------------------------


def test_one_enactment_switches_rulebook_areas_and_lists(office: Desk) -> None:
    before = policy_of(office.home)
    office.pass_through(*mixed(office))
    assert rulebook_of(office.home).version == 2
    assert "zone:new" in {area.id for area in load_areas(office.home)[0]}
    assert on_list(office.home, "car", office.clock.now) == {"pass": "active"}
    assert on_list(office.home, "car", START) == {}, "nothing is retroactive"
    assert policy_of(office.home) != before
    assert office.governance.check() == []
    stated = in_force(office.home)
    assert stated is not None
    entries = [body for _, body in office.governance.enactor._snapshots()]
    assert [each.body["lists"] for each in entries][-1] == stated.lists


def test_areas_are_created_replaced_and_deleted_and_their_service_history_changes(office: Desk) -> None:
    name = "area/zone:new"
    office.pass_through(office.change("create", name, area_content([zone()])))
    ended = zone(valid_until_ns=START + 100 * HOUR)
    office.pass_through(office.change("replace", name, area_content([ended, zone(valid_from_ns=START + 200 * HOUR)])))
    assert len([a for a in load_areas(office.home)[0] if a.id == "zone:new"]) == 2
    served = ServiceInterval("served", MIN_NS, MAX_NS, "minutes (invented)")
    one = replace(AREAS[3], service_history=(served,))
    office.pass_through(office.change("replace", "service/closed", service_content([one])))
    found = next(a for a in load_areas(office.home)[0] if a.id == "closed")
    assert found.service_history == (served,)
    office.pass_through(office.change("delete", name, None))
    assert "zone:new" not in {a.id for a in load_areas(office.home)[0]}
    assert office.governance.check() == []


def test_batches_move_entries_through_their_states(office: Desk) -> None:
    listed = {"entry_id": "entry-car", **entry("car", "p9", state="submitted")}
    office.pass_through(office.change("replace", "list/pass", batch(listed)))
    assert on_list(office.home, "car", office.clock.now) == {"pass": "submitted"}
    office.pass_through(office.change("replace", "list/pass", batch({**listed, "state": "active"})))
    with pytest.raises(ConflictError) as refused:
        office.propose(office.change("replace", "list/pass", batch({**listed, "state": "pending"})))
    assert refused.value.context["refusal"] == "step_not_allowed"
    office.pass_through(office.change("replace", "list/pass", batch(remove=("entry-car",))))
    assert on_list(office.home, "car", office.clock.now) == {"pass": "revoked"}
    with Registers.open(office.home) as registers:
        versions = registers.versions("list_entries", "entry-car")
    assert [each["governed"] for each in versions] == [True] * len(versions)
    assert {each["state"] for each in versions} == {"submitted", "active", "revoked"}, "nothing is forgotten"


@pytest.mark.parametrize(("legal_class", "limit"), [("individual", 1), ("sole_trader", 3), ("legal_entity", 10)])
def test_a_batch_beyond_the_quota_of_a_legal_class_is_refused_whole(office: Desk, legal_class: str, limit: int) -> None:
    entries = [entry(f"t{n}", "holder", legal_class=legal_class) for n in range(limit + 1)]
    with pytest.raises(ConflictError) as refused:
        office.proposal(office.change("replace", "list/pass", batch(*entries)))
    assert refused.value.context["refusal"] == "quota_exceeded"
    office.pass_through(office.change("replace", "list/pass", batch(*entries[:limit])))
    with pytest.raises(ConflictError):
        office.proposal(office.change("replace", "list/pass", batch(entries[limit])))


def test_a_list_is_created_with_quotas_of_its_own(office: Desk) -> None:
    about = {"title": "Rescue (invented)", "quota_individual": 2}
    office.pass_through(office.change("create", "list/rescue", batch(entry("car", "h"), entry("van", "h"), about=about)))
    assert on_list(office.home, "van", office.clock.now)["rescue"] == "active"
    with pytest.raises(ConflictError):
        office.proposal(office.change("replace", "list/rescue", batch(entry("train", "h"))))


def test_a_waiver_has_an_end_and_can_be_revoked(office: Desk) -> None:
    value = {"v": 1, "salt": "6b" * 16, "list_id": "pass", **entry("car", "p9")}
    with pytest.raises(ConflictError) as endless:
        office.proposal(office.change("create", "waiver/w1", canonical_json(value)))
    assert endless.value.context["refusal"] == "waiver_without_end"
    until = START + 50 * HOUR
    office.pass_through(office.change("create", "waiver/w1", canonical_json({**value, "expires_at_ns": str(until)})))
    assert on_list(office.home, "car", office.clock.now) == {"pass": "active"}
    assert on_list(office.home, "car", until) == {"pass": "expired"}
    office.pass_through(office.change("delete", "waiver/w1", None))
    assert on_list(office.home, "car", office.clock.now) == {"pass": "revoked"}


def test_what_the_log_holds_does_not_say_who_is_on_a_list(office: Desk) -> None:
    office.pass_through(office.change("replace", "list/pass", batch(entry("car", "holder-4711"))))
    log = b"".join(path.read_bytes() for path in (office.home.path / "ledger").rglob("*") if path.is_file())
    assert b"holder-4711" not in log
    objects = office.home.path / "governance" / "objects"
    assert any(b"holder-4711" in path.read_bytes() for path in objects.iterdir())


@pytest.mark.parametrize(
    ("op", "name", "data", "code"),
    [
        ("replace", "rulebook", b"rulebook: broken", None),
        ("create", "rulebook", BOOK.encode(), None),
        ("create", "list/pass", batch(), None),
        ("replace", "list/pass", batch(remove=("entry-0",)), "entry_unknown"),
        ("replace", "list/pass", canonical_json({"add": []}), None),
        ("replace", "area/closed", b'{"v":1,"versions":[]}', None),
        ("replace", "charter", b"{}", "object_unknown"),
        ("replace", "list/nowhere", batch(), None),
    ],
)
def test_what_cannot_be_applied_cannot_be_proposed(office: Desk, op: str, name: str, data: bytes, code: str | None) -> None:
    with pytest.raises((ConflictError, InputError)) as refused:
        office.propose(office.change(op, name, data))
    if code:
        assert refused.value.context["refusal"] == code


# --- nobody else writes (I20) -------------------------------------------------------------------------------------------


def test_imports_of_policy_are_refused_in_a_governed_home(office: Desk) -> None:
    before = policy_of(office.home)
    office.governance.ledger.close()
    for kind, text in (("list_entries", "list_id,terminal_id,state,holder,legal_class\npass,car,active,p1,individual\n"),
                       ("lists", "list_id,title\nx,X\n"), ("programmes", "programme_id,title\nrail,Rail\n")):  # fmt: skip
        file = office.home.path.parent / f"{kind}.csv"
        file.write_text(text)
        from groundrule.store.register_import import import_register

        with Registers.open(office.home) as registers, pytest.raises(ConflictError, match="only by enactment"):
            import_register(registers, kind, file, recorded_at_ns=START + 90 * HOUR, actor="x", rejected_folder=office.home.rejected)
    with pytest.raises(ConflictError, match="only by enactment"):
        import_areas(office.home, (zone(),))
    with pytest.raises(ConflictError, match="only by enactment"):
        save_areas(office.home, (zone(),), world=False)
    assert policy_of(office.home) == before
    office.again()


def test_a_home_that_has_lost_its_registers_is_not_taken_for_one_without_a_charter(template: Home, tmp_path: Path, place: Place) -> None:
    if place.is_postgres:
        pytest.skip("a database that is gone has been an error all along")
    home = copy_home(template, tmp_path / "home", place)
    (home.path / "registers.sqlite").unlink()
    for act in (lambda: import_areas(home, (zone(),)), lambda: save_areas(home, (zone(),), world=False), lambda: in_force(home)):
        with pytest.raises(StoreError, match=r"registers .* are gone"):
            act()
    assert not (home.path / "registers.sqlite").exists()


def test_registers_that_are_no_policy_are_imported_as_before(template: Home, tmp_path: Path, place: Place) -> None:
    home = copy_home(template, tmp_path / "home", place)
    report = register(home, "terminals", "terminal_id,account_id\nnew one,acc-a\n", recorded_at=START + 90 * HOUR)
    assert report.inserted == 1


@pytest.mark.parametrize(
    "statement",
    [
        ("INSERT INTO programmes (programme_id, valid_from, valid_until, recorded_at, superseded_at, revision, governed)"
         " VALUES ('x', 0, 1, 0, 1, 1, true)"),
        "UPDATE list_entries SET superseded_at = 1",
        "DELETE FROM list_entries",
        ("INSERT INTO lists (list_id, valid_from, valid_until, recorded_at, superseded_at, revision, governed)"
         " VALUES ('x', 0, 1, 0, 1, 1, true)"),
        "INSERT INTO policy_enactments VALUES (99999, '', 'sha256:0', 'sha256:0', '', 0)",
        "UPDATE policy_enactments SET rulebook = 'sha256:0'",
        "DELETE FROM policy_enactments",
        "INSERT INTO policy_never VALUES ('')",
    ],
)
def test_the_database_itself_refuses_to_write_policy(office: Desk, place: Place, statement: str) -> None:
    before = policy_of(office.home)
    with place.inside(office.home) as connection, pytest.raises(sa.exc.IntegrityError):
        connection.exec_driver_sql(statement)
    assert policy_of(office.home) == before


def test_the_row_that_opens_the_guard_cannot_outlive_its_transaction(office: Desk, place: Place) -> None:
    with place.inside(office.home) as connection:
        if not place.is_postgres:
            connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("INSERT INTO policy_writing VALUES (1, '')")
        with pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("ROLLBACK")
    assert check_guard(office.home) == []


def test_a_guard_that_was_removed_and_lists_that_were_changed_show(office: Desk, place: Place) -> None:
    with place.inside(office.home) as connection:
        connection.exec_driver_sql("DROP TRIGGER list_entries_enacted_insert" + (" ON list_entries" if place.is_postgres else ""))
        names = "entry_id, list_id, terminal_id, state, holder, legal_class"
        connection.exec_driver_sql(
            f"INSERT INTO list_entries ({names}, valid_from, valid_until, recorded_at, superseded_at, revision, governed) "
            f"VALUES ('e', 'pass', 'guest', 'active', 'h', 'critical', 0, {MAX_NS}, 0, {MAX_NS}, 1, true)"
        )
    assert office.governance.check() == [
        "the guard is damaged: list_entries_enacted_insert",
        "lists were changed without an enactment",
        "the lists of genesis in the log are not what its objects make of them",
    ]


WRITERS = {
    "enacting": {"pipeline/enact.py", "pipeline/impact.py", "pipeline/list_check.py"},
    "install_guard": {"pipeline/enact.py", "pipeline/list_check.py"},
    "copy_pointers": {"pipeline/enact.py"},
    "recording_on": {"store/policy.py", "store/registers.py"},
    "store_areas": {"pipeline/enact.py", "store/area_store.py"},
    "store_rulebook": {"engines/bundle.py", "pipeline/enact.py", "pipeline/home.py"},
    "write_all": {"pipeline/enact.py", "pipeline/impact.py", "pipeline/list_check.py"},
}
"""Who may call what writes policy; the impact writes in a transaction that it takes back, the check of lists in memory, and a
bundle for other machines is a home of its own in a temporary folder, where nothing is in force."""
GUARDS = {"store/guard_sqlite.py", "store/guard_postgres.py"}
"""Where the statements stand that open the guard, state what is in force, and shut it."""


def test_no_code_path_writes_policy_outside_enactment() -> None:
    root = Path(groundrule.__file__).parent
    callers: dict[str, set[str]] = {name: set() for name in WRITERS}
    tables = set()
    for path in root.rglob("*.py"):
        where = str(path.relative_to(root))
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if name in callers:
                    callers[name].add(where)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and where not in GUARDS:
                said = node.value.casefold()
                if any(f"{verb} {kind}" in said for verb in ("insert into", "update", "delete from") for kind in
                       (*POLICY_KINDS, "policy_enactments", "policy_writing")):  # fmt: skip
                    tables.add(where)
    assert callers == WRITERS
    assert tables == set()


def test_only_the_impact_rehearses_what_it_takes_back() -> None:
    text = (Path(groundrule.__file__).parent / "pipeline" / "impact.py").read_text(encoding="utf-8")
    calls = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "enacting"]
    assert calls
    assert all(any(k.arg == "rehearsal" and getattr(k.value, "value", None) is True for k in n.keywords) for n in calls)


def test_the_check_of_lists_writes_in_memory_only() -> None:
    text = (Path(groundrule.__file__).parent / "pipeline" / "list_check.py").read_text(encoding="utf-8")
    opened = {ast.unparse(n) for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call) and ast.unparse(n.func) == "Registers.open"}
    assert opened == {"Registers.open(home)", "Registers.open(_MEMORY)"}
    assert list_check._MEMORY == "sqlite://"
    assert text.count("Registers.open(home) as registers, registers.reading()") == 1


def test_a_rehearsal_leaves_no_trace(office: Desk) -> None:
    before = policy_of(office.home)
    with Registers.open(office.home) as registers:
        stated = in_force(office.home)
        assert stated is not None
        trial = InForce(stated.log_index + 1, "0" * 64, "sha256:0", "sha256:0", "", START)
        with enacting(registers, trial, rehearsal=True) as tables, tables.recording("programmes") as recording:
            recording.put([("rail", "Rail", None, None, None, START, MAX_NS)])
        with pytest.raises(ConflictError, match="cannot follow"), enacting(registers, replace(trial, log_index=0)):
            pass
    assert policy_of(office.home) == before


# --- crashes ------------------------------------------------------------------------------------------------------------

STEPS = (
    "enactment: checked",
    "enactment: queued",
    "enactment: logged",
    "enactment: witnessed",
    "tables: content stored",
    "tables: being written",
    "tables: written",
    "snapshot: queued",
    "snapshot: logged",
)


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_leaves_the_old_policy_or_the_new_one(template: Home, tmp_path: Path, place: Place, step: str) -> None:
    home = copy_home(template, tmp_path / "home", place)
    with desk(home) as office:
        office.clock.now = START + HOUR
        proposal = office.propose(*mixed(office))
        office.approve(proposal)
        old = policy_of(home)

        def crash(name: str) -> None:
            if name == step:
                raise Crash(name)

        office.again(step=crash)
        with pytest.raises(Crash):
            office.governance.enact(proposal)
        now = policy_of(home)
        assert now == old or (now[0] != old[0] and now[1] != old[1] and now[2] != old[2]), "half of a policy is none"
        office.again()
        recovered = policy_of(home)
        logged = proposal in office.governance.state.enacted
        assert logged == (step != STEPS[0])
        assert (recovered != old) == logged
        assert office.governance.check() == []
        assert office.governance.enact(proposal).in_force
        assert policy_of(home) != old
        assert office.governance.check() == []
        kinds = [each for _, each in office.governance.enactor._snapshots()]
        assert len(kinds) == 2, "the charter and one enactment are announced, each once"


@pytest.mark.parametrize("step", ["charter: queued", "charter: logged", "tables: guarded", "snapshot: queued"])
def test_a_crash_in_the_genesis_is_made_good(tmp_path: Path, place: Place, step: str) -> None:
    home = base_home(tmp_path / "home", place=place)

    def crash(name: str) -> None:
        if name == step:
            raise Crash(name)

    with desk(home, step=crash) as office:
        with pytest.raises(Crash):
            office.genesis()
        office.again()
        assert in_force(home) is not None
        assert office.governance.check() == []


# --- witnesses ----------------------------------------------------------------------------------------------------------


def test_nothing_takes_effect_before_the_quorum_of_witnesses(template: Home, tmp_path: Path, place: Place) -> None:
    home = copy_home(template, tmp_path / "home", place)
    with desk(home) as office:
        office.clock.now = START + HOUR
        witnesses = Witnesses.join(office.governance.ledger, office.clock)
        office.again(witnesses=witnesses)
        office.pass_through(office.change("replace", "list/pass", batch(entry("car", "p9"))))
        proposal = office.propose(office.change("replace", "rulebook", OTHER_BOOK.encode()))
        office.approve(proposal)
        old = policy_of(home)
        witnesses.up = False
        with pytest.raises(StoreError, match="quorum of witnesses"):
            office.governance.enact(proposal)
        assert proposal not in office.governance.state.enacted
        assert policy_of(home) == old


def test_witnesses_lost_in_between_delay_the_effect(template: Home, tmp_path: Path, place: Place) -> None:
    home = copy_home(template, tmp_path / "home", place)
    with desk(home) as office:
        office.clock.now = START + HOUR
        witnesses = Witnesses.join(office.governance.ledger, office.clock)

        def lose(name: str) -> None:
            witnesses.up = witnesses.up and name != "enactment: queued"

        office.again(witnesses=witnesses, step=lose)
        proposal = office.propose(office.change("replace", "rulebook", OTHER_BOOK.encode()))
        office.approve(proposal)
        old = policy_of(home)
        made = office.governance.enact(proposal)
        assert (made.in_force, made.witnessed) == (False, False)
        assert policy_of(home) == old
        with pytest.raises(ConflictError, match="no longer in force"):
            office.propose(office.change("replace", "list/pass", batch(entry("car", "p9"))))
        witnesses.up = True
        office.again(witnesses=witnesses)
        assert rulebook_of(home).version == 2
        assert office.governance.check() == []


def test_content_is_kept_under_its_digest(office: Desk) -> None:
    made = office.change("replace", "rulebook", OTHER_BOOK.encode())
    assert made["after_sha256"] == hashlib.sha256(OTHER_BOOK.encode()).hexdigest()
    path = office.home.path / "governance" / "objects" / made["after_sha256"]
    path.chmod(0o600)
    path.write_bytes(b"something else")
    with pytest.raises(Exception, match="has been changed"):
        office.propose(made)
