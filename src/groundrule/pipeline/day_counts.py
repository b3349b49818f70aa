"""The final decisions of one day as what aggregates count: who, for whom, where, and what was decided.

Several runs may have decided one observation; the last one counts. The decision knows the countries, the observation
knows the place, and both are read file by file, coded into integers, and joined by DuckDB, which spills to a work folder:
memory is bounded by the number of terminals, not of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from h3 import H3BaseException
from numpy.typing import NDArray

from groundrule.errors import IntegrityError, StoreError
from groundrule.ledger.aggregate import RESOLUTION, Decided
from groundrule.pipeline.decided_places import DecidedPlaces, distinct_codes
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.private_records import Accounts
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.history import day_files, read_terminals
from groundrule.store.home import Home
from groundrule.store.ordering import in_order
from groundrule.store.places import Place, parquet_source
from groundrule.store.terminal_index import TerminalIndex

MEMORY_MB = 512
"""What the join may hold before it spills [MB]."""

_DECISION_COLUMNS = ["terminal_id", "observed_at", "outcome", "rule", "areas", "areas_version"]
_OBSERVATION_COLUMNS = ["terminal_id", "observed_at", "lat_deg", "lon_deg", "h3_cell"]
_BATCH = 100_000


class DayCounts:
    """Reads the decisions of a day; iterate over `decided` once.

    Args:
        home: whose history.
        day: `YYYY-MM-DD`, UTC; observations of this day.
        accounts: account of each terminal. Terminals without one count as those of one owner, because nothing says that
            they are of several.
        folder: an empty work folder.

    Attributes:
        decisions: final decisions of the day; known after `decided`.
        placed: those with a country and a cell, which alone are counted.
    """

    def __init__(self, home: Home, day: str, accounts: Accounts, folder: Path) -> None:
        self._home, self._day, self._accounts, self._folder = home, day, accounts, folder
        self._runs = runs(home)
        self._terminals = TerminalIndex()
        self._places = DecidedPlaces(home)
        self._answers: dict[tuple[str, str, str], int] = {}
        self.decisions = self.placed = 0

    def decided(self) -> Iterator[Decided]:
        """Yield each terminal once per cell, country, outcome and rule.

        Raises:
            IntegrityError: a file of history is damaged, or a decision has no observation.
            StoreError: the work folder cannot be written.
        """
        config = {"memory_limit": f"{MEMORY_MB}MB", "threads": 2, "temp_directory": str(self._folder / "spill")}
        try:
            with duckdb.connect(config=config) as db:
                db.execute("SET preserve_insertion_order=false")
                db.execute("SET enable_progress_bar=false")  # it would be written between what a command prints
                versions = self._read_decisions(db)
                if not versions:
                    return
                self._read_observations(db)
                self._keep_final(db, versions)
                self._pair(db)
                for batch in self._counted(db):
                    yield from self._named(batch)
        except duckdb.Error as error:
            raise StoreError(f"counting failed: {str(error).splitlines()[0]}", path=str(self._folder)) from error

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read_decisions(self, db: duckdb.DuckDBPyConnection) -> int:
        """Fill the table `decision`; return by how many runs, corrections apart, the day was decided."""
        db.execute("CREATE TABLE decision (t INTEGER, ns BIGINT, version INTEGER, seq BIGINT, answer INTEGER)")
        versions: set[int] = set()
        seq = 0
        for run, correction, path in day_files(self._home, "decisions", self._day, runs=self._runs):
            for table in _read(path, _DECISION_COLUMNS):
                coded = self._coded(table, 2 * run + correction, seq)
                _insert(db, "decision", coded)
                seq += len(table)
            versions.add(2 * run + correction)
        return len(versions)

    def _coded(self, table: pa.Table, version: int, seq: int) -> pa.Table:
        n = len(table)
        outcomes, outcome = distinct_codes(table.column("outcome"))
        rules, rule = distinct_codes(table.column("rule"))
        places = self._places.codes(table, self._day)
        names = self._places.names
        keys = (places * len(outcomes) + outcome) * len(rules) + rule
        distinct, inverse = np.unique(keys, return_inverse=True)
        answer = np.empty(len(distinct), np.int32)
        for position, key in enumerate(distinct.tolist()):
            rest, which_rule = divmod(key, len(rules))
            place, which = divmod(rest, len(outcomes))
            # Nobody's place is not counted, whatever was decided there.
            said = ("+".join(names[place]), outcomes[which], rules[which_rule])
            answer[position] = self._answers.setdefault(said, len(self._answers)) if place else -1
        return pa.table(
            {
                "t": self._terminals.add(table.column("terminal_id")),
                "ns": table.column("observed_at"),
                "version": np.full(n, version, np.int32),
                "seq": np.arange(seq, seq + n),
                "answer": answer[inverse],
            }
        )

    def _read_observations(self, db: duckdb.DuckDBPyConnection) -> None:
        db.execute("CREATE TABLE observation (t INTEGER, ns BIGINT, cell UBIGINT)")
        for _, _, path in day_files(self._home, "observations", self._day, runs=self._runs):
            for table in _read(path, _OBSERVATION_COLUMNS):
                columns = {
                    "t": self._terminals.find(table.column("terminal_id")),
                    "ns": table.column("observed_at"),
                    "cell": _cells(table),
                }
                _insert(db, "observation", pa.table(columns))

    # --- joining ------------------------------------------------------------------------------------------------------

    def _keep_final(self, db: duckdb.DuckDBPyConnection, versions: int) -> None:
        """Make the table `final`: of each observation the decision of the last run that decided it."""
        if versions == 1:
            db.execute("ALTER TABLE decision RENAME TO final")
        else:
            db.execute(
                "CREATE TABLE final AS SELECT decision.* FROM decision JOIN "
                "(SELECT t, ns, max(version) AS version FROM decision GROUP BY t, ns) USING (t, ns, version)"
            )
            db.execute("DROP TABLE decision")
        self.decisions = _number(db, "SELECT count(*) FROM final")

    def _pair(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make the table `pair`: each decision with the cell of its observation."""
        db.execute("CREATE TABLE several AS SELECT t, ns FROM final GROUP BY t, ns HAVING count(*) > 1")
        db.execute(
            "CREATE TABLE pair AS SELECT t, ns, answer, cell FROM final JOIN observation USING (t, ns) "
            "WHERE NOT EXISTS (SELECT 1 FROM several WHERE several.t = final.t AND several.ns = final.ns)"
        )
        if _number(db, "SELECT count(*) FROM several"):
            self._pair_conflicting(db)
        if _number(db, "SELECT count(*) FROM pair") != self.decisions:
            raise IntegrityError(
                f"the decisions of {self._day} are not those of its observations",
                help="run `groundrule replay` to see what was changed",
            )

    def _pair_conflicting(self, db: duckdb.DuckDBPyConnection) -> None:
        """Several observations of one terminal and instant were decided in the one order that observations have."""
        decided = db.sql("SELECT t, ns, answer, seq FROM final JOIN several USING (t, ns)").to_arrow_table()
        ids = self._terminals.take(decided.column("t").to_numpy())
        stored = read_terminals(
            self._home, "observations", pc.unique(ids), runs=self._runs,
            at_ns=np.unique(decided.column("ns").to_numpy()), columns=OBSERVATION_SCHEMA.names,
        )  # fmt: skip
        ordered = in_order(stored.cast(OBSERVATION_SCHEMA))
        whole = pa.table(
            {
                "t": self._terminals.find(ordered.column("terminal_id")),
                "ns": ordered.column("observed_at"),
                "cell": _cells(ordered),
                "n": np.arange(len(ordered)),
            }
        )
        db.register("conflicting", whole)
        db.register("conflicting_decided", decided)
        db.execute(
            "INSERT INTO pair SELECT t, ns, answer, cell FROM "
            "(SELECT *, row_number() OVER (PARTITION BY t, ns ORDER BY seq) AS place FROM conflicting_decided) JOIN "
            "(SELECT *, row_number() OVER (PARTITION BY t, ns ORDER BY n) AS place FROM conflicting) USING (t, ns, place)"
        )

    def _counted(self, db: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
        where = "WHERE answer >= 0 AND cell <> 0"
        self.placed = _number(db, f"SELECT count(*) FROM pair {where}")  # noqa: S608 - a constant of this function
        yield from db.sql(
            f"SELECT t, cell, answer, min(ns) AS ns FROM pair {where} GROUP BY t, cell, answer"  # noqa: S608 - as above
        ).to_arrow_reader(_BATCH)

    def _named(self, batch: pa.RecordBatch) -> Iterator[Decided]:
        answers = list(self._answers)
        rows = batch.column("t").to_numpy()
        names = self._terminals.take(rows).to_pylist()
        columns = (batch.column(name).to_pylist() for name in ("cell", "answer", "ns"))
        for terminal, cell, answer, at_ns in zip(names, *columns, strict=True):
            yield Decided(terminal, self._accounts.at(terminal, at_ns) or "", f"{cell:x}", *answers[answer])


def _read(path: Place, columns: list[str]) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(parquet_source(path)) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
                yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(
            f"history file `{path}` cannot be read", help="restore it from a backup", path=str(path)
        ) from error


def _cells(table: pa.Table) -> NDArray[np.uint64]:
    """The cell of resolution 3 of each observation; 0 where it has no position, or a cell that is coarser."""
    lat = table.column("lat_deg").to_numpy().astype(np.float64)
    lon = table.column("lon_deg").to_numpy().astype(np.float64)
    reported = pc.fill_null(table.column("h3_cell"), 0).to_numpy().astype(np.uint64)
    cells = np.zeros(len(table), np.uint64)
    placed = np.flatnonzero(np.isfinite(lat) & np.isfinite(lon))
    to_cell = h3.latlng_to_cell
    cells[placed] = [
        to_cell(y, x, RESOLUTION) for y, x in zip(lat[placed].tolist(), lon[placed].tolist(), strict=True)
    ]
    by_cell = np.flatnonzero((cells == 0) & (reported != 0))
    distinct, inverse = np.unique(reported[by_cell], return_inverse=True)
    cells[by_cell] = np.array([_parent(cell) for cell in distinct.tolist()], np.uint64)[inverse]
    return cells


def _parent(cell: int) -> int:
    try:
        return h3.cell_to_parent(cell, RESOLUTION) if h3.get_resolution(cell) >= RESOLUTION else 0
    except (H3BaseException, OverflowError):
        return 0


def _insert(db: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    db.register("rows_in", rows)
    db.execute(f"INSERT INTO {name} SELECT * FROM rows_in")  # noqa: S608 - names of this module
    db.unregister("rows_in")


def _number(db: duckdb.DuckDBPyConnection, statement: str) -> int:
    return int(db.sql(statement).fetchall()[0][0])
