"""A world for relying parties: the application, browsers, people who can sign in, and clients.

A `RelyingParty` is what a partner would write: it knows the issuer and its own keys, and speaks to
the application over HTTP. What a test wants to be wrong is an argument of the step that sends it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from sqlalchemy import text

from idp.assurance import AssuranceLevel
from idp.client_authentication import ASSERTION_TYPE
from idp.client_certificates import load_authorities
from idp.dependencies import load_issuers, policy_of
from idp.model import ClientProfile
from idp.passwords import PROFILES, PasswordHasher
from idp.policy import Policy
from idp.provider import Provider
from idp.service import administration
from idp.service.accounts import create_account
from kernel.ids import PersonId
from kernel.secret import Secret, b64url, random_b64url, sha256
from tests.asgi import _Transport
from tests.databases import WITH_KEYS, KnownKeys, temporary_database
from tests.partner_api.partner_world import (
    ISSUER,
    NOON,
    ProofKey,
    World,
    open_world,
)

PASSWORD = "correct horse battery"
REDIRECT_URI = "https://rp.example/callback"

WAITING = text("SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))")
"""How many locks others wait for because of the transaction that asks."""

__all__ = ["ISSUER", "NOON", "PASSWORD", "REDIRECT_URI", "IdpWorld", "ProofKey", "RelyingParty"]

_numbers = count(1)
_people = count()

# All people here have one name, and the register makes one person of two whose dates may be one
# date with a slip of the pen: the same day of another year, or day and month exchanged.
_DAYS = [day for n in range(365) if (day := date(1931, 1, 1) + timedelta(days=n)).day > 12]


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in."""

    person_id: PersonId
    username: str
    birthdate: str


def _birthdate(number: int) -> str:
    """Return dates of which any 221 in a row are those of 221 people."""
    return f"{_DAYS[number * 61 % len(_DAYS)].replace(year=1930 + number % 60)}"


class Browser:
    """A browser: cookies, and redirects that are looked at one by one."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def get(self, url: str, **kwargs: Any) -> httpx.Response:  # noqa: ANN401
        return self.http.get(url, **kwargs)

    def form_token(self, page: httpx.Response) -> str:
        marker = 'name="form_token" value="'
        start = page.text.index(marker) + len(marker)
        return page.text[start : page.text.index('"', start)]

    def hidden(self, page: httpx.Response, name: str) -> str:
        marker = f'name="{name}" value="'
        start = page.text.index(marker) + len(marker)
        return page.text[start : page.text.index('"', start)]

    def sign_in(self, page: httpx.Response, person: Person) -> httpx.Response:
        """Fill in the sign-in page of an interaction, and go where it leads."""
        path = page.request.url.path
        answer = self.http.post(
            f"{path}/sign-in",
            data={
                "username": person.username,
                "password": PASSWORD,
                "form_token": self.form_token(page),
            },
        )
        assert answer.status_code == 303, answer.text
        return self.http.get(answer.headers["location"])

    def decide(self, page: httpx.Response, decision: str = "allow") -> httpx.Response:
        """Press a button of the consent page."""
        path = page.request.url.path
        return self.http.post(
            f"{path}/consent",
            data={
                "decision": decision,
                "shown": self.hidden(page, "shown"),
                "form_token": self.form_token(page),
            },
        )

    def authorize(
        self, url: str, person: Person | None = None, decision: str = "allow"
    ) -> dict[str, str]:
        """Go through sign-in and consent as far as they are shown; return what the client gets."""
        return parameters_of(self.follow(url, person, decision))

    def follow(self, url: str, person: Person | None = None, decision: str = "allow") -> str:
        """Go through the pages as far as they are shown; return where the browser is sent."""
        answer = self.http.get(url)
        for _ in range(6):
            if answer.status_code == 303:
                location = answer.headers["location"]
                if not location.startswith("/interaction/"):
                    return str(location)
                answer = self.http.get(location)
            elif 'autocomplete="username"' in answer.text:
                assert person is not None, "the person has to sign in"
                answer = self.sign_in(answer, person)
            elif 'name="decision"' in answer.text and answer.status_code == 200:
                answer = self.decide(answer, decision)
            else:
                raise AssertionError(f"{answer.status_code} {answer.text[:2000]}")
        raise AssertionError("the pages lead nowhere")


def parameters_of(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query))


@dataclass
class RelyingParty:
    """A client and what it keeps to itself."""

    world: "IdpWorld"
    client_id: str
    secret: str | None = None
    method: str = "client_secret_basic"
    key: ProofKey = field(default_factory=ProofKey)
    dpop_key: ProofKey | None = None
    redirect_uri: str = REDIRECT_URI
    registration_access_token: str | None = None

    # Authorization

    def verifier(self) -> str:
        return random_b64url(32)

    def parameters(self, verifier: str | None = None, **change: str | None) -> dict[str, str]:
        values: dict[str, str | None] = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": "st-1",
            "nonce": "n-1",
        }
        if verifier is not None:
            values |= {
                "code_challenge": b64url(sha256(verifier.encode())),
                "code_challenge_method": "S256",
            }
        values |= change
        return {name: value for name, value in values.items() if value is not None}

    def url(self, verifier: str | None = None, **change: str | None) -> str:
        return f"/authorize?{urlencode(self.parameters(verifier, **change))}"

    def push(self, verifier: str | None = None, **change: str | None) -> httpx.Response:
        return self.post("/par", self.parameters(verifier, **change))

    def pushed_url(self, verifier: str | None = None, **change: str | None) -> str:
        answer = self.push(verifier, **change)
        assert answer.status_code == 201, answer.text
        query = {"client_id": self.client_id, "request_uri": answer.json()["request_uri"]}
        return f"/authorize?{urlencode(query)}"

    def code(
        self,
        person: Person,
        verifier: str | None = None,
        *,
        browser: Browser | None = None,
        **change: str | None,
    ) -> str:
        browser = browser or self.world.browser()
        push = self.method == "private_key_jwt" and self.dpop_key is not None
        url = self.pushed_url(verifier, **change) if push else self.url(verifier, **change)
        return browser.authorize(url, person)["code"]

    # Tokens

    def assertion(self, **change: object) -> str:
        at = int(self.world.clock.now().timestamp())
        claims: dict[str, object] = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": ISSUER,
            "jti": random_b64url(16),
            "iat": at,
            "exp": at + 60,
        }
        claims |= change
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            self.key.private,
            algorithm="ES256",
            headers={"kid": "key-1"},
        )

    def authentication(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return form fields and headers that authenticate."""
        match self.method:
            case "client_secret_basic":
                assert self.secret is not None
                return {}, {"Authorization": basic(self.client_id, self.secret)}
            case "client_secret_post":
                assert self.secret is not None
                return {"client_id": self.client_id, "client_secret": self.secret}, {}
            case "private_key_jwt":
                return {
                    "client_assertion_type": ASSERTION_TYPE,
                    "client_assertion": self.assertion(),
                }, {}
            case _:
                return {"client_id": self.client_id}, {}

    def post(
        self,
        path: str,
        form: Mapping[str, str] | Sequence[tuple[str, str]],
        *,
        headers: Mapping[str, str] | None = None,
        proof: str | None = None,
        authenticate: bool = True,
    ) -> httpx.Response:
        fields, sent = self.authentication() if authenticate else ({}, {})
        if self.dpop_key is not None and proof is None:
            proof = self.proof(path)
        if proof:
            sent = {**sent, "DPoP": proof}
        pairs = (
            list((dict(form) | fields).items())
            if isinstance(form, Mapping)
            else [*form, *fields.items()]
        )
        return self.world.http.post(
            path,
            content=urlencode(pairs),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                **sent,
                **(headers or {}),
            },
        )

    def proof(self, path: str = "/token", *, key: ProofKey | None = None, **change: object) -> str:
        """Return a DPoP proof for a POST; `None` takes a claim out."""
        key = key or self.dpop_key
        assert key is not None
        claims: dict[str, object] = {
            "jti": random_b64url(16),
            "htm": "POST",
            "htu": ISSUER + path,
            "iat": int(self.world.clock.now().timestamp()),
        }
        claims |= change
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            key.private,
            algorithm="ES256",
            headers={"typ": "dpop+jwt", "jwk": key.jwk},
        )

    def redeem(
        self, code: str, verifier: str | None = None, **change: str | None
    ) -> httpx.Response:
        values: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        values |= change
        return self.post("/token", {name: v for name, v in values.items() if v is not None})

    def refresh(self, token: str, **change: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token} | change
        return self.post("/token", form)

    def tokens(self, person: Person, **change: Any) -> dict[str, Any]:  # noqa: ANN401
        """Sign a person in and redeem the code."""
        verifier = self.verifier()
        answer = self.redeem(self.code(person, verifier, **change), verifier)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def userinfo(
        self,
        token: str,
        *,
        method: str = "GET",
        scheme: str | None = None,
        **proof: Any,  # noqa: ANN401
    ) -> httpx.Response:
        headers = {"Authorization": f"{scheme or ('DPoP' if self.dpop_key else 'Bearer')} {token}"}
        if self.dpop_key is not None:
            ath = b64url(sha256(token.encode()))
            headers["DPoP"] = self.proof("/userinfo", htm=method, ath=ath, **proof)
        return self.world.http.request(method, "/userinfo", headers=headers)


class IdpWorld(World):
    """The application, and who uses it."""

    @property
    def provider(self) -> Provider:
        state = self.app.state
        return Provider(
            issuer=state.settings.issuer,
            keyring=state.keyring,
            signing=state.signing,
            policy=policy_of(state.settings),
            authorities=load_authorities(state.settings.client_ca_file),
            mtls_url=state.settings.mtls_url,
            statement_issuers=load_issuers(state.settings.software_statement_issuers_file),
        )

    @property
    def policy(self) -> Policy:
        return self.provider.policy

    @property
    def hasher(self) -> PasswordHasher:
        hasher: PasswordHasher | None = getattr(self.app.state, "password_hasher", None)
        if hasher is None:
            hasher = self.app.state.password_hasher = PasswordHasher(PROFILES["test"])
        return hasher

    def someone(
        self, level: AssuranceLevel = AssuranceLevel.CONFIRMED, **attributes: object
    ) -> Person:
        """Return a person of the register who has an account."""
        said: dict[str, object] = {
            "family_name": "Волкова",
            "given_name": "Анна",
            "middle_name": "Сергеевна",
            "gender": "female",
            "birthdate": _birthdate(next(_people)),
        }
        said |= attributes
        person_id = self.a_person(**said)
        username = f"anna-{next(_numbers)}"
        with self.session() as session:
            create_account(
                session,
                self.keyring,
                self.hasher,
                person_id=person_id,
                username=username,
                password=Secret(PASSWORD),
                level=level,
                at=self.clock.now(),
            )
        return Person(person_id=person_id, username=username, birthdate=str(said["birthdate"]))

    def a_relying_party(
        self,
        *,
        profile: ClientProfile = ClientProfile.OIDC,
        method: str = "client_secret_basic",
        dpop: bool = False,
        **metadata: object,
    ) -> RelyingParty:
        """Register a client on an operator's word."""
        key = ProofKey()
        asked: dict[str, object] = {
            "client_name": "Ромашка Банк",
            "redirect_uris": [REDIRECT_URI],
            "token_endpoint_auth_method": method,
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        }
        if method == "none":
            asked["grant_types"] = ["authorization_code", "refresh_token"]
        if method == "private_key_jwt":
            asked["jwks"] = {"keys": [{**key.jwk, "kid": "key-1", "use": "sig", "alg": "ES256"}]}
        asked |= metadata
        partner_id = f"bank-{next(_numbers)}"
        with self.session() as session:
            administration.add_partner(
                session, partner_id=partner_id, name="АО «Ромашка Банк»", at=NOON
            )
            registered = administration.add_client(
                session,
                self.provider,
                partner_id=partner_id,
                profile=profile,
                asked={name: value for name, value in asked.items() if value is not None},
                at=NOON,
            )
        return RelyingParty(
            world=self,
            client_id=registered.client.client_id,
            secret=None if registered.client_secret is None else registered.client_secret.reveal(),
            method=method,
            key=key,
            dpop_key=ProofKey() if dpop or profile is ClientProfile.FAPI2 else None,
            redirect_uri=registered.client.metadata.redirect_uris[0],
        )

    def a_fapi2_client(self, **metadata: Any) -> RelyingParty:  # noqa: ANN401
        return self.a_relying_party(
            profile=ClientProfile.FAPI2, method="private_key_jwt", **metadata
        )

    def browser(self) -> Browser:
        transport = _Transport(self.app, self.portal)
        issuer = self.app.state.settings.issuer
        return Browser(httpx.Client(transport=transport, base_url=issuer))

    def later(self, **delta: float) -> datetime:
        """Move the clock forward."""
        self.clock.advance(timedelta(**delta))
        return self.clock.now()


def basic(client_id: str, secret: str) -> str:
    import base64  # noqa: PLC0415
    from urllib.parse import quote_plus  # noqa: PLC0415

    joined = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(joined.encode()).decode()


def claims_of(token: str) -> dict[str, Any]:
    """Return what a JWT says, unverified."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


def disclosure(*items: str, purpose: str = "account_opening", **more: object) -> str:
    return orjson.dumps(
        [{"type": "civitas_disclosure", "purpose": purpose, "items": list(items), **more}]
    ).decode()


def ec_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    return dict(ECAlgorithm.to_jwk(key.public_key(), as_dict=True))


@contextmanager
def idp_world_of_its_own(
    server_url: str,
    known_keys: KnownKeys,
    factory: pytest.TempPathFactory,
    **settings: Any,  # noqa: ANN401
) -> Iterator[IdpWorld]:
    """Open a world over a database and in a folder that nothing else uses."""
    folder = factory.mktemp("civitas")
    known_keys.put_root_key_into(folder)
    with (
        temporary_database(server_url, template=WITH_KEYS) as url,
        open_idp_world(url, folder, **settings) as world,
    ):
        yield world


@contextmanager
def open_idp_world(
    database_url: str,
    folder: Path,
    **settings: Any,  # noqa: ANN401
) -> Iterator[IdpWorld]:
    with open_world(database_url, folder, **settings) as world:
        yield IdpWorld(app=world.app, http=world.http, portal=world.portal, clock=world.clock)
