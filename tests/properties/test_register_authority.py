"""Derivation knows no order: the same records in any order give the same person."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import structs

from kernel.ids import AgencyId, PersonId
from kernel.keyring import PersonKey
from population_register.authority import (
    add_statement,
    begin_history,
    derive_history,
    live_versions,
    rank,
)
from population_register.model import AgencyRole, CurrentRecord, RecordKind, SourceRecord
from population_register.reading import attributes_of
from population_register.sealed_forms import (
    seal_derived,
    unseal_derived,
    unseal_with_sources,
)
from tests.population_register.register_builders import NOON

ROLES: Mapping[AgencyId, AgencyRole] = {
    AgencyId("civil"): AgencyRole.CIVIL_REGISTRY,
    AgencyId("civil-2"): AgencyRole.CIVIL_REGISTRY,
    AgencyId("tax"): AgencyRole.TAX,
    AgencyId("health"): AgencyRole.HEALTH,
}
DAYS = st.integers(0, 30).map(lambda days: date(2020, 1, 1) + timedelta(days=days))
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "family_name": st.sampled_from(["Волкова", "Лебедева", "Ким"]),
        "snils": st.sampled_from(["112-233-445 95", "087-654-303 00"]),
        "citizenships": st.sampled_from([["RUS"], ["RUS", "TUR"], []]),
        "children": st.lists(
            st.sampled_from(
                [
                    {"given_name": "Тимофей", "birthdate": "2010-12-05"},
                    {"given_name": "Варвара", "birthdate": "2017-08-22"},
                ]
            ),
            max_size=2,
            unique_by=str,
        ),
    },
)


@st.composite
def versions(draw: st.DrawFn) -> list[SourceRecord]:
    """Some records of some agencies, each with versions of every kind, in version order."""
    found: list[SourceRecord] = []
    for agency_id in draw(st.lists(st.sampled_from(sorted(ROLES)), max_size=3, unique=True)):
        for number in range(draw(st.integers(1, 2))):
            for version in range(1, draw(st.integers(1, 4)) + 1):
                kinds = list(RecordKind) if version > 1 else [RecordKind.STATEMENT]
                kind = draw(st.sampled_from(kinds))
                valid_from = draw(DAYS)
                length = draw(st.none() | st.integers(1, 20))
                found.append(
                    SourceRecord(
                        agency_id=agency_id,
                        record_number=str(number),
                        version=version,
                        kind=kind,
                        corrects=(
                            draw(st.integers(1, version - 1))
                            if kind is RecordKind.CORRECTION
                            else None
                        ),
                        valid_from=valid_from,
                        valid_to=None if length is None else valid_from + timedelta(days=length),
                        attributes={} if kind is RecordKind.WITHDRAWAL else draw(ATTRIBUTES),
                        arrived_at=NOON + timedelta(minutes=draw(st.integers(0, 5))),
                    )
                )
    return found


def said(record: CurrentRecord) -> dict[str, Any]:
    return {name: (value.value, value.source) for name, value in attributes_of(record).items()}


def on(day: date, records: list[SourceRecord]) -> CurrentRecord:
    history = derive_history(records, ROLES)
    return CurrentRecord(person_id=PersonId(UUID(int=1)), version=1, on=day, history=history)


@given(st.data(), versions())
def test_history_is_the_same_for_every_order(
    data: st.DataObject, records: list[SourceRecord]
) -> None:
    shuffled = data.draw(st.permutations(records))

    assert derive_history(shuffled, ROLES) == derive_history(records, ROLES)


@given(st.data(), versions(), versions())
def test_statement_of_a_new_agency_is_added_as_if_all_were_derived_anew(
    data: st.DataObject, records: list[SourceRecord], others: list[SourceRecord]
) -> None:
    known = {record.agency_id for record in records}
    news = [r for r in others if r.version == 1 and r.agency_id not in known]
    assume(news)
    news = [data.draw(st.sampled_from(news))]
    before = derive_history(records, ROLES)
    key = PersonKey(PersonId(UUID(int=1)), bytes(32))
    _, stored, said_by = unseal_with_sources(key, seal_derived(key, 7, before, known))

    changed = stored.changed(add_statement(stored, news[0], ROLES))

    _, after, _ = unseal_with_sources(key, seal_derived(key, 8, changed))
    assert dict(after) == derive_history([*records, *news], ROLES)
    assert list(after) == list(derive_history([*records, *news], ROLES))
    assert said_by is not None
    assert set(said_by) == known


@given(versions())
def test_first_statement_about_somebody_is_their_history(records: list[SourceRecord]) -> None:
    for record in records:
        if record.kind is RecordKind.STATEMENT:
            history = begin_history(record, ROLES)
            assert list(history.items()) == list(derive_history([record], ROLES).items())


@given(st.data(), versions(), DAYS)
def test_record_does_not_depend_on_when_things_arrived(
    data: st.DataObject, records: list[SourceRecord], day: date
) -> None:

    arrived = [
        structs.replace(record, arrived_at=NOON + timedelta(minutes=data.draw(st.integers(0, 9))))
        for record in records
    ]

    assert said(on(day, arrived)) == said(on(day, records))


@given(versions(), DAYS)
def test_single_value_is_what_the_strongest_agency_says_of_the_latest_day(
    records: list[SourceRecord], day: date
) -> None:
    """A second, slower way to find the value: ask every record for its word on the day."""
    words = []
    for agency_id, number in {(r.agency_id, r.record_number) for r in records}:
        own = [r for r in records if (r.agency_id, r.record_number) == (agency_id, number)]
        covering = [
            r
            for r in live_versions(own)
            if r.valid_from <= day and (r.valid_to is None or day < r.valid_to)
        ]
        if covering and "family_name" in covering[-1].attributes:
            words.append((rank(ROLES[agency_id], "family_name"), covering[-1]))
    value = on(day, records).find("family_name")

    if not words:
        assert value is None
        return
    best = min(strength for strength, _ in words)
    strongest = [record for strength, record in words if strength == best]
    assert value is not None
    assert value.value in {record.attributes["family_name"] for record in strongest}
    assert value.source in {record.agency_id for record in strongest}


@given(versions())
def test_no_interval_is_empty(
    records: list[SourceRecord],
) -> None:
    for values in derive_history(records, ROLES).values():
        assert all(v.valid_to is None or v.valid_from < v.valid_to for v in values)


@given(versions(), DAYS)
def test_withdrawing_everything_leaves_nothing(records: list[SourceRecord], day: date) -> None:
    withdrawals = [
        SourceRecord(
            agency_id=agency_id,
            record_number=number,
            version=99,
            kind=RecordKind.WITHDRAWAL,
            valid_from=date(2020, 1, 1),
            attributes={},
            arrived_at=NOON,
        )
        for agency_id, number in {(r.agency_id, r.record_number) for r in records}
    ]

    assert said(on(day, records + withdrawals)) == {}


@given(versions(), DAYS)
def test_agency_has_one_word_for_each_day(records: list[SourceRecord], day: date) -> None:
    words = [v for v in derive_history(records, ROLES).get("family_name", ()) if v.holds_on(day)]

    assert len({word.source for word in words}) == len(words)


@given(versions(), DAYS)
def test_stored_history_reads_as_the_derived_one(records: list[SourceRecord], day: date) -> None:
    derived = on(day, records)
    key = PersonKey(derived.person_id, bytes(32))

    version, stored = unseal_derived(key, seal_derived(key, 7, derived.history))

    assert version == 7
    assert dict(stored) == dict(derived.history)
    assert said(structs.replace(derived, history=stored)) == said(derived)
