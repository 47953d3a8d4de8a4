"""The refusals of the vault."""

from kernel.errors import Conflict, DomainError, InvalidRequest


class UnsuitableDocument(InvalidRequest):
    """The file is not of a format in which documents of this kind come, or it is empty."""

    code = "unsuitable_document"
    title = "The file is not of a format that fits this kind of document."


class MalformedUpload(InvalidRequest):
    """The body is not a form with one file at its end (RFC 7578)."""

    code = "malformed_upload"
    title = "The form with the file is malformed or incomplete."


class UploadStalled(DomainError):
    """The sender sent next to nothing for minutes (RFC 9110, 15.5.9)."""

    code = "upload_stalled"
    status = 408
    title = "The upload stopped. Please send the file again."


class UploadExpired(Conflict):
    """The file was received too long ago: its blob was swept, or is about to be."""

    code = "upload_expired"
    title = "The upload took too long and was discarded. Please send the file again."


class RangeNotSatisfiable(DomainError):
    """The asked range lies outside of the document (RFC 9110, 15.5.17)."""

    code = "range_not_satisfiable"
    status = 416
    title = "The document is shorter than the range that was asked for."

    def __init__(self, *, length: int) -> None:
        super().__init__(length=length)
        self.length = length
        self.headers = {"Content-Range": f"bytes */{length}"}


class StorageUnavailable(DomainError):
    """The blob store can't be written or read at the moment: full, down, or not allowed."""

    code = "storage_unavailable"
    status = 503
    title = "Documents can't be stored or read at the moment. Please try again later."
