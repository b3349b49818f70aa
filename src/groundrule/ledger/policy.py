"""Whom to trust: the logs, the witnesses and how many of them must have seen a checkpoint.

    log <vkey> [url]
    witness <name> <vkey> [url]
    group <name> <k or any or all> <member>…      members are witnesses and groups defined above
    quorum <name or none>                         exactly one

Fields are separated by spaces and tabs, lines end in LF, `#` starts a comment line. Names are opaque octets; they are held
as text in which octets that are not UTF-8 are surrogate escapes. Each name is a member at most once, so that no witness
counts twice. Beyond the specification, no witness may have the public key of a log: whoever stole it would count twice.

Source: C2SP tlog-policy.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from groundrule.canon import parse_decimal
from groundrule.errors import InputError, ProofFailed
from groundrule.ledger.checkpoint import LOG_KEY_TYPES, Checkpoint, open_checkpoint
from groundrule.ledger.cosignature import COSIGNATURE_TYPES, cosignatures
from groundrule.ledger.note import Note, VerifierKey, check_unambiguous

MAX_POLICY_BYTES = 1_000_000
MAX_ENTRIES = 1024
"""Most logs, witnesses and groups of each kind; the specification asks for at least 32."""
NONE = "none"
_FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")


@dataclass(frozen=True, slots=True)
class LogRef:
    """A log that is trusted; the name of the key is its origin."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class WitnessRef:
    """A witness that is trusted; `name` is its name inside the policy, not that of the key."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Satisfied when at least `k` members are."""

    name: str
    k: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckedCheckpoint:
    """A checkpoint that its log signed, and what the witnesses of a policy say about it.

    Attributes:
        checkpoint: what the log states.
        note: the note with all signature lines.
        times: name of each witness that cosigned, to its time [s since 1970, UTC].
        failed: names of the witnesses of which a cosignature is wrong.
        quorum_met: whether the witnesses satisfy the quorum.
    """

    checkpoint: Checkpoint
    note: Note
    times: Mapping[str, int]
    failed: tuple[str, ...]
    quorum_met: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """Trusted logs, witnesses and the quorum.

    Attributes:
        logs: in the order of the file.
        witnesses: by name, in the order of the file.
        groups: by name, members before the groups that contain them.
        quorum: name of a witness or group; None when the policy says `none`.
    """

    logs: tuple[LogRef, ...]
    witnesses: Mapping[str, WitnessRef]
    groups: Mapping[str, Group]
    quorum: str | None

    @classmethod
    def parse(cls, data: bytes | str) -> Policy:
        """Read a policy file.

        Raises:
            InputError: with the number of the line; also when the file is too large or the last line does not end in LF,
                as a truncated file does not.
        """
        octets = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        if len(octets) > MAX_POLICY_BYTES:
            raise InputError(f"a policy of {len(octets)} bytes", help=f"at most {MAX_POLICY_BYTES} are accepted")
        if not octets.endswith(b"\n"):
            raise InputError("the last line of the policy does not end in a line feed", help="it may be cut off")
        reader = _Reader()
        for number, line in enumerate(octets[:-1].split(b"\n"), 1):
            try:
                reader.read(line)
            except InputError as error:
                raise InputError(
                    f"line {number} of the policy: {error.message}", help=error.help, line=number
                ) from error
        return reader.policy()

    @staticmethod
    def format_simple(log_vkeys: Iterable[str], witnesses: Sequence[tuple[str, str, str | None]], k: int | None) -> str:
        """Write the usual file: some logs, some witnesses, any `k` of them.

        Args:
            log_vkeys: keys of the logs.
            witnesses: name, vkey and URL (or None) of each.
            k: how many witnesses make a quorum; None for none.
        Raises:
            InputError: the result would not be a policy.
        """
        lines = [f"log {vkey}" for vkey in log_vkeys]
        lines += [" ".join(filter(None, ("witness", *witness))) for witness in witnesses]
        if k is not None:
            lines.append(" ".join(("group quorum-group", str(k), *(name for name, *_ in witnesses))))
        lines.append(f"quorum {NONE if k is None else 'quorum-group'}")
        text = "\n".join(lines) + "\n"
        Policy.parse(text)
        return text

    @property
    def log_keys(self) -> tuple[VerifierKey, ...]:
        """Keys of all logs."""
        return tuple(log.key for log in self.logs)

    def satisfied_by(self, names: Iterable[str]) -> bool:
        """Tell whether these witnesses make a quorum; names that are no witness of the policy do not count.

        Args:
            names: names of witnesses, as the policy calls them.
        """
        if self.quorum is None:
            return True
        satisfied = set(names) & self.witnesses.keys()
        for group in self.groups.values():
            if sum(member in satisfied for member in group.members) >= group.k:
                satisfied.add(group.name)
        return self.quorum in satisfied

    @property
    def quorums_intersect(self) -> bool:
        """Tell whether any two quorums share a witness, so that two views of a log need a witness that lies."""
        if self.quorum is None:
            return False
        # A name can satisfy both sides of a split of the witnesses, or else either side alone. A group of n members,
        # b of which serve both sides, serves both when each side can collect k of them.
        both: set[str] = set()
        for group in self.groups.values():
            shared = sum(member in both for member in group.members)
            if shared + (len(group.members) - shared) // 2 >= group.k:
                both.add(group.name)
        return self.quorum not in both

    def check(self, checkpoint_data: bytes, *, strict: bool = False) -> CheckedCheckpoint:
        """Verify the signatures on a checkpoint; a quorum that is not met is reported, not raised.

        Args:
            checkpoint_data: the note.
            strict: refuse the checkpoint when a cosignature of a witness of the policy is wrong.
        Raises:
            InputError: not a checkpoint.
            ProofFailed: no log of the policy signed it, a log signature is wrong, or with `strict` a cosignature.
        """
        signed = open_checkpoint(checkpoint_data, self.log_keys)
        names = {witness.key: name for name, witness in self.witnesses.items()}
        times, wrong = cosignatures(signed.note, signed.checkpoint, names)
        failed = tuple(names[key] for key in wrong)
        if strict and failed:
            raise ProofFailed(f"wrong cosignatures of {_listed(failed)}", help="if not strict, they only do not count")
        by_name = {names[key]: time_s for key, time_s in times.items()}
        return CheckedCheckpoint(signed.checkpoint, signed.note, by_name, failed, self.satisfied_by(by_name))

    def require(self, checkpoint_data: bytes, *, strict: bool = False) -> CheckedCheckpoint:
        """Verify a checkpoint as `check` does and refuse it when the quorum is not met.

        Raises:
            InputError: not a checkpoint.
            ProofFailed: what `check` raises, or witnesses too few.
        """
        checked = self.check(checkpoint_data, strict=strict)
        if not checked.quorum_met:
            have = _listed(checked.times) if checked.times else "no witness"
            wrong = f"; wrong cosignatures of {_listed(checked.failed)}" if checked.failed else ""
            raise ProofFailed(
                f"the checkpoint of size {checked.checkpoint.size} is cosigned by {have}{wrong}, "
                f"too few for the quorum `{_shown(self.quorum or NONE)}`",
                help="ask the log for a checkpoint that more witnesses have cosigned",
                have=tuple(checked.times),
            )
        return checked


def existed_before(checked: CheckedCheckpoint, policy: Policy) -> int | None:
    """Return the time before which everything in the checkpoint was logged [s since 1970, UTC].

    It is the time at which its cosignatures, in order of time, first satisfy the quorum; None when they never do or the
    policy asks for no witness.
    """
    return _first_quorum(sorted(checked.times.items(), key=lambda item: item[1]), policy)


def not_before(checked: CheckedCheckpoint, policy: Policy) -> int | None:
    """Return the time after which whatever the checkpoint does not contain reached a quorum [s since 1970, UTC].

    It is the largest time such that the cosignatures from then on satisfy the quorum. That proves something only when
    any two quorums share a witness; None when they do not, when the quorum is not met or the policy asks for no witness.
    """
    if not policy.quorums_intersect:
        return None
    return _first_quorum(sorted(checked.times.items(), key=lambda item: -item[1]), policy)


def _first_quorum(times: Iterable[tuple[str, int]], policy: Policy) -> int | None:
    if policy.quorum is None:
        return None
    names: list[str] = []
    for name, time_s in times:
        names.append(name)
        if policy.satisfied_by(names):
            return time_s
    return None


@dataclass(slots=True)
class _Reader:
    """What the lines read so far define."""

    logs: dict[bytes, LogRef] = field(default_factory=dict)
    witnesses: dict[str, WitnessRef] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    witness_keys: set[bytes] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    quorums: list[str] = field(default_factory=list)

    def read(self, line: bytes) -> None:
        if (forbidden := _FORBIDDEN.search(line)) is not None:
            raise InputError(f"the octet 0x{forbidden[0][0]:02x} is not allowed", help="text, tabs and line feeds only")
        # Only spaces and tabs separate, so the octets are split before they become text.
        words = [word.decode("utf-8", "surrogateescape") for word in re.split(rb"[ \t]+", line.strip(b" \t"))]
        keyword, *rest = words
        if keyword == "" or keyword.startswith("#"):
            return
        if keyword == "log" and len(rest) in (1, 2):
            self._log(*rest)
        elif keyword == "witness" and len(rest) in (2, 3):
            self._witness(*rest)
        elif keyword == "group" and len(rest) >= 3:
            self._group(rest[0], rest[1], rest[2:])
        elif keyword == "quorum" and len(rest) == 1:
            self._quorum(rest[0])
        else:
            raise InputError(
                f"`{_shown(line.decode('utf-8', 'surrogateescape')[:60])}` is not understood",
                help="log <vkey> [url], witness <name> <vkey> [url], group <name> <k> <member>…, or quorum <name>",
            )

    def policy(self) -> Policy:
        if not self.quorums:
            raise InputError("the policy has no quorum line", help="write `quorum <name>`, or `quorum none` on purpose")
        quorum = self.quorums[0]
        if self.witness_keys & self.logs.keys():
            raise InputError("a witness has the public key of a log", help="a log cannot witness itself")
        check_unambiguous([log.key for log in self.logs.values()])
        check_unambiguous([witness.key for witness in self.witnesses.values()])
        return Policy(tuple(self.logs.values()), self.witnesses, self.groups, None if quorum == NONE else quorum)

    def _log(self, vkey: str, url: str | None = None) -> None:
        key = _key(vkey, LOG_KEY_TYPES, "log")
        if key.public in self.logs:
            raise InputError("two logs with the same public key", help="list each key once")
        self._full(self.logs)
        self.logs[key.public] = LogRef(key, url)

    def _witness(self, name: str, vkey: str, url: str | None = None) -> None:
        key = _key(vkey, COSIGNATURE_TYPES, "witness")
        if key.public in self.witness_keys:
            raise InputError("two witnesses with the same public key", help="one key is one witness")
        self._new(name)
        self._full(self.witnesses)
        self.witness_keys.add(key.public)
        self.witnesses[name] = WitnessRef(name, key, url)

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        self._new(name)
        self._full(self.groups)
        for member in members:
            if not self._defined(member):
                raise InputError(f"`{_shown(member)}` is not defined above", help="define members before their group")
            if member in self.members:
                raise InputError(f"`{_shown(member)}` is already a member", help="each name is a member at most once")
            self.members.add(member)
        if threshold in ("any", "all"):
            k = 1 if threshold == "any" else len(members)
        else:
            k = parse_decimal(threshold, what="the threshold", maximum=len(members))
        if k == 0:
            raise InputError("a group of which nobody is needed", help="the threshold is at least 1")
        self.groups[name] = Group(name, k, tuple(members))

    def _quorum(self, name: str) -> None:
        if self.quorums:
            raise InputError("a second quorum line", help="a policy has exactly one")
        if name != NONE and not self._defined(name):
            raise InputError(f"`{_shown(name)}` is not defined above", help="define the quorum's group before it")
        self.quorums.append(name)

    def _defined(self, name: str) -> bool:
        return name in self.witnesses or name in self.groups

    def _new(self, name: str) -> None:
        if name == NONE or self._defined(name):
            raise InputError(f"the name `{_shown(name)}` is taken", help="every witness and group has its own name")

    def _full(self, entries: Mapping[bytes, LogRef] | Mapping[str, WitnessRef] | Mapping[str, Group]) -> None:
        if len(entries) >= MAX_ENTRIES:
            raise InputError("too many logs, witnesses or groups", help=f"at most {MAX_ENTRIES} of each")


def _key(vkey: str, types: tuple[int, ...], role: str) -> VerifierKey:
    key = VerifierKey.parse(vkey)
    if key.type not in types:
        raise InputError(
            f"a {role} key of type {key.type}",
            help=f"a {role} has keys of type {' or '.join(map(str, types))}",
        )
    return key


def _shown(name: str) -> str:
    """Return a name as it can be printed anywhere."""
    return name[:80].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{_shown(name)}`" for name in names)
