"""Register rows to profiles: a terminal, its account, its party and its lists folded into one record.

Terminals are many and profiles are few. Rows are therefore folded to an interned tuple first and made a `Profile` once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from groundrule.errors import StoreError
from groundrule.instant import MAX_NS
from groundrule.rules.evidence import Profile
from groundrule.store.durable import durable_file
from groundrule.store.lists import Matcher, quotas_of, resolve, version_of
from groundrule.store.register_view import RegisterView
from groundrule.store.registers import REVISIONS, TABLES, Registers, holds

_CHUNK = 50_000
_KEPT = 2
_CACHED = ("cached",)
_NO_ACCOUNT = (None, None, None, None)
_FOLDED = ("terminals", "accounts", "parties")
_IDENTIFIERS = ("terminal_id", "kit_number", "utid", "dish_id", "account_id")
_COLUMNS = (
    "terminal_id",
    "kit_number",
    "utid",
    "dish_id",
    "account_id",
    "plan",
    "programmes",
    "protected_class",
    "activation_country",
    "registration",
    "cell_state",
    "purpose",
    "software_version",
    "service_lat_deg",
    "service_lon_deg",
)


Remembered = dict[tuple[object, ...], Any]
"""Parts of views that further views of the same registers can take over: they change only where a version begins or ends."""


def load_view(
    registers: Registers, *, valid_at_ns: int, recorded_at_ns: int | None, remembered: Remembered | None = None
) -> RegisterView:
    """Read the registers as they hold at one instant, as known at another; see `RegisterView.load`."""
    kept: Remembered = {} if remembered is None else remembered
    revision = registers.revision(recorded_at_ns)
    entries = list(registers.rows("list_entries", valid_at_ns=valid_at_ns, recorded_at_ns=recorded_at_ns))
    quotas = quotas_of(registers.rows("lists", valid_at_ns=valid_at_ns, recorded_at_ns=recorded_at_ns))
    matcher = Matcher.of(entries)
    with registers.reading() as connection:
        stretch: tuple[object, ...] = _CACHED
        if stretch not in kept:
            stretch = tuple(_stretch(connection, kind, valid_at_ns, recorded_at_ns) for kind in _FOLDED)
        if stretch not in kept:
            kept[stretch] = _fold(connection, valid_at_ns, recorded_at_ns)
    folded: _Folded = kept[stretch]
    for name, values in matcher.wanted.items():
        column = folded.identifiers[name]
        met = np.flatnonzero(pc.is_in(column, pa.array(sorted(values), pa.string())).to_numpy(zero_copy_only=False))
        told = [each.take(pa.array(met)).to_pylist() for each in folded.identifiers.values()]
        for row, *terminal in zip(met.tolist(), *told, strict=True):
            matcher.meet(row, dict(zip(folded.identifiers, terminal, strict=True)))
    on_lists, notes = resolve(entries, quotas, matcher, valid_at_ns=valid_at_ns)
    codes, profiles = _profiles(folded.base_codes, folded.bases, on_lists)
    return RegisterView.from_columns(
        folded.identifiers["terminal_id"],
        codes,
        profiles,
        service_lat_deg=folded.service_lat_deg,
        service_lon_deg=folded.service_lon_deg,
        revision=revision.revision,
        register_digest=revision.digest,
        lists_version=version_of(entries, quotas, valid_at_ns=valid_at_ns),
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class _Folded:
    """Terminals with account and party folded in, without lists; rows in order of terminal id."""

    identifiers: dict[str, pa.StringArray]
    base_codes: NDArray[np.int32]
    bases: list[tuple[Any, ...]]
    service_lat_deg: NDArray[np.float64]
    service_lon_deg: NDArray[np.float64]


def fold_in_cache(folder: Path, registers: Registers, *, valid_at_ns: int) -> Remembered:
    """Return the part of a view that lists do not change, as it is known now, from the cache or put into it.

    Args:
        folder: of the cache; what lies there may be removed at any time.
        registers: the open registers.
        valid_at_ns: the state of the world that is asked for [ns, UTC].
    Returns:
        What `RegisterView.load` takes as `remembered`; only for views of this instant, as known now.
    """
    with registers.reading() as connection:
        changed = sa.select(REVISIONS.c.digest).where(REVISIONS.c.kind.in_(_FOLDED))
        latest = connection.execute(changed.order_by(REVISIONS.c.revision.desc()).limit(1)).scalar()
        path = folder / f"fold-{(latest or 'sha256:empty').removeprefix('sha256:')[:32]}.parquet"
        with suppress(OSError, pa.ArrowException, KeyError, ValueError):
            table = pq.read_table(path)
            about = json.loads((table.schema.metadata or {})[b"groundrule"])
            if int(about["from_ns"]) <= valid_at_ns < int(about["until_ns"]):
                return {_CACHED: _unpacked(table, about["bases"])}
        folded = _fold(connection, valid_at_ns, None)
        since, until = _unchanged(connection, valid_at_ns)
    about = {"from_ns": str(since), "until_ns": str(until), "bases": folded.bases}
    with suppress(StoreError, OSError):
        columns = dict(folded.identifiers) | {
            "base": pa.array(folded.base_codes),
            "lat_deg": pa.array(folded.service_lat_deg, pa.float64()),
            "lon_deg": pa.array(folded.service_lon_deg, pa.float64()),
        }
        with durable_file(path) as stream:
            made = pa.table(columns).replace_schema_metadata({"groundrule": json.dumps(about)})
            pq.write_table(made, stream, compression="none", use_dictionary=False)
        for old in sorted(folder.glob("fold-*.parquet"), key=lambda each: each.stat().st_mtime)[:-_KEPT]:
            old.unlink()
    return {_CACHED: folded}


def _unpacked(table: pa.Table, bases: list[list[Any]]) -> _Folded:
    return _Folded(
        {name: table[name].combine_chunks() for name in _IDENTIFIERS},
        table["base"].to_numpy(),
        [tuple(base) for base in bases],
        table["lat_deg"].to_numpy(),
        table["lon_deg"].to_numpy(),
    )


def _unchanged(connection: Connection, valid_at_ns: int) -> tuple[int, int]:
    """The longest interval around an instant in which no version of what is folded begins or ends."""
    since, until = -(2**63), MAX_NS
    for kind in _FOLDED:
        table = TABLES[kind]
        for column in (table.c.valid_from, table.c.valid_until):
            known = sa.select(sa.func.max(column)).where(table.c.superseded_at == MAX_NS, column <= valid_at_ns)
            since = max(since, connection.execute(known).scalar() or since)
            known = sa.select(sa.func.min(column)).where(table.c.superseded_at == MAX_NS, column > valid_at_ns)
            until = min(until, connection.execute(known).scalar() or until)
    return since, until


def _fold(connection: Connection, valid_at_ns: int, recorded_at_ns: int | None) -> _Folded:
    accounts = _accounts(connection, valid_at_ns, recorded_at_ns)
    table = TABLES["terminals"]
    query = sa.select(*(table.c[name] for name in _COLUMNS)).where(holds(table, valid_at_ns, recorded_at_ns))
    identifiers: dict[str, list[Any]] = {name: [] for name in _IDENTIFIERS}
    base_codes: list[int] = []
    latitudes: list[float] = []
    longitudes: list[float] = []
    bases: dict[tuple[Any, ...], int] = {}
    nowhere = float("nan")
    for chunk in _tuples(connection, query.order_by(table.c.terminal_id)):
        columns = list(zip(*chunk, strict=True))
        for name, column in zip(_IDENTIFIERS, columns, strict=False):
            identifiers[name].append(pa.array(column, pa.string()))
        for row in chunk:
            base = (*row[5:13], *accounts.get(row[4], _NO_ACCOUNT))
            base_codes.append(bases.setdefault(base, len(bases)))
        latitudes += [nowhere if value is None else value for value in columns[13]]
        longitudes += [nowhere if value is None else value for value in columns[14]]
    return _Folded(
        {name: pa.concat_arrays(parts) if parts else pa.array([], pa.string()) for name, parts in identifiers.items()},
        np.array(base_codes, np.int32),
        list(bases),
        np.array(latitudes),
        np.array(longitudes),
    )


def _stretch(connection: Connection, kind: str, valid_at_ns: int, recorded_at_ns: int | None) -> tuple[object, ...]:
    """The last begin and the last end of a version up to an instant: between two of them nothing of the kind changes."""
    table = TABLES[kind]
    known = table.c.superseded_at == MAX_NS
    if recorded_at_ns is not None:
        known = sa.and_(table.c.recorded_at <= recorded_at_ns, table.c.superseded_at > recorded_at_ns)
    edges = []
    for column in (table.c.valid_from, table.c.valid_until):
        edges.append(connection.execute(sa.select(sa.func.max(column)).where(known, column <= valid_at_ns)).scalar())
    return (kind, recorded_at_ns, *edges)


def _accounts(connection: Connection, valid_at_ns: int, recorded_at_ns: int | None) -> dict[str, tuple[Any, ...]]:
    """Account → (state, country, quota, screening of its party)."""
    parties, accounts = TABLES["parties"], TABLES["accounts"]
    screened = sa.select(parties.c.party_id, parties.c.screening).where(holds(parties, valid_at_ns, recorded_at_ns))
    screening = dict(row for chunk in _tuples(connection, screened) for row in chunk)
    query = sa.select(
        accounts.c.account_id, accounts.c.state, accounts.c.country, accounts.c.quota, accounts.c.party_id
    ).where(holds(accounts, valid_at_ns, recorded_at_ns))
    return {
        account: (state, country, quota, screening.get(party))
        for chunk in _tuples(connection, query)
        for account, state, country, quota, party in chunk
    }


def _tuples(connection: Connection, query: sa.Select[Any]) -> Iterator[Sequence[Any]]:
    """Rows in chunks as the driver gives them: SQLAlchemy's rows take half of the time of a fold."""
    made = query.compile(connection.engine, compile_kwargs={"literal_binds": True})  # instants only, no text of anybody
    cursor = connection.connection.cursor()
    try:
        cursor.execute(str(made))
        while chunk := cursor.fetchmany(_CHUNK):
            yield chunk
    finally:
        cursor.close()


def _profiles(
    base_codes: np.ndarray[Any, np.dtype[np.int32]],
    bases: list[tuple[Any, ...]],
    on_lists: dict[int, tuple[tuple[str, str], ...]],
) -> tuple[np.ndarray[Any, np.dtype[np.int32]], list[Profile]]:
    """Intern (base, lists) pairs; rows without lists keep the code of their base."""
    codes = base_codes.copy()
    profiles = [_profile(base, ()) for base in bases]
    met: dict[tuple[int, tuple[tuple[str, str], ...]], int] = {}
    for row, lists in sorted(on_lists.items()):
        pair = (int(base_codes[row]), lists)
        if pair not in met:
            met[pair] = len(profiles)
            profiles.append(_profile(bases[pair[0]], lists))
        codes[row] = met[pair]
    return codes, profiles


def _profile(base: tuple[Any, ...], lists: tuple[tuple[str, str], ...]) -> Profile:
    (
        plan,
        programmes,
        protected_class,
        activation_country,
        registration,
        cell_state,
        purpose,
        software_version,
        account_state,
        account_country,
        quota,
        screening,
    ) = base
    return Profile(
        plan=plan,
        account_state=account_state,
        account_country=account_country,
        activation_country=activation_country,
        registration=registration,
        lists=lists,
        programmes=tuple(programmes.split(";")) if programmes else (),
        protected_class=protected_class or "none",
        quota=quota,
        screening=screening,
        cell_state=cell_state,
        purpose=purpose,
        software_version=software_version,
    )
