"""The `civitas` command, as an operator runs it."""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from click.testing import CliRunner, Result
from psycopg import sql

from app.cli import main
from kernel.secret import random_bytes
from tests.conftest import create_database

pytestmark = [pytest.mark.db, pytest.mark.timeout(60)]

FEED = [
    {
        "record_number": "1",
        "version": 1,
        "valid_from": "2020-01-01",
        "family_name": "Петрова",
        "given_name": "Ольга",
        "middle_name": "Ивановна",
        "birthdate": "1980-05-17",
        "snils": "900-000-001 02",
    },
    {"record_number": "2", "version": 1, "valid_from": "2020-01-01", "snils": "900-000-001 03"},
]


@dataclass(frozen=True)
class Installation:
    """An empty installation: a database, a data folder."""

    database_url: str
    data: Path

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        ours = {name: None for name in os.environ if name.startswith("CIVITAS_")}
        return CliRunner().invoke(
            main,
            arguments,
            input=stdin,
            env={
                **ours,
                "CIVITAS_MODE": "test",
                "CIVITAS_PASSWORD_PROFILE": "test",
                "CIVITAS_DATABASE_URL": self.database_url,
                "CIVITAS_DATA": str(self.data),
                **environment,
            },
        )

    def json(self, *arguments: str, exit_code: int = 0) -> Any:  # noqa: ANN401  # JSON
        done = self.run(*arguments, "--json")
        assert done.exit_code == exit_code, done.output
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def installation(
    server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    name = f"civitas_{random_bytes(8).hex()}"
    url = create_database(server_url, name)
    yield Installation(url, tmp_path_factory.mktemp("data"))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command configures logging for its process, which here is the tests'."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


class TestUsage:
    def test_help_lists_every_command_and_the_exit_codes(self, installation: Installation) -> None:
        done = installation.run("--help")

        assert done.exit_code == 0
        for command in (
            *("run", "migrate", "serve", "worker", "partner", "client", "feed", "operator"),
            *("audit", "keys", "demo"),
        ):
            assert f"  {command} " in done.stdout
        assert "Exit codes: 0 done; 1 refused" in done.stdout

    def test_unknown_command_is_wrong_usage(self, installation: Installation) -> None:
        assert installation.run("nonsense").exit_code == 2

    def test_unreachable_database_is_told_without_its_password(
        self, installation: Installation
    ) -> None:
        done = installation.run(
            "migrate",
            CIVITAS_DATABASE_URL="postgresql://civitas:hunter2@127.0.0.1:1/civitas",
        )

        assert done.exit_code == 3
        assert "can't be reached" in done.stderr
        assert "hunter2" not in done.stderr + done.stdout
        assert "Traceback" not in done.stderr

    def test_fault_in_the_settings_is_named_without_its_value(
        self, installation: Installation
    ) -> None:
        done = installation.run("migrate", "--json", CIVITAS_PORT="seventy")

        assert done.exit_code == 3
        assert json.loads(done.stdout)["error"] == "invalid_settings"
        assert "CIVITAS_PORT" in done.stdout

    def test_production_refuses_a_local_key_file(self, installation: Installation) -> None:
        done = installation.run(
            "keys", "list", CIVITAS_MODE="production", CIVITAS_ISSUER="https://id.example"
        )

        assert done.exit_code == 3

    def test_run_refuses_production(self, installation: Installation) -> None:
        done = installation.run("run", CIVITAS_MODE="production")

        assert done.exit_code == 3

    def test_root_key_that_others_can_read_is_refused(
        self, installation: Installation, tmp_path: Path
    ) -> None:
        key = tmp_path / "root.key"
        key.write_text("civitas-root-key-1 " + "00" * 32)
        key.chmod(0o644)

        done = installation.run("keys", "list", CIVITAS_ROOT_KEY_FILE=str(key))

        assert done.exit_code == 3
        assert "chmod 600" in done.stderr


class TestMigrate:
    def test_migrating_twice_changes_nothing(self, installation: Installation) -> None:
        assert installation.json("migrate") == {"migrated": True}
        assert installation.json("migrate") == {"migrated": True}


class TestKeys:
    def test_every_use_has_a_current_and_a_next_key(self, installation: Installation) -> None:
        signing = installation.json("keys", "list")["signing"]

        states = {(key["use"], key["alg"], key["state"]) for key in signing}
        for use, alg in (
            *(("oidc", "ES256"), ("oidc", "RS256"), ("partner", "ES256")),
            *(("consent", "ES256"), ("log", "EdDSA")),
        ):
            assert {(use, alg, "current"), (use, alg, "next")} <= states

    def test_rotation_lets_the_next_key_sign(self, installation: Installation) -> None:
        def kids(state: str) -> set[str]:
            keys = installation.json("keys", "list")["signing"]
            return {k["kid"] for k in keys if k["use"] == "partner" and k["state"] == state}

        coming = kids("next")

        rotated = installation.json("keys", "rotate", "partner")

        assert set(rotated["partner"]) == coming
        assert kids("current") == coming
        assert not kids("next") & coming

    def test_rotation_of_the_zone_key_rewraps_and_does_not_touch_the_logs_key(
        self, installation: Installation
    ) -> None:
        before = installation.json("keys", "list")

        rotated = installation.json("keys", "rotate")

        after = installation.json("keys", "list")
        assert rotated["zone"]["version"] == before["zone"]["current_version"] + 1
        assert after["zone"]["current_version"] == rotated["zone"]["version"]
        log_keys = {k["kid"] for k in before["signing"] if k["use"] == "log"}
        assert log_keys == {k["kid"] for k in after["signing"] if k["use"] == "log"}


class TestAudit:
    def test_untouched_log_is_sound(self, installation: Installation) -> None:
        report = installation.json("audit", "verify")

        assert report["is_sound"] is True
        assert report["findings"] == []


class TestFeed:
    def test_feed_of_a_stranger_is_refused(
        self, installation: Installation, tmp_path: Path
    ) -> None:
        feed = tmp_path / "feed.ndjson"
        feed.write_text("{}\n")

        refused = installation.json("feed", "load", str(feed), "--agency", "nobody", exit_code=1)

        assert refused["error"] == "unknown_agency"

    def test_file_of_another_kind_is_refused(
        self, installation: Installation, tmp_path: Path
    ) -> None:
        feed = tmp_path / "feed.xlsx"
        feed.write_bytes(b"PK")

        refused = installation.json("feed", "load", str(feed), "--agency", "fns", exit_code=1)

        assert refused["error"] == "feed_refused"

    def test_missing_file_is_wrong_usage(self, installation: Installation) -> None:
        done = installation.run("feed", "load", "/nowhere.csv", "--agency", "fns")

        assert done.exit_code == 2


class TestDemo:
    def test_people_have_what_it_takes_to_sign_in(self, installation: Installation) -> None:
        people = installation.json("demo", "people")

        assert len(people) >= 5
        assert all(person["username"] and person["password"] for person in people)
