"""npm's `openid-client` and `oauth4webapi`: the same scenarios, told by each in its own words.

What a scenario does stands in `openid_client.mjs` and `oauth4webapi.mjs`; it returns what the
client learned, and both have to have learned the same.
"""

from pathlib import Path

import pytest

from idp.model import ClientProfile
from tests.interop.conftest import NODE_PACKAGES, Running
from tests.interop.javascript import Party, Play

NAME = "Анна Сергеевна Волкова"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        not (NODE_PACKAGES / "openid-client").exists(),
        reason="no interoperability tests: openid-client is missing (make setup)",
    ),
]


@pytest.fixture(params=["openid_client", "oauth4webapi"])
def party(request: pytest.FixtureRequest) -> Party:
    """Which of the two libraries plays the scenario."""
    name: Party = request.param
    return name


@pytest.fixture
def play(running: Running, node: Path, party: Party) -> Play:
    return Play(running, node, party)


SIGNED_IN = {"token_type": "bearer", "name": NAME}


@pytest.mark.spec("OIDCC-3.1")
@pytest.mark.spec("RFC7636-4.6")
@pytest.mark.parametrize(
    ("method", "alg"),
    [
        ("client_secret_basic", "RS256"),
        ("client_secret_post", "PS256"),
        ("none", "EdDSA"),
        ("private_key_jwt", "RS256"),
        ("private_key_jwt", "ES256"),
        ("private_key_jwt", "PS256"),
        ("private_key_jwt", "EdDSA"),
    ],
)
def test_code_with_pkce(play: Play, method: str, alg: str) -> None:
    """ID token and userinfo are signed with `alg`, and the client verifies both."""
    learned = play("code", method=method, alg=alg)

    assert learned == {"issuer": play.running.issuer, **SIGNED_IN}


@pytest.mark.spec("RFC9126-2.1")
@pytest.mark.spec("RFC9126-5")
def test_pushed_requests(play: Play) -> None:
    learned = play("par")

    assert learned == {
        "issuer": play.running.issuer,
        **SIGNED_IN,
        "in_address": ["client_id", "request_uri"],
        "not_pushed": "invalid_request",
        "used_again": False,
    }


@pytest.mark.spec("RFC9449-5")
@pytest.mark.spec("RFC9449-11.1")
@pytest.mark.parametrize("alg", ["ES256", "PS256", "Ed25519"])
def test_dpop(play: Play, alg: str) -> None:
    learned = play("dpop", alg=alg)

    assert learned == {
        "issuer": play.running.issuer,
        **SIGNED_IN,
        "token_type": "dpop",
        "bearer": "invalid_token",
        "other_key": "invalid_token",
        "replayed": "invalid_dpop_proof",
    }


@pytest.mark.spec("RFC9449-10")
def test_a_code_is_bound_to_the_key_that_was_named(play: Play) -> None:
    assert play("dpop_jkt") == {"other_key": "invalid_grant"}


@pytest.mark.spec("RFC9101-5")
@pytest.mark.spec("RFC9101-10.5")
@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_signed_requests(play: Play, alg: str) -> None:
    learned = play("jar", alg="Ed25519" if alg == "EdDSA" else alg)

    assert learned == {
        "issuer": play.running.issuer,
        **SIGNED_IN,
        "in_address": ["client_id", "request"],
        "unsigned": "invalid_request",
        "tampered": "invalid_request_object",
    }


@pytest.mark.spec("JARM-2.4")
@pytest.mark.parametrize("alg", ["ES256", "PS256", "EdDSA"])
def test_signed_answers(play: Play, alg: str) -> None:
    learned = play("jarm", alg=alg)

    assert learned == {
        "issuer": play.running.issuer,
        **SIGNED_IN,
        "in_answer": ["response"],
        "tampered": "OAUTH_INVALID_RESPONSE",
    }


@pytest.mark.spec("OIDCR-2")
@pytest.mark.parametrize(
    "alg", ["RSA-OAEP-256+A256GCM", "ECDH-ES+A128CBC-HS256", "ECDH-ES+A256GCM"]
)
def test_encrypted_answers(play: Play, alg: str) -> None:
    """ID token, userinfo, authorization response and introspection, each signed in it."""
    learned = play("encrypted", alg=alg)

    assert learned == {
        "issuer": play.running.issuer,
        **SIGNED_IN,
        "active": True,
        "parts": [5, 5],
    }


@pytest.mark.spec("RFC8628-3.4")
@pytest.mark.spec("RFC8628-3.5")
def test_device(play: Play) -> None:
    learned = play("device")

    assert learned == {
        "issuer": play.running.issuer,
        **SIGNED_IN,
        "refreshed": "string",
        "denied": "access_denied",
        "used_again": "invalid_grant",
    }


@pytest.mark.spec("RFC8628-3.5")
def test_a_device_waits_for_the_person(play: Play) -> None:
    """`openid-client` waits as it is told; with `oauth4webapi` one can be too fast."""
    answers = {
        "openid_client": ["authorization_pending", "tokens"],
        "oauth4webapi": ["authorization_pending", "slow_down", "tokens"],
    }

    assert play("device_waits") == {"answers": answers[play.party]}


@pytest.mark.spec("CIBA-7.1")
@pytest.mark.spec("CIBA-10.1")
def test_ciba_poll(play: Play) -> None:
    learned = play("ciba", mark=play.mark(), initial_access_tokens=play.tokens())

    assert learned == {
        "issuer": play.running.issuer,
        **SIGNED_IN,
        "denied": "access_denied",
        "used_again": "invalid_grant",
        "malformed_hint": "invalid_request",
    }


@pytest.mark.spec("CIBA-10.2")
@pytest.mark.usefixtures("worker")
def test_ciba_ping(play: Play) -> None:
    learned = play("ciba_ping", mark=play.mark(), initial_access_tokens=play.tokens())

    assert learned == {
        "issuer": play.running.issuer,
        **SIGNED_IN,
        "told": True,
        "bearer": True,
    }


@pytest.mark.spec("RFC6749-6")
@pytest.mark.spec("RFC9700-4.14.2")
def test_refresh(play: Play) -> None:
    assert play("refresh") == {
        "rotated": True,
        "same_person": True,
        "wide": "invalid_scope",
        "replay": "invalid_grant",
        "family": "invalid_grant",
        "access_token": "invalid_token",
    }


def test_a_lost_refresh_response_is_told_again_to_the_holder_of_the_key(play: Play) -> None:
    assert play("refresh_retry") == {
        "rotated": True,
        "same_successor": True,
        "other_key": "invalid_grant",
    }


@pytest.mark.spec("RFC7662-2.2")
@pytest.mark.spec("RFC9701-5")
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_introspection(play: Play, alg: str) -> None:
    """Signed introspection; another client learns nothing of a token that is not its own."""
    assert play("introspection", alg=alg) == {
        "active": True,
        "same_person": True,
        "refresh_token": True,
        "to_another": {"active": False},
        "nonsense": False,
    }


@pytest.mark.spec("RFC7009-2.1")
def test_revocation(play: Play) -> None:
    assert play("revocation") == {
        "by_another": NAME,
        "access_token": "invalid_token",
        "next_access_token": NAME,
        "after_refresh_token": "invalid_token",
        "refresh_token": "invalid_grant",
    }


@pytest.mark.spec("OIDCRIL-2")
@pytest.mark.spec("OIDCC-3.1.2.6")
def test_logout(play: Play) -> None:
    assert play("logout") == {
        "before": True,
        "unregistered": False,
        "bye": "http://localhost:9/bye?state=bye",
        "after": "login_required",
    }


@pytest.mark.spec("RFC6749-4.4.3")
def test_client_credentials(play: Play) -> None:
    assert play("client_credentials") == {
        "token_type": "bearer",
        "about_nobody": "insufficient_scope",
        "refresh_token": True,
    }


@pytest.mark.spec("RFC8693-2.2.1")
def test_token_exchange(play: Play) -> None:
    learned = play("token_exchange", initial_access_tokens=play.tokens(3))

    assert learned == {
        "same_person": True,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "outside_the_group": "invalid_request",
    }


@pytest.mark.spec("RFC9207-2.4")
@pytest.mark.spec("OIDCC-3.1.3.7")
@pytest.mark.spec("RFC6749-4.1.2")
def test_wrong_answers_are_refused_on_either_side(play: Play) -> None:
    """Codes in capitals are the client's own: it refused before it asked us anything."""
    assert play("wrong_answers") == {
        "denied": "access_denied",
        "iss": "OAUTH_INVALID_RESPONSE",
        "no_iss": "OAUTH_INVALID_RESPONSE",
        "state": "OAUTH_INVALID_RESPONSE",
        "nonce": "OAUTH_JWT_CLAIM_COMPARISON_FAILED",
        "verifier": "invalid_grant",
        "code": "invalid_grant",
        "code_replayed": "invalid_grant",
        "tokens_of_replayed": "invalid_token",
    }


@pytest.mark.spec("RFC6749-5.2")
def test_wrong_client_authentication(play: Play) -> None:
    """Who tries HTTP Basic gets a challenge for it; both libraries read that before the body."""
    assert play("wrong_client") == {
        "other_key": "invalid_client",
        "secret": "basic",
        "nothing": "invalid_client",
    }


@pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.2")
@pytest.mark.spec("FAPI2-MS-5.3.1-1")
@pytest.mark.parametrize("alg", ["ES256", "PS256", "EdDSA"])
def test_the_signed_person_under_fapi2(play: Play, alg: str) -> None:
    """Pushed and signed request, signed answer, bound tokens, and what the person agreed to."""
    tokens = play.tokens(profile=ClientProfile.FAPI2)

    learned = play("fapi2", alg=alg, initial_access_tokens=tokens)

    attributes = learned.pop("attributes")
    assert {name: said["value"] for name, said in attributes.items()} == {
        "family_name": "Волкова",
        "given_name": "Анна",
        "birthdate": "1986-03-14",
    }
    assert learned == {
        "issuer": play.running.issuer,
        "token_type": "dpop",
        "in_address": ["client_id", "request_uri"],
        "in_answer": ["response"],
        "details": [["civitas_disclosure", "account_opening"]],
        "signed": "ES256",
        "about": True,
        "active": True,
        "other_key": "invalid_token",
        "no_proof": "invalid_token",
        "not_signed": "invalid_request",
        "no_pkce": "invalid_request",
        "is_kept": True,
    }
