"""The authorization request: every rule, refused in its registered code."""

import json
from typing import Any

import pytest

from idp import checks
from idp.errors import (
    InvalidAuthorizationDetails,
    InvalidAuthorizationRequest,
    InvalidScope,
    InvalidTarget,
    OAuthError,
    RegistrationNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnregisteredRedirectUri,
    UnsupportedResponseType,
)
from idp.model import AuthorizationRequest, Client, ClientProfile
from kernel.secret import b64url, sha256
from tests.idp.pure import ISSUER, REDIRECT_URI, a_client, a_submission

CHALLENGE = b64url(sha256(b"verifier"))
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
JKT = b64url(sha256(b"key"))


def accept(client: Client | None = None, **change: Any) -> AuthorizationRequest:  # noqa: ANN401
    submission = a_submission(client, **change)
    return checks.check_redirected(submission, checks.check_unredirected(submission))


def disclosure(*items: str, purpose: str = "account_opening", **more: object) -> dict[str, object]:
    return {"type": "civitas_disclosure", "purpose": purpose, "items": list(items), **more}


class TestRedirectUri:
    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_registered_one_is_accepted(self) -> None:
        assert accept().redirect_uri == REDIRECT_URI

    @pytest.mark.spec("RFC9700-4.1.3")
    @pytest.mark.parametrize(
        "uri",
        [
            None,
            "https://evil.example/callback",
            REDIRECT_URI + "/",
            REDIRECT_URI + "?",
            REDIRECT_URI + "?next=1",
            REDIRECT_URI + "#",
            REDIRECT_URI + "#fragment",
            REDIRECT_URI + "/../callback",
            REDIRECT_URI.upper(),
            "https://rp.example/callbac%6B",
            "https://rp.example/./callback",
            "https://rp.example/%2e/callback",
            "https://rp.example:443/callback",
            "https://RP.example/callback",
            "https://rp.example./callback",
            "https://rp.example@evil.example/callback",
            "https://user@rp.example/callback",
            "http://rp.example/callback",
            "//rp.example/callback",
            "/callback",
            "https://rp.example\\@evil.example/callback",
            "https://rp.example/callback\r\nSet-Cookie: a=b",
            "https://rp.example/callback ",
            " https://rp.example/callback",
            "https://rp.example\u2024example/callback",
            "javascript:alert(1)",
            "data:text/html,hello",
        ],
        ids=repr,
    )
    def test_any_other_spelling_is_never_redirected(self, uri: str | None) -> None:
        with pytest.raises(UnregisteredRedirectUri) as refused:
            accept(redirect_uri=uri)

        assert not refused.value.redirectable

    @pytest.mark.spec("RFC6749-3.1.2.3")
    def test_registered_query_is_part_of_the_address(self) -> None:
        client = a_client(redirect_uris=(REDIRECT_URI + "?tenant=1",))

        accept(client, redirect_uri=REDIRECT_URI + "?tenant=1")
        for other in ("", "?tenant=2", "?tenant=1&more=1"):
            with pytest.raises(UnregisteredRedirectUri):
                accept(client, redirect_uri=REDIRECT_URI + other)

    @pytest.mark.spec("RFC8252-7.3")
    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
    def test_native_app_may_choose_its_loopback_port(self, host: str) -> None:
        client = a_client(redirect_uris=(f"http://{host}/callback",))

        accept(client, redirect_uri=f"http://{host}:49152/callback")
        accept(client, redirect_uri=f"http://{host}/callback")

    @pytest.mark.spec("RFC8252-7.3")
    @pytest.mark.parametrize(
        "uri",
        [
            "http://127.0.0.1:49152/other",
            "http://127.0.0.1:49152/callback?more",
            "http://127.0.0.2:49152/callback",
            "http://localhost:49152/callback",
            "https://127.0.0.1:49152/callback",
            "http://127.0.0.1:port/callback",
            "http://127.0.0.1:49152@evil.example/callback",
            "http://user@127.0.0.1:49152/callback",
            "http://127.0.0.1.evil.example:49152/callback",
            "http://127.1:49152/callback",
            "http://2130706433:49152/callback",
        ],
    )
    def test_native_app_may_choose_nothing_but_the_port(self, uri: str) -> None:
        with pytest.raises(UnregisteredRedirectUri):
            accept(a_client(redirect_uris=("http://127.0.0.1/callback",)), redirect_uri=uri)

    @pytest.mark.spec("RFC8252-8.3")
    def test_localhost_by_name_gets_no_free_port(self) -> None:
        with pytest.raises(UnregisteredRedirectUri):
            accept(
                a_client(redirect_uris=("http://localhost/callback",)),
                redirect_uri="http://localhost:49152/callback",
            )


REFUSED: list[tuple[str, type[OAuthError], dict[str, Any]]] = [
    ("OIDCC-3.1.2.6", RequestUriNotSupported, {"request_uri": "https://rp.example/request"}),
    ("OIDCC-3.1.2.6", RegistrationNotSupported, {"registration": "{}"}),
    ("RFC6749-4.1.2.1", InvalidAuthorizationRequest, {"response_type": None}),
    ("RFC6749-4.1.2.1", UnsupportedResponseType, {"response_type": "token"}),
    ("RFC6749-4.1.2.1", UnsupportedResponseType, {"response_type": "code id_token"}),
    ("RFC6749-4.1.2.1", UnsupportedResponseType, {"response_type": "none"}),
    ("OAuth2-RT-2.1", InvalidAuthorizationRequest, {"response_mode": "fragment"}),
    ("RFC6749-3.3", InvalidScope, {"scope": None}),
    ("RFC6749-3.3", InvalidScope, {"scope": "unknown"}),
    ("RFC6749-3.3", InvalidScope, {"scope": "openid  profile"}),
    ("RFC6749-3.3", InvalidScope, {"scope": 'openid "profile"'}),
    ("RFC6749-A.5", InvalidAuthorizationRequest, {"state": "line\nbreak"}),
    ("RFC6749-A.5", InvalidAuthorizationRequest, {"state": "x" * 4097}),
    ("OIDCC-3.1.2.1", InvalidAuthorizationRequest, {"nonce": "x" * 4097}),
    ("OIDCC-3.1.2.1", InvalidAuthorizationRequest, {"prompt": "none login"}),
    ("OIDCC-3.1.2.1", InvalidAuthorizationRequest, {"prompt": "create"}),
    ("OIDCC-3.1.2.1", InvalidAuthorizationRequest, {"max_age": "-1"}),
    ("OIDCC-3.1.2.1", InvalidAuthorizationRequest, {"max_age": "1.5"}),
    ("OIDCC-3.1.2.1", InvalidAuthorizationRequest, {"max_age": "٣"}),
    ("OIDCC-3.1.2.1", InvalidAuthorizationRequest, {"max_age": "9" * 5000}),
    ("OIDCC-3.1.2.1", InvalidAuthorizationRequest, {"display": "hologram"}),
    ("RFC7636-4.4.1", InvalidAuthorizationRequest, {"code_challenge": CHALLENGE}),
    (
        "RFC7636-4.4.1",
        InvalidAuthorizationRequest,
        {"code_challenge": CHALLENGE, "code_challenge_method": "plain"},
    ),
    (
        "RFC7636-4.2",
        InvalidAuthorizationRequest,
        {"code_challenge": "too-short", "code_challenge_method": "S256"},
    ),
    ("RFC7636-4.3", InvalidAuthorizationRequest, {"code_challenge_method": "S256"}),
    ("RFC8707-2", InvalidTarget, {"resources": ("https://elsewhere.example",)}),
    ("RFC9396-5", InvalidAuthorizationDetails, {"authorization_details": "{"}),
    ("RFC9396-5", InvalidAuthorizationDetails, {"authorization_details": "{}"}),
    ("RFC9396-5", InvalidAuthorizationDetails, {"authorization_details": "[]"}),
    ("RFC9396-5", InvalidAuthorizationDetails, {"authorization_details": '["text"]'}),
    ("RFC9396-5", InvalidAuthorizationDetails, {"authorization_details": '[{"type": 1}]'}),
    ("RFC9396-5", InvalidAuthorizationDetails, {"authorization_details": '[{"type": "other"}]'}),
    (
        "RFC9396-5",
        InvalidAuthorizationDetails,
        {"authorization_details": json.dumps([disclosure("family_name", extra="member")])},
    ),
    (
        "RFC9396-5",
        InvalidAuthorizationDetails,
        {"authorization_details": json.dumps([disclosure("ct_scan")])},
    ),
    (
        "RFC9396-5",
        InvalidAuthorizationDetails,
        {"authorization_details": json.dumps([disclosure("family_name"), disclosure("inn")])},
    ),
    (
        "RFC9396-5",
        InvalidAuthorizationDetails,
        {"authorization_details": json.dumps([disclosure("family_name")] * 9)},
    ),
    ("OIDCC-5.5", InvalidAuthorizationRequest, {"claims": "not json"}),
    ("OIDCC-5.5", InvalidAuthorizationRequest, {"claims": "[]"}),
    ("OIDCC-5.5", InvalidAuthorizationRequest, {"claims": '{"userinfo": []}'}),
    ("OIDCC-5.5", InvalidAuthorizationRequest, {"claims": '{"userinfo": {"name": "yes"}}'}),
    (
        "OIDCC-5.5.1",
        InvalidAuthorizationRequest,
        {"claims": '{"id_token": {"acr": {"values": [1]}}}'},
    ),
    ("RFC9449-10", InvalidAuthorizationRequest, {"dpop_jkt": "short"}),
    (
        "RFC9449-10.1",
        InvalidAuthorizationRequest,
        {"dpop_jkt": JKT, "proof_jkt": b64url(sha256(b"another")), "channel": "pushed"},
    ),
]


class TestRefusals:
    @pytest.mark.parametrize(
        ("refusal", "change"),
        [
            pytest.param(
                refusal, change, marks=pytest.mark.spec(clause), id=f"{number}-{next(iter(change))}"
            )
            for number, (clause, refusal, change) in enumerate(REFUSED)
        ],
    )
    def test_is_told_to_the_client(self, refusal: type[OAuthError], change: dict[str, Any]) -> None:
        with pytest.raises(refusal) as refused:
            accept(**change)

        assert type(refused.value) is refusal
        assert refused.value.redirectable

    @pytest.mark.spec("RFC9126-2.1")
    def test_request_uri_is_not_pushed(self) -> None:
        with pytest.raises(InvalidAuthorizationRequest):
            accept(channel="pushed", request_uri="urn:ietf:params:oauth:request_uri:x")

    @pytest.mark.spec("RFC6749-4.1.2.1")
    def test_client_without_the_grant_is_unauthorized(self) -> None:
        with pytest.raises(UnauthorizedClient):
            accept(a_client(grant_types=("client_credentials",)))

    @pytest.mark.spec("RFC9396-10")
    def test_client_without_the_type_is_refused_it(self) -> None:
        client = a_client(authorization_details_types=("other",))

        with pytest.raises(InvalidAuthorizationDetails):
            accept(client, authorization_details=json.dumps([disclosure("family_name")]))

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.2-2")
    def test_fapi2_client_pushes(self) -> None:
        client = a_client(profile=ClientProfile.FAPI2)

        with pytest.raises(InvalidAuthorizationRequest):
            accept(client, **PKCE)
        accept(client, channel="pushed", **PKCE)

    @pytest.mark.spec("RFC9126-6")
    @pytest.mark.spec("RFC9126-5")
    def test_client_that_registered_to_push_pushes(self) -> None:
        with pytest.raises(InvalidAuthorizationRequest):
            accept(a_client(require_pushed_authorization_requests=True))

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.2-5")
    def test_fapi2_client_uses_pkce(self) -> None:
        with pytest.raises(InvalidAuthorizationRequest):
            accept(a_client(profile=ClientProfile.FAPI2), channel="pushed")

    @pytest.mark.spec("RFC9700-2.1.1")
    def test_public_client_uses_pkce(self) -> None:
        client = a_client(token_endpoint_auth_method="none")

        with pytest.raises(InvalidAuthorizationRequest):
            accept(client)
        assert accept(client, **PKCE).code_challenge == CHALLENGE


class TestAcceptedRequest:
    @pytest.mark.spec("RFC6749-3.1")
    def test_unknown_parameters_are_ignored(self) -> None:
        assert accept(extra="foobar") == accept()

    @pytest.mark.spec("RFC6749-3.3")
    def test_order_of_scopes_does_not_matter(self) -> None:
        one, other = accept(scope="openid profile"), accept(scope="profile openid")

        assert set(one.scope) == set(other.scope)
        assert one.sign_in is not None
        assert other.sign_in is not None
        assert set(one.sign_in.items) == set(other.sign_in.items)

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_unknown_scopes_are_ignored(self) -> None:
        assert accept(scope="openid email phone").scope == ("openid",)

    def test_client_gets_no_scope_that_it_did_not_register(self) -> None:
        assert accept(a_client(scope="openid"), scope="openid profile").scope == ("openid",)

    @pytest.mark.spec("RFC6749-4.1.1")
    def test_state_and_nonce_may_be_left_out(self) -> None:
        request = accept(state=None, nonce=None)

        assert request.state is None
        assert request.nonce is None

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.2")
    @pytest.mark.parametrize("length", [64, 384, 4096])
    def test_long_state_and_nonce_come_back_whole(self, length: int) -> None:
        request = accept(state="s" * length, nonce="n" * length)

        assert request.state == "s" * length
        assert request.nonce == "n" * length

    @pytest.mark.spec("RFC9396-2")
    def test_disclosures_are_those_of_the_details_and_of_the_scopes(self) -> None:
        details = [disclosure("family_name", "inn"), disclosure("enp", purpose="medical_care")]

        request = accept(authorization_details=json.dumps(details))

        purposes = [disclosure.purpose for disclosure in request.disclosures]
        assert purposes == ["account_opening", "medical_care", "sign_in"]

    def test_details_alone_are_a_request(self) -> None:
        request = accept(scope=None, authorization_details=json.dumps([disclosure("inn")]))

        assert not request.is_openid
        assert request.sign_in is None

    def test_openid_alone_discloses_nothing(self) -> None:
        assert accept(scope="openid").disclosures == ()

    @pytest.mark.spec("OIDCC-5.5")
    def test_claims_add_to_what_is_asked(self) -> None:
        claims = {"userinfo": {"address": None, "unknown": None}, "id_token": {"over_18": None}}

        request = accept(scope="openid", claims=json.dumps(claims))

        assert request.claims.userinfo == ("address",)
        assert request.claims.id_token == ("over_18",)
        assert request.sign_in is not None
        assert set(request.sign_in.items) == {"registration_address", "over_18"}

    @pytest.mark.spec("OIDCC-5.5.1.1")
    def test_essential_acr_is_told_from_a_wished_one(self) -> None:
        essential = accept(claims='{"id_token":{"acr":{"essential":true,"value":"high"}}}')
        wished = accept(claims='{"id_token":{"acr":{"values":["high"]}}}')

        assert essential.claims.essential_acr == ("high",)
        assert wished.claims.essential_acr == ()
        assert wished.claims.acr_values == ("high",)

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_hints_are_kept(self) -> None:
        request = accept(
            display="popup", login_hint="anna", ui_locales="ru en", max_age="10", acr_values="a b"
        )

        assert request.display == "popup"
        assert request.login_hint == "anna"
        assert request.ui_locales == "ru en"
        assert request.max_age == 10
        assert request.acr_values == ("a", "b")

    @pytest.mark.spec("OIDCR-2")
    def test_registered_defaults_count_when_nothing_is_said(self) -> None:
        client = a_client(default_max_age=60, default_acr_values=("a",))

        assert accept(client).max_age == 60
        assert accept(client, max_age="5").max_age == 5
        assert accept(client).acr_values == ("a",)

    @pytest.mark.spec("RFC8707-2.1")
    def test_resources_are_kept_without_repetition(self) -> None:
        partner_api = f"{ISSUER}/partner/v1"

        assert accept(resources=(partner_api, partner_api)).resources == (partner_api,)

    @pytest.mark.spec("RFC9449-10.1")
    def test_code_is_bound_to_the_key_that_was_proven(self) -> None:
        assert accept(channel="pushed", proof_jkt=JKT).dpop_jkt == JKT
        assert accept(dpop_jkt=JKT).dpop_jkt == JKT
        assert accept().dpop_jkt is None


class TestOrder:
    def test_nothing_is_checked_before_the_redirect_uri(self) -> None:
        """A rule above it would be answered to an address that nobody verified."""
        assert [rule.check for rule in checks.UNREDIRECTED] == [checks.check_redirect_uri]

    def test_how_to_answer_is_known_before_what(self) -> None:
        assert [rule.check for rule in checks.REDIRECTED[:2]] == [
            checks.check_response_mode,
            checks.check_state,
        ]

    def test_every_rule_names_its_clause(self) -> None:
        assert all(rule.clause for rule in (*checks.UNREDIRECTED, *checks.REDIRECTED))

    def test_rules_vouch_for_every_field_once(self) -> None:
        submission = a_submission()
        vouched = [
            name
            for rule in (*checks.UNREDIRECTED, *checks.REDIRECTED)
            for name in rule.check(submission)
        ]

        assert sorted([*vouched, "client_id"]) == sorted(AuthorizationRequest.__slots__)

    def test_refusal_travels_as_far_as_the_request_is_sound(self) -> None:
        refusal = InvalidScope()

        assert checks.refusal_fields(a_submission(), refusal) == ("query", "st-1")
        assert checks.refusal_fields(a_submission(response_mode="form_post"), refusal) == (
            "form_post",
            "st-1",
        )
        assert checks.refusal_fields(a_submission(response_mode="x", state="\n"), refusal) == (
            "query",
            None,
        )
