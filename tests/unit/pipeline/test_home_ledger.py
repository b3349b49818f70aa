"""The log of a home: genesis that a crash cannot spoil, changes that wait for witnesses, reading where nothing can be written."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from groundrule.errors import ConflictError
from groundrule.ledger.audit.conduct import Conduct
from groundrule.ledger.log import Log, read_log
from groundrule.ledger.note import COSIGNATURE_ED25519, NoteSigner
from groundrule.ledger.policy import Policy
from groundrule.pipeline import home_ledger
from groundrule.pipeline.home import import_areas, rulebook_of
from groundrule.pipeline.home_ledger import (
    GenesisParts,
    HomeLedger,
    LedgerSetup,
    has_ledger,
    keys_folder,
    log_folder,
    new_signers,
    policy_of,
)
from groundrule.pipeline.receipts import issue_receipt
from groundrule.pipeline.replaying import replay
from groundrule.signing import SigningKey
from groundrule.store.area_store import current_areas_digest
from groundrule.store.home import Home
from groundrule.store.keys import KeyService
from groundrule.store.records import RecordStore
from small_home import AREAS, make_home, run, stream


class Killed(BaseException):
    """The process ends here."""


STEPS = ["keys", "signers", "records", "log", "queue", "flush", "ready", "keys moved", "records moved"]


@pytest.mark.parametrize("step", STEPS)
def test_a_genesis_that_was_broken_off_is_completed_by_the_next(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_home(tmp_path / "home")
    book = rulebook_of(home).digest

    def die(*_arguments: object, **_options: object) -> None:
        raise Killed

    moves = 0
    rename = Path.rename

    def die_after(self: Path, target: Path) -> Path:
        nonlocal moves
        moves += self.name.endswith(".new")
        if moves == {"keys moved": 2, "records moved": 3}[step]:
            raise Killed
        return rename(self, target)

    with monkeypatch.context() as patched:
        targets = {
            "keys": (KeyService, "create"), "signers": (KeyService, "put_log_signers"), "records": (RecordStore, "create"),
            "log": (Log, "create"), "queue": (HomeLedger, "queue"), "flush": (HomeLedger, "flush"),
            "ready": (home_ledger, "write_durably"),
        }  # fmt: skip
        if step in targets:
            patched.setattr(*targets[step], die)
        else:
            patched.setattr(Path, "rename", die_after)
        with home.writer(), pytest.raises(Killed):
            HomeLedger.create(home, rulebook=book)
    with home.writer(), HomeLedger.create(home, rulebook=book) as made:
        assert made.commit().published
        assert made.log.size == 3
    assert not list(home.path.glob("*.new"))
    assert not list(home.path.parent.glob("*.new"))
    assert not GenesisParts.of(home).ready.exists()
    run(home, stream(1))
    assert replay(home).identical
    assert issue_receipt(home, "car").size == 5
    with home.writer(), pytest.raises(ConflictError, match="has a log already"):
        HomeLedger.create(home, rulebook=book)


def test_two_homes_may_share_a_folder_of_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDRULE_KEYS", str(tmp_path / "keys"))
    homes = [make_home(tmp_path / name, ledger=LedgerSetup()) for name in ("one", "two")]
    for home in homes:
        run(home, stream(1))
        assert issue_receipt(home, "car").size == 5
    assert len(list((tmp_path / "keys" / "signers").iterdir())) == 2


def unreachable(home_signers: tuple[NoteSigner, ...]) -> LedgerSetup:
    witness = NoteSigner("absent.example", COSIGNATURE_ED25519, SigningKey.generate("ed25519"))
    vkeys = [str(signer.verifier) for signer in home_signers]
    policy = Policy.format_simple(vkeys, [("absent", str(witness.verifier), "http://127.0.0.1:9")], 1)
    return LedgerSetup(signers=home_signers, policy=policy)


def test_areas_do_not_come_into_force_without_their_witnesses(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ledger=unreachable(new_signers("log.example/waits")))
    before = current_areas_digest(home)
    with home.writer(), pytest.raises(ConflictError, match="not in force"):
        import_areas(home, (replace(AREAS[3], id="another"),))
    assert current_areas_digest(home) == before


def test_a_log_that_was_removed_with_its_records_shows_by_its_keys(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ledger=LedgerSetup())
    run(home, stream(1))
    shutil.rmtree(log_folder(home))
    (home.path / "records.sqlite").unlink()
    assert not has_ledger(home)
    assert any("the log that they are for is gone" in fault for fault in replay(home).faults)


def test_a_home_that_is_being_written_is_not_accused(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ledger=LedgerSetup())
    run(home, stream(1))
    manifest = json.loads((home.manifests / "run-000001.json").read_bytes())
    (home.manifests / "run-000002.json").write_text(json.dumps(manifest))
    assert "run 2 is not in the log" in replay(home).faults
    with home.writer():
        found = replay(home)
    assert "run 2 is not in the log" not in found.faults
    assert any("enters the log at this moment" in note for note in found.notes)


def test_a_home_on_a_medium_that_cannot_be_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_home(tmp_path / "home", ledger=LedgerSetup())
    run(home, stream(1))
    touched = {path: path.stat().st_mtime_ns for path in (home.path, keys_folder(home))}
    monkeypatch.setattr("groundrule.store.sqlite_file.os.access", lambda *_: False)
    assert issue_receipt(home, "car").fields["terminal_id"] == "car"
    assert {path: path.stat().st_mtime_ns for path in touched} == touched


def test_minutes_in_which_an_engine_decided_are_no_suppressed_heartbeats() -> None:
    conduct = Conduct()

    def entry(kind: str, stream: str, minute: int) -> dict[str, object]:
        body: dict[str, object] = {"minute": f"2026-03-01T00:{minute:02d}:00.000Z"}
        if kind == "decision-batch":
            body |= {"policy_digest": "0" * 64, "inner_root": "A" * 43 + "=", "bucket_size": 256, "evaluator_digest": "0" * 64}
        return {"kind": kind, "stream": stream, "seq": 0, "t": f"2026-03-01T00:{minute:02d}:30.000Z", "v": 1, "body": body}

    conduct.announced.add("0" * 64)
    items = [("heartbeat", 0), ("heartbeat", 1), *(("decision-batch", minute) for minute in (2, 3, 4)), ("heartbeat", 5)]
    for index, (kind, minute) in enumerate(items):
        conduct.take(index, entry(kind, "governance" if kind == "heartbeat" else "decisions.main", minute))
    assert conduct.findings == []
    conduct.take(6, entry("heartbeat", "governance", 8))
    assert [found.kind for found in conduct.findings] == ["gap-minute"]
    assert "2 minutes" in conduct.findings[0].what


def test_an_open_log_names_its_home(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", ledger=LedgerSetup(origin="log.example/named"))
    assert policy_of(home).logs[0].key.name == "log.example/named"
    head = read_log(log_folder(home)).head
    assert head is not None
    assert (head.origin, head.size) == ("log.example/named", 3)
    assert isinstance(home, Home)
