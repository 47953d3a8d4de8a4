"""An answer of an upstream provider counts once, and so does a confirmation."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import func, select

from idp.store.upstreams import list_accounts
from idp.tables import sign_in_sessions, upstream_links
from idp.upstream_client import UpstreamClient
from tests.idp.idp_world import NOON, Browser, IdpWorld
from tests.idp.regional_provider import RegionalProvider
from tests.idp.test_upstream import english, enter, link, sent_to, signed_in, through
from tests.races.test_idp_single_use import AT_ONCE, at_once

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def region(world: IdpWorld) -> RegionalProvider:
    enter(world)
    provider = RegionalProvider(now=lambda: NOON)
    provider.people["olga"] = {"acr": "high"}
    world.app.state.upstream_client = UpstreamClient(allows_http=True, transport=provider)
    return provider


def cookies(browser: Browser) -> str:
    return "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())


def test_one_of_forty_answers_signs_in(world: IdpWorld, region: RegionalProvider) -> None:
    person = world.someone()
    link(world, region, person)
    browser = english(world)
    location = region.authorize(sent_to(browser), "olga")
    before = sessions(world)
    region.asked.clear()

    answers = at_once(
        world,
        [{"method": "GET", "url": location, "headers": {"cookie": cookies(browser)}}] * AT_ONCE,
    )

    assert Counter(answer.status_code for answer in answers) == {303: 1, 410: AT_ONCE - 1}
    assert sessions(world) == before + 1
    assert [request.url.path for request in region.asked].count("/token") == 1


def test_one_of_forty_confirmations_connects(world: IdpWorld, region: RegionalProvider) -> None:
    browser = signed_in(world, world.someone())
    address = through(browser, region, start="/upstream/tver/connect").headers["location"]
    form_token = browser.form_token(browser.get(address))
    request: dict[str, Any] = {
        "method": "POST",
        "url": address,
        "data": {"form_token": form_token},
        "headers": {"cookie": cookies(browser), "origin": "http://localhost:8000"},
    }

    answers = at_once(world, [request] * AT_ONCE)

    assert Counter(answer.status_code for answer in answers) == {200: 1, 410: AT_ONCE - 1}
    with world.session() as session:
        assert session.scalar(select(func.count()).select_from(upstream_links)) == 1


def test_of_many_first_sign_ins_one_opens_an_account(
    world: IdpWorld, region: RegionalProvider
) -> None:
    """Each comes with a `sub` of its own: no unique key holds them apart."""
    person_id = world.a_person(snils="900-000-101 85")
    requests = []
    for number in range(8):
        region.people[f"olga-{number}"] = {"acr": "high", "snils": "900-000-101 85"}
        browser = english(world)
        location = region.authorize(sent_to(browser), f"olga-{number}")
        headers = {"cookie": cookies(browser)}
        requests.append({"method": "GET", "url": location, "headers": headers})

    answers = at_once(world, requests)

    assert {answer.status_code for answer in answers} == {303}
    assert [answer.headers["location"] for answer in answers].count("/account") == 1
    with world.session() as session:
        assert len(list_accounts(session, person_id)) == 1


def sessions(world: IdpWorld) -> int:
    with world.session() as session:
        return session.scalar(select(func.count()).select_from(sign_in_sessions)) or 0
