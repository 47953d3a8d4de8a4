"""What every command does the same way: opens resources, prints, fails."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
import structlog
from pydantic import SecretStr, ValidationError
from typing_extensions import override

from app.database_address import DatabaseUnset
from app.logs import configure_logging
from kernel.errors import DomainError
from kernel.postgres import EmbeddedPostgres
from kernel.postgres_owner import PostgresUnavailable
from kernel.root_keys import RootKeyUnavailable
from kernel.settings import Settings

if TYPE_CHECKING:
    from app.resources import Resources

REFUSED = 1
NOT_POSSIBLE = 3
NOT_ALL_GOOD = 4
INTERRUPTED = 130

EXIT_CODES = (
    "Exit codes: 0 done; 1 refused, nothing was changed; 2 wrong usage; 3 not possible here (no "
    "database, no key, a port is taken); 4 done, but not all of it was good."
)

_IS_JSON = "civitas.is_json"

Command = TypeVar("Command", bound=Callable[..., Any])


class NotPossible(Exception):
    """The command can't work on this machine as it is; the text says what to do."""


class CivitasGroup(click.Group):
    """The top group: loads commands when they are used, and turns exceptions into exit codes.

    Args:
        lazy: Name of a command to `module:attribute`.
        settings: As for `click.Group`.
    """

    def __init__(self, *, lazy: Mapping[str, str], **settings: Any) -> None:  # noqa: ANN401
        super().__init__(**settings)
        self._lazy = lazy

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order in which an installation meets them."""
        return list(self._lazy)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        if cmd_name not in self._lazy:
            return None
        module, _, attribute = self._lazy[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note whether a program will read the answer: refusals are JSON then too."""
        ctx.meta[_IS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except DomainError as refusal:
            _fail(ctx, REFUSED, refusal.code, refusal.detail)
        except ValidationError as error:
            _fail(ctx, NOT_POSSIBLE, "invalid_settings", _settings_faults(error))
        except (
            DatabaseUnset,
            NotPossible,
            PostgresUnavailable,
            RootKeyUnavailable,
        ) as error:
            _fail(ctx, NOT_POSSIBLE, "not_possible", str(error))
        except _no_database() as error:
            structlog.get_logger("civitas").debug("cli.database", exc_info=error)
            text = "The database can't be reached or is not migrated."
            _fail(ctx, NOT_POSSIBLE, "no_database", text)


def _no_database() -> type[Exception]:
    """Return what SQLAlchemy raises when there is no database, or not the one it expects."""
    # Loaded here, when something has gone wrong: the commands that only start others do without.
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415

    return OperationalError


def _fail(ctx: click.Context, exit_code: int, code: str, message: str) -> NoReturn:
    if ctx.meta[_IS_JSON]:
        click.echo(json.dumps({"error": code, "detail": message}, ensure_ascii=False))
    else:
        click.secho(message, fg="red", err=True)
    sys.exit(exit_code)


def _settings_faults(error: ValidationError) -> str:
    """Name the settings at fault, without their values."""
    faults = [
        f"CIVITAS_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
        if fault["loc"]
        else fault["msg"].removeprefix("Value error, ")
        for fault in error.errors()
    ]
    return "\n".join(faults)


class FileToWrite(click.Path):
    """A file that is to be written; that it can be is seen before any work is done."""

    name = "file"

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    @override
    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """Return the path.

        Raises:
            BadParameter: Its folder is not there, or nothing can be written to it.
        """
        path = super().convert(value, param, ctx)
        assert isinstance(path, Path)
        if not os.access(path.absolute().parent, os.W_OK):
            self.fail(f"'{path}' can't be written: is its folder there, and ours?", param, ctx)
        return path


def as_json(command: Command) -> Command:
    """Give a command the option `--json`."""
    return click.option(
        "--json", "is_json", is_flag=True, help="Print JSON on standard output, for programs."
    )(command)


def read_settings(*, is_process: bool = False) -> Settings:
    """Read the settings; `PORT` counts too, as in `make run`.

    Args:
        is_process: Whether this is a process that runs on, whose log is read; a command's is not
            shown unless CIVITAS_LOG_LEVEL asks for it.
    """
    port = os.environ.get("PORT")
    overrides: dict[str, Any] = {}
    if port and "CIVITAS_PORT" not in os.environ:
        overrides["port"] = port
        if "CIVITAS_ISSUER" not in os.environ:
            scheme = "https" if os.environ.get("CIVITAS_TLS_CERTIFICATE_FILE") else "http"
            overrides["issuer"] = f"{scheme}://localhost:{port}"
    settings = Settings(**overrides)
    is_asked_for = "CIVITAS_LOG_LEVEL" in os.environ
    level = settings.log_level if is_process or is_asked_for else "WARNING"
    configure_logging(level, is_cached=is_process)
    return settings


@contextmanager
def database(settings: Settings) -> Iterator[Settings]:
    """Give settings that name a database: the one they name, or the embedded one.

    The embedded server is joined when `civitas run` has it open, and started for the time of this
    command when nobody has.
    """
    if settings.database_url is not None:
        yield settings
        return
    if settings.mode == "production":
        raise DatabaseUnset
    with EmbeddedPostgres(settings.data) as server:
        yield settings.model_copy(update={"database_url": SecretStr(server.url)})


@contextmanager
def resources() -> "Iterator[Resources]":
    """Open everything a command may need."""
    # Loaded here: what only starts other processes need not load what they will.
    from app.resources import open_resources  # noqa: PLC0415
    from kernel.clock import SystemClock  # noqa: PLC0415

    with (
        database(read_settings()) as settings,
        open_resources(settings, SystemClock()) as opened,
    ):
        yield opened


def show(
    is_json: bool,  # noqa: FBT001  # passed through from the option
    value: object,
    *,
    lines: Sequence[str],
) -> None:
    """Print a result: as JSON for programs, as lines for people."""
    if is_json:
        click.echo(json.dumps(value, ensure_ascii=False, default=str))
    else:
        for line in lines:
            click.echo(line)


def table(rows: Sequence[Mapping[str, object]], columns: Mapping[str, str]) -> list[str]:
    """Lay rows out in columns, each as wide as its widest value.

    Args:
        rows: What is shown; what is None is left empty.
        columns: Key in the rows to heading.
    """
    texts = [["" if row[key] is None else str(row[key]) for key in columns] for row in rows]
    headings = list(columns.values())
    widths = [
        max(len(heading), *(len(text[i]) for text in texts)) if texts else len(heading)
        for i, heading in enumerate(headings)
    ]
    return [
        "  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip()
        for line in [headings, *texts]
    ]


class Progress:
    """Tells how many people were done with, on one line of a terminal that is written over."""

    def __init__(self, *, is_hidden: bool) -> None:
        self._is_hidden = is_hidden or not sys.stderr.isatty()
        self.done = 0

    def __call__(self, done: int) -> None:
        """Tell it."""
        self.done = done
        if not self._is_hidden:
            click.echo(f"\r{done} people", nl=False, err=True)


@contextmanager
def progress(*, is_hidden: bool) -> Iterator[Progress]:
    """Tell how far a long command is, on standard error; end the line when it is done."""
    told = Progress(is_hidden=is_hidden)
    try:
        yield told
    finally:
        if told.done and not is_hidden:
            click.echo(err=True)
