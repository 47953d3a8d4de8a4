"""The machine-readable zone of a passport (ICAO 9303, TD3: two lines of 44). No I/O."""

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from population_register.errors import ValueRefused

LINE_LENGTH = 44
_WEIGHTS = (7, 3, 1)
_VALUES = {character: value for value, character in enumerate("0123456789")}
_VALUES |= {character: value for value, character in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10)}
_VALUES["<"] = 0
_ALPHABET = re.compile("[A-Z0-9<]{44}")
_YEARS_A_PASSPORT_LASTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineReadableZone:
    """What the two lines say. Names are in the zone's Latin letters, given names by spaces.

    `sex` is `X` where the zone leaves it open. Dates have two-digit years in the zone: see `parse`.
    """

    issuing_state: str
    surname: str = field(repr=False)
    given_names: str = field(repr=False)
    document_number: str = field(repr=False)
    nationality: str
    birthdate: date = field(repr=False)
    sex: Literal["F", "M", "X"]
    expires_on: date
    personal_number: str = field(default="", repr=False)


def check_digit(field: str) -> str:
    """Return the check digit of a field.

    Source:
        ICAO 9303-3, 4.9: weights 7, 3, 1; letters are 10 to 35, `<` is 0; modulo 10.
    """
    return str(sum(_VALUES[c] * _WEIGHTS[i % 3] for i, c in enumerate(field)) % 10)


def parse(text: str, *, today: date) -> MachineReadableZone:
    """Read the two lines, verifying all five check digits.

    Args:
        text: Two lines of 44 characters, separated by a line break or by nothing.
        today: Decides the century: a birth date is never in the future, and a passport does not
            expire more than twenty years from today.

    Raises:
        ValueRefused: 400. `form`, `check_digit` or `not_a_date`.

    Source:
        ICAO 9303-4, 4.2.2 (layout); 9303-3, 4.9 (check digits).
    """
    compact = "".join(text.upper().split())
    first, second = compact[:LINE_LENGTH], compact[LINE_LENGTH:]
    if not (_ALPHABET.fullmatch(first) and _ALPHABET.fullmatch(second)) or first[0] != "P":
        raise ValueRefused("form", "A passport's zone is two lines of 44 letters, digits and <.")
    number, born, expires, personal = second[:9], second[13:19], second[21:27], second[28:42]
    checks = (
        (number, second[9]),
        (born, second[19]),
        (expires, second[27]),
        (second[:10] + second[13:20] + second[21:43], second[43]),
    )
    if any(check_digit(field) != check for field, check in checks):
        raise ValueRefused("check_digit", "A check digit of the zone is wrong; read it again.")
    if second[42] != check_digit(personal) and not (second[42] == "<" and set(personal) == {"<"}):
        raise ValueRefused("check_digit", "A check digit of the zone is wrong; read it again.")
    sex = {"F": "F", "M": "M", "<": "X"}.get(second[20])
    if sex is None:
        raise ValueRefused("form", "The zone's sex is F, M or <.")
    surname, _, given_names = first[5:].partition("<<")
    return MachineReadableZone(
        issuing_state=first[2:5].rstrip("<"),
        surname=_words(surname),
        given_names=_words(given_names),
        document_number=number.rstrip("<"),
        nationality=second[10:13].rstrip("<"),
        birthdate=_date(born, latest=today),
        sex=sex,  # type: ignore[arg-type]
        expires_on=_date(expires, latest=_later(today)),
        personal_number=personal.rstrip("<"),
    )


def format_mrz(zone: MachineReadableZone) -> str:
    """Write the two lines, separated by a line break; names past the space are cut off."""
    names = f"{_filled(zone.surname)}<<{_filled(zone.given_names)}"
    first = f"P<{zone.issuing_state:<3}{names}".replace(" ", "<")[:LINE_LENGTH]
    number = _padded(zone.document_number, 9)
    personal = _padded(zone.personal_number, 14)
    born, expires = f"{zone.birthdate:%y%m%d}", f"{zone.expires_on:%y%m%d}"
    second = (
        f"{number}{check_digit(number)}{_padded(zone.nationality, 3)}{born}{check_digit(born)}"
        f"{'<' if zone.sex == 'X' else zone.sex}{expires}{check_digit(expires)}"
        f"{personal}{check_digit(personal)}"
    )
    whole = check_digit(second[:10] + second[13:20] + second[21:43])
    return f"{first:<{LINE_LENGTH}}".replace(" ", "<") + "\n" + second + whole


def _later(today: date) -> date:
    return date(today.year + _YEARS_A_PASSPORT_LASTS, 12, 31)


def _date(digits: str, *, latest: date) -> date:
    try:
        year, month, day = int(digits[:2]), int(digits[2:4]), int(digits[4:])
        century = latest.year - latest.year % 100
        found = date(century + year, month, day)
        return found if found <= latest else date(century - 100 + year, month, day)
    except ValueError as error:
        raise ValueRefused(
            "not_a_date", "A date of the zone is not a day; read it again."
        ) from error


def _words(field: str) -> str:
    return " ".join(part for part in field.split("<") if part)


def _filled(name: str) -> str:
    return "<".join(name.upper().replace("-", " ").split())


def _padded(field: str, width: int) -> str:
    return field.upper().ljust(width, "<")
