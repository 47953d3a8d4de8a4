"""The account: everything is the signed-in person's, and every look is written down."""

import io
import json
import zipfile
from datetime import timedelta

import httpx
import pytest

from audit.api import Actor, list_entries
from consent.api import get_consent
from idp.api import add_partner
from kernel.db import unit_of_work_of
from kernel.ids import ConsentId, PersonId
from kernel.secret import random_bytes
from portal.events import (
    DocumentDeleted,
    DocumentRead,
    DocumentsExported,
    DocumentsListed,
    DocumentStored,
    RecordViewed,
)
from portal.service.access_log import ENTRIES_A_PAGE
from tests.audit.audit_builders import NOON, record
from tests.portal.portal_builders import PDF, World, post, sign_in

NOBODYS = "0193b0a0-0000-7000-8000-000000000000"

PAGES = [
    "/account", "/account/documents", "/account/documents/new", "/account/consents",
    "/account/log", "/account/sessions",
]  # fmt: skip


@pytest.fixture
def anna(world: World, browser: httpx.Client) -> PersonId:
    """Anna, signed in in `browser`."""
    person_id = world.a_person("anna", inn="500100732259")
    sign_in(browser, "anna")
    return person_id


@pytest.fixture
def boris(world: World, other_browser: httpx.Client) -> PersonId:
    """Boris, signed in in `other_browser`."""
    person_id = world.a_person("boris")
    sign_in(other_browser, "boris")
    return person_id


class TestEveryPage:
    @pytest.mark.parametrize("address", PAGES)
    def test_stranger_is_sent_to_sign_in(self, browser: httpx.Client, address: str) -> None:
        answer = browser.get(address)

        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?next=%2Faccount")

    @pytest.mark.usefixtures("anna")
    @pytest.mark.parametrize("address", PAGES)
    def test_page_is_shown_and_kept_nowhere(self, browser: httpx.Client, address: str) -> None:
        answer = browser.get(address)

        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]

    @pytest.mark.parametrize(
        "address",
        [
            f"/account/documents/{NOBODYS}/delete", f"/account/consents/{NOBODYS}/withdraw",
            f"/account/sessions/{NOBODYS}/end",
        ],
    )  # fmt: skip
    def test_form_of_another_site_is_refused_before_anything_is_looked_up(
        self, browser: httpx.Client, address: str
    ) -> None:
        assert browser.post(address).status_code == 403

    def test_session_expires_by_itself(
        self, world: World, anna: PersonId, browser: httpx.Client
    ) -> None:
        world.later(timedelta(hours=1))

        assert browser.get("/account").status_code == 303
        assert RecordViewed.action not in world.actions(anna)


class TestRecord:
    @pytest.mark.usefixtures("anna")
    def test_values_stand_with_source_and_date(self, browser: httpx.Client) -> None:
        page = browser.get("/account").text

        for part in ("Иванова", "3 February 1990", "500100732259", "Ministry of Internal Affairs"):
            assert part in page
        assert "as of 1 January 2020" in page

    def test_look_is_in_the_log(self, world: World, browser: httpx.Client, anna: PersonId) -> None:
        world.later(timedelta(seconds=1))
        browser.get("/account")

        assert world.actions(anna)[0] == RecordViewed.action
        assert "You looked at your data" in browser.get("/account/log").text

    @pytest.mark.usefixtures("anna")
    def test_language_is_the_persons(self, browser: httpx.Client) -> None:
        page = browser.get("/account", headers={"Accept-Language": "ru"}).text

        assert "3 февраля 1990" in page
        assert "МВД России" in page


class TestDocuments:
    def test_document_is_listed_and_downloaded_whole_and_in_part(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        document_id = world.a_document(anna, title="Справка 2025")
        address = f"/account/documents/{document_id}/content"

        page = browser.get("/account/documents").text
        whole = browser.get(address)
        part = browser.get(address, headers={"Range": "bytes=0-3"})

        assert "Справка 2025" in page
        assert "Tax service" in page
        assert whole.content == PDF
        assert whole.headers["content-disposition"].startswith("attachment")
        assert part.status_code == 206
        assert part.content == b"%PDF"
        actions = world.actions(anna)
        assert actions.count(DocumentRead.action) == 2
        assert actions.count(DocumentsListed.action) == 1

    @pytest.mark.parametrize("what", ["content", "delete"])
    @pytest.mark.usefixtures("anna")
    def test_another_persons_document_is_as_unknown_as_none(
        self,
        world: World,
        browser: httpx.Client,
        boris: PersonId,
        what: str,
    ) -> None:
        document_id = world.a_document(boris)

        his = browser.get(f"/account/documents/{document_id}/{what}")
        nobodys = browser.get(f"/account/documents/{NOBODYS}/{what}")

        assert his.status_code == nobodys.status_code == 404
        assert his.text.replace(document_id, NOBODYS) == nobodys.text

    @pytest.mark.usefixtures("anna")
    def test_another_persons_document_is_not_deleted(
        self,
        world: World,
        browser: httpx.Client,
        other_browser: httpx.Client,
        boris: PersonId,
    ) -> None:
        document_id = world.a_document(boris)
        form = browser.get("/account/documents/new").text

        answer = post(browser, f"/account/documents/{document_id}/delete", form, {})

        assert answer.status_code == 404
        assert other_browser.get(f"/account/documents/{document_id}/content").content == PDF

    def test_deleted_document_is_gone(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        address = f"/account/documents/{world.a_document(anna)}"
        form = browser.get(f"{address}/delete")

        answer = post(browser, f"{address}/delete", form.text, {})

        assert "not even from a backup" in form.text
        assert answer.headers["location"] == "/account/documents"
        assert browser.get(f"{address}/content").status_code == 404
        assert DocumentDeleted.action in world.actions(anna)


class TestUpload:
    def send(
        self,
        browser: httpx.Client,
        content: bytes,
        *,
        filename: str = "scan.pdf",
        token: str | None = None,
        **fields: str,
    ) -> httpx.Response:
        page = browser.get("/account/documents/new").text
        found = page.split('name="form_token" value="')[1].split('"')[0] if token is None else token
        return browser.post(
            "/account/documents/new",
            data={"form_token": found, "kind": "income_certificate", **fields},
            files={"file": (filename, content, "application/pdf")},
        )

    def test_document_is_stored_and_comes_back(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        content = PDF + random_bytes(300_000)

        answer = self.send(browser, content, title="Моя справка")

        assert answer.status_code == 303
        page = browser.get("/account/documents").text
        assert "Моя справка" in page
        document_id = page.split("/account/documents/")[2].split("/")[0]
        assert browser.get(f"/account/documents/{document_id}/content").content == content
        assert DocumentStored.action in world.actions(anna)

    @pytest.mark.usefixtures("anna")
    def test_document_without_a_name_is_named_after_its_file(self, browser: httpx.Client) -> None:
        self.send(browser, PDF, filename="<b>2025</b>.pdf")

        assert "&lt;b&gt;2025&lt;/b&gt;.pdf" in browser.get("/account/documents").text

    def test_stranger_stores_nothing(self, browser: httpx.Client) -> None:
        answer = browser.post("/account/documents/new", files={"file": ("x.pdf", PDF)})

        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")

    @pytest.mark.parametrize("token", ["", "x" * 43])
    def test_form_of_another_site_stores_nothing(
        self, world: World, browser: httpx.Client, anna: PersonId, token: str
    ) -> None:
        answer = self.send(browser, PDF, token=token)

        assert answer.status_code == 403
        assert DocumentStored.action not in world.actions(anna)

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [(b"", "This file is empty"), (b"MZ\x90\x00 not a document", "not of a format")],
        ids=["empty", "another format"],
    )
    def test_unsuitable_file_shows_the_form_again(
        self,
        world: World,
        browser: httpx.Client,
        anna: PersonId,
        content: bytes,
        sentence: str,
    ) -> None:
        answer = self.send(browser, content, title="Справка")

        assert answer.status_code == 400
        assert sentence in answer.text
        assert 'href="#file"' in answer.text
        assert DocumentStored.action not in world.actions(anna)

    @pytest.mark.usefixtures("anna")
    def test_form_without_a_file_shows_the_form_again(self, browser: httpx.Client) -> None:
        answer = browser.post(
            "/account/documents/new", data={"kind": "ct_scan"}, files={"other": (None, b"x")}
        )

        assert answer.status_code == 400
        assert "Choose a file" in answer.text

    def test_file_over_the_limit_is_refused_and_leaves_nothing(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        answer = self.send(browser, PDF + bytes(1 << 20))

        assert answer.status_code == 413
        assert DocumentStored.action not in world.actions(anna)

    @pytest.mark.usefixtures("anna")
    def test_unknown_kind_is_refused(self, browser: httpx.Client) -> None:
        assert self.send(browser, PDF, kind="x' OR 1=1 --").status_code == 400


class TestConsents:
    def test_consent_is_shown_in_the_persons_words(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        world.a_consent(anna, partner_name="Демо <Банк>")

        page = browser.get("/account/consents").text

        for part in ("Демо &lt;Банк&gt;", "open an account for you", "Family name, Date of birth"):
            assert part in page

    def test_withdrawal_is_asked_then_done(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        consent = world.a_consent(anna)
        address = f"/account/consents/{consent.consent_id}/withdraw"

        form = browser.get(address)
        before = self.is_live(world, anna, consent.consent_id)
        answer = post(browser, address, form.text, {})

        assert before
        assert not self.is_live(world, anna, consent.consent_id)
        done = browser.get(answer.headers["location"]).text
        assert "Демо Банк can no longer read your data." in done
        assert "Withdrawn by you" in done
        assert browser.get(address).status_code == 409

    def is_live(self, world: World, person_id: PersonId, consent_id: ConsentId) -> bool:
        with world.sessions() as session:
            return get_consent(session, person_id, consent_id).is_live(world.clock.now())

    @pytest.mark.parametrize("what", ["withdraw", "receipt"])
    @pytest.mark.usefixtures("anna")
    def test_another_persons_consent_is_as_unknown_as_none(
        self, world: World, browser: httpx.Client, boris: PersonId, what: str
    ) -> None:
        his = str(world.a_consent(boris).consent_id)

        answer = browser.get(f"/account/consents/{his}/{what}")

        assert answer.status_code == 404
        nobodys = browser.get(f"/account/consents/{NOBODYS}/{what}")
        assert answer.text.replace(his, NOBODYS) == nobodys.text

    @pytest.mark.usefixtures("anna")
    def test_another_persons_consent_is_not_withdrawn(
        self, world: World, browser: httpx.Client, boris: PersonId
    ) -> None:
        consent_id = world.a_consent(boris).consent_id
        form = browser.get("/account/documents/new").text

        answer = post(browser, f"/account/consents/{consent_id}/withdraw", form, {})

        assert answer.status_code == 404
        assert self.is_live(world, boris, consent_id)

    def test_receipt_is_a_signed_record(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        consent = world.a_consent(anna)

        answer = browser.get(f"/account/consents/{consent.consent_id}/receipt")

        assert "attachment" in answer.headers["content-disposition"]
        assert answer.json()["signature"] == consent.signature


class TestLog:
    def test_proof_is_offered_when_it_is_ready(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        browser.get("/account")
        waiting = browser.get("/account/log").text

        world.run_sequencer()
        ready = browser.get("/account/log").text
        address = ready.split('href="/account/log/')[1].split('"')[0]
        answer = browser.get(f"/account/log/{address}")

        assert "The proof will be ready" in waiting
        assert "attachment" in answer.headers["content-disposition"]
        proof = json.loads(answer.text)
        assert json.loads(proof["leaf"])["action"] in world.actions(anna)
        assert str(anna) not in answer.text

    def test_proof_that_is_not_ready_says_when(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        with world.sessions() as session:
            entry_id = list_entries(session, anna)[0].entry.entry_id

        answer = browser.get(f"/account/log/{entry_id}/proof")

        assert answer.status_code == 409
        assert "ready in a few seconds" in answer.text

    @pytest.mark.usefixtures("anna", "boris")
    def test_another_persons_entry_is_as_unknown_as_none(
        self,
        world: World,
        browser: httpx.Client,
        other_browser: httpx.Client,
    ) -> None:
        other_browser.get("/account")
        world.run_sequencer()
        page = other_browser.get("/account/log").text
        his = page.split('href="/account/log/')[1].split("/")[0]

        answer = browser.get(f"/account/log/{his}/proof")

        assert answer.status_code == 404
        assert other_browser.get(f"/account/log/{his}/proof").status_code == 200
        assert his not in browser.get("/account/log").text

    def test_long_log_is_paged_without_losing_an_entry(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        for _ in range(ENTRIES_A_PAGE + 3):
            world.later(timedelta(seconds=1))
            browser.get("/account")
        total = len(world.actions(anna))

        first = browser.get("/account/log").text
        older = first.split('href="/account/log?before=')[1].split('"')[0]
        second = browser.get(f"/account/log?before={older}").text

        shown = first.count('id="entry-') + second.count('id="entry-')
        assert first.count('id="entry-') == ENTRIES_A_PAGE
        assert shown == total

    def test_partner_whom_the_person_never_allowed_anything_has_its_name(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        with unit_of_work_of(world.sessions) as session:
            add_partner(session, partner_id="nosy-shop", name="Лавка у дома", at=NOON)
            record(
                session,
                person_id=anna,
                outcome="refused",
                reason="never_given",
                actor=Actor(kind="partner", id="nosy-shop"),
            )

        page = browser.get("/account/log").text

        assert "Лавка у дома" in page
        assert "nosy-shop" not in page

    @pytest.mark.usefixtures("anna")
    def test_malformed_place_in_the_log_is_refused(self, browser: httpx.Client) -> None:
        assert browser.get("/account/log?before=x").status_code == 422


class TestSessions:
    @pytest.mark.usefixtures("anna")
    def test_other_session_can_be_ended(
        self, world: World, browser: httpx.Client, other_browser: httpx.Client
    ) -> None:
        world.later(timedelta(minutes=1))
        sign_in(other_browser, "anna")
        page = other_browser.get("/account/sessions").text
        addresses = [part.split('"')[0] for part in page.split('action="')[1:]]

        answers = [post(other_browser, address, page, {}) for address in addresses[1:]]

        assert page.count("This device") == 1
        assert [answer.status_code for answer in answers] == [303]
        assert browser.get("/account").status_code == 303
        assert other_browser.get("/account").status_code == 200

    @pytest.mark.usefixtures("anna", "boris")
    def test_another_persons_session_is_not_ended(
        self, browser: httpx.Client, other_browser: httpx.Client,
    ) -> None:  # fmt: skip
        page = other_browser.get("/account/sessions").text
        his = page.split('action="')[1].split('"')[0]

        post(browser, his, browser.get("/account/sessions").text, {})

        assert other_browser.get("/account").status_code == 200


class TestExport:
    """Everything one has, as one file."""

    def names(self, answer: httpx.Response) -> set[str]:
        return set(zipfile.ZipFile(io.BytesIO(answer.content)).namelist())

    def test_all_documents_are_in_it_and_it_stands_in_the_log(
        self, world: World, browser: httpx.Client, anna: PersonId
    ) -> None:
        world.a_document(anna, title="Справка")
        page = browser.get("/account/documents").text

        answer = browser.get("/account/documents/export?part=1")

        assert "/account/documents/export?part=1" in page
        assert answer.headers["content-type"] == "application/zip"
        assert self.names(answer) == {"Справка.pdf", "manifest.json"}
        assert DocumentsExported.action in world.actions(anna)

    @pytest.mark.usefixtures("anna")
    def test_nothing_of_others_is_in_it(
        self, world: World, browser: httpx.Client, boris: PersonId
    ) -> None:
        world.a_document(boris, title="Чужая")

        assert self.names(browser.get("/account/documents/export")) == {"manifest.json"}

    @pytest.mark.usefixtures("anna")
    def test_part_that_there_is_not_is_not_found(self, browser: httpx.Client) -> None:
        assert browser.get("/account/documents/export?part=2").status_code == 404
        assert browser.get("/account/documents/export?part=0").status_code in {404, 422}

    def test_stranger_gets_none(self, browser: httpx.Client) -> None:
        assert browser.get("/account/documents/export").status_code == 303
