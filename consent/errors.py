"""The refusals of consent."""

from kernel.errors import DomainError, InvalidRequest


class InvalidDisclosure(InvalidRequest):
    """A request for items is malformed or asks for more than its purpose allows (RFC 9396, 5)."""

    code = "invalid_disclosure"
    title = "The request for data is not one that a person may be asked."


class ConsentAlreadyEnded(DomainError):
    """A consent that has ended already can't be ended in another way."""

    code = "consent_ended"
    status = 409
    title = "This consent has already ended."


class ConsentNotAuthentic(DomainError):
    """A stored consent is not what its signature says: the row was changed, or was never given."""

    code = "consent_not_authentic"
    status = 500
    title = "A stored consent does not agree with its signature."
