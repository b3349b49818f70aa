"""What a proposal changes: the objects that can be changed, the content a change brings, and what would come out.

    rulebook          replace            the text of a rulebook (YAML)
    area/ID           create, replace, delete    all versions of an area that the home imported
    service/ID        replace            service history and requests of such an area, without its geometry
    list/ID           create, replace    a batch: entries to add or to move to another state, entries to remove
    programme/ID      create, replace    title, donor, purpose and source
    waiver/ID         create, delete     one entry of a list, with its end

Content lies under its SHA-256 in `governance/objects`; a change names it. `before_sha256` names the object as it is, so a
change drafted on an older state is stale. `plan` works everything out in memory and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import shapely

from groundrule.areas.model import Area, AreaSet, ServiceInterval, ServiceRequest
from groundrule.areas.world import load_world
from groundrule.canon import canonical_json, parse_canonical
from groundrule.errors import ConflictError, GroundruleError, InputError
from groundrule.govern.objects import Change
from groundrule.govern.refusal import refuse
from groundrule.instant import MAX_NS, MIN_NS
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.list_batches import Write, batch_writes, list_before, programme_write, waiver_writes
from groundrule.rules.model import Rulebook
from groundrule.rules.text import read_rulebook
from groundrule.store.area_store import current_areas_digest, load_areas
from groundrule.store.home import Home
from groundrule.store.policy import get_object, put_object
from groundrule.store.registers import Registers

OPERATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "rulebook": ("replace",),
    "area": ("create", "replace", "delete"),
    "service": ("replace",),
    "list": ("create", "replace"),
    "programme": ("create", "replace"),
    "waiver": ("create", "delete"),
}
_REFERENCE = frozenset({"sha256", "size", "media_type"})
YAML: Final = "application/yaml"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be in force.

    Attributes:
        rulebook: the rulebook, with its text.
        areas: all areas.
        imported: those of them that are not of the shipped world.
        world: whether the shipped world is among them.
        writes: what the registers are to state, in order.
        objects: per change, object and digest after it; None where it is deleted.
        touched_areas: ids of areas that change.
    """

    rulebook: Rulebook
    areas: AreaSet
    imported: tuple[Area, ...]
    world: bool
    writes: tuple[Write, ...] = ()
    objects: tuple[tuple[str, str | None], ...] = ()
    touched_areas: frozenset[str] = field(default_factory=frozenset)


def split(name: str) -> tuple[str, str]:
    """Return kind and id of an object; `rulebook` has no id.

    Raises:
        ConflictError: there is no such kind of object.
    """
    kind, _, rest = name.partition("/")
    if kind not in OPERATIONS or (rest == "") != (kind == "rulebook"):
        raise refuse(
            "object_unknown",
            f"`{name[:80]}` cannot be changed by a proposal",
            help=f"name one of {', '.join(k if k == 'rulebook' else f'{k}/ID' for k in OPERATIONS)}; a charter is rotated",
            object=name[:200],
        )
    return kind, rest


def content_of(home: Home, change: Change) -> bytes:
    """Return the content that a change brings, checked against its digest.

    Raises:
        ConflictError: it is not what the change names. StoreError: it is not in the home.
    """
    after = change.after
    if isinstance(after, Mapping) and after.keys() == _REFERENCE:
        data = get_object(home, str(after["sha256"]))
        if len(data) != after["size"]:
            raise refuse("content_differs", f"the content of `{change.object}` has {len(data)} bytes", object=change.object)
    else:
        data = canonical_json(after)
    if sha256(data).hexdigest() != change.after_sha256:
        raise refuse(
            "content_differs", f"the content of `{change.object}` is not what the change names", object=change.object
        )
    return data


def reference(home: Home, data: bytes, media_type: str = JSON) -> dict[str, Any]:
    """Keep content in the home and return the reference that a change carries as `after`."""
    return {"sha256": put_object(home, data), "size": len(data), "media_type": media_type}


def draft(home: Home, op: str, name: str, data: bytes | None, *, media_type: str | None = None) -> dict[str, Any]:
    """Return a change against what is in force now, its content kept in the home.

    Args:
        op: create, replace or delete.
        name: the object, for instance `rulebook` or `list/pass`.
        data: the content; None for `delete`.
        media_type: of the content; by the object if None.
    """
    kind, _ = split(name)
    after = None
    if data is not None:
        after = reference(home, data, media_type or (YAML if kind == "rulebook" else JSON))
    with Registers.open(home) as registers:
        before = before_of(home, registers, name)
    if (present := before_bytes(home, name)) is not None:
        put_object(home, present)  # so that an approver can be shown what the change is compared with
    return {
        "op": op,
        "object": name,
        "before_sha256": before,
        "after": after,
        "after_sha256": None if after is None else after["sha256"],
    }


def before_bytes(home: Home, name: str) -> bytes | None:
    """Return the content of a rulebook or area as it is, for people who compare; None for other objects."""
    kind, key = split(name)
    if kind == "rulebook":
        return rulebook_of(home).text.encode()
    if kind not in ("area", "service"):
        return None
    versions = tuple(area for area in load_areas(home)[1] if area.id == key)
    if not versions:
        return None
    return area_content(versions) if kind == "area" else service_content(versions)


def before_of(home: Home, registers: Registers, name: str) -> str | None:
    """Return the digest of an object as it is [64 hex digits], or None where there is none."""
    kind, key = split(name)
    if kind in ("rulebook", "area", "service"):
        data = before_bytes(home, name)
        return None if data is None else sha256(data).hexdigest()
    return list_before(registers, kind, key)


def plan(home: Home, changes: Sequence[Change], *, at_ns: int, until_ns: int | None = None) -> Plan:
    """Work out what a change set leads to; nothing is written.

    Args:
        changes: applied in order; each object at most once.
        at_ns: from when lists and programmes state it [ns, UTC].
        until_ns: until when [ns, UTC]; None is without end.
    Raises:
        ConflictError: a change does not apply to what is in force; the context's `refusal` says why.
        InputError: a content cannot be used.
    """
    whole, imported = _areas_of(home, current_areas_digest(home))
    made = Plan(rulebook_of(home), whole, imported, len(whole.areas) != len(imported))
    if len({change.object for change in changes}) != len(changes):
        raise refuse("object_twice", "a change set changes one object twice", help="put both changes into one")
    if not changes:
        raise refuse("nothing_changes", "the change set is empty", help="name at least one change")
    with Registers.open(home) as registers:
        for change in changes:
            if change.op == "disclose":
                # It opens fields of records, which are no policy; nothing that decides changes.
                made = replace(made, objects=(*made.objects, (change.object, None)))
                continue
            kind, _ = split(change.object)
            if change.op not in OPERATIONS[kind]:
                raise refuse(
                    "operation_unknown",
                    f"`{change.op}` is no operation on `{change.object[:80]}`",
                    help=f"one of {', '.join(OPERATIONS[kind])}",
                    object=change.object,
                )
            present = (
                sha256(made.rulebook.text.encode()).hexdigest()
                if kind == "rulebook"
                else before_of(home, registers, change.object)
            )
            _check_before(change, present)
            if until_ns is not None and kind in ("rulebook", "area", "service"):
                raise refuse(
                    "end_not_possible",
                    f"`{change.object[:80]}` cannot end by itself",
                    help="write the end into its rules or versions, and leave `effective.until` null",
                    object=change.object,
                )
            made = _apply(home, registers, made, change, at_ns=at_ns, until_ns=until_ns)
    return made


@lru_cache(maxsize=2)
def _areas_of(home: Home, digest: str) -> tuple[AreaSet, tuple[Area, ...]]:
    """Area sets never change under their digest; reading one takes long enough to matter to a preview."""
    return load_areas(home, digest)


def _check_before(change: Change, found: str | None) -> None:
    if change.before_sha256 != found:
        raise refuse(
            "stale_object",
            f"`{change.object[:80]}` is no longer what the change was drafted on"
            if found and change.before_sha256
            else f"`{change.object[:80]}` {'exists already' if found else 'does not exist'}",
            help="draft the change again on what is in force",
            object=change.object,
            found=found,
        )
    if (change.op == "create") != (found is None):
        raise refuse("stale_object", f"`{change.object[:80]}` cannot be `{change.op}`d", object=change.object)


def _apply(home: Home, registers: Registers, made: Plan, change: Change, *, at_ns: int, until_ns: int | None) -> Plan:
    kind, key = split(change.object)
    data = None if change.op == "delete" else content_of(home, change)
    objects = (*made.objects, (change.object, change.after_sha256))
    if kind == "rulebook":
        assert data is not None
        return replace(made, rulebook=_rulebook(data), objects=objects)
    if kind in ("area", "service"):
        versions = () if data is None else _versions(kind, key, data, made.imported)
        if kind == "area" and made.world and key in {area.id for area in load_world().areas}:
            raise refuse("area_shipped", f"`{key}` is an area of the shipped world", help="give yours another id")
        kept = (*(area for area in made.imported if area.id != key), *versions)
        whole = AreaSet((*load_world().areas, *kept)) if made.world else AreaSet(kept)
        return replace(made, areas=whole, imported=kept, objects=objects, touched_areas=made.touched_areas | {key})
    writes = list_writes(home, registers, change, made.writes, at_ns=at_ns, until_ns=until_ns)
    return replace(made, writes=(*made.writes, *writes), objects=objects)


def list_writes(
    home: Home, registers: Registers, change: Change, before: tuple[Write, ...], *, at_ns: int, until_ns: int | None
) -> tuple[Write, ...]:
    """Return what a change of a list, a programme or a waiver states, beside what the same change set states before it."""
    kind, key = split(change.object)
    data = None if change.op == "delete" else content_of(home, change)
    try:
        if kind == "list":
            return batch_writes(registers, key, _json(data, change.object), change.op, at_ns, until_ns, before)
        if kind == "programme":
            return (programme_write(key, _json(data, change.object), at_ns, until_ns),)
        value = None if data is None else _json(data, change.object)
        return waiver_writes(registers, key, value, at_ns, until_ns, before)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, GroundruleError):
            raise
        raise InputError(f"the content of `{change.object[:80]}` is not what it must be", object=change.object) from error


def _rulebook(data: bytes) -> Rulebook:
    try:
        return read_rulebook(data.decode(), file="the proposed rulebook")
    except UnicodeDecodeError as error:
        raise InputError("the proposed rulebook is not UTF-8", help="write it as UTF-8 text") from error


def _json(data: bytes | None, name: str) -> dict[str, Any]:
    value = None if data is None else parse_canonical(data)
    if not isinstance(value, dict):
        raise InputError(f"the content of `{name[:80]}` is no object", help="give a JSON object")
    return value


# --- areas --------------------------------------------------------------------------------------------------------------


def area_content(versions: Sequence[Area]) -> bytes:
    """Return the content of an area: all its versions, canonically."""
    ordered = sorted(versions, key=lambda area: area.valid_from_ns)
    return canonical_json({"v": 1, "versions": [_area_value(area) for area in ordered]})


def service_content(versions: Sequence[Area]) -> bytes:
    """Return the service history of an area, by version."""
    ordered = sorted(versions, key=lambda area: area.valid_from_ns)
    return canonical_json({"v": 1, "versions": [_service_value(area) for area in ordered]})


def _area_value(area: Area) -> dict[str, Any]:
    return {
        "id": area.id,
        "kind": area.kind,
        "name": area.name,
        "country": area.country,
        "tags": list(area.tags),
        "source": area.source,
        "licence": area.licence,
        "point_of_view": area.point_of_view,
        "valid_until_ns": str(area.valid_until_ns),
        "properties": [list(pair) for pair in area.properties],
        "geometry": shapely.to_wkb(area.geometry, hex=True),
        **_service_value(area),
    }


def _service_value(area: Area) -> dict[str, Any]:
    return {
        "valid_from_ns": str(area.valid_from_ns),
        "service_history": [
            {"state": s.state, "from_ns": str(s.from_ns), "until_ns": str(s.until_ns), "source": s.source}
            for s in area.service_history
        ],
        "service_requests": [
            {"at_ns": str(r.at_ns), "asked": r.asked, "answer": r.answer, "source": r.source, "note": r.note}
            for r in area.service_requests
        ],
    }


def _versions(kind: str, key: str, data: bytes, imported: Sequence[Area]) -> tuple[Area, ...]:
    try:
        given = parse_canonical(data)["versions"]
        if kind == "service":
            present = sorted((area for area in imported if area.id == key), key=lambda area: area.valid_from_ns)
            if [str(area.valid_from_ns) for area in present] != [each["valid_from_ns"] for each in given]:
                raise refuse("versions_differ", f"the service history does not name the versions of `{key}`")
            return tuple(replace(area, **_service(each)) for area, each in zip(present, given, strict=True))
        made = tuple(
            Area(
                **{name: each[name] for name in ("id", "kind", "name", "country", "source", "licence", "point_of_view")},
                geometry=shapely.from_wkb(bytes.fromhex(each["geometry"])),
                tags=tuple(each["tags"]),
                valid_from_ns=_instant(each["valid_from_ns"]),
                valid_until_ns=_instant(each["valid_until_ns"]),
                properties=tuple((str(a), str(b)) for a, b in each["properties"]),
                **_service(each),
            )
            for each in given
        )
    except (KeyError, TypeError, ValueError, shapely.errors.ShapelyError) as error:
        if isinstance(error, GroundruleError):
            raise
        raise InputError(f"the content of area `{key[:80]}` is not what it must be", area=key) from error
    if not made or any(area.id != key for area in made):
        raise InputError(f"the content of `area/{key[:80]}` holds another area or none", help="one id, at least one version")
    # What is written again must be what was read, or one area would have two digests.
    if area_content(made) != data:
        raise InputError(f"the content of `area/{key[:80]}` is not in canonical form", help="write it with `area_content`")
    return made


def _service(each: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "service_history": tuple(
            ServiceInterval(s["state"], _instant(s["from_ns"]), _instant(s["until_ns"]), str(s["source"]))
            for s in each["service_history"]
        ),
        "service_requests": tuple(
            ServiceRequest(_instant(r["at_ns"]), r["asked"], r["answer"], str(r["source"]), r["note"])
            for r in each["service_requests"]
        ),
    }


def _instant(text: str) -> int:
    value = int(text)
    if not MIN_NS <= value <= MAX_NS or str(value) != text:
        raise ConflictError(f"`{text[:40]}` is no instant in ns", refusal="time_unreadable")
    return value


def describe(changes: Sequence[Change]) -> str:
    """Return one line about a change set, for people: operations and objects, no content."""
    return json.dumps([f"{change.op} {change.object}" for change in changes])[1:-1].replace('"', "")
