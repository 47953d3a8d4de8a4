"""The officials of the demonstration, one of each role: who sits at the desk."""

from contextlib import suppress
from dataclasses import dataclass

from app.resources import Resources
from idp.api import (
    OperatorRefused,
    OperatorRole,
    PasswordHasher,
    add_operator,
)
from kernel.db import unit_of_work_of
from kernel.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOfficial:
    """An official whom a visitor can sign in as, at the desk.

    Attributes:
        operator_id: To sign in with.
        password: To sign in with; printed and documented.
        about: One line in English.
    """

    operator_id: str
    password: str
    name: str
    role: OperatorRole
    about: str


DEMO_OFFICIALS = (
    DemoOfficial(
        operator_id="v.ilina",
        password="quiet-lantern-archive-17",  # noqa: S106 - printed for visitors
        name="Вера Ильина",
        role=OperatorRole.CLERK,
        about="takes cases and decides",
    ),
    DemoOfficial(
        operator_id="p.orlov",
        password="granite-ferry-ledger-29",  # noqa: S106 - printed for visitors
        name="Пётр Орлов",
        role=OperatorRole.APPROVER,
        about="confirms merges of two people who both have an account",
    ),
    DemoOfficial(
        operator_id="o.sedova",
        password="paper-compass-meadow-31",  # noqa: S106 - printed for visitors
        name="Ольга Седова",
        role=OperatorRole.AUDITOR,
        about="reads",
    ),
)


def enter_officials(resources: Resources, hasher: PasswordHasher) -> None:
    """Let the officials sign in to the desk; those who were entered before are left alone."""
    for official in DEMO_OFFICIALS:
        with suppress(OperatorRefused), unit_of_work_of(resources.sessions) as session:
            add_operator(
                session,
                resources.keyring,
                hasher,
                operator_id=official.operator_id,
                name=official.name,
                roles=[official.role],
                password=Secret(official.password),
                at=resources.clock.now(),
            )
