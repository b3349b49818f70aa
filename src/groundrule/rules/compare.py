"""What changed between two rulebooks, in words that a lawyer can check against the two texts.

    ua-speed: speed above 75 → 60 km/h; release below 70 → 55 km/h

A change that can make a past moment be decided differently (`groundrule whatif`) is starred: it touches what decides,
not only how it is worded, and it holds at an instant before the one given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from groundrule.instant import MAX_NS, format_instant
from groundrule.rules import wording
from groundrule.rules.model import (
    All,
    AnyOf,
    Claim,
    Compare,
    Condition,
    Counter,
    Guarantee,
    In,
    LandingRight,
    Latch,
    ListIn,
    Not,
    RadioPosition,
    Rule,
    Rulebook,
    Where,
)

Subject = Literal[
    "rulebook",
    "precedence",
    "default",
    "assumption",
    "detection",
    "rule",
    "claim",
    "landing_right",
    "counter",
    "guarantee",
]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        kind: added, removed or changed.
        subject: what kind of line it concerns.
        id: rule id, country code, counter id … or empty.
        sentence: the difference in words, without the star.
        affects_past: True if a moment before the given instant can be decided differently.
    """

    kind: Literal["added", "removed", "changed"]
    subject: Subject
    id: str
    sentence: str
    affects_past: bool

    def __str__(self) -> str:
        return f"{'* ' if self.affects_past else '  '}{self.sentence}"


def compare(old: Rulebook, new: Rulebook, *, now_ns: int = MAX_NS) -> list[Change]:
    """List what differs, in the order of a rulebook.

    Args:
        old: the rulebook before.
        new: the rulebook after.
        now_ns: moments before this instant are past [ns, UTC]; the default counts every moment.

    Returns:
        Changes; empty if and only if both decide and say the same.
    """
    changes = _header(old, new)
    changes += _rules(old, new, now_ns)
    changes += _keyed("claim", _claims(old), _claims(new), _claim_words)
    changes += _keyed(
        "landing_right", _by(old.landing_rights, "country"), _by(new.landing_rights, "country"), _right_words
    )
    changes += _keyed("counter", _by(old.counters, "id"), _by(new.counters, "id"), _counter_words)
    changes += _keyed(
        "guarantee", _by(old.guarantees, "id"), _by(new.guarantees, "id"), _guarantee_words, decides=False
    )
    return changes


# --- the rulebook itself ----------------------------------------------------------------------------------


def _header(old: Rulebook, new: Rulebook) -> list[Change]:
    changes = []
    for name in ("id", "version", "title", "operator", "notice", "supersedes"):
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            changes.append(Change("changed", "rulebook", "", f"{name}: {_or_none(was)} → {_or_none(now)}", False))
    if old.precedence != new.precedence:
        text = f"precedence: {' > '.join(old.precedence)} → {' > '.join(new.precedence)}"
        changes.append(Change("changed", "precedence", "", text, True))
    if (old.default_outcome, old.default_reason) != (new.default_outcome, new.default_reason):
        was = f"{old.default_outcome.word} ({old.default_reason})"
        text = f"default: {was} → {new.default_outcome.word} ({new.default_reason})"
        changes.append(Change("changed", "default", "", text, True))
    for name in (
        "position_sigma_m",
        "edge_probability",
        "max_gap_s",
        "max_position_age_s",
        "decision_valid_s",
        "radio_position",
    ):
        was, now = getattr(old.assumptions, name), getattr(new.assumptions, name)
        if was != now:
            text = f"assumption {name}: {_assumed(was)} → {_assumed(now)}"
            changes.append(Change("changed", "assumption", name, text, name != "decision_valid_s"))
    was, now = ({(name, key): value for name, numbers in book.detection for key, value in numbers} for book in (old, new))
    for name, key in sorted({*was, *now}):
        before, after = was.get((name, key)), now.get((name, key))
        if before != after:
            text = f"detection {name} {key}: {_threshold(before)} → {_threshold(after)}"
            changes.append(Change("changed", "detection", f"{name}.{key}", text, True))
    return changes


def _threshold(value: float | None) -> str:
    return "as shipped" if value is None else f"{value:g}"


def _assumed(value: object) -> str:
    if isinstance(value, RadioPosition):
        held = "" if value.hold_inconsistent_s is None else f", inconsistent held for {value.hold_inconsistent_s:g} s"
        return f"when {', '.join(value.use_when)}, at most {value.max_age_s:g} s old{held}"
    if value is None:
        return "never"
    if isinstance(value, tuple):
        return ", ".join(f"{source} {sigma:g}" for source, sigma in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _or_none(value: object) -> str:
    return "none" if value is None else f"`{value}`" if isinstance(value, str) else str(value)


# --- rules ------------------------------------------------------------------------------------------------


def _rules(old: Rulebook, new: Rulebook, now_ns: int) -> list[Change]:
    was, now = _by(old.rules, "id"), _by(new.rules, "id")
    changes = []
    for rule_id in [*now, *(rule_id for rule_id in was if rule_id not in now)]:
        before, after = was.get(rule_id), now.get(rule_id)
        if before is None and after is not None:
            text = f"{rule_id}: added: {_rule_words(after)}"
            changes.append(Change("added", "rule", rule_id, text, after.effective_from_ns < now_ns))
        elif after is None and before is not None:
            text = f"{rule_id}: removed: {_rule_words(before)}"
            changes.append(Change("removed", "rule", rule_id, text, before.effective_from_ns < now_ns))
        elif before is not None and after is not None:
            change = _changed_rule(before, after, now_ns)
            if change is not None:
                changes.append(change)
    return changes


def _rule_words(rule: Rule) -> str:
    conditions = [wording.describe(part) for part in (rule.where, rule.who, rule.what) if part != All(())]
    text = f"{rule.outcome.word} ({rule.reason}) {' and '.join(conditions) or 'always'}"
    if rule.unless:
        text += f", unless {', or '.join(wording.describe(part) for part in rule.unless)}"
    span = wording.interval(rule.effective_from_ns, rule.effective_until_ns)
    return text if span == "at all times" else f"{text}, {span}"


def _changed_rule(old: Rule, new: Rule, now_ns: int) -> Change | None:
    deciding: list[str] = []
    for name in ("tier", "reason"):
        _note(deciding, name, getattr(old, name), getattr(new, name))
    _note(deciding, "outcome", old.outcome.word, new.outcome.word)
    _note(deciding, "state", old.state.value, new.state.value)
    for name in ("where", "who", "what"):
        deciding += condition_changes(getattr(old, name), getattr(new, name))
    deciding += _exceptions(old.unless, new.unless)
    _note(deciding, "edge", old.edge.word, new.edge.word)
    _note(deciding, "stale", old.stale.word, new.stale.word)
    for name, before, after in _differences({k: v.word for k, v in old.unknown}, {k: v.word for k, v in new.unknown}):
        deciding.append(f"unknown {name}: {before or 'as by default'} → {after or 'as by default'}")
    _set_change(deciding, "obligations", old.obligations, new.obligations)
    texts: list[str] = []
    begins = min(old.effective_from_ns, new.effective_from_ns)
    starred = bool(deciding) and begins < now_ns
    for name, before_ns, after_ns in (
        ("effective from", old.effective_from_ns, new.effective_from_ns),
        ("expires", old.effective_until_ns, new.effective_until_ns),
    ):
        if before_ns != after_ns:
            deciding.append(f"{name} {_moment(before_ns)} → {_moment(after_ns)}")
            starred = starred or min(before_ns, after_ns) < now_ns
    if old.review_by_ns != new.review_by_ns:
        texts.append(f"review by {_moment(old.review_by_ns)} → {_moment(new.review_by_ns)}")
    for name in ("title", "emergency", "appeal", "notes", "retry_wait_s", "retry_move_m"):
        _note(texts, name.replace("_", " "), getattr(old, name), getattr(new, name))
    for name in ("basis", "requested_by", "source", "date", "illustrative"):
        _note(
            texts,
            f"authority {name.replace('_', ' ')}",
            getattr(old.authority, name),
            getattr(new.authority, name),
        )
    for language, before, after in _differences(dict(old.message), dict(new.message)):
        texts.append(f"message in {language}: {_or_none(before)} → {_or_none(after)}")
    if not deciding and not texts:
        return None
    return Change("changed", "rule", new.id, f"{new.id}: {'; '.join(deciding + texts)}", starred)


def _moment(instant_ns: int | None) -> str:
    if instant_ns is None:
        return "none"
    return "always" if instant_ns < -(2**62) * 1.99 else format_instant(instant_ns)


def _note(notes: list[str], name: str, old: object, new: object) -> None:
    if old != new:
        plain = isinstance(old, str) and isinstance(new, str) and " " not in old + new
        notes.append(f"{name}: {old} → {new}" if plain else f"{name}: {_or_none(old)} → {_or_none(new)}")


def _exceptions(old: tuple[Condition, ...], new: tuple[Condition, ...]) -> list[str]:
    gone = [part for part in old if part not in new]
    come = [part for part in new if part not in old]
    if len(gone) == 1 and len(come) == 1:
        changed = condition_changes(gone[0], come[0])
        if len(changed) == 1 and not changed[0].startswith(("now", "no longer")):
            return [f"exception: {changed[0]}"]
    return [
        *(f"no longer excepted: {wording.describe(part)}" for part in gone),
        *(f"now excepted: {wording.describe(part)}" for part in come),
    ]


# --- conditions -------------------------------------------------------------------------------------------


def condition_changes(old: Condition, new: Condition) -> list[str]:
    """Say what changed between two conditions, part by part where the parts speak of the same fact.

    Example:
        >>> condition_changes(Compare("alt_m", "above", 500.0), Compare("alt_m", "above", 300.0))
        ['altitude above 500 → 300 m']
    """
    if old == new:
        return []
    gone, come = _only_in_first(_parts(old), _parts(new)), _only_in_first(_parts(new), _parts(old))
    notes = []
    for before in list(gone):
        twin = next((after for after in come if _topic(before) == _topic(after)), None)
        if twin is not None:
            gone.remove(before)
            come.remove(twin)
            notes.append(_part_change(before, twin))
    notes += [f"no longer only {wording.describe(part)}" for part in gone]
    notes += [f"now only {wording.describe(part)}" for part in come]
    return notes or [f"{wording.describe(old)} → {wording.describe(new)}"]


def _parts(condition: Condition) -> list[Condition]:
    if isinstance(condition, All):
        return [inner for part in condition.parts for inner in _parts(part)]
    if isinstance(condition, AnyOf) and len(condition.parts) == 1:
        return _parts(condition.parts[0])
    return [condition]


def _only_in_first(first: list[Condition], second: list[Condition]) -> list[Condition]:
    return [part for part in first if part not in second]


def _topic(condition: Condition) -> tuple[str, ...]:
    """Name what a part speaks of, so that two versions of it can be set side by side."""
    match condition:
        case In() | Latch():
            return (type(condition).__name__, condition.attribute)
        case Compare():
            return ("Compare", condition.attribute, condition.relation)
        case ListIn():
            return ("ListIn", condition.list_id)
        case Where():
            return ("Where",)
        case AnyOf() if condition.parts and all(isinstance(part, Where) for part in condition.parts):
            return ("Where",)
        case AnyOf():
            return ("AnyOf", *sorted({name for part in condition.parts for name in _topic(part)}))
        case Not():
            return ("Not", *_topic(condition.part))
        case _:
            return (type(condition).__name__, repr(condition))


def _part_change(old: Condition, new: Condition) -> str:
    match old, new:
        case Latch(), Latch():
            notes = []
            name = wording.attribute_name(new.attribute)
            if old.above != new.above:
                notes.append(f"{name} above {_arrow(new.attribute, old.above, new.above)}")
            if old.release_below != new.release_below:
                notes.append(f"release below {_arrow(new.attribute, old.release_below, new.release_below)}")
            if old.for_s != new.for_s:
                notes.append(f"held for {old.for_s:g} → {new.for_s:g} s")
            return "; ".join(notes)
        case Compare(), Compare():
            relation = new.relation.replace("_", " ")
            name = wording.attribute_name(new.attribute)
            return f"{name} {relation} {_arrow(new.attribute, old.value, new.value)}"
        case In(), In():
            return _set_words(wording.attribute_name(new.attribute), old.values, new.values)
        case ListIn(), ListIn():
            return _set_words(f"state on list {new.list_id}", old.states, new.states)
    before, after = _places(old), _places(new)
    if before is not None and after is not None:
        return _set_words("where", before, after)
    if isinstance(old, AnyOf) and isinstance(new, AnyOf):
        gone, come = (
            _only_in_first(list(old.parts), list(new.parts)),
            _only_in_first(list(new.parts), list(old.parts)),
        )
        if len(gone) == len(come) == 1 and _topic(gone[0]) == _topic(come[0]):
            return _part_change(gone[0], come[0])
    return f"{wording.describe(old)} → {wording.describe(new)}"


def _places(condition: Condition) -> frozenset[str] | None:
    parts = condition.parts if isinstance(condition, AnyOf) else (condition,)
    if not all(isinstance(part, Where) for part in parts):
        return None
    return frozenset(
        f"{part.selector} widened by {wording.distance(part.buffer_m)}" if part.buffer_m else part.selector
        for part in parts
        if isinstance(part, Where)
    )


def _arrow(attribute: str, old: float, new: float) -> str:
    before, after = wording.quantity(attribute, old), wording.quantity(attribute, new)
    same_unit = before.partition(" ")[2] == after.partition(" ")[2]
    return f"{before.partition(' ')[0] if same_unit else before} → {after}"


def _set_words(name: str, old: Iterable[str], new: Iterable[str]) -> str:
    before, after = set(old), set(new)
    signs = [
        *(f"+{word}" for word in sorted(after - before)),
        *(f"-{word}" for word in sorted(before - after)),
    ]
    return f"{name}: {', '.join(signs)}"


def _set_change(notes: list[str], name: str, old: Iterable[str], new: Iterable[str]) -> None:
    if set(old) != set(new):
        notes.append(_set_words(name, old, new))


# --- tables keyed by a name -------------------------------------------------------------------------------


def _by(items: Iterable[_T], key: str) -> dict[str, _T]:
    return {str(getattr(item, key)): item for item in items}


def _claims(book: Rulebook) -> dict[str, Claim]:
    return {"+".join(claim.countries): claim for claim in book.claims}


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[tuple[str, str | None, str | None]]:
    return [(k, old.get(k), new.get(k)) for k in sorted({*old, *new}) if old.get(k) != new.get(k)]


def _keyed(
    subject: Subject,
    old: Mapping[str, _T],
    new: Mapping[str, _T],
    write: Callable[[_T, _T | None], str],
    *,
    decides: bool = True,
) -> list[Change]:
    changes = []
    name = subject.replace("_", " ")
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if before is None and after is not None:
            changes.append(Change("added", subject, key, f"{name} {key}: added: {write(after, None)}", decides))
        elif after is None and before is not None:
            changes.append(Change("removed", subject, key, f"{name} {key}: removed: {write(before, None)}", decides))
        elif before is not None and after is not None:
            deciding = decides and _deciding_part(before) != _deciding_part(after)
            changes.append(Change("changed", subject, key, f"{name} {key}: {write(after, before)}", deciding))
    return changes


def _deciding_part(item: object) -> object:
    match item:
        case Claim():
            return item.counts_as
        case LandingRight():
            return item.status
        case _:
            return item


def _claim_words(claim: Claim, before: Claim | None) -> str:
    if before is None:
        return f"{claim.relation}, counts as {wording.words(claim.counts_as, 'and')}"
    notes: list[str] = []
    _note(notes, "counts as", wording.words(before.counts_as, "and"), wording.words(claim.counts_as, "and"))
    for name in ("relation", "source", "note"):
        _note(notes, name, getattr(before, name), getattr(claim, name))
    return "; ".join(notes)


def _right_words(right: LandingRight, before: LandingRight | None) -> str:
    if before is None:
        return right.status
    notes: list[str] = []
    for name in ("status", "source", "date", "illustrative"):
        _note(notes, name, getattr(before, name), getattr(right, name))
    return "; ".join(notes).removeprefix("status: ")


def _counter_words(counter: Counter, before: Counter | None) -> str:
    after = wording.describe(counter.condition)
    return f"counts while {after}" if before is None else f"while {wording.describe(before.condition)} → {after}"


def _guarantee_words(guarantee: Guarantee, before: Guarantee | None) -> str:
    text = f"never {guarantee.never.word} if {wording.describe(guarantee.when)}"
    if guarantee.except_reasons:
        text += f", except for {wording.words(guarantee.except_reasons, 'and')}"
    return text if before is None else f"{_guarantee_words(before, None)} → {text}"
