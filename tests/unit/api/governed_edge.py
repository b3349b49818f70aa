"""A service over a real, governed home: the log, the live desk, invented persons with keys, and their signed envelopes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from governed_home import START, Clock, base_home, desk, quick_folder
from governed_world import DAY, HOUR, POLICY_MEMBERS, envelope, party
from groundrule.api.app import make_app
from groundrule.api.credentials import Desk
from groundrule.api.jobs import Jobs
from groundrule.api.settings import Settings
from groundrule.api.state import Service
from groundrule.govern.signed import format_time, whole_ms
from groundrule.ledger.reader import read_log
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.home_ledger import log_folder
from groundrule.pipeline.list_imports import keep_list
from groundrule.pipeline.live import Live, LiveSettings
from groundrule.screen.lists import find_lists, read_list
from groundrule.signing import SigningKey
from groundrule.store.access import AccessStore
from groundrule.store.home import Home
from groundrule.store.sanctions import SanctionsLists
from small_home import RECORDED, copy_home, drive, observation, table

SDN = (
    '1,"EXEMPEL, Gavriil (INVENTED)","individual","INV",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,'
    '"DOB 12 Mar 1960; nationality Russia; Passport X0001234 (Russia)."\r\n\x1a'
)
QUIET = LiveSettings(commit_every_s=3_600, check_every_s=3_600)


@dataclass
class Edge:
    """A service that answers, and those who ask it."""

    home: Home
    clock: Clock
    live: Live
    service: Service
    client: TestClient[Litestar]
    nonces: int = 0
    keys: dict[Any, dict[str, str]] = field(default_factory=dict)

    def as_(self, *roles: str, **more: Any) -> dict[str, str]:
        name = (roles, tuple(sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in more.items())))
        if name not in self.keys:
            self.keys[name] = {"Authorization": f"Bearer {self.service.desk.give_key('test', roles, days=366, **more)[1]}"}
        return self.keys[name]

    def get(self, path: str, *roles: str, status: int = 200, **more: Any) -> Any:
        answer = self.client.get(path, headers=self.as_(*(roles or ("officer",)), **more))
        assert answer.status_code == status, (answer.status_code, answer.text[:800])
        return answer.json()

    def post(self, path: str, body: Any, *roles: str, status: int = 201, **more: Any) -> Any:
        answer = self.client.post(path, json=body, headers=self.as_(*(roles or ("officer",)), **more))
        assert answer.status_code == status, (answer.status_code, answer.text[:1200])
        return answer.json()

    def observe(self, rows: list[dict[str, Any]]) -> None:
        self.live.submit(table(rows), source="test").result()
        self.live.commit().result()

    def now(self) -> int:
        return whole_ms(self.clock.now)

    def approval(
        self, proposal_id: str, person: str, verdict: str = "approve", *, signer: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """What a person signs on an own machine."""
        state, log = read_state(self.home), read_log(log_folder(self.home))
        logged, charter, head = state.proposals[proposal_id], state.charter, log.head
        assert charter is not None
        assert head is not None
        self.nonces += 1
        value = {
            "proposal_digest": proposal_id, "impact_digest": logged.proposal.impact_digest, "verdict": verdict,
            "role": charter.change_class(logged.proposal.class_).role, "person": party(person), "charter_version": charter.version,
            "seen_checkpoint": {"size": head.size, "root": head.root.hex()}, "conflict_statement": "none",
            "nonce": f"{self.nonces:032x}", "signed_at": format_time(self.now()), "expires": format_time(self.now() + 3 * DAY),
        } | more  # fmt: skip
        return envelope("approval", value, signer or person)

    def emergency(self, *signers: str, **changes: Any) -> dict[str, Any]:
        """The signed bytes of an emergency."""
        at = self.now()
        value = {
            "id": f"emergency-{at:032x}", "openers": [party("e1"), party("e2")], "condition": "immediate_danger_to_life",
            "scope": {"areas": ["closed"], "terminals": [], "ops": ["serve"]}, "direction": "permit_only", "opened_at": format_time(at),
            "ttl_s": 3_600, "renewal_of": None, "auto_revert_digest": read_state(self.home).policy_digest,
            "review_due": format_time(at + 24 * HOUR),
        } | changes  # fmt: skip
        return envelope("emergency", value, *signers)

    def propose(self, *changes: dict[str, Any], **fields: Any) -> dict[str, Any]:
        body = {"author": party("author"), "rationale": "a test (invented)", "reversal_plan": "put back what was", "changes": list(changes)}
        made: dict[str, Any] = self.post("/v1/proposals", body | fields, "analyst")
        return made

    def done(self, started: dict[str, Any], *roles: str, **more: Any) -> dict[str, Any]:
        """Wait for a job; its view once it has ended."""
        for _ in range(2_400):
            found: dict[str, Any] = self.get(f"/v1/jobs/{started['id']}", *roles, **more)
            if found["state"] in ("done", "failed"):
                return found
            time.sleep(0.05)
        raise AssertionError("the job does not end")

    def refused(self) -> list[str]:
        return [each.code for each in read_state(self.home).rejections]


def template() -> Home:
    """A governed home with a few decisions, made once."""
    if not _made:
        home = base_home(quick_folder() / "template")
        with desk(home) as made:
            made.genesis()
            listed = home.path.parent / "sdn.csv"
            listed.write_text(SDN)
            with SanctionsLists.open(home) as lists:
                (found,), _ = find_lists([listed])
                snapshot = read_list(found, published_ns=RECORDED)
                keep_list(lists, made.governance.ledger, snapshot, recorded_ns=START, actor="test")
        _made.append(home)
    return _made[0]


_made: list[Home] = []


@contextmanager
def governed_edge(folder: Path | None = None, *, settings: Settings | None = None) -> Iterator[Edge]:
    """Open a service over a governed home with a few decisions."""
    folder = folder or quick_folder()
    home = copy_home(template(), folder / "home")
    try:
        with edge_over(home, Clock(), settings=settings) as edge:
            rows = [*drive("car", 0, 8, lat=5, lon=1, km_h=100), *(observation("van", 15 * k, 2.5, 2.5) for k in range(3))]
            edge.observe([*rows, observation("guest", 0, 2.5, 2.5), observation("train", 0, 5, 5)])
            yield edge
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def edge_over(home: Home, clock: Clock, *, settings: Settings | None = None) -> Iterator[Edge]:
    """Open a service over a home that exists."""
    with ExitStack() as stack:
        live = stack.enter_context(Live.open(home, clock=clock, settings=QUIET))
        made = Desk(AccessStore.open(home.path / "access.sqlite"), SigningKey.from_seed("ed25519", bytes(32)), clock)
        stack.callback(made.store.close)
        service = Service({"default": live}, made, settings or Settings(), Jobs(clock), clock=clock)
        client = stack.enter_context(TestClient(make_app(service), raise_server_exceptions=False))
        yield Edge(home, clock, live, service, client)


__all__ = ["POLICY_MEMBERS", "Edge", "edge_over", "governed_edge", "party"]
