"""The partner's person read, whole, held against its physical floor.

The server is the application as `civitas serve` runs it, middleware and access log included. Every
request brings its own DPoP proof; the access token is verified once and remembered; the proof is
verified and spent, the grant and the consent are evaluated, the record is opened, the access entry
is written and committed (fsync on), the answer is signed.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import insert
from sqlalchemy.orm import Session

from app.resources import Resources
from consent.model import ConsentRequest, GivenBy, ItemName, PurposeCode, Relation
from consent.service import give
from idp.assurance import AssuranceLevel
from idp.tables import grants
from idp.tokens import Subject
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, GrantId, PersonId, new_id
from loadtests.application import (
    CLIENT,
    PARTNER,
    Floor,
    Prover,
    Token,
    hold_against_floor,
    register_client,
    serve_filled,
)
from loadtests.figures import Figure
from loadtests.machine import Machine, http_request
from population_register.model import (
    Accepted,
    Agency,
    AgencyRole,
    LinkOutcome,
    RecordKind,
    SourceRecord,
)
from population_register.service.accepting import accept_record
from population_register.service.agencies import add_agency

FLOOR = Floor(
    primitives=("es256_verify", "es256_sign", "aead_open_32", "aead_open_1024"),
    words="ES256 verification + ES256 signature + two AEAD openings",
    request="one request",
    target=0.45,
    most_rate=8_000,
)

PEOPLE = 300
PATH = "/partner/v1/person"
TAX = AgencyId("tax")
ITEMS = (
    "family_name",
    "given_name",
    "middle_name",
    "birthdate",
    "passport",
    "inn",
    "registration_address",
    "over_18",
)
_BEGINNINGS = ("Бар", "Вол", "Гор", "Дол", "Зем", "Кар", "Лав", "Мор", "Нест", "Пол", "Руд", "Сал")
_ENDINGS = ("ашова", "евская", "икова", "ыгина", "онова", "укова", "янина")
_GIVEN_NAMES = ("Анна", "Вера", "Дарья", "Жанна", "Ксения", "Нина", "Ольга", "Римма", "Юлия")


class World:
    """People, their consents, and a token for each."""

    def __init__(self, resources: Resources) -> None:
        """Make everybody."""
        self.resources = resources
        self.prover = Prover(resources)
        self.at = datetime.now(UTC)
        with unit_of_work_of(resources.sessions) as session:
            register_client(session, self.at)
            agency = Agency(
                agency_id=TAX, role=AgencyRole.TAX, name_ru="ФНС", name_en="Tax", mapping={}
            )
            add_agency(session, agency, self.at)
        self.tokens: list[Token] = []
        for number in range(PEOPLE):
            with unit_of_work_of(resources.sessions) as session:
                self.tokens.append(self._token(session, self._person(session, number)))

    def _person(self, session: Session, number: int) -> PersonId:
        record = SourceRecord(
            agency_id=TAX,
            record_number=str(number),
            version=1,
            kind=RecordKind.STATEMENT,
            valid_from=date(2020, 1, 1),
            attributes={
                # The register takes people who differ in little for one person.
                "family_name": _BEGINNINGS[number % 12] + _ENDINGS[number % 7],
                "given_name": _GIVEN_NAMES[number % 9],
                "middle_name": "Дмитриевна",
                "gender": "female",
                "birthdate": str(date(1931, 1, 1) + timedelta(days=37 * number)),
                "birthplace": f"с. {_BEGINNINGS[number % 11]}ово",
                "citizenships": ["RUS"],
                "passport": {
                    "series_number": f"99 01 {number:06}",
                    "issued_on": "2006-04-20",
                    "issuer": "ОВД г. Вологды",
                    "division_code": "350-001",
                },
                "registration_address": {
                    "formatted": f"{160_000 + number}, г. Вологда, ул. Мира, д. {number}, кв. 1"
                },
            },
            arrived_at=self.at,
        )
        outcome = accept_record(session, self.resources.keyring, record, self.at)
        assert isinstance(outcome, Accepted)
        assert outcome.outcome is LinkOutcome.NEW
        return outcome.person_id

    def _token(self, session: Session, person_id: PersonId) -> Token:
        details = {
            "type": "civitas_disclosure",
            "purpose": "account_opening",
            "items": list(ITEMS),
            "expires_in_days": 30,
            "retention_days": 30,
        }
        grant_id = GrantId(new_id(self.at))
        sub = self.resources.keyring.pseudonym("client:bench", person_id)
        session.execute(
            insert(grants).values(
                grant_id=grant_id,
                person_id=person_id,
                client_id=CLIENT,
                partner_id=PARTNER,
                sub=sub,
                scope=["openid"],
                authorization_details=[details],
                claims={},
                resources=[],
                is_refreshable=False,
                acr="confirmed",
                amr=["pwd"],
                auth_time=self.at,
                created_at=self.at,
                expires_at=self.at + timedelta(days=30),
            )
        )
        request = ConsentRequest(
            person_id=person_id,
            subject=sub,
            client_id=CLIENT,
            partner_id=PARTNER,
            partner_name="Bench",
            purpose=PurposeCode("account_opening"),
            items=frozenset(ItemName(item) for item in ITEMS),
            expires_at=self.at + timedelta(days=30),
            retention=timedelta(days=30),
            given_by=GivenBy(relation=Relation.SELF, person_id=person_id),
            acr="confirmed",
            language="ru",
        )
        give(session, self.resources.signing, request, at=self.at)
        subject = Subject(
            sub=sub,
            scope=("openid",),
            authorization_details=[details],
            grant_id=grant_id,
            acr=AssuranceLevel.CONFIRMED.acr,
            auth_time=self.at,
        )
        return self.prover.token(subject, at=self.at)

    def requests(self, at: datetime) -> Iterator[bytes]:
        """Make requests without end, each with a proof of its own."""
        host = self.prover.issuer.removeprefix("http://")
        while True:
            for token in self.tokens:
                yield http_request(
                    "GET", PATH, host=host, headers=token.headers("GET", PATH, at=at)
                )


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure the read in turns with the ceiling, and hold it against its floor."""
    with serve_filled(machine, "partner_read", World) as (world, server):
        return hold_against_floor(machine, "partner_read", FLOOR, server, world.requests)
