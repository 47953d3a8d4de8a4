"""RFC 6962, section 2.1: published vectors, properties, another implementation, refusals."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pymerkle
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from audit import merkle
from audit.errors import ProofRefused
from audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    Subtree,
    consistency_path,
    hash_leaf,
    inclusion_path,
    root_of,
    subtree_hash,
    verify_consistency,
    verify_inclusion,
)

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "specs" / "rfc6962.json").read_text()
)
LEAVES = [bytes.fromhex(each) for each in VECTORS["leaves_hex"]]
ROOTS = [bytes.fromhex(each) for each in VECTORS["roots_hex"]]
LEAF_HASHES = [hash_leaf(each) for each in LEAVES]

MOST_LEAVES = 2000
MANY = [hash_leaf(str(each).encode()) for each in range(MOST_LEAVES)]


def read_of(hashes: list[bytes]) -> merkle.ReadNode:
    @cache
    def read(level: int, index: int) -> bytes:
        if level == 0:
            return hashes[index]
        return merkle.hash_children(read(level - 1, 2 * index), read(level - 1, 2 * index + 1))

    return read


READ_MANY = read_of(MANY)


def root_at(size: int) -> bytes:
    return subtree_hash(Subtree(0, size), READ_MANY)


def included(leaf_index: int, size: int) -> list[bytes]:
    return [subtree_hash(each, READ_MANY) for each in inclusion_path(leaf_index, size)]


def consistent(old: int, new: int) -> list[bytes]:
    return [subtree_hash(each, READ_MANY) for each in consistency_path(old, new)]


def from_hex(proof: list[str]) -> list[bytes]:
    return [bytes.fromhex(each) for each in proof]


def place_and_size(vector: dict[str, Any]) -> str:
    return "-".join(str(value) for value in vector.values() if isinstance(value, int))


class TestPublishedVectors:
    @pytest.mark.spec("RFC6962-2.1")
    @pytest.mark.parametrize("size", range(9))
    def test_root_of_first_leaves(self, size: int) -> None:
        assert root_of(LEAF_HASHES[:size]) == ROOTS[size]

    @pytest.mark.spec("RFC6962-2.1.1")
    @pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=place_and_size)
    def test_inclusion_path(self, vector: dict[str, Any]) -> None:
        proof = from_hex(vector["proof_hex"])
        index, size = vector["leaf_index"], vector["tree_size"]

        made = [subtree_hash(s, read_of(LEAF_HASHES)) for s in inclusion_path(index, size)]

        assert made == proof
        verify_inclusion(
            LEAF_HASHES[index],
            leaf_index=index,
            tree_size=size,
            proof=proof,
            root_hash=ROOTS[size],
        )

    @pytest.mark.spec("RFC6962-2.1.2")
    @pytest.mark.parametrize("vector", VECTORS["consistency"], ids=place_and_size)
    def test_consistency_path(self, vector: dict[str, Any]) -> None:
        proof = from_hex(vector["proof_hex"])
        old, new = vector["old_size"], vector["new_size"]

        made = [subtree_hash(s, read_of(LEAF_HASHES)) for s in consistency_path(old, new)]

        assert made == proof
        verify_consistency(
            old_size=old, old_root=ROOTS[old], new_size=new, new_root=ROOTS[new], proof=proof
        )

    @pytest.mark.spec("RFC6962-2.1")
    def test_leaves_and_nodes_hash_apart(self) -> None:
        left, right = LEAF_HASHES[:2]

        assert hash_leaf(left + right) != merkle.hash_children(left, right)


class TestProperties:
    @pytest.mark.spec("RFC9162-2.1.3.2")
    @given(st.data())
    def test_every_leaf_is_included_at_every_later_size(self, data: st.DataObject) -> None:
        leaf_index = data.draw(st.integers(0, MOST_LEAVES - 1), "leaf_index")
        size = data.draw(st.integers(leaf_index + 1, MOST_LEAVES), "tree_size")

        verify_inclusion(
            MANY[leaf_index],
            leaf_index=leaf_index,
            tree_size=size,
            proof=included(leaf_index, size),
            root_hash=root_at(size),
        )

    def test_every_leaf_is_included_at_every_size_of_small_trees(self) -> None:
        for size in range(1, 66):
            for leaf_index in range(size):
                verify_inclusion(
                    MANY[leaf_index],
                    leaf_index=leaf_index,
                    tree_size=size,
                    proof=included(leaf_index, size),
                    root_hash=root_at(size),
                )

    @pytest.mark.spec("RFC9162-2.1.4.2")
    def test_all_sizes_of_small_trees_are_consistent(self) -> None:
        for new in range(66):
            for old in range(new + 1):
                verify_consistency(
                    old_size=old,
                    old_root=root_at(old),
                    new_size=new,
                    new_root=root_at(new),
                    proof=consistent(old, new),
                )

    @given(st.integers(0, MOST_LEAVES), st.integers(0, MOST_LEAVES))
    def test_all_sizes_are_consistent(self, one: int, other: int) -> None:
        old, new = sorted((one, other))

        verify_consistency(
            old_size=old,
            old_root=root_at(old),
            new_size=new,
            new_root=root_at(new),
            proof=consistent(old, new),
        )

    @given(st.integers(0, MOST_LEAVES))
    def test_frontier_has_the_root_of_its_leaves(self, size: int) -> None:
        frontier = Frontier()

        for leaf_hash in MANY[:size]:
            frontier.append(leaf_hash)

        assert frontier.root() == root_at(size)
        assert frontier.size == size

    @given(st.data())
    def test_proof_holds_for_no_other_place_leaf_or_root(self, data: st.DataObject) -> None:
        size = data.draw(st.integers(2, 300), "tree_size")
        leaf_index = data.draw(st.integers(0, size - 1), "leaf_index")
        other = data.draw(st.integers(0, size - 1), "other")
        assume(other != leaf_index)
        proof, root = included(leaf_index, size), root_at(size)

        with pytest.raises(ProofRefused):
            verify_inclusion(
                MANY[leaf_index], leaf_index=other, tree_size=size, proof=proof, root_hash=root
            )
        with pytest.raises(ProofRefused):
            verify_inclusion(
                MANY[other], leaf_index=leaf_index, tree_size=size, proof=proof, root_hash=root
            )
        with pytest.raises(ProofRefused):
            verify_inclusion(
                MANY[leaf_index],
                leaf_index=leaf_index,
                tree_size=size,
                proof=proof,
                root_hash=root_at(size - 1),
            )

    @given(st.data())
    def test_no_bit_of_a_proof_can_change(self, data: st.DataObject) -> None:
        old = data.draw(st.integers(1, 200), "old_size")
        new = data.draw(st.integers(old + 1, 300), "new_size")
        proof = consistent(old, new)
        which = data.draw(st.integers(0, len(proof) - 1), "hash")
        bit = data.draw(st.integers(0, 255), "bit")
        changed = bytearray(proof[which])
        changed[bit // 8] ^= 1 << bit % 8
        proof[which] = bytes(changed)

        with pytest.raises(ProofRefused):
            verify_consistency(
                old_size=old,
                old_root=root_at(old),
                new_size=new,
                new_root=root_at(new),
                proof=proof,
            )


class TestAnotherImplementation:
    """pymerkle (GPL, test environment only) builds the same trees, by code that is not ours."""

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 64, 100])
    def test_same_roots_and_proofs(self, size: int) -> None:
        tree = pymerkle.InmemoryTree(algorithm="sha256")
        tree.append_entries(str(each).encode() for each in range(size))

        for smaller in range(size + 1):
            assert tree.get_root(smaller) == root_at(smaller)
        for leaf_index in range(size):
            # pymerkle's proofs begin with the leaf itself.
            theirs = tree.prove_inclusion(leaf_index + 1).serialize()["path"][1:]
            assert [bytes.fromhex(each) for each in theirs] == included(leaf_index, size)


class TestRefusals:
    @pytest.mark.spec("RFC9162-2.1.3.2")
    @pytest.mark.parametrize("leaf_index", [-1, 8, 9, 1 << 62])
    def test_leaf_outside_of_the_tree(self, leaf_index: int) -> None:
        with pytest.raises(ProofRefused):
            verify_inclusion(
                LEAF_HASHES[0],
                leaf_index=leaf_index,
                tree_size=8,
                proof=from_hex(VECTORS["inclusion"][1]["proof_hex"]),
                root_hash=ROOTS[8],
            )

    @pytest.mark.parametrize("cut", ["first", "last", "all"])
    def test_inclusion_proof_too_short(self, cut: str) -> None:
        whole = included(5, 8)
        proof = {"first": whole[1:], "last": whole[:-1], "all": []}[cut]

        with pytest.raises(ProofRefused):
            verify_inclusion(MANY[5], leaf_index=5, tree_size=8, proof=proof, root_hash=root_at(8))

    @pytest.mark.parametrize("extra", [EMPTY_ROOT, MANY[0], bytes(32)])
    def test_inclusion_proof_too_long(self, extra: bytes) -> None:
        with pytest.raises(ProofRefused):
            verify_inclusion(
                MANY[5],
                leaf_index=5,
                tree_size=8,
                proof=[*included(5, 8), extra],
                root_hash=root_at(8),
            )

    @pytest.mark.parametrize(
        ("old", "new"),
        [(3, 8), (4, 8), (6, 7)],
    )
    def test_consistency_proof_too_short_or_too_long(self, old: int, new: int) -> None:
        proof = consistent(old, new)
        for wrong in ([], proof[:-1], proof[1:], [*proof, MANY[0]], [MANY[0], *proof]):
            with pytest.raises(ProofRefused):
                verify_consistency(
                    old_size=old,
                    old_root=root_at(old),
                    new_size=new,
                    new_root=root_at(new),
                    proof=wrong,
                )

    @pytest.mark.spec("RFC9162-2.1.3.2")
    @pytest.mark.parametrize(
        ("place", "claimed"),
        [((0, 4), (0, 8)), ((3, 4), (3, 8)), ((7, 8), (3, 4)), ((0, 8), (0, 4))],
        ids=["in a larger tree", "the last of it", "in a smaller tree", "the first of it"],
    )
    def test_proof_of_a_tree_of_another_size(
        self, place: tuple[int, int], claimed: tuple[int, int]
    ) -> None:
        """All hashes fit; only the number of leaves does not."""
        (leaf_index, size), (claimed_index, claimed_size) = place, claimed

        with pytest.raises(ProofRefused):
            verify_inclusion(
                MANY[leaf_index],
                leaf_index=claimed_index,
                tree_size=claimed_size,
                proof=included(leaf_index, size),
                root_hash=root_at(size),
            )

    @pytest.mark.spec("RFC9162-2.1.4.2")
    @pytest.mark.parametrize(
        ("sizes", "claimed"),
        [((4, 8), (4, 16)), ((7, 8), (3, 4)), ((6, 8), (6, 16))],
        ids=["of a larger tree", "of smaller trees", "of a larger tree from no perfect one"],
    )
    def test_consistency_of_trees_of_other_sizes(
        self, sizes: tuple[int, int], claimed: tuple[int, int]
    ) -> None:
        old, new = sizes

        with pytest.raises(ProofRefused):
            verify_consistency(
                old_size=claimed[0],
                old_root=root_at(old),
                new_size=claimed[1],
                new_root=root_at(new),
                proof=consistent(old, new),
            )

    @pytest.mark.parametrize("size", [0, 5])
    def test_proof_where_nothing_is_to_be_proved(self, size: int) -> None:
        with pytest.raises(ProofRefused):
            verify_consistency(
                old_size=size,
                old_root=root_at(size),
                new_size=5,
                new_root=root_at(5),
                proof=[MANY[0]],
            )

    def test_trees_of_one_size_with_two_roots(self) -> None:
        with pytest.raises(ProofRefused):
            verify_consistency(
                old_size=5, old_root=MANY[0], new_size=5, new_root=root_at(5), proof=[]
            )

    def test_empty_tree_with_a_root(self) -> None:
        with pytest.raises(ProofRefused):
            verify_consistency(
                old_size=0, old_root=MANY[0], new_size=5, new_root=root_at(5), proof=[]
            )

    def test_smaller_new_tree(self) -> None:
        with pytest.raises(ProofRefused):
            verify_consistency(
                old_size=6,
                old_root=root_at(6),
                new_size=5,
                new_root=root_at(5),
                proof=consistent(5, 6),
            )
        with pytest.raises(ValueError, match="not smaller"):
            consistency_path(6, 5)

    def test_path_of_a_leaf_that_is_not_there(self) -> None:
        with pytest.raises(ValueError, match="hold it"):
            inclusion_path(5, 5)
