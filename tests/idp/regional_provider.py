"""A regional identity system: Authlib's server with OpenID Connect, in the test's own process.

It is asked over HTTP as any provider is; what it does wrong in a test is `wrong`, a change of the
claims of its ID tokens, or one of the switches.
"""

# What types-Authlib declares is not always what Authlib calls, and nearly every line overrides it.
# mypy: disable-error-code="override, explicit-override, arg-type, attr-defined, no-untyped-call"
# mypy: disable-error-code="misc, no-any-return, assignment"
# ruff: noqa: ARG002

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import orjson
from authlib.oauth2.rfc6749 import AuthorizationServer
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oidc.core import OpenIDCode
from joserfc import jwt
from joserfc.jwk import ECKey
from typing_extensions import override

from kernel.secret import b64url
from tests.idp.authlib_oracle import (
    _S256,
    Oracle,
    OracleClient,
    OracleCode,
    _Request,
    _State,
)

ISSUER = "https://tver.example"
CLIENT_ID = "civitas"
SECRET = "a secret between the two"


@dataclass
class RegionalCode(OracleCode):
    sub: str = ""
    nonce: str | None = None

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> None:
        return None

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class _Grant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]  # noqa: RUF012

    def save_authorization_code(self, code: str, request: Any) -> None:  # noqa: ANN401
        data = request.payload.data
        self.server.codes[code] = RegionalCode(
            code=code,
            client_id=request.client.client_id,
            redirect_uri=data["redirect_uri"],
            scope=data["scope"],
            code_challenge=data.get("code_challenge"),
            sub=request.user,
            nonce=data.get("nonce"),
        )

    def query_authorization_code(self, code: str, client: OracleClient) -> Any:  # noqa: ANN401
        return self.server.codes.get(code)

    def delete_authorization_code(self, authorization_code: RegionalCode) -> None:
        del self.server.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: RegionalCode) -> str:
        return authorization_code.sub


class _IDToken(OpenIDCode):
    def __init__(self, provider: "RegionalProvider") -> None:
        super().__init__(require_nonce=True)
        self.provider = provider

    def exists_nonce(self, nonce: str, request: object) -> bool:
        return False

    def resolve_client_private_key(self, client: object) -> ECKey:
        return self.provider.key

    def get_client_algorithm(self, client: object) -> str:
        return "ES256"

    def get_encode_header(self, client: object) -> dict[str, str]:
        return {"alg": "ES256", "kid": "key-1"}

    def get_client_claims(self, client: OracleClient) -> dict[str, object]:
        return {"iss": ISSUER, "aud": client.client_id}

    def generate_user_info(self, user: str, scope: str) -> dict[str, object]:
        return self.provider.claims_of(user)


class _Server(Oracle):
    """The oracle without its own grants."""

    def __init__(self) -> None:
        AuthorizationServer.__init__(self, scopes_supported=None)
        self.state = _State()


@dataclass
class RegionalProvider(httpx2.BaseTransport):
    """The provider, and the network that leads to it.

    Attributes:
        people: Claims by `sub`.
        wrong: Changes the claims of an ID token before it is signed anew.
        signs_with: Another key than the published one.
        header: Of ID tokens that are signed anew.
        answers: Instead of what stands at a path.
    """

    now: Callable[[], datetime]
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    people: dict[str, dict[str, object]] = field(default_factory=dict)
    wrong: Mapping[str, object] = field(default_factory=dict)
    signs_with: Any = None
    header: Mapping[str, str] = field(default_factory=dict)
    answers: dict[str, httpx2.Response] = field(default_factory=dict)
    metadata: dict[str, object] = field(default_factory=dict)
    asked: list[httpx2.Request] = field(default_factory=list)
    auth_time: datetime | None = None

    def __post_init__(self) -> None:
        self.server = _Server()
        self.server.register_grant(_Grant, [_S256(required=True), _IDToken(self)])
        self.server.register_token_generator(
            "default",
            lambda **of: {
                "access_token": of["user"],
                "token_type": "Bearer",
                "scope": "openid profile",
            },
        )
        self.server.state.clients[CLIENT_ID] = OracleClient(
            client_id=CLIENT_ID,
            secret=SECRET,
            method="client_secret_basic",
            redirect_uris=("http://localhost:8000/upstream/tver/callback",),
            grant_types=("authorization_code",),
        )

    def claims_of(self, sub: str) -> dict[str, object]:
        at = self.now()
        return {
            "sub": sub,
            "iat": int(at.timestamp()),
            "exp": int(at.timestamp()) + 300,
            "auth_time": int((self.auth_time or at).timestamp()),
            **self.people[sub],
        }

    def authorize(self, url: str, sub: str | None) -> str:
        """Let somebody sign in there, or break off; return where their browser is sent."""
        request = _Request("GET", dict(parse_qsl(urlsplit(url).query)), {})
        grant = self.server.get_authorization_grant(request)
        answer: Any = self.server.create_authorization_response(
            request, grant_user=sub, grant=grant
        )
        location = dict(answer[2])["Location"]
        return f"{location}&{urlencode({'iss': ISSUER})}"

    @override
    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        path = request.url.path
        if path in self.answers:
            return self.answers[path]
        match path:
            case "/.well-known/openid-configuration":
                return httpx2.Response(200, json=self._metadata())
            case "/jwks":
                return httpx2.Response(200, json={"keys": [self._public()]})
            case "/userinfo":
                sub = request.headers["authorization"].removeprefix("Bearer ")
                return httpx2.Response(200, json=self.claims_of(sub))
            case "/token":
                return self._token(request)
            case _:
                return httpx2.Response(404)

    def _public(self) -> dict[str, object]:
        return {**self.key.as_dict(private=False), "kid": "key-1", "use": "sig"}

    def _metadata(self) -> dict[str, object]:
        return {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def _token(self, request: httpx2.Request) -> httpx2.Response:
        form = dict(parse_qsl(request.read().decode()))
        headers = {name.title(): value for name, value in request.headers.items()}
        answer: Any = self.server.create_token_response(_Request("POST", form, headers))
        status, body = answer[:2]
        if self.wrong or self.signs_with is not None or self.header:
            body = {**body, "id_token": self._signed_anew(body["id_token"])}
        return httpx2.Response(status, content=orjson.dumps(body))

    def _signed_anew(self, id_token: str) -> str:
        claims = dict(jwt.decode(id_token, self.key).claims) | dict(self.wrong)
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "ES256", "kid": "key-1", **self.header}
        if header["alg"] == "none":
            return ".".join([*(b64url(orjson.dumps(part)) for part in (header, claims)), ""])
        return jwt.encode(header, claims, self.signs_with or self.key, ["ES256", "HS256"])
