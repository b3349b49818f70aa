"""What a proposal would change, in plain words, from its own bytes alone: on an approver's machine there is no home."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

import shapely

from groundrule.canon import canonical_json, parse_canonical
from groundrule.errors import GroundruleError, IntegrityError
from groundrule.govern.objects import Change, Impact, Proposal
from groundrule.instant import MAX_NS, format_instant
from groundrule.pipeline.disclosing import order_lines
from groundrule.rules.compare import compare
from groundrule.rules.text import read_rulebook

Lookup = Callable[[str], bytes | None]
"""Content by its SHA-256 [64 hex digits], or None where it was not sent along."""
MAX_LINES: Final = 40
_ORDER: Final = ("serve", "restrict", "review", "deny", "none")


def change_lines(proposal: Proposal, content: Lookup) -> list[str]:
    """Say what each change does.

    Args:
        proposal: its change set.
        content: gives content before and after.
    Raises:
        IntegrityError: content is missing or is not what the change names: nobody signs what cannot be read.
    """
    lines: list[str] = []
    for change in proposal.change_set:
        lines.append(f"{change.op} {change.object}")
        try:
            found = list(_lines(change, content))
        except GroundruleError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"the content of `{change.object}` cannot be read", help="do not sign; tell the author"
            ) from error
        lines += [f"  {line}" for line in found[:MAX_LINES]]
        if len(found) > MAX_LINES:
            lines.append(f"  … and {len(found) - MAX_LINES} lines more; all of it is in the bundle")
    return lines


def impact_lines(impact: Impact) -> list[str]:
    """Say for whom it changes what."""
    lines = []
    for before in sorted(impact.counts, key=_ORDER.index):
        for after in sorted(impact.counts[before], key=_ORDER.index):
            cells = {name: number for name, number in impact.counts[before][after].items() if number}
            if before != after and cells:
                whom = ", ".join(f"{number:,} {name}" for name, number in sorted(cells.items(), key=lambda item: -item[1]))
                lines.append(f"{before} → {after}: {sum(cells.values()):,} terminals ({whom})")
    if not lines:
        lines.append("no terminal of the stored fleet is answered otherwise")
    if impact.protected_changed:
        lines.append(f"PROTECTED: {', '.join(impact.protected_changed[:20])}")
    reach = impact.reach
    for title, names in (
        ("whole countries", reach.countries),
        ("conflict areas", reach.conflict_areas),
        ("sanctions exceptions", reach.sanctions_exceptions),
    ):
        if names:
            lines.append(f"{title}: {', '.join(names[:20])}")
    if reach.wartime_denials:
        lines.append(f"newly denied in a declared war: {reach.wartime_denials:,} terminals")
    if impact.k_suppressed:
        lines.append(f"{len(impact.k_suppressed)} cells are too small to be shown")
    return lines


def _lines(change: Change, content: Lookup) -> Iterator[str]:
    after = _after(change, content)
    before = content(change.before_sha256) if change.before_sha256 else None
    kind = re.split("[:/]", change.object, maxsplit=1)[0]
    if kind == "rulebook":
        yield from _rulebook(before, after)
    elif kind == "record":
        yield from order_lines(change.after)
    elif after is None:
        yield "it is taken away"
    elif kind in ("area", "service"):
        yield from _area(before, parse_canonical(after), with_shape=kind == "area")
    elif kind == "list":
        yield from _batch(parse_canonical(after))
    else:
        yield from (f"{name}: {_shown(value)}" for name, value in sorted(parse_canonical(after).items()))


def _after(change: Change, content: Lookup) -> bytes | None:
    """Content after the change, checked against the digest that is signed."""
    if change.after_sha256 is None:
        return None
    after = change.after
    if isinstance(after, Mapping) and after.keys() == {"sha256", "size", "media_type"}:
        data = content(change.after_sha256)
    else:
        data = canonical_json(after)
    if data is None or sha256(data).hexdigest() != change.after_sha256:
        raise IntegrityError(
            f"the content of `{change.object}` is {'missing' if data is None else 'not what the proposal names'}",
            help="do not sign; ask for the bundle again, by another way",
        )
    return data


def _rulebook(before: bytes | None, after: bytes | None) -> Iterator[str]:
    if after is None:
        return
    new = read_rulebook(after.decode(), file="the proposed rulebook")
    if before is None:
        yield f"a whole rulebook, {new.id} version {new.version}, {len(new.rules)} rules; what it replaces was not sent along"
        return
    old = read_rulebook(before.decode(), file="the present rulebook")
    differences = compare(old, new)
    if not differences:
        yield "nothing that decides: only its text changes"
    for each in differences:
        yield f"{each.kind}: {each.sentence}"


def _area(before: bytes | None, value: Mapping[str, Any], *, with_shape: bool) -> Iterator[str]:
    earlier = {} if before is None else {each["valid_from_ns"]: each for each in parse_canonical(before)["versions"]}
    for version in value["versions"]:
        old = earlier.get(version["valid_from_ns"])
        when = _moment(version["valid_from_ns"])
        if with_shape:
            yield f"version from {when}: {version['name']}, kind {version['kind']}, {_extent(version['geometry'])}"
            if old is not None and old.get("geometry") != version["geometry"]:
                yield f"  its outline changes; before: {_extent(old['geometry'])}"
        for step in version["service_history"]:
            yield f"  service {step['state']} from {_moment(step['from_ns'])} until {_moment(step['until_ns'])}"


def _extent(geometry: str) -> str:
    west, south, east, north = shapely.from_wkb(bytes.fromhex(geometry)).bounds
    return f"between {south:.3f}° and {north:.3f}° north, {west:.3f}° and {east:.3f}° east"


def _batch(value: Mapping[str, Any]) -> Iterator[str]:
    if value["list"]:
        yield f"the list itself: {_shown(value['list'])}"
    added = Counter((str(each.get("state")), str(each.get("legal_class") or "no legal class")) for each in value["add"])
    for (state, legal_class), number in sorted(added.items()):
        yield f"{number:,} entries {state}, {legal_class}"
    for each in value["add"]:
        names = ", ".join(f"{name} {each[name]}" for name in sorted(each) if name not in ("state", "legal_class") and each[name])
        yield f"  {each.get('state')}: {names}"
    if (cascade := value.get("cascade")) is not None:
        yield f"what hangs on {cascade['of']} goes to review, and lapses on {_moment(cascade['due_ns'])} unless it is stated again:"
        yield f"  {len(cascade['entries']):,} entries: {', '.join(map(str, cascade['entries'][:20]))}"
        yield f"  {len(cascade['spared']):,} spared as coerced: {', '.join(map(str, cascade['spared'][:20]))}"
    yield "submitted by a body that signed it" if value.get("signed") else "signed by no submitting body"
    if value["remove"]:
        yield f"{len(value['remove']):,} entries revoked: {', '.join(map(str, value['remove'][:20]))}"


def _moment(text: str) -> str:
    instant = int(text)
    if instant == MAX_NS:
        return "without end"
    return format_instant(instant) if instant > -(2**62) else "ever"


def _shown(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items() if v is not None) if isinstance(value, Mapping) else str(value)
