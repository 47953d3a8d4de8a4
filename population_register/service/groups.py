"""Who is one with whom."""

from sqlalchemy.orm import Session

from kernel.ids import PersonId
from population_register import matching_store


def members_of(session: Session, person_id: PersonId) -> tuple[PersonId, ...]:
    """Return the persons who are one with a person, the one who answers for all first.

    Of somebody who is not merged: the person alone. What belongs to a merged person, such as
    documents, consents and the access log, belongs to any of them.
    """
    group = matching_store.find_groups(session, [person_id]).get(person_id)
    if group is None:
        return (person_id,)
    return tuple(matching_store.group_members(session, [group]).get(group, [person_id]))
