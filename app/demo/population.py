"""The demonstration's people: a few hundred, in households, the same ones on every machine.

Nobody here exists. Their numbers have valid check digits but come from ranges that are not given
out: SNILS from 900-000-000 on, INN of region 00, policies and passports of region 99.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.resources import files
from typing import Any, Literal, TypeVar

from stdnum import luhn
from stdnum.ru.inn import calc_personal_check_digits

SEED = "civitas demonstration 1"
HOUSEHOLDS = 110

TODAY = date(2025, 1, 1)
"""The day on which the demonstration was made up: nobody in it knows of anything later."""

T = TypeVar("T")
_DATA: dict[str, Any] = json.loads(
    files("app.demo").joinpath("data", "people.json").read_text(encoding="utf-8")
)


class Dice:
    """Chance that falls the same way every time: SHA-256 over a seed and a counter."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._thrown = 0

    def below(self, limit: int) -> int:
        """Return a number from 0 up to, not including, `limit`."""
        self._thrown += 1
        digest = hashlib.sha256(f"{self._seed}/{self._thrown}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % limit

    def pick(self, things: Sequence[T]) -> T:
        """Return one of several things."""
        return things[self.below(len(things))]

    def chance(self, percent: int) -> bool:
        """Return true in so many of a hundred cases."""
        return self.below(100) < percent

    def day(self, first: date, last: date) -> date:
        """Return a day between two, both included."""
        return first + timedelta(days=self.below((last - first).days + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a household lives."""

    region: str
    locality: str
    street: str
    house: str
    flat: str
    postal_code: str

    @property
    def formatted(self) -> str:
        """The address in one line, as on an envelope."""
        parts = [self.postal_code, self.region, self.locality, self.street, f"д. {self.house}"]
        line = ", ".join(part for part in parts if part != f"город {self.locality}")
        return f"{line}, кв. {self.flat}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreigner:
    """What only somebody from another state has."""

    state: str
    passport_number: str
    latin_name: str
    passport_expires_on: date
    arrived_on: date
    permit_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marriage:
    """A marriage, as told of one of the two."""

    on: date
    spouse_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A made-up person as they are; what each agency knows of them is in `agencies.py`."""

    key: str
    gender: Literal["female", "male"]
    family_name: str
    given_name: str
    middle_name: str | None
    birthdate: date
    birthplace: str
    address: Address
    birth_family_name: str
    snils: str
    inn: str
    enp: str
    passport: str
    birth_certificate: str
    marriage: Marriage | None = None
    parent_keys: tuple[str, ...] = ()
    foreigner: Foreigner | None = None

    def age(self) -> int:
        """Return the age in full years on `TODAY`."""
        born = self.birthdate
        return TODAY.year - born.year - ((TODAY.month, TODAY.day) < (born.month, born.day))


# Numbers


def snils_of(ordinal: int) -> str:
    """Return the SNILS of the person with this ordinal number, written as on the card."""
    number = f"{900_000_000 + ordinal:09d}"
    check = sum(int(digit) * weight for digit, weight in zip(number, range(9, 0, -1), strict=True))
    return f"{number[:3]}-{number[3:6]}-{number[6:]} {check % 101 % 100:02d}"


def inn_of(ordinal: int) -> str:
    """Return the INN of the person with this ordinal number."""
    number = f"00{ordinal:08d}"
    return number + calc_personal_check_digits(number)


def enp_of(ordinal: int) -> str:
    """Return the health insurance number of the person with this ordinal number."""
    number = f"99{ordinal:013d}"
    return number + luhn.calc_check_digit(number)


def passport_of(ordinal: int, issued_on: date) -> str:
    """Return series and number of an internal passport printed when it was issued."""
    return f"99{issued_on:%y} {100_000 + ordinal:06d}"


def birth_certificate_of(ordinal: int) -> str:
    """Return series and number of a birth certificate."""
    return f"IX-ЯЯ {500_000 + ordinal:06d}"


def birthday(born: date, age: int) -> date:
    """Return the day on which somebody turns `age`."""
    is_leap_day = (born.month, born.day) == (2, 29)
    return date(born.year + age, 3, 1) if is_leap_day else born.replace(year=born.year + age)


# People


class Town:
    """Makes people one after another; each has a number of its own."""

    def __init__(self, seed: str) -> None:
        self.dice = Dice(seed)
        self.people: dict[str, Person] = {}

    def add(
        self,
        *,
        gender: Literal["female", "male"],
        family_name: str,
        given_name: str,
        middle_name: str | None,
        birthdate: date,
        address: Address,
        key: str | None = None,
        birth_family_name: str | None = None,
        birthplace: str | None = None,
        parent_keys: tuple[str, ...] = (),
        foreigner: Foreigner | None = None,
    ) -> Person:
        """Add a person with the numbers that come next."""
        ordinal = len(self.people) + 1
        issued_on = passport_issued_on(birthdate)
        person = Person(
            key=key or f"p{ordinal}",
            gender=gender,
            family_name=family_name,
            given_name=given_name,
            middle_name=middle_name,
            birthdate=birthdate,
            birthplace=birthplace or self.dice.pick(_DATA["places"])["locality"],
            address=address,
            birth_family_name=birth_family_name or family_name,
            snils=snils_of(ordinal),
            inn=inn_of(ordinal),
            enp=enp_of(ordinal),
            passport=passport_of(ordinal, issued_on),
            birth_certificate=birth_certificate_of(ordinal),
            parent_keys=parent_keys,
            foreigner=foreigner,
        )
        self.people[person.key] = person
        return person

    def marry(self, one: Person, other: Person, on: date) -> None:
        """Marry two people of the town."""
        for person, spouse in ((one, other), (other, one)):
            marriage = Marriage(on=on, spouse_key=spouse.key)
            self.people[person.key] = replace(self.people[person.key], marriage=marriage)

    def address(self) -> Address:
        """Return a place to live."""
        place = self.dice.pick(_DATA["places"])
        return Address(
            region=place["region"],
            locality=place["locality"],
            street=self.dice.pick(_DATA["streets"]),
            house=str(1 + self.dice.below(120)),
            flat=str(1 + self.dice.below(200)),
            postal_code=f"{place['postal_prefix']}{self.dice.below(1000):03d}",
        )

    def household(self) -> None:
        """Add a household: a couple, one parent, or one person, and the children of the house."""
        dice, address = self.dice, self.address()
        name_pair = dice.pick(_DATA["family_names"])
        oldest_child = date(TODAY.year - 22, 1, 1)
        born = dice.day(date(1942, 1, 1), date(2004, 12, 31))
        if dice.chance(25):
            gender: Literal["female", "male"] = "female" if dice.chance(55) else "male"
            self.adult(gender, name_pair, born, address)
            return
        mother = self.adult("female", name_pair, born, address, maiden=dice.chance(80))
        father = None
        if dice.chance(80):
            his_birth = dice.day(born - timedelta(days=2500), born + timedelta(days=700))
            father = self.adult("male", name_pair, his_birth, address)
            wedding = dice.day(birthday(max(born, his_birth), 18), birthday(born, 27))
            if wedding < TODAY:
                self.marry(father, mother, wedding)
        for _ in range(dice.below(4)):
            first, last = birthday(born, 20), min(birthday(born, 40), TODAY)
            first = max(first, oldest_child)
            if first < last:
                self.child(mother, father, name_pair, dice.day(first, last))

    def adult(
        self,
        gender: Literal["female", "male"],
        name_pair: Sequence[str],
        born: date,
        address: Address,
        *,
        maiden: bool = False,
    ) -> Person:
        """Add a grown-up; with `maiden`, one who was born under another family name."""
        father = self.dice.pick(_DATA["male_names"])
        is_man = gender == "male"
        given = self.dice.pick(_DATA["male_names"])["name"] if is_man else None
        other_name = self.dice.pick(_DATA["family_names"])[1]
        return self.add(
            gender=gender,
            family_name=name_pair[0 if is_man else 1],
            given_name=given or self.dice.pick(_DATA["female_names"]),
            middle_name=father["son" if is_man else "daughter"],
            birthdate=born,
            address=address,
            birth_family_name=other_name if maiden else None,
        )

    def child(
        self, mother: Person, father: Person | None, name_pair: Sequence[str], born: date
    ) -> Person:
        """Add a child of two people, or of one."""
        is_boy = self.dice.chance(51)
        names = {name["name"]: name for name in _DATA["male_names"]}
        fathers = names[father.given_name] if father else self.dice.pick(_DATA["male_names"])
        given = self.dice.pick(_DATA["male_names"])["name"] if is_boy else None
        return self.add(
            gender="male" if is_boy else "female",
            family_name=name_pair[0 if is_boy else 1],
            given_name=given or self.dice.pick(_DATA["female_names"]),
            middle_name=fathers["son" if is_boy else "daughter"],
            birthdate=born,
            birthplace=mother.address.locality,
            address=mother.address,
            parent_keys=tuple(parent.key for parent in (mother, father) if parent),
        )


def passport_issued_on(born: date) -> date:
    """Return when the passport in force was issued: at 14, exchanged at 20 and at 45."""
    due = [birthday(born, age) + timedelta(days=20) for age in (14, 20, 45)]
    return max([day for day in due if day <= TODAY], default=due[0])


def settle(
    named: Callable[[Town], None], seed: str = SEED, households: int = HOUSEHOLDS
) -> dict[str, Person]:
    """Return the people of a town by key: first those whom `named` adds, then the households."""
    town = Town(seed)
    named(town)
    for _ in range(households):
        town.household()
    return town.people
