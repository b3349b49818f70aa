"""The vectors of gpconf: Alpha-5, epochs, catalogue numbers, KVN variants, corrupt files (GP-OMM conformance corpus)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "orbit"))

from orbit_files import as_json, omm

from groundrule.instant import parse_instant
from groundrule.orbit.elements import Elements
from groundrule.orbit.reading import read_bytes, read_file
from groundrule.orbit.record import Refused, epoch, year_of
from groundrule.orbit.tle import LETTERS, alpha5, catalogue_of, epoch_of

pytestmark = pytest.mark.shared_data


@pytest.fixture
def corpus(shared_data: Path) -> Path:
    return shared_data / "orbits" / "gpconf"


def vectors(corpus: Path, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((corpus / "vectors" / f"{name}.json").read_bytes())
    return value


def test_alpha5(corpus: Path) -> None:
    value = vectors(corpus, "alpha5")
    assert dict(zip(LETTERS, range(10, 34), strict=True)) == value["letter_table"]
    cases = value["official_examples"] + value["boundaries"]
    assert len(cases) > 20
    for case in cases:
        if len(case["field"]) == 5:
            assert catalogue_of(case["field"]) == case["norad_cat_id"], case
            assert alpha5(case["norad_cat_id"]) == case["field"], case
    for letter in value["letters_never_used"]:
        with pytest.raises(Refused):
            catalogue_of(f"{letter}0000")


def test_epoch_strings(corpus: Path) -> None:
    value = vectors(corpus, "ccsds-epoch-strings")
    for case in value["valid"]:
        meant = [parse_instant(text + "Z") for text in [case["iso"], *case.get("iso_alternatives", [])]]
        assert epoch(case["text"]) in meant, case
    for case in value["invalid"]:
        with pytest.raises(Refused):
            epoch(case["text"])


def test_catalogue_numbers_as_text(corpus: Path) -> None:
    value = vectors(corpus, "norad-cat-id-text")
    for case in value["valid"]:
        assert read_bytes(as_json(omm(NORAD_CAT_ID=case["text"])), "f").elements.catalogue.tolist() == [case["value"]]
    for case in value["invalid_in_omm"]:
        assert read_bytes(as_json(omm(NORAD_CAT_ID=case["text"])), "f").rejected == 1, case


def test_two_digit_years(corpus: Path) -> None:
    value = vectors(corpus, "two-digit-epoch-year")
    for case in value["vectors"]:
        assert year_of(int(case["yy"])) == case["year"]
    for case in value["epoch_field_examples"]:
        assert epoch_of(case["tle_epoch_field"]) == parse_instant(case["iso"] + "Z")


def test_kvn_variants_and_xml_say_the_same(corpus: Path) -> None:
    paths = sorted(path for path in (corpus / "kvn-variants").iterdir() if path.suffix in (".kvn", ".xml"))
    assert len(paths) == 7
    base = read_file(paths[0]).elements
    for path in paths:
        elements = read_file(path).elements
        assert len(elements) == 1, path.name
        for name in (
            "epoch_ns",
            "mean_motion_rev_day",
            "eccentricity",
            "raan_deg",
            "mean_anomaly_deg",
            "ndot",
            "nddot",
        ):
            assert getattr(elements, name).tolist() == getattr(base, name).tolist(), (path.name, name)
        if "v05" not in path.name:  # the one that leaves the number out
            assert elements.digest == base.digest, path.name


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("c1-checksum-digit", "checksum"),
        ("c2-line-2-short", "length"),
        ("c3-letter-in-epoch", "epoch"),
        ("c4-line-2-missing", "line 2"),
    ],
)
def test_a_corrupt_set_between_two_good_ones(corpus: Path, name: str, field: str) -> None:
    whole = read_file(corpus / "corrupt-input" / "unedited-sets.tle").elements
    read = read_file(corpus / "corrupt-input" / f"{name}.tle")
    assert read.elements.digest == whole.select([0, 2]).digest
    assert read.rejected == 1
    assert field in read.issues[0].field


@pytest.mark.parametrize(
    ("cut", "unedited", "good"),
    [("c5-cut-closing-bracket.json", "unedited-array.json", 3), ("c5-cut-last-row.csv", "unedited-rows.csv", 2)],
)
def test_cut_files_give_what_stood_before_the_cut(corpus: Path, cut: str, unedited: str, good: int) -> None:
    whole: Elements = read_file(corpus / "corrupt-input" / unedited).elements
    read = read_file(corpus / "corrupt-input" / cut)
    assert len(read.elements) == good
    assert read.elements.digest == whole.select(list(range(good))).digest
    assert read.issue_count == 1


def test_the_first_six_digit_number(corpus: Path) -> None:
    read = read_file(next((corpus / "alpha5").glob("*.tle")))
    assert read.elements.catalogue.tolist() == [100_000]
    assert read.elements.incomplete("other") is None


def test_whole_real_files(shared_data: Path) -> None:
    expected = {
        "gps-ops-2026-08-08.tle.gz": 32,
        "oneweb-2026-05-24.tle.gz": 651,
        "starlink-2025-05-25.omm.json.gz": 7483,
    }
    for name, count in expected.items():
        read = read_file(shared_data / "orbits" / name)
        assert (len(read.elements), read.issue_count) == (count, 0)
