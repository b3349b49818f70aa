"""Import areas from the formats that people have, and report every feature that cannot be used, with its reason.

1. `read_areas` reads the file within bounds and tells the format by content, not by name.
2. A reader (geojson, shapefile, geoparquet, kml, ed269, mds) yields features.
3. `features.area_of` and `repair.build_polygon` turn each into a valid area, or say why not.

One bad feature never costs a good one beside it. Only a file that cannot be read at all raises.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundrule.areas import ed269, geojson, geoparquet, kml, mds, shapefile
from groundrule.areas.features import Defaults, Feature, area_of
from groundrule.areas.model import Area, AreaSet
from groundrule.errors import GroundruleError, InputError
from groundrule.instant import MAX_NS, MIN_NS

MAX_FILE_BYTES = 1 << 30
"""Of a file after decompression; the world at 10 m is 37 MB of GeoJSON."""
MAX_FEATURES = 1_000_000
MAX_ZIP_MEMBERS = 1_000
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Rejected:
    """A feature that was not imported.

    Attributes:
        feature: 1-based place in the file.
        id: its identifier, or None.
        line: 1-based line of the file, or None when unknown.
        reason: what is wrong, in one line.
        help: what would be right, or None.
    """

    feature: int
    id: str | None
    line: int | None
    reason: str
    help: str | None

    def __str__(self) -> str:
        text = f"{_name(self.feature, self.id, self.line)}: {self.reason}"
        return text if self.help is None else f"{text}; {self.help}"


@dataclass(frozen=True, slots=True)
class Repaired:
    """An area that was changed on the way in.

    Attributes:
        feature: 1-based place in the file.
        id: the area's id.
        what: what was changed, in one sentence.
    """

    feature: int
    id: str
    what: str

    def __str__(self) -> str:
        return f"{_name(self.feature, self.id, None)}: {self.what}"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file.

    Attributes:
        areas: the imported areas, in the file's order.
        rejected: features that were not imported.
        repaired: changes that were made, possibly several per area.
        features: number of features in the file; each is in `areas` or in `rejected` (one feature may give several
            versions of an area).
        format: the format that was recognised.
    """

    areas: tuple[Area, ...]
    rejected: tuple[Rejected, ...]
    repaired: tuple[Repaired, ...]
    features: int
    format: str

    @property
    def area_set(self) -> AreaSet:
        """The imported areas as a set."""
        return AreaSet(self.areas)


def read_areas(
    path: Path | str,
    *,
    kind: str = "zone",
    source: str | None = None,
    licence: str = "not stated",
    point_of_view: str | None = None,
    id_prefix: str = "",
    id_property: str | None = None,
    valid_from_ns: int = MIN_NS,
    valid_until_ns: int = MAX_NS,
) -> ImportReport:
    """Read areas from a file; the options hold where a feature does not say.

    Args:
        path: GeoJSON, ED-269 or MDS geography (JSON, also gzipped), zipped Shapefile, GeoParquet, KML or KMZ.
        kind: kind of area.
        source: where the areas come from; the file's name if not given.
        licence: licence of the data.
        point_of_view: whose view of the world it is.
        id_prefix: text before each id, for instance `control:`.
        id_property: property that holds the id.
        valid_from_ns: start of validity [ns, UTC; included].
        valid_until_ns: end of validity [ns, UTC; excluded].
    Raises:
        InputError: the file cannot be read as a whole: not found, too large, damaged, unknown format.
    """
    path = Path(path)
    data = _bytes(path)
    stem = path.name.split(".")[0] or "area"
    defaults = Defaults(
        kind=kind, source=source or path.name, licence=licence, point_of_view=point_of_view, id_prefix=id_prefix,
        id_property=id_property, valid_from_ns=valid_from_ns, valid_until_ns=valid_until_ns, stem=stem,
    )  # fmt: skip
    name, features = _features(data, path.name)
    return _collect(features, defaults, name)


def _collect(features: Iterable[Feature], defaults: Defaults, format_name: str) -> ImportReport:
    areas: list[Area] = []
    rejected: list[Rejected] = []
    repaired: list[Repaired] = []
    versions: dict[str, list[tuple[int, int, int]]] = {}
    numbers: set[int] = set()
    for feature in features:
        numbers.add(feature.number)
        if len(numbers) > MAX_FEATURES:
            raise InputError(f"the file has more than {MAX_FEATURES:,} features", help="split it")
        try:
            area, notes = area_of(feature, defaults)
            _refuse_twin(area, feature.number, versions)
        except GroundruleError as error:
            rejected.append(Rejected(feature.number, feature.id, feature.line, error.message, error.help))
            continue
        areas.append(area)
        repaired += [Repaired(feature.number, area.id, note) for note in notes]
    return ImportReport(tuple(areas), tuple(rejected), tuple(repaired), len(numbers), format_name)


def _refuse_twin(area: Area, number: int, versions: dict[str, list[tuple[int, int, int]]]) -> None:
    held = versions.setdefault(area.id, [])
    for start, end, other in held:
        if start < area.valid_until_ns and area.valid_from_ns < end:
            raise InputError(
                f"feature {other} has the id `{area.id}` already, for the same time",
                help="give each area its own id, or versions that do not overlap in time",
            )
    held.append((area.valid_from_ns, area.valid_until_ns, number))


# --- which format -----------------------------------------------------------------------------------------------------


def _features(data: bytes, name: str) -> tuple[str, Iterable[Feature]]:
    if data[:4] == b"PAR1":
        return "GeoParquet", geoparquet.read(data, name)
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _zipped(data, name)
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] == b"<":
        return "KML", kml.read(data, name)
    if head[:1] in (b"{", b"["):
        text, value = _json(data, name)
        if ed269.is_ed269(value):
            return "ED-269", ed269.read(value)
        if mds.is_mds(value):
            return "MDS geography", mds.read(value)
        return "GeoJSON", geojson.read(value, text)
    formats = "GeoJSON, zipped Shapefile, GeoParquet, KML, ED-269 or MDS geography"
    raise InputError(f"`{name}` is in no format that can be read", help=f"give {formats}")


def _zipped(data: bytes, name: str) -> tuple[str, Iterable[Feature]]:
    members = _unzip(data, name)
    layers = sorted(m for m in members if m.lower().endswith(".shp"))
    if layers:
        return "Shapefile", shapefile.read(members, layers)
    documents = sorted((m for m in members if m.lower().endswith(".kml")), key=lambda m: (m.lower() != "doc.kml", m))
    if documents:
        return "KMZ", kml.read(members[documents[0]], f"{name}/{documents[0]}")
    raise InputError(
        f"`{name}` holds no .shp and no .kml", help="zip the .shp, .shx, .dbf and .prj of a layer together"
    )


def _unzip(data: bytes, name: str) -> dict[str, bytes]:
    """Read the members that matter into memory; nothing is written to disk, so names cannot lead anywhere."""
    wanted = (".shp", ".dbf", ".prj", ".cpg", ".kml")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [i for i in archive.infolist() if i.filename.lower().endswith(wanted)]
            infos = [i for i in infos if not i.filename.startswith("__MACOSX/")]
            if len(archive.infolist()) > MAX_ZIP_MEMBERS:
                raise InputError(f"`{name}` has more than {MAX_ZIP_MEMBERS} members", help="zip one layer")
            if any(i.flag_bits & 1 for i in infos):
                raise InputError(f"`{name}` is encrypted", help="zip it without a password")
            members: dict[str, bytes] = {}
            left = MAX_FILE_BYTES
            for info in infos:
                with archive.open(info) as stream:
                    members[info.filename] = stream.read(left + 1)
                left -= len(members[info.filename])
                if left < 0:
                    raise _too_large(name)
            return members
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        raise InputError(f"`{name}` is a damaged zip file: {error}", help="zip it again") from error


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _too_large(path.name)
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"`{path}` cannot be read: {reason}", help="give the path of a file") from error
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            out = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"`{path.name}` is a damaged gzip file: {error}", help="compress it again") from error
    if len(out) > MAX_FILE_BYTES:
        raise _too_large(path.name)
    return out


def _too_large(name: str) -> InputError:
    return InputError(f"`{name}` is larger than {MAX_FILE_BYTES >> 20} MiB", help="split the file")


def _json(data: bytes, name: str) -> tuple[str, Any]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}:{line}: not UTF-8 text", help="write JSON as UTF-8", file=name, line=line) from error
    try:
        return text, json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg[:1].lower() + error.msg[1:]}",
            help="is the file complete?", file=name, line=error.lineno, column=error.colno,
        ) from error  # fmt: skip
    except RecursionError as error:
        raise InputError(f"`{name}` is nested too deep", help="geometries are nested four deep") from error
    except ValueError as error:  # a number of more than 4300 digits
        raise InputError(f"`{name}` holds a number that is too long", help="write coordinates in degrees") from error


def _name(number: int, feature_id: str | None, line: int | None) -> str:
    text = f"feature {number}"
    if feature_id:
        text += f" `{feature_id[:60]}`"
    return f"{text}, line {line}" if line else text
