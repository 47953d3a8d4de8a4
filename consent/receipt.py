"""The consent record and the receipt of ISO/IEC TS 27560. No I/O.

The *record* is what is signed when a person consents: everything they were shown, in the words
they were shown, as canonical JSON (RFC 8785: members sorted, no spaces; there are no fractions in
it). The *receipt* is what a person takes home: the record, what happened to it since, and the
signature, so that it can be held against us without us.

Member names are those of ISO/IEC TS 27560:2023, 6.3 and 6.4, in lower snake case. The member
`civitas` holds what the specification has no place for. The schema version names both.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from consent.catalogue import ITEMS, PURPOSES
from consent.model import ConsentRecord, ConsentRequest, Item, Language, Sensitivity, Words
from kernel.ids import ConsentId
from kernel.secret import b64url_decode

SCHEMA_VERSION = "ISO/IEC TS 27560:2023; civitas 1"

_COLLECTION_METHOD = Words(
    ru="Из реестра населения и вашего хранилища документов, по запросу получателя",
    en="From the population register and your document vault, when the recipient asks",
)
_WITHDRAWAL_METHOD = Words(
    ru="Личный кабинет, раздел «Согласия»: отзыв действует со следующего запроса",
    en="Your account, under “Consents”: from the very next request on",
)
_PRIVACY_RIGHTS = Words(
    ru="Отозвать согласие; узнать, кто и когда получил данные; потребовать уничтожить их",
    en="Withdraw; see who received your data and when; demand its erasure",
)


def canonical_form(request: ConsentRequest, *, consent_id: ConsentId, given_at: datetime) -> bytes:
    """Return what is signed: the record of this consent as canonical JSON, UTF-8.

    Source:
        ISO/IEC TS 27560:2023, 6.3; RFC 8785, 3.
    """
    record: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "record_id": str(consent_id),
        "pii_principal_id": request.subject,
        "pii_processing": _pii_processing(request),
        "party_identification": [
            {
                "party_id": request.partner_id,
                "party_name": request.partner_name,
                "party_role": "pii_controller",
            }
        ],
        "events": [
            {
                "event_time": instant(given_at),
                "validity_duration": duration(request.expires_at - given_at),
                "entity_id": request.given_by.relation.value,
                "event_type": "explicit",
                "event_state": "consent_given",
            }
        ],
        "civitas": {
            "client_id": request.client_id,
            "expires_at": instant(request.expires_at),
            "acr": request.acr,
            "max_uses": request.max_uses,
        },
    }
    return canonical_json(record)


def _pii_processing(request: ConsentRequest) -> dict[str, object]:
    purpose, language = PURPOSES[request.purpose], request.language
    return {
        "privacy_notice": purpose.explanation.of(language),
        "language": language,
        "purposes": [
            {
                "purpose": purpose.code,
                "purpose_description": purpose.label.of(language),
                "purpose_type": purpose.purpose_type,
                "lawful_basis": "consent",
                "pii_information": [
                    _pii_information(item, language)
                    for name, item in ITEMS.items()
                    if name in request.items
                ],
                "pii_controllers": [request.partner_id],
                "collection_method": _COLLECTION_METHOD.of(language),
                "processing_method": "electronic",
                "storage_locations": ["RU"],
                "retention_period": duration(request.retention),
                "jurisdiction": ["RU"],
                "recipient_third_parties": [],
                "withdrawal_method": _WITHDRAWAL_METHOD.of(language),
                "privacy_rights": _PRIVACY_RIGHTS.of(language),
            }
        ],
    }


def _pii_information(item: Item, language: Language) -> dict[str, object]:
    return {
        "pii_attribute_id": item.name,
        "pii_type": item.kind.value,
        "pii_description": item.label.of(language),
        "pii_source": item.origin.of(language),
        "pii_optional": False,
        "sensitive_pii_category": item.sensitivity is not Sensitivity.ORDINARY,
        "special_pii_category": item.sensitivity is Sensitivity.SPECIAL,
    }


def receipt_of(record: ConsentRecord, *, issued_at: datetime) -> dict[str, object]:
    """Return the receipt of a consent, as the person downloads it.

    Args:
        record: The consent; its signature's payload becomes `record`, byte for byte what was
            agreed to. Verify it first (`consent.signature.verify_record`).
        issued_at: Now.

    Source:
        ISO/IEC TS 27560:2023, 6.4.
    """
    payload = json.loads(_payload_of(record.signature))
    events: list[object] = list(payload["events"])
    ending = record.ending_at(issued_at)
    if ending is not None:
        events.append(
            {
                "event_time": instant(record.ended_at or record.expires_at),
                "event_type": "explicit" if ending == "withdrawn" else "implicit",
                "event_state": f"consent_{ending.value}",
            }
        )
    return {
        "receipt_metadata": {
            "schema_version": SCHEMA_VERSION,
            "receipt_id": f"{record.consent_id}/{int(issued_at.timestamp())}",
            "pii_principal_id": record.subject,
            "issued_at": instant(issued_at),
        },
        "consent_record": payload,
        "events": events,
        "signature": record.signature,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFacts:
    """The facts of a signed record that a row must agree with."""

    record_id: str
    subject: str
    client_id: str
    partner_id: str
    partner_name: str
    purpose: str
    items: frozenset[str]
    given_at: str
    expires_at: str
    retention: str
    relation: str
    acr: str
    language: str
    max_uses: int | None


def facts_of_payload(payload: bytes) -> SignedFacts:
    """Return the facts that a signed record states.

    Raises:
        KeyError, IndexError, TypeError, ValueError: It is not a record of this schema.
    """
    record = json.loads(payload)
    if record["schema_version"] != SCHEMA_VERSION:
        raise ValueError("another schema version")
    processing, own = record["pii_processing"], record["civitas"]
    (purpose,), (party,), (event,) = (
        processing["purposes"],
        record["party_identification"],
        record["events"],
    )
    return SignedFacts(
        record_id=record["record_id"],
        subject=record["pii_principal_id"],
        client_id=own["client_id"],
        partner_id=party["party_id"],
        partner_name=party["party_name"],
        purpose=purpose["purpose"],
        items=frozenset(item["pii_attribute_id"] for item in purpose["pii_information"]),
        given_at=event["event_time"],
        expires_at=own["expires_at"],
        retention=purpose["retention_period"],
        relation=event["entity_id"],
        acr=own["acr"],
        language=processing["language"],
        max_uses=own["max_uses"],
    )


def facts_of_record(record: ConsentRecord) -> SignedFacts:
    """Return the facts that a row states, in the same form."""
    return SignedFacts(
        record_id=str(record.consent_id),
        subject=record.subject,
        client_id=record.client_id,
        partner_id=record.partner_id,
        partner_name=record.partner_name,
        purpose=record.purpose,
        items=frozenset(record.items),
        given_at=instant(record.given_at),
        expires_at=instant(record.expires_at),
        retention=duration(record.retention),
        relation=record.given_by.relation.value,
        acr=record.acr,
        language=record.language,
        max_uses=record.max_uses,
    )


def canonical_json(value: Mapping[str, object]) -> bytes:
    """Write JSON in canonical form.

    Equal to RFC 8785 for what we sign: ASCII member names, texts, whole numbers, booleans.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def instant(at: datetime) -> str:
    """Write an instant as RFC 3339 in UTC with microseconds, as the database keeps them."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def duration(length: timedelta) -> str:
    """Write a duration as ISO 8601: whole days where it is whole days, else seconds."""
    seconds = int(length.total_seconds())
    days, rest = divmod(seconds, 86_400)
    return f"P{days}D" if rest == 0 else f"PT{seconds}S"


def _payload_of(signature: str) -> bytes:
    return b64url_decode(signature.split(".")[1])
