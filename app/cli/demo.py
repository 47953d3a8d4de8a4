"""`civitas demo`: the people of the demonstration, and the journey as a script."""

import sys

import click

from app.cli.session import as_json, show, table
from app.demo import journey as scripted
from app.demo.officials import DEMO_OFFICIALS
from app.demo.world import demo_people
from kernel.clock import SystemClock


@click.group()
def demo() -> None:
    """See the demonstration."""


@demo.command()
@as_json
def people(*, is_json: bool) -> None:
    """List whom a visitor can sign in as, with their passwords. They do not exist."""
    rows = [person.as_json() for person in demo_people()]
    columns = {"username": "NAME", "password": "PASSWORD", "about": "WHO"}
    show(is_json, rows, lines=table(rows, columns))


@demo.command()
@as_json
def officials(*, is_json: bool) -> None:
    """List whom a visitor can sign in as at the desk, each with the code of this half minute."""
    at = SystemClock().now()
    rows = [official.as_json(at) for official in DEMO_OFFICIALS]
    columns = {
        "operator_id": "OFFICIAL",
        "password": "PASSWORD",
        "code": "CODE",
        "second_factor": "KEY OF THE CODES",
        "about": "WHO",
    }
    show(is_json, rows, lines=table(rows, columns))


@demo.command()
def journey() -> None:
    """Do the main job over HTTP against a fresh instance, printing each step.

    Exit code 1 at the first thing that is not as it should be.
    """
    sys.exit(scripted.main())
