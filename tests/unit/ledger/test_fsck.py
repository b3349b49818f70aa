"""A full check finds every damage in a log, says where it is, and finds nothing in a whole one."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.note import VerifierKey
from groundrule.ledger.policy import Policy


def untar(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {m.name.removeprefix("./"): tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]


def vector_logs(shared_data: Path) -> dict[str, Any]:
    return json.loads((shared_data / "tlog/generated/logs.json").read_text())


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_every_log_of_the_vectors_is_judged_as_labelled(shared_data: Path, tmp_path: Path) -> None:
    vectors = vector_logs(shared_data)
    keys = [VerifierKey.parse(vectors["log_vkey"])]
    policy = Policy.parse(vectors["policy"])
    prev = vectors["prev"].encode()
    archives = shared_data / "tlog/generated"
    good = untar(archives / "logs/good.tar.gz")
    for number, case in enumerate(vectors["cases"]):
        files = untar(archives / case["file"])
        place = write(tmp_path / str(number), files)
        name = case["name"]
        alone = fsck(place, keys, raw=True)
        pinned = fsck(place, keys, raw=True, pinned=[prev])
        under_policy = fsck(place, policy, raw=True)
        compared = fsck(place, keys, raw=True, pinned=[prev], other=[good["checkpoint"]])
        match case["expect"]:
            case "ok":
                assert alone.ok, alone.faults
                assert pinned.ok, pinned.faults
                assert under_policy.ok, under_policy.faults
                assert compared.ok, compared.faults
            case "bad":
                assert not alone.ok, name
            case "bad-with-prev":
                assert alone.ok, alone.faults
                assert [fault.path for fault in pinned.faults] == ["pinned checkpoint 1"], name
            case "bad-with-policy":
                assert alone.ok, alone.faults
                assert [fault.path for fault in under_policy.faults] == ["checkpoint"], name
            case "needs-other-view":
                assert pinned.ok, pinned.faults
                assert compared.split_view == (files["checkpoint"], good["checkpoint"])
                assert [fault.path for fault in compared.faults] == ["other checkpoint 1"]
            case other:
                raise AssertionError(other)
