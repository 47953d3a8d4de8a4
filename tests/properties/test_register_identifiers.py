"""Identifiers, passports' zones and names: what is written is read back, for all of them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn
from stdnum.ru import inn as stdnum_inn

from population_register import mrz
from population_register.errors import ValueRefused
from population_register.identifiers import (
    SNILS_WITHOUT_CHECK_UP_TO,
    Identifier,
    IdentifierKind,
    format_identifier,
    from_canonical,
    parse,
    snils_check,
)
from population_register.names import comparison_key, parse_name, patronymic_key

TODAY = date(2026, 11, 23)
ROMAN = [
    tens + ones
    for tens in ("", "X", "XX", "XXX")
    for ones in ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
]
CYRILLIC = "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЭЮЯ"


def digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length).filter(lambda s: int(s) > 0)


def a_snils(number: str) -> str:
    return number + (snils_check(number) if int(number) > SNILS_WITHOUT_CHECK_UP_TO else "00")


def a_birth_certificate(parts: tuple[str, str, str]) -> str:
    roman, letters, number = parts
    return f"{roman}-{letters}{number}"


VALUES = {
    IdentifierKind.SNILS: digits(9).map(a_snils),
    IdentifierKind.INN: digits(10).map(
        lambda number: number + stdnum_inn.calc_personal_check_digits(number)
    ),
    IdentifierKind.ENP: digits(15).map(lambda number: number + luhn.calc_check_digit(number)),
    IdentifierKind.PASSPORT: st.tuples(digits(4), digits(6)).map("".join),
    IdentifierKind.FOREIGN_PASSPORT: st.from_regex(r"[A-Z]{1,3}:[A-Z0-9]{5,9}", fullmatch=True),
    IdentifierKind.BIRTH_CERTIFICATE: st.tuples(
        st.sampled_from(ROMAN), st.text(CYRILLIC, min_size=2, max_size=2), digits(6)
    ).map(a_birth_certificate),
}
IDENTIFIERS = st.sampled_from(list(IdentifierKind)).flatmap(
    lambda kind: VALUES[kind].map(lambda value: Identifier(kind=kind, value=value))
)


@given(IDENTIFIERS)
def test_identifier_is_read_back_as_it_was_written(identifier: Identifier) -> None:
    written = format_identifier(identifier)

    assert parse(identifier.kind, written) == identifier
    assert parse(identifier.kind, written.lower()) == identifier
    assert from_canonical(identifier.kind, written) == identifier


@given(st.sampled_from(list(IdentifierKind)), st.text(max_size=80))
def test_anything_at_all_is_an_identifier_or_refused(kind: IdentifierKind, text: str) -> None:
    try:
        identifier = parse(kind, text)
    except ValueRefused:
        return

    assert parse(kind, format_identifier(identifier)) == identifier


@pytest.mark.spec("PFR-2p-2016")
@given(
    digits(9).filter(lambda number: int(number) > SNILS_WITHOUT_CHECK_UP_TO),
    st.integers(0, 8),
    st.integers(1, 9),
)
def test_one_wrong_digit_of_a_snils_is_found(number: str, place: int, by: int) -> None:
    """A weight times a difference is never 0 modulo 101; but 100 and 0 are both written 00."""
    wrong = number[:place] + str((int(number[place]) + by) % 10) + number[place + 1 :]
    if int(wrong) <= SNILS_WITHOUT_CHECK_UP_TO:
        return
    sums = [sum(int(d) * (9 - n) for n, d in enumerate(text)) % 101 for text in (number, wrong)]

    if set(sums) == {0, 100}:
        assert snils_check(number) == snils_check(wrong)
    else:
        assert snils_check(number) != snils_check(wrong)


@pytest.mark.spec("ICAO9303-4-4.2")
@given(
    st.builds(
        mrz.MachineReadableZone,
        issuing_state=st.from_regex(r"[A-Z]{3}|D", fullmatch=True),
        surname=st.from_regex(r"[A-Z]{1,10}( [A-Z]{1,5})?", fullmatch=True),
        given_names=st.from_regex(r"[A-Z]{1,10}( [A-Z]{1,8})?", fullmatch=True),
        document_number=st.from_regex(r"[A-Z0-9]{5,9}", fullmatch=True),
        nationality=st.from_regex(r"[A-Z]{3}", fullmatch=True),
        birthdate=st.dates(date(1926, 11, 24), TODAY),
        sex=st.sampled_from(["F", "M", "X"]),
        expires_on=st.dates(date(1947, 1, 1), date(2046, 12, 31)),
        personal_number=st.from_regex(r"([A-Z0-9]{1,14})?", fullmatch=True),
    )
)
def test_zone_is_read_back_as_it_was_written(zone: mrz.MachineReadableZone) -> None:
    written = mrz.format_mrz(zone)

    assert [len(line) for line in written.split("\n")] == [mrz.LINE_LENGTH] * 2
    assert mrz.parse(written, today=TODAY) == zone


@given(st.text(max_size=100))
def test_anything_at_all_is_a_zone_or_refused(text: str) -> None:
    with pytest.raises(ValueRefused):
        mrz.parse(text, today=TODAY)


@given(st.text(max_size=150))
def test_anything_at_all_is_a_name_or_refused(text: str) -> None:
    try:
        name = parse_name(text)
    except ValueRefused:
        return

    assert parse_name(name) == name
    assert comparison_key(name) == comparison_key(comparison_key(name))


@given(st.text("абвгдеёжзийклмнопрстуфхцчшщъыьэюяАБЁЙ- ’", min_size=1, max_size=40))
def test_comparison_forgets_case_and_yo_and_nothing_twice(text: str) -> None:
    assert comparison_key(text) == comparison_key(text.upper())
    assert comparison_key(text) == comparison_key(text.replace("ё", "е").replace("Ё", "Е"))
    assert patronymic_key(text) == patronymic_key(patronymic_key(text))
