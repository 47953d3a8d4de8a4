"""The desk: who may see and decide what; one clerk a case; two officials for two accounts."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from weakref import WeakKeyDictionary

import httpx
import pytest
from sqlalchemy import select
from typing_extensions import override

from audit.api import list_entries
from idp.api import (
    OperatorRole,
    PasswordHasher,
    add_operator,
    change_operator_password,
    disable_operator,
)
from idp.cookies import KNOWN_DESK_BROWSER_COOKIE
from idp.errors import OperatorSignInFailed
from idp.operators import SESSION, SESSION_IDLE
from idp.passwords import PROFILES
from idp.service.accounts import remember_browser
from idp.service.attempts import FREE_ATTEMPTS_PER_ADDRESS, FREE_ATTEMPTS_PER_NAME
from idp.service.operators import sign_in_operator
from idp.store.operators import list_operators
from idp.tables import operator_sessions
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, PersonId
from kernel.secret import Secret, sha256
from population_register.api import (
    Accepted,
    CaseKey,
    Reader,
    RecordKind,
    SourceRecord,
    accept_record,
    answer_work,
    case_key,
    list_work,
    members_of,
    set_account_holder,
)
from population_register.case_store import HELD_FOR
from tests.asgi import client_of
from tests.portal.portal_builders import World, field, sign_in

DESK_PASSWORD = "seventeen quiet lanterns"
ANNA = {"family_name": "Волкова", "given_name": "Анна", "middle_name": "Дмитриевна",
        "birthdate": "1986-03-14"}  # fmt: skip
NOBODYS = "0193b0a0-0000-7000-8000-000000000000"
WHY = {"comment": "Seen both passports"}


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A desk with one case, and officials of each role."""

    world: World
    case: CaseKey

    @property
    def address(self) -> str:
        return f"/desk/cases/{self.case.one}/{self.case.other}"

    def confirm_accounts(self) -> None:
        """Let both people have a confirmed account."""
        with unit_of_work_of(self.world.sessions) as session:
            for person_id in self.case:
                set_account_holder(session, person_id, self.world.clock.now())

    def are_one(self) -> bool:
        with self.world.sessions() as session:
            return self.case.other in members_of(session, self.case.one)


def say(world: World, agency: str, number: str, **attributes: str) -> PersonId:
    record = SourceRecord(
        agency_id=AgencyId(agency), record_number=number, version=1, kind=RecordKind.STATEMENT,
        valid_from=date(2020, 1, 1), attributes=attributes, arrived_at=world.clock.now(),
    )  # fmt: skip
    with unit_of_work_of(world.sessions) as session:
        outcome = accept_record(session, world.keyring, record, world.clock.now())
    assert isinstance(outcome, Accepted)
    return outcome.person_id


@pytest.fixture
def desk(world: World) -> Desk:
    one = say(world, "interior", "i-1", **ANNA)
    world.later(timedelta(minutes=1))
    other = say(world, "tax", "t-1", **{**ANNA, "birthdate": "1986-04-13", "inn": "500100732259"})
    assert one != other
    return Desk(world=world, case=case_key(one, other))


Official = Callable[..., httpx.Client]


@pytest.fixture
def official(world: World) -> Iterator[Official]:
    """Make an official who is signed in at the desk, in a browser of their own."""
    hasher = PasswordHasher(PROFILES["test"])
    with ExitStack() as browsers:

        def enter(name: str, *roles: str) -> httpx.Client:
            with unit_of_work_of(world.sessions) as session:
                if name not in {each.operator_id for each in list_operators(session)}:
                    add_operator(
                        session, world.keyring, hasher, operator_id=name, name=name.title(),
                        roles=[OperatorRole(role) for role in roles or ("clerk",)],
                        password=Secret(DESK_PASSWORD), at=world.clock.now(),
                    )  # fmt: skip
            client = browsers.enter_context(client_of(world.app))
            client.headers["Accept-Language"] = "en"
            assert desk_sign_in(client, name).status_code == 303
            return client

        yield enter


def desk_sign_in(client: httpx.Client, name: str, password: str = DESK_PASSWORD) -> httpx.Response:
    return send(client, "/desk/sign-in", username=name, password=password)


_tokens: WeakKeyDictionary[httpx.Client, str] = WeakKeyDictionary()


def token(client: httpx.Client) -> dict[str, str]:
    """Return the token of a browser's forms: the same for all of them."""
    if client not in _tokens:
        _tokens[client] = field(client.get("/desk/sign-in").text, "form_token")
    return {"form_token": _tokens[client]}


def send(client: httpx.Client, address: str, **fields: str) -> httpx.Response:
    """Send a form of the desk as one of its pages does."""
    return client.post(address, data={**token(client), **fields})


def take(client: httpx.Client, desk: Desk) -> httpx.Response:
    return send(client, f"{desk.address}/take")


def decide(client: httpx.Client, desk: Desk, verdict: str, **fields: str) -> httpx.Response:
    return send(client, f"{desk.address}/decide", verdict=verdict, **{**WHY, **fields})


def proposal_of(client: httpx.Client, desk: Desk) -> str:
    return field(client.get(desk.address).text, "about")


def forms(desk: Desk) -> dict[str, dict[str, str]]:
    """Return every form of the desk that changes something."""
    return {
        f"{desk.address}/take": {},
        f"{desk.address}/leave": {},
        f"{desk.address}/decide": {"verdict": "same", **WHY},
        f"{desk.address}/confirm": {"about": NOBODYS, "decision": "confirm", **WHY},
        f"{desk.address}/undo": {"about": NOBODYS, "decision": "undo", **WHY},
    }


def pages(desk: Desk) -> list[str]:
    return ["/desk", "/desk/cases", "/desk/decisions", desk.address]


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

        cookie = desk_sign_in(browser, "vera").headers["set-cookie"]

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


class TestRoles:
    @pytest.mark.parametrize(
        ("role", "allowed"),
        [
            ("auditor", set()),
            ("approver", {"confirm"}),
            ("clerk", {"take", "leave", "decide", "undo"}),
        ],
    )
    def test_each_does_its_own_and_nothing_else(
        self, official: Official, desk: Desk, role: str, allowed: set[str]
    ) -> None:
        client = official("somebody", role)

        found = {
            address.rpartition("/")[2]
            for address, fields in forms(desk).items()
            if send(client, address, **fields).status_code != 403
        }

        assert found == allowed

    @pytest.mark.parametrize("role", ["auditor", "approver"])
    def test_who_only_looks_or_confirms_sees_the_case_without_taking_it(
        self, official: Official, desk: Desk, role: str
    ) -> None:
        client = official("somebody", role)

        page = client.get(desk.address).text

        assert "Both people side by side" in page
        assert "What do you decide?" not in page
        assert "Take the case" not in page
        assert take(official("vera"), desk).status_code == 303

    def test_approver_begins_with_what_waits(self, official: Official) -> None:
        location = official("petr", "approver").get("/desk").headers["location"]

        assert location == "/desk/cases?state=waiting"


class TestQueue:
    def test_case_is_listed_without_names(self, official: Official, desk: Desk) -> None:
        page = official("vera").get("/desk/cases").text

        assert f"{desk.address}/take" in page
        assert "Ministry of Internal Affairs, Tax service" in page
        assert "Волкова" not in page

    def test_queue_is_filtered(self, official: Official, desk: Desk) -> None:
        client = official("vera")
        for query in ("state=open", "agency=tax", "age=x", "state=x"):
            assert desk.address in client.get(f"/desk/cases?{query}").text, query
        for query in ("state=asked", "state=waiting", "agency=pension", "age=7", "agency=tax%27"):
            answer = client.get(f"/desk/cases?{query}")
            assert (answer.status_code, desk.address in answer.text) == (200, False), query

    def test_old_case_is_found_by_its_age(self, official: Official, desk: Desk) -> None:
        desk.world.later(timedelta(days=7))

        assert desk.address in official("vera").get("/desk/cases?age=7").text

    def test_malformed_position_is_refused(self, official: Official) -> None:
        client = official("vera")
        for after in ("x", "2026-01-01~1~2", f"2026-01-01~{NOBODYS}~{NOBODYS}"):
            assert client.get(f"/desk/cases?after={after}").status_code == 400


class TestCase:
    def test_clerk_takes_it_before_anything_is_opened(self, official: Official, desk: Desk) -> None:
        client = official("vera")

        page = client.get(desk.address)

        assert page.status_code == 200
        assert "Волкова" not in page.text
        assert looks(desk) == []

    def test_both_sides_are_shown_with_differences_in_words(
        self, official: Official, desk: Desk
    ) -> None:
        client = official("vera")
        take(client, desk)

        page = " ".join(client.get(desk.address).text.split())

        tags = dict(
            re.findall(r'attribute">([^<]+?) <strong class="govuk-tag [^"]*"> (\w[^<]*?) <', page)
        )
        assert tags["Family name"] == "Same"
        assert tags["Date of birth"] == "Different"
        assert tags["Taxpayer number (INN)"] == "Only one side"
        assert "14 March 1986" in page
        assert "13 April 1986" in page
        assert "Tax service, as of 1 January 2020" in page
        assert re.search(r"Family name: the same</td>.*?For.*?\+\d+\.\d", page)
        assert re.search(r"Date of birth: [^<]*</td>.*?[+−]\d+\.\d", page)
        assert "Tax service, t-1" in page

    def test_every_look_stands_in_both_logs(self, official: Official, desk: Desk) -> None:
        client = official("vera")
        take(client, desk)
        client.get(desk.address)
        client.get(desk.address)

        assert looks(desk) == ["vera"] * 4

    def test_person_sees_which_official_looked(
        self, official: Official, desk: Desk, browser: httpx.Client
    ) -> None:
        desk.world.an_account(desk.case.one, "anna")
        client = official("vera")
        take(client, desk)
        client.get(desk.address)
        sign_in(browser, "anna")

        page = browser.get("/account/log").text

        assert "Looked whether two records are both about you" in page
        assert "vera" in page

    def test_one_clerk_has_it(self, official: Official, desk: Desk) -> None:
        vera, ivan = official("vera"), official("ivan")
        take(vera, desk)

        assert take(ivan, desk).status_code == 409
        assert "Both people" not in ivan.get(desk.address).text
        assert decide(ivan, desk, "same").status_code == 409
        assert "In work by" in ivan.get("/desk/cases").text

    def test_given_back_or_after_a_quarter_of_an_hour_another_one_may(
        self, official: Official, desk: Desk
    ) -> None:
        vera, ivan = official("vera"), official("ivan")
        take(vera, desk)
        send(ivan, f"{desk.address}/leave")
        assert take(ivan, desk).status_code == 409
        send(vera, f"{desk.address}/leave")
        assert take(ivan, desk).status_code == 303

        desk.world.later(HELD_FOR)
        vera = official("vera")

        assert take(vera, desk).status_code == 303

    def test_people_who_are_no_case_are_unknown(self, official: Official, desk: Desk) -> None:
        other = say(desk.world, "interior", "i-9", family_name="Дробот", birthdate="1955-11-30")
        client, auditor = official("vera"), official("olga", "auditor")
        for address in (
            f"/desk/cases/{desk.case.one}/{other}",
            f"/desk/cases/{desk.case.one}/{NOBODYS}",
            f"/desk/cases/{desk.case.one}/{desk.case.one}",
        ):
            assert send(client, f"{address}/take").status_code == 404
            assert client.get(address).status_code == 404
            assert auditor.get(address).status_code == 404
            assert send(client, f"{address}/decide", verdict="same", **WHY).status_code == 409

    def test_either_order_names_the_same_case(self, official: Official, desk: Desk) -> None:
        take(official("vera"), desk)

        turned = f"/desk/cases/{desk.case.other}/{desk.case.one}/take"

        assert send(official("ivan"), turned).status_code == 409


def looks(desk: Desk) -> list[str]:
    with desk.world.sessions() as session:
        return [
            each.entry.actor.id
            for person_id in desk.case
            for each in list_entries(session, person_id)
            if each.entry.action == "population_register.case.opened"
        ]


INCOMPLETE: tuple[tuple[dict[str, str], str], ...] = (
    ({"verdict": "same", "comment": " "}, "Say why"),
    ({"verdict": "same", "comment": "x" * 1001}, "Say why"),
    ({"verdict": "same", "comment": "a\x07b"}, "Say why"),
    ({"verdict": "", **WHY}, "Choose what you decide"),
    ({"verdict": "burn", **WHY}, "Choose what you decide"),
    ({"verdict": "ask", **WHY}, "Choose an agency"),
    ({"verdict": "ask", "agency": "pension", **WHY}, "Choose an agency"),
    ({"verdict": "split", **WHY}, "Choose records of one side"),
    ({"verdict": "split", "records": "2:00", **WHY}, "Choose records of one side"),
    ({"verdict": "split", "records": "x", **WHY}, "Choose records of one side"),
)


class TestDecisions:
    def test_same_makes_them_one(self, official: Official, desk: Desk) -> None:
        client = official("vera")
        take(client, desk)

        answer = decide(client, desk, "same")

        assert answer.headers["location"] == "/desk/cases?done=merged"
        assert desk.are_one()
        assert desk.address not in client.get("/desk/cases").text
        assert "Seen both passports" in client.get("/desk/decisions").text

    def test_different_keeps_them_apart(self, official: Official, desk: Desk) -> None:
        client = official("vera")
        take(client, desk)

        decide(client, desk, "different")

        assert not desk.are_one()
        assert desk.address not in client.get("/desk/cases").text

    @pytest.mark.parametrize("verdict", ["same", "different", "split", "ask"])
    def test_sent_twice_is_done_once(self, official: Official, desk: Desk, verdict: str) -> None:
        say(desk.world, "tax", "t-2", **ANNA, snils="900-000-002 83")
        client = official("vera")
        take(client, desk)
        records = re.findall(r'value="(0:[0-9a-f]+)"', client.get(desk.address).text)
        fields = {"agency": "tax", "records": (records or ["0:00"])[0]}

        first = decide(client, desk, verdict, **fields)
        second = decide(client, desk, verdict, **fields)

        assert first.status_code == 303
        assert second.status_code == 409
        assert "Nothing was changed" in second.text

    def test_incomplete_decision_shows_the_form_again(self, official: Official, desk: Desk) -> None:
        client = official("vera")
        take(client, desk)
        for fields, fault in INCOMPLETE:
            answer = send(client, f"{desk.address}/decide", **fields)

            assert (answer.status_code, fault in answer.text) == (400, True), fields
            assert "error-summary" in answer.text
        assert not desk.are_one()

    def test_incomplete_decision_about_a_case_of_others_tells_nothing_of_it(
        self, official: Official, desk: Desk
    ) -> None:
        client = official("vera")

        answer = send(client, f"{desk.address}/decide", verdict="same", comment="")

        assert answer.status_code == 409
        assert "Волкова" not in answer.text
        nobodys = f"/desk/cases/{NOBODYS}/{desk.case.one}/decide"
        assert send(client, nobodys, verdict="same", comment="").status_code == 404
        assert looks(desk) == []

    def test_records_that_are_not_there_are_not_split_off(
        self, official: Official, desk: Desk
    ) -> None:
        client = official("vera")
        take(client, desk)

        assert decide(client, desk, "split", records="0:" + "00" * 32).status_code == 404

    def test_split_off_record_has_a_person_of_its_own(self, official: Official, desk: Desk) -> None:
        assert say(desk.world, "tax", "t-2", **ANNA) == desk.case.one
        client = official("vera")
        take(client, desk)
        (_, records) = re.findall(r'value="(0:[0-9a-f]+)"', client.get(desk.address).text)

        answer = decide(client, desk, "split", records=records)

        assert answer.headers["location"] == "/desk/cases?done=split"
        assert "Two different people" in client.get("/desk/decisions").text

    def test_agency_is_asked_on_its_work_list_and_its_answer_is_shown(
        self, official: Official, desk: Desk
    ) -> None:
        client = official("vera")
        take(client, desk)
        decide(client, desk, "ask", agency="tax", comment="Is t-1 her?")
        assert desk.address in client.get("/desk/cases?state=asked").text

        world, by = (
            desk.world,
            Reader(agency_id=AgencyId("tax"), official="inspector-7", at=desk.world.clock.now()),
        )
        with unit_of_work_of(world.sessions) as session:
            (item,) = list_work(session, world.keyring, by=by)
            assert (item.rule, item.record_numbers) == ("same_person_asked", ("t-1",))
            assert item.words == "Is t-1 her?"
            answer_work(
                session, world.keyring, item.item_id, by=by,
                answer="refused", explanation="Same passport",
            )  # fmt: skip
        take(client, desk)
        page = client.get(desk.address).text

        assert desk.address not in client.get("/desk/cases?state=asked").text
        assert "The agency says that its record is right" in page
        assert "Same passport" in page

    def test_question_is_closed_when_the_case_is_decided(
        self, official: Official, desk: Desk
    ) -> None:
        client = official("vera")
        take(client, desk)
        decide(client, desk, "ask", agency="tax")
        take(client, desk)
        assert decide(client, desk, "ask", agency="tax").status_code == 409
        decide(client, desk, "different")

        by = Reader(agency_id=AgencyId("tax"), official="i", at=desk.world.clock.now())
        with unit_of_work_of(desk.world.sessions) as session:
            (item,) = list_work(session, desk.world.keyring, by=by)
            with pytest.raises(Exception, match="answered before"):
                answer_work(
                    session, desk.world.keyring, item.item_id, by=by,
                    answer="corrected", explanation="",
                )  # fmt: skip

    def test_merge_is_undone_from_the_case(self, official: Official, desk: Desk) -> None:
        client = official("vera")
        take(client, desk)
        decide(client, desk, "same")
        take(client, desk)
        about = field(client.get(desk.address).text, "about")

        send(client, f"{desk.address}/undo", about=NOBODYS, decision="undo", **WHY)
        assert desk.are_one()
        send(client, f"{desk.address}/undo", about=about, decision="undo", **WHY)

        assert not desk.are_one()
        assert desk.address in client.get("/desk/cases").text


class TestSecondOfficial:
    def proposed(self, official: Official, desk: Desk) -> httpx.Client:
        desk.confirm_accounts()
        client = official("vera", "clerk", "approver")
        take(client, desk)
        answer = decide(client, desk, "same")
        assert answer.headers["location"] == "/desk/cases?done=proposed"
        return client

    def confirm(self, client: httpx.Client, desk: Desk, about: str, said: str) -> httpx.Response:
        return send(client, f"{desk.address}/confirm", about=about, decision=said, **WHY)

    def test_one_official_proposes_and_nothing_is_merged(
        self, official: Official, desk: Desk
    ) -> None:
        client = self.proposed(official, desk)

        assert not desk.are_one()
        assert desk.address in client.get("/desk/cases?state=waiting").text
        take(client, desk)
        assert decide(client, desk, "same").status_code == 409

    def test_nobody_confirms_their_own(self, official: Official, desk: Desk) -> None:
        client = self.proposed(official, desk)
        assert 'name="about"' not in client.get(desk.address).text
        about = proposal_of(official("petr", "approver"), desk)

        answer = self.confirm(client, desk, about, "confirm")

        assert answer.status_code == 409
        assert "Another official has to confirm" in answer.text
        assert not desk.are_one()

    def test_another_official_confirms_once(self, official: Official, desk: Desk) -> None:
        self.proposed(official, desk)
        petr = official("petr", "approver")
        about = proposal_of(petr, desk)

        first = self.confirm(petr, desk, about, "confirm")
        second = self.confirm(official("olga", "approver"), desk, about, "confirm")

        assert first.headers["location"] == "/desk/cases?done=confirmed"
        assert second.status_code == 409
        assert desk.are_one()
        assert "vera, petr" in petr.get("/desk/decisions").text

    def test_rejected_proposal_can_be_made_again(self, official: Official, desk: Desk) -> None:
        client = self.proposed(official, desk)
        petr = official("petr", "approver")

        answer = self.confirm(petr, desk, proposal_of(petr, desk), "reject")

        assert answer.headers["location"] == "/desk/cases?done=rejected"
        assert not desk.are_one()
        take(client, desk)
        assert decide(client, desk, "same").headers["location"].endswith("done=proposed")

    def test_malformed_confirmation_changes_nothing(self, official: Official, desk: Desk) -> None:
        self.proposed(official, desk)
        petr = official("petr", "approver")
        about = {"about": proposal_of(petr, desk)}
        wrong: tuple[tuple[dict[str, str], int], ...] = (
            ({"about": NOBODYS, "decision": "confirm", **WHY}, 404),
            ({"about": "x", "decision": "confirm", **WHY}, 422),
            ({"decision": "undo", **WHY}, 400),
            ({"decision": "confirm", "comment": ""}, 400),
        )
        for fields, status in wrong:
            answer = send(petr, f"{desk.address}/confirm", **{**about, **fields})
            assert answer.status_code == status, fields
        assert not desk.are_one()

    def test_every_step_stands_in_both_logs(self, official: Official, desk: Desk) -> None:
        self.proposed(official, desk)
        petr = official("petr", "approver")
        self.confirm(petr, desk, proposal_of(petr, desk), "confirm")

        for person_id in desk.case:
            with desk.world.sessions() as session:
                done = {
                    (each.entry.action.removeprefix("population_register."), each.entry.actor.id)
                    for each in list_entries(session, person_id)
                    if each.entry.actor.kind == "operator"
                }
            assert done >= {
                ("merge.proposed", "vera"), ("merge.confirmed", "petr"), ("person.merged", "vera"),
                ("case.opened", "petr"),
            }  # fmt: skip


class TestHostileValues:
    """What can't be in a table is refused like what is not there."""

    NUL = "tax\0"

    def test_in_the_name_of_who_signs_in(self, world: World) -> None:
        with client_of(world.app) as client:
            assert desk_sign_in(client, self.NUL).status_code == 401

    @pytest.mark.parametrize("query", ["agency=tax%00", "state=%00", "age=%00", "done=%00"])
    def test_in_the_filters_of_the_queue(self, official: Official, query: str) -> None:
        assert official("vera").get(f"/desk/cases?{query}").status_code == 200

    @pytest.mark.parametrize("after", ["%00", "0001-01-01T00:00:00+14:00~x~y"])
    def test_in_a_position(self, official: Official, after: str) -> None:
        assert official("vera").get(f"/desk/cases?after={after}").status_code == 400

    def test_in_whom_is_asked(self, official: Official, desk: Desk) -> None:
        clerk = official("vera")
        clerk.post(f"{desk.address}/take", data=token(clerk))
        asked = {"verdict": "ask", "agency": self.NUL, **WHY, **token(clerk)}

        assert clerk.post(f"{desk.address}/decide", data=asked).status_code == 400

    def test_guesses_from_one_network_are_counted_together(self, world: World) -> None:
        hasher = PasswordHasher(PROFILES["test"])
        reasons = []
        for number in range(FREE_ATTEMPTS_PER_ADDRESS + 2):
            with (
                pytest.raises(OperatorSignInFailed) as refused,
                unit_of_work_of(world.sessions) as session,
            ):
                sign_in_operator(
                    session, world.keyring, hasher, operator_id=f"guess-{number}",
                    password=Secret("wrong"), address=f"2001:db8:7:7::{number:x}", replaces=None,
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
        sign_in_operator(
            session, world.keyring, Meanwhile(PROFILES["test"]), operator_id="vera",
            password=Secret(DESK_PASSWORD), address="192.0.2.7", replaces=None,
            at=world.clock.now(),
        )  # fmt: skip

    assert refused.value.context["reason"] == "changed in a race"
