"""What detection found and missed of a simulation, in tables: the truth lies beside the files that `simulate` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from groundrule.cli.output import print_table, print_text
from groundrule.detect.cases import cases_of
from groundrule.detect.signals import Signal
from groundrule.errors import InputError
from groundrule.instant import parse_instant
from groundrule.pipeline.case_desk import accounts_of
from groundrule.pipeline.found_and_missed import Comparison, began, compare
from groundrule.pipeline.policies import Policy
from groundrule.store.home import Home
from groundrule.store.registers import Registers

_FILES = ("truth.json", "truth.parquet", "truth_terminals.parquet")


def against_truth(folder: Path, signals: Sequence[Signal], home: Home) -> Comparison:
    """Compare signals with the truth of a simulation.

    Args:
        folder: that `simulate` wrote. signals: of its observations. home: whose registers say who holds which terminal.
    Raises:
        InputError: it is no such folder.
    """
    if absent := [name for name in _FILES if not (folder / name).is_file()]:
        raise InputError(f"`{folder}` has no {absent[0]}", help="name a folder that `groundrule simulate` wrote", option="--truth")
    try:
        start_ns = parse_instant(json.loads((folder / _FILES[0]).read_text(encoding="utf-8"))["start"])
        terminals = pq.read_table(folder / _FILES[2])
        moved = began(_tables(folder / _FILES[1]), start_ns)
        with Registers.open(home) as registers:
            accounts = accounts_of(registers, {one.terminal_id for one in signals})
        return compare(signals, cases_of(signals, account_of=accounts.get), terminals, start_ns, began_ns=moved)
    except (ValueError, KeyError, OSError, pa.ArrowException) as error:
        raise InputError(f"`{folder}` cannot be read: {error}", help="simulate it again", option="--truth") from error


def _tables(path: Path) -> Iterator[pa.Table]:
    for batch in pq.ParquetFile(path).iter_batches(columns=["terminal_id", "observed_at", "speed_m_s"]):
        yield pa.Table.from_batches([batch])


def print_comparison(found: Comparison) -> None:
    """Say what was found, what was missed, and what was said of the innocent."""
    rows = [
        (
            each.kind, f"{each.present:,}", f"{each.found:,}", f"{each.missed:,}", f"{each.in_cases:,}",
            "" if each.delay_s is None else f"{each.delay_s[0]:,.0f} s, at most {each.delay_s[1]:,.0f} s",
        )
        for each in found.findings
    ]  # fmt: skip
    print_table(("what they do", "terminals", "found", "missed", "in a case", "after (median)"), rows)
    told = [
        (
            each.kind, f"{each.terminals:,}", f"{each.accused:,}", f"{each.in_cases:,}",
            ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in each.signals.items()),
        )
        for each in found.innocents
    ]  # fmt: skip
    if told:
        print_table(("innocent", "terminals", "accused", "in a case", "what was said of them"), told)
    about = f"{found.cases:,} cases, {found.false_cases:,} of them about innocents only"
    print_text(f"{about}; nothing was said of {found.unspoken:,} other innocents.")


def print_policies(policies: Sequence[Policy]) -> None:
    """Say whom simple policies would refuse and serve falsely."""
    rows = [
        (
            each.title, f"{each.false_denials:,} of {each.innocent:,}", f"{each.protected:,}",
            f"{each.false_permissions:,} of {each.guilty:,}", ", ".join(f"{count:,} {kind}" for kind, count in each.denied_kinds[:3]),
        )
        for each in policies
    ]  # fmt: skip
    print_table(("policy", "innocents refused", "of them protected", "misused and served", "refused most"), rows)
