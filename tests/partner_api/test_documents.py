"""Documents for partners: listed and streamed under consent, under identifiers of the client."""

from pathlib import Path

import httpx
import pytest

from kernel.ids import PersonId
from tests.partner_api.partner_world import (
    DICOM,
    DOCUMENT_ITEMS,
    DOCUMENTS,
    PDF,
    Access,
    World,
    a_disclosure,
)
from vault.api import Document, DocumentKind

pytestmark = pytest.mark.db


@pytest.fixture
def person_id(world: World) -> PersonId:
    return world.a_person()


@pytest.fixture
def scan(world: World, person_id: PersonId) -> Document:
    return world.a_document(person_id, title="Снимок лёгких")


@pytest.fixture
def access(world: World, person_id: PersonId) -> Access:
    access = world.a_grant(person_id)
    world.consent(access)
    return access


def listed(world: World, access: Access) -> list[dict[str, object]]:
    response = world.get(access, DOCUMENTS)
    assert response.status_code == 200, response.text
    documents: list[dict[str, object]] = response.json()["documents"]
    return documents


def address(world: World, access: Access) -> str:
    (document,) = listed(world, access)
    return f"{DOCUMENTS}/{document['id']}"


def refused(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code


class TestList:
    def test_names_what_consent_covers(self, world: World, access: Access, scan: Document) -> None:
        (document,) = listed(world, access)

        assert document == {
            "id": document["id"],
            "item": "document:ct_scan",
            "title": "Снимок лёгких",
            "media_type": "application/dicom",
            "length": len(DICOM),
            "source": None,
            "stored_on": "2026-11-23",
        }
        assert document["id"] != str(scan.document_id)
        (entry,) = world.logged(access)
        assert (entry.action, entry.items) == ("partner_api.documents.listed", DOCUMENT_ITEMS)

    @pytest.mark.usefixtures("scan")
    def test_leaves_out_kinds_that_were_not_asked_for(
        self, world: World, access: Access, person_id: PersonId
    ) -> None:
        world.a_document(person_id, DocumentKind.OTHER, content=PDF)
        world.a_document(person_id, DocumentKind.PASSPORT_SCAN, content=PDF)

        assert [document["item"] for document in listed(world, access)] == ["document:ct_scan"]

    def test_withdrawal_refuses_the_very_next_list(self, world: World, access: Access) -> None:
        world.withdraw(world.consent(access))

        refused(world.get(access, DOCUMENTS), 403, "consent_withdrawn")
        assert world.logged(access)[-1].outcome == "refused"

    def test_consent_must_cover_all_kinds_of_the_list(
        self, world: World, person_id: PersonId
    ) -> None:
        access = world.a_grant(person_id)
        world.consent(access, "document:ct_scan")

        refused(world.get(access, DOCUMENTS), 403, "items_not_consented")
        narrowed = world.get(access, f"{DOCUMENTS}?items=document:ct_scan")
        assert narrowed.status_code == 200

    def test_token_without_documents_lists_none(self, world: World, person_id: PersonId) -> None:
        access = world.a_grant(person_id, details=[a_disclosure("inn")])
        world.consent(access)

        refused(world.get(access, DOCUMENTS), 403, "items_not_consented")

    @pytest.mark.usefixtures("scan")
    def test_identifiers_are_stable_for_a_client_and_unlike_those_of_another(
        self, world: World, access: Access, person_id: PersonId
    ) -> None:
        other = world.a_grant(person_id)
        world.consent(other)

        mine = {address(world, access) for _ in range(2)}

        assert len(mine) == 1
        assert address(world, other) not in mine


@pytest.mark.usefixtures("scan")
class TestRead:
    def test_whole_document(self, world: World, access: Access) -> None:
        response = world.get(access, address(world, access))

        assert response.status_code == 200
        assert response.content == DICOM
        assert response.headers["content-type"] == "application/dicom"
        assert response.headers["content-length"] == str(len(DICOM))
        assert response.headers["accept-ranges"] == "bytes"
        assert "no-store" in response.headers["cache-control"]
        assert response.headers["content-disposition"].startswith("attachment")
        assert world.logged(access)[-1].items == ("document:ct_scan",)
        assert world.logged(access)[-1].action == "partner_api.document.read"

    @pytest.mark.spec("RFC9110-14.2")
    def test_part_of_a_document(self, world: World, access: Access) -> None:
        path = address(world, access)

        response = world.get(access, path, {"Range": "bytes=100-199"})

        assert response.status_code == 206
        assert response.content == DICOM[100:200]
        assert response.headers["content-range"] == f"bytes 100-199/{len(DICOM)}"
        assert response.headers["content-length"] == "100"

    @pytest.mark.spec("RFC9110-13.1.5")
    def test_part_if_it_is_still_the_same(self, world: World, access: Access) -> None:
        path = address(world, access)
        etag = world.get(access, path).headers["etag"]

        same = world.get(access, path, {"Range": "bytes=0-9", "If-Range": etag})
        changed = world.get(access, path, {"Range": "bytes=0-9", "If-Range": '"other"'})

        assert (same.status_code, changed.status_code) == (206, 200)

    @pytest.mark.spec("RFC9110-15.5.17")
    def test_part_outside_of_the_document(self, world: World, access: Access) -> None:
        path = address(world, access)

        response = world.get(access, path, {"Range": f"bytes={len(DICOM)}-"})

        refused(response, 416, "range_not_satisfiable")
        assert response.headers["content-range"] == f"bytes */{len(DICOM)}"

    def test_withdrawal_refuses_the_very_next_read(self, world: World, access: Access) -> None:
        path = address(world, access)
        world.withdraw(world.consent(access))

        refused(world.get(access, path), 403, "consent_withdrawn")
        refusal = world.logged(access)[-1]
        assert (refusal.outcome, refusal.items) == ("refused", ("document:ct_scan",))

    def test_limited_number_of_reads(self, world: World, person_id: PersonId) -> None:
        access = world.a_grant(person_id)
        world.consent(access, max_uses=3)
        path = address(world, access)

        statuses = [world.get(access, path).status_code for _ in range(3)]

        assert statuses == [200, 200, 403]


class TestNotThere:
    """Unknown, another person's, not granted: one answer, byte for byte."""

    def other_peoples(self, world: World, access: Access) -> list[str]:
        """Addresses that this client may not learn anything about."""
        stranger = world.a_grant(
            world.a_person(family_name="Иной"), client=(access.client_id, access.partner_id)
        )
        world.consent(stranger)
        world.a_document(stranger.person_id)
        of_another_person = address(world, stranger)

        other_client = world.a_grant(access.person_id)
        world.consent(other_client)
        world.a_document(access.person_id)
        of_another_client = address(world, other_client)

        wider = world.a_grant(
            access.person_id,
            client=(access.client_id, access.partner_id),
            details=[a_disclosure("document:passport_scan")],
        )
        world.consent(wider, "document:passport_scan")
        world.a_document(access.person_id, DocumentKind.PASSPORT_SCAN, content=PDF)
        of_a_kind_not_granted = address(world, wider)

        return [
            of_another_person,
            of_another_client,
            of_a_kind_not_granted,
            f"{DOCUMENTS}/01930000-0000-7000-8000-000000000000",
            f"{DOCUMENTS}/not-an-identifier",
        ]

    def test_all_look_the_same(self, world: World, access: Access) -> None:
        answers = [world.get(access, path) for path in self.other_peoples(world, access)]

        for answer in answers:
            refused(answer, 404, "not_found")
        bodies = [answer.json() for answer in answers]
        for body in bodies:
            del body["request_id"]
        assert all(body == bodies[0] for body in bodies)
        headers = [{n for n in answer.headers if n != "x-request-id"} for answer in answers]
        assert all(each == headers[0] for each in headers)

    @pytest.mark.parametrize(
        "identifier",
        ["%00", "..%2f..%2fetc%2fpasswd", "'%20OR%201=1", "%7B%7B7*7%7D%7D", "é", "a" * 5000],
    )
    def test_metacharacters_name_nothing(
        self, world: World, access: Access, identifier: str
    ) -> None:
        response = world.get(access, f"{DOCUMENTS}/{identifier}")

        assert response.status_code in {401, 404}
        assert "49" not in response.json()["detail"]


@pytest.mark.usefixtures("scan")
class TestDamage:
    def blobs(self, world: World) -> list[Path]:
        folder = world.app.state.settings.data / "blobs"
        return [path for path in folder.rglob("*") if path.is_file()]

    def test_truncated_document_is_not_sent(self, world: World, access: Access) -> None:
        path = address(world, access)
        for blob in self.blobs(world):
            blob.write_bytes(blob.read_bytes()[:-1])

        refused(world.get(access, path), 500, "undecryptable")

    def test_flipped_bit_is_not_sent(self, world: World, access: Access) -> None:
        path = address(world, access)
        for blob in self.blobs(world):
            content = bytearray(blob.read_bytes())
            content[len(content) // 2] ^= 1
            blob.write_bytes(content)

        refused(world.get(access, path), 500, "undecryptable")
