"""A relying party of Civitas: everything a partner has to write, over Authlib's client.

It knows the issuer's URL and its own key; every address comes from the issuer's metadata. It uses
nothing of ours, so that it can be copied as it is.

    1. discover      GET /.well-known/openid-configuration and …/oauth-protected-resource
    2. register      once; a real partner is registered by the institution instead
    3. begin         push the request (PKCE, what data, for what purpose), send the browser away
    4. finish        check the answer, redeem the code, verify the ID token
    5. read          attributes, signed; documents, streamed; each request proves possession (DPoP)
"""

# ruff: noqa: TID251  # a partner has no kernel to take time and randomness from

import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NoReturn, TypeAlias

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from typing_extensions import override

REQUEST_TYPE = "civitas_disclosure"
PERSON_TYPE = "civitas-person+jwt"


Seen: TypeAlias = Callable[[httpx2.Response], Awaitable[None]]


class Refused(Exception):
    """Civitas, or the person, said no.

    Attributes:
        code: What to branch on: `access_denied`, `consent_withdrawn`, …
        status: HTTP status, 0 for an answer that came through the browser.
    """

    def __init__(self, code: str, detail: str = "", *, status: int = 0) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A sign-in under way: kept in the browser's session until it comes back."""

    url: str
    state: str
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A person who signed in: our name for them, and the key to what they agreed to share."""

    sub: str
    access_token: str = field(repr=False)


class DPoP(httpx2.Auth):
    """Prove with each request that we hold the key the token is bound to (RFC 9449, 4 and 7.1)."""

    def __init__(self, key: ECKey, access_token: str | None = None) -> None:
        self._key = key
        self._access_token = access_token

    @override
    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Add the proof, and the token if there is one yet."""
        request.headers["DPoP"] = self.proof(request.method, str(request.url))
        if self._access_token is not None:
            request.headers["Authorization"] = f"DPoP {self._access_token}"
        yield request

    def proof(self, method: str, url: str) -> str:
        """Sign a proof for one request."""
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": url.partition("?")[0],
            "iat": int(time.time()),
        }
        if self._access_token is not None:
            claims["ath"] = _b64url(sha256(self._access_token.encode()).digest())
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self._key.as_dict(private=False)}
        return jwt.encode(header, claims, self._key)


class RelyingParty:
    """One client of one issuer."""

    def __init__(
        self,
        *,
        issuer: str,
        key: ECKey,
        redirect_uri: str,
        client_id: str = "",
        seen: Seen | None = None,
    ) -> None:
        """Begin with what is known; `discover` fetches the rest.

        Args:
            issuer: The issuer's URL; everything else is looked up there.
            key: Our private key: authenticates us (RFC 7523) and binds our tokens (RFC 9449).
            redirect_uri: Where the browser comes back to.
            client_id: Given at registration; empty until then.
            seen: Called with every answer; for demonstrations.
        """
        self.issuer = issuer
        self.client_id = client_id
        self.metadata: Mapping[str, Any] = {}
        self.partner_api: Mapping[str, Any] = {}
        self._key = key
        self._redirect_uri = redirect_uri
        self._hooks = {"response": [seen]} if seen is not None else {}

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AsyncOAuth2Client]:
        async with AsyncOAuth2Client(
            client_id=self.client_id,
            client_secret=self._key,
            token_endpoint_auth_method="private_key_jwt",  # noqa: S106  # the name of a method
            redirect_uri=self._redirect_uri,
            scope="openid",
            code_challenge_method="S256",
            event_hooks=self._hooks,
        ) as client:
            # The audience is the issuer, not the endpoint, so that an assertion can't be replayed
            # at another server (FAPI 2.0 Security Profile, 5.3.3.1).
            client.register_client_auth_method(PrivateKeyJWT(self.issuer, alg="ES256"))
            yield client

    async def discover(self) -> None:
        """Fetch the metadata of the issuer and of its partner API; check who they speak of."""
        async with httpx2.AsyncClient(event_hooks=self._hooks) as http:
            self.metadata = _json_of(
                await http.get(f"{self.issuer}/.well-known/openid-configuration")
            )
            self.partner_api = _json_of(
                await http.get(f"{self.issuer}/.well-known/oauth-protected-resource/partner/v1")
            )
        if self.metadata["issuer"] != self.issuer:  # Discovery, 4.3
            raise Refused("issuer_mismatch")
        if self.issuer not in self.partner_api["authorization_servers"]:  # RFC 9728, 3.3
            raise Refused("resource_mismatch")

    async def register(
        self, *, name: str, name_ru: str, home: str, initial_access_token: str | None = None
    ) -> str:
        """Register dynamically and return our `client_id` (RFC 7591, 3).

        Args:
            name: As it is shown to people.
            name_ru: The same in Russian.
            home: Our site.
            initial_access_token: From the institution, which has checked who we are. Without it we
                are shown as not verified, where registration is open at all.
        """
        headers = {}
        if initial_access_token is not None:
            headers["Authorization"] = f"Bearer {initial_access_token}"
        wanted = {
            "client_name": name,
            "client_name#ru": name_ru,
            "client_uri": home,
            "redirect_uris": [self._redirect_uri],
            "response_types": ["code"],
            "grant_types": ["authorization_code"],
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256",
            "id_token_signed_response_alg": "ES256",
            "dpop_bound_access_tokens": True,
            "authorization_details_types": [REQUEST_TYPE],
            "jwks": {"keys": [self._key.as_dict(private=False)]},
            "scope": "openid",
        }
        async with httpx2.AsyncClient(event_hooks=self._hooks) as http:
            response = await http.post(
                self.metadata["registration_endpoint"], json=wanted, headers=headers
            )
        self.client_id = _json_of(response)["client_id"]
        return self.client_id

    async def begin(self, disclosure: Mapping[str, Any], *, ui_locales: str = "") -> Begun:
        """Push the authorization request (RFC 9126) and return where to send the browser.

        Args:
            disclosure: `purpose`, `items`, and for how long: one `authorization_details` entry.
            ui_locales: The language in which to ask the person.
        """
        nonce, code_verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        details = [{"type": REQUEST_TYPE, **disclosure}]
        async with self._client() as client:
            # Authlib writes the request as a URL; PAR wants the same parameters in a form.
            url, state = client.create_authorization_url(
                self.metadata["authorization_endpoint"],
                code_verifier=code_verifier,
                nonce=nonce,
                authorization_details=_compact_json(details),
                ui_locales=ui_locales,
            )
            response = await client.post(
                self.metadata["pushed_authorization_request_endpoint"],
                data=dict(httpx2.URL(url).params),
                auth=client.client_auth("private_key_jwt"),  # type: ignore[arg-type]  # it is one
            )
        pushed = httpx2.QueryParams(
            client_id=self.client_id, request_uri=_json_of(response)["request_uri"]
        )
        return Begun(
            url=f"{self.metadata['authorization_endpoint']}?{pushed}",
            state=state,
            nonce=nonce,
            code_verifier=code_verifier,
        )

    async def finish(self, answer: Mapping[str, str], begun: Begun) -> SignedIn:
        """Check the answer that the browser brought back, and redeem the code.

        Raises:
            Refused: The person said no (`access_denied`), or the answer is not for this request.
        """
        if answer.get("state") != begun.state:
            raise Refused("state_mismatch")
        if answer.get("iss") != self.issuer:  # RFC 9207, 2.4
            raise Refused("issuer_mismatch")
        if "error" in answer:
            raise Refused(answer["error"], answer.get("error_description", ""))
        async with self._client() as client:
            endpoint = self.metadata["token_endpoint"]
            proof = DPoP(self._key).proof("POST", endpoint)
            try:
                token = await client.fetch_token(
                    endpoint,
                    code=answer["code"],
                    code_verifier=begun.code_verifier,
                    headers={"DPoP": proof, "Accept": "application/json"},
                )
            except OAuthError as error:
                raise Refused(error.error, error.description, status=400) from error
        if token["token_type"].lower() != "dpop":  # RFC 9449, 5: or it is bound to nothing
            raise Refused("token_not_bound")
        keys = await self._fetch_keys(self.metadata["jwks_uri"])
        claims = jwt.decode(token["id_token"], keys, ["ES256"]).claims
        id_token = CodeIDToken(
            claims,
            {},
            {
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": self.client_id},
            },
            {"nonce": begun.nonce, "client_id": self.client_id},
        )
        id_token.validate(now=int(time.time()), leeway=60)
        return SignedIn(sub=id_token["sub"], access_token=token["access_token"])

    async def read_person(self, signed_in: SignedIn) -> Mapping[str, Any]:
        """Read the attributes and verify that Civitas signed them for us, about this person.

        Raises:
            Refused: With the code that says why: `consent_withdrawn`, `consent_expired`, …
        """
        response = await self._get("/person", signed_in)
        keys = await self._fetch_keys(self.partner_api["jwks_uri"])
        token = jwt.decode(response.text, keys, ["ES256"])
        now = int(time.time())
        jwt.JWTClaimsRegistry(
            now=now,
            leeway=60,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.client_id},
            sub={"essential": True, "value": signed_in.sub},
            iat={"essential": True},
        ).validate(token.claims)
        if token.header.get("typ") != PERSON_TYPE:  # RFC 8725, 3.11
            raise Refused("wrong_type")
        return {**token.claims, "kid": token.header["kid"]}

    async def list_documents(self, signed_in: SignedIn) -> list[Mapping[str, Any]]:
        """List the documents that the person agreed to share."""
        documents: list[Mapping[str, Any]] = (await self._get("/documents", signed_in)).json()[
            "documents"
        ]
        return documents

    @asynccontextmanager
    async def open_document(
        self, signed_in: SignedIn, document_id: str
    ) -> AsyncIterator[httpx2.Response]:
        """Open a document; its bytes are streamed, never held whole."""
        url = f"{self.partner_api['resource']}/documents/{document_id}"
        auth = DPoP(self._key, signed_in.access_token)
        async with (
            httpx2.AsyncClient(event_hooks=self._hooks) as http,
            http.stream("GET", url, auth=auth) as response,
        ):
            if response.is_error:
                await response.aread()
                _raise_refusal(response)
            yield response

    async def _get(self, path: str, signed_in: SignedIn) -> httpx2.Response:
        auth = DPoP(self._key, signed_in.access_token)
        async with httpx2.AsyncClient(event_hooks=self._hooks) as http:
            response = await http.get(self.partner_api["resource"] + path, auth=auth)
        if response.is_error:
            _raise_refusal(response)
        return response

    async def _fetch_keys(self, url: str) -> KeySet:
        """Fetch a key set; a partner with traffic keeps it until an unknown `kid` comes."""
        async with httpx2.AsyncClient(event_hooks=self._hooks) as http:
            response = await http.get(url)
        return KeySet.import_key_set(response.raise_for_status().json())


def _json_of(response: httpx2.Response) -> Mapping[str, Any]:
    if response.is_error:
        _raise_refusal(response)
    body: Mapping[str, Any] = response.json()
    return body


def _raise_refusal(response: httpx2.Response) -> NoReturn:
    """Read the two shapes of a refusal: RFC 6749, 5.2 and RFC 9457."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    raise Refused(
        body.get("code") or body.get("error") or "server_error",
        body.get("detail") or body.get("error_description") or "",
        status=response.status_code,
    )


def _compact_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
