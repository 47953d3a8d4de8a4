"""What can be used once is used once, by however many at the same time."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import func, select

from idp.service import administration
from idp.tables import authorization_codes, refresh_tokens
from kernel.secret import b64url, sha256
from tests.idp.idp_world import (
    ISSUER,
    NOON,
    REDIRECT_URI,
    IdpWorld,
    RelyingParty,
    parameters_of,
)

AT_ONCE = 40

pytestmark = pytest.mark.timeout(60)


def at_once(world: IdpWorld, requests: Sequence[Mapping[str, Any]]) -> list[httpx.Response]:
    """Send many requests at the same time."""

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=world.app)
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as client:
            return list(await asyncio.gather(*(client.request(**each) for each in requests)))

    return world.portal.call(send)


def post(
    client: RelyingParty, path: str, form: Mapping[str, str], *, proof: str | None = None
) -> dict[str, Any]:
    """Return a POST of its own: with a fresh assertion, and a fresh proof if none is given."""
    fields, headers = client.authentication()
    if client.dpop_key is not None:
        headers = {**headers, "DPoP": proof or client.proof(path)}
    return {
        "method": "POST",
        "url": path,
        "content": urlencode(dict(form) | fields),
        "headers": {"Content-Type": "application/x-www-form-urlencoded", **headers},
    }


def statuses(answers: Sequence[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


@pytest.mark.spec("RFC6749-4.1.2")
@pytest.mark.parametrize("kind", ["secret", "fapi2"])
def test_one_of_forty_redeems_a_code(world: IdpWorld, kind: str) -> None:
    client = world.a_relying_party() if kind == "secret" else world.a_fapi2_client()
    verifier = client.verifier()
    form = {
        "grant_type": "authorization_code",
        "code": client.code(world.someone(), verifier, scope="openid offline_access"),
        "redirect_uri": REDIRECT_URI,
        "code_verifier": verifier,
    }

    answers = at_once(world, [post(client, "/token", form) for _ in range(AT_ONCE)])

    assert statuses(answers) == {200: 1, 400: AT_ONCE - 1}
    assert {a.json()["error"] for a in answers if a.status_code == 400} == {"invalid_grant"}
    winner = next(answer for answer in answers if answer.status_code == 200).json()
    # The others were reuse: what the code bought is revoked.
    assert client.refresh(winner["refresh_token"]).status_code == 400
    with world.session() as session:
        stored = session.scalar(
            select(func.count())
            .select_from(refresh_tokens)
            .where(refresh_tokens.c.client_id == client.client_id)
        )
    assert stored == 1


@pytest.mark.spec("RFC9700-4.14.2")
def test_one_of_forty_rotates_a_refresh_token(world: IdpWorld) -> None:
    client = world.a_relying_party()
    tokens = client.tokens(world.someone(), scope="openid offline_access")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    answers = at_once(world, [post(client, "/token", form) for _ in range(AT_ONCE)])

    assert statuses(answers) == {200: 1, 400: AT_ONCE - 1}
    winner = next(answer for answer in answers if answer.status_code == 200).json()
    assert client.refresh(winner["refresh_token"]).status_code == 400  # reuse revoked the family


@pytest.mark.spec("RFC9700-4.14.2")
def test_forty_of_one_key_get_one_successor(world: IdpWorld) -> None:
    client = world.a_relying_party(method="none", dpop=True)
    tokens = client.tokens(world.someone(), scope="openid offline_access")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    answers = at_once(world, [post(client, "/token", form) for _ in range(AT_ONCE)])

    assert statuses(answers) == {200: AT_ONCE}
    successors = {answer.json()["refresh_token"] for answer in answers}
    assert len(successors) == 1
    assert client.refresh(successors.pop()).status_code == 200


@pytest.mark.spec("RFC7523-3")
@pytest.mark.parametrize("path", ["/token", "/par", "/introspect", "/revoke"])
def test_one_of_forty_authenticates_with_an_assertion(world: IdpWorld, path: str) -> None:
    client = world.a_relying_party(method="private_key_jwt")
    form: dict[str, str] = {
        "/token": {"grant_type": "client_credentials"},
        "/par": client.parameters(),
        "/introspect": {"token": "x"},
        "/revoke": {"token": "x"},
    }[path]
    one = post(client, path, form)

    answers = at_once(world, [one] * AT_ONCE)

    assert sorted(statuses(answers).values()) == [1, AT_ONCE - 1]
    assert statuses(answers)[401] == AT_ONCE - 1


@pytest.mark.spec("RFC9449-11.1")
def test_one_of_forty_uses_a_proof_at_the_token_endpoint(world: IdpWorld) -> None:
    client = world.a_relying_party(dpop=True)
    proof = client.proof()
    form = {"grant_type": "client_credentials"}

    answers = at_once(world, [post(client, "/token", form, proof=proof) for _ in range(AT_ONCE)])

    assert statuses(answers) == {200: 1, 400: AT_ONCE - 1}


@pytest.mark.spec("RFC9449-11.1")
@pytest.mark.parametrize("scope", ["openid", "openid profile"])
def test_one_of_forty_uses_a_proof_at_userinfo(world: IdpWorld, scope: str) -> None:
    client = world.a_relying_party(dpop=True)
    token = client.tokens(world.someone(), scope=scope)["access_token"]
    proof = client.proof("/userinfo", htm="GET", ath=b64url(sha256(token.encode())))
    one = {
        "method": "GET",
        "url": "/userinfo",
        "headers": {"Authorization": f"DPoP {token}", "DPoP": proof},
    }

    answers = at_once(world, [one] * AT_ONCE)

    assert statuses(answers) == {200: 1, 401: AT_ONCE - 1}


@pytest.mark.spec("RFC9126-7.3")
def test_one_of_many_tabs_uses_a_request_uri_up(world: IdpWorld) -> None:
    client, person, browser = world.a_relying_party(), world.someone(), world.browser()
    browser.authorize(client.url(), person)
    url = client.pushed_url()
    addresses = [browser.get(url).headers["location"] for _ in range(AT_ONCE)]
    cookies = "; ".join(f"{name}={value}" for name, value in dict(browser.http.cookies).items())

    answers = at_once(
        world,
        [{"method": "GET", "url": each, "headers": {"Cookie": cookies}} for each in addresses],
    )

    found = [parameters_of(answer.headers["location"]) for answer in answers]
    assert Counter(each.get("error", "code") for each in found) == {
        "code": 1,
        "invalid_request_uri": AT_ONCE - 1,
    }


def test_one_of_many_presses_answers_an_interaction(world: IdpWorld) -> None:
    client, person, browser = world.a_relying_party(), world.someone(), world.browser()
    browser.authorize(client.url(), person)
    address = browser.get(client.url()).headers["location"]
    cookies = "; ".join(f"{name}={value}" for name, value in dict(browser.http.cookies).items())

    answers = at_once(
        world,
        [{"method": "GET", "url": address, "headers": {"Cookie": cookies}}] * AT_ONCE,
    )

    assert statuses(answers) == {303: 1, 410: AT_ONCE - 1}
    with world.session() as session:
        codes = session.scalar(
            select(func.count())
            .select_from(authorization_codes)
            .where(authorization_codes.c.client_id == client.client_id)
        )
    assert codes == 2


@pytest.mark.spec("RFC7591-3")
@pytest.mark.parametrize("uses", [1, 3])
def test_as_many_of_forty_register_as_an_initial_access_token_says(
    world: IdpWorld, uses: int
) -> None:
    partner_id = f"racing-bank-{uses}"
    with world.session() as session:
        administration.add_partner(session, partner_id=partner_id, name="Банк", at=NOON)
        token = administration.issue_initial_access_token(
            session, partner_id=partner_id, uses=uses, at=NOON
        )
    one = {
        "method": "POST",
        "url": "/register",
        "json": {"redirect_uris": [REDIRECT_URI]},
        "headers": {"Authorization": f"Bearer {token.reveal()}"},
    }

    answers = at_once(world, [one] * AT_ONCE)

    assert statuses(answers) == {201: uses, 401: AT_ONCE - uses}


@pytest.mark.spec("RFC7662-2.2")
def test_each_of_forty_that_introspect_is_told_about_its_own_token(world: IdpWorld) -> None:
    """They are looked up together."""
    ours, other, gone = (world.a_relying_party() for _ in range(3))
    live = [ours.tokens(world.someone())["access_token"] for _ in range(2)]
    own = ours.post("/token", {"grant_type": "client_credentials"}).json()["access_token"]
    revoked, ended = (ours.tokens(world.someone(), scope="openid offline_access") for _ in range(2))
    ours.post("/revoke", {"token": revoked["access_token"]})
    ours.post("/revoke", {"token": ended["refresh_token"]})  # and so the whole grant
    dead = gone.tokens(world.someone())["access_token"]
    with world.session() as session:
        administration.disable_client(session, gone.client_id, at=NOON)
    asked = [
        *((ours, token, 200, True) for token in (*live, own)),
        *((ours, each["access_token"], 200, False) for each in (revoked, ended)),
        (other, live[0], 200, False),
        (gone, dead, 401, None),
    ] * 6

    answers = at_once(
        world, [post(client, "/introspect", {"token": token}) for client, token, _, _ in asked]
    )

    told = [(answer.status_code, answer.json().get("active")) for answer in answers]
    assert told == [(status, active) for _, _, status, active in asked]
