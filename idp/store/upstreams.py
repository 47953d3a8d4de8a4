"""Queries: upstream providers, who was sent there, and which accounts they open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from idp.assurance import AssuranceLevel
from idp.model import Account
from idp.ring_tokens import RingToken
from idp.tables import accounts, upstream_links, upstream_requests, upstream_subjects, upstreams
from idp.upstream import Kind, Upstream
from kernel.ids import AccountId, PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamLink:
    """An account there that opens an account here."""

    person_id: PersonId
    account_id: AccountId
    upstream_id: str
    linked_at: datetime
    last_used_at: datetime | None


def insert_upstream(session: Session, upstream: Upstream, *, credential_sealed: bytes) -> bool:
    """Store an upstream provider; tell whether its identifier was free."""
    taken = session.execute(
        upsert(upstreams)
        .values(
            upstream_id=upstream.upstream_id,
            issuer=upstream.issuer,
            client_id=upstream.client_id,
            auth_method=upstream.auth_method,
            credential_sealed=credential_sealed,
            name_ru=upstream.name_ru,
            name_en=upstream.name_en,
            scope=upstream.scope,
            algorithms=list(upstream.algorithms),
            levels={said: level.value for said, level in upstream.levels.items()},
            ceiling=upstream.ceiling.value,
            identifies=upstream.identifies,
            snils_claim=upstream.snils_claim,
            created_at=upstream.created_at,
        )
        .on_conflict_do_nothing()
        .returning(upstreams.c.upstream_id)
    ).one_or_none()
    return taken is not None


def list_upstreams(session: Session) -> Sequence[Upstream]:
    """Return all upstream providers, those that were disabled too, by identifier."""
    rows = session.execute(select(upstreams).order_by(upstreams.c.upstream_id))
    return [_upstream_of(row) for row in rows]


def find_upstream(session: Session, upstream_id: str) -> tuple[Upstream, bytes] | None:
    """Return an upstream provider that is in use, and our sealed credential there."""
    row = session.execute(
        select(upstreams).where(
            upstreams.c.upstream_id == upstream_id, upstreams.c.disabled_at.is_(None)
        )
    ).one_or_none()
    return None if row is None else (_upstream_of(row), row.credential_sealed)


def disable_upstream(session: Session, upstream_id: str, *, at: datetime) -> bool:
    """Take an upstream provider out of use; tell whether it was in use until now."""
    row = session.execute(
        update(upstreams)
        .where(upstreams.c.upstream_id == upstream_id, upstreams.c.disabled_at.is_(None))
        .values(disabled_at=at)
        .returning(upstreams.c.upstream_id)
    ).one_or_none()
    return row is not None


def _upstream_of(row: Row[Any]) -> Upstream:
    return Upstream(
        upstream_id=row.upstream_id,
        issuer=row.issuer,
        client_id=row.client_id,
        auth_method=row.auth_method,
        name_ru=row.name_ru,
        name_en=row.name_en,
        scope=row.scope,
        algorithms=tuple(row.algorithms),
        levels={said: AssuranceLevel(level) for said, level in row.levels.items()},
        ceiling=AssuranceLevel(row.ceiling),
        identifies=row.identifies,
        snils_claim=row.snils_claim,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


_r = upstream_requests.c


def insert_request(
    session: Session,
    token: RingToken,
    *,
    binding_digest: bytes,
    upstream_id: str,
    kind: Kind,
    content_sealed: bytes,
    expires_at: datetime,
) -> None:
    """Store who was sent upstream, or a link that waits to be confirmed."""
    session.execute(
        insert(upstream_requests).values(
            slot=token.slot,
            request_digest=token.digest,
            binding_digest=binding_digest,
            upstream_id=upstream_id,
            kind=kind,
            content_sealed=content_sealed,
            expires_at=expires_at,
        )
    )


def spend_request(
    session: Session,
    token: RingToken,
    *,
    binding_digest: bytes,
    upstream_id: str,
    is_confirmation: bool,
    at: datetime,
) -> bytes | None:
    """Spend a request and return its content; None if it is not there to be spent.

    Another browser's attempt spends nothing: whoever saw a `state` can't break the sign-in off.

    Transaction:
        One statement; of many at once, one gets the content.
    """
    content: bytes | None = session.scalar(
        update(upstream_requests)
        .where(
            _r.slot == token.slot,
            _r.request_digest == token.digest,
            _r.binding_digest == binding_digest,
            _r.upstream_id == upstream_id,
            (_r.kind == "confirm") == is_confirmation,
            _r.spent_at.is_(None),
            _r.expires_at > at,
        )
        .values(spent_at=at)
        .returning(_r.content_sealed)
    )
    return content


def find_confirmation(
    session: Session, token: RingToken, *, binding_digest: bytes, at: datetime
) -> tuple[str, bytes] | None:
    """Return where a link that waits to be confirmed leads, and its content."""
    row = session.execute(
        select(_r.upstream_id, _r.content_sealed).where(
            _r.slot == token.slot,
            _r.request_digest == token.digest,
            _r.binding_digest == binding_digest,
            _r.kind == "confirm",
            _r.spent_at.is_(None),
            _r.expires_at > at,
        )
    ).one_or_none()
    return None if row is None else (row.upstream_id, row.content_sealed)


_a, _s, _l = accounts.c, upstream_subjects.c, upstream_links.c


def find_account_of_subject(session: Session, subject_digest: bytes) -> Account | None:
    """Return the account that an account there opens, disabled or not."""
    row = session.execute(
        select(_a.account_id, _a.person_id, _a.level, _a.created_at, _a.disabled_at)
        .join(upstream_subjects, (_s.person_id == _a.person_id) & (_s.account_id == _a.account_id))
        .where(_s.subject_digest == subject_digest)
    ).one_or_none()
    return None if row is None else _account_of(row)


def list_accounts(session: Session, person_id: PersonId) -> Sequence[Account]:
    """Return the accounts of a person, disabled ones too."""
    rows = session.execute(
        select(_a.account_id, _a.person_id, _a.level, _a.created_at, _a.disabled_at).where(
            _a.person_id == person_id
        )
    )
    return [_account_of(row) for row in rows]


def _account_of(row: Any) -> Account:  # noqa: ANN401  # columns of accounts
    return Account(
        account_id=AccountId(row.account_id),
        person_id=PersonId(row.person_id),
        level=AssuranceLevel(row.level),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def insert_link(
    session: Session,
    *,
    person_id: PersonId,
    account_id: AccountId,
    upstream_id: str,
    subject_digest: bytes,
    at: datetime,
) -> bool:
    """Let an account there open an account here; tell whether neither was connected.

    Transaction:
        Two insertions, each by its unique key. When only one of them took, the caller rolls back.
    """
    subject = session.execute(
        upsert(upstream_subjects)
        .values(
            subject_digest=subject_digest,
            upstream_id=upstream_id,
            person_id=person_id,
            account_id=account_id,
        )
        .on_conflict_do_nothing()
        .returning(_s.subject_digest)
    ).one_or_none()
    if subject is None:
        return False
    link = session.execute(
        upsert(upstream_links)
        .values(
            person_id=person_id,
            account_id=account_id,
            upstream_id=upstream_id,
            subject_digest=subject_digest,
            linked_at=at,
        )
        .on_conflict_do_nothing()
        .returning(_l.upstream_id)
    ).one_or_none()
    return link is not None


def note_use(session: Session, account: Account, upstream_id: str, *, at: datetime) -> None:
    """Note that somebody signed in through a link; skipped when it is being noted just now."""
    mine = (
        (_l.person_id == account.person_id)
        & (_l.account_id == account.account_id)
        & (_l.upstream_id == upstream_id)
    )
    free = select(_l.upstream_id).where(mine).with_for_update(skip_locked=True)
    session.execute(
        update(upstream_links)
        .where(mine, _l.upstream_id.in_(free.scalar_subquery()))
        .values(last_used_at=at)
    )


def list_links(
    session: Session, person_id: PersonId, account_id: AccountId
) -> Sequence[UpstreamLink]:
    """Return which accounts elsewhere open this one, by region."""
    rows = session.execute(
        select(_l.person_id, _l.account_id, _l.upstream_id, _l.linked_at, _l.last_used_at)
        .where(_l.person_id == person_id, _l.account_id == account_id)
        .order_by(_l.upstream_id)
    )
    return [
        UpstreamLink(
            person_id=PersonId(row.person_id),
            account_id=AccountId(row.account_id),
            upstream_id=row.upstream_id,
            linked_at=row.linked_at,
            last_used_at=row.last_used_at,
        )
        for row in rows
    ]


def delete_link(
    session: Session, person_id: PersonId, account_id: AccountId, upstream_id: str
) -> bool:
    """Take a link away; tell whether there was one."""
    subject_digest = session.scalar(
        delete(upstream_links)
        .where(
            _l.person_id == person_id,
            _l.account_id == account_id,
            _l.upstream_id == upstream_id,
        )
        .returning(_l.subject_digest)
    )
    if subject_digest is None:
        return False
    session.execute(delete(upstream_subjects).where(_s.subject_digest == subject_digest))
    return True


def has_password(session: Session, person_id: PersonId, account_id: AccountId) -> bool:
    """Tell whether an account can be opened by a password."""
    sealed = session.scalar(
        select(_a.password_hash_sealed).where(
            _a.person_id == person_id, _a.account_id == account_id
        )
    )
    return sealed is not None
