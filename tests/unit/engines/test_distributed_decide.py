"""What a cluster decides into a folder is what one machine decides, batch after batch, and nothing half-written counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decided_alike import alone, assert_alike, spread, write_given
from groundrule.engines.decided_folder import MANIFEST, DecidedFolder
from groundrule.engines.distributed_decide import decide_into
from groundrule.errors import ConflictError, InputError, IntegrityError, StoreError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.home import store_rulebook
from groundrule.pipeline.lateness import LATE_NS
from groundrule.pipeline.overlay import NO_OVERLAY
from groundrule.rules.text import read_rulebook
from groundrule.store.exclusive import exclusive
from groundrule.store.home import Home
from late_delivery import deliver
from plain_cluster import PlainCluster
from small_home import BOOK, RECORDED, T0, copy_home, make_home, observation, register, run, stream, table

LATER = read_rulebook(BOOK.replace("above: 75, release_below: 70", "above: 45, release_below: 40"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """Files of several deliveries, a tenth of their rows late and all of them repeated; the last has rows that are much too late."""
    folder = tmp_path_factory.mktemp("given")
    delivered = deliver(stream(3, rows=240), 3)[0]
    last = max(int(part["observed_at"].to_numpy().max()) for part in delivered)
    beyond = (last - T0 - LATE_NS) / NS_PER_S - 40 * 86_400
    lost = [observation("car", beyond, 5, 5), observation("guest", beyond + 50 * 86_400, 5, 5), observation("newcomer", beyond, 5, 5)]
    delivered += [table(lost), table(lost[:1])]
    return [write_given(folder, f"part{number}", each) for number, each in enumerate(delivered)]


def homes(template: Home, folder: Path) -> tuple[Home, Home]:
    return copy_home(template, folder / "alone"), copy_home(template, folder / "asked")


def at(number: int) -> int:
    return RECORDED + number * NS_PER_S


class Failing(PlainCluster):
    """Breaks down after some buckets."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self.left = answers

    def answered(self, answers: Iterator[bytes]) -> list[bytes]:
        if self.left == 0:
            raise StoreError("the cluster broke down")
        self.left -= 1
        return super().answered(answers)


@pytest.mark.parametrize("buckets", [1, 3, 16])
def test_batches_are_the_runs_of_one_machine(template: Home, parts: list[list[Path]], tmp_path: Path, buckets: int) -> None:
    one, asked = homes(template, tmp_path)
    for number, files in enumerate(parts):
        alone(one, files, at(number))
        found = spread(asked, files, tmp_path / "out", PlainCluster(number), at(number), buckets)
        assert found.batch.manifest["buckets"] == buckets
    assert_alike(one, tmp_path / "out")
    opened = DecidedFolder.open(tmp_path / "out")
    totals = {name: sum(batch.manifest["counts"][name] for batch in opened.batches) for name in ("late", "corrected", "over_late")}
    assert all(totals.values()), totals
    assert opened.check() > 10
    # The home is as it was.
    assert list(asked.manifests.iterdir()) == []


def test_what_the_home_has_observed_is_remembered(template: Home, parts: list[list[Path]], tmp_path: Path) -> None:
    one, asked = homes(template, tmp_path)
    for home in (one, asked):
        for number in (0, 1):
            alone(home, parts[number], at(number))
        # Much too late once: known to be a repeat when it comes again.
        alone(home, parts[-2], at(2))
    for number, files in enumerate(parts[1:], 3):
        alone(one, files, at(number))
        spread(asked, files, tmp_path / "out", PlainCluster(number), at(number), 4)
    assert_alike(one, tmp_path / "out", before=3)


@pytest.mark.parametrize("change_at", [0, 1, 2])
def test_another_rulebook_and_other_registers_in_mid_stream(
    template: Home, parts: list[list[Path]], tmp_path: Path, change_at: int
) -> None:
    one, asked = homes(template, tmp_path)
    for home in (one, asked):
        alone(home, parts[0], at(0))
    for number, files in enumerate(parts[1:], 1):
        if number == change_at + 1:
            for home in (one, asked):
                store_rulebook(home, LATER)
                (home.rulebooks / "current.json").write_text(json.dumps({"rulebook": LATER.digest}), encoding="utf-8")
                register(home, "accounts", "account_id,party_id,country,state\nacc-b,p2,BE,suspended\n", recorded_at=at(number) - 1)
        alone(one, files, at(number))
        spread(asked, files, tmp_path / "out", PlainCluster(number), at(number), 3)
    assert_alike(one, tmp_path / "out", before=1)


@settings(max_examples=6)
@given(seed=st.integers(0, 2**32 - 1), buckets=st.integers(1, 7))
def test_random_deliveries(tmp_path_factory: pytest.TempPathFactory, template: Home, seed: int, buckets: int) -> None:
    folder = tmp_path_factory.mktemp("random")
    one, asked = homes(template, folder)
    for number, part in enumerate(deliver(stream(seed % 1000, rows=90), seed)[0]):
        files = write_given(folder / "given", f"part{number}", part, 3)
        alone(one, files, at(number))
        spread(asked, files[::-1], folder / "out", PlainCluster(seed), at(number), buckets)
    assert_alike(one, folder / "out")


def test_what_was_broken_off_is_no_result_and_goes_on_as_of_the_same_instant(template: Home, tmp_path: Path) -> None:
    one, asked = homes(template, tmp_path)
    files = write_given(tmp_path / "given", "whole", stream(3, rows=240))
    alone(one, files, at(0))
    out = tmp_path / "out"
    with pytest.raises(StoreError, match="broke down"):
        spread(asked, files, out, Failing(1), at(0), 2)
    assert len(list(out.rglob("memory/*"))) == 1
    with pytest.raises(InputError, match="holds no finished batch"):
        DecidedFolder.open(out)
    again = Failing(1)
    found = spread(asked, files, out, again, at(900), 2)
    assert again.left == 0
    assert found.batch.manifest["recorded_at_ns"] == str(at(0))
    assert_alike(one, out)
    assert not list(out.rglob("*.answers"))


def test_another_input_after_a_break_begins_anew(template: Home, parts: list[list[Path]], tmp_path: Path) -> None:
    one, asked = homes(template, tmp_path)
    with pytest.raises(StoreError, match="broke down"):
        spread(asked, parts[0], tmp_path / "out", Failing(1), at(0), 2)
    alone(one, parts[1], at(5))
    spread(asked, parts[1], tmp_path / "out", PlainCluster(), at(5), 2)
    assert_alike(one, tmp_path / "out")


def test_rows_and_files_that_cannot_be_used_are_kept_and_named(template: Home, tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    good.write_text("terminal_id,observed_at,lat_deg,lon_deg\ncar,2026-03-02T10:00Z,5,5\ncar,yesterday,5,5\nvan,2026-03-02T10:00Z,95,5\n")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 nothing")
    found = spread(copy_home(template, tmp_path / "home"), [good, broken], tmp_path / "out", PlainCluster(), RECORDED, 3)
    assert found.counts.decided == 1
    assert sum(found.rejected.values()) == 2
    assert list(found.unreadable) == ["broken.parquet"]
    (kept,) = tmp_path.glob("out/batch-000001/*/rejected/*.jsonl")
    assert [json.loads(line)["source_row"] for line in kept.read_text().splitlines()] == [3, 4]


def test_a_batch_of_a_stream_is_committed_once_whatever_it_holds(template: Home, parts: list[list[Path]], tmp_path: Path) -> None:
    home, bad = copy_home(template, tmp_path / "home"), tmp_path / "bad.csv"
    bad.write_text("terminal_id,observed_at,lat_deg,lon_deg\ncar,yesterday,5,5\n")

    def handed_on(files: list[Path], query: str, number: int) -> bool:
        given_at, out = at(number), tmp_path / "out"
        made = decide_into(
            home, files, out, PlainCluster(), recorded_at_ns=given_at, overlay=NO_OVERLAY, buckets=2, stream=(query, number)
        )
        return made is not None

    assert handed_on(parts[0], "a", 0)
    assert handed_on([bad], "a", 1)
    # Handed on again, since nobody knew that they were committed.
    assert not handed_on([bad], "a", 1)
    assert not handed_on(parts[0], "a", 0)
    # Another query knows nothing of what was handed on before: all of it is a repeat.
    assert handed_on(parts[0], "b", 0)
    opened = DecidedFolder.open(tmp_path / "out")
    assert [batch.manifest["counts"]["decided"] for batch in opened.batches][1:] == [0, 0]
    assert [sum(batch.manifest["rejected"].values()) for batch in opened.batches] == [0, 1, 0]


def test_nothing_that_can_be_used_commits_nothing(template: Home, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("terminal_id,observed_at,lat_deg,lon_deg\ncar,yesterday,5,5\n")
    with pytest.raises(InputError, match="no observation could be used"):
        spread(copy_home(template, tmp_path / "home"), [bad], tmp_path / "out", PlainCluster(), RECORDED, 2)
    assert not list((tmp_path / "out").rglob(MANIFEST))


@pytest.fixture
def decided(template: Home, parts: list[list[Path]], tmp_path: Path) -> Path:
    home = copy_home(template, tmp_path / "home")
    for number in (0, 1):
        spread(home, parts[number], tmp_path / "out", PlainCluster(), at(number), 3)
    return tmp_path / "out"


def test_a_changed_byte_of_any_file_is_found(decided: Path) -> None:
    files = [path for path in decided.rglob("bucket-*") if path.is_file()]
    assert len(files) == DecidedFolder.open(decided).check()
    for path in files[:: max(1, len(files) // 6)]:
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(IntegrityError, match="is not what its manifest says"):
            DecidedFolder.open(decided).check()
        path.unlink()
        with pytest.raises(IntegrityError, match="cannot be read"):
            DecidedFolder.open(decided).check()
        path.write_bytes(whole)


@pytest.mark.parametrize("what", ["first", "content", "order"])
def test_a_manifest_that_is_gone_or_changed_is_found(decided: Path, what: str) -> None:
    first, second = (decided / f"batch-00000{number}" / MANIFEST for number in (1, 2))
    if what == "first":
        first.unlink()
    elif what == "content":
        first.write_bytes(first.read_bytes().replace(b'"decided":', b'"decides":'))
    else:
        content = json.loads(second.read_bytes())
        second.write_bytes(json.dumps({**content, "previous": None}, sort_keys=True, separators=(",", ":")).encode())
    with pytest.raises(IntegrityError):
        DecidedFolder.open(decided)


def test_a_later_batch_has_to_fit_to_the_folder(decided: Path, parts: list[list[Path]], tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    with pytest.raises(ConflictError, match="is divided into 3 parts"):
        spread(home, parts[0], decided, PlainCluster(), at(9), 4)
    with pytest.raises(ConflictError, match="holds decisions of another home"):
        spread(make_home(tmp_path / "other"), parts[0], decided, PlainCluster(), at(9))
    with exclusive(decided / "lock", decided), pytest.raises(ConflictError, match="is writing to"):
        spread(home, parts[0], decided, PlainCluster(), at(9))
    run(home, pa.concat_tables([stream(8, rows=30)]))
    with pytest.raises(ConflictError, match="the home has decided more"):
        spread(home, parts[0], decided, PlainCluster(), at(9))


def test_rules_as_of_another_time(template: Home, parts: list[list[Path]], tmp_path: Path) -> None:
    home, instant = copy_home(template, tmp_path / "home"), T0 + 9_000 * NS_PER_S
    found = decide_into(
        home, parts[0], tmp_path / "out", PlainCluster(), recorded_at_ns=RECORDED, overlay=NO_OVERLAY, as_of_ns=instant, buckets=2
    )
    assert found is not None
    assert found.batch.manifest["as_of_ns"] == str(instant)
    assert found.counts.decided > 0
