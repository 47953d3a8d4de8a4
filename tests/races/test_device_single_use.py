"""What a person allowed a device is fetched once, and decided once."""

import pytest

from idp.grant_types import DEVICE_GRANT
from tests.idp.idp_world import IdpWorld
from tests.idp.test_device import GRANTS, address_of, begin, decide, signed_in
from tests.races.test_idp_single_use import AT_ONCE, at_once, post, statuses

pytestmark = pytest.mark.timeout(60)


@pytest.mark.spec("RFC8628-3.5")
@pytest.mark.parametrize("method", ["none", "private_key_jwt"])
def test_one_of_forty_polls_gets_the_tokens(world: IdpWorld, method: str) -> None:
    device = world.a_relying_party(method=method, grant_types=GRANTS)
    started = begin(device)
    decide(signed_in(world, world.someone()), address_of(started))
    form = {"grant_type": DEVICE_GRANT, "device_code": started["device_code"]}

    answers = at_once(world, [post(device, "/token", form) for _ in range(AT_ONCE)])

    assert statuses(answers) == {200: 1, 400: AT_ONCE - 1}
    assert {a.json()["error"] for a in answers if a.status_code == 400} == {"invalid_grant"}


def test_one_of_forty_decisions_counts(world: IdpWorld) -> None:
    device = world.a_relying_party(method="none", grant_types=GRANTS)
    started = begin(device)
    browser = signed_in(world, world.someone())
    page = browser.get(address_of(started))
    cookies = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
    form = {
        "shown": browser.hidden(page, "shown"),
        "form_token": browser.form_token(page),
    }
    requests = [
        {
            "method": "POST",
            "url": address_of(started),
            "data": form | {"decision": "allow" if number % 2 else "deny"},
            "headers": {"Cookie": cookies},
        }
        for number in range(AT_ONCE)
    ]

    answers = at_once(world, requests)

    assert statuses(answers) == {200: 1, 404: AT_ONCE - 1}
