"""The JSON Schema of the rulebook language, generated from the tables that the reader itself uses.

Editors use it to complete and check while somebody types; `read_rulebook` checks more (names that must exist, order of
times, doubts that are too strict) and is the judge. Regenerate the published file with
`python -m groundrule.rules.schema`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from groundrule import reasons
from groundrule.records import OUTCOME_WORDS, POSITION_SOURCES, ServiceState
from groundrule.rules import attributes, canonical, conditions, text
from groundrule.rules.model import RADIO_REASONS

SCHEMA_FILE = Path(__file__).with_name("rulebook.schema.json")
NUMBER: dict[str, Any] = {"type": ["number", "string"], "pattern": r"^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$"}
"""Numbers may be quoted: every scalar is text to the reader."""
FLAG: dict[str, Any] = {"enum": [True, False, "true", "false"]}
TEXT: dict[str, Any] = {"type": ["string", "number"], "minLength": 1}


def rulebook_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a rulebook."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Groundrule rulebook",
        **_closed(_book_keys(), text.BOOK_REQUIRED),
        "$defs": {
            "outcome": {"enum": list(OUTCOME_WORDS)},
            "reason": {"enum": list(reasons.RULE_REASONS)},
            "country": {"enum": sorted(attributes.COUNTRIES)},
            "selector": _selector(),
            "place": _place(),
            "condition": _condition(),
            "limits": _closed(dict.fromkeys(conditions.NUMBER_KEYS, NUMBER), (), minProperties=1),
            "rule": _closed(_rule_keys(), text.RULE_REQUIRED),
        },
    }


def schema_text() -> str:
    """Return the published text of the schema."""
    return json.dumps(rulebook_schema(), indent=1, ensure_ascii=False) + "\n"


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _closed(properties: dict[str, Any], required: tuple[str, ...], **more: Any) -> dict[str, Any]:
    shape = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return {**shape, "required": list(required)} if required else shape


def _named(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def _some(item: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def _book_keys() -> dict[str, Any]:
    country_list = _some(_ref("country"))
    landing = {
        "status": {"enum": list(conditions.LANDING_STATUSES)},
        "source": TEXT,
        "date": TEXT,
        "illustrative": FLAG,
    }
    claim = {
        "countries": country_list,
        "counts_as": country_list,
        "relation": {"enum": ["dispute", "territory"]},
        "source": TEXT,
        "note": TEXT,
    }
    guarantee = {
        "id": TEXT,
        "title": TEXT,
        "when": _ref("condition"),
        "never": _ref("outcome"),
        "except_reasons": _some(_ref("reason")),
    }
    assumptions: dict[str, Any] = dict.fromkeys(canonical.NUMBERS_ASSUMED, NUMBER)
    assumptions["position_sigma_m"] = _closed(dict.fromkeys(POSITION_SOURCES, NUMBER), ())
    used = {"use_when": _some({"enum": list(RADIO_REASONS)}), "max_age_s": NUMBER, "hold_inconsistent_s": NUMBER}
    assumptions["radio_position"] = _closed(used, ("use_when",))
    default = {"outcome": _ref("outcome"), "reason": _ref("reason")}
    return {
        "rulebook": {"type": "string", "pattern": f"^{text.ID}$"},
        "version": NUMBER,
        "title": TEXT,
        "operator": TEXT,
        "notice": TEXT,
        "supersedes": TEXT,
        "default": _closed(default, ("outcome", "reason")),
        "precedence": {"type": "array", "items": TEXT, "minItems": 1},
        "assumptions": _closed(assumptions, ()),
        "detection": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": NUMBER}},
        "claims": {"type": "array", "items": _closed(claim, ("countries", "counts_as", "relation"))},
        "landing_rights": {
            "type": "object",
            "propertyNames": _ref("country"),
            "additionalProperties": _closed(landing, ("status",)),
        },
        "counters": _named(_closed({"while": _ref("condition")}, ("while",))),
        "guarantees": {"type": "array", "items": _closed(guarantee, ("id", "title", "when", "never"))},
        "rules": {"anyOf": [{"const": "none"}, {"type": "array", "items": _ref("rule"), "minItems": 1}]},
    }


def _rule_keys() -> dict[str, Any]:
    authority = {**dict.fromkeys(text.AUTHORITY_KEYS, TEXT), "illustrative": FLAG}
    return {
        "id": {"type": "string", "pattern": f"^{text.ID}$"},
        "title": TEXT,
        "tier": TEXT,
        "outcome": _ref("outcome"),
        "reason": _ref("reason"),
        "authority": _closed(authority, ("basis",)),
        "where": _ref("place"),
        "who": _ref("condition"),
        "what": _ref("condition"),
        "unless": {"type": "array", "items": _ref("condition")},
        "state": {"enum": [state.value for state in ServiceState]},
        "edge": _ref("outcome"),
        "unknown": _named(_ref("outcome")),
        "stale": _ref("outcome"),
        "obligations": _named(TEXT),
        "effective": _closed({"from": TEXT, "until": TEXT, "expires": TEXT}, ()),
        "emergency": FLAG,
        "review_by": TEXT,
        "message": {
            "type": "object",
            "propertyNames": {"pattern": f"^{text.LANGUAGE}$"},
            "additionalProperties": TEXT,
        },
        "appeal": TEXT,
        "notes": TEXT,
        "retry": _closed({"wait_s": NUMBER, "move_m": NUMBER}, ()),
    }


def _selector() -> dict[str, Any]:
    plain = "|".join(conditions.PLAIN_SELECTORS)
    statuses, states = "|".join(conditions.LANDING_STATUSES), "|".join(conditions.SERVICE_STATES)
    pattern = (
        rf"^({plain}|sea:\*|(country|land|sea):[A-Z]{{2}}|(area|kind|tag):\S+|landing:({statuses})|service:({states}))$"
    )
    return {"type": "string", "pattern": pattern}


def _place() -> dict[str, Any]:
    inside = {"enum": ["inside", "outside"]}
    keys: dict[str, Any] = {key: _some(_ref("place")) for key in conditions.GROUP_KEYS}
    keys["buffer_m"] = NUMBER
    keys.update(dict.fromkeys(conditions.RELATION_KEYS, inside))
    return {"anyOf": [_ref("selector"), _closed(keys, (), minProperties=1)]}


def _condition() -> dict[str, Any]:
    keys: dict[str, Any] = {}
    versions = _closed(dict.fromkeys(attributes.RELATIONS, TEXT), (), minProperties=1)
    for key, (attribute, _) in attributes.KEY_OF.items():
        if attribute.kind == "number":
            keys[key] = _ref("limits")
        elif attribute.kind == "version":
            keys[key] = versions
        elif attribute.kind == "country":
            keys[key] = _some(_ref("country"))
        else:
            keys[key] = _some({"enum": list(attribute.vocabulary)} if attribute.vocabulary else TEXT)
    states = _some({"enum": list(attributes.LIST_STATES)})
    entry = _closed({"id": TEXT, "state": states}, ("id",))
    keys["where"] = _ref("place")
    keys["list"] = {"anyOf": [_some(TEXT), entry]}
    keys["stay"] = _named(_closed(dict.fromkeys(attributes.MEASURES, _ref("limits")), (), minProperties=1))
    keys.update({key: {"enum": ["inside", "outside"]} for key in conditions.RELATION_KEYS})
    keys["any"] = keys["all"] = {"type": "array", "items": _ref("condition"), "minItems": 1}
    keys["not"] = _ref("condition")
    return _closed(keys, (), minProperties=1)


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
