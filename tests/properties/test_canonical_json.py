"""Canonical JSON: the bytes of RFC 8785, and a reader that takes those and nothing else."""

from __future__ import annotations

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from groundrule.canon import (
    MAX_DEPTH,
    canonical_json,
    canonical_signed,
    format_base64,
    parse_base64,
    parse_canonical,
    parse_decimal,
)
from groundrule.errors import InputError

LARGEST = 2**53 - 1
TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
KEYS = TEXT | st.sampled_from(
    ["a", "B", "\u20ac", "\r", "1", "\u05d1", "\U0001f600", "\x80", "\ufb33", "\uffff", "\U00010000"]
)
SCALARS = st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def refused(data: bytes) -> bool:
    try:
        parse_canonical(data)
    except InputError:
        return True
    return False


@given(VALUES)
def test_the_bytes_are_those_of_rfc_8785(value: object) -> None:
    data = canonical_json(value)
    assert data == rfc8785.dumps(value)
    assert parse_canonical(data) == value
    assert canonical_signed(value) == data


@given(VALUES, st.data())
def test_no_mutation_is_accepted_as_the_same_value(value: object, data: st.DataObject) -> None:
    original = canonical_json(value)
    place = data.draw(st.integers(0, len(original)))
    piece = data.draw(
        st.sampled_from([b"", b" ", b"\n", b"0", b"-", b",", b'"', b"\\u0061", b"\xff", b"\xef\xbb\xbf", b"e0", b".0"])
    )
    for changed in (original[:place] + piece + original[place:], original[:place] + piece + original[place + 1 :]):
        if changed != original:
            try:
                read = parse_canonical(changed)
            except InputError:
                continue
            assert canonical_json(read) == changed
            assert read != value or canonical_json(value) != changed


@given(st.binary(max_size=30))
def test_whatever_is_read_is_written_back_the_same(data: bytes) -> None:
    try:
        value = parse_canonical(data)
    except InputError:
        return
    assert canonical_json(value) == data


@given(VALUES)
def test_other_layouts_of_the_same_value_are_refused(value: object) -> None:
    original = canonical_json(value)
    for text in (
        json.dumps(value),
        json.dumps(value, indent=1),
        json.dumps(value, ensure_ascii=True, separators=(",", ":")),
        json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    ):
        data = text.encode()
        assert data == original or refused(data)


def test_keys_are_ordered_by_utf_16_units() -> None:
    # The example of RFC 8785 section 3.2.3; U+1F600 is two units that begin with D83D, before FB33.
    names = {"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew", "1": "One", "\U0001f600": "Emoji",
             "\x80": "Control", "\u00f6": "Latin"}  # fmt: skip
    data = canonical_json(names)
    assert list(json.loads(data)) == ["\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert parse_canonical(data) == names
    by_code_point = json.dumps(names, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    assert by_code_point != data
    assert refused(by_code_point)
    assert (
        canonical_json([{"\ufb33": {"\uffff": 1, "\U00010000": 2}}])
        == '[{"\ufb33":{"\U00010000":2,"\uffff":1}}]'.encode()
    )


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ('\x00\x1f\x7f/\\"\b\f\n\r\t\u2028', '"\\u0000\\u001f\x7f/\\\\\\"\\b\\f\\n\\r\\t\u2028"'),
        (LARGEST, "9007199254740991"),
        (-LARGEST, "-9007199254740991"),
        ({}, "{}"),
        ([], "[]"),
        ((1, True, None), "[1,true,null]"),
        ("", '""'),
    ],
)
def test_exact_bytes(value: object, data: str) -> None:
    assert canonical_json(value) == data.encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 ",
        " 1",
        "1\n",
        "-0",
        "+1",
        "01",
        "1.0",
        "1.5",
        "0.0",
        "1e3",
        "1E3",
        "1e-3",
        "-1e400",
        "NaN",
        "Infinity",
        "-Infinity",
        "[NaN]",
        "9007199254740992",
        "-9007199254740992",
        "[9007199254740993]",
        '{"a":18446744073709551616}',
        "1" * 5000,
        '{"a":1,"a":1}',
        '{"a":1,"a":2}',
        '{"b":1,"a":2}',
        '{"a":1,}',
        "[1,]",
        "{a:1}",
        "{'a':1}",
        '{"a" :1}',
        '{"a": 1}',
        "[1, 2]",
        "[1]x",
        "[1][2]",
        "1 2",
        "// x\n1",
        '"\\u0061"',
        '"\\/"',
        '"\\u00e9"',
        '"\\u001F"',
        '"\\u0009"',
        '"\t"',
        '"\n"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\ud83d\\ude00"',
        '{"\\ud800":1}',
        "\ufeff1",
        '"a',
        "tru",
        "True",
        "nul",
        "[",
        "]",
    ],
)
def test_text_that_is_not_canonical(text: str) -> None:
    assert refused(text.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\x80"',
        b"\xff\xfe1\x00",
        b"1\x00",
        b"\x001",
        '"ä"'.encode("latin-1"),
    ],
)
def test_bytes_that_are_not_utf_8_json(data: bytes) -> None:
    assert refused(data)


def test_depth() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert parse_canonical(deepest) is not None
    assert refused(b"[" + deepest + b"]")
    assert refused(b'{"a":' * 65 + b"1" + b"}" * 65)
    for number in (1_000, 100_000):
        assert refused(b"[" * number + b"]" * number)
        assert refused(b"[" * number)
    wide = b"[" + b",".join([b"[]"] * 500) + b"]"
    assert len(parse_canonical(wide)) == 500
    value: list = []
    for _ in range(MAX_DEPTH):
        value = [value]
    with pytest.raises(InputError, match="deep"):
        canonical_signed(value)
    assert len(canonical_signed(value[0])) == 2 * MAX_DEPTH
    assert canonical_signed([[1]] * 100) == canonical_json([[1]] * 100)


def test_values_that_cannot_be_written() -> None:
    circle: list = []
    circle.append(circle)
    for value in (
        1.0,
        float("nan"),
        {"a": [0.5]},
        LARGEST + 1,
        [-LARGEST - 1],
        {1: 2},
        {None: 1},
        {True: 1},
        {1.5: 1},
        "\ud800",
        {"\udfff": 1},
        {"\U0001f600": "\ud83d"},
        b"bytes",
        {1, 2},
        object(),
        circle,
    ):
        with pytest.raises(InputError):
            canonical_json(value)


def test_errors_name_the_place() -> None:
    with pytest.raises(InputError, match=r"\$\.a\[1\]\.b"):
        canonical_json({"a": [0, {"b": 0.5}]})


# The other canonical texts.


@given(st.binary(max_size=40))
def test_base64_round_trips(data: bytes) -> None:
    assert parse_base64(format_base64(data)) == data


@given(st.text(st.sampled_from("AQgw+/-_= \n=é"), max_size=9))
def test_base64_is_read_only_as_it_is_written(text: str) -> None:
    try:
        data = parse_base64(text)
    except InputError:
        return
    assert format_base64(data) == text


@given(st.text(st.sampled_from("0123456789+-_ e.x٣²\n"), max_size=21))
def test_decimals_are_read_only_as_they_are_written(text: str) -> None:
    try:
        number = parse_decimal(text, maximum=10**19)
    except InputError:
        return
    assert str(number) == text
    assert number <= 10**19


def test_limits_of_decimals() -> None:
    assert parse_decimal(str(2**63 - 1)) == 2**63 - 1
    assert parse_decimal(str(2**64 - 1), maximum=2**64 - 1) == 2**64 - 1
    for text in (str(2**63), "", "00", "1" * 100_000):
        with pytest.raises(InputError):
            parse_decimal(text)
