"""P1 on a whole home: nothing private is in its public files, and an erasure leaves all proofs of others standing.

Everything private in this home is a canary: terminals, accounts, parties, places, holders of lists, names of areas. Each is
searched in every public file, in every form of `canaries`. That the search works is shown by planting one.
"""

from __future__ import annotations

import json
import random
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely

from canaries import Leak, geohash, leaks
from groundrule.areas.model import Area
from groundrule.errors import InputError
from groundrule.instant import NS_PER_DAY, NS_PER_S, parse_instant
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.ledger.entry import Entry
from groundrule.ledger.log import read_log
from groundrule.pipeline.aggregates import aggregates_folder, publish_aggregate, sealed_path
from groundrule.pipeline.home_ledger import HomeLedger, LedgerSetup, log_folder, policy_of
from groundrule.pipeline.ledger_duties import ERASURE_DAYS, beat, erase, seal, unseal
from groundrule.pipeline.receipts import issue_receipt
from groundrule.pipeline.runs import decide
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.home import Home
from groundrule.store.records import RecordStore
from small_home import AREAS, RECORDED, T0, copy_home, inputs, make_home, register

TERMINALS, ACCOUNTS, ROUNDS = 1_000, 200, 100
DECISIONS = TERMINALS * ROUNDS
NOW = parse_instant("2027-04-01T10:00:30Z")
SECRET = "depot kerbelheim (invented)"


@dataclass(frozen=True)
class World:
    """A home with its canaries."""

    home: Home
    terminals: list[str]
    accounts: list[str]
    others: list[str]
    places: list[tuple[float, float]]


def batches(rng: np.random.Generator, terminals: list[str]) -> Iterator[pa.Table]:
    """Terminals over two countries and a closed zone, each at a place of its own every round."""
    n = len(terminals)
    lat, lon = rng.uniform(1, 9, n), rng.uniform(1, 19, n)
    for number in range(ROUNDS):
        lat, lon = lat + rng.normal(0, 0.002, n), lon + rng.normal(0, 0.002, n)
        columns = {
            "terminal_id": pa.array(terminals),
            "observed_at": pa.array(T0 + (np.arange(n) % 1_000) * 1_000_000 + number * 60 * NS_PER_S),
            "lat_deg": pa.array(lat),
            "lon_deg": pa.array(lon),
            "position_source": pa.repeat("gnss", n),
            "source": pa.repeat("made", n),
        }
        whole = [columns.get(field.name, pa.nulls(n, field.type)) for field in OBSERVATION_SCHEMA]
        yield pa.table(whole, schema=OBSERVATION_SCHEMA)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    rng = random.Random(1)
    terminals = [f"ut{rng.getrandbits(64):016x}" for _ in range(TERMINALS)]
    accounts = [f"ACC-{rng.getrandbits(48):012X}" for _ in range(ACCOUNTS)]
    parties = [f"party-{rng.getrandbits(48):012x}" for _ in range(ACCOUNTS)]
    area = Area("canary-zone-59123", "zone", "Kerbelheim airfield (invented)", shapely.box(4, 4, 4.5, 4.5))
    home = make_home(tmp_path_factory.mktemp("canaries") / "home", areas=(*AREAS, area), ledger=LedgerSetup(), registers=False)
    lines = [f"{name},{party},AT,active\n" for name, party in zip(accounts, parties, strict=True)]
    register(home, "accounts", "account_id,party_id,country,state\n" + "".join(lines))
    lines = [f"{name},{accounts[n % ACCOUNTS]},roam,registered,AT\n" for n, name in enumerate(terminals)]
    register(home, "terminals", "terminal_id,account_id,plan,registration,activation_country\n" + "".join(lines))
    lines = [f"pass,{terminals[n]},active,{parties[n]},individual\n" for n in range(20)]
    register(home, "lists", "list_id,terminal_id,state,holder,legal_class\n" + "".join(lines))
    told = list(batches(np.random.default_rng(1), terminals))
    # Two minutes of one run and a second run, so that there are several batches.
    clock = iter(range(RECORDED, RECORDED + 10**6 * NS_PER_S, NS_PER_S))
    for part in (told[:60], told[60:]):
        with home.writer(), HomeLedger.open(home, clock=lambda: next(clock)) as ledger:
            decide(home, inputs(*part), recorded_at_ns=RECORDED, ledger=ledger)
    with home.writer(), HomeLedger.open(home, clock=lambda: NOW) as ledger:
        published = publish_aggregate(ledger, "2026-03-02")
        beat(ledger)
        seal(ledger, {"where": SECRET}, kind="area", disclose_by_ns=NOW + NS_PER_DAY, custodians=["Bar council (invented)"])
        erase(ledger, f"account:{accounts[0]}", months=(), basis="GDPR Art. 17(1)(b)")
        ledger.commit()
    with home.writer(), HomeLedger.open(home, clock=lambda: NOW + ERASURE_DAYS * NS_PER_DAY) as ledger:
        beat(ledger)
        ledger.commit()
    assert published.decisions == DECISIONS
    assert published.file.rows, "aggregates without a row would hide nothing"
    places = [
        (lat, lon)
        for table in told
        for lat, lon in zip(table.column("lat_deg").to_pylist(), table.column("lon_deg").to_pylist(), strict=True)
    ]
    others = [*parties, area.id, area.name, SECRET, "no_service_zone"]
    return World(home, terminals, accounts, others, places)


def public(home: Home) -> dict[str, bytes]:
    """Every public file of a home by its path; `.state` is the writer's own."""
    files = [path for path in log_folder(home).rglob("*") if path.is_file() and ".state" not in path.parts]
    files += [path for path in aggregates_folder(home).rglob("*") if path.is_file()]
    return {str(path.relative_to(home.path)): path.read_bytes() for path in files}


def found_in(world: World, parts: list[bytes], *, places: int | None = None) -> list[Leak]:
    texts = [*world.terminals, *world.accounts, *world.others]
    return leaks(parts, texts=texts, places=world.places[:places])


def test_no_canary_of_100_000_decisions_is_in_any_public_file(world: World) -> None:
    files = public(world.home)
    assert {"ledger/checkpoint", "ledger/policy", "aggregates/2026-03-02.json"} <= files.keys()
    kinds = {Entry.decode(data).kind for data in entries(world.home)}
    assert kinds >= {"decision-batch", "manifest", "evidence", "sealed", "erasure", "heartbeat", "key-event"}
    # What decided is public in aggregates alone, by its rule; so its reason is a canary, too.
    assert found_in(world, list(files.values())) == []


@pytest.mark.parametrize("where", ["ledger/checkpoint", "aggregates/2026-03-02.json"])
def test_one_planted_canary_is_found(world: World, where: str) -> None:
    files = public(world.home)
    lat, lon = world.places[7]
    planted = {
        world.terminals[7]: world.terminals[7].encode(),
        world.accounts[7]: world.accounts[7].encode().hex().encode(),
        SECRET: b64encode(SECRET.encode()),
        f"{lat},{lon}": geohash(lat, lon).encode(),
    }
    for value, needle in planted.items():
        parts = [*files.values(), files[where] + b"\n" + needle]
        assert {leak.value for leak in found_in(world, parts, places=10)} == {value}


def test_the_private_files_do_hold_the_canaries(world: World) -> None:
    """Control: the same search finds them where they are, so they are searched in the form in which they are written."""
    private = (world.home.path / "records.sqlite").read_bytes()
    found = {leak.value for leak in found_in(world, [private], places=0)}
    # All but what was erased.
    assert set(world.terminals) - found <= {name for n, name in enumerate(world.terminals) if n % ACCOUNTS == 0}
    assert world.accounts[1] in found
    assert SECRET in found


def test_the_exact_counts_are_in_no_public_file(world: World) -> None:
    held = json.loads(sealed_path(world.home, "2026-03-02").read_bytes())
    commitment = held["commitment"]
    cells = [cell for group in held["content"]["groups"] for cell in group["cells"]]
    shown = {row[0] for row in held["content"]["rows"]}
    hidden = {cell for cell, *_ in cells if f"h3:{cell}" not in shown}
    assert hidden, "some cells are too small for a row of their own"
    with HomeLedger.open(world.home) as ledger:
        salt = ledger.keys.seal_salt(commitment)
    assert salt is not None
    for data in public(world.home).values():
        assert all(cell.encode() not in data for cell in hidden)
        assert all(f'"{cell}",{terminals},'.encode() not in data for cell, terminals, *_ in cells)
        assert salt not in data
        assert b64encode(salt) not in data
        assert salt.hex().encode() not in data


# --- erasure from end to end ------------------------------------------------------------------------------------------


def entries(home: Home) -> list[bytes]:
    log = read_log(log_folder(home))
    return list(log.tree(log.integrated_size).entries())


def erasures(home: Home) -> list[dict[str, object]]:
    return [entry.body for data in entries(home) if (entry := Entry.decode(data)).kind == "erasure"]


def test_an_erasure_leaves_every_other_proof_standing_and_is_logged_in_its_time(world: World, tmp_path: Path) -> None:
    home = copy_home(world.home, tmp_path / "home")
    policy, start = policy_of(home), NOW + 60 * NS_PER_DAY
    subject = f"account:{world.accounts[1]}"
    gone = world.terminals[1::ACCOUNTS]
    kept = [name for n, name in enumerate(world.terminals) if n % ACCOUNTS > 1][::60]
    given = {name: issue_receipt(home, name).proof for name in [*kept, gone[0]]}
    heads = [read_log(log_folder(home)).checkpoint or b""]
    logs = [entries(home)]
    already = len(erasures(home))

    with home.writer(), HomeLedger.open(home, clock=lambda: start) as ledger:
        done = erase(ledger, subject, months=(), basis="GDPR Art. 17(1)(b)")
        ledger.commit()
    assert done.records >= len(gone)

    seen = []
    for day in range(0, ERASURE_DAYS + 1, 5):
        now = start + day * NS_PER_DAY
        with home.writer(), HomeLedger.open(home, clock=lambda now=now: now) as ledger:
            beat(ledger)
            ledger.commit()
        report = fsck(log_folder(home), policy, pinned=heads)
        assert report.faults == (), "the log only grows, from every earlier head"
        heads.append(read_log(log_folder(home)).checkpoint or b"")
        logs.append(entries(home))
        seen.append(len(erasures(home)) - already)
        with RecordStore.open(home.path / "records.sqlite") as records:
            for item in records.duties.due_erasures(2**63 - 1):
                assert item.due_at_ns > now, "what is due is logged"
    assert all(after[: len(before)] == before for before, after in pairwise(logs))
    assert seen[0] == 0
    assert seen == sorted(seen)
    assert seen[-1] == done.records
    assert len(set(seen)) > 2, "they are spread over the days"

    # Whoever has a receipt keeps a proof; nobody gets a new one about the erased, and the others get theirs.
    for name, proof in given.items():
        assert verify_receipt(proof, policy).fields["terminal_id"] == name
    for name in kept:
        assert verify_receipt(issue_receipt(home, name).proof, policy).fields["terminal_id"] == name
    for name in gone:
        with pytest.raises(InputError, match="no record of terminal"):
            issue_receipt(home, name)
    # The leaves that are named as erased are those of the receipts that were given before.
    leaf = verify_receipt(given[gone[0]], policy)
    assert leaf.batch_index in {body["batch_index"] for body in erasures(home)}
    stored = b"".join(path.read_bytes() for path in home.path.glob("records.sqlite*"))
    assert all(f'"terminal_id":"{name}"'.encode() not in stored for name in gone)
    assert all(f'"terminal_id":"{name}"'.encode() in stored for name in kept)
    assert found_in(world, list(public(home).values()), places=0) == []


def test_what_is_unsealed_becomes_public_and_nothing_else(world: World, tmp_path: Path) -> None:
    home = copy_home(world.home, tmp_path / "home")
    with home.writer(), HomeLedger.open(home, clock=lambda: NOW + 60 * NS_PER_DAY) as ledger:
        (only,) = ledger.records.duties.sealed()
        unseal(ledger, b64encode(only.commitment).decode())
        ledger.commit()
    assert {leak.value for leak in found_in(world, list(public(home).values()), places=0)} == {SECRET}
