"""What a process holds open: database, keys, blobs. Server, worker and commands share it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import obstore.store
from obstore.store import ObjectStore
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.database_address import database_url
from kernel.clock import Clock
from kernel.db import make_engine, make_sessions
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile, RootKeys, RootKeyUnavailable
from kernel.secret import Secret
from kernel.settings import Settings
from kernel.signing import SigningKeys, SigningModule


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Open for the life of the process; closed in the reverse order."""

    settings: Settings
    clock: Clock
    engine: Engine
    sessions: sessionmaker[Session]
    root_keys: RootKeys
    keyring: Keyring
    signing: SigningKeys
    blobs: ObjectStore


@contextmanager
def open_resources(settings: Settings, clock: Clock) -> Iterator[Resources]:
    """Open everything, in the order in which one needs the other.

    Raises:
        DatabaseUnset: No database was named.
        RootKeyUnavailable: The module, its token or the key file can't be used; says why.
        Undecryptable: The database was sealed under another root key.
    """
    root_keys = open_root_keys(settings)
    engine = make_engine(database_url(settings))
    try:
        sessions = make_sessions(engine)
        at = clock.now()
        yield Resources(
            settings=settings,
            clock=clock,
            engine=engine,
            sessions=sessions,
            root_keys=root_keys,
            keyring=Keyring.open(root_keys, sessions, at=at),
            signing=SigningKeys.open(root_keys, sessions, at=at, module=open_signing(settings)),
            blobs=open_blobs(settings),
        )
    finally:
        engine.dispose()


def open_root_keys(settings: Settings) -> RootKeys:
    """Open the root key: in its module, or in the key file, which the first start makes.

    Raises:
        RootKeyUnavailable: The module, its token or the key file can't be used; says why.
    """
    if settings.pkcs11_module is not None:
        return _open_hardware_root(settings.pkcs11_module, settings)
    path = settings.root_key_path
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return LocalKeyFile.open(path) if path.exists() else LocalKeyFile.create(path)


def _open_hardware_root(module: Path, settings: Settings) -> RootKeys:
    # Imported here: only installations with a module need the library that speaks to it.
    from kernel.hardware_root import HardwareRoot  # noqa: PLC0415

    return HardwareRoot.open(module, settings.pkcs11_token, pkcs11_pin(settings))


def open_signing(settings: Settings) -> SigningModule | None:
    """Open the module that signs; None if keys are sealed here.

    Raises:
        RootKeyUnavailable: The module or its token can't be used; says why.
    """
    if not settings.pkcs11_signing or settings.pkcs11_module is None:
        return None
    from kernel.hardware_signing import HardwareSigning  # noqa: PLC0415  # as above

    return HardwareSigning.open(settings.pkcs11_module, settings.pkcs11_token, pkcs11_pin(settings))


def pkcs11_pin(settings: Settings) -> Secret[str]:
    """Read the token's PIN.

    Raises:
        RootKeyUnavailable: No PIN file was named, or it can't be read.
    """
    path = settings.pkcs11_pin_file
    if path is None:
        raise RootKeyUnavailable("CIVITAS_PKCS11_PIN_FILE is not set.")
    try:
        return Secret(path.read_text().removesuffix("\n"))
    except OSError as error:
        raise RootKeyUnavailable(f"The PIN file can't be read: {error.strerror}.") from error


def open_blobs(settings: Settings) -> ObjectStore:
    """Open the blob store; make the folder of a local one."""
    address = settings.blob_address
    if address.startswith("file://"):
        folder = Path(address.removeprefix("file://"))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return obstore.store.LocalStore(folder)
    return obstore.store.from_url(address)
