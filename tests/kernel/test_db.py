"""The transaction: committed whole, rolled back whole, unless the refusal keeps its writes."""

import asyncio
from collections.abc import Awaitable, Iterator

import asyncpg
import pytest
from sqlalchemy import LargeBinary, Text, Uuid, bindparam, func, insert, literal, select, text
from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import FrozenClock
from kernel.db import (
    HotStatement,
    commit_lazily,
    make_engine,
    make_sessions,
    sqlalchemy_url,
    unit_of_work_of,
)
from kernel.errors import DomainError
from kernel.hot_pool import make_hot_pool
from kernel.ids import new_id
from kernel.tables import zone_keys


class Refused(DomainError):
    """A refusal that leaves no trace."""

    code = "test_refused"
    status = 400


class Spent(DomainError):
    """A refusal that keeps what it wrote."""

    code = "test_spent"
    status = 400
    keeps_writes = True


@pytest.fixture
def sessions(fresh_database: str) -> Iterator[sessionmaker[Session]]:
    engine = make_engine(fresh_database, pool_size=2)
    yield make_sessions(engine)
    engine.dispose()


def write(session: Session, clock: FrozenClock) -> None:
    session.execute(
        insert(zone_keys).values(
            key_version=1, zone="main", wrapped_key=b"w", created_at=clock.now()
        )
    )


def count(sessions: sessionmaker[Session]) -> int | None:
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(zone_keys))


def test_a_success_is_committed(sessions: sessionmaker[Session], clock: FrozenClock) -> None:
    with unit_of_work_of(sessions) as session:
        write(session, clock)

    assert count(sessions) == 1


def test_a_commit_is_lazy_in_its_own_transaction_only(
    sessions: sessionmaker[Session], clock: FrozenClock
) -> None:
    asked = text("SHOW synchronous_commit")
    with sessions.kw["bind"].connect() as connection, Session(connection) as session:
        session.execute(text("SET synchronous_commit TO on"))  # the tests' server forgets
        session.commit()
        commit_lazily(session)
        write(session, clock)
        during = session.scalar(asked)
        session.commit()
        assert (during, session.scalar(asked)) == ("off", "on")

    assert count(sessions) == 1


@pytest.mark.parametrize(("error", "kept"), [(Refused, 0), (ValueError, 0), (Spent, 1)])
def test_a_failure_keeps_its_writes_only_when_it_says_so(
    sessions: sessionmaker[Session], clock: FrozenClock, error: type[Exception], kept: int
) -> None:
    with pytest.raises(error), unit_of_work_of(sessions) as session:  # noqa: PT012
        write(session, clock)
        raise error

    assert count(sessions) == kept


def test_a_hot_statement_gives_what_the_ordinary_lane_gives(
    fresh_database: str, clock: FrozenClock
) -> None:
    identifier = new_id(clock.now())
    statement = select(
        bindparam("id", type_=Uuid).label("id"),
        bindparam("data", type_=LargeBinary).label("data"),
        literal("constant").label("constant"),
    )
    engine = make_engine(fresh_database)
    with engine.connect() as connection:
        ordinary = connection.execute(statement, {"id": identifier, "data": b"\x00"}).one()
    engine.dispose()

    async def hot() -> tuple[object, ...]:
        pool = await make_hot_pool(fresh_database, size=1)
        try:
            row = await HotStatement(statement).fetchrow(pool, id=identifier, data=b"\x00")
            assert row is not None
            return tuple(row)
        finally:
            await pool.close()

    assert asyncio.run(hot()) == tuple(ordinary)


def test_a_hot_statement_refuses_a_list_it_can_not_expand() -> None:
    with pytest.raises(ValueError, match="ANY"):
        HotStatement(select(zone_keys.c.zone).where(zone_keys.c.key_version.in_([1, 2])))


def test_a_hot_statement_without_its_value_is_a_defect() -> None:
    statement = HotStatement(select(bindparam("id", type_=Uuid, required=True)))

    with pytest.raises(KeyError):
        statement.arguments({})


def test_a_fixed_statement_keeps_what_was_given_for_good() -> None:
    class Seen:
        async def fetchrow(self, _query: str, *args: object) -> None:
            seen.append(args)

        async def fetch(self, _query: str, *_args: object) -> list[asyncpg.Record]:
            raise NotImplementedError

    seen: list[tuple[object, ...]] = []
    columns = (bindparam(name, type_=Text, required=True) for name in ("a", "b", "c"))
    fixed = HotStatement(select(*columns, literal("d"))).fixed({"a": "always", "c": None})

    for said in ("one", "two"):
        asyncio.run(_awaited(fixed.fetchrow(Seen(), {"b": said, "a": "not this"})))

    assert seen == [("always", "one", None, "d"), ("always", "two", None, "d")]
    with pytest.raises(KeyError):
        asyncio.run(_awaited(fixed.fetchrow(Seen(), {})))


async def _awaited(awaitable: Awaitable[object]) -> object:
    return await awaitable


def test_a_url_of_another_database_is_refused() -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        sqlalchemy_url("sqlite:///x.db")
