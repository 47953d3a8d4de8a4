"""PyPI's `authlib` as a client; the demo bank, which is another, has tests of its own."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc6749 import MismatchingStateException
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from tests.interop.conftest import Running

CALLBACK = "http://localhost:9/callback"
NAME = "Анна Сергеевна Волкова"

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]


@dataclass
class Party:
    """A client of Authlib's, and what the server says of itself."""

    running: Running
    server: Mapping[str, Any]
    client: OAuth2Client

    def sign_in(self, **more: str) -> dict[str, Any]:
        """Sign the person in; return the token and the verified claims of the ID token."""
        verifier, nonce = generate_token(48), generate_token(20)
        url, state = self.client.create_authorization_url(
            self.server["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **more
        )
        with self.running.browser() as visitor:
            back = visitor.follow(url)
        token = self.client.fetch_token(
            self.server["token_endpoint"],
            authorization_response=back,
            state=state,
            code_verifier=verifier,
        )
        keys = KeySet.import_key_set(httpx2.get(self.server["jwks_uri"]).json())
        claims = CodeIDToken(
            jwt.decode(token["id_token"], keys, ["ES256", "RS256"]).claims,
            {},
            {
                "iss": {"essential": True, "value": self.server["issuer"]},
                "aud": {"essential": True, "value": self.client.client_id},
            },
            {"nonce": nonce, "client_id": self.client.client_id},
        )
        claims.validate(now=int(time.time()))  # noqa: TID251  # a client has its own clock
        return {"back": back, "state": state, "verifier": verifier, "claims": claims, **token}

    def person(self) -> httpx2.Response:
        answer: httpx2.Response = self.client.get(self.server["userinfo_endpoint"])
        return answer

    def introspect(self, token: str) -> dict[str, Any]:
        answer = self.client.introspect_token(self.server["introspection_endpoint"], token=token)
        return dict(answer.json())


METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]


@pytest.fixture
def party(running: Running, request: pytest.FixtureRequest) -> Iterator[Party]:
    """A client that registered itself, for one of the methods."""
    method = getattr(request, "param", "client_secret_basic")
    server = httpx2.get(f"{running.issuer}/.well-known/openid-configuration").json()
    key = ECKey.generate_key("P-256", {"kid": "key-1", "use": "sig", "alg": "ES256"})
    grant_types = ["authorization_code", "refresh_token", "client_credentials"]
    wanted = {
        "client_name": "Authlib",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": method,
        "id_token_signed_response_alg": "ES256",
        "grant_types": grant_types[:2] if method == "none" else grant_types,
    }
    if method == "private_key_jwt":
        wanted["jwks"] = {"keys": [key.as_dict(private=False)]}
    answer = httpx2.post(server["registration_endpoint"], json=wanted)
    registered = answer.raise_for_status().json()
    with OAuth2Client(
        client_id=registered["client_id"],
        client_secret=key if method == "private_key_jwt" else registered.get("client_secret"),
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        redirect_uri=CALLBACK,
        scope="openid profile offline_access",
        code_challenge_method="S256",
        token_endpoint=server["token_endpoint"],
    ) as client:
        client.register_client_auth_method(PrivateKeyJWT(server["token_endpoint"], alg="ES256"))
        yield Party(running, server, client)


each_method = pytest.mark.parametrize("party", METHODS, indirect=True)


@each_method
@pytest.mark.spec("OIDCC-3.1")
@pytest.mark.spec("RFC7636-4.6")
def test_code_with_pkce_and_userinfo(party: Party) -> None:
    signed_in = party.sign_in()

    said = party.person().json()
    assert said["name"] == NAME
    assert said["sub"] == signed_in["claims"]["sub"]


@each_method
@pytest.mark.spec("RFC6749-6")
def test_token_that_runs_out_is_refreshed_on_the_way(party: Party) -> None:
    before = party.sign_in()
    told: list[tuple[str, str]] = []
    party.client.update_token = lambda token, refresh_token: told.append(
        (token["refresh_token"], refresh_token)
    )
    party.client.token["expires_at"] = 1

    said = party.person().json()

    assert said["name"] == NAME
    assert told == [(party.client.token["refresh_token"], before["refresh_token"])]
    assert party.client.token["refresh_token"] != before["refresh_token"]
    assert party.client.token["access_token"] != before["access_token"]


@each_method
@pytest.mark.spec("RFC6749-6")
@pytest.mark.spec("RFC9700-4.14.2")
def test_refresh_token_that_comes_again_ends_the_family(party: Party) -> None:
    before = party.sign_in()
    party.client.refresh_token()

    with pytest.raises(OAuthError) as refused:
        party.client.refresh_token(refresh_token=before["refresh_token"])

    assert refused.value.error == "invalid_grant"
    assert party.person().status_code == 401


@pytest.mark.parametrize("party", METHODS[:3], indirect=True)
@pytest.mark.spec("RFC7662-2.2")
def test_introspection(party: Party) -> None:
    signed_in = party.sign_in()

    said = party.introspect(signed_in["access_token"])
    assert said["active"] is True
    assert said["client_id"] == party.client.client_id
    assert said["sub"] == signed_in["claims"]["sub"]
    assert party.introspect("nonsense") == {"active": False}


@each_method
@pytest.mark.spec("RFC7009-2.1")
def test_revocation(party: Party) -> None:
    signed_in = party.sign_in()
    assert party.person().status_code == 200

    answer = party.client.revoke_token(  # type: ignore[no-untyped-call]  # not in its stubs
        party.server["revocation_endpoint"], token=signed_in["refresh_token"]
    )

    assert answer.status_code == 200
    assert party.person().status_code == 401
    with pytest.raises(OAuthError) as refused:
        party.client.refresh_token(refresh_token=signed_in["refresh_token"])
    assert refused.value.error == "invalid_grant"


@pytest.mark.parametrize("party", METHODS[:3], indirect=True)
@pytest.mark.spec("RFC6749-4.4.3")
def test_client_credentials(party: Party) -> None:
    party.client.scope = None  # a client has no scope of a person's

    token = party.client.fetch_token(grant_type="client_credentials")

    assert "refresh_token" not in token
    assert party.introspect(token["access_token"])["active"] is True
    assert party.person().status_code == 403


@each_method
@pytest.mark.spec("RFC6749-4.1.2")
def test_code_that_comes_again_ends_what_it_bought(party: Party) -> None:
    signed_in = party.sign_in()

    with pytest.raises(OAuthError) as refused:
        party.client.fetch_token(
            authorization_response=signed_in["back"],
            state=signed_in["state"],
            code_verifier=signed_in["verifier"],
        )

    assert refused.value.error == "invalid_grant"
    assert party.person().status_code == 401


@pytest.mark.spec("RFC7636-4.6")
def test_another_verifier_is_refused(party: Party) -> None:
    url, state = party.client.create_authorization_url(
        party.server["authorization_endpoint"], code_verifier=generate_token(48)
    )
    with party.running.browser() as visitor:
        back = visitor.follow(url)

    with pytest.raises(OAuthError) as refused:
        party.client.fetch_token(
            authorization_response=back, state=state, code_verifier=generate_token(48)
        )

    assert refused.value.error == "invalid_grant"


def test_another_state_is_refused_by_the_client(party: Party) -> None:
    url, _ = party.client.create_authorization_url(party.server["authorization_endpoint"])
    with party.running.browser() as visitor:
        back = visitor.follow(url)

    with pytest.raises(MismatchingStateException):
        party.client.fetch_token(authorization_response=back, state="another")


@pytest.mark.spec("RFC6749-4.1.2.1")
def test_who_says_no(party: Party) -> None:
    url, state = party.client.create_authorization_url(party.server["authorization_endpoint"])
    with party.running.browser() as visitor:
        back = visitor.follow(url, decision="deny")

    answer = dict(parse_qsl(urlsplit(back).query))
    assert answer["error"] == "access_denied"
    assert answer["state"] == state
    assert answer["iss"] == party.server["issuer"]


@pytest.mark.parametrize("party", METHODS[:2], indirect=True)
@pytest.mark.spec("RFC6749-5.2")
def test_wrong_secret(party: Party) -> None:
    party.client.client_secret = "guess"

    with pytest.raises(OAuthError) as refused:
        party.client.fetch_token(grant_type="client_credentials")

    assert refused.value.error == "invalid_client"
