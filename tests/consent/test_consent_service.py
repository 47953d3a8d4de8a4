"""Give, withdraw, run out, use up: on the real database, with the log and the announcements."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Integer, Text, Uuid, bindparam, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from audit.api import list_entries
from consent import service, store
from consent.catalogue import PURPOSES
from consent.decision import Covered, Decision, NotCovered
from consent.errors import ConsentAlreadyEnded, ConsentNotAuthentic, InvalidDisclosure
from consent.events import CONSENT_ENDED_TASK
from consent.model import ConsentRecord, Ending, GivenBy, PurposeCode, Relation
from consent.signature import verify_record
from consent.tables import consents
from kernel.db import Instant
from kernel.errors import NotFound
from kernel.ids import ConsentId, new_id
from kernel.signing import SigningKeys
from tests.consent.consent_builders import ANNA, BORIS, NOON, a_record, a_request, names

pytestmark = pytest.mark.db

LATER = NOON + timedelta(hours=1)
PASSPORT = names("passport")


def announced(session: Session) -> Sequence[dict[str, str]]:
    rows = session.execute(
        text("SELECT args FROM procrastinate_jobs WHERE task_name = :name ORDER BY id"),
        {"name": CONSENT_ENDED_TASK},
    )
    return [row.args for row in rows]


def logged(session: Session) -> Sequence[str]:
    return [entry.entry.action for entry in list_entries(session, ANNA)]


def ruling(session: Session, record: ConsentRecord, *, at: datetime = LATER) -> Decision:
    return service.decide_disclosure(
        session,
        record.person_id,
        client_id=record.client_id,
        purpose=record.purpose,
        items=PASSPORT,
        at=at,
    )


class TestGive:
    def test_covers_what_was_agreed_to_from_now_on(
        self, session: Session, signing: SigningKeys
    ) -> None:
        record = service.give(session, signing, a_request(), at=NOON)

        assert ruling(session, record, at=NOON) == Covered(record.consent_id)

    def test_is_signed_and_logged(self, session: Session, signing: SigningKeys) -> None:
        record = service.give(session, signing, a_request(), at=NOON)

        stored = service.get_consent(session, ANNA, record.consent_id)
        verify_record(stored, jwks=signing.public_jwks("consent"))
        (entry,) = list_entries(session, ANNA)
        assert entry.entry.action == "consent.record.given"
        assert entry.entry.consent_id == record.consent_id
        assert entry.entry.items == ("birthdate", "family_name", "passport")
        assert str(ANNA) not in entry.leaf.decode()

    def test_agreeing_again_leaves_one_consent_to_withdraw(
        self, session: Session, signing: SigningKeys
    ) -> None:
        first = service.give(session, signing, a_request(), at=NOON)
        second = service.give(session, signing, a_request(), at=LATER)

        by_id = {record.consent_id: record for record in service.list_consents(session, ANNA)}
        assert by_id[first.consent_id].ending is Ending.REPLACED
        assert by_id[second.consent_id].ending is None
        assert announced(session) == []
        service.withdraw(session, ANNA, second.consent_id, at=LATER)
        assert ruling(session, second) == NotCovered("withdrawn", consent_id=second.consent_id)

    def test_consent_that_names_more_stays(self, session: Session, signing: SigningKeys) -> None:
        wide = service.give(session, signing, a_request(), at=NOON)
        service.give(session, signing, a_request(items=PASSPORT), at=LATER)

        assert service.get_consent(session, ANNA, wide.consent_id).is_live(LATER)

    def test_consents_of_others_stay(self, session: Session, signing: SigningKeys) -> None:
        others = [
            service.give(session, signing, a_request(**change), at=NOON)
            for change in (
                {"person_id": BORIS},
                {"client_id": "other"},
                {"purpose": "credit_assessment"},
            )
        ]
        service.give(session, signing, a_request(), at=NOON)

        for record in others:
            assert service.get_consent(session, record.person_id, record.consent_id).is_live(LATER)

    def test_parent_gives_for_a_child(self, session: Session, signing: SigningKeys) -> None:
        parent = GivenBy(relation=Relation.PARENT, person_id=BORIS)

        record = service.give(session, signing, a_request(given_by=parent), at=NOON)

        assert service.get_consent(session, ANNA, record.consent_id).given_by == parent

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"purpose": PurposeCode("marketing")}, id="unknown purpose"),
            pytest.param({"items": names()}, id="nothing"),
            pytest.param({"items": names("passport", "document:ct_scan")}, id="too much"),
            pytest.param({"items": names("shoe_size")}, id="unknown item"),
            pytest.param({"expires_at": NOON}, id="over at once"),
            pytest.param({"expires_at": NOON + timedelta(days=91)}, id="too long"),
            pytest.param({"retention": timedelta(0)}, id="no retention"),
            pytest.param({"retention": timedelta(days=5 * 365 + 1)}, id="kept too long"),
            pytest.param({"max_uses": 0}, id="no uses"),
            pytest.param(
                {"given_by": GivenBy(relation=Relation.SELF, person_id=BORIS)},
                id="somebody else as oneself",
            ),
            pytest.param(
                {"given_by": GivenBy(relation=Relation.PARENT, person_id=ANNA)},
                id="one's own parent",
            ),
        ],
    )
    def test_refuses_and_changes_nothing(
        self, session: Session, signing: SigningKeys, change: dict[str, object]
    ) -> None:
        with pytest.raises(InvalidDisclosure):
            service.give(session, signing, a_request(**change), at=NOON)

        assert service.list_consents(session, ANNA) == []
        assert logged(session) == []

    def test_longest_period_is_allowed(self, session: Session, signing: SigningKeys) -> None:
        longest = PURPOSES[PurposeCode("account_opening")].longest

        service.give(session, signing, a_request(expires_at=NOON + longest), at=NOON)


class TestWithdraw:
    def test_covers_nothing_any_more(self, session: Session, signing: SigningKeys) -> None:
        record = service.give(session, signing, a_request(), at=NOON)

        withdrawn = service.withdraw(session, ANNA, record.consent_id, at=LATER)

        assert withdrawn.ending is Ending.WITHDRAWN
        assert ruling(session, record) == NotCovered("withdrawn", consent_id=record.consent_id)

    def test_is_logged_and_the_recipient_is_told_once(
        self, session: Session, signing: SigningKeys
    ) -> None:
        record = service.give(session, signing, a_request(), at=NOON)

        service.withdraw(session, ANNA, record.consent_id, at=LATER)
        again = service.withdraw(session, ANNA, record.consent_id, at=LATER)

        assert again.ending is Ending.WITHDRAWN
        assert logged(session) == ["consent.record.withdrawn", "consent.record.given"]
        (event,) = announced(session)
        assert event["consent_id"] == str(record.consent_id)
        assert event["subject"] == record.subject
        assert event["ending"] == "withdrawn"
        assert str(ANNA) not in str(event)
        assert service.announce_endings(session, at=LATER) == 0

    def test_of_another_person_looks_like_none(
        self, session: Session, signing: SigningKeys
    ) -> None:
        record = service.give(session, signing, a_request(), at=NOON)

        with pytest.raises(NotFound) as of_another:
            service.withdraw(session, BORIS, record.consent_id, at=LATER)
        with pytest.raises(NotFound) as of_none:
            service.withdraw(session, BORIS, ConsentId(new_id(NOON)), at=LATER)

        assert of_another.value.detail == of_none.value.detail
        assert ruling(session, record) == Covered(record.consent_id)

    def test_of_an_ended_one_is_refused(self, session: Session, signing: SigningKeys) -> None:
        record = service.give(session, signing, a_request(), at=NOON)
        service.announce_endings(session, at=record.expires_at)

        with pytest.raises(ConsentAlreadyEnded):
            service.withdraw(session, ANNA, record.consent_id, at=record.expires_at)

    def test_before_the_expiry_was_written_down_is_a_withdrawal(
        self, session: Session, signing: SigningKeys
    ) -> None:
        record = service.give(session, signing, a_request(), at=NOON)

        withdrawn = service.withdraw(session, ANNA, record.consent_id, at=record.expires_at)

        assert withdrawn.ending is Ending.WITHDRAWN


class TestRunningOut:
    def test_recipient_is_told_once(self, session: Session, signing: SigningKeys) -> None:
        record = service.give(session, signing, a_request(), at=NOON)

        before = service.announce_endings(session, at=record.expires_at - timedelta(microseconds=1))
        told = [service.announce_endings(session, at=record.expires_at) for _ in range(2)]

        assert before == 0
        assert told == [1, 0]
        (event,) = announced(session)
        assert event["ending"] == "expired"
        assert event["ended_at"] == record.expires_at.isoformat()
        stored = service.get_consent(session, ANNA, record.consent_id)
        assert stored.ended_at == record.expires_at

    def test_many_are_taken_a_few_at_a_time(self, session: Session, signing: SigningKeys) -> None:
        for client in range(5):
            service.give(session, signing, a_request(client_id=f"client-{client}"), at=NOON)

        at = NOON + timedelta(days=31)
        told = [service.announce_endings(session, at=at, limit=2) for _ in range(4)]

        assert told == [2, 2, 1, 0]


class TestUsingUp:
    def spend(self, session: Session, record: ConsentRecord) -> bool:
        covering = store.covering_consent(
            person_id=literal(record.person_id, Uuid()),
            client_id=literal(record.client_id, Text()),
            purpose=literal(record.purpose, Text()),
            items=literal(["passport"], ARRAY(Text)),
            at=bindparam("at", type_=Instant),
        )
        allowed = store.spend_use(covering, at=bindparam("at", type_=Instant))
        return session.scalar(select(allowed.c.consent_id), {"at": LATER}) is not None

    def test_last_use_ends_it(self, session: Session, signing: SigningKeys) -> None:
        record = service.give(session, signing, a_request(max_uses=2), at=NOON)

        spent = [self.spend(session, record) for _ in range(3)]

        assert spent == [True, True, False]
        stored = service.get_consent(session, ANNA, record.consent_id)
        assert (stored.uses, stored.ending, stored.ended_at) == (2, Ending.USED_UP, LATER)
        assert ruling(session, record) == NotCovered("used_up", consent_id=record.consent_id)

    def test_recipient_is_told_once(self, session: Session, signing: SigningKeys) -> None:
        record = service.give(session, signing, a_request(max_uses=1), at=NOON)
        self.spend(session, record)

        told = [service.announce_endings(session, at=LATER) for _ in range(2)]

        assert told == [1, 0]
        assert [event["ending"] for event in announced(session)] == ["used_up"]

    def test_consent_without_limit_counts_nothing(
        self, session: Session, signing: SigningKeys
    ) -> None:
        record = service.give(session, signing, a_request(), at=NOON)

        assert all(self.spend(session, record) for _ in range(3))
        assert service.get_consent(session, ANNA, record.consent_id).uses == 0


class TestReceipt:
    def test_is_issued_for_a_consent_of_this_person(
        self, session: Session, signing: SigningKeys
    ) -> None:
        record = service.give(session, signing, a_request(), at=NOON)

        receipt = service.issue_receipt(session, signing, ANNA, record.consent_id, at=LATER)

        assert receipt["signature"] == record.signature
        with pytest.raises(NotFound):
            service.issue_receipt(session, signing, BORIS, record.consent_id, at=LATER)

    def test_is_not_issued_for_a_row_that_was_changed(
        self, session: Session, signing: SigningKeys
    ) -> None:
        record = service.give(session, signing, a_request(), at=NOON)
        session.execute(
            consents.update()
            .where(consents.c.consent_id == record.consent_id)
            .values(items=["birthdate", "family_name", "passport", "snils"])
        )

        with pytest.raises(ConsentNotAuthentic):
            service.issue_receipt(session, signing, ANNA, record.consent_id, at=LATER)


class TestTable:
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"expires_at": NOON}, id="ends before it begins"),
            pytest.param({"items": names()}, id="no items"),
            pytest.param(
                {"given_by": GivenBy(relation=Relation.SELF, person_id=BORIS)}, id="not oneself"
            ),
        ],
    )
    def test_refuses_what_is_no_consent(self, session: Session, change: dict[str, object]) -> None:
        with pytest.raises(IntegrityError):
            store.insert_consent(session, a_record(**change))

    def test_never_counts_past_the_limit(self, session: Session) -> None:
        record = a_record(max_uses=1)
        store.insert_consent(session, record)

        with pytest.raises(IntegrityError):
            session.execute(
                consents.update()
                .where(consents.c.consent_id == record.consent_id)
                .values(uses=literal(2, Integer))
            )
