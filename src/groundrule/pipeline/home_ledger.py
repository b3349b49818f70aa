"""The log of a home: its genesis, and the way of every entry from the home's outbox into it.

    HOME/ledger/           the public log: checkpoint, tiles, policy (and a private folder `.state`)
    HOME/records.sqlite    private records, batches, and the outbox of entries on their way into the log
    HOME-keys/             keys: apart from the home, so that a copy of one is no copy of the other

Every entry goes through the outbox: written there with what it is about, in one transaction, then appended. So nothing is
in the log that the home does not know of, and a crash between the two only delays an entry.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, GroundruleError, InputError, IntegrityError, StoreError
from groundrule.govern.admission import CHECKS
from groundrule.govern.clock import overtaken
from groundrule.govern.list_imports import is_import
from groundrule.ledger.commitment import SALT_BYTES, seal_commitment
from groundrule.ledger.entry import Entry, format_time, policy_digest
from groundrule.ledger.log import PATIENCE_S, Item, Log
from groundrule.ledger.note import COSIGNATURE_ML_DSA_44, ED25519, NoteSigner
from groundrule.ledger.policy import Policy
from groundrule.ledger.witness_client import WitnessClient
from groundrule.pipeline.clock_check import HeldClock
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.signing import SigningKey
from groundrule.store.area_store import current_areas_digest
from groundrule.store.durable import sync_folder, write_durably
from groundrule.store.home import Home
from groundrule.store.keys import KeyService
from groundrule.store.policy import is_governed
from groundrule.store.records import Outgoing, Queued, RecordStore, RunProof

GOVERNANCE: Final = "governance"
GOVERNING: Final = frozenset(CHECKS) | {"snapshot-published"}
"""Kinds of entries from which the state of governance follows, or that say which policy is in force."""
DECISIONS: Final = "decisions.main"
POLICY_FILE: Final = "policy"
GROUP: Final = 1_000
"""Entries appended in one durable step."""

Clock = Callable[[], int]


def log_folder(home: Home) -> Path:
    """Return the folder of the home's log; it is public but for `.state`."""
    return home.path / "ledger"


def keys_folder(home: Home) -> Path:
    """Return the folder of the home's keys: `GROUNDRULE_KEYS`, or `<home>-keys` beside the home."""
    named = os.environ.get("GROUNDRULE_KEYS")
    place = home.path.resolve()
    return Path(named) if named else place.with_name(f"{place.name}-keys")


def has_ledger(home: Home) -> bool:
    """Does the home have a log, or has it had one? Records of a log that is gone show that there was one."""
    return (log_folder(home) / POLICY_FILE).exists() or _records_file(home).exists()


def policy_of(home: Home) -> Policy:
    """Read which keys and witnesses the home's log has."""
    path = log_folder(home) / POLICY_FILE
    try:
        return Policy.parse(path.read_bytes())
    except FileNotFoundError:
        if _records_file(home).exists():
            raise IntegrityError(
                f"the log of `{home.path}` is gone, or was not completely made: there is no `{path}`",
                help="restore the folder from a mirror, at its newest size",
            ) from None
        raise InputError(f"`{home.path}` has no log", help="make one with: groundrule ledger init") from None
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error.strerror}", path=str(path)) from error


def forget_unfinished(home: Home) -> None:
    """Take back from the records what an unfinished run left, where a run goes on without the log and gets its number."""
    # Records that are out of reach too have to wait; decisions do not.
    if _records_file(home).exists():
        with suppress(GroundruleError), RecordStore.open(_records_file(home)) as records:
            records.remove_uncommitted(set(runs(home)))


def _records_file(home: Home) -> Path:
    return home.path / "records.sqlite"


def set_policy(home: Home, text: bytes) -> Policy:
    """Replace the policy file of the home's log; the caller holds the home's write lock.

    Raises:
        InputError: it is no policy, does not name the keys that sign the log, or names another log.
    """
    parsed, present = Policy.parse(text), policy_of(home)
    name = present.logs[0].key.name
    missing = [str(key) for key in present.log_keys if key not in parsed.log_keys]
    if missing:
        raise InputError(
            f"the new policy does not name the log's key {missing[0][:100]}",
            help="keep the `log` lines of the present one; see it with: groundrule ledger policy",
        )
    if strange := [key.name for key in parsed.log_keys if key.name != name]:
        raise InputError(
            f"the new policy names the log `{strange[0][:100]}`, too", help=f"all its `log` lines are keys of `{name}`"
        )
    write_durably(log_folder(home) / POLICY_FILE, text)
    return parsed


@dataclass(frozen=True, slots=True)
class Committed:
    """The log after a commit.

    Attributes:
        size: its entries.
        checkpoint: the newest signed checkpoint, with the cosignatures it has.
        witnessed: a quorum of witnesses has cosigned it; never where the policy asks for none.
        accepted: the policy is satisfied.
        published: it is the public one; without its quorum it waits for witnesses first.
        trouble: why each witness that did not cosign did not.
        failed: why nothing could be signed, where that was so; entries stay queued.
    """

    size: int
    checkpoint: bytes
    witnessed: bool
    accepted: bool
    published: bool
    trouble: tuple[str, ...]
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerSetup:
    """How the log of a new home is to be made.

    Attributes:
        origin: name of the log: the address it will be published under, without scheme; invented if None.
        signers: keys of the log; drawn if None.
        policy: text of its policy file; None names the keys and no witness.
    """

    origin: str | None = None
    signers: Sequence[NoteSigner] | None = None
    policy: str | None = None


def new_signers(origin: str) -> tuple[NoteSigner, NoteSigner]:
    """Draw the two keys of a log, Ed25519 and ML-DSA-44."""
    return (
        NoteSigner(origin, ED25519, SigningKey.generate("ed25519")),
        NoteSigner(origin, COSIGNATURE_ML_DSA_44, SigningKey.generate("ml-dsa-44")),
    )


@dataclass(frozen=True, slots=True)
class GenesisParts:
    """Where the parts of a log are made before they are moved into place.

    Attributes:
        home: whose log it is.
        keys, records, log: beside their places, under names that end in `.new`.
        ready: exists once all parts are whole.
    """

    home: Home
    keys: Path
    records: Path
    log: Path
    ready: Path

    @classmethod
    def of(cls, home: Home) -> Self:
        """Return the parts of a home."""
        places = (keys_folder(home), _records_file(home), log_folder(home))
        keys, records, log = (place.with_name(f"{place.name}.new") for place in places)
        return cls(home, keys, records, log, home.path / "genesis.ready")

    def clear(self) -> None:
        """Remove what an interrupted genesis left."""
        for place in (self.keys, self.log):
            shutil.rmtree(place, ignore_errors=True)
        for place in self.records.parent.glob(f"{self.records.name}*"):
            place.unlink()

    def move_into_place(self) -> None:
        """Move the parts to where they are used; may be called again after a crash.

        Raises:
            ConflictError: the folder of keys holds keys of a log of this name.
        """
        keys = keys_folder(self.home)
        if self.keys.exists() and (keys / "wrap.key").exists():
            # One folder of keys may serve several homes.
            (keys / "signers").mkdir(mode=0o700, exist_ok=True)
            for path in (self.keys / "signers").iterdir():
                if (keys / "signers" / path.name).exists():
                    raise ConflictError(f"`{keys}` holds keys of this log already", help="choose another --origin")
                path.rename(keys / "signers" / path.name)
            sync_folder(keys / "signers")
            shutil.rmtree(self.keys)
        elif self.keys.exists():
            self.keys.rename(keys)
            sync_folder(keys.parent)
        for fresh, place in ((self.records, _records_file(self.home)), (self.log, log_folder(self.home))):
            if fresh.exists():
                fresh.rename(place)
        sync_folder(self.home.path)
        self.ready.unlink()


class HomeLedger:
    """The log of one home, open for writing; the caller holds the home's write lock.

    Make one with `create` or `open`; a context manager.

    Attributes:
        home: whose log it is.
        keys: keys of subjects, batches and the log.
        records: private records and the outbox.
        log: the log itself.
        policy: keys of the log and its witnesses.
        clock: gives the time [ns since 1970, UTC].
    """

    def __init__(self, home: Home, keys: KeyService, records: RecordStore, log: Log, policy: Policy, clock: Clock) -> None:
        self.home, self.keys, self.records, self.log, self.policy = home, keys, records, log, policy
        self.clock = clock if isinstance(clock, HeldClock) else HeldClock(clock)
        self._client = WitnessClient(policy)

    @classmethod
    def create(
        cls,
        home: Home,
        *,
        rulebook: str,
        setup: LedgerSetup | None = None,
        clock: Clock = time.time_ns,
    ) -> Self:
        """Make the log of a home and record its genesis: its keys, and the rules and areas in force.

        Args:
            rulebook: digest of the rulebook in force.
            setup: name, keys and policy, where they are chosen.
        Raises:
            ConflictError: the home has a log already.
            InputError: the policy does not name the log's keys.
        """
        if (log_folder(home) / POLICY_FILE).exists():
            raise ConflictError(f"`{home.path}` has a log already", help="see it with: groundrule ledger status")
        parts = GenesisParts.of(home)
        if parts.ready.exists():
            # An earlier genesis was complete and only had to be moved into place.
            parts.move_into_place()
            return cls.open(home, clock=clock)
        if _records_file(home).exists():
            policy_of(home)  # raises: there was a log, and it is gone
        wanted = setup or LedgerSetup()
        chosen = tuple(wanted.signers or new_signers(wanted.origin or f"localhost/groundrule/{home.id}"))
        text = wanted.policy or Policy.format_simple([str(signer.verifier) for signer in chosen], (), None)
        parsed = Policy.parse(text)
        if {signer.verifier for signer in chosen} - set(parsed.log_keys):
            raise InputError("the policy does not name all keys of the log", help="add a `log` line for each")
        if keys_folder(home).resolve().is_relative_to(home.path.resolve()):
            raise InputError(
                f"the keys would lie in the home, in `{keys_folder(home)}`",
                help="set GROUNDRULE_KEYS to a folder outside of it",
            )
        # INVARIANT: nothing of what is made here is signed before it is in its place, so that what a crash left of it can
        # be thrown away: no witness has seen it.
        parts.clear()
        with ExitStack() as stack:
            keys = stack.enter_context(KeyService.create(parts.keys))
            keys.put_log_signers(chosen[0].name, [signer.format() for signer in chosen])
            records = stack.enter_context(RecordStore.create(parts.records))
            log = stack.enter_context(Log.create(parts.log, signers=chosen, policy=text, clock=clock))
            made = cls(home, keys, records, log, parsed, clock)
            now = format_time(clock())
            for signer in chosen:
                made.queue("key-event", {"event": "added", "from": now, "to": None, "vkey": str(signer.verifier)})
            made.announce_policy(rulebook, current_areas_digest(home), note="genesis")
            made.flush()
        write_durably(parts.ready, b"")
        parts.move_into_place()
        return cls.open(home, clock=clock)

    @classmethod
    def open(cls, home: Home, *, clock: Clock = time.time_ns) -> Self:
        """Open the log of a home and bring it up to date with the home.

        Raises:
            InputError: the home has none, or its keys are missing.
            IntegrityError: log and home contradict each other.
        """
        policy = policy_of(home)
        with ExitStack() as stack:
            keys = stack.enter_context(KeyService.open(keys_folder(home)))
            signers = [NoteSigner.parse(text) for text in keys.log_signers(policy.logs[0].key.name)]
            records = stack.enter_context(RecordStore.open(_records_file(home)))
            held = HeldClock(clock)
            log = stack.enter_context(Log.open(log_folder(home), signers=signers, clock=held))
            opened = cls(home, keys, records, log, policy, held)
            opened.recover()
            stack.pop_all()
        return opened

    def close(self) -> None:
        """Let the log and its files go."""
        self.log.close()
        self.records.close()
        self.keys.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- entries ------------------------------------------------------------------------------------------------------

    def queue(self, kind: str, body: Mapping[str, Any], *, stream: str = GOVERNANCE) -> None:
        """Queue one entry; `flush` appends it.

        Raises:
            InputError: no log could take it; it is not queued, for whatever follows would wait behind it for ever.
        """
        Item(kind, stream, dict(body)).check()
        self.records.queue([Outgoing(kind, stream, canonical_json(dict(body)).decode())])

    def announce_policy(self, rulebook: str, areas: str, *, note: str) -> str:
        """Queue the entry that says which rules and areas come into force.

        Args:
            rulebook, areas: digests.
            note: how they came into force.
        Returns:
            The policy's digest [64 hex digits].
        """
        digest = policy_digest(rulebook, areas)
        body = {
            "areas": areas, "governed": False, "note": note, "policy_digest": digest, "rulebook": rulebook,
        }  # fmt: skip
        self.queue("snapshot-published", body)
        return digest

    def commit_manifest(self, run: int, manifest: Mapping[str, Any], *, recorded: bool = True) -> None:
        """Queue the entry that commits to the manifest of a run, under a salt that stays in the records.

        Args:
            recorded: the run left records; after one that did not, no record says any more what held last.
        """
        salt = os.urandom(SALT_BYTES)
        commitment = seal_commitment(salt, dict(manifest))
        body = canonical_json({"commitment": b64encode(commitment).decode(), "run": run}).decode()
        self.records.add(
            run,
            proof=RunProof(run, salt, commitment),
            outbox=[Outgoing("manifest", DECISIONS, body, run)],
            begin_anew=not recorded,
        )

    def flush(self) -> int:
        """Append what is queued, durably; return how many entries that were."""
        pending = self.records.pending_outbox()
        if not pending:
            return 0
        for first in range(0, len(pending), GROUP):
            group = pending[first : first + GROUP]
            appended = self.log.append([Item(each.kind, each.stream, json.loads(each.body)) for each in group])
            self.records.mark_logged(dict(zip((each.id for each in group), appended.indexes, strict=True)))
        return len(pending)

    def recover(self) -> None:
        """Find queued entries that a crash left unmarked in the log; remove what unfinished runs left; append the rest.

        Raises:
            IntegrityError: the log holds an entry that this home did not write, or ends before one that it did.
        """
        size, known = self.log.size, self.records.logged_until()
        if known > size:
            raise IntegrityError(
                f"the log ends at {size} entries, and this home wrote {known}",
                help="the log was rolled back: restore it from a copy; never sign this one",
            )
        if known < size:
            tail = [Entry.decode(data) for data in self.log.tree().entries(known, size)]
            self.records.mark_logged(_matched(tail, self.records.pending_outbox(len(tail)), known))
        finished = runs(self.home)
        removed = self.records.remove_uncommitted(set(finished))
        if removed:
            self.keys.remove_batch_secrets(removed)
        for run in finished:
            # Decided while the log or its keys were out of reach.
            if self.records.run_proof(run) is None:
                self.commit_manifest(run, read_manifest(self.home, run), recorded=False)
        for each in self.records.pending_outbox():
            if (late := overtaken(each.kind, json.loads(each.body), self.clock())) is not None:
                self.records.replace_pending(each.id, "rejection", canonical_json(late.value).decode())
        self.flush()

    def try_commit(self) -> Committed:
        """Commit, or say what stood in the way: entries stay queued, and nothing that was decided is lost."""
        try:
            return self.commit()
        except (StoreError, IntegrityError, ConflictError) as error:
            return Committed(self.log.size, b"", False, False, False, (), str(error))

    def commit(self, *, patience_s: int = PATIENCE_S) -> Committed:
        """Append what is queued, sign the log as it stands, have it witnessed, and publish the checkpoint.

        Args:
            patience_s: how long to wait for a quorum before a checkpoint is published without it [s], counted over the
                calls on this object; 0 publishes at once.
        """
        self.flush()
        client = self._client if self.policy.witnesses else None
        found = self.log.commit(client, patience_s=patience_s)
        errors = client.last.errors if client and client.last else {}
        return Committed(
            self.log.size, found.checkpoint, found.witnessed, found.accepted, found.published,
            tuple(f"{name}: {error.what}" for name, error in sorted(errors.items())),
        )  # fmt: skip


def _matched(tail: Sequence[Entry], pending: Sequence[Queued], first: int) -> dict[int, int]:
    """Which queued entries the last entries of the log are."""
    if len(pending) < len(tail):
        raise IntegrityError(
            f"entry {first + len(pending)} of the log was not written by this home",
            help="compare the log and the home with backups",
        )
    for place, (entry, queued) in enumerate(zip(tail, pending, strict=False)):
        if (entry.kind, entry.stream, canonical_json(dict(entry.body)).decode()) != queued[1:4]:
            raise IntegrityError(
                f"entry {first + place} of the log is not what this home was about to write",
                help="compare the log and the home with backups",
            )
    return {queued.id: first + place for place, queued in enumerate(pending[: len(tail)])}


def ledger_of(home: Home, *, clock: Clock = time.time_ns) -> HomeLedger | None:
    """Open the log of a home, or return None where it has none."""
    return HomeLedger.open(home, clock=clock) if has_ledger(home) else None


def governs(kind: str, body: object) -> bool:
    """Tell whether the state of governance follows from an entry."""
    return kind in GOVERNING or is_import(kind, body)


def append_items(ledger: HomeLedger, items: Iterable[tuple[str, str, Mapping[str, Any]]]) -> int:
    """Queue entries given by hand as (kind, stream, body), after checking every one; return how many.

    Raises:
        InputError: one cannot be an entry; none is queued.
        ConflictError: one governs, and the home has a charter: such entries are made by the acts of governance alone.
    """
    given = list(items)
    by_hand = sorted({kind for kind, _, body in given if governs(kind, body)} if is_governed(ledger.home) else ())
    if by_hand:
        raise ConflictError(
            f"entries of kind `{by_hand[0]}` are not made by hand in a home with a charter",
            help="use the command of the act: groundrule request, propose, approve, enact and others",
            refusal="only_by_act",
        )
    for number, (kind, stream, body) in enumerate(given, 1):
        try:
            Item(kind, stream, dict(body) if isinstance(body, Mapping) else body).check()
        except GroundruleError as error:
            raise InputError(f"entry {number}: {error.message}", help=error.help) from error
    ledger.records.queue([Outgoing(kind, stream, canonical_json(dict(body)).decode()) for kind, stream, body in given])
    return ledger.flush()
