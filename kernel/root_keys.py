"""The root key: where it lives, and the three things it does.

The root never leaves its place. A key file (mode 0600) is the place on a laptop; a hardware
security module is the place in production.
"""

import hmac
import os
import stat
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from typing_extensions import override

from kernel.envelope import KEY_BYTES, seal, unseal
from kernel.secret import random_b64url, random_bytes

_ROOT_VERSION = 1
_FILE_PREFIX = b"civitas-root-key-v1:"


class RootKeys(Protocol):
    """What the keyring asks of the root.

    `wrap` and `unwrap` are used at start and on rotation, `derive` at start: a few calls per
    process, so that a slow module costs nothing per request. All three are deterministic in who
    may call them: a process that can reach the root is trusted with everything below it.
    """

    def wrap(self, key: bytes, *, associated_data: bytes) -> bytes:
        """Seal `key` for one place; durable as long as the root exists."""
        ...

    def unwrap(self, wrapped: bytes, *, associated_data: bytes) -> bytes:
        """Open what `wrap` sealed.

        Raises:
            Undecryptable: Another root, another place, or changed.
        """
        ...

    def derive(self, label: str) -> bytes:
        """Return the 32-byte key for `label`; always the same for the same root."""
        ...


class RootKeyUnavailable(Exception):
    """The root can't be reached; the message tells the operator what to do."""


class RootKeyFileError(RootKeyUnavailable):
    """The key file is missing, malformed, or readable by others."""


class LocalKeyFile:
    """A root key in a file that only its owner can read."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a root key has 32 bytes")
        self._key = key

    @override
    def __repr__(self) -> str:
        return "LocalKeyFile(…)"

    @classmethod
    def create(cls, path: Path) -> "LocalKeyFile":
        """Make a new root key at `path`; another process that got there first wins.

        The file appears complete or not at all: it is written beside its place and linked in.
        """
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{path.name}.{random_b64url(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_FILE_PREFIX + random_bytes(KEY_BYTES).hex().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return cls.open(path)
        finally:
            draft.unlink()
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> "LocalKeyFile":
        """Read the root key.

        Raises:
            RootKeyFileError: Missing, malformed, or with permissions for group or others.
        """
        try:
            mode = path.stat().st_mode
            content = path.read_bytes()
        except FileNotFoundError:
            raise RootKeyFileError(
                f"There is no root key at {path}. Without it nothing that is stored can be opened: "
                "restore the file, or point CIVITAS_ROOT_KEY_FILE to it."
            ) from None
        if stat.S_IMODE(mode) & 0o077:
            raise RootKeyFileError(f"Others can read {path}. Run: chmod 600 {path}")
        encoded = content.strip().removeprefix(_FILE_PREFIX)
        try:
            key = bytes.fromhex(encoded.decode("ascii"))
        except ValueError:
            key = b""
        if not content.startswith(_FILE_PREFIX) or len(key) != KEY_BYTES:
            raise RootKeyFileError(f"{path} is not a Civitas root key of version 1.")
        return cls(key)

    def wrap(self, key: bytes, *, associated_data: bytes) -> bytes:
        """Seal `key` under the root."""
        return seal(
            self.derive("root/wrap"),
            key,
            key_version=_ROOT_VERSION,
            associated_data=associated_data,
        )

    def unwrap(self, wrapped: bytes, *, associated_data: bytes) -> bytes:
        """Open what `wrap` sealed."""
        return unseal(self.derive("root/wrap"), wrapped, associated_data=associated_data)

    def derive(self, label: str) -> bytes:
        """Derive a 32-byte key by one block of HKDF-Expand (RFC 5869, 2.3)."""
        return hmac.digest(self._key, label.encode() + b"\x01", sha256().name)
