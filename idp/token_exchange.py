"""Token exchange (RFC 8693): what may be asked of an access token that somebody else was given.

Within a partner's own group a client may act for a person on the token of another: the token that
it gets is never wider than the one that it shows, lives no longer, and says who acts. No I/O.
"""

from collections.abc import Mapping, Sequence

from idp.disclosures import read_disclosure
from idp.errors import InvalidAuthorizationDetails, InvalidScope, InvalidTarget
from idp.model import Client, JSONObject
from idp.resource_indicators import resources_of
from idp.tokens import AccessToken
from kernel.errors import InvalidRequest
from kernel.ids import ClientId
from kernel.strict_json import parse_json

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  # RFC 8693, 3
LONGEST_CHAIN = 4
"""Clients that act for each other, one behind the other; a longer chain is a loop."""


def check_parameters(form: Mapping[str, str]) -> str:
    """Return the subject token of a request.

    Raises:
        InvalidRequest: 400. It is missing, or something is asked for that we don't offer.

    Source:
        RFC 8693, 2.1.
    """
    subject_token = form.get("subject_token")
    if subject_token is None:
        raise InvalidRequest("subject_token is required.")
    if form.get("subject_token_type") != ACCESS_TOKEN_TYPE:
        raise InvalidRequest("subject_token_type has to be that of an access token.")
    if form.get("requested_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
        raise InvalidRequest("Only access tokens are issued in exchange.")
    if "actor_token" in form or "actor_token_type" in form:
        raise InvalidRequest("The client that authenticates is the actor: send no actor_token.")
    return subject_token


def may_act(actor: Client, owner: Client) -> bool:
    """Tell whether a client may act on a token that another was given.

    Both are of one partner, and know people under the same `sub`: nothing becomes known about a
    person that the other did not know.
    """
    return actor.partner_id == owner.partner_id and actor.sector == owner.sector


def act_of(actor: ClientId, subject: AccessToken) -> JSONObject:
    """Return the `act` claim: who acts, and for whom before (RFC 8693, 4.1).

    Raises:
        InvalidRequest: 400. The chain is too long.
    """
    before = subject.claims.get("act")
    act: dict[str, object] = {"sub": actor}
    if before is None:
        return act
    depth, link = 1, before
    while link is not None:
        depth, link = depth + 1, link.get("act")
    if depth > LONGEST_CHAIN:
        raise InvalidRequest("The chain of actors is too long.")
    return {**act, "act": before}


def narrowed_audience(
    asked: Sequence[str], subject: AccessToken, *, issuer: str
) -> tuple[str, ...]:
    """Return the audience of the new token: the subject token's, or less.

    Args:
        asked: Values of `resource` and `audience`; empty for the same.
        subject: The token that is shown.
        issuer: Stands for all resources.

    Raises:
        InvalidTarget: 400. More than the subject token is for (RFC 8693, 2.2.2).
    """
    allowed = resources_of(issuer) if issuer in subject.audience else subject.audience
    if any(resource not in allowed for resource in asked):
        raise InvalidTarget
    return tuple(dict.fromkeys(asked)) or subject.audience


def narrowed_scope(asked: str | None, subject: AccessToken) -> tuple[str, ...]:
    """Return the scope of the new token: the subject token's, or less.

    Raises:
        InvalidScope: 400. More than the subject token has.
    """
    scope = subject.scope if asked is None else tuple(dict.fromkeys(asked.split()))
    if not set(scope) <= set(subject.scope):
        raise InvalidScope
    # Only a person starts what goes on without them.
    return tuple(value for value in scope if value != "offline_access")


def narrowed_details(asked: str | None, subject: AccessToken) -> tuple[JSONObject, ...]:
    """Return the authorization_details of the new token: the subject token's, or fewer items.

    Raises:
        InvalidAuthorizationDetails: 400. Malformed, or more than the subject token has.

    Source:
        RFC 9396, 6.1, for the narrowing; RFC 8693, 2.1, for what is left out.
    """
    granted = {member["purpose"]: member for member in subject.authorization_details}
    if asked is None:
        return tuple(granted.values())
    try:
        members = parse_json(asked)
    except InvalidRequest as error:
        raise InvalidAuthorizationDetails("authorization_details is not JSON.") from error
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise InvalidAuthorizationDetails("authorization_details is a list of objects.")
    narrowed: dict[str, JSONObject] = {}
    for member in members:
        wanted = read_disclosure(member)
        had = granted.get(wanted.purpose)
        if had is None or wanted.purpose in narrowed or not set(wanted.items) <= set(had["items"]):
            raise InvalidAuthorizationDetails("More is asked for than the subject token has.")
        # Periods and numbers of reads are the consent's, not the caller's.
        narrowed[wanted.purpose] = {**had, "items": list(wanted.items)}
    return tuple(narrowed.values())
