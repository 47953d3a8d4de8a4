"""An agency's own names for things: their columns and codes to our attributes. No I/O.

A mapping is a small document, the same for CSV and NDJSON:

    encoding = "windows-1251"        # of CSV; utf-8 when left out
    delimiter = ";"                  # of CSV; a comma when left out
    date_format = "dd.mm.yyyy"       # iso when left out
    ignore = ["КОД_НО"]              # columns that are not for us

    [fields]                         # their name = our name; a part of an object after a dot
    "ФАМИЛИЯ" = "family_name"
    "ПАСПОРТ" = "passport.series_number"
    "РЕБЕНОК1_ИМЯ" = "children.0.given_name"

    [values.gender]                  # their code = our word
    "Ж" = "female"

    [constants]                      # what every row of this agency says
    kind = "statement"

Without `[fields]` the agency sends our names, nested in NDJSON and dotted in CSV.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from population_register.attributes import ATTRIBUTES
from population_register.errors import MappingRefused
from population_register.model import JSONValue
from population_register.values import DAY, MAX_ITEMS, PARTIAL_DAY, Composite, Many, Shape

ENVELOPE_FIELDS = ("record_number", "version", "kind", "corrects", "valid_from", "valid_to")
"""What every row says about itself, beside the attributes."""

_DATE_FIELDS = {"valid_from", "valid_to"}
_ENCODINGS = ("utf-8", "windows-1251")
_DATE_FORMATS = ("iso", "dd.mm.yyyy")
_RUSSIAN_DATE = re.compile(r"([0-9]{2})\.([0-9]{2})\.([0-9]{4})")
_KEYS = {
    "encoding",
    "delimiter",
    "date_format",
    "list_separator",
    "ignore",
    "fields",
    "values",
    "constants",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedMapping:
    """How the rows of one agency are read; made by `parse_mapping`."""

    encoding: Literal["utf-8", "windows-1251"] = "utf-8"
    delimiter: str = ","
    date_format: Literal["iso", "dd.mm.yyyy"] = "iso"
    list_separator: str = ";"
    ignore: frozenset[str] = frozenset()
    fields: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_identity(self) -> bool:
        """Whether nested rows arrive in our own shape already."""
        return (
            not (self.fields or self.values or self.constants or self.ignore)
            and self.date_format == "iso"
        )

    def our_name(self, theirs: str) -> str | None:
        """Return our name of a column; None when it is to be ignored."""
        if theirs in self.ignore:
            return None
        return self.fields.get(theirs, theirs)

    def their_name(self, ours: str) -> str:
        """Return the agency's own name of a field of ours, for its report; ours if it has none."""
        for theirs, name in self.fields.items():
            if name == ours:
                return theirs
        return ours

    def nested(self, cells: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
        """Return a row under our names, nested, with our words and ISO dates.

        Args:
            cells: The row under the agency's names. Objects and lists in it are walked through;
                empty cells count as absent.
        """
        row: dict[str, JSONValue] = {}
        for name, constant in self.constants.items():
            _put(row, name, constant)
        for theirs, value in _leaves(cells):
            ours = self.our_name(theirs)
            if ours is not None and value is not None and value != "":
                _put(row, ours, self._translated(ours, value))
        return {name: _listed(value) for name, value in row.items()}

    def _translated(self, ours: str, value: JSONValue) -> JSONValue:
        if not isinstance(value, str):
            return value
        codes = self.values.get(_without_indexes(ours))
        if codes is not None:
            return codes.get(value.strip(), value)
        shape = shape_of(ours)
        if isinstance(shape, Many):
            parts = value.split(self.list_separator)
            return [part.strip() for part in parts if part.strip()]
        if self.date_format == "dd.mm.yyyy" and (
            shape is DAY or shape is PARTIAL_DAY or ours in _DATE_FIELDS
        ):
            found = _RUSSIAN_DATE.fullmatch(value.strip())
            if found is not None:
                return f"{found[3]}-{found[2]}-{found[1]}"
        return value


def parse_mapping(document: Mapping[str, JSONValue]) -> FeedMapping:
    """Read a mapping; see the head of this module for its form.

    Raises:
        MappingRefused: 400. An unknown key, an attribute that does not exist, two columns for one
            field, or a setting outside of its list.
    """
    unknown = document.keys() - _KEYS
    if unknown:
        raise MappingRefused(f"The mapping has an unknown key: {min(unknown)}.")
    encoding = document.get("encoding", "utf-8")
    date_format = document.get("date_format", "iso")
    if encoding not in _ENCODINGS:
        raise MappingRefused(f"The encoding is one of: {', '.join(_ENCODINGS)}.")
    if date_format not in _DATE_FORMATS:
        raise MappingRefused(f"The date format is one of: {', '.join(_DATE_FORMATS)}.")
    ignore = document.get("ignore", [])
    if not isinstance(ignore, list) or not all(isinstance(name, str) for name in ignore):
        raise MappingRefused("`ignore` is a list of column names.")
    fields = _names(document, "fields")
    constants = _names(document, "constants")
    _check_targets(fields, constants)
    values = document.get("values", {})
    if not isinstance(values, Mapping):
        raise MappingRefused("`values` is a table of tables.")
    return FeedMapping(
        encoding=encoding,
        delimiter=_separator(document, "delimiter", ","),
        date_format=date_format,
        list_separator=_separator(document, "list_separator", ";"),
        ignore=frozenset(ignore),
        fields=fields,
        values={ours: _names(values, ours) for ours in values},
        constants=constants,
    )


def _separator(document: Mapping[str, JSONValue], key: str, default: str) -> str:
    separator = document.get(key, default)
    if not isinstance(separator, str) or len(separator) != 1 or separator in '"\r\n':
        raise MappingRefused("A separator is one character, and not a quote or a line break.")
    return separator


def _check_targets(fields: Mapping[str, str], constants: Mapping[str, str]) -> None:
    for ours in (*fields.values(), *constants):
        if ours not in ENVELOPE_FIELDS and shape_of(ours) is None:
            raise MappingRefused(f"There is no such field: {ours}.")
    if len(set(fields.values()) | constants.keys()) != len(fields) + len(constants):
        raise MappingRefused("Two columns, or a column and a constant, fill one field.")


@lru_cache(maxsize=4096)
def shape_of(path: str) -> Shape | None:
    """Return the shape of a dotted field such as `children.0.given_name`; None if there is none."""
    name, *rest = path.split(".")
    attribute = ATTRIBUTES.get(name)
    if attribute is None:
        return None
    shape: Shape | None = attribute.shape
    for part in rest:
        match shape:
            case Composite():
                shape = shape.parts.get(part)
            case Many() if part.isascii() and part.isdigit() and int(part) < MAX_ITEMS:
                shape = shape.item
            case _:
                return None
    return shape


def _names(document: Mapping[str, JSONValue], key: str) -> dict[str, str]:
    table = document.get(key, {})
    if not isinstance(table, Mapping) or not all(
        isinstance(name, str) and isinstance(value, str) for name, value in table.items()
    ):
        raise MappingRefused(f"`{key}` is a table of text to text.")
    return dict(table)


def _without_indexes(path: str) -> str:
    return ".".join(part for part in path.split(".") if not part.isdigit())


def _leaves(value: JSONValue, path: str = "") -> Iterator[tuple[str, JSONValue]]:
    """Walk objects and lists of objects down to their leaves, named by dotted paths."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}")
    else:
        yield path, value


def _put(row: dict[str, JSONValue], path: str, value: JSONValue) -> None:
    """Set a leaf, making the objects on the way; lists are objects with numbers for names here.

    What is given both whole and in parts becomes what no shape takes.
    """
    *way, last = path.split(".")
    inner: dict[str, JSONValue] = row
    for part in way:
        following = inner.setdefault(part, {})
        if not isinstance(following, dict):
            inner[part] = True
            return
        inner = following
    inner[last] = True if isinstance(inner.get(last), dict) else value


def _listed(value: JSONValue) -> JSONValue:
    """Turn objects whose names are all numbers back into lists, in the order of the numbers."""
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(one) for name, one in value.items()}
    if all(name.isascii() and name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
