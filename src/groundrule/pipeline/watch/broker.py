"""A stream of a NATS JetStream as a source: a durable pull consumer with explicit acknowledgement.

    nats://HOST:PORT/STREAM/CONSUMER?subject=telemetry.>

A message holds JSON lines, one observation on each, or one telemetry reply. It is acknowledged once its rows are durable, so that the
broker holds what is not. A message that comes again is known by its number in the stream; where a crash came before that was
written, by its content, or by the file that was announced for it.

Nothing secret stands in the address: a user, a password, a token or a file of credentials comes from the environment.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

from groundrule.errors import InputError, MissingExtra, StoreError
from groundrule.pipeline.watch.arrivals import Arrival, short_digest
from groundrule.pipeline.watch.reading import Reading, pieces
from groundrule.store.watch_positions import Positions

T = TypeVar("T")
SCHEMES: Final = ("nats", "tls")
MESSAGES: Final = 512
"""Messages that are asked for at a time."""
ACK_WAIT_S: Final = 60.0
"""After so long the broker sends again what was not acknowledged, where the consumer is made here [s]."""
CONNECT_S: Final = 15.0
LOOK_S: Final = 5.0
"""How often the broker is asked how much waits [s]."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SUBJECT: Final = re.compile(r"[!-~]{1,255}")
_HEAD: Final = 65_536
_ANNOUNCED: Final = "announced"
_ENVIRONMENT: Final = {"user": "NATS_USER", "password": "NATS_PASSWORD", "token": "NATS_TOKEN", "user_credentials": "NATS_CREDS"}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a stream is.

    Attributes:
        server: address of the broker.
        stream, consumer: their names.
        subject: only messages of these subjects, where the consumer is made here; None is all of the stream.
    """

    server: str
    stream: str
    consumer: str
    subject: str | None = None

    @classmethod
    def parse(cls, text: str) -> BrokerAddress:
        """Take an address apart.

        Raises:
            InputError: it is none, or holds a password.
        """
        wanted = "nats://HOST:PORT/STREAM/CONSUMER, with ?subject=… where only some subjects are wanted"
        try:
            parts = urlsplit(text)
            port = parts.port or 4222
        except ValueError:
            raise InputError("the address of the broker is none", help=wanted, option="SOURCE") from None
        if parts.username is not None or parts.password is not None:
            raise InputError(
                "the address of the broker holds a user or a password, and whoever lists processes would see it",
                help=f"give them in the environment: {', '.join(_ENVIRONMENT.values())}", option="SOURCE",
            )  # fmt: skip
        names = parts.path.strip("/").split("/")
        asked = parse_qs(parts.query)
        if parts.scheme not in SCHEMES or not parts.hostname or len(names) != 2 or not all(map(_NAME.fullmatch, names)):
            raise InputError("the address of the broker names no stream and consumer", help=wanted, option="SOURCE")
        subject = asked.pop("subject", [None])[-1]
        if asked or parts.fragment or (subject is not None and not _SUBJECT.fullmatch(subject)):
            raise InputError("the address of the broker asks for what there is not", help=wanted, option="SOURCE")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(f"{parts.scheme}://{host}:{port}", names[0], names[1], subject)


class Numbers:
    """Numbers that were taken, as intervals.

    Args:
        intervals: first and last of each, in order.
    """

    def __init__(self, intervals: Iterable[Sequence[int]] = ()) -> None:
        self.intervals: list[list[int]] = [[int(first), int(last)] for first, last in intervals]

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self.intervals, [number, 1 << 63]) - 1
        return place >= 0 and number <= self.intervals[place][1]

    def add(self, numbers: Iterable[int]) -> None:
        """Add numbers."""
        merged: list[list[int]] = []
        for first, last in sorted([*self.intervals, *([each, each] for each in numbers)]):
            if merged and first <= merged[-1][1] + 1:
                merged[-1][1] = max(merged[-1][1], last)
            else:
                merged.append([first, last])
        self.intervals = merged

    def forget(self, until: int) -> None:
        """Leave out what is not later than a number."""
        self.intervals = [[max(first, until + 1), last] for first, last in self.intervals if last > until]


@dataclass(slots=True)
class _Batch:
    """Messages that were read together.

    Attributes:
        messages: of the broker.
        numbers: theirs in the stream.
        pending: arrivals of them that are not taken.
    """

    messages: list[Any]
    numbers: list[int]
    pending: int = 0


@dataclass(slots=True)
class _Seen:
    messages: int = 0
    redelivered: int = 0
    to_read: int = 0
    away: str = ""


class BrokerSource:
    """Messages of one consumer.

    Args:
        address: where they are.
        folder: where positions are kept, that of a home for instance.
        reading: how they are read.
        most_waiting: messages that may wait to be acknowledged, where the consumer is made here.
        clock: gives the time [ns, UTC].
    Attributes:
        most_waiting: as the consumer has it; the broker sends no more before some are acknowledged.
    Raises:
        MissingExtra: the client is not installed. InputError: there is no such stream, or the consumer does not acknowledge.
        StoreError: the broker cannot be reached.
    """

    def __init__(
        self, address: BrokerAddress, folder: Path, reading: Reading, *, most_waiting: int = 4 * MESSAGES,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        try:
            import nats  # noqa: PLC0415 - an optional package
        except ImportError:
            raise MissingExtra("nats", needed_for="watching a stream of NATS") from None
        self._nats = nats
        self.name = f"{address.server}/{address.stream}/{address.consumer}"
        self._address, self._reading, self._clock, self.most_waiting = address, reading, clock, most_waiting
        self._seen = _Seen()
        self._flying: set[int] = set()
        self._looked = -LOOK_S
        self._idle = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="broker", daemon=True)
        self._thread.start()
        self._client: Any = None
        try:
            born = self._do(self._open(), CONNECT_S + 5.0)
            self._positions = Positions.open(folder, f"nats:{address.stream}:{address.consumer}:{born}")
        except BaseException:
            self._end()
            raise
        known = self._positions.all()
        self._taken = Numbers(known.get("taken", ()))
        self._announced: dict[str, Any] | None = known.get(_ANNOUNCED)

    # --- what the watcher does ----------------------------------------------------------------------------------------------

    @property
    def exhausted(self) -> bool:
        """Does nothing wait at the broker, and is everything acknowledged?"""
        return self._idle and not self._flying

    def take(self, wait_s: float, most_rows: int) -> Sequence[Arrival]:  # noqa: ARG002 - a message says not how many rows it has
        """Ask for messages."""
        try:
            messages = self._do(self._fetch(max(wait_s, 0.05)), wait_s + CONNECT_S)
        except (TimeoutError, OSError, self._nats.errors.Error) as error:
            self._seen.away = type(error).__name__
            time.sleep(min(wait_s, 0.5))
            return ()
        # While messages of ours are under way, those that a watch before took and never acknowledged cannot be told from them.
        self._idle = not messages and not self._seen.to_read and not self._flying
        fresh, again = self._sorted_out(messages)
        if again:
            self._acknowledge(again)
        if not fresh:
            return ()
        batch = _Batch(fresh, [_number(each) for each in fresh])
        self._flying.update(batch.numbers)
        self._seen.messages += len(fresh)
        key = short_digest(*(str(each) for each in batch.numbers))
        made = [
            Arrival(self._address.stream, rows, rejects, f"{self._positions.source}:{key}:{place}", batch)
            for place, (rows, rejects) in enumerate(pieces(self._read(fresh)))
        ]
        batch.pending = len(made)
        if not made:
            self._finish([batch])
        return made

    def taken(self, arrivals: Sequence[Arrival]) -> None:
        """Note the numbers of messages, and acknowledge them."""
        done: list[_Batch] = []
        for each in arrivals:
            batch: _Batch = each.place
            batch.pending -= 1
            if not batch.pending:
                done.append(batch)
        if done:
            self._finish(done)

    @property
    def waiting(self) -> int:
        """Messages that are not acknowledged."""
        return len(self._flying)

    def announced(self) -> str | None:
        """Return what the process before announced and did not see taken."""
        return None if self._announced is None else str(self._announced["name"])

    def settle(self, *, durable: bool) -> None:
        """Say whether what was announced had become durable; then its messages count as taken, and otherwise they come again."""
        if self._announced is not None and durable:
            for first, last in self._announced["numbers"]:
                self._taken.add(range(first, last + 1))
        self._announced = None
        self._positions.put({"taken": self._taken.intervals}, at_ns=self._clock(), without=[_ANNOUNCED])

    def announce(self, arrivals: Sequence[Arrival], name: Callable[[int, int, str], str]) -> str:
        """Write down which file is about to hold arrivals, all those of each message; `taken` follows once it does.

        Args:
            arrivals: about to become durable.
            name: of the file, by first and last number in the stream and a digest of stream and numbers.
        """
        found = Numbers()
        found.add(number for each in arrivals for number in each.place.numbers)
        chosen = name(found.intervals[0][0], found.intervals[-1][1], short_digest(self._positions.source, str(found.intervals)))
        self._positions.put({_ANNOUNCED: {"name": chosen, "numbers": found.intervals}}, at_ns=self._clock())
        return chosen

    def said(self) -> Mapping[str, Any]:
        """Return counts of messages, how many wait at the broker, and whether it is away."""
        seen = self._seen
        told = {"messages": seen.messages, "redelivered": seen.redelivered, "to_read": seen.to_read}
        return told | ({"broker_away": seen.away} if seen.away else {})

    def close(self) -> None:
        """Leave the broker; what was not acknowledged comes again."""
        self._end()
        self._positions.close()

    # --- messages -----------------------------------------------------------------------------------------------------------

    def _sorted_out(self, messages: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Tell new messages from those that were taken before; those that are under way are left alone."""
        fresh: list[Any] = []
        again: list[Any] = []
        for each in messages:
            number = _number(each)
            if number in self._taken:
                again.append(each)
            elif number in self._flying:
                self._seen.redelivered += 1
            else:
                fresh.append(each)
        self._seen.redelivered += len(again)
        return fresh, again

    def _read(self, messages: Sequence[Any]) -> Any:
        """Read messages: lines together, and replies together."""
        lines: list[bytes] = []
        replies: list[bytes] = []
        for each in messages:
            data = bytes(each.data)
            if b'"columnNamesByDeviceType"' in data[:_HEAD]:
                replies.append(data.replace(b"\n", b" ").replace(b"\r", b" "))  # between JSON values, since in them they are escaped
            elif data.strip():
                lines.append(data.rstrip(b"\n"))
        name = self._address.stream
        return chain.from_iterable(
            self._reading.text(b"\n".join(parts) + b"\n", name=f"{name}.jsonl") for parts in (lines, replies) if parts
        )

    def _finish(self, batches: Sequence[_Batch]) -> None:
        numbers = [number for each in batches for number in each.numbers]
        self._taken.add(numbers)
        self._positions.put({"taken": self._taken.intervals}, at_ns=self._clock(), without=[_ANNOUNCED])
        self._acknowledge([message for each in batches for message in each.messages])
        self._flying.difference_update(numbers)

    def _acknowledge(self, messages: Sequence[Any]) -> None:
        try:
            self._do(self._ack(messages), CONNECT_S)
        except (TimeoutError, OSError, self._nats.errors.Error) as error:
            self._seen.away = type(error).__name__  # they come again, and are known

    # --- the broker, on the loop's thread -------------------------------------------------------------------------------------

    def _do(self, what: Coroutine[Any, Any, T], patience_s: float) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(patience_s)

    async def _open(self) -> str:
        """Connect, find the stream and the consumer, and return when the stream was made."""
        given = {name: os.environ[key] for name, key in _ENVIRONMENT.items() if os.environ.get(key)}
        errors = self._nats.js.errors

        async def said(_error: Exception) -> None:
            """The client tells each lost connection; what is asked of it fails, and that is said."""

        try:
            self._client = await asyncio.wait_for(
                self._nats.connect(
                    self._address.server, name="groundrule watch", connect_timeout=5, max_reconnect_attempts=-1, reconnect_time_wait=1,
                    error_cb=said, **given,
                ),
                CONNECT_S,
            )  # fmt: skip
        except (TimeoutError, OSError, self._nats.errors.Error) as error:
            why = str(error) or type(error).__name__
            raise StoreError(f"the broker at {self._address.server} cannot be reached: {why[:160]}", help="is it running?") from None
        self._stream = self._client.jetstream(timeout=10)
        try:
            stream = await self._stream.stream_info(self._address.stream)
        except (errors.Error, self._nats.errors.Error) as error:
            raise InputError(
                f"the broker has no stream `{self._address.stream}`: {error!s:.160}", help="make it first: the watch makes none"
            ) from None
        try:
            found = (await self._stream.consumer_info(self._address.stream, self._address.consumer)).config
        except errors.NotFoundError:
            found = self._nats.js.api.ConsumerConfig(
                durable_name=self._address.consumer, ack_policy=self._nats.js.api.AckPolicy.EXPLICIT, ack_wait=ACK_WAIT_S,
                filter_subject=self._address.subject, max_ack_pending=self.most_waiting,
            )  # fmt: skip
            await self._stream.add_consumer(self._address.stream, found)
        if str(getattr(found.ack_policy, "value", found.ack_policy)) != "explicit" or found.deliver_subject:
            raise InputError(
                f"the consumer `{self._address.consumer}` does not wait for acknowledgements",
                help="a pull consumer with explicit acknowledgement; name another one, and it is made so",
            )
        self.most_waiting = int(found.max_ack_pending or 0) or self.most_waiting
        self._puller = await self._stream.pull_subscribe_bind(consumer=self._address.consumer, stream=self._address.stream)
        return str(stream.created)

    async def _fetch(self, wait_s: float) -> list[Any]:
        try:
            found: list[Any] = await self._puller.fetch(MESSAGES, timeout=wait_s)
        except (TimeoutError, self._nats.errors.TimeoutError):
            found = []
        if not found or time.monotonic() - self._looked >= LOOK_S:
            info = await self._puller.consumer_info()
            self._looked = time.monotonic()
            self._seen.to_read = int(info.num_pending or 0) + (int(info.num_ack_pending or 0) if not self._flying else 0)
            self._taken.forget(int(info.ack_floor.stream_seq) if info.ack_floor else 0)
        self._seen.away = ""
        return found

    async def _ack(self, messages: Sequence[Any]) -> None:
        for each in messages:
            await each.ack()
        await self._client.flush(10)

    def _end(self) -> None:
        async def leave() -> None:
            if self._client is not None:
                await asyncio.wait_for(self._client.close(), 5)

        with suppress(Exception):  # it is left anyway, and what was not acknowledged comes again
            self._do(leave(), 10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def _number(message: Any) -> int:
    """Number of a message in its stream."""
    return int(message.metadata.sequence.stream)
