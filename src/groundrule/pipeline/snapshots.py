"""What is remembered of each terminal, kept between runs as a cache: history can always rebuild it.

The file names the manifest after which it was taken; any other is ignored and the memory is rebuilt.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from groundrule.detect.state import TerminalState
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.manifests import latest_digest
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

_NAME = "state.npz"


def save_state(home: Home, judge: Judge, manifest: str) -> None:
    """Keep the memory of a judge as of a manifest."""
    registers = judge.basis.registers
    rows = len(registers)
    judge.state.grow(rows)
    ids = registers.terminal_ids
    sink = io.BytesIO()
    columns = {name: column[:rows] for name, column in judge.state.columns().items()}
    np.savez(
        sink,
        manifest=np.frombuffer(manifest.encode(), np.uint8),
        ids=np.frombuffer(b"\0".join(text.encode() for text in ids.to_pylist()), np.uint8),
        **columns,
    )
    write_durably(home.cache / _NAME, sink.getvalue())


def load_state(home: Home, judge: Judge, rebuild: Callable[[], Judge]) -> None:
    """Give a judge the memory as of the last run, from the cache or by rebuilding it."""
    latest = latest_digest(home)
    if latest is None:
        return
    found = _read(home, latest, judge.state)
    if found is None:
        other = rebuild()
        ids, state = other.basis.registers.terminal_ids, other.state
    else:
        ids, state = found
    rows = judge.basis.registers.add(ids)
    judge.state.grow(len(judge.basis.registers))
    judge.state.put(rows, state.take(np.arange(len(ids), dtype=np.int32)))


def _read(home: Home, manifest: str, like: TerminalState) -> tuple[pa.StringArray, TerminalState] | None:
    try:
        with np.load(home.cache / _NAME, allow_pickle=False) as stored:
            if bytes(stored["manifest"]).decode() != manifest:
                return None
            raw = bytes(stored["ids"])
            ids = pa.array(raw.decode().split("\0") if raw else [], pa.string())
            columns = {name: stored[name] for name in like.columns()}
    except (OSError, ValueError, KeyError):
        return None
    for name, column in like.columns().items():
        if columns[name].dtype != column.dtype or columns[name].shape[1:] != column.shape[1:] or len(columns[name]) != len(ids):
            return None
    return ids, TerminalState(**columns)
