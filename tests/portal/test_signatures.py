"""Who signed a document of a person, as the person is shown it."""

from pathlib import Path

import httpx
import pytest

from app.demo.paper import Page, write_pdf
from app.demo.signer import SIGNATURE_ROOTS, DemoSigner
from kernel.ids import PersonId
from tests.portal.portal_builders import World, sign_in


@pytest.fixture(scope="module")
def paper() -> bytes:
    page = Page()
    page.text(100, 100, "Справка")
    return write_pdf([page], title="Справка")


@pytest.fixture
def person(world: World, browser: httpx.Client) -> PersonId:
    found = world.a_person("anna")
    sign_in(browser, "anna")
    return found


@pytest.fixture
def signer(world: World, tmp_path: Path) -> DemoSigner:
    return DemoSigner.open(tmp_path, at=world.clock.now())


def trust(world: World, roots: Path) -> None:
    settings = world.app.state.settings
    world.app.state.settings = settings.model_copy(update={"signature_roots": roots})


def signatures(browser: httpx.Client, document_id: str) -> str:
    answer = browser.get(f"/account/documents/{document_id}/signatures")
    assert answer.status_code == 200
    return answer.text


def test_person_sees_who_signed_and_that_it_is_valid(
    world: World, browser: httpx.Client, person: PersonId, signer: DemoSigner, paper: bytes
) -> None:
    trust(world, signer.folder.parent / SIGNATURE_ROOTS)
    signed = world.a_document(person, content=signer.sign(paper, reason="test"))
    assert f"/account/documents/{signed}/signatures" in browser.get("/account/documents").text

    page = signatures(browser, signed)

    assert "Valid" in page
    assert signer.owner in page
    assert "Демонстрационный УЦ Civitas" in page
    assert f"{signer.certificate.serial_number:X}" in page


def test_of_whom_nobody_vouches_the_page_says_so(
    world: World, browser: httpx.Client, person: PersonId, signer: DemoSigner, paper: bytes
) -> None:
    trust(world, signer.folder / "nobody")
    signed = world.a_document(person, content=signer.sign(paper, reason="test"))

    page = signatures(browser, signed)

    assert "Signer not confirmed" in page
    assert "Anybody can make a signature in this name" in page
    assert ">Valid<" not in page.replace("\n", "").replace(" ", "")


def test_of_a_changed_document_no_signer_is_named(
    world: World, browser: httpx.Client, person: PersonId, signer: DemoSigner, paper: bytes
) -> None:
    trust(world, signer.folder.parent / SIGNATURE_ROOTS)
    signed = signer.sign(paper, reason="test") + b"\n%more\n"
    document_id = world.a_document(person, content=signed)

    page = signatures(browser, document_id)

    assert "Not valid" in page
    assert signer.owner not in page


def test_document_that_nobody_signed(
    world: World, browser: httpx.Client, person: PersonId, paper: bytes
) -> None:
    assert "Nobody has signed" in signatures(browser, world.a_document(person, content=paper))


def test_look_stands_in_the_log(
    world: World, browser: httpx.Client, person: PersonId, paper: bytes
) -> None:
    document_id = world.a_document(person, content=paper)
    before = world.actions(person).count("portal.document.read")
    signatures(browser, document_id)

    assert world.actions(person).count("portal.document.read") == before + 1


def test_document_of_another_is_not_found(
    world: World, browser: httpx.Client, person: PersonId, paper: bytes
) -> None:
    other = world.a_person("oleg", birthdate="1955-11-30")
    theirs = world.a_document(other, content=paper)

    assert browser.get(f"/account/documents/{theirs}/signatures").status_code == 404
    assert "portal.document.read" not in world.actions(other)
    assert "portal.document.read" not in world.actions(person)


def test_nobody_is_sent_to_the_sign_in(world: World, browser: httpx.Client, paper: bytes) -> None:
    document_id = world.a_document(world.a_person("anna"), content=paper)

    assert browser.get(f"/account/documents/{document_id}/signatures").status_code == 303
