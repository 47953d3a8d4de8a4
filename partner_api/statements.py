"""The partner's reads as single statements, composed from the parts that the contexts offer.

    live_grant × spent_proof × covering_consent × what is read × access entry

One round trip, one transaction. Whatever is missing, the statement answers with one row that says
what there was, and in that case no entry was appended and nothing sealed came back. The rules stay
with their owners; here is only the order in which they are joined.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, Select, Text, Uuid, bindparam, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from audit.api import append_entry
from consent.api import covering_consent, spend_use
from idp.api import live_grant, spend_proof
from kernel.db import Instant

Fetched = Callable[[ColumnElement[Any]], CTE]
"""Makes the part that reads something of the person it is given."""

AT = bindparam("at", type_=Instant)
CLIENT_ID = bindparam("client_id", type_=Text())
CONSENT_ID = bindparam("consent_id", type_=Uuid())
GRANT_ID = bindparam("grant_id", type_=Uuid())
ITEMS = bindparam("items", type_=ARRAY(Text))
PURPOSE = bindparam("purpose", type_=Text())


def find_consent() -> Select[Any]:
    """Select the consent that would cover a read, before its access entry is written.

    The entry names the consent it rests on, and its bytes are fixed before the read's statement
    runs; so the consent is looked up once and remembered. That memory decides nothing: the read
    asks again, and for this very consent.
    """
    grant = live_grant(GRANT_ID)
    consent = _covering(grant)
    return select(consent.c.consent_id)


def read(fetched: Fetched, columns: tuple[str, ...]) -> Select[Any]:
    """Compose the statement of a read.

    Args:
        fetched: The part that reads.
        columns: Those of its columns that the caller needs.

    Returns:
        One row. `person_id` is NULL if there is no live grant, `proof` if the proof was spent
        before, `entry_id` if the read was not allowed; only if it was is any of `columns` set.
    """
    grant = live_grant(GRANT_ID)
    proof = spend_proof()
    consent = _covering(grant)
    wanted = fetched(grant.c.person_id)
    permitted = (
        select(
            grant.c.person_id,
            consent.c.consent_id,
            consent.c.max_uses,
            *(wanted.c[name] for name in columns),
        )
        .select_from(grant)
        .join(proof, true())
        .join(consent, true())
        .join(wanted, true())
        .where(consent.c.consent_id == CONSENT_ID)
        .cte("permitted")
    )
    use = spend_use(permitted, at=AT)
    readable = (
        select(permitted).join(use, use.c.consent_id == permitted.c.consent_id).cte("readable")
    )
    entry = append_entry(readable.c.person_id, source=readable)
    return _one_row(grant, proof, entry, readable, columns)


def _covering(grant: CTE) -> CTE:
    return covering_consent(
        person_id=grant.c.person_id, client_id=CLIENT_ID, purpose=PURPOSE, items=ITEMS, at=AT
    )


def _one_row(
    grant: FromClause, proof: CTE, entry: CTE, readable: CTE, columns: tuple[str, ...]
) -> Select[Any]:
    always = select(true().label("always")).subquery("always")
    return (
        select(
            grant.c.person_id,
            proof.c.proof_digest.label("proof"),
            entry.c.entry_id,
            *(readable.c[name] for name in columns),
        )
        .select_from(always)
        .outerjoin(grant, true())
        .outerjoin(proof, true())
        .outerjoin(entry, true())
        # Nothing sealed leaves the database unless the entry is there.
        .outerjoin(readable, entry.c.entry_id.is_not(None))
    )
