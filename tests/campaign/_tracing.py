"""Running tests in a fork, and what is learned from running each of them once: what it reaches, and which signatures hold."""

from __future__ import annotations

import functools
import gc
import mmap
import os
import pickle
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest
from _mutants import SOURCE
from cryptography.exceptions import InvalidSignature

Places = dict[tuple[str, int], set[str]]
"""Tests by (file, line) that they reach."""
Verified = dict[tuple[str, bytes, bytes, bytes], bool]
"""Whether a signature holds, by algorithm, key, signature and message."""
Failing = tuple[mmap.mmap, slice]
"""Where a fork tells which of its tests it is at."""


def all_pass(items: Sequence[pytest.Item], failing: Failing | None = None) -> bool:
    from _pytest.runner import runtestprotocol

    for number, (item, following) in enumerate(zip(items, [*items[1:], None], strict=True)):
        if failing is not None:
            shared, slot = failing
            shared[slot] = number.to_bytes(8, "little")
        reports = runtestprotocol(item, log=False, nextitem=following)
        if any(report.failed for report in reports):
            return False
    return True


def remember_signatures(verified: Verified) -> None:
    """Let the library check no signature twice, also over forks: what it says depends on nothing else.

    The function behind `signing.verify` is replaced, which is not in scope; another message is another question.
    """
    from groundrule import signing

    real = signing._verifier

    def verifier(algorithm: str, public: bytes) -> Callable[[bytes, bytes], None]:
        check = real(algorithm, public)

        def remembered(signature: bytes, message: bytes) -> None:
            question = algorithm, public, bytes(signature), bytes(message)
            if question not in verified:
                try:
                    check(signature, message)
                except InvalidSignature:
                    verified[question] = False
                else:
                    verified[question] = True
            if not verified[question]:
                raise InvalidSignature

        return remembered

    signing._verifier = verifier  # type: ignore[assignment] # it takes and returns the same


def traced(items: Sequence[pytest.Item], verified: Verified) -> tuple[Places, dict[str, float], Verified]:
    """Run every test by itself in a fork, traced; returns who reaches which line, how long each takes, and signatures."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            places: Places = defaultdict(set)
            seconds = {}
            for item in items:
                _forget()
                lines: set[tuple[str, int]] = set()
                started = time.perf_counter()
                sys.settrace(_tracer(lines))
                passed = all_pass([item])
                sys.settrace(None)
                seconds[item.nodeid] = time.perf_counter() - started
                if not passed:
                    print(f"{item.nodeid} fails without a mutant", file=sys.stderr, flush=True)
                    os._exit(1)
                for place in lines:
                    places[place].add(item.nodeid)
            with os.fdopen(writer, "wb") as out:
                pickle.dump((dict(places), seconds, verified), out)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as from_child:
        data = from_child.read()
    os.waitpid(pid, 0)
    if not data:
        os._exit(1)
    made: tuple[Places, dict[str, float], Verified] = pickle.loads(data)
    return made


def _tracer(lines: set[tuple[str, int]]) -> Callable[[FrameType, str, object], Any]:
    below = f"{SOURCE}/"

    def local(frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            lines.add((frame.f_code.co_filename.removeprefix(below), frame.f_lineno))
        return local

    def trace(frame: FrameType, _: str, __: object) -> Any:
        return local if frame.f_code.co_filename.startswith(below) else None

    return trace


def _forget() -> None:
    """Empty every cache, so that each test reaches by itself what it needs."""
    for each in gc.get_objects():
        if isinstance(each, functools._lru_cache_wrapper):
            module = getattr(each, "__module__", "") or ""
            if module.startswith(("groundrule", "governed_world", "test_")):
                each.cache_clear()
