"""S7: a real service writes nothing personal into its logs, at any level, whatever is asked of it.

The process of `groundrule serve` runs with the root logger at DEBUG, as JSON; SQLAlchemy keeps its own level of WARNING, below which it writes rows. Every route of its document
is asked with canaries for ids, names, places and credentials, in paths, queries, headers and bodies, with good and bad ones.
"""

# ruff: noqa: E501 - requests stand side by side

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from canaries import leaks

sys.path.append(str(Path(__file__).parents[1] / "unit" / "api"))

from homes import ROWS, make_served_home

from groundrule.api.serving import open_desk
from groundrule.api.settings import Settings, free_port
from groundrule.instant import NS_PER_S
from small_home import ACCOUNTS, RECORDED, register

TERMINAL, ACCOUNT, PARTY = "canary-terminal-5d1e77", "canary-account-c0ffee", "canary-party-9b9b9b"
NAME, NOTE = "Kanarina Vogelsang (invented)", "canary note 66f1 of a letter"
PLACES = [(4.123457, 5.765433), (6.987651, 13.456789)]
GARBAGE = "canary-garbage-4711ab"
RUN = """
import logging, sys
from groundrule.api import logs
plain = logs.configure_logging
def loud(*, as_json):
    plain(as_json=as_json)
    handler = logging.getLogger("groundrule").handlers[0]
    logging.getLogger("groundrule").setLevel(logging.DEBUG)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi", "litestar", "asyncio", "duckdb"):
        logging.getLogger(name).setLevel(logging.DEBUG)
import groundrule.api.serving as serving
serving.configure_logging = loud
from groundrule.__main__ import main
sys.argv = ["groundrule", *sys.argv[1:]]
main()
"""


@dataclass
class Running:
    """A service in a process of its own.

    Attributes:
        at: its address.
        keys: texts of API keys by role.
        folder: holds its logs.
        process: it.
        secrets: everything that opens something.
    """

    at: str
    keys: dict[str, str]
    folder: Path
    process: subprocess.Popen[bytes]
    secrets: list[str]

    def logs(self) -> bytes:
        return (self.folder / "stderr").read_bytes()


@pytest.fixture(scope="module", params=["json"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("silent")
    home = make_served_home(folder / "home")
    later = RECORDED - 1800 * NS_PER_S
    register(home, "accounts", ACCOUNTS + f"{ACCOUNT},{PARTY},AT,active\n", recorded_at=later)
    register(home, "terminals", ROWS + f"{TERMINAL},{ACCOUNT},roam,,registered,AT\n", recorded_at=later)
    desk = open_desk(home, Settings())
    many: dict[str, dict[str, Any]] = {"owner": {"accounts": [ACCOUNT]}, "regulator": {"countries": ["AUT"]}}
    keys = {role: desk.give_key(NAME, [role], **many.get(role, {}))[1] for role in ("officer", "administrator", "ingest", "owner", "regulator")}
    keys["all"] = desk.give_key(NAME, ["officer", "administrator", "ingest"])[1]
    login, stale = desk.give_login({"id": "first", "name": NAME, "roles": ["officer"]}), desk.give_login({"id": "x", "roles": ["viewer"]})
    desk.store.close()
    port, rates = free_port(0), "".join(f"[rates.{name}]\nper_s = 1e6\nburst = 1000000\n" for name in ("none", "session", "key", "oidc"))
    (folder / "settings.toml").write_text(f"log_json = {str(request.param == 'json').lower()}\ncommit_every_s = 1.0\n{rates}")
    command = [sys.executable, "-c", RUN, "serve", "--home", str(home.path), "--port", str(port), "--settings", str(folder / "settings.toml")]
    with (folder / "stderr").open("wb") as errors, (folder / "stdout").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=errors, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        at, until = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while time.monotonic() < until:
            try:
                httpx.get(f"{at}/healthz")
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "stderr").read_text()
                time.sleep(0.1)
        yield Running(at, keys, folder, process, [*keys.values(), login, stale])
    finally:
        process.terminate()
        process.wait(30)


def drive(service: Running) -> set[int]:
    """Ask everything; return the statuses that came."""
    found: set[int] = set()
    login = service.secrets[-2]
    with httpx.Client(base_url=service.at, timeout=30) as client:
        document = client.get("/openapi.json").json()
        everybody = [{"Authorization": f"Bearer {service.keys[role]}"} for role in ("owner", "all")]
        rows = [{"terminal_id": TERMINAL, "observed_at": f"2026-11-20T12:00:0{n}Z", "lat_deg": lat, "lon_deg": lon} for n, (lat, lon) in enumerate(PLACES)]
        bad = [{"terminal_id": TERMINAL, "observed_at": GARBAGE, "lat_deg": 4.123457, "lon_deg": "no"}, {"terminal_id": GARBAGE * 40}]
        bodies: list[Any] = [
            {"rows": rows}, {"rows": bad}, {"names": [NAME]}, {"token": login}, {"text": f"rules: {NAME}"}, {"statement": NOTE, "name": NAME, "terminal": TERMINAL},
            {"device": {"networkAccessIdentifier": TERMINAL}, "area": {"areaType": "CIRCLE", "center": {"latitude": 4.123457, "longitude": 5.765433}, "radius": 5000}},
            {"device": {"phoneNumber": "+4312345678901"}, "maxAge": 60}, {"kind": "terminal", "id": TERMINAL, "for": "owner", "language": "en"},
        ]  # fmt: skip
        raw = (b'{"token": "' + login.encode() + b'"', b"[" * 20_000, GARBAGE.encode() + b"\xff", f"{NAME},{TERMINAL}".encode())
        for path, operations in document["paths"].items():
            if path == "/v1/events":
                continue
            where = path
            for part in [each for each in path.split("/") if "{" in each]:
                where = where.replace(part, quote(TERMINAL))
            for method in operations:
                asked = everybody if method == "get" else everybody[-1:]
                for headers in (*asked, {}, {"Authorization": f"Bearer {service.secrets[0][:-9]}{GARBAGE}"}, {"Cookie": f"groundrule_session={GARBAGE}"}):
                    query = {"q": NAME, "at": "2026-11-20T12:00:05Z", "cursor": GARBAGE, "area": TERMINAL, "west": 5.765433, "south": 4.123457}
                    if method == "get":
                        found.add(client.get(where, headers=headers).status_code)
                        found.add(client.get(where, headers=headers, params=query).status_code)
                if method in ("post", "put", "patch", "delete"):
                    for body in bodies:
                        found.add(client.request(method, where, headers=everybody[-1], json=body).status_code)
                    for body in raw:
                        headers = everybody[-1] | {"Content-Type": "application/json", "Idempotency-Key": GARBAGE}
                        found.add(client.request(method, where, headers=headers, content=body).status_code)
        found.add(client.get(f"/{quote(NAME)}/{TERMINAL}?q={GARBAGE}").status_code)
        found.add(client.get("/healthz", headers={"Host": f"{GARBAGE}.example", "User-Agent": NAME, "X-Forwarded-For": "198.51.100.77"}).status_code)
        found.add(client.request(GARBAGE.upper()[:20], "/healthz").status_code)
    return found


def test_every_route_is_asked_and_the_logs_hold_no_canary(running: Running) -> None:
    found = drive(running)
    assert {200, 400, 401, 403, 404} <= found, found
    assert not {each for each in found if each >= 500 and each not in (501, 503)}, found
    time.sleep(1.5)  # a run of the home is made meanwhile
    running.process.terminate()
    running.process.wait(30)
    data = running.logs()
    assert data.count(b"\n") > 200, "requests are logged"
    assert leaks([data], texts=[TERMINAL, ACCOUNT, PARTY, NAME, NOTE, GARBAGE, *running.secrets]) == []
    places = [f"{number:.6f}" for place in PLACES for number in place]
    assert not [each for each in (*places, "4312345678901", "198.51.100.77") if each.encode() in data]
    assert b"Traceback" not in data, "nothing that was asked is a fault of the program"
    if data.startswith(b"{"):
        for line in data.splitlines():
            json.loads(line)
    # What people see on the terminal is the login link, and nothing else that opens anything.
    said = (running.folder / "stdout").read_bytes()
    assert said.count(b"/login#token=") == 1
    assert leaks([said], texts=[TERMINAL, ACCOUNT, NAME, *running.secrets]) == []


def test_the_search_finds_what_is_planted() -> None:
    assert leaks([b'{"route": "/v1/terminals/' + TERMINAL.encode() + b'"}'], texts=[TERMINAL])
