"""What officials type in the benchmark of questions by name is what a question may say."""

from collections.abc import Iterator
from itertools import islice

import pytest

from loadtests.agency_resolve import WAYS, Sample
from loadtests.register_feeds import Country
from population_register.resolving import read_description

SAMPLE = Sample(map(Country().person, range(200)), size=200)


PEOPLE = {
    "of a country": map(Country().person, range(200)),
    "of few letters": iter(
        [
            {"family_name": "Ли", "given_name": "Ан-Мэй", "birthdate": "2000-12-11"},
            {"family_name": "O'Neil", "given_name": "Jo", "birthdate": "1999-02-28"},
        ]
    ),
}


@pytest.mark.parametrize("people", PEOPLE.values(), ids=list(PEOPLE))
def test_every_way_of_asking_asks(people: Iterator[dict[str, str]]) -> None:
    sample = Sample(people, size=200)
    for way in WAYS:
        for asked in islice(sample.asked(way), 250):
            assert read_description({"attributes": asked}).is_by_name


def test_ways_take_turns() -> None:
    mixed = list(islice(SAMPLE.mixed(), 2 * len(WAYS)))
    alone = [list(islice(SAMPLE.asked(way), 2)) for way in WAYS]

    assert mixed == [asked for turn in zip(*alone, strict=True) for asked in turn]


def test_frequent_names_are_of_those_who_share_them() -> None:
    frequent = {each["given_name"] for each in islice(SAMPLE.asked("frequent name"), 20)}
    anybody = {each["given_name"] for each in islice(SAMPLE.asked("as it is"), 20)}

    assert len(frequent) < len(anybody)
