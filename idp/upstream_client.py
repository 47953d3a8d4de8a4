"""Speak to an upstream provider: Authlib's client, and what it leaves to us.

The addresses are an operator's, and what the provider's own metadata says. Redirects are not
followed, an answer has to come soon, and nothing of an answer is believed before it is verified.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
from authlib.integrations.base_client import OAuthError as ClientError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry
from typing_extensions import override

from idp.errors import UpstreamNotVerified, UpstreamUnavailable
from idp.jose import NotVerified, PublicKey, parse_jwks
from idp.model import JSONObject
from idp.upstream import Upstream, UpstreamRequest
from kernel.outbound import tls_context
from kernel.secret import Secret

REMEMBERED_FOR = timedelta(minutes=10)
"""Metadata and keys of a provider; a key that is not among them is looked for again."""

LARGEST_ANSWER = 256 * 1024  # bytes
_TIMEOUT = httpx2.Timeout(5.0)  # seconds, for each of connecting, sending and waiting
LONGEST_CALL = 10.0
"""Seconds for all of one: a region that answers a byte at a time must not use up our threads."""
_CONFIGURATION = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a provider publishes, as far as we need it (OpenID Connect Discovery, 3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    names_itself: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a code was exchanged for."""

    id_token: Secret[str]
    access_token: Secret[str]


@dataclass(frozen=True, slots=True)
class Bounded(httpx2.BaseTransport):
    """Carries requests to the network; an answer is here in time as a whole, or not at all.

    For threads without an event loop.

    Attributes:
        verify: Whose certificates are trusted.
        longest: Seconds, for all of it.
    """

    verify: ssl.SSLContext
    longest: float = LONGEST_CALL

    @override
    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the whole answer.

        Raises:
            httpx2.TransportError: There is none, or it is too long or too slow.
        """
        try:
            return asyncio.run(self._answer(request))
        except TimeoutError as error:
            raise httpx2.ReadTimeout("it took too long", request=request) from error

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        # Unpacked, a small answer can be a large one.
        request.headers["accept-encoding"] = "identity"
        body = b""
        async with (
            asyncio.timeout(self.longest),
            httpx2.AsyncHTTPTransport(verify=self.verify, trust_env=False) as network,
        ):
            answer = await network.handle_async_request(request)
            async for part in answer.aiter_raw():
                body += part
                if len(body) > LARGEST_ANSWER:
                    raise httpx2.ReadError("it is too long", request=request)
        return httpx2.Response(answer.status_code, headers=answer.headers, content=body)


@dataclass(slots=True)
class UpstreamClient:
    """Speaks to upstream providers; remembers for a while what they publish.

    Attributes:
        allows_http: In the demonstration, for this machine.
        ca_file: Authorities that are trusted beside the public ones.
        transport: What carries requests; the network when None.
    """

    allows_http: bool
    ca_file: Path | None = None
    transport: httpx2.BaseTransport | None = None
    _remembered: dict[str, tuple[datetime, Any]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def authorization_url(
        self,
        upstream: Upstream,
        request: UpstreamRequest,
        *,
        state: Secret[str],
        redirect_uri: str,
        language: str,
        at: datetime,
    ) -> str:
        """Return where to send a person.

        Raises:
            UpstreamUnavailable: 502. Its metadata can't be had, or is of no use.

        Source:
            OpenID Connect Core, 3.1.2.1; RFC 7636, 4.3; RFC 9700, 2.1.1.
        """
        metadata = self.metadata(upstream, at=at)
        with self._client(upstream, redirect_uri=redirect_uri) as client:
            wish = {"prompt": "login"} if request.is_renewed else {}
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=state.reveal(),
                code_verifier=request.code_verifier,
                nonce=request.nonce,
                # Always: then `auth_time` has to be in the ID token.
                max_age=str(request.max_age),
                ui_locales=language,
                **wish,
            )
        return str(url)

    def exchange(
        self,
        upstream: Upstream,
        credential: Secret[str],
        request: UpstreamRequest,
        *,
        code: str,
        redirect_uri: str,
        at: datetime,
    ) -> Tokens:
        """Exchange a code for tokens.

        Raises:
            UpstreamUnavailable: 502. It can't be reached, or has no tokens for the code.
        """
        metadata = self.metadata(upstream, at=at)
        try:
            with self._client(
                upstream, redirect_uri=redirect_uri, credential=credential, metadata=metadata
            ) as client:
                answer = client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=request.code_verifier,
                )
        except ClientError as error:
            raise UpstreamUnavailable(reason=f"token endpoint: {error.error}") from error
        except (httpx2.HTTPError, ValueError, TypeError, JoseError) as error:
            # What is no JSON, and what is JSON but no object, Authlib does not look at.
            raise UpstreamUnavailable(reason=f"token endpoint: {type(error).__name__}") from error
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise UpstreamUnavailable(reason="no id_token")
        return Tokens(id_token=Secret(id_token), access_token=Secret(access_token))

    def userinfo(self, upstream: Upstream, tokens: Tokens, sub: str, *, at: datetime) -> JSONObject:
        """Return what the UserInfo endpoint says about the person of an ID token.

        Raises:
            UpstreamUnavailable: 502. It can't be had.
            UpstreamNotVerified: 502. It is about somebody else (OpenID Connect Core, 5.3.2).
        """
        address = self.metadata(upstream, at=at).userinfo_endpoint
        if address is None:
            return {}
        headers = {"authorization": f"Bearer {tokens.access_token.reveal()}"}
        claims = self._get_json(address, headers=headers)
        if claims.get("sub") != sub:
            raise UpstreamNotVerified(reason="sub of userinfo")
        return claims

    def metadata(self, upstream: Upstream, *, at: datetime) -> Metadata:
        """Return what a provider publishes.

        Raises:
            UpstreamUnavailable: 502. It can't be had, is another issuer's, or of no use.

        Source:
            OpenID Connect Discovery, 4.3; RFC 9207, 3.
        """
        issuer = upstream.issuer
        document = self._remember(issuer, issuer.removesuffix("/") + _CONFIGURATION, at=at)
        if document.get("issuer") != issuer:
            raise UpstreamUnavailable(reason="issuer of the metadata")
        userinfo = document.get("userinfo_endpoint")
        return Metadata(
            authorization_endpoint=self._address(document.get("authorization_endpoint")),
            token_endpoint=self._address(document.get("token_endpoint")),
            jwks_uri=self._address(document.get("jwks_uri")),
            userinfo_endpoint=None if userinfo is None else self._address(userinfo),
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        )

    def keys(
        self, upstream: Upstream, *, at: datetime, is_renewed: bool = False
    ) -> tuple[PublicKey, ...]:
        """Return the keys of a provider.

        Args:
            upstream: Whose.
            at: Now.
            is_renewed: Whether they are fetched in any case: one was missing among those that we
                remember.

        Raises:
            UpstreamUnavailable: 502. They can't be had.
        """
        address = self.metadata(upstream, at=at).jwks_uri
        if is_renewed:
            with self._lock:
                self._remembered.pop(f"{upstream.issuer} keys", None)
        try:
            return parse_jwks(self._remember(f"{upstream.issuer} keys", address, at=at))
        except NotVerified as error:
            raise UpstreamUnavailable(reason="jwks") from error

    def _remember(self, name: str, address: str, *, at: datetime) -> JSONObject:
        with self._lock:
            known = self._remembered.get(name)
        if known is not None and known[0] <= at < known[0] + REMEMBERED_FOR:
            document: JSONObject = known[1]
            return document
        fetched = self._get_json(address)
        with self._lock:
            self._remembered[name] = (at, fetched)
        return fetched

    def _get_json(self, address: str, *, headers: dict[str, str] | None = None) -> JSONObject:
        self._address(address)
        try:
            with httpx2.Client(
                timeout=_TIMEOUT,
                follow_redirects=False,
                trust_env=False,
                transport=self._network(),
            ) as client:
                response = client.get(address, headers=headers)
            if response.status_code != httpx2.codes.OK:
                raise UpstreamUnavailable(reason=f"status {response.status_code}")
            body = response.content
            if len(body) > LARGEST_ANSWER:
                raise UpstreamUnavailable(reason="size")
            found = orjson.loads(body)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise UpstreamUnavailable(reason=type(error).__name__) from error
        if not isinstance(found, dict):
            raise UpstreamUnavailable(reason="not an object")
        return found

    def _network(self) -> httpx2.BaseTransport:
        return self.transport or Bounded(tls_context(self.ca_file))

    def _address(self, address: object) -> str:
        if not isinstance(address, str):
            raise UpstreamUnavailable(reason="an address is missing")
        scheme = urlsplit(address).scheme
        if scheme != "https" and not (scheme == "http" and self.allows_http):
            raise UpstreamUnavailable(reason="scheme")
        return address

    def _client(
        self,
        upstream: Upstream,
        *,
        redirect_uri: str,
        credential: Secret[str] | None = None,
        metadata: Metadata | None = None,
    ) -> OAuth2Client:
        secret: Any = None if credential is None else credential.reveal()
        is_key = upstream.auth_method == "private_key_jwt"
        if is_key and secret is not None:
            secret = JWKRegistry.import_key(orjson.loads(secret))
        client = OAuth2Client(
            client_id=upstream.client_id,
            client_secret=secret,
            token_endpoint_auth_method=upstream.auth_method,
            scope=upstream.scope,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            transport=self._network(),
        )
        if is_key and metadata is not None:
            alg = {"EC": "ES256", "RSA": "RS256", "OKP": "EdDSA"}[secret.key_type]
            client.register_client_auth_method(PrivateKeyJWT(metadata.token_endpoint, alg=alg))
        return client
