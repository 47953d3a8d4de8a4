"""Answer who questions are about, and read the records of those who were found."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from audit.api import RecordedEntry
from kernel.ids import PersonId
from kernel.keyring import Keyring
from kernel.tables import person_keys
from population_register import linking_store, matching_store
from population_register.bulk import any_id_of
from population_register.comparison import Profile
from population_register.model import CurrentRecord
from population_register.model_files import register_scorer
from population_register.profiles import profile_of
from population_register.resolving import (
    Description,
    Match,
    Nobody,
    Outcome,
    decide_by_likeness,
    decide_by_numbers,
)
from population_register.scoring import Scorer
from population_register.sealed_forms import identifier_digest
from population_register.sector_pseudonyms import person_behind
from population_register.service.candidates import find_candidates
from population_register.service.fragments import Because
from population_register.service.persons import open_record
from population_register.tables import persons


def question_digests(keyring: Keyring, description: Description) -> tuple[bytes, ...]:
    """Return the digests under which the numbers of a question are found."""
    return tuple(identifier_digest(keyring, each) for each in description.identifiers)


def find_outcomes(
    session: Session,
    keyring: Keyring,
    descriptions: Sequence[Description],
    *,
    sector: str,
    because: Because,
) -> list[Outcome]:
    """Tell who each question is about.

    Questions by numbers and pseudonyms alone take a number of statements that does not grow with
    them; one that says more is compared with everybody who may be meant.

    Args:
        session: The transaction.
        keyring: Makes digests, turns pseudonyms back.
        descriptions: Of persons.
        sector: Whose pseudonyms are among them.
        because: Makes the access entry for a person who is opened to be compared.
    """
    digests = [question_digests(keyring, each) for each in descriptions]
    named = [
        None if each.pseudonym is None else person_behind(keyring, sector, each.pseudonym)
        for each in descriptions
    ]
    holders = _holders(session, {digest for some in digests for digest in some})
    pseudonymous = {each for each in named if each is not None}
    groups = matching_store.find_groups(session, pseudonymous) if pseudonymous else {}
    scorer = register_scorer()
    outcomes: list[Outcome] = []
    for description, own, person_id in zip(descriptions, digests, named, strict=True):
        if person_id is not None:
            group = groups.get(person_id)
            outcomes.append(Nobody() if group is None else Match(group))
        elif description.attributes:
            likest = _likest(session, keyring, description, scorer, because)
            having = {each for digest in own for each in holders.get(digest, ())}
            outcomes.append(decide_by_likeness(likest, link=scorer.model.link, having=having))
        else:
            outcomes.append(decide_by_numbers(holders, own))
    unopened = [not description.attributes for description in descriptions]
    return _of_living_data(session, outcomes, unopened)


def _holders(session: Session, digests: Collection[bytes]) -> Mapping[bytes, set[PersonId]]:
    """Return who has or had each number; of merged persons, who answers for all."""
    if not digests:
        return {}
    found = linking_store.find_identifier_holders(session, digests)
    everybody = {person_id for holders in found.values() for person_id in holders}
    groups = matching_store.find_groups(session, everybody) if everybody else {}
    return {
        digest: {groups.get(person_id, person_id) for person_id in holders}
        for digest, holders in found.items()
    }


def _likest(
    session: Session,
    keyring: Keyring,
    description: Description,
    scorer: Scorer,
    because: Because,
) -> dict[PersonId, float]:
    """Return how like each person who may be meant is to a description, in bits."""
    candidates = find_candidates(
        session, keyring, description_profile(description), because=because, scorer=scorer
    )
    return {candidate.person_id: candidate.score.bits for candidate in candidates}


def description_profile(description: Description) -> Profile:
    """Return what a description says, as records are compared."""
    profile = dict(profile_of(description.attributes.items()))
    for identifier in description.identifiers:
        profile[identifier.kind.value] = (identifier.value,)
    return profile


def _of_living_data(
    session: Session, outcomes: list[Outcome], unopened: Sequence[bool]
) -> list[Outcome]:
    """Leave no match with whom there is not, or whose data was destroyed: the two look the same.

    Args:
        session: The transaction.
        outcomes: Of the questions.
        unopened: Whether nobody was opened to answer a question; whoever was is living data.
    """
    matched = {
        each.person_id
        for each, is_unopened in zip(outcomes, unopened, strict=True)
        if is_unopened and isinstance(each, Match)
    }
    if not matched:
        return outcomes
    rows = session.execute(
        select(persons.c.person_id)
        .join(person_keys, person_keys.c.person_id == persons.c.person_id)
        .where(persons.c.person_id == any_id_of(matched), person_keys.c.wrapped_key.is_not(None))
    )
    gone = matched - {PersonId(row.person_id) for row in rows}
    return [
        Nobody() if isinstance(each, Match) and each.person_id in gone else each
        for each in outcomes
    ]


def read_records(
    session: Session, keyring: Keyring, entries: Sequence[RecordedEntry]
) -> dict[PersonId, CurrentRecord]:
    """Read the records of the persons of access entries, whom `find_outcomes` has just matched.

    Two entries of one person read the same record. A person whose data is destroyed at this very
    moment is absent.
    """
    by_person = {entry.person_id: entry for entry in entries}
    if not by_person:
        return {}
    rows = session.execute(
        select(persons.c.person_id, persons.c.record_sealed, person_keys.c.wrapped_key)
        .join(person_keys, person_keys.c.person_id == persons.c.person_id)
        .where(
            persons.c.person_id == any_id_of(by_person),
            person_keys.c.wrapped_key.is_not(None),
        )
    )
    return {
        PersonId(row.person_id): open_record(
            keyring,
            by_person[PersonId(row.person_id)],
            sealed_record=row.record_sealed,
            wrapped_key=row.wrapped_key,
        )
        for row in rows
    }
