"""Signals over a stream: for whom they count, when they wait, when they are withdrawn, and how a run keeps them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from groundrule.detect.rows import Facts, Places, Rows
from groundrule.detect.settings import settings_of
from groundrule.detect.signals import Signal
from groundrule.errors import InputError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.detecting import Detection, Name
from groundrule.pipeline.detectors import asks_for_signals, check_detection, detection_of
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.replaying import replay
from groundrule.records import SIGNAL_CAUSES, with_later
from groundrule.rules.text import read_rulebook
from groundrule.store.home import Home
from groundrule.store.signals import SIGNALS
from small_home import BOOK, RECORDED, T0, answers, copy_home, drive, make_home, observation, run, stored, table

RULE = """\
  - id: two-signs
    title: Two independent signs are looked at
    tier: zone
    what: {independent_signals: {at_least: 2}}
    outcome: review
    reason: verification_failed
    authority: {basis: "an order (invented)", illustrative: true}
"""
SIGNAL_BOOK = BOOK.replace("  - id: bland-window\n", RULE + "  - id: bland-window\n", 1)


class Script:
    """Raises what it was told, at the observations it was told."""

    def __init__(self, *raises: tuple[str, float, str]) -> None:
        self.raises = {(who, T0 + round(at_s * NS_PER_S)): [] for who, at_s, _ in raises}
        for who, at_s, kind in raises:
            self.raises[who, T0 + round(at_s * NS_PER_S)].append(kind)
        self.nbytes = 0

    def update(self, rows: Rows, _facts: Facts, _places: Places, name: Name) -> list[Signal]:
        found = []
        for row, t_ns in zip(rows.row.tolist(), rows.t_ns.tolist(), strict=True):
            found += [Signal(kind, name(row), t_ns, t_ns, 0.5) for kind in self.raises.get((name(row), t_ns), [])]
        return found

    def grow(self, terminals: int) -> None:
        pass


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("signals") / "home", book=SIGNAL_BOOK)


def scripted(home: Home, *raises: tuple[str, float, str]) -> Detection:
    basis = basis_of(home, recorded_at_ns=RECORDED)
    return Detection(basis, lambda _around, _epoch, _at: Facts.unknown(len(basis.registers)), [Script(*raises)])


def marked(detection: Detection, whole: pa.Table, *cuts: int) -> list[tuple[str, float, tuple[str, ...]]]:
    """Terminal, time and signals of each observation that some count for."""
    found = []
    for begin, end in zip((0, *cuts), (*cuts, len(whole)), strict=True):
        for row in detection.update(whole.slice(begin, end - begin)).to_pylist():
            if row["signals"]:
                found.append((row["terminal_id"], (row["observed_at"] - T0) / NS_PER_S, tuple(row["signals"])))
    detection.finish()
    return found


def every(seconds: float, until_s: float, *names: str, **more: object) -> pa.Table:
    rows = [observation(name, at, 5.0, 5.0, **more) for at in range(0, round(until_s), round(seconds)) for name in names]
    return with_later(table(rows))


def test_a_signal_counts_from_the_observation_that_completed_it_until_it_lapses(template: Home) -> None:
    whole = every(30, 300, "car", "van")
    detection = scripted(template, ("car", 60, "over_speed"))  # lasts two minutes
    assert marked(detection, whole) == [("car", at, ("over_speed",)) for at in (60, 90, 120, 150)]
    assert (detection.attached, detection.counts["over_speed"]) == (4, 1)


@pytest.mark.parametrize("cuts", [(1,), (7, 8), (3, 4, 5, 11), tuple(range(1, 40))])
def test_how_the_stream_is_cut_makes_no_difference(template: Home, cuts: tuple[int, ...]) -> None:
    raises = [("car", 60, "over_speed"), ("car", 150, "over_speed"), ("van", 30, "gnss_inhibited"), ("van", 30, "impossible_travel")]
    whole = every(30, 600, "car", "van")
    one, other = scripted(template, *raises), scripted(template, *raises)
    assert marked(one, whole) == marked(other, whole, *cuts)
    assert one.table().equals(other.table())


def test_what_follows_from_a_jump_waits_for_the_watch_over_disturbed_areas(template: Home) -> None:
    whole = every(30, 600, "car")
    detection = scripted(template, ("car", 60, "impossible_travel"))
    found = marked(detection, whole)
    assert found[0] == ("car", 240, ("impossible_travel",))
    assert detection.table()["raised_at"].to_pylist() == [T0 + 240 * NS_PER_S]


@pytest.mark.parametrize("cuts", [(), (4,), (5, 9)])
def test_who_turns_out_to_stand_in_a_disturbed_area_is_not_suspected_of_its_positions(template: Home, cuts: tuple[int, ...]) -> None:
    rows = [observation("car", at, 5.0, 5.0, gnss_state="suspended" if 120 <= at < 400 else None) for at in range(0, 600, 30)]
    raises = [("car", 60, "impossible_travel"), ("car", 60, "drone_flight"), ("car", 60, "account_risk")]
    detection = scripted(template, *raises)
    found = marked(detection, with_later(table(rows)), *cuts)
    positional = {at for _, at, kinds in found if "drone_flight" in kinds or "impossible_travel" in kinds}
    assert positional == {60, 90}  # until its area was known to be disturbed
    assert {at for _, at, kinds in found if "account_risk" in kinds} == set(range(60, 600, 30))
    assert detection.withdrawn == 2
    assert detection.table()["kind"].to_pylist() == ["account_risk"]


@pytest.mark.parametrize("cuts", [(), (4,), (3, 5)])
def test_a_disturbance_before_a_jump_was_seen_counts_alike_however_the_stream_is_cut(template: Home, cuts: tuple[int, ...]) -> None:
    class Long(Script):
        def update(self, rows: Rows, facts: Facts, places: Places, name: Name) -> list[Signal]:
            return [replace(one, from_at=T0) for one in super().update(rows, facts, places, name)]

    rows = [observation("car", at, 5.0, 5.0, gnss_state="suspended" if at == 60 else None) for at in range(0, 600, 30)]
    detection = scripted(template)
    detection.detectors = [Long(("car", 120, "impossible_travel"))]
    marked(detection, with_later(table(rows)), *cuts)
    assert (detection.counts["impossible_travel"], detection.withdrawn) == (1, 0)


def test_what_the_network_did_is_evidence_about_the_operator_and_never_attached(template: Home) -> None:
    detection = scripted(template, ("car", 60, "served_against_decision"))
    assert marked(detection, every(30, 300, "car")) == []
    assert detection.table()["kind"].to_pylist() == ["served_against_decision"]


def test_observations_behind_what_is_known_are_counted_and_raise_nothing(template: Home) -> None:
    detection = scripted(template, ("car", 0, "over_speed"))
    detection.update(with_later(table([observation("car", 90, 5, 5)])))
    detection.update(with_later(table([observation("car", 0, 5, 5), observation("car", 120, 5, 5)])))
    assert (detection.late, detection.observations, detection.table().num_rows) == (1, 2, 0)


def test_two_independent_signals_reach_a_rule_and_two_of_one_cause_do_not(template: Home, tmp_path: Path) -> None:
    home = copy_home(template, tmp_path / "home")
    raises = [("car", 60, "drone_flight"), ("car", 60, "over_speed"), ("van", 60, "drone_flight"), ("van", 90, "straw_registration")]
    run(home, every(30, 180, "car", "van"), detection=scripted(home, *raises))
    assert [(who, at) for who, at, _, rule in answers(home) if rule == "two-signs"] == [("van", 90), ("van", 120), ("van", 150)]
    kept = SIGNALS.read(home)
    assert sorted(kept["kind"].to_pylist()) == ["drone_flight", "drone_flight", "over_speed", "straw_registration"]
    # What was seen is stored with the observations: the decisions follow from them, without any detector.
    assert replay(home).identical
    assert len({row["evidence"] for row in stored(home, 1)}) > 1


def test_a_second_run_remembers_what_the_first_saw(template: Home, tmp_path: Path) -> None:
    whole = with_later(table(drive("car", 0, 40, lat=5, lon=5, km_h=120)))
    once, twice = (copy_home(template, tmp_path / name) for name in ("once", "twice"))
    for home, parts in ((once, [whole]), (twice, [whole.slice(0, 10), whole.slice(10)])):
        for part in parts:
            run(home, part, detection=detection_of(home, basis_of(home, recorded_at_ns=RECORDED), recorded_at_ns=RECORDED))
    assert SIGNALS.read(once).sort_by("signal_id").equals(SIGNALS.read(twice).sort_by("signal_id"))


def test_a_rulebook_states_thresholds_and_what_nobody_understands_is_named() -> None:
    assert asks_for_signals(read_rulebook(SIGNAL_BOOK))
    assert not asks_for_signals(read_rulebook(BOOK))
    stated = BOOK.replace("counters:\n", "detection: {navigation: {inhibited_s: 600}}\ncounters:\n", 1)
    assert settings_of(read_rulebook(stated).detection).navigation.inhibited_s == 600
    wrongs = {
        "navigation: {inhibitd_s: 1}": "inhibitd_s",
        "navigaton: {inhibited_s: 1}": "navigaton",
        "navigation: {spoofed_rows: 1.5}": "spoofed_rows",
        "navigation: {inhibited_s: -1}": "inhibited_s",
    }
    for wrong, field in wrongs.items():
        with pytest.raises(InputError) as error:
            settings_of(read_rulebook(stated.replace("navigation: {inhibited_s: 600}", wrong)).detection)
        assert field in str(error.value)
        assert error.value.help
    strange = SIGNAL_BOOK.replace("independent_signals: {at_least: 2}", "signals: [drone_motion, convoy]")
    assert check_detection(read_rulebook(strange)) == ["rule two-signs: no detector raises `drone_motion`; this never holds"]
    assert not check_detection(read_rulebook(strange.replace("drone_motion", next(iter(SIGNAL_CAUSES)))))


def test_the_same_observations_again_are_repeats_although_signals_were_attached_to_them(template: Home, tmp_path: Path) -> None:
    home = copy_home(template, tmp_path / "home")
    whole = every(30, 300, "car", "van")
    run(home, whole, detection=scripted(home, ("car", 60, "over_speed")))
    again = run(home, whole, every(30, 330, "car").slice(10), detection=scripted(home, ("car", 60, "over_speed")))
    assert (again.counts.duplicates, again.counts.decided) == (20, 1)


def test_what_follows_from_positions_alone_is_one_witness(template: Home, tmp_path: Path) -> None:
    home = copy_home(template, tmp_path / "home")
    led_astray = [("car", 60, kind) for kind in ("drone_flight", "over_speed", "border_crossing", "moving_without_plan")]
    run(home, every(30, 180, "car"), detection=scripted(home, *led_astray))
    assert not [rule for _, _, _, rule in answers(home) if rule == "two-signs"]


def test_signals_that_a_person_found_false_are_told_and_count_for_nothing(template: Home) -> None:
    detection = scripted(template, ("car", 60, "over_speed"), ("car", 60, "gnss_inhibited"), ("van", 60, "over_speed"))
    detection.spared = {"car": frozenset({"over_speed"})}
    found = marked(detection, every(30, 120, "car", "van"))
    assert {(who, kinds) for who, _, kinds in found} == {("car", ("gnss_inhibited",)), ("van", ("over_speed",))}
    assert len(found) == 4
    assert detection.counts["over_speed"] == 2
