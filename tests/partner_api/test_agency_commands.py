"""`civitas agency` and `civitas mandate`, as an administrator runs them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import make_url

from tests.commands import Installation, logging_kept
from tests.databases import WITH_KEYS, KnownKeys, temporary_database
from tests.partner_api.agency_world import OfficialKey
from tests.partner_api.partner_world import ProofKey

pytestmark = [pytest.mark.db, pytest.mark.timeout(60), pytest.mark.usefixtures("logging_as_before")]

Run = Callable[..., Result]

AGENCY = """
agency_id = "tax"
role = "tax"
name_ru = "Налоговая служба"
name_en = "Tax service"
[mapping]
delimiter = ";"
"""
KEY = {**OfficialKey(kid="k1").jwk, "alg": "ES256"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, known_keys: KnownKeys) -> Path:
    """The data folder, and what the commands read."""
    folder = tmp_path_factory.mktemp("civitas")
    known_keys.put_root_key_into(folder)
    (folder / "tax.toml").write_text(AGENCY)
    return folder


@pytest.fixture(scope="module")
def with_an_agency(server_url: str, folder: Path) -> Iterator[str]:
    """The name of a database with an agency and a legal basis, to make copies of."""
    with temporary_database(server_url, template=WITH_KEYS) as url:
        with logging_kept():
            run = running_on(url, folder)
            assert run("agency", "set", "FOLDER/tax.toml").exit_code == 0
            basis = ("--title-ru", "Учёт", "--title-en", "Records", "--reference", "НК РФ, 85")
            assert run("mandate", "basis", "tax_code_85", *basis).exit_code == 0
        yield str(make_url(url).database)


@pytest.fixture
def run(server_url: str, with_an_agency: str, folder: Path) -> Iterator[Run]:
    with temporary_database(server_url, template=with_an_agency) as url:
        yield running_on(url, folder)


def running_on(database_url: str, folder: Path) -> Run:
    """Run commands of ours on a database."""
    installation = Installation(database_url, folder)

    def invoke(*arguments: str, send: object = None) -> Result:
        filled = [each.replace("FOLDER", str(folder)) for each in arguments]
        return installation.run(*filled, stdin="" if send is None else json.dumps(send))

    return invoke


def answer(result: Result) -> Any:  # noqa: ANN401  # whatever the command prints
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_agency_is_shown_with_what_it_answers_for_and_its_history(run: Run) -> None:
    run("agency", "close", "tax")
    refused = run("agency", "show", "tax")
    run("agency", "set", "FOLDER/tax.toml")
    shown = answer(run("agency", "show", "tax", "--json"))
    history = answer(run("agency", "history", "tax", "--json"))

    assert refused.exit_code == 1
    assert shown["answers_for"] == ["inn", "entrepreneur", "self_employed"]
    assert shown["mapping"] == {"delimiter": ";"}
    assert [(each["revision"], each["document"]["is_active"]) for each in history] == [
        (3, True),
        (2, False),
        (1, True),
    ]


def test_mandates_are_granted_revoked_and_remembered(run: Run) -> None:
    granted = answer(run("mandate", "grant", "tax", "tax_code_85", "inn", "snils", "--json"))
    revoked = answer(run("mandate", "revoke", granted[0]["mandate_id"], "--json"))
    current = answer(run("mandate", "list", "--agency", "tax", "--json"))
    history = answer(run("mandate", "history", "--json"))

    assert [each["field"] for each in current] == ["snils"]
    assert [(each["field"], bool(each["revoked_at"])) for each in history] == [
        ("inn", True),
        ("snils", False),
    ]
    assert revoked["revoked_by"] == "command"
    assert "tax_code_85" in run("mandate", "bases").stdout


def test_client_is_bound_to_one_agency_with_the_scopes_it_may_have(run: Run) -> None:
    metadata = {"jwks": {"keys": [KEY]}}

    added = answer(run("agency", "client", "add", "tax", "-", "--json", send=metadata))
    administrator = answer(run("mandate", "client", "-", "--json", send=metadata))
    listed = answer(run("agency", "client", "list", "--json"))

    assert added["scope"] == (
        "register.feed register.feed.report register.resolve register.events register.worklist"
    )
    assert administrator["scope"] == "register.mandates"
    assert {each["client_id"]: each["agency"] for each in listed} == {
        added["client_id"]: "tax",
        administrator["client_id"]: "",
    }


def test_official_key_is_added_and_retired(run: Run) -> None:
    added = answer(run("agency", "official-key", "add", "tax", "-", "--json", send=KEY))
    again = run("agency", "official-key", "add", "tax", "-", send=KEY)
    retired = run("agency", "official-key", "retire", "tax", "k1")
    once_more = run("agency", "official-key", "retire", "tax", "k1")

    assert added == {"agency": "tax", "kid": "k1"}
    assert [each.exit_code for each in (again, retired, once_more)] == [1, 0, 1]
    assert answer(run("agency", "alarms", "--json")) == []


@pytest.mark.parametrize(
    ("arguments", "send"),
    [
        (("agency", "history", "nobody"), None),
        (("agency", "client", "add", "nobody", "-"), {"jwks": {"keys": [KEY]}}),
        (("agency", "client", "add", "tax", "-"), {"jwks": {"keys": [KEY]}, "scope": "openid"}),
        (("agency", "client", "add", "tax", "-"), {"jwks": {"keys": []}}),
        (("agency", "client", "add", "tax", "-"), ["no object"]),
        (("agency", "official-key", "add", "tax", "-"), {**KEY, "d": "AAAA"}),
        (("agency", "official-key", "add", "tax", "-"), ProofKey().jwk),
        (("agency", "official-key", "add", "nobody", "-"), KEY),
        (("mandate", "grant", "nobody", "tax_code_85", "inn"), None),
        (("mandate", "grant", "tax", "unknown", "inn"), None),
        (("mandate", "grant", "tax", "tax_code_85", "inn", "shoe_size"), None),
        (("mandate", "revoke", "00000000-0000-7000-8000-000000000000"), None),
    ],
    ids=[
        "history of nobody",
        "client of nobody",
        "scope of another kind",
        "no key",
        "no object",
        "private key",
        "key without kid",
        "key of nobody",
        "mandate of nobody",
        "unknown basis",
        "unknown field",
        "unknown mandate",
    ],
)
def test_refuses_and_changes_nothing(run: Run, arguments: tuple[str, ...], send: object) -> None:
    refused = run(*arguments, send=send)

    assert refused.exit_code == 1, refused.output
    assert answer(run("mandate", "history", "--json")) == []
    assert answer(run("agency", "client", "list", "--json")) == []
