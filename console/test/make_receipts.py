"""Make the receipts and their mutants that the browser's verifier is tested with.

    python console/test/make_receipts.py DEMO-FOLDER

DEMO-FOLDER is what `groundrule demo --out` wrote. Writes console/test/fixtures/receipts.json. Each mutant carries the verdict of
tools/groundrule_verify.py, an implementation of its own, so that two programs that share no code judge the same bytes.
"""

from __future__ import annotations

import base64
import json
import random
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import groundrule_verify as judge  # noqa: E402 - found on the path that is set above

from groundrule.pipeline.receipts import issue_receipt  # noqa: E402
from groundrule.store.home import Home  # noqa: E402

BYTES_MUTANTS = 400
FIELDS = ("lat_e7", "deny", "serve", "restrict")


def verdict(receipt: bytes, policy: bytes) -> tuple[bool, str]:
    """What the small program says."""
    facts: dict[str, object] = {"fields": {}}
    try:
        read = judge.parse_policy(policy)
        for _ in judge.receipt_steps(receipt, read, facts):
            pass
    except judge.Failed as error:
        return False, str(error)
    return True, ""


def parts(receipt: bytes) -> tuple[dict[str, object], list[bytes]]:
    """The receipt in the extra line, and all lines."""
    lines = receipt.split(b"\n")
    return json.loads(base64.b64decode(lines[1][6:])), lines


def rebuilt(receipt: bytes, value: object) -> bytes:
    """A file with another receipt in its extra line, written as it must be."""
    _, lines = parts(receipt)
    lines[1] = b"extra " + base64.b64encode(judge.jcs(value).encode())
    return b"\n".join(lines)


def mutants(receipt: bytes, other: bytes, rng: random.Random) -> list[tuple[str, bytes]]:
    """Changes that an insider might try, and bytes changed at random."""
    found: list[tuple[str, bytes]] = []
    value, lines = parts(receipt)
    for i, field in enumerate(value["fields"]):
        for name, new in (
            ("value", "serve"),
            ("value", None),
            ("name", "outcom"),
            ("salt", base64.b64encode(bytes(32)).decode()),
        ):
            changed = json.loads(json.dumps(value))
            if changed["fields"][i][name] != new:
                changed["fields"][i][name] = new
                found.append((f"{field['name']}: another {name}", rebuilt(receipt, changed)))
    for key, new in (("batch_index", value["batch_index"] + 1), ("leaf_index", value["leaf_index"] ^ 1), ("v", 2), ("inner_path", value["inner_path"][:-1]),
                     ("inner_path", value["inner_path"][::-1]), ("commitments", value["commitments"][::-1]), ("commitments", value["commitments"][1:]),
                     ("fields", value["fields"] * 2), ("entry", base64.b64encode(b"{}").decode())):  # fmt: skip
        found.append((f"another {key}", rebuilt(receipt, value | {key: new})))
    foreign, _ = parts(other)
    for key in ("entry", "fields", "commitments", "inner_path", "leaf_index"):
        if foreign[key] != value[key]:
            found.append((f"{key} of another receipt", rebuilt(receipt, value | {key: foreign[key]})))
    at = next(i for i, line in enumerate(lines) if not line)
    found += [
        ("no blank line", receipt.replace(b"\n\n", b"\n", 1)), ("a line more", receipt + b"x\n"), ("no last newline", receipt[:-1]),
        ("CRLF", receipt.replace(b"\n", b"\r\n")), ("a blank line first", b"\n" + receipt), ("nothing", b""), ("another version", receipt.replace(b"@v1", b"@v2", 1)),
        ("an index with a zero before it", receipt.replace(b"\nindex ", b"\nindex 0", 1)), ("another size", b"\n".join([*lines[: at + 2], b"6", *lines[at + 3 :]])),
        ("another origin", b"\n".join([*lines[: at + 1], b"evil.example/log", *lines[at + 2 :]])), ("a path shorter", b"\n".join([*lines[: at - 1], *lines[at:]])),
        ("a path longer", b"\n".join([*lines[:at], lines[at - 1], *lines[at:]])), ("a size with a sign", b"\n".join([*lines[: at + 2], b"+5", *lines[at + 3 :]])),
        ("an extension line", b"\n".join([*lines[: at + 4], b"extension", *lines[at + 4 :]])),
    ]  # fmt: skip
    signed = [i for i, line in enumerate(lines) if line.startswith("—".encode())]
    for i in signed:
        found.append((f"without signature {i}", b"\n".join(line for k, line in enumerate(lines) if k != i)))
    cosigned = [i for i in signed if b"witness" in lines[i]]
    found.append(("without witnesses", b"\n".join(line for k, line in enumerate(lines) if k not in cosigned)))
    found.append(("one witness of three", b"\n".join(line for k, line in enumerate(lines) if k not in cosigned[1:])))
    for _ in range(BYTES_MUTANTS):
        place = rng.randrange(len(receipt))
        found.append(
            (f"byte {place}", receipt[:place] + bytes([receipt[place] ^ 1 << rng.randrange(8)]) + receipt[place + 1 :])
        )
    return found


def difference(before: bytes, after: bytes) -> list[object]:
    """Where two files differ: offset, length cut out there, base64 of what is put in."""
    start = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    tail = 0
    while tail < min(len(before), len(after)) - start and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return [start, len(before) - start - tail, base64.b64encode(after[start : len(after) - tail]).decode()]


def only_mldsa(before: bytes, after: bytes) -> bool:
    """Whether two files differ in the signature bytes of an ML-DSA-44 line alone."""
    a, b = before.split(b"\n"), after.split(b"\n")
    changed = [i for i in range(min(len(a), len(b))) if a[i] != b[i]]
    return (
        len(a) == len(b) and bool(changed) and all(len(a[i]) > 2_000 and a[i].startswith("—".encode()) for i in changed)
    )


def main() -> int:
    """Write the fixtures."""
    demo = Path(sys.argv[1])
    home, policy = Home.open(demo / "home"), (demo / "policy").read_bytes()
    rng = random.Random(6)  # noqa: S311 - places of changed bytes, no secrets
    ids = ("ut-01-007312", "ut-01-008226", "ut-01-000000")
    receipts = [issue_receipt(home, name, recipient=who).proof for name in ids for who in ("operator", "owner")]
    cases = []
    for i, receipt in enumerate(receipts):
        assert verdict(receipt, policy)[0]
        for what, changed in mutants(receipt, receipts[(i + 2) % len(receipts)], rng) if i in (0, 3) else []:
            if changed != receipt:
                holds, _ = verdict(changed, policy)
                cases.append(
                    {
                        "of": i,
                        "what": what,
                        "change": difference(receipt, changed),
                        "holds": holds,
                        "mldsa": only_mldsa(receipt, changed),
                    }
                )
    target = Path(__file__).parent / "fixtures" / "receipts.json"
    value = {"policy": policy.decode(), "receipts": [receipt.decode() for receipt in receipts], "mutants": cases}
    target.write_text(json.dumps(value, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    refused = sum(not case["holds"] for case in cases)
    print(
        f"{target}: {len(receipts)} receipts, {len(cases)} mutants, {refused} of them refused, {target.stat().st_size:,} bytes"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
