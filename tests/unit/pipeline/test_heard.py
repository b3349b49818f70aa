"""What radio and satellite navigation say reaches decisions: places, speeds, words that rules test, and the digest of evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from groundrule.pipeline.causes import location_degrees
from groundrule.pipeline.decisions import DecisionWriter
from groundrule.pipeline.heard import heard_of, words_of
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Judge, Judged
from groundrule.pipeline.runs import replay
from groundrule.pipeline.verifying import Attendance, attach
from groundrule.records import OUTCOME_WORDS, POSITION_SOURCES
from groundrule.rules.model import RadioPosition
from groundrule.rules.reference import decide_one, row_of
from groundrule.rules.text import read_rulebook
from groundrule.store.home import Home
from groundrule.verify.records import VERIFICATION_SCHEMA
from late_delivery import deliver
from radio_rows import RADIO_BOOK, radio, verified
from small_home import (
    BOOK,
    RECORDED,
    T0,
    answers,
    copy_home,
    drive,
    final_decisions,
    make_home,
    observation,
    register,
    run,
    stream,
    table,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("radio") / "home", book=RADIO_BOOK)


def judge_of(template: Home, book: str = RADIO_BOOK) -> Judge:
    return Judge(basis_of(template, recorded_at_ns=RECORDED, rulebook=read_rulebook(book)))


def judged(template: Home, *rows: dict[str, Any], book: str = RADIO_BOOK) -> tuple[Judge, Judged]:
    judge = judge_of(template, book)
    return judge, judge.judge(table(rows))


def rules_of(judge: Judge, found: Judged) -> list[str]:
    return DecisionWriter(judge).table(found)["rule"].cast(pa.string()).to_pylist()


def test_the_assumption_is_read_and_written_and_left_out_where_it_is_not_stated() -> None:
    book = read_rulebook(RADIO_BOOK)
    assert book.assumptions.radio_position == RadioPosition(("inconsistent", "lost", "suspended"), 120.0)
    assert read_rulebook(BOOK).assumptions.radio_position is None
    assert "radio_position" not in read_rulebook(BOOK).canonical["assumptions"]
    assert book.canonical["assumptions"]["radio_position"] == {"use_when": ["inconsistent", "lost", "suspended"], "max_age_s": "120"}


@pytest.mark.parametrize("state", ["suspended", "lost"])
def test_the_radio_place_counts_where_navigation_fails(template: Home, state: str) -> None:
    # Claims Bland; radio places it in the closed zone of Aland.
    said = radio(-20, 2.5, 2.5, sigma_major_m=90.0)
    _, found = judged(template, observation("car", 0, 5, 15, radio=said, gnss_state=state, h3_cell=599_686_042_433_355_775))
    assert (found.motion.lat_deg[0], found.motion.lon_deg[0], found.motion.sigma_m[0], found.motion.cell[0]) == (2.5, 2.5, 90.0, 0)
    assert POSITION_SOURCES[found.motion.source[0]] == "network"
    judge, found = judged(template, observation("car", 0, 5, 15, radio=said, gnss_state=state))
    assert rules_of(judge, found) == ["closed-zone"]


@pytest.mark.parametrize(
    "change",
    [
        {"gnss_state": "normal"},
        {"gnss_state": "inhibited"},
        {"gnss_state": "lost", "radio": radio(-121, 2.5, 2.5)},
        {"gnss_state": "lost", "radio": radio(1, 2.5, 2.5)},
        {"gnss_state": "lost", "radio": radio(-20, 2.5, 2.5, usable=False)},
        {"gnss_state": "lost", "radio": radio(-20, 2.5, 2.5, sigma_major_m=None)},
        {"gnss_state": "lost", "radio": None},
        {"radio": radio(-20, 2.5, 2.5, "ambiguous")},
    ],
)
def test_otherwise_the_claimed_place_counts(template: Home, change: dict[str, Any]) -> None:
    _, found = judged(template, observation("car", 0, 5, 15, **{"radio": radio(-20, 2.5, 2.5, "ambiguous"), **change}))
    assert (found.motion.lat_deg[0], found.motion.lon_deg[0]) == (5, 15)
    assert POSITION_SOURCES[found.motion.source[0]] == "gnss"


def test_a_rulebook_that_does_not_say_so_never_uses_it(template: Home) -> None:
    said = radio(-20, 2.5, 2.5, "inconsistent", distance_m=1.4e6)
    _, found = judged(template, observation("car", 0, 5, 15, radio=said, gnss_state="lost"), book=BOOK)
    assert (found.motion.lat_deg[0], found.motion.lon_deg[0]) == (5, 15)


def test_a_contradicted_claim_is_judged_where_radio_places_it(template: Home) -> None:
    said = radio(-20, 5, 5, "inconsistent", distance_m=1_100_000.0)
    judge, found = judged(template, observation("car", 0, 5, 15, radio=said), observation("guest", 0, 5, 5, radio=said))
    assert rules_of(judge, found) == ["contradicted", "contradicted"]
    low, high = found.evidence.numbers["verified_distance_m"].low[0], found.evidence.numbers["verified_distance_m"].high[0]
    assert (low + high) / 2 == pytest.approx(1.1e6)
    assert high - low == pytest.approx(4 * np.hypot(70, 15))
    # Against an honest modem only, or in doubt about the distance, or separately insufficient: another answer.
    for change in ({"assurance": "a0"}, {"distance_m": 20_050.0}, {"distance_m": None}, {"verdict": "insufficient"}):
        judge, found = judged(template, observation("guest", 0, 5, 5, radio={**said, **change}))
        assert rules_of(judge, found) == ["default"]


def test_a_contradiction_holds_between_measurements_as_long_as_the_rulebook_says(template: Home) -> None:
    """Measured each ten minutes: the answer must not change back without a new fact."""
    said = radio(-300, 2.5, 2.5, "inconsistent", distance_m=1_100_000.0, speed_m_s=0.0, speed_sigma_m_s=0.5)
    seen = observation("car", 0, 5, 15, radio=said)
    judge, found = judged(template, seen)
    assert POSITION_SOURCES[found.motion.source[0]] == "gnss"
    held = RADIO_BOOK.replace("max_age_s: 120", "max_age_s: 120, hold_inconsistent_s: 600")
    judge, found = judged(template, seen, book=held)
    assert (found.motion.lat_deg[0], found.motion.lon_deg[0]) == (2.5, 2.5)
    assert rules_of(judge, found) == ["closed-zone"]
    # Not longer than it says, and nothing but a contradiction.
    for late in (radio(-601, 2.5, 2.5, "inconsistent", distance_m=1.1e6), radio(-300, 5, 15, "consistent")):
        _, found = judged(template, observation("car", 0, 5, 15, radio=late, gnss_state="lost"), book=held)
        assert POSITION_SOURCES[found.motion.source[0]] == "gnss"


def test_a_run_counts_what_is_judged_by_its_claim_again() -> None:
    whole = [
        {"terminal_id": name, "t_ref_ns": T0, "conditions": [], "words": "", "model": "", **radio(0, 5.0, 5.0, verdict)}
        for name, verdict in (("car", "inconsistent"), ("van", "consistent"))
    ]
    made = Attendance(pa.Table.from_pylist(whole, schema=VERIFICATION_SCHEMA), held_s=600.0)
    rows = [observation(name, at, 5.0, 5.0) for at in (60, 500, 700) for name in ("car", "van", "guest")]
    seen = pa.concat_tables(made.attend([table(rows)]))
    assert [each is not None for each in seen.column("radio").to_pylist()] == [True, True, False, True, False, False, False, False, False]
    assert (made.attached, made.lapsed) == (3, 1)


def test_a_place_that_radio_gives_is_verified_and_one_that_it_only_contradicts_is_not(template: Home) -> None:
    rows = [
        observation(name, 0, 5, 15, radio=radio(-20, 5, 5, verdict, usable=usable, distance_m=1e6))
        for name, verdict, usable in (("car", "inconsistent", True), ("guest", "inconsistent", False), ("van", "consistent", True))
    ]
    _, found = judged(template, *rows)
    assert location_degrees(found, 900.0).tolist() == [0, 2, 0]


def test_while_navigation_is_suspended_a_claim_is_no_place_and_no_denial(template: Home) -> None:
    rows = [
        observation("car", 0, 5, 5, gnss_state="suspended"),
        # Into the closed zone, says satellite navigation; where it was before is forgotten, too: nobody knows since when it was wrong.
        observation("train", 0, 2.5, 2.5), observation("train", 60, 2.5, 2.5, gnss_state="suspended", speed_m_s=80.0),
        observation("train", 120, None, None),
        # A place that the network gives does not rest on it.
        observation("guest", 0, 2.5, 2.5, position_source="network", position_sigma_m=20.0, gnss_state="suspended"),
    ]  # fmt: skip
    judge, found = judged(template, *sorted(rows, key=lambda row: row["observed_at"]))
    outcomes = [OUTCOME_WORDS[code] for code in found.decided.outcome]
    # Without a place the closed zone is a doubt, as `disturbed` is; of two the lower id decides.
    assert list(zip(found.table["terminal_id"].to_pylist(), outcomes, rules_of(judge, found), strict=True)) == [
        ("car", "review", "closed-zone"), ("train", "deny", "closed-zone"), ("guest", "deny", "closed-zone"),
        ("train", "review", "closed-zone"), ("train", "review", "closed-zone"),
    ]  # fmt: skip
    assert "disturbed" in {reason[1] for reason in found.decided.classes[int(found.decided.klass[3])].reasons}
    assert np.isnan(found.motion.lat_deg[[0, 3, 4]]).all()
    assert np.isnan(found.motion.speed_m_s[3])


def test_a_speed_measured_by_radio_takes_the_place_of_a_derived_one(template: Home) -> None:
    # Positions stand still; the radio says 30 m/s, again and again.
    rows = [
        observation("car", at, 5, 5, radio=radio(at - 5, 5, 5, speed_m_s=30.0, speed_sigma_m_s=1.0)) for at in range(0, 300, 60)
    ]  # fmt: skip
    judge, found = judged(template, *rows)
    assert found.motion.speed_low_m_s.tolist() == [28.0] * 5
    assert found.motion.speed_high_m_s.tolist() == [32.0] * 5
    assert rules_of(judge, found) == ["default", "default", *["too-fast"] * 3]


def test_one_measurement_attached_again_and_again_denies_nobody(template: Home) -> None:
    rows = [observation("car", at, 5, 5, radio=radio(-5, 5, 5, speed_m_s=60.0, speed_sigma_m_s=1.0)) for at in range(0, 300, 15)]
    judge, found = judged(template, *rows)
    assert found.motion.speed_low_m_s[0] == 58.0
    assert set(rules_of(judge, found)) == {"default"}


@pytest.mark.parametrize(
    "change",
    [{"verdict": "fault"}, {"verdict": "insufficient"}, {"usable": False}, {"speed_m_s": None}, {"speed_sigma_m_s": None}, {"at_ns": 1}],
)
def test_otherwise_the_derived_speed_counts(template: Home, change: dict[str, Any]) -> None:
    said = {**radio(10, 5, 5, speed_m_s=30.0, speed_sigma_m_s=1.0), **change}
    _, found = judged(template, *drive("car", 0, 2, lat=5, lon=5, km_h=100)[:1], observation("car", 15, 5, 5, radio=said))
    assert found.motion.speed_m_s[1] == 0.0


def test_the_evidence_says_what_was_heard_and_older_evidence_is_as_it_was(template: Home) -> None:
    silent = observation("car", 0, 5, 15)
    others = [
        {"gnss_state": "normal"}, {"gnss_state": "lost"}, {"gnss_state": "inhibited"}, {"radio": radio(-1, 5, 15)},
        {"radio": radio(-1, 5, 15, "insufficient")}, {"radio": radio(-1, 5, 15, assurance="a0")},
        {"radio": radio(-1, 5, 15), "gnss_state": "lost"},
    ]  # fmt: skip
    digests = []
    for change in ({}, *others):
        judge, found = judged(template, {**silent, **change}, book=BOOK)
        digests.append(DecisionWriter(judge).table(found)["evidence"][0].as_py())
    # Digest of this evidence by the version before radio was heard of.
    assert digests[0] == "sha256:ad90976762c3c859a5db202bac2472dddd2c3f53336bda8cfefb642c4b082317"
    assert digests[1] == digests[0]
    assert len(set(digests)) == len(digests) - 1
    judge, found = judged(template, *({**silent, "observed_at": silent["observed_at"] + k, **each} for k, each in enumerate(others)))
    heard = heard_of(found.table, found.table["observed_at"].to_numpy())
    assert heard is not None
    for row, code in enumerate(found.evidence_code):
        where, who, source, _, said = judge.explained_key(int(code))
        assert (where, who, source) == (found.where[row], found.who[row], found.motion.source[row])
        assert said == heard.codes[row]
    assert words_of(int(heard.codes[6])) == ("consistent", "a1", "lost")


def test_compiled_rules_and_the_plain_evaluator_agree_on_what_was_heard(template: Home) -> None:
    rng = np.random.default_rng(3)
    rows = []
    for k in range(400):
        lat, lon = rng.uniform(0, 10), rng.uniform(0, 20)
        said = None
        if rng.random() < 0.7:
            said = radio(
                k - rng.integers(0, 200), rng.uniform(0, 10), rng.uniform(0, 20), str(rng.choice(["consistent", "inconsistent", "fault"])),
                assurance=str(rng.choice(["a0", "a1", "none"])), distance_m=float(rng.choice([0, 19_900, 20_050, 9e5])),
                usable=bool(rng.random() < 0.8),
            )  # fmt: skip
        state = rng.choice([None, "suspended", "lost", "inhibited", "normal"])
        rows.append(observation(str(rng.choice(["car", "guest", "van"])), k, lat, lon, radio=said, gnss_state=state))
    judge, found = judged(template, *rows)
    book, compiled = judge.basis.rulebook, judge.basis.compiled
    for row in range(len(rows)):
        wanted = decide_one(book, row_of(found.evidence, row, compiled.latches))
        assert found.decided.classes[int(found.decided.klass[row])] == wanted
    assert {"contradicted", "closed-zone", "too-fast", "default"} <= set(rules_of(judge, found))


@pytest.mark.parametrize("seed", range(6))
def test_late_delivery_gives_the_same_decisions_with_radio(template: Home, tmp_path: Any, seed: int) -> None:
    whole = stream(seed, rows=90)
    known = verified(whole, seed)
    once = copy_home(template, tmp_path / "once")
    attendance = Attendance(known)
    run(once, whole, attendance=attendance)
    assert attendance.attached > 20
    home = copy_home(template, tmp_path / "late")
    deliveries, _ = deliver(whole, seed)
    counts = [run(home, part, attendance=Attendance(known)).counts for part in deliveries]
    expected = final_decisions(once, [1])
    assert final_decisions(home, range(1, len(deliveries) + 1)) == expected
    assert sum(one.decided for one in counts) == len(whole)
    assert replay(home).identical
    # Without what was heard, some of it is answered otherwise.
    silent = copy_home(template, tmp_path / "silent")
    run(silent, whole)
    assert final_decisions(silent, [1]) != expected
    # The same observations again, of which nothing is said this time, are known.
    assert run(home, whole).counts.duplicates == len(whole)


def test_a_verification_that_comes_later_is_judged_as_a_correction(template: Home, tmp_path: Any) -> None:
    home = copy_home(template, tmp_path / "home")
    rows = [observation("guest", at, 5, 5) for at in (0, 60, 120)]
    run(home, table(rows))
    said = {**radio(50, 5, 8, "inconsistent", distance_m=330_000.0), "terminal_id": "guest", "conditions": [], "words": ""}
    run(home, attach(table(rows), pa.Table.from_pylist([said])))
    assert {answer[3] for answer in answers(home, 1)} == {"default"}
    assert ("guest", 60.0, "restrict", "contradicted") in answers(home, 2, corrections=True)
    assert replay(home).identical


def moved_together(terminals: int = 60) -> list[dict[str, Any]]:
    """Terminals at rest in Aland, each of its own holder, that navigation puts into the closed zone all at once after 20 minutes."""
    return [
        observation(
            f"t-{i:03d}", at + i / 1000, *((5 + 1e-5 * i, 5.0) if at < 1_200 else (2.5 + 1e-4 * i, 2.5)), position_sigma_m=10.0,
        )
        for at in range(0, 1_500, 15) for i in range(terminals)
    ]  # fmt: skip


def test_a_disturbed_area_is_suspended_in_a_run_and_denies_nobody(template: Home, tmp_path: Any) -> None:
    whole = table(moved_together())
    alone, home = copy_home(template, tmp_path / "alone"), copy_home(template, tmp_path / "home")
    for each in (alone, home):
        lines = [f"t-{i:03d},acc-a,roam,registered,AT\n" for i in range(60)]
        register(each, "terminals", "terminal_id,account_id,plan,registration,activation_country\n" + "".join(lines))
    run(alone, whole)
    holders = {f"t-{i:03d}": f"holder {i}" for i in range(60)}
    known = pa.Table.from_pylist(
        [{**radio(0, 5, 5), "at_ns": T0 + 1_300 * 10**9, "terminal_id": "t-000", "conditions": [], "words": ""}]
    )
    attendance = Attendance(known, witnesses=lambda _: holders)
    run(home, *(whole.slice(first, 997) for first in range(0, len(whole), 997)), attendance=attendance)
    assert attendance.suspended > 60 * 10
    assert attendance.watch is not None
    assert len(attendance.watch.anomalies().table)
    denied, before = ([answer for answer in answers(each) if answer[3] == "closed-zone"] for each in (home, alone))
    # Until it is known, a minute at most, positions count; from then on none of them does.
    assert len(before) == 60 * 20
    assert {at < 1_275 for _, at, outcome, _ in denied if outcome == "deny"} == {True}
    assert {outcome for _, at, outcome, _ in answers(home) if at >= 1_275} == {"review", "serve"}
    # The radio place counts while it is young.
    assert {outcome for name, at, outcome, _ in answers(home) if name == "t-000" and 1_305 <= at <= 1_420} == {"serve"}
    assert replay(home).identical
    assert run(home, whole).counts.duplicates == len(whole)
