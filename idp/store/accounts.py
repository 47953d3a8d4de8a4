"""Queries: accounts, sign-in names, failed attempts."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Uuid, case, delete, exists, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session
from sqlalchemy.types import Integer, Interval, LargeBinary

from idp.assurance import AssuranceLevel
from idp.model import Account
from idp.tables import accounts, closed_persons, sign_in_failures, sign_in_names
from kernel.db import AdvisoryLock, Instant, lock
from kernel.ids import AccountId, PersonId

LONGEST_BLOCK = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(days=1)
"""A day without a failure, and they count from nought again."""
_LOCK_KEY_MASK = 0x7FFFFFFF  # of a person's random bits, as many as the key of a lock has
_MOST_DOUBLINGS = 10  # 2**10 seconds is more than the longest block


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPassword:
    """An account as the sign-in needs it."""

    account: Account
    password_hash_sealed: bytes


def confirmed_since(session: Session, person_id: PersonId) -> datetime | None:
    """Return since when a person has a confirmed account that is open; None if there is none."""
    since: datetime | None = session.scalar(
        select(func.min(accounts.c.created_at)).where(
            accounts.c.person_id == person_id,
            accounts.c.level == AssuranceLevel.CONFIRMED,
            accounts.c.disabled_at.is_(None),
        )
    )
    return since


def lock_accounts(session: Session, person_ids: Collection[PersonId]) -> None:
    """Let nobody else open or close accounts of the persons until the transaction ends."""
    for key in sorted({person_id.int & _LOCK_KEY_MASK for person_id in person_ids}):
        lock(session, AdvisoryLock.ACCOUNTS, key)


def take_name(session: Session, account: Account, *, username_digest: bytes) -> bool:
    """Let an account be found by a name; tell whether the name was free.

    Transaction:
        By its unique key: of two that want it at once, one gets it.
    """
    taken = session.execute(
        upsert(sign_in_names)
        .values(
            username_digest=username_digest,
            person_id=account.person_id,
            account_id=account.account_id,
        )
        .on_conflict_do_nothing()
        .returning(sign_in_names.c.account_id)
    ).one_or_none()
    return taken is not None


def open_account(
    session: Session,
    account: Account,
    *,
    members: Collection[PersonId],
    password_hash_sealed: bytes | None = None,
) -> bool:
    """Store an account, unless its person is closed; tell whether it is stored.

    Args:
        session: The open transaction.
        account: As it shall be.
        members: Everybody who is one person with its owner, who is among them: if one of them is
            closed, all are.
        password_hash_sealed: None if it is opened through an upstream provider only.

    Transaction:
        The check is part of the insertion, and `lock_accounts` of the same persons comes before
        it: who is being closed is closed by then, or is closed afterwards with this account.
    """
    values = select(
        literal(account.person_id, Uuid),
        literal(account.account_id, Uuid),
        literal(account.level.value, Integer),
        literal(password_hash_sealed, LargeBinary),
        literal(None if password_hash_sealed is None else account.created_at, Instant),
        literal(account.created_at, Instant),
    ).where(~exists().where(closed_persons.c.person_id.in_(members)))
    columns = (
        "person_id", "account_id", "level", "password_hash_sealed", "password_changed_at",
        "created_at",
    )  # fmt: skip
    stored = session.execute(
        insert(accounts).from_select(columns, values).returning(accounts.c.account_id)
    )
    return stored.one_or_none() is not None


def find_by_username(session: Session, username_digest: bytes) -> StoredPassword | None:
    """Return the account that has this name."""
    row = session.execute(
        select(accounts)
        .join(
            sign_in_names,
            (sign_in_names.c.person_id == accounts.c.person_id)
            & (sign_in_names.c.account_id == accounts.c.account_id),
        )
        .where(sign_in_names.c.username_digest == username_digest)
    ).one_or_none()
    if row is None:
        return None
    return StoredPassword(
        account=Account(
            account_id=AccountId(row.account_id),
            person_id=PersonId(row.person_id),
            level=AssuranceLevel(row.level),
            created_at=row.created_at,
            disabled_at=row.disabled_at,
        ),
        password_hash_sealed=row.password_hash_sealed,
    )


def replace_password_hash(
    session: Session, account: Account, *, password_hash_sealed: bytes
) -> None:
    """Store the same password hashed anew, under today's parameters."""
    session.execute(
        update(accounts)
        .where(
            accounts.c.person_id == account.person_id,
            accounts.c.account_id == account.account_id,
        )
        .values(password_hash_sealed=password_hash_sealed)
    )


def close_person(session: Session, person_id: PersonId, at: datetime) -> None:
    """Close a person's accounts, those that are open, and let none be opened.

    Transaction:
        Waits for whoever is opening one.
    """
    lock_accounts(session, [person_id])
    session.execute(
        upsert(closed_persons).values(person_id=person_id, closed_at=at).on_conflict_do_nothing()
    )
    session.execute(
        update(accounts)
        .where(accounts.c.person_id == person_id, accounts.c.disabled_at.is_(None))
        .values(disabled_at=at)
    )


def reopen_person(session: Session, person_id: PersonId) -> None:
    """Open the accounts again that were closed with the person; others stay disabled."""
    closed_at = session.scalar(
        delete(closed_persons)
        .where(closed_persons.c.person_id == person_id)
        .returning(closed_persons.c.closed_at)
    )
    session.execute(
        update(accounts)
        .where(accounts.c.person_id == person_id, accounts.c.disabled_at == closed_at)
        .values(disabled_at=None)
    )


def is_blocked(
    session: Session, key_digests: list[bytes], *, at: datetime, in_turn: bool = False
) -> bool:
    """Tell whether one of the names or addresses has to wait.

    Args:
        session: The open transaction.
        key_digests: Of the names and addresses.
        at: Now.
        in_turn: Whether to wait for the attempts that are being counted; then of one key only.
    """
    t = sign_in_failures.c
    found = select(t.blocked_until).where(t.key_digest == func.any(key_digests))
    rows = session.scalars(found.with_for_update() if in_turn else found)
    return any(blocked_until > at for blocked_until in rows)


def count_failure(session: Session, key_digest: bytes, *, free: int, at: datetime) -> None:
    """Count a failed attempt; after `free` of them, each doubles the wait, from one second.

    Transaction:
        One upsert: attempts on one name queue up behind its row and are all counted.
    """
    t = sign_in_failures
    moment = literal(at, Instant)
    failures = case((t.c.last_failed_at < moment - FORGOTTEN_AFTER, 1), else_=t.c.failures + 1)
    doublings = func.least(failures - free - 1, _MOST_DOUBLINGS)
    wait = func.least(
        func.power(2, doublings, type_=Integer) * literal(timedelta(seconds=1), Interval),
        literal(LONGEST_BLOCK, Interval),
    )
    blocked_until = case((failures > free, moment + wait), else_=moment)
    session.execute(
        upsert(t)
        .values(key_digest=key_digest, failures=1, last_failed_at=at, blocked_until=at)
        .on_conflict_do_update(
            index_elements=[t.c.key_digest],
            set_={"failures": failures, "last_failed_at": at, "blocked_until": blocked_until},
        )
    )


def forgive_failures(session: Session, key_digest: bytes, *, at: datetime) -> bool:
    """Count from nought after a right password; tell whether it came while it had to wait.

    Transaction:
        Waits for the attempts that are being counted: a right password among many wrong ones that
        were sent at once is refused like they are.
    """
    t = sign_in_failures
    blocked_until = session.scalar(
        update(t)
        .where(t.c.key_digest == key_digest)
        .values(failures=case((t.c.blocked_until > at, t.c.failures), else_=0))
        .returning(t.c.blocked_until)
    )
    return blocked_until is None or blocked_until <= at
