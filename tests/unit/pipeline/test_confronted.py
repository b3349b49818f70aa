"""A verdict is carried over only to claims that it can speak of, and a radio place grows vague while it ages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyproj
import pytest
from test_heard import judge_of, judged, rules_of

from groundrule.errors import InputError
from groundrule.pipeline.confronted import changed_by, confronted
from groundrule.pipeline.judge import Judge
from groundrule.records import RADIO_TYPE
from groundrule.rules.text import read_rulebook
from groundrule.store.home import Home
from radio_rows import RADIO_BOOK, radio
from small_home import make_home, observation, table

LUBLIN, TOKMAK = (51.25, 22.57), (47.25, 35.71)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("confronted") / "home")


def geodesic_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(pyproj.Geod(ellps="WGS84").inv(one[1], one[0], other[1], other[0])[2])


def seen(claim: tuple[float | None, float | None], said: dict[str, Any] | None, **more: Any) -> dict[str, Any] | None:
    found: dict[str, Any] | None = confronted(table([observation("car", 60, *claim, radio=said, **more)]))[0].as_py()
    return found


def test_consistent_says_nothing_of_another_place() -> None:
    said = seen(LUBLIN, radio(28, *TOKMAK, distance_m=15.0))
    assert said is not None
    assert said["verdict"] == "inconsistent"
    assert said["distance_m"] == pytest.approx(geodesic_m(LUBLIN, TOKMAK), rel=4e-3)
    for name, value in radio(28, *TOKMAK).items():
        assert said[name] == pytest.approx(value) or name in ("verdict", "distance_m")


@pytest.mark.parametrize("verdict", ["inconsistent", "ambiguous", "insufficient", "fault"])
def test_other_verdicts_stay(verdict: str) -> None:
    said = radio(28, *TOKMAK, verdict, distance_m=15.0)
    assert seen(LUBLIN, said) == pa.array([said], RADIO_TYPE)[0].as_py()


@pytest.mark.parametrize(
    ("north_km", "change", "verdict"),
    [
        (9.9, {}, "consistent"),
        # 32 s after, at 25 m/s measured to within 1 m/s and 30 m/s of haste: 1.9 km more than 10 km, and 0.2 km of doubt.
        (11.9, {"speed_m_s": 25.0, "speed_sigma_m_s": 1.0}, "consistent"),
        (12.3, {"speed_m_s": 25.0, "speed_sigma_m_s": 1.0}, "inconsistent"),
        # Unmeasured, it may have flown: 9.6 km more.
        (19.7, {}, "consistent"),
        (20.1, {}, "inconsistent"),
        # What could not have been detected is not contradicted.
        (50.0, {"mdo_m": 60_000.0}, "consistent"),
        (50.0, {"usable": False}, "consistent"),
    ],
)
def test_what_could_have_been_reached_is_not_contradicted(north_km: float, change: dict[str, Any], verdict: str) -> None:
    said = seen((TOKMAK[0] + north_km / 111.2, TOKMAK[1]), {**radio(28, *TOKMAK), **change}, position_sigma_m=5.0)
    assert said is not None
    assert said["verdict"] == verdict


def test_without_a_claim_or_a_verification_nothing_is_said() -> None:
    assert seen((None, None), radio(28, *TOKMAK))["verdict"] == "consistent"  # type: ignore[index]  # it is one
    assert seen(LUBLIN, None) is None
    both = confronted(table([observation("car", 60, *LUBLIN), observation("van", 60, *LUBLIN, radio=radio(28, *TOKMAK))]))
    assert [each and each["verdict"] for each in both.to_pylist()] == [None, "inconsistent"]


def test_a_claim_that_is_led_astray_is_nobody_s_lie() -> None:
    assert seen(LUBLIN, radio(28, *TOKMAK), gnss_state="suspended")["verdict"] == "consistent"  # type: ignore[index]  # it is one
    assert seen(LUBLIN, radio(28, *TOKMAK), gnss_state="lost")["verdict"] == "inconsistent"  # type: ignore[index]  # it is one


def test_who_tells_the_truth_while_measured_and_lies_after_is_judged_where_it_is(template: Home) -> None:
    rows = [observation("car", at, *claim, radio=radio(28, 2.5, 2.5)) for at, claim in ((30, (2.5, 2.5)), (60, (5, 15)), (90, (5, 15)))]
    _, found = judged(template, *rows)
    assert [(lat, lon) for lat, lon in zip(found.motion.lat_deg, found.motion.lon_deg, strict=True)] == [(2.5, 2.5)] * 3


def test_contradicted_rows_are_counted() -> None:
    rows = [observation("car", at, *LUBLIN, radio=said) for at, said in ((30, radio(28, *TOKMAK)), (60, radio(28, *LUBLIN)), (90, None))]
    assert changed_by(table(rows)) == 1
    assert changed_by(table(rows[2:])) == 0


def test_across_the_antimeridian_and_at_a_pole_near_is_near() -> None:
    for place, claim in (((0.0, 179.99), (0.0, -179.99)), ((89.999, 10.0), (89.999, -170.0))):
        assert seen(claim, radio(28, *place))["verdict"] == "consistent"  # type: ignore[index]  # it is one


@pytest.mark.parametrize(
    ("change", "sigma_m"),
    [
        ({}, 70.0),
        ({"speed_m_s": 20.0, "speed_sigma_m_s": 2.5}, float(np.hypot(70, 0.5 * 25 * 100))),
        ({"speed_m_s": 0.0, "speed_sigma_m_s": 1.0}, float(np.hypot(70, 100))),
    ],
)
def test_a_place_grows_vague_while_its_terminal_may_go_on(template: Home, change: dict[str, Any], sigma_m: float) -> None:
    row = observation("car", 60, 5, 15, radio={**radio(-40, 5, 5), **change}, gnss_state="lost")
    _, found = judged(template, row)
    assert found.motion.sigma_m[0] == pytest.approx(sigma_m)


def test_who_claims_nothing_is_where_radio_places_it_if_the_rulebook_says_so(template: Home) -> None:
    silent = observation("car", 0, None, None, radio=radio(-20, 2.5, 2.5, "insufficient"))
    _, found = judged(template, silent)
    assert np.isnan(found.motion.lat_deg[0])
    book = RADIO_BOOK.replace("use_when: [suspended,", "use_when: [no_position, suspended,")
    judge, found = judged(template, silent, observation("van", 0, 5, 5, radio=radio(-20, 2.5, 2.5, "ambiguous")), book=book)
    assert found.motion.lat_deg.tolist() == [2.5, 5.0], "who claims a place is asked nothing"
    assert rules_of(judge, found)[0] == rules_of(*judged(template, observation("car", 0, 2.5, 2.5)))[0]
    assert isinstance(judge_of(template, book), Judge)
    with pytest.raises(InputError):
        read_rulebook(RADIO_BOOK.replace("use_when: [suspended,", "use_when: [absent, suspended,"))
