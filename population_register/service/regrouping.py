"""Who is one person with whom, anew, after merges began or ended."""

from sqlalchemy.orm import Session

from kernel.ids import PersonId
from population_register import merge_store
from population_register.grouping import survivors
from population_register.service.fragments import Fragments


def regroup(session: Session, fragments: Fragments, touched: set[PersonId]) -> set[PersonId]:
    """Find out anew who is merged with whom; return the persons whose group has changed.

    Args:
        session: Holds the locks of these persons and of all whom they were merged with.
        fragments: The persons, loaded; their `group_id` is left as it is to be.
        touched: Persons of merges that began or ended.
    """
    members = set(touched)
    for person_id in touched:
        group_id = fragments[person_id].group_id
        if group_id is not None:
            members.update(p for p, f in fragments.by_id.items() if f.group_id == group_id)
    if not members:
        return set()
    before = {person_id: _group_of(fragments, person_id) for person_id in members}
    merges = merge_store.find_merges(session, members)
    changed: set[PersonId] = set()
    for oldest, group in survivors(members, (merge.persons for merge in merges)).items():
        for person_id in group:
            fragments[person_id].group_id = oldest if len(group) > 1 else None
            if before[person_id] != group:
                changed.add(person_id)
    return changed


def _group_of(fragments: Fragments, person_id: PersonId) -> list[PersonId]:
    """Return the persons who are one with a person, sorted, the person included."""
    group_id = fragments[person_id].group_id
    if group_id is None:
        return [person_id]
    return sorted(p for p, f in fragments.by_id.items() if f.group_id == group_id)


def groups_of(fragments: Fragments, dirty: set[PersonId]) -> list[list[PersonId]]:
    """Return the persons to be derived anew, those who are one together."""
    if not any(fragments[person_id].group_id for person_id in dirty):
        return [[person_id] for person_id in dirty]
    groups = (_group_of(fragments, person_id) for person_id in dirty)
    return list({group[0]: group for group in groups}.values())
