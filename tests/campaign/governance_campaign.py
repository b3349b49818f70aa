"""Long count: invariants I1 to I20 of governance on many random histories, and random acts on governed homes.

    python tests/campaign/governance_campaign.py [--examples 10000] [--homes 300] [--only i2]

Runs the property tests of the suite, whose names begin with the invariants that they show, with more examples, counts the examples
that really ran, and prints a table and one JSON line; exits 1 if an invariant is violated or has fewer examples than asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "properties")]

MODULES = ("test_governance", "test_governance_records", "test_governance_policy")
NAMED = re.compile(r"test_((?:i\d+_)+)")
ALL = [f"I{number}" for number in range(1, 21)]


@dataclass(slots=True)
class Ran:
    """One test: how many examples passed, whether one failed, and how long it took."""

    name: str
    shows: tuple[str, ...]
    examples: int
    failed: bool
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--homes", type=int, default=300)
    parser.add_argument("--only", default="", help="tests whose names hold this, without the homes")
    options = parser.parse_args()
    # Read when the tests are imported.
    os.environ["GROUNDRULE_EXAMPLES"], os.environ["GROUNDRULE_HOMES"] = str(options.examples), str(options.homes)
    from slow_governance import good_signature

    from groundrule import signing

    checked = signing.verify

    def checked_once(algorithm: str, public: bytes, signature: bytes, message: bytes) -> bool:
        """As in the suite: both sides ask the same library, and no signature is checked twice."""
        if algorithm != "ed25519":
            return checked(algorithm, public, signature, message)
        return bool(good_signature(public, signature, message))

    signing.verify = checked_once
    began = time.process_time()
    done: list[Ran] = []
    for module in map(__import__, MODULES):
        with fixtures(module) as given:
            for name, test in tests_of(module):
                if options.only in name:
                    done.append(run(name, test, given))
                    print(f"{done[-1].seconds:8.1f} s {done[-1].examples:8,} {name}", flush=True)
    homes = {} if options.only else on_homes()
    rows = {each: [ran for ran in done if each in ran.shows] for each in ALL}
    print(f"\n| {'invariant':9} | {'examples':>8} | {'violations':>10} | {'seconds':>7} |\n|---|---|---|---|")
    found: dict[str, str] = {}
    for each, held in rows.items():
        if held:
            examples, wrong = sum(ran.examples for ran in held), sum(ran.failed for ran in held)
            seconds = sum(ran.seconds / len(ran.shows) for ran in held)
            print(f"| {each:9} | {examples:8,} | {wrong:10} | {seconds:7.1f} |")
            found[each] = f"{examples:,} examples in {len(held)} tests, {wrong} violations, {seconds:.0f} s of CPU"
    failed = sorted([ran.name for ran in done if ran.failed] + list(homes.get("failed", ())))
    few = [each for each in ALL if not options.only and sum(ran.examples for ran in rows[each] if not ran.failed) < options.examples]
    print(json.dumps({
        "campaign": "governance", "invariants": found, "homes": {k: v for k, v in homes.items() if k != "failed"},
        "violations_differ": len(failed), "failed": ", ".join(failed) or "none", "with_too_few_examples": ", ".join(few) or "none",
        "cpu_s": round(time.process_time() - began, 1),
    }))  # fmt: skip
    return 1 if failed or few else 0


def tests_of(module: ModuleType) -> list[tuple[str, Callable[..., None]]]:
    """Tests whose names say which invariants they show."""
    return [(name, held) for name, held in vars(module).items() if NAMED.match(name) and hasattr(held, "hypothesis")]


@contextmanager
def fixtures(module: ModuleType) -> Iterator[dict[str, Any]]:
    """Homes that are made once, as the fixtures of the suite make them; they come into being when they are asked for."""
    with ExitStack() as stack:
        yield Lazy(module, stack)


class Lazy(dict[str, Any]):
    """What tests ask for by name."""

    def __init__(self, module: ModuleType, stack: ExitStack) -> None:
        super().__init__()
        self.module, self.stack = module, stack

    def __missing__(self, name: str) -> Any:
        if name == "vaults":
            made: Any = {"template": self.module.make_template()}
            self.stack.callback(lambda: made["vault"].end())  # noqa: PLW0108 - which vault is known only then
        else:
            made = getattr(self.module, f"open_{name}")(self.stack)
        self[name] = made
        return made


def run(name: str, test: Any, given: Lazy) -> Ran:
    """Run one test, counting the examples that it finished."""
    inner, finished, began = test.hypothesis.inner_test, 0, time.process_time()

    def counted(*args: Any, **kwargs: Any) -> None:
        nonlocal finished
        inner(*args, **kwargs)
        finished += 1

    counted.__dict__.update(inner.__dict__)
    test.hypothesis.inner_test = counted
    asked = inner.__code__.co_varnames[: inner.__code__.co_argcount]
    named = NAMED.match(name)
    assert named
    shows = tuple(part.upper() for part in named[1].strip("_").split("_"))
    failed = False
    try:
        test(**{each: given[each] for each in asked if each in ("vaults", "office", "enacted")})
    except Exception as error:  # noqa: BLE001 - every failure is reported, and the other invariants still run
        failed = True
        print(f"{name}:", file=sys.stderr)
        traceback.print_exception(error, limit=-3)  # its notes hold the history that fails
    finally:
        test.hypothesis.inner_test = inner
    return Ran(name, shows, finished, failed, time.process_time() - began)


def on_homes() -> dict[str, Any]:
    """Random acts on real homes: registers, fleet, log, tables and crashes."""
    import test_governed_home as homes
    from hypothesis.stateful import invariant, run_state_machine_as_test

    counts = {"runs": 0, "acts": 0, "enactments": 0, "crashes": 0}

    class Counted(homes.GovernedHome):  # type: ignore[misc, name-defined]  # imported only now
        @invariant()
        def an_act(self) -> None:
            counts["acts"] += 1

        def teardown(self) -> None:
            counts["runs"] += 1
            counts["enactments"] += len(getattr(self, "enacted", ()))
            counts["crashes"] += getattr(self, "crashes", 0)
            super().teardown()

    failed: list[str] = []
    began = time.process_time()
    try:
        run_state_machine_as_test(Counted, settings=homes.TestGovernedHome.settings)
    except Exception as error:  # noqa: BLE001 - as above
        failed.append("GovernedHome")
        traceback.print_exception(error, limit=-3)
    more = [run(name, test, Lazy(homes, ExitStack())) for name, test in tests_of(homes)]
    failed += [each.name for each in more if each.failed]
    made = counts | {f"homes_of_{each.name.removeprefix('test_')}": each.examples for each in more}
    print(f"{time.process_time() - began:8.1f} s on homes: {made}", flush=True)
    return made | {"cpu_s": round(time.process_time() - began, 1), "failed": failed}


if __name__ == "__main__":
    raise SystemExit(main())
