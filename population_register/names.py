"""Cyrillic names: what may be one, the form in which two are compared, and its Latin spellings.

No I/O. A name is kept as it was written, in NFC; comparison happens on `comparison_key`, which
forgets what clerks spell differently: ё or е, case, hyphen or space, apostrophes. «й» is a letter
of its own and never becomes «и», even when it arrives as «и» with a combining breve.
"""

import json
import re
import unicodedata
from enum import Enum
from functools import lru_cache
from importlib.resources import files

import iuliia

from population_register.errors import ValueRefused

MAX_NAME_LENGTH = 128
_SOUNDS_REMEMBERED = 1 << 14  # nearly all that a country's records say
_FORMS_REMEMBERED = 1 << 13  # soon found again
# Each separator in one way only: of two ways, forty hyphens make more than anybody can wait for.
_NAME = re.compile(r"[^\W\d_]+(?:(?:[-’' ]|\. ?)[^\W\d_]+)*\.?")
_PLAIN_RUSSIAN = re.compile("[А-Яа-яЁё]+(?:[- ][А-Яа-яЁё]+)*")  # nothing to normalise or refuse
_SCRIPTS = ("CYRILLIC", "LATIN")
_APOSTROPHES = str.maketrans("ʼ`´‘′", "’’’’’")
_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2212", "------")
_FORGOTTEN = str.maketrans({"ё": "е", "-": " ", "’": None, "'": None, ".": " "})

_TURKIC_PATRONYMIC = re.compile(r"\b(оглы|оглу|улы|кызы|гызы|кизи|ogly|oglu|uly|kyzy|gyzy)\b")
_SON, _DAUGHTER = {"оглы", "оглу", "улы"}, {"кызы", "гызы", "кизи"}
_TURKIC_CANONICAL = dict.fromkeys(_SON | {"ogly", "oglu", "uly"}, "оглы") | dict.fromkeys(
    _DAUGHTER | {"kyzy", "gyzy"}, "кызы"
)


class PassportEra(Enum):
    """Which rule turned Cyrillic into Latin when a passport was made; a person may have had all."""

    MVD_1997 = "MVD order 310 of 26 May 1997"
    GOST_2010 = "GOST R 52535.1-2006, since 16 March 2010"
    ICAO_2014 = "ICAO 9303, since 29 September 2014"


_SCHEMES = {
    PassportEra.MVD_1997: iuliia.MVD_310,
    PassportEra.GOST_2010: iuliia.GOST_52535,
    PassportEra.ICAO_2014: iuliia.ICAO_DOC_9303,
}


@lru_cache(_FORMS_REMEMBERED)
def parse_name(text: str) -> str:
    """Return the name as it is kept: NFC, single spaces, plain hyphens, its own case.

    Raises:
        ValueRefused: 400. `empty`, `length`, `characters`, or `mixed_scripts` (a Latin letter in a
            Cyrillic word: it looks right and is never found again).
    """
    if len(text) <= MAX_NAME_LENGTH and _PLAIN_RUSSIAN.fullmatch(text):
        return text
    name = " ".join(unicodedata.normalize("NFC", text).translate(_DASHES).split())
    name = name.translate(_APOSTROPHES).replace("'", "’").replace(" - ", "-")
    if not name:
        raise ValueRefused("empty", "Leave the field out when there is no such name.")
    if len(name) > MAX_NAME_LENGTH:
        raise ValueRefused("length", f"A name has at most {MAX_NAME_LENGTH} characters.")
    if not _NAME.fullmatch(name):
        raise ValueRefused(
            "characters", "A name has letters, and between them hyphen, apostrophe, dot or space."
        )
    for word in re.split("[- ]", name):
        scripts = {_script(character) for character in word if character.isalpha()}
        if len(scripts) > 1:
            raise ValueRefused("mixed_scripts", "Write each word in one alphabet only.")
        if not scripts <= set(_SCRIPTS):
            raise ValueRefused("characters", "Write names in Cyrillic or Latin letters.")
    return name


@lru_cache(_FORMS_REMEMBERED)
def comparison_key(name: str) -> str:
    """Return the form in which two spellings of one name are equal."""
    key = unicodedata.normalize("NFC", name).translate(_DASHES).translate(_APOSTROPHES)
    return " ".join(key.casefold().translate(_FORGOTTEN).split())


@lru_cache(1 << 12)
def patronymic_key(name: str) -> str:
    """Return the comparison key of a patronymic; spellings of «оглы» and «кызы» become one."""
    key = comparison_key(name)
    return _TURKIC_PATRONYMIC.sub(lambda found: _TURKIC_CANONICAL[found[0]], key)


def transliterate(name: str, era: PassportEra) -> str:
    """Write a Cyrillic name in Latin letters as passports of `era` did, in capitals."""
    return str(_SCHEMES[era].translate(name)).upper().replace("’", "'")


def passport_spellings(name: str) -> tuple[str, ...]:
    """Return every Latin spelling that a passport of this name may carry, newest rule first."""
    eras = (PassportEra.ICAO_2014, PassportEra.GOST_2010, PassportEra.MVD_1997)
    return tuple(dict.fromkeys(transliterate(name, era) for era in eras))


def _script(character: str) -> str:
    return unicodedata.name(character, "UNKNOWN").split(" ")[0]


# Names as others heard and spelled them


@lru_cache(_SOUNDS_REMEMBERED)
def latin_fold(key: str) -> str:
    """Write a comparison key in plain Latin letters in which the eras of passports do not differ.

    «юлия», «yuliya», «iuliia» and «julija» all become one word. Names that differ only in what
    transliteration confuses become equal too; that is what the fold is for.
    """
    text = key
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_latin_letters()).casefold())
    text = _NOT_LATIN.sub("", text)
    for spelled, folded in _FOLDS:
        text = text.replace(spelled, folded)
    return _REPEATED.sub(r"\1", text)


_NOT_LATIN = re.compile("[^A-Za-z]+")


@lru_cache(1)
def _latin_letters() -> dict[int, str]:
    """Return the letters of ICAO 9303, which knows no rule for what stands beside a letter."""
    letters = map(chr, range(0x400, 0x530))
    return {ord(letter): str(iuliia.ICAO_DOC_9303.translate(letter)) for letter in letters}


_FOLDS = (
    ("shch", "sh"), ("sch", "sh"), ("tch", "ch"), ("kh", "h"), ("ts", "c"), ("tz", "c"),
    ("tc", "c"), ("zh", "j"), ("ks", "x"), ("ph", "f"), ("ck", "k"), ("w", "v"),
    ("yo", "e"), ("jo", "e"), ("ye", "e"), ("je", "e"), ("ie", "e"),
    ("j", "i"), ("y", "i"),
)  # fmt: skip
_REPEATED = re.compile(r"(.)\1+")
_SOUNDS = str.maketrans("bdgvzqcx", "ptkfskkk", "aeiouhw")


@lru_cache(_SOUNDS_REMEMBERED)
def sound_key(key: str) -> str:
    """Return how a name sounds, roughly: its first letter and the consonants that follow."""
    text = latin_fold(key)
    if not text:
        return key
    return _REPEATED.sub(r"\1", text[0] + text[1:].translate(_SOUNDS))[:5]


def is_short_form(left: str, right: str) -> bool:
    """Tell whether one name is a usual short form of the other, or both are of a third."""
    if left not in _short_forms() and right not in _short_forms():
        return False
    return not full_forms(left).isdisjoint(full_forms(right))


def full_forms(name: str) -> frozenset[str]:
    """Return the names that one in comparison form stands for: itself, if no short form."""
    return _short_forms().get(name) or frozenset((name,))


@lru_cache(1)
def _short_forms() -> dict[str, frozenset[str]]:
    """Return the full names that a name may stand for, itself included, by comparison key."""
    text = files("population_register").joinpath("models", "short_forms.json").read_text("utf-8")
    meant: dict[str, set[str]] = {}
    for full, forms in json.loads(text).items():
        for form in (full, *forms):
            meant.setdefault(comparison_key(form), set()).add(comparison_key(full))
    return {form: frozenset(names) for form, names in meant.items()}
