"""Prove that an entry is in the log, and that the log only grows."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from audit import store
from audit.errors import LogDamaged, NotInTreeYet
from audit.merkle import Subtree, consistency_path, inclusion_path, subtree_hash
from audit.service.access import get_entry
from audit.store import SignedCheckpoint
from audit.tiles import TilePlace, node_from_tiles, tiles_of
from kernel.errors import NotFound
from kernel.ids import EntryId, PersonId

PROOF_FORMAT = "civitas-inclusion-proof/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """All that is needed, beside the log's verifier key, to check that an entry is in the log.

    Attributes:
        leaf: The entry's exact bytes.
        leaf_index: Its place in the tree.
        hashes: PATH(m, D[n]) of RFC 6962, from the leaf's sibling up.
        checkpoint: The signed note of a tree that holds it.
    """

    leaf: bytes
    leaf_index: int
    hashes: tuple[bytes, ...]
    checkpoint: str

    def as_json(self) -> dict[str, object]:
        """Return the proof as the file that a citizen downloads (examples/verify_proof.py)."""
        return {
            "format": PROOF_FORMAT,
            "leaf": self.leaf.decode(),
            "leaf_index": self.leaf_index,
            "hashes": [base64.b64encode(each).decode() for each in self.hashes],
            "checkpoint": self.checkpoint,
        }


def latest_checkpoint(session: Session) -> SignedCheckpoint:
    """Return the checkpoint of the largest signed tree.

    Raises:
        NotFound: 404. Nothing was signed yet: the sequencer has not run once.
    """
    checkpoint = store.find_latest_checkpoint(session)
    if checkpoint is None:
        raise NotFound("No checkpoint has been signed yet.")
    return checkpoint


def prove_inclusion(session: Session, person_id: PersonId, entry_id: EntryId) -> InclusionProof:
    """Return the proof that one of a person's entries is in the latest signed tree.

    Raises:
        NotFound: 404. This person has no such entry; somebody else may.
        NotInTreeYet: 409. Recorded a moment ago; its proof is ready in seconds.
        LogDamaged: 500. The stored tree does not reach as far as the signed one.
    """
    logged = get_entry(session, person_id, entry_id)
    checkpoint = store.find_latest_checkpoint(session)
    if logged.leaf_index is None or checkpoint is None or logged.leaf_index >= checkpoint.tree_size:
        raise NotInTreeYet(entry_id=entry_id)
    path = inclusion_path(logged.leaf_index, checkpoint.tree_size)
    return InclusionProof(
        leaf=logged.leaf,
        leaf_index=logged.leaf_index,
        hashes=hash_path(session, path),
        checkpoint=checkpoint.note,
    )


def prove_consistency(session: Session, *, old_size: int, new_size: int) -> tuple[bytes, ...]:
    """Return the proof that the tree of `new_size` begins with the tree of `old_size`.

    Args:
        session: The open transaction.
        old_size: Leaves of a tree that was signed.
        new_size: Leaves of a tree that was signed; not smaller.
    """
    return hash_path(session, consistency_path(old_size, new_size))


def hash_path(session: Session, path: Sequence[Subtree]) -> tuple[bytes, ...]:
    """Return the hashes of `path` from the stored tiles, loaded by one query.

    Raises:
        LogDamaged: 500. A tile is missing.
    """
    tiles = store.load_tiles(session, tiles_of(path))

    def read_node(level: int, index: int) -> bytes:
        return node_from_tiles(lambda place: _tile(tiles, place), level, index)

    return tuple(subtree_hash(subtree, read_node) for subtree in path)


def tree_root(session: Session, tree_size: int) -> bytes:
    """Return the root of the first `tree_size` leaves, from the stored tiles.

    Raises:
        LogDamaged: 500. A tile is missing.
        ProofRefused: A tile is shorter than the tree.
    """
    return hash_path(session, [Subtree(0, tree_size)])[0]


def _tile(tiles: Mapping[TilePlace, bytes], place: TilePlace) -> bytes:
    hashes = tiles.get(place)
    if hashes is None:
        raise LogDamaged(reason="tile missing", level=place.level, index=place.index)
    return hashes
