"""Tell who signed a PDF, and whether it is still what they signed (PAdES, ETSI EN 319 142).

Three answers for each signature, and they are never mixed: it is of somebody we can name through an
authority that the institution trusts; it is whole, but nobody we trust vouches for the signer; it
is broken, and then nothing in it is worth telling.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from typing_extensions import Buffer

from kernel.errors import PayloadTooLarge
from vault.formats import PDF, recognise

# Both log the names in a certificate when its chain can't be built, and those may be a person's.
for _name in ("pyhanko", "pyhanko_certvalidator"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)

MAX_SIGNED_BYTES: Final = 32 << 20
"""A PDF is read whole to be verified; a larger one is not verified."""

MAX_SIGNATURES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Whom a signing certificate names.

    Attributes:
        name: Common name.
        organisation: Where the certificate names one.
        issuer: Common name of the authority that issued the certificate.
        serial_hex: The certificate's serial number, upper case.
        claimed_at: When the signer says it signed; nobody vouches for that.
    """

    name: str
    organisation: str | None
    issuer: str
    serial_hex: str
    claimed_at: datetime | None


@dataclass(frozen=True, slots=True)
class TrustedSignature:
    """The document is as it was signed, and a trusted authority vouches for the signer."""

    signer: Signer


@dataclass(frozen=True, slots=True)
class UntrustedSignature:
    """The document is as it was signed, by a key for which no trusted authority vouches."""

    signer: Signer


@dataclass(frozen=True, slots=True)
class BrokenSignature:
    """The document is not what was signed, or the signature can't be read at all."""

    reason: Literal["changed", "part_not_signed", "unreadable"]


Finding: TypeAlias = TrustedSignature | UntrustedSignature | BrokenSignature


@dataclass(frozen=True, slots=True)
class SignatureRoots:
    """The authorities whose word an institution takes, as DER or PEM certificates."""

    certificates: tuple[bytes, ...]

    @classmethod
    def load(cls, folder: Path) -> "SignatureRoots":
        """Read every `*.pem` of a folder; without the folder nobody is trusted."""
        paths = sorted(folder.glob("*.pem")) if folder.is_dir() else []
        return cls(tuple(path.read_bytes() for path in paths))


def verify_signatures(
    chunks: Iterable[Buffer], *, roots: SignatureRoots, at: datetime
) -> tuple[Finding, ...]:
    """Verify every signature of a document, in the order in which they were made.

    Blocks, and must not be called in a thread that runs an event loop.

    Args:
        chunks: The whole document, such as an `OpenedDocument`.
        roots: Whom to trust.
        at: The instant at which the certificates must have been valid: that of the storing, because
            then the signature was there. Revocation is not asked for: nothing is fetched.

    Returns:
        Nothing if the document is no PDF or is not signed.

    Raises:
        PayloadTooLarge: 413. The document is larger than `MAX_SIGNED_BYTES`.
    """
    document = bytearray()
    for chunk in chunks:
        document += memoryview(chunk)
        if len(document) > MAX_SIGNED_BYTES:
            raise PayloadTooLarge(limit=MAX_SIGNED_BYTES)
    if recognise(bytes(document[:16])) != PDF:
        return ()
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
