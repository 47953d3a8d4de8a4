"""What a person allowed a partner through the back channel is fetched once."""

import pytest

from idp.grant_types import CIBA_GRANT
from idp.hot.backchannel_authentication import MOST_WAITING
from tests.idp.idp_world import IdpWorld
from tests.idp.test_ciba import a_client, answer_it, ask_form, begin
from tests.races.test_idp_single_use import AT_ONCE, at_once, post, statuses

pytestmark = pytest.mark.timeout(60)


@pytest.mark.spec("CIBA-11")
def test_one_of_forty_polls_gets_the_tokens(world: IdpWorld) -> None:
    client, person = a_client(world), world.someone()
    auth_req_id = begin(client, person)["auth_req_id"]
    answer_it(world, person)
    form = {"grant_type": CIBA_GRANT, "auth_req_id": auth_req_id}

    answers = at_once(world, [post(client, "/token", form) for _ in range(AT_ONCE)])

    assert statuses(answers) == {200: 1, 400: AT_ONCE - 1}
    assert {a.json()["error"] for a in answers if a.status_code == 400} == {"invalid_grant"}


@pytest.mark.parametrize("hint", ["a person", "nobody"])
def test_of_forty_requests_as_many_wait_as_may(world: IdpWorld, hint: str) -> None:
    client, person = a_client(world), world.someone()
    form = ask_form(login_hint=person.username if hint == "a person" else "nobody-at-all")

    answers = at_once(
        world, [post(client, "/backchannel_authentication", form) for _ in range(AT_ONCE)]
    )

    assert statuses(answers) == {200: MOST_WAITING, 429: AT_ONCE - MOST_WAITING}
