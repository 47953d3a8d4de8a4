"""What the log shows to everybody: its head, its keys, its hashes."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from audit import store
from audit.checkpoint import VerifierKey, unverified_origin
from audit.keys import verifier_keys
from audit.merkle import HASH_BYTES
from audit.service.proving import latest_checkpoint
from audit.tiles import TileRequest, width_at
from kernel.errors import NotFound
from kernel.signing import SigningKeys


def checkpoint_note(session: Session) -> str:
    """Return the latest signed checkpoint.

    Raises:
        NotFound: 404. Nothing was signed yet.
    """
    return latest_checkpoint(session).note


def published_keys(session: Session, signing: SigningKeys) -> Sequence[VerifierKey]:
    """Return the keys that signed, sign or will sign, under the log's name.

    Raises:
        NotFound: 404. Nothing was signed yet, the log has no name.
    """
    return verifier_keys(signing, origin=unverified_origin(checkpoint_note(session)))


def read_tile(session: Session, request: TileRequest) -> bytes:
    """Return a tile of the latest signed tree.

    A narrower tile than there is now is served as it was: its hashes have not changed.

    Raises:
        NotFound: 404. The signed tree does not have it, or not so wide.
    """
    width = width_at(request.place, latest_checkpoint(session).tree_size)
    if request.width > width:
        raise NotFound("There is no such tile in the signed tree.")
    hashes = store.load_tiles(session, [request.place]).get(request.place, b"")
    if len(hashes) < width * HASH_BYTES:
        raise NotFound("There is no such tile.", reason="the stored tile is too short")
    return hashes[: request.width * HASH_BYTES]
