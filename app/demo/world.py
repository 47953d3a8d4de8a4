"""Make the demonstration world: people through the register's feeds, accounts, documents, a bank.

Each step finds what an earlier start has done already, so that a start that was interrupted goes on
where it stopped and a second start takes no time.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from app.demo.bank import CLIENT_FILE, TOKEN_FILE, registration_of, write_secret
from app.demo.bank_words import WORDS
from app.demo.documents import store_demo_documents
from app.demo.named_people import DEMO_PEOPLE, DemoPerson, identifier_of
from app.demo.officials import enter_officials
from app.demo.register import fill_register
from app.resources import Resources, open_resources
from idp.api import (
    PASSWORD_PROFILES,
    AssuranceLevel,
    ClientProfile,
    PasswordHasher,
    UsernameTaken,
    add_partner,
    create_account,
    issue_initial_access_token,
    list_clients,
    list_partners,
)
from kernel.clock import SystemClock
from kernel.db import unit_of_work_of
from kernel.errors import NotFound
from kernel.ids import PersonId
from kernel.secret import Secret
from kernel.settings import Settings
from population_register.api import FeedReport, find_person

Say = Callable[[str], None]

BANK = "yasen-bank"
"""The demo bank, as a partner."""


def make_whole(settings: Settings, say: Say, *, bank: str) -> list[Mapping[str, Any]]:
    """Make what is missing of the demonstration world.

    Args:
        settings: Name the database, which is migrated.
        say: Told what is going on.
        bank: Where the demo bank will be.

    Returns:
        Whom a visitor can sign in as.
    """
    with open_resources(settings, SystemClock()) as resources:
        build(resources, say, bank=bank)
    return [{**person.as_json(), "is_shown_first": person.is_shown_first} for person in DEMO_PEOPLE]


def build(resources: Resources, say: Say, *, bank: str) -> None:
    """Make what is missing of the demonstration world, with resources that are open."""
    _fill_register(resources, say)
    _give_accounts(resources)
    store_demo_documents(resources, person_of)
    _introduce_bank(resources, bank)


def demo_people() -> tuple[DemoPerson, ...]:
    """Return the people whom a visitor can sign in as."""
    return DEMO_PEOPLE


def person_of(resources: Resources, demo_person: DemoPerson) -> PersonId:
    """Return who a demo person is in the register.

    Raises:
        NotFound: 404. Not loaded: the feeds were not.
    """
    kind, value = identifier_of(demo_person)
    with resources.sessions() as session:
        person_id = find_person(session, resources.keyring, kind, value)
    if person_id is None:
        raise NotFound(demo_person=demo_person.key)
    return person_id


def _fill_register(resources: Resources, say: Say) -> None:
    said: set[str] = set()

    def tell(report: FeedReport) -> None:
        if report.agency_id not in said:
            said.add(report.agency_id)
            say(f"Loading the feed of {report.agency_id} …")

    fill_register(
        resources.sessions,
        resources.keyring,
        resources.clock,
        resources.settings.data / "demo-feeds",
        progress=tell,
    )


def _introduce_bank(resources: Resources, bank: str) -> None:
    """Enter the bank as a partner, and leave it a token to register its client with.

    A bank that remembers a client which this database does not know has moved here, or we have:
    it starts anew.
    """
    folder = resources.settings.data / "bank"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    remembered = folder / CLIENT_FILE
    with unit_of_work_of(resources.sessions) as session:
        at = resources.clock.now()
        if all(partner.partner_id != BANK for partner in list_partners(session)):
            add_partner(session, partner_id=BANK, name=WORDS["ru"]["bank"], at=at)
        if remembered.exists():
            clients = json.loads(remembered.read_text())
            mine = clients.get(registration_of(resources.settings.issuer, bank))
            if mine in {client["client_id"] for client in list_clients(session, BANK)}:
                return
            remembered.unlink()
        token = issue_initial_access_token(
            session, partner_id=BANK, profile=ClientProfile.FAPI2, at=at
        )
    write_secret(folder / TOKEN_FILE, token.reveal())


def _give_accounts(resources: Resources) -> None:
    hasher = PasswordHasher(PASSWORD_PROFILES[resources.settings.password_profile])
    try:
        for demo_person in DEMO_PEOPLE:
            _give_account(resources, hasher, demo_person)
        enter_officials(resources, hasher)
    finally:
        hasher.close()


def _give_account(resources: Resources, hasher: PasswordHasher, demo_person: DemoPerson) -> None:
    person_id = person_of(resources, demo_person)
    with suppress(UsernameTaken), unit_of_work_of(resources.sessions) as session:  # earlier
        create_account(
            session,
            resources.keyring,
            hasher,
            person_id=person_id,
            username=demo_person.username,
            password=Secret(demo_person.password),
            level=AssuranceLevel.CONFIRMED,
            at=resources.clock.now(),
        )
