"""What the modules of the FAPI 2.0 plans send, and how it is answered; one row for each module.

The flows that succeed are in `test_fapi2_flows`; here a client does one thing differently. Names
are those of the suite's modules without `fapi2-security-profile-final-`.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import jwt
import pytest

from idp.client_authentication import ASSERTION_TYPE
from kernel.secret import b64url, sha256
from tests.idp.certificates import MTLS_URL, Certificate
from tests.idp.idp_world import ISSUER, IdpWorld, Person, ProofKey, claims_of, parameters_of
from tests.idp.pure import RSA_KEY
from tests.idp.test_fapi2_flows import Client, a_client

VERIFIER = "v" * 43
NO_PARAMETER = {"code_challenge": None, "code_challenge_method": None}


@pytest.fixture(scope="module")
def world_settings(mutual_tls: dict[str, Any]) -> dict[str, Any]:
    return mutual_tls


@pytest.fixture
def client(world: IdpWorld, authority: Certificate) -> Client:
    return a_client(world, authority)


@pytest.fixture
def signer(world: IdpWorld, authority: Certificate) -> Client:
    """A client of the Message Signing plan: what it asks, it signs."""
    return a_client(
        world,
        authority,
        require_signed_request_object=True,
        request_object_signing_alg="ES256",
        authorization_signed_response_alg="ES256",
    )


@pytest.fixture
def person(world: IdpWorld) -> Person:
    return world.someone()


def answered(answer: httpx.Response) -> tuple[int, str]:
    """Return status and error, of an answer that is shaped as RFC 6749, 5.2 wants it."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert set(body) == {"error", "error_description"}
    return answer.status_code, body["error"]


@dataclass(frozen=True)
class Row:
    """A module: what the client does differently, and what comes of it."""

    module: str
    clause: str
    parameters: Mapping[str, str | None] = field(default_factory=dict)
    assertion: Mapping[str, Any] = field(default_factory=dict)
    expected: tuple[int, str] | None = None


PUSHED = [
    Row(
        "ensure-response-type-code-idtoken-fails",
        "FAPI2-SP-FINAL-5.3.2.2-1",
        {"response_type": "code id_token"},
        expected=(400, "unsupported_response_type"),
    ),
    Row(
        "ensure-response-type-token-fails",
        "FAPI2-SP-FINAL-5.3.2.2-1",
        {"response_type": "token"},
        expected=(400, "unsupported_response_type"),
    ),
    Row(
        "ensure-redirect-uri-in-authorization-request",
        "FAPI2-SP-FINAL-5.3.2.2-6",
        {"redirect_uri": None},
        expected=(400, "invalid_request"),
    ),
    Row(
        "plain-fapi-tolerate-unregistered-redirect-uri",
        "RFC9126-2.3",
        {"redirect_uri": "https://suite.example/test/a/civitas/callback/abc"},
        expected=(400, "invalid_request"),
    ),
    Row(
        "par-authorization-request-containing-request_uri-form-param",
        "RFC9126-2.1",
        {"request_uri": "urn:ietf:params:oauth:request_uri:abc"},
        expected=(400, "invalid_request"),
    ),
    Row(
        "par-ensure-pkce-required",
        "FAPI2-SP-FINAL-5.3.2.2-5",
        NO_PARAMETER,
        expected=(400, "invalid_request"),
    ),
    Row(
        "par-plain-pkce-rejected",
        "FAPI2-SP-FINAL-5.3.2.2-5",
        {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
        expected=(400, "invalid_request"),
    ),
    Row(
        "ensure-mismatched-dpop-jkt-fails",
        "RFC9449-10.1",
        {"dpop_jkt": "A" * 43},
        expected=(400, "invalid_request"),
    ),
    Row("ensure-authorization-request-without-state-success", "RFC6749-4.1.1", {"state": None}),
    Row("ensure-authorization-request-without-nonce-success", "OIDCC-3.1.2.1", {"nonce": None}),
    Row(
        "ensure-authorization-request-with-64-char-nonce-success",
        "FAPI2-SP-FINAL-5.3.2.2-14",
        {"nonce": "n" * 64},
    ),
    Row("ensure-authorization-request-with-long-nonce", "OIDCC-3.1.2.1", {"nonce": "n" * 384}),
    Row("ensure-authorization-request-with-long-state", "RFC6749-4.1.1", {"state": "s" * 1024}),
    Row("ensure-other-scope-order-succeeds", "RFC6749-3.3", {"scope": "profile openid"}),
    Row(
        "par-test-array-as-audience-fails",
        "FAPI2-SP-FINAL-5.3.2.1-8",
        assertion={"aud": [ISSUER]},
        expected=(401, "invalid_client"),
    ),
    Row(
        "par-test-par-endpoint-url-as-audience-fails",
        "FAPI2-SP-FINAL-5.3.2.1-8",
        assertion={"aud": f"{ISSUER}/par"},
        expected=(401, "invalid_client"),
    ),
    Row(
        "par-test-token-endpoint-url-as-audience-fails",
        "FAPI2-SP-FINAL-5.3.2.1-8",
        assertion={"aud": f"{ISSUER}/token"},
        expected=(401, "invalid_client"),
    ),
    Row(
        "par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails",
        "FAPI2-SP-FINAL-5.3.2.1-14",
        assertion={"nbf": 65, "iat": 65, "exp": 125},
        expected=(401, "invalid_client"),
    ),
    Row(
        "par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted",
        "FAPI2-SP-FINAL-5.3.2.1-13",
        assertion={"nbf": 8, "iat": 8, "exp": 68},
    ),
    Row(
        "ensure-client-assertion-with-exp-is-5-minutes-in-past-fails",
        "RFC7523-3",
        assertion={"exp": -300},
        expected=(401, "invalid_client"),
    ),
    Row(
        "ensure-client-assertion-with-wrong-aud-fails",
        "RFC7523-3",
        assertion={"aud": "https://other.example"},
        expected=(401, "invalid_client"),
    ),
    Row(
        "ensure-client-assertion-with-no-sub-fails",
        "RFC7523-3",
        assertion={"sub": None},
        expected=(401, "invalid_client"),
    ),
]


@pytest.mark.spec("RFC8705-3.3")
@pytest.mark.spec("FAPI2-SP-FINAL-5.4.1")
@pytest.mark.spec("RFC8705-5")
@pytest.mark.parametrize("name", ["openid-configuration", "oauth-authorization-server"])
def test_discovery_end_point_verification(world: IdpWorld, name: str) -> None:
    answer = world.http.get(f"/.well-known/{name}")
    document = answer.json()

    assert answer.headers["content-type"] == "application/json"
    assert document["issuer"] == ISSUER
    assert "code" in document["response_types_supported"]
    assert {"query.jwt", "jwt"} <= set(document["response_modes_supported"])
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["tls_client_certificate_bound_access_tokens"] is True
    assert document["require_pushed_authorization_requests"] is False  # others need not push
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert {"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"} <= set(
        document["token_endpoint_auth_methods_supported"]
    )
    good = {"PS256", "ES256", "EdDSA"}
    for kind in (
        "authorization",
        "dpop",
        "id_token",
        "request_object",
        "token_endpoint_auth",
        "userinfo",
    ):
        offered = set(document[f"{kind}_signing_alg_values_supported"])
        assert offered & good, kind
        assert "none" not in offered, kind
    for endpoint, address in document["mtls_endpoint_aliases"].items():
        assert address == document[endpoint].replace(ISSUER, MTLS_URL)
    assert document["grant_management_endpoint"] == f"{ISSUER}/grants"
    assert {"query", "revoke", "create"} <= set(document["grant_management_actions_supported"])
    sizes = {key["kid"]: len(key.get("n", "")) for key in world.http.get("/jwks").json()["keys"]}
    assert all(size == 0 or size >= len(b64url(bytes(256))) for size in sizes.values())


@pytest.mark.spec("OIDCC-5.5")
def test_claims_parameter_identity_claims(client: Client, person: Person) -> None:
    supported = client.party.world.http.get("/.well-known/openid-configuration").json()
    standard = {"sub", "name", "given_name", "family_name", "middle_name", "gender", "birthdate"}
    assert standard <= set(supported["claims_supported"])
    forms = itertools.cycle([None, {"essential": True}, {"essential": False}, {"unknown": 1}])
    asked = dict(zip([*sorted(standard), "kZ8sQ1xYvB"], forms, strict=False))
    claims = {"id_token": asked, "userinfo": asked, "w4cRt9LmPq": {"gH2nJ7dFsA": None}}

    pushed = client.push(client.parameters(VERIFIER, scope="openid", claims=json.dumps(claims)))
    code = client.visit(client.party.world.browser(), pushed, person)["code"]
    body = client.redeem(code, VERIFIER).json()

    read = client.read("/userinfo", body["access_token"])
    assert read.headers["content-type"] == "application/json"
    userinfo, id_token = read.json(), claims_of(body["id_token"])
    for name in standard:
        assert isinstance(userinfo[name], str), name
        assert id_token[name] == userinfo[name], name
    assert not {"kZ8sQ1xYvB", "gH2nJ7dFsA"} & (userinfo.keys() | id_token.keys())


@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=pytest.mark.spec(row.clause), id=row.module) for row in PUSHED]
)
def test_pushed_request(client: Client, row: Row) -> None:
    parameters = client.parameters(VERIFIER, **row.parameters)

    answer = client.party.post(
        "/par",
        parameters | asserted(client, row.assertion),
        proof=client.proof("/par"),
        authenticate=False,
    )

    if row.expected is None:
        assert answer.status_code == 201, answer.text
    else:
        assert answered(answer) == row.expected


def asserted(client: Client, change: Mapping[str, Any]) -> dict[str, str]:
    """Return the assertion of a client; instants are seconds from now."""
    now = int(client.party.world.clock.now().timestamp())
    claims = {
        name: now + value if isinstance(value, int) else value for name, value in change.items()
    }
    return {
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": client.party.assertion(**claims),
    }


class TestRequestObjects:
    """The Message Signing plan: what is signed, and how long it is good."""

    @pytest.mark.parametrize(
        ("module", "change", "code"),
        [
            ("ensure-request-object-without-exp-fails", {"exp": None}, "invalid_request_object"),
            ("ensure-request-object-without-nbf-fails", {"nbf": None}, "invalid_request_object"),
            ("ensure-expired-request-object-fails", {"exp": -300}, "invalid_request_object"),
            (
                "ensure-request-object-with-bad-aud-fails",
                {"aud": "https://other.example"},
                "invalid_request_object",
            ),
            (
                "ensure-request-object-with-exp-over-60-fails",
                {"exp": 4200},
                "invalid_request_object",
            ),
            (
                "ensure-request-object-with-nbf-over-60-fails",
                {"nbf": -4200},
                "invalid_request_object",
            ),
            (
                "par-authorization-request-containing-request_uri",
                {"request_uri": "urn:ietf:params:oauth:request_uri:abc"},
                "invalid_request_object",
            ),
            (
                "ensure-request-object-without-redirect-uri-fails",
                {"redirect_uri": None},
                "invalid_request",
            ),
            (
                "ensure-request-object-with-multiple-aud-succeeds",
                {"aud": ["https://other.example", ISSUER]},
                None,
            ),
            (
                "ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted",
                {"nbf": 8},
                None,
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    @pytest.mark.spec("FAPI2-MS-5.3.1-3")
    @pytest.mark.spec("FAPI2-MS-5.3.1-4")
    def test_life_and_audience(
        self, signer: Client, module: str, change: dict[str, Any], code: str | None
    ) -> None:
        assert module
        now = int(signer.party.world.clock.now().timestamp())
        moved = {n: now + v if isinstance(v, int) else v for n, v in change.items()}

        answer = signer.call("/par", {"request": signer.request_object(VERIFIER, **moved)})

        if code is None:
            assert answer.status_code == 201, answer.text
        else:
            assert answered(answer) == (400, code)

    @pytest.mark.spec("FAPI2-SP-FINAL-5.4.1")
    @pytest.mark.spec("RFC9101-6.2")
    @pytest.mark.parametrize(
        ("module", "alg", "key"),
        [
            ("ensure-signed-request-object-with-RS256-fails", "RS256", RSA_KEY),
            ("ensure-request-object-signature-algorithm-is-not-none", "none", ""),
            ("ensure-matching-key-in-authorization-request", "ES256", ProofKey().private),
        ],
        ids=lambda value: value if isinstance(value, str) and "-" in value else "",
    )
    def test_signature(self, signer: Client, module: str, alg: str, key: Any) -> None:  # noqa: ANN401
        assert module
        good = claims_of(signer.request_object(VERIFIER))

        answer = signer.call(
            "/par", {"request": jwt.encode(good, key, algorithm=alg, headers={"kid": "key-1"})}
        )

        assert answered(answer) == (400, "invalid_request_object")

    def test_ensure_request_object_with_invalid_signature_fails(self, signer: Client) -> None:
        head, payload, signature = signer.request_object(VERIFIER).split(".")
        flipped = ("A" if signature[0] != "A" else "B") + signature[1:]

        answer = signer.call("/par", {"request": f"{head}.{payload}.{flipped}"})

        assert answered(answer) == (400, "invalid_request_object")

    @pytest.mark.spec("FAPI2-MS-5.3.1-1")
    def test_ensure_unsigned_request_at_par_endpoint_fails(self, signer: Client) -> None:
        answer = signer.call("/par", signer.parameters(VERIFIER))

        assert answered(answer) == (400, "invalid_request")

    @pytest.mark.spec("FAPI2-MS-5.4.1")
    @pytest.mark.parametrize("decision", ["allow", "deny"])
    def test_answer_of_jarm_is_signed_and_alone(
        self, world: IdpWorld, signer: Client, person: Person, decision: str
    ) -> None:
        pushed = signer.push({"request": signer.request_object(VERIFIER, response_mode="jwt")})
        query = f"client_id={signer.party.client_id}&request_uri={pushed}"

        location = world.browser().follow(f"/authorize?{query}", person, decision)

        answer = parameters_of(location)
        assert set(answer) == {"response"}
        header, claims = (
            jwt.get_unverified_header(answer["response"]),
            claims_of(answer["response"]),
        )
        assert header["alg"] == "ES256"
        assert header["kid"]
        assert (claims["iss"], claims["aud"]) == (ISSUER, signer.party.client_id)
        assert 0 < claims["exp"] - world.clock.now().timestamp() <= 600
        if decision == "deny":
            assert claims["error"] == "access_denied"
        else:
            assert signer.redeem(claims["code"], VERIFIER).status_code == 200


class TestAuthorizationEndpoint:
    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.2-2")
    def test_ensure_unsigned_authorization_request_without_using_par_fails(
        self, world: IdpWorld, client: Client
    ) -> None:
        answer = world.browser().get("/authorize", params=client.parameters(VERIFIER, state="s"))

        assert answer.status_code == 303  # RFC 9700, 4.12
        sent = parameters_of(answer.headers["location"])
        assert (sent["error"], sent["state"], sent["iss"]) == ("invalid_request", "s", ISSUER)

    @pytest.mark.spec("RFC6749-4.1.2.1")
    def test_user_rejects_authentication(
        self, world: IdpWorld, client: Client, person: Person
    ) -> None:
        pushed = client.push(client.parameters(VERIFIER, state="s"))
        query = f"client_id={client.party.client_id}&request_uri={pushed}"

        sent = parameters_of(world.browser().follow(f"/authorize?{query}", person, "deny"))

        assert set(sent) == {"error", "error_description", "state", "iss"}
        assert sent["error"] == "access_denied"

    @pytest.mark.spec("RFC9126-4")
    def test_state_only_outside_request_object_not_used(
        self, world: IdpWorld, client: Client, person: Person
    ) -> None:
        pushed = client.push(client.parameters(VERIFIER, state=None))
        query = f"client_id={client.party.client_id}&request_uri={pushed}&state=outside&nonce=other"

        sent = parameters_of(world.browser().follow(f"/authorize?{query}", person))

        assert set(sent) == {"code", "iss"}

    @pytest.mark.spec("RFC9126-7.3")
    def test_par_attempt_reuse_request_uri(
        self, world: IdpWorld, authority: Certificate, client: Client, person: Person
    ) -> None:
        browser, other = world.browser(), a_client(world, authority)
        pushed = client.push(client.parameters(VERIFIER))
        query = f"/authorize?request_uri={pushed}&client_id="
        mine = query + client.party.client_id
        assert browser.get(mine).status_code == 303  # a visit that comes to nothing
        assert "code" in client.visit(browser, pushed, person)

        again = browser.get(query)
        of_another = browser.get(
            f"/authorize?client_id={other.party.client_id}&request_uri={pushed}"
        )
        fresh = client.push(client.parameters(VERIFIER))
        world.later(seconds=90)
        expired = browser.get(f"/authorize?client_id={client.party.client_id}&request_uri={fresh}")

        for page in (again, of_another, expired):
            assert page.status_code == 400
            assert page.headers["content-type"].startswith("text/html")
            assert "location" not in page.headers


class TestParEndpoint:
    @pytest.mark.spec("RFC9126-2.3")
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    def test_par_attempt_invalid_http_method(self, client: Client, method: str) -> None:
        answer = client.party.world.http.request(method, "/par")

        assert answer.status_code == 405
        assert answer.headers["allow"] == "POST"

    @pytest.mark.spec("RFC6749-5.2")
    @pytest.mark.parametrize("path", ["/par", "/token", "/introspect", "/revoke"])
    def test_ensure_client_assertion_in_token_endpoint(self, client: Client, path: str) -> None:
        form = client.parameters(VERIFIER) | {"client_id": client.party.client_id, "token": "x"}

        answer = client.party.post(path, form, authenticate=False)

        assert answered(answer) == (401, "invalid_client")

    @pytest.mark.spec("FAPI2-SP-FINAL-5.4")
    def test_ensure_signed_client_assertion_with_rs256_fails(self, client: Client) -> None:
        claims = claims_of(client.party.assertion())
        compact = jwt.encode(claims, RSA_KEY, algorithm="RS256", headers={"kid": "key-1"})
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": compact}

        answer = client.party.post(
            "/token", {"grant_type": "client_credentials"} | form, authenticate=False
        )

        assert answered(answer) == (401, "invalid_client")

    @pytest.mark.spec("RFC6749-5.2")
    def test_ensure_client_id_in_token_endpoint(
        self, world: IdpWorld, authority: Certificate, client: Client
    ) -> None:
        other = a_client(world, authority)
        other.party.key = client.party.key  # the second client's name, the first one's key

        answer = other.redeem("cvc0_whatever", VERIFIER)

        assert answered(answer) == (401, "invalid_client")


class TestTokenEndpoint:
    def code(self, client: Client, person: Person, **change: Any) -> str:  # noqa: ANN401
        pushed = client.push(client.parameters(VERIFIER), **change)
        return client.visit(client.party.world.browser(), pushed, person)["code"]

    @pytest.mark.spec("RFC6749-4.1.2")
    def test_attempt_reuse_authorization_code_after_one_second(
        self, world: IdpWorld, client: Client, person: Person
    ) -> None:
        code = self.code(client, person)
        token = client.redeem(code, VERIFIER).json()["access_token"]
        assert client.read("/userinfo", token).status_code == 200
        world.later(seconds=1)

        assert answered(client.redeem(code, VERIFIER)) == (400, "invalid_grant")
        assert client.read("/userinfo", token).status_code == 401

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1-11")
    def test_ensure_token_endpoint_fails_with_expired_auth_code(
        self, world: IdpWorld, client: Client, person: Person
    ) -> None:
        code = self.code(client, person)
        world.later(seconds=60)

        assert answered(client.redeem(code, VERIFIER)) == (400, "invalid_grant")

    @pytest.mark.spec("RFC6749-4.1.3")
    def test_ensure_authorization_code_is_bound_to_client(
        self, world: IdpWorld, authority: Certificate, client: Client, person: Person
    ) -> None:
        code = self.code(client, person)

        answer = a_client(world, authority).redeem(code, VERIFIER)

        assert answered(answer) == (400, "invalid_grant")
        assert client.redeem(code, VERIFIER).status_code == 200

    @pytest.mark.spec("RFC7636-4.6")
    @pytest.mark.parametrize(
        ("module", "verifier"),
        [("ensure-pkce-code-verifier-required", ""), ("incorrect-pkce-code-verifier", "w" * 43)],
    )
    def test_verifier(self, client: Client, person: Person, module: str, verifier: str) -> None:
        assert module

        answer = client.redeem(self.code(client, person), verifier)

        assert answered(answer) == (400, "invalid_grant")

    @pytest.mark.spec("RFC9449-10")
    @pytest.mark.parametrize("named", ["proof", "dpop_jkt"])
    def test_ensure_token_endpoint_fails_with_mismatched_dpop_jkt(
        self, client: Client, person: Person, named: str
    ) -> None:
        assert client.party.dpop_key is not None
        if named == "proof":
            code = self.code(client, person)
        else:
            parameters = client.parameters(VERIFIER, dpop_jkt=client.party.dpop_key.jkt)
            pushed = client.push(parameters, proof=None)
            code = client.visit(client.party.world.browser(), pushed, person)["code"]
        client.party.dpop_key = ProofKey()

        assert answered(client.redeem(code, VERIFIER)) == (400, "invalid_grant")

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1-13")
    @pytest.mark.parametrize("seconds", [-10, 10])
    def test_ensure_dpopproof_with_iat_10seconds_off_succeeds(
        self, world: IdpWorld, client: Client, person: Person, seconds: int
    ) -> None:
        iat = int(world.clock.now().timestamp()) + seconds
        code = self.code(client, person, proof=client.proof("/par", iat=iat))

        answer = client.redeem(code, VERIFIER, proof=client.proof("/token", iat=iat))

        assert answer.status_code == 200, answer.text
        read = client.read("/userinfo", answer.json()["access_token"], iat=iat)
        assert read.status_code == 200


class TestDpopNegativeTests:
    """`dpop-negative-tests`: at the resource, with one token."""

    @pytest.fixture
    def token(self, client: Client, person: Person) -> str:
        pushed = client.push(client.parameters(VERIFIER))
        code = client.visit(client.party.world.browser(), pushed, person)["code"]
        return str(client.redeem(code, VERIFIER).json()["access_token"])

    @staticmethod
    def read(
        world: IdpWorld, token: str, *proofs: str, scheme: str = "DPoP", path: str = "/userinfo"
    ) -> tuple[int, str | None]:
        """Ask for userinfo with any number of proofs; return the status and the challenge."""
        shown = [("Authorization", f"{scheme} {token}"), *(("DPOP", each) for each in proofs)]
        answer = world.http.get(path, headers=shown)
        return answer.status_code, answer.headers.get("www-authenticate")

    @pytest.mark.spec("RFC9449-7.1")
    def test_each_step_of_the_check_refuses(
        self, world: IdpWorld, client: Client, token: str
    ) -> None:
        now, key = int(world.clock.now().timestamp()), client.party.dpop_key
        assert key is not None
        ath = b64url(sha256(token.encode()))
        good: dict[str, Any] = {"htm": "GET", "ath": ath}

        def proof(header: dict[str, Any] | None = None, alg: str = "ES256", **change: Any) -> str:  # noqa: ANN401
            claims = claims_of(client.proof("/userinfo", **(good | change)))
            headers = {"typ": "dpop+jwt", "jwk": key.jwk} | (header or {})
            return jwt.encode(
                claims,
                "" if alg == "none" else key.private,
                algorithm=alg,
                headers={name: value for name, value in headers.items() if value is not None},
            )

        read = partial(self.read, world, token)
        private = {**key.jwk, "d": "x"}
        other = client.proof("/userinfo", key=ProofKey(), **good)
        refused = {
            "two proofs": (proof(), proof()),
            "not a JWT": (proof() + ".x",),
            "no typ": (proof({"typ": "JWT"}),),
            "no jwk": (proof({"jwk": None}),),
            "private jwk": (proof({"jwk": private}),),
            "alg none": (proof(alg="none"),),
            "no jti": (proof(jti=None),),
            "no htm": (proof(htm=None),),
            "another htm": (proof(htm="PUT"),),
            "no htu": (proof(htu=None),),
            "another htu": (proof(htu=f"{ISSUER}/elsewhere"),),
            "no iat": (proof(iat=None),),
            "an hour ahead": (proof(iat=now + 3600),),
            "an hour ago": (proof(iat=now - 3600),),
            "no ath": (proof(ath=None),),
            "another ath": (proof(ath=b64url(sha256(b"other"))),),
            "another key": (other,),
            "changed": (proof()[:-4] + "AAAA",),
            "nothing": (),
        }
        for why, proofs in refused.items():
            status, challenge = read(*proofs)
            assert status == 401, why
            assert challenge is not None, why
            assert challenge.startswith("DPoP "), why
        assert read(proof(), scheme="Bearer")[0] == 401

        once = proof(jti="once")
        assert read(once)[0] == 200
        assert read(once)[0] == 401
        # What may differ: case of the scheme, what is beside the address, members nobody knows.
        assert read(proof(), scheme="dPOP")[0] == 200
        assert read(proof(htu=f"{ISSUER}/userinfo?query#fragment"))[0] == 200
        assert read(proof(), path="/userinfo?x=1")[0] == 200
        assert read(proof({"x": "y"}, extra=1, nbf=now, exp=now + 300))[0] == 200
