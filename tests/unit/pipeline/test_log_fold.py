"""The kept fold of a log: it is what the whole log gives, reads what is new, and notices a log that was rewritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import small_home as sh
from governed_home import OTHER_BOOK, base_home, desk
from groundrule.errors import InputError, IntegrityError
from groundrule.govern.state import State
from groundrule.ledger.tiles import TileTree, decode_bundle, encode_bundle
from groundrule.pipeline import log_fold
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.home_ledger import log_folder
from groundrule.pipeline.log_fold import LogFold, fold_of, kept_state
from groundrule.pipeline.policy_check import policy_differences
from groundrule.store.home import Home


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = base_home(tmp_path_factory.mktemp("fold") / "home")
    with desk(home) as governing:
        governing.genesis()
    return home


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return sh.copy_home(template, tmp_path / "home")


def facts(state: State) -> Any:
    return (
        [(each.index, each.kind) for each in state.entries], state.policy_digest, list(state.proposals), len(state.enactments),
        state.last_t_ns, state.openings, state.violations,
    )  # fmt: skip


def bundle(home: Home) -> Path:
    return max((log_folder(home) / "tile" / "entries").glob("*.p/*"), key=lambda path: int(path.name))


def test_it_is_the_whole_fold_and_reads_only_what_is_new(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    fold = LogFold(home)
    begun: list[int] = []
    plain = TileTree.entries
    monkeypatch.setattr(TileTree, "entries", lambda self, start=0, end=None: (begun.append(start), plain(self, start, end))[1])
    first, announced, size = fold.look()
    assert size > 0
    assert facts(first) == facts(read_state(home))
    begun.clear()
    with desk(home) as governing:
        governing.pass_through(governing.change("replace", "rulebook", OTHER_BOOK.encode()))
        begun.clear()
        second, more, larger = fold.look()
        assert begun == [size]
        assert facts(second) == facts(read_state(home))
        assert larger > size
        assert set(announced) < set(more)
        assert facts(first) != facts(second), "what was given out before stays as it was"
    assert policy_differences(home, fold) == policy_differences(home) == []
    third, _, _ = fold.look()
    third.entries.clear() if isinstance(third.entries, list) else third.proposals.clear()
    third.openings["x"] = "y"
    assert facts(fold.look()[0]) == facts(second), "what a caller does to his copy is his own"


def test_an_entry_that_its_tree_does_not_commit_to_is_refused_each_time(home: Home) -> None:
    fold = LogFold(home)
    path = bundle(home)
    whole = path.read_bytes()
    count = read_size(home)
    entries = decode_bundle(whole, count)
    place = next(k for k, data in enumerate(entries) if b'"stream":"governance"' in data)
    entries[place] = entries[place].replace(b'"t":"20', b'"t":"19', 1)
    path.write_bytes(encode_bundle(entries))
    for _ in range(2):
        with pytest.raises(IntegrityError, match=f"entry {place} of the log is not the one"):
            fold.look()
    assert "governance cannot be compared" in policy_differences(home)[0]
    path.write_bytes(whole)
    assert facts(fold.look()[0]) == facts(read_state(home)), "half of a fold is not kept"


def read_size(home: Home) -> int:
    return LogFold(home).look()[2]


def test_a_log_that_was_rewritten_under_the_process_is_noticed(home: Home) -> None:
    fold = LogFold(home)
    fold.look()
    # Another log, well formed throughout, of the same length or longer: a home of the same story at another time.
    other = base_home(home.path.parent / "other")
    with desk(other) as governing:
        governing.clock.now += 5_000_000_000
        governing.genesis()
        governing.pass_through(governing.change("replace", "rulebook", OTHER_BOOK.encode()))
    mine, theirs = log_folder(home), log_folder(other)
    for path in sorted(theirs.rglob("*")):
        if path.is_file():
            (mine / path.relative_to(theirs)).parent.mkdir(parents=True, exist_ok=True)
            (mine / path.relative_to(theirs)).write_bytes(path.read_bytes())
    for _ in range(2):
        with pytest.raises(IntegrityError, match="the log was rewritten"):
            fold.look()
    assert LogFold(home).look()[2] >= fold._size, "who begins now cannot know"


def test_everything_is_read_again_after_an_hour(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    fold = LogFold(home)
    fold.look()
    begun: list[int] = []
    plain = TileTree.entries
    monkeypatch.setattr(TileTree, "entries", lambda self, start=0, end=None: (begun.append(start), plain(self, start, end))[1])
    monkeypatch.setattr(log_fold.time, "monotonic", lambda now=log_fold.time.monotonic: now() + log_fold.FULL_S)
    fold.look()
    assert begun == [0]


def test_folds_are_kept_for_few_homes_and_by_what_they_are(home: Home, tmp_path: Path) -> None:
    assert fold_of(home) is fold_of(home)
    first = fold_of(home)
    kept_state(home)
    for number in range(log_fold._KEPT):
        fold_of(sh.copy_home(home, tmp_path / f"copy-{number}"))
    assert fold_of(home) is not first
    assert len(log_fold._FOLDS) <= log_fold._KEPT
    with pytest.raises(InputError, match="has no log"):
        fold_of(sh.make_home(tmp_path / "bare"))
