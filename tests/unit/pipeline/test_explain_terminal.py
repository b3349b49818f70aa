"""Why, and why not: for the operator everything, for the owner nothing that helps to evade."""

from __future__ import annotations

import pytest

from groundrule.errors import InputError
from groundrule.instant import NS_PER_S, parse_instant
from groundrule.pipeline.explain import Found, explain_terminal
from groundrule.pipeline.home import basis_of
from groundrule.store.home import Home
from small_home import RECORDED, T0, drive, observation, run, stored, table


@pytest.fixture
def decided(home: Home) -> Home:
    run(
        home,
        table(
            [
                *drive("car", 0, 6, lat=5, lon=5, km_h=100),
                *drive("train", 0, 6, lat=5, lon=5, km_h=100),
                observation("guest", 0, 2.5, 3.02),
                observation("van", 0, 2.5, 2.5),
            ]
        ),
    )
    return home


def explain(home: Home, name: str, **options: object) -> Found:
    return explain_terminal(home, name, basis=basis_of(home, recorded_at_ns=RECORDED), **options)  # type: ignore[arg-type]


def test_the_operator_sees_the_deciding_rule_and_the_measured_speed(decided: Home) -> None:
    found = explain(decided, "car")
    text = found.explanation.as_text()
    assert found.outcome == "deny"
    assert "too-fast" in text
    assert "75 km/h" in text
    assert "moving_too_fast_for_policy" in text


def test_a_served_terminal_sees_what_came_nearest_to_a_denial(decided: Home) -> None:
    train = explain(decided, "train").explanation.as_text()
    assert "too-fast" in train
    assert "rail" in train
    guest = explain(decided, "guest")
    assert guest.outcome == "serve"
    assert "closed-zone" in guest.explanation.as_text()
    # 0.02 degrees of longitude at 2.5 degrees north.
    assert "2.2 km" in guest.explanation.as_text()


def test_an_earlier_moment_is_explained_as_it_was(decided: Home) -> None:
    found = explain(decided, "car", at_ns=T0 + 20 * NS_PER_S)
    assert (found.observed_at_ns, found.outcome) == (T0 + 15 * NS_PER_S, "serve")


def test_every_explanation_has_the_stored_outcome(decided: Home) -> None:
    last = {row["terminal_id"]: row for row in stored(decided, 1)}
    for name, row in last.items():
        found = explain(decided, name)
        assert (found.outcome, found.observed_at_ns) == (row["outcome"], row["observed_at"])
        assert [area for area, _, _ in found.areas] == [area["id"] for area in row["areas"]]


@pytest.mark.parametrize("name", ["car", "train", "guest", "van"])
def test_the_owner_is_told_nothing_that_helps_to_evade(decided: Home, name: str) -> None:
    found = explain(decided, name, audience="owner")
    for told in (found.explanation.as_text(), str(found.explanation.as_dict())):
        for secret in ("too-fast", "closed-zone", "75", "70", "km", "rail", "area:", "limit", "default", "too_fast_"):
            assert secret not in told.replace("moving_too_fast_for_policy", ""), told


def test_the_owner_of_a_stopped_terminal_is_told_why_and_where_to_appeal(decided: Home) -> None:
    for name, message in (("car", "The terminal moves too fast."), ("van", "There is no service at this place.")):
        told = explain(decided, name, audience="owner").explanation.as_text()
        assert message in told
        assert "appeals@example.org" in told
        assert "an order (invented)" in told


def test_a_terminal_without_observations_is_an_input_error(decided: Home) -> None:
    for name, options in (("nobody", {}), ("late payer", {}), ("car", {"at_ns": T0 - 1})):
        with pytest.raises(InputError, match=f"no observation of terminal `{name}`") as raised:
            explain(decided, name, **options)
        assert raised.value.exit_code == 2



def test_without_a_basis_it_is_explained_as_the_run_that_decided_it(home: Home) -> None:
    run(home, table([observation("van", 0, 5, 15)]), as_of_ns=parse_instant("2026-03-02T12:30Z"))
    found = explain_terminal(home, "van")
    assert (found.outcome, found.explanation.rule_id) == ("deny", "bland-window")
    assert stored(home, 1)[0]["rule"] == "bland-window"
