"""Client authentication: RFC 6749, 2.3; RFC 7523, 3."""

import base64
from typing import Any
from urllib.parse import quote_plus

import pytest

from idp.client_authentication import (
    ASSERTION_TYPE,
    Authenticated,
    authenticate,
    read_credentials,
)
from idp.errors import InvalidClient
from idp.jose import parse_public_jwk
from idp.model import Client, ClientProfile
from idp.policy import Policy
from kernel.errors import InvalidRequest
from kernel.secret import sha256
from tests.idp.pure import (
    EC_KEY,
    ISSUER,
    NOON,
    OTHER_EC_KEY,
    RSA_KEY,
    a_client,
    public_jwk,
    signed,
)

SECRET = "s3cret:with%colon and space"
ENDPOINT = f"{ISSUER}/par"
ALIAS = "https://mtls.civitas.example/par"
KEYS = (parse_public_jwk(public_jwk(EC_KEY, kid="key-1")), parse_public_jwk(public_jwk(RSA_KEY)))


def basic(client_id: str, secret: str) -> str:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def with_secret(method: str = "client_secret_basic") -> Client:
    from dataclasses import replace  # noqa: PLC0415

    client = a_client(token_endpoint_auth_method=method)
    return replace(client, secret_digest=sha256(SECRET.encode()))


def an_assertion(key: Any = EC_KEY, alg: str = "ES256", **change: Any) -> str:  # noqa: ANN401
    now = NOON.timestamp()
    claims: dict[str, Any] = {
        "iss": "client-1",
        "sub": "client-1",
        "aud": ISSUER,
        "jti": "one",
        "iat": now,
        "exp": now + 60,
    }
    return signed(claims | change, key=key, alg=alg)


def call(
    client: Client | None, form: dict[str, str] | None = None, authorization: str | None = None
) -> Authenticated:
    presented = read_credentials(authorization, form or {})
    return authenticate(
        client,
        presented,
        keys=KEYS,
        issuer=ISSUER,
        endpoints=[ENDPOINT, f"{ISSUER}/token", ALIAS],
        policy=Policy(),
        at=NOON,
    )


def assert_with(client: Client | None, assertion: str, **form: str) -> Authenticated:
    return call(
        client,
        {"client_assertion": assertion, "client_assertion_type": ASSERTION_TYPE} | form,
    )


KEYED = a_client(token_endpoint_auth_method="private_key_jwt")
FAPI2 = a_client(profile=ClientProfile.FAPI2, token_endpoint_auth_method="private_key_jwt")


class TestSecrets:
    @pytest.mark.spec("RFC6749-2.3.1")
    def test_basic_credentials_are_form_encoded_before_they_are_joined(self) -> None:
        assert call(with_secret(), authorization=basic("client-1", SECRET)).client.client_id

    @pytest.mark.spec("RFC9110-11.1")
    def test_scheme_is_case_insensitive(self) -> None:
        header = basic("client-1", SECRET).replace("Basic", "bAsIc")

        call(with_secret(), authorization=header)

    @pytest.mark.spec("RFC6749-2.3.1")
    def test_secret_in_the_body_is_accepted_of_who_registered_it(self) -> None:
        client = with_secret("client_secret_post")

        call(client, {"client_id": "client-1", "client_secret": SECRET})

    @pytest.mark.spec("OIDCC-9")
    def test_method_that_was_not_registered_is_refused(self) -> None:
        for client, form, header in [
            (with_secret("client_secret_post"), {}, basic("client-1", SECRET)),
            (with_secret(), {"client_id": "client-1", "client_secret": SECRET}, None),
            (with_secret(), {"client_id": "client-1"}, None),
            (KEYED, {"client_id": "client-1"}, None),
        ]:
            with pytest.raises(InvalidClient):
                call(client, form, header)

    @pytest.mark.spec("RFC6749-5.2")
    @pytest.mark.parametrize(
        "header",
        [
            basic("client-1", "wrong"),
            basic("client-1", ""),
            basic("client-1", SECRET + " "),
            "Basic !!!",
            "Basic " + base64.b64encode(b"no colon").decode(),
            "Basic " + base64.b64encode(b":secret").decode(),
            "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
            "Basic ",
        ],
        ids=range(8),
    )
    def test_wrong_or_malformed_basic_gets_its_challenge(self, header: str) -> None:
        with pytest.raises(InvalidClient) as refused:
            call(with_secret(), authorization=header)

        assert refused.value.status == 401
        assert refused.value.headers["WWW-Authenticate"].startswith("Basic ")

    def test_unknown_client_is_refused_like_a_wrong_secret(self) -> None:
        with pytest.raises(InvalidClient) as unknown:
            call(None, authorization=basic("client-1", SECRET))
        with pytest.raises(InvalidClient) as wrong:
            call(with_secret(), authorization=basic("client-1", "wrong"))

        assert unknown.value.detail == wrong.value.detail
        assert unknown.value.headers == wrong.value.headers

    def test_public_client_names_itself(self) -> None:
        client = a_client(token_endpoint_auth_method="none")

        assert call(client, {"client_id": "client-1"}).client is client


class TestOneMethod:
    @pytest.mark.spec("RFC6749-2.3")
    @pytest.mark.parametrize(
        ("form", "header"),
        [
            ({"client_id": "client-1", "client_secret": SECRET}, basic("client-1", SECRET)),
            ({"client_assertion": "a.b.c", "client_secret": SECRET}, None),
            ({"client_assertion": "a.b.c"}, basic("client-1", SECRET)),
            ({"client_id": "client-2"}, basic("client-1", SECRET)),
        ],
        ids=["basic and post", "assertion and secret", "assertion and basic", "two identities"],
    )
    def test_more_than_one_is_a_bad_request(self, form: dict[str, str], header: str | None) -> None:
        with pytest.raises(InvalidRequest):
            call(with_secret(), form, header)

    def test_none_at_all_is_refused(self) -> None:
        for form in ({}, {"client_id": "x" * 300}):
            with pytest.raises(InvalidClient):
                call(with_secret(), form)


class TestAssertions:
    @pytest.mark.spec("RFC7523-3")
    @pytest.mark.parametrize("client", [KEYED, FAPI2], ids=["oidc", "fapi2"])
    def test_good_one_authenticates_and_is_to_be_spent(self, client: Client) -> None:
        found = assert_with(client, an_assertion())

        assert found.client is client
        assert found.assertion_digest is not None
        assert found.assertion_expires_at is not None
        assert (found.assertion_expires_at - NOON).total_seconds() == 60

    @pytest.mark.spec("RFC7523-3")
    @pytest.mark.parametrize(
        "change",
        [
            {"iss": "client-2"},
            {"iss": None},
            {"aud": "https://elsewhere.example"},
            {"aud": None},
            {"aud": []},
            {"aud": {"issuer": ISSUER}},
            {"exp": None},
            {"exp": NOON.timestamp()},
            {"exp": NOON.timestamp() - 300},
            {"exp": NOON.timestamp() + 3700},
            {"exp": "soon"},
            {"exp": True},
            {"exp": 1e300},
            {"nbf": NOON.timestamp() + 61},
            {"iat": NOON.timestamp() + 61},
            {"nbf": "now"},
            {"jti": None},
            {"jti": ""},
            {"jti": 1},
            {"jti": "x" * 300},
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("client", [KEYED, FAPI2], ids=["oidc", "fapi2"])
    def test_claim_that_is_wrong_is_refused(self, client: Client, change: dict[str, Any]) -> None:
        with pytest.raises(InvalidClient):
            assert_with(client, an_assertion(**change))

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1")
    def test_nbf_eight_seconds_ahead_is_accepted(self) -> None:
        ahead = NOON.timestamp() + 8

        assert_with(FAPI2, an_assertion(nbf=ahead, iat=ahead))

    @pytest.mark.spec("RFC7523-3")
    def test_subject_is_needed(self) -> None:
        with pytest.raises(InvalidClient):
            assert_with(KEYED, an_assertion(sub=None), client_id="client-1")

    @pytest.mark.spec("RFC7521-4.2")
    def test_client_id_beside_it_is_the_same_client(self) -> None:
        assert_with(KEYED, an_assertion(), client_id="client-1")
        with pytest.raises(InvalidClient):
            assert_with(KEYED, an_assertion(), client_id="client-2")

    @pytest.mark.spec("RFC7523-2.2")
    def test_its_type_is_needed(self) -> None:
        for form in ({}, {"client_assertion_type": "other"}):
            with pytest.raises(InvalidClient):
                call(KEYED, {"client_assertion": an_assertion()} | form)

    @pytest.mark.spec("RFC7523-3")
    @pytest.mark.parametrize(
        "aud", [ISSUER, ENDPOINT, f"{ISSUER}/token", [ISSUER], ["x", ENDPOINT], ALIAS]
    )
    def test_client_outside_of_fapi_may_name_the_endpoint(self, aud: object) -> None:
        assert_with(KEYED, an_assertion(aud=aud))

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1-8")
    @pytest.mark.parametrize(
        "aud", [[ISSUER], ENDPOINT, f"{ISSUER}/token", ISSUER + "/", ALIAS], ids=repr
    )
    def test_fapi2_client_names_the_issuer_as_a_text(self, aud: object) -> None:
        with pytest.raises(InvalidClient):
            assert_with(FAPI2, an_assertion(aud=aud))

    def test_another_key_is_refused(self) -> None:
        with pytest.raises(InvalidClient):
            assert_with(KEYED, an_assertion(OTHER_EC_KEY))

    @pytest.mark.spec("FAPI2-SP-FINAL-5.4")
    def test_rs256_is_refused_of_fapi2_clients_only(self) -> None:
        assert_with(KEYED, an_assertion(RSA_KEY, "RS256"))
        with pytest.raises(InvalidClient):
            assert_with(FAPI2, an_assertion(RSA_KEY, "RS256"))

    @pytest.mark.spec("OIDCR-2")
    def test_registered_algorithm_is_the_only_one(self) -> None:
        client = a_client(
            token_endpoint_auth_method="private_key_jwt", token_endpoint_auth_signing_alg="PS256"
        )

        assert_with(client, an_assertion(RSA_KEY, "PS256"))
        with pytest.raises(InvalidClient):
            assert_with(client, an_assertion())

    def test_digest_is_the_client_s_own(self) -> None:
        one = assert_with(KEYED, an_assertion()).assertion_digest
        again = assert_with(KEYED, an_assertion(exp=NOON.timestamp() + 30)).assertion_digest
        other = assert_with(KEYED, an_assertion(jti="two")).assertion_digest

        assert one == again
        assert one != other

    @pytest.mark.parametrize(
        "assertion", ["", "a.b.c", "e30.e30.e30", "x" * 20_000, "é.é.é"], ids=range(5)
    )
    def test_malformed_one_is_refused(self, assertion: str) -> None:
        with pytest.raises(InvalidClient):
            assert_with(KEYED, assertion)
