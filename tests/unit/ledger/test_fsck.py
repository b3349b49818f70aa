"""A full check finds every damage in a log, says where it is, and finds nothing in a whole one."""

from __future__ import annotations

import json
import os
import tarfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import audit_logs as logs
from groundrule.canon import canonical_json
from groundrule.errors import InputError
from groundrule.ledger.audit.fsck import FsckReport, fsck
from groundrule.ledger.audit.source import Source, folder_reader
from groundrule.ledger.checkpoint import Checkpoint, sign_checkpoint
from groundrule.ledger.log import Item, Log
from groundrule.ledger.note import Note, Signature, VerifierKey
from groundrule.ledger.policy import Policy
from groundrule.ledger.tree import leaf_hashes, root_of


def untar(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {m.name.removeprefix("./"): tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]


def vector_logs(shared_data: Path) -> dict[str, Any]:
    return json.loads((shared_data / "tlog/generated/logs.json").read_text())


def test_every_log_of_the_vectors_is_judged_as_labelled(shared_data: Path, tmp_path: Path) -> None:
    vectors = vector_logs(shared_data)
    keys = [VerifierKey.parse(vectors["log_vkey"])]
    policy = Policy.parse(vectors["policy"])
    prev = vectors["prev"].encode()
    archives = shared_data / "tlog/generated"
    good = untar(archives / "logs/good.tar.gz")
    for number, case in enumerate(vectors["cases"]):
        files = untar(archives / case["file"])
        place = logs.write(tmp_path / str(number), files)
        name = case["name"]
        alone = fsck(place, keys, raw=True)
        pinned = fsck(place, keys, raw=True, pinned=[prev])
        under_policy = fsck(place, policy, raw=True)
        compared = fsck(place, keys, raw=True, pinned=[prev], other=[good["checkpoint"]])
        match case["expect"]:
            case "ok":
                assert alone.ok, alone.faults
                assert pinned.ok, pinned.faults
                assert under_policy.ok, under_policy.faults
                assert compared.ok, compared.faults
            case "bad":
                assert not alone.ok, name
            case "bad-with-prev":
                assert alone.ok, alone.faults
                assert [fault.path for fault in pinned.faults] == ["pinned checkpoint 1"], name
            case "bad-with-policy":
                assert alone.ok, alone.faults
                assert [fault.path for fault in under_policy.faults] == ["checkpoint"], name
            case "needs-other-view":
                assert pinned.ok, pinned.faults
                assert compared.split_view == (files["checkpoint"], good["checkpoint"])
                assert [fault.path for fault in compared.faults] == ["other checkpoint 1"]
            case other:
                raise AssertionError(other)


SIZE = 600


@lru_cache(maxsize=1)
def story() -> tuple[bytes, ...]:
    return tuple(logs.ordinary_story(SIZE).entries)


@lru_cache(maxsize=1)
def whole_log() -> dict[str, bytes]:
    return logs.log_files(story())


@pytest.fixture
def whole() -> dict[str, bytes]:
    return dict(whole_log())


def check(files: dict[str, bytes], **how: Any) -> FsckReport:
    """Check a log in memory that can be listed."""
    return fsck(Source(logs.reader(files), frozenset(files)), how.pop("policy", logs.POLICY), **how)


def places(report: FsckReport) -> list[tuple[str, int | None]]:
    return [(fault.path, fault.index) for fault in report.faults]


def test_a_whole_log_has_no_fault(whole: dict[str, bytes]) -> None:
    report = check(whole)
    assert report.ok, report.faults
    assert report.remarks == ()
    assert (report.size, report.entries, report.root) == (SIZE, SIZE, root_of(leaf_hashes(story())))
    assert {name: end.next_seq for name, end in report.streams.items()} == {"decisions.main": 599, "governance": 1}
    assert report.checkpoint is not None
    assert set(report.checkpoint.times) == {"W0", "W1", "W2"}


def test_a_folder_is_read_like_any_other_place(whole: dict[str, bytes], tmp_path: Path) -> None:
    assert fsck(logs.write(tmp_path, whole), logs.POLICY).ok
    with pytest.raises(InputError, match="not a folder"):
        fsck(tmp_path / "elsewhere", logs.POLICY)


@pytest.mark.parametrize("size", [1, 2, 3, 19, 255, 256, 257, 511, 512, 513])
def test_every_size_is_whole(size: int) -> None:
    report = check(logs.log_files(story()[:size], witnesses=(0, 2)))
    assert report.ok, report.faults


def test_an_empty_log_is_whole() -> None:
    report = check({"checkpoint": logs.head([])})
    assert report.ok, report.faults
    assert report.size == 0


@pytest.mark.parametrize(
    ("path", "byte", "index"),
    [
        ("tile/entries/001", 100, 256),
        ("tile/entries/002.p/88", 300, 512),
        ("tile/0/000", 32 * 77 + 5, 77),
        ("tile/0/002.p/88", 32 * 3, 515),
        ("tile/1/000.p/2", 40, 256),
    ],
)
def test_one_changed_byte_is_one_fault_in_the_file_that_was_changed(
    whole: dict[str, bytes], path: str, byte: int, index: int
) -> None:
    whole[path] = logs.flip(whole[path], 8 * byte)
    assert places(check(whole, raw=True)) == [(path, index)]


def test_all_faults_are_reported_not_only_the_first(whole: dict[str, bytes]) -> None:
    whole["checkpoint"] = whole["checkpoint"][:-1]
    whole["tile/0/000"] = logs.flip(whole["tile/0/000"], 0)
    del whole["tile/0/001"]
    whole["tile/1/000.p/2"] = whole["tile/1/000.p/2"][:-1]
    whole["tile/entries/002.p/88"] += b"\x00\x00"
    assert places(check(whole)) == [
        ("checkpoint", None),
        ("tile/entries/000", 0),  # or its tile: the tile above, which would decide, is damaged too
        ("tile/0/001", 256),
        ("tile/entries/002.p/88", 512),
        ("tile/1/000.p/2", None),
    ]


def test_a_missing_tile_of_every_level_is_found() -> None:
    entries = [b"%d" % i for i in range(65_536 + 300)]
    files = logs.log_files(entries)
    assert check(files, raw=True).ok
    for path in ("tile/2/000.p/1", "tile/1/000", "tile/1/001.p/1", "tile/0/017", "tile/entries/200"):
        assert [fault.path for fault in check({k: v for k, v in files.items() if k != path}, raw=True).faults] == [path]
    changed = {**files, "tile/1/000": logs.flip(files["tile/1/000"], 8 * 32 * 9)}
    assert places(check(changed, raw=True)) == [("tile/1/000", 9 * 256)]
    changed = {**files, "tile/entries/009": files["tile/entries/008"]}
    assert len(check(changed, raw=True).faults) == 256
    swapped = {**files, "tile/0/009": files["tile/0/008"], "tile/0/008": files["tile/0/009"]}
    assert {fault.path for fault in check(swapped, raw=True).faults} == {"tile/0/008", "tile/0/009"}


def test_older_partial_files_must_be_the_beginning_of_the_present_ones(whole: dict[str, bytes]) -> None:
    older = logs.tiles(story()[:300])
    files = {**older, **whole}
    assert set(files) - set(whole) == {"tile/entries/001.p/44", "tile/0/001.p/44", "tile/1/000.p/1"}
    assert check(files).ok
    for path in set(files) - set(whole):
        report = check({**files, path: logs.flip(files[path], 8 * 31)})
        assert [fault.path for fault in report.faults] == [path]
        assert not check({**files, path: files[path] + b"\x00"}).ok
        assert not check({**files, path: b""}).ok


def test_a_partial_file_may_be_gone_when_the_full_one_is_there() -> None:
    later = logs.tiles(story()[:512])
    files = {
        "checkpoint": logs.head(story()[:300]),
        **later,
        "tile/1/000.p/1": logs.tiles(story()[:300])["tile/1/000.p/1"],
    }
    report = check(files)
    assert report.ok, report.faults
    assert {remark.path for remark in report.remarks} == {"tile/entries/001", "tile/0/001", "tile/1/000.p/2"}
    del files["tile/0/001"]
    assert places(check(files)) == [("tile/0/001.p/44", 256)]


def test_a_log_that_is_ahead_of_its_checkpoint_is_checked_to_its_end() -> None:
    entries = story()[:520]
    files = {**logs.log_files(story()[:500]), **logs.tiles(entries), ".state/treeState": logs.state_file(entries)}
    report = check(files)
    assert report.ok, report.faults
    assert report.size == 520
    ahead = "tile/0/002.p/8"
    assert places(check({**files, ahead: logs.flip(files[ahead], 1)})) == [(ahead, 512)]
    needed = "tile/0/001.p/244"
    without = {path: data for path, data in files.items() if path not in (needed, "tile/0/001")}
    assert (needed, None) in places(check(without))


def test_what_the_writer_noted_must_agree_with_the_files() -> None:
    small = logs.log_files(story()[:3])
    noted = logs.state_file(story()[:3])
    for name in (".state/treeState", ".state/signed"):
        assert check({**small, name: noted}).ok
        for bit in range(8 * len(noted)):
            assert not check({**small, name: logs.flip(noted, bit)}).ok, bit


def test_the_noted_positions_of_streams_must_be_those_of_the_entries() -> None:
    small = logs.log_files(story()[:3])
    noted = json.loads(logs.state_file(story()[:3]))
    positions = {"decisions.main": [2, logs.at(120)], "governance": [1, logs.at(0)]}
    for streams, fine in [(positions, True), ({**positions, "governance": [2, logs.at(0)]}, False), ({}, False)]:
        cache = canonical_json({**noted, "streams": streams}) + b"\n"
        assert check({**small, ".state/streams": cache}).ok is fine


def test_a_folder_that_was_rolled_back_contradicts_what_was_signed() -> None:
    files = {**logs.log_files(story()[:300]), ".state/treeState": logs.state_file(story()[:300])}
    files[".state/signed"] = logs.state_file(story()[:400])
    assert [fault.path for fault in check(files).faults] == [".state/signed"]


def test_a_log_before_its_first_checkpoint_is_no_fault() -> None:
    files = {**logs.tiles(story()[:3]), ".state/treeState": logs.state_file(story()[:3])}
    files[".state/signed"] = logs.state_file([])
    report = check(files)
    assert report.ok, report.faults
    assert [remark.path for remark in report.remarks] == ["checkpoint"]


def test_what_does_not_belong_there_is_reported(whole: dict[str, bytes], tmp_path: Path) -> None:
    for name in ("tile/0/notes.txt", "tile/8/0/000", "tile/0/x000/001", "tile/0/002.p/088", "tile/entries/000.p/256"):
        assert places(check({**whole, name: b"x"})) == [(name, None)]
    for name in ("readme", "tile/0/.tmp-12-1", "tile/0/003", "tile/entries/002.p/89"):
        report = check({**whole, name: b"x"})
        assert report.ok, report.faults
        assert [remark.path for remark in report.remarks] == [name]
        assert not check({**whole, name: b"x"}, strict=True).ok
    folder = logs.write(tmp_path, whole)
    (folder / "tile/0/002.p/87").symlink_to("/dev/zero")
    (folder / "tile/9").symlink_to(folder)
    os.mkfifo(folder / "tile/1/000.p/1")
    assert places(fsck(folder, logs.POLICY)) == [
        ("tile/0/002.p/87", None), ("tile/1/000.p/1", None), ("tile/9", None),
    ]  # fmt: skip


def test_a_file_that_is_no_plain_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "checkpoint")
    assert not fsck(tmp_path, logs.POLICY).ok
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="symbolic link"):
        folder_reader(tmp_path)("zero")
    with pytest.raises(InputError, match="leaves"):
        folder_reader(tmp_path)("../checkpoint")


def test_entries_are_read_unless_the_log_is_a_generic_one() -> None:
    entries = [b"not an entry", *story()[1:5]]
    files = logs.log_files(entries)
    assert check(files, raw=True).ok
    assert places(check(files)) == [("tile/entries/000.p/5", 0)]


def entry(**changes: object) -> bytes:
    fields = {"v": 1, "kind": "request", "stream": "governance", "seq": 0, "t": logs.at(0), "body": {}, **changes}
    return canonical_json({name: value for name, value in fields.items() if value is not None})


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (b'{"v": 1}', "canonical"),
        (b"[]", "object"),
        (entry(v=2), "version"),
        (entry(v=True), "version"),
        (entry(kind="gossip"), "kind"),
        (entry(kind=["request"]), "kind"),
        (entry(stream="Governance"), "stream"),
        (entry(stream="a" * 65), "stream"),
        (entry(seq=-1), "seq"),
        (entry(seq=1), "1 entry is missing"),
        (entry(seq=7), "7 entries are missing"),
        (entry(t="2026-02-30T00:00:00.000Z"), "time"),
        (entry(t="2026-02-01T24:00:00.000Z"), "time"),
        (entry(t="2026-02-01T00:00:00Z"), "time"),
        (entry(t=5), "time"),
        (entry(body=[]), "body"),
        (entry(body=None), "object"),
        (entry(more=1), "object"),
        (entry(body={"text": "x" * 60_000}), "60000"),
    ],
)
def test_an_entry_that_is_not_one_is_a_fault(bad: bytes, says: str) -> None:
    report = check(logs.log_files([bad]))
    assert places(report) == [("tile/entries/000.p/1", 0)]
    assert says in report.faults[0].what


def test_numbers_and_times_of_a_stream_only_rise() -> None:
    times = [logs.at(s) for s in (5, 5, 4, 5)]
    report = check(logs.log_files([entry(seq=i, t=t) for i, t in enumerate(times)]))
    assert places(report) == [("tile/entries/000.p/4", 2)]
    report = check(logs.log_files([entry(seq=i) for i in (0, 1, 1, 2, 4)]))
    assert [(fault.index, fault.what.split(":")[1]) for fault in report.faults] == [
        (2, " a number is used twice"), (4, " 1 entry is missing"),
    ]  # fmt: skip


def test_unreadable_entries_are_not_reported_a_second_time_as_gaps(whole: dict[str, bytes]) -> None:
    del whole["tile/entries/001"]
    assert places(check(whole)) == [("tile/entries/001", 256)]
    entries = [*story()[:9], b"{}", *story()[10:20]]
    assert places(check(logs.log_files(entries))) == [("tile/entries/000.p/20", 9)]
    twice = [*story()[:9], b"{}", *story()[8:20]]
    assert [fault.index for fault in check(logs.log_files(twice)).faults] == [9, 10]


def test_what_was_pinned_must_still_be_there(whole: dict[str, bytes]) -> None:
    for size in (0, 1, 255, 256, 300, 512, 599, 600):
        report = check(whole, pinned=[logs.head(story()[:size], witnesses=())])
        assert report.ok, (size, report.faults)
    edited = [*story()[:20], story()[21], story()[20], *story()[22:300]]
    assert places(check(whole, pinned=[logs.head(edited)])) == [("pinned checkpoint 1", None)]
    longer = [*story(), entry()]
    assert "shrank" in check(whole, pinned=[logs.head(longer)]).faults[0].what
    assert "cannot be used" in check(whole, pinned=[b"nothing\n"]).faults[0].what


def test_two_heads_of_one_size_are_a_proof(whole: dict[str, bytes]) -> None:
    other = logs.head([*story()[:-1], entry()], witnesses=())
    report = check(whole, other=[other])
    assert report.split_view == (whole["checkpoint"], other)
    assert not report.ok
    ahead = check(whole, other=[logs.head([*story(), entry()])])
    assert ahead.ok
    assert "ahead" in ahead.remarks[0].what
    fork = check(whole, other=[logs.head([*story()[:-9], entry()])])
    assert "rewritten" in fork.faults[0].what


def test_the_quorum_of_the_policy_must_be_met() -> None:
    for witnesses, met in [((), False), ((0,), False), ((0, 1), True), ((0, 2), True), ((1, 1), False)]:
        assert check(logs.log_files(story()[:9], witnesses=witnesses)).ok is met, witnesses
    keys = [signer.verifier for signer in logs.LOG_SIGNERS]
    alone = check(logs.log_files(story()[:9], witnesses=()), policy=keys)
    assert alone.ok
    one_key = check(logs.log_files(story()[:9]), policy=keys[:1])
    assert one_key.ok
    assert len(one_key.remarks) == 4


def test_a_signature_line_whose_name_or_id_was_changed_is_damage_and_not_a_stranger(whole: dict[str, bytes]) -> None:
    note = Note.parse(whole["checkpoint"])
    for place, signature in enumerate(note.signatures):
        for changed in (
            Signature(signature.name + "x", signature.key_id, signature.blob),
            Signature(signature.name, logs.flip(signature.key_id, 3), signature.blob),
        ):
            lines = [*note.signatures[:place], changed, *note.signatures[place + 1 :]]
            report = check({**whole, "checkpoint": Note(note.text, tuple(lines)).format()})
            assert [fault.path for fault in report.faults][:1] == ["checkpoint"], changed
    stranger = Signature("stranger.example", b"abcd", bytes(72))
    report = check({**whole, "checkpoint": Note(note.text, (*note.signatures, stranger)).format()})
    assert report.ok
    assert "unknown key" in report.remarks[0].what


def test_a_place_without_a_list_of_files_is_checked_too(whole: dict[str, bytes]) -> None:
    assert fsck(logs.reader(whole), logs.POLICY).ok
    del whole["tile/0/001"]
    assert [fault.path for fault in fsck(logs.reader(whole), logs.POLICY).faults] == ["tile/0/001"]


@pytest.mark.parametrize("listed", [True, False])
def test_a_head_that_claims_an_absurd_size_ends_the_walk_soon(listed: bool) -> None:
    text = Checkpoint(logs.ORIGIN, 2**63 - 1, bytes(32))
    files = {**logs.tiles(story()), "checkpoint": sign_checkpoint(text, logs.LOG_SIGNERS, time_s=1)}
    source = Source(logs.reader(files), frozenset(files) if listed else None)
    report = fsck(source, [signer.verifier for signer in logs.LOG_SIGNERS])
    assert not report.ok
    assert len(report.faults) < 200


@given(data=st.data())
def test_whatever_is_changed_is_found_and_nothing_crashes(data: st.DataObject) -> None:
    files = dict(whole_log())
    path = data.draw(st.sampled_from(sorted(files)))
    before = files[path]
    start = data.draw(st.integers(0, len(before)))
    end = data.draw(st.integers(start, min(len(before), start + 40)))
    files[path] = before[:start] + data.draw(st.binary(max_size=40)) + before[end:]
    assert check(files).ok is (files[path] == before)


@given(
    st.dictionaries(
        st.sampled_from(["checkpoint", "tile/0/000", "tile/entries/000", ".state/treeState", "tile/1/000.p/1"]),
        st.binary(max_size=300),
    )
)
def test_garbage_is_reported_and_never_raised(files: dict[str, bytes]) -> None:
    assert not check(files).ok


def test_a_log_is_whole_after_every_step_of_its_writer(tmp_path: Path) -> None:
    second = logs.START_S
    with Log.create(
        tmp_path / "log", signers=logs.LOG_SIGNERS, policy=logs.POLICY_TEXT, clock=lambda: second * 10**9
    ) as log:
        minute = 0
        for count, publish in [(1, False), (2, True), (250, False), (10, False), (300, True), (1, True), (220, False)]:
            bodies = [logs.batch_body(each) for each in range(minute, minute + count)]
            log.append([Item("decision-batch", "decisions.main", body) for body in bodies])
            minute += count
            report = fsck(log_folder := tmp_path / "log", logs.POLICY)
            assert report.ok, report.faults
            assert report.size == minute
            if publish:
                signed = log.sign()
                waiting = [fault.path for fault in fsck(log_folder, logs.POLICY).faults]
                # Before the very first publication a deleted checkpoint looks the same, so it is reported.
                assert waiting == ([] if log.checkpoint() else ["checkpoint"])
                log.publish(logs.cosigned(signed, (0, 2), second))
                report = fsck(log_folder, logs.POLICY)
                assert report.ok, report.faults
                assert report.remarks == ()
            second += 60 * count
    assert fsck(tmp_path / "log", logs.POLICY, strict=True).ok
