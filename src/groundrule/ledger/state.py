"""The small files of a log directory, and what they say.

What lies where, in `.state` for the writer alone:

    checkpoint           the published checkpoint
    policy               logs, witnesses and quorum (tlog-policy)
    tile/…               tiles and entry bundles
    .state/version       format and origin; written last when a log is created
    .state/treeState     size and root of everything that is durable and integrated
    .state/signed        size and root of the largest checkpoint ever signed; written before its signature
    .state/streams       where each stream stands at some size; a cache
    .state/treeState.lock, .state/publish.lock
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from groundrule.canon import canonical_signed, format_base64, parse_base64, parse_canonical
from groundrule.errors import InputError, IntegrityError
from groundrule.ledger.entry import Streams, check_stream, check_time
from groundrule.ledger.tree import EMPTY_ROOT, HASH_SIZE

CHECKPOINT = "checkpoint"
POLICY = "policy"
STATE = ".state"
VERSION = f"{STATE}/version"
TREE_STATE = f"{STATE}/treeState"
SIGNED = f"{STATE}/signed"
STREAMS = f"{STATE}/streams"
WRITER_LOCK = f"{STATE}/treeState.lock"
PUBLISH_LOCK = f"{STATE}/publish.lock"

FORMAT = "groundrule-log/1"


@dataclass(frozen=True, slots=True)
class TreeState:
    """A size and its root: of the integrated tree, or of the largest checkpoint signed."""

    size: int
    root: bytes

    def format(self) -> bytes:
        """Return the bytes of the file."""
        return canonical_signed({"root": format_base64(self.root), "size": self.size}) + b"\n"

    @classmethod
    def parse(cls, path: str, data: bytes) -> TreeState:
        """Read the file; `path` names it in errors.

        Raises:
            IntegrityError: it is damaged.
        """
        value = _object(path, data, {"root", "size"})
        size, root = value["size"], _base64(path, value["root"])
        if type(size) is not int or size < 0 or len(root) != HASH_SIZE or (size == 0 and root != EMPTY_ROOT):
            raise _damaged(path, "no size with its root")
        return cls(size, root)


EMPTY = TreeState(0, EMPTY_ROOT)


@dataclass(frozen=True, slots=True)
class Header:
    """What kind of log this is.

    Attributes:
        origin: the log's name, which its checkpoints carry.
        raw: entries are any bytes; streams and sequence numbers mean nothing.
    """

    origin: str
    raw: bool = False

    def format(self) -> bytes:
        """Return the bytes of the file."""
        return canonical_signed({"format": FORMAT, "origin": self.origin, "raw": self.raw}) + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> Header:
        """Read the file.

        Raises:
            IntegrityError: it is damaged. InputError: another format.
        """
        value = _object(VERSION, data, {"format", "origin", "raw"})
        if value["format"] != FORMAT:
            raise InputError(
                f"a log of format `{value['format']!s:.40}`", help=f"this program reads and writes {FORMAT}"
            )
        if not isinstance(value["origin"], str) or type(value["raw"]) is not bool:
            raise _damaged(VERSION, "no origin")
        return cls(value["origin"], value["raw"])


@dataclass(frozen=True, slots=True)
class StreamsAt:
    """Where each stream stands in a tree of this size and root."""

    state: TreeState
    positions: Mapping[str, tuple[int, str]]

    def format(self) -> bytes:
        """Return the bytes of the file."""
        streams = {name: [seq, t] for name, (seq, t) in self.positions.items()}
        value = {"root": format_base64(self.state.root), "size": self.state.size, "streams": streams}
        return canonical_signed(value) + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> StreamsAt:
        """Read the file.

        Raises:
            IntegrityError: it is damaged.
        """
        value = _object(STREAMS, data, {"root", "size", "streams"})
        positions = {}
        try:
            state = TreeState.parse(STREAMS, canonical_signed({"root": value["root"], "size": value["size"]}) + b"\n")
            for name, (seq, t) in value["streams"].items():
                check_stream(name)
                check_time(t)
                if type(seq) is not int or seq < 1:
                    raise _damaged(STREAMS, f"stream `{name}`")
                positions[name] = (seq, t)
        except (AttributeError, TypeError, ValueError) as error:
            raise _damaged(STREAMS, "no positions of streams") from error
        return cls(state, positions)

    def streams(self) -> Streams:
        """Return them to go on with."""
        return Streams(self.positions)


def _object(path: str, data: bytes, fields: set[str]) -> dict[str, Any]:
    try:
        value = parse_canonical(data.removesuffix(b"\n"))
    except InputError as error:
        raise _damaged(path, error.message) from error
    if not isinstance(value, dict) or value.keys() != fields:
        raise _damaged(path, f"the fields are not {', '.join(sorted(fields))}")
    return value


def _base64(path: str, text: object) -> bytes:
    try:
        return parse_base64(text) if isinstance(text, str) else b""
    except InputError as error:
        raise _damaged(path, error.message) from error


def _damaged(path: str, what: str) -> IntegrityError:
    return IntegrityError(
        f"`{path}` is damaged: {what}", help="restore the log from a copy; it is never signed again over damage", path=path
    )
