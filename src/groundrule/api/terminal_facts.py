"""What routes about terminals share: shapes, parameters, and which decisions about a terminal a reader sees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import pyarrow as pa
from litestar.params import Parameter, QueryParameter

from groundrule.api.paths import missing
from groundrule.api.seen import Sight
from groundrule.api.times import instant_of, when
from groundrule.areas.model import AreaSet
from groundrule.evidence.readers import OWN_FIELDS
from groundrule.pipeline.decided_rows import newest_decided
from groundrule.pipeline.live import Live
from groundrule.store.registers import Registers

OutcomeWord = Literal["serve", "restrict", "review", "deny"]
StateWord = Literal["normal", "degraded", "pending_registration", "never_served"]
OWN_COLUMNS: Final = tuple(name.replace(" ", "_") for name in OWN_FIELDS)
REGULATOR_COLUMNS: Final = ("plan", "programmes", "protected_class", "activation_country", "activated_at", "registration", "purpose")
"""What a regulator reads about a terminal in the register: nothing of whose it is."""
REGISTER_TIMES: Final = frozenset(
    {"valid_from", "valid_until", "recorded_at", "superseded_at", "activated_at", "submitted_at", "expires_at"}
)
_NOT_OF_THE_ROW: Final = ("version", "revision", "governed", "recorded_at", "superseded_at")

At = Annotated[str | None, Parameter(max_length=40, description="The last decision up to this instant; the default is the latest.")]
From = Annotated[str | None, QueryParameter(name="from", max_length=40, description="Observed at this instant or later.")]
Until = Annotated[str | None, Parameter(max_length=40, description="Observed before this instant.")]


class AreaHit(msgspec.Struct):
    """An area in which a position is, or may be.

    Attributes:
        id, name: of the area.
        membership: `inside` or `edge`.
        probability: that the position is inside.
    """

    id: str
    name: str
    membership: str
    probability: float


def newest_seen(
    live: Live, name: str, sight: Sight, rows: int, *, from_ns: int | None = None, until_ns: int | None = None,
    columns: Sequence[str] | None = None,
) -> tuple[pa.Table, bool]:  # fmt: skip
    """Return the newest decisions about a terminal that are seen, in order of time, and whether there may be older ones.

    Args:
        rows: so many at least, where so many are seen: what is older than they is not read.
        from_ns, until_ns: of the observations, half-open [ns, UTC]; None is without end.
        columns: only these, and those that say whether a row is seen; None is all.
    """
    wanted = None if columns is None else [*columns, *(["areas"] if sight.areas is not None else [])]
    enough = rows
    while True:
        found, more = newest_decided(live.home, name, enough, from_ns=from_ns, until_ns=until_ns, columns=wanted)
        seen = sight.of_decisions(name, found)
        if not more or len(seen) >= rows:
            return seen, more
        enough = max(enough, len(found)) * 4


def visible(
    live: Live, name: str, sight: Sight, rows: int, since: str | None, until: str | None, *, before_ns: int | None = None,
    columns: Sequence[str] | None = None,
) -> tuple[pa.Table, bool]:  # fmt: skip
    """Return the newest decisions about a terminal that are seen; `NO_ROWS` where none is in the interval.

    Args:
        rows: so many at least, where so many are seen.
        since, until: of the observations, as they were asked for.
        before_ns: only observations before this instant, for pages [ns, UTC].
        columns: see `newest_seen`.
    Returns:
        The decisions in order of time, and whether there may be older ones.
    Raises:
        Refused: 404, nothing about such a terminal is seen at all.
    """
    begin = None if since is None else instant_of(since, "from")
    end = None if until is None else instant_of(until, "until")
    if before_ns is not None:
        end = before_ns if end is None else min(end, before_ns)
    table, more = newest_seen(live, name, sight, rows, from_ns=begin, until_ns=end, columns=columns)
    if len(table):
        return table, more
    known = (
        sight.row_of(live.fleet(), name) >= 0
        or len(newest_seen(live, name, sight, 1)[0]) > 0
        or register_row(live, name, sight) is not None
    )
    if not known:
        raise missing("terminal", name)
    return NO_ROWS, False


NO_ROWS: Final = pa.table(
    {
        "observed_at": pa.array([], pa.int64()), "run": pa.array([], pa.int32()), "correction": pa.array([], pa.bool_()),
        "superseded": pa.array([], pa.bool_()), "lat_deg": pa.array([], pa.float64()), "lon_deg": pa.array([], pa.float64()),
        "outcome": pa.array([], pa.string()), "state": pa.array([], pa.string()),
    }
)  # fmt: skip


def moment(live: Live, name: str, sight: Sight, at: str | None) -> int | None:
    """Return the instant of the decision that is asked about, of those that are seen; None is the latest of all.

    Raises:
        Refused: 404, no decision about such a terminal is seen.
    """
    at_ns = None if at is None else instant_of(at, "at")
    if not sight.closed:
        return at_ns
    table, _ = newest_seen(live, name, sight, 1, until_ns=None if at_ns is None else at_ns + 1)
    if not len(table):
        raise missing("terminal", name)
    return int(table.column("observed_at")[-1].as_py())


def register_row(live: Live, name: str, sight: Sight) -> dict[str, Any] | None:
    """Return the row of a terminal in the register as it holds now, as far as the reader may see it; None where there is none."""
    now = live.status().stamp
    at_ns = now.decided_at_ns if now is not None else 0
    if sight.held is not None and not sight.owns(name, at_ns):
        return None
    with Registers.open(live.home) as registers:
        rows = list(registers.rows("terminals", valid_at_ns=at_ns, keys=[name]))
    if not rows:
        return None
    seen_now = sight.areas is None or sight.row_of(live.fleet(), name) >= 0
    if not seen_now and not len(newest_seen(live, name, sight, 1)[0]):
        return None
    shown = OWN_COLUMNS if sight.held is not None else REGULATOR_COLUMNS if sight.closed else tuple(rows[0])
    return {
        key: when(value) if key in REGISTER_TIMES and value is not None else value
        for key, value in rows[0].items()
        if key in shown and key not in _NOT_OF_THE_ROW
    }


def area_names(areas: AreaSet) -> Mapping[str, str]:
    """Return the name of each area."""
    return {each.id: each.name for each in areas}


def number(value: Any) -> float | None:
    """Return a number for JSON, which knows none that is not one."""
    return None if value is None or math.isnan(value) else round(float(value), 7)
