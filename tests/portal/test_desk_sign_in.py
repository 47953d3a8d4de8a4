"""The door of the desk: password, code, and what keeps others out."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select, update
from typing_extensions import override

from app.main import create_app
from idp.api import (
    PasswordHasher,
    change_operator_password,
    disable_operator,
    reset_second_factor,
)
from idp.cookies import KNOWN_DESK_BROWSER_COOKIE
from idp.errors import NoSecondFactor, OperatorSignInFailed, UnknownOperator
from idp.operators import CODE_WITHIN, SESSION, SESSION_IDLE
from idp.passwords import PROFILES
from idp.second_factor import code_at, code_of, find_step, readable, step_at
from idp.service.accounts import remember_browser
from idp.service.attempts import FREE_ATTEMPTS_PER_ADDRESS, FREE_ATTEMPTS_PER_NAME
from idp.service.operators import verify_operator
from idp.tables import operator_second_factors, operator_sessions, operator_sign_ins
from kernel.db import unit_of_work_of
from kernel.errors import Undecryptable
from kernel.secret import Secret, sha256
from kernel.settings import Settings
from tests.portal.desk_builders import (
    DESK_PASSWORD,
    Desk,
    Official,
    Telephone,
    desk,
    desk_sign_in,
    forms,
    give_password,
    official,
    pages,
    send,
    telephone,
    token,
)
from tests.portal.portal_builders import World, sign_in

__all__ = ["desk", "official", "telephone"]


class TestDoor:
    def test_anonymous_sees_the_sign_in_page_only(self, browser: httpx.Client, desk: Desk) -> None:
        for address in pages(desk):
            answer = browser.get(address)
            assert (answer.status_code, "Staff identifier" in answer.text) == (401, True), address
        for address, fields in forms(desk).items():
            assert send(browser, address, **fields).status_code == 401, address
        assert not desk.are_one()

    def test_citizen_is_nobody_here(self, world: World, browser: httpx.Client, desk: Desk) -> None:
        world.a_person("oleg", family_name="Дробот", birthdate="1955-11-30")
        sign_in(browser, "oleg")

        for address in pages(desk):
            assert browser.get(address).status_code == 401, address
        for address, fields in forms(desk).items():
            assert send(browser, address, **fields).status_code == 401, address

    def test_official_is_nobody_in_an_account(self, official: Official) -> None:
        assert official("vera").get("/account").status_code == 303  # to the person's own sign-in

    def test_wrong_name_or_password_is_refused_in_the_same_words(
        self, official: Official, browser: httpx.Client
    ) -> None:
        official("vera")
        for name, password in (
            ("vera", "wrong"), ("nobody", DESK_PASSWORD), ("", DESK_PASSWORD), ("vera", ""),
        ):  # fmt: skip
            answer = desk_sign_in(browser, name, password)
            assert answer.status_code == 401
            assert "The name or the password is wrong" in answer.text
        assert browser.get("/desk/cases").status_code == 401

    def test_password_of_a_person_opens_no_desk(self, world: World, browser: httpx.Client) -> None:
        world.a_person("anna")

        assert desk_sign_in(browser, "anna").status_code == 401

    def test_after_some_failures_the_right_password_has_to_wait(
        self, world: World, official: Official, browser: httpx.Client
    ) -> None:
        official("vera")
        for _ in range(6):
            desk_sign_in(browser, "vera", "wrong")

        assert desk_sign_in(browser, "vera").status_code == 401
        world.later(timedelta(minutes=15))
        assert desk_sign_in(browser, "vera").status_code == 303

    def test_strangers_do_not_lock_an_official_out_of_their_own_browser(
        self, official: Official, browser: httpx.Client
    ) -> None:
        own = official("vera")
        for _ in range(FREE_ATTEMPTS_PER_NAME + 1):
            desk_sign_in(browser, "vera", "wrong")

        assert desk_sign_in(browser, "vera").status_code == 401
        assert desk_sign_in(own, " VERA").status_code == 303

    def test_guesses_in_a_known_browser_are_counted_by_themselves(
        self, official: Official, browser: httpx.Client
    ) -> None:
        own = official("vera")
        for _ in range(FREE_ATTEMPTS_PER_NAME + 1):
            desk_sign_in(own, "vera", "wrong")

        assert desk_sign_in(own, "vera").status_code == 401
        assert desk_sign_in(browser, "vera").status_code == 303

    @pytest.mark.parametrize("presented", ["another's", "citizen's", "nothing"])
    def test_browser_that_another_is_known_in_is_not_known(
        self, world: World, official: Official, browser: httpx.Client, presented: str
    ) -> None:
        official("vera")
        kept = {
            "another's": official("olga").cookies[KNOWN_DESK_BROWSER_COOKIE],
            "citizen's": remember_browser(world.keyring, None, "vera"),
            "nothing": "",
        }[presented]
        for _ in range(FREE_ATTEMPTS_PER_NAME + 1):
            desk_sign_in(browser, "vera", "wrong")
        browser.cookies.set(KNOWN_DESK_BROWSER_COOKIE, kept)

        assert desk_sign_in(browser, "vera").status_code == 401

    def test_cookie_is_of_this_site_only_and_not_for_scripts(
        self, official: Official, browser: httpx.Client
    ) -> None:
        official("vera")

        cookies = [
            *give_password(browser, "vera").headers.get_list("set-cookie"),
            *desk_sign_in(browser, "vera").headers.get_list("set-cookie"),
        ]

        for name in ("civitas_desk", "civitas_desk_sign_in"):
            cookie = next(each for each in cookies if each.startswith(f"{name}="))
            assert "SameSite=strict" in cookie
            assert "HttpOnly" in cookie
            assert "Max-Age" not in cookie

    def test_only_the_digest_of_the_cookie_is_stored(
        self, world: World, official: Official
    ) -> None:
        cookie = official("vera").cookies["civitas_desk"]

        with world.sessions() as session:
            (stored,) = session.scalars(select(operator_sessions.c.cookie_digest))
        assert cookie.encode() not in stored
        assert len(stored) == len(sha256(b""))

    @pytest.mark.parametrize(
        ("clicks", "pause", "status"),
        [
            (1, SESSION_IDLE - timedelta(seconds=1), 200),
            (1, SESSION_IDLE, 401),
            (24, SESSION / 24, 401),
        ],
        ids=["quarter of an hour but a second", "quarter of an hour", "half a day"],
    )
    def test_session_is_short(
        self, world: World, official: Official, clicks: int, pause: timedelta, status: int
    ) -> None:
        client = official("vera")
        for _ in range(clicks - 1):
            world.later(pause)
            assert client.get("/desk/cases").status_code == 200
        world.later(pause)

        assert client.get("/desk/cases").status_code == status

    def test_disabled_official_is_out_at_once(self, world: World, official: Official) -> None:
        client = official("vera")
        with unit_of_work_of(world.sessions) as session:
            disable_operator(session, "vera", at=world.clock.now())

        assert client.get("/desk/cases").status_code == 401
        assert desk_sign_in(client, "vera").status_code == 401

    def test_signed_out_cookie_opens_nothing(self, official: Official) -> None:
        client = official("vera")
        cookie = client.cookies["civitas_desk"]
        send(client, "/desk/sign-out")

        assert client.get("/desk/cases").status_code == 401
        client.cookies.set("civitas_desk", cookie)
        assert client.get("/desk/cases").status_code == 401

    def test_sign_in_ends_the_session_that_the_browser_brought(self, official: Official) -> None:
        client = official("vera")
        before = client.cookies["civitas_desk"]
        desk_sign_in(client, "vera")

        client.cookies.clear()
        client.cookies.set("civitas_desk", before)
        assert client.get("/desk/cases").status_code == 401

    def test_form_of_another_site_is_refused(self, official: Official, desk: Desk) -> None:
        client = official("vera")
        for address, fields in forms(desk).items():
            assert client.post(address, data=fields).status_code == 403, address
            other = {"Origin": "https://evil.example"}
            sent = client.post(address, data={**token(client), **fields}, headers=other)
            assert sent.status_code == 403, address

    def test_guesses_from_one_network_are_counted_together(self, world: World) -> None:
        hasher = PasswordHasher(PROFILES["test"])
        reasons = []
        for number in range(FREE_ATTEMPTS_PER_ADDRESS + 2):
            with (
                pytest.raises(OperatorSignInFailed) as refused,
                unit_of_work_of(world.sessions) as session,
            ):
                verify_operator(
                    session, world.keyring, hasher, operator_id=f"guess-{number}",
                    password=Secret("wrong"), address=f"2001:db8:7:7::{number:x}",
                    at=world.clock.now(),
                )  # fmt: skip
            reasons.append(refused.value.context["reason"])

        assert reasons[-1] == "throttled"
        assert set(reasons[:-1]) == {"unknown name"}


def test_password_that_is_changed_while_it_is_verified_opens_nothing(
    world: World, official: Official
) -> None:
    official("vera")

    class Meanwhile(PasswordHasher):
        """Verifies; and the password is another one before that is told."""

        @override
        def verify(self, password: Secret[str], encoded: str | None) -> None:
            super().verify(password, encoded)
            with unit_of_work_of(world.sessions) as session:
                change_operator_password(
                    session, world.keyring, self, operator_id="vera",
                    password=Secret("another-long-password-7"), at=world.clock.now(),
                )  # fmt: skip

    with (
        pytest.raises(OperatorSignInFailed) as refused,
        unit_of_work_of(world.sessions) as session,
    ):
        verify_operator(
            session, world.keyring, Meanwhile(PROFILES["test"]), operator_id="vera",
            password=Secret(DESK_PASSWORD), address="192.0.2.7",
            at=world.clock.now(),
        )  # fmt: skip

    assert refused.value.context["reason"] == "changed in a race"


class TestSecondFactor:
    def test_password_alone_opens_nothing(self, official: Official, browser: httpx.Client) -> None:
        official("vera")

        answer = give_password(browser, "vera")

        assert answer.headers["location"] == "/desk/code"
        assert "civitas_desk=" not in answer.headers["set-cookie"]
        assert "known_desk_browser" not in answer.headers["set-cookie"]
        assert browser.get("/desk/cases").status_code == 401
        browser.cookies.set("civitas_desk", browser.cookies["civitas_desk_sign_in"])
        assert browser.get("/desk/cases").status_code == 401

    def test_code_without_password_opens_nothing(
        self, official: Official, telephone: Telephone, browser: httpx.Client
    ) -> None:
        official("vera")

        for waiting in ("", "x", official("olga").cookies["civitas_desk"]):
            browser.cookies.set("civitas_desk_sign_in", waiting)
            assert browser.get("/desk/code").status_code == 401
            assert send(browser, "/desk/code", code=telephone.code("vera")).status_code == 401
        assert "civitas_desk" not in browser.cookies

    def test_key_is_shown_once_and_sealed(
        self, world: World, official: Official, telephone: Telephone, browser: httpx.Client
    ) -> None:
        official("vera")
        give_password(browser, "vera")

        page = browser.get("/desk/code").text

        secret = telephone.secret("vera").reveal()
        assert readable(telephone.secret("vera")).reveal() not in page
        assert "otpauth:" not in page
        with world.sessions() as session:
            (sealed,) = session.scalars(select(operator_second_factors.c.secret_sealed))
            assert session.scalars(select(operator_sign_ins.c.offered_sealed)).all() == [None]
        assert secret not in sealed

    def test_address_for_the_application_carries_the_same_key(
        self, world: World, official: Official, browser: httpx.Client
    ) -> None:
        official("vera")
        with unit_of_work_of(world.sessions) as session:
            reset_second_factor(session, "vera", at=world.clock.now())
        give_password(browser, "vera")

        page = browser.get("/desk/code").text

        (shown,) = re.findall(r'civitas-code">([A-Z2-7 ]+)<', page)
        (address,) = re.findall(r'href="(otpauth:[^"]+)"', page)
        said = parse_qs(urlsplit(unescape(address)).query)
        assert said["secret"] == [shown.replace(" ", "")]
        assert said["issuer"] == ["Civitas"]
        assert browser.get("/desk/code").text == page

    @pytest.mark.parametrize("code", ["", " ", "00000", "0000000", "abcdef", "\u0661" * 6, "\0"])
    def test_what_is_no_code_is_refused(
        self, official: Official, browser: httpx.Client, code: str
    ) -> None:
        official("vera")
        give_password(browser, "vera")

        answer = send(browser, "/desk/code", code=code)

        assert answer.status_code == 401
        assert "error-summary" in answer.text
        assert browser.get("/desk/cases").status_code == 401

    @pytest.mark.spec("RFC6238-5.2")
    @pytest.mark.parametrize(
        ("steps", "status"), [(-2, 401), (-1, 303), (0, 303), (1, 303), (2, 401)]
    )
    def test_clock_of_a_telephone_may_be_half_a_minute_wrong(
        self, world: World, official: Official, telephone: Telephone, browser: httpx.Client,
        *, steps: int, status: int,
    ) -> None:  # fmt: skip
        official("vera")
        world.later(timedelta(minutes=5))
        give_password(browser, "vera")
        code = code_of(telephone.secret("vera"), step_at(world.clock.now()) + steps)

        assert send(browser, "/desk/code", code=f"{code[:3]} {code[3:]}").status_code == status

    @pytest.mark.spec("RFC6238-5.2")
    def test_code_works_once(
        self, official: Official, telephone: Telephone, browser: httpx.Client
    ) -> None:
        official("vera")
        code = telephone.code("vera")
        give_password(browser, "vera")
        assert send(browser, "/desk/code", code=code).status_code == 303
        give_password(browser, "vera")

        assert send(browser, "/desk/code", code=code).status_code == 401
        assert send(browser, "/desk/code", code=telephone.code("vera")).status_code == 303

    def test_code_of_another_official_is_wrong(
        self, official: Official, telephone: Telephone, browser: httpx.Client
    ) -> None:
        official("vera")
        official("olga")
        give_password(browser, "vera")

        assert send(browser, "/desk/code", code=telephone.code("olga")).status_code == 401

    def test_secret_opens_in_its_own_row_only(
        self, world: World, official: Official, telephone: Telephone, browser: httpx.Client
    ) -> None:
        official("vera")
        official("olga")
        t = operator_second_factors.c
        with unit_of_work_of(world.sessions) as session:
            taken = session.scalar(select(t.secret_sealed).where(t.operator_id == "olga"))
            moved = update(operator_second_factors).where(t.operator_id == "vera")
            session.execute(moved.values(secret_sealed=taken))
        give_password(browser, "vera")

        answer = send(browser, "/desk/code", code=telephone.code("olga"))

        assert answer.status_code == Undecryptable.status
        assert browser.get("/desk/cases").status_code == 401

    def test_wrong_codes_have_to_wait_and_a_right_password_forgives_none(
        self, world: World, official: Official, telephone: Telephone, browser: httpx.Client
    ) -> None:
        own = official("vera")
        for _ in range(FREE_ATTEMPTS_PER_NAME + 1):
            give_password(browser, "vera")
            send(browser, "/desk/code", code="000000")

        assert give_password(browser, "vera").status_code == 401
        assert send(browser, "/desk/code", code=telephone.code("vera")).status_code == 401
        assert desk_sign_in(own, "vera").status_code == 303  # in a browser that is known
        world.later(timedelta(minutes=15))
        assert desk_sign_in(browser, "vera").status_code == 303

    def test_code_has_to_come_within_minutes_of_the_password(
        self, world: World, official: Official, telephone: Telephone, browser: httpx.Client
    ) -> None:
        official("vera")
        give_password(browser, "vera")
        world.later(CODE_WITHIN)

        answer = send(browser, "/desk/code", code=telephone.code("vera"))

        assert answer.status_code == 401
        assert "Begin again" in answer.text

    @pytest.mark.parametrize("ended", ["disabled", "another password", "reset"])
    def test_what_ends_sessions_ends_a_sign_in_that_waits(
        self, world: World, official: Official, telephone: Telephone, ended: str
    ) -> None:
        browser = official("vera")
        give_password(browser, "vera")
        with unit_of_work_of(world.sessions) as session:
            at = world.clock.now()
            if ended == "disabled":
                disable_operator(session, "vera", at=at)
            elif ended == "reset":
                reset_second_factor(session, "vera", at=at)
            else:
                change_operator_password(
                    session, world.keyring, PasswordHasher(PROFILES["test"]), operator_id="vera",
                    password=Secret("another-long-password-7"), at=at,
                )  # fmt: skip

        assert send(browser, "/desk/code", code=telephone.code("vera")).status_code == 401
        assert browser.get("/desk/cases").status_code == 401

    def test_who_has_another_telephone_sets_it_up_and_the_old_one_is_worth_nothing(
        self, world: World, official: Official, telephone: Telephone, browser: httpx.Client
    ) -> None:
        official("vera")
        lost = telephone.secret("vera")
        with unit_of_work_of(world.sessions) as session:
            reset_second_factor(session, "vera", at=world.clock.now())
            with pytest.raises(NoSecondFactor):
                reset_second_factor(session, "vera", at=world.clock.now())
            with pytest.raises(UnknownOperator):
                reset_second_factor(session, "nobody", at=world.clock.now())

        give_password(browser, "vera")
        old = send(browser, "/desk/code", code=code_of(lost, step_at(world.clock.now())))
        new = desk_sign_in(browser, "vera")

        assert (old.status_code, new.status_code) == (401, 303)
        with world.sessions() as session:
            t = operator_second_factors.c
            traces = session.execute(select(t.reset_at, t.secret_sealed).order_by(t.enrolled_at))
            assert [(row.reset_at is None, row.secret_sealed is None) for row in traces] == [
                (False, True), (True, False),
            ]  # fmt: skip

    def test_one_of_two_browsers_enrols(
        self, world: World, official: Official, browser: httpx.Client, other_browser: httpx.Client
    ) -> None:
        official("vera")
        with unit_of_work_of(world.sessions) as session:
            reset_second_factor(session, "vera", at=world.clock.now())
        give_password(browser, "vera")
        page = browser.get("/desk/code").text
        theirs = Telephone(world.clock)
        theirs.set_up("vera", page)
        desk_sign_in(other_browser, "vera")

        answer = send(browser, "/desk/code", code=theirs.code("vera"))

        assert answer.status_code == 401
        assert "Begin again" in answer.text

    @pytest.mark.parametrize("is_known", [True, False])
    def test_code_is_told_where_the_composition_root_says_so_and_nowhere_else(
        self, world: World, official: Official, telephone: Telephone, browser: httpx.Client,
        *, is_known: bool,
    ) -> None:  # fmt: skip
        official("vera")
        if is_known:
            world.app.state.known_second_factors = {"vera": telephone.secret("vera")}
        give_password(browser, "vera")

        page = browser.get("/desk/code").text

        code = code_of(telephone.secret("vera"), step_at(world.clock.now()))
        assert (code in page) == is_known
        assert ("This is a demonstration" in page) == is_known

    @pytest.mark.parametrize("mode", ["demo", "production", "test"])
    def test_only_a_demonstration_says_so(self, mode: str) -> None:
        settings = Settings.model_construct(**{**Settings().model_dump(), "mode": mode})

        known = create_app(settings).state.known_second_factors

        assert bool(known) == (mode == "demo")


@pytest.mark.spec("RFC6238-B")
@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"),
     (2000000000, "279037"), (20000000000, "353130")],
)  # fmt: skip
def test_published_vectors(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)

    assert code_at(Secret(b"12345678901234567890"), at=at) == code
    assert find_step(Secret(b"12345678901234567890"), code, at=at) == step_at(at)
