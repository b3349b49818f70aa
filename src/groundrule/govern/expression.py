"""Who together may act: nested groups of persons, in the grammar of tlog-policy with persons in place of witnesses.

    person ada party-0123…                 a name for a person
    person bo  party-4567…
    person cy  party-89ab…
    group  two 2 ada bo cy                 satisfied when at least 2 of its members are; also `any`, `all`
    quorum two

Each name is a member at most once and each person has one name, so that nobody counts twice. `quorum none` is invalid.

Source: C2SP tlog-policy.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from groundrule.canon import parse_decimal
from groundrule.errors import InputError

MAX_BYTES = 100_000
MAX_NAMES = 512
_FORBIDDEN = re.compile(r"[^\t\n\x20-\x7e]")
_PARTY = re.compile(r"party-[0-9a-f]{32}")
_NAME = re.compile(r"[!-~]{1,80}")


@dataclass(frozen=True, slots=True)
class RoleExpression:
    """A parsed expression.

    Attributes:
        text: as it was given.
        persons: party by name, in the order of the text; only names that can bear on the quorum.
        groups: (threshold, members) by name, members before the groups that contain them.
        quorum: name of the person or group that decides.
    """

    text: str
    persons: Mapping[str, str]
    groups: Mapping[str, tuple[int, tuple[str, ...]]]
    quorum: str

    @classmethod
    def parse(cls, text: str) -> RoleExpression:
        """Read an expression.

        Raises:
            InputError: with the number of the line; also for a person or group that cannot bear on the quorum.
        """
        if len(text) > MAX_BYTES or not text.endswith("\n"):
            raise InputError("a role is a text of lines", help=f"at most {MAX_BYTES} bytes, the last line ends in LF")
        reader = _Reader()
        for number, line in enumerate(text[:-1].split("\n"), 1):
            try:
                reader.read(line)
            except InputError as error:
                raise InputError(f"line {number} of the role: {error.message}", help=error.help, line=number) from error
        return cls(text, reader.persons, reader.groups, reader.end())

    @property
    def parties(self) -> frozenset[str]:
        """Every person of the expression."""
        return frozenset(self.persons.values())

    @property
    def minimum(self) -> int:
        """Fewest persons that satisfy it."""
        fewest = dict.fromkeys(self.persons, 1)
        for name, (k, members) in self.groups.items():
            fewest[name] = sum(sorted(fewest[member] for member in members)[:k])
        return fewest[self.quorum]

    def satisfied_by(self, parties: Collection[str], stand_ins: Mapping[str, str] | None = None) -> bool:
        """Tell whether these persons satisfy it.

        Args:
            parties: who acts; parties that are not in the expression do not count.
            stand_ins: person of the expression to the substitute in that person's place; the person then counts no more.
        """
        instead = stand_ins or {}
        holds = {name for name, party in self.persons.items() if instead.get(party, party) in parties}
        for name, (k, members) in self.groups.items():
            if sum(member in holds for member in members) >= k:
                holds.add(name)
        return self.quorum in holds

    def threshold_ok(self, floor: int = 2) -> bool:
        """Tell whether at least `floor` persons are needed and there are more persons than are needed."""
        return self.minimum >= floor and len(self.persons) > self.minimum


def k_of(parties: Iterable[str], k: int) -> str:
    """Write the usual expression: any `k` of these persons."""
    listed = list(parties)
    lines = [f"person p{number} {party}" for number, party in enumerate(listed, 1)]
    lines.append(f"group quorum-group {k} {' '.join(f'p{number}' for number in range(1, len(listed) + 1))}")
    text = "\n".join(lines) + "\nquorum quorum-group\n"
    RoleExpression.parse(text)
    return text


@dataclass(slots=True)
class _Reader:
    persons: dict[str, str] = field(default_factory=dict)
    groups: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    quorums: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        if (forbidden := _FORBIDDEN.search(line)) is not None:
            raise InputError(f"the character {forbidden[0]!a} is not allowed", help="printable ASCII, tabs and line feeds")
        keyword, *rest = re.split(r"[ \t]+", line.strip(" \t"))
        if keyword == "" or keyword.startswith("#"):
            return
        if keyword == "person" and len(rest) == 2:
            self._person(*rest)
        elif keyword == "group" and len(rest) >= 3:
            self._group(rest[0], rest[1], rest[2:])
        elif keyword == "quorum" and len(rest) == 1:
            self._quorum(rest[0])
        else:
            raise InputError(
                f"`{line[:60]}` is not understood",
                help="person <name> <party>, group <name> <k, any or all> <member>…, or quorum <name>",
            )

    def end(self) -> str:
        if not self.quorums:
            raise InputError("the role has no quorum line", help="write `quorum <name>`")
        loose = (self.persons.keys() | self.groups.keys()) - self.members - {self.quorums[0]}
        if loose:
            # Otherwise a role could show persons whose approval means nothing.
            raise InputError(f"`{min(loose)}` does not bear on the quorum", help="make it a member of a group, or leave it out")
        return self.quorums[0]

    def _person(self, name: str, party: str) -> None:
        self._new(name)
        if _PARTY.fullmatch(party) is None:
            raise InputError(f"`{party[:60]}` is no party", help="write party- and 32 hexadecimal digits")
        if party in self.persons.values():
            raise InputError(f"`{party}` has two names", help="a person counts once; give one name")
        self.persons[name] = party

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        self._new(name)
        for member in members:
            if member not in self.persons and member not in self.groups:
                raise InputError(f"`{member[:80]}` is not defined above", help="define members before their group")
            if member in self.members or member in self.quorums:
                raise InputError(f"`{member[:80]}` is already a member", help="each name is a member at most once")
            self.members.add(member)
        if threshold in ("any", "all"):
            k = 1 if threshold == "any" else len(members)
        else:
            k = parse_decimal(threshold, what="the threshold", maximum=len(members))
        if k == 0:
            raise InputError("a group of which nobody is needed", help="the threshold is at least 1")
        self.groups[name] = (k, tuple(members))

    def _quorum(self, name: str) -> None:
        if self.quorums:
            raise InputError("a second quorum line", help="a role has exactly one")
        if name == "none":
            raise InputError("a role without a quorum", help="nobody may act alone; name a group")
        if name not in self.persons and name not in self.groups:
            raise InputError(f"`{name[:80]}` is not defined above", help="define the quorum's group before it")
        if name in self.members:
            raise InputError(f"`{name[:80]}` is a member of a group", help="the quorum is the outermost group")
        self.quorums.append(name)

    def _new(self, name: str) -> None:
        if _NAME.fullmatch(name) is None or name == "none" or name in self.persons or name in self.groups:
            raise InputError(f"the name `{name[:80]}` is taken or not allowed", help="each person and group has its own name")
        if len(self.persons) + len(self.groups) >= MAX_NAMES:
            raise InputError("too many persons and groups", help=f"at most {MAX_NAMES}")
