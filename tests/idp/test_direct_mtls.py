"""Mutual TLS without a proxy: the application behind its own listener, clients over real TLS."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest
from cryptography import x509

from app.direct_listener import Certificate as ServerCertificate
from app.direct_listener import DirectListener
from app.ports import free_port
from examples.conformance_config import Client, arguments, configurations
from idp.client_authentication import ASSERTION_TYPE
from idp.model import ClientProfile
from idp.service import administration
from kernel.secret import b64url, random_b64url, sha256
from tests.databases import WITH_KEYS, KnownKeys, temporary_database
from tests.idp.certificates import (
    SUBJECT,
    Certificate,
    a_client_certificate,
    a_server_certificate,
    an_authority,
    make,
    name,
    with_key,
)
from tests.idp.idp_world import (
    ISSUER,
    NOON,
    IdpWorld,
    RelyingParty,
    claims_of,
    disclosure,
    open_idp_world,
)

PERSON = "/partner/v1/person"
_numbers = count(1)


@dataclass
class Direct:
    """The world, and the address of its listener."""

    world: IdpWorld
    url: str
    folder: Path
    authority: Certificate

    @contextmanager
    def over(self, certificate: Certificate | None, *more: Certificate) -> Iterator[httpx.Client]:
        """Open a client that presents a certificate, and what it sends along with it."""
        context = ssl.create_default_context(cafile=str(self.folder / "server.pem"))
        if certificate is not None:
            mine = self.folder / f"client-{next(_numbers)}.pem"
            mine.write_bytes(with_key(certificate) + b"".join(one.pem for one in more))
            context.load_cert_chain(mine)
        with httpx.Client(verify=context, base_url=self.url) as http:
            yield http

    def token(
        self,
        client: RelyingParty,
        certificate: Certificate | None,
        *more: Certificate,
        **headers: str,
    ) -> httpx.Response:
        form = {"grant_type": "client_credentials", "client_id": client.client_id}
        with self.over(certificate, *more) as http:
            return http.post("/token", data=form, headers=headers)

    def a_tls_client(self, **metadata: Any) -> RelyingParty:  # noqa: ANN401
        asked = {"tls_client_auth_subject_dn": SUBJECT} | metadata
        return self.world.a_relying_party(method="tls_client_auth", **asked)

    def a_self_signed_client(self, certificate: Certificate) -> RelyingParty:
        return self.world.a_relying_party(
            method="self_signed_tls_client_auth", jwks={"keys": [certificate.jwk]}
        )


@pytest.fixture(scope="module")
def opened_world(
    server_url: str, known_keys: KnownKeys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IdpWorld]:
    folder = tmp_path_factory.mktemp("civitas")
    known_keys.put_root_key_into(folder)
    (folder / "server.pem").write_bytes(with_key(a_server_certificate()))
    port = free_port()
    authority = an_authority()
    (folder / "clients.pem").write_bytes(authority.pem)
    settings = {
        "mtls_url": f"https://localhost:{port}",
        "mtls_port": port,
        "mtls_certificate_file": folder / "server.pem",
        "mtls_key_file": folder / "server.pem",
        "client_ca_file": folder / "clients.pem",
        # Calls of these tests come from there: no header of theirs is believed all the same.
        "trusted_proxies": ("127.0.0.0/8",),
    }
    with (
        temporary_database(server_url, template=WITH_KEYS) as url,
        open_idp_world(url, folder, **settings) as world,
    ):
        read = world.app.state.settings
        listener = DirectListener(
            world.app.answer_directly,
            ServerCertificate(*read.mtls_files),
            host="127.0.0.1",
            port=port,
            clock=world.clock,
        )
        with world.portal.wrap_async_context_manager(listener.listening()):
            world.app.state.direct = Direct(world, read.mtls_url, folder, authority)
            yield world


@pytest.fixture
def direct(world: IdpWorld) -> Direct:
    found: Direct = world.app.state.direct
    return found


@pytest.mark.spec("RFC8705-2.1")
@pytest.mark.spec("RFC8705-3.1")
def test_certificate_of_the_authority_authenticates_and_binds(direct: Direct) -> None:
    client = direct.a_tls_client(tls_client_certificate_bound_access_tokens=True)
    certificate = a_client_certificate(direct.authority)

    answer = direct.token(client, certificate)

    assert answer.status_code == 200, answer.text
    assert claims_of(answer.json()["access_token"])["cnf"] == {
        "x5t#S256": b64url(sha256(certificate.der))
    }


@pytest.mark.spec("RFC8705-2.1")
def test_chain_that_the_client_sends_is_followed_to_the_authority(direct: Direct) -> None:
    between = make(name("Between"), issuer=direct.authority, is_authority=True)
    certificate = a_client_certificate(between)
    client = direct.a_tls_client()

    assert direct.token(client, certificate, between).status_code == 200
    assert direct.token(client, certificate).status_code == 401


@pytest.mark.spec("RFC8705-2.1")
def test_certificate_of_no_authority_is_refused_by_us_and_not_by_tls(direct: Direct) -> None:
    client = direct.a_tls_client()
    refused = {
        "none": None,
        "self-signed": a_client_certificate(None),
        "another authority's": a_client_certificate(an_authority("Another")),
        "forged authority's": a_client_certificate(an_authority()),
        "expired": a_client_certificate(direct.authority, days=(-2, -1)),
        "not valid yet": a_client_certificate(direct.authority, days=(1, 2)),
        "of a server": a_client_certificate(direct.authority, for_clients=False),
        "of an authority": a_client_certificate(direct.authority, is_authority=True),
        "another subject's": make(
            x509.Name.from_rfc4514_string("CN=other.example"), issuer=direct.authority
        ),
    }

    for why, certificate in refused.items():
        answer = direct.token(client, certificate)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), why


@pytest.mark.spec("RFC8705-2.2")
@pytest.mark.parametrize("days", [(-1, 1), (-9, -8)], ids=["of today", "expired"])
def test_registered_self_signed_certificate_authenticates(
    direct: Direct, days: tuple[int, int]
) -> None:
    certificate = a_client_certificate(None, days=days)
    client = direct.a_self_signed_client(certificate)

    assert direct.token(client, certificate).status_code == 200


@pytest.mark.spec("RFC8705-2.2")
def test_another_self_signed_certificate_is_refused(direct: Direct) -> None:
    client = direct.a_self_signed_client(a_client_certificate(None))
    stranger = a_client_certificate(None)

    for certificate in (None, stranger, a_client_certificate(direct.authority)):
        answer = direct.token(client, certificate)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.spec("RFC9440-2.4")
def test_header_says_nothing_even_where_a_proxy_is_trusted(direct: Direct) -> None:
    registered, stranger = a_client_certificate(None), a_client_certificate(None)
    client = direct.a_self_signed_client(registered)

    for certificate in (None, stranger):
        answer = direct.token(client, certificate, **registered.headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.spec("RFC9440-2.4")
def test_proxy_that_was_not_set_up_for_certificates_passes_none_on(direct: Direct) -> None:
    """The other port, where the proxies are: here it is we who ask for certificates."""
    registered = a_client_certificate(None)
    client = direct.a_self_signed_client(registered)

    answer = client.post("/token", {"grant_type": "client_credentials"}, headers=registered.headers)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.spec("RFC8705-3")
@pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1-5")
@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth"])
def test_fapi2_client_signs_a_person_in_over_it(direct: Direct, method: str) -> None:
    is_issued = method == "tls_client_auth"
    certificate = a_client_certificate(direct.authority if is_issued else None)
    of_method: dict[str, Any] = (
        {"tls_client_auth_subject_dn": SUBJECT}
        if is_issued
        else {"jwks": {"keys": [certificate.jwk]}}
    )
    client = direct.world.a_relying_party(
        profile=ClientProfile.FAPI2,
        method=method,
        tls_client_certificate_bound_access_tokens=True,
        **of_method,
    )
    verifier = client.verifier()
    request = {
        "client_id": client.client_id,
        "response_type": "code",
        "redirect_uri": client.redirect_uri,
        "scope": "openid",
        "authorization_details": disclosure("family_name"),
        "code_challenge": b64url(sha256(verifier.encode())),
        "code_challenge_method": "S256",
    }

    with direct.over(certificate) as http:
        pushed = http.post("/par", data=request)
        assert pushed.status_code == 201, pushed.text
        query = {"client_id": client.client_id, "request_uri": pushed.json()["request_uri"]}
        back = direct.world.browser().authorize(
            f"/authorize?{urlencode(query)}", direct.world.someone()
        )
        tokens = http.post(
            "/token",
            data={
                "grant_type": "authorization_code",
                "client_id": client.client_id,
                "code": back["code"],
                "redirect_uri": client.redirect_uri,
                "code_verifier": verifier,
            },
        )
        assert tokens.status_code == 200, tokens.text
        bearer = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
        for path in ("/userinfo", PERSON):
            answer = http.get(path, headers=bearer)
            assert answer.status_code == 200, answer.text

    for other in (None, a_client_certificate(direct.authority), a_client_certificate(None)):
        for path in ("/userinfo", PERSON):
            with direct.over(other) as http:
                answer = http.get(path, headers=bearer | certificate.headers)
            assert answer.status_code == 401
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.spec("RFC8705-5")
def test_aliases_lead_to_it(direct: Direct) -> None:
    with direct.over(None) as http:
        metadata = http.get("/.well-known/openid-configuration").json()

    assert metadata["mtls_endpoint_aliases"]["token_endpoint"] == f"{direct.url}/token"
    assert metadata["issuer"] != direct.url


@pytest.fixture(scope="module")
def suite_clients() -> tuple[Client, Client]:
    return Client("suite-1"), Client("suite-2")


@pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1-6")
@pytest.mark.parametrize("bound", ["dpop", "mtls"])
@pytest.mark.parametrize("auth", ["private_key_jwt", "mtls"])
@pytest.mark.parametrize("more", [("--grants",), ("--signed", "--jarm")], ids=["sp", "ms"])
def test_client_for_the_conformance_suite_is_taken_in_every_variant(
    direct: Direct,
    suite_clients: tuple[Client, Client],
    auth: str,
    bound: str,
    more: tuple[str, ...],
) -> None:
    given = [direct.url, "folder", "anna", "password", "--auth", auth, "--bound", bound, *more]
    files = configurations(arguments(given), *suite_clients)
    with direct.world.session() as session:
        partner_id = f"suite-{next(_numbers)}"
        administration.add_partner(session, partner_id=partner_id, name="Suite", at=NOON)
        client = administration.add_client(
            session,
            direct.world.provider,
            partner_id=partner_id,
            profile=ClientProfile.FAPI2,
            asked=files["client1.json"],
            at=NOON,
        ).client
    mtls, (key,) = files["fapi2.json"]["mtls"], files["fapi2.json"]["client"]["jwks"]["keys"]
    at = int(NOON.timestamp())
    party = {"iss": client.client_id, "aud": ISSUER, "iat": at, "nbf": at, "exp": at + 60}

    def signed(claims: dict[str, Any]) -> str:
        headers = {"kid": key["kid"]}
        return jwt.encode(claims, jwt.PyJWK(key).key, algorithm="PS256", headers=headers)

    request = {
        "client_id": client.client_id,
        "response_type": "code",
        "redirect_uri": files["client1.json"]["redirect_uris"][1],
        "scope": files["fapi2.json"]["client"]["scope"],
        "code_challenge": "A" * 43,
        "code_challenge_method": "S256",
    }
    form = {"request": signed(request | party)} if "--signed" in more else request
    form["client_id"] = client.client_id
    if auth == "private_key_jwt":
        form |= {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": signed(party | {"sub": client.client_id, "jti": random_b64url(16)}),
        }
    mine = direct.folder / f"client-{next(_numbers)}.pem"
    mine.write_text(mtls["key"] + mtls["cert"])
    context = ssl.create_default_context(cafile=str(direct.folder / "server.pem"))
    context.load_cert_chain(mine)
    with httpx.Client(verify=context, base_url=direct.url) as http:
        answer = http.post("/par", data=form)

    assert answer.status_code == 201, answer.text
