"""A code of an official opens one session, however many send it at the same time."""

import pytest
from sqlalchemy import func, select

from idp.operators import OperatorRole
from idp.passwords import PROFILES, PasswordHasher
from idp.second_factor import code_at, new_secret
from idp.service.operators import add_operator, verify_operator
from idp.service.second_factors import enrol
from idp.tables import operator_sessions
from kernel.secret import Secret
from tests.idp.idp_world import IdpWorld
from tests.races.test_idp_single_use import AT_ONCE, at_once, statuses

pytestmark = pytest.mark.timeout(60)

PASSWORD = Secret("seventeen quiet lanterns")


@pytest.mark.spec("RFC6238-5.2")
@pytest.mark.parametrize("waiting", [1, AT_ONCE], ids=["one sign-in", "forty sign-ins"])
def test_one_of_forty_codes_opens_the_desk(world: IdpWorld, waiting: int) -> None:
    name, secret, hasher = f"official-{waiting}", new_secret(), PasswordHasher(PROFILES["test"])
    at = world.clock.now()
    with world.session() as session:
        add_operator(
            session, world.keyring, hasher, operator_id=name, name=name,
            roles=[OperatorRole.CLERK], password=PASSWORD, at=at,
        )  # fmt: skip
        assert enrol(session, world.keyring, name, secret, at=at)
        carried = [
            verify_operator(
                session, world.keyring, hasher, operator_id=name, password=PASSWORD,
                address="192.0.2.7", at=at,
            ).reveal()
            for _ in range(waiting)
        ]  # fmt: skip
    browser = world.browser()
    token = browser.form_token(browser.get("/desk/sign-in"))
    cookies = "; ".join(f"{each}={value}" for each, value in browser.http.cookies.items())
    prefix = "__Host-" if any(each.startswith("__Host-") for each in browser.http.cookies) else ""

    answers = at_once(
        world,
        [
            {
                "method": "POST",
                "url": "/desk/code",
                "data": {"form_token": token, "code": code_at(secret, at=at)},
                "headers": {
                    "Cookie": f"{cookies}; {prefix}civitas_desk_sign_in={carried[number % waiting]}"
                },
            }
            for number in range(AT_ONCE)
        ],
    )

    assert statuses(answers) == {303: 1, 401: AT_ONCE - 1}
    with world.session() as session:
        opened = select(func.count()).where(operator_sessions.c.operator_id == name)
        assert session.scalar(opened) == 1
