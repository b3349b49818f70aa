"""The keys of a home's log are changed by command: old proofs hold, witnesses and monitors follow, what was interrupted goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from console import groundrule, refused
from groundrule.errors import ProofFailed
from groundrule.ledger.entry import Entry
from groundrule.ledger.note import COSIGNATURE_ED25519, NoteSigner, VerifierKey
from groundrule.ledger.policy import Policy
from groundrule.ledger.reader import read_log
from groundrule.ledger.tiles import TileTree
from groundrule.ledger.witness import MemoryWitnessStore, Witness
from groundrule.ledger.witness_server import WitnessServer
from groundrule.pipeline import key_rotation
from groundrule.pipeline.home_ledger import HomeLedger, LedgerSetup, keys_folder, log_folder, policy_of
from groundrule.pipeline.key_rotation import keys_of, with_end, with_keys
from groundrule.signing import SigningKey
from groundrule.store.home import Home
from groundrule.store.keys import KeyService
from small_home import copy_home, make_home, run, stream


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = make_home(tmp_path_factory.mktemp("template") / "home", ledger=LedgerSetup())
    run(home, stream(1))
    return home


@pytest.fixture
def home(template: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    return copy_home(template, tmp_path / "home")


Serve = Callable[[list[VerifierKey]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a witness again and again, with the keys of the log that it is told: its memory and its own key stay."""
    signer, store = NoteSigner("north.example", COSIGNATURE_ED25519, SigningKey.generate("ed25519")), MemoryWitnessStore()
    stacks: list[ExitStack] = []
    port = 0

    def start(keys: list[VerifierKey]) -> str:
        nonlocal port
        while stacks:
            stacks.pop().close()
        stacks.append(stack := ExitStack())
        witness = Witness(signer.name, [signer], {keys[0].name: keys}, store, lambda: int(time.time()))
        server = stack.enter_context(WitnessServer(witness, "127.0.0.1", port))
        port = int(server.url.rpartition(":")[2].strip("/"))
        return Policy.format_simple([str(key) for key in keys], [("north", str(signer.verifier), server.url)], 1)

    yield start
    while stacks:
        stacks.pop().close()


def do(home: Home, *command: str) -> dict:  # type: ignore[type-arg]  # JSON of a command
    answer = groundrule("ledger", *command, "--home", home.path, "--json")
    assert answer.code == 0, answer
    return dict(answer.json)


def events(home: Home) -> list[tuple[str, str]]:
    read = read_log(log_folder(home))
    assert read.head is not None
    tree = TileTree(lambda path: (log_folder(home) / path).read_bytes(), read.head.size)
    found = (Entry.decode(data) for data in tree.entries())
    return [(each.body["event"], each.body["vkey"]) for each in found if each.kind == "key-event"]


def head_of(home: Home) -> bytes:
    return (log_folder(home) / "checkpoint").read_bytes()


def test_old_readers_read_on_while_both_sign_and_old_proofs_hold_for_ever(home: Home) -> None:
    first = policy_of(home)
    assert groundrule("ledger", "prove", "car", "--home", home.path, "--out", "old.tlog-proof").code == 0
    assert do(home, "monitor", "--state", "m.json")["alerts"] == []
    plan = do(home, "key", "rotate", "--dry-run")
    assert (plan["in_the_way"], len(plan["steps"]), plan["old"]) == (None, 4, [])
    assert policy_of(home) == first, "a dry run changes nothing"
    assert len(events(home)) == 2

    made = do(home, "key", "rotate")
    assert (len(made["old"]), len(made["new"]), made["begun"]) == (2, 2, None)
    both = policy_of(home)
    assert [str(key) for key in both.log_keys] == [*made["old"], *made["new"]]
    assert events(home)[2:] == [("added", key) for key in made["new"]]
    for reader in (first, both, Policy.parse(Policy.format_simple(made["new"], [], None))):
        assert reader.check(head_of(home)).quorum_met
    again = groundrule("ledger", "key", "rotate", "--home", home.path)
    refused(again, "two generations sign")
    assert policy_of(home) == both
    assert groundrule("ledger", "key", "rotate", "--dry-run", "--home", home.path).code == 1
    run(home, stream(2))
    assert do(home, "monitor", "--state", "m.json")["alerts"] == []

    ended = do(home, "key", "retire", "--yes")
    assert (ended["old"], ended["new"], ended["ended"]) == ([], made["new"], made["old"])
    assert set(events(home)[4:]) == {("rotated", key) for key in made["old"]}
    with pytest.raises(ProofFailed):
        first.check(head_of(home))
    assert groundrule("ledger", "verify", "old.tlog-proof", "--policy", log_folder(home) / "policy").code == 0
    assert do(home, "monitor", "--state", "m.json")["alerts"] == []
    assert groundrule("ledger", "fsck", "--home", home.path).code == 0
    text = (log_folder(home) / "policy").read_text()
    assert text.count("# signs nothing since 20") == 2
    assert groundrule("ledger", "key", "show", "--home", home.path).out.count("signs no more") == 2
    with KeyService.open(keys_folder(home)) as keys:
        assert not [each for each in keys.log_signers(first.logs[0].key.name) if str(NoteSigner.parse(each).verifier) in made["old"]]
    for path in (keys_folder(home) / "signers").iterdir():
        assert path.suffix == ".key"
        assert path.stat().st_mode & 0o077 == 0
    # And once more: the second change stands on the first.
    second = do(home, "key", "rotate")
    assert (second["old"], second["ended"]) == (made["new"], made["old"])


def test_witnesses_must_know_the_new_keys_before_the_old_ones_go(home: Home, serve: Serve, tmp_path: Path) -> None:
    old = list(policy_of(home).log_keys)
    (tmp_path / "policy").write_text(serve(old))
    do(home, "policy", "policy")
    made = do(home, "key", "rotate")
    assert made["accepted"], "a witness that knows the old keys goes on"
    early = groundrule("ledger", "key", "retire", "--yes", "--home", home.path)
    refused(early, "north")
    asked = groundrule("ledger", "key", "retire", "--dry-run", "--home", home.path, "--json")
    assert (asked.code, asked.json["took"]) == (1, [])
    assert len(events(home)) == 4, "nothing was recorded of what was refused"

    serve([*old, *(VerifierKey.parse(key) for key in made["new"])])
    assert do(home, "key", "retire", "--dry-run")["took"] == ["north"]
    assert len(keys_of(home).old) == 2
    assert do(home, "key", "retire", "--yes")["accepted"]


def test_without_its_quorum_a_change_of_keys_has_no_effect_until_it_is_there(home: Home, serve: Serve, tmp_path: Path) -> None:
    old = list(policy_of(home).log_keys)
    text = serve(old)
    (tmp_path / "policy").write_text(text.replace("http://127.0.0.1", "http://127.0.0.2"))
    (tmp_path / "right").write_text(text)
    do(home, "policy", "policy")
    waiting = groundrule("ledger", "key", "rotate", "--home", home.path)
    refused(waiting, "no quorum of witnesses yet")
    assert list(policy_of(home).log_keys) == old
    assert keys_of(home).begun == "rotate"
    refused(groundrule("ledger", "key", "retire", "--yes", "--home", home.path), "was interrupted")
    do(home, "policy", "right")
    made = do(home, "key", "rotate")
    assert [event for event, _ in events(home)] == ["added"] * 4, "the entries are there once"
    assert len(made["new"]) == 2


@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("step", ["rotate", "retire"])
def test_an_interrupted_change_goes_on_from_where_it_was(home: Home, monkeypatch: pytest.MonkeyPatch, step: str, after: int) -> None:
    if step == "retire":
        do(home, "key", "rotate")
    wanted = ["added"] * 4 + (["rotated"] * 2 if step == "retire" else [])
    count = 0

    def stopping(real):  # type: ignore[no-untyped-def]  # any function
        def call(*given, **more):  # type: ignore[no-untyped-def]  # of any form
            nonlocal count
            if count == after:
                raise KeyboardInterrupt
            count += 1
            return real(*given, **more)

        return call

    with monkeypatch.context() as broken:
        for owner, name in ((KeyService, "put_turn"), (HomeLedger, "queue"), (HomeLedger, "commit"), (key_rotation, "set_policy"),
                            (KeyService, "replace_log_signers"), (KeyService, "end_turn")):  # fmt: skip
            broken.setattr(owner, name, stopping(getattr(owner, name)))
        act = key_rotation.rotate if step == "rotate" else key_rotation.retire
        with pytest.raises(KeyboardInterrupt), home.writer():
            act(home, clock=time.time_ns)
    # The log is usable in between, whatever there is of the change.
    assert groundrule("ledger", "checkpoint", "--home", home.path).code == 0
    made = do(home, "key", step, *(["--yes"] if step == "retire" else []))
    assert (len(made["new"]), len(made["old"]), made["begun"]) == (2, 0 if step == "retire" else 2, None)
    assert [event for event, _ in events(home)] == wanted
    assert groundrule("ledger", "fsck", "--home", home.path).code == 0


def test_a_stolen_key_raises_an_alert_at_monitors(home: Home) -> None:
    assert do(home, "monitor", "--state", "m.json")["alerts"] == []
    do(home, "key", "rotate")
    do(home, "key", "retire", "--reason", "compromised", "--yes", "--unwitnessed")
    seen = groundrule("ledger", "monitor", "--home", home.path, "--state", "m.json", "--json")
    assert seen.code == 1
    assert any("compromised" in str(each) for each in seen.json["alerts"])


def test_wrong_use_is_refused(home: Home, tmp_path: Path) -> None:
    refused(groundrule("ledger", "key", "retire", "--yes", "--home", home.path), "none is old")
    refused(groundrule("ledger", "key", "retire", "--dry-run", "--home", home.path), "none is old")
    bare = make_home(tmp_path / "bare")
    refused(groundrule("ledger", "key", "rotate", "--home", bare.path), "has no log")
    if os.geteuid():
        keys_folder(home).chmod(0o500)
    with home.writer():
        assert groundrule("ledger", "key", "rotate", "--home", home.path).code != 0


def test_a_policy_keeps_what_people_wrote_in_it() -> None:
    keys = [NoteSigner("log.example", 1, SigningKey.generate("ed25519")).verifier for _ in range(3)]
    text = f"# ours\nlog {keys[0]} https://log.example/\n\n# witnesses\nquorum none\n".encode()
    more = with_keys(text, keys[1:])
    assert more.decode().splitlines() == [
        "# ours", *(f"log {key} https://log.example/" for key in keys), "", "# witnesses", "quorum none",
    ]  # fmt: skip
    assert with_keys(more, keys) == more
    ended = with_end(more, {keys[0]}, "over")
    assert ended.decode().splitlines()[:3] == ["# ours", "# over", f"log {keys[0]} https://log.example/"]
    assert with_end(ended, {keys[0]}, "over") == ended
    assert Policy.parse(ended).log_keys == tuple(keys)
