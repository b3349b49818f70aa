"""Manifests: canonical, chained, and what they say of a run."""

from __future__ import annotations

import json

import pytest

from groundrule.canon import canonical_json, digest_bytes
from groundrule.errors import IntegrityError, StoreError
from groundrule.pipeline.manifests import check_chain, latest_digest, manifest_path, read_manifest, runs
from groundrule.pipeline.runs import Inputs, decide
from groundrule.store.home import Home
from small_home import observation, run, table


def decided(home: Home, count: int = 3) -> None:
    for number in range(count):
        run(home, table([observation("car", 60 * number, 5, 5)]))


def test_each_manifest_names_the_digest_of_the_one_before(home: Home) -> None:
    assert (runs(home), latest_digest(home), check_chain(home)) == ([], None, [])
    decided(home)
    digests = [digest_bytes(manifest_path(home, number).read_bytes()) for number in (1, 2, 3)]
    assert [read_manifest(home, number)["previous"] for number in (1, 2, 3)] == [None, *digests[:2]]
    assert latest_digest(home) == digests[2]
    assert check_chain(home) == []


def test_a_manifest_says_what_went_in_and_what_came_out(home: Home) -> None:
    given = [{"name": "a.csv", "digest": "sha256:0", "bytes": 7}]
    with home.writer():
        done = decide(
            home,
            Inputs(iter([table([observation("car", 0, 5, 5)])]), files=lambda: given, rejected=lambda: {"bad": 2}),
            recorded_at_ns=5,
            as_of_ns=9,
        )
    found = read_manifest(home, 1)
    assert (found["inputs"], found["rejected"]) == (given, {"bad": 2})
    assert (found["recorded_at_ns"], found["as_of_ns"], found["governed"]) == ("5", "9", False)
    assert found["decisions"] == {"rows": 1, "digest": done.decisions}
    assert found["home"] == home.id
    assert manifest_path(home, 1).read_bytes() == canonical_json(found)
    assert digest_bytes(manifest_path(home, 1).read_bytes()) == done.manifest


def test_the_same_run_in_two_copies_of_a_home_has_the_same_manifest(template: Home, home: Home) -> None:
    decided(home)
    first = manifest_path(home, 3).read_bytes()
    for number in (1, 2, 3):
        manifest_path(home, number).unlink()
    decided(home)
    assert manifest_path(home, 3).read_bytes() == first
    assert json.loads(first)["home"] == template.id


def test_gaps_strangers_and_broken_links_are_faults(home: Home) -> None:
    decided(home)
    second = manifest_path(home, 2)
    intact = second.read_bytes()
    second.unlink()
    assert check_chain(home) == ["run 2 has no manifest"]
    second.write_bytes(canonical_json(json.loads(intact) | {"home": "other"}))
    [stranger, link] = check_chain(home)
    assert "another home" in stranger
    assert "run 3 names" in link


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"\xff\xfe", b'{"run":2}', b"[" * 100_000])
def test_what_is_no_manifest_is_an_integrity_error(home: Home, content: bytes) -> None:
    decided(home, 2)
    manifest_path(home, 2).write_bytes(content)
    with pytest.raises(IntegrityError, match="has been changed"):
        read_manifest(home, 2)
    assert len(check_chain(home)) == 1


def test_a_missing_manifest_is_a_store_error(home: Home) -> None:
    with pytest.raises(StoreError, match="cannot read"):
        read_manifest(home, 1)


def test_seven_digits_are_a_number_too_and_other_files_are_none(home: Home) -> None:
    for name in ("run-1000000.json", "run-000007.json", "run-7.json", "run-000008.json.part", "notes.txt"):
        (home.manifests / name).write_bytes(b"{}")
    assert runs(home) == [7, 1_000_000]
