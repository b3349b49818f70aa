"""`groundrule orbits`: import, status, who is seen; and what a person is told who gives the wrong thing."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "orbit"))

from orbit_files import as_json, as_xml, omm, tle

from console import groundrule, refused
from groundrule.store import Home

AT = ("--at", "2026-06-03T05:00Z")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return Home.create(tmp_path / "home").path


def test_import_then_status_then_who_is_seen(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "three.json.gz"
    path.write_bytes(
        gzip.compress(as_json(omm(), omm(NORAD_CAT_ID=2, ECCENTRICITY=7), omm(NORAD_CAT_ID=3, MEAN_ANOMALY=5)))
    )
    done = groundrule("orbits", "import", path, "--home", home)
    assert done.code == 0, done
    assert "Imported 2 of 3 records" in done.out
    assert "ECCENTRICITY is `7`" in done.err
    again = groundrule("orbits", "import", path, "--home", home)
    assert "held already" in again.out

    status = groundrule("orbits", "status", *AT, "--home", home, "--json").json
    (row,) = status["constellations"]
    assert (row["constellation"], row["satellites"], row["usable"], row["incomplete"]) == ("starlink", 2, 2, None)
    late = groundrule("orbits", "status", "--at", "2026-06-20T00:00Z", "--home", home, "--json").json
    assert (late["constellations"][0]["usable"], late["constellations"][0]["stale"]) == (0, 2)
    assert "starlink" in groundrule("orbits", "status", *AT, "--home", home).out


def test_a_generated_constellation_serves_without_files(home: Path) -> None:
    made = groundrule("orbits", "import", "--generated", "oneweb", "--epoch", "2026-06-03T00:00Z", "--home", home)
    assert made.code == 0, made
    assert "None is real" in made.out
    seen = groundrule("orbits", "visible", "-33.9", "18.4", "--mask-deg", "30", *AT, "--home", home, "--json").json
    assert len(seen["satellites"]) >= 2
    assert all(row["elevation_deg"] >= 30 and row["generated"] for row in seen["satellites"])
    elevations = [row["elevation_deg"] for row in seen["satellites"]]
    assert elevations == sorted(elevations, reverse=True)
    text = groundrule("orbits", "visible", "65", "18.4", *AT, "--home", home)
    assert text.code == 0
    assert "of 588 satellites" in text.out
    status = groundrule("orbits", "status", *AT, "--home", home)
    assert "generated, not real" in status.out


def test_several_files_of_several_forms_and_a_tle_only_constellation(tmp_path: Path) -> None:
    one, two = tmp_path / "a.tle", tmp_path / "b.xml"
    one.write_text(tle(44713, "ONEWEB-INVENTED"))
    two.write_bytes(as_xml(omm()))
    files = ("--elements", one, "--elements", two)
    status = groundrule("orbits", "status", *files, *AT, "--json").json
    found = {row["constellation"]: row["incomplete"] for row in status["constellations"]}
    assert "69999" in found["oneweb"]
    assert found["starlink"] is None
    seen = groundrule("orbits", "visible", "0", "0", *files, *AT)
    assert seen.code == 0
    assert "oneweb: known from TLE only" in seen.err


def test_what_is_wrong_is_said_and_how_to_mend_it(home: Path, tmp_path: Path) -> None:
    refused(groundrule("orbits", "import", "--home", home), "nothing to import")
    refused(groundrule("orbits", "visible", "1", "1", "--home", home), "no elements")
    refused(groundrule("orbits", "status", "--home", home), "no elements")
    refused(groundrule("orbits", "import", "--generated", "starlnk", "--home", home), "known are: iridium")
    refused(groundrule("orbits", "import", tmp_path / "no", "--form", "doc", "--home", home), "forms are: json")
    path = tmp_path / "a.json"
    path.write_bytes(as_json(omm(), omm(NORAD_CAT_ID=2, EPOCH="2099-01-01T00:00:00")))
    future = groundrule("orbits", "import", path, "--home", home)
    assert (future.code, "is a clock wrong?" in future.err) == (0, True)
    refused(
        groundrule("orbits", "visible", "1", "1", "--at", "2026-07-20T00:00Z", "--home", home), "the limit is 7 days"
    )
    refused(
        groundrule("orbits", "visible", "1", "1", "--at", "1970-01-01T00:00Z", "--home", home), "the limit is 3 days"
    )
    refused(groundrule("orbits", "visible", "91", "1", *AT, "--home", home), "are not a place")
    refused(groundrule("orbits", "visible", "1", "1", "--mask-deg", "95", *AT, "--home", home), "no elevation")
    refused(
        groundrule("orbits", "visible", "1", "1", "--constellation", "nix", *AT, "--home", home), "loaded are: starlink"
    )
    path.write_bytes(b"<!DOCTYPE a [<!ENTITY b 'c'>]><ndm>&b;</ndm>")
    refused(groundrule("orbits", "import", path, "--home", home), "document type")
    path.write_bytes(b"nothing of use")
    empty = groundrule("orbits", "import", path, "--home", home)
    assert empty.code == 2
    assert "two lines of elements after a name" in empty.err
