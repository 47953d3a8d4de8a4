"""Rules of consistency about one person: values, dates of life, documents, addresses. No I/O."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Final

from population_register.model import AttributeValue, JSONValue, SourceRecord, partial_date_range
from population_register.names import comparison_key
from population_register.reading import birthday, conflicts, same_value
from population_register.suspicions import (
    Case,
    Suspicion,
    days_of,
    differing,
    sources_in,
    sources_stating,
    statements,
    values_by_agency,
)

LONGEST_LIFE: Final = 120
"""Years after which somebody without a date of death is asked about."""

PASSPORT_AGE: Final = 14
"""The age from which there is an internal passport (Decree 232 of 1997; Regulation 828, 1)."""

_CITIZEN: Final = "RUS"

_COMPARED: Final = (
    "family_name",
    "given_name",
    "middle_name",
    "gender",
    "birthdate",
    "deathdate",
    "citizenships",
    "snils",
    "inn",
    "enp",
    "passport",
)
"""Attributes that all agencies have to say alike: an address may differ, a birth date may not."""


def values_in_conflict(case: Case) -> Iterator[Suspicion]:
    """Agencies say different things of which only one can be so."""
    for name in _COMPARED:
        chosen = case.record.find(name)
        others = [
            other
            for other in conflicts(case.record, name)
            if chosen is not None and contradict(name, chosen.value, other.value)
        ]
        if chosen is None or not others:
            continue
        parties = {value.source: value for value in (chosen, *others)}
        records = [
            said
            for said, _, value in statements(case, name)
            if said.agency_id in parties
            and not contradict(name, value, parties[said.agency_id].value)
        ]
        # The history leaves out a word that a stronger agency says too.
        records += [
            said
            for said, _, value in statements(case, name)
            if said.agency_id not in parties
            and any(not contradict(name, value, other.value) for other in others)
        ]
        about = " | ".join(sorted({_said_as(name, value) for value in parties.values()}))
        yield Suspicion(attributes=(name,), sources=sources_in(records), about=about)


def contradict(name: str, left: JSONValue, right: JSONValue) -> bool:
    """Tell whether two values of an attribute can't both be so."""
    if name in {"birthdate", "deathdate"}:
        (left_first, left_last), (right_first, right_last) = map(partial_date_range, (left, right))
        return left_last < right_first or right_last < left_first
    if name == "passport":
        return bool(left["series_number"] != right["series_number"])
    if name == "citizenships":
        return set(left) != set(right)
    return not same_value(name, left, right)


def _said_as(name: str, said: AttributeValue) -> str:
    if name == "passport":
        return str(said.value["series_number"])
    if name == "citizenships":
        return ",".join(sorted(said.value))
    if name in {"family_name", "given_name", "middle_name"}:
        return comparison_key(said.value)
    return str(said.value)


def born_in_future(case: Case) -> Iterator[Suspicion]:
    """Nobody has been born on a day that has not come."""
    born = days_of(case, "birthdate")
    if born is not None and born[0] > case.today:
        yield Suspicion(attributes=("birthdate",), sources=sources_stating(case, "birthdate"))


def died_in_future(case: Case) -> Iterator[Suspicion]:
    """Nobody has died on a day that has not come."""
    died = days_of(case, "deathdate")
    if died is not None and died[0] > case.today:
        yield Suspicion(attributes=("deathdate",), sources=sources_stating(case, "deathdate"))


def died_before_birth(case: Case) -> Iterator[Suspicion]:
    """Nobody has died before they were born."""
    born, died = days_of(case, "birthdate"), days_of(case, "deathdate")
    if born is not None and died is not None and died[1] < born[0]:
        names = ("birthdate", "deathdate")
        yield Suspicion(attributes=names, sources=sources_stating(case, *names))


def lives_too_long(case: Case) -> Iterator[Suspicion]:
    """Whoever would be older than anybody in the country has probably died."""
    born = days_of(case, "birthdate")
    if born is None or days_of(case, "deathdate") is not None:
        return
    if birthday(born[1], LONGEST_LIFE) <= case.today:
        yield Suspicion(
            attributes=("birthdate", "deathdate"), sources=sources_stating(case, "birthdate")
        )


_DATED: Final = (
    ("passport", "issued_on"),
    ("foreign_passport", "issued_on"),
    ("residence_permit", "issued_on"),
    ("identity_documents", "issued_on"),
    ("registration_address", "registered_on"),
    ("stay_address", "registered_on"),
    ("arrivals", "arrived_on"),
    ("marital_status", "since"),
    ("entrepreneur", "registered_on"),
    ("self_employed", "registered_on"),
    ("employment_service", "registered_on"),
    ("military", "registered_on"),
    ("social_insurance", "registered_on"),
    ("education", "issued_on"),
    ("academic_degrees", "issued_on"),
)
"""What only the living do, and the part that says on which day."""


def _dated(case: Case) -> Iterator[tuple[SourceRecord, str, date]]:
    parts = dict(_DATED)
    for said, name, value in statements(case, *parts):
        if parts[name] in value:
            yield said, name, date.fromisoformat(value[parts[name]])


def died_but_active(case: Case) -> Iterator[Suspicion]:
    """Nobody gets documents, crosses borders or registers anything after they died."""
    died = days_of(case, "deathdate")
    if died is None:
        return
    for said, name, day in _dated(case):
        if day > died[1]:
            yield Suspicion(
                attributes=("deathdate", name),
                sources=tuple(sorted({*sources_in([said]), *sources_stating(case, "deathdate")})),
                about=day.isoformat(),
            )


def active_before_birth(case: Case) -> Iterator[Suspicion]:
    """Nobody gets documents, crosses borders or registers anything before they are born."""
    born = days_of(case, "birthdate")
    if born is None:
        return
    for said, name, day in _dated(case):
        if day < born[0]:
            yield Suspicion(
                attributes=("birthdate", name),
                sources=tuple(sorted({*sources_in([said]), *sources_stating(case, "birthdate")})),
                about=day.isoformat(),
            )


def two_open_passports(case: Case) -> Iterator[Suspicion]:
    """A citizen has one internal passport at a time."""
    for stated in values_by_agency(case, "passport"):
        valid = [
            (said, value)
            for said, value in stated
            if "expires_on" not in value or date.fromisoformat(value["expires_on"]) > case.today
        ]
        yield from differing(valid, lambda value: str(value["series_number"]), ("passport",))


def passport_too_early(case: Case) -> Iterator[Suspicion]:
    """There is no internal passport before fourteen."""
    born = days_of(case, "birthdate")
    if born is None:
        return
    for said, name, day in _dated(case):
        if name == "passport" and born[0] <= day < birthday(born[0], PASSPORT_AGE):
            yield Suspicion(
                attributes=("birthdate", "passport"),
                sources=tuple(sorted({*sources_in([said]), *sources_stating(case, "birthdate")})),
                about=day.isoformat(),
            )


def passport_of_a_foreigner(case: Case) -> Iterator[Suspicion]:
    """An internal passport is a citizen's."""
    citizenships, passport = case.record.find("citizenships"), case.record.find("passport")
    if citizenships is None or passport is None or _CITIZEN in citizenships.value:
        return
    names = ("citizenships", "passport")
    yield Suspicion(attributes=names, sources=sources_stating(case, *names))


def two_numbers(case: Case) -> Iterator[Suspicion]:
    """A person has one number of a kind; two of one agency are two people, or a mistake."""
    for name in ("snils", "inn", "enp"):
        for stated in values_by_agency(case, name):
            yield from differing(stated, str, (name,))


def overlapping_registrations(case: Case) -> Iterator[Suspicion]:
    """A person is registered at one address at a time."""
    for stated in values_by_agency(case, "registration_address"):
        open_ones = [
            (said, value)
            for said, value in stated
            if "registered_until" not in value
            or date.fromisoformat(value["registered_until"]) > case.today
        ]
        yield from differing(
            open_ones, lambda value: str(value["formatted"]), ("registration_address",)
        )


def overlapping_stays(case: Case) -> Iterator[Suspicion]:
    """Nobody enters the country before they have left it."""
    stays = sorted(
        (
            (
                date.fromisoformat(value["arrived_on"]),
                date.fromisoformat(value.get("departed_on", value["arrived_on"])),
                said,
            )
            for said, _, value in statements(case, "arrivals")
        ),
        key=lambda stay: (stay[0], stay[1]),
    )
    for (arrived, departed, one), (again, _, other) in pairwise(stays):
        if arrived < again < departed:
            yield Suspicion(
                attributes=("arrivals",),
                sources=sources_in((one, other)),
                about=f"{arrived.isoformat()} | {again.isoformat()}",
            )
