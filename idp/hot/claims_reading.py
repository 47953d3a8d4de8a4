"""Read claims about a person: consent, proof and access entry in the statement that reads.

A read like any other (promises 1 and 2), whether the UserInfo endpoint asks or an ID token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import bindparam, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from audit.api import Actor, NewEntry, append_entry, entry_binds, recorded
from consent.api import SIGN_IN, PurposeCode, covering_consent, spend_use
from idp.claims import claims_from
from idp.dependencies import provider_of
from idp.service.userinfo import find_reason
from idp.statements import AT, has_row, live_grant, one_row, spend_proof
from kernel.db import HotStatement
from kernel.ids import ClientId, EntryId, GrantId, PartnerId, PersonId, new_id
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
def _statement(*, has_proof: bool) -> HotStatement:
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


async def read_items(request: Request, read: ItemsRead) -> dict[str, AttributeValue] | ReadRefused:
    """Read items about the person of a grant, with who says so and since when.

    Returns:
        The items that have a value; or why nothing was read.

    Transaction:
        One statement. What it did not allow is looked into in the ordinary lane, where the refused
        attempt is written down.
    """
    state = request.app.state
    entry = NewEntry(
        entry_id=EntryId(new_id(read.at)),
        action=READ_ACTION,
        outcome="allowed",
        actor=Actor(kind="partner", id=read.partner_id),
        subject=read.sub,
        occurred_at=read.at,
        purpose=read.purpose,
        items=read.items,
        client_id=read.client_id,
        request_id=getattr(request.state, "request_id", None),
    )
    row = await _statement(has_proof=read.has_proof).fetchrow(
        state.hot_pool,
        **read.binds,
        **entry_binds(entry),
        client_id=read.client_id,
        purpose=read.purpose,
        items=list(read.items),
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
    record = open_record(
        provider_of(request).keyring,
        recorded(entry, PersonId(row["entry_person_id"])),
        sealed_record=row["sealed_record"],
        wrapped_key=row["wrapped_key"],
    )
    values = {item: evaluate(record, item, read.at) for item in read.items}
    return {item: value for item, value in values.items() if value is not None}
