"""Signed checkpoints: C2SP tlog-checkpoint in a C2SP signed-note, by Ed25519. No I/O.

    <origin>
    <tree size, decimal>
    <root hash, base64>

    — <key name> <base64(key ID || signature)>

The origin is also the key name. A verifier key is written `<name>+<key ID, hex>+<base64(0x01 ||
public key)>` and is given to verifiers out of band.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from typing_extensions import override

from audit.errors import ProofRefused
from audit.merkle import HASH_BYTES

_ED25519 = b"\x01"  # C2SP signed-note, "Signature types"
_KEY_ID_BYTES = 4
_PUBLIC_KEY_BYTES = 32
_SIGNATURE_LINE = "\N{EM DASH} "
_MOST_NOTE_CHARACTERS = 1 << 17  # sixteen post-quantum signatures of 5 kB fit
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A tree head: what a log says of itself.

    Attributes:
        origin: Which log; never changes.
        tree_size: Number of leaves.
        root_hash: 32 bytes.
        extensions: Lines after the third; ours have none.
    """

    origin: str
    tree_size: int
    root_hash: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> bytes:
        """Return the note text: what is signed."""
        root = base64.b64encode(self.root_hash).decode()
        lines = [self.origin, str(self.tree_size), root, *self.extensions]
        return ("\n".join(lines) + "\n").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key under a name, as verifiers are given it."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name || 0x0A || 0x01 || public key)."""
        named = self.name.encode() + b"\n" + _ED25519 + self.public_key
        return sha256(named).digest()[:_KEY_ID_BYTES]

    @override
    def __str__(self) -> str:
        encoded = base64.b64encode(_ED25519 + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


def check_key_name(name: str) -> None:
    """Refuse a name that can't stand in a signature line.

    Raises:
        ValueError: Empty, or with a space or a plus in it.
    """
    if not name or "+" in name or any(c.isspace() or ord(c) < ord(" ") for c in name):
        raise ValueError("a log's origin has no spaces, no plus, and is not empty")


def parse_verifier_key(text: str) -> VerifierKey:
    """Return the key that `<name>+<key ID>+<base64>` says.

    Raises:
        ProofRefused: Malformed, not Ed25519, or the key ID is not the key's.
    """
    try:
        name, key_id, encoded = text.split("+", 2)
        check_key_name(name)
        raw = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise ProofRefused(reason="malformed verifier key") from error
    if raw[:1] != _ED25519 or len(raw) != 1 + _PUBLIC_KEY_BYTES:
        raise ProofRefused(reason="not an Ed25519 verifier key")
    key = VerifierKey(name=name, public_key=raw[1:])
    if key.key_id.hex() != key_id:
        raise ProofRefused(reason="key ID of another key")
    return key


def sign_note(text: bytes, *, key: VerifierKey, sign: Sign) -> str:
    """Return `text` as a signed note.

    Args:
        text: UTF-8, ends in a newline.
        key: The public half of what signs.
        sign: Ed25519 over its argument, 64 bytes.
    """
    if not text.endswith(b"\n"):
        raise ValueError("the text of a note ends in a newline")
    signature = base64.b64encode(key.key_id + sign(text)).decode()
    return f"{text.decode()}\n{_SIGNATURE_LINE}{key.name} {signature}\n"


def verify_note(note: str, keys: Iterable[VerifierKey]) -> bytes:
    """Return the text of a note that at least one of `keys` signed.

    Args:
        note: As received.
        keys: The keys that the caller trusts, by other means than the note.

    Raises:
        ProofRefused: Malformed; signed by none of the keys; or a signature said to be by one of
            them does not verify.

    Source:
        C2SP signed-note, "Format" and "Signatures".
    """
    text, lines = _split_note(note)
    known: Mapping[tuple[str, bytes], VerifierKey] = {(key.name, key.key_id): key for key in keys}
    verified = 0
    for name, signature in (_parse_signature_line(line) for line in lines):
        key = known.get((name, signature[:_KEY_ID_BYTES]))
        if key is None:
            continue  # by a key that we do not know: ignored, never trusted
        try:
            public_key = Ed25519PublicKey.from_public_bytes(key.public_key)
            public_key.verify(signature[_KEY_ID_BYTES:], text)
        except (InvalidSignature, ValueError) as error:
            raise ProofRefused(reason="signature does not verify", key=name) from error
        verified += 1
    if not verified:
        raise ProofRefused(reason="no signature by a known key")
    return text


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Return the checkpoint that a note's text says.

    Args:
        text: From `verify_note`: parsed after it was verified, not before.

    Raises:
        ProofRefused: Not a checkpoint.

    Source:
        C2SP tlog-checkpoint, "Note text".
    """
    lines = text.decode().removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines) or _SIZE.fullmatch(lines[1]) is None:  # noqa: PLR2004
        raise ProofRefused(reason="not a checkpoint")
    try:
        root_hash = base64.b64decode(lines[2], validate=True)
    except ValueError as error:
        raise ProofRefused(reason="root hash is not base64") from error
    if len(root_hash) != HASH_BYTES or base64.b64encode(root_hash).decode() != lines[2]:
        raise ProofRefused(reason="root hash is not SHA-256")
    return Checkpoint(
        origin=lines[0],
        tree_size=int(lines[1]),
        root_hash=root_hash,
        extensions=tuple(lines[3:]),
    )


def verify_checkpoint(note: str, keys: Iterable[VerifierKey], *, origin: str) -> Checkpoint:
    """Return the checkpoint of the log `origin` that one of `keys` signed.

    Raises:
        ProofRefused: Not signed by them, not a checkpoint, or of another log.
    """
    checkpoint = parse_checkpoint(verify_note(note, keys))
    if checkpoint.origin != origin:
        raise ProofRefused(reason="checkpoint of another log")
    return checkpoint


def unverified_origin(note: str) -> str:
    """Return the first line of a note: which keys to look for, not yet to be believed."""
    return note.partition("\n")[0]


def _split_note(note: str) -> tuple[bytes, list[str]]:
    if len(note) > _MOST_NOTE_CHARACTERS or _CONTROL.search(note) is not None:
        raise ProofRefused(reason="not a note")
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise ProofRefused(reason="a note without signatures")
    try:
        encoded = (text + "\n").encode()
    except UnicodeEncodeError as error:
        raise ProofRefused(reason="a note is UTF-8") from error
    return encoded, signatures.removesuffix("\n").split("\n")


def _parse_signature_line(line: str) -> tuple[str, bytes]:
    name, separator, encoded = line.removeprefix(_SIGNATURE_LINE).partition(" ")
    try:
        check_key_name(name)
        signature = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as error:
        raise ProofRefused(reason="malformed signature line") from error
    if not separator or not line.startswith(_SIGNATURE_LINE) or len(signature) <= _KEY_ID_BYTES:
        raise ProofRefused(reason="malformed signature line")
    return name, signature
