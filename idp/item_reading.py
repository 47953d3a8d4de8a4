"""Read items about a person: consent, proof and access entry in the statement that reads.

A read like any other (promises 1 and 2), whether the UserInfo endpoint asks or an ID token. The
statement and what comes of it are here; who runs it is `idp.hot.claims_reading`, where a client
waits for the answer, and `idp.service.item_reads`, where tokens are pushed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from audit.api import Actor, NewEntry, append_entry, entry_binds, recorded
from consent.api import SIGN_IN, PurposeCode, covering_consent, spend_use
from idp.statements import AT, has_row, live_grant, one_row, spend_proof
from kernel.db import HotStatement
from kernel.ids import ClientId, EntryId, GrantId, PartnerId, PersonId, new_id
from kernel.keyring import Keyring
from population_register.api import AttributeValue, current_record, evaluate, open_record

READ_ACTION = "idp.userinfo.read"
"""As the access log names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsRead:
    """What is to be read, for whom, under which grant.

    Attributes:
        sub: By which the client knows the person.
        items: Of the register.
        purpose: Under which the person agreed.
        binds: Of `live_grant`, and of `spend_proof` where there is a proof.
    """

    client_id: ClientId
    partner_id: PartnerId
    sub: str
    grant_id: GrantId
    items: tuple[str, ...]
    binds: Mapping[str, object]
    at: datetime
    purpose: PurposeCode = SIGN_IN

    @property
    def has_proof(self) -> bool:
        """Whether there is a proof to spend."""
        return "idp_proof_digest" in self.binds


@dataclass(frozen=True, slots=True)
class ReadRefused:
    """Nothing was read; the attempt was written down where the person is known.

    Attributes:
        reason: `proof_replayed`, `token_revoked`, `record_missing`, or how the consent ended.
    """

    reason: str


@lru_cache
def reading_statement(*, has_proof: bool) -> HotStatement:
    """Return the statement: the sealed record, if everything allows it and the entry is written."""
    live = live_grant()
    proof = spend_proof() if has_proof else None
    is_proof_fresh = literal(value=True) if proof is None else has_row(proof)
    person_id = select(live.c.person_id).scalar_subquery()
    consent = covering_consent(
        person_id=person_id,
        client_id=bindparam("client_id", type_=Text),
        purpose=bindparam("purpose", type_=Text),
        items=bindparam("items", type_=ARRAY(Text)),
        at=AT,
    )
    record = current_record(person_id)
    use = (
        select(consent.c.person_id, consent.c.consent_id, consent.c.max_uses)
        .select_from(consent.join(record, record.c.person_id == consent.c.person_id))
        .where(is_proof_fresh)
        .cte("use")
    )
    used = spend_use(use, at=AT)
    allowed = (
        select(use.c.person_id)
        .select_from(use.join(used, used.c.consent_id == use.c.consent_id))
        .cte("allowed")
    )
    entry = append_entry(allowed.c.person_id, source=allowed)
    # Nothing sealed leaves the database unless the entry was written.
    opened = (
        select(
            entry.c.person_id.label("entry_person_id"),
            record.c.sealed_record,
            record.c.wrapped_key,
        )
        .select_from(entry.join(record, record.c.person_id == entry.c.person_id))
        .cte("opened")
    )
    return HotStatement(
        one_row({"is_proof_fresh": is_proof_fresh, "is_live": has_row(live)}, beside=(opened,))
    )


def entry_of(read: ItemsRead, *, request_id: str | None) -> NewEntry:
    """Return the entry that the read is written down by."""
    return NewEntry(
        entry_id=EntryId(new_id(read.at)),
        action=READ_ACTION,
        outcome="allowed",
        actor=Actor(kind="partner", id=read.partner_id),
        subject=read.sub,
        occurred_at=read.at,
        purpose=read.purpose,
        items=read.items,
        client_id=read.client_id,
        request_id=request_id,
    )


def binds_of(read: ItemsRead, entry: NewEntry) -> dict[str, object]:
    """Return the binds of `reading_statement`."""
    return {
        **read.binds,
        **entry_binds(entry),
        "client_id": read.client_id,
        "purpose": read.purpose,
        "items": list(read.items),
    }


def values_of(
    keyring: Keyring,
    read: ItemsRead,
    entry: NewEntry,
    row: Any,  # noqa: ANN401  # asyncpg.Record, or psycopg's row
) -> dict[str, AttributeValue]:
    """Return the items that have a value, with who says so and since when.

    Args:
        keyring: Opens the record.
        read: What was read.
        entry: By which it was written down.
        row: Of the statement; it wrote the entry.
    """
    record = open_record(
        keyring,
        recorded(entry, PersonId(row["entry_person_id"])),
        sealed_record=row["sealed_record"],
        wrapped_key=row["wrapped_key"],
    )
    values = {item: evaluate(record, item, read.at) for item in read.items}
    return {item: value for item, value in values.items() if value is not None}
