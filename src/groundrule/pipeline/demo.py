"""The demo: a generated fleet judged on real borders, explained, asked "what if", tampered with and drawn.

Everything runs through the same functions as the commands; the demo only strings them together. All persons, companies and
terminals are invented.
"""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from groundrule.errors import ConflictError
from groundrule.evidence.webmap import PageText, write_webmap
from groundrule.instant import NS_PER_S
from groundrule.pipeline.demo_detection import Detected, bring_areas, detected
from groundrule.pipeline.demo_proof import Proved, prove_and_alter
from groundrule.pipeline.demo_radio import Listened, chosen, demo_scenario, listen, listened
from groundrule.pipeline.demo_witnesses import DemoWitnesses
from groundrule.pipeline.detectors import detection_of
from groundrule.pipeline.explain import Found, explain_terminals
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.home import basis_of, create_home
from groundrule.pipeline.home_ledger import HomeLedger, LedgerSetup, new_signers
from groundrule.pipeline.judge import Basis, Judged
from groundrule.pipeline.last_seen import LastSeen
from groundrule.pipeline.runs import Counts, Inputs, Replay, Run, decide, replay
from groundrule.pipeline.tamper import Alteration, altered_decision
from groundrule.pipeline.whatif import WhatIf, what_if
from groundrule.rules.explain import Explainer, Explanation
from groundrule.rules.model import Rulebook
from groundrule.rules.text import read_rulebook
from groundrule.simulate.fleet import Fleet
from groundrule.simulate.scenario import generate_scenario
from groundrule.store.home import Home
from groundrule.store.register_import import import_register
from groundrule.store.registers import Registers

MARKER = ".groundrule-demo"
WHATIF_KM_H = 60
_RELEASE_KM_H = 55
INSTANTS = 10
"""Instants of the fleet that are decided at once; half a million rows at the demo's size."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made.

    Attributes:
        fleet: the generated fleet.
        home: its home; ordinary commands work on it.
        run: the committed run, with counts of answers and reasons.
        kinds: per kind of terminal, how many terminals gave each last answer.
        refusal, acceptance: one explanation each.
        radio: what radio said of those that are measured.
        detected: what detectors found, missed and said of innocents.
        whatif: who changes at 60 instead of 75 km/h over Ukraine.
        alteration, replay: the decision that was altered, and what replay found.
        proof: the receipt of the refusal, and what each check said about something that was altered.
        files: what was written, by name.
    """

    fleet: Fleet
    home: Home
    run: Run
    kinds: dict[str, Counter[str]]
    refusal: Found
    acceptance: Found
    radio: Listened
    detected: Detected
    whatif: WhatIf
    alteration: Alteration
    replay: Replay
    proof: Proved
    files: dict[str, Path]

    @property
    def counts(self) -> Counts:
        """Counts of the run."""
        return self.run.counts


def make_demo(
    out: Path,
    *,
    terminals: int = 50_000,
    minutes: float = 30,
    seed: int = 2026,
    progress: Callable[[str, int], None] = lambda _step, _rows: None,
) -> Demo:
    """Run the demo into a directory.

    Args:
        out: written anew if it holds an earlier demo.
        terminals, minutes, seed: of the fleet; the same values give the same bytes.
        progress: told of the rows or terminals done in each step.
    Raises:
        ConflictError: the directory holds something that is not a demo.
    """
    scenario = demo_scenario(terminals, minutes)
    prepare_folder(out)
    home_id = f"demo-{seed}-{terminals}-{minutes:g}"
    signers = new_signers(f"log.example/{home_id}")
    description = [{"name": "generated fleet", "seed": seed, "terminals": terminals, "minutes": f"{minutes:g}"}]
    # The witnesses start beside the making of the fleet.
    with DemoWitnesses(out / "witnesses", [str(signer.verifier) for signer in signers]) as witnesses:
        made = generate_scenario(scenario, seed)
        fleet = made.fleet
        recorded_at_ns = fleet.start_ns - 3_600 * NS_PER_S
        setup = LedgerSetup(signers=signers, policy=witnesses.policy())
        home = create_home(out / "home", home_id=home_id, ledger=setup)
        with home.writer():
            _import_registers(home, fleet, out, recorded_at_ns, progress)
            areas = bring_areas(home, made, out / "fleet")
            attendance, radio_files = listen(home, made, out / "fleet")
            basis = basis_of(home, recorded_at_ns=recorded_at_ns + 10)
            detection = detection_of(home, basis, recorded_at_ns=recorded_at_ns + 10)
            with HomeLedger.open(home) as ledger:
                run = decide(
                    home,
                    Inputs(fleet.batches(instants_per_batch=INSTANTS), lambda: description, dict, in_order=True),
                    recorded_at_ns=recorded_at_ns + 10,
                    progress=progress,
                    basis=basis,
                    ledger=ledger,
                    attendance=attendance,
                    detection=detection,
                )
    other = variant(basis.rulebook)
    files = {"other rulebook": out / "world-2026-60-km-h.yaml"} | ({} if areas is None else {"areas": areas})
    files["other rulebook"].write_text(other.text, encoding="utf-8")
    after = basis_of(home, recorded_at_ns=recorded_at_ns + 10, rulebook=other, registers=basis.registers)

    def tamper_and_replay() -> None:
        # Replay needs none of what follows, and works mostly outside of the interpreter's lock.
        with altered_decision(home, run.number, since_ns=fleet.start_ns) as alteration:
            shown.append((alteration, replay(home, progress=progress)))

    shown: list[tuple[Alteration, Replay]] = []
    thread = threading.Thread(target=tamper_and_replay)
    thread.start()
    last: list[LastSeen] = []

    def keep(first: Judged, second: Judged) -> None:
        last[0].add(first)
        last[1].add(second)

    whatif = what_if(
        all_observations(home), basis, after, progress=progress, started=lambda judges: last.extend(map(LastSeen, judges)),
        seen=keep,
    )  # fmt: skip
    kinds, asked, answers = _by_kind(fleet, basis, last[0], whatif)
    files |= _draw(out, fleet, basis, last, whatif, run, progress)
    liar, jammed = chosen(fleet.kinds, answers)
    found = explain_terminals(home, [name for name in (asked["refusal"], asked["acceptance"], liar, jammed) if name], basis)
    radio = listened(attendance, fleet.kinds, found.get(liar or ""), found.get(jammed or ""), radio_files)
    seen = detected(
        home, made, detection, basis.registers, start_ns=fleet.start_ns, recorded_at_ns=recorded_at_ns + 10
    )
    thread.join()
    alteration, again = shown[0]
    proof = prove_and_alter(home, run, asked["refusal"], out)
    files |= {"receipt": proof.receipt, "policy": proof.policy}
    refusal, acceptance = found[asked["refusal"]], found[asked["acceptance"]]
    return Demo(fleet, home, run, kinds, refusal, acceptance, radio, seen, whatif, alteration, again, proof, files)


def variant(book: Rulebook, km_h: int = WHATIF_KM_H) -> Rulebook:
    """Return the rulebook with another speed limit over Ukraine."""
    old = "speed_km_h: {above: 75, release_below: 70, for_s: 30}"
    new = f"speed_km_h: {{above: {km_h}, release_below: {_RELEASE_KM_H}, for_s: 30}}"
    if old not in book.text:
        raise AssertionError("the shipped rulebook has no rule of 75 km/h")
    return read_rulebook(
        book.text.replace(old, new).replace("\nversion: 1\n", "\nversion: 2\n"), file="world-2026-60-km-h.yaml"
    )


def prepare_folder(out: Path) -> None:
    """Empty a directory of an earlier demo, or make it.

    Raises:
        ConflictError: it holds something that is not a demo.
    """
    if out.exists() and any(out.iterdir()):
        if not (out / MARKER).exists():
            raise ConflictError(
                f"`{out}` holds something that is not a demo", help="name another directory with --out", path=str(out)
            )
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARKER).write_text("This directory is written anew by every demo.\n", encoding="utf-8")


def _import_registers(
    home: Home, fleet: Fleet, out: Path, recorded_at_ns: int, progress: Callable[[str, int], None]
) -> None:
    folder = out / "fleet"
    folder.mkdir()
    registers = Registers.open(home)
    for position, (kind, table) in enumerate(fleet.registers.items()):
        # The simulation's truth stays out of the register: nobody would have it.
        known = table.drop_columns(["kind"]) if kind == "terminals" and "kind" in table.column_names else table
        path = folder / f"{kind}.parquet"
        pq.write_table(known, path)
        report = import_register(
            registers, kind, path, recorded_at_ns=recorded_at_ns + position, actor="demo", rejected_folder=home.rejected
        )
        progress("register", report.inserted)
    registers.close()


def _by_kind(
    fleet: Fleet, basis: Basis, last: LastSeen, whatif: WhatIf
) -> tuple[dict[str, Counter[str]], dict[str, str], dict[str, str]]:
    """Count last answers by kind, choose which terminals to explain, and return the last outcome of each."""
    rows = last.rows()
    ids = basis.registers.ids_of(rows.astype(np.int32)).to_pylist()
    outcomes, states = last.answers(rows)
    truth = fleet.kinds
    kinds: dict[str, Counter[str]] = {}
    changed = {item["terminal_id"] for item in whatif.changed}
    refusals: dict[str, str] = {}
    acceptances: dict[str, str] = {}
    for name, outcome, state in zip(ids, outcomes, states, strict=True):
        kind = truth.get(name, "unknown")
        kinds.setdefault(kind, Counter())[outcome if state == "normal" else state] += 1
        if outcome == "deny":
            refusals.setdefault(kind, name)
        elif name in changed:
            acceptances.setdefault(kind, name)
    # The kinds that the question is about, or the first there is in a very small fleet.
    refusal = next((refusals[kind] for kind in ("drone", *refusals) if kind in refusals), ids[0])
    wanted = ("hospital_bus", "train_untagged", *acceptances)
    acceptance = next((acceptances[kind] for kind in wanted if kind in acceptances), ids[-1])
    return kinds, {"refusal": refusal, "acceptance": acceptance}, dict(zip(ids, outcomes, strict=True))


def _draw(
    out: Path,
    fleet: Fleet,
    basis: Basis,
    last: list[LastSeen],
    whatif: WhatIf,
    run: Run,
    progress: Callable[[str, int], None],
) -> dict[str, Path]:
    from groundrule.evidence.maps import outcome_map_png, whatif_map_png  # noqa: PLC0415 - slow to load; other commands draw nothing

    rows = last[0].rows()
    outcome, state = last[0].answers(rows)
    lat, lon = last[0].columns["lat"][rows], last[0].columns["lon"][rows]
    files = {
        name: out / f"{name.replace(' ', '-')}.{end}"
        for name, end in (("map", "png"), ("what-if map", "png"), ("page", "html"))
    }
    note = "Generated fleet; every person, company and terminal is invented"
    points = {"lat_deg": lat, "lon_deg": lon, "outcome": outcome, "state": state}
    # The pictures are drawn in a process of their own while this one finds words.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as painter:
        pictures = [
            painter.submit(
                outcome_map_png, points, files["map"],
                title=f"{len(rows):,} terminals under {basis.rulebook.id}", subtitle=note,
            ),
            painter.submit(
                whatif_map_png, whatif.changed, files["what-if map"],
                title=f"{len(whatif.changed):,} terminals change at {WHATIF_KM_H} instead of 75 km/h over Ukraine",
                subtitle=note, others=points,
            ),
        ]  # fmt: skip
        _write_page(files["page"], fleet, basis, last, whatif, run, note, rows, progress)
        for picture in pictures:
            picture.result()
    return files


def _write_page(
    path: Path,
    fleet: Fleet,
    basis: Basis,
    last: list[LastSeen],
    whatif: WhatIf,
    run: Run,
    note: str,
    rows: np.ndarray,
    progress: Callable[[str, int], None],
) -> None:
    ids = basis.registers.ids_of(rows.astype(np.int32)).to_pylist()
    truth = fleet.kinds
    outcome, state = last[0].answers(rows)
    lat, lon = last[0].columns["lat"][rows], last[0].columns["lon"][rows]
    explained = last[0].explain(rows, Explainer(basis.rulebook), progress=lambda n: progress("explain", n))
    touched = {item["terminal_id"] for item in whatif.changed}
    changed = np.array([position for position, name in enumerate(ids) if name in touched], np.int64)
    after = (
        dict(
            zip(changed.tolist(), last[1].explain(rows[changed], Explainer(last[1].judge.basis.rulebook)), strict=True)
        )
        if len(changed)
        else {}
    )
    after_all = [after.get(position, item) for position, item in enumerate(explained)]
    # Terminals share explanations, so each is put into words once.
    words = {id(item): (_why(item), _why_not(item)) for item in {id(i): i for i in (*explained, *after_all)}.values()}
    terminals: dict[str, Any] = {
        "id": ids,
        "lat": lat.tolist(),
        "lon": lon.tolist(),
        "kind": [truth.get(name, "unknown").replace("_", " ") for name in ids],
        "outcome": outcome,
        "state": state,
        "reason": [item.reason for item in explained],
        "why": [words[id(item)][0] for item in explained],
        "why_not": [words[id(item)][1] for item in explained],
        "after_outcome": [item.outcome.word for item in after_all],
        "after_state": [item.state.value for item in after_all],
        "after_reason": [item.reason for item in after_all],
        "after_why": [words[id(item)][0] for item in after_all],
        "after_why_not": [words[id(item)][1] for item in after_all],
    }
    text = PageText(
        title=f"Groundrule: {len(rows):,} terminals under {basis.rulebook.id}",
        subtitle=f"{note}. Decisions {run.decisions[:19]}…",
        before="75 km/h over Ukraine",
        after=f"{WHATIF_KM_H} km/h over Ukraine",
    )
    write_webmap(path, terminals, text=text)


def _why(item: Explanation) -> list[str]:
    lines = []
    for rule in item.applied:
        found = f": {'; '.join(rule.findings)}" if rule.findings else ""
        lines.append(f"{'decides' if rule.decisive else 'also applies'}: {rule.rule_id} ({rule.outcome.word}){found}")
    return lines


def _why_not(item: Explanation) -> list[str]:
    lines = [
        f"{miss.rule_id} ({miss.outcome.word}): {miss.note or 'did not hold: ' + miss.sentence()}"
        for miss in item.nearest
    ]
    lines += [f"to be served: {line}" for line in item.relief]
    return lines
