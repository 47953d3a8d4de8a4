"""The person read: what comes back, what does not, and what is written down (promises 1, 2, 4)."""

import json
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from jwt import PyJWK
from sqlalchemy import text, update

from kernel.tables import person_keys
from tests.partner_api.partner_world import (
    ITEMS,
    NOON,
    PERSON,
    PURPOSE,
    Access,
    World,
    a_disclosure,
)

pytestmark = pytest.mark.db


def opened(world: World, token: str) -> dict[str, Any]:
    kid = jwt.get_unverified_header(token)["kid"]
    keys = world.app.state.signing.public_jwks("partner")["keys"]
    (key,) = [key for key in keys if key["kid"] == kid]
    claims: dict[str, Any] = jwt.decode(
        token,
        PyJWK(key),
        algorithms=["ES256"],
        options={"verify_aud": False, "verify_iat": False},
    )
    return claims


def test_reads_signed_values_with_source_and_date(world: World) -> None:
    anna = {"family_name": "Волкова", "given_name": "Анна", "birthdate": "1986-03-14"}
    access = world.a_grant(world.a_person(**anna))
    consent = world.consent(access)

    response = world.get(access)

    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/jwt"
    assert response.headers["cache-control"] == "no-store"
    assert jwt.get_unverified_header(response.text)["typ"] == "civitas-person+jwt"
    (entry,) = world.logged(access)
    assert opened(world, response.text) == {
        "iss": "http://localhost:8000",
        "aud": access.client_id,
        "iat": int(NOON.timestamp()),
        "sub": access.sub,
        "purpose": PURPOSE,
        "consent_id": str(consent.consent_id),
        "entry_id": str(entry.entry_id),
        "attributes": {
            "family_name": {"value": "Волкова", "source": "tax", "as_of": "2020-01-01"},
            "given_name": {"value": "Анна", "source": "tax", "as_of": "2020-01-01"},
            "birthdate": {"value": "1986-03-14", "source": "tax", "as_of": "2020-01-01"},
            "over_18": {"value": True, "source": "tax", "as_of": "2020-01-01"},
        },
    }
    assert entry.items == ITEMS
    assert entry.purpose == PURPOSE


def read(world: World, access: Access, path: str = PERSON) -> dict[str, Any]:
    response = world.get(access, path)
    assert response.status_code == 200, response.text
    return opened(world, response.text)


def refused(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code


class TestSelection:
    def test_items_narrow_the_answer_and_the_entry(self, world: World) -> None:
        access = world.a_grant()
        world.consent(access)

        claims = read(world, access, f"{PERSON}?items=over_18")

        assert list(claims["attributes"]) == ["over_18"]
        assert world.logged(access)[-1].items == ("over_18",)

    def test_predicate_does_not_tell_the_value_behind_it(self, world: World) -> None:
        access = world.a_grant(world.a_person(birthdate="1986-05-17"))
        world.consent(access)

        response = world.get(access, f"{PERSON}?items=over_18")

        assert "1986" not in json.dumps(opened(world, response.text))

    def test_purposes_are_read_one_by_one(self, world: World) -> None:
        access = world.a_grant(
            details=[a_disclosure("inn"), a_disclosure("given_name", purpose="delivery")]
        )
        world.consent(access, "inn")
        world.consent(access, "given_name", purpose="delivery")

        refused(world.get(access), 400, "ambiguous_purpose")
        claims = read(world, access, f"{PERSON}?purpose=delivery")

        assert claims["purpose"] == "delivery"
        assert list(claims["attributes"]) == ["given_name"]

    def test_consent_for_one_purpose_does_not_serve_another(self, world: World) -> None:
        access = world.a_grant(
            details=[a_disclosure("inn"), a_disclosure("given_name", purpose="delivery")]
        )
        world.consent(access, "inn", "given_name")

        refused(world.get(access, f"{PERSON}?purpose=delivery"), 403, "consent_missing")

    @pytest.mark.parametrize(
        "query", ["items=", "items=shoe_size", "items=inn&items=inn", "items=document:ct_scan", "x"]
    )
    def test_malformed_query_is_refused_without_a_trace(self, world: World, query: str) -> None:
        access = world.a_grant()
        world.consent(access)

        refused(world.get(access, f"{PERSON}?{query}"), 400, "invalid_request")
        assert world.logged(access) == []


class TestConsent:
    def test_never_given(self, world: World) -> None:
        access = world.a_grant()

        refused(world.get(access), 403, "consent_missing")
        (entry,) = world.logged(access)
        assert (entry.outcome, entry.reason, entry.items) == ("refused", "never_given", ITEMS)

    def test_withdrawal_refuses_the_very_next_read(self, world: World) -> None:
        access = world.a_grant()
        consent = world.consent(access)
        read(world, access)

        world.withdraw(consent)

        refused(world.get(access), 403, "consent_withdrawn")
        allowed, denied = world.logged(access)
        assert (allowed.outcome, denied.outcome) == ("allowed", "refused")
        assert (denied.reason, denied.consent_id) == ("withdrawn", consent.consent_id)

    def test_period_ends_exactly(self, world: World) -> None:
        access = world.a_grant()
        consent = world.consent(access, expires_at=NOON + timedelta(minutes=5))
        world.clock.advance(timedelta(minutes=5, microseconds=-1))
        read(world, access)  # and a millisecond passes

        refused(world.get(access), 403, "consent_expired")
        assert world.logged(access)[-1].consent_id == consent.consent_id

    def test_limited_number_of_reads(self, world: World) -> None:
        access = world.a_grant()
        world.consent(access, max_uses=2)

        statuses = [world.get(access).status_code for _ in range(2)]

        assert statuses == [200, 200]
        refused(world.get(access), 403, "consent_used_up")

    def test_limit_of_a_consent_that_took_the_place_of_one_without(self, world: World) -> None:
        access = world.a_grant()
        world.consent(access)
        read(world, access)

        world.consent(access, max_uses=2)

        assert [world.get(access).status_code for _ in range(2)] == [200, 200]
        refused(world.get(access), 403, "consent_used_up")

    def test_refused_read_uses_nothing_up(self, world: World) -> None:
        access = world.a_grant(details=[a_disclosure("inn")])
        world.consent(access, max_uses=1)

        refused(world.get(access, f"{PERSON}?items=family_name"), 403, "items_not_consented")
        read(world, access)

    def test_one_item_too_many_refuses_all(self, world: World) -> None:
        access = world.a_grant()
        world.consent(access, "family_name", "given_name")

        refused(world.get(access), 403, "items_not_consented")
        assert world.logged(access)[-1].reason == "items_missing"
        read(world, access, f"{PERSON}?items=family_name")

    def test_item_that_the_token_was_not_granted_is_refused_although_consented(
        self, world: World
    ) -> None:
        access = world.a_grant(details=[a_disclosure("inn")])
        world.consent(access, "inn", "family_name")

        refused(world.get(access, f"{PERSON}?items=family_name"), 403, "items_not_consented")
        (entry,) = world.logged(access)
        assert (entry.outcome, entry.items) == ("refused", ("family_name",))

    def test_consent_to_another_client_does_not_count(self, world: World) -> None:
        person_id = world.a_person()
        other = world.a_grant(person_id)
        world.consent(other)

        refused(world.get(world.a_grant(person_id)), 403, "consent_missing")

    def test_consent_of_another_person_does_not_count(self, world: World) -> None:
        client = world.a_client()
        world.consent(world.a_grant(client=client))

        refused(world.get(world.a_grant(client=client)), 403, "consent_missing")

    def test_new_consent_in_place_of_the_old_one_is_found_in_the_same_request(
        self, world: World
    ) -> None:
        access = world.a_grant()
        world.consent(access)
        read(world, access)

        second = world.consent(access)

        assert read(world, access)["consent_id"] == str(second.consent_id)
        assert [entry.outcome for entry in world.logged(access)] == ["allowed", "allowed"]
        assert world.logged(access)[-1].consent_id == second.consent_id

    def test_consent_given_after_a_refusal_is_found(self, world: World) -> None:
        access = world.a_grant()
        refused(world.get(access), 403, "consent_missing")

        world.consent(access)

        read(world, access)


class TestTrace:
    def test_every_read_has_its_entry_and_every_entry_its_read(self, world: World) -> None:
        access = world.a_grant()
        world.consent(access)

        told = [read(world, access)["entry_id"] for _ in range(3)]

        assert told == [str(entry.entry_id) for entry in world.logged(access)]
        assert len(set(told)) == 3

    def test_entry_says_who_what_and_why_under_a_pseudonym(self, world: World) -> None:
        access = world.a_grant()
        consent = world.consent(access)
        response = world.get(access)

        (entry,) = world.logged(access)

        assert (entry.actor.kind, entry.actor.id) == ("partner", access.partner_id)
        assert (entry.subject, entry.client_id) == (access.sub, access.client_id)
        assert entry.consent_id == consent.consent_id
        assert entry.request_id == response.headers["x-request-id"]
        assert str(access.person_id) not in repr(entry)

    def test_without_a_log_there_is_no_read(self, world: World) -> None:
        """Promise 1: break the log, and nothing opens."""
        access = world.a_grant(world.a_person(family_name="Волкова"))
        world.consent(access)
        with world.session() as session:
            session.execute(
                text(
                    "ALTER TABLE audit_waiting_entries ADD CONSTRAINT shut CHECK (false) NOT VALID"
                )
            )
        try:
            response = world.get(access)
        finally:
            with world.session() as session:
                session.execute(text("ALTER TABLE audit_waiting_entries DROP CONSTRAINT shut"))

        assert response.status_code == 500
        assert "Волкова" not in response.text
        assert response.json()["code"] == "server_error"

    def test_shredded_person_is_gone(self, world: World) -> None:
        access = world.a_grant()
        world.consent(access)
        read(world, access)
        with world.session() as session:
            session.execute(
                update(person_keys)
                .where(person_keys.c.person_id == access.person_id)
                .values(wrapped_key=None, shredded_at=NOON)
            )

        refused(world.get(access), 404, "not_found")
        assert world.logged(access)[-1].outcome == "refused"


class TestJoining:
    """Promise 4: two partners hold nothing of one person that they could compare."""

    def test_answers_to_two_clients_share_no_identifier(self, world: World) -> None:
        person_id = world.a_person()
        answers = []
        for _ in range(2):
            access = world.a_grant(person_id)
            world.consent(access)
            answers.append(read(world, access, f"{PERSON}?items=over_18"))

        first, second = answers
        shared = {name for name in first if first[name] == second[name]}
        assert shared == {"iss", "iat", "purpose", "attributes"}

    def test_answer_holds_no_identifier_of_ours(self, world: World) -> None:
        access = world.a_grant()
        world.consent(access)

        claims = read(world, access)

        assert str(access.person_id) not in json.dumps(claims)
        assert str(access.grant_id) not in json.dumps(claims)
