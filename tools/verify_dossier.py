# ruff: noqa: D103, E401, I001, T201 - to be read in one sitting, with groundrule_verify.py beside it
"""Check a dossier of Groundrule without any code of Groundrule.

    python verify_dossier.py DOSSIER.zip [--policy FILE] [--with OTHER.zip] [--json]

Needs Python 3.11, `cryptography` 50 and groundrule_verify.py in the same folder. Nothing is unpacked to disk. What is checked: the
archive has the one form of a bundle; its manifest names every file with its digest, and no other; an entry of the public log names
the manifest; every entry that the dossier rests on is in that log, and so is every receipt, which opens what the dossier says was
answered; and every commitment that the bundle opens is that of the party it names. There are three verdicts:
    All of it HOLDS          nothing was changed since an entry of the log named it, by the keys that you gave with --policy
    WHOLE, BUT UNVOUCHED     its parts fit together, and nothing says who made it: no entry of a log names it, or the keys are its own
    FAILED                   something does not fit: it was changed, other keys than yours signed it, or it was packed again
Whoever makes a bundle can make one that is whole. Take the policy from the operator, a witness or the regulator, not from the bundle.
With --with, a second bundle of the same log is checked, too, and both are held against each other. A log grows: another number of entries
and another root alone prove nothing. What is compared: heads of one size, entries of one index, and whether the tree of the longer bundle
begins with the shorter's (log/hashes; RFC 6962, 2.1). Three answers:
    ONE HISTORY              the longer log begins with the shorter one; not that it is true, complete, or what others were shown
    NOT SHOWN                these two files do not suffice: hold both heads against a copy of the log (groundrule_verify.py --log --pinned)
    TWO HISTORIES            the keys of one log signed two that exclude each other: one of them is forged, and which is not told
Exit code 0: all of it holds. 1: failed, or two histories. 2: wrong usage or a file that cannot be read. 3: unvouched, or not shown.
Entries are numbered from 0: a log of 25 entries ends with entry 24.
"""
import argparse, hashlib, json, re, struct, sys, zlib
from pathlib import Path
try:
    from groundrule_verify import Failed, check, open_checkpoint, parse_entry, parse_json, parse_note, parse_policy, reached, receipt_steps
    from groundrule_verify import CHECKED, b64, number, root_by_path, sha256, tree_root
except ImportError as error:
    print(f"cannot begin: {error}", "put groundrule_verify.py, which is in the bundle, into the folder of this program;",
          "and install the one package that it needs: pip install 'cryptography>=50'", sep="\n  ", file=sys.stderr)  # fmt: skip
    sys.exit(2)

OUTSIDE = {"manifest.json", "manifest.tlog-proof", "manifest.entry.json"}
LARGEST = 200_000_000
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,3}")

def packed(files):
    """The one form of a bundle: stored, in the order of names, one date, no comments (PKWARE APPNOTE 4.3; docs/dossiers.md)."""
    local, central, at = [], [], 0
    for name, data in sorted(files.items()):
        head = struct.pack("<5H3I2H", 20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data), len(name), 0)
        local += [b"PK\3\4", head, name.encode(), data]
        central += [b"PK\1\2\x14\3", head, struct.pack("<3H2I", 0, 0, 0, 0o644 << 16, at), name.encode()]
        at += 30 + len(name) + len(data)
    directory = b"".join(central)
    return b"".join(local) + directory + b"PK\5\6" + struct.pack("<4H2IH", 0, 0, len(files), len(files), len(directory), at, 0)

def members(data):
    """Read member after member, and then compare all bytes with the one form: no other reader of archives can see anything else."""
    check(len(data) <= LARGEST, "the archive is larger than a bundle may be")
    files, at = {}, 0
    check(data[:4] != b"PK\3\4" or data[4:14] == struct.pack("<5H", 20, 0, 0, 0, 33), "the archive was packed again by another program, so "
          "it cannot be checked: that says nothing about its files; take the archive as it was given out")  # fmt: skip
    while data[at : at + 4] == b"PK\3\4" and len(data) >= at + 30:
        size, length = struct.unpack_from("<I4xH", data, at + 18)
        name, at = data[at + 30 : at + 30 + length].decode("ascii", "replace"), at + 30 + length + size
        check(NAME.fullmatch(name) and ".." not in name, f"{name[:80]!a} is no name of a member")
        check(name not in files and len(files) < 5000, f"{name} is twice there, or there are too many members")
        files[name] = data[at - size : at]
        summed = int.from_bytes(data[at - size - length - 16 : at - size - length - 12], "little")
        check(len(files[name]) < size or zlib.crc32(files[name]) == summed, f"{name} was changed: not even its checksum fits")
    check(files and packed(files) == data, "this is no archive in the one form that a bundle has: it was changed, or packed again by "
          "another program, which changes it even where its files stay the same; take the archive as it was given out")  # fmt: skip
    return files

def tree_of(note, policy):
    """A checkpoint of which every signature is known and holds, by all keys of the log and enough witnesses."""
    _, signatures = parse_note(note)
    owners, order = [owner for owner, _ in signatures], [*policy.logs, *policy.witnesses]
    check({*owners} & {*policy.logs}, "it is not signed by the keys of the policy: this is the wrong policy, or the bundle is a forgery")
    check({*owners} <= {*order}, "a signature is by a key that the policy does not name: the policy is another than that of the bundle, or "
          "somebody added to it")  # fmt: skip
    tree = open_checkpoint(note, policy)
    once = note.rpartition(b"\n\n")[2].count(b"\n") == len(owners)  # parse_note drops repeated lines
    check(once and owners == [each for each in order if each in owners], "the signatures are not in the order of the policy, each once")
    check({key for key in policy.logs if key[0] == tree.origin} <= {*owners}, "a signature of the log is missing")
    check(not tree.failed, f"a signature of {tree.failed} does not hold")
    check(reached(policy, tree.times, policy.quorum), f"only {sorted(tree.times)!a} have cosigned; the quorum is {policy.quorum!a}")
    return tree

def proved_entry(proof, entry, policy):
    """Index and content of an entry that is in the log (tlog-proof without extra data; RFC 6962, 2.1.1)."""
    head, _, note = proof.partition(b"\n\n")
    first, index, *path = [*head.decode("ascii", "replace").split("\n"), ""]
    check(first == "c2sp.org/tlog-proof@v1" and index[:6] == "index ", "the first two lines are not those of a proof")
    index, path = number(index[6:], "the index"), [b64(line, "a hash of the proof", 32) for line in path[:-1]]
    tree = tree_of(note, policy)
    check(len(path) <= 63 and root_by_path(index, tree.size, sha256(b"\0", entry), path) == tree.root, "the path does not lead to the root")
    return index, parse_entry(entry), note

def tree_of_proof(note):
    """What a checkpoint says that was verified before: origin, size, root."""
    origin, size, root = note.split(b"\n")[:3]
    return origin.decode(), int(size), b64(root.decode(), "a root", 32)

WHOLE, LAST, WIDTH = 16_384, 8_192, 256

def laid_out(data, size):
    """Of log/hashes: up to where only every 256 entries have a hash, these hashes, and the leaf hashes from there on (format 5)."""
    start = 0 if size <= WHOLE else (size - LAST) // WIDTH * WIDTH
    check(len(data) == 32 * (start // WIDTH + size - start), "log/hashes has another length than a log of this size gives")
    hashes = [data[at : at + 32] for at in range(0, len(data), 32)]
    return start, hashes[: start // WIDTH], hashes[start // WIDTH :]

def root_at(hashes, size):
    """Root of the first entries of a log, from its hashes; None where they do not suffice."""
    start, tiles, leaves = hashes
    if (size < start and size % WIDTH) or size > start + len(leaves):
        return None
    rest = leaves[: max(0, size - start)]
    return tree_root(tiles[: size // WIDTH] + [tree_root(rest[at : at + WIDTH]) for at in range(0, len(rest), WIDTH)])

def verify(data, policy, facts):
    """Check one bundle; return what holds it against another: its own head, all its heads, its hashes, and its entries by index."""
    files = members(data)
    check("manifest.json" in files, "there is no manifest")
    manifest = parse_json(files["manifest.json"], "the manifest")
    named = manifest.get("files") if isinstance(manifest, dict) else None
    check(isinstance(named, dict) and manifest.get("v") == 1, "the manifest is not that of a bundle")
    odd = sorted(named.keys() ^ (files.keys() - OUTSIDE))
    check(not odd, f"the manifest and the files differ: {odd[:3]}")
    for name, digest in named.items():
        check(hashlib.sha256(files[name]).hexdigest() == digest, f"{name} was changed")
    facts["subject"] = {each: manifest["subject"][each] for each in ("kind", "id")}
    facts |= {"reader": manifest["reader"], "made_at": manifest["made_at"], "files": len(files)}
    own, trusted = policy is None, policy if policy is not None else files.get("log/policy")
    present, unvouched = OUTSIDE & files.keys(), []
    if trusted is None:
        check(not OUTSIDE & files.keys() - {"manifest.json"}, "there are proofs and no policy")
        facts["unvouched"] = ["it rests on no log: whoever made this bundle could have written anything"]
        return None
    policy, heads, leaves = parse_policy(trusted), [], {}
    check(present in (OUTSIDE, {"manifest.json"}), "half of the proof of the manifest is missing")
    if present == OUTSIDE:
        index, entry, note = proved_entry(files["manifest.tlog-proof"], files["manifest.entry.json"], policy)
        heads, leaves[index] = [tree_of_proof(note)], sha256(b"\0", files["manifest.entry.json"])
        wanted = {"what": "dossier", "sha256": hashlib.sha256(files["manifest.json"]).hexdigest()}
        check(entry["kind"] == "evidence" and entry["body"] == wanted, "the entry of the log names another manifest")
        facts |= {"named_by": f"entry {index} of the log (counted from 0) names the manifest", "logged_at": entry["t"]}
    else:
        unvouched.append("no entry of the log names it: whoever made this bundle could have written the text")
    if not own and trusted == files.get("log/policy"):
        facts["policy"] = "the same as the bundle's own copy: it counts only if you got it from elsewhere"
    if "log/checkpoint" in files:
        tree_of(files["log/checkpoint"], policy)
        heads.insert(0, tree_of_proof(files["log/checkpoint"]))
    if own:
        unvouched.append("the keys are those in the bundle itself: get the policy from elsewhere, and give it with --policy")
    if 6 not in CHECKED and any(key.type == 6 for key in [*policy.logs.values(), *(key for _, key in policy.witnesses.values())]):
        facts["not_checked"] = "signatures by ML-DSA, which this package cryptography does not know; Ed25519 was checked"
    facts |= {"entries": [], "receipts": []}
    dossier, opened = parse_json(files.get("dossier.json", b""), "dossier.json"), {}
    for name in sorted(named):
        if match := re.fullmatch(r"proofs/entry-([0-9]+)\.tlog-proof", name):
            index, entry, note = proved_entry(files[name], files.get(name[:-10] + "json", b""), policy)
            check(index == int(match[1]) and note == files.get("log/checkpoint"), f"{name} is about another entry or checkpoint")
            facts["entries"].append([index, entry["kind"], entry["t"]])
            leaves[index] = sha256(b"\0", files[name[:-10] + "json"])
        elif re.fullmatch(r"proofs/receipt-[0-9]+\.tlog-proof", name):
            found = {"fields": {}}
            for _ in receipt_steps(files[name], policy, found):
                pass
            heads.append(tree_of_proof(files[name].partition(b"\n\n")[2]))
            opened[name] = found["fields"]
            facts["receipts"].append([name, found["fields"].get("terminal_id"), found["fields"].get("outcome")])
    if unvouched:
        facts["unvouched"] = unvouched
    check_openings(files, facts)
    for each in cited(dossier):
        check(each in files, f"the dossier rests on {each}, which is not in the bundle")
    for row in dossier["decisions"]:
        for field in ("terminal_id", "outcome", "state") if row["receipt"] else ():
            says = opened[row["receipt"]].get(field, row[field])
            check(says == row[field], f"the dossier says {field} {row[field]!a}, and {row['receipt']} opens {says!a}")
    hashes = None
    if "log/hashes" in files:
        check("log/checkpoint" in files, "there are hashes of a log and no head of it")
        hashes = laid_out(files["log/hashes"], heads[0][1])
        check(root_at(hashes, heads[0][1]) == heads[0][2], "log/hashes are not those of the log")
    seen = heads[0] if "log/checkpoint" in files else None, heads, hashes, leaves
    forks = [*told_apart(seen, seen)]
    check(not forks, f"within this bundle: {forks and forks[0]}")
    return seen

def told_apart(one, other):
    """What excludes each other: two roots at one size, two entries of one index, a head with which the other's tree does not begin."""
    _, heads, _, leaves = one
    _, others, hashes, theirs = other
    for origin, size, root in heads:
        for name, length, their in others:
            if (origin, size) == (name, length) and root != their:
                yield f"at {size} entries one head has the root {root.hex()}, another {their.hex()}"
        begun = hashes and others[0][0] == origin and size <= others[0][1] and root_at(hashes, size)
        if begun and begun != root:
            yield f"the log of {others[0][1]} entries does not begin with the one of {size} entries whose root is {root.hex()}"
    for index in leaves.keys() & theirs.keys() if heads and others and heads[0][0] == others[0][0] else ():
        if leaves[index] != theirs[index]:
            yield f"entry {index} is another in each"

def compare(one, other):
    """Hold what two bundles show of a log against each other: (verdict, what it rests on)."""
    if one is None or other is None or one[0] is None or other[0] is None:
        return "not_shown", "one of them rests on no log"
    if one[0][0] != other[0][0]:
        return "not_shown", f"they are of two logs, {one[0][0]!a} and {other[0][0]!a}: nothing follows from one for the other"
    forks = [*told_apart(one, other), *told_apart(other, one)]
    if forks:
        return "two_histories", forks[0]
    short, long = sorted((one, other), key=lambda each: each[0][1])
    sizes = f"{short[0][1]} and {long[0][1]} entries"
    if short[0][1] == long[0][1]:
        return "one_history", f"both have the same head, of {short[0][1]} entries"
    if long[2] is not None and root_at(long[2], short[0][1]) is not None:
        return "one_history", f"of {sizes}; the longer log begins with the shorter one"
    return "not_shown", f"of {sizes}; the longer bundle does not hold the hashes that it takes"

def texts(value):
    """Every text in an entry, also in what was signed in an envelope."""
    if isinstance(value, str):
        yield value
    for name, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        signed = name == "payload" and isinstance(each, str)
        yield from texts(parse_json(b64(each, "a payload"), "a payload") if signed else each)

def check_openings(files, facts):
    """Each commitment in the entries that the bundle opens is that of what it names; evidence is that of the contact (format 3)."""
    if "openings.json" not in files:
        return
    entries = [parse_json(data, name) for name, data in sorted(files.items()) if re.fullmatch(r"proofs/entry-[0-9]+\.json", name)]
    said, made = {text for entry in entries for text in texts(entry)}, parse_json(files["openings.json"], "openings.json")
    check(isinstance(made, dict) and made.keys() == {"v", "openings", "evidence"} and made["v"] == 1, "openings.json is malformed")
    for each in made["openings"]:
        (name,) = each.keys() - {"commitment", "salt"}
        salt, value = b64(each["salt"], "a salt", 32), json.dumps(each[name], ensure_ascii=False).encode()
        digest = sha256(b"groundrule/commit/v1\0%c" % len(name), name.encode(), salt, value).hex()
        check(each["commitment"] == f"commitment:{digest}", f"openings.json opens {each['commitment']!a} to something else")
        check(each["commitment"] in said, f"no entry in the bundle holds {each['commitment']!a}")
    for each in made["evidence"]:
        digest = sha256(json.dumps(each, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()).hex()
        check(digest in said, "openings.json opens evidence that no entry in the bundle names")
    facts["openings"] = len(made["openings"]) + len(made["evidence"])

def cited(value):
    """Names of files that statements rest on."""
    if isinstance(value, dict):
        if value.keys() == {"kind", "ref", "file"} and value["file"]:
            yield value["file"]
        for each in value.values():
            yield from cited(each)
    elif isinstance(value, list):
        for each in value:
            yield from cited(each)

def read(path):
    """At most one byte more than a bundle may have: a device or a huge file ends too."""
    with Path(path).open("rb") as file:
        return file.read(LARGEST + 1)

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dossier")
    parser.add_argument("--policy", help="the keys and the quorum that you trust; from the bundle itself if not given")
    parser.add_argument("--with", dest="other", metavar="OTHER", help="another bundle of the same log, to hold against the first")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        data, policy = read(args.dossier), read(args.policy) if args.policy else None
        other = read(args.other) if args.other else None
    except OSError as error:
        parser.error(str(error))
    facts, verdict, what, seen = judged(data, policy)
    answer = {"holds": verdict == "holds", "verdict": verdict, "failed": what} | ({} if what else facts)
    codes = {"holds": 0, "failed": 1, "unvouched": 3, "one_history": 0, "two_histories": 1, "not_shown": 3}
    results, compared = [verdict], None
    if other is not None and not what:
        # Both are checked by the same keys: two logs of other keys would prove nothing against each other.
        keys = policy if policy is not None else members(data).get("log/policy")
        facts2, verdict2, what2, seen2 = judged(other, keys)
        compared = ("not_shown", f"the other bundle FAILED: {what2}") if what2 else compare(seen, seen2)
        results += [verdict2, compared[0]]
        more = {"verdict": verdict2, "failed": what2, "unvouched": facts2.get("unvouched", [])}
        answer |= {"with": more, "history": compared[0], "history_why": compared[1]}
    if args.json:
        print(json.dumps(answer))
    else:
        tell(facts, what)
        if compared is not None:
            tell_history(*compared, verdict2, facts2)
    return 1 if any(codes[each] == 1 for each in results) else max(codes[each] for each in results)

def judged(data, policy):
    """Facts, verdict and what failed of one bundle, and what holds it against another."""
    facts, what, seen = {}, None, None
    try:
        seen = verify(data, policy, facts)
    except Exception as error:  # noqa: BLE001 - whatever stops the check is no pass
        named = "" if isinstance(error, Failed) else f"{type(error).__name__}: "
        what = f"{named}{error}".encode("ascii", "backslashreplace").decode()
    facts["keys"] = "those in the bundle itself" if policy is None else "yours" + (", the bundle's own copy" if facts.get("policy") else "")
    return facts, "failed" if what else "unvouched" if facts.get("unvouched") else "holds", what, seen

def tell(facts, what):
    """The verdict, and beside it at once what it hangs on."""
    if what:
        print(f"FAILED: {what}")
        return
    facts, why = dict(facts), facts.get("unvouched", [])
    facts.pop("unvouched", None)
    same = facts.pop("policy", None)
    print("WHOLE, BUT UNVOUCHED." if why else "All of it HOLDS.",
          *(f"  ! {each}" for each in ([f"the policy you gave is {same}"] if same else [])),
          *([] if why else ["  nothing was changed since the log named it; that does not mean that it is true or complete"]),
          *(f"  ! {each}" for each in why),
          *(f"  {name}: {json.dumps(value)}" for name, value in facts.items()), sep="\n")  # fmt: skip

def tell_history(verdict, why, verdict2, facts2):
    print({"one_history": "ONE HISTORY", "two_histories": "TWO HISTORIES", "not_shown": "NOT SHOWN"}[verdict] + f": {why}.",
          f"  the other bundle by itself: {verdict2}",
          *(f"  ! {each}" for each in facts2.get("unvouched", [])),
          *{"one_history": ["  whoever holds these two was shown one log; not that it is true or complete, or what others were shown"],
            "two_histories": ["  the keys of this log signed both; which of them is forged is not told: ask others for their heads"],
            "not_shown": ["  that proves nothing, in either direction: a log grows, so other numbers of entries have other roots",
                          "  hold both heads (log/checkpoint in each) against a copy of the log, that is a folder DIR of it:",
                          "  groundrule_verify.py --policy FILE --log DIR --pinned HEAD --pinned HEAD"]}[verdict], sep="\n")  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
