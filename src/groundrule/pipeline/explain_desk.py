"""Explanations for a service: what runs rested on is kept, so that the second question costs little.

The index of areas serves one thread, so all is done by one thread of its own, beside decisions.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Final

from groundrule.pipeline.explain import Found, basis_of_run, explain_terminal
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Basis
from groundrule.pipeline.live.unstored import Unstored
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
        self._now: OrderedDict[tuple[str, str, str], Basis] = OrderedDict()
        self._registers: OrderedDict[str, RegisterTimeline] = OrderedDict()

    def explain(
        self, terminal_id: str, *, at_ns: int | None = None, audience: Audience = "operator", language: str = "en",
        unstored: Unstored | None = None,
    ) -> Future[Found]:  # fmt: skip
        """Explain the last decision of a terminal up to an instant; see `explain_terminal`.

        Args:
            terminal_id, at_ns, audience, language: as there.
            unstored: what a service has answered since the last run.
        """
        return self._pool.submit(
            explain_terminal, self._home, terminal_id, at_ns=at_ns, audience=audience, language=language, bases=self._basis,
            pending=unstored, live=None if unstored is None else partial(self._live, unstored),
        )  # fmt: skip

    def close(self) -> None:
        """Explain nothing more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _basis(self, home: Home, manifest: Mapping[str, Any]) -> Basis:
        run = int(manifest["run"])
        if run not in self._bases:
            self._bases[run] = basis_of_run(home, manifest, self._known(home, int(manifest["recorded_at_ns"])))
        return _kept(self._bases, run)

    def _live(self, now: Unstored) -> Basis:
        """What a service decides under, read apart: what it has in memory serves its own thread."""
        key = (now.rulebook, now.areas, now.registers)
        if key not in self._now:
            registers = self._known(self._home, now.recorded_at_ns)
            self._now[key] = basis_of(
                self._home, rulebook=now.rulebook, areas=now.areas, recorded_at_ns=now.recorded_at_ns, registers=registers
            )
        return replace(_kept(self._now, key), overlay=now.overlay)

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
