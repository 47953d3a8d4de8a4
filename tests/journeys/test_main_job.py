"""The main job on a running instance, and what must be true of everything it left behind."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import psycopg
import pytest

from app.demo.documents import digests
from app.demo.instance import Instance
from app.demo.journey import Journey
from app.demo.named_people import DEMO_PEOPLE, demo_population
from app.demo.population import Person
from kernel.postgres import EmbeddedPostgres

pytestmark = [
    pytest.mark.slow,
    pytest.mark.db,
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def told(instance: Instance) -> Mapping[str, list[str]]:
    """Walk the whole journey, once in each language; return what was printed."""
    lines: dict[str, list[str]] = {"ru": [], "en": []}
    for language, told in lines.items():
        Journey(
            issuer=instance.issuer,
            bank=instance.bank,
            person=instance.people[0],
            language=language,
            documents=digests(),
            tell=told.append,
        ).walk()
    return lines


@pytest.fixture(scope="module")
def anna() -> Person:
    return demo_population()[DEMO_PEOPLE[0].key]


def secrets_of(person: Person) -> list[str]:
    """What is Anna's and nobody else's business."""
    digits = [person.snils, person.inn, person.enp, person.passport]
    plain = ["".join(c for c in number if c.isalnum()) for number in digits]
    return [
        person.family_name,
        person.middle_name or person.family_name,
        person.address.street,
        *digits,
        *plain,
        DEMO_PEOPLE[0].password,
    ]


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_step_of_the_journey_holds(told: Mapping[str, list[str]], language: str) -> None:
    assert told[language][-1] == "The journey is complete: every check held."


@pytest.mark.parametrize("language", ["ru", "en"])
def test_journey_prints_no_password(told: Mapping[str, list[str]], language: str) -> None:
    assert not any(DEMO_PEOPLE[0].password in line for line in told[language])


@pytest.mark.usefixtures("told")
class TestLogs:
    """No personal data in logs, at DEBUG too (which writes messages of exceptions)."""

    @pytest.fixture
    def text(self, instance: Instance) -> str:
        files = [instance.folder / "log" / f"{name}.log" for name in ("server", "worker")]
        files.append(instance.folder / "postgres.log")
        return "".join(file.read_text(errors="replace") for file in files)

    def test_no_name_number_address_or_password(self, text: str, anna: Person) -> None:
        assert [secret for secret in secrets_of(anna) if secret in text] == []

    def test_no_token_code_or_assertion(self, text: str) -> None:
        tokens = ("eyJ", "cva_", "cvc_", "cvr_", "cvs_", "cvi2_", "DPoP ", "Bearer ")
        assert [token for token in tokens if token in text] == []

    def test_no_query_string_and_no_filled_in_path(self, text: str) -> None:
        for line in text.splitlines():
            if line.startswith("{") and '"event":"request"' in line:
                route = json.loads(line)["route"]
                assert "?" not in route
                assert "=" not in route

    def test_no_defect_happened(self, text: str) -> None:
        assert "request.defect" not in text
        assert "job.failed" not in text

    def test_metrics_name_no_person(self, instance: Instance, anna: Person) -> None:
        text = httpx2.get(f"{instance.issuer}/metrics").text

        assert "civitas_request_seconds_count" in text
        assert [secret for secret in secrets_of(anna) if secret in text] == []


@pytest.mark.usefixtures("told")
class TestDatabaseAlone:
    """Promise 5: a dump, and the blobs beside it, tell nothing."""

    @pytest.fixture
    def dump(self, instance: Instance) -> Iterator[bytes]:
        with EmbeddedPostgres(instance.folder) as server, psycopg.connect(server.url) as connection:
            yield b"".join(self._tables(connection))

    @staticmethod
    def _tables(connection: "psycopg.Connection[tuple[object, ...]]") -> Iterator[bytes]:
        names = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (name,) in names:
            query = f"COPY (SELECT * FROM {name}) TO STDOUT"
            with connection.cursor().copy(query.encode()) as copy:
                for chunk in copy:
                    yield bytes(chunk)

    def test_dump_holds_no_name_number_or_address(self, dump: bytes, anna: Person) -> None:
        assert len(dump) > 1_000_000
        found = [
            secret
            for secret in secrets_of(anna)
            # COPY writes bytea as hexadecimal.
            if secret.encode() in dump or secret.encode().hex().encode() in dump
        ]
        assert found == []

    def test_dump_holds_no_title_of_a_document(self, dump: bytes) -> None:
        for title in ("томография", "Справка о доходах"):
            assert title.encode() not in dump
            assert title.encode().hex().encode() not in dump

    def test_blobs_hold_no_plaintext(self, instance: Instance) -> None:
        blobs = [path for path in (instance.folder / "blobs").rglob("*") if path.is_file()]

        assert len(blobs) >= 5
        for blob in blobs:
            content = blob.read_bytes()
            assert b"DICM" not in content
            assert b"%PDF" not in content


@pytest.mark.usefixtures("told")
def test_log_verifies_from_the_command_line(instance: Instance) -> None:
    """Promise 6, and the operator's command against a running instance."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "audit", "verify", "--json"],
        env={**os.environ, "CIVITAS_DATA": str(instance.folder)},
        capture_output=True,
        text=True,
        check=False,
    )

    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["is_sound"] is True
    assert report["tree_size"] > 1000
    assert report["checkpoints"] > 0


def test_root_key_is_the_owners_alone(instance: Instance) -> None:
    for path in (instance.folder / "root.key", instance.folder / "bank" / "private.jwk"):
        assert Path(path).stat().st_mode & 0o077 == 0
