"""The file that describes a telemetry stream.

    url = "https://operator.example/public/v2/telemetry/stream"
    token_env = "STREAM_TOKEN"        # or token_file = "/etc/groundrule/stream-token"
    batch_size = 65000                # rows of a reply at most
    linger_ms = 15000                 # how long the server may wait until a reply is full
    retention_h = 8                   # how long the server keeps what was not read
    [request]                         # further fields of the question
    accountNumber = "ACC-0000-00000"

The token is read from the environment or from a file, each time it is needed, so that it can be renewed; it is neither written nor told.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from groundrule.errors import InputError
from groundrule.pipeline.watch.arrivals import short_digest

MAX_BATCH: Final = 65_000
MAX_LINGER_MS: Final = 65_000
_TEXTS: Final = ("url", "token_env", "token_file")
_NUMBERS: Final = {"batch_size": (1, MAX_BATCH), "linger_ms": (0, MAX_LINGER_MS), "retention_h": (1, 720)}


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Where a telemetry stream is, and how it is asked.

    Attributes:
        url: https; http only where it leads to this machine itself.
        token_env, token_file: where the token is; one of them.
        batch_size: rows of a reply at most. linger_ms: how long the server may wait until it is full [ms].
        retention_h: how long the server keeps what was not read [h].
        request: further fields of the question.
    """

    url: str
    token_env: str | None = None
    token_file: str | None = None
    batch_size: int = MAX_BATCH
    linger_ms: int = 15_000
    retention_h: int = 8
    request: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What tells this stream from others: where it is and whose rows it has; not how it is asked [32 hex digits]."""
        return short_digest(self.url, *(f"{name}={self.request[name]}" for name in sorted(self.request)))

    def token(self) -> str:
        """Return the token.

        Raises:
            InputError: there is none.
        """
        if self.token_env is not None:
            found = os.environ.get(self.token_env, "")
            where = f"the variable {self.token_env}"
        else:
            where = f"the file {self.token_file}"
            try:
                found = Path(str(self.token_file)).read_text(encoding="ascii")
            except (OSError, UnicodeDecodeError):
                found = ""
        found = found.strip()
        if not found or not found.isascii() or not found.isprintable():
            raise InputError(f"{where} holds no token", help="put the token of the stream there")
        return found


def read_stream_settings(path: Path) -> StreamSettings:
    """Read the file of a stream.

    Raises:
        InputError: it cannot be read, has a field that there is not, or one that cannot be used.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"`{path}` cannot be read as TOML: {error!s:.200}", help="see docs/watch.md", file=str(path)) from None
    known = {*_TEXTS, *_NUMBERS, "request"}
    if strange := sorted(set(given) - known):
        said = f"known: {', '.join(sorted(known))}"
        if "token" in strange[0]:
            said = "a token must not stand in this file; name token_env or token_file"
        raise InputError(f"`{path}` has an unknown field `{strange[0][:40]}`", help=said, file=str(path))
    for name in _TEXTS:
        if name in given and (not isinstance(given[name], str) or not given[name]):
            raise InputError(f"`{name}` of `{path}` is no text", help="write it in quotes", file=str(path), field=name)
    for name, (least, most) in _NUMBERS.items():
        value = given.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InputError(f"`{name}` of `{path}` is {value!r:.40}", help=f"{least} to {most}", file=str(path), field=name)
    if ("token_env" in given) == ("token_file" in given):
        raise InputError(f"`{path}` must say where the token is", help="token_env = \"NAME\" or token_file = \"PATH\"", file=str(path))
    request = given.get("request", {})
    if not isinstance(request, dict) or {"batchSize", "maxLingerMs"} & request.keys():
        raise InputError(f"`request` of `{path}` cannot be used", help="a table of further fields", file=str(path), field="request")
    return StreamSettings(**{**given, "url": _checked(given.get("url"), path)})


def _checked(url: Any, path: Path) -> str:
    wanted = "https://HOST/PATH; http only for this machine itself"
    try:
        parts = urlsplit(str(url))
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    plain = str(url).isascii() and str(url).isprintable() and " " not in str(url)
    if not host or not plain or parts.scheme not in ("http", "https") or parts.fragment or port == 0:
        raise InputError(f"`url` of `{path}` is no address", help=wanted, file=str(path), field="url")
    if parts.username is not None or parts.password is not None:
        raise InputError(f"`url` of `{path}` holds a user or a password", help="token_env or token_file", file=str(path), field="url")
    if parts.scheme == "http" and not _is_here(host):
        raise InputError(f"`url` of `{path}` would send the token unprotected", help=wanted, file=str(path), field="url")
    return str(url)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
