"""From a home to its oversight report: every question in its order, answered or listed with what would be needed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pyarrow.parquet as pq

from groundrule.canon import digest_bytes
from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.evidence.oversight import QUESTIONS, Answer, Edition, Inputs, Report, open_only
from groundrule.instant import NS_PER_DAY, format_instant
from groundrule.ledger.aggregate import DELAY_NS, AggregateFile
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.manifests import manifest_path, runs
from groundrule.pipeline.oversight import dealings, powers, service
from groundrule.pipeline.oversight.counts import IntervalCounts, days_of
from groundrule.pipeline.oversight.fleet import read_fleet, tag_decisions
from groundrule.pipeline.oversight.log_view import view_log
from groundrule.pipeline.oversight.public import count_public, public_answers
from groundrule.pipeline.oversight.service import History
from groundrule.pipeline.oversight.sheet import Desk, not_answered
from groundrule.store.history import day_files
from groundrule.store.home import Home
from groundrule.store.places import parquet_source
from groundrule.store.workplace import workplace


@dataclass(frozen=True, slots=True)
class Made:
    """A report, and for the public edition what is sealed about it."""

    report: Report
    sealed: AggregateFile | None


def check_interval(from_ns: int, until_ns: int, *, edition: Edition, now_ns: int) -> None:
    """Refuse an interval that cannot be reported about.

    Raises:
        InputError: it is empty, ends before it begins or lies in the future; or a public one is not of whole days.
        ConflictError: it is too early for a public one.
    """
    if until_ns <= from_ns:
        what = "is empty" if until_ns == from_ns else "ends before it begins"
        raise InputError(
            f"the interval from {format_instant(from_ns)} until {format_instant(until_ns)} {what}",
            help="--until is later than --from and is itself not in the interval",
        )
    if until_ns > now_ns:
        raise InputError(
            f"the interval ends in the future, at {format_instant(until_ns)}", help=f"give --until {format_instant(now_ns)} or earlier"
        )
    if edition is Edition.FULL:
        return
    if from_ns % NS_PER_DAY or until_ns % NS_PER_DAY:
        raise InputError("a public edition is about whole days", help="give --from and --until as days, for instance 2026-03-01")
    if until_ns + DELAY_NS > now_ns:
        raise ConflictError(
            f"a public edition until {format_instant(until_ns)} may not be made yet",
            help=f"decisions are final 72 h after the end, at {format_instant(until_ns + DELAY_NS)}",
        )


def make_report(
    bench: Bench,
    from_ns: int,
    until_ns: int,
    *,
    edition: Edition = Edition.FULL,
    own: AggregateFile | None = None,
    past: Sequence[AggregateFile] = (),
) -> Made:
    """Make the report about [from_ns, until_ns).

    Args:
        bench: the home; `now_ns` of it is when the report is made, which is in no byte of it.
        own: for a public edition that was made before: what its tables are.
        past: the other public editions.
    Raises:
        InputError, ConflictError: as `check_interval`.
        IntegrityError: something kept has been changed. StoreError: the work folder cannot be written.
    """
    check_interval(from_ns, until_ns, edition=edition, now_ns=bench.now_ns)
    if edition is Edition.PUBLIC and bench.log is None:
        raise ConflictError("this home has no log, so nothing vouches for a public edition", help="make a home with a log: groundrule init")
    home = bench.home
    desk = Desk(bench, view_log(bench, from_ns, until_ns), from_ns, until_ns)
    fleet = read_fleet(home, from_ns, until_ns)
    with ExitStack() as stack:
        folder = stack.enter_context(workplace(home.cache))
        counts = stack.enter_context(IntervalCounts(home, from_ns, until_ns, folder))
        tag_decisions(counts, fleet)
        history = History(desk, counts, fleet)
        answers = _answers(history)
        sealed = None
        if edition is Edition.PUBLIC:
            sealed = own or count_public(history, past, issued_ns=bench.now_ns)
            answers = public_answers(desk, {name: open_only(each) for name, each in answers.items()}, sealed)
        inputs = Inputs(desk.log.head, len(counts.runs), _manifests(home, counts.runs), fleet.revision, fleet.digest)
    ordered = tuple(answers[each.id] for each in QUESTIONS)
    return Made(Report(edition, home.id, from_ns, until_ns, inputs, ordered), sealed)


def _answers(history: History) -> dict[str, Answer]:
    desk = history.desk
    rows = _rows(history)
    found, disabled = service.found_and_disabled(history)
    used, occupied = service.where_used(history)
    made = [
        service.coverage(history, observed=rows["observations"], over_late=rows["over_late"]),
        service.policies(history),
        found,
        disabled,
        not_answered("alerts", "no_detectors", "detectors"),
        service.response(history),
        not_answered("carried_out", "not_carried_out", "acknowledgements"),
        dealings.complaints(desk),
        service.guardrails(history),
        not_answered("acquisition", "no_sales", "sales_recorded"),
        not_answered("revenue", "no_revenue", "accounts_of_operator"),
        service.programmes(history),
        service.tags(history),
        used,
        occupied,
        service.purpose(history),
        not_answered("custody", "no_custody", "custody_checks"),
        dealings.administrations(desk),
        dealings.refused_requests(desk),
        dealings.conflicts(desk),
        service.published_disablements(history),
        service.named_terminals(history),
        service.collateral(history),
        not_answered("spill_over", "no_cells", "cells_and_beams"),
        dealings.officials(desk),
        powers.emergencies(desk),
        powers.overdue(desk),
        dealings.contacts(desk),
        powers.refused_acts(desk),
        service.outages(history),
        powers.changes(desk),
        powers.ledger(desk),
        not_answered("unrecorded", "unrecorded", "other_witnesses"),
    ]
    return {each.question: each for each in made}


def _rows(history: History) -> dict[str, int]:
    """Rows of history in the interval that are not decisions."""
    desk, home = history.desk, history.desk.bench.home
    known = runs(home)
    found = {"observations": 0, "over_late": 0}
    for kind in found:
        for day in days_of(desk.from_ns, desk.until_ns):
            for _, _, path in day_files(home, kind, day, runs=known):
                try:
                    at = pq.read_table(parquet_source(path), columns=["observed_at"], partitioning=None).column("observed_at").to_numpy()
                except (OSError, ValueError) as error:
                    raise IntegrityError(
                        f"history file `{path}` cannot be read", help="restore it from a backup", path=str(path)
                    ) from error
                found[kind] += int(np.count_nonzero((at >= desk.from_ns) & (at < desk.until_ns)))
    return found


def _manifests(home: Home, used: tuple[int, ...]) -> str:
    """SHA-256 of the digests of some runs' manifests, a line each [64 hex digits]."""
    lines = "".join(f"{digest_bytes(manifest_path(home, run).read_bytes())}\n" for run in used)
    return sha256(lines.encode()).hexdigest()
