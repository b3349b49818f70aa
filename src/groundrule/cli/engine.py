"""`--engine`, `--master`, `--partitions` and `--checkpoint`: a cluster that decides instead of this machine."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from groundrule.errors import InputError
from groundrule.store.places import Place, place_at

if TYPE_CHECKING:
    from groundrule.engines.distributed import Cluster

Engine = Annotated[str | None, typer.Option("--engine", help="Decide on a cluster: `spark`. The default is this machine.")]
Master = Annotated[str | None, typer.Option("--master", help="Where the cluster is: local[2], or spark://host:7077.")]
Partitions = Annotated[
    int | None, typer.Option("--partitions", min=1, help="Divide the terminals into so many parts; the default is one for 500,000 rows.")
]

Checkpoint = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        help="Keep the answers of finished parts in this folder, which every worker sees, or in s3://bucket/prefix; the same command"
        " goes on there.",
    ),
]


def checkpoint_at(text: str | None) -> Place | None:
    """Return where answers of finished parts are kept.

    Raises:
        InputError: the address cannot be used.
    """
    return None if text is None else place_at(text)


def cluster_of(
    engine: str | None, master: str | None, partitions: int | None, checkpoint: str | None = None
) -> AbstractContextManager[Cluster | None]:
    """Return what opens the cluster that was asked for; None stands for this machine.

    Raises:
        InputError: there is no such engine, or it needs a master.
    """
    if engine is None:
        options = (("--master", master), ("--partitions", partitions), ("--checkpoint", checkpoint))
        given = [name for name, value in options if value is not None]
        if given:
            raise InputError(f"{given[0]} is for a cluster", help="add --engine spark", field=given[0])
        return nullcontext()
    if engine != "spark":
        raise InputError(f"there is no engine `{engine}`", help="--engine spark; without it, this machine decides", field="--engine")
    if master is None:
        raise InputError(
            "--engine spark needs a master", help="for instance --master local[2], or --master spark://host:7077", field="--master"
        )
    from groundrule.engines.spark import spark_cluster  # noqa: PLC0415 - only this needs it

    return spark_cluster(master)
