"""What radio says, in words: for the operator in three languages, and never for the owner."""

from __future__ import annotations

from typing import Any

import pytest

from groundrule.areas.index import AreaIndex
from groundrule.evidence.render.words import vocabulary
from groundrule.pipeline.explain import explain_terminal
from groundrule.pipeline.heard_words import place_words
from groundrule.store.home import Home
from radio_rows import RADIO_BOOK, radio
from small_home import AREAS, make_home, observation, run, table

LAGOS, ABUJA = (6.75, 3.45), (9.05, 7.45)
NEAR = {"lat_deg": LAGOS[0], "lon_deg": LAGOS[1]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("words") / "home", book=RADIO_BOOK)


def told(home: Home, name: str, *, language: str = "en", audience: Any = "operator", **more: Any) -> tuple[str, ...]:
    at = told.at = told.at + 600  # type: ignore[attr-defined]  # a counter of this function
    row = observation(name, at, *LAGOS, **{**more, "radio": None if more.get("radio") is None else {**more["radio"], "at_ns": 0}})
    if row["radio"]:
        row["radio"]["at_ns"] = row["observed_at"] - 12 * 10**9
    run(home, table([row]))
    found = explain_terminal(home, name, language=language, audience=audience)
    if audience == "operator":
        assert (found.radio or {}).get("inputs") == (row["radio"] or {}).get("inputs")
        assert list(found.explanation.heard) == found.explanation.as_dict().get("heard", [])
    for line in found.explanation.heard:
        assert line in found.explanation.as_text()
    return found.explanation.heard


told.at = 0  # type: ignore[attr-defined]  # as above

FALSE = radio(0, *ABUJA, "inconsistent", assurance="a2", distance_m=533_400.0, sigma_major_m=73.6, sigma_minor_m=24.5)


def test_the_sentences_of_a_false_claim(home: Home) -> None:
    claim, verdict, used = told(home, "guest", radio=FALSE)
    near = "near Lagos (AT)"
    assert claim == f"claims to be {near}; radio places it 533 km away, near Abuja (AT), 95 % ellipse 180 m × 60 m"
    assert verdict == "verdict inconsistent, measured 12 s before; cannot be produced by delay alone"
    assert used == "the place that radio gives decides"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", ("gibt an: bei Lagos (AT)", "533 km davon entfernt", "95-%-Ellipse 180 m × 60 m", "nicht durch Verzögerung allein")),
        ("uk", ("заявляє: біля Lagos (AT)", "за 533 км звідти", "еліпс 95 % 180 м × 60 м", "самою затримкою цього не створити")),
    ],
)
def test_they_are_said_in_the_language_of_the_reader(home: Home, language: str, words: tuple[str, ...]) -> None:
    said = " | ".join(told(home, "guest", language=language, radio=FALSE))
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"assurance": "a1"}, "cannot be produced by a constant delay alone"),
        ({"assurance": "a0"}, "a delay that the modem adds could produce it"),
        ({**NEAR, "verdict": "consistent", "distance_m": 43.0}, "radio places it there, 43 m from the claim"),
        ({**NEAR, "verdict": "consistent", "assurance": "a0"}, "stands against a false position from an honest modem"),
        ({"verdict": "insufficient"}, "verdict insufficient, measured 12 s before"),
        ({"verdict": "fault", "lat_deg": None, "lon_deg": None, "usable": False}, "radio gives no place"),
        (
            {"verdict": "ambiguous", "usable": False, "alternatives": [{"lat_deg": 1.0, "lon_deg": 2.0, "weight": 0.5}]},
            "2 places explain the measurements",
        ),
        ({"distance_m": None}, "radio places it near Abuja (AT)"),
        ({"sigma_major_m": None}, "radio places it 533 km away, near Abuja (AT)"),
        # What may not be used is not told as if it could: not even where an older file has numbers.
        ({"verdict": "insufficient", "usable": False}, "claims to be near Lagos (AT); radio gives no place"),
        (
            {"verdict": "fault", "usable": False, "alternatives": [{"lat_deg": 1.0, "lon_deg": 2.0, "weight": 0.5}]},
            "claims to be near Lagos (AT); radio gives no place",
        ),
    ],
)
def test_every_finding_has_its_words(home: Home, change: dict[str, Any], words: str) -> None:
    said = told(home, "guest", radio={**FALSE, **change})
    assert any(words in line for line in said), said


def test_a_verdict_on_another_claim_is_not_repeated_for_this_one(home: Home) -> None:
    claim, verdict, used = told(home, "guest", radio={**FALSE, "verdict": "consistent", "distance_m": 15.0})
    assert "radio places it 509 km away, near Abuja (AT)" in claim
    assert verdict.startswith("verdict inconsistent")
    assert used == "the place that radio gives decides"


@pytest.mark.parametrize(
    ("state", "words"), [("suspended", "is disturbed in this area"), ("lost", "has lost satellite"), ("inhibited", "has switched")]
)
def test_satellite_navigation_has_its_words(home: Home, state: str, words: str) -> None:
    [line] = told(home, "guest", gnss_state=state)
    assert words in line
    assert told(home, "guest", gnss_state="normal") == ()


def test_the_owner_reads_a_reason_and_no_sizes(home: Home) -> None:
    assert told(home, "guest", audience="owner", radio=FALSE, gnss_state="lost") == ()
    found = explain_terminal(home, "guest", audience="owner")
    assert found.radio is None
    for said in (found.explanation.as_text(), str(found.explanation.as_dict())):
        for secret in ("ellipse", "533", "180", "Abuja", "delay", "a2", "T3", "heard"):
            assert secret not in said


def test_the_owner_is_told_where_a_place_comes_from(home: Home) -> None:
    told(home, "car", audience="owner", radio={**FALSE, "lat_deg": 2.5, "lon_deg": 2.5}, gnss_state="lost")
    found = explain_terminal(home, "car", audience="owner")
    assert found.outcome == "deny"
    assert "measured itself" in (found.explanation.place or "")
    assert explain_terminal(home, "car").explanation.place is None
    told(home, "guest", audience="owner", gnss_state="suspended")
    found = explain_terminal(home, "guest", audience="owner")
    assert "disturbed" in (found.explanation.place or "")
    told(home, "guest", audience="owner", radio=FALSE, gnss_state="lost")
    found = explain_terminal(home, "guest", audience="owner")
    assert (found.explanation.place is None) == (found.outcome == "serve")
    assert "place" not in explain_terminal(home, "guest").explanation.as_dict()


def test_places_are_named_by_what_is_near() -> None:
    index, say = AreaIndex.build(AREAS), vocabulary("en")
    assert place_words(index, 46.93, 35.75, say) == "28 km east of Melitopol"
    assert place_words(index, 48.9, 35.0, say).endswith("of Dnipro")
    assert place_words(index, -55.0, -140.0, say) == "-55.0000, -140.0000"
    assert place_words(index, 5.0, 5.0, say).endswith("(AT)")
    for wind, (north, east) in {"north": (0.5, 0), "south-east": (-0.3, 0.45), "west": (0, -0.7)}.items():
        assert wind in place_words(index, 50.35 + north, 30.45 + east, say)
