"""What the owner of a terminal can do: which answer is contested, on what ground, by when an answer is due, and whose terminal it is."""

from __future__ import annotations

from collections.abc import Iterator

from groundrule.canon import parse_canonical
from groundrule.errors import GroundruleError
from groundrule.evidence.dossier import DecisionRow, Phrase, Source, Standing, Times, Value
from groundrule.govern.logged import LoggedRequest
from groundrule.govern.requests import clock
from groundrule.instant import format_instant
from groundrule.pipeline.appealing import UNPROTECTED, get_appeal
from groundrule.pipeline.dossiers.acts import Said
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.why import reason_of, told
from groundrule.store.policy import get_object
from groundrule.store.registers import Registers

REQUESTS = (Source("register", "requests"),)
LESS = ("restrict", "deny", "refrain", "list_add", "other")

Cited = tuple[Said, tuple[Source, ...], tuple[str, ...]]
"""A sentence, what it rests on beside its entry of the log, and the ids that it is about."""


def appeals_of(bench: Bench, terminal_id: str) -> list[LoggedRequest]:
    """Return the appeals against decisions about a terminal: the log holds commitments, and the home their openings."""
    found = []
    for logged in bench.state.requests.values():
        if logged.request.appeal_of is not None:
            appeal = get_appeal(bench.home, logged)
            if appeal is not None and appeal.terminal_id == terminal_id:
                found.append(logged)
    return found


def owners_way(bench: Bench, terminal_id: str, rows: tuple[DecisionRow, ...]) -> Iterator[tuple[int | None, Cited]]:
    """Yield (entry of the log or None, sentence) about appeals, and about the way to one where none is on record."""
    refused = any(row.outcome in ("deny", "restrict") for row in rows)
    protected, account, holder = registered(bench, terminal_id)
    if refused and protected:
        last = next(row for row in reversed(rows) if row.outcome in ("deny", "restrict"))
        values: dict[str, Value] = {"class": protected, "rule": last.rule, "outcome": f"code:{last.outcome}"}
        said = Said(Phrase("own_protected", values), Standing.INFERENCE, Times(observed_at_ns=last.last_ns), ("protected",))
        yield None, (said, (Source("register", "terminals"), Source("receipt", f"run:{last.run}")), ())
    appealed = appeals_of(bench, terminal_id)
    for logged in appealed:
        for said in _appeal(bench, logged, rows):
            yield logged.index, (said, (), (logged.request.id,))
        values = {"party": bench.of(logged.request.requester), "account": account or "–", "holder": holder or "–"}
        yield logged.index, (Said(Phrase("own_who", values)), (Source("register", "accounts"),), (logged.request.id,))
    # That none is on record is known; that none was written is not said.
    if refused and not appealed:
        yield None, (Said(Phrase("own_no_appeal"), Standing.INFERENCE), REQUESTS, ())
    if appealed:
        against = [appeal.observed_at_ns for logged in appealed if (appeal := get_appeal(bench.home, logged)) is not None]
        for row in told(rows):
            if row.outcome in ("deny", "restrict") and not any(row.first_ns <= at <= row.last_ns for at in against):
                said = Said(Phrase("own_not_contested", {"at": format_instant(row.last_ns)}), Standing.INFERENCE)
                yield None, (said, REQUESTS, ())
    if any(row.outcome == "deny" for row in rows) and not _asked_to_deny(bench, terminal_id, rows):
        yield None, (Said(Phrase("no_request_to_deny"), Standing.INFERENCE), REQUESTS, ())


def _asked_to_deny(bench: Bench, terminal_id: str, rows: tuple[DecisionRow, ...]) -> bool:
    """Tell whether a request on record asks to answer this terminal, or where it was refused, less than it would be."""
    objects = {f"terminal/{terminal_id}"}
    for row in rows:
        if row.outcome == "deny":
            objects |= {f"{kind}/{area.removeprefix('country:')}" for area in row.areas for kind in ("area", "service", "country")}
    asks = (ask for logged in bench.state.requests.values() if not logged.request.appeal_of for ask in logged.request.ask)
    return any(ask.op in LESS and (ask.object in objects or ask.object.partition("/")[0] in ("rulebook", "list")) for ask in asks)


def _appeal(bench: Bench, logged: LoggedRequest, rows: tuple[DecisionRow, ...]) -> Iterator[Said]:
    appeal = get_appeal(bench.home, logged)
    if appeal is None:
        return
    request = logged.request
    row = next((each for each in rows if each.first_ns <= appeal.observed_at_ns <= each.last_ns), None)
    at = Times(observed_at_ns=request.received_at, recorded_at_ns=logged.t_ns)
    values: dict[str, Value] = {"at": format_instant(appeal.observed_at_ns)}
    if row is not None:
        values |= {
            "outcome": f"code:{row.outcome}", "rule": row.rule, "reason": reason_of(row), "count": row.count,
            "from": format_instant(row.first_ns), "to": format_instant(row.last_ns),
        }  # fmt: skip
    yield Said(Phrase("own_contested" if row is not None else "own_contested_at", values), Standing.RECORDED, at)
    letter = _letter(bench, request.text_sha256)
    if letter:
        yield Said(Phrase("own_ground", {"letter": letter}), Standing.CLAIM, at)
    where = clock(bench.state, logged, bench.now_ns)
    due: dict[str, Value] = {"due": format_instant(where.due_ns)}
    if where.ended:
        yield Said(Phrase("own_ended", {"outcome": f"code:outcome_{logged.outcome}"}), Standing.RECORDED, at)
    elif where.overdue:
        yield Said(Phrase("own_overdue", due), Standing.INFERENCE, at, ("overdue",))
    else:
        recorded = any(ask.until == where.due_ns for ask in request.ask)  # the entry itself may name the day
        yield Said(Phrase("own_due", due), Standing.RECORDED if recorded else Standing.INFERENCE, at, ("open",))


def _letter(bench: Bench, digest: str | None) -> str:
    """The owner's letter as it is kept; empty where it is not."""
    if not digest:
        return ""
    try:
        value = parse_canonical(get_object(bench.home, digest))
    except GroundruleError:
        return ""
    return str(value.get("text", "")).strip()[:600] if isinstance(value, dict) else ""


def registered(bench: Bench, terminal_id: str) -> tuple[str, str, str]:
    """Return protected class, account and holder of a terminal as registered last; empty where there is none."""
    with Registers.open(bench.home) as registers:
        rows = registers.versions("terminals", terminal_id)
        if not rows:
            return "", "", ""
        account = str(rows[-1].get("account_id") or "")
        accounts = registers.versions("accounts", account) if account else []
        kind = str(rows[-1].get("protected_class") or "")
        return "" if kind in UNPROTECTED else kind, account, str(accounts[-1].get("party_id") or "") if accounts else ""
