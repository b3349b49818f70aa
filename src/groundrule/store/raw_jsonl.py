"""Columns of a file of JSON lines: one object per line, keys in any order, missing keys unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from groundrule.store.lines import LineBlock, line_blocks
from groundrule.store.raw import Limits, RawBatch, arrow_column
from groundrule.store.rejects import Rejects, one_reject, reject_table

_MAX_KEYS = 256
"""Most keys of a batch that become columns, the most frequent ones; a bound on memory, far above any honest file."""


class JsonLinesSource:
    """A file of JSON lines."""

    def __init__(self, path: Path, name: str, limits: Limits) -> None:
        self.name, self._path, self._limits = name, path, limits

    @property
    def names(self) -> None:
        """None: every line names its own columns."""
        return

    def batches(self, wanted: Iterable[str] | None = None) -> Iterator[RawBatch]:
        """Read the lines from the beginning."""
        only = None if wanted is None else frozenset(wanted)
        for block in line_blocks(self._path, self.name, self._limits):
            rejects = list(block.rejects)
            decoded, numbers = _decode(block, self.name, rejects)
            step = self._limits.batch_rows
            for low in range(0, max(len(decoded), 1), step):
                objects = decoded[low : low + step]
                counted = Counter(key for one in objects for key in one if only is None or key in only)
                keys = [key for key, _ in counted.most_common(_MAX_KEYS)]
                columns = {key: arrow_column([one.get(key) for one in objects]) for key in keys}
                bad = Rejects(reject_table(rejects)) if low == 0 else Rejects()
                if objects or len(bad):
                    yield RawBatch(columns, np.array(numbers[low : low + step], np.int64), bad)


def _decode(block: LineBlock, name: str, rejects: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[int]]:
    """Decode the lines of a block; those that are no JSON objects go to the rejects."""
    decoder = msgspec.json.Decoder()
    decoded: list[dict[str, Any]] = []
    numbers: list[int] = []
    last = len(block.numbers) - 1
    for k, number in enumerate(block.numbers.tolist()):
        line = block.line(k)
        try:
            value = decoder.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            if not line.strip():
                continue
            broken = k == last and block.last_is_open
            rejects.append(
                one_reject(
                    name,
                    number,
                    reason="line_breaks_off" if broken else "not_json",
                    value=str(error),
                    content=line.decode(),
                    help="write one JSON object per line",
                )
            )
            continue
        if isinstance(value, dict):
            decoded.append(value)
            numbers.append(number)
        else:
            rejects.append(
                one_reject(
                    name,
                    number,
                    reason="not_an_object",
                    content=line.decode(),
                    value=value,
                    help="write one JSON object per line",
                )
            )
    return decoded, numbers
