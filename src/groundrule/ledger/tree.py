"""Merkle tree hashing and proofs of RFC 6962 and RFC 9162.

Leaf hashes, roots, inclusion and consistency proofs, and their verification. A tree is read through a `HashReader`,
which gives the hash of any perfect subtree; where the hashes are stored is no matter of this module.

Nothing here trusts its input: the `verify_*` functions raise `ProofFailed` for whatever does not hold, also for numbers
beyond 2^63-1 and hashes that are not 32 bytes long, and nothing else. Everything that makes a proof raises `InputError`
for a request that has no answer.

Sources: RFC 6962 section 2.1; RFC 9162 sections 2.1.3.2 and 2.1.4.2; for subtrees draft-ietf-plants-merkle-tree-certs
section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from groundrule.errors import InputError, OutOfRange, ProofFailed

HASH_SIZE = 32
MAX_SIZE = 2**63 - 1
"""Largest size of a tree that any of the formats can name."""
EMPTY_ROOT = sha256(b"").digest()

HashReader = Callable[[int, int], bytes]
"""Gives the hash of the perfect subtree (level, index), which covers leaves [index·2^level, (index+1)·2^level)."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash one entry: SHA-256(0x00 ‖ entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two nodes: SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """Hash many entries in order."""
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def parents(level: Sequence[bytes]) -> list[bytes]:
    """Hash neighbours in pairs; an unpaired last node is left out."""
    nodes = iter(level)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(nodes, nodes, strict=False)]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Compute the root (MTH of RFC 6962) over leaf hashes.

    Raises:
        InputError: something in `leaves` is not a hash of 32 bytes.
    """
    level = checked_hashes(leaves)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        # A node without a neighbour rises unchanged: that is the split at the largest power of two, seen from below.
        level = parents(level) + (level[-1:] if len(level) & 1 else [])
    return level[0]


class Frontier:
    """The right edge of a growing tree: the roots of its perfect subtrees (a compact range that starts at 0).

    Attributes:
        size: number of leaves appended so far.
    """

    __slots__ = ("_edge", "size")

    def __init__(self) -> None:
        self.size = 0
        self._edge: dict[int, bytes] = {}

    @classmethod
    def at(cls, size: int, read: HashReader) -> Frontier:
        """Take up an existing tree of `size` leaves."""
        _check_size(size)
        frontier = cls()
        frontier.size = size
        frontier._edge = {level: read(level, index) for level, index in _perfect(0, size)}
        return frontier

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Roots of the perfect subtrees from left to right, one for each set bit of the size, largest first."""
        return tuple(self._edge[level] for level in sorted(self._edge, reverse=True))

    def append(self, leaf: bytes) -> None:
        """Append one leaf hash."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes.

        Raises:
            InputError: something in `leaves` is not a hash of 32 bytes; nothing was appended.
            OutOfRange: the tree would grow beyond 2^63-1 leaves; nothing was appended.
        """
        nodes = checked_hashes(leaves)
        _check_size(self.size + len(nodes))
        level, self.size, before = 0, self.size + len(nodes), self.size
        while nodes:
            if before >> level & 1:
                nodes.insert(0, self._edge.pop(level))
            if len(nodes) & 1:
                self._edge[level] = nodes.pop()
            nodes = parents(nodes)
            level += 1

    def root(self) -> bytes:
        """Root of the tree so far."""
        return _fold(self.hashes) if self.size else EMPTY_ROOT


# --- making proofs ----------------------------------------------------------------------------------------------------


def root_at(size: int, read: HashReader) -> bytes:
    """Compute the root of the first `size` leaves.

    Raises:
        OutOfRange: `size` is negative or above 2^63-1.
    """
    _check_size(size)
    return range_root(0, size, read) if size else EMPTY_ROOT


def range_root(start: int, end: int, read: HashReader) -> bytes:
    """Compute the root over leaves [start, end), where `start` is a multiple of a power of two that is ≥ end-start."""
    level = (end - start).bit_length() - 1
    if end - start == 1 << level:
        return read(level, start >> level)
    return _fold([read(level, index) for level, index in _perfect(start, end)])


def inclusion_path(index: int, size: int, read: HashReader) -> list[bytes]:
    """Prove that leaf `index` is in the tree of `size` leaves (PATH of RFC 6962).

    Returns:
        The siblings from the leaf upwards.

    Raises:
        OutOfRange: there is no such leaf.
    """
    _check_size(size)
    if type(index) is not int or not 0 <= index < size:
        raise OutOfRange(
            f"leaf `{index}` is not in a tree of {size} leaves", help=f"indexes run from 0 to {size - 1}", index=index
        )
    path = []
    node, last, level = index, size - 1, 0
    while last:
        sibling = node ^ 1
        if sibling < last:
            path.append(read(level, sibling))
        elif sibling == last:  # the right edge, which need not be perfect
            path.append(range_root(sibling << level, size, read))
        node, last, level = node >> 1, last >> 1, level + 1
    return path


def consistency_path(old: int, new: int, read: HashReader) -> list[bytes]:
    """Prove that the first `old` of `new` leaves are those of the earlier tree (PROOF of RFC 6962).

    Returns:
        The hashes from below upwards; none if `old` is 0 or `new`.

    Raises:
        OutOfRange: `old` is larger than `new`, or one of them is no size.
    """
    _check_size(new)
    _check_size(old)
    if old > new:
        raise OutOfRange(
            f"a tree of {new} leaves holds no earlier tree of {old}", help=f"ask for a size from 0 to {new}", old=old
        )
    if not old:
        return []
    path = []
    start, end, known = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_root(middle, end, read))
            end = middle
        else:
            path.append(range_root(start, middle, read))
            start, known = middle, False
    if not known:  # otherwise the verifier has this hash: it is the earlier root
        path.append(range_root(start, end, read))
    path.reverse()
    return path


# --- verifying proofs -------------------------------------------------------------------------------------------------


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Verify that the leaf hash is leaf `index` of the tree of `size` leaves with this root (RFC 9162, 2.1.3.2).

    Raises:
        ProofFailed: it is not, or the proof is malformed.
    """
    _number("size", size)
    _number("index", index)
    if index >= size:
        raise ProofFailed(f"inclusion: leaf {index} is not in a tree of {size} leaves", index=index, size=size)
    _hashes(proof, leaf, root)
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        if not last:
            raise ProofFailed(f"inclusion: the proof has {len(proof)} hashes, too many for leaf {index} of {size}")
        if node & 1 or node == last:
            result = sha256(b"\x01" + sibling + result).digest()
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            result = sha256(b"\x01" + result + sibling).digest()
        node >>= 1
        last >>= 1
    if last:
        raise ProofFailed(f"inclusion: the proof has {len(proof)} hashes, too few for leaf {index} of {size}")
    if result != root:
        raise ProofFailed(f"inclusion: leaf {index} does not lead to the root of the tree of {size} leaves")


def verify_consistency(old: int, new: int, old_root: bytes | None, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Verify that the tree of `new` leaves extends the tree of `old` leaves (RFC 9162, 2.1.4.2).

    From size 0 only an empty proof is accepted, as the witness protocol has it.

    Args:
        old: size of the earlier tree.
        new: size of the later tree.
        old_root: root of the earlier tree; None is allowed for size 0.
        new_root: root of the later tree.
        proof: hashes from below upwards.

    Raises:
        ProofFailed: it does not, or the proof is malformed.
    """
    _number("later size", new)
    _number("earlier size", old)
    if old > new:
        raise ProofFailed(f"consistency: the earlier tree has {old} leaves and the later one only {new}")
    if old_root is None and not old:
        old_root = EMPTY_ROOT
    _hashes(proof, old_root, new_root)
    assert old_root is not None
    if not old and old_root != EMPTY_ROOT:
        raise ProofFailed("consistency: the earlier tree is empty and its root is not that of the empty tree")
    if old in (0, new):
        if proof:
            raise ProofFailed(f"consistency: from {old} to {new} leaves the proof must be empty", hashes=len(proof))
        if old == new and old_root != new_root:
            raise ProofFailed(f"consistency: two trees of {new} leaves have different roots")
        return
    _climb(0, old, new, old_root, new_root, proof)


def verify_subtree_inclusion(
    leaf_index: int, start: int, end: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Verify that the leaf hash is leaf `leaf_index` of the subtree [start, end) with this root.

    Raises:
        ProofFailed: it is not, no such subtree can exist, or the proof is malformed.
    """
    _check_subtree(start, end)
    _number("index", leaf_index)
    if not start <= leaf_index < end:
        raise ProofFailed(f"inclusion: leaf {leaf_index} is not in the subtree [{start}, {end})")
    verify_inclusion(leaf_index - start, end - start, leaf, proof, root)


def verify_subtree_consistency(
    start: int, end: int, size: int, subtree_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Verify that the subtree [start, end) with its root belongs to the tree of `size` leaves with this root.

    An empty subtree belongs to every tree that reaches it, as the empty tree does; its proof is empty.

    Raises:
        ProofFailed: it does not, no such subtree can exist, or the proof is malformed.
    """
    _check_subtree(start, end)
    _number("size", size)
    if end > size:
        raise ProofFailed(f"consistency: the subtree [{start}, {end}) reaches beyond {size} leaves")
    _hashes(proof, subtree_root, root)
    if start == end:
        if proof or subtree_root != EMPTY_ROOT:
            raise ProofFailed("consistency: an empty subtree has the root of the empty tree and an empty proof")
        return
    _climb(start, end, size, subtree_root, root, proof)


def _climb(start: int, end: int, size: int, subtree_root: bytes, root: bytes, proof: Sequence[bytes]) -> None:
    """Rebuild both roots from the proof; with start 0 these are the steps of RFC 9162, 2.1.4.2."""
    what = f"consistency: from [{start}, {end}) to {size} leaves"
    first, last, top = start, end - 1, size - 1
    # Rise while the right edge of the subtree is whole, or is the edge of the tree: up to there nothing is to prove.
    while first != last and (last & 1 or last == top):
        first, last, top = first >> 1, last >> 1, top >> 1
    if first == last:  # the subtree is one node of the tree, and its root the start of both climbs
        rest = iter(proof)
        small = large = subtree_root
    else:
        if not proof:
            raise ProofFailed(f"{what}: the proof is empty")
        rest = iter(proof)
        small = large = next(rest)
    for sibling in rest:
        if not top:
            raise ProofFailed(f"{what}: the proof has too many hashes", hashes=len(proof))
        if last & 1 or last == top:
            if first < last:
                small = sha256(b"\x01" + sibling + small).digest()
            large = sha256(b"\x01" + sibling + large).digest()
            while not last & 1 and last:
                first, last, top = first >> 1, last >> 1, top >> 1
        else:
            large = sha256(b"\x01" + large + sibling).digest()
        first, last, top = first >> 1, last >> 1, top >> 1
    if top:
        raise ProofFailed(f"{what}: the proof has too few hashes", hashes=len(proof))
    if small != subtree_root:
        raise ProofFailed(f"{what}: the proof does not lead to the earlier root")
    if large != root:
        raise ProofFailed(f"{what}: the proof does not lead to the later root")


# --- parts ------------------------------------------------------------------------------------------------------------


def _split(count: int) -> int:
    """Largest power of two below `count` > 1."""
    return 1 << (count - 1).bit_length() - 1


def _perfect(start: int, end: int) -> list[tuple[int, int]]:
    """Decompose [start, end) into perfect subtrees (level, index), largest first; `start` is aligned to all of them."""
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append((level, start >> level))
        start += 1 << level
    return parts


def _fold(roots: Sequence[bytes]) -> bytes:
    """Join the roots of ever smaller perfect subtrees from the right."""
    result = roots[-1]
    for root in roots[-2::-1]:
        result = sha256(b"\x01" + root + result).digest()
    return result


def checked_hashes(leaves: Iterable[bytes]) -> list[bytes]:
    """Copy leaf hashes into a list, each known to have 32 bytes.

    Raises:
        InputError: something in `leaves` is not a hash of 32 bytes.
    """
    level = list(leaves)
    if not (set(map(type, level)) <= {bytes} and set(map(len, level)) <= {HASH_SIZE}):
        at = next(i for i, leaf in enumerate(level) if type(leaf) is not bytes or len(leaf) != HASH_SIZE)
        raise InputError(f"leaf {at} is not a hash", help="a leaf hash is 32 bytes: leaf_hash(entry)", index=at)
    return level


def _check_size(size: int) -> None:
    if type(size) is not int or not 0 <= size <= MAX_SIZE:
        raise OutOfRange(f"`{size}` is no size of a tree", help="a size lies between 0 and 2^63-1", size=size)


def _check_subtree(start: int, end: int) -> None:
    """Fail unless [start, end) can be a subtree: start is a multiple of the smallest power of two ≥ its width."""
    _number("start", start)
    _number("end", end)
    if start > end or (start < end and start & ((1 << (end - start - 1).bit_length()) - 1)):
        raise ProofFailed(f"[{start}, {end}) is no subtree of any tree", start=start, end=end)


def _number(name: str, value: int) -> None:
    if type(value) is not int or not 0 <= value <= MAX_SIZE:
        raise ProofFailed(f"{name} `{value!r:.40}` is not a whole number from 0 to 2^63-1")


def _hashes(proof: Sequence[bytes], *others: bytes | None) -> None:
    """Fail unless the proof is a sequence of hashes and the others are hashes too."""
    if not isinstance(proof, list | tuple):
        raise ProofFailed("the proof is not a list of hashes")
    for value in (*proof, *others):
        if type(value) is not bytes or len(value) != HASH_SIZE:
            raise ProofFailed("the proof, the leaf or a root is not made of hashes of 32 bytes")
