"""Consents that are valid by default; a test overrides what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from consent.model import (
    ConsentRecord,
    ConsentRequest,
    GivenBy,
    ItemName,
    PurposeCode,
    Relation,
)
from kernel.ids import ClientId, ConsentId, PartnerId, PersonId, new_id

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ANNA = PersonId(UUID("01930000-0000-7000-8000-00000000a00a"))
BORIS = PersonId(UUID("01930000-0000-7000-8000-00000000b00b"))


def names(*items: str) -> frozenset[ItemName]:
    return frozenset(ItemName(item) for item in items)


def a_request(**override: object) -> ConsentRequest:
    person_id = cast("PersonId", override.get("person_id", ANNA))
    values: dict[str, Any] = {
        "person_id": person_id,
        "subject": "s" * 43,
        "client_id": ClientId("bank-web"),
        "partner_id": PartnerId("bank"),
        "partner_name": "Банк «Восход»",
        "purpose": PurposeCode("account_opening"),
        "items": names("family_name", "birthdate", "passport"),
        "expires_at": NOON + timedelta(days=30),
        "retention": timedelta(days=365),
        "given_by": GivenBy(relation=Relation.SELF, person_id=person_id),
        "acr": "confirmed",
        "language": "ru",
    }
    return ConsentRequest(**(values | override))


def a_record(**override: object) -> ConsentRecord:
    request = a_request(person_id=override.get("person_id", ANNA))
    values: dict[str, Any] = {
        name: getattr(request, name) for name in ConsentRequest.__dataclass_fields__
    }
    values |= {
        "consent_id": ConsentId(new_id(NOON)),
        "given_at": NOON,
        "signature": "not.a.signature",
    }
    return ConsentRecord(**(values | override))
