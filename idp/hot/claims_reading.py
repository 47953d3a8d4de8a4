"""Read claims about a person where a client waits for them: see `idp.item_reading`."""

from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from idp.claims import claims_from, items_of_claims
from idp.dependencies import provider_of
from idp.hot.clients import Caller
from idp.item_reading import (
    ItemsRead,
    ReadRefused,
    binds_of,
    entry_of,
    reading_statement,
    values_of,
)
from idp.service.item_reads import find_reason
from idp.statements import grant_binds
from idp.tokens import Subject
from population_register.api import AttributeValue


async def read_claims(
    request: Request, read: ItemsRead, claims: Sequence[str]
) -> dict[str, object] | ReadRefused:
    """Read claims about the person of a grant.

    Returns:
        The claims that have a value; or why nothing was read.
    """
    found = await read_items(request, read)
    if isinstance(found, ReadRefused):
        return found
    return claims_from({item: value.value for item, value in found.items()}, claims)


async def claims_of_id_token(
    request: Request, caller: Caller, subject: Subject, claims: Sequence[str]
) -> dict[str, object]:
    """Return what the request asked for in the ID token itself (OpenID Connect Core, 5.5).

    A consent that was withdrawn since the person decided leaves the claims out: the sign-in
    stands, the data is not handed over.
    """
    if not claims:
        return {}
    assert subject.grant_id is not None  # what was spent belongs to a grant
    asked = ItemsRead(
        client_id=caller.client.client_id,
        partner_id=caller.client.partner_id,
        sub=subject.sub,
        grant_id=subject.grant_id,
        items=items_of_claims(claims),
        # There is no access token yet that could have been revoked.
        binds=grant_binds(subject.grant_id, at=caller.at),
        at=caller.at,
    )
    read = await read_claims(request, asked, claims)
    return {} if isinstance(read, ReadRefused) else read


async def read_items(request: Request, read: ItemsRead) -> dict[str, AttributeValue] | ReadRefused:
    """Read items about the person of a grant, with who says so and since when.

    Returns:
        The items that have a value; or why nothing was read.

    Transaction:
        One statement. What it did not allow is looked into in the ordinary lane, where the refused
        attempt is written down.
    """
    state = request.app.state
    entry = entry_of(read, request_id=getattr(request.state, "request_id", None))
    row = await reading_statement(has_proof=read.has_proof).fetchrow(
        state.hot_pool, **binds_of(read, entry)
    )
    assert row is not None  # the statement always returns one
    if row["entry_person_id"] is None:
        reason = await run_in_threadpool(
            find_reason,
            state.sessions,
            entry,
            grant_id=read.grant_id,
            is_proof_fresh=row["is_proof_fresh"],
            is_live=row["is_live"],
        )
        return ReadRefused(reason)
    return values_of(provider_of(request).keyring, read, entry, row)
