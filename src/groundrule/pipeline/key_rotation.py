"""The keys of a home's log are changed: new ones are drawn, both generations sign for a time, and the old ones are put away.

    rotate   1  new keys are drawn and kept beside the old ones
             2  `key-event` added for each, committed under the old keys, witnessed
             3  the policy names both generations
             4  both sign: whoever knows either reads on
    retire   1  the witnesses are asked whether they take a head that the new keys alone signed
             2  `key-event` rotated, revoked or compromised for each old key, committed under both, witnessed
             3  the old private keys are destroyed, and the new ones sign alone
             4  the policy says since when the old ones sign nothing; their lines stay, so that old proofs hold

Each step may be interrupted: what was begun is kept beside the keys, and the same command goes on from there. The caller holds the home's
write lock. Source: the format of a policy has no end of a key (C2SP tlog-policy.md), so it stands in a comment and in the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, IntegrityError
from groundrule.ledger.entry import Entry, format_time
from groundrule.ledger.log import Log
from groundrule.ledger.note import NoteSigner, VerifierKey
from groundrule.ledger.policy import Policy
from groundrule.ledger.witness_client import WitnessClient
from groundrule.pipeline.clock_check import HeldClock
from groundrule.pipeline.home_ledger import (
    POLICY_FILE,
    Clock,
    Committed,
    HomeLedger,
    keys_folder,
    log_folder,
    new_signers,
    policy_of,
    set_policy,
)
from groundrule.store.home import Home
from groundrule.store.keys import KeyService

ROTATE: Final = "rotate"
RETIRE: Final = "retire"
End = Literal["rotated", "revoked", "compromised"]
"""Why an old key signs nothing more: it was replaced as planned, taken back, or stolen."""


@dataclass(frozen=True, slots=True)
class LogKeys:
    """Which keys a home's log has.

    Attributes:
        origin: name of the log.
        old, new: keys that sign: those that a change is to replace, and those that stay; without a change all are new.
        ended: keys of the policy that sign nothing any more.
        begun: `rotate` or `retire`, if such a change was interrupted.
    """

    origin: str
    old: tuple[VerifierKey, ...]
    new: tuple[VerifierKey, ...]
    ended: tuple[VerifierKey, ...]
    begun: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What witnesses say to a head that the new keys alone signed.

    Attributes:
        took: names of the witnesses that cosigned it.
        trouble: why each other one did not.
        quorum: they make the quorum of the policy.
    """

    took: tuple[str, ...]
    trouble: tuple[str, ...]
    quorum: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of keys that is done.

    Attributes:
        keys: which there are now.
        committed: the log after it.
    """

    keys: LogKeys
    committed: Committed


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a change has begun, as it is kept beside the keys.

    Attributes:
        step: rotate or retire.
        event, at: of its entries.
        size: of the log when it began.
        secrets: new private keys, for `rotate`. vkeys: of the old ones, for `retire`.
    """

    step: str
    event: str
    at: str
    size: int
    secrets: tuple[str, ...] = ()
    vkeys: tuple[str, ...] = ()

    def format(self) -> bytes:
        return canonical_json(
            {"step": self.step, "event": self.event, "at": self.at, "size": str(self.size), "secrets": list(self.secrets),
             "vkeys": list(self.vkeys)}
        )  # fmt: skip

    @classmethod
    def parse(cls, data: bytes) -> _Turn:
        try:
            value = json.loads(data)
            return cls(
                str(value["step"]), str(value["event"]), str(value["at"]), int(value["size"]), tuple(map(str, value["secrets"])),
                tuple(map(str, value["vkeys"])),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                "what a change of the log's keys had begun cannot be read", help="restore the folder of keys from a backup"
            ) from error


def keys_of(home: Home) -> LogKeys:
    """Say which keys sign the log, and whether a change is under way."""
    policy = policy_of(home)
    with KeyService.open(keys_folder(home), read_only=True) as keys:
        return _keys(keys, policy)


def rotate(home: Home, *, clock: Clock, unwitnessed: bool = False) -> Changed:
    """Give the log new keys beside its old ones, or go on where this was interrupted.

    Args:
        unwitnessed: go on where the witnesses do not make their quorum.
    Raises:
        ConflictError: a change is under way, or the entry about it has no quorum yet; then nothing but the entry is there.
    """
    with HomeLedger.open(home, clock=clock) as ledger:
        origin = ledger.log.origin
        turn = _begun(ledger.keys, origin, ROTATE)
        if turn is None:
            present = _keys(ledger.keys, ledger.policy)
            if present.old:
                raise ConflictError(
                    "the keys of this log are being changed already: two generations sign",
                    help="end that first, with: groundrule ledger key retire",
                )
            secrets = tuple(signer.format() for signer in new_signers(origin))
            turn = _Turn(ROTATE, "added", format_time(ledger.clock()), ledger.log.size, secrets)
            ledger.keys.put_turn(origin, turn.format())
        fresh = [NoteSigner.parse(text).verifier for text in turn.secrets]
        _log_events(ledger, turn, fresh)
        _require(ledger.commit(), unwitnessed)
        set_policy(home, with_keys(_policy_text(home), fresh))
        held = ledger.keys.log_signers(origin)
        ledger.keys.replace_log_signers(origin, list(dict.fromkeys((*held, *turn.secrets))))
    return _end(home, clock, origin)


def retire(home: Home, *, event: End = "rotated", clock: Clock, unwitnessed: bool = False) -> Changed:
    """Put the old keys of a log away, or go on where this was interrupted. Their private halves are destroyed.

    Args:
        event: why.
        unwitnessed: go on although the witnesses do not know the new keys, as after a theft.
    Raises:
        ConflictError: only one generation of keys signs; or the witnesses would not go on under the new one.
    """
    with KeyService.open(keys_folder(home), read_only=True) as keys:
        turn = _begun(keys, policy_of(home).logs[0].key.name, RETIRE)
    if turn is None and not unwitnessed and not (asked := ask_witnesses(home, clock=clock)).quorum:
        raise ConflictError(
            f"the witnesses do not take what the new keys alone sign: {'; '.join(asked.trouble)}",
            help="give them the new keys (see: groundrule ledger key show), and try again",
        )
    with HomeLedger.open(home, clock=clock) as ledger:
        origin = ledger.log.origin
        if turn is None:
            old = _keys(ledger.keys, ledger.policy).old
            if not old:
                raise _nothing_old()
            turn = _Turn(RETIRE, event, format_time(ledger.clock()), ledger.log.size, vkeys=tuple(map(str, old)))
            ledger.keys.put_turn(origin, turn.format())
        gone = {VerifierKey.parse(text) for text in turn.vkeys}
        _log_events(ledger, turn, sorted(gone, key=str))
        _require(ledger.commit(), unwitnessed)
        kept = [text for text in ledger.keys.log_signers(origin) if NoteSigner.parse(text).verifier not in gone]
        ledger.keys.replace_log_signers(origin, kept)
        set_policy(home, with_end(_policy_text(home), gone, f"signs nothing since {turn.at}: {turn.event}"))
    return _end(home, clock, origin)


def ask_witnesses(home: Home, *, clock: Clock) -> Asked:
    """Ask the witnesses to cosign the log as it stands, under the new keys alone; nothing is published.

    Raises:
        ConflictError: only one generation of keys signs.
    """
    policy = policy_of(home)
    with KeyService.open(keys_folder(home), read_only=True) as keys:
        signers = [NoteSigner.parse(text) for text in keys.log_signers(policy.logs[0].key.name)]
    old = _generations(signers)[0]
    if not old:
        raise _nothing_old()
    if not policy.witnesses:
        return Asked((), (), quorum=True)
    client = WitnessClient(policy)
    with Log.open(log_folder(home), signers=[each for each in signers if each not in old], clock=HeldClock(clock)) as log:
        checked = policy.check(client(log.sign(), log.consistency_path))
    errors = client.last.errors if client.last else {}
    return Asked(tuple(checked.times), tuple(f"{name}: {error.what}" for name, error in sorted(errors.items())), checked.quorum_met)


def with_keys(text: bytes, fresh: Sequence[VerifierKey]) -> bytes:
    """Return a policy that names further keys of its log, with the address of the others; what it names already stays as it is."""
    policy = Policy.parse(text)
    url = f" {policy.logs[0].url}" if policy.logs[0].url else ""
    lines = text.split(b"\n")
    last = max(place for place, line in enumerate(lines) if line.split()[:1] == [b"log"])
    lines[last + 1 : last + 1] = [f"log {key}{url}".encode() for key in fresh if key not in policy.log_keys]
    return b"\n".join(lines)


def with_end(text: bytes, gone: Iterable[VerifierKey], note: str) -> bytes:
    """Return a policy that says above the line of each old key since when it signs nothing."""
    wanted, said, made = {str(key).encode() for key in gone}, f"# {note}".encode(), list[bytes]()
    for line in text.split(b"\n"):
        if line.split()[:1] == [b"log"] and line.split()[1] in wanted and made[-1:] != [said]:
            made.append(said)
        made.append(line)
    return b"\n".join(made)


def _end(home: Home, clock: Clock, origin: str) -> Changed:
    """Sign with the keys that are there now, and forget what the change had begun."""
    with HomeLedger.open(home, clock=clock) as ledger:
        committed = ledger.commit()
        ledger.keys.end_turn(origin)
        return Changed(_keys(ledger.keys, ledger.policy), committed)


def _begun(keys: KeyService, origin: str, step: str) -> _Turn | None:
    data = keys.turn(origin)
    if data is None:
        return None
    turn = _Turn.parse(data)
    if turn.step != step:
        raise ConflictError(
            f"`ledger key {turn.step}` was interrupted", help=f"end it first, with: groundrule ledger key {turn.step}"
        )
    return turn


def _log_events(ledger: HomeLedger, turn: _Turn, keys: Sequence[VerifierKey]) -> None:
    """Record the change of each key once, however often this was interrupted."""
    known = set()
    for data in ledger.log.tree().entries(turn.size, ledger.log.size):
        entry = Entry.decode(data)
        if entry.kind == "key-event":
            known.add((entry.body["vkey"], entry.body["event"]))
    began, end = (turn.at, None) if turn.step == ROTATE else (None, turn.at)
    for key in keys:
        if (str(key), turn.event) not in known:
            ledger.queue("key-event", {"event": turn.event, "from": began, "to": end, "vkey": str(key)})


def _require(committed: Committed, unwitnessed: bool) -> None:
    """A change of keys has no effect before its witnesses have seen it."""
    if not committed.accepted and not unwitnessed:
        raise ConflictError(
            f"the entry about the keys has no quorum of witnesses yet: {'; '.join(committed.trouble)}",
            help="nothing else was changed; run the same command again when they answer",
        )


def _keys(keys: KeyService, policy: Policy) -> LogKeys:
    origin = policy.logs[0].key.name
    signers = [NoteSigner.parse(text) for text in keys.log_signers(origin)]
    old = _generations(signers)[0]
    held = {signer.verifier for signer in signers}
    turn = keys.turn(origin)
    return LogKeys(
        origin, tuple(each.verifier for each in old), tuple(each.verifier for each in signers if each not in old),
        tuple(key for key in policy.log_keys if key not in held), None if turn is None else _Turn.parse(turn).step,
    )  # fmt: skip


def _generations(signers: Sequence[NoteSigner]) -> tuple[list[NoteSigner], list[NoteSigner]]:
    """Of each type the key that came last is of the new generation."""
    newest = {signer.verifier.type: signer for signer in signers}
    new = [signer for signer in signers if newest[signer.verifier.type] is signer]
    return [signer for signer in signers if signer not in new], new


def _policy_text(home: Home) -> bytes:
    return (log_folder(home) / POLICY_FILE).read_bytes()


def _nothing_old() -> ConflictError:
    return ConflictError("one generation of keys signs this log: none is old", help="begin with: groundrule ledger key rotate")
