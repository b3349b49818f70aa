"""The operator's telemetry replies to columns.

A reply names its columns (`data.columnNamesByDeviceType`), in an order that may differ from one reply to the next, and
its codes (`metadata.enums`). Nothing is assumed of either. Rows of user terminals become observations, all others are
set aside and counted; unknown columns and codes are kept by name in the notes, and codes in the observation as well.

A file holds one reply, or one per line. The stream delivers nothing twice, so that a live reader keeps each reply with
`keep_reply` before it is read here.

Source: the operator's telemetry interface, version 2, as transcribed by third parties.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from groundrule.canon import digest_bytes
from groundrule.errors import InputError
from groundrule.instant import NS_PER_DAY, format_instant
from groundrule.reasons import CATALOGUE
from groundrule.store.durable import write_durably
from groundrule.store.lines import line_blocks
from groundrule.store.raw import Limits, RawBatch, arrow_column
from groundrule.store.rejects import Rejects, one_reject, reject_table

MAX_REPLY_BYTES = 64 << 20
"""A reply has at most 65,000 rows of about 250 bytes; a larger one is refused."""
USER_TERMINAL = "UserTerminal"
_USED = frozenset(
    {
        "DeviceType",
        "UtcTimestampNs",
        "DeviceId",
        "H3CellId",
        "RunningSoftwareVersion",
        "CountryCode",
        "InTerritorialWaters",
        "ActiveAlert",
    }
)
_TRAFFIC = ("DownlinkThroughput", "UplinkThroughput")
_DROPPED = "PingDropRateAvg"
_KNOWN = _USED | {
    *_TRAFFIC,
    _DROPPED,
    "PingLatencyMsAvg",
    "ObstructionPercentTime",
    "Uptime",
    "SignalQuality",
    "SecondsUntilSwupdateRebootPossible",
}


class TelemetrySource:
    """A file of telemetry replies.

    Attributes:
        name: what the file is called in rejects and traces.
        notes: unknown columns, codes without a name, and rows of other devices; complete after the last batch.
    """

    def __init__(self, path: Path, name: str, limits: Limits) -> None:
        self.name, self._path, self._limits = name, path, limits
        self.notes: list[str] = []
        self._next_row = 1

    @property
    def names(self) -> None:
        """None: every reply names its own columns."""
        return

    def batches(self, wanted: Iterable[str] | None = None) -> Iterator[RawBatch]:  # noqa: ARG002 - a reply is small
        """Read the replies from the beginning; one batch per reply."""
        self._next_row = 1
        self.notes = []
        unknown_columns: Counter[str] = Counter()
        other_devices: Counter[str] = Counter()
        for reply, rejects in self._replies():
            yield self._read(reply, rejects, unknown_columns, other_devices)
        if unknown_columns:
            names = ", ".join(f"`{name}`" for name in sorted(unknown_columns))
            self.notes.append(f"{self.name}: columns that are not known, left in the raw reply: {names}")
        for device, count in sorted(other_devices.items()):
            self.notes.append(f"{self.name}: {count} rows of `{device}` set aside")

    def _replies(self) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
        """Decoded replies: the whole file if it is one JSON object, else line by line."""
        if not self._path.name.lower().endswith(".gz") and self._path.stat().st_size <= MAX_REPLY_BYTES:
            try:
                yield msgspec.json.decode(self._path.read_bytes().removeprefix(b"\xef\xbb\xbf")), []
                return
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass  # not one JSON value: one per line
        limits = Limits(self._limits.batch_rows, MAX_REPLY_BYTES, self._limits.block_bytes)
        for block in line_blocks(self._path, self.name, limits):
            waiting = list(block.rejects)
            for k, number in enumerate(block.numbers.tolist()):
                try:
                    yield msgspec.json.decode(block.line(k)), waiting
                    waiting = []
                except msgspec.DecodeError as error:
                    waiting.append(
                        one_reject(
                            self.name,
                            number,
                            reason="not_json",
                            value=str(error),
                            content=block.line(k).decode(),
                            help="one reply per line",
                        )
                    )
            if waiting:
                yield None, waiting

    def _read(
        self, reply: Any, rejects: list[dict[str, Any]], unknown_columns: Counter[str], other_devices: Counter[str]
    ) -> RawBatch:
        if reply is None:
            return RawBatch({}, np.zeros(0, np.int64), Rejects(reject_table(rejects)))
        data = reply.get("data") if isinstance(reply, dict) else None
        values = data.get("values") if isinstance(data, dict) else None
        named = data.get("columnNamesByDeviceType") if isinstance(data, dict) else None
        if not isinstance(values, list) or not isinstance(named, dict):
            rejects.append(
                one_reject(
                    self.name,
                    self._next_row,
                    reason="not_a_telemetry_reply",
                    help="a reply has data.values and data.columnNamesByDeviceType",
                )
            )
            return RawBatch({}, np.zeros(0, np.int64), Rejects(reject_table(rejects)))
        device_names = _device_names(reply)
        columns: dict[str, list[str]] = {
            str(code): [str(column) for column in names] for code, names in named.items() if isinstance(names, list)
        }
        rows: list[list[Any]] = []
        places: list[int] = []
        terminal_columns: list[str] = []
        for row in values:
            place, self._next_row = self._next_row, self._next_row + 1
            fault = _fault(row, columns)
            if fault is not None:
                rejects.append(one_reject(self.name, place, reason=fault[0], help=fault[1], content=_text(row)))
                continue
            code = str(row[0])
            device = device_names.get(code, code)
            if device != USER_TERMINAL:
                other_devices[device] += 1
                rejects.append(
                    one_reject(
                        self.name,
                        place,
                        reason=f"device_{device}",
                        kind="set_aside",
                        content=_text(row),
                        help="only rows of user terminals are observations",
                    )
                )
                continue
            if terminal_columns and columns[code] != terminal_columns:
                row = _reordered(row, columns[code], terminal_columns)  # noqa: PLW2901 - the same row, other order
            terminal_columns = terminal_columns or columns[code]
            rows.append(row)
            places.append(place)
        unknown_columns.update(set(terminal_columns) - _KNOWN)
        taken = {column: k for k, column in enumerate(terminal_columns) if column in _USED and column != "DeviceType"}
        given = {column: arrow_column([row[k] for row in rows]) for column, k in taken.items()}
        if rows:
            given["served"] = _served(rows, terminal_columns)
        self._name_alerts(reply, given)
        return RawBatch(given, np.array(places, np.int64), Rejects(reject_table(rejects)))

    def _name_alerts(self, reply: Any, given: Mapping[str, Any]) -> None:
        """Note alert codes that the reply itself does not name, and those it names differently than published."""
        named = _enum(_enum(reply, "metadata", "enums", "AlertsByDeviceType"), "u")
        published = {
            reason.operator_alert: reason.operator_name for reason in CATALOGUE.values() if reason.operator_alert
        }
        for code, meaning in named.items():
            usual = published.get(int(code)) if str(code).isdigit() else None
            note = f"{self.name}: alert {code} is named `{meaning}` here and `{usual}` in the published table"
            if usual is not None and usual != meaning and note not in self.notes:
                self.notes.append(note)
        if "ActiveAlert" not in given:
            return
        met = {code for row in given["ActiveAlert"].to_pylist() if isinstance(row, list) for code in row}
        for code in sorted(met, key=str):
            if str(code) not in named and code not in published:
                note = f"{self.name}: alert {code} has no name in the reply; it is kept"
                if note not in self.notes:
                    self.notes.append(note)


def keep_reply(folder: Path, reply: bytes, *, received_at_ns: int) -> Path:
    """Store a raw reply durably before it is read; a reply that is kept already is not written again.

    Args:
        folder: for instance `HOME/history/raw`.
        reply: the bytes as received.
        received_at_ns: own receive time [ns, UTC]; the device's times may be wrong.
    Returns:
        The file, `date=YYYY-MM-DD/TIME-DIGEST.json.gz`.
    """
    day = format_instant(received_at_ns // NS_PER_DAY * NS_PER_DAY)[:10]
    name = f"{received_at_ns}-{digest_bytes(reply).removeprefix('sha256:')[:16]}.json.gz"
    path = folder / f"date={day}" / name
    if not path.exists():
        write_durably(path, gzip.compress(reply, 6, mtime=0))
    return path


def looks_like_telemetry(path: Path) -> bool:
    """Does the beginning of a JSON file look like a telemetry reply?

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb") as stream:
            head = stream.read(1 << 16)
    except (OSError, EOFError):
        raise InputError(f"cannot read `{path}`", file=str(path)) from None
    return b'"columnNamesByDeviceType"' in head or (b'"values"' in head and b'"data"' in head)


def _served(rows: list[list[Any]], columns: list[str]) -> Any:
    """Was service measured in each interval? Traffic while not all pings were lost shows it; that all were lost shows that there was none.

    A terminal that carries nothing and whose pings come back may be idle, and says nothing.
    """
    traffic = [columns.index(name) for name in _TRAFFIC if name in columns]
    dropped = columns.index(_DROPPED) if _DROPPED in columns else None

    def one(row: list[Any]) -> bool | None:
        lost = None if dropped is None else _number(row[dropped])
        if lost is not None and lost >= 1.0:
            return False
        return True if any((_number(row[k]) or 0.0) > 0.0 for k in traffic) else None

    return pa.array([one(row) for row in rows], pa.bool_())


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _enum(value: Any, *path: str) -> Mapping[str, Any]:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _device_names(reply: Any) -> dict[str, str]:
    """Device type codes by name as this reply gives them; `u` is a user terminal where it gives none."""
    stated = {str(code): str(name) for code, name in _enum(reply, "metadata", "enums", "DeviceType").items()}
    return stated or {"u": USER_TERMINAL, "r": "Router", "i": "IpAllocs"}


def _fault(row: Any, columns: Mapping[str, list[str]]) -> tuple[str, str] | None:
    if not isinstance(row, list) or not row:
        return "not_a_row", "a row is a list whose first element is the device type"
    expected = columns.get(str(row[0]))
    if expected is None:
        return "columns_not_named", f"the reply names no columns for device type `{str(row[0])[:20]}`"
    if len(row) != len(expected):
        return "wrong_number_of_fields", f"the reply names {len(expected)} columns, the row has {len(row)}"
    return None


def _reordered(row: list[Any], given: list[str], wanted: list[str]) -> list[Any]:
    by_name = dict(zip(given, row, strict=True))
    return [by_name.get(column) for column in wanted]


def _text(row: Any) -> str:
    return msgspec.json.encode(row).decode()
