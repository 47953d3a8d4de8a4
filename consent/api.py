"""What other contexts may call. The rule and its SQL form stay here."""

from consent.catalogue import (
    ITEMS,
    PURPOSES,
    SCOPE_ITEMS,
    SIGN_IN,
    get_purpose,
)
from consent.decision import Covered, Decision, NotCovered
from consent.disclosure import parse_disclosure
from consent.errors import ConsentAlreadyEnded, ConsentNotAuthentic, InvalidDisclosure
from consent.events import CONSENT_ENDED_TASK
from consent.model import (
    AUTHORIZATION_DETAILS_TYPE,
    ConsentRecord,
    ConsentRequest,
    Disclosure,
    Ending,
    GivenBy,
    Item,
    ItemKind,
    ItemName,
    Purpose,
    PurposeCode,
    Relation,
    Sensitivity,
    Words,
)
from consent.service import (
    decide_disclosure,
    end_at_death,
    get_consent,
    give,
    issue_receipt,
    list_consents,
    withdraw,
    withdraw_for,
)
from consent.store import covering_consent, spend_use

__all__ = [
    "AUTHORIZATION_DETAILS_TYPE",
    "CONSENT_ENDED_TASK",
    "ITEMS",
    "PURPOSES",
    "SCOPE_ITEMS",
    "SIGN_IN",
    "ConsentAlreadyEnded",
    "ConsentNotAuthentic",
    "ConsentRecord",
    "ConsentRequest",
    "Covered",
    "Decision",
    "Disclosure",
    "Ending",
    "GivenBy",
    "InvalidDisclosure",
    "Item",
    "ItemKind",
    "ItemName",
    "NotCovered",
    "Purpose",
    "PurposeCode",
    "Relation",
    "Sensitivity",
    "Words",
    "covering_consent",
    "decide_disclosure",
    "end_at_death",
    "get_consent",
    "get_purpose",
    "give",
    "issue_receipt",
    "list_consents",
    "parse_disclosure",
    "spend_use",
    "withdraw",
    "withdraw_for",
]
