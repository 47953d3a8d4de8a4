"""What every command does the same way: opens resources, prints, fails."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import click
import structlog
from pydantic import SecretStr, ValidationError
from sqlalchemy.exc import OperationalError
from typing_extensions import override

from app.logs import configure_logging
from app.resources import DatabaseUnset, Resources, open_resources
from kernel.clock import SystemClock
from kernel.errors import DomainError
from kernel.postgres import EmbeddedPostgres, PostgresUnavailable
from kernel.root_keys import RootKeyUnavailable
from kernel.settings import Settings

REFUSED = 1
NOT_POSSIBLE = 3
NOT_ALL_GOOD = 4

EXIT_CODES = (
    "Exit codes: 0 done; 1 refused, nothing was changed; 2 wrong usage; 3 not possible here (no "
    "database, no key, a port is taken); 4 done, but not all of it was good."
)

Command = TypeVar("Command", bound=Callable[..., Any])


class NotPossible(Exception):
    """The command can't work on this machine as it is; the text says what to do."""


class CivitasGroup(click.Group):
    """A group that turns our exceptions into a message and an exit code, in one place."""

    @override
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except DomainError as refusal:
            _fail(REFUSED, refusal.code, refusal.detail)
        except ValidationError as error:
            _fail(NOT_POSSIBLE, "invalid_settings", _settings_faults(error))
        except (
            DatabaseUnset,
            NotPossible,
            PostgresUnavailable,
            RootKeyUnavailable,
        ) as error:
            _fail(NOT_POSSIBLE, "not_possible", str(error))
        except OperationalError as error:
            structlog.get_logger("civitas").debug("cli.database", exc_info=error)
            _fail(NOT_POSSIBLE, "no_database", "The database can't be reached or is not migrated.")


def _fail(exit_code: int, code: str, message: str) -> NoReturn:
    if _wants_json():
        click.echo(json.dumps({"error": code, "detail": message}, ensure_ascii=False))
    else:
        click.secho(message, fg="red", err=True)
    sys.exit(exit_code)


def _wants_json() -> bool:
    return "--json" in sys.argv[1:]


def _settings_faults(error: ValidationError) -> str:
    """Name the settings at fault, without their values."""
    faults = [
        f"CIVITAS_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
        if fault["loc"]
        else fault["msg"].removeprefix("Value error, ")
        for fault in error.errors()
    ]
    return "\n".join(faults)


def as_json(command: Command) -> Command:
    """Give a command the option `--json`."""
    return click.option(
        "--json", "is_json", is_flag=True, help="Print JSON on standard output, for programs."
    )(command)


def read_settings() -> Settings:
    """Read the settings; `PORT` counts too, as in `make run`."""
    port = os.environ.get("PORT")
    overrides: dict[str, Any] = {}
    if port and "CIVITAS_PORT" not in os.environ:
        overrides["port"] = port
        if "CIVITAS_ISSUER" not in os.environ:
            overrides["issuer"] = f"http://localhost:{port}"
    settings = Settings(**overrides)
    configure_logging(settings.log_level)
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
def resources() -> Iterator[Resources]:
    """Open everything a command may need."""
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
        rows: What is shown.
        columns: Key in the rows to heading.
    """
    texts = [[str(row[key]) for key in columns] for row in rows]
    headings = list(columns.values())
    widths = [
        max(len(heading), *(len(text[i]) for text in texts)) if texts else len(heading)
        for i, heading in enumerate(headings)
    ]
    return [
        "  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip()
        for line in [headings, *texts]
    ]
