"""A governed home under random acts: what is in force is what the log enacted, whatever is tried, repeated or cut off.

I1 no policy without its enactment; I12 replaying the log gives the live state; I14 an envelope again has the effect of one;
I18 the preview is the difference; I19 seals open to their commitments and overdue ones are listed; I20 nothing else writes.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from base64 import b64decode, b64encode
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from governed_home import START, Clock, Desk, base_home, decided, desk, quick_folder
from governed_world import DAY, HOUR, POLICY_MEMBERS
from groundrule.canon import canonical_json
from groundrule.errors import ConflictError
from groundrule.govern.objects import Impact
from groundrule.ledger.commitment import seal_commitment
from groundrule.pipeline.fleet import load_fleet
from groundrule.pipeline.home import basis_of, rulebook_of
from groundrule.pipeline.impact import timeline
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.ledger_duties import SEAL_DAYS, seal, unseal
from groundrule.pipeline.ledger_state import state_of
from groundrule.store.home import Home
from groundrule.store.policy import history
from groundrule.store.register_import import import_register
from groundrule.store.registers import Registers
from small_home import BOOK, RECORDED, copy_home, observation, register, table

HOMES = int(os.environ.get("GROUNDRULE_HOMES", "10"))
"""Homes that random acts are played on; the campaign plays them on hundreds."""
STEPS = ("enactment: queued", "enactment: logged", "enactment: witnessed", "tables: being written", "tables: written", "snapshot: queued")


class Crash(BaseException):
    """The process ends."""


def template() -> Home:
    if not hasattr(template, "made"):
        folder = quick_folder()
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        home = base_home(folder / "home")
        names = [f"t{n}" for n in range(8)]
        rows = "".join(f"{name},acc-a,roam,registered,AT\n" for name in names)
        register(home, "terminals", f"terminal_id,account_id,plan,registration,activation_country\n{rows}")
        with home.writer():
            decided(home, table([observation(name, 10 + n, 2.5, 2.5) for n, name in enumerate(names)]), at_ns=RECORDED)
        with desk(home) as opened:
            opened.genesis()
        template.made = home  # type: ignore[attr-defined]
    return template.made  # type: ignore[attr-defined,no-any-return]


class GovernedHome(RuleBasedStateMachine):
    """Random acts; the model is the list of what was enacted."""

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        folder = quick_folder()
        self.stack.callback(shutil.rmtree, folder, ignore_errors=True)
        self.home = copy_home(template(), folder / "home")
        self.office: Desk = self.stack.enter_context(desk(self.home, Clock(START + HOUR)))
        self.open: dict[str, set[str]] = {}
        self.version = 1
        self.wanted: dict[str, tuple[str, Any]] = {}
        self.envelopes: list[tuple[str, dict[str, Any]]] = []
        self.enacted: list[str] = []
        self.listed: set[str] = set()
        self.crashes = 0

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.stack.close()

    @rule(number=st.integers(2, 5))
    def propose_a_rulebook(self, number: int) -> None:
        text = BOOK.replace("version: 1", f"version: {number}")
        self._propose([self.office.change("replace", "rulebook", text.encode())], ("version", number))

    @rule(who=st.integers(0, 7))
    def propose_an_entry(self, who: int) -> None:
        entry = {"terminal_id": f"t{who}", "holder": f"h{who}", "legal_class": "individual"}
        data = canonical_json({"v": 1, "salt": "1d" * 16, "list": None, "add": [entry], "remove": []})
        self._propose([self.office.change("replace", "list/pass", data)], ("listed", f"t{who}"))

    def _propose(self, changes: list[dict[str, Any]], wanted: tuple[str, Any]) -> None:
        self.office.clock.now += 1_000_000_000
        value, impact = self.office.proposal(*changes)
        made = self.office.governance.propose(value, impact).id
        self.open.setdefault(made, set())
        self.wanted[made] = wanted

    @precondition(lambda self: self.open)
    @rule(data=st.data(), person=st.sampled_from(POLICY_MEMBERS), verdict=st.sampled_from(["approve"] * 4 + ["reject"]))
    def give_a_verdict(self, data: st.DataObject, person: str, verdict: str) -> None:
        made = data.draw(st.sampled_from(sorted(self.open)))
        if made in self.office.governance.state.rejected or made in self.enacted:
            return
        signed = self.office.approval(made, person, verdict)
        self.office.governance.approve(signed)
        self.envelopes.append((made, signed))
        (self.open[made].add if verdict == "approve" else self.open[made].discard)(person)

    @precondition(lambda self: self.envelopes)
    @rule(data=st.data(), times=st.integers(1, 3))
    def post_an_envelope_again(self, data: st.DataObject, times: int) -> None:
        _, signed = data.draw(st.sampled_from(self.envelopes))
        size = self.office.governance.ledger.log.size
        for _ in range(times):
            assert self.office.governance.approve(signed).index == -1
        assert self.office.governance.ledger.log.size == size

    @precondition(lambda self: self.open)
    @rule(data=st.data(), crash=st.one_of(st.none(), st.sampled_from(STEPS)))
    def enact(self, data: st.DataObject, crash: str | None) -> None:
        made = data.draw(st.sampled_from(sorted(self.open)))
        if made in self.enacted:
            assert self.office.governance.enact(made).in_force
            return
        fits = len(self.open[made]) >= 3 and self._applies(made)

        def end(step: str) -> None:
            if step == crash:
                raise Crash(step)

        self.office.governance.step = end
        try:
            self.office.governance.enact(made)
        except Crash:
            assert fits
            self.crashes += 1
            self.office.again()
            assert made in self.office.governance.state.enacted
        except ConflictError:
            assert not fits
            self.office.governance.step = lambda _step: None
            return
        else:
            assert fits
        self.office.governance.step = lambda _step: None
        self._done(made)

    def _applies(self, made: str) -> bool:
        """Nothing was enacted since that the proposal does not know of."""
        state = self.office.governance.state
        logged = state.proposals[made]
        if made in state.rejected or logged.proposal.base_policy_digest != state.policy_digest:
            return False
        kind = self.wanted[made][0]
        later = [each for each in self.enacted if self.wanted[each][0] == kind]
        return all(state.enacted[each] < logged.t_ns for each in later)

    def _done(self, made: str) -> None:
        self.enacted.append(made)
        kind, value = self.wanted[made]
        if kind == "version":
            self.version = value
        else:
            self.listed.add(value)

    @rule(kind=st.sampled_from(["lists", "list_entries", "programmes"]))
    def import_policy(self, kind: str) -> None:
        file = self.home.path.parent / "import.csv"
        file.write_text({"lists": "list_id\nx\n", "programmes": "programme_id\nx\n",
                         "list_entries": "list_id,terminal_id,state,holder,legal_class\npass,t0,active,h,individual\n"}[kind])  # fmt: skip
        with Registers.open(self.home) as registers, pytest.raises(ConflictError):
            import_register(registers, kind, file, recorded_at_ns=self.office.clock.now, actor="x", rejected_folder=self.home.rejected)

    @rule()
    def open_again(self) -> None:
        self.office.again()

    @invariant()
    def what_is_in_force_is_what_was_enacted(self) -> None:
        if not hasattr(self, "office"):
            return
        assert rulebook_of(self.home).version == self.version
        assert [each.proposal for each in history(self.home)] == ["", *self.enacted]
        with Registers.open(self.home) as registers:
            rows = registers.rows("list_entries", valid_at_ns=self.office.clock.now + HOUR)
            assert {row["terminal_id"] for row in rows} - {"van"} == self.listed

    @invariant()
    def replaying_the_log_gives_the_live_state(self) -> None:
        if hasattr(self, "office"):
            assert self.office.governance.check() == []
            assert self.office.governance.state.violations == []


TestGovernedHome = GovernedHome.TestCase
TestGovernedHome.settings = settings(
    max_examples=HOMES, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)


@settings(max_examples=HOMES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    lat=st.floats(0, 8), size=st.floats(0.5, 6), version=st.integers(2, 9),
    passes=st.sets(st.integers(0, 7), max_size=4), outcome=st.sampled_from(["deny", "review"]),
)  # fmt: skip
def test_i18_the_preview_equals_the_difference_on_the_same_fleet(
    lat: float, size: float, version: int, passes: set[int], outcome: str
) -> None:
    """I18, under random rulebooks, areas and batches at once."""
    import shapely

    from groundrule.areas.model import Area
    from groundrule.pipeline.changes import area_content

    with tempfile.TemporaryDirectory(dir=template().path.parent) as folder, desk(copy_home(template(), Path(folder) / "home")) as office:
        office.clock.now = START + HOUR
        denied = "outcome: deny\n    reason: no_service"
        text = BOOK.replace("version: 1", f"version: {version}").replace(denied, denied.replace("deny", outcome))
        zone = Area("closed", "zone", "Closed (invented)", shapely.box(2, lat, 3, lat + size))
        add = [{"terminal_id": f"t{n}", "holder": f"h{n}", "legal_class": "individual"} for n in sorted(passes)]
        batch = canonical_json({"v": 1, "salt": "2e" * 16, "list": None, "add": add, "remove": []})
        changes = [
            office.change("replace", "rulebook", text.encode()),
            office.change("replace", "area/closed", area_content([zone])),
            office.change("replace", "list/pass", batch),
        ]
        value, logged = office.proposal(*changes)
        impact = Impact.parse(logged)
        if not impact.reach.empty:
            value["class"] = "critical"
        proposal = office.governance.propose(value, logged).id
        before = fleet_outcomes(office.home, office.clock.now)
        for person in ("c1", "c2", "c3", "c4") if value["class"] == "critical" else ("p1", "p2", "p3"):
            office.governance.approve(office.approval(proposal, person))
        office.clock.now += 25 * HOUR
        assert office.governance.enact(proposal).in_force
        after = fleet_outcomes(office.home, office.clock.now)
        assert impact.changed == sum(a != b for a, b in zip(before, after, strict=True))


@settings(max_examples=HOMES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    contents=st.lists(st.dictionaries(st.text("abcd", min_size=1), st.text(), min_size=1), min_size=1, max_size=4),
    days=st.lists(st.integers(1, SEAL_DAYS), min_size=4, max_size=4),
    later=st.integers(0, 2 * SEAL_DAYS),
)  # fmt: skip
def test_i19_seals_open_to_their_commitments_and_overdue_ones_are_listed(
    contents: list[dict[str, str]], days: list[int], later: int
) -> None:
    """I19, in a governed home: none of it disturbs the fold."""
    with tempfile.TemporaryDirectory(dir=template().path.parent) as folder, desk(copy_home(template(), Path(folder) / "home")) as office:
        office.clock.now = START + HOUR
        ledger = office.governance.ledger
        sealed = {}
        for content, length in zip(contents, days, strict=False):
            due = office.clock.now + length * DAY
            made = seal(ledger, content, kind="rule", disclose_by_ns=due, custodians=["party (invented)"])
            sealed[made] = (content, due)
        ledger.commit()
        now = START + HOUR + later * DAY
        listed = {each["commitment"] for each in state_of(office.home, now_ns=now)["overdue"]}
        assert listed == {made for made, (_, due) in sealed.items() if due < now}
        for made, (content, _) in sealed.items():
            opened = unseal(ledger, made)
            assert opened["content"] == content
            assert b64encode(seal_commitment(b64decode(opened["salt"]), opened["content"])).decode() == made
        assert state_of(office.home, now_ns=now)["overdue"] == []
        office.again()
        assert office.governance.check() == []


def fleet_outcomes(home: Home, at_ns: int) -> list[int]:
    judge = Judge(basis_of(home, recorded_at_ns=at_ns, registers=timeline(home, at_ns)))
    return [int(each) for each in judge.judge(load_fleet(home).table, as_of_ns=at_ns).decided.outcome]
