"""The oracle of the access log: rebuilds the tree from its leaves, by code that is not audit's."""

import base64
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text
from sqlalchemy.orm import Session

from kernel.secret import b64url_decode
from kernel.signing import SigningKeys


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH(D[n]), as RFC 6962, 2.1 defines it."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def check_log(session: Session, signing: SigningKeys, *, size: int) -> None:
    """Check that the log holds `size` entries, each once, and that all of them are signed.

    Every test that touches the log ends with it.
    """
    rows = session.execute(
        text(
            "SELECT leaf_index, leaf, entry_id FROM audit_entries"
            " UNION ALL SELECT NULL, leaf, entry_id FROM audit_waiting_entries"
            " ORDER BY leaf_index NULLS LAST"
        )
    ).all()
    placed = [row for row in rows if row.leaf_index is not None]
    assert [row.leaf_index for row in placed] == list(range(len(placed)))
    assert len(rows) == size, "an entry was lost, or made up"
    assert len({row.entry_id for row in rows}) == size
    checkpoints = session.execute(
        text("SELECT tree_size, root_hash, note FROM audit_checkpoints ORDER BY tree_size")
    ).all()
    assert checkpoints or not placed
    assert not checkpoints or checkpoints[-1].tree_size == len(placed)
    for tree_size, root_hash, note in checkpoints:
        signed, _, signature_line = note.rpartition("\n\n")
        origin, size_line, root_line = signed.split("\n")
        assert int(size_line) == tree_size
        assert base64.b64decode(root_line) == root_hash
        assert root_hash == naive_root([row.leaf for row in placed[:tree_size]])
        _, name, signature = signature_line.split()
        assert name == origin
        check_signature(base64.b64decode(signature)[4:], f"{signed}\n".encode(), signing)


def check_signature(signature: bytes, signed: bytes, signing: SigningKeys) -> None:
    """Check that one of the log's keys signed."""
    keys = signing.public_jwks("log")["keys"]
    assert isinstance(keys, list)
    failures = 0
    for jwk in keys:
        try:
            Ed25519PublicKey.from_public_bytes(b64url_decode(jwk["x"])).verify(signature, signed)
        except Exception:  # noqa: BLE001  # counted
            failures += 1
    assert failures == len(keys) - 1
