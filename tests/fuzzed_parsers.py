"""Every parser of input from outside, valid examples for it, and a mutator that makes harm of them.

A target takes bytes and either reads them or raises one of the errors that Groundrule raises on purpose. The mutator is
seeded; the same seed makes the same inputs. It changes bytes, and where an example is JSON, values within it.
"""

# ruff: noqa: E402, E501 - imports follow the path of the examples; tokens stand side by side

from __future__ import annotations

import base64
import io
import json
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

HERE = Path(__file__).resolve().parent
for folder in ("unit/ledger", "unit/areas", "unit/api", "unit/orbit"):
    if str(HERE / folder) not in sys.path:
        sys.path.append(str(HERE / folder))

import area_files as made_areas
import orbit_files as orbits
from known_signers import ORIGIN, checkpoint_of, cosigned, log_signers, witness

from governed_world import charter_value, contact_value, envelope, key, request_value
from groundrule.api.batches import ARROW, read_batch
from groundrule.api.credentials import BadCredentials, Desk
from groundrule.api.paging import decode_cursor, encode_cursor
from groundrule.api.paths import id_of, routable
from groundrule.api.problems import Refused
from groundrule.api.settings import read_settings
from groundrule.api.signed_bodies import Envelope, merged
from groundrule.areas.importing import read_areas
from groundrule.canon import parse_base64, parse_canonical, parse_decimal
from groundrule.errors import GroundruleError
from groundrule.govern.charter import Charter
from groundrule.govern.expression import RoleExpression
from groundrule.govern.objects import Contact, Request
from groundrule.instant import parse_instant
from groundrule.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from groundrule.ledger.entry import Entry
from groundrule.ledger.note import Note, NoteSigner, VerifierKey
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.ledger.tiles import TilePath, decode_bundle, encode_bundle, tile_hashes
from groundrule.ledger.tree import leaf_hash, node_hash
from groundrule.ledger.witness import AddCheckpoint
from groundrule.orbit.reading import read_bytes as read_elements
from groundrule.rules.text import read_rulebook
from groundrule.screen.lists import find_lists, read_list
from groundrule.signing import SigningKey, open_envelope, open_key, seal_key
from groundrule.store.access import AccessStore
from groundrule.store.observations import open_observations
from groundrule.store.segments import encode_frame, read_frames
from small_home import BOOK, drive, table

WANTED = (GroundruleError, Refused, BadCredentials, msgspec.DecodeError)
"""What a parser may raise: each says what is wrong and is answered or counted, never a fault of the program."""

LISTS = HERE / "unit" / "screen" / "lists"
WGS84 = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)
SQUARE = [[10.0, 50.0], [11.0, 50.0], [11.0, 51.0], [10.0, 51.0], [10.0, 50.0]]


@dataclass(frozen=True)
class Target:
    """A parser with valid input.

    Attributes:
        name: of what is parsed.
        read: parses; takes bytes.
        examples: that are read without an error.
        costly: reads files or verifies signatures, so that it is tried less often in the suite.
        refused: even good examples are refused, for what they are: credentials of strangers.
    """

    name: str
    read: Callable[[bytes], object]
    examples: tuple[bytes, ...]
    costly: bool = False
    refused: bool = False


def survives(target: Target, data: bytes) -> str | None:
    """Parse; None if that was read or refused on purpose, otherwise what escaped."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(data)
    except WANTED:
        return None
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"{target.name}: {type(error).__name__}: {str(error)[:200]}"
    return None


# --- making harm ------------------------------------------------------------------------------------------------------------

TOKENS = (
    b"\0", b"\n", b"\r\n", b"\n\n", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\x85", b"\xc2\xa0",
    b"-1", b"0", b"00", b"1e309", b"NaN", b"Infinity", b"9" * 30, b"18446744073709551616", b"9223372036854775808", b"-9223372036854775809", b"2147483648", b"1e-400",
    b"{", b"}", b"[", b"]", b"[" * 2_000, b'{"a":' * 2_000, b'"', b"\\", b"\\ud800", b"\\u0000", b",", b":", b"null", b"true", b"//", b"..", b"/../", b"%2f", b"%00",
    b"<", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&#0;", b"&b;", b"<![CDATA[", b"\xe2\x80\x94 ", b"====", b"A" * 3_000, b"*a", b"&a [*a]", b"!!python/object:os.system", b"? ", b"- " * 500,
    b"=1+1", b"'", b";", b"\t", b" ", b"x000/", b".p/0", b"index 0\n", b"extra ", b"quorum none\n", b"group g 1 g\n", b"\x80" * 40, b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, -(2**63) - 1, 10**30, 0.1, -0.0, 1e308, "", " ", "\0", "\u202e", "a" * 5_000, "9" * 400, "NaN", "1e999",
    "2026-13-45T99:99:99Z", "0000-00-00", "2026-02-30T00:00:00Z", [], {}, [[]], [None] * 50, {"": None}, [[[[[[1]]]]]], {"a": {"a": {"a": {}}}}, "=cmd|' /C calc'!A0", "../../etc/passwd",
    [1e308, -1e308], [[180, 90], [-180, -90]], "sha256:" + "0" * 64, "party-" + "a" * 32,
)  # fmt: skip


def mutated(rng: random.Random, examples: Sequence[bytes]) -> bytes:
    """Change an example in one to six places."""
    data = rng.choice(examples)
    if rng.random() < 0.4 and (changed := _json_mutated(rng, data)) is not None:
        return changed
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at, way = rng.randrange(len(made) + 1), rng.randrange(9)
        length = rng.choice((1, 1, 2, 4, 16, 200))
        if way == 0 and made:
            made[at % len(made)] ^= 1 << rng.randrange(8)
        elif way == 1 and made:
            made[at % len(made)] = rng.randrange(256)
        elif way == 2:
            del made[at : at + length]
        elif way == 3:
            made[at:at] = rng.choice(TOKENS)
        elif way == 4:
            made[at : at + length] = rng.choice(TOKENS)
        elif way == 5:
            made[at:at] = made[at : at + length] * rng.choice((1, 2, 50))
        elif way == 6:
            other = rng.choice(examples)
            start = rng.randrange(len(other) + 1)
            made[at:] = other[start:]
        elif way == 7:
            del made[at:]
        else:
            made[at:at] = rng.randbytes(length)
    return bytes(made)


def _json_mutated(rng: random.Random, data: bytes) -> bytes | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    spots: list[tuple[Any, Any]] = []

    def collect(inside: Any) -> None:
        keys = inside.keys() if isinstance(inside, dict) else range(len(inside)) if isinstance(inside, list) else ()
        for each in keys:
            spots.append((inside, each))
            collect(inside[each])

    collect(value)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if not spots:
            return json.dumps(rng.choice(VALUES)).encode()
        inside, each = rng.choice(spots)
        way = rng.randrange(4)
        try:
            if way == 0 and isinstance(inside, dict):
                inside[rng.choice(("", "type", "zz", "\u202e", each + " "))] = inside.pop(each)
            elif way == 1:
                del inside[each]
            elif way == 2 and isinstance(inside, list):
                inside.extend([inside[each]] * rng.choice((1, 3, 400)))
            else:
                inside[each] = rng.choice(VALUES)
        except (KeyError, IndexError):
            continue
    return json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


# --- the parsers --------------------------------------------------------------------------------------------------------------


def targets(folder: Path | None = None) -> dict[str, Target]:
    """Return the parsers by name.

    Args:
        folder: for those that read files; a temporary one by default.
    """
    folder = folder or Path(tempfile.mkdtemp(prefix="fuzz-"))
    found = [*_of_the_log(), *_of_governance(), *_of_files(folder), *_of_the_service(folder)]
    return {each.name: each for each in found}


def _of_the_log() -> list[Target]:
    logs, checkpoint = log_signers(), checkpoint_of()
    keys = [each.verifier for each in logs]
    note = sign_checkpoint(checkpoint, logs, time_s=1_790_000_000)
    both = cosigned(checkpoint_of(), [(witness(number), 70 + number) for number in range(3)])
    names = "".join(f"witness W{number} {witness(number).verifier} https://w{number}.example/\n" for number in range(3))
    policy = "".join(f"log {each} https://{ORIGIN}\n" for each in keys) + names + "group g 2 W0 W1 W2\nquorum g\n"
    trusted = Policy.parse(policy)
    single = checkpoint_of(1, leaf_hash(b"leaf"))
    proof = Proof(0, (), cosigned(single, [(witness(0), 70), (witness(1), 80)]), b"receipt").format()
    other = cosigned(checkpoint_of(2, node_hash(leaf_hash(b"leaf"), bytes(32))), [(witness(0), 70), (witness(1), 80)])
    deep = Proof(0, (bytes(32),), other, None).format()
    entry = Entry("heartbeat", "governance", 0, "2026-02-01T00:00:30.000Z", {"minute": "2026-02-01T00:00:00.000Z"}).encode()
    bundle = encode_bundle([b"one", b"", b"x" * 300])

    def proof_of(data: bytes) -> None:
        Proof.parse(data).verify(leaf_hash(b"leaf"), trusted)

    def keys_of(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        for read in (VerifierKey.parse, NoteSigner.parse):
            try:
                read(text)
            except GroundruleError:
                continue

    return [
        Target("note", Note.parse, (note, both)),
        Target("key of a note", keys_of, (*(str(each).encode() for each in keys), logs[0].format().encode())),
        Target("checkpoint", Checkpoint.parse, (checkpoint.format(), single.format())),
        Target("signed checkpoint", lambda data: open_checkpoint(data, keys), (note, both), costly=True),
        Target("proof", proof_of, (proof, deep), costly=True),
        Target("policy", Policy.parse, (policy.encode(),)),
        Target("checked checkpoint", trusted.check, (note, both), costly=True),
        Target("tile path", lambda data: TilePath.parse(data.decode("utf-8", "replace")),
               (b"tile/0/000", b"tile/entries/x001/234", b"tile/3/x001/x002/003.p/17")),
        Target("tile", lambda data: tile_hashes(data, 3), (bytes(96),)),
        Target("bundle", lambda data: decode_bundle(data, 3), (bundle,)),
        Target("entry", Entry.decode, (entry,)),
        Target("request to a witness", AddCheckpoint.parse, (AddCheckpoint(3, (bytes(32), bytes(32)), note).format(),)),
        Target("canonical JSON", parse_canonical, (entry, b'{"a":[1,"\xc3\xa4",null,true]}', b"[]")),
        Target("base64", lambda data: parse_base64(data.decode("latin-1")), (base64.b64encode(bytes(range(50))), b"")),
        Target("number", lambda data: parse_decimal(data.decode("latin-1")), (b"0", b"9223372036854775807")),
    ]  # fmt: skip


def _of_governance() -> list[Target]:
    signed = envelope("approval", {"nonce": "1" * 32}, "ada", "bo")
    trusted = [key(name).public for name in ("ada", "bo", "cy")]
    sealed = seal_key(SigningKey.from_seed("ed25519", bytes(32)), b"passphrase")

    def dsse(data: bytes) -> None:
        data = data.decode("utf-8", "replace").encode()  # what is not UTF-8, the edge has answered before
        value = merged([msgspec.json.decode(data, type=Envelope)])
        open_envelope(value, trusted, str(value["payloadType"]))

    def values(kind: Any) -> Callable[[bytes], object]:
        return lambda data: kind.parse(parse_canonical(data))

    def canonical(value: Any) -> bytes:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    party, other = "party-" + "1" * 32, "party-" + "2" * 32
    return [
        Target("envelope (DSSE)", dsse, (json.dumps(signed).encode(),), costly=True),
        Target("charter", values(Charter), (canonical(charter_value()),), costly=True),
        Target("request", values(Request), (canonical(request_value()),)),
        Target("contact", values(Contact), (canonical(contact_value("one", party, other)),)),
        Target("expression of a role", lambda data: RoleExpression.parse(data.decode("utf-8", "replace")),
               (f"person a {party}\nperson b {other}\ngroup g 2 a b\nquorum g\n".encode(),)),
        Target("key file", lambda data: open_key(data, b"passphrase"), (sealed,), costly=True),
        Target("rulebook", lambda data: read_rulebook(data.decode("utf-8", "replace")), (BOOK.encode(),), costly=True),
        Target("time", lambda data: parse_instant(data.decode("utf-8", "replace")),
               (b"2026-11-23T00:00:00Z", b"2026-11-23T00:00:00.123456789+02:00", b"2026-11-23")),
    ]  # fmt: skip


def _of_files(folder: Path) -> list[Target]:
    def reading(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
        path = folder / name

        def go(data: bytes) -> None:
            path.write_bytes(data)
            read(path)

        return go

    def lists(path: Path) -> None:
        for each in find_lists([path])[0]:
            read_list(each, published_ns=parse_instant("2026-01-01") if path.suffix == ".jsonl" else None)

    def frames(path: Path) -> None:
        for _, frame in read_frames(path):
            frame.rows  # noqa: B018 - unpacked when it is asked for

    def observations(path: Path) -> None:
        for rows, _ in open_observations([path]):
            rows.validate(full=True)

    ring = made_areas.polygon(SQUARE)
    features = made_areas.collection(made_areas.feature(ring, "a", name="A (invented)"), made_areas.feature(ring, 2))
    csv = b"terminal_id,observed_at,lat_deg,lon_deg\ntrain,2026-11-20T11:00:00Z,2.5,2.5\nt-2,2026-11-20T11:00:00Z,,\n"
    lines = b'{"terminal_id":"t","observed_at":"2026-11-20T11:00:00Z","lat_deg":1.5,"lon_deg":2}\n' * 2
    parquet = io.BytesIO()
    pa.parquet.write_table(table(drive("car", 0, 3, lat=5, lon=5, km_h=50)), parquet)
    rows = table(drive("car", 0, 2, lat=5, lon=5, km_h=50))
    frame = b"".join(bytes(part) for part in encode_frame({"source": "test"}, rows))
    found = [
        Target("GeoJSON", reading("a.geojson", read_areas), (json.dumps(features).encode(),), costly=True),
        Target("ED-269", reading("z.json", read_areas), (json.dumps({"features": [made_areas.zone()]}).encode(),), costly=True),
        Target("MDS", reading("m.json", read_areas), (json.dumps(made_areas.geography()).encode(),), costly=True),
        Target("KML", reading("k.kml", read_areas),
               (made_areas.kml(made_areas.placemark(made_areas.kml_ring(SQUARE))).encode(),), costly=True),
        Target("Shapefile", reading("s.zip", read_areas),
               (made_areas.zipped(a_shp=made_areas.shp([SQUARE]), a_dbf=made_areas.dbf(["NAME"], ["A"]), a_prj=WGS84),), costly=True),
        Target("GeoParquet", reading("g.parquet", read_areas), (_geoparquet(),), costly=True),
        Target("observations as CSV", reading("o.csv", observations), (csv,), costly=True),
        Target("observations as JSON lines", reading("o.jsonl", observations), (lines,), costly=True),
        Target("observations as Parquet", reading("o.parquet", observations), (parquet.getvalue(),), costly=True),
        Target("segment", reading("00000001.segment", frames), (frame, frame * 2), costly=True),
        *(
            Target(f"elements as {form}", lambda data: read_elements(data, "fuzzed"), (given(orbits.omm(), orbits.omm(NORAD_CAT_ID=2)),))
            for form, given in (("JSON", orbits.as_json), ("XML", orbits.as_xml), ("KVN", orbits.as_kvn), ("CSV", orbits.as_csv))
        ),
        Target("elements as TLE", lambda data: read_elements(data, "fuzzed"), ((orbits.tle(1) + orbits.tle(100_002)).encode(),)),
        Target("settings", reading("settings.toml", read_settings), (b'host = "127.0.0.1"\nport = 1\n[rates.none]\nper_s = 1.0\nburst = 2\n',)),
    ]  # fmt: skip
    found += [
        Target(f"list {path.name}", reading(path.name, lists), (path.read_bytes(),), costly=True)
        for path in sorted(LISTS.iterdir()) if path.is_file()
    ]  # fmt: skip
    return found


def _geoparquet() -> bytes:
    import shapely

    return made_areas.parquet([shapely.to_wkb(shapely.Polygon(SQUARE))], name=["A"])


def _of_the_service(folder: Path) -> list[Target]:
    desk = Desk(AccessStore.open(folder / "access.sqlite"), SigningKey.from_seed("ed25519", bytes(32)), lambda: 1_790_000_000 * 10**9)
    given = desk.give_key("test", ["officer"])[1]
    token = "eyJhbGciOiJFUzI1NiJ9." + base64.urlsafe_b64encode(b'{"iss":"https://id.example","exp":1}').rstrip(b"=").decode() + ".AAAA"
    rows = table(drive("car", 0, 3, lat=5, lon=5, km_h=50))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    named = pa.table({"terminal_id": pa.array(["a", "b"]).dictionary_encode(), "lists": pa.array([[1], None])})
    second = io.BytesIO()
    with pa.ipc.new_stream(second, named.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(named)
    one = {"terminal_id": "t-1", "observed_at": "2026-02-01T00:00:00Z", "lat_deg": 50.1, "lon_deg": 30.2}
    batches = ({"rows": [one, one]}, {"columns": {name: [value, value] for name, value in one.items()}}, {"rows": []})

    def batch(kind: str) -> Callable[[bytes], object]:
        return lambda data: read_batch(data, kind).validate(full=True)

    def path_of(data: bytes) -> None:
        for part in (routable(data) or data.decode("latin-1")).split("/"):
            try:
                id_of(part, "terminal")
            except Refused:
                continue

    def position(data: bytes) -> None:
        decode_cursor(data.decode("latin-1"), lambda found: isinstance(found, int) or found[1] > "")

    return [
        Target("batch as Arrow", batch(ARROW), (sink.getvalue(), second.getvalue())),
        Target("batch as JSON", batch("application/json"), tuple(json.dumps(each).encode() for each in batches)),
        Target("credentials", lambda data: desk.of_bearer(data.decode("latin-1")), (given.encode(), token.encode()), costly=True, refused=True),
        Target("secret of a session", lambda data: desk.of_session(data.decode("latin-1")), (b"a" * 43,), costly=True, refused=True),
        Target("cursor", position, (encode_cursor(17).encode(), encode_cursor(["2026-11-23", "t-1"]).encode())),
        Target("path", path_of, (b"/v1/terminals/a%2Fb", "/v1/terminals/тарілка".encode(), b"/v1/terminals/%ef%a3%bf%2f")),
    ]  # fmt: skip
