"""A dossier in which many texts stand at many places: every sentence of the catalogue with each of its free values, and every list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

import shapely

from groundrule.evidence.dossier import (
    AreaVersion,
    ClaimExtract,
    Dossier,
    LogHead,
    Party,
    Phrase,
    Redaction,
    ReportExtract,
    RuleText,
    Section,
    Source,
    Standing,
    Statement,
    SubjectKind,
    Times,
    Value,
)
from groundrule.evidence.render.words import words
from sample_dossier import AT, sample

_SLOT = re.compile(r"\{(\w+)(\|[^{}]*)?\}")
PLACES = ("sentence", "source", "happened", "party", "office", "report", "claim", "rule", "area", "redaction")
"""Where a text stands in the dossier of `crowded`; its row `n` of each holds the text whose turn it is."""
_BOX = bytes(shapely.to_wkb(shapely.box(35.0, 47.2, 36.6, 48.1)))


def phrases(text: str) -> Iterator[Phrase]:
    """Yield every sentence of the catalogue with a text for each of its values; where a plural hangs on one, that is a number."""
    for key, template in words("en").tables["phrases"].items():
        slots: dict[str, Value] = dict.fromkeys((found[1] for found in _SLOT.finditer(template)), text)
        slots |= {found[1]: 3 for found in _SLOT.finditer(template) if found[2]}
        yield Phrase(key, slots)


def crowded(texts: Sequence[str], *, each_phrase: int = 1, every_place: bool = True) -> Dossier:
    """Return the dossier.

    Args:
        each_phrase: how many of the texts stand in each sentence of the catalogue, by turns.
        every_place: whether every text stands in every other place; otherwise they take turns there.
    """
    turns = [list(phrases(text)) for text in texts]
    count = len(turns[0]) if turns else 0
    said = [turns[(n * each_phrase + m) % len(texts)][n] for n in range(count) for m in range(each_phrase)]
    placed = {place: list(texts) if every_place else list(texts[n :: len(PLACES)]) for n, place in enumerate(PLACES)}
    said += [Phrase("contact_topics", {"topics": text}) for text in placed["sentence"]]
    statements = [Statement(f"s{n}", Standing.CLAIM, phrase, Times(recorded_at_ns=AT + n)) for n, phrase in enumerate(said, 1)]
    statements += [
        Statement("", Standing.RECORDED, Phrase("review_concluded", {"verdict": "code:serve", "findings": "-"}), times, sources, (), flags)
        for times, sources, flags in [
            *((Times(), (Source("register", text), Source("rule", text, f"proofs/{text}")), ()) for text in placed["source"]),
            *((Times(happened=text), (), (text,)) for text in placed["happened"]),
        ]
    ]
    statements = [replace(each, id=f"s{n}") for n, each in enumerate(statements, 1)]
    half = len(statements) // 2
    parties = [
        Party(f"party-{n:032x}", text if n % 2 else "", "natural_person", (("author", "s1"),), "" if n % 2 else text)
        for n, text in enumerate((*placed["party"], *placed["office"]))
    ]
    if every_place:
        parties += [Party(f"party-{n + 10**6:032x}", text, text, (("author", "s1"),), text) for n, text in enumerate(texts)]
    else:
        parties = [replace(each, name=each.name or each.office) for each in parties]
    reports = [
        ReportExtract(f"report-{n:032x}", text, text, text, "de", "machine", True, text,
                      (ClaimExtract(f"claim-{n:032x}", text, text, text, "assertion", True),))
        for n, text in enumerate((*placed["report"], *placed["claim"]))
    ]  # fmt: skip
    rules = [
        RuleText(f"sha256:{n:064x}", f"rule-{n}", text, f"    id: r\n    message: {text}", text, text, AT, None)
        for n, text in enumerate(placed["rule"])
    ]
    return Dossier(
        SubjectKind.AREA, "strip", "strip", AT, sample().reader, "home-1", LogHead("log.example/invented", 24, "ab" * 32), (),
        (Section("decided", tuple(statements[:half])), Section("contacts", tuple(statements[half:]))),
        parties=tuple(parties),
        rules=tuple(rules),
        reports=tuple(reports),
        redactions=tuple(Redaction(text, text, "ef" * 32, text) for text in placed["redaction"]),
        areas=tuple(AreaVersion(f"strip-{n}", text, "zone", text, AT, None, _BOX) for n, text in enumerate(placed["area"])),
    )  # fmt: skip


def alone(text: str) -> Dossier:
    """Return a dossier with the text where only one can stand: subject, title, log and home; and in every row of one list each."""
    made = replace(sample(text), log=LogHead(text, 24, text), home=text)
    assert {each.name for each in fields(made) if isinstance(getattr(made, each.name), str)} == {"id", "title", "home"} | {"kind", "reader"}
    return made
