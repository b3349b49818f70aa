"""Acts of governance on a home: what takes effect, what is refused, and that both are on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from governed_home import OTHER_BOOK, START, Desk, base_home, decided, desk, party
from governed_world import DAY, HOUR, envelope, outcome_value, request_value, screening_value
from groundrule.errors import ConflictError, InputError
from groundrule.govern.signed import format_time
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.manifests import read_manifest
from groundrule.pipeline.replaying import replay
from groundrule.store.home import Home
from groundrule.store.policy import check_guard, in_force, is_governed
from small_home import RECORDED, copy_home, drive, register, table


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = base_home(tmp_path_factory.mktemp("governed") / "home")
    with home.writer():
        decided(home, table(drive("car", 0, 12, lat=5, lon=5, km_h=80)), at_ns=RECORDED)
    return home


@pytest.fixture
def office(template: Home, tmp_path: Path) -> Iterator[Desk]:
    with desk(copy_home(template, tmp_path / "home")) as opened:
        opened.genesis()
        yield opened


def rulebook_change(office: Desk, text: str = OTHER_BOOK) -> dict[str, object]:
    return office.change("replace", "rulebook", text.encode())


def refusals(office: Desk) -> list[tuple[str, str]]:
    return [(each.what, each.code) for each in office.governance.state.rejections]


def test_genesis_takes_over_the_policy_in_force(template: Home, tmp_path: Path) -> None:
    home = copy_home(template, tmp_path / "home")
    before = rulebook_of(home).digest
    with desk(home) as office:
        assert not is_governed(home)
        made = office.genesis()
        assert made.index >= 0
        assert office.genesis().index == -1, "the same charter again has the effect of one"
        stated = in_force(home)
        assert stated is not None
        assert (stated.rulebook, stated.proposal) == (before, "")
        assert check_guard(home) == []
        assert office.governance.check() == []


def test_a_rulebook_is_replaced_by_request_proposal_approvals_and_enactment(office: Desk) -> None:
    home, governance = office.home, office.governance
    request = request_value(**dict.fromkeys(("occurred_at", "received_at", "recorded_at"), format_time(START)))
    governance.request(request)
    for subject in ("requester", "principal"):
        governance.screen(screening_value(party(subject), START))
    before = rulebook_of(home).digest
    proposal = office.propose(rulebook_change(office), requests=[request["id"]])
    for person in ("p1", "p2", "p3"):
        assert rulebook_of(home).digest == before
        governance.approve(office.approval(proposal, person))
    made = governance.enact(proposal)
    assert made.in_force
    assert rulebook_of(home).version == 2
    governance.request(outcome_value(outcome="proposed", at=format_time(office.clock.now)))
    assert governance.check() == []
    assert governance.enact(proposal) == made, "enacting again is enacting once"


def test_runs_after_an_enactment_are_governed_and_announced(office: Desk) -> None:
    home = office.home
    assert read_manifest(home, 1)["governed"] is False
    office.pass_through(rulebook_change(office))
    office.governance.ledger.close()
    later = office.clock.now + HOUR
    report = decided(home, table(drive("car", 4000, 12, lat=5, lon=5, km_h=80)), at_ns=later)
    manifest = read_manifest(home, report.number)
    assert manifest["governed"] is True
    assert manifest["rulebook"] == rulebook_of(home).digest
    found = replay(home)
    assert (found.identical, found.difference) == (True, None)


def test_without_a_quorum_nothing_changes_and_the_refusal_is_logged(office: Desk) -> None:
    before = in_force(office.home)
    proposal = office.propose(rulebook_change(office))
    office.approve(proposal, "p1", "p2")
    with pytest.raises(ConflictError, match="2 of 3 persons") as refused:
        office.governance.enact(proposal)
    assert refused.value.context["refusal"] == "quorum"
    assert refusals(office) == [("enactment", "quorum")]
    assert in_force(office.home) == before
    assert office.governance.check() == []


def test_the_same_envelope_has_the_effect_of_one(office: Desk) -> None:
    proposal = office.propose(rulebook_change(office))
    signed = office.approval(proposal, "p1")
    first = office.governance.approve(signed)
    size = office.governance.ledger.log.size
    assert first.index >= 0
    assert [office.governance.approve(signed).index for _ in range(3)] == [-1, -1, -1]
    assert office.governance.ledger.log.size == size
    assert office.governance.judge(proposal).counted == {party("p1")}


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("wrong_person", {"signer": "p2"}),
        ("other_impact", {"impact_digest": "0" * 64}),
        ("unknown_proposal", {"proposal_digest": "0" * 64}),
        ("old_charter", {"charter_version": 2}),
        ("not_in_role", {"role": "critical"}),
        ("checkpoint", {"seen_checkpoint": {"size": 12, "root": "0" * 64}}),
        ("bad_signature", {"signer": "a stranger"}),
    ],
)
def test_an_approval_that_does_not_hold_is_refused_and_logged(office: Desk, code: str, changes: dict[str, object]) -> None:
    proposal = office.propose(rulebook_change(office))
    if "seen_checkpoint" in changes:
        changes = {"seen_checkpoint": {"size": office.governance.ledger.log.size, "root": "0" * 64}}
    bad = office.approval(proposal, "p1", **changes)  # type: ignore[arg-type]
    with pytest.raises(ConflictError) as refused:
        office.governance.approve(bad)
    assert refused.value.context["refusal"] == code
    assert ("approval", code) in refusals(office)
    assert office.governance.judge(proposal).counted == frozenset()
    with pytest.raises(ConflictError):
        office.governance.approve(bad)
    assert len(refusals(office)) == 1, "the same refusal is one entry"


def test_an_edited_envelope_is_refused_without_a_word_of_its_content(office: Desk) -> None:
    proposal = office.propose(rulebook_change(office))
    signed = office.approval(proposal, "p1")
    signed["payload"] = signed["payload"][:-8] + "AAAA" + signed["payload"][-4:]
    with pytest.raises((ConflictError, InputError)):
        office.governance.approve(signed)
    with pytest.raises(InputError):
        office.governance.request({"requester": "Jane Roe (invented)"})
    entries = json.dumps([each.value for each in office.governance.state.rejections])
    assert len(office.governance.state.rejections) == 2
    assert "Roe" not in entries


def test_two_keys_of_one_person_are_one_person(template: Home, tmp_path: Path) -> None:
    from governed_world import EVERYONE, key, member

    with desk(copy_home(template, tmp_path / "home")) as office:
        persons = [member(name, None, name, f"{name} second") if name == "p1" else member(name) for name in EVERYONE]
        office.genesis(persons=persons)
        proposal = office.propose(rulebook_change(office))
        for signer in ("p1", "p1 second", "p2"):
            person = signer.partition(" ")[0]
            office.governance.approve(office.approval(proposal, person, signer=signer))
        assert key("p1").public != key("p1 second").public
        assert len(office.governance.judge(proposal).counted) == 2
        with pytest.raises(ConflictError, match="2 of 3"):
            office.governance.enact(proposal)


def test_a_proposal_on_an_older_policy_is_stale(office: Desk) -> None:
    second = rulebook_change(office, OTHER_BOOK.replace("version: 2", "version: 3"))
    waiting = office.propose(second)
    office.approve(waiting)
    office.pass_through(rulebook_change(office))
    with pytest.raises(ConflictError) as refused:
        office.governance.enact(waiting)
    assert refused.value.context["refusal"] == "stale_base"
    with pytest.raises(ConflictError) as again:
        office.proposal(second)
    assert again.value.context["refusal"] == "stale_object"


def test_an_impact_that_this_home_does_not_compute_is_refused(office: Desk) -> None:
    from groundrule.govern.objects import Impact

    value, impact = office.proposal(rulebook_change(office))
    impact["counts"] = {"serve": {"serve": {"ordinary": 7}}}
    value["impact_digest"] = Impact.parse(impact).digest
    with pytest.raises(ConflictError) as refused:
        office.governance.propose(value, impact)
    assert refused.value.context["refusal"] == "other_impact"
    assert refusals(office) == [("proposal", "other_impact")]


def test_a_charter_is_rotated_by_both_quorums_and_old_approvals_lapse(office: Desk) -> None:
    proposal = office.propose(rulebook_change(office))
    office.approve(proposal)
    new = office.charter(version=2, policy_digest=None, issued=format_time(office.clock.now - office.clock.now % 1_000_000))
    with pytest.raises(ConflictError) as few:
        office.governance.rotate(envelope("charter", new, "r1", "r2", "r3"))
    assert few.value.context["refusal"] == "root_quorum"
    office.governance.rotate(envelope("charter", new, "r1", "r2", "r3", "r4"))
    assert office.governance.state.charter is not None
    assert office.governance.state.charter.version == 2
    with pytest.raises(ConflictError) as lapsed:
        office.governance.enact(proposal)
    assert lapsed.value.context["refusal"] == "quorum"
    office.approve(proposal)
    assert office.governance.enact(proposal).in_force
    assert office.governance.check() == []


def test_an_expired_charter_lets_nothing_happen_but_a_rotation(office: Desk) -> None:
    proposal = office.propose(rulebook_change(office))
    office.approve(proposal)
    office.clock.now = START + 301 * DAY
    with pytest.raises(ConflictError) as refused:
        office.governance.enact(proposal)
    assert refused.value.context["refusal"] == "charter_expired"


def test_emergencies_run_out_by_themselves(office: Desk) -> None:
    from governed_world import World

    now = office.clock.now - office.clock.now % 1_000_000
    state = office.governance.state
    value = World(now, state).emergency_value(ttl_s=3600)
    office.governance.emergency_open(envelope("emergency", value, "e1", "e2"))
    assert office.governance.due() == []
    office.clock.now += 2 * HOUR
    closed = office.governance.due()
    assert len(closed) == 1
    assert office.governance.due() == []
    assert office.governance.check() == []


def test_a_home_without_a_charter_goes_on_as_before(template: Home, tmp_path: Path) -> None:
    home = copy_home(template, tmp_path / "home")
    register(home, "list_entries", "list_id,terminal_id,state,holder,legal_class\npass,car,active,p1,individual\n")
    assert not is_governed(home)
    with desk(home) as office:
        with pytest.raises(ConflictError) as refused:
            office.governance.request(request_value())
        assert refused.value.context["refusal"] == "no_charter"


def test_acts_by_hand_in_the_log_are_refused_and_would_have_no_effect(office: Desk) -> None:
    """Whoever can append entries still cannot enact."""
    from groundrule.pipeline.home_ledger import append_items

    proposal = office.propose(rulebook_change(office))
    body = {"policy_digest_after": "0" * 64, "proposal_digest": proposal}
    before = in_force(office.home)
    with pytest.raises(ConflictError, match="by hand"):
        append_items(office.governance.ledger, [("enactment", "governance", body)])
    office.governance.ledger.queue("enactment", body)
    office.again()
    assert in_force(office.home) == before
    assert [each.kind for each in office.governance.state.violations] == ["enactment"]


def test_a_log_of_another_home_is_not_believed(office: Desk) -> None:
    office.pass_through(rulebook_change(office))
    office.governance.state.policy_digest = "0" * 64
    assert office.governance.check() == ["the live state is not what the log gives"]


