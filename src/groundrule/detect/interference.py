"""Trouble with satellite navigation over an area, told from the trouble of single terminals.

Every `step_s` the latest word of each terminal that spoke within the last minute is counted per H3 cell: how many witnesses
there are, and how many of them are displaced (`jump`), without a position (`lost`), or contradicted by their radio link
(`radio_disagrees`). `detect.area_test` says when that is an anomaly of the area. From then on, and for `hold_s` beyond the
last time, positions that terminals of that area report of themselves are suspended: they neither convict nor acquit.

Causal: a row at t is judged by steps that ended at least `lateness_s` before t, so the answer depends on what had been
observed, never on how rows were batched. Rows that come later than that are answered, counted as late, and not tested.
Attackers: `AreaTest`. A terminal that switches its satellite navigation off is `inhibited`: it is no witness, and it
suspends nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.detect.gnss_track import (
    ABSENT,
    INHIBITED,
    JUMPED,
    LOST,
    NETWORK,
    RADIO,
    REPORTED,
    SETTLED,
    SKIPPED,
    Tracks,
)
from groundrule.detect.h3_words import cells_at, centres, resolution_of
from groundrule.detect.interference_settings import InterferenceSettings
from groundrule.detect.radio_witness import RadioWitnesses
from groundrule.detect.suspicion import Suspicions
from groundrule.detect.words_spoken import EVENT_DTYPE
from groundrule.instant import MIN_NS

KINDS = ("jump", "lost", "radio_disagrees")
_BITS = (JUMPED, LOST, RADIO)
_NOT_ASKED = -2
COARSEST = 4
"""Positions that are cells of a coarser H3 resolution than this tell nothing about navigation."""

INTERFERENCE_SCHEMA = pa.schema(
    [
        pa.field("h3_cell", pa.uint64(), nullable=False, metadata={"unit": "H3 index"}),
        pa.field("from_ns", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC; known and suspending from here"}),
        pa.field("until_ns", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC; suspending until here"}),
        pa.field("kind", pa.string(), nullable=False, metadata={"values": "jump|radio_disagrees|lost"}),
        pa.field("terminals", pa.int32(), nullable=False, metadata={"meaning": "troubled witnesses' terminals, at most at once"}),
        pa.field("share", pa.float32(), nullable=False, metadata={"meaning": "of the witnesses, troubled, at the strongest step"}),
        pa.field("p_value", pa.float64(), nullable=False, metadata={"meaning": "smallest, colluders taken away"}),
        pa.field("accounts", pa.int32(), nullable=False, metadata={"meaning": "troubled witnesses at the strongest step"}),
        pa.field("witnesses", pa.int32(), nullable=False, metadata={"meaning": "all witnesses at the strongest step"}),
        pa.field("base_rate", pa.float64(), nullable=False, metadata={"meaning": "what was usual in this cell"}),
        pa.field("began_ns", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC; start of the first step that told"}),
        pa.field("pattern", pa.string(), metadata={"values": "point|circle|shift|scattered; jumps only"}),
        pa.field("claimed_lat_deg", pa.float64(), metadata={"unit": "degree, middle of the positions shown in the area"}),
        pa.field("claimed_lon_deg", pa.float64(), metadata={"unit": "degree"}),
        pa.field("claimed_radius_m", pa.float64(), metadata={"unit": "m, median distance of the positions shown from there"}),
    ]
)
"""One anomaly of one cell and kind, sorted by from_ns, h3_cell and kind."""

SPARED_SCHEMA = pa.schema([INTERFERENCE_SCHEMA.field(name) for name in ("h3_cell", "from_ns", "until_ns", "kind")])
"""One finest cell that was spared for one kind and time, sorted by from_ns, h3_cell and kind."""

AccountOf = Callable[[Sequence[str]], Sequence[str | None]]
"""Accounts of terminals; None for a terminal without one, which is then no witness."""

Served = Callable[[Sequence[str], NDArray[np.float64], NDArray[np.float64], int], NDArray[np.bool_]]
"""Which terminals would be served at a latitude and longitude [degree] and instant [ns, UTC]: who is denied at home is no witness."""


@dataclass(frozen=True, slots=True)
class Anomalies:
    """What was found.

    Attributes:
        table: INTERFERENCE_SCHEMA.
        spared: SPARED_SCHEMA: finest cells that are calm by their own witnesses while a coarse cell above them is suspended.
        tests: cells tested, over all steps and kinds: with `alpha` it bounds the false alarms that chance alone gives.
        late: rows that came too late to be counted.
        inhibited: rows of terminals that switched satellite navigation off themselves.
        rows: rows that were looked at.
        settings: how was watched.
    """

    table: pa.Table
    spared: pa.Table
    tests: int
    late: int
    inhibited: int
    rows: int
    settings: InterferenceSettings


def find(
    observations: pa.Table,
    verifications: pa.Table | None = None,
    *,
    accounts: Mapping[str, str] | AccountOf | None = None,
    settings: InterferenceSettings | None = None,
    served: Served | None = None,
) -> Anomalies:
    """Find area-wide anomalies in observations; pure, and the same for every order of the rows.

    Args:
        observations: OBSERVATION_SCHEMA, or the columns of it that say when, who and where.
        verifications: verdicts of terminals by radio (terminal_id, at_ns, verdict, lat_deg, lon_deg).
        accounts: account of each terminal; without it terminals stand for accounts, and more of them are asked for.
        settings: how to watch.
        served: says who is served where; None takes everybody with an account for a witness.
    """
    watch = InterferenceWatch(accounts=accounts, settings=settings, served=served)
    watch.update(in_order(observations), verifications)
    watch.finish()
    return watch.anomalies()


def suspend(table: pa.Table, anomalies: Anomalies | pa.Table) -> pa.Table:
    """Set `gnss_state` to `suspended` where a row's terminal was at home in a cell while that cell was suspended.

    Uses of each terminal only its rows up to the row, and of the anomalies only those that were known by then. Rows of one
    terminal must be in the order of their times; terminals are judged by where they last were calm, so a position that
    was moved away by the interference does not take its terminal out of the area. Inhibited rows and positions that the
    network made stay as they are. A table alone spares no cell.
    """
    settings = anomalies.settings if isinstance(anomalies, Anomalies) else InterferenceSettings()
    watch = InterferenceWatch(settings=settings)
    found = anomalies.table if isinstance(anomalies, Anomalies) else anomalies
    watch.suspicions.load(found)
    if isinstance(anomalies, Anomalies):
        watch.suspicions.load_spared(anomalies.spared)
    return watch.follow(table)


def in_order(table: pa.Table) -> pa.Table:
    """Sort observations by instant, terminal and content, so that every permutation of the rows gives one order."""
    names = ["observed_at", "terminal_id"]
    rest = ("lat_deg", "lon_deg", "h3_cell", "position_sigma_m", "position_source", "gnss_state")
    names += [name for name in rest if name in table.column_names]
    return table.take(pc.sort_indices(table, sort_keys=[(name, "ascending") for name in names]))


@dataclass(slots=True)
class InterferenceWatch:
    """Watches a stream of observations; what the live desk, `find` and `suspend` use.

    Args:
        accounts: account of each terminal; without it terminals stand for accounts.
        settings: how to watch.
        number: rows of terminals, where the caller numbers them already; the numbering must only ever grow.
        served: says who is served where; it is asked only of cells that might be suspended, and only where accounts are known.
        named: gives back the terminals of rows; with `number` and `served`.

    Attributes:
        late: rows that came too late to be counted, or back in time within their terminal.
        inhibited: rows of terminals that switched satellite navigation off themselves.
        rows: rows seen.
    """

    accounts: Mapping[str, str] | AccountOf | None = None
    settings: InterferenceSettings | None = None
    number: Callable[[pa.Array | pa.ChunkedArray], NDArray[np.int32]] | None = None
    served: Served | None = None
    named: Callable[[NDArray[np.int32]], Sequence[str]] | None = None
    suspicions: Suspicions = field(init=False)
    late: int = field(init=False, default=0)
    inhibited: int = field(init=False, default=0)
    rows: int = field(init=False, default=0)
    _tracks: Tracks = field(init=False)
    _radio: RadioWitnesses = field(init=False)
    _known: dict[str, int] = field(init=False, default_factory=dict)
    _account_of_terminal: NDArray[np.int32] = field(init=False)
    _account_codes: dict[str, int] = field(init=False, default_factory=dict)
    _names: list[str] = field(init=False, default_factory=list)
    _watermark: int = field(init=False, default=MIN_NS)
    _how: InterferenceSettings = field(init=False)

    def __post_init__(self) -> None:
        self._how = self.settings or InterferenceSettings()
        self._tracks = Tracks.empty(self._how.track)
        self._radio = RadioWitnesses(self._how.track)
        test = self._how.test if self.accounts is not None else self._how.nameless
        asks = self.served is not None and self.accounts is not None
        self.suspicions = Suspicions(self._how, test, KINDS, _BITS, self._welcome if asks else None)
        self._account_of_terminal = np.zeros(0, np.int32)

    def update(self, table: pa.Table, verifications: pa.Table | None = None, *, now_ns: int | None = None) -> pa.Table:
        """Take a batch and return it with `gnss_state`.

        Args:
            table: observations in the order in which they came; within one terminal, times do not go back.
            verifications: verdicts that became known since the last batch.
            now_ns: clock of the caller; rows from beyond it do not make others late [ns, UTC].
        """
        if verifications is not None and len(verifications):
            self._take_verifications(verifications)
        return self._run(table, now_ns, counts=True)

    def follow(self, table: pa.Table) -> pa.Table:
        """Return a batch with `gnss_state` by what is known already; finds nothing new."""
        return self._run(table, None, counts=False)

    def answer(self, table: pa.Table, *, now_ns: int | None = None) -> pa.Table:
        """Return a batch with `gnss_state` by what is known already, and learn nothing from it.

        For who must not remember rows before they are stored; he gives them to `update` afterwards. Steps that the batch's
        newest row brings to an end are counted; a terminal is where it last was at home before the batch.

        Args:
            table: observations.
            now_ns: clock of the caller; rows from beyond it end no steps [ns, UTC].
        """
        t_ns = table.column("observed_at").to_numpy().astype(np.int64)
        if not len(t_ns):
            return table
        newest = int(t_ns.max()) if now_ns is None else min(int(t_ns.max()), now_ns)
        self._watermark = max(self._watermark, newest)
        self.suspicions.close(int(self.suspicions.steps_ended(np.array([self._watermark]))[0]), self._account_of_terminal)
        if not self.suspicions.any_at(int(t_ns.min())):
            return table
        terminal = self._numbers(table.column("terminal_id"))
        lat, lon, sigma, said = places(table)
        place = self._tracks.rows["cell"][terminal]
        fresh = np.flatnonzero((place < 0) & np.isfinite(lat))
        place[fresh] = self.suspicions.codes(cells_at(lat[fresh], lon[fresh], self._how.resolutions[0]))
        own = (said == REPORTED) | (said == ABSENT)
        settled = (said == REPORTED) & ~contradicted(table) & self._tracks.settled(terminal, t_ns, lat, lon, sigma)
        return with_state(table, self.suspicions.holds(place, t_ns, settled) & own)

    def ask_again(self, accounts: Mapping[str, str] | AccountOf) -> None:
        """Take other accounts from now on: every terminal is asked for anew when it next speaks."""
        self.accounts = accounts
        self._account_of_terminal[:] = _NOT_ASKED

    def finish(self) -> None:
        """Count what is pending, as if time had gone on."""
        self.suspicions.close_all(self._account_of_terminal)

    def forget(self, before_ns: int) -> None:
        """Leave out anomalies that ended before an instant [ns, UTC], so that a service that runs for months keeps its size."""
        self.suspicions.forget(before_ns)

    def anomalies(self) -> Anomalies:
        """What was found so far."""
        found, spared = (
            pa.Table.from_pylist(sorted(rows, key=lambda row: (row["from_ns"], row["h3_cell"], row["kind"])), schema=schema)
            for rows, schema in ((self.suspicions.found(), INTERFERENCE_SCHEMA), (self.suspicions.spared(), SPARED_SCHEMA))
        )
        late = self.late + self.suspicions.late
        return Anomalies(found, spared, self.suspicions.tests, late, self.inhibited, self.rows, self._how)

    # --- steps --------------------------------------------------------------------------------------------------------

    def _run(self, table: pa.Table, now_ns: int | None, *, counts: bool) -> pa.Table:
        n = len(table)
        if not n:
            return with_state(table, np.zeros(0, bool))
        terminal = self._numbers(table.column("terminal_id"))
        t_ns = np.asarray(table.column("observed_at").to_numpy()).astype(np.int64)
        lat, lon, sigma, said = places(table)
        before_lat, before_lon = self._tracks.rows["lat_home"][terminal], self._tracks.rows["lon_home"][terminal]
        flags, home, homes = self._tracks.advance(terminal, t_ns, lat, lon, sigma, said)
        before = self._tracks.rows["cell"][terminal]
        begun = self.suspicions.codes(cells_at(homes[:, 0], homes[:, 1], self._how.resolutions[0]))
        self._tracks.settle(homes, begun)
        place = np.where(home >= 0, begun[home], before) if len(begun) else before
        self.rows += n
        self.inhibited += int((said == INHIBITED).sum())
        self.late += int((flags == SKIPPED).sum())
        speaks = (said == REPORTED) | (said == ABSENT) | (said == INHIBITED)
        own = (said == REPORTED) | (said == ABSENT)
        settled = ((flags & SETTLED) > 0) & (flags != SKIPPED) & ~contradicted(table)
        if not counts:
            return with_state(table, self.suspicions.holds(place, t_ns, settled) & own)
        events = np.empty(n, EVENT_DTYPE)
        events["t"], events["terminal"], events["cell"], events["flags"] = t_ns, terminal, place, flags
        events["lat"], events["lon"] = lat, lon
        fresh = home >= 0
        events["home_lat"], events["home_lon"] = before_lat, before_lon
        events["home_lat"][fresh], events["home_lon"][fresh] = homes[home[fresh], 0], homes[home[fresh], 1]
        used = speaks & (flags != SKIPPED) & (place >= 0)
        # The newest instant up to each row; each row is judged by the steps that it, or a row before it, brings to an end.
        reached = t_ns if now_ns is None else np.minimum(t_ns, now_ns)
        newest = np.maximum(np.maximum.accumulate(reached), self._watermark)
        self._watermark = int(newest[-1])
        ended = self.suspicions.steps_ended(newest)
        hit = np.zeros(n, bool)
        cuts = [0, *(np.flatnonzero(np.diff(ended)) + 1).tolist(), n]
        for first, last in pairwise(cuts):
            self.suspicions.close(int(ended[first]), self._account_of_terminal)
            part = slice(first, last)
            self.suspicions.add(events[part][used[part]])
            hit[part] = self.suspicions.holds(place[part], t_ns[part], settled[part])
        return with_state(table, hit & own)

    def _take_verifications(self, verifications: pa.Table) -> None:
        ordered = verifications.take(pc.sort_indices(verifications, sort_keys=[("at_ns", "ascending"), ("terminal_id", "ascending")]))
        terminal = self._numbers(ordered.column("terminal_id"))
        events, lat, lon, terminals = self._radio.take(terminal, ordered)
        homes = self._tracks.rows["cell"][terminals]
        cells = cells_at(lat, lon, self._how.resolutions[0])
        codes = np.where(cells > 0, self.suspicions.codes(cells), homes)
        events["cell"] = codes
        self.suspicions.add_radio(events[codes >= 0])

    def _numbers(self, ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int32]:
        if self.number is not None:
            rows = self.number(ids)
        else:
            coded = (ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids).dictionary_encode()
            known = self._known
            codes = [known.setdefault(name, len(known)) for name in coded.dictionary.to_pylist()]
            rows = np.array(codes, np.int32)[coded.indices.to_numpy()]
        self._tracks.grow(int(rows.max(initial=-1)) + 1)
        self._radio.grow(len(self._tracks.rows))
        self._learn_accounts(ids, rows)
        return rows

    def _learn_accounts(self, ids: pa.Array | pa.ChunkedArray, rows: NDArray[np.int32]) -> None:
        """Give the terminals that came into view the code of their account; -1 without one."""
        codes = self._account_of_terminal
        if len(codes) < len(self._tracks.rows):
            more = np.full(len(self._tracks.rows), _NOT_ASKED, np.int32)
            more[: len(codes)] = codes
            if self.accounts is None:
                more[len(codes) :] = np.arange(len(codes), len(more), dtype=np.int32)
            codes = self._account_of_terminal = more
        unknown = codes[rows] == _NOT_ASKED
        if self.accounts is None or not unknown.any():
            return
        asked = np.flatnonzero(unknown)
        fresh, first = np.unique(rows[asked], return_index=True)
        names = pc.take(ids, pa.array(asked[first])).to_pylist()
        if isinstance(self.accounts, Mapping):
            accounts: Sequence[str | None] = [self.accounts.get(name) for name in names]
        else:
            accounts = self.accounts(names)
        for row, account in zip(fresh.tolist(), accounts, strict=True):
            codes[row] = -1 if account is None else self._account_codes.setdefault(account, len(self._account_codes))

    def _welcome(
        self, terminal: NDArray[np.int32], lat: NDArray[np.float64], lon: NDArray[np.float64], at_ns: int
    ) -> NDArray[np.bool_]:
        assert self.served is not None, "nobody says who is served"
        if self.number is not None:
            assert self.named is not None, "rows are numbered elsewhere, and nobody names them"
            return self.served(self.named(terminal), lat, lon, at_ns)
        self._names += islice(self._known, len(self._names), None)
        return self.served([self._names[row] for row in terminal.tolist()], lat, lon, at_ns)


def places(
    table: pa.Table,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32], NDArray[np.uint8]]:
    """Return latitude, longitude [degree; NaN absent], sigma [m; NaN not given] and what each row says.

    A position that is a cell is its centre with the cell's size as sigma.
    """
    n = len(table)
    coarse = np.zeros(n, bool)
    lat, lon = _floats(table, "lat_deg"), _floats(table, "lon_deg")
    sigma = _floats(table, "position_sigma_m").astype(np.float32)
    if "h3_cell" in table.column_names and table.column("h3_cell").null_count < n:
        cells = table.column("h3_cell").fill_null(0).to_numpy().astype(np.uint64)
        bare = np.isnan(lat) & (cells > 0)
        only = bare & (resolution_of(cells) >= COARSEST)
        if only.any():
            lat[only], lon[only], sigma[only] = centres(cells[only])
        coarse = bare & ~only
    bad = ~(np.abs(lat) <= 90.0) | ~(np.abs(lon) <= 360.0)
    lat[bad], lon[bad] = np.nan, np.nan
    said = np.where(bad, ABSENT, REPORTED).astype(np.uint8)
    said[coarse] = NETWORK  # too coarse to tell anything about navigation
    if "position_source" in table.column_names:
        source = table.column("position_source")
        said[_is(source, "network")] = NETWORK
    if "gnss_state" in table.column_names:
        state = table.column("gnss_state")
        if state.null_count < n:
            said[_is(state, "lost")] = ABSENT
            said[_is(state, "inhibited")] = INHIBITED
    return lat, lon, sigma, said


def contradicted(table: pa.Table) -> NDArray[np.bool_]:
    """Say which rows hold a verification that contradicts them."""
    if "radio" not in table.column_names or table.column("radio").null_count == len(table):
        return np.zeros(len(table), bool)
    radio = table.column("radio").combine_chunks()
    return _is(pa.chunked_array([pc.struct_field(radio, "verdict")]), "inconsistent")


def with_state(table: pa.Table, hit: NDArray[np.bool_]) -> pa.Table:
    """Return the table with `suspended` in the rows hit, and everything else as it was."""
    old = table.column("gnss_state") if "gnss_state" in table.column_names else pa.nulls(len(table), pa.string())
    if isinstance(old, pa.ChunkedArray):
        old = old.combine_chunks()
    new = pc.if_else(pa.array(hit), pa.scalar("suspended"), old) if hit.any() else old
    if "gnss_state" in table.column_names:
        return table.set_column(table.column_names.index("gnss_state"), "gnss_state", new)
    return table.append_column("gnss_state", new)


def _floats(table: pa.Table, name: str) -> NDArray[np.float64]:
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    return np.array(table.column(name).to_numpy(zero_copy_only=False), np.float64)


def _is(column: pa.ChunkedArray, word: str) -> NDArray[np.bool_]:
    if column.null_count == len(column):
        return np.zeros(len(column), bool)
    return np.asarray(pc.fill_null(pc.equal(column, word), False).to_numpy())
