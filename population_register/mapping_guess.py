"""Guess which column of a stranger's table is which attribute. Deciding code: rows in, TOML out.

A column is guessed by its header, in several languages and habits, and the guess is dropped where
the cells contradict it. What is no attribute is taken in by what its cells look like, or left out
with the reason. A person reads the result and corrects it: it is a beginning, not a decision.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_CAMEL = re.compile(r"(?<=[a-zа-я])(?=[A-ZА-Я])")
_NO_WORD = re.compile(r"[\W_]+")
_DATE = re.compile(r"\D*\d{1,4}[-/. ]+(?:\d{1,2}|[^\W\d]+)[-/., ]+\d{1,4}(?:[T ].*)?|\d{8}")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d(?:\.0+)?")
_HAS_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_HOUSE = re.compile(r"no|nr|number|num\.?")  # where the rows have no such number of their own
_FEW = 60  # different values of a category, at most
_LEAST_FILLED = 0.001  # of rows
_MOSTLY = 0.7
_LONG_NUMBER = 6  # characters; shorter ones are counted or measured
_NEARLY_ALL_DIFFERENT = 0.995

_HEADERS: tuple[tuple[str, str], ...] = (
    # What is equal for one person, or names the row; not to be compared.
    ("truth", ("truth|ground truth|gold|(?:true )?(?:cluster|entity|person|people|individual|"
              "simulant|match|duplicate|ent|voter) ?(?:id|number|no|key|uid)?|ncid|"
              "recid truth|voter ?reg(?:istration)? ?(?:num|number|no|id)")),
    ("row", "(?:unique|record|rec|row|line)? ?(?:id|index|no|number|nr)|id|pk|uid|uuid|guid"),
    ("source", ("source|src|data ?(?:set|base|source)|agency|origin|provider|system|"
               "file(?: ?name)?|ведомство|источник|quelle")),
    # Names
    ("former", ("(?:maiden|former|previous|birth|other|alias)(?: (?:sur|last|family))? ?name|alias|"
               "maiden|geburtsname|прежняя фамилия|девичья фамилия")),
    ("family_name", ("(?:sur|last|family|l|second ?last)(?: |_)?name(?: ?[c]?[12])?|surname|sname|"
                    "last|family|nachname|familienname|nom|apellidos?|cognome|фамилия|pername2")),
    ("given_name", ("(?:first|given|fore|f|christian) ?names?(?: ?[c]?[12])?|first|given|forename|"
                   "vorname|pr[eé]nom|nombre|имя|pername1")),
    ("middle_name", "(?:middle|second|m|midl|mid) ?(?:name|initial|init)?s?|patronymic|отчество"),
    ("full_name", "(?:full|person|complete|whole|display|birth)? ?name|fio|фио|ф и о"),
    # Birth, and whatever else stays
    ("year", "(?:(?:survey|snapshot|election|census|record|report|file|data|filing|tax) ?)?year"),
    ("month", "month"),
    ("day", "day"),
    ("birth_year", "(?:birth|dob|born) ?(?:year|y|yr)|year ?of ?birth|yob|by|birthyr|год рождения"),
    ("birth_month", "(?:birth|dob) ?(?:month|m|mon|mo)|month ?of ?birth|mob|bm"),
    ("birth_day", "(?:birth|dob) ?(?:day|d)|day ?of ?birth|bd"),
    ("birthdate", ("(?:date ?of ?birth|birth ?date|birth ?day|d ?o ?b|born|bdate|date ?birth|"
                  "geburtsdatum|дата рождения|date ?naissance|fecha ?nacimiento)")),
    ("birthplace", ("(?:birth ?(?:place|town|city|state|country)|place ?of ?birth|bpl|pob|"
                   "state ?of ?birth|geburtsort|место рождения)")),
    ("gender", "sex|gender|geschlecht|sexe|sexo|пол|(?:sex|gender) ?(?:code|cd|desc)"),
    ("age", "age(?: ?(?:at|in|on)? ?.*)?|возраст|alter"),
    # Numbers
    ("snils", ("ssn|snils|снилс|soc(?:ial)? ?sec(?:urity)? ?(?:id|no|nr|num|number)?|"
              "(?:national|personal|nhs|nino|ni|health|medicare|insurance|pesel|bsn|cpf)"
              " ?(?:id|no|nr|num|number|insurance)?(?: ?number)?")),
    ("inn", "inn|инн|tin|tax ?(?:id|no|number|payer ?id)"),
    ("enp", "enp|енп|(?:policy|полис) ?(?:no|number|id)?"),
    ("passport", "passport ?(?:no|nr|number|num|id)?|паспорт"),
    ("phone", ".*(?:phone|mobile|telephone|telefon|телефон).*|tel|cell|fax"),
    ("email", "(?:.* )?e ?mail(?: .*)?|mail|почта"),
    # Where people live
    ("postal_code", ("(?:.* )?(?:zip|post ?code|postal ?code|postal|plz|индекс)"
                    "(?: ?code| ?fake| ?5)?|enumcap|enumpc")),
    ("locality", ("(?:res |mail |mailing |home )?(?:city|town|suburb|locality|municipality|village)"
                 "(?: ?(?:name|desc))?|ort|stadt|ville|город|населенный пункт")),
    ("region", ("(?:res |mail |mailing |home )?(?:state|province|county|region|district|oblast)"
               "(?: ?(?:name|desc|cd|code))?|bundesland|область|регион")),
    ("house", ("(?:house|street|hse|building|mailing address street) ?(?:no|nr|num|number)|house|"
              "дом|hausnummer")),
    ("flat", "flat|unit(?: ?number)?|apt|apartment|suite|квартира|кв"),
    ("street", ("(?:street|road)(?: ?(?:name|address|addr))?|address ?(?:line)? ?1|str ?nam|"
               "stra(?:ß|ss)e|rue|улица")),
    ("address", ("(?:full|home|res|residential|mailing|mail|street|cap)? ?addr(?:ess)?(?: ?1)?|"
                "residence|адрес|cap ?add|adresse")),
)  # fmt: skip
"""Of what a column is guessed to be, which headers say so; the first that fits counts."""

_PATTERNS = tuple((attribute, re.compile(headers)) for attribute, headers in _HEADERS)

_IN_ORDER = (
    "family_name", "given_name", "middle_name", "full_name", "birthdate", "age", "gender",
    "birthplace", "snils", "inn", "enp", "passport", "phone", "email", "postal_code", "locality",
    "region", "street", "house", "flat", "address",
)  # fmt: skip
_IN_DATE = ("year", "month", "day")
_MANY = frozenset(("family_name", "given_name", "phone", "email"))
"""Attributes of which a person may have several, each in a column."""


def _digits(text: str) -> int:
    return sum(letter.isdigit() for letter in text)


_CONTRADICTED: Mapping[str, Callable[[str], bool]] = {
    "birthdate": lambda cell: _digits(cell) < 2,  # noqa: PLR2004 - a year of two digits
    "birth_year": lambda cell: not _NUMBER.fullmatch(cell),
    "year": lambda cell: not _YEAR.fullmatch(cell),
    "month": lambda cell: not _NUMBER.fullmatch(cell) or _digits(cell) > 2,  # noqa: PLR2004
    "day": lambda cell: not _NUMBER.fullmatch(cell) or _digits(cell) > 2,  # noqa: PLR2004
    "birth_month": lambda cell: _digits(cell) > 2,  # noqa: PLR2004
    "birth_day": lambda cell: not _NUMBER.fullmatch(cell) or _digits(cell) > 2,  # noqa: PLR2004
    "age": lambda cell: not _NUMBER.fullmatch(cell),
    "phone": lambda cell: _digits(cell) < 5,  # noqa: PLR2004
    "email": lambda cell: "@" not in cell,
    "snils": lambda cell: _digits(cell) < 4,  # noqa: PLR2004
    "family_name": lambda cell: _digits(cell) > len(cell) / 2,
    "given_name": lambda cell: _digits(cell) > len(cell) / 2,
    "full_name": lambda cell: _digits(cell) > len(cell) / 2,
}
"""By attribute, what a cell is that can't be one."""


@dataclass(slots=True, kw_only=True)
class _Column:
    """A column, and what its cells look like."""

    name: str
    filled: float
    counts: Counter[str] = field(repr=False)

    @property
    def total(self) -> int:
        return self.counts.total()

    def share(self, is_so: Callable[[str], bool]) -> float:
        """Return of which share of the filled cells something is so."""
        return sum(n for cell, n in self.counts.items() if is_so(cell)) / max(1, self.total)

    @property
    def is_all_different(self) -> bool:
        return self.total > 1 and len(self.counts) >= _NEARLY_ALL_DIFFERENT * self.total


@dataclass(slots=True, kw_only=True)
class _Guess:
    columns: dict[str, list[str]] = field(default_factory=dict)
    extras: dict[str, str] = field(default_factory=dict)  # column: kind
    left_out: dict[str, str] = field(default_factory=dict)  # column: why
    source: str | None = None
    has_dated_source: bool = False  # each name of a source says its year
    age_at: str | None = None  # the column that says when an age was true
    truth: str | None = None


def suggest_mapping(
    columns: Sequence[str], rows: Sequence[Mapping[str, str]], *, truth: str | None = None
) -> str:
    """Return a mapping of a table, as TOML with remarks, for a person to correct.

    Args:
        columns: The header.
        rows: Some of its rows; the more, the surer.
        truth: The column that says who is who, if that is known.
    """
    guess = _Guess(truth=truth)
    for name in dict.fromkeys(filter(None, columns)):
        if name == truth:
            continue
        cells = [cell for row in rows if (cell := (row.get(name) or "").strip())]
        column = _Column(name=name, filled=len(cells) / max(1, len(rows)), counts=Counter(cells))
        _take(guess, column, _meaning(column))
    _settle(guess)
    return "\n".join(_written(guess)) + "\n"


def _meaning(column: _Column) -> str:
    """Return what a column is; empty when its header does not say, or the cells contradict."""
    words = _NO_WORD.sub(" ", _CAMEL.sub(" ", column.name)).strip().casefold()
    if _HOUSE.fullmatch(words) and not column.is_all_different:
        return "house"
    for attribute, pattern in _PATTERNS:
        if pattern.fullmatch(words):
            contradicted = _CONTRADICTED.get(attribute)
            if contradicted is None or column.share(contradicted) <= 1 - _MOSTLY:
                return "family_name" if attribute == "former" else attribute
    return "email" if column.share(lambda cell: "@" in cell) > _MOSTLY else ""


def _take(guess: _Guess, column: _Column, meaning: str) -> None:
    name = column.name
    if why := _useless(column, meaning):
        guess.left_out[name] = why
    elif meaning == "truth" and guess.truth is None:
        guess.truth = name
    elif meaning == "source" and len(column.counts) <= _FEW and guess.source is None:
        guess.source = name
        guess.has_dated_source = column.share(lambda cell: bool(_HAS_YEAR.search(cell))) == 1
    elif meaning in ("", "source", "truth"):
        guess.extras[name] = _kind(column)
    elif guess.columns.get(meaning) and meaning not in _MANY:
        guess.left_out[name] = f"another {meaning} than {guess.columns[meaning][0]}"
    else:
        guess.columns.setdefault(meaning, []).append(name)


def _useless(column: _Column, meaning: str) -> str:
    """Return why a column says nothing of who somebody is; empty if it does."""
    if column.filled < _LEAST_FILLED:
        return "hardly ever filled in"
    if meaning == "row" or (meaning == "truth" and column.is_all_different):
        return "names the row"
    if len(column.counts) == 1 and column.filled > _MOSTLY and meaning != "truth":
        return "the same in every row"
    if not meaning and column.is_all_different and column.filled > _MOSTLY:
        return "different in every row" if _kind(column) == "number" else ""
    return ""


def _kind(column: _Column) -> str:
    """Return how a column is compared that is no attribute of ours."""
    if column.share(lambda cell: _DATE.fullmatch(cell) is not None) > _MOSTLY:
        return "date"
    is_few = len(column.counts) <= min(_FEW, max(2, column.total // 3))
    if column.share(lambda cell: _NUMBER.fullmatch(cell) is not None) > _MOSTLY:
        is_long = column.share(lambda cell: len(cell) >= _LONG_NUMBER) > _MOSTLY
        return "number" if is_long else "category" if is_few else "quantity"
    if is_few:
        return "category"
    is_number = column.share(lambda cell: _digits(cell) * 2 >= len(cell) >= _LONG_NUMBER) > _MOSTLY
    return "number" if is_number else "text"


def _settle_times(guess: _Guess) -> None:
    """Tell a birth in plain columns from the time at which a row was written."""
    columns = guess.columns
    when = {part: columns.pop(part)[0] for part in _IN_DATE if part in columns}
    is_told = not {"birthdate", "birth_year"}.isdisjoint(columns)
    if (len(when) == len(_IN_DATE) and not is_told) or (
        "birth_year" in columns and "year" not in when
    ):
        for part, name in when.items():
            columns.setdefault(f"birth_{part}", []).append(name)
    elif "year" in when and not is_told and "age" not in columns:
        guess.extras.update(dict.fromkeys(when.values(), "quantity"))
    else:
        guess.left_out.update(dict.fromkeys(when.values(), "when the row was written, perhaps"))
        if "age" in columns:
            guess.age_at = when.get("year") or (guess.source if guess.has_dated_source else None)


def _settle(guess: _Guess) -> None:
    """Put together what belongs together, and leave out what says the same again."""
    _settle_times(guess)
    parts = [guess.columns.pop(f"birth_{part}", None) for part in _IN_DATE]
    joined = [part[0] for part in parts if part]
    if joined and "birthdate" not in guess.columns:
        guess.columns["birthdate"] = joined
    else:
        guess.left_out.update(dict.fromkeys(joined, "said by the birth date"))
    if {"given_name", "family_name"} <= guess.columns.keys():
        for name in guess.columns.pop("full_name", ()):
            guess.left_out[name] = "said by its parts"
    if {"street", "house"} & guess.columns.keys():
        for name in guess.columns.pop("address", ()):
            guess.left_out[name] = "said by its parts"


def _written(guess: _Guess) -> Iterator[str]:
    yield "# Guessed from the headers and some rows: look it through."
    if guess.truth:
        yield f"# The truth is perhaps {_quoted(guess.truth)}: say it as --truth-column."
    if guess.source:
        yield f"source = {_quoted(guess.source)}"
        yield "one_per_source = false  # true if no source has a person twice"
    yield ""
    yield "[columns]"
    if not guess.columns:
        yield "# none was recognised; docs/matching.md lists the attributes"
    for attribute in _IN_ORDER:
        names = guess.columns.get(attribute)
        if not names:
            continue
        if attribute == "age" and guess.age_at:
            said = f"{{column = {_quoted(names[0])}, at = {_quoted(guess.age_at)}}}"
        elif attribute == "birthdate" or len(names) == 1:
            said = _quoted(names[0]) if len(names) == 1 else _listed(names)
        else:
            said = f"{{any_of = {_listed(names)}}}"
        yield f"{attribute} = {said}"
    for number, (name, kind) in enumerate(guess.extras.items(), start=1):
        yield ""
        key = _NO_WORD.sub("_", name).strip("_").casefold()
        yield f"[extra.{key if key.isascii() and key else f'column_{number}'}]"
        yield f"column = {_quoted(name)}"
        yield f"kind = {_quoted(kind)}"
    if guess.left_out:
        yield ""
        yield "# Left out:"
        yield from (f"#   {_quoted(name)}: {why}" for name, why in guess.left_out.items())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _listed(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"
