"""Answer questions in the ordinary lane: by name, by pseudonym, many at once; convert pseudonyms.

Who is meant, the access entries and the records are of one transaction. Only what came from a
transaction that committed is sent.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace
from sqlalchemy.orm import Session

from audit.api import NewEntry, record_accesses
from kernel.db import unit_of_work_of
from kernel.keyring import Keyring
from partner_api.agencies.asking import Asking
from partner_api.agencies.browsing import Counts
from partner_api.agencies.desk import TRIES, Desk, RightsKeepChanging, check_admitted
from partner_api.agencies.questions import Answer, Conversion, Converted, Matched, unmatched
from partner_api.agencies.statements import admit
from partner_api.events import PersonResolved, PseudonymConverted
from population_register.api import (
    Condition,
    Description,
    MandateMissing,
    Match,
    Nobody,
    Outcome,
    any_condition_holds,
    find_outcomes,
    given_fields,
    read_records,
    sector_pseudonym,
)

if TYPE_CHECKING:
    from kernel.ids import PersonId

T = TypeVar("T")


def admit_and(
    desk: Desk, asking: Asking, answer: Callable[[Session, Asking], T]
) -> tuple[Asking, T]:
    """Admit a request, and do what it asks; from a worker thread.

    Args:
        desk: Of this process.
        asking: Decided by what is remembered; decided anew where that has changed.
        answer: Does it.

    Returns:
        As it was decided in the end, and what came of it.

    Raises:
        InvalidToken: 401. The token or the client is good for nothing any more.
        InvalidResourceProof: 401. The proof was used before.
        OfficialUnproven: 403. The assertion is not good, or was used before.
        MandateMissing: 403. The legal basis gives nothing any more.

    Transaction:
        One. The assertion and the proof are spent with the answer: what is refused, or fails,
        spends nothing. Who brings the same at the same time waits until this is over.
    """
    statement = admit(has_agency=True, has_assertion=True)
    for _ in range(TRIES):
        with unit_of_work_of(desk.sessions) as session:
            row = statement.fetchrow_in(session, **asking.binds())
            assert row is not None  # it always answers
            if check_admitted(row):
                return asking, answer(session, asking)
        asking = desk.decide_anew(asking.call, asking.frame)
    raise RightsKeepChanging


def answer_one(desk: Desk, asking: Asking, description: Description) -> tuple[Asking, Answer]:
    """Admit a question and answer it; see `admit_and`."""

    def answer(session: Session, asking: Asking) -> Answer:
        (answered,) = answer_questions(session, desk.keyring, asking, [description])
        return answered

    return admit_and(desk, asking, answer)


def renewed(desk: Desk, asking: Asking) -> Asking:
    """Decide anew what may be given, between two parts of a long answer; from a worker thread.

    Raises:
        InsufficientScope: 403. The agency was closed.
        MandateMissing: 403. The mandate was revoked.
    """
    rights = desk.learn_now(asking.call.agency)
    mandated = rights.mandated(asking.frame.legal_basis, asking.call.at)
    fields = mandated.fields(asking.frame.fields)
    return replace(asking, rights=rights, mandated=mandated, fields=fields)


def answer_questions(
    session: Session, keyring: Keyring, asking: Asking, descriptions: Sequence[Description]
) -> list[Answer]:
    """Answer questions, in order.

    Who is considered and not meant has an access entry, too.
    """
    outcomes = find_outcomes(
        session,
        keyring,
        descriptions,
        sector=asking.sector,
        because=partial(asking.comparing, keyring),
    )
    return _answers(session, keyring, asking, outcomes)


def _answers(
    session: Session, keyring: Keyring, asking: Asking, outcomes: Sequence[Outcome]
) -> list[Answer]:
    pseudonyms = {
        each.person_id: sector_pseudonym(keyring, asking.sector, each.person_id)
        for each in outcomes
        if isinstance(each, Match)
    }
    # One entry for each question: who was asked about twice sees it twice.
    accesses: list[tuple[NewEntry, PersonId]] = [
        (
            asking.entry_about(
                keyring, each.person_id, action=PersonResolved.action, items=asking.fields
            ),
            each.person_id,
        )
        for each in outcomes
        if isinstance(each, Match)
    ]
    entries = record_accesses(session, accesses)
    records = read_records(session, keyring, entries)
    recorded = iter(entries)
    answers: list[Answer] = []
    for outcome in outcomes:
        if not isinstance(outcome, Match):
            answers.append(unmatched(outcome))
            continue
        entry = next(recorded)
        record = records.get(outcome.person_id)
        if record is None:
            answers.append(unmatched(Nobody()))
            continue
        given = given_fields(asking.mandated, asking.fields, record, asking.call.at)
        answers.append(
            Matched(pseudonym=pseudonyms[outcome.person_id], fields=given, entry_id=entry.entry_id)
        )
    return answers


def convert_pseudonym(desk: Desk, asking: Asking, conversion: Conversion) -> tuple[Asking, Answer]:
    """Admit a request, and tell a person's pseudonym in another sector; see `admit_and`.

    Returns:
        A match, or none: nobody, somebody whose data was destroyed, or somebody of whom the
        mandate's condition does not hold. The three look the same.

    Raises:
        MandateMissing: 403. The legal basis gives no pseudonym of that sector.
    """

    def answer(session: Session, asking: Asking) -> Answer:
        conditions = asking.mandated.pseudonym_of(conversion.to_sector)
        if not conditions:
            raise MandateMissing(reason="sector", agency=asking.call.agency)
        (outcome,) = find_outcomes(
            session,
            desk.keyring,
            [conversion.description],
            sector=asking.sector,
            because=partial(asking.comparing, desk.keyring),
        )
        if not isinstance(outcome, Match):
            return unmatched(outcome)
        if not _one_holds(session, desk.keyring, asking, conditions, outcome.person_id):
            return unmatched(Nobody())
        entry = asking.entry_about(
            desk.keyring,
            outcome.person_id,
            action=PseudonymConverted.action,
            items=(f"pseudonym:{conversion.to_sector}",),
        )
        (recorded,) = record_accesses(session, [(entry, outcome.person_id)])
        pseudonym = sector_pseudonym(desk.keyring, conversion.to_sector, outcome.person_id)
        return Converted(
            pseudonym=pseudonym, sector=conversion.to_sector, entry_id=recorded.entry_id
        )

    return admit_and(desk, asking, answer)


def _one_holds(
    session: Session,
    keyring: Keyring,
    asking: Asking,
    conditions: frozenset[Condition],
    person_id: "PersonId",
) -> bool:
    """Look whether one of a mandate's conditions holds of a person; the person sees the look."""
    if Condition.ALWAYS in conditions:
        return True
    entry = asking.comparing(keyring, person_id)
    records = read_records(session, keyring, record_accesses(session, [(entry, person_id)]))
    return person_id in records and any_condition_holds(conditions, records[person_id])


def counts_of(descriptions: Sequence[Description], answers: Sequence[Answer]) -> Counts:
    """Return how many questions of each kind there were, and how many met one person."""
    return sum(map(count_of, descriptions, answers), Counts())


def count_of(description: Description, answer: Answer) -> Counts:
    """Return the counts of one question."""
    return _COUNTS[description.is_by_name, isinstance(answer, Matched)]


_COUNTS = {
    (True, True): Counts(by_name=1, by_name_matched=1),
    (True, False): Counts(by_name=1),
    (False, True): Counts(by_number=1, by_number_matched=1),
    (False, False): Counts(by_number=1),
}
