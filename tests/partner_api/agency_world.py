"""Agencies for the partner API's tests: clients, official keys, mandates, all valid by default."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import count
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import insert

from audit.api import NewEntry, list_entries
from idp.tables import clients, partners
from idp.tokens import Subject
from kernel.ids import AgencyId, ClientId, PartnerId, PersonId
from kernel.secret import random_b64url, sha256
from partner_api.agencies import store
from partner_api.agencies.official import ASSERTION_TYPE
from partner_api.agencies.store import Binding
from population_register.api import (
    AgencyRole,
    Condition,
    LegalBasis,
    Mandate,
    add_agency,
    add_legal_basis,
    add_official_key,
    grant_mandate,
)
from population_register.model import Agency
from tests.partner_api.partner_world import ISSUER, KEY, NOON, ProofKey, World

RESOLVE = "/agency/v1/resolve"
BATCH = "/agency/v1/resolve/batch?legal_basis=tax_code_85&purpose=case%2012-345"
CONVERT = "/agency/v1/pseudonyms/convert"
RECORDS = "/agency/v1/records"
BASIS = "tax_code_85"
PURPOSE = "case 12-345"
SCOPE = ("register.feed", "register.feed.report", "register.resolve", "register.worklist")
FIELDS = ("family_name", "given_name", "birthdate", "inn", "over_18")

_numbers = count(1)


@dataclass(frozen=True, kw_only=True)
class OfficialKey:
    """The key by which an agency signs which official asks."""

    kid: str
    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def jwk(self) -> dict[str, str]:
        return {**ProofKey(self.private).jwk, "kid": self.kid}


@dataclass(frozen=True, kw_only=True)
class Asker:
    """An agency's client: its token, and the key of the agency's officials."""

    world: World
    agency_id: AgencyId
    client_id: ClientId
    token: str
    official_key: OfficialKey
    key: ProofKey = KEY

    def with_token(self, *, scope: Sequence[str] = SCOPE, **change: Any) -> "Asker":  # noqa: ANN401
        return replace(self, token=a_client_token(self.world, self.client_id, scope, **change))

    def official(self, **change: Any) -> str:  # noqa: ANN401
        now = int(self.world.clock.now().timestamp())
        typ = change.pop("typ", ASSERTION_TYPE)
        key = change.pop("key", self.official_key)
        claims = {
            "iss": self.agency_id,
            "aud": f"{ISSUER}/agency/v1",
            "sub": "inspector-7",
            "name": "Пётр Ильич",
            "iat": now,
            "exp": now + 120,
            "jti": random_b64url(16),
            **change,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(
            said, key.private, algorithm="ES256", headers={"typ": typ, "kid": key.kid}
        )

    def headers(self, path: str, *, method: str = "POST", **more: str) -> dict[str, str]:
        at = self.world.clock.now()
        proof = self.key.proof(self.token, path.partition("?")[0], at=at, method=method)
        return {"Authorization": f"DPoP {self.token}", "DPoP": proof, **more}

    def post(
        self,
        path: str,
        body: Any,  # noqa: ANN401
        *,
        official: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **self.headers(path)}
        if official is not None:
            sent["Civitas-Official"] = official or self.official()
        answered = self.world.http.post(path, content=content, headers={**sent, **(headers or {})})
        self.world.clock.advance(timedelta(milliseconds=1))
        return answered

    def get(self, path: str) -> httpx.Response:
        answered = self.world.http.get(path, headers=self.headers(path, method="GET"))
        self.world.clock.advance(timedelta(milliseconds=1))
        return answered

    def ask(self, **question: Any) -> httpx.Response:  # noqa: ANN401
        """Ask who somebody is."""
        more = {name: question.pop(name) for name in ("official", "headers") if name in question}
        return self.post(RESOLVE, {"legal_basis": BASIS, "purpose": PURPOSE, **question}, **more)

    def mandate(self, *fields: str, **change: Any) -> list[Mandate]:  # noqa: ANN401
        values: dict[str, Any] = {
            "condition": Condition.ALWAYS,
            "legal_basis": BASIS,
            "valid_from": date(2026, 1, 1),
            "valid_to": None,
            "by": "test",
            "at": self.world.clock.now(),
            **change,
        }
        with self.world.session() as session:
            return [grant_mandate(session, self.agency_id, field=name, **values) for name in fields]


def a_client_token(
    world: World,
    client_id: ClientId,
    scope: Sequence[str],
    *,
    key: ProofKey = KEY,
    jkt: str | None = "",
    **change: Any,  # noqa: ANN401
) -> str:
    return world.a_token(
        Subject(sub=client_id, scope=tuple(scope)),
        client_id,
        PartnerId(client_id),
        jkt=key.jkt if jkt == "" else jkt,
        change=change,
    )


def a_client(world: World, agency_id: AgencyId | None) -> ClientId:
    """Register a client, bound to an agency or to the administration."""
    client_id = ClientId(f"agency-client-{next(_numbers)}")
    with world.session() as session:
        session.execute(
            insert(partners).values(
                partner_id=client_id, name="Ведомство", is_verified=True, created_at=NOON
            )
        )
        session.execute(
            insert(clients).values(
                client_id=client_id,
                partner_id=client_id,
                profile="fapi2",
                metadata={},
                sector=client_id,
                created_at=NOON,
            )
        )
        store.insert_binding(session, Binding(client_id, agency_id), NOON)
    return client_id


def set_mapping(world: World, asker: Asker, mapping: dict[str, Any]) -> None:
    """Let an agency's records come under its own names."""
    with world.session() as session:
        agency = Agency(
            agency_id=asker.agency_id,
            role=AgencyRole.TAX,
            name_ru="Инспекция",
            name_en="Inspection",
            mapping=mapping,
        )
        add_agency(session, agency, world.clock.now())


def an_asker(
    world: World, *, fields: Sequence[str] = FIELDS, sector: str = "", role: str = "tax"
) -> Asker:
    """An agency with a client, an official key, and mandates on `BASIS`."""
    agency_id = AgencyId(f"inspection-{next(_numbers)}")
    official_key = OfficialKey(kid=f"officials-{agency_id}")
    with world.session() as session:
        agency = Agency(
            agency_id=agency_id,
            role=AgencyRole(role),
            name_ru="Инспекция",
            name_en="Inspection",
            mapping={},
            sector=sector,
        )
        add_agency(session, agency, NOON)
        add_official_key(session, agency_id, kid=official_key.kid, jwk=official_key.jwk, at=NOON)
        for code in (BASIS, "family_code_8"):
            words = f"По закону {code}"
            basis = LegalBasis(code=code, title_ru=words, title_en=code, reference="статья 85")
            add_legal_basis(session, basis, NOON)
    client_id = a_client(world, agency_id)
    asker = Asker(
        world=world,
        agency_id=agency_id,
        client_id=client_id,
        token=a_client_token(world, client_id, SCOPE),
        official_key=official_key,
    )
    if fields:
        asker.mandate(*fields)
    return asker


def logged(world: World, person_id: PersonId) -> list[NewEntry]:
    """Return what agencies asked about a person, the oldest first."""
    with world.session() as session:
        entries = list_entries(session, person_id, limit=200)
    return [
        each.entry for each in reversed(entries) if each.entry.action.startswith("partner_api.")
    ]


def an_inn() -> str:
    """Return an INN that nobody has yet."""
    digits = [int(digit) for digit in f"77{next(_numbers):08d}"]
    for weights in ((7, 2, 4, 10, 3, 5, 9, 4, 6, 8), (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)):
        total = sum(w * d for w, d in zip(weights, digits, strict=True))
        digits.append(total % 11 % 10)
    return "".join(map(str, digits))


@dataclass(frozen=True, kw_only=True)
class Someone:
    """A person who is like nobody else in the world."""

    person_id: PersonId
    inn: str
    family_name: str
    given_name: str
    birthdate: str


_SYLLABLES = [c + v for c in "бвгджзклмнпрстфхчш" for v in "аеиоу"]


def someone(world: World, **attributes: Any) -> Someone:  # noqa: ANN401
    """Let the register know a person: of a name and birth date that nobody else has."""
    number = next(_numbers)
    mixed = sha256(str(number).encode())
    name = "".join(_SYLLABLES[byte % len(_SYLLABLES)] for byte in mixed[:4])
    said = {
        "family_name": f"{name}ов".capitalize(),
        "given_name": ("Анна", "Пётр", "Ольга", "Иван", "Нина")[mixed[4] % 5],
        "birthdate": f"{1930 + mixed[5] % 70}-{1 + mixed[6] % 12:02}-{1 + mixed[7] % 28:02}",
        "inn": an_inn(),
        **attributes,
    }
    person_id = world.a_person(**said)
    return Someone(
        person_id=person_id,
        **{name: said[name] for name in ("inn", "family_name", "given_name", "birthdate")},
    )
