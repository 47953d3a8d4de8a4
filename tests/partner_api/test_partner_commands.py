"""`civitas partner webhook` and `limit`, as an operator runs them."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result

from tests.commands import Installation

pytestmark = [pytest.mark.db, pytest.mark.timeout(60), pytest.mark.usefixtures("logging_as_before")]

Run = Callable[..., Result]


@pytest.fixture
def run(fresh_database: str, tmp_path: Path) -> Run:
    invoke = partial(Installation(fresh_database, tmp_path).run, "partner")
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
        pytest.param(("replay", "bank", "--since", "2026-11-23"), id="nowhere to send again"),
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
