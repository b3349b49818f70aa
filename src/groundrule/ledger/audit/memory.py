"""What does a monitor remember between two runs? One small file, replaced in one step or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundrule.canon import canonical_json, format_base64, parse_base64, parse_canonical
from groundrule.errors import InputError, StoreError
from groundrule.ledger.audit.appeals import Appeals
from groundrule.ledger.audit.conduct import Conduct, Finding, Seal
from groundrule.ledger.audit.sequence import StreamEnd
from groundrule.ledger.tree import HASH_SIZE, Frontier


@dataclass(frozen=True, slots=True)
class MonitorState:
    """What a run leaves to the next one.

    Attributes:
        checkpoint: the pinned head, as published.
        edge: roots of the perfect subtrees of the pinned tree, largest first.
        streams: where each stream stands.
        conduct: what the entries amount to; without its findings of one run.
        findings: every finding so far and whether it was acknowledged.
    """

    checkpoint: bytes
    edge: tuple[bytes, ...]
    streams: dict[str, StreamEnd]
    conduct: Conduct
    findings: tuple[tuple[Finding, bool], ...] = ()


def load_state(path: Path) -> MonitorState | None:
    """Read a state file; None if there is none yet.

    Raises:
        InputError: it is damaged or of another program.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return _decode(parse_canonical(data.removesuffix(b"\n")))
    except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"`{path}` is not the state of a monitor or is damaged",
            help="restore it from a copy; never start afresh lightly",
        ) from error


def save_state(path: Path, state: MonitorState) -> None:
    """Replace a state file in one step; a crash leaves the old or the new one.

    Raises:
        StoreError: it cannot be written; the old file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            stream.write(canonical_json(_encode(state)) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"cannot write `{path}`: {error.strerror}", path=str(path)) from error


def acknowledge(state: MonitorState) -> MonitorState:
    """Mark every finding so far as known to a person; later runs no longer report them."""
    return MonitorState(
        state.checkpoint,
        state.edge,
        state.streams,
        state.conduct,
        tuple((finding, True) for finding, _ in state.findings),
    )


def _encode(state: MonitorState) -> dict[str, Any]:
    conduct = state.conduct
    return {
        "v": 1,
        "checkpoint": format_base64(state.checkpoint),
        "edge": [format_base64(each) for each in state.edge],
        "streams": {name: [end.next_seq, end.t] for name, end in state.streams.items()},
        "minutes": conduct.minutes,
        "busy": sorted(conduct.busy),
        "run": conduct.run,
        "announced": sorted(conduct.announced),
        "unknown": conduct.unknown,
        "seals": {name: [seal.index, seal.disclose_by] for name, seal in conduct.seals.items()},
        "appeals": {name: list(each) for name, each in conduct.appeals.waiting.items()},
        "erasures": conduct.erasures,
        "kinds": conduct.kinds,
        "findings": [[f.kind, f.index, f.what, acknowledged] for f, acknowledged in state.findings],
    }


def _decode(value: dict[str, Any]) -> MonitorState:
    if value["v"] != 1:
        raise ValueError
    edge = tuple(parse_base64(each) for each in value["edge"])
    if any(len(each) != HASH_SIZE for each in edge):
        raise ValueError
    return MonitorState(
        checkpoint=parse_base64(value["checkpoint"]),
        edge=edge,
        streams={name: StreamEnd(_number(seq), str(t)) for name, (seq, t) in value["streams"].items()},
        conduct=Conduct(
            minutes={name: _number(minute) for name, minute in value["minutes"].items()},
            busy={_number(minute) for minute in value["busy"]},
            run=_number(value["run"]),
            announced={str(digest) for digest in value["announced"]},
            unknown={name: _number(index) for name, index in value["unknown"].items()},
            seals={name: Seal(_number(index), str(due)) for name, (index, due) in value["seals"].items()},
            # A state of an earlier version knows no appeals; those that waited then are not followed.
            appeals=Appeals({name: (_number(index), _number(due)) for name, (index, due) in value.get("appeals", {}).items()}),
            erasures=_number(value["erasures"]),
            kinds={name: _number(count) for name, count in value["kinds"].items()},
        ),
        findings=tuple(
            (Finding(str(kind), _number(index), str(what)), acknowledged is True)
            for kind, index, what, acknowledged in value["findings"]
        ),
    )


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def frontier_at(size: int, edge: Sequence[bytes]) -> Frontier:
    """Take up a tree from the roots of its perfect subtrees, largest first."""
    roots = iter(edge)
    frontier = Frontier.at(size, lambda _level, _index: next(roots, b"\x00" * HASH_SIZE))
    if len(edge) != size.bit_count():
        raise InputError("the state file is damaged: its tree is not that of its head", help="restore it from a copy")
    return frontier
