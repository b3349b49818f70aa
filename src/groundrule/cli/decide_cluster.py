"""`groundrule decide --engine spark`: decisions into a folder; and `groundrule decided`, which checks one and takes it into the home."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundrule.cli.counted import counts_dict, print_counts
from groundrule.cli.ledger import committed_dict, print_committed
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text, progress, warn
from groundrule.errors import InputError
from groundrule.pipeline.detectors import asks_for_signals
from groundrule.pipeline.emergency_overlay import Clocks, overlay_now
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.home_ledger import ledger_of
from groundrule.store.home import Home
from groundrule.store.places import Place, place_at

if TYPE_CHECKING:
    from groundrule.engines.decided_folder import DecidedFolder
    from groundrule.engines.distributed import Cluster
    from groundrule.engines.distributed_decide import Decided
    from groundrule.engines.given_files import Reading
    from groundrule.engines.taking import Taken


def check_cluster(home: Home, out: Place | None, *, detect: bool | None) -> Place:
    """Return the folder of decisions; refuse what a cluster does not do.

    Args:
        home: what is in force.
        out: the folder. detect: look for signals; None where nobody said so or not.
    Raises:
        InputError: no folder is named, or signals are asked for, by the option or by rules.
    """
    if out is None or (isinstance(out, Path) and out.is_file()):
        cure = "name one that every worker sees: --out FOLDER, or s3://bucket/prefix"
        raise InputError("a cluster writes decisions into a folder", help=cure, option="--out")
    if detect:
        raise InputError("a cluster detects nothing", help="say --no-detect, or leave --engine out", option="--detect")
    if detect is None and asks_for_signals(rulebook_of(home)):
        said = "rules of this home test signals, which only one machine looks for"
        raise InputError(said, help="--no-detect decides without them; or leave --engine out", option="--engine")
    return out


def decide_on_cluster(
    home: Home,
    given: Sequence[Path],
    opening: AbstractContextManager[Cluster | None],
    *,
    out: Place,
    reading: Reading,
    recorded_at_ns: int,
    as_of_ns: int | None,
    buckets: int | None,
    as_json: bool,
) -> None:
    """Decide files into a folder, and print what it comes to.

    Args:
        home: what is in force.
        given: the files.
        opening: opens the cluster.
        out: the folder.
        reading: how files are read.
        recorded_at_ns: now [ns, UTC]. as_of_ns: apply rules as of this instant [ns, UTC].
        buckets: into how many terminals are divided.
        as_json: print one JSON document.
    Raises:
        InputError: no row can be used.
    """
    from groundrule.engines.distributed_decide import decide_into  # noqa: PLC0415 - only clusters need it

    with opening as cluster, progress() as report:
        assert cluster is not None
        found = decide_into(
            home, given, out, cluster, recorded_at_ns=recorded_at_ns, overlay=overlay_now(home, Clocks.now(recorded_at_ns)),
            reading=reading, as_of_ns=as_of_ns, buckets=buckets, progress=report,
        )  # fmt: skip
    assert found is not None
    tell(found, out, as_json=as_json)
    if found.unreadable:
        raise typer.Exit(2)


def tell(found: Decided, out: Place, *, as_json: bool) -> None:
    """Print what a batch came to."""
    for name, why in found.unreadable.items():
        warn(f"{name} is left out: {why}")
    for note in found.notes:
        warn(note)
    manifest = found.batch.manifest
    named = str(out) if isinstance(out, Path) else out.address
    if as_json:
        print_json(
            {
                "batch": manifest["batch"], "manifest": found.batch.digest, "decisions": manifest["decisions"],
                "corrections": manifest["corrections"], "out": named, "rejected": found.rejected,
                "unreadable_files": found.unreadable, **counts_dict(found.counts),
            }
        )  # fmt: skip
        return
    print_counts(found.counts)
    if found.rejected:
        warn(f"{sum(found.rejected.values()):,} rows could not be used; each with its reason in {found.batch.folder}")
    typed = named if isinstance(out, Path) else f"'{named}'"  # a shell knows ? and &
    print_text(f"Batch {manifest['batch']} in {out} committed; manifest {found.batch.digest}")
    print_text(f"Next: groundrule decided {typed}, groundrule decided {typed} --take")


def decided(
    folder: Annotated[str, typer.Argument(help="That `decide --engine spark --out FOLDER` wrote; or s3://bucket/prefix.")],
    take: Annotated[
        bool, typer.Option("--take", help="Make a run, with its entries in the log, of every batch that the home does not have yet.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Check every file of a folder of decisions against its manifests, and say what is in it; exits 2 where anything is not as written.

    With --take each batch becomes the run that one machine would have made of the same files: this machine decides its observations
    again, compares, and commits the run to home and log. A batch that differs is not taken, and nothing after it. What the home has
    already is left alone, so the same command goes on after a crash.
    """
    from groundrule.engines.decided_folder import DecidedFolder  # noqa: PLC0415 - only clusters need it

    place = place_at(folder)
    if isinstance(place, Path) and not place.is_dir():
        raise InputError(f"there is no folder `{folder}`", help="name one that `decide --engine spark --out FOLDER` wrote")
    opened = DecidedFolder.open(place)
    with progress() as report:
        files = opened.check(report)
    if take:
        _take(Home.open(home), opened, files, as_json=as_json)
        return
    batches: list[dict[str, Any]] = [
        {
            "batch": each.manifest["batch"], "manifest": each.digest, "recorded_at_ns": each.manifest["recorded_at_ns"],
            "rulebook": each.manifest["rulebook"], "areas": each.manifest["areas"], "lists": each.manifest["registers"]["lists"],
            "decisions": each.manifest["decisions"], "corrections": each.manifest["corrections"], "counts": each.manifest["counts"],
            "bytes": sum(file.bytes for file in each.files),
        }
        for each in opened.batches
    ]  # fmt: skip
    if as_json:
        print_json({"files": files, "batches": batches})
        return
    for each in batches:
        counts = each["counts"]
        print_text(
            f"Batch {each['batch']}: {each['decisions']['rows']:,} decisions, {each['corrections']['rows']:,} corrections,"
            f" {counts['duplicates']:,} repeats, {counts['over_late']:,} too late; manifest {each['manifest']}"
        )
    print_text(f"{files:,} files are what their manifests say.", style="green")


def _take(home: Home, folder: DecidedFolder, files: int, *, as_json: bool) -> None:
    from groundrule.engines.taking import take  # noqa: PLC0415 - only clusters need it

    found: list[Taken] = []
    try:
        with home.writer(), ledger_of(home) or nullcontext() as ledger, progress() as report:
            for each in take(home, folder, ledger, progress=report):
                found.append(each)
    finally:
        # What was taken before an error is in the home.
        if not as_json:
            for each in found:
                _print_taken(each)
    if as_json:
        print_json({"files": files, "batches": len(folder.batches), "taken": [_taken_dict(each) for each in found]})
    elif found:
        print_text("Next: groundrule ledger prove TERMINAL, groundrule replay")
    else:
        print_text("The home has every batch of this folder already; nothing was taken.")


def _print_taken(each: Taken) -> None:
    print_text(f"Batch {each.batch}:", style="bold")
    print_counts(each.run.counts)
    print_text(f"Run {each.run.number} committed; manifest {each.run.manifest}")
    if each.run.committed:
        print_committed(each.run.committed)


def _taken_dict(each: Taken) -> dict[str, Any]:
    run = each.run
    return {
        "batch": each.batch, "run": run.number, "manifest": run.manifest, "decisions": run.decisions,
        "log": committed_dict(run.committed) if run.committed else None, **counts_dict(run.counts),
    }  # fmt: skip
