"""A stronger or later sign-in where an item needs it (RFC 9470); where the API is described."""

import pytest

from consent.api import ITEMS, Sensitivity
from idp.api import AssuranceLevel
from partner_api.step_up import MONTH, REQUIREMENTS, requirement_of
from tests.partner_api.partner_world import DOCUMENTS, ISSUER, NOON, PERSON, World

SIMPLIFIED, STANDARD, CONFIRMED = (level.acr for level in AssuranceLevel)
LONG_AGO = int((NOON - MONTH).timestamp()) - 1
METADATA = "/.well-known/oauth-protected-resource/partner/v1"


@pytest.mark.spec("RFC9470-3")
@pytest.mark.parametrize(
    ("path", "change", "challenge"),
    [
        (f"{PERSON}?items=inn", {"acr": SIMPLIFIED}, f'acr_values="{STANDARD} {CONFIRMED}"'),
        (f"{PERSON}?items=family_name,snils", {"acr": SIMPLIFIED}, "acr_values="),
        (f"{PERSON}?items=inn", {"acr": "urn:elsewhere:high"}, "acr_values="),
        (f"{PERSON}?items=inn", {"acr": None}, "acr_values="),
        (f"{DOCUMENTS}?items=document:ct_scan", {"acr": STANDARD}, f'acr_values="{CONFIRMED}"'),
        (f"{DOCUMENTS}?items=document:ct_scan", {"auth_time": LONG_AGO}, 'max_age="2592000"'),
        (f"{DOCUMENTS}?items=document:ct_scan", {"auth_time": None}, 'max_age="2592000"'),
    ],
)
def test_weaker_sign_in_is_challenged(
    world: World, path: str, change: dict[str, object], challenge: str
) -> None:
    access = world.a_grant(change=change)
    world.consent(access)

    answer = world.get(access, path)

    assert answer.status_code == 401, answer.text
    said = answer.headers["www-authenticate"]
    assert said.startswith("DPoP ")
    assert 'error="insufficient_user_authentication"' in said
    assert challenge in said
    assert answer.json()["code"] == "insufficient_user_authentication"


@pytest.mark.spec("RFC9470-3")
def test_both_are_said_when_both_are_wanted(world: World) -> None:
    access = world.a_grant(change={"acr": SIMPLIFIED, "auth_time": LONG_AGO})
    world.consent(access)

    said = world.get(access, f"{DOCUMENTS}?items=document:ct_scan").headers["www-authenticate"]

    assert f'acr_values="{CONFIRMED}"' in said
    assert 'max_age="2592000"' in said


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (f"{PERSON}?items=family_name,over_18", {"acr": SIMPLIFIED, "auth_time": LONG_AGO}),
        (f"{PERSON}?items=inn", {"acr": STANDARD, "auth_time": LONG_AGO}),
        (f"{DOCUMENTS}?items=document:ct_scan", {"acr": CONFIRMED, "auth_time": LONG_AGO + 1}),
    ],
)
def test_sign_in_that_is_enough(world: World, path: str, change: dict[str, object]) -> None:
    access = world.a_grant(change=change)
    world.consent(access)

    answer = world.get(access, path)

    assert answer.status_code == 200, answer.text


def test_nothing_is_read_and_no_use_is_spent(world: World) -> None:
    access = world.a_grant(change={"acr": SIMPLIFIED})
    world.consent(access)

    world.get(access, f"{PERSON}?items=inn")

    assert world.logged(access) == []


def test_most_that_one_item_needs() -> None:
    assert requirement_of([]) == REQUIREMENTS[Sensitivity.ORDINARY]
    assert requirement_of(ITEMS) == REQUIREMENTS[Sensitivity.SPECIAL]


@pytest.mark.parametrize("sensitivity", list(Sensitivity))
def test_every_sensitivity_has_its_requirement(sensitivity: Sensitivity) -> None:
    assert REQUIREMENTS[sensitivity].level in AssuranceLevel


@pytest.mark.spec("RFC9728-2")
def test_metadata_says_what_a_client_needs(world: World) -> None:
    document = world.http.get(METADATA).json()

    assert document["resource"] == f"{ISSUER}/partner/v1"
    assert document["authorization_servers"] == [ISSUER]
    assert document["bearer_methods_supported"] == ["header"]
    assert document["dpop_bound_access_tokens_required"] is True
    assert "ES256" in document["dpop_signing_alg_values_supported"]
    assert document["tls_client_certificate_bound_access_tokens"] is False
    assert document["authorization_details_types_supported"] == ["civitas_disclosure"]


@pytest.mark.spec("RFC9728-3.3")
def test_resource_is_what_its_address_says(world: World) -> None:
    resource = world.http.get(METADATA).json()["resource"]

    path = resource.removeprefix(ISSUER)
    assert f"/.well-known/oauth-protected-resource{path}" == METADATA


@pytest.mark.spec("RFC9728-5.1")
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}])
def test_challenge_names_the_metadata(world: World, headers: dict[str, str]) -> None:
    answer = world.http.get(PERSON, headers=headers)

    assert answer.status_code == 401
    assert f'resource_metadata="{ISSUER}{METADATA}"' in answer.headers["www-authenticate"]
