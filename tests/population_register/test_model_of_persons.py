"""Random feeds, merges, unmerges and rulings, held against a model that keeps all in two dicts.

The model divides all records anew after every step, by the same pure function; what the register
does with the few that hang together with a change must come to the same. A merge that was undone
must have left no trace.
"""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring
from population_register.authority import derive_history, live_versions
from population_register.clustering import components
from population_register.grouping import Judge, divide
from population_register.model import AgencyRole, RecordKind, SourceRecord
from population_register.model_files import register_scorer
from population_register.profiles import profile_of_records
from population_register.sealed_forms import record_digest
from population_register.sealed_standings import standing_of
from population_register.service.accepting import accept_records
from population_register.service.groups import members_of
from population_register.service.merging import Decider, merge_persons, undo_merge
from population_register.standings import Ref
from population_register.tables import record_links
from tests.population_register.register_builders import NOON, a_record, add_agencies, read
from tests.population_register.test_orders import SAID

pytestmark = [pytest.mark.db, pytest.mark.slow]

BY = Decider(official="operator-1", reason="told by the model", at=NOON)
AGENCY = AgencyId("pension")
ROLES = {AGENCY: AgencyRole.PENSION}
Step = tuple[Any, ...]


class Model:
    """All that was said, and who was put together by hand: nothing else."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring
        self.said: dict[Ref, list[SourceRecord]] = {}
        self.merged: list[tuple[Ref, Ref]] = []

    def hear(self, record: SourceRecord) -> None:
        ref = record_digest(self.keyring, record.agency_id, record.record_number)
        self.said.setdefault(ref, []).append(record)

    def people(self) -> set[frozenset[Ref]]:
        """Divide all anew; put together by hand what a human put together."""
        standings = {
            ref: standing_of(self.keyring, ref, profile_of_records(live_versions(said)))
            for ref, said in self.said.items()
        }
        speaking = {ref: standing for ref, standing in standings.items() if standing.values}
        clusters = divide(speaking, Judge(register_scorer()), ()).clusters
        together = [pair for cluster in clusters for pair in combinations(cluster, 2)]
        by_hand = [pair for pair in self.merged if all(ref in speaking for ref in pair)]
        groups = components(speaking, [*together, *by_hand])
        return set(map(frozenset, groups))

    def values(self, group: Iterable[Ref]) -> dict[str, tuple[Any, ...]]:
        said = [record for ref in group for record in self.said[ref]]
        return dict(derive_history(said, ROLES))


def steps() -> st.SearchStrategy[list[Step]]:
    number, what = st.integers(0, 5), st.integers(0, len(SAID) - 1)
    return st.lists(
        st.one_of(
            st.tuples(st.just("say"), number, what),
            st.tuples(st.just("say"), number, what),
            st.tuples(st.just("withdraw"), number),
            st.tuples(st.just("merge"), number, number),
            st.tuples(st.just("unmerge"), number),
        ),
        min_size=3,
        max_size=12,
    )


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=steps())
def test_register_does_what_the_model_does(
    sessions: sessionmaker[Session], keyring: Keyring, sequence: list[Step]
) -> None:
    with sessions() as session:
        add_agencies(session)
        Run(session, keyring).follow(sequence)
        session.rollback()


class Run:
    """One sequence, in the register and in the model."""

    def __init__(self, session: Session, keyring: Keyring) -> None:
        self.session = session
        self.keyring = keyring
        self.model = Model(keyring)
        self.merges: list[tuple[Any, tuple[Ref, Ref]]] = []
        self.versions: dict[int, int] = {}

    def follow(self, sequence: list[Step]) -> None:
        for step in sequence:
            match step:
                case ("say", number, what):
                    self.send(number, RecordKind.STATEMENT, SAID[what])
                case ("withdraw", number) if number in self.versions:
                    self.send(number, RecordKind.WITHDRAWAL, {})
                case ("merge", one, other):
                    self.merge(one, other)
                case ("unmerge", number) if self.merges:
                    merge_id, pair = self.merges.pop(number % len(self.merges))
                    undo_merge(self.session, self.keyring, merge_id, by=BY)
                    self.model.merged.remove(pair)
                case _:
                    continue
            self.compare()
        while self.merges:
            merge_id, pair = self.merges.pop()
            undo_merge(self.session, self.keyring, merge_id, by=BY)
            self.model.merged.remove(pair)
            self.compare()

    def send(self, number: int, kind: RecordKind, attributes: dict[str, Any]) -> None:
        version = self.versions[number] = self.versions.get(number, 0) + 1
        record = a_record(number=str(number), version=version, kind=kind, attributes=attributes)
        accept_records(self.session, self.keyring, AGENCY, [record], at=NOON)
        self.model.hear(record)

    def homes(self) -> dict[Ref, PersonId]:
        rows = self.session.execute(select(record_links))
        return {row.record_digest: PersonId(row.person_id) for row in rows}

    def merge(self, one: int, other: int) -> None:
        """Merge whoever has two records, if a merge by hand can be said of their records alone.

        Persons of whom nothing is left, and persons that move apart later, have no record of
        their own to be named by in the model.
        """
        refs = [record_digest(self.keyring, AGENCY, str(number)) for number in (one, other)]
        homes = self.homes()
        people = {ref: group for group in self.model.people() for ref in group}
        if not all(ref in homes and ref in people for ref in refs):
            return
        if people[refs[0]] == people[refs[1]]:
            return
        merge = merge_persons(self.session, self.keyring, *(homes[r] for r in refs), by=BY)
        pair = (refs[0], refs[1])
        self.merges.append((merge.merge_id, pair))
        self.model.merged.append(pair)

    def compare(self) -> None:
        homes = self.homes()
        people = self.model.people()
        speaking = {ref for group in people for ref in group}
        found: dict[tuple[PersonId, ...], set[Ref]] = {}
        for ref in speaking:
            found.setdefault(members_of(self.session, homes[ref]), set()).add(ref)
        if not self.merges:
            assert set(map(frozenset, found.values())) == people
        for members, group in found.items():
            records = [read(self.session, self.keyring, person_id) for person_id in members]
            histories = [dict(record.history.items()) for record in records]
            assert all(history == self.model.values(group) for history in histories)
