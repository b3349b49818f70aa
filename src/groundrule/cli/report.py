"""`groundrule report …`: outside reports as evidence: import, read, claims, and who says what side by side."""

from __future__ import annotations

import getpass
from collections import Counter
from hashlib import sha256
from typing import Annotated, Any

import typer

from groundrule.cli import report_claims
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.cli.report_desk import AboutOption, ByOption, claim_of, opened, proposition_of, row_of, short
from groundrule.cli.rules import instant_option
from groundrule.evidence.report import (
    READ,
    ClaimKind,
    ClaimStatus,
    Report,
    SpanRole,
    TranslationKind,
)
from groundrule.evidence.report_json import claim_value, proposition_value, report_value
from groundrule.evidence.side_by_side import SideBySide, who_says
from groundrule.evidence.web_record import Fetched
from groundrule.instant import format_instant
from groundrule.pipeline.incoming import from_network, incoming, refuse_address
from groundrule.pipeline.reports import Imported, import_reports
from groundrule.store.home import Home
from groundrule.store.reports import StoredReading

app = typer.Typer(
    no_args_is_help=True,
    help="Outside reports as evidence: import, read, decide on their claims, set them side by side. Facts stay theirs.",
)
app.add_typer(report_claims.app, name="claim")


@app.command(name="import")
def import_(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Saved pages, web archives (WARC, MHTML), PDF or plain text; with --fetch also addresses."
        ),
    ],
    captured_at: Annotated[
        str | None, typer.Option("--captured-at", help="When files were captured; never guessed.")
    ] = None,
    captured_by: Annotated[str, typer.Option("--captured-by", help="Who or what captured them.")] = "",
    source_url: Annotated[str, typer.Option("--source-url", help="Address files were captured from.")] = "",
    fetch: Annotated[
        bool,
        typer.Option(
            "--fetch",
            help="Ask the addresses given among FILE for their pages: https or http, the public internet only, without cookies or proxy."
            " The site sees that you ask. Off unless given.",
        ),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Import outside reports and suggest what they claim. Nothing is fetched without --fetch; what is refused stops nothing beside it."""
    if len(files) == 1 and not fetch:
        refuse_address(files[0])
    place = Home.open(home)
    captured_ns = instant_option(captured_at, "--captured-at")
    # Before the lock: a slow site must not keep others from writing.
    sources = incoming(files, fetch_with=from_network if fetch else None)
    with place.writer():
        result = import_reports(
            place, sources, actor=getpass.getuser(), captured_at_ns=captured_ns, captured_by=captured_by,
            source_url=source_url,
        )  # fmt: skip
    refused = [each for each in result.files if each.refused]
    if as_json:
        print_json(
            {
                "files": [_imported(each) for each in result.files],
                "imported": len(result.files) - len(refused),
                "refused": len(refused),
                "logged": result.logged,
            }
        )
    else:
        for one in result.files:
            _print_imported(one)
        print_text(f"{len(result.files) - len(refused)} imported, {len(refused)} refused{_logged(result.logged)}")
        for line in result.trouble:
            warn(f"  {line}")
    if refused:
        raise typer.Exit(2)


@app.command(name="list")
def list_(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """List the reports of a home, with their claims counted."""
    with opened(home) as desk:
        rows = desk.store.reports()
        counts = Counter((claim.report, claim.status) for claim in desk.claims())
        listed = [_listed(row, counts, desk.report(row) if as_json else None) for row in rows]
    if as_json:
        print_json({"reports": listed})
        return
    print_table(
        ["report", "published", "publisher", "lang", "translation", "suggested", "confirmed", "title"],
        [
            [
                row.report[:19], row.about["published_at"][:10] or "?", row.about["publisher"] or "?", row.about["language"] or "?",
                row.about["translation"], counts[row.report, ClaimStatus.SUGGESTED], counts[row.report, ClaimStatus.CONFIRMED],
                row.about["title"][:60],
            ]
            for row in rows
        ],
    )  # fmt: skip


@app.command()
def show(
    report: Annotated[str, typer.Argument(help="Id of the report, or how it begins.")],
    full: Annotated[
        bool, typer.Option("--full", help="The whole text with its roles, also what was left out of the reading.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Show a report: where it comes from, what is known about translation, what was odd, and its text."""
    with opened(home) as desk:
        row = row_of(desk, report)
        found = desk.report(row)
        links = desk.store.links(subject=found.id)
        readings = desk.store.readings_of(found.id)
    if as_json:
        print_json(
            {
                **report_value(found),
                "original_missing": found.translation.original_missing,
                "recorded_at": format_instant(readings[0].recorded_ns),
                "readings": len(readings),
                "links": [link.ref for link in links],
            }
        )
        return
    _print_report(found, row, [link.ref for link in links])
    for span in found.spans:
        piece = found.text[span.start : span.end].strip()
        if not piece or (not full and span.role not in READ):
            continue
        mark = f"[{span.role.value} {span.start}-{span.end}] " if full or span.role in (SpanRole.QUOTE,) else ""
        print_text(
            f"\n{mark}{piece}", style="bold" if span.role is SpanRole.TITLE else "" if span.role in READ else "dim"
        )
    left_out = sum(1 for span in found.spans if span.role not in READ)
    if left_out and not full:
        print_text(f"\n{left_out} stretches are not part of the reading; see them with --full", style="dim")


@app.command()
def claims(
    report: Annotated[str, typer.Argument(help="Id of the report, or how it begins.")],
    every: Annotated[bool, typer.Option("--all", help="Rejected ones too.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """List what a report claims: suggested by rules or decided by people, each with its characters, source and stance."""
    with opened(home) as desk:
        found = desk.report(row_of(desk, report))
        listed = [claim for claim in desk.claims(found.id) if every or claim.status is not ClaimStatus.REJECTED]
    if as_json:
        print_json(
            {
                "report": found.id,
                "claims": [{**claim_value(claim), "text": found.text[claim.start : claim.end]} for claim in listed],
            }
        )
        return
    print_table(
        ["claim", "characters", "status", "kind", "stance", "on whose word", "what"],
        [[claim.id[:18], f"{claim.start}-{claim.end}", claim.status.value, claim.kind.value, claim.stance.value,
          who_says(claim.attribution, found), short(claim.statement)] for claim in listed],
    )  # fmt: skip
    suggested = sum(1 for claim in listed if claim.status is ClaimStatus.SUGGESTED)
    if suggested:
        print_text(f"{suggested} are only suggested by rules: groundrule report claim confirm|reject CLAIM")


@app.command()
def propose(
    sentence: Annotated[
        str, typer.Argument(help="One neutral sentence, of which claims can say yes, no, or that they do not know.")
    ],
    about: AboutOption = None,
    by: ByOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Set up a proposition, so that claims of several reports on one thing can be set side by side."""
    with opened(home, write=True) as desk:
        made = desk.propose(sentence, by=by or getpass.getuser(), about=about or ())
    if as_json:
        print_json(proposition_value(made))
        return
    print_text(f"{made.id}: {made.sentence}")


@app.command()
def link(
    subject: Annotated[str, typer.Argument(help="Id of a report or claim, or how it begins.")],
    ref: Annotated[
        str, typer.Argument(help="party:…, area:…, terminal:…, contact:…, list_entry:… or rule:… of the home.")
    ],
    remove: Annotated[bool, typer.Option("--remove", help="Take the link back; that it held stays on record.")] = False,
    by: ByOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Link a report or a claim to something of the home; nothing changes there."""
    with opened(home, write=True) as desk:
        id_ = claim_of(desk, subject).id if subject.startswith("claim") else row_of(desk, subject).report
        new = desk.link(id_, ref, by=by or getpass.getuser(), holds=not remove)
        refs = [each.ref for each in desk.store.links(subject=id_)]
    if as_json:
        print_json({"subject": id_, "ref": ref, "holds": not remove, "new": new, "links": refs})
        return
    print_text(
        f"{id_[:24]}: {'no longer ' if remove else ''}linked to {ref}{'' if new else ' already' if not remove else ' (it was not)'}"
    )


@app.command()
def compare(
    proposition: Annotated[
        str | None, typer.Argument(help="Id of the proposition, or how it begins; nothing lists all.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Set side by side who says what about a proposition: stances, independent origins, contradictions. None is preferred."""
    with opened(home) as desk:
        if proposition is None:
            listed = desk.propositions()
            count = Counter(claim.proposition for claim in desk.claims())
            if as_json:
                print_json({"propositions": [{**proposition_value(each), "claims": count[each.id]} for each in listed]})
            else:
                print_table(
                    ["proposition", "claims", "sentence"],
                    [[each.id[:24], count[each.id], each.sentence] for each in listed],
                )
            return
        found = desk.compare(proposition_of(desk, proposition))
    if as_json:
        print_json(_compared(found))
    else:
        _print_compared(found)


def _logged(logged: bool | None) -> str:
    if logged is None:
        return ""
    return "; in the log: digest, size and time of capture" if logged else "; queued for the log"


def _imported(one: Imported) -> dict[str, Any]:
    way = {} if one.fetched is None else {"fetched": _fetched(one.fetched)}
    if one.refused:
        return {"file": one.file, "refused": one.refused, **way}
    return {
        "file": one.file,
        **way,
        "reports": [
            {
                "id": report.id,
                "title": report.title,
                "language": report.language,
                "translation": report.translation.kind.value,
                "original_missing": report.translation.original_missing,
                "sha256": report.capture.sha256,
                "bytes": report.capture.size_bytes,
                "problems": [
                    {"code": each.code, "where": each.where, "detail": each.detail} for each in report.problems
                ],
            }
            for report in one.reports
        ],
        "new": one.new,
        "suggested": one.suggested,
    }


def _fetched(answer: Fetched) -> dict[str, Any]:
    return {
        "address": answer.address,
        "redirects": [{"status": each.status, "address": each.address, "to": each.to} for each in answer.redirects],
        "machine": answer.machine,
        "status": answer.status,
        "headers": dict(answer.headers),
        "body_bytes": len(answer.body),
        "body_sha256": sha256(answer.body).hexdigest(),
        "captured_at": format_instant(answer.captured_at_ns),
        "protected": answer.protected,
    }


def _print_imported(one: Imported) -> None:
    if one.refused:
        warn(f"refused `{one.file}`: {one.refused}")
        return
    for report in one.reports:
        known = "" if one.new else " (held already)"
        print_text(f"{report.id}: {report.title or '(no title)'}{known}")
        what = [
            report.language or "language unknown",
            report.capture.media_type,
            f"{report.capture.size_bytes:,} bytes",
        ]
        if report.capture.captured_at_ns is None:
            what.append("time of capture not given")
        print_text(f"  {', '.join(what)}")
        if one.fetched is not None:
            print_text(f"  fetched from {one.fetched.address} at {format_instant(one.fetched.captured_at_ns)}")
        _print_translation(report)
        for code, count in Counter(each.code for each in report.problems).items():
            warn(f"  {code}: {count}")
    print_text(f"  {one.suggested} claims suggested")


def _print_translation(report: Report) -> None:
    about = report.translation
    if about.kind not in (TranslationKind.MACHINE, TranslationKind.HUMAN):
        return
    how = "machine translation" if about.kind is TranslationKind.MACHINE else "translation"
    source = f" from {about.from_language}" if about.from_language else ""
    where = (
        f"the original is {about.original_captured}"
        if about.original_captured
        else "the original is not in the evidence"
    )
    warn(
        f"  {how}{source}: {where}"
        + (f"; it is at {about.original_url}" if about.original_url and not about.original_captured else "")
    )


def _listed(row: StoredReading, counts: Counter[tuple[str, ClaimStatus]], report: Report | None) -> dict[str, Any]:
    return {
        "id": row.report,
        **{
            name: row.about[name]
            for name in ("title", "publisher", "published_at", "language", "media_type", "translation")
        },
        "original_missing": report.translation.original_missing if report is not None else None,
        "sha256": row.raw,
        "recorded_at": format_instant(row.recorded_ns),
        "recorded_by": row.actor,
        "claims": {status.value: counts[row.report, status] for status in ClaimStatus},
    }


def _print_report(report: Report, row: StoredReading, links: list[str]) -> None:
    capture = report.capture
    captured = "not given" if capture.captured_at_ns is None else format_instant(capture.captured_at_ns)
    print_text(f"{report.id}: {report.title or '(no title)'}", style="bold")
    print_table(
        ["", ""],
        [
            [
                "published",
                " ".join(
                    filter(
                        None, [report.published_at or "not said", f"by {report.publisher}" if report.publisher else ""]
                    )
                ),
            ],
            ["authors", ", ".join(report.authors) or "not said"],
            [
                "language",
                report.language + (f" (the page says {report.declared_language})" if report.declared_language else ""),
            ],
            ["captured", f"{captured}{f' by {capture.captured_by}' if capture.captured_by else ''}"],
            ["from", capture.source_url or report.canonical_url or "not said"],
            [
                "file",
                f"{capture.file_name}, {capture.media_type}, {capture.size_bytes:,} bytes, sha256 {capture.sha256}",
            ],
            ["in this home since", f"{format_instant(row.recorded_ns)}, by {row.actor}"],
            ["quotes", ", ".join(dict.fromkeys(name for name, _, _ in report.outlets)) or "no other outlet by name"],
            ["read by", report.extractor or "not said"],
            *([["linked to", ", ".join(links)]] if links else []),
        ],
    )
    _print_translation(report)
    for problem in report.problems:
        warn(f"  {problem.code}{f' in {problem.where}' if problem.where else ''}: {problem.detail}")


def _compared(found: SideBySide) -> dict[str, Any]:
    counted = found.corroboration
    return {
        "proposition": proposition_value(found.proposition),
        "origins": [
            {
                "name": origin.name, "reports": origin.reports, "claims": origin.claims, "named": origin.named,
                "unnamed_at_least": origin.unnamed_at_least, "joined_by": origin.joined_by,
                "stances": {stance.value: count for stance, count in origin.stances.items()},
            }
            for origin in (counted.origins if counted else ())
        ],
        "articles": counted.articles if counted else 0,
        "independent_origins": len(counted.origins) if counted else 0,
        "supporting_origins": counted.supporting if counted else 0,
        "stances": {stance.value: count for stance, count in (counted.stances if counted else {}).items()},
        "rows": [
            {**claim_value(row.claim), "who": row.who, "publisher": row.publisher, "published_at": row.published_at, "origin": row.origin}
            for row in found.rows
        ],
        "contradictions": [{"kind": each.kind, "claims": each.claims, "detail": each.detail} for each in found.contradictions],
    }  # fmt: skip


def _print_compared(found: SideBySide) -> None:
    print_text(found.proposition.sentence, style="bold")
    counted = found.corroboration
    if counted is None:
        print_text("Nobody claims anything about it as a fact.")
    else:
        print_text(
            f"{counted.articles} reports, {len(counted.origins)} independent origins; {counted.supporting} report or confirm it"
        )
    print_table(
        ["stance", "origin", "on whose word", "report", "status", "what"],
        [[row.claim.stance.value if row.claim.kind is ClaimKind.FACT else "opinion", row.origin or "-", row.who,
          f"{row.publisher or row.claim.report[:19]}{f', {row.published_at[:10]}' if row.published_at else ''}", row.claim.status.value,
          short(row.claim.statement)] for row in found.rows],
    )  # fmt: skip
    for number, origin in enumerate(counted.origins if counted else (), 1):
        if len(origin.reports) > 1:
            print_text(
                f"Origin {number} is one, though {len(origin.reports)} reports tell it: {origin.name} ({', '.join(origin.joined_by)})"
            )
    for each in found.contradictions:
        warn(f"{each.kind.replace('_', ' ')}: {each.detail} ({each.claims[0][:18]}, {each.claims[1][:18]})")
    if found.contradictions:
        print_text("Contradictions are marked here and not resolved.")
