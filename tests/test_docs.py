"""The documents say what the program does: blocks run, links resolve, nothing that exists is left out.

The blocks of the README run once, in order, in a directory of their own, through the same entry point as the console script, and
without a network. `make` targets and the virtual environment are recognised and checked against the Makefile: `make demo` runs
with a smaller fleet, and `make test` is this suite.
"""

from __future__ import annotations

import gc
import importlib.util
import io
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest

from groundrule import cli
from groundrule.cli import main
from groundrule.reasons import CATALOGUE
from groundrule.records import DECISION_SCHEMA, OUTCOME_WORDS, ServiceState

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = sorted([README, ROOT / "CHANGELOG.md", *DOCS.glob("*.md")])
WRITTEN_BY_HAND = [page for page in PAGES if page.name not in {"commands.md", "reasons.md", "campaign.md"}]
README_LINES = 150
SMALL_DEMO = ["--terminals", "1000", "--minutes", "3"]
WIDE = "400"
"""Columns of the terminal, so that no table cell is broken over lines."""


def script(path: str) -> ModuleType:
    """Load a script of the project as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [(language, text) for language, text in found if language in languages]


# --- the README runs --------------------------------------------------------------------------------------------------


@dataclass
class Session:
    """A shell that knows what the README uses; every other line goes to `sh`."""

    folder: Path
    patch: pytest.MonkeyPatch
    commands: list[str] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)

    def run(self, command: str) -> str:
        """Run one line and return what it printed."""
        self.commands.append(command)
        words = shlex.split(command)
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        if command == "make demo":
            assert re.search(r"^demo:.*\n\t.*\$\(BIN\)/groundrule demo --out demo-out; fi\n", makefile, re.MULTILINE)
            return self.groundrule(["demo", "--out", "demo-out", *SMALL_DEMO])
        if command == "make test":
            assert re.search(r"^test:.*\n(?:\t.*\n)*\t\$\(BIN\)/python -m pytest\b", makefile, re.MULTILINE)
            return ""
        if command == ". .venv/bin/activate":
            assert "VENV   ?= .venv\n" in makefile
            return ""
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self.patch.setenv(name, value)
            return ""
        if words[0] == "groundrule":
            return self.groundrule(words[1:])
        ran = subprocess.run(["sh", "-eu", "-c", command], cwd=self.folder, capture_output=True, text=True, check=True)
        return ran.stdout

    def groundrule(self, arguments: list[str]) -> str:
        """Run the console script's function; it must end with exit code 0."""
        shown = io.StringIO()
        self.patch.setattr("sys.argv", ["groundrule", *arguments])
        with redirect_stdout(shown), redirect_stderr(shown):
            try:
                main()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        assert code == 0, f"groundrule {shlex.join(arguments)} ended with {code}: {shown.getvalue()}"
        return shown.getvalue()


@pytest.fixture(scope="module")
def readme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Everything that the README tells its reader to run, done once."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(DOCS / "example", folder / "docs" / "example")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", WIDE)
        patch.setattr(socket.socket, "connect", only_loopback(socket.socket.connect))
        session = Session(folder, patch)
        for language, text in blocks(README, "sh", "console"):
            if language == "sh":
                for line in text.splitlines():
                    session.run(line)
                continue
            for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n?)*)", text, re.MULTILINE):
                session.mismatches += not_printed(command, expected.splitlines(), session.run(command).splitlines())
        yield session


def only_loopback(connect: Callable[..., None]) -> Callable[..., None]:
    """Let the demo reach its witnesses on this machine, and nobody else."""

    def checked(self: socket.socket, address: tuple[str, int]) -> None:
        if address[0] != "127.0.0.1":
            raise AssertionError("a document's example opened a network connection")
        connect(self, address)

    return checked


def not_printed(command: str, expected: list[str], printed: list[str]) -> list[str]:
    """Return the expected lines that did not come where they should; a line `…` stands for any lines."""
    missing, position, free = [], 0, False
    for line in expected:
        if line == "…":
            free = True
            continue
        candidates = range(position, len(printed)) if free else range(position, min(position + 1, len(printed)))
        found = next((i for i in candidates if printed[i].rstrip() == line), None)
        if found is None:
            missing.append(f"`{command}` does not print `{line}`")
        else:
            position, free = found + 1, False
    if not free and position < len(printed) and not missing:
        missing.append(f"`{command}` prints more than the README shows: `{printed[position]}`")
    return missing


def test_the_readme_prints_what_it_says(readme: Session) -> None:
    assert readme.mismatches == []
    assert len([command for command in readme.commands if command.startswith("groundrule ")]) >= 9


def test_the_two_commands_are_the_first(readme: Session) -> None:
    assert readme.commands[:2] == ["make demo", "make test"]


def table_of_questions() -> list[tuple[str, str, str]]:
    rows = re.findall(r"^\| (.*?) \| (.*?) \| (.*?) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    return [row for row in rows if row[0].endswith("?")]


def test_each_question_is_answered_as_it_says(readme: Session) -> None:
    answered = 0
    for question, command, answer in table_of_questions():
        if "planned" in command:
            assert "not there yet" in command, question
            continue
        printed = " ".join(readme.run(command.strip("`")).split())
        assert answer.strip("`") in printed, f"{question}: {command} printed {printed}"
        answered += 1
    assert answered >= 5


def test_the_demo_leaves_its_home_as_decided(readme: Session) -> None:
    # The demo alters one stored decision and puts it back.
    printed = readme.groundrule(["replay", "--home", "demo-out/home"])
    assert "byte for byte" in printed


def test_a_manifest_holds_what_its_page_says(readme: Session) -> None:
    text = (DOCS / "decisions.md").read_text(encoding="utf-8")
    manifest = json.loads((readme.folder / "night/manifests/run-000001.json").read_bytes())
    section = text[text.index("## Manifests") : text.index("### Digests")]
    named = set(
        re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `")))
    )
    assert named == set(manifest)
    for name in (*manifest["registers"], *manifest["counts"], *manifest["decisions"]):
        assert f"`{name}`" in section, name


# --- the README is as it should be ------------------------------------------------------------------------------------


def test_the_readme_is_short_and_opens_with_the_question() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= README_LINES
    first = next(line for line in lines[1:] if line)
    assert first.rstrip("*").endswith("?")
    assert lines.index(next(line for line in lines if line.startswith("| Question"))) < lines.index("make demo")


def test_the_attribution_of_the_world_areas_is_shown() -> None:
    text = README.read_text(encoding="utf-8")
    assert "© OpenStreetMap contributors, ODbL 1.0" in text
    assert "Apache-2.0" in text


def test_the_console_script_is_what_the_blocks_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = entry_points(group="console_scripts", name="groundrule")
    ran: list[bool] = []
    monkeypatch.setattr(cli, "main", lambda: ran.append(True))
    kept = gc.get_threshold()
    try:
        found.load()()
    finally:
        gc.set_threshold(*kept)
    assert ran == [True]


# --- nothing is left out ----------------------------------------------------------------------------------------------


def test_every_command_is_in_a_document_and_in_the_reference() -> None:
    build = script("scripts/build_docs.py")
    from groundrule.cli import app

    reference = (DOCS / "commands.md").read_text(encoding="utf-8")
    prose = "".join(page.read_text(encoding="utf-8") for page in WRITTEN_BY_HAND)
    commands = build.walk(app, ("groundrule",))
    assert len(commands) > 10
    for words, function in commands:
        name = " ".join(words)
        assert re.search(rf"^## {name}( |$)", reference, re.MULTILINE), f"{name} is not in docs/commands.md"
        assert re.search(rf"{name}\b", prose), f"no page explains `{name}`"
        section = reference[re.search(rf"^## {name}( |$)", reference, re.MULTILINE).start() :].split("\n## ")[0]  # type: ignore[union-attr]  # searched above
        for parameter in build.parameters_of(function):
            for option in parameter.options:
                assert f"`{option}`" in section or f"`{option}, " in section, (
                    f"{name} {option} is not in docs/commands.md"
                )


def test_options_in_the_reference_are_those_the_program_shows(readme: Session) -> None:
    build = script("scripts/build_docs.py")
    from groundrule.cli import app

    for words, function in build.walk(app, ("groundrule",))[1:]:
        shown = readme.groundrule([*words[1:], "--help"])
        offered = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", shown)) - {"--help", "--"}
        documented = {each for parameter in build.parameters_of(function) for option in parameter.options for each in option.split("/")}
        assert documented <= offered, f"{' '.join(words)} does not offer {sorted(documented - offered)}"


def test_every_reason_is_documented() -> None:
    text = (DOCS / "reasons.md").read_text(encoding="utf-8")
    for code, reason in CATALOGUE.items():
        row = next((line for line in text.splitlines() if line.startswith(f"| `{code}` |")), "")
        assert reason.sentence in row, code
        assert reason.operator_alert is None or f"| {reason.operator_alert} " in row, code


def test_every_column_outcome_and_state_is_documented() -> None:
    text = (DOCS / "decisions.md").read_text(encoding="utf-8")
    for name in (*DECISION_SCHEMA.names, *OUTCOME_WORDS, *ServiceState):
        assert f"\n| `{name}` | " in text, name
    columns = text[text.index("## Columns") : text.index("## What a decision")]
    assert re.findall(r"^\| `(\w+)` \|", columns, re.MULTILINE) == DECISION_SCHEMA.names


def test_every_benchmark_is_documented() -> None:
    text = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    found = [path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "run_all" and not path.stem.startswith("verify")]
    assert found
    assert "](../benchmarks/verify.py)" in text, "its tables stand in docs/verify-estimator.md"
    for name in found:
        assert f"](../benchmarks/{name}.py)" in text, name
        assert f"\n### {name}\n" in text, name


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    for page in DOCS.glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, page.name


def test_generated_documents_are_what_the_generator_makes() -> None:
    for name, text in script("scripts/build_docs.py").documents().items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, f"run python scripts/build_docs.py: docs/{name}"


# --- links and leaks --------------------------------------------------------------------------------------------------


def anchor(heading: str) -> str:
    """The anchor that a heading gets."""
    kept = re.sub(r"[^\w\- ]", "", re.sub(r"`|\*", "", heading).strip().lower())
    return kept.replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_resolve(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        aim = (page.parent / name).resolve() if name else page
        assert aim.exists(), f"{page.name} links to {target}"
        assert ROOT in aim.parents, f"{page.name} links out of the project: {target}"
        if fragment:
            headings = re.findall(r"^#+ (.*)$", aim.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in {anchor(heading) for heading in headings}, f"{page.name} links to {target}"


MACHINE = "/" + "work/"
REAL_DATA = "shared/" + "data"
REGISTRIES = ("pypi." + "org", "python" + "hosted", "npm" + "js.", "crates." + "io")
MAY_NAME_REAL_DATA = ("tests/conftest.py", "tests/campaign/", "scripts/campaign.py")
UNREAD = {
    ".git",
    ".venv",
    "__pycache__",
    "node_modules",
    "demo-out",
    "build",
    "dist",
    ".cache",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
}


def files_of_the_project() -> Iterator[tuple[str, str]]:
    """Yield path and text of every text file."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(set(folders) - UNREAD)
        for name in sorted(names):
            path = Path(folder) / name
            data = path.read_bytes()
            if b"\0" not in data[:4096]:
                yield path.relative_to(ROOT).as_posix(), data.decode("utf-8", "replace")


def test_the_project_speaks_of_itself_alone() -> None:
    found = []
    for path, text in files_of_the_project():
        words = [MACHINE, *REGISTRIES, *([] if path.startswith(MAY_NAME_REAL_DATA) else [REAL_DATA])]
        found += [f"{path} mentions {word}" for word in words if word in text]
    assert found == []
