"""The officials of the demonstration, one of each role: who sits at the desk."""

from base64 import b32decode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.resources import Resources
from idp.api import (
    OperatorRefused,
    OperatorRole,
    PasswordHasher,
    add_operator,
    enrol_second_factor,
    second_factor_code,
)
from kernel.db import unit_of_work_of
from kernel.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOfficial:
    """An official whom a visitor can sign in as, at the desk.

    Attributes:
        operator_id: To sign in with.
        password: To sign in with; printed and documented.
        second_factor: Base32 of what makes their codes; documented, for authenticator applications.
        about: One line in English.
    """

    operator_id: str
    password: str
    second_factor: str
    name: str
    role: OperatorRole
    about: str

    @property
    def secret(self) -> Secret[bytes]:
        """What makes their codes."""
        return Secret(b32decode(self.second_factor))

    def as_json(self, at: datetime) -> dict[str, str]:
        """Return the official as `civitas demo officials` tells, with the code of now."""
        return {
            "operator_id": self.operator_id,
            "password": self.password,
            "second_factor": self.second_factor,
            "code": second_factor_code(self.secret, at=at),
            "role": self.role.value,
            "about": self.about,
        }


DEMO_OFFICIALS = (
    DemoOfficial(
        operator_id="v.ilina",
        password="quiet-lantern-archive-17",  # noqa: S106 - printed for visitors
        second_factor="CIVITASDEMOILINACIVITASDEMOILINA",
        name="Вера Ильина",
        role=OperatorRole.CLERK,
        about="takes cases and decides",
    ),
    DemoOfficial(
        operator_id="p.orlov",
        password="granite-ferry-ledger-29",  # noqa: S106 - printed for visitors
        second_factor="CIVITASDEMOORLOVCIVITASDEMOORLOV",
        name="Пётр Орлов",
        role=OperatorRole.APPROVER,
        about="confirms merges of two people who both have an account",
    ),
    DemoOfficial(
        operator_id="o.sedova",
        password="paper-compass-meadow-31",  # noqa: S106 - printed for visitors
        second_factor="CIVITASDEMSEDOVACIVITASDEMSEDOVA",
        name="Ольга Седова",
        role=OperatorRole.AUDITOR,
        about="reads",
    ),
)

KNOWN_SECOND_FACTORS: Final[Mapping[str, Secret[bytes]]] = {
    official.operator_id: official.secret for official in DEMO_OFFICIALS
}
"""What the desk of a demonstration, and no other, tells the codes of: visitors have no telephone
set up. The desk asks these officials for a code like any other."""


def enter_officials(resources: Resources, hasher: PasswordHasher) -> None:
    """Let the officials sign in to the desk; what they have from before is left alone."""
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
        with unit_of_work_of(resources.sessions) as session:
            enrol_second_factor(
                session,
                resources.keyring,
                official.operator_id,
                official.secret,
                at=resources.clock.now(),
            )
