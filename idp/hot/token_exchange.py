"""The token exchange grant: RFC 8693, within a partner's own group."""

from functools import lru_cache

from starlette.requests import Request

from idp import token_exchange as rules
from idp import tokens
from idp.buckets import REVOKED_ACCESS_TOKENS
from idp.errors import InvalidDPoPProof
from idp.hot.clients import Caller, known_clients_of
from idp.hot.token import Exchange, Issue, check_spent
from idp.jose import NotVerified
from idp.resource_indicators import PARAMETER as RESOURCE
from idp.statements import admit, has_row, live_grant, one_row
from kernel.db import HotStatement
from kernel.errors import InvalidRequest
from kernel.secret import Secret

_REFUSED = "The subject token can't be exchanged by this client."


@lru_cache
def _spend(*, has_assertion: bool, has_proof: bool) -> HotStatement:
    admission = admit(has_assertion=has_assertion, has_proof=has_proof)
    return HotStatement(one_row({**admission.facts, "is_live": has_row(live_grant())}))


async def exchange(request: Request, caller: Caller) -> Issue:
    """Issue a token on which the client acts for a person, in place of one that it was handed.

    The new token names the client that the person allowed (`client_id`), and the one that acts
    (`act`). It is revoked with the grant, like every other token of it, and can be revoked alone.

    Raises:
        InvalidRequest: 400. A parameter is wrong, or the subject token is not acceptable, whatever
            the reason; the caller cannot tell.
        InvalidDPoPProof: 400. The subject token is bound to its sender, the new one would not be.
        InvalidTarget: 400. More than the subject token is for.
        InvalidScope: 400. More than the subject token has.
        InvalidAuthorizationDetails: 400. More than the subject token has.

    Source:
        RFC 8693, 2.
    """
    subject_token = Secret(rules.check_parameters(caller.form))
    subject = await _acceptable(request, caller, subject_token)
    if (subject.jkt or subject.x5t) and caller.proof is None and caller.x5t is None:
        raise InvalidDPoPProof("The subject token is bound to its sender: send a DPoP proof.")
    form = caller.form
    audience = (*form.every(RESOURCE), *(form[name] for name in ("audience",) if name in form))
    narrowed = rules.narrowed_audience(audience, subject, issuer=caller.provider.issuer)
    issue = Issue(
        subject=tokens.Subject(
            sub=subject.sub,
            scope=rules.narrowed_scope(form.get("scope"), subject),
            claims=tuple(subject.claims.get("userinfo", ())),
            authorization_details=rules.narrowed_details(
                form.get("authorization_details"), subject
            ),
            grant_id=subject.grant_id,
            acr=subject.claims.get("acr"),
            auth_time=subject.auth_time,
        ),
        exchange=Exchange(
            client_id=subject.client_id,
            audience=narrowed,
            act=rules.act_of(caller.client.client_id, subject),
            expires_at=subject.expires_at,
        ),
    )
    statement = _spend(has_assertion=caller.has_assertion, has_proof=caller.proof is not None)
    row = await statement.fetchrow(
        request.app.state.hot_pool,
        **caller.binds,
        **caller.proof_binds,
        idp_at=caller.at,
        idp_grant_id=subject.grant_id,
        idp_actor_id=subject.actor,
        idp_token_slot=REVOKED_ACCESS_TOKENS.slot(subject.expires_at),
        idp_token_digest=subject.digest,
    )
    assert row is not None  # the statement always returns one
    check_spent(row, caller)
    if not row["is_live"]:
        raise InvalidRequest(_REFUSED, reason="revoked")
    return issue


async def _acceptable(
    request: Request, caller: Caller, subject_token: Secret[str]
) -> tokens.AccessToken:
    """Return the subject token, if it is a person's, and of a client of the same group."""
    try:
        subject = caller.provider.access_tokens.read(subject_token, at=caller.at)
    except NotVerified as error:
        raise InvalidRequest(_REFUSED, reason=str(error)) from error
    if subject.grant_id is None:
        raise InvalidRequest(_REFUSED, reason="of no person")
    owner = await known_clients_of(request).get(
        request.app.state.hot_pool, subject.client_id, fresh=True
    )
    if owner is None or not rules.may_act(caller.client, owner.client):
        raise InvalidRequest(_REFUSED, reason="another group")
    return subject
