"""The ordinary lane of the partner API: documents."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from partner_api.attempt import Attempt
from partner_api.document_ids import internal_id
from partner_api.events import DocumentRead, DocumentsListed
from partner_api.reader import PATH, reader_of
from partner_api.schemas import SharedDocuments
from partner_api.selection import select_documents
from partner_api.service.documents import list_shared, permit_document
from vault.api import asked_range, document_response, open_document

router = APIRouter(prefix=PATH, tags=["partner"])


async def begin_listing(request: Request) -> Attempt:
    """Verify the token; see `Reader.begin`."""
    attempt, _ = await reader_of(request).begin(
        request, selecting=select_documents, action=DocumentsListed.action
    )
    return attempt


async def begin_reading(request: Request) -> Attempt:
    """Verify the token; see `Reader.begin`."""
    attempt, _ = await reader_of(request).begin(
        request, selecting=select_documents, action=DocumentRead.action
    )
    return attempt


@router.get("/documents")
def documents(
    request: Request, response: Response, attempt: Annotated[Attempt, Depends(begin_listing)]
) -> SharedDocuments:
    """List the documents that the person's consent lets this client read."""
    reader = reader_of(request)
    response.headers["Cache-Control"] = "no-store"
    shared = list_shared(reader.sessions, reader.keyring, attempt)
    return SharedDocuments(purpose=attempt.selection.purpose, documents=list(shared))


@router.get("/documents/{document_id}", response_class=Response)
def document(
    request: Request, document_id: str, attempt: Annotated[Attempt, Depends(begin_reading)]
) -> Response:
    """Read one document, or with `Range` a part of it; streamed."""
    reader = reader_of(request)
    ours = internal_id(reader.keyring, attempt.token.client_id, document_id)
    permitted = permit_document(reader.sessions, reader.keyring, attempt, ours)
    asked = asked_range(request, permitted.sealed)
    blobs = request.app.state.blobs
    opened = open_document(reader.keyring, permitted.entry, permitted.sealed, blobs, asked)
    return document_response(opened, title=permitted.title)
