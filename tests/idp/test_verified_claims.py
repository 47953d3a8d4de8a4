"""Verified claims, pure: which requests are read, and what they are answered."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from idp.assurance import AssuranceLevel
from idp.errors import InvalidAuthorizationRequest
from idp.metadata import provider_metadata
from idp.verified_answer import Grounds, answer
from idp.verified_claims import (
    MOST_ENTRIES,
    TRUST_FRAMEWORK,
    as_granted,
    check_request,
    items_asked,
    items_of_request,
    merged,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = 86_400
SCHEMA = jsonschema_rs.validator_for(
    orjson.loads((Path(__file__).parent.parent / "specs" / "verified_claims.json").read_bytes())
)


@dataclass(frozen=True)
class Said:
    value: Any
    source: str
    recorded_at: datetime


FACTS = {
    "family_name": Said("Волкова", "zags", datetime(2026, 11, 1, 3, tzinfo=UTC)),
    "given_name": Said("Анна", "zags", datetime(2026, 11, 1, 3, tzinfo=UTC)),
    "birthdate": Said("1986-03-14", "zags", datetime(2026, 11, 1, 3, tzinfo=UTC)),
    "birthplace": Said("г. Тверь", "zags", datetime(2026, 11, 1, 3, tzinfo=UTC)),
    "citizenships": Said(["RUS"], "mvd", datetime(2026, 11, 20, 9, 30, tzinfo=UTC)),
    "registration_address": Said(
        {"formatted": "Тверь, Советская, 1", "locality": "Тверь", "country": "RUS"},
        "mvd",
        datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
    ),
    "passport": Said(
        {"series_number": "2806123456", "issued_on": "2006-04-01", "issuer": "ОВД Твери"},
        "mvd",
        datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
    ),
    "foreign_passport": Said(
        {
            "issuing_state": "RUS",
            "number": "701234567",
            "issued_on": "2020-02-01",
            "expires_on": "2030-02-01",
        },
        "mvd",
        datetime(2026, 11, 21, tzinfo=UTC),
    ),
}


def ask(
    claims: object = None,
    *,
    trust_framework: object = None,
    **verification: object,
) -> dict[str, Any]:
    return {
        "verification": {"trust_framework": trust_framework, **verification},
        "claims": {"family_name": None} if claims is None else claims,
    }


def answered(
    asked: Any,  # noqa: ANN401
    *,
    level: AssuranceLevel = AssuranceLevel.CONFIRMED,
    facts: Any = None,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    check_request(asked)
    found = answer(
        asked,
        Grounds(
            facts=FACTS if facts is None else facts,
            level=level,
            agencies={"zags": "Реестр ЗАГС", "mvd": "МВД России"},
            at=NOON,
        ),
    )
    if found is not None:
        SCHEMA.validate(found)
    return found


def evidence_of(found: Any) -> Any:  # noqa: ANN401
    return found["verification"]["evidence"]


class TestForm:
    """`check_request`."""

    @pytest.mark.spec("IDA-5.1", "IDA-5.2")
    @pytest.mark.parametrize(
        "asked",
        [
            pytest.param(None, id="null"),
            pytest.param("all", id="text"),
            pytest.param([], id="empty list"),
            pytest.param([None], id="list of null"),
            pytest.param([ask()] * (MOST_ENTRIES + 1), id="too many"),
            pytest.param({"claims": {"family_name": None}}, id="no verification"),
            pytest.param({"verification": {}, "claims": {"name": None}}, id="no trust framework"),
            pytest.param({"verification": {"trust_framework": None}}, id="no claims"),
            pytest.param(ask({}), id="empty claims"),
            pytest.param(ask(["name"]), id="claims as a list"),
            pytest.param(ask({"name": "yes"}), id="claim asked by a text"),
            pytest.param(ask(evidence=[]), id="empty evidence"),
            pytest.param(ask(evidence={"type": {"value": "document"}}), id="evidence no list"),
            pytest.param(ask(evidence=[{}]), id="evidence without type"),
            pytest.param(ask(evidence=[{"type": None}]), id="evidence of any type"),
            pytest.param(ask(evidence=[{"type": {"values": ["document"]}}]), id="several types"),
            pytest.param(ask(time={"max_age": "1"}), id="max_age as text"),
            pytest.param(ask(time={"max_age": -1}), id="negative max_age"),
            pytest.param(ask(time={"max_age": True}), id="max_age as truth"),
            pytest.param(ask(assurance_level={"values": []}), id="no values"),
            pytest.param(ask({"name": {"values": "x"}}), id="values no list"),
            pytest.param(ask({f"claim_{number}": None for number in range(900)}), id="too long"),
        ],
    )
    def test_what_is_not_a_request_is_refused(self, asked: object) -> None:
        with pytest.raises(InvalidAuthorizationRequest, match="verified_claims"):
            check_request(asked)

    @pytest.mark.spec("IDA-5.1")
    @pytest.mark.parametrize("how", [None, {}, {"essential": True}, {"essential": False}])
    def test_a_claim_is_asked_for_by_null_or_an_object(self, how: object) -> None:
        assert answered(ask({"family_name": how}))["claims"] == {"family_name": "Волкова"}

    @pytest.mark.spec("IDA-5.1")
    def test_null_for_the_claims_names_none(self) -> None:
        asked = {"verification": {"trust_framework": None}, "claims": None}

        assert answered(asked) is None


class TestItems:
    """`items_asked`: for what is never fulfilled nobody is asked, and nothing is read."""

    def test_a_claim_is_read_from_its_items(self) -> None:
        asked = ask({"place_of_birth": None, "nationalities": None, "name": None})

        assert items_asked(asked) == (
            "birthplace", "citizenships", "family_name", "given_name", "middle_name",
        )  # fmt: skip

    @pytest.mark.parametrize(
        "asked",
        [
            ask({"favourite_colour": None}),
            ask(trust_framework={"value": "eidas"}),
            ask(trust_framework={"values": ["eidas", "de_aml"]}),
            ask(assurance_level={"value": "simplified"}),
        ],
    )
    def test_what_is_never_fulfilled_reads_nothing(self, asked: Any) -> None:  # noqa: ANN401
        assert items_asked(asked) == ()

    @pytest.mark.parametrize(
        ("details", "items"),
        [
            ({}, ("family_name", "passport", "foreign_passport")),
            ({"document_details": {"type": None}}, ("family_name", "passport", "foreign_passport")),
            ({"document_details": {"type": {"value": "idcard"}}}, ("family_name", "passport")),
            (
                {"document_details": {"type": {"values": ["passport"]}}},
                ("family_name", "foreign_passport"),
            ),
            ({"document_details": {"type": {"value": "driving_permit"}}}, ("family_name",)),
        ],
    )
    def test_evidence_by_document_reads_the_document(
        self, details: dict[str, object], items: tuple[str, ...]
    ) -> None:
        asked = ask(evidence=[{"type": {"value": "document"}, **details}])

        assert items_asked(asked) == items

    def test_a_record_as_evidence_reads_nothing_more(self) -> None:
        assert items_asked(ask(evidence=[{"type": {"value": "electronic_record"}}])) == (
            "family_name",
        )

    def test_both_places_are_asked_for_together(self) -> None:
        verified = {"userinfo": ask(), "id_token": [ask({"birthdate": None})]}

        assert items_of_request(verified) == ("family_name", "birthdate")


class TestAnswer:
    @pytest.mark.spec("IDAS-5.2", "IDAS-5.3")
    def test_the_smallest_answer(self) -> None:
        assert answered(ask()) == {
            "verification": {"trust_framework": TRUST_FRAMEWORK},
            "claims": {"family_name": "Волкова"},
        }

    @pytest.mark.spec("IDA-5.7.1")
    @pytest.mark.parametrize(
        "unknown", ["favourite_colour", "%2F😀 <b>'\"", "family_name#ru", "snils"]
    )
    @pytest.mark.parametrize("how", [None, {"essential": True}])
    def test_a_claim_that_we_do_not_know_is_left_out(self, unknown: str, how: object) -> None:
        found = answered(ask({unknown: how, "given_name": None}))

        assert found["claims"] == {"given_name": "Анна"}

    @pytest.mark.spec("IDA-5.7.1", "IDA-5.7.4")
    @pytest.mark.parametrize("claims", [{"gender": None}, {"favourite_colour": None}])
    def test_nothing_known_leaves_everything_out(self, claims: object) -> None:
        assert answered(ask(claims)) is None

    @pytest.mark.spec("IDA-5.7.3")
    @pytest.mark.parametrize(
        "unmet",
        [
            {"value": "9a9c6a1e-3c2b-4a43-8b60-5b8b2c8b4d6f"},
            {"values": ["Волков", "Волкова "]},
            {"value": None},
            {"value": ["Волкова"]},
        ],
    )
    def test_a_claim_that_is_not_as_wanted_is_left_out(self, unmet: object) -> None:
        found = answered(ask({"family_name": unmet, "given_name": {"value": "Анна"}}))

        assert found["claims"] == {"given_name": "Анна"}

    @pytest.mark.spec("IDA-5.7.4")
    def test_the_only_claim_takes_everything_with_it(self) -> None:
        assert answered(ask({"family_name": {"value": "x"}})) is None

    @pytest.mark.spec("IDA-5.3.2")
    def test_max_age_of_a_claim_that_is_a_date(self) -> None:
        young = {"birthdate": {"max_age": 18 * 366 * DAY}, "family_name": {"max_age": 0}}

        assert answered(ask(young))["claims"] == {"family_name": "Волкова"}

    @pytest.mark.spec("IDA-5.7.3", "IDA-5.3.1")
    @pytest.mark.parametrize(
        "verification",
        [
            {"trust_framework": {"value": "eidas"}},
            {"assurance_level": {"value": "high"}},
            {"assurance_level": {"values": ["simplified"]}},
            {"time": {"max_age": 22 * DAY}},
            {"verification_process": {"value": "f24c6f-6d3f-4ec5-973e-b0d8506f3bc7"}},
            {"assurance_process": {"policy": {"value": "gpg45"}}},
            {"assurance_process": {"assurance_details": [{"assurance_type": {"value": "x"}}]}},
            {"evidence": [{"type": {"value": "vouch"}}]},
            {"evidence": [{"type": {"value": "electronic_signature"}}]},
            {"evidence": [{"type": {"value": "document"},
                           "document_details": {"type": {"value": "driving_permit"}}}]},
            {"evidence": [{"type": {"value": "document"},
                           "document_details": {"date_of_issuance": {"max_age": 365 * DAY}}}]},
            {"evidence": [{"type": {"value": "electronic_record"},
                           "check_details": [{"check_method": {"value": "kbv"}}]}]},
            {"evidence": [{"type": {"value": "electronic_record"},
                           "record": {"type": {"value": "tax"}}}]},
        ],
    )  # fmt: skip
    def test_a_verification_that_is_not_as_wanted_leaves_everything_out(
        self, verification: dict[str, Any]
    ) -> None:
        assert answered(ask(**verification)) is None

    @pytest.mark.spec("IDA-5.7.1")
    def test_elements_that_we_do_not_have_are_left_out(self) -> None:
        found = answered(ask(verification_process=None, assurance_process={"policy": None}))

        assert found["verification"] == {"trust_framework": TRUST_FRAMEWORK}

    @pytest.mark.spec("IDAS-5.4.2")
    @pytest.mark.parametrize(
        ("level", "wanted", "stated"),
        [
            (AssuranceLevel.CONFIRMED, None, "confirmed"),
            (AssuranceLevel.STANDARD, None, "standard"),
            (AssuranceLevel.CONFIRMED, {"value": "standard"}, "standard"),
            (AssuranceLevel.CONFIRMED, {"values": ["standard", "confirmed"]}, "confirmed"),
            (AssuranceLevel.STANDARD, {"values": ["standard", "confirmed"]}, "standard"),
        ],
    )
    def test_the_level_is_the_account_s_or_a_lower_one_that_is_wanted(
        self, level: AssuranceLevel, wanted: object, stated: str
    ) -> None:
        found = answered(ask(assurance_level=wanted), level=level)

        assert found["verification"]["assurance_level"] == stated

    @pytest.mark.spec("IDA-5.7.3")
    @pytest.mark.parametrize(
        ("level", "wanted"),
        [
            (AssuranceLevel.STANDARD, {"value": "confirmed"}),
            (AssuranceLevel.SIMPLIFIED, None),
            (AssuranceLevel.SIMPLIFIED, {"value": "standard"}),
        ],
    )
    def test_an_account_that_is_proven_less_gets_nothing(
        self, level: AssuranceLevel, wanted: object
    ) -> None:
        assert answered(ask(assurance_level=wanted), level=level) is None

    @pytest.mark.spec("IDAS-5.4.2", "IDA-9")
    def test_time_is_when_the_oldest_value_was_learned_in_utc(self) -> None:
        asked = ask({"family_name": None, "nationalities": None}, time=None)

        assert answered(asked)["verification"]["time"] == "2026-11-01T03:00:00Z"

    @pytest.mark.spec("IDA-5.3.2")
    @pytest.mark.parametrize(("seconds", "is_met"), [(22 * DAY + 9 * 3600, True), (DAY, False)])
    def test_max_age_counts_up_to_now(self, seconds: int, is_met: bool) -> None:  # noqa: FBT001
        assert (answered(ask(time={"max_age": seconds})) is not None) is is_met

    @pytest.mark.spec("IDA-5.3.2")
    @pytest.mark.parametrize(("seconds", "is_met"), [(12 * 3600 + 1, True), (12 * 3600, False)])
    def test_a_day_grows_old_from_its_last_second(
        self,
        seconds: int,
        is_met: bool,  # noqa: FBT001
    ) -> None:
        passport = Said({"series_number": "1", "issued_on": "2026-11-22"}, "mvd", NOON)
        details = {"date_of_issuance": {"max_age": seconds}}
        asked = ask(evidence=[{"type": {"value": "document"}, "document_details": details}])

        found = answered(asked, facts={**FACTS, "passport": passport})

        assert (found is not None) is is_met

    @pytest.mark.spec("IDAS-5.4.4.3")
    def test_each_agency_is_a_record(self) -> None:
        asked = ask(
            {"family_name": None, "nationalities": None},
            evidence=[
                {
                    "type": {"value": "electronic_record"},
                    "check_details": [{"check_method": None, "organization": None, "time": None}],
                    "record": {
                        "type": None,
                        "created_at": None,
                        "source": {"name": None, "country_code": None, "street_address": None},
                    },
                    "derived_claims": None,
                }
            ],
        )

        zags, mvd = evidence_of(answered(asked))

        assert zags == {
            "type": "electronic_record",
            "check_details": [
                {
                    "check_method": "data",
                    "organization": "Реестр ЗАГС",
                    "time": "2026-11-01T03:00:00Z",
                }
            ],
            "record": {
                "type": "population_register",
                "created_at": "2026-11-01T03:00:00Z",
                "source": {"name": "Реестр ЗАГС", "country_code": "RUS"},
            },
            "derived_claims": {"family_name": "Волкова"},
        }
        assert mvd["derived_claims"] == {"nationalities": ["RUS"]}
        assert mvd["record"]["created_at"] == "2026-11-20T09:30:00Z"

    @pytest.mark.spec("IDAS-5.4.4.2")
    def test_documents(self) -> None:
        asked = ask(
            evidence=[
                {
                    "type": {"value": "document"},
                    "document_details": {
                        "type": None,
                        "document_number": None,
                        "date_of_issuance": None,
                        "date_of_expiry": None,
                        "issuer": None,
                    },
                }
            ]
        )

        idcard, passport = evidence_of(answered(asked))

        assert idcard == {
            "type": "document",
            "document_details": {
                "type": "idcard",
                "document_number": "2806123456",
                "date_of_issuance": "2006-04-01",
                "issuer": {"name": "ОВД Твери", "country_code": "RUS"},
            },
        }
        assert passport["document_details"] == {
            "type": "passport",
            "document_number": "701234567",
            "date_of_issuance": "2020-02-01",
            "date_of_expiry": "2030-02-01",
            "issuer": {"country_code": "RUS"},
        }

    @pytest.mark.spec("IDA-5.2", "IDA-6")
    def test_of_evidence_only_what_was_asked_for_comes_back(self) -> None:
        asked = ask(
            evidence=[
                {"type": {"value": "document"}, "document_details": {"type": {"value": "idcard"}}},
                {"type": {"value": "electronic_record"}, "record": {"type": None}},
            ]
        )

        assert evidence_of(answered(asked)) == [
            {"type": "electronic_record", "record": {"type": "population_register"}},
            {"type": "document", "document_details": {"type": "idcard"}},
        ]

    @pytest.mark.spec("IDA-5.2")
    def test_filters_of_evidence_are_alternatives(self) -> None:
        asked = ask(evidence=[{"type": {"value": "vouch"}}, {"type": {"value": "document"}}])

        assert {each["type"] for each in evidence_of(answered(asked))} == {"document"}

    @pytest.mark.spec("IDA-5.7.3")
    def test_a_person_without_documents_has_no_such_evidence(self) -> None:
        asked = ask(evidence=[{"type": {"value": "document"}}])

        assert answered(asked, facts={"family_name": FACTS["family_name"]}) is None

    @pytest.mark.spec("IDA-5.2")
    def test_attachments_are_left_out(self) -> None:
        asked = ask(evidence=[{"type": {"value": "electronic_record"}, "attachments": None}])

        assert evidence_of(answered(asked)) == [{"type": "electronic_record"}]

    @pytest.mark.spec("IDAC-4")
    def test_claims_of_the_registration(self) -> None:
        found = answered(ask({"place_of_birth": None, "nationalities": None, "address": None}))

        assert found["claims"]["place_of_birth"] == {"locality": "г. Тверь"}
        assert found["claims"]["nationalities"] == ["RUS"]
        assert found["claims"]["address"]["locality"] == "Тверь"

    @pytest.mark.spec("IDA-5.6")
    def test_of_a_list_each_member_is_answered_that_can_be(self) -> None:
        found = answered(
            [
                ask(trust_framework={"value": "eidas"}),
                ask({"given_name": None}, assurance_level={"value": "confirmed"}),
                ask({"given_name": None}, assurance_level={"value": "standard"}),
            ]
        )

        assert [each["verification"]["assurance_level"] for each in found] == [
            "confirmed", "standard",
        ]  # fmt: skip

    @pytest.mark.spec("IDA-5.6")
    def test_a_list_of_which_nothing_can_be_answered(self) -> None:
        assert answered([ask(trust_framework={"value": "eidas"})]) is None


class TestGrant:
    def test_nothing_is_kept_of_what_is_never_fulfilled(self) -> None:
        asked = {"userinfo": ask(trust_framework={"value": "eidas"})}

        assert as_granted(asked, AssuranceLevel.CONFIRMED) is None

    def test_what_a_grant_holds_is_joined_with_what_is_asked(self) -> None:
        held = as_granted({"userinfo": ask()}, AssuranceLevel.CONFIRMED)

        both = merged(held, {"userinfo": ask({"birthdate": None}), "id_token": ask()})

        assert both == {"userinfo": [ask(), ask({"birthdate": None})], "id_token": ask()}

    def test_the_same_again_is_kept_once(self) -> None:
        held = as_granted({"userinfo": ask()}, AssuranceLevel.CONFIRMED)

        assert merged(held, {"userinfo": ask()}) == {"userinfo": ask()}
        assert merged(held, {}) == {"userinfo": ask()}
        assert merged(None, {"userinfo": ask()}) == {"userinfo": ask()}

    def test_too_much_together_is_refused(self) -> None:
        held = as_granted({"userinfo": [ask()] * MOST_ENTRIES}, AssuranceLevel.CONFIRMED)

        with pytest.raises(InvalidAuthorizationRequest):
            merged(held, {"userinfo": ask({"birthdate": None})})


@pytest.mark.spec("IDA-8")
def test_the_metadata_says_what_is_offered() -> None:
    document = provider_metadata("https://civitas.example")

    assert document["claims_parameter_supported"] is True
    assert document["verified_claims_supported"] is True
    assert document["trust_frameworks_supported"] == [TRUST_FRAMEWORK]
    assert document["evidence_supported"] == ["document", "electronic_record"]
    assert document["documents_supported"] == ["idcard", "passport"]
    assert document["documents_check_methods_supported"] == ["data"]
    assert document["electronic_records_supported"] == ["population_register"]
    assert "birthdate" in document["claims_in_verified_claims_supported"]  # type: ignore[operator]
