"""Link, new person, or ask: a number is evidence, not a key."""

from uuid import UUID

import pytest

from kernel.ids import PersonId
from population_register.identifiers import IdentifierKind
from population_register.linking import Agreement, Candidate, decide_link, weigh
from population_register.model import LinkOutcome

YES, NO, UNKNOWN = Agreement.AGREES, Agreement.DIFFERS, Agreement.UNKNOWN
LINKED, NEW, ASK = LinkOutcome.LINKED, LinkOutcome.NEW, LinkOutcome.ASK
SNILS, INN = IdentifierKind.SNILS, IdentifierKind.INN


def a_candidate(
    birthdate: Agreement,
    family_name: Agreement,
    given_name: Agreement,
    *kinds: IdentifierKind,
    number: int = 1,
) -> Candidate:
    return Candidate(
        person_id=PersonId(UUID(int=number)),
        identifiers=frozenset(kinds or {SNILS}),
        birthdate=birthdate,
        family_name=family_name,
        given_name=given_name,
    )


@pytest.mark.parametrize(
    ("agreements", "kinds", "outcome"),
    [
        pytest.param((YES, YES, YES), (), LINKED, id="all agrees"),
        pytest.param((YES, NO, YES), (), LINKED, id="a woman who changed her name"),
        pytest.param((YES, YES, NO), (), LINKED, id="a given name spelled otherwise"),
        pytest.param((YES, UNKNOWN, UNKNOWN), (), LINKED, id="no name told"),
        pytest.param((YES, NO, NO), (), ASK, id="same day, another name"),
        pytest.param((YES, NO, UNKNOWN), (), ASK, id="same day, another family name"),
        pytest.param((NO, YES, YES), (), ASK, id="father and son, or day and month swapped"),
        pytest.param((NO, YES, NO), (), NEW, id="a relative with somebody's number"),
        pytest.param((NO, NO, NO), (), NEW, id="a number that several people share"),
        pytest.param((NO, UNKNOWN, UNKNOWN), (), NEW, id="only the day, and it differs"),
        pytest.param((UNKNOWN, YES, YES), (), LINKED, id="no day told"),
        pytest.param((UNKNOWN, UNKNOWN, UNKNOWN), (), ASK, id="one number alone"),
        pytest.param((UNKNOWN, UNKNOWN, UNKNOWN), (SNILS, INN), LINKED, id="two numbers alone"),
        pytest.param((UNKNOWN, YES, NO), (), ASK, id="half a name"),
        pytest.param((UNKNOWN, NO, NO), (), NEW, id="another name"),
    ],
)
def test_agreement_decides_whether_a_number_is_believed(
    agreements: tuple[Agreement, Agreement, Agreement],
    kinds: tuple[IdentifierKind, ...],
    outcome: LinkOutcome,
) -> None:
    assert weigh(a_candidate(*agreements, *kinds)) is outcome


def test_nobody_shares_a_number_with_a_new_person() -> None:
    decision = decide_link([])

    assert (decision.outcome, decision.person_id, decision.candidates) == (NEW, None, ())


def test_the_one_who_passes_is_linked_beside_others_who_do_not() -> None:
    other = a_candidate(NO, NO, NO, number=1)
    right = a_candidate(YES, YES, YES, number=2)

    decision = decide_link([right, other])

    assert (decision.outcome, decision.person_id) == (LINKED, right.person_id)
    assert decision.candidates == (other, right)


def test_two_who_pass_are_for_a_human() -> None:
    decision = decide_link([a_candidate(YES, YES, YES, number=n) for n in (1, 2)])

    assert (decision.outcome, decision.person_id) == (ASK, None)


def test_order_of_candidates_does_not_matter() -> None:
    candidates = [
        a_candidate(NO, YES, YES, number=1),
        a_candidate(YES, YES, YES, number=2),
        a_candidate(NO, NO, NO, number=3),
    ]

    assert decide_link(candidates) == decide_link(reversed(candidates))


def test_evidence_names_fields_and_no_values() -> None:
    evidence = a_candidate(YES, NO, UNKNOWN, SNILS, INN).evidence()

    assert evidence == {
        "person_id": str(UUID(int=1)),
        "identifiers": ["inn", "snils"],
        "birthdate": "agrees",
        "family_name": "differs",
        "given_name": "unknown",
    }
