"""Whether access tokens still are good, for clients that ask about theirs: `kernel.together`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, bindparam, exists, func, literal_column, not_, or_, select
from sqlalchemy.types import Integer, LargeBinary, SmallInteger, Text, Uuid
from starlette.requests import Request

from idp.statements import is_unchanged_client, token_is_revoked
from idp.tables import grants
from kernel.db import Fetcher, HotStatement, Instant
from kernel.ids import ClientId
from kernel.together import Together


class Asked(NamedTuple):
    """A client as it is remembered, and an access token of its own.

    Attributes:
        grant_id: What the token stands for; None for one that no person gave.
        slot: Where the token would lie if it were revoked.
        digest: And its name there.
    """

    client_id: ClientId
    revision: int
    grant_id: UUID | None
    slot: int
    digest: bytes
    at: datetime


class State(NamedTuple):
    """What the database says.

    Attributes:
        is_unchanged: Whether the client still is as remembered, and may act.
        is_live: Whether neither the token nor its grant has ended.
    """

    is_unchanged: bool
    is_live: bool


_ASKED = (
    func.unnest(
        bindparam("client_ids", type_=ARRAY(Text)),
        bindparam("revisions", type_=ARRAY(Integer)),
        bindparam("grant_ids", type_=ARRAY(Uuid)),
        bindparam("slots", type_=ARRAY(SmallInteger)),
        bindparam("digests", type_=ARRAY(LargeBinary)),
        bindparam("ats", type_=ARRAY(Instant)),
    )
    .table_valued(
        "client_id", "revision", "grant_id", "slot", "digest", "at", with_ordinality="place"
    )
    .render_derived()
)

_LOOK = HotStatement(
    select(
        _ASKED.c.place,
        is_unchanged_client(_ASKED.c.client_id, _ASKED.c.revision).label("is_unchanged"),
        (
            not_(token_is_revoked(_ASKED.c.slot, _ASKED.c.digest))
            & or_(
                _ASKED.c.grant_id.is_(None),
                exists(
                    select(literal_column("1"))
                    .select_from(grants)
                    .where(
                        grants.c.grant_id == _ASKED.c.grant_id,
                        grants.c.revoked_at.is_(None),
                        grants.c.expires_at > _ASKED.c.at,
                    )
                ),
            )
        ).label("is_live"),
    )
)


async def look(on: Fetcher, asked: Sequence[Asked]) -> Mapping[Asked, State]:
    """Tell of each how it is."""
    client_ids, revisions, grant_ids, slots, digests, ats = map(list, zip(*asked, strict=True))
    rows = await _LOOK.fetch(
        on,
        client_ids=client_ids,
        revisions=revisions,
        grant_ids=grant_ids,
        slots=slots,
        digests=digests,
        ats=ats,
    )
    return {asked[place - 1]: State(unchanged, live) for place, unchanged, live in rows}


def token_states_of(request: Request) -> Together[Asked, State]:
    """Return what asks in this process."""
    state = request.app.state
    states: Together[Asked, State] | None = getattr(state, "token_states", None)
    if states is None:
        states = state.token_states = Together(look)
    return states
