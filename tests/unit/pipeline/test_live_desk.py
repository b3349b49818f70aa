"""The live desk on a small home: answers, repeats, late rows, questions, acts, what is kept over a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import small_home as sh
from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.live.answers import ANSWER_SCHEMA, Answered, LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.live.intake import check_together, hand_in
from groundrule.pipeline.manifests import read_manifest
from groundrule.pipeline.replaying import replay
from groundrule.store.home import Home
from groundrule.store.register_import import import_register
from groundrule.store.registers import Registers
from groundrule.store.segments import segments_of

QUIET = LiveSettings(commit_every_s=3_600, check_every_s=3_600)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return sh.make_home(tmp_path_factory.mktemp("live") / "template", ledger=LedgerSetup())


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return sh.copy_home(template, tmp_path / "home")


@pytest.fixture
def live(home: Home) -> Iterator[Live]:
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as made:
        yield made


def rows(*made: dict[str, Any]) -> pa.Table:
    return sh.table(made).drop_columns(["source", "source_row"])


def submit(live: Live, *made: dict[str, Any], key: str | None = None) -> Answered:
    return live.submit(rows(*made), source="test", key=key).result(30)


def said(answered: Answered) -> list[tuple[str, float, str, str, bool]]:
    return [
        (row["terminal_id"], (row["observed_at"] - sh.T0) / NS_PER_S, row["outcome"], row["rule"], row["late"])
        for row in answered.decisions.to_pylist()
    ]


def test_answers_are_what_a_run_decides(live: Live, template: Home, tmp_path: Path) -> None:
    drive = sh.drive("car", 0, 12, lat=5, lon=1, km_h=100)
    still = [sh.observation("guest", 3, 5.0, 12.0), sh.observation("stranger", 4, 2.5, 2.5)]
    answered = submit(live, *drive, *still)
    assert answered.decisions.schema.equals(ANSWER_SCHEMA)
    assert (answered.accepted, answered.duplicates, answered.late, answered.rejected) == (14, 0, 0, ())
    other = sh.copy_home(template, tmp_path / "other")
    sh.run(other, sh.table([*drive, *still]))
    decided = {(r["terminal_id"], r["observed_at"]): r for r in sh.stored(other, 1)}
    for row in answered.decisions.drop_columns(["class", "late"]).to_pylist():
        assert row == decided[row["terminal_id"], row["observed_at"]]
    run = live.commit().result(30)
    assert run is not None
    assert run.counts.decided == 14
    assert live.status().counters["differences"] == 0
    assert segments_of(live.home) == []


def test_what_was_acknowledged_is_in_a_segment_and_named_by_the_manifest(live: Live) -> None:
    submit(live, sh.observation("car", 0, 5, 1))
    submit(live, sh.observation("car", 15, 5, 1))
    (segment,) = segments_of(live.home)
    described = segment.described()
    assert live.status().pending_rows == 2
    assert live.commit().result(30) is not None
    assert read_manifest(live.home, 1)["inputs"] == [described]
    assert live.status().pending_rows == 0
    assert live.commit().result(30) is None


def test_bad_rows_lose_nothing_beside_them(live: Live) -> None:
    good, bad = sh.observation("car", 0, 5, 1), sh.observation("car", 15, 95, 1)
    ahead = sh.observation("van", 30 * 86_400, 5, 1)
    answered = submit(live, bad, good, ahead)
    assert [(each.row, each.reason, each.field) for each in answered.rejected] == [
        (0, "out_of_range", "lat_deg"), (2, "time_in_the_future", "observed_at"),
    ]  # fmt: skip
    assert answered.rows.to_pylist() == [1]
    assert len(answered.decisions) == answered.accepted == 1
    live.commit().result(30)
    assert read_manifest(live.home, 1)["rejected"] == {"out_of_range": 1, "time_in_the_future": 1}


@pytest.mark.parametrize(
    ("table", "word"),
    [
        (pa.table({"terminal_id": ["a"]}), "observed_at"),
        (pa.table({"terminal_id": ["a"], "observed_at": [1], "colour": ["red"]}), "colour"),
    ],
)
def test_columns_that_cannot_be_used_are_named(live: Live, table: pa.Table, word: str) -> None:
    with pytest.raises(InputError, match=word):
        live.submit(table, source="test").result(30)


def test_late_rows_are_answered_with_the_present_decision_and_corrected_by_the_run(live: Live) -> None:
    drive = sh.drive("car", 0, 12, lat=5, lon=1, km_h=100)
    first = submit(live, *drive[:3], *drive[6:])
    late = submit(live, *drive[3:6])
    assert late.late == 3
    assert {row[2:] for row in said(late)} == {(*said(first)[-1][2:4], True)}
    run = live.commit().result(30)
    assert run is not None
    assert live.status().counters["differences"] == 0
    # The memory is that of the ordered run: the next row is answered as if nothing had been late.
    with_all = submit(live, sh.observation("car", 12 * 15, 5, 1.05))
    again = live.commit().result(30)
    assert again is not None
    assert live.status().counters["differences"] == 0
    assert with_all.late == 0


def test_a_repeat_of_what_is_pending_is_known(live: Live) -> None:
    row = sh.observation("car", 0, 5, 1)
    assert submit(live, row).accepted == 1
    again = submit(live, row)
    assert (again.accepted, again.duplicates, again.late) == (0, 1, 0)
    other = submit(live, {**row, "lat_deg": 5.5})
    assert (other.accepted, other.duplicates, other.late) == (1, 0, 1)
    run = live.commit().result(30)
    assert run is not None
    assert (run.counts.decided, run.counts.duplicates) == (2, 0)


def test_rows_out_of_order_in_one_submission_are_answered_in_the_order_given(live: Live) -> None:
    drive = sh.drive("car", 0, 8, lat=5, lon=1, km_h=100)
    ordered = live.evaluate(rows(*drive)).result(30)
    shuffled = submit(live, *reversed(drive))
    assert said(shuffled) == list(reversed(said(ordered)))
    assert shuffled.late == 0


def test_a_question_leaves_nothing_behind(live: Live) -> None:
    drive = sh.drive("car", 0, 12, lat=5, lon=1, km_h=100)
    asked = live.evaluate(rows(*drive)).result(30)
    assert asked.accepted == 0
    assert len(live.fleet()) == 0
    assert segments_of(live.home) == []
    assert said(live.evaluate(rows(*drive)).result(30)) == said(asked) == said(submit(live, *drive))


def test_a_key_gives_the_same_answer_and_stands_for_one_content(live: Live) -> None:
    first = submit(live, sh.observation("car", 0, 5, 1), key="k")
    assert submit(live, sh.observation("car", 0, 5, 1), key="k") is first
    with pytest.raises(ConflictError, match="other content"):
        submit(live, sh.observation("car", 15, 5, 1), key="k")
    assert live.status().counters["accepted"] == 1


def test_the_content_of_a_key_does_not_depend_on_what_it_came_with() -> None:
    drive = sh.drive("car", 0, 6, lat=5, lon=1, km_h=100)
    parts = [rows(*drive[:1]), rows(drive[1], sh.observation("van", 3, None, None)), rows(*drive[2:])]
    alone = [hand_in(part, source="x", key="k", most_rows=9) for part in parts]
    together = [hand_in(part, source="x", key="k", most_rows=9) for part in parts]
    for part in alone:
        check_together([part], latest_ns=sh.RECORDED)
    check_together(together, latest_ns=sh.RECORDED)
    assert [part.content for part in alone] == [part.content for part in together]
    assert len({part.content for part in alone}) == 3


def test_a_key_is_known_after_a_restart(home: Home) -> None:
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as live:
        first = submit(live, sh.observation("car", 0, 5, 1), key="k")
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as live:
        again = submit(live, sh.observation("car", 0, 5, 1), key="k")
        assert again.taken_before
        assert (again.accepted, again.duplicates) == (0, 1)
        assert said(again)[0][:4] == said(first)[0][:4]
        assert live.commit().result(30) is None


def test_an_act_comes_after_what_is_pending_and_before_what_follows(live: Live) -> None:
    before = submit(live, sh.observation("car", 0, 5, 1))

    def suspend(home: Home, _ledger: object) -> int:
        assert segments_of(home) == []
        file = home.path.parent / "accounts.csv"
        file.write_text("account_id,party_id,country,state\nacc-a,p1,AT,suspended\n", encoding="utf-8")
        with Registers.open(home) as registers:
            import_register(
                registers, "accounts", file, recorded_at_ns=sh.RECORDED, actor="test", rejected_folder=home.rejected
            )
        return 7

    assert live.act(suspend).result(30) == 7
    now_s = (sh.RECORDED - sh.T0) / NS_PER_S
    after = submit(live, sh.observation("car", now_s + 10, 5, 1))
    assert (said(before)[0][3], said(after)[0][3]) == ("default", "suspended")
    assert live.status().counters["runs"] == 1
    live.commit().result(30)
    assert live.status().counters["differences"] == 0


def test_an_act_that_fails_says_so_and_nothing_stops(live: Live) -> None:
    def fail(_home: Home, _ledger: object) -> None:
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        live.act(fail).result(30)
    assert submit(live, sh.observation("car", 0, 5, 1)).accepted == 1


def test_the_fleet_and_the_memory_outlive_a_restart(home: Home) -> None:
    drive = sh.drive("car", 0, 12, lat=5, lon=1, km_h=100)
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as live:
        submit(live, *drive[:8], sh.observation("guest", 0, 5, 12))
        live.commit().result(30)
        submit(live, *drive[8:11])
        view, present = live.fleet(), live.present(["car", "guest", "nobody"]).result(30)
    with Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET) as live:
        again = live.fleet()
        assert again.ids.to_pylist() == view.ids.to_pylist()
        for name in ("lat_deg", "lon_deg", "outcome", "state", "kind", "observed_at_ns"):
            assert getattr(again, name).tolist() == getattr(view, name).tolist()
        assert live.present(["car", "guest", "nobody"]).result(30).to_pylist() == present.to_pylist()
        assert said(submit(live, drive[11]))[0][2:4] == ("deny", "too-fast")
        live.commit().result(30)
        assert live.status().counters["differences"] == 0
    assert replay(home).identical


def test_views_do_not_change(live: Live) -> None:
    submit(live, sh.observation("car", 0, 5, 1))
    view = live.fleet()
    assert live.fleet() is view
    submit(live, sh.observation("car", 15, 6, 1))
    assert view.lat_deg.tolist() == [5.0]
    assert live.fleet().version > view.version
    with pytest.raises(ValueError, match="read-only"):
        view.lat_deg[0] = 1.0
    assert view.rows_of(["car", "who"]).tolist() == [0, -1]


def test_a_second_writer_is_refused(live: Live) -> None:
    with pytest.raises(ConflictError, match="is writing"):
        Live.open(live.home)


def test_events_tell_what_changed(live: Live) -> None:
    heard: list[str] = []
    leave = live.subscribe(lambda event: heard.append(event.type))
    submit(live, *sh.drive("car", 0, 12, lat=5, lon=1, km_h=100))
    live.commit().result(30)
    assert live._announcer.drain()
    leave()
    submit(live, sh.observation("van", 0, 5, 1))
    live.commit().result(30)
    assert live._announcer.drain()
    events = live.events.after(0)
    assert heard == ["terminal.outcome", "run.committed"]
    assert [event.type for event in events if event.type == "run.committed"] == ["run.committed"] * 2
    (change,) = [event for event in events if event.type == "terminal.outcome"]
    assert (change.subject, change.public) == ("car", False)
    assert change.data["to"]["rule"] == "too-fast"
    assert all(event.subject is None for event in live.events.after(0, public=True))


def test_after_closing_nothing_is_taken(home: Home) -> None:
    live = Live.open(home, clock=lambda: sh.RECORDED, settings=QUIET)
    live.close()
    live.close()
    with pytest.raises(StoreError, match="ending"):
        submit(live, sh.observation("car", 0, 5, 1))
