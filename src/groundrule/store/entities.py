"""What the registers hold: the kinds of things, their keys and their attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute.

    Attributes:
        form: text, country (ISO 3166-1 alpha-2), tags (text separated by semicolons), float, int, time, address (of a device
            in a network, see `store.addresses`), or digest (64 hex digits).
        choices: the closed set of values, or empty for any.
        low, high: range of a number.
    """

    form: Literal["text", "country", "tags", "float", "int", "time", "address", "digest"] = "text"
    choices: tuple[str, ...] = ()
    low: float = float("-inf")
    high: float = float("inf")


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of thing.

    Attributes:
        kind: name of the register.
        key: name of the key column.
        attributes: by name, in the order of the columns.
        one_of: at least one of these must be given.
        required: these must be given.
        key_form: form of the key: text or address.
        decides: decisions may rest on it.
    """

    kind: str
    key: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    one_of: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    key_form: Literal["text", "address"] = "text"
    decides: bool = True


_TEXT = Attribute()
_COUNTRY = Attribute("country")
_TAGS = Attribute("tags")
_TIME = Attribute("time")
_LAT = Attribute("float", low=-90, high=90)
_LON = Attribute("float", low=-180, high=180)
_QUOTA = Attribute("int", low=-1, high=10**9)

LEGAL_CLASSES = ("individual", "sole_trader", "legal_entity", "critical")
UNLIMITED = -1
DEFAULT_QUOTAS: Mapping[str, int] = {"individual": 1, "sole_trader": 3, "legal_entity": 10, "critical": UNLIMITED}
"""Terminals per holder where a list states nothing else."""

ENTRY_STATES = ("submitted", "pending", "active", "revoked")
NEXT_STATES: Mapping[str, tuple[str, ...]] = {
    "submitted": ("submitted", "pending", "active", "revoked"),
    "pending": ("pending", "active", "revoked"),
    "active": ("active", "revoked"),
    "revoked": ("revoked", "submitted"),
}
"""What the state of a list entry may become; a revoked entry starts again at the beginning."""

IDENTIFIERS = ("terminal_id", "kit_number", "utid", "dish_id", "account_id")

_ENTITIES = (
    Entity(
        "terminals",
        "terminal_id",
        {
            "kit_number": _TEXT,
            "utid": _TEXT,
            "dish_id": _TEXT,
            "account_id": _TEXT,
            "plan": _TEXT,
            "programmes": _TAGS,
            "donor": _TEXT,
            "custodian": _TEXT,
            "protected_class": _TEXT,
            "service_lat_deg": _LAT,
            "service_lon_deg": _LON,
            "activation_country": _COUNTRY,
            "activated_at": _TIME,
            "software_version": _TEXT,
            "registration": Attribute(choices=("registered", "pending", "revoked", "none")),
            "cell_state": Attribute(choices=("enabled", "disabled")),
            "purpose": _TEXT,
        },
    ),
    Entity(
        "accounts",
        "account_id",
        {
            "party_id": _TEXT,
            "country": _COUNTRY,
            "state": Attribute(choices=("active", "suspended", "disabled", "none")),
            "quota": Attribute(choices=("ok", "exceeded", "rate_limited")),
        },
    ),
    Entity(
        "parties",
        "party_id",
        {
            "name": _TEXT,
            "kind": Attribute(choices=("person", "organisation", "state")),
            "legal_class": Attribute(choices=LEGAL_CLASSES),
            "screening": Attribute(choices=("clear", "pending", "listed")),
        },
    ),
    Entity("plans", "plan_id", {"title": _TEXT, "source": _TEXT}),
    Entity("programmes", "programme_id", {"title": _TEXT, "donor": _TEXT, "purpose": _TEXT, "source": _TEXT}),
    Entity(
        "lists",
        "list_id",
        {
            "title": _TEXT,
            "source": _TEXT,
            **{f"quota_{name}": _QUOTA for name in LEGAL_CLASSES},
            "submitters": _TEXT,
        },
    ),
    Entity(
        "list_entries",
        "entry_id",
        {
            "list_id": _TEXT,
            **dict.fromkeys(IDENTIFIERS, _TEXT),
            "state": Attribute(choices=ENTRY_STATES),
            "legal_class": Attribute(choices=LEGAL_CLASSES),
            "holder": _TEXT,
            "sponsor": _TEXT,
            "submitted_at": _TIME,
            "expires_at": _TIME,
        },
        one_of=IDENTIFIERS,
        required=("list_id", "state", "holder"),
    ),
    Entity("addresses", "address", {"terminal_id": _TEXT}, required=("terminal_id",), key_form="address", decides=False),
    # How a holder is reached is personal: only a salted digest, which says that two are the same, and nothing else.
    Entity("account_links", "account_id", {"payer_id": _TEXT, "dealer_id": _TEXT, "contact": Attribute("digest")}, decides=False),
)

ENTITIES: Mapping[str, Entity] = {entity.kind: entity for entity in _ENTITIES}
"""All kinds by name."""
