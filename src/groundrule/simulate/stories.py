"""Stories about governance: invented persons, companies and list entries, and the commands that tell what happened.

A story is data: files that somebody would have written, and commands in their order with what each has to answer. Who
plays one runs exactly these commands, so that anybody can type them again. Words in braces in a command or a file are
filled in by the player: folders, and whatever a step keeps from the answer of its command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a story.

    Attributes:
        says: what happens, for people; empty to run it without a word.
        command: the words after `groundrule`, split as a shell would, without substitution of its own.
        code: the exit code that it must have.
        keep: name → regular expression with one group; the first match in what was printed is kept under the name.
        files: name → text, written into the folder of papers before the command runs.
        shown: whether what it prints is shown.
    """

    says: str
    command: str
    code: int = 0
    keep: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Story:
    """A story.

    Attributes:
        name: as given on the command line.
        title, notice: for people; the notice says what is invented.
        days: name → days before now, for times inside the files, such as a letter received three days ago.
        steps: in their order.
        ends: sentences that say what the records show and what they cannot.
    """

    name: str
    title: str
    notice: str
    days: Mapping[str, float]
    steps: tuple[Step, ...]
    ends: tuple[str, ...]
