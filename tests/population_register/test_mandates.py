"""Mandates: what counts when, what never comes back, and the decision that never grows."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from kernel.ids import AgencyId, PersonId
from population_register.errors import (
    MandateRefused,
    MappingRefused,
    UnknownAgency,
    UnknownMandate,
)
from population_register.mandate import (
    Condition,
    LegalBasis,
    Mandate,
    Mandated,
    NotMandated,
    any_holds,
    check_field,
    check_legal_basis,
    decide,
    given_fields,
    holds,
)
from population_register.model import AgencyRole, AttributeValue, CurrentRecord
from population_register.service.agencies import (
    add_agency,
    add_official_key,
    close_agency,
    list_agency_changes,
    load_rights,
    retire_official_key,
)
from population_register.service.mandates import (
    add_legal_basis,
    grant_mandate,
    list_legal_bases,
    list_mandates,
    revoke_mandate,
)
from tests.population_register.register_builders import NOON, an_agency

TAX = AgencyId("tax")
BASIS = "tax_code_85"
MORNING = datetime(2026, 11, 22, 21, tzinfo=UTC)
"""The first instant of 23 November in legal time."""


def a_mandate(field: str = "inn", **change: Any) -> Mandate:  # noqa: ANN401
    values: dict[str, Any] = {
        "mandate_id": UUID(int=1),
        "agency_id": TAX,
        "field": field,
        "condition": Condition.ALWAYS,
        "legal_basis": BASIS,
        "valid_from": date(2026, 1, 1),
        "valid_to": None,
        "granted_at": NOON,
        "granted_by": "test",
    }
    return Mandate(**values | change)


def decided(*mandates: Mandate, at: datetime = NOON) -> Mandated | NotMandated:
    return decide(mandates, legal_basis=BASIS, at=at)


class TestDecision:
    def test_fields_come_in_the_order_of_the_register(self) -> None:
        decision = decided(a_mandate("over_18"), a_mandate("inn"), a_mandate("family_name"))

        assert isinstance(decision, Mandated)
        assert decision.fields() == ("family_name", "inn", "over_18")
        assert decision.fields(["inn", "birthdate"]) == ("inn",)
        assert decision.fields([]) == ()

    @pytest.mark.parametrize(
        ("change", "at", "reason"),
        [
            ({"legal_basis": "family_code_8"}, NOON, "never_granted"),
            ({"revoked_at": NOON, "revoked_by": "x"}, NOON, "revoked"),
            ({"revoked_at": NOON + timedelta(hours=1), "revoked_by": "x"}, NOON, "revoked"),
            ({"valid_to": date(2026, 11, 23)}, MORNING, "expired"),
            ({"valid_from": date(2026, 11, 24)}, NOON, "not_begun"),
        ],
        ids=[
            "another basis",
            "revoked now",
            "revoked by a clock that is ahead",
            "over today",
            "from tomorrow",
        ],
    )
    def test_what_is_not_in_force_gives_nothing(
        self, change: dict[str, Any], at: datetime, reason: str
    ) -> None:
        assert decided(a_mandate(**change), at=at) == NotMandated(reason)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("change", "at"),
        [
            ({"valid_to": date(2026, 11, 23)}, MORNING - timedelta(microseconds=1)),
            ({"valid_from": date(2026, 11, 23)}, MORNING),
        ],
        ids=["last instant", "first instant"],
    )
    def test_days_are_of_legal_time_and_their_ends_exclusive(
        self, change: dict[str, Any], at: datetime
    ) -> None:
        assert isinstance(decided(a_mandate(**change), at=at), Mandated)

    def test_reason_is_the_one_closest_to_success(self) -> None:
        revoked = a_mandate(revoked_at=NOON, revoked_by="x")

        assert decided(revoked, a_mandate(valid_from=date(2027, 1, 1))) == NotMandated("not_begun")

    def test_conditions_of_one_field_are_alternatives(self) -> None:
        decision = decided(
            a_mandate(condition=Condition.UNDER_AGE), a_mandate(condition=Condition.DECEASED)
        )

        assert isinstance(decision, Mandated)
        assert decision.conditions["inn"] == {Condition.UNDER_AGE, Condition.DECEASED}

    def test_pseudonym_of_a_sector_is_no_value(self) -> None:
        decision = decided(a_mandate("pseudonym:pension"))

        assert isinstance(decision, Mandated)
        assert decision.fields() == ()
        assert decision.pseudonym_of("pension") == {Condition.ALWAYS}
        assert decision.pseudonym_of("health") == set()


days = st.dates(date(2026, 11, 20), date(2026, 11, 26))
mandates = st.lists(
    st.builds(
        a_mandate,
        st.sampled_from(["inn", "snils", "pseudonym"]),
        condition=st.sampled_from(Condition),
        legal_basis=st.sampled_from([BASIS, "family_code_8"]),
        valid_from=days,
        valid_to=st.none() | st.just(date(2026, 11, 27)),
    ),
    max_size=6,
)


@given(mandates, st.data())
def test_revoking_never_gives_more(granted: list[Mandate], data: st.DataObject) -> None:
    revoked = [
        replace(each, revoked_at=NOON, revoked_by="x") if data.draw(st.booleans()) else each
        for each in granted
    ]

    before, after = decided(*granted), decided(*revoked)

    if isinstance(after, Mandated):
        assert isinstance(before, Mandated)
        for name, conditions in after.conditions.items():
            assert conditions <= before.conditions[name]


@given(mandates)
def test_what_is_given_was_in_force(granted: list[Mandate]) -> None:
    decision = decided(*granted)

    standing = {m.field for m in granted if m.in_force(NOON) and m.legal_basis == BASIS}
    assert (set(decision.conditions) if isinstance(decision, Mandated) else set()) == standing


def a_current_record(**values: Any) -> CurrentRecord:  # noqa: ANN401
    def said(value: object) -> AttributeValue:
        return AttributeValue(
            value=value,
            source=TAX,
            as_of=date(2020, 1, 1),
            recorded_at=NOON,
            valid_from=date(2020, 1, 1),
        )

    return CurrentRecord(
        person_id=PersonId(UUID(int=7)),
        version=1,
        on=date(2026, 11, 23),
        history={name: (said(value),) for name, value in values.items()},
    )


class TestConditions:
    @pytest.mark.parametrize(
        ("values", "true"),
        [
            ({}, {"always", "living"}),
            ({"birthdate": "2008-11-23"}, {"always", "living", "of_age"}),
            ({"birthdate": "2008-11-24"}, {"always", "living", "under_age"}),
            ({"birthdate": "2008"}, {"always", "living", "under_age"}),
            ({"citizenships": ["RUS", "ISR"]}, {"always", "living", "citizen"}),
            ({"citizenships": ["XXA"]}, {"always", "living", "not_a_citizen"}),
            ({"deathdate": "2021"}, {"always", "deceased"}),
        ],
        ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
    )
    def test_condition_holds_of_whom_it_says(self, values: dict[str, Any], true: set[str]) -> None:
        record = a_current_record(**values)

        assert {c.value for c in Condition if holds(c, record)} == true

    def test_one_of_several_conditions_is_enough(self) -> None:
        child = a_current_record(birthdate="2020-01-01")

        assert any_holds([Condition.DECEASED, Condition.UNDER_AGE], child)
        assert not any_holds([Condition.DECEASED, Condition.OF_AGE], child)
        assert not any_holds([], child)

    def test_each_field_is_given_by_its_own_condition(self) -> None:
        record = a_current_record(
            family_name="Волкова", inn="500100732259", snils="1", birthdate="2020-01-01"
        )
        mandated = decided(
            a_mandate("family_name", condition=Condition.OF_AGE),
            a_mandate("birthdate", condition=Condition.UNDER_AGE),
            a_mandate("snils"),
            a_mandate("gender"),
        )
        assert isinstance(mandated, Mandated)

        given_values = given_fields(mandated, mandated.fields(), record, NOON)

        assert {name: each.value for name, each in given_values.items()} == {
            "birthdate": "2020-01-01",
            "snils": "1",
        }

    def test_field_whose_condition_does_not_hold_looks_like_one_that_is_not_known(self) -> None:
        decision = decided(
            a_mandate("inn", condition=Condition.DECEASED), a_mandate("snils"), a_mandate("enp")
        )
        record = a_current_record(inn="500100732259", snils="112-233-445 95", birthdate="1986")

        assert isinstance(decision, Mandated)
        assert list(given_fields(decision, decision.fields(), record, NOON)) == ["snils"]


@pytest.mark.parametrize("name", ["shoe_size", "", "pseudonym:", "pseudonym:Tax", "inn "])
def test_field_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(MandateRefused):
        check_field(name, Condition.ALWAYS)


def test_match_is_told_before_a_record_is_looked_at_and_has_no_condition() -> None:
    with pytest.raises(MandateRefused):
        check_field("pseudonym", Condition.DECEASED)
    check_field("pseudonym", Condition.ALWAYS)
    check_field("pseudonym:pension", Condition.DECEASED)


@pytest.mark.db
class TestAdministration:
    @pytest.fixture(autouse=True)
    def an_agency_and_a_basis(self, session: Session) -> None:
        add_agency(session, an_agency("tax", AgencyRole.TAX), NOON)
        basis = LegalBasis(
            code=BASIS, title_ru="Налоговый учёт", title_en="Tax records", reference="НК РФ, 85"
        )
        add_legal_basis(session, basis, NOON)

    def grant(self, session: Session, field: str = "inn", **change: Any) -> Mandate:  # noqa: ANN401
        values: dict[str, Any] = {
            "condition": Condition.ALWAYS,
            "legal_basis": BASIS,
            "valid_from": None,
            "valid_to": None,
            "by": "anna",
            "at": NOON,
        }
        return grant_mandate(session, TAX, field=field, **values | change)

    def test_history_keeps_who_gave_and_who_took_back(self, session: Session) -> None:
        granted = self.grant(session)
        later = NOON + timedelta(days=1)

        revoke_mandate(session, granted.mandate_id, by="boris", at=later)
        again = self.grant(session, at=later)

        assert list_mandates(session, TAX) == [
            replace(granted, revoked_at=later, revoked_by="boris"),
            again,
        ]
        assert granted.valid_from == date(2026, 11, 23)

    def test_every_change_counts_the_agencys_revision(self, session: Session) -> None:
        revisions = [load_rights(session, TAX).agency.revision]
        granted = self.grant(session)
        revisions.append(load_rights(session, TAX).agency.revision)
        revoke_mandate(session, granted.mandate_id, by="boris", at=NOON)
        revisions.append(load_rights(session, TAX).agency.revision)
        add_official_key(session, TAX, kid="k", jwk={"kty": "EC"}, at=NOON)
        revisions.append(load_rights(session, TAX).agency.revision)
        retire_official_key(session, TAX, "k", NOON)
        rights = load_rights(session, TAX)

        assert [*revisions, rights.agency.revision] == [1, 2, 3, 4, 5]
        assert rights.official_keys == ()

    @pytest.mark.parametrize(
        "change",
        [
            {"field": "shoe_size"},
            {"legal_basis": "unknown"},
            {"valid_from": date(2026, 1, 2), "valid_to": date(2026, 1, 2)},
        ],
        ids=str,
    )
    def test_mandate_that_can_not_be_is_refused(
        self, session: Session, change: dict[str, Any]
    ) -> None:
        with pytest.raises(MandateRefused):
            self.grant(session, **change)

    def test_mandate_that_stands_is_not_given_twice(self, session: Session) -> None:
        self.grant(session)

        with pytest.raises(MandateRefused):
            self.grant(session)

    def test_mandate_is_revoked_once(self, session: Session) -> None:
        granted = self.grant(session)
        revoke_mandate(session, granted.mandate_id, by="boris", at=NOON)

        for mandate_id in (granted.mandate_id, UUID(int=7)):
            with pytest.raises(UnknownMandate):
                revoke_mandate(session, mandate_id, by="boris", at=NOON)

    def test_unknown_agency_gets_nothing(self, session: Session) -> None:
        with pytest.raises(UnknownAgency):
            grant_mandate(
                session,
                AgencyId("nobody"),
                field="inn",
                condition=Condition.ALWAYS,
                legal_basis=BASIS,
                valid_from=None,
                valid_to=None,
                by="anna",
                at=NOON,
            )

    @pytest.mark.parametrize(
        "change", [{"code": "Статья 85"}, {"title_ru": " "}, {"reference": "a\nb"}], ids=str
    )
    def test_legal_basis_is_of_its_form(self, session: Session, change: dict[str, str]) -> None:
        words = {"code": "x_1", "title_ru": "Х", "title_en": "X", "reference": "1"}

        with pytest.raises(MandateRefused):
            add_legal_basis(session, LegalBasis(**words | change), NOON)
        assert [basis.code for basis in list_legal_bases(session)] == [BASIS]


@pytest.mark.db
class TestAgencyHistory:
    def test_mapping_and_role_of_before_are_kept(self, session: Session) -> None:
        first = an_agency("tax", AgencyRole.TAX, {"delimiter": ";"})
        add_agency(session, first, NOON)
        add_agency(session, replace(first, role=AgencyRole.HEALTH, mapping={}), NOON, by="anna")
        close_agency(session, TAX, NOON, by="boris")

        changes = list_agency_changes(session, TAX)

        assert [
            (c.revision, c.changed_by, c.document["role"], c.document["mapping"]) for c in changes
        ] == [
            (3, "boris", "health", {}),
            (2, "anna", "health", {}),
            (1, "command", "tax", {"delimiter": ";"}),
        ]
        assert changes[0].document["is_active"] is False

    def test_sector_is_set_once(self, session: Session) -> None:
        agency = replace(an_agency("tax", AgencyRole.TAX), sector="taxation")
        add_agency(session, agency, NOON)
        add_agency(session, replace(agency, sector=""), NOON)

        with pytest.raises(MappingRefused):
            add_agency(session, replace(agency, sector="another"), NOON)
        assert load_rights(session, TAX).agency.pseudonym_sector == "taxation"

    def test_history_of_nobody_is_unknown(self, session: Session) -> None:
        with pytest.raises(UnknownAgency):
            list_agency_changes(session, AgencyId("nobody"))


@pytest.mark.parametrize(
    "name", ["inn", "over_18", "pseudonym", "pseudonym:tax", f"pseudonym:t{'a' * 63}"]
)
def test_field_that_there_is_may_be_mandated(name: str) -> None:
    check_field(name, Condition.ALWAYS)


def test_legal_basis_is_a_short_code() -> None:
    check_legal_basis("tax_code_85.1-2")

    for code in ("", "t", "Tax_code", "85_tax", "tax code", "t" * 65, "закон"):
        with pytest.raises(MandateRefused):
            check_legal_basis(code)
