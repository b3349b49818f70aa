"""The witness's state machine, its records and its keys: parsing, order of refusals, races, restarts and kills."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from log_in_memory import LOG, NAME, NOW_S, ORIGIN, SIGNERS, Clock, MemoryLog, new_witness

from groundrule.errors import ConflictError, InputError, IntegrityError, ProofFailed, StoreError
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.cosignature import cosignatures
from groundrule.ledger.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, Note, NoteSigner, sign_text
from groundrule.ledger.tree import EMPTY_ROOT
from groundrule.ledger.witness import (
    MAX_BODY_BYTES,
    SIZE_TYPE,
    AddCheckpoint,
    FileWitnessStore,
    MemoryWitnessStore,
    Witness,
    WitnessStore,
    origin_hash,
)
from groundrule.ledger.witness_keys import make_signers, open_signers, read_signers, write_signers

FORK = MemoryLog("false")


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WitnessStore]:
    """Every driver passes the same tests."""
    if request.param == "memory":
        yield MemoryWitnessStore()
    else:
        with FileWitnessStore(tmp_path / "state") as opened:
            yield opened


# --- request bodies ---------------------------------------------------------------------------------------------------


def test_a_request_is_written_and_read_back() -> None:
    request = AddCheckpoint.parse(LOG.request(3, 9))
    assert (request.old, list(request.proof), request.checkpoint) == (3, LOG.proof(3, 9), LOG.checkpoint(9))
    assert request.format() == LOG.request(3, 9)


@pytest.mark.parametrize(
    "first",
    [b"old 03", b"old -1", b"old +1", b"old 1 ", b"old  1", b"old 0x1", b"old", b"OLD 1", b"old 1\r", b"old 1_0",
     "old ١".encode(), b"old 9223372036854775808", b"old 99999999999999999999", b""],
)  # fmt: skip
def test_other_first_lines_are_malformed(first: bytes) -> None:
    body = first + b"\n\n" + LOG.checkpoint(5)
    with pytest.raises(InputError):
        AddCheckpoint.parse(body)
    assert new_witness().add_checkpoint(body).status == 400


@pytest.mark.parametrize(
    "line",
    [base64.b64encode(b"\0" * 31), base64.b64encode(b"\0" * 33), b"A" * 42 + b"B=", base64.urlsafe_b64encode(b"\xff" * 32),
     base64.b64encode(b"\0" * 32)[:-1], base64.b64encode(b"\0" * 32) + b" ", b"x", b"\r"],
)  # fmt: skip
def test_other_proof_lines_are_malformed(line: bytes) -> None:
    body = b"old 3\n" + line + b"\n\n" + LOG.checkpoint(5)
    with pytest.raises(InputError):
        AddCheckpoint.parse(body)
    assert new_witness().add_checkpoint(body).status == 400


def test_at_most_63_proof_lines_and_a_bounded_body() -> None:
    line = base64.b64encode(b"\0" * 32) + b"\n"
    assert len(AddCheckpoint.parse(b"old 3\n" + line * 63 + b"\n" + LOG.checkpoint(5)).proof) == 63
    with pytest.raises(InputError, match="64"):
        AddCheckpoint.parse(b"old 3\n" + line * 64 + b"\n" + LOG.checkpoint(5))
    with pytest.raises(InputError, match="bytes"):
        AddCheckpoint.parse(b"old 3\n\n" + b"x" * MAX_BODY_BYTES)


# --- the order of refusals --------------------------------------------------------------------------------------------


def test_what_is_wrong_first_decides_the_answer(store: WitnessStore) -> None:
    witness = new_witness(store)
    stranger = MemoryLog(origin="stranger.invented.example")
    thief = MemoryLog(seed=9)
    assert witness.add_checkpoint(b"nothing").status == 400
    assert witness.add_checkpoint(stranger.request(20, 5, [])).status == 404
    assert witness.add_checkpoint(thief.request(20, 5, [])).status == 403
    assert witness.add_checkpoint(LOG.request(20, 5, [])).status == 400
    assert witness.add_checkpoint(LOG.request(6, 5, [])).status == 400
    assert witness.add_checkpoint(LOG.request(3, 5)).status == 409
    assert witness.add_checkpoint(LOG.request(0, 5, [b"\0" * 32])).status == 422
    assert witness.latest(origin_hash(ORIGIN)).status == 404
    assert witness.add_checkpoint(LOG.request(0, 5)).status == 200
    conflict = witness.add_checkpoint(LOG.request(0, 9))
    assert (conflict.status, conflict.content_type, conflict.body) == (409, SIZE_TYPE, b"5\n")
    assert witness.add_checkpoint(LOG.request(5, 9, [])).status == 422
    assert witness.add_checkpoint(LOG.request(5, 9, LOG.proof(4, 9))).status == 422
    assert witness.add_checkpoint(LOG.request(5, 5, [b"\0" * 32])).status == 422
    assert witness.add_checkpoint(FORK.request(5, 5)).status == 422
    assert witness.add_checkpoint(FORK.request(5, 9)).status == 422
    assert witness.add_checkpoint(LOG.request(5, 5)).status == 200
    assert witness.add_checkpoint(LOG.request(5, 9)).status == 200
    assert witness.add_checkpoint(LOG.request(5, 7)).status == 409


def test_a_changed_signature_line_is_forbidden_not_malformed() -> None:
    good = LOG.request(0, 5)
    for changed in (good[:-3] + b"x=\n", good[:-1], good + b"junk\n"):
        assert new_witness().add_checkpoint(changed).status == 403


def test_both_cosignatures_verify_and_foreign_lines_are_dropped(store: WitnessStore) -> None:
    witness = new_witness(store)
    foreign = sign_text(Note.parse(LOG.checkpoint(5)).text, NoteSigner("other.example", ED25519, SIGNERS[0].key))
    note = Note.parse(LOG.checkpoint(5))
    body = AddCheckpoint(0, (), Note(note.text, (foreign, *note.signatures)).format()).format()
    answer = witness.add_checkpoint(body)
    cosigned = Note.parse(note.text + b"\n" + answer.body)
    times, failed = cosignatures(cosigned, Checkpoint.parse(note.text), witness.keys)
    assert (dict(times), failed) == (dict.fromkeys(witness.keys, NOW_S), ())
    latest = witness.latest(origin_hash(ORIGIN))
    assert latest.status == 200
    assert latest.body == Note(note.text, (*note.signatures, *cosigned.signatures)).format()
    assert witness.latest(origin_hash("other.example")).status == 404
    assert witness.latest("..").status == 404


@pytest.mark.parametrize("known", [0, 5])
def test_an_empty_tree_with_a_root_is_evidence(known: int) -> None:
    kept = MemoryWitnessStore()
    witness = new_witness(kept)
    if known:
        witness.add_checkpoint(LOG.request(0, known))
    text = f"{ORIGIN}\n0\n{base64.b64encode(LOG.root(5)).decode()}\n".encode()
    body = b"old 0\n\n" + Note(text, (sign_text(text, LOG.signers[0]),)).format()
    assert witness.add_checkpoint(body).status == (409 if known else 422)
    assert len(kept.evidence) == (0 if known else 1)
    unsigned = b"old 0\n\n" + Note(text, (sign_text(text, MemoryLog(seed=9).signers[0]),)).format()
    assert witness.add_checkpoint(unsigned).status == 403
    assert witness.add_checkpoint(body.replace(ORIGIN.encode(), b"stranger.example")).status == 404


def test_the_empty_tree_can_be_cosigned_and_grown_from(store: WitnessStore) -> None:
    witness = new_witness(store)
    assert LOG.root(0) == EMPTY_ROOT
    assert witness.add_checkpoint(LOG.request(0, 0)).status == 200
    assert witness.add_checkpoint(LOG.request(0, 7)).status == 200
    assert witness.add_checkpoint(LOG.request(0, 0)).status == 409


def test_a_log_may_change_its_key() -> None:
    kept = MemoryWitnessStore()
    new_witness(kept).add_checkpoint(LOG.request(0, 5))
    later = MemoryLog(seed=2)
    both = Witness(NAME, SIGNERS, {ORIGIN: [*LOG.keys, *later.keys]}, kept, Clock())
    assert both.add_checkpoint(later.request(5, 9)).status == 200
    only_new = Witness(NAME, SIGNERS, {ORIGIN: later.keys}, kept, Clock())
    assert only_new.add_checkpoint(LOG.request(9, 12)).status == 403


def test_two_logs_do_not_disturb_each_other(store: WitnessStore) -> None:
    second = MemoryLog("second", "second.invented.example", seed=3)
    witness = Witness(NAME, SIGNERS, {ORIGIN: LOG.keys, second.origin: second.keys}, store, Clock())
    assert witness.add_checkpoint(LOG.request(0, 9)).status == 200
    assert witness.add_checkpoint(second.request(0, 5)).status == 200
    assert (witness.recorded(ORIGIN).size, witness.recorded(second.origin).size) == (9, 5)  # type: ignore[union-attr]
    # A key of one log says nothing about another.
    crossed = Witness(NAME, SIGNERS, {ORIGIN: LOG.keys, second.origin: second.keys}, MemoryWitnessStore(), Clock())
    assert crossed.add_checkpoint(MemoryLog(origin=second.origin, seed=1).request(0, 5)).status == 403


# --- time -------------------------------------------------------------------------------------------------------------


def test_time_never_goes_back() -> None:
    clock = Clock()
    witness = new_witness(clock=clock)
    witness.add_checkpoint(LOG.request(0, 5))
    clock.now_s = NOW_S - 60
    assert witness.add_checkpoint(LOG.request(5, 9)).status == 200
    assert witness.recorded(ORIGIN).time_s == NOW_S  # type: ignore[union-attr]
    clock.now_s = NOW_S - 61
    assert witness.add_checkpoint(LOG.request(9, 12)).status == 503
    assert witness.recorded(ORIGIN).size == 9  # type: ignore[union-attr]
    clock.now_s = 0
    assert new_witness(clock=clock).add_checkpoint(LOG.request(0, 5)).status == 503


# --- races ------------------------------------------------------------------------------------------------------------


def test_of_two_histories_only_one_is_ever_cosigned(store: WitnessStore) -> None:
    """Many threads on two witness objects over one store offer two histories at every size."""
    pair = [new_witness(store), new_witness(store)]
    requests = [log.request(old, new) for log in (LOG, FORK) for old in range(12) for new in range(old, old + 4)]
    random.Random(5).shuffle(requests)
    requests *= 3
    cosigned: dict[int, set[bytes]] = {}
    lock = threading.Lock()

    def send(number: int) -> None:
        body = requests[number]
        if pair[number % 2].add_checkpoint(body).status == 200:
            checkpoint = Checkpoint.parse(Note.parse(AddCheckpoint.parse(body).checkpoint).text)
            with lock:
                cosigned.setdefault(checkpoint.size, set()).add(checkpoint.root)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(len(requests))))
    assert len(cosigned) > 2
    assert all(len(roots) == 1 for roots in cosigned.values())
    histories = {root == LOG.root(size) for size, (root,) in cosigned.items() if size}
    assert len(histories) == 1, "both histories were cosigned"


def test_only_one_of_many_advances(store: WitnessStore) -> None:
    gate = threading.Barrier(12)

    def advance(number: int) -> bool:
        gate.wait()
        return store.advance(ORIGIN, None, b"%d" % number)

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(advance, range(12)))
    assert won.count(True) == 1
    assert store.latest(ORIGIN) == b"%d" % won.index(True)
    assert not store.advance(ORIGIN, b"another", b"new")
    assert store.advance(ORIGIN, store.latest(ORIGIN), b"new")
    assert store.latest("other") is None


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    with FileWitnessStore(tmp_path) as kept:
        new_witness(kept).add_checkpoint(LOG.request(0, 5))
    with FileWitnessStore(tmp_path) as kept:
        witness = new_witness(kept)
        assert witness.add_checkpoint(LOG.request(0, 9)).body == b"5\n"
        assert witness.add_checkpoint(LOG.request(5, 9)).status == 200
    assert (tmp_path / origin_hash(ORIGIN) / "latest").read_bytes().startswith(f"{ORIGIN}\n9\n".encode())


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with FileWitnessStore(tmp_path), pytest.raises(ConflictError, match="another process"):
        FileWitnessStore(tmp_path)
    FileWitnessStore(tmp_path).close()


def test_a_state_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(InputError, match="not a folder"):
        FileWitnessStore(tmp_path / "state")


@pytest.mark.parametrize("damage", ["byte", "cut", "zeros", "other", "swapped"])
def test_a_damaged_record_is_refused_at_start(tmp_path: Path, damage: str) -> None:
    with FileWitnessStore(tmp_path) as kept:
        new_witness(kept).add_checkpoint(LOG.request(0, 5))
    record = tmp_path / origin_hash(ORIGIN) / "latest"
    data = record.read_bytes()
    changed = {
        "byte": data.replace(b"\n5\n", b"\n4\n"),
        "cut": data[:-100],
        "zeros": bytes(len(data)),
        "other": LOG.checkpoint(5),
        "swapped": data,
    }[damage]
    log = LOG
    if damage == "swapped":
        log = MemoryLog(origin="second.invented.example")
        record.parent.rename(tmp_path / origin_hash(log.origin))
        record = tmp_path / origin_hash(log.origin) / "latest"
    record.write_bytes(changed)
    with FileWitnessStore(tmp_path) as kept, pytest.raises(IntegrityError):
        new_witness(kept, log=log)


def test_nothing_is_cosigned_when_the_record_cannot_be_stored() -> None:
    class Failing(MemoryWitnessStore):
        def advance(self, *_: object) -> bool:  # type: ignore[override]  # refuses whatever it is given
            raise StoreError("the disk is gone")

    with pytest.raises(StoreError):
        new_witness(Failing()).add_checkpoint(LOG.request(0, 5))


def test_evidence_is_kept_once_per_checkpoint_and_bounded(tmp_path: Path) -> None:
    with FileWitnessStore(tmp_path) as kept:
        witness = new_witness(kept)
        witness.add_checkpoint(LOG.request(0, 5))
        for filler in range(70):
            assert witness.add_checkpoint(LOG.request(5, 9, [bytes([filler]) * 32])).status == 422
        assert witness.add_checkpoint(FORK.request(5, 5)).status == 422
        for size in range(10, 90):
            witness.add_checkpoint(FORK.request(5, size))
        assert witness.add_checkpoint(FORK.request(4, 5)).status == 409
    folder = tmp_path / origin_hash(ORIGIN) / "evidence"
    names = sorted(path.name for path in folder.iterdir())
    split = [name for name in names if name.startswith("two-roots-")]
    assert len(split) == 2
    request, recorded = sorted(split, reverse=True)
    assert (folder / request).read_bytes() == FORK.request(5, 5)
    assert Checkpoint.parse(Note.parse((folder / recorded).read_bytes()).text).root == LOG.root(5)
    # The first request about a head is kept, however often it is repeated with other proofs.
    kept_requests = [(folder / name).read_bytes() for name in names if name.startswith("not-consistent-")]
    assert LOG.request(5, 9, [bytes(32)]) in kept_requests
    assert sum(name.startswith("not-consistent-") and name.endswith(".request") for name in names) == 64


# --- keys -------------------------------------------------------------------------------------------------------------


def test_keys_are_made_once_and_only_for_the_owner(tmp_path: Path) -> None:
    with FileWitnessStore(tmp_path / "state") as kept:
        made = open_signers(tmp_path / "keys", NAME, kept)
        assert [signer.type for signer in made] == [COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44]
        assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
        assert open_signers(tmp_path / "keys", NAME, kept) == made
        with pytest.raises(InputError, match="of `"):
            open_signers(tmp_path / "keys", "other.example", kept)
    (tmp_path / "keys").chmod(0o640)
    with pytest.raises(InputError, match="others may read"):
        read_signers(tmp_path / "keys", NAME)


def test_keys_may_lie_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    with FileWitnessStore(tmp_path / "state") as kept:
        open_signers(tmp_path / "keys", NAME, kept)
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["witness.keys"]


def test_keys_without_their_memory_are_refused(tmp_path: Path) -> None:
    write_signers(tmp_path / "keys", make_signers(NAME))
    with FileWitnessStore(tmp_path / "state") as kept:
        with pytest.raises(ConflictError, match=r"the state in .* is empty"):
            open_signers(tmp_path / "keys", NAME, kept)
        signers = open_signers(tmp_path / "keys", NAME, kept, new_state=True)
        assert open_signers(tmp_path / "keys", NAME, kept) == signers
        write_signers(tmp_path / "others", make_signers(NAME))
        with pytest.raises(ConflictError, match="belongs to other keys"):
            open_signers(tmp_path / "others", NAME, kept)


def test_memory_without_its_keys_is_refused(tmp_path: Path) -> None:
    with FileWitnessStore(tmp_path / "state") as kept:
        signers = open_signers(tmp_path / "keys", NAME, kept)
        (tmp_path / "keys").unlink()
        # Nothing was signed yet: new keys do no harm.
        signers = open_signers(tmp_path / "keys", NAME, kept)
        Witness(NAME, signers, {ORIGIN: LOG.keys}, kept, Clock()).add_checkpoint(LOG.request(0, 5))
        (tmp_path / "keys").unlink()
        with pytest.raises(ConflictError, match="whose keys are not in"):
            open_signers(tmp_path / "keys", NAME, kept)


@pytest.mark.parametrize("text", ["", "# nothing\n", "PRIVATE+KEY+x\n", "\xff", "x" * 5000])
def test_other_key_files_are_refused_without_showing_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text, encoding="latin-1")
    (tmp_path / "keys").chmod(0o600)
    with pytest.raises(InputError) as refused:
        read_signers(tmp_path / "keys", NAME)
    assert "xxxx" not in str(refused.value)


def test_unusable_configurations_are_refused() -> None:
    as_log = NoteSigner(NAME, ED25519, SIGNERS[0].key)
    other_name = NoteSigner("other.example", COSIGNATURE_ED25519, SIGNERS[0].key)
    long = MemoryLog(origin="l" * 256)
    store = MemoryWitnessStore()
    for signers, keys in (
        ((), {ORIGIN: LOG.keys}),
        ((as_log,), {ORIGIN: LOG.keys}),
        ((other_name,), {ORIGIN: LOG.keys}),
        (SIGNERS, {}),
        (SIGNERS, {ORIGIN: []}),
        (SIGNERS, {"other.example": LOG.keys}),
        (SIGNERS, {NAME: [SIGNERS[0].verifier]}),
        (SIGNERS[1:], {long.origin: long.keys[:1]}),
    ):
        with pytest.raises(InputError):
            Witness(NAME, signers, keys, store, Clock())
    # With an Ed25519 key as well, the long origin is cosigned by that key alone.
    witness = Witness(NAME, SIGNERS, {long.origin: long.keys[:1]}, store, Clock())
    long.signers = long.signers[:1]
    assert witness.add_checkpoint(long.request(0, 5)).body.count(b"\n") == 1


# --- after a restore --------------------------------------------------------------------------------------------------


def test_a_restored_witness_does_not_go_back(tmp_path: Path) -> None:
    with FileWitnessStore(tmp_path) as kept:
        witness = new_witness(kept)
        witness.add_checkpoint(LOG.request(0, 5))
        backup = (tmp_path / origin_hash(ORIGIN) / "latest").read_bytes()
        witness.add_checkpoint(LOG.request(5, 9))
        published = witness.latest(origin_hash(ORIGIN)).body
    (tmp_path / origin_hash(ORIGIN) / "latest").write_bytes(backup)
    with FileWitnessStore(tmp_path) as kept:
        restored = new_witness(kept)
        assert restored.recorded(ORIGIN).size == 5  # type: ignore[union-attr]
        assert restored.remember(published)
        assert not restored.remember(published)
        assert restored.add_checkpoint(FORK.request(5, 9)).status == 409
        assert restored.add_checkpoint(LOG.request(9, 12)).status == 200


def test_only_what_it_signed_itself_moves_the_record() -> None:
    witness = new_witness()
    with pytest.raises(ProofFailed, match="no cosignature"):
        witness.remember(LOG.checkpoint(9))
    with pytest.raises(ProofFailed):
        witness.remember(MemoryLog(seed=9).checkpoint(9))
    with pytest.raises(InputError, match="not one of this witness"):
        witness.remember(MemoryLog(origin="second.example").checkpoint(9))
    fork = new_witness()
    fork.add_checkpoint(FORK.request(0, 5))
    witness.add_checkpoint(LOG.request(0, 5))
    with pytest.raises(IntegrityError, match="two roots"):
        witness.remember(fork.latest(origin_hash(ORIGIN)).body)


# --- kill -9 ----------------------------------------------------------------------------------------------------------

KILLED = """
import sys
sys.path[:0] = {path!r}
from groundrule.ledger.witness import FileWitnessStore
from log_in_memory import LOG, ORIGIN, MemoryLog, new_witness
with FileWitnessStore(sys.argv[1]) as kept:
    witness = new_witness(kept)
    log = LOG if sys.argv[2] == "true" else MemoryLog("false")
    known = witness.recorded(ORIGIN)
    size = 0 if known is None else known.size
    print("ready", flush=True)
    for new in range(size, size + 12):
        answer = witness.add_checkpoint(log.request(size, new))
        if answer.status == 200:
            print(new, log.root(new).hex(), flush=True)
            size = new
        else:
            print("refused", answer.status, flush=True)
            break
"""


def test_no_kill_makes_it_cosign_two_roots_of_one_size(tmp_path: Path) -> None:
    """20 processes are killed at random moments; forks are offered in between; every answer given is remembered."""
    here = str(Path(__file__).parent)
    code = KILLED.format(path=[here])
    draw = random.Random(20)
    answered: dict[int, set[str]] = {}
    largest = 0
    refused = 0
    for number in range(20):
        history = "false" if number % 4 == 3 else "true"
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "state"), history], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        # Killed after so many lines, that is, while the next one is being made.
        patience = draw.randrange(0, 6)
        lines = []
        for line in process.stdout:
            lines.append(line)
            if len(lines) > patience:
                break
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.readlines()
        process.stdout.close()
        process.wait()
        assert lines[0] == "ready\n", f"start {number} was refused"
        for line in lines[1:]:
            if line.startswith("refused"):
                refused += 1
            elif line.endswith("\n"):
                size, root = line.split()
                answered.setdefault(int(size), set()).add(root)
                assert int(size) >= largest, "it went back"
                largest = int(size)
    assert len(answered) > 10
    assert refused > 0
    assert all(len(roots) == 1 for roots in answered.values())
    with FileWitnessStore(tmp_path / "state") as kept:
        assert new_witness(kept).recorded(ORIGIN).size >= largest  # type: ignore[union-attr]
