"""Queries of consent, and its part of composed statements."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    RowMapping,
    and_,
    case,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import Integer

from consent.model import (
    ConsentRecord,
    Ending,
    GivenBy,
    ItemName,
    PurposeCode,
    Relation,
)
from consent.tables import consents
from kernel.ids import ClientId, ConsentId, PartnerId, PersonId

MOST_LISTED = 500

# Written out, not bound: each bind of a hot statement is a value to send.
_ZERO: ColumnElement[int] = literal_column("0", Integer)
_ONE: ColumnElement[int] = literal_column("1", Integer)


def _record_of(values: RowMapping) -> ConsentRecord:
    return ConsentRecord(
        consent_id=ConsentId(values["consent_id"]),
        person_id=PersonId(values["person_id"]),
        subject=values["subject"],
        client_id=ClientId(values["client_id"]),
        partner_id=PartnerId(values["partner_id"]),
        partner_name=values["partner_name"],
        purpose=PurposeCode(values["purpose"]),
        items=frozenset(ItemName(item) for item in values["items"]),
        given_at=values["given_at"],
        expires_at=values["expires_at"],
        retention=values["retention"],
        given_by=GivenBy(
            relation=Relation(values["given_by_relation"]),
            person_id=PersonId(values["given_by_person_id"]),
        ),
        acr=values["acr"],
        language=values["language"],
        signature=values["signature"],
        max_uses=values["max_uses"],
        uses=values["uses"],
        ended_at=values["ended_at"],
        ending=None if values["ending"] is None else Ending(values["ending"]),
    )


def insert_consent(session: Session, record: ConsentRecord) -> None:
    """Store a new consent."""
    session.execute(
        insert(consents).values(
            consent_id=record.consent_id,
            person_id=record.person_id,
            subject=record.subject,
            client_id=record.client_id,
            partner_id=record.partner_id,
            partner_name=record.partner_name,
            purpose=record.purpose,
            items=sorted(record.items),
            given_at=record.given_at,
            expires_at=record.expires_at,
            retention=record.retention,
            given_by_relation=record.given_by.relation.value,
            given_by_person_id=record.given_by.person_id,
            acr=record.acr,
            language=record.language,
            signature=record.signature,
            max_uses=record.max_uses,
        )
    )


def find_consent(
    session: Session, person_id: PersonId, consent_id: ConsentId
) -> ConsentRecord | None:
    """Return one consent of one person."""
    row = (
        session.execute(
            select(consents).where(
                consents.c.person_id == person_id, consents.c.consent_id == consent_id
            )
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else _record_of(row)


def list_consents(session: Session, person_id: PersonId) -> Sequence[ConsentRecord]:
    """Return a person's consents, the newest first, at most `MOST_LISTED`."""
    rows = session.execute(
        select(consents)
        .where(consents.c.person_id == person_id)
        .order_by(consents.c.given_at.desc(), consents.c.consent_id.desc())
        .limit(MOST_LISTED)
    )
    return [_record_of(row) for row in rows.mappings()]


def list_live(session: Session, person_id: PersonId, *, at: datetime) -> Sequence[ConsentRecord]:
    """Return every consent of a person that has not ended, however many."""
    rows = session.execute(
        select(consents)
        .where(
            consents.c.person_id == person_id,
            consents.c.ended_at.is_(None),
            consents.c.expires_at > at,
        )
        .order_by(consents.c.consent_id)
    )
    return [_record_of(row) for row in rows.mappings()]


def list_consents_for(
    session: Session, person_id: PersonId, client_id: ClientId, purpose: PurposeCode
) -> Sequence[ConsentRecord]:
    """Return every consent of a person for one client and purpose, in any order."""
    rows = session.execute(
        select(consents).where(
            consents.c.person_id == person_id,
            consents.c.client_id == client_id,
            consents.c.purpose == purpose,
        )
    )
    return [_record_of(row) for row in rows.mappings()]


def end_consent(
    session: Session,
    person_id: PersonId,
    consent_id: ConsentId,
    *,
    ending: Ending,
    at: datetime,
) -> ConsentRecord | None:
    """End a consent that has not ended; return it, or None if there is none to end.

    Transaction:
        One UPDATE … RETURNING; of two endings at once, one happens. The row counts as announced:
        the caller enqueues the announcement in this transaction.
    """
    row = (
        session.execute(
            update(consents)
            .where(
                consents.c.person_id == person_id,
                consents.c.consent_id == consent_id,
                consents.c.ended_at.is_(None),
            )
            .values(ended_at=at, ending=ending.value, announced_at=at)
            .returning(*consents.c)
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else _record_of(row)


def end_replaced(session: Session, by: ConsentRecord) -> int:
    """End the live consents that `by` makes superfluous; return how many.

    Same person, client and purpose, and nothing in them that `by` lacks. The recipient is not
    told: it holds the new one.
    """
    result = session.execute(
        update(consents)
        .where(
            consents.c.person_id == by.person_id,
            consents.c.client_id == by.client_id,
            consents.c.purpose == by.purpose,
            consents.c.consent_id != by.consent_id,
            consents.c.ended_at.is_(None),
            consents.c["items"].contained_by(sorted(by.items)),
        )
        .values(ended_at=by.given_at, ending=Ending.REPLACED.value, announced_at=by.given_at)
        .returning(consents.c.consent_id)
    )
    return len(result.all())


def take_endings(session: Session, *, at: datetime, limit: int) -> Sequence[ConsentRecord]:
    """Write down what ran out, and take up to `limit` endings that nobody was told of.

    Transaction:
        Locks the rows it takes and skips those that others hold: any number of workers may run.
        The rows count as announced; the caller enqueues the announcements in this transaction.
    """
    ripe = (
        select(consents.c.person_id, consents.c.consent_id)
        .where(
            or_(
                and_(consents.c.ended_at.is_(None), consents.c.expires_at <= at),
                and_(consents.c.ended_at.is_not(None), consents.c.announced_at.is_(None)),
            )
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("ripe")
    )
    rows = session.execute(
        update(consents)
        .where(consents.c.person_id == ripe.c.person_id, consents.c.consent_id == ripe.c.consent_id)
        .values(
            ended_at=case(
                (consents.c.ended_at.is_(None), consents.c.expires_at), else_=consents.c.ended_at
            ),
            ending=case(
                (consents.c.ending.is_(None), literal(Ending.EXPIRED.value)),
                else_=consents.c.ending,
            ),
            announced_at=at,
        )
        .returning(*consents.c)
    )
    return [_record_of(row) for row in rows.mappings()]


def covering_consent(
    *,
    person_id: ColumnElement[Any],
    client_id: ColumnElement[Any],
    purpose: ColumnElement[Any],
    items: ColumnElement[Any],
    at: ColumnElement[Any],
    consent_id: ColumnElement[Any] | None = None,
) -> CTE:
    """Return this context's part of a composed statement: the one consent that covers a read.

    The SQL form of `decision.decide`: at most one row, the one that `decide` would name. The
    statement sees what was committed when it began, so a withdrawal that committed before is
    obeyed, and there is nothing in between to go stale (promise 2).

    Args:
        person_id: Whose consent.
        client_id: For whom.
        purpose: What for; compared exactly.
        items: Array of text: everything the read will return. Empty is covered by nothing.
        at: Now. Compared with `expires_at` only, exclusive: see `ConsentRecord.ending_at`.
        consent_id: Only this one is looked at: the read covered by it, or not at all.

    Returns:
        Columns `person_id`, `consent_id`, `expires_at`, `max_uses`.
    """
    c = consents.c
    covering = select(c.person_id, c.consent_id, c.expires_at, c.max_uses).where(
        c.person_id == person_id,
        c.client_id == client_id,
        c.purpose == purpose,
        c.ended_at.is_(None),
        c.expires_at > at,
        or_(c.max_uses.is_(None), c.uses < c.max_uses),
        c["items"].contains(items),
        func.cardinality(items) > _ZERO,
    )
    if consent_id is not None:
        return covering.where(c.consent_id == consent_id).cte("covering_consent")
    return (
        covering.order_by(c.max_uses.is_(None).desc(), c.given_at.desc(), c.consent_id.desc())
        .limit(_ONE)
        .cte("covering_consent")
    )


def spend_use(source: FromClause, *, at: ColumnElement[Any]) -> CTE:
    """Return this context's part of a composed statement: count a read that is limited in number.

    Args:
        source: Joined so that it has a row only if the whole read will happen; it has columns
            `person_id`, `consent_id` and `max_uses` of `covering_consent`.
        at: Now; becomes the end of a consent whose last use this is. No bind of the statement may
            be named like a column of `consents`: SQLAlchemy would SET it.

    Returns:
        Column `consent_id`: a row if the read may happen. For a consent without a limit nothing
        is written and nothing is locked.

    Transaction:
        The row is locked and looked at again after the lock: of many reads that race for the last
        use, one gets it, and a withdrawal that came first is obeyed.
    """
    c = consents.c
    used = c.uses + _ONE
    spent = (
        update(consents)
        .where(
            c.person_id == source.c.person_id,
            c.consent_id == source.c.consent_id,
            source.c.max_uses.is_not(None),
            c.ended_at.is_(None),
            c.uses < c.max_uses,
        )
        .values(
            uses=used,
            ended_at=case((used >= c.max_uses, at)),
            ending=case((used >= c.max_uses, literal(Ending.USED_UP.value))),
        )
        .returning(c.consent_id)
        .cte("spent_use")
    )
    return (
        select(source.c.consent_id)
        .where(
            or_(source.c.max_uses.is_(None), source.c.consent_id.in_(select(spent.c.consent_id)))
        )
        .cte("allowed_use")
    )
