"""A monitor sees whatever a log takes back, and what it should never have recorded; its pin never moves past a failure."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import audit_logs as logs
from groundrule.canon import canonical_json
from groundrule.errors import InputError, StoreError
from groundrule.ledger.audit.memory import MonitorState, acknowledge, load_state, save_state
from groundrule.ledger.audit.monitor import MonitorReport, monitor
from groundrule.ledger.audit.source import Source
from groundrule.ledger.commitment import seal_commitment
from groundrule.ledger.policy import Policy


def look(
    files: dict[str, bytes], state: MonitorState | None = None, *, now: int | None = None, **how: Any
) -> MonitorReport:
    """Run the monitor; by default ten seconds after the newest head."""
    how.setdefault("max_age_s", None if now is None else 3600)
    policy = how.pop("policy", logs.POLICY)
    return monitor(Source(logs.reader(files)), policy, state, now_s=now or logs.START_S + 10_000_000, **how)


def kinds(report: MonitorReport) -> list[str]:
    return [alert.kind for alert in report.alerts]


def pinned(story: logs.Story) -> MonitorState:
    report = look(logs.log_files(story.entries))
    assert report.ok, report.alerts
    assert report.state is not None
    return report.state


def test_the_first_run_pins_and_later_runs_read_what_was_added() -> None:
    story = logs.ordinary_story(300)
    first = look(logs.log_files(story.entries))
    assert (first.ok, first.advanced, first.pinned_size, first.size) == (True, True, None, 300)
    assert first.new_kinds == {"decision-batch": 299, "enactment": 1}
    for end in (301, 511, 512, 513, 700):
        story.batches(len(story.entries) - 1, end - 1)
        assert first.state is not None
        second = look(logs.log_files(story.entries), first.state)
        assert (second.ok, second.advanced, second.pinned_size, second.size) == (True, True, first.size, end)
        assert second.new_kinds == {"decision-batch": end - (first.size or 0)}
        first = second
    again = look(logs.log_files(story.entries), first.state)
    assert (again.ok, again.advanced, again.new_kinds) == (True, True, {})


def test_a_run_in_steps_ends_in_the_same_state_as_one_run() -> None:
    story = logs.ordinary_story(5)
    state = pinned(story)
    for _ in range(8):
        story.batches(len(story.entries) - 1, len(story.entries) + 60)
        report = look(logs.log_files(story.entries), state)
        assert report.ok, report.alerts
        assert report.state is not None
        state = report.state
    at_once = pinned(story)
    assert (state.edge, state.streams, state.conduct) == (at_once.edge, at_once.streams, at_once.conduct)


def stays(report: MonitorReport, state: MonitorState, kind: str) -> None:
    """The run raised this alert and left the pin alone."""
    assert kind in kinds(report), report.alerts
    assert not report.advanced
    assert report.state is state


def test_a_log_that_takes_something_back_does_not_move_the_pin() -> None:
    story = logs.ordinary_story(300)
    state = pinned(story)
    entries = story.entries
    more = [*entries, *logs.ordinary_story(310).entries[300:]]
    assert look(logs.log_files(more), state).ok
    stays(look(logs.log_files(entries[:299]), state), state, "rollback")
    edited = [*more[:7], more[8], more[7], *more[9:]]
    stays(look(logs.log_files(edited), state), state, "rewritten")
    stays(look(logs.log_files(edited[:300]), state), state, "split-view")
    stays(look(logs.log_files(more, witnesses=(1,)), state), state, "quorum")
    damaged = logs.log_files(more)
    damaged["tile/entries/001.p/54"] = logs.flip(damaged["tile/entries/001.p/54"], 8 * 18_000)
    stays(look(damaged, state), state, "damaged")
    for missing in ("checkpoint", "tile/entries/001.p/54"):
        files = {path: data for path, data in logs.log_files(more).items() if path != missing}
        stays(look(files, state), state, "checkpoint" if missing == "checkpoint" else "damaged")
    torn = {**logs.log_files(more), "checkpoint": b"torn"}
    stays(look(torn, state), state, "checkpoint")


def test_two_heads_of_one_size_are_handed_out_as_evidence() -> None:
    story = logs.ordinary_story(40)
    files = logs.log_files(story.entries)
    other = logs.head([*story.entries[:-1], b"another"])
    for state in (None, pinned(story)):
        report = look(files, state, other=[other])
        assert kinds(report) == ["split-view"]
        assert report.evidence == ((files["checkpoint"], other),)
        assert not report.advanced
    fork = logs.head([*story.entries[:20], b"another"])
    for state in (None, pinned(story)):
        assert kinds(look(files, state, other=[fork])) == ["split-view"]
    damaged = {path: data for path, data in files.items() if not path.startswith("tile/0/")}
    assert kinds(look(damaged, pinned(story), other=[fork])) == ["damaged"]
    honest = [logs.head(story.entries[:size]) for size in (1, 20, 39, 40)]
    assert look(files, None, other=honest).ok
    assert look(files, pinned(story), other=honest).ok
    ahead = look(files, None, other=[logs.head([*story.entries, b"more"])])
    assert ahead.ok
    assert "ahead" in ahead.remarks[0]
    assert kinds(look(files, None, other=[b"nothing"])) == ["other"]


def test_a_head_that_is_old_or_a_stream_that_stopped_is_reported() -> None:
    story = logs.ordinary_story(10)
    files = logs.log_files(story.entries)
    signed = logs.START_S + 600
    assert look(files, now=signed + 3600).ok
    late = look(files, now=signed + 3700)
    assert kinds(late) == ["stale"]
    assert late.advanced
    story.tell("request", "governance", 9000, {})
    assert kinds(look(logs.log_files(story.entries, time_s=logs.START_S + 9000), now=logs.START_S + 9010)) == [
        "silent-stream"
    ]


def test_without_witnesses_the_time_of_the_log_itself_tells_its_age() -> None:
    none = Policy.parse(Policy.format_simple([str(s.verifier) for s in logs.LOG_SIGNERS], [], None))
    files = logs.log_files(logs.ordinary_story(10).entries, witnesses=())
    assert look(files, now=logs.START_S + 700, policy=none).ok
    assert kinds(look(files, now=logs.START_S + 9000, policy=none)) == ["stale"]


# --- what the entries show --------------------------------------------------------------------------------------------


def findings(story: logs.Story) -> list[tuple[str, int | None]]:
    report = look(logs.log_files(story.entries))
    assert report.advanced
    return [(alert.kind, alert.index) for alert in report.alerts]


def test_a_minute_without_an_entry_is_a_gap() -> None:
    story = logs.ordinary_story(4)
    story.batch(2)  # several batches of one minute are normal when the policy changes within it
    assert findings(story) == []
    gap = story.batch(5)
    assert findings(story) == [("gap-minute", gap)]
    back = story.tell("decision-batch", "decisions.main", 400, logs.batch_body(4))
    assert findings(story) == [("gap-minute", gap), ("gap-minute", back)]
    story = logs.ordinary_story(1)
    story.tell("heartbeat", "governance", 60, {"minute": logs.at(0)})
    late = story.tell("heartbeat", "governance", 200, {"minute": logs.at(120)})
    assert findings(story) == [("gap-minute", late)]


def test_a_gap_in_the_numbers_of_a_stream_is_found() -> None:
    story = logs.ordinary_story(20)
    del story.entries[7]
    assert findings(story) == [("gap-seq", 7), ("gap-minute", 7)]


def test_a_policy_that_nobody_announced_is_found_once() -> None:
    story = logs.ordinary_story(5)
    ghost = story.batch(4, digest="f" * 64)
    story.batch(5, digest="f" * 64)
    assert findings(story) == [("unknown-policy", ghost)]
    other = logs.Story()
    other.tell("snapshot-published", "governance", 0, {"policy_digest": "f" * 64})
    other.batch(0, digest="f" * 64)
    assert findings(other) == []
    late = logs.Story()
    early = late.batch(0)
    late.enact(120)
    late.batch(1)
    assert findings(late) == [("unknown-policy", early)]


def test_seals_must_be_opened_in_time_and_to_what_was_sealed() -> None:
    salt, content = bytes(range(32)), {"area": "invented"}
    commitment = seal_commitment(salt, content).hex()
    day = 86_400
    story = logs.ordinary_story(1)
    place = story.tell("sealed", "governance", 10, {"commitment": commitment, "disclose_by": logs.at(100 * day)})
    files = logs.log_files(story.entries)
    assert look(files, now=logs.START_S + 99 * day, max_age_s=None).ok
    overdue = look(files, now=logs.START_S + 103 * day + 5, max_age_s=None)
    assert [(alert.kind, alert.index) for alert in overdue.alerts] == [("overdue", place)]
    assert "3 days" in overdue.alerts[0].what
    opened = {"commitment": commitment, "salt": b64encode(salt).decode()}
    wrong = story.tell("unsealed", "governance", 20, {**opened, "content": {"area": "another"}})
    bare = story.tell("unsealed", "governance", 30, {"commitment": commitment})
    assert [pair for pair in findings(story) if pair[0] == "seal"] == [("seal", wrong), ("seal", bare)]
    story.tell("unsealed", "governance", 40, {**opened, "content": content})
    assert "overdue" not in kinds(look(logs.log_files(story.entries), now=logs.START_S + 103 * day, max_age_s=None))
    again = story.tell("unsealed", "governance", 50, {**opened, "content": content})
    long = story.tell("sealed", "governance", 60, {"commitment": "00", "disclose_by": logs.at(200 * day)})
    assert [i for kind, i in findings(story) if kind == "seal"] == [wrong, bare, again, long]


def test_erasures_are_counted_over_all_runs() -> None:
    story = logs.ordinary_story(10)
    body = {"batch_index": 3, "leaf_index": 1, "leaf": b64encode(bytes(32)).decode(), "basis": "request of the subject"}
    story.tell("erasure", "governance", 700, body)
    first = look(logs.log_files(story.entries))
    assert (first.ok, first.erasures) == (True, 1)
    story.tell("erasure", "governance", 701, body)
    assert look(logs.log_files(story.entries), first.state).erasures == 2


def test_a_trusted_key_that_is_recorded_as_stolen_is_an_alert() -> None:
    story = logs.ordinary_story(3)
    body = {"vkey": str(logs.LOG_SIGNERS[0].verifier), "event": "compromised", "from": logs.at(0), "to": None}
    place = story.tell("key-event", "governance", 300, body)
    assert findings(story) == [("key", place)]


def test_a_body_without_what_its_kind_needs_is_found() -> None:
    story = logs.ordinary_story(3)
    seq = json.loads(story.entries[-1])["seq"] + 1
    fields = {"v": 1, "kind": "decision-batch", "stream": "decisions.main", "seq": seq, "t": logs.at(240), "body": {}}
    story.entries.append(canonical_json(fields))
    assert findings(story) == [("bad-entry", 3)]


def test_findings_are_repeated_until_they_are_acknowledged() -> None:
    story = logs.ordinary_story(5)
    story.batch(9)
    first = look(logs.log_files(story.entries))
    assert [alert.known for alert in first.alerts] == [False]
    second = look(logs.log_files(story.entries), first.state)
    assert [(alert.kind, alert.known) for alert in second.alerts] == [("gap-minute", True)]
    assert second.state is not None
    assert look(logs.log_files(story.entries), acknowledge(second.state)).ok


# --- the state file ---------------------------------------------------------------------------------------------------


def test_the_state_survives_its_file(tmp_path: Path) -> None:
    story = logs.ordinary_story(30)
    story.batch(40)
    story.tell("sealed", "governance", 9000, {"commitment": "ab", "disclose_by": logs.at(10_000)})
    state = look(logs.log_files(story.entries)).state
    assert state is not None
    path = tmp_path / "state"
    assert load_state(path) is None
    save_state(path, state)
    assert load_state(path) == state
    assert [child.name for child in tmp_path.iterdir()] == ["state"]


def test_a_state_of_another_log_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    state = pinned(logs.ordinary_story(30))
    path = tmp_path / "state"
    save_state(path, state)
    whole = path.read_bytes()
    files = logs.log_files(logs.ordinary_story(31).entries)
    for bit in range(0, 8 * len(whole), 211):
        path.write_bytes(logs.flip(whole, bit))
        try:
            found = load_state(path)
            report = look(files, found)
        except InputError:
            continue
        # Nothing signs the notes of the monitor about entries; what they pin cannot be changed.
        assert found is not None
        assert (found.edge, report.pinned_size) == (state.edge, 30)
    stranger = Policy.parse(Policy.format_simple([str(logs.WITNESSES[2].verifier)], [], None))
    with pytest.raises(InputError, match="policy trusts"):
        look(files, state, policy=stranger)


@given(st.binary(max_size=200))
def test_garbage_in_the_state_file_is_refused(data: bytes) -> None:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"groundrule-state-{os.getpid()}"
    path.write_bytes(data)
    try:
        with pytest.raises(InputError, match="damaged"):
            load_state(path)
    finally:
        path.unlink()


def test_a_state_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    state = pinned(logs.ordinary_story(3))
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "kept").write_text("x")
    with pytest.raises(StoreError):
        save_state(folder, state)
    assert [child.name for child in tmp_path.iterdir()] == ["state"]


@given(st.dictionaries(st.sampled_from(["checkpoint", "tile/0/000", "tile/entries/000.p/3"]), st.binary(max_size=300)))
def test_garbage_in_the_log_is_an_alert_and_nothing_is_pinned(files: dict[str, bytes]) -> None:
    report = look(files)
    assert not report.ok
    assert report.state is None


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3), max_size=4))
def test_bodies_of_any_content_are_findings_at_most(bodies: list[dict[str, str]]) -> None:
    story = logs.Story()
    for number, body in enumerate(bodies):
        for kind in ("decision-batch", "sealed", "unsealed", "enactment", "key-event", "erasure", "heartbeat"):
            fields = {"v": 1, "kind": kind, "stream": kind, "seq": number, "t": logs.at(0), "body": body}
            story.entries.append(canonical_json(fields))
    report = look(logs.log_files(story.entries))
    assert report.advanced
    assert {alert.kind for alert in report.alerts} <= {"bad-entry"}
