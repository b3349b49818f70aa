"""Generated constellations: the shells that were asked for, marked as what they are."""

from __future__ import annotations

import numpy as np
import pytest
from orbit_files import EPOCH_NS

from groundrule.errors import InputError, OutOfRange
from groundrule.orbit.elements import join
from groundrule.orbit.generate import Shell, generate, published, walker
from groundrule.orbit.propagate import Propagator

SIZES = {"starlink": 4408, "starlink-gen2": 10_080, "oneweb": 588, "kuiper": 3236, "iridium": 66}


@pytest.mark.parametrize("name", SIZES)
def test_published_constellations_have_their_size_and_say_what_they_are(name: str) -> None:
    elements = generate(name, EPOCH_NS)
    assert len(elements) == SIZES[name] == sum(shell.satellites for shell in published()[name].shells)
    assert elements.generated.all()
    assert all("(generated)" in text for text in elements.name.tolist())
    assert set(elements.constellation.tolist()) == {f"{name}-generated"}
    assert published()[name].source
    assert not Propagator(elements).at(EPOCH_NS + 86_400_000_000_000).code.any()


def test_ranges_of_numbers_do_not_meet() -> None:
    whole = join([generate(name, EPOCH_NS) for name in SIZES])
    assert len(whole) == sum(SIZES.values())
    assert whole.catalogue.min() > 900_000_000
    assert whole.catalogue.max() <= 999_999_999


@pytest.mark.parametrize(("altitude", "inclination"), [(550, 53.0), (1200, 87.9), (350, 0.0), (780, 86.4)])
def test_satellites_fly_at_the_height_that_was_asked_for(altitude: float, inclination: float) -> None:
    """Mean over a turn; SGP4's short periods lift polar orbits by 5 km and lower equatorial ones by 10."""
    shell = Shell(altitude, inclination, planes=2, per_plane=3)
    elements = walker((shell,), EPOCH_NS, constellation="own")
    times = EPOCH_NS + np.arange(0, 5700, 20) * 10**9
    height = np.linalg.norm(Propagator(elements).at(times).r_m, axis=2).mean(axis=1) / 1e3 - 6378.135
    assert height == pytest.approx(np.full(6, altitude), abs=6.0 if inclination else 11.0)


def test_planes_and_phases_are_a_walker_pattern() -> None:
    elements = walker((Shell(550, 53, planes=4, per_plane=5, phasing=2),), EPOCH_NS, constellation="own")
    raan = elements.raan_deg.reshape(4, 5)
    anomaly = elements.mean_anomaly_deg.reshape(4, 5)
    assert raan[:, 0].tolist() == [0, 90, 180, 270]
    assert (np.diff(anomaly[0]) == 72).all()
    assert (anomaly[1] - anomaly[0]) % 360 == pytest.approx(np.full(5, 360 * 2 / 20))


def test_satellites_of_a_shell_keep_apart() -> None:
    """The phases that are our choice bring no two of a shell into one place."""
    for name in SIZES:
        start = 0
        states = Propagator(generate(name, EPOCH_NS)).at(EPOCH_NS).r_m[:, 0]
        for shell in published()[name].shells:
            here = states[start : start + shell.satellites]
            start += shell.satellites
            unit = here / np.linalg.norm(here, axis=1)[:, None]
            dots = unit @ unit[: shell.per_plane].T
            dots[np.arange(shell.per_plane), np.arange(shell.per_plane)] = -1
            assert np.degrees(np.arccos(dots.max())) > 0.2, (name, shell)


def test_what_is_no_shell() -> None:
    with pytest.raises(InputError, match="known are: iridium, kuiper"):
        generate("starlnk", EPOCH_NS)
    for bad in ({"altitude_km": 50}, {"inclination_deg": 200}, {"planes": 0}, {"per_plane": 10**7}, {"spread_deg": 0}):
        with pytest.raises(OutOfRange):
            Shell(**{"altitude_km": 550, "inclination_deg": 53, "planes": 2, "per_plane": 2, **bad})
    with pytest.raises(OutOfRange):
        walker((), EPOCH_NS, constellation="own")
