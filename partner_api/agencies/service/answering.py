"""Answer questions in the ordinary lane: by name, by pseudonym, many at once; convert pseudonyms.

Who is meant, the access entries and the records are of one transaction. Only what came from a
transaction that committed is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from msgspec import structs
from sqlalchemy.orm import Session

from audit.api import Actor, NewEntry, record_accesses
from kernel.db import unit_of_work_of
from kernel.ids import EntryId, PersonId, new_id
from kernel.keyring import Keyring
from partner_api.agencies.browsing import Counts
from partner_api.agencies.desk import Call, Desk, Rights
from partner_api.agencies.official import Official
from partner_api.agencies.questions import (
    Answer,
    Conversion,
    Converted,
    Frame,
    Matched,
    matched,
    unmatched,
)
from partner_api.agencies.subjects import entry_subject
from partner_api.events import PersonConsidered, PersonResolved, PseudonymConverted
from population_register.api import (
    Description,
    Mandated,
    MandateMissing,
    Match,
    Nobody,
    Outcome,
    find_outcomes,
    given_fields,
    read_records,
    sector_pseudonym,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who asks, on what ground, and what they may get.

    Attributes:
        mandated: Of the frame's legal basis, decided from rights that the admission found current.
    """

    call: Call
    official: Official
    frame: Frame
    rights: Rights
    mandated: Mandated

    @property
    def fields(self) -> tuple[str, ...]:
        """The values that are asked for and may be given."""
        return self.mandated.fields(self.frame.fields)

    @property
    def sector(self) -> str:
        """The sector in which the agency knows people."""
        return self.rights.of.agency.pseudonym_sector

    def entry(self, subject: str, *, action: str, items: tuple[str, ...]) -> NewEntry:
        """Return the access entry of an answer about a person.

        Args:
            subject: Of `entry_subject`; empty, if a statement fills it in.
            action: What was done.
            items: What was asked for and may be given.
        """
        call = self.call
        return NewEntry(
            entry_id=EntryId(new_id(call.at)),
            action=action,
            outcome="allowed",
            actor=Actor(kind="agency", id=call.agency, official=self.official.official_id),
            subject=subject,
            occurred_at=call.at,
            purpose=self.frame.legal_basis,
            items=items,
            client_id=call.token.client_id,
            request_id=call.request_id,
            stated_purpose=self.frame.purpose,
        )

    def entry_about(
        self, keyring: Keyring, person_id: PersonId, *, action: str, items: tuple[str, ...]
    ) -> NewEntry:
        """Return the access entry of an answer about a person who is known already."""
        entry = self.entry("", action=action, items=items)
        return structs.replace(entry, subject=entry_subject(keyring, entry.entry_id, person_id))

    def comparing(self, keyring: Keyring, person_id: PersonId) -> NewEntry:
        """Return the access entry of somebody who is opened to be compared with a question.

        The agency is told nothing by which it could know them, and the entry has a subject of ours.
        """
        call = self.call
        return NewEntry(
            entry_id=EntryId(new_id(call.at)),
            action=PersonConsidered.action,
            outcome="allowed",
            actor=Actor(kind="agency", id=call.agency, official=self.official.official_id),
            subject=keyring.pseudonym("audit", person_id),
            occurred_at=call.at,
            purpose=self.frame.legal_basis,
            request_id=call.request_id,
            stated_purpose=self.frame.purpose,
        )


def renewed(desk: Desk, asking: Asking) -> Asking:
    """Decide anew what may be given, between two parts of a long answer; from a worker thread.

    Raises:
        InsufficientScope: 403. The agency was closed.
        MandateMissing: 403. The mandate was revoked.
    """
    rights = desk.learn_now(asking.call.agency)
    mandated = rights.mandated(asking.frame.legal_basis, asking.call.at)
    return replace(asking, rights=rights, mandated=mandated)


def answer_questions(
    desk: Desk, asking: Asking, descriptions: Sequence[Description]
) -> list[Answer]:
    """Answer questions, in order.

    Transaction:
        One. Who is considered and not meant has an access entry, too.
    """
    with unit_of_work_of(desk.sessions) as session:
        outcomes = find_outcomes(
            session,
            desk.keyring,
            descriptions,
            sector=asking.sector,
            because=partial(asking.comparing, desk.keyring),
        )
        return _answers(session, desk, asking, outcomes)


def _answers(
    session: Session, desk: Desk, asking: Asking, outcomes: Sequence[Outcome]
) -> list[Answer]:
    pseudonyms = {
        each.person_id: sector_pseudonym(desk.keyring, asking.sector, each.person_id)
        for each in outcomes
        if isinstance(each, Match)
    }
    # One entry for each question: who was asked about twice sees it twice.
    accesses: list[tuple[NewEntry, PersonId]] = [
        (
            asking.entry_about(
                desk.keyring, each.person_id, action=PersonResolved.action, items=asking.fields
            ),
            each.person_id,
        )
        for each in outcomes
        if isinstance(each, Match)
    ]
    entries = record_accesses(session, accesses)
    records = read_records(session, desk.keyring, entries)
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
        answers.append(matched(pseudonyms[outcome.person_id], given, entry.entry_id))
    return answers


def convert_pseudonym(desk: Desk, asking: Asking, conversion: Conversion) -> Answer:
    """Tell a person's pseudonym in another sector.

    Returns:
        A match, or none: nobody, or somebody whose data was destroyed.

    Raises:
        MandateMissing: 403. The legal basis gives no pseudonym of that sector.

    Transaction:
        One; the person's access entry is in it.
    """
    if not asking.mandated.gives_pseudonym_of(conversion.to_sector):
        raise MandateMissing(reason="sector", agency=asking.call.agency)
    with unit_of_work_of(desk.sessions) as session:
        (outcome,) = find_outcomes(
            session,
            desk.keyring,
            [conversion.description],
            sector=asking.sector,
            because=partial(asking.comparing, desk.keyring),
        )
        if not isinstance(outcome, Match):
            return unmatched(outcome)
        entry = asking.entry_about(
            desk.keyring,
            outcome.person_id,
            action=PseudonymConverted.action,
            items=(f"pseudonym:{conversion.to_sector}",),
        )
        (recorded,) = record_accesses(session, [(entry, outcome.person_id)])
        pseudonym = sector_pseudonym(desk.keyring, conversion.to_sector, outcome.person_id)
    return Converted(pseudonym=pseudonym, sector=conversion.to_sector, entry_id=recorded.entry_id)


def counts_of(descriptions: Sequence[Description], answers: Sequence[Answer]) -> Counts:
    """Return how many questions of each kind there were, and how many met one person."""
    return sum(map(count_of, descriptions, answers), Counts())


def count_of(description: Description, answer: Answer) -> Counts:
    """Return the counts of one question."""
    met = int(isinstance(answer, Matched))
    if description.is_by_name:
        return Counts(by_name=1, by_name_matched=met)
    return Counts(by_number=1, by_number_matched=met)
