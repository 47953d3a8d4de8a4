"""What the modules of the FAPI-CIBA plan send, and how it is answered; one row for each module.

The client is registered as the suite registers it: for CIBA alone, with signed requests, and with
tokens that are bound to its certificate. Names are those of the modules without `fapi-ciba-id1-`.
"""

from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from examples.ciba_approver import decide
from idp.client_authentication import ASSERTION_TYPE
from idp.grant_types import CIBA_GRANT
from idp.service.administration import add_partner, issue_initial_access_token
from kernel.secret import random_b64url
from tests.idp.certificates import MTLS_URL, Certificate, a_client_certificate
from tests.idp.idp_world import ISSUER, NOON, PASSWORD, IdpWorld, Person, claims_of
from tests.idp.pure import RSA_KEY
from tests.idp.test_ciba import answer_it
from tests.idp.test_fapi2_modules import answered

ENDPOINT = "/backchannel_authentication"
KEYS = [RSA_KEY, rsa.generate_private_key(public_exponent=65537, key_size=2048)]
EMOJI = (
    "1234 \U0001f44d\U0001f3ff 品川 Lorem ipsum dolor sit amet, consectetur adipiscing " + "x" * 200
)


@pytest.fixture(scope="module")
def world_settings(mutual_tls: dict[str, Any]) -> dict[str, Any]:
    return mutual_tls


@dataclass
class Client:
    """A client as the suite drives it."""

    world: IdpWorld
    client_id: str
    key: rsa.RSAPrivateKey
    certificate: Certificate
    auth: str

    def jws(self, claims: dict[str, Any], alg: str = "PS256", key: Any = None) -> str:  # noqa: ANN401
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            "" if alg == "none" else key or self.key,
            algorithm=alg,
            headers={"kid": "key-1"},
        )

    def now(self) -> int:
        return int(self.world.clock.now().timestamp())

    def request(self, person: Person, *, alg: str = "PS256", key: Any = None, **change: Any) -> str:  # noqa: ANN401
        """Return a signed request; instants are seconds from now."""
        claims: dict[str, Any] = {
            "iss": self.client_id,
            "aud": ISSUER,
            "iat": 0,
            "nbf": 0,
            "exp": 300,
            "jti": random_b64url(16),
            "scope": "openid",
            "login_hint": person.username,
            "binding_message": "1234",
        } | change
        for name in ("iat", "nbf", "exp"):
            if claims[name] is not None:
                claims[name] += self.now()
        return self.jws(claims, alg, key)

    def authentication(self, aud: str, alg: str = "PS256", **change: Any) -> dict[str, str]:  # noqa: ANN401
        if self.auth != "private_key_jwt":
            return {"client_id": self.client_id}
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": aud,
            "jti": random_b64url(16),
            "iat": self.now(),
            "exp": self.now() + 60,
        } | change
        return {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.jws(claims, alg),
        }

    def send(
        self,
        path: str,
        form: dict[str, str],
        *,
        certificate: Certificate | str | None = "own",
        authentication: dict[str, str] | None = None,
    ) -> httpx.Response:
        own = self.certificate if certificate == "own" else certificate
        headers = own.headers if isinstance(own, Certificate) else {}
        fields = self.authentication(MTLS_URL + path) if authentication is None else authentication
        return self.world.http.post(path, data=form | fields, headers=headers)

    def ask(self, person: Person, **change: Any) -> httpx.Response:  # noqa: ANN401
        return self.send(ENDPOINT, {"request": self.request(person, **change)})

    def poll(self, auth_req_id: str, **kwargs: Any) -> httpx.Response:  # noqa: ANN401
        form = {"grant_type": CIBA_GRANT, "auth_req_id": auth_req_id}
        return self.send("/token", form, **kwargs)


def register(
    world: IdpWorld,
    auth: str = "private_key_jwt",
    *,
    number: int = 0,
    mode: str = "poll",
) -> Client:
    """Register as the suite does (RFC 7591), with the initial access token of its configuration."""
    key, certificate = KEYS[number], a_client_certificate(None)
    jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    jwks = [{**jwk, "kid": "key-1", "use": "sig", "alg": "PS256"}]
    jwks += [{**certificate.jwk, "kid": "certificate-1"}] if auth != "private_key_jwt" else []
    asked = {
        "client_name": "The suite",
        "grant_types": [CIBA_GRANT, "refresh_token"],
        "response_types": [],
        "jwks": {"keys": jwks},
        "backchannel_user_code_parameter": False,
        "backchannel_token_delivery_mode": mode,
        "backchannel_authentication_request_signing_alg": "PS256",
        "id_token_signed_response_alg": "PS256",
        "token_endpoint_auth_method": auth,
        "token_endpoint_auth_signing_alg": "PS256",
        "tls_client_certificate_bound_access_tokens": True,
        "scope": "openid offline_access",
    }
    if mode == "ping":
        asked["backchannel_client_notification_endpoint"] = "https://suite.example/ciba"
    headers = {"Authorization": f"Bearer {initial_access_token(world)}"}
    answer = world.http.post("/register", json=asked, headers=headers)
    assert answer.status_code == 201, answer.text
    assert asked.items() <= answer.json().items()
    return Client(world, answer.json()["client_id"], key, certificate, auth)


def initial_access_token(world: IdpWorld) -> str:
    partner_id = f"suite-{random_b64url(8)}"
    with world.session() as session:
        add_partner(session, partner_id=partner_id, name="The suite", at=NOON)
        return issue_initial_access_token(session, partner_id=partner_id, uses=2, at=NOON).reveal()


@pytest.fixture
def client(world: IdpWorld) -> Client:
    return register(world)


@pytest.fixture
def person(world: IdpWorld) -> Person:
    return world.someone()


class TestHappyFlow:
    """`fapi-ciba-id1`, `fapi-ciba-id1-refresh-token`."""

    @pytest.mark.spec("FAPI-CIBA-5.2.2-1")
    @pytest.mark.spec("RFC8705-3")
    @pytest.mark.parametrize("auth", ["private_key_jwt", "self_signed_tls_client_auth"])
    @pytest.mark.parametrize("mode", ["poll", "ping"])
    def test_tokens_are_the_clients_and_its_certificates(
        self, world: IdpWorld, person: Person, auth: str, mode: str
    ) -> None:
        client = register(world, auth, mode=mode)
        other = register(world, auth, number=1)
        notified = {"client_notification_token": random_b64url(32)} if mode == "ping" else {}
        asked = client.ask(person, scope="offline_access openid", requested_expiry=300, **notified)
        assert asked.status_code == 200, asked.text
        assert asked.headers["content-type"] == "application/json"
        auth_req_id = asked.json()["auth_req_id"]

        # "ensure-wrong-auth-req-id-in-token-endpoint-request", and before anybody decided
        assert answered(other.poll(auth_req_id)) == (400, "invalid_grant")
        assert answered(client.poll(auth_req_id)) == (400, "authorization_pending")
        answer_it(world, person)
        # "ensure-mtls-holder-of-key-required"
        refused = answered(client.poll(auth_req_id, certificate=None))
        assert refused in {(400, "invalid_request"), (401, "invalid_client")}
        body = client.poll(auth_req_id).json()

        assert jwt.get_unverified_header(body["id_token"])["alg"] == "PS256"
        assert set(claims_of(body["access_token"])["cnf"]) == {"x5t#S256"}
        bearer = {"Authorization": f"Bearer {body['access_token']}"}
        mine = world.http.get("/userinfo", headers=bearer | client.certificate.headers)
        assert mine.status_code == 200
        assert mine.headers["x-fapi-interaction-id"]
        theirs = world.http.get("/userinfo", headers=bearer | other.certificate.headers)
        assert theirs.status_code == 401
        form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
        assert answered(other.send("/token", form)) == (400, "invalid_grant")
        assert client.send("/token", form | {"scope": "openid"}).status_code == 200

    @pytest.mark.spec("CIBA-11")
    def test_user_rejects_authentication(
        self, world: IdpWorld, client: Client, person: Person
    ) -> None:
        auth_req_id = client.ask(person).json()["auth_req_id"]
        answer_it(world, person, "deny")

        assert answered(client.poll(auth_req_id)) == (400, "access_denied")

    @pytest.mark.parametrize(("action", "status"), [("allow", 200), ("deny", 400)])
    def test_approver_for_runs_of_the_suite_decides(
        self, world: IdpWorld, client: Client, person: Person, action: str, status: int
    ) -> None:
        auth_req_id = client.ask(person).json()["auth_req_id"]
        browsers: list[Any] = [world.browser().http for _ in range(2)]

        assert decide(browsers[0], person.username, PASSWORD, action) == 1
        assert client.poll(auth_req_id).status_code == status
        assert decide(browsers[1], person.username, PASSWORD, action) == 0

    @pytest.mark.spec("CIBA-11")
    def test_auth_req_id_expired(self, world: IdpWorld, client: Client, person: Person) -> None:
        asked = client.ask(person, requested_expiry=10).json()
        assert asked["expires_in"] == 10
        world.later(seconds=10)

        assert answered(client.poll(asked["auth_req_id"])) == (400, "expired_token")

    @pytest.mark.spec("CIBA-11")
    def test_multiple_call_to_token_endpoint(self, client: Client, person: Person) -> None:
        auth_req_id = client.ask(person).json()["auth_req_id"]

        said = {answered(client.poll(auth_req_id)) for _ in range(5)}

        assert said == {(400, "authorization_pending"), (400, "slow_down")}


ROWS: list[tuple[str, dict[str, Any], str | None]] = [
    ("ensure-authorization-request-with-binding-message-succeeds", {"binding_message": "1"}, None),
    ("ensure-other-scope-order-succeeds", {"scope": "offline_access openid"}, None),
    ("ensure-requested-expiry-as-string-succeeds", {"requested_expiry": "30"}, None),
    (
        "ensure-authorization-request-with-potentially-bad-binding-message",
        {"binding_message": EMOJI},
        "invalid_binding_message",
    ),
    *(
        (f"ensure-request-object-missing-{name}-fails", {name: None}, "invalid_request")
        for name in ("aud", "iss", "exp", "iat", "nbf", "jti")
    ),
    ("ensure-request-object-bad-aud-fails", {"aud": "https://x.example"}, "invalid_request"),
    ("ensure-request-object-bad-iss-fails", {"iss": "another-client"}, "invalid_request"),
    ("ensure-request-object-expired-exp-fails", {"exp": -300}, "invalid_request"),
    ("ensure-request-object-exp-is-70-minutes-in-future-fails", {"exp": 4200}, "invalid_request"),
    ("ensure-request-object-nbf-is-10-minutes-in-future-fails", {"nbf": 600}, "invalid_request"),
    ("ensure-request-object-nbf-is-70-minutes-in-past-fails", {"nbf": -4200}, "invalid_request"),
    ("ensure-request-object-signature-algorithm-is-none-fails", {"alg": "none"}, "invalid_request"),
    (
        "ensure-request-object-signature-algorithm-is-bad-fails",
        {"alg": "PS512"},
        "invalid_request",
    ),
    (
        "ensure-request-object-signature-algorithm-is-RS256-fails",
        {"alg": "RS256"},
        "invalid_request",
    ),
    (
        "ensure-request-object-signed-by-other-client-fails",
        {"key": KEYS[1]},
        "invalid_request",
    ),
    (
        "ensure-authorization-request-with-multiple-hints-fails",
        {"id_token_hint": "x"},
        "invalid_request",
    ),
]


@pytest.mark.spec("FAPI-CIBA-5.2.2-9")
@pytest.mark.spec("CIBA-7.1.1")
@pytest.mark.parametrize(
    ("change", "code"), [pytest.param(change, code, id=module) for module, change, code in ROWS]
)
def test_signed_request(
    client: Client, person: Person, change: dict[str, Any], code: str | None
) -> None:
    answer = client.ask(person, **change)

    if code is None:
        assert answer.status_code == 200, answer.text
    else:
        assert answered(answer) == (400, code)


class TestWhoAsks:
    @pytest.mark.spec("CIBA-7.1")
    def test_ensure_unsigned_backchannel_authorization_request_fails(
        self, client: Client, person: Person
    ) -> None:
        form = {"scope": "openid", "login_hint": person.username, "binding_message": "1234"}

        assert answered(client.send(ENDPOINT, form)) == (400, "invalid_request")

    @pytest.mark.spec("CIBA-7.1")
    @pytest.mark.parametrize(
        ("path", "aud"),
        [
            *((ENDPOINT, aud) for aud in (ISSUER, ISSUER + ENDPOINT, MTLS_URL + ENDPOINT)),
            *((ENDPOINT, aud) for aud in (f"{ISSUER}/token", f"{MTLS_URL}/token")),
            *(("/token", aud) for aud in (ISSUER, f"{ISSUER}/token", f"{MTLS_URL}/token")),
        ],
    )
    def test_ensure_client_assertion_with_iss_aud_to_token_endpoint_succeeds(
        self, client: Client, person: Person, path: str, aud: str
    ) -> None:
        auth_req_id = client.ask(person).json()["auth_req_id"]
        form = (
            {"request": client.request(person)}
            if path == ENDPOINT
            else {"grant_type": CIBA_GRANT, "auth_req_id": auth_req_id}
        )

        answer = client.send(path, form, authentication=client.authentication(aud))

        assert answer.json().get("error") in {None, "authorization_pending"}

    @pytest.mark.spec("FAPI1-ADV-8.6")
    @pytest.mark.parametrize("path", [ENDPOINT, "/token"])
    @pytest.mark.parametrize("how", ["RS256", "client_id alone"])
    def test_ensure_client_assertion_is_there_and_not_rs256(
        self, client: Client, person: Person, path: str, how: str
    ) -> None:
        authentication = (
            client.authentication(ISSUER, "RS256")
            if how == "RS256"
            else {"client_id": client.client_id}
        )
        form = {"request": client.request(person), "grant_type": CIBA_GRANT, "auth_req_id": "x"}
        if path == ENDPOINT:
            form = {"request": form["request"]}

        answer = client.send(path, form, authentication=authentication)

        assert answered(answer) == (401, "invalid_client")

    @pytest.mark.spec("CIBA-13")
    @pytest.mark.parametrize("path", [ENDPOINT, "/token"])
    def test_ensure_wrong_client_id_for_the_certificate_fails(
        self, world: IdpWorld, person: Person, path: str
    ) -> None:
        first = register(world, "self_signed_tls_client_auth")
        second = register(world, "self_signed_tls_client_auth", number=1)
        form = {"grant_type": CIBA_GRANT, "auth_req_id": "x"}
        if path == ENDPOINT:
            form = {"request": first.request(person)}

        answer = second.send(path, form, certificate=first.certificate)

        assert answered(answer) == (401, "invalid_client")
