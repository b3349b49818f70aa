"""From what a board writes down to the exact bytes of a charter.

    persons:   {ada: {keys: [ada.key.pub], unit: network, group: engineering}, …}
    roles:     {policy: {need: 2, of: [ada, bo, cy]}, …}     or the grammar itself, with these short names
    classes:   {routine: {of_persons: 3}, …}                 only what differs from the defaults
    limits:    {…}                                           only what differs
    covered:   {ada: role, owner: {party: party-…, as: owner}}
    substitutes: {policy: [di]}

Short names live in the draft only; the charter holds ids of parties. A person's id is the name of the first key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from groundrule.errors import InputError
from groundrule.govern.charter import DEFAULT_CLASSES, DEFAULT_LIMITS, MAX_LIFE_NS, ROLES, Charter, parse_vkey
from groundrule.govern.signed import format_time, whole_ms

FIELDS: Final = frozenset(
    {"persons", "roles", "classes", "limits", "covered", "substitutes", "issued", "expires"}
)
_PERSON: Final = frozenset({"keys", "unit", "group", "custody", "from", "to"})


def draft_charter(
    draft: Mapping[str, Any],
    *,
    vkey_of: Callable[[str], str],
    now_ns: int,
    version: int = 1,
    policy_digest: str | None = None,
) -> Charter:
    """Make a charter of a draft; nobody has signed it yet.

    Args:
        draft: the document, as above; times as signed objects write them.
        vkey_of: gives the vkey for a name in `keys`, for instance the content of that file.
        now_ns: when it is drafted [ns]; `issued` where the draft does not say.
        version: 1 for the first.
        policy_digest: the policy that version 1 takes over; None for later versions.
    Raises:
        InputError: something is missing or unknown, or a bound or floor is not kept.
    """
    _only(draft, FIELDS, "the draft")
    issued = draft.get("issued") or format_time(whole_ms(now_ns))
    persons = {name: _person(name, _object(each, name), vkey_of, issued) for name, each in _object(draft.get("persons"), "persons").items()}
    party_of = {name: str(value["party"]) for name, value in persons.items()}
    classes = _object(draft.get("classes") or {}, "classes")
    _only(classes, DEFAULT_CLASSES.keys(), "`classes`")
    roles = _object(draft.get("roles"), "roles")
    return Charter.parse(
        {
            "version": version,
            "issued": issued,
            "expires": draft.get("expires") or format_time(whole_ms(now_ns) + MAX_LIFE_NS),
            "policy_digest": policy_digest,
            "persons": list(persons.values()),
            "roles": {name: _role(name, roles.get(name), party_of) for name in ROLES},
            "substitutes": {
                role: [_party(name, party_of) for name in names]
                for role, names in _object(draft.get("substitutes") or {}, "substitutes").items()
            },
            "change_classes": {
                name: default.value | _object(classes.get(name) or {}, name) for name, default in DEFAULT_CLASSES.items()
            },
            "limits": DEFAULT_LIMITS.value | _object(draft.get("limits") or {}, "limits"),
            "covered_persons": _covered(_object(draft.get("covered") or {}, "covered"), party_of),
        }
    )


def _person(name: str, value: Mapping[str, Any], vkey_of: Callable[[str], str], issued: str) -> dict[str, Any]:
    _only(value, _PERSON, f"person `{name}`")
    files = value.get("keys")
    if not isinstance(files, list) or not files:
        raise InputError(f"person `{name}` has no keys", help="keys: [FILE.pub]")
    vkeys = [vkey_of(str(file)) for file in files]
    parties = {parse_vkey(vkey)[0] for vkey in vkeys}
    if len(parties) != 1:
        raise InputError(f"the keys of `{name}` name different persons", help="make the second with: key new --party ID")
    keys = [
        {"vkey": vkey, "from": value.get("from") or issued, "to": value.get("to"), "custody": value.get("custody", "software")}
        for vkey in vkeys
    ]
    return {
        "party": parties.pop(),
        "keys": keys,
        "org_unit": value.get("unit"),
        "independence_group": value.get("group"),
    }


def _role(name: str, value: Any, party_of: Mapping[str, str]) -> str:
    if isinstance(value, str):
        lines = []
        for line in value.splitlines():
            words = line.split()
            # In the draft a person may stand by the short name alone.
            lines.append(f"person {words[1]} {_party(words[1], party_of)}" if words[:1] == ["person"] and len(words) == 2 else line)
        return "\n".join(lines) + "\n"
    if not isinstance(value, Mapping) or value.keys() != {"need", "of"} or not isinstance(value["of"], list):
        raise InputError(f"role `{name}` is not described", help=f"{name}: {{need: 2, of: [ada, bo, cy]}}")
    lines = [f"person {person} {_party(person, party_of)}" for person in value["of"]]
    return "\n".join([*lines, f"group {name} {value['need']} {' '.join(map(str, value['of']))}", f"quorum {name}"]) + "\n"


def _covered(value: Mapping[str, Any], party_of: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for name, each in value.items():
        if isinstance(each, Mapping):
            found.append({"party": each.get("party"), "as": each.get("as")})
        else:
            found.append({"party": _party(name, party_of), "as": each})
    known = {each["party"] for each in found}
    # Whoever holds a role is covered, said or not.
    return found + [{"party": party, "as": "role"} for party in party_of.values() if party not in known]


def _party(name: Any, party_of: Mapping[str, str]) -> str:
    if name not in party_of:
        raise InputError(f"`{name!s:.60}` is no person of the draft", help=f"one of {', '.join(sorted(party_of))}")
    return party_of[name]


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"`{where}` of the draft is missing or no object", help="see the example in docs/governance.md")
    return {str(key): each for key, each in value.items()}


def _only(value: Mapping[str, Any], known: Any, where: str) -> None:
    strange = sorted(set(value) - set(known))
    if strange:
        raise InputError(f"{where} has an unknown field `{strange[0][:40]}`", help=f"known: {', '.join(sorted(known))}")
