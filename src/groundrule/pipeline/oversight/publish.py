"""Makes an edition, writes it, and puts its digest into the log: that there is such a report, so that nobody swaps it later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from groundrule.errors import ConflictError, StoreError
from groundrule.evidence.oversight import Edition, Report, report_json
from groundrule.pipeline.aggregates import open_sealed, seal_counts
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.seal import vouch
from groundrule.pipeline.home_ledger import HomeLedger, has_ledger
from groundrule.pipeline.oversight.public import edition_path, editions
from groundrule.pipeline.oversight.report import check_interval, make_report
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

T = TypeVar("T")
WHAT: Final = "oversight"
"""What the `evidence` entry says that it is about."""
REPORT: Final = "oversight.json"
ENTRY, PROOF = "oversight-entry.json", "oversight.tlog-proof"


class Locked(Protocol):
    """Does something with the open log of a home while nobody else writes to the home."""

    def __call__(self, do: Callable[[HomeLedger], T], /) -> T:
        """Return what it returns."""


@dataclass(frozen=True, slots=True)
class Published:
    """A report that was made.

    Attributes:
        report: the report. sha256: of its canonical JSON, 64 hex digits.
        files: what was written, by name.
        entry: index of the entry that names it; None where no log does.
        trouble: why none does, one sentence each.
    """

    report: Report
    sha256: str
    files: Mapping[str, Path]
    entry: int | None
    trouble: tuple[str, ...]


def publish(
    home: Home,
    from_ns: int,
    until_ns: int,
    folder: Path,
    *,
    edition: Edition,
    now_ns: int,
    documents: Callable[[Report], Mapping[str, bytes]],
    log: bool = True,
    locked: Locked | None = None,
) -> Published:
    """Make the edition of [from_ns, until_ns) and write it.

    Args:
        folder: where to.
        now_ns: when [ns, UTC].
        documents: what people read, made from the report.
        log: whether to put its digest into the log; a public edition always is.
        locked: where somebody else holds the home's write lock; None takes it.
    Raises:
        InputError, ConflictError: as `check_interval`; or another public edition overlaps, or was made meanwhile.
        IntegrityError: something kept has been changed.
    """
    check_interval(from_ns, until_ns, edition=edition, now_ns=now_ns)
    take = locked or _Lock(home)
    if edition is Edition.FULL:
        report = make_report(Bench.open(home, now_ns=now_ns), from_ns, until_ns).report
        body = _body(report)
        if not log or not has_ledger(home):
            return _write(folder, report, documents, None, ("no log names this report",))
        return take(lambda ledger: _vouched(ledger, folder, report, documents, body))
    if not has_ledger(home):
        raise ConflictError("this home has no log, so nothing vouches for a public edition", help="make a home with a log: groundrule init")
    own, past = take(lambda ledger: editions(home, ledger.keys, from_ns, until_ns))
    made = make_report(Bench.open(home, now_ns=now_ns), from_ns, until_ns, edition=edition, own=own, past=past)
    sealed = made.sealed
    assert sealed is not None

    def finish(ledger: HomeLedger) -> Published:
        if editions(home, ledger.keys, from_ns, until_ns) != (own, past):
            raise ConflictError("another public edition was made meanwhile", help="make it again")
        path = edition_path(home, from_ns, until_ns)
        # INVARIANT: from here on the tables of this interval are decided; a second call gives the same.
        commitment = open_sealed(path, ledger.keys)[1] if own is not None else seal_counts(ledger.keys, path, sealed)
        return _vouched(ledger, folder, made.report, documents, _body(made.report) | {"sealed": commitment})

    return take(finish)


def was_published(home: Home, from_ns: int, until_ns: int) -> bool:
    """Tell whether the public edition of an interval [ns, UTC] was made; a second call gives the same one."""
    return edition_path(home, from_ns, until_ns).exists()


@dataclass(frozen=True, slots=True)
class _Lock:
    """Takes the write lock and opens the log."""

    home: Home

    def __call__(self, do: Callable[[HomeLedger], T], /) -> T:
        with self.home.writer(), HomeLedger.open(self.home) as ledger:
            return do(ledger)


def _body(report: Report) -> dict[str, Any]:
    return {"what": WHAT, "sha256": sha256(report_json(report)).hexdigest()}


def _vouched(
    ledger: HomeLedger, folder: Path, report: Report, documents: Callable[[Report], Mapping[str, bytes]], body: Mapping[str, Any]
) -> Published:
    try:
        vouched = vouch(ledger, body)
    except (ConflictError, StoreError) as error:
        return _write(folder, report, documents, None, (f"no log names this report: {error.message}",))
    return _write(folder, report, documents, vouched.index, (), {ENTRY: vouched.entry, PROOF: vouched.proof})


def _write(
    folder: Path,
    report: Report,
    documents: Callable[[Report], Mapping[str, bytes]],
    entry: int | None,
    trouble: tuple[str, ...],
    proofs: Mapping[str, bytes] | None = None,
) -> Published:
    data = report_json(report)
    content = {REPORT: data, **documents(report), **(proofs or {})}
    folder.mkdir(parents=True, exist_ok=True)
    private = report.edition is Edition.FULL
    if private:
        folder.chmod(0o700)
    files = {}
    for name, held in content.items():
        files[name] = folder / name
        write_durably(files[name], held)
        if private:
            files[name].chmod(0o600)
    return Published(report, sha256(data).hexdigest(), files, entry, trouble)
