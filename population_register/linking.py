"""Who is this record about? Deciding code: evidence in; link, new person, or ask a human out.

A national number is evidence, not a key: people share numbers, and clerks mistype them. So a number
only names candidates; birth date and names must agree before a record is linked. What is compared
comes in as agreement per field, computed on keyed digests: nobody's data is opened to decide.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from kernel.ids import PersonId
from population_register.identifiers import IdentifierKind
from population_register.model import LinkOutcome


class Agreement(StrEnum):
    """What comparing one field of two records gave."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNKNOWN = "unknown"  # one of the two does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A person who shares at least one identifier with the record, and how the rest compares."""

    person_id: PersonId
    identifiers: frozenset[IdentifierKind]
    birthdate: Agreement
    family_name: Agreement
    given_name: Agreement

    def evidence(self) -> dict[str, object]:
        """Return the evidence as it is kept with the decision: which fields, never their values."""
        return {
            "person_id": str(self.person_id),
            "identifiers": sorted(self.identifiers),
            "birthdate": self.birthdate.value,
            "family_name": self.family_name.value,
            "given_name": self.given_name.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDecision:
    """What was decided, about whom, and all that was weighed.

    `person_id` is set for `LINKED` only. `ASK` makes a person of their own for the time being, so
    that nothing is lost while the question is open; `candidates` are whom it may be.
    """

    outcome: LinkOutcome
    person_id: PersonId | None
    candidates: tuple[Candidate, ...]


def weigh(candidate: Candidate) -> LinkOutcome:
    """Decide about one candidate alone.

    | birth date | names | outcome |
    | --- | --- | --- |
    | agrees | one agrees, or none is known | linked |
    | agrees | differ | ask: twins, a changed name, or a shared number |
    | unknown | both agree, or neither is known and two numbers agree | linked |
    | unknown | else, unless both differ | ask |
    | differs | both agree | ask: a typing error, or father and son |
    | differs, unknown | differ | new: a number that belongs to several people |
    """
    names = (candidate.family_name, candidate.given_name)
    agreeing = names.count(Agreement.AGREES)
    differing = names.count(Agreement.DIFFERS)
    match candidate.birthdate:
        case Agreement.AGREES:
            is_same = agreeing > 0 or differing == 0
            return LinkOutcome.LINKED if is_same else LinkOutcome.ASK
        case Agreement.UNKNOWN:
            if agreeing == len(names) or (
                differing == agreeing == 0 and len(candidate.identifiers) > 1
            ):
                return LinkOutcome.LINKED
            return LinkOutcome.NEW if differing == len(names) else LinkOutcome.ASK
        case Agreement.DIFFERS:
            return LinkOutcome.ASK if agreeing == len(names) else LinkOutcome.NEW


def decide_link(candidates: Iterable[Candidate]) -> LinkDecision:
    """Decide who a record is about.

    Args:
        candidates: Every person who shares an identifier with the record, in any order.

    Returns:
        `LINKED` when exactly one candidate passes; `ASK` when several pass, or none passes and at
        least one may be the same; `NEW` otherwise.
    """
    weighed = sorted(candidates, key=lambda candidate: candidate.person_id)
    outcomes = [weigh(candidate) for candidate in weighed]
    if outcomes.count(LinkOutcome.LINKED) == 1:
        person_id = weighed[outcomes.index(LinkOutcome.LINKED)].person_id
        return LinkDecision(
            outcome=LinkOutcome.LINKED, person_id=person_id, candidates=tuple(weighed)
        )
    is_open = any(outcome is not LinkOutcome.NEW for outcome in outcomes)
    return LinkDecision(
        outcome=LinkOutcome.ASK if is_open else LinkOutcome.NEW,
        person_id=None,
        candidates=tuple(weighed),
    )
