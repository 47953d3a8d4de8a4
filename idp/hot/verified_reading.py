"""Read verified claims: a read like any other, under the purpose of establishing who somebody is.

What a consent does not cover any more is left out; the attempt is written down, and the sign-in
stands (OpenID Connect for Identity Assurance, 5.7.2).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.types import Uuid
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from consent.api import PurposeCode
from idp import verified_answer, verified_claims
from idp.hot.claims_reading import read_items
from idp.hot.clients import Caller
from idp.item_reading import ItemsRead, ReadRefused
from idp.statements import grant_binds
from idp.tables import grants
from idp.tokens import Subject
from idp.verified_answer import Grounds
from idp.verified_claims import ID_TOKEN, IDENTIFICATION, VERIFIED_CLAIMS
from kernel.db import HotStatement, unit_of_work_of
from kernel.ids import GrantId
from population_register.api import list_agencies

NAMES_LAST = timedelta(minutes=1)
"""How long the names of agencies are remembered."""

_NOT_LIVE = frozenset({"token_revoked", "proof_replayed"})

_FIND = HotStatement(
    select(grants.c.verified_claims).where(
        grants.c.grant_id == bindparam("grant_id", type_=Uuid),
    )
)


async def find_verified_claims(request: Request, grant_id: GrantId) -> str | None:
    """Return what a grant holds about verified claims, as JSON; None for nothing.

    Nothing about the person is in it, so it is read ahead of the read that is written down.
    """
    row = await _FIND.fetchrow(request.app.state.hot_pool, grant_id=grant_id)
    found: str | None = None if row is None else row["verified_claims"]
    return found


async def read_verified_claims(
    request: Request, granted: str | None, where: str, read: ItemsRead
) -> dict[str, object] | ReadRefused:
    """Read what a grant asked to be returned in one place.

    Args:
        request: The request to answer.
        granted: From `find_verified_claims`.
        where: `userinfo` or `id_token`.
        read: For whom; its items and its purpose are set here.

    Returns:
        `verified_claims`, or nothing where there is nothing to say; why nothing was read only
        when the grant itself is not live any more.
    """
    wanted = verified_claims.wanted_of_grant(
        {} if granted is None else orjson.loads(granted), where
    )
    if wanted is None:
        return {}
    facts = await read_items(
        request, replace(read, items=wanted.items, purpose=PurposeCode(IDENTIFICATION))
    )
    if isinstance(facts, ReadRefused):
        return facts if facts.reason in _NOT_LIVE else {}
    answer = verified_answer.answer(
        wanted.asked,
        Grounds(facts=facts, level=wanted.level, agencies=await _agencies(request), at=read.at),
    )
    return {} if answer is None else {VERIFIED_CLAIMS: answer}


async def verified_claims_of_id_token(
    request: Request, caller: Caller, subject: Subject, granted: str | None
) -> dict[str, object]:
    """Return what the request asked for in the ID token itself; there is no token yet."""
    if granted is None:
        return {}
    assert subject.grant_id is not None  # a code belongs to a grant
    read = await read_verified_claims(
        request,
        granted,
        ID_TOKEN,
        ItemsRead(
            client_id=caller.client.client_id,
            partner_id=caller.client.partner_id,
            sub=subject.sub,
            grant_id=subject.grant_id,
            items=(),
            binds=grant_binds(subject.grant_id, at=caller.at),
            at=caller.at,
        ),
    )
    return {} if isinstance(read, ReadRefused) else read


async def _agencies(request: Request) -> Mapping[str, str]:
    """Return the names of agencies, as they were a minute ago at most."""
    state = request.app.state
    at = state.clock.now()
    known: Any = getattr(state, "agency_names", None)
    if known is None or not known[0] <= at < known[0] + NAMES_LAST:
        known = state.agency_names = (at, await run_in_threadpool(_load, state.sessions))
    names: Mapping[str, str] = known[1]
    return names


def _load(sessions: sessionmaker[Session]) -> dict[str, str]:
    with unit_of_work_of(sessions) as session:
        return {agency.agency_id: agency.name_ru for agency in list_agencies(session)}
