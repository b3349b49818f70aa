"""Files: the console, and the public log as everybody may copy it."""

from __future__ import annotations

import mimetypes
import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

from litestar import Response, get
from litestar.params import FromPath, Parameter
from litestar.types import ControllerRouterHandler

from groundrule.api.camara import is_facade
from groundrule.api.given import GivenService
from groundrule.api.principal import DEFAULT_TENANT
from groundrule.api.problems import Refused
from groundrule.pipeline.home_ledger import log_folder

_PUBLIC: Final = re.compile(r"checkpoint|policy|tile/(?:entries/|[0-9]{1,2}/)(?:x[0-9]{3}/){0,5}[0-9]{3}(?:\.p/[0-9]{1,3})?")
"""What of a log's folder is public (C2SP tlog-tiles); its private folder is not."""
_ASSET: Final = re.compile(r"[A-Za-z0-9_@.-]+(?:/[A-Za-z0-9_@.-]+){0,4}")
_YEAR: Final = "public, max-age=31536000, immutable"

NOT_BUILT: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Groundrule</title>
<h1>The service runs; the console is not built</h1>
<p>This installation came without the pages of the console. In a clone of the project, <code>make console</code> builds them; it needs Node.
The API works: <a href="/openapi.json">its description</a>, <a href="/readyz">whether it is ready</a>.</p></html>
"""


def console_folder() -> Path:
    """Return the folder of the built console; it may not exist."""
    return Path(str(files("groundrule"))) / "console" / "dist"


_FILES: Final = {
    "responses": {
        "200": {
            "description": "The file",
            "content": {kind: {"schema": {"type": "string"}} for kind in ("text/plain", "application/octet-stream")},
        }
    }
}


@get(
    "/ledger/{path:path}", opt={"permission": "log:read", "open": True, "openapi": _FILES}, media_type="text/plain",
    summary="The public log, file by file (C2SP tlog-tiles)",
)  # fmt: skip
async def log_file(
    path: FromPath[str], service: GivenService, tenant: Annotated[str, Parameter(max_length=80)] = DEFAULT_TENANT
) -> Response[bytes]:
    """Give a file of the public log: `checkpoint`, `policy`, `tile/…`. What is full never changes."""
    name = path.lstrip("/")
    if not _PUBLIC.fullmatch(name):
        help_ = "checkpoint, policy, tile/<level>/<number>, tile/entries/<number>"
        raise Refused(404, "the log has no such file", code="missing", help=help_)
    if tenant not in service.homes:
        raise Refused(404, "there is no such log here", code="missing")
    file = log_folder(service.homes[tenant].home) / name
    try:
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise Refused(404, "the log has no such file yet", code="missing") from None
    fixed = name.startswith("tile/")
    text = not fixed
    return Response(
        data, media_type="text/plain" if text else "application/octet-stream",
        headers={"Cache-Control": _YEAR if fixed else "no-cache", "Access-Control-Allow-Origin": "*"},
    )  # fmt: skip


@get(["/", "/{path:path}"], opt={"permission": "console:read", "open": True}, include_in_schema=False)
async def console(path: FromPath[str] = "") -> Response[bytes]:
    """Give a file of the console; every address that is none is one of its pages."""
    folder = console_folder()
    name = path.lstrip("/")
    if name.startswith(("v1/", "ogc/")) or name in ("v1", "ogc") or is_facade(f"/{name}"):
        raise Refused(404, "there is no such route", code="missing", help="see /openapi.json")
    file = folder / name if _ASSET.fullmatch(name) and ".." not in name.split("/") else folder / "index.html"
    if not file.is_file():
        if name.startswith(("assets/", "basemap/")) or ("/" not in name and "." in name):
            raise Refused(404, "there is no such file", code="missing")
        file = folder / "index.html"
    try:
        data = file.read_bytes()
    except OSError:
        return Response(NOT_BUILT.encode(), media_type="text/html", status_code=200)
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    if file.suffix in (".js", ".mjs"):
        kind = "text/javascript"
    hashed = name.startswith("assets/")
    return Response(data, media_type=kind, headers={"Cache-Control": _YEAR if hashed else "no-cache"})


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (log_file, console)
