"""Values that no agency sends by mistake: refused in each field of each request, never a defect."""

import json
from typing import Any
from urllib.parse import quote_from_bytes

import httpx
import pytest

from tests.partner_api.agency_world import (
    BASIS,
    BATCH,
    CONVERT,
    PURPOSE,
    RECORDS,
    RESOLVE,
    Asker,
    a_client,
    a_client_token,
    an_asker,
    an_inn,
    someone,
)
from tests.partner_api.partner_world import World

pytestmark = [pytest.mark.db, pytest.mark.timeout(60)]

MANDATES = "/agency/v1/administration/mandates"
BASES = "/agency/v1/administration/legal-bases"

TEXTS = {
    "nul": "a\0b",
    "half of a pair": "\ud800",
    "digits of others": "٣٤٥٦",
    "year 1": "0001-01-01",
    "year 9999": "9999-12-31",
}
VALUES: dict[str, Any] = TEXTS | {
    "number past any": 10**400,
    "number past 64 bits": 2**64,
    "less than any": -(2**63) - 1,
    "no number": float("nan"),
    "object": {"a": {"b": "\0"}},
    "nested deeply": json.loads("[" * 300 + "]" * 300),
}


def check(answer: httpx.Response, what: str) -> None:
    assert answer.status_code < 500, f"{what}: {answer.status_code} {answer.text}"


def changed(body: Any, value: Any) -> list[tuple[str, Any]]:  # noqa: ANN401  # JSON
    """Return a body with each of its values, at any depth, put in place of another."""
    if isinstance(body, dict):
        found = [
            (f"{name}.{where}" if where else name, {**body, name: other})
            for name, inner in body.items()
            for where, other in [*changed(inner, value), ("", value)]
        ]
        return [*found, ("a new name", {**body, "\0": value}), ("another", {**body, "zzz": value})]
    if isinstance(body, list):
        return [("0", [value])]
    return []


@pytest.fixture(scope="module")
def asker(opened_world: World) -> Asker:
    return an_asker(opened_world)


def bodies(asker: Asker) -> dict[str, dict[str, Any]]:
    asked = {"legal_basis": BASIS, "purpose": PURPOSE}
    return {
        RECORDS: {
            "record_number": "Н-1",
            "version": 1,
            "valid_from": "2020-01-01",
            "valid_to": None,
            "corrects": None,
            "kind": "statement",
            "family_name": "Волкова",
            "birthdate": "1986-03-14",
            "inn": an_inn(),
            "passport": {"number": "4509 123456", "issued_on": "2010-01-01", "issued_by": "ОВД"},
            "registration_address": {"region": "77", "text": "Москва"},
        },
        RESOLVE: {
            **asked,
            "fields": ["inn"],
            "identifiers": {"inn": an_inn()},
            "attributes": {"family_name": "Волкова", "birthdate": "1986-03-14"},
        },
        BATCH: {"id": 1, "identifiers": {"inn": an_inn()}},
        CONVERT: {**asked, "pseudonym": "x" * 43, "to_sector": asker.agency_id},
    }


@pytest.mark.parametrize("path", [RECORDS, RESOLVE, BATCH, CONVERT])
def test_in_what_an_agency_sends(asker: Asker, path: str) -> None:
    body = bodies(asker)[path]
    asker = asker.with_token()
    for name, value in VALUES.items():
        for where, sent in changed(body, value):
            kind = {"Content-Type": "application/x-ndjson"} if path is BATCH else {}
            check(asker.post(path, sent, headers=kind), f"{path} {where}: {name}")


@pytest.mark.parametrize("path", [MANDATES, BASES])
def test_in_what_the_administration_sends(world: World, asker: Asker, path: str) -> None:
    client_id = a_client(world, None)
    administration = Asker(
        world=world,
        agency_id=asker.agency_id,
        client_id=client_id,
        token=a_client_token(world, client_id, ["register.mandates"]),
        official_key=asker.official_key,
    )
    body = {
        MANDATES: {
            "agency": asker.agency_id,
            "field": "inn",
            "legal_basis": BASIS,
            "condition": "always",
            "valid_from": "2026-01-01",
            "valid_to": None,
        },
        BASES: {"code": "housing", "title_ru": "а", "title_en": "a", "reference": "b"},
    }[path]

    for name, value in VALUES.items():
        for where, sent in changed(body, value):
            check(administration.post(path, sent, official=None), f"{path} {where}: {name}")
    for name, value in TEXTS.items():
        written = quote_from_bytes(value.encode(errors="surrogatepass"))[:8000]
        check(administration.get(f"{MANDATES}?agency={written}"), name)
        check(administration.post(f"{MANDATES}/{written}/revoke", b"", official=None), name)


def test_in_the_address(asker: Asker) -> None:
    asker = asker.with_token()
    for name, value in TEXTS.items():
        written = quote_from_bytes(value.encode(errors="surrogatepass"))[:8000]
        for path in ("feeds/{}", "feeds/{}/rejections", "worklist?status={}", "worklist?after={}"):
            check(asker.get(f"/agency/v1/{path.format(written)}"), f"{path} {name}")
        for path in (
            f"/agency/v1/resolve/batch?legal_basis={written}&purpose=a",
            f"/agency/v1/resolve/batch?legal_basis={BASIS}&purpose={written}",
        ):
            check(asker.post(path, b'{"id": 1}'), f"{path[:60]} {name}")
        check(asker.post(f"/agency/v1/worklist/{written}/answer", {"answer": "corrected"}), name)


def test_in_what_an_official_is_called(world: World, asker: Asker) -> None:
    asker = asker.with_token()
    person = someone(world)
    for claim in ("sub", "name", "jti", "iss", "aud", "iat", "exp"):
        for name, value in (TEXTS if claim == "iss" else VALUES).items():
            official = asker.official(**{claim: value})
            answer = asker.ask(identifiers={"inn": person.inn}, official=official)
            check(answer, f"{claim}: {name}")


def test_in_a_feed(asker: Asker) -> None:
    asker = asker.with_token()
    for name, value in TEXTS.items():
        row = {**bodies(asker)[RECORDS], "record_number": value, "given_name": value}
        for content in (json.dumps(row).encode(), json.dumps(row).encode() + b"\n\0\n"):
            kind = {"Content-Type": "application/x-ndjson"}
            answer = asker.post("/agency/v1/feeds", content, official=None, headers=kind)
            check(answer, name)
