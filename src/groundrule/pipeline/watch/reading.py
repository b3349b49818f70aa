"""From bytes that arrived to observations, by the readers that `decide` uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from groundrule.errors import InputError
from groundrule.pipeline.watch.arrivals import ROWS
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.observations import open_observations
from groundrule.store.rejects import REJECT_SCHEMA, Rejects, one_reject, reject_table, rejects_of


@dataclass(frozen=True, slots=True)
class Reading:
    """How sources are read.

    Attributes:
        folder: for pieces of text while they are read; an existing one, removed with its content at the end.
        columns: names in the source → our names. assume_utc, time_unit: as for `decide`.
        notes: what was assumed or ignored, each once.
    """

    folder: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    assume_utc: bool = False
    time_unit: str | None = None
    notes: list[str] = field(default_factory=list)

    def file(self, path: Path) -> Iterator[tuple[pa.Table, Rejects]]:
        """Read a whole file in batches of at most `ROWS`, the same ones whenever it is read.

        Raises:
            InputError: it cannot be read at all.
        """
        reader = open_observations(
            path, columns=self.columns, batch_rows=ROWS, assume_utc=self.assume_utc, time_unit=self.time_unit
        )
        yield from reader
        self._note(reader.notes)

    def text(self, data: bytes, *, name: str, header: bytes = b"", lines_before: int = 0) -> Iterator[tuple[pa.Table, Rejects]]:
        """Read whole lines that were cut out of a text; what cannot be read at all is rejected line by line.

        Args:
            data: the lines. header: those that say what their columns are.
            name: of the text; its ending says how it is read.
            lines_before: lines of the text before `data`, the header among them; rejected rows are numbered by it.
        """
        path = self.folder / name
        path.write_bytes(header + data)
        shift = lines_before - header.count(b"\n")
        try:
            for table, rejects in self.file(path):
                yield table, _moved(rejects, shift)
        except InputError as error:
            said, lines = str(error), enumerate(data.splitlines(), lines_before + 1)
            found = [
                one_reject(name, number, reason="cannot_be_read", value=said, content=line.decode("utf-8", "replace"), help=error.help)
                for number, line in lines if line.strip()
            ]  # fmt: skip
            yield OBSERVATION_SCHEMA.empty_table(), Rejects(reject_table(found))
        finally:
            path.unlink(missing_ok=True)

    def _note(self, notes: list[str]) -> None:
        for each in notes:
            if each not in self.notes and len(self.notes) < 1_000:
                self.notes.append(each)


def _moved(rejects: Rejects, lines: int) -> Rejects:
    """Return rejected rows by their place in the whole text."""
    if not len(rejects) or not lines:
        return rejects
    place = REJECT_SCHEMA.get_field_index("source_row")
    return Rejects(rejects.table.set_column(place, REJECT_SCHEMA.field(place), pc.add(rejects.table.column(place), lines)))


def pieces(parts: Iterator[tuple[pa.Table, Rejects]]) -> Iterator[tuple[pa.Table, Rejects]]:
    """Put parts together to as few as may be, each of at most `ROWS` rows or one part."""
    tables: list[pa.Table] = []
    bad: list[pa.Table] = []
    rows = 0
    for table, rejects in parts:
        if tables and rows + len(table) > ROWS:
            yield pa.concat_tables(tables), rejects_of(bad)
            tables, bad, rows = [], [], 0
        tables.append(table)
        bad.append(rejects.table)
        rows += len(table)
    if tables:
        yield pa.concat_tables(tables), rejects_of(bad)
