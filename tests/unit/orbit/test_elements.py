"""Tables of elements: which set is meant, what is missing, how old it is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from orbit_files import DAY_NS, EPOCH_NS, orbits

from groundrule.errors import InputError, StaleElements, UnknownSatellite
from groundrule.orbit.elements import columns_of, constellation_of, counts, join
from groundrule.orbit.generate import generate
from groundrule.orbit.status import for_use, status_at


def days(*each: float) -> object:
    """One satellite with a set for each of some days after the epoch."""
    return join([orbits(epoch_ns=EPOCH_NS + int(day * DAY_NS), seed=i) for i, day in enumerate(each)])


def test_the_set_that_was_known_at_an_instant() -> None:
    table = days(0, 2, 4)
    assert table.as_of(EPOCH_NS + 3 * DAY_NS).epoch_ns.tolist() == [EPOCH_NS + 2 * DAY_NS]
    assert table.as_of(EPOCH_NS + 2 * DAY_NS).epoch_ns.tolist() == [EPOCH_NS + 2 * DAY_NS]
    assert len(table.as_of(EPOCH_NS - 1)) == 0
    assert table.latest().epoch_ns.tolist() == [EPOCH_NS + 4 * DAY_NS]
    assert table.nearest(EPOCH_NS + int(1.2 * DAY_NS)).epoch_ns.tolist() == [EPOCH_NS + 2 * DAY_NS]
    assert for_use(table, EPOCH_NS - DAY_NS).epoch_ns.tolist() == [EPOCH_NS]
    assert for_use(table, EPOCH_NS + 9 * DAY_NS).epoch_ns.tolist() == [EPOCH_NS + 4 * DAY_NS]


def test_rows_of_numbers() -> None:
    table = join([orbits(count=3), days(0, 1)])
    assert table.rows_of([50_003, 7, 50_001]).tolist()[1] == -1
    row = table.row_of(50_001)
    assert (int(table.catalogue[row]), int(table.epoch_ns[row])) == (50_001, EPOCH_NS + DAY_NS)
    with pytest.raises(UnknownSatellite, match="`7` has no loaded"):
        table.row_of(7)
    with pytest.raises(UnknownSatellite, match="import OMM"):
        orbits(form="tle").row_of(144_713)
    assert columns_of(()).rows_of([1]).tolist() == [-1]


def test_the_later_table_wins_and_nothing_else_is_lost() -> None:
    one, two = orbits(count=3, seed=1), orbits(count=2, seed=2)
    both = join([one, two])
    assert len(both) == 3
    assert both.raan_deg[both.rows_of([50_001])] == two.raan_deg[0]
    assert both.raan_deg[both.rows_of([50_003])] == one.raan_deg[2]
    assert len(join([])) == 0


def test_the_digest_sees_every_column_but_where_it_came_from() -> None:
    table = orbits(count=2)
    for name in ("mean_motion_rev_day", "eccentricity", "raan_deg", "bstar", "nddot", "epoch_ns", "catalogue", "rev"):
        column = getattr(table, name).copy()
        column[0] += 1
        assert dataclasses.replace(table, **{name: column}).digest != table.digest, name
    assert dataclasses.replace(table, source=np.array(["a", "b"])).digest == table.digest
    assert table.select([1, 0]).digest == table.digest
    covariance = np.tile(np.eye(3), (2, 1, 1))
    assert dataclasses.replace(table, covariance_m2=covariance).digest != table.digest


def test_a_constellation_known_from_tle_only_is_incomplete() -> None:
    assert "69999" in str(orbits(form="tle").incomplete("invented"))
    assert orbits(form="omm").incomplete("invented") is None
    assert orbits(form="tle", first=100_001).incomplete("invented") is None  # Alpha-5 was used
    assert orbits().incomplete("unheard of") is None
    assert status_at(orbits(form="tle"), EPOCH_NS)[0].incomplete is not None


def test_age_is_guarded() -> None:
    table = orbits()
    table.check_age(EPOCH_NS + DAY_NS, max_age_s=2 * 86400, max_ahead_s=0)
    with pytest.raises(StaleElements, match=r"3\.0 days before"):
        table.check_age(EPOCH_NS + 3 * DAY_NS, max_age_s=2 * 86400, max_ahead_s=0)
    with pytest.raises(StaleElements, match=r"1\.0 days after"):
        table.check_age(EPOCH_NS - DAY_NS, max_age_s=2 * 86400, max_ahead_s=3600)
    with pytest.raises(InputError, match="no elements"):
        columns_of(()).check_age(EPOCH_NS, max_age_s=1, max_ahead_s=1)


def test_status_counts_each_reason() -> None:
    table = join(
        [
            orbits(count=3),
            orbits(count=2, first=60_001, epoch_ns=EPOCH_NS - 9 * DAY_NS),
            orbits(count=1, first=60_011, epoch_ns=EPOCH_NS + 5 * DAY_NS),
            orbits(count=1, first=60_021, motion=16.6, epoch_ns=EPOCH_NS - 6 * DAY_NS),
        ]
    )
    bstar = table.bstar.copy()
    bstar[-1] = 0.5
    status = status_at(dataclasses.replace(table, bstar=bstar), EPOCH_NS)[0]
    assert (status.satellites, status.usable, status.stale, status.future, status.failed) == (7, 3, 2, 1, 1)
    assert (status.newest_ns, status.oldest_ns) == (EPOCH_NS + 5 * DAY_NS, EPOCH_NS - 9 * DAY_NS)
    assert status_at(columns_of(()), EPOCH_NS) == []


def test_constellations_stand_side_by_side() -> None:
    table = join([generate("iridium", EPOCH_NS), generate("oneweb", EPOCH_NS), orbits()])
    assert list(counts(table)) == [("oneweb-generated", 588), ("iridium-generated", 66), ("invented", 1)]
    assert len(table.of_constellation("iridium-generated", "invented")) == 67
    with pytest.raises(InputError, match="`nowhere` is loaded"):
        table.of_constellation("nowhere")


@pytest.mark.parametrize(
    ("name", "constellation"),
    [("STARLINK-1008", "starlink"), ("ONEWEB-0001", "oneweb"), ("Iridium 100", "iridium"), ("NAVSTAR 43 (USA 132)", "gps"),
     ("ISS (ZARYA)", "other"), ("", "other"), ("STARLINK (generated)", "starlink-generated"),
     ("ONEWEB 1-01-01 (generated)", "oneweb-generated"), ("STARLINK-GEN2 1-01-01 (generated)", "starlink-gen2-generated"),
     ("(generated)", "other")],
)  # fmt: skip
def test_names_tell_constellations(name: str, constellation: str) -> None:
    assert constellation_of(name) == constellation


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="another length"):
        dataclasses.replace(orbits(count=2), raan_deg=np.zeros(3))
