"""Files that a job made, kept for a day for whoever started it.

HOME/cache/WHAT/JOB/about.json holds owner, tenant, until when, and names; HOME/cache/WHAT/JOB/files the files, for one user alone.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import msgspec
from litestar import Response

from groundrule.api.paths import missing
from groundrule.api.principal import Principal
from groundrule.api.times import when
from groundrule.instant import NS_PER_DAY
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

What = Literal["dossiers", "oversight"]
KEEP_NS: Final = NS_PER_DAY
_ID: Final = re.compile(r"[0-9a-f]{8,64}")
_TYPES: Final = {
    ".html": "text/html; charset=utf-8", ".pdf": "application/pdf", ".zip": "application/zip", ".csv": "text/csv; charset=utf-8",
    ".txt": "text/plain; charset=utf-8", ".json": "application/json", ".tlog-proof": "text/plain; charset=utf-8",
}  # fmt: skip
FILE_DOCUMENT: Final = {
    "responses": {"200": {"description": "The file", "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}
}
"""What a route that gives such a file says of its answer."""
PAGE_CSP: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
)
"""What a page that was made for handing over may load: nothing but what is in it; it runs nothing, and has no origin."""


class KeptFile(msgspec.Struct):
    """A file that can be fetched.

    Attributes:
        name, href: what it is called, and where it is.
        bytes, media_type: of its content.
    """

    name: str
    href: str
    bytes: int
    media_type: str


class Kept(msgspec.Struct):
    """Files of a job.

    Attributes:
        files: each with its address.
        until: when they are thrown away.
    """

    files: list[KeptFile]
    until: str | None


def folder_of(home: Home, what: What, job_id: str) -> Path:
    """Return the folder for the files of a job; made, for this user alone."""
    folder = home.cache / what / job_id / "files"
    folder.mkdir(parents=True, exist_ok=True)
    for each in (folder.parent, folder):
        each.chmod(0o700)
    return folder


def keep(home: Home, what: What, job_id: str, principal: Principal, files: Mapping[str, bytes], now_ns: int) -> Kept:
    """Keep files of a job for a day.

    Args:
        files: content by name.
        now_ns: [ns, UTC].
    """
    folder = folder_of(home, what, job_id)
    for name, data in files.items():
        write_durably(folder / name, data)
    return keep_written(home, what, job_id, principal, files, now_ns)


def keep_written(home: Home, what: What, job_id: str, principal: Principal, names: Iterable[str], now_ns: int) -> Kept:
    """Keep files that are in the folder of a job already for a day."""
    folder, until = folder_of(home, what, job_id), now_ns + KEEP_NS
    listed = sorted(names)
    for name in listed:
        (folder / name).chmod(0o600)
    about = {"owner": principal.id, "tenant": principal.tenant, "until_ns": until, "files": listed}
    # INVARIANT: it comes last; without it nobody is given anything.
    write_durably(folder.parent / "about.json", json.dumps(about).encode())
    made = [KeptFile(name, f"/v1/{what}/{job_id}/{name}", (folder / name).stat().st_size, media_type(name)) for name in listed]
    return Kept(made, when(until))


def fetch(home: Home, what: What, job_id: str, name: str, principal: Principal, now_ns: int) -> bytes:
    """Return a file to whoever had it made.

    Raises:
        Refused: 404, there is none, it is thrown away, or it is somebody else's.
    """
    folder = home.cache / what / job_id
    try:
        if not _ID.fullmatch(job_id):
            raise missing("file", name)
        about = json.loads((folder / "about.json").read_bytes())
        mine = (about["owner"], about["tenant"]) == (principal.id, principal.tenant) and principal.id
        if not mine or now_ns >= about["until_ns"] or name not in about["files"]:
            raise missing("file", name)
        return (folder / "files" / name).read_bytes()
    except (OSError, ValueError, KeyError, TypeError):
        raise missing("file", name) from None


def sweep(home: Home, what: What, now_ns: int) -> None:
    """Throw away what was kept for a day, and what jobs left that never ended."""
    place = home.cache / what
    for folder in sorted(place.iterdir()) if place.is_dir() else ():
        try:
            over = now_ns >= json.loads((folder / "about.json").read_bytes())["until_ns"]
        except (OSError, ValueError, KeyError, TypeError):
            over = now_ns - folder.stat().st_mtime_ns > KEEP_NS
        if over:
            with suppress(OSError):
                shutil.rmtree(folder)


def media_type(name: str) -> str:
    """Return the media type of a file by its name."""
    return next((kind for suffix, kind in _TYPES.items() if name.endswith(suffix)), "application/octet-stream")


def answer(name: str, data: bytes) -> Response[bytes]:
    """Return a file as a response: a page is shown sandboxed, everything else is saved."""
    page = name.endswith(".html")
    headers = {
        "Content-Disposition": f'{"inline" if page else "attachment"}; filename="{name}"', "Cache-Control": "private, no-store",
        "Content-Security-Policy": PAGE_CSP if page else "default-src 'none'; sandbox",
    }  # fmt: skip
    return Response(data, media_type=media_type(name), headers=headers)
