"""The words in which rules, findings and answers are said: templates by key, in the language of whoever reads.

English stands here, because the rules say what they mean without anything above them; the same keys in every language are the table
`conditions` of `evidence/render/words/<language>.toml`, which `pipeline.explain` hands down. A test compares keys and slots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from groundrule.reasons import CATALOGUE

ENGLISH_TERMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Facts that a rule tests.
        "name_speed_m_s": "speed",
        "name_alt_m": "altitude",
        "name_position_sigma_m": "sigma of the position",
        "name_position_age_s": "age of the position",
        "name_distance_from_service_address_m": "distance from the service address",
        "name_class": "protected class",
        "name_account": "account state",
        "name_account_country": "home country",
        "name_activation_country": "country of activation",
        "name_software": "software version",
        "name_cell_state": "cell state",
        "name_position_source": "position source",
        "name_verdict": "verdict of verification",
        "name_assurance": "assurance of verification",
        "name_gnss": "satellite navigation",
        "name_verified_distance_m": "distance from the claim to the radio position",
        "name_position": "position",
        "name_list": "list",
        "name_stay": "stay",
        "name_plan": "plan",
        "name_registration": "registration",
        "name_programme": "programme",
        "name_quota": "quota",
        "name_screening": "screening",
        "name_purpose": "purpose",
        "name_signals": "signals",
        "name_signal_causes": "independent signals",
        "name_motion": "motion",
        "measure_elapsed_days": "days of stay",
        "measure_consecutive_days": "days in a row",
        "measure_days_in_year": "days in the year",
        "measure": "{measure} ({counter})",
        # Numbers.
        "decimal": ".",
        "unit_speed": "km/h",
        "unit_m": "m",
        "unit_km": "km",
        "unit_s": "s",
        "unit_days": "days",
        "at_most_value": "at most {value}",
        "at_least_value": "at least {value}",
        "range": "{low} to {high}",
        "or": "or",
        "and": "and",
        # Words that a fact may have.
        "value_drone_flight": "flight like a drone's",
        "value_over_speed": "faster than a limit",
        "value_moving_without_plan": "moving without a plan for it",
        "value_impossible_travel": "impossible journey",
        "value_cloned_identity": "one identity in two places",
        "value_border_crossing": "border crossed",
        "value_control_line_crossing": "line of control crossed",
        "value_used_elsewhere": "activated in one country, used only in another",
        "value_dormant_at_front": "long asleep, then awake at a front",
        "value_roaming_beyond_limits": "abroad for longer than allowed",
        "value_straw_registration": "devices used far from where they are registered",
        "value_account_risk": "account tied to others with signals",
        "value_compound": "many terminals in one small place",
        "value_convoy": "many terminals moving together",
        "value_gnss_inhibited": "satellite navigation switched off",
        "value_spoofed_position": "radio refutes the claimed position",
        "value_served_against_decision": "served although refused",
        "value_refused_against_decision": "not served although allowed",
        "value_displaced_fix": "one displaced fix",
        "value_active": "active",
        "value_suspended": "suspended",
        "value_disabled": "disabled",
        "value_none": "none",
        "value_registered": "registered",
        "value_pending": "pending",
        "value_revoked": "revoked",
        "value_ok": "ok",
        "value_exceeded": "exceeded",
        "value_rate_limited": "rate_limited",
        "value_clear": "clear",
        "value_listed": "listed",
        "value_enabled": "enabled",
        "value_gnss": "gnss",
        "value_network": "network",
        "value_fused": "fused",
        "value_cell": "cell",
        "value_consistent": "consistent",
        "value_inconsistent": "inconsistent",
        "value_ambiguous": "ambiguous",
        "value_insufficient": "insufficient",
        "value_fault": "fault",
        "value_a0": "a0: a false GNSS position",
        "value_a1": "a1: also a constant hidden delay",
        "value_a2": "a2: also any added delay and a forged frequency",
        "value_beam_only": "beam_only",
        "value_normal": "normal",
        "value_lost": "lost",
        "value_inhibited": "inhibited",
        "value_still": "still",
        "value_moving": "moving",
        "value_submitted": "submitted",
        "value_over_quota": "over_quota",
        "value_expired": "expired",
        # Places.
        "place_high_seas": "on the high seas",
        "place_no_country": "in no country",
        "place_anywhere": "anywhere",
        "place_never_served": "where service history says never served",
        "place_served": "where service history says served",
        "place_ended": "where service history says ended",
        "place_licensed": "in a country with status licensed",
        "place_unlicensed": "in a country with status unlicensed",
        "place_blocked": "in a country with status blocked",
        "place_not_offered": "in a country with status not offered",
        "place_within": "within {distance} of {place}",
        "place_in": "in {place}",
        "place_not": "not {where}",
        # Conditions.
        "on_list": "on list {list}",
        "on_list_as": "on list {list} as {states}",
        "not_on_list": "not on list {list}",
        "not_on_list_as": "not on list {list} as {states}",
        "above": "{name} above {limit}",
        "at_least": "{name} at least {limit}",
        "below": "{name} below {limit}",
        "at_most": "{name} at most {limit}",
        "not_above": "{name} not above {limit}",
        "for_time": "for at least {time}",
        "until_below": "it holds until the value is below {limit}",
        "inside_account_country": "inside the home country",
        "outside_account_country": "outside the home country",
        "inside_activation_country": "inside the country of activation",
        "outside_activation_country": "outside the country of activation",
        "of_a_class": "of a protected class",
        "of_no_class": "of no protected class",
        "with_programme": "with programme {values}",
        "without_programme": "without programme {values}",
        "with_signals": "with signal {values}",
        "without_signals": "without signal {values}",
        "is": "{name} is {values}",
        "is_not": "{name} is not {values}",
        "always": "always",
        "never": "never",
        # Findings: what was found about a condition.
        "found": "{what}, found {value}",
        "perhaps": "perhaps {what}: {why}",
        "doubt_edge": "the position may be on either side",
        "doubt_stale": "the position is too old",
        "doubt_error": "the fact has a type that it cannot have",
        "doubt_unknown": "{name} is not known",
        "exception_in_doubt": "exception in doubt: {what}",
        # What kept a rule from applying.
        "distance_inside": "{distance} inside {place}",
        "distance_outside": "{distance} outside {place}",
        "distance_inside_around": "{distance} inside the {buffer} around {place}",
        "distance_outside_around": "{distance} outside the {buffer} around {place}",
        "value_of_limit": "{name} {value} of {limit}",
        "is_other": "{name} is {value}, not {values}",
        "not_yet_for": "{name} {value} is above {limit}, but not yet for {time}",
        "not_in_force_before": "not in force before {at}",
        "expired_at": "expired at {at}",
        "overridden": "it applied, and {rule} in the earlier tier {tier} decided",
        # What would have to differ.
        "exception_would_apply": "an exception would apply: {what}",
        "retry_after": "after {time}",
        "retry_moved": "after moving {distance}",
        # Answers, for the operator.
        "outcome_serve": "serve",
        "outcome_restrict": "restrict",
        "outcome_review": "review",
        "outcome_deny": "deny",
        "state_degraded": "degraded",
        "state_pending_registration": "pending_registration",
        "state_never_served": "never_served",
        "default_rule": "the rulebook's default",
        "head": "{outcome} at {at}: {reason} ({rule})",
        "head_state": "{outcome}, state {state} at {at}: {reason} ({rule})",
        "basis": "basis: {basis}",
        "basis_asked": "basis: {basis}, asked for by {by}",
        "rules_that_apply": "rules that apply:",
        "rule_line": "{rule}: {outcome}, {reason}; {title}",
        "rule_line_doubt": "{rule}: {outcome} (states {stated}, in doubt), {reason}; {title}",
        "nearest": "nearest rules that would have denied it:",
        "nearest_line": "{rule}: {outcome}; {title}",
        "did_not_hold": "did not hold: {gaps}",
        "relief": "what would have to differ:",
        "also": "and these would still deny: {rules}",
        "obligations": "obligations: {obligations}",
        "retry": "retry: {retry}",
        "at_place": "{terminal} at {at}",
        "position_in": "{position} in {areas}",
        "position_unknown": "position unknown",
        "no_area": "no area",
        "edge_of": "{area} (edge, {share})",
        # What radio and satellite navigation say, for the operator.
        "heard_claim": "claims to be {place}",
        "heard_no_claim": "claims no position",
        "heard_place": "radio places it {place}",
        "heard_apart": "radio places it {distance} away, {place}",
        "heard_same": "radio places it there, {distance} from the claim",
        "heard_ellipse": "95 % ellipse {major} × {minor}",
        "heard_no_place": "radio gives no place",
        "heard_many": "{count} places explain the measurements",
        "heard_verdict": "verdict {verdict}, measured {age} before",
        "heard_false_a0": "cannot be produced by an honest modem; a delay that the modem adds could produce it",
        "heard_false_a1": "cannot be produced by a constant delay alone",
        "heard_false_a2": "cannot be produced by delay alone",
        "heard_true_a0": "stands against a false position from an honest modem",
        "heard_true_a1": "stands against a false position and a constant delay",
        "heard_true_a2": "stands against a false position, any delay and a forged frequency",
        "heard_suspended": "satellite navigation is disturbed in this area: claimed positions are not used",
        "heard_lost": "the terminal has lost satellite navigation",
        "heard_inhibited": "the terminal has switched satellite navigation off",
        "heard_used": "the place that radio gives decides",
        "heard_signals": "detectors found: {values}; each is a finding and no verdict",
        "heard_near": "near {city}",
        "heard_beside": "{distance} {direction} of {city}",
        "wind_north": "north",
        "wind_north_east": "north-east",
        "wind_east": "east",
        "wind_south_east": "south-east",
        "wind_south": "south",
        "wind_south_west": "south-west",
        "wind_west": "west",
        "wind_north_west": "north-west",
        # Answers, for the owner of a terminal.
        "owner_serve": "Your terminal is served.",
        "owner_restrict": "Your terminal is served with limits.",
        "owner_review": "Your terminal is served, and a person looks at its case.",
        "owner_deny": "Your terminal is not served here and now.",
        "owner_no_service": "There is no service here.",
        "owner_state_degraded": "The network is degraded; this is a fault and not a decision about you.",
        "owner_state_pending_registration": "A registration is being processed; this is not a denial.",
        "owner_state_never_served": "The network has never served this area; this is not a denial.",
        "owner_why": "Why: {reason}",
        "owner_basis": "Basis: {basis}",
        "owner_message": "Message: {message}",
        "owner_obligations": "What binds you: {obligations}",
        "owner_place_measured": "Where your terminal is follows from what the network measured itself, and not from what the terminal "
        "reports. If that is wrong, say so in an appeal.",
        "owner_place_disturbed": "Satellite navigation is disturbed where your terminal reports to be, so what it reports was not used.",
        "owner_appeal": "Appeal: {appeal}",
        # Emergencies.
        "emergency_permits": "emergency because of {condition}, permits only",
        "emergency_denies": "emergency because of {condition}, denies only",
        "emergency_in_force": "in force from {from_} until {until}, review due by {due}",
        "emergency_basis": "An emergency of the operator's charter: two persons declared it, it is short, and others review it.",
        "emergency_appeal": "Write to the operator: whoever reviews the emergency reads it.",
        "emergency_relief": "when the emergency is over, at {until}: {outcome} by {rule}, {reason}",
        # Appeals.
        "appeal_pending": "it waits for an answer",
        "appeal_proposed": "a change is proposed, and persons of the operator decide about it together",
        "appeal_refused": "the decision stands",
        "appeal_withdrawn": "it was withdrawn",
        "appeal_corrected": "the decision was corrected",
        "appeal_informally_followed": "it was followed without a decision of those who may decide; a review is due",
        "appeal_because": "{what}, because {reason}",
        "appeal_next_check": (
            "Check in the public log that the appeal is there and when an answer is due: decision and salt give what the entry says."
        ),
        "appeal_next_overdue": "Without an answer in time every copy of the log shows it as overdue.",
        "appeal_next_court": (
            "A regulator or a court can ask for the fields of the decision; the operator's review board opens them by a disclosure."
        ),
        "notice_terminal": "Terminal {terminal}",
        "notice_appeal": "Your appeal {appeal}, log entry {entry}",
        "notice_due": "an answer is due by {due}",
        "notice_overdue": "OVERDUE since {due}",
        "notice_opening": "{commitment}: entry {entry}, leaf {leaf}, salt {salt}",
    }
)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one language.

    Attributes:
        language: BCP 47 tag.
        terms: templates by key, with the keys and slots of `ENGLISH_TERMS`.
        reasons: sentence of each reason by code.
    """

    language: str
    terms: Mapping[str, str]
    reasons: Mapping[str, str] = field(repr=False)

    def __call__(self, key: str, **values: str) -> str:
        """Return a line with its values in it.

        Raises:
            KeyError: there is no such line, or it wants a value that is not there.
        """
        template = self.terms[key]
        return template.format_map(values) if values else template

    def term(self, key: str, otherwise: str) -> str:
        """Return a word, or another where there is none."""
        return self.terms.get(key, otherwise)

    def reason(self, code: str) -> str:
        """Return the sentence of a reason; the code itself where nobody knows it."""
        if (said := self.reasons.get(code)) is not None:
            return said
        return CATALOGUE[code].sentence if code in CATALOGUE else code

    def word(self, value: object) -> str:
        """Return a word that a fact has; one that the operator chose stays as it is."""
        return self.terms.get(f"value_{value}", str(value))

    def listed(self, values: Iterable[str], joiner: Literal["or", "and"] = "or") -> str:
        """Join sorted words: `a, b or c`."""
        items = [self.word(each) for each in sorted(values)]
        if len(items) < 2:
            return "".join(items)
        return f"{', '.join(items[:-1])} {self.terms[joiner]} {items[-1]}"

    def number(self, value: float, digits: int) -> str:
        """Write a number as people of the language do, rounded, without zeros at its end."""
        return f"{round(value, digits):.10g}".replace(".", self.terms["decimal"])


ENGLISH: Final = Vocabulary("en", ENGLISH_TERMS, {code: reason.sentence for code, reason in CATALOGUE.items()})
