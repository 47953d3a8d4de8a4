"""`civitas operator`: what a service centre does until it has pages of its own."""

import click

from app.cli.session import as_json, resources, show
from idp.api import (
    PASSWORD_PROFILES,
    AssuranceLevel,
    PasswordHasher,
    create_account,
)
from kernel.db import unit_of_work_of
from kernel.errors import NotFound
from kernel.secret import Secret
from population_register.api import IdentifierKind, find_person

_LEVELS = {level.name.lower(): level for level in AssuranceLevel}


@click.group()
def operator() -> None:
    """Do what a service centre does."""


@operator.command("add-account")
@click.option("--snils", required=True, help="Of the person, as printed on the document.")
@click.option("--username", required=True, help="Name to sign in with.")
@click.option(
    "--level",
    type=click.Choice(list(_LEVELS)),
    default="confirmed",
    show_default=True,
    help="How sure you are that the account is the person's.",
)
@click.password_option(help="Asked for when not given.")
@as_json
def add_account(
    snils: str,
    username: str,
    level: str,
    password: str,  # lint: bare-secret: click hands it over as text
    *,
    is_json: bool,
) -> None:
    """Give a registered person, who stands before you with a document, an account."""
    with resources() as opened:
        hasher = PasswordHasher(PASSWORD_PROFILES[opened.settings.password_profile])
        try:
            with unit_of_work_of(opened.sessions) as session:
                person_id = find_person(session, opened.keyring, IdentifierKind.SNILS, snils)
                if person_id is None:
                    raise NotFound("Nobody, or more than one person, has this SNILS.")
                account = create_account(
                    session,
                    opened.keyring,
                    hasher,
                    person_id=person_id,
                    username=username,
                    password=Secret(password),
                    level=_LEVELS[level],
                    at=opened.clock.now(),
                )
        finally:
            hasher.close()
    show(
        is_json,
        {"account_id": str(account.account_id), "level": level},
        lines=[f"{username} can sign in now; the account is {level}."],
    )
