"""Keys by which the register finds a record: which it has, and that few strangers share them."""

from population_register.blocking import MOST_REGISTER_KEYS, register_keys
from population_register.comparison import Profile

ANNA: Profile = {
    "family_name": ("волкова",),
    "given_name": ("анна",),
    "middle_name": ("дмитриевна",),
    "birthdate": ("1986-03-14",),
    "snils": ("90000000283",),
    "passport": ("4510123456", "4511654321"),
    "gender": ("female",),
}


def test_keys_are_numbers_first_and_then_names_with_most_of_a_birth_date() -> None:
    assert register_keys(ANNA) == (
        ("snils", "90000000283"),
        ("passport", "4510123456"),
        ("passport", "4511654321"),
        ("family+date", "vlkf/1986-03-14"),
        ("given+middle+date", "an/dmtrf/1986-03-14"),
        ("names+middle+year", "an/vlkf/dmtrf/1986"),
        ("names+day", "an/vlkf/03-14"),
    )


def test_names_are_found_swapped_and_days_with_their_months() -> None:
    swapped = {
        **ANNA,
        "family_name": ANNA["given_name"],
        "given_name": ANNA["family_name"],
        "birthdate": ("1986-14-03",),
    }

    shared = set(register_keys(ANNA)) & set(register_keys(swapped))

    assert {kind for kind, _ in shared if "name" in kind} == {"names+middle+year", "names+day"}


def test_day_that_nobody_knows_makes_no_key() -> None:
    def kinds(born: str) -> set[str]:
        names = {key: ANNA[key] for key in ("family_name", "given_name", "middle_name")}
        return {kind for kind, _ in register_keys({**names, "birthdate": (born,)})}

    always = {"family+date", "given+middle+date", "names+middle+year"}
    assert kinds("1986") == kinds("1986-03") == always
    assert kinds("1986-03-14") == always | {"names+day"}


def test_without_a_middle_name_the_others_are_keys_all_the_same() -> None:
    profile = {
        "family_name": ("волкова", "волков"),
        "given_name": ("анна",),
        "birthdate": ("1986",),
    }

    assert register_keys(profile) == (
        ("family+date", "vlkf/1986"),
        ("given+middle+date", "an//1986"),
        ("names+middle+year", "an/vlkf//1986"),
    )


def test_names_without_a_birth_date_are_no_key() -> None:
    assert register_keys({"family_name": ("волкова",), "given_name": ("анна",)}) == ()


def test_only_so_many_keys_are_kept_of_one_record() -> None:
    numbers = tuple(f"{number:010}" for number in range(MOST_REGISTER_KEYS + 1))

    kept = register_keys({"passport": numbers, "snils": ("1",)})

    assert kept == (("snils", "1"), *(("passport", each) for each in numbers[:63]))
