"""The modules of the basic plan, by their names: what each sends, and how it is answered."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pytest

from tests.idp.idp_world import ISSUER, IdpWorld, parameters_of
from tests.idp.oidcc_suite import CALLBACK, Suite
from tests.idp.pure import RSA_KEY, signed


@pytest.fixture
def suite(world: IdpWorld) -> Suite:
    suite = Suite(world)
    suite.register()
    return suite


def discovery(world: IdpWorld) -> dict[str, list[str]]:
    return dict(world.http.get("/.well-known/openid-configuration").json())


@pytest.mark.spec("OIDCC-3.1.3.7")
def test_oidcc_server(suite: Suite) -> None:
    signed_in = suite.sign_in()

    assert suite.userinfo(signed_in.access_token)["sub"] == signed_in.id_token["sub"]


@pytest.mark.spec("RFC6749-3.1.1")
def test_oidcc_response_type_missing(suite: Suite) -> None:
    assert suite.refused(response_type=None) == "invalid_request"


@pytest.mark.spec("OIDCC-3.1.3.7")
def test_oidcc_idtoken_signature(suite: Suite) -> None:
    """The algorithm is RS256 where none is asked for; `sign_in` verifies it."""
    assert suite.registration["id_token_signed_response_alg"] == "RS256"
    assert suite.sign_in().id_token


@pytest.mark.spec("OIDCC-2")
def test_oidcc_idtoken_unsigned(suite: Suite) -> None:
    """Not offered, and the suite leaves the module out; who asks all the same is refused."""
    assert "none" not in discovery(suite.world)["id_token_signing_alg_values_supported"]
    answer = suite.try_register(id_token_signed_response_alg="none")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


@pytest.mark.spec("OIDCC-5.3.1")
@pytest.mark.parametrize("method", ["get", "post_header", "post_body"])
def test_oidcc_userinfo(suite: Suite, method: str) -> None:
    signed_in = suite.sign_in()
    token, http = signed_in.access_token, suite.world.http
    header = {"Authorization": f"Bearer {token}"}

    match method:
        case "get":
            answer = http.get("/userinfo", headers=header)
        case "post_header":
            answer = http.post("/userinfo", headers=header)
        case _:
            answer = http.post("/userinfo", data={"access_token": token})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"sub": signed_in.id_token["sub"]}


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(suite: Suite) -> None:
    assert "nonce" not in suite.sign_in(nonce=None).id_token


@pytest.mark.spec("OIDCC-5.4")
def test_oidcc_scope_profile(suite: Suite) -> None:
    signed_in = suite.sign_in(scope="openid profile")

    claims = suite.userinfo(signed_in.access_token)
    assert claims == {
        "sub": signed_in.id_token["sub"],
        "name": "Анна Сергеевна Волкова",
        "given_name": "Анна",
        "middle_name": "Сергеевна",
        "family_name": "Волкова",
        "gender": "female",
        "birthdate": suite.person.birthdate,
    }
    assert not claims.keys() & signed_in.id_token.keys() - {"sub"}


@pytest.mark.spec("OIDCC-5.1.1")
def test_oidcc_scope_address(suite: Suite) -> None:
    address = suite.userinfo(suite.sign_in(scope="openid address").access_token)["address"]

    assert all(isinstance(value, str) for value in address.values())
    assert (address["locality"], address["postal_code"]) == ("Москва", "125009")


@pytest.mark.parametrize("scope", ["email", "phone"])
def test_oidcc_scope_email_and_phone(suite: Suite, scope: str) -> None:
    """The register knows neither: the suite leaves these modules and oidcc-scope-all out."""
    assert scope not in discovery(suite.world)["scopes_supported"]

    signed_in = suite.sign_in(scope=f"openid {scope}")

    assert signed_in.tokens["scope"] == "openid"
    assert suite.userinfo(signed_in.access_token).keys() == {"sub"}


@pytest.mark.spec("RFC6749-3.3")
def test_oidcc_alternate_happy_flow(suite: Suite) -> None:
    request = suite.request(scope="address profile openid")
    url = f"/authorize?{urlencode(list(reversed(request.items())))}"

    answer = parameters_of(suite.browser.follow(url, suite.person))

    tokens = suite.redeem(answer["code"]).json()
    assert "birthdate" in suite.userinfo(tokens["access_token"])


@pytest.mark.spec("OIDCC-15.1")
@pytest.mark.parametrize("display", ["page", "popup"])
def test_oidcc_display(suite: Suite, display: str) -> None:
    assert suite.asks_to_sign_in(display=display)
    assert suite.sign_in(display=display).id_token


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_prompt_login(suite: Suite) -> None:
    first = suite.sign_in()
    suite.world.later(seconds=2)

    assert suite.asks_to_sign_in(prompt="login")
    second = suite.sign_in(prompt="login")

    assert second.id_token["auth_time"] > first.id_token["auth_time"]
    assert second.id_token["sub"] == first.id_token["sub"]


@pytest.mark.spec("OIDCC-3.1.2.6")
def test_oidcc_prompt_none_not_logged_in(suite: Suite) -> None:
    assert suite.refused(prompt="none") == "login_required"


@pytest.mark.spec("OIDCC-3.1.2.3")
@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_prompt_none_logged_in(suite: Suite) -> None:
    first = suite.sign_in()
    suite.world.later(seconds=2)

    second = suite.sign_in(prompt="none")

    assert second.id_token["auth_time"] == first.id_token["auth_time"]
    assert second.id_token["sub"] == first.id_token["sub"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_max_age_1(suite: Suite) -> None:
    first = suite.sign_in()
    suite.world.later(seconds=2)

    assert suite.asks_to_sign_in(max_age="1")
    second = suite.sign_in(max_age="1")

    assert second.id_token["auth_time"] >= first.id_token["auth_time"] + 2


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_max_age_10000(suite: Suite) -> None:
    first = suite.sign_in(max_age="15000")
    suite.world.later(seconds=2)

    second = suite.sign_in(max_age="10000", prompt="none")

    assert second.id_token["auth_time"] == first.id_token["auth_time"]
    assert second.id_token["sub"] == first.id_token["sub"]


@pytest.mark.spec("RFC6749-3.1")
def test_oidcc_ensure_request_with_unknown_parameter_succeeds(suite: Suite) -> None:
    assert suite.sign_in(extra="foobar").id_token


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_id_token_hint(suite: Suite) -> None:
    first = suite.sign_in()

    second = suite.sign_in(prompt="none", id_token_hint=first.tokens["id_token"])

    assert second.id_token["sub"] == first.id_token["sub"]
    assert second.id_token["auth_time"] == first.id_token["auth_time"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_login_hint(suite: Suite) -> None:
    page = suite.page(login_hint="buffy@civitas.example")

    assert 'value="buffy@civitas.example"' in page.text
    assert suite.sign_in(login_hint="buffy@civitas.example").id_token


@pytest.mark.spec("OIDCC-3.1.2.1")
@pytest.mark.parametrize(
    ("asked", "shown"), [("ru", "ru"), ("en", "en"), ("se ru", "ru"), ("en-GB ru", "en")]
)
def test_oidcc_ui_locales(suite: Suite, asked: str, shown: str) -> None:
    assert suite.page(ui_locales=asked).headers["content-language"] == shown


@pytest.mark.spec("OIDCC-15.1")
@pytest.mark.parametrize("parameter", ["ui_locales", "claims_locales"])
def test_oidcc_claims_locales(suite: Suite, parameter: str) -> None:
    assert suite.sign_in(**{parameter: "se"}).id_token


@pytest.mark.spec("OIDCC-15.1")
def test_oidcc_ensure_request_with_acr_values_succeeds(suite: Suite) -> None:
    offered = discovery(suite.world)["acr_values_supported"]

    assert suite.sign_in(acr_values=" ".join(offered)).id_token["acr"] in offered
    assert suite.sign_in(acr_values="1 2").id_token["acr"] in offered


@pytest.mark.spec("RFC6749-4.1.2")
@pytest.mark.parametrize("seconds", [0, 30])
def test_oidcc_codereuse(suite: Suite, seconds: int) -> None:
    code = suite.authorize()["code"]
    first = suite.redeem(code).json()
    suite.world.later(seconds=seconds)

    second = suite.redeem(code)

    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")
    header = {"Authorization": f"Bearer {first['access_token']}"}
    assert suite.world.http.get("/userinfo", headers=header).status_code == 401


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_ensure_registered_redirect_uri(suite: Suite) -> None:
    page = suite.browser.get(suite.url(redirect_uri=f"{CALLBACK}/another"))

    assert page.status_code == 400
    assert "location" not in page.headers
    assert "text/html" in page.headers["content-type"]


@pytest.mark.spec("OIDCC-3.1.2.1")
def test_oidcc_ensure_post_request_succeeds(suite: Suite) -> None:
    answer = suite.browser.http.post("/authorize", data=suite.request())

    got = parameters_of(suite.browser.follow(answer.headers["location"], suite.person))
    assert suite.redeem(got["code"]).status_code == 200


@pytest.mark.spec("OIDCC-9")
def test_oidcc_server_client_secret_post(world: IdpWorld) -> None:
    suite = Suite(world, method="client_secret_post")
    suite.register()

    assert suite.sign_in().id_token


@pytest.mark.spec("OIDCC-3.1.2.6")
@pytest.mark.parametrize(
    "module",
    [
        "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
        "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported",
    ],
)
def test_oidcc_unsigned_request(suite: Suite, module: str) -> None:
    """`none` is no signature here, and the suite leaves these modules out."""
    offered = discovery(suite.world)["request_object_signing_alg_values_supported"]
    unsigned = jwt.encode(suite.request(), "", algorithm="none")

    assert "none" not in offered
    if "request-uri" in module:
        uri = "https://suite.example/requests/1"
        assert suite.refused(request_uri=uri) == "invalid_request_uri"
    else:
        assert suite.refused(request=unsigned) == "invalid_request_object"


@pytest.mark.spec("OIDCC-5.5.1")
def test_oidcc_claims_essential(suite: Suite) -> None:
    signed_in = suite.sign_in(claims='{"userinfo":{"name":{"essential":true}}}')

    assert suite.userinfo(signed_in.access_token)["name"] == "Анна Сергеевна Волкова"
    assert "name" not in signed_in.id_token


@pytest.mark.spec("OIDCC-6.1")
def test_oidcc_ensure_request_object_with_redirect_uri(suite: Suite) -> None:
    """The suite would send an unsigned object; of a signed one what is inside counts."""
    request = signed(
        {**suite.request(), "iss": suite.client_id, "aud": ISSUER}, key=RSA_KEY, alg="RS256"
    )

    location = suite.browser.follow(
        suite.url(request=request, redirect_uri=f"{CALLBACK}/another"), suite.person
    )

    assert location.startswith(f"{CALLBACK}?")
    assert suite.redeem(parameters_of(location)["code"]).status_code == 200


@pytest.mark.spec("OIDCC-12.2")
def test_oidcc_refresh_token(world: IdpWorld) -> None:
    first, second = Suite(world), Suite(world)
    for suite in (first, second):
        suite.register(grant_types=["authorization_code", "refresh_token"])
    with_offline = {"scope": "openid offline_access", "prompt": "consent"}
    signed_in, others = first.sign_in(**with_offline), second.sign_in(**with_offline)
    world.later(seconds=2)

    refreshed = first.post(
        "/token", grant_type="refresh_token", refresh_token=signed_in.tokens["refresh_token"]
    )
    foreign = first.post(
        "/token", grant_type="refresh_token", refresh_token=others.tokens["refresh_token"]
    )

    tokens, id_token = first.check_tokens(refreshed, nonce=None)
    assert first.userinfo(tokens["access_token"])["sub"] == signed_in.id_token["sub"]
    for claim in ("iss", "sub", "aud", "auth_time"):
        assert id_token[claim] == signed_in.id_token[claim]
    assert tokens["access_token"] != signed_in.access_token
    assert (foreign.status_code, foreign.json()["error"]) == (400, "invalid_grant")


@pytest.mark.spec("RFC7636-4.5")
def test_oidcc_ensure_request_with_valid_pkce_succeeds(suite: Suite) -> None:
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
    code = suite.authorize(code_challenge=challenge, code_challenge_method="S256")["code"]

    assert suite.redeem(code, code_verifier=verifier).status_code == 200


@pytest.mark.spec("OAuth2-FP-2")
def test_the_plan_with_form_post(suite: Suite) -> None:
    page = suite.browser.get(suite.url(response_mode="form_post", prompt="none"))

    assert f'method="post" action="{CALLBACK}"' in page.text
    assert dict(parse_qsl(urlsplit(str(page.url)).query))["response_mode"] == "form_post"
    assert 'name="error" value="login_required"' in page.text
