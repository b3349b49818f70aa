"""`groundrule ledger verify`, `fsck` and `monitor` as a program drives them: exit codes and one JSON object."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import audit_logs as logs
from groundrule.cli import main
from groundrule.ledger.proof import Proof


class Ran:
    """What a command ended with."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["groundrule", "ledger", *map(str, arguments)])
        try:
            main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code or 0
        shown = capsys.readouterr()
        assert isinstance(code, int)
        return Ran(code, shown.out, shown.err)

    return command


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A log with its policy, and a plain proof with its entry beside it."""
    story = logs.ordinary_story(50)
    logs.write(tmp_path / "log", {**logs.log_files(story.entries), "policy": logs.POLICY_TEXT.encode()})
    proof = Proof(3, tuple(logs.tree(story.entries).inclusion_path(3)), logs.head(story.entries)).format()
    small = logs.head(story.entries[:20])
    other = logs.head([*story.entries[:-1], b"another"], witnesses=())
    logs.write(
        tmp_path,
        {
            "proof": proof,
            "entry": story.entries[3],
            "pinned": small,
            "other": other,
            "policy": logs.POLICY_TEXT.encode(),
        },
    )
    return tmp_path


def test_verify_says_what_is_proved_and_what_is_not(run: Any, place: Path) -> None:
    done = run(
        "verify", place / "proof", "--entry", place / "entry", "--pinned", place / "pinned", "--log", place / "log"
    )
    assert done.code == 0, done.err
    assert done.out.startswith("VERIFIED")
    assert "agrees with the pinned checkpoint" in done.out
    assert "everything that happened was recorded" in done.out
    found = run("verify", place / "proof", "--entry", place / "entry", "--json").json
    assert found["verified"] is True
    assert found["log"]["index"] == 3
    assert [witness["name"] for witness in found["witnesses"]] == ["W0", "W1", "W2"]


def test_verify_tells_a_failed_proof_from_wrong_usage(run: Any, place: Path) -> None:
    (place / "garbage").write_bytes(b"\x00\xffgarbage")
    refused = run("verify", place / "garbage", "--json")
    assert (refused.code, refused.json["verified"], refused.json["step"]) == (1, False, "form")
    text = run("verify", place / "garbage")
    assert text.code == 1
    assert "NOT VERIFIED" in text.out
    assert "not a receipt" in text.out
    (place / "entry").write_bytes(b"another entry")
    assert run("verify", place / "proof", "--entry", place / "entry", "--json").json["step"] == "inclusion"
    for arguments in (
        ("verify", place / "missing"),
        ("verify", place / "proof"),
        ("verify", place / "proof", "--entry", place / "missing"),
        ("verify", place / "proof", "--entry", place / "entry", "--policy", place / "missing"),
        ("verify", place / "proof", "--entry", place / "entry", "--policy", place / "garbage"),
        ("verify",),
        ("verify", place / "proof", "--no-such-option"),
    ):
        ended = run(*arguments)
        assert ended.code == 2, arguments
        assert ended.err
        assert "Traceback" not in ended.err


def test_fsck_ends_with_one_at_any_fault(run: Any, place: Path) -> None:
    assert run("fsck", "--log", place / "log", "--pinned", place / "pinned").code == 0
    whole = run("fsck", "--log", place / "log", "--json").json
    assert (whole["ok"], whole["size"], whole["faults"]) == (True, 50, [])
    split = run("fsck", "--log", place / "log", "--other", place / "other", "--json")
    assert split.code == 1
    assert len(split.json["split_view"]) == 2
    tile = place / "log" / "tile/0/000.p/50"
    tile.write_bytes(logs.flip(tile.read_bytes(), 9))
    damaged = run("fsck", "--log", place / "log", "--json")
    assert damaged.code == 1
    assert [(fault["path"], fault["index"]) for fault in damaged.json["faults"]] == [("tile/0/000.p/50", 0)]
    assert "DAMAGED" in run("fsck", "--log", place / "log").out
    assert run("fsck", "--log", place / "nowhere").code == 2
    assert run("fsck").code == 2


def test_fsck_finds_the_log_of_a_home(run: Any, place: Path) -> None:
    (place / "log").rename(place / "ledger")
    assert run("fsck", "--home", place).code == 0


def test_monitor_pins_and_keeps_its_pin_when_a_check_fails(run: Any, place: Path) -> None:
    now = ("--now", logs.at(3060))
    first = run("monitor", "--log", place / "log", "--state", place / "state", *now, "--json")
    assert (first.json["advanced"], first.json["pinned_size"]) == (True, None)
    # The story's enactment has no charter behind it, and that is what it is told about; the pin moves all the same.
    assert (first.code, [alert["kind"] for alert in first.json["alerts"]]) == (1, ["no-effect"])
    kept = (place / "state").read_bytes()
    shorter = logs.log_files(logs.ordinary_story(40).entries)
    logs.write(place / "older", {**shorter, "policy": logs.POLICY_TEXT.encode()})
    failed = run("monitor", "--log", place / "older", "--state", place / "state", *now, "--json")
    assert failed.code == 1
    assert "rollback" in {alert["kind"] for alert in failed.json["alerts"]}
    assert (place / "state").read_bytes() == kept
    split = run("monitor", "--log", place / "log", "--state", place / "state", "--other", place / "other", *now)
    assert split.code == 1
    assert "cannot both be true" in split.out
    stale = run("monitor", "--log", place / "log", "--state", place / "state", "--now", logs.at(9_000_000), "--json")
    assert {alert["kind"] for alert in stale.json["alerts"]} == {"no-effect", "stale"}
    (place / "state").write_bytes(b"{}")
    assert run("monitor", "--log", place / "log", "--state", place / "state", *now).code == 2


def test_monitor_reports_a_finding_until_a_person_has_seen_it(run: Any, place: Path) -> None:
    story = logs.ordinary_story(5)
    story.batch(9)
    logs.write(place / "gap", {**logs.log_files(story.entries), "policy": logs.POLICY_TEXT.encode()})
    command = ("monitor", "--log", place / "gap", "--state", place / "state", "--now", logs.at(400))
    assert run(*command).code == 1
    assert "(known)" in run(*command).out
    assert run(*command, "--acknowledge").code == 1
    assert run(*command).code == 0


def test_the_audit_needs_nothing_but_the_formats(tmp_path: Path) -> None:
    program = (
        "import sys, groundrule.ledger.audit.monitor, groundrule.ledger.audit.fsck, groundrule.ledger.audit.words;"
        "print('\\n'.join(sorted(m for m in sys.modules if m.startswith('groundrule'))));"
        "print('\\n'.join(sorted({m.split('.')[0] for m in sys.modules} - sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    loaded = set(done.stdout.split())
    ours = {name for name in loaded if name.startswith("groundrule.")}
    formats = {
        "tree", "tiles", "note", "checkpoint", "cosignature", "policy", "proof", "entry", "commitment", "audit",
    }  # fmt: skip
    allowed = {"groundrule.errors", "groundrule.canon", "groundrule.instant", "groundrule.signing", "groundrule.ledger"}
    for name in ours - allowed:
        assert name.split(".")[1] == "ledger", name
        assert name.split(".")[2] in formats, name
    others = {name for name in loaded - ours if "." not in name}
    assert "cryptography" in others
    assert not others & {"numpy", "pyarrow", "sqlalchemy", "numba", "rfc8785", "typer", "rich", "yaml", "msgspec"}
