"""`examples/agency.py` and `examples/verify_answer.py`, as docs/agencies.md tells to use them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest

from app.cli.registering import provider_of
from examples.conformance_config import Client, arguments, configurations
from kernel.clock import FrozenClock, SystemClock
from kernel.ids import AgencyId
from partner_api.api import add_agency_client, add_agency_official_key
from tests.partner_api.agency_world import BASIS, RECORDS, RESOLVE, an_asker, an_inn
from tests.partner_api.partner_world import ISSUER, KEY, NOON, World

pytestmark = pytest.mark.db

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import agency  # type: ignore[import-not-found]  # noqa: PLC0415  # not a package of ours
    import verify_answer  # type: ignore[import-not-found]  # noqa: PLC0415

    yield SimpleNamespace(agency=agency, verify=verify_answer)
    del sys.modules["agency"], sys.modules["verify_answer"]


@pytest.fixture
def caller(world: World, examples: SimpleNamespace, tmp_path: Path) -> Any:  # noqa: ANN401
    """An agency that was set up with what the example made, at this very moment."""
    world.clock = world.app.state.clock = FrozenClock(SystemClock().now())
    agency_id = AgencyId(an_asker(world).agency_id)
    examples.agency.make_keys(tmp_path)
    with world.session() as session:
        registered = add_agency_client(
            session,
            provider_of(world.app.state),  # type: ignore[arg-type]  # has what is asked for
            agency_id,
            json.loads((tmp_path / "client.json").read_text()),
            at=world.clock.now(),
        )
        add_agency_official_key(
            session,
            agency_id,
            json.loads((tmp_path / "official.json").read_text()),
            at=world.clock.now(),
        )
    keys = [examples.agency.Key.load(tmp_path / f"{name}.pem") for name in ("client", "official")]
    return examples.agency.Agency(ISSUER, agency_id, registered.client_id, *keys)


def test_next_key_has_another_name(examples: SimpleNamespace, tmp_path: Path) -> None:
    """An agency that follows its official key registers the new one beside the old one."""
    for folder in ("old", "new"):
        examples.agency.make_keys(tmp_path / folder)

    kids = {
        json.loads((tmp_path / folder / "official.json").read_text())["kid"]
        for folder in ("old", "new")
    }

    assert len(kids) == 2


def get_token(world: World, caller: Any) -> str:  # noqa: ANN401
    uri, form, headers = caller.token_request()
    answer = world.http.post(uri, data=form, headers=headers)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


def test_agency_sends_a_record_asks_and_keeps_the_answer_as_evidence(
    world: World,
    caller: Any,  # noqa: ANN401
    examples: SimpleNamespace,
) -> None:
    token, inn = get_token(world, caller), an_inn()
    row = {
        "record_number": "1",
        "version": 1,
        "valid_from": "2020-01-01",
        "family_name": "Показателева",
        "given_name": "Анна",
        "birthdate": "1986-03-14",
        "inn": inn,
    }
    question = {"legal_basis": BASIS, "purpose": "case 12-345", "identifiers": {"inn": inn}}
    body = json.dumps(question).encode()

    sent = world.http.post(
        RECORDS,
        json=row,
        headers=caller.headers("POST", RECORDS, token=token, official="inspector-7"),
    )
    answered = world.http.post(
        RESOLVE,
        content=body,
        headers={
            **caller.headers("POST", RESOLVE, token=token, official="inspector-7"),
            "Content-Type": "application/json",
            "Accept": "application/jwt",
        },
    )
    keys = world.http.get("/agency/v1/jwks").json()

    assert (sent.status_code, answered.status_code) == (201, 200), answered.text
    evidence = examples.verify.verify_answer(answered.text, body, keys)
    assert evidence["answer"]["fields"]["family_name"]["value"] == "Показателева"
    assert evidence["official"] == "inspector-7"
    others: list[tuple[str, bytes, dict[str, Any]]] = [
        (answered.text, body + b" ", keys),
        (answered.text[:-4] + "AAAA", body, keys),
        (answered.text, body, {"keys": []}),
        (token, body, keys),
    ]
    for answer, asked, known in others:
        with pytest.raises(examples.verify.NotEvidence):
            examples.verify.verify_answer(answer, asked, known)


def test_token_of_the_client_is_for_the_scopes_it_was_registered_with(
    world: World,
    caller: Any,  # noqa: ANN401
) -> None:
    uri, form, _ = caller.token_request()
    proof = {"DPoP": caller.proof("POST", uri)}

    refused = world.http.post(uri, data={**form, "scope": "register.mandates"}, headers=proof)

    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")


def test_agency_takes_the_clients_of_the_conformance_suite(world: World) -> None:
    party = Client("machine-1")
    given = arguments([ISSUER, "folder", "anna", "password", "--machine"])
    files = configurations(given, party, party)
    with world.session() as session:
        client_id = add_agency_client(
            session,
            provider_of(world.app.state),  # type: ignore[arg-type]  # has what is asked for
            AgencyId(an_asker(world).agency_id),
            files["client1.json"],
            at=NOON,
        ).client_id
    told = files["fapi2.json"]
    (key,) = told["client"]["jwks"]["keys"]
    at = int(NOON.timestamp())
    claims = {"iss": client_id, "sub": client_id, "aud": ISSUER, "iat": at, "exp": at + 60}
    form = {
        "grant_type": "client_credentials",
        "scope": told["client"]["scope"],
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(
            claims | {"jti": "1"}, jwt.PyJWK(key).key, "PS256", headers={"kid": key["kid"]}
        ),
    }

    proof = KEY.proof("", "/token", at=NOON, method="POST")
    answer = world.http.post("/token", data=form, headers={"DPoP": proof})
    token = answer.json()["access_token"]
    path = told["resource"]["resourceUrl"].removeprefix(ISSUER)
    proof = KEY.proof(token, path, at=NOON)
    read = world.http.get(path, headers={"Authorization": f"DPoP {token}", "DPoP": proof})

    assert path == "/agency/v1/feeds"
    assert read.status_code == 200, read.text
