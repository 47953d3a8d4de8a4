"""Promises that only show when everything runs together."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
import pytest

from app.demo.browser import Browser, Page
from app.demo.instance import Instance
from app.demo.named_people import DEMO_PEOPLE
from app.demo.relying_party import Refused, SignedIn
from tests.journeys.partners import Partner, enter_partner

pytestmark = [
    pytest.mark.slow,
    pytest.mark.db,
    pytest.mark.timeout(300),
    pytest.mark.anyio,
]

ALEXEY = {"username": DEMO_PEOPLE[1].username, "password": DEMO_PEOPLE[1].password}

DISCLOSURE = {
    "purpose": "credit_assessment",
    "items": ["birthdate", "over_18", "document:income_certificate"],
    "expires_in_days": 2,
}

READERS = 8
"""How many read at once while the person withdraws."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def texts(value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON
    """Yield every text and number in a JSON value."""
    match value:
        case dict():
            for part in value.values():
                yield from texts(part)
        case list():
            for part in value:
                yield from texts(part)
        case _:
            yield str(value)


async def everything_seen_by(partner: Partner, signed_in: SignedIn) -> set[str]:
    """Return all that a partner learns of a person beside the attributes that it was given.

    But not when: whoever reads in the same second knows the same second.
    """
    relying_party = partner.relying_party
    person = {**await relying_party.read_person(signed_in), "attributes": None, "iat": None}
    documents = await relying_party.list_documents(signed_in)
    seen = {signed_in.sub, *texts(person), *texts(documents)}
    for document in documents:
        async with relying_party.open_document(signed_in, document["id"]) as response:
            await response.aread()
            seen |= {value for name, value in response.headers.items() if name != "date"}
    return seen


@pytest.fixture(scope="module")
async def two_partners(instance: Instance) -> AsyncIterator[tuple[Partner, Partner]]:
    yield await enter_partner(instance, "first-shop"), await enter_partner(instance, "second-shop")
    await anyio.to_thread.run_sync(withdraw_everything, instance)  # others use the instance too


async def test_two_partners_have_nothing_in_common_but_what_both_were_given(
    instance: Instance, two_partners: tuple[Partner, Partner]
) -> None:
    """Promise 4: no identifier of ours is shared between two recipients."""
    anna = [
        await everything_seen_by(p, await p.sign_in(instance.people[0], DISCLOSURE))
        for p in two_partners
    ]
    # What both know of somebody else too says nothing about Anna: names of fields, headers, keys.
    first = two_partners[0]
    others = await everything_seen_by(first, await first.sign_in(ALEXEY, DISCLOSURE))

    in_common = {text for text in anna[0] & anna[1] if not text.isdigit() or len(text) > 6}
    assert in_common - others == set()


@dataclass(frozen=True)
class Race:
    """What came of readers that did not pause while the person withdrew."""

    late_reads: list[str]
    refusals_in_the_log: int


@pytest.fixture(scope="module")
async def race(instance: Instance, two_partners: tuple[Partner, Partner]) -> Race:
    partner = two_partners[0]
    signed_in = await partner.sign_in(instance.people[0], DISCLOSURE)
    withdrawn = anyio.Event()
    late_reads: list[str] = []

    async def keep_reading() -> None:
        while True:
            began_late = withdrawn.is_set()
            try:
                await partner.relying_party.read_person(signed_in)
            except Refused as refused:
                late_reads.append(refused.code)
                return
            else:
                if began_late:
                    late_reads.append("read")
                    return

    async def take_it_back() -> None:
        await anyio.sleep(0.2)
        await anyio.to_thread.run_sync(withdraw_everything, instance)
        withdrawn.set()

    async with anyio.create_task_group() as group:
        for _ in range(READERS):
            group.start_soon(keep_reading)
        group.start_soon(take_it_back)
    with signed_in_at(instance, "/account/log") as (_, page):
        return Race(late_reads, page.response.text.count("civitas-card--refused"))


async def test_read_that_starts_after_the_withdrawal_is_refused_however_many_run(
    race: Race,
) -> None:
    """Promise 2."""
    assert race.late_reads == ["consent_withdrawn"] * READERS


async def test_every_refused_read_of_the_race_is_in_the_log(race: Race) -> None:
    """Promise 1 holds for refusals too."""
    assert race.refusals_in_the_log >= READERS


@contextmanager
def signed_in_at(instance: Instance, path: str) -> Iterator[tuple[Browser, Page]]:
    """Open a page of the portal in a new browser, and sign the first person in."""
    browser = Browser()
    page = browser.open(f"{instance.issuer}{path}")
    person = instance.people[0]
    page = browser.sign_in(page, str(person["username"]), str(person["password"]))
    assert page.url == f"{instance.issuer}{path}"
    yield browser, page
    browser.close()


def withdraw_everything(instance: Instance) -> None:
    """Withdraw every live consent of the first person in the portal."""
    with signed_in_at(instance, "/account/consents") as (browser, consents):
        page = consents
        while "/withdraw" in page.response.text:
            page = browser.open(instance.issuer + page.link_to("/withdraw").href)
            browser.send(page, page.form_to("/withdraw"))
            page = browser.open(f"{instance.issuer}/account/consents")


async def test_token_of_one_partner_is_worth_nothing_to_another(
    instance: Instance, two_partners: tuple[Partner, Partner]
) -> None:
    first, second = two_partners
    signed_in = await first.sign_in(instance.people[0], DISCLOSURE)

    with pytest.raises(Refused) as stolen:
        await second.relying_party.read_person(signed_in)

    assert stolen.value.status == 401
    assert stolen.value.code in {"invalid_token", "invalid_dpop_proof"}


async def test_denied_person_leaves_the_partner_with_nothing(
    instance: Instance, two_partners: tuple[Partner, Partner]
) -> None:
    withdraw_everything(instance)

    with pytest.raises(Refused, match="access_denied"):
        await two_partners[1].sign_in(instance.people[0], DISCLOSURE, decision="deny")


async def test_metadata_leads_from_the_issuer_to_every_address(instance: Instance) -> None:
    """A partner needs to be told one thing: the issuer."""
    async with httpx2.AsyncClient() as http:
        metadata = (await http.get(f"{instance.issuer}/.well-known/openid-configuration")).json()
        for name, address in metadata.items():
            if name.endswith(("_uri", "_endpoint")):
                assert address.startswith(f"{instance.issuer}/"), name
                response = await http.get(address)
                assert response.status_code != 404, address
