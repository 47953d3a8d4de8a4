"""The rule has two forms, pure and SQL. They agree on random histories, on the real database."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Text, Uuid, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from consent import store
from consent.decision import Covered, NotCovered, decide
from consent.model import ConsentRecord, Ending, PurposeCode
from consent.tables import consents
from kernel.db import HotStatement, Instant
from kernel.hot_pool import make_hot_pool
from kernel.ids import ClientId, ConsentId, PersonId, new_id
from tests.consent.consent_builders import NOON, a_record, names

ITEMS = ["passport", "birthdate", "inn"]
PURPOSES = [PurposeCode("account_opening"), PurposeCode("delivery")]
CLIENTS = [ClientId("bank-web"), ClientId("bank-app")]

covering = store.covering_consent(
    person_id=bindparam("person_id", type_=Uuid()),
    client_id=bindparam("client_id", type_=Text()),
    purpose=bindparam("purpose", type_=Text()),
    items=bindparam("items", type_=ARRAY(Text)),
    at=bindparam("at", type_=Instant),
)
sql_form = select(covering.c.consent_id)

covering_this_one = store.covering_consent(
    person_id=bindparam("person_id", type_=Uuid()),
    client_id=bindparam("client_id", type_=Text()),
    purpose=bindparam("purpose", type_=Text()),
    items=bindparam("items", type_=ARRAY(Text)),
    at=bindparam("at", type_=Instant),
    consent_id=bindparam("consent_id", type_=Uuid()),
)
sql_form_of_one = select(covering_this_one.c.consent_id)


@st.composite
def a_history(draw: st.DrawFn) -> list[ConsentRecord]:
    person_id = PersonId(new_id(NOON))
    history = []
    for _ in range(draw(st.integers(0, 5))):
        max_uses = draw(st.none() | st.integers(1, 2))
        record = a_record(
            consent_id=ConsentId(new_id(NOON)),
            person_id=person_id,
            client_id=draw(st.sampled_from(CLIENTS)),
            purpose=draw(st.sampled_from(PURPOSES)),
            items=names(*draw(st.frozensets(st.sampled_from(ITEMS), min_size=1))),
            given_at=NOON - timedelta(days=draw(st.integers(1, 3))),
            expires_at=NOON + timedelta(hours=draw(st.integers(-1, 1))),
            max_uses=max_uses,
            uses=0 if max_uses is None else draw(st.integers(0, max_uses)),
        )
        ending = draw(st.none() | st.sampled_from(list(Ending)))
        if ending is not None:
            when = NOON + timedelta(hours=draw(st.integers(-1, 1)))
            record = replace(record, ended_at=when, ending=ending)
        history.append(record)
    return history


def store_history(session: Session, history: list[ConsentRecord]) -> None:
    for record in history:
        store.insert_consent(session, record)
        session.execute(
            consents.update()
            .where(
                consents.c.person_id == record.person_id,
                consents.c.consent_id == record.consent_id,
            )
            .values(
                uses=record.uses,
                ended_at=record.ended_at,
                ending=None if record.ending is None else record.ending.value,
            )
        )


@pytest.mark.db
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    history=a_history(),
    client_id=st.sampled_from(CLIENTS),
    purpose=st.sampled_from(PURPOSES),
    requested=st.frozensets(st.sampled_from(ITEMS)),
    at=st.sampled_from([NOON + timedelta(minutes=minutes) for minutes in (-60, 0, 30, 60)]),
)
def test_sql_and_pure_form_name_the_same_consent(
    *,
    session: Session,
    history: list[ConsentRecord],
    client_id: ClientId,
    purpose: PurposeCode,
    requested: frozenset[str],
    at: datetime,
) -> None:
    person_id = history[0].person_id if history else PersonId(new_id(NOON))
    store_history(session, history)

    pure = decide(
        [record for record in history if record.client_id == client_id],
        purpose=purpose,
        requested=names(*requested),
        at=at,
    )
    asked = {
        "person_id": person_id,
        "client_id": client_id,
        "purpose": purpose,
        "items": sorted(requested),
        "at": at,
    }
    found = session.scalars(sql_form, asked).all()

    match pure:
        case Covered(consent_id):
            assert found == [consent_id]
        case NotCovered():
            assert found == []
    for record in history:
        ours = [record] if record.client_id == client_id else []
        alone = decide(ours, purpose=purpose, requested=names(*requested), at=at)
        this_one = session.scalars(sql_form_of_one, {**asked, "consent_id": record.consent_id})
        assert bool(this_one.all()) is isinstance(alone, Covered)


@pytest.mark.db
def test_stored_record_reads_back_the_same(session: Session) -> None:
    record = a_record(max_uses=3)

    store.insert_consent(session, record)

    assert store.find_consent(session, record.person_id, record.consent_id) == record
    assert store.list_consents(session, record.person_id) == [record]


@pytest.mark.db
def test_hot_lane_runs_the_same_form(fresh_database: str) -> None:
    async def run() -> list[object]:
        pool = await make_hot_pool(fresh_database, size=1)
        try:
            statement = HotStatement(sql_form)
            return list(
                await statement.fetch(
                    pool,
                    person_id=new_id(NOON),
                    client_id="bank-web",
                    purpose="delivery",
                    items=["birthdate"],
                    at=NOON,
                )
            )
        finally:
            await pool.close()

    assert asyncio.run(run()) == []
