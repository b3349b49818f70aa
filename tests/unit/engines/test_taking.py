"""A home that takes what a cluster has decided is the home in which one machine has decided it: same runs, same log, same roots."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from msgspec import to_builtins
from typer.testing import CliRunner

from decided_alike import alone, spread, write_given
from groundrule.canon import canonical_json
from groundrule.cli import app
from groundrule.engines import taking as taking_module
from groundrule.engines.decided_folder import MANIFEST, DecidedFolder, combined, put_file
from groundrule.engines.distributed_decide import decide_into
from groundrule.engines.taking import held_by, take
from groundrule.errors import ConflictError, GroundruleError, IntegrityError
from groundrule.instant import NS_PER_S
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.ledger.log import read_log
from groundrule.pipeline import lateness as lateness_module
from groundrule.pipeline import runs as runs_module
from groundrule.pipeline.digests import TableDigest
from groundrule.pipeline.explain import explain_terminal
from groundrule.pipeline.home import store_rulebook
from groundrule.pipeline.home_ledger import HomeLedger, LedgerSetup, ledger_of, log_folder, policy_of
from groundrule.pipeline.lateness import LATE_NS
from groundrule.pipeline.manifests import manifest_path, read_manifest, runs
from groundrule.pipeline.overlay import NO_OVERLAY
from groundrule.pipeline.receipts import issue_receipt
from groundrule.pipeline.runs import replay
from groundrule.rules.text import read_rulebook
from groundrule.store.history import run_files
from groundrule.store.home import Home
from groundrule.store.records import RecordStore
from late_delivery import deliver
from plain_cluster import PlainCluster
from small_home import BOOK, RECORDED, T0, copy_home, make_home, observation, register, run, stream, table

MOMENT = RECORDED + 3600 * NS_PER_S
LATER = read_rulebook(BOOK.replace("above: 75, release_below: 70", "above: 45, release_below: 40"))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("template") / "home", ledger=LedgerSetup())


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """Three deliveries: the second is late and repeated; the third has rows much too late, rows that are broken, and a broken file."""
    folder = tmp_path_factory.mktemp("given")
    first, *others = deliver(stream(3, rows=240), 0)[0]
    delivered = [first, pa.concat_tables(others)]
    last = max(int(part["observed_at"].to_numpy().max()) for part in delivered)
    beyond = (last - T0 - LATE_NS) / NS_PER_S - 40 * 86_400
    lost = [observation("car", beyond, 5, 5), observation("guest", beyond + 50 * 86_400, 5, 5), observation("newcomer", beyond, 5, 5)]
    made = [write_given(folder, f"part{number}", each) for number, each in enumerate([*delivered, table(lost)])]
    rows = ["car,yesterday,5,5", "van,2026-03-02T10:00Z,95,5", "van,2026-03-02T10:00Z,5,5"]
    (folder / "bad.csv").write_text("\n".join(["terminal_id,observed_at,lat_deg,lon_deg", *rows, ""]))
    (folder / "broken.parquet").write_bytes(b"PAR1 nothing")
    return [*made[:2], [folder / "bad.csv", folder / "broken.parquet", *made[2]]]


def at(number: int) -> int:
    return RECORDED + number * NS_PER_S


def fixed_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the same salts, keys and ids from here on as the last time."""
    numbers = count()

    def drawn(size: int) -> bytes:
        number = next(numbers)
        return b"".join(sha256(b"%d %d" % (number, block)).digest() for block in range(size // 32 + 1))[:size]

    monkeypatch.setattr(os, "urandom", drawn)


def decide_alone(home: Home, files: list[Path], number: int) -> None:
    with home.writer(), HomeLedger.open(home, clock=lambda: MOMENT + number * 60 * NS_PER_S) as ledger:
        alone(home, files, at(number), ledger)


def taken(home: Home, folder: Path, most: int | None = None, moment: Callable[[int], int] | None = None) -> list[int]:
    """Take the batches of a folder, and return their numbers; at the times at which `decide_alone` decides."""
    opened, found = DecidedFolder.open(folder), list[int]()
    opened.check()
    for number in range(1, len(opened.batches) + 1) if most is None else (most,):
        first = DecidedFolder(opened.path, opened.batches[:number])
        with home.writer():
            ledger = ledger_of(home, clock=lambda number=number: (moment or (lambda at: MOMENT + at * 60 * NS_PER_S))(number - 1))
            with ledger or nullcontext():
                found += [each.batch for each in take(home, first, ledger)]
    return found


def files_of(home: Home) -> dict[str, str]:
    """Digests of the files that runs leave in a home: history, manifests, rejected rows, and what is remembered."""
    found = {
        str(path.relative_to(home.path)): sha256(path.read_bytes()).hexdigest()
        for folder in (home.history, home.manifests, home.cache)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".parquet", ".json", ".npz") and "index" not in str(path.relative_to(home.path))
    }
    return found | {path.name: "\n".join(sorted(path.read_text().splitlines())) for path in home.rejected.glob("observations-*")}


def logged(home: Home) -> tuple[bytes, list[bytes]]:
    log = read_log(log_folder(home))
    tree = log.tree(log.integrated_size)
    return tree.root(), list(tree.entries())


def records_of(home: Home) -> list[Any]:
    with RecordStore.open(home.path / "records.sqlite") as records:
        return [each for number in runs(home) for each in records.records_of_run(number)]


@pytest.mark.parametrize("known", [False, True])
def test_a_home_that_takes_is_the_home_that_decided(
    template: Home, parts: list[list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    one = copy_home(template, tmp_path / "one")
    fixed_chance(monkeypatch)
    if known:
        decide_alone(one, parts[0], -1)
    asked = copy_home(one, tmp_path / "asked")
    for number, files in enumerate(parts):
        spread(asked, files, tmp_path / "out", PlainCluster(number), at(number), 3)
    assert len(runs(asked)) == known

    fixed_chance(monkeypatch)
    for number, files in enumerate(parts):
        decide_alone(one, files, number)
    fixed_chance(monkeypatch)
    assert taken(asked, tmp_path / "out") == [1, 2, 3]

    counts = [read_manifest(one, each)["counts"] for each in runs(one)]
    totals = {name: sum(each[name] for each in counts) for name in counts[0]}
    assert all(totals.values()), totals
    assert files_of(asked) == files_of(one)
    assert logged(asked) == logged(one)
    assert records_of(asked) == records_of(one)

    # Afterwards each of them goes on as the other.
    for home in (one, asked):
        fixed_chance(monkeypatch)
        decide_alone(home, write_given(tmp_path / "more", "more", stream(9, rows=60)), 9)
        assert replay(home).identical
    assert logged(asked) == logged(one)
    assert verify_receipt(issue_receipt(asked, "car").proof, policy_of(asked)).fields == verify_receipt(
        issue_receipt(one, "car").proof, policy_of(one)
    ).fields
    assert explain_terminal(asked, "car").explanation.as_text() == explain_terminal(one, "car").explanation.as_text()


def test_corrections_that_one_machine_decides_in_parts_are_the_same(
    template: Home, parts: list[list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lateness_module, "CORRECTION_ROWS", 100)
    compared = list[bool]()
    same = taking_module._same_corrections
    monkeypatch.setattr(taking_module, "_same_corrections", lambda *given: compared.append(same(*given)) or compared[-1])
    home = copy_home(template, tmp_path / "home")
    for number, files in enumerate(parts[:2]):
        spread(home, files, tmp_path / "out", PlainCluster(number), at(number), 2)
    assert taken(home, tmp_path / "out") == [1, 2]
    assert compared == [True]
    assert replay(home).identical
    forged(tmp_path / "out", "corrections")
    assert not same(home, 2, DecidedFolder.open(tmp_path / "out").batches[1])


def test_a_home_without_a_log_takes_too_and_nothing_twice(parts: list[list[Path]], tmp_path: Path) -> None:
    home, out = make_home(tmp_path / "home"), tmp_path / "out"
    spread(home, parts[0], out, PlainCluster(), at(0), 2)
    assert taken(home, out) == [1]
    assert taken(home, out) == []
    # The folder goes on after what was taken.
    found = spread(home, parts[1], out, PlainCluster(), at(1), 2)
    assert found.counts.late > 0
    assert held_by(home, DecidedFolder.open(out)).batches == 1
    assert taken(home, out, 2) == [2]
    assert replay(home).identical
    # What the home decides later takes nothing from it.
    run(home, stream(8, rows=30))
    assert taken(home, out) == []
    with pytest.raises(ConflictError, match="the home has decided more"):
        spread(home, parts[2], out, PlainCluster(), at(3))


def test_a_batch_of_a_stream_without_a_usable_row_makes_no_run(parts: list[list[Path]], tmp_path: Path) -> None:
    home, out, bad = make_home(tmp_path / "home"), tmp_path / "out", tmp_path / "bad.csv"
    bad.write_text("terminal_id,observed_at,lat_deg,lon_deg\ncar,yesterday,5,5\n")
    for number, files in enumerate([[bad], parts[0], parts[0], [bad]]):
        decide_into(home, files, out, PlainCluster(), recorded_at_ns=at(number), overlay=NO_OVERLAY, buckets=2, stream=("a", number))
    assert taken(home, out, 4) == [2, 3]
    assert [read_manifest(home, each)["counts"]["decided"] > 0 for each in runs(home)] == [True, False]
    assert taken(home, out) == []
    assert replay(home).identical


@pytest.fixture
def decided(parts: list[list[Path]], tmp_path: Path) -> tuple[Home, Path]:
    home = make_home(tmp_path / "home")
    for number in (0, 1):
        spread(home, parts[number], tmp_path / "out", PlainCluster(), at(number), 2)
    return home, tmp_path / "out"


def test_what_does_not_belong_to_the_home_is_refused(decided: tuple[Home, Path], parts: list[list[Path]], tmp_path: Path) -> None:
    home, out = decided

    def refused(what: str, of: Home) -> None:
        before = files_of(of)
        with pytest.raises(ConflictError, match=what):
            taken(of, out, 2)
        assert files_of(of) == before

    refused("decisions of another home", make_home(tmp_path / "other"))
    further = copy_home(home, tmp_path / "further")
    run(further, stream(8, rows=30))
    refused("run 1 is not batch 1", further)
    changed = copy_home(home, tmp_path / "changed")
    store_rulebook(changed, LATER)
    (changed.rulebooks / "current.json").write_text(json.dumps({"rulebook": LATER.digest}), encoding="utf-8")
    refused("another rulebook than is in force", changed)
    registered = copy_home(home, tmp_path / "registered")
    register(registered, "accounts", "account_id,party_id,country,state\nacc-b,p2,BE,suspended\n", recorded_at=at(0) - 1)
    refused("registers that this home did not have then", registered)
    # What came into the registers later changes nothing.
    register(home, "accounts", "account_id,party_id,country,state\nacc-b,p2,BE,suspended\n", recorded_at=at(5))
    assert taken(home, out) == [1, 2]
    # A folder that was begun on another history.
    begun = spread(further, parts[0], tmp_path / "else", PlainCluster(), at(7), 2)
    assert begun.batch.manifest["base"]["run"] == 1
    with pytest.raises(ConflictError, match="was another then"):
        taken(home, tmp_path / "else")


def rewritten(folder: Path, number: int, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / f"batch-{number:06d}" / MANIFEST
    content = json.loads(path.read_bytes())
    change(content)
    path.write_bytes(canonical_json(content))


def forged(folder: Path, kind: str) -> None:
    """Let a decision of the second batch say something else, with digests that fit."""
    batch = DecidedFolder.open(folder).batches[1]
    file = next(each for each in batch.files if each.kind == kind)
    table = batch.table(file)
    place, rule = table.column_names.index("rule"), table.schema.field("rule")
    rules = table["rule"].combine_chunks().cast(pa.string())
    changed = pa.concat_arrays([rules.slice(1), pa.array(["too-fast" if rules[0].as_py() == "default" else "default"])])
    table = table.set_column(place, rule, changed.cast(rule.type))
    written = put_file(batch.folder, file.name.split("/")[0], kind, file.bucket, table)
    digests = {each.bucket: TableDigest() for each in batch.files if each.kind == kind}
    for each in batch.files:
        if each.kind == kind:
            digests[each.bucket].update(batch.table(written if each is file else each))

    def change(content: dict[str, Any]) -> None:
        files = [each for each in content["files"] if (each["kind"], each["bucket"]) != (kind, file.bucket)]
        content["files"] = sorted([*files, to_builtins(written)], key=lambda each: (each["kind"], each["bucket"]))
        content[kind] = combined({bucket: each.content for bucket, each in digests.items()})

    rewritten(folder, 2, change)


@pytest.mark.parametrize("kind", ["decisions", "corrections", "counts"])
def test_what_this_machine_decides_otherwise_is_not_taken(decided: tuple[Home, Path], kind: str) -> None:
    home, out = decided
    if kind == "counts":
        rewritten(out, 2, lambda content: content["counts"].update(late=7))
    else:
        forged(out, kind)
    assert DecidedFolder.open(out).check() > 0
    with pytest.raises(IntegrityError, match=f"decides otherwise than the cluster did: the {kind}"):
        taken(home, out)
    # The batch before it is there, and nothing of this one.
    assert runs(home) == [1]
    assert not run_files(home, "decisions", 2)
    assert replay(home).identical


def test_decisions_of_another_program_version_are_refused(decided: tuple[Home, Path]) -> None:
    home, out = decided
    rewritten(out, 2, lambda content: content.update(engine="groundrule/0.0.0"))
    with pytest.raises(ConflictError, match=r"was decided by groundrule/0\.0\.0"):
        taken(home, out, 2)
    assert runs(home) == []


@pytest.mark.parametrize("moment", ["before the manifest", "before the entries"])
def test_a_crash_leaves_a_batch_untaken_or_taken(
    template: Home, parts: list[list[Path]], tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    home, out = copy_home(template, tmp_path / "home"), tmp_path / "out"
    for number in (0, 1):
        spread(home, parts[number], out, PlainCluster(), at(number), 2)
    assert taken(home, out, 1) == [1]

    def die(*_arguments: object, **_options: object) -> None:
        raise Killed

    opened, ledger = DecidedFolder.open(out), ledger_of(home)
    assert ledger is not None
    with monkeypatch.context() as patched:
        if moment == "before the manifest":
            patched.setattr(runs_module, "write_manifest", die)
        else:
            patched.setattr(HomeLedger, "flush", die)
        with home.writer(), pytest.raises(Killed), ledger:
            list(take(home, opened, ledger))
    finished = moment != "before the manifest"
    assert manifest_path(home, 2).exists() == finished
    assert taken(home, out) == ([] if finished else [2])
    assert replay(home).identical
    ledger = ledger_of(home)
    assert ledger is not None
    with home.writer(), ledger:
        ledger.commit()
    assert issue_receipt(home, "car").fields["terminal_id"] == "car"


def test_the_command_takes_says_what_it_took_and_stops_at_damage(decided: tuple[Home, Path]) -> None:
    home, out = decided

    def command(*more: str) -> Any:
        return CliRunner().invoke(app, ["decided", str(out), "--take", "--home", str(home.path), *more])

    (file, *_) = out.glob("batch-000002/*/decisions/*")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    answer = command()
    assert isinstance(answer.exception, GroundruleError)
    assert "is not what its manifest says" in str(answer.exception)
    assert runs(home) == []
    file.write_bytes(whole)
    found = json.loads(command("--json").stdout)
    assert [(each["batch"], each["run"], each["log"]) for each in found["taken"]] == [(1, 1, None), (2, 2, None)]
    assert found["taken"][1]["decisions"] == read_manifest(home, 2)["decisions"]["digest"]
    answer = command()
    assert answer.exit_code == 0
    assert "nothing was taken" in answer.stdout
