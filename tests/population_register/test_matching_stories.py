"""Who is who, told as stories, through the learned comparison, scoring and clustering.

The model is learned from a made-up population without its truth; each story then asks about a few
records that were not in it.
"""

from functools import cache

import pytest

from population_register.bulk_scoring import BulkScorer
from population_register.candidates import BlockingReport, pairs
from population_register.clustering import cluster, components, vote
from population_register.comparison import Profile
from population_register.model_files import CURRENT_MODEL, shipped_model
from population_register.profiles import dwelling_form, name_form, place_form
from population_register.scoring import Scorer

SNILS, OTHER_SNILS = "11223344595", "90000000110"


@cache
def scorer() -> Scorer:
    return Scorer(shipped_model(CURRENT_MODEL))


def a_record(**changed: str | None) -> Profile:
    said: dict[str, str | None] = {
        "family_name": "Воробьёва",
        "given_name": "Ульяна",
        "middle_name": "Кирилловна",
        "birthdate": "1984-05-17",
        "gender": "female",
        **changed,
    }
    return {
        feature: (name_form(value) if feature.endswith("_name") else value,)
        for feature, value in said.items()
        if value is not None
    }


AT_HOME = {
    "place": place_form("171640", "Кашин", "Тверская область"),
    "dwelling": dwelling_form("ул. Садовая", "д. 5", "кв. 12"),
}


def bits(one: Profile, other: Profile) -> float:
    return scorer().bits(one, other)


def persons(*records: Profile) -> list[list[int]]:
    edges = [
        (one, other, found)
        for one in range(len(records))
        for other in range(one + 1, len(records))
        if (found := bits(records[one], records[other])) > 0
    ]

    def votes(one: int, other: int) -> float:
        return vote(*scorer().bits_and_against(records[one], records[other]))

    return sorted(cluster(range(len(records)), edges, votes))


class TestOnePerson:
    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"snils": SNILS, "birthdate": "1984-05-18"}, id="a-digit-of-the-date"),
            pytest.param({"snils": SNILS, "family_name": "Лукина"}, id="changed-her-name"),
            pytest.param({"family_name": "Воробьева"}, id="yo-or-ye"),
            pytest.param({"snils": SNILS, "given_name": "Уля"}, id="a-short-form"),
            pytest.param({"family_name": "Варобьева"}, id="as-it-was-heard"),
            pytest.param(
                {"family_name": "Ульяна", "given_name": "Воробьёва", "snils": SNILS},
                id="names-swapped",
            ),
            pytest.param({"snils": OTHER_SNILS, **AT_HOME}, id="two-numbers"),
        ],
    )
    def test_survives(self, changed: dict[str, str]) -> None:
        here = a_record(snils=SNILS, **AT_HOME)

        assert bits(here, a_record(**changed)) > 0

    def test_is_known_with_day_and_month_swapped(self) -> None:
        assert bits(a_record(birthdate="1984-05-07"), a_record(birthdate="1984-07-05")) > 0

    @pytest.mark.parametrize("latin", ["Iuliia", "Yuliya", "Yuliia"])
    def test_is_known_in_each_era_of_passports(self, latin: str) -> None:
        cyrillic = a_record(given_name="Юлия", family_name="Щукина", middle_name=None)
        foreign = a_record(given_name=latin, family_name="Shchukina", middle_name=None)

        assert bits(cyrillic, foreign) > 0


class TestTwoPeople:
    def test_twins_stay_two(self) -> None:
        one = a_record(snils=SNILS, **AT_HOME)
        other = a_record(given_name="Василиса", snils=OTHER_SNILS, **AT_HOME)

        assert persons(one, other) == [[0], [1]]

    def test_twins_without_numbers_are_a_question_at_least(self) -> None:
        assert bits(a_record(**AT_HOME), a_record(given_name="Василиса", **AT_HOME)) < 3

    def test_father_and_son_of_one_name_stay_two(self) -> None:
        he = {"given_name": "Кирилл", "family_name": "Воробьёв", "gender": "male"}
        father = a_record(**he, middle_name="Олегович", birthdate="1956-02-01", **AT_HOME)
        son = a_record(**he, middle_name="Кириллович", birthdate="1984-05-17", **AT_HOME)

        assert persons(father, son) == [[0], [1]]

    def test_sisters_in_one_flat_stay_two(self) -> None:
        sister = a_record(given_name="Дарья", birthdate="1987-11-02", **AT_HOME)

        assert persons(a_record(**AT_HOME), sister) == [[0], [1]]

    def test_a_shared_number_does_not_make_strangers_one(self) -> None:
        stranger = a_record(
            family_name="Котов", given_name="Лев", middle_name="Ильич", gender="male",
            birthdate="1961-12-30", snils=SNILS,
        )  # fmt: skip

        assert persons(a_record(snils=SNILS), stranger) == [[0], [1]]

    def test_a_wife_with_the_number_of_her_husband_stays_herself(self) -> None:
        husband = a_record(
            family_name="Воробьёв", given_name="Олег", middle_name="Павлович", gender="male",
            birthdate="1981-03-08", snils=SNILS, **AT_HOME,
        )  # fmt: skip

        assert persons(a_record(snils=SNILS, **AT_HOME), husband) == [[0], [1]]


class TestQuestions:
    """What is asked of a human: a register of a million has somebody for every coincidence."""

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            pytest.param("Анна", {}, id="nothing-else"),
            pytest.param("Александр", {"gender": "male"}, id="a-gender"),
        ],
    )
    def test_two_of_one_common_name_and_birth_date_alone_are_none(
        self, given: str, said: dict[str, str]
    ) -> None:
        one = a_record(given_name=given, middle_name=None, gender=said.get("gender"))
        other = {**one, "family_name": ("барсукова",)}

        assert bits(one, other) < scorer().model.ask

    @pytest.mark.parametrize(
        "said",
        [{"given_name": "Ждана"}, {"middle_name": "Ильинична"}, AT_HOME],
        ids=["a-rare-name", "a-middle-name", "a-home"],
    )
    def test_what_is_rarer_than_that_is_asked(self, said: dict[str, str]) -> None:
        one = a_record(given_name="Анна", middle_name=None)
        one = {**one, **{name: (value.casefold(),) for name, value in said.items()}}
        other = {**one, "family_name": ("барсукова",)}

        assert scorer().model.ask < bits(one, other)


class TestEvidence:
    def test_is_said_in_words_that_add_up_to_the_score(self) -> None:
        one, other = a_record(snils=SNILS, **AT_HOME), a_record(snils=SNILS, **AT_HOME)

        score = scorer().score(one, other)

        assert any(words.startswith("same birthdate: +") for words in score.words())
        assert sum(part.weight for part in score.parts) == pytest.approx(score.bits, abs=0.06)
        assert score.probability > 0.999

    def test_is_the_same_from_both_sides(self) -> None:
        one, other = a_record(snils=SNILS), a_record(given_name="Уля", birthdate="1984-05-71")

        assert bits(one, other) == pytest.approx(bits(other, one))


class TestBlocking:
    """Which records of a file are compared."""

    def test_proposes_a_pair_once(self) -> None:
        records = [a_record(snils=SNILS), a_record(snils=SNILS), a_record(birthdate="1900-01-01")]

        assert proposed(records) == [(0, 1), (0, 2), (1, 2)]

    @pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"family_name": "Лукина", "birthdate": None}, id="other-name-no-date"),
            pytest.param({"given_name": "Уля", "birthdate": "1984-05-27"}, id="short-form"),
            pytest.param(
                {"family_name": "Ульяна", "given_name": "Воробьёва", "birthdate": "1983-05-17"},
                id="names-swapped",
            ),
            pytest.param({"given_name": None, "birthdate": "1984-17-05"}, id="day-month-swapped"),
        ],
    )
    def test_finds_a_record_by_whatever_is_right_in_it(self, changed: dict[str, str]) -> None:
        records = [
            a_record(), a_record(**changed),
            *(a_record(family_name=f"Тест{number}", given_name="Анна", middle_name="Ильинична",
                       birthdate=f"19{number:02d}-01-01") for number in range(60)),
        ]  # fmt: skip

        assert (0, 1) in proposed(records, most=10)

    def test_reports_what_it_skipped(self) -> None:
        many = [{"text:town": ("москва",), "family_name": ("иванов",)} for _ in range(400)]
        report = BlockingReport()

        assert len(pairs(many, report)[0]) == 0
        assert report.skipped["name/sound+text:town/text"] == (1, 400)

    def test_keeps_very_many_records_of_one_person_together(self) -> None:
        many = [a_record() for _ in range(400)]

        assert len(components(range(400), proposed(many))) == 1

    def test_compares_what_says_little_with_what_says_much_however_many_there_are(self) -> None:
        full = [a_record(snils=f"{number:011d}") for number in range(400)]
        short = a_record(birthdate=None, middle_name=None)

        found = proposed([*full, *([short] * 400)])

        assert {other for one, other in found if one < 400} >= set(range(400, 800))

    def test_leaves_out_pairs_of_one_source_when_no_source_has_a_person_twice(self) -> None:
        records = [a_record(), a_record(), a_record()]

        left, right = pairs(records, BlockingReport(), sources=["a", "a", "b"])

        assert list(zip(left, right, strict=True)) == [(0, 2), (1, 2)]

    def test_does_not_depend_on_the_order_of_records(self) -> None:
        records = [a_record(birthdate=f"1984-05-{day:02d}") for day in range(1, 29)]

        turned = {(27 - other, 27 - one) for one, other in proposed(records[::-1], most=30)}

        assert turned == set(proposed(records, most=30))


def proposed(records: list[Profile], most: int | None = None) -> list[tuple[int, int]]:
    left, right = pairs(records, BlockingReport(), most=most)
    return list(zip(left, right, strict=True))


class TestManyAtOnce:
    def test_are_compared_as_each_pair_by_itself(self) -> None:
        records = [
            a_record(snils=SNILS, **AT_HOME), a_record(snils=OTHER_SNILS), a_record(gender=None),
            a_record(family_name="Ульяна", given_name="Воробьёва"), a_record(given_name="Уля"),
            {**a_record(), "family_name": ("воробьева", "лукина")}, a_record(family_name="Ульяна"),
        ]  # fmt: skip
        both = [(one, other) for one in range(7) for other in range(7) if one != other]
        bulk = BulkScorer(scorer(), records)

        numbers, rarities = bulk.compare(*zip(*both, strict=True))

        singly = [scorer().compare(records[one], records[other]) for one, other in both]
        assert [bulk.patterns.levels[number] for number in numbers] == [of for of, _ in singly]
        assert list(rarities) == pytest.approx([sum(rarer) for _, rarer in singly])
