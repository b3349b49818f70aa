"""Attacks by people on the inside, each carried out end to end, and the artefact that gives them away.

The cast (invented): an operator that holds the log's keys, three witnesses, and auditors that kept a head or a receipt.
Every forged log below is whole in itself: tiles, bundles and head agree, and the log's own keys signed it. What reveals it
lies outside the operator's reach.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

import audit_logs as logs
from groundrule.canon import canonical_json
from groundrule.errors import ProofFailed
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.audit.monitor import MonitorReport, MonitorState, monitor
from groundrule.ledger.audit.receipts import verify_entry
from groundrule.ledger.audit.source import Source
from groundrule.ledger.checkpoint import open_checkpoint
from groundrule.ledger.note import Note, VerifierKey
from groundrule.ledger.policy import Policy, existed_before, not_before
from groundrule.ledger.proof import Proof
from groundrule.ledger.witness import AddCheckpoint, MemoryWitnessStore, Response, Witness

SIZE = 300
LOG_KEYS = [signer.verifier for signer in logs.LOG_SIGNERS]


class Town:
    """Three witnesses that have followed the honest log up to `SIZE` entries, and an auditor who watched."""

    def __init__(self) -> None:
        self.now = logs.START_S
        self.witnesses = [
            Witness(signer.name, [signer], {logs.ORIGIN: LOG_KEYS}, MemoryWitnessStore(), clock=lambda: self.now)
            for signer in logs.WITNESSES
        ]
        self.story = logs.ordinary_story(SIZE)
        self.seen = 0
        self.head = b""
        self.grow(200)
        self.early_head = self.head
        self.grow(SIZE)
        self.state = self.watch(self.files()).state

    def grow(self, size: int) -> None:
        """The honest log publishes its first `size` entries, and all witnesses cosign."""
        self.now = logs.START_S + 60 * size
        entries = self.story.entries[:size]
        unsigned = logs.head(entries, witnesses=(), time_s=self.now)
        answers = [self.ask(number, self.seen, entries, unsigned) for number in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 200]
        self.head = unsigned + b"".join(answer.body for answer in answers)
        self.seen = size

    def ask(self, number: int, old: int, entries: list[bytes], head: bytes) -> Response:
        """Ask one witness to cosign, with the proof that these entries give."""
        proof = tuple(logs.tree(entries).consistency_path(old)) if 0 < old < len(entries) else ()
        return self.witnesses[number].add_checkpoint(AddCheckpoint(old, proof, head).format())

    def files(self) -> dict[str, bytes]:
        return {"checkpoint": self.head, **logs.tiles(self.story.entries[: self.seen])}

    def watch(self, files: dict[str, bytes], state: MonitorState | None = None, **how: list[bytes]) -> MonitorReport:
        return monitor(Source(logs.reader(files)), logs.POLICY, state, now_s=self.now + 60, **how)

    def check(self, files: dict[str, bytes], **how: list[bytes]) -> list[str]:
        source = Source(logs.reader(files), frozenset(files))
        return [fault.what for fault in fsck(source, logs.POLICY, **how).faults]


@pytest.fixture
def town() -> Town:
    return Town()


def forged(entries: list[bytes], *witnesses: int) -> dict[str, bytes]:
    """A log made from any entries with the log's own keys, cosigned by whoever joins in."""
    files = logs.log_files(entries, witnesses=witnesses)
    assert fsck(Source(logs.reader(files), frozenset(files)), LOG_KEYS, raw=True).ok
    return files


def kinds(report: MonitorReport) -> set[str]:
    return {alert.kind for alert in report.alerts}


def softened(entry: bytes) -> bytes:
    """The entry as somebody wishes it had been."""
    fields = json.loads(entry)
    fields["body"]["evaluator_digest"] = "0" * 64
    return canonical_json(fields)


def rewritten(story: list[bytes]) -> list[list[bytes]]:
    """Histories that the same log keys can sign: edited, reordered, deleted, inserted."""
    unlogged = canonical_json(
        {"v": 1, "kind": "request", "stream": "governance", "seq": 1, "t": logs.at(0), "body": {}}
    )
    return [
        [*story[:50], softened(story[50]), *story[51:]],
        [*story[:50], story[51], story[50], *story[52:]],
        [*story[:50], *story[51:]],
        [*story[:50], unlogged, *story[50:]],
    ]


def test_a_rewritten_history_is_refused_by_every_witness_and_by_everyone_who_kept_a_head(town: Town) -> None:
    for history in rewritten(town.story.entries):
        entries = [*history, *logs.ordinary_story(310).entries[SIZE:]]
        head = logs.head(entries, witnesses=())
        assert [town.ask(number, SIZE, entries, head).status for number in range(3)] == [422, 422, 422]
        files = forged(entries)
        assert any("quorum" in fault for fault in town.check(files))
        assert any("rewritten" in fault for fault in town.check(files, pinned=[town.early_head]))
        report = town.watch(files, town.state)
        assert {"rewritten", "quorum"} <= kinds(report)
        assert report.state is town.state
    edited = rewritten(town.story.entries)[0]
    assert town.ask(0, SIZE, edited, logs.head(edited, witnesses=())).status == 422


def test_a_roll_back_to_an_older_backup_is_seen(town: Town) -> None:
    older = town.story.entries[:200]
    again = logs.head(older, witnesses=())
    for number in range(3):
        assert town.ask(number, 200, older, again).status == 409
        assert town.ask(number, SIZE, older, again).status in (400, 422)
    files = {"checkpoint": town.early_head, **logs.tiles(older)}
    assert town.check(files) == []  # the backup is whole: only who saw more can tell
    assert "rollback" in kinds(town.watch(files, town.state))
    assert any("shrank" in fault for fault in town.check(files, pinned=[town.head]))
    proof = Proof(7, tuple(logs.tree(older).inclusion_path(7)), town.early_head).format()
    with pytest.raises(ProofFailed, match="300 were seen"):
        verify_entry(proof, older[7], logs.POLICY, pinned=town.head)


def test_a_rule_that_is_dated_back_lies_behind_heads_without_it(town: Town) -> None:
    claimed = logs.at(60)
    place = town.story.enact(60 * SIZE + 60, digest="e" * 64, enacted_at=claimed)
    town.grow(SIZE + 1)
    report = town.watch(town.files(), town.state)
    assert [(alert.kind, alert.index) for alert in report.alerts] == [("backdated", place)]
    # The proof needs no monitor: two heads and an inclusion proof are enough.
    before = logs.POLICY.require(town.early_head)
    after_s = not_before(before, logs.POLICY)
    assert before.checkpoint.size <= place
    assert after_s is not None
    assert after_s > logs.START_S + 60
    proof = Proof(place, tuple(logs.tree(town.story.entries).inclusion_path(place)), town.head)
    found = verify_entry(proof.format(), town.story.entries[place], logs.POLICY)
    assert found.existed_before_s is not None
    assert found.existed_before_s > after_s


def test_an_entry_whose_own_time_is_dated_back_is_seen_too(town: Town) -> None:
    place = town.story.tell("request", "contacts", 60, {})
    town.grow(SIZE + 1)
    assert [(a.kind, a.index) for a in town.watch(town.files(), town.state).alerts] == [("backdated", place)]


def test_two_views_of_one_log_are_a_proof_of_two_lines(town: Town) -> None:
    regulator = forged([*town.story.entries[:-1], softened(town.story.entries[-1])], 0, 1)
    public = town.files()
    assert town.check(regulator) == []
    assert town.check(public) == []
    report = fsck(Source(logs.reader(public)), logs.POLICY, other=[regulator["checkpoint"]])
    assert report.split_view is not None
    watched = town.watch(public, town.state, other=[regulator["checkpoint"]])
    assert "split-view" in kinds(watched)
    assert watched.evidence == (report.split_view,)
    # Whoever holds the pair needs nothing else: same origin, same size, other root, both signed by the log.
    one, other = (open_checkpoint(head, LOG_KEYS).checkpoint for head in report.split_view)
    assert (one.origin, one.size) == (other.origin, other.size)
    assert one.root != other.root


def test_a_suppressed_minute_leaves_a_gap(town: Town) -> None:
    first = town.story.tell("decision-batch", "decisions.main", 60 * 301, logs.batch_body(301))
    town.grow(SIZE + 1)
    assert [(a.kind, a.index) for a in town.watch(town.files(), town.state).alerts] == [("gap-minute", first)]
    # Without the log's help the number of the stream shows it as well.
    skipped = logs.Story()
    skipped.batches(0, 10)
    del skipped.entries[4]
    report = town.watch(forged(skipped.entries, 0, 1))
    assert {"gap-seq", "gap-minute"} <= kinds(report)


def test_a_rule_that_nobody_enacted_shows_by_its_digest(town: Town) -> None:
    ghost = town.story.batch(SIZE - 1, digest="9" * 64)
    town.grow(SIZE + 1)
    assert [(a.kind, a.index) for a in town.watch(town.files(), town.state).alerts] == [("unknown-policy", ghost)]


def test_the_log_key_alone_gets_no_quorum_for_a_fork(town: Town) -> None:
    fork = [*town.story.entries[:250], *(softened(entry) for entry in town.story.entries[250:])]
    head = logs.head(fork, witnesses=())
    assert all(town.ask(number, SIZE, fork, head).status == 422 for number in range(3))
    assert all(town.ask(number, 0, fork, head).status == 409 for number in range(3))
    with pytest.raises(ProofFailed, match="no witness"):
        logs.POLICY.require(head)
    proof = Proof(260, tuple(logs.tree(fork).inclusion_path(260)), head).format()
    with pytest.raises(ProofFailed, match="quorum"):
        verify_entry(proof, fork[260], logs.POLICY)
    assert "quorum" in kinds(town.watch(forged(fork)))
    town.story.tell(
        "key-event", "governance", 60 * SIZE + 60,
        {"vkey": str(LOG_KEYS[0]), "event": "compromised", "from": logs.at(0), "to": None},
    )  # fmt: skip
    town.grow(SIZE + 1)
    assert kinds(town.watch(town.files(), town.state)) == {"key"}


@pytest.mark.parametrize("dishonest", [0, 1, 2])
def test_the_log_and_one_witness_together_do_not_reach_two_of_three(town: Town, dishonest: int) -> None:
    fork = [*town.story.entries[:250], *(softened(entry) for entry in town.story.entries[250:])]
    files = forged(fork, dishonest)
    assert any("quorum" in fault for fault in town.check(files))
    with pytest.raises(ProofFailed, match=f"W{dishonest}"):
        logs.POLICY.require(files["checkpoint"])
    # Signing twice with one key does not make two witnesses.
    twice = logs.cosigned(files["checkpoint"], (dishonest,), town.now + 5)
    assert not logs.POLICY.check(twice).quorum_met
    assert "quorum" in kinds(town.watch(files))


def test_the_log_and_all_witnesses_together_are_revealed_only_by_copies_outside(town: Town) -> None:
    fork = [*town.story.entries[:250], *(softened(entry) for entry in town.story.entries[250:])]
    files = forged(fork, 0, 1, 2)
    assert town.check(files) == []  # the limit, stated plainly: nothing inside gives it away
    assert town.watch(files).ok
    published = town.head  # in two unrelated media, once a day
    assert any("split view" in fault for fault in town.check(files, other=[published]))
    assert "split-view" in kinds(town.watch(files, None, other=[published]))


def test_witness_times_bound_when_an_entry_was_recorded(town: Town) -> None:
    early, late = logs.POLICY.require(town.early_head), logs.POLICY.require(town.head)
    after, before = not_before(early, logs.POLICY), existed_before(late, logs.POLICY)
    assert after is not None
    assert before is not None
    assert after == logs.START_S + 60 * 200 < before == logs.START_S + 60 * SIZE


# --- the rewritten logs of the vectors --------------------------------------------------------------------------------


def test_the_rewritten_logs_of_the_vectors_are_revealed_to_a_monitor(shared_data: Path) -> None:
    folder = shared_data / "tlog/generated"
    vectors = json.loads((folder / "logs.json").read_text())
    policy = Policy.parse(vectors["policy"])
    key = VerifierKey.parse(vectors["log_vkey"])
    cases = {case["name"]: unpacked(folder / case["file"]) for case in vectors["cases"]}
    good = cases["good"]
    # The pinned head is of 400 entries; the monitor learns the same tree from the first 400 of the good log.
    entries = [entry for number in range(3) for entry in bundle(good, number)][:400]
    pinned = monitor(
        Source(logs.reader({"checkpoint": vectors["prev"].encode(), **logs.tiles(entries)})),
        policy, None, now_s=0, max_age_s=None,
    ).state  # fmt: skip
    assert pinned is not None
    revealed = {
        "good": set(),
        "edited-and-rebuilt": {"rewritten"},
        "reordered-and-rebuilt": {"rewritten"},
        "deleted-and-rebuilt": {"rewritten"},
        "backdated-insert": {"rewritten"},
        "rolled-back-to-300": {"rollback"},
        "fork-after-pin (split view)": {"split-view"},
        "no-witness": {"quorum"},
    }
    for name, expected in revealed.items():
        report = monitor(
            Source(logs.reader(cases[name])), policy, pinned, now_s=0, max_age_s=None, other=[good["checkpoint"]]
        )
        proofs = {alert.kind for alert in report.alerts} - {"bad-entry"}  # these logs hold other entries than ours
        assert expected <= proofs, (name, proofs)
        assert report.advanced is (name == "good"), name
        assert open_checkpoint(cases[name]["checkpoint"], [key]).checkpoint.size in (300, 599, 600, 601), name
        assert Note.parse(cases[name]["checkpoint"]).signatures


def unpacked(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {m.name.removeprefix("./"): tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]


def bundle(files: dict[str, bytes], number: int) -> list[bytes]:
    return logs.tree_of(files, 600).bundle(number)
