"""Recognise what a file is from its first bytes, and say which kinds of documents come as what.

A browser's claim about a file is not believed: what a partner receives as a DICOM image must be
one, and nothing that a browser would run is ever called anything but a download.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vault.errors import UnsuitableDocument
from vault.model import DocumentKind

HEAD_BYTES: Final = 132
"""How much of a file must be seen: DICOM's prefix stands behind a preamble of 128 bytes."""

UNKNOWN: Final = "application/octet-stream"
PDF: Final = "application/pdf"
DICOM: Final = "application/dicom"
JPEG: Final = "image/jpeg"
PNG: Final = "image/png"
TIFF: Final = "image/tiff"

_DICOM_PREAMBLE: Final = 128

_MAGIC: Final = (
    (0, b"%PDF-", PDF),  # ISO 32000-2, 7.5.2
    (_DICOM_PREAMBLE, b"DICM", DICOM),  # DICOM PS3.10, 7.1
    (0, b"\xff\xd8\xff", JPEG),
    (0, b"\x89PNG\r\n\x1a\n", PNG),
    (0, b"II*\x00", TIFF),
    (0, b"MM\x00*", TIFF),
)

_SCANS: Final = frozenset({PDF, JPEG, PNG, TIFF})

ACCEPTED: Final[Mapping[DocumentKind, frozenset[str]]] = MappingProxyType(
    {
        DocumentKind.PASSPORT_SCAN: _SCANS,
        DocumentKind.INCOME_CERTIFICATE: frozenset({PDF}),
        DocumentKind.CT_SCAN: frozenset({DICOM}),
        DocumentKind.MEDICAL_REPORT: _SCANS | {DICOM},
        DocumentKind.OTHER: _SCANS | {DICOM, UNKNOWN},
    }
)

EXTENSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {PDF: ".pdf", DICOM: ".dcm", JPEG: ".jpg", PNG: ".png", TIFF: ".tif"}
)
"""What a downloaded file's name ends in; nothing for what we do not know."""


def recognise(head: bytes) -> str:
    """Return the media type of a file that begins with `head`.

    Args:
        head: The first `HEAD_BYTES`, or the whole file if it is shorter.
    """
    for offset, magic, media_type in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return media_type
    return UNKNOWN


def check_suitable(kind: DocumentKind, head: bytes) -> str:
    """Return the media type of a document of `kind` that begins with `head`.

    Raises:
        UnsuitableDocument: 400. The file is empty, or not of a format for this kind.
    """
    if not head:
        raise UnsuitableDocument("The file is empty.")
    media_type = recognise(head)
    if media_type not in ACCEPTED[kind]:
        names = ", ".join(sorted(EXTENSIONS[each].lstrip(".") for each in ACCEPTED[kind]))
        raise UnsuitableDocument(
            f"A document of this kind is a file of one of these formats: {names}.",
            recognised=media_type,
        )
    return media_type
