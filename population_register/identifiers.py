"""National numbers and documents: parse, check digits, one canonical form each. No I/O.

`parse(kind, text)` accepts what people and agencies type (spaces, hyphens, lower case, a Latin
letter that looks like the Cyrillic one) and returns the one canonical form under which an
identifier is indexed and compared. `format_identifier` writes it as its law writes it, and
`parse(kind, format_identifier(x)) == x`.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from operator import mul

import msgspec
from typing_extensions import override

from population_register.errors import ValueRefused


class IdentifierKind(StrEnum):
    """What a number is; each kind has an index key of its own."""

    SNILS = "snils"
    INN = "inn"
    ENP = "enp"
    PASSPORT = "passport"
    FOREIGN_PASSPORT = "foreign_passport"
    BIRTH_CERTIFICATE = "birth_certificate"


class Identifier(msgspec.Struct, frozen=True, kw_only=True):
    """A number of a stated kind, in canonical form: no separators, upper case."""

    kind: IdentifierKind
    value: str

    @override
    def __repr__(self) -> str:
        """Name the kind only: the number itself is personal data."""
        return f"Identifier({self.kind.value}, …)"


SNILS_WITHOUT_CHECK_UP_TO = 1_001_998
"""Numbers up to 001-001-998 were given out before the check digits existed (PFR order 2п, 2016)."""

_LENGTHS = {"snils": 11, "inn": 12, "enp": 16, "passport": 10}
_SEPARATORS = str.maketrans(dict.fromkeys(" \u00a0\u202f\t-\u2010\u2011\u2012\u2013\u2014\u2212.№"))

# A keyboard in the wrong layout gives letters that look right and compare wrong.
_LATIN_TO_CYRILLIC = str.maketrans("ABCEHKMOPTXY", "АВСЕНКМОРТХУ")
_ROMAN_LOOKALIKES = str.maketrans("ІХСМVУ", "IXCMVV")

_BIRTH_CERTIFICATE = re.compile(
    r"(?P<roman>[IVXLCІХСУ]{1,7})[- ]?(?P<letters>[А-ЯЁA-Z]{2})\s*(?:№\s*)?(?P<number>[0-9]{6})"
)
_ROMAN = re.compile(r"(?:X{0,3}|XL)(?:IX|IV|V?I{0,3})")
_FOREIGN_PASSPORT = re.compile(r"(?P<state>[A-Z]{1,3})[:/ ](?P<number>[A-Z0-9]{5,9})")


def parse(kind: IdentifierKind, text: str) -> Identifier:
    """Read an identifier as it was typed.

    Args:
        kind: What the number is said to be.
        text: The number with or without the usual separators; at most 64 characters.

    Raises:
        ValueRefused: 400. `length`, `characters`, `check_digit`, `organisation` or `form`.
    """
    if len(text) > 64:  # noqa: PLR2004 - the longest form has 21 characters
        raise ValueRefused("length", "Send the number alone, without other text.")
    return Identifier(kind=kind, value=_PARSERS[kind](text.strip()))


def format_identifier(identifier: Identifier) -> str:
    """Write an identifier as its law writes it: `112-233-445 95`, `4510 123456`, `IV-МЮ 123456`."""
    value = identifier.value
    match identifier.kind:
        case IdentifierKind.SNILS:
            return f"{value[:3]}-{value[3:6]}-{value[6:9]} {value[9:]}"
        case IdentifierKind.PASSPORT:
            return f"{value[:4]} {value[4:]}"
        case IdentifierKind.BIRTH_CERTIFICATE:
            return f"{value[:-6]} {value[-6:]}"
        case IdentifierKind.INN | IdentifierKind.ENP | IdentifierKind.FOREIGN_PASSPORT:
            return value


def from_canonical(kind: IdentifierKind, text: str) -> Identifier:
    """Return the identifier that `format_identifier` wrote, without checking it again.

    For values that went through `parse` when they were accepted; of anything else it makes an
    identifier that nobody has.
    """
    match kind:
        case IdentifierKind.SNILS:
            text = text.replace("-", "").replace(" ", "")
        case IdentifierKind.PASSPORT | IdentifierKind.BIRTH_CERTIFICATE:
            text = text.replace(" ", "")
        case IdentifierKind.INN | IdentifierKind.ENP | IdentifierKind.FOREIGN_PASSPORT:
            pass
    return Identifier(kind=kind, value=text)


_SNILS_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, 1)


def _weighed(digits: str, weights: tuple[int, ...]) -> int:
    """Return the sum of digits, each times its weight."""
    return sum(map(mul, _values(digits), weights))


def _values(digits: str) -> bytes:
    """Return what each digit is worth, one byte each."""
    return digits.encode().translate(_WORTH)


_WORTH = bytes((code - ord("0")) % 256 for code in range(256))
_WORTH_TWICE = bytes(2 * worth - 9 * (worth > 4) if worth < 10 else 0 for worth in range(256))  # noqa: PLR2004 - digits


def snils_check(number: str) -> str:
    """Return the two check digits of the nine digits of a SNILS.

    Source:
        PFR order 2п of 12 January 2016: the sum of each digit times its position counted from the
        right, modulo 101; 100 is written as 00.
    """
    return f"{_weighed(number, _SNILS_WEIGHTS) % 101 % 100:02d}"


def _digits(text: str, kind: str) -> str:
    compact = text.translate(_SEPARATORS)
    if not (compact.isascii() and compact.isdigit()):
        raise ValueRefused("characters", "Only the digits 0 to 9, spaces and hyphens belong here.")
    if len(compact) != _LENGTHS[kind]:
        raise ValueRefused("length", f"This number has {_LENGTHS[kind]} digits; send all of them.")
    return compact


def _snils(text: str) -> str:
    value = _digits(text, "snils")
    number, check = value[:9], value[9:]
    if int(number) == 0:
        raise ValueRefused("form", "A SNILS of zeros means that there is none; leave it out.")
    if int(number) > SNILS_WITHOUT_CHECK_UP_TO and snils_check(number) != check:
        raise ValueRefused("check_digit", "The check digits are wrong; compare with the card.")
    return value


_ORGANISATION_INN_LENGTH = 10


def _inn(text: str) -> str:
    compact = text.translate(_SEPARATORS)
    if compact.isascii() and compact.isdigit() and len(compact) == _ORGANISATION_INN_LENGTH:
        raise ValueRefused(
            "organisation", "An INN of ten digits is an organisation's; a person's has twelve."
        )
    value = _digits(text, "inn")
    if int(value) == 0:
        raise ValueRefused("form", "An INN of zeros means that there is none; leave it out.")
    if value[10:] != inn_check(value):
        raise ValueRefused(
            "check_digit", "The check digits are wrong; compare with the certificate."
        )
    return value


_INN_WEIGHTS = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)


def inn_check(number: str) -> str:
    """Return the two check digits of a person's INN, of which the first ten digits count.

    Weighed sums modulo 11, then modulo 10; the second is of the first eleven digits.
    """
    first = _weighed(number[:10], _INN_WEIGHTS[1:]) % 11 % 10
    return f"{first}{_weighed(f'{number[:10]}{first}', _INN_WEIGHTS) % 11 % 10}"


def _enp(text: str) -> str:
    value = _digits(text, "enp")
    if int(value) == 0:
        raise ValueRefused("form", "An ENP of zeros means that there is none; leave it out.")
    worth = _values(value)  # Luhn's formula; of sixteen digits, every other from the first on twice
    if (sum(worth[1::2]) + sum(worth[::2].translate(_WORTH_TWICE))) % 10:
        raise ValueRefused("check_digit", "The check digit is wrong; compare with the policy.")
    return value


def _passport(text: str) -> str:
    """Parse series and number of an internal passport: a shape, there is no check digit."""
    value = _digits(text, "passport")
    if int(value[4:]) == 0:
        raise ValueRefused("form", "A passport number of zeros means that there is none.")
    return value


def _foreign_passport(text: str) -> str:
    """Parse `STATE:NUMBER`: ICAO 9303 state code, and five to nine letters or digits.

    The same number is given out by several states, so that the state is part of the identifier.
    """
    found = _FOREIGN_PASSPORT.fullmatch(text.upper())
    if found is None:
        raise ValueRefused(
            "form",
            "Write the issuing state's three-letter code, a colon, and the number in Latin letters "
            "and digits: UZB:AB1234567.",
        )
    return f"{found['state']}:{found['number']}"


def _birth_certificate(text: str) -> str:
    found = _BIRTH_CERTIFICATE.fullmatch(text.upper())
    if found is None:
        raise ValueRefused("form", "Write the series and the six digits: IV-МЮ 123456.")
    roman = found["roman"].translate(_ROMAN_LOOKALIKES)
    letters = found["letters"].translate(_LATIN_TO_CYRILLIC)
    if not _ROMAN.fullmatch(roman) or not re.fullmatch("[А-ЯЁ]{2}", letters):
        raise ValueRefused("form", "Write the series and the six digits: IV-МЮ 123456.")
    return f"{roman}-{letters}{found['number']}"


_PARSERS: Mapping[IdentifierKind, Callable[[str], str]] = {
    IdentifierKind.SNILS: _snils,
    IdentifierKind.INN: _inn,
    IdentifierKind.ENP: _enp,
    IdentifierKind.PASSPORT: _passport,
    IdentifierKind.FOREIGN_PASSPORT: _foreign_passport,
    IdentifierKind.BIRTH_CERTIFICATE: _birth_certificate,
}
