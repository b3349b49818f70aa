"""One simulated life of a log, from one seed: load, power losses, failing calls, restarts, clock steps and witnesses.

The program under test is the real one; only the file calls, the clock and the network are simulated. `run(seed)` raises
`Violation` with the seed in its text when a promise is broken, and the same seed breaks it again.

Promises:
    A  what was acknowledged, or seen after a restart, is there for good, at its index, byte for byte
    B  what was signed is a root of the stored tree, all of whose tiles can be read (fsck, strict)
    C  one size is never signed with two roots, neither by the log nor by a witness
    D  what was published never shrinks
    E  opening never refuses and never needs a hand
    F  after a failed write or fsync nothing more is acknowledged or signed before a restart
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from simulated_machine import PowerLoss, SimulatedMachine

from groundrule.errors import GroundruleError, StoreError
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.audit.source import Source
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.disk import DurableDisk
from groundrule.ledger.log import Item, Log
from groundrule.ledger.note import Note, NoteSigner, VerifierKey
from groundrule.ledger.policy import Policy
from groundrule.ledger.witness import AddCheckpoint, MemoryWitnessStore, Witness
from groundrule.signing import SigningKey

ORIGIN = "log.invented.example/simulated"
NS_PER_S = 1_000_000_000
START_NS = 1_790_000_000 * NS_PER_S
SIZES = (0, 0, 0, 0, 1, 3, 250, 255)
"""Entries at the start; most lie just below the end of a tile."""
STREAMS = ("governance", "decisions.one", "decisions.two")


class Violation(AssertionError):
    """A promise was broken."""


def _signer(name: str, kind: int, number: int) -> NoteSigner:
    return NoteSigner(name, kind, SigningKey.from_seed("ed25519", bytes([number]) * 32))


LOG_KEY = _signer(ORIGIN, 1, 1)
WITNESS_KEYS = tuple(_signer(f"witness{number}.invented.example", 4, 10 + number) for number in range(3))
POLICY = Policy.format_simple(
    [str(LOG_KEY.verifier)], [(f"w{n}", str(key.verifier), None) for n, key in enumerate(WITNESS_KEYS)], 2
)


@dataclass
class Totals:
    """Counts over many seeds."""

    seeds: int = 0
    appends: int = 0
    entries: int = 0
    checkpoints: int = 0
    power_losses: int = 0
    losses_in_recovery: int = 0
    repairs: int = 0
    simulated_s: int = 0

    failing_calls: int = 0

    def add(self, other: Totals) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Simulation:
    """State of one seed.

    Args:
        seed: everything follows from it.
        machine: the disk; made from the seed if None.
        mutate: called once the log is created; makes the program forget something.
    """

    seed: int
    machine: SimulatedMachine = None  # type: ignore[assignment]  # made from the seed below
    mutate: Callable[[Simulation], None] | None = None
    totals: Totals = field(default_factory=Totals)

    def __post_init__(self) -> None:
        self.random = random.Random(f"ledger/{self.seed}")
        if self.machine is None:
            self.machine = SimulatedMachine(self.seed, block=self.random.choice((512, 4096)))
        self.disk_class: type[DurableDisk] = DurableDisk
        self.now = START_NS
        self.elapsed = 0
        self.created = False
        self.known: dict[int, bytes] = {}
        self.signed: dict[int, bytes] = {}
        self.published = 0
        self.witnesses = [
            Witness(key.name, [key], {ORIGIN: [LOG_KEY.verifier]}, MemoryWitnessStore(), self._true_time_s)
            for key in WITNESS_KEYS
        ]
        self.last_sizes = [0] * len(self.witnesses)
        self.sent = 0

    # --- the run ------------------------------------------------------------------------------------------------------

    def run(self) -> Totals:
        self._live(self.random.choice(SIZES), faults=False)
        if self.mutate is not None:
            self.mutate(self)
        for _ in range(self.random.randint(2, 4)):
            self._live(0, faults=True)
            try:
                self._check()
            except GroundruleError as error:
                self._violation(f"E: {type(error).__name__}: {error}")
        self.totals.seeds = 1
        self.totals.failing_calls += self.machine.faults
        self.totals.simulated_s += self.elapsed // NS_PER_S
        return self.totals

    def _live(self, entries: int, *, faults: bool) -> None:
        """Let one process run until it ends, fails, or the power does."""
        machine = self.machine
        if faults:
            kind = self.random.random()
            if kind < 0.75:
                # Opening takes some 40 calls, an append about 20: many of these fall into recovery.
                machine.power_fails_at = machine.calls + self.random.choice((40, 120, 300)) * self.random.randint(1, 8) // 8
            if kind > 0.6:
                machine.fault_rate = self.random.choice((0.002, 0.01, 0.04))
        log = None
        try:
            log = self._open()
            self.totals.repairs += bool(log.repairs)
            if entries:
                self._append(log, entries)
            for _ in range(self.random.randint(1, 6)):
                self._act(log)
            log.close()
        except PowerLoss:
            self.totals.power_losses += 1
            self.totals.losses_in_recovery += log is None
            machine.lose_power()
        except StoreError as error:
            if log is not None and not error.context.get("full"):
                self._refuses_everything(log)
        except GroundruleError as error:
            self._violation(f"E: {type(error).__name__}: {error}")
        assert not machine.dead, "the simulation swallowed a power loss"
        machine.fault_rate, machine.power_fails_at = 0.0, None
        if faults and self.random.random() < 0.3:
            machine.lose_power()  # also long after the process has ended
            self.totals.power_losses += 1
        machine.restart()

    def _open(self) -> Log:
        machine = self.machine
        disk = self.disk_class(machine, label=f"life{machine.life}", place="the simulated machine")
        if self.created:
            return Log.open(disk, signers=[LOG_KEY], clock=self._clock)
        log = Log.create(disk, signers=[LOG_KEY], policy=POLICY, clock=self._clock)
        self.created = True
        return log

    def _act(self, log: Log) -> None:
        minutes = self.random.randint(1, 600)
        self.now += minutes * 60 * NS_PER_S
        self.elapsed += minutes * 60 * NS_PER_S
        if self.random.random() < 0.1:
            self.now += self.random.randint(-3600, 3600) * NS_PER_S
        if self.random.random() < 0.65:
            self._append(log, self.random.choice((1, 1, 1, 1, 2, 2, 2, 3, 3, 5, 7, 9, 20, 256)))
        else:
            self._commit(log)

    def _append(self, log: Log, count: int) -> None:
        items = []
        for _ in range(count):
            self.sent += 1
            body = {"run": self.sent, "commitment": "x" * self.random.choice((1, 30, 400))}
            items.append(Item("manifest", self.random.choice(STREAMS), body))
        try:
            appended = log.append(items)
        except StoreError as error:
            if not error.context.get("full"):
                raise
            appended = log.append(items)  # the disk was full and is not any more
        for index, entry in zip(appended.indexes, appended.entries, strict=True):
            self._know(index, entry)
        self.totals.appends += 1
        self.totals.entries += count

    def _commit(self, log: Log) -> None:
        done = log.commit(self._ask, patience_s=self.random.choice((0, 60, 100_000)))
        if done.published:
            head = Checkpoint.parse(Note.parse(done.checkpoint).text)
            self.published = max(self.published, head.size)
        self.totals.checkpoints += 1

    def _ask(self, note: bytes, consistency: Callable[[int], list[bytes]]) -> bytes:
        self._saw_signature(note)
        for number, witness in enumerate(self.witnesses):
            if self.random.random() < 0.3:
                continue  # it cannot be reached
            for _ in range(2):
                old = self.last_sizes[number]
                answer = witness.add_checkpoint(AddCheckpoint(old, tuple(consistency(old)), note).format())
                if answer.status != 409:
                    break
                self.last_sizes[number] = int(answer.body)
            if answer.status != 200:
                self._violation(f"C: a witness answered {answer.status} {answer.body[:80]!r}")
            self.last_sizes[number] = Checkpoint.parse(Note.parse(note).text).size
            if self.random.random() < 0.9:  # or its answer is lost
                note += answer.body
        return note

    def _clock(self) -> int:
        return self.now

    def _true_time_s(self) -> int:
        return (START_NS + self.elapsed) // NS_PER_S

    # --- promises -----------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if not self.created:
            return
        log = self._open()
        self.totals.repairs += bool(log.repairs)
        tree = log.tree()
        for index, entry in enumerate(tree.entries()):
            self._know(index, entry)
        if max(self.known, default=-1) >= log.size:
            self._violation(f"A: entry {max(self.known)} was acknowledged and {log.size} entries are there")
        for size, root in self.signed.items():
            if size > log.size or tree.root_at(size) != root:
                self._violation(f"B: the root signed for {size} is not in the log")
        if max(self.signed, default=0) > log.signed_size:
            self._violation("C: a signature was forgotten")
        stored = log.checkpoint()
        size = 0 if stored is None else Checkpoint.parse(Note.parse(stored).text).size
        if size < self.published:
            self._violation(f"D: {self.published} entries were published, now {size}")
        self.published = size
        note = log.sign()
        self._saw_signature(note)
        disk = DurableDisk(self.machine, label="fsck", place="the simulated machine")
        source = Source(
            lambda path: note if path == "checkpoint" else disk.read(path), frozenset(self.machine.files()) | {"checkpoint"}
        )
        report = fsck(source, [LOG_KEY.verifier], strict=True)
        if report.faults:
            self._violation(f"B: {report.faults[0]}")
        if report.size != log.size:
            self._violation(f"B: {report.size} entries of {log.size} are in the checkpoint")
        log.close()

    def _know(self, index: int, entry: bytes) -> None:
        if self.known.setdefault(index, entry) != entry:
            self._violation(f"A: entry {index} was replaced")

    def _saw_signature(self, note: bytes) -> None:
        head = Checkpoint.parse(Note.parse(note).text)
        if self.signed.setdefault(head.size, head.root) != head.root:
            self._violation(f"C: two roots of size {head.size} were signed")

    def _refuses_everything(self, log: Log) -> None:
        if log.stopped is None:
            return
        for attempt in (lambda: log.append([Item("manifest", "governance", {"run": 0, "commitment": "x"})]), log.sign):
            try:
                attempt()
            except StoreError:
                continue
            self._violation("F: the log went on after a failed write")

    def _violation(self, what: str) -> NoReturn:
        raise Violation(f"seed {self.seed}: {what}")


def run(seed: int) -> Totals:
    """Run one seed."""
    return Simulation(seed).run()


def keys() -> list[VerifierKey]:
    return [LOG_KEY.verifier]
