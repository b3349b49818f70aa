"""What is checked of a proposal against the home before it is logged and again before it is enacted, and not when it is replayed.

Records may be erased and registers change from one day to the next. What an enactment in the log does must not depend on that,
so these checks stand before the entry, and what is applied afterwards is what was signed.
"""

from __future__ import annotations

from groundrule.canon import parse_canonical
from groundrule.govern.objects import Proposal
from groundrule.pipeline.cascades import CASCADE, check_cascade
from groundrule.pipeline.changes import content_of, split
from groundrule.pipeline.disclosing import check_names, check_openings
from groundrule.store.home import Home
from groundrule.store.policy import stated
from groundrule.store.registers import TABLES, Registers


def check_against_home(home: Home, proposal: Proposal) -> None:
    """Check openings, names of objects and cascades.

    Raises:
        ConflictError: one of those of `check_openings`, `check_names` and `check_cascade`.
        InputError: a cascade cannot be read.
    """
    check_openings(home, proposal)
    check_names(home, proposal)
    for change in proposal.change_set:
        if change.type != "list" or change.after_sha256 is None:
            continue
        batch = parse_canonical(content_of(home, change))
        if not isinstance(batch, dict) or batch.get(CASCADE) is None:
            continue
        list_id = split(change.object)[1]
        with Registers.open(home) as registers, registers.reading() as connection:
            rows = stated(connection, "list_entries", TABLES["list_entries"].c.list_id == list_id)
            check_cascade(connection, {row[0]: row for row in rows}, batch)
