"""Authlib's authorization server, in memory: what it says to a request that we answer too."""

# What types-Authlib declares is not always what Authlib calls, and nearly every line overrides it.
# mypy: disable-error-code="override, explicit-override, arg-type, attr-defined, no-untyped-call"

from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749 import (
    AuthorizationCodeMixin,
    AuthorizationServer,
    ClientMixin,
    OAuth2Error,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge

SCOPES = ("openid", "profile", "address", "offline_access")


@dataclass
class OracleClient(ClientMixin):
    client_id: str
    secret: str | None
    method: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uris[0]

    def get_allowed_scope(self, scope: str | None) -> str | None:
        known = [value for value in (scope or "").split() if value in SCOPES]
        return " ".join(known) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return endpoint != "token" or method == self.method

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grant_types


@dataclass
class OracleCode(AuthorizationCodeMixin):
    code: str
    client_id: str
    redirect_uri: str
    scope: str
    code_challenge: str | None
    code_challenge_method: str | None = "S256"

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


class _Request(OAuth2Request):
    def __init__(self, method: str, parameters: dict[str, str], headers: dict[str, str]) -> None:
        super().__init__(method, "https://civitas.example/", headers=headers)
        self.payload = BasicOAuth2Payload(parameters)
        self._parameters = parameters

    @property
    def args(self) -> dict[str, str]:
        return self._parameters if self.method == "GET" else {}

    @property
    def form(self) -> dict[str, str]:
        return self._parameters if self.method == "POST" else {}


class _S256(CodeChallenge):
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012


class _CodeGrant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]  # noqa: RUF012

    def query_authorization_code(self, code: str, client: OracleClient) -> OracleCode | None:
        found: OracleCode | None = self.server.codes.get(code)
        return found if found is not None and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: OracleCode) -> None:
        del self.server.codes[authorization_code.code]

    def authenticate_user(self, _authorization_code: OracleCode) -> str:
        return "person"


class _ClientGrant(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012


@dataclass(frozen=True)
class Said:
    """What an authorization server says.

    Attributes:
        error: The code; None when it accepts, "page" for a refusal that is not redirected.
    """

    error: str | None


@dataclass
class _State:
    clients: dict[str, OracleClient] = field(default_factory=dict)
    codes: dict[str, OracleCode] = field(default_factory=dict)


class Oracle(AuthorizationServer):
    """Authlib's server with the grants that we have too."""

    def __init__(self) -> None:
        super().__init__(scopes_supported=None)
        self.state = _State()
        self.register_grant(_CodeGrant, [_S256(required=True)])
        self.register_grant(_ClientGrant)
        self.register_token_generator("default", lambda **_: {"access_token": "x"})

    @property
    def codes(self) -> dict[str, OracleCode]:
        return self.state.codes

    def query_client(self, client_id: str) -> OracleClient | None:
        return self.state.clients.get(client_id)

    def save_token(self, token: object, request: object) -> None:
        """Keep nothing."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Tell nobody."""

    def create_oauth2_request(self, request: Any) -> Any:  # noqa: ANN401
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Any:  # noqa: ANN401
        return status, body, headers

    def authorize(self, parameters: dict[str, str]) -> Said:
        """Ask what it says to an authorization request."""
        try:
            self.get_consent_grant(_Request("GET", parameters, {}), end_user="person")
        except OAuth2Error as error:
            return Said(error.error if error.redirect_uri else "page")
        return Said(None)

    def token(self, parameters: dict[str, str], headers: dict[str, str]) -> tuple[int, str | None]:
        """Ask what it says to a token request."""
        status, body, _ = self.create_token_response(_Request("POST", parameters, headers))
        return status, body.get("error")
