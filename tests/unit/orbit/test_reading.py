"""Files of elements: every form gives the same, every bad record is named, and no good one is lost."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from orbit_files import DAY_NS, EPOCH_NS, as_csv, as_json, as_kvn, as_xml, omm, tle

from groundrule.errors import InputError, MalformedElements, StoreError
from groundrule.orbit import reading
from groundrule.orbit.reading import read_bytes, read_file

WRITERS = {"json": as_json, "csv": as_csv, "kvn": as_kvn, "xml": as_xml}


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_of_omm_says_the_same(form: str) -> None:
    read = read_bytes(WRITERS[form](omm(), omm(NORAD_CAT_ID=144714, MEAN_ANOMALY=10.0)), "f")
    assert (read.form, read.records, read.rejected, read.issue_count) == (form, 2, 0, 0)
    elements = read.elements
    assert elements.catalogue.tolist() == [144713, 144714]
    assert elements.epoch_ns.tolist() == [EPOCH_NS] * 2
    assert elements.constellation.tolist() == ["starlink"] * 2
    assert elements.bstar.tolist() == [0.00012345] * 2
    same = read_bytes(as_json(omm(NORAD_CAT_ID=144714, MEAN_ANOMALY=10.0), omm()), "another name").elements
    assert elements.digest == same.digest, "the digest is of the content, not of form, file or order"


def test_tle_gives_what_omm_gives() -> None:
    text = tle(day="26154.16666667").encode()
    from_tle = read_bytes(text, "t").elements
    from_omm = read_bytes(
        as_json(omm(NORAD_CAT_ID=44713, EPOCH="2026-06-03T04:00:00.000288", OBJECT_ID="2024-001A")), "o"
    ).elements
    assert from_tle.digest == from_omm.digest
    assert (from_tle.form.tolist(), from_omm.form.tolist()) == (["tle"], ["omm"])


def test_gzip_is_unpacked_and_a_cut_file_gives_its_first_records() -> None:
    many = "".join(tle(40_000 + i, anomaly=i / 10) for i in range(2000)).encode()
    packed = gzip.compress(many)
    assert len(read_bytes(packed, "f").elements) == 2000
    cut = read_bytes(packed[: len(packed) // 2], "f")
    assert 200 < len(cut.elements) < 2000
    assert any(issue.field == "gzip" for issue in cut.issues)


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1 << 20)
    with pytest.raises(InputError, match="larger than 1 MB"):
        read_bytes(gzip.compress(b"0" * (4 << 20)), "bomb")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"NORAD_CAT_ID": "A0000"}, "NORAD_CAT_ID"),
        ({"NORAD_CAT_ID": "25544.0"}, "NORAD_CAT_ID"),
        ({"NORAD_CAT_ID": 1_000_000_000}, "NORAD_CAT_ID"),
        ({"NORAD_CAT_ID": ""}, "NORAD_CAT_ID"),
        ({"EPOCH": "1970-01-01T00:00:00"}, "EPOCH"),
        ({"EPOCH": "1950-01-01T00:00:00", "OBJECT_ID": ""}, "EPOCH"),
        ({"EPOCH": "2023-12-31T00:00:00"}, "EPOCH"),  # before its launch in 2024
        ({"EPOCH": "2026-06-31T00:00:00"}, "EPOCH"),
        ({"EPOCH": 1780459200}, "EPOCH"),
        ({"MEAN_MOTION": 0}, "MEAN_MOTION"),
        ({"MEAN_MOTION": -15.0}, "MEAN_MOTION"),
        ({"MEAN_MOTION": 0.0010958}, "MEAN_MOTION"),  # rad/s
        ({"MEAN_MOTION": "nan"}, "MEAN_MOTION"),
        ({"ECCENTRICITY": 1.0}, "ECCENTRICITY"),
        ({"ECCENTRICITY": 1234}, "ECCENTRICITY"),
        ({"ECCENTRICITY": "0,0001"}, "ECCENTRICITY"),
        ({"INCLINATION": 180.5}, "INCLINATION"),
        ({"RA_OF_ASC_NODE": 400}, "RA_OF_ASC_NODE"),
        ({"BSTAR": 1e9}, "BSTAR"),
        ({"BSTAR": None}, "BSTAR"),
        ({"EPHEMERIS_TYPE": 4}, "EPHEMERIS_TYPE"),
        ({"MEAN_ELEMENT_THEORY": "SGP4-XP"}, "MEAN_ELEMENT_THEORY"),
        ({"REF_FRAME": "EME2000"}, "REF_FRAME"),
        ({"TIME_SYSTEM": "TAI"}, "TIME_SYSTEM"),
        ({"INCLINATION": "0.925 [rad]"}, "INCLINATION"),
    ],
)
def test_a_bad_field_is_named_and_its_neighbours_stay(changes: dict[str, object], field: str) -> None:
    good = [omm(NORAD_CAT_ID=1), omm(NORAD_CAT_ID=2)]
    read = read_bytes(as_json(good[0], omm(**changes), good[1]), "f.json")
    assert read.elements.catalogue.tolist() == [1, 2]
    assert (read.records, read.rejected, read.issue_count) == (3, 1, 1)
    issue = read.issues[0]
    assert (issue.file, issue.record, issue.field, issue.kept) == ("f.json", 2, field, False)
    assert issue.line > 10
    assert issue.wanted
    assert str(issue).startswith(f"f.json:{issue.line}: {field}")


def test_json_numbers_that_are_none_are_refused() -> None:
    text = as_json(omm(), omm(NORAD_CAT_ID=2)).replace(b"15.06", b"NaN", 1)
    read = read_bytes(text, "f")
    assert (len(read.elements), read.issues[0].field, read.issues[0].value) == (1, "MEAN_MOTION", "NaN")


def test_elements_from_the_future_are_refused_when_the_present_is_known() -> None:
    data = as_json(omm(), omm(NORAD_CAT_ID=2, EPOCH="2026-06-20T00:00:00"))
    read = read_bytes(data, "f", now_ns=EPOCH_NS)
    assert (read.elements.catalogue.tolist(), read.issues[0].field) == ([144713], "EPOCH")
    assert "clock" in read.issues[0].wanted
    assert len(read_bytes(data, "f").elements) == 2


def test_records_that_stand_twice_are_reported_and_the_last_one_counts() -> None:
    read = read_bytes(as_json(omm(MEAN_ANOMALY=1.0), omm(MEAN_ANOMALY=2.0)), "f")
    assert read.elements.mean_anomaly_deg.tolist() == [2.0]
    assert (read.rejected, read.issues[0].record) == (1, 1)


def test_what_sgp4_refuses_at_its_own_epoch_is_refused() -> None:
    read = read_bytes(as_json(omm(MEAN_MOTION=16.6, ECCENTRICITY=0.09, MEAN_ANOMALY=0), omm(NORAD_CAT_ID=2)), "f")
    assert read.elements.catalogue.tolist() == [2]
    assert "SGP4" in read.issues[0].wanted


def test_an_omm_without_a_number_is_known_by_its_designator() -> None:
    read = read_bytes(as_kvn(omm(NORAD_CAT_ID=None)), "f")
    again = read_bytes(as_kvn(omm(NORAD_CAT_ID=None)), "g")
    number = int(read.elements.catalogue[0])
    assert 800_000_001 <= number <= 899_999_999
    assert again.elements.catalogue.tolist() == [number]
    assert (read.rejected, read.issues[0].kept) == (0, True)
    assert read_bytes(as_kvn(omm(NORAD_CAT_ID=None, OBJECT_ID=None)), "f").rejected == 1


def test_covariance_is_turned_to_our_axes() -> None:
    given = {"COV_REF_FRAME": "RTN", "CX_X": 1e-6, "CY_X": -2e-6, "CY_Y": 9e-6, "CZ_X": 0, "CZ_Y": 0, "CZ_Z": 4e-6}
    read = read_bytes(as_json(omm(**given), omm(NORAD_CAT_ID=2)), "f")
    covariance = read.elements.covariance_m2
    assert covariance is not None
    assert covariance[0] == pytest.approx(np.array([[9.0, -2.0, 0], [-2.0, 1.0, 0], [0, 0, 4.0]]))
    assert np.isnan(covariance[1]).all()
    for change in ({"COV_REF_FRAME": "TEME"}, {"CZ_Z": -1e-6}, {"CZ_Y": None}, {"CY_X": 1}):
        other = read_bytes(as_json(omm(**{**given, **change})), "f")
        assert (len(other.elements), other.elements.covariance_m2, other.issues[0].kept) == (1, None, True)


@pytest.mark.parametrize(
    "text",
    [
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><ndm>&b;</ndm>",
        b"<!DOCTYPE ndm SYSTEM 'http://invented.example/x.dtd'><ndm/>",
        "<?xml version='1.0' encoding='UTF-16'?><!DOCTYPE a [<!ENTITY b 'c'>]><ndm>&b;</ndm>".encode("utf-16"),
        b"<ndm>" * 50,
    ],
)
def test_hostile_xml_is_refused_whole(text: bytes) -> None:
    with pytest.raises(MalformedElements):
        read_bytes(text, "f.xml", form="xml")


def test_cut_xml_gives_what_stood_before_the_cut() -> None:
    data = as_xml(omm(), omm(NORAD_CAT_ID=2), omm(NORAD_CAT_ID=3))
    read = read_bytes(data[: len(data) - 60], "f.xml")
    assert read.elements.catalogue.tolist() == [144713, 2]
    assert read.issues[0].field == "XML"


@pytest.mark.parametrize(
    ("data", "good"),
    [
        (b"", 0),
        (b"[]", 0),
        (b"null", 0),
        (b"[" * 100_000, 0),
        (b'{"a":' * 100_000, 0),
        (b"CCSDS_OMM_VERS = 2.0\nrubbish", 0),
        (b"NORAD_CAT_ID,NORAD_CAT_ID\n1,2", None),
        (b"hello\nworld\n", 0),
        (b"<?xml version='1.0' encoding='UTG-8'?><ndm/>", 0),
        (b"<?xml version='1.0' encoding='utf-7'?><ndm/>", 0),
        (b"<?xml version='1.0' encoding='big5'?><ndm/>", 0),
        (b"\xff\xfe\x00rubbish", 0),
        (as_json(omm(), omm(NORAD_CAT_ID=2))[:-2] + b",,{}", 2),
        (as_json(omm()).replace(b'"BSTAR"', b'"EPOCH"'), 0),  # a field twice
        (as_kvn(omm(), omm(NORAD_CAT_ID=2)) + b"\nBSTAR = 1", 1),
        (as_csv(omm(), omm(NORAD_CAT_ID=2)) + b"\r\n\r\n", 2),
    ],
)
def test_rubbish_never_escapes_as_something_else(data: bytes, good: int | None) -> None:
    if good is None:
        with pytest.raises(MalformedElements):
            read_bytes(data, "f")
        return
    read = read_bytes(data, "f")
    assert len(read.elements) == good
    assert read.issue_count or good == read.records


def test_issues_are_counted_and_not_all_kept() -> None:
    read = read_bytes(b"rubbish line\n" * 5000, "f")
    assert (read.issue_count, len(read.issues)) == (5000, reading.MAX_ISSUES)


def test_what_the_user_says_wins(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(as_json(omm(CLASSIFICATION_TYPE="C"), omm(NORAD_CAT_ID=2)))
    read = read_file(path)
    assert read.elements.grade.tolist() == ["supplemental", "raw"]
    assert read.elements.source.tolist() == ["f.json"] * 2
    read = read_file(path, grade="operator", constellation="ours", source="our own (invented)")
    assert set(read.elements.grade.tolist()) == {"operator"}
    assert set(read.elements.constellation.tolist()) == {"ours"}
    assert set(read.elements.source.tolist()) == {"our own (invented)"}
    with pytest.raises(InputError, match="no grade"):
        read_file(path, grade="excellent")
    with pytest.raises(StoreError):
        read_file(tmp_path / "missing")


def test_epochs_may_be_days_of_the_year_and_end_in_a_leap_second() -> None:
    read = read_bytes(as_json(omm(EPOCH="2026-154T04:00:00Z")), "f")
    assert read.elements.epoch_ns.tolist() == [EPOCH_NS]
    leap = read_bytes(as_json(omm(EPOCH="2016-12-31T23:59:60.5", OBJECT_ID="")), "f")
    assert leap.elements.epoch_ns[0] % DAY_NS == 0
