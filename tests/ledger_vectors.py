"""Makes fresh ledger vectors from a seed: trees, proofs, notes, policies, a witness transcript, sound and damaged logs.

    python tests/ledger_vectors.py FOLDER [--seed TEXT] [--large]

Nothing of Groundrule is imported: trees, notes and proofs come from ledger_definitions.py beside it, and so does the label of
each mutated proof. Each file says its schema; `groundrule ledger conform FOLDER` runs them. All bytes follow from the seed
except ML-DSA-44 signatures, which are randomised. One method makes one file of the set, which is why this is one long module.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ledger_definitions import (
    Signer,
    Tree,
    b64,
    checkpoint,
    consistent,
    note,
    resources,
    root_from_path,
    sha256,
    tile_path,
)

ZERO = base64.b64encode(bytes(32)).decode()
EDGES = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 100, 255, 256, 257, 300, 511, 512, 513, 767, 1000, 1025)
THREE_LEVELS = (65_535, 65_536, 65_537, 70_001)
"""65,536 leaves are the first full tile of level 1, and so the first hash of level 2."""

Case = dict[str, Any]


# --- the set ----------------------------------------------------------------------------------------------------------


class Vectors:
    """Everything one seed makes."""

    def __init__(self, seed: str, *, large: bool) -> None:
        self.seed, self.large, self.rng = seed, large, random.Random(seed)
        self.most = max(THREE_LEVELS) + (self.rng.randrange(300) if large else 0)
        self.tree = Tree([f"{seed}/leaf/{i}\n".encode() for i in range(self.most + 1)])
        self.fork = Tree([f"{seed}/fork/{i}\n".encode() for i in range(1200)])
        self.origin = f"log.{seed}.example/decisions"
        self.log = self.signer(self.origin, 1)
        self.witnesses = [self.signer(f"witness{i}.example/{seed}", 4) for i in range(5)]
        self.pq = [self.signer(f"pq{i}.example/{seed}", 6) for i in range(2)]
        self.other = self.signer("other.example/x", 1)
        self.time = 1_790_000_000 + self.rng.randrange(10_000_000)

    def signer(self, name: str, kind: int, salt: str = "") -> Signer:
        return Signer(name, kind, sha256(f"{self.seed}/{name}/{kind}/{salt}".encode()))

    def head(self, size: int, tree: Tree | None = None) -> str:
        return checkpoint(self.origin, size, (tree or self.tree).root(size))

    def signed(self, size: int, *witnesses: Signer, tree: Tree | None = None) -> str:
        text = self.head(size, tree)
        return note(text, self.log.sign(text), *(w.cosign(text, self.time) for w in witnesses))

    def files(self) -> dict[str, Case]:
        return {
            "trees.json": self.trees(), "paths.json": self.paths(), "inclusion.json": self.inclusion(),
            "consistency.json": self.consistency(), "checkpoints.json": self.checkpoints(), "vkeys.json": self.vkeys(),
            "cosignatures.json": self.cosignatures(), "policies.json": self.policies(), "proofs.json": self.proofs(),
            "witness.json": self.witness(), "dsse.json": self.dsse(),
        }  # fmt: skip

    # --- trees and proofs ---------------------------------------------------------------------------------------------

    def sizes(self) -> list[int]:
        drawn = [self.rng.randrange(1, 3000) for _ in range(60 if self.large else 8)]
        drawn += [self.rng.randrange(65_536, self.most) for _ in range(6 if self.large else 1)]
        return sorted({*EDGES, *THREE_LEVELS, *drawn})

    def trees(self) -> Case:
        cases = []
        for size in self.sizes():
            found = resources(self.tree, size)
            digests = {path: sha256(data) for path, data in sorted(found.items())}
            whole = hashlib.sha256()
            for path, digest in digests.items():
                whole.update(path.encode() + b"\0" + digest)
            case: Case = {"size": size, "root": b64(self.tree.root(size)), "n_resources": len(found)}
            case["resources_sha256"] = whole.hexdigest()
            if 0 < size < 600:
                case["resources"] = {path: digest.hex() for path, digest in digests.items()}
            cases.append(case)
        schema = (
            'leaf i = utf8("<seed>/leaf/<i>\\n"); root = RFC6962 MTH; resources = tlog-tiles paths for that exact size '
            "(full + partial tiles, entry bundles) -> sha256; resources_sha256 = sha256 over sorted path||0x00||sha256(resource)"
        )
        return {"schema": schema, "seed": self.seed, "cases": cases}

    def paths(self) -> Case:
        numbers = [0, 1, 9, 255, 999, 1000, 999_999, 1_000_000, 1_234_067, 10**9 - 1, 10**9]
        numbers += [self.rng.randrange(10 ** self.rng.randrange(1, 12)) for _ in range(30)]
        cases = []
        for n in numbers:
            level, w = self.rng.randrange(64), self.rng.choice([None, 1, 17, 255, self.rng.randrange(1, 256)])
            cases.append({"level": level, "n": n, "w": w, "path": tile_path(level, n, w)})
        n = self.rng.randrange(1000, 10**6)
        good = tile_path(0, n, None)
        reject = ["tile/0/0", "tile/0/0000", "tile/00/000", "tile/64/000", "tile/0/x000/001", "tile/0/000.p/0",
                  "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/001/000", "tile/0/x01/000", "tile/-1/000", "tile/0/000/",
                  "tile/0/../000", "tile/0/%2e%2e/000", "tile/entries/x001", "tile/0/x001/x234/x067", "tile/0/000.p/",
                  "tile/data/000", good + "/", good[:-1], "/" + good, good.replace("tile", "Tile"), good + ".p/-1",
                  good + "\n", good.replace("/x", "/X", 1), good + ".p/\u0661", "tile/8/" + good[5:], good + " "]  # fmt: skip
        return {"cases": cases, "reject": reject}

    def mutations(self, proof: list[bytes]) -> Iterable[tuple[str, list[bytes]]]:
        yield "append-zero-hash", [*proof, bytes(32)]
        if proof:
            at, bit = self.rng.randrange(len(proof)), self.rng.randrange(256)
            flipped = (int.from_bytes(proof[at], "big") ^ (1 << bit)).to_bytes(32, "big")
            yield f"flip-bit@{at}", [*proof[:at], flipped, *proof[at + 1 :]]
            yield "drop-last", proof[:-1]
            yield "drop-first", proof[1:]
            yield "dup-first", [proof[0], *proof]
            yield "reverse", proof[::-1]
            yield "short-hash", [*proof[:-1], proof[-1][:-1]]
            yield "long-hash", [*proof[:-1], proof[-1] + b"\0"]
            yield "empty-hash", [*proof[:-1], b""]

    def inclusion(self) -> Case:
        cases = []
        sizes = [size for size in self.sizes() if size]
        for _ in range(300 if self.large else 60):
            size = self.rng.choice(sizes)
            index = self.rng.choice([0, size - 1, self.rng.randrange(size)])
            leaf, root = self.tree.mth(index, index + 1), self.tree.root(size)
            proof = self.tree.path(index, 0, size)
            variants = [("valid", index, size, root, leaf, proof)]
            variants += [(what, index, size, root, leaf, p) for what, p in self.mutations(proof)]
            variants += [
                ("wrong-leaf", index, size, root, self.fork.mth(0, 1), proof),
                ("wrong-index", index ^ 1, size, root, leaf, proof),
                ("index=size", size, size, root, leaf, proof),
                ("size+1", index, size + 1, root, leaf, proof),
                ("size-1", index, size - 1, root, leaf, proof),
                ("root-is-leafhash", index, size, leaf, leaf, proof),
            ]
            for what, i, n, r, hashed, p in [variants[0], *self.rng.sample(variants[1:], 6)]:
                cases.append({
                    "leafIdx": i, "treeSize": n, "root": b64(r), "leafHash": b64(hashed), "proof": [b64(x) for x in p],
                    "desc": what, "wantErr": root_from_path(i, n, hashed, p) != r,
                })  # fmt: skip
        return {"cases": cases}

    def consistency(self) -> Case:
        cases = []
        sizes = [size for size in self.sizes() if size]
        for _ in range(300 if self.large else 60):
            old, new = sorted(self.rng.sample(sizes, 2))
            if self.rng.random() < 0.05:
                old = new
            first, second, proof = self.tree.root(old), self.tree.root(new), self.tree.proof(old, new)
            variants = [("valid", old, new, first, second, proof)]
            variants += [(what, old, new, first, second, p) for what, p in self.mutations(proof)]
            variants += [
                ("sizes-swapped", new, old, second, first, proof),
                ("root1=root2", old, new, second, second, proof),
                ("fork-root1", old, new, self.fork.root(7), second, proof),
                ("fork-root2", old, new, first, self.fork.root(7), proof),
                ("size2+1", old, new + 1, first, second, proof),
            ]
            for what, m, n, r1, r2, p in [variants[0], *self.rng.sample(variants[1:], 5)]:
                cases.append({
                    "size1": m, "size2": n, "root1": b64(r1), "root2": b64(r2), "proof": [b64(x) for x in p],
                    "desc": what, "wantErr": not consistent(m, n, r1, r2, p),
                })  # fmt: skip
        return {"cases": cases}

    # --- notes --------------------------------------------------------------------------------------------------------

    def checkpoints(self) -> Case:
        size = self.rng.choice([size for size in self.sizes() if size > 1000])
        root, text, log, other = self.tree.root(size), self.head(size), self.log, self.other
        mine, unknown = log.sign(text), other.sign(text)
        new_key = self.signer(self.origin, 1, "rotated")
        whole = note(text, mine)
        tail = b64(root)
        cases: list[Case] = []

        def add(desc: str, data: str | bytes, expect: str = "reject", **more: Any) -> None:
            raw = data if isinstance(data, bytes) else data.encode()
            case = {"desc": desc, "note_b64": b64(raw), "vkeys": more.pop("vkeys", [log.vkey]), "expect": expect, **more}
            cases.append(case)

        def accept(desc: str, data: str, n: int = size, r: bytes = root, **more: Any) -> None:
            add(desc, data, "accept", origin=self.origin, size=n, root=b64(r), **more)

        def body(desc: str, altered: str) -> None:
            add(desc, note(altered, log.sign(altered)), expected_origin=self.origin)

        accept("valid", whole)
        accept("valid + unknown signature after", whole + unknown)
        accept("valid + unknown signature before", note(text, unknown, mine))
        both = [log.vkey, new_key.vkey]
        accept("valid, key rotated: old+new keys both sign", note(text, mine, new_key.sign(text)), vkeys=both)
        strangers = [self.signer(f"stranger{i}.example", 1).sign(text) for i in range(16)]
        accept("valid with 16 unknown signatures", note(text, *strangers, mine))
        accept("valid with an unknown type", whole + self.log.line(b"x" * 40, key_id=b"abcd"))
        accept("identical signature twice", whole + mine)
        empty = self.head(0)
        accept("size 0, empty root", note(empty, log.sign(empty)), 0, sha256(b""))
        extended = checkpoint(self.origin, size, root, f"note {self.seed}")
        accept("extension line signed", note(extended, log.sign(extended)), note="extension lines are allowed, not recommended")

        broken = bytearray(base64.b64decode(mine.split(" ")[2]))
        broken[self.rng.randrange(4, len(broken))] ^= 1 << self.rng.randrange(8)
        bad = log.line(bytes(broken[4:]))
        add("bad signature of known key", note(text, bad))
        add("good + bad signature of the same known key", note(text, mine, bad), "implementation-defined",
            note="signed-note: SHOULD reject; Go dedups on first")  # fmt: skip
        add("only unknown key", note(text, unknown))
        impostor = self.signer(self.origin, 1, "impostor")
        add("same name other key id", note(text, impostor.sign(text)))
        add("right id wrong name", note(text, log.line(base64.b64decode(mine.split(" ")[2])[4:], name="wrong.example")))
        add("no signatures", text + "\n")
        add("no blank line", text + mine)
        add("empty", "")
        add("text without final newline", text[:-1] + "\n" + mine)
        add("CRLF", whole.replace("\n", "\r\n"))
        control = checkpoint(self.origin, size, root, "a\x07b")
        add("control char in text", note(control, log.sign(control)))
        add("invalid utf8", whole.encode().replace(b"\n\n", b"\n\xff\n\n"))
        add("hyphen instead of em dash", whole.replace("\u2014", "-"))
        add("signature line missing final newline", whole[:-1])
        add("trailing text after signatures", whole + "x\n")
        add("blank line after signatures", whole + "\n")
        add("non canonical base64 in signature", note(text, self.not_canonical(mine)))
        dashed = text.replace(self.origin, self.origin + "-").replace(tail, tail[:-2] + "-=")
        add("urlsafe base64 in root", note(dashed, log.sign(dashed)), note="origin also altered")
        for desc, number in [("leading zero size", f"0{size}"), ("negative size", f"-{size}"), ("plus sign size", f"+{size}"),
                             ("hex size", hex(size)), ("size with space", f"{size} "), ("underscore size", "1_000"),
                             ("unicode digits", str(size).translate({48 + i: 0x660 + i for i in range(10)})),
                             ("fraction size", f"{size}.0"), ("exponent size", "1e3")]:  # fmt: skip
            body(desc, checkpoint(self.origin, number, root))
        body("root 31 bytes", checkpoint(self.origin, size, root[:31]))
        body("root 33 bytes", checkpoint(self.origin, size, root + b"\0"))
        body("root hex", f"{self.origin}\n{size}\n{root.hex()}\n")
        body("two lines only", f"{self.origin}\n{size}\n")
        body("empty origin", checkpoint("", size, root))
        body("other origin, log key signs", checkpoint("evil.example/log", size, root))
        body("empty extension line", checkpoint(self.origin, size, root, "", "x"))
        body("size 0 with non-empty root", checkpoint(self.origin, 0, root))
        same_key = Signer(self.origin, 4, log.seed)
        add("cosignature line (0x04) by log name must not count as log signature", note(text, same_key.cosign(text, self.time)))
        giant = checkpoint(self.origin, 2**64, root)
        add("size 2^64", note(giant, log.sign(giant)), "implementation-defined", note="rejecting is recommended")
        schema = "a verifier with `vkeys` and origin expected_origin (default: the vkey name) opens note_b64 as a tlog-checkpoint"
        return {"schema": schema, "origin": self.origin, "cases": cases}

    @staticmethod
    def not_canonical(line: str) -> str:
        """Set a bit of the last base64 digit that no byte uses."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        at = len(line.rstrip("=\n")) - 1
        assert line.endswith("=\n"), "the encoding fills its last digit"
        return line[:at] + alphabet[alphabet.index(line[at]) ^ 1] + line[at + 1 :]

    def vkeys(self) -> Case:
        log = self.log.vkey
        name, key_id, key = log.split("+", 2)
        wrong_id = f"{int(key_id, 16) ^ 1 << self.rng.randrange(32):08x}"

        def made(owner: str, data: bytes) -> str:
            key_id = sha256(owner.encode() + b"\n" + data)[:4]
            return f"{owner}+{key_id.hex()}+{b64(data)}"

        good = [log, self.witnesses[0].vkey, self.pq[0].vkey, self.other.vkey]
        bad = [
            f"{name}+{wrong_id}+{key}", f"{name}+{key_id}+{key[:-4]}", f"{name}+{key_id}", made("", self.log.encoded),
            made("a b", self.log.encoded), made("a\u00a0b", self.log.encoded), f"{name}+{key_id}+f{key[1:]}",
            made(name, self.log.encoded[:-1]), made(name, self.log.encoded + b"\0"), made(name, self.pq[0].encoded[:-1]),
            made(name, b"\1" + bytes(32)), made(name, b"\4\1" + bytes(31)), made(name, b"\1" + b"\xff" * 32),
            f"{name}+{key_id.upper() if key_id.upper() != key_id else '0' + key_id}+{key}", log + "\n", " " + log, "",
        ]  # fmt: skip
        return {"cases": [{"vkey": v, "valid": True} for v in good] + [{"vkey": v, "valid": False} for v in bad]}

    def cosignatures(self) -> Case:
        size = self.rng.choice([size for size in self.sizes() if size > 1000])
        text, (w0, w1, w2, w3, _), (pq0, pq1), time = self.head(size), self.witnesses, self.pq, self.time
        extended = checkpoint(self.origin, size, self.tree.root(size), "note 1")
        stranger = self.signer("stranger.example", 4)

        def shifted(line: str, by: int) -> str:
            raw = base64.b64decode(line.split(" ")[2])
            return w0.line((time + by).to_bytes(8, "big") + raw[12:])

        plain = w1.line(time.to_bytes(8, "big") + w1.private.sign(text.encode()))
        as_note = Signer(w2.name, 1, w2.seed).sign(text)
        other_origin = checkpoint("other.example/log", size, self.tree.root(size))
        made: list[tuple[str, str, list[str], list[Signer]]] = [
            ("3 ed25519 cosigs", text, [w.cosign(text, time) for w in (w0, w1, w2)], [w0, w1, w2]),
            ("ed25519 + ml-dsa-44", text, [w0.cosign(text, time), pq0.cosign(text, time)], [w0, pq0]),
            ("two ml-dsa-44", text, [pq0.cosign(text, time), pq1.cosign(text, time)], [pq0, pq1]),
            ("same witness twice counts once", text, [w0.cosign(text, time)] * 2, [w0]),
            ("timestamp altered", text, [shifted(w0.cosign(text, time), 1)], []),
            ("timestamp zero", text, [w0.cosign(text, 0)], []),
            ("timestamp 2^63", text, [w0.cosign(text, 2**63)], []),
            ("cosig for other size", text, [w0.cosign(self.head(size - 1), time)], []),
            ("pq cosig for other size", text, [pq0.cosign(self.head(size - 1), time)], []),
            ("cosig for other origin", text, [w0.cosign(other_origin, time)], []),
            ("pq cosig for other origin", text, [pq0.cosign(other_origin, time)], []),
            ("plain note signature (no cosignature/v1 header) by witness key", text, [plain], []),
            ("0x01-style signature under witness name", text, [as_note], []),
            ("cosig body truncated to 60-byte signature", text, [w1.line(time.to_bytes(8, "big") + bytes(60))], []),
            ("pq cosig with name of another cosigner", text, [pq0.cosign(text, time, as_name=pq1.name)], []),
            ("extension line: ed25519 cosig covers it", extended, [w0.cosign(extended, time)], [w0]),
            ("extension line: cosig made without it", extended, [w0.cosign(text, time)], []),
            ("unknown witness ignored", text, [stranger.cosign(text, time), w3.cosign(text, time)], [w3]),
        ]
        cases = [
            {
                "desc": desc, "note": note(head, self.log.sign(head), *lines), "log_vkey": self.log.vkey,
                "witness_vkeys": [w.vkey for w in (*self.witnesses, *self.pq)],
                "valid": [{"name": w.name, "id": w.key_id.hex(), "timestamp": time} for w in valid],
            }
            for desc, head, lines, valid in made
        ]  # fmt: skip
        return {"schema": "valid = set of configured witnesses whose cosignature verifies (each key once)", "cases": cases}

    # --- policies and proofs ------------------------------------------------------------------------------------------

    def policy(self, rest: str) -> str:
        lines = [f"witness W{i} {w.vkey}\n" for i, w in enumerate(self.witnesses)]
        return f"log {self.log.vkey}\n{''.join(lines)}{rest}"

    def policies(self) -> Case:
        def satisfied(*sets: tuple[str, bool]) -> list[list[Any]]:
            return [[names.split(), holds] for names, holds in sets]

        k = self.rng.randrange(1, 6)
        everybody = [f"W{i}" for i in range(5)]
        drawn = [self.rng.sample(everybody, self.rng.randrange(6)) for _ in range(5)]
        good = [
            ("2 of 3", "group g 2 W0 W1 W2\nquorum g\n",
             satisfied(("W0 W1", True), ("W0", False), ("W0 W3", False), ("W0 W1 W2", True), ("", False))),
            ("nested", "group a 2 W0 W1 W2\ngroup b any W3 W4\ngroup c all a b\nquorum c\n",
             satisfied(("W0 W1 W3", True), ("W0 W1 W2", False), ("W3 W4", False), ("W0 W3", False))),
            ("none", "quorum none\n", satisfied(("", True))),
            ("single", "quorum W4\n", satisfied(("W4", True), ("W0 W1 W2 W3", False))),
            ("any", "group g any W0 W1\nquorum g\n", satisfied(("W1", True), ("W2", False))),
            (f"{k} of 5", f"group g {k} W0 W1 W2 W3 W4\nquorum g\n", [[names, len(names) >= k] for names in drawn]),
        ]  # fmt: skip
        cases: list[Case] = [
            {"desc": desc, "policy": self.policy(rest), "valid": True, "satisfied_by": sets} for desc, rest, sets in good
        ]
        spaced = "# c\n\n" + self.policy("  group\tg  all W0 W1\n\tquorum g\n").replace("witness ", "witness\t")
        cases.append({"desc": "comments and tabs", "policy": spaced, "valid": True,
                      "satisfied_by": satisfied(("W0 W1", True), ("W0", False))})  # fmt: skip
        bad = {
            "two quorum lines": "quorum W0\nquorum W1\n", "no quorum": "", "k=0": "group g 0 W0\nquorum g\n",
            "k>n": "group g 3 W0 W1\nquorum g\n", "forward reference": "group a any b\ngroup b any W0\nquorum a\n",
            "undefined member": "group a any W9\nquorum a\n", "empty group": "group a any\nquorum a\n",
            "member of two groups": "group a any W0 W1\ngroup b any W0 W2\ngroup c all a b\nquorum c\n",
            "member twice": "group a 2 W0 W0\nquorum a\n", "own member": "group a any a W0\nquorum a\n",
            "duplicate witness key": f"witness X {self.witnesses[0].vkey}\nquorum W0\n",
            "duplicate name": "group W0 any W1\nquorum W0\n", "none as member": "group a any none\nquorum a\n",
            "unknown keyword": "frob x\nquorum W0\n", "NUL byte": "# \0\nquorum W0\n", "DEL byte": "# \x7f\nquorum W0\n",
            "duplicate log key": f"log {self.log.vkey}\nquorum W0\n", "k not decimal": "group g 0x1 W0\nquorum g\n",
            "k leading zero": "group g 01 W0\nquorum g\n", "carriage return": "quorum W0\r\n",
            "bad vkey": f"log {self.log.vkey.replace('+', '-', 1)}\nquorum W0\n",
            "last line not ended": "quorum W0", "witness with the key of a log": f"witness X {self.other.vkey}\nquorum X\n",
            "log with the key of a witness": f"log {self.signer('x.example', 4).vkey}\nquorum W0\n",
            "form feed": "quorum\fW0\n", "undefined quorum": "quorum W9\n", "quorum of nothing": "quorum\n",
            "too many words": f"log {self.other.vkey} https://x.example y\nquorum W0\n",
        }  # fmt: skip
        cases += [{"desc": desc, "policy": self.policy(rest), "valid": False} for desc, rest in bad.items()]
        return {"cases": cases}

    def proofs(self) -> Case:
        policy = self.policy("group g 2 W0 W1 W2\nquorum g\n")
        (w0, w1, w2, _, w4), cases = self.witnesses, []

        def parts(index: int, size: int) -> tuple[list[str], str]:
            path = [b64(part) for part in self.tree.path(index, 0, size)]
            return ["c2sp.org/tlog-proof@v1", f"index {index}", *path], self.signed(size, w0, w1)

        def add(desc: str, lines: list[str], head: str, leaf: bytes, expect: str = "reject") -> None:
            cases.append({"desc": desc, "proof": "\n".join(lines) + "\n\n" + head, "policy": policy,
                          "leaf_b64": b64(leaf), "expect": expect})  # fmt: skip

        for size in self.rng.sample([size for size in self.sizes() if size], 6):
            index = self.rng.randrange(size)
            add(f"valid {index}/{size}", *parts(index, size), self.tree.entries[index], "accept")
        size = self.rng.choice([size for size in self.sizes() if 100 <= size < 2000])
        index = self.rng.randrange(1, size - 1)
        lines, head = parts(index, size)
        text, leaf = self.head(size), self.tree.entries[index]
        add("valid with extra", [lines[0], f"extra {b64(self.rng.randbytes(40))}", *lines[1:]], head, leaf, "accept")
        add("3 cosigs", lines, self.signed(size, w0, w1, w2), leaf, "accept")
        add("1 cosig", lines, self.signed(size, w0), leaf)
        add("2 cosigs, one outside group", lines, self.signed(size, w0, w4), leaf)
        add("no cosig", lines, self.signed(size), leaf)
        add("same witness twice", lines, self.signed(size, w0, w0), leaf)
        add("wrong leaf", lines, head, self.tree.entries[index + 1])
        add("leaf hash given as leaf", lines, head, sha256(b"\0" + leaf))
        for desc, number in [("wrong index", str(index ^ 1)), ("index leading zero", f"0{index}"), ("index negative", f"-{index}"),
                             ("index>=size", str(size)), ("index plus", f"+{index}"), ("index 2^64", str(2**64 + index))]:  # fmt: skip
            add(desc, [lines[0], f"index {number}", *lines[2:]], head, leaf)
        add("truncated proof", lines[:-1], head, leaf)
        add("overlong proof", [*lines, ZERO], head, leaf)
        add("64 hashes", [*lines[:2], *[ZERO] * 64], head, leaf)
        add("wrong header", ["c2sp.org/tlog-proof@v2", *lines[1:]], head, leaf)
        add("two extra lines", [lines[0], "extra AAAA", "extra AAAA", *lines[1:]], head, leaf)
        add("extra after index", [*lines[:2], "extra AAAA", *lines[2:]], head, leaf)
        add("extra not base64", [lines[0], "extra !", *lines[1:]], head, leaf)
        add("other log key", lines, note(text, self.other.sign(text), w0.cosign(text, self.time), w1.cosign(text, self.time)), leaf)
        evil = checkpoint("evil.example/log", size, self.tree.root(size))
        cosigned = [w.cosign(evil, self.time) for w in (w0, w1)]
        add("other origin", lines, note(evil, self.log.sign(evil), *cosigned), leaf)
        cases.append({"desc": "CRLF", "proof": "\r\n".join(lines) + "\r\n\r\n" + head, "policy": policy,
                      "leaf_b64": b64(leaf), "expect": "reject"})  # fmt: skip
        cases.append({**cases[-1], "desc": "no blank line", "proof": "\n".join(lines) + "\n" + head})
        two = b"\1" + self.tree.mth(0, 1) + self.tree.mth(1, 2)
        add("inner node as leaf (second preimage)", [*lines[:1], "index 0"], self.signed(2, w0, w1), two)
        return {"cases": cases}

    # --- the witness, logs and envelopes ------------------------------------------------------------------------------

    def witness(self) -> Case:
        """Return an ordered transcript; the sizes are drawn, the order of steps is fixed."""
        a = self.rng.randrange(3, 40)
        b = self.rng.randrange(a + 1, 90)
        c, d, e = (b + self.rng.randrange(1, 60), self.rng.randrange(1000, 2500), self.rng.randrange(2600, 3000))
        cases: list[Case] = []

        def step(desc: str, status: int, latest: int, body: str, **more: Any) -> None:
            cases.append({"desc": desc, "body": body, "status": status, **more, "latest_size_after": latest})

        def request(old: int | str, head: str, proof: Iterable[bytes] = ()) -> str:
            return f"old {old}\n" + "".join(b64(part) + "\n" for part in proof) + "\n" + head

        def grown(old: int, new: int) -> str:
            return request(old, self.signed(new), self.tree.proof(old, new))

        foreign, to_c = self.signer("nobody.example/log", 1), self.head(c)
        nobody = checkpoint(foreign.name, a, self.tree.root(a))
        impostor = self.signer(self.origin, 1, "impostor")
        step("unknown origin", 404, 0, request(0, note(nobody, foreign.sign(nobody))))
        step("first", 200, a, grown(0, a))
        step("resubmit same size", 200, a, request(a, self.signed(a)))
        step("old mismatch", 409, a, grown(a - 1, b), response=f"{a}\n")
        step("grow", 200, b, grown(a, b))
        step("old>size", 400, b, request(b + 5, self.signed(b)))
        proof = self.tree.proof(b, c)
        step("bad signature", 403, b, request(b, note(to_c, self.log.sign(self.head(c + 1))), proof))
        step("unknown key only", 403, b, request(b, note(to_c, impostor.sign(to_c)), proof))
        step("bad proof", 422, b, request(b, self.signed(c), [bytes(32)] * max(1, len(proof))))
        step("missing proof", 422, b, request(b, self.signed(c)))
        step("same size other root (split view)", 422, b, request(b, self.signed(b, tree=self.fork)))
        step("rollback with proof of old<-> older", 409, b, grown(a, b), response=f"{b}\n")
        step("proof with old 0 must be empty -> conflict first", 409, b, request(0, self.signed(c), [bytes(32)]), response=f"{b}\n")
        step("64 proof lines", 400, b, request(b, self.signed(c), [bytes(32)] * 64))
        step("old leading zero", 400, b, request(f"0{b}", self.signed(c), proof))
        step("no blank line", 400, b, request(b, self.signed(c), proof).replace("\n\n", "\n", 1))
        step("garbage", 400, b, "hello")
        step("empty", 400, b, "")
        step("grow big", 200, d, grown(b, d))
        step("shrink", 409, d, request(b, self.signed(d - 1), self.tree.proof(b, d - 1)), response=f"{d}\n")
        last = self.head(e)
        step("grow with extra foreign signature", 200, e,
             request(d, note(last, self.other.sign(last), self.log.sign(last)), self.tree.proof(d, e)))  # fmt: skip
        schema = (
            "POST add-checkpoint in this order to one witness configured with log_vkey; status per c2sp.org/tlog-witness; 200 "
            "bodies must be cosignature lines that verify for witness_vkey; after each step GET "
            "<prefix>/<sha256hex(origin)>/checkpoint must show latest_size_after (404 if 0)"
        )
        return {"schema": schema, "log_vkey": self.log.vkey, "origin": self.origin, "witness_vkey": self.witnesses[0].vkey,
                "witness_seed_hex": None, "cases": cases}  # fmt: skip

    def logs(self) -> tuple[Case, dict[str, dict[str, bytes]]]:
        """Return `logs.json` and the files of each archive."""
        size = self.rng.randrange(520, 760)
        pin = self.rng.randrange(300, 500)
        back, (w0, w1, w2, w3, w4) = self.rng.randrange(pin - 200, pin), self.witnesses
        entries = list(self.tree.entries[:size])
        at = self.rng.randrange(pin - 1)

        def laid(n: int, head: str, tree: Tree | None = None) -> dict[str, bytes]:
            return {"checkpoint": head.encode(), **resources(tree or self.tree, n)}

        good = laid(size, self.signed(size, w0, w1, w2))
        tiles0 = sorted(path for path in good if path.startswith("tile/0/"))
        full, partial = tiles0[0], tiles0[-1]
        level1 = next(path for path in good if path.startswith("tile/1/"))
        first_bundle, some_bundle = "tile/entries/000", "tile/entries/001"

        def flip(data: bytes) -> bytes:
            place = self.rng.randrange(len(data))
            return data[:place] + bytes([data[place] ^ 1 << self.rng.randrange(8)]) + data[place + 1 :]

        def torn(data: bytes) -> bytes:
            left = data[: -self.rng.randrange(1, 200)]
            return left[:-1] if left.endswith(b"\n") else left  # cut between two lines, it is a whole note with fewer cosignatures

        def change(path: str, how: Callable[[bytes], bytes]) -> dict[str, bytes]:
            return {**good, path: how(good[path])}

        def rebuilt(changed: list[bytes], n: int = size) -> dict[str, bytes]:
            tree = Tree(changed)
            return laid(n, self.signed(n, tree=tree), tree)

        def without(path: str) -> dict[str, bytes]:
            return {name: data for name, data in good.items() if name != path}

        lie, foreign = checkpoint(self.origin, size + 1, self.tree.root(size)), self.head(size)
        swapped = [*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]]
        after_pin = Tree([*entries[:pin], *(f"{self.seed}/forked/{i}\n".encode() for i in range(pin, size))])
        made: list[tuple[str, str, str, dict[str, bytes]]] = [
            ("good", "ok", "", good),
            ("bitflip-level0-full", "bad", "tile", change(full, flip)),
            ("bitflip-level0-partial", "bad", "tile", change(partial, flip)),
            ("bitflip-level1", "bad", "tile", change(level1, flip)),
            ("bitflip-entry", "bad", "entry", change(some_bundle, flip)),
            ("missing-tile", "bad", "missing", without(tiles0[1])),
            ("missing-entries", "bad", "missing", without(first_bundle)),
            ("truncated-tile", "bad", "tile", change(full, lambda data: data[: self.rng.randrange(1, 8192)])),
            ("overlong-tile", "bad", "tile", change(full, lambda data: data + bytes(32))),
            ("truncated-bundle", "bad", "entry", change(first_bundle, lambda data: data[: -self.rng.randrange(1, 99)])),
            ("trailing-bytes-bundle", "bad", "entry", change(some_bundle, lambda data: data + b"\0")),
            ("missing-checkpoint", "bad", "checkpoint", without("checkpoint")),
            ("torn-checkpoint", "bad", "checkpoint", change("checkpoint", torn)),
            ("zero-filled-tile", "bad", "tile", change(tiles0[1], lambda data: bytes(len(data)))),
            ("empty-tile", "bad", "tile", change(level1, lambda _: b"")),
            ("foreign-key-checkpoint", "bad", "signature", {**good, "checkpoint": note(foreign, self.other.sign(foreign)).encode()}),
            ("size-lies", "bad", "root", {**good, "checkpoint": note(lie, self.log.sign(lie)).encode()}),
            ("edited-and-rebuilt", "bad-with-prev", "history rewritten, log key used, no witness",
             rebuilt([*entries[:at], b"edited\n", *entries[at + 1 :]])),
            ("reordered-and-rebuilt", "bad-with-prev", "reordered", rebuilt(swapped)),
            ("deleted-and-rebuilt", "bad-with-prev", "entry deleted",
             rebuilt([*entries[:at], *entries[at + 1 :], self.tree.entries[size]])),
            ("rolled-back", "bad-with-prev", "rollback", laid(back, self.signed(back, w0, w1, w2))),
            ("backdated-insert", "bad-with-prev", "insert before pinned size", rebuilt([*entries[:at], b"late\n", *entries[at:-1]])),
            ("fork-after-pin (split view)", "needs-other-view", "consistent with prev; differs from `good` at the same size",
             laid(size, self.signed(size, w3, w4, tree=after_pin), after_pin)),
            ("no-witness", "bad-with-policy", "quorum not met", {**good, "checkpoint": self.signed(size).encode()}),
        ]  # fmt: skip
        cases, archives = [], {}
        for name, expect, kind, files in made:
            file = f"logs/{name.split(' ')[0]}.tar.gz"
            archives[file] = files
            cases.append({"name": name, "file": file, "expect": expect, "class": kind})
        schema = (
            "each archive is a tlog-tiles directory. ok: fsck passes. bad: fsck alone must fail. bad-with-prev: fsck alone passes, "
            f"must fail when given the pinned earlier checkpoint `prev` (size {pin}). bad-with-policy: must fail under `policy`. "
            "needs-other-view: passes with prev, but must yield a split-view proof when compared with good"
        )
        prev = self.signed(pin, w0, w1, w2)
        policy = self.policy("group g 2 W0 W1 W2\nquorum g\n")
        return {"schema": schema, "log_vkey": self.log.vkey, "origin": self.origin, "policy": policy, "prev": prev,
                "cases": cases}, archives  # fmt: skip

    def dsse(self) -> Case:
        """Envelopes of secure-systems-lab/dsse 1.0.2 under t of n keys."""
        kind = "application/vnd.groundrule.approval+json"

        def pae(payload_type: str, payload: bytes) -> bytes:
            name = payload_type.encode()
            return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)

        keys = [self.signer(f"approver{i}", 1) for i in range(5)]
        trusted = [key.encoded[1:].hex() for key in keys[:4]]
        payload = json.dumps({"seed": self.seed, "proposal": self.rng.randbytes(32).hex(), "verdict": "approve"}).encode()
        whole = [key.private.sign(pae(kind, payload)) for key in keys]
        raw = [key.private.sign(payload) for key in keys]
        confused = keys[0].private.sign(f"DSSEv1 {len(kind)}{kind} {len(payload)} ".encode() + payload)
        cases: list[Case] = []

        def add(desc: str, expect: str, signatures: list[tuple[str, bytes]], **more: Any) -> None:
            encode = more.get("encode", base64.b64encode)
            envelope = {
                "payloadType": more.get("type", kind), "payload": encode(more.get("payload", payload)).decode(),
                "signatures": [{"keyid": key_id, "sig": encode(sig).decode()} for key_id, sig in signatures],
            }  # fmt: skip
            cases.append({"desc": desc, "envelope": envelope, "threshold": more.get("threshold", 2),
                          "trusted_ed25519_hex": more.get("trusted", trusted), "payload_type": kind, "expect": expect})  # fmt: skip

        pair = [("a", whole[0]), ("b", whole[1])]
        add("2 of 4", "accept", pair)
        add("url-safe base64", "accept", pair, encode=base64.urlsafe_b64encode)
        add("keyids absent/wrong are only hints", "accept", [("", whole[0]), ("zzz", whole[1])])
        add("1 of 2 needed", "reject", pair[:1])
        add("same key twice", "reject", [("a", whole[0]), ("a2", whole[0])])
        add("same key 5 times other keyids", "reject", [(str(i), whole[0]) for i in range(5)])
        add("one untrusted", "reject", [("a", whole[0]), ("e", whole[4])])
        add("untrusted plus enough", "accept", [("e", whole[4]), *pair])
        add("signature over raw payload, not PAE", "reject", [("a", raw[0]), ("b", raw[1])])
        add("payload type swapped", "reject", pair, type="application/vnd.groundrule.proposal+json")
        add("payload changed by one byte", "reject", pair, payload=payload.replace(b"approve", b"approvf"))
        add("PAE length confusion", "reject", [("a", confused), ("b", whole[1])])
        add("no signatures", "reject", [], threshold=1)
        add("threshold 4 of 4", "accept", [(str(i), whole[i]) for i in range(4)], threshold=4)
        add("bad then good of same key", "accept", [("a", bytes(64)), *pair])
        add("duplicate public key listed twice as trusted", "reject", pair[:1], trusted=[trusted[0], trusted[0], trusted[1]])
        bodies = [("", b""), ("http://example.com/HelloWorld", b"hello world"), ("t\u00e4\u2713", self.rng.randbytes(256)), (kind, payload)]
        return {"pae": [{"type": t, "body_b64": b64(body), "pae_b64": b64(pae(t, body))} for t, body in bodies], "cases": cases}


def pack(files: dict[str, bytes]) -> bytes:
    """Return the files as a .tar.gz that is the same each time."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        for path, data in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(inner.getvalue(), compresslevel=1, mtime=0)


def write(folder: Path, seed: str, *, large: bool = False) -> Path:
    """Write a folder of vectors.

    Args:
        folder: made if it is not there.
        seed: lowercase letters, digits and hyphens; part of names of logs and witnesses.
        large: five times as many proofs, and more trees.
    """
    vectors = Vectors(seed, large=large)
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    listed, archives = vectors.logs()
    for name, content in {**vectors.files(), "logs.json": listed}.items():
        (folder / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
    for name, files in archives.items():
        (folder / name).write_bytes(pack(files))
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", default="groundrule")
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    write(arguments.folder, arguments.seed, large=arguments.large)


if __name__ == "__main__":
    main()
