"""The demonstration's people: the same everywhere, well-formed, and clean through the feeds."""

import io
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.demo.agencies import DEMO_FEEDS, PAPER_POLICIES
from app.demo.named_people import DEMO_PEOPLE, demo_population, identifier_of
from app.demo.population import TODAY
from app.demo.register import fill_register, write_feeds
from kernel.clock import FrozenClock
from kernel.keyring import Keyring
from population_register.identifiers import IdentifierKind, parse
from population_register.model import CurrentRecord, FeedCounts
from population_register.reading import conflicts, evaluate
from population_register.service.persons import find_person
from tests.population_register.register_builders import NOON, read, values_of


class TestPeople:
    def test_they_are_the_same_every_time(self, tmp_path: Path) -> None:
        first = [path.read_bytes() for path in write_feeds(tmp_path / "a")]
        demo_population.cache_clear()
        second = [path.read_bytes() for path in write_feeds(tmp_path / "b")]

        assert first == second

    def test_they_are_a_few_hundred_in_families(self) -> None:
        people = demo_population().values()

        assert 200 <= len(people) <= 400
        assert sum(bool(person.parent_keys) for person in people) > 40
        assert sum(person.marriage is not None for person in people) > 60

    def test_every_number_has_its_check_digits_and_one_owner(self) -> None:
        people = demo_population().values()
        for kind in IdentifierKind:
            if kind is IdentifierKind.FOREIGN_PASSPORT:
                continue
            values = {parse(kind, getattr(person, kind.value)).value for person in people}
            assert len(values) == len(people)

    def test_families_make_sense(self) -> None:
        people = demo_population()
        for person in people.values():
            assert person.birthdate <= TODAY
            for key in person.parent_keys:
                assert 15 <= (person.birthdate - people[key].birthdate).days / 365.25 <= 70
            if person.marriage is not None:
                spouse = people[person.marriage.spouse_key]
                assert spouse.marriage is not None
                assert spouse.marriage.spouse_key == person.key
                assert (person.marriage.on - person.birthdate).days / 365.25 >= 17.9

    def test_visitors_have_names_and_passwords_of_their_own(self) -> None:
        people = demo_population()

        assert {person.key for person in DEMO_PEOPLE} <= people.keys()
        assert len({person.username for person in DEMO_PEOPLE}) == len(DEMO_PEOPLE)
        assert len({person.password for person in DEMO_PEOPLE}) == len(DEMO_PEOPLE)
        assert all(len(person.password) >= 12 for person in DEMO_PEOPLE)
        assert all(set(p.as_json()) >= {"username", "password"} for p in DEMO_PEOPLE)


@pytest.mark.db
@pytest.mark.timeout(60)
class TestRegister:
    def test_feeds_in_any_order_give_the_people_that_were_made_up(
        self, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock, tmp_path: Path
    ) -> None:
        reports = fill_register(sessions, keyring, clock, tmp_path)

        total = sum((report.counts for report in reports), FeedCounts())
        assert (total.new, total.rejected) == (len(demo_population()), 0)
        assert total.ask == PAPER_POLICIES, "each is a question, and none is linked"
        self.check_what_each_visitor_shows(sessions, keyring)
        again = fill_register(sessions, keyring, clock, tmp_path)
        assert again == reports

    def check_what_each_visitor_shows(
        self, sessions: sessionmaker[Session], keyring: Keyring
    ) -> None:
        with sessions() as session:
            shown = {}
            for person in DEMO_PEOPLE:
                person_id = find_person(session, keyring, *identifier_of(person))
                assert person_id is not None
                shown[person.key] = read(session, keyring, person_id)
        self.check_anna(shown["anna"])
        alexey = values_of(shown["alexey"])
        assert (alexey["family_name"], alexey["middle_name"]) == ("Голенищев-Орлов", "Фёдорович")
        assert values_of(shown["eldar"])["middle_name"] == "Гусейн оглы"
        ayse = values_of(shown["ayse"])
        assert "middle_name" not in ayse
        assert "passport" not in ayse
        assert ayse["citizenships"] == ["TUR"]
        assert [parent["given_name"] for parent in values_of(shown["timofey"])["parents"]] == [
            "Анна",
            "Сергей",
        ]
        over_18 = evaluate(shown["timofey"], "over_18", NOON)
        assert over_18 is not None
        assert over_18.value is False
        assert [v.source for v in conflicts(shown["zinaida"], "birthdate")] == ["pension"]

    def check_anna(self, record: CurrentRecord) -> None:
        anna = values_of(record)
        assert anna["family_name"] == "Волкова"
        assert anna["former_names"] == [{"family_name": "Лебедева", "until": "2009-06-20"}]
        assert [child["given_name"] for child in anna["children"]] == ["Тимофей", "Варвара"]
        assert anna.keys() >= {"snils", "inn", "enp", "passport", "registration_address"}
        sources = {name: value[0].source for name, value in record.history.items()}
        assert (sources["inn"], sources["snils"], sources["enp"]) == ("tax", "pension", "health")


def test_each_agency_writes_in_its_own_way(tmp_path: Path) -> None:
    paths = {path.name: path.read_bytes() for path in write_feeds(tmp_path)}

    assert len(paths) == len(DEMO_FEEDS)
    assert "ФАМИЛИЯ" in paths["tax.csv"].decode("windows-1251")
    assert io.BytesIO(paths["health.ndjson"]).readline().startswith(b'{"policy_record"')
