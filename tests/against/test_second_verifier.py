"""The second verifier against Groundrule: written from the standards alone, it must say the same about every receipt and log."""

from __future__ import annotations

import ast
import base64
import importlib.util
import json
import random
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import real_receipts
from real_receipts import Ledger, Receipt

import ledger_vectors
from groundrule.canon import canonical_json
from groundrule.errors import GroundruleError
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.ledger.log import Log
from groundrule.ledger.policy import Policy

TOOL = Path(__file__).resolve().parents[2] / "tools" / "groundrule_verify.py"
RECEIPTS = 300
BYTE_MUTATIONS = 500


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("groundrule_verify", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


verifier = load_tool()


def second(
    policy: bytes, receipt: bytes = b"", *, log: Path | None = None, raw: bool = False, pinned: Sequence[bytes] = ()
) -> tuple[str | None, dict[str, Any]]:
    """Return what the second verifier finds wrong, or None, and what it found out; anything but its own error fails the test."""
    facts: dict[str, Any] = {"fields": {}}
    args = SimpleNamespace(receipt=bool(receipt) or log is None, log=log, raw=raw)
    try:
        list(verifier.steps(args, policy, receipt, list(pinned), facts))
    except (verifier.Failed, OSError) as error:
        return str(error), facts
    return None, facts


def first(policy: Policy, receipt: bytes, **options: Any) -> str | None:
    """Return what Groundrule finds wrong, or None."""
    try:
        verify_receipt(receipt, policy, **options)
    except GroundruleError as error:
        return str(error)
    return None


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-I", TOOL, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return Ledger(tmp_path_factory.mktemp("second") / "log", 3, [1, 0, 5, 259, 40, 2, 1, 30, 1])


@pytest.fixture(scope="module")
def receipts(ledger: Ledger) -> list[Receipt]:
    made = ledger.receipts()
    assert len(made) >= RECEIPTS
    return made


# --- what it is -------------------------------------------------------------------------------------------------------


def test_it_is_short_and_stands_alone() -> None:
    text = TOOL.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    assert max(map(len, text.splitlines())) <= 140
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).partition(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


# --- receipts ---------------------------------------------------------------------------------------------------------


def test_every_receipt_is_accepted_with_its_fields(ledger: Ledger, receipts: list[Receipt]) -> None:
    policy = Policy.parse(ledger.policy)
    for receipt in receipts:
        wrong, facts = second(ledger.policy, receipt.data)
        assert wrong is None
        verified = verify_receipt(receipt.data, policy)
        assert facts["fields"] == receipt.opened == dict(verified.fields)
        assert facts["index"] == receipt.index == verified.batch_index
        assert facts["witnesses"] == ["w1", "w2"]


def test_every_altered_receipt_is_refused(ledger: Ledger, receipts: list[Receipt]) -> None:
    policy, rng = Policy.parse(ledger.policy), random.Random(8)
    refused = 0
    for receipt in rng.sample(receipts, 6):
        other = next(r for r in receipts if r.index != receipt.index)
        altered = real_receipts.field_mutations(receipt.data, other.data, rng)
        altered += real_receipts.frame_mutations(receipt.data, ledger.checkpoints[0], rng)
        for what, data in altered:
            assert data != receipt.data, what
            assert second(ledger.policy, data)[0] is not None, f"the second verifier accepts: {what}"
            assert first(policy, data) is not None, f"Groundrule accepts: {what}"
            refused += 1
    assert refused >= 400


def test_every_altered_byte_is_refused(ledger: Ledger, receipts: list[Receipt]) -> None:
    policy, rng = Policy.parse(ledger.policy), random.Random(9)
    for number in range(10):
        whole = real_receipts.one_log_line(rng.choice(receipts).data, long=number % 2 == 0)
        assert second(ledger.policy, whole)[0] is None
        for what, data in real_receipts.byte_mutations(whole, rng, BYTE_MUTATIONS // 10):
            if data != whole:
                assert second(ledger.policy, data)[0] is not None, f"the second verifier accepts: {what}"
                assert first(policy, data) is not None, f"Groundrule accepts: {what}"


def test_what_does_not_matter_is_not_refused(ledger: Ledger, receipts: list[Receipt]) -> None:
    policy, rng = Policy.parse(ledger.policy), random.Random(10)
    for receipt in rng.sample(receipts, 5):
        for what, data in real_receipts.neutral_changes(receipt.data, rng):
            assert second(ledger.policy, data)[0] is None, what
            assert first(policy, data) is None, what


def test_another_policy_refuses(ledger: Ledger, receipts: list[Receipt]) -> None:
    everybody = ledger.policy.replace(b" 2 ", b" 3 ", 1)
    assert everybody != ledger.policy
    nobody = ledger.policy.replace(b"witness w1 ", b"witness other ", 1).replace(b" w1", b" other")
    for text in (everybody, nobody):
        wrong = second(text, receipts[0].data)[0]
        assert (wrong is None) == (first(Policy.parse(text), receipts[0].data) is None)
    assert "quorum" in str(second(everybody, receipts[0].data)[0])
    log_line = next(line for line in ledger.policy.splitlines(keepends=True) if line.startswith(b"log ") and len(line) < 500)
    without_logs = b"".join(line for line in ledger.policy.splitlines(keepends=True) if not line.startswith(b"log "))
    assert second(without_logs, receipts[0].data)[0] is not None
    assert second(log_line + without_logs, receipts[0].data)[0] is None


def test_pinned_checkpoints(ledger: Ledger, receipts: list[Receipt]) -> None:
    old, _, new = ledger.checkpoints
    receipt = receipts[-1].data
    assert second(ledger.policy, receipt, pinned=[old, new])[0] is None
    early, policy = ledger.early[0].data, Policy.parse(ledger.policy)
    assert second(ledger.policy, early, pinned=[old])[0] is None
    assert first(policy, early, pinned=old) is None
    assert "no later state" in str(second(ledger.policy, early, pinned=[new])[0])
    assert first(policy, early, pinned=new) is not None
    assert second(ledger.policy, early, log=ledger.folder, pinned=[old])[0] is None
    other = Ledger(ledger.folder.parent / "other", 3, [2, 0, 5, 259, 40, 2, 1, 30, 1, 1])
    assert other.policy == ledger.policy, "the same keys sign another history"
    assert "no later state" in str(second(ledger.policy, receipt, pinned=[other.checkpoints[-1]])[0])
    assert first(policy, receipt, pinned=other.checkpoints[-1]) is not None
    assert second(ledger.policy, receipt, log=ledger.folder, pinned=[old])[0] is None
    assert "rewritten" in str(second(ledger.policy, receipt, log=ledger.folder, pinned=[other.checkpoints[0]])[0])


def test_garbage_never_traces_back(ledger: Ledger, receipts: list[Receipt]) -> None:
    rng = random.Random(11)
    whole = receipts[0].data
    pieces = [whole, ledger.policy, b"\n\n", b"c2sp.org/tlog-proof@v1\nextra e30=\nindex 0\n\n", b"\xff\xfe", bytes(50)]
    pieces.append("\u2014 x ".encode())
    for _ in range(1500):
        parts = [piece[rng.randrange(len(piece)) :][: rng.randrange(400)] for piece in rng.choices(pieces, k=rng.randrange(1, 5))]
        garbage = b"".join([*parts, rng.randbytes(rng.randrange(40))])
        assert second(ledger.policy, garbage)[0] is not None
        assert second(garbage, whole)[0] is not None
        assert second(ledger.policy, whole, pinned=[garbage])[0] is not None
    for at in range(0, len(ledger.policy), 7):
        second(ledger.policy[:at] + bytes([rng.randrange(256)]) + ledger.policy[at + 1 :], whole)


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command(ledger: Ledger, receipts: list[Receipt], tmp_path: Path) -> None:
    good, bad, policy = tmp_path / "a.tlog-proof", tmp_path / "b.tlog-proof", tmp_path / "policy"
    good.write_bytes(receipts[5].data)
    bad.write_bytes(receipts[5].data.replace(b"\nindex ", b"\nindex 1", 1))
    policy.write_bytes(ledger.policy)
    ran = command(good, "--policy", policy)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "All of it HOLDS." in ran.stdout
    ran = command(good, "--policy", policy, "--json", "--log", ledger.folder)
    told = json.loads(ran.stdout)
    assert told["holds"] is True
    assert told["fields"] == receipts[5].opened
    assert told["existed_before"].startswith("2026-")
    ran = command(bad, "--policy", policy)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "\nFAILED at step 2: " in ran.stdout
    told = json.loads(command(bad, "--policy", policy, "--json").stdout)
    assert told["holds"] is False
    assert "fields" not in told
    (tmp_path / "garbage").write_bytes(secrets.token_bytes(5000))
    for arguments, code in [
        ((tmp_path / "garbage", "--policy", policy), 1), ((good, "--policy", tmp_path / "garbage"), 1),
        ((tmp_path / "nothing", "--policy", policy), 2), ((good,), 2), (("--policy", policy), 2), ((tmp_path, "--policy", policy), 2),
        (("--log", tmp_path, "--policy", policy), 1), ((good, "--policy", policy, "--pinned", good), 1), (("--frob",), 2),
    ]:  # fmt: skip
        ran = command(*arguments)
        assert ran.returncode == code, ran.stderr
        assert "Traceback" not in ran.stderr + ran.stdout


# --- whole logs -------------------------------------------------------------------------------------------------------


def test_our_log_is_accepted(ledger: Ledger) -> None:
    wrong, facts = second(ledger.policy, log=ledger.folder, pinned=ledger.checkpoints)
    assert wrong is None
    report = fsck(ledger.folder, Policy.parse(ledger.policy))
    assert facts["size"] == report.size == ledger.log.size
    assert report.faults == ()


def test_every_damaged_file_is_noticed(tmp_path: Path) -> None:
    made = Ledger(tmp_path / "log", 12, [3, *[0] * 150, 1])
    rng, policy = random.Random(13), Policy.parse(made.policy)
    tree = made.log.tree()
    files = [str(path) for path in ledger_vectors.resources(_Entries(tree.entry, made.log.size), made.log.size)]
    assert len(files) >= 5
    damages: list[tuple[str, Callable[[bytes], bytes | None]]] = [
        ("bit", lambda data: _flip(data, rng)), ("cut", lambda data: data[:-1]), ("longer", lambda data: data + b"\0"),
        ("empty", lambda _: b""), ("zeros", lambda data: bytes(len(data))), ("missing", lambda _: None),
    ]  # fmt: skip
    for file in [*files, "checkpoint"]:
        for what, damage in [*damages, *[damages[0]] * 4]:
            path = made.folder / file
            before = path.read_bytes()
            if file == "checkpoint" and what == "bit":
                continue  # a bit of one of the log's two signature lines makes a line of nobody; receipts test that
            after = damage(before)
            path.unlink() if after is None else path.write_bytes(after)
            assert second(made.policy, log=made.folder)[0] is not None, (file, what)
            assert fsck(made.folder, policy).faults, (file, what)
            path.write_bytes(before)
    assert second(made.policy, log=made.folder)[0] is None


class _Entries(ledger_vectors.Tree):
    """A tree of the plain definitions over the entries of a real log."""

    def __init__(self, entry: Callable[[int], bytes], size: int) -> None:
        super().__init__([entry(i) for i in range(size)])


def _flip(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def entry(seq: int, minute: int, **changes: Any) -> bytes:
    time = f"2026-01-01T00:{minute:02}:00.000Z"
    return canonical_json({"v": 1, "kind": "heartbeat", "stream": "governance", "seq": seq, "t": time, "body": {"minute": time}, **changes})


@pytest.mark.parametrize(
    ("what", "entries"),
    [
        ("a gap", [entry(0, 0), entry(2, 2)]), ("a repeat", [entry(0, 0), entry(0, 0)]), ("a late start", [entry(1, 1)]),
        ("time backwards", [entry(0, 5), entry(1, 4)]), ("an unknown kind", [entry(0, 0, kind="gossip")]),
        ("not canonical", [entry(0, 0) + b" "]), ("version 2", [entry(0, 0, v=2)]),
        ("a float", [entry(0, 0).replace(b'"v":1', b'"v":1.0')]),
        ("a bad stream", [entry(0, 0, stream="Governance")]), ("no JSON", [b"hello"]), ("another key", [entry(0, 0, x=1)]),
        ("a bad time", [entry(0, 0, t="2026-01-01 00:00:00Z")]),
    ],
)  # fmt: skip
def test_a_log_of_wrong_entries_is_refused(what: str, entries: list[bytes], tmp_path: Path, ledger: Ledger) -> None:
    raw_log(tmp_path / "log", entries, ledger)
    assert second(ledger.policy, log=tmp_path / "log", raw=True)[0] is None, what
    assert second(ledger.policy, log=tmp_path / "log")[0] is not None, what
    assert fsck(tmp_path / "log", Policy.parse(ledger.policy)).faults, what


def test_a_batch_without_its_body_is_refused(tmp_path: Path, ledger: Ledger) -> None:
    raw_log(tmp_path / "log", [entry(0, 0, kind="decision-batch")], ledger)
    assert "the batch must have exactly these keys" in str(second(ledger.policy, log=tmp_path / "log")[0])


def raw_log(folder: Path, entries: list[bytes], ledger: Ledger) -> None:
    def clock() -> int:
        return real_receipts.START_S * 10**9

    with Log.create(folder, signers=ledger.signers, policy=ledger.policy, clock=clock, raw=True) as log:
        log.append_raw(entries)
        log.commit(lambda data, _: ledger.witnessed(data, ledger.witnesses[:2]))


# --- the standards: fresh vectors -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh() -> ledger_vectors.Vectors:
    return ledger_vectors.Vectors(f"s{secrets.token_hex(4)}", large=False)


def holds(action: Callable[[], object]) -> bool:
    try:
        action()
    except (verifier.Failed, OSError):
        return False
    return True


def simple_policy(logs: Sequence[str], witnesses: Sequence[str] = ()) -> Any:
    lines = [f"log {vkey}\n" for vkey in logs] + [f"witness {i} {vkey}\n" for i, vkey in enumerate(witnesses)]
    return verifier.parse_policy("".join([*lines, "quorum none\n"]).encode())


def test_it_agrees_with_fresh_vectors(fresh: ledger_vectors.Vectors) -> None:
    for case in fresh.inclusion()["cases"]:
        assert holds(lambda c=case: _inclusion(c)) != case["wantErr"], (fresh.seed, case)
    for case in fresh.vkeys()["cases"]:
        assert holds(lambda c=case: verifier.parse_key(c["vkey"])) == case["valid"], (fresh.seed, case)
    for case in fresh.policies()["cases"]:
        assert holds(lambda c=case: verifier.parse_policy(c["policy"].encode())) == case["valid"], (fresh.seed, case["desc"])
        for names, expected in case.get("satisfied_by", ()):
            policy = verifier.parse_policy(case["policy"].encode())
            assert verifier.reached(policy, names, policy.quorum) == expected, (fresh.seed, case["desc"], names)
    for case in fresh.checkpoints()["cases"]:
        data, policy = base64.b64decode(case["note_b64"]), simple_policy(case["vkeys"])
        expected = case["expect"] == "accept"  # what is left open by the standards is refused here
        assert holds(lambda d=data, p=policy: verifier.open_checkpoint(d, p)) == expected, (fresh.seed, case["desc"])
    for case in fresh.cosignatures()["cases"]:
        found = verifier.open_checkpoint(case["note"].encode(), simple_policy([case["log_vkey"]], case["witness_vkeys"]))
        order = [vkey.split("+")[0] for vkey in case["witness_vkeys"]]
        assert found.times == {str(order.index(w["name"])): w["timestamp"] for w in case["valid"]}, (fresh.seed, case["desc"])


def _inclusion(case: dict[str, Any]) -> None:
    path = [verifier.b64(part, "a hash", 32) for part in case["proof"]]
    found = verifier.root_by_path(case["leafIdx"], case["treeSize"], base64.b64decode(case["leafHash"]), path)
    verifier.check(found == base64.b64decode(case["root"]), "the root differs")


def test_it_agrees_on_sound_and_damaged_logs(fresh: ledger_vectors.Vectors, tmp_path: Path) -> None:
    listed, archives = fresh.logs()
    alone = f"log {listed['log_vkey']}\nquorum none\n".encode()
    policy, prev = listed["policy"].encode(), listed["prev"].encode()
    good = archives["logs/good.tar.gz"]["checkpoint"]
    expected = {
        "ok": (True, True, True, True), "bad": (False,) * 4, "bad-with-prev": (True, False, False, False),
        "bad-with-policy": (True, True, False, True), "needs-other-view": (True, True, False, False),
    }  # fmt: skip
    for case in listed["cases"]:
        folder = tmp_path / "log"
        for path, data in archives[case["file"]].items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        found = tuple(
            second(keys, log=folder, raw=True, pinned=pinned)[0] is None
            for keys, pinned in ((alone, []), (alone, [prev]), (policy, [prev]), (alone, [prev, good]))
        )
        assert found == expected[case["expect"]], (fresh.seed, case["name"])
        shutil.rmtree(folder)
