"""What can't be true of one person: contradictions and impossible histories. Pure deciding code.

A rule looks at one person on one day and returns its suspicions: which attributes, and which
records of which agencies have to be looked at. `RULES` is the table of all of them, in order; each
has words for the work list. A rule is silent where a doubt remains: of a date known to the year,
only what no day of that year could make possible is a finding.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations, groupby, pairwise
from operator import attrgetter
from typing import Final, TypeAlias

from kernel.ids import AgencyId
from population_register.attributes import ATTRIBUTES
from population_register.authority import live_versions
from population_register.model import (
    AttributeValue,
    CurrentRecord,
    JSONValue,
    SourceRecord,
    partial_date_range,
)
from population_register.names import comparison_key
from population_register.reading import attributes_of, birthday, conflicts, same_value

YOUNGEST_PARENT: Final = 12
"""Years from a parent's birth to the child's; fewer are a mistake somewhere."""

LONGEST_LIFE: Final = 120
"""Years after which somebody without a date of death is asked about."""

PASSPORT_AGE: Final = 14
"""The age from which there is an internal passport (Decree 232 of 1997; Regulation 828, 1)."""

_CITIZEN: Final = "RUS"

Source: TypeAlias = tuple[AgencyId, str]
"""An agency, and its own number of a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A person as the rules see them.

    Attributes:
        record: Read for the day of the check.
        words: What each source record says on that day.
        parents: Those whom the register knows, of whom a doubt was noticed.
    """

    record: CurrentRecord
    words: Sequence[SourceRecord]
    parents: Sequence["LinkedParent"] = ()

    @property
    def today(self) -> date:
        """The day of the check."""
        return self.record.on


Days: TypeAlias = tuple[date, date]
"""The first and the last day on which something may have been."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedParent:
    """A parent who is a person of the register, linked with the child by kinship.

    Attributes:
        name: Tells this parent from the other one.
        born: When.
        sources: The records that say so.
    """

    name: str
    born: Days
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What one rule noticed.

    Attributes:
        attributes: Whose values don't fit.
        sources: The records to look at.
        about: Tells this finding of the rule from another one about the same person.
    """

    attributes: tuple[str, ...]
    sources: tuple[Source, ...]
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A suspicion, and the code of the rule that has it."""

    rule: str
    suspicion: Suspicion

    @property
    def identity(self) -> str:
        """Return what is the same whenever the same thing is found of a person again."""
        named = self.suspicion
        return json.dumps([self.rule, named.attributes, named.about], ensure_ascii=False)

    @property
    def agencies(self) -> tuple[AgencyId, ...]:
        """Return whose records are concerned, in order."""
        return tuple(sorted({agency for agency, _ in self.suspicion.sources}))


def words_on(records: Iterable[SourceRecord], day: date) -> list[SourceRecord]:
    """Return the version of each source record that counts on a day, if there is one.

    Args:
        records: All versions of all records of a person, in any order.
        day: In the person's life.
    """
    by_record = attrgetter("agency_id", "record_number")
    found: list[SourceRecord] = []
    for _, versions in groupby(sorted(records, key=by_record), key=by_record):
        covering = [
            version
            for version in live_versions(versions)
            if version.valid_from <= day and (version.valid_to is None or day < version.valid_to)
        ]
        found.extend(covering[-1:])
    return found


def find_all(case: Case) -> list[Finding]:
    """Return everything that can't be true of a person, in the order of the rules, each once."""
    found: dict[str, Finding] = {}
    for code, rule in RULES.items():
        for suspicion in rule.look(case):
            finding = Finding(rule=code, suspicion=suspicion)
            found.setdefault(finding.identity, finding)
    return list(found.values())


# What rules ask


def _stated(case: Case, *names: str) -> Iterator[tuple[SourceRecord, str, JSONValue]]:
    """Return each value of attributes with the record that states it, items one by one."""
    for said in case.words:
        for name in names:
            if name in said.attributes:
                value = said.attributes[name]
                for item in value if ATTRIBUTES[name].is_many else (value,):
                    yield said, name, item


def _sources(records: Iterable[SourceRecord]) -> tuple[Source, ...]:
    return tuple(sorted({(said.agency_id, said.record_number) for said in records}))


def _stating(case: Case, *names: str) -> tuple[Source, ...]:
    """Return the records that state any of the attributes."""
    return _sources(said for said, _, _ in _stated(case, *names))


def _days(case: Case, name: str) -> tuple[date, date] | None:
    """Return the first and last day that the value of a date may mean; None if there is none."""
    value = case.record.find(name)
    return None if value is None else partial_date_range(value.value)


def _by_agency(case: Case, name: str) -> Iterator[list[tuple[SourceRecord, JSONValue]]]:
    """Return the values of a single-valued attribute, agency by agency."""
    stated = sorted(
        ((said, value) for said, _, value in _stated(case, name)),
        key=lambda found: (found[0].agency_id, found[0].record_number),
    )
    for _, found in groupby(stated, key=lambda found: found[0].agency_id):
        yield list(found)


def _several(
    stated: Iterable[tuple[SourceRecord, JSONValue]],
    what: Callable[[JSONValue], str],
    attributes: tuple[str, ...],
) -> Iterator[Suspicion]:
    """Suspect records that say different things of which only one can be so."""
    by_word: dict[str, list[SourceRecord]] = {}
    for said, value in stated:
        by_word.setdefault(what(value), []).append(said)
    if len(by_word) > 1:
        records = (said for found in by_word.values() for said in found)
        yield Suspicion(
            attributes=attributes, sources=_sources(records), about=" | ".join(sorted(by_word))
        )


# The rules


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
            if chosen is not None and _contradict(name, chosen.value, other.value)
        ]
        if chosen is None or not others:
            continue
        parties = {value.source: value for value in (chosen, *others)}
        records = [
            said
            for said, _, value in _stated(case, name)
            if said.agency_id in parties
            and not _contradict(name, value, parties[said.agency_id].value)
        ]
        # The history leaves out a word that a stronger agency says too.
        records += [
            said
            for said, _, value in _stated(case, name)
            if said.agency_id not in parties
            and any(not _contradict(name, value, other.value) for other in others)
        ]
        about = " | ".join(sorted({_said_as(name, value) for value in parties.values()}))
        yield Suspicion(attributes=(name,), sources=_sources(records), about=about)


def _contradict(name: str, left: JSONValue, right: JSONValue) -> bool:
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
    born = _days(case, "birthdate")
    if born is not None and born[0] > case.today:
        yield Suspicion(attributes=("birthdate",), sources=_stating(case, "birthdate"))


def died_in_future(case: Case) -> Iterator[Suspicion]:
    """Nobody has died on a day that has not come."""
    died = _days(case, "deathdate")
    if died is not None and died[0] > case.today:
        yield Suspicion(attributes=("deathdate",), sources=_stating(case, "deathdate"))


def died_before_birth(case: Case) -> Iterator[Suspicion]:
    """Nobody has died before they were born."""
    born, died = _days(case, "birthdate"), _days(case, "deathdate")
    if born is not None and died is not None and died[1] < born[0]:
        names = ("birthdate", "deathdate")
        yield Suspicion(attributes=names, sources=_stating(case, *names))


def lives_too_long(case: Case) -> Iterator[Suspicion]:
    """Whoever would be older than anybody in the country has probably died."""
    born = _days(case, "birthdate")
    if born is None or _days(case, "deathdate") is not None:
        return
    if birthday(born[1], LONGEST_LIFE) <= case.today:
        yield Suspicion(attributes=("birthdate", "deathdate"), sources=_stating(case, "birthdate"))


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
    for said, name, value in _stated(case, *parts):
        if parts[name] in value:
            yield said, name, date.fromisoformat(value[parts[name]])


def died_but_active(case: Case) -> Iterator[Suspicion]:
    """Nobody gets documents, crosses borders or registers anything after they died."""
    died = _days(case, "deathdate")
    if died is None:
        return
    for said, name, day in _dated(case):
        if day > died[1]:
            yield Suspicion(
                attributes=("deathdate", name),
                sources=tuple(sorted({*_sources([said]), *_stating(case, "deathdate")})),
                about=day.isoformat(),
            )


def active_before_birth(case: Case) -> Iterator[Suspicion]:
    """Nobody gets documents, crosses borders or registers anything before they are born."""
    born = _days(case, "birthdate")
    if born is None:
        return
    for said, name, day in _dated(case):
        if day < born[0]:
            yield Suspicion(
                attributes=("birthdate", name),
                sources=tuple(sorted({*_sources([said]), *_stating(case, "birthdate")})),
                about=day.isoformat(),
            )


def two_open_passports(case: Case) -> Iterator[Suspicion]:
    """A citizen has one internal passport at a time."""
    for stated in _by_agency(case, "passport"):
        valid = [
            (said, value)
            for said, value in stated
            if "expires_on" not in value or date.fromisoformat(value["expires_on"]) > case.today
        ]
        yield from _several(valid, lambda value: str(value["series_number"]), ("passport",))


def passport_too_early(case: Case) -> Iterator[Suspicion]:
    """There is no internal passport before fourteen."""
    born = _days(case, "birthdate")
    if born is None:
        return
    for said, name, day in _dated(case):
        if name == "passport" and born[0] <= day < birthday(born[0], PASSPORT_AGE):
            yield Suspicion(
                attributes=("birthdate", "passport"),
                sources=tuple(sorted({*_sources([said]), *_stating(case, "birthdate")})),
                about=day.isoformat(),
            )


def passport_of_a_foreigner(case: Case) -> Iterator[Suspicion]:
    """An internal passport is a citizen's."""
    citizenships, passport = case.record.find("citizenships"), case.record.find("passport")
    if citizenships is None or passport is None or _CITIZEN in citizenships.value:
        return
    names = ("citizenships", "passport")
    yield Suspicion(attributes=names, sources=_stating(case, *names))


def two_numbers(case: Case) -> Iterator[Suspicion]:
    """A person has one number of a kind; two of one agency are two people, or a mistake."""
    for name in ("snils", "inn", "enp"):
        for stated in _by_agency(case, name):
            yield from _several(stated, str, (name,))


def overlapping_registrations(case: Case) -> Iterator[Suspicion]:
    """A person is registered at one address at a time."""
    for stated in _by_agency(case, "registration_address"):
        open_ones = [
            (said, value)
            for said, value in stated
            if "registered_until" not in value
            or date.fromisoformat(value["registered_until"]) > case.today
        ]
        yield from _several(
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
            for said, _, value in _stated(case, "arrivals")
        ),
        key=lambda stay: (stay[0], stay[1]),
    )
    for (arrived, departed, one), (again, _, other) in pairwise(stays):
        if arrived < again < departed:
            yield Suspicion(
                attributes=("arrivals",),
                sources=_sources((one, other)),
                about=f"{arrived.isoformat()} | {again.isoformat()}",
            )


def _kinship(case: Case) -> Iterator[tuple[SourceRecord, str, tuple[date, date], JSONValue]]:
    """Return parents and children: record, attribute, when that one was born, and who it is."""
    for said, name, value in _stated(case, "parents", "children"):
        yield said, name, partial_date_range(value["birthdate"]), value


def parent_not_older(case: Case) -> Iterator[Suspicion]:
    """A parent is older than the child."""
    born = _days(case, "birthdate")
    if born is None:
        return
    for said, name, kin, value in _kinship(case):
        parent, child = (kin, born) if name == "parents" else (born, kin)
        if _is_not_older(parent, child):
            yield _about_kin(case, said, name, value)


def parent_too_young(case: Case) -> Iterator[Suspicion]:
    """A parent is at least twelve years older than the child."""
    born = _days(case, "birthdate")
    if born is None:
        return
    for said, name, kin, value in _kinship(case):
        parent, child = (kin, born) if name == "parents" else (born, kin)
        if _is_too_young(parent, child):
            yield _about_kin(case, said, name, value)


def linked_parent_not_older(case: Case) -> Iterator[Suspicion]:
    """A parent who is a person of the register is older than the child."""
    born = _days(case, "birthdate")
    for parent in case.parents:
        if born is not None and _is_not_older(parent.born, born):
            yield _about_linked(case, parent)


def linked_parent_too_young(case: Case) -> Iterator[Suspicion]:
    """A parent who is a person of the register is at least twelve years older than the child."""
    born = _days(case, "birthdate")
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


def sources_of(words: Iterable[SourceRecord], name: str) -> tuple[Source, ...]:
    """Return the records that state an attribute."""
    return _sources(said for said in words if name in said.attributes)


def _is_not_older(parent: Days, child: Days) -> bool:
    return parent[0] >= child[1]


def _is_too_young(parent: Days, child: Days) -> bool:
    return parent[0] < child[1] < birthday(parent[0], YOUNGEST_PARENT)


def _about_linked(case: Case, parent: LinkedParent) -> Suspicion:
    return Suspicion(
        attributes=("birthdate", "parents"),
        sources=tuple(sorted({*parent.sources, *_stating(case, "birthdate")})),
        about=parent.name,
    )


def _about_kin(case: Case, said: SourceRecord, name: str, value: JSONValue) -> Suspicion:
    return Suspicion(
        attributes=("birthdate", name),
        sources=tuple(sorted({*_sources([said]), *_stating(case, "birthdate")})),
        about=f"{comparison_key(value['given_name'])} {value['birthdate']}",
    )


def parents_of_one_role(case: Case) -> Iterator[Suspicion]:
    """A person has one mother and one father."""
    parents = [(said, value) for said, _, value in _stated(case, "parents")]
    for (one, left), (other, right) in combinations(parents, 2):
        if left["role"] == right["role"] and not _same_relative(left, right):
            yield Suspicion(
                attributes=("parents",), sources=_sources((one, other)), about=left["role"]
            )


def _same_relative(left: JSONValue, right: JSONValue) -> bool:
    """Tell whether two descriptions may be of one relative."""
    if comparison_key(left["given_name"]) != comparison_key(right["given_name"]):
        return False
    return not _contradict("birthdate", left["birthdate"], right["birthdate"])


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: the function, and what a work list calls what it finds."""

    look: Callable[[Case], Iterable[Suspicion]]
    ru: str
    en: str


RULES: Final[Mapping[str, Rule]] = {
    rule.look.__name__: rule
    for rule in (
        Rule(values_in_conflict, "Ведомства сообщают разное", "Agencies say different things"),
        Rule(born_in_future, "Дата рождения ещё не наступила", "The birth date has not come yet"),
        Rule(died_in_future, "Дата смерти ещё не наступила", "The date of death has not come yet"),
        Rule(died_before_birth, "Смерть раньше рождения", "Died before being born"),
        Rule(
            lives_too_long,
            "Возраст больше 120 лет, сведений о смерти нет",
            "Older than 120, and no death is recorded",
        ),
        Rule(
            died_but_active,
            "После смерти: документ, въезд или регистрация",
            "A document, an entry or a registration after death",
        ),
        Rule(
            active_before_birth,
            "До рождения: документ, въезд или регистрация",
            "A document, an entry or a registration before birth",
        ),
        Rule(two_open_passports, "Два действующих паспорта", "Two open passports"),
        Rule(
            passport_too_early,
            "Паспорт выдан раньше 14 лет",
            "A passport was issued before the age of fourteen",
        ),
        Rule(
            passport_of_a_foreigner,
            "Паспорт гражданина у иностранца",
            "An internal passport of somebody who is no citizen",
        ),
        Rule(
            two_numbers,
            "Два разных номера одного вида",
            "Two different numbers of one kind",
        ),
        Rule(
            overlapping_registrations,
            "Две регистрации по месту жительства одновременно",
            "Two registered addresses at the same time",
        ),
        Rule(
            overlapping_stays,
            "Въезд до выезда: периоды пребывания пересекаются",
            "Entered before having left: stays overlap",
        ),
        Rule(
            parent_not_older,
            "Родитель не старше ребёнка",
            "A parent who is not older than the child",
        ),
        Rule(
            parent_too_young,
            "Родитель старше ребёнка меньше чем на 12 лет",
            "A parent who is less than twelve years older than the child",
        ),
        Rule(
            linked_parent_not_older,
            "Родитель, который есть в реестре, не старше ребёнка",
            "A parent whom the register knows is not older than the child",
        ),
        Rule(
            linked_parent_too_young,
            "Родитель, который есть в реестре, старше ребёнка меньше чем на 12 лет",
            "A parent whom the register knows is less than twelve years older than the child",
        ),
        Rule(
            parents_of_one_role,
            "Две матери или два отца",
            "Two mothers or two fathers",
        ),
    )
}
"""Every rule by its code, in the order in which a person is looked at."""

DISPUTED: Final = "value_disputed"
"""The code of what a person disputes: it stands in work lists beside the rules'."""

SAME_PERSON: Final = "same_person_asked"
"""The code of a question of a review clerk: are these records about one person?"""

RULE_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    **{code: (rule.ru, rule.en) for code, rule in RULES.items()},
    DISPUTED: ("Гражданин оспаривает сведения", "The person disputes a value"),
    SAME_PERSON: (
        "Реестр спрашивает, об одном ли человеке записи",
        "The register asks whether records are about one person",
    ),
}
"""Russian and English words of everything that can stand in a work list, by code."""
