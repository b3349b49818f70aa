"""Files to registers: every good row goes in, every bad row is kept with its reason.

1. The header is matched to the register's columns; a near miss is refused with what was probably meant, since a column
   that is silently ignored changes decisions.
2. Rows are read in batches and checked column by column.
3. All good rows go in as one revision: all or none of them, with who imported which file.
4. Bad rows are written to a file of JSON lines.

Until governance exists, imports are marked as ungoverned.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from groundrule.canon import digest, digest_file
from groundrule.errors import InputError
from groundrule.instant import MAX_NS
from groundrule.store import conversions
from groundrule.store.addresses import canonical_address
from groundrule.store.conversions import Mask, is_null, plain
from groundrule.store.durable import durable_file
from groundrule.store.entities import ENTITIES, IDENTIFIERS, NEXT_STATES, UNLIMITED, Attribute, Entity
from groundrule.store.observation_checks import MAX_ID_BYTES, Faults
from groundrule.store.observations import SUFFIXES, open_source
from groundrule.store.raw import Limits, RawBatch, RawSource, listed, suggest
from groundrule.store.registers import TABLES, Recording, Registers
from groundrule.store.rejects import RejectCounts, Rejects
from groundrule.store.telemetry import TelemetrySource
from groundrule.store.terminal_index import TerminalIndex

_VALIDITY = ("valid_from", "valid_until")
_BATCH_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file.

    Attributes:
        kind: the register.
        revision: the revision that the import made, or the one before if nothing changed.
        inserted: things stated for the first time.
        changed: things of which something else is stated now.
        unchanged: things of which nothing new is stated.
        rejected: rows that could not be used.
        by_reason: rejected rows by reason.
        rejected_file: where they are kept, or None if there are none.
        governed: False while no enacted proposal stands behind the import.
        notes: what was assumed or ignored, for people.
    """

    kind: str
    revision: int
    inserted: int
    changed: int
    unchanged: int
    rejected: int
    by_reason: Mapping[str, int]
    rejected_file: Path | None
    governed: bool
    notes: tuple[str, ...]


def import_register(
    registers: Registers,
    kind: str,
    path: Path | str,
    *,
    recorded_at_ns: int,
    actor: str,
    rejected_folder: Path,
    valid_from_ns: int | None = None,
    columns: Mapping[str, str] | None = None,
    governed: bool = False,
    max_line_bytes: int = 1 << 20,
) -> ImportReport:
    """Import a CSV, Parquet or JSON lines file into a register.

    Args:
        registers: opened by the one who holds the home's write lock.
        kind: terminals, accounts, parties, plans, programmes, lists, list_entries or addresses.
        path: the file.
        recorded_at_ns: when this is recorded [ns, UTC]; never before the last revision.
        actor: who imports it.
        rejected_folder: where bad rows are kept, for instance `Home.rejected`.
        valid_from_ns: from when the rows hold [ns, UTC] where they do not say so themselves. None: what is stated of a
            thing for the first time holds from ever, a change from when it is recorded.
        columns: names in the file → names of the register's columns.
        governed: True only for imports that an enacted proposal orders.
        max_line_bytes: longest line of a text file that is read.
    Returns:
        What became of the rows.
    Raises:
        InputError: the file cannot be read at all, or its header does not fit; nothing was imported.
        ConflictError: recorded time would go back. StoreError: the database failed; nothing was imported.
    """
    if kind not in ENTITIES:
        raise InputError(f"there is no register `{kind}`", help=suggest(kind, ENTITIES), value=kind)
    entity, file = ENTITIES[kind], Path(path)
    if not file.is_file():
        raise InputError(
            f"`{file}` does not exist", help=f"name a file that ends in {', '.join(SUFFIXES)}", file=str(file)
        )
    source = open_source(file, file.name, Limits(_BATCH_ROWS, max_line_bytes))
    if isinstance(source, TelemetrySource):
        raise InputError(f"`{file}` is a telemetry reply and no register", help="give it to `decide`", file=str(file))
    header = _Header(entity, columns or {}, file.name)
    if source.names is not None:
        header.match(source.names)
    source_digest = digest_file(file)
    counts = RejectCounts()
    with registers.recording(
        kind,
        recorded_at_ns=recorded_at_ns,
        actor=actor,
        source=file.name,
        source_digest=source_digest,
        governed=governed,
    ) as recording:
        kept = rejected_folder / f"{kind}-r{recording.revision:06d}-{source_digest[7:19]}.jsonl"
        with durable_file(kept) as stream:
            for rows, rejects in _read(source, header, recording, valid_from_ns):
                for distinct in _rounds(rows):
                    recording.put(distinct)
                counts.add(rejects)
                rejects.write_jsonl(stream)
            recording.rejected = counts.total
    if not counts.total:
        kept.unlink()
    changed_something = bool(recording.inserted or recording.changed)
    return ImportReport(
        kind,
        recording.revision if changed_something else recording.revision - 1,
        recording.inserted,
        recording.changed,
        recording.unchanged,
        counts.total,
        dict(counts.by_reason),
        kept if counts.total else None,
        governed,
        tuple(header.notes),
    )


@dataclass(slots=True)
class _Header:
    """Which column of the file is which column of the register."""

    entity: Entity
    explicit: Mapping[str, str]
    file: str
    source_of: dict[str, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.entity.key, *self.entity.attributes, *_VALIDITY)

    def match(self, names: Sequence[str]) -> None:
        """Match the names of a header, or those met so far."""
        self.seen = list(names)
        self.notes = []
        self.source_of = {}
        for theirs, ours in self.explicit.items():
            if ours not in self.targets:
                raise InputError(
                    f"the register `{self.entity.kind}` has no column `{ours}`",
                    help=suggest(ours, self.targets),
                    value=ours,
                )
            if theirs not in names:
                raise InputError(
                    f"`{self.file}` has no column `{theirs}`", help=suggest(theirs, names), file=self.file, field=theirs
                )
            self._take(ours, theirs)
        ignored: list[str] = []
        for name in names:
            if name in self.explicit:
                continue
            plain_name = re.sub(r"[^a-z0-9]+", "_", name.strip().casefold()).strip("_")
            if plain_name in self.targets:
                self._take(plain_name, name)
                continue
            near = difflib.get_close_matches(plain_name, self.targets, 1, 0.8)
            if near:
                raise InputError(
                    f"`{self.file}` has a column `{name}`, which the register `{self.entity.kind}` does not have",
                    help=f"did you mean `{near[0]}`? rename it, or map it: --columns {name}={near[0]}",
                    file=self.file,
                    field=name,
                )
            ignored.append(name)
        derivable = self.entity.kind == "list_entries"
        needed = (*(() if derivable else (self.entity.key,)), *self.entity.required)
        for target in needed:
            if target not in self.source_of:
                raise InputError(
                    f"`{self.file}` has no column `{target}`; it has {listed(list(names))}",
                    help=f"the register `{self.entity.kind}` has {listed(self.targets)}",
                    file=self.file,
                    field=target,
                )
        if ignored:
            self.notes.append(f"{self.file}: columns not used: {listed(ignored)}")

    def _take(self, ours: str, theirs: str) -> None:
        if ours in self.source_of:
            raise InputError(
                f"`{self.file}`: `{self.source_of[ours]}` and `{theirs}` are both `{ours}`",
                help="keep one of them",
                file=self.file,
                field=ours,
            )
        self.source_of[ours] = theirs


def _read(
    source: RawSource, header: _Header, recording: Recording, valid_from_ns: int | None
) -> Iterator[tuple[list[tuple[Any, ...]], Rejects]]:
    seen = TerminalIndex()
    for batch in source.batches():
        new = [name for name in batch.columns if name not in header.seen]
        if source.names is None and new:
            header.match([*header.seen, *new])
        if len(batch.rejects):
            yield [], batch.rejects
        if header.source_of and len(batch.source_rows):
            yield _check(batch, header, recording, seen, valid_from_ns)


def _check(
    batch: RawBatch, header: _Header, recording: Recording, seen: TerminalIndex, valid_from_ns: int | None
) -> tuple[list[tuple[Any, ...]], Rejects]:
    """Convert one batch; return (key, attributes, valid_from, valid_until) of its good rows, and the bad ones."""
    entity, n = header.entity, len(batch.source_rows)
    given = {ours: plain(batch.columns[theirs]) for ours, theirs in header.source_of.items() if theirs in batch.columns}
    faults = Faults(n)
    made: dict[str, Any] = {}
    for column, attribute in {entity.key: Attribute(entity.key_form), **entity.attributes}.items():
        made[column] = _converted(given, column, attribute, faults, header.file)
    for column in _VALIDITY:
        made[column] = _converted(given, column, Attribute("time"), faults, header.file)
    if valid_from_ns is not None:
        made["valid_from"] = pc.fill_null(made["valid_from"], valid_from_ns)
    if entity.kind == "list_entries":
        _complete_entries(made, faults, recording, n)
    _check_key(made[entity.key], entity.key, faults)
    for column in entity.required:
        faults.flag(is_null(made[column]), column, "value_missing", f"every row gives `{column}`")
    if entity.one_of:
        none = np.logical_and.reduce([is_null(made[column]) for column in entity.one_of])
        faults.flag(none, entity.one_of[0], "value_missing", f"every row gives one of {', '.join(entity.one_of)}")
    since = pc.fill_null(made["valid_from"], -(2**63) + 1).to_numpy(zero_copy_only=False)
    until = pc.fill_null(made["valid_until"], MAX_NS).to_numpy(zero_copy_only=False)
    faults.flag(until <= since, "valid_until", "interval_empty", "valid_until lies after valid_from")
    _refuse_repeats(made, entity.key, faults, seen)
    rows = list(zip(*(made[column].to_pylist() for column in header.targets), strict=True))
    good = faults.good
    kept = rows if good.all() else [row for row, fine in zip(rows, good.tolist(), strict=True) if fine]
    return kept, faults.rejects(given, source=header.file, source_rows=batch.source_rows)


def _converted(given: Mapping[str, Any], column: str, attribute: Attribute, faults: Faults, file: str) -> Any:
    """Read one column by its form, flagging what cannot be read."""
    n = faults.rows
    if attribute.form == "time":
        if column not in given:
            return pa.nulls(n, pa.int64())
        values, bad, naive = conversions.to_time(given[column], unit=None, assume_utc=False, file=file, dates=True)
        faults.flag(naive, column, "time_without_zone", "add Z for UTC or an offset such as +02:00")
        faults.flag(bad, column, "time_unreadable", "write for instance 2026-02-01T00:00:00Z")
        return values
    if attribute.form in ("float", "int"):
        kind = pa.float64() if attribute.form == "float" else pa.int64()
        if column not in given:
            return pa.nulls(n, kind)
        values, bad = conversions.to_float(
            _without_unlimited(given[column]) if attribute.form == "int" else given[column]
        )
        numbers = values.to_numpy(zero_copy_only=False)
        advice = f"a number from {attribute.low:g} to {attribute.high:g}"
        faults.flag(bad, column, "not_a_number", advice)
        faults.flag((numbers < attribute.low) | (numbers > attribute.high), column, "out_of_range", advice)
        if attribute.form == "float":
            return values
        fraction = np.nan_to_num(numbers % 1) != 0
        faults.flag(fraction, column, "not_a_number", "a whole number")
        absent = is_null(values) | bad | fraction | (np.abs(numbers) > 2**53)
        return pa.array(np.where(absent, 0, np.nan_to_num(numbers)).astype(np.int64), mask=absent)
    if column not in given:
        return pa.nulls(n, pa.string())
    values, bad = conversions.to_text(_joined(given[column]), integers=True)
    faults.flag(bad, column, "wrong_type", "write text")
    if attribute.form == "country":
        values = pc.utf8_upper(values)
        odd = ~pc.fill_null(pc.match_substring_regex(values, "^[A-Z]{2}$"), True).to_numpy(zero_copy_only=False)
        faults.flag(odd, column, "not_a_country", "two letters, ISO 3166-1 alpha-2")
    elif attribute.form == "tags":
        values, _ = conversions.by_distinct(values, pa.string(), _tags)
    elif attribute.form == "address":
        given_values = values
        values, _ = conversions.by_distinct(values, pa.string(), canonical_address)
        odd = is_null(values) & ~is_null(given_values)
        faults.flag(odd, column, "not_an_address", "192.0.2.7, 192.0.2.7:59765, 192.0.2.7/10.0.0.5, 2001:db8::/64 or +123456789")
    elif attribute.form == "digest":
        values = pc.utf8_lower(values)
        odd = ~pc.fill_null(pc.match_substring_regex(values, "^[0-9a-f]{64}$"), True).to_numpy(zero_copy_only=False)
        faults.flag(odd, column, "not_a_digest", "a salted SHA-256, 64 hexadecimal digits; never what it was made from")
    elif attribute.choices:
        values = pc.utf8_lower(values)
        odd = ~is_null(values) & ~pc.is_in(values, value_set=pa.array(attribute.choices)).to_numpy(zero_copy_only=False)
        faults.flag(odd, column, "value_unknown", f"one of {', '.join(attribute.choices)}")
    return values


def _tags(text: str) -> str | None:
    return ";".join(sorted({tag.strip() for tag in re.split(r"[;,|]", text) if tag.strip()})) or None


def _joined(column: Any) -> Any:
    """Lists of text, as JSON and Parquet have them, as one text."""
    if pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type):
        return pc.binary_join(column, ";")
    return column


def _without_unlimited(column: Any) -> Any:
    if not pa.types.is_string(column.type):
        return column
    unlimited = pc.fill_null(pc.equal(pc.utf8_lower(pc.utf8_trim_whitespace(column)), "unlimited"), False)
    return pc.if_else(unlimited, str(UNLIMITED), column)


def _check_key(keys: Any, column: str, faults: Faults) -> None:
    faults.flag(is_null(keys), column, "key_missing", f"every row names its {column}")
    lengths = pc.fill_null(pc.binary_length(keys), 0).to_numpy(zero_copy_only=False)
    faults.flag(lengths > MAX_ID_BYTES, column, "key_too_long", f"at most {MAX_ID_BYTES} bytes")
    octets = conversions.text_bytes(keys)
    if len(octets) and octets.min() < 32:
        controls = pc.fill_null(pc.match_substring_regex(keys, r"[\x00-\x1f]"), False).to_numpy(zero_copy_only=False)
        faults.flag(controls, column, "key_unprintable", "no control characters")


def _refuse_repeats(made: Mapping[str, Any], key: str, faults: Faults, seen: TerminalIndex) -> None:
    """A thing is stated once per file, or once per valid_from."""
    texts = made[key]
    if made["valid_from"].null_count < len(texts):
        texts = pc.binary_join_element_wise(texts, pc.fill_null(made["valid_from"].cast(pa.string()), ""), "\x1f")
    usable = pc.if_else(pa.array(faults.good), texts, pa.scalar(None, pa.string()))
    before = len(seen)
    rows = seen.add(usable)
    repeated = (rows >= 0) & (rows < before)
    fresh = np.flatnonzero(rows >= before)
    _, first = np.unique(rows[fresh], return_index=True)
    again = np.ones(len(fresh), np.bool_)
    again[first] = False
    repeated[fresh[again]] = True
    faults.flag(
        repeated, key, "repeated_in_file", "the first row was used; state a thing once, or with different valid_from"
    )


def _rounds(rows: Sequence[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Split rows so that no key occurs twice in one part; parts keep the order of the file."""
    met: Counter[str] = Counter()
    parts: list[list[tuple[Any, ...]]] = [[]]
    for row in rows:
        turn = met[row[0]]
        met[row[0]] += 1
        if turn == len(parts):
            parts.append([])
        parts[turn].append(row)
    for part in parts:
        if part:
            yield part


def _complete_entries(made: dict[str, Any], faults: Faults, recording: Recording, n: int) -> None:
    """Give list entries their id and legal class where they have none, and refuse steps that a state cannot take."""
    columns = {
        name: made[name].to_pylist() for name in ("entry_id", "list_id", "holder", "legal_class", "state", *IDENTIFIERS)
    }
    ids = [
        columns["entry_id"][k]
        or "entry-" + digest([columns[name][k] for name in ("list_id", "holder", *IDENTIFIERS)])[7:31]
        for k in range(n)
    ]
    made["entry_id"] = pa.array(ids, pa.string())
    holders = sorted({holder for holder in columns["holder"] if holder})
    classes = _legal_classes(recording, holders)
    filled = [columns["legal_class"][k] or classes.get(columns["holder"][k]) for k in range(n)]
    made["legal_class"] = pa.array(filled, pa.string())
    unknown = np.array([legal_class is None for legal_class in filled], np.bool_)
    faults.flag(
        unknown, "legal_class", "legal_class_unknown", "give it here, or in the register of parties for the holder"
    )
    now = {key: versions[-1].state for key, versions in recording.current(ids).items()}
    illegal: Mask = np.zeros(n, np.bool_)
    for k in range(n):
        state, before = columns["state"][k], now.get(ids[k])
        illegal[k] = before is not None and state is not None and state not in NEXT_STATES[before]
    faults.flag(
        illegal,
        "state",
        "step_not_allowed",
        "submitted, pending, active, revoked, in this order; a revoked entry is submitted again",
    )


def _legal_classes(recording: Recording, holders: Sequence[str]) -> dict[str, str]:
    parties = TABLES["parties"]
    found: dict[str, str] = {}
    for first in range(0, len(holders), 10_000):
        query = sa.select(parties.c.party_id, parties.c.legal_class).where(
            parties.c.party_id.in_(holders[first : first + 10_000]),
            parties.c.superseded_at == MAX_NS,
            parties.c.valid_until == MAX_NS,
        )
        found |= {row[0]: row[1] for row in recording.connection.execute(query) if row[1]}
    return found
