"""An income certificate as the tax service issues it (form KND 1175018), for a made-up person."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from app.demo.paper import A4_WIDTH, GREY, Colour, Page, write_pdf
from app.demo.population import Person

TITLE: Final = "Справка о доходах и суммах налога физического лица"

_LEFT: Final = 48.0
_RIGHT: Final = A4_WIDTH - 48
_WIDTH: Final = _RIGHT - _LEFT
_BLUE: Final[Colour] = (0.13, 0.25, 0.53)
_TAX_RATE: Final = Decimal("0.13")
_SALARY_CODE: Final = "2000"
_VACATION_CODE: Final = "2012"
_VACATION_MONTH: Final = 7
_BONUS_CODE: Final = "2002"
_LAST_MONTH: Final = 12
_MONTH_COLUMNS: Final = (0.0, 46.0, 112.0, 230.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Employer:
    """The tax agent that pays and withholds."""

    name: str
    inn: str
    kpp: str
    oktmo: str
    phone: str


EMPLOYER: Final = Employer(
    name="ООО «ВОЛЖСКИЕ ВЕРФИ» (вымышленная организация)",
    inn="0000000018",
    kpp="000001001",
    oktmo="78715000",
    phone="(000) 000-00-00",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What the printed mark of an electronic signature says."""

    serial_hex: str
    owner: str
    valid_from: date
    valid_to: date


def draw_income_certificate(
    person: Person, *, year: int, salary: Decimal, issued_on: date, seal: Seal
) -> bytes:
    """Return the certificate as a PDF, not signed yet.

    Args:
        person: Whose income.
        year: Of the income.
        salary: Per month, in rubles.
        issued_on: The date on it.
        seal: Of the certificate with which it will be signed.
    """
    page = Page()
    _draw_head(page, year, issued_on)
    y = _draw_employer(page, 128)
    y = _draw_person(page, y + 16, person)
    income = _incomes(salary)
    y = _draw_income(page, y + 16, income)
    y = _draw_deductions(page, y + 16)
    y = _draw_totals(page, y + 16, sum((amount for _, _, amount in income), Decimal()))
    _draw_seal(page, y + 18, seal)
    page.text(
        A4_WIDTH / 2,
        818,
        "Демонстрация Civitas. Люди, организации и суммы вымышлены. Не имеет юридической силы.",
        size=7.5,
        align="center",
        colour=GREY,
    )
    return write_pdf([page], title=f"{TITLE} за {year} год")


def _incomes(salary: Decimal) -> list[tuple[int, str, Decimal]]:
    """Return month, code and amount of every payment of a year."""
    paid = []
    for month in range(1, _LAST_MONTH + 1):
        if month == _VACATION_MONTH:
            paid.append(
                (month, _VACATION_CODE, (salary * Decimal("0.92")).quantize(Decimal("0.01")))
            )
            continue
        paid.append((month, _SALARY_CODE, salary))
        if month == _LAST_MONTH:
            paid.append((month, _BONUS_CODE, (salary / 2).quantize(Decimal("0.01"))))
    return paid


def _draw_head(page: Page, year: int, issued_on: date) -> None:
    page.text(_RIGHT, 52, "Форма по КНД 1175018", size=8, align="right")
    page.text(A4_WIDTH / 2, 78, TITLE.upper(), size=11.5, font="bold", align="center")
    page.text(A4_WIDTH / 2, 95, f"за {year} год", size=11, font="bold", align="center")
    page.text(_LEFT, 112, f"Дата составления  {issued_on:%d.%m.%Y}", size=9)


def _draw_employer(page: Page, y: float) -> float:
    y = _section(page, y, "1. Данные о налоговом агенте")
    y = _fields(
        page,
        y,
        [("Код по ОКТМО", EMPLOYER.oktmo), ("Телефон", EMPLOYER.phone), ("ИНН", EMPLOYER.inn),
         ("КПП", EMPLOYER.kpp)],
    )  # fmt: skip
    return _fields(page, y, [("Налоговый агент", EMPLOYER.name)])


def _draw_person(page: Page, y: float, person: Person) -> float:
    y = _section(page, y, "2. Данные о физическом лице — получателе дохода")
    citizen = person.foreigner is None
    document = person.passport if person.foreigner is None else person.foreigner.passport_number
    y = _fields(page, y, [("ИНН в Российской Федерации", person.inn)])
    y = _fields(
        page,
        y,
        [("Фамилия", person.family_name), ("Имя", person.given_name),
         ("Отчество", person.middle_name or "—")],
    )  # fmt: skip
    y = _fields(
        page,
        y,
        [("Статус налогоплательщика", "1"), ("Дата рождения", f"{person.birthdate:%d.%m.%Y}"),
         ("Гражданство (код страны)", "643" if citizen else "792")],
    )  # fmt: skip
    return _fields(
        page,
        y,
        [("Код вида документа", "21" if citizen else "10"), ("Серия и номер", document)],
    )


def _draw_income(page: Page, y: float, income: list[tuple[int, str, Decimal]]) -> float:
    y = _section(page, y, "3. Доходы, облагаемые налогом по ставке 13%")
    half = (len(income) + 1) // 2
    column_width = _WIDTH / 2 - 6
    ends = []
    for part, left in ((income[:half], _LEFT), (income[half:], _LEFT + _WIDTH / 2 + 6)):
        ends.append(_draw_months(page, left, column_width, y, part))
    return max(ends)


def _draw_months(
    page: Page, left: float, width: float, y: float, rows: list[tuple[int, str, Decimal]]
) -> float:
    top, row_height = y, 15.0
    columns = [left + offset for offset in _MONTH_COLUMNS]
    for x, label in zip(columns, ("Месяц", "Код дохода", "Сумма дохода"), strict=False):
        page.text(x + 5, y + 11, label, size=8, font="bold")
    for month, code, amount in rows:
        y += row_height
        page.line(left, y, left + width, y, width=0.4)
        page.text(columns[0] + 5, y + 11, f"{month:02d}")
        page.text(columns[1] + 5, y + 11, code)
        page.text(left + width - 6, y + 11, _money(amount), align="right")
    y += row_height
    page.box(left, top, width, y - top)
    for x in columns[1:3]:
        page.line(x, top, x, y, width=0.4)
    return y


def _draw_deductions(page: Page, y: float) -> float:
    y = _section(page, y, "4. Стандартные, социальные и имущественные налоговые вычеты")
    page.box(_LEFT, y, _WIDTH, 16)
    page.text(_LEFT + 5, y + 11.5, "Не предоставлялись")
    return y + 16


def _draw_totals(page: Page, y: float, total: Decimal) -> float:
    y = _section(page, y, "5. Общие суммы дохода и налога")
    tax = (total * _TAX_RATE).quantize(Decimal(1))
    rows = (
        ("Общая сумма дохода", _money(total), "Сумма налога удержанная", _money(tax, places=0)),
        ("Налоговая база", _money(total), "Сумма налога перечисленная", _money(tax, places=0)),
        ("Сумма налога исчисленная", _money(tax, places=0), "Сумма налога, излишне удержанная",
         "0"),
    )  # fmt: skip
    top, middle = y, _LEFT + _WIDTH / 2
    for left_label, left, right_label, right in rows:
        page.text(_LEFT + 5, y + 12, left_label, size=8.5)
        page.text(middle - 6, y + 12, left, align="right")
        page.text(middle + 5, y + 12, right_label, size=8.5)
        page.text(_RIGHT - 6, y + 12, right, align="right")
        y += 17
        page.line(_LEFT, y, _RIGHT, y, width=0.4)
    page.box(_LEFT, top, _WIDTH, y - top)
    page.line(middle, top, middle, y, width=0.4)
    return y


def _draw_seal(page: Page, y: float, seal: Seal) -> None:
    """Draw the mark of an electronic signature (GOST R 7.0.97-2016, 5.23)."""
    width, height = 268.0, 74.0
    left = _RIGHT - width
    page.box(left, y, width, height, line=1.4, colour=_BLUE)
    lines = (
        ("bold", 9.5, "ДОКУМЕНТ ПОДПИСАН"),
        ("bold", 9.5, "УСИЛЕННОЙ ЭЛЕКТРОННОЙ ПОДПИСЬЮ"),
        ("text", 7.5, f"Сертификат {seal.serial_hex}"),
        ("text", 7.5, f"Владелец {seal.owner}"),
        ("text", 7.5, f"Действителен с {seal.valid_from:%d.%m.%Y} по {seal.valid_to:%d.%m.%Y}"),
    )
    for row, (font, size, line) in enumerate(lines):
        page.text(
            left + width / 2,
            y + 15 + row * 12.5,
            line,
            size=size,
            font="bold" if font == "bold" else "text",
            align="center",
            colour=_BLUE,
        )


def _section(page: Page, y: float, heading: str) -> float:
    page.text(_LEFT, y, heading, size=9.5, font="bold")
    return y + 7


def _fields(page: Page, y: float, pairs: list[tuple[str, str]]) -> float:
    """Draw labels, and under each a value in a box; return where the next row begins."""
    width = _WIDTH / len(pairs)
    for position, (label, value) in enumerate(pairs):
        left = _LEFT + position * width
        page.text(left, y + 9, label, size=7.5, colour=GREY)
        page.box(left, y + 12, width - (8 if position < len(pairs) - 1 else 0), 16, line=0.5)
        page.text(left + 5, y + 23.5, value, size=9.5)
    return y + 32


def _money(amount: Decimal, *, places: int = 2) -> str:
    return f"{amount:,.{places}f}".replace(",", " ").replace(".", ",")
