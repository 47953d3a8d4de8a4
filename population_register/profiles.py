"""Make profiles, the form in which records are compared, from records and from foreign columns.

No I/O. Everything here forgets how a value was written and keeps what it says; whatever can't be
read is kept as it stands, because a damaged value still resembles its original.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

from population_register.attributes import identifiers_in
from population_register.comparison import Profile
from population_register.model import JSONValue, SourceRecord
from population_register.names import comparison_key, patronymic_key

DateOrder: TypeAlias = Literal["ymd", "dmy", "mdy"]

_WORDS = re.compile(r"[^\W_]+")
_DIGIT = re.compile(r"\d")
_NOT_NUMBER = re.compile(r"[^0-9A-Za-zА-Яа-яЁё]")
# What nearly every address has, and says nothing about it.
_STREET_WORDS = frozenset((
    "ул", "улица", "пер", "переулок", "пр", "проспект", "просп", "пл", "площадь", "наб",
    "набережная", "ш", "шоссе", "б-р", "бульвар", "проезд", "д", "дом", "кв", "квартира", "корп",
    "корпус", "стр", "строение", "г", "город", "обл", "область", "р-н", "район", "п", "пос",
    "поселок", "с", "село", "st", "street", "rd", "road", "ave", "avenue", "dr", "drive", "ln",
    "lane", "ct", "court", "pl", "place", "blvd", "boulevard", "cres", "crescent", "cct",
    "circuit", "cl", "close", "way", "tce", "terrace", "pde", "parade", "hwy", "highway", "apt",
    "apartment", "unit", "no", "house",
))  # fmt: skip
_TITLES = re.compile(
    r"(?:(?:mrs?|ms|miss|mister|dr|prof|professor|herr|frau|hon|rev|sir)(?:\.\s*|\s+))+(?=\S)",
    re.IGNORECASE,
)  # in front of a name, which goes on after it
_SUFFIX = re.compile(r"(?<=\S)[,\s]+(?:jr|sr|jnr|snr|ii|iii|iv|esq|phd|md)\.?$", re.IGNORECASE)
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january янв января январь",
            "feb february фев февраля февраль",
            "mar march мар марта март",
            "apr april апр апреля апрель",
            "may мая май",
            "jun june июн июня июнь",
            "jul july июл июля июль",
            "aug august авг августа август",
            "sep sept september сен сентября сентябрь",
            "oct october окт октября октябрь",
            "nov november ноя ноября ноябрь",
            "dec december дек декабря декабрь",
        ),
        start=1,
    )
    for name in names.split()
}
# How many digits a date without separators has.
_RUN_TOGETHER: Mapping[DateOrder, tuple[int, ...]] = {"ymd": (8,), "dmy": (7, 8), "mdy": (7, 8)}
_LAST_TWO_DIGIT_YEAR = 30  # 00 to 30 are of this century
_PHONE_DIGITS = 10  # without the country's code


@lru_cache(1 << 13)
def name_form(text: str) -> str:
    """Return a name as it is compared: case, ё, hyphens and dots forgotten."""
    return " ".join(comparison_key(text).replace(",", " ").split())


def without_title(name: str) -> str:
    """Return a name without the title in front of it, unless that is all."""
    title = _TITLES.match(name)
    return name[title.end() :] if title else name


def without_titles(text: str) -> str:
    """Return a full name without titles, and without what tells a son from his father."""
    parts = _SUFFIX.sub("", text).split(",")
    return ",".join(_SUFFIX.sub("", without_title(part.strip())) for part in parts)


def split_full_name(text: str, *, family_first: bool) -> dict[str, str]:
    """Split a full name into family, given and middle name; a comma ends a leading family name."""
    before, comma, after = text.partition(",")
    words = name_form(text).split()
    if comma and before.strip() and after.strip():
        family, words = name_form(before), name_form(after).split()
    elif len(words) < 2:  # noqa: PLR2004 - one word alone: a family name
        return {"family_name": words[0]} if words else {}
    elif family_first:
        family, words = words[0], words[1:]
    else:
        family, words = words[-1], words[:-1]
    parts = {"family_name": family, "given_name": words[0]}
    if len(words) > 1:
        parts["middle_name"] = " ".join(words[1:])
    return parts


def date_form(text: str, order: DateOrder) -> str:
    """Return a date as `1980-05-17`, or as much of it as is known.

    Args:
        text: Digits with or without separators, or with a month's name; a time may follow.
        order: In which order day, month and year stand where the text itself does not show it.
    """
    words: list[str] = re.findall(r"\d+|[^\W\d_]+", text.casefold())
    named = [str(_MONTHS[word]) for word in words if word in _MONTHS]
    parts = [word for word in words if word.isdigit()][: 2 if named else 3]
    if named:
        return _date_with_month_name(named[0], parts) or " ".join(text.split())
    if len(parts) == 1 and len(parts[0]) in _RUN_TOGETHER[order]:
        day = parts[0].zfill(8)  # a program may have lost the zero in front
        cut = (4, 6) if order == "ymd" else (2, 4)
        parts = [day[: cut[0]], day[cut[0] : cut[1]], day[cut[1] :]]
    match parts:
        case [year] if len(year) == 4:  # noqa: PLR2004
            return year
        case [one, other]:
            year, month = (one, other) if len(one) == 4 else (other, one)  # noqa: PLR2004
            return f"{_year(year)}-{month.zfill(2)}"
        case [one, two, three]:
            return _known_part(_whole_date(one, two, three, order))
        case _:
            return " ".join(text.split())


def _known_part(day: str) -> str:
    """Return a date without a month or a day that is nought: nobody knew it."""
    year, month, number = day.split("-")
    if number != "00":
        return day
    return year if month == "00" else f"{year}-{month}"


def _date_with_month_name(month: str, numbers: Sequence[str]) -> str:
    """Return a date of which the month is known by its name; empty when the rest is not clear."""
    match numbers:
        case [year] if len(year) == 4:  # noqa: PLR2004
            return f"{year}-{month.zfill(2)}"
        case [one, other]:
            year, day = (one, other) if len(one) == 4 else (other, one)  # noqa: PLR2004
            return f"{_year(year)}-{month.zfill(2)}-{day.zfill(2)}"
        case _:
            return ""


def _whole_date(one: str, two: str, three: str, order: DateOrder) -> str:
    if len(one) == 4 or (order == "ymd" and len(three) != 4):  # noqa: PLR2004
        return f"{_year(one)}-{two.zfill(2)}-{three.zfill(2)}"
    month, day = (one, two) if order == "mdy" else (two, one)
    if int(month) > 12 >= int(day):  # noqa: PLR2004 - the only order that there can be
        month, day = day, month
    return f"{_year(three)}-{month.zfill(2)}-{day.zfill(2)}"


def _year(text: str) -> str:
    if len(text) != 2:  # noqa: PLR2004
        return text.zfill(4)
    return f"20{text}" if int(text) <= _LAST_TWO_DIGIT_YEAR else f"19{text}"


def guess_date_order(texts: Iterable[str]) -> DateOrder:
    """Return the order in which the dates of a column are written, from the dates themselves.

    Whatever has more than twelve in it is no month; `dmy` when nothing tells.
    """
    votes = {"ymd": 0, "dmy": 0, "mdy": 0}
    for text in texts:
        digits = re.findall(r"\d+", text)
        if not digits:
            continue
        if len(digits) == 1 and len(digits[0]) == 8:  # noqa: PLR2004
            number = digits[0]
            is_year = 1800 <= int(number[:4]) <= 2100  # noqa: PLR2004
            votes["ymd" if is_year and int(number[4:6]) <= 12 else "dmy"] += 1  # noqa: PLR2004
        elif len(digits[0]) == 4:  # noqa: PLR2004
            votes["ymd"] += 1
        elif len(digits) >= 3:  # noqa: PLR2004
            votes["dmy"] += int(digits[0]) > 12  # noqa: PLR2004
            votes["mdy"] += int(digits[1]) > 12  # noqa: PLR2004
    orders: tuple[DateOrder, ...] = ("dmy", "ymd", "mdy")
    return max(orders, key=lambda order: votes[order])


def number_form(text: str) -> str:
    """Return a number or document as its letters and digits."""
    return _NOT_NUMBER.sub("", text).upper()


def phone_form(text: str) -> str:
    """Return the last ten digits of a telephone number: how the rest is written differs."""
    digits = re.sub(r"\D", "", text)
    return digits[-_PHONE_DIGITS:]


def text_form(text: str) -> str:
    """Return a text as it is compared: case, punctuation and ё forgotten."""
    return " ".join(_WORDS.findall(text.casefold().replace("ё", "е")))


def place_form(postal_code: str, locality: str, region: str) -> str:
    """Return a place as it is compared; empty when nothing is known."""
    parts = (number_form(postal_code), text_form(locality), text_form(region))
    return "|".join(parts) if any(parts) else ""


def dwelling_form(*parts: str) -> str:
    """Return street, house and flat as they are compared: their words, then their numbers."""
    words: list[str] = []
    numbers: list[str] = []
    for word in text_form(" ".join(parts)).split():
        if not word.isalpha() and _DIGIT.search(word):
            numbers.append(word)
        elif word not in _STREET_WORDS:
            words.append(word)
    return f"{' '.join(words)}|{' '.join(numbers)}" if words or numbers else ""


_Add: TypeAlias = Callable[[str, str], None]

_FORMS: Mapping[str, Callable[[str], str]] = {
    "family_name": name_form,
    "given_name": name_form,
    "middle_name": patronymic_key,
    "birthplace": text_form,
    "gender": text_form,
    "birthdate": str,
}


def profile_of(attributes: Iterable[tuple[str, JSONValue]]) -> Profile:
    """Return the profile of canonical attribute values, given as name and value; names may repeat.

    Former names count as names. Of an address its parts count, or else its line.
    """
    profile: dict[str, tuple[str, ...]] = {}

    def add(feature: str, value: str) -> None:
        if value:
            known = profile.get(feature)
            if known is None:
                profile[feature] = (value,)
            elif value not in known:
                profile[feature] = (*known, value)

    stated = list(attributes)
    for name, value in stated:
        form = _FORMS.get(name)
        if form is not None:
            add(name, form(value))
        elif name == "former_names":
            _add_former_names(add, value)
        elif name in ("registration_address", "stay_address"):
            _add_address(add, value)
    for identifier in identifiers_in(stated):
        add(identifier.kind.value, identifier.value)
    return profile


def _add_former_names(add: _Add, value: JSONValue) -> None:
    for former in value if isinstance(value, list) else [value]:
        for part in ("family_name", "given_name", "middle_name"):
            if part in former:
                add(part, _FORMS[part](former[part]))


def _add_address(add: _Add, value: Mapping[str, str]) -> None:
    place = place_form(
        value.get("postal_code", ""), value.get("locality", ""), value.get("region", "")
    )
    add("place", place)
    if "street" in value:
        add(
            "dwelling",
            dwelling_form(value["street"], value.get("house", ""), value.get("flat", "")),
        )
    elif not place:
        add("dwelling", dwelling_form(value["formatted"]))


def profile_of_records(records: Iterable[SourceRecord]) -> Profile:
    """Return what all versions of one source record, or all records of one person, say together."""
    return profile_of(item for record in records for item in record.attributes.items())
