"""docs/benchmarks.md and its plots, made whole from the results that are kept and the texts that a person wrote.

The same results and texts give the same bytes: nothing is measured, asked or dated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from report.described import Described, Page, read_page
from report.plots import MISSED, OURS, Bar, bars, in_few_digits, plot_of
from report.results import Machine, Result, read_results

OVERVIEW = "goals.svg"


def write_page(texts: Path, results: Path, page: Path) -> None:
    """Write the page and its plots.

    Args:
        texts: page.toml. results: folder of results and plots. page: the Markdown file beside that folder.
    """
    files = made(read_page(texts), read_results(results), results.name)
    for old in results.glob("*.svg"):
        if f"{results.name}/{old.name}" not in files:
            old.unlink()
    for name, content in files.items():
        (page if not name else page.parent / name).write_bytes(content)


def made(texts: Page, results: Mapping[str, Result], folder: str) -> dict[str, bytes]:
    """Return the page under an empty name, and each plot by its path from the page's folder."""
    known = [each.name for each in texts.benchmarks]
    described = [*texts.benchmarks, *(Described(name, "", "", "") for name in sorted(results) if name not in known)]
    files: dict[str, bytes] = {}
    files[""] = ("\n".join(_lines(texts, described, results, folder, files)).rstrip() + "\n").encode("utf-8")
    return files


def _lines(
    texts: Page, described: list[Described], results: Mapping[str, Result], folder: str, files: dict[str, bytes]
) -> Iterator[str]:
    yield "<!-- Written by benchmarks/run_all.py; change benchmarks/page.toml or run a benchmark, not this file. -->"
    yield from ("# Benchmarks", "", texts.intro, "")
    yield from ("| benchmark | what | peer | goal |", "|---|---|---|---|")
    for each in described:
        yield f"| [{each.name}](../benchmarks/{each.name}.py) | {_one_line(each.what)} | {_one_line(each.peer)} | {_one_line(each.goal)} |"
    yield from ("", texts.after, "", "## Goals and what was found", "")
    yield "Ratios, counts and rates as each benchmark found them; a range, where it gives one, is over its rounds. Load is that of the last"
    yield "minute over all cores, before and after; `–` was not recorded. A `+` says that files differed from the commit."
    yield from ("", "| benchmark | figure | goal | found | range | | load | date | commit |", "|---|---|---|---|---|---|---|---|---|")
    yield from _goals(described, results)
    overview = _overview(described, results)
    if overview:
        files[f"{folder}/{OVERVIEW}"] = bars("times better than the goal (below 1 it is missed)", overview, log=True, line=1.0)
        yield from ("", f"![What was found over its goal, for each goal that is a number]({folder}/{OVERVIEW})")
    yield from ("", "## The machine", "")
    yield from _machines(described, results)
    yield from ("## Figures", "", texts.figures)
    for each in described:
        if not each.separate:
            yield from _section(each, results.get(each.name), folder, files)


def _goals(described: list[Described], results: Mapping[str, Result]) -> Iterator[str]:
    for each in described:
        result = results.get(each.name)
        if result is None:
            if not each.separate:
                yield f"| {each.name} | *no result is kept* | | | | | | | |"
            continue
        flat = result.flat
        load = f"{_amount(result.load_before)} → {_amount(result.load_after)}"
        when = f"{load} | {result.date} | {result.commit or '–'} |"
        shown = [goal for goal in each.goals if goal.figure in flat]
        for goal in shown:
            value = flat[goal.figure]
            low_high = flat.get(f"{goal.figure}_range")
            found = "yes" if value is True else "no" if value is False else _shown(value)
            over = f"{_shown(low_high[0])} to {_shown(low_high[1])}" if low_high else ""
            yield f"| {each.name} | {goal.name} | {goal.text} | {found} | {over} | {'met' if goal.met(value) else '**missed**'} | {when}"
        if not shown:
            yield f"| {each.name} | all of them together | | | | {'met' if result.exit_code == 0 else '**missed**'} | {when}"


def _overview(described: list[Described], results: Mapping[str, Result]) -> list[Bar]:
    found = []
    for each in described:
        flat = results[each.name].flat if each.name in results else {}
        for goal in each.goals:
            share = goal.share(flat[goal.figure]) if goal.figure in flat else None
            if share is not None:
                found.append(Bar(f"{each.name}: {goal.name}", share, OURS if share >= 1 else MISSED, in_few_digits(share)))
    return found


def _machines(described: list[Described], results: Mapping[str, Result]) -> Iterator[str]:
    """Each machine once, with what ran on it."""
    order = [each.name for each in described if each.name in results]
    machines: list[tuple[Machine, list[str]]] = []
    for name in order:
        machine = results[name].machine
        held = next((names for other, names in machines if other == machine), None)
        if held is None:
            machines.append((machine, [name]))
        else:
            held.append(name)
    for machine, names in machines:
        memory = f"{machine.memory_gb:g} GB" if machine.memory_gb is not None else "not recorded"
        packages = ", ".join(f"{name} {text}" for name, text in machine.packages.items()) or "not recorded"
        yield from ("| | |", "|---|---|", f"| benchmarks | {', '.join(names)} |")
        yield f"| processor | {machine.processor}, {machine.cores} cores, {machine.system} |"
        yield from (f"| memory | {memory} |", f"| Python | {machine.python} |", f"| packages | {packages} |", "")


def _section(each: Described, result: Result | None, folder: str, files: dict[str, bytes]) -> Iterator[str]:
    yield from ("", f"### {each.name}", "")
    if each.notes:
        yield from (each.notes, "")
    if result is None:
        yield "No result is kept."
        return
    flat = result.flat
    for number, plot in enumerate(each.plots, 1):
        name = f"{folder}/{each.name}{'' if len(each.plots) == 1 else f'-{number}'}.svg"
        if any(isinstance(flat.get(figure), int | float) for _, figure in plot.bars):
            files[name] = plot_of(flat, plot)
            yield from (f"![{each.name}: {plot.title}]({name})", "")
    verdict = "every goal met" if result.exit_code == 0 else f"**a goal was missed, exit code {result.exit_code}**"
    spent = "" if result.spent_s is None else f"; took {result.spent_s:,.0f} s"
    yield f"{result.date}; arguments: {' '.join(result.arguments) or 'defaults'}{spent}; {verdict}."
    yield from ("", "| what | value |", "|---|---|")
    for name, value in flat.items():
        if name == "benchmark" or (name.endswith("_range") and name.removesuffix("_range") in flat):
            continue
        low_high = flat.get(f"{name}_range")
        over = f" ({_shown(low_high[0])} to {_shown(low_high[1])})" if low_high else ""
        yield f"| {name} | {_shown(value)}{over} |"


def _shown(value: object) -> str:
    """A value as it stands in a table."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).replace("|", "\\|")
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _amount(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _one_line(text: Any) -> str:
    return " ".join(str(text).split())
