"""Secrets do not print; tokens are recognised before they are looked up."""

import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import InvalidRequest
from kernel.secret import (
    MalformedToken,
    Secret,
    b64url,
    b64url_decode,
    mint_token,
    parse_token,
    sha256,
)


class TestSecret:
    def test_does_not_show_in_any_text_form(self) -> None:
        secret = Secret("hunter2")

        shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>20}", f"{[secret]}"]

        assert not any("hunter2" in text for text in shown)

    def test_is_not_pickled(self) -> None:
        with pytest.raises(TypeError):
            pickle.dumps(Secret("hunter2"))

    def test_compares_by_value(self) -> None:
        assert Secret("a") == Secret("a")
        assert Secret("a") != Secret("b")


class TestToken:
    def test_a_minted_token_parses_to_its_digest(self) -> None:
        minted = mint_token("cva")

        assert parse_token(minted.token.reveal(), "cva") == minted.digest
        assert minted.digest == sha256(minted.token.reveal().encode())

    def test_two_tokens_differ(self) -> None:
        assert mint_token("cva").digest != mint_token("cva").digest

    def test_a_token_of_another_kind_is_refused(self) -> None:
        with pytest.raises(MalformedToken):
            parse_token(mint_token("cva").token.reveal(), "cvr")

    @pytest.mark.parametrize(
        "presented",
        ["", "_", "cva", "cva_", "cva_x_00000000", "ё" * 56, "cva_" + "a" * 43 + "_00000000"],
    )
    def test_nonsense_is_refused(self, presented: str) -> None:
        with pytest.raises(MalformedToken):
            parse_token(presented, "cva")

    @given(position=st.integers(0, 55), replacement=st.characters(codec="ascii"))
    def test_a_mistyped_token_is_refused(self, position: int, replacement: str) -> None:
        token = mint_token("cva").token.reveal()
        typo = token[:position] + replacement + token[position + 1 :]

        if typo == token:
            return
        with pytest.raises(MalformedToken):
            parse_token(typo, "cva")


class TestBase64url:
    @given(st.binary())
    def test_decodes_what_it_encoded(self, data: bytes) -> None:
        assert b64url_decode(b64url(data)) == data

    @given(st.text(alphabet=f"{string.ascii_letters}{string.digits}-_+/= \n\0é", max_size=12))
    def test_accepts_one_text_for_each_value(self, text: str) -> None:
        try:
            data = b64url_decode(text)
        except InvalidRequest:
            return
        assert b64url(data) == text

    @pytest.mark.spec("RFC7515-2")
    @pytest.mark.parametrize(
        "text",
        [
            "YQ==",
            "Y Q",
            "Y+Q",
            "Y/Q",
            "Y+Qa",
            "YWJ=",
            "YR",
            "YWF",
            "a",
            "YWFhY",
            "YQ\n",
            "Y\0Qa",
            "é",
        ],
    )
    def test_refuses_padding_other_alphabets_and_stray_bits(self, text: str) -> None:
        with pytest.raises(InvalidRequest):
            b64url_decode(text)
