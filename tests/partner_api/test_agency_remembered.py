"""What a process remembers of an agency's questions decides nothing: the next one is asked anew."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import jwt
import pytest
from sqlalchemy import insert, update

from idp.buckets import REVOKED_ACCESS_TOKENS
from idp.tables import clients, partners, revoked_access_tokens
from kernel.errors import Undecryptable
from kernel.secret import sha256
from partner_api.agencies.service import answering
from partner_api.events import PersonResolved
from population_register.api import (
    Condition,
    add_official_key,
    find_outcomes,
    revoke_mandate,
)
from tests.partner_api.agency_world import (
    BASIS,
    CONVERT,
    PURPOSE,
    RESOLVE,
    Asker,
    OfficialKey,
    Someone,
    an_asker,
    an_inn,
    logged,
    someone,
)
from tests.partner_api.partner_world import NOON, World

pytestmark = pytest.mark.db

Question = Callable[[Someone], dict[str, Any]]

LANES: dict[str, Question] = {
    "by number": lambda person: {"identifiers": {"inn": person.inn}},
    "compared": lambda person: {
        "identifiers": {"inn": person.inn},
        "attributes": {"birthdate": person.birthdate},
    },
}


@pytest.fixture
def asker(world: World) -> Asker:
    return an_asker(world)


@pytest.fixture(params=LANES.values(), ids=list(LANES))
def question(request: pytest.FixtureRequest) -> Question:
    made: Question = request.param
    return made


def resolved(world: World, person: Someone) -> int:
    entries = logged(world, person.person_id)
    return sum(entry.action == PersonResolved.action for entry in entries)


class TestCallers:
    def test_token_that_was_revoked_between_two_questions(
        self, world: World, asker: Asker, question: Question
    ) -> None:
        person = someone(world)
        asker = asker.with_token()
        assert asker.ask(**question(person)).status_code == 200
        claims = jwt.decode(asker.token, options={"verify_signature": False})
        with world.session() as session:
            session.execute(
                insert(revoked_access_tokens).values(
                    slot=REVOKED_ACCESS_TOKENS.slot(datetime.fromtimestamp(claims["exp"], UTC)),
                    token_digest=sha256(claims["jti"].encode()),
                    revoked_at=NOON,
                )
            )

        refused = asker.ask(**question(person))

        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
        assert resolved(world, person) == 1

    def test_token_that_ran_out_between_two_questions(
        self, world: World, asker: Asker, question: Question
    ) -> None:
        person = someone(world)
        asker = asker.with_token(exp=int(world.clock.now().timestamp()) + 60)
        assert asker.ask(**question(person)).status_code == 200
        world.clock.advance(timedelta(seconds=61))

        assert asker.ask(**question(person)).status_code == 401
        assert resolved(world, person) == 1

    @pytest.mark.parametrize("table", [clients, partners], ids=["client", "partner"])
    def test_who_was_disabled_between_two_questions(
        self,
        world: World,
        asker: Asker,
        question: Question,
        table: Any,  # noqa: ANN401
    ) -> None:
        person = someone(world)
        key = {clients: clients.c.client_id, partners: partners.c.partner_id}[table]
        assert asker.ask(**question(person)).status_code == 200
        with world.session() as session:
            session.execute(update(table).where(key == asker.client_id).values(disabled_at=NOON))

        assert asker.ask(**question(person)).status_code == 401
        assert resolved(world, person) == 1

    def test_two_tokens_of_one_client_are_each_their_own(self, world: World, asker: Asker) -> None:
        person = someone(world)
        other = asker.with_token()
        assert asker.ask(identifiers={"inn": person.inn}).status_code == 200

        assert other.ask(identifiers={"inn": person.inn}).status_code == 200
        assert other.with_token(jkt=None).ask(identifiers={"inn": person.inn}).status_code == 401


class TestMandates:
    def test_mandate_that_was_revoked_between_two_questions(
        self, world: World, question: Question
    ) -> None:
        asker, person = an_asker(world, fields=()), someone(world)
        (granted,) = asker.mandate("inn")
        assert list(asker.ask(**question(person)).json()["fields"]) == ["inn"]
        with world.session() as session:
            revoke_mandate(session, granted.mandate_id, by="test", at=world.clock.now())

        refused = asker.ask(**question(person))

        assert (refused.status_code, refused.json()["code"]) == (403, "mandate_missing")
        assert resolved(world, person) == 1

    def test_mandate_that_ends_with_the_day(self, world: World, question: Question) -> None:
        asker, person = an_asker(world, fields=()), someone(world)
        tomorrow = date(2026, 11, 24)
        asker.mandate("inn", valid_to=tomorrow)
        asker.mandate("birthdate")
        asker.mandate("family_name", valid_from=tomorrow)
        today = asker.ask(**question(person)).json()["fields"]
        world.clock.advance(timedelta(days=1))

        after = asker.with_token().ask(**question(person)).json()["fields"]

        items = [entry.items for entry in logged(world, person.person_id) if entry.items]
        assert [set(today), set(after)] == [{"inn", "birthdate"}, {"birthdate", "family_name"}]
        assert items == [("birthdate", "inn"), ("family_name", "birthdate")]

    def test_fields_and_ground_are_each_questions_own(self, world: World, asker: Asker) -> None:
        person = someone(world)
        asker.mandate("inn", legal_basis="family_code_8")
        more: list[dict[str, Any]] = [
            {},
            {"fields": ["inn"]},
            {"fields": []},
            {"legal_basis": "family_code_8"},
        ]

        for each in more:
            asker.ask(identifiers={"inn": person.inn}, **each)

        entries = logged(world, person.person_id)
        assert [len(entry.items) for entry in entries] == [5, 1, 0, 1]
        assert [entry.purpose for entry in entries] == [BASIS] * 3 + ["family_code_8"]

    def test_condition_is_looked_at_in_each_person(self, world: World) -> None:
        asker = an_asker(world, fields=())
        asker.mandate("inn", condition=Condition.DECEASED)
        asker.mandate("birthdate")
        living, dead = someone(world), someone(world, deathdate="2020-01-01")

        given = [
            set(asker.ask(identifiers={"inn": each.inn}).json()["fields"])
            for each in (dead, living, dead)
        ]

        assert given == [{"inn", "birthdate"}, {"birthdate"}, {"inn", "birthdate"}]


class TestOfficials:
    def test_each_question_is_written_down_as_its_own(self, world: World, asker: Asker) -> None:
        person = someone(world)
        said = [("inspector-7", "дело № 1"), ("inspector.8@tax", "дело 2/3 (б)")]

        answers = [
            asker.ask(
                identifiers={"inn": person.inn},
                purpose=purpose,
                official=asker.official(sub=official),
            ).json()
            for official, purpose in said
        ]

        entries = logged(world, person.person_id)
        assert [(e.actor.official, e.stated_purpose) for e in entries] == said
        assert [str(e.entry_id) for e in entries] == [each["entry_id"] for each in answers]
        assert len({e.request_id for e in entries}) == len({e.subject for e in entries}) == 2

    def test_key_that_was_added_between_two_questions(self, world: World, asker: Asker) -> None:
        person, new = someone(world), OfficialKey(kid="new")
        assert asker.ask(identifiers={"inn": person.inn}).status_code == 200
        by_new = asker.official(key=new)
        assert asker.ask(identifiers={"inn": person.inn}, official=by_new).status_code == 403
        with world.session() as session:
            add_official_key(
                session, asker.agency_id, kid=new.kid, jwk=new.jwk, at=world.clock.now()
            )

        assert asker.ask(identifiers={"inn": person.inn}, official=by_new).status_code == 200

    def test_header_of_another_type_is_not_taken_for_one_that_was_good(self, asker: Asker) -> None:
        good = asker.official()
        assert asker.ask(identifiers={"inn": an_inn()}, official=good).status_code == 200
        head = asker.official(typ="JWT").split(".")[0]

        refused = asker.ask(
            identifiers={"inn": an_inn()},
            official=".".join([head, *asker.official().split(".")[1:]]),
        )

        assert refused.json()["code"] == "official_unproven"


class TestTogether:
    """The admission and the answer of a question that is compared are of one transaction."""

    def test_question_that_fails_spends_nothing(
        self, world: World, asker: Asker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        person = someone(world)
        headers = asker.headers(RESOLVE)
        made = asker.official()
        asked = {**LANES["compared"](person), "official": made, "headers": headers}

        def damaged(*_: object, **__: object) -> None:
            raise Undecryptable(reason="test")

        with monkeypatch.context() as broken:
            broken.setattr(answering, "find_outcomes", damaged)
            failed = asker.ask(**asked)

        again = [asker.ask(**asked).status_code for _ in range(2)]

        assert (failed.status_code, again) == (500, [200, 403])
        assert resolved(world, person) == 1

    def test_of_many_at_once_whose_first_fails_one_is_answered(
        self, world: World, asker: Asker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        person, made = someone(world), asker.official()
        question = {"legal_basis": BASIS, "purpose": PURPOSE, **LANES["compared"](person)}
        more = {"Civitas-Official": made, "Content-Type": "application/json"}
        calls = count()

        def damaged_once(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            if next(calls) == 0:
                raise Undecryptable(reason="test")
            return find_outcomes(*args, **kwargs)

        monkeypatch.setattr(answering, "find_outcomes", damaged_once)
        headers = [asker.headers(RESOLVE) | more for _ in range(12)]
        answers = world.post_at_once(RESOLVE, json.dumps(question).encode(), headers)

        statuses = sorted(each.status_code for each in answers)
        assert statuses == [200] + [403] * 10 + [500]
        assert resolved(world, person) == 1

    def test_refused_conversion_spends_nothing(self, world: World, asker: Asker) -> None:
        person = someone(world)
        pseudonym = asker.ask(identifiers={"inn": person.inn}).json()["pseudonym"]
        body = {"legal_basis": BASIS, "purpose": PURPOSE, "pseudonym": pseudonym}
        headers, made = asker.headers(CONVERT), asker.official()
        body["to_sector"] = "pension"
        refused = asker.post(CONVERT, body, official=made, headers=headers)
        asker.mandate("pseudonym:pension")

        again = [
            asker.post(CONVERT, body, official=made, headers=headers).status_code for _ in range(2)
        ]

        assert (refused.status_code, again) == (403, [200, 403])
