"""Two bundles of one log: that it grew is no forgery, that it was rewritten is; and what two files do not show is not said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from console import groundrule
from dossier_mutants import TOOLS, bundle, fixed, members, stripped, tool
from groundrule.errors import ProofFailed
from groundrule.evidence.bundle import pack
from groundrule.evidence.dossier import SubjectKind
from groundrule.evidence.histories import HASHES, LAST, WHOLE, WIDTH, compare, hashes_of, log_hashes, start_of
from groundrule.evidence.verify_bundle import verify_bundle
from groundrule.ledger.tiles import TileTree
from groundrule.ledger.tree import leaf_hash, root_of
from investigated_home import Case, make_case
from small_home import copy_home


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(report=False)


Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files(case: Case) -> Files:
    """Bundles of one log in their order, one of a copy of it that went on otherwise, and the policy of both."""
    made = {"policy": (case.home.path / "ledger" / "policy").read_bytes(), "first": bundle(case)}
    copied = Case(copy_home(case.home, case.home.path.parent / "forged"), case.clock, dict(case.ids))
    made["second"] = bundle(case, SubjectKind.CHANGE, case.ids["change"])
    made["third"] = bundle(case, SubjectKind.CONTACT, case.ids["told"])
    bundle(copied, SubjectKind.REQUEST, case.ids["request"])
    made["forged"] = bundle(copied, SubjectKind.CHANGE, case.ids["change"])
    made["bare"] = pack(fixed({name: data for name, data in members(made["third"]).items() if name != HASHES}))
    return made


def both(files: Files, one: str, other: str) -> str:
    """The answer of either verifier, which must be the same, whichever bundle comes first."""
    found = set()
    for first, second in ((one, other), (other, one)):
        ours = compare(*(verify_bundle(_bare(files[each]), files["policy"]).history for each in (first, second)))
        module = tool()
        seen = [module.verify(_bare(files[each]), files["policy"], {}) for each in (first, second)]
        found |= {ours.verdict, module.compare(*seen)[0]}
    [verdict] = found
    return verdict


def _bare(data: bytes) -> bytes:
    """A bundle that was changed has no proof of its manifest any more."""
    try:
        verify_bundle(data)
    except ProofFailed:
        return pack(stripped(members(data)))
    return data


def test_a_log_that_grew_is_one_history(files: Files) -> None:
    heads = {each: verify_bundle(files[each]).history.head for each in ("first", "second", "third")}  # type: ignore[union-attr]  # has one
    assert len({each.size for each in heads.values() if each}) == len({each.root for each in heads.values() if each}) == 3
    assert both(files, "first", "second") == both(files, "first", "third") == both(files, "second", "second") == "one_history"


def test_a_log_that_was_rewritten_is_two(files: Files) -> None:
    assert both(files, "second", "forged") == "two_histories"
    assert both(files, "third", "forged") == "two_histories"


def test_without_the_hashes_a_longer_log_shows_nothing_and_is_not_accused(files: Files) -> None:
    assert both(files, "first", "bare") == "not_shown"


def test_a_bundle_without_a_log_or_of_another_log_proves_nothing(files: Files) -> None:
    history = verify_bundle(files["first"]).history
    assert compare(None, history).verdict == compare(history, None).verdict == "not_shown"
    other = verify_bundle(bundle(make_case(report=False))).history
    assert compare(history, other).verdict == "not_shown"


def test_hashes_that_are_not_those_of_the_log_are_seen_by_both(files: Files) -> None:
    inside = members(files["first"])
    for data in (inside[HASHES][:-32], inside[HASHES] + bytes(32), inside[HASHES][:-1] + bytes([inside[HASHES][-1] ^ 1]), b""):
        changed = pack(stripped(fixed(inside | {HASHES: data})))
        with pytest.raises(ProofFailed, match="log/hashes"):
            verify_bundle(changed)
        with pytest.raises(Exception, match="log/hashes"):
            tool().verify(changed, None, {})


@pytest.mark.parametrize(
    ("one", "other", "code", "said"),
    [("first", "second", 0, "ONE HISTORY"), ("second", "forged", 1, "TWO HISTORIES"), ("first", "bare", 3, "NOT SHOWN")],
)
def test_the_commands_say_the_same(files: Files, tmp_path: Path, one: str, other: str, code: int, said: str) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(_bare(data) if name == "bare" else data)
    more = ["--policy", tmp_path / "policy", "--with", tmp_path / other]
    ran = subprocess.run([sys.executable, TOOLS / "verify_dossier.py", tmp_path / one, *more], capture_output=True, text=True, check=False)
    ours = groundrule("dossier", "verify", tmp_path / one, *more)
    assert (ran.returncode, ours.code) == (code, code), (ran.stdout, ran.stderr, ours)
    assert f"\n{said}" in ran.stdout
    assert said.capitalize()[:11] in ours.out
    told = json.loads(groundrule("dossier", "verify", tmp_path / one, *more, "--json").out)
    ran = subprocess.run(
        [sys.executable, TOOLS / "verify_dossier.py", tmp_path / one, *more, "--json"], capture_output=True, text=True, check=False
    )
    assert told["history"] == json.loads(ran.stdout)["history"] == said.lower().replace(" ", "_")


def test_of_a_long_log_every_end_that_the_hashes_reach_has_its_root() -> None:
    size = WHOLE + 777
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    start = start_of(size)
    assert (start % WIDTH, size - start >= LAST) == (0, True)
    tiles = [root_of(leaves[at : at + WIDTH]) for at in range(0, start, WIDTH)]
    data = b"".join((*tiles, *leaves[start:]))
    held: Any = hashes_of(data, size)
    _, hashes = None, tool().laid_out(data, size)
    for end in (WIDTH, 5 * WIDTH, start, start + 1, start + 300, size - 1, size):
        assert held.root_at(end) == tool().root_at(hashes, end) == root_of(leaves[:end])
    for end in (1, WIDTH + 1, start - 1, size + 1):
        assert held.root_at(end) is None
        assert tool().root_at(hashes, end) is None
    with pytest.raises(ProofFailed):
        hashes_of(data, size + 1)


def test_what_a_bundle_holds_is_what_the_tiles_hold(case: Case) -> None:
    from groundrule.ledger.log import read_log
    from groundrule.pipeline.home_ledger import log_folder

    tree: TileTree = read_log(log_folder(case.home)).tree()
    assert log_hashes(tree) == b"".join(leaf_hash(tree.entry(index)) for index in range(tree.size))
