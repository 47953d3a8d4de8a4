"""The machine-readable zone: ICAO's own specimen, and what is refused."""

from dataclasses import replace
from datetime import date

import pytest

from population_register import mrz
from population_register.errors import ValueRefused

TODAY = date(2026, 11, 23)
SPECIMEN = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
)


@pytest.mark.spec("ICAO9303-4-4.2")
def test_specimen_of_icao_is_read() -> None:
    zone = mrz.parse(SPECIMEN, today=TODAY)

    assert zone == mrz.MachineReadableZone(
        issuing_state="UTO",
        surname="ERIKSSON",
        given_names="ANNA MARIA",
        document_number="L898902C3",
        nationality="UTO",
        birthdate=date(1974, 8, 12),
        sex="F",
        expires_on=date(2012, 4, 15),
        personal_number="ZE184226B",
    )
    assert mrz.format_mrz(zone) == SPECIMEN


@pytest.mark.spec("ICAO9303-3-4.9")
@pytest.mark.parametrize(
    ("field", "check"), [("520727", "3"), ("AB2134<<<", "5"), ("D23145890", "7"), ("<<<", "0")]
)
def test_check_digit_weighs_7_3_1(field: str, check: str) -> None:
    weights = [7, 3, 1] * 4
    values = [0 if c == "<" else int(c, 36) for c in field]

    assert mrz.check_digit(field) == check
    assert check == str(sum(v * w for v, w in zip(values, weights, strict=False)) % 10)


@pytest.mark.parametrize("place", [1, 9, 13, 19, 21, 27, 30, 42, 43])
def test_one_wrong_digit_is_found(place: int) -> None:
    lines = SPECIMEN.split("\n")
    wrong = str((int(lines[1][place]) + 1) % 10)
    lines[1] = lines[1][:place] + wrong + lines[1][place + 1 :]

    with pytest.raises(ValueRefused) as refusal:
        mrz.parse("\n".join(lines), today=TODAY)

    assert refusal.value.reason == "check_digit"


def sealed_anew(second: str) -> str:
    """The specimen with another second line, of which the check digit over all of it is right."""
    whole = mrz.check_digit(second[:10] + second[13:20] + second[21:43])
    return SPECIMEN[:45] + second[:43] + whole


@pytest.mark.spec("ICAO9303-4-4.2")
@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ("L898902C37UTO7408122F1204159ZE184226B<<<<<1", "check_digit"),
        ("L898902C36UTO7408123F1204159ZE184226B<<<<<1", "check_digit"),
        ("L898902C36UTO7408122F1204158ZE184226B<<<<<1", "check_digit"),
        ("L898902C36UTO7408122F1204159ZE184226B<<<<<2", "check_digit"),
        ("L898902C36UTO7408122F1204159ZE184226B<<<<<<", "check_digit"),
        ("L898902C36UTO7408122Q1204159ZE184226B<<<<<1", "form"),
        ("L898902C36UTO7413128F1204159ZE184226B<<<<<1", "not_a_date"),
        ("L898902C36UTO7408122F1202306ZE184226B<<<<<1", "not_a_date"),
    ],
    ids=[
        "number",
        "born",
        "expires",
        "personal number",
        "personal number without a digit",
        "sex",
        "month",
        "30 February",
    ],
)
def test_zone_that_is_right_as_a_whole_is_wrong_in_a_part(second: str, reason: str) -> None:
    with pytest.raises(ValueRefused) as refusal:
        mrz.parse(sealed_anew(second), today=TODAY)

    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    "text",
    ["", SPECIMEN[:80], SPECIMEN + "<", SPECIMEN.replace("P<", "I<"), SPECIMEN.replace("A", "Я")],
    ids=["empty", "short", "long", "not a passport", "Cyrillic"],
)
def test_other_shapes_are_refused(text: str) -> None:
    with pytest.raises(ValueRefused) as refusal:
        mrz.parse(text, today=TODAY)

    assert refusal.value.reason == "form"


def test_no_personal_number_may_have_no_check_digit() -> None:
    zone = mrz.parse(SPECIMEN, today=TODAY)
    without = mrz.MachineReadableZone(
        issuing_state="RUS",
        surname="IVANOV",
        given_names="IVAN",
        document_number="751234567",
        nationality="RUS",
        birthdate=date(2001, 1, 31),
        sex="X",
        expires_on=date(2031, 5, 1),
    )

    assert mrz.parse(mrz.format_mrz(without), today=TODAY) == without
    assert zone.personal_number


@pytest.mark.spec("ICAO9303-4-4.2")
@pytest.mark.parametrize("check", ["0", "<"])
def test_check_digit_of_no_personal_number_is_nought_or_left_open(check: str) -> None:
    second = "L898902C36UTO7408122F1204159" + "<" * 14 + check

    assert mrz.parse(sealed_anew(second), today=TODAY).personal_number == ""


def test_states_of_one_letter_and_small_letters_are_read() -> None:
    german = SPECIMEN.replace("P<UTO", "P<D<<").replace("UTO", "D<<").lower()

    zone = mrz.parse(german, today=TODAY)

    assert (zone.issuing_state, zone.nationality, zone.surname) == ("D", "D", "ERIKSSON")


def test_expiry_is_twenty_years_ahead_at_most() -> None:
    zone = mrz.parse(SPECIMEN, today=TODAY)
    last, next_day = date(2046, 12, 31), date(2047, 1, 1)

    def read(expires_on: date) -> date:
        written = mrz.format_mrz(replace(zone, expires_on=expires_on))
        return mrz.parse(written, today=TODAY).expires_on

    assert (read(last), read(next_day)) == (last, date(1947, 1, 1))


def test_zone_is_written_in_capitals_with_fillers_for_what_is_no_letter() -> None:
    zone = mrz.MachineReadableZone(
        issuing_state="D",
        surname="Muller-Schmidt",
        given_names="Anna maria",
        document_number="c01x00t47",
        nationality="d",
        birthdate=date(1974, 8, 12),
        sex="F",
        expires_on=date(2031, 4, 15),
    )

    first, second = mrz.format_mrz(zone).split("\n")

    assert first == "P<D<<MULLER<SCHMIDT<<ANNA<MARIA".ljust(44, "<")
    assert second[:13] == "C01X00T478D<<"


@pytest.mark.parametrize(
    ("born", "year"), [(date(1926, 11, 24), 1926), (date(2026, 11, 23), 2026)], ids=str
)
def test_birth_is_never_in_the_future(born: date, year: int) -> None:
    zone = mrz.MachineReadableZone(
        issuing_state="RUS",
        surname="IVANOV",
        given_names="",
        document_number="751234567",
        nationality="RUS",
        birthdate=born,
        sex="M",
        expires_on=date(2046, 12, 31),
    )

    read = mrz.parse(mrz.format_mrz(zone), today=TODAY)

    assert read.birthdate.year == year
    assert read.expires_on == date(2046, 12, 31)
