"""What a consent can name, the register or the vault has, under the same name."""

import consent.api
import population_register.api
from consent.api import ITEMS, ItemKind
from population_register.api import ATTRIBUTES, PREDICATES
from vault.model import DocumentKind


def names_of(kind: ItemKind) -> set[str]:
    return {str(name) for name, item in ITEMS.items() if item.kind is kind}


def test_every_attribute_of_the_catalogue_is_in_the_register() -> None:
    assert names_of(ItemKind.ATTRIBUTE) <= set(ATTRIBUTES)


def test_every_predicate_of_the_catalogue_is_answered_by_the_register() -> None:
    assert names_of(ItemKind.PREDICATE) <= set(PREDICATES)


def test_every_document_of_the_catalogue_is_a_kind_of_the_vault() -> None:
    kinds = {ITEMS[name].document_kind for name in ITEMS if ITEMS[name].is_document}

    assert kinds <= {kind.value for kind in DocumentKind}


def test_api_of_a_context_names_what_it_offers() -> None:
    for api in (consent.api, population_register.api):
        assert sorted(api.__all__) == sorted(set(api.__all__))
        assert all(hasattr(api, name) for name in api.__all__)
