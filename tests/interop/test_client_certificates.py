"""Mutual TLS over real connections: our own listener, and each proxy that is here.

The proxies get the lines that we tell to write. Apache is here; Caddy, nginx and HAProxy are tried
where they are installed.
"""

import json
import os
import re
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from app.ports import free_port
from idp.client_authentication import ASSERTION_TYPE
from idp.model import ClientProfile
from kernel.clock import SystemClock
from kernel.secret import b64url, random_b64url, sha256
from tests.databases import WITH_KEYS, KnownKeys, temporary_database
from tests.idp.certificates import (
    SUBJECT,
    TODAY,
    Certificate,
    a_client_certificate,
    a_server_certificate,
    make,
    name,
    with_key,
)
from tests.idp.idp_world import ProofKey, claims_of
from tests.interop.conftest import (
    NODE_PACKAGES,
    Running,
    running_process,
    served,
    wait_for_port,
)
from tests.interop.javascript import Play
from tests.interop.proxies import CONFIGURATIONS, program, running_proxy

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

METADATA = re.findall(
    r"```json\n(.*?)```",
    (Path(__file__).parents[2] / "docs" / "conformance.md").read_text(),
    re.DOTALL,
)


DIRECT = "direct"
NAME = "Анна Сергеевна Волкова"


@dataclass(frozen=True)
class Behind:
    """A server behind a proxy, or one that needs none, and the certificates that it gets to see."""

    running: Running
    folder: Path
    mtls_url: str
    proxy: str
    authority: Certificate

    def post(
        self, path: str, form: dict[str, str], certificate: Certificate | None, **header: str
    ) -> httpx.Response:
        """Call the alias, over a connection with this certificate."""
        context = ssl.create_default_context(cafile=str(self.folder / "server.pem"))
        if certificate is not None:
            mine = self.folder / "client.pem"
            mine.write_bytes(with_key(certificate))
            context.load_cert_chain(mine)
        with httpx.Client(verify=context, base_url=self.mtls_url) as http:
            return http.post(path, data=form, headers=header)

    def register(
        self,
        profile: ClientProfile = ClientProfile.OIDC,
        **metadata: Any,  # noqa: ANN401
    ) -> str:
        (token,) = self.running.initial_access_tokens(profile=profile)
        asked = {
            "client_name": "Bank",
            "grant_types": ["client_credentials"],
            "response_types": [],
            "tls_client_certificate_bound_access_tokens": True,
        }
        answer = httpx.post(
            f"{self.running.issuer}/register",
            json=asked | metadata,
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["client_id"])

    def token(
        self, client_id: str, certificate: Certificate | None, **header: str
    ) -> httpx.Response:
        form = {"grant_type": "client_credentials", "client_id": client_id}
        return self.post("/token", form, certificate, **header)


@pytest.fixture(scope="module")
def authority() -> Certificate:
    return make(name("Test authority"), is_authority=True, days=TODAY)


@pytest.fixture(scope="module", params=[DIRECT, *sorted(CONFIGURATIONS)])
def behind(
    request: pytest.FixtureRequest,
    server_url: str,
    known_keys: KnownKeys,
    tmp_path_factory: pytest.TempPathFactory,
    authority: Certificate,
) -> Iterator[Behind]:
    if request.param != DIRECT and program(request.param) is None:
        pytest.skip(f"no {request.param} here")
    folder = tmp_path_factory.mktemp("civitas")
    known_keys.put_root_key_into(folder)
    (folder / "clients.pem").write_bytes(authority.pem)
    of_proxy = a_server_certificate()
    (folder / "server.pem").write_bytes(with_key(of_proxy))
    port = free_port()
    mtls_url = f"https://localhost:{port}"
    settings = {
        "CIVITAS_ISSUER": mtls_url,
        "CIVITAS_MTLS_URL": mtls_url,
        "CIVITAS_CLIENT_CA_FILE": str(folder / "clients.pem"),
        "CIVITAS_TRUSTED_PROXIES": '["127.0.0.1"]',
    }
    if request.param == DIRECT:
        settings |= {
            "CIVITAS_MTLS_PORT": str(port),
            "CIVITAS_MTLS_CERTIFICATE_FILE": str(folder / "server.pem"),
            "CIVITAS_MTLS_KEY_FILE": str(folder / "server.pem"),
            "CIVITAS_WORKERS": "2",
        }
    with temporary_database(server_url, template=WITH_KEYS) as url:
        for running in served(url, folder, settings):
            if request.param == DIRECT:
                yield Behind(running, folder, mtls_url, request.param, authority)
                continue
            backend = int(running.issuer.rpartition(":")[2])
            with running_proxy(request.param, folder, port=port, backend=backend):
                yield Behind(running, folder, mtls_url, request.param, authority)


@pytest.mark.spec("RFC8705-2.1")
@pytest.mark.spec("RFC8705-3")
def test_certificate_of_the_authority_authenticates_and_binds(behind: Behind) -> None:
    client_id = behind.register(
        token_endpoint_auth_method="tls_client_auth", tls_client_auth_subject_dn=SUBJECT
    )
    certificate = a_client_certificate(behind.authority, days=TODAY)

    answer = behind.token(client_id, certificate)

    assert answer.status_code == 200, answer.text
    bound_to = claims_of(answer.json()["access_token"])["cnf"]["x5t#S256"]
    assert bound_to == b64url(sha256(certificate.der))
    assert behind.token(client_id, None).status_code == 401
    of_nobody = a_client_certificate(None, days=TODAY)
    assert behind.token(client_id, of_nobody).status_code == 401


@pytest.mark.spec("RFC8705-2.2")
def test_self_signed_certificate_authenticates(behind: Behind) -> None:
    certificate = a_client_certificate(None, days=TODAY)
    client_id = behind.register(
        token_endpoint_auth_method="self_signed_tls_client_auth",
        jwks={"keys": [certificate.jwk | {"kid": "1"}]},
    )

    assert behind.token(client_id, certificate).status_code == 200
    assert behind.token(client_id, a_client_certificate(None, days=TODAY)).status_code == 401


@pytest.mark.spec("RFC9440-2.4")
def test_header_that_a_caller_sends_says_nothing(behind: Behind) -> None:
    certificate = a_client_certificate(None, days=TODAY)
    client_id = behind.register(
        token_endpoint_auth_method="self_signed_tls_client_auth",
        jwks={"keys": [certificate.jwk | {"kid": "1"}]},
    )
    said = {"Client-Cert": f":{b64encode(certificate.der).decode()}:"}

    assert behind.token(client_id, None, **said).status_code == 401
    other = a_client_certificate(None, days=TODAY)
    assert behind.token(client_id, other, **said).status_code == 401


@pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.2-2")
@pytest.mark.parametrize("bound_by", ["dpop", "mtls"])
def test_client_is_entered_as_the_page_about_conformance_says(
    behind: Behind, bound_by: str
) -> None:
    key = ProofKey()
    metadata = json.loads(METADATA[0]) | {
        "jwks": {"keys": [key.jwk | {"kid": "1", "alg": "ES256"}]}
    }
    if bound_by == "mtls":
        metadata["tls_client_certificate_bound_access_tokens"] = True
    civitas("partner", "add", partner := f"suite-{bound_by}", "--name", "Suite", behind=behind)
    (behind.folder / "client.json").write_text(json.dumps(metadata))
    client_id = f"{partner}-1"
    civitas(
        *("client", "add", str(behind.folder / "client.json"), "--partner", partner),
        *("--profile", "fapi2", "--client-id", client_id),
        behind=behind,
    )
    now = int(SystemClock().now().timestamp())
    claims = {"iss": client_id, "sub": client_id, "aud": behind.mtls_url, "jti": random_b64url(16)}
    proof = {"jti": random_b64url(16), "htm": "POST", "htu": f"{behind.mtls_url}/par", "iat": now}
    signed = jwt.encode(proof, key.private, "ES256", {"typ": "dpop+jwt", "jwk": key.jwk})

    answer = behind.post(
        "/par",
        {
            "client_id": client_id,
            "response_type": "code",
            "redirect_uri": metadata["redirect_uris"][1],
            "scope": "openid profile offline_access",
            "code_challenge": "A" * 43,
            "code_challenge_method": "S256",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": jwt.encode(
                claims | {"iat": now, "exp": now + 60}, key.private, "ES256", {"kid": "1"}
            ),
        },
        a_client_certificate(None, days=TODAY) if bound_by == "mtls" else None,
        **({"DPoP": signed} if bound_by == "dpop" else {}),
    )

    assert answer.status_code == 201, answer.text


@pytest.mark.skipif(
    not (NODE_PACKAGES / "openid-client").exists(), reason="openid-client is missing (make setup)"
)
@pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1-6")
@pytest.mark.spec("RFC8705-3")
@pytest.mark.spec("RFC8705-5")
@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth"])
def test_openid_client_signs_a_person_in(
    behind: Behind, node: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that nobody here wrote: FAPI 2.0 with its certificate alone, and with no other."""
    monkeypatch.setenv("SSL_CERT_FILE", str(behind.folder / "server.pem"))
    is_vouched_for = method == "tls_client_auth"
    own = a_client_certificate(behind.authority if is_vouched_for else None, days=TODAY)
    other = a_client_certificate(None, days=TODAY)
    client_id = behind.register(
        ClientProfile.FAPI2,
        redirect_uris=["http://localhost:9/callback"],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method=method,
        **(
            {"tls_client_auth_subject_dn": SUBJECT}
            if is_vouched_for
            else {"jwks": {"keys": [own.jwk | {"kid": "1"}]}}
        ),
    )
    play = Play(replace(behind.running, issuer=behind.mtls_url), node, "openid_client")

    learned = play(
        "mtls",
        client_id=client_id,
        ca=(behind.folder / "server.pem").read_text(),
        own={"cert": with_key(own).decode(), "key": with_key(own).decode()},
        other={"cert": with_key(other).decode(), "key": with_key(other).decode()},
    )

    assert learned == {
        "issuer": behind.mtls_url,
        "token_type": "bearer",
        "name": NAME,
        "refreshed": NAME,
        "other": ["invalid_token", "invalid_client"],
        "none": ["invalid_token", "invalid_client"],
    }


@pytest.mark.spec("FAPI2-SP-FINAL-5.2.1-1")
def test_server_speaks_tls_itself_on_its_port(
    server_url: str, known_keys: KnownKeys, tmp_path: Path
) -> None:
    known_keys.put_root_key_into(tmp_path)
    of_server = a_server_certificate()
    (tmp_path / "server.pem").write_bytes(with_key(of_server))
    issuer = f"https://localhost:{(port := free_port())}"
    context = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
    with temporary_database(server_url, template=WITH_KEYS) as url:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("CIVITAS_")},
            "CIVITAS_MODE": "test",
            "CIVITAS_DATABASE_URL": url,
            "CIVITAS_DATA": str(tmp_path),
            "CIVITAS_ISSUER": issuer,
            "CIVITAS_PORT": str(port),
            "CIVITAS_TLS_CERTIFICATE_FILE": str(tmp_path / "server.pem"),
            "CIVITAS_TLS_KEY_FILE": str(tmp_path / "server.pem"),
            "CIVITAS_TLS_MINIMUM": "1.3",
        }
        with running_process("serve", environment, tmp_path) as server:
            wait_for_port(port, tmp_path / "serve.log", server)
            answer = httpx.get(f"{issuer}/.well-known/openid-configuration", verify=context)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises(httpx.ConnectError, match="protocol version"):
                httpx.get(f"{issuer}/healthz", verify=context)

    assert answer.json()["issuer"] == issuer
    assert "strict-transport-security" in answer.headers


def civitas(*arguments: str, behind: Behind) -> None:
    subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=behind.running.environment,
        check=True,
        capture_output=True,
    )
