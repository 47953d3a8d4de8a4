"""Signed introspection (RFC 9701): an answer that can be kept as evidence."""

import hashlib
from typing import Any

import jwt
import pytest

from kernel.secret import b64url
from tests.idp.idp_world import IdpWorld, RelyingParty, claims_of

JWT = "application/token-introspection+jwt"


def asked(client: RelyingParty, token: str, accept: str = JWT) -> Any:  # noqa: ANN401
    return client.post("/introspect", {"token": token}, headers={"Accept": accept})


@pytest.mark.spec("RFC9701-5")
def test_answer_is_signed_for_who_asked(world: IdpWorld) -> None:
    client = world.a_fapi2_client()
    token = client.tokens(world.someone())["access_token"]

    answer = asked(client, token)

    assert answer.headers["content-type"] == JWT
    header = jwt.get_unverified_header(answer.text)
    keys = jwt.PyJWKSet.from_dict(world.http.get("/jwks").json())
    claims = jwt.decode(
        answer.text,
        keys[header["kid"]],
        algorithms=["ES256"],
        audience=client.client_id,
        issuer=world.provider.issuer,
        options={"verify_iat": False},
    )
    assert header["typ"] == "token-introspection+jwt"
    assert claims["token_introspection"]["active"] is True
    assert "exp" not in claims
    assert "sub" not in claims


@pytest.mark.spec("RFC9701-5")
def test_token_of_somebody_else_is_inactive_and_nothing_more(world: IdpWorld) -> None:
    token = world.a_fapi2_client().tokens(world.someone())["access_token"]

    answer = asked(world.a_fapi2_client(), token)

    assert claims_of(answer.text)["token_introspection"] == {"active": False}


@pytest.mark.spec("RFC9701-4")
@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/jwt"])
def test_who_does_not_ask_for_it_gets_json(world: IdpWorld, accept: str) -> None:
    client = world.a_fapi2_client()

    answer = asked(client, "nonsense", accept)

    assert answer.json() == {"active": False}


@pytest.mark.spec("RFC9701-6")
def test_algorithm_is_the_registered_one(world: IdpWorld) -> None:
    client = world.a_relying_party(introspection_signed_response_alg="PS256")

    answer = asked(client, "nonsense", f"application/json;q=0.5, {JWT}")

    assert jwt.get_unverified_header(answer.text)["alg"] == "PS256"


@pytest.mark.spec("OIDCC-3.1.3.6")
def test_hash_of_the_access_token_is_over_what_the_algorithm_is_over(world: IdpWorld) -> None:
    client = world.a_relying_party(id_token_signed_response_alg="EdDSA")

    tokens = client.tokens(world.someone())

    whole = hashlib.sha512(tokens["access_token"].encode()).digest()
    assert claims_of(tokens["id_token"])["at_hash"] == b64url(whole[:32])
