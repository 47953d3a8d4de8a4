"""docs/partners.md says what the code does."""

import json
import re
from pathlib import Path

import pytest

from consent.api import PURPOSES, parse_disclosure
from consent.disclosure import _MEMBERS
from idp.errors import (
    InsufficientScope,
    InsufficientUserAuthentication,
    InvalidDPoPProof,
    InvalidToken,
)
from kernel.errors import DomainError, InvalidRequest, NotFound
from partner_api import errors
from partner_api.quota import DEFAULT_REQUESTS_PER_MINUTE
from partner_api.webhooks import RETRY_DELAYS, TIMEOUT
from tests.partner_api.partner_world import DOCUMENTS, PERSON, World
from vault.api import RangeNotSatisfiable

PAGE = Path("docs/partners.md").read_text()
BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def test_disclosure_of_the_example_is_accepted() -> None:
    parse_disclosure(BLOCKS[0])


def test_every_member_of_a_disclosure_is_named() -> None:
    members = re.findall(r"^\| `(\w+)` \|", PAGE.partition("```json")[2], re.MULTILINE)

    assert {"type", *members} >= _MEMBERS


def test_purposes_are_those_of_the_catalogue() -> None:
    (row,) = re.findall(r"^\| `purpose` \| one of (.*?) \|", PAGE, re.MULTILINE)

    assert re.findall(r"`(\w+)`", row) == list(PURPOSES)


def test_refusals_are_those_that_are_raised() -> None:
    told = {
        (int(status), code)
        for status, code in re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE, re.MULTILINE)
    }

    refusals: list[type[DomainError]] = [
        *errors.ConsentRefusal.__subclasses__(),
        errors.AmbiguousPurpose,
        errors.QuotaExceeded,
        InsufficientScope,
        InsufficientUserAuthentication,
        InvalidRequest,
        InvalidToken,
        NotFound,
        RangeNotSatisfiable,
    ]
    raised = {(refusal.status, refusal.code) for refusal in refusals}
    assert told == raised | {(401, InvalidDPoPProof.code)}


@pytest.mark.parametrize("ending", ["withdrawn", "expired", "used_up"])
def test_webhooks_are_named(ending: str) -> None:
    assert f"| `consent.{ending}` |" in PAGE


def test_numbers_are_those_of_the_code() -> None:
    assert f"{DEFAULT_REQUESTS_PER_MINUTE:,} requests a minute" in PAGE
    assert f"within {TIMEOUT.seconds} seconds" in PAGE
    hours = [delay.total_seconds() / 3600 for delay in RETRY_DELAYS[3:]]
    assert hours == [2, 5, 10, 14, 20, 24]
    assert "after 5 seconds, 5 minutes, 30 minutes, 2, 5, 10, 14, 20 and 24 hours" in PAGE


@pytest.mark.db
def test_description_says_of_every_read_what_it_needs(world: World) -> None:
    paths = world.http.get("/openapi.json").json()["paths"]

    ours = {
        path: paths[path]["get"] for path in (PERSON, DOCUMENTS, f"{DOCUMENTS}/{{document_id}}")
    }
    for operation in ours.values():
        assert {"Authorization", "DPoP"} <= {each["name"] for each in operation["parameters"]}
        assert operation["summary"]
        assert operation["tags"] == ["partner"]
        refused = operation["responses"]["default"]["content"]
        assert set(refused) == {"application/problem+json"}
    assert "application/jwt" in ours[PERSON]["responses"]["200"]["content"]
