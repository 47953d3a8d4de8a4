"""Debian's `libapache2-mod-auth-openidc`: a page that only those see who signed in with Civitas."""

import base64
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import unescape
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization import PublicFormat as Public
from jwt.algorithms import RSAAlgorithm

from app.demo.browser import Page
from app.ports import free_port
from tests.interop.apache import MODULE, PROGRAM, Apache, apache_folder, running_apache
from tests.interop.conftest import Running
from tests.interop.person import Visitor

_PATIENCE_SECONDS = 20

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        not (PROGRAM.exists() and MODULE.exists()),
        reason="no Apache with mod_auth_openidc (apt-get install libapache2-mod-auth-openidc)",
    ),
]


def register(issuer: str, metadata: Mapping[str, object]) -> dict[str, Any]:
    answer = httpx.post(f"{issuer}/register", json=metadata)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@contextmanager
def protecting(
    running: Running,
    *,
    settings: Mapping[str, str] | None = None,
    files: Mapping[str, bytes] | None = None,
    **metadata: object,
) -> Iterator[Apache]:
    """Register a client and run an Apache that is it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    client = register(
        running.issuer,
        {
            "client_name": "Apache",
            "redirect_uris": [f"{url}/protected/callback"],
            "post_logout_redirect_uris": [f"{url}/index.html"],
            "backchannel_logout_uri": f"{url}/protected/callback?logout=backchannel",
            "backchannel_logout_session_required": True,
            "token_endpoint_auth_method": "client_secret_basic",
            **metadata,
        },
    )
    with apache_folder() as folder:
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content)
        own = {
            "OIDCClientID": client["client_id"],
            "OIDCScope": '"openid profile"',
            **({"OIDCClientSecret": client["client_secret"]} if "client_secret" in client else {}),
            **{name: value.format(folder=folder) for name, value in (settings or {}).items()},
        }
        with running_apache(folder, running.issuer, own, port=port) as apache:
            yield apache


@pytest.fixture(scope="module")
def apache(running: Running) -> Iterator[Apache]:
    with protecting(running) as apache:
        yield apache


def environment_of(page: Page) -> dict[str, str]:
    """Return what Apache tells an application, as the page shows it."""
    shown = re.search(r"<pre>(.*)</pre>", page.response.text, re.DOTALL)
    assert shown is not None, page.response.text
    return dict(line.split("=", 1) for line in unescape(shown[1]).splitlines() if "=" in line)


def is_inside(visitor: Visitor, apache: Apache) -> bool:
    """Whether the page is shown without another sign-in."""
    answer = visitor.browser.download(apache.page)
    assert answer.status_code in {200, 302}
    return answer.status_code == 200


def wait_until_outside(visitor: Visitor, apache: Apache) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while is_inside(visitor, apache):
        assert time.monotonic() < deadline, apache.log.read_text()[-3000:]
        time.sleep(0.1)


@pytest.mark.spec("OIDCC-3.1")
@pytest.mark.spec("OIDCC-5.3")
def test_sign_in_tells_the_application_who_it_is(running: Running, apache: Apache) -> None:
    with running.browser(stops_at=None) as visitor:
        page = visitor.visit(apache.page)

    told = environment_of(page)
    assert page.url == apache.page
    assert told["OIDC_CLAIM_iss"] == running.issuer
    assert told["OIDC_CLAIM_name"] == "Анна Сергеевна Волкова"
    assert told["OIDC_CLAIM_birthdate"] == "1986-03-14"
    assert told["REMOTE_USER"] == told["OIDC_CLAIM_sub"]
    assert "OIDC_access_token" in told
    assert running.person.username not in page.response.text


def test_two_people_are_two(running: Running, apache: Apache) -> None:
    names = set()
    for person in (running.person, running.other_person):
        with running.browser(person, stops_at=None) as visitor:
            told = environment_of(visitor.visit(apache.page))
            names.add((told["OIDC_CLAIM_sub"], told["OIDC_CLAIM_given_name"]))

    assert {name for _, name in names} == {"Анна", "Пётр"}
    assert len({sub for sub, _ in names}) == 2


def test_who_says_no_does_not_come_in(running: Running) -> None:
    """The module says something else than that: see docs/interop.md."""
    with protecting(running) as apache, running.browser(stops_at=None) as visitor:
        page = visitor.visit(apache.page, decision="deny")

        assert page.url.startswith(f"{apache.callback}?error=access_denied")
        assert page.text.startswith("Error")
        assert not is_inside(visitor, apache)


def test_answer_that_another_browser_asked_for_is_refused(running: Running, apache: Apache) -> None:
    with running.browser(stops_at=apache.callback) as visitor:
        back = visitor.follow(apache.page)
    with running.browser(stops_at=None) as stranger:
        page = stranger.browser.open(back)

        assert "Protected" not in page.text
        assert not is_inside(stranger, apache)


@pytest.mark.spec("OIDCRIL-2")
def test_logout_at_the_application(running: Running, apache: Apache) -> None:
    with running.browser(stops_at=None) as visitor:
        visitor.visit(apache.page)
        page = visitor.visit(f"{apache.callback}?logout={apache.url}/index.html")

        assert page.url.startswith(f"{apache.url}/index.html")
        assert page.text == "Anybody may see this."
        assert not is_inside(visitor, apache)
        assert visitor.browser.download(f"{running.issuer}/account").status_code == 303


@pytest.mark.usefixtures("worker")
@pytest.mark.spec("OIDCBCL-2.5")
@pytest.mark.spec("OIDCBCL-2.7")
def test_logout_at_civitas_ends_the_application_s_session(running: Running, apache: Apache) -> None:
    """The person's own session there ends, and nobody else's."""
    with (
        running.browser(stops_at=None) as visitor,
        running.browser(running.other_person, stops_at=None) as other,
        running.browser(stops_at=None) as elsewhere,
    ):
        for somebody in (visitor, other, elsewhere):
            somebody.visit(apache.page)
            assert is_inside(somebody, apache)

        page = visitor.browser.open(f"{running.issuer}/sign-out")
        visitor.browser.send(page, page.form_to("/sign-out"))

        wait_until_outside(visitor, apache)
        assert is_inside(other, apache)
        assert is_inside(elsewhere, apache)


@pytest.mark.spec("OIDCBCL-2.6")
def test_forged_logout_token_ends_nothing(running: Running, apache: Apache) -> None:
    with running.browser(stops_at=None) as visitor:
        visitor.visit(apache.page)
        forged = ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in ({"alg": "none"}, {"iss": running.issuer, "sub": "somebody"}, {})
        )
        answer = httpx.post(f"{apache.callback}?logout=backchannel", data={"logout_token": forged})

        assert answer.status_code == 400
        assert is_inside(visitor, apache)


@pytest.mark.spec("RFC7523-3")
@pytest.mark.spec("OIDCC-5.3.2")
def test_private_key_and_form_post(running: Running) -> None:
    """With `private_key_jwt`, an answer by form, an ID token in ES256 and a signed userinfo."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = {
        **RSAAlgorithm.to_jwk(key.public_key(), as_dict=True),
        "kid": "key-1", "use": "sig", "alg": "RS256", "key_ops": ["verify"],
    }  # fmt: skip
    files = {
        "private.pem": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "public.pem": key.public_key().public_bytes(Encoding.PEM, Public.SubjectPublicKeyInfo),
    }
    settings = {
        "OIDCPrivateKeyFiles": "key-1#{folder}/private.pem",
        "OIDCPublicKeyFiles": "key-1#{folder}/public.pem",
        "OIDCProviderTokenEndpointAuth": "private_key_jwt",  # needs the keys above it
        "OIDCResponseMode": "form_post",
        "OIDCIDTokenSignedResponseAlg": "ES256",
        "OIDCUserInfoSignedResponseAlg": "ES256",
    }
    with (
        protecting(
            running,
            settings=settings,
            files=files,
            token_endpoint_auth_method="private_key_jwt",
            token_endpoint_auth_signing_alg="RS256",
            jwks={"keys": [jwk]},
            id_token_signed_response_alg="ES256",
            userinfo_signed_response_alg="ES256",
        ) as apache,
        running.browser(stops_at=None) as visitor,
    ):
        page = visitor.visit(apache.page)

        told = environment_of(page)
        assert told["OIDC_CLAIM_name"] == "Анна Сергеевна Волкова"
        assert told["OIDC_CLAIM_iss"] == running.issuer
