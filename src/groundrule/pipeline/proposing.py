"""From what an author writes down, and files, to a proposal: what can be computed is computed and never asked for.

    author: party-…                  rationale: why            reversal_plan: how it is undone
    requests: [request-…]            beneficiaries: [party-…]   effective: {from: …, until: …}
    class: critical                  only to raise it          licence, supersedes, expires: where there is one

The class, the base, the impact, the screenings and the contacts in scope follow from the log and the home.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from groundrule.areas.importing import read_areas
from groundrule.areas.model import Area
from groundrule.canon import canonical_json
from groundrule.errors import InputError
from groundrule.govern.contacts import concerned, in_scope, is_private
from groundrule.govern.logged import LoggedProposal
from groundrule.govern.objects import Change, Impact, Interval, Proposal
from groundrule.govern.quorum import required_class, subjects
from groundrule.govern.refusal import refuse
from groundrule.govern.signed import format_time, whole_ms
from groundrule.govern.state import State
from groundrule.pipeline.changes import area_content, content_of, draft
from groundrule.pipeline.intake import check_fields
from groundrule.store.area_store import load_areas
from groundrule.store.home import Home
from groundrule.store.policy import get_object, objects_folder

FIELDS: Final = frozenset(
    {
        "author", "rationale", "reversal_plan", "requests", "beneficiaries", "effective", "class", "licence", "supersedes",
        "expires",
    }
)  # fmt: skip
LADDER: Final = ("routine", "sensitive", "critical")
_BATCH: Final = ("list", "add", "remove", "signed", "cascade")


def draft_changes(
    home: Home, wanted: Sequence[str], *, deleted: Sequence[str], read: Callable[[Path], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Make a change set of files, against what is in force now; contents are kept in the home.

    Args:
        wanted: `rulebook=FILE`, `area=FILE` (every area of a GeoJSON or like file), `area/ID=FILE`, `list/ID=FILE`,
            `programme/ID=FILE` or `waiver/ID=FILE`; a file of the last three is YAML or JSON.
        deleted: objects to be taken away.
        read: reads a YAML or JSON document.
    Raises:
        InputError: a change cannot be understood. ConflictError: it does not apply.
    """
    made = []
    for each in wanted:
        name, equals, file = each.partition("=")
        if not equals or not file:
            raise InputError(f"the change `{each[:80]}` names no file", help="write OBJECT=FILE, for instance rulebook=rules.yaml")
        made += _drafted(home, name, Path(file), read)
    made += [draft(home, "delete", name, None) for name in deleted]
    if not made:
        raise InputError("nothing would change", help="give --change OBJECT=FILE or --delete OBJECT")
    return made


def _drafted(
    home: Home, name: str, file: Path, read: Callable[[Path], dict[str, Any]]
) -> list[dict[str, Any]]:
    kind, _, key = name.partition("/")
    if kind == "rulebook":
        return [draft(home, "replace", "rulebook", file.read_bytes())]
    if kind == "area":
        return _areas(home, key, file)
    value = read(file)
    if kind in ("list", "waiver"):
        if kind == "list":
            check_fields(value, frozenset(_BATCH), f"the batch `{file}`")
            value = {"list": None, "add": [], "remove": [], **value, "v": 1}
        value = {**value, "salt": os.urandom(16).hex()}
    op = "create"
    changed = draft(home, op, name, canonical_json(value))
    if kind != "waiver" and changed["before_sha256"] is not None:
        changed["op"] = "replace"
    return [changed]


def _areas(home: Home, key: str, file: Path) -> list[dict[str, Any]]:
    report = read_areas(file, kind="zone", source=file.name, licence="not stated")
    if report.rejected:
        # What is signed is all of the file or nothing: a signature on a part would be a surprise.
        raise InputError(f"`{file}`: {report.rejected[0]}", help="mend the file; every feature of it must be usable")
    by_id: dict[str, list[Area]] = {}
    for area in report.areas:
        by_id.setdefault(area.id, []).append(area)
    if key:
        by_id = {name: versions for name, versions in by_id.items() if name == key}
    if not by_id:
        raise InputError(f"`{file}` holds no area{f' `{key[:80]}`' if key else ''}", help="look at the ids in the file")
    present = {area.id for area in load_areas(home)[1]}
    return [
        draft(home, "replace" if name in present else "create", f"area/{name}", area_content(versions))
        for name, versions in sorted(by_id.items())
    ]


def effective_of(written: Mapping[str, Any], now_ns: int) -> Interval:
    """Return when the change is to hold: as written, or from now on."""
    given = written.get("effective") or {}
    check_fields(given, frozenset({"from", "until"}), "`effective`")
    start = given.get("from") or format_time(whole_ms(now_ns))
    return Interval.parse({"from": start, "until": given.get("until"), "tz": "UTC"})


def make_proposal(
    state: State,
    written: Mapping[str, Any],
    change_set: Sequence[Mapping[str, Any]],
    impact: Impact,
    effective: Interval,
    *,
    now_ns: int,
    commit: Callable[[Sequence[str]], Sequence[str]],
) -> Proposal:
    """Make the proposal of a drafted change set and its impact.

    Args:
        state: what governs now.
        written: the author's document; times as signed objects write them.
        change_set: from `draft_changes`.
        impact: of that change set, from the start of `effective` on.
        effective: from `effective_of`.
        now_ns: the time [ns].
        commit: gives what stands for contacts whose parties are not public, see `parties.commit_contacts`.
    Raises:
        InputError: a field is missing or unknown. ConflictError: it would lower the class.
    """
    check_fields(written, FIELDS, "the proposal")
    value: dict[str, Any] = {
        "base_policy_digest": state.policy_digest,
        "change_set": list(change_set),
        "class": "routine",
        "requests": written.get("requests") or [],
        "beneficiaries": written.get("beneficiaries") or [],
        "author": written.get("author"),
        "supersedes": written.get("supersedes"),
        "rationale": written.get("rationale"),
        "reversal_plan": written.get("reversal_plan"),
        "effective": effective.value,
        "expires": written.get("expires"),
        "impact_digest": impact.digest,
        "screenings": [],
        "contacts_in_scope": [],
        "licence": written.get("licence"),
        "emergency": False,
    }
    first = Proposal.parse(value)
    needed = required_class(state, LoggedProposal(-1, now_ns, first, impact))
    chosen = written.get("class") or needed
    if chosen != needed and (needed not in LADDER or chosen not in LADDER or LADDER.index(chosen) < LADDER.index(needed)):
        help_ = "an author may only raise the class"
        raise refuse("class_too_low", f"the change is {needed}, and the draft says another class", help=help_)
    latest = (state.screening_of(party) for party in sorted(subjects(state, first)))
    return Proposal.parse(
        value
        | {
            "class": chosen,
            "screenings": sorted({each.screening.id for each in latest if each is not None}),
            "contacts_in_scope": _scope(state, first, now_ns, commit),
        }
    )


def _scope(
    state: State, proposal: Proposal, now_ns: int, commit: Callable[[Sequence[str]], Sequence[str]]
) -> list[str]:
    """List the contacts that bear on a proposal; where nobody asks and nobody gains, none can."""
    if not concerned(state, proposal):
        return []
    found = [each.contact for each in in_scope(state, proposal, now_ns)]
    private = [each.id for each in found if is_private(each)]
    return [*(each.id for each in found if each.id not in private), *commit(private)]


def contents_of(home: Home, change_set: Sequence[Change]) -> dict[str, bytes]:
    """Return what an approver has to see of a change set, by SHA-256: content after, and before where it is kept."""
    found: dict[str, bytes] = {}
    for change in change_set:
        if change.before_sha256 and (objects_folder(home) / change.before_sha256).exists():
            found[change.before_sha256] = get_object(home, change.before_sha256)
        if change.after_sha256 and change.op != "disclose":
            found[change.after_sha256] = content_of(home, change)
    return found
