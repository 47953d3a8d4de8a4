"""What a file says of its own values: how common each is, and which several people have."""

from population_register.common_values import with_values, without_defaults, without_names
from population_register.comparison import COMPARATORS, Profile
from population_register.matching_model import Feature

FAMILIES = ("волкова", "дробот", "ким", "лебедева", "щукина", "цой", "орлова", "громов")
GIVEN = ("анна", "олег", "ия", "тимофей", "вера", "лев", "жанна", "кирилл")


def a_feature(name: str, kind: str) -> Feature:
    levels = len(COMPARATORS[kind].words)
    even = (1 / levels,) * levels
    return Feature(name=name, kind=kind, m=even, u=even, kin=even, twin=even)


def a_stranger(number: int, **said: str) -> Profile:
    own = {
        "family_name": FAMILIES[number % 8],
        "given_name": GIVEN[number % 8],
        "birthdate": f"{1930 + number * 11 % 60}-{number % 12 + 1:02d}-{number * 7 % 27 + 1:02d}",
    }
    return {name: (value,) for name, value in {**own, **said}.items()}


class TestFrequencies:
    def test_value_is_as_common_as_the_records_that_know_any_and_have_it(self) -> None:
        profiles: list[Profile] = [
            {"family_name": ("ким",)},
            {"family_name": ("ким", "цой")},
            {"family_name": ("цой", "орлова")},
            {"given_name": ("ким",)},
            {"family_name": ("дробот",)},
        ]

        feature = with_values(a_feature("family_name", "name"), profiles)

        assert feature.frequencies == {"ким": 2 / 4, "цой": 2 / 4}
        assert feature.rarest == 1 / 4

    def test_places_are_counted_by_code_and_by_town(self) -> None:
        places = ("300000|тула|", "300000||", "|тула|", "||обл", "400000|омск|")
        profiles: list[Profile] = [{"place": (place,)} for place in places]

        feature = with_values(a_feature("place", "place"), profiles)

        assert feature.frequencies == {"300000||": 2 / 5, "|тула|": 2 / 5}

    def test_words_of_a_list_are_not_counted(self) -> None:
        profiles: list[Profile] = [{"gender": ("male",)} for _ in range(3)]
        feature = a_feature("gender", "category")

        assert with_values(feature, profiles) is feature

    def test_of_a_column_that_nobody_fills_nothing_is_known(self) -> None:
        feature = with_values(a_feature("family_name", "name"), [{"given_name": ("ким",)}])

        assert (feature.frequencies, feature.rarest) == ({}, 0.0)


class TestCrowded:
    def test_number_of_two_who_are_plainly_two_is_crowded(self) -> None:
        twice = a_stranger(1, snils="1")
        profiles = [twice, twice, a_stranger(2, snils="2"), a_stranger(3, snils="2")]

        assert with_values(a_feature("snils", "number"), profiles).crowded == {"2"}

    def test_one_difference_alone_makes_nobody_two(self) -> None:
        one = a_stranger(1, snils="1")
        married = {**one, "family_name": ("щукина",)}
        nameless: Profile = {"snils": ("1",), "birthdate": ("1901-01-01",)}

        found = with_values(a_feature("snils", "number"), [one, married, nameless])

        assert found.crowded == frozenset()


class TestMailboxes:
    def test_mailbox_without_the_names_of_its_owner(self) -> None:
        anna: Profile = {
            "given_name": ("анна мария",),
            "family_name": ("ли", "волкова"),
            "middle_name": ("дмитриевна",),
        }

        assert without_names("annamaria.volkova@a.ru", anna) == "annamaria.F@a.ru"
        assert without_names("анна.мария.дмитриевна@a.ru", anna) == "G.G.M@a.ru"
        assert without_names("li.ли@volkova.ru", anna) == "li.ли@volkova.ru"

    def test_longest_name_is_taken_first(self) -> None:
        profile: Profile = {"given_name": ("anna",), "family_name": ("annason",)}

        assert without_names("annason.anna", profile) == "F.G"

    def test_mailboxes_made_from_names_are_as_common_as_what_is_left_of_them(self) -> None:
        said = [
            ("anna", "smith", "anna.smith@p.x"),
            ("john", "brown", "john.brown@p.x"),
            ("mary", "green", "mary.green@m.x"),
            ("james", "black", "sunflower@p.x"),
        ]
        profiles: list[Profile] = [
            {"given_name": (given,), "family_name": (family,), "email": (mail,)}
            for given, family, mail in said
        ]

        feature = with_values(a_feature("email", "mailbox"), profiles)

        assert feature.frequencies == {
            "anna.smith@p.x": 2 / 4,
            "john.brown@p.x": 2 / 4,
            "mary.green@m.x": 1 / 4,
        }
        assert feature.rarest == 1 / 4

    def test_where_few_are_made_from_names_each_is_its_own(self) -> None:
        profiles: list[Profile] = [{"email": (f"{number}@p.x",)} for number in range(6)]
        profiles[0] = {"email": ("anna@p.x",), "given_name": ("anna",)}

        assert with_values(a_feature("email", "mailbox"), profiles).frequencies == {}
        assert with_values(a_feature("email", "mailbox"), profiles[:5]).frequencies != {}


class TestDefaults:
    def test_number_of_more_than_forty_strangers_is_a_default(self) -> None:
        people = [a_stranger(number, snils="1") for number in range(41)]

        assert without_defaults(people[:40], {"snils": "number"}) == people[:40]
        assert all("snils" not in each for each in without_defaults(people, {"snils": "number"}))

    def test_what_else_a_record_says_is_kept(self) -> None:
        people = [a_stranger(number, phone="1") for number in range(41)]
        people[0] = {**people[0], "phone": ("1", "2")}

        first, second, *_ = without_defaults(people, {"phone": "number", "gender": "category"})

        assert first == {**people[0], "phone": ("2",)}
        assert second == {name: value for name, value in people[1].items() if name != "phone"}

    def test_day_of_one_in_a_hundred_at_most_is_no_default(self) -> None:
        same = [a_stranger(number, birthdate="1900-01-01") for number in range(41)]
        others = [a_stranger(number) for number in range(4059)]

        assert without_defaults(same + others, {"birthdate": "date"}) == same + others
        assert "birthdate" not in without_defaults(same + others[:-1], {"birthdate": "date"})[0]
