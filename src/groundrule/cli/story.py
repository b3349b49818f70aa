"""`groundrule demo --incident NAME` for stories about governance: ordinary commands, one after the other."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from groundrule.cli.output import print_json, print_text
from groundrule.cli.passphrase import VARIABLE
from groundrule.errors import GroundruleError, IntegrityError
from groundrule.instant import NS_PER_DAY
from groundrule.ledger.entry import format_time
from groundrule.simulate.stories import Step, Story

PASSPHRASE: Final = "invented passphrase of the demo"  # noqa: S105 - protects nothing, see below
"""The keys of a demo belong to persons who do not exist."""


@dataclass(frozen=True, slots=True)
class Done:
    """One step that was run."""

    step: Step
    command: str
    code: int
    printed: str


def play_story(story: Story, folder: Path, *, as_json: bool) -> None:
    """Run the commands of a story in a folder and print what they say.

    Raises:
        IntegrityError: a command answered otherwise than the story needs; what it printed is in the message.
    """
    known = {"home": str(folder / "home"), "papers": str(folder / "papers"), "out": str(folder)}
    now_ns = time.time_ns()
    known |= {name: format_time(now_ns - round(days * NS_PER_DAY)) for name, days in story.days.items()}
    (folder / "papers").mkdir()
    if not as_json:
        print_text(story.title, style="bold")
        print_text(story.notice)
    done = []
    with _passphrase():
        for step in story.steps:
            found = _run(step, known, folder)
            done.append(found)
            if not as_json:
                _print(found)
    (folder / "commands.sh").write_text(_script(story, done), encoding="utf-8")
    if as_json:
        print_json(_as_dict(story, done, known))
        return
    print_text()
    print_text("What the records show, and what they cannot", style="bold")
    for line in story.ends:
        print_text(f"  {line}")
    print_text()
    print_text(f"Home {known['home']}, papers {known['papers']}; all commands in order: {folder / 'commands.sh'}")


def _run(step: Step, known: dict[str, str], folder: Path) -> Done:
    for name, text in step.files.items():
        path = folder / "papers" / name
        path.write_text(_filled(text, known), encoding="utf-8")
    command = _filled(step.command, known)
    code, printed = run_command(shlex.split(command))
    if code != step.code:
        raise IntegrityError(
            f"the story needs {step.code} from `groundrule {command}`, and it ended with {code}: {printed.strip()[-600:]}"
        )
    for name, pattern in step.keep.items():
        match = re.search(pattern, printed)
        if match is None:
            raise IntegrityError(f"`groundrule {command}` printed nothing that looks like `{name}`: {printed[-600:]}")
        known[name] = match[1]
    return Done(step, command, code, printed)


def run_command(words: list[str]) -> tuple[int, str]:
    """Run one command in this process.

    Returns:
        Its exit code, and what it printed on stdout and stderr.
    """
    from groundrule.cli import parser_of  # noqa: PLC0415 - the commands include the one that plays stories

    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        try:
            answer: Any = parser_of(words[0])(words, standalone_mode=False)
        except GroundruleError as error:
            print(f"groundrule: {error}")  # noqa: T201 - into the text that is returned
            return error.exit_code, shown.getvalue()
        except SystemExit as stop:
            answer = stop.code
    return (answer if isinstance(answer, int) else 0), shown.getvalue()


def _filled(text: str, known: Mapping[str, str]) -> str:
    """Fill in `{name}` for the names that are known; other braces stay, since files hold them too."""
    return re.sub(r"\{([a-z_0-9]+)\}", lambda match: known.get(match[1], match[0]), text)


def _print(done: Done) -> None:
    if not done.step.says:
        return
    print_text()
    print_text(done.step.says, style="bold")
    print_text(f"$ groundrule {done.command}", style="cyan")
    if done.step.shown:
        for line in done.printed.rstrip("\n").split("\n"):
            print_text(f"  {line}")
    if done.code:
        print_text(f"  (exit code {done.code})")


def _script(story: Story, done: list[Done]) -> str:
    lines = ["# " + story.title, "# " + story.notice, f"export {VARIABLE}={shlex.quote(PASSPHRASE)}"]
    for item in done:
        if item.step.says:
            lines += ["", f"# {item.step.says}"]
        lines.append(f"groundrule {item.command}" + (f"  # ends with {item.code}" if item.code else ""))
    return "\n".join(lines) + "\n"


def _as_dict(story: Story, done: list[Done], known: Mapping[str, str]) -> dict[str, Any]:
    return {
        "incident": story.name,
        "notice": story.notice,
        "home": known["home"],
        "known": dict(known),
        "steps": [{"says": d.step.says, "command": d.command, "code": d.code, "printed": d.printed} for d in done],
        "ends": list(story.ends),
    }


@contextlib.contextmanager
def _passphrase() -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = PASSPHRASE
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
