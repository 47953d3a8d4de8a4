"""Five feeds about the same made-up people, as large as one likes, from a seed.

Names follow Zipf's law over some twenty thousand family names, as in a country; two rows in a
hundred have a slip of the finger, and a few numbers belong to somebody else.
"""

import json
import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import orjson
from stdnum import luhn
from stdnum.ru.inn import calc_personal_check_digits

from kernel.ids import AgencyId
from loadtests.matching.population import snils_of
from population_register.model import Agency, AgencyRole

ROLES = (
    AgencyRole.CIVIL_REGISTRY,
    AgencyRole.INTERIOR,
    AgencyRole.PENSION,
    AgencyRole.TAX,
    AgencyRole.HEALTH,
)
"""Who sends a feed, in the order of loading."""

SLIPS = 0.02
_MEN = 0.46
_WORDS = json.loads((Path(__file__).parent / "matching" / "words.json").read_text("utf-8"))
_SYLLABLES = [a + b for a in "абвгдзклмнпрст" for b in "аеиоу"]
_ENDINGS = (("ов", "ова"), ("ев", "ева"), ("ин", "ина"), ("ский", "ская"))
_LETTERS = "абвгдежзиклмнопрстуфхцчшюя"


def agency_of(role: AgencyRole) -> Agency:
    """Return the agency of a role, which sends our own field names."""
    return Agency(
        agency_id=AgencyId(role.value), role=role, name_ru=role.value, name_en=role.value,
        mapping={},
    )  # fmt: skip


class Country:
    """People by number: the same person in every feed."""

    def __init__(self, seed: int = 7) -> None:
        dice = random.Random(seed)
        self._seed = seed
        roots = [root + syllable for root in _WORDS["roots"] for syllable in ("", *_SYLLABLES)]
        dice.shuffle(roots)
        self._families = [(root + he, root + she) for root in roots for he, she in _ENDINGS][
            :20_000
        ]
        self._rank = list(accumulate(1 / (n + 10) for n in range(len(self._families))))
        self._given = {
            is_man: (names, list(accumulate(1 / (n + 4) for n in range(len(names)))))
            for is_man, names in ((True, _WORDS["male"]), (False, _WORDS["female"]))
        }

    def person(self, number: int) -> dict[str, Any]:
        """Return a person's attributes."""
        dice = random.Random(self._seed * 1_000_003 + number)
        is_man = dice.random() < _MEN
        names, weights = self._given[is_man]
        fathers, father_weights = self._given[True]
        father = dice.choices(fathers, cum_weights=father_weights)[0]
        stem, soft = (father[:-1], True) if father[-1] in "йь" else (father, False)
        stem = stem.removesuffix("а")
        tail = ("евич" if soft else "ович") if is_man else ("евна" if soft else "овна")
        born = date(1926, 1, 1) + timedelta(days=dice.randrange(29_000))
        region, town, prefix, _ = dice.choice(_WORDS["places"])
        inn = f"77{number % 10**8:08d}"
        enp = f"{dice.randrange(10**6):06d}{number % 10**9:09d}"
        return {
            "family_name": dice.choices(self._families, cum_weights=self._rank)[0][not is_man],
            "given_name": dice.choices(names, cum_weights=weights)[0],
            "middle_name": stem + tail,
            "birthdate": born.isoformat(),
            "gender": "male" if is_man else "female",
            "birthplace": town,
            "passport": {
                "series_number": f"{4500 + number % 99:04d} {number % 10**6:06d}",
                "issued_on": (born + timedelta(days=365 * 20 + 40)).isoformat(),
            },
            "registration_address": {
                "formatted": f"{town}, ул. {dice.choice(_WORDS['streets'])}",
                "postal_code": f"{prefix}{dice.randrange(300):03d}",
                "region": region,
                "locality": town,
                "street": f"ул. {dice.choice(_WORDS['streets'])}",
                "house": str(dice.randint(1, 140)),
                "flat": str(dice.randint(1, 220)),
            },
            "snils": snils_of(10_000_000 + number),
            "inn": inn + calc_personal_check_digits(inn),
            "enp": enp + luhn.calc_check_digit(enp),
        }

    def row(self, role: AgencyRole, number: int) -> dict[str, Any]:
        """Return what an agency wrote down about a person."""
        person = self.person(number)
        dice = random.Random(f"{self._seed}/{role.value}/{number}")
        row: dict[str, Any] = {
            "record_number": f"{role.value}-{number}", "version": 1, "valid_from": "2020-01-01",
        }  # fmt: skip
        for name in ("family_name", "given_name", "middle_name", "birthdate"):
            row[name] = person[name]
        match role:
            case AgencyRole.CIVIL_REGISTRY:
                more: tuple[str, ...] = ("gender", "birthplace")
            case AgencyRole.INTERIOR:
                more = ("gender", "passport", "registration_address")
            case AgencyRole.PENSION:
                more = ("snils",)
            case AgencyRole.TAX:
                more = ("inn", "passport")
            case _:
                more = ("snils", "enp")
        row.update((name, person[name]) for name in more)
        if dice.random() < SLIPS:
            name = dice.choice(("family_name", "given_name", "middle_name"))
            text, place = row[name], dice.randrange(1, len(row[name]))
            row[name] = text[:place] + dice.choice(_LETTERS) + text[place + 1 :]
        if "snils" in row and dice.random() < SLIPS / 4:
            row["snils"] = snils_of(10_000_000 + max(0, number - 1))
        return row

    def lines(self, role: AgencyRole, numbers: range) -> Iterator[bytes]:
        """Return the NDJSON of an agency's feed."""
        for number in numbers:
            yield orjson.dumps(self.row(role, number), option=orjson.OPT_APPEND_NEWLINE)

    def write(self, path: Path, role: AgencyRole, numbers: range) -> Path:
        """Write an agency's feed."""
        with path.open("wb") as out:
            out.writelines(self.lines(role, numbers))
        return path
