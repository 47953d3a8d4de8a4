"""Queries: partners, clients, initial access tokens."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session
from sqlalchemy.types import Text

from idp.client_metadata import as_json, metadata_of
from idp.model import Client, ClientMetadata, ClientProfile, JSONObject, Partner
from idp.tables import clients, initial_access_tokens, partners
from kernel.ids import ClientId, PartnerId

MOST_LISTED = 1000


def live_client() -> Select[Any]:
    """Return the query of one client that may act: it and its partner are not disabled.

    Bind `client_id`.
    """
    return (
        select(
            clients.c.client_id,
            clients.c.partner_id,
            clients.c.profile,
            clients.c.metadata,
            clients.c.sector,
            clients.c.revision,
            clients.c.secret_digest,
            partners.c.name.label("partner_name"),
            partners.c.is_verified,
        )
        .join(partners, partners.c.partner_id == clients.c.partner_id)
        .where(
            clients.c.client_id == bindparam("client_id", type_=Text),
            clients.c.disabled_at.is_(None),
            partners.c.disabled_at.is_(None),
        )
    )


def client_of(row: Mapping[str, Any], metadata: JSONObject) -> Client:
    """Return the client of a row of `live_client`."""
    return Client(
        client_id=ClientId(row["client_id"]),
        partner_id=PartnerId(row["partner_id"]),
        partner_name=row["partner_name"],
        partner_is_verified=row["is_verified"],
        profile=ClientProfile(row["profile"]),
        metadata=metadata_of(metadata),
        sector=row["sector"],
        revision=row["revision"],
        secret_digest=row["secret_digest"],
    )


def find_client(session: Session, client_id: str) -> Client | None:
    """Return a client that may act; None if there is none, or it or its partner is disabled."""
    row = session.execute(live_client(), {"client_id": client_id}).mappings().one_or_none()
    if row is None:
        return None
    values = dict(row)
    return client_of(values, values["metadata"])


def list_clients(session: Session, partner_id: PartnerId | None = None) -> Sequence[JSONObject]:
    """Return clients as an operator sees them, disabled ones too; at most `MOST_LISTED`."""
    query = (
        select(
            clients.c.client_id,
            clients.c.partner_id,
            clients.c.profile,
            clients.c.metadata,
            clients.c.created_at,
            clients.c.disabled_at,
        )
        .order_by(clients.c.created_at, clients.c.client_id)
        .limit(MOST_LISTED)
    )
    if partner_id is not None:
        query = query.where(clients.c.partner_id == partner_id)
    return [dict(row) for row in session.execute(query).mappings()]


def list_sectors(session: Session) -> Mapping[ClientId, str]:
    """Return the sector of every client, disabled ones too."""
    rows = session.execute(select(clients.c.client_id, clients.c.sector))
    return {ClientId(client_id): sector for client_id, sector in rows}


def insert_client(
    session: Session,
    *,
    client_id: ClientId,
    partner_id: PartnerId,
    profile: ClientProfile,
    metadata: ClientMetadata,
    sector: str,
    secret_digest: bytes | None,
    registration_token_digest: bytes | None,
    at: datetime,
) -> None:
    """Store a client."""
    session.execute(
        insert(clients).values(
            client_id=client_id,
            partner_id=partner_id,
            profile=profile.value,
            metadata=as_json(metadata),
            sector=sector,
            secret_digest=secret_digest,
            registration_token_digest=registration_token_digest,
            created_at=at,
        )
    )


def replace_client(
    session: Session,
    client_id: ClientId,
    *,
    metadata: ClientMetadata,
    sector: str,
    secret_digest: bytes | None,
) -> None:
    """Store a client's new registration; its revision goes up."""
    session.execute(
        update(clients)
        .where(clients.c.client_id == client_id)
        .values(
            metadata=as_json(metadata),
            sector=sector,
            secret_digest=secret_digest,
            revision=clients.c.revision + 1,
        )
    )


def client_exists(session: Session, client_id: str) -> bool:
    """Tell whether the identifier is taken, by a disabled client too."""
    found = session.scalar(select(clients.c.client_id).where(clients.c.client_id == client_id))
    return found is not None


def find_registered(
    session: Session, client_id: str, *, registration_token_digest: bytes
) -> tuple[Client, datetime] | None:
    """Return the client whose registration this token manages, and since when it is there.

    Source:
        RFC 7592, 2.
    """
    query = (
        live_client()
        .add_columns(clients.c.created_at)
        .where(clients.c.registration_token_digest == registration_token_digest)
    )
    row = session.execute(query, {"client_id": client_id}).mappings().one_or_none()
    if row is None:
        return None
    values = dict(row)
    return client_of(values, values["metadata"]), values["created_at"]


def disable_client(session: Session, client_id: ClientId, *, at: datetime) -> bool:
    """Disable a client; tell whether there was one that was not disabled yet."""
    row = session.execute(
        update(clients)
        .where(clients.c.client_id == client_id, clients.c.disabled_at.is_(None))
        .values(disabled_at=at, revision=clients.c.revision + 1)
        .returning(clients.c.client_id)
    ).one_or_none()
    return row is not None


def insert_partner(session: Session, partner: Partner) -> bool:
    """Store a partner; tell whether its identifier was free."""
    row = session.execute(
        upsert(partners)
        .values(
            partner_id=partner.partner_id,
            name=partner.name,
            is_verified=partner.is_verified,
            created_at=partner.created_at,
        )
        .on_conflict_do_nothing()
        .returning(partners.c.partner_id)
    ).one_or_none()
    return row is not None


def find_partner(session: Session, partner_id: str) -> Partner | None:
    """Return a partner, disabled or not."""
    row = session.execute(select(partners).where(partners.c.partner_id == partner_id)).one_or_none()
    return None if row is None else _partner_of(row)


def partner_names(session: Session, partner_ids: Collection[str]) -> Mapping[str, str]:
    """Return the names of partners by identifier; those that don't exist are left out."""
    rows = session.execute(
        select(partners.c.partner_id, partners.c.name).where(partners.c.partner_id.in_(partner_ids))
    )
    return {row.partner_id: row.name for row in rows}


def list_partners(session: Session) -> Sequence[Partner]:
    """Return the partners, at most `MOST_LISTED`."""
    rows = session.execute(
        select(partners).order_by(partners.c.created_at, partners.c.partner_id).limit(MOST_LISTED)
    )
    return [_partner_of(row) for row in rows]


def insert_initial_access_token(
    session: Session,
    *,
    token_digest: bytes,
    partner_id: PartnerId,
    profile: ClientProfile,
    uses: int,
    at: datetime,
    expires_at: datetime,
) -> None:
    """Store a token with which a partner may register clients (RFC 7591, 3)."""
    session.execute(
        insert(initial_access_tokens).values(
            token_digest=token_digest,
            partner_id=partner_id,
            profile=profile.value,
            uses_left=uses,
            created_at=at,
            expires_at=expires_at,
        )
    )


def spend_initial_access_token(
    session: Session, token_digest: bytes, *, at: datetime
) -> tuple[PartnerId, ClientProfile] | None:
    """Use an initial access token once; return whose it is, and what its client is held to.

    Transaction:
        One UPDATE … RETURNING: of many registrations at once, as many get it as it is good for.
    """
    t = initial_access_tokens.c
    row = session.execute(
        update(initial_access_tokens)
        .where(t.token_digest == token_digest, t.uses_left > 0, t.expires_at > at)
        .values(uses_left=t.uses_left - 1, used_at=at)
        .returning(t.partner_id, t.profile)
    ).one_or_none()
    return None if row is None else (PartnerId(row.partner_id), ClientProfile(row.profile))


def _partner_of(row: Any) -> Partner:  # noqa: ANN401  # a Row of `partners`
    return Partner(
        partner_id=PartnerId(row.partner_id),
        name=row.name,
        is_verified=row.is_verified,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )
