"""Queries of the vault."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Row,
    Select,
    delete,
    exists,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.orm import Session

from kernel.errors import NotFound
from kernel.ids import AgencyId, DocumentId, PersonId
from kernel.tables import person_keys
from vault.errors import UploadExpired
from vault.model import DocumentKind, SealedVersion
from vault.tables import document_versions, documents, loose_blobs, vault_locks

_OF_ONE_DOCUMENT = (documents.c.person_id == document_versions.c.person_id) & (
    documents.c.document_id == document_versions.c.document_id
)


def _sealed_versions() -> Select[Any]:
    """Select versions with what opens them; those of a shredded or locked person are absent."""
    return (
        select(
            documents.c.person_id,
            documents.c.document_id,
            documents.c.kind,
            documents.c.source,
            document_versions.c.version,
            document_versions.c.media_type,
            document_versions.c.stored_at,
            document_versions.c.stream_format,
            document_versions.c.blob_key,
            document_versions.c.wrapped_data_key,
            document_versions.c.ciphertext_length,
            document_versions.c.ciphertext_digest,
            person_keys.c.wrapped_key,
        )
        .join_from(documents, document_versions, _OF_ONE_DOCUMENT)
        .join(person_keys, person_keys.c.person_id == documents.c.person_id)
        .where(
            person_keys.c.wrapped_key.is_not(None),
            ~exists().where(vault_locks.c.person_id == documents.c.person_id),
        )
    )


def lock_documents(session: Session, person_id: PersonId, *, at: datetime) -> None:
    """Let nobody open a person's documents; locked already, they stay so."""
    session.execute(
        postgresql_insert(vault_locks)
        .values(person_id=person_id, locked_at=at)
        .on_conflict_do_nothing()
    )


def unlock_documents(session: Session, person_id: PersonId) -> None:
    """Let a person's documents be opened again."""
    session.execute(delete(vault_locks).where(vault_locks.c.person_id == person_id))


def document_version(
    *, person_id: ColumnElement[Any], document_id: ColumnElement[Any] | UUID
) -> CTE:
    """Return the vault's part of a composed statement: a document's latest version.

    Columns are the fields of `SealedVersion`; `sealed_version` makes the value. No row: there is no
    such document, it is another person's, or the person was shredded; the caller can't tell which.

    Args:
        person_id: From the part of the statement that decided on the access, never from a request.
        document_id: As it was asked for.
    """
    return (
        _sealed_versions()
        .where(
            documents.c.person_id == person_id,
            documents.c.document_id == document_id,
            document_versions.c.version == documents.c.latest_version,
        )
        .cte("document_version")
    )


class Columns(Protocol):
    """A row by its column names: `asyncpg.Record`, SQLAlchemy's `RowMapping`."""

    def __getitem__(self, name: str, /) -> Any:  # noqa: ANN401
        """Return the value of a column."""
        ...


def sealed_version(row: Columns) -> SealedVersion:
    """Make the value of a row of `document_version`, from either lane.

    Args:
        row: Other columns are ignored.
    """
    return SealedVersion(
        person_id=PersonId(_uuid(row["person_id"])),
        document_id=DocumentId(_uuid(row["document_id"])),
        kind=DocumentKind(row["kind"]),
        source=row["source"],
        version=row["version"],
        media_type=row["media_type"],
        stored_at=row["stored_at"],
        stream_format=row["stream_format"],
        blob_key=row["blob_key"],
        wrapped_data_key=bytes(row["wrapped_data_key"]),
        ciphertext_length=row["ciphertext_length"],
        ciphertext_digest=bytes(row["ciphertext_digest"]),
        wrapped_key=bytes(row["wrapped_key"]),
    )


def _uuid(value: UUID) -> UUID:
    """Return a UUID of the standard library: asyncpg's own subclass is not hashed like one."""
    return UUID(int=value.int)


def get_version(
    session: Session, person_id: PersonId, document_id: DocumentId, version: int | None
) -> SealedVersion:
    """Return a version of one person's document; the latest if none is named.

    Raises:
        NotFound: 404. No such document or version, another person's, or shredded.
    """
    query = _sealed_versions().where(
        documents.c.person_id == person_id,
        documents.c.document_id == document_id,
        document_versions.c.version == (documents.c.latest_version if version is None else version),
    )
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(document_id=str(document_id))
    return sealed_version(row)


def list_sealed_versions(session: Session, person_id: PersonId) -> list[SealedVersion]:
    """Return every version of every document of a person, documents together, latest first."""
    query = (
        _sealed_versions()
        .where(documents.c.person_id == person_id)
        .order_by(documents.c.document_id, document_versions.c.version.desc())
    )
    return [sealed_version(row) for row in session.execute(query).mappings()]


def list_rows(
    session: Session,
    person_id: PersonId,
    *,
    kinds: Sequence[DocumentKind] | None,
    document_id: DocumentId | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return the person's documents with their latest versions, newest first, titles sealed."""
    query = (
        select(
            documents,
            document_versions.c.version,
            document_versions.c.media_type,
            document_versions.c.ciphertext_length,
            document_versions.c.stored_at,
        )
        .join_from(documents, document_versions, _OF_ONE_DOCUMENT)
        .where(
            documents.c.person_id == person_id,
            document_versions.c.version == documents.c.latest_version,
        )
        .order_by(document_versions.c.stored_at.desc(), documents.c.document_id.desc())
        .limit(limit)
    )
    if kinds is not None:
        query = query.where(documents.c.kind.in_([kind.value for kind in kinds]))
    if document_id is not None:
        query = query.where(documents.c.document_id == document_id)
    return session.execute(query).all()


def list_version_rows(
    session: Session, person_id: PersonId, document_id: DocumentId
) -> Sequence[Row[Any]]:
    """Return every version of a document, latest first."""
    query: Select[Any] = (
        select(
            document_versions.c.version,
            document_versions.c.media_type,
            document_versions.c.ciphertext_length,
            document_versions.c.stored_at,
        )
        .where(
            document_versions.c.person_id == person_id,
            document_versions.c.document_id == document_id,
        )
        .order_by(document_versions.c.version.desc())
    )
    return session.execute(query).all()


def insert_document(
    session: Session,
    *,
    person_id: PersonId,
    document_id: DocumentId,
    kind: DocumentKind,
    source: AgencyId | None,
    title_sealed: bytes,
    at: datetime,
) -> None:
    """Insert a document that is about to get its first version."""
    session.execute(
        insert(documents).values(
            person_id=person_id,
            document_id=document_id,
            kind=kind.value,
            source=source,
            title_sealed=title_sealed,
            latest_version=1,
            created_at=at,
        )
    )


def next_version(
    session: Session,
    person_id: PersonId,
    document_id: DocumentId,
    *,
    kind: DocumentKind,
    source: AgencyId | None,
) -> int:
    """Raise the version of a document and return it.

    Raises:
        NotFound: 404. No such document of this person, kind and source.

    Transaction:
        One UPDATE … RETURNING: whoever stores a version at the same time waits for this one.
    """
    version: int | None = session.scalar(
        update(documents)
        .where(
            documents.c.person_id == person_id,
            documents.c.document_id == document_id,
            documents.c.kind == kind.value,
            documents.c.source.is_not_distinct_from(source),
        )
        .values(latest_version=documents.c.latest_version + 1)
        .returning(documents.c.latest_version)
    )
    if version is None:
        raise NotFound(document_id=str(document_id))
    return version


def insert_version(session: Session, values: Mapping[str, object]) -> None:
    """Insert a version."""
    session.execute(insert(document_versions).values(**values))


def delete_documents(
    session: Session, person_id: PersonId, document_id: DocumentId | None, *, at: datetime
) -> int:
    """Delete one document, or all of a person's, and return how many; their blobs become loose.

    Transaction:
        Locks the documents first, so that a version that is being stored is either deleted too or
        not stored.
    """
    chosen = documents.c.person_id == person_id
    of_versions = document_versions.c.person_id == person_id
    if document_id is not None:
        chosen &= documents.c.document_id == document_id
        of_versions &= document_versions.c.document_id == document_id
    session.execute(
        select(documents.c.document_id)
        .where(chosen)
        .order_by(documents.c.document_id)
        .with_for_update()
    )
    gone = (
        delete(document_versions)
        .where(of_versions)
        .returning(document_versions.c.blob_key)
        .cte("gone")
    )
    session.execute(
        insert(loose_blobs).from_select(
            ["blob_key", "due_at"], select(gone.c.blob_key, literal(at, loose_blobs.c.due_at.type))
        )
    )
    deleted = session.execute(delete(documents).where(chosen).returning(documents.c.document_id))
    return len(deleted.all())


# Loose blobs


def announce_blob(session: Session, blob_key: str, *, due_at: datetime) -> None:
    """Write down that a blob is about to exist that no version names."""
    session.execute(insert(loose_blobs).values(blob_key=blob_key, due_at=due_at))


def discard_blob(session: Session, blob_key: str, *, due_at: datetime) -> None:
    """Let the sweeper have a blob from `due_at` on."""
    session.execute(
        postgresql_insert(loose_blobs)
        .values(blob_key=blob_key, due_at=due_at)
        .on_conflict_do_update(index_elements=["blob_key"], set_={"due_at": due_at})
    )


def claim_blob(session: Session, blob_key: str) -> None:
    """Take a blob from the sweeper, because this transaction files it.

    Raises:
        UploadExpired: 409. The sweeper has had it.

    Transaction:
        One DELETE … RETURNING; waits for a sweeper that is at this very blob.
    """
    claimed = session.scalar(
        delete(loose_blobs)
        .where(loose_blobs.c.blob_key == blob_key)
        .returning(loose_blobs.c.blob_key)
    )
    if claimed is None:
        raise UploadExpired(blob_key=blob_key)


def lock_due_blobs(session: Session, *, at: datetime, limit: int) -> Sequence[str]:
    """Return keys of blobs that may be deleted now; they stay locked until the transaction ends."""
    return session.scalars(
        select(loose_blobs.c.blob_key)
        .where(loose_blobs.c.due_at <= at)
        .order_by(loose_blobs.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def forget_blobs(session: Session, blob_keys: Sequence[str]) -> None:
    """Remove blobs that were deleted from the sweeper's list."""
    session.execute(delete(loose_blobs).where(loose_blobs.c.blob_key.in_(blob_keys)))
