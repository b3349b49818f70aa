"""What each reader of a dossier may see: the tables behind `redact`, and how a text is looked through for what it must not tell.

A value of a sentence stays for an owner or the public if it is a number, a word of the catalogue, a party as that reader may know it, or
a text that stands in the public log anyway. Everything else is withheld, so that a sentence added later is closed until somebody
decides otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from groundrule.evidence.dossier import Dossier, Party, Reader, SubjectKind

CLOSED_READERS: Final = frozenset({Reader.OWNER, Reader.PUBLIC})
"""Readers who get an extract; the operator gets everything, the regulator everything but what a seal still closes."""

PUBLIC_BODIES: Final = frozenset({"government_body", "head_of_state_or_government", "international_org"})
"""Kinds of parties whose role is public: they are named to everybody."""
NAMED_TO: Final[Mapping[Reader, frozenset[str]]] = {
    Reader.OWNER: PUBLIC_BODIES | {"legal_entity"},
    Reader.PUBLIC: PUBLIC_BODIES,
}

LOGGED: Final[Mapping[str, frozenset[str]]] = {
    key: frozenset(names.split())
    for key, names in {
        "charter_in_force": "until", "request_asks": "object detail", "request_asks_plainly": "object", "sum_request": "object",
        "request_basis": "reference", "request_outcome": "reason", "sum_outcome": "reason",
        "request_conflict": "other priority", "screening_clear": "lists", "screening_open": "lists", "screening_true": "lists",
        "screening_false": "lists", "proposal_made": "id", "proposal_reason": "reason", "proposal_change": "object",
        "proposal_request": "request", "approval_approve": "proposal", "approval_reject": "proposal", "approval_recuse": "proposal",
        "enactment_made": "proposal", "act_refused": "sentence", "entry_no_effect": "kind sentence", "contact_topics": "topics",
        "contact_told": "authority at", "contact_corroborated": "review", "contact_denied": "review", "contact_self_reported": "when",
        "contact_basis_self": "when", "contact_basis_press": "when", "contact_basis_third_party": "when",
        "contact_basis_official": "when", "contact_basis_intelligence": "when", "review_opened": "of due", "review_overdue": "due",
        "review_concluded": "findings", "emergency_opened": "condition scope", "not_counted": "proposal",
        "said_nothing": "proposal", "told_and_answered": "received answered",
        "why_basis": "basis", "why_appeal": "appeal", "sum_proposed": "id at", "sum_enacted": "id at", "sum_not_enacted": "id",
        "answered": "areas from to rulebook", "answered_once": "areas from rulebook", "why_answer": "at",
        "answered_later": "areas from to rulebook decided", "answered_once_later": "areas from rulebook decided",
        "sum_answer_later": "at rulebook decided", "rule_waits_closed": "at", "made_difference": "proposal at",
        "made_no_difference": "proposal at", "rule_kept_closed": "proposal", "rule_reworded_closed": "proposal",
        "rule_brought_closed": "proposal", "contact_alleged_recorded": "at", "review_opened_alleged": "of due",
        "decided_by_change": "rulebook proposal since when", "decided_by_before": "rulebook when", "decided_by_unknown": "rulebook when",
        "rule_younger": "rulebook since from to decided", "change_same": "proposal", "change_other": "proposal",
        "change_not_met": "proposal", "change_too_many": "proposal",
        "preview_differs": "proposal", "rule_kept": "proposal", "rule_reworded": "proposal", "rule_brought": "proposal",
        "own_contested": "at from to", "own_contested_at": "at", "own_due": "due", "own_overdue": "due", "own_not_contested": "at",
        "judged_at": "from to decided", "unknown_approval": "rulebook when", "change_not_cause": "proposal", "preview_missed": "proposal",
        "request_received": "made received", "appeal_received": "received", "proposal_reversal": "plan",
        "proposal_effective": "since", "proposal_content": "object digest",
        "request_slow": "made recorded", "sum_answer": "at rulebook", "answer_changed": "at",
        "nothing_observed": "since", "unknown_contact_true": "contact", "unknown_contact_said": "contact",
    }.items()
}  # fmt: skip
"""Values that are read as they are, by sentence: they stand in the public log, or are what a terminal was told."""

OWN_TEXTS: Final[Mapping[str, frozenset[str]]] = {"own_protected": frozenset({"class"})}
"""Values that only the owner of the terminal reads, by sentence: they stand in the own registration, too."""
LIMIT: Final = re.compile(
    r"\d[\d.,\s]*(?:km/h|kph|mph|m/s|kn(?:ots?)?|kilomet\w*|met(?:er|re)s?|km|m|s|sec\w*|min\w*|h|hours?|days?|[MGk]bit(?:/s)?|[MG]B|%|°|deg\w*"
    r"|Stunden?|Tagen?|Tage|Sekunden?|км/год|км|м|с|год\w*|дн\w*|діб)(?!\w)",
    re.IGNORECASE,
)
"""A number with a unit: in what somebody wrote about a rule, it may be the limit itself."""
INTERNAL: Final = frozenset(
    {
        "why_finding", "why_heard", "why_not_denied", "why_relief", "why_relief_one", "why_exception", "why_requested", "party_registered",
        "others_there", "others_there_still", "others_there_once", "others_there_once_still", "beside_protected", "beside_other",
        "measured_speed", "measured_speed_even", "made_by_exception", "hinge_register", "unknown_entered", "holder_not_screened",
        "rule_exempts", "rule_altered", "unknown_holder", "own_who", "own_ground", "change_answers", "change_moved",
    }
)  # fmt: skip
"""Sentences that only operator and regulator read: margins, limits, what was measured, who holds an account, and other terminals."""
AGAINST_SOMEBODY: Final = frozenset(
    {
        "decided_meanwhile", "decided_meanwhile_near", "statement_against_claim", "statement_against_contact", "sum_meanwhile",
        "contact_stands_disputed", "contact_not_vouched", "unknown_contact_true", "unknown_contact_said", "approval_conflict",
        "not_enacted_because", "decided_meanwhile_alleged", "decided_meanwhile_alleged_near", "sum_meanwhile_alleged", "contact_own_word",
        "approval_no_conflict",
    }
)  # fmt: skip
"""Sentences that follow from contacts, and could tell with whom one is alleged; who stated that there is none is told of nobody, since
of whom it were not told would then be known."""
OF_A_CONTACT: Final = frozenset({"contact_not_vouched", "contact_stands_disputed", "unknown_contact_true", "unknown_contact_said"})
"""Those of `AGAINST_SOMEBODY` that name no party: they stay in the public dossier of the contact itself."""
OF_THE_TRACK: Final = frozenset(
    {
        "answered", "answered_once", "sum_answer", "answer_changed", "nothing_observed", "rule_younger", "decided_by_change",
        "decided_by_before", "decided_by_unknown", "own_contested", "own_contested_at", "own_protected",
        "own_not_contested", "judged_at", "unknown_approval", "answered_later", "answered_once_later", "sum_answer_later",
        "rule_waits_closed", "made_difference", "made_no_difference", "appeal_received",
    }
)  # fmt: skip
TRACE: Final = frozenset({"nothing_observed"})
"""Sentences that are closed to the public altogether: even with times cut to the day they tell how somebody moved or was silent."""
IN_CLOSED_WORDS: Final[Mapping[str, str]] = {
    "rule_waits": "rule_waits_closed", "rule_kept": "rule_kept_closed", "rule_reworded": "rule_reworded_closed",
    "rule_brought": "rule_brought_closed", "sum_approve_stated": "sum_approve",
}  # fmt: skip
"""Sentences that owner and public read in other words, which name no rule and no limit."""
CLOSED_VALUES: Final[Mapping[str, frozenset[str]]] = {
    "rule_waits_closed": frozenset({"before", "after", "at"}), "rule_kept_closed": frozenset({"proposal"}),
    "rule_reworded_closed": frozenset({"proposal"}), "rule_brought_closed": frozenset({"proposal"}), "sum_approve": frozenset({"who"}),
}  # fmt: skip
"""Values that are left in these."""
RULE_NAMES: Final = frozenset({"rule", "old", "new"})
"""Values that are the name of a rule."""
ABOUT_A_RULE: Final = frozenset({"why_basis", "why_appeal"})
"""Sentences that pass on what the author of a rule wrote for people, and in which a limit may be named."""
TRACK_SECTIONS: Final = frozenset({"service", "why", "registered", "appeal"})
ANY_DIGITS: Final = re.compile(r"\d")
OWN_FIELDS: Final = (
    "terminal id", "kit number", "utid", "dish id", "account id", "plan", "programmes", "protected class", "activation country",
    "activated at", "registration", "cell state", "country", "state", "quota",
)  # fmt: skip
"""Fields of the registers that an owner reads about the own terminal and account."""

_REF = re.compile(r"party-[0-9a-f]{32}|commitment:[0-9a-f]{64}")
_OBJECT = re.compile(r"(?<!\w)(terminals?|accounts?|service|dish|kit)[/:]([^\s,;]+)")
_REGISTERED_ID = re.compile(r"(?:terminal id|account id|party id|kit number|utid|dish id|name) ([^;]+)")
_IN_BRACKETS = re.compile(r"\s*\([^)]*\)")
_SHORTEST = 3
_SURNAME = 5


@dataclass(frozen=True, slots=True)
class Known:
    """What the composer of a dossier knows beyond it.

    Attributes:
        persons: names of natural persons. bodies: names of all other parties that have no public role.
        sealed: id of a rule or area whose content is still sealed, to its commitment.
        telling: entries of the log whose own text tells what this reader may not see.
        in_log: references to parties that the public log shows as they are, and not as a commitment.
    """

    persons: frozenset[str] = frozenset()
    bodies: frozenset[str] = frozenset()
    sealed: Mapping[str, str] = field(default_factory=dict)
    telling: frozenset[int] = frozenset()
    in_log: frozenset[str] = frozenset()


class Veil:
    """Says of a text whether a reader may not see it because of whom or what it names."""

    def __init__(self, dossier: Dossier, reader: Reader, known: Known) -> None:
        persons, others = set(known.persons), set[str]()
        for party in dossier.parties:
            if party.name and party.kind not in NAMED_TO[reader]:
                (others if party.kind == "legal_entity" else persons).add(party.name)
        if reader is Reader.PUBLIC:
            others |= known.bodies
        self._own = dossier.id if reader is Reader.OWNER and dossier.kind is SubjectKind.TERMINAL else None
        for each in dossier.statements:
            if each.phrase.key.endswith("_registered") and (self._own is None or each.phrase.key == "party_registered"):
                others |= {found.strip() for found in _REGISTERED_ID.findall(str(each.phrase.values.get("what")))}
        if self._own is None and dossier.kind is SubjectKind.TERMINAL:
            others.add(dossier.id)
        words = {form for name in persons | others for form in (name, _IN_BRACKETS.sub("", name))}
        words |= {surname for name in persons if len(surname := _IN_BRACKETS.sub("", name).split(" ")[-1]) >= _SURNAME}
        self._words = _any_of(words)

    def tells(self, text: str) -> bool:
        """Tell whether a text names somebody, a terminal or an account that the reader may not know."""
        if self._words is not None and self._words.search(text):
            return True
        if any(found[1] != self._own for found in _OBJECT.findall(text)):
            return True
        return bool(_REF.search(text))

    def entry_tells(self, strings: Iterable[str]) -> bool:
        """Tell the same of the strings of an entry of the log, in which ids and commitments of parties are public."""
        return any(self.tells(_REF.sub("", text)) for text in strings)


def _any_of(words: Iterable[str]) -> re.Pattern[str] | None:
    long = sorted({word for word in words if len(word) >= _SHORTEST}, key=lambda word: (-len(word), word))
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, long)) + r")(?!\w)") if long else None


def refs_in(strings: Iterable[str]) -> frozenset[str]:
    """Return the ids of parties that stand in some texts as they are."""
    return frozenset(found for text in strings for found in _REF.findall(text) if found.startswith("party-"))


def is_ref(text: str) -> bool:
    """Tell whether a text is a reference to a party."""
    return _REF.fullmatch(text) is not None


def named(party: Party, reader: Reader) -> bool:
    """Tell whether a party is named to a reader."""
    return party.kind in NAMED_TO[reader]


def own_fields(text: str) -> str:
    """Return what a register says about a terminal or account, as far as its owner reads it."""
    return "; ".join(item for item in text.split("; ") if item.startswith(tuple(f"{name} " for name in OWN_FIELDS)))
