"""The whole service while clients load it: killed, on a full disk, without its database, told to end."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from live_server import START_NS
from service_process import Load, Services, body_of, key_of, lost_and_doubled, services

import small_home as sh
from governed_home import base_home, desk
from governed_world import party
from groundrule.pipeline.replaying import replay
from groundrule.store.home import Home
from groundrule.store.segments import segments_of
from register_places import Place, folder_of_programs
from register_places import running as running_postgres

KILLS = 5
PROTECTED = "ambulance"
NS = 1_000_000_000


@pytest.fixture(scope="module")
def running() -> Iterator[Services]:
    with services() as made:
        yield made


def make(path: Path, **options: Any) -> Home:
    """A governed home with a protected terminal."""
    home = base_home(path, **options)
    head = "terminal_id,account_id,plan,programmes,registration,activation_country,protected_class"
    sh.register(home, "terminals", f"{head}\n{PROTECTED},acc-a,roam,,registered,AT,medical\n")
    with desk(home) as governing:
        governing.genesis()
    return home


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make(tmp_path_factory.mktemp("service") / "template")


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return sh.copy_home(template, tmp_path / "home")


def test_no_kill_of_the_service_loses_or_doubles_what_it_acknowledged(running: Services, home: Home) -> None:
    chance = random.Random(20261124)
    key = key_of(home)
    acked: dict[int, dict[str, Any]] = {}
    first, again, recovered = 1, 0, 0
    for _ in range(KILLS):
        service = running.start(home, commit_every_s=chance.choice((0.05, 0.5, 60)))
        with service.client(key) as client:
            recovered += client.get("/v1/status").json()["counters"]["recovered_rows"]
            for number in chance.sample(sorted(acked), min(3, len(acked))):
                answer = client.post("/v1/observations", json=body_of(number), headers={"Idempotency-Key": f"k-{number}"})
                assert answer.status_code == 200, answer.text
                now, then = answer.json(), acked[number]
                assert now["accepted"] == 0
                assert (now["answers"]["row"], now["answers"]["terminal_id"]) == (then["answers"]["row"], then["answers"]["terminal_id"])
                other = client.post("/v1/observations", json=body_of(number + 1), headers={"Idempotency-Key": f"k-{number}"})
                assert other.status_code == 409, other.text
                again += 1
        load = Load(service, key, first)
        load.wait(chance.randint(15, 25))
        time.sleep(chance.random() * 0.02)
        assert service.end(signal.SIGKILL) == -signal.SIGKILL
        load.end()
        assert load.refused == []
        assert len(load.acked) >= 15
        acked |= load.acked
        first = max(acked) + 20
    assert running.start(home).end() == 0
    assert segments_of(home) == []
    assert lost_and_doubled(home, set(acked), set(range(first))) == (0, 0)
    assert again == 3 * (KILLS - 1)
    assert recovered > 0, "no kill left anything to recover; the moments are badly chosen"
    replayed = replay(home)
    assert replayed.identical, replayed.difference


def test_told_to_end_it_answers_what_is_under_way_and_keeps_it(running: Services, home: Home) -> None:
    key = key_of(home)
    service = running.start(home, commit_every_s=3_600)
    load = Load(service, key, 1)
    load.wait(20)
    code = service.end(signal.SIGTERM)
    load.end()
    assert code == 0
    assert load.refused == [] or {status for status, _ in load.refused} == {503}
    # A request that crosses the closing of an idle connection is never begun (RFC 9112, 9.5): the sender sends it again.
    begun = sum(len(body_of(number)["rows"]) for number in load.broken) - lost_and_doubled(home, set(load.broken), set())[0]
    assert begun == 0, "what was under way is kept, and was not answered"
    assert lost_and_doubled(home, set(load.acked), set(range(max(load.acked) + 9))) == (0, 0)
    assert segments_of(home) == []


def ask(client: httpx.Client, terminal: str, at_s: int, lat: float, lon: float, path: str = "/v1/observations") -> httpx.Response:
    row = {"terminal_id": terminal, "observed_at": START_NS + at_s * NS, "lat_deg": lat, "lon_deg": lon}
    return client.post(path, json={"rows": [row]})


def until(seen: Callable[[], bool], *, within_s: float = 15) -> None:
    end = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


# --- a full disk ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    told = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    made = subprocess.run(told, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {made.stderr.strip()[:100]}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_full_disk_it_refuses_what_it_cannot_keep_and_goes_on_by_itself(
    running: Services, template: Home, small_disk: Path
) -> None:
    home = sh.copy_home(template, small_disk / "home")
    key = key_of(home)
    service = running.start(home, commit_every_s=3_600)
    with service.client(key) as client, service.client("") as stranger:
        assert ask(client, PROTECTED, 0, 5, 5).status_code == 200
        load = Load(service, key, 1)
        load.wait(10)
        with (small_disk / "filler").open("wb", buffering=0) as stream, suppress(OSError):
            while True:
                stream.write(bytes(4096))
        until(lambda: len(load.refused) >= 5)
        load.end()
        assert {status for status, _ in load.refused} == {507}
        assert load.broken == []
        assert load.refused[0][1]["status"] == 507
        assert load.refused[0][1]["title"] == "The disk is full"
        assert client.get("/v1/terminals").status_code == 200
        assert client.get(f"/v1/terminals/{PROTECTED}").json()["outcome"] == "serve"
        asked = ask(client, PROTECTED, 60, 5, 5, "/v1/decisions/evaluate")
        assert asked.status_code == 200, asked.text
        assert asked.json()["answers"]["outcome"] == ["serve"]
        assert asked.json()["answers"]["class"] == ["protected"]
        assert stranger.get("/v1/terminals").status_code == 401
        assert client.get("/healthz").status_code == 200
        (small_disk / "filler").unlink()
        until(lambda: ask(client, PROTECTED, 90, 5, 5).status_code == 200)
    assert service.end() == 0
    assert lost_and_doubled(home, set(load.acked), set())[0] == 0
    assert replay(home).identical


# --- a lost database --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def lost(request: pytest.FixtureRequest, template: Home, tmp_path: Path) -> Iterator[tuple[Home, Callable[[], None], Callable[[], None]]]:
    """A home, and how its registers are lost and come back."""
    if request.param == "sqlite":
        home = sh.copy_home(template, tmp_path / "home")
        there, away = home.path / "registers.sqlite", home.path / "away.sqlite"
        yield home, lambda: bool(there.rename(away)) and None, lambda: bool(away.rename(there)) and None
        return
    if folder_of_programs() is None:
        pytest.skip("no PostgreSQL on this machine (Debian: package postgresql)")
    with running_postgres() as server:
        home = make(tmp_path / "home", place=Place(server))
        yield home, lambda: server.stop(crash=True), server.start


REQUEST = {
    "requester": {"kind": "legal_entity", "names": ["Example Trading (invented)"]}, "received_by": party("g1"), "channel": "letter",
    "purpose": "commercial", "text": "Serve us there (invented).", "ask": [{"op": "serve", "object": "area/closed"}],
}  # fmt: skip


def test_without_its_database_it_decides_as_before_says_so_and_refuses_to_govern(
    running: Services, lost: tuple[Home, Callable[[], None], Callable[[], None]]
) -> None:
    home, lose, bring_back = lost
    key = key_of(home)
    service = running.start(home, commit_every_s=3_600)
    with service.client(key) as client:
        before = {name: ask(client, name, 0, 5, 5).json()["answers"] for name in (PROTECTED, "car", "late payer")}
        lose()
        degraded = lambda: ask(client, "train", int(time.monotonic() * 1_000) % 10**6 + 100, 5, 5).json()["degraded"]  # noqa: E731
        until(lambda: "degraded:policy_store_down" in degraded())
        for name, then in before.items():
            answer = ask(client, name, 15, 5, 5)
            assert answer.status_code == 200, answer.text
            now = answer.json()
            assert "degraded:policy_store_down" in now["degraded"]
            if name == PROTECTED or then["outcome"] == ["deny"]:
                assert (name, now["answers"]["outcome"]) == (name, then["outcome"])
            assert now["answers"]["outcome"] != ["deny"] or then["outcome"] == ["deny"], "newly denied"
        refused = client.post("/v1/requests", json=REQUEST)
        assert refused.status_code == 503, refused.text
        assert client.get("/v1/status").json()["degraded"] == ["degraded:policy_store_down"]
        bring_back()
        until(lambda: degraded() == [], within_s=20)
        assert client.post("/v1/requests", json=REQUEST).status_code in (201, 422)
    assert service.end() == 0

