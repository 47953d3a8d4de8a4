"""Format-and-logic control: a row comes in, a source record or all of its problems go out. No I/O.

*Format* is whether each field is of its shape. *Logic* is whether the fields fit together and fit
the calendar: nobody dies before being born, and no passport is issued to a child.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypeAlias

from kernel.ids import AgencyId
from population_register import mrz
from population_register.attributes import ATTRIBUTES, identifiers_in
from population_register.errors import ValueRefused
from population_register.mapping import ENVELOPE_FIELDS
from population_register.model import (
    FieldProblem,
    JSONValue,
    RecordKind,
    SourceRecord,
    civil_date,
    partial_date_range,
)
from population_register.reading import birthday
from population_register.values import Problems, parse_day, safe_field

MAX_RECORD_NUMBER_LENGTH = 64
MAX_VERSION = 2**31 - 1
PASSPORT_AGE = 14
"""Government decree 828 of 8 July 1997, 1: a passport from fourteen on."""
AHEAD = timedelta(days=366)
"""How far in the future a record may begin: a decision taken today, and not a typing error."""

Attributes: TypeAlias = Mapping[str, JSONValue]

_SHAPES = {name: attribute.shape for name, attribute in ATTRIBUTES.items()}
_PLACES = {name: place for place, name in enumerate(ATTRIBUTES)}


def read_record(
    row: Mapping[str, JSONValue], *, agency_id: AgencyId, at: datetime
) -> SourceRecord | tuple[FieldProblem, ...]:
    """Read a row under our names; return the source record, or everything wrong with it.

    Args:
        row: The envelope fields and attributes, nested; values of any JSON type, not trusted.
        agency_id: Who sends it.
        at: Now: when the record arrives, and what "in the future" means.
    """
    problems = Problems()
    today = civil_date(at)
    record_number = _record_number(row.get("record_number"), problems)
    version = _version(row.get("version"), "version", problems)
    kind = _kind(row.get("kind"), problems)
    corrects = None
    if kind is RecordKind.CORRECTION:
        corrects = _version(row.get("corrects"), "corrects", problems)
    elif row.get("corrects") is not None and row["corrects"] != "":
        problems.add("corrects", "not_a_correction", "Only a correction names what it corrects.")
    valid_from = _day(row.get("valid_from"), "valid_from", problems, is_required=True)
    valid_to = _day(row.get("valid_to"), "valid_to", problems, is_required=False)
    attributes = _read_attributes(row, problems)
    if problems.found:
        return tuple(problems.found)
    assert valid_from is not None
    record = SourceRecord(
        agency_id=agency_id,
        record_number=record_number,
        version=version,
        kind=kind,
        corrects=corrects,
        valid_from=valid_from,
        valid_to=valid_to,
        attributes=attributes,
        arrived_at=at,
    )
    _check_envelope(record, today, problems)
    _check_attributes(record, today, problems)
    return tuple(problems.found) or record


# Format


def _record_number(value: JSONValue, problems: Problems) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        problems.add("record_number", "missing", "Every row has your own number of the record.")
        return ""
    if not isinstance(value, str) or not value.isprintable():
        problems.add("record_number", "not_text", "Send your number of the record as plain text.")
        return ""
    if len(value.strip()) > MAX_RECORD_NUMBER_LENGTH or not value.strip():
        problems.add(
            "record_number", "length", f"1 to {MAX_RECORD_NUMBER_LENGTH} characters, please."
        )
    return value.strip()


def _version(value: JSONValue, where: str, problems: Problems) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:  # noqa: PLR2004 - digits of MAX_VERSION
        value = int(value)
    if value is None or value == "":
        problems.add(where, "missing", "Number the versions of a record: 1, 2, 3 …")
    elif not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_VERSION:
        problems.add(where, "not_a_version", "A version is a whole number: 1, 2, 3 …")
    else:
        return value
    return 0


def _kind(value: JSONValue, problems: Problems) -> RecordKind:
    if value is None or value == "":
        return RecordKind.STATEMENT
    try:
        return RecordKind(value)
    except ValueError:
        problems.add("kind", "not_in_list", "One of: statement, correction, withdrawal.")
        return RecordKind.STATEMENT


def _day(value: JSONValue, where: str, problems: Problems, *, is_required: bool) -> date | None:
    if value is None or value == "":
        if is_required:
            problems.add(where, "missing", "Say from which day on it is so.")
        return None
    try:
        return date.fromisoformat(parse_day(value if isinstance(value, str) else ""))
    except ValueRefused as refusal:
        problems.add(where, refusal.reason, refusal.advice)
        return None


def _read_attributes(row: Mapping[str, JSONValue], problems: Problems) -> dict[str, JSONValue]:
    read: dict[str, JSONValue] = {}
    for name, value in row.items():
        if name in ENVELOPE_FIELDS or value is None or value == "":
            continue
        shape = _SHAPES.get(name)
        if shape is None:
            problems.add(
                safe_field(name), "unknown_field", "There is no such field; map or ignore it."
            )
            continue
        canonical = shape.read(value, name, problems)
        if canonical is not None:
            read[name] = canonical
    return {name: read[name] for name in sorted(read, key=_PLACES.__getitem__)}


# Logic


def _check_envelope(record: SourceRecord, today: date, problems: Problems) -> None:
    if record.corrects is not None and record.corrects >= record.version:
        problems.add("corrects", "not_earlier", "A correction corrects a version before its own.")
    if record.valid_to is not None and record.valid_to <= record.valid_from:
        problems.add("valid_to", "not_after", "valid_to is the first day on which it is not so.")
    if record.valid_from > today + AHEAD:
        problems.add("valid_from", "in_the_future", "At most a year ahead; check the year.")


def _check_attributes(record: SourceRecord, today: date, problems: Problems) -> None:
    attributes = record.attributes
    if record.kind is RecordKind.WITHDRAWAL:
        if attributes:
            problems.add(
                next(iter(attributes)), "not_in_withdrawal", "A withdrawal states nothing else."
            )
        return
    if not is_recognisable(attributes):
        problems.add(
            "birthdate", "not_recognisable", "Send an identifier, or a name with the birth date."
        )
    said = attributes.keys()
    for check, about in _CHECKS:
        if not about.isdisjoint(said):
            check(attributes, today, problems)


def is_recognisable(attributes: Attributes) -> bool:
    """Tell whether the attributes can be about one person: a number, or a name and a birth date."""
    if "birthdate" in attributes and ("family_name" in attributes or "given_name" in attributes):
        return True
    return bool(identifiers_in(attributes.items()))


def _check_life(attributes: Attributes, today: date, problems: Problems) -> None:
    born, died = attributes.get("birthdate"), attributes.get("deathdate")
    for name in ("birthdate", "deathdate"):
        if name in attributes and partial_date_range(attributes[name])[0] > today:
            problems.add(name, "in_the_future", "This day has not come yet; check the year.")
    if born and died and partial_date_range(died)[1] < partial_date_range(born)[0]:
        problems.add("deathdate", "before_birth", "Nobody dies before being born; check both.")


_DOCUMENTS = ("passport", "foreign_passport", "birth_certificate", "residence_permit")


def _documents(attributes: Attributes) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Return every document with the field it stands in."""
    for name in _DOCUMENTS:
        if name in attributes:
            yield name, attributes[name]
    for index, document in enumerate(attributes.get("identity_documents", ())):
        yield f"identity_documents.{index}", document


def _check_documents(attributes: Attributes, today: date, problems: Problems) -> None:
    for name, document in _documents(attributes):
        issued, expires = document.get("issued_on"), document.get("expires_on")
        if issued and date.fromisoformat(issued) > today:
            problems.add(f"{name}.issued_on", "in_the_future", "This day has not come yet.")
        if issued and expires and expires <= issued:
            problems.add(f"{name}.expires_on", "not_after", "It expires after it was issued.")
    born = attributes.get("birthdate")
    issued = attributes.get("passport", {}).get("issued_on")
    if born and issued:
        earliest = birthday(partial_date_range(born)[0], PASSPORT_AGE)
        if date.fromisoformat(issued) < earliest:
            problems.add(
                "passport.issued_on",
                "too_young",
                f"A passport is issued from {PASSPORT_AGE} on; check both dates.",
            )
    for index, stay in enumerate(attributes.get("arrivals", ())):
        if stay.get("departed_on", stay["arrived_on"]) < stay["arrived_on"]:
            problems.add(
                f"arrivals.{index}.departed_on", "before_arrival", "Departure follows arrival."
            )
        if stay.get("stay_until", stay["arrived_on"]) < stay["arrived_on"]:
            problems.add(
                f"arrivals.{index}.stay_until", "before_arrival", "A stay begins with the arrival."
            )


def _check_periods(attributes: Attributes, _today: date, problems: Problems) -> None:
    """Hold the ends of what has a beginning against it."""
    for name, begin, end in _PERIODS:
        value = attributes.get(name, ())
        for index, period in enumerate(value if isinstance(value, list) else [value]):
            if begin in period and end in period and period[end] < period[begin]:
                where = f"{name}.{index}" if isinstance(value, list) else name
                problems.add(f"{where}.{end}", "not_after", "It ends after it began.")


_PERIODS = (
    ("registration_address", "registered_on", "registered_until"),
    ("stay_address", "registered_on", "registered_until"),
    ("guardians", "since", "until"),
    ("entrepreneur", "registered_on", "ceased_on"),
    ("self_employed", "registered_on", "ceased_on"),
    ("employment_service", "registered_on", "ceased_on"),
)


def _check_zone(attributes: Attributes, today: date, problems: Problems) -> None:
    """Verify the machine-readable zone of a passport, and hold the row against what it says."""
    document = attributes.get("foreign_passport", {})
    if "mrz" not in document:
        return
    where = "foreign_passport.mrz"
    try:
        zone = mrz.parse(document["mrz"], today=today)
    except ValueRefused as refusal:
        problems.add(where, refusal.reason, refusal.advice)
        return
    said = {
        "foreign_passport.number": (document["number"], zone.document_number),
        "foreign_passport.issuing_state": (document["issuing_state"], zone.issuing_state),
        "foreign_passport.expires_on": (document.get("expires_on"), zone.expires_on.isoformat()),
        "birthdate": (attributes.get("birthdate"), zone.birthdate.isoformat()),
    }
    for field, (stated, read) in said.items():
        # Of a birth date the day may be unknown: `1986-03` is no contradiction.
        if stated is not None and not read.startswith(stated):
            problems.add(field, "not_as_in_zone", "The machine-readable zone says another.")


def _check_kin(attributes: Attributes, today: date, problems: Problems) -> None:
    born = attributes.get("birthdate")
    if born is None:
        return
    first, last = partial_date_range(born)
    is_older: Mapping[str, Callable[[date, date], bool]] = {
        "children": lambda _kin_first, kin_last: kin_last <= first,
        "parents": lambda kin_first, _kin_last: kin_first >= last,
    }
    for name, is_wrong in is_older.items():
        for index, kin in enumerate(attributes.get(name, ())):
            kin_first, kin_last = partial_date_range(kin["birthdate"])
            if is_wrong(kin_first, kin_last) or kin_first > today:
                problems.add(
                    f"{name}.{index}.birthdate",
                    "impossible_kinship",
                    "A parent is born before the child; check both dates.",
                )


_CHECKS: Sequence[tuple[Callable[[Attributes, date, Problems], None], frozenset[str]]] = (
    (_check_life, frozenset(("birthdate", "deathdate"))),
    (_check_documents, frozenset((*_DOCUMENTS, "identity_documents", "arrivals"))),
    (_check_periods, frozenset(name for name, _, _ in _PERIODS)),
    (_check_zone, frozenset(("foreign_passport",))),
    (_check_kin, frozenset(("children", "parents"))),
)
"""What is checked of which attributes: most rows have few of them."""
