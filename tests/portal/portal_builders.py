"""A citizen's account: people with records, accounts, documents and consents, and their browser."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import httpx
from fastapi import FastAPI
from obstore.store import LocalStore
from sqlalchemy.orm import Session, sessionmaker

from audit.api import Actor, NewEntry, list_entries, record_access, sequence
from consent.api import (
    ConsentRecord,
    ConsentRequest,
    GivenBy,
    ItemName,
    PurposeCode,
    Relation,
    give,
)
from idp.assurance import AssuranceLevel
from idp.passwords import PROFILES, PasswordHasher
from idp.service.accounts import create_account
from kernel.clock import FrozenClock
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, ClientId, EntryId, PartnerId, PersonId, new_id
from kernel.keyring import Keyring
from kernel.secret import Secret
from kernel.signing import SigningKeys
from population_register.api import Accepted, RecordKind, SourceRecord, accept_record
from vault.api import DocumentKind, store_document

PASSWORD = "correct horse battery"
ITEMS = frozenset(ItemName(name) for name in ("family_name", "birthdate"))


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything behind the pages; what is written is rolled back after the test."""

    app: FastAPI
    sessions: sessionmaker[Session]
    keyring: Keyring
    signing: SigningKeys
    blobs: LocalStore
    clock: FrozenClock

    def a_person(self, username: str, **attributes: object) -> PersonId:
        """Make a person with a record from the interior ministry, and an account."""
        at = self.clock.now()
        record = SourceRecord(
            agency_id=AgencyId("interior"),
            record_number=username,
            version=1,
            kind=RecordKind.STATEMENT,
            valid_from=date(2020, 1, 1),
            attributes={
                "family_name": "Иванова", "given_name": username, "birthdate": "1990-02-03",
                **attributes,
            },
            arrived_at=at,
        )  # fmt: skip
        with unit_of_work_of(self.sessions) as session:
            outcome = accept_record(session, self.keyring, record, at)
            assert isinstance(outcome, Accepted)
        self.an_account(outcome.person_id, username)
        return outcome.person_id

    def an_account(self, person_id: PersonId, username: str) -> None:
        """Let a person sign in."""
        with unit_of_work_of(self.sessions) as session:
            create_account(
                session,
                self.keyring,
                PasswordHasher(PROFILES["test"]),
                person_id=person_id,
                username=username,
                password=Secret(PASSWORD),
                level=AssuranceLevel.CONFIRMED,
                at=self.clock.now(),
            )

    def a_consent(self, person_id: PersonId, *, partner_name: str = "Демо Банк") -> ConsentRecord:
        at = self.clock.now()
        request = ConsentRequest(
            person_id=person_id,
            subject="pairwise",
            client_id=ClientId("bank-web"),
            partner_id=PartnerId("bank"),
            partner_name=partner_name,
            purpose=PurposeCode("account_opening"),
            items=ITEMS,
            expires_at=at + timedelta(days=30),
            retention=timedelta(days=365),
            given_by=GivenBy(relation=Relation.SELF, person_id=person_id),
            acr="urn:civitas:assurance:confirmed",
            language="ru",
        )
        with unit_of_work_of(self.sessions) as session:
            return give(session, self.signing, request, at=at)

    def a_document(
        self, person_id: PersonId, *, title: str = "Справка", content: bytes | None = None
    ) -> str:
        at = self.clock.now()
        with unit_of_work_of(self.sessions) as session:
            entry = record_access(
                session,
                NewEntry(
                    entry_id=EntryId(new_id(at)), action="vault.document.stored",
                    outcome="allowed", actor=Actor(kind="agency", id="tax"), subject="s",
                    occurred_at=at, items=("document:income_certificate",),
                ),
                person_id=person_id,
            )  # fmt: skip
            document = store_document(
                session,
                self.blobs,
                self.keyring,
                person_id=person_id,
                entry=entry,
                kind=DocumentKind.INCOME_CERTIFICATE,
                title=title,
                source=AgencyId("tax"),
                chunks=[content or PDF],
                limit=1 << 20,
                at=at,
            )
        return str(document.document_id)

    def actions(self, person_id: PersonId) -> list[str]:
        """Return the actions of the person's log, the newest first; of one instant in any order."""
        with self.sessions() as session:
            return [each.entry.action for each in list_entries(session, person_id)]

    def run_sequencer(self) -> None:
        """Give every waiting entry its place in the tree."""
        with unit_of_work_of(self.sessions) as session:
            sequence(session, self.signing, origin="localhost/log", at=self.clock.now(), limit=1000)

    def later(self, by: timedelta) -> datetime:
        """Let time pass."""
        self.clock.advance(by)
        return self.clock.now()


PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def field(page: str, name: str) -> str:
    """Return the value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, name
    return found[1]


def sign_in(client: httpx.Client, username: str, password: str = PASSWORD) -> httpx.Response:
    """Sign in as a browser does: load the form, send it."""
    form = client.get("/sign-in")
    return post(client, "/sign-in", form.text, {"username": username, "password": password})


def post(
    client: httpx.Client, address: str, page: str, fields: Mapping[str, str]
) -> httpx.Response:
    """Send the form of a page."""
    return client.post(address, data={"form_token": field(page, "form_token"), **fields})
