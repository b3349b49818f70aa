"""Invented articles with their claims marked in the text: `[[fact unaware; named=Rell| The minister knew nothing.]]`.

The first line is the title. A mark holds kind and stance (an opinion has none), then what must stand in the attribution:
`named`, `outlet` (part of the text) and `unnamed` (how many).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from groundrule.evidence.report import Capture, Claim, ClaimKind, Report, Span, SpanRole, Stance, Translation

FOLDER = Path(__file__).parent / "articles"
_MARK = re.compile(r"\[\[(opinion|fact (\w+))((?:; ?\w+=[^|;\]]+)*)\| ?(.*?)\]\]", re.DOTALL)


@dataclass(frozen=True)
class Marked:
    """A claim that a reader marked."""

    start: int
    end: int
    kind: ClaimKind
    stance: Stance
    wanted: dict[str, str]

    def found_in(self, claim: Claim) -> bool:
        """Same kind, and at least half of the shorter of the two lies in the other."""
        shared = min(self.end, claim.end) - max(self.start, claim.start)
        return claim.kind is self.kind and 2 * shared >= min(self.end - self.start, claim.end - claim.start)

    def agrees(self, claim: Claim) -> bool:
        """Found, and with the right stance and source."""
        said = claim.attribution
        if not self.found_in(claim) or (self.kind is ClaimKind.FACT and claim.stance is not self.stance):
            return False
        wanted = self.wanted
        return (
            ("named" not in wanted or wanted["named"] in " ".join(said.named))
            and ("outlet" not in wanted or wanted["outlet"] in said.outlet)
            and ("unnamed" not in wanted or said.unnamed_count == int(wanted["unnamed"]))
        )


def read(path: Path) -> tuple[Report, list[Marked]]:
    """Read a marked article as a report, and what is marked in it."""
    text, marks, place = "", [], 0
    source = path.read_text(encoding="utf-8").strip()
    for found in _MARK.finditer(source):
        text += source[place : found.start()]
        wanted = dict(pair.strip().split("=", 1) for pair in found[3].split(";") if pair.strip())
        stance = Stance(found[2]) if found[2] else Stance.REPORTS
        kind = ClaimKind.OPINION if found[1] == "opinion" else ClaimKind.FACT
        marks.append(Marked(len(text), len(text) + len(found[4]), kind, stance, wanted))
        text += found[4]
        place = found.end()
    text += source[place:]
    return report_of(text, language=path.name[:2]), marks


def report_of(
    text: str, *, language: str, publisher: str = "", canonical: str = "", quotes: tuple[str, ...] = ()
) -> Report:
    """Make a report of plain text: the first line is the title, blank lines separate blocks."""
    raw = text.encode()
    digest = sha256(raw).hexdigest()
    spans = []
    for number, found in enumerate(re.finditer(r"\S(?:.|\n(?!\n))*", text)):
        role = (
            SpanRole.TITLE
            if number == 0
            else SpanRole.QUOTE
            if any(each in found[0] for each in quotes)
            else SpanRole.BODY
        )
        spans.append(Span(found.start(), found.end(), role, "test"))
    return Report(
        id=f"report-{digest[:32]}", capture=Capture(digest, len(raw), "text/plain", "made.txt"), title=text.split("\n", maxsplit=1)[0],
        publisher=publisher, authors=(), published_at="", modified_at="", language=language, declared_language="",
        canonical_url=canonical, translation=Translation(), text=text, spans=tuple(spans),
    )  # fmt: skip
