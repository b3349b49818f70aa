"""Files that are broken or meant to harm: an error that says why, or what is good of them; never a crash, never unbounded."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from pathlib import Path

import pytest

from groundrule.errors import InputError
from groundrule.instant import parse_instant
from groundrule.screen.lists import FoundList, find_lists, read_list
from groundrule.screen.model import ListSnapshot
from groundrule.screen.source import Limits

FIXTURES = Path(__file__).parent / "lists"
DAY = parse_instant("2024-05-28")
SMALL = Limits(
    file_bytes=8 << 20, line_bytes=1 << 16, field_chars=1 << 12, record_bytes=1 << 17, entries=1000, broken=50
)
ROW = '{uid},"GREYMOLE {uid} (INVENTED)",-0- ,"INV",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'
ENTITY = (
    '<sanctionEntity logicalId="{uid}"><subjectType classificationCode="E"/>'
    '<nameAlias wholeName="Greymole {uid} (invented)" strong="true"/></sanctionEntity>'
)
HEAD = '<?xml version="1.0"?>{more}<export generationDate="2024-05-28">'


def sdn(path: Path, data: bytes) -> FoundList:
    path.write_bytes(data)
    return FoundList("ofac-csv", {"sdn": path}, "us-ofac-sdn")


def eu(path: Path, data: str | bytes) -> FoundList:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return FoundList("eu-xml", {"": path}, "eu-fsf")


def reasons(snapshot: ListSnapshot) -> set[str]:
    return {row.reason for row in snapshot.broken}


# --- XML ----------------------------------------------------------------------------------------------------------------

LAUGHS = (
    '<!DOCTYPE export [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
    + "]>"
)
ATTACKS = {
    "billion laughs": (LAUGHS, "&j;"),
    "file by entity": ('<!DOCTYPE export [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "&x;"),
    "net by entity": ('<!DOCTYPE export [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]>', "&x;"),
    "external document type": ('<!DOCTYPE export SYSTEM "http://127.0.0.1:9/x.dtd">', ""),
    "parameter entity": ('<!DOCTYPE export [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>', ""),
    "empty document type": ("<!DOCTYPE export>", ""),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_document_type_is_refused_before_anything_of_it_is_used(name: str, tmp_path: Path) -> None:
    more, text = ATTACKS[name]
    data = HEAD.format(more=more) + f"<sanctionEntity logicalId='1'><remark>{text}</remark></sanctionEntity></export>"
    with pytest.raises(InputError, match="has a document type declaration"):
        read_list(eu(tmp_path / "eu.xml", data))


def test_an_entity_that_nobody_declared_ends_the_reading(tmp_path: Path) -> None:
    data = HEAD.format(more="") + ENTITY.format(uid=1) + "<sanctionEntity logicalId='2'>&x;</sanctionEntity></export>"
    snapshot = read_list(eu(tmp_path / "eu.xml", data))
    assert [entry.uid for entry in snapshot.entries] == ["1"]
    assert not snapshot.complete


@pytest.mark.parametrize("inside", ["", "<sanctionEntity logicalId='1'>"])
def test_a_million_elements_deep_is_refused(inside: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nested more than 64 deep"):
        read_list(eu(tmp_path / "eu.xml", HEAD.format(more="") + inside + "<a>" * 1_000_000))


def test_a_tag_without_end_is_not_held(tmp_path: Path) -> None:
    found = eu(tmp_path / "eu.xml", HEAD.format(more="") + '<sanctionEntity logicalId="' + "9" * (6 << 20))
    tracemalloc.start()
    with pytest.raises(InputError, match="a tag or text of more than 131072 bytes"):
        read_list(found, limits=SMALL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


@pytest.mark.parametrize("piece", ["<remark>x</remark>", "y" * 1000 + "\n"])
def test_a_record_without_end_costs_that_record(piece: str, tmp_path: Path) -> None:
    huge = "<sanctionEntity logicalId='2'>" + piece * ((4 << 20) // len(piece)) + "</sanctionEntity>"
    data = HEAD.format(more="") + ENTITY.format(uid=1) + huge + ENTITY.format(uid=3) + "</export>"
    snapshot = read_list(eu(tmp_path / "eu.xml", data), limits=SMALL)
    assert [entry.uid for entry in snapshot.entries] == ["1", "3"]
    assert reasons(snapshot) == {"record_too_large"}
    assert snapshot.complete


@pytest.mark.parametrize("spoil", ["</wrong>", "\x00", "\x07", "&", "<", "<?xml version='1.0'?>"])
def test_text_that_is_no_longer_xml_keeps_what_stood_before(spoil: str, tmp_path: Path) -> None:
    data = HEAD.format(more="") + "\n" + ENTITY.format(uid=1) + "\n" + spoil + ENTITY.format(uid=2) + "</export>"
    snapshot = read_list(eu(tmp_path / "eu.xml", data))
    assert "1" in snapshot.by_uid
    assert not snapshot.complete
    assert [(row.line, row.reason) for row in snapshot.broken] == [(3, "file_breaks_off")]


@pytest.mark.parametrize("encoding", ["utf-7", "no-such", "utf-16", "ebcdic-cp-us"])
def test_odd_encodings_are_an_error_and_not_a_crash(encoding: str, tmp_path: Path) -> None:
    data = f'<?xml version="1.0" encoding="{encoding}"?><export>{ENTITY.format(uid=1)}</export>'
    with pytest.raises(InputError):
        read_list(eu(tmp_path / "eu.xml", data))


def test_bytes_that_are_no_utf_8_break_the_document_off(tmp_path: Path) -> None:
    data = (HEAD.format(more="") + ENTITY.format(uid=1)).encode() + b"<x>\xff\xfe</x></export>"
    assert not read_list(eu(tmp_path / "eu.xml", data)).complete


# --- text ---------------------------------------------------------------------------------------------------------------


def test_null_bytes_and_control_characters_cost_their_row(tmp_path: Path) -> None:
    rows = [ROW.format(uid=uid).encode() for uid in (1, 2, 3, 4)]
    rows[1] = rows[1].replace(b"GREYMOLE", b"GREY\x00MOLE")
    rows[2] = rows[2].replace(b"GREYMOLE", b"GREY\x1b[31mMOLE")
    snapshot = read_list(sdn(tmp_path / "sdn.csv", b"".join(rows) + b"\x1a"), published_ns=DAY)
    assert [entry.uid for entry in snapshot.entries] == ["1", "4"]
    assert [(row.line, row.reason) for row in snapshot.broken] == [(2, "not_text"), (3, "not_text")]
    assert all(row.value.isprintable() for row in snapshot.broken), "nothing of it reaches a terminal"


def test_a_line_or_field_without_end_costs_that_row(tmp_path: Path) -> None:
    rows = [
        ROW.format(uid=1),
        ROW.format(uid=2).replace("GREY", "G" * (4 << 20)),
        ROW.format(uid=3).replace("GREY", "G" * 5000),
    ]
    data = "".join([*rows, ROW.format(uid=4)]).encode()
    tracemalloc.start()
    snapshot = read_list(sdn(tmp_path / "sdn.csv", data), published_ns=DAY, limits=SMALL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [entry.uid for entry in snapshot.entries] == ["1", "4"]
    assert [(row.line, row.reason) for row in snapshot.broken] == [(2, "line_too_long"), (3, "bad_quotes")]
    assert peak < 2 << 20
    assert snapshot.files[0].rows == 4


def test_utf_16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is UTF-16 text"):
        read_list(sdn(tmp_path / "sdn.csv", ROW.format(uid=1).encode("utf-16")), published_ns=DAY)


def test_so_many_broken_rows_are_counted_and_some_are_kept(tmp_path: Path) -> None:
    data = (ROW.format(uid=1) + "broken\r\n" * 5000).encode()
    snapshot = read_list(sdn(tmp_path / "sdn.csv", data), published_ns=DAY, limits=SMALL)
    assert (len(snapshot.broken), snapshot.broken_total) == (50, 5000)


def test_a_list_without_end_is_refused(tmp_path: Path) -> None:
    data = "".join(ROW.format(uid=uid) for uid in range(1, 1200)).encode()
    with pytest.raises(InputError, match="more than 1000 entries"):
        read_list(sdn(tmp_path / "sdn.csv", data), published_ns=DAY, limits=SMALL)


def test_quotes_in_every_line_take_no_more_time_than_lines(tmp_path: Path) -> None:
    lines = (FIXTURES / "uk.csv").read_bytes() + b'28/05/2024,INV0009,"never closed\r\n' * 3000
    path = tmp_path / "uk.csv"
    path.write_bytes(lines)
    snapshot = read_list(FoundList("uk-csv", {"": path}, "uk-sanctions"))
    assert len(snapshot.entries) == 2
    assert snapshot.broken_total == 3001


# --- JSON ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_a_million_deep_costs_that_record(opening: str, tmp_path: Path) -> None:
    deep = opening * 1_000_000
    good = '{"id": "inv-1", "schema": "Company", "properties": {"name": ["Greymole (invented)"]}}\n'
    path = tmp_path / "ftm.jsonl"
    path.write_text(
        good + '{"id": "x", "schema": "Person", "properties": {}, "more": ' + deep + "\n" + good.replace("1", "2")
    )
    snapshot = read_list(FoundList("ftm-jsonl", {"": path}, "ftm-invented"), published_ns=DAY)
    assert [entry.uid for entry in snapshot.entries] == ["inv-1", "inv-2"]
    assert [(row.line, row.reason) for row in snapshot.broken] == [
        (2, "not_ftm" if len(deep) < 4 << 20 else "line_too_long")
    ]
    path.write_text('[{"id":1,"full_name":"Greymole (invented)"},' + deep)
    names = read_list(FoundList("names-json", {"": path}, "names-invented"), published_ns=DAY)
    assert [entry.name for entry in names.entries] == ["Greymole (invented)"]
    assert not names.complete


def test_lone_surrogates_and_nulls_in_json_never_reach_a_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text(
        '[{"id":"a\\u0000b","full_name":"x"},{"id":2,"full_name":"\\ud800 (invented)"},'
        '{"id":3,"full_name":"Greymole (invented)","aliases":["\\udfff","G\\u0007"]}]'
    )
    snapshot = read_list(FoundList("names-json", {"": path}, "names-invented"), published_ns=DAY)
    assert [entry.uid for entry in snapshot.entries] == ["3"]
    assert snapshot.broken_total == 4
    assert snapshot.digest.startswith("sha256:")
    line = (
        '{"id": "inv-1", "schema": "Company", "properties": {"name": ["Greymole (invented)"], "alias": ["\\u0000x"]}}\n'
    )
    path.write_text(line)
    assert reasons(read_list(FoundList("ftm-jsonl", {"": path}, "ftm-x"), published_ns=DAY)) == {"bad_value"}


def test_bytes_that_are_no_utf_8_in_json_are_not_taken_for_a_name(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_bytes(b'[{"id":1,"full_name":"Gr\xe9ymole (invented)"},{"id":2,"full_name":"Greymole (invented)"}]')
    snapshot = read_list(FoundList("names-json", {"": path}, "names-x"), published_ns=DAY)
    assert [entry.uid for entry in snapshot.entries] == ["2"]
    assert [(row.line, row.field) for row in snapshot.broken] == [(1, "full_name")]


def test_long_records_are_read_and_endless_broken_ones_end_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    good = '{"id":%d,"full_name":"Greymole (invented)","aliases":["' + "G" * 50_000 + '"]}'
    path.write_text("[" + ",".join([good % 1, '{"id":2,,}', good % 3]) + "]")
    snapshot = read_list(FoundList("names-json", {"": path}, "names-x"), published_ns=DAY)
    assert [entry.uid for entry in snapshot.entries] == ["1", "3"]
    assert [(row.line, row.reason) for row in snapshot.broken] == [(2, "not_json")]
    path.write_text("[" + good % 1 + ',{"a' * 5000 + "," + good % 3 + "]")
    torn = read_list(FoundList("names-json", {"": path}, "names-x"), published_ns=DAY, limits=SMALL)
    assert [entry.uid for entry in torn.entries] == ["1"]
    assert not torn.complete
    assert torn.broken_total == SMALL.broken + 1


# --- gzip ---------------------------------------------------------------------------------------------------------------


def test_a_truncated_gzip_file_gives_what_precedes_the_break_and_says_so(tmp_path: Path) -> None:
    rng = random.Random(1)
    data = "".join(ROW.format(uid=uid).replace("INV", f"INV{rng.random()}") for uid in range(1, 900)).encode()
    packed = gzip.compress(data)
    snapshot = read_list(sdn(tmp_path / "sdn.csv.gz", packed[: len(packed) // 2]), published_ns=DAY)
    assert 100 < len(snapshot.entries) < 800
    assert not snapshot.complete
    assert "file_breaks_off" in reasons(snapshot)
    assert reasons(snapshot) == {"file_breaks_off"}, "the half line at the break is not taken for a row"


@pytest.mark.parametrize("name", ["eu.xml", "uk.xml", "uk.csv", "ofac_sdn.xml", "ofac_sdn_advanced.xml", "ftm.jsonl"])
def test_a_truncated_file_of_any_format_is_never_complete(name: str, tmp_path: Path) -> None:
    packed = gzip.compress((FIXTURES / name).read_bytes())
    for size in (len(packed) - 4, len(packed) * 3 // 4, len(packed) // 2):
        path = tmp_path / f"{name}.gz"
        path.write_bytes(packed[:size])
        found, passed = find_lists([path])
        if not found:
            assert passed
            continue
        try:
            snapshot = read_list(found[0], published_ns=DAY if name == "ftm.jsonl" else None)
        except InputError:
            continue
        assert not snapshot.complete


def test_a_small_file_that_unpacks_to_very_much_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "sdn.csv.gz"
    path.write_bytes(gzip.compress(ROW.format(uid=1).encode() + b"0" * (64 << 20)))
    tracemalloc.start()
    with pytest.raises(InputError, match="has more than 8388608 bytes"):
        read_list(FoundList("ofac-csv", {"sdn": path}, "us-ofac-sdn"), published_ns=DAY, limits=SMALL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


def test_a_file_that_is_only_called_gz_is_read_as_it_is(tmp_path: Path) -> None:
    assert len(read_list(sdn(tmp_path / "sdn.csv.gz", ROW.format(uid=1).encode()), published_ns=DAY).entries) == 1


# --- everything ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.iterdir()))
def test_random_damage_is_an_input_error_or_a_snapshot(name: str, tmp_path: Path) -> None:
    """Bytes flipped, cut out, doubled and moved: the only exception is InputError, and a snapshot always has a digest."""
    rng = random.Random(name)
    whole = (FIXTURES / name).read_bytes()
    (form,), _ = find_lists([FIXTURES / name])
    path = tmp_path / name
    read = 0
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            at, size = rng.randrange(len(data)), rng.randint(1, 40)
            match rng.randrange(4):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    del data[at : at + size]
                case 2:
                    data[at:at] = data[at : at + size] * rng.randint(1, 5)
                case _:
                    data[at : at + size] = bytes(rng.choice(b"<>&\"'{}[],;\x00\xff\n\r0129-") for _ in range(size))
            data = data or bytearray(b" ")
        path.write_bytes(data)
        try:
            snapshot = read_list(
                FoundList(form.format, {"": path}, form.source), published_ns=DAY if name == "ftm.jsonl" else None
            )
        except InputError:
            continue
        read += 1
        assert snapshot.digest
        assert snapshot.broken_total >= len(snapshot.broken)
    assert read, "some damage must leave something to read"
