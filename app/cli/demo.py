"""`civitas demo`: the people of the demonstration, and the journey as a script."""

import sys

import click

from app.cli.session import as_json, show, table
from app.demo import journey as scripted
from app.demo.world import demo_people


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
def journey() -> None:
    """Do the main job over HTTP against a fresh instance, printing each step.

    Exit code 1 at the first thing that is not as it should be.
    """
    sys.exit(scripted.main())
