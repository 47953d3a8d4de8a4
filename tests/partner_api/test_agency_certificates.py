"""An agency that authenticates by certificate (RFC 8705): sends a record, and asks who it is about.

The certificate is in a trusted proxy's header (RFC 9440), as `docs/idp.md` describes.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from kernel.clock import FrozenClock
from kernel.ids import AgencyId
from partner_api.agencies.service.clients import add_agency_client
from population_register.api import close_agency
from tests.databases import WITH_KEYS, KnownKeys, temporary_database
from tests.idp.certificates import (
    Certificate,
    a_client_certificate,
    an_authority,
    behind_mutual_tls,
    make,
    name,
)
from tests.idp.idp_world import IdpWorld, open_idp_world
from tests.partner_api.agency_world import BASIS, PURPOSE, RECORDS, RESOLVE, an_asker, an_inn
from tests.partner_api.partner_world import NOON

pytestmark = pytest.mark.db

SCOPE = "register.feed register.resolve"


@pytest.fixture(scope="module")
def authority() -> Certificate:
    return an_authority()


@pytest.fixture(scope="module")
def opened(
    authority: Certificate,
    server_url: str,
    known_keys: KnownKeys,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[IdpWorld]:
    folder = tmp_path_factory.mktemp("civitas")
    known_keys.put_root_key_into(folder)
    settings = behind_mutual_tls(authority, tmp_path_factory.mktemp("authorities"))
    with (
        temporary_database(server_url, template=WITH_KEYS) as url,
        open_idp_world(url, folder, **settings) as world,
    ):
        yield world


@dataclass(frozen=True, kw_only=True)
class Agency:
    """An agency, its client and its certificate."""

    world: IdpWorld
    agency_id: AgencyId
    client_id: str
    certificate: Certificate
    official: str

    def token(self, certificate: Certificate | None) -> httpx.Response:
        form = {"grant_type": "client_credentials", "client_id": self.client_id, "scope": SCOPE}
        headers = {} if certificate is None else certificate.headers
        return self.world.http.post("/token", data=form, headers=headers)

    def call(
        self, path: str, body: dict[str, Any], token: str, certificate: Certificate | None
    ) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Civitas-Official": self.official,
            **({} if certificate is None else certificate.headers),
        }
        return self.world.http.post(path, content=json.dumps(body), headers=headers)


@pytest.fixture
def agency(opened: IdpWorld, authority: Certificate) -> Agency:
    return an_agency(opened, authority)


def an_agency(world: IdpWorld, authority: Certificate) -> Agency:
    world.clock = world.app.state.clock = FrozenClock(NOON)
    asker = an_asker(world)
    with world.session() as session:
        client = add_agency_client(
            session,
            world.provider,
            asker.agency_id,
            {
                "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_subject_dn": f"CN={asker.agency_id}",
                "tls_client_certificate_bound_access_tokens": True,
                "scope": SCOPE,
            },
            at=NOON,
        )
    return Agency(
        world=world,
        agency_id=asker.agency_id,
        client_id=client.client_id,
        certificate=make(name(asker.agency_id), issuer=authority),
        official=asker.official(),
    )


def a_row(inn: str) -> dict[str, Any]:
    return {
        "record_number": f"Н-{inn}", "version": 1, "valid_from": "2020-01-01", "inn": inn,
        "family_name": "Волкова", "given_name": "Анна", "birthdate": "1986-03-14",
    }  # fmt: skip


def a_question(inn: str) -> dict[str, Any]:
    return {"legal_basis": BASIS, "purpose": PURPOSE, "identifiers": {"inn": inn}}


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("error") or answer.json()["code"]


@pytest.mark.spec("RFC8705-2.1")
@pytest.mark.spec("RFC8705-3")
def test_agency_sends_a_record_and_resolves_by_its_certificate(agency: Agency) -> None:
    inn = an_inn()
    token = agency.token(agency.certificate).json()["access_token"]

    sent = agency.call(RECORDS, a_row(inn), token, agency.certificate)
    asked = agency.call(RESOLVE, a_question(inn), token, agency.certificate)

    assert sent.status_code == 201, sent.text
    assert asked.status_code == 200, asked.text
    assert asked.json()["outcome"] == "match"
    assert asked.json()["pseudonym"] == sent.json()["pseudonym"]


class TestToken:
    """Who asks for a token by a certificate that is not the client's gets none."""

    def test_without_a_certificate(self, agency: Agency) -> None:
        assert code_of(agency.token(None)) == (401, "invalid_client")

    def test_with_another_agency_s(self, agency: Agency, authority: Certificate) -> None:
        other = an_agency(agency.world, authority)

        assert code_of(agency.token(other.certificate)) == (401, "invalid_client")
        assert code_of(replace(agency, client_id=other.client_id).token(agency.certificate)) == (
            401,
            "invalid_client",
        )

    def test_with_one_of_no_authority(self, agency: Agency) -> None:
        for issuer in (None, an_authority("Another"), an_authority()):
            forged = make(name(agency.agency_id), issuer=issuer)
            assert code_of(agency.token(forged)) == (401, "invalid_client")

    def test_with_one_that_has_expired(self, agency: Agency, authority: Certificate) -> None:
        expired = make(name(agency.agency_id), issuer=authority, days=(-2, -1))

        assert code_of(agency.token(expired)) == (401, "invalid_client")

    def test_with_one_of_a_bank(self, agency: Agency, authority: Certificate) -> None:
        assert code_of(agency.token(a_client_certificate(authority))) == (401, "invalid_client")


class TestCall:
    """A token is bound to the certificate: whoever has only the token has nothing."""

    def refused(self, agency: Agency, token: str, certificate: Certificate | None) -> None:
        inn = an_inn()
        for path, body in ((RECORDS, a_row(inn)), (RESOLVE, a_question(inn))):
            answer = agency.call(path, body, token, certificate)
            assert answer.status_code == 401, path
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    def test_without_a_certificate(self, agency: Agency) -> None:
        token = agency.token(agency.certificate).json()["access_token"]

        self.refused(agency, token, None)

    def test_with_another_agency_s(self, agency: Agency, authority: Certificate) -> None:
        other = an_agency(agency.world, authority)
        token = agency.token(agency.certificate).json()["access_token"]

        self.refused(agency, token, other.certificate)
        self.refused(other, token, other.certificate)

    def test_with_a_new_one_of_the_same_name(self, agency: Agency, authority: Certificate) -> None:
        token = agency.token(agency.certificate).json()["access_token"]

        self.refused(agency, token, make(name(agency.agency_id), issuer=authority))

    def test_of_an_agency_that_was_closed(self, agency: Agency) -> None:
        inn = an_inn()
        token = agency.token(agency.certificate).json()["access_token"]
        with agency.world.session() as session:
            close_agency(session, agency.agency_id, NOON, by="test")

        answer = agency.call(RECORDS, a_row(inn), token, agency.certificate)

        assert answer.status_code in {401, 403, 404}, answer.text
