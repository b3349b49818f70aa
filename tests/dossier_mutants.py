"""Every way to change the file of a dossier that we could think of; none of them may pass."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import random
import re
import struct
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from groundrule.canon import canonical_json
from groundrule.errors import ProofFailed
from groundrule.evidence.bundle import OUTSIDE, pack
from groundrule.evidence.dossier import Reader, SubjectKind
from groundrule.evidence.verify_bundle import verify_bundle
from groundrule.ledger.log import read_log
from groundrule.ledger.proof import Proof
from groundrule.pipeline.dossiers.compose import compose
from groundrule.pipeline.dossiers.openings import redacted
from groundrule.pipeline.dossiers.seal import prove, seal
from groundrule.pipeline.home_ledger import log_folder
from investigated_home import TERMINAL, Case

TOOLS = Path(__file__).resolve().parents[1] / "tools"
Mutant = tuple[str, bytes]
TRAVERSAL = (
    "../evil", "../../evil", "a/../../evil", "/etc/evil", "C:/evil", "C:\\evil", "..\\evil", "a\\..\\evil", "//host/evil", "./evil",
    "a//evil", "a/./evil", "a/", "", ".", "..", "a/b/c/d/e", "evil\0.txt", "evil\n", "\u202egpj.exe", "évil", "evil ", " evil", "~/evil",
    "a:b", "a*b", "a?b", "CON\r", "a|b", "a<b", "-" * 3, ".hidden", "a..b", "%2e%2e/evil", "\x1b[2J", "x" * 101, "x" * 60_000, "ａ",
    "a/../b", "proofs/../../evil", "file\t", "evil;", "$HOME", "`id`",
)  # fmt: skip


def tool() -> ModuleType:
    """The small verifier, imported from its file."""
    if str(TOOLS) not in sys.path:
        sys.path.insert(0, str(TOOLS))
    spec = importlib.util.spec_from_file_location("verify_dossier", TOOLS / "verify_dossier.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Bundles:
    """A bundle, the policy of its log, and what a forger may have beside it."""

    data: bytes
    policy: bytes
    second: bytes
    stranger: bytes
    stranger_policy: bytes
    old_checkpoint: bytes
    renewed: bytes


def bundle(case: Case, kind: SubjectKind = SubjectKind.TERMINAL, subject: str = TERMINAL, reader: Reader = Reader.OPERATOR) -> bytes:
    """A bundle as the command makes it, with one plain page."""
    bench = case.bench(reader)
    made, _ = redacted(bench, compose(bench, kind, subject))
    proofs = prove(case.home, made)
    sealed = seal(case.home, proofs.dossier, proofs, {"dossier.html": b"<p>A page (invented).</p>\n"})
    assert sealed.entry is not None, sealed.trouble
    return sealed.archive


def make_bundles(case: Case, other: Case) -> Bundles:
    folder = log_folder(case.home)
    old = (folder / "checkpoint").read_bytes()
    data = bundle(case)
    second = bundle(case, SubjectKind.CHANGE, case.ids["change"])
    files = members(data)
    log = read_log(folder)
    index = Proof.parse(files["manifest.tlog-proof"]).index
    assert log.checkpoint is not None
    renewed = Proof(index, tuple(log.tree().inclusion_path(index)), log.checkpoint).format()
    return Bundles(
        data, (folder / "policy").read_bytes(), second, bundle(other), (log_folder(other.home) / "policy").read_bytes(), old,
        pack(files | {"manifest.tlog-proof": renewed}),
    )  # fmt: skip


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def fixed(files: Mapping[str, bytes], **about: Any) -> dict[str, bytes]:
    """The files with a manifest that fits them."""
    manifest = json.loads(files["manifest.json"]) | about
    named = {name: data for name, data in files.items() if name not in OUTSIDE}
    manifest["files"] = {name: sha256(data).hexdigest() for name, data in named.items()}
    return {**files, "manifest.json": canonical_json(manifest)}


# --- verdicts ---------------------------------------------------------------------------------------------------------


def by_tool(module: ModuleType, data: bytes, policy: bytes | None) -> bool:
    """Whether it holds; without the reader's keys, whether it is whole."""
    return verdict_by_tool(module, data, policy) in (("holds",) if policy else ("unvouched",))


def by_us(data: bytes, policy: bytes | None) -> bool:
    """The same, by our own code."""
    return verdict_by_us(data, policy) in (("holds",) if policy else ("unvouched",))


def verdict_by_tool(module: ModuleType, data: bytes, policy: bytes | None) -> str:
    facts: dict[str, Any] = {}
    try:
        module.verify(data, policy, facts)
    except Exception:  # noqa: BLE001 - whatever stops it is no pass
        return "failed"
    return "unvouched" if facts.get("unvouched") else "holds"


def verdict_by_us(data: bytes, policy: bytes | None) -> str:
    try:
        return "holds" if verify_bundle(data, policy).vouched else "unvouched"
    except ProofFailed:
        return "failed"


# --- mutants ----------------------------------------------------------------------------------------------------------


def mutants(made: Bundles, seed: int = 1, flips: int = 150) -> Iterator[Mutant]:
    """Yield (name, changed file); each is another file than the bundle."""
    rng = random.Random(seed)
    for name, data in (*_bytes(made.data, rng, flips), *_headers(made.data, rng), *_archives(made.data, rng), *_contents(made, rng)):
        if data != made.data:
            yield name, data


def _bytes(data: bytes, rng: random.Random, flips: int) -> Iterator[Mutant]:
    for _ in range(flips):
        at = rng.randrange(len(data))
        changed = bytearray(data)
        changed[at] ^= 1 << rng.randrange(8)
        yield f"bit of byte {at}", bytes(changed)
    for _ in range(flips // 5):
        at, length = rng.randrange(len(data)), rng.randint(1, 64)
        yield f"{length} bytes cut at {at}", data[:at] + data[at + length :]
        yield f"{length} bytes put in at {at}", data[:at] + rng.randbytes(length) + data[at:]
        yield f"{length} bytes doubled at {at}", data[:at] + data[at : at + length] * 2 + data[at + length :]
        yield f"ends at {at}", data[:at]
    for more in (b"\0", b"\n", b"PK\5\6" + bytes(18), data, data[-22:], b"x" * 70_000):
        yield f"{len(more)} bytes at the end", data + more
        yield f"{len(more)} bytes at the beginning", more + data


def _headers(data: bytes, rng: random.Random) -> Iterator[Mutant]:
    """Every field of headers, directory and end, set to other values."""
    marks = {"local": b"PK\x03\x04", "central": b"PK\x01\x02"}
    places = {kind: [match.start() for match in re.finditer(mark, data)] for kind, mark in marks.items()}
    fields = {
        "local": [(4, 2), (6, 2), (8, 2), (10, 2), (12, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)],
        "central": [(4, 2), (6, 2), (8, 2), (10, 2), (12, 2), (14, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (34, 2),
                    (36, 2), (38, 4), (42, 4)],
    }  # fmt: skip
    for kind, starts in places.items():
        for start in rng.sample(starts, min(3, len(starts))):
            for offset, size in fields[kind]:
                for value in (0, 1, 8, 2 ** (8 * size) - 1, rng.randrange(2 ** (8 * size))):
                    raw = value.to_bytes(size, "little")
                    at = start + offset
                    yield f"{kind} header at {start}, field {offset} = {value}", data[:at] + raw + data[at + size :]
    end = len(data) - 22
    for offset, size in ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)):
        for value in (0, 1, 2 ** (8 * size) - 1, rng.randrange(2 ** (8 * size))):
            raw = value.to_bytes(size, "little")
            yield f"end, field {offset} = {value}", data[: end + offset] + raw + data[end + offset + size :]
    # A second directory, and a third that points at other bytes.
    directory = struct.unpack_from("<I", data, end + 16)[0]
    yield "two directories", data[:end] + data[directory:]
    yield "two ends", data + data[end:]
    yield "zip64 end", data[:end] + struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 1, 1, 46, 0) + struct.pack(
        "<IIQI", 0x07064B50, 0, end, 1) + data[end:]  # fmt: skip


def _archives(data: bytes, rng: random.Random) -> Iterator[Mutant]:
    """The same files in another archive, and other files in a right one."""
    files = members(data)
    names = sorted(files)
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield f"method {method}", written(files, method=method)
        one = rng.choice(names)
        yield f"method {method} for {one}", written(files, change=partial(_set, name=one, compress_type=method))
    for field, value in (("date_time", (2026, 1, 1, 0, 0, 0)), ("comment", b"x"), ("extra", b"\x01\x00\x00\x00"), ("create_system", 0),
                         ("external_attr", 0o777 << 16), ("external_attr", 0o120777 << 16), ("external_attr", 0o040755 << 16),
                         ("external_attr", 0o060644 << 16), ("external_attr", 0o010644 << 16), ("internal_attr", 1)):  # fmt: skip
        one = rng.choice(names)
        yield f"{field} {value!r} of {one}", written(files, change=partial(_set, name=one, **{field: value}))
        yield f"{field} {value!r} of all", written(files, change=partial(_set, name="", **{field: value}))
    yield "comment of the archive", written(files, comment=b"hello")
    yield "zip64 forced", written(files, zip64=True)
    yield "streamed", written(files, stream=True)
    yield "reversed order", written(dict(sorted(files.items(), reverse=True)), order=list(reversed(names)))
    for _ in range(5):
        order = rng.sample(names, len(names))
        yield "other order", written(files, order=order)
    for name in names:
        rest = {each: held for each, held in files.items() if each != name}
        yield f"without {name}", pack(rest)
        yield f"{name} twice", written(files, order=[*names, name])
        yield f"{name} renamed", pack(rest | {f"{name}2": files[name]})
        yield f"{name} empty", pack(rest | {name: b""})
        if name not in OUTSIDE:
            yield f"without {name}, manifest fits", pack(fixed(rest))
            yield f"{name} renamed, manifest fits", pack(fixed(rest | {f"{name}2": files[name]}))
    for name in TRAVERSAL:
        with_it = files | {name: b"evil"}
        yield f"member {name[:20]!a}", written(with_it)
        if name.isascii():
            yield f"member {name[:20]!a} in the right form", pack(with_it)
            yield f"member {name[:20]!a}, manifest fits", pack(fixed(with_it))
    yield "new member", pack(files | {"more.txt": b"more"})
    yield "new member, manifest fits", pack(fixed(files | {"more.txt": b"more"}))
    yield "nothing", b""
    yield "no members", pack({})


def written(
    files: Mapping[str, bytes], *, method: int = 0, order: list[str] | None = None, comment: bytes = b"", zip64: bool = False,
    stream: bool = False, change: Callable[[zipfile.ZipInfo], object] = lambda _info: None,
) -> bytes:  # fmt: skip
    """An archive by Python's own library."""
    out = io.BytesIO()
    target: Any = _Pipe(out) if stream else out
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(target, "w", method) as archive:
        for name in order or sorted(files):
            info = zipfile.ZipInfo("x", (1980, 1, 1, 0, 0, 0))
            info.filename = name
            info.create_system, info.external_attr, info.compress_type = 3, 0o644 << 16, method
            change(info)
            with archive.open(info, "w", force_zip64=zip64) as member:
                member.write(files[name])
        archive.comment = comment
    return out.getvalue()


class _Pipe:
    """A place that cannot be gone back in: the archive gets data descriptors."""

    def __init__(self, out: io.BytesIO) -> None:
        self.write, self.flush = out.write, out.flush


def _set(info: zipfile.ZipInfo, name: str, **fields: Any) -> None:
    if name in ("", info.filename):
        for field, value in fields.items():
            setattr(info, field, value)


def _contents(made: Bundles, rng: random.Random) -> Iterator[Mutant]:
    """Other contents in the right form, with the manifest as it was and with one that fits."""
    files, second, stranger = members(made.data), members(made.second), members(made.stranger)
    for name, data in _edits(files, second, stranger, made, rng):
        yield name, pack(data)
        if not name.startswith(("manifest", "proof of the manifest", "dossier of")):
            yield f"{name}, manifest fits", pack(fixed(data))
            yield f"{name}, no proof of the manifest", pack(stripped(fixed(data)))
    yield "the other log's bundle", made.stranger
    yield "no proof of the manifest", pack(stripped(files))


def stripped(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name == "manifest.json" or name not in OUTSIDE}


def _edits(
    files: dict[str, bytes], second: dict[str, bytes], stranger: dict[str, bytes], made: Bundles, rng: random.Random
) -> Iterator[tuple[str, dict[str, bytes]]]:
    for name in sorted(files):
        raw = bytearray(files[name])
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(7)
        yield f"{'manifest: ' if name in OUTSIDE else ''}bit of {name}", files | {name: bytes(raw)}
        yield f"{'manifest: ' if name in OUTSIDE else ''}line feed after {name}", files | {name: files[name] + b"\n"}
        for whose, held in (("second", second), ("stranger", stranger)):
            if name in held and held[name] != files[name]:
                yield f"{'manifest: ' if name in OUTSIDE else ''}{name} of the {whose} bundle", files | {name: held[name]}
    for pattern in (r"proofs/entry-\d+\.tlog-proof", r"proofs/entry-\d+\.json", r"proofs/receipt-\d+\.tlog-proof"):
        same = sorted(name for name in files if re.fullmatch(pattern, name))
        for one, two in pairwise(same):
            yield f"{one} and {two} swapped", files | {one: files[two], two: files[one]}
    pairs = sorted(name[:-11] for name in files if re.fullmatch(r"proofs/entry-\d+\.tlog-proof", name))
    for one, two in pairwise(pairs):
        swapped = {f"{one}.{end}": files[f"{two}.{end}"] for end in ("json", "tlog-proof")}
        yield f"{one} is {two}", files | swapped
        yield f"manifest: proof and entry of {one} for the manifest's", files | {
            "manifest.tlog-proof": files[f"{one}.tlog-proof"], "manifest.entry.json": files[f"{one}.json"]}  # fmt: skip
    yield "older checkpoint", files | {"log/checkpoint": made.old_checkpoint}
    yield "newer checkpoint", files | {"log/checkpoint": second["log/checkpoint"]}
    yield "checkpoint of the other log", files | {"log/checkpoint": stranger["log/checkpoint"]}
    yield "policy of the other log", files | {"log/policy": made.stranger_policy}
    yield "policy without witnesses", files | {"log/policy": re.sub(rb"quorum .*\n", b"quorum none\n", files["log/policy"]) + b"# x\n"}
    yield "manifest: proofs of the second bundle", files | {name: second[name] for name in OUTSIDE - {"manifest.json"}}
    yield "manifest of the second bundle with its proofs", files | {name: second[name] for name in OUTSIDE}
    yield "dossier of the second bundle", files | {"dossier.json": second["dossier.json"]}
    yield from _edited_proofs(files, stranger)
    yield from _edited_manifests(files)
    yield from _edited_dossiers(files)


def _edited_proofs(files: dict[str, bytes], stranger: dict[str, bytes]) -> Iterator[tuple[str, dict[str, bytes]]]:
    proof = files["manifest.tlog-proof"].decode()
    head, _, note = proof.partition("\n\n")
    lines, text_lines = head.split("\n"), note.split("\n\n")[0].split("\n")
    signatures = note.split("\n\n")[1].rstrip("\n").split("\n")
    foreign = stranger["log/checkpoint"].decode().split("\n\n")[1].rstrip("\n").split("\n")

    def put(what: str, head: list[str], text: list[str], signed: list[str]) -> tuple[str, dict[str, bytes]]:
        data = "\n".join(head) + "\n\n" + "\n".join(text) + "\n\n" + "\n".join(signed) + "\n"
        return f"manifest.tlog-proof: {what}", files | {"manifest.tlog-proof": data.encode()}

    index = int(lines[1].split(" ")[1])
    for other in (index + 1, index - 1, 0, 2**63, -1):
        yield put(f"index {other}", [lines[0], f"index {other}", *lines[2:]], text_lines, signatures)
    yield put("index with a zero before", [lines[0], f"index 0{index}", *lines[2:]], text_lines, signatures)
    yield put("index with a space", [lines[0], f"index {index} ", *lines[2:]], text_lines, signatures)
    yield put("extra line", [lines[0], "extra eHg=", *lines[1:]], text_lines, signatures)
    yield put("other first line", ["c2sp.org/tlog-proof@v2", *lines[1:]], text_lines, signatures)
    for place in range(2, len(lines)):
        yield put(f"without hash {place}", lines[:place] + lines[place + 1 :], text_lines, signatures)
        yield put(f"hash {place} twice", lines[: place + 1] + lines[place:], text_lines, signatures)
        yield put(f"hash {place} in other base64", [*lines[:place], lines[place].rstrip("="), *lines[place + 1 :]], text_lines, signatures)
    if len(lines) > 3:
        yield put("hashes swapped", [*lines[:2], *reversed(lines[2:])], text_lines, signatures)
    for place in range(len(text_lines)):
        yield put(f"text line {place}", lines, [*text_lines[:place], text_lines[place] + "1", *text_lines[place + 1 :]], signatures)
    yield put("line of extension", lines, [*text_lines, "more"], signatures)
    for place, line in enumerate(signatures):
        yield put(f"without signature {place}", lines, text_lines, signatures[:place] + signatures[place + 1 :])
        yield put(f"signature {place} twice", lines, text_lines, [*signatures, line])
        name, blob = line.rsplit(" ", 1)
        raw = bytearray(base64.b64decode(blob))
        raw[-1] ^= 1
        broken = f"{name} {base64.b64encode(raw).decode()}"
        yield put(f"signature {place} broken", lines, text_lines, [*signatures[:place], broken, *signatures[place + 1 :]])
        yield put(f"signature {place} broken beside the right one", lines, text_lines, [*signatures, broken])
    if len(signatures) > 1:
        yield put("signatures reversed", lines, text_lines, signatures[::-1])
    for line in foreign:
        yield put("a stranger's signature more", lines, text_lines, [*signatures, line])
        yield put("a stranger's signature before", lines, text_lines, [line, *signatures])
        yield put("only a stranger's signature", lines, text_lines, [line])
    for what, data in (("CRLF", proof.replace("\n", "\r\n")), ("BOM", "\ufeff" + proof), ("no end", proof[:-1]), ("space", proof + " ")):
        yield f"manifest.tlog-proof: {what}", files | {"manifest.tlog-proof": data.encode()}


def _edited_manifests(files: dict[str, bytes]) -> Iterator[tuple[str, dict[str, bytes]]]:
    manifest = json.loads(files["manifest.json"])
    for field in manifest:
        yield f"manifest without {field}", files | {"manifest.json": canonical_json({k: v for k, v in manifest.items() if k != field})}
    for field, value in (
        ("subject", {"kind": "terminal", "id": "another"}), ("reader", "public"), ("made_at", "2020-01-01T00:00:00Z"), ("salt", "00" * 16),
        ("home", "another"), ("v", 2), ("v", "1"), ("files", []), ("files", {}), ("more", 1),
    ):  # fmt: skip
        yield f"manifest: {field} = {value!r}", files | {"manifest.json": canonical_json(manifest | {field: value})}
    for what, data in (
        ("indented", json.dumps(manifest, indent=1).encode()), ("unsorted", json.dumps(dict(reversed(manifest.items()))).encode()),
        ("a list", b"[]"), ("null", b"null"), ("deep", b"[" * 5_000 + b"]" * 5_000), ("empty", b""),
        ("space", files["manifest.json"] + b" "),
        ("twice a key", files["manifest.json"][:-1] + b',"v":1}'), ("NaN", b'{"files":NaN,"v":1}'),
    ):  # fmt: skip
        yield f"manifest: {what}", files | {"manifest.json": data}


def _edited_dossiers(files: dict[str, bytes]) -> Iterator[tuple[str, dict[str, bytes]]]:
    read = json.loads(files["dossier.json"])

    def put(what: str, value: Any) -> tuple[str, dict[str, bytes]]:
        return what, files | {"dossier.json": canonical_json(value)}

    for place, row in enumerate(read["decisions"]):
        for field, other in (("outcome", "restrict"), ("state", "degraded"), ("receipt", ""), ("receipt", "proofs/receipt-99.tlog-proof")):
            rows = [*read["decisions"][:place], row | {field: other}, *read["decisions"][place + 1 :]]
            yield put(f"decision {place}: {field} = {other}", read | {"decisions": rows})
    yield put("no decisions", read | {"decisions": []})
    for section, some in enumerate(read["sections"]):
        rest = [*read["sections"][:section], *read["sections"][section + 1 :]]
        yield put(f"without section {some['key']}", read | {"sections": rest})
        changed = some | {"statements": [each | {"standing": "recorded"} for each in some["statements"]][1:]}
        yield put(f"section {some['key']} all on record", read | {"sections": [*rest, changed]})
    yield put("another reader", read | {"reader": "public"})
    yield put("a source that is not there", read | {"summary": [read["summary"][0] | {"sources": [
        {"kind": "log_entry", "ref": "entry:1", "file": "proofs/entry-9999.tlog-proof"}]}]})  # fmt: skip
