"""Which records of a file are worth comparing: their signs, and which blocks are taken."""

from itertools import combinations, pairwise

import pytest

from population_register.candidates import LARGEST_BLOCK, BlockingReport, pairs, signs
from population_register.clustering import components
from population_register.comparison import SOURCE, Profile

Pairs = list[tuple[int, int]]


def proposed(
    profiles: list[Profile], most: int | None = 0, report: BlockingReport | None = None
) -> Pairs:
    left, right = pairs(profiles, report or BlockingReport(), most=most)
    return list(zip(left, right, strict=True))


class TestSigns:
    @pytest.mark.parametrize(
        ("feature", "value", "found"),
        [
            (
                "given_name",
                "саша",
                ["name/sound alknt", "name/sound s", "name/beginning sas", "name/end sha"],
            ),
            (
                "family_name",
                "де крус",
                ["name/sound d", "name/sound dkrs", "name/sound krs", "name/beginning dek",
                 "name/end rus"],
            ),
            ("family_name", "王", ["name/sound 王", "name/beginning 王", "name/end 王"]),
            ("middle_name", "юрьевна", ["middle/sound irfn", "middle/initial i"]),
            (
                "birthdate",
                "1986-05-03",
                ["date/year 1986", "date/day 03-05", "date/all 1986-03-05",
                 "date/whole 1986-03-05", "date/month 1986-05", "date/month forgotten 1986-03"],
            ),
            ("birthdate", "1986-05", ["date/year 1986", "date/all 1986-05"]),
            (
                "snils",
                "90000000283",
                ["snils/whole 90000000283", "snils/beginning 90000", "snils/end 000283"],
            ),
            ("phone", "2121", ["phone/whole 2121", "phone/beginning 21", "phone/end 21"]),
            (
                "number:policy",
                "1234",
                ["number:policy/whole 1234", "number:policy/beginning 12", "number:policy/end 34"],
            ),
            ("name:mother", "ольга", ["name:mother/sound olk"]),
            ("email", "anna@example.org", ["email/whole anna@example.org", "email/local anna"]),
            ("place", "300000|ярославль|", ["code/code 300000", "town/town iarosl"]),
            ("place", "|王|", ["town/town 王"]),
            (
                "dwelling",
                "мира верхняя|5 12",
                ["dwelling/whole мира верхняя|5 12", "dwelling/words мира в",
                 "dwelling/numbers 5 12"],
            ),
            ("dwelling", "|7", ["dwelling/whole |7", "dwelling/numbers 7"]),
            ("dwelling", "мира|", ["dwelling/whole мира|", "dwelling/words мира"]),
            ("category:blood", "первая", ["category:blood/text первая"]),
            ("category:blood", "положительная", ["category:blood/text положительная"]),
            ("quantity:height", "178.12345", ["quantity:height/text 178.12345"]),
            (
                "birthplace",
                "ярославль",
                ["birthplace/text ярославль", "birthplace/beginning яросла"],
            ),
            ("birthplace", "саврас", ["birthplace/text саврас"]),
            ("gender", "female", []),
            (SOURCE, "a", []),
        ],
        ids=range(23),
    )  # fmt: skip
    def test_value_is_found_by_its_parts(self, feature: str, value: str, found: list[str]) -> None:
        assert [f"{kind} {part}" for kind, part in signs({feature: (value,)})] == found


FIVE: list[Profile] = [{"category:a": ("1",)} for _ in range(5)]
SIX: list[Profile] = [{"category:b": ("2",)} for _ in range(6)]
OF_FIVE = list(combinations(range(5), 2))
OF_SIX = list(combinations(range(5, 11), 2))


class TestBlocks:
    def test_small_blocks_are_always_taken(self) -> None:
        assert proposed(FIVE[:4]) == list(combinations(range(4), 2))
        assert proposed(FIVE) == []

    @pytest.mark.parametrize(
        ("most", "taken"),
        [(0, []), (1, OF_FIVE), (10, OF_FIVE), (11, OF_FIVE + OF_SIX), (None, OF_FIVE + OF_SIX)],
    )
    def test_larger_ones_are_taken_from_the_smallest_on_until_there_are_enough(
        self, most: int | None, taken: Pairs
    ) -> None:
        assert proposed([*FIVE, *SIX], most) == taken

    def test_the_largest_are_never_taken(self) -> None:
        many: list[Profile] = [{"category:a": ("1",)} for _ in range(LARGEST_BLOCK + 1)]

        assert len(proposed(many[:-1], None)) == LARGEST_BLOCK * (LARGEST_BLOCK - 1) // 2
        assert proposed(many, None) == []

    def test_what_few_have_of_two_features_is_a_block_of_its_own(self) -> None:
        two: list[Profile] = [{"category:a": ("1",), "category:b": ("2",)} for _ in range(2)]

        assert proposed([*FIVE, *two, *SIX]) == [(5, 6)]

    def test_report_tells_how_many_pairs_there_are(self) -> None:
        report = BlockingReport(pairs=1)

        proposed(FIVE[:2], report=report)

        assert report.pairs == 2

    def test_blocks_of_two_features_that_were_too_large_are_told(self) -> None:
        report = BlockingReport()
        groups = [("1", 5), ("2", 7)]
        profiles: list[Profile] = [
            {"category:a": (name,), "category:b": (name,)}
            for name, count in groups
            for _ in range(count)
        ]

        assert proposed(profiles, report=report) == []
        assert report.skipped == {"category:a/text+category:b/text": (2, 7)}

    def test_in_a_large_block_of_one_whole_value_the_next_by_name_and_the_fullest_are_compared(
        self,
    ) -> None:
        report = BlockingReport()
        said = [
            ("е", "1900"),
            ("ж", "1901"),
            ("б", "1999"),
            ("а", "1903"),
            ("б", "1904"),
            ("в", "1905"),
        ]
        profiles: list[Profile] = [
            {"birthdate": (born,), "phone": ("9031234567",), "family_name": (name,)}
            for name, born in said
        ]  # fmt: skip
        profiles[0] = {**profiles[0], "category:x": ("says the most",)}
        order = [3, 4, 2, 5, 0, 1]
        expected = {*pairwise(order), *((0, other) for other in range(1, 6))}

        found = proposed(profiles, report=report)

        assert found == sorted({(min(pair), max(pair)) for pair in expected})
        assert report.skipped["phone/whole"] == (1, 6)

    @pytest.mark.parametrize("swapped", [False, True])
    def test_records_of_one_name_hang_together_however_many_they_are(
        self, *, swapped: bool
    ) -> None:
        report = BlockingReport()
        profiles: list[Profile] = [
            {"given_name": ("волков",), "family_name": ("анна",)}
            if swapped and number % 2
            else {"given_name": ("анна",), "family_name": ("волков",)}
            for number in range(6)
        ]

        found = proposed(profiles, report=report)

        assert components(range(6), found) == [list(range(6))]
        assert report.skipped["name/sound+name/sound"] == (1, 6)
