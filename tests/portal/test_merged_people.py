"""Two people found to be one see what belongs to either; found to be two again, each their own."""

import io
import re
import zipfile
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from audit.api import list_entries
from consent.api import get_consent
from kernel.db import unit_of_work_of
from kernel.ids import ConsentId, EntryId, PersonId, new_id
from population_register.api import Decider, merge_persons, undo_merge
from portal.events import DocumentDeleted, DocumentRead, DocumentsExported, DocumentsListed
from portal.service.access_log import ENTRIES_A_PAGE
from tests.audit.audit_builders import record
from tests.portal.portal_builders import PDF, World, post, sign_in

NAMES = {"anna": "Справка Анны", "anya": "Справка Ани"}
PARTNERS = {"anna": "Банк Анны", "anya": "Банк Ани"}


@dataclass(frozen=True, kw_only=True)
class Two:
    """Two people with accounts, each with a document and a consent; merged and parted at will."""

    world: World
    persons: dict[str, PersonId]
    documents: dict[str, str]
    consents: dict[str, ConsentId]
    merges: list[UUID] = field(default_factory=list)

    def by(self) -> Decider:
        return Decider(
            official="vera", reason="seen both passports", at=self.world.clock.now(),
            confirmed_by="petr",
        )  # fmt: skip

    def merge(self) -> None:
        with unit_of_work_of(self.world.sessions) as session:
            merged = merge_persons(
                session, self.world.keyring, *self.persons.values(), by=self.by()
            )
        self.merges.append(merged.merge_id)

    def part(self) -> None:
        with unit_of_work_of(self.world.sessions) as session:
            undo_merge(session, self.world.keyring, self.merges.pop(), by=self.by())


@pytest.fixture
def two(world: World, browser: httpx.Client, other_browser: httpx.Client) -> Two:
    persons = {
        "anna": world.a_person("anna"),
        "anya": world.a_person("anya", family_name="Ковалёва", birthdate="1971-07-07"),
    }
    made = Two(
        world=world,
        persons=persons,
        documents={n: world.a_document(p, title=NAMES[n]) for n, p in persons.items()},
        consents={
            n: world.a_consent(p, partner_name=PARTNERS[n]).consent_id for n, p in persons.items()
        },
    )
    sign_in(browser, "anna")
    sign_in(other_browser, "anya")
    return made


def listed(client: httpx.Client) -> tuple[set[str], set[str]]:
    """Return whose documents and whose consents an account shows."""
    documents, consents = (client.get(f"/account/{p}").text for p in ("documents", "consents"))
    return (
        {name for name, title in NAMES.items() if title in documents},
        {name for name, partner in PARTNERS.items() if partner in consents},
    )


BOTH = ({"anna", "anya"}, {"anna", "anya"})


class TestMerged:
    def test_either_account_shows_what_belongs_to_both(
        self, two: Two, browser: httpx.Client, other_browser: httpx.Client
    ) -> None:
        assert listed(browser) == ({"anna"}, {"anna"})

        two.merge()

        assert listed(browser) == BOTH
        assert listed(other_browser) == BOTH

    def test_document_of_the_other_is_read_and_it_stands_in_the_other_log(
        self, two: Two, browser: httpx.Client
    ) -> None:
        two.merge()

        read = browser.get(f"/account/documents/{two.documents['anya']}/content")

        assert read.content == PDF
        assert DocumentRead.action in two.world.actions(two.persons["anya"])

    def test_document_of_the_other_is_deleted(self, two: Two, browser: httpx.Client) -> None:
        two.merge()
        address = f"/account/documents/{two.documents['anya']}/delete"

        page = browser.get(address).text
        post(browser, address, page, {})

        assert NAMES["anya"] in page
        assert listed(browser)[0] == {"anna"}
        assert DocumentDeleted.action in two.world.actions(two.persons["anya"])

    def test_all_documents_of_both_are_taken_along(self, two: Two, browser: httpx.Client) -> None:
        two.merge()

        found = [
            name
            for part in (1, 2)
            for name in zipfile.ZipFile(
                io.BytesIO(browser.get(f"/account/documents/export?part={part}").content)
            ).namelist()
        ]

        assert {f"{title}.pdf" for title in NAMES.values()} <= set(found)
        for person_id in two.persons.values():
            assert DocumentsExported.action in two.world.actions(person_id)

    def test_consent_of_the_other_is_withdrawn_and_has_its_receipt(
        self, two: Two, browser: httpx.Client
    ) -> None:
        two.merge()
        address = f"/account/consents/{two.consents['anya']}"

        page = browser.get(f"{address}/withdraw").text
        post(browser, f"{address}/withdraw", page, {})

        assert browser.get(f"{address}/receipt").status_code == 200
        with two.world.sessions() as session:
            record = get_consent(session, two.persons["anya"], two.consents["anya"])
        assert record.ended_at is not None

    def test_log_shows_both_in_order_with_proofs(self, two: Two, browser: httpx.Client) -> None:
        two.merge()
        two.world.run_sequencer()
        with two.world.sessions() as session:
            theirs = list_entries(session, two.persons["anya"])[0].entry.entry_id

        page = browser.get("/account/log").text

        instants = re.findall(r'<time datetime="([^"]+)"', page)
        assert instants == sorted(instants, reverse=True)
        assert page.count("vera") >= len(two.persons)
        assert browser.get(f"/account/log/{theirs}/proof").status_code == 200

    def test_pages_of_the_log_miss_nothing(self, two: Two, browser: httpx.Client) -> None:
        two.merge()
        with unit_of_work_of(two.world.sessions) as session:
            for person_id in [*two.persons.values()] * (ENTRIES_A_PAGE * 2 // 3):
                at = two.world.later(timedelta(seconds=1))
                entry_id = EntryId(new_id(at))
                record(session, person_id=person_id, entry_id=entry_id, occurred_at=at)
        with two.world.sessions() as session:
            expected = sum(len(list_entries(session, p)) for p in two.persons.values())

        first = browser.get("/account/log").text
        older = first.split('href="/account/log?before=')[1].split('"')[0]
        second = browser.get(f"/account/log?before={older}").text

        assert first.count('id="entry-') == ENTRIES_A_PAGE
        assert first.count('id="entry-') + second.count('id="entry-') == expected

    def test_what_one_did_in_the_other_log_was_done_by_oneself(
        self, two: Two, browser: httpx.Client
    ) -> None:
        two.merge()
        listed(browser)

        page = browser.get("/account/log").text

        assert "Your parent" not in page
        assert "Somebody who was taken for you" not in page


class TestParted:
    def test_each_has_their_own_again(
        self, two: Two, browser: httpx.Client, other_browser: httpx.Client
    ) -> None:
        two.merge()
        listed(browser)
        two.world.later(timedelta(minutes=1))
        two.part()

        assert listed(browser) == ({"anna"}, {"anna"})
        assert listed(other_browser) == ({"anya"}, {"anya"})

    def test_nothing_of_the_other_can_be_reached_any_more(
        self, two: Two, browser: httpx.Client
    ) -> None:
        two.merge()
        two.part()
        two.world.run_sequencer()
        with two.world.sessions() as session:
            theirs = list_entries(session, two.persons["anya"])[0].entry.entry_id

        for address in (
            f"/account/documents/{two.documents['anya']}/content",
            f"/account/documents/{two.documents['anya']}/delete",
            f"/account/consents/{two.consents['anya']}/withdraw",
            f"/account/consents/{two.consents['anya']}/receipt",
            f"/account/log/{theirs}/proof",
        ):
            assert browser.get(address).status_code == 404, address

    def test_what_the_other_did_meanwhile_stays_in_the_log(
        self, two: Two, browser: httpx.Client, other_browser: httpx.Client
    ) -> None:
        two.merge()
        listed(browser)
        two.part()

        page = other_browser.get("/account/log").text

        assert DocumentsListed.action in two.world.actions(two.persons["anya"])
        assert "Somebody who was taken for you" in page

    def test_what_came_in_between_is_on_its_side(
        self, two: Two, browser: httpx.Client, other_browser: httpx.Client
    ) -> None:
        two.merge()
        two.world.a_consent(two.persons["anya"], partner_name="Клиника")
        two.part()

        assert "Клиника" not in browser.get("/account/consents").text
        assert "Клиника" in other_browser.get("/account/consents").text
