"""What outsiders published about the subject of a dossier: claims side by side, how many independent origins, and what goes against what.

A claim that a person confirmed says that the report says it, never that it is so. What a rule only suggested is counted and not quoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from groundrule.evidence.contradictions import contradictions, marked
from groundrule.evidence.dossier import ClaimExtract, Phrase, ReportExtract, Standing, Statement, Times, Value
from groundrule.evidence.origins import corroboration
from groundrule.evidence.report import Claim, ClaimKind, ClaimStatus, Proposition, Report, TranslationKind
from groundrule.evidence.side_by_side import who_says
from groundrule.pipeline.dossiers.acts import Said
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.reports import ReportDesk
from groundrule.store.reports import ReportStore, StoredReading

MAX_QUOTED = 600
"""Characters quoted of one claim."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What outsiders published.

    Attributes:
        reports: as far as they bear on the subject, with their claims; the statements of these are numbered later.
        said: (sentence, report id, claim id or empty), in the order of reports.
    """

    reports: tuple[ReportExtract, ...] = ()
    said: tuple[tuple[Said, str, str], ...] = ()

    def numbered(self, statements: Iterable[Statement]) -> tuple[ReportExtract, ...]:
        """Return the extracts, each claim with the id of the statement that says it; empty where none does."""
        ids: dict[str, str] = {}
        for each in statements:
            for source in each.sources:
                if each.standing is Standing.CLAIM and source.kind == "report":
                    ids.setdefault(source.ref, each.id)
        return tuple(
            replace(report, claims=tuple(replace(claim, statement=ids.get(report_ref(report.id, claim.id), "")) for claim in report.claims))
            for report in self.reports
        )


def report_ref(report: str, claim: str = "") -> str:
    """Return how a statement names the report, or the claim of it, that it rests on."""
    return f"{report}#{claim}" if claim else report


def outside_reports(bench: Bench, refs: Iterable[str]) -> Outside:
    """Collect the reports and claims that are linked to any of some references.

    Args:
        refs: such as `contact:…`, `party:…`, `area:…`, `terminal:…`, `rule:…`.
    """
    if not ReportStore.exists(bench.home):
        return Outside()
    wanted = set(refs)
    with ReportStore.open(bench.home) as store:
        desk = ReportDesk(bench.home, store)
        linked = {link.subject for ref in wanted for link in store.links(ref=ref)}
        every = desk.claims()
        stored = {row.report: row for row in store.reports()}
        chosen = [
            claim
            for claim in every
            if claim.status is not ClaimStatus.REJECTED and (wanted & set(claim.about) or claim.id in linked or claim.report in linked)
        ]
        # Others on the same proposition belong beside them, above all those that deny it.
        spoken = {claim.proposition for claim in chosen if claim.proposition}
        named = {claim.id for claim in chosen}
        chosen += [
            each for each in every if each.proposition in spoken and each.id not in named and each.status is not ClaimStatus.REJECTED
        ]
        ids = {claim.report for claim in chosen} | (linked & stored.keys())
        reports = desk.reports(ids)
        return _composed(chosen, reports, stored, {each.id: each for each in desk.propositions()})


def _composed(
    claims: list[Claim], reports: Mapping[str, Report], stored: Mapping[str, StoredReading], propositions: Mapping[str, Proposition]
) -> Outside:
    confirmed = [claim for claim in claims if claim.status is ClaimStatus.CONFIRMED]
    found = contradictions(confirmed, reports)
    counted = corroboration(confirmed, reports)
    origin = {claim: each.name for some in counted.values() for each in some.origins for claim in each.claims}
    by_report: dict[str, list[Claim]] = {id_: [] for id_ in sorted(reports, key=lambda id_: stored[id_].recorded_ns)}
    for claim in marked(confirmed, found):
        by_report.setdefault(claim.report, []).append(claim)
    said: list[tuple[Said, str, str]] = []
    extracts = []
    for id_, mine in by_report.items():
        report = reports[id_]
        at = Times(recorded_at_ns=stored[id_].recorded_ns, happened=report.published_at)
        said += [(each, id_, "") for each in _about(report, at, sum(c.report == id_ and c.status is ClaimStatus.SUGGESTED for c in claims))]
        said += [(_claimed(claim, report, at), id_, claim.id) for claim in mine]
        extracts.append(_extract(report, mine, origin))
    for name, some in sorted(counted.items()):
        values: dict[str, Value] = {"sentence": propositions[name].sentence if name in propositions else name, "articles": some.articles,
                                    "origins": some.supporting, "named": some.named}  # fmt: skip
        said.append((Said(Phrase("report_origins", values), Standing.INFERENCE), some.origins[0].reports[0], ""))
    for each in found:
        first = next(claim.report for claim in confirmed if claim.id == each.claims[0])
        values = {"kind": f"code:contradiction_{each.kind}", "detail": each.detail}
        said.append((Said(Phrase("report_contradiction", values), Standing.INFERENCE, flags=("contradiction",)), first, each.claims[0]))
    return Outside(tuple(extracts), tuple(said))


def _about(report: Report, at: Times, suggested: int) -> list[Said]:
    values: dict[str, Value] = {
        "publisher": report.publisher or None,
        "title": report.title or None,
        "published": report.published_at or "code:date_unknown",
        "sha256": report.capture.sha256[:16],
    }
    said = [Said(Phrase("report_imported", values), Standing.RECORDED, at)]
    if report.translation.kind is TranslationKind.MACHINE:
        said.append(Said(Phrase("report_machine", {"language": report.language}), Standing.RECORDED, at, ("machine_translation",)))
    elif report.translation.kind is TranslationKind.HUMAN:
        said.append(Said(Phrase("report_translated", {"language": report.language}), Standing.RECORDED, at, ("translation",)))
    if report.translation.original_missing:
        said.append(Said(Phrase("report_no_original", {}), Standing.UNKNOWN, at, ("gap",)))
    if suggested:
        said.append(Said(Phrase("report_suggested", {"number": suggested}), Standing.UNKNOWN, at))
    for problem in report.problems[:5]:
        said.append(Said(Phrase("report_problem", {"problem": problem.detail}), Standing.RECORDED, at))
    return said


def _claimed(claim: Claim, report: Report, at: Times) -> Said:
    key = "report_opinion" if claim.kind is ClaimKind.OPINION else f"report_{claim.stance.value}"
    values: dict[str, Value] = {
        "publisher": report.publisher or report.title or report.id,
        "who": who_says(claim.attribution, report),
        "statement": claim.statement[:MAX_QUOTED],
    }
    times = Times(recorded_at_ns=at.recorded_at_ns, happened=claim.happened or report.published_at)
    flags = tuple(each.partition(":")[0] for each in claim.problems)
    return Said(Phrase(key, values), Standing.CLAIM, times, flags)


def _extract(report: Report, claims: list[Claim], origin: Mapping[str, str]) -> ReportExtract:
    origins = sorted({origin[claim.id] for claim in claims if claim.id in origin})
    return ReportExtract(
        report.id,
        report.title,
        report.publisher,
        report.published_at,
        report.language,
        report.translation.kind.value,
        report.translation.original_missing,
        "; ".join(origins) or report.publisher or report.id,
        tuple(
            ClaimExtract(
                claim.id,
                report.text[claim.start : claim.end][:MAX_QUOTED],
                claim.stance.value,
                who_says(claim.attribution, report),
                "opinion" if claim.kind is ClaimKind.OPINION else "assertion",
                claim.status is ClaimStatus.CONFIRMED,
            )
            for claim in claims
        ),
    )
