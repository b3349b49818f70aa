"""A service over fake homes, whose edge is real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_live import FakeLive
from litestar import Litestar
from litestar.testing import TestClient

from groundrule.api.app import make_app
from groundrule.api.credentials import Desk, Provider
from groundrule.api.jobs import Jobs
from groundrule.api.settings import Settings
from groundrule.api.state import Service
from groundrule.signing import SigningKey
from groundrule.store.access import AccessStore

NOW = 1_790_000_000_000_000_000


class Time:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


def service_at(
    folder: Path, *, settings: Settings | None = None, clock: Callable[[], int] | None = None, providers: tuple[Provider, ...] = ()
) -> Service:
    clock = clock or Time()
    desk = Desk(AccessStore.open(folder / "access.sqlite"), SigningKey.from_seed("ed25519", bytes(32)), clock, providers)
    homes: dict[str, Any] = {"default": FakeLive(folder), "other": FakeLive(folder / "other", name="home-of-others")}
    return Service(homes, desk, settings or Settings(), Jobs(clock), clock=clock)


def client_of(service: Service, **more: Any) -> TestClient[Litestar]:
    return TestClient(make_app(service, **more), raise_server_exceptions=False)


def bearer(service: Service, *roles: str, **more: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {service.desk.give_key('test', roles, **more)[1]}"}
