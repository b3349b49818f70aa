"""Where claims do not go together. Contradictions are marked, never resolved: nothing here says who is right.

opposite_stance            one confirms or reports what another denies
differing_dates            the times given for one thing cannot both hold
differing_numbers          one thing is counted differently
opposite_polarity          one statement says it works, another that it is blocked
reversed_in_translation    the same, between a translation and its original, or between two languages that quote one speaker
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from anyascii import anyascii
from rapidfuzz import fuzz

from groundrule.errors import InputError
from groundrule.evidence.origins import are_linked
from groundrule.evidence.polarity import polarity
from groundrule.evidence.report import Claim, ClaimKind, ClaimStatus, Report, Stance, TranslationKind
from groundrule.instant import NS_PER_DAY, parse_instant

SAME_NAME = 80.0
"""Least similarity of two spellings of a name, in Latin letters, to be taken for one speaker [0-100]."""
MAX_PAIRS = 200_000
_FOR = frozenset({Stance.REPORTS, Stance.CONFIRMS})
_NUMBER = re.compile(r"(?<![\w.,])(\d{1,3}(?:[.,\s  ]\d{3})+|\d+)(?![\w]|[.,]\d)\s+([^\W\d_]{3,})")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH = re.compile(r"\d{4}-\d{2}")
_YEAR = re.compile(r"\d{4}")


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two claims that do not go together.

    Attributes:
        kind: as in the table of this module.
        claims: ids of both, in order.
        detail: what stands against what, in one line.
    """

    kind: str
    claims: tuple[str, str]
    detail: str


def contradictions(claims: Iterable[Claim], reports: Mapping[str, Report]) -> tuple[Contradiction, ...]:
    """Return what does not go together, among claims on one proposition and between originals and translations.

    Args:
        claims: of any reports; rejected ones and opinions are passed over.
        reports: by id.
    """
    facts = [each for each in claims if each.kind is ClaimKind.FACT and each.status is not ClaimStatus.REJECTED]
    by_proposition: dict[str, list[Claim]] = defaultdict(list)
    for claim in facts:
        if claim.proposition:
            by_proposition[claim.proposition].append(claim)
    found: dict[tuple[str, tuple[str, str]], Contradiction] = {}
    compared = 0
    for listed in by_proposition.values():
        for one, other in combinations(sorted(listed, key=lambda claim: claim.id), 2):
            compared += 1
            if compared > MAX_PAIRS:
                break
            for each in _between(one, other, reports):
                found[each.kind, each.claims] = each
    for one, other in _quotes_of_one_speaker(facts, reports):
        if (pair := _pair(one, other)) not in {key[1] for key in found if key[0] == "reversed_in_translation"}:
            found["reversed_in_translation", pair] = _contradiction(
                "reversed_in_translation", one, other, _polarities(one, other)
            )
    return tuple(found.values())


def marked(claims: Iterable[Claim], found: Iterable[Contradiction]) -> tuple[Claim, ...]:
    """Return claims with their contradictions among their problems."""
    codes: dict[str, list[str]] = defaultdict(list)
    for each in found:
        for mine, other in (each.claims, each.claims[::-1]):
            code = "reversed_in_translation" if each.kind == "reversed_in_translation" else each.kind
            codes[mine] += [f"{code}:{other}" if code != "opposite_stance" else f"contradicts:{other}"]
            if code == "reversed_in_translation":
                codes[mine].append(code)
    return tuple(
        replace(claim, problems=tuple(dict.fromkeys((*claim.problems, *codes[claim.id]))))
        if claim.id in codes
        else claim
        for claim in claims
    )


def interval(text: str) -> tuple[int, int] | None:
    """Return the first and the last instant [ns since 1970, UTC] that an ISO 8601 year, month, day, instant or interval can mean.

    Raises:
        InputError: it is none of these.
    """
    if not text:
        return None
    if "/" in text:
        first, _, last = text.partition("/")
        start, end = interval(first), interval(last)
        if start is None or end is None or start[0] > end[1]:
            raise InputError(f"`{text[:60]}` is no interval", help="write start/end, as 2026-02-01/2026-02-03")
        return start[0], end[1]
    if _YEAR.fullmatch(text):
        return parse_instant(f"{text}-01-01"), parse_instant(f"{int(text) + 1:04d}-01-01") - 1
    if _MONTH.fullmatch(text):
        year, month = int(text[:4]), int(text[5:])
        after = f"{year + month // 12:04d}-{month % 12 + 1:02d}-01"
        return parse_instant(f"{text}-01"), parse_instant(after) - 1
    start_ns = parse_instant(text)
    return (start_ns, start_ns + NS_PER_DAY - 1) if _DAY.fullmatch(text) else (start_ns, start_ns)


def _between(one: Claim, other: Claim, reports: Mapping[str, Report]) -> Iterable[Contradiction]:
    if (
        {one.stance, other.stance} & _FOR
        and Stance.DENIES in (one.stance, other.stance)
        and one.stance is not other.stance
    ):
        # The denial is named first: the order of ids is chance, and the same two claims are said in the same words.
        its = other.stance if one.stance is Stance.DENIES else one.stance
        yield _contradiction("opposite_stance", one, other, f"{Stance.DENIES} against {its}")
    mine, theirs = interval(one.happened), interval(other.happened)
    if mine is not None and theirs is not None and (mine[1] < theirs[0] or theirs[1] < mine[0]):
        yield _contradiction("differing_dates", one, other, f"{one.happened} against {other.happened}")
    if one.stance in _FOR and other.stance in _FOR:
        numbers, others = _numbers(one.statement), _numbers(other.statement)
        for noun in sorted(numbers.keys() & others.keys()):
            if not numbers[noun] & others[noun]:
                told = f"{_listed(numbers[noun])} against {_listed(others[noun])} {noun}"
                yield _contradiction("differing_numbers", one, other, told)
        if polarity(one.statement) * polarity(other.statement) < 0:
            kind = "reversed_in_translation" if _translates(one, other, reports) else "opposite_polarity"
            yield _contradiction(kind, one, other, _polarities(one, other))


def _translates(one: Claim, other: Claim, reports: Mapping[str, Report]) -> bool:
    """Tell whether two claims are one statement in two languages: original and translation, or one speaker quoted in both."""
    mine, its = reports.get(one.report), reports.get(other.report)
    if mine is None or its is None or one.report == other.report:
        return False
    if are_linked(mine, its) and (_is_translation(mine) or _is_translation(its)):
        return True
    differ = mine.language.split("-")[0] != its.language.split("-")[0] or _is_translation(mine) or _is_translation(its)
    return differ and _same_speaker(one, other)


def _quotes_of_one_speaker(claims: Sequence[Claim], reports: Mapping[str, Report]) -> Iterable[tuple[Claim, Claim]]:
    """Pair claims of an original and its translation that nobody has put on one proposition yet: one speaker, turned round."""
    by_report: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.attribution.named and claim.stance in _FOR and polarity(claim.statement):
            by_report[claim.report].append(claim)
    known = sorted(name for name in by_report if name in reports)
    for name, other in combinations(known[:500], 2):
        one, its = reports[name], reports[other]
        if not (_is_translation(one) or _is_translation(its)) or not are_linked(one, its):
            continue
        for mine in by_report[name]:
            same = [each for each in by_report[other] if _same_speaker(mine, each)]
            back = [each for each in by_report[name] if any(_same_speaker(each, claim) for claim in same)]
            # Of several statements of one speaker it is not certain which belong together.
            if len(same) == len(back) == 1 and polarity(mine.statement) * polarity(same[0].statement) < 0:
                yield mine, same[0]


def _is_translation(report: Report) -> bool:
    return report.translation.kind in (TranslationKind.MACHINE, TranslationKind.HUMAN)


def _same_speaker(one: Claim, other: Claim) -> bool:
    return any(
        fuzz.token_set_ratio(_latin(mine), _latin(its)) >= SAME_NAME
        for mine in one.attribution.named
        for its in other.attribution.named
    )


def _latin(name: str) -> str:
    return anyascii(name).casefold().replace("'", "")


def _numbers(text: str) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for match in _NUMBER.finditer(text):
        digits = re.sub(r"\D", "", match[1])
        if len(digits) <= 15 and not (len(digits) == 4 and match[1].startswith(("19", "20")) and match[1].isdigit()):
            found[match[2].casefold()].add(int(digits))
    return found


def _listed(numbers: set[int]) -> str:
    return ", ".join(f"{each:,}" for each in sorted(numbers))


def _polarities(one: Claim, other: Claim) -> str:
    words = {1: "works", -1: "is blocked", 0: "unclear"}
    first, second = sorted((one, other), key=lambda claim: claim.id)
    return f"one says that it {words[polarity(first.statement)]}, the other that it {words[polarity(second.statement)]}"


def _pair(one: Claim, other: Claim) -> tuple[str, str]:
    first, second = sorted((one.id, other.id))
    return first, second


def _contradiction(kind: str, one: Claim, other: Claim, detail: str) -> Contradiction:
    return Contradiction(kind, _pair(one, other), detail)
