"""The same records in any order, in any batches: the same persons, the same questions."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from kernel.ids import AgencyId
from kernel.keyring import Keyring
from population_register.authority import live_versions
from population_register.model import RecordKind, Refused, SourceRecord
from population_register.sealed_forms import record_digest
from population_register.service.accepting import accept_records
from population_register.tables import match_pairs, person_merges, persons, record_links
from tests.population_register.register_builders import ANNA, NOON, a_record, add_agencies

pytestmark = [pytest.mark.db]

_ANNA = {**ANNA, "snils": "900-000-002 83"}
_TWIN = {**_ANNA, "given_name": "Мария", "snils": "900-000-001 82"}
_WITH_INN = {**_ANNA, "inn": "500100732259", "gender": "female"}
_NAMESAKE = {**_ANNA, "birthdate": "2008-11-30", "inn": "771234567890", "gender": "male"}
SAID: tuple[dict[str, Any], ...] = (
    _ANNA,
    {k: v for k, v in _ANNA.items() if k != "snils"},
    {**_ANNA, "family_name": "Лебедева"},
    {**_ANNA, "birthdate": "1986-04-13"},
    {k: v for k, v in {**_ANNA, "birthdate": "1986-04-13"}.items() if k != "snils"},
    {**_ANNA, "snils": "900-000-005 86"},
    _TWIN,
    {k: v for k, v in _TWIN.items() if k != "snils"},
    {**_TWIN, "snils": _ANNA["snils"]},
    {"snils": _ANNA["snils"]},
    _WITH_INN,
    {k: v for k, v in _WITH_INN.items() if k != "snils"},
    _NAMESAKE,
    {k: v for k, v in _NAMESAKE.items() if k != "snils"},
    {"family_name": "Volkova", "given_name": "Anna", "birthdate": "1986-03-14"},
    {"family_name": "Волкова", "given_name": "Аня", "birthdate": "1986"},
)
"""What agencies say of Anna, of her twin, of a namesake with her number, of nobody knows whom."""


@st.composite
def feeds(draw: st.DrawFn) -> list[SourceRecord]:
    """A few records with some versions each, by one agency."""
    records: list[SourceRecord] = []
    for number in range(draw(st.integers(2, 7))):
        for version in range(1, 1 + draw(st.sampled_from((1, 1, 1, 2, 3)))):
            kind = RecordKind.STATEMENT
            if version > 1:
                kind = draw(st.sampled_from(RecordKind))
            is_withdrawal = kind is RecordKind.WITHDRAWAL
            records.append(
                a_record(
                    number=str(number),
                    version=version,
                    kind=kind,
                    corrects=version - 1 if kind is RecordKind.CORRECTION else None,
                    valid_from=date(2020 + version, 1, 1),
                    attributes={} if is_withdrawal else draw(st.sampled_from(SAID)),
                )
            )
    return records


State: TypeAlias = tuple[set[frozenset[bytes]], set[tuple[bytes, bytes, float]]]
"""Who is together, and which pairs are a question."""


def over_database(examples: int) -> settings:
    """Take as many examples, each in a transaction that its test rolls back."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def batches(records: Sequence[SourceRecord], sizes: Sequence[int]) -> Iterator[list[SourceRecord]]:
    """Cut records into batches of the given sizes, again and again."""
    start, turn = 0, 0
    while start < len(records):
        size = sizes[turn % len(sizes)]
        yield list(records[start : start + size])
        start, turn = start + size, turn + 1


def loaded(session: Session, keyring: Keyring, parts: Iterator[list[SourceRecord]]) -> State:
    """Load records; return who is together, and which pairs are a question."""
    for part in parts:
        outcomes = accept_records(session, keyring, AgencyId("pension"), part, at=NOON)
        assert not any(isinstance(outcome, Refused) for outcome in outcomes)
    return state(session)


def state(session: Session) -> State:
    groups = {
        row.person_id: row.group_id or row.person_id for row in session.execute(select(persons))
    }
    together: dict[Any, set[bytes]] = {}
    for row in session.execute(select(record_links)):
        together.setdefault(groups[row.person_id], set()).add(row.record_digest)
    pairs = {
        (row.record_digest, row.other_digest, round(row.bits, 6))
        for row in session.execute(select(match_pairs))
    }
    merged = select(person_merges.c.person_id).where(person_merges.c.undone_at.is_(None))
    assert set(session.scalars(merged)) == {p for p, g in groups.items() if _shares(groups, g)}
    return set(map(frozenset, together.values())), pairs


def _shares(groups: dict[Any, Any], group: Any) -> bool:  # noqa: ANN401
    return list(groups.values()).count(group) > 1


@pytest.mark.slow
@over_database(60)
@given(data=st.data())
def test_neither_order_nor_size_of_batches_decides(
    sessions: sessionmaker[Session], keyring: Keyring, data: st.DataObject
) -> None:
    records = data.draw(feeds())
    found = []
    for _ in range(2):
        order = data.draw(st.permutations(records))
        sizes = data.draw(st.lists(st.integers(1, len(records)), min_size=1, max_size=3))
        with sessions() as session:
            add_agencies(session)
            found.append(loaded(session, keyring, batches(order, sizes)))
            session.rollback()

    assert_alike(*found, left_out=silent(keyring, records))


def assert_alike(one: State, other: State, *, left_out: set[bytes]) -> None:
    """Hold the same records to be together, and the same to be asked about, in both."""
    assert {group - left_out for group in one[0]} - {frozenset()} == {
        group - left_out for group in other[0]
    } - {frozenset()}
    assert one[1] == other[1]


def silent(keyring: Keyring, records: Sequence[SourceRecord]) -> set[bytes]:
    """Return the records of which nothing counts any more: they stay wherever they were."""
    by_number: dict[str, list[SourceRecord]] = {}
    for record in records:
        by_number.setdefault(record.record_number, []).append(record)
    return {
        record_digest(keyring, AgencyId("pension"), number)
        for number, versions in by_number.items()
        if not live_versions(versions)
    }
