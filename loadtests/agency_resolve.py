"""Agencies' questions, whole: by number against their physical floor, by name by the clock.

The server is the application as `civitas serve` runs it. Every question brings its own DPoP proof
and its own official's assertion; both are verified and spent, the client, the agency and its
mandates are asked for, the person is looked up, the record is opened, the access entry is written
and committed (fsync on). Every question is about another person, so that nothing is remembered.

The floor of a question by number is what no implementation can be below: the ceiling's time for one
request with one write and one read, two ES256 verifications and two AEAD openings, all measured in
the same run. A question by name goes one at a time: what counts is how long an official waits.

`CIVITAS_BENCH_PEOPLE` is how many people there are (20,000); two in three are known to the agency.
"""

import json
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, islice

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import SecretStr
from sqlalchemy import insert

import migrations
from app.resources import Resources, open_resources
from idp.dpop import thumbprint
from idp.tables import clients, partners
from idp.tokens import ACCESS_TOKEN_TYPE, Subject, access_token_claims, sign
from kernel.clock import SystemClock
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, ClientId, PartnerId
from kernel.secret import b64url, random_b64url, sha256
from kernel.settings import Settings
from loadtests.ceiling import serve_ceiling
from loadtests.figures import Figure
from loadtests.machine import Load, Machine, Round, Running, http_request
from loadtests.matching.population import REPORTED, rows
from loadtests.primitives import sum_of
from partner_api.agencies import store
from partner_api.agencies.official import ASSERTION_TYPE
from partner_api.agencies.store import Binding
from partner_api.store import save_limit
from population_register.control import read_record
from population_register.mandate import Condition, LegalBasis
from population_register.model import Agency, AgencyRole, SourceRecord
from population_register.service.accepting import accept_records
from population_register.service.agencies import add_agency, add_official_key
from population_register.service.mandates import add_legal_basis, grant_mandate

TARGET = 0.45
TARGET_BY_NAME_MS = 10.0

PEOPLE = int(os.environ.get("CIVITAS_BENCH_PEOPLE", "20000"))
PATH = "/agency/v1/resolve"
TAX, CLIENT, BASIS = AgencyId("tax"), ClientId("bench"), "tax_code_85"
FIELDS = ("family_name", "given_name", "middle_name", "birthdate", "gender", "inn", "over_18")
MOST_RATE = 6_000
"""Questions a second that are prepared; more than any run has reached."""
BATCH = 500

PRIMITIVES = ("es256_verify", "es256_verify", "aead_open_32", "aead_open_1024")
"""What an answer can't do without, beside one write and one read."""


class Signer:
    """Makes JWTs of one key, fast: they are prepared before the measurement."""

    def __init__(self, typ: str, *, kid: str | None) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_numbers()
        self.jwk = {
            "crv": "P-256",
            "kty": "EC",
            "x": b64url(point.x.to_bytes(32, "big")),
            "y": b64url(point.y.to_bytes(32, "big")),
        }
        named: dict[str, object] = {"jwk": self.jwk} if kid is None else {"kid": kid}
        header = {"typ": typ, "alg": "ES256", **named}
        self._head = b64url(json.dumps(header).encode()).encode()

    def sign(self, claims: dict[str, object]) -> str:
        """Return the compact JWS of the claims."""
        signed = self._head + b"." + b64url(json.dumps(claims).encode()).encode()
        r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(SHA256())))
        return f"{signed.decode()}.{b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@dataclass(frozen=True, slots=True)
class Someone:
    """By what a person can be asked for."""

    inn: str
    family_name: str
    given_name: str
    birthdate: str


class World:
    """A register of made-up people, and an agency that asks."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.issuer = resources.settings.issuer
        self.prover = Signer("dpop+jwt", kid=None)
        self.officials = Signer(ASSERTION_TYPE, kid="officials")
        self.people: list[Someone] = []
        self.token = ""

    def fill(self, people: int) -> int:
        """Make the agency and the people, through the register's own path; return how many.

        Not everybody is known to the tax service.
        """
        at = datetime.now(UTC)
        with unit_of_work_of(self.resources.sessions) as session:
            agency = Agency(
                agency_id=TAX, role=AgencyRole.TAX, name_ru="ФНС", name_en="Tax", mapping={}
            )
            add_agency(session, agency, at)
            add_official_key(
                session, TAX, kid="officials", jwk={**self.officials.jwk, "kid": "officials"}, at=at
            )
            words = LegalBasis(code=BASIS, title_ru="Учёт", title_en="Records", reference="85")
            add_legal_basis(session, words, at)
            for field in FIELDS:
                grant_mandate(
                    session,
                    TAX,
                    field=field,
                    condition=Condition.ALWAYS,
                    legal_basis=BASIS,
                    valid_from=date(2020, 1, 1),
                    valid_to=None,
                    by="bench",
                    at=at,
                )
            session.execute(
                insert(partners).values(
                    partner_id="bench", name="Bench", is_verified=True, created_at=at
                )
            )
            session.execute(
                insert(clients).values(
                    client_id=CLIENT,
                    partner_id="bench",
                    profile="fapi2",
                    metadata={},
                    sector="bench",
                    created_at=at,
                )
            )
            store.insert_binding(session, Binding(CLIENT, TAX), at)
            save_limit(session, PartnerId("bench"), requests_per_minute=1_000_000_000)
        loaded = 0
        records = self._records(people, at)
        while batch := list(islice(records, BATCH)):
            with unit_of_work_of(self.resources.sessions) as session:
                accept_records(session, self.resources.keyring, TAX, batch, at=at)
            loaded += len(batch)
        return loaded

    def _records(self, people: int, at: datetime) -> Iterator[SourceRecord]:
        """Return one record of each person, as the tax service wrote it down."""
        for number, row in enumerate(rows(REPORTED[0], people)):
            if row["agency"] != "tax":
                continue
            said = {
                name: row[name]
                for name in ("family_name", "given_name", "middle_name", "gender", "birthdate")
            }
            named = {**said, "inn": row["inn"], "snils": row["snils"]}
            read = read_record(
                {"record_number": number, "version": 1, "valid_from": "2020-01-01", **named},
                agency_id=TAX,
                at=at,
            )
            if not isinstance(read, SourceRecord):
                continue
            known = read.attributes
            if {"inn", "family_name", "given_name", "birthdate"} <= known.keys():
                self.people.append(
                    Someone(
                        inn=known["inn"],
                        family_name=known["family_name"],
                        given_name=known["given_name"],
                        birthdate=known["birthdate"],
                    )
                )
            yield read

    def authenticate(self) -> None:
        """Make an access token of the agency's client."""
        at = datetime.now(UTC)
        claims = access_token_claims(
            Subject(sub=CLIENT, scope=("register.resolve",)),
            issuer=self.issuer,
            client_id=CLIENT,
            partner_id=PartnerId("bench"),
            audience=[self.issuer],
            jti=random_b64url(16),
            jkt=thumbprint(self.prover.jwk),
            at=at,
            expires_at=at + timedelta(minutes=55),
        )
        self.token = sign(self.resources.signing, claims, typ=ACCESS_TOKEN_TYPE, alg="ES256")

    def ask(self, question: dict[str, object], at: datetime) -> bytes:
        """Return one request, with a proof and an assertion of its own."""
        now = int(at.timestamp())
        proof = self.prover.sign(
            {
                "jti": random_b64url(12),
                "htm": "POST",
                "htu": self.issuer + PATH,
                "iat": now,
                "ath": b64url(sha256(self.token.encode())),
            }
        )
        official = self.officials.sign(
            {
                "iss": TAX,
                "aud": f"{self.issuer}/agency/v1",
                "sub": f"inspector-{now % 7}",
                "iat": now,
                "exp": now + 240,
                "jti": random_b64url(12),
            }
        )
        return http_request(
            "POST",
            PATH,
            host=self.issuer.removeprefix("http://"),
            headers={
                "Authorization": f"DPoP {self.token}",
                "DPoP": proof,
                "Civitas-Official": official,
                "Content-Type": "application/json",
            },
            body=json.dumps(
                {"legal_basis": BASIS, "purpose": "bench", **question}, ensure_ascii=False
            ).encode(),
        )

    def by_number(self, people: Iterator[Someone]) -> Iterator[bytes]:
        """Ask about one after another by the number that a tax service has."""
        at = datetime.now(UTC)
        for someone in people:
            yield self.ask({"identifiers": {"inn": someone.inn}}, at)

    def by_name(self, people: Iterator[Someone]) -> Iterator[bytes]:
        """Ask about one after another by the name and birth date."""
        at = datetime.now(UTC)
        for someone in people:
            attributes = {
                "family_name": someone.family_name,
                "given_name": someone.given_name,
                "birthdate": someone.birthdate,
            }
            yield self.ask({"attributes": attributes}, at)


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure questions by number in turns with the ceiling, then questions by name."""
    url = machine.database("agency_resolve")
    migrations.upgrade(url)
    folder = machine.folder / "agency_resolve"
    settings = Settings(mode="demo", database_url=SecretStr(url), data=folder)
    people = PEOPLE if machine.seconds >= 1 else min(PEOPLE, 1_000)
    with open_resources(settings, SystemClock()) as resources:
        world = World(resources)
        loaded = world.fill(people)
        world.authenticate()
    machine.settle(url)
    environment = {
        "CIVITAS_MODE": "demo",
        "CIVITAS_DATABASE_URL": url,
        "CIVITAS_DATA": str(folder),
    }
    with (
        serve_ceiling(machine, "agency_resolve_ceiling") as ceiling_load,
        machine.serve(
            "app.server:from_environment", environment=environment, ready="/readyz"
        ) as server,
    ):
        return [
            *_by_number(machine, world, server, ceiling_load),
            *_by_name(machine, world, server, loaded),
        ]


def _by_number(machine: Machine, world: World, server: Running, ceiling_load: Load) -> list[Figure]:
    added: list[float] = []
    of_a_round = int(MOST_RATE * machine.seconds)
    turns = cycle(world.people)

    def prepare() -> list[bytes]:
        """Make a round's questions just before it; time the primitives while we are there."""
        added.append(sum_of(machine, PRIMITIVES))
        return list(islice(world.by_number(turns), of_a_round))

    ceiling, rounds = machine.measure_beside(ceiling_load, Load(server, prepare))
    floors = [
        1e6 / bare.rate + primitives
        for bare, primitives in zip(ceiling.rounds, added[1:], strict=True)  # 0: to warm up
    ]
    ratios = [floor / (1e6 / ours.rate) for floor, ours in zip(floors, rounds.rounds, strict=True)]
    return [
        Figure(
            name="agency_resolve.floor",
            value=statistics.median(floors),
            unit="us/request",
            against="ceiling + two ES256 verifications + two AEAD openings",
        ),
        Figure(
            name="agency_resolve.rate",
            value=rounds.rate,
            unit="requests/s",
            ratio=statistics.median(ratios),
            target=TARGET,
            against="the floor divided by our time for one question by number, in turns",
            spread=rounds.spread,
        ),
        Figure(name="agency_resolve.time", value=1e6 / rounds.rate, unit="us/request"),
        Figure(name="agency_resolve.server_cpu", value=rounds.cpu_us, unit="us/request"),
        Figure(name="agency_resolve.p99", value=rounds.p99_ms, unit="ms"),
    ]


def _by_name(machine: Machine, world: World, server: Running, people: int) -> list[Figure]:
    turns = cycle(world.people)
    taken: list[Round] = []
    for number in range(machine.rounds + 1):
        requests = list(islice(world.by_name(turns), int(600 * machine.seconds)))
        done = machine.load(server, requests, connections=1)
        if set(done.statuses) != {"200"} or done.failures:
            raise RuntimeError(f"not what was meant: {done.statuses}, {done.failures}")
        if number:  # the first warms up
            taken.append(done)
    p95s = [each.p95_ms for each in taken]
    p95 = statistics.median(p95s)
    return [
        Figure(
            name="agency_resolve.by_name_p95",
            value=p95,
            unit="ms",
            ratio=TARGET_BY_NAME_MS / p95,
            target=1.0,
            against=f"{TARGET_BY_NAME_MS:.0f} ms, one at a time, {people:,} people",
            spread=(min(p95s), max(p95s)),
        ),
        Figure(
            name="agency_resolve.by_name_p50",
            value=statistics.median(each.p50_ms for each in taken),
            unit="ms",
        ),
    ]
