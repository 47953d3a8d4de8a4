"""The desk: who may see and decide what; one clerk a case; two officials for two accounts."""

import re
from datetime import timedelta

import httpx
import pytest

from audit.api import list_entries
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId
from population_register.api import (
    Reader,
    answer_work,
    list_work,
)
from population_register.case_store import HELD_FOR
from tests.asgi import client_of
from tests.portal.desk_builders import (
    ANNA,
    NOBODYS,
    WHY,
    Desk,
    Official,
    decide,
    desk,
    desk_sign_in,
    forms,
    official,
    proposal_of,
    say,
    send,
    take,
    telephone,
    token,
)
from tests.portal.portal_builders import World, field, sign_in

__all__ = ["desk", "official", "telephone"]


class TestRefusals:
    def test_lead_back_to_the_desk_and_not_to_somebodys_account(
        self, official: Official, desk: Desk
    ) -> None:
        client = official("olga", "auditor")
        for answer in (
            client.get(f"/desk/cases/{NOBODYS}/{desk.case.one}"),
            send(client, f"{desk.address}/take"),
        ):
            assert answer.status_code in {403, 404}
            assert 'href="/desk"' in answer.text
            assert 'href="/account' not in answer.text

    def test_elsewhere_they_lead_to_the_account(self, browser: httpx.Client) -> None:
        assert 'href="/account"' in browser.get("/interaction/nothing").text


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
