"""Signatures on batches: a body that may submit to a list signs its diff on a machine of its own.

    {"v": 1, "salt": …, "list": null, "add": […], "remove": […], "signed": {DSSE envelope}}

    payload   canonical {"v": 1, "list_id", "add", "remove", "made_at_ns", "nonce"}     type application/vnd.groundrule.list-batch+json

Which keys may submit is part of the list (`submitters`), so it changes by proposal and quorum only. A list that has
submitters takes no entries without a signature of one of them; approvers still decide. A signed batch is good for 14 days,
so that an old one cannot be put in again when it suits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from groundrule.canon import canonical_json, parse_canonical
from groundrule.errors import InputError
from groundrule.govern.charter import parse_vkey
from groundrule.govern.refusal import CLOCK_TOLERANCE_NS, refuse
from groundrule.govern.signed import payload_type
from groundrule.instant import NS_PER_DAY
from groundrule.signing import Signer, open_envelope, sign_envelope

SIGNED: Final = "signed"
KIND: Final = "list-batch"
GOOD_FOR_NS: Final = 14 * NS_PER_DAY
MAX_SUBMITTERS: Final = 50
_PAYLOAD: Final = frozenset({"v", "list_id", "add", "remove", "made_at_ns", "nonce"})


def sign_batch(
    list_id: str, add: Sequence[Any], remove: Sequence[Any], key: Signer, *, now_ns: int, nonce: str
) -> dict[str, Any]:
    """Return the envelope of a diff.

    Args:
        now_ns: from when it is good, for 14 days [ns, UTC].
        nonce: 32 hex digits; random, or from `govern.duress`.
    """
    payload = {"v": 1, "list_id": list_id, "add": list(add), "remove": list(remove), "made_at_ns": str(now_ns), "nonce": nonce}
    return sign_envelope(canonical_json(payload), payload_type(KIND), [key])


def parse_submitters(given: Any) -> str | None:
    """Return submitters' keys as the register holds them: vkeys with a space between; None where there are none.

    Raises:
        InputError: no list of vkeys, or one key twice.
    """
    if given is None:
        return None
    if not isinstance(given, list) or len(given) > MAX_SUBMITTERS or not all(isinstance(each, str) for each in given):
        raise InputError("`submitters` is no list of keys", help=f"at most {MAX_SUBMITTERS} lines of .pub files of `groundrule key new`")
    if len({parse_vkey(each)[1] for each in given}) != len(given):
        raise InputError("`submitters` holds one key twice", help="one key for each body")
    return " ".join(given) or None


def check_signed(list_id: str, batch: Mapping[str, Any], submitters: str | None, at_ns: int) -> None:
    """Check who submitted a batch.

    Args:
        submitters: of the list as it is stated, from `parse_submitters`.
        at_ns: from when the batch is to hold [ns, UTC].
    Raises:
        ConflictError: `batch_unsigned`, `batch_wrong_key`, `batch_other_bytes`, `batch_old`.
        InputError: the envelope cannot be read.
    """
    envelope = batch.get(SIGNED)
    keys = {parse_vkey(each)[1]: parse_vkey(each)[0] for each in (submitters or "").split()}
    if envelope is None:
        if keys and (batch["add"] or batch["remove"]):
            raise refuse(
                "batch_unsigned", f"`{list_id[:80]}` takes entries only from bodies that may submit to it",
                help="let one of them sign: groundrule batch sign",
            )  # fmt: skip
        return
    if not isinstance(envelope, Mapping):
        raise InputError("`signed` of a batch is no envelope", help="make it with: groundrule batch sign")
    payload, made_by = open_envelope(envelope, keys, payload_type(KIND))
    if not made_by:
        raise refuse("batch_wrong_key", f"no body that may submit to `{list_id[:80]}` signed the batch", help="see its submitters")
    value = parse_canonical(payload)
    if not isinstance(value, dict) or value.keys() != _PAYLOAD:
        raise InputError("the signed diff has other fields", help=f"exactly {', '.join(sorted(_PAYLOAD))}")
    if (value["list_id"], value["add"], value["remove"]) != (list_id, list(batch["add"]), list(batch["remove"])):
        raise refuse("batch_other_bytes", "the batch is not what the submitting body signed", help="put it in as it was signed")
    try:
        made_at = int(value["made_at_ns"])
    except (TypeError, ValueError):
        raise InputError("`made_at_ns` of the signed diff is no instant", help="ns since 1970, UTC, as text") from None
    if not -CLOCK_TOLERANCE_NS <= at_ns - made_at <= GOOD_FOR_NS:
        raise refuse("batch_old", "the signed diff is older than 14 days, or of the future", help="let the body sign it again")
