"""Refusals: a stable code each, one meaning a code, every one documented."""

import re
from http import HTTPStatus

import pytest

from kernel.errors import DomainError
from tools.docs import DOCS, import_everything, refusals

import_everything()
REFUSALS = refusals()

# A registered error that means the same at two endpoints, each with its own status.
CODES_WITH_SEVERAL_STATUSES: dict[str, set[int]] = {
    "invalid_dpop_proof": {400, 401},  # RFC 9449, 5 and 7.1
    "use_dpop_nonce": {400, 401},  # RFC 9449, 8 and 9
    "consent_required": {400, 403},  # OpenID Connect Core, 3.1.2.6; a read
}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda cls: cls.__qualname__)
def test_code_is_a_lower_case_word(refusal: type[DomainError]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", refusal.code)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda cls: cls.__qualname__)
def test_status_is_an_error_and_the_words_are_ours(refusal: type[DomainError]) -> None:
    assert HTTPStatus(refusal.status) >= HTTPStatus.BAD_REQUEST
    assert refusal.title, "a refusal has words of its own"
    assert refusal.__doc__


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda cls: cls.__qualname__)
def test_every_refusal_is_documented(refusal: type[DomainError]) -> None:
    page = (DOCS / "errors.md").read_text()

    assert f"\n## {refusal.code}\n" in page
    assert f"`{refusal.__module__}.{refusal.__qualname__}`" in page


def test_one_code_has_one_status() -> None:
    """A client branches on the code alone."""
    statuses: dict[str, set[int]] = {}
    for refusal in REFUSALS:
        statuses.setdefault(refusal.code, set()).add(refusal.status)

    several = {code: found for code, found in statuses.items() if len(found) > 1}
    assert several == CODES_WITH_SEVERAL_STATUSES


@pytest.mark.spec("RFC6749-5.2")
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda cls: cls.__qualname__)
def test_title_keeps_to_the_characters_of_error_description(refusal: type[DomainError]) -> None:
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", refusal.title)
