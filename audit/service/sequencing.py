"""Give waiting entries their place in the tree, and sign the tree.

Entries are appended by whoever reads, without order and without waiting for anybody. The sequencer
makes leaves of those that are committed: it moves what waits to what rests, so that an entry whose
transaction ends late gets a later place and is never skipped. Entries, tiles and the checkpoint are
one transaction: after a crash at any line, either all of it is there or none.
"""

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from audit import store
from audit.checkpoint import (
    Checkpoint,
    check_key_name,
    sign_note,
    unverified_origin,
    verify_checkpoint,
)
from audit.errors import LogDamaged, ProofRefused
from audit.events import CheckpointSigned, LogFoundDamaged
from audit.keys import current_key, verifier_key, verifier_keys
from audit.merkle import EMPTY_ROOT, HASH_BYTES, hash_leaf
from audit.service.proving import tree_root
from audit.tiles import TilePlace, TileWriter, edge_tiles, width_at
from kernel.db import AdvisoryLock, lock
from kernel.signing import SigningKeys

MOST_AT_ONCE = 10_000
"""Entries of one round: a second of work and a few megabytes."""

log = structlog.get_logger("civitas.audit")


def sequence(
    session: Session,
    signing: SigningKeys,
    *,
    origin: str,
    at: datetime,
    limit: int = MOST_AT_ONCE,
) -> int:
    """Make leaves of waiting entries and sign the tree that holds them.

    Args:
        session: The open transaction.
        signing: The keys; the one of use `log` signs.
        origin: The log's name, for its first checkpoint. Later ones carry the first one's: a log
            whose service moved to another address is still the same log.
        at: Now.
        limit: At most this many entries.

    Returns:
        How many entries became leaves; 0 when none waits. Less than `limit`: the queue is empty.

    Raises:
        LogDamaged: 500. The stored tree is not the one that was signed last. Nothing is added to
            it, so that nothing false is signed; entries go on being recorded and wait.

    Transaction:
        Under `AdvisoryLock.LOG_SEQUENCER`: of several sequencers one works and the others wait,
        then see its work (READ COMMITTED). Everything or nothing; idempotent.
    """
    lock(session, AdvisoryLock.LOG_SEQUENCER)
    head = _verified_head(session, signing)
    rows = store.list_waiting(session, limit=limit)
    if head is not None and not rows:
        return 0
    tree_size = 0 if head is None else head.tree_size
    if head is not None:
        origin = head.origin
    check_key_name(origin)
    root_hash = _add_leaves(session, rows, tree_size=tree_size) if rows else EMPTY_ROOT
    checkpoint = Checkpoint(origin=origin, tree_size=tree_size + len(rows), root_hash=root_hash)
    key = current_key(signing)
    note = sign_note(
        checkpoint.text(), key=verifier_key(key.public_jwk, origin=origin), sign=key.sign
    )
    store.insert_checkpoint(session, checkpoint, note=note, at=at)
    signed = CheckpointSigned(tree_size=checkpoint.tree_size, added=len(rows), kid=key.kid)
    log.info(signed.event, tree_size=signed.tree_size, added=signed.added, kid=signed.kid)
    return len(rows)


def _verified_head(session: Session, signing: SigningKeys) -> Checkpoint | None:
    """Return the last checkpoint, or refuse to go on from a tree that is not the signed one."""
    signed = store.find_latest_checkpoint(session)
    try:
        head = None if signed is None else _verify_head(session, signing, signed)
        _check_extent(session, 0 if head is None else head.tree_size)
    except (ProofRefused, LogDamaged) as error:
        found = LogFoundDamaged(
            tree_size=0 if signed is None else signed.tree_size,
            finding=str(error.context.get("reason")),
        )
        log.exception(found.event, tree_size=found.tree_size, finding=found.finding)
        raise LogDamaged(tree_size=found.tree_size, finding=found.finding) from error
    return head


def _verify_head(
    session: Session, signing: SigningKeys, signed: store.SignedCheckpoint
) -> Checkpoint:
    """Verify the signature, and find the signed root again in the stored tiles."""
    origin = unverified_origin(signed.note)
    head = verify_checkpoint(signed.note, verifier_keys(signing, origin=origin), origin=origin)
    if head.tree_size != signed.tree_size:
        raise ProofRefused(reason="the note is of another size than its row")
    if tree_root(session, head.tree_size) != head.root_hash:
        raise ProofRefused(reason="the tiles have another root than the checkpoint")
    return head


def _check_extent(session: Session, tree_size: int) -> None:
    """Refuse to sign a second tree of a size that was signed: a later checkpoint was removed."""
    if store.find_highest_place(session) >= tree_size:
        raise LogDamaged(reason="entries have places beyond the signed tree")
    edge = edge_tiles(tree_size) or [TilePlace(0, 0)]
    beyond = [TilePlace(place.level, place.index + 1) for place in edge]
    for place, hashes in store.load_tiles(session, [*edge, *beyond]).items():
        if len(hashes) != HASH_BYTES * width_at(place, tree_size):
            raise LogDamaged(reason="tiles reach beyond the signed tree")


def _add_leaves(session: Session, rows: Sequence[store.LeafRow], *, tree_size: int) -> bytes:
    """Store places and tiles of `rows`; return the new root."""
    edge = store.load_tiles(session, edge_tiles(tree_size)) if tree_size else {}
    writer = TileWriter(tree_size, edge.items())
    for row in rows:
        writer.append(hash_leaf(row.leaf))
    store.save_tiles(session, [*writer.take_full(), *writer.take_partial()])
    try:
        placed = store.place_leaves(session, rows, first=tree_size)
    except IntegrityError as error:
        raise LogDamaged(reason="an entry that has a place waits for another") from error
    if placed != len(rows):
        raise LogDamaged(reason="an entry went away while it was given its place")
    return tree_root(session, tree_size + len(rows))
