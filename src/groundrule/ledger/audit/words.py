"""What does a verified receipt mean, in plain words? What it proves, by whose word, and what it does not prove."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from groundrule.instant import NS_PER_S, format_instant
from groundrule.ledger.audit.receipts import BATCH, VerifiedReceipt
from groundrule.ledger.commitment import COMMITMENTS

NOT_PROVED = (
    "that everything that happened was recorded: an order that was never written down leaves no trace in a log",
    "that what was recorded is true: the log shows that it was said, and when, and that it was not changed since",
)
_WIDTH = 20


def proved(verified: VerifiedReceipt) -> list[str]:
    """Say what is proved, one sentence or one opened field a line."""
    lines = []
    entry, head = verified.entry, verified.checked.checkpoint
    if verified.fields:
        lines.append("These fields belong to one decision record and are what was recorded then:")
        lines += [f"  {name:<{_WIDTH}} {shown(value)}" for name, value in verified.fields.items()]
    if entry is not None and entry.kind == BATCH:
        lines.append(f"It was decided under the policy {entry.body['policy_digest']}")
        lines += [f"  {name:<{_WIDTH}} {shown(value)}" for name, value in versions(verified.fields).items()]
        lines.append(f"  by the engine and configuration {entry.body['evaluator_digest']}.")
        lines.append(f"It is in the batch of the minute {entry.body['minute']}.")
    if entry is None:
        lines.append(f"The {len(verified.entry_bytes):,} bytes given are an entry of the log.")
    else:
        lines.append(f"The entry is number {entry.seq} of the stream `{entry.stream}`, a {entry.kind} of {entry.t}.")
    lines.append(
        f"It is entry {verified.batch_index} of the log `{head.origin}`, which signed a tree of {head.size} entries."
    )
    if verified.existed_before_s is None:
        lines.append("The policy asks for no witness, so when it was recorded rests on the log's own word.")
    else:
        lines.append(
            f"It was in the log before {time_text(verified.existed_before_s)}, by the word of these witnesses:"
        )
    lines += [f"  {name:<{_WIDTH}} {time_text(seen)}" for name, seen in sorted(verified.checked.times.items())]
    if verified.agrees_with_pinned:
        lines.append("The log is the one that was seen earlier: it agrees with the pinned checkpoint.")
    return lines


def not_proved(verified: VerifiedReceipt) -> list[str]:
    """Say what is not proved."""
    lines = list(NOT_PROVED)
    if verified.fields:
        lines.append(
            f"anything about the fields that stay closed: {COMMITMENTS - len(verified.fields)} further commitments, "
            "among them decoys that stand for nothing"
        )
    if verified.agrees_with_pinned is None:
        lines.append("that others are shown the same log: compare with a checkpoint from elsewhere (--pinned)")
    if verified.existed_before_s is None:
        lines.append("the time: no quorum of witnesses vouches for it")
    return lines


def as_dict(verified: VerifiedReceipt) -> dict[str, Any]:
    """Return everything as JSON values, for programs."""
    head, entry = verified.checked.checkpoint, verified.entry
    body: Mapping[str, Any] = {} if entry is None else entry.body
    return {
        "verified": True,
        "fields": dict(verified.fields),
        "leaf_index": verified.leaf_index,
        "entry": None
        if entry is None
        else {"kind": entry.kind, "stream": entry.stream, "seq": entry.seq, "t": entry.t, "body": dict(body)},
        "policy_digest": body.get("policy_digest"),
        "versions": versions(verified.fields),
        "log": {"origin": head.origin, "index": verified.batch_index, "size": head.size, "root": head.root.hex()},
        "witnesses": [
            {"name": name, "time_s": seen, "time": time_text(seen)}
            for name, seen in sorted(verified.checked.times.items())
        ],
        "quorum_met": verified.checked.quorum_met,
        "existed_before_s": verified.existed_before_s,
        "existed_before": None if verified.existed_before_s is None else time_text(verified.existed_before_s),
        "agrees_with_pinned": verified.agrees_with_pinned,
        "remarks": list(verified.remarks),
        "proved": proved(verified),
        "not_proved": not_proved(verified),
    }


def versions(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return under which rules, areas, lists and register the record was decided, as far as it opens that."""
    found = {
        name: fields[name]
        for name in ("rulebook", "areas_version", "lists_version", "register_revision")
        if name in fields
    }
    for name in ("policy", "register"):
        value = fields.get(name)
        if isinstance(value, dict):
            found.update((f"register {key}" if name == "register" else key, value[key]) for key in value)
    return found


def shown(value: Any) -> str:
    """Write a value in one line that cannot be taken for several."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def time_text(time_s: int) -> str:
    """Write a time [s since 1970, UTC]; one beyond the year 2262 stays a number."""
    return format_instant(time_s * NS_PER_S) if time_s < 2**63 // NS_PER_S else f"{time_s} s since 1970"
