"""The edges of rules: the last value that is accepted, beside the first that is not."""

from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from idp import client_addresses, client_authentication, dpop
from idp.assurance import AssuranceLevel, acr_for, has_essential_acr
from idp.checks import check_redirected, check_unredirected, refusal_fields
from idp.claims import claims_from, parse_claims_parameter
from idp.client_addresses import check_addresses
from idp.client_authentication import ASSERTION_TYPE, authenticate, read_credentials
from idp.dpop import mint_nonce, verify_proof
from idp.errors import (
    InvalidAuthorizationDetails,
    InvalidAuthorizationRequest,
    InvalidClient,
    InvalidClientMetadata,
    InvalidDPoPProof,
    InvalidRedirectUri,
    InvalidScope,
    UnauthorizedClient,
    UnregisteredRedirectUri,
    UseDPoPNonce,
)
from idp.grant_management import parse_change
from idp.jose import (
    LONGEST_JWS,
    MOST_KEYS,
    NotVerified,
    choose_keys,
    parse_compact,
    parse_jwks,
    parse_public_jwk,
)
from idp.model import AuthorizationRequest, Client, ClientMetadata, ClientProfile
from idp.policy import Policy
from kernel.secret import sha256
from tests.idp.pure import (
    EC_KEY,
    ISSUER,
    NOON,
    OTHER_EC_KEY,
    RSA_KEY,
    a_client,
    a_submission,
    public_jwk,
    signed,
)

POLICY = Policy()
PUBLIC = a_client(token_endpoint_auth_method="none")
CHALLENGE: dict[str, Any] = {"code_challenge": "c" * 43, "code_challenge_method": "S256"}
GRANT = "0193b0a0-0000-7000-8000-000000000000"


def ask(
    client: Client | None = None,
    *,
    is_signed: bool = False,
    **change: Any,  # noqa: ANN401
) -> AuthorizationRequest:
    submission = replace(a_submission(client, **change), is_signed=is_signed)
    return check_redirected(submission, check_unredirected(submission))


def details(*purposes: str) -> str:
    members = [
        f'{{"type":"civitas_disclosure","purpose":"{purpose}","items":["family_name"]}}'
        for purpose in purposes
    ]
    return f"[{','.join(members)}]"


class TestAuthorizationRequest:
    @pytest.mark.spec("RFC6749-3.1.2.3")
    def test_any_of_several_addresses_may_be_returned_to(self) -> None:
        uris = ("https://rp.example/one", "https://rp.example/two")

        for uri in uris:
            assert ask(a_client(redirect_uris=uris), redirect_uri=uri).redirect_uri == uri

    @pytest.mark.spec("RFC8252-7.3")
    @pytest.mark.parametrize(
        ("registered", "uri"),
        [
            ("http://127.0.0.1/cb", "http:///cb"),
            ("http://127.0.0.1/cb", "HTTP://127.0.0.1/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:08000/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:8000@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://user@127.0.0.1/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:8000/cb/more"),
            ("http://127.0.0.1/cb", "http://[::1]:8000/cb"),
            ("http://127.0.0.1.evil.example/cb", "http://127.0.0.1.evil.example:8000/cb"),
            ("http://localhost/cb", "http://localhost:8000/cb"),
            ("https://127.0.0.1/cb", "https://127.0.0.1:8000/cb"),
        ],
        ids=[
            "no host", "scheme in capitals", "empty port", "port with a nought", "port as a user",
            "a user", "another path", "the other family", "name that begins alike", "a name",
            "https",
        ],
    )  # fmt: skip
    def test_nothing_but_the_port_of_a_loopback_number_may_differ(
        self, registered: str, uri: str
    ) -> None:
        with pytest.raises(UnregisteredRedirectUri):
            ask(a_client(redirect_uris=(registered,)), redirect_uri=uri)

    @pytest.mark.spec("RFC8252-7.3")
    @pytest.mark.parametrize("port", ["", ":1", ":65535"])
    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
    @pytest.mark.parametrize("own", ["", ":8000"], ids=["no port", "with a port"])
    def test_the_port_of_a_loopback_number_may(self, own: str, host: str, port: str) -> None:
        client = a_client(redirect_uris=(f"http://{host}{own}/cb",))

        uri = f"http://{host}{port}/cb"

        assert ask(client, redirect_uri=uri).redirect_uri == uri

    @pytest.mark.spec("RFC9101-10.5")
    def test_client_that_has_to_sign_signs(self) -> None:
        client = a_client(require_signed_request_object=True)

        assert ask(client, is_signed=True).state == "st-1"
        with pytest.raises(InvalidAuthorizationRequest):
            ask(client)

    @pytest.mark.spec("RFC6749-4.1.2.1")
    @pytest.mark.parametrize(
        "metadata", [{"response_types": ()}, {"grant_types": ("client_credentials",)}]
    )
    def test_client_that_registered_no_code_gets_none(self, metadata: dict[str, Any]) -> None:
        with pytest.raises(UnauthorizedClient):
            ask(a_client(**metadata))

    @pytest.mark.spec("GRANT-MANAGEMENT-5.1")
    def test_scopes_of_grants_are_for_clients_that_authenticate(self) -> None:
        asked: dict[str, Any] = {"scope": "openid grant_management_query"}

        assert ask(a_client(), **asked).scope == ("openid", "grant_management_query")
        assert ask(PUBLIC, **asked, **CHALLENGE).scope == ("openid",)
        with pytest.raises(InvalidScope):
            ask(PUBLIC, scope="grant_management_query", **CHALLENGE)

    @pytest.mark.spec("GRANT-MANAGEMENT-5.2")
    def test_grants_are_changed_by_clients_that_authenticate(self) -> None:
        asked: dict[str, Any] = {"grant_management_action": "merge", "grant_id": GRANT}

        assert str(ask(a_client(), **asked).grant_change.grant_id) == GRANT  # type: ignore[union-attr]
        with pytest.raises(UnauthorizedClient):
            ask(PUBLIC, **asked, **CHALLENGE)

    @pytest.mark.spec("GRANT-MANAGEMENT-5.2")
    @pytest.mark.parametrize(
        ("action", "grant_id"),
        [(None, GRANT), ("create", GRANT), ("merge", None), ("replace", None), ("query", GRANT)],
    )
    def test_action_and_grant_go_together(self, action: str | None, grant_id: str | None) -> None:
        with pytest.raises(InvalidAuthorizationRequest):
            parse_change(action, grant_id)

    @pytest.mark.spec("OIDCC-3.1.2.1")
    @pytest.mark.parametrize("prompt", ["none", "login", "login consent select_account"])
    def test_prompts_that_can_stand_together_do(self, prompt: str) -> None:
        assert ask(prompt=prompt).prompt == set(prompt.split())

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_max_age_has_up_to_eight_digits_and_means_a_year_at_most(self) -> None:
        assert ask(max_age="0").max_age == 0
        assert ask(max_age="99999999").max_age == 366 * 24 * 3600
        with pytest.raises(InvalidAuthorizationRequest):
            ask(max_age="000000001")

    def test_request_without_state_and_nonce_is_one(self) -> None:
        request = ask(state=None, nonce=None)

        assert (request.state, request.nonce) == (None, None)
        submission = a_submission(None, state=None)
        assert refusal_fields(submission, InvalidScope("x")) == ("query", None)

    @pytest.mark.spec("RFC9396-10")
    def test_client_asks_for_details_of_the_types_that_it_registered(self) -> None:
        asked: dict[str, Any] = {"authorization_details": details("account_opening")}
        its_own = a_client(authorization_details_types=("civitas_disclosure",))
        of_others = a_client(authorization_details_types=("payment_initiation",))

        assert len(ask(its_own, **asked).authorization_details) == 1
        with pytest.raises(InvalidAuthorizationDetails):
            ask(of_others, **asked)

    @pytest.mark.spec("OIDCC-5.5")
    def test_claims_are_of_openid_alone(self) -> None:
        asked = '{"userinfo":{"birthdate":null},"id_token":{"gender":null}}'

        with_openid = ask(scope="openid", claims=asked).sign_in
        without = ask(scope="profile", claims=asked).sign_in
        of_profile = ask(scope="profile").sign_in

        assert with_openid is not None
        assert set(with_openid.items) == {"birthdate", "gender"}
        assert without == of_profile

    @pytest.mark.spec("IDA-5.1")
    def test_verified_claims_are_asked_for_under_one_purpose_once(self) -> None:
        verified = (
            '{"userinfo":{"verified_claims":{"verification":{"trust_framework":null},'
            '"claims":{"given_name":null}}}}'
        )

        assert ask(scope="openid", claims=verified).verified is not None
        assert ask(scope="profile", claims=verified).verified is None
        beside = details("account_opening")
        assert ask(scope="openid", claims=verified, authorization_details=beside).verified
        twice = details("account_opening", "identification")
        with pytest.raises(InvalidAuthorizationDetails):
            ask(scope="openid", claims=verified, authorization_details=twice)
        assert ask(scope="openid", authorization_details=twice).verified is None

    @pytest.mark.spec("RFC9449-10.1")
    def test_key_that_is_named_is_the_key_that_is_proven(self) -> None:
        named, other = "a" * 43, "b" * 43

        assert ask(dpop_jkt=named, proof_jkt=named).dpop_jkt == named
        assert ask(dpop_jkt=named).dpop_jkt == ask(proof_jkt=named).dpop_jkt == named
        with pytest.raises(InvalidAuthorizationRequest):
            ask(dpop_jkt=named, proof_jkt=other)


class TestClaims:
    @pytest.mark.spec("OIDCC-5.5.1")
    @pytest.mark.parametrize(
        "asked",
        [
            '{"userinfo":{"sub":{"value":"a"}},"id_token":{"sub":{"value":"b"}}}',
            '{"id_token":{"sub":{"values":["a","b"]}}}',
            '{"id_token":{"sub":{"values":"ab"}}}',
            '{"id_token":{"sub":{"values":{"a":1}}}}',
            '{"id_token":{"acr":{"values":["a",1]}}}',
            '{"userinfo":{"given_name":null,"family_name":true}}',
            '{"userinfo":{"given_name":{},"family_name":[]}}',
            '{"userinfo":[]}',
            "[]",
        ],
        ids=[
            "two subjects", "two in a list", "values is a text", "values is an object",
            "a number among values", "a boolean", "a list", "member is a list", "is a list",
        ],
    )  # fmt: skip
    def test_refuses(self, asked: str) -> None:
        with pytest.raises(InvalidAuthorizationRequest):
            parse_claims_parameter(asked)

    @pytest.mark.spec("OIDCC-5.5.1")
    def test_one_subject_may_be_named_in_both_members(self) -> None:
        asked = '{"userinfo":{"sub":{"value":"a"}},"id_token":{"sub":{"value":"a"}}}'

        assert parse_claims_parameter(asked).sub == "a"
        assert parse_claims_parameter('{"userinfo":{"sub":null}}').sub is None

    @pytest.mark.spec("OIDCC-5.5")
    def test_what_is_not_known_is_ignored(self) -> None:
        asked = '{"userinfo":{"shoe_size":null,"gender":null},"id_token":{"shoe_size":null},"x":1}'

        claims = parse_claims_parameter(asked)

        assert (claims.userinfo, claims.id_token) == (("gender",), ())

    @pytest.mark.parametrize("member", ["userinfo", "id_token"])
    def test_as_many_as_anybody_needs(self, member: str) -> None:
        most = ",".join(f'"c{number}":null' for number in range(64))

        assert parse_claims_parameter(f'{{"{member}":{{{most}}}}}').acr_values == ()
        with pytest.raises(InvalidAuthorizationRequest):
            parse_claims_parameter(f'{{"{member}":{{{most},"more":null}}}}')

    def test_verified_claims_may_be_a_list(self) -> None:
        assert parse_claims_parameter('{"userinfo":{"verified_claims":[]}}').verified == {
            "userinfo": []
        }

    @pytest.mark.spec("OIDCC-5.3.2")
    @pytest.mark.parametrize(
        ("attributes", "told"),
        [
            ({"gender": ""}, {}),
            ({"given_name": "Анна", "middle_name": "", "family_name": None}, {"name": "Анна"}),
            ({"given_name": 5, "family_name": "Волкова"}, {"name": "Волкова"}),
            ({"birthdate": "1990-02"}, {"birthdate": "1990"}),
            ({"birthdate": "1990-02-03"}, {"birthdate": "1990-02-03"}),
            ({"registration_address": {"locality": ""}}, {}),
            ({"registration_address": "Москва"}, {}),
            (
                {"registration_address": {"street": "Тверская", "house": "1", "flat": ""}},
                {"address": {"street_address": "Тверская, 1"}},
            ),
        ],
        ids=[
            "empty", "parts of a name", "no text in a name", "month", "day", "empty address",
            "address is a text", "address",
        ],
    )  # fmt: skip
    def test_claim_without_a_value_is_left_out(
        self, attributes: dict[str, Any], told: dict[str, Any]
    ) -> None:
        assert claims_from(attributes, ("gender", "name", "birthdate", "address")) == told


class TestAssurance:
    @pytest.mark.spec("OIDCC-5.5.1.1")
    def test_level_includes_itself_and_those_below(self) -> None:
        lowest, highest = min(AssuranceLevel), max(AssuranceLevel)

        assert acr_for(highest, ["x", highest.acr]) == highest.acr
        assert acr_for(highest, ["x", lowest.acr]) == lowest.acr
        assert acr_for(lowest, [highest.acr]) == lowest.acr
        assert has_essential_acr(lowest, [highest.acr, lowest.acr])
        assert has_essential_acr(lowest, [])
        assert not has_essential_acr(lowest, [highest.acr, "x"])


def addresses(
    profile: ClientProfile = ClientProfile.OIDC,
    policy: Policy = POLICY,
    **said: Any,  # noqa: ANN401
) -> None:
    values = {"client_name": "x", "redirect_uris": ("https://rp.example/callback",)}
    check_addresses(ClientMetadata(**(values | said)), policy, profile)


class TestAddresses:
    @pytest.mark.spec("RFC6749-3.1.2")
    def test_as_many_and_as_long_as_anybody_needs(self) -> None:
        many = tuple(f"https://rp.example/{number}" for number in range(33))
        longest = "https://rp.example/".ljust(client_addresses.LONGEST_REDIRECT_URI, "x")

        addresses(redirect_uris=many[:32])
        addresses(redirect_uris=(longest,))
        addresses(request_uris=many[:32])
        addresses(request_uris=(longest[:512],))
        for refused in ({"redirect_uris": many}, {"redirect_uris": (f"{longest}x",)}):
            with pytest.raises(InvalidRedirectUri):
                addresses(**refused)
        for refused in ({"request_uris": many}, {"request_uris": (longest[:513],)}):
            with pytest.raises(InvalidClientMetadata):
                addresses(**refused)

    @pytest.mark.parametrize(
        "uri",
        [
            "https://rp.example/\xe9", "https://rp.example/a\\b", "https://rp.example/a b",
            "https://rp.ex*mple/", "https://rp.example;x/", "com.example:/a#",
            "com.example:/@/../a", "com.example://user@host/a", "view-source:x", "https:x",
        ],
    )  # fmt: skip
    def test_address_that_could_mean_another_is_refused(self, uri: str) -> None:
        with pytest.raises(InvalidRedirectUri):
            addresses(redirect_uris=(uri,))
        with pytest.raises(InvalidRedirectUri):
            addresses(post_logout_redirect_uris=(uri,))

    @pytest.mark.spec("OIDCC-4")
    def test_sign_in_never_begins_over_http(self) -> None:
        demonstration = replace(POLICY, allows_http=True)

        addresses(policy=demonstration, client_uri="http://rp.example/")
        for policy, uri in ((demonstration, "http://rp.example/"), (POLICY, "rp.example")):
            with pytest.raises(InvalidClientMetadata):
                addresses(policy=policy, initiate_login_uri=uri)
        with pytest.raises(InvalidClientMetadata):
            addresses(client_uri="http://rp.example/")

    @pytest.mark.spec("OIDCFCL-2")
    @pytest.mark.parametrize(
        "said",
        [
            {"frontchannel_logout_uri": "https://other.example/out"},
            {"frontchannel_logout_uri": "https://rp.example:444/out"},
            {"frontchannel_logout_uri": "https://rp.example/out#x"},
            {"backchannel_logout_uri": "https://rp.example/out#x"},
            {"frontchannel_logout_session_required": True},
            {"backchannel_logout_session_required": True},
        ],
        ids=[
            "another origin",
            "another port",
            "a fragment",
            "a fragment behind",
            "none",
            "none behind",
        ],
    )
    def test_address_of_sign_out_is_refused(self, said: dict[str, Any]) -> None:
        with pytest.raises(InvalidClientMetadata):
            addresses(**said)

    @pytest.mark.spec("OIDCFCL-2")
    @pytest.mark.parametrize("port", ["", ":443"])
    def test_address_of_sign_out_is_of_the_origin_of_a_redirect_uri(self, port: str) -> None:
        addresses(
            frontchannel_logout_uri=f"https://rp.example{port}/out",
            frontchannel_logout_session_required=True,
            backchannel_logout_uri="https://elsewhere.example/out",
            backchannel_logout_session_required=True,
        )


def basic(pair: bytes) -> str:
    return f"Basic {b64encode(pair).decode()}"


LONGEST_ID = client_authentication.LONGEST_CLIENT_ID
KEYS = (parse_public_jwk(public_jwk(EC_KEY, kid="key-1")),)


def assertion(**change: Any) -> str:  # noqa: ANN401
    now = NOON.timestamp()
    claims = {"iss": "client-1", "sub": "client-1", "aud": ISSUER, "jti": "j", "exp": now + 60}
    return signed(claims | change)


def by_assertion(policy: Policy = POLICY, **change: Any) -> None:  # noqa: ANN401
    presented = read_credentials(
        None, {"client_assertion": assertion(**change), "client_assertion_type": ASSERTION_TYPE}
    )
    authenticate(
        a_client(token_endpoint_auth_method="private_key_jwt"),
        presented,
        keys=KEYS,
        issuer=ISSUER,
        endpoints=[],
        policy=policy,
        at=NOON,
    )


class TestClientAuthentication:
    @pytest.mark.spec("RFC6749-2.3.1")
    @pytest.mark.parametrize(
        "header",
        [
            basic(b"client-1"), basic(b":secret"), basic(b"a" * 256 + b":secret"),
            basic(b"a%00b:secret"), basic(b"\xff:secret"), "Basic é", "Basic a b", "Basic",
            "Bearer x",
        ],
        ids=[
            "no colon", "no name", "long name", "a NUL", "no UTF-8", "no ASCII", "a blank inside",
            "nothing", "another scheme",
        ],
    )  # fmt: skip
    def test_refuses_header(self, header: str) -> None:
        with pytest.raises(InvalidClient):
            read_credentials(header, {})

    @pytest.mark.parametrize("length", [1, LONGEST_ID])
    def test_name_has_up_to_255_characters(self, length: int) -> None:
        name = "a" * length
        by_header = read_credentials(basic(f"{name}:s".encode()), {})
        in_form = read_credentials(None, {"client_id": name})
        asserted = read_credentials(
            None, {"client_assertion": assertion(sub=name), "client_assertion_type": ASSERTION_TYPE}
        )

        assert {each.client_id for each in (by_header, in_form, asserted)} == {name}

    @pytest.mark.parametrize(
        "form",
        [
            {},
            {"client_id": "a" * (LONGEST_ID + 1)},
            {"client_secret": "s"},
            {"client_assertion": assertion(sub="")},
            {"client_assertion": assertion(sub=5)},
            {"client_assertion": assertion(sub="a" * (LONGEST_ID + 1))},
        ],
        ids=["nothing", "long name", "secret of nobody", "no sub", "sub a number", "long sub"],
    )
    def test_refuses_form(self, form: dict[str, str]) -> None:
        with pytest.raises(InvalidClient):
            read_credentials(None, form | {"client_assertion_type": ASSERTION_TYPE})

    def test_client_without_a_secret_is_not_let_in_by_any(self) -> None:
        client = a_client(token_endpoint_auth_method="client_secret_basic")
        presented = read_credentials(basic(b"client-1:s"), {})

        def let_in(client: Client) -> object:
            return authenticate(
                client, presented, keys=(), issuer=ISSUER, endpoints=[], policy=POLICY, at=NOON
            )

        assert let_in(replace(client, secret_digest=sha256(b"s")))
        for digest in (None, sha256(b"other")):
            with pytest.raises(InvalidClient):
                let_in(replace(client, secret_digest=digest))

    @pytest.mark.spec("RFC8705-2")
    def test_certificate_is_for_clients_that_authenticate_by_one(self) -> None:
        presented = read_credentials(None, {"client_id": "client-1"})
        arguments: dict[str, Any] = {
            "keys": (), "issuer": ISSUER, "endpoints": [], "policy": POLICY, "at": NOON,
        }  # fmt: skip

        assert authenticate(PUBLIC, presented, **arguments).client == PUBLIC
        for method in ("tls_client_auth", "self_signed_tls_client_auth", "client_secret_basic"):
            with pytest.raises(InvalidClient):
                authenticate(a_client(token_endpoint_auth_method=method), presented, **arguments)
        by_secret = read_credentials(None, {"client_id": "client-1", "client_secret": "s"})
        with pytest.raises(InvalidClient):
            authenticate(
                a_client(token_endpoint_auth_method="tls_client_auth"), by_secret, **arguments
            )

    @pytest.mark.spec("RFC7523-3")
    def test_assertion_lasts_as_long_as_it_may(self) -> None:
        now = NOON.timestamp()
        skew = POLICY.clock_skew.total_seconds()
        longest = now + POLICY.client_assertion.total_seconds() + skew

        by_assertion(exp=now + 1)
        by_assertion(exp=longest)
        by_assertion(nbf=now + skew, iat=now + skew)
        by_assertion(jti="j" * 255)
        for wrong in (
            {"exp": now}, {"exp": longest + 1}, {"exp": True}, {"exp": 1 << 40}, {"exp": None},
            {"nbf": now + skew + 1}, {"iat": now + skew + 1}, {"nbf": True}, {"iat": -(1 << 40)},
            {"jti": ""}, {"jti": "j" * 256}, {"jti": 1}, {"iss": "client-2"},
        ):  # fmt: skip
            with pytest.raises(InvalidClient):
                by_assertion(**wrong)


def prove(
    *,
    policy: Policy = POLICY,
    nonce_key: bytes | None = None,
    expected_ath: str | None = None,
    **change: Any,  # noqa: ANN401
) -> object:
    jwk = {name: public_jwk(EC_KEY)[name] for name in ("kty", "crv", "x", "y")}
    claims = {"jti": "one", "htm": "POST", "htu": f"{ISSUER}/token", "iat": NOON.timestamp()}
    return verify_proof(
        signed(claims | change, typ="dpop+jwt", jwk=jwk),
        method="POST",
        uris=[f"{ISSUER}/token", "https://civitas.example:8443/"],
        at=NOON,
        policy=policy,
        nonce_key=nonce_key,
        ath=expected_ath,
    )


class TestProof:
    @pytest.mark.spec("RFC9449-4.3")
    @pytest.mark.parametrize(
        "htu",
        [
            f"{ISSUER}/token?a=1#b", "HTTPS://CIVITAS.example:443/token",
            "https://civitas.example:8443", "https://civitas.example:8443/?x",
        ],
        ids=["query and fragment", "another spelling", "no path", "no path, a query"],
    )  # fmt: skip
    def test_address_is_compared_in_its_normal_form(self, htu: str) -> None:
        assert prove(htu=htu)

    @pytest.mark.spec("RFC9449-4.3")
    @pytest.mark.parametrize(
        "htu",
        [
            "https://civitas.example:80/token", "http://civitas.example:443/token",
            "https://civitas.example/", "https:///token", "ftp://civitas.example/token",
            "https://a@civitas.example/token", "//civitas.example/token", "https://civitas.example",
            "https://civitas.example:x/token",
        ],
    )  # fmt: skip
    def test_another_address_is_refused(self, htu: str) -> None:
        with pytest.raises(InvalidDPoPProof):
            prove(htu=htu)

    @pytest.mark.spec("RFC9449-4.3")
    def test_digest_of_the_token_is_looked_at_where_there_is_one(self) -> None:
        digest = "a" * 43

        assert prove(expected_ath=digest, ath=digest)
        assert prove(ath=digest), "of a token that did not come, nothing is known"
        for presented in (None, "b" * 43, 5):
            with pytest.raises(InvalidDPoPProof):
                prove(expected_ath=digest, ath=presented)

    @pytest.mark.spec("RFC9449-4.2")
    def test_name_of_a_proof_has_up_to_255_characters(self) -> None:
        assert prove(jti="j" * dpop.LONGEST_JTI)
        for jti in ("", "j" * (dpop.LONGEST_JTI + 1)):
            with pytest.raises(InvalidDPoPProof):
                prove(jti=jti)

    @pytest.mark.spec("RFC9449-8")
    def test_nonce_is_good_as_long_as_it_says(self) -> None:
        key, policy = b"k" * 32, replace(POLICY, requires_dpop_nonce=True)

        def with_nonce(nonce: object) -> object:
            return prove(policy=policy, nonce_key=key, nonce=nonce)

        assert with_nonce(mint_nonce(key, NOON - policy.dpop_nonce))
        assert with_nonce(mint_nonce(key, NOON + policy.clock_skew))
        assert prove(policy=policy, nonce=None), "where no key is given, none is asked for"
        second = timedelta(seconds=1)
        for nonce in (
            None, "", "é", "AA", 5, mint_nonce(b"other" * 7, NOON), mint_nonce(key, NOON)[:-1],
            mint_nonce(key, NOON - policy.dpop_nonce - second),
            mint_nonce(key, NOON + policy.clock_skew + second),
            "_" * 32, mint_nonce(key, NOON) + "AAAA",
        ):  # fmt: skip
            with pytest.raises(UseDPoPNonce) as refused:
                with_nonce(nonce)
            assert with_nonce(refused.value.headers["DPoP-Nonce"])


class TestKeys:
    @pytest.mark.spec("RFC7517-4.1")
    @pytest.mark.parametrize(
        "jwk",
        [
            public_jwk(EC_KEY) | {"crv": "P-384"},
            public_jwk(EC_KEY) | {"kty": "RSA"},
            public_jwk(EC_KEY) | {"alg": "RS256"},
            public_jwk(RSA_KEY) | {"kty": "EC"},
            public_jwk(RSA_KEY) | {"alg": "ES256"},
        ],
        ids=["another curve", "another type", "another algorithm", "RSA as EC", "RSA for ES256"],
    )
    def test_key_of_another_kind_than_it_says_is_refused(self, jwk: dict[str, Any]) -> None:
        with pytest.raises(NotVerified):
            parse_public_jwk(jwk)

    def test_kid_that_is_no_text_is_none(self) -> None:
        assert parse_public_jwk(public_jwk(EC_KEY, kid=5)).kid is None

    @pytest.mark.spec("RFC7517-5")
    def test_set_has_up_to_sixteen_keys(self) -> None:
        jwk = public_jwk(EC_KEY)

        assert len(parse_jwks({"keys": [jwk] * MOST_KEYS})) == MOST_KEYS
        for keys in ([jwk] * (MOST_KEYS + 1), "", "ab", None, {"a": jwk}, [5]):
            with pytest.raises(NotVerified):
                parse_jwks({"keys": keys})

    @pytest.mark.spec("RFC7515-5.2")
    @pytest.mark.parametrize("compact", ["..", ".a.a", "a..a", "a.a.", "a.a", "a.a.a.a", ""])
    def test_signature_has_three_parts(self, compact: str) -> None:
        with pytest.raises(NotVerified):
            parse_compact(compact)

    def test_signature_has_up_to_sixteen_kibibytes(self) -> None:
        longest = f"AA.{'A' * (LONGEST_JWS - 6)}.AA"

        assert parse_compact(longest).head == "AA"
        with pytest.raises(NotVerified):
            parse_compact(f"AA.{'A' * (LONGEST_JWS - 4)}.AA")

    @pytest.mark.spec("RFC7515-4.1.4")
    def test_key_is_the_named_one_or_one_without_a_name(self) -> None:
        named = parse_public_jwk(public_jwk(EC_KEY, kid="a"))
        other = parse_public_jwk(public_jwk(OTHER_EC_KEY, kid="b"))
        nameless = parse_public_jwk(public_jwk(EC_KEY))
        rsa = parse_public_jwk(public_jwk(RSA_KEY))
        keys = (named, other, nameless, rsa)

        def chosen(keys: Any, **header: object) -> Any:  # noqa: ANN401
            return tuple(
                choose_keys({"alg": "ES256", **header}, keys, algorithms=("ES256", "PS256"))[1]
            )

        assert chosen(keys, kid="a") == (named,)
        assert chosen(keys, kid="c") == (nameless,)
        assert chosen(keys) == (named, other, nameless)
        assert chosen((named, other), kid="c") == ()
        assert chosen((rsa,), kid="c") == ()
        assert chosen((rsa,)) == ()
        wrong: tuple[dict[str, object], ...] = (
            {"kid": 5}, {"alg": 5}, {"alg": "none"}, {"alg": ["ES256"]}, {"crit": []},
        )  # fmt: skip
        for header in wrong:
            with pytest.raises(NotVerified):
                chosen(keys, **header)
