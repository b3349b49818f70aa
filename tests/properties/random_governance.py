"""Random histories of governance: right and wrong acts of a small invented operator, as entries of a log.

A script is a list of (act, a, b, c); every number is taken modulo what there is, so that every script is a history and
Hypothesis can shrink it. Whatever an act produces goes into the log, also when it should have been refused.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

import governed_world as gw
from governed_world import DAY, HOUR, MINUTE, SECOND, START, World, party
from groundrule.govern import quorum
from groundrule.govern.expression import k_of
from groundrule.govern.objects import Proposal
from groundrule.govern.signed import format_time
from groundrule.govern.state import State

PEOPLE = ("p0", "p1", "p2", "p3", "p4", "p5")
REVIEWERS = ("v0", "v1", "v2")
SPARE = ("s0", "s1")
OUTSIDE = ("o0", "o1", "o2")
STEPS = (0, SECOND, MINUTE, HOUR, 6 * HOUR, 25 * HOUR, 3 * DAY, 15 * DAY)
LISTS = (("2026-03-01", gw.LIST_A), ("2026-03-02", gw.LIST_B))


def charter_value(version: int = 1, issued: int = START, **changes: Any) -> dict[str, Any]:
    """Three of six persons have two keys; the policy role is nested; p0 is an executive too."""
    a, b = (" ".join(f"n{n}" for n in group) for group in ((0, 1, 2), (3, 4, 5)))
    policy = "".join(f"person n{n} {party(f'p{n}')}\n" for n in range(6))
    policy += f"group left any {a}\ngroup right any {b}\ngroup q all left right\nquorum q\n"
    classes = {
        "routine": ("policy", 2, 6, 1, 0),
        "sensitive": ("policy", 3, 6, 2, 0),
        "critical": ("critical", 3, 5, 2, 24),
        "charter": ("root", 3, 6, 1, 0),
        "disclosure": ("review", 2, 3, 1, 0),
    }
    keys = ("role", "min_persons", "of_persons", "min_groups", "notice_hours")
    people = [gw.member(name, None, name, *([name + "b"] * (n < 3))) for n, name in enumerate(PEOPLE)]
    people += [gw.member(name) for name in (*REVIEWERS, *SPARE, "g1")]
    return gw.charter_value(
        version=version,
        issued=format_time(issued),
        expires=format_time(issued + 60 * DAY),
        policy_digest=gw.POLICY if version == 1 else None,
        persons=people,
        roles={
            "root": k_of(map(party, PEOPLE), 3),
            "policy": policy,
            "critical": k_of(map(party, PEOPLE[:5]), 3),
            "emergency": k_of(map(party, PEOPLE[:4]), 2),
            "review": k_of(map(party, REVIEWERS), 2),
            "registrar": f"person g {party('g1')}\nquorum g\n",
        },
        substitutes={"policy": [party(name) for name in SPARE]},
        change_classes={name: dict(zip(keys, values, strict=True)) for name, values in classes.items()},
        covered_persons=[{"party": party("p0"), "as": "executive"}],
        **changes,
    )


@cache
def _beginning() -> World:
    world = World()
    world.log("charter", gw.envelope("charter", charter_value(), *PEOPLE[:3]))
    return world


def beginning() -> World:
    """Return a fresh world under the small charter."""
    return _beginning().copy()


@dataclass
class Player:
    """Plays scripts."""

    world: World
    proposals: list[str]
    requests: list[str]
    contacts: list[str]
    serial: int = 0

    @classmethod
    def new(cls) -> Player:
        """Begin with a screened request and a routine proposal about it, so that most scripts reach a quorum."""
        begun = _begun()
        return cls(begun.world.copy(), list(begun.proposals), list(begun.requests), [], begun.serial)

    def play(self, script: list[tuple[int, int, int, int]]) -> Player:
        for act, a, b, c in script:
            self.act(ACTS[act % len(ACTS)], a, b, c)
        return self

    def act(self, act: int, a: int, b: int, c: int) -> None:
        self.serial += 1
        getattr(self, f"_{NAMES[act]}")(a, b, c)

    def _request(self, a: int, b: int, c: int) -> None:
        who = PEOPLE[b % 6] if c % 4 == 3 else OUTSIDE[a % 3]
        chain = "unknown" if c % 4 == 2 else party(OUTSIDE[b % 3])
        value = gw.request_value(self.serial, requester=party(who), on_behalf_of=[chain])
        self.world.force("request", value)
        self.requests.append(value["id"])

    def _outcome(self, a: int, b: int, c: int) -> None:
        if not self.requests:
            return
        value = {
            "id": self.requests[a % len(self.requests)] if c < 7 else gw.ident("request", "unknown"),
            "outcome": ("proposed", "proposed", "proposed", "refused", "withdrawn", "informally_followed", "proposed", "refused")[b],
            "outcome_reason": f"because {c} (invented)",
            "conflicts": [self.requests[c % len(self.requests)]] if c in (2, 3) else [],
            "priority": "the law of the place (invented)" if c == 2 else None,
            "at": format_time(self.world.now),
        }
        self.world.force("request", value)

    def _screening(self, a: int, b: int, c: int) -> None:
        date, sha = LISTS[b % 8 == 7]
        more: dict[str, Any] = {"snapshots": [{"source": "list-a", "date": date, "sha256": sha}]}
        if c % 8 == 7:
            more["candidates"] = [{"entry_uid": "x", "score": 900, "disposition": "unresolved", "by": None, "reason": ""}]
        if c % 8 == 6:
            owner = {"party": party(OUTSIDE[(a + 1) % 3]), "path": [], "share_bp": 4_000 + 2_000 * (b % 2), "result": "listed"}
            more["ownership"] = [owner]
        back = HOUR if c % 8 == 5 else 0
        name = OUTSIDE[a % 3] if a < 6 else PEOPLE[b % 6]
        self.world.force("screening", gw.screening_value(party(name), self.world.now - back, self.serial, **more))

    def _propose(self, a: int, b: int, c: int) -> None:
        class_ = ("routine", "routine", "sensitive", "critical")[a % 4]
        scope = [id_ for id_ in self.contacts if id_ in self.world.state.contacts] if c % 4 else []
        body = self.world.proposal_body(
            self.serial,
            author=party(PEOPLE[c % 6]) if a % 8 > 5 else party("g1"),
            **{"class": class_},
            requests=[self.requests[b % len(self.requests)]] if self.requests else [],
            contacts_in_scope=scope,
            supersedes=self.proposals[c % len(self.proposals)] if a == 7 and self.proposals else None,
            effective={
                "from": format_time(self.world.now + (HOUR if b == 7 else 0)),
                "until": format_time(self.world.now + 10 * DAY) if b % 2 else None,
                "tz": "UTC",
            },
            impact={"protected_changed": ["clinic (invented)"]} if c == 7 else {},
        )
        self.world.force("proposal", body)
        name = Proposal.parse(body["proposal"]).id
        if name in self.world.state.proposals and name not in self.proposals:
            self.proposals.append(name)

    def envelope(self, a: int, b: int, verdict: str = "approve", signer: str | None = None, **changes: Any) -> Any:
        if not self.proposals:
            return None
        people = (*PEOPLE, *SPARE)
        who = people[a % 8]
        return self.world.approval(self.proposals[b % len(self.proposals)], who, verdict, signer=signer or who, **changes)

    def _approve(self, a: int, b: int, c: int) -> None:
        people = (*PEOPLE, *SPARE)
        second = people[a % 8] + "b" if c % 3 == 2 and a % 8 < 3 else None
        life = (3 * DAY, HOUR, 10 * DAY, 3 * DAY)[c % 4]
        made = self.envelope(a, b, signer=second, expires=format_time(self.world.now + life))
        if made:
            self.world.force("approval", made)

    def _negative(self, a: int, b: int, c: int) -> None:
        made = self.envelope(a, b, "reject" if c % 3 else "recuse")
        if made:
            self.world.force("approval", made)

    def _wrong(self, a: int, b: int, c: int) -> None:
        changes: dict[str, Any] = [
            {"signer": PEOPLE[(a + 1) % 6]},
            {"impact_digest": gw.digest("other")},
            {"charter_version": 9},
            {"signed_at": format_time(self.world.now + DAY), "expires": format_time(self.world.now + 2 * DAY)},
            {"seen_checkpoint": {"size": 1, "root": gw.digest("root")}},
            {"nonce": f"{1:032x}"},
            {"role": "root"},
            {"signed_at": format_time(START - DAY), "expires": format_time(self.world.now + 2 * DAY)},
        ][c % 8]
        made = self.envelope(a, b, **changes)
        if made:
            self.world.force("approval", made)

    def _contact(self, a: int, b: int, c: int) -> None:
        who, other = PEOPLE[a % 6], OUTSIDE[b % 3]
        end = self.world.now - (0, HOUR, 3 * DAY, 20 * DAY, 800 * DAY, DAY, 9 * DAY, 0)[c % 8]
        value: dict[str, Any] = {
            "occurred_from": None if c == 7 else format_time(end - DAY),
            "occurred_to": format_time(end),
            "reported_at": format_time(self.world.now),
            "reported_by": party(OUTSIDE[c % 2]),
            "counterparty_kind": "government_body" if b > 5 else "legal_entity",
        }
        if (a + b) % 3 == 0:
            body = gw.own_contact(self.serial, who, party(other), **(value | {"reported_by": party(who)}))
        else:
            body = gw.contact_value(self.serial, party(who), party(other), **value)
        self.world.force("contact", body)
        self.contacts.append(gw.ident("contact", self.serial))

    def _review(self, a: int, b: int, c: int) -> None:
        if not self.contacts:
            return
        of = self.contacts[a % len(self.contacts)]
        verdict = ("upheld", "reversed", "partly")[b % 3]
        signers = REVIEWERS[:2] if c % 8 else REVIEWERS[:1]
        value = self.world.review_value(of, verdict, self.serial, reviewers=[party(each) for each in signers])
        self.world.force("review", gw.envelope("review", value, *signers))
        update = {
            "id": of,
            "status": "corroborated" if c % 2 else "denied",
            "by": party("v0"),
            "review": value["id"],
            "evidence": [],
            "at": format_time(self.world.now),
        }
        self.world.force("contact-update", update)

    def _examine(self, a: int, b: int, c: int) -> None:
        """A review of a proposal is opened, or concluded by enough or too few."""
        if not self.proposals:
            return
        of = self.proposals[a % len(self.proposals)]
        name, due = (of, c // 4), format_time(START + (1 + c % 4) * DAY)
        signers = REVIEWERS[: 1 + (c > 0)]
        if b < 4:
            self.world.force("review", self.world.review_value(of, None, name, due=due))
        else:
            verdict = ("upheld", "reversed", "partly", "upheld")[b - 4]
            value = self.world.review_value(of, verdict, name, due=due, reviewers=[party(each) for each in signers])
            self.world.force("review", gw.envelope("review", value, *signers))

    def _wait(self, a: int, b: int, c: int) -> None:  # noqa: ARG002
        self.world.now += STEPS[a % len(STEPS)]

    def _enact(self, a: int, b: int, c: int) -> None:  # noqa: ARG002
        if not self.proposals or self.world.state.policy_digest is None:
            return
        name = self.proposals[a % len(self.proposals)]
        made = quorum.enactment(self.world.state, name, self.world.judge(name), self.world.now).value
        if len(made["approvals"]) < 2:  # somebody writes an enactment that nobody approved
            made["approvals"] = [{"digest": gw.digest(n), "log_index": n} for n in range(2)]
        if b == 7:
            made["policy_digest_after"] = gw.digest("ghost rule")
        self.world.force("enactment", made)

    def _replay(self, a: int, b: int, c: int) -> None:  # noqa: ARG002
        _, _, kind, body = self.world.entries[(8 * a + b) % len(self.world.entries)]
        self.world.force(kind, copy.deepcopy(body))

    def _rotate(self, a: int, b: int, c: int) -> None:  # noqa: ARG002
        charter = self.world.state.charter
        assert charter is not None
        value = charter_value(version=charter.version + 1 + (b == 7), issued=self.world.now)
        self.world.force("charter", gw.envelope("charter", value, *PEOPLE[: 2 + (a % 4 > 0)]))


@cache
def _begun() -> Player:
    player = Player(beginning(), [], [], [])
    player.act(0, 0, 1, 0)
    player.act(1, 0, 0, 0)
    player.act(1, 1, 0, 0)
    player.act(2, 0, 0, 0)
    return player


NAMES = (
    "request", "screening", "propose", "approve", "negative", "wrong", "contact", "review", "wait", "enact", "replay", "rotate",
    "outcome", "examine",
)  # fmt: skip
ACTS = (0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 4, 5, 6, 6, 7, 8, 8, 9, 9, 10, 11, 12, 13)
"""How often each act comes up."""
_SMALL = st.integers(0, 7)
_ENACTED = [("approve", 0, 0, 0), ("approve", 4, 0, 0), ("enact", 0, 0, 0)]
PRELUDES: dict[str, list[tuple[str, int, int, int]]] = {
    "nothing": [],
    "a quorum": _ENACTED[:2],
    "in force": _ENACTED,
    "twice in force": [*_ENACTED, ("propose", 0, 1, 0), ("approve", 0, 1, 0), ("approve", 4, 1, 0), ("enact", 1, 0, 0)],
    "two of one half": [("approve", 0, 0, 0), ("approve", 1, 0, 0), ("enact", 0, 0, 0)],
    "voted down": [("negative", who, 0, 1) for who in (6, 7, 0, 1, 2)],
    "charter expired": [("wait", 7, 0, 0)] * 4,
    "suspended": [("approve", 0, 0, 0), ("contact", 0, 0, 3)],
    "examined": [*_ENACTED[:2], ("examine", 0, 0, 1)],
    "found against": [*_ENACTED[:2], ("examine", 0, 5, 1)],
    "half of them out": [("contact", who, who, 0) for who in (0, 3)] + [("negative", 1, 0, 0)],
}
"""How histories begin, so that what takes many acts is not rare."""


def _scripted(begun: str, rest: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    return [(ACTS.index(NAMES.index(act)), a, b, c) for act, a, b, c in PRELUDES[begun]] + rest


SCRIPTS = st.builds(
    _scripted,
    st.sampled_from(sorted(PRELUDES)),
    st.lists(st.tuples(st.integers(0, len(ACTS) - 1), _SMALL, _SMALL, _SMALL), min_size=2, max_size=10),
)


def refold(entries: list[tuple[int, int, str, dict[str, Any]]]) -> State:
    """Fold entries that begin with the charter; the charter's own fold is reused."""
    state = _beginning().state.copy()
    for entry in entries[1:]:
        state.apply(*entry)
    return state
