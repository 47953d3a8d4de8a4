"""The partner's reads as single statements, composed from the parts that the contexts offer.

    live_grant × spent_proof × covering_consent × what is read

One round trip, one snapshot. Each statement answers with exactly one row that says how far it got:
`person_id` is NULL if there is no live grant, `proof` if the proof was spent before, `consent_id`
if the read was not permitted. The rules stay with their owners; here is only how they are joined,
and that nothing sealed leaves the database when one of them says no.
"""

from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Text,
    Uuid,
    bindparam,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, array

from audit.api import append_entry
from consent.api import covering_consent, spend_use
from idp.api import live_grant, spend_proof
from kernel.db import HotStatement, Instant
from population_register.api import current_record
from vault.api import document_version

# No bind is named like a column of a table that a part writes to: SQLAlchemy takes the keys of the
# parameters it is given for columns to SET, in every INSERT and UPDATE of the statement.
AT = bindparam("idp_at", type_=Instant)  # the one of `live_grant`
CLIENT_ID = bindparam("read_client_id", type_=Text())
CONSENT_ID = bindparam("read_consent_id", type_=Uuid())
DOCUMENT_ID = bindparam("read_document_id", type_=Uuid())
# As one text: an array takes asyncpg longer to encode than all other values together.
ITEMS = func.string_to_array(
    bindparam("read_items", type_=Text()), literal_column("','"), type_=ARRAY(Text)
)
PURPOSE = bindparam("read_purpose", type_=Text())

_RECORD = ("sealed_record", "wrapped_key")
_DOCUMENT = (
    "document_id",
    "kind",
    "source",
    "version",
    "media_type",
    "stored_at",
    "stream_format",
    "blob_key",
    "wrapped_data_key",
    "ciphertext_length",
    "ciphertext_digest",
    "wrapped_key",
)


def _consent(
    grant: CTE,
    items: ColumnElement[Any] = ITEMS,
    consent_id: ColumnElement[Any] | None = None,
) -> CTE:
    return covering_consent(
        person_id=grant.c.person_id,
        client_id=CLIENT_ID,
        purpose=PURPOSE,
        items=items,
        at=AT,
        consent_id=consent_id,
    )


def _proof(*, is_spent_already: bool = False) -> CTE:
    """Spend the proof, or stand in for it in the second statement of one request."""
    fresh = select(true().label("fresh"))
    return (fresh if is_spent_already else fresh.select_from(spend_proof())).cte("fresh_proof")


def _used(permitted: CTE, columns: tuple[str, ...]) -> CTE:
    """Count the read, where the consent limits how many there may be."""
    use = spend_use(permitted, at=AT)
    return (
        select(
            permitted.c.person_id,
            permitted.c.consent_id,
            *(permitted.c[name] for name in columns),
        )
        .join(use, use.c.consent_id == permitted.c.consent_id)
        .cte("readable")
    )


def _one_row(grant: CTE, proof: CTE, *columns: ColumnElement[Any]) -> Select[Any]:
    always = select(true().label("always")).cte("always")
    return (
        select(grant.c.person_id, proof.c.fresh.label("proof"), *columns)
        .select_from(always)
        .outerjoin(grant, true())
        .outerjoin(proof, true())
    )


def look_ahead() -> Select[Any]:
    """Select the consent that an access entry must name before the read has happened.

    The entry's bytes are fixed before the hot statement runs, so the consent is looked up once and
    remembered. That memory decides nothing: the read asks again, and for this very consent.
    """
    consent = _consent(live_grant())
    return select(consent.c.consent_id, consent.c.max_uses)


def read_person(*, is_limited: bool, is_spent_already: bool = False) -> Select[Any]:
    """Compose the read of a person's record, with its access entry appended.

    The row's `consent_id` and sealed columns are those of the appended entry: without the entry
    there are none.

    Args:
        is_limited: The consent allows a number of reads, which are counted. Otherwise a consent
            with such a number permits nothing.
        is_spent_already: This request's proof was spent by its own first statement.
    """
    grant = live_grant()
    proof = _proof(is_spent_already=is_spent_already)
    consent = _consent(grant, consent_id=CONSENT_ID)
    record = current_record(grant.c.person_id)
    permitted = (
        select(
            grant.c.person_id,
            consent.c.consent_id,
            consent.c.max_uses,
            *(record.c[name] for name in _RECORD),
        )
        .select_from(grant)
        .join(proof, true())
        .join(consent, true() if is_limited else consent.c.max_uses.is_(None))
        .join(record, true())
        .cte("permitted")
    )
    readable = _used(permitted, _RECORD) if is_limited else permitted
    entry = append_entry(readable.c.person_id, source=readable)
    return (
        _one_row(grant, proof, readable.c.consent_id, *(readable.c[name] for name in _RECORD))
        .outerjoin(entry, true())
        .outerjoin(readable, entry.c.entry_id.is_not(None))
    )


def list_documents() -> Select[Any]:
    """Compose the permission to list documents of the kinds in `items`."""
    grant, proof = live_grant(), _proof()
    consent = _consent(grant)
    permitted = (
        select(grant.c.person_id, consent.c.consent_id, consent.c.max_uses)
        .select_from(grant)
        .join(proof, true())
        .join(consent, true())
        .cte("permitted")
    )
    readable = _used(permitted, ())
    return _one_row(grant, proof, readable.c.consent_id).outerjoin(readable, true())


def read_document() -> Select[Any]:
    """Compose the read of one document, still sealed.

    Only a kind among `items`, which the token was granted, is looked at: of any other the row says
    as little as of a document that does not exist. `found` is its item name, or NULL.
    """
    grant, proof = live_grant(), _proof()
    document = document_version(person_id=grant.c.person_id, document_id=DOCUMENT_ID)
    item = literal("document:", Text()) + document.c.kind
    found = (
        select(*(document.c[name] for name in _DOCUMENT), item.label("item"))
        .where(item == func.any(ITEMS))
        .cte("found")
    )
    consent = _consent(grant, array([found.c.item], type_=Text()))
    permitted = (
        select(
            grant.c.person_id,
            consent.c.consent_id,
            consent.c.max_uses,
            *(found.c[name] for name in _DOCUMENT),
        )
        .select_from(grant)
        .join(proof, true())
        .join(found, true())
        .join(consent, true())
        .cte("permitted")
    )
    readable = _used(permitted, _DOCUMENT)
    return (
        _one_row(
            grant,
            proof,
            found.c.item.label("found"),
            readable.c.consent_id,
            *(readable.c[name] for name in _DOCUMENT),
        )
        .outerjoin(found, true())
        .outerjoin(readable, true())
    )


LOOK_AHEAD = HotStatement(look_ahead())
READ_PERSON = {
    is_limited: HotStatement(read_person(is_limited=is_limited)) for is_limited in (False, True)
}
READ_PERSON_AGAIN = {
    is_limited: HotStatement(read_person(is_limited=is_limited, is_spent_already=True))
    for is_limited in (False, True)
}
LIST_DOCUMENTS = list_documents()
READ_DOCUMENT = read_document()
