"""Verify, offline, that an entry of the Civitas access log is in the log.

    python examples/verify_proof.py proof.json --key KEY

`proof.json` is what the portal lets you download beside an entry. KEY is a verifier key of the log,
or a file of such keys: what https://…/log/key shows, taken once, from a place you trust, and kept.
The script asks nobody: it needs only Python and the `cryptography` package. Exit code 0: the entry
is in the log that a key signed, exactly as printed. Exit code 1: it is not.
"""

import argparse
import base64
import binascii
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Refused(Exception):
    """The proof does not hold."""


def sha256(data: bytes) -> bytes:
    """Return the 32 bytes of SHA-256."""
    return hashlib.sha256(data).digest()


def parse_key(verifier_key: str) -> tuple[str, str, bytes]:
    """Return name, identifier and public key of a verifier key (C2SP signed-note)."""
    name, key_id, encoded = verifier_key.strip().split("+", 2)
    algorithm_and_key = base64.b64decode(encoded, validate=True)
    if sha256(f"{name}\n".encode() + algorithm_and_key)[:4].hex() != key_id:
        raise Refused("the key was copied with a mistake")
    return name, key_id, algorithm_and_key[1:]


def verify_checkpoint(note: str, verifier_keys: list[str]) -> tuple[int, bytes]:
    """Verify the signed note; return the tree's size and root (C2SP tlog-checkpoint)."""
    keys = {(name, key_id): key for name, key_id, key in map(parse_key, verifier_keys)}
    text, _, signatures = note.rpartition("\n\n")
    signed = f"{text}\n".encode()
    for line in signatures.splitlines():
        _, name, signature = line.split(" ")
        raw = base64.b64decode(signature, validate=True)
        key = keys.get((name, raw[:4].hex()))
        if key is None:
            continue  # signed by somebody else too
        Ed25519PublicKey.from_public_bytes(key).verify(raw[4:], signed)
        origin, size, root, *_ = text.split("\n")
        if origin != name:
            raise Refused("the checkpoint is of another log")
        return int(size), base64.b64decode(root, validate=True)
    raise Refused("the checkpoint is not signed by this key")


def root_from_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root that the leaf and its path give (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise Refused("the entry's place is outside of the tree")
    node, last = sha256(b"\x00" + leaf), size - 1
    for sibling in path:
        if last == 0:
            raise Refused("the path is too long")
        if index % 2 or index == last:
            node = sha256(b"\x01" + sibling + node)
            while index % 2 == 0 and index:
                index, last = index // 2, last // 2
        else:
            node = sha256(b"\x01" + node + sibling)
        index, last = index // 2, last // 2
    if last:
        raise Refused("the path is too short")
    return node


def verify(proof: dict[str, object], verifier_keys: list[str]) -> dict[str, object]:
    """Return the entry that the proof proves, or raise `Refused`."""
    try:
        if proof["format"] != "civitas-inclusion-proof/1":
            raise Refused("this is another kind of file")
        leaf, index, checkpoint = proof["leaf"], proof["leaf_index"], proof["checkpoint"]
        hashes = proof["hashes"]
        if not (isinstance(leaf, str) and isinstance(index, int) and isinstance(checkpoint, str)):
            raise Refused("a field of the proof has another type")
        if not isinstance(hashes, list):
            raise Refused("a field of the proof has another type")
        path = [base64.b64decode(each, validate=True) for each in hashes]
        size, root = verify_checkpoint(checkpoint, verifier_keys)
        if root_from_path(leaf.encode(), index, size, path) != root:
            raise Refused("the entry is not in the signed tree, or was changed")
        entry: dict[str, object] = json.loads(leaf)
    except InvalidSignature as error:
        raise Refused("the checkpoint's signature is wrong") from error
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise Refused("the file is damaged") from error
    return entry


def keys_of(text: str) -> list[str]:
    """Return the keys that the command line names: a key, or the lines of a file."""
    file = Path(text)
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else [text]
    return [line for line in lines if line.strip()]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Verify a proof from the Civitas access log.")
    parser.add_argument("proof", type=Path, help="the downloaded file")
    parser.add_argument("--key", required=True, help="verifier key, name+id+key, or a file of them")
    arguments = parser.parse_args()
    try:
        proof = json.loads(arguments.proof.read_text(encoding="utf-8"))
        entry = verify(proof, keys_of(arguments.key))
    except (Refused, OSError, ValueError) as error:
        print(f"NOT PROVEN: {error}", file=sys.stderr)
        return 1
    print("PROVEN: this entry is in the log, exactly as follows.")
    for name, value in entry.items():
        print(f"  {name}: {value}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
