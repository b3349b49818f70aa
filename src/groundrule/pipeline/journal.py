"""What a run commits to the log: its transitions as private records, minute by minute, and its manifest.

Each minute of the run becomes one public entry that holds the root over its records, also a minute without any. A batch
of many records is split, so that memory stays bounded. Entries reach the log only after the run's manifest is on disk: a
run that is broken off leaves nothing in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from groundrule.canon import canonical_json
from groundrule.instant import NS_PER_S
from groundrule.ledger.batch import close_batch, public_body
from groundrule.ledger.commitment import RECORD_ID_BYTES, commit_records, owner_tag
from groundrule.ledger.entry import format_time, policy_digest
from groundrule.pipeline.home_ledger import DECISIONS, HomeLedger
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.lateness import DecidedBatch
from groundrule.pipeline.private_records import (
    FIELDS,
    Accounts,
    Excerpt,
    PrivateRecord,
    RecordMaker,
    evaluator_digest,
    excerpt,
)
from groundrule.pipeline.transitions import Transitions
from groundrule.store.home import Home
from groundrule.store.records import Batch, Last, Outgoing, Record
from groundrule.store.registers import Registers

BATCH_RECORDS: Final = 65_536
"""Records of one public entry at most; bounds memory and the length of inner proofs."""

IDLE_MINUTES: Final = 1_440
"""Minutes that a run may stand still, each with an entry."""

_MINUTE_NS: Final = 60 * NS_PER_S


def accounts_of(home: Home, recorded_at_ns: int) -> Accounts:
    """Read which account each terminal belongs to, as the registers knew it at an instant [ns, UTC]."""
    with Registers.open(home) as registers:
        return Accounts(list(registers.owners(recorded_at_ns=recorded_at_ns)))


class Journal:
    """Collects and commits what one run has to prove later.

    Args:
        ledger: the home's log.
        judge: of the run.
        run: its number.
        accounts: which account each terminal belongs to.
    """

    def __init__(self, ledger: HomeLedger, judge: Judge, run: int, accounts: Accounts) -> None:
        self._ledger, self._judge, self._run = ledger, judge, run
        last = ledger.records.last_classes()
        self._numbers = {name: item.n for name, item in last.items()}
        self._transitions = Transitions(judge, {name: item.decision_class for name, item in last.items()})
        self._maker = RecordMaker(judge.basis, accounts)
        self._policy = policy_digest(judge.basis.rulebook.digest, judge.basis.areas.digest)
        self._evaluator = evaluator_digest()
        self._waiting: list[PrivateRecord] = []
        self._minute = ledger.clock() // _MINUTE_NS
        self._closed = -1

    def excerpt(self, batch: DecidedBatch) -> Excerpt | None:
        """Take the transitions out of a batch; None if it has none. Batches come in the order of the run."""
        rows = self._transitions.of(batch.judged, chosen=batch.chosen)
        if not len(rows):
            return None
        return excerpt(self._judge, batch, rows, [self._transitions.answer(batch.judged, int(row)) for row in rows])

    def write(self, part: Excerpt) -> None:
        """Make the records of an excerpt, and close every batch that is full or whose minute is over."""
        self._waiting += self._maker.records(part)
        while len(self._waiting) >= BATCH_RECORDS:
            self._close(BATCH_RECORDS)
        self._until(self._ledger.clock() // _MINUTE_NS)

    def close(self, manifest: Mapping[str, Any]) -> None:
        """Close the last batch and commit to the manifest, which is written right after this.

        Args:
            manifest: its whole content.
        """
        self._until(self._ledger.clock() // _MINUTE_NS)
        if self._waiting or self._closed != self._minute:
            self._close(len(self._waiting))
        self._ledger.commit_manifest(self._run, manifest)

    def _until(self, minute: int) -> None:
        """Close the minutes before this one, also those without records.

        A clock that jumps by more than IDLE_MINUTES leaves a gap, which monitors report, instead of very many empty entries.
        """
        if minute - self._minute > IDLE_MINUTES:
            self._close(len(self._waiting))
            self._minute = minute
        while self._minute < minute:
            if self._waiting or self._closed != self._minute:
                self._close(len(self._waiting))
            self._minute += 1

    def _close(self, count: int) -> None:
        """Close a batch of the first waiting records."""
        records, self._waiting = self._waiting[:count], self._waiting[count:]
        ledger = self._ledger
        last = self._complete(records)
        keys = ledger.keys.subject_keys(dict.fromkeys((item.subject, item.month) for item in records))
        ids = [os.urandom(RECORD_ID_BYTES) for _ in records]
        leaves = commit_records(
            FIELDS,
            ((keys[item.subject, item.month], each, item.values) for item, each in zip(records, ids, strict=True)),
        )
        secret, batch_id = os.urandom(32), os.urandom(16).hex()
        inner = close_batch(leaves, secret)
        minute = format_time(self._minute * _MINUTE_NS)
        body = public_body(inner, minute=minute, policy_digest=self._policy, evaluator_digest=self._evaluator)
        ledger.keys.put_batch_secret(batch_id, secret)
        batch = Batch(
            batch_id, self._run, DECISIONS, minute, len(records), inner.bucket_size, inner.root, self._policy, self._evaluator,
        )  # fmt: skip
        ledger.records.add(
            self._run,
            batches=[batch],
            records=[
                Record(
                    batch_id, place, leaf, each, item.subject, item.month, item.terminal_id, item.observed_ns,
                    item.decided_ns, item.content(),
                )
                for item, each, leaf, place in zip(records, ids, leaves, inner.positions, strict=True)
            ],
            outbox=[Outgoing("decision-batch", DECISIONS, canonical_json(body).decode(), self._run, batch_id)],
            last=last,
        )  # fmt: skip
        self._closed = self._minute

    def _complete(self, records: Sequence[PrivateRecord]) -> list[Last]:
        """Fill in what a record says about others: its number, and what it corrects; return the last of each terminal."""
        keys = self._ledger.keys.index_keys(dict.fromkeys(item.terminal_id for item in records))
        last: dict[str, Last] = {}
        for item in records:
            name = item.terminal_id
            number = self._numbers.get(name, 0)
            self._numbers[name] = number + 1
            item.put("owner_tag", owner_tag(keys[name], name, number).hex())
            if item.correction:
                item.put("corrects", self._corrected(item))
            last[name] = Last(name, item.answer, number + 1)
        return list(last.values())

    def _corrected(self, item: PrivateRecord) -> dict[str, int] | None:
        """Where the record is that said until now what held at this observation."""
        before = self._ledger.records.record_in_force(item.terminal_id, item.observed_ns, until_run=self._run - 1)
        index = self._ledger.records.batch_of(before.batch_id).log_index if before else None
        if before is None or index is None:
            return None
        return {"batch_index": index, "leaf_index": before.leaf_index}
