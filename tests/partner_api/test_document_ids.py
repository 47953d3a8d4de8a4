"""Two clients can't join the documents they saw (promise 4)."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import sessionmaker

from kernel.errors import NotFound
from kernel.ids import ClientId, DocumentId
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from partner_api.document_ids import external_id, internal_id

BANK, CLINIC = ClientId("bank"), ClientId("clinic")


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    key_file = tmp_path_factory.mktemp("keys") / "root.key"
    return Keyring(LocalKeyFile.create(key_file), sessionmaker())


@given(st.uuids())
def test_client_names_the_document_it_was_told(keyring: Keyring, ours: UUID) -> None:
    told = external_id(keyring, BANK, DocumentId(ours))

    assert internal_id(keyring, BANK, str(told)) == ours
    assert told != ours


@given(st.uuids())
def test_two_clients_are_told_different_identifiers(keyring: Keyring, ours: UUID) -> None:
    told = {external_id(keyring, client, DocumentId(ours)) for client in (BANK, CLINIC)}

    assert len(told) == 2


@given(st.uuids())
def test_identifier_of_another_client_names_something_else(keyring: Keyring, ours: UUID) -> None:
    told = external_id(keyring, CLINIC, DocumentId(ours))

    assert internal_id(keyring, BANK, str(told)) != ours


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "x",
        "0" * 32,
        "../../etc/passwd",
        "' OR 1=1",
        "{12345678-1234-5678-1234-567812345678}",
        "urn:uuid:12345678-1234-5678-1234-567812345678",
        "12345678-1234-5678-1234-56781234567A",
    ],
)
def test_what_is_no_identifier_is_not_found(keyring: Keyring, presented: str) -> None:
    with pytest.raises(NotFound):
        internal_id(keyring, BANK, presented)
