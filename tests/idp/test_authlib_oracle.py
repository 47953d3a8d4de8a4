"""Where both speak, Authlib's server and ours say the same; where not, the reason stands here."""

from collections.abc import Mapping
from itertools import product
from urllib.parse import urlencode

import pytest

from kernel.secret import b64url, sha256
from tests.idp.authlib_oracle import Oracle, OracleClient, OracleCode, Said
from tests.idp.idp_world import REDIRECT_URI, IdpWorld, RelyingParty, basic, parameters_of

CHALLENGE = b64url(sha256(b"v" * 43))

CLIENTS = (None, "nobody")
REDIRECT_URIS = (REDIRECT_URI, "https://evil.example/callback", REDIRECT_URI + "?more")
RESPONSE_TYPES = ("code", "token", "code id_token")
SCOPES = ("openid", "openid unknown", "unknown")
CHALLENGES: tuple[Mapping[str, str], ...] = (
    {"code_challenge": CHALLENGE, "code_challenge_method": "S256"},
    {"code_challenge": CHALLENGE, "code_challenge_method": "plain"},
    {"code_challenge": "short", "code_challenge_method": "S256"},
)


@pytest.fixture
def party(world: IdpWorld) -> RelyingParty:
    return world.a_relying_party(method="none", grant_types=["authorization_code"])


def oracle_for(party: RelyingParty) -> Oracle:
    oracle = Oracle()
    oracle.state.clients[party.client_id] = OracleClient(
        client_id=party.client_id,
        secret=party.secret,
        method=party.method,
        redirect_uris=(REDIRECT_URI,),
        grant_types=("authorization_code",)
        if party.method == "none"
        else ("authorization_code", "client_credentials"),
    )
    return oracle


def ours(world: IdpWorld, parameters: Mapping[str, str]) -> Said:
    answer = world.http.get(f"/authorize?{urlencode(parameters)}")
    if answer.status_code == 400:
        return Said("page")
    assert answer.status_code == 303
    location = answer.headers["location"]
    return Said(None if location.startswith("/interaction/") else parameters_of(location)["error"])


@pytest.mark.spec("RFC6749-4.1.2.1")
@pytest.mark.timeout(60)
def test_authorization_requests_are_answered_alike(world: IdpWorld, party: RelyingParty) -> None:
    oracle, compared = oracle_for(party), 0
    for client_id, uri, response_type, scope, challenge in product(
        (party.client_id, *CLIENTS), REDIRECT_URIS, RESPONSE_TYPES, SCOPES, CHALLENGES
    ):
        wrong = (response_type != "code") + (scope == "unknown") + (challenge != CHALLENGES[0])
        if wrong > 1:
            continue  # which of two mistakes is named is nobody's rule
        parameters = {
            "client_id": client_id,
            "redirect_uri": uri,
            "response_type": response_type,
            "scope": scope,
            "state": "s",
            **challenge,
        }
        sent = {name: value for name, value in parameters.items() if value is not None}

        assert ours(world, sent) == oracle.authorize(sent), sent
        compared += 1
    assert compared > 40


@pytest.mark.spec("RFC6749-3.1.2.3")
def test_redirect_uri_is_always_named_here(world: IdpWorld, party: RelyingParty) -> None:
    """Authlib falls back on the only registered one (RFC 6749, 3.1.2.3); OpenID Connect requires it."""  # noqa: E501
    sent = {
        "client_id": party.client_id,
        "response_type": "code",
        "scope": "openid",
        **CHALLENGES[0],
    }

    assert oracle_for(party).authorize(sent) == Said(None)
    assert ours(world, sent) == Said("page")


@pytest.mark.spec("RFC7636-4.3")
@pytest.mark.parametrize("challenge", [{"code_challenge": CHALLENGE}, {}], ids=["plain", "none"])
def test_public_client_without_s256_is_refused_before_the_person_is_asked_here(
    world: IdpWorld, party: RelyingParty, challenge: dict[str, str]
) -> None:
    """Authlib lets both pass and refuses the token request (an omitted method means `plain`)."""
    sent = {
        "client_id": party.client_id,
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "scope": "openid",
        **challenge,
    }

    assert oracle_for(party).authorize(sent) == Said(None)
    assert ours(world, sent) == Said("invalid_request")


class TestToken:
    @pytest.mark.spec("RFC6749-5.2")
    @pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"code": "unknown"},
            {"code": None},
            {"redirect_uri": "https://rp.example/other"},
            {"redirect_uri": None},
            {"code_verifier": "w" * 43},
            {"grant_type": "password"},
            {"client": "wrong secret"},
            {"client": "unknown"},
        ],
        ids=[
            "good", "unknown code", "no code", "other redirect URI", "no redirect URI",
            "wrong verifier", "unknown grant", "wrong secret", "unknown client",
        ],
    )  # fmt: skip
    def test_request_is_answered_alike(
        self, world: IdpWorld, method: str, change: dict[str, str | None]
    ) -> None:
        party = world.a_relying_party(
            method=method,
            grant_types=["authorization_code"]
            if method == "none"
            else ["authorization_code", "client_credentials"],
        )
        if method == "none" and change.get("client") == "wrong secret":
            return  # a public client has no secret
        code = party.code(world.someone(), "v" * 43)
        oracle = oracle_for(party)
        oracle.codes[code] = OracleCode(
            code=code,
            client_id=party.client_id,
            redirect_uri=REDIRECT_URI,
            scope="openid",
            code_challenge=CHALLENGE,
        )
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": "v" * 43,
        }
        form |= {name: value for name, value in change.items() if name != "client"}
        fields, headers = credentials(party, change.get("client"))
        sent = {name: value for name, value in (form | fields).items() if value is not None}

        theirs = oracle.token(sent, headers)

        answer = world.http.post("/token", data=sent, headers=headers)
        mine = (answer.status_code, answer.json().get("error"))
        if mine[1] == "invalid_client":
            # RFC 6749, 5.2 allows 400 where no scheme was used; ours is always 401.
            assert theirs[1] == "invalid_client"
        else:
            assert mine == theirs

    @pytest.mark.spec("RFC7636-4.6")
    def test_missing_verifier_is_an_invalid_grant_here(self, world: IdpWorld) -> None:
        """Authlib says `invalid_request`; the conformance suite wants what RFC 7636, 4.6 says."""
        party = world.a_relying_party()
        code = party.code(world.someone(), "v" * 43)

        assert party.redeem(code).json()["error"] == "invalid_grant"

    @pytest.mark.spec("RFC6749-4.1.2")
    def test_authlib_forgets_a_code_that_we_recognise(self, world: IdpWorld) -> None:
        """Both refuse; only who remembers the code can revoke what it bought."""
        party = world.a_relying_party()
        code = party.code(world.someone(), "v" * 43)
        oracle = oracle_for(party)
        oracle.codes[code] = OracleCode(
            code=code, client_id=party.client_id, redirect_uri=REDIRECT_URI, scope="openid",
            code_challenge=CHALLENGE,
        )  # fmt: skip
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI,
            "code_verifier": "v" * 43,
        }  # fmt: skip
        assert party.secret is not None
        headers = {"Authorization": basic(party.client_id, party.secret)}
        token = party.post("/token", form).json()["access_token"]
        assert oracle.token(form, headers)[0] == 200

        assert party.post("/token", form).json()["error"] == "invalid_grant"
        assert oracle.token(form, headers) == (400, "invalid_grant")
        assert party.userinfo(token).status_code == 401


def credentials(party: RelyingParty, wrong: str | None) -> tuple[dict[str, str], dict[str, str]]:
    client_id = "nobody" if wrong == "unknown" else party.client_id
    secret = "wrong" if wrong == "wrong secret" else party.secret or ""
    match party.method:
        case "client_secret_basic":
            return {}, {"Authorization": basic(client_id, secret)}
        case "client_secret_post":
            return {"client_id": client_id, "client_secret": secret}, {}
        case _:
            return {"client_id": client_id}, {}
