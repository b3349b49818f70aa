"""`make bench`: what runs, what is kept, what is told, and the page that is made from it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "benchmarks"))

import run_all  # noqa: E402 - found only now
from report.described import Described, Goal, disagreement, read_page  # noqa: E402
from report.page import made, write_page  # noqa: E402
from report.plots import DARK, LIGHT, LINE, MISSED, OURS, PEER, Bar, bars  # noqa: E402
from report.results import Machine, Result, read_results, this_commit, this_machine, write_result  # noqa: E402

TEXTS, KEPT, PAGE = ROOT / "benchmarks" / "page.toml", ROOT / "docs" / "benchmarks", ROOT / "docs" / "benchmarks.md"

# --- what is committed ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page made once more from the committed results."""
    docs = tmp_path_factory.mktemp("again") / "docs"
    shutil.copytree(KEPT, docs / "benchmarks", ignore=shutil.ignore_patterns("*.svg"))
    write_page(TEXTS, docs / "benchmarks", docs / "benchmarks.md")
    return docs


def test_the_page_is_what_the_kept_results_make(again: Path) -> None:
    assert (again / "benchmarks.md").read_bytes() == PAGE.read_bytes(), "python benchmarks/run_all.py --page"


def test_plots_are_what_the_kept_results_make(again: Path) -> None:
    drawn = {path.name: path.read_bytes() for path in KEPT.glob("*.svg")}
    assert set(drawn) == {path.name for path in (again / "benchmarks").glob("*.svg")}
    (by,) = {version for text in drawn.values() for version in re.findall(rb"Matplotlib v([\d.]+)", text)}
    if by.decode() != mpl.__version__:
        pytest.skip(f"the plots were drawn by matplotlib {by.decode()}; {mpl.__version__} may place things otherwise")
    for name, text in drawn.items():
        assert (again / "benchmarks" / name).read_bytes() == text, f"{name}: python benchmarks/run_all.py --page"


def test_every_benchmark_is_described_and_every_described_one_exists() -> None:
    said = [each.name for each in read_page(TEXTS).benchmarks]
    assert len(said) == len(set(said))
    assert run_all.names_of(ROOT / "benchmarks", read_page(TEXTS)) == [name for name in said if name != "verify"]
    assert all((ROOT / "benchmarks" / f"{name}.py").is_file() for name in said)


def test_every_goal_is_one_that_the_benchmark_judges_alike() -> None:
    texts, results = read_page(TEXTS), read_results(KEPT)
    if_installed = {"figures.x BallTree superset"}
    for described in texts.benchmarks:
        if (result := results.get(described.name)) is None:
            continue
        assert disagreement(described, result) == "", described.name
        unknown = {goal.figure for goal in described.goals} - result.flat.keys() - if_installed
        assert not unknown, f"{described.name} has no figures {unknown}"
        drawn = {figure for plot in described.plots for _, figure in plot.bars}
        assert not drawn - result.flat.keys() - if_installed, described.name


@pytest.mark.parametrize("described", read_page(TEXTS).benchmarks, ids=lambda each: each.name)
def test_small_sizes_are_arguments_that_the_benchmark_has(described: Described) -> None:
    source = (ROOT / "benchmarks" / f"{described.name}.py").read_text(encoding="utf-8")
    assert described.quick or described.separate
    for argument in (*described.quick, *described.with_data):
        if argument.startswith("--"):
            assert f'"{argument}"' in source


def test_what_a_person_wrote_is_on_the_page() -> None:
    page, texts = PAGE.read_text(encoding="utf-8"), read_page(TEXTS)
    assert all(text in page for text in (texts.intro, texts.after, texts.figures))
    assert all(each.notes in page and each.goal in page and each.peer in page for each in texts.benchmarks)


# --- running --------------------------------------------------------------------------------------------------------------------

STUBS = {
    "fast": 'print("working"); print(json.dumps({"benchmark": "fast", "ratio": 12.5, "ratio_range": [11, 14], "given": sys.argv[1:]}))',
    "slow": 'print(json.dumps({"benchmark": "slow", "deep": {"ms": 30.0}, "text": "a|b", "flag": True})); sys.exit(1)',
    "broken": 'raise RuntimeError("no such file")',
    "unsaid": 'print(json.dumps({"benchmark": "unsaid", "count": 1234567}))',
    "unsaid_part": 'raise AssertionError("a part of another one is not run")',
    "apart": 'raise AssertionError("it is left out")',
}
DESCRIBED = """
intro = "Before."
after = "After."
figures = "How."

[[benchmark]]
name = "broken"
what = "what breaks"
peer = "none"
goal = "none"

[[benchmark]]
name = "fast"
what = "what is fast"
peer = "a peer"
goal = "≥ 10 ×"
notes = "A person wrote this."
quick = ["--small"]
goals = [{ figure = "ratio", name = "× peer", at_least = 10 }]
[[benchmark.plots]]
title = "times"
bars = [["ours", "ratio"], ["not found", "other"]]
ours = ["ours"]

[[benchmark]]
name = "slow"
what = "what is slow"
peer = "none"
goal = "≤ 20 ms"
goals = [{ figure = "deep.ms", name = "time [ms]", at_most = 20 }]

[[benchmark]]
name = "apart"
what = "needs data"
peer = "none"
goal = "none"
separate = "it needs data"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "benchmarks").mkdir()
    for name, text in STUBS.items():
        (tmp_path / "benchmarks" / f"{name}.py").write_text(f"import json, sys\n{text}\n", encoding="utf-8")
    (tmp_path / "benchmarks" / "page.toml").write_text(DESCRIBED, encoding="utf-8")
    monkeypatch.delenv(run_all.DATA, raising=False)
    return tmp_path


def kept(place: Path) -> dict[str, Any]:
    found = (place / "docs" / "benchmarks").glob("*.json")
    return {path.name.removesuffix(".result.json"): json.loads(path.read_text(encoding="utf-8")) for path in found}


def test_all_run_though_one_fails_and_one_misses_its_goal(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_all.main([], place) == 1
    said = capfd.readouterr().out
    assert re.findall(r"^== \[(\d)/4\] (\w+)$", said, re.MULTILINE) == [("1", "broken"), ("2", "fast"), ("3", "slow"), ("4", "unsaid")]
    assert "working\n" in said
    assert re.search(r"^== \[2/4\] fast: every goal met in \d s$", said, re.MULTILINE)
    assert said.splitlines()[-3:] == ["failed or missed a goal:", "  broken: found nothing, exit code 1", "  slow: a goal was missed"]
    found = kept(place)
    assert set(found) == {"fast", "slow", "unsaid"}
    assert (found["fast"]["exit_code"], found["slow"]["exit_code"]) == (0, 1)
    assert found["fast"]["machine"]["packages"]["numpy"]
    assert found["fast"]["load_before"] is not None
    page = (place / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "| broken | *no result is kept* |" in page
    assert "| fast | × peer | ≥ 10 | 12.5 | 11 to 14 | met |" in page
    assert "| slow | time [ms] | ≤ 20 | 30 |  | **missed** |" in page
    assert "| unsaid | all of them together | | | | met |" in page
    assert "A person wrote this.\n" in page
    assert "| ratio | 12.5 (11 to 14) |" in page
    assert "| text | a\\|b |" in page
    assert "| apart | all" not in page
    assert "| [apart](../benchmarks/apart.py) | needs data |" in page
    assert {path.name for path in (place / "docs" / "benchmarks").glob("*.svg")} == {"fast.svg", "goals.svg"}


def test_what_did_not_run_keeps_its_figures_and_its_date(place: Path) -> None:
    run_all.main([], place)
    file = place / "docs" / "benchmarks" / "slow.result.json"
    old = json.loads(file.read_text(encoding="utf-8")) | {"date": "2001-02-03", "commit": "abc1234"}
    file.write_text(json.dumps(old), encoding="utf-8")
    assert run_all.main(["--only", "fast", "--", "--rows", "/somewhere/else/rows.csv"], place) == 0
    assert json.loads(file.read_text(encoding="utf-8")) == old
    page = (place / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "| 2001-02-03 | abc1234 |" in page
    assert kept(place)["fast"]["arguments"] == ["--rows", "rows.csv"], "no folder of the machine"
    assert "arguments: --rows rows.csv; took" in page


def test_a_benchmark_that_breaks_leaves_the_result_of_before(place: Path) -> None:
    run_all.main(["--only", "fast"], place)
    before = kept(place)
    (place / "benchmarks" / "fast.py").write_text("import sys; sys.exit(3)\n", encoding="utf-8")
    assert run_all.main(["--only", "fast"], place) == 1
    assert kept(place) == before


def test_a_quick_look_uses_small_sizes_and_keeps_nothing(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_all.main(["--quick", "--only", "fast", "--only", "slow"], place) == 0
    said = capfd.readouterr().out
    assert '"given": ["--small"]' in said
    assert "== [2/2] slow: ran in" in said, "no goal holds at such a size"
    assert run_all.main(["--quick"], place) == 1, "one finds nothing"
    assert not list((place / "docs").iterdir())


def test_data_sets_are_given_where_they_are(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    texts = (place / "benchmarks" / "page.toml").read_text(encoding="utf-8").replace(
        'quick = ["--small"]', 'quick = ["--small"]\nwith_data = ["{data}/tracks.parquet"]'
    )
    (place / "benchmarks" / "page.toml").write_text(texts, encoding="utf-8")
    run_all.main(["--only", "fast", "--no-write"], place)
    assert '"given": []' in capfd.readouterr().out
    monkeypatch.setenv(run_all.DATA, "/data sets")
    run_all.main(["--only", "fast", "--no-write"], place)
    assert '"given": ["/data sets/tracks.parquet"]' in capfd.readouterr().out


def test_whoever_interrupts_finds_what_was_found_on_the_page(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_all.run

    def interrupted(script: Path, arguments: list[str], root: Path) -> Any:
        if script.stem == "slow":
            raise KeyboardInterrupt
        return run(script, arguments, root)

    monkeypatch.setattr(run_all, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_all.main([], place)
    assert "| fast | × peer |" in (place / "docs" / "benchmarks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("given", [["--only", "fats"], ["--", "--rows", "1"], ["--only", "fast", "--only", "slow", "--", "1"]])
def test_wrong_use_is_told(place: Path, given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_all.main(given, place)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert any(text in told for text in ("there is no benchmark `fats`; there are: broken, fast", "name it with --only"))


# --- results and texts --------------------------------------------------------------------------------------------------------------


def result(**more: Any) -> Result:
    fields: dict[str, Any] = {
        "benchmark": "fast", "date": "2026-01-02", "commit": "abc", "exit_code": 0, "arguments": ("--rows", "5"),
        "machine": Machine("Some CPU", "x86_64", 2, "3.11.7"), "figures": {"ratio": 12.5, "deep": {"er": {"ms": 1}}},
    }  # fmt: skip
    return Result(**(fields | more))


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_result(tmp_path, result(load_before=0.5, spent_s=9.0))
    write_result(tmp_path, result(benchmark="other", machine=this_machine()))
    assert read_results(tmp_path) == {
        "fast": result(load_before=0.5, spent_s=9.0), "other": result(benchmark="other", machine=this_machine())
    }  # fmt: skip
    assert result().flat == {"ratio": 12.5, "deep.er.ms": 1}
    (tmp_path / "other.result.json").rename(tmp_path / "third.result.json")
    with pytest.raises(SystemExit, match=r"must be named other\.result\.json"):
        read_results(tmp_path)


GOAL = Goal("ratio", "× peer", at_least=10)


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [(12.5, 0, ""), (9.0, 1, ""), (9.0, 0, "every goal is met, and .* × peer"), (12.5, 1, "no goal in .* is")],
)
def test_goals_of_the_page_and_of_the_benchmark_are_held_against_each_other(found: float, code: int, said: str) -> None:
    told = disagreement(Described("fast", "", "", "", goals=(GOAL,)), result(exit_code=code, figures={"ratio": found}))
    assert re.search(said, told) if said else told == ""


WHOLE = "intro='a'\nafter='b'\nfigures='c'"
ONE = f"{WHOLE}\n[[benchmark]]\nname='x'\nwhat=''\npeer=''\ngoal=''"


@pytest.mark.parametrize(
    ("text", "why"),
    [('intro = "a"', "missing"), (f"{WHOLE}\n[[benchmark]]\nname='x'", "missing"),
     (f'{ONE}\ngoals=[{{figure="f", name="n"}}]', "needs one of"),
     (f'{ONE}\nqick=["-1"]', "qick")],
)  # fmt: skip
def test_texts_that_cannot_be_read_are_named(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "page.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=why):
        read_page(tmp_path / "page.toml")


def test_each_machine_is_told_once_with_what_ran_on_it() -> None:
    other = Machine("Other CPU", "aarch64", 64, "3.12.1", 256.0, {"numpy": "9.9"})
    results = {"a": result(benchmark="a"), "b": result(benchmark="b", machine=other), "c": result(benchmark="c")}
    page = made(read_page(TEXTS), results, "benchmarks")[""].decode()
    assert "| benchmarks | a, c |\n| processor | Some CPU, 2 cores, x86_64 |\n| memory | not recorded |" in page
    assert "| benchmarks | b |\n| processor | Other CPU, 64 cores, aarch64 |\n| memory | 256 GB |" in page
    assert "| Python | 3.12.1 |\n| packages | numpy 9.9 |" in page


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_commit_says_where_files_differed_from_it(tmp_path: Path) -> None:
    assert this_commit(tmp_path) == ""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("1\n", encoding="utf-8")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    commit = this_commit(tmp_path)
    assert re.fullmatch(r"[0-9a-f]{7,}", commit)
    (tmp_path / "notes.md").write_text("not measured\n", encoding="utf-8")
    assert this_commit(tmp_path) == commit
    (tmp_path / "src" / "a.py").write_text("2\n", encoding="utf-8")
    assert this_commit(tmp_path) == f"{commit}+"


# --- plots ----------------------------------------------------------------------------------------------------------------------------

SHOWN = [Bar("ours", 12.5, OURS, "12.5", 11.0, 14.0), Bar("peer & <other>", 1.0, PEER, "1")]


@pytest.mark.parametrize("log", [False, True])
def test_the_same_bars_are_the_same_bytes(log: bool) -> None:
    drawn = bars("times", SHOWN, log=log, line=2.0)
    assert drawn == bars("times", SHOWN, log=log, line=2.0)
    assert drawn != bars("times", SHOWN[::-1], log=log, line=2.0)
    text = drawn.decode()
    assert "<dc:date>" not in text
    assert "peer &amp; &lt;other&gt;" in text, "text stays text"
    assert len(drawn) < 20_000


def luminance(color: str) -> float:
    parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_plot_is_legible_on_a_light_and_on_a_dark_page() -> None:
    light, dark = "#ffffff", "#0d1117"
    assert min(contrast(color, page) for color in (OURS, PEER, MISSED, LINE) for page in (light, dark)) >= 3.0
    assert min(contrast(LIGHT, light), contrast(DARK, dark)) >= 7.0
    text = bars("times", SHOWN).decode()
    assert f"text{{fill:{LIGHT}}}@media(prefers-color-scheme:dark){{text{{fill:{DARK}}}}}" in text
    assert not re.search(r"<text[^>]*fill", text), "nothing overrides the scheme's colour"
    assert "fill: #ffffff" not in text, "no background of its own"
    used = set(re.findall(r"#[0-9a-f]{6}", text)) - {LIGHT, DARK}
    assert used <= {OURS, PEER, MISSED, LINE, "#000000"}
