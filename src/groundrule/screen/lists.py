"""Files and folders → snapshots: which format a file has, which files make one list, and when it was published.

1. `find_lists` looks at the first bytes of each file, never at its name alone, and puts OFAC's `sdn`, `alt`, `add` and
   `sdn_comments` of one folder together.
2. `read_list` reads one list and returns its snapshot: every good entry, every broken row, and whether it is complete.

The date of publication comes from the document. Where the document has none, the caller must say it; it is not guessed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from groundrule.errors import InputError
from groundrule.screen.formats import eu, ftm, names_json, ofac_csv, ofac_xml, uk, un
from groundrule.screen.model import ListEntry, ListSnapshot
from groundrule.screen.source import Findings, Limits, ListFile
from groundrule.screen.texts import Reading

_READERS: dict[str, Callable[[ListFile, Findings], Reading]] = {
    "ofac-xml": ofac_xml.read_plain,
    "ofac-advanced-xml": ofac_xml.read_advanced,
    "eu-xml": eu.read,
    "uk-xml": uk.read_xml,
    "uk-csv": uk.read_csv,
    "un-xml": un.read,
    "ftm-jsonl": ftm.read,
    "names-json": names_json.read,
}
_ROOTS = {
    ofac_xml.PLAIN_ROOT: "ofac-xml",
    ofac_xml.ADVANCED_ROOT: "ofac-advanced-xml",
    eu.ROOT: "eu-xml",
    uk.ROOT: "uk-xml",
    un.ROOT: "un-xml",
}
OFAC_CSV = "ofac-csv"
FORMATS = (OFAC_CSV, *_READERS)
SOURCES = {
    OFAC_CSV: "us-ofac-sdn",
    "ofac-xml": "us-ofac-sdn",
    "ofac-advanced-xml": "us-ofac-sdn",
    "eu-xml": "eu-fsf",
    "uk-xml": "uk-sanctions",
    "uk-csv": "uk-sanctions",
    "un-xml": "un-sc",
}
"""Source by format, where a format has only one publisher."""
_SOURCE = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_ROOT_TAG = re.compile(rb"<(?!\?|!)(?:[\w.-]+:)?([\w.-]+)")
_DATE_IN_PATH = re.compile(r"(?<!\d)(20\d{2}-[01]\d-[0-3]\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class FoundList:
    """Files that make one list.

    Attributes:
        format: one of FORMATS.
        files: by role for OFAC's legacy files (`sdn`, `alt`, `add`, `sdn_comments`), else one under ``.
        source: which list this is by its format; by its file's name where a format serves many lists.
    """

    format: str
    files: Mapping[str, Path]
    source: str

    @property
    def path(self) -> Path:
        """The first file."""
        return next(iter(self.files.values()))


def find_lists(paths: Iterable[Path]) -> tuple[list[FoundList], list[tuple[Path, str]]]:
    """Look at files and folders, and say which lists they hold.

    Args:
        paths: files, or folders whose files are looked at (not their sub-folders; names that begin with a dot are not).
    Returns:
        Lists in the order of the files, and files that are no list, with the reason.
    Raises:
        InputError: a path is not there.
    """
    found: list[FoundList] = []
    legacy: dict[Path, dict[str, Path]] = {}
    passed: list[tuple[Path, str]] = []
    for path in _files(paths):
        try:
            name = detect(path)
        except InputError as error:
            passed.append((path, error.message))
            continue
        if name in _READERS:
            found.append(FoundList(name, {"": path}, SOURCES.get(name) or _named(name, path)))
            continue
        files = legacy.setdefault(path.parent.resolve(), {})
        if name in files:
            passed.append((path, f"there is another {name} file beside it; import them one after the other"))
        else:
            files[name] = path
    for files in legacy.values():
        if "sdn" in files:
            ordered = {role: files[role] for role in ofac_csv.WIDTHS if role in files}
            found.append(FoundList(OFAC_CSV, ordered, SOURCES[OFAC_CSV]))
        else:
            passed += [(path, f"{role}.csv belongs to an sdn.csv, which is not here") for role, path in files.items()]
    return found, passed


def detect(path: Path) -> str:
    """Say which format a file has, by its first bytes.

    Returns:
        One of FORMATS, or the role of one of OFAC's legacy files: `sdn`, `alt`, `add`, `sdn_comments`.
    Raises:
        InputError: none of them.
    """
    head = ListFile(path, Findings()).head().lstrip()
    if head.startswith(b"<"):
        without_comments = re.sub(rb"<!--.{0,4000}?-->", b"", head, flags=re.DOTALL)
        tag = _ROOT_TAG.search(without_comments)
        name = _ROOTS.get(tag[1].decode()) if tag is not None else None
        if name is not None:
            return name
        raise InputError(f"`{path.name}` is XML, but no known list", help=f"its root is one of {', '.join(_ROOTS)}")
    if head.startswith(b"["):
        if b'"full_name"' in head:
            return "names-json"
        raise InputError(f"`{path.name}` is JSON, but no known list", help="records of names have id and full_name")
    if head.startswith(b"{"):
        if b'"schema"' in head and b'"properties"' in head:
            return "ftm-jsonl"
        raise InputError(f"`{path.name}` is JSON, but no known list", help="FollowTheMoney has schema and properties")
    lines = head.decode("latin-1").split("\n")[:200]
    role = next((role for line in lines if (role := ofac_csv.role_of(_fields(line))) is not None), None)
    if any(word in line.lower() for line in lines[:3] for word in ("name 6", "unique id,")):
        return "uk-csv"
    if role is not None:
        return role
    raise InputError(
        f"`{path.name}` is no known list", help=f"known are {', '.join(FORMATS)}; see docs/lists.md", file=path.name
    )


def read_list(
    found: FoundList, *, source: str | None = None, published_ns: int | None = None, limits: Limits | None = None
) -> ListSnapshot:
    """Read one list.

    Args:
        found: its files.
        source: which list it is, if not `found.source`.
        published_ns: when it was published, where the document does not say [ns since 1970, UTC]; if the document says
            so too, both must be of one day.
        limits: bounds on what is read.
    Returns:
        The snapshot, complete or not.
    Raises:
        InputError: the file is not what it seems, is hostile, holds no entry, `source` is no name, or its date is missing.
    """
    name = source or found.source
    if _SOURCE.fullmatch(name) is None:
        raise InputError(
            f"`{name[:80]}` names no source",
            help="give --source in lower-case letters, digits, dots and dashes, for instance us-ofac-sdn",
        )
    findings = Findings(limits or Limits())
    files = {role: ListFile(path, findings) for role, path in found.files.items()}
    one = _READERS.get(found.format)
    reading = ofac_csv.read(files, findings) if one is None else one(files[""], findings)
    entries = _sound(reading.entries, findings)
    if not entries:
        first = findings.broken[0] if findings.broken else None
        raise InputError(
            f"`{found.path.name}` holds no entry that can be used"
            + (f": line {first.line}: {first.reason}" if first is not None else ""),
            help="check that it is the whole list; an empty list is never taken for one that clears everybody",
            file=found.path.name,
        )
    return ListSnapshot(
        source=name,
        published_ns=_published(found, reading.published_ns, published_ns),
        format=found.format,
        files=reading.files,
        entries=tuple(entries),
        broken=tuple(findings.broken),
        broken_total=findings.total,
        complete=findings.complete,
        notes=tuple(findings.notes),
    )


def _named(form: str, path: Path) -> str:
    """A source by the name of a file: `names-ofac-sdn` for `ofac_sdn.json.gz`."""
    stem = re.sub(r"[^a-z0-9.]+", "-", path.name.lower().split(".")[0]).strip("-.")
    return f"{form.partition('-')[0]}-{stem or 'list'}"[:64]


def _files(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
        elif path.is_file():
            yield path
        else:
            raise InputError(f"there is no file `{path}`", help="name a list file or a folder of them", file=str(path))


def _fields(line: str) -> list[str]:
    try:
        return next(iter(csv.reader([line], strict=True)), [])
    except csv.Error:
        return []


def _sound(entries: list[ListEntry], findings: Findings) -> list[ListEntry]:
    """The entries with each number once; a second one is broken, because it could not be named."""
    kept: dict[str, ListEntry] = {}
    for entry in entries:
        if entry.uid in kept:
            place = entry.rows[0]
            findings.add(place.file, place.line, "uid", entry.uid, "duplicate", "each stands once", uid=entry.uid)
        elif len(kept) >= findings.limits.entries:
            raise InputError(
                f"the list has more than {findings.limits.entries} entries", help="no list is that long; check it"
            )
        else:
            kept[entry.uid] = entry
    return list(kept.values())


def _published(found: FoundList, told_ns: int | None, given_ns: int | None) -> int:
    day_ns = 86_400 * 1_000_000_000
    if told_ns is not None and given_ns is not None and told_ns // day_ns != given_ns // day_ns:
        raise InputError(
            f"`{found.path.name}` says that it was published on another day than --published", help="leave one out"
        )
    if told_ns is not None:
        return told_ns
    if given_ns is not None:
        return given_ns
    seen = _DATE_IN_PATH.findall("/".join(found.path.resolve().parts[-2:]))
    raise InputError(
        f"`{found.path.name}` does not say when it was published",
        help="give --published" + (f"; {seen[-1]} seems meant, by the name" if seen else ", for instance 2026-06-11"),
        file=found.path.name,
    )
