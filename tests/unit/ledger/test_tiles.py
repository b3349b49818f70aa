"""Tiles and bundles: paths, bytes, growth in every way of batching, and reading them back as a tree."""

from __future__ import annotations

import base64
import json
import random
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from groundrule.errors import InputError, IntegrityError, OutOfRange, StoreError
from groundrule.ledger import tiles, tree
from groundrule.ledger.tiles import TilePath, TileTree

BIG = 70_001  # one tile of the third level


def entries_of(count: int) -> list[bytes]:
    return [b"entry %d (invented)" % i for i in range(count)]


LEAVES = tree.leaf_hashes(entries_of(BIG))


def stored(count: int) -> dict[str, bytes]:
    """Everything a log of `count` entries has, made in one step."""
    made = [
        *tiles.new_bundles(0, {}.__getitem__, entries_of(count)),
        *tiles.new_tiles(0, {}.__getitem__, LEAVES[:count]),
    ]
    return {str(path): data for path, data in made}


def plain_tiles(count: int) -> dict[str, bytes]:
    """The definition of section 3.1 written down plainly: hash i of tile n at level l covers 256^l leaves."""
    made: dict[str, bytes] = {}
    row, level = LEAVES[:count], 0
    while row:
        for number in range(0, len(row), 256):
            part = row[number : number + 256]
            suffix = "" if len(part) == 256 else f".p/{len(part)}"
            assert number < 256_000
            made[f"tile/{level}/{number // 256:03}{suffix}"] = b"".join(part)
        row = [plain_root(row[at : at + 256]) for at in range(0, len(row) - 255, 256)]
        level += 1
    return made


def plain_root(hashes: list[bytes]) -> bytes:
    if len(hashes) == 1:
        return hashes[0]
    half = len(hashes) // 2
    return sha256(b"\x01" + plain_root(hashes[:half]) + plain_root(hashes[half:])).digest()


@pytest.fixture(scope="module")
def big() -> dict[str, bytes]:
    return stored(BIG)


# --- paths ------------------------------------------------------------------------------------------------------------


def test_path_vectors(shared_data: Path) -> None:
    data = json.loads((shared_data / "tlog/generated/paths.json").read_text(encoding="utf-8"))
    assert (len(data["cases"]), len(data["reject"])) == (34, 18)
    for case in data["cases"]:
        path = TilePath(case["level"], case["n"], case["w"] or 256)
        assert str(path) == case["path"]
        assert TilePath.parse(case["path"]) == path
    for text in data["reject"]:
        with pytest.raises(InputError):
            TilePath.parse(text)


def test_entry_paths_and_ends() -> None:
    assert str(TilePath(None, 1_234_067, 3)) == "tile/entries/x001/x234/067.p/3"
    assert TilePath.parse("tile/entries/000") == TilePath(None, 0)
    assert TilePath.parse("tile/63/000.p/255") == TilePath(63, 0, 255)
    assert TilePath(None, 2, 5).full == TilePath(None, 2)
    assert (TilePath(None, 2, 5).end(), TilePath(0, 2).end(), TilePath(1, 0, 17).end()) == (517, 768, 17 * 256)


@pytest.mark.parametrize(
    "text",
    ["", "tile", "tile/0/000\n", "tile/0/٠٠٠", "tile/0/00０", "TILE/0/000", "tile/+0/000", "/tile/0/000", "tile/0/000.p/1 ",
     "tile//000", "tile/0/x000/x000/000", "tile/0/" + "x999/" * 40 + "999", "tile/0/x010/x000/x000/x000/x000/x000/000",
     None, 5, b"tile/0/000"],
)  # fmt: skip
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        TilePath.parse(text)


@pytest.mark.parametrize(
    ("level", "index", "width"),
    [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0), (0, 0, 257), ("0", 0, 1), (0, 0.0, 1), (True, 0, 1)],
)
def test_no_such_tile(level: int, index: int, width: int) -> None:
    with pytest.raises(InputError):
        TilePath(level, index, width)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 65_535, 65_536, 65_537, BIG])
def test_resources_are_exactly_those_of_the_size(size: int) -> None:
    names = [str(path) for path in tiles.resources(size)]
    expected = plain_tiles(size)
    bundles = {name.replace("tile/0/", "tile/entries/") for name in expected if name.startswith("tile/0/")}
    assert len(names) == len(set(names))
    assert set(names) == expected.keys() | bundles


def test_the_sizes_named_in_the_format() -> None:
    at_256 = {str(path) for path in tiles.resources(256)}
    assert at_256 == {"tile/entries/000", "tile/0/000", "tile/1/000.p/1"}
    at_70000 = [path for path in tiles.resources(70_000) if path.level is not None]
    widths = [[p.width for p in at_70000 if p.level == level] for level in (0, 1, 2)]
    assert widths == [[256] * 273 + [112], [256, 17], [1]]


# --- bundles and tiles as bytes ---------------------------------------------------------------------------------------


def test_bundles_there_and_back() -> None:
    entries = [b"", b"a", b"x" * tiles.MAX_ENTRY_BYTES, bytes(256)]
    data = tiles.encode_bundle(entries)
    assert data[:5] == b"\x00\x00\x00\x01a"
    assert tiles.decode_bundle(data, 4) == entries
    assert tiles.decode_bundle(b"", 0) == []
    with pytest.raises(InputError, match="entry 1 has 65,536 bytes"):
        tiles.encode_bundle([b"", b"x" * 65_536])


@pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 256])
def test_bundles_are_exact(count: int) -> None:
    with pytest.raises(InputError):
        tiles.decode_bundle(tiles.encode_bundle([b"one", b"two", b""]), count)


def test_no_part_of_a_bundle_is_a_bundle() -> None:
    data = tiles.encode_bundle([b"one", b"", b"three"])
    for end in range(len(data)):
        with pytest.raises(InputError):
            tiles.decode_bundle(data[:end], 3)
    with pytest.raises(InputError, match="1 bytes follow"):
        tiles.decode_bundle(data + b"\x00", 3)


def test_tiles_have_exactly_their_width() -> None:
    assert tiles.tile_hashes(b"".join(LEAVES[:3]), 3) == LEAVES[:3]
    for data in (b"", b"x" * 95, b"x" * 97, b"x" * 64):
        with pytest.raises(InputError, match="width 3"):
            tiles.tile_hashes(data, 3)


# --- growth -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 3, 255, 256, 257, 700, 65_535, 65_536, 65_537, BIG])
def test_tiles_of_one_step_agree_with_the_definition(size: int) -> None:
    made = [(str(path), data) for path, data in tiles.new_tiles(0, {}.__getitem__, LEAVES[:size])]
    assert len(made) == len(dict(made))
    assert dict(made) == plain_tiles(size)


@pytest.mark.parametrize("seed", range(6))
def test_growth_in_random_steps_makes_the_same_files(seed: int) -> None:
    rng = random.Random(seed)
    total = rng.choice([300, 1000, 2500])
    most = rng.choice([3, 40, 600])
    entries, store, size = entries_of(total), {}, 0
    kept = tiles.TileBuilder()
    while size < total:
        step = rng.randint(0, most)
        made = list(tiles.new_tiles(size, store.__getitem__, LEAVES[size : min(total, size + step)]))
        assert list(kept.extend(LEAVES[size : min(total, size + step)])) == made
        made += tiles.new_bundles(size, store.__getitem__, entries[size : size + step])
        for path, data in made:
            name = str(path)
            assert name not in store, "create-once"
            assert path.end() > size
            store[name] = data
        size = min(total, size + step)
        wanted = {str(path) for path in tiles.resources(size)}
        assert wanted <= store.keys()
        assert TileTree(store.__getitem__, size).root() == tree.root_of(LEAVES[:size])
    for name, data in stored(total).items():
        assert store[name] == data


def test_three_levels_of_tiles_in_two_steps(big: dict[str, bytes]) -> None:
    for cut in (65_535, 65_536, 65_537, 1, 69_999):
        store = {str(path): data for path, data in tiles.new_tiles(0, {}.__getitem__, LEAVES[:cut])}
        store |= {str(path): data for path, data in tiles.new_tiles(cut, store.__getitem__, LEAVES[cut:])}
        for path in tiles.resources(BIG):
            if path.level is not None:
                assert store[str(path)] == big[str(path)], str(path)


def test_building_refuses_what_is_no_hash_and_appends_nothing() -> None:
    builder = tiles.TileBuilder()
    with pytest.raises(InputError):
        builder.extend([LEAVES[0], b"short"])
    assert (builder.size, list(builder.extend([]))) == (0, [])


def test_building_on_damaged_tiles_is_refused() -> None:
    store = stored(300)
    for name in ("tile/0/001.p/44", "tile/1/000.p/1"):
        with pytest.raises(IntegrityError, match=re.escape(name)):
            tiles.new_tiles(300, (store | {name: store[name][:-1]}).__getitem__, LEAVES[300:301])
        with pytest.raises(StoreError, match=re.escape(name)):
            tiles.new_tiles(300, {k: v for k, v in store.items() if k != name}.__getitem__, LEAVES[300:301])
    with pytest.raises(IntegrityError, match=r"tile/entries/001\.p/44"):
        list(tiles.new_bundles(300, (store | {"tile/entries/001.p/44": b""}).__getitem__, [b"next"]))


# --- reading ----------------------------------------------------------------------------------------------------------


def test_every_subtree_of_a_small_log() -> None:
    source = TileTree(stored(700).__getitem__, 700)
    for level in range(10):
        for index in range(700 >> level):
            assert source.hash(level, index) == tree.root_of(LEAVES[index << level : (index + 1) << level])
        with pytest.raises(OutOfRange):
            source.hash(level, 700 >> level)


@pytest.mark.parametrize(
    ("level", "index"), [(-1, 0), (0, -1), (3, -1), (8, -1), (64, 0), (63, 5), (0, 2**70), (500, 0)]
)
def test_subtrees_that_cannot_be(level: int, index: int) -> None:
    with pytest.raises(OutOfRange):
        TileTree(stored(700).__getitem__, 700).hash(level, index)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 255, 256, 257, 300, 511, 512, 513, 700])
def test_proofs_from_tiles_are_those_of_the_tree(size: int) -> None:
    frontier_root = tree.root_of(LEAVES[:size])
    source = TileTree(stored(size).__getitem__, size)
    assert source.root() == frontier_root
    for index in range(size):
        proof = source.inclusion_path(index)
        assert proof == tree.inclusion_path(index, size, source.hash)
        tree.verify_inclusion(index, size, LEAVES[index], proof, frontier_root)
    for old in range(0, size + 1, 3):
        tree.verify_consistency(old, size, source.root_at(old), frontier_root, source.consistency_path(old))


def test_proofs_over_three_levels_of_tiles(big: dict[str, bytes]) -> None:
    rng = random.Random(8)
    sizes = [65_535, 65_536, 65_537, 65_792, 65_793, BIG]
    whole = TileTree(big.__getitem__, BIG)
    for size in sizes:
        root = tree.root_of(LEAVES[:size])
        assert whole.root_at(size) == root
        source = TileTree(stored_tiles(size).__getitem__, size)
        for index in {0, 1, 255, 256, 65_279, 65_280, 65_534, size - 1, *(rng.randrange(size) for _ in range(60))}:
            proof = source.inclusion_path(index)
            assert proof == whole.inclusion_path(index, size)
            tree.verify_inclusion(index, size, LEAVES[index], proof, root)
        for old in {1, 256, 257, 65_000, size - 1, size, *(rng.randrange(size) for _ in range(20))}:
            proof = source.consistency_path(old)
            assert proof == whole.consistency_path(old, size)
            tree.verify_consistency(old, size, whole.root_at(old), root, proof)


def stored_tiles(size: int) -> dict[str, bytes]:
    return {str(path): data for path, data in tiles.new_tiles(0, {}.__getitem__, LEAVES[:size])}


def test_entries_in_order_and_one_by_one() -> None:
    entries = entries_of(600)
    source = TileTree(stored(600).__getitem__, 600)
    assert [source.entry(i) for i in (0, 599, 255, 256, 300)] == [entries[i] for i in (0, 599, 255, 256, 300)]
    assert list(source.entries()) == entries
    for start, end in ((0, 1), (255, 257), (256, 512), (599, 700), (300, 300), (10, 10)):
        assert list(source.entries(start, end)) == entries[start:end]
    for index in (-1, 600, True, "1"):
        with pytest.raises(OutOfRange):
            source.entry(index)  # type: ignore[arg-type]  # what a careless caller passes


def test_a_partial_tile_that_filled_up_is_cut_from_the_full_one() -> None:
    grown = {name: data for name, data in stored(300).items() if ".p/44" not in name} | stored(512)
    source = TileTree(grown.__getitem__, 300)
    assert source.root() == tree.root_of(LEAVES[:300])
    assert list(source.entries()) == entries_of(300)
    assert len(source.bundle(1)) == 44
    assert len(source.tile(0, 1)) == 44 * 32
    with pytest.raises(OutOfRange):
        source.hash(0, 300)
    assert source.inclusion_path(299) == TileTree(stored(300).__getitem__, 300).inclusion_path(299)


def test_what_is_missing_or_damaged_is_named() -> None:
    store = stored(300)
    for error in (FileNotFoundError("gone"), KeyError("gone"), StoreError("gone")):

        def fail(name: str, error: Exception = error) -> bytes:
            if name.startswith("tile/0/001"):
                raise error
            return store[name]

        with pytest.raises(StoreError, match="gone"):
            TileTree(fail, 300).root()
    for data in (b"", store["tile/0/001.p/44"] + bytes(32), store["tile/0/001.p/44"][:-32]):
        with pytest.raises(IntegrityError, match=r"tile/0/001\.p/44"):
            TileTree((store | {"tile/0/001.p/44": data}).__getitem__, 300).root()
    with pytest.raises(IntegrityError, match="tile/entries/000: the bundle ends within entry 255"):
        TileTree((store | {"tile/entries/000": store["tile/entries/000"][:-1]}).__getitem__, 300).entry(3)
    for size in (-1, 2**63, "5", True):
        with pytest.raises(OutOfRange):
            TileTree(store.__getitem__, size)  # type: ignore[arg-type]  # what a careless caller passes


def test_memory_is_bounded_and_forgetting_changes_nothing(big: dict[str, bytes]) -> None:
    reads = 0

    def count(name: str) -> bytes:
        nonlocal reads
        reads += 1
        return big[name]

    small, large = TileTree(count, BIG, cached_tiles=3), TileTree(big.__getitem__, BIG)
    rng = random.Random(4)
    for _ in range(150):
        index = rng.randrange(BIG)
        assert small.inclusion_path(index) == large.inclusion_path(index)
        assert len(small._tiles) <= 3
    assert reads > 150


def test_threads_read_one_tree(big: dict[str, bytes]) -> None:
    source, root = TileTree(big.__getitem__, BIG, cached_tiles=5), tree.root_of(LEAVES)

    def prove(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(60):
            index = rng.randrange(BIG)
            tree.verify_inclusion(index, BIG, LEAVES[index], source.inclusion_path(index), root)

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns between any two steps
    try:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(prove, range(6)))
    finally:
        sys.setswitchinterval(interval_s)


def test_a_row_added_by_another_thread_is_not_added_again(big: dict[str, bytes]) -> None:
    source = TileTree(big.__getitem__, BIG)
    source.hash(0, 0)
    ((key, rows),) = source._tiles.items()
    rival = TileTree(big.__getitem__, BIG)
    rival.inclusion_path(0)
    complete = rival._tiles[key]

    class Rows(list[bytes]):
        """Rows that a rival completes as soon as somebody has asked how many there are."""

        def __len__(self) -> int:
            held = super().__len__()
            self.extend(complete[held:])
            return held

    source._tiles[key] = Rows(rows)
    assert source.inclusion_path(0) == rival.inclusion_path(0)
    assert list(source._tiles[key]) == complete


# --- published logs ---------------------------------------------------------------------------------------------------


def test_generated_trees_have_the_digests_of_every_resource(shared_data: Path) -> None:
    data = json.loads((shared_data / "tlog/generated/trees.json").read_text(encoding="utf-8"))
    assert len(data["cases"]) == 32
    for case in data["cases"]:
        entries = [f"{data['seed']}/leaf/{i}\n".encode() for i in range(case["size"])]
        made = [
            *tiles.new_bundles(0, {}.__getitem__, entries),
            *tiles.new_tiles(0, {}.__getitem__, tree.leaf_hashes(entries)),
        ]
        store = {str(path): data for path, data in made}
        assert store.keys() == {str(path) for path in tiles.resources(case["size"])}
        assert len(store) == case["n_resources"]
        for name, digest in case.get("resources", {}).items():
            assert sha256(store[name]).hexdigest() == digest
        total = sha256()
        for name in sorted(store):
            total.update(name.encode() + b"\x00" + sha256(store[name]).digest())
        assert total.hexdigest() == case["resources_sha256"]
        assert TileTree(store.__getitem__, case["size"]).root() == base64.b64decode(case["root"])


def read_folder(folder: Path) -> tiles.ReadResource:
    return lambda name: (folder / name).read_bytes()


def test_a_log_of_another_program_at_every_size(shared_data: Path) -> None:
    folder = shared_data / "tlog/thirdparty/tessera-log"
    latest = TileTree(read_folder(folder), 15)
    for size in range(16):
        _, count, root, *_ = (folder / f"checkpoint.{size}").read_text(encoding="utf-8").split("\n")
        source = TileTree(read_folder(folder), size)
        assert int(count) == size
        assert source.root() == latest.root_at(size) == base64.b64decode(root)
        assert [str(path) for path in tiles.resources(size)] == [
            f"tile/{row}/000.p/{size}" for row in ("entries", "0") if size
        ]
        entries = list(source.entries())
        assert [source.hash(0, i) for i in range(size)] == tree.leaf_hashes(entries)
        assert size == 0 or tiles.encode_bundle(entries) == (folder / f"tile/entries/000.p/{size}").read_bytes()
        tree.verify_consistency(size, 15, source.root(), latest.root(), latest.consistency_path(size))


def test_a_mirror_without_entries(shared_data: Path) -> None:
    folder = shared_data / "tlog/thirdparty/sunlight/mirror"
    _, count, root, *_ = (folder / "checkpoint").read_text(encoding="utf-8").split("\n")
    source = TileTree(read_folder(folder), int(count))
    assert source.root() == base64.b64decode(root)
    rebuilt = dict(tiles.TileBuilder().extend([source.hash(0, i) for i in range(300)]))
    for path, data in rebuilt.items():
        assert (folder / str(path)).read_bytes() == data
    with pytest.raises(StoreError, match="tile/entries/000"):
        source.entry(0)
