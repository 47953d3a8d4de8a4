"""What other contexts may call. Nothing here opens a document without its access entry.

A person's upload: `read_upload`, then in `Upload.consume` a thread that calls `receive_document`
and `file_document`. Anything smaller, from a source that does not wait: `store_document`.

A download: `get_version` in the ordinary lane or `document_version` in a composed statement of the
hot lane, then `open_document` (in a thread if the caller is a coroutine), then `document_response`.
"""

from vault.errors import (
    MalformedUpload,
    RangeNotSatisfiable,
    StorageUnavailable,
    UnsuitableDocument,
    UploadExpired,
    UploadStalled,
)
from vault.formats import PDF
from vault.model import (
    Document,
    DocumentKind,
    DocumentVersion,
    ReceivedDocument,
    SealedVersion,
    parse_kind,
)
from vault.ranges import ByteRange
from vault.service.deleting import delete_document, shred_person
from vault.service.exporting import EXPORTED_ITEMS, Export, export_documents
from vault.service.filing import file_document, file_version, store_document
from vault.service.listing import get_document, list_documents
from vault.service.opening import OpenedDocument, get_version, open_document
from vault.service.receiving import receive_document
from vault.service.verifying import MAX_SIGNED_BYTES, verify_signatures
from vault.signatures import (
    BrokenSignature,
    Finding,
    SignatureRoots,
    Signer,
    TrustedSignature,
    UntrustedSignature,
)
from vault.store import (
    document_version,
    lock_documents,
    sealed_version,
    unlock_documents,
)
from vault.transfer import Upload, asked_range, document_response, read_upload

__all__ = [
    "EXPORTED_ITEMS",
    "MAX_SIGNED_BYTES",
    "PDF",
    "BrokenSignature",
    "ByteRange",
    "Document",
    "DocumentKind",
    "DocumentVersion",
    "Export",
    "Finding",
    "MalformedUpload",
    "OpenedDocument",
    "RangeNotSatisfiable",
    "ReceivedDocument",
    "SealedVersion",
    "SignatureRoots",
    "Signer",
    "StorageUnavailable",
    "TrustedSignature",
    "UnsuitableDocument",
    "UntrustedSignature",
    "Upload",
    "UploadExpired",
    "UploadStalled",
    "asked_range",
    "delete_document",
    "document_response",
    "document_version",
    "export_documents",
    "file_document",
    "file_version",
    "get_document",
    "get_version",
    "list_documents",
    "lock_documents",
    "open_document",
    "parse_kind",
    "read_upload",
    "receive_document",
    "sealed_version",
    "shred_person",
    "store_document",
    "unlock_documents",
    "verify_signatures",
]
