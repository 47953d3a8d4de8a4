"""Read other people's tables: which column is which of our attributes, and how it is written.

No I/O: the parsed TOML document comes in. docs/matching.md describes the format for its writers.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

from population_register.blocking import CONTACTS, NUMBERS
from population_register.comparison import COMPARATORS, Profile
from population_register.errors import MappingRefused
from population_register.names import patronymic_key
from population_register.profiles import (
    DateOrder,
    date_form,
    dwelling_form,
    guess_date_order,
    name_form,
    number_form,
    phone_form,
    place_form,
    split_full_name,
    text_form,
    without_title,
    without_titles,
)

_NAMES = ("family_name", "given_name", "middle_name")
_PLACE_PARTS = ("postal_code", "locality", "region")
_DWELLING_PARTS = ("street", "house", "flat")
ATTRIBUTES: Final = (
    *_NAMES,
    "full_name",
    "birthdate",
    "age",
    "gender",
    "birthplace",
    *NUMBERS,
    *CONTACTS,
    *_PLACE_PARTS,
    *_DWELLING_PARTS,
    "address",
)
"""What a column may be mapped to; anything else goes under `[extra.…]`."""

_SINGLE_KINDS = {"birthdate": "date", "gender": "category", "birthplace": "text"}
_EXTRA_KINDS = ("text", "category", "number", "quantity", "name", "date")
_NOTHING = frozenset((
    "", "nan", "none", "null", "nil", "na", "n/a", "#n/a", "n.a.", "nat", "<na>", "unknown",
    "unk", "not known", "not available", "not stated", "missing", "-", "--", "?", ".", "нет",
    "неизвестно", "не указано", "не указан", "отсутствует", "н/д",
))  # fmt: skip
_WHOLE = re.compile(r"(-?\d+)\.0+")  # a number that a program took for one that has parts
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?e\+?\d+", re.IGNORECASE)  # its last digits are lost
_EXTENSION = re.compile(r"\s*(?:x|ext\.?|доб\.?|#)\s*\d+\s*$", re.IGNORECASE)
_ZIP = re.compile(r"(\d{5})-?\d{4}")  # with the part that few know
_YEAR = re.compile(r"\d{4}")
_OPTIONS = frozenset(("column", "join", "any_of", "order", "family_first", "at"))

_Add: TypeAlias = Callable[[str, str], None]

_LEAST_PHONE = 5  # digits; shorter ones are extensions
_GENDERS = {"м": "m", "ж": "f", "w": "f"}  # man and woman, in two alphabets


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRule:
    """Where an attribute comes from.

    Attributes:
        any_of: Alternatives, each a list of columns that are joined by a space; every alternative
            that says something is a value of its own.
        order: How dates are written; None to see it from the dates, for each source apart.
        family_first: Of full names: whether the family name stands first.
        at: Of ages: the year in which they were true, or the column with that year or date.
    """

    any_of: tuple[tuple[str, ...], ...]
    order: DateOrder | None = None
    family_first: bool = False
    at: str | None = None

    @property
    def columns(self) -> set[str]:
        """Return the columns that this needs."""
        found = {column for columns in self.any_of for column in columns}
        return found if self.at is None or _YEAR.fullmatch(self.at) else found | {self.at}

    def read(self, row: Mapping[str, str]) -> tuple[str, ...]:
        """Return the values in a row; placeholders for nothing are left out."""
        values: dict[str, None] = {}
        for columns in self.any_of:
            cells = (" ".join((row.get(column) or "").split()) for column in columns)
            value = " ".join(
                _WHOLE.sub(r"\1", cell) if _WHOLE.fullmatch(cell) else cell
                for cell in cells
                if cell.casefold() not in _NOTHING
            )
            if value:
                values[value] = None
        return tuple(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMapping:
    """How a table is read.

    Attributes:
        columns: By our attribute.
        extras: Further features by name, each with the kind of comparison.
        source: The column that says which agency a row is from.
        is_one_per_source: Whether no source has a person twice.
    """

    columns: Mapping[str, ColumnRule]
    extras: Mapping[str, tuple[str, ColumnRule]] = field(default_factory=dict)
    source: str | None = None
    is_one_per_source: bool = False

    def without(self, attributes: Iterable[str]) -> "TableMapping":
        """Return the mapping with some attributes left out.

        Raises:
            MappingRefused: 400. There is no such attribute in it.
        """
        left_out = set(attributes)
        unknown = left_out - set(self.columns) - set(self.extras)
        if unknown:
            raise MappingRefused(f"The mapping has no {', '.join(sorted(unknown))} to leave out.")
        return TableMapping(
            columns={name: rule for name, rule in self.columns.items() if name not in left_out},
            extras={name: extra for name, extra in self.extras.items() if name not in left_out},
            source=self.source,
            is_one_per_source=self.is_one_per_source,
        )

    def named_columns(self) -> set[str]:
        """Return every column that the table must have."""
        rules = [*self.columns.values(), *(rule for _, rule in self.extras.values())]
        found = {column for rule in rules for column in rule.columns}
        return found | {self.source} if self.source else found

    def kinds(self) -> dict[str, str]:
        """Return the features of the profiles, with the comparator of each."""
        has = set(self.columns)
        kinds: dict[str, str] = {}
        if "full_name" in has:
            has |= {"family_name", "given_name", "middle_name"}
        kinds.update((name, "name") for name in _NAMES if name in has)
        kinds.update(
            (name, kind)
            for name, kind in (
                ("birthdate", "date"),
                ("age", "quantity"),
                ("gender", "category"),
                ("birthplace", "text"),
            )
            if name in has
        )
        if has & {*_PLACE_PARTS}:
            kinds["place"] = "place"
        if has & {*_DWELLING_PARTS, "address"}:
            kinds["dwelling"] = "dwelling"
        kinds.update((name, "number") for name in (*NUMBERS, "phone") if name in has)
        if "email" in has:
            kinds["email"] = "mailbox"
        kinds.update((f"{kind}:{name}", kind) for name, (kind, _) in self.extras.items())
        return kinds


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, Mapping):
        raise MappingRefused(f"{name} is a table.")
    return table


def parse_table_mapping(document: Mapping[str, Any]) -> TableMapping:
    """Read a mapping document.

    Raises:
        MappingRefused: 400. An attribute, kind or option that there is not; the text names it.
    """
    unknown = set(document) - {"columns", "extra", "source", "one_per_source"}
    if unknown:
        raise MappingRefused(f"A mapping has no {', '.join(sorted(unknown))}.")
    columns: dict[str, ColumnRule] = {}
    for name, said in _table(document, "columns").items():
        if name not in ATTRIBUTES:
            known = ", ".join(ATTRIBUTES)
            raise MappingRefused(f"There is no attribute {name}. There are: {known}.")
        columns[name] = _parse_rule(name, said)
    extras: dict[str, tuple[str, ColumnRule]] = {}
    for name, said in _table(document, "extra").items():
        rule = dict(said) if isinstance(said, Mapping) else {"column": said}
        kind = rule.pop("kind", "text")
        if kind not in _EXTRA_KINDS or kind not in COMPARATORS:
            raise MappingRefused(f"extra.{name}: kind is one of {', '.join(_EXTRA_KINDS)}.")
        extras[name] = (kind, _parse_rule(name, rule))
    if not columns and not extras:
        raise MappingRefused("The mapping names no column.")
    source = document.get("source")
    return TableMapping(
        columns=columns,
        extras=extras,
        source=str(source) if source else None,
        is_one_per_source=bool(document.get("one_per_source", False)),
    )


def _parse_rule(name: str, said: object) -> ColumnRule:
    if isinstance(said, str):
        return ColumnRule(any_of=((said,),))
    if isinstance(said, list):
        said = {"join": said}
    if not isinstance(said, Mapping):
        raise MappingRefused(f"{name}: a column, a list of columns, or a table of options.")
    order, at = said.get("order"), said.get("at")
    if set(said) - _OPTIONS or order not in (None, "ymd", "dmy", "mdy"):
        raise MappingRefused(f"{name}: options are column, join, any_of, order, family_first, at.")
    if at is not None and name != "age":
        raise MappingRefused(f"{name}: only an age has a year at which it was true.")
    return ColumnRule(
        any_of=_parse_columns(name, said),
        order=cast("DateOrder | None", order),
        family_first=bool(said.get("family_first", False)),
        at=None if at is None else str(at),
    )


def _parse_columns(name: str, said: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    match said:
        case {"any_of": [*alternatives]}:
            columns = [[part] if isinstance(part, str) else part for part in alternatives]
        case {"join": [*joined]}:
            columns = [joined]
        case {"column": str(column)}:
            columns = [[column]]
        case _:
            raise MappingRefused(f"{name}: say column, join or any_of.")
    if not columns or not all(
        isinstance(part, list) and part and all(isinstance(column, str) for column in part)
        for part in columns
    ):
        raise MappingRefused(f"{name}: a column is named by a text.")
    return tuple(tuple(part) for part in columns)


def _long_enough(text: str) -> str:
    if _ROUNDED.fullmatch(text):
        return ""
    digits = phone_form(_EXTENSION.sub("", text))
    return _not_filled_in(digits) if len(digits) >= _LEAST_PHONE else ""


def _not_filled_in(number: str) -> str:
    """Return the number, or nothing if it is one digit over and over: a form wanted something."""
    return "" if len(number) >= _LEAST_PHONE and len(set(number)) == 1 else number


def _read_number(text: str) -> str:
    """Return a number without the zeros in front, which a program may have lost."""
    if _ROUNDED.fullmatch(text):
        return ""
    number = _not_filled_in(number_form(text))
    return number.lstrip("0") if number.isdigit() else number


def _read_postal_code(text: str) -> str:
    code = text.strip()
    if found := _ZIP.fullmatch(code):
        code = found[1]
    return code.lstrip("0") if code.isdigit() else code


def _read_gender(text: str) -> str:
    first = text_form(text)[:1]
    return _GENDERS.get(first, first)


_SIMPLE_FORMS: Mapping[str, Callable[[str], str]] = {
    "gender": _read_gender,
    "birthplace": text_form,
    **dict.fromkeys(NUMBERS, _read_number),
    "phone": _long_enough,
    "email": str.casefold,
}


class ProfileReader:
    """Makes profiles of the rows of a table."""

    def __init__(self, mapping: TableMapping, sample: Sequence[Mapping[str, str]]) -> None:
        """Look at some rows first: they show how dates are written.

        Args:
            mapping: How the table is read.
            sample: Some rows of every source; the more, the surer.
        """
        self._mapping = mapping
        self._orders: dict[tuple[str, str], DateOrder] = {}
        self._dates = {
            name: rule
            for name, rule in (
                *mapping.columns.items(),
                *((name, rule) for name, (kind, rule) in mapping.extras.items() if kind == "date"),
            )
            if name == "birthdate" or name in mapping.extras
        }
        by_source: dict[str, list[Mapping[str, str]]] = {}
        for row in sample:
            by_source.setdefault(self.source_of(row), []).append(row)
        for source, rows in by_source.items():
            for name, rule in self._dates.items():
                texts = [text for row in rows for text in rule.read(row)]
                self._orders[source, name] = rule.order or guess_date_order(texts)

    def source_of(self, row: Mapping[str, str]) -> str:
        """Return which agency a row is from; empty when the mapping does not say."""
        return (row.get(self._mapping.source) or "") if self._mapping.source else ""

    def read(self, row: Mapping[str, str]) -> Profile:
        """Return the profile of a row."""
        values: dict[str, dict[str, None]] = {}

        def add(feature: str, value: str) -> None:
            if value:
                values.setdefault(feature, {})[value] = None

        source = self.source_of(row)
        said = {name: rule.read(row) for name, rule in self._mapping.columns.items()}
        self._add_names(add, said)
        for text in said.get("birthdate", ()):
            add("birthdate", date_form(text, self._orders.get((source, "birthdate"), "dmy")))
        for name, form in _SIMPLE_FORMS.items():
            for text in said.get(name, ()):
                add(name, form(text))
        self._add_age(add, said, row)
        self._add_address(add, said)
        self._add_extras(add, row, source)
        return {feature: tuple(found) for feature, found in values.items()}

    def _add_names(self, add: _Add, said: Mapping[str, tuple[str, ...]]) -> None:
        for text in said.get("full_name", ()):
            is_family_first = self._mapping.columns["full_name"].family_first
            named = without_titles(text)
            for feature, value in split_full_name(named, family_first=is_family_first).items():
                add(feature, value)
        for name in _NAMES:
            for text in said.get(name, ()):
                named = without_title(text)
                add(name, patronymic_key(named) if name == "middle_name" else name_form(named))

    def _add_age(
        self, add: _Add, said: Mapping[str, tuple[str, ...]], row: Mapping[str, str]
    ) -> None:
        """Add the year of birth, about, where it is known when somebody was so old; or the age."""
        ages = said.get("age", ())
        at = self._mapping.columns["age"].at if ages else None
        year = None if at is None else _YEAR.search(at if _YEAR.fullmatch(at) else row[at] or "")
        for text in ages:
            if at is None:
                add("age", text.replace(",", "."))
            elif year is not None and text.isdigit():
                add("age", str(int(year[0]) - int(text)))

    @staticmethod
    def _add_address(add: _Add, said: Mapping[str, tuple[str, ...]]) -> None:
        code, *others = (" ".join(said.get(part, ())) for part in _PLACE_PARTS)
        add("place", place_form(_read_postal_code(code), *others))
        if any(said.get(part) for part in _DWELLING_PARTS):
            add("dwelling", dwelling_form(*(" ".join(said.get(p, ())) for p in _DWELLING_PARTS)))
        for text in said.get("address", ()):
            add("dwelling", dwelling_form(text))

    def _add_extras(self, add: _Add, row: Mapping[str, str], source: str) -> None:
        for name, (kind, rule) in self._mapping.extras.items():
            for text in rule.read(row):
                match kind:
                    case "number":
                        value = _read_number(text)
                    case "name":
                        value = name_form(text)
                    case "date":
                        value = date_form(text, self._orders.get((source, name), "dmy"))
                    case "quantity":
                        value = text.replace(",", ".")
                    case _:
                        value = text_form(text)
                add(f"{kind}:{name}", value)
