"""Mutual TLS (RFC 8705), with the certificate in a trusted proxy's header (RFC 9440)."""

import ssl
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.proxies import TrustedProxies
from idp.client_authentication import ASSERTION_TYPE
from idp.errors import InvalidClientMetadata
from idp.model import ClientProfile
from kernel.secret import b64url, sha256
from tests.asgi import _Transport
from tests.idp.certificates import (
    MTLS_URL,
    SUBJECT,
    Certificate,
    a_client_certificate,
    an_authority,
    make,
    name,
)
from tests.idp.idp_world import (
    ISSUER,
    IdpWorld,
    RelyingParty,
    claims_of,
    disclosure,
)

PERSON = "/partner/v1/person"


@pytest.fixture(scope="module")
def world_settings(mutual_tls: dict[str, Any]) -> dict[str, Any]:
    return mutual_tls


def a_tls_client(world: IdpWorld, **metadata: Any) -> RelyingParty:  # noqa: ANN401
    asked: dict[str, Any] = {
        "tls_client_auth_subject_dn": SUBJECT,
        "tls_client_certificate_bound_access_tokens": True,
    }
    return world.a_relying_party(method="tls_client_auth", **(asked | metadata))


def asked(client: RelyingParty, headers: dict[str, str], **form: str) -> httpx.Response:
    return client.post("/token", {"grant_type": "client_credentials"} | form, headers=headers)


def chain_headers(certificate: Certificate, *issuers: Certificate) -> dict[str, str]:
    certificate.issuers = list(issuers)
    return certificate.headers


class TestAuthentication:
    """`tls_client_auth`: RFC 8705, 2.1."""

    @pytest.mark.spec("RFC8705-2.1.2")
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("tls_client_auth_subject_dn", SUBJECT),
            ("tls_client_auth_san_dns", "Bank.Example"),
            ("tls_client_auth_san_uri", "https://bank.example/client"),
            ("tls_client_auth_san_ip", "192.0.2.7"),
            ("tls_client_auth_san_email", "client@bank.example"),
        ],
    )
    def test_subject_is_the_registered_one(
        self, world: IdpWorld, authority: Certificate, field: str, value: str
    ) -> None:
        client = a_tls_client(world, **({"tls_client_auth_subject_dn": None} | {field: value}))

        answer = asked(client, a_client_certificate(authority).headers)

        assert answer.status_code == 200, answer.text

    @pytest.mark.spec("RFC8705-2.1.2")
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("tls_client_auth_subject_dn", "CN=bank.example,O=Romashka"),
            ("tls_client_auth_subject_dn", "C=RU,O=Romashka,CN=bank.example"),
            ("tls_client_auth_san_dns", "*.example"),
            ("tls_client_auth_san_dns", "evil.bank.example"),
            ("tls_client_auth_san_uri", "https://bank.example/client/"),
            ("tls_client_auth_san_ip", "192.0.2.8"),
            ("tls_client_auth_san_email", "other@bank.example"),
        ],
    )
    def test_another_subject_is_refused(
        self, world: IdpWorld, authority: Certificate, field: str, value: str
    ) -> None:
        client = a_tls_client(world, **({"tls_client_auth_subject_dn": None} | {field: value}))

        answer = asked(client, a_client_certificate(authority).headers)

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    @pytest.mark.spec("RFC9440-2.3")
    def test_chain_through_an_intermediate(self, world: IdpWorld, authority: Certificate) -> None:
        between = make(name("Between"), issuer=authority, is_authority=True)
        certificate = a_client_certificate(between)

        with_chain = asked(a_tls_client(world), chain_headers(certificate, between))
        without = asked(a_tls_client(world), chain_headers(certificate))

        assert with_chain.status_code == 200, with_chain.text
        assert without.status_code == 401

    @pytest.mark.spec("RFC8705-2.1")
    def test_certificate_of_no_authority_is_refused(
        self, world: IdpWorld, authority: Certificate
    ) -> None:
        client = a_tls_client(world)
        forged = an_authority()  # the same name, another key
        refused = {
            "self-signed": a_client_certificate(None),
            "another authority's": a_client_certificate(an_authority("Another")),
            "forged authority's": a_client_certificate(forged),
            "expired": a_client_certificate(authority, days=(-2, -1)),
            "not valid yet": a_client_certificate(authority, days=(1, 2)),
            "of a server": a_client_certificate(authority, for_clients=False),
            "of an authority": a_client_certificate(authority, is_authority=True),
            "issued by a client": a_client_certificate(a_client_certificate(authority)),
        }

        for why, certificate in refused.items():
            answer = asked(client, certificate.headers)
            assert answer.status_code == 401, why
            assert answer.json()["error"] == "invalid_client", why

    @pytest.mark.spec("RFC5280-4.2.1.12")
    def test_certificate_that_does_not_say_what_it_is_for_is_for_clients_too(
        self, world: IdpWorld, authority: Certificate
    ) -> None:
        certificate = a_client_certificate(authority, for_clients=None)

        assert asked(a_tls_client(world), certificate.headers).status_code == 200

    @pytest.mark.spec("RFC9440-2.2")
    @pytest.mark.parametrize(
        "value", ["", ":", "::", "MII", ":MII:", ":!!!!:", ":AAAA:", f":{'A' * 40_000}:"]
    )
    def test_malformed_header_is_no_certificate(self, world: IdpWorld, value: str) -> None:
        answer = asked(a_tls_client(world), {"Client-Cert": value})

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    def test_certificate_does_not_stand_in_for_another_method(
        self, world: IdpWorld, authority: Certificate
    ) -> None:
        client = world.a_relying_party()
        client.method = "none"

        answer = asked(client, a_client_certificate(authority).headers)

        assert answer.status_code == 401

    def test_secret_does_not_stand_in_for_the_certificate(self, world: IdpWorld) -> None:
        client = a_tls_client(world)
        client.method, client.secret = "client_secret_post", "guess"

        assert asked(client, {}).status_code == 401

    @pytest.mark.spec("RFC9440-2.4")
    def test_header_of_anyone_but_the_proxy_says_nothing(
        self, world: IdpWorld, authority: Certificate
    ) -> None:
        client = a_tls_client(world)
        headers = a_client_certificate(authority).headers
        transport = httpx.ASGITransport(app=world.app, client=("203.0.113.9", 4711))

        async def call() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
                return await http.post(
                    "/token",
                    data={"grant_type": "client_credentials", "client_id": client.client_id},
                    headers=headers,
                )

        answer = world.portal.call(call)

        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    def test_without_a_trusted_proxy_nobody_is_believed(self, authority: Certificate) -> None:
        scope: dict[str, Any] = {
            "type": "http", "client": ("127.0.0.1", 1), "headers": [
                (name.lower().encode(), value.encode())
                for name, value in a_client_certificate(authority).headers.items()
            ],
        }  # fmt: skip

        assert TrustedProxies(()).seen_through(scope) is scope

    def test_tls_of_the_server_itself(self, world: IdpWorld, authority: Certificate) -> None:
        """A server that speaks the ASGI TLS extension needs no proxy."""
        client = a_tls_client(world)
        pem = a_client_certificate(authority).pem.decode()

        async def terminating(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
            tls = {"client_cert_chain": [pem]}
            seen = {**scope, "client": ("203.0.113.9", 1), "extensions": {"tls": tls}}
            await world.app(seen, receive, send)

        transport = _Transport(terminating, world.portal)
        with httpx.Client(transport=transport, base_url=ISSUER) as http:
            answer = http.post(
                "/token",
                data={"grant_type": "client_credentials", "client_id": client.client_id},
            )

        assert answer.status_code == 200, answer.text


class TestSelfSigned:
    """`self_signed_tls_client_auth`: RFC 8705, 2.2."""

    def a_client(self, world: IdpWorld, certificate: Certificate) -> RelyingParty:
        return world.a_relying_party(
            method="self_signed_tls_client_auth", jwks={"keys": [certificate.jwk]}
        )

    @pytest.mark.spec("RFC8705-2.2")
    def test_registered_certificate_authenticates(self, world: IdpWorld) -> None:
        certificate = a_client_certificate(None, days=(-9, -8))  # its dates are the client's affair

        answer = asked(self.a_client(world, certificate), certificate.headers)

        assert answer.status_code == 200, answer.text

    @pytest.mark.spec("RFC8705-2.2")
    def test_another_certificate_is_refused(self, world: IdpWorld, authority: Certificate) -> None:
        client = self.a_client(world, a_client_certificate(None))

        for other in (a_client_certificate(None), a_client_certificate(authority)):
            answer = asked(client, other.headers)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert asked(client, {}).status_code == 401


class TestBoundTokens:
    """Certificate-bound access tokens: RFC 8705, 3."""

    @pytest.mark.spec("RFC8705-3.1")
    def test_token_names_the_certificate(self, world: IdpWorld, authority: Certificate) -> None:
        certificate = a_client_certificate(authority)

        answer = asked(a_tls_client(world), certificate.headers).json()

        assert claims_of(answer["access_token"])["cnf"] == {
            "x5t#S256": b64url(sha256(certificate.der))
        }
        assert answer["token_type"] == "Bearer"

    @pytest.mark.spec("RFC8705-3.2")
    def test_introspection_tells_the_certificate(
        self, world: IdpWorld, authority: Certificate
    ) -> None:
        certificate = a_client_certificate(authority)
        client = a_tls_client(world)
        token = asked(client, certificate.headers).json()["access_token"]

        answer = client.post("/introspect", {"token": token}, headers=certificate.headers).json()

        assert answer["cnf"] == {"x5t#S256": b64url(sha256(certificate.der))}
        assert answer["active"] is True

    @pytest.mark.spec("RFC8705-3.4")
    @pytest.mark.spec("RFC8705-3")
    def test_no_token_without_a_certificate(self, world: IdpWorld) -> None:
        client = world.a_relying_party(tls_client_certificate_bound_access_tokens=True)

        answer = asked(client, {})

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    def tokens(
        self,
        world: IdpWorld,
        certificate: Certificate,
        **metadata: Any,  # noqa: ANN401
    ) -> tuple[RelyingParty, str]:
        client = world.a_relying_party(
            profile=ClientProfile.FAPI2,
            method="private_key_jwt",
            tls_client_certificate_bound_access_tokens=True,
            **metadata,
        )
        client.dpop_key = None
        verifier = client.verifier()
        url = client.pushed_url(
            verifier,
            scope="openid",
            authorization_details=disclosure("family_name"),
        )
        code = world.browser().authorize(url, world.someone())["code"]
        answer = client.post(
            "/token",
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": client.redirect_uri,
                "code_verifier": verifier,
            },
            headers=certificate.headers,
        )
        assert answer.status_code == 200, answer.text
        return client, answer.json()["access_token"]

    @pytest.mark.spec("RFC8705-3")
    @pytest.mark.parametrize("path", ["/userinfo", PERSON])
    def test_resource_wants_the_same_certificate(
        self, world: IdpWorld, authority: Certificate, path: str
    ) -> None:
        certificate = a_client_certificate(authority)
        _, token = self.tokens(world, certificate)
        bearer = {"Authorization": f"Bearer {token}"}

        with_it = world.http.get(path, headers=bearer | certificate.headers)
        other = world.http.get(path, headers=bearer | a_client_certificate(authority).headers)
        without = world.http.get(path, headers=bearer)

        assert with_it.status_code == 200, with_it.text
        for refused in (other, without):
            assert refused.status_code == 401
            assert 'error="invalid_token"' in refused.headers["www-authenticate"]

    @pytest.mark.spec("FAPI2-SP-5.3.2.1")
    def test_fapi2_client_may_bind_to_a_certificate_instead_of_a_key(
        self, world: IdpWorld, authority: Certificate
    ) -> None:
        _, token = self.tokens(world, a_client_certificate(authority))

        assert set(claims_of(token)["cnf"]) == {"x5t#S256"}

    def test_certificate_of_a_client_that_did_not_register_for_it_binds_nothing(
        self, world: IdpWorld, authority: Certificate
    ) -> None:
        client = a_tls_client(world, tls_client_certificate_bound_access_tokens=False)

        answer = asked(client, a_client_certificate(authority).headers)

        assert "cnf" not in claims_of(answer.json()["access_token"])

    def test_key_and_certificate_both_bind(self, world: IdpWorld, authority: Certificate) -> None:
        client = a_tls_client(world)
        client.dpop_key = client.key

        answer = asked(client, a_client_certificate(authority).headers).json()

        assert set(claims_of(answer["access_token"])["cnf"]) == {"jkt", "x5t#S256"}
        assert answer["token_type"] == "DPoP"


class TestAliases:
    """A client that authenticates by certificate calls us under other addresses: RFC 8705, 5."""

    @pytest.mark.spec("RFC8705-5")
    @pytest.mark.parametrize("address", [ISSUER, MTLS_URL])
    def test_proof_names_the_address_that_was_called(
        self, world: IdpWorld, authority: Certificate, address: str
    ) -> None:
        client = a_tls_client(world)
        client.dpop_key = client.key
        headers = a_client_certificate(authority).headers | {
            "DPoP": client.proof(htu=f"{address}/token")
        }

        answer = client.post(
            "/token", {"grant_type": "client_credentials"}, headers=headers, proof=""
        )

        assert answer.status_code == 200, answer.text
        assert answer.json()["token_type"] == "DPoP"

    @pytest.mark.spec("RFC9449-4.3")
    def test_proof_for_another_address_is_refused(
        self, world: IdpWorld, authority: Certificate
    ) -> None:
        client = a_tls_client(world)
        client.dpop_key = client.key
        headers = a_client_certificate(authority).headers | {
            "DPoP": client.proof(htu=f"{MTLS_URL}/par")
        }

        answer = client.post(
            "/token", {"grant_type": "client_credentials"}, headers=headers, proof=""
        )

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")

    @pytest.mark.spec("CIBA-7.1")
    @pytest.mark.parametrize("address", [ISSUER, MTLS_URL])
    @pytest.mark.parametrize("path", ["/token", "/par"])
    def test_assertion_names_the_endpoint_under_either_address(
        self, world: IdpWorld, address: str, path: str
    ) -> None:
        client = world.a_relying_party(method="private_key_jwt")
        fields = {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": client.assertion(aud=address + path),
        }

        answer = client.post("/par", client.parameters() | fields, authenticate=False)

        assert answer.status_code == 201, answer.text


class TestRegistration:
    """What is registered: RFC 8705, 2.1.2, 2.2.2, 3.4."""

    @pytest.mark.spec("RFC8705-2.1.2")
    @pytest.mark.parametrize(
        "metadata",
        [
            {"tls_client_auth_subject_dn": None},
            {"tls_client_auth_san_dns": "bank.example"},
            {"tls_client_auth_subject_dn": "nonsense"},
            {"tls_client_auth_subject_dn": ""},
            {"tls_client_auth_subject_dn": None, "tls_client_auth_san_ip": "192.0.2"},
            {"tls_client_auth_subject_dn": 7},
            {"tls_client_certificate_bound_access_tokens": "yes"},
        ],
    )
    def test_refused(self, world: IdpWorld, metadata: dict[str, object]) -> None:
        with pytest.raises(InvalidClientMetadata):
            a_tls_client(world, **metadata)

    @pytest.mark.spec("RFC8705-2.2.2")
    @pytest.mark.parametrize("jwks", [None, {"keys": []}, {"keys": [{"kty": "EC"}]}])
    def test_self_signed_needs_a_certificate(self, world: IdpWorld, jwks: object) -> None:
        with pytest.raises(InvalidClientMetadata):
            world.a_relying_party(method="self_signed_tls_client_auth", jwks=jwks)

    def test_subject_is_for_tls_client_auth_alone(self, world: IdpWorld) -> None:
        with pytest.raises(InvalidClientMetadata):
            world.a_relying_party(tls_client_auth_subject_dn=SUBJECT)

    @pytest.mark.spec("RFC8705-4")
    def test_public_client_binds_by_dpop(self, world: IdpWorld) -> None:
        with pytest.raises(InvalidClientMetadata):
            world.a_relying_party(method="none", tls_client_certificate_bound_access_tokens=True)


@pytest.mark.spec("RFC8705-5")
def test_metadata_names_the_aliases(world: IdpWorld) -> None:
    document = world.http.get("/.well-known/openid-configuration").json()

    assert document["tls_client_certificate_bound_access_tokens"] is True
    assert document["mtls_endpoint_aliases"]["token_endpoint"] == f"{MTLS_URL}/token"
    assert document["mtls_endpoint_aliases"]["userinfo_endpoint"] == f"{MTLS_URL}/userinfo"
    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(
        document["token_endpoint_auth_methods_supported"]
    )


def forwarded(client_cert: bytes) -> tuple[str, ...]:
    """Return the certificates that are seen through a proxy that sends this `Client-Cert`."""
    scope: dict[str, Any] = {
        "type": "http",
        "client": ("127.0.0.1", 1),
        "headers": [(b"client-cert", client_cert)],
    }
    seen = TrustedProxies(("127.0.0.1",), pass_certificates=True).seen_through(scope)
    return tuple(seen["extensions"]["tls"]["client_cert_chain"])


class TestForwarded:
    """Who called, through proxies."""

    @pytest.mark.parametrize(
        ("peer", "forwarded", "seen"),
        [
            ("127.0.0.1", "198.51.100.4", "198.51.100.4"),
            ("127.0.0.1", "1.2.3.4, 198.51.100.4", "198.51.100.4"),
            ("127.0.0.1", "198.51.100.4, 127.0.0.2", "198.51.100.4"),
            ("127.0.0.1", "198.51.100.4, nonsense", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.3", "127.0.0.1"),
            ("203.0.113.9", "198.51.100.4", "203.0.113.9"),
        ],
    )
    def test_caller_is_the_last_address_that_is_not_a_proxy(
        self, peer: str, forwarded: str, seen: str
    ) -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "client": (peer, 1),
            "headers": [(b"x-forwarded-for", forwarded.encode())],
        }

        assert TrustedProxies(("127.0.0.0/8",)).seen_through(scope)["client"][0] == seen

    def test_proxy_without_mutual_tls_passes_no_certificate(self, authority: Certificate) -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "client": ("127.0.0.1", 1),
            "headers": [
                (name.lower().encode(), value.encode())
                for name, value in a_client_certificate(authority).headers.items()
            ],
        }

        without = TrustedProxies(("127.0.0.1",)).seen_through(scope)
        with_it = TrustedProxies(("127.0.0.1",), pass_certificates=True).seen_through(scope)

        assert without["extensions"]["tls"]["client_cert_chain"] == ()
        assert len(with_it["extensions"]["tls"]["client_cert_chain"]) == 1

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(str, id="as it is"),
            pytest.param(str.strip, id="without the last line end"),
            pytest.param(lambda pem: pem.replace("\n", "\r\n"), id="CRLF"),
        ],
    )
    def test_nginx_writes_the_certificate_its_own_way(
        self, authority: Certificate, change: Callable[[str], str]
    ) -> None:
        certificate = a_client_certificate(authority)
        escaped = quote(change(certificate.pem.decode()), safe="-")

        (seen,) = forwarded(escaped.encode())

        assert ssl.PEM_cert_to_DER_cert(seen) == certificate.der

    @pytest.mark.parametrize(
        "value",
        [
            b"-----BEGIN%20CERTIFICATE-----",
            b"-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----%0A",
            b"-----BEGIN%20CERTIFICATE-----%0AAAA%0A-----END%20CERTIFICATE-----%0A",
            b"-----BEGIN%20CERTIFICATE-----%FF%0A-----END%20CERTIFICATE-----%0A",
            b"-----BEGIN%20CERTIFICATE-----" + b"A" * 40_000 + b"-----END%20CERTIFICATE-----",
        ],
    )
    def test_what_is_no_certificate_is_none(self, value: bytes) -> None:
        assert forwarded(value) == ()

    def test_certificate_of_the_proxy_itself_is_not_the_clients(self) -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "client": ("127.0.0.1", 1),
            "headers": [
                (b"client-cert", b":" + b64encode(b"x") + b":"),
                (b"client-cert", b":eA==:"),
            ],
            "extensions": {"tls": {"client_cert_chain": ["the proxy's"]}},
        }

        seen = TrustedProxies(("127.0.0.1",), pass_certificates=True).seen_through(scope)

        assert seen["extensions"]["tls"]["client_cert_chain"] == ()
