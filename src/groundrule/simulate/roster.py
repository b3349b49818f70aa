"""Who is in a fleet: groups of like terminals are added one by one, then shuffled, numbered and written as registers.

All people, companies and terminals are invented, and their names end in `(invented)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.errors import OutOfRange
from groundrule.instant import NS_PER_DAY
from groundrule.simulate.journeys import Timetable

Floats = NDArray[np.float64]

INVENTED = "(invented)"
CURRENT_SOFTWARE = ("2026.01.18.mr74210", "2026.01.29.mr75013", "2025.12.30.mr72888")

_DEFAULTS: Mapping[str, Any] = {
    "plan": "residential",
    "programmes": "",
    "protected_class": "none",
    "country": "US",
    "activation_country": None,  # None: that of the account
    "service_lat_deg": np.nan,
    "service_lon_deg": np.nan,
    "active_days": 0.0,  # 0: some time in the last three years
    "software_version": "",
    "registration": "registered",
    "cell_state": "enabled",
    "purpose": "civil",
    "account_state": "active",
    "quota": "ok",
    "party_kind": "person",
    "legal_class": "individual",
    "screening": "clear",
    "registered": True,
    "mode": "gnss",  # gnss, fused, network, cell, none, stale, silent
    "h3_resolution": 0,
    "sigma_m": 0.0,  # 0: 3 to 15 m
    "ground_m": 0.0,
    "reports_speed": False,
    "history_days": 0,
    "asleep_days": 0,  # silent for so long between its history and the start
    "past_lat_deg": np.nan,  # where it was in its history; not-a-number: where it is at the start
    "past_lon_deg": np.nan,
    "traffic": -1,  # -1: not measured, 0: no data flows, 1: it flows
    "shift_lat_deg": 0.0,
    "shift_lon_deg": 0.0,
    "late_ns": 0,  # its reports come so long after the others' [ns]
    "clone": False,  # uses the identity of another
}


@dataclass(frozen=True, slots=True)
class ListPlace:
    """A place on a list for every terminal of a group.

    Attributes:
        list_id: ua-allow, ua-closed, ua-speed-waiver, humanitarian.
        state: submitted, pending, active, revoked.
        since_days, until_days: from and until when, in days before and after the start of the fleet; None: no end.
        sponsor: who vouches, or None.
    """

    list_id: str
    state: str = "active"
    since_days: float = 6.0
    until_days: float | None = None
    sponsor: str | None = None


@dataclass(frozen=True, slots=True)
class Registers:
    """What the operator's registers say, as Arrow tables.

    Attributes:
        terminals: one row per registered terminal; `kind` is the simulation's truth and no register knows it.
        accounts, parties, list_entries: as the store imports them.
    """

    terminals: pa.Table
    accounts: pa.Table
    parties: pa.Table
    list_entries: pa.Table

    def items(self) -> tuple[tuple[str, pa.Table], ...]:
        """Pairs (kind of register, table), in the order in which they are imported."""
        return (
            ("parties", self.parties),
            ("accounts", self.accounts),
            ("terminals", self.terminals),
            ("list_entries", self.list_entries),
        )


@dataclass(slots=True)
class Roster:
    """Collects groups of terminals.

    Attributes:
        rng: source of chance for what is not given.
        start_ns: start of the fleet [ns, UTC].
    """

    rng: np.random.Generator
    start_ns: int
    _groups: list[dict[str, Any]] = field(default_factory=list)
    _travels: list[Timetable | None] = field(default_factory=list)
    _lists: list[tuple[ListPlace, ...]] = field(default_factory=list)
    _holders: list[int] = field(default_factory=list)
    size: int = 0

    def add(
        self,
        kind: str,
        where: tuple[Floats, Floats] | Timetable,
        *,
        per_holder: int = 1,
        holders_of: str | None = None,
        lists: Sequence[ListPlace] = (),
        **attributes: Any,
    ) -> None:
        """Add a group.

        Args:
            kind: truth about what these terminals are.
            where: latitudes and longitudes of things at rest [degree], or the timetable of moving ones.
            per_holder: terminals that share an account and its holder.
            holders_of: kind of a group that stands before, whose holders hold these too, in turn.
            lists: places on lists.
            **attributes: scalars or arrays of shape (n,), by the names in `_DEFAULTS`.
        """
        travel = where if isinstance(where, Timetable) else None
        n = len(travel.path) if travel is not None else len(where[0])  # type: ignore[index]  # a pair, if no timetable
        if n == 0:
            return
        unknown = attributes.keys() - _DEFAULTS.keys()
        assert not unknown, f"no attributes {sorted(unknown)}"
        group = {name: _column(attributes.get(name, default), n) for name, default in _DEFAULTS.items()}
        group["kind"] = _column(kind, n)
        if isinstance(where, tuple):
            group["lat_deg"], group["lon_deg"] = where
        else:
            group["lat_deg"] = group["lon_deg"] = np.zeros(n)
        if isinstance(where, tuple):
            fixed = np.isin(group["plan"].astype(str), ("residential", "business"))
            for name in ("lat_deg", "lon_deg"):
                missing = fixed & np.isnan(group[f"service_{name}"].astype(np.float64))
                near = group[name] + self.rng.uniform(-0.002, 0.002, n)
                group[f"service_{name}"] = np.where(missing, near, group[f"service_{name}"])
        holders = np.arange(n) // per_holder
        before = self._holders[-1] if self._holders else 0
        if holders_of is None:
            group["holder"] = holders + before
            self._holders.append(int(group["holder"][-1]) + 1)
        else:
            theirs = np.concatenate([np.unique(one["holder"]) for one in self._groups if one["kind"][0] == holders_of])
            group["holder"] = theirs[np.arange(n) % len(theirs)]
            self._holders.append(before)
        group["group"] = np.full(n, len(self._groups))
        group["moving"] = np.full(n, travel is not None)
        self._groups.append(group)
        self._travels.append(travel)
        self._lists.append(tuple(lists))
        self.size += n

    def close(self) -> tuple[dict[str, NDArray[Any]], Timetable | None, NDArray[np.int64], Registers]:
        """Shuffle and number all terminals.

        Returns:
            Columns by name, in the order of the terminals' numbers; the timetable of the moving ones; the row of each
            entry of that timetable; the registers.
        """
        if not self.size:
            raise OutOfRange("a fleet has at least one terminal", value=0)
        order = self.rng.permutation(self.size)
        columns = {name: np.concatenate([group[name] for group in self._groups])[order] for name in self._groups[0]}
        travels = [travel for travel in self._travels if travel is not None]
        moving_before = np.flatnonzero(np.concatenate([group["moving"] for group in self._groups]))
        rank = np.empty(self.size, np.int64)
        rank[order] = np.arange(self.size)
        n, rng = self.size, self.rng
        columns["terminal_id"] = _ids("ut-{:02d}-{:06d}", n, 1_000_000)
        age = np.where(columns["active_days"] > 0, columns["active_days"], rng.uniform(20, 1100, n))
        columns["activated_at"] = self.start_ns - (age * NS_PER_DAY).astype(np.int64)
        current = np.array(CURRENT_SOFTWARE, object)[rng.choice(3, n, p=[0.5, 0.35, 0.15])]
        columns["software_version"] = np.where(columns["software_version"] == "", current, columns["software_version"])
        absent = columns["activation_country"] == None  # noqa: E711 - element by element
        columns["activation_country"] = np.where(absent, columns["country"], columns["activation_country"])
        columns["sigma_m"] = np.where(columns["sigma_m"] > 0, columns["sigma_m"], rng.uniform(3.0, 15.0, n))
        timetable = Timetable.join(travels) if travels else None
        return columns, timetable, rank[moving_before], self._registers(columns)

    def _registers(self, columns: Mapping[str, NDArray[Any]]) -> Registers:
        known = columns["registered"].astype(bool)
        rows = np.flatnonzero(known)
        take = {name: values[rows] for name, values in columns.items()}
        holders, first, of = np.unique(take["holder"], return_index=True, return_inverse=True)
        party_ids = np.array([f"party-{k + 1:06d}" for k in range(len(holders))], object)
        account_ids = np.array(
            [f"ACC-{k + 1:06d}-{(k * 7919) % 89989 + 10000:05d}" for k in range(len(holders))], object
        )
        kinds = take["party_kind"][first]
        words = {"person": "Person", "organisation": "Company", "state": "Public body"}
        names = [f"{words[kind]} {k + 1:06d} {INVENTED}" for k, kind in enumerate(kinds)]
        text, number = pa.string(), pa.float64()
        parties = pa.table(
            {
                "party_id": pa.array(party_ids, text),
                "name": pa.array(names, text),
                "kind": pa.array(kinds, text),
                "legal_class": pa.array(take["legal_class"][first], text),
                "screening": pa.array(take["screening"][first], text),
            }
        )
        accounts = pa.table(
            {
                "account_id": pa.array(account_ids, text),
                "party_id": pa.array(party_ids, text),
                "country": pa.array(take["country"][first], text),
                "state": pa.array(take["account_state"][first], text),
                "quota": pa.array(take["quota"][first], text),
            }
        )
        terminals = pa.table(
            {
                "terminal_id": pa.array(take["terminal_id"], text),
                "kit_number": pa.array([f"KIT{k + 1:09d}" for k in rows], text),
                "account_id": pa.array(account_ids[of], text),
                **{name: pa.array(take[name], text) for name in ("plan", "programmes", "protected_class")},
                **{
                    name: pa.array(take[name], number, from_pandas=True)
                    for name in ("service_lat_deg", "service_lon_deg")
                },
                "activation_country": pa.array(take["activation_country"], text),
                "activated_at": pa.array(take["activated_at"], pa.int64()),
                **{
                    name: pa.array(take[name], text)
                    for name in ("software_version", "registration", "cell_state", "purpose", "kind")
                },
            }
        )
        return Registers(terminals, accounts, parties, self._entries(take, party_ids[of]))

    def _entries(self, take: Mapping[str, NDArray[Any]], holder: NDArray[Any]) -> pa.Table:
        made: dict[str, list[Any]] = {name: [] for name in _ENTRY_SCHEMA.names}
        for g, places in enumerate(self._lists):
            rows = np.flatnonzero(take["group"] == g) if places else ()
            for place in places:
                since = self.start_ns - int(place.since_days * NS_PER_DAY)
                until = None if place.until_days is None else self.start_ns + int(place.until_days * NS_PER_DAY)
                for row in rows:
                    made["list_id"].append(place.list_id)
                    made["terminal_id"].append(take["terminal_id"][row])
                    made["state"].append(place.state)
                    made["legal_class"].append(take["legal_class"][row])
                    made["holder"].append(holder[row])
                    made["sponsor"].append(place.sponsor)
                    made["valid_from"].append(since)
                    made["expires_at"].append(until)
        table = pa.table(made, _ENTRY_SCHEMA)
        return table.sort_by([("list_id", "ascending"), ("terminal_id", "ascending")])


_ENTRY_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("list_id", "terminal_id", "state", "legal_class", "holder", "sponsor")]
    + [("valid_from", pa.int64()), ("expires_at", pa.int64())]
)


def _column(value: Any, n: int) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        assert value.shape == (n,), f"a column of {value.shape} for {n} terminals"
        return value.astype(object) if value.dtype.kind in "US" else value
    return np.full(n, value, object if value is None or isinstance(value, str) else None)


def _ids(form: str, n: int, base: int) -> NDArray[Any]:
    return np.array([form.format(*divmod(k + base, base)) for k in range(n)], object)
