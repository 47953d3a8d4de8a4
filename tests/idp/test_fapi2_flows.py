"""The flows of the FAPI 2.0 plans, in each variant: how the client authenticates, what its tokens
are bound to, OpenID Connect or plain OAuth, signed or not.

Each test is named after what the module of the conformance suite does; docs/conformance.md says
which module that is.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest

from idp.model import ClientProfile
from kernel.secret import b64url, random_b64url, sha256
from tests.idp.certificates import (
    MTLS_URL,
    SUBJECT,
    Certificate,
    a_client_certificate,
)
from tests.idp.idp_world import (
    ISSUER,
    Browser,
    IdpWorld,
    Person,
    ProofKey,
    RelyingParty,
    claims_of,
    disclosure,
    parameters_of,
)

PERSON = "/partner/v1/person"
FIRST = "https://suite.example/test/a/civitas/callback"
SECOND = f"{FIRST}?dummy1=lorem&dummy2=ipsum"  # what the suite's second client adds


@pytest.fixture(scope="module")
def world_settings(mutual_tls: dict[str, Any]) -> dict[str, Any]:
    return mutual_tls


@dataclass
class Client:
    """A client as the suite drives it."""

    party: RelyingParty
    certificate: Certificate | None
    auth: str
    bound_by: str
    redirect_uri: str

    @property
    def base(self) -> str:
        """Where it calls us: at the aliases if it comes with a certificate (RFC 8705, 5)."""
        return ISSUER if self.certificate is None else MTLS_URL

    @property
    def certificate_headers(self) -> dict[str, str]:
        return {} if self.certificate is None else self.certificate.headers

    def call(self, path: str, form: dict[str, str], **change: Any) -> httpx.Response:  # noqa: ANN401
        """POST with whatever the variant adds; `proof=None` and `certificate=None` take it away."""
        fields, headers = self.party.authentication()
        if change.get("certificate", True) is not None:
            headers |= self.certificate_headers
        if self.bound_by == "dpop" and (proof := change.get("proof", self.proof(path))) is not None:
            headers["DPoP"] = proof
        return self.party.world.http.post(
            path,
            content=urlencode(form | fields),
            headers={"Content-Type": "application/x-www-form-urlencoded", **headers},
        )

    def proof(self, path: str, **change: Any) -> str:  # noqa: ANN401
        return self.party.proof(path, **({"htu": self.base + path} | change))

    def parameters(self, verifier: str, **change: str | None) -> dict[str, str]:
        return self.party.parameters(
            verifier, **({"redirect_uri": self.redirect_uri, "state": random_b64url(8)} | change)
        )

    def request_object(self, verifier: str, **change: Any) -> str:  # noqa: ANN401
        at = int(self.party.world.clock.now().timestamp())
        claims = {"aud": ISSUER, "iss": self.party.client_id, "nbf": at, "exp": at + 300}
        claims |= self.parameters(verifier) | change
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            self.party.key.private,
            algorithm="ES256",
            headers={"kid": "key-1"},
        )

    def push(self, parameters: dict[str, str], **change: Any) -> str:  # noqa: ANN401
        answer = self.call("/par", parameters, **change)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["request_uri"])

    def visit(self, browser: Browser, request_uri: str, person: Person) -> dict[str, str]:
        query = {"client_id": self.party.client_id, "request_uri": request_uri}
        location = browser.follow(f"/authorize?{urlencode(query)}", person)
        assert location.startswith(self.redirect_uri)  # with the registered query, if there is one
        return parameters_of(location)

    def redeem(self, code: str, verifier: str, **change: Any) -> httpx.Response:  # noqa: ANN401
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        return self.call("/token", form, **change)

    def read(
        self,
        path: str,
        token: str,
        *,
        by: "Client | None" = None,
        scheme: str | None = None,
        **proof: Any,  # noqa: ANN401
    ) -> httpx.Response:
        """GET a resource with the token; `by` another client's key and certificate."""
        by = by or self
        headers = by.certificate_headers
        if self.bound_by == "dpop":
            ath = b64url(sha256(token.encode()))
            headers |= {"DPoP": by.proof(path, **({"htm": "GET", "ath": ath} | proof))}
        kind = "DPoP" if self.bound_by == "dpop" else "Bearer"
        headers |= {"Authorization": f"{scheme or kind} {token}"}
        return self.party.world.http.get(path, headers=headers)


def a_client(
    world: IdpWorld,
    authority: Certificate,
    auth: str = "private_key_jwt",
    bound_by: str = "dpop",
    *,
    redirect_uri: str = FIRST,
    **metadata: Any,  # noqa: ANN401
) -> Client:
    """Register a client as the plan's configuration would."""
    certificate: Certificate | None = None
    if auth != "private_key_jwt" or bound_by == "mtls":
        issuer = None if auth == "self_signed_tls_client_auth" else authority
        certificate = a_client_certificate(issuer)
    if auth == "tls_client_auth":
        metadata["tls_client_auth_subject_dn"] = SUBJECT
    if auth == "self_signed_tls_client_auth":
        assert certificate is not None
        metadata["jwks"] = {"keys": [certificate.jwk | {"kid": "certificate-1"}]}
    party = world.a_relying_party(
        profile=ClientProfile.FAPI2,
        method=auth,
        redirect_uris=[FIRST, SECOND],
        tls_client_certificate_bound_access_tokens=bound_by == "mtls",
        **metadata,
    )
    party.dpop_key = ProofKey() if bound_by == "dpop" else None
    return Client(party, certificate, auth, bound_by, redirect_uri)


VARIANTS = [
    ("private_key_jwt", "dpop"),
    ("private_key_jwt", "mtls"),
    ("tls_client_auth", "dpop"),
    ("tls_client_auth", "mtls"),
    ("self_signed_tls_client_auth", "mtls"),
]


class TestHappyFlow:
    """`fapi2-security-profile-final-happy-flow`: two clients, one after the other."""

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1")
    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.3")
    @pytest.mark.parametrize(("auth", "bound_by"), VARIANTS)
    def test_both_clients_get_what_is_theirs_alone(
        self, world: IdpWorld, authority: Certificate, auth: str, bound_by: str
    ) -> None:
        person = world.someone()
        first = a_client(world, authority, auth, bound_by)
        second = a_client(world, authority, auth, bound_by, redirect_uri=SECOND)

        tokens = {}
        for client in (first, second):
            verifier = client.party.verifier()
            parameters = client.parameters(verifier)
            answer = client.visit(world.browser(), client.push(parameters), person)
            assert answer["state"] == parameters["state"]
            assert answer["iss"] == ISSUER
            body = client.redeem(answer["code"], verifier).json()
            assert body["token_type"] == ("DPoP" if bound_by == "dpop" else "Bearer")
            assert jwt.get_unverified_header(body["id_token"])["alg"] == "ES256"
            cnf = claims_of(body["access_token"])["cnf"]
            assert set(cnf) == {"jkt" if bound_by == "dpop" else "x5t#S256"}
            tokens[client.party.client_id] = body["access_token"]
            assert client.read("/userinfo", body["access_token"]).status_code == 200

        # The first one's key or certificate with the second one's token.
        refused = second.read("/userinfo", tokens[second.party.client_id], by=first)
        assert refused.status_code == 401
        in_query = world.http.get(f"/userinfo?access_token={tokens[first.party.client_id]}")
        assert in_query.status_code == 401

    @pytest.mark.spec("RFC9449-10.1")
    def test_key_may_be_named_where_it_is_not_yet_proven(
        self, world: IdpWorld, authority: Certificate
    ) -> None:
        client, verifier = a_client(world, authority), random_b64url(32)
        assert client.party.dpop_key is not None
        jkt = client.party.dpop_key.jkt
        pushed = client.push(client.parameters(verifier, dpop_jkt=jkt), proof=None)
        code = client.visit(world.browser(), pushed, world.someone())["code"]

        assert client.redeem(code, verifier).status_code == 200


class TestPlainOAuth:
    """The variant `plain_oauth`: no `openid`, no ID token, and the partner API as the resource."""

    @pytest.mark.spec("RFC6749-3.3")
    @pytest.mark.parametrize("bound_by", ["dpop", "mtls"])
    @pytest.mark.parametrize("kind", ["scope", "rar"])
    def test_token_without_openid_reads_the_partner_api(
        self, world: IdpWorld, authority: Certificate, bound_by: str, kind: str
    ) -> None:
        client = a_client(world, authority, bound_by=bound_by)
        verifier = client.party.verifier()
        asked = (
            {"scope": "profile offline_access"}
            if kind == "scope"
            else {"scope": None, "authorization_details": disclosure("family_name")}
        )
        pushed = client.push(client.parameters(verifier, nonce=None, **asked))
        code = client.visit(world.browser(), pushed, world.someone())["code"]
        body = client.redeem(code, verifier).json()

        assert "id_token" not in body
        assert ("authorization_details" in body) == (kind == "rar")
        read = client.read(PERSON, body["access_token"])
        assert read.status_code == 200, read.text
        assert claims_of(read.text)["attributes"]["family_name"]["value"] == "Волкова"
        assert client.read("/userinfo", body["access_token"]).status_code == 403

    @pytest.mark.spec("RFC8414-3")
    def test_metadata_is_at_the_address_of_oauth_too(self, world: IdpWorld) -> None:
        oauth = world.http.get("/.well-known/oauth-authorization-server")

        assert oauth.status_code == 200
        assert oauth.headers["content-type"].startswith("application/json")
        assert oauth.json() == world.http.get("/.well-known/openid-configuration").json()


class TestHolderOfKey:
    """`fapi2-security-profile-final-ensure-holder-of-key-required`."""

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1-4")
    @pytest.mark.parametrize(
        ("auth", "bound_by", "refusal"),
        [
            ("private_key_jwt", "dpop", (400, "invalid_request")),
            ("private_key_jwt", "mtls", (400, "invalid_request")),
            ("tls_client_auth", "dpop", (400, "invalid_request")),
            ("tls_client_auth", "mtls", (401, "invalid_client")),
        ],
    )
    def test_nothing_is_issued_to_who_proves_nothing(
        self,
        world: IdpWorld,
        authority: Certificate,
        auth: str,
        bound_by: str,
        refusal: tuple[int, str],
    ) -> None:
        client = a_client(world, authority, auth, bound_by)
        without: dict[str, None] = {"proof": None} if bound_by == "dpop" else {"certificate": None}

        answer = client.redeem("cvc0_whatever", "v" * 43, **without)

        assert (answer.status_code, answer.json()["error"]) == refusal


class TestRefreshToken:
    """`fapi2-security-profile-final-refresh-token`."""

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1-10")
    @pytest.mark.parametrize("bound_by", ["dpop", "mtls"])
    def test_is_of_the_client_and_needs_a_proof_of_any_key(
        self, world: IdpWorld, authority: Certificate, bound_by: str
    ) -> None:
        client = a_client(world, authority, bound_by=bound_by)
        other = a_client(world, authority, bound_by=bound_by)
        verifier = client.party.verifier()
        pushed = client.push(
            client.parameters(verifier, scope="openid offline_access", prompt="consent")
        )
        code = client.visit(world.browser(), pushed, world.someone())["code"]
        first = client.redeem(code, verifier).json()
        form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        world.later(seconds=1)

        if bound_by == "dpop":  # the suite makes a new key for the refresh
            client.party.dpop_key = ProofKey()
        again = client.call("/token", form | {"scope": "openid offline_access"})
        assert again.status_code == 200, again.text
        assert again.json()["refresh_token"] == first["refresh_token"]
        for name in ("iss", "sub", "aud", "auth_time"):
            was, now = claims_of(first["id_token"]), claims_of(again.json()["id_token"])
            assert was[name] == now[name]
        without: dict[str, None] = {"proof": None} if bound_by == "dpop" else {"certificate": None}
        refused = client.call("/token", form, **without)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
        refused = other.call("/token", form)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
