"""An erasure killed with kill -9 after each of its steps: readers see all of it or nothing, and the next writer completes it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from console import groundrule
from erased_home import BASIS, filled_home, names_in, rows_of
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.entry import Entry
from groundrule.ledger.log import read_log
from groundrule.pipeline.erasing import WHAT
from groundrule.pipeline.home_ledger import log_folder, policy_of
from groundrule.pipeline.replaying import replay
from groundrule.store.erasures import erasures
from groundrule.store.home import Home
from groundrule.store.leaving import MARK
from small_home import RECORDED, copy_home, observation, run, table

STEPS = ("planned", "begun", "recorded", "logged", "destroyed", "written", "history", "places", "caches", "done")
ERASING = """\
import os, signal, sys
from groundrule.cli import main
from groundrule.pipeline import erasing

last, passed = int(sys.argv[1]), []

def end_here(step):
    passed.append(step)
    if len(passed) == last:
        os.kill(os.getpid(), signal.SIGKILL)

erasing.reached = end_here
sys.argv[1:] = ["history", "erase", "terminal:stranger", "--basis", sys.argv[2], "--yes", "--home", sys.argv[3]]
try:
    main()
finally:
    print(*passed, sep="\\n")
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return filled_home(tmp_path_factory.mktemp("kill") / "home")


def erase(home: Home, last: int) -> subprocess.CompletedProcess[str]:
    """Erase in another process, which ends itself after a step; 0 lets it end by itself."""
    command = [sys.executable, "-c", ERASING, str(last), BASIS, str(home.path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def whole(template: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, list[str]]:
    """A home from which the terminal was erased without a crash, and the steps that were passed."""
    home = copy_home(template, tmp_path_factory.mktemp("whole") / "home")
    done = erase(home, 0)
    assert done.returncode == 0, done.stderr
    steps = [line for line in done.stdout.splitlines() if line.split(" ")[0] in STEPS]
    return home, steps


def test_all_steps_of_an_erasure_are_passed_in_their_order(whole: tuple[Home, list[str]]) -> None:
    assert list(dict.fromkeys(step.split(" ")[0] for step in whole[1])) == list(STEPS)
    assert sum(step.startswith("written") for step in whole[1]) > 3


def check(home: Home, wanted: Home) -> None:
    """Is the home as one from which the terminal was erased without a crash?"""
    for kind in ("observations", "decisions"):
        assert rows_of(home, kind) == rows_of(wanted, kind)
    assert [each.runs for each in erasures(home)] == [each.runs for each in erasures(wanted)]
    found = replay(home)
    assert (found.identical, found.faults, found.difference) == (True, (), None)


def test_an_erasure_that_is_killed_after_any_step_is_all_or_nothing(
    template: Home, whole: tuple[Home, list[str]], tmp_path: Path
) -> None:
    wanted, steps = whole
    written = [last for last, step in enumerate(steps, 1) if step.startswith("written")]
    # Of the files, the first, one in the middle and the last; of everything else, every step.
    chosen = [last for last in range(1, len(steps)) if last not in written or last in (written[0], written[len(written) // 2], written[-1])]
    for last in chosen:
        step = steps[last - 1]
        home = copy_home(template, tmp_path / f"home-{last}")
        assert erase(home, last).returncode == -signal.SIGKILL, step
        if step == "planned":
            assert erasures(home) == []
            assert rows_of(home, "decisions") == rows_of(template, "decisions")
            assert replay(home).identical
            continue
        # Whoever reads sees that it is done, before anybody has completed it.
        check(home, wanted)
        if last % 2:
            assert groundrule("history", "prune", "--home", home.path, "--json").json["completed"], step
        else:
            run(home, table([observation("guest", 900_000, 5, 5)]), recorded_at=RECORDED + 50)
            run(wanted_with_guest := copy_home(wanted, tmp_path / f"wanted-{last}"), table([observation("guest", 900_000, 5, 5)]),
                recorded_at=RECORDED + 50)  # fmt: skip
            check(home, wanted_with_guest)
        assert not (home.history / MARK).exists(), step
        assert names_in(home, "stranger") == [], step
        found = replay(home)
        assert (found.identical, found.faults) == (True, ()), step
        log = read_log(log_folder(home))
        entries = [Entry.decode(data) for data in log.tree(log.integrated_size).entries()]
        assert sum(each.kind == "evidence" and each.body.get("what") == WHAT for each in entries) == 1, step
        assert fsck(log_folder(home), policy_of(home)).ok
