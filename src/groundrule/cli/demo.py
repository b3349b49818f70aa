"""`groundrule demo`."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from groundrule.cli.against_truth import print_comparison, print_policies
from groundrule.cli.counted import counts_dict, print_counts
from groundrule.cli.explain import place_dict, place_sentence
from groundrule.cli.output import OutputJson, print_json, print_table, print_text, progress
from groundrule.cli.replay import difference_dict, difference_sentence, print_whatif, whatif_dict
from groundrule.cli.serve import serve_demo
from groundrule.cli.story import play_story
from groundrule.errors import InputError
from groundrule.instant import format_instant
from groundrule.pipeline.demo import Demo, make_demo, prepare_folder
from groundrule.pipeline.explain import Found
from groundrule.simulate.governance_incidents import STORIES, load_story


class Incident(StrEnum):
    """Incidents: two whose rival accounts are played, and two stories of governance."""

    BLACK_SEA = "black-sea"
    DRONES = "drones"
    TAIWAN = "taiwan"
    CONTACTS = "contacts"
    FRONT = "front"


def demo(
    out: Annotated[Path, typer.Option("--out", help="Directory to write; an earlier demo in it is replaced.")] = Path(
        "demo-out"
    ),
    terminals: Annotated[int, typer.Option("--terminals", help="Size of the generated fleet.")] = 50_000,
    minutes: Annotated[
        float, typer.Option("--minutes", help="How long the fleet is watched, at one report in 15 s.")
    ] = 30,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bytes.")] = 2026,
    incident: Annotated[
        Incident | None, typer.Option("--incident", help="Play one incident instead: under rival accounts, or as a story of governance.")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Then serve it on this machine alone: console and API, until Ctrl-C.")] = False,
    as_json: OutputJson = False,
) -> None:
    """Judge a generated fleet on real borders: answers, reasons, why and why not, what-if, replay, maps. No network."""
    started = time.perf_counter()
    if incident is not None:
        if (terminals, minutes) != (50_000, 30):
            raise InputError("an incident has its own fleet and duration", help="leave out --terminals and --minutes")
        if incident.value in STORIES:
            folder = out / incident.value
            prepare_folder(folder)
            play_story(load_story(incident.value), folder, as_json=as_json)
            if serve:
                serve_demo(folder / "home")
            return
        from groundrule.cli.incident import play  # noqa: PLC0415 - only this option needs it

        play(incident.value, out, seed=seed, as_json=as_json)
        return
    with progress() as report:
        made = make_demo(out, terminals=terminals, minutes=minutes, seed=seed, progress=report)
    if as_json:
        print_json(_as_dict(made))
    else:
        _print(made, out, time.perf_counter() - started)
    if serve:
        serve_demo(out / "home")


def _print(made: Demo, out: Path, elapsed_s: float) -> None:
    print_text("A generated fleet on real borders. Every person, company and terminal in it is invented.", style="bold")
    print_text()
    print_counts(made.counts)
    print_text()
    answers = ["serve", "restrict", "review", "deny", "pending_registration", "never_served"]
    rows = [
        [kind.replace("_", " "), *(counter.get(a, 0) for a in answers)] for kind, counter in sorted(made.kinds.items())
    ]
    print_table(["kind of terminal, last answer", *[a.replace("_", " ") for a in answers]], rows)
    for title, found in (("Why is this terminal refused?", made.refusal), ("Why is this one not?", made.acceptance)):
        print_text()
        print_text(title, style="bold")
        print_text(f"{found.terminal_id} at {format_instant(found.observed_at_ns)}: {place_sentence(found)}")
        print_text(found.explanation.as_text())
    _print_radio(made)
    _print_detected(made, out)
    print_text()
    print_text("Who would fall off if the limit over Ukraine were 60 instead of 75 km/h?", style="bold")
    print_whatif(made.whatif)
    print_text()
    print_text("One stored decision altered, then replayed:", style="bold")
    print_text(
        f"{made.alteration.before} → {made.alteration.after} for {made.alteration.terminal_id} at "
        f"{format_instant(made.alteration.observed_at_ns)} in {made.alteration.path.name}"
    )
    if made.replay.difference:
        print_text(f"replay finds it. {difference_sentence(made.replay.difference)}", style="green")
    print_text("The file has been put back.")
    print_text()
    _print_proof(made)
    print_text()
    for name, path in made.files.items():
        print_text(f"{name}: {path}")
    print_text(f"manifest: {made.run.manifest}")
    print_text()
    print_text(f"Done in {elapsed_s:.0f} s. Try:", style="bold")
    print_text(f"  groundrule explain {made.acceptance.terminal_id} --home {out / 'home'} --for owner")
    print_text(f"  groundrule whatif --rules {made.files['other rulebook']} --home {out / 'home'}")
    print_text(f"  groundrule replay --home {out / 'home'}")
    print_text(f"  groundrule ledger verify {made.proof.receipt}")


def _print_radio(made: Demo) -> None:
    radio = made.radio
    print_text()
    print_text("Who is where he says he is? Some terminals are measured by radio:", style="bold")
    words = ["consistent", "inconsistent", "ambiguous", "insufficient", "fault"]
    rows = [[kind.replace("_", " "), *(counter.get(word, 0) for word in words)] for kind, counter in radio.verdicts.items()]
    print_table(["kind of terminal, verdicts", *words], rows)
    print_text(
        f"Satellite navigation was found disturbed in {radio.areas} areas; {radio.attendance.suspended:,} positions reported from there "
        "were set aside."
    )
    for title, found in (
        ("Why is this one refused, which claims Lublin?", radio.liar),
        ("Why is this one served, whose satellite navigation fails?", radio.jammed),
    ):
        if found is not None:
            print_text()
            print_text(title, style="bold")
            print_text(f"{found.terminal_id} at {format_instant(found.observed_at_ns)}: {place_sentence(found)}")
            print_text(found.explanation.as_text())


def _print_detected(made: Demo, out: Path) -> None:
    found = made.detected
    print_text()
    print_text("Who is not what he claims to be? Detectors, held against the truth, which they never saw:", style="bold")
    print_comparison(found.truth)
    print_text(f"{found.withdrawn:,} findings were withdrawn: their terminals' satellite navigation turned out to be disturbed.")
    if found.cases:
        print_text(f"The gravest of them, as a person sees it: groundrule cases show {found.cases[0].id} --home {out / 'home'}")
    print_text()
    print_text("What would simple policies do to the same terminals?", style="bold")
    print_policies(found.policies)


def _print_proof(made: Demo) -> None:
    proof = made.proof
    print_text("Can this be checked without trusting us?", style="bold")
    seen = sorted(proof.verified.checked.times)
    print_text(
        f"Every answer is in a log of {proof.committed.size:,} entries; its head was cosigned by {len(seen)} witnesses in "
        f"processes of their own ({', '.join(seen)})."
    )
    print_text(
        f"The receipt of {proof.issued.terminal_id} ({proof.issued.fields['outcome']}, entry {proof.issued.batch_index}) is "
        "verified with the receipt and the policy file alone. Altered in turn, and found:"
    )
    for what, said in proof.findings:
        print_text(f"  {what}: {said}", style="green")
    print_text("Both have been put back. One command verifies the receipt, also on another machine:")
    print_text(f"  groundrule ledger verify {proof.receipt}", style="bold")
    print_text("or, without any of our software: python tools/groundrule_verify.py "
               f"{proof.receipt} --policy {proof.policy}")


def _explained(found: Found | None) -> dict[str, object] | None:
    return None if found is None else {"terminal": found.terminal_id, **found.explanation.as_dict(), **place_dict(found)}


def _as_dict(made: Demo) -> dict[str, object]:
    return {
        "counts": counts_dict(made.counts),
        "kinds": {kind: dict(counter) for kind, counter in sorted(made.kinds.items())},
        "refusal": _explained(made.refusal),
        "acceptance": _explained(made.acceptance),
        "radio": {
            "verdicts": {kind: dict(counter) for kind, counter in made.radio.verdicts.items()},
            "disturbed_areas": made.radio.areas,
            "suspended_rows": made.radio.attendance.suspended,
            "liar": _explained(made.radio.liar),
            "jammed": _explained(made.radio.jammed),
        },
        "detected": {
            "signals": made.detected.counts, "withdrawn": made.detected.withdrawn, "cases": len(made.detected.cases),
            "truth": made.detected.truth.value, "policies": [each.value for each in made.detected.policies],
        },
        "whatif": whatif_dict(made.whatif),
        "altered": {"terminal": made.alteration.terminal_id, "before": made.alteration.before, "after": made.alteration.after},
        "log": {
            "size": made.proof.committed.size,
            "witnesses": sorted(made.proof.verified.checked.times),
            "receipt": str(made.proof.receipt),
            "policy": str(made.proof.policy),
            "altered": dict(made.proof.findings),
        },
        "replay": {"identical": made.replay.identical, "difference": difference_dict(made.replay.difference)},
        "manifest": made.run.manifest,
        "decisions": made.run.decisions,
        "files": {name: str(path) for name, path in made.files.items()},
    }  # fmt: skip
