"""The exact bytes of an emergency that two persons sign: terminals stand as commitments, empty lists mean nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from groundrule.errors import InputError
from groundrule.govern.objects import Emergency, new_id
from groundrule.govern.signed import NS_PER_HOUR, format_time, whole_ms
from groundrule.govern.state import State
from groundrule.pipeline.intake import check_fields
from groundrule.pipeline.parties import commit_terminals
from groundrule.store.home import Home

FIELDS: Final = frozenset({"openers", "condition", "areas", "terminals", "ops", "direction", "ttl_s", "renewal_of"})


def plain_emergency(state: State, written: Mapping[str, Any], opened_ns: int) -> Emergency:
    """Return an emergency with its terminals in clear.

    Args:
        state: what governs, with a charter.
        written: of `FIELDS`.
        opened_ns: from when it counts; both sign within 15 minutes of it [ns, UTC].
    Raises:
        InputError: a field is missing or is not what it must be.
    """
    assert state.charter is not None
    check_fields(written, FIELDS, "the emergency")
    named = written.get("terminals") or []
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        raise InputError("`terminals` is no list of ids", help="terminals: [ID, …]; ids that look like numbers in quotes")
    opened = whole_ms(opened_ns)
    return Emergency.parse(
        {
            "id": new_id("emergency", os.urandom(16)),
            "openers": written.get("openers"),
            "condition": written.get("condition"),
            "scope": {name: written.get(name) or [] for name in ("areas", "terminals", "ops")},
            "direction": written.get("direction"),
            "opened_at": format_time(opened),
            "ttl_s": written.get("ttl_s"),
            "renewal_of": written.get("renewal_of"),
            "auto_revert_digest": state.policy_digest,
            "review_due": format_time(opened + state.charter.limits.review_hours * NS_PER_HOUR),
        }
    )


def committed_emergency(home: Home, plain: Emergency) -> Emergency:
    """Return what both sign: a commitment in place of each terminal, opened in the home. The caller holds its write lock."""
    commitments = commit_terminals(home, plain.scope.terminals)
    return replace(plain, scope=replace(plain.scope, terminals=tuple(commitments[each] for each in plain.scope.terminals)))
