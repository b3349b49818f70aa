"""Geofences: whoever asked is told when a terminal enters or leaves a circle (CAMARA geofencing-subscriptions 0.5.0).

A terminal is inside once the region that holds its last position with 95 % probability lies in the circle, and outside once the two
are apart; in between, what was stays, so that nobody is told of the noise of positions at the edge. The first position that is known
tells nothing unless an initial event was asked for. Positions are looked at about once a second: who is inside for less may be missed.

What a fence says is stored with the fence's state in one transaction, under ids that count up, before it is sent.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import numpy as np

from groundrule.areas.overlap import match
from groundrule.errors import ConflictError, GroundruleError
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.live.answers import LastPosition, LastPositions
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.live.regions import region_of
from groundrule.store.addresses import terminals_at
from groundrule.store.registers import Registers
from groundrule.store.subscriptions import Sink, SubscriptionStore

PREFIX: Final = "org.camaraproject.geofencing-subscriptions.v0"
ENTERED: Final = f"{PREFIX}.area-entered"
LEFT: Final = f"{PREFIX}.area-left"
MOST_OF_ONE: Final = 1_000
MOST: Final = 20_000
KEPT_NS: Final = 24 * 3_600 * NS_PER_S
"""How long a fence that ended is shown."""
TOKEN_MARGIN_NS: Final = 60 * NS_PER_S
"""A fence ends so long before its token does, so that its owner can still be told."""
_ADDRESSES_EVERY_NS: Final = 60 * NS_PER_S
_WAIT_S: Final = 30.0
_LOG: Final = logging.getLogger(__name__)

Reason = Literal[
    "MAX_EVENTS_REACHED", "NETWORK_TERMINATED", "SUBSCRIPTION_UNPROCESSABLE", "SUBSCRIPTION_EXPIRED", "SUBSCRIPTION_DELETED",
    "ACCESS_TOKEN_EXPIRED",
]  # fmt: skip
_STATUS: Final[Mapping[str, str]] = {"SUBSCRIPTION_EXPIRED": "EXPIRED", "ACCESS_TOKEN_EXPIRED": "EXPIRED"}
"""Status of a fence that ended, where it is not DELETED."""


class Geofences:
    """The fences of one home.

    Args:
        live: knows positions.
        store: keeps fences.
        source: of their events, a URI.
        clock: gives the time [ns, UTC].
        is_good: tells whether the credentials that made a fence may still be used.
    """

    def __init__(
        self, live: Live, store: SubscriptionStore, *, source: str, clock: Callable[[], int], is_good: Callable[[str], bool]
    ) -> None:
        self._live, self._store, self._source, self._clock, self._is_good = live, store, source, clock, is_good
        self._lock = threading.RLock()
        self._sinks = {each.id: each for each in store.sinks("geofence")}
        self._addresses_ns = 0

    def create(
        self, owner: str, address: str, *, terminal: str, key: str, kind: str, config: dict[str, Any], circle: tuple[float, float, float],
        device: dict[str, Any], until_ns: int | None, most: int | None, initial: bool, headers: dict[str, str],
        seal: Callable[[str], bytes] | None, token_until_ns: int | None,
    ) -> Sink:  # fmt: skip
        """Make a fence; its owner is told that it began, and where the terminal is already, if that was asked for.

        Args:
            owner: id of the credentials.
            address: where to tell; allowed.
            terminal: whose positions.
            key: address by which the device is known in the registers.
            kind: ENTERED or LEFT.
            config: as it is given back.
            circle: latitude, longitude [degree] and radius [m].
            device: as it is given back.
            until_ns: when it ends [ns, UTC], or None.
            most: events after which it ends, or None.
            initial: tell at once where that is already so.
            headers: sent along.
            seal: returns the sealed token of a fence's id.
            token_until_ns: when the token ends [ns, UTC].
        Raises:
            ConflictError: there are too many.
        """
        now = self._clock()
        with self._lock:
            mine = sum(each.owner == owner and each.state == "active" for each in self._sinks.values())
            if mine >= MOST_OF_ONE or len(self._sinks) >= MOST:
                raise ConflictError("there are too many subscriptions", help="delete some", refusal="too_many_subscriptions")
            name = f"fence-{secrets.token_hex(12)}"
            position = self._positions([terminal]).get(terminal)
            inside = None if position is None else _inside(position, circle, None)
            spec: dict[str, Any] = {
                "terminal": terminal, "key": key, "kind": kind, "config": config, "circle": list(circle), "device": device,
                "until_ns": until_ns, "most": most, "headers": headers, "token_until_ns": token_until_ns, "inside": inside,
                "seen_ns": None if position is None else position.at_ns, "status": "ACTIVE", "number": 0, "told": 0,
            }  # fmt: skip
            bodies = [self._event(name, spec, "subscription-started", now, {"initiationReason": "SUBSCRIPTION_CREATED"})]
            if initial and inside is not None and inside == (kind == ENTERED):
                bodies += self._alert(name, spec, now)
            sink = Sink(name, "geofence", owner, address, "active" if spec["status"] == "ACTIVE" else "ended", now, spec,
                        None if seal is None else seal(name))  # fmt: skip
            self._store.add(sink, bodies)
            self._sinks[name] = sink
        return sink

    def of(self, owner: str) -> list[Sink]:
        """Return the fences that somebody made and did not delete."""
        with self._lock:
            return [each for each in self._sinks.values() if each.owner == owner and not each.spec.get("deleted")]

    def one(self, name: str, owner: str) -> Sink | None:
        """Return a fence of somebody, or None."""
        return next((each for each in self.of(owner) if each.id == name), None)

    def delete(self, name: str, owner: str) -> bool:
        """End a fence because its owner wants it; False if there is none."""
        with self._lock:
            sink = self.one(name, owner)
            if sink is None:
                return False
            if sink.state == "active":
                self._end(sink, "SUBSCRIPTION_DELETED", "", deleted=True)
            else:
                self._keep(sink, {**sink.spec, "deleted": True}, [])
        return True

    # --- what time and positions bring --------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Tell who entered or left, and end what is over."""
        with self._lock:
            now = self._clock()
            owners = {each.owner for each in self._sinks.values() if each.state == "active"}
            good = {owner for owner in owners if self._is_good(owner)}
            for sink in list(self._sinks.values()):
                if sink.state != "active":
                    self._forget(sink, now)
                else:
                    self._end_in_time(sink, now, good=sink.owner in good)
            if now - self._addresses_ns >= _ADDRESSES_EVERY_NS:
                self._addresses_ns = now
                self._look_at_addresses(now)
            self._look_at_positions(now)

    def given_up(self, sink: Sink) -> None:
        """End a fence whose receiver said that it is no more; nobody can be told."""
        with self._lock:
            known = self._sinks.get(sink.id)
            if known is not None and known.state == "active":
                ended = {"status": "DELETED", "reason": "NETWORK_TERMINATED", "ended_ns": self._clock()}
                self._keep(known, {**known.spec, **ended}, [], "ended")

    def _look_at_positions(self, now: int) -> None:
        active = [each for each in self._sinks.values() if each.state == "active" and each.spec["status"] == "ACTIVE"]
        found = self._positions(sorted({each.spec["terminal"] for each in active}))
        for sink in active:
            position = found.get(sink.spec["terminal"])
            if position is None or position.at_ns == sink.spec["seen_ns"]:
                continue
            before = sink.spec["inside"]
            inside = _inside(position, sink.spec["circle"], before)
            sink.spec["seen_ns"] = position.at_ns
            if inside == before:
                continue  # not worth a write: after a restart it is found again
            spec = {**sink.spec, "inside": inside}
            tells = before is not None and inside == (spec["kind"] == ENTERED)
            bodies = self._alert(sink.id, spec, now) if tells else []
            self._keep(sink, spec, bodies, None if spec["status"] == "ACTIVE" else "ended")

    def _end_in_time(self, sink: Sink, now: int, *, good: bool) -> None:
        spec = sink.spec
        if spec["until_ns"] is not None and now >= spec["until_ns"]:
            self._end(sink, "SUBSCRIPTION_EXPIRED", "")
        elif spec["token_until_ns"] is not None and now >= spec["token_until_ns"] - TOKEN_MARGIN_NS:
            self._end(sink, "ACCESS_TOKEN_EXPIRED", "")
        elif not good:
            self._end(sink, "NETWORK_TERMINATED", "The credentials that made it are not valid any more.")

    def _look_at_addresses(self, now: int) -> None:
        """Rest where an address is another's now: its holder must not be told of."""
        active = [each for each in self._sinks.values() if each.state == "active"]
        if not active:
            return
        with Registers.open(self._live.home) as registers:
            known = terminals_at(registers, sorted({each.spec["key"] for each in active}), now)
        for sink in active:
            status = "ACTIVE" if known.get(sink.spec["key"]) == sink.spec["terminal"] else "INACTIVE"
            if status != sink.spec["status"]:
                # What happened in between nobody is told; the next position begins anew.
                spec = {**sink.spec, "status": status, "inside": None, "seen_ns": None}
                why = {"updateReason": f"SUBSCRIPTION_{status}"}
                self._keep(sink, spec, [self._event(sink.id, spec, "subscription-updated", now, why)])

    def _alert(self, name: str, spec: dict[str, Any], now: int) -> list[tuple[str, str]]:
        """Return the event that was asked for, and the end where it was the last."""
        spec["told"] += 1
        made = [self._event(name, spec, spec["kind"].removeprefix(f"{PREFIX}."), now, {})]
        if spec["most"] is not None and spec["told"] >= spec["most"]:
            made.append(self._ending(name, spec, "MAX_EVENTS_REACHED", "", now))
        return made

    def _end(self, sink: Sink, reason: Reason, why: str, *, deleted: bool = False) -> None:
        spec = {**sink.spec, "deleted": True} if deleted else dict(sink.spec)
        self._keep(sink, spec, [self._ending(sink.id, spec, reason, why, self._clock())], "ended")

    def _ending(self, name: str, spec: dict[str, Any], reason: Reason, why: str, now: int) -> tuple[str, str]:
        spec.update(status=_STATUS.get(reason, "DELETED"), reason=reason, ended_ns=now)
        return self._event(
            name, spec, "subscription-ended", now, {"terminationReason": reason} | ({"terminationDescription": why} if why else {})
        )

    def _event(self, name: str, spec: dict[str, Any], kind: str, now: int, more: dict[str, str]) -> tuple[str, str]:
        spec["number"] += 1
        latitude, longitude, radius = spec["circle"]
        area = {"areaType": "CIRCLE", "center": {"latitude": latitude, "longitude": longitude}, "radius": radius}
        number = f"{name}.{spec['number']}"
        event = {
            "specversion": "1.0", "id": number, "source": self._source, "type": f"{PREFIX}.{kind}",
            "time": format_instant(now), "datacontenttype": "application/json",
            "data": {"subscriptionId": name, "device": spec["device"], "area": area, **more},
        }  # fmt: skip
        return number, json.dumps(event, ensure_ascii=False, separators=(",", ":"))

    def _keep(self, sink: Sink, spec: dict[str, Any], bodies: list[tuple[str, str]], state: Literal["ended"] | None = None) -> None:
        """Store what a fence is now and what it says; only what is stored holds."""
        self._store.tell(sink.id, bodies, self._clock(), spec=spec, state=state)
        kept = self._store.sink(sink.id)
        if kept is not None:
            self._sinks[sink.id] = kept

    def _forget(self, sink: Sink, now: int) -> None:
        old = now - int(sink.spec.get("ended_ns", now)) >= KEPT_NS
        told = not self._store.waiting(sink.id) if sink.spec.get("deleted") or old else False
        if told:
            self._store.remove(sink.id)
            del self._sinks[sink.id]

    def _positions(self, terminals: list[str]) -> LastPositions:
        if terminals:
            try:
                return self._live.last_positions(terminals).result(_WAIT_S)
            except (GroundruleError, TimeoutError) as error:
                _LOG.warning("positions could not be read for geofences", exc_info=error)
        return LastPositions([], np.zeros(0, np.void))


def _inside(position: LastPosition, circle: Any, before: bool | None) -> bool | None:
    """Tell whether a position lies in a circle; where that is in doubt, what was before holds."""
    region = region_of(position)
    if region is None:
        return before
    verdict, rate = match(region, *circle)
    if verdict == "PARTIAL":
        return before if before is not None else (rate or 0) >= 50
    return verdict == "TRUE"
