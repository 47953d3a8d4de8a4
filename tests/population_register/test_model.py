"""Values of the register: what they say, and that they keep personal data out of logs."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from kernel.ids import AgencyId, PersonId
from population_register.attributes import identifiers_in
from population_register.identifiers import Identifier, IdentifierKind
from population_register.model import (
    AgencyRole,
    AttributeValue,
    CurrentRecord,
    FeedCounts,
    civil_date,
)
from tests.population_register.register_builders import NOON, a_record, an_agency


def a_value(value: str, since: date, until: date | None = None) -> AttributeValue:
    return AttributeValue(
        value=value,
        source=AgencyId("tax"),
        as_of=since,
        recorded_at=NOON,
        valid_from=since,
        valid_to=until,
    )


OLD = a_value("Лебедева", date(1986, 3, 14), date(2009, 6, 20))
NEW = a_value("Волкова", date(2009, 6, 20))


def a_person(on: date) -> CurrentRecord:
    return CurrentRecord(
        person_id=PersonId(UUID(int=1)), version=3, on=on, history={"family_name": (NEW, OLD)}
    )


def test_day_of_the_law_begins_at_midnight_of_moscow() -> None:
    assert civil_date(datetime(2026, 11, 22, 20, 59, 59, tzinfo=UTC)) == date(2026, 11, 22)
    assert civil_date(datetime(2026, 11, 22, 21, tzinfo=UTC)) == date(2026, 11, 23)


@pytest.mark.parametrize(
    ("day", "found"),
    [
        (date(1986, 3, 13), None),
        (date(1986, 3, 14), OLD),
        (date(2009, 6, 19), OLD),
        (date(2009, 6, 20), NEW),
    ],
)
def test_value_holds_from_its_first_day_to_the_day_before_its_last(
    day: date, found: AttributeValue | None
) -> None:
    assert a_person(day).find("family_name") is found
    assert a_person(day).find("given_name") is None
    assert [value for value in (NEW, OLD) if value.holds_on(day)] == ([found] if found else [])


def test_agency_without_a_sector_is_one_of_its_own() -> None:
    agency = an_agency("tax", AgencyRole.TAX)

    assert agency.pseudonym_sector == "tax"


def test_no_value_shows_in_a_repr() -> None:
    shown = f"{a_record()!r} {NEW!r} {a_person(date(2020, 1, 1))!r}"

    assert "SourceRecord(pension, …, version=1, statement)" in shown
    assert "AttributeValue(…, source=tax, as_of=2009-06-20)" in shown
    assert "version=3, on=2020-01-01)" in shown
    assert "Волкова" not in shown


def test_rows_of_two_parts_of_a_feed_are_counted_together() -> None:
    one = FeedCounts(linked=1, new=2, ask=4, held=8, unchanged=16, rejected=32)

    both = one + FeedCounts(linked=100, new=100, ask=100, held=100, unchanged=100, rejected=100)

    assert both == FeedCounts(linked=101, new=102, ask=104, held=108, unchanged=116, rejected=132)
    assert (one.accepted, one.rows) == (7, 63)
    assert (both.accepted, both.rows) == (307, 663)


def test_numbers_are_found_in_the_values_that_hold_them() -> None:
    values = {
        "family_name": "Волкова",
        "snils": "900-000-002 83",
        "passport": {"series_number": "4510 123456", "issued_on": "2006-04-20"},
        "foreign_passport": {"issuing_state": "UZB", "number": "AB1234567"},
        "birth_certificate": {"series_number": "IV-МЮ 123456"},
    }

    assert identifiers_in(values.items()) == [
        Identifier(kind=IdentifierKind.SNILS, value="90000000283"),
        Identifier(kind=IdentifierKind.PASSPORT, value="4510123456"),
        Identifier(kind=IdentifierKind.FOREIGN_PASSPORT, value="UZB:AB1234567"),
        Identifier(kind=IdentifierKind.BIRTH_CERTIFICATE, value="IV-МЮ123456"),
    ]
