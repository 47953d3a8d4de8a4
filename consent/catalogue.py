"""What can be shared and what for, in the words in which people are asked. No I/O.

Codes and names are part of the contract with partners: they are added, never renamed. Texts may
change any day; what a person agreed to is kept word for word in the signed record.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from consent.errors import InvalidDisclosure
from consent.model import Item, ItemKind, ItemName, Purpose, PurposeCode, Sensitivity, Words

_MVD = Words(ru="МВД России", en="Ministry of Internal Affairs")
_ZAGS = Words(ru="Реестр ЗАГС", en="Civil registry")
_FNS = Words(ru="Налоговая служба", en="Tax service")
_SFR = Words(ru="Социальный фонд", en="Social fund")
_FOMS = Words(ru="Фонд медицинского страхования", en="Health insurance fund")
_DERIVED = Words(ru="Ответ по дате рождения в реестре", en="Answer derived from your birth date")
_VAULT = Words(ru="Ваше хранилище документов", en="Your document vault")


def _attribute(
    name: str,
    ru: str,
    en: str,
    origin: Words,
    sensitivity: Sensitivity = Sensitivity.ORDINARY,
) -> Item:
    return Item(
        name=ItemName(name),
        kind=ItemKind.ATTRIBUTE,
        label=Words(ru=ru, en=en),
        origin=origin,
        sensitivity=sensitivity,
    )


def _older_than(years: int) -> Item:
    return Item(
        name=ItemName(f"over_{years}"),
        kind=ItemKind.PREDICATE,
        label=Words(
            ru=f"Есть ли вам {years} лет (без даты рождения)",
            en=f"Whether you are {years} or older (not your birth date)",
        ),
        origin=_DERIVED,
    )


def _document(kind: str, ru: str, en: str, sensitivity: Sensitivity) -> Item:
    return Item(
        name=ItemName(f"document:{kind}"),
        kind=ItemKind.DOCUMENT,
        label=Words(ru=ru, en=en),
        origin=_VAULT,
        sensitivity=sensitivity,
    )


_SENSITIVE = Sensitivity.SENSITIVE
_SPECIAL = Sensitivity.SPECIAL

_ALL_ITEMS = (
    _attribute("family_name", "Фамилия", "Family name", _ZAGS),
    _attribute("given_name", "Имя", "Given name", _ZAGS),
    _attribute("middle_name", "Отчество", "Patronymic", _ZAGS),
    _attribute("former_names", "Прежние имена и фамилии", "Former names", _ZAGS),
    _attribute("gender", "Пол", "Sex", _ZAGS),
    _attribute("birthdate", "Дата рождения", "Date of birth", _ZAGS),
    _attribute("birthplace", "Место рождения", "Place of birth", _ZAGS),
    _attribute("citizenships", "Гражданство", "Citizenship", _MVD),
    _attribute("marital_status", "Семейное положение", "Marital status", _ZAGS),
    _attribute("children", "Дети", "Children", _ZAGS, _SENSITIVE),
    _attribute("parents", "Родители", "Parents", _ZAGS, _SENSITIVE),
    _attribute("snils", "СНИЛС", "Social insurance number (SNILS)", _SFR, _SENSITIVE),
    _attribute("inn", "ИНН", "Taxpayer number (INN)", _FNS, _SENSITIVE),
    _attribute("enp", "Полис ОМС", "Health insurance number (ENP)", _FOMS, _SENSITIVE),
    _attribute(
        "passport",
        "Паспорт: серия, номер, кем и когда выдан",
        "Passport: number, date of issue and issuer",
        _MVD,
        _SENSITIVE,
    ),
    _attribute("foreign_passport", "Заграничный паспорт", "Travel passport", _MVD, _SENSITIVE),
    _attribute("registration_address", "Адрес регистрации", "Registered address", _MVD, _SENSITIVE),
    _attribute("stay_address", "Адрес пребывания", "Address of stay", _MVD, _SENSITIVE),
    _older_than(14),
    _older_than(18),
    _older_than(21),
    _document("passport_scan", "Скан паспорта", "Scan of your passport", _SENSITIVE),
    _document("income_certificate", "Справка о доходах", "Income certificate", _SENSITIVE),
    _document(
        "ct_scan", "Снимок компьютерной томографии (КТ)", "Computed tomography (CT) scan", _SPECIAL
    ),
    _document("medical_report", "Медицинское заключение", "Medical report", _SPECIAL),
)

ITEMS: Mapping[ItemName, Item] = MappingProxyType({item.name: item for item in _ALL_ITEMS})
"""Every item there is, by name, in the order in which it is shown."""


def _names(text: str) -> frozenset[ItemName]:
    names = frozenset(ItemName(name) for name in text.split())
    assert names <= ITEMS.keys()
    return names


_NAME = "family_name given_name middle_name"
_IDENTITY = f"{_NAME} gender birthdate birthplace citizenships passport registration_address"
_AGES = "over_14 over_18 over_21"
_YEAR = timedelta(days=365)

_ALL_PURPOSES = (
    Purpose(
        code=PurposeCode("sign_in"),
        label=Words(ru="узнавать вас при входе", en="recognise you when you sign in"),
        explanation=Words(
            ru="Данные показываются на сайте и подставляются в формы вместо ручного ввода.",
            en="The data is shown on the site and filled into forms, so that you need not type it.",
        ),
        purpose_type="authentication",
        items=_names(f"{_NAME} gender birthdate registration_address {_AGES}"),
        longest=_YEAR,
        longest_retention=_YEAR,
        usual=_YEAR,
        usual_retention=timedelta(days=30),
    ),
    Purpose(
        code=PurposeCode("identification"),
        label=Words(ru="установить вашу личность", en="establish who you are"),
        explanation=Words(
            ru="Вместе с данными передаётся, какое ведомство их подтвердило, когда и насколько "
            "надёжно установлена ваша личность. Это заменяет показ документа.",
            en="Along with the data goes which agency confirmed it, when, and how firmly your "
            "identity was established. This takes the place of showing a document.",
        ),
        purpose_type="identity_verification",
        items=_names(f"{_IDENTITY} foreign_passport {_AGES}"),
        longest=_YEAR,
        longest_retention=timedelta(days=5 * 365),  # 115-FZ, 7(4)
        usual=timedelta(days=30),
        usual_retention=_YEAR,
    ),
    Purpose(
        code=PurposeCode("account_opening"),
        label=Words(ru="открыть вам счёт", en="open an account for you"),
        explanation=Words(
            ru="Банк обязан установить личность клиента до открытия счёта (115-ФЗ, статья 7).",
            en="A bank must establish who its customer is before it opens an account "
            "(115-FZ, article 7).",
        ),
        purpose_type="customer_identification",
        items=_names(
            f"{_IDENTITY} former_names stay_address snils inn foreign_passport {_AGES} "
            "document:passport_scan document:income_certificate"
        ),
        longest=timedelta(days=90),
        longest_retention=timedelta(days=5 * 365),  # 115-FZ, 7(4)
        usual=timedelta(days=30),
        usual_retention=timedelta(days=5 * 365),
    ),
    Purpose(
        code=PurposeCode("credit_assessment"),
        label=Words(
            ru="рассмотреть заявку на кредит и его страхование",
            en="assess your application for a loan and its life insurance",
        ),
        explanation=Words(
            ru="По данным оценят, сможете ли вы вернуть кредит, и рассчитают страхование жизни. "
            "Решение можно оспорить.",
            en="The data is used to assess whether you can repay the loan and to price the life "
            "insurance that goes with it. You can contest the decision.",
        ),
        purpose_type="credit_assessment",
        items=_names(
            f"{_IDENTITY} former_names stay_address marital_status children snils inn {_AGES} "
            "document:passport_scan document:income_certificate document:ct_scan "
            "document:medical_report"
        ),
        longest=timedelta(days=180),
        longest_retention=timedelta(days=5 * 365),
        usual=timedelta(days=60),
        usual_retention=timedelta(days=3 * 365),
    ),
    Purpose(
        code=PurposeCode("medical_care"),
        label=Words(ru="лечить вас", en="treat you"),
        explanation=Words(
            ru="Данные увидят только работники клиники, которые участвуют в лечении; "
            "они обязаны хранить врачебную тайну.",
            en="Only staff of the clinic who take part in your treatment will see the data; they "
            "are bound by medical secrecy.",
        ),
        purpose_type="healthcare",
        items=_names(
            f"{_NAME} gender birthdate parents citizenships snils enp passport "
            f"registration_address stay_address {_AGES} "
            "document:ct_scan document:medical_report"
        ),
        longest=2 * _YEAR,
        longest_retention=timedelta(days=25 * 365),  # medical records are kept 25 years
        usual=_YEAR,
        usual_retention=timedelta(days=25 * 365),
    ),
    Purpose(
        code=PurposeCode("delivery"),
        label=Words(ru="доставить вам заказ", en="deliver your order"),
        explanation=Words(
            ru="Имя и адрес получит служба доставки; возраст проверят, если товар того требует.",
            en="The delivery service receives your name and address; your age is checked when the "
            "goods demand it.",
        ),
        purpose_type="service_provision",
        items=_names(f"{_NAME} registration_address stay_address {_AGES}"),
        longest=timedelta(days=90),
        longest_retention=timedelta(days=90),
        usual=timedelta(days=30),
        usual_retention=timedelta(days=30),
    ),
)

PURPOSES: Mapping[PurposeCode, Purpose] = MappingProxyType({p.code: p for p in _ALL_PURPOSES})
"""Every purpose there is, by code."""

SIGN_IN = PurposeCode("sign_in")
"""The purpose of plain OpenID Connect scopes."""

SCOPE_ITEMS: Mapping[str, tuple[ItemName, ...]] = MappingProxyType(
    {
        "openid": (),
        "profile": tuple(
            ItemName(name)
            for name in ("family_name", "given_name", "middle_name", "gender", "birthdate")
        ),
        "address": (ItemName("registration_address"),),
    }
)
"""What each OpenID Connect scope asks for (OpenID Connect Core, 5.4), for `sign_in`."""


def get_purpose(code: str) -> Purpose:
    """Return the purpose.

    Raises:
        InvalidDisclosure: 400. No such purpose.
    """
    purpose = PURPOSES.get(PurposeCode(code))
    if purpose is None:
        raise InvalidDisclosure("The purpose is not one that we know.")
    return purpose
