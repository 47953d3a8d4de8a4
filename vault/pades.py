"""What pyHanko finds in a signed PDF, as our findings."""

import logging
from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from typing_extensions import Buffer

from vault.signatures import (
    BrokenSignature,
    Finding,
    SignatureRoots,
    Signer,
    TrustedSignature,
    UntrustedSignature,
)

# Both log the names in a certificate when its chain can't be built, and those may be a person's.
for _name in ("pyhanko", "pyhanko_certvalidator"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)

MAX_SIGNATURES: Final = 16


def verify(document: Buffer, *, roots: SignatureRoots, at: datetime) -> tuple[Finding, ...]:
    """Verify every signature of a PDF; see `vault.service.verifying`."""
    try:
        signatures = PdfFileReader(BytesIO(document)).embedded_regular_signatures
    except Exception:  # noqa: BLE001  # a hostile PDF makes a parser raise anything at all
        return (BrokenSignature("unreadable"),)
    return tuple(_verify(signature, roots, at) for signature in signatures[:MAX_SIGNATURES])


def _verify(signature: Any, roots: SignatureRoots, at: datetime) -> Finding:  # noqa: ANN401
    trusted = [each for root in roots.certificates for each in load_certs_from_pemder_data(root)]
    context = ValidationContext(trust_roots=trusted, allow_fetching=False, moment=at)
    try:
        status = validate_pdf_signature(signature, signer_validation_context=context)
        signer = _signer(status)
    except Exception:  # noqa: BLE001  # as above, and CMS or certificates that are no such thing
        return BrokenSignature("unreadable")
    if not (status.intact and status.valid):
        return BrokenSignature("changed")
    coverage = status.coverage or SignatureCoverageLevel.UNCLEAR
    if coverage < SignatureCoverageLevel.ENTIRE_REVISION:
        return BrokenSignature("part_not_signed")
    if coverage < SignatureCoverageLevel.ENTIRE_FILE:
        if not status.docmdp_ok:
            return BrokenSignature("changed")  # by an addition that a signed document forbids
        if signature.signed_revision == signature.reader.total_revisions - 1:
            return BrokenSignature("part_not_signed")  # a tail that belongs to no revision
    return TrustedSignature(signer) if status.bottom_line else UntrustedSignature(signer)


def _signer(status: PdfSignatureStatus) -> Signer:
    certificate = status.signing_cert
    subject, issuer = certificate.subject.native, certificate.issuer.native
    return Signer(
        name=_first(subject, "common_name") or "—",
        organisation=_first(subject, "organization_name"),
        issuer=_first(issuer, "common_name") or "—",
        serial_hex=f"{certificate.serial_number:X}",
        claimed_at=status.signer_reported_dt,
    )


def _first(name: Mapping[str, Any], attribute: str) -> str | None:
    """Return an attribute of a distinguished name; the first if there are several."""
    value = name.get(attribute)
    if isinstance(value, list):
        value = value[0] if value else None
    return None if value is None else str(value)
