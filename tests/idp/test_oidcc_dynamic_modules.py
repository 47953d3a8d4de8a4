"""The modules of the dynamic plan, by their names; clients register and use `private_key_jwt`."""

from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.idp.idp_world import ISSUER, IdpWorld, parameters_of
from tests.idp.oidcc_suite import CALLBACK, JWKS_URI, Suite, publish
from tests.idp.pure import RSA_KEY, public_jwk, signed

NEW_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
REQUEST_URI = "https://suite.example/test/a/civitas/requesturi/" + "x" * 64 + "#" + "y" * 43
SECTOR_URI = "https://suite.example/test/a/civitas/sector"


@pytest.fixture
def suite(world: IdpWorld) -> Suite:
    return Suite(world, method="private_key_jwt")


def key_set(key: Any, kid: str | None = None) -> dict[str, object]:  # noqa: ANN401
    named = {} if kid is None else {"kid": kid}
    return {"keys": [public_jwk(key, use="sig", alg="RS256", **named)]}


@pytest.mark.spec("OIDCR-3.2")
def test_oidcc_server(suite: Suite) -> None:
    registered = suite.register()

    signed_in = suite.sign_in()

    assert "client_secret" not in registered
    assert suite.userinfo(signed_in.access_token)["sub"] == signed_in.id_token["sub"]
    gone = suite.world.http.delete(
        registered["registration_client_uri"].removeprefix(ISSUER),
        headers={"Authorization": f"Bearer {registered['registration_access_token']}"},
    )
    assert gone.status_code == 204


@pytest.mark.spec("OIDCR-2")
def test_oidcc_idtoken_rs256(suite: Suite) -> None:
    suite.register(id_token_signed_response_alg="RS256")

    assert suite.sign_in().id_token


@pytest.mark.spec("OIDCC-5.3.2")
def test_oidcc_userinfo_rs256(suite: Suite) -> None:
    suite.register(userinfo_signed_response_alg="RS256")
    signed_in = suite.sign_in(scope="openid profile")

    answer = suite.world.http.get(
        "/userinfo", headers={"Authorization": f"Bearer {signed_in.access_token}"}
    )

    assert answer.headers["content-type"] == "application/jwt"
    kid = jwt.get_unverified_header(answer.text)["kid"]
    keys = {key["kid"]: key for key in suite.world.http.get("/jwks").json()["keys"]}
    claims = jwt.decode(
        answer.text,
        jwt.PyJWK(keys[kid]),
        algorithms=["RS256"],
        audience=suite.client_id,
        issuer=ISSUER,
        options={"verify_iat": False},
    )
    assert claims["sub"] == signed_in.id_token["sub"]
    assert claims["family_name"] == "Волкова"
    assert "nonce" not in claims


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_ensure_redirect_uri_in_authorization_request(suite: Suite) -> None:
    suite.register(redirect_uris=[CALLBACK, f"{CALLBACK}/2"])

    page = suite.browser.get(suite.url(redirect_uri=None))

    assert (page.status_code, "location" in page.headers) == (400, False)


@pytest.mark.spec("RFC6749-3.1.2")
def test_oidcc_redirect_uri_query_ok(suite: Suite) -> None:
    suite.register(redirect_uris=[f"{CALLBACK}?dummy1=lorem&dummy2=ipsum"])

    answer = suite.sign_in().answer

    assert (answer["dummy1"], answer["dummy2"]) == ("lorem", "ipsum")


@pytest.mark.spec("RFC6749-3.1.2")
@pytest.mark.parametrize(
    ("module", "registered", "sent"),
    [
        ("mismatch", f"{CALLBACK}?foo=bar", f"{CALLBACK}?foo=other"),
        ("added", CALLBACK, f"{CALLBACK}?foo=bar"),
    ],
)
def test_oidcc_redirect_uri_query(suite: Suite, module: str, registered: str, sent: str) -> None:
    assert module
    suite.register(redirect_uris=[registered])

    page = suite.browser.get(suite.url(redirect_uri=sent))

    assert (page.status_code, "location" in page.headers) == (400, False)


@pytest.mark.spec("RFC6749-3.1.2")
def test_oidcc_redirect_uri_regfrag(suite: Suite) -> None:
    answer = suite.try_register(redirect_uris=[f"{CALLBACK}#foobar"])

    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_redirect_uri", "invalid_client_metadata"}


@pytest.mark.spec("OIDCR-2")
@pytest.mark.parametrize("field", ["logo_uri", "policy_uri", "tos_uri"])
def test_oidcc_registration_shown(suite: Suite, field: str) -> None:
    uri = f"https://suite.example/{field}.png"
    suite.register(**{field: uri})

    page = suite.page()

    assert f'{"src" if field == "logo_uri" else "href"}="{uri}"' in page.text


@pytest.mark.spec("OIDCR-2")
def test_oidcc_registration_jwks_uri(suite: Suite) -> None:
    publish(suite.world, key_set(RSA_KEY))
    suite.register(jwks=None, jwks_uri=JWKS_URI)

    assert suite.sign_in().id_token


@pytest.mark.spec("OIDCR-5")
def test_oidcc_registration_sector_uri(suite: Suite) -> None:
    site = publish(suite.world, [CALLBACK, "https://other.example/cb"])

    registered = suite.register(sector_identifier_uri=SECTOR_URI, subject_type="pairwise")

    assert registered["sector_identifier_uri"] == SECTOR_URI
    assert site.asked_for == [SECTOR_URI]
    assert suite.sign_in().id_token


@pytest.mark.spec("OIDCR-5")
@pytest.mark.parametrize("document", [["https://other.example/cb"], [], {"a": 1}, "x"])
def test_oidcc_registration_sector_bad(suite: Suite, document: object) -> None:
    publish(suite.world, document)

    answer = suite.try_register(sector_identifier_uri=SECTOR_URI)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


@pytest.mark.spec("OIDCC-10.1.1")
def test_oidcc_server_rotate_keys(suite: Suite) -> None:
    def kids() -> set[str]:
        return {key["kid"] for key in suite.world.http.get("/jwks").json()["keys"]}

    suite.register()
    before, signing = kids(), suite.world.app.state.signing
    with suite.world.session() as session:
        signing.rotate(session, "oidc", "RS256", at=suite.world.clock.now())
    signing.reload(at=suite.world.clock.now())

    assert kids() - before
    assert before <= kids()
    assert suite.sign_in().id_token


@pytest.mark.spec("OIDCC-10.1.1")
def test_oidcc_refresh_token_rp_key_rotation(suite: Suite) -> None:
    suite.kid = "first"
    published = publish(suite.world, key_set(RSA_KEY, "first"))
    suite.register(
        jwks=None, jwks_uri=JWKS_URI, grant_types=["authorization_code", "refresh_token"]
    )
    signed_in = suite.sign_in(scope="openid offline_access", prompt="consent")
    published.answer = httpx.Response(200, json=key_set(NEW_KEY, "second"))
    suite.key, suite.kid = NEW_KEY, "second"
    suite.world.later(seconds=60)

    refreshed = suite.post(
        "/token", grant_type="refresh_token", refresh_token=signed_in.tokens["refresh_token"]
    )

    assert refreshed.status_code == 200, refreshed.text
    assert suite.check_tokens(refreshed, nonce=None)[1]


@pytest.mark.spec("OIDCC-6.2")
@pytest.mark.parametrize("alg", ["RS256", "none"])
def test_oidcc_request_uri(suite: Suite, alg: str) -> None:
    """Signed it is read. `none` is not offered: the suite leaves that module out."""
    registered = suite.register(
        request_uris=[REQUEST_URI],
        **({"request_object_signing_alg": "RS256"} if alg == "RS256" else {}),
    )
    claims = {**suite.request(), "iss": suite.client_id, "aud": ISSUER}
    compact = (
        signed(claims, key=RSA_KEY, alg="RS256")
        if alg == "RS256"
        else jwt.encode(claims, "", algorithm="none")
    )
    publish(suite.world, compact.encode())

    if alg == "RS256":
        assert registered["request_uris"] == [REQUEST_URI]
        assert suite.sign_in(request_uri=REQUEST_URI).id_token
    else:
        assert suite.refused(request_uri=REQUEST_URI) == "invalid_request_object"


@pytest.mark.spec("OIDCC-6.1")
def test_oidcc_ensure_request_object_with_redirect_uri(suite: Suite) -> None:
    suite.register()
    claims = {**suite.request(), "iss": suite.client_id, "aud": ISSUER}
    url = suite.url(
        redirect_uri=f"{CALLBACK}/another", request=signed(claims, key=RSA_KEY, alg="RS256")
    )

    location = suite.browser.follow(url, suite.person)

    assert location.startswith(f"{CALLBACK}?")
    assert "code" in parameters_of(location)


@pytest.mark.spec("RFC7523-3")
@pytest.mark.parametrize("audience", [ISSUER, f"{ISSUER}/token"])
def test_oidcc_ensure_client_assertion_with_iss_aud_succeeds(
    suite: Suite, audience: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.register()
    assertion = suite.assertion
    monkeypatch.setattr(suite, "assertion", lambda: assertion(audience))

    assert suite.sign_in().id_token
