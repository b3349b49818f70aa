"""The vocabulary of conditions: which facts a rule may test, how each is written and what its unit is.

One table for the reader, the JSON Schema, the compiler, explanations and the documentation, so that they
cannot differ. Every fact has one *attribute* name (used in evidence and in the model) and one or more *keys*
(used in YAML).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from groundrule.records import GNSS_STATES, POSITION_SOURCES, Outcome
from groundrule.rules.evidence import Profile
from groundrule.rules.model import Compare, Condition, In, Latch, ListIn, Relation, Rule, Where

Kind = Literal["word", "country", "number", "version"]
Source = Literal["who", "category", "number"]
ONE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One fact that a condition may test.

    Attributes:
        name: attribute name in evidence and model.
        source: where the evidence keeps it: profile, category column or number column.
        kind: word (text from a vocabulary), country, number, version.
        sentence: what it is, for the documentation.
        field: field of `evidence.Profile`, for source `who`.
        vocabulary: the closed set of words, or empty if the operator chooses the words.
        keys: YAML key to the exact factor that turns the written number into the base unit.
        unit: base unit of a number.
        set_valued: the fact is a set; a test asks whether the set contains a word.
    """

    name: str
    source: Source
    kind: Kind
    sentence: str
    field: str = ""
    vocabulary: tuple[str, ...] = ()
    keys: tuple[tuple[str, Fraction], ...] = ()
    unit: str = ""
    set_valued: bool = False


def _word(name: str, field: str, sentence: str, *vocabulary: str, set_valued: bool = False) -> Attribute:
    return Attribute(name, "who", "word", sentence, field, vocabulary, ((name, ONE),), set_valued=set_valued)


def _category(name: str, sentence: str, *vocabulary: str, set_valued: bool = False) -> Attribute:
    return Attribute(name, "category", "word", sentence, "", vocabulary, ((name, ONE),), set_valued=set_valued)


def _number(name: str, unit: str, sentence: str, *keys: tuple[str, Fraction]) -> Attribute:
    return Attribute(name, "number", "number", sentence, "", (), keys, unit)


ATTRIBUTES: dict[str, Attribute] = {
    attribute.name: attribute
    for attribute in (
        _word("plan", "plan", "The plan of the service line."),
        _word("account", "account_state", "State of the account.", "active", "suspended", "disabled", "none"),
        Attribute(
            "account_country",
            "who",
            "country",
            "The account's home country.",
            "account_country",
            keys=(("account_country", ONE),),
        ),
        Attribute(
            "activation_country",
            "who",
            "country",
            "Country of first activation.",
            "activation_country",
            keys=(("activation_country", ONE),),
        ),
        _word(
            "registration",
            "registration",
            "State of the terminal's registration.",
            "registered",
            "pending",
            "revoked",
            "none",
        ),
        _word("programme", "programmes", "Programme tags of the terminal.", set_valued=True),
        _word("class", "protected_class", "Protected class; `any` is every class but `none`."),
        _word("quota", "quota", "State of the data allowance.", "ok", "exceeded", "rate_limited"),
        _word("screening", "screening", "State of sanctions screening.", "clear", "pending", "listed"),
        _word("cell_state", "cell_state", "State of the network cell.", "enabled", "disabled"),
        _word("purpose", "purpose", "Purpose that the terminal was registered for."),
        Attribute(
            "software",
            "who",
            "version",
            "Software version, compared by its first three numbers.",
            "software_version",
            keys=(("software", ONE),),
        ),
        _category("position_source", "Where the position comes from.", *POSITION_SOURCES),
        _category(
            "verdict",
            "Verdict of position verification.",
            "consistent",
            "inconsistent",
            "ambiguous",
            "insufficient",
            "fault",
        ),
        _category(
            "assurance",
            "The strongest attacker against whom the verdict stands.",
            "a0",
            "a1",
            "a2",
            "beam_only",
            "none",
        ),
        _category("gnss", "How the terminal's satellite navigation fares.", *GNSS_STATES),
        # No closed set: a rulebook stays readable when a detector gets another name. `rules check` tells words that nobody raises.
        _category("signals", "Signals that detectors raised.", set_valued=True),
        _number(
            "signal_causes",
            "",
            "Independent causes among the signals that detectors raised.",
            ("independent_signals", ONE),
        ),
        _category("motion", "Whether the terminal moves.", "still", "moving"),
        _number(
            "speed_m_s",
            "m/s",
            "Speed over ground.",
            ("speed_km_h", Fraction(10, 36)),
            ("speed_m_s", ONE),
        ),
        _number("alt_m", "m", "Altitude.", ("altitude_m", ONE)),
        _number("position_sigma_m", "m", "Standard deviation of the position.", ("position_sigma_m", ONE)),
        _number("position_age_s", "s", "Age of the position.", ("position_age_s", ONE)),
        _number(
            "distance_from_service_address_m",
            "m",
            "Distance from the service address.",
            ("distance_from_service_address_km", Fraction(1000)),
            ("distance_from_service_address_m", ONE),
        ),
        _number(
            "verified_distance_m",
            "m",
            "Distance from the claimed position to where radio measurements place the terminal.",
            ("verified_distance_km", Fraction(1000)),
            ("verified_distance_m", ONE),
        ),
    )
}
"""All attributes by name, except the stay counters, whose names a rulebook declares."""

MEASURES = ("elapsed_days", "consecutive_days", "days_in_year")
"""What is kept per stay counter."""

LIST_STATES = ("submitted", "pending", "active", "revoked", "over_quota", "expired", "none")
"""States of a list entry; `none` stands for no entry."""

RELATIONS = ("above", "at_least", "below", "at_most")

KEY_OF: dict[str, tuple[Attribute, Fraction]] = {
    key: (attribute, factor) for attribute in ATTRIBUTES.values() for key, factor in attribute.keys
}
"""YAML key to attribute and factor."""

DOUBT_ALIASES: dict[str, str] = {
    **{key: attribute.name for key, (attribute, _) in KEY_OF.items()},
    **{name: name for name in ATTRIBUTES},
    "speed": "speed_m_s",
    "altitude": "alt_m",
    "position_sigma": "position_sigma_m",
    "position_age": "position_age_s",
    "distance_from_service_address": "distance_from_service_address_m",
    "verified_distance": "verified_distance_m",
    "home_country": "account_country",
    "activation": "activation_country",
    "list": "list",
    "stay": "stay",
    "position": "position",
    "*": "*",
}
"""Words accepted under `unknown:` and the attribute each means."""

WHO_NAMES = (*(a.name for a in ATTRIBUTES.values() if a.source == "who"), "list")
"""Attributes that come from the register, in the order of the engine's columns."""

_VERSION = re.compile(r"(\d{1,8})\.(\d{1,4})(?:\.(\d{1,4}))?(?![0-9])")


def version_number(text: str) -> float | None:
    """Return the first three numbers of a software version as one comparable number.

    Args:
        text: for instance `2026.06.12.mr81164`.
    Returns:
        year·10⁸ + month·10⁴ + day for such a version; None if the text does not begin with two or three
        numbers.
    Example:
        >>> version_number("2026.06.12.mr81164")
        202600060012.0
    """
    match = _VERSION.match(text.strip())
    if match is None:
        return None
    first, second, third = match.groups()
    return float(int(first) * 10**8 + int(second) * 10**4 + int(third or 0))


def version_text(number: float) -> str:
    """Write the number of `version_number` as a version again.

    Example:
        >>> version_text(202600060012.0)
        '2026.06.12'
    """
    whole = int(number)
    return f"{whole // 10**8}.{whole // 10**4 % 10**4:02d}.{whole % 10**4:02d}"


def profile_value(profile: Profile | None, name: str) -> object:
    """Return what the register says about one `who` attribute.

    Args:
        profile: None for a terminal that is not registered: then everything is unknown but `registration`,
        which is
            `none`.
        name: one of `WHO_NAMES`.
    Returns:
        A word, a tuple of words (`programme`), the pairs of lists (`list`), or None for unknown.
    """
    if profile is None:
        return "none" if name == "registration" else None
    if name == "list":
        return profile.lists
    return getattr(profile, ATTRIBUTES[name].field)


def attribute_of(leaf: Condition) -> str:
    """Return the attribute that a leaf of a condition depends on; `position` for places."""
    if isinstance(leaf, In | Compare | Latch):
        return leaf.attribute
    if isinstance(leaf, ListIn):
        return "list"
    if isinstance(leaf, Relation):
        return "account_country" if leaf.of == "home_country" else "activation_country"
    if isinstance(leaf, Where):
        return "position"
    raise TypeError(f"`{type(leaf).__name__}` is not a leaf")


def unknown_outcome(rule: Rule, attribute: str) -> Outcome:
    """Return what a rule does while an attribute is unknown.

    The rule's own word for the attribute counts, then its word for the counter or for `stay`, then for `*`,
    then review; never stricter than the rule.

    Args:
        rule: the rule.
        attribute: attribute name, `list`, `position` or `stay.<counter>.<measure>`.
    """
    stated = dict(rule.unknown)
    names = (attribute, attribute.rpartition(".")[0], attribute.partition(".")[0], "*")
    found = next((stated[name] for name in names if name in stated), Outcome.REVIEW)
    return min(found, rule.outcome)


def edge_outcome(rule: Rule) -> Outcome:
    """Return what a rule does while the position is on an edge; never stricter than the rule."""
    return min(rule.edge, rule.outcome)


def stale_outcome(rule: Rule) -> Outcome:
    """Return what a rule does while the position is stale; never stricter than the rule."""
    return min(rule.stale, rule.outcome)


COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW
    BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES
    ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID
    IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU
    LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO
    NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI
    SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US
    UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW""".split()  # noqa: SIM905 - a table that a person can check
)
"""ISO 3166-1 alpha-2, and XK as in use for Kosovo."""
