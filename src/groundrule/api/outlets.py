"""What tells others what happens in one home: webhooks and geofences, with the thread that delivers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote

from groundrule.api.settings import Settings
from groundrule.pipeline.fetching import Network
from groundrule.pipeline.live import Live
from groundrule.pipeline.live.delivering import Courier, Pace
from groundrule.pipeline.live.geofences import Geofences
from groundrule.pipeline.live.sending import SendBounds, allowed_hosts
from groundrule.pipeline.live.sink_keys import SinkKeys
from groundrule.store.subscriptions import SubscriptionStore


@dataclass(frozen=True, slots=True)
class Ways:
    """How deliveries leave; tests set it.

    Attributes:
        network: the ways out. bounds: of one try. pace: of many.
    """

    network: Network | None = None
    bounds: SendBounds | None = None
    pace: Pace | None = None


@dataclass(slots=True)
class Outlet:
    """Webhooks and geofences of one home. Use `open`.

    Attributes:
        store: what waits.
        keys: sign and seal.
        courier: delivers.
        fences: who is told of which terminal.
    """

    store: SubscriptionStore
    keys: SinkKeys
    courier: Courier
    fences: Geofences
    _closed: bool = field(default=False, repr=False)

    @classmethod
    def open(
        cls, live: Live, seed: bytes, settings: Settings, *, clock: Callable[[], int], is_good: Callable[[str], bool],
        ways: Ways = Ways(),
    ) -> Self:  # fmt: skip
        """Open what a home tells others, and go on delivering.

        Args:
            live: the open home.
            seed: of the service's key.
            settings: of the service.
            clock: the time [ns, UTC].
            is_good: tells whether credentials may still be used.
            ways: how deliveries leave.
        Raises:
            InputError: `webhook_hosts` of the settings cannot be read.
        """
        allowed = allowed_hosts(settings.webhook_hosts)
        store = SubscriptionStore.open(live.home)
        keys, source = SinkKeys(seed, live.home.id), source_of(live)
        fences = Geofences(live, store, source=f"{source}:geofencing", clock=clock, is_good=is_good)
        courier = Courier(
            store, live.events, live.subscribe, keys, allowed, source=source, prefix=settings.event_type_prefix, clock=clock,
            network=ways.network, bounds=ways.bounds, pace=ways.pace,
        )  # fmt: skip
        courier.ticking = fences
        courier.start()
        return cls(store, keys, courier, fences)

    def close(self) -> None:
        """Wait for what is being sent, and end; closing twice does no harm."""
        if not self._closed:
            self._closed = True
            self.courier.close()
            self.store.close()


def source_of(live: Live) -> str:
    """Return the source of a home's events: a URI of its own, wherever it is served."""
    return f"urn:groundrule:home:{quote(live.home.id, safe='')}"
