"""The same vault on an S3 server: moto's, over HTTP, in a process of its own.

Needs PyPI `moto[s3]`; without it these tests are skipped and say so.
"""

import importlib.util
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.error import URLError

import obstore
import pytest
from obstore.store import S3Store
from sqlalchemy.orm import Session, sessionmaker

from kernel.db import unit_of_work_of
from kernel.errors import PayloadTooLarge, Undecryptable
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from kernel.secret import random_bytes
from tests.vault.vault_builders import MIB, NOON, Vault, a_pdf, in_chunks
from vault.api import (
    ByteRange,
    DocumentKind,
    StorageUnavailable,
    delete_document,
    receive_document,
)
from vault.model import UPLOAD_LIFETIME
from vault.service.deleting import sweep_loose_blobs

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("moto") is None, reason="moto[s3] is missing"),
    pytest.mark.timeout(60),
]


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except (URLError, ConnectionError):
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def bucket(s3_address: str) -> str:
    name = f"vault-{random_bytes(8).hex()}"
    request = urllib.request.Request(f"{s3_address}/{name}", method="PUT")
    urllib.request.urlopen(request, timeout=10).close()
    return f"{s3_address}/{name}"


def a_store(address: str, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=address,
        access_key_id="test",
        secret_access_key="test",
        region="us-east-1",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
    )


@pytest.fixture
def remote(
    sessions: sessionmaker[Session], root: LocalKeyFile, bucket: str, s3_address: str
) -> Vault:
    blobs = a_store(s3_address, bucket.rpartition("/")[2])
    return Vault(sessions, Keyring.open(root, sessions, at=NOON), blobs)


def keys_in(vault: Vault) -> list[str]:
    return [each["path"] for page in obstore.list(vault.blobs) for each in page]


def unfinished_uploads(bucket: str) -> int:
    with urllib.request.urlopen(f"{bucket}?uploads", timeout=10) as answer:
        listing: bytes = answer.read()
    return listing.count(b"<UploadId>")


@pytest.mark.parametrize("length", [9, MIB, 20 * MIB + 5])
def test_what_was_stored_is_what_is_read(remote: Vault, length: int) -> None:
    """The longest one in several parts; read in several requests."""
    document = remote.store(remote.a_person(), a_pdf(length))

    assert remote.read(document) == a_pdf(length)


def test_a_range_is_that_part_of_the_whole(remote: Vault) -> None:
    content = a_pdf(20 * MIB)
    document = remote.store(remote.a_person(), content)

    for start, stop in [
        (0, 10),
        (MIB - 60, MIB + 60),
        (7 * MIB, 17 * MIB),
        (20 * MIB - 1, 20 * MIB),
    ]:
        assert remote.read(document, asked=ByteRange(start, stop)) == content[start:stop]


def test_a_refused_upload_leaves_neither_blob_nor_parts(remote: Vault, bucket: str) -> None:
    with pytest.raises(PayloadTooLarge):
        receive_document(
            remote.sessions,
            remote.blobs,
            person_id=remote.a_person(),
            kind=DocumentKind.INCOME_CERTIFICATE,
            chunks=in_chunks(a_pdf(25 * MIB)),
            limit=20 * MIB,
            at=NOON,
        )

    assert keys_in(remote) == []
    assert unfinished_uploads(bucket) == 0


def test_a_changed_and_a_missing_object_do_not_open(remote: Vault) -> None:
    document = remote.store(remote.a_person(), a_pdf())
    (key,) = keys_in(remote)
    blob = bytearray(obstore.get(remote.blobs, key).bytes())
    blob[500] ^= 1

    obstore.put(remote.blobs, key, bytes(blob))
    with pytest.raises(Undecryptable):
        remote.read(document)
    obstore.delete(remote.blobs, key)
    with pytest.raises(Undecryptable):
        remote.read(document)


def test_what_is_deleted_is_swept(remote: Vault) -> None:
    document = remote.store(remote.a_person(), a_pdf())
    remote.receive(document.person_id, a_pdf())
    with unit_of_work_of(remote.sessions) as session:
        delete_document(session, remote.entry(document.person_id), document.document_id, at=NOON)

    swept = sweep_loose_blobs(remote.sessions, remote.blobs, at=NOON + UPLOAD_LIFETIME)

    assert swept == 2
    assert keys_in(remote) == []


def test_a_store_that_is_down_is_a_clear_refusal(remote: Vault) -> None:
    document = remote.store(remote.a_person(), a_pdf())
    away = replace(remote, blobs=a_store("http://127.0.0.1:9", "nowhere"))

    with pytest.raises(StorageUnavailable):
        away.read(document)
    with pytest.raises(StorageUnavailable):
        away.receive(document.person_id, a_pdf())
    sweep_loose_blobs(remote.sessions, remote.blobs, at=NOON)
    assert remote.read(document) == a_pdf()
