"""Orbits in a home: each import is one Parquet file named by the digest of its elements, written once.

    HOME/orbits/<64 hexadecimal digits>.parquet     columns of `orbit.elements`; imported_at and digest in the metadata

Elements are facts about satellites and no policy, so they are imported without an enactment, in governed homes too.
Where two imports hold the same set of one satellite, the later import counts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundrule.errors import IntegrityError, StoreError
from groundrule.orbit.elements import COLUMNS, Elements, columns_of, join
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

FOLDER = "orbits"


def save_elements(home: Home, elements: Elements, imported_at_ns: int) -> bool:
    """Store elements in a home.

    Returns:
        Whether they are new; the same elements stored before keep their first time of import.
    """
    path = _path(home, elements.digest)
    if path.exists():
        return False
    columns = {name: pa.array(getattr(elements, name).tolist()) for name in COLUMNS}
    if elements.covariance_m2 is not None:
        flat = elements.covariance_m2.reshape(len(elements), 9)
        columns["covariance_m2"] = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), 9)
    table = pa.table(columns).replace_schema_metadata(
        {"imported_at": str(imported_at_ns), "digest": elements.digest, "format": "groundrule-elements-1"}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_durably(path, sink.getvalue().to_pybytes())
    return True


def load_elements(home: Home) -> Elements:
    """Return all elements of a home; none gives an empty table.

    Raises:
        IntegrityError: a file does not hold what its name says.
        StoreError: a file cannot be read.
    """
    found = []
    for path in sorted((home.path / FOLDER).glob("*.parquet")):
        imported_at, elements = _load(path)
        found.append((imported_at, path.name, elements))
    found.sort(key=lambda item: item[:2])
    return join([elements for _, _, elements in found])


def _load(path: Path) -> tuple[int, Elements]:
    try:
        table = pq.read_table(path)
        columns = {name: np.array(table.column(name).to_pylist()) for name in COLUMNS}
        imported_at = int((table.schema.metadata or {}).get(b"imported_at", b"0"))
        covariance = None
        if "covariance_m2" in table.column_names:
            covariance = np.array(table.column("covariance_m2").to_pylist(), np.float64).reshape(-1, 3, 3)
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error}", path=str(path)) from error
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise IntegrityError(f"`{path}` is damaged", help="import the elements again", path=str(path)) from error
    rows = zip(*(columns[name].tolist() for name in COLUMNS), strict=True)
    elements = columns_of(rows, covariance)
    if _path_name(elements.digest) != path.name:
        raise IntegrityError(
            f"`{path}` does not hold the elements that its name says",
            help="delete it and import the elements again",
            path=str(path),
        )
    return imported_at, elements


def _path(home: Home, digest: str) -> Path:
    return home.path / FOLDER / _path_name(digest)


def _path_name(digest: str) -> str:
    return digest.removeprefix("sha256:") + ".parquet"
