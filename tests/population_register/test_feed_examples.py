"""The page about feeds says what the code does, and the examples do what the page says."""

import csv
import io
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import FrozenClock
from kernel.keyring import Keyring
from population_register.attributes import ATTRIBUTES
from population_register.authority import AUTHORITY
from population_register.errors import MappingRefused
from population_register.feed_formats import MAX_ROW_BYTES, FeedFormat
from population_register.identifiers import IdentifierKind
from population_register.mapping import ENVELOPE_FIELDS
from population_register.model import AgencyRole, FeedCounts, LinkOutcome, RecordKind
from population_register.service.agencies import add_agency, parse_agency
from population_register.service.feeds import (
    guess_format,
    load_feed,
    write_rejections,
)
from population_register.service.persons import find_person
from population_register.values import EARLIEST_DAY, MAX_PROBLEMS_PER_ROW
from tests.population_register.register_builders import NOON, read, values_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "feeds.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "examples" / "feed"
WORDS = set(re.findall(r"`([a-z_]+)`", PAGE))


class TestPage:
    def test_every_field_is_described(self) -> None:
        assert ATTRIBUTES.keys() | set(ENVELOPE_FIELDS) <= WORDS

    def test_every_attribute_names_who_answers_for_it(self) -> None:
        rows = re.findall(r"^\| (`.*?) \| .* \| (\w+)(?: registry)? \|$", PAGE, re.MULTILINE)
        said = {name: who for names, who in rows for name in re.findall(r"`(\w+)`", names)}

        assert {name: said[name] for name in ATTRIBUTES} == {
            name: roles[0].value.removesuffix("_registry") for name, roles in AUTHORITY.items()
        }

    def test_every_reason_is_described(self) -> None:
        sources = [
            (ROOT / "population_register" / name).read_text(encoding="utf-8")
            for name in (
                *("identifiers.py", "names.py", "values.py", "control.py", "feed_formats.py"),
                "service/accepting.py",
            )
        ]
        patterns = (
            r'ValueRefused\(\s*"(\w+)"',
            r'problems\.add\(\s*[^,]+,\s*"(\w+)"',
            r'_unreadable\(\s*"(\w+)"',
            r'reason="(\w+)"',
        )
        reasons = {
            reason
            for text in sources
            for pattern in patterns
            for reason in re.findall(pattern, text)
        }

        assert len(reasons) > 30
        assert reasons <= WORDS

    def test_every_outcome_role_and_kind_is_described(self) -> None:
        outcomes = set(FeedCounts.__dataclass_fields__) | {outcome.value for outcome in LinkOutcome}

        assert outcomes | set(AgencyRole) | set(RecordKind) <= WORDS

    def test_numbers_are_those_of_the_code(self) -> None:
        assert f"at most {MAX_ROW_BYTES // 1024} KiB" in PAGE
        assert f"at most {MAX_PROBLEMS_PER_ROW} for one row" in PAGE
        assert f"a day before {EARLIEST_DAY.year}" in PAGE


def an_example(name: str) -> dict[str, Any]:
    return tomllib.loads((EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"))


@pytest.mark.db
def test_examples_load_and_report_as_they_say(
    session: Session, sessions: sessionmaker[Session], keyring: Keyring, clock: FrozenClock
) -> None:
    counts, rejected = [], []
    for name, file_name in (("registry", "registry.ndjson"), ("tax", "tax.csv")):
        agency = parse_agency(an_example(name))
        add_agency(session, agency, NOON)
        session.commit()
        with (EXAMPLES / file_name).open("rb") as file:
            report = load_feed(
                sessions,
                keyring,
                clock,
                agency_id=agency.agency_id,
                file=file,
                feed_format=guess_format(file_name),
            )
        counts.append(report.counts)
        table = "".join(write_rejections(session, report.feed_id, FeedFormat.CSV))
        rows = csv.DictReader(io.StringIO(table))
        rejected.append([(row["line"], row["field"], row["reason"]) for row in rows])

    assert counts == [
        FeedCounts(new=2, linked=2, held=1, rejected=1),
        FeedCounts(linked=1, rejected=1),
    ]
    assert rejected == [
        [
            ("5", "valid_from", "not_a_date"),
            ("5", "family_name", "mixed_scripts"),
            ("5", "birthdate", "not_a_date"),
            ("5", "snils", "check_digit"),
            ("5", "height", "unknown_field"),
        ],
        [("3", "ИНН", "check_digit"), ("3", "ДАТА_РОЖДЕНИЯ", "not_a_date")],
    ]
    olga = find_person(session, keyring, IdentifierKind.SNILS, "909-500-001 74")
    ignat = find_person(session, keyring, IdentifierKind.SNILS, "909-500-002 75")
    assert olga is not None
    assert ignat is not None
    known = values_of(read(session, keyring, olga))
    assert known["family_name"] == "Белозёрова"
    assert known["former_names"] == [{"family_name": "Сухова", "until": "2012-08-18"}]
    assert known["inn"]
    assert values_of(read(session, keyring, ignat))["birthdate"] == "2015-11-03"


@pytest.mark.parametrize(
    "changed",
    [
        {"agency_id": None},
        {"agency_id": "Tax"},
        {"agency_id": "a" * 65},
        {"agency_id": "../tax"},
        {"role": "police"},
        {"role": ["tax"]},
        {"name_ru": ""},
        {"mapping": []},
        {"mapping": {"fields": {"A": "shoe_size"}}},
        {"colour": "red"},
    ],
    ids=str,
)
def test_agency_that_is_not_well_described_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(MappingRefused):
        parse_agency({**an_example("registry"), **changed})


def test_agency_without_a_role_is_refused() -> None:
    document = an_example("registry")
    del document["role"]

    with pytest.raises(MappingRefused):
        parse_agency(document)
