"""Recording and listing; the capability; the form that composed statements carry."""

import asyncio
import copy
import pickle
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Uuid, bindparam, func, literal_column, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from audit.api import (
    RecordedEntry,
    append_entry,
    entry_binds,
    get_entry,
    list_entries,
    record_access,
    recorded,
    sequence,
)
from audit.leaf import encode_leaf
from audit.tables import audit_waiting_entries
from kernel.db import HotStatement
from kernel.errors import NotFound
from kernel.hot_pool import make_hot_pool
from kernel.ids import EntryId, new_id
from kernel.signing import SigningKeys
from tests.audit.audit_builders import NOON, ORIGIN, a_person_id, an_entry, record


class TestCapability:
    def test_nobody_else_makes_one(self) -> None:
        with pytest.raises(TypeError):
            RecordedEntry(entry=an_entry(), person_id=a_person_id(), written=object())

    def test_it_is_not_copied_to_another_person(self) -> None:
        entry, person_id = an_entry(), a_person_id()
        capability = recorded(entry, person_id)

        assert capability.person_id == person_id
        assert capability.entry_id == entry.entry_id
        with pytest.raises(TypeError):
            capability.person_id = a_person_id()
        with pytest.raises(TypeError):
            copy.copy(capability)
        with pytest.raises(TypeError):
            pickle.dumps(capability)

    def test_repr_tells_no_person(self) -> None:
        person_id = a_person_id()

        assert str(person_id) not in repr(recorded(an_entry(), person_id))


@pytest.mark.db
class TestRecording:
    def test_recorded_entry_is_listed(self, session: Session) -> None:
        entry, person_id = an_entry(), a_person_id()

        capability = record_access(session, entry, person_id=person_id)

        assert (capability.entry_id, capability.person_id) == (entry.entry_id, person_id)
        (logged,) = list_entries(session, person_id)
        assert logged.entry == entry
        assert logged.leaf == encode_leaf(entry)
        assert logged.leaf_index is None

    def test_refused_attempt_is_listed_with_its_reason(self, session: Session) -> None:
        person_id = a_person_id()

        record(session, person_id=person_id, outcome="refused", reason="consent_withdrawn")

        (logged,) = list_entries(session, person_id)
        assert (logged.entry.outcome, logged.entry.reason) == ("refused", "consent_withdrawn")

    def test_one_entry_is_recorded_once(self, session: Session) -> None:
        entry, person_id = an_entry(), a_person_id()
        record_access(session, entry, person_id=person_id)

        with pytest.raises(IntegrityError):
            record_access(session, entry, person_id=person_id)

    def test_rolled_back_access_leaves_no_entry(self, session: Session) -> None:
        person_id = a_person_id()

        nested = session.begin_nested()
        record(session, person_id=person_id)
        nested.rollback()

        assert list_entries(session, person_id) == []

    def test_pages_follow_one_another_newest_first(self, session: Session) -> None:
        person_id = a_person_id()
        made = [
            record(session, person_id=person_id, entry_id=EntryId(new_id(at))).entry_id
            for at in (NOON + timedelta(seconds=each) for each in range(5))
        ]

        first = list_entries(session, person_id, limit=3)
        second = list_entries(session, person_id, before=first[-1].entry.entry_id, limit=3)

        assert [each.entry.entry_id for each in [*first, *second]] == made[::-1]

    def test_entries_that_wait_and_that_rest_are_listed_together(
        self, session: Session, signing: SigningKeys
    ) -> None:
        person_id = a_person_id()
        moments = [NOON + timedelta(seconds=each) for each in range(6)]
        ids = [EntryId(new_id(at)) for at in moments]
        for entry_id in (ids[0], ids[2], ids[5]):
            record(session, person_id=person_id, entry_id=entry_id)
        sequence(session, signing, origin=ORIGIN, at=NOON)
        for entry_id in (ids[1], ids[3], ids[4]):
            record(session, person_id=person_id, entry_id=entry_id)

        first = list_entries(session, person_id, limit=4)
        second = list_entries(session, person_id, before=first[-1].entry.entry_id, limit=4)

        listed = [*first, *second]
        assert [each.entry.entry_id for each in listed] == ids[::-1]
        assert [each.leaf_index for each in listed] == [2, None, None, 1, None, 0]

    @pytest.mark.parametrize("limit", [-1, 0])
    def test_page_of_nothing(self, session: Session, limit: int) -> None:
        capability = record(session)

        assert list_entries(session, capability.person_id, limit=limit) == []

    def test_another_persons_entry_looks_like_none(self, session: Session) -> None:
        capability, other = record(session), record(session)

        assert get_entry(session, capability.person_id, EntryId(capability.entry_id)).leaf
        for unknown in (EntryId(other.entry_id), EntryId(new_id(NOON))):
            with pytest.raises(NotFound):
                get_entry(session, capability.person_id, unknown)
        assert len(list_entries(session, capability.person_id)) == 1


@pytest.mark.db
class TestComposedStatement:
    """The hot lane's append, over asyncpg, beside a part that decides whether there is a row."""

    allowed = (
        select(bindparam("person_id", type_=Uuid()).label("person_id"))
        .where(bindparam("is_allowed") == literal_column("true"))
        .cte("allowed")
    )
    appended = append_entry(allowed.c.person_id, source=allowed)
    statement = HotStatement(
        select(allowed.c.person_id, appended.c.entry_id).join_from(
            allowed, appended, allowed.c.person_id == appended.c.person_id
        )
    )

    def run(self, url: str, *, is_allowed: bool) -> tuple[object, int, UUID]:
        entry, person_id = an_entry(), a_person_id()

        async def once() -> tuple[object, int]:
            pool = await make_hot_pool(url, size=1)
            try:
                row = await self.statement.fetchrow(
                    pool, person_id=person_id, is_allowed=is_allowed, **entry_binds(entry)
                )
                counted = await pool.fetchrow("SELECT count(*) FROM audit_waiting_entries")
                assert counted is not None
                return row and row["entry_id"], counted[0]
            finally:
                await pool.close()

        found, count = asyncio.run(once())
        return found, count, entry.entry_id

    def test_row_of_the_source_appends_an_entry(self, fresh_database: str) -> None:
        found, count, entry_id = self.run(fresh_database, is_allowed=True)

        assert found == entry_id
        assert count == 1

    def test_no_row_of_the_source_appends_none(self, fresh_database: str) -> None:
        found, count, _ = self.run(fresh_database, is_allowed=False)

        assert found is None
        assert count == 0

    def test_both_forms_write_the_same_row(self, session: Session) -> None:
        entry, person_id, other = an_entry(), a_person_id(), a_person_id()
        record_access(session, entry, person_id=other)
        source = select(bindparam("person_id", type_=Uuid()).label("person_id")).cte("source")
        appended = append_entry(source.c.person_id, source=source)

        session.execute(select(appended), {"person_id": person_id, **entry_binds(entry)})

        rows = session.execute(
            select(audit_waiting_entries.c.leaf, func.count()).group_by(
                audit_waiting_entries.c.leaf
            )
        ).all()
        assert rows == [(encode_leaf(entry), 2)]
