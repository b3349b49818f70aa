"""Which batches their submitting bodies signed under duress: the nonce of a signed diff says so to role review."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from groundrule.canon import parse_base64, parse_canonical
from groundrule.errors import InputError, StoreError
from groundrule.govern.duress import Sign, nonce_of
from groundrule.govern.state import State
from groundrule.pipeline.submitters import SIGNED
from groundrule.store.home import Home
from groundrule.store.policy import get_object


def batches_under_duress(home: Home, state: State, codes: Mapping[str, bytes]) -> list[Sign]:
    """Return the proposals whose batch carries the sign, in the order of the log.

    Args:
        codes: of the duress passphrases, by the name in the body's key.
    """
    found = []
    for proposal_id, logged in state.proposals.items():
        for change in logged.proposal.change_set:
            if change.type != "list" or change.after_sha256 is None:
                continue
            try:
                batch = parse_canonical(get_object(home, change.after_sha256))
                diff = parse_canonical(parse_base64(str(batch[SIGNED]["payload"])))
                context = (str(diff["list_id"]), str(diff["made_at_ns"]))
                nonce = str(diff["nonce"])
            except (KeyError, TypeError, InputError, StoreError):
                continue  # no signed batch, or its content was erased
            found += [
                Sign(name, proposal_id, logged.index)
                for name, code in codes.items()
                if hmac.compare_digest(nonce_of(code, *context).encode(), nonce.encode())
            ]
    return sorted(found, key=lambda each: each.index)
