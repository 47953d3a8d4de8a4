"""Close the accounts of a person who died, and open them again if that was a mistake.

The register learns in the same transaction who has a confirmed account.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from idp.service.sessions import end_session
from idp.store import accounts, grants, sessions
from kernel.ids import PersonId
from population_register.api import set_account_holder


def close_accounts(session: Session, person_id: PersonId, *, at: datetime) -> None:
    """Let nobody sign in as a person any more; end the sessions, revoke what was allowed.

    Doing it again changes nothing.

    Transaction:
        All of it in the caller's; the clients of the sessions are told by jobs.
    """
    accounts.close_person(session, person_id, at)
    tell_register(session, person_id)
    for session_id in sessions.find_open(session, person_id):
        end_session(session, person_id, session_id, at=at)
    grants.revoke_grants_of_person(session, person_id, reason="person died", at=at)


def reopen_accounts(session: Session, person_id: PersonId) -> None:
    """Let the person sign in again. What was revoked stays so: it is theirs to allow anew."""
    accounts.reopen_person(session, person_id)
    tell_register(session, person_id)


def tell_register(session: Session, person_id: PersonId) -> None:
    """Tell the register whether a person has a confirmed account: it joins no two such by itself.

    To be called in the transaction that opens or closes one.
    """
    set_account_holder(session, person_id, accounts.confirmed_since(session, person_id))
