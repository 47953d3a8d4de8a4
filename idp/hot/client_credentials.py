"""The client credentials grant: RFC 6749, 4.4. Nobody's data can be read with such a token."""

from functools import lru_cache

from starlette.requests import Request

from idp import tokens
from idp.errors import InvalidScope
from idp.grant_management import SCOPES
from idp.hot.clients import Caller, ClientChangedError
from idp.hot.token import Issue, check_spent
from idp.hot.unchanged import unchanged_clients_of
from idp.resource_indicators import PARAMETER as RESOURCE
from idp.resource_indicators import audience_for
from idp.resource_scopes import RESOURCE_SCOPES
from idp.statements import admit, one_row
from kernel.db import HotStatement


@lru_cache
def _spend(*, has_assertion: bool, has_proof: bool) -> HotStatement:
    admission = admit(has_assertion=has_assertion, has_proof=has_proof)
    return HotStatement(
        one_row(
            {
                **admission.facts,
            }
        )
    )


async def grant_client(request: Request, caller: Caller) -> Issue:
    """Issue an access token to a client on its own behalf.

    Raises:
        InvalidScope: 400. A scope was asked for that is about people, or not the client's.
        InvalidTarget: 400. A resource is not ours.

    Source:
        RFC 6749, 4.4.2 and 4.4.3.
    """
    scope = _scope_of(caller)
    audience_for(caller.form.every(RESOURCE), granted=(), issuer=caller.provider.issuer)
    pool, client = request.app.state.hot_pool, caller.client
    if caller.has_assertion or caller.proof is not None:
        statement = _spend(has_assertion=caller.has_assertion, has_proof=caller.proof is not None)
        row = await statement.fetchrow(pool, **caller.binds, **caller.proof_binds)
        assert row is not None  # the statement always returns one
        check_spent(row, caller)
    elif not await unchanged_clients_of(request).ask(pool, (client.client_id, client.revision)):
        raise ClientChangedError
    # RFC 9068, 2.2: sub is the client where no person is involved.
    return Issue(subject=tokens.Subject(sub=client.client_id, scope=scope))


def _scope_of(caller: Caller) -> tuple[str, ...]:
    """Return the scope that is asked for: what a client may do without a person.

    Source:
        RFC 6749, 4.4.2; Grant Management for OAuth 2.0, 6.1.
    """
    asked = tuple(dict.fromkeys((caller.form.get("scope") or "").split()))
    registered = caller.client.metadata.scope
    # What is for a resource has to be registered by name.
    own = {*SCOPES, *RESOURCE_SCOPES}
    allowed = set(SCOPES) if registered is None else own & set(registered.split())
    if not set(asked) <= set(allowed):
        raise InvalidScope("A client has no such scope of its own.")
    return asked
