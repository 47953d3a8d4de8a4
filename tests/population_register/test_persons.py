"""Finding people and reading their records; the two times of the register."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Uuid, bindparam, select, update
from sqlalchemy.orm import Session

from kernel.errors import Undecryptable
from kernel.ids import PersonId, new_id
from kernel.keyring import Keyring
from kernel.tables import person_keys
from population_register.api import attributes_of, evaluate, open_record
from population_register.errors import PersonUnknown, UnknownAgency, ValueRefused
from population_register.identifiers import IdentifierKind
from population_register.model import AgencyRole, RecordKind
from population_register.service.agencies import add_agency, get_agency, list_agencies
from population_register.service.persons import (
    find_person,
    find_persons,
    list_source_records,
    read_as_believed,
    read_record,
)
from population_register.store import current_record
from population_register.tables import persons
from tests.population_register.register_builders import (
    ANNA,
    NOON,
    OLEG,
    a_record,
    accept,
    an_access,
    an_agency,
    read,
    values_of,
)

pytestmark = [pytest.mark.db, pytest.mark.usefixtures("agencies")]
SNILS = IdentifierKind.SNILS


class TestFinding:
    def test_number_finds_its_person_however_it_is_typed(
        self, session: Session, keyring: Keyring
    ) -> None:
        accepted = accept(session, keyring, a_record())

        assert find_person(session, keyring, SNILS, "90000000283") == accepted.person_id
        assert find_person(session, keyring, SNILS, "900-000-002 83") == accepted.person_id

    def test_equal_digits_of_another_kind_find_nobody(
        self, session: Session, keyring: Keyring
    ) -> None:
        accept(session, keyring, a_record())

        assert find_persons(session, keyring, IdentifierKind.PASSPORT, "9000000028") == ()

    def test_number_nobody_has_finds_nobody(self, session: Session, keyring: Keyring) -> None:
        assert find_person(session, keyring, SNILS, "900-000-001 82") is None

    def test_malformed_number_is_refused(self, session: Session, keyring: Keyring) -> None:
        with pytest.raises(ValueRefused):
            find_person(session, keyring, SNILS, "900-000-002 84")


class TestReading:
    def test_composed_statement_returns_what_open_record_opens(
        self, session: Session, keyring: Keyring
    ) -> None:
        accepted = accept(session, keyring, a_record())
        accept(session, keyring, a_record(number="2", attributes=OLEG))
        part = current_record(bindparam("person_id", type_=Uuid()))
        row = session.execute(select(part), {"person_id": accepted.person_id}).one()

        record = open_record(
            keyring,
            an_access(session, accepted.person_id),
            sealed_record=row.sealed_record,
            wrapped_key=row.wrapped_key,
        )

        assert row.person_id == record.person_id == accepted.person_id
        assert row.record_version == record.version == 1
        assert values_of(record) == ANNA

    def test_access_of_another_person_opens_nothing(
        self, session: Session, keyring: Keyring
    ) -> None:
        """Promise 1: a record opens against an access entry of its own person only."""
        anna = accept(session, keyring, a_record())
        other = accept(session, keyring, a_record(number="2", attributes=OLEG))
        part = current_record(bindparam("person_id", anna.person_id, Uuid()))
        row = session.execute(select(part)).one()

        with pytest.raises(Undecryptable):
            open_record(
                keyring,
                an_access(session, other.person_id),
                sealed_record=row.sealed_record,
                wrapped_key=row.wrapped_key,
            )

    def test_sealed_record_moved_to_another_person_does_not_open(
        self, session: Session, keyring: Keyring
    ) -> None:
        anna = accept(session, keyring, a_record())
        other = accept(session, keyring, a_record(number="2", attributes=OLEG))
        sealed = (
            select(persons.c.record_sealed)
            .where(persons.c.person_id == anna.person_id)
            .scalar_subquery()
        )
        session.execute(
            update(persons)
            .where(persons.c.person_id == other.person_id)
            .values(record_sealed=sealed)
        )

        with pytest.raises(Undecryptable):
            read(session, keyring, other.person_id)

    def test_somebody_unknown_is_not_found(self, session: Session, keyring: Keyring) -> None:
        with pytest.raises(PersonUnknown):
            read_record(session, keyring, an_access(session, PersonId(new_id(NOON))))

    def test_destroyed_key_looks_like_somebody_unknown(
        self, session: Session, keyring: Keyring
    ) -> None:
        accepted = accept(session, keyring, a_record())
        session.execute(update(person_keys).values(wrapped_key=None, shredded_at=NOON))

        with pytest.raises(PersonUnknown):
            read(session, keyring, accepted.person_id)

    def test_value_lapses_on_its_day_without_anybody_writing(
        self, session: Session, keyring: Keyring
    ) -> None:
        ends = a_record("interior", valid_to=date(2027, 1, 1))
        accepted = accept(session, keyring, ends)

        before = read(session, keyring, accepted.person_id, datetime(2026, 12, 31, 20, tzinfo=UTC))
        after = read(session, keyring, accepted.person_id, datetime(2026, 12, 31, 21, tzinfo=UTC))

        assert values_of(before) == ANNA
        assert values_of(after) == {}

    def test_predicate_answers_from_the_stored_record(
        self, session: Session, keyring: Keyring
    ) -> None:
        record = read(session, keyring, accept(session, keyring, a_record()).person_id)

        answer = evaluate(record, "over_18", NOON)

        assert answer is not None
        assert answer.value is True
        assert attributes_of(record)["birthdate"].source == "pension"

    def test_record_does_not_print_what_it_says(self, session: Session, keyring: Keyring) -> None:
        record = read(session, keyring, accept(session, keyring, a_record()).person_id)

        printed = f"{record!r} {attributes_of(record)!r} {a_record()!r}"

        assert "Волкова" not in printed
        assert "1986" not in printed


class TestTwoTimes:
    def test_what_we_believed_then_is_a_question_of_its_own(
        self, session: Session, keyring: Keyring
    ) -> None:
        """On 1 March we believed something about 1 January that a later correction changed."""
        march = datetime(2026, 3, 1, 12, tzinfo=UTC)
        april = march + timedelta(days=31)
        january = date(2026, 1, 1)
        wrong = {**ANNA, "family_name": "Валкова"}
        accepted = accept(session, keyring, a_record(attributes=wrong, arrived_at=march))
        accept(
            session,
            keyring,
            a_record(version=2, kind=RecordKind.CORRECTION, corrects=1, arrived_at=april),
        )
        entry = an_access(session, accepted.person_id)

        then = read_as_believed(session, keyring, entry, about=january, believed_at=march)
        now = read_as_believed(session, keyring, entry, about=january, believed_at=april)
        before = read_as_believed(
            session, keyring, entry, about=january, believed_at=march - timedelta(seconds=1)
        )

        assert values_of(then)["family_name"] == "Валкова"
        assert values_of(now)["family_name"] == "Волкова"
        assert values_of(before) == {}

    def test_source_records_are_listed_as_they_were_sent(
        self, session: Session, keyring: Keyring
    ) -> None:
        sent = [a_record(version=2), a_record("tax"), a_record()]
        person_ids = {accept(session, keyring, record).person_id for record in sent}
        (person_id,) = person_ids

        listed = list_source_records(session, keyring, an_access(session, person_id))

        assert listed == [a_record(), a_record(version=2), a_record("tax")]


class TestAgencies:
    def test_agency_is_replaced_by_what_is_said_last(self, session: Session) -> None:
        add_agency(session, an_agency("pension", AgencyRole.PENSION, {"delimiter": ";"}), NOON)

        assert get_agency(session, an_agency("pension", AgencyRole.PENSION).agency_id).mapping == {
            "delimiter": ";"
        }
        assert len(list_agencies(session)) == len(AgencyRole)

    def test_unknown_agency_is_refused(self, session: Session) -> None:
        with pytest.raises(UnknownAgency):
            get_agency(session, an_agency("nobody", AgencyRole.TAX).agency_id)
