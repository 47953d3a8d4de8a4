"""Rows about people of other languages, and about voters; half of the sources lost the accents."""

import json
import random
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from loadtests.matching.damage import few
from loadtests.matching.noise import WORDS, Noise, Row, Writer
from loadtests.matching.worlds import english

_ELSEWHERE: dict[str, dict[str, list[str]]] = json.loads(
    (Path(__file__).parent / "elsewhere.json").read_text("utf-8")
)
_TOWNS: list[str] = WORDS["towns"]


def _ranked(dice: random.Random, names: Sequence[str]) -> str:
    return dice.choices(names, [1 / (rank + 3) for rank in range(len(names))])[0]


def elsewhere(seed: int, people: int, language: str, *, is_family_first: bool) -> Iterator[Row]:
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
        for copy in range(few(dice, key)):
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


def german_days(seed: int, people: int) -> Iterator[Row]:
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


def voters(seed: int, people: int) -> Iterator[Row]:
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
