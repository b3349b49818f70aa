"""`groundrule ledger verify`, `fsck` and `monitor`: check receipts and logs without trusting whoever made them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from groundrule.cli.output import OutputJson, print_json, print_text, progress, warn
from groundrule.cli.rules import instant_option
from groundrule.errors import InputError, ProofFailed
from groundrule.instant import NS_PER_S
from groundrule.ledger.audit.fsck import Fault, FsckReport
from groundrule.ledger.audit.fsck import fsck as check_log
from groundrule.ledger.audit.memory import acknowledge as acknowledge_findings
from groundrule.ledger.audit.memory import load_state, save_state
from groundrule.ledger.audit.monitor import MAX_AGE_S, MonitorReport
from groundrule.ledger.audit.monitor import monitor as compare_log
from groundrule.ledger.audit.receipts import Consistency, is_receipt, verify_entry, verify_receipt
from groundrule.ledger.audit.source import folder_reader, source_of
from groundrule.ledger.audit.words import as_dict, not_proved, proved, time_text
from groundrule.ledger.note import MAX_NOTE_BYTES
from groundrule.ledger.policy import MAX_POLICY_BYTES, Policy
from groundrule.ledger.proof import MAX_PROOF_BYTES
from groundrule.ledger.tiles import MAX_ENTRY_BYTES, TileTree
from groundrule.pipeline.governance_audit import GovernanceAudit, audit_governance, with_governance
from groundrule.pipeline.parties import openings_of
from groundrule.store.home import Home

SHOWN_FAULTS = 50
"""Faults printed as text; `--json` prints all."""
LEDGER = "ledger"

PolicyOption = Annotated[
    Path | None, typer.Option("--policy", help="Keys of the log, witnesses and quorum; default: `policy` in the log.")
]
LogOption = Annotated[Path | None, typer.Option("--log", help="Folder of the log.")]
AuditHome = Annotated[
    Path | None,
    typer.Option("--home", envvar="GROUNDRULE_HOME", help="Home whose log is meant, instead of --log."),
]
OtherOption = Annotated[
    list[Path] | None, typer.Option("--other", help="Checkpoint that somebody else was shown; may be repeated.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Refuse what is merely unusual, too.")]


def verify(
    receipt: Annotated[Path, typer.Argument(help="Receipt or proof file (.tlog-proof).")],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Whom to trust; default: `policy` beside the receipt or in --log."),
    ] = None,
    pinned: Annotated[
        Path | None, typer.Option("--pinned", help="Checkpoint of the log that you saw before, or got from elsewhere.")
    ] = None,
    entry: Annotated[Path | None, typer.Option("--entry", help="The entry that a plain proof is about.")] = None,
    log: Annotated[
        Path | None, typer.Option("--log", help="Folder of the log; needed to compare heads of different sizes.")
    ] = None,
    strict: StrictOption = False,
    as_json: OutputJson = False,
) -> None:
    """Verify a receipt offline and say what it proves and what it does not.

    For programs: --json prints one object with `verified`; where it is false, `step` is one of form, fields, record,
    batch, entry, checkpoint, inclusion and pinned, and `reason` is one sentence. Exit codes: 0 verified; 1 not verified,
    whatever is wrong with the receipt or the entry; 2 a missing file, an unusable policy or wrong usage.
    """
    trusted, place = _policy(policy, [receipt.parent, *([log] if log else [])])
    data = _read(receipt, MAX_PROOF_BYTES)
    entry_bytes = None if entry is None else _read(entry, MAX_ENTRY_BYTES)
    pinned_bytes = None if pinned is None else _read(pinned, MAX_NOTE_BYTES)
    consistency = None if log is None else _consistency(log)
    try:
        if is_receipt(data) != (entry_bytes is None):
            what = "a plain proof needs the entry that it proves" if entry_bytes is None else "a receipt carries its entry"
            raise InputError(what, help="give --entry with a plain proof, and only then")
        if entry_bytes is None:
            verified = verify_receipt(data, trusted, pinned=pinned_bytes, consistency=consistency, strict=strict)
        else:
            verified = verify_entry(
                data, entry_bytes, trusted, pinned=pinned_bytes, consistency=consistency, strict=strict
            )
    except ProofFailed as error:
        step, _, why = error.message.partition(": ")
        if as_json:
            print_json({"verified": False, "step": error.context.get("step", step), "reason": why or step})
        else:
            print_text(f"NOT VERIFIED: {receipt}", style="bold red")
            print_text(f"  {error.message}")
        raise typer.Exit(1) from None
    if as_json:
        print_json({"receipt": str(receipt), "policy": str(place), **as_dict(verified)})
        return
    print_text(f"VERIFIED: {receipt}", style="bold green")
    for line in proved(verified):
        print_text(f"  {line}")
    print_text("Not proved:")
    for line in not_proved(verified):
        print_text(f"  {line}")
    for remark in verified.remarks:
        warn(f"  {remark}")
    if policy is None:
        warn(f"Trusted were the keys in {place}; who doubts the log takes them from elsewhere (--policy).")


def fsck(
    log: LogOption = None,
    home: AuditHome = None,
    policy: PolicyOption = None,
    pinned: Annotated[
        list[Path] | None, typer.Option("--pinned", help="Checkpoint that you saw before; may be repeated.")
    ] = None,
    other: OtherOption = None,
    raw: Annotated[bool, typer.Option("--raw", help="The entries are not Groundrule's; do not read them.")] = False,
    strict: StrictOption = False,
    as_json: OutputJson = False,
) -> None:
    """Check every byte of a log and report every fault. Exit codes: 0 whole; 1 any fault; 2 nothing to check."""
    folder = _folder(log, home)
    trusted, place = _policy(policy, [folder])
    with progress() as update:
        report = check_log(
            folder,
            trusted,
            raw=raw,
            pinned=[_read(path, MAX_NOTE_BYTES) for path in pinned or ()],
            other=[_read(path, MAX_NOTE_BYTES) for path in other or ()],
            strict=strict,
            progress=lambda count: update("entries checked", count),
        )
    if as_json:
        print_json({"log": str(folder), "policy": str(place), **_fsck_dict(report)})
    else:
        _print_fsck(report, folder)
        if policy is None:
            warn(f"Trusted were the keys in {place}; who doubts the log takes them from elsewhere (--policy).")
    if not report.ok:
        raise typer.Exit(1)


def monitor(
    state: Annotated[Path, typer.Option("--state", help="File in which this monitor remembers what it saw.")],
    log: LogOption = None,
    home: AuditHome = None,
    policy: PolicyOption = None,
    other: OtherOption = None,
    now: Annotated[str | None, typer.Option("--now", help="Present time; default: the clock.")] = None,
    max_age_s: Annotated[
        int, typer.Option("--max-age-s", min=0, help="Age of the newest head above which the log has stopped [s].")
    ] = MAX_AGE_S,
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="A person has seen all findings so far; do not report them again.")
    ] = False,
    as_json: OutputJson = False,
) -> None:
    """Compare a log with what an earlier run saw, and remember; the first run pins.

    Exit codes: 0 nothing to look at; 1 an alert; 2 nothing to compare. The pin moves only if everything that can be
    proved holds; a failed check leaves it where it was.
    """
    folder = _folder(log, home)
    trusted, _ = _policy(policy, [folder])
    now_ns = instant_option(now, "--now")
    with progress() as update:
        report = compare_log(
            folder,
            trusted,
            load_state(state),
            now_s=(time.time_ns() if now_ns is None else now_ns) // NS_PER_S,
            other=[_read(path, MAX_NOTE_BYTES) for path in other or ()],
            max_age_s=max_age_s,
            progress=lambda count: update("new entries", count),
        )
        audit = GovernanceAudit()
        if report.advanced and report.size is not None:
            now_s = (time.time_ns() if now_ns is None else now_ns) // NS_PER_S
            openings = openings_of(Home.open(home)) if home is not None and log is None else None
            audit = audit_governance(source_of(folder), report.size, now_s=now_s, openings=openings)
            report = with_governance(report, audit)
    if report.state is not None and (report.advanced or acknowledge):
        save_state(state, acknowledge_findings(report.state) if acknowledge else report.state)
    if as_json:
        print_json(_monitor_dict(report) | {"governance": audit.figures})
    else:
        _print_monitor(report, folder)
        for name, value in audit.figures.items():
            print_text(f"  {name.replace('_', ' ')}: {value}")
    if not report.ok:
        raise typer.Exit(1)


# --- printing ---------------------------------------------------------------------------------------------------------


def _fault_dict(fault: Fault) -> dict[str, object]:
    return {"path": fault.path, "index": fault.index, "what": fault.what}


def _fsck_dict(report: FsckReport) -> dict[str, object]:
    checked = report.checkpoint
    return {
        "ok": report.ok,
        "size": report.size,
        "root": None if report.root is None else report.root.hex(),
        "entries": report.entries,
        "origin": None if checked is None else checked.checkpoint.origin,
        "quorum_met": None if checked is None else checked.quorum_met,
        "witnesses": {} if checked is None else {name: time_text(seen) for name, seen in checked.times.items()},
        "faults": [_fault_dict(fault) for fault in report.faults],
        "more_faults": report.more_faults,
        "remarks": [_fault_dict(remark) for remark in report.remarks],
        "split_view": None if report.split_view is None else [head.decode() for head in report.split_view],
        "streams": {name: {"next_seq": end.next_seq, "t": end.t} for name, end in report.streams.items()},
    }


def _print_fsck(report: FsckReport, folder: Path) -> None:
    for remark in report.remarks[:SHOWN_FAULTS]:
        warn(f"  {remark}")
    if report.ok:
        print_text(f"WHOLE: {folder}, {report.size:,} entries", style="bold green")
        for name, end in report.streams.items():
            print_text(f"  {name:<24} {end.next_seq:,} entries up to {end.t}")
        return
    total = len(report.faults) + report.more_faults
    print_text(f"DAMAGED: {folder}, {total:,} {'fault' if total == 1 else 'faults'}", style="bold red")
    for fault in report.faults[:SHOWN_FAULTS]:
        print_text(f"  {fault}")
    if total > SHOWN_FAULTS:
        print_text(f"  … and {total - SHOWN_FAULTS:,} more (--json shows them)")
    if report.split_view is not None:
        _print_pair(report.split_view)


def _print_pair(heads: tuple[bytes, bytes]) -> None:
    print_text("These two heads cannot both be true, and the log signed both. Keep them; they need no further proof:")
    for head in heads:
        print_text(head.decode("utf-8", "backslashreplace"))


def _monitor_dict(report: MonitorReport) -> dict[str, object]:
    return {
        "ok": report.ok,
        "origin": report.origin,
        "pinned_size": report.pinned_size,
        "size": report.size,
        "advanced": report.advanced,
        "new_kinds": report.new_kinds,
        "erasures": report.erasures,
        "alerts": [
            {"kind": alert.kind, "index": alert.index, "what": alert.what, "known": alert.known}
            for alert in report.alerts
        ],
        "remarks": list(report.remarks),
        "evidence": [[head.decode("utf-8", "backslashreplace") for head in pair] for pair in report.evidence],
    }


def _print_monitor(report: MonitorReport, folder: Path) -> None:
    for remark in report.remarks:
        warn(f"  {remark}")
    seen = "first seen now" if report.pinned_size is None else f"{report.pinned_size:,} entries pinned before"
    size = "no head" if report.size is None else f"{report.size:,} entries"
    print_text(
        f"{'FINE' if report.ok else 'ALERT'}: {report.origin or folder}, {size}, {seen}",
        style="bold green" if report.ok else "bold red",
    )
    for kind, count in report.new_kinds.items():
        print_text(f"  new  {kind:<20} {count:,}")
    if report.erasures:
        print_text(f"  records erased so far: {report.erasures:,}")
    for alert in report.alerts:
        place = "" if alert.index is None else f", entry {alert.index}"
        print_text(f"  {alert.kind}{place}{' (known)' if alert.known else ''}: {alert.what}")
    for pair in report.evidence:
        _print_pair(pair)
    if not report.advanced:
        print_text("  The pin stays where it was." if report.pinned_size is not None else "  Nothing was pinned.")


# --- files ------------------------------------------------------------------------------------------------------------


def _folder(log: Path | None, home: Path | None) -> Path:
    if log is not None:
        return log
    if home is not None:
        return home / LEDGER
    raise InputError("which log?", help="give its folder with --log, or a home with --home")


def _policy(given: Path | None, folders: list[Path]) -> tuple[Policy, Path]:
    places = [given] if given is not None else [folder / "policy" for folder in folders]
    for place in places:
        if given is not None or place.is_file():
            try:
                return Policy.parse(_read(place, MAX_POLICY_BYTES)), place
            except InputError as error:
                raise InputError(f"the policy `{place}`: {error.message}", help=error.help) from error
    raise InputError(
        f"there is no policy in {' or '.join(f'`{folder}`' for folder in folders)}",
        help="a policy says which log and which witnesses you trust; give one with --policy",
    )


def _read(path: Path, limit: int) -> bytes:
    """Read a file that came from outside, one byte beyond its limit at most; the parser refuses what is too long."""
    try:
        with path.open("rb") as stream:
            return stream.read(limit + 1)
    except OSError as error:
        raise InputError(f"cannot read `{path}`: {error.strerror}") from error


def _consistency(folder: Path) -> Consistency:
    read = folder_reader(folder)
    return lambda old, new: TileTree(read, new).consistency_path(old)
