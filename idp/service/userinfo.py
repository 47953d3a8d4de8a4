"""The slow path of a read that was refused: find the reason, write it down, say it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import NoReturn

from sqlalchemy.orm import Session, sessionmaker

from audit.api import NewEntry, record_access
from consent.api import SIGN_IN, Covered, ItemName, decide_disclosure
from idp.errors import InsufficientScope, InvalidResourceProof, InvalidToken
from idp.model import VerifiedToken
from idp.store.grants import find_person_of_grant
from idp.token_verification import challenge
from kernel.db import unit_of_work_of

READ_ACTION = "idp.userinfo.read"

_REASONS: Mapping[str, str] = {
    "never_given": "The person has not consented to this.",
    "withdrawn": "The person has withdrawn the consent.",
    "expired": "The consent has expired.",
    "used_up": "The consent has been used up.",
    "ended": "The consent has ended.",
    "items_missing": "The consent does not cover everything that is asked for.",
    "record_missing": "There is no record to read.",
}


def refuse_read(
    sessions: sessionmaker[Session],
    token: VerifiedToken,
    attempt: NewEntry,
    *,
    is_proof_fresh: bool,
    is_live: bool,
    at: datetime,
) -> NoReturn:
    """Refuse a read that the hot statement did not allow, and let the person see the attempt.

    Args:
        sessions: Opens a transaction of its own: the hot one has ended.
        token: As verified.
        attempt: The entry that would have been written.
        is_proof_fresh: Whether the proof had not been used.
        is_live: Whether the grant was live.
        at: Now.

    Raises:
        InvalidResourceProof: 401. The proof was used before.
        InvalidToken: 401. The grant was revoked or has expired.
        InsufficientScope: 403. No live consent covers it.
    """
    scheme = "bearer" if token.jkt is None else "dpop"
    with unit_of_work_of(sessions) as session:
        assert token.grant_id is not None
        person_id = find_person_of_grant(session, token.grant_id)
        reason = "proof_replayed" if not is_proof_fresh else "token_revoked"
        if is_proof_fresh and is_live and person_id is not None:
            decision = decide_disclosure(
                session,
                person_id,
                client_id=token.client_id,
                purpose=SIGN_IN,
                items=frozenset(ItemName(item) for item in attempt.items),
                at=at,
            )
            reason = "record_missing" if isinstance(decision, Covered) else decision.reason
        if person_id is not None:
            record_access(
                session, replace(attempt, outcome="refused", reason=reason), person_id=person_id
            )
    if reason == "proof_replayed":
        raise InvalidResourceProof(
            "The DPoP proof was used before.",
            headers=challenge("dpop", "invalid_dpop_proof"),
            reason=reason,
        )
    if reason == "token_revoked":
        raise InvalidToken(headers=challenge(scheme, "invalid_token"), reason=reason)
    raise InsufficientScope(
        _REASONS[reason], headers=challenge(scheme, "insufficient_scope"), reason=reason
    )
