"""Accounts: make one, sign in to one."""

from datetime import datetime

from sqlalchemy.orm import Session

from idp.assurance import AssuranceLevel
from idp.model import Account, SignedIn
from idp.passwords import PasswordHasher
from kernel.ids import PersonId
from kernel.keyring import Keyring
from kernel.secret import Secret


def create_account(
    session: Session,
    keyring: Keyring,
    hasher: PasswordHasher,
    *,
    person_id: PersonId,
    username: str,
    password: Secret[str],
    level: AssuranceLevel,
    at: datetime,
) -> Account:
    """Give a person the ability to sign in.

    Raises:
        UsernameTaken: 409.
        UnacceptablePassword: 422.
    """
    raise NotImplementedError


def sign_in(
    session: Session,
    keyring: Keyring,
    hasher: PasswordHasher,
    *,
    username: str,
    password: Secret[str],
    address: str,
    at: datetime,
) -> SignedIn:
    """Authenticate a person by password.

    Args:
        address: Of the browser, as the trusted proxy or the socket tells it; throttled too.

    Raises:
        SignInFailed: 401. Unknown name, wrong password, disabled, throttled: one answer, the same
            time. The attempt is counted (writes kept).
    """
    raise NotImplementedError
