"""Who says what about one thing, by stance, each with its report and its characters: held beside each other, none preferred."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from groundrule.evidence.contradictions import Contradiction, contradictions, marked
from groundrule.evidence.origins import Corroboration, corroboration
from groundrule.evidence.report import Attribution, Claim, ClaimStatus, Proposition, Report, Stance


@dataclass(frozen=True, slots=True)
class Row:
    """One voice.

    Attributes:
        claim: with its contradictions among its problems.
        who: on whose word, in words.
        publisher: of the report.
        published_at: as the report says.
        origin: number of its independent origin, from 1; 0 for an opinion, which has none.
    """

    claim: Claim
    who: str
    publisher: str
    published_at: str
    origin: int


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Everything that is said about one proposition.

    Attributes:
        proposition: the sentence.
        rows: by stance in the order of `Stance`, then by origin and place.
        corroboration: independent origins; None where no fact is claimed.
        contradictions: marked, not resolved.
    """

    proposition: Proposition
    rows: tuple[Row, ...]
    corroboration: Corroboration | None
    contradictions: tuple[Contradiction, ...]


def side_by_side(proposition: Proposition, claims: Iterable[Claim], reports: Mapping[str, Report]) -> SideBySide:
    """Set side by side what is claimed about a proposition; rejected claims are left out."""
    mine = [each for each in claims if each.proposition == proposition.id and each.status is not ClaimStatus.REJECTED]
    counted = corroboration(mine, reports).get(proposition.id)
    found = contradictions(mine, reports)
    number = {
        claim: place for place, origin in enumerate(counted.origins if counted else (), 1) for claim in origin.claims
    }
    order = list(Stance)
    rows = []
    for claim in marked(mine, found):
        report = reports.get(claim.report)
        rows.append(
            Row(
                claim,
                who_says(claim.attribution, report),
                report.publisher if report else "",
                report.published_at if report else "",
                number.get(claim.id, 0),
            )
        )
    rows.sort(key=lambda row: (order.index(row.claim.stance), row.origin, row.claim.report, row.claim.start))
    return SideBySide(proposition, tuple(rows), counted, found)


def who_says(attribution: Attribution, report: Report | None = None) -> str:
    """Say in words on whose word a claim rests."""
    parts = [*attribution.named]
    if attribution.unnamed:
        count = attribution.unnamed_count
        parts.append(f"{', '.join(attribution.unnamed)} (unnamed{f', at least {count}' if count is not None else ''})")
    told = "; ".join(parts)
    if attribution.outlet:
        return f"{told}, quoted from {attribution.outlet}" if told else attribution.outlet
    own = report.publisher if report is not None else ""
    return told or f"{own or 'the report'} in its own voice"
