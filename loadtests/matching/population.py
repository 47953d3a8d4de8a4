"""A made-up Russian population, and what six agencies wrote down about it.

Households with shared names, addresses and telephones; twins; fathers and sons of one name; women
who changed their name; moves; foreigners in the Latin spelling of three passport eras; typing and
hearing errors; numbers that belong to several people, and people with two numbers. Everything falls
from a seed. Tuning seeds and reported seeds are apart: see `TUNING` and `REPORTED`.
"""

import csv
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TextIO

import iuliia
from stdnum.ru.inn import calc_personal_check_digits

TUNING = (11, 12, 13)
"""Seeds on which the matcher and the shipped model were made."""

REPORTED = (101, 102, 103)
"""Seeds of the published figures; nothing was chosen by them."""

COLUMNS = (
    "agency", "person", "family_name", "given_name", "middle_name", "birthdate", "gender",
    "snils", "inn", "passport", "phone", "postal_code", "region", "locality", "street", "house",
    "flat",
)  # fmt: skip

_WORDS = json.loads((Path(__file__).parent / "words.json").read_text("utf-8"))
_MALE: list[str] = _WORDS["male"]
_FEMALE: list[str] = _WORDS["female"]
_ROOTS: list[str] = _WORDS["roots"]
_ENDINGS = (("ов", "ова"), ("ев", "ева"), ("ин", "ина"), ("ский", "ская"), ("енко", "енко"))
_TURKIC: list[str] = _WORDS["turkic"]
_PLACES: list[tuple[str, str, str, int]] = _WORDS["places"]
_STREETS: list[str] = _WORDS["streets"]
_SHORT: dict[str, str] = _WORDS["short"]
_HEARD: list[tuple[str, str]] = _WORDS["heard"]
_LETTERS = "абвгдежзиклмнопрстуфхцчшюя"
_ERAS = (iuliia.MVD_310, iuliia.GOST_52535, iuliia.ICAO_DOC_9303)
_TODAY = date(2026, 6, 1)


@dataclass(slots=True, kw_only=True)
class Person:
    """A made-up person as they are."""

    key: int
    is_man: bool
    family_name: str
    birth_family_name: str
    given_name: str
    middle_name: str
    birthdate: date
    address: tuple[str, ...]
    former_address: tuple[str, ...]
    phone: str
    is_foreign: bool = False
    snils: str = ""
    second_snils: str = ""
    inn: str = ""
    passport: str = ""
    row: dict[str, str] = field(default_factory=dict)


def _patronymic(name: str, *, is_man: bool) -> str:
    stem = name[:-1] if name[-1] in "йаь" else name
    soft = name[-1] in "йь"
    if is_man:
        return stem + ("евич" if soft else "ович")
    return stem + ("евна" if soft else "овна")


def snils_of(number: int) -> str:
    """Return a SNILS with its check digits."""
    digits = f"{number:09d}"
    check = sum(int(d) * w for d, w in zip(digits, range(9, 0, -1), strict=True)) % 101 % 100
    return f"{digits}{check:02d}"


class Population:
    """People in households."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        names = [(root + he, root + she) for root in _ROOTS for he, she in _ENDINGS]
        self.random.shuffle(names)
        self._families = names + [(name, name + "а") for name in _TURKIC]
        self._weights = [1 / (rank + 3) for rank in range(len(self._families))]
        self.people: list[Person] = []

    def _named(self, names: Sequence[str]) -> str:
        weights = [1 / (rank + 4) for rank in range(len(names))]
        return self.random.choices(names, weights)[0]

    def _address(self) -> tuple[str, ...]:
        dice = self.random
        region, town, prefix, _ = dice.choices(_PLACES, [place[3] for place in _PLACES])[0]
        return (
            f"{prefix}{dice.randrange(300):03d}", region, town, f"ул. {dice.choice(_STREETS)}",
            str(dice.randint(1, 140)), str(dice.randint(1, 220)),
        )  # fmt: skip

    def _add(
        self, *, is_man: bool, family: tuple[str, str], father: str, born: date,
        address: tuple[str, ...], phone: str, given: str | None = None, maiden: str | None = None,
    ) -> Person:  # fmt: skip
        dice, key = self.random, len(self.people)
        name = family[0 if is_man else 1]
        foreign = name.rstrip("а") in _TURKIC and dice.random() < 0.5
        middle = _patronymic(father, is_man=is_man)
        if foreign:
            middle = f"{father} {'оглы' if is_man else 'кызы'}" if dice.random() < 0.5 else ""
        number = 10_000_000 + key * 37 + dice.randrange(37)
        inn = f"77{number % 10**8:08d}"
        person = Person(
            key=key, is_man=is_man, family_name=name, birth_family_name=maiden or name,
            given_name=given or self._named(_MALE if is_man else _FEMALE), middle_name=middle,
            birthdate=born, address=address,
            former_address=self._address() if dice.random() < 0.25 else address,
            phone=phone if dice.random() < 0.4 else f"9{dice.randrange(10**9):09d}",
            is_foreign=foreign, snils=snils_of(number),
            inn=inn + calc_personal_check_digits(inn),
            passport=f"{dice.randint(100, 9926):04d}{dice.randrange(10**6):06d}",
        )  # fmt: skip
        if dice.random() < 0.004:
            person.second_snils = snils_of(500_000_000 + key)
        self.people.append(person)
        return person

    def household(self) -> None:
        """Add a household."""
        dice = self.random
        family = dice.choices(self._families, self._weights)[0]
        address, phone = self._address(), f"9{dice.randrange(10**9):09d}"
        born = date(1935, 1, 1) + timedelta(days=dice.randrange(26_000))
        if dice.random() < 0.3:
            self._add(is_man=dice.random() < 0.45, family=family, father=self._named(_MALE),
                      born=born, address=address, phone=phone)  # fmt: skip
            return
        maiden = dice.choices(self._families, self._weights)[0][1] if dice.random() < 0.7 else None
        husband = self._add(is_man=True, family=family, father=self._named(_MALE), born=born,
                            address=address, phone=phone)  # fmt: skip
        her_birth = born + timedelta(days=dice.randint(-900, 2500))
        self._add(is_man=False, family=family, father=self._named(_MALE), born=her_birth,
                  address=address, phone=phone, maiden=maiden)  # fmt: skip
        child_born = her_birth + timedelta(days=dice.randint(7000, 12000))
        called: set[str] = set()
        for _ in range(dice.choices((0, 1, 2, 3), (35, 35, 22, 8))[0]):
            if child_born >= _TODAY:
                break
            is_man = dice.random() < 0.51
            is_named_after = is_man and dice.random() < 0.04
            given = husband.given_name if is_named_after else self._not_yet(called, is_man=is_man)
            child = self._add(
                is_man=is_man, family=family, father=husband.given_name, born=child_born,
                address=address, phone=phone, given=given,
            )  # fmt: skip
            if dice.random() < 0.02:  # a twin
                self._add(is_man=is_man, family=family, father=husband.given_name,
                          born=child.birthdate, address=address, phone=phone,
                          given=self._not_yet(called, is_man=is_man))  # fmt: skip
            child_born += timedelta(days=dice.randint(500, 2600))

    def _not_yet(self, called: set[str], *, is_man: bool) -> str:
        """Return a name that no child of the house has."""
        while True:
            name = self._named(_MALE if is_man else _FEMALE)
            if name not in called:
                called.add(name)
                return name


class Clerk:
    """Writes people down, with the errors of one agency."""

    def __init__(self, dice: random.Random, rate: float) -> None:
        self._dice = dice
        self._rate = rate

    def typed(self, text: str, letters: str) -> str:
        """Return a text with a slip of the finger, now and then two."""
        while text and self._dice.random() < self._rate:
            place = self._dice.randrange(len(text))
            match self._dice.randrange(4):
                case 0:
                    text = text[:place] + text[place + 1 :]
                case 1:
                    text = text[:place] + self._dice.choice(letters) + text[place + 1 :]
                case 2:
                    text = text[:place] + self._dice.choice(letters) + text[place:]
                case _:
                    text = (
                        text[:place] + text[place + 1 : place + 2] + text[place] + text[place + 2 :]
                    )
        return text

    def heard(self, name: str) -> str:
        """Return a name as somebody heard it on the telephone."""
        if self._dice.random() < self._rate:
            said, written = self._dice.choice(_HEARD)
            name = (
                name.replace(said, written, 1) if said in name else name.replace(written, said, 1)
            )
        return self.typed(name, _LETTERS).capitalize() if name else name

    def day(self, born: date) -> str:
        """Return a date as it was written."""
        if self._dice.random() < self._rate * 0.5 and born.day <= 12:
            return f"{born.year:04d}-{born.day:02d}-{born.month:02d}"
        if self._dice.random() < self._rate * 0.3:
            born = born.replace(
                year=born.year + self._dice.choice((-10, -1, 1, 10)), day=min(born.day, 28)
            )
        if self._dice.random() < self._rate * 0.2:
            return f"{born.year}-01-01"
        return (
            self.typed(born.isoformat(), "0123456789")
            if self._dice.random() < 0.5
            else born.isoformat()
        )

    def number(self, text: str) -> str:
        """Return a number as it was written."""
        return self.typed(text, "0123456789")


_AGENCIES = {
    # Share of people, share of errors, attributes beside names and birth date.
    "civil_registry": (0.9, 0.02, ("gender", "address")),
    "interior": (0.75, 0.03, ("gender", "passport", "address")),
    "tax": (0.7, 0.03, ("inn", "passport", "address")),
    "pension": (0.85, 0.04, ("gender", "snils")),
    "health": (0.8, 0.06, ("snils", "phone", "address")),
    "labour": (0.3, 0.10, ("snils", "inn", "phone")),
}


def rows(seed: int, people: int) -> Iterator[dict[str, str]]:
    """Return what the agencies wrote down, agency by agency; `person` is the truth."""
    town = Population(seed)
    while len(town.people) < people:
        town.household()
    dice = town.random
    for agency, (share, rate, attributes) in _AGENCIES.items():
        clerk = Clerk(dice, rate)
        for person in town.people:
            if dice.random() < share:
                yield _written(agency, person, clerk, dice, attributes, town.people)


def _written(  # noqa: C901 - one branch per habit of clerks
    agency: str, person: Person, clerk: Clerk, dice: random.Random, attributes: Sequence[str],
    people: Sequence[Person],
) -> dict[str, str]:  # fmt: skip
    family = person.family_name
    if agency in ("civil_registry", "health") and dice.random() < 0.5:
        family = person.birth_family_name
    given = person.given_name
    if dice.random() < 0.02:
        given = _SHORT.get(given, given)
    names = [clerk.heard(family), clerk.heard(given), clerk.heard(person.middle_name)]
    if person.is_foreign and dice.random() < 0.5:
        era = dice.choice(_ERAS)
        names = [str(era.translate(name)) for name in names]
    if dice.random() < 0.01:
        names[0], names[1] = names[1], names[0]
    if dice.random() < 0.04:
        names[2] = ""
    row = dict.fromkeys(COLUMNS, "")
    row.update(agency=agency, person=str(person.key), birthdate=clerk.day(person.birthdate))
    row["family_name"], row["given_name"], row["middle_name"] = names
    if "gender" in attributes and dice.random() > 0.01:
        row["gender"] = "male" if person.is_man else "female"
    if "snils" in attributes and dice.random() < 0.93:
        number = (
            person.second_snils if person.second_snils and dice.random() < 0.5 else person.snils
        )
        if dice.random() < 0.02:  # of somebody near: a relative, a wrong line of the list
            other = people[max(0, min(len(people) - 1, person.key + dice.choice((-2, -1, 1, 2))))]
            number = other.snils
        row["snils"] = clerk.number(number)
    if "inn" in attributes and dice.random() < 0.9:
        row["inn"] = clerk.number(person.inn)
    if "passport" in attributes and dice.random() < 0.9:
        row["passport"] = clerk.number(person.passport)
    if "phone" in attributes and dice.random() < 0.8:
        row["phone"] = person.phone
    if "address" in attributes and dice.random() < 0.95:
        address = person.former_address if dice.random() < 0.4 else person.address
        parts = ("postal_code", "region", "locality", "street", "house", "flat")
        row.update(zip(parts, address, strict=True))
        row["street"] = clerk.heard(row["street"].removeprefix("ул. "))
    return row


def write_table(seed: int, people: int, out: TextIO) -> int:
    """Write the rows as CSV; return how many there are."""
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    count = 0
    for row in rows(seed, people):
        writer.writerow(row)
        count += 1
    return count


__all__ = ["COLUMNS", "REPORTED", "TUNING", "rows", "write_table"]
