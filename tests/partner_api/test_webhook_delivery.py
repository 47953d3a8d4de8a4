"""From an ended consent to the receiver's door: retries, rotation, refusal, the real example."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from consent.service import give, withdraw
from examples.webhook_receiver import verify_webhook
from kernel.clock import FrozenClock, SystemClock
from kernel.db import unit_of_work_of
from kernel.ids import PartnerId, new_id
from kernel.jobs import JobContext
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from kernel.secret import Secret
from kernel.settings import Settings
from kernel.signing import SigningKeys
from kernel.worker import run_worker
from partner_api import jobs, store
from partner_api.delivery import Sender
from partner_api.errors import NoEndpoint, UnacceptableWebhookURI
from partner_api.service.forgetting import DELIVERIES_KEPT, forget_old
from partner_api.service.webhooks import (
    DELIVER_TASK,
    attempt_delivery,
    make_webhook,
    register_webhook,
    replay_webhooks,
)
from partner_api.webhooks import RETRY_DELAYS, Outcome
from tests.consent.consent_builders import a_request
from tests.databases import KnownKeys
from tests.receiver import Receiver, sender_to

if TYPE_CHECKING:
    from obstore.store import ObjectStore

pytestmark = pytest.mark.db

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
BANK = PartnerId("bank")
URI = "https://bank.example/hooks"
ENDED: dict[str, str] = {
    "consent_id": str(new_id(AT)),
    "client_id": "bank-web",
    "partner_id": BANK,
    "subject": "s" * 43,
    "purpose": "account_opening",
    "ending": "withdrawn",
    "ended_at": AT.isoformat(),
}


@pytest.fixture
def keyring(known_keys: KnownKeys, sessions: sessionmaker[Session]) -> Keyring:
    return Keyring.open(known_keys.root_keys, sessions, at=AT)


@pytest.fixture
def context(
    known_keys: KnownKeys, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
) -> JobContext:
    unused: Any = None
    return JobContext(
        settings=Settings(mode="test"),
        clock=clock,
        sessions=sessions,
        keyring=keyring,
        signing=known_keys.open_signing(sessions, at=AT),
        blobs=unused,
    )


@pytest.fixture
def secret(sessions: sessionmaker[Session], keyring: Keyring) -> Secret[str]:
    with unit_of_work_of(sessions) as session:
        return register_webhook(session, keyring, BANK, uri=URI, allow_local=False, at=AT)


def waiting(session: Session) -> list[tuple[str, datetime | None]]:
    rows = session.execute(
        text(
            "SELECT args->>'webhook_id' AS id, scheduled_at FROM procrastinate_jobs "
            "WHERE task_name = :name ORDER BY id"
        ),
        {"name": DELIVER_TASK},
    )
    return [(row.id, row.scheduled_at) for row in rows]


def a_webhook(sessions: sessionmaker[Session]) -> UUID:
    with unit_of_work_of(sessions) as session:
        webhook_id = make_webhook(
            session,
            BANK,
            event_type="consent.withdrawn",
            event_key="1",
            occurred_at=AT,
            data={"sub": "s"},
            at=AT,
        )
    assert webhook_id is not None
    return webhook_id


class TestEvent:
    def test_ended_consent_becomes_a_signed_webhook(
        self,
        context: JobContext,
        sessions: sessionmaker[Session],
        keyring: Keyring,
        secret: Secret[str],
    ) -> None:
        receiver = Receiver()

        jobs.tell_of_ended_consent(context, **ENDED)
        with sessions() as session:
            ((webhook_id, scheduled_at),) = waiting(session)
        outcome = attempt_delivery(
            sessions, keyring, receiver.sender(Sender), UUID(webhook_id), at=AT
        )

        (request,) = receiver.got
        assert (outcome, scheduled_at) == (Outcome.DELIVERED, None)
        verify_webhook(secret.reveal(), dict(request.headers), request.content, now=AT.timestamp())
        assert json.loads(request.content) == {
            "type": "consent.withdrawn",
            "timestamp": "2026-11-23T12:00:00Z",
            "data": {
                "consent_id": ENDED["consent_id"],
                "client_id": "bank-web",
                "sub": "s" * 43,
                "purpose": "account_opening",
            },
        }

    @pytest.mark.usefixtures("secret")
    def test_job_that_runs_twice_makes_one_webhook(
        self, context: JobContext, sessions: sessionmaker[Session]
    ) -> None:
        jobs.tell_of_ended_consent(context, **ENDED)
        jobs.tell_of_ended_consent(context, **ENDED)

        with sessions() as session:
            assert len(store.list_deliveries(session, BANK)) == 1
            assert len(waiting(session)) == 1

    def test_partner_without_endpoint_gets_none(
        self, context: JobContext, sessions: sessionmaker[Session]
    ) -> None:
        jobs.tell_of_ended_consent(context, **ENDED)

        with sessions() as session:
            assert store.list_deliveries(session, BANK) == []
            assert waiting(session) == []


@pytest.mark.usefixtures("secret")
class TestRetries:
    def test_failure_is_tried_again_later_with_the_same_identifier(
        self, sessions: sessionmaker[Session], keyring: Keyring
    ) -> None:
        receiver = Receiver(500, None, 204)
        webhook_id = a_webhook(sessions)
        later = AT + timedelta(minutes=10)

        outcomes = [
            attempt_delivery(sessions, keyring, receiver.sender(Sender), webhook_id, at=at)
            for at in (AT, AT + timedelta(seconds=5), later)
        ]

        assert outcomes == [Outcome.RETRY, Outcome.RETRY, Outcome.DELIVERED]
        assert {request.headers["webhook-id"] for request in receiver.got} == {str(webhook_id)}
        times = [int(request.headers["webhook-timestamp"]) for request in receiver.got]
        assert times == sorted(set(times))
        with sessions() as session:
            jobs_waiting = waiting(session)
            (delivery,) = store.list_deliveries(session, BANK)
        assert [when for _, when in jobs_waiting[1:]] == sorted(
            when for _, when in jobs_waiting[1:] if when is not None
        )
        assert (delivery.attempts, delivery.last_status, delivery.delivered_at) == (3, 204, later)

    def test_delivered_webhook_is_not_sent_again(
        self, sessions: sessionmaker[Session], keyring: Keyring
    ) -> None:
        receiver = Receiver()
        webhook_id = a_webhook(sessions)

        for _ in range(2):
            attempt_delivery(sessions, keyring, receiver.sender(Sender), webhook_id, at=AT)

        assert len(receiver.got) == 1

    def test_is_given_up_after_the_tenth_attempt(
        self, sessions: sessionmaker[Session], keyring: Keyring
    ) -> None:
        receiver = Receiver(*[500] * 20)
        webhook_id = a_webhook(sessions)

        outcomes = [
            attempt_delivery(sessions, keyring, receiver.sender(Sender), webhook_id, at=AT)
            for _ in range(len(RETRY_DELAYS) + 1)
        ]

        assert outcomes == [Outcome.RETRY] * 9 + [Outcome.ABANDONED]
        attempt_delivery(sessions, keyring, receiver.sender(Sender), webhook_id, at=AT)
        assert len(receiver.got) == 10

    def test_gone_disables_the_endpoint(
        self, context: JobContext, sessions: sessionmaker[Session], keyring: Keyring
    ) -> None:
        receiver = Receiver(410)
        webhook_id = a_webhook(sessions)

        outcome = attempt_delivery(sessions, keyring, receiver.sender(Sender), webhook_id, at=AT)
        jobs.tell_of_ended_consent(context, **ENDED)

        assert outcome is Outcome.GONE
        with sessions() as session:
            assert store.find_endpoint(session, BANK) is None
            assert len(store.list_deliveries(session, BANK)) == 1

    def test_what_waits_for_a_disabled_endpoint_is_given_up(
        self, sessions: sessionmaker[Session], keyring: Keyring
    ) -> None:
        receiver = Receiver()
        webhook_id = a_webhook(sessions)
        with unit_of_work_of(sessions) as session:
            store.disable_endpoint(session, BANK, uri=URI, at=AT)

        attempt_delivery(sessions, keyring, receiver.sender(Sender), webhook_id, at=AT)

        assert receiver.got == []
        with sessions() as session:
            (delivery,) = store.list_deliveries(session, BANK)
            assert delivery.abandoned_at == AT

    def test_what_was_delivered_or_given_up_is_sent_again_on_demand(
        self, sessions: sessionmaker[Session], keyring: Keyring
    ) -> None:
        """With the identifier and the body that it had, and ten attempts more."""
        receiver = Receiver(*[500] * 10)
        webhook_id = a_webhook(sessions)
        for _ in range(10):
            attempt_delivery(sessions, keyring, receiver.sender(Sender), webhook_id, at=AT)
        later = AT + timedelta(seconds=1)

        with unit_of_work_of(sessions) as session:
            assert replay_webhooks(session, BANK, since=later) == 0
            assert replay_webhooks(session, BANK, since=AT) == 1
            assert replay_webhooks(session, BANK, since=AT) == 0  # it is on its way
        receiver.statuses = [500, 204]
        outcomes = [
            attempt_delivery(sessions, keyring, receiver.sender(Sender), webhook_id, at=AT)
            for _ in range(2)
        ]

        assert outcomes == [Outcome.RETRY, Outcome.DELIVERED]
        assert len({request.content for request in receiver.got}) == 1
        assert {request.headers["webhook-id"] for request in receiver.got} == {str(webhook_id)}
        with sessions() as session:
            at_once = [job for job in waiting(session) if job[1] is None]
        assert at_once == [(str(webhook_id), None)] * 2

    def test_nothing_is_sent_again_to_nowhere(self, sessions: sessionmaker[Session]) -> None:
        a_webhook(sessions)
        with unit_of_work_of(sessions) as session:
            store.disable_endpoint(session, BANK, uri=URI, at=AT)

        with sessions() as session, pytest.raises(NoEndpoint):
            replay_webhooks(session, BANK, since=AT)

    def test_is_forgotten_a_month_after_it_came_to_its_end(
        self, sessions: sessionmaker[Session], keyring: Keyring
    ) -> None:
        attempt_delivery(sessions, keyring, Receiver().sender(Sender), a_webhook(sessions), at=AT)

        early = forget_old(sessions, at=AT + DELIVERIES_KEPT)
        late = forget_old(sessions, at=AT + DELIVERIES_KEPT + timedelta(seconds=1))

        assert (early, late) == ({}, {"webhook_deliveries": 1})

    def test_is_not_forgotten_while_it_waits(self, sessions: sessionmaker[Session]) -> None:
        a_webhook(sessions)

        assert forget_old(sessions, at=AT + timedelta(days=400)) == {}

    def test_process_that_dies_while_sending_loses_nothing(
        self, sessions: sessionmaker[Session], keyring: Keyring
    ) -> None:
        class Killed(BaseException):
            pass

        def die(_request: httpx.Request) -> httpx.Response:
            raise Killed

        dying = sender_to(die, Sender)
        webhook_id = a_webhook(sessions)

        with pytest.raises(Killed):
            attempt_delivery(sessions, keyring, dying, webhook_id, at=AT)
        receiver = Receiver()
        outcome = attempt_delivery(sessions, keyring, receiver.sender(Sender), webhook_id, at=AT)

        assert outcome is Outcome.DELIVERED
        with sessions() as session:
            (delivery,) = store.list_deliveries(session, BANK)
            assert delivery.attempts == 2


class TestEndpoint:
    def test_new_secret_and_old_one_sign_for_a_day(
        self, sessions: sessionmaker[Session], keyring: Keyring, secret: Secret[str]
    ) -> None:
        with unit_of_work_of(sessions) as session:
            new = register_webhook(session, keyring, BANK, uri=URI, allow_local=False, at=AT)
        signatures = []
        for at in (AT + timedelta(hours=23), AT + timedelta(hours=24)):
            receiver = Receiver(500)
            with unit_of_work_of(sessions) as session:
                webhook_id = make_webhook(
                    session,
                    BANK,
                    event_type="consent.withdrawn",
                    event_key=at.isoformat(),
                    occurred_at=at,
                    data={},
                    at=at,
                )
            assert webhook_id is not None
            attempt_delivery(sessions, keyring, receiver.sender(Sender), webhook_id, at=at)
            (request,) = receiver.got
            verify_webhook(new.reveal(), dict(request.headers), request.content, now=at.timestamp())
            signatures.append(request.headers["webhook-signature"].split())
        assert [len(each) for each in signatures] == [2, 1]
        assert new != secret

    def test_secret_is_sealed_in_the_database(self, session: Session, secret: Secret[str]) -> None:
        endpoint = store.find_endpoint(session, BANK)

        assert endpoint is not None
        assert secret.reveal().removeprefix("whsec_").encode() not in endpoint.secret_sealed
        assert b"whsec" not in endpoint.secret_sealed

    def test_refuses_an_address_that_is_not_public(
        self, session: Session, keyring: Keyring
    ) -> None:
        with pytest.raises(UnacceptableWebhookURI):
            register_webhook(
                session, keyring, BANK, uri="http://10.0.0.1/", allow_local=False, at=AT
            )
        assert store.find_endpoint(session, BANK) is None


@contextmanager
def running_example(secret: Secret[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The example receiver in a process of its own, and its address."""
    process = subprocess.Popen(
        [sys.executable, "examples/webhook_receiver.py", "--port", "0"],
        env={"WEBHOOK_SECRET": secret.reveal(), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[-1]
        process.terminate()


@pytest.mark.timeout(60)
def test_withdrawal_reaches_the_example_receiver_through_the_worker(
    tmp_path: Path, fresh_database: str, fresh_sessions: sessionmaker[Session]
) -> None:
    clock = SystemClock()
    root = LocalKeyFile.create(tmp_path / "root.key")
    context = JobContext(
        settings=Settings(mode="test"),
        clock=clock,
        sessions=fresh_sessions,
        keyring=Keyring.open(root, fresh_sessions, at=clock.now()),
        signing=SigningKeys.open(root, fresh_sessions, at=clock.now()),
        blobs=cast("ObjectStore", None),
    )
    at = clock.now()
    request = a_request(expires_at=at + timedelta(days=1))
    with unit_of_work_of(fresh_sessions) as session:
        secret = register_webhook(session, context.keyring, BANK, uri=URI, allow_local=False, at=at)
        consent = give(session, context.signing, request, at=at)
    with running_example(secret) as (process, address):
        with unit_of_work_of(fresh_sessions) as session:
            session.execute(text("UPDATE webhook_endpoints SET uri = :uri"), {"uri": address})
            withdraw(session, consent.person_id, consent.consent_id, at=clock.now())

        run_worker(context, [jobs.tasks], database_url=fresh_database, until_idle=True)
        unsigned = httpx.post(address, content=b"{}")

        assert process.stdout is not None
        event, _, data = process.stdout.readline().partition(" ")
    assert event == "consent.withdrawn"
    assert json.loads(data) == {
        "consent_id": str(consent.consent_id),
        "client_id": request.client_id,
        "sub": request.subject,
        "purpose": request.purpose,
    }
    assert unsigned.status_code == 400
    with fresh_sessions() as session:
        (delivery,) = store.list_deliveries(session, BANK)
        assert (delivery.attempts, delivery.last_status) == (1, 204)
