"""Who is who, as feeds tell it: each story through the register itself, in both orders."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy.orm import Session

from kernel.ids import AgencyId
from kernel.keyring import Keyring
from population_register.model import Accepted
from population_register.service.accepting import accept_records
from population_register.service.groups import members_of
from tests.population_register.register_builders import NOON, a_record

pytestmark = [pytest.mark.db, pytest.mark.usefixtures("agencies")]

HOME = {
    "registration_address": {
        "formatted": "171640, Кашин, ул. Садовая, 5, 12",
        "postal_code": "171640",
        "region": "Тверская область",
        "locality": "Кашин",
        "street": "ул. Садовая",
        "house": "5",
        "flat": "12",
    }
}
ULIANA: dict[str, Any] = {
    "family_name": "Воробьёва",
    "given_name": "Ульяна",
    "middle_name": "Кирилловна",
    "birthdate": "1984-05-07",
    "gender": "female",
    "snils": "112-233-445 95",
}
HUSBAND: dict[str, Any] = {
    "family_name": "Воробьёв",
    "given_name": "Олег",
    "middle_name": "Павлович",
    "birthdate": "1981-03-08",
    "gender": "male",
    "snils": "900-000-001 82",
}
ALBINA: dict[str, Any] = {
    "family_name": "Щукина",
    "given_name": "Юлия",
    "birthdate": "1990-10-21",
    "citizenships": ["KGZ"],
    "foreign_passport": {"issuing_state": "KGZ", "number": "AC1234567"},
}


def without(person: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in person.items() if name not in names}


ONE_PERSON = {
    "a-woman-who-changed-her-name": [ULIANA, {**ULIANA, "family_name": "Лукина"}],
    "day-and-month-swapped": [ULIANA, {**ULIANA, "birthdate": "1984-07-05"}],
    "day-and-month-swapped-without-a-number": [
        without(ULIANA, "snils"),
        {**without(ULIANA, "snils"), "birthdate": "1984-07-05"},
    ],
    "a-transliterated-foreigner": [
        ALBINA,
        {**ALBINA, "family_name": "SHCHUKINA", "given_name": "YULIYA"},
        {**ALBINA, "family_name": "SHCHUKINA", "given_name": "IULIIA"},
    ],
    "one-person-with-two-numbers": [
        {**ULIANA, **HOME},
        {**ULIANA, **HOME, "snils": "900-000-002 83"},
    ],
    "a-short-form-and-a-slip": [
        ULIANA,
        {**ULIANA, "given_name": "Уля", "family_name": "Варобьева"},
    ],
}
TWO_PEOPLE = {
    "household-members": [{**ULIANA, **HOME}, {**HUSBAND, **HOME}],
    "twins": [
        {**ULIANA, **HOME},
        {**ULIANA, **HOME, "given_name": "Василиса", "snils": "900-000-002 83"},
    ],
    "twins-without-numbers": [
        {**without(ULIANA, "snils"), **HOME},
        {**without(ULIANA, "snils"), **HOME, "given_name": "Василиса"},
    ],
    "father-and-son-of-the-same-name": [
        {**HUSBAND, **HOME, "middle_name": "Олегович"},
        {**HUSBAND, **HOME, "middle_name": "Олегович", "birthdate": "2006-09-30",
         "snils": "900-000-002 83"},
    ],
    "two-people-with-one-number": [ULIANA, {**HUSBAND, "snils": ULIANA["snils"]}],
    "a-wife-with-her-husband-s-number": [
        {**ULIANA, **HOME},
        {**HUSBAND, **HOME, "snils": ULIANA["snils"]},
    ],
}  # fmt: skip


def people(session: Session, keyring: Keyring, said: Sequence[dict[str, Any]]) -> int:
    """Take records in, one by one; return how many people they are about."""
    persons = []
    for number, attributes in enumerate(said):
        record = a_record("health", str(number), attributes=attributes)
        (outcome,) = accept_records(session, keyring, AgencyId("health"), [record], at=NOON)
        assert isinstance(outcome, Accepted)
        persons.append(outcome.person_id)
    return len({members_of(session, person_id) for person_id in persons})


@pytest.mark.parametrize("is_turned", [False, True], ids=["in-order", "turned"])
@pytest.mark.parametrize("story", ONE_PERSON.values(), ids=ONE_PERSON)
def test_one_person(
    session: Session, keyring: Keyring, story: list[dict[str, Any]], *, is_turned: bool
) -> None:
    assert people(session, keyring, story[::-1] if is_turned else story) == 1


@pytest.mark.parametrize("is_turned", [False, True], ids=["in-order", "turned"])
@pytest.mark.parametrize("story", TWO_PEOPLE.values(), ids=TWO_PEOPLE)
def test_two_people(
    session: Session, keyring: Keyring, story: list[dict[str, Any]], *, is_turned: bool
) -> None:
    assert people(session, keyring, story[::-1] if is_turned else story) == 2
