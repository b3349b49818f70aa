"""One generated night under rival accounts: what each would have left in the records, and what tells them apart.

The same fleet is decided once per account, each in a home of its own with the areas and registers that the account implies.
No account is chosen: the point is which records would have to exist to choose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundrule.areas.model import service_answer
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.history import observations_of
from groundrule.pipeline.home import basis_of, create_home
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.runs import Inputs, decide
from groundrule.records import OUTCOME_WORDS
from groundrule.simulate.incidents import Incident, RivalAccount, load_incident
from groundrule.store.history import read_run
from groundrule.store.home import Home
from groundrule.store.register_import import import_register
from groundrule.store.registers import Registers

RECENT_NS = 3_600 * NS_PER_S
"""An answer older than this is not given as the answer of a moment [ns]."""


@dataclass(frozen=True, slots=True)
class Played:
    """One account, decided.

    Attributes:
        account: what is told.
        home: where its records are; ordinary commands work on it.
        answers: per moment, how many watched terminals had which answer last, with its deciding rule.
        service: per area, the answer to "was it ever served?" at the last moment.
        manifest: digest of the run.
    """

    account: RivalAccount
    home: Home
    answers: dict[str, Counter[str]]
    service: dict[str, str]
    manifest: str


def play_incident(
    name: str, out: Path, *, seed: int = 2026, progress: Callable[[str, int], None] = lambda _step, _rows: None
) -> tuple[Incident, list[Played]]:
    """Decide an incident's fleet under each of its accounts.

    Args:
        name: of the incident.
        out: an empty directory; one home per account is made in it.
        seed: of the fleet.
    """
    incident = load_incident(name, seed=seed)
    return incident, [_play(incident, account, out / account.id, progress) for account in incident.accounts]


def _play(incident: Incident, account: RivalAccount, folder: Path, progress: Callable[[str, int], None]) -> Played:
    fleet = incident.fleet
    recorded_at_ns = fleet.start_ns - 3_600 * NS_PER_S
    home = create_home(folder / "home", areas=account.areas, home_id=f"{incident.name}-{account.id}")
    registers = Registers.open(home)
    with home.writer():
        for position, (kind, table) in enumerate(account.registers.items()):
            known = table.drop_columns(["kind"]) if kind == "terminals" and "kind" in table.column_names else table
            path = folder / f"{kind}.parquet"
            pq.write_table(known, path)
            import_register(
                registers,
                kind,
                path,
                recorded_at_ns=recorded_at_ns + position,
                actor="demo",
                rejected_folder=home.rejected,
            )
        registers.close()
        basis = basis_of(home, recorded_at_ns=recorded_at_ns + 10)
        with HomeLedger.open(home) as ledger:
            run = decide(
                home,
                Inputs(fleet.batches(), lambda: [{"name": f"generated: {incident.name}", "seed": fleet.seed}], dict),
                recorded_at_ns=recorded_at_ns + 10,
                progress=progress,
                basis=basis,
                ledger=ledger,
            )
    decisions = pa.concat_tables(
        [
            table.select(["terminal_id", "observed_at", "outcome", "state", "rule"])
            for table in read_run(home, "decisions", run.number)
        ]
    )
    watched = decisions.filter(pc.is_in(decisions["terminal_id"], pa.array(incident.watched)))
    answers = {moment: _last_answers(watched, at_ns) for moment, at_ns in incident.moments.items()}
    for moment, at_ns in incident.moments.items():
        if not answers[moment]:
            answers[moment] = _answers_as_of(home, basis, incident, at_ns)
    latest = max(incident.moments.values())
    service = {f"{area.id}: {area.name}": service_answer(area, latest).sentence for area in account.areas}
    return Played(account, home, answers, service, run.manifest)


def _answers_as_of(home: Home, basis: Basis, incident: Incident, at_ns: int) -> Counter[str]:
    """What the last reports of the watched terminals would be answered under the rules and lists of a later moment."""
    judge = Judge(basis)
    found: Counter[str] = Counter()
    for terminal in incident.watched:
        table = observations_of(home, terminal)
        if len(table):
            judged = judge.judge(table, as_of_ns=at_ns)
            position = int(judged.decided.rule[-1])
            rule = basis.rulebook.rules[position].id if position >= 0 else "default"
            found[
                f"no report then; its last ones would be {OUTCOME_WORDS[int(judged.decided.outcome[-1])]} ({rule})"
            ] += 1
    return found


def _last_answers(decisions: pa.Table, at_ns: int) -> Counter[str]:
    """Last answer of each terminal in the hour up to an instant, counted."""
    recent = pc.greater(decisions["observed_at"], at_ns - RECENT_NS)
    known = decisions.filter(pc.and_(pc.less_equal(decisions["observed_at"], at_ns), recent))
    rows: dict[str, dict[str, Any]] = {}
    for row in known.take(pc.sort_indices(known, [("observed_at", "ascending")])).to_pylist():
        rows[row["terminal_id"]] = row
    return Counter(
        f"{row['outcome']} ({row['rule'] if row['state'] == 'normal' else row['state'] + ', ' + row['rule']})"
        for row in rows.values()
    )


def moments_text(incident: Incident) -> dict[str, str]:
    """Moments of an incident as times."""
    return {name: format_instant(int(np.int64(at_ns))) for name, at_ns in incident.moments.items()}
