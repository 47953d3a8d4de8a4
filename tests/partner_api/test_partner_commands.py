"""`civitas partner webhook` and `limit`, as an operator runs them."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from app.cli import main

pytestmark = [pytest.mark.db, pytest.mark.timeout(60)]

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command configures logging for its process, which here is the tests'."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def run(fresh_database: str, tmp_path: Path) -> Run:
    ours = {name: None for name in os.environ if name.startswith("CIVITAS_")}
    environment = {
        **ours,
        "CIVITAS_MODE": "test",
        "CIVITAS_DATABASE_URL": fresh_database,
        "CIVITAS_DATA": str(tmp_path),
    }

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["partner", *arguments], env=environment)

    assert invoke("add", "bank", "--name", "Bank").exit_code == 0
    return invoke


def test_webhook_shows_its_secret_once_and_another_the_next_time(run: Run) -> None:
    answers = [
        json.loads(run("webhook", "bank", "https://bank.example/hooks", "--json").stdout)
        for _ in range(2)
    ]

    secrets = {answer["secret"] for answer in answers}
    assert len(secrets) == 2
    assert all(secret.startswith("whsec_") for secret in secrets)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("webhook", "bank", "http://10.0.0.1/"), id="address that is not public"),
        pytest.param(("webhook", "nobody", "https://bank.example/"), id="webhook of nobody"),
        pytest.param(("limit", "nobody", "5"), id="limit of nobody"),
        pytest.param(("limit", "bank", "0"), id="limit of nothing"),
    ],
)
def test_refuses(run: Run, arguments: tuple[str, ...]) -> None:
    refused = run(*arguments)

    assert refused.exit_code == 1
    assert "whsec_" not in refused.output


def test_limit(run: Run) -> None:
    answer = json.loads(run("limit", "bank", "120", "--json").stdout)

    assert answer == {"partner_id": "bank", "requests_per_minute": 120}
