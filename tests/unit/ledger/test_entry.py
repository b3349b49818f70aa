"""Entries: exact bytes, what is refused, and the numbering of streams."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, InputError
from groundrule.ledger.entry import CRITICAL, KINDS, MAX_BYTES, Entry, Streams, check_body, format_time

T = "2026-02-01T00:01:00.123Z"
HEX, HASH = "0" * 64, "A" * 43 + "="
BATCH: dict[str, Any] = {
    "minute": "2026-02-01T00:00:00.000Z",
    "policy_digest": HEX,
    "inner_root": HASH,
    "bucket_size": 256,
    "evaluator_digest": HEX,
}
BODIES: dict[str, dict[str, Any]] = {
    "heartbeat": {"minute": "2026-02-01T00:00:00.000Z"},
    "decision-batch": BATCH,
    "manifest": {"run": 7, "commitment": HASH},
    "enactment": {"policy_digest_after": HEX},
    "snapshot-published": {"policy_digest": HEX},
    "key-event": {"vkey": "a+b+c", "event": "rotated", "from": T, "to": None},
    "sealed": {"commitment": HASH, "disclose_by": T},
    "unsealed": {"commitment": HASH},
    "erasure": {"batch_index": 4, "leaf_index": 0, "leaf": HASH, "basis": "request of the subject"},
    "correction": {"of_index": 3, "reason": "wrong minute", "body": {}},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=20,
)


def entry(**fields: Any) -> Entry:
    return Entry(**{"kind": "decision-batch", "stream": "decisions.main", "seq": 17, "t": T, "body": BATCH, **fields})


def test_the_bytes_of_an_entry_never_change() -> None:
    assert entry(kind="heartbeat", body=BODIES["heartbeat"]).encode() == (
        b'{"body":{"minute":"2026-02-01T00:00:00.000Z"},"kind":"heartbeat","seq":17,"stream":"decisions.main",'
        b'"t":"2026-02-01T00:01:00.123Z","v":1}'
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_comes_back(kind: str) -> None:
    written = entry(kind=kind, body=BODIES.get(kind, {"anything": [1, None, "ü"]}))
    assert Entry.decode(written.encode()) == written


@given(json_values)
def test_an_entry_is_the_canonical_json_of_its_fields(value: Any) -> None:
    written = entry(kind="review", body={"value": value})
    fields = {"v": 1, "kind": "review", "stream": "decisions.main", "seq": 17, "t": T, "body": {"value": value}}
    assert written.encode() == canonical_json(fields)
    assert Entry.decode(written.encode()) == written


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode) | json_values.map(canonical_json))
def test_nothing_else_is_an_entry(data: bytes) -> None:
    with pytest.raises(InputError):
        Entry.decode(data)


def test_every_changed_byte_is_refused_or_changes_what_is_read() -> None:
    data = entry().encode()
    for index in range(len(data)):
        for changed in (data[:index] + data[index + 1 :], data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]):
            try:
                assert Entry.decode(changed).encode() == changed != data
            except InputError:
                continue


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"v": 2}, "entry version `2`"),
        ({"v": True}, "entry version `True`"),
        ({"kind": "gossip"}, "unknown kind of entry `gossip`"),
        ({"kind": ["heartbeat"]}, "unknown kind"),
        ({"stream": "Governance"}, "`Governance` names no stream"),
        ({"stream": ""}, "names no stream"),
        ({"stream": "a" * 65}, "names no stream"),
        ({"stream": "governance\n"}, "names no stream"),
        ({"seq": -1}, "`-1` is no sequence number"),
        ({"seq": True}, "`True` is no sequence number"),
        ({"seq": "0"}, "`0` is no sequence number"),
        ({"t": "2026-02-01T00:01:00Z"}, "is no time of an entry"),
        ({"t": "2026-02-30T00:01:00.000Z"}, "is no time of an entry"),
        ({"t": "٢٠٢٦-02-01T00:01:00.000Z"}, "is no time of an entry"),
        ({"t": [T]}, "is no time of an entry"),
        ({"body": []}, "is no object"),
        ({"more": 1}, "exactly the fields"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], message: str) -> None:
    fields = json.loads(entry().encode()) | change
    with pytest.raises(InputError, match=re.escape(message)):
        Entry.decode(canonical_json(fields))


def test_a_missing_field_is_refused() -> None:
    for field in ("v", "kind", "stream", "seq", "t", "body"):
        fields = json.loads(entry().encode())
        del fields[field]
        with pytest.raises(InputError, match="exactly the fields"):
            Entry.decode(canonical_json(fields))
    with pytest.raises(InputError, match="exactly the fields"):
        Entry.decode(b"[]")


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_required_keys_of_a_body(kind: str) -> None:
    check_body(kind, BODIES[kind] | {"further": "keys are allowed"})
    for key in BODIES[kind]:
        with pytest.raises(InputError, match=f"lacks `{key}`"):
            check_body(kind, {name: value for name, value in BODIES[kind].items() if name != key})
        for wrong in (True, -1, "", 1.5, [], {"a": 1} if key != "body" else "x", "z" * 64, "B" * 43 + "="):
            if key in ("commitment", "vkey", "reason", "basis", "run") and isinstance(wrong, str) and wrong:
                continue
            with pytest.raises(InputError, match=f"`{key}` of a `{kind}` entry"):
                check_body(kind, BODIES[kind] | {key: wrong})


@pytest.mark.parametrize("size", [0, 1, 255, 257, 300, -256, 2.0, "256"])
def test_bucket_sizes_are_powers_of_two(size: object) -> None:
    with pytest.raises(InputError, match="power of two"):
        check_body("decision-batch", BATCH | {"bucket_size": size})


def test_the_longest_entry() -> None:
    frame = len(entry(kind="review", body={"text": ""}).encode())
    longest = entry(kind="review", body={"text": "x" * (MAX_BYTES - frame)})
    assert len(longest.encode()) == MAX_BYTES
    assert Entry.decode(longest.encode()) == longest
    with pytest.raises(InputError, match="60,001 bytes"):
        entry(kind="review", body={"text": "x" * (MAX_BYTES - frame + 1)}).encode()


def test_what_can_be_written_can_be_read_however_deep() -> None:
    for depth in (62, 63, 64, 65, 70):
        body: Any = "x"
        for _ in range(depth):
            body = [body]
        deep = entry(kind="review", body={"deep": body})
        try:
            data = deep.encode()
        except InputError:
            assert depth > 62
            continue
        assert Entry.decode(data) == deep


def test_floats_never_enter_an_entry() -> None:
    with pytest.raises(InputError, match="float"):
        entry(kind="review", body={"x": 1.5}).encode()


def test_times() -> None:
    assert format_time(0) == "1970-01-01T00:00:00.000Z"
    assert format_time(1_500_999_999) == "1970-01-01T00:00:01.500Z"
    assert format_time(-1) == "1969-12-31T23:59:59.999Z"
    assert format_time(1_790_000_000_007_000_000) == "2026-09-21T14:13:20.007Z"
    with pytest.raises(InputError, match="no time"):
        format_time(10**22)


def test_critical_kinds_are_kinds() -> None:
    assert CRITICAL < KINDS


class TestStreams:
    def test_numbers_rise_by_one_in_each_stream(self) -> None:
        streams = Streams()
        for stream, seq in (("a", 0), ("b", 0), ("a", 1), ("a", 2), ("b", 1)):
            assert streams.next(stream) == seq
            streams.check(entry(stream=stream, seq=seq))
            streams.advance(entry(stream=stream, seq=seq))
        assert streams.positions == {"a": (3, T), "b": (2, T)}

    @pytest.mark.parametrize("seq", [0, 1, 3])
    def test_gaps_and_repeats(self, seq: int) -> None:
        streams = Streams({"a": (2, T)})
        with pytest.raises(ConflictError, match=f"stream `a` has seq {seq} where 2 must follow"):
            streams.check(entry(stream="a", seq=seq))

    def test_time_does_not_go_back(self) -> None:
        streams = Streams({"a": (2, T)})
        streams.check(entry(stream="a", seq=2, t=T))
        with pytest.raises(ConflictError, match="goes back in time"):
            streams.check(entry(stream="a", seq=2, t="2026-02-01T00:01:00.122Z"))

    def test_a_copy_is_a_copy(self) -> None:
        streams = Streams()
        streams.copy().advance(entry(stream="a", seq=0))
        assert streams.next("a") == 0
