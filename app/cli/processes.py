"""The processes of an installation: `migrate`, `serve`, `worker`."""

import os
import shutil
from pathlib import Path

import click

import migrations
from app.cli.session import NotPossible, as_json, database, read_settings, show
from app.database_address import database_url
from app.loading import loading_for_good
from app.ports import PortTaken, check_port_is_free
from app.supervisor import SERVER_PID
from kernel.settings import Settings


@click.command()
@as_json
def migrate(*, is_json: bool) -> None:
    """Bring the database to this version. Does nothing when it is there already."""
    with database(read_settings()) as settings:
        migrations.upgrade(database_url(settings))
    show(is_json, {"migrated": True}, lines=["The database is up to date."])


@click.command()
def serve() -> None:
    """Answer requests on CIVITAS_HOST and CIVITAS_PORT until stopped."""
    with database(read_settings(is_process=True)) as settings:
        serve_forever(settings)


def serve_forever(settings: Settings) -> None:
    """Run the server in this process and its workers.

    Args:
        settings: Handed to the workers through the environment.
    """
    # Imported here: with several workers the metrics' folder must be named before anything loads
    # prometheus_client.
    from granian.constants import Interfaces, Loops, SSLProtocols  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415
    from granian.server import Server  # noqa: PLC0415

    _check_ports(settings)
    _check_certificates(settings)
    certificate, key = settings.tls_files or (None, None)
    os.environ.update(environment_of(settings))
    os.environ[SERVER_PID] = str(os.getpid())
    if settings.workers > 1:
        # prometheus_client chooses how to count when it is loaded, which is only in the workers.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_fresh_folder(settings.data / "metrics"))
    Server(
        "app.server:from_environment",
        factory=True,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        ssl_cert=certificate,
        ssl_key=key,
        # FAPI 2.0 Security Profile, 5.2.1. Suites can't be chosen: rustls has its own.
        ssl_protocol_min=SSLProtocols(f"tls{settings.tls_minimum}"),
    ).serve()


def _check_ports(settings: Settings) -> None:
    ports = {"PORT or CIVITAS_PORT": settings.port, "CIVITAS_MTLS_PORT": settings.mtls_port}
    for name, port in ports.items():
        if port is None:
            continue
        try:
            check_port_is_free(settings.host, port)
        except PortTaken as error:
            raise NotPossible(f"{error} Set {name} to another one.") from error


def _check_certificates(settings: Settings) -> None:
    """Say what is wrong with them here, and not in each of the server's processes."""
    files = {settings.tls_files} if settings.tls_files is not None else set()
    if settings.mtls_port is not None:
        files.add(settings.mtls_files)
    if not files:
        return
    # Loaded only here: most installations leave TLS to a proxy.
    from app.direct_tls import BadCertificate, server_context  # noqa: PLC0415

    for certificate, key in files:
        try:
            server_context(certificate, key)
        except BadCertificate as error:
            raise NotPossible(str(error)) from error


@click.command()
def worker() -> None:
    """Do background work (log sequencing, webhooks, expiry) until stopped. Any number may run."""
    with database(read_settings(is_process=True)) as settings:
        # Imported here, so that the other commands need not load every context.
        with loading_for_good():
            from app.main import work  # noqa: PLC0415

        work(settings)


def environment_of(settings: Settings) -> dict[str, str]:
    """Write settings as the environment of another process of this installation."""
    values = {
        "mode": settings.mode,
        "issuer": settings.issuer,
        "data": str(settings.data.absolute()),
        "database_url": database_url(settings),
        "host": settings.host,
        "port": str(settings.port),
    }
    return {f"CIVITAS_{name.upper()}": value for name, value in values.items()}


def _fresh_folder(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
