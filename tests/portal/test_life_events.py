"""What a citizen sees of life events: a child, and what a death closes until it is annulled."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.consequences import act
from audit.api import list_entries
from consent.api import Ending, list_consents
from kernel.db import unit_of_work_of
from kernel.errors import Conflict
from kernel.ids import AgencyId, PersonId
from kernel.jobs import JobContext
from population_register.api import (
    Accepted,
    RecordKind,
    SourceRecord,
    accept_record,
    derive_life_events,
)
from tests.portal.portal_builders import World, sign_in
from vault.api import lock_documents

pytestmark = pytest.mark.db

MOTHER: dict[str, Any] = {
    "family_name": "Волкова",
    "given_name": "Анна",
    "middle_name": "Дмитриевна",
    "birthdate": "1986-03-14",
    "snils": "900-000-002 83",
}


def says(world: World, number: str, **attributes: object) -> PersonId:
    """Let the interior ministry send a record, and derive what follows."""
    at = world.later(timedelta(seconds=1))
    record = SourceRecord(
        agency_id=AgencyId("interior"),
        record_number=number,
        version=1,
        kind=RecordKind.STATEMENT,
        valid_from=date(2020, 1, 1),
        attributes=attributes,
        arrived_at=at,
    )
    with unit_of_work_of(world.sessions) as session:
        outcome = accept_record(session, world.keyring, record, at)
    assert isinstance(outcome, Accepted)
    derive_life_events(world.sessions, world.keyring, world.clock.now)
    return outcome.person_id


def context_of(world: World) -> JobContext:
    unused: Any = None
    return JobContext(
        settings=world.app.state.settings,
        clock=world.clock,
        sessions=world.sessions,
        keyring=world.keyring,
        signing=world.signing,
        blobs=unused,
    )


def happens(world: World, person_id: PersonId, kind: str) -> None:
    world.later(timedelta(seconds=1))
    act(context_of(world), person_id=str(person_id), kind=kind)


class TestChild:
    """Birth of a child: record, kinship, and the parents' accounts."""

    def test_mother_sees_it_and_the_child_sees_that_she_looked(
        self, world: World, browser: httpx.Client
    ) -> None:
        world.a_person("anna", **MOTHER)
        sign_in(browser, "anna")
        child = says(
            world,
            "birth",
            family_name="Волков",
            given_name="Пётр",
            birthdate="2026-11-20",
            parents=[{"role": "mother", **MOTHER}],
        )

        world.later(timedelta(seconds=1))

        page = browser.get("/account").text

        assert "Волков Пётр" in page
        with world.sessions() as session:
            latest = list_entries(session, child)[0].entry
        assert latest.action == "portal.child.viewed"
        assert latest.actor.id != latest.subject

    def test_stranger_and_parent_of_an_adult_see_nobody(
        self, world: World, browser: httpx.Client, other_browser: httpx.Client
    ) -> None:
        world.a_person("anna", **MOTHER)
        world.a_person("boris", birthdate="1970-01-01")
        sign_in(browser, "anna")
        sign_in(other_browser, "boris")
        mother = [{"role": "mother", **MOTHER}]
        says(world, "1", given_name="Пётр", birthdate="2010-11-20", parents=mother)
        says(world, "2", given_name="Захар", birthdate="2008-11-20", parents=mother)

        hers, his = browser.get("/account").text, other_browser.get("/account").text

        assert "Пётр" in hers
        assert "Захар" not in hers
        assert "Пётр" not in his

    def test_child_is_of_age_at_midnight_whenever_the_worker_comes(
        self, world: World, browser: httpx.Client
    ) -> None:
        world.a_person("anna", **MOTHER)
        born = world.clock.now().date().replace(year=world.clock.now().year - 18)
        mother = [{"role": "mother", **MOTHER}]
        tomorrow = born + timedelta(days=1)
        says(world, "1", given_name="Пётр", birthdate=tomorrow.isoformat(), parents=mother)
        sign_in(browser, "anna")
        before = browser.get("/account").text

        world.later(timedelta(days=1))
        sign_in(browser, "anna")

        assert "Пётр" in before
        assert "Пётр" not in browser.get("/account").text


class TestDeath:
    """Accounts closed, consents ended, documents locked; and back."""

    def test_everything_is_closed_at_once_and_twice_is_once(
        self, world: World, browser: httpx.Client
    ) -> None:
        anna = world.a_person("anna")
        world.a_consent(anna)
        document = world.a_document(anna)
        sign_in(browser, "anna")
        assert browser.get(f"/account/documents/{document}/content").status_code == 200

        happens(world, anna, "death")
        happens(world, anna, "death")

        assert browser.get("/account").status_code == 303
        assert sign_in(browser, "anna").status_code == 401
        with world.sessions() as session:
            assert [c.ending for c in list_consents(session, anna)] == [Ending.DEATH]
        assert world.actions(anna).count("consent.record.ended_by_death") == 1

    def test_annulled_opens_accounts_and_documents_but_no_consent(
        self, world: World, browser: httpx.Client
    ) -> None:
        anna = world.a_person("anna")
        world.a_consent(anna)
        document = world.a_document(anna)
        happens(world, anna, "death")

        happens(world, anna, "death_annulled")

        assert urlsplit(sign_in(browser, "anna").headers["location"]).path == "/account"
        assert browser.get(f"/account/documents/{document}/content").status_code == 200
        with world.sessions() as session:
            assert [c.ending for c in list_consents(session, anna)] == [Ending.DEATH]

    def test_documents_of_the_dead_open_for_nobody(
        self, world: World, browser: httpx.Client
    ) -> None:
        anna = world.a_person("anna")
        document = world.a_document(anna)
        sign_in(browser, "anna")
        with unit_of_work_of(world.sessions) as session:
            lock_documents(session, anna, at=world.clock.now())

        assert browser.get(f"/account/documents/{document}/content").status_code == 404

    def test_nobody_opens_an_account_for_the_dead(self, world: World) -> None:
        anna = world.a_person("anna")
        happens(world, anna, "death")

        with pytest.raises(Conflict):
            world.an_account(anna, "anna-2")

        happens(world, anna, "death_annulled")
        world.an_account(anna, "anna-2")

    def test_others_are_left_as_they_are(self, world: World, browser: httpx.Client) -> None:
        anna, boris = world.a_person("anna"), world.a_person("boris", birthdate="1970-01-01")
        world.a_consent(boris)

        happens(world, anna, "death")

        assert sign_in(browser, "boris").status_code == 303
        with world.sessions() as session:
            assert [c.ending for c in list_consents(session, boris)] == [None]
