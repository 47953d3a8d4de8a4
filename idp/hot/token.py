"""The token endpoint: RFC 6749, 3.2.

One statement spends what is presented (assertion, proof, code or refresh token) and stores what is
issued; nothing is read first and written later.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response

from idp import tokens
from idp.errors import InvalidClient, InvalidDPoPProof, UnauthorizedClient, UnsupportedGrantType
from idp.hot.clients import Caller, ClientChangedError, as_client
from idp.hot.encryption import encrypter_for
from idp.model import JSONObject
from idp.resource_indicators import PARAMETER as RESOURCE
from idp.resource_indicators import audience_for
from kernel.errors import InvalidRequest
from kernel.ids import ClientId, GrantId
from kernel.secret import Secret, random_b64url
from kernel.web import json_response, read_form

EXCHANGED_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # RFC 8693, 3
JTI_BYTES = 16  # 128 random bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What is different about a token that is issued for another one (RFC 8693).

    Attributes:
        client_id: The client that the person allowed; not the one that asks.
        audience: Already narrowed.
        act: The `act` claim.
        expires_at: Of the subject token; the new one does not live longer.
    """

    client_id: ClientId
    audience: tuple[str, ...]
    act: JSONObject
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """What is to be issued.

    Attributes:
        granted_resources: What the grant allows; empty for everything.
        nonce: Of the authorization request.
        id_token_extra: Claims about the person, for the ID token.
        exchange: Set when it is issued for another token.
    """

    subject: tokens.Subject
    granted_resources: tuple[str, ...] = ()
    refresh_token: Secret[str] | None = None
    has_id_token: bool = False
    nonce: str | None = None
    id_token_extra: Mapping[str, object] | None = None
    exchange: Exchange | None = None


GrantTypeHandler: TypeAlias = Callable[[Request, Caller], Awaitable[Issue]]


def check_spent(row: Any, caller: Caller) -> None:  # noqa: ANN401  # asyncpg.Record, dict
    """Hold the first facts of a token statement against what must be so.

    Raises:
        ClientChangedError: The client changed; nothing was written.
        InvalidClient: 401. The assertion was used before.
        InvalidDPoPProof: 400. The proof was used before.
    """
    if not row["is_unchanged"]:
        raise ClientChangedError
    if caller.has_assertion and not row["is_assertion_fresh"]:
        raise InvalidClient("The client assertion was used before.", reason="replayed")
    if caller.proof is not None and not row["is_proof_fresh"]:
        raise InvalidDPoPProof("The DPoP proof was used before.", reason="replayed")


def subject_of(row: Any, caller: Caller) -> tokens.Subject:  # noqa: ANN401  # asyncpg.Record, dict
    """Return on whose behalf tokens are issued, from the columns of a grant."""
    session_id = row["session_id"]
    sid = None if session_id is None else caller.provider.sid(caller.client.client_id, session_id)
    return tokens.Subject(
        sub=row["sub"],
        scope=tuple(row["scope"]),
        claims=tuple(orjson.loads(row["claims"])),
        authorization_details=orjson.loads(row["authorization_details"]),
        grant_id=GrantId(row["grant_id"]),
        acr=row["acr"],
        amr=tuple(row["amr"]),
        auth_time=row["auth_time"],
        sid=sid,
    )


def respond(caller: Caller, issue: Issue, encrypt: Callable[[str], str]) -> Response:
    """Sign the tokens and answer (RFC 6749, 5.1).

    Args:
        caller: Who gets them.
        issue: What is issued.
        encrypt: Encrypts the ID token, if the client registered for that.
    """
    provider, client, at = caller.provider, caller.client, caller.at
    subject = issue.subject
    jkt = None if caller.proof is None else caller.proof.jkt
    expires_at = at + provider.policy.access_token
    exchange = issue.exchange
    if exchange is not None:
        expires_at = min(expires_at, exchange.expires_at)
    access_token = provider.access_tokens.issue(
        tokens.access_token_claims(
            subject,
            issuer=provider.issuer,
            client_id=client.client_id if exchange is None else exchange.client_id,
            partner_id=client.partner_id,
            audience=audience_for(
                caller.form.every(RESOURCE),
                granted=issue.granted_resources,
                issuer=provider.issuer,
            )
            if exchange is None
            else exchange.audience,
            act=None if exchange is None else exchange.act,
            jti=random_b64url(JTI_BYTES),
            jkt=jkt,
            x5t=caller.x5t,
            at=at,
            expires_at=expires_at,
        ),
        form=client.metadata.access_token_format,
        at=at,
    )
    answer: dict[str, object] = {
        "access_token": access_token,
        "token_type": "Bearer" if jkt is None else "DPoP",
        "expires_in": int((expires_at - at).total_seconds()),
        "scope": " ".join(subject.scope),
    }
    if issue.refresh_token is not None:
        answer["refresh_token"] = issue.refresh_token.reveal()
    if exchange is not None:
        answer["issued_token_type"] = EXCHANGED_TYPE
    elif subject.grant_id is not None and not client.is_public:
        answer["grant_id"] = str(subject.grant_id)  # Grant Management, 5.5
    if subject.authorization_details:
        answer["authorization_details"] = subject.authorization_details  # RFC 9396, 7
    if issue.has_id_token:
        answer["id_token"] = encrypt(_id_token(caller, issue, Secret(access_token)))
    return json_response(answer)


def _id_token(caller: Caller, issue: Issue, access_token: Secret[str]) -> str:
    provider, client = caller.provider, caller.client
    alg = client.metadata.id_token_signed_response_alg
    return tokens.sign(
        provider.signing,
        tokens.id_token_claims(
            issue.subject,
            issuer=provider.issuer,
            client_id=client.client_id,
            nonce=issue.nonce,
            extra=issue.id_token_extra or {},
            access_token=access_token,
            alg=alg,
            at=caller.at,
            expires_at=caller.at + provider.policy.id_token,
        ),
        typ="JWT",
        alg=alg,
    )


def check_grant_type(caller: Caller, handlers: Mapping[str, GrantTypeHandler]) -> GrantTypeHandler:
    """Return what handles the grant type.

    Raises:
        InvalidRequest: 400. `grant_type` is missing, or the proof or certificate that the client
            has to come with.
        UnsupportedGrantType: 400. We don't offer it.
        UnauthorizedClient: 400. The client is not registered for it.

    Source:
        RFC 6749, 5.2; RFC 9449, 5; RFC 8705, 3.
    """
    grant_type = caller.form.get("grant_type")
    if grant_type is None:
        raise InvalidRequest("grant_type is required.")
    handler = handlers.get(grant_type)
    if handler is None:
        raise UnsupportedGrantType
    if grant_type not in caller.client.metadata.grant_types:
        raise UnauthorizedClient("The client is not registered for this grant type.")
    if caller.proof is None and caller.client.must_prove_possession:
        # Nothing is there to be called an invalid proof: RFC 9449, 5 leaves that to RFC 6749, 5.2.
        raise InvalidRequest("This client has to send a DPoP proof.")
    if caller.certificate is None and caller.client.binds_to_certificate:
        raise InvalidRequest("This client has to present its certificate.")
    return handler


def token_endpoint(
    handlers: Mapping[str, GrantTypeHandler],
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that handles these grant types."""

    async def token(request: Request) -> Response:
        """Issue tokens for what the client presents (RFC 6749, 3.2)."""
        form = await read_form(request, repeatable=(RESOURCE,))

        async def act(caller: Caller) -> Response:
            handler = check_grant_type(caller, handlers)
            issue = await handler(request, caller)
            encrypt = await encrypter_for(
                request, caller.provider, caller.client, "id_token", at=caller.at
            )
            return respond(caller, issue, encrypt)

        return await as_client(request, form, endpoint="/token", takes_proof=True, act=act)

    return token
