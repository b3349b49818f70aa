"""`groundrule ledger aggregate`: the public counts of a day."""

from __future__ import annotations

from typing import Annotated

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text
from groundrule.pipeline.aggregates import publish_aggregate
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.store.home import Home


def aggregate(
    day: Annotated[str, typer.Argument(help="Day in UTC, YYYY-MM-DD, that ended at least 72 h ago.")],
    home: HomeOption = DEFAULT_HOME,
    conflict: Annotated[
        list[str] | None,
        typer.Option("--conflict", help="Country in which nothing finer than the country is published; may be repeated."),
    ] = None,
    as_json: OutputJson = False,
) -> None:
    """Publish the counts of a day: terminals by place, outcome and rule, without small groups; their digest goes into the log."""
    place = Home.open(home)
    with place.writer(), HomeLedger.open(place) as ledger:
        done = publish_aggregate(ledger, day, conflict=conflict or [])
        committed = ledger.try_commit()
    groups = done.file.groups.values()
    left_out = sum(len(set(each.cells) - each.alone - each.rest) for each in groups)
    if as_json:
        print_json(
            {
                "day": done.file.day, "file": str(done.path), "sha256": done.file.digest, "sealed": done.commitment,
                "rows": len(done.file.rows), "decisions": done.decisions, "placed": done.placed, "left_out": left_out,
                "again": done.again, "size": committed.size, "published": committed.published,
                "trouble": list(committed.trouble),
            }
        )  # fmt: skip
        return
    if done.again:
        print_text(f"{done.file.day} was published before, at {done.file.issued}; it stays as it is.")
    else:
        print_text(
            f"{done.decisions:,} final decisions of {done.file.day}, {done.placed:,} of them at a place of a country; "
            f"{left_out:,} cells left out as too small."
        )
    print_text(f"{len(done.file.rows):,} rows in {done.path}")
    print_text(f"Its SHA-256 {done.file.digest} and a commitment to the exact counts are in the log.")
