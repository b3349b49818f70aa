"""Register rows to profiles: a terminal, its account, its party and its lists folded into one record.

Terminals are many and profiles are few. Rows are therefore folded to an interned tuple first and made a `Profile` once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from groundrule.rules.evidence import Profile
from groundrule.store.lists import Matcher, quotas_of, resolve, version_of
from groundrule.store.register_view import RegisterView
from groundrule.store.registers import TABLES, Registers, holds

_CHUNK = 50_000
_NO_ACCOUNT = (None, None, None, None)
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


def load_view(registers: Registers, *, valid_at_ns: int, recorded_at_ns: int | None) -> RegisterView:
    """Read the registers as they hold at one instant, as known at another; see `RegisterView.load`."""
    revision = registers.revision(recorded_at_ns)
    accounts = _accounts(registers, valid_at_ns, recorded_at_ns)
    entries = list(registers.rows("list_entries", valid_at_ns=valid_at_ns, recorded_at_ns=recorded_at_ns))
    quotas = quotas_of(registers.rows("lists", valid_at_ns=valid_at_ns, recorded_at_ns=recorded_at_ns))
    matcher = Matcher.of(entries)
    table = TABLES["terminals"]
    query = sa.select(*(table.c[name] for name in _COLUMNS)).where(holds(table, valid_at_ns, recorded_at_ns))
    ids: list[Any] = []
    base_codes: list[int] = []
    latitudes: list[float] = []
    longitudes: list[float] = []
    bases: dict[tuple[Any, ...], int] = {}
    nowhere = float("nan")
    identified = any(matcher.wanted.values())
    with registers.reading() as connection:
        found = connection.execution_options(yield_per=_CHUNK).execute(query.order_by(table.c.terminal_id))
        row_number = 0
        for chunk in found.partitions():
            ids.append(pa.array([row[0] for row in chunk], pa.string()))
            for row in chunk:
                if identified:
                    matcher.meet(row_number, dict(row._mapping))
                row_number += 1
                base = (*row[5:13], *accounts.get(row[4], _NO_ACCOUNT))
                base_codes.append(bases.setdefault(base, len(bases)))
                latitudes.append(nowhere if row[13] is None else row[13])
                longitudes.append(nowhere if row[14] is None else row[14])
    on_lists, notes = resolve(entries, quotas, matcher, valid_at_ns=valid_at_ns)
    codes, profiles = _profiles(np.array(base_codes, np.int32), list(bases), on_lists)
    return RegisterView.from_columns(
        pa.concat_arrays(ids) if ids else pa.array([], pa.string()),
        codes,
        profiles,
        service_lat_deg=np.array(latitudes),
        service_lon_deg=np.array(longitudes),
        revision=revision.revision,
        register_digest=revision.digest,
        lists_version=version_of(entries, quotas, valid_at_ns=valid_at_ns),
        notes=notes,
    )


def _accounts(registers: Registers, valid_at_ns: int, recorded_at_ns: int | None) -> dict[str, tuple[Any, ...]]:
    """Account → (state, country, quota, screening of its party)."""
    screening = {
        row["party_id"]: row["screening"]
        for row in registers.rows("parties", valid_at_ns=valid_at_ns, recorded_at_ns=recorded_at_ns)
    }
    return {
        row["account_id"]: (row["state"], row["country"], row["quota"], screening.get(row["party_id"]))
        for row in registers.rows("accounts", valid_at_ns=valid_at_ns, recorded_at_ns=recorded_at_ns)
    }


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
