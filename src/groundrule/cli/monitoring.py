"""`groundrule monitoring`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from groundrule.cli.output import print_text
from groundrule.errors import StoreError

SHIPPED = {"dashboard.json": "groundrule-dashboard.json", "alerts.yaml": "groundrule-alerts.yaml"}
"""Files as they are shipped, and the names under which they lie beside those of others."""


def monitoring(
    out: Annotated[Path, typer.Option("--out", help="Directory to write; earlier files of the same names are replaced.")] = Path(),
) -> None:
    """Write a Grafana dashboard and alert rules for Prometheus, for the metrics that `groundrule serve` gives at /metrics."""
    shipped = files("groundrule.api").joinpath("monitoring")
    for source, name in SHIPPED.items():
        try:
            out.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(shipped.joinpath(source).read_bytes())
        except OSError as error:
            cure = "name a directory that you may write"
            raise StoreError(f"cannot write `{out / name}`: {error.strerror or error}", help=cure, path=str(out)) from error
        print_text(f"Written: {out / name}")
    print_text("Grafana: Dashboards, New, Import. Prometheus: name the rules in `rule_files`. docs/monitoring.md says the rest.")
