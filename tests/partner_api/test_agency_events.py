"""Agencies fetch the life events that they are told of, and are sent signed webhooks in order."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from examples.webhook_receiver import verify_webhook
from kernel.ids import PartnerId, PersonId
from kernel.jobs import JobContext
from kernel.secret import Secret
from partner_api import jobs, store
from partner_api.agencies.service.clients import partner_of
from partner_api.delivery import Sender
from partner_api.service.webhooks import attempt_delivery, register_webhook
from partner_api.webhooks import Outcome
from population_register.api import (
    LifeEventKind,
    add_agency,
    close_agency,
    derive_life_events,
    get_agency,
    subscribe,
)
from population_register.sector_pseudonyms import sector_pseudonym
from tests.partner_api.agency_world import BASIS, Asker, an_asker, someone
from tests.partner_api.partner_world import World
from tests.receiver import Receiver

pytestmark = pytest.mark.db

EVENTS = "/agency/v1/events"
SCOPE = ("register.events",)


@pytest.fixture
def asker(world: World) -> Asker:
    """An agency that is told of deaths."""
    asker = an_asker(world)
    with world.session() as session:
        subscribe(
            session, asker.agency_id, LifeEventKind.DEATH, legal_basis=BASIS, at=world.clock.now()
        )
    return asker.with_token(scope=SCOPE)


def derive(world: World) -> None:
    world.clock.advance(timedelta(seconds=1))
    derive_life_events(world.app.state.sessions, world.keyring, world.clock.now)


def dies(world: World) -> PersonId:
    """Let somebody whom the register knows die."""
    person = someone(world)
    derive(world)
    world.a_person(
        inn=person.inn,
        family_name=person.family_name,
        given_name=person.given_name,
        birthdate=person.birthdate,
        deathdate="2026-11-20",
    )
    derive(world)
    return person.person_id


def test_event_is_told_with_the_agency_s_own_pseudonym(world: World, asker: Asker) -> None:
    person_id = dies(world)

    answer = asker.get(EVENTS)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    (event,) = answer.json()["events"]
    assert event["kind"] == "death"
    assert event["occurred_on"] == "2026-11-20"
    assert event["pseudonym"] == sector_pseudonym(world.keyring, asker.agency_id, person_id)
    assert str(person_id) not in answer.text
    after = answer.json()["position"]
    assert asker.with_token(scope=SCOPE).get(f"{EVENTS}?after={after}").json()["events"] == []


def test_who_may_not(world: World, asker: Asker) -> None:
    dies(world)
    other = an_asker(world).with_token(scope=SCOPE)

    assert world.http.get(EVENTS).status_code == 401
    assert asker.with_token(scope=("register.resolve",)).get(EVENTS).status_code == 403
    assert other.get(EVENTS).json()["events"] == []
    headers = asker.headers(EVENTS, method="GET")
    assert world.http.get(EVENTS, headers=headers).status_code == 200
    assert world.http.get(EVENTS, headers=headers).status_code == 401  # replayed


@pytest.mark.parametrize("query", ["after=-1", "limit=0", "limit=501", "after=x"])
def test_malformed(asker: Asker, query: str) -> None:
    assert asker.get(f"{EVENTS}?{query}").status_code == 422


class TestWebhooks:
    """Signed, in the order of the sequence, each once."""

    URI = "https://agency.example/hooks"

    def context(self, world: World) -> JobContext:
        unused: Any = None
        return JobContext(
            settings=world.app.state.settings,
            clock=world.clock,
            sessions=world.app.state.sessions,
            keyring=world.keyring,
            signing=world.app.state.signing,
            blobs=unused,
        )

    def told(self, world: World, asker: Asker) -> list[store.Delivery]:
        """Run the job twice, as a queue may; return the webhooks, the first first."""
        for _ in range(2):
            jobs.tell_of_life_events(self.context(world), agency_id=asker.agency_id)
        with world.session() as session:
            made = store.list_deliveries(session, PartnerId(partner_of(asker.agency_id)))
        return sorted(made, key=lambda one: one.order_place or 0)

    def register(self, world: World, asker: Asker) -> Secret[str]:
        with world.session() as session:
            return register_webhook(
                session,
                world.keyring,
                PartnerId(partner_of(asker.agency_id)),
                uri=self.URI,
                allow_local=False,
                at=world.clock.now(),
            )

    def attempt(self, world: World, receiver: Receiver, webhook_id: UUID) -> Outcome:
        return attempt_delivery(
            world.app.state.sessions,
            world.keyring,
            receiver.sender(Sender),
            webhook_id,
            at=world.clock.now(),
        )

    def test_says_that_there_is_an_event_and_nothing_of_the_person(
        self, world: World, asker: Asker
    ) -> None:
        secret = self.register(world, asker)
        person_id = dies(world)
        (webhook,) = self.told(world, asker)
        receiver = Receiver()

        assert self.attempt(world, receiver, webhook.webhook_id) is Outcome.DELIVERED

        (request,) = receiver.got
        verify_webhook(
            secret.reveal(),
            dict(request.headers),
            request.content,
            now=world.clock.now().timestamp(),
        )
        body = json.loads(request.content)
        (event,) = asker.get(EVENTS).json()["events"]
        assert body["type"] == "life_event.death"
        assert body["data"] == {
            "event_id": event["event_id"],
            "position": str(event["position"]),
            "pseudonym": event["pseudonym"],
        }
        assert str(person_id) not in request.content.decode()

    def test_of_one_person_each_waits_for_the_one_before(self, world: World, asker: Asker) -> None:
        self.register(world, asker)
        with world.session() as session:
            kind, at = LifeEventKind.PASSPORT_ISSUED, world.clock.now()
            subscribe(session, asker.agency_id, kind, legal_basis=BASIS, at=at)
        person = someone(world)
        derive(world)
        said = {
            "inn": person.inn,
            "family_name": person.family_name,
            "given_name": person.given_name,
            "birthdate": person.birthdate,
        }
        passport = {"series_number": "9901000002", "issued_on": "2026-11-02"}
        for news in ({"passport": passport}, {"deathdate": "2026-11-20"}):
            world.a_person(**said, **news)
            derive(world)
        dies(world)
        first, second, other = self.told(world, asker)
        receiver = Receiver(500)

        assert self.attempt(world, receiver, first.webhook_id) is Outcome.RETRY
        self.attempt(world, receiver, second.webhook_id)
        assert len(receiver.got) == 1  # it waits

        assert self.attempt(world, receiver, other.webhook_id) is Outcome.DELIVERED
        assert self.attempt(world, receiver, first.webhook_id) is Outcome.DELIVERED
        assert self.attempt(world, receiver, second.webhook_id) is Outcome.DELIVERED
        types = [json.loads(request.content)["type"] for request in receiver.got]
        assert types[2:] == ["life_event.passport_issued", "life_event.death"]

    def test_agency_that_was_closed_is_told_when_it_is_open_again(
        self, world: World, asker: Asker
    ) -> None:
        self.register(world, asker)
        with world.session() as session:
            agency = get_agency(session, asker.agency_id)
            close_agency(session, asker.agency_id, world.clock.now(), by="test")
        dies(world)

        assert self.told(world, asker) == []

        with world.session() as session:
            add_agency(session, agency, world.clock.now())
        assert len(self.told(world, asker)) == 1

    def test_without_an_endpoint_nothing_is_sent(self, world: World, asker: Asker) -> None:
        dies(world)

        assert self.told(world, asker) == []
