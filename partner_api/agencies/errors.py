"""The refusals of what agencies call."""

from kernel.errors import DomainError, InvalidRequest


class OfficialUnproven(DomainError):
    """Which official asks is not proven: the assertion is missing, expired, used, or not theirs.

    What is wrong with one that an official's key has signed is told; of any other, nothing: the
    reason is in the log.
    """

    code = "official_unproven"
    status = 403
    title = "The request does not prove which official of the agency asks."


class UnacceptableOfficialKey(InvalidRequest):
    """A key can't verify officials' assertions."""

    code = "unacceptable_official_key"
    title = "An official-signing key is a public JWK with a kid, of a type that we verify with."


class TooManyQuestions(InvalidRequest):
    """A batch has more questions than one call may have."""

    code = "too_many_questions"
    title = "A batch has at most 10,000 questions; send the rest in another."
