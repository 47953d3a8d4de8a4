"""Tables of shapes that nobody expects: `python -m loadtests.matching.gauntlet [SEED…] [PART…]`.

A person with half of the rows; an employer's telephone; a number of everybody who has none; dates
in the order of another country; ages instead of birth dates; names cut off, swapped, married; the
names of other languages with and without their accents. Each is small and falls from a seed.
"""

import io
import json
import random
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from loadtests.matching.noise import WORDS, Noise, Row, Writer
from loadtests.matching.population import TUNING
from loadtests.matching.worlds import Life, World, english
from population_register.api import MatchingReport, TruthColumn, evaluate_matching

_ELSEWHERE: dict[str, dict[str, list[str]]] = json.loads(
    (Path(__file__).parent / "elsewhere.json").read_text("utf-8")
)
_TOWNS: list[str] = WORDS["towns"]
_FAMILIES: list[str] = WORDS["family_common"]

Sizes = Callable[[random.Random, int], int]
"""How many rows a person has, given their number."""

Change = Callable[[random.Random, Life, Row, Sequence[Life]], None]
"""Damages a row in a way of its own."""


def _few(dice: random.Random, _key: int) -> int:
    return dice.choices((1, 2, 3, 4, 5), (40, 25, 17, 10, 8))[0]


def _pairs(_dice: random.Random, _key: int) -> int:
    return 2


def _half_is_one(dice: random.Random, key: int) -> int:
    return 1_500 if key == 3 else _few(dice, key)


def _hundreds(dice: random.Random, key: int) -> int:
    return max(1, 400 // (key // 7 + 1)) if key % 7 == 0 else _few(dice, key)


def _five_to_thirty(dice: random.Random, _key: int) -> int:
    return dice.randint(5, 30)


def _nothing(_dice: random.Random, _life: Life, _row: Row, _lives: Sequence[Life]) -> None:
    pass


def _rows(
    seed: int,
    people: int,
    noise: Noise,
    sizes: Sizes = _few,
    change: Change = _nothing,
    sources: int = 3,
) -> Iterator[Row]:
    """Return rows about English people, each damaged by a change after the usual noise."""
    lives = english(seed, people)
    dice = random.Random(seed + 19)
    writer = Writer(dice, noise)
    for life in lives:
        for copy in range(sizes(dice, life.key)):
            given, family = life.given, life.family
            if life.maiden != family and dice.random() < 0.2:
                family = life.maiden
            if dice.random() < noise.swapped_names:
                given, family = family, given
            row = {
                "first": writer.given(given),
                "second": writer.slipped(life.second),
                "last": writer.slipped(family),
                "born": writer.day(life.born),
                "sex": "m" if life.is_man else "f",
                "street": writer.slipped(life.street),
                "house": life.house,
                "town": life.town,
                "zip": writer.slipped(life.postcode),
                "phone": writer.number(life.phone, lambda: dice.choice(lives).phone),
                "mail": writer.slipped(life.email),
                "number": writer.number(life.number, lambda: dice.choice(lives).number),
            }
            if copy and dice.random() < 0.15:
                row.update(
                    street=f"{dice.choice(WORDS['streets'])} Road",
                    house=str(dice.randint(1, 150)),
                    town=dice.choice(_TOWNS),
                    zip=f"Z{dice.randint(1, 9)} {dice.randint(1, 9)}QX",
                )
            row = writer.kept(row, ("last",))
            row.update(source=f"agency {copy % sources + 1}", truth=str(life.key))
            change(dice, life, row, lives)
            yield row


# Ways to damage a row


def _of_an_employer(dice: random.Random, life: Life, row: Row, _lives: Sequence[Life]) -> None:
    """Give a telephone and a mailbox of the employer, who has some sixty people."""
    if dice.random() < 0.5:
        row["phone"] = f"0800{life.key // 60:06d}"
        row["mail"] = f"office@firm{life.key // 60}.example"


def _of_the_head(dice: random.Random, life: Life, row: Row, lives: Sequence[Life]) -> None:
    """Give everybody at home the number of whoever heads it, and one telephone."""
    head = next(
        other
        for other in lives[max(0, life.key - 5) :]
        if (other.family, other.house, other.postcode) == (life.family, life.house, life.postcode)
    )
    if dice.random() < 0.5:
        row["number"] = head.number
    row["phone"] = head.phone if dice.random() < 0.8 else ""


_PLACEHOLDERS = {
    "number": ("000-000-000 00", "NULL", "123456789", "unknown", "999-99-9999", "N/A", "-"),
    "phone": ("555-0100", "none", "0000000000", "1234567890", "N/A"),
    "mail": ("none@none.example", "noreply@agency.example", "N/A", "no"),
    "born": ("1900-01-01", "1970-01-01", "9999-12-31", "NULL", "unknown"),
    "first": ("UNKNOWN", "Baby", "Test", "Mr"),
    "zip": ("00000", "N/A", "XX1 1XX"),
}


def _filled_in(dice: random.Random, _life: Life, row: Row, _lives: Sequence[Life]) -> None:
    for name, defaults in _PLACEHOLDERS.items():
        if dice.random() < (0.04 if name == "first" else 0.2):
            row[name] = dice.choice(defaults[:2] if dice.random() < 0.6 else defaults)


def _wrong_number(dice: random.Random, _life: Life, row: Row, lives: Sequence[Life]) -> None:
    number = row["number"]
    if number and dice.random() < 0.25:
        place = dice.randrange(len(number))
        row["number"] = number[:place] + str(dice.randrange(10)) + number[place + 1 :]
        if dice.random() < 0.4:
            row["number"] = "".join(dice.sample(row["number"], len(row["number"])))
    elif dice.random() < 0.1:
        row["number"] = dice.choice(lives).number


def _abroad(dice: random.Random, life: Life, row: Row, _lives: Sequence[Life]) -> None:
    """Write dates as the source does, names in one column, some sources in capitals."""
    born = life.born
    if row["born"]:
        if dice.random() < 0.05:
            born += timedelta(days=dice.choice((-1, 1, 10, 30)))
        orders = {"1": "{d:02d}/{m:02d}/{y}", "2": "{m:02d}/{d:02d}/{y}", "3": "{d}.{m}.{s:02d}"}
        shape = orders[row["source"][-1]]
        row["born"] = shape.format(d=born.day, m=born.month, y=born.year, s=born.year % 100)
    row["name"] = f"{row['first']} {row['last']}"
    if row["source"][-1] == "2":
        row["name"] = f"{row['last']}, {row['first']}".upper().strip(", ")
        row["town"] = row["town"].upper()


def _aged(dice: random.Random, life: Life, row: Row, _lives: Sequence[Life]) -> None:
    year = 2000 + 6 * dice.randrange(4)
    row["year"] = str(year)
    row["age"] = str(max(0, year - life.born.year + dice.choice((0, 0, 0, -1, 1))))
    row["born"] = "" if dice.random() < 0.1 else str(life.born.year)


def _in_one_column(dice: random.Random, _life: Life, row: Row, _lives: Sequence[Life]) -> None:
    parts = [f"{row['house']} {row['street']}", row["town"], row["zip"]]
    if dice.random() < 0.4:
        parts.reverse()
    row["address"] = dice.choice((", ", " ", "; ")).join(part for part in parts if part.strip())


def _married(dice: random.Random, life: Life, row: Row, _lives: Sequence[Life]) -> None:
    if row["last"] == life.family and dice.random() < 0.25:
        row["last"] = dice.choice((f"{life.maiden}-{life.family}", f"{life.family} {life.maiden}"))
    if dice.random() < 0.2 and row["first"]:
        row["first"] = dice.choice((f"{row['first']} {life.second}", f"{row['first'][0]}.",
                                    f"{row['first']} {life.second[0]}."))  # fmt: skip
    if dice.random() < 0.1:
        row["last"] = f"{row['last']} {dice.choice(('Jr', 'Sr', 'III', 'Esq'))}"
    if dice.random() < 0.1:
        row["first"] = f"{'Mr' if life.is_man else 'Mrs'} {row['first']}"


def _cut_off(_dice: random.Random, _life: Life, row: Row, _lives: Sequence[Life]) -> None:
    if row["source"][-1] == "2":
        row.update((name, row[name][:6].upper()) for name in ("first", "last", "street", "town"))
        row["born"] = row["born"].replace("-", "")


def _junior(dice: random.Random, life: Life, row: Row, lives: Sequence[Life]) -> None:
    """Name a third of the men as another man of the house is, and leave many birth dates out."""
    if life.key % 3 == 0 and life.is_man:
        senior = next((one for one in lives[max(0, life.key - 5) : life.key]
                       if one.is_man and one.house == life.house), None)  # fmt: skip
        if senior is not None and row["first"]:
            row["first"] = senior.given
    if dice.random() < 0.4:
        row["born"] = ""


# Other languages


def _ranked(dice: random.Random, names: Sequence[str]) -> str:
    return dice.choices(names, [1 / (rank + 3) for rank in range(len(names))])[0]


def _elsewhere(seed: int, people: int, language: str, *, is_family_first: bool) -> Iterator[Row]:
    """Return rows of another language: half of the sources have lost its accents."""
    words = _ELSEWHERE[language]
    dice = random.Random(seed + 23)
    writer = Writer(dice, Noise(errors=0.04, missing=0.08))
    for key in range(people):
        given = _ranked(dice, words["men" if key % 2 else "women"])
        family = _ranked(dice, words["families"])
        maiden = dice.choice(words["families"])
        born = date(1935, 1, 1) + timedelta(days=dice.randrange(25_000))
        town, code = dice.choice(words["towns"]), f"{dice.randrange(10_000, 99_999)}"
        for copy in range(_few(dice, key)):
            last = family
            if key % 2 == 0 and dice.random() < 0.15:
                last = maiden if dice.random() < 0.5 else f"{family}-{maiden}"
            if " " in last and dice.random() < 0.2:  # the particle stands elsewhere, or is lost
                particle, _, stem = last.rpartition(" ")
                last = stem if dice.random() < 0.5 else f"{stem}, {particle}"
            row = {
                "first": writer.slipped(given), "last": writer.slipped(last),
                "born": writer.day(born), "town": town, "zip": writer.slipped(code),
            }  # fmt: skip
            row = writer.kept(row, ("last",))
            if copy % 2:
                row = {name: _without_accents(cell, language) for name, cell in row.items()}
            if copy % 3 == 2:
                row = {name: cell.upper() for name, cell in row.items()}
            order = (row["last"], row["first"]) if is_family_first else (row["first"], row["last"])
            row.update(name=" ".join(filter(None, order)), source=str(copy), truth=str(key))
            yield row


def _without_accents(text: str, language: str) -> str:
    if language == "german":
        for letter, written in (("ü", "ue"), ("ö", "oe"), ("ä", "ae"), ("ß", "ss")):
            text = text.replace(letter, written)
    text = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in text if not unicodedata.combining(letter))


def _german_days(seed: int, people: int) -> Iterator[Row]:
    """Return people with one duplicate in ten, and one wrong thing in that: names and a birth."""
    dice = random.Random(seed + 29)
    words = _ELSEWHERE["german"]
    for key in range(people):
        names = words["men" if dice.random() < 0.5 else "women"]
        row = {
            "first": _ranked(dice, names).upper(),
            "last": dice.choice(words["families"]).upper(),
            "year": str(dice.randint(1920, 2004)), "month": str(dice.randint(1, 12)),
            "day": str(dice.randint(1, 28)), "truth": str(key),
        }  # fmt: skip
        yield row
        if dice.random() < 0.12:
            name = dice.choice(("first", "last", "last", "year", "month", "day"))
            again = dict(row)
            if name in ("first", "last"):
                place = dice.randrange(len(row[name]))
                again[name] = row[name][:place] + row[name][place + 1 :]
            elif name == "year":
                again[name] = str(int(row[name]) + dice.choice((-10, -1, 1, 10)))
            else:
                again[name] = str(dice.randint(1, 12))
            yield again


def _voters(seed: int, people: int) -> Iterator[Row]:
    """Return six registers of voters, years apart: nobody twice in one; they move and marry."""
    dice = random.Random(seed + 31)
    writer = Writer(dice, Noise(errors=0.004))
    for life in english(seed, people):
        first, last = dice.randrange(6), dice.randrange(6)
        family, home = life.maiden, (life.house, life.street, life.town, life.postcode)
        phone, second = life.phone, life.second.upper()
        for year in range(min(first, last), max(first, last) + 1):
            if dice.random() < 0.12:
                home = (str(dice.randint(1, 999)), f"{dice.choice(WORDS['streets'])} DR",
                        dice.choice(_TOWNS), f"2{dice.randrange(10_000):04d}")  # fmt: skip
                phone = f"{dice.randrange(10**9, 10**10)}"
            if family != life.family and dice.random() < 0.3:
                family = life.family
            age = 2004 + 4 * year - life.born.year
            yield {
                "source": f"snapshot {2004 + 4 * year}", "truth": str(life.key),
                "last": writer.slipped(family.upper()), "first": writer.slipped(life.given.upper()),
                "second": second if dice.random() < 0.7 else second[:1],
                "age": str(age - (dice.random() < 0.4)), "year": str(2004 + 4 * year),
                "sex": "M" if life.is_man else "F", "house": home[0], "street": home[1].upper(),
                "town": home[2].upper(), "zip": home[3],
                "phone": phone if dice.random() < 0.5 else "",
            }  # fmt: skip


_NAMED = {"given_name": "first", "family_name": "last"}
_BORN = {**_NAMED, "birthdate": "born"}
_HOME = {"postal_code": "zip", "locality": "town", "street": "street", "house": "house"}
_FULL = {**_BORN, **_HOME, "gender": "sex", "phone": "phone"}


def _world(
    noise: Noise,
    columns: Mapping[str, Any],
    *,
    sizes: Sizes = _few,
    change: Change = _nothing,
    people: int = 700,
    source: str | None = None,
) -> World:
    return World(
        rows=lambda seed, n: _rows(seed, n, noise, sizes, change),
        mapping={"columns": columns, **({"source": source} if source else {})},
        people=people,
    )


_USUAL = Noise(errors=0.05, missing=0.1)

TABLES: Mapping[str, World] = {
    "half of the rows are one person's": _world(_USUAL, _FULL, sizes=_half_is_one, people=600),
    "half of the rows are one person's, few columns": _world(
        Noise(missing=0.05), _BORN, sizes=_half_is_one, people=600
    ),
    "a few people have hundreds of rows": _world(_USUAL, _FULL, sizes=_hundreds, people=400),
    "five to thirty rows each": _world(
        _USUAL, {**_FULL, "snils": "number"}, sizes=_five_to_thirty, people=150, source="source"
    ),
    "an employer's telephone and mailbox": _world(
        _USUAL, {**_BORN, "phone": "phone", "email": "mail"}, change=_of_an_employer
    ),
    "the number of the head of the house": _world(
        _USUAL, {**_BORN, "phone": "phone", "snils": "number"}, change=_of_the_head
    ),
    "placeholders": _world(
        _USUAL,
        {**_BORN, "phone": "phone", "email": "mail", "snils": "number", "postal_code": "zip"},
        change=_filled_in,
        people=1_200,
    ),
    "wrong numbers": _world(_USUAL, {**_BORN, "snils": "number"}, change=_wrong_number),
    "dates and names as each source writes them": _world(
        _USUAL,
        {"full_name": "name", "birthdate": "born", "locality": "town", "phone": "phone"},
        change=_abroad,
        source="source",
    ),
    "ages at several times": _world(
        _USUAL,
        {**_NAMED, "age": {"column": "age", "at": "year"}, **_HOME},
        change=_aged,
    ),
    "years of birth": _world(
        _USUAL, {**_BORN, "middle_name": "second", "postal_code": "zip"}, change=_aged
    ),
    "address in one column, names swapped": _world(
        Noise(errors=0.05, missing=0.1, swapped_names=0.15),
        {**_BORN, "address": "address"},
        change=_in_one_column,
    ),
    "nicknames, initials, double names, titles": _world(
        Noise(errors=0.04, missing=0.1, nicknames=0.2, initials=0.05),
        {**_BORN, "locality": "town", "postal_code": "zip"},
        change=_married,
    ),
    "cut off after six letters": _world(_USUAL, {**_BORN, **_HOME}, change=_cut_off),
    "six in ten cells are empty": _world(
        Noise(errors=0.04, missing=0.6),
        {**_FULL, "email": "mail", "snils": "number", "middle_name": "second"},
    ),
    "no birth date": _world(_USUAL, {**_NAMED, **_HOME, "phone": "phone"}),
    "fathers and sons of one name": _world(_USUAL, _FULL, change=_junior),
    "two sources, name and birth only": World(
        rows=lambda seed, n: _rows(seed, n, Noise(errors=0.06, missing=0.05), _pairs, sources=2),
        mapping={"source": "source", "one_per_source": True, "columns": _BORN},
        people=1_000,
    ),
    "Dutch": World(
        rows=lambda seed, n: _elsewhere(seed, n, "dutch", is_family_first=False),
        mapping={"columns": {"full_name": "name", "birthdate": "born", "postal_code": "zip"}},
        people=800,
    ),
    "Brazilian": World(
        rows=lambda seed, n: _elsewhere(seed, n, "brazilian", is_family_first=False),
        mapping={"columns": {**_BORN, "locality": "town"}},
        people=800,
    ),
    "Hungarian": World(
        rows=lambda seed, n: _elsewhere(seed, n, "hungarian", is_family_first=True),
        mapping={"columns": {"full_name": {"column": "name", "family_first": True},
                             "birthdate": "born", "locality": "town"}},
        people=800,
    ),
    "German": World(
        rows=lambda seed, n: _elsewhere(seed, n, "german", is_family_first=False),
        mapping={"columns": {**_BORN, "postal_code": "zip"}},
        people=800,
    ),
    "German, one duplicate in ten": World(
        rows=_german_days,
        mapping={"columns": {**_NAMED, "birthdate": ["year", "month", "day"]}},
        people=4_000,
    ),
    "voters of six elections": World(
        rows=_voters,
        mapping={"source": "source", "columns": {
            **_NAMED, **_HOME, "middle_name": "second", "gender": "sex", "phone": "phone",
            "age": {"column": "age", "at": "year"}}},
        people=900,
    ),
}  # fmt: skip
"""By name, as the bench prints them."""


def score(world: World, seed: int) -> MatchingReport:
    """Return how well a table is matched."""
    return evaluate_matching(
        io.StringIO(world.table(seed)), mapping=world.mapping, truth=TruthColumn(name="truth")
    )


def main(said: Sequence[str]) -> None:
    """Print the figures of tables, those of the tuning seeds unless others are named."""
    seeds = [int(word) for word in said if word.isdigit()] or TUNING[:1]
    parts = [word for word in said if not word.isdigit()]
    for seed in seeds:
        sums = [0.0, 0.0]
        for name, world in TABLES.items():
            if parts and not any(part in name for part in parts):
                continue
            begun = time.process_time()
            report = score(world, seed)
            found = report.clusters
            sums = [sums[0] + found.f1, sums[1] + 1]
            print(
                f"{name:<48} {seed:>4} {report.records:>6,} {report.people:>6,}"
                f" {report.persons:>6,} {found.precision:.4f} {found.recall:.4f} {found.f1:.4f}"
                f" {report.best_pairs[0]:.4f} {report.blocked_recall:8.2%}"
                f" {time.process_time() - begun:5.1f}",
                flush=True,
            )
        print(f"{'mean F1':<48} {seed:>4} {sums[0] / max(1.0, sums[1]):38.4f}")


if __name__ == "__main__":
    main(sys.argv[1:])
