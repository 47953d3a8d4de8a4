"""Accepting records: linked, accounted for, sealed, and right in any order."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from audit.api import list_entries
from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring
from kernel.tables import person_keys
from population_register.identifiers import IdentifierKind
from population_register.linking_store import list_decisions
from population_register.matching_store import find_pairs
from population_register.model import (
    Accepted,
    Held,
    LinkOutcome,
    RecordKind,
    Refused,
    SourceRecord,
    Unchanged,
)
from population_register.service.accepting import accept_record, accept_records
from population_register.service.persons import find_person, find_persons
from population_register.tables import (
    early_withdrawals,
    linking_keys,
    person_identifiers,
    persons,
    record_links,
    source_records,
)
from tests.population_register.register_builders import (
    ANNA,
    NOON,
    OLEG,
    a_record,
    a_withdrawal,
    accept,
    read,
    values_of,
)

pytestmark = [pytest.mark.db, pytest.mark.usefixtures("agencies")]
SNILS = IdentifierKind.SNILS


def rows_in(session: Session, table: Any) -> int:  # noqa: ANN401
    return session.scalar(select(func.count()).select_from(table)) or 0


class TestLinking:
    def test_record_of_somebody_unknown_makes_a_person(
        self, session: Session, keyring: Keyring
    ) -> None:
        accepted = accept(session, keyring, a_record())

        assert accepted.outcome is LinkOutcome.NEW
        assert values_of(read(session, keyring, accepted.person_id)) == ANNA

    def test_record_of_another_agency_is_linked_by_its_number(
        self, session: Session, keyring: Keyring
    ) -> None:
        first = accept(session, keyring, a_record("pension"))

        second = accept(
            session, keyring, a_record("tax", attributes={**ANNA, "inn": "001234567853"})
        )

        assert (second.outcome, second.person_id) == (LinkOutcome.LINKED, first.person_id)
        assert read(session, keyring, first.person_id).version == 2

    def test_changed_name_is_linked_and_shared_number_is_not(
        self, session: Session, keyring: Keyring
    ) -> None:
        anna = accept(session, keyring, a_record("civil_registry"))
        renamed = {**ANNA, "family_name": "Лебедева"}

        linked = accept(session, keyring, a_record("health", attributes=renamed))
        new = accept(
            session, keyring, a_record("health", "2", attributes={**OLEG, "snils": ANNA["snils"]})
        )

        assert linked.person_id == anna.person_id
        assert (new.outcome, new.person_id != anna.person_id) == (LinkOutcome.NEW, True)
        assert set(find_persons(session, keyring, SNILS, ANNA["snils"])) == {
            anna.person_id,
            new.person_id,
        }
        assert find_person(session, keyring, SNILS, ANNA["snils"]) is None

    def test_doubtful_record_waits_for_a_human_without_being_lost(
        self, session: Session, keyring: Keyring
    ) -> None:
        anna = accept(session, keyring, a_record())
        doubtful = {**ANNA, "birthdate": "1986-04-13"}
        del doubtful["snils"]

        asked = accept(session, keyring, a_record("health", attributes=doubtful))

        assert (asked.outcome, asked.person_id != anna.person_id) == (LinkOutcome.ASK, True)
        assert values_of(read(session, keyring, asked.person_id))["birthdate"] == "1986-04-13"
        (decision,) = list_decisions(session, [asked.person_id])
        assert decision.outcome == "ask"
        assert decision.evidence_sealed is not None
        (pair,) = find_pairs(session, [asked.person_id])
        assert pair.other_person_id == anna.person_id
        assert -7 < pair.bits < 3

    def test_foreigner_is_linked_through_the_latin_spelling(
        self, session: Session, keyring: Keyring
    ) -> None:
        passport = {"foreign_passport": {"issuing_state": "TUR", "number": "U12345678"}}
        born = {"birthdate": "1994-11-02", "citizenships": ["TUR"]}
        cyrillic = {"family_name": "Демир", "given_name": "Айше", **born, **passport}
        latin = {"family_name": "DEMIR", "given_name": "AISHE", **born, **passport}

        first = accept(session, keyring, a_record("interior", attributes=cyrillic))
        second = accept(session, keyring, a_record("health", attributes=latin))

        assert second.person_id == first.person_id

    def test_rows_of_one_batch_about_one_new_person_give_one_person(
        self, session: Session, keyring: Keyring
    ) -> None:
        records = [a_record(number=str(number)) for number in range(3)]

        outcomes = accept_records(session, keyring, AgencyId("pension"), records, at=NOON)

        assert [o.outcome.value for o in outcomes if isinstance(o, Accepted)] == [
            "new",
            "linked",
            "linked",
        ]
        assert rows_in(session, persons) == 1

    def test_number_that_came_with_a_later_row_links_the_rows_after_it(
        self, session: Session, keyring: Keyring
    ) -> None:
        with_inn = a_record(number="2", attributes={**ANNA, "inn": "001234567853"})
        by_inn = a_record(
            number="3",
            attributes={
                "given_name": "Анна",
                "birthdate": ANNA["birthdate"],
                "inn": "001234567853",
            },
        )

        outcomes = accept_records(
            session, keyring, AgencyId("pension"), [a_record(), with_inn, by_inn], at=NOON
        )

        assert len({o.person_id for o in outcomes if isinstance(o, Accepted)}) == 1

    def test_later_version_stays_with_its_record(self, session: Session, keyring: Keyring) -> None:
        first = accept(session, keyring, a_record())

        second = accept(session, keyring, a_record(version=2, attributes={"birthdate": "1999"}))

        assert second.person_id == first.person_id
        assert rows_in(session, record_links) == 1


class TestIdempotence:
    def test_same_version_again_changes_nothing(self, session: Session, keyring: Keyring) -> None:
        first = accept(session, keyring, a_record())

        again = accept_record(session, keyring, a_record(arrived_at=NOON + timedelta(days=1)), NOON)

        assert again == Unchanged()
        assert read(session, keyring, first.person_id).version == 1
        assert len(list_entries(session, first.person_id)) == 2  # accepted, read

    def test_same_version_twice_in_a_batch_is_one_record(
        self, session: Session, keyring: Keyring
    ) -> None:
        outcomes = accept_records(
            session, keyring, AgencyId("pension"), [a_record(), a_record()], at=NOON
        )

        assert isinstance(outcomes[0], Accepted)
        assert outcomes[1] == Unchanged()

    def test_same_version_with_another_content_is_refused(
        self, session: Session, keyring: Keyring
    ) -> None:
        accepted = accept(session, keyring, a_record())

        refused = accept_record(session, keyring, a_record(attributes={**ANNA, "inn": "x"}), NOON)

        assert isinstance(refused, Refused)
        assert refused.problems[0].reason == "version_taken"
        assert values_of(read(session, keyring, accepted.person_id)) == ANNA

    def test_two_agencies_may_use_one_record_number(
        self, session: Session, keyring: Keyring
    ) -> None:
        accept(session, keyring, a_record("pension", "1"))
        accept(session, keyring, a_record("tax", "1"))

        assert rows_in(session, source_records) == 2

    def test_source_record_is_never_overwritten(self, session: Session, keyring: Keyring) -> None:
        accept(session, keyring, a_record())
        before = session.execute(select(source_records)).one()

        accept(session, keyring, a_record(version=2))
        accept(session, keyring, a_withdrawal(version=3))

        first = source_records.c.version == 1
        assert session.execute(select(source_records).where(first)).one() == before


class TestOrder:
    def versions(self) -> list[SourceRecord]:
        maiden = {**ANNA, "family_name": "Лебедева"}
        wrong = {**ANNA, "family_name": "Валкова"}
        return [
            a_record("civil_registry", attributes=maiden, valid_from=date(1986, 3, 14)),
            a_record("civil_registry", version=2, attributes=wrong, valid_from=date(2009, 6, 20)),
            a_record(
                "civil_registry",
                version=3,
                kind=RecordKind.CORRECTION,
                corrects=2,
                attributes=ANNA,
                valid_from=date(2009, 6, 20),
            ),
        ]

    @pytest.mark.parametrize(
        "order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2), (2, 0, 1), (0, 2, 1)], ids=str
    )
    def test_versions_in_any_order_end_in_one_record(
        self, session: Session, keyring: Keyring, order: tuple[int, ...]
    ) -> None:
        versions = self.versions()

        (person_id,) = {accept(session, keyring, versions[n]).person_id for n in order}

        record = values_of(read(session, keyring, person_id))
        assert record["family_name"] == "Волкова"
        assert record["former_names"] == [{"family_name": "Лебедева", "until": "2009-06-20"}]

    def test_withdrawal_before_its_record_waits_for_it(
        self, session: Session, keyring: Keyring
    ) -> None:
        held = accept_record(session, keyring, a_withdrawal(version=2), NOON)
        again = accept_record(session, keyring, a_withdrawal(version=2), NOON)

        late = accept(session, keyring, a_record(version=1))

        assert (held, again) == (Held(), Unchanged())
        assert values_of(read(session, keyring, late.person_id)) == {}
        assert rows_in(session, early_withdrawals) == 0
        assert rows_in(session, source_records) == 2

    def test_record_that_speaks_again_after_an_early_withdrawal_is_linked_as_usual(
        self, session: Session, keyring: Keyring
    ) -> None:
        anna = accept(session, keyring, a_record("tax"))
        accept_record(session, keyring, a_withdrawal(version=2), NOON)

        again = accept(session, keyring, a_record(version=3))
        late = accept(session, keyring, a_record(version=1, attributes={**ANNA, "inn": "x"}))

        assert again.person_id == late.person_id == anna.person_id
        assert values_of(read(session, keyring, anna.person_id)) == ANNA

    def test_withdrawal_and_record_in_one_batch_in_the_wrong_order(
        self, session: Session, keyring: Keyring
    ) -> None:
        outcomes = accept_records(
            session, keyring, AgencyId("pension"), [a_withdrawal(), a_record()], at=NOON
        )

        (withdrawn, accepted) = outcomes
        assert isinstance(withdrawn, Accepted)
        assert isinstance(accepted, Accepted)
        assert accepted.outcome is LinkOutcome.NEW
        assert values_of(read(session, keyring, accepted.person_id)) == {}

    def test_withdrawn_number_finds_nobody(self, session: Session, keyring: Keyring) -> None:
        accept(session, keyring, a_record())
        accept(session, keyring, a_withdrawal())

        assert find_person(session, keyring, SNILS, ANNA["snils"]) is None
        assert rows_in(session, person_identifiers) == 0

    def test_corrected_number_moves_to_the_right_one(
        self, session: Session, keyring: Keyring
    ) -> None:
        accepted = accept(session, keyring, a_record())
        right = {**ANNA, "snils": "900-000-001 82"}

        accept(
            session,
            keyring,
            a_record(version=2, kind=RecordKind.CORRECTION, corrects=1, attributes=right),
        )

        assert find_person(session, keyring, SNILS, ANNA["snils"]) is None
        assert find_person(session, keyring, SNILS, "900-000-001 82") == accepted.person_id


class TestAccount:
    def test_every_accepted_record_is_in_the_access_log(
        self, session: Session, keyring: Keyring
    ) -> None:
        accepted = accept(session, keyring, a_record("tax"))

        (logged,) = list_entries(session, accepted.person_id)

        entry = logged.entry
        assert (entry.entry_id, entry.action, entry.outcome) == (
            accepted.entry_id,
            "population_register.record.accepted",
            "allowed",
        )
        assert (entry.actor.kind, entry.actor.id) == ("agency", "tax")
        assert set(entry.items) == set(ANNA)
        assert str(accepted.person_id) not in logged.leaf.decode()

    def test_each_record_of_a_batch_has_an_entry_of_its_own(
        self, session: Session, keyring: Keyring
    ) -> None:
        records = [a_record(number=str(number)) for number in range(3)]

        outcomes = accept_records(session, keyring, AgencyId("pension"), records, at=NOON)

        entries = {o.entry_id for o in outcomes if isinstance(o, Accepted)}
        (person_id,) = {o.person_id for o in outcomes if isinstance(o, Accepted)}
        assert {logged.entry.entry_id for logged in list_entries(session, person_id)} == entries
        assert len(entries) == 3

    def test_refused_and_unchanged_records_leave_no_entry(
        self, session: Session, keyring: Keyring
    ) -> None:
        accepted = accept(session, keyring, a_record())
        accept_record(session, keyring, a_record(), NOON)
        accept_record(session, keyring, a_record(attributes={"birthdate": "1999"}), NOON)

        assert len(list_entries(session, accepted.person_id)) == 1


class TestErased:
    def test_record_of_somebody_whose_key_was_destroyed_is_refused(
        self, session: Session, keyring: Keyring
    ) -> None:
        accepted = accept(session, keyring, a_record())
        shred(session, accepted.person_id)

        for record in (a_record(version=2), a_record("tax")):
            refused = accept_record(session, keyring, record, NOON)

            assert isinstance(refused, Refused)
            assert refused.problems[0].reason == "person_erased"
        assert rows_in(session, source_records) == 1
        assert rows_in(session, record_links) == 1


def shred(session: Session, person_id: PersonId) -> None:
    session.execute(
        update(person_keys)
        .where(person_keys.c.person_id == person_id)
        .values(wrapped_key=None, shredded_at=NOON)
    )


class TestAtRest:
    """Promise 5: the database alone tells nothing."""

    def test_nothing_of_the_record_is_readable_in_any_table(
        self, session: Session, keyring: Keyring
    ) -> None:
        attributes = {**ANNA, "birthplace": "Каменка"}
        accept(session, keyring, a_record(number="ДЕЛО-77", attributes=attributes))
        accept_record(session, keyring, a_withdrawal(number="ДЕЛО-78"), NOON)

        everything = dump(session)

        for secret in (*attributes.values(), "ДЕЛО", "90000000283", "2020-01-01"):
            assert secret not in everything
            assert secret.encode().hex() not in everything

    def test_what_persons_are_compared_by_is_sealed_for_each(
        self, session: Session, keyring: Keyring
    ) -> None:
        accept(session, keyring, a_record())
        accept(session, keyring, a_record(number="2", attributes=OLEG))

        one, other = session.scalars(select(persons.c.standings_sealed)).all()

        assert one != other

    def test_version_of_a_record_is_sealed_for_its_row(
        self, session: Session, keyring: Keyring
    ) -> None:
        accept(session, keyring, a_record())
        accept(session, keyring, a_record(number="2"))
        (one, other) = session.scalars(select(source_records.c.body_sealed)).all()

        assert one != other

    def test_second_row_of_one_version_is_impossible(
        self, session: Session, keyring: Keyring
    ) -> None:
        accept(session, keyring, a_record())
        row = session.execute(select(source_records)).one()

        with pytest.raises(IntegrityError):
            session.execute(source_records.insert().values(**row._asdict()))

    def test_keys_of_a_record_are_few_and_are_not_stored_twice(
        self, session: Session, keyring: Keyring
    ) -> None:
        accept(session, keyring, a_record())
        accept(session, keyring, a_record(version=2))
        accept(session, keyring, a_record("tax"))

        assert rows_in(session, linking_keys) == 5  # a SNILS; names with most of a birth date


def dump(session: Session) -> str:
    """Return all rows of all tables as text, bytes in hexadecimal."""
    tables = session.scalars(
        text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    ).all()
    found = [
        str(row)
        for table in tables
        if table != "agencies"  # no people in it
        for row in session.scalars(text(f'SELECT t::text FROM "{table}" t'))
    ]
    assert found
    return "\n".join(found)
