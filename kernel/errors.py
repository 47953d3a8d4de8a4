"""Refusals: what every context raises when it understood a request and says no."""

from typing import ClassVar


class DomainError(Exception):
    """A request the service understood and refuses.

    Two readers, two fields. `detail` is sent to the caller; `context` goes to the log and
    is never sent. Anything raised that is not a `DomainError` is a defect: the caller gets
    a bare 500 and the log gets the traceback.

    Attributes:
        code: Stable, lower-case word; the only part a client may branch on.
        status: HTTP status.
        title: What happened, for a person, when the class has no better `detail`.
        keeps_writes: Whether the transaction is committed although the request is refused.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str] = ""
    keeps_writes: ClassVar[bool] = False

    def __init__(self, detail: str = "", /, **context: object) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.context = context

    @property
    def description(self) -> str:
        """`detail` in the characters that `error_description` may have.

        Source:
            RFC 6749, 4.1.2.1 and 5.2.
        """
        return "".join(
            character if " " <= character <= "~" and character not in '"\\' else "'"
            for character in self.detail
        )


class InvalidRequest(DomainError):
    """The request is malformed: a field is missing, repeated, or not of its form."""

    code = "invalid_request"
    status = 400
    title = "The request is malformed."


class NotFound(DomainError):
    """There is no such thing, or not for this caller: the two look the same."""

    code = "not_found"
    status = 404
    title = "There is nothing here, or it is not yours to see."


class Conflict(DomainError):
    """The thing is in a state in which this can't be done."""

    code = "conflict"
    status = 409
    title = "This can't be done in the present state."


class PayloadTooLarge(DomainError):
    """The body is larger than this address accepts."""

    code = "payload_too_large"
    status = 413
    title = "The body is larger than this address accepts."


class TooManyRequests(DomainError):
    """The caller asks more often than it may."""

    code = "too_many_requests"
    status = 429
    title = "Too many requests. Wait a little and try again."


class Undecryptable(DomainError):
    """A sealed value did not open. One failure, whatever went wrong; the reason is `context`."""

    code = "undecryptable"
    status = 500
    title = "A stored value could not be opened."
