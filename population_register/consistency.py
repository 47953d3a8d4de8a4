"""What can't be true of one person: contradictions and impossible histories. Pure deciding code.

A rule looks at one person on one day and returns its suspicions (`suspicions.py`): which
attributes, and which records of which agencies have to be looked at. `RULES` is the table of all
of them, in order, with words for the work list; they stand in `personal_rules.py` and
`kinship_rules.py`. A rule is silent where a doubt remains: of a date known to the year, only what
no day of that year could make possible is a finding.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from kernel.ids import AgencyId
from population_register.kinship_rules import (
    linked_parent_not_older,
    linked_parent_too_young,
    parent_not_older,
    parent_too_young,
    parents_of_one_role,
)
from population_register.personal_rules import (
    active_before_birth,
    born_in_future,
    died_before_birth,
    died_but_active,
    died_in_future,
    lives_too_long,
    overlapping_registrations,
    overlapping_stays,
    passport_of_a_foreigner,
    passport_too_early,
    two_numbers,
    two_open_passports,
    values_in_conflict,
)
from population_register.suspicions import Case, Suspicion


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


def find_all(case: Case) -> list[Finding]:
    """Return everything that can't be true of a person, in the order of the rules, each once."""
    found: dict[str, Finding] = {}
    for code, rule in RULES.items():
        for suspicion in rule.look(case):
            finding = Finding(rule=code, suspicion=suspicion)
            found.setdefault(finding.identity, finding)
    return list(found.values())
