"""`groundrule rules check|compile|diff|analyse|test`."""

from __future__ import annotations

import time
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from groundrule.cli.output import OutputJson, print_json, print_table, print_text, warn
from groundrule.errors import InputError
from groundrule.instant import parse_instant
from groundrule.pipeline.detectors import check_detection
from groundrule.rules.analyse import analyse as analyse_rulebook
from groundrule.rules.cases import run_cases
from groundrule.rules.compare import compare
from groundrule.rules.compile import compile_rulebook
from groundrule.rules.text import load_rulebook

app = typer.Typer(no_args_is_help=True, help="Read, check, compare, test and analyse rulebooks.")
Book = Annotated[str, typer.Argument(help="Shipped rulebook by name (world-2026), or a rulebook file.")]


@app.command()
def check(rulebook: Book = "world-2026", as_json: OutputJson = False) -> None:
    """Read a rulebook and report every problem with line and column."""
    book = load_rulebook(rulebook)
    doubts = check_detection(book)
    if as_json:
        print_json(
            {"rulebook": book.id, "version": book.version, "digest": book.digest, "rules": len(book.rules), "detection": doubts}
        )
        return
    for doubt in doubts:
        warn(doubt)
    print_text(f"{book.id} version {book.version}: {len(book.rules)} rules, no problems. {book.digest}")


@app.command(name="compile")
def compile_(
    rulebook: Book = "world-2026",
    out: Annotated[Path | None, typer.Option("--out", help="Write the canonical JSON of the rulebook here.")] = None,
    as_json: OutputJson = False,
) -> None:
    """Compile a rulebook to columns and say what it compiles to."""
    from groundrule.canon import canonical_json  # noqa: PLC0415 - only this command writes it

    book = load_rulebook(rulebook)
    started = time.perf_counter()
    compiled = compile_rulebook(book)
    elapsed_ms = (time.perf_counter() - started) * 1e3
    if out:
        out.write_bytes(canonical_json(book.canonical))
    facts = {
        "rulebook": book.id,
        "digest": book.digest,
        "rules": len(book.rules),
        "speed_limits": len(compiled.latches),
        "stay_counters": [counter.id for counter in compiled.counters],
        "buffers_m": [[area, metres] for area, metres in compiled.buffers],
        "numbers": sorted(compiled.numbers),
        "compile_ms": round(elapsed_ms, 1),
    }
    if as_json:
        print_json(facts)
        return
    print_table(["what", "value"], [[name, value] for name, value in facts.items()])


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help="Rulebook before.")],
    new: Annotated[str, typer.Argument(help="Rulebook after.")],
    as_json: OutputJson = False,
) -> None:
    """Say in words what changed; a star marks what can change the decision of a past moment."""
    changes = compare(load_rulebook(old), load_rulebook(new))
    if as_json:
        print_json(
            [
                {
                    "kind": c.kind,
                    "subject": c.subject,
                    "id": c.id,
                    "sentence": c.sentence,
                    "affects_past": c.affects_past,
                }
                for c in changes
            ]
        )
        return
    for change in changes:
        print_text(str(change))
    if not changes:
        print_text("No difference: both decide and say the same.")


@app.command(name="test")
def run_cases_beside(
    rulebook: Book = "world-2026",
    cases: Annotated[
        Path | None, typer.Option("--cases", help="Cases file; the default lies beside the rulebook.")
    ] = None,
    as_json: OutputJson = False,
) -> None:
    """Run the cases kept beside a rulebook; exits 1 if one fails."""
    book = load_rulebook(rulebook)
    path = cases or _cases_beside(rulebook)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the cases file `{path}` cannot be read", help="name one with --cases FILE") from error
    results = run_cases(book, text, file=str(path))
    failed = [result for result in results if not result.passed]
    if as_json:
        print_json(
            {
                "rulebook": book.digest,
                "cases": len(results),
                "failed": [{"line": r.case.line, "name": r.case.name, "problems": list(r.problems)} for r in failed],
            }
        )
    else:
        for result in failed:
            print_text(str(result), style="red")
        print_text(f"{len(results) - len(failed)} of {len(results)} cases of {book.id} version {book.version} hold.")
    if failed:
        raise typer.Exit(1)


@app.command()
def analyse(
    rulebook: Book = "world-2026",
    cases: Annotated[
        Path | None, typer.Option("--cases", help="Write counterexamples and overlaps as a cases file.")
    ] = None,
    as_json: OutputJson = False,
) -> None:
    """Find unreachable rules, contradictions and gaps, and prove or refute the declared guarantees; exits 1 on a refutation."""
    book = load_rulebook(rulebook)
    found = analyse_rulebook(book)
    if cases:
        cases.write_text(found.cases(), encoding="utf-8")
    if as_json:
        print_json(
            {
                "rulebook": book.digest,
                "sound": found.sound,
                "guarantees": [
                    {"id": g.guarantee.id, "verdict": g.verdict, "broken_by": g.rule_id, "note": g.note}
                    for g in found.guarantees
                ],
                "unreachable": [item.sentence for item in found.unreachable],
                "contradictions": [
                    {"tier": c.tier, "serving": c.serving, "denying": c.denying} for c in found.contradictions
                ],
                "left_to_the_default": [item.place for item in found.uncovered],
                "countries_without_a_line": list(found.silent_countries),
                "deny_on_a_doubt": list(found.denying_doubts),
                "not_decided": list(found.undecided),
            }
        )
    else:
        print_text(found.as_text())
    if not found.sound:
        raise typer.Exit(1)


def _cases_beside(rulebook: str) -> Path:
    path = Path(rulebook)
    if path.suffix in {".yaml", ".yml"}:
        return path.with_suffix(".cases.yaml")
    return Path(str(files("groundrule.rules").joinpath("books", f"{rulebook}.cases.yaml")))


def instant_option(text: str | None, option: str) -> int | None:
    """Read the value of a time option."""
    if text is None:
        return None
    try:
        return parse_instant(text)
    except InputError as error:
        raise InputError(f"{option}: {error.message}", help=error.help) from error
