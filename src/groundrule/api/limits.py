"""How often somebody may ask: a bucket of tokens each, filled at a steady rate."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from groundrule.api.settings import RateLimit

MAX_BUCKETS: Final = 50_000
"""Askers that are remembered; the one that asked longest ago is forgotten first."""


class Limiter:
    """Buckets of everybody who asks.

    Args:
        rates: limits by kind of asker; a kind that is not named has that of `none`.
        clock: seconds that never go back [s].
    """

    def __init__(self, rates: Mapping[str, RateLimit], clock: Callable[[], float] = time.monotonic) -> None:
        self._rates, self._clock = rates, clock
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def wait_s(self, kind: str, asker: str) -> float:
        """Take a token.

        Args:
            kind: of asker: `none`, `session`, `key`, `oidc`.
            asker: id of the credentials, or the address of whoever has none.
        Returns:
            0 if there was one; otherwise how long until there is [s].
        """
        rate = self._rates.get(kind) or self._rates.get("none") or RateLimit()
        now, key = self._clock(), (kind, asker)
        held, since = self._buckets.pop(key, (float(rate.burst), now))
        held = min(float(rate.burst), held + (now - since) * rate.per_s)
        given = held >= 1.0
        self._buckets[key] = (held - 1.0 if given else held, now)
        while len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if given else (1.0 - held) / rate.per_s
