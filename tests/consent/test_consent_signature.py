"""What was signed stays provable: against a changed row, another key, another row's signature."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from consent.errors import ConsentNotAuthentic
from consent.model import ConsentRecord, Ending, GivenBy, PurposeCode, Relation
from consent.receipt import canonical_form, duration, instant, receipt_of
from consent.signature import sign_consent, verify_record, verify_signature
from kernel.db import unit_of_work_of
from kernel.ids import ClientId, ConsentId, PartnerId, new_id
from kernel.secret import b64url, b64url_decode
from kernel.signing import SigningKeys
from tests.consent.consent_builders import ANNA, BORIS, NOON, a_record, a_request, names

pytestmark = pytest.mark.db


@pytest.fixture
def record(signing: SigningKeys) -> ConsentRecord:
    consent_id = ConsentId(new_id(NOON))
    signature = sign_consent(signing, a_request(), consent_id=consent_id, given_at=NOON)
    return a_record(consent_id=consent_id, signature=signature)


def test_signed_record_verifies(signing: SigningKeys, record: ConsentRecord) -> None:
    payload = verify_record(record, jwks=signing.public_jwks("consent"))

    assert payload == canonical_form(a_request(), consent_id=record.consent_id, given_at=NOON)


def test_signature_verifies_after_its_key_was_rotated_twice(
    signing: SigningKeys, record: ConsentRecord, sessions: sessionmaker[Session]
) -> None:
    for days in (1, 2):
        with unit_of_work_of(sessions) as session:
            signing.rotate(session, "consent", "ES256", at=NOON + timedelta(days=days))
    signing.reload(at=NOON + timedelta(days=4000))

    verify_record(record, jwks=signing.public_jwks("consent"))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"items": names("family_name", "passport", "snils")}, id="item added"),
        pytest.param({"items": names("family_name")}, id="item removed"),
        pytest.param({"expires_at": NOON + timedelta(days=31)}, id="later end"),
        pytest.param({"given_at": NOON - timedelta(days=1)}, id="earlier begin"),
        pytest.param({"retention": timedelta(days=366)}, id="longer retention"),
        pytest.param({"client_id": ClientId("other")}, id="another client"),
        pytest.param({"partner_id": PartnerId("other")}, id="another partner"),
        pytest.param({"partner_name": "Bank"}, id="another name"),
        pytest.param({"purpose": PurposeCode("credit_assessment")}, id="another purpose"),
        pytest.param({"subject": "t" * 43}, id="another person"),
        pytest.param({"acr": "simplified"}, id="another assurance"),
        pytest.param({"language": "en"}, id="another language"),
        pytest.param({"max_uses": 5}, id="another number of uses"),
        pytest.param({"consent_id": ConsentId(new_id(NOON))}, id="moved to another row"),
        pytest.param(
            {"given_by": GivenBy(relation=Relation.PARENT, person_id=BORIS)}, id="another giver"
        ),
    ],
)
def test_changed_row_is_not_authentic(
    signing: SigningKeys, record: ConsentRecord, change: dict[str, object]
) -> None:
    with pytest.raises(ConsentNotAuthentic):
        verify_record(replace(record, **change), jwks=signing.public_jwks("consent"))  # type: ignore[arg-type]


@pytest.mark.spec("RFC7515-5.2")
@pytest.mark.parametrize("part", [0, 1, 2])
def test_no_part_of_a_signature_can_change(
    signing: SigningKeys, record: ConsentRecord, part: int
) -> None:
    parts = record.signature.split(".")
    changed = bytearray(b64url_decode(parts[part]))
    changed[len(changed) // 2] ^= 1
    parts[part] = b64url(bytes(changed))

    with pytest.raises(ConsentNotAuthentic):
        verify_signature(".".join(parts), jwks=signing.public_jwks("consent"))


@pytest.mark.parametrize("compact", ["", "a.b.c", "....", "не.jws.вовсе"])
def test_what_is_no_signature_is_not_authentic(signing: SigningKeys, compact: str) -> None:
    with pytest.raises(ConsentNotAuthentic):
        verify_signature(compact, jwks=signing.public_jwks("consent"))


def test_signature_of_another_type_is_not_a_consent(
    signing: SigningKeys, record: ConsentRecord
) -> None:
    payload = b64url_decode(record.signature.split(".")[1])
    forged = signing.jws("consent", payload, header={"typ": "civitas-person+jwt"})

    with pytest.raises(ConsentNotAuthentic):
        verify_signature(forged, jwks=signing.public_jwks("consent"))


def test_signature_by_a_key_of_another_use_is_not_a_consent(
    signing: SigningKeys, record: ConsentRecord
) -> None:
    payload = b64url_decode(record.signature.split(".")[1])
    forged = signing.jws("partner", payload, header={"typ": "civitas-consent+jws"})

    with pytest.raises(ConsentNotAuthentic):
        verify_signature(forged, jwks=signing.public_jwks("consent"))


def test_unsigned_token_is_not_a_consent(signing: SigningKeys, record: ConsentRecord) -> None:
    head = b64url(b'{"alg":"none","typ":"civitas-consent+jws"}')
    forged = f"{head}.{record.signature.split('.')[1]}."

    with pytest.raises(ConsentNotAuthentic):
        verify_signature(forged, jwks=signing.public_jwks("consent"))


def test_signed_record_holds_no_identifier_of_ours(record: ConsentRecord) -> None:
    payload = b64url_decode(record.signature.split(".")[1]).decode()

    assert str(ANNA) not in payload
    assert record.subject in payload


@pytest.mark.spec("RFC8785-3.2")
def test_canonical_form_is_sorted_and_tight() -> None:
    form = canonical_form(a_request(), consent_id=ConsentId(new_id(NOON)), given_at=NOON)

    tree = json.loads(form)
    assert form.decode() == json.dumps(
        tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


@pytest.mark.spec("ISO27560-6.4")
class TestReceipt:
    def test_names_who_what_why_and_until_when(self, record: ConsentRecord) -> None:
        receipt = receipt_of(record, issued_at=NOON)

        signed = receipt["consent_record"]
        assert isinstance(signed, dict)
        (purpose,) = signed["pii_processing"]["purposes"]
        assert signed["record_id"] == str(record.consent_id)
        assert purpose["purpose"] == "account_opening"
        assert purpose["retention_period"] == "P365D"
        assert [item["pii_attribute_id"] for item in purpose["pii_information"]] == [
            "family_name",
            "birthdate",
            "passport",
        ]
        assert signed["party_identification"][0]["party_name"] == "Банк «Восход»"
        assert signed["civitas"]["expires_at"] == "2026-12-23T12:00:00.000000Z"

    def test_says_how_it_ended(self, record: ConsentRecord) -> None:
        withdrawn = replace(record, ended_at=NOON, ending=Ending.WITHDRAWN)
        later = NOON + timedelta(days=3)

        given, ended = receipt_of(withdrawn, issued_at=later)["events"]  # type: ignore[misc]

        assert given["event_state"] == "consent_given"  # type: ignore[has-type]
        assert ended == {  # type: ignore[has-type]
            "event_time": instant(NOON),
            "event_type": "explicit",
            "event_state": "consent_withdrawn",
        }

    def test_of_a_consent_that_lasts_says_nothing_of_an_end(self, record: ConsentRecord) -> None:
        assert len(receipt_of(record, issued_at=NOON)["events"]) == 1  # type: ignore[arg-type]

    def test_says_that_it_expired_although_nobody_wrote_it_down(
        self, record: ConsentRecord
    ) -> None:
        events = receipt_of(record, issued_at=record.expires_at)["events"]

        assert events[-1] == {  # type: ignore[index]
            "event_time": instant(record.expires_at),
            "event_type": "implicit",
            "event_state": "consent_expired",
        }

    def test_says_what_is_sensitive_and_what_is_of_a_special_category(self) -> None:
        asked = a_request(items=names("family_name", "passport", "document:ct_scan"))

        form = json.loads(canonical_form(asked, consent_id=ConsentId(new_id(NOON)), given_at=NOON))

        told = form["pii_processing"]["purposes"][0]["pii_information"]
        assert {
            item["pii_attribute_id"]: (item["sensitive_pii_category"], item["special_pii_category"])
            for item in told
        } == {
            "family_name": (False, False),
            "passport": (True, False),
            "document:ct_scan": (True, True),
        }

    def test_is_in_the_language_in_which_the_person_was_asked(self) -> None:
        forms = {
            language: json.loads(
                canonical_form(
                    a_request(language=language), consent_id=ConsentId(new_id(NOON)), given_at=NOON
                )
            )["pii_processing"]["purposes"][0]["purpose_description"]
            for language in ("ru", "en")
        }

        assert forms == {"ru": "открыть вам счёт", "en": "open an account for you"}


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=20_000)))
def test_duration_is_whole_days_or_seconds(length: timedelta) -> None:
    text = duration(length)

    seconds = int(length.total_seconds())
    assert text in {f"P{seconds // 86_400}D", f"PT{seconds}S"}


def test_instant_keeps_microseconds() -> None:
    assert instant(NOON + timedelta(microseconds=7)) == "2026-11-23T12:00:00.000007Z"
