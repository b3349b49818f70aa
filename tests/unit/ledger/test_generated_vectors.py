"""Freshly generated vectors: what the plain definitions say is what Groundrule says, with a new seed in every run.

The seed is printed by a failing test; `GROUNDRULE_VECTOR_SEED` repeats it.
"""

from __future__ import annotations

import json
import os
import secrets
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

import ledger_vectors
from groundrule.ledger.conform import FileResult, conform
from ledger_definitions import b64, consistent, root_from_path

FILES = {
    "trees.json": ("cases",), "paths.json": ("cases", "reject"), "inclusion.json": ("cases",), "consistency.json": ("cases",),
    "checkpoints.json": ("cases",), "vkeys.json": ("cases",), "cosignatures.json": ("cases",), "policies.json": ("cases",),
    "proofs.json": ("cases",), "witness.json": ("cases",), "logs.json": ("cases",), "dsse.json": ("cases", "pae"),
}  # fmt: skip


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    seed = os.environ.get("GROUNDRULE_VECTOR_SEED") or f"s{secrets.token_hex(4)}"
    return ledger_vectors.write(tmp_path_factory.mktemp(f"vectors-{seed}"), seed)


@pytest.fixture(scope="module")
def results(vectors: Path) -> dict[str, FileResult]:
    return {result.file: result for result in conform(vectors)}


def content(folder: Path, name: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads((folder / name).read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_case_is_run_and_passes(name: str, vectors: Path, results: dict[str, FileResult]) -> None:
    result, data = results[name], content(vectors, name)
    assert result.failed == [], f"seed of the folder {vectors.name}"
    left_open = [case for case in data["cases"] if case.get("expect") == "implementation-defined"]
    assert len(result.skipped) == len(left_open)
    assert result.passed + len(result.skipped) == sum(len(data[part]) for part in FILES[name])


def test_a_wrong_label_is_noticed(vectors: Path, tmp_path: Path) -> None:
    data = content(vectors, "inclusion.json")
    for case in data["cases"]:
        case["wantErr"] = not case["wantErr"]
    (tmp_path / "inclusion.json").write_text(json.dumps(data), encoding="utf-8")
    (result,) = conform(tmp_path)
    assert result.passed == 0
    assert len(result.failed) == len(data["cases"])


def test_the_sets_hold_what_they_are_for(vectors: Path) -> None:
    trees = content(vectors, "trees.json")["cases"]
    assert sum(1 for case in trees if case["size"] > 65_536) >= 2
    for name in ("inclusion.json", "consistency.json"):
        verdicts = [case["wantErr"] for case in content(vectors, name)["cases"]]
        assert verdicts.count(False) >= 50
        assert verdicts.count(True) >= 200
    logs = content(vectors, "logs.json")["cases"]
    assert len(logs) == 24
    assert len(content(vectors, "witness.json")["cases"]) == 21


def test_one_seed_makes_one_set(tmp_path: Path) -> None:
    first, again, other = (ledger_vectors.write(tmp_path / name, seed) for name, seed in [("a", "x"), ("b", "x"), ("c", "y")])
    for name in FILES:
        if name not in ("vkeys.json", "cosignatures.json"):
            assert (first / name).read_bytes() == (again / name).read_bytes(), name
        if name != "paths.json":
            assert (first / name).read_bytes() != (other / name).read_bytes(), name


def test_the_definitions_agree_with_published_trees(shared_data: Path) -> None:
    published = json.loads((shared_data / "tlog" / "generated" / "trees.json").read_text(encoding="utf-8"))
    own = ledger_vectors.Vectors(published["seed"], large=False)
    for case in published["cases"]:
        assert b64(own.tree.root(case["size"])) == case["root"]
    for name in ("inclusion", "consistency"):
        for case in content(shared_data / "tlog" / "generated", f"{name}.json")["cases"]:
            assert definitions_accept(case) != case["wantErr"], (name, case["desc"])


def definitions_accept(case: dict[str, Any]) -> bool:
    proof = [b64decode(part) for part in case["proof"]]
    if "leafIdx" in case:
        found = root_from_path(case["leafIdx"], case["treeSize"], b64decode(case["leafHash"]), proof)
        return found == b64decode(case["root"])
    return consistent(case["size1"], case["size2"], b64decode(case["root1"]), b64decode(case["root2"]), proof)
