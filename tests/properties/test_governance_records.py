"""What is due stays visible: requests that nobody ended (I15) and seals that nobody opened (I19), against plain models.

500 examples each, or GROUNDRULE_EXAMPLES. Requests are judged on the fold of the log; seals in a real home, which is made once
and carries on from example to example.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_governance import ACTS, NAMES, Player, refold
from slow_governance import Facts

from governed_home import START, Clock, base_home, quick_folder
from governed_world import DAY
from groundrule.errors import ConflictError, IntegrityError
from groundrule.govern import requests
from groundrule.instant import parse_instant
from groundrule.ledger.entry import Entry
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.ledger_duties import SEAL_DAYS, seal, unseal
from groundrule.pipeline.ledger_state import state_of
from groundrule.store.home import Home
from small_home import copy_home

EXAMPLES = int(os.environ.get("GROUNDRULE_EXAMPLES", "500"))
MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
MS = 1_000_000
OFTEN = [ACTS.index(NAMES.index(name)) for name in ("request", "outcome", "outcome", "propose", "wait", "negative", "approve", "enact")]
"""Acts that end a request or keep it open."""
LETTERS = st.lists(st.tuples(st.sampled_from(OFTEN), *(st.integers(0, 7),) * 3), min_size=4, max_size=10)


@MANY
@given(st.sampled_from([0, 0, 10, 20, 29, 30]), LETTERS, st.integers(0, 40 * DAY // MS))
def test_i15_every_request_has_a_final_outcome_or_is_overdue(days_before: int, script: Any, later: int) -> None:
    player = Player.new()
    world = player.world
    world.now += days_before * DAY
    player.play(script)
    state, facts = world.state, Facts(world.entries)
    assert set(state.requests) == set(facts.requests)
    assert {id_: logged.outcome for id_, logged in state.requests.items()} == {id_: facts.said_of(id_) for id_ in facts.requests}
    days = state.charter.limits.request_days * DAY  # type: ignore[union-attr]  # there is a charter
    dues = [logged.t_ns + days + step for logged in state.requests.values() for step in (-MS, 0)]
    for at in sorted({world.now, world.now + later * MS, *dues}):
        stands = {id_: facts.where_stands(id_, at // MS) for id_ in facts.requests}
        assert set(requests.overdue(state, at)) == {id_ for id_, found in stands.items() if found == "overdue"}
        for id_, logged in state.requests.items():
            found = requests.clock(state, logged, at)
            assert found.ended == (stands[id_] == "ended")
            hypothesis.event(f"{stands[id_]} after {logged.outcome}")
            # No third way: in its days, ended by an entry, or listed.
            assert found.ended or found.overdue or at < found.due_ns
    # After the days of everything, what is not ended is listed; and the log alone says so.
    end = world.now + 400 * DAY
    never = {id_ for id_ in facts.requests if facts.where_stands(id_, end // MS) != "ended"}
    assert set(requests.overdue(refold(world.entries), end)) == never
    assert never == {id_ for id_ in facts.requests if facts.said_of(id_) == "pending"}


class Vault:
    """A home whose log is read again, entry by entry, by something that knows only what a seal is."""

    def __init__(self, template: Home, folder: Path) -> None:
        self.folder, self.uses = folder, 0
        self.clock = Clock(START)
        self.stack = ExitStack()
        self.home = copy_home(template, folder / "home")
        self.stack.enter_context(self.home.writer())
        self.ledger = self.stack.enter_context(HomeLedger.open(self.home, clock=self.clock))
        self.read = 0
        self.closed: dict[str, dict[str, Any]] = {}
        self.opened: dict[str, dict[str, Any]] = {}
        self.tried: set[str] = set()

    def catch_up(self) -> None:
        self.ledger.commit()
        for data in self.ledger.log.tree().entries(self.read):
            entry, self.read = Entry.decode(data), self.read + 1
            if entry.kind == "sealed":
                assert entry.body["commitment"] not in self.closed
                self.closed[entry.body["commitment"]] = entry.body
            if entry.kind == "unsealed":
                name = entry.body["commitment"]
                assert name in self.closed
                assert name not in self.opened, "a seal opens once"
                salt = b64decode(entry.body["salt"])
                text = json.dumps(entry.body["content"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                assert b64encode(hashlib.sha256(b"groundrule/seal/v1\0" + salt + text.encode()).digest()).decode() == name
                self.opened[name] = entry.body

    def end(self) -> None:
        self.stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def make_template() -> Home:
    return base_home(quick_folder() / "home")


@pytest.fixture(scope="module")
def vaults() -> Iterator[dict[str, Any]]:
    yield (held := {"template": make_template()})
    if "vault" in held:
        held["vault"].end()
    shutil.rmtree(held["template"].path.parent, ignore_errors=True)


def vault_of(held: dict[str, Any]) -> Vault:
    """The vault in use; a fresh one after so many examples, because everything in it is looked at every time."""
    if "vault" not in held or held["vault"].uses >= 50:
        if "vault" in held:
            held["vault"].end()
        held["vault"] = Vault(held["template"], quick_folder())
    held["vault"].uses += 1
    return held["vault"]  # type: ignore[no-any-return]


CONTENT = st.dictionaries(st.text("abé☃", min_size=1, max_size=3), st.text(max_size=5) | st.integers(-9, 9), min_size=1, max_size=3)
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("seal"), CONTENT, st.integers(1, SEAL_DAYS)),
        st.tuples(st.just("open"), st.integers(0, 9), st.sampled_from(["whole", "whole", "changed"])),
        st.tuples(st.just("wait"), st.integers(0, 70), st.just(0)),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@MANY
@given(CONTENT, st.integers(1, SEAL_DAYS), DEEDS, st.integers(0, 2 * SEAL_DAYS))
def test_i19_seals_open_to_their_commitment_and_overdue_ones_are_listed(
    vaults: dict[str, Any], first: dict[str, Any], days: int, deeds: list[Any], later: int
) -> None:
    vault = vault_of(vaults)
    ledger, mine = vault.ledger, {}
    for deed, what, how in [("seal", first, days), *deeds]:
        if deed == "wait":
            vault.clock.now += what * DAY
        elif deed == "seal":
            due = vault.clock.now + how * DAY
            made = seal(ledger, what, kind="rule", disclose_by_ns=due, custodians=["party (invented)"])
            mine[made] = what
        else:
            name = sorted(mine)[what % len(mine)]
            _open(vault, name, how, mine[name])
    vault.catch_up()
    assert mine.keys() <= vault.closed.keys()
    for at in (vault.clock.now, vault.clock.now + later * DAY):
        listed = [each["commitment"] for each in state_of(vault.home, now_ns=at)["overdue"]]
        late = [name for name, body in vault.closed.items() if parse_instant(body["disclose_by"]) < at and name not in vault.opened]
        assert sorted(listed) == sorted(late)
    for name in mine.keys() & vault.opened.keys():
        assert vault.opened[name]["content"] == mine[name]


def _open(vault: Vault, name: str, how: str, content: dict[str, Any]) -> None:
    if name in vault.tried:
        with pytest.raises(ConflictError, match="opened"):
            unseal(vault.ledger, name)
        return
    size = vault.ledger.log.size
    if how == "whole":
        assert unseal(vault.ledger, name)["content"] == content
        vault.tried.add(name)
        return
    with closing(sqlite3.connect(vault.home.path / "records.sqlite", isolation_level=None)) as database:
        (kept,) = database.execute("SELECT content FROM sealed WHERE commitment=?", (b64decode(name),)).fetchone()
        other = json.dumps(content | {"x": "another"})
        database.execute("UPDATE sealed SET content=? WHERE commitment=?", (other, b64decode(name)))
    with pytest.raises(IntegrityError):  # what is opened is what was sealed, or nothing is
        unseal(vault.ledger, name)
    assert vault.ledger.log.size == size
    with closing(sqlite3.connect(vault.home.path / "records.sqlite", isolation_level=None)) as database:
        database.execute("UPDATE sealed SET content=? WHERE commitment=?", (kept, b64decode(name)))
