"""What was decided in an interval, counted in bounded memory: answers, terminals, days, corrections, and how long a denial took.

Decisions are read file by file and coded into integers; DuckDB joins and groups them and spills to a work folder. Of several decisions
of one observation the last run's counts. Ten million decisions take well under a minute on two cores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundrule.errors import IntegrityError, StoreError
from groundrule.instant import NS_PER_DAY, NS_PER_S
from groundrule.pipeline.decided_places import DecidedPlaces, distinct_codes
from groundrule.pipeline.manifests import runs
from groundrule.records import ServiceState
from groundrule.store.history import day_files
from groundrule.store.home import Home
from groundrule.store.places import Place, parquet_source
from groundrule.store.terminal_index import TerminalIndex

MEMORY_MB = 512
"""What joins may hold before they spill [MB]."""
OCCUPIED = "occupied"
PARTLY = "partly_occupied"
ELSEWHERE = "elsewhere"
"""Where a terminal was, as far as areas of kind `control` or with the tag `occupied` or `partly_occupied` tell."""
NOT_TOLD = "not_told"
"""The areas then in force had none of these, so nothing tells."""
EDGE = "edge_of_area"

_COLUMNS = ["terminal_id", "observed_at", "outcome", "state", "rule", "reasons", "areas", "areas_version", "rulebook"]
_BATCH = 200_000
_COUNTED = 1_000_000
"""Up to so many possible answers are counted instead of sorted."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Said:
    """One answer as decisions gave it.

    Attributes:
        outcome, state, rule: as decided. reason: the decisive code.
        country: code, several joined by `+`, or empty. control: occupied, partly_occupied, elsewhere or not_told.
        edge: the position was on an edge. rulebook: digest.
    """

    outcome: str
    state: str
    rule: str
    reason: str
    country: str
    control: str
    edge: bool
    rulebook: str

    @property
    def denied(self) -> bool:
        """Whether somebody was refused; what was never served, is degraded or waits for registration was not."""
        return self.outcome == "deny" and self.state == ServiceState.NORMAL

    @property
    def plain(self) -> bool:
        """Whether the terminal was served without any restriction."""
        return self.outcome == "serve" and self.state == ServiceState.NORMAL

    @property
    def sign(self) -> bool:
        """Whether it is a sign: anything but plain service, and no outage."""
        return self.outcome != "serve" and self.state == ServiceState.NORMAL


@dataclass(frozen=True, slots=True)
class Response:
    """From the first sign to the first denial, of each series of signs that led to one.

    Attributes:
        seconds: by series, ascending [s]. terminals: their rows, in the same order.
        cut: series that were already going on at a terminal's first decision in the interval; they may have begun earlier, and are
            not among `seconds`.
    """

    seconds: NDArray[np.int64]
    terminals: NDArray[np.int64]
    cut: int


class IntervalCounts:
    """Final decisions of observations in [from_ns, until_ns).

    Args:
        home: whose history. from_ns, until_ns: [ns, UTC].
        folder: an empty work folder.

    Attributes:
        decisions: final ones. superseded: earlier decisions that later runs replaced.
        days: days with decisions, `YYYY-MM-DD`. runs: runs that decided them.
    """

    def __init__(self, home: Home, from_ns: int, until_ns: int, folder: Path) -> None:
        self._home, self._from, self._until, self._folder = home, from_ns, until_ns, folder
        self._places = DecidedPlaces(home)
        self._controls: dict[str, dict[str, str]] = {}
        self._terminals = TerminalIndex()
        self._answers: dict[Said, int] = {}
        self._db: duckdb.DuckDBPyConnection | None = None
        self.decisions = self.superseded = 0
        self.days: tuple[str, ...] = ()
        self.runs: tuple[int, ...] = ()

    def __enter__(self) -> IntervalCounts:
        config = {"memory_limit": f"{MEMORY_MB}MB", "threads": 2, "temp_directory": str(self._folder / "spill")}
        try:
            self._db = duckdb.connect(str(self._folder / "work.duckdb"), config=config)
            self._db.execute("SET preserve_insertion_order=false")
            self._db.execute("SET enable_progress_bar=false")  # it would be written between what a command prints
            self._read()
            self._settle()
        except duckdb.Error as error:
            raise self._failed(error) from error
        return self

    def __exit__(self, *error: object) -> None:
        if self._db is not None:
            self._db.close()

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        self.db.execute("CREATE TABLE decision (t INTEGER, ns BIGINT, version INTEGER, answer INTEGER)")
        days, used, known = [], set[int](), runs(self._home)
        for day in days_of(self._from, self._until):
            seen = 0
            for run, correction, path in day_files(self._home, "decisions", day, runs=known):
                for table in _tables(path):
                    at = table.column("observed_at").to_numpy()
                    inside = (at >= self._from) & (at < self._until)
                    kept = table if inside.all() else table.filter(pa.array(inside))
                    if len(kept):
                        self._insert(self._coded(kept, day, 2 * run + correction))
                        seen += len(kept)
                        used.add(run)
            if seen:
                days.append(day)
        self.days, self.runs = tuple(days), tuple(sorted(used))

    def _insert(self, rows: pa.Table) -> None:
        self.db.register("rows_in", rows)
        self.db.execute("INSERT INTO decision SELECT * FROM rows_in")
        self.db.unregister("rows_in")

    def _coded(self, table: pa.Table, day: str, version: int) -> pa.Table:
        n = len(table)
        place = self._places.codes(table, day)
        countries = ["+".join(each) for each in self._places.names]
        reason, edge = _reasons(table)
        columns: list[tuple[Sequence[str | bool], NDArray[np.int64]]] = [
            *(distinct_codes(table.column(name)) for name in ("outcome", "state", "rule")),
            reason,
            (countries, place),
            ((ELSEWHERE, PARTLY, OCCUPIED, NOT_TOLD), self._control(table)),
            ((False, True), edge),
            distinct_codes(table.column("rulebook")),
        ]
        keys, most = np.zeros(n, np.int64), 1
        for values, codes in columns:
            keys, most = keys * len(values) + codes, most * len(values)
        distinct, inverse = _distinct(keys, most)
        answer = np.empty(len(distinct), np.int32)
        for position, key in enumerate(distinct.tolist()):
            said: list[str | bool] = []
            for values, _ in reversed(columns):
                key, code = divmod(key, len(values))  # noqa: PLW2901 - unpacked digit by digit
                said.append(values[code])
            answer[position] = self._answers.setdefault(Said(*reversed(said)), len(self._answers))  # type: ignore[arg-type]  # in order of the columns
        return pa.table(
            {
                "t": self._terminals.add(table.column("terminal_id")),
                "ns": table.column("observed_at"),
                "version": np.full(n, version, np.int32),
                "answer": answer[inverse],
            }
        )

    def _control(self, table: pa.Table) -> NDArray[np.int64]:
        """0 elsewhere, 1 partly occupied, 2 occupied, 3 not told, of each row."""
        versions, version = distinct_codes(table.column("areas_version"))
        about = [self._control_of(name) for name in versions]
        found = np.array([0 if each else 3 for each in about], np.int64)[version]
        if not any(about):
            return found
        areas = table.column("areas").combine_chunks()
        hits = areas.flatten()
        ids, code = distinct_codes(pa.chunked_array([hits.field("id")], pa.string()))
        row = np.repeat(np.arange(len(table)), np.diff(areas.offsets.to_numpy()))
        members, member = distinct_codes(pa.chunked_array([hits.field("membership")], pa.string()))
        on_edge = np.array([each != "inside" for each in members], bool)[member]
        for number, known in enumerate(about):
            level = np.array([{OCCUPIED: 2, PARTLY: 1}.get(known.get(each, ""), 0) for each in ids], np.int64)
            used = (version[row] == number) & (level[code] > 0)
            np.maximum.at(found, row[used], np.where(on_edge[used], 1, level[code][used]))
        return found

    def _control_of(self, version: str) -> dict[str, str]:
        """Areas of a version that tell who controls a place: id to what it means to be in it."""
        if version not in self._controls:
            made = {}
            for area in self._places.areas(version):
                if PARTLY in area.tags:
                    made[area.id] = PARTLY
                elif OCCUPIED in area.tags or area.kind == "control":
                    made[area.id] = OCCUPIED
            self._controls[version] = made
        return self._controls[version]

    def _settle(self) -> None:
        """Keep of each observation what the last run decided, and what that replaced; only corrections decide anything again."""
        db = self.db
        db.execute(
            "CREATE TABLE again AS SELECT t, ns, max(version) AS version FROM decision WHERE version % 2 = 1 GROUP BY t, ns"
        )
        db.execute(
            "CREATE TABLE replaced AS SELECT d.* FROM decision d JOIN again a ON d.t = a.t AND d.ns = a.ns WHERE d.version < a.version"
        )
        self.superseded = self._number("SELECT count(*) FROM replaced")
        if self.superseded:
            db.execute(
                "CREATE TABLE final AS SELECT d.* FROM decision d LEFT JOIN again a ON d.t = a.t AND d.ns = a.ns "
                "WHERE a.version IS NULL OR d.version = a.version"
            )
            db.execute("DROP TABLE decision")
        else:
            db.execute("ALTER TABLE decision RENAME TO final")
        self.decisions = self._number("SELECT count(*) FROM final")
        rows = [(code, said.denied, said.sign, said.plain) for said, code in self._answers.items()]
        table = pa.table(
            {
                "answer": pa.array([row[0] for row in rows], pa.int32()),
                "denied": pa.array([row[1] for row in rows], pa.bool_()),
                "sign": pa.array([row[2] for row in rows], pa.bool_()),
                "plain": pa.array([row[3] for row in rows], pa.bool_()),
            }
        )
        db.register("rows_in", table)
        db.execute("CREATE TABLE about AS SELECT * FROM rows_in")
        db.unregister("rows_in")
        db.execute("CREATE TABLE pair AS SELECT t, answer, count(*) AS n, min(ns) AS first, max(ns) AS last FROM final GROUP BY t, answer")

    # --- questions ----------------------------------------------------------------------------------------------------

    @property
    def db(self) -> duckdb.DuckDBPyConnection:
        """The open work database: tables `final`, `replaced`, `about` and `pair` (terminal row, answer, n, first, last)."""
        assert self._db is not None
        return self._db

    @property
    def said(self) -> list[Said]:
        """Answers by code."""
        return list(self._answers)

    def names(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the ids of terminals by their rows."""
        return [str(each) for each in self._terminals.take(rows.astype(np.int32)).to_pylist()]

    def rows_of(self, names: pa.Array) -> NDArray[np.int64]:
        """Return the rows of terminals by their ids; -1 where none was decided about."""
        return np.asarray(self._terminals.find(pa.chunked_array([names], pa.string())), np.int64)

    def totals(self) -> dict[Said, int]:
        """Return final decisions by answer."""
        said = self.said
        rows = self._all("SELECT answer, sum(n) FROM pair GROUP BY answer ORDER BY answer")
        return {said[answer]: int(number) for answer, number in rows}

    def terminals_by(self, groups: Sequence[tuple[int, str]]) -> dict[str, tuple[int, int]]:
        """Return distinct terminals and decisions of groups of answers.

        Args:
            groups: (answer, group); an answer may be in several.
        """
        with self._mapping("groups_in", "answer", groups) as names:
            found = self._all(
                "SELECT g.name, count(DISTINCT p.t), sum(p.n) FROM pair p JOIN groups_in g USING (answer) GROUP BY g.name ORDER BY g.name"
            )
        return {names[name]: (int(terminals), int(decisions)) for name, terminals, decisions in found}

    def tag(self, rows: pa.Table) -> None:
        """Say what terminals are tagged with, and when; each decision is counted with the tag that held when it was observed.

        Args:
            rows: `t` (int32), `tag` (int32), `since`, `until` (int64) [ns, UTC], half-open and disjoint for a terminal.
        """
        self.db.register("rows_in", rows)
        self.db.execute(
            "CREATE OR REPLACE TABLE tagged AS SELECT f.t, r.tag, f.answer, count(*) AS n, min(f.ns) AS first FROM final f "
            "JOIN rows_in r ON f.t = r.t AND f.ns >= r.since AND f.ns < r.until GROUP BY f.t, r.tag, f.answer"
        )
        self.db.unregister("rows_in")

    def tagged_by(self, tags: Sequence[tuple[int, str]], answers: Sequence[tuple[int, str]]) -> dict[tuple[str, str], tuple[int, int]]:
        """Return distinct terminals and decisions by group of tags and group of answers; `tag` comes before."""
        with self._mapping("tags_in", "tag", tags) as first, self._mapping("groups_in", "answer", answers) as second:
            found = self._all(
                "SELECT a.name, b.name, count(DISTINCT t), sum(n) FROM tagged JOIN tags_in a USING (tag) JOIN groups_in b USING (answer) "
                "GROUP BY a.name, b.name ORDER BY a.name, b.name"
            )
        return {(first[one], second[two]): (int(terminals), int(decisions)) for one, two, terminals, decisions in found}

    def tagged_terminals(self, tags: Sequence[tuple[int, str]], answers: Sequence[int]) -> Iterator[tuple[str, str, int]]:
        """Yield group of tags, terminal and first observation [ns] of terminals that had one of these answers."""
        with self._mapping("tags_in", "tag", tags) as names, self._mapping("groups_in", "answer", [(each, "") for each in answers]):
            found = self._all(
                "SELECT a.name, t, min(first) FROM tagged JOIN tags_in a USING (tag) JOIN groups_in b USING (answer) "
                "GROUP BY a.name, t ORDER BY a.name, t"
            )
        ids = self.names(np.array([t for _, t, _ in found], np.int64))
        yield from ((names[name], each, first) for each, (name, _, first) in zip(ids, found, strict=True))

    @contextmanager
    def _mapping(self, table: str, key: str, groups: Sequence[tuple[int, str]]) -> Iterator[list[str]]:
        """A table from codes to numbers of groups, for the block; yields the names of the groups."""
        names = sorted({name for _, name in groups})
        place = {name: number for number, name in enumerate(names)}
        columns = {
            key: pa.array([code for code, _ in groups], pa.int32()),
            "name": pa.array([place[name] for _, name in groups], pa.int32()),
        }
        self.db.register(table, pa.table(columns))
        try:
            yield names
        finally:
            self.db.unregister(table)

    def last_denied(self, rows: Sequence[int]) -> dict[int, int]:
        """Return the last observation [ns] at which each of some terminals was denied."""
        self.db.register("rows_in", pa.table({"t": pa.array(rows, pa.int32())}))
        found = self._all("SELECT t, max(last) FROM pair JOIN about USING (answer) JOIN rows_in USING (t) WHERE denied GROUP BY t")
        self.db.unregister("rows_in")
        return {int(t): int(last) for t, last in found}

    def denied_by_day(self) -> list[tuple[str, str, int, int]]:
        """Return day, rule, decisions and distinct terminals that were denied."""
        groups = [(code, each.rule) for code, each in enumerate(self.said) if each.denied]
        with self._mapping("groups_in", "answer", groups) as rules:
            found = self._all(
                f"SELECT ns // {NS_PER_DAY} AS day, g.name, count(*), count(DISTINCT t) FROM final JOIN groups_in g USING (answer) "  # noqa: S608 - a constant
                "GROUP BY day, g.name ORDER BY day, g.name"
            )
        return [(f"{_EPOCH + timedelta(days=day):%Y-%m-%d}", rules[rule], int(n), int(t)) for day, rule, n, t in found]

    def reversed(self) -> tuple[int, int]:
        """Return decisions that denied and were corrected to another answer, and their distinct terminals."""
        found = self._all(
            "SELECT count(*), count(DISTINCT r.t) FROM replaced r JOIN about a ON r.answer = a.answer WHERE a.denied AND NOT EXISTS "
            "(SELECT 1 FROM final f JOIN about b ON f.answer = b.answer WHERE f.t = r.t AND f.ns = r.ns AND b.denied)"
        )[0]
        return int(found[0]), int(found[1])

    def restored(self) -> int:
        """Return distinct terminals that were denied and later in the interval plainly served."""
        return self._number(
            "SELECT count(*) FROM (SELECT t, min(first) AS first FROM pair JOIN about USING (answer) WHERE denied GROUP BY t) d JOIN "
            "(SELECT t, max(last) AS last FROM pair JOIN about USING (answer) WHERE plain GROUP BY t) s ON d.t = s.t WHERE s.last > d.first"
        )

    def response(self) -> Response:
        """Measure how long it took from the first sign to the first denial.

        A series is an unbroken row of signs of one terminal, by observation. One that a terminal's first decision in the interval
        belongs to is cut off: it may have begun before.
        """
        self.db.execute(
            "CREATE OR REPLACE TABLE series AS WITH d AS (SELECT DISTINCT t FROM pair JOIN about USING (answer) WHERE denied), "
            "r AS (SELECT f.t, f.ns, a.sign, a.denied, sum(CASE WHEN a.sign THEN 0 ELSE 1 END) OVER "
            "(PARTITION BY f.t ORDER BY f.ns, a.sign, f.answer ROWS UNBOUNDED PRECEDING) AS series "
            "FROM final f JOIN d ON f.t = d.t JOIN about a ON f.answer = a.answer) "
            "SELECT t, series, min(ns) FILTER (WHERE sign) AS began, min(ns) FILTER (WHERE denied) AS denied FROM r "
            "GROUP BY t, series HAVING min(ns) FILTER (WHERE denied) IS NOT NULL"
        )
        cut = self._number("SELECT count(*) FROM series WHERE series = 0")
        found = self.db.sql(
            f"SELECT (denied - began) // {NS_PER_S} AS s, t FROM series WHERE series > 0 ORDER BY s, t"  # noqa: S608 - a constant
        ).fetchnumpy()
        return Response(np.asarray(found["s"], np.int64), np.asarray(found["t"], np.int64), cut)

    def _all(self, statement: str) -> list[tuple[int, ...]]:
        try:
            return self.db.sql(statement).fetchall()
        except duckdb.Error as error:
            raise self._failed(error) from error

    def _number(self, statement: str) -> int:
        return int(self._all(statement)[0][0])

    def _failed(self, error: duckdb.Error) -> StoreError:
        return StoreError(f"counting failed: {str(error).splitlines()[0]}", path=str(self._folder))


def days_of(from_ns: int, until_ns: int) -> Iterator[str]:
    """Yield the days that [from_ns, until_ns) touches, `YYYY-MM-DD`, UTC."""
    for day in range(from_ns // NS_PER_DAY, (until_ns - 1) // NS_PER_DAY + 1):
        yield f"{_EPOCH + timedelta(days=day):%Y-%m-%d}"


def _tables(path: Place) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(parquet_source(path)) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=_COLUMNS):
                yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(f"history file `{path}` cannot be read", help="restore it from a backup", path=str(path)) from error


def _distinct(keys: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct keys, all below `most`, and the place of each among them; without sorting where that is quicker."""
    if most > _COUNTED:
        distinct, inverse = np.unique(keys, return_inverse=True)
        return distinct, inverse
    distinct = np.flatnonzero(np.bincount(keys, minlength=most))
    place = np.empty(most, np.int64)
    place[distinct] = np.arange(len(distinct))
    return distinct, place[keys]


def _reasons(table: pa.Table) -> tuple[tuple[list[str], NDArray[np.int64]], NDArray[np.int64]]:
    """The first code of each row, which is the decisive one, and whether the doubt of an edge is among them."""
    lists = table.column("reasons").combine_chunks()
    offsets = lists.offsets.to_numpy()
    flat = lists.flatten().field("code")
    names, code = distinct_codes(pa.chunked_array([flat], pa.string()))
    starts, lengths = offsets[:-1] - offsets[0], np.diff(offsets)
    first = np.full(len(table), len(names), np.int64)
    first[lengths > 0] = code[starts[lengths > 0]]
    edge = np.zeros(len(table), np.int64)
    if EDGE in names:
        edge[np.repeat(np.arange(len(table)), lengths)[code == names.index(EDGE)]] = 1
    return ([*names, ""], first), edge
