"""Officials: enter them, disable them, let them sign in to the desk and out."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from idp.errors import OperatorRefused, OperatorSignInFailed, UnknownOperator
from idp.operators import (
    CODE_WITHIN,
    SESSION_IDLE,
    SHORTEST_PASSWORD,
    Operator,
    OperatorRole,
    is_identifier,
    is_name,
)
from idp.passwords import PasswordHasher, PasswordMismatch, check_password
from idp.service import second_factors
from idp.service.accounts import canonical_username
from idp.service.attempts import DESK
from idp.store import operators as store
from kernel.envelope import associated_data
from kernel.keyring import Keyring
from kernel.secret import Secret


def add_operator(
    session: Session,
    keyring: Keyring,
    hasher: PasswordHasher,
    *,
    operator_id: str,
    name: str,
    roles: Collection[OperatorRole],
    password: Secret[str],
    at: datetime,
) -> Operator:
    """Enter an official.

    Raises:
        OperatorRefused: 400. No such identifier is possible, no name, no role, or the identifier
            was given before: it names one official in access logs for ever.
        UnacceptablePassword: 422. Too short, too long, or guessed first.
    """
    if not is_identifier(operator_id) or not is_name(name) or not roles:
        raise OperatorRefused
    # Only to save the hashing: it is the insertion that decides.
    if store.find_operator(session, operator_id) is not None:
        raise OperatorRefused("This identifier was given before.")
    _check_password(password, operator_id)
    operator = Operator(
        operator_id=operator_id, name=name.strip(), roles=frozenset(roles), created_at=at
    )
    sealed = _seal(keyring, operator_id, hasher.hash(password))
    if not store.insert_operator(session, operator, password_hash_sealed=sealed):
        raise OperatorRefused("This identifier was given before.")
    return operator


def change_operator_password(
    session: Session,
    keyring: Keyring,
    hasher: PasswordHasher,
    *,
    operator_id: str,
    password: Secret[str],
    at: datetime,
) -> None:
    """Give an official another password; their sessions end.

    The second factor stays.

    Raises:
        UnknownOperator: 404. There is no such official.
        UnacceptablePassword: 422. Too short, too long, or guessed first.
    """
    if store.find_operator(session, operator_id) is None:
        raise UnknownOperator
    _check_password(password, operator_id)
    sealed = _seal(keyring, operator_id, hasher.hash(password))
    store.replace_password(session, operator_id, password_hash_sealed=sealed, at=at)


def disable_operator(session: Session, operator_id: str, *, at: datetime) -> None:
    """Let an official do nothing any more, at once.

    Raises:
        UnknownOperator: 404. There is no such official, or they are disabled.
    """
    if not store.disable_operator(session, operator_id, at=at):
        raise UnknownOperator


def verify_operator(
    session: Session,
    keyring: Keyring,
    hasher: PasswordHasher,
    *,
    operator_id: str,
    password: Secret[str],
    address: str,
    browser: str | None = None,
    at: datetime,
) -> Secret[str]:
    """Begin a sign-in to the desk by the password; return the cookie that it goes on with.

    A name that does not exist costs as much time as one that does. A right password opens nothing
    and forgives nothing: that does the code (`second_factors.complete`).

    Args:
        session: The open transaction.
        keyring: Opens the hash.
        hasher: Verifies the password.
        operator_id: As typed.
        password: As typed.
        address: Of the browser; throttled like a name.
        browser: What it keeps since an official signed in from it (`remember_desk_browser`).
        at: Now.

    Raises:
        OperatorSignInFailed: 401. Unknown, disabled, wrong password, too many attempts: one answer
            for all. The attempt is counted (writes kept).
        TooManyRequests: 429. More sign-ins are waiting than this process verifies.
    """
    name = canonical_username(operator_id)
    attempt = DESK.attempt(keyring, name, address=address, browser=browser)
    if attempt.must_wait(session, at=at):
        raise OperatorSignInFailed(reason="throttled")
    found = store.find_operator(session, name) if is_identifier(name) else None
    encoded = None if found is None else _unseal(keyring, found)
    try:
        hasher.verify(password, encoded)
    except PasswordMismatch as error:
        attempt.failed(session, at=at)
        raise OperatorSignInFailed(reason="wrong password" if found else "unknown name") from error
    assert found is not None  # `verify` refuses when there is no hash
    assert encoded is not None
    if found.operator.disabled_at is not None:
        raise OperatorSignInFailed(reason="disabled")
    if not attempt.may_go_on(session, at=at):
        raise OperatorSignInFailed(reason="throttled in a race")
    if not store.lock_verified(session, found):
        raise OperatorSignInFailed(reason="changed in a race")
    if hasher.needs_rehash(encoded):
        sealed = _seal(keyring, name, hasher.hash(password))
        store.replace_hash(session, name, password_hash_sealed=sealed)
    return second_factors.begin(session, keyring, name, at=at, expires_at=at + CODE_WITHIN)


def remember_desk_browser(keyring: Keyring, browser: str | None, operator_id: str) -> str:
    """Return what a browser is to keep after an official has signed in from it."""
    return DESK.remember_browser(keyring, browser, canonical_username(operator_id))


def find_operator_by_cookie(
    session: Session, cookie: str | None, *, at: datetime
) -> Operator | None:
    """Return who sits at the desk, and note that the session was used; None if nobody does."""
    digest = second_factors.session_digest(cookie)
    if digest is None:
        return None
    return store.use_session(session, digest, at=at, used_since=at - SESSION_IDLE)


def sign_out_operator(session: Session, cookie: str | None) -> None:
    """End the session of a browser, if it has one."""
    digest = second_factors.session_digest(cookie)
    if digest is not None:
        store.end_session(session, digest)


def _check_password(password: Secret[str], operator_id: str) -> None:
    check_password(password, username=operator_id, shortest=SHORTEST_PASSWORD)


def _place(operator_id: str) -> bytes:
    return associated_data("operators", "password_hash_sealed", operator_id)


def _seal(keyring: Keyring, operator_id: str, encoded: str) -> bytes:
    return keyring.seal_system(encoded.encode(), associated_data=_place(operator_id))


def _unseal(keyring: Keyring, found: store.StoredOperator) -> str:
    place = _place(found.operator.operator_id)
    return keyring.unseal_system(found.password_hash_sealed, associated_data=place).decode()
