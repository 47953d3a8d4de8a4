"""The root key in a hardware security module, through PKCS#11 (OASIS, version 2.40).

The module holds two keys that can't be read out of it: an AES-256 key that wraps, and a secret
that derives by HMAC-SHA-256. What is wrapped has this layout:

    suite        1 byte    0x81 = AES-256-GCM inside of the module
    nonce       12 bytes   random
    ciphertext   n bytes
    tag         16 bytes
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import NoSuchKey, PKCS11Error, UserAlreadyLoggedIn

from kernel.errors import Undecryptable
from kernel.root_keys import RootKeyUnavailable
from kernel.secret import Secret, random_bytes

WRAPPING_KEY_LABEL = "civitas-root-wrap"
DERIVING_KEY_LABEL = "civitas-root-derive"

_SUITE = b"\x81"
_NONCE_BYTES = 12
_TAG_BITS = 128
_KEY_BITS = 256
_NEVER_LEAVES = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}


class HardwareRoot:
    """A root key that no process ever sees.

    One session, used by one thread at a time: PKCS#11 sessions carry the state of an operation.
    The root is asked at start and on rotation only, so that nobody waits.
    """

    def __init__(self, session: pkcs11.Session) -> None:
        self._session = session
        self._one_at_a_time = threading.Lock()
        try:
            # Any: the stubs don't say that a secret key encrypts and signs.
            self._wrapping: Any = session.get_key(ObjectClass.SECRET_KEY, label=WRAPPING_KEY_LABEL)
            self._deriving: Any = session.get_key(ObjectClass.SECRET_KEY, label=DERIVING_KEY_LABEL)
        except NoSuchKey:
            raise RootKeyUnavailable(
                "The token holds no root key. Run `civitas keys create-root` once, or check "
                "CIVITAS_PKCS11_TOKEN."
            ) from None

    @classmethod
    def open(cls, module: Path, token: str, pin: Secret[str]) -> "HardwareRoot":
        """Log in to the token and find the root keys.

        Raises:
            RootKeyUnavailable: No such module, token or keys, or a wrong PIN; says which.
        """
        return cls(log_in(module, token, pin))

    @classmethod
    def create(cls, module: Path, token: str, pin: Secret[str]) -> "HardwareRoot":
        """Make the root keys inside of the token; done once, by an operator.

        Raises:
            RootKeyUnavailable: As for `open`; or the token already holds one of the keys.
        """
        session = log_in(module, token, pin)
        for label in (WRAPPING_KEY_LABEL, DERIVING_KEY_LABEL):
            if next(iter(session.get_objects({Attribute.LABEL: label})), None) is not None:
                raise RootKeyUnavailable(f"The token already holds {label}; nothing was changed.")
        with translated("The token refused to make the root keys"):
            session.generate_key(
                KeyType.AES,
                _KEY_BITS,
                label=WRAPPING_KEY_LABEL,
                store=True,
                capabilities=pkcs11.MechanismFlag.ENCRYPT | pkcs11.MechanismFlag.DECRYPT,
                template=_NEVER_LEAVES,
            )
            session.generate_key(
                KeyType.GENERIC_SECRET,
                _KEY_BITS,
                mechanism=Mechanism.GENERIC_SECRET_KEY_GEN,
                label=DERIVING_KEY_LABEL,
                store=True,
                capabilities=pkcs11.MechanismFlag.SIGN,
                template=_NEVER_LEAVES,
            )
        return cls(session)

    def wrap(self, key: bytes, *, associated_data: bytes) -> bytes:
        """Seal `key` inside of the module."""
        nonce = random_bytes(_NONCE_BYTES)
        with self._one_at_a_time, translated("The token did not wrap a key"):
            body: bytes = self._wrapping.encrypt(
                key,
                mechanism=Mechanism.AES_GCM,
                mechanism_param=GCMParams(nonce, _SUITE + associated_data, _TAG_BITS),
            )
        return _SUITE + nonce + body

    def unwrap(self, wrapped: bytes, *, associated_data: bytes) -> bytes:
        """Open what `wrap` sealed.

        Raises:
            Undecryptable: Another root, another place, or changed.
        """
        if wrapped[:1] != _SUITE or len(wrapped) <= 1 + _NONCE_BYTES + _TAG_BITS // 8:
            raise Undecryptable(reason="not wrapped by a hardware root")
        nonce = wrapped[1 : 1 + _NONCE_BYTES]
        with self._one_at_a_time:
            try:
                key: bytes = self._wrapping.decrypt(
                    wrapped[1 + _NONCE_BYTES :],
                    mechanism=Mechanism.AES_GCM,
                    mechanism_param=GCMParams(nonce, _SUITE + associated_data, _TAG_BITS),
                )
            except PKCS11Error as error:
                raise Undecryptable(reason=type(error).__name__) from error
        return key

    def derive(self, label: str) -> bytes:
        """Derive a 32-byte key by one block of HKDF-Expand (RFC 5869, 2.3)."""
        with self._one_at_a_time, translated("The token did not derive a key"):
            derived: bytes = self._deriving.sign(
                label.encode() + b"\x01", mechanism=Mechanism.SHA256_HMAC
            )
        return derived


def log_in(module: Path, token: str, pin: Secret[str]) -> pkcs11.Session:
    """Open a session of the token.

    Raises:
        RootKeyUnavailable: No such module or token, or a wrong PIN; says which.
    """
    if not module.is_file():
        raise RootKeyUnavailable(f"There is no PKCS#11 module at {module}.")
    with translated(f"The token {token!r} of {module} did not open"):
        slot_token = pkcs11.lib(str(module)).get_token(token_label=token)
        try:
            return slot_token.open(user_pin=pin.reveal(), rw=True)
        except UserAlreadyLoggedIn:  # a login is the process's, not the session's
            return slot_token.open(rw=True)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Say what did not work, and by which error of PKCS#11."""
    try:
        yield
    except PKCS11Error as error:
        raise RootKeyUnavailable(f"{what}: {type(error).__name__}.") from error
