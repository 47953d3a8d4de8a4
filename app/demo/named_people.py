"""The people of the demonstration whom a visitor can be: each shows something different."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache

from app.demo.population import Address, Foreigner, Person, Town, settle
from population_register.api import IdentifierKind


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPerson:
    """Somebody whom a visitor can sign in as.

    The password is printed and documented: there is nothing behind it but the demonstration.

    Attributes:
        username: To sign in with.
        password: To sign in with.
        about: One line in Russian for the list of people.
        about_en: The same in English.
        key: The person in `demo_population`.
        is_shown_first: Whether `make run` names the person.
    """

    username: str
    password: str
    about: str
    about_en: str
    key: str
    is_shown_first: bool = False

    def as_json(self) -> dict[str, str]:
        """Return what a script needs to sign in, and what a reader wants to know."""
        return {
            "username": self.username,
            "password": self.password,
            "about": self.about_en,
            "about_ru": self.about,
        }


DEMO_PEOPLE = (
    DemoPerson(
        username="anna",
        password="lantern-volga-11",  # noqa: S106 - printed for visitors
        about="Анна Волкова, мать двоих детей, в браке сменила фамилию",
        about_en="Anna Volkova, mother of two, changed her name when she married",
        key="anna",
        is_shown_first=True,
    ),
    DemoPerson(
        username="alexey",
        password="birch-ladder-27",  # noqa: S106 - printed for visitors
        about="Алексей Голенищев-Орлов, двойная фамилия, буква «ё» в отчестве",
        about_en="Alexey Golenishchev-Orlov, a hyphenated name, ё in the patronymic",
        key="alexey",
    ),
    DemoPerson(
        username="eldar",
        password="copper-harbor-35",  # noqa: S106 - printed for visitors
        about="Эльдар Мамедов, отчество с «оглы»",
        about_en="Eldar Mamedov, a patronymic with “oglu”",
        key="eldar",
    ),
    DemoPerson(
        username="ayse",
        password="saffron-window-42",  # noqa: S106 - printed for visitors
        about="Айше Йылмаз, гражданка Турции, без отчества и без российского паспорта",
        about_en="Ayşe Yılmaz, a citizen of Türkiye, no patronymic and no Russian passport",
        key="ayse",
        is_shown_first=True,
    ),
    DemoPerson(
        username="timofey",
        password="comet-backpack-58",  # noqa: S106 - printed for visitors
        about="Тимофей Волков, пятнадцать лет, сын Анны",
        about_en="Timofey Volkov, fifteen years old, Anna’s son",
        key="timofey",
        is_shown_first=True,
    ),
    DemoPerson(
        username="zinaida",
        password="samovar-garden-63",  # noqa: S106 - printed for visitors
        about="Зинаида Морозова, пенсионерка, день её рождения известен не всем ведомствам",
        about_en="Zinaida Morozova, a pensioner whose exact birth date not every agency knows",
        key="zinaida",
    ),
)

_RYBINSK = Address(
    region="Ярославская область",
    locality="Рыбинск",
    street="ул. Бурлацкая",
    house="14",
    flat="27",
    postal_code="152900",
)
_MOSCOW = Address(
    region="город Москва",
    locality="Москва",
    street="ул. Зелёная",
    house="8",
    flat="101",
    postal_code="101037",
)


def _settle_named(town: Town) -> None:
    _settle_family(town)
    _settle_others(town)


def _settle_family(town: Town) -> None:
    sergey = town.add(
        key="sergey",
        gender="male",
        family_name="Волков",
        given_name="Сергей",
        middle_name="Андреевич",
        birthdate=date(1984, 9, 30),
        birthplace="Рыбинск",
        address=_RYBINSK,
    )
    anna = town.add(
        key="anna",
        gender="female",
        family_name="Волкова",
        given_name="Анна",
        middle_name="Дмитриевна",
        birthdate=date(1986, 3, 14),
        birthplace="Ярославль",
        address=_RYBINSK,
        birth_family_name="Лебедева",
    )
    town.marry(sergey, anna, date(2009, 6, 20))
    for key, gender, family_name, given_name, middle_name, born in (
        ("timofey", "male", "Волков", "Тимофей", "Сергеевич", date(2010, 12, 5)),
        ("varvara", "female", "Волкова", "Варвара", "Сергеевна", date(2017, 8, 22)),
    ):
        town.add(
            key=key,
            gender="male" if gender == "male" else "female",
            family_name=family_name,
            given_name=given_name,
            middle_name=middle_name,
            birthdate=born,
            birthplace="Рыбинск",
            address=_RYBINSK,
            parent_keys=("anna", "sergey"),
        )


def _settle_others(town: Town) -> None:
    town.add(
        key="alexey",
        gender="male",
        family_name="Голенищев-Орлов",
        given_name="Алексей",
        middle_name="Фёдорович",
        birthdate=date(1979, 2, 28),
        birthplace="Москва",
        address=_MOSCOW,
    )
    town.add(
        key="eldar",
        gender="male",
        family_name="Мамедов",
        given_name="Эльдар",
        middle_name="Гусейн оглы",
        birthdate=date(1991, 7, 7),
        birthplace="Дербент",
        address=town.address(),
    )
    town.add(
        key="ayse",
        gender="female",
        family_name="Йылмаз",
        given_name="Айше",
        middle_name=None,
        birthdate=date(1994, 11, 2),
        birthplace="Измир",
        address=town.address(),
        foreigner=Foreigner(
            state="TUR",
            passport_number="U12345678",
            latin_name="YILMAZ AYSE",
            passport_expires_on=date(2031, 4, 30),
            arrived_on=date(2024, 9, 1),
            permit_number="99 0112233",
        ),
    )
    town.add(
        key="zinaida",
        gender="female",
        family_name="Морозова",
        given_name="Зинаида",
        middle_name="Семёновна",
        birthdate=date(1948, 5, 9),
        birthplace="деревня Каменка Ярославской области",
        address=_RYBINSK,
    )


@cache
def demo_population() -> Mapping[str, Person]:
    """Return everybody in the demonstration by key; always the same."""
    return settle(_settle_named)


def identifier_of(demo_person: DemoPerson) -> tuple[IdentifierKind, str]:
    """Return the number by which a demo person is found in the register."""
    return IdentifierKind.SNILS, demo_population()[demo_person.key].snils
