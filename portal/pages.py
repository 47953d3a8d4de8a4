"""Pages of a person's own account: data, documents, consents, access log, sign-ins.

Everything here is the signed-in person's; somebody else's object is the same 404 as none.
"""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

import orjson
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from consent.api import issue_receipt, withdraw
from idp.api import CurrentPerson, end_session, leave, list_sessions, provider_of, unlink_upstream
from kernel.db import UnitOfWork
from kernel.errors import DomainError
from kernel.form_guard import FIELD, FormFromOurPage
from kernel.ids import ConsentId, DocumentId, EntryId, SessionId
from kernel.languages import _
from kernel.pages import PagePart, RefusalText, language_of, render, see_other
from population_register.api import DisputeRefused
from portal import desk_pages, desk_queue_pages, dispute_pages, signature_pages
from portal.service.access_log import find_proof, view_log
from portal.service.consents import find_consent, view_consents, view_live_consent
from portal.service.documents import (
    erase_document,
    export_all,
    kind_label,
    read_document,
    store_document,
    view_document,
    view_documents,
)
from portal.service.record import view_children, view_record
from portal.service.visiting import Visit
from portal.upstreams import view_upstreams
from portal.visits import CurrentVisit, find_visit
from vault.api import (
    DocumentKind,
    MalformedUpload,
    UnsuitableDocument,
    document_response,
    read_upload,
)

router = APIRouter(include_in_schema=False)
router.include_router(dispute_pages.router)
router.include_router(desk_queue_pages.router)
router.include_router(desk_pages.router)
router.include_router(signature_pages.router)

_ONE_FORM = [FormFromOurPage]


@router.get("/")
def start() -> Response:
    """Go to the account: there is nothing else at the front door."""
    return see_other("/account")


@router.get("/account")
def show_record(request: Request, session: UnitOfWork, visit: CurrentVisit) -> Response:
    """Show what the state knows about the person."""
    keyring = request.app.state.keyring
    groups = view_record(session, keyring, visit)
    children = view_children(session, keyring, visit)
    return render(
        request, "portal/overview.html", section="overview", groups=groups, children=children
    )


@router.get("/account/documents")
def show_documents(request: Request, session: UnitOfWork, visit: CurrentVisit) -> Response:
    """List the person's documents."""
    documents = view_documents(session, request.app.state.keyring, visit)
    return render(
        request,
        "portal/documents.html",
        section="documents",
        documents=documents,
        parts=len(visit.members),
    )


@router.get("/account/documents/export")
def export_documents(
    request: Request,
    session: UnitOfWork,
    visit: CurrentVisit,
    part: Annotated[int, Query(ge=1, le=1000)] = 1,
) -> Response:
    """Send all documents as one ZIP file."""
    state = request.app.state
    export = export_all(session, state.keyring, state.blobs, visit, part=part)
    return StreamingResponse(
        export,
        media_type="application/zip",
        headers={
            "Content-Disposition": 'attachment; filename="civitas-documents.zip"',
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.get("/account/documents/new")
def show_new_document(request: Request, visit: CurrentVisit) -> Response:
    """Ask for a document."""
    return _new_document_page(request, visit)


@router.post("/account/documents/new")
async def take_document(request: Request) -> Response:
    """Take a document; it is sealed while it arrives, and no transaction waits for it."""
    visit = await to_thread.run_sync(find_visit, request)
    state = request.app.state
    limit: int = state.settings.document_limit_bytes
    upload = await read_upload(request, limit=limit)
    state.pages.guard.check(request, upload.fields.get(FIELD, ""))
    title = upload.fields.get("title", "").strip() or upload.filename
    kind = upload.fields.get("kind", "")
    request.state.typed_title = title
    await upload.consume(
        lambda chunks: store_document(
            state.sessions, state.keyring, state.blobs, visit, chunks,
            kind=kind, title=title, limit=limit,
        )
    )  # fmt: skip
    return see_other("/account/documents")


@router.get("/account/documents/{document_id:uuid}/content")
def download_document(
    request: Request, session: UnitOfWork, visit: CurrentVisit, document_id: UUID
) -> Response:
    """Send a document, or the asked part of it."""
    state = request.app.state
    opened, title = read_document(
        session, state.keyring, state.blobs, visit, DocumentId(document_id), request=request
    )
    return document_response(opened, title=title)


@router.get("/account/documents/{document_id:uuid}/delete")
def show_delete_document(
    request: Request, session: UnitOfWork, visit: CurrentVisit, document_id: UUID
) -> Response:
    """Ask whether to delete a document."""
    keyring = request.app.state.keyring
    document = view_document(session, keyring, visit, DocumentId(document_id))
    return render(request, "portal/document_delete.html", section="documents", document=document)


@router.post("/account/documents/{document_id:uuid}/delete", dependencies=_ONE_FORM)
def delete_document(
    request: Request, session: UnitOfWork, visit: CurrentVisit, document_id: UUID
) -> Response:
    """Delete a document for ever."""
    keyring = request.app.state.keyring
    erase_document(session, keyring, visit, DocumentId(document_id))
    return see_other("/account/documents")


@router.get("/account/consents")
def show_consents(
    request: Request, session: UnitOfWork, visit: CurrentVisit, withdrawn: str = ""
) -> Response:
    """Show what the person allowed, and what they took back a moment ago."""
    live, ended = view_consents(session, visit)
    taken_back = [view.partner_name for view in ended if str(view.consent_id) == withdrawn]
    return render(
        request,
        "portal/consents.html",
        section="consents",
        live=live,
        ended=ended,
        withdrawn_from=taken_back[0] if taken_back else "",
    )


@router.get("/account/consents/{consent_id:uuid}/withdraw")
def show_withdraw(
    request: Request, session: UnitOfWork, visit: CurrentVisit, consent_id: UUID
) -> Response:
    """Ask whether to withdraw a consent."""
    record = find_consent(session, visit, ConsentId(consent_id))
    consent = view_live_consent(visit, record)
    return render(request, "portal/consent_withdraw.html", section="consents", consent=consent)


@router.post("/account/consents/{consent_id:uuid}/withdraw", dependencies=_ONE_FORM)
def withdraw_consent(session: UnitOfWork, visit: CurrentVisit, consent_id: UUID) -> Response:
    """Withdraw a consent: the next read that begins after this answer is refused."""
    given = find_consent(session, visit, ConsentId(consent_id))
    record = withdraw(session, given.person_id, given.consent_id, at=visit.at)
    return see_other(f"/account/consents?withdrawn={record.consent_id}")


@router.get("/account/consents/{consent_id:uuid}/receipt")
def download_receipt(
    request: Request, session: UnitOfWork, visit: CurrentVisit, consent_id: UUID
) -> Response:
    """Send the signed receipt of a consent."""
    signing = request.app.state.signing
    given = find_consent(session, visit, ConsentId(consent_id))
    receipt = issue_receipt(session, signing, given.person_id, given.consent_id, at=visit.at)
    return _file(receipt, f"consent-{consent_id}.json")


@router.get("/account/log")
def show_log(
    request: Request,
    session: UnitOfWork,
    visit: CurrentVisit,
    before: Annotated[UUID | None, Query()] = None,
) -> Response:
    """Show who looked at the person's data, a page at a time."""
    keyring = request.app.state.keyring
    page = view_log(session, keyring, visit, before=None if before is None else EntryId(before))
    older = page.next_before
    return render(
        request,
        "portal/log.html",
        section="log",
        entries=page.entries,
        older_href=f"/account/log?before={older}" if older else "",
        is_older_page=before is not None,
    )


@router.get("/account/log/{entry_id:uuid}/proof")
def download_proof(session: UnitOfWork, visit: CurrentVisit, entry_id: UUID) -> Response:
    """Send the proof that an entry is in the log."""
    proof = find_proof(session, visit, EntryId(entry_id))
    return _file(proof.as_json(), f"entry-{entry_id}.json")


@router.get("/account/sessions")
def show_sessions(request: Request, session: UnitOfWork, person: CurrentPerson) -> Response:
    """Show where the person is signed in."""
    sessions = list_sessions(
        session,
        person.person_id,
        policy=provider_of(request).policy,
        at=request.app.state.clock.now(),
    )
    return render(
        request,
        "portal/sessions.html",
        section="sessions",
        sessions=sessions,
        current_id=person.session_id,
    )


@router.get("/account/upstreams")
def show_upstreams(request: Request, session: UnitOfWork, person: CurrentPerson) -> Response:
    """Show which accounts of regional systems open the person's account."""
    view = view_upstreams(session, person, language=language_of(request))
    return render(
        request,
        "portal/upstreams.html",
        section="sessions",
        links=view.links,
        offers=view.offers,
        can_disconnect=view.can_disconnect,
    )


@router.post("/account/upstreams/{upstream_id}/disconnect", dependencies=_ONE_FORM)
def disconnect_upstream(
    request: Request, session: UnitOfWork, person: CurrentPerson, upstream_id: str
) -> Response:
    """Let an account of a regional system open the person's account no more."""
    at = request.app.state.clock.now()
    unlink_upstream(session, provider_of(request), person, upstream_id, at=at)
    return see_other("/account/upstreams")


@router.post("/account/sessions/{session_id:uuid}/end", dependencies=_ONE_FORM)
def end_one_session(
    request: Request, session: UnitOfWork, person: CurrentPerson, session_id: UUID
) -> Response:
    """End a session of the person, this one or another; the sites that know it are told."""
    known_to = end_session(
        session, person.person_id, SessionId(session_id), at=request.app.state.clock.now()
    )
    if session_id == person.session_id:
        return leave(request, session, known_to, then=None)
    return see_other("/account/sessions")


def _new_document_page(
    request: Request,
    visit: Visit,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    kinds = [
        {"value": kind.value, "text": kind_label(kind, visit.language)} for kind in DocumentKind
    ]
    return render(
        request,
        "portal/document_new.html",
        status=status,
        headers=headers,
        section="documents",
        kinds=kinds,
        title=getattr(request.state, "typed_title", ""),
        limit=request.app.state.settings.document_limit_bytes,
        errors=errors or {},
    )


def _show_unsuitable(
    request: Request, refusal: DomainError, headers: Mapping[str, str]
) -> Response:
    """Show the form again: the file, or the form itself, was not what we take."""
    sentence = (
        _("Choose a file")
        if isinstance(refusal, MalformedUpload)
        else _("This file is empty, or it is not of a format for this kind of document")
    )
    return _new_document_page(
        request, find_visit(request), status=refusal.status, headers=headers,
        errors={"file": sentence},
    )  # fmt: skip


def _file(content: Mapping[str, object], name: str) -> Response:
    return Response(
        orjson.dumps(content, option=orjson.OPT_INDENT_2),
        media_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
        },
    )


PART = PagePart(
    package="portal",
    texts={
        **dispute_pages.TEXTS,
        **desk_pages.TEXTS,
        "entry_not_in_tree_yet": RefusalText(
            heading=_("The proof is not ready yet"),
            advice=_("The entry is written down. Its proof will be ready in a few seconds."),
        ),
        "consent_ended": RefusalText(
            heading=_("This consent has already ended"),
            advice=_("Nobody can read anything under it. There is nothing to withdraw."),
        ),
        "storage_unavailable": RefusalText(
            heading=_("Documents can't be opened or stored at the moment"),
            advice=_("Nothing was changed. Try again in a few minutes."),
        ),
    },
    refusal_pages={
        UnsuitableDocument: _show_unsuitable,
        MalformedUpload: _show_unsuitable,
        DisputeRefused: dispute_pages.show_refused_dispute,
        **desk_pages.REFUSAL_PAGES,
    },
)
