"""Homes from which terminals are erased: made, filled by several runs with late rows, and searched afterwards."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from groundrule.instant import parse_instant
from groundrule.pipeline.erasing import Erased, erase_history
from groundrule.pipeline.home_ledger import LedgerSetup, keys_folder, ledger_of
from groundrule.pipeline.manifests import runs
from groundrule.records import DECISION_SCHEMA, OBSERVATION_SCHEMA
from groundrule.store.history import read_exactly
from groundrule.store.home import Home
from late_delivery import deliver
from small_home import RECORDED, make_home, run, stream

NOW = parse_instant("2026-06-01T00:00Z")
BASIS = "GDPR Art. 17(1)(b)"


def filled_home(path: Path, *, seed: int = 3, rows: int = 240, ledger: bool = True, without: Iterable[str] = ()) -> Home:
    """A home with several runs, late rows and repeats; without some terminals, as if they had never been."""
    home = make_home(path, ledger=LedgerSetup() if ledger else None)
    gone = set(without)
    for number, part in enumerate(deliver(stream(seed, rows=rows), seed)[0]):
        left = [row not in gone for row in part["terminal_id"].to_pylist()]
        if any(left):
            run(home, part.filter(pa.array(left)), recorded_at=RECORDED + number)
    return home


def erase(home: Home, subject: str, *, basis: str = BASIS, now_ns: int = NOW) -> Erased:
    """Erase a subject, with the log."""
    with home.writer(), ledger_of(home) or nullcontext() as ledger:
        done = erase_history(home, ledger, subject, basis=basis, now_ns=now_ns)
        if ledger is not None:
            ledger.try_commit()
    return done


def rows_of(home: Home, kind: str) -> list[dict[str, Any]]:
    """All rows of one kind with their run, in the order in which they are stored; without how they are traced back."""
    schema = DECISION_SCHEMA if kind == "decisions" else OBSERVATION_SCHEMA
    found: list[dict[str, Any]] = []
    for number in runs(home):
        for correction in (False, True) if kind == "decisions" else (False,):
            for table in read_exactly(home, kind, number, schema, corrections=correction):
                found += [{**row, "run": number, "correction": correction} for row in table.to_pylist()]
    return found


def names_in(home: Home, name: str) -> list[str]:
    """Files of a home and of its keys, but the public log, in which a text stands: as bytes, in packed files, or in a column.

    Of a short one, as JSON and references have it: three letters alone stand in random bytes and in base64 by chance.
    """
    wanted = [name.encode()] if len(name) > 6 else [form.encode() for form in (f'"{name}"', f"terminal:{name}")]
    found = []
    for root in (home.path, keys_folder(home)):
        for path in sorted(each for each in root.rglob("*") if each.is_file()) if root.exists() else ():
            if root == home.path and path.relative_to(root).parts[0] == "ledger":
                continue
            data = path.read_bytes()
            if path.suffix == ".gz":
                data = gzip.decompress(data)
            if path.suffix == ".parquet":
                data += json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str, ensure_ascii=False).encode()
            if any(each in data for each in wanted):
                found.append(path.relative_to(root).as_posix())
    return found
