"""`groundrule decide --engine spark`: decisions into a folder; and `groundrule decided`, which checks such a folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundrule.cli.counted import counts_dict, print_counts
from groundrule.cli.output import OutputJson, print_json, print_text, progress, warn
from groundrule.errors import InputError
from groundrule.pipeline.detectors import asks_for_signals
from groundrule.pipeline.emergency_overlay import Clocks, overlay_now
from groundrule.pipeline.home import rulebook_of
from groundrule.store.home import Home

if TYPE_CHECKING:
    from groundrule.engines.distributed import Cluster
    from groundrule.engines.distributed_decide import Decided
    from groundrule.engines.given_files import Reading


def check_cluster(home: Home, out: Path | None, *, detect: bool | None) -> Path:
    """Return the folder of decisions; refuse what a cluster does not do.

    Args:
        home: what is in force.
        out: the folder. detect: look for signals; None where nobody said so or not.
    Raises:
        InputError: no folder is named, or signals are asked for, by the option or by rules.
    """
    if out is None or out.is_file():
        raise InputError("a cluster writes decisions into a folder", help="name one that every worker sees: --out FOLDER", option="--out")
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
    out: Path,
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


def tell(found: Decided, out: Path, *, as_json: bool) -> None:
    """Print what a batch came to."""
    for name, why in found.unreadable.items():
        warn(f"{name} is left out: {why}")
    for note in found.notes:
        warn(note)
    manifest = found.batch.manifest
    if as_json:
        print_json(
            {
                "batch": manifest["batch"], "manifest": found.batch.digest, "decisions": manifest["decisions"],
                "corrections": manifest["corrections"], "out": str(out), "rejected": found.rejected,
                "unreadable_files": found.unreadable, **counts_dict(found.counts),
            }
        )  # fmt: skip
        return
    print_counts(found.counts)
    if found.rejected:
        warn(f"{sum(found.rejected.values()):,} rows could not be used; each with its reason in {found.batch.folder}")
    print_text(f"Batch {manifest['batch']} in {out} committed; manifest {found.batch.digest}")
    print_text(f"Next: groundrule decided {out}")


def decided(
    folder: Annotated[Path, typer.Argument(help="That `decide --engine spark --out FOLDER` wrote.")],
    as_json: OutputJson = False,
) -> None:
    """Check every file of a folder of decisions against its manifests, and say what is in it; exits 2 where anything is not as written."""
    from groundrule.engines.decided_folder import DecidedFolder  # noqa: PLC0415 - only clusters need it

    if not folder.is_dir():
        raise InputError(f"there is no folder `{folder}`", help="name one that `decide --engine spark --out FOLDER` wrote")
    opened = DecidedFolder.open(folder)
    files = opened.check()
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
