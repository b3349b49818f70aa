"""What is remembered of each terminal between runs, and the cache of it; history can always rebuild it.

The memory before a run is what the run before it left, as long as rulebook and areas are the same; a run under another
rulebook or other areas starts from the whole history as these see it. `decide`, `replay` and the rebuilding of a lost
cache all follow this one rule. The cache names the manifest after which it was taken; any other is ignored.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.detect.state import TerminalState
from groundrule.pipeline.emergency_overlay import overlay_of_run
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.lateness import decide_batches
from groundrule.pipeline.manifests import latest_digest, read_manifest, runs
from groundrule.pipeline.stored_history import HomeHistory, StoredHistory
from groundrule.store.durable import durable_file
from groundrule.store.home import Home
from groundrule.store.registers import Registers
from groundrule.store.terminal_index import text_buffers

_NAME = "state.npz"


def save_state(home: Home, judge: Judge, manifest: str) -> None:
    """Keep the memory of a judge as of a manifest."""
    ids = judge.basis.registers.terminal_ids
    judge.state.grow(len(ids))
    with durable_file(home.cache / _NAME) as stream:
        write_memory(stream, ids, {name: column[: len(ids)] for name, column in judge.state.columns().items()}, manifest)


def write_memory(stream: BinaryIO, ids: pa.StringArray, columns: dict[str, NDArray[Any]], manifest: str) -> None:
    """Write what is remembered of some terminals; the same bytes for the same memory.

    Args:
        stream: where to.
        ids: the terminals.
        columns: of their `TerminalState`, by name.
        manifest: after which it is remembered; `read_memory` asks for it.
    """
    rows = len(ids)
    offsets, data = text_buffers(ids)
    np.savez(
        stream,
        manifest=np.frombuffer(manifest.encode(), np.uint8),
        id_offsets=np.asarray(offsets[: rows + 1]),
        id_bytes=np.asarray(data[: int(offsets[rows])]) if rows else np.zeros(0, np.uint8),
        **columns,  # type: ignore[arg-type]  # NumPy's stub takes them for its own keyword
    )


def load_state(home: Home, judge: Judge, rebuild: Callable[[], Judge]) -> None:
    """Give a judge the memory as of the last run, from the cache or by rebuilding it."""
    known = runs(home)
    latest = latest_digest(home)
    if latest is None:
        return
    last = read_manifest(home, known[-1])
    found = _read(home, latest, judge.state) if continues(last, judge.basis) else None
    if found is None:
        carry_over(rebuild(), judge)
    else:
        remember(judge, *found)


def continues(manifest: dict[str, Any], basis: Basis) -> bool:
    """Does a run under this basis go on with the memory that the run of the manifest left?"""
    return bool(manifest["rulebook"] == basis.rulebook.digest and manifest["areas"] == basis.areas.digest)


def replayed_state(home: Home, basis: Basis, history: StoredHistory | None = None) -> Judge:
    """Rebuild what is remembered of every terminal before the next run, which is to be under a basis.

    Args:
        home: with the manifests.
        basis: of the next run.
        history: of the terminals in question; None is that of the home.
    """
    known = runs(home)
    judge = Judge(basis)
    if not known:
        return judge
    manifests = [read_manifest(home, run) for run in known]
    first = len(known)
    while first > 0 and continues(manifests[first - 1], basis):
        first -= 1
    history = HomeHistory(home) if history is None else history
    remember_all(history, judge, known[:first])
    for position in range(first, len(known)):
        manifest = manifests[position]
        then = Judge(basis_of_run(home, manifest, judge.basis))
        carry_over(judge, then)
        judge = then
        run = known[position]
        for _ in decide_batches(
            history, judge, history.of_run(run), known[:position], run=run, as_of_ns=as_of_of(manifest)
        ):
            pass
    return judge


def remember_all(history: StoredHistory, judge: Judge, known: Sequence[int]) -> None:
    """Let a judge remember the whole history of some runs, in order of time, as its own basis sees it."""
    if known:
        for batch in history.in_order(known):
            judge.judge(batch)


def basis_of_run(home: Home, manifest: dict[str, Any], present: Basis | None) -> Basis:
    """Read what a run was decided under; the present basis is used again if it is the same.

    Raises:
        GroundruleError: rulebook, areas, registers or emergencies cannot be read, or are not what their digests say.
    """
    recorded_at_ns = int(manifest["recorded_at_ns"])
    overlay = overlay_of_run(home, manifest)
    if present is not None and continues(manifest, present):
        with Registers.open(home) as registers:
            if registers.revision(recorded_at_ns).digest == present.registers.digest:
                return present if present.overlay == overlay else replace(present, overlay=overlay)
    read = basis_of(home, rulebook=manifest["rulebook"], areas=manifest["areas"], recorded_at_ns=recorded_at_ns)
    return replace(read, overlay=overlay)


def as_of_of(manifest: dict[str, Any]) -> int | None:
    """Return the instant as of which a run applied its rules [ns, UTC], or None."""
    return None if manifest["as_of_ns"] is None else int(manifest["as_of_ns"])


def carry_over(before: Judge, after: Judge) -> None:
    """Hand the memory of one judge to the next, terminal by terminal: rows may be numbered anew."""
    if before.basis.registers is after.basis.registers:
        after.state = before.state
        return
    ids = before.basis.registers.terminal_ids
    remember(after, ids, before.state)


def remember(judge: Judge, ids: pa.StringArray, state: TerminalState) -> None:
    """Give a judge what is remembered of some terminals."""
    rows = judge.basis.registers.add(ids)
    judge.state.grow(len(judge.basis.registers))
    count = min(len(rows), len(state))
    # Views, because observations wait while a service takes in other registers.
    judge.state.put(rows[:count], TerminalState(*(column[:count] for column in state.columns().values())))


def _read(home: Home, manifest: str, like: TerminalState) -> tuple[pa.StringArray, TerminalState] | None:
    try:
        with (home.cache / _NAME).open("rb") as stream:
            return read_memory(stream, manifest, like)
    except OSError:
        return None


def read_memory(stream: BinaryIO, manifest: str, like: TerminalState) -> tuple[pa.StringArray, TerminalState] | None:
    """Read what `write_memory` has written; None if there is nothing, or if it is damaged or of another manifest.

    Args:
        like: with the columns that are wanted.
    """
    try:
        with np.load(stream, allow_pickle=False) as stored:
            if bytes(stored["manifest"]).decode() != manifest:
                return None
            offsets, data = stored["id_offsets"], stored["id_bytes"]
            columns = {name: stored[name] for name in like.columns()}
            ids = pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))
            ids.validate(full=True)
    except (OSError, ValueError, KeyError, EOFError, TypeError, NotImplementedError, zipfile.BadZipFile):
        # pa.ArrowInvalid is a ValueError. Whatever is wrong with a cache, history has the truth.
        return None
    for name, column in like.columns().items():
        if (
            columns[name].dtype != column.dtype
            or columns[name].shape[1:] != column.shape[1:]
            or len(columns[name]) != len(ids)
        ):
            return None
    return ids, TerminalState(**columns)
