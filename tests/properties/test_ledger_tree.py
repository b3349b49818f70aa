"""Properties of the tree on random sizes and random damage: valid proofs verify, nothing else does, nothing crashes."""

from __future__ import annotations

from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundrule.errors import GroundruleError, InputError, ProofFailed
from groundrule.ledger import tiles, tree

MOST = 70_000
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
SIZES = st.one_of(
    st.integers(1, 40), st.integers(1, MOST), st.sampled_from([255, 256, 257, 65_535, 65_536, 65_537, MOST])
)
ANY_NUMBER = st.one_of(st.integers(-2, 80), st.integers(), st.integers(2**62, 2**65))
ANY_HASH = st.one_of(st.binary(min_size=32, max_size=32), st.binary(max_size=40))


@cache
def store() -> tuple[tiles.TileTree, list[bytes]]:
    leaves = tree.leaf_hashes(b"%d (invented)" % i for i in range(MOST))
    held = {str(path): data for path, data in tiles.new_tiles(0, {}.__getitem__, leaves)}
    return tiles.TileTree(held.__getitem__, MOST), leaves


def holds(check: object, *arguments: object) -> bool:
    try:
        check(*arguments)  # type: ignore[operator]  # one of the four verifiers
    except ProofFailed:
        return False
    return True


@QUICK
@given(st.data())
def test_inclusion_holds_and_breaks_with_any_change(data: st.DataObject) -> None:
    source, leaves = store()
    size = data.draw(SIZES)
    index = data.draw(st.integers(0, size - 1))
    proof, root, leaf = source.inclusion_path(index, size), source.root_at(size), leaves[index]
    assert len(proof) <= 17
    tree.verify_inclusion(index, size, leaf, proof, root)

    changed = data.draw(st.integers(0, 4))
    if changed == 0:
        other = data.draw(st.integers(0, size))
        assert other == index or not holds(tree.verify_inclusion, other, size, leaf, proof, root)
    elif changed == 1:
        bit = data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(leaf) ^ 1 << bit).to_bytes(32)
        assert not holds(tree.verify_inclusion, index, size, flipped, proof, root)
        assert not holds(tree.verify_inclusion, index, size, leaf, proof, flipped)
    elif changed == 2 and proof:
        at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        mutated = list(proof)
        mutated[at] = (int.from_bytes(mutated[at]) ^ 1 << bit).to_bytes(32)
        assert not holds(tree.verify_inclusion, index, size, leaf, mutated, root)
    elif changed == 3:
        at = data.draw(st.integers(0, len(proof)))
        longer = [*proof[:at], data.draw(ANY_HASH), *proof[at:]]
        assert not holds(tree.verify_inclusion, index, size, leaf, longer, root)
        if proof:
            assert not holds(tree.verify_inclusion, index, size, leaf, proof[:-1], root)
            assert not holds(tree.verify_inclusion, index, size, leaf, proof[1:], root)
    elif len(proof) > 1:
        turned = proof[::-1]
        assert not holds(tree.verify_inclusion, index, size, leaf, turned, root)


@QUICK
@given(st.data())
def test_consistency_holds_and_breaks_with_any_change(data: st.DataObject) -> None:
    source, _ = store()
    new = data.draw(SIZES)
    old = data.draw(st.integers(0, new))
    proof, old_root, new_root = source.consistency_path(old, new), source.root_at(old), source.root_at(new)
    tree.verify_consistency(old, new, old_root, new_root, proof)
    if old:
        tree.verify_subtree_consistency(0, old, new, old_root, new_root, proof)

    bit = data.draw(st.integers(0, 255))

    def flip(value: bytes) -> bytes:
        return (int.from_bytes(value) ^ 1 << bit).to_bytes(32)

    assert not holds(tree.verify_consistency, old, new, flip(old_root), new_root, proof)
    if old:
        assert not holds(tree.verify_consistency, old, new, old_root, flip(new_root), proof)
    assert not holds(tree.verify_consistency, old, new, old_root, new_root, [*proof, data.draw(ANY_HASH)])
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not holds(
            tree.verify_consistency, old, new, old_root, new_root, [*proof[:at], flip(proof[at]), *proof[at + 1 :]]
        )
        assert not holds(tree.verify_consistency, old, new, old_root, new_root, proof[:at] + proof[at + 1 :])
        other = data.draw(st.integers(1, new - 1))
        assert other == old or not holds(tree.verify_consistency, other, new, old_root, new_root, proof)


@QUICK
@given(st.integers(0, 3000), st.lists(st.integers(0, 900), max_size=8))
def test_a_frontier_is_the_tree_however_it_grew(start: int, steps: list[int]) -> None:
    source, leaves = store()
    frontier = tree.Frontier.at(start, source.hash)
    for step in steps:
        frontier.extend(leaves[frontier.size : frontier.size + step])
    assert frontier.size == start + sum(steps)
    assert frontier.root() == source.root_at(frontier.size)


@QUICK
@given(ANY_NUMBER, ANY_NUMBER, ANY_NUMBER, ANY_HASH, ANY_HASH, st.lists(ANY_HASH, max_size=70))
def test_anything_at_all_only_ever_fails(a: int, b: int, c: int, one: bytes, two: bytes, proof: list[bytes]) -> None:
    assert not holds(tree.verify_inclusion, a, b, one, proof, two)
    assert not holds(tree.verify_subtree_inclusion, a, b, c, one, proof, two)
    assert not holds(tree.verify_consistency, a, b, one, two, proof) or (a == b and one == two and not proof)
    holds(tree.verify_subtree_consistency, a, b, c, one, two, proof)


@QUICK
@given(st.binary(max_size=300), st.integers(0, 40))
def test_any_bytes_are_a_bundle_exactly_or_refused(data: bytes, count: int) -> None:
    try:
        entries = tiles.decode_bundle(data, count)
    except InputError:
        return
    assert len(entries) == count
    assert tiles.encode_bundle(entries) == data


@QUICK
@given(st.one_of(st.text(max_size=60), st.from_regex(r"tile/(entries|\d{1,3})/(x?\d{2,4}/){0,3}\d{3}(\.p/\d{1,4})?")))
def test_any_text_is_a_path_exactly_or_refused(text: str) -> None:
    try:
        path = tiles.TilePath.parse(text)
    except InputError:
        return
    assert str(path) == text


@QUICK
@given(ANY_NUMBER, ANY_NUMBER, st.integers(0, 600))
def test_reading_answers_or_refuses(level: int, index: int, size: int) -> None:
    source, _ = store()
    reader = tiles.TileTree(source._read, size)
    for ask in (
        lambda: reader.hash(level, index),
        lambda: reader.inclusion_path(index, level),
        lambda: reader.inclusion_path(index),
        lambda: reader.consistency_path(index, level),
        lambda: reader.root_at(index),
        lambda: reader.tile(level, index),
        lambda: reader.entry(index),
    ):
        try:
            ask()
        except GroundruleError:
            continue
