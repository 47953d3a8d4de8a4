"""The person's own words: every attribute, action, reason and ending has them."""

from datetime import UTC, date, datetime
from typing import get_args

import pytest

import consent.events
import partner_api.events
import population_register.events
import portal.events
from audit.api import Actor, LoggedEntry, NewEntry
from consent.api import ITEMS, Ending, ItemName
from consent.decision import Reason
from kernel.ids import EntryId, new_id
from kernel.languages import CODES, Language, language
from population_register.api import ATTRIBUTES, AgencyRole, AttributeValue
from population_register.authority import AUTHORITY
from portal import log_view
from portal.log_view import entry_view
from portal.record_view import LABELS, groups_of
from portal.value_words import lines_of

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
RU, EN = language("ru"), language("en")

VALUES = {
    "family_name": "Иванова",
    "given_name": "Анна",
    "middle_name": "Петровна",
    "former_names": [{"family_name": "Белова", "until": "2015-06-01"}],
    "gender": "female",
    "birthdate": "1990-02-03",
    "birthplace": "г. Тула",
    "deathdate": "2026-05",
    "deathplace": "г. Тула",
    "citizenships": ["RUS", "XXA", "D", "QQZ"],
    "marital_status": {
        "status": "married",
        "since": "2015-06-01",
        "spouse": {"given_name": "Пётр", "birthdate": "1988"},
    },
    "civil_acts": [
        {"kind": "marriage", "number": "12", "registered_on": "2015-06-01", "office": "Тула"}
    ],
    "snils": "112-233-445 95",
    "inn": "500100732259",
    "enp": "7700008145123456",
    "passport": {
        "series_number": "45 19 482913",
        "issued_on": "2019-04-02",
        "issuer": "ГУ МВД",
        "division_code": "770-001",
    },
    "foreign_passport": {
        "issuing_state": "RUS",
        "number": "751234567",
        "latin_name": "IVANOVA ANNA",
        "expires_on": "2031-01-01",
    },
    "birth_certificate": {"series_number": "II-БО 123456"},
    "residence_permit": {"kind": "permanent", "number": "82 1234567"},
    "identity_documents": [{"kind": "seafarer_id", "number": "МР 123456", "issuer": "Порт"}],
    "registration_address": {"formatted": "г. Тула, ул. Мира, 1", "postal_code": "300000"},
    "stay_address": {"formatted": "300000, г. Тула, ул. Мира, 1", "postal_code": "300000"},
    "arrivals": [{"arrived_on": "2024-01-02", "departed_on": "2024-02-03"}],
    "children": [{"given_name": "Ия", "birthdate": "2018-09-10"}],
    "parents": [{"role": "mother", "given_name": "Ольга", "birthdate": "1965"}],
    "guardians": [
        {"role": "guardian", "given_name": "Ия", "birthdate": "1970", "since": "2020-01-02"}
    ],
    "social_insurance": {"number": "7700123456", "registered_on": "2020-03-04", "office": "Тула"},
    "self_employed": {"registered_on": "2020-03-04", "ceased_on": "2021-03-04"},
    "employment_service": {"registered_on": "2020-03-04", "office": "Тула"},
    "academic_degrees": [{"kind": "candidate", "field": "физика", "issued_on": "2012-07-01"}],
    "entrepreneur": {"ogrnip": "304500116000157", "registered_on": "2020-03-04"},
    "military": {"is_liable": "yes", "office": "Тула"},
    "education": [{"level": "higher", "institution": "ТулГУ", "issued_on": "2012-07-01"}],
}


def test_every_attribute_of_the_register_has_a_place_on_the_page() -> None:
    assert set(ATTRIBUTES) == set(LABELS)
    assert set(VALUES) == set(LABELS)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", sorted(VALUES))
def test_value_is_written_without_codes(name: str, code: str) -> None:
    lines = list(lines_of(name, VALUES[name], language(code)))

    assert lines
    for line in lines:
        assert line.strip() == line != ""
        assert not set("{}[]_'") & set(line), line


class TestLines:
    def test_passport_reads_like_a_passport(self) -> None:
        assert list(lines_of("passport", VALUES["passport"], EN)) == [
            "45 19 482913",
            "ГУ МВД (770-001)",
            "issued on 2 April 2019",
        ]

    def test_citizenships_are_named(self) -> None:
        lines = list(lines_of("citizenships", VALUES["citizenships"], EN))

        assert lines == ["Russia", "Stateless", "Germany", "QQZ"]

    def test_unknown_day_is_left_open(self) -> None:
        assert list(lines_of("deathdate", "2026-05", EN)) == ["05.2026"]
        assert list(lines_of("deathdate", "2026", EN)) == ["2026"]

    def test_list_of_nobody_is_no_empty_line(self) -> None:
        assert list(lines_of("parents", [], EN)) == ["—"]

    def test_postal_code_is_not_written_twice(self) -> None:
        assert list(lines_of("stay_address", VALUES["stay_address"], RU)) == [
            "300000, г. Тула, ул. Мира, 1"
        ]

    def test_unknown_word_is_shown_as_it_is(self) -> None:
        assert list(lines_of("gender", "x", EN)) == ["x"]


def a_value(value: object, source: str) -> AttributeValue:
    day = date(2020, 1, 1)
    return AttributeValue(value=value, source=source, as_of=day, recorded_at=AT, valid_from=day)  # type: ignore[arg-type]


def test_conflicting_word_of_another_agency_is_shown_beside() -> None:
    (group,) = groups_of(
        {"family_name": [a_value("Иванова", "interior"), a_value("Белова", "pension")]},
        agencies={"interior": "МВД России"},
        language=RU,
    )

    (row,) = group.rows
    assert row.stated.source == "МВД России"
    assert row.others[0].lines == ("Белова",)
    assert row.others[0].source == "pension"


def actions() -> set[str]:
    modules = (consent.events, partner_api.events, population_register.events, portal.events)
    return {
        value.action
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and hasattr(value, "action")
    }


def an_entry(**changes: object) -> LoggedEntry:
    facts: dict[str, object] = {
        "entry_id": EntryId(new_id(AT)),
        "action": "portal.record.viewed",
        "outcome": "allowed",
        "actor": Actor(kind="partner", id="bank"),
        "subject": "s",
        "occurred_at": AT,
        **changes,
    }
    return LoggedEntry(entry=NewEntry(**facts), leaf=b"", leaf_index=None)  # type: ignore[arg-type]


def shown(entry: LoggedEntry, speaking: Language = EN) -> log_view.EntryView:
    return entry_view(entry, names={"bank": "Демо Банк"}, language=speaking)


SOURCES = {
    AgencyRole.CIVIL_REGISTRY: "Civil registry",
    AgencyRole.INTERIOR: "Ministry of Internal Affairs",
    AgencyRole.TAX: "Tax service",
    AgencyRole.PENSION: "Social fund",
    AgencyRole.HEALTH: "Health insurance fund",
}


@pytest.mark.parametrize("name", sorted(set(ITEMS) & set(AUTHORITY)))
def test_consent_page_names_the_agency_whose_word_counts(name: ItemName) -> None:
    assert ITEMS[name].origin.en == SOURCES[AUTHORITY[name][0]]


class TestEntries:
    @pytest.mark.parametrize("action", sorted(actions()))
    def test_every_action_has_its_own_words(self, action: str) -> None:
        unknown = shown(an_entry(action="something.else.happened")).action

        assert shown(an_entry(action=action)).action != unknown
        assert "." not in shown(an_entry(action=action), RU).action

    @pytest.mark.parametrize("reason", get_args(Reason) or [e.value for e in Ending])
    def test_every_refusal_of_consent_has_its_own_words(self, reason: str) -> None:
        unknown = shown(an_entry(outcome="refused", reason="something")).reason

        view = shown(an_entry(outcome="refused", reason=reason))

        assert view.is_refused
        assert view.reason not in {"", unknown}

    @pytest.mark.parametrize(
        ("actor", "who"),
        [
            (Actor(kind="person", id="s"), "You"),
            (Actor(kind="person", id="x"), "Somebody who was taken for you"),
            (Actor(kind="partner", id="bank"), "Демо Банк"),
            (Actor(kind="partner", id="unknown"), "unknown"),
            (Actor(kind="operator", id="x"), "A service-centre operator"),
            (Actor(kind="system", id="x"), "Civitas itself"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_actor_is_named(self, actor: Actor, who: str) -> None:
        assert shown(an_entry(actor=actor)).who == who

    def test_parent_is_named(self) -> None:
        entry = an_entry(actor=Actor(kind="person", id="x"), action="portal.child.viewed")

        assert shown(entry).who == "Your parent"

    def test_what_one_did_under_another_identifier_was_done_by_oneself(self) -> None:
        entry = an_entry(actor=Actor(kind="person", id="x"))

        assert entry_view(entry, names={}, language=EN, own={"x"}).who == "You"

    def test_official_of_the_operator_is_named(self) -> None:
        assert shown(an_entry(actor=Actor(kind="operator", id="v.ilina"))).official == "v.ilina"

    def test_question_of_an_agency_names_official_case_and_law(self) -> None:
        entry = an_entry(
            action="partner_api.agencies.person.resolved",
            actor=Actor(kind="agency", id="bank", official="inspector-7"),
            purpose="tax_code_85",
            stated_purpose="case 12-345",
        )

        view = entry_view(
            entry, names={}, language=EN, legal_bases={"tax_code_85": "Tax records (85)"}
        )

        assert view.action == "Asked the register about you"
        assert (view.official, view.stated_purpose) == ("inspector-7", "case 12-345")
        assert view.purpose == "Tax records (85)"

    def test_item_and_purpose_of_yesterday_are_shown_by_their_codes(self) -> None:
        items = ("gone_item", "civil_acts", "family_name", "document:ct_scan")

        view = shown(an_entry(items=items, purpose="gone_purpose"))

        assert view.labels == (
            "Family name", "Civil registry acts", "Computed tomography (CT) scan", "gone_item",
        )  # fmt: skip
        assert view.purpose == "gone_purpose"


def test_every_ending_has_words() -> None:
    assert set(log_view._ENDINGS) == set(Ending)  # noqa: SLF001  # the table is the subject
