"""The operator's telemetry replies: columns in any order, unknown codes kept, other devices set aside."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from made_files import read, reasons

from groundrule.store.telemetry import keep_reply

T = 1_790_000_000_000_000_000


def reply(values: list[list[Any]], **columns: list[str]) -> dict[str, Any]:
    return {"data": {"columnNamesByDeviceType": columns, "values": values}, "metadata": {"enums": {}}}


TERMINAL = ["DeviceType", "UtcTimestampNs", "DeviceId", "H3CellId", "CountryCode", "InTerritorialWaters", "ActiveAlert"]


def written(tmp_path: Path, *replies: Any, name: str = "stream.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in replies))
    return path


def test_each_reply_names_its_own_column_order(tmp_path: Path) -> None:
    first = reply([["u", T, "ut-1", "85283473fffffff", "XZ", False, []]], u=TERMINAL)
    order = list(reversed(TERMINAL[1:]))
    second = reply([["u", [60], True, "UA", 599686042433355775, "ut-2", T + 1]], u=["DeviceType", *order])
    good, bad, _ = read(written(tmp_path, first, second))
    assert bad == []
    assert [
        (row["terminal_id"], row["observed_at"], row["h3_cell"], row["country_reported"], row["alerts"]) for row in good
    ] == [
        ("ut-1", T, 599686042433355775, "XZ", []),
        ("ut-2", T + 1, 599686042433355775, "UA", [60]),
    ]
    assert [row["position_source"] for row in good] == ["cell", "cell"]


def test_device_types_are_read_from_the_reply_and_others_set_aside(tmp_path: Path) -> None:
    one = reply(
        [["x", T, "ut-1"], ["u", T, "r-1"], ["i", T, "ut-1", "acc"]],
        x=["DeviceType", "UtcTimestampNs", "DeviceId"],
        u=["DeviceType", "UtcTimestampNs", "DeviceId"],
        i=["DeviceType", "UtcTimestampNs", "DeviceId", "AccountNumber"],
    )
    one["metadata"]["enums"]["DeviceType"] = {"x": "UserTerminal", "u": "Router", "i": "IpAllocs"}
    good, bad, reader = read(written(tmp_path, one))
    assert [row["terminal_id"] for row in good] == ["ut-1"]
    assert reader.counts.by_reason == {}
    assert reader.counts.set_aside == {"device_Router": 1, "device_IpAllocs": 1}
    assert json.loads(bad[1]["content"]) == ["i", T, "ut-1", "acc"]


def test_unknown_columns_and_codes_are_kept_or_named(tmp_path: Path) -> None:
    one = reply(
        [["u", T, "ut-1", "warm", [60, 7777]]], u=["DeviceType", "UtcTimestampNs", "DeviceId", "Mood", "ActiveAlert"]
    )
    one["metadata"]["enums"]["AlertsByDeviceType"] = {"u": {"60": "renamed_alert"}}
    good, _, reader = read(written(tmp_path, one))
    assert good[0]["alerts"] == [60, 7777]
    notes = "\n".join(reader.notes)
    assert "`Mood`" in notes
    assert "alert 7777 has no name" in notes
    assert "alert 60 is named `renamed_alert` here and `disabled_moving_too_fast`" in notes


def test_broken_rows_and_broken_replies_cost_themselves_only(tmp_path: Path) -> None:
    one = reply(
        [
            ["u", T, "ut-1"],
            ["u", T],
            [],
            "row",
            ["z", T, "ut-9"],
            ["u", None, "ut-2"],
            ["u", T, None],
            ["u", "later", "ut-3"],
            ["u", T, "ut-4"],
        ],
        u=["DeviceType", "UtcTimestampNs", "DeviceId"],
    )
    good, bad, reader = read(
        written(tmp_path, one, "{cut", {"data": {"values": 3, "columnNamesByDeviceType": {}}}, one)
    )
    assert [row["terminal_id"] for row in good] == ["ut-1", "ut-4"] * 2
    assert [row["source_row"] for row in good] == [1, 9, 10, 18]
    once = {
        "wrong_number_of_fields": 1,
        "not_a_row": 2,
        "columns_not_named": 1,
        "time_missing": 1,
        "terminal_id_missing": 1,
        "time_unreadable": 1,
    }
    assert reader.counts.by_reason == {
        **{reason: 2 * rows for reason, rows in once.items()},
        "not_json": 1,
        "not_a_telemetry_reply": 1,
    }
    assert (2, "wrong_number_of_fields") in reasons(bad)


@pytest.mark.shared_data
def test_the_constructed_example_reply_parses(shared_data: Path, tmp_path: Path) -> None:
    fields = json.loads((shared_data / "telemetry" / "starlink_telemetry_fields.json").read_text())
    path = tmp_path / "reply.json"
    path.write_text(json.dumps(fields["example_stream_response_constructed"], indent=1))
    good, bad, _ = read(path)
    assert bad == []
    assert [(row["h3_cell"], row["country_reported"], row["alerts"]) for row in good] == [
        (0x85283473FFFFFFF, "UA", []),
        (0x85283473FFFFFFF, "UA", [60]),
    ]


def test_a_raw_reply_is_kept_before_it_is_read_and_once(tmp_path: Path) -> None:
    first = keep_reply(tmp_path, b'{"data": {}}', received_at_ns=T)
    assert keep_reply(tmp_path, b'{"data": {}}', received_at_ns=T) == first
    assert first.parent.name == "date=2026-09-21"
    assert gzip.decompress(first.read_bytes()) == b'{"data": {}}'
