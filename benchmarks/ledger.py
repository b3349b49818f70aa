"""The ledger: building trees, proving, verifying receipts, recording durably, full check, commitments.

    python benchmarks/ledger.py [--leaves 200000] [--proof-leaves 70000] [--entries 60000] [--batches 30]
                                [--folder FOLDER] [--rounds 7] [--seed 7]

What is timed (one thread, rounds interleaved and in turning order; CPU time, but `append` by the clock on the wall, because
waiting for the medium is most of it):
  build        entries in memory to a root, against a loop that makes the same number of leaf and node hashes and keeps none,
               and against pymerkle's in-memory tree filled entry by entry
  prove        inclusion proofs of random leaves out of tiles in memory, against pymerkle's of the same leaves on the same
               tree, also in memory; both asked once before. `cold` is the first use of the tiles, which hashes their inside
  verify       a proof file as it is handed out: two log signatures (Ed25519 and ML-DSA-44), three witnesses of which two
               are required, inclusion in a tree of `leaves`; and a whole receipt with 16 opened fields
  append       items to acknowledged entries (durable, integrated, recomputed root), 1,000 a call, against a bare loop that
               makes the same file calls with the same bytes in the same order: O_SYNC writes, links, renames and fsyncs of
               folders, recorded from an untimed run; the loop encodes, hashes, reads back and checks nothing
  fsck         every byte of a log of distinct decision-batch entries: bundles, tiles, root, canonical JSON, sequences
  commit       24 salted commitments and the leaf of a record of 16 fields, keys of subjects already at hand

Checked in the same run: our root and pymerkle's are equal, every proof timed is pymerkle's hash for hash and verifies, the
log checked has no fault, and one changed byte in it has one, the bare loop leaves the same files behind. Exit 1 if anything
differs or a goal is missed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import pymerkle

from groundrule.canon import canonical_json
from groundrule.ledger import note, tiles, tree
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.ledger.batch import close_batch, public_body
from groundrule.ledger.checkpoint import Checkpoint, sign_checkpoint
from groundrule.ledger.commitment import commit_records, commitments_of, record_leaf
from groundrule.ledger.cosignature import cosign
from groundrule.ledger.disk import Disk, DurableDisk, PosixCalls
from groundrule.ledger.entry import Entry, format_time
from groundrule.ledger.log import Item, Log
from groundrule.ledger.note import NoteSigner
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.ledger.receipt import make_receipt
from groundrule.signing import SigningKey

ORIGIN = "log.example.org/bench"
DAY_NS = 1_767_225_600_000_000_000  # 2026-01-01
GOALS = {
    "build_per_s": (500_000, "at least"),
    "build_over_bare": (0.7, "at least"),
    "prove_over_pymerkle": (5.0, "at least"),
    "verify_ms": (2.0, "at most"),
    "receipt_ms": (2.0, "at most"),
    "append_per_s": (10_000, "at least"),
    "append_over_bare": (0.3, "at least"),
    "fsck_per_s": (100_000, "at least"),
    "commit_us": (50.0, "at most"),
}

Times = dict[str, list[float]]


def main() -> int:
    """Check, time, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=200_000, help="entries of the tree that is built")
    parser.add_argument("--proof-leaves", type=int, default=70_000, help="leaves of the tree proofs are made from")
    parser.add_argument("--entries", type=int, default=60_000, help="entries of the log that is checked")
    parser.add_argument("--batches", type=int, default=30, help="calls of 1,000 items that are recorded")
    parser.add_argument("--folder", type=Path, help="where to record, on a disk (default: the temporary folder)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    load_before = os.getloadavg()[0]
    print(f"python {platform.python_version()}, pymerkle {pymerkle.__version__}; one thread; seed {options.seed}")
    found: dict[str, list[float]] = {}
    wrong = 0
    for part in (build, prove, verify, append, check, commit):
        gc.collect()  # what the part before left behind is not timed with this one
        figures, differ = part(options, rng)
        found |= figures
        wrong += differ
    missed = [name for name, (goal, sense) in GOALS.items() if misses(statistics.median(found[name]), goal, sense)]
    for name, values in found.items():
        goal = f", goal {GOALS[name][1]} {GOALS[name][0]:,}" if name in GOALS else ""
        print(f"{name:26} {shown(statistics.median(values))} ({shown(min(values))} to {shown(max(values))}){goal}")
    print(f"{wrong} results differ; " + (f"missed: {', '.join(missed)}" if missed else "every goal met"))
    print(json.dumps({
        "benchmark": "ledger", "seed": options.seed, "leaves": options.leaves, "proof_leaves": options.proof_leaves,
        "entries": options.entries, "batches": options.batches, "differ": wrong,
        **{name: round(statistics.median(values), 4) for name, values in found.items()},
        **{f"{name}_range": [round(min(values), 4), round(max(values), 4)] for name, values in found.items()},
        "goals": {name: f"{sense} {goal}" for name, (goal, sense) in GOALS.items()}, "missed": missed,
        "load_before": load_before, "load_after": os.getloadavg()[0],
    }))  # fmt: skip
    return 1 if wrong or missed else 0


# --- parts ------------------------------------------------------------------------------------------------------------


def build(options: argparse.Namespace, rng: random.Random) -> tuple[Times, int]:
    """Time entries to a root."""
    entries = [b"entry %d, %s (invented)" % (i, rng.randbytes(24).hex().encode()) for i in range(options.leaves)]
    root = tree.root_of(tree.leaf_hashes(entries))
    hashes = tree.leaf_hashes(entries)
    left, right = hashes[:-1], hashes[1:]  # as many pairs as the tree has inner nodes

    def bare() -> None:
        for entry in entries:
            sha256(b"\x00" + entry).digest()
        for a, b in zip(left, right, strict=True):
            sha256(b"\x01" + a + b).digest()

    def filled() -> pymerkle.InmemoryTree:
        other = pymerkle.InmemoryTree(algorithm="sha256")
        for entry in entries[: options.leaves // 4]:
            other.append_entry(entry)
        return other

    same = root_of_peer(filled()) == tree.root_of(hashes[: options.leaves // 4])
    times = interleaved(
        {
            "ours": lambda: tree.root_of(tree.leaf_hashes(entries)),
            "tiles": lambda: list(tiles.new_tiles(0, {}.__getitem__, tree.leaf_hashes(entries))),
            "bare": bare,
            "pymerkle": filled,
        },
        options.rounds,
    )
    differ = int(not same) + int(root != tree.root_of(hashes))
    return {
        "build_per_s": [options.leaves / s for s in times["ours"]],
        "build_tiles_per_s": [options.leaves / s for s in times["tiles"]],
        "bare_per_s": [options.leaves / s for s in times["bare"]],
        "pymerkle_build_per_s": [options.leaves // 4 / s for s in times["pymerkle"]],
        "build_over_bare": ratios(times["bare"], times["ours"]),
        "build_over_pymerkle": [4 * ratio for ratio in ratios(times["pymerkle"], times["ours"])],
    }, differ


def prove(options: argparse.Namespace, rng: random.Random) -> tuple[Times, int]:
    """Time inclusion proofs."""
    size = options.proof_leaves
    entries = [b"entry %d (invented)" % i for i in range(size)]
    leaves = tree.leaf_hashes(entries)
    store = {str(path): data for path, data in tiles.new_tiles(0, {}.__getitem__, leaves)}
    other = pymerkle.InmemoryTree(algorithm="sha256")
    for entry in entries:
        other.append_entry(entry)
    ours = tiles.TileTree(store.__getitem__, size)
    root = ours.root()
    asked = [rng.randrange(size) for _ in range(1000)]
    differ = int(root_of_peer(other) != root)
    for index in asked:
        path = ours.inclusion_path(index)
        tree.verify_inclusion(index, size, leaves[index], path, root)
        differ += other.prove_inclusion(index + 1).path != [leaves[index], *path]
    times = interleaved(
        {
            "ours": lambda: [ours.inclusion_path(index) for index in asked],
            "pymerkle": lambda: [other.prove_inclusion(index + 1) for index in asked],
            "cold": lambda: [tiles.TileTree(store.__getitem__, size).inclusion_path(index) for index in asked[:50]],
            "consistency": lambda: [ours.consistency_path(old) for old in asked],
            "pymerkle_consistency": lambda: [other.prove_consistency(max(1, old), size) for old in asked],
        },
        options.rounds,
    )
    return {
        "prove_us": [1e6 * s / 1000 for s in times["ours"]],
        "prove_cold_us": [1e6 * s / 50 for s in times["cold"]],
        "pymerkle_prove_us": [1e6 * s / 1000 for s in times["pymerkle"]],
        "prove_over_pymerkle": ratios(times["pymerkle"], times["ours"]),
        "consistency_over_pymerkle": ratios(times["pymerkle_consistency"], times["consistency"]),
    }, differ


def verify(options: argparse.Namespace, rng: random.Random) -> tuple[Times, int]:
    """Time the verification of what an outsider is handed."""
    logs, witnesses, policy = parties()
    record = {**{f"field_{i}": f"value {i} (invented)" for i in range(16)}, "owner_tag": "x" * 16}
    record.pop("field_0")
    key, record_id = rng.randbytes(32), rng.randbytes(16)
    mine = record_leaf(commitments_of(key, record_id, {name: canonical_json(value) for name, value in record.items()}))
    inner = close_batch([mine, *(rng.randbytes(32) for _ in range(1500))], rng.randbytes(32))
    index = options.leaves // 3
    body = public_body(inner, minute=format_time(DAY_NS), policy_digest="a" * 64, evaluator_digest="b" * 64)
    entry = Entry("decision-batch", "decisions.main", index, format_time(DAY_NS), body).encode()
    leaves = tree.leaf_hashes(rng.randbytes(40) for _ in range(options.leaves))
    leaves[index] = tree.leaf_hash(entry)
    store = {str(path): data for path, data in tiles.new_tiles(0, {}.__getitem__, leaves)}
    held = tiles.TileTree(store.__getitem__, options.leaves)
    checkpoint = cosigned(Checkpoint(ORIGIN, options.leaves, held.root()), logs, witnesses)
    extra = make_receipt(entry, index, record, key, record_id, inner, inner.positions[0], record)
    receipt = Proof(index, tuple(held.inclusion_path(index)), checkpoint, extra).format()
    plain = Proof(index, tuple(held.inclusion_path(index)), checkpoint).format()
    leaf = tree.leaf_hash(entry)
    opened = verify_receipt(receipt, policy)
    differ = int(dict(opened.fields) != record) + int(not Proof.parse(plain).verify(leaf, policy).quorum_met)
    times = interleaved(
        {
            "proof": lambda: [Proof.parse(plain).verify(leaf, policy) for _ in range(50)],
            "receipt": lambda: [verify_receipt(receipt, policy) for _ in range(50)],
        },
        options.rounds,
    )
    return {
        "verify_ms": [1e3 * s / 50 for s in times["proof"]],
        "receipt_ms": [1e3 * s / 50 for s in times["receipt"]],
    }, differ


def append(options: argparse.Namespace, rng: random.Random) -> tuple[Times, int]:
    """Time the way to an acknowledgement."""
    logs, _, _ = parties()
    policy = Policy.format_simple([str(key.verifier) for key in logs], [], None)
    batches = [
        [
            Item("evidence", "governance", {"sha256": rng.randbytes(32).hex(), "source": f"report {number} (invented)"})
            for number in range(1000)
        ]
        for _ in range(options.batches)
    ]

    def fresh(folder: Path | Disk) -> Log:
        return Log.create(folder, signers=logs, policy=policy, clock=lambda: DAY_NS)

    times: Times = {"ours": [], "bare": []}
    differ = 0
    with tempfile.TemporaryDirectory(dir=options.folder) as parent:
        recorded = Recorder(Path(parent) / "recorded")
        with fresh(DurableDisk(recorded, label="bench", place="the recorded log")) as log:
            recorded.calls.clear()
            for batch in batches:
                log.append(batch)
            calls = list(recorded.calls)
            root = log.root
        for number in range(options.rounds):
            folder = Path(parent) / f"round-{number}"
            for name in ("ours", "bare") if number % 2 == 0 else ("bare", "ours"):
                with fresh(folder / name) as log:
                    if name == "bare":
                        times[name].append(replay(folder / name, calls))
                        continue  # its state is not what it was; closing stores nothing but a cache
                    start = time.perf_counter()
                    for batch in batches:
                        log.append(batch)
                    times[name].append(time.perf_counter() - start)
                    differ += int(log.root != root)
            differ += int(files_of(folder / "ours" / "tile") != files_of(folder / "bare" / "tile"))
            shutil.rmtree(folder)
    items = 1000 * options.batches
    return {
        "append_per_s": [items / s for s in times["ours"]],
        "append_bare_per_s": [items / s for s in times["bare"]],
        "append_over_bare": ratios(times["bare"], times["ours"]),
    }, differ


class Recorder(PosixCalls):
    """The file calls of a disk, made and written down."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True)
        super().__init__(root)
        self.calls: list[tuple[str, ...] | tuple[str, str, str, bytes]] = []

    def make_folder(self, folder: str) -> None:
        """Create a folder; a failed attempt is no call worth repeating."""
        super().make_folder(folder)
        self.calls.append(("make_folder", folder))

    def write_new(self, folder: str, name: str, data: bytes) -> None:
        """Create a file."""
        self.calls.append(("write_new", folder, name, data))
        super().write_new(folder, name, data)

    def link(self, folder: str, name: str, target: str) -> None:
        """Give a file a second name."""
        self.calls.append(("link", folder, name, target))
        super().link(folder, name, target)

    def rename(self, folder: str, name: str, target: str) -> None:
        """Move a file over another name."""
        self.calls.append(("rename", folder, name, target))
        super().rename(folder, name, target)

    def unlink(self, folder: str, name: str) -> None:
        """Remove a name."""
        self.calls.append(("unlink", folder, name))
        super().unlink(folder, name)

    def remove_folder(self, folder: str) -> None:
        """Remove an empty folder."""
        self.calls.append(("remove_folder", folder))
        super().remove_folder(folder)

    def sync(self, folder: str) -> None:
        """Make the names in a folder durable."""
        self.calls.append(("sync", folder))
        super().sync(folder)


def replay(root: Path, calls: list[tuple[str, ...] | tuple[str, str, str, bytes]]) -> float:
    """Make the recorded calls with nothing around them; returns the seconds they took."""
    folders: dict[str, int] = {}

    def opened(folder: str) -> int:
        if folder not in folders:
            folders[folder] = os.open(root / folder, os.O_RDONLY | os.O_DIRECTORY)
        return folders[folder]

    start = time.perf_counter()
    for call in calls:
        kind, folder = call[0], call[1]
        if kind == "write_new":
            descriptor = os.open(
                call[2], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_SYNC, 0o644, dir_fd=opened(folder)
            )
            os.write(descriptor, call[3])
            os.close(descriptor)
        elif kind == "link":
            os.link(call[2], call[3], src_dir_fd=opened(folder), dst_dir_fd=opened(folder))
        elif kind == "rename":
            os.rename(call[2], call[3], src_dir_fd=opened(folder), dst_dir_fd=opened(folder))
        elif kind == "unlink":
            os.unlink(call[2], dir_fd=opened(folder))
        elif kind == "sync":
            os.fsync(opened(folder))
        elif kind == "make_folder":
            (root / folder).mkdir(exist_ok=True)
        else:
            os.close(folders.pop(folder))
            (root / folder).rmdir()
    took = time.perf_counter() - start
    for descriptor in folders.values():
        os.close(descriptor)
    return took


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(options: argparse.Namespace, rng: random.Random) -> tuple[Times, int]:
    """Time a full check of a log of Groundrule entries."""
    logs, witnesses, policy = parties()
    entries = []
    for i in range(options.entries):
        stream, seq = f"decisions.engine-{i % 3}", i // 3
        minute = format_time(DAY_NS + seq * 60_000_000_000)
        body = {"bucket_size": 256, "evaluator_digest": "b" * 64, "inner_root": b64encode(rng.randbytes(32)).decode(),
                "minute": minute, "policy_digest": "a" * 64}  # fmt: skip
        entries.append(Entry("decision-batch", stream, seq, minute, body).encode())
    leaves = tree.leaf_hashes(entries)
    made = [*tiles.new_bundles(0, {}.__getitem__, entries), *tiles.new_tiles(0, {}.__getitem__, leaves)]
    store = {str(path): data for path, data in made}
    store["checkpoint"] = cosigned(Checkpoint(ORIGIN, len(entries), tree.root_of(leaves)), logs, witnesses)
    report = fsck(store.__getitem__, policy)
    differ = len(report.faults) + int(report.entries != len(entries))
    name = rng.choice([name for name in store if name.startswith("tile/entries/")])
    at = rng.randrange(len(store[name]))
    damaged = store[name][:at] + bytes([store[name][at] ^ 1]) + store[name][at + 1 :]
    differ += int(fsck((store | {name: damaged}).__getitem__, policy).ok)
    times = interleaved({"fsck": lambda: fsck(store.__getitem__, policy)}, options.rounds)
    return {"fsck_per_s": [len(entries) / s for s in times["fsck"]]}, differ


def commit(options: argparse.Namespace, rng: random.Random) -> tuple[Times, int]:
    """Time commitments."""
    names = [f"field_{i}" for i in range(16)]
    records = [
        (rng.randbytes(32), rng.randbytes(16), [b'"value %d of %d (invented)"' % (i, number) for i in range(16)])
        for number in range(2000)
    ]
    leaves = commit_records(names, records)
    differ = sum(
        record_leaf(commitments_of(key, record_id, dict(zip(names, values, strict=True)))) != leaf
        for leaf, (key, record_id, values) in zip(leaves, records, strict=True)
    )
    times = interleaved({"commit": lambda: commit_records(names, records)}, options.rounds)
    return {"commit_us": [1e6 * s / len(records) for s in times["commit"]]}, differ


# --- what the parts share ---------------------------------------------------------------------------------------------


def parties() -> tuple[list[NoteSigner], list[NoteSigner], Policy]:
    """A log with its two keys, three witnesses, and the policy that asks for two of them."""
    logs = [
        NoteSigner(ORIGIN, note.ED25519, SigningKey.from_seed("ed25519", bytes([1] * 32))),
        NoteSigner(ORIGIN, note.COSIGNATURE_ML_DSA_44, SigningKey.from_seed("ml-dsa-44", bytes([2] * 32))),
    ]
    witnesses = [
        NoteSigner(
            f"witness.example.net/w{i}", note.COSIGNATURE_ED25519, SigningKey.from_seed("ed25519", bytes([i] * 32))
        )
        for i in (3, 4, 5)
    ]
    named = [(f"w{i}", str(signer.verifier), None) for i, signer in enumerate(witnesses)]
    return logs, witnesses, Policy.parse(Policy.format_simple([str(key.verifier) for key in logs], named, 2))


def cosigned(checkpoint: Checkpoint, logs: list[NoteSigner], witnesses: list[NoteSigner]) -> bytes:
    """Sign a checkpoint as a log does and have every witness cosign it."""
    time_s = DAY_NS // 1_000_000_000
    lines = [cosign(checkpoint, checkpoint.format(), witness, time_s).format() for witness in witnesses]
    return sign_checkpoint(checkpoint, logs, time_s=time_s) + "".join(line + "\n" for line in lines).encode()


def interleaved(
    works: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.process_time
) -> Times:
    """Run every work once a round, in turning order; seconds by name."""
    times: Times = {name: [] for name in works}
    for number in range(rounds):
        for name in list(works)[:: 1 if number % 2 == 0 else -1]:
            start = clock()
            works[name]()
            times[name].append(clock() - start)
    return times


def ratios(theirs: list[float], ours: list[float]) -> list[float]:
    """How many times as long they take, round by round."""
    return [a / b for a, b in zip(theirs, ours, strict=True)]


def root_of_peer(other: pymerkle.InmemoryTree) -> bytes:
    """Root of pymerkle's tree."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one of the names is deprecated in one release and missing in another
        root: bytes = other.get_root() if hasattr(other, "get_root") else other.get_state()
    return root


def misses(value: float, goal: float, sense: str) -> bool:
    """Whether a figure is on the wrong side of its goal."""
    return value < goal if sense == "at least" else value > goal


def shown(value: float) -> str:
    """A figure as people read it."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
