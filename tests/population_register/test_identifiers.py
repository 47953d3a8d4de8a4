"""National numbers: one canonical form each, check digits where there are any."""

import pytest
from stdnum import luhn
from stdnum.ru import inn as stdnum_inn

from population_register.errors import ValueRefused
from population_register.identifiers import (
    Identifier,
    IdentifierKind,
    format_identifier,
    from_canonical,
    parse,
    snils_check,
)

SNILS, INN, ENP = IdentifierKind.SNILS, IdentifierKind.INN, IdentifierKind.ENP
PASSPORT, FOREIGN = IdentifierKind.PASSPORT, IdentifierKind.FOREIGN_PASSPORT
BIRTH = IdentifierKind.BIRTH_CERTIFICATE


@pytest.mark.parametrize(
    ("kind", "typed", "canonical"),
    [
        (SNILS, "112-233-445 95", "11223344595"),
        (SNILS, "11223344595", "11223344595"),
        (SNILS, " 112 233 445 95 ", "11223344595"),
        (SNILS, "112\u2013233\u2013445\u00a095", "11223344595"),
        (SNILS, "087-654-303 00", "08765430300"),
        (SNILS, "112-233-445 95".ljust(64), "11223344595"),
        (INN, "500100732259", "500100732259"),
        (ENP, "9900 0000 0000 0010", "9900000000000010"),
        (PASSPORT, "45 10 № 123456", "4510123456"),
        (PASSPORT, "0000 100000", "0000100000"),
        (PASSPORT, "4510 123456", "4510123456"),
        (FOREIGN, "uzb:ab1234567", "UZB:AB1234567"),
        (FOREIGN, "D C01X00T47", "D:C01X00T47"),
        (BIRTH, "IV-МЮ № 123456", "IV-МЮ123456"),
        (BIRTH, "iv-мю 123456", "IV-МЮ123456"),
        (BIRTH, "XXXVIII-АА 000001", "XXXVIII-АА000001"),
        (BIRTH, "ІХ-AB123456", "IX-АВ123456"),  # Cyrillic and Latin lookalikes in the wrong place
    ],
)
def test_usual_spellings_give_one_canonical_form(
    kind: IdentifierKind, typed: str, canonical: str
) -> None:
    assert parse(kind, typed) == Identifier(kind=kind, value=canonical)


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (SNILS, "112-233-445 95"),
        (INN, "500100732259"),
        (ENP, "9900000000000010"),
        (PASSPORT, "4510 123456"),
        (FOREIGN, "TUR:U12345678"),
        (BIRTH, "IV-МЮ 123456"),
    ],
)
def test_format_writes_what_the_law_writes(kind: IdentifierKind, written: str) -> None:
    identifier = parse(kind, written)

    assert format_identifier(identifier) == written
    assert from_canonical(kind, written) == identifier


@pytest.mark.parametrize(
    ("kind", "typed", "reason"),
    [
        (SNILS, "112-233-445 96", "check_digit"),
        (SNILS, "112-233-445 9", "length"),
        (SNILS, "112-233-445 955", "length"),
        (SNILS, "000-000-000 00", "form"),
        (SNILS, "112-233-44O 95", "characters"),
        (SNILS, "١١٢٢٣٣٤٤٥٩٥", "characters"),
        (SNILS, "", "characters"),
        (SNILS, "112-233-445 95".ljust(65), "length"),
        (INN, "7707083893", "organisation"),
        (INN, "77 07 083 893", "organisation"),
        (INN, "770708389А", "characters"),
        (INN, "٧٧٠٧٠٨٣٨٩٣", "characters"),
        (INN, "500100732258", "check_digit"),
        (INN, "500100732249", "check_digit"),
        (INN, "000000000000", "form"),
        (ENP, "9900000000000011", "check_digit"),
        (ENP, "0000000000000000", "form"),
        (PASSPORT, "4510 000000", "form"),
        (PASSPORT, "4511 000000", "form"),
        (PASSPORT, "451012345", "length"),
        (FOREIGN, "XY7654321", "form"),
        (FOREIGN, "UZB:АВ1234567", "form"),  # Cyrillic letters
        (FOREIGN, "UZB:QQ1", "form"),
        (BIRTH, "ТО 765432", "form"),
        (BIRTH, "IIII-МЮ 123456", "form"),
        (BIRTH, "IV-WZ 123456", "form"),
        (BIRTH, "IV-ТО 76543", "form"),
    ],
)
def test_anything_else_is_refused_with_reason_and_advice(
    kind: IdentifierKind, typed: str, reason: str
) -> None:
    with pytest.raises(ValueRefused) as refusal:
        parse(kind, typed)

    assert refusal.value.reason == reason
    assert refusal.value.advice
    if typed:
        assert typed not in str(refusal.value)


@pytest.mark.spec("PFR-2p-2016")
@pytest.mark.parametrize(
    ("number", "check"),
    [("112233445", "95"), ("087654303", "00"), ("087654302", "00"), ("999999999", "01")],
)
def test_snils_check_is_the_weighted_sum_modulo_101(number: str, check: str) -> None:
    weighted = sum(
        int(digit) * weight for digit, weight in zip(number, range(9, 0, -1), strict=True)
    )

    assert snils_check(number) == check == f"{weighted % 101 % 100:02d}"


@pytest.mark.spec("PFR-2p-2016")
def test_snils_up_to_001_001_998_has_no_check() -> None:
    assert parse(SNILS, "001-001-998 99").value == "00100199899"

    with pytest.raises(ValueRefused, match="check digits"):
        parse(SNILS, "001-001-999 99")


def test_enp_agrees_with_python_stdnum() -> None:
    numbers = [f"77831000{number:08d}" for number in range(0, 10**8, 777_777)]

    accepted = []
    for number in numbers:
        try:
            accepted.append(parse(ENP, number).value)
        except ValueRefused:
            continue

    assert accepted == [number for number in numbers if luhn.is_valid(number)]
    assert len(accepted) > 5


def test_inn_agrees_with_python_stdnum() -> None:
    beginnings = ("5001007322", "5001007300", "5001007309")  # of the last two a sum comes to ten
    numbers = [f"{beginning}{check:02d}" for beginning in beginnings for check in range(100)]

    accepted = []
    for number in numbers:
        try:
            accepted.append(parse(INN, number).value)
        except ValueRefused:
            continue

    assert accepted == [number for number in numbers if stdnum_inn.is_valid(number)]
    assert len(accepted) == len(beginnings)


def test_enp_agrees_with_luhn() -> None:
    numbers = [f"775000000000000{check}" for check in range(10)]

    accepted = []
    for number in numbers:
        try:
            accepted.append(parse(ENP, number).value)
        except ValueRefused:
            continue

    assert accepted == [number for number in numbers if luhn.is_valid(number)]


def test_number_does_not_show_in_a_repr() -> None:
    assert "112" not in repr(parse(SNILS, "112-233-445 95"))
