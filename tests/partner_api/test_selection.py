from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.api import Disclosure, ItemName, PurposeCode
from kernel.errors import InvalidRequest
from partner_api.errors import AmbiguousPurpose
from partner_api.selection import (
    MOST_QUERY_BYTES,
    Query,
    parse_query,
    select_attributes,
    select_documents,
)


def granted(purpose: str, *items: str) -> Disclosure:
    return Disclosure(
        purpose=PurposeCode(purpose),
        items=tuple(ItemName(item) for item in items),
        expires_in=timedelta(days=30),
        retention=timedelta(days=30),
    )


LOAN = granted("credit_assessment", "family_name", "inn", "document:ct_scan")
SIGN_IN = granted("sign_in", "given_name")
DELIVERY = granted("delivery", "stay_address")


class TestQuery:
    def test_nothing_asks_for_everything(self) -> None:
        assert parse_query(b"") == Query()

    def test_reads_items_and_purpose(self) -> None:
        assert parse_query(b"items=inn,family_name&purpose=delivery") == Query(
            purpose="delivery", items=(ItemName("inn"), ItemName("family_name"))
        )

    def test_comma_may_be_escaped(self) -> None:
        assert parse_query(b"items=inn%2Cfamily_name").items == ("inn", "family_name")

    @pytest.mark.parametrize(
        "query",
        [
            b"items",
            b"items=inn&items=snils",
            b"purpose=a&purpose=b",
            b"items=",
            b"items=inn,",
            b"items=inn,inn",
            b"items=shoe_size",
            b"items={{7*7}}",
            b"items='; DROP TABLE consents; --",
            b"items=inn\xff",
            "items=фамилия".encode(),
            b"&&&",
            b"items=" + b"inn," * 2000,
        ],
    )
    def test_refuses(self, query: bytes) -> None:
        with pytest.raises(InvalidRequest):
            parse_query(query)

    def test_query_has_so_many_bytes_at_most(self) -> None:
        longest = b"purpose=".ljust(MOST_QUERY_BYTES, b"a")

        assert parse_query(longest).purpose == "a" * (MOST_QUERY_BYTES - len("purpose="))
        with pytest.raises(InvalidRequest, match="too long"):
            parse_query(longest + b"a")

    @given(st.binary(max_size=60))
    def test_anything_else_is_refused_never_crashes(self, query: bytes) -> None:
        try:
            parse_query(b"items=" + query)
        except InvalidRequest:
            return


class TestAttributes:
    def test_all_of_the_only_purpose_without_its_documents(self) -> None:
        selection = select_attributes([LOAN], Query())

        assert selection.purpose == "credit_assessment"
        assert selection.items == ("family_name", "inn")
        assert selection.is_granted

    def test_signing_in_does_not_make_the_purpose_ambiguous(self) -> None:
        assert select_attributes([SIGN_IN, LOAN], Query()).purpose == "credit_assessment"

    def test_signing_in_alone_is_the_purpose(self) -> None:
        assert select_attributes([SIGN_IN], Query()).items == ("given_name",)

    def test_two_purposes_are_ambiguous(self) -> None:
        with pytest.raises(AmbiguousPurpose):
            select_attributes([LOAN, DELIVERY], Query())

    def test_named_purpose_is_not_ambiguous(self) -> None:
        selection = select_attributes([LOAN, DELIVERY], Query(purpose="delivery"))

        assert selection.items == ("stay_address",)

    def test_purpose_that_was_not_granted_is_refused(self) -> None:
        with pytest.raises(InvalidRequest):
            select_attributes([LOAN], Query(purpose="medical_care"))

    def test_item_that_was_not_granted_is_told_apart(self) -> None:
        selection = select_attributes([LOAN], Query(items=(ItemName("snils"),)))

        assert selection.items == ("snils",)
        assert not selection.is_granted

    def test_token_without_data_grants_nothing(self) -> None:
        assert not select_attributes([], Query()).is_granted

    @pytest.mark.parametrize("items", [("document:ct_scan",), ("inn", "document:ct_scan")])
    def test_document_has_its_own_address(self, items: tuple[str, ...]) -> None:
        with pytest.raises(InvalidRequest):
            select_attributes([LOAN], Query(items=tuple(map(ItemName, items))))

    def test_item_of_two_disclosures_is_read_once(self) -> None:
        assert select_attributes([LOAN, LOAN], Query()).items == ("family_name", "inn")


class TestDocuments:
    def test_kinds_that_were_granted(self) -> None:
        assert select_documents([LOAN, SIGN_IN], Query()).items == ("document:ct_scan",)

    def test_purpose_without_documents_does_not_make_it_ambiguous(self) -> None:
        assert select_documents([LOAN, DELIVERY], Query()).purpose == "credit_assessment"

    def test_kind_that_is_named_is_read(self) -> None:
        selection = select_documents([LOAN], Query(items=(ItemName("document:ct_scan"),)))

        assert selection.items == ("document:ct_scan",)
        assert selection.is_granted

    @pytest.mark.parametrize("items", [("inn",), ("document:ct_scan", "inn")])
    def test_attribute_has_its_own_address(self, items: tuple[str, ...]) -> None:
        with pytest.raises(InvalidRequest):
            select_documents([LOAN], Query(items=tuple(map(ItemName, items))))

    def test_nothing_granted(self) -> None:
        assert not select_documents([DELIVERY], Query()).is_granted
