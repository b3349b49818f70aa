"""Can the invariants' tests fail? For each invariant a fault is put into the product, and its test has to notice.

    python tests/campaign/governance_breaks_campaign.py [--examples 2000] [--only I7]

A fault is a small change of one function's text, made in memory. Prints one JSON line; exits 1 if a fault goes unnoticed.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from governance_campaign import MODULES, Lazy, tests_of
from hypothesis.errors import UnsatisfiedAssumption
from hypothesis.reporting import with_reporter


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: in this function (`module.function` or `module.Class.method`), this text becomes that."""

    invariant: str
    test: str
    where: str
    right: str
    wrong: str


FAULTS = (
    Fault("I1", "i1_i3_i4_every", "govern.admission._enactment", "if not judged.quorum:", "if False:"),
    Fault("I1", "i1_an_enactment", "govern.admission._enactment", "if not relied:", "if False:"),
    Fault("I1", "i1_i3_i4_every", "govern.quorum.review_blocks", 'in ("reversed", "partly")', 'in ("reversed",)'),
    Fault("I2", "i2_signatures", "govern.quorum._verdicts", "counted[person] = each",
          "counted.pop(person) if person in counted else counted.update({person: each})"),
    Fault("I3", "i3_a_person", "govern.quorum.judge", "quorum = _holds(charter, need, counted, instead)",
          "quorum = len(state.approvals.get(proposal_id, ())) >= need.min_persons"),
    Fault("I4", "i4_nobody", "govern.conflicts.interested", '| dict.fromkeys(proposal.beneficiaries, "beneficiary")', ""),
    Fault("I4", "i4_nobody", "govern.conflicts.stand_ins", "if 2 * len(absent) < len(members):", "if 2 * len(absent) <= len(members):"),
    Fault("I5", "i5_any", "govern.admission._proposal", "if impact.digest != proposal.impact_digest:", "if False:"),
    Fault("I6", "i6_a_rotation", "govern.quorum._verdicts", "elif approval.charter_version != charter.version:", "elif False:"),
    Fault("I7", "i7_rotation", "govern.rotation.check_rotation", '_check_root(new, new, envelope, now_ns, "the new")', "pass"),
    Fault("I7", "i7_rotation", "govern.rotation.check_rotation", "new.version != old.version + 1", "new.version <= old.version"),
    Fault("I7", "i7_under", "govern.quorum._time_blocks", "if charter.expired(at_ns):", "if False:"),
    Fault("I8", "i8_effect", "govern.state.State.policy_at", "each.enactment.enacted_at <= at_ns", "each.enactment.enacted_at < at_ns"),
    Fault("I8", "i8_effect", "govern.state.State.in_effect", "at_ns < until", "at_ns <= until"),
    Fault("I9", "i9_an", "govern.emergency.Running.tick", "max(self.elapsed_ns, monotonic, wall_ns - self.opened_at_ns)",
          "wall_ns - self.opened_at_ns"),
    Fault("I9", "i9_an", "govern.emergency.active", "max(now - logged.emergency.opened_at, clocks.get(id_, 0))",
          "now - logged.emergency.opened_at"),
    Fault("I10", "i10_without", "govern.emergency._reverted", "now_ns >= due and", "now_ns > due and"),
    Fault("I10", "i10_without", "govern.emergency._reverted", "concluded >= due", "False"),
    Fault("I11", "i11_an_old", "govern.quorum._faults", "if used.get(source) != snapshot.sha256:", "if False:"),
    Fault("I11", "i11_an_old", "govern.quorum._faults", "at_ns >= min(", "at_ns > min("),
    Fault("I12", "i12_replaying", "govern.state.State.as_of", "entry.index < index", "entry.index <= index"),
    Fault("I12", "i12_replaying", "govern.state.State.check", "return admit(", "self.nonces['asked'] = kind; return admit("),
    Fault("I13", "i13_independent", "govern.state.State._take_screening", "if order >=", "if order != order or True or order >="),
    Fault("I14", "i14_the_same", "govern.admission._approval", "if (used := state.nonces.get(approval.nonce)) is not None:",
          "if (used := None) is not None:"),
    Fault("I15", "i15_every", "govern.requests.clock", "at_ns >= due", "at_ns > due"),
    Fault("I15", "i15_every", "govern.requests.clock", 'logged.outcome == "proposed"', 'logged.outcome in ("proposed", "pending")'),
    Fault("I16", "i16_a_contact", "govern.contacts._acts", "if logged.proposal.author == person:", "if False:"),
    Fault("I16", "i16_a_contact", "govern.contacts.re_review_set", "contact.occurred_from is None or",
          "contact.occurred_from is not None and"),
    Fault("I17", "i17_deny", "rules.compile.compile_rulebook", "\n    ", "\n    rulebook = __import__('dataclasses').replace(rulebook, "
          "precedence=rulebook.precedence[::-1])\n    "),
    Fault("I18", "i18_the_preview_is", "pipeline.impact.preview", "before, changed_registers)", "before, before.registers)"),
    Fault("I18", "i18_the_preview_is", "pipeline.impact._basis_after", "made.areas.digest == before.areas.digest", "True"),
    Fault("I19", "i19_seals", "pipeline.ledger_duties.unseal", "or seal_commitment(salt, content) != item.commitment", ""),
    Fault("I19", "i19_seals", "pipeline.ledger_state.state_of", "item.opened_at_ns is None and item.disclose_by_ns < now_ns",
          "item.opened_at_ns is None and item.disclose_by_ns < now_ns - 86_400_000_000_000"),
    Fault("I20", "i20_no_statement", "store.policy._guard", 'for act in ("INSERT", "UPDATE"):', 'for act in ("INSERT",):'),
    Fault("I20", "i20_who", "pipeline.policy_check.table_differences", "lists_digest(connection) != held[-1].lists", "False"),
)  # fmt: skip


class Noticed(BaseException):
    """The test failed; no example has to be made smaller."""


class Enough(BaseException):
    """The test passed often enough without a fault."""


WITHOUT = 60
"""Examples that each test passes without a fault, first."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=2_000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    os.environ["GROUNDRULE_EXAMPLES"] = str(options.examples)
    began = time.process_time()
    modules = [import_module(name) for name in MODULES]
    noticed: dict[str, str] = {}
    missed: list[str] = []
    for fault in FAULTS:
        if options.only not in ("", fault.invariant):
            continue
        with ExitStack() as stack:
            before = examples_until_noticed(fault, modules, stack, most=WITHOUT)
        with made(fault), ExitStack() as stack:
            after = 0 if before else examples_until_noticed(fault, modules, stack)
        words = f"`{fault.right.strip()}` becomes `{fault.wrong.strip()}`" if fault.right.strip() else "the first tier is read as the last"
        print(f"{fault.invariant:4} {fault.where}: {words}: {f'noticed by example {after}' if after else 'NOT NOTICED'}", flush=True)
        if after:
            noticed[fault.invariant] = f"{noticed[fault.invariant]}, {after}" if fault.invariant in noticed else f"example {after}"
        else:
            missed.append(f"{fault.invariant} {fault.where}")
    print(json.dumps({
        "campaign": "governance_breaks", "faults": len(FAULTS) if not options.only else None, "unnoticed_differ": len(missed),
        "unnoticed": ", ".join(missed) or "none", "noticed_by": noticed, "cpu_s": round(time.process_time() - began, 1),
    }))  # fmt: skip
    return 1 if missed else 0


@contextmanager
def made(fault: Fault) -> Iterator[None]:
    """Put a fault into every place that holds the function."""
    *path, name = f"groundrule.{fault.where}".split(".")
    depth = len(path) - path[-1][0].isupper()
    module = import_module(".".join(path[:depth]))
    owner = getattr(module, path[-1]) if depth < len(path) else module
    right = inspect.getattr_static(owner, name)
    source = textwrap.dedent(inspect.getsource(right))
    head, _, body = source.partition('"""') if fault.right == "\n    " else ("", "", source)
    if fault.right == "\n    ":  # after the docstring
        words, _, body = body.partition('"""')
        changed = f'{head}"""{words}"""{body.replace(fault.right, fault.wrong, 1)}'
    else:
        assert body.count(fault.right) == 1, f"{fault.where} does not hold `{fault.right}` once any more"
        changed = body.replace(fault.right, fault.wrong)
    held: dict[str, Any] = {}
    exec(compile("from __future__ import annotations\n" + changed, f"<fault in {fault.where}>", "exec"), vars(module), held)
    wrong = held[name]
    places = [(owner, name)] if owner is not module else [
        (each, key) for each in list(sys.modules.values()) if each is not None for key, value in list(vars(each).items()) if value is right
    ]  # fmt: skip
    # Tables of functions, such as the checks of each kind of entry, hold it too.
    tables = [value for each in (module,) for value in vars(each).values() if isinstance(value, dict) and right in value.values()]
    try:
        for place, key in places:
            setattr(place, key, wrong)
        for table in tables:
            table.update({key: wrong for key, value in table.items() if value is right})
        yield
    finally:
        for place, key in places:
            setattr(place, key, right)
        for table in tables:
            table.update({key: right for key, value in table.items() if value is wrong})


def examples_until_noticed(fault: Fault, modules: list[Any], stack: ExitStack, most: int | None = None) -> int:
    """Return the number of the example that failed, or 0."""
    module, test = next((m, t) for m in modules for name, t in tests_of(m) if name.startswith(f"test_{fault.test}"))
    given, inner, count = Lazy(module, stack), test.hypothesis.inner_test, 0
    asked = inner.__code__.co_varnames[: inner.__code__.co_argcount]

    def watched(*args: Any, **kwargs: Any) -> None:
        nonlocal count
        count += 1
        if count == most:
            raise Enough
        try:
            inner(*args, **kwargs)
        except UnsatisfiedAssumption:
            raise
        except Exception as error:
            raise Noticed from error

    test.hypothesis.inner_test = watched
    try:
        with with_reporter(lambda _: None):
            test(**{each: given[each] for each in asked if each in ("vaults", "office", "enacted")})
    except Noticed:
        return count
    except Enough:
        return 0
    finally:
        test.hypothesis.inner_test = inner
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
