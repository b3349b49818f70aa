"""The log of events: numbers, pages, who may see what, retention, and keys that were taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from groundrule.errors import InputError
from groundrule.store.events import Event, EventLog
from groundrule.store.home import Home


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    made = EventLog.open(Home.create(tmp_path / "home"))
    yield made
    made.close()


def event(kind: str, at: int = 1, *, subject: str | None = None, once: str | None = None) -> Event:
    return Event(kind, at, "terminal", {"n": at}, subject=subject, public=subject is None, once=once)


def test_events_come_back_in_order_after_a_number(log: EventLog) -> None:
    stored = log.append([event("a.x", 1), event("a.y", 2, subject="car"), event("b", 3)])
    assert [each.seq for each in stored] == [1, 2, 3]
    assert log.after(0) == stored
    assert log.after(1) == stored[1:]
    assert log.after(0, limit=1) == stored[:1]
    assert log.after(0, until=2) == stored[:2]
    assert log.after(0, types=["a."]) == stored[:2]
    assert log.after(0, types=["b"]) == stored[2:]
    assert log.after(0, types=[]) == []
    assert log.after(0, public=True) == [stored[0], stored[2]]
    assert log.after(0, subjects=["van"]) == [stored[0], stored[2]]
    assert log.after(0, subjects=["car"]) == stored
    assert list(log.each_after(1)) == stored[1:]
    assert log.bounds() == (1, 3)


def test_a_public_event_names_nobody(log: EventLog) -> None:
    with pytest.raises(InputError, match="names its subject"):
        log.append([event("a"), Event("b", 1, "terminal", {}, subject="car", public=True)])
    assert log.after(0) == []
    with pytest.raises(InputError, match="characters"):
        log.append([Event("a", 1, "run", {"x": "y" * 70_000})])


def test_the_same_event_is_stored_once(log: EventLog) -> None:
    assert len(log.append([event("a", once="k"), event("a", once="k"), event("a")])) == 2
    assert log.append([event("a", once="k")]) == []
    assert len(log.append([event("a", once="l")])) == 1


def test_old_events_go_and_numbers_stay(log: EventLog, tmp_path: Path) -> None:
    log.append([event("a", at) for at in range(1, 11)])
    assert log.prune(before_ns=4, most=100) == 3
    assert log.bounds() == (4, 10)
    assert log.prune(before_ns=0, most=2) == 5
    assert [each.seq for each in log.after(0)] == [9, 10]
    assert log.prune(before_ns=100, most=2) == 2
    assert log.bounds() == (11, 10)
    assert log.append([event("a")])[0].seq == 11
    log.close()
    again = EventLog.open(Home.open(tmp_path / "home"))
    assert again.bounds() == (11, 11)
    look = EventLog.look(Home.open(tmp_path / "home"))
    assert len(look.after(0)) == 1
    look.close()
    again.close()


def test_keys_are_known_until_they_are_forgotten(log: EventLog) -> None:
    log.take_keys([("k", "c", 10), ("l", "d", 20)], forget_before_ns=0)
    assert (log.taken("k"), log.taken("l"), log.taken("m")) == ("c", "d", None)
    log.take_keys([("m", "e", 30)], forget_before_ns=15)
    assert (log.taken("k"), log.taken("l"), log.taken("m")) == (None, "d", "e")
