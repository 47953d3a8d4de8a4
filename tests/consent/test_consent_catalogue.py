import pytest

from consent.catalogue import ITEMS, PURPOSES, SCOPE_ITEMS, SIGN_IN, get_purpose
from consent.errors import InvalidDisclosure
from consent.model import ItemKind, Purpose, Sensitivity


def test_every_item_has_words_in_both_languages() -> None:
    for item in ITEMS.values():
        for words in (item.label, item.origin):
            assert words.ru
            assert words.en
            assert words.ru != words.en
            assert words.en.isascii() or "“" in words.en


def test_language_that_we_do_not_speak_is_english() -> None:
    assert ITEMS[next(iter(ITEMS))].label.of("tt") == ITEMS[next(iter(ITEMS))].label.en


def test_every_item_can_be_asked_for_under_some_purpose() -> None:
    askable = frozenset().union(*(purpose.items for purpose in PURPOSES.values()))

    assert askable == ITEMS.keys()


@pytest.mark.parametrize("purpose", PURPOSES.values(), ids=PURPOSES.keys())
def test_usual_periods_are_within_the_longest(purpose: Purpose) -> None:
    assert purpose.usual <= purpose.longest
    assert purpose.usual_retention <= purpose.longest_retention


def test_documents_about_health_are_special() -> None:
    special = {name for name, item in ITEMS.items() if item.sensitivity is Sensitivity.SPECIAL}

    assert special == {"document:ct_scan", "document:medical_report"}
    assert not special & PURPOSES[SIGN_IN].items


def test_document_items_name_their_kind() -> None:
    kinds = {item.document_kind for item in ITEMS.values() if item.kind is ItemKind.DOCUMENT}

    assert {"ct_scan", "income_certificate"} <= kinds
    assert ITEMS[next(iter(ITEMS))].document_kind == ""


@pytest.mark.spec("OIDCC-5.4")
def test_scopes_ask_only_for_what_sign_in_allows() -> None:
    asked = {item for items in SCOPE_ITEMS.values() for item in items}

    assert asked <= PURPOSES[SIGN_IN].items
    assert SCOPE_ITEMS["openid"] == ()


def test_unknown_purpose_is_refused() -> None:
    with pytest.raises(InvalidDisclosure):
        get_purpose("marketing")
