# ruff: noqa: D103, E401, I001, T201 - at most 300 lines, to be read in one sitting
"""Verify a receipt of Groundrule, or a whole log, without any code of Groundrule.

    python groundrule_verify.py [RECEIPT] --policy FILE [--log DIR [--raw]] [--pinned CHECKPOINT]... [--json]

Needs Python 3.11 and `cryptography` 50; with an older one, which knows no ML-DSA, Ed25519 alone is checked. Read it from top to bottom:
formats, then the numbered steps. The standards named are the C2SP texts (c2sp.org), RFC 6962, RFC 9162 and RFC 8785; "format N" is a
section of docs/verify-without-us.md, for what is ours alone.
Exit code 0: all of it holds. 1: `FAILED at step N: what is wrong`. 2: wrong usage or a file that cannot be read.
"""
import argparse, base64, hashlib, json, re, sys
from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
except ImportError:
    mldsa = None
CHECKED = {1, 4, 6} if mldsa else {1, 4}  # types of keys whose signatures are checked here
class Failed(Exception):
    """Something does not hold; the text says what."""
def check(holds, what):
    if not holds:
        raise Failed(what)
# --- what is Groundrule's alone: the keys of each object, and the pattern of the JSON text of each value -----------------------
MINUTE = r'"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:'
KIND = """"(heartbeat|decision-batch|request|proposal|approval|rejection|enactment|snapshot-published|emergency-open|emergency-close|review|
contact|contact-update|screening|charter|key-event|evidence|sealed|unsealed|erasure|correction|manifest)\"""".replace("\n", "")
COUNT, HEX, HASH, LIST = "[0-9]+", '"[0-9a-f]{64}"', '"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="', r"\[.*\]"
ENTRY = {"v": "1", "kind": KIND, "stream": '"[a-z0-9][a-z0-9._-]{0,63}"', "seq": COUNT, "t": MINUTE + r'[0-5][0-9]\.[0-9]{3}Z"',
         "body": r"\{.*\}"}  # format 1
BATCH = {"minute": MINUTE + r'00\.000Z"', "policy_digest": HEX, "evaluator_digest": HEX, "inner_root": HASH, "bucket_size": COUNT}
FIELD = {"name": '"[a-z][a-z0-9_]{0,254}"', "value": ".*", "salt": HASH}  # format 3; BATCH is format 2, RECEIPT format 4
RECEIPT = {"v": "1", "entry": '".*"', "batch_index": COUNT, "leaf_index": COUNT, "inner_path": LIST, "commitments": LIST, "fields": LIST}
jcs = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

def shaped(value, shape, what):
    check(isinstance(value, dict) and value.keys() == shape.keys(), f"{what} must have exactly these keys: {', '.join(shape)}")
    for name, pattern in shape.items():
        check(re.fullmatch(pattern, jcs(value[name]), re.DOTALL), f"{name} of {what} is malformed")
    return value
# --- small formats -------------------------------------------------------------------------------------------------------------
def b64(text, what, size=None):
    """Standard base64 with padding, canonical: decode, encode again, compare (RFC 4648, 4)."""
    check(isinstance(text, str) and len(text) % 4 == 0 and re.fullmatch("[A-Za-z0-9+/]*={0,2}", text), f"{what} is not base64")
    data = base64.b64decode(text)
    check(base64.b64encode(data).decode() == text and size in (None, len(data)), f"{what} is not base64 of {size or 'some'} bytes")
    return data
def number(text, what):
    """ASCII decimal below 2^63, without sign and without leading zeros (tlog-checkpoint)."""
    check(re.fullmatch("0|[1-9][0-9]{0,18}", text) and int(text) < 2**63, f"{what} is no decimal number: {text[:30]!a}")
    return int(text)
def parse_json(data, what):
    """JSON in canonical form (RFC 8785): read, write again, compare byte for byte; a fraction or large integer is read as text."""
    try:
        value = json.loads(
            data.decode(), parse_float=str, parse_constant=str, parse_int=lambda n: int(n) if len(n) < 18 and abs(int(n)) < 2**53 else n,
            object_pairs_hook=lambda pairs: dict(sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be"))))  # fmt: skip
        check(jcs(value).encode() == data, f"{what} is not in canonical form with exact integers")
    except (ValueError, RecursionError) as error:
        raise Failed(f"{what} is not JSON: {str(error)[:99]!a}") from None
    return value
# --- hashes and trees ----------------------------------------------------------------------------------------------------------
def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()
def tree_root(hashes):
    """Merkle tree hash of leaf hashes (RFC 6962, 2.1)."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256()
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1", tree_root(hashes[:k]), tree_root(hashes[k:]))
def root_by_path(index, size, leaf, path):
    """Root to which an inclusion path leads from a leaf hash: PATH of RFC 6962, 2.1.1, read from its end."""
    check(index < size and bool(path) == (size > 1), "the index is not below the size, or the path has the wrong length")
    if size == 1:
        return leaf
    k = 1 << (size - 1).bit_length() - 1
    if index < k:
        return sha256(b"\1", root_by_path(index, k, leaf, path[:-1]), path[-1])
    return sha256(b"\1", path[-1], root_by_path(index - k, size - k, leaf, path[:-1]))
# --- keys, policy, checkpoints -------------------------------------------------------------------------------------------------
Key = namedtuple("Key", "name id type public")  # type 1: Ed25519 of a log, 4 and 6: cosignature; any other never counts
Policy = namedtuple("Policy", "logs witnesses groups quorum")  # groups: name -> (threshold, members), None for a witness
Checkpoint = namedtuple("Checkpoint", "origin size root times failed")  # times of witnesses that hold; witnesses that do not
PRIME = 2**255 - 19  # of Ed25519. A public key with one of these y has a tiny order: anybody can sign for it (RFC 8032, 5.1).
TINY = [0, 1, PRIME - 1, 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826]  # fmt: skip

def parse_key(text):
    """`<name>+<key id>+<base64 of type and key>` (signed-note, Verifier keys)."""
    parts = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+(\S+)", text)
    check(parts, f"{text[:60]!a} is no verifier key")
    data = b64(parts[3], f"the key {parts[0][:60]!a}")
    key = Key(parts[1], bytes.fromhex(parts[2]), data[0], data[1:])
    owned = key.public if key.type == 2 else key.name.encode(errors="replace") + b"\n" + data
    check(sha256(owned)[:4] == key.id, f"the key id of {key.name!a} does not belong to its key")
    length, y = {1: 32, 4: 32, 6: 1312}.get(key.type, len(key.public)), int.from_bytes(key.public, "little") & (2**255 - 1)
    check(len(key.public) == length and (length != 32 or (y < PRIME and y not in TINY)), f"the key of {key.name!a} is too short or weak")
    return key
def parse_policy(data):
    """Lines log, witness, group and quorum; nothing is used before it is defined, nor twice (tlog-policy)."""
    check(data.endswith(b"\n") and not re.search(rb"[^\t\n\x20-\x7e\x80-\xff]", data), "a control character, or no end of the last line")
    logs, witnesses, groups, free, quorum = [], [], {}, set(), None
    for line in data.decode(errors="surrogateescape").split("\n"):
        match re.split("[ \t]+", line.strip(" \t")):
            case ["log", key] | ["log", key, _]:
                logs.append(parse_key(key))
            case ["witness", name, key] | ["witness", name, key, _] if name not in {"none", *groups}:
                witnesses.append((name, parse_key(key)))
                groups[name] = free.add(name)
            case ["group", name, how, *members] if name not in {"none", *groups} and {*members} <= free:
                need = {"any": 1, "all": len(members)}.get(how) or number(how, "a threshold of the policy")
                check(1 <= need <= len({*members}) == len(members), f"the group {name!a} has an impossible threshold or members")
                groups[name], free = (need, members), (free - {*members}) | {name}
            case ["quorum", name] if quorum is None and name in {"none", *groups}:
                quorum = name
            case [word, *_]:
                check(not word or word.startswith("#"), f"the line {line[:60]!a} of the policy is not in order")
    for known, types in ((logs, {*range(256)} - {4}), ([key for _, key in witnesses], {4, 6})):
        check({key.type for key in known} <= types, "the policy has a key of a type that does not fit its use")
        check(quorum and len({k.public for k in known}) == len({k[:2] for k in known}) == len(known), "no quorum line, or a key twice")
    return Policy({k[:2]: k for k in logs if k.type in (1, 6)}, {k[:2]: (name, k) for name, k in witnesses}, groups, quorum)
def reached(policy, seen, name):
    """Whether the witnesses seen satisfy the group or witness of that name (tlog-policy)."""
    if name == "none" or policy.groups[name] is None:
        return name == "none" or name in seen
    return sum(reached(policy, seen, member) for member in policy.groups[name][1]) >= policy.groups[name][0]

def parse_note(data):
    """Text, a blank line, signature lines (signed-note, Format); identical signatures count once."""
    text, blank, tail = data.decode(errors="replace").rpartition("\n\n")
    clean = len(data) <= 1_000_000 and (text + blank + tail).encode() == data and not re.search("[\x00-\x09\x0b-\x1f]", text + tail)
    *lines, end = tail.split("\n")
    check(clean and blank and not end and 1 <= len(lines) <= 100, "no text of at most 1 MB with a blank line and 1 to 100 signatures")
    found = [re.fullmatch(r"\u2014 ([^\s+]+) ([^\s=]{7}\S*)", line) for line in lines]
    check(all(found), "a signature line is malformed")
    blobs = dict.fromkeys((parts[1], b64(parts[2], f"the signature of {parts[1]!a}")) for parts in found)
    return text + "\n", [((name, blob[:4]), blob[4:]) for name, blob in blobs]
def signed_at(key, blob, text, origin, size, root):
    """Time of a signature that holds, 0 for one of type 1, otherwise None (signed-note; tlog-cosignature, Format)."""
    time, signature = (0, blob) if key.type == 1 else (int.from_bytes(blob[:8], "big"), blob[8:])
    message = (text if key.type == 1 else f"cosignature/v1\ntime {time}\n{text}").encode()
    scheme, owner, log = ed25519.Ed25519PublicKey, key.name.encode(), origin.encode()
    try:
        if key.type == 6:
            parts = (len(owner), owner, blob[:8], len(log), log, bytes(8), size.to_bytes(8, "big"), root)
            scheme, message = mldsa.MLDSA44PublicKey, b"subtree/v1\n\0%c%b%b%c%b%b%b%b" % parts
        scheme.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError, OverflowError):
        return None
    return time if key.type == 1 or 0 < time < 2**63 else None

def open_checkpoint(data, policy):
    """Checkpoint signed by its log, with the witnesses that hold (tlog-checkpoint; signed-note, Verification)."""
    text, signatures = parse_note(data)
    lines = text.split("\n")[:-1]
    check(len(lines) >= 3 and all(lines), "a checkpoint has an origin, a size, a root and no empty line")
    head = (lines[0], number(lines[1], "the tree size"), b64(lines[2], "the root", 32))
    check(head[1] or head[2] == sha256(), "a tree of size 0 has the empty root")
    times, failed = {}, []
    for owner, blob in signatures:
        if (log := policy.logs.get(owner)) and log.type in CHECKED:
            check(signed_at(log, blob, text, *head) is not None, f"a signature of the log {log.name!a} does not hold")
        if owner in policy.witnesses and policy.witnesses[owner][1].type in CHECKED:
            name, key = policy.witnesses[owner]
            time = signed_at(key, blob, text, *head)
            failed += [name] if time is None else []
            times |= {} if time is None else {name: min(time, times.get(name, time))}
    by = [log for owner, _ in signatures if (log := policy.logs.get(owner)) and log.type in CHECKED]
    check(any(log.name == head[0] for log in by), f"no log of the policy named {head[0]!a} signed it")
    return Checkpoint(*head, times, failed)

def quorum_step(tree, policy, facts):
    none = "the policy asks for no witness, so the log alone vouches for it"
    yield f"{none if policy.quorum == 'none' else 'enough witnesses have cosigned it'} (tlog-cosignature; tlog-policy)"
    check(reached(policy, tree.times, policy.quorum), f"only {sorted(tree.times)!a} hold; the quorum is {policy.quorum!a}")
    facts |= {"origin": tree.origin, "size": tree.size, "witnesses": sorted(tree.times), "witnesses_that_do_not_hold": tree.failed}
    facts |= {} if mldsa else {"not_checked": "signatures by ML-DSA, which this package cryptography does not know"}
    by = [t for t in sorted(tree.times.values()) if reached(policy, [w for w in tree.times if tree.times[w] <= t], policy.quorum)]
    if policy.quorum != "none":
        facts["existed_before"] = str(datetime.fromtimestamp(by[0], UTC)) if by[0] < 2**37 else by[0]
# --- a receipt -----------------------------------------------------------------------------------------------------------------
def parse_entry(data):
    """An entry of the log (format 1); for a batch of decisions its body too (format 2)."""
    entry = shaped(parse_json(data, "the entry"), ENTRY, "the entry")
    if entry["kind"] == "decision-batch":
        size = shaped(entry["body"], BATCH, "the batch")["bucket_size"]
        check(size >= 256 and size & (size - 1) == 0, "the bucket size is no power of two from 256")
    check(len(data) <= 60_000, "the entry is too long")
    return entry

def receipt_steps(data, policy, facts):
    yield "the receipt is a proof file with a receipt in its extra line (tlog-proof; format 4)"
    head, _, note = data.partition(b"\n\n")
    first, extra, index, *path = [*head.decode("ascii", "replace").split("\n"), "", ""]
    check(first == "c2sp.org/tlog-proof@v1" and extra[:6] + index[:6] == "extra index ", "the first three lines are not those")
    index, path = number(index[6:], "the index"), [b64(line, "a hash of the proof", 32) for line in path[:-2]]
    receipt = shaped(parse_json(b64(extra[6:], "the extra line"), "the receipt"), RECEIPT, "the receipt")
    check(len(path) <= 63 and receipt["batch_index"] == index, "the path is too long or the receipt names another index")
    yield "its checkpoint is signed by the log (signed-note; tlog-checkpoint)"
    tree = open_checkpoint(note, policy)
    yield from quorum_step(tree, policy, facts)
    yield "its entry is in the log at its index, and is a batch of decisions (RFC 6962, 2.1.1; format 1 and 2)"
    entry = b64(receipt["entry"], "the entry")
    check(root_by_path(index, tree.size, sha256(b"\0", entry), path) == tree.root, "the path does not lead to the signed root")
    batch = parse_entry(entry)
    check(batch["kind"] == "decision-batch", f"the entry is of the kind {batch['kind']}")
    yield "its 24 commitments, sorted and distinct, make a leaf of that batch (format 3; RFC 6962, 2.1.1)"
    hidden, path = ([b64(text, f"a hash of {name}", 32) for text in receipt[name]] for name in ("commitments", "inner_path"))
    check(len(hidden) == 24 and hidden == sorted({*hidden}), "the commitments are not 24, sorted and distinct")
    root = root_by_path(receipt["leaf_index"], batch["body"]["bucket_size"], sha256(b"\0", *hidden), path)
    check(root == b64(batch["body"]["inner_root"], "the inner root"), "the path does not lead to the root of the batch")
    yield "each of its opened fields is what was committed (format 3)"
    for field in receipt["fields"]:
        name, salt = shaped(field, FIELD, "a field")["name"], b64(field["salt"], "a salt", 32)
        opened = sha256(b"groundrule/commit/v1\0%c" % len(name), name.encode(), salt, jcs(field["value"]).encode())
        check(opened in hidden and name not in facts["fields"], f"the field {name} is not what was committed, or is opened twice")
        facts["fields"][name] = field["value"]
    facts |= {"index": index, "stream": batch["stream"]} | {k: batch["body"][k] for k in ("minute", "policy_digest", "evaluator_digest")}
    return tree
def load(folder, kind, n, width):
    """First `width` hashes or entries of tile n, from its partial file or else its full one (tlog-tiles, Partial Tiles)."""
    full = folder / "tile" / str(kind) / re.sub("(...)(?=.)", r"x\1/", str(n).zfill(-(-len(str(n)) // 3) * 3))
    part, name = full.with_name(full.name + ".p") / str(width), f"tile/{kind}/{n}"
    return split(part.read_bytes(), kind, width, name) if part.exists() else split(full.read_bytes(), kind, 256, name)[:width]

def split(data, kind, width, what):
    """Hashes of a tile, or entries of a bundle: each two bytes of length and the bytes (tlog-tiles, Log Entries)."""
    items, at = [], 0
    for _ in range(width):
        start, at = (at, at + 32) if kind != "entries" else (at + 2, at + 2 + int.from_bytes(data[at : at + 2], "big"))
        items.append(data[start:at])
    check(at == len(data), f"{what} has {len(data)} bytes instead of {at}")
    return items

def log_steps(folder, policy, raw, kept, facts):
    yield "the checkpoint of the log is signed by the log (signed-note; tlog-checkpoint)"
    tree = open_checkpoint((folder / "checkpoint").read_bytes(), policy)
    yield from quorum_step(tree, policy, facts)
    yield "its entries are all there, and gapless in each stream (tlog-tiles, Log Entries; format 1)"
    row, last = [], {}
    while len(row) < tree.size:
        for data in load(folder, "entries", len(row) // 256, min(256, tree.size - len(row))):
            entry = {"stream": "", "seq": len(row), "t": ""} if raw else parse_entry(data)
            seq, t = last.get(entry["stream"], (-1, ""))
            check(entry["seq"] == seq + 1 and entry["t"] >= t, f"entry {len(row)} does not follow entry {seq} of its stream")
            last[entry["stream"]] = entry["seq"], entry["t"]
            row.append(sha256(b"\0", data))
    yield "its tree leads to the signed root, and to those of the checkpoints kept from earlier (RFC 6962, 2.1)"
    for old in [tree, *kept]:
        check(old.origin == tree.origin and old.size <= tree.size, f"a checkpoint of size {old.size} of {old.origin!a} is beyond this log")
        check(tree_root(row[: old.size]) == old.root, f"at size {old.size} the log has another root than was signed: history was rewritten")
    yield "its tiles are what its entries make (tlog-tiles, Merkle Tree)"
    for level in range(64):
        for n in range(0, len(row), 256):
            check(load(folder, level, n // 256, len(row[n : n + 256])) == row[n : n + 256], f"tile/{level}/{n // 256} is another")
        row = [tree_root(row[n : n + 256]) for n in range(0, len(row) - 255, 256)]
def steps(args, policy, receipt, pinned, facts):
    yield "the policy is well formed, and the log signed the pinned checkpoints (tlog-policy; tlog-checkpoint)"
    policy = parse_policy(policy)
    kept = [open_checkpoint(data, policy) for data in pinned]
    if args.receipt:
        tree = yield from receipt_steps(receipt, policy, facts)
        yield "its checkpoint is not older than the pinned ones (format 4)"
        for old in kept:
            as_before = old.origin == tree.origin and (old.size < tree.size or old[:3] == tree[:3])
            check(as_before, f"it is of size {tree.size} and no later state of the pinned {old.origin!a} of size {old.size}")
        kept.append(tree)
    if args.log:
        yield from log_steps(Path(args.log), policy, args.raw, kept, facts)

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("receipt", nargs="?")
    parser.add_argument("--policy", required=True, help="the keys and the quorum that you trust")
    parser.add_argument("--log", help="folder of a whole log")
    parser.add_argument("--raw", action="store_true", help="the entries of the log are not Groundrule's")
    parser.add_argument("--pinned", action="append", default=[], help="checkpoint kept from earlier; may be repeated")
    parser.add_argument("--json", action="store_true")
    args, done, facts, what = parser.parse_args(), [], {"fields": {}}, None
    try:
        check(args.receipt or args.log, "give a receipt, a log or both")
        files = [Path(name).read_bytes() if name else b"" for name in (args.policy, args.receipt, *args.pinned)]
    except (Failed, OSError) as error:
        parser.error(str(error))
    try:
        for title in steps(args, files[0], files[1], files[2:], facts):
            done.append(title)
    except (Failed, OSError) as error:
        what = str(error).encode("ascii", "backslashreplace").decode()
    shown = [f"{n}. {title}" for n, title in enumerate(done, 1)]
    told = {f"opened {name}": value for name, value in facts["fields"].items()} | {k: v for k, v in facts.items() if k != "fields"}
    shown += [f"FAILED at step {len(done)}: {what}"] if what else ["All of it HOLDS.", *(f"  {k}: {json.dumps(told[k])}" for k in told)]
    print(json.dumps({"holds": not what, "failed": what, "steps": done} | ({} if what else facts)) if args.json else "\n".join(shown))
    return 1 if what else 0

if __name__ == "__main__":
    sys.exit(main())
