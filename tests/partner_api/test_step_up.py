"""A stronger or later sign-in where an item needs it (RFC 9470); where the API is described."""

from datetime import datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.api import ITEMS, Sensitivity
from idp.api import AssuranceLevel, InsufficientUserAuthentication, VerifiedToken
from kernel.ids import ClientId, PartnerId
from partner_api.step_up import (
    MONTH,
    REQUIREMENTS,
    Requirement,
    check_authentication,
    enough_until,
    requirement_of,
)
from tests.partner_api.partner_world import DOCUMENTS, ISSUER, NOON, PERSON, World

SIMPLIFIED, STANDARD, CONFIRMED = (level.acr for level in AssuranceLevel)
LONG_AGO = int((NOON - MONTH).timestamp()) - 1
A_TOKEN = partial(
    VerifiedToken,
    client_id=ClientId("bank"),
    partner_id=PartnerId("bank"),
    sub="sub",
    audience=(),
    scope=(),
    claims=(),
    grant_id=None,
    disclosures=(),
    jkt=None,
    token_digest=b"",
    issued_at=NOON,
    expires_at=NOON,
)
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


@pytest.mark.spec("RFC9470-3")
def test_sign_in_that_was_enough_a_moment_ago(world: World) -> None:
    """What is remembered of a token and what it may read does not outlive the sign-in."""
    path = f"{DOCUMENTS}?items=document:ct_scan"
    access = world.a_grant(change={"auth_time": LONG_AGO + 2})
    world.consent(access)
    assert world.get(access, path).status_code == 200

    world.clock.advance(timedelta(seconds=1))

    assert 'max_age="2592000"' in world.get(access, path).headers["www-authenticate"]


@given(
    acr=st.sampled_from([None, "urn:elsewhere:high", SIMPLIFIED, STANDARD, CONFIRMED]),
    auth_time=st.none() | st.just(NOON),
    needed=st.sampled_from(list(REQUIREMENTS.values())),
    later=st.timedeltas(timedelta(0), timedelta(days=90))
    | st.sampled_from([MONTH, MONTH + timedelta(microseconds=1)]),
)
def test_until_when_it_is_enough(
    acr: str | None, auth_time: datetime | None, needed: Requirement, later: timedelta
) -> None:
    token = A_TOKEN(acr=acr, auth_time=auth_time)
    at = NOON + later
    try:
        check_authentication(token, needed, at=at)
    except InsufficientUserAuthentication:
        is_enough = False
    else:
        is_enough = True

    assert (at <= enough_until(token, needed)) is is_enough


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
