"""A relying party as the OpenID Connect plans drive it: what it registers, sends, and holds answers
against. Nothing is copied from the suite; the names of its modules are those of our tests.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt

from idp.client_authentication import ASSERTION_TYPE
from idp.remote import RemoteDocuments
from idp.remote_keys import RemoteKeys
from idp.tokens import left_half
from kernel.secret import random_b64url
from tests.idp.idp_world import ISSUER, Browser, IdpWorld, Person, basic, parameters_of
from tests.idp.pure import RSA_KEY, public_jwk, signed
from tests.idp.test_remote_keys import Site, site

CALLBACK = "https://suite.example/test/a/civitas/callback"
POST_LOGOUT = "https://suite.example/test/a/civitas/post_logout_redirect"
JWKS_URI = "https://suite.example/test/a/civitas/jwks"


@dataclass
class SignedIn:
    """What came of a sign-in."""

    answer: dict[str, str]
    tokens: dict[str, Any]
    id_token: dict[str, Any]

    @property
    def access_token(self) -> str:
        return str(self.tokens["access_token"])


@dataclass
class Suite:
    """One client and one browser."""

    world: IdpWorld
    method: str = "client_secret_basic"
    registration: dict[str, Any] = field(default_factory=dict)
    key: Any = RSA_KEY
    kid: str | None = None
    browser: Browser = field(init=False)
    person: Person = field(init=False)

    def __post_init__(self) -> None:
        self.browser = self.world.browser()
        self.person = self.world.someone(registration_address=ADDRESS)

    # Registration: OpenID Connect Registration, 3

    def register(self, **change: Any) -> dict[str, Any]:  # noqa: ANN401
        answer = self.try_register(**change)
        assert answer.status_code == 201, answer.text
        assert answer.headers["content-type"] == "application/json"
        self.registration = answer.json()
        assert self.registration["registration_client_uri"].startswith(ISSUER)
        assert self.registration["registration_access_token"]
        return self.registration

    def try_register(self, **change: Any) -> httpx.Response:  # noqa: ANN401
        asked: dict[str, Any] = {
            "client_name": f"suite {random_b64url(6)}",
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": self.method,
            "contacts": ["certification@suite.example"],
            "jwks": {"keys": [public_jwk(RSA_KEY, use="sig", alg="RS256")]},
        }
        asked |= change
        return self.world.http.post(
            "/register", json={name: value for name, value in asked.items() if value is not None}
        )

    @property
    def client_id(self) -> str:
        return str(self.registration["client_id"])

    # Authorization: OpenID Connect Core, 3.1.2

    def request(self, **change: str | None) -> dict[str, str]:
        values: dict[str, str | None] = {
            "client_id": self.client_id,
            "redirect_uri": self.registration["redirect_uris"][0],
            "scope": "openid",
            "state": "s" * 10,
            "nonce": "n" * 10,
            "response_type": "code",
        }
        values |= change
        return {name: value for name, value in values.items() if value is not None}

    def url(self, **change: str | None) -> str:
        return f"/authorize?{urlencode(self.request(**change))}"

    def authorize(self, **change: str | None) -> dict[str, str]:
        """Send the browser to us; return what comes back to the callback."""
        location = self.browser.follow(self.url(**change), self.person)
        assert location.startswith(self.registration["redirect_uris"][0])
        answer = parameters_of(location)
        assert answer["iss"] == ISSUER
        if "state" not in change:
            assert answer["state"] == "s" * 10
        return answer

    def refused(self, **change: str | None) -> str:
        """Return the error that comes back, in an answer with nothing unexpected."""
        answer = self.browser.get(self.url(**change))
        assert answer.status_code == 303, answer.text
        got = parameters_of(answer.headers["location"])
        assert set(got) <= {"error", "error_description", "state", "iss"}
        assert not set(got["error_description"]) & set('\r\n\t"\\')
        return got["error"]

    def page(self, **change: str | None) -> httpx.Response:
        """Return the page that is shown first, on which the person signs in."""
        return self.browser.get(self.browser.get(self.url(**change)).headers["location"])

    def asks_to_sign_in(self, **change: str | None) -> bool:
        return 'autocomplete="username"' in self.page(**change).text

    # Tokens: OpenID Connect Core, 3.1.3

    def sign_in(self, **change: str | None) -> SignedIn:
        answer = self.authorize(**change)
        assert len(answer["code"]) >= 22  # 128 bits as base64url
        redeemed = self.redeem(answer["code"], redirect_uri=change.get("redirect_uri"))
        assert redeemed.status_code == 200, redeemed.text
        return SignedIn(answer, *self.check_tokens(redeemed, nonce=change.get("nonce", "n" * 10)))

    def redeem(self, code: str, *, redirect_uri: str | None = None, **more: str) -> httpx.Response:
        return self.post(
            "/token",
            grant_type="authorization_code",
            code=code,
            redirect_uri=redirect_uri or self.registration["redirect_uris"][0],
            **more,
        )

    def post(self, path: str, **form: str) -> httpx.Response:
        headers: dict[str, str] = {}
        match self.method:
            case "client_secret_basic":
                secret = self.registration["client_secret"]
                headers["Authorization"] = basic(self.client_id, secret)
            case "client_secret_post":
                form |= {
                    "client_id": self.client_id,
                    "client_secret": self.registration["client_secret"],
                }
            case _:
                form |= {
                    "client_assertion_type": ASSERTION_TYPE,
                    "client_assertion": self.assertion(),
                }
        return self.world.http.post(path, data=form, headers=headers)

    def assertion(self, audience: str = f"{ISSUER}/token") -> str:
        at = int(self.world.clock.now().timestamp())
        claims = {
            "iss": self.client_id, "sub": self.client_id, "aud": audience,
            "jti": random_b64url(16), "iat": at, "exp": at + 60,
        }  # fmt: skip
        header = {} if self.kid is None else {"kid": self.kid}
        return signed(claims, key=self.key, alg="RS256", **header)

    def check_tokens(
        self, answer: httpx.Response, *, nonce: str | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Hold a token response and its ID token against OpenID Connect Core, 3.1.3."""
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        tokens = answer.json()
        assert tokens["token_type"] == "Bearer"  # a type
        assert tokens["expires_in"] > 0
        header = jwt.get_unverified_header(tokens["id_token"])
        keys = {key["kid"]: key for key in self.world.http.get("/jwks").json()["keys"]}
        assert (header["alg"], keys[header["kid"]]["kty"]) == ("RS256", "RSA")
        claims = jwt.decode(
            tokens["id_token"],
            jwt.PyJWK(keys[header["kid"]]),
            algorithms=["RS256"],
            audience=self.client_id,
            issuer=ISSUER,
            options={"verify_exp": False, "verify_iat": False},
        )
        at = int(self.world.clock.now().timestamp())
        assert claims["iat"] == at < claims["exp"]
        assert claims.get("nonce") == nonce
        assert claims["sub"].isascii()
        assert 0 < len(claims["sub"]) <= 255
        assert claims["at_hash"] == left_half(tokens["access_token"], "RS256")
        return tokens, claims

    # UserInfo: OpenID Connect Core, 5.3

    def userinfo(self, token: str) -> dict[str, Any]:
        answer = self.world.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        return dict(answer.json())

    # Sign-out: RP-Initiated Logout

    def end_session(self, **parameters: str) -> httpx.Response:
        return self.browser.get(f"/end-session?{urlencode(parameters)}")

    def is_signed_in(self) -> bool:
        got = parameters_of(self.browser.get(self.url(prompt="none")).headers["location"])
        return "code" in got


ADDRESS = {
    "formatted": "г. Москва, ул. Тверская, д. 1, кв. 2",
    "country": "RU", "region": "Москва", "locality": "Москва",
    "street": "Тверская", "house": "1", "flat": "2", "postal_code": "125009",
}  # fmt: skip


def publish(world: IdpWorld, content: object) -> Site:
    """Let the client's site answer with a document."""

    at = site(content)
    world.app.state.remote_documents = RemoteDocuments(at)
    world.app.state.remote_keys = RemoteKeys(at)
    return at


def leads_back(answer: httpx.Response) -> bool:
    """Tell whether an answer sends the browser to the suite."""
    return str(answer.headers.get("location", "")).startswith("https://suite.example/")
