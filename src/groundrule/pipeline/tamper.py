"""Alters a stored decision or a byte, to show that the checks find it. For demonstrations and tests; it repairs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundrule.errors import InputError
from groundrule.instant import MIN_NS
from groundrule.store.history import run_files
from groundrule.store.home import Home
from groundrule.store.places import Place, write_parquet


@dataclass(frozen=True, slots=True)
class Alteration:
    """What was altered: a denial turned into service, in one row of one file."""

    path: Place
    terminal_id: str
    observed_at_ns: int
    before: str
    after: str


@contextmanager
def altered_decision(home: Home, run: int, *, since_ns: int = MIN_NS) -> Iterator[Alteration]:
    """Turn the first stored denial of a run into `serve` for the length of the block, then put the file back.

    Args:
        since_ns: the first denial at or after this instant [ns, UTC].

    Raises:
        InputError: the run denied nobody.
    """
    for path in run_files(home, "decisions", run):
        original = path.read_bytes()
        table = pq.ParquetFile(pa.BufferReader(original)).read()
        outcome = table.column("outcome").cast(pa.string())
        chosen = pc.and_(pc.equal(outcome, "deny"), pc.greater_equal(table.column("observed_at"), since_ns))
        denied = np.flatnonzero(chosen.to_numpy(zero_copy_only=False))
        if not len(denied):
            continue
        row = int(denied[0])
        values = outcome.to_pylist()
        values[row] = "serve"
        position = table.schema.get_field_index("outcome")
        changed = pa.array(values).dictionary_encode().cast(table.schema.field("outcome").type)
        write_parquet([(table.set_column(position, table.schema.field(position), changed), path)])
        try:
            yield Alteration(
                path,
                table.column("terminal_id")[row].as_py(),
                table.column("observed_at")[row].as_py(),
                "deny",
                "serve",
            )
        finally:
            path.write_bytes(original)
        return
    raise InputError(f"run {run} denied nobody, so there is no denial to alter")


@contextmanager
def altered_byte(path: Path, position: int) -> Iterator[None]:
    """Flip the lowest bit of one byte of a file for the length of the block, then put the file back.

    Args:
        position: of the byte, from 0; negative counts from the end.
    """
    original = path.read_bytes()
    path.write_bytes(flipped(original, position))
    try:
        yield
    finally:
        path.write_bytes(original)


def flipped(data: bytes, position: int) -> bytes:
    """Return bytes with the lowest bit of one of them flipped; a negative position counts from the end."""
    at = position % len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
