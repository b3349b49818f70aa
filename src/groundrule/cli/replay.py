"""`groundrule replay` and `groundrule whatif`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.engine import Checkpoint, Engine, Master, Partitions, checkpoint_at, cluster_of
from groundrule.cli.output import (
    DEFAULT_HOME,
    HomeOption,
    OutputJson,
    print_json,
    print_table,
    print_text,
    progress,
    warn,
)
from groundrule.cli.rules import instant_option
from groundrule.errors import InputError
from groundrule.instant import format_instant
from groundrule.pipeline.comparing import Bounds
from groundrule.pipeline.emergency_overlay import Clocks, overlay_now
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.home import basis_of, rulebook_of
from groundrule.pipeline.replaying import ErasedRows
from groundrule.pipeline.runs import Difference
from groundrule.pipeline.runs import replay as replay_home
from groundrule.pipeline.whatif import WhatIf, what_if
from groundrule.rules.compare import compare
from groundrule.rules.text import load_rulebook
from groundrule.store.home import Home

MOST_LINES = 20
"""More runs from which something was erased are told together."""
From = Annotated[str | None, typer.Option("--from", help="Only observations at or after this time.")]
To = Annotated[str | None, typer.Option("--to", help="Only observations before this time.")]


def replay(
    home: HomeOption = DEFAULT_HOME,
    from_: From = None,
    to: To = None,
    engine: Engine = None,
    master: Master = None,
    partitions: Partitions = None,
    checkpoint: Checkpoint = None,
    as_json: OutputJson = False,
) -> None:
    """Decide the stored observations again and compare every stored decision; exits 1 at the first difference."""
    place = Home.open(home)
    bounds = instant_option(from_, "--from"), instant_option(to, "--to")
    with cluster_of(engine, master, partitions, checkpoint) as cluster, progress() as report:
        decider = None
        if cluster is not None:
            from groundrule.engines.distributed import DistributedReplay  # noqa: PLC0415 - only clusters need it

            decider = DistributedReplay(cluster, partitions, checkpoint_at(checkpoint))
        found = replay_home(place, from_ns=bounds[0], until_ns=bounds[1], progress=report, decider=decider)
    result = {
        "identical": found.identical,
        "runs": found.runs,
        "decisions": found.rows,
        "difference": difference_dict(found.difference),
        "faults": list(found.faults),
        "notes": list(found.notes),
        "erased": [
            {"run": each.run, "erasure": each.erasure, "at": each.at, "basis": each.basis, "rows": dict(each.rows)} for each in found.erased
        ],
    }
    if as_json:
        print_json(result)
    else:
        for line in _erased_lines(found.erased):
            print_text(line)
        for note in found.notes:
            warn(note)
        for fault in found.faults:
            print_text(fault, style="red")
        if found.difference:
            print_text(difference_sentence(found.difference), style="red")
        if found.identical:
            print_text(
                f"{found.rows:,} decisions of {found.runs} runs follow from their observations, byte for byte.",
                style="green",
            )
    if not found.identical:
        raise typer.Exit(1)


def _erased_lines(erased: Sequence[ErasedRows]) -> Iterator[str]:
    """What was erased, run by run; of many runs, erasure by erasure."""
    if len(erased) <= MOST_LINES:
        for each in erased:
            yield f"Erased from run {each.run}: {_rows(each.rows)}; erasure {each.erasure} at {each.at[:19]}Z, {each.basis}"
        return
    for _, group in groupby(sorted(erased, key=lambda each: each.erasure), key=lambda each: each.erasure):
        some = list(group)
        rows = {kind: sum(each.rows.get(kind, 0) for each in some) for kind in ("observations", "decisions", "over_late")}
        yield (
            f"Erased from {len(some):,} runs: {_rows(rows)}; erasure {some[0].erasure} at {some[0].at[:19]}Z, {some[0].basis}; "
            "--json says it run by run"
        )


def _rows(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {kind.replace('_', '-')}" for kind, number in rows.items() if number)


def difference_dict(difference: Difference | None) -> dict[str, Any] | None:
    """A difference as JSON."""
    if difference is None:
        return None
    fields = {name: getattr(difference, name) for name in Difference.__slots__}
    return {**fields, "observed_at": format_instant(difference.observed_at_ns)}


def difference_sentence(difference: Difference) -> str:
    """A difference in words."""
    return (
        f"Run {difference.run}, decision {difference.row:,}: terminal {difference.terminal_id} at "
        f"{format_instant(difference.observed_at_ns)}: {difference.field} is stored as `{difference.stored}` and the "
        f"observations give `{difference.recomputed}`."
    )


def whatif(
    rules: Annotated[str | None, typer.Option("--rules", help="The other rulebook: shipped name or file.")] = None,
    coverage: Annotated[
        str | None,
        typer.Option(
            "--coverage",
            help="Instead: which constellations (those of --constellation, or all for traffic) could cover this area, and who is cut.",
        ),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    from_: From = None,
    to: To = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Apply both rulebooks as of this time.")] = None,
    map_: Annotated[
        Path | None, typer.Option("--map", help="Draw the terminals that change into this PNG; or the coverage, as .png or .svg.")
    ] = None,
    orbits: Annotated[
        list[Path] | None, typer.Option("--orbits", help="Coverage: use these elements instead of the home's; repeatable.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", help="Coverage: from this time; the default is now.")] = None,
    hours: Annotated[float, typer.Option("--hours", help="Coverage: for so long [h].")] = 24.0,
    step_s: Annotated[float, typer.Option("--step-s", help="Coverage: look so often [s].")] = 120.0,
    mask_deg: Annotated[float, typer.Option("--mask-deg", help="Coverage: lowest elevation [degree].")] = 25.0,
    points: Annotated[int, typer.Option("--points", help="Coverage: at most so many points of the area.")] = 400,
    constellation: Annotated[
        list[str] | None, typer.Option("--constellation", help="Coverage: only this one; repeatable; the default leaves out navigation.")
    ] = None,
    own: Annotated[str | None, typer.Option("--own", help="Coverage: the home's own constellation, for instance starlink.")] = None,
    cell_resolution: Annotated[
        int, typer.Option("--cell-resolution", min=0, max=9, help="Coverage: H3 resolution that the network's cells have.")
    ] = 5,
    engine: Engine = None,
    master: Master = None,
    partitions: Partitions = None,
    checkpoint: Checkpoint = None,
    as_json: OutputJson = False,
) -> None:
    """Count who would change under another rulebook: by answer, country, plan, programme and protected class.

    With --coverage instead: for what share of a day each loaded constellation stands over an area, by geometry alone, and how many
    terminals outside the area would lose service if the cells that touch it were cut rather than terminals denied.
    """
    if (rules is None) == (coverage is None):
        raise InputError("say what if: one of --rules and --coverage", help="for instance --rules world-2026, or --coverage country:UA")
    opening = cluster_of(engine, master, partitions, checkpoint)
    if coverage is not None and engine is not None:
        raise InputError("--coverage is worked out on this machine", help="leave out --engine and --master", field="--engine")
    if coverage is not None:
        from groundrule.cli.coverage import Asked, whatif_coverage  # noqa: PLC0415 - only this needs orbits

        whatif_coverage(
            Asked(
                area=coverage, home=home, elements=orbits, at_ns=instant_option(at, "--at"), hours=hours, step_s=step_s, mask_deg=mask_deg,
                points=points, constellations=tuple(constellation or ()), own=own, cell_resolution=cell_resolution, map_path=map_,
            ),
            as_json=as_json,
        )
        return
    assert rules is not None
    place = Home.open(home)
    book = load_rulebook(rules)
    moment = time.time_ns()
    overlay = overlay_now(place, Clocks.now(moment))
    bounds, as_of_ns = Bounds(instant_option(from_, "--from"), instant_option(to, "--to")), instant_option(as_of, "--as-of")
    present = rulebook_of(place)
    with opening as cluster, progress() as report:
        if cluster is not None:
            from groundrule.engines.distributed import distributed_what_if  # noqa: PLC0415 - only clusters need it

            found = distributed_what_if(
                place, book, cluster, recorded_at_ns=moment, overlay=overlay, bounds=bounds, as_of_ns=as_of_ns,
                buckets=partitions, progress=report, checkpoint=checkpoint_at(checkpoint),
            )  # fmt: skip
        else:
            before = replace(basis_of(place, recorded_at_ns=moment, rulebook=present), overlay=overlay)
            after = replace(
                basis_of(place, recorded_at_ns=moment, rulebook=book, registers=before.registers), overlay=overlay
            )
            found = what_if(
                all_observations(place, from_ns=bounds.from_ns, until_ns=bounds.until_ns), before, after, as_of_ns=as_of_ns,
                progress=report,
            )  # fmt: skip
    if map_:
        from groundrule.evidence.maps import whatif_map_png  # noqa: PLC0415 - slow to load, and only this draws

        whatif_map_png(found.changed, map_, title=f"{len(found.changed):,} terminals change under {book.id}")
    if as_json:
        print_json(whatif_dict(found))
        return
    print_text("What the other rulebook changes:")
    for change in compare(present, book):
        print_text(f"  {change}")
    print_text()
    print_whatif(found)
    if map_:
        print_text(f"Map: {map_}")


def whatif_dict(found: WhatIf) -> dict[str, Any]:
    """A what-if as JSON."""
    return {
        "terminals": found.terminals,
        "observations": found.observations,
        "changed_observations": found.changed_observations,
        "changed_terminals": len(found.changed),
        "by": {name: dict(counter.most_common()) for name, counter in found.by.items()},
        "changed": found.changed,
    }


def print_whatif(found: WhatIf, *, examples: int = 5) -> None:
    """Print who changes."""
    print_text(
        f"{len(found.changed):,} of {found.terminals:,} terminals change, in {found.changed_observations:,} of "
        f"{found.observations:,} observations."
    )
    if not found.changed:
        return
    for name, title in (
        ("change", "strictest answer"), ("rule_after", "deciding rule afterwards"), ("country", "country"), ("plan", "plan"),
        ("programme", "programme"), ("class", "protected class"),
    ):  # fmt: skip
        rows = found.by[name].most_common(8)
        rest = sum(found.by[name].values()) - sum(count for _, count in rows)
        print_table([title, "terminals"], [[key, count] for key, count in rows] + ([["others", rest]] if rest else []))
        print_text()
    for item in found.changed[:examples]:
        print_text(
            f"  {item['terminal_id']}: {item['before']} ({item['rule_before']}) → {item['after']} ({item['rule_after']})"
            f" in {item['country']}, plan {item['plan']}"
        )
    if len(found.changed) > examples:
        print_text(f"  … and {len(found.changed) - examples:,} more; --json lists all")
