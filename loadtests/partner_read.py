"""The partner's person read, whole, held against its physical floor.

The server is the application as `civitas serve` runs it, middleware and access log included. Every
request brings its own DPoP proof; the access token is verified once and remembered; the proof is
verified and spent, the grant and the consent are evaluated, the record is opened, the access entry
is written and committed (fsync on), the answer is signed.

The floor is what no implementation can be below: the ceiling's time for one request with one write
and one read, plus one ES256 verification, one ES256 signature and two AEAD openings, all measured
in the same run.
"""

import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import SecretStr
from sqlalchemy import insert
from sqlalchemy.orm import Session

import migrations
from app.resources import Resources, open_resources
from consent.model import ConsentRequest, GivenBy, ItemName, PurposeCode, Relation
from consent.service import give
from idp.assurance import AssuranceLevel
from idp.dpop import thumbprint
from idp.tables import clients, grants, partners
from idp.tokens import ACCESS_TOKEN_TYPE, Subject, access_token_claims, sign
from kernel.clock import SystemClock
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, ClientId, GrantId, PartnerId, PersonId, new_id
from kernel.secret import b64url, random_b64url, sha256
from kernel.settings import Settings
from loadtests.ceiling import serve_ceiling
from loadtests.figures import Figure
from loadtests.machine import Load, Machine, http_request
from loadtests.primitives import sum_of
from partner_api.store import save_limit
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

TARGET = 0.45

PEOPLE = 300
PATH = "/partner/v1/person"
CLIENT, PARTNER, TAX = ClientId("bench"), PartnerId("bench"), AgencyId("tax")
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
MOST_RATE = 8_000
"""Requests a second that are prepared; more than any run has reached."""

PRIMITIVES = ("es256_verify", "es256_sign", "aead_open_32", "aead_open_1024")
"""What the read can't do without, beside one write and one read."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and what a request with it needs."""

    text: str
    ath: str


class Prover:
    """Makes DPoP proofs, fast: they are prepared before the measurement."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_numbers()
        jwk = {
            "crv": "P-256",
            "kty": "EC",
            "x": b64url(point.x.to_bytes(32, "big")),
            "y": b64url(point.y.to_bytes(32, "big")),
        }
        self.jkt = thumbprint(jwk)
        self._head = b64url(
            json.dumps({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}).encode()
        ).encode()

    def proof(self, token: Token, *, uri: str, at: datetime) -> str:
        """Return a fresh proof."""
        claims = {
            "jti": random_b64url(12),
            "htm": "GET",
            "htu": uri,
            "iat": int(at.timestamp()),
            "ath": token.ath,
        }
        signed = self._head + b"." + b64url(json.dumps(claims).encode()).encode()
        r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return f"{signed.decode()}.{b64url(signature)}"


class World:
    """People, their consents, and a token for each."""

    def __init__(self, resources: Resources, prover: Prover) -> None:
        self.resources = resources
        self.prover = prover
        self.issuer = resources.settings.issuer
        self.at = datetime.now(UTC)

    def tokens(self) -> list[Token]:
        """Make everybody and return their tokens."""
        with unit_of_work_of(self.resources.sessions) as session:
            self._client(session)
        made = []
        for number in range(PEOPLE):
            with unit_of_work_of(self.resources.sessions) as session:
                made.append(self._token(session, self._person(session, number)))
        return made

    def _client(self, session: Session) -> None:
        agency = Agency(
            agency_id=TAX, role=AgencyRole.TAX, name_ru="ФНС", name_en="Tax", mapping={}
        )
        add_agency(session, agency, self.at)
        session.execute(
            insert(partners).values(
                partner_id=PARTNER, name="Bench", is_verified=True, created_at=self.at
            )
        )
        session.execute(
            insert(clients).values(
                client_id=CLIENT,
                partner_id=PARTNER,
                profile="fapi2",
                metadata={},
                sector="bench",
                created_at=self.at,
            )
        )
        save_limit(session, PARTNER, requests_per_minute=1_000_000_000)

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
        claims = access_token_claims(
            Subject(
                sub=sub,
                scope=("openid",),
                authorization_details=[details],
                grant_id=grant_id,
                acr=AssuranceLevel.CONFIRMED.acr,
                auth_time=self.at,
            ),
            issuer=self.issuer,
            client_id=CLIENT,
            partner_id=PARTNER,
            audience=[self.issuer],
            jti=random_b64url(16),
            jkt=self.prover.jkt,
            at=self.at,
            expires_at=self.at + timedelta(minutes=30),
        )
        text = sign(self.resources.signing, claims, typ=ACCESS_TOKEN_TYPE, alg="ES256")
        return Token(text, b64url(sha256(text.encode())))

    def requests(self, tokens: list[Token]) -> Iterator[bytes]:
        """Make requests without end, each with a proof of its own."""
        at = datetime.now(UTC)
        host = self.issuer.removeprefix("http://")
        while True:
            for token in tokens:
                proof = self.prover.proof(token, uri=self.issuer + PATH, at=at)
                yield http_request(
                    "GET",
                    PATH,
                    host=host,
                    headers={"Authorization": f"DPoP {token.text}", "DPoP": proof},
                )


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure the read in turns with the ceiling, and hold it against its floor."""
    url = machine.database("partner_read")
    migrations.upgrade(url)
    folder = machine.folder / "partner_read"
    settings = Settings(mode="demo", database_url=SecretStr(url), data=folder)
    with open_resources(settings, SystemClock()) as resources:
        world = World(resources, Prover())
        tokens = world.tokens()
    machine.settle(url)
    environment = {
        "CIVITAS_MODE": "demo",
        "CIVITAS_DATABASE_URL": url,
        "CIVITAS_DATA": str(folder),
    }
    of_a_round = int(MOST_RATE * machine.seconds)
    with (
        serve_ceiling(machine, "partner_read_ceiling") as ceiling_load,
        machine.serve(
            "app.server:from_environment", environment=environment, ready="/readyz"
        ) as server,
    ):
        added: list[float] = []

        def prepare() -> list[bytes]:
            """Make a round's proofs just before it; time the primitives while we are there."""
            added.append(sum_of(machine, PRIMITIVES))
            return list(islice(world.requests(tokens), of_a_round))

        ceiling, rounds = machine.measure_beside(ceiling_load, Load(server, prepare))
    floors = [
        1e6 / bare.rate + primitives
        for bare, primitives in zip(ceiling.rounds, added[1:], strict=True)  # 0: to warm up
    ]
    ratios = [floor / (1e6 / ours.rate) for floor, ours in zip(floors, rounds.rounds, strict=True)]
    return [
        Figure(
            name="partner_read.floor",
            value=statistics.median(floors),
            unit="us/request",
            against="ceiling + ES256 verification + ES256 signature + two AEAD openings",
        ),
        Figure(
            name="partner_read.rate",
            value=rounds.rate,
            unit="requests/s",
            ratio=statistics.median(ratios),
            target=TARGET,
            against="the floor divided by our time for one request, in turns",
            spread=rounds.spread,
        ),
        Figure(name="partner_read.time", value=1e6 / rounds.rate, unit="us/request"),
        Figure(name="partner_read.server_cpu", value=rounds.cpu_us, unit="us/request"),
        Figure(name="partner_read.p99", value=rounds.p99_ms, unit="ms"),
    ]
