"""Who would be served where it is at home: only such terminals may speak for an area (`detect.interference`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.pipeline.judge import Judge
from groundrule.records import OBSERVATION_SCHEMA, Outcome


class Standing:
    """Asks the judge of a run, or of a desk, what a terminal would be answered that were heard for the first time, at rest at its home.

    Register, lists, rulebook and emergencies answer; what is remembered of the terminal does not, and nothing is remembered of it.

    Args:
        judge: gives the judge in use; used in the thread that judges.
        as_of_ns: rules and areas as of this instant instead of the one asked for [ns, UTC].
    """

    def __init__(self, judge: Callable[[], Judge], as_of_ns: int | None = None) -> None:
        self._judge, self._as_of = judge, as_of_ns

    def __call__(
        self, terminals: Sequence[str], lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64], at_ns: int
    ) -> NDArray[np.bool_]:
        """Say of each terminal whether it would not be denied at a place [degree] and instant [ns, UTC]."""
        n = len(terminals)
        given = {
            "terminal_id": pa.array(terminals, pa.string()), "observed_at": np.full(n, at_ns, np.int64), "lat_deg": lat_deg,
            "lon_deg": lon_deg, "position_source": pa.repeat(pa.scalar("gnss"), n),
        }  # fmt: skip
        columns = [
            pa.array(given[each.name]).cast(each.type) if each.name in given else pa.nulls(n, each.type) for each in OBSERVATION_SCHEMA
        ]
        table = pa.table(columns, names=OBSERVATION_SCHEMA.names)
        return np.asarray(self._judge().afresh(table, as_of_ns=self._as_of).outcome != Outcome.DENY)
