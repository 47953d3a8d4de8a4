"""Rules of consistency about two people: a person and a parent or child. No I/O.

Kin are known in two ways: by what the record itself says of them, and as persons of the register.
"""

from collections.abc import Iterator
from datetime import date
from itertools import combinations
from typing import Final

from population_register.model import CurrentRecord, JSONValue, SourceRecord, partial_date_range
from population_register.names import comparison_key
from population_register.personal_rules import contradict
from population_register.reading import attributes_of, birthday
from population_register.suspicions import (
    Case,
    Days,
    LinkedParent,
    Suspicion,
    days_of,
    sources_in,
    sources_stating,
    statements,
)

YOUNGEST_PARENT: Final = 12
"""Years from a parent's birth to the child's; fewer are a mistake somewhere."""


def _kinship(case: Case) -> Iterator[tuple[SourceRecord, str, tuple[date, date], JSONValue]]:
    """Return parents and children: record, attribute, when that one was born, and who it is."""
    for said, name, value in statements(case, "parents", "children"):
        yield said, name, partial_date_range(value["birthdate"]), value


def parent_not_older(case: Case) -> Iterator[Suspicion]:
    """A parent is older than the child."""
    born = days_of(case, "birthdate")
    if born is None:
        return
    for said, name, kin, value in _kinship(case):
        parent, child = (kin, born) if name == "parents" else (born, kin)
        if _is_not_older(parent, child):
            yield _about_kin(case, said, name, value)


def parent_too_young(case: Case) -> Iterator[Suspicion]:
    """A parent is at least twelve years older than the child."""
    born = days_of(case, "birthdate")
    if born is None:
        return
    for said, name, kin, value in _kinship(case):
        parent, child = (kin, born) if name == "parents" else (born, kin)
        if _is_too_young(parent, child):
            yield _about_kin(case, said, name, value)


def linked_parent_not_older(case: Case) -> Iterator[Suspicion]:
    """A parent who is a person of the register is older than the child."""
    born = days_of(case, "birthdate")
    for parent in case.parents:
        if born is not None and _is_not_older(parent.born, born):
            yield _about_linked(case, parent)


def linked_parent_too_young(case: Case) -> Iterator[Suspicion]:
    """A parent who is a person of the register is at least twelve years older than the child."""
    born = days_of(case, "birthdate")
    for parent in case.parents:
        if born is not None and _is_too_young(parent.born, born):
            yield _about_linked(case, parent)


def is_doubtful(parent: Days, child: Days) -> bool:
    """Tell whether somebody can't well be the parent of somebody, by when both were born."""
    return _is_not_older(parent, child) or _is_too_young(parent, child)


def born_days(record: CurrentRecord) -> Days | None:
    """Return when a person was born; None when nobody says."""
    stated = attributes_of(record).get("birthdate")
    return None if stated is None else partial_date_range(stated.value)


def _is_not_older(parent: Days, child: Days) -> bool:
    return parent[0] >= child[1]


def _is_too_young(parent: Days, child: Days) -> bool:
    return parent[0] < child[1] < birthday(parent[0], YOUNGEST_PARENT)


def _about_linked(case: Case, parent: LinkedParent) -> Suspicion:
    return Suspicion(
        attributes=("birthdate", "parents"),
        sources=tuple(sorted({*parent.sources, *sources_stating(case, "birthdate")})),
        about=parent.name,
    )


def _about_kin(case: Case, said: SourceRecord, name: str, value: JSONValue) -> Suspicion:
    return Suspicion(
        attributes=("birthdate", name),
        sources=tuple(sorted({*sources_in([said]), *sources_stating(case, "birthdate")})),
        about=f"{comparison_key(value['given_name'])} {value['birthdate']}",
    )


def parents_of_one_role(case: Case) -> Iterator[Suspicion]:
    """A person has one mother and one father."""
    parents = [(said, value) for said, _, value in statements(case, "parents")]
    for (one, left), (other, right) in combinations(parents, 2):
        if left["role"] == right["role"] and not _same_relative(left, right):
            yield Suspicion(
                attributes=("parents",), sources=sources_in((one, other)), about=left["role"]
            )


def _same_relative(left: JSONValue, right: JSONValue) -> bool:
    """Tell whether two descriptions may be of one relative."""
    if comparison_key(left["given_name"]) != comparison_key(right["given_name"]):
        return False
    return not contradict("birthdate", left["birthdate"], right["birthdate"])
