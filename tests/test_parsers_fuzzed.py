"""Whatever comes from outside is read or refused with a reason: mutated examples, bytes without sense, and the same over HTTP.

A small run; `tests/campaign/fuzz_campaign.py` is the long one.
"""

# ruff: noqa: E501 - examples stand side by side

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzed_parsers import TOKENS, VALUES, Target, mutated, survives, targets

sys.path.append(str(Path(__file__).parent / "unit" / "api"))

from homes import Served, make_served_home, served

TARGETS = targets()
WORST_S = 1.0
"""For an input of up to 1 MB; those here are far smaller."""


@pytest.mark.parametrize("name", TARGETS)
def test_examples_are_good(name: str) -> None:
    target = TARGETS[name]
    for example in target.examples:
        if target.refused:
            assert survives(target, example) is None
        else:
            target.read(example)


@pytest.mark.parametrize("name", TARGETS)
def test_mutants_are_read_or_refused_in_time(name: str) -> None:
    target, rng = TARGETS[name], random.Random(f"seed of {name}")
    for number in range(60 if target.costly else 400):
        data = mutated(rng, target.examples)
        began = time.thread_time()
        assert survives(target, data) is None, (number, data)
        assert time.thread_time() - began < WORST_S, (number, data[:200])


@settings(max_examples=150)
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(TOKENS)), max_size=8).map(b"".join))
def test_bytes_without_sense_are_read_or_refused(data: bytes) -> None:
    assert not [found for target in TARGETS.values() if not target.costly and (found := survives(target, data)) is not None]


@settings(max_examples=60)
@given(
    st.recursive(
        st.sampled_from([each for each in VALUES if not isinstance(each, float)]) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
            ["type", "features", "geometry", "coordinates", "payload", "signatures", "rows", "columns", "id", "body", "kind"]), inner, max_size=4),
        max_leaves=12,
    )
)  # fmt: skip
def test_values_without_sense_are_read_or_refused(value: Any) -> None:
    data = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    names = ("GeoJSON", "ED-269", "MDS", "envelope (DSSE)", "charter", "request", "contact", "batch as JSON", "entry", "canonical JSON")
    assert not [found for name in names if (found := survives(TARGETS[name], data)) is not None]


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("piece", [b"[", b"\n", b"A", b"\0", b"- ", b"a: &a [*a]\n", b"tile/", "\u2014 a\n".encode()])
def test_a_megabyte_of_the_same_is_refused_in_time(name: str, piece: bytes) -> None:
    target = TARGETS[name]
    data = (target.examples[0] + piece * (1 << 20))[: 1 << 20]
    began = time.thread_time()
    assert survives(target, data) is None
    assert time.thread_time() - began < 10 * WORST_S, "with room for a busy machine; the campaign holds the bound itself"


# --- the same over HTTP -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(make_served_home(tmp_path_factory.mktemp("fuzzed") / "home")) as made:
        yield made


@pytest.mark.parametrize("name", ["batch as Arrow", "batch as JSON"])
def test_mutated_batches_find_no_fault_of_the_service(service: Served, name: str) -> None:
    kind = "application/vnd.apache.arrow.stream" if name.endswith("Arrow") else "application/json"
    headers, rng = service.key("ingest") | {"Content-Type": kind}, random.Random(7)
    for number in range(120):
        data = mutated(rng, TARGETS[name].examples)
        answer = service.client.post("/v1/observations", content=data, headers=headers)
        assert answer.status_code < 500, (number, data, answer.text)


@pytest.mark.parametrize(
    "body",
    [b'{"token": "\xe6"}', b"[" * 100_000, b'{"token":' * 50_000, b"\xff\xfe{", b"", b"nul", b'{"token": "\\ud800"}', b'{"token": 1e999}', b"{}" * 9],
    ids=["not UTF-8", "deep list", "deep object", "UTF-16", "empty", "cut", "lone surrogate", "endless number", "two values"],
)
def test_a_body_that_is_no_json_is_an_error_of_the_sender(service: Served, body: bytes) -> None:
    headers = service.key("officer", "administrator", "ingest") | {"Content-Type": "application/json"}
    paths = ("/v1/sessions", "/v1/screenings", "/v1/observations", "/v1/rulebooks/check", "/v1/requests", "/v1/proposals", "/v1/contacts",
             "/location-verification/v3/verify")  # fmt: skip
    for path in paths:
        answer = service.client.post(path, content=body, headers=headers)
        assert 400 <= answer.status_code < 500, (path, answer.status_code, answer.text)


@pytest.mark.parametrize("name", ["cursor", "path"])
def test_mutated_addresses_find_no_fault_of_the_service(service: Served, name: str) -> None:
    from urllib.parse import quote

    headers, rng = service.key("officer"), random.Random(11)
    for number in range(80):
        text = quote(mutated(rng, TARGETS[name].examples)[:600])
        path = f"/v1/terminals?cursor={text}" if name == "cursor" else f"/v1/terminals/{text}"
        answer = service.client.get(path, headers=headers)
        assert answer.status_code < 500, (number, text, answer.text)


def test_the_fuzzer_finds_what_is_planted() -> None:
    def fragile(data: bytes) -> None:
        if b"\xff" in data:
            raise KeyError("planted")

    rng = random.Random(1)
    found = [survives(Target("fragile", fragile, (b"abc",)), mutated(rng, (b"abc" * 20,))) for _ in range(400)]
    assert any(each and "KeyError" in each for each in found)
