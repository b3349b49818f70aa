"""Many threads, one durable append: whoever comes first records for all who wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from groundrule.errors import StoreError
from groundrule.ledger.item import Appended, Item
from groundrule.ledger.recovery import MAX_APPEND

if TYPE_CHECKING:
    from groundrule.ledger.log import Log


class GroupCommit:
    """Collects what threads submit while an append is under way, and records it with the next one.

    Args:
        log: the log; others may append to it directly as well.
        largest: most entries of one append.
    """

    def __init__(self, log: Log, *, largest: int = 4096) -> None:
        self._log = log
        self._largest = min(largest, MAX_APPEND)
        self._waiting: deque[_Submission] = deque()
        self._turn = threading.Lock()

    def submit(self, items: Sequence[Item]) -> Appended:
        """Record items; returns when they are durable. All or none of them are recorded, next to each other.

        Args:
            items: at least one, at most `largest`.
        Raises:
            InputError: an item that no log could take; the others' are not affected.
            StoreError: as for `Log.append`.
        """
        for item in items:
            item.check()
        mine = _Submission(items)
        self._waiting.append(mine)
        while not mine.done:
            with self._turn:
                if not mine.done:
                    self._record()
        if mine.error is not None:
            raise StoreError(
                f"the append failed: {mine.error}",
                help=getattr(mine.error, "help", None),
                **getattr(mine.error, "context", {}),
            ) from mine.error
        assert mine.appended is not None
        return mine.appended

    def _record(self) -> None:
        group: list[_Submission] = []
        count = 0
        while self._waiting and (not group or count + len(self._waiting[0].items) <= self._largest):
            group.append(self._waiting.popleft())
            count += len(group[-1].items)
        try:
            whole = self._log.append([item for submission in group for item in submission.items])
        except BaseException as error:
            for submission in group:
                submission.error = error
                submission.done = True
            if isinstance(error, Exception):
                return
            raise
        start = 0
        for submission in group:
            submission.appended = whole.part(start, len(submission.items))
            start += len(submission.items)
            submission.done = True


class _Submission:
    """What one thread waits for."""

    __slots__ = ("appended", "done", "error", "items")

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = list(items)
        self.appended: Appended | None = None
        self.error: BaseException | None = None
        self.done = False
