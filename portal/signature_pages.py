"""Who signed a document of the person, and what that is worth: looked at when it is asked for."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from kernel.db import unit_of_work_of
from kernel.ids import DocumentId
from kernel.languages import _
from kernel.pages import render
from portal.service.documents import read_whole_document
from portal.visits import CurrentVisit
from vault.api import (
    MAX_SIGNED_BYTES,
    BrokenSignature,
    Finding,
    SignatureRoots,
    Signer,
    TrustedSignature,
    verify_signatures,
)

router = APIRouter(include_in_schema=False)

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureView:
    """One signature as it is shown.

    Attributes:
        state: What it is worth, in a word or two.
        colour: Of the state.
        meaning: What that means, in a sentence.
        signer: Whom the certificate names; None where the signature is broken.
    """

    state: str
    colour: Literal["green", "yellow", "red"]
    meaning: str
    signer: Signer | None

    @property
    def claimed_at(self) -> datetime | None:
        """When the signer says it signed."""
        return None if self.signer is None else self.signer.claimed_at


_BROKEN: Final = {
    "changed": _("The document was changed after it was signed. The signature proves nothing."),
    "part_not_signed": _(
        "A part of the document is not covered by the signature. It proves nothing about that part."
    ),
    "unreadable": _("The signature can't be read. It proves nothing."),
}


def signature_view(finding: Finding) -> SignatureView:
    """Say what was found of a signature."""
    if isinstance(finding, BrokenSignature):
        return SignatureView(
            state=_("Not valid"), colour="red", meaning=_BROKEN[finding.reason], signer=None
        )
    if isinstance(finding, TrustedSignature):
        return SignatureView(
            state=_("Valid"),
            colour="green",
            meaning=_(
                "The document is as it was signed, and an authority that we trust vouches for the "
                "signer."
            ),
            signer=finding.signer,
        )
    return SignatureView(
        state=_("Signer not confirmed"),
        colour="yellow",
        meaning=_(
            "The document is as it was signed, but no authority that we trust vouches for the "
            "signer. Anybody can make a signature in this name."
        ),
        signer=finding.signer,
    )


@router.get("/account/documents/{document_id:uuid}/signatures")
def show_signatures(request: Request, visit: CurrentVisit, document_id: UUID) -> Response:
    """Show who signed a document. The look is an entry in the log before the document is read."""
    state = request.app.state
    with unit_of_work_of(state.sessions) as session:
        opened, document = read_whole_document(
            session, state.keyring, state.blobs, visit, DocumentId(document_id)
        )
    is_too_large = document.length > MAX_SIGNED_BYTES
    found: Sequence[Finding] = ()
    if document.is_pdf and not is_too_large:
        roots = SignatureRoots.load(state.settings.signature_roots_path)
        found = verify_signatures(opened, roots=roots, at=document.stored_at)
    return render(
        request,
        "portal/signatures.html",
        section="documents",
        document=document,
        is_too_large=is_too_large,
        signatures=[signature_view(finding) for finding in found],
    )
