"""Explanations for a service: what runs rested on is kept, so that the second question costs little.

The index of areas serves one thread, so all is done by one thread of its own, beside decisions.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from groundrule.pipeline.explain import Found, basis_of_run, explain_terminal
from groundrule.pipeline.judge import Basis
from groundrule.rules.explain import Audience
from groundrule.store.home import Home
from groundrule.store.registers import Registers
from groundrule.store.timeline import RegisterTimeline

KEPT: Final = 4
"""What so many runs rested on is kept."""


class ExplainDesk:
    """Explains stored decisions of one home.

    Args:
        home: whose.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self._bases: OrderedDict[int, Basis] = OrderedDict()
        self._registers: OrderedDict[str, RegisterTimeline] = OrderedDict()

    def explain(
        self, terminal_id: str, *, at_ns: int | None = None, audience: Audience = "operator", language: str = "en"
    ) -> Future[Found]:
        """Explain the last stored decision of a terminal up to an instant; see `explain_terminal`."""
        return self._pool.submit(
            explain_terminal, self._home, terminal_id, at_ns=at_ns, audience=audience, language=language, bases=self._basis
        )

    def close(self) -> None:
        """Explain nothing more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _basis(self, home: Home, manifest: Mapping[str, Any]) -> Basis:
        run = int(manifest["run"])
        if run not in self._bases:
            self._bases[run] = basis_of_run(home, manifest, self._known(home, int(manifest["recorded_at_ns"])))
        return _kept(self._bases, run)

    def _known(self, home: Home, recorded_at_ns: int) -> RegisterTimeline:
        """Registers as known at an instant; those of one revision are the same."""
        with Registers.open(home) as registers:
            digest = registers.revision(recorded_at_ns).digest
            if digest not in self._registers:
                self._registers[digest] = RegisterTimeline.load(registers, recorded_at_ns=recorded_at_ns)
        return _kept(self._registers, digest)


def _kept(held: OrderedDict[Any, Any], key: Any) -> Any:
    """Return what is held, and let go what was asked for longest ago."""
    held.move_to_end(key)
    while len(held) > KEPT:
        held.popitem(last=False)
    return held[key]
