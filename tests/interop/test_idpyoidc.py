"""PyPI's `idpyoidc`: its handler of relying parties, which registers itself and does the rest.

What it does wrong is tested too, so that a newer version that does it right is noticed.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from cryptojwt.key_jar import init_key_jar
from idpyoidc.client.defaults import DEFAULT_OIDC_SERVICES
from idpyoidc.client.exception import OidcServiceError
from idpyoidc.client.oauth2.add_on.dpop import DPoPClientAuth
from idpyoidc.client.oauth2.stand_alone_client import backchannel_logout
from idpyoidc.client.rp_handler import RPHandler
from idpyoidc.exception import VerificationError
from typing_extensions import override

from tests.interop.conftest import Running
from tests.interop.person import Decision, Visitor

CALLBACK = "http://localhost:9/callback"
AFTER_SIGN_OUT = "http://localhost:9/bye"
NAME = "Анна Сергеевна Волкова"

_ADD_ON = "idpyoidc.client.oauth2.add_on"
ADD_ONS: dict[str, dict[str, Any]] = {
    "pkce": {
        "function": f"{_ADD_ON}.pkce.add_support",
        "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
    },
    "dpop": {
        "function": f"{_ADD_ON}.dpop.add_support",
        "kwargs": {
            "dpop_signing_alg_values_supported": ["ES256"],
            "with_dpop_header": ["accesstoken", "userinfo"],
        },
    },
    "par": {
        "function": f"{_ADD_ON}.par.add_support",
        "kwargs": {"authn_method": "client_secret_basic"},
    },
    "jar": {
        "function": f"{_ADD_ON}.jar.add_support",
        "kwargs": {"request_object_signing_alg": "ES256"},
    },
}
METHODS: dict[str, dict[str, Any]] = {
    "client_secret_basic": {},
    "client_secret_post": {},
    "private_key_jwt": {},
    "bearer_header": {},
    "dpop_client_auth": {"class": DPoPClientAuth, "kwargs": {}},
}
KEYS = [
    {"type": "RSA", "use": ["sig"], "kid": "rsa-1"},
    {"type": "EC", "crv": "P-256", "use": ["sig"], "kid": "ec-1"},
]

_PATIENCE_SECONDS = 20

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(120),
    # It leaves its connections to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


class Party:
    """A handler with one client, registered with `metadata`, and some of its add-ons.

    Args:
        running: Where it registers.
        add_ons: Names of `ADD_ONS`, besides PKCE.
        by_hand: Register outside of it, and configure what came back.
        metadata: Client metadata.
    """

    def __init__(
        self, running: Running, *add_ons: str, by_hand: bool = False, **metadata: object
    ) -> None:
        self.running = running
        keys = init_key_jar(key_defs=KEYS, issuer_id="")
        services = copy.deepcopy(DEFAULT_OIDC_SERVICES)
        services["end_session"] = {"class": "idpyoidc.client.oidc.end_session.EndSession"}
        wanted = {
            "client_name": "idpyoidc",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "post_logout_redirect_uris": [AFTER_SIGN_OUT],
            "token_endpoint_auth_method": "client_secret_basic",
            "jwks": keys.export_jwks(),
            **metadata,
        }
        config: dict[str, Any] = {
            "client_type": "oidc",
            "redirect_uris": [CALLBACK],
            "client_authn_methods": METHODS,
            "preference": {
                "response_types_supported": ["code"],
                "scopes_supported": ["openid", "profile", "offline_access"],
            },
            "add_ons": {name: ADD_ONS[name] for name in ("pkce", *add_ons)},
        }
        if by_hand:
            answer = httpx.post(f"{running.issuer}/register", json=wanted)
            registered = answer.raise_for_status().json()
            config |= {name: registered[name] for name in ("client_id", "client_secret")}
        self.handler: Any = RPHandler(
            base_url="http://localhost:9",
            client_configs={"": config},
            services=services,
            keyjar=keys,
        )
        self.client: Any = self.handler.client_setup(running.issuer, behaviour_args=wanted)
        # Left empty after a dynamic registration, and asked for by private_key_jwt.
        self.client.client_id = self.client.get_client_id()

    def answer(self, visitor: Visitor | None = None, decision: Decision = "allow") -> Any:  # noqa: ANN401
        """Begin a sign-in, and return what the browser brings back."""
        url = self.handler.begin(issuer_id=self.running.issuer)
        with self.running.browser() if visitor is None else nullcontext(visitor) as person:
            return dict(parse_qsl(urlsplit(person.follow(url, decision)).query))

    def finish(self, answer: dict[str, str]) -> dict[str, Any]:
        """Judge an answer, redeem the code, read userinfo."""
        done: dict[str, Any] = self.handler.finalize(self.running.issuer, answer)
        return done


@pytest.mark.spec("OIDCR-3")
@pytest.mark.spec("OIDCC-3.1")
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_registers_itself_and_signs_a_person_in(running: Running, method: str, alg: str) -> None:
    party = Party(
        running,
        token_endpoint_auth_method=method,
        token_endpoint_auth_signing_alg=alg,
        id_token_signed_response_alg=alg,
    )

    done = party.finish(party.answer())

    assert done["issuer"] == running.issuer
    assert done["userinfo"]["name"] == NAME
    assert done["userinfo"]["sub"] == done["id_token"]["sub"]


@pytest.mark.spec("RFC6749-6")
def test_refresh(running: Running) -> None:
    """Registered by hand: by itself it registers only the grant types of its response types."""
    party = Party(running, by_hand=True)
    done = party.finish(party.answer())

    refreshed = party.handler.refresh_access_token(done["state"])

    assert refreshed["access_token"] != done["token"]
    said = party.handler.get_user_info(done["state"], access_token=refreshed["access_token"])
    assert said["name"] == NAME


def test_grant_types_that_it_registers_by_itself(running: Running) -> None:
    party = Party(running, grant_types=["authorization_code", "refresh_token"])

    assert party.client.context.registration_response["grant_types"] == ["authorization_code"]


@pytest.mark.spec("RFC9101-5")
def test_signed_request(running: Running) -> None:
    party = Party(
        running, "jar", request_object_signing_alg="ES256", require_signed_request_object=True
    )

    assert party.finish(party.answer())["userinfo"]["name"] == NAME


@pytest.mark.spec("OIDCRIL-2")
def test_logout(running: Running) -> None:
    party = Party(running, by_hand=True)
    with running.browser() as visitor:
        done = party.finish(party.answer(visitor))
        url = party.client.logout(done["state"], AFTER_SIGN_OUT)["url"]

        assert visitor.follow(url).startswith(AFTER_SIGN_OUT)
        assert visitor.browser.download(f"{running.issuer}/account").status_code == 303


@pytest.mark.usefixtures("worker")
@pytest.mark.spec("OIDCBCL-2.4")
@pytest.mark.spec("OIDCBCL-2.5")
def test_backchannel_logout_names_the_session_that_ended(running: Running) -> None:
    with listener() as (address, received):
        party = Party(running, by_hand=True, backchannel_logout_uri=address)
        party.client.context.registration_response = {"id_token_signed_response_alg": "RS256"}
        with running.browser() as visitor:
            done = party.finish(party.answer(visitor))
            page = visitor.browser.open(f"{running.issuer}/sign-out")
            visitor.browser.send(page, page.form_to("/sign-out"))
        body = received.get(timeout=_PATIENCE_SECONDS)

    assert backchannel_logout(party.client, request=body) == done["state"]


@contextmanager
def listener() -> Iterator[tuple[str, "Queue[str]"]]:
    """Listen for what is posted."""
    received: Queue[str] = Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/logout", received
        finally:
            server.shutdown()
            thread.join()


# Refusals


@pytest.mark.spec("RFC9207-2.4")
def test_another_issuer_is_refused_by_the_client(running: Running) -> None:
    party = Party(running)
    answer = party.answer() | {"iss": "https://attacker.example"}

    with pytest.raises(VerificationError, match="Issuer mismatch"):
        party.finish(answer)


def test_another_state_is_refused_by_the_client(running: Running) -> None:
    party = Party(running)
    answer = party.answer() | {"state": "another"}

    with pytest.raises(KeyError, match="Unknown state"):
        party.finish(answer)


@pytest.mark.spec("RFC6749-4.1.2")
def test_code_that_comes_again(running: Running) -> None:
    party = Party(running)
    answer = party.answer()
    done = party.finish(answer)

    with pytest.raises(OidcServiceError, match="invalid_grant"):
        party.finish(answer)
    with pytest.raises(OidcServiceError, match="invalid_token"):
        party.handler.get_user_info(done["state"])


def test_who_says_no(running: Running) -> None:
    party = Party(running)

    done = party.finish(party.answer(decision="deny"))

    assert done["error"] == "access_denied"


# What idpyoidc 5.0.0 does wrong


@pytest.mark.spec("RFC9449-4.2")
def test_its_proof_hashes_the_token_in_hex(running: Running) -> None:
    """The token is bound as it should be; `ath` is base64url, and the client writes hex."""
    party = Party(running, "dpop", dpop_bound_access_tokens=True)
    answer = party.answer()
    party.handler.finalize_auth(party.client, running.issuer, answer)

    tokens = party.handler.get_tokens(answer["state"])

    assert tokens["token_type"] == "DPoP"
    with pytest.raises(OidcServiceError, match="invalid_dpop_proof"):
        party.handler.get_user_info(answer["state"], authn_method="dpop_client_auth")


@pytest.mark.spec("RFC9126-2.2")
def test_it_can_not_push_requests(running: Running) -> None:
    """It always signs what it pushes, in the name of nobody; and it waits for 200, not for 201."""
    party = Party(running, "par")
    party.client.context.keyjar = party.client.keyjar  # or it finds no key at all

    with pytest.raises(ConnectionError, match="/par"):
        party.answer()
