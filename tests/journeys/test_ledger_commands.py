"""The log by command: a home with witnesses, receipts in the hands of others, logs of their own, duties, and wrong input."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from console import groundrule, refused
from groundrule.ledger.note import COSIGNATURE_ED25519, NoteSigner
from groundrule.ledger.policy import Policy
from groundrule.ledger.witness import MemoryWitnessStore, Witness
from groundrule.ledger.witness_server import WitnessServer
from groundrule.pipeline.home_ledger import LedgerSetup, keys_folder, log_folder, policy_of
from groundrule.pipeline.tamper import altered_byte, flipped
from groundrule.signing import SigningKey
from groundrule.store.home import Home
from small_home import copy_home, drive, make_home, run, stream, table

OBSERVATIONS = "terminal_id,observed_at,lat_deg,lon_deg\nvan,2026-03-02T10:00:00Z,2.5,2.5\nguest,2026-03-02T10:00:00Z,5,5\n"


def within_a_minute() -> None:
    """Wait for the next minute near the end of one: a run that goes on over it has one batch more, and entries are counted here."""
    if (second := time.time() % 60) > 52:
        time.sleep(60.1 - second)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    within_a_minute()
    home = make_home(tmp_path_factory.mktemp("template") / "home", ledger=LedgerSetup())
    run(home, stream(1))
    return home


@pytest.fixture
def home(template: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    within_a_minute()
    return copy_home(template, tmp_path / "home")


Watch = Callable[[Policy], str]


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Start three witnesses of a log on loopback, and give the policy that asks for two of them."""
    with ExitStack() as stack:

        def start(policy: Policy) -> str:
            found = []
            for name in ("north", "east", "south"):
                signer = NoteSigner(f"{name}.example", COSIGNATURE_ED25519, SigningKey.generate("ed25519"))
                keys = {policy.logs[0].key.name: list(policy.log_keys)}
                witness = Witness(signer.name, [signer], keys, MemoryWitnessStore(), lambda: int(time.time()))
                server = stack.enter_context(WitnessServer(witness, "127.0.0.1", 0))
                found.append((name, str(signer.verifier), server.url))
            return Policy.format_simple([str(key) for key in policy.log_keys], found, 2)

        yield start


def test_a_home_gets_witnesses_and_its_receipts_say_so(home: Home, watch: Watch, tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text(watch(policy_of(home)))
    assert groundrule("ledger", "policy", policy, "--home", home.path, "--json").json["quorums_intersect"]
    (tmp_path / "o.csv").write_text(OBSERVATIONS)
    decided = groundrule("decide", tmp_path / "o.csv", "--home", home.path)
    assert decided.code == 0, decided
    assert "witnessed." in decided.out
    status = groundrule("ledger", "status", "--home", home.path, "--json").json
    assert status["witnessed"]
    assert len(status["witnesses"]) >= 2
    assert status["entries"] == status["published"] == 7
    proved = groundrule("ledger", "prove", "van", "--home", home.path, "--for", "owner", "--out", "van.tlog-proof")
    assert proved.code == 0, proved
    verified = groundrule("ledger", "verify", "van.tlog-proof", "--policy", policy, "--json")
    assert verified.code == 0, verified
    assert verified.json["verified"]
    # Whoever asks for a quorum that the log does not have, refuses the same receipt.
    strangers = Policy.format_simple(
        [str(key) for key in policy_of(home).log_keys],
        [("stranger", str(NoteSigner("s.example", 4, SigningKey.generate("ed25519")).verifier), None)],
        1,
    )
    (tmp_path / "strangers").write_text(strangers)
    answer = groundrule("ledger", "verify", "van.tlog-proof", "--policy", "strangers", "--json")
    assert (answer.code, answer.json["verified"], answer.json["step"]) == (1, False, "checkpoint")


def test_without_a_quorum_entries_wait_and_are_published_unwitnessed_at_last(home: Home, tmp_path: Path) -> None:
    absent = NoteSigner("absent.example", COSIGNATURE_ED25519, SigningKey.generate("ed25519"))
    text = Policy.format_simple(
        [str(key) for key in policy_of(home).log_keys], [("absent", str(absent.verifier), "http://127.0.0.1:9")], 1
    )
    (tmp_path / "policy").write_text(text)
    assert groundrule("ledger", "policy", "policy", "--home", home.path).code == 0
    (tmp_path / "o.csv").write_text(OBSERVATIONS)
    decided = groundrule("decide", "o.csv", "--home", home.path)
    assert decided.code == 0, decided
    assert "wait for their quorum" in decided.err
    assert "absent" in decided.err
    refused(groundrule("ledger", "prove", "van", "--home", home.path), "not covered by the published checkpoint")
    published = groundrule("ledger", "checkpoint", "--home", home.path, "--patience-s", "0")
    assert published.code == 1
    assert "UNWITNESSED" in published.err
    assert groundrule("ledger", "prove", "van", "--home", home.path).code == 0
    answer = groundrule("ledger", "verify", "van.tlog-proof", "--policy", "policy")
    assert answer.code == 1
    assert "too few for the quorum" in answer.out


def test_altered_receipts_and_logs_end_with_one_and_say_what_is_wrong(home: Home, tmp_path: Path) -> None:
    policy = log_folder(home) / "policy"
    assert groundrule("ledger", "prove", "car", "--home", home.path).code == 0
    receipt = tmp_path / "car.tlog-proof"
    receipt.write_bytes(flipped(receipt.read_bytes(), 200))
    answer = groundrule("ledger", "verify", receipt, "--policy", policy)
    assert answer.code == 1
    assert "NOT VERIFIED" in answer.out
    assert groundrule("ledger", "fsck", "--home", home.path).code == 0
    with altered_byte(log_folder(home) / "tile/entries/000.p/5", -30):
        answer = groundrule("ledger", "fsck", "--home", home.path)
        assert answer.code == 1
        assert "tile/entries/000.p/5" in answer.out
        assert groundrule("replay", "--home", home.path).code == 1
    assert groundrule("replay", "--home", home.path).code == 0


def test_a_monitor_pins_then_finds_a_rolled_back_log(home: Home, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(log_folder(home), old)
    run(home, table(drive("car", 400_000, 12, lat=5, lon=3, km_h=100)))
    first = groundrule("ledger", "monitor", "--home", home.path, "--state", "m.json", "--json")
    assert (first.code, first.json["alerts"], first.json["size"]) == (0, [], 7)
    again = groundrule("ledger", "monitor", "--log", old, "--state", "m.json", "--json")
    assert again.code == 1
    assert again.json["alerts"]


def test_an_entry_is_proved_alone(home: Home) -> None:
    made = groundrule("ledger", "prove", "--entry", "2", "--home", home.path, "--json")
    assert made.code == 0, made
    policy = log_folder(home) / "policy"
    verified = groundrule("ledger", "verify", made.json["proof"], "--entry", made.json["entry"], "--policy", policy)
    assert verified.code == 0, verified
    assert "snapshot-published" in verified.out
    refused(groundrule("ledger", "prove", "--entry", "99", "--home", home.path), "they count from 0")
    refused(groundrule("ledger", "prove", "--home", home.path), "name a terminal")
    refused(groundrule("ledger", "prove", "nobody", "--home", home.path), "no record of terminal `nobody`")


def test_a_log_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = groundrule("ledger", "init", "--log", "log", "--keys", "log.key", "--origin", "log.example/own", "--raw", "--json")
    assert made.code == 0, made
    assert (tmp_path / "log.key").stat().st_mode & 0o077 == 0
    (tmp_path / "lines").write_text("one\ntwo\nthree\n")
    assert groundrule("ledger", "append", "lines", "--log", "log", "--raw", "--json").json == {"appended": 3, "size": 3}
    done = groundrule("ledger", "checkpoint", "--log", "log", "--keys", "log.key", "--out", "head")
    assert done.code == 0, done
    assert (tmp_path / "head").read_text().startswith("log.example/own\n3\n")
    assert groundrule("ledger", "fsck", "--log", "log", "--raw").code == 0
    proved = groundrule("ledger", "prove", "--entry", "1", "--log", "log", "--json").json
    assert Path(proved["entry"]).read_bytes() == b"two"
    refused(groundrule("ledger", "init", "--log", "other"), "needs a name and a place for its keys")
    refused(groundrule("ledger", "init", "--log", "l", "--keys", "l/k", "--origin", "x.example/y"), "lies in the log")
    again = groundrule("ledger", "init", "--log", "log", "--keys", "log.key", "--origin", "log.example/own")
    assert again.code == 2
    refused(groundrule("ledger", "checkpoint", "--log", "log"), "--keys")


def test_entries_by_hand_are_all_or_none(home: Home, tmp_path: Path) -> None:
    good = {"kind": "request", "body": {"requester": "party-0", "ask": "refrain", "outcome": "refused"}}
    (tmp_path / "good").write_text(json.dumps(good) + "\n")
    assert groundrule("ledger", "append", "good", "--home", home.path, "--json").json["appended"] == 1
    for line, words in (
        ("{", "bad:2"),
        (json.dumps({"kind": "enactment", "body": {}}), "not written by hand"),
        (json.dumps({"kind": "decision-batch", "stream": "decisions.main", "body": {}}), "not written by hand"),
        (json.dumps({"kind": "heartbeat", "body": {"minute": "now"}}), "minute"),
        (json.dumps({"kind": "request", "body": {"score": 0.5}}), "bad:2"),
        (json.dumps(["request"]), "bad:2"),
    ):
        (tmp_path / "bad").write_text(json.dumps(good) + "\n" + line + "\n")
        refused(groundrule("ledger", "append", "bad", "--home", home.path), words)
    assert groundrule("ledger", "status", "--home", home.path, "--json").json["entries"] == 6
    assert groundrule("ledger", "checkpoint", "--home", home.path).code == 0


def test_a_rule_is_sealed_overdue_and_opened(home: Home, tmp_path: Path) -> None:
    (tmp_path / "rule.yaml").write_text("id: depot\ntitle: A depot (invented)\noutcome: deny\n")
    day = time.strftime("%Y-%m-%dT00:00Z", time.gmtime(time.time() + 90 * 86_400))
    options = ("--kind", "military area (invented)", "--custodian", "the review board", "--home", home.path)
    sealed = groundrule("ledger", "seal", "rule.yaml", "--disclose-by", day, *options, "--json")
    assert sealed.code == 0, sealed
    commitment = sealed.json["commitment"]
    public = b"".join(path.read_bytes() for path in log_folder(home).rglob("*") if path.is_file())
    assert b"depot" not in public
    monitor = ("ledger", "monitor", "--home", home.path)
    assert groundrule(*monitor, "--state", "a.json").code == 0
    late = time.strftime("%Y-%m-%dT00:00Z", time.gmtime(time.time() + 100 * 86_400))
    overdue = groundrule(*monitor, "--state", "b.json", "--now", late, "--max-age-s", "99999999", "--json")
    assert overdue.code == 1
    assert any("is not open" in alert["what"] for alert in overdue.json["alerts"])
    opened = groundrule("ledger", "unseal", commitment[:12], "--home", home.path, "--json")
    assert opened.code == 0, opened
    assert opened.json["content"]["id"] == "depot"
    assert groundrule(*monitor, "--state", "a.json").code == 0
    assert groundrule("ledger", "unseal", commitment, "--home", home.path).code == 2
    far = time.strftime("%Y-%m-%dT00:00Z", time.gmtime(time.time() + 200 * 86_400))
    refused(groundrule("ledger", "seal", "rule.yaml", "--disclose-by", far, *options), "at most 180 days")
    refused(groundrule("ledger", "unseal", "nothing", "--home", home.path), "0 seals begin with")


def test_a_subject_is_erased_unless_a_hold_forbids_it(home: Home) -> None:
    place = ("--home", home.path)
    assert groundrule("ledger", "hold", "account:acc-b", "--until", "2099-01-01", "--reason", "case 7 (invented)", *place).code == 0
    erase = ("ledger", "erase", "account:acc-b", "--basis", "GDPR Art. 17(1)(b)", "--yes", *place)
    refused(groundrule(*erase), "a legal hold forbids", "case 7 (invented)")
    done = groundrule("ledger", "erase", "account:acc-a", "--basis", "GDPR Art. 17(1)(b)", "--yes", *place, "--json")
    assert done.code == 0, done
    assert done.json["records"] > 0
    refused(groundrule("ledger", "prove", "car", *place), "no record of terminal `car`")
    assert groundrule("ledger", "prove", "guest", *place).code == 0
    assert groundrule("ledger", "fsck", *place).code == 0
    assert groundrule("replay", *place).code == 0
    refused(groundrule("ledger", "erase", "account:nobody", "--basis", "x", "--yes", *place), "nothing is kept")
    refused(groundrule("ledger", "erase", "account:acc-b", "--basis", " ", "--yes", *place), "legal basis")


def test_a_heartbeat_is_written_and_published(home: Home) -> None:
    beat = groundrule("ledger", "heartbeat", "--home", home.path, "--json")
    assert beat.code == 0, beat
    assert beat.json["size"] == 6
    assert beat.json["published"]
    assert groundrule("ledger", "monitor", "--home", home.path, "--state", "m.json").code == 0


def test_decisions_do_not_wait_for_a_log_out_of_reach(home: Home, tmp_path: Path) -> None:
    away = tmp_path / "away"
    keys_folder(home).rename(away)
    (tmp_path / "o.csv").write_text(OBSERVATIONS)
    decided = groundrule("decide", "o.csv", "--home", home.path)
    assert decided.code == 0, decided
    assert "the log is out of reach" in decided.err
    away.rename(keys_folder(home))
    assert groundrule("replay", "--home", home.path).code == 1
    assert groundrule("ledger", "checkpoint", "--home", home.path).code == 0
    assert groundrule("replay", "--home", home.path).code == 0


def test_a_home_without_a_log_says_how_to_get_one(tmp_path: Path) -> None:
    bare = make_home(tmp_path / "bare")
    run(bare, stream(2))
    refused(groundrule("ledger", "status", "--home", bare.path), "has no log", "groundrule ledger init")
    made = groundrule("ledger", "init", "--home", bare.path, "--origin", "log.example/bare", "--json")
    assert made.code == 0, made
    assert made.json["origin"] == "log.example/bare"
    assert groundrule("ledger", "init", "--home", bare.path).code == 2
    assert groundrule("replay", "--home", bare.path).code == 0


def test_a_policy_that_drops_the_logs_key_is_refused(home: Home, tmp_path: Path) -> None:
    other = NoteSigner("x.example/y", 1, SigningKey.generate("ed25519"))
    (tmp_path / "p").write_text(Policy.format_simple([str(other.verifier)], (), None))
    refused(groundrule("ledger", "policy", "p", "--home", home.path), "does not name the log's key")
    (tmp_path / "p").write_text("quorum\n")
    refused(groundrule("ledger", "policy", "p", "--home", home.path), "line 1")
    shown = groundrule("ledger", "policy", "--home", home.path)
    assert shown.out.startswith("log localhost/groundrule/")
    assert "quorum none" in shown.err


def test_input_that_is_no_text_or_of_another_kind_is_bad_input(home: Home, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(bytes(range(128, 256)))
    (tmp_path / "kind.jsonl").write_text('{"kind":{},"body":{}}\n')
    at = ("--home", home.path)
    sealing = ("--disclose-by", "2026-01-01", "--kind", "k", "--custodian", "c")
    refused(groundrule("ledger", "seal", tmp_path / "binary", *sealing, *at), "is no text")
    refused(groundrule("ledger", "append", tmp_path / "kind.jsonl", *at), "not written by hand")
    own = ("--log", tmp_path / "log", "--keys", tmp_path / "keys", "--origin", "log.example")
    refused(groundrule("ledger", "init", *own, "--policy", tmp_path / "binary"), "is no text")
    refused(groundrule("ledger", "checkpoint", "--log", tmp_path / "log", "--keys", tmp_path / "binary"), "is no text")
    refused(groundrule("ledger", "hold", "acc-a", "--until", "2100-01-01", "--reason", "r", *at), "names no subject")
    refused(groundrule("ledger", "hold", "account:acc-a", "--until", "2020-01-01", "--reason", "r", *at), "ended at")
    refused(groundrule("ledger", "aggregate", "٢٠٢٦-٠٣-٠٢", *at), "is not a day")
    refused(groundrule("ledger", "prove", "--entry", 0, "--out", tmp_path / "p.entry", *at), "name the proof otherwise")
    assert not (tmp_path / "p.entry").exists()
    for signers in (keys_folder(home) / "signers").iterdir():
        signers.write_bytes((tmp_path / "binary").read_bytes())
    refused(groundrule("ledger", "heartbeat", *at), "holds no keys of a log")


def test_a_heart_goes_on_beating_when_another_command_writes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    minutes = []

    class Stopped(BaseException):
        pass

    def sleep(_seconds: float) -> None:
        minutes.append(1)
        if len(minutes) == 1:
            writing.close()
        else:
            raise Stopped

    monkeypatch.setattr("groundrule.cli.ledger.time.sleep", sleep)
    before = groundrule("ledger", "status", "--home", home.path, "--json").json["entries"]
    with ExitStack() as writing:
        writing.enter_context(home.writer())
        refused(groundrule("ledger", "heartbeat", "--home", home.path), "is writing to")
        with pytest.raises(Stopped):
            groundrule("ledger", "heartbeat", "--follow", "--home", home.path)
    assert len(minutes) == 2
    assert groundrule("ledger", "status", "--home", home.path, "--json").json["entries"] == before + 1


def test_text_from_outside_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from groundrule.cli.output import fail, print_table, print_text, warn
    from groundrule.errors import InputError

    text = "a\x1b[31mb\x07\x9bc\u202ed"
    print_text(text)
    print_table(["column"], [[text]])
    warn(text)
    fail(InputError(text))
    said = capsys.readouterr()
    for out in (said.out, said.err):
        assert out.count(r"a\x1b[31mb\x07\x9bc\u202ed") == 2
        assert not set("\x1b\x07\x9b\u202e") & set(out)
