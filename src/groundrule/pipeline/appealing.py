"""Appeals: from a decision and an owner's letter to an entry of the log without personal data, and back for the owner.

Whose decision it is, and the salt, lie in HOME/governance/appeals/<request id>.json, for the operator's eyes only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from groundrule.canon import canonical_json, format_base64, parse_base64, parse_canonical
from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.govern.appeals import Appealed, is_appeal, limit_ns, steps
from groundrule.govern.logged import LoggedRequest
from groundrule.govern.objects import Request, new_id
from groundrule.govern.refusal import refuse
from groundrule.govern.requests import clock
from groundrule.govern.signed import format_time, whole_ms
from groundrule.govern.state import State
from groundrule.instant import format_instant, parse_instant
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.pipeline.explain import explain_terminal
from groundrule.pipeline.home_ledger import policy_of
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.parties import names_of, party_record, put_party
from groundrule.rules.vocabulary import ENGLISH, Vocabulary
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.policy import put_object
from groundrule.store.records import Record, RecordStore
from groundrule.store.registers import Registers

UNPROTECTED: Final = frozenset({"", "none"})
NEXT: Final = ("appeal_next_check", "appeal_next_overdue", "appeal_next_court")
"""What an owner can do, by the keys of its sentences."""


@dataclass(frozen=True, slots=True)
class Appeal:
    """What the home knows of an appeal, and the log does not.

    Attributes:
        terminal_id: whose decision.
        observed_at_ns: of the observation that it is about [ns, UTC].
        appealed: the decision in the log.
        salt: opens what the log says of it.
        protected: whether the terminal is of a protected class.
    """

    terminal_id: str
    observed_at_ns: int
    appealed: Appealed
    salt: bytes
    protected: bool


def from_receipt(home: Home, receipt: bytes) -> tuple[str, int]:
    """Return terminal and time of the decision that an owner's receipt proves.

    Raises:
        ProofFailed: the receipt does not hold. InputError: it does not open whose decision it is.
    """
    fields = verify_receipt(receipt, policy_of(home)).fields
    if "terminal_id" not in fields or "observed_at" not in fields:
        raise InputError("the receipt does not open terminal and time", help="take the owner's: groundrule ledger prove … --for owner")
    return str(fields["terminal_id"]), parse_instant(str(fields["observed_at"]))


def take_appeal(
    home: Home, terminal_id: str, *, at_ns: int | None, text: bytes, name: str | None, received_by: str, channel: str, now_ns: int
) -> Request:
    """Keep an appeal in the home, and return the request for the log. The caller holds the home's write lock.

    Args:
        at_ns: the decision in force at this time [ns, UTC]; None is the latest.
        text: the owner's letter, or a note of the call.
        name: who writes; None where the account is all that is known.
        received_by: party id of the person who took it.
    Raises:
        InputError: no such decision. ConflictError: it is not in the log yet.
    """
    with RecordStore.open(home.path / "records.sqlite", read_only=True) as records:
        found, appealed = _decision(home, records, terminal_id, at_ns)
    protected = _protected(home, terminal_id)
    now = whole_ms(now_ns)
    salt = os.urandom(32)
    party, request_id = new_id("party", os.urandom(16)), new_id("request", os.urandom(16))
    # A letter can be guessed, an unsalted digest of it confirmed.
    letter = canonical_json({"v": 1, "salt": os.urandom(16).hex(), "text": text.decode("utf-8", "replace")})
    what = appealed.commit(salt)
    request = Request.parse(
        {
            "id": request_id, "requester": party, "on_behalf_of": ["self"], "conveyed_by": None, "channel": channel,
            "received_by": received_by, "occurred_at": format_time(now), "received_at": format_time(now),
            "recorded_at": format_time(now), "text_sha256": put_object(home, letter),
            "ask": [{"op": "review", "object": what, "from": None, "until": format_time(now + limit_ns(protected=protected)),
                     "detail": ""}],
            # The same for every appeal: what differs would tell something about the owner.
            "legal_basis": {"kind": "contract", "reference": "right of appeal"}, "purpose": "technical", "appeal_of": what,
            "outcome": "pending", "outcome_reason": "",
        }
    )  # fmt: skip
    put_party(home, party_record({"kind": "natural_person" if name else "unknown", "names": [name or f"owner of {found.subject}"]}, party))
    value = {
        "v": 1, "terminal_id": terminal_id, "observed_at_ns": str(found.observed_at_ns or 0),
        "appealed": [appealed.batch_index, appealed.leaf_index, appealed.leaf], "salt": format_base64(salt), "protected": protected,
    }  # fmt: skip
    path = _file(home, request_id)
    write_durably(path, canonical_json(value))
    path.parent.chmod(0o700)
    path.chmod(0o600)
    return request


def get_appeal(home: Home, logged: LoggedRequest) -> Appeal | None:
    """Return what is kept of an appeal; None where nothing is, or where it was erased.

    Raises:
        IntegrityError: it is not what the log commits to.
    """
    path = _file(home, logged.request.id)
    if not path.exists():
        return None
    try:
        value = parse_canonical(path.read_bytes())
        made = Appeal(
            str(value["terminal_id"]), int(value["observed_at_ns"]), Appealed(*value["appealed"]), parse_base64(str(value["salt"])),
            bool(value["protected"]),
        )  # fmt: skip
        holds = made.appealed.commit(made.salt) == logged.request.appeal_of
    except (KeyError, TypeError, ValueError, InputError):
        holds = False
    if not holds:
        raise IntegrityError(f"`{path}` is not what the log commits to", help="restore it from a copy")
    return made


def check_correction(home: Home, logged: LoggedRequest) -> None:
    """Check that a corrected decision was corrected: the record in force is another one, and answers otherwise.

    Raises:
        ConflictError: `not_corrected`.
    """
    appeal = get_appeal(home, logged)
    if appeal is None:
        raise refuse("not_corrected", "nothing is kept of the appeal, so nobody can tell whether it was corrected")
    with RecordStore.open(home.path / "records.sqlite", read_only=True) as records:
        now, _ = _decision(home, records, appeal.terminal_id, None)
        before = _outcome(_at(records, appeal.appealed))
    if now.leaf.hex() == appeal.appealed.leaf or _outcome(now) == before:
        raise refuse(
            "not_corrected", "the terminal has the same answer as before", help="mend the evidence and decide again, or refuse it"
        )


def notice(home: Home, state: State, logged: LoggedRequest, now_ns: int, *, language: str = "en") -> dict[str, Any]:
    """Return what the owner is told: reason, state, due time, way on. No threshold, no rule, no detector.

    Args:
        language: BCP 47 tag of what is said; English where there are no words.

    Raises:
        ConflictError: nothing is kept of the appeal.
    """
    appeal = get_appeal(home, logged)
    if appeal is None:
        raise ConflictError("nothing is kept of this appeal", help="it was erased, or opened at another home")
    found = explain_terminal(home, appeal.terminal_id, at_ns=appeal.observed_at_ns, audience="owner", language=language)
    where, say = clock(state, logged, now_ns), found.explanation.say
    what = appeal.appealed
    return {
        "appeal": logged.request.id,
        "entry": logged.index,
        "terminal": appeal.terminal_id,
        "decision": found.explanation.as_text().splitlines(),
        "stages": stages(logged, say),
        "due": format_instant(where.due_ns),
        "overdue": where.overdue,
        "next": [say(key) for key in NEXT],
        "opening": {"batch_index": what.batch_index, "leaf_index": what.leaf_index, "leaf": what.leaf,
                    "salt": format_base64(appeal.salt), "commitment": logged.request.appeal_of},
    }  # fmt: skip


def stages(logged: LoggedRequest, say: Vocabulary = ENGLISH) -> list[str]:
    """Return in plain words what became of an appeal, one sentence for each step."""
    told = []
    for outcome, reason in steps(logged):
        what = say(f"appeal_{outcome}")
        told.append(say("appeal_because", what=what, reason=reason) if reason else what)
    return told


def rows(home: Home | None, state: State, now_ns: int) -> list[dict[str, Any]]:
    """Return all appeals, with names and terminals where a home is given."""
    found = []
    for id_, logged in state.requests.items():
        if not is_appeal(logged.request):
            continue
        where = clock(state, logged, now_ns)
        kept = None if home is None else get_appeal(home, logged)
        row: dict[str, Any] = {
            "id": id_, "index": logged.index, "of": logged.request.appeal_of, "due": format_instant(where.due_ns),
            "overdue": where.overdue, "ended": where.ended, "outcome": logged.outcome,
            "reason": logged.outcomes[-1].outcome_reason if logged.outcomes else "",
        }  # fmt: skip
        if kept is not None and home is not None:
            who = names_of(home, [logged.request.requester])
            row |= {"terminal": kept.terminal_id, "protected": kept.protected, "who": who.get(logged.request.requester)}
        found.append(row)
    return found


def _decision(home: Home, records: RecordStore, terminal_id: str, at_ns: int | None) -> tuple[Record, Appealed]:
    found = records.record_in_force(terminal_id, at_ns, until_run=max(runs(home), default=0))
    if found is None:
        raise InputError("no decision about this terminal is on record", help="check the id and the time; it may have been erased")
    index = records.batch_of(found.batch_id).log_index
    if index is None:
        raise ConflictError("the decision waits for its place in the log", help="bring it there with: groundrule ledger checkpoint")
    return found, Appealed(index, found.leaf_index, found.leaf.hex())


def _at(records: RecordStore, what: Appealed) -> Record | None:
    batch = records.batch_at(what.batch_index)
    members = [] if batch is None else records.batch(batch.batch_id)[1]
    return next((each for each in members if each.leaf.hex() == what.leaf), None)


def _outcome(record: Record | None) -> str | None:
    if record is None or record.content is None:
        return None
    content: Mapping[str, Any] = parse_canonical(record.content.encode())
    return str(content["outcome"])


def _protected(home: Home, terminal_id: str) -> bool:
    if not home.has_registers():
        return False
    with Registers.open(home) as registers:
        known = registers.versions("terminals", terminal_id)
    return bool(known) and str(known[-1].get("protected_class") or "") not in UNPROTECTED


def _file(home: Home, request_id: str) -> Path:
    return home.path / "governance" / "appeals" / f"{request_id}.json"
