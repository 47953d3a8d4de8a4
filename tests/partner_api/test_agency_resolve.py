"""Agencies ask who somebody is: a mandate gives what they get, nothing comes without a trace."""

import json
from datetime import date, timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import update

from app.cli.audit_commands import tell_subject
from audit.leaf import encode_leaf
from kernel.ids import PartnerId
from kernel.secret import b64url, sha256
from kernel.tables import person_keys
from partner_api.agencies.subjects import entry_subject
from partner_api.events import PersonConsidered, PersonResolved, PseudonymConverted
from partner_api.store import save_limit
from partner_api.tables import agency_clients
from population_register.api import (
    Condition,
    close_agency,
    retire_official_key,
    revoke_mandate,
)
from population_register.sector_pseudonyms import sector_pseudonym
from population_register.service.merging import Decider, merge_persons, undo_merge
from tests.partner_api.agency_world import (
    BASIS,
    CONVERT,
    FIELDS,
    PURPOSE,
    RECORDS,
    RESOLVE,
    SCOPE,
    Asker,
    OfficialKey,
    a_client_token,
    an_asker,
    an_inn,
    logged,
    someone,
)
from tests.partner_api.partner_world import ISSUER, ProofKey, World

pytestmark = pytest.mark.db


@pytest.fixture
def asker(world: World) -> Asker:
    return an_asker(world)


class TestAnswers:
    def test_match_gives_the_mandated_fields_with_source_and_day(
        self, world: World, asker: Asker
    ) -> None:
        person = someone(world, birthplace="г. Тула")

        answered = asker.ask(identifiers={"inn": person.inn})

        (entry,) = logged(world, person.person_id)
        said = {"source": "tax", "as_of": "2020-01-01"}
        assert answered.status_code == 200
        assert answered.headers["cache-control"] == "no-store"
        assert answered.json() == {
            "outcome": "match",
            "pseudonym": sector_pseudonym(world.keyring, asker.agency_id, person.person_id),
            "fields": {
                "family_name": {"value": person.family_name, **said},
                "given_name": {"value": person.given_name, **said},
                "birthdate": {"value": person.birthdate, **said},
                "inn": {"value": person.inn, **said},
                "over_18": {"value": True, **said},
            },
            "entry_id": str(entry.entry_id),
        }
        assert str(person.person_id) not in answered.text

    def test_entry_names_agency_official_legal_basis_and_purpose(
        self, world: World, asker: Asker
    ) -> None:
        person = someone(world)

        answered = asker.ask(
            identifiers={"inn": person.inn}, fields=["inn", "birthdate", "birthplace"]
        )

        (entry,) = logged(world, person.person_id)
        assert entry.action == PersonResolved.action
        assert (entry.actor.kind, entry.actor.id) == ("agency", asker.agency_id)
        assert entry.actor.official == "inspector-7"
        assert (entry.purpose, entry.stated_purpose) == (BASIS, PURPOSE)
        assert entry.items == ("birthdate", "inn")  # of what was asked, what a mandate gives
        assert entry.subject == entry_subject(world.keyring, entry.entry_id, person.person_id)
        assert answered.json()["pseudonym"] not in encode_leaf(entry).decode()
        assert entry.client_id == asker.client_id

    def test_two_entries_of_one_person_say_nothing_in_common(
        self, world: World, asker: Asker
    ) -> None:
        """In the leaves of the log, which others may see; by number and by name alike."""
        person = someone(world)
        asker.ask(identifiers={"inn": person.inn})
        asker.ask(identifiers={"inn": person.inn}, attributes={"birthdate": person.birthdate})

        entries = [e for e in logged(world, person.person_id) if e.action == PersonResolved.action]

        assert len({entry.subject for entry in entries}) == len(entries) == 2
        for entry in entries:
            assert entry.subject == entry_subject(world.keyring, entry.entry_id, person.person_id)
            assert entry.subject != entry_subject(
                world.keyring, entry.entry_id, someone(world).person_id
            )

    def test_verification_of_the_log_tells_an_entry_that_was_moved(
        self, world: World, asker: Asker
    ) -> None:
        person, other = someone(world), someone(world)
        asker.ask(identifiers={"inn": person.inn})
        asker.ask(identifiers={"inn": person.inn}, attributes={"birthdate": person.birthdate})
        entries = logged(world, person.person_id)

        with world.session() as session:
            is_subject = tell_subject(session, world.keyring)

        assert len(entries) >= 3  # two answers, and who was considered for the second
        assert all(is_subject(entry, person.person_id) for entry in entries)
        assert not any(is_subject(entry, other.person_id) for entry in entries)

    def test_number_that_nobody_has_is_none(self, asker: Asker) -> None:
        assert asker.ask(identifiers={"inn": an_inn()}).json() == {"outcome": "none"}

    def test_number_of_two_people_is_possible_and_opens_nothing(
        self, world: World, asker: Asker
    ) -> None:
        first = someone(world)
        second = someone(world, inn=first.inn)

        answered = asker.ask(identifiers={"inn": first.inn})

        assert answered.json() == {"outcome": "possible", "how_many": 2}
        assert logged(world, first.person_id) == logged(world, second.person_id) == []

    def test_numbers_of_different_people_are_possible(self, world: World, asker: Asker) -> None:
        snils = "112-233-445 95"
        person = someone(world)
        someone(world, snils=snils)

        answered = asker.ask(identifiers={"inn": person.inn, "snils": snils})

        assert answered.json() == {"outcome": "possible", "how_many": 2}

    @pytest.mark.parametrize(
        ("stated", "outcome"),
        [
            ({"birthdate"}, "match"),
            ({"birthdate", "family_name"}, "match"),
            ({"birthdate", "family_name", "given_name"}, "match"),
        ],
        ids=["birth date", "family name", "whole name"],
    )
    def test_name_and_birth_date_bear_the_number_out(
        self, world: World, asker: Asker, stated: set[str], outcome: str
    ) -> None:
        person = someone(world)

        answered = asker.ask(
            identifiers={"inn": person.inn},
            attributes={name: getattr(person, name) for name in stated},
        )

        assert answered.json()["outcome"] == outcome

    def test_number_of_somebody_else_is_for_a_human(self, world: World, asker: Asker) -> None:
        """Neither the number's owner is opened to whoever mistypes, nor the name's."""
        person, other = someone(world), someone(world)

        answered = asker.ask(
            identifiers={"inn": other.inn},
            attributes={"family_name": "Непохожий", "birthdate": "1911-01-01"},
        )

        assert answered.json() == {"outcome": "possible", "how_many": 1}
        assert logged(world, person.person_id) == []

    def test_whole_name_and_birth_date_meet_one_person(self, world: World, asker: Asker) -> None:
        person = someone(world, middle_name="Никаноровна")

        answered = asker.ask(
            attributes={
                "family_name": person.family_name,
                "given_name": person.given_name,
                "middle_name": "Никаноровна",
                "birthdate": person.birthdate,
            }
        )

        resolved = [e for e in logged(world, person.person_id) if e.action == PersonResolved.action]
        assert answered.json()["entry_id"] == str(resolved[0].entry_id)
        assert answered.json()["fields"]["inn"]["value"] == person.inn

    def test_name_that_nobody_has_is_none(self, asker: Asker) -> None:
        answered = asker.ask(attributes={"family_name": "Неведомый", "birthdate": "1911-11-11"})

        assert answered.json() == {"outcome": "none"}

    def test_pseudonym_of_an_answer_finds_the_person_again(
        self, world: World, asker: Asker
    ) -> None:
        person = someone(world)
        pseudonym = asker.ask(identifiers={"inn": person.inn}).json()["pseudonym"]

        answered = asker.ask(pseudonym=pseudonym, fields=["inn"])

        assert answered.json()["fields"]["inn"]["value"] == person.inn
        assert [entry.items for entry in logged(world, person.person_id)] == [FIELDS, ("inn",)]

    def test_pseudonym_of_another_sector_is_nobody(self, world: World, asker: Asker) -> None:
        person = someone(world)
        pseudonym = asker.ask(identifiers={"inn": person.inn}).json()["pseudonym"]

        assert an_asker(world).ask(pseudonym=pseudonym).json() == {"outcome": "none"}

    def test_agencies_of_one_sector_know_the_same_pseudonym(self, world: World) -> None:
        person = someone(world)
        first, second = (an_asker(world, sector="taxation") for _ in range(2))

        pseudonyms = {
            each.ask(identifiers={"inn": person.inn}).json()["pseudonym"]
            for each in (first, second, an_asker(world))
        }

        assert len(pseudonyms) == 2

    def test_pseudonym_of_before_a_merge_names_who_answers_for_both(
        self, world: World, asker: Asker
    ) -> None:
        one, other = someone(world), someone(world)
        people = (one, other)
        before = [asker.ask(identifiers={"inn": each.inn}).json()["pseudonym"] for each in people]
        by = Decider(official="operator-1", reason="one person", at=world.clock.now())
        with world.session() as session:
            merge = merge_persons(session, world.keyring, *(p.person_id for p in people), by=by)
        merged = [asker.ask(pseudonym=each).json()["pseudonym"] for each in before]
        by_number = asker.ask(identifiers={"inn": other.inn}).json()["pseudonym"]
        together = asker.ask(identifiers={"inn": one.inn}).json()["pseudonym"]
        with world.session() as session:
            undo_merge(session, world.keyring, merge.merge_id, by=by)
        after = [asker.ask(identifiers={"inn": each.inn}).json()["pseudonym"] for each in people]

        assert before[0] != before[1]
        assert set(merged) == {by_number} == {together}
        assert by_number in before
        assert after == before

    def test_person_whose_data_was_destroyed_is_nobody(self, world: World, asker: Asker) -> None:
        person = someone(world)
        pseudonym = asker.ask(identifiers={"inn": person.inn}).json()["pseudonym"]
        with world.session() as session:
            session.execute(
                update(person_keys)
                .where(person_keys.c.person_id == person.person_id)
                .values(wrapped_key=None, shredded_at=world.clock.now())
            )

        assert asker.ask(identifiers={"inn": person.inn}).json() == {"outcome": "none"}
        assert asker.ask(pseudonym=pseudonym).json() == {"outcome": "none"}
        assert len(logged(world, person.person_id)) == 1

    def test_number_that_another_person_has_now_too_is_nobodys(
        self, world: World, asker: Asker
    ) -> None:
        person = someone(world)
        asker.ask(identifiers={"inn": person.inn})
        someone(world, inn=person.inn)

        assert asker.ask(identifiers={"inn": person.inn}).json() == {
            "outcome": "possible",
            "how_many": 2,
        }
        assert len(logged(world, person.person_id)) == 1

    def test_answer_is_signed_on_request_and_says_what_was_asked(
        self, world: World, asker: Asker
    ) -> None:
        person = someone(world)
        question = {"legal_basis": BASIS, "purpose": PURPOSE, "identifiers": {"inn": person.inn}}
        body = json.dumps(question).encode()

        answered = asker.post(RESOLVE, body, headers={"Accept": "application/jwt"})

        keys = world.http.get("/agency/v1/jwks").json()["keys"]
        header = jwt.get_unverified_header(answered.text)
        key = next(jwt.PyJWK(key) for key in keys if key["kid"] == header["kid"])
        claims = jwt.decode(
            answered.text,
            key.key,
            algorithms=["ES256"],
            audience=asker.agency_id,
            options={"verify_iat": False},
        )
        assert answered.headers["content-type"] == "application/jwt"
        assert header["typ"] == "civitas-resolve+jwt"
        assert claims["iss"] == ISSUER
        assert claims["answer"]["fields"]["inn"]["value"] == person.inn
        assert (claims["official"], claims["legal_basis"]) == ("inspector-7", BASIS)
        assert claims["question_digest"] == b64url(sha256(body))


class TestMandates:
    @pytest.mark.parametrize(
        ("condition", "is_given"),
        [
            (Condition.OF_AGE, True),
            (Condition.UNDER_AGE, False),
            (Condition.LIVING, True),
            (Condition.DECEASED, False),
            (Condition.CITIZEN, False),  # not known: holds of nobody
            (Condition.NOT_A_CITIZEN, False),
        ],
    )
    def test_field_is_given_of_whom_its_condition_holds(
        self, world: World, condition: Condition, *, is_given: bool
    ) -> None:
        asker = an_asker(world, fields=["given_name"])
        asker.mandate("inn", condition=condition)
        person = someone(world)

        answered = asker.ask(identifiers={"inn": person.inn}).json()

        assert ("inn" in answered["fields"]) is is_given

    def test_pseudonym_alone_can_be_mandated(self, world: World) -> None:
        asker = an_asker(world, fields=["pseudonym"])
        person = someone(world)

        answered = asker.ask(identifiers={"inn": person.inn}).json()

        assert (answered["outcome"], answered["fields"]) == ("match", {})

    def test_very_next_question_after_revoking_is_answered_without_it(
        self, world: World, asker: Asker
    ) -> None:
        person = someone(world)
        (granted,) = asker.mandate("birthplace", valid_from=date(2026, 2, 1))
        asker.ask(identifiers={"inn": person.inn})
        with world.session() as session:
            revoke_mandate(session, granted.mandate_id, by="test", at=world.clock.now())

        asker.ask(identifiers={"inn": person.inn})

        before, after = (entry.items for entry in logged(world, person.person_id))
        assert "birthplace" in before
        assert "birthplace" not in after

    def test_mandate_that_was_just_granted_counts(self, world: World, asker: Asker) -> None:
        person = someone(world)
        refused = asker.ask(identifiers={"inn": person.inn}, legal_basis="family_code_8")
        asker.mandate("inn", legal_basis="family_code_8")

        answered = asker.ask(identifiers={"inn": person.inn}, legal_basis="family_code_8")

        assert (refused.status_code, refused.json()["code"]) == (403, "mandate_missing")
        assert list(answered.json()["fields"]) == ["inn"]

    @pytest.mark.parametrize(
        "change",
        [
            {"valid_from": date(2026, 11, 24)},
            {"valid_from": date(2026, 1, 1), "valid_to": date(2026, 11, 23)},
            {"legal_basis": "family_code_8"},
        ],
        ids=["not begun", "expired today", "another basis"],
    )
    def test_question_without_a_mandate_in_force_is_refused(
        self, world: World, change: dict[str, Any]
    ) -> None:
        asker = an_asker(world, fields=())
        asker.mandate("inn", **change)
        person = someone(world)

        refused = asker.ask(identifiers={"inn": person.inn})

        assert (refused.status_code, refused.json()["code"]) == (403, "mandate_missing")
        assert logged(world, person.person_id) == []

    def test_other_agencys_mandate_gives_nothing(self, world: World, asker: Asker) -> None:
        other = an_asker(world, fields=())

        assert other.ask(identifiers={"inn": an_inn()}).status_code == 403
        assert asker.ask(identifiers={"inn": an_inn()}).status_code == 200


class TestConversion:
    def test_pseudonym_is_converted_where_a_mandate_says_so(
        self, world: World, asker: Asker
    ) -> None:
        person = someone(world)
        asker.mandate("pseudonym:pension")
        pseudonym = asker.ask(identifiers={"inn": person.inn}).json()["pseudonym"]
        body = {"legal_basis": BASIS, "purpose": PURPOSE, "pseudonym": pseudonym}

        answered = asker.post(CONVERT, {**body, "to_sector": "pension"})
        refused = asker.post(CONVERT, {**body, "to_sector": "health"})

        entry = logged(world, person.person_id)[-1]
        assert answered.json() == {
            "outcome": "match",
            "pseudonym": sector_pseudonym(world.keyring, "pension", person.person_id),
            "sector": "pension",
            "entry_id": str(entry.entry_id),
        }
        assert (entry.action, entry.items) == (PseudonymConverted.action, ("pseudonym:pension",))
        assert (refused.status_code, refused.json()["code"]) == (403, "mandate_missing")

    def test_condition_of_the_mandate_is_looked_at_in_the_person(
        self, world: World, asker: Asker
    ) -> None:
        living, dead = someone(world), someone(world, deathdate="2024-05-01")
        asker.mandate("pseudonym:pension", condition=Condition.DECEASED)
        asked = {"legal_basis": BASIS, "purpose": PURPOSE, "to_sector": "pension"}

        answers = [
            asker.post(
                CONVERT,
                {
                    **asked,
                    "pseudonym": asker.ask(identifiers={"inn": each.inn}).json()["pseudonym"],
                },
            ).json()
            for each in (living, dead)
        ]

        assert answers[0] == {"outcome": "none"}
        assert answers[1]["pseudonym"] == sector_pseudonym(world.keyring, "pension", dead.person_id)
        assert [entry.action for entry in logged(world, living.person_id)][1:] == [
            PersonConsidered.action
        ]
        assert PseudonymConverted.action in {e.action for e in logged(world, dead.person_id)}

    def test_invented_pseudonym_is_nobody(self, asker: Asker) -> None:
        asker.mandate("pseudonym:pension")
        body = {"legal_basis": BASIS, "purpose": PURPOSE, "to_sector": "pension"}

        invented = asker.post(CONVERT, {**body, "pseudonym": b64url(bytes(16))})
        malformed = asker.post(CONVERT, {**body, "pseudonym": "x" * 22})

        assert invented.json() == {"outcome": "none"}
        assert (malformed.status_code, malformed.json()["code"]) == (422, "question_refused")


class TestCallers:
    def test_anonymous_is_challenged(self, world: World) -> None:
        refused = world.http.post(RESOLVE, content=b"{}")

        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")

    def test_partners_token_of_a_person_is_not_enough(self, world: World, asker: Asker) -> None:
        access = world.a_grant()
        refused = Asker(
            world=world,
            agency_id=asker.agency_id,
            client_id=access.client_id,
            token=access.token,
            official_key=asker.official_key,
        ).ask(identifiers={"inn": an_inn()})

        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")

    def test_client_that_speaks_for_no_agency_looks_like_one_without_the_scope(
        self, world: World, asker: Asker
    ) -> None:
        client_id, _ = world.a_client()
        stranger = Asker(
            world=world,
            agency_id=asker.agency_id,
            client_id=client_id,
            token=a_client_token(world, client_id, SCOPE),
            official_key=asker.official_key,
        )
        answers = [
            each.ask(identifiers={"inn": an_inn()})
            for each in (stranger, asker.with_token(scope=["register.feed"]))
        ]

        assert [each.status_code for each in answers] == [403, 403]
        assert answers[0].json()["detail"] == answers[1].json()["detail"]

    def test_client_that_was_unbound_is_refused_by_the_statement(
        self, world: World, asker: Asker
    ) -> None:
        person = someone(world)
        asker.ask(identifiers={"inn": person.inn})
        with world.session() as session:
            session.execute(
                agency_clients.delete().where(agency_clients.c.client_id == asker.client_id)
            )

        assert asker.ask(identifiers={"inn": person.inn}).status_code == 401
        assert len(logged(world, person.person_id)) == 1

    @pytest.mark.parametrize(
        "change",
        [{"exp": 0}, {"aud": ["https://other.example"]}, {"jkt": None}, {"key": ProofKey()}],
        ids=["expired", "audience", "bearer", "another key"],
    )
    def test_token_that_is_not_good_is_refused(self, asker: Asker, change: dict[str, Any]) -> None:
        assert asker.with_token(**change).ask(identifiers={"inn": an_inn()}).status_code == 401

    def test_replayed_proof_is_refused(self, world: World, asker: Asker) -> None:
        person = someone(world)
        headers = asker.headers(RESOLVE)

        statuses = [
            asker.ask(identifiers={"inn": person.inn}, headers=headers).status_code
            for _ in range(2)
        ]

        assert statuses == [200, 401]
        assert len(logged(world, person.person_id)) == 1

    def test_agency_that_was_closed_is_refused(self, world: World, asker: Asker) -> None:
        asker.ask(identifiers={"inn": an_inn()})
        with world.session() as session:
            close_agency(session, asker.agency_id, world.clock.now(), by="test")

        refused = asker.ask(identifiers={"inn": an_inn()})

        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")

    @pytest.mark.parametrize("is_remembered", [True, False])
    def test_agency_that_was_closed_reads_and_sends_nothing(
        self, world: World, asker: Asker, *, is_remembered: bool
    ) -> None:
        asker = asker.with_token(scope=(*SCOPE, "register.events"))
        if is_remembered:
            assert asker.get("/agency/v1/feeds").status_code == 200
        with world.session() as session:
            close_agency(session, asker.agency_id, world.clock.now(), by="test")
        row = {"record_number": "1", "version": 1, "valid_from": "2020-01-01", "inn": an_inn()}

        refused = [
            asker.get("/agency/v1/feeds"),
            asker.get("/agency/v1/events"),
            asker.post(RECORDS, row, official=None),
        ]

        assert [(each.status_code, each.json()["code"]) for each in refused] == [
            (403, "insufficient_scope")
        ] * 3


class TestOfficials:
    @pytest.mark.parametrize(
        "change",
        [
            {"iss": "another"},
            {"aud": ISSUER},
            {"sub": None},
            {"sub": "Пётр"},
            {"sub": "x" * 65},
            {"jti": None},
            {"iat": None},
            {"exp": None},
            {"typ": "JWT"},
            {"name": 7},
            {"key": OfficialKey(kid="unknown")},
        ],
        ids=lambda change: "another key" if "key" in change else str(change),
    )
    def test_assertion_that_does_not_prove_is_refused(
        self, world: World, asker: Asker, change: dict[str, Any]
    ) -> None:
        person = someone(world)

        refused = asker.ask(identifiers={"inn": person.inn}, official=asker.official(**change))

        assert (refused.status_code, refused.json()["code"]) == (403, "official_unproven")
        assert logged(world, person.person_id) == []

    @pytest.mark.parametrize(
        ("seconds", "status"), [(299, 200), (300, 403)], ids=["last second", "a second late"]
    )
    def test_assertion_lives_five_minutes_at_most(
        self, world: World, asker: Asker, seconds: int, status: int
    ) -> None:
        now = int(world.clock.now().timestamp())
        made = asker.official(iat=now, exp=now + 300)
        longer = asker.official(iat=now, exp=now + 301)
        world.clock.advance(timedelta(seconds=seconds))

        assert asker.ask(identifiers={"inn": an_inn()}, official=made).status_code == status
        assert asker.ask(identifiers={"inn": an_inn()}, official=longer).status_code == 403

    def test_assertion_of_the_future_is_refused(self, world: World, asker: Asker) -> None:
        now = int(world.clock.now().timestamp())

        ahead = [asker.official(iat=now + by, exp=now + 60) for by in (10, 12)]

        answers = [asker.ask(identifiers={"inn": an_inn()}, official=each) for each in ahead]
        assert [each.status_code for each in answers] == [200, 403]

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"aud": "https://elsewhere.example"}, "aud is http"),
            ({"sub": "x" * 65}, "staff identifier"),
            ({"iat": 0, "exp": 1}, "has expired"),
            ({"key": OfficialKey(kid="unknown")}, "does not prove"),
        ],
        ids=lambda change: next(iter(change)) if isinstance(change, dict) else "",
    )
    def test_whoever_can_sign_for_the_agency_is_told_what_is_wrong(
        self, asker: Asker, change: dict[str, Any], said: str
    ) -> None:
        refused = asker.ask(identifiers={"inn": an_inn()}, official=asker.official(**change))

        assert said in refused.json()["detail"]

    def test_missing_assertion_is_refused(self, asker: Asker) -> None:
        refused = asker.ask(identifiers={"inn": an_inn()}, official=None)

        assert refused.json()["code"] == "official_unproven"
        assert "Civitas-Official is missing" in refused.json()["detail"]

    @pytest.mark.parametrize("is_by_number", [True, False])
    def test_assertion_is_for_one_question(
        self, world: World, asker: Asker, *, is_by_number: bool
    ) -> None:
        person = someone(world)
        made = asker.official()
        question: dict[str, Any] = {"identifiers": {"inn": person.inn}}
        if not is_by_number:
            question["attributes"] = {"birthdate": person.birthdate}

        answers = [asker.ask(**question, official=made) for _ in range(2)]

        assert [each.status_code for each in answers] == [200, 403]
        assert answers[1].json()["code"] == "official_unproven"

    @pytest.mark.parametrize("is_by_number", [True, False])
    def test_of_forty_at_once_one_uses_the_assertion(
        self, world: World, asker: Asker, *, is_by_number: bool
    ) -> None:
        person, made = someone(world), asker.official()
        question: dict[str, Any] = {
            "legal_basis": BASIS,
            "purpose": PURPOSE,
            "identifiers": {"inn": person.inn},
        }
        if not is_by_number:
            question["attributes"] = {"birthdate": person.birthdate}
        more = {"Civitas-Official": made, "Content-Type": "application/json"}

        answers = world.post_at_once(
            RESOLVE,
            json.dumps(question).encode(),
            [asker.headers(RESOLVE) | more for _ in range(40)],
        )

        statuses = sorted(each.status_code for each in answers)
        resolved = [e for e in logged(world, person.person_id) if e.action == PersonResolved.action]
        assert statuses == [200] + [403] * 39
        assert len(resolved) == 1

    def test_official_of_another_agency_is_refused(self, world: World, asker: Asker) -> None:
        other = an_asker(world)

        refused = asker.ask(identifiers={"inn": an_inn()}, official=other.official())

        assert refused.json()["code"] == "official_unproven"

    def test_retired_key_signs_no_more(self, world: World, asker: Asker) -> None:
        assert asker.ask(identifiers={"inn": an_inn()}).status_code == 200
        with world.session() as session:
            retire_official_key(session, asker.agency_id, asker.official_key.kid, world.clock.now())

        refused = asker.ask(identifiers={"inn": an_inn()})

        assert refused.json()["code"] == "official_unproven"


class TestQuestions:
    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"legal_basis": "Статья 85"}, 400, "invalid_request"),
            ({"purpose": ""}, 400, "invalid_request"),
            ({"purpose": "x" * 101}, 400, "invalid_request"),
            ({"purpose": "a\u0000b"}, 400, "invalid_request"),
            ({"fields": ["shoe_size"]}, 400, "invalid_request"),
            ({"fields": ["inn", "inn"]}, 400, "invalid_request"),
            ({"shoe_size": 44}, 400, "invalid_request"),
            ({"identifiers": ["inn"]}, 400, "invalid_request"),
            ({"identifiers": {"inn": "500100732258"}}, 422, "question_refused"),
            ({"identifiers": {"inn": 500100732259}}, 422, "question_refused"),
            ({"identifiers": {"shoe": "44"}}, 422, "question_refused"),
            ({"identifiers": {}}, 422, "question_refused"),
            ({"attributes": {"family_name": "Волкова"}}, 422, "question_refused"),
            ({"attributes": {"income": "1"}}, 422, "question_refused"),
            ({"attributes": {"birthdate": "14.03.1986"}}, 422, "question_refused"),
            ({"pseudonym": "x", "identifiers": {"enp": "7"}}, 422, "question_refused"),
        ],
        ids=str,
    )
    def test_question_that_can_not_be_asked_is_refused(
        self, asker: Asker, change: dict[str, Any], status: int, code: str
    ) -> None:
        refused = asker.ask(**change)

        assert (refused.status_code, refused.json()["code"]) == (status, code)

    def test_every_problem_is_told_and_no_value_repeated(self, asker: Asker) -> None:
        refused = asker.ask(identifiers={"inn": "500100732258", "snils": "1"})

        told = {(each["pointer"], each["code"]) for each in refused.json()["errors"]}
        assert told == {("identifiers.inn", "check_digit"), ("identifiers.snils", "length")}
        assert "500100732258" not in refused.text

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"null"])
    def test_body_that_is_no_question_is_refused(self, asker: Asker, body: bytes) -> None:
        assert asker.post(RESOLVE, body).status_code == 400

    def test_body_that_is_too_large_is_refused(self, asker: Asker) -> None:
        assert asker.post(RESOLVE, b" " * (16 * 1024 + 1)).status_code == 413

    def test_another_content_type_is_refused(self, asker: Asker) -> None:
        refused = asker.post(RESOLVE, b"{}", headers={"Content-Type": "text/plain"})

        assert refused.status_code == 400

    def test_refused_question_spends_nothing(self, asker: Asker) -> None:
        made, headers = asker.official(), asker.headers(RESOLVE)
        refused = asker.ask(identifiers={"inn": "1"}, official=made, headers=headers)

        answered = asker.ask(identifiers={"inn": an_inn()}, official=made, headers=headers)

        assert (refused.status_code, answered.status_code) == (422, 200)

    def test_agency_over_its_quota_is_told_when_to_come_back(
        self, world: World, asker: Asker
    ) -> None:
        with world.session() as session:
            save_limit(session, PartnerId(asker.client_id), requests_per_minute=1)

        answers = [asker.ask(identifiers={"inn": an_inn()}) for _ in range(2)]

        assert [each.status_code for each in answers] == [200, 429]
        assert answers[1].headers["retry-after"] == "60"
