"""What the rules see of the registers at one instant, in one file: for enforcement points, which have no registers.

A Parquet file with a row for each terminal: its id, the number of its profile, and its service address; the profiles
stand in the metadata. It holds no account, no party and no name. The same registers and the same instant give the same
bytes, so that a home can show that an extract is of its registers.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundrule.canon import canonical_json
from groundrule.errors import IntegrityError
from groundrule.rules.evidence import Profile
from groundrule.store.register_view import RegisterView
from groundrule.store.registers import Registers

MEDIA_TYPE: Final = "application/vnd.apache.parquet"
_KEY: Final = b"groundrule"
_COLUMNS: Final = ("terminal_id", "profile", "service_lat_deg", "service_lon_deg")


@dataclass(frozen=True, slots=True)
class Extract:
    """What an enforcement point knows of the registers.

    Attributes:
        view: terminals with their profiles.
        screening_ns: when the newest sanctions list of each source had come in [ns, UTC].
    """

    view: RegisterView
    screening_ns: Mapping[str, int]

    @classmethod
    def empty(cls) -> Extract:
        """Return what a point knows that has none."""
        return cls(RegisterView.from_columns(pa.array([], pa.string()), np.zeros(0, np.int32), []), {})


def write_extract(registers: Registers, at_ns: int, screening_ns: Mapping[str, int]) -> bytes:
    """Return the extract of registers at an instant, as known then.

    Args:
        registers: of the home.
        at_ns: the instant [ns, UTC].
        screening_ns: when the newest sanctions list of each source had come in [ns, UTC].
    Raises:
        StoreError: the database failed.
    """
    view = RegisterView.load(registers, valid_at_ns=at_ns, recorded_at_ns=at_ns)
    n = view.n_registered
    about = {
        "v": 1, "revision": view.revision, "register_digest": view.digest, "lists_version": view.lists_version,
        "screening_ns": {source: str(at) for source, at in sorted(screening_ns.items())},
        "profiles": [{name: getattr(profile, name) for name in Profile.__slots__} for profile in view.profiles],
    }  # fmt: skip
    columns = [
        view.terminal_ids.slice(0, n),
        pa.array(view.profile_code[:n]),
        pa.array(view.service_lat_deg[:n]),
        pa.array(view.service_lon_deg[:n]),
    ]
    table = pa.table(columns, names=list(_COLUMNS)).replace_schema_metadata({_KEY: canonical_json(about)})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=1, store_schema=True)
    return sink.getvalue()


def read_extract(data: bytes) -> Extract:
    """Read an extract whose digest was checked.

    Raises:
        IntegrityError: it is not what `write_extract` writes.
    """
    try:
        table = pq.read_table(io.BytesIO(data))
        about = json.loads((table.schema.metadata or {})[_KEY])
        profiles = [_profile(each) for each in about["profiles"]]
        view = RegisterView.from_columns(
            table.column("terminal_id"),
            table.column("profile").to_numpy().astype(np.int32),
            profiles,
            service_lat_deg=table.column("service_lat_deg").to_numpy(),
            service_lon_deg=table.column("service_lon_deg").to_numpy(),
            revision=int(about["revision"]),
            register_digest=str(about["register_digest"]),
            lists_version=str(about["lists_version"]),
        )
        return Extract(view, {str(source): int(at) for source, at in about["screening_ns"].items()})
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError("the extract of the registers cannot be read", help="bring the whole folder again") from error


def _profile(value: dict[str, object]) -> Profile:
    fields = {**value}
    lists, programmes = fields.pop("lists"), fields.pop("programmes")
    if not isinstance(lists, list) or not isinstance(programmes, list):
        raise TypeError("lists")
    return Profile(
        lists=tuple((str(name), str(state)) for name, state in lists),
        programmes=tuple(str(each) for each in programmes),
        **fields,  # type: ignore[arg-type]  # texts or None, by name; another name raises
    )
