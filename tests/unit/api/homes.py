"""Real small homes behind a real service: decided, logged, governed, with owners and two countries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar
from litestar.testing import TestClient

from governed_home import START, base_home, decided, desk
from groundrule.api.app import make_app
from groundrule.api.serving import open_service
from groundrule.api.settings import RateLimit, Settings
from groundrule.api.state import Service
from groundrule.instant import NS_PER_S
from groundrule.store.home import Home
from small_home import ACCOUNTS, RECORDED, T0, TERMINALS, drive, observation, register, table

STRANGE = "тарілка/№ 7 \u202e%2F"
"""A terminal whose id has a slash, a percent sign, another script and a mark that turns the writing."""
LONG = "ü" * 100
"""A terminal whose id is as long as one may be: 200 bytes."""
ROWS = TERMINALS + f'"{STRANGE}",acc-a,roam,,registered,AT\n"{LONG}",acc-b,roam,,registered,BE\n'
QUICK = Settings(rates={name: RateLimit(1e6, 1_000_000) for name in ("none", "session", "key", "oidc")})


def small_observations() -> Any:
    """A car that gets too fast in Aland, a guest who crosses into Bland, a van in the closed zone, and strange names."""
    rows = [*drive("car", 0, 12, lat=5, lon=5, km_h=100), *drive("guest", 0, 10, lat=5, lon=9.99, km_h=70)]
    rows += [observation("van", 30, 2.5, 2.5), observation("late payer", 10, 6, 6), observation("train", 20, None, None)]
    rows += [*drive(STRANGE, 0, 3, lat=4, lon=4, km_h=10), observation(LONG, 5, 7, 12), observation("stranger", 7, 8, 12.5)]
    return table(sorted(rows, key=lambda row: row["observed_at"]))


def make_served_home(path: Path) -> Home:
    """Make the home: registers, a list, a log, decisions, and a charter."""
    home = base_home(path, registers=False)
    register(home, "accounts", ACCOUNTS)
    register(home, "terminals", ROWS)
    with desk(home) as governing:
        governing.genesis()
    with home.writer():
        decided(home, small_observations(), at_ns=START + 3600 * NS_PER_S)
    return home


@dataclass
class Served:
    """A service over a home, and somebody who asks."""

    service: Service
    client: TestClient[Litestar]

    def key(self, *roles: str, **more: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.service.desk.give_key('test', roles, **more)[1]}"}

    def get(self, path: str, who: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        return self.client.get(path, headers=(who or {}) | more.pop("headers", {}), **more)


@contextmanager
def served(home: Home, *, clock: Callable[[], int] | None = None, settings: Settings = QUICK) -> Iterator[Served]:
    """Serve a home."""
    at = clock or (lambda: START + 7200 * NS_PER_S)
    with ExitStack() as stack:
        service = open_service({"default": home}, settings, stack, clock=at)
        with TestClient(make_app(service), raise_server_exceptions=False) as client:
            yield Served(service, client)


__all__ = ["LONG", "QUICK", "RECORDED", "STRANGE", "T0", "Served", "make_served_home", "served", "small_observations"]
