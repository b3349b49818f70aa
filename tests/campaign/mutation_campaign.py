"""Long count: does a test notice each small change of the code that counts persons, judges time and opens envelopes?

    python tests/campaign/mutation_campaign.py [--module charter] [--jobs 2] [--labels FILE] [--goal 95]

Mutants come from the operators of cosmic-ray and run in forks, so that nothing on disk is changed:

1. The tests are collected once, and each is traced, to know which of them reach which line.
2. A mutant inside a function that a test reaches replaces the code of the living function in a fork, which runs the tests that reach
   it until one fails: those first that noticed its neighbours.
3. Any other mutant (bounds in annotations, decorators, constants) is tried from scratch: a fork that has imported
   nothing of the package imports the mutated module and runs all tests. With `--again` the survivors of 2 are tried so, too.

A mutant is killed by a failing test, an import that fails, or tests that take too long. Prints one JSON line: the score of
all mutants, where those that the filter leaves out (`mutation_filter.toml`) count as survivors though nothing tried them, and
the score of the rest; exits 1 if that of any module is below the goal.
"""

from __future__ import annotations

import argparse
import functools
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import json
import mmap
import os
import pickle
import re
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

# What the package and its tests import besides; forks that try a mutant from scratch need not read it again.
import hypothesis.strategies  # noqa: F401 - see above
import numpy  # noqa: F401 - see above
import pytest
from cryptography.hazmat.primitives import serialization  # noqa: F401 - see above
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa  # noqa: F401 - see above

sys.path.insert(0, str(Path(__file__).parent))
from _mutants import SOURCE, Mutant, compiled, mutants
from _tracing import Failing, Places, Verified, all_pass, remember_signatures, traced

TESTS = Path(__file__).resolve().parents[1]
SUITE = ("unit/govern", "unit/ledger/test_signing.py")
HOT_SECONDS = 20
COLD_SECONDS = 60
"""Processor time after which a mutant counts as endless; the tests need a third of it."""
MEMORY = 4 << 30
"""Address space of a fork [bytes]: a mutant may shift a number by as many bits as there are nanoseconds since 1970."""
KILLED, SURVIVED, COLD = 1, 0, 77


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", default="", help="only modules whose path this pattern finds")
    parser.add_argument("--line", type=int, help="only mutants of this line")
    parser.add_argument("--labels", type=Path, help="only the mutants in this file, as standard error names the survivors")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="forks at the same time")
    parser.add_argument("--goal", type=float, default=95.0, help="lowest filtered score of each module [%%]")
    parser.add_argument("--again", action="store_true", help="try survivors of step 2 from scratch, too")
    asked = parser.parse_args()
    started = time.perf_counter()
    every = [each for each in mutants() if re.search(asked.module, each.module) and asked.line in (None, each.line)]
    if asked.labels is not None:
        wanted = {line.partition(": ")[2] for line in asked.labels.read_text(encoding="utf-8").splitlines()}
        every = [each for each in every if each.label in wanted]
    tried = [each for each in every if not each.excluded]
    outcome, places, verified = hot(tried, asked.jobs)
    print(f"hot: {Counter(outcome.values())}, {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    left = {"cold", "survived"} if asked.again else {"cold"}
    outcome |= cold([each for each in tried if outcome[each] in left], places, verified, asked.jobs)
    result = summary(every, outcome)
    passed = all(each["filtered_score"] >= asked.goal for each in result["modules"].values())
    result |= {"cosmic_ray": version("cosmic-ray"), "goal": asked.goal, "passed": passed}
    print(json.dumps(result | {"seconds": round(time.perf_counter() - started)}))
    return int(not passed)


def summary(every: Sequence[Mutant], outcome: dict[Mutant, str]) -> dict[str, Any]:
    """Return counts and scores [%] by module and of all."""

    def scores(some: Sequence[Mutant]) -> dict[str, Any]:
        programs = [each for each in some if outcome.get(each) != "no program"]
        kept = [each for each in programs if not each.excluded]
        killed = sum(outcome[each] == "killed" for each in kept)
        return {
            "mutants": len(programs),
            "left_out": len(programs) - len(kept),
            "killed": killed,
            "survived": len(kept) - killed,
            "raw_score": round(100 * killed / max(len(programs), 1), 2),
            "filtered_score": round(100 * killed / max(len(kept), 1), 2),
        }

    by_module: dict[str, list[Mutant]] = defaultdict(list)
    for each in every:
        by_module[each.module].append(each)
    return {
        "all": scores(every),
        "modules": {module: scores(some) for module, some in by_module.items()},
        "left_out_because": dict(Counter(each.excluded for each in every if each.excluded)),
        "no_program": sum(each == "no program" for each in outcome.values()),
    }


# --- forks ------------------------------------------------------------------------------------------------------------


def forked(tasks: Iterable[tuple[Mutant, Callable[[], int]]], jobs: int, seconds: int) -> Iterator[tuple[Mutant, int]]:
    """Run each task in a fork of its own and yield what it returned; a fork that dies or takes too long returns 1."""
    running: dict[int, Mutant] = {}

    def collect() -> tuple[Mutant, int]:
        pid, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        return running.pop(pid), code if code >= 0 else KILLED

    for mutant, task in tasks:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            code = KILLED
            try:
                signal.alarm(30 * seconds)
                resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
                code = task()
            finally:
                os._exit(code)
        running[pid] = mutant
        if len(running) >= jobs:
            yield collect()
    while running:
        yield collect()


def quiet() -> None:
    """Send what the tests print nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)


def arguments(*more: str) -> list[str]:
    """Return what pytest is called with; libraries that are imported already need no rewritten asserts."""
    rewrite = "ignore::pytest.PytestAssertRewriteWarning"
    configuration = str(TESTS.parent / "pyproject.toml")
    return [*more, "-q", "--tb=native", "-W", rewrite, "-p", "no:cacheprovider", "-p", "no:xdist", "-c", configuration]


def files() -> list[str]:
    return [str(TESTS / each) for each in SUITE]


# --- living functions -------------------------------------------------------------------------------------------------


def hot(tried: Sequence[Mutant], jobs: int) -> tuple[dict[Mutant, str], Places, Verified]:
    """Try mutants in forks of a process that has collected the tests; returns outcomes, who reaches what, and signatures."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        plugin = Hot(tried, jobs)
        try:
            pytest.main(arguments("-s", *files()), plugins=[plugin])
            with os.fdopen(writer, "wb") as out:
                pickle.dump((dict(enumerate(plugin.outcomes)), plugin.places, plugin.verified), out)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as from_child:
        data = from_child.read()
    os.waitpid(pid, 0)
    if not data:
        raise SystemExit("the tests could not be collected, or fail without a mutant")
    outcomes, places, verified = pickle.loads(data)
    return {tried[at]: each for at, each in outcomes.items()}, places, verified


class Hot:
    """A plugin that, in place of running the tests once, runs them for every mutant."""

    def __init__(self, tried: Sequence[Mutant], jobs: int) -> None:
        self.tried, self.jobs = tried, jobs
        self.outcomes: list[str] = []
        self.places: Places = {}
        self.verified: Verified = {}
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out what needs data that is not everywhere."""
        items[:] = [item for item in items if "shared_data" not in getattr(item, "fixturenames", ())]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        remember_signatures(self.verified)
        self.places, self.seconds, known = traced(session.items, self.verified)
        self.verified.update(known)
        print(f"traced: {len(session.items)} tests, {sum(self.seconds.values()):.0f} s", file=sys.stderr, flush=True)
        living = {path: _functions(path) for path in {SOURCE / each.module for each in self.tried}}
        originals = {path: compiled(path.read_text(encoding="utf-8"), path) for path in living}
        items = {item.nodeid: item for item in session.items}
        found: dict[Mutant, str] = {}
        order: dict[Mutant, list[str]] = {}
        slots: dict[Mutant, slice] = {}
        killers: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        failing = mmap.mmap(-1, 8 * len(self.tried) + 8)  # numbers of the tests that failed, from the forks

        def tasks() -> Iterator[tuple[Mutant, Callable[[], int]]]:
            for mutant in self.tried:
                path, program = mutant.path, compiled(mutant.source(), mutant.path)
                if program is None:
                    found[mutant] = "no program"
                    continue
                original = originals[path]
                assert original is not None
                changes = _changes(original, program)
                if changes is None or any(not living[path].get(key) for key, _ in changes):
                    found[mutant] = "cold"
                    continue
                # What failed for the neighbours fails most likely; then the fastest.
                near = {each: rank for rank, each in enumerate(killers[mutant.module, mutant.name])}
                reach = sorted(reaching(self.places, mutant), key=lambda each: (-near.get(each, -1), self.seconds[each]))
                if not reach:
                    found[mutant] = "cold"  # run on import, or never
                    continue
                # Closures that were made on import live beside the function that made them.
                inner = [each for _, code in changes for each in _inner(code)]
                patches = [(function, code) for key, code in (*changes, *inner) for function in living[path].get(key, ())]
                order[mutant] = reach
                slots[mutant] = slice(8 * len(order), 8 * len(order) + 8)
                yield mutant, functools.partial(_run_patched, patches, [items[each] for each in reach], (failing, slots[mutant]))

        gc.collect()
        gc.freeze()  # forks share what nobody touches
        if self.tried:
            # Control: without a change all tests pass, within the same bounds of time and memory.
            control = functools.partial(_run_patched, [], session.items, (failing, slice(0, 8)))
            [(_, code)] = forked([(self.tried[0], control)], 1, HOT_SECONDS)
            if code != SURVIVED:
                raise SystemExit("the tests fail in a fork without a mutant")
        for mutant, code in forked(tasks(), self.jobs, HOT_SECONDS):
            found[mutant] = {SURVIVED: "survived", COLD: "cold"}.get(code, "killed")
            if found[mutant] == "killed":
                near = killers[mutant.module, mutant.name]
                killer = order[mutant][int.from_bytes(failing[slots[mutant]], "little")]
                near.pop(killer, None)
                near[killer] = None
            if code == SURVIVED:
                print(f"survived: {mutant.label}", file=sys.stderr, flush=True)
        self.outcomes = [found[each] for each in self.tried]
        return True


def reaching(places: Places, mutant: Mutant) -> set[str]:
    """Return the tests that reach the statement of a mutant."""
    first, last = mutant.lines
    return set().union(*(places.get((mutant.module, line), set()) for line in range(first, last + 1)))


def _run_patched(patches: Sequence[tuple[FunctionType, CodeType]], items: Sequence[pytest.Item], failing: Failing) -> int:
    quiet()
    for function, code in patches:
        try:
            function.__code__ = code
        except ValueError:  # other free variables
            return COLD
    return int(not all_pass(items, failing))


def _functions(path: Path) -> dict[tuple[str, int], list[FunctionType]]:
    found: dict[tuple[str, int], list[FunctionType]] = defaultdict(list)
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename == str(path):
            found[each.__code__.co_qualname, each.__code__.co_firstlineno].append(each)
    return found


def _changes(old: CodeType, new: CodeType) -> list[tuple[tuple[str, int], CodeType]] | None:
    """Return the functions whose code differs, outermost only; None when a module or class body differs itself."""
    inner_old, inner_new = _nested(old), _nested(new)
    if not _is_function(old) and _own(old) != _own(new):
        return None
    changes: list[tuple[tuple[str, int], CodeType]] = []
    for before, after in zip(inner_old, inner_new, strict=False):
        if before == after:
            continue
        if _is_function(before):
            changes.append(((before.co_qualname, before.co_firstlineno), after))
        elif (inside := _changes(before, after)) is None:
            return None
        else:
            changes += inside
    return changes or None


def _inner(code: CodeType) -> Iterator[tuple[tuple[str, int], CodeType]]:
    for each in _nested(code):
        yield (each.co_qualname, each.co_firstlineno), each
        yield from _inner(each)


def _nested(code: CodeType) -> list[CodeType]:
    return [each for each in code.co_consts if isinstance(each, CodeType)]


def _is_function(code: CodeType) -> bool:
    return bool(code.co_flags & 0x2)  # CO_NEWLOCALS


def _own(code: CodeType) -> tuple[Any, ...]:
    constants = tuple((type(each), each) for each in code.co_consts if not isinstance(each, CodeType))
    return code.co_code, constants, code.co_names, len(_nested(code))


# --- from scratch -----------------------------------------------------------------------------------------------------


def cold(tried: Sequence[Mutant], places: Places, verified: Verified, jobs: int) -> dict[Mutant, str]:
    """Try mutants in forks that import the package anew."""
    assert not any(name.startswith("groundrule") for name in sys.modules)
    # Control: the unchanged program must survive, or every kill would mean nothing.
    for mutant in {each.module: each for each in tried}.values():
        program = compiled(mutant.path.read_text(encoding="utf-8"), mutant.path)
        assert program is not None
        [(_, code)] = forked([(mutant, functools.partial(_run_anew, mutant, program, None, verified))], 1, COLD_SECONDS)
        if code != SURVIVED:
            raise SystemExit(f"{mutant.module}: the tests fail from scratch without a mutant")

    def tasks() -> Iterator[tuple[Mutant, Callable[[], int]]]:
        for mutant in tried:
            program = compiled(mutant.source(), mutant.path)
            assert program is not None
            reach = reaching(places, mutant) if "funcdef" in mutant.nodes and "decorator" not in mutant.nodes else None
            yield mutant, functools.partial(_run_anew, mutant, program, reach or None, verified)

    outcome = {}
    for done, (mutant, code) in enumerate(forked(tasks(), jobs, COLD_SECONDS), 1):
        outcome[mutant] = "survived" if code == SURVIVED else "killed"
        if code == SURVIVED:
            print(f"survived: {mutant.label}", file=sys.stderr, flush=True)
        if done % 25 == 0:
            print(f"cold: {done} of {len(tried)}, {Counter(outcome.values())}", file=sys.stderr, flush=True)
    return outcome


FIRST: dict[str, tuple[str, ...]] = {
    "govern/charter.py": ("unit/govern/test_edges_charter.py", "unit/govern/test_charter.py"),
    "govern/expression.py": ("unit/govern/test_edges_expression.py", "unit/govern/test_expression.py"),
    "govern/objects.py": ("unit/govern/test_objects.py", "unit/govern/test_edges_intervals.py"),
    "signing.py": ("unit/govern/test_edges_dsse.py", "unit/ledger/test_signing.py"),
}
"""Tests that are tried before all others, because they most likely fail."""


def _run_anew(mutant: Mutant, program: CodeType, reach: set[str] | None, verified: Verified) -> int:
    quiet()
    sys.meta_path.insert(0, Mutated(mutant, program))
    remember_signatures(verified)
    if reach is not None:
        wanted = sorted({each.partition("::")[0] for each in reach})
        return _exit(pytest.main(arguments("-x", *(str(TESTS.parent / each) for each in wanted)), plugins=[Some(reach)]))
    first = [str(TESTS / each) for each in FIRST.get(mutant.module, ())]
    if first and _exit(pytest.main(arguments("-x", *first), plugins=[Some(None)])) == KILLED:
        return KILLED
    return _exit(pytest.main(arguments("-x", *files()), plugins=[Some(None)]))


def _exit(code: int | pytest.ExitCode) -> int:
    return SURVIVED if code == pytest.ExitCode.OK else KILLED


class Some:
    """A plugin that keeps some of the tests, or all, and always leaves out what needs data that is not everywhere."""

    def __init__(self, kept: set[str] | None) -> None:
        self.kept = kept

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [
            item
            for item in items
            if "shared_data" not in getattr(item, "fixturenames", ()) and (self.kept is None or item.nodeid in self.kept)
        ]


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module: the mutant."""

    def __init__(self, mutant: Mutant, program: CodeType) -> None:
        self.name = "groundrule." + mutant.module.removesuffix(".py").replace("/", ".")
        self.path, self.program = SOURCE / mutant.module, program

    def find_spec(self, fullname: str, _: object = None, __: object = None) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def create_module(self, _: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.program, vars(module))


if __name__ == "__main__":
    raise SystemExit(main())
