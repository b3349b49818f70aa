"""Verifications of a home: where radio says that terminals are, kept for pages, for looking back, and for the next start."""

from __future__ import annotations

import re
from typing import Final

import pyarrow as pa

from groundrule.store.findings import Findings
from groundrule.store.home import Home

VERIFICATIONS: Final = Findings("verifications", "at_ns", "inputs", "verifications", "verify")
"""Rows of `verify.records.VERIFICATION_SCHEMA` with any further columns, for instance `report` (`verify.kept`); `at_ns` is the time of
the last measurement, and `inputs` the digest of what a row rests on."""
_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")

batches = VERIFICATIONS.batches
write_verifications = VERIFICATIONS.write
read_verifications = VERIFICATIONS.read
newest_verifications = VERIFICATIONS.newest
latest_verifications = VERIFICATIONS.latest
gather_small = VERIFICATIONS.gather_small


def find_verification(home: Home, inputs: str, columns: list[str] | None = None) -> pa.Table:
    """Return the verification that rests on something: one row, or none.

    Args:
        home: whose.
        inputs: digest, with or without `sha256:`.
        columns: besides whose, when and the digest; None is all of them.
    """
    match = _DIGEST.fullmatch(inputs)
    return VERIFICATIONS.find(home, f"sha256:{match[1]}" if match else "", columns)
