"""A person disputes a value of their own data: one form, one agency, its answer; nothing else's."""

from datetime import date, timedelta

import httpx
import pytest

from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, PersonId
from population_register.api import (
    DISPUTES_A_DAY,
    STATUSES,
    Reader,
    RecordKind,
    SourceRecord,
    WorkItem,
    accept_record,
    answer_work,
    list_work,
)
from portal.events import DisputesViewed, RecordViewed, ValueDisputed
from tests.portal.portal_builders import World, field, post, sign_in

NEW = "/account/disputes/new"
BIRTHDATE = f"{NEW}?attribute=birthdate&source=interior"
WORDS = {"words": "Я родилась <b>третьего</b> марта", "suggested": "3 марта 1990"}


@pytest.fixture
def anna(world: World, browser: httpx.Client) -> PersonId:
    """Anna, signed in in `browser`."""
    person_id = world.a_person("anna", inn="500100732259", gender="female", birthplace="Тула")
    sign_in(browser, "anna")
    return person_id


def dispute(browser: httpx.Client, address: str = BIRTHDATE, **change: str) -> httpx.Response:
    page = browser.get(address).text
    named = {name: field(page, name) for name in ("attribute", "source")}
    return post(browser, NEW, page, {**named, **WORDS, **change})


def a_reader(world: World, agency: str = "interior") -> Reader:
    return Reader(agency_id=AgencyId(agency), official="inspector-7", at=world.clock.now())


def work(world: World, agency: str = "interior") -> list[WorkItem]:
    with unit_of_work_of(world.sessions) as session:
        by = a_reader(world, agency)
        return list_work(session, world.keyring, by=by, statuses=STATUSES)


def answer(world: World, said: str, explanation: str) -> None:
    (item, *_) = work(world)
    with unit_of_work_of(world.sessions) as session:
        answer_work(
            session, world.keyring, item.item_id,
            by=a_reader(world), answer=said, explanation=explanation,
        )  # fmt: skip


class TestDispute:
    @pytest.mark.usefixtures("anna")
    def test_every_value_can_be_disputed(self, browser: httpx.Client) -> None:
        page = browser.get("/account").text

        for name in ("family_name", "birthdate", "inn"):
            assert f"{NEW}?attribute={name}&amp;source=interior" in page

    def test_item_of_a_list_goes_to_the_agency_that_says_it(
        self, world: World, browser: httpx.Client
    ) -> None:
        """Not to the one that says another item of the same list."""
        said = {"inn": "500100732259", "gender": "female"}
        world.a_person("anna", **said, education=[{"level": "school"}])
        record = SourceRecord(
            agency_id=AgencyId("tax"),
            record_number="1",
            version=1,
            kind=RecordKind.STATEMENT,
            valid_from=date(2020, 1, 1),
            attributes={
                **said,
                "family_name": "Иванова",
                "given_name": "anna",
                "birthdate": "1990-02-03",
                "education": [{"level": "higher"}],
            },
            arrived_at=world.clock.now(),
        )
        with unit_of_work_of(world.sessions) as session:
            accept_record(session, world.keyring, record, world.clock.now())
        sign_in(browser, "anna")

        page = browser.get("/account").text
        dispute(browser, f"{NEW}?attribute=education&source=tax")

        assert page.count(f"{NEW}?attribute=education&amp;source=") == 2
        (item,) = work(world, "tax")
        assert (item.attributes, len(item.record_numbers)) == (("education",), 1)
        assert work(world) == []

    def test_form_shows_the_value_and_its_agency(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        page = browser.get(BIRTHDATE).text

        assert "3 February 1990" in page
        assert "Ministry of Internal Affairs" in page
        assert RecordViewed.action in world.actions(anna)

    def test_agency_gets_it_and_the_person_sees_the_answer(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        sent = dispute(browser)
        page = browser.get(sent.headers["location"]).text
        (item,) = work(world)
        marked = browser.get("/account").text
        answer(world, "refused", "Запись акта\nверна")
        answered = browser.get("/account/disputes").text

        assert sent.status_code == 303
        assert "Sent to: Ministry of Internal Affairs" in page
        assert "7 December 2026" in page
        assert "&lt;b&gt;третьего" in page
        assert (item.words, item.suggested) == tuple(WORDS.values())
        assert 'href="/account/disputes">Disputed' in marked
        assert "its record is right" in answered
        assert "Запись акта<br>верна" in answered
        assert {ValueDisputed.action, DisputesViewed.action} <= set(world.actions(anna))
        log = browser.get("/account/log").text
        assert "You disputed a value" in log
        assert "Answered what it had to check about you" in log
        assert "inspector-7" in log

    @pytest.mark.usefixtures("anna")
    def test_page_is_russian_for_a_russian(self, browser: httpx.Client) -> None:
        page = browser.get(BIRTHDATE, headers={"Accept-Language": "ru"}).text

        assert "Что неверно?" in page
        assert "Отправить в ведомство" in page

    @pytest.mark.usefixtures("anna")
    def test_late_agency_is_said_to_be_late(self, world: World, browser: httpx.Client) -> None:
        dispute(browser)
        world.later(timedelta(days=15))
        sign_in(browser, "anna")

        assert "The agency is late" in browser.get("/account/disputes").text


class TestRefusals:
    @pytest.mark.parametrize("address", ["/account/disputes", BIRTHDATE])
    def test_stranger_is_sent_to_sign_in(self, browser: httpx.Client, address: str) -> None:
        assert browser.get(address).headers["location"].startswith("/sign-in")

    @pytest.mark.usefixtures("anna")
    def test_form_of_another_site_is_refused(self, world: World, browser: httpx.Client) -> None:
        fields = {"attribute": "birthdate", "source": "interior", **WORDS}

        assert browser.post(NEW, data=fields).status_code == 403
        assert work(world) == []

    @pytest.mark.usefixtures("anna")
    @pytest.mark.parametrize(
        "address",
        [
            NEW,
            f"{NEW}?attribute=birthdate&source=tax",
            f"{NEW}?attribute=passport&source=interior",
            f"{NEW}?attribute=shoe_size&source=interior",
        ],
        ids=["nothing", "another agency", "not said", "no attribute"],
    )
    def test_what_is_not_said_has_no_form_and_is_not_sent(
        self, world: World, browser: httpx.Client, address: str
    ) -> None:
        shown = browser.get(address)
        named = dict(httpx.QueryParams(address.partition("?")[2]))
        sent = post(browser, NEW, browser.get(BIRTHDATE).text, {**named, **WORDS})

        assert (shown.status_code, sent.status_code) == (404, 404)
        assert "No agency says this about you now" in shown.text
        assert work(world) == []

    @pytest.mark.usefixtures("anna")
    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"words": ""}, "words"),
            ({"words": " "}, "words"),
            ({"words": "я" * 1001}, "words"),
            ({"words": "a\x07"}, "words"),
            ({"suggested": "я" * 301}, "suggested"),
        ],
        ids=["empty", "blank", "long", "control", "long suggestion"],
    )
    def test_bad_words_show_the_form_again_with_what_was_typed(
        self, world: World, browser: httpx.Client, change: dict[str, str], fault: str
    ) -> None:
        refused = dispute(browser, **change)

        assert refused.status_code == 400
        assert f'href="#{fault}"' in refused.text
        assert "Nothing was sent" in refused.text
        assert ("3 марта 1990" if fault == "words" else "третьего") in refused.text
        assert work(world) == []

    @pytest.mark.usefixtures("anna")
    def test_second_dispute_of_one_value_is_refused(
        self, world: World, browser: httpx.Client
    ) -> None:
        dispute(browser)
        again = dispute(browser)

        assert again.status_code == 409
        assert "You dispute this value already" in again.text
        assert len(work(world)) == 1

    @pytest.mark.usefixtures("anna")
    def test_only_a_few_a_day(self, world: World, browser: httpx.Client) -> None:
        names = ["family_name", "given_name", "birthdate", "inn", "gender", "birthplace"]

        statuses = [
            dispute(browser, f"{NEW}?attribute={name}&source=interior").status_code
            for name in names
        ]

        assert statuses == [303] * DISPUTES_A_DAY + [429]
        assert len(work(world)) == DISPUTES_A_DAY

    @pytest.mark.usefixtures("anna")
    def test_another_person_sees_nothing_of_it(
        self, world: World, browser: httpx.Client, other_browser: httpx.Client
    ) -> None:
        world.a_person("boris")
        sign_in(other_browser, "boris")
        sent = dispute(browser)

        page = other_browser.get(sent.headers["location"]).text

        assert "You dispute nothing" in page
        assert "третьего" not in page
        assert "Sent to" not in page
