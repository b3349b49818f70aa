# ruff: noqa: D103, E401, I001, T201 - to be read in one sitting, with groundrule_verify.py beside it
"""Check a dossier of Groundrule without any code of Groundrule.

    python verify_dossier.py DOSSIER.zip [--policy FILE] [--json]

Needs Python 3.11, `cryptography` 50 and groundrule_verify.py in the same folder. Nothing is unpacked to disk. What is checked: the
archive has the one form of a bundle; its manifest names every file with its digest, and no other; an entry of the public log names
the manifest; every entry that the dossier rests on is in that log, and so is every receipt. Without --policy the keys come from the
bundle itself, which tells that it is whole, not who made it: take the policy from the operator, a witness or the regulator.
Exit code 0: all of it holds. 1: `FAILED: what is wrong`. 2: wrong usage or a file that cannot be read.
"""
import argparse, hashlib, io, json, re, sys, zipfile
from pathlib import Path
from groundrule_verify import Failed, check, open_checkpoint, parse_entry, parse_json, parse_note, parse_policy, reached, receipt_steps
from groundrule_verify import b64, number, root_by_path, sha256

OUTSIDE = {"manifest.json", "manifest.tlog-proof", "manifest.entry.json"}
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,3}")

def packed(files):
    """The one form of a bundle: stored, in the order of names, one date, no comments (docs/dossiers.md)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, files[name])
    return out.getvalue()

def members(data):
    check(len(data) <= 200_000_000, "the archive is larger than a bundle may be")
    files = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist()[:5001]:
                stored = info.compress_type == zipfile.ZIP_STORED and info.file_size <= len(data)
                check(NAME.fullmatch(info.filename) and ".." not in info.filename, f"{info.filename[:80]!a} is no name of a member")
                check(stored and info.filename not in files, f"{info.filename} is twice there, or is compressed")
                files[info.filename] = archive.read(info)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise Failed(f"this is no archive: {error}") from None
    check(packed(files) == data, "the archive is not in the one form that a bundle has")
    return files

def tree_of(note, policy):
    """A checkpoint of which every signature is known and holds, by all keys of the log and enough witnesses."""
    tree = open_checkpoint(note, policy)
    _, signatures = parse_note(note)
    owners = {owner for owner, _ in signatures}
    check(owners <= policy.logs.keys() | policy.witnesses.keys(), "a signature is by a key that the policy does not name")
    check({key for key in policy.logs if key[0] == tree.origin} <= owners, "a signature of the log is missing")
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

def verify(data, policy, facts):
    files = members(data)
    check("manifest.json" in files, "there is no manifest")
    manifest = parse_json(files["manifest.json"], "the manifest")
    named = manifest.get("files")
    check(manifest.get("v") == 1 and isinstance(named, dict), "the manifest is not that of a bundle")
    odd = sorted(named.keys() ^ (files.keys() - OUTSIDE))
    check(not odd, f"the manifest and the files differ: {odd[:3]}")
    for name, digest in named.items():
        check(hashlib.sha256(files[name]).hexdigest() == digest, f"{name} was changed")
    facts |= {"subject": manifest["subject"], "reader": manifest["reader"], "made_at": manifest["made_at"], "files": len(files)}
    trusted = policy if policy is not None else files.get("log/policy")
    if trusted is None:
        check(not OUTSIDE & files.keys() - {"manifest.json"}, "there are proofs and no policy")
        facts["vouched"] = "no log: whoever made this bundle could have written anything"
        return
    policy = parse_policy(trusted)
    present = OUTSIDE & files.keys()
    check(present in (OUTSIDE, {"manifest.json"}), "half of the proof of the manifest is missing")
    facts["vouched"] = "no entry of the log names the manifest: whoever made this bundle could have written the text"
    if present == OUTSIDE:
        index, entry, _ = proved_entry(files["manifest.tlog-proof"], files["manifest.entry.json"], policy)
        wanted = {"what": "dossier", "sha256": hashlib.sha256(files["manifest.json"]).hexdigest()}
        check(entry["kind"] == "evidence" and entry["body"] == wanted, "the entry of the log names another manifest")
        facts |= {"vouched": f"entry {index} of the log names the manifest", "logged_at": entry["t"]}
    facts |= {"entries": [], "receipts": []}
    for name in sorted(named):
        if match := re.fullmatch(r"proofs/entry-([0-9]+)\.tlog-proof", name):
            index, entry, note = proved_entry(files[name], files.get(name[:-10] + "json", b""), policy)
            check(index == int(match[1]) and note == files.get("log/checkpoint"), f"{name} is about another entry or checkpoint")
            facts["entries"].append([index, entry["kind"], entry["t"]])
        elif re.fullmatch(r"proofs/receipt-[0-9]+\.tlog-proof", name):
            found = {"fields": {}}
            for _ in receipt_steps(files[name], policy, found):
                pass
            facts["receipts"].append([name, found["fields"].get("terminal_id"), found["fields"].get("outcome")])
    for each in cited(parse_json(files.get("dossier.json", b""), "dossier.json")):
        check(each in files, f"the dossier rests on {each}, which is not in the bundle")

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

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dossier")
    parser.add_argument("--policy", help="the keys and the quorum that you trust; from the bundle itself if not given")
    parser.add_argument("--json", action="store_true")
    args, facts, what = parser.parse_args(), {}, None
    try:
        data, policy = Path(args.dossier).read_bytes(), Path(args.policy).read_bytes() if args.policy else None
    except OSError as error:
        parser.error(str(error))
    try:
        verify(data, policy, facts)
    except (Failed, KeyError, TypeError, UnicodeError, RecursionError) as error:
        what = f"{error}".encode("ascii", "backslashreplace").decode()
    facts["keys"] = "yours" if args.policy else "those in the bundle itself: compare the policy with one from elsewhere"
    if args.json:
        print(json.dumps({"holds": not what, "failed": what} | ({} if what else facts)))
    elif what:
        print(f"FAILED: {what}")
    else:
        print("All of it HOLDS.", *(f"  {name}: {json.dumps(value)}" for name, value in facts.items()), sep="\n")
    return 1 if what else 0

if __name__ == "__main__":
    sys.exit(main())
