"""What governs a home, kept folded by whoever asks again and again: only what the log has gained is read.

A service asks its log what is in force before every run, when emergencies may have begun, and every few minutes beside. Read
from the first entry each time, that grows with the log. Here the fold is kept with the size it was made of and the root of
the tree at that size. The next look computes that root again from the tiles, which costs a few hashes, and goes on from
there; each entry that is read is held against its leaf. Once an hour everything is read again, as at the start.

Where the root is another, the log is not the one that was read: somebody rewrote it under a process that runs. That is said
at every look until the process ends.

Source: reliability specification, sections 4.8 step 4 and 6.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from groundrule.errors import InputError, IntegrityError
from groundrule.govern.signed import parse_time
from groundrule.govern.state import State
from groundrule.ledger.entry import Entry
from groundrule.ledger.reader import read_log
from groundrule.ledger.tiles import TileTree
from groundrule.ledger.tree import leaf_hash
from groundrule.pipeline.home_ledger import GOVERNANCE, log_folder
from groundrule.pipeline.parties import openings_of
from groundrule.store.home import Home

FULL_S: Final = 3_600.0
"""How often everything is read again [s]."""
_KEPT: Final = 4
_GOVERNANCE: Final = b'"stream":"governance"'
_SNAPSHOT: Final = b'"kind":"snapshot-published"'


class LogFold:
    """The fold of one log; used under its own lock.

    Args:
        home: whose log.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._size, self._root = 0, b""
        self._tree: TileTree | None = None
        self._roots: dict[int, bytes] = {}
        self._state = State(self._consistent)
        self._announced: dict[int, Mapping[str, Any]] = {}
        self._full_due = time.monotonic() + FULL_S

    def look(self) -> tuple[State, dict[int, Mapping[str, Any]], int]:
        """Return the fold of the log as it stands, what was announced by index of what brought it about, and the log's size.

        The state is the caller's own.

        Raises:
            IntegrityError: the log is not the one that was read before, or an entry is not the one its tree commits to.
        """
        with self._lock:
            log = read_log(log_folder(self._home))
            tree = log.tree(log.integrated_size)
            if tree.size < self._size or (self._size and tree.root_at(self._size) != self._root):
                raise IntegrityError(
                    f"the log was rewritten: its first {self._size} entries are not those that were read before",
                    help="compare it with what its witnesses have seen: groundrule ledger fsck",
                )
            if time.monotonic() >= self._full_due:
                self._begin()
            self._tree = tree
            self._state.openings.update(openings_of(self._home))
            try:
                for index, data in enumerate(tree.entries(self._size), start=self._size):
                    self._take(tree, index, data)
            except BaseException:
                self._begin()  # half of it was taken
                raise
            self._size, self._root = tree.size, tree.root_at(tree.size) if tree.size else b""
            return self._state.copy(), dict(self._announced), self._size

    def _take(self, tree: TileTree, index: int, data: bytes) -> None:
        governs, snapshot = _GOVERNANCE in data, _SNAPSHOT in data
        if not governs and not snapshot:
            return
        if leaf_hash(data) != tree.hash(0, index):
            raise IntegrityError(
                f"entry {index} of the log is not the one that its tree commits to", help="see all: groundrule ledger fsck"
            )
        entry = Entry.decode(data)
        if entry.stream == GOVERNANCE:
            self._state.apply(index, parse_time(entry.t), entry.kind, entry.body)
        if snapshot and entry.body.get("governed") is True:
            self._announced[int(entry.body["enactment_index"])] = entry.body

    def _consistent(self, seen: int, root: bytes) -> bool:
        if self._tree is None or not 0 < seen <= self._tree.size:
            return False
        if seen not in self._roots:
            self._roots[seen] = self._tree.root_at(seen)
        return self._roots[seen] == root


_FOLDS: OrderedDict[tuple[Path, int, int, str], LogFold] = OrderedDict()
_LOCK: Final = threading.Lock()


def fold_of(home: Home) -> LogFold:
    """Return the fold that is kept of a home's log.

    Raises:
        InputError: it has none.
    """
    folder = log_folder(home)
    try:
        found = folder.stat()
    except OSError:
        raise InputError(
            f"`{home.path}` has no log, so nobody governs it", help="make one with: groundrule ledger init"
        ) from None
    # A folder that was replaced as a whole is another log: a restored home, for instance.
    key = (folder, found.st_dev, found.st_ino, home.id)
    with _LOCK:
        if key not in _FOLDS:
            _FOLDS[key] = LogFold(home)
        _FOLDS.move_to_end(key)
        while len(_FOLDS) > _KEPT:
            _FOLDS.popitem(last=False)
        return _FOLDS[key]


def kept_state(home: Home) -> State:
    """Return what governs a home as its log stands; see `governance_view.read_state`, which reads everything each time."""
    return fold_of(home).look()[0]
