"""A service over a small home that may send to a receiver on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from homes import QUICK, Served
from litestar.testing import TestClient

from governed_home import START
from groundrule.api.app import make_app
from groundrule.api.outlets import Ways
from groundrule.api.serving import open_service
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.live.delivering import Pace
from groundrule.pipeline.live.sending import SendBounds
from groundrule.store.home import Home
from receiver import Receiver
from small_home import copy_home, register

ADDRESSES = "address,terminal_id\n+123456789,car\n+12345678912,van\n123.234.1.2:1234,van\n+4930000001,silent\n"


class Clock:
    """Time that goes on by itself, and that tests put forward."""

    def __init__(self) -> None:
        self._offset = START + 7200 * NS_PER_S - time.monotonic_ns()

    def __call__(self) -> int:
        return time.monotonic_ns() + self._offset

    def forward(self, seconds: float) -> None:
        self._offset += round(seconds * NS_PER_S)


class Told(Served):
    """A service, somebody who asks, and the clock."""

    clock: Clock

    def seen(self, terminal: str, lat: float, lon: float, sigma: float = 10.0) -> None:
        row = {
            "terminal_id": terminal, "observed_at": format_instant(self.clock()), "lat_deg": lat, "lon_deg": lon, "position_sigma_m": sigma,
        }  # fmt: skip
        answer = self.client.post("/v1/observations", json={"rows": [row]}, headers=self.key("ingest"))
        assert answer.json()["accepted"] == 1, answer.text

    def post(self, path: str, body: Any, who: dict[str, str]) -> httpx.Response:
        return self.client.post(path, json=body, headers=who)


def told_home(template: Home, path: Path) -> Home:
    home = copy_home(template, path)
    register(home, "addresses", ADDRESSES)
    return home


@contextmanager
def told(home: Home, sink: Receiver, *, clock: Clock | None = None) -> Iterator[Told]:
    """Serve a home that may send to a receiver."""
    clock = clock or Clock()
    settings = msgspec.structs.replace(QUICK, webhook_hosts=(sink.allowed,))
    ways = Ways(sink.network, SendBounds(seconds=2.0), Pace(first_s=0.01, longest_s=0.05, tries=4, look_s=0.03))
    with ExitStack() as stack:
        service = open_service({"default": home}, settings, stack, clock=clock, ways=ways)
        with TestClient(make_app(service), raise_server_exceptions=False) as client:
            made = Told(service, client)
            made.clock = clock
            yield made
