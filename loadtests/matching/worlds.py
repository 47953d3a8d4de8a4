"""Worlds that the matcher was not made for: other people, other columns, other kinds of error.

`population.py` is what we expect of Russian agencies. Here are English families, foreigners between
two alphabets, historic lives, firms; nicknames, errors of keyboards and scanners, cells left empty,
numbers shared or filled in by default, dates and addresses in free form, a source that has people
many times. Each world falls from a seed; tuning seeds and reported seeds are those of
`population.py`.
"""

import csv
import io
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from loadtests.matching.noise import ERAS, WORDS, Noise, Row, Writer
from loadtests.matching.population import rows as russian_rows

_GIVEN_MEN: list[str] = WORDS["given_men"]
_GIVEN_WOMEN: list[str] = WORDS["given_women"]
_FAMILY_STARTS: list[str] = WORDS["family_starts"]
_FAMILY_ENDS: list[str] = WORDS["family_ends"]
_FAMILY_COMMON: list[str] = WORDS["family_common"]
_TOWNS: list[str] = WORDS["towns"]
_STREETS: list[str] = WORDS["streets"]
_STREET_ENDS: list[str] = WORDS["street_ends"]
_WORK: list[str] = WORDS["work"]
_TRADES: list[str] = WORDS["trades"]
_FORMS = ("Ltd", "Limited", "LTD.", "plc", "PLC", "& Co", "& Company", "Group", "Holdings")


@dataclass(slots=True, kw_only=True)
class Life:
    """A made-up person of England."""

    key: int
    given: str
    second: str
    family: str
    maiden: str
    is_man: bool
    born: date
    birthplace: str
    street: str
    house: str
    town: str
    postcode: str
    phone: str
    email: str
    number: str
    work: str


def _ranked(dice: random.Random, names: Sequence[str]) -> str:
    return dice.choices(names, [1 / (rank + 3) for rank in range(len(names))])[0]


def _postcode(dice: random.Random, town: str) -> str:
    area = town[:2].upper()
    end = "".join(dice.choices("ABDEFGHJ", k=2))
    return f"{area}{dice.randint(1, 30)} {dice.randint(1, 9)}{end}"


def english(seed: int, people: int, *, since: int = 1930) -> list[Life]:
    """Return English people in families; twins among them."""
    dice = random.Random(seed)
    families = _FAMILY_COMMON + [one + two for one in _FAMILY_STARTS for two in _FAMILY_ENDS]
    lives: list[Life] = []
    while len(lives) < people:
        family, town = _ranked(dice, families), _ranked(dice, _TOWNS)
        street = f"{dice.choice(_STREETS)} {dice.choice(_STREET_ENDS)}"
        house, postcode = str(dice.randint(1, 150)), _postcode(dice, town)
        phone = f"0{dice.randrange(10**9):09d}"
        born = date(since, 1, 1) + timedelta(days=dice.randrange(60 * 365))
        for place in range(dice.choices((1, 2, 3, 4, 5), (30, 30, 16, 16, 8))[0]):
            is_man = dice.random() < 0.5 if place > 1 else place == 0
            given = _ranked(dice, _GIVEN_MEN if is_man else _GIVEN_WOMEN)
            is_twin = place > 2 and dice.random() < 0.06
            if place == 1:
                own = born + timedelta(days=dice.randint(-1500, 1500))
            elif is_twin:
                own = lives[-1].born
            else:
                own = born + timedelta(days=dice.randint(7500, 12000) if place else 0)
            lives.append(Life(
                key=len(lives), given=given, family=family, is_man=is_man, born=own,
                second=_ranked(dice, _GIVEN_MEN if is_man else _GIVEN_WOMEN),
                maiden=_ranked(dice, families) if place == 1 else family,
                birthplace=dice.choice((town, _ranked(dice, _TOWNS))), street=street, house=house,
                town=town, postcode=postcode,
                phone=phone if dice.random() < 0.5 else f"07{dice.randrange(10**8):08d}",
                email=f"{given}.{family}{dice.randrange(100)}@mail.example".lower(),
                number=f"{dice.randrange(10**9):09d}", work=_ranked(dice, _WORK),
            ))  # fmt: skip
    return lives


def _english_rows(
    seed: int, people: int, noise: Noise, sizes: Callable[[random.Random], int], since: int = 1930
) -> Iterator[Row]:
    lives = english(seed, people, since=since)
    dice = random.Random(seed + 7)
    writer = Writer(dice, noise)
    for life in lives:
        for copy in range(sizes(dice)):
            has_moved = copy > 0 and dice.random() < 0.25
            town = _ranked(dice, _TOWNS) if has_moved else life.town
            other_street = f"{dice.choice(_STREETS)} Road"
            other_street = f"{dice.choice(_STREETS)} Road"
            family = life.maiden if dice.random() < 0.2 else life.family
            given = life.given
            if dice.random() < noise.swapped_names:
                given, family = family, given
            row = {
                "first_name": writer.given(given),
                "middle": writer.slipped(life.second),
                "surname": writer.slipped(family),
                "dob": writer.day(life.born),
                "gender": "m" if life.is_man else "f",
                "birth_place": writer.slipped(life.birthplace),
                "occupation": life.work if dice.random() < 0.85 else _ranked(dice, _WORK),
                "street": writer.slipped(other_street if has_moved else life.street),
                "house": str(dice.randint(1, 150)) if has_moved else life.house,
                "town": writer.slipped(town),
                "postcode": writer.slipped(_postcode(dice, town) if has_moved else life.postcode),
                "phone": writer.number(life.phone, lambda: dice.choice(lives).phone),
                "email": writer.slipped(life.email),
                "ssn": writer.number(life.number, lambda: dice.choice(lives).number),
            }  # fmt: skip
            row = writer.kept(row, ("surname",))
            row.update(source=f"{copy % 3}", truth=str(life.key))
            row["full_name"] = f"{row['first_name']} {row['surname']}".strip()
            row["address"] = ", ".join(filter(None, (
                f"{row['house']} {row['street']}".strip(), row["town"], row["postcode"]
            ) if dice.random() < 0.5 else (row["postcode"], row["town"], row["street"],
                                           row["house"])))  # fmt: skip
            yield row


def _linked_rows(seed: int, people: int, noise: Noise) -> Iterator[Row]:
    """Return two sources, nobody twice in one, a third of each not in the other."""
    dice = random.Random(seed + 3)
    for row in _english_rows(seed, people, noise, lambda _: 2):
        if dice.random() < 0.8:
            yield row


def _russian_rows(seed: int, people: int, noise: Noise, latin: float) -> Iterator[Row]:
    """Return rows of `population.py`, spoiled further, some in the Latin alphabet."""
    dice = random.Random(seed + 5)
    writer = Writer(dice, noise)
    told = list(russian_rows(seed, people))
    for row in told:
        names = ("family_name", "given_name", "middle_name")
        if dice.random() < latin:
            era = dice.choice(ERAS)
            row.update((name, str(era.translate(row[name]))) for name in names)
        row.update((name, writer.slipped(row[name])) for name in (*names, "locality", "street"))
        if dice.random() < noise.swapped_names:
            row["family_name"], row["given_name"] = row["given_name"], row["family_name"]
        for number in ("snils", "inn", "passport", "phone"):

            def somebody_else(kind: str = number) -> str:
                return dice.choice(told)[kind]

            if row[number]:
                row[number] = writer.number(row[number], somebody_else)
        if noise.free_dates and len(row["birthdate"].split("-")) == 3:
            year, month, day = row["birthdate"].split("-")
            row["birthdate"] = dice.choice((
                f"{day}.{month}.{year}", f"{year}-{month}-{day}", f"{day}/{month}/{year}",
                f"{year}{month}{day}",
            ))  # fmt: skip
        kept = writer.kept(row, ("agency", "person", "family_name"))
        kept["truth"] = kept.pop("person")
        kept["source"] = kept.pop("agency")
        yield kept


def _firm_rows(seed: int, firms: int, noise: Noise) -> Iterator[Row]:
    dice = random.Random(seed)
    writer = Writer(dice, noise)
    for key in range(firms):
        stem = " ".join(dice.choice(_FAMILY_STARTS) + dice.choice(_FAMILY_ENDS)
                        for _ in range(dice.choice((1, 1, 2))))  # fmt: skip
        trade, town = dice.choice(_TRADES), _ranked(dice, _TOWNS)
        street, house = dice.choice(_STREETS), dice.randint(1, 150)
        phone, code = f"0{dice.randrange(10**9):09d}", _postcode(dice, town)
        for _ in range(dice.choices((1, 2, 3, 4), (40, 30, 20, 10))[0]):
            name = f"{stem} {trade} {dice.choice(_FORMS)}"
            if dice.random() < 0.1:
                name = f"{stem} {dice.choice(_FORMS)}"
            row = {
                "company": writer.slipped(name), "town": writer.slipped(town),
                "line": writer.slipped(f"{house} {street} {dice.choice(('St', 'Street', 'Str.'))}"),
                "postcode": writer.slipped(code),
                "phone": writer.number(phone, lambda: f"0{dice.randrange(10**9):09d}"),
            }  # fmt: skip
            yield {**writer.kept(row, ("company",)), "truth": str(key)}


def _few(dice: random.Random) -> int:
    return dice.choices((1, 2, 3, 4, 5), (40, 25, 17, 10, 8))[0]


def _many(dice: random.Random) -> int:
    return dice.choices((1, 3, 8, 20), (50, 30, 15, 5))[0]


_NAMES = {"given_name": "first_name", "family_name": "surname"}
_ENGLISH = {**_NAMES, "middle_name": "middle", "birthdate": "dob", "gender": "gender"}
_HOME = {"postal_code": "postcode", "locality": "town", "street": "street", "house": "house"}
_RUSSIAN = {name: name for name in (
    "family_name", "given_name", "middle_name", "birthdate", "gender", "snils", "inn", "passport",
    "phone", "postal_code", "region", "locality", "street", "house", "flat",
)}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A table of a kind, for any seed.

    Attributes:
        rows: Rows by seed and number of people.
        mapping: Which column is which attribute.
        people: How many people the bench makes.
    """

    rows: Callable[[int, int], Iterator[Row]]
    mapping: Mapping[str, Any]
    people: int = 1_500

    def table(self, seed: int, people: int | None = None) -> str:
        """Return the table as CSV; `truth` is the truth."""
        out = io.StringIO()
        writer: Any = None
        for row in self.rows(seed, people or self.people):
            if writer is None:
                writer = csv.DictWriter(out, row)
                writer.writeheader()
            writer.writerow(row)
        return out.getvalue()


_HEAVY = Noise(errors=0.12, missing=0.25, nicknames=0.15)
_DEFAULTS = Noise(missing=0.2, filled=0.25, shared=0.05, errors=0.06)
_OLD = Noise(errors=0.08, missing=0.3, nicknames=0.1, swapped_names=0.01, initials=0.05)

WORLDS: Mapping[str, World] = {
    "English, all columns": World(
        rows=lambda seed, n: _english_rows(seed, n, Noise(), _few),
        mapping={"source": "source", "columns": {
            **_ENGLISH, **_HOME, "phone": "phone", "email": "email", "snils": "ssn"}},
    ),
    "English, many errors": World(
        rows=lambda seed, n: _english_rows(seed, n, _HEAVY, _few),
        mapping={"columns": {**_NAMES, "birthdate": "dob", "locality": "town", "email": "email"}},
    ),
    "English, half empty": World(
        rows=lambda seed, n: _english_rows(seed, n, Noise(missing=0.5, errors=0.05), _few),
        mapping={"columns": {
            **_ENGLISH, **_HOME, "phone": "phone", "email": "email", "snils": "ssn"}},
    ),
    "English, free dates and addresses": World(
        rows=lambda seed, n: _english_rows(seed, n, Noise(free_dates=True), _few),
        mapping={"columns": {"full_name": "full_name", "birthdate": "dob", "address": "address",
                             "phone": "phone"}},
    ),
    "name and birth date": World(
        rows=lambda seed, n: _english_rows(seed, n, Noise(missing=0.02), _few),
        mapping={"columns": {**_NAMES, "birthdate": "dob"}},
    ),
    "300 rows": World(
        rows=lambda seed, n: _english_rows(seed, n, Noise(), _few),
        mapping={"columns": {**_NAMES, "birthdate": "dob", **_HOME, "phone": "phone"}}, people=130,
    ),
    "up to 20 records of one person": World(
        rows=lambda seed, n: _english_rows(seed, n, Noise(missing=0.2), _many),
        mapping={"columns": {**_ENGLISH, **_HOME, "phone": "phone"}}, people=900,
    ),
    "historic lives": World(
        rows=lambda seed, n: _english_rows(seed, n, _OLD, _many, 1700),
        mapping={"columns": {**_NAMES, "birthdate": "dob", "birthplace": "birth_place",
                             "postal_code": "postcode"},
                 "extra": {"occupation": {"column": "occupation", "kind": "category"}}},
        people=900,
    ),
    "two sources, linked": World(
        rows=lambda seed, n: _linked_rows(seed, n, Noise(errors=0.08, missing=0.15)),
        mapping={"source": "source", "one_per_source": True,
                 "columns": {**_NAMES, "birthdate": "dob", "postal_code": "postcode",
                             "locality": "town"}},
    ),
    "numbers shared and filled in": World(
        rows=lambda seed, n: _english_rows(seed, n, _DEFAULTS, _few),
        mapping={"columns": {**_NAMES, "birthdate": "dob", "postal_code": "postcode",
                             "snils": "ssn", "phone": "phone"}},
    ),
    "Russian, two alphabets, shared numbers": World(
        rows=lambda seed, n: _russian_rows(
            seed, n, Noise(errors=0.06, missing=0.2, filled=0.1, shared=0.05), 0.25),
        mapping={"source": "source", "columns": _RUSSIAN}, people=1_000,
    ),
    "Russian, half empty, no numbers": World(
        rows=lambda seed, n: _russian_rows(
            seed, n, Noise(errors=0.06, missing=0.35, free_dates=True), 0.1),
        mapping={"source": "source", "columns": {
            name: column for name, column in _RUSSIAN.items()
            if name not in {"snils", "inn", "passport"}}}, people=1_000,
    ),
    "firms": World(
        rows=lambda seed, n: _firm_rows(seed, n, Noise(shared=0.1)),
        mapping={"columns": {"locality": "town", "postal_code": "postcode", "street": "line"},
                 "extra": {"company": {"column": "company", "kind": "text"},
                           "telephone": {"column": "phone", "kind": "number"}}},
    ),
}  # fmt: skip
"""By name, as the bench prints them."""
