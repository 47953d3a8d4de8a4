"""The modules of the config, logout, session and third-party login plans, by their names."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from sqlalchemy import text

from idp.service.logout_notices import DELIVER_TASK
from kernel.secret import sha256
from tests.idp.idp_world import ISSUER, IdpWorld, parameters_of
from tests.idp.oidcc_suite import POST_LOGOUT, SignedIn, Suite, leads_back
from tests.idp.pure import OTHER_EC_KEY, signed
from tests.idp.test_session_end import tell
from tests.receiver import Receiver

STATE = "x" * 128
BASE = "https://suite.example/test/a/civitas"


@pytest.fixture
def suite(world: IdpWorld) -> Suite:
    suite = Suite(world)
    suite.register(post_logout_redirect_uris=[POST_LOGOUT])
    return suite


@pytest.fixture
def signed_in(suite: Suite) -> SignedIn:
    return suite.sign_in()


def metadata(world: IdpWorld) -> dict[str, Any]:
    answer = world.http.get("/.well-known/openid-configuration")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    return dict(answer.json())


@pytest.mark.spec("OIDCD-3")
def test_oidcc_discovery_endpoint_verification(world: IdpWorld) -> None:
    document = metadata(world)

    assert document["issuer"] == ISSUER
    for name, value in document.items():
        if name.endswith(("_endpoint", "_uri", "_iframe")):
            assert value.startswith(ISSUER), name
    assert "code" in document["response_types_supported"]
    assert "authorization_code" in document["grant_types_supported"]
    assert document["subject_types_supported"] == ["pairwise"]
    for name in (
        "id_token_signing_alg_values_supported",
        "userinfo_signing_alg_values_supported",
        "request_object_signing_alg_values_supported",
    ):
        assert "RS256" in document[name]
    assert "openid" in document["scopes_supported"]
    assert all(re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", s) for s in document["scopes_supported"])
    assert document["claims_parameter_supported"] is True
    assert document["request_parameter_supported"] is True
    assert document["request_uri_parameter_supported"] is True
    assert document["ui_locales_supported"] == ["ru", "en"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert {"sub", "iss", "name"} <= set(document["claims_supported"])


@pytest.mark.spec("OIDCRIL-2.1")
@pytest.mark.spec("OIDCBCL-2.1")
@pytest.mark.spec("OIDCFCL-2")
@pytest.mark.spec("OIDCSM-3.3")
def test_oidcc_logout_discovery_endpoint_verification(world: IdpWorld) -> None:
    """The same module for RP-initiated, back-channel, front-channel logout and sessions."""
    document = metadata(world)

    assert document["end_session_endpoint"] == f"{ISSUER}/end-session"
    assert document["check_session_iframe"] == f"{ISSUER}/check-session"
    for way in ("backchannel", "frontchannel"):
        assert document[f"{way}_logout_supported"] is True
        assert document[f"{way}_logout_session_supported"] is True


@pytest.mark.spec("OIDCRIL-3")
def test_oidcc_rp_initiated_logout(suite: Suite, signed_in: SignedIn) -> None:
    answer = suite.end_session(
        id_token_hint=signed_in.tokens["id_token"],
        post_logout_redirect_uri=POST_LOGOUT,
        state=STATE,
    )

    assert answer.headers["location"] == f"{POST_LOGOUT}?state={STATE}"
    assert suite.refused(prompt="none") == "login_required"


@pytest.mark.spec("OIDCRIL-3")
def test_oidcc_rp_initiated_logout_no_state(suite: Suite, signed_in: SignedIn) -> None:
    answer = suite.end_session(
        id_token_hint=signed_in.tokens["id_token"], post_logout_redirect_uri=POST_LOGOUT
    )

    assert answer.headers["location"] == POST_LOGOUT
    assert suite.refused(prompt="none") == "login_required"


@pytest.mark.spec("OIDCRIL-4")
@pytest.mark.parametrize(
    ("module", "change"),
    [
        ("bad-post-logout-redirect-uri", {"post_logout_redirect_uri": f"{POST_LOGOUT}/another"}),
        ("query-added-to-post-logout-redirect-uri",
         {"post_logout_redirect_uri": f"{POST_LOGOUT}?foo=bar"}),
        ("modified-id-token-hint", {"id_token_hint": "alg none"}),
        ("bad-id-token-hint", {"id_token_hint": "signed by the suite"}),
        ("no-id-token-hint", {"id_token_hint": None}),
    ],
)  # fmt: skip
def test_oidcc_rp_initiated_logout_that_must_not_redirect(
    suite: Suite, signed_in: SignedIn, module: str, change: dict[str, str | None]
) -> None:
    assert module
    claims = signed_in.id_token
    hints = {
        "alg none": jwt.encode(claims, "", algorithm="none"),
        "signed by the suite": signed(claims, key=OTHER_EC_KEY, typ="JWT"),
    }
    asked: dict[str, str | None] = {
        "id_token_hint": signed_in.tokens["id_token"],
        "post_logout_redirect_uri": POST_LOGOUT,
        "state": STATE,
    }
    asked |= change
    hint = asked["id_token_hint"]
    asked["id_token_hint"] = hints.get(hint or "", hint)

    answer = suite.end_session(**{name: v for name, v in asked.items() if v is not None})

    assert answer.status_code == 400
    assert "text/html" in answer.headers["content-type"]
    assert not leads_back(answer)
    assert suite.is_signed_in()


@pytest.mark.spec("OIDCRIL-2")
@pytest.mark.parametrize("module", ["no-params", "no-post-logout-redirect-uri", "only-state"])
def test_oidcc_rp_initiated_logout_that_ends_here(
    suite: Suite, signed_in: SignedIn, module: str
) -> None:
    """Where nothing shows that the person wants it they are asked, and then signed out."""
    asked = {
        "no-params": {},
        "no-post-logout-redirect-uri": {
            "id_token_hint": str(signed_in.tokens["id_token"]),
            "state": STATE,
        },
        "only-state": {"state": STATE},
    }[module]

    answer = suite.end_session(**asked)
    if answer.status_code == 200:
        fields = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', answer.text)
        answer = suite.browser.http.post(
            "/end-session/confirm", data={name: unescape(value) for name, value in fields}
        )

    assert answer.headers["location"] == "/signed-out"
    assert suite.browser.get("/signed-out").status_code == 200
    assert suite.refused(prompt="none") == "login_required"


@pytest.mark.spec("OIDCBCL-2.4")
@pytest.mark.spec("OIDCBCL-2.5")
def test_oidcc_backchannel_rp_initiated_logout(world: IdpWorld) -> None:
    suite = Suite(world)
    suite.register(
        post_logout_redirect_uris=[POST_LOGOUT],
        backchannel_logout_uri=f"{BASE}/backchannel_logout",
        backchannel_logout_session_required=True,
    )
    signed_in = suite.sign_in()

    answer = suite.end_session(
        id_token_hint=signed_in.tokens["id_token"],
        post_logout_redirect_uri=POST_LOGOUT,
        state=STATE,
    )
    receiver = Receiver()
    with world.session() as session:
        job = session.execute(
            text(
                "SELECT args FROM procrastinate_jobs WHERE task_name = :name"
                " AND args->>'client_id' = :client_id"
            ),
            {"name": DELIVER_TASK, "client_id": suite.client_id},
        ).scalar_one()
    tell(world, job, receiver)

    (request,) = receiver.got
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    form = parse_qs(request.content.decode())
    assert form.keys() == {"logout_token"}
    token = form["logout_token"][0]
    keys = {key["kid"]: key for key in world.http.get("/jwks").json()["keys"]}
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(
        token,
        jwt.PyJWK(keys[header["kid"]]),
        algorithms=["RS256"],
        audience=suite.client_id,
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert claims["sid"] == signed_in.id_token["sid"]
    assert claims["jti"]
    assert "nonce" not in claims
    assert answer.headers["location"] == f"{POST_LOGOUT}?state={STATE}"
    assert suite.refused(prompt="none") == "login_required"


@pytest.mark.spec("OIDCFCL-3")
def test_oidcc_frontchannel_rp_initiated_logout(world: IdpWorld) -> None:
    suite = Suite(world)
    suite.register(
        post_logout_redirect_uris=[POST_LOGOUT],
        frontchannel_logout_uri=f"{BASE}/frontchannel_logout",
        frontchannel_logout_session_required=True,
    )
    signed_in = suite.sign_in()

    page = suite.end_session(
        id_token_hint=signed_in.tokens["id_token"],
        post_logout_redirect_uri=POST_LOGOUT,
        state=STATE,
    )

    (frame,) = re.findall(r'<iframe[^>]* src="([^"]+)"', page.text)
    address = urlsplit(unescape(frame))
    assert address.path == "/test/a/civitas/frontchannel_logout"
    assert parse_qs(address.query) == {"iss": [ISSUER], "sid": [signed_in.id_token["sid"]]}
    assert f'href="{POST_LOGOUT}?state={STATE}"' in page.text
    # The client sees the browser come back once: by the script, or without scripts by the page.
    assert "refresh" not in page.headers
    meta = r'<noscript><meta http-equiv="refresh" content="([^"]+)"'
    without_scripts = re.search(meta, page.text)
    assert without_scripts is not None
    assert without_scripts[1].endswith(f"; url={POST_LOGOUT}?state={STATE}")
    assert suite.refused(prompt="none") == "login_required"


@pytest.mark.spec("OIDCSM-2")
@pytest.mark.spec("OIDCSM-3.1")
def test_oidcc_session_management_rp_initiated_logout(suite: Suite) -> None:
    """What the frame would answer before and after: it is asked in tests/browser."""

    def frame_says(session_state: str) -> str:
        digest, _, salt = session_state.partition(".")
        state = next(
            (c.value for c in suite.browser.http.cookies.jar if c.name.endswith("browser_state")),
            "",
        )
        told = f"{suite.client_id} https://suite.example {state} {salt}"
        return "unchanged" if sha256(told.encode()).hex() == digest else "changed"

    signed_in = suite.sign_in()
    before = frame_says(signed_in.answer["session_state"])
    suite.end_session(
        id_token_hint=signed_in.tokens["id_token"], post_logout_redirect_uri=POST_LOGOUT
    )

    assert before == "unchanged"
    assert frame_says(signed_in.answer["session_state"]) == "changed"


@pytest.mark.spec("OIDCC-4")
@pytest.mark.spec("OIDCR-2")
def test_oidcc_3rd_party_init_login(world: IdpWorld) -> None:
    suite, uri = Suite(world), f"{BASE}/login"
    registered = suite.register(initiate_login_uri=uri)

    read = world.http.get(
        registered["registration_client_uri"].removeprefix(ISSUER),
        headers={"Authorization": f"Bearer {registered['registration_access_token']}"},
    )

    assert registered["initiate_login_uri"] == uri
    assert (read.status_code, read.headers["content-type"]) == (200, "application/json")
    assert read.json()["initiate_login_uri"] == uri


@pytest.mark.spec("OIDCC-4")
def test_oidcc_3rd_party_init_login_nohttps(world: IdpWorld) -> None:
    answer = Suite(world).try_register(initiate_login_uri="http://suite.example/login")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


def test_what_is_sent_back_has_nothing_unexpected(suite: Suite) -> None:
    location = suite.browser.follow(suite.url(), suite.person)

    assert parameters_of(location).keys() == {"code", "state", "iss", "session_state"}
