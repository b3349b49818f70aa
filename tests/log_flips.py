"""One bit of a log of 600 entries is turned over: does the full check see it, and does the log sign over it?"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import audit_logs as logs
from groundrule.errors import GroundruleError
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.audit.source import Source
from groundrule.ledger.checkpoint import open_checkpoint
from groundrule.ledger.log import Item, Log
from groundrule.ledger.tree import leaf_hashes, root_of

ENTRIES = 600
PENDING = 40
"""Entries that are durable and not signed yet."""

Flip = tuple[str, int]
"""File and number of the bit."""


@lru_cache(maxsize=1)
def files() -> dict[str, bytes]:
    """A log with its writer's state: tiles, bundles, older partial files, checkpoint."""
    entries = logs.ordinary_story(ENTRIES).entries
    state = logs.state_file(entries)
    return {
        **logs.tiles(entries[:540]),
        **logs.log_files(entries),
        ".state/treeState": state,
        ".state/signed": state,
    }


def sample(count: int, seed: int) -> list[Flip]:
    """Draw bits: a fifth from the checkpoint, the rest from all files as large as they are."""
    rng = random.Random(seed)
    names = sorted(files())
    weights = [len(files()[name]) for name in names]
    drawn = ["checkpoint"] * (count // 5) + rng.choices(names, weights, k=count - count // 5)
    return [(name, rng.randrange(8 * len(files()[name]))) for name in drawn]


def every_byte(seed: int) -> Iterator[Flip]:
    """One bit of every byte of every file, and every bit of the checkpoint."""
    rng = random.Random(seed)
    for name, data in sorted(files().items()):
        for byte in range(len(data)):
            yield from ((name, 8 * byte + bit) for bit in (range(8) if name == "checkpoint" else (rng.randrange(8),)))


def undetected(flips: Iterable[Flip], *, raw: bool) -> list[Flip]:
    """Return the flips after which the full check finds nothing, or does not name the file."""
    missed = []
    for name, bit in flips:
        changed = {**files(), name: logs.flip(files()[name], bit)}
        report = fsck(Source(logs.reader(changed), frozenset(changed)), logs.POLICY, raw=raw)
        if name not in {fault.path for fault in report.faults}:
            missed.append((name, bit))
    return missed


class SignedOver:
    """A real log, part of it signed, that is damaged and then asked to go on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.whole = folder / "whole"
        self._second = logs.START_S
        with Log.create(self.whole, signers=logs.LOG_SIGNERS, policy=logs.POLICY_TEXT, clock=self._clock) as log:
            self._append(log, 0, ENTRIES - PENDING)
            log.publish(logs.cosigned(log.sign(), (0, 1), self._second))
            self._append(log, ENTRIES - PENDING, PENDING)
            self.entries = list(log.tree().entries())
        self.files = sorted(
            path.relative_to(self.whole).as_posix()
            for path in self.whole.rglob("*")
            if path.is_file() and path.stat().st_size
        )

    def sample(self, count: int, seed: int) -> list[Flip]:
        """Draw bits, as many from each file: the small ones decide most."""
        rng = random.Random(seed)
        names = [self.files[i % len(self.files)] for i in range(count)]
        return [(name, rng.randrange(8 * (self.whole / name).stat().st_size)) for name in names]

    def outcome(self, flip: Flip) -> str:
        """`refused`, `right` (signed what the whole log would have signed) or `wrong`."""
        name, bit = flip
        place = self.folder / "damaged"
        shutil.copytree(self.whole, place)
        try:
            path = place / name
            path.write_bytes(logs.flip(path.read_bytes(), bit))
            try:
                with Log.open(place, signers=logs.LOG_SIGNERS, clock=self._clock) as log:
                    added = self._append(log, ENTRIES, 1)
                    signed = open_checkpoint(log.sign(), [signer.verifier for signer in logs.LOG_SIGNERS])
            except GroundruleError:
                return "refused"
            expected = root_of(leaf_hashes([*self.entries, *added]))
            return "right" if signed.checkpoint.root == expected else "wrong"
        finally:
            shutil.rmtree(place)

    def _clock(self) -> int:
        return self._second * 1_000_000_000

    def _append(self, log: Log, first: int, count: int) -> tuple[bytes, ...]:
        items = [
            Item("decision-batch", "decisions.main", logs.batch_body(minute)) for minute in range(first, first + count)
        ]
        return log.append(items).entries
