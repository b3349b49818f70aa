"""Runs the service: opens the homes, makes the first login link, listens, and closes everything in order."""

from __future__ import annotations

import gc
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn
from litestar import Litestar

from groundrule.api.app import make_app
from groundrule.api.collector import tracing_to
from groundrule.api.connections import Connection
from groundrule.api.credentials import Desk
from groundrule.api.jobs import Jobs
from groundrule.api.logs import configure_logging
from groundrule.api.outlets import Outlet, Ways
from groundrule.api.principal import DEFAULT_TENANT
from groundrule.api.settings import Settings, address, check_settings
from groundrule.api.state import Service
from groundrule.errors import ConflictError, InputError
from groundrule.pipeline.home_ledger import keys_folder
from groundrule.pipeline.live import Live, LiveSettings
from groundrule.pipeline.watch.beside import WatchBeside
from groundrule.pipeline.watch.opening import Watched
from groundrule.store.access import AccessStore, service_key
from groundrule.store.home import Home

SWITCH_S: Final = 0.0002
"""How long a thread may keep the interpreter while others wait [s]; a request asks for it several times."""
ACCESS_FILE: Final = "access.sqlite"
RUNNING_FILE: Final = "service.json"
"""Says at which address a home is served, while it is."""
FIRST: Final = {"id": "first-login", "name": "first login", "roles": ["officer", "administrator"], "tenant": DEFAULT_TENANT}
"""What the link of a local first run may do: everything but sign for others, which happens on the signers' devices."""


def open_desk(home: Home, settings: Settings, *, clock: Callable[[], int] = time.time_ns) -> Desk:
    """Open what judges the credentials of a home; the service need not run."""
    return Desk(AccessStore.open(home.path / ACCESS_FILE), service_key(keys_folder(home)), clock, settings.believed())


def open_service(
    homes: Mapping[str, Home], settings: Settings, stack: ExitStack, *, clock: Callable[[], int] = time.time_ns,
    ways: Ways = Ways(),  # noqa: B008 - frozen
    apart: bool = False,
) -> Service:
    """Open homes for serving; each is then written by this process alone.

    Args:
        homes: by tenant; the first one holds the credentials of all.
        settings: how the service runs.
        stack: closes everything when it ends.
        clock: the time [ns, UTC].
        ways: how deliveries leave.
        apart: detectors work in a process of their own.
    Raises:
        ConflictError: another process writes to one of the homes. InputError: the settings cannot be used.
    """
    check_settings(settings)
    how = LiveSettings(commit_every_s=settings.commit_every_s, commit_rows=settings.commit_rows, detection_apart=apart)
    live = {tenant: stack.enter_context(Live.open(home, clock=clock, settings=how)) for tenant, home in homes.items()}
    desk = open_desk(next(iter(homes.values())), settings, clock=clock)
    stack.callback(desk.store.close)
    jobs = Jobs(clock)
    stack.callback(jobs.close)
    seed = service_key(keys_folder(next(iter(homes.values())))).seed

    def is_good(owner: str) -> bool:
        return not owner.startswith("key-") or desk.store.is_good(owner, clock())

    outlets: dict[str, Outlet] = {}
    for tenant, each in live.items():
        outlets[tenant] = Outlet.open(each, seed, settings, clock=clock, is_good=is_good, ways=ways)
        stack.callback(outlets[tenant].close)
    return Service(live, desk, settings, jobs, clock=clock, outlets=outlets)


def login_link(desk: Desk, at: str, *, roles: tuple[str, ...] = ()) -> str:
    """Return a link that logs its bearer in, once, within ten minutes.

    Args:
        desk: of the home.
        at: address of the service.
        roles: what the session may do; those of a first login if none is named.
    """
    claims = {**FIRST, "roles": list(roles)} if roles else FIRST
    # Behind the number sign: no server, proxy or log ever sees the secret.
    return f"{at}/login#token={desk.give_login(claims)}"


def running_at(home: Home) -> str | None:
    """Return the address at which a service says that it serves a home; None where none does."""
    try:
        return str(json.loads((home.path / RUNNING_FILE).read_bytes())["address"]) if home.is_being_written() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


class _Server(uvicorn.Server):
    """Tells those who listen to events that it ends, as soon as it is told so itself."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        if isinstance(self.config.app, Litestar):
            self.config.app.state.service.closing = True
        super().handle_exit(sig, frame)


def server_of(app: Litestar, settings: Settings, *, connection: type[Connection] = Connection) -> uvicorn.Server:
    """Return what listens for an application.

    Args:
        app: it.
        settings: how it runs.
        connection: what looks after each connection.
    """
    return _Server(uvicorn.Config(
        app, host=settings.host, port=settings.port, http=connection, ws="none", log_config=None, access_log=False,
        server_header=False, date_header=True, ssl_certfile=settings.certificate, ssl_keyfile=settings.private_key,
        proxy_headers=settings.behind_proxy, timeout_graceful_shutdown=10, timeout_keep_alive=30,
    ))  # fmt: skip


def _bound(settings: Settings) -> socket.socket:
    """Return a socket at the host and port of the settings.

    Raises:
        InputError: the host is none. ConflictError: the port cannot be had.
    """
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InputError(f"`{settings.host}` is no address of this machine", help="name another one with --host", field="host") from None
    try:
        return socket.create_server((settings.host, settings.port), family=found[0][0])
    except OSError as error:
        raise ConflictError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}", help="name another one with --port or --host"
        ) from error


def run(app: Litestar, settings: Settings, *, on_start: Callable[[], None] = lambda: None) -> None:
    """Listen until the process is told to end (SIGINT, SIGTERM).

    Raises:
        InputError: the host is none. ConflictError: the port cannot be had.
    """
    server = server_of(app, settings)
    listening = _bound(settings)
    # uvicorn answers what is under way, and then raises the signal once more, which must not end the process: the homes are
    # still to be closed, and what was acknowledged becomes history. A signal from before uvicorn listens to it counts as well.
    before = {each: signal.signal(each, lambda *_: setattr(server, "should_exit", True)) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        listening.listen()  # who follows the link at once waits in line
        on_start()
        server.run(sockets=[listening])
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def serve(homes: Mapping[str, Path], settings: Settings, *, said: Callable[[str], None], watched: Watched | None = None) -> None:
    """Open homes, print where the service listens and a login link, and run until told to end.

    Args:
        homes: folders by tenant.
        settings: how it runs.
        said: prints a line for people.
        watched: a source that the first home takes as well.
    """
    configure_logging(as_json=settings.log_json)
    with ExitStack() as stack:
        service = open_service({tenant: Home.open(path) for tenant, path in homes.items()}, settings, stack, apart=True)
        app = make_app(service)
        if watched is not None:
            stack.callback(WatchBeside(next(iter(service.homes.values())), watched, service.metrics.count).close)
        if settings.traces is not None:
            app.tracing = stack.enter_context(tracing_to(settings.traces))
        at = address(settings)
        for live in service.homes.values():
            notice = live.home.path / RUNNING_FILE
            notice.write_text(json.dumps({"address": at}), encoding="utf-8")
            stack.callback(notice.unlink, missing_ok=True)
        # What was loaded stays: looking for garbage in it would only make requests wait.
        gc.collect()
        gc.freeze()
        stack.callback(gc.unfreeze)
        # An answer must not wait for long until the thread that judges lets go of the interpreter.
        sys.setswitchinterval(SWITCH_S)
        run(app, settings, on_start=lambda: said(login_link(service.desk, at)))
