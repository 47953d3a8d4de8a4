"""`civitas operator`: who sits at the desk, and what a service centre does."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.cli.session import as_json, resources, show, table
from idp.api import (
    PASSWORD_PROFILES,
    AssuranceLevel,
    OperatorRole,
    PasswordHasher,
    add_operator,
    change_operator_password,
    create_account,
    disable_operator,
    list_operators,
    list_second_factors,
    reset_second_factor,
)
from kernel.db import unit_of_work_of
from kernel.errors import NotFound
from kernel.secret import Secret
from population_register.api import IdentifierKind, find_person

_LEVELS = {level.name.lower(): level for level in AssuranceLevel}


@click.group()
def operator() -> None:
    """Enter officials who sit at the desk, and give people accounts."""


@operator.command("add")
@click.argument("operator_id")
@click.option("--name", required=True, help="As colleagues know them.")
@click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in OperatorRole]),
    multiple=True,
    required=True,
    help="clerk decides cases, approver confirms merges of accounts, auditor reads. Repeatable.",
)
@click.password_option(help="At least 15 characters. Asked for when not given.")
@as_json
def add(
    operator_id: str,
    name: str,
    roles: tuple[str, ...],
    password: str,  # lint: bare-secret: click hands it over as text
    *,
    is_json: bool,
) -> None:
    """Let the official OPERATOR_ID sign in to the desk; people's logs will show this identifier.

    They set up their second factor when they first sign in.
    """
    with resources() as opened, _hasher(opened.settings.password_profile) as hasher:
        with unit_of_work_of(opened.sessions) as session:
            entered = add_operator(
                session,
                opened.keyring,
                hasher,
                operator_id=operator_id,
                name=name,
                roles=[OperatorRole(role) for role in roles],
                password=Secret(password),
                at=opened.clock.now(),
            )
        desk = f"{opened.settings.issuer}/desk"
    show(
        is_json,
        {"operator_id": entered.operator_id, "roles": sorted(entered.roles)},
        lines=[f"{entered.operator_id} can sign in at {desk}."],
    )


@operator.command("list")
@as_json
def list_all(*, is_json: bool) -> None:
    """List the officials, those who were disabled too."""
    with resources() as opened, opened.sessions() as session:
        enrolled = list_second_factors(session)
        rows = [
            {
                "operator_id": each.operator_id,
                "name": each.name,
                "roles": ", ".join(sorted(each.roles)),
                "second_factor_since": (
                    enrolled[each.operator_id].isoformat() if each.operator_id in enrolled else ""
                ),
                "created_at": each.created_at.isoformat(),
                "disabled_at": each.disabled_at.isoformat() if each.disabled_at else "",
            }
            for each in list_operators(session)
        ]
    columns = {
        "operator_id": "OFFICIAL",
        "name": "NAME",
        "roles": "ROLES",
        "second_factor_since": "SECOND FACTOR SINCE",
        "disabled_at": "DISABLED",
    }
    show(is_json, {"operators": rows}, lines=table(rows, columns))


@operator.command("disable")
@click.argument("operator_id")
@as_json
def disable(operator_id: str, *, is_json: bool) -> None:
    """Let the official OPERATOR_ID do nothing any more, at once."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        disable_operator(session, operator_id, at=opened.clock.now())
    answer = {"operator_id": operator_id, "disabled": True}
    show(is_json, answer, lines=[f"{operator_id} is signed out and can't sign in any more."])


@operator.command("password")
@click.argument("operator_id")
@click.password_option(help="At least 15 characters. Asked for when not given.")
@as_json
def password(
    operator_id: str,
    password: str,  # lint: bare-secret: click hands it over as text
    *,
    is_json: bool,
) -> None:
    """Give the official OPERATOR_ID another password; their sessions end."""
    with (
        resources() as opened,
        _hasher(opened.settings.password_profile) as hasher,
        unit_of_work_of(opened.sessions) as session,
    ):
        change_operator_password(
            session,
            opened.keyring,
            hasher,
            operator_id=operator_id,
            password=Secret(password),
            at=opened.clock.now(),
        )
    show(is_json, {"operator_id": operator_id}, lines=[f"{operator_id} has a new password."])


@operator.command("reset-second-factor")
@click.argument("operator_id")
@as_json
def reset(operator_id: str, *, is_json: bool) -> None:
    """Let the official OPERATOR_ID, who lost the telephone, set up another second factor.

    The codes of the old one count no longer, and sessions end. Whoever signs in next with the
    password sets up the new one: give them another password first if somebody may know it.
    """
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        reset_second_factor(session, operator_id, at=opened.clock.now())
    answer = {"operator_id": operator_id, "second_factor": False}
    show(is_json, answer, lines=[f"{operator_id} sets up a second factor at the next sign-in."])


@contextmanager
def _hasher(profile: str) -> Iterator[PasswordHasher]:
    hasher = PasswordHasher(PASSWORD_PROFILES[profile])
    try:
        yield hasher
    finally:
        hasher.close()


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
    with (
        resources() as opened,
        _hasher(opened.settings.password_profile) as hasher,
        unit_of_work_of(opened.sessions) as session,
    ):
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
    show(
        is_json,
        {"account_id": str(account.account_id), "level": level},
        lines=[f"{username} can sign in now; the account is {level}."],
    )
