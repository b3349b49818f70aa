"""Scenario files are read strictly: what is wrong is named with file, table, key, value and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundrule.errors import InputError
from groundrule.simulate.description import Scenario
from groundrule.simulate.keys import ASKED
from groundrule.simulate.scenario_file import parse_scenario, read_scenario, shipped

ROOT = Path(__file__).parents[3]
GOOD = """
[scenario]
title = "t"
start = 2026-06-03T05:00:12Z
duration_s = 60

[[fleet]]
name = "home"
count = 3
centre = [49.8, 24.0]

[[fleet]]
name = "liar"
count = 2
centre = [47.2, 35.7]
[fleet.attack]
class = "A0"
claim = [51.2, 22.5]
"""


def parsed(text: str) -> Scenario:
    return parse_scenario(text, "x.toml", Path())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("count = 3", "count = 0", "[fleet[1]] `count` is `0`; wanted a whole number from 1 to 500,000"),
        ("count = 3", "count = 3.0", "[fleet[1]] `count` is `3.0`; wanted a whole number"),
        ("count = 3", "count = true", "[fleet[1]] `count` is `True`; wanted a whole number"),
        ("count = 3", "", "[fleet[1]] `count` is `missing`; wanted a whole number"),
        ("count = 3", "cout = 3", "[fleet[1]] `count` is `missing`"),
        ("count = 3", "count = 3\nspred_km = 2", "[fleet[1]] `spred_km` is no key of this table; wanted `spread_km`?"),
        ("duration_s = 60", "duration_s = nan", "[scenario] `duration_s` is `nan`; wanted a number from 15 to 604800"),
        ("duration_s = 60", 'duration_s = "60"', "[scenario] `duration_s` is `60`; wanted a number"),
        ("start = 2026-06-03T05:00:12Z", "start = 2026-06-03T05:00:12", "`start` is `2026-06-03 05:00:12`; wanted a time with"),
        ('title = "t"', 'title = "a\\nb"', "`title`"),
        ("centre = [49.8, 24.0]", "centre = [149.8, 24.0]", "`centre` is `[149.8, 24.0]`; wanted [latitude, longitude] in"),
        ("centre = [49.8, 24.0]", "centre = [49.8]", "wanted [latitude, longitude]"),
        ("centre = [49.8, 24.0]", "", "[fleet[1]] `centre` is `missing`; wanted exactly one of cities, spots"),
        ("centre = [49.8, 24.0]", 'centre = [49.8, 24.0]\ncities = ["Lviv"]', "wanted exactly one of"),
        ("centre = [49.8, 24.0]", 'cities = ["Lemberg"]', "[fleet[1]] `cities`"),
        ("centre = [49.8, 24.0]", "centre = [49.8, 24.0]\nspeed_km_h = [1, 2]", "only fleets with lanes, route or flight move"),
        ("centre = [49.8, 24.0]", "route = [[49.8, 24.0], [49.9, 24.1]]", "`speed_km_h` is `missing`"),
        ("centre = [49.8, 24.0]", "route = [[49.8, 24.0], [49.9, 24.1]]\nspeed_km_h = [9, 2]", "wanted the lower number first"),
        ("centre = [49.8, 24.0]", "flight = [[0, 0], [0, 180]]\nspeed_km_h = [1, 9]", "wanted neighbours that are 0.1 to 19,900 km apart"),
        ("centre = [49.8, 24.0]", "route = [[5, 5], [5, 5]]\nspeed_km_h = [1, 9]", "wanted neighbours that are 0.1 to 19,900 km apart"),
        ('name = "liar"', 'name = "home"', "[fleet[2]] `name` is `home`; wanted a name that no other fleet has"),
        ('name = "liar"', 'name = "Liar one"', "wanted a name of lower-case letters"),
        ('class = "A0"', 'class = "A5"', "[fleet[2].attack] `class` is `A5`; wanted one of A0, A1, A1D"),
        ('class = "A0"', 'class = "A0"\ndelay_m = 3', "[fleet[2].attack] `delay_m` is no key"),
        ('class = "A0"', 'class = "A4"', "[fleet[2].attack] `user` is `missing`"),
        ("@", '[radio]\nclock = "quartz"', "[radio] `clock` is `quartz`; wanted one of free"),
        ("@", '[radio]\ninterval_s = 30', "wanted at most handover_s"),
        ("@", '[radio]\nwindow_s = 60\nevery_s = 30', "wanted at least window_s"),
        ("@", '[constellation]\nshells = "galaxy"', "[constellation] `shells` is `galaxy`"),
        ("@", '[constellation]\nsource = "file"', "[constellation] `file` is `missing`"),
        ("@", '[constellation]\nerror_age_h = 5', "one of the measured ages: 6, 24, 72, 168"),
        ("@", '[galaxy]', "`galaxy` is no key of this table"),
        ("[scenario]", "fleets = 1\n[scenario]", "`fleets` is no key of this table; wanted `fleet`?"),
        (
            "",
            '[[jamming]]\nname = "j"\ncentre = [1, 1]\nradius_km = 1\nfrom_s = 9\nuntil_s = 9',
            "[jamming[1]] `until_s` is `9`; wanted a time after from_s",
        ),
        ("", "[[swap]]\nfleets = [\"home\", \"nobody\"]\npairs = 1\nat_s = 3", "[swap[1]] `fleets`"),
        ("", "[[swap]]\nfleets = [\"home\", \"liar\"]\npairs = 3\nat_s = 3", "[swap[1]] `pairs` is `3`; wanted a whole number from 1 to 2"),
        ("", "[[clone]]\nfleet = \"home\"\ncount = 4\ncentre = [1, 1]", "[clone[1]] `count` is `4`"),
        ("", "[[fleet.list]]\nid = \"ua-allow\"\nsponsor = \"A Real Council\"", "ends with `(invented)`"),
        ("[scenario]", "scenario]", "x.toml: is not TOML"),
        ("@", "[[flee]]", "`flee` is no key of this table; wanted `fleet`?"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(old: str, new: str, said: str) -> None:
    first = '[[fleet]]\nname = "home"'
    text = GOOD.replace(first, f"{new}\n{first}") if old == "@" else GOOD.replace(old, new) if old else GOOD + new
    with pytest.raises(InputError) as caught:
        parsed(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith("x.toml: ")
    assert "\n" not in str(caught.value)


def test_a_good_file_is_read_and_defaults_are_the_reference_setting() -> None:
    got = parsed(GOOD)
    assert [fleet.name for fleet in got.fleets] == ["home", "liar"]
    assert got.fleets[1].attack is not None
    assert got.fleets[1].attack.claim == (51.2, 22.5)
    assert (got.radio.range_sigma_m, got.radio.rate_sigma_hz, got.radio.handover_s) == (150.0, 10.0, 15.0)
    assert got.constellation.error_m == (20.0, 5.0, 5.0)
    assert got.end_ns - got.start_ns == 60 * 10**9


def test_too_much_is_refused() -> None:
    with pytest.raises(InputError, match="more than 2,000,000 terminals"):
        parsed(GOOD.replace("count = 3", "count = 500000") + "".join(
            f'[[fleet]]\nname = "f{k}"\ncount = 500000\ncentre = [1, 1]\n' for k in range(4)
        ))  # fmt: skip
    with pytest.raises(InputError, match="at most 50 tables"):
        parsed(GOOD + '[[jamming]]\nname = "j"\ncentre = [1, 1]\nradius_km = 1\n' * 51)
    with pytest.raises(InputError, match="no terminals"):
        parsed('[scenario]\ntitle = "t"\nstart = 2026-06-03T05:00:12Z\nduration_s = 60\n')


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no scenario; give a file, or one of: attacks, claims"):
        read_scenario(tmp_path / "nothing.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not UTF-8"):
        read_scenario(tmp_path / "bytes.toml")
    (tmp_path / "long.toml").write_text("#" * (1 << 20) + "\n")
    with pytest.raises(InputError, match="a scenario is a page of text"):
        read_scenario(tmp_path / "long.toml")
    (tmp_path / "own.toml").write_text(GOOD)
    assert read_scenario(tmp_path / "own.toml").name == "own"


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_scenarios_are_read_and_say_that_people_are_invented(name: str) -> None:
    assert read_scenario(name).name == name
    assert "invented" in shipped()[name].read_text(encoding="utf-8")


def test_the_reference_names_every_key() -> None:
    for name in shipped():
        read_scenario(name)
    zone = 'name = "z"\ncentre = [1, 1]\nradius_km = 1\n'
    more = f"""
[[fleet.list]]
id = "ua-allow"
[fleet.straw]
holders = 1
[[fleet]]
name = "relay"
count = 1
route = [[1, 1], [2, 2]]
speed_km_h = [9, 9]
[fleet.attack]
class = "A4"
user = [1, 1]
[[clone]]
fleet = "home"
count = 1
centre = [1, 1]
[[swap]]
fleets = ["home", "liar"]
pairs = 1
at_s = 3
[[constellation.shell]]
altitude_km = 550
inclination_deg = 53
planes = 2
per_plane = 2
[world]
terminals = 500
[[jamming]]
{zone}
[[outage]]
{zone}
[[spoofing]]
{zone}
circle = [1, 1]
circle_km = 1
"""
    parsed(GOOD + more)
    sections = (ROOT / "docs" / "simulate.md").read_text(encoding="utf-8").split("\n### ")
    described = {}
    for section in sections[1:]:
        title, _, body = section.partition("\n")
        for table in title.replace("`", "").replace("[", "").replace("]", "").split(", "):
            described[table] = {line.split("|")[1] for line in body.splitlines() if line.startswith("| `")}
    for table, key in sorted(ASKED):
        if not table or f"{table}.{key}" in {one for one, _ in ASKED}:
            continue
        assert any(f"`{key}`" in first for first in described.get(table, ())), f"docs/simulate.md: [{table}] lacks `{key}`"
