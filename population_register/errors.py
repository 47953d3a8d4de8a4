"""The refusals of the population register."""

from collections.abc import Sequence
from typing import Protocol

from kernel.errors import Conflict, DomainError, InvalidRequest, NotFound, TooManyRequests


class Problem(Protocol):
    """What is wrong with one field: `model.FieldProblem`."""

    @property
    def field(self) -> str:
        """Which field."""
        ...

    @property
    def reason(self) -> str:
        """Stable word."""
        ...

    @property
    def advice(self) -> str:
        """What to do about it."""
        ...


class ValueRefused(InvalidRequest):
    """A value is not of its form. Says what is wrong and what to do, never the value itself.

    Attributes:
        reason: Stable word: `check_digit`, `length`, `not_a_date` …; the agency's software may
            branch on it.
        advice: What the sender can do about it, in one sentence.
    """

    code = "value_refused"
    title = "A value is not of its form."

    def __init__(self, reason: str, advice: str, /, **context: object) -> None:
        super().__init__(advice, reason=reason, **context)
        self.reason = reason
        self.advice = advice


class UnknownAgency(NotFound):
    """No such agency is registered, or it was closed."""

    code = "unknown_agency"
    title = "No such agency is registered."


class MappingRefused(InvalidRequest):
    """An agency's schema mapping names something that does not exist."""

    code = "mapping_refused"
    title = "The schema mapping of the agency is not usable."


class FeedRefused(InvalidRequest):
    """A feed can't be read at all: not a single row of it was taken."""

    code = "feed_refused"
    title = "The feed can't be read."


class UnknownFeed(NotFound):
    """No such feed was ever begun."""

    code = "unknown_feed"
    title = "There is no such feed."


class RegisterBusy(Conflict):
    """Others change the same persons all the time; the same request succeeds a moment later."""

    code = "register_busy"
    title = "The register is busy with the same persons; try again."


class AlreadyDecided(Conflict):
    """The two are one person already, or the decision was undone already."""

    code = "already_decided"
    title = "This was decided already."


class SecondOfficialNeeded(Conflict):
    """Both persons have a confirmed account: two officials put them together, not one."""

    code = "second_official_needed"
    title = "Both have a confirmed account: a second official has to confirm."


class CaseTaken(Conflict):
    """Another clerk works on the case."""

    code = "case_taken"
    title = "Another clerk works on this case."


class CaseNotHeld(Conflict):
    """The case is not, or no longer, with the clerk who would decide it."""

    code = "case_not_held"
    title = "The case is not yours, or no longer: take it again."


class CommentRefused(InvalidRequest):
    """A decision has no comment, or one that can't be taken."""

    code = "comment_refused"
    title = "Say why, in at most 1000 characters."


class AgencyNotAsked(InvalidRequest):
    """An agency that has no record of either person knows nothing of them."""

    code = "agency_not_asked"
    title = "Only an agency that has a record of one of them can be asked."


class UnknownDecision(NotFound):
    """There is no such merge or ruling."""

    code = "unknown_decision"
    title = "There is no such decision."


class PersonUnknown(NotFound):
    """There is no such person, or the person's data was destroyed; the two look the same."""

    code = "person_unknown"
    title = "There is no such person."


class CountRefused(InvalidRequest):
    """A counting query or an extract asks for something that there is not."""

    code = "count_refused"
    title = "The query can't be answered."


class ExtractTellsTooMuch(Conflict):
    """Beside what the recipient has, an extract would tell of fewer people than was promised."""

    code = "extract_tells_too_much"
    title = "Beside an extract that the recipient has, this one would tell of too few people."


class BudgetSpent(DomainError):
    """A recipient's privacy budget does not cover the answer; nothing was taken from it."""

    code = "privacy_budget_spent"
    status = 403
    title = "What is left of the privacy budget does not cover this."


class UnknownRecipient(NotFound):
    """No such recipient of statistics is registered."""

    code = "unknown_recipient"
    title = "There is no such recipient."


class NoSnapshot(NotFound):
    """Nobody has counted the population yet."""

    code = "no_snapshot"
    title = "There is no snapshot yet: run `civitas statistics snapshot`."


class MandateRefused(InvalidRequest):
    """A mandate can't be given as it was written down."""

    code = "mandate_refused"
    title = "The mandate can't be given as it was written down."


class UnknownMandate(NotFound):
    """There is no such mandate, or it was revoked before."""

    code = "unknown_mandate"
    title = "There is no such mandate, or it was revoked before."


class MandateMissing(DomainError):
    """The agency has no mandate in force for the legal basis that it states."""

    code = "mandate_missing"
    status = 403
    title = "The agency has no mandate for this legal basis."


class UnknownWorkItem(NotFound):
    """There is no such item in the agency's work list."""

    code = "unknown_work_item"
    title = "There is no such item in the work list."


class WorkItemDone(Conflict):
    """An item of a work list was answered before, or what was found is no longer so."""

    code = "work_item_done"
    title = "This was answered before, or it is no longer so."


class AnswerRefused(InvalidRequest):
    """An answer to an item of a work list is not of its form."""

    code = "answer_refused"
    title = "An answer is `corrected` or `refused`, and a refusal has a reason."


class DisputeRefused(InvalidRequest):
    """What a person disputes, or their words, can't be taken.

    Attributes:
        field: Which part of the form is at fault: `words` or `suggested`.
    """

    code = "dispute_refused"
    title = "Say what is wrong, in at most 1000 characters."

    def __init__(self, detail: str = "", /, *, field: str = "words", **context: object) -> None:
        super().__init__(detail, field=field, **context)
        self.field = field


class ValueNotStated(NotFound):
    """No agency says such a value of the person, or not this one."""

    code = "value_not_stated"
    title = "No agency says this about you now."


class AlreadyDisputed(Conflict):
    """The person disputes the value already, and the agency has not answered yet."""

    code = "already_disputed"
    title = "You dispute this value already; the agency has not answered yet."


class TooManyDisputes(TooManyRequests):
    """A person has disputed as many values today as anybody may in a day."""

    code = "too_many_disputes"
    title = "You have disputed as many values today as one may in a day."


class VersionTaken(Conflict):
    """The version of the record was sent before with another content."""

    code = "version_taken"
    title = "This version was sent before with another content; number the new one higher."


class FieldsRefused(DomainError):
    """Fields of what an agency sent are not of their form, or do not fit together.

    Attributes:
        problems: Each with field, reason and advice; never the value itself.
    """

    code = "fields_refused"
    status = 422
    title = "Some fields are not as they have to be; each is listed."

    def __init__(self, problems: Sequence["Problem"], /) -> None:
        super().__init__(reasons=sorted({problem.reason for problem in problems}))
        self.problems = tuple(problems)

    @property
    def fields(self) -> list[dict[str, str]]:
        """Return the problems as members of `errors` in an RFC 9457 problem."""
        return [
            {"pointer": problem.field, "code": problem.reason, "detail": problem.advice}
            for problem in self.problems
        ]


class RecordRefused(FieldsRefused):
    """A source record did not pass format-and-logic control: nothing of it was taken."""

    code = "record_refused"
    title = "The record was not taken; every problem is listed with its field."


class QuestionRefused(FieldsRefused):
    """A question about a person can't be asked like this: nobody was looked for."""

    code = "question_refused"
    title = "Nobody was looked for; every problem is listed with its field."
