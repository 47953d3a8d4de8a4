"""Whether clients still are what this process knows of them: see `kernel.together`."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from sqlalchemy import ARRAY, bindparam, func, select
from sqlalchemy.types import Integer, Text
from starlette.requests import Request

from idp.statements import is_unchanged_client
from kernel.db import Fetcher, HotStatement
from kernel.ids import ClientId
from kernel.together import Together

Known: TypeAlias = tuple[ClientId, int]
"""A client, and the revision that is remembered."""

_KNOWN = (
    func.unnest(
        bindparam("client_ids", type_=ARRAY(Text)), bindparam("revisions", type_=ARRAY(Integer))
    )
    .table_valued("client_id", "revision")
    .render_derived()
)

_UNCHANGED = HotStatement(
    select(_KNOWN.c.client_id, _KNOWN.c.revision).where(
        is_unchanged_client(_KNOWN.c.client_id, _KNOWN.c.revision)
    )
)


async def look(on: Fetcher, known: Sequence[Known]) -> Mapping[Known, bool]:
    """Tell of each whether the client has this revision, and may act."""
    rows = await _UNCHANGED.fetch(
        on,
        client_ids=[client_id for client_id, _ in known],
        revisions=[revision for _, revision in known],
    )
    unchanged = {(row["client_id"], row["revision"]) for row in rows}
    return {each: each in unchanged for each in known}


def unchanged_clients_of(request: Request) -> Together[Known, bool]:
    """Return what asks in this process."""
    state = request.app.state
    unchanged: Together[Known, bool] | None = getattr(state, "unchanged_clients", None)
    if unchanged is None:
        unchanged = state.unchanged_clients = Together(look)
    return unchanged
