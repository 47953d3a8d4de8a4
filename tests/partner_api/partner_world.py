"""A world for partners: people in the register, documents in the vault, a client with a token.

Everything is real: the database, the application with both lanes, the keys. Rows of clients and
grants are written directly, because what makes them is not what is tested here.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast

import httpx
import jwt
from anyio.from_thread import BlockingPortal, start_blocking_portal
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from pydantic import SecretStr
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session
from starlette.datastructures import State

from app.main import Civitas, create_app
from audit.api import Actor, LoggedEntry, NewEntry, list_entries, record_access
from consent.model import ConsentRecord, ConsentRequest, GivenBy, ItemName, PurposeCode, Relation
from consent.service import give, withdraw
from idp.assurance import AssuranceLevel
from idp.dpop import thumbprint
from idp.tables import clients, grants, partners
from idp.tokens import ACCESS_TOKEN_TYPE, Subject, access_token_claims, sign
from kernel.clock import FrozenClock
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, ClientId, EntryId, GrantId, PartnerId, PersonId, new_id
from kernel.keyring import Keyring
from kernel.secret import b64url, random_b64url, sha256
from kernel.settings import Settings
from population_register.model import Accepted, Agency, AgencyRole, RecordKind, SourceRecord
from population_register.service.accepting import accept_record
from population_register.service.agencies import add_agency
from tests.asgi import _Transport
from tests.population_register.register_builders import a_stranger
from vault.api import Document, DocumentKind, store_document

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ISSUER = "http://localhost:8000"
PERSON = "/partner/v1/person"
DOCUMENTS = "/partner/v1/documents"
PURPOSE = "credit_assessment"
ITEMS = ("family_name", "given_name", "birthdate", "inn", "over_18", "snils")
DOCUMENT_ITEMS = ("document:ct_scan", "document:income_certificate")
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 64
DICOM = bytes(128) + b"DICM" + bytes(range(256)) * 64

_numbers = count(1)


@dataclass(frozen=True)
class ProofKey:
    """A client's DPoP key."""

    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def jwk(self) -> dict[str, str]:
        public = cast("dict[str, str]", ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True))
        return {name: public[name] for name in ("crv", "kty", "x", "y")}

    @property
    def jkt(self) -> str:
        return thumbprint(self.jwk)

    def proof(
        self,
        token: str,
        path: str = PERSON,
        *,
        at: datetime,
        method: str = "GET",
        change: Mapping[str, object] | None = None,
    ) -> str:
        claims: dict[str, object] = {
            "jti": random_b64url(16),
            "htm": method,
            "htu": ISSUER + path,
            "iat": int(at.timestamp()),
            "ath": b64url(sha256(token.encode())),
        }
        return jwt.encode(
            claims | dict(change or {}),
            self.private,
            algorithm="ES256",
            headers={"typ": "dpop+jwt", "jwk": self.jwk},
        )


KEY = ProofKey()


@dataclass(frozen=True, kw_only=True)
class Access:
    """A person's grant to a client, and a token under it."""

    person_id: PersonId
    client_id: ClientId
    partner_id: PartnerId
    grant_id: GrantId
    sub: str
    token: str
    key: ProofKey = KEY


@dataclass(kw_only=True)
class World:
    """The application, opened on a database of its own."""

    app: Civitas
    http: httpx.Client
    portal: BlockingPortal
    clock: FrozenClock

    @property
    def keyring(self) -> Keyring:
        keyring: Keyring = self.app.state.keyring
        return keyring

    @contextmanager
    def session(self) -> Iterator[Session]:
        with unit_of_work_of(self.app.state.sessions) as session:
            yield session

    # People and what they have

    def a_person(self, **attributes: object) -> PersonId:
        number = next(_numbers)
        said: dict[str, object] = a_stranger(number)  # or the register takes them for one person
        with self.session() as session:
            outcome = accept_record(
                session,
                self.keyring,
                SourceRecord(
                    agency_id=AgencyId("tax"),
                    record_number=f"{number}",
                    version=1,
                    kind=RecordKind.STATEMENT,
                    valid_from=date(2020, 1, 1),
                    attributes=said | attributes,
                    arrived_at=NOON,
                ),
                NOON,
            )
        assert isinstance(outcome, Accepted)
        return outcome.person_id

    def a_document(
        self,
        person_id: PersonId,
        kind: DocumentKind = DocumentKind.CT_SCAN,
        *,
        content: bytes | None = None,
        title: str = "Снимок",
    ) -> Document:
        content = content or (DICOM if kind is DocumentKind.CT_SCAN else PDF)
        entry = NewEntry(
            entry_id=EntryId(new_id(NOON)),
            action="vault.document.stored",
            outcome="allowed",
            actor=Actor(kind="person", id="pseudonym"),
            subject="pseudonym",
            items=(kind.item,),
            occurred_at=NOON,
        )
        with self.session() as session:
            return store_document(
                session,
                self.app.state.blobs,
                self.keyring,
                person_id=person_id,
                entry=record_access(session, entry, person_id=person_id),
                kind=kind,
                title=title,
                source=None,
                chunks=[content],
                limit=1 << 30,
                at=NOON,
            )

    # Clients, grants, tokens

    def a_client(self) -> tuple[ClientId, PartnerId]:
        number = next(_numbers)
        client_id, partner_id = ClientId(f"client-{number}"), PartnerId(f"partner-{number}")
        with self.session() as session:
            session.execute(
                insert(partners).values(
                    partner_id=partner_id, name="Банк", is_verified=True, created_at=NOON
                )
            )
            session.execute(
                insert(clients).values(
                    client_id=client_id,
                    partner_id=partner_id,
                    profile="fapi2",
                    metadata={},
                    sector=client_id,
                    created_at=NOON,
                )
            )
        return client_id, partner_id

    def a_grant(
        self,
        person_id: PersonId | None = None,
        *,
        client: tuple[ClientId, PartnerId] | None = None,
        details: Sequence[Mapping[str, object]] | None = None,
        key: ProofKey = KEY,
        typ: str = ACCESS_TOKEN_TYPE,
        change: Mapping[str, object] | None = None,
    ) -> Access:
        person_id = person_id or self.a_person()
        client_id, partner_id = client or self.a_client()
        grant_id = GrantId(new_id(NOON))
        sub = self.keyring.pseudonym(f"client:{client_id}", person_id)
        if details is None:
            details = [a_disclosure(*ITEMS, *DOCUMENT_ITEMS)]
        with self.session() as session:
            session.execute(
                insert(grants).values(
                    grant_id=grant_id,
                    person_id=person_id,
                    client_id=client_id,
                    partner_id=partner_id,
                    sub=sub,
                    scope=["openid"],
                    authorization_details=list(details),
                    claims={},
                    resources=[],
                    is_refreshable=False,
                    acr="confirmed",
                    amr=["pwd"],
                    auth_time=NOON,
                    created_at=NOON,
                    expires_at=NOON + timedelta(days=30),
                )
            )
        subject = Subject(
            sub=sub,
            scope=("openid",),
            authorization_details=list(details),
            grant_id=grant_id,
            acr=AssuranceLevel.CONFIRMED.acr,
            auth_time=NOON,
        )
        return Access(
            person_id=person_id,
            client_id=client_id,
            partner_id=partner_id,
            grant_id=grant_id,
            sub=sub,
            token=self.a_token(subject, client_id, partner_id, jkt=key.jkt, typ=typ, change=change),
            key=key,
        )

    def a_token(
        self,
        subject: Subject,
        client_id: ClientId,
        partner_id: PartnerId,
        *,
        jkt: str | None,
        typ: str = ACCESS_TOKEN_TYPE,
        change: Mapping[str, object] | None = None,
    ) -> str:
        at = self.clock.now()
        claims = access_token_claims(
            subject,
            issuer=ISSUER,
            client_id=client_id,
            partner_id=partner_id,
            audience=[ISSUER],
            jti=random_b64url(16),
            jkt=jkt,
            at=at,
            expires_at=at + timedelta(minutes=10),
        )
        return sign(self.app.state.signing, claims | dict(change or {}), typ=typ, alg="ES256")

    def consent(
        self,
        access: Access,
        *items: str,
        purpose: str = PURPOSE,
        **override: Any,  # noqa: ANN401
    ) -> ConsentRecord:
        at = self.clock.now()
        values: dict[str, Any] = {
            "person_id": access.person_id,
            "subject": access.sub,
            "client_id": access.client_id,
            "partner_id": access.partner_id,
            "partner_name": "Банк",
            "purpose": PurposeCode(purpose),
            "items": frozenset(ItemName(item) for item in items or (*ITEMS, *DOCUMENT_ITEMS)),
            "expires_at": at + timedelta(days=30),
            "retention": timedelta(days=30),
            "given_by": GivenBy(relation=Relation.SELF, person_id=access.person_id),
            "acr": "confirmed",
            "language": "ru",
        }
        with self.session() as session:
            request = ConsentRequest(**(values | override))
            return give(session, self.app.state.signing, request, at=at)

    def withdraw(self, record: ConsentRecord) -> None:
        with self.session() as session:
            withdraw(session, record.person_id, record.consent_id, at=self.clock.now())

    def revoke(self, access: Access) -> None:
        with self.session() as session:
            session.execute(
                update(grants)
                .where(grants.c.grant_id == access.grant_id)
                .values(revoked_at=NOON, revocation_reason="test")
            )

    # Requests

    def headers(self, access: Access, path: str = PERSON, **proof: Any) -> dict[str, str]:  # noqa: ANN401
        made = access.key.proof(access.token, path.partition("?")[0], at=self.clock.now(), **proof)
        return {"Authorization": f"DPoP {access.token}", "DPoP": made}

    def get(
        self, access: Access, path: str = PERSON, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        response = self.http.get(path, headers={**self.headers(access, path), **(headers or {})})
        self.clock.advance(timedelta(milliseconds=1))  # entries are ordered by their millisecond
        return response

    def get_at_once(self, path: str, headers: Sequence[Mapping[str, str]]) -> list[httpx.Response]:
        """Send many requests at the same time."""

        async def send() -> list[httpx.Response]:
            import asyncio  # noqa: PLC0415

            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
                return list(
                    await asyncio.gather(*(client.get(path, headers=each) for each in headers))
                )

        return self.portal.call(send)

    def post_at_once(
        self, path: str, content: bytes, headers: Sequence[Mapping[str, str]]
    ) -> list[httpx.Response]:
        """Send the same body many times at once, each time with other headers."""

        async def send() -> list[httpx.Response]:
            import asyncio  # noqa: PLC0415

            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
                sent = (client.post(path, content=content, headers=each) for each in headers)
                return list(await asyncio.gather(*sent))

        return self.portal.call(send)

    def logged(self, access: Access, action: str = "partner_api.") -> list[NewEntry]:
        """Return what partners did, the oldest first."""
        with self.session() as session:
            entries: Sequence[LoggedEntry] = list_entries(session, access.person_id, limit=200)
            return [
                logged.entry
                for logged in reversed(entries)
                if logged.entry.action.startswith(action)
            ]

    def count(self, table: Any) -> int:  # noqa: ANN401
        with self.session() as session:
            return len(session.execute(select(table)).all())


def a_disclosure(*items: str, purpose: str = PURPOSE) -> dict[str, object]:
    return {
        "type": "civitas_disclosure",
        "purpose": purpose,
        "items": list(items),
        "expires_in_days": 30,
        "retention_days": 30,
    }


_idle: list[Civitas] = []


@contextmanager
def _application(settings: Settings, clock: FrozenClock, *, is_usual: bool) -> Iterator[Civitas]:
    """Lend an application; FastAPI prepares a route when it is first asked for, so they are kept.

    Only those of the usual settings: an application reads some when it is made.
    """
    app = _idle.pop() if is_usual and _idle else create_app(settings, clock=clock)
    made_with = {name: app.state[name] for name in app.state}
    app.state.settings, app.state.clock = settings, clock
    yield app
    app.api.state = State(made_with)  # of what it was opened with nothing is left
    if is_usual:
        _idle.append(app)


@contextmanager
def open_world(
    database_url: str,
    folder: Path,
    *,
    issuer: str = ISSUER,
    **more: Any,  # noqa: ANN401
) -> Iterator[World]:
    """Open the application on a migrated database."""
    clock = FrozenClock(NOON)
    settings = Settings(
        mode="test",
        issuer=issuer,
        data=folder,
        database_url=SecretStr(database_url),
        password_profile="test",
        **more,
    )
    with (
        _application(settings, clock, is_usual=issuer == ISSUER and not more) as app,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.api.router.lifespan_context(app.api)),
        httpx.Client(transport=_Transport(app, portal), base_url=issuer) as http,
    ):
        world = World(app=app, http=http, portal=portal, clock=clock)
        with world.session() as session:
            agency = Agency(
                agency_id=AgencyId("tax"),
                role=AgencyRole.TAX,
                name_ru="Налоговая служба",
                name_en="Tax service",
                mapping={},
            )
            add_agency(session, agency, NOON)
        yield world
