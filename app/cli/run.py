"""`civitas run`: the whole demonstration on one machine, from nothing, with one command."""

import fcntl
import json
import os
import signal
import ssl
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from urllib.error import URLError
from urllib.request import urlopen

import click

import migrations
from app.cli.processes import environment_of
from app.cli.session import INTERRUPTED, NotPossible, as_json, database, read_settings
from app.database_address import database_url
from app.demo.marker import Marker
from app.ports import PortTaken, check_port_is_free
from app.supervisor import ChildFailed, Supervisor
from kernel.settings import Settings

_READY_SECONDS = 180.0
_POLL_SECONDS = 0.05

People = Sequence[Mapping[str, Any]]


@click.command()
@click.option(
    "--port", envvar="PORT", default=8000, show_default=True, help="Port of Civitas; also PORT."
)
@click.option(
    "--bank-port",
    envvar="BANK_PORT",
    default=8001,
    show_default=True,
    help="Port of the demo bank; also BANK_PORT.",
)
@as_json
def run(port: int, bank_port: int, *, is_json: bool) -> None:
    """Start everything: database, server, worker, demo population, demo bank.

    The first start makes a demonstration population and takes a while; the next ones take seconds.
    Ctrl-C stops everything. What was stored stays in CIVITAS_DATA (default .civitas).
    """
    os.environ["PORT"] = str(port)
    settings = read_settings()
    if settings.mode == "production":
        raise NotPossible(
            "`civitas run` is the demonstration. In production run `civitas migrate`, "
            "`civitas serve` and `civitas worker`."
        )
    say = _Teller(is_quiet=is_json)
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    signal.signal(signal.SIGTERM, _leave)
    bank = f"http://localhost:{bank_port}"
    try:
        with _alone_in(settings.data):
            for name, wanted in (("PORT", port), ("BANK_PORT", bank_port)):
                _check_port(name, settings.host, wanted)
            say("Opening the database …")
            with database(settings) as opened:
                migrations.upgrade(database_url(opened))
                # Inside of the database: it ends after its users.
                with Supervisor(settings.data / "log") as supervisor:
                    people = _start(supervisor, opened, bank, say)
                    supervisor.settle()  # whoever reads that it runs may press Ctrl-C at once
                    _tell_that_it_runs(opened, bank, people, supervisor, is_json=is_json)
                    supervisor.wait()
                    say("Stopping …")
    except ChildFailed as error:
        raise NotPossible(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave through every `with`, so that the database is stopped too."""
    sys.exit(128 + number)


class _Teller:
    """Says what is going on, to a person; nothing when a program listens."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet

    def __call__(self, text: str) -> None:
        if not self._is_quiet:
            click.echo(text, err=True)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the data folder: two runs in one folder would fight over it.

    Raises:
        NotPossible: Another run has it.
    """
    with (folder / "run.lock").open("w") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotPossible(
                f"Another `civitas run` uses {folder}. Stop it first, or name another folder in "
                "CIVITAS_DATA."
            ) from None
        yield


def _check_port(name: str, host: str, port: int) -> None:
    try:
        check_port_is_free(host, port)
    except PortTaken as error:
        raise NotPossible(f"{error} Choose another one: {name}={port + 10} make run") from error


def _start(supervisor: Supervisor, settings: Settings, bank: str, say: _Teller) -> People:
    """Start the children and make what is missing of the world; return when all of them answer."""
    civitas = [sys.executable, "-m", "app.cli"]
    environment = environment_of(settings)
    supervisor.start("server", [*civitas, "serve"], environment)
    people = _see_to_the_world(settings, bank, say)
    say("Starting the server, the worker and the demo bank …")
    supervisor.start(
        "bank",
        [
            *(sys.executable, "-m", "app.demo.bank"),
            *("--issuer", settings.issuer),
            *("--port", bank.rpartition(":")[2]),
            *("--folder", str(settings.data / "bank")),
        ],
        bank_environment(settings),
    )
    _wait_for(supervisor, *_readiness(settings), name="server")
    _wait_for(supervisor, f"{bank}/bank.css", name="bank")
    # Last: nobody waits for it, and it would take a core from those that somebody waits for.
    supervisor.start("worker", [*civitas, "worker"], environment)
    return people


def bank_environment(settings: Settings) -> dict[str, str]:
    """Let the bank trust whom we trust, or it could not reach an issuer behind TLS of our own."""
    ca_file = settings.outbound_ca_file
    return {} if ca_file is None else {"SSL_CERT_FILE": str(ca_file.absolute())}


def _see_to_the_world(settings: Settings, bank: str, say: _Teller) -> People:
    """Make what is missing of the demonstration world, unless all of it is known to be there."""
    marker = Marker.of(database_url(settings), issuer=settings.issuer, bank=bank)
    people = marker.read(settings.data)
    if people is None:
        # Imported here: it loads every context, which a second start need not do.
        from app.demo.world import make_whole  # noqa: PLC0415

        people = make_whole(settings, say, bank=bank)
        marker.write(settings.data, people)
    return people


def _readiness(settings: Settings) -> tuple[str, ssl.SSLContext | None]:
    """Return where the server says that it is ready, and how to recognise it there."""
    if settings.tls_files is None:
        return f"http://127.0.0.1:{settings.port}/readyz", None
    # By the very certificate that it was given: its name is that of the public address.
    context = ssl.create_default_context(cafile=settings.tls_files[0])
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return f"https://127.0.0.1:{settings.port}/readyz", context


def _wait_for(
    supervisor: Supervisor, url: str, context: ssl.SSLContext | None = None, *, name: str
) -> None:
    """Ask until somebody answers.

    Raises:
        NotPossible: The child does not answer in time.
        ChildFailed: It fails.
    """
    give_up_at = time.monotonic() + _READY_SECONDS
    while True:
        try:
            # An address on this machine.
            with urlopen(url, timeout=5, context=context):  # noqa: S310
                return
        except (URLError, ConnectionError, TimeoutError):
            supervisor.check()
        if time.monotonic() > give_up_at:
            log = supervisor.log_file(name)
            raise NotPossible(
                f"The {name} does not answer; see {log}:\n{supervisor.log_tail(name)}"
            )
        time.sleep(_POLL_SECONDS)


def _tell_that_it_runs(
    settings: Settings, bank: str, people: People, supervisor: Supervisor, *, is_json: bool
) -> None:
    if is_json:
        summary = {"issuer": settings.issuer, "bank": bank, "people": people}
        click.echo(json.dumps(summary, ensure_ascii=False))
    else:
        _print_banner(settings, bank, people, supervisor.log_file("server").parent)
    sys.stdout.flush()


def _print_banner(settings: Settings, bank: str, people: People, logs: Path) -> None:
    click.echo()
    click.secho("Civitas is running.", bold=True)
    click.echo()
    click.echo(f"  The demo bank   {bank}    begin here: “Sign in with Civitas”")
    click.echo(f"  Your account    {settings.issuer}/account")
    click.echo(f"  The API         {settings.issuer}/docs")
    click.echo()
    click.echo("  Sign in as")
    for person in people:
        if person["is_shown_first"]:
            row = f"{person['username']:<12} {person['password']:<22} {person['about_ru']}"
            click.echo(f"    {row}")
    click.echo()
    click.echo(f"  More people: civitas demo people     Logs: {logs}     Stop: Ctrl-C")
    click.echo(f"  Officials:   civitas demo officials  at {settings.issuer}/desk, whose codes the")
    click.echo("               demonstration tells; outside of it nobody does")
    click.echo()
