"""Merkle trees as in RFC 6962, section 2.1: nodes, roots, proofs. No I/O.

The words are the specification's: D[n] is the list of the first n leaves, MTH its Merkle Tree
Hash, PATH an inclusion ("audit") path, PROOF a consistency proof. Hashes are SHA-256.

A *node* is the MTH of a perfect subtree: `(level, index)` covers the leaves from
`index << level` up to, not including, `(index + 1) << level`. Nodes never change once their leaves
are there, so they are what is stored; every other hash of the tree is made of few of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from audit.errors import ProofRefused

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()  # RFC 6962, 2.1: MTH({}) = SHA-256()

ReadNode: TypeAlias = Callable[[int, int], bytes]
"""Returns the node at (level, index)."""


@dataclass(frozen=True, slots=True)
class Subtree:
    """The leaves from `start` up to, not including, `end`; what a proof names by its MTH."""

    start: int
    end: int


def hash_leaf(leaf: bytes) -> bytes:
    """Return the leaf hash: SHA-256(0x00 || leaf)."""
    return sha256(b"\x00" + leaf).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the MTH over `hashes`, a power of two of them, given as hashes already."""
    row = list(hashes)
    while len(row) > 1:
        row = [hash_children(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def nodes_of(subtree: Subtree) -> Iterator[tuple[int, int]]:
    """Yield the largest perfect subtrees that make up `subtree`, from the left.

    Args:
        subtree: As RFC 6962 splits: `start` is a multiple of a power of two not below its length.
    """
    start = subtree.start
    while start < subtree.end:
        level = (subtree.end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def subtree_hash(subtree: Subtree, read: ReadNode) -> bytes:
    """Return MTH(D[start:end]); of no leaves, the empty root."""
    hashes = [read(level, index) for level, index in nodes_of(subtree)]
    if not hashes:
        return EMPTY_ROOT
    # The split of RFC 6962 puts the largest power of two on the left: fold from the right.
    root = hashes.pop()
    while hashes:
        root = hash_children(hashes.pop(), root)
    return root


def inclusion_path(leaf_index: int, tree_size: int) -> list[Subtree]:
    """Return PATH(m, D[n]) as the subtrees whose hashes it consists of, from the leaf up.

    Args:
        leaf_index: m, from 0.
        tree_size: n, above m.

    Source:
        RFC 6962, 2.1.1.
    """
    if not 0 <= leaf_index < tree_size:
        raise ValueError("a leaf has a path in trees that hold it")
    path: list[Subtree] = []
    start, end = 0, tree_size
    while end - start > 1:
        k = _split(end - start)
        if leaf_index < start + k:
            path.append(Subtree(start + k, end))
            end = start + k
        else:
            path.append(Subtree(start, start + k))
            start += k
    path.reverse()
    return path


def consistency_path(old_size: int, new_size: int) -> list[Subtree]:
    """Return PROOF(m, D[n]) as the subtrees whose hashes it consists of.

    Args:
        old_size: m, from 0; from the empty tree, and from a tree to itself, there is nothing to
            prove.
        new_size: n, not below m.

    Source:
        RFC 6962, 2.1.2.
    """
    if not 0 <= old_size <= new_size:
        raise ValueError("a tree is consistent with a tree that is not smaller")
    if old_size in (0, new_size):
        return []
    path: list[Subtree] = []
    start, end = 0, new_size
    is_whole = True  # b of SUBPROOF: the old tree is the subtree that we have come to
    while end != old_size:
        k = _split(end - start)
        if old_size <= start + k:
            path.append(Subtree(start + k, end))
            end = start + k
        else:
            path.append(Subtree(start, start + k))
            start += k
            is_whole = False
    if not is_whole:
        path.append(Subtree(start, end))
    path.reverse()
    return path


def verify_inclusion(
    leaf_hash: bytes,
    *,
    leaf_index: int,
    tree_size: int,
    proof: Sequence[bytes],
    root_hash: bytes,
) -> None:
    """Check that the tree of `root_hash` holds `leaf_hash` at `leaf_index`.

    Args:
        leaf_hash: Of the leaf in hand, computed by the caller.
        leaf_index: As claimed.
        tree_size: From a checkpoint whose signature was verified.
        proof: As received; any length, any content.
        root_hash: From the same checkpoint.

    Raises:
        ProofRefused: It does not; the caller cannot tell which hash is wrong.

    Source:
        RFC 9162, 2.1.3.2.
    """
    if not 0 <= leaf_index < tree_size:  # step 1
        raise ProofRefused(reason="leaf outside of the tree")
    fn, sn, r = leaf_index, tree_size - 1, leaf_hash  # steps 2, 3
    for p in proof:  # step 4
        if sn == 0:
            raise ProofRefused(reason="proof too long")
        if fn & 1 or fn == sn:
            r = hash_children(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = hash_children(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or r != root_hash:  # step 5
        raise ProofRefused(reason="another root")


def verify_consistency(
    *,
    old_size: int,
    old_root: bytes,
    new_size: int,
    new_root: bytes,
    proof: Sequence[bytes],
) -> None:
    """Check that the tree of `new_root` begins with all the leaves of the tree of `old_root`.

    Args:
        old_size: Leaves of the older tree; 0 is consistent with everything.
        old_root: From a checkpoint whose signature was verified.
        new_size: Leaves of the newer tree.
        new_root: From a checkpoint whose signature was verified.
        proof: As received; any length, any content.

    Raises:
        ProofRefused: It does not.

    Source:
        RFC 9162, 2.1.4.2; the two trivial cases as in RFC 6962, 2.1.2.
    """
    if old_size in (0, new_size):
        expected = EMPTY_ROOT if old_size == 0 else new_root
        if proof or old_root != expected:
            raise ProofRefused(reason="trees of one size, or of none, differ")
        return
    if not 0 < old_size < new_size or not proof:  # step 1
        raise ProofRefused(reason="no proof, or sizes out of order")
    # step 2: a perfect old tree is its own first node
    hashes = [old_root, *proof] if old_size.bit_count() == 1 else list(proof)
    fn, sn = old_size - 1, new_size - 1  # step 3
    while fn & 1:  # step 4
        fn, sn = fn >> 1, sn >> 1
    fr = sr = hashes[0]  # step 5
    for c in hashes[1:]:  # step 6
        if sn == 0:
            raise ProofRefused(reason="proof too long")
        if fn & 1 or fn == sn:
            fr, sr = hash_children(c, fr), hash_children(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = hash_children(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or fr != old_root or sr != new_root:  # step 7
        raise ProofRefused(reason="another root")


class Frontier:
    """The right edge of a growing tree: enough to know its root, never more than 64 hashes."""

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []  # one per set bit of `size`, the largest subtree first

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf."""
        carry, node = self.size, leaf_hash
        while carry & 1:
            node = hash_children(self._peaks.pop(), node)
            carry >>= 1
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return MTH of all leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = hash_children(peak, root)
        return root


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return MTH(D[n]) for leaves given by their hashes."""
    frontier = Frontier()
    for leaf_hash in leaf_hashes:
        frontier.append(leaf_hash)
    return frontier.root()


def _split(length: int) -> int:
    """Return k, the largest power of two smaller than `length` (RFC 6962, 2.1)."""
    return 1 << ((length - 1).bit_length() - 1)
