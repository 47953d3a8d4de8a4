"""Rows about English people, damaged in ways that `noise` knows nothing of."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from loadtests.matching.noise import WORDS, Noise, Row, Writer
from loadtests.matching.worlds import Life, english

_TOWNS: list[str] = WORDS["towns"]

Sizes = Callable[[random.Random, int], int]
"""How many rows a person has, given their number."""

Change = Callable[[random.Random, Life, Row, Sequence[Life]], None]
"""Damages a row in a way of its own."""


def few(dice: random.Random, _key: int) -> int:
    return dice.choices((1, 2, 3, 4, 5), (40, 25, 17, 10, 8))[0]


def pairs(_dice: random.Random, _key: int) -> int:
    return 2


def half_is_one(dice: random.Random, key: int) -> int:
    return 1_500 if key == 3 else few(dice, key)


def hundreds(dice: random.Random, key: int) -> int:
    return max(1, 400 // (key // 7 + 1)) if key % 7 == 0 else few(dice, key)


def five_to_thirty(dice: random.Random, _key: int) -> int:
    return dice.randint(5, 30)


def nothing(_dice: random.Random, _life: Life, _row: Row, _lives: Sequence[Life]) -> None:
    pass


def rows(
    seed: int,
    people: int,
    noise: Noise,
    sizes: Sizes = few,
    change: Change = nothing,
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


def of_an_employer(dice: random.Random, life: Life, row: Row, _lives: Sequence[Life]) -> None:
    """Give a telephone and a mailbox of the employer, who has some sixty people."""
    if dice.random() < 0.5:
        row["phone"] = f"0800{life.key // 60:06d}"
        row["mail"] = f"office@firm{life.key // 60}.example"


def of_the_head(dice: random.Random, life: Life, row: Row, lives: Sequence[Life]) -> None:
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


def filled_in(dice: random.Random, _life: Life, row: Row, _lives: Sequence[Life]) -> None:
    for name, defaults in _PLACEHOLDERS.items():
        if dice.random() < (0.04 if name == "first" else 0.2):
            row[name] = dice.choice(defaults[:2] if dice.random() < 0.6 else defaults)


def wrong_number(dice: random.Random, _life: Life, row: Row, lives: Sequence[Life]) -> None:
    number = row["number"]
    if number and dice.random() < 0.25:
        place = dice.randrange(len(number))
        row["number"] = number[:place] + str(dice.randrange(10)) + number[place + 1 :]
        if dice.random() < 0.4:
            row["number"] = "".join(dice.sample(row["number"], len(row["number"])))
    elif dice.random() < 0.1:
        row["number"] = dice.choice(lives).number


def abroad(dice: random.Random, life: Life, row: Row, _lives: Sequence[Life]) -> None:
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


def aged(dice: random.Random, life: Life, row: Row, _lives: Sequence[Life]) -> None:
    year = 2000 + 6 * dice.randrange(4)
    row["year"] = str(year)
    row["age"] = str(max(0, year - life.born.year + dice.choice((0, 0, 0, -1, 1))))
    row["born"] = "" if dice.random() < 0.1 else str(life.born.year)


def in_one_column(dice: random.Random, _life: Life, row: Row, _lives: Sequence[Life]) -> None:
    parts = [f"{row['house']} {row['street']}", row["town"], row["zip"]]
    if dice.random() < 0.4:
        parts.reverse()
    row["address"] = dice.choice((", ", " ", "; ")).join(part for part in parts if part.strip())


def married(dice: random.Random, life: Life, row: Row, _lives: Sequence[Life]) -> None:
    if row["last"] == life.family and dice.random() < 0.25:
        row["last"] = dice.choice((f"{life.maiden}-{life.family}", f"{life.family} {life.maiden}"))
    if dice.random() < 0.2 and row["first"]:
        row["first"] = dice.choice((f"{row['first']} {life.second}", f"{row['first'][0]}.",
                                    f"{row['first']} {life.second[0]}."))  # fmt: skip
    if dice.random() < 0.1:
        row["last"] = f"{row['last']} {dice.choice(('Jr', 'Sr', 'III', 'Esq'))}"
    if dice.random() < 0.1:
        row["first"] = f"{'Mr' if life.is_man else 'Mrs'} {row['first']}"


def cut_off(_dice: random.Random, _life: Life, row: Row, _lives: Sequence[Life]) -> None:
    if row["source"][-1] == "2":
        row.update((name, row[name][:6].upper()) for name in ("first", "last", "street", "town"))
        row["born"] = row["born"].replace("-", "")


def junior(dice: random.Random, life: Life, row: Row, lives: Sequence[Life]) -> None:
    """Name a third of the men as another man of the house is, and leave many birth dates out."""
    if life.key % 3 == 0 and life.is_man:
        senior = next((one for one in lives[max(0, life.key - 5) : life.key]
                       if one.is_man and one.house == life.house), None)  # fmt: skip
        if senior is not None and row["first"]:
            row["first"] = senior.given
    if dice.random() < 0.4:
        row["born"] = ""
