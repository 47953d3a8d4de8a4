"""The second factor of officials: offered at the first sign-in, then asked for at each."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from idp.errors import DeskSignInGone, NoSecondFactor, SecondFactorFailed, UnknownOperator
from idp.events import SecondFactorEnrolled, SecondFactorReset
from idp.operators import SESSION
from idp.second_factor import find_step, new_secret
from idp.service.attempts import DESK
from idp.store import operators as sessions
from idp.store import second_factors as store
from kernel.envelope import associated_data
from kernel.ids import new_id
from kernel.keyring import Keyring
from kernel.secret import MalformedToken, Secret, mint_token, parse_token

WAITING_PREFIX = "cvw"
COOKIE_PREFIX = "cvd"

log = structlog.get_logger("idp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the official is asked for after the password.

    Attributes:
        offered: The secret to enrol with; None for who has a second factor.
    """

    operator_id: str
    offered: Secret[bytes] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInAtDesk:
    """Who has signed in, and the cookie of the session."""

    operator_id: str
    cookie: Secret[str]


def begin(
    session: Session, keyring: Keyring, operator_id: str, *, at: datetime, expires_at: datetime
) -> Secret[str]:
    """Let somebody whose password was right go on; return the cookie that carries it.

    Args:
        session: The transaction that verified the password.
        keyring: Seals the secret that is offered to who has none.
        operator_id: Of the official.
        at: Now.
        expires_at: Until when the code has to be here.
    """
    cookie = mint_token(WAITING_PREFIX)
    offered = None
    if store.find_factor(session, operator_id) is None:
        offered = keyring.seal_system(
            new_secret().reveal(), associated_data=_offered_place(operator_id, cookie.digest)
        )
    store.delete_expired_sign_ins(session, operator_id, at=at)
    store.insert_sign_in(
        session,
        store.WaitingSignIn(
            operator_id=operator_id, cookie_digest=cookie.digest, offered_sealed=offered
        ),
        expires_at=expires_at,
    )
    return cookie.token


def find_asked(session: Session, keyring: Keyring, cookie: str | None, *, at: datetime) -> Asked:
    """Return what the official is asked for now.

    Raises:
        DeskSignInGone: 401. No password was given in this browser, or too long ago.
    """
    waiting = _find_waiting(session, cookie, at=at)
    offered = None
    if waiting.offered_sealed is not None:
        offered = Secret(_unseal_offered(keyring, waiting, waiting.offered_sealed))
    return Asked(operator_id=waiting.operator_id, offered=offered)


def complete(
    session: Session,
    keyring: Keyring,
    *,
    cookie: str | None,
    code: str,
    address: str,
    browser: str | None,
    replaces: str | None,
    at: datetime,
) -> SignedInAtDesk:
    """Open a session at the desk for whoever has typed the code of now.

    Wrong codes count like wrong passwords, and a right password alone forgives neither.

    Args:
        session: The open transaction.
        keyring: Opens the secret.
        cookie: What `begin` gave to the browser.
        code: As typed.
        address: Of the browser; throttled like a name.
        browser: What it keeps since an official signed in from it.
        replaces: The cookie of a session that the browser sent along, if any: that session ends.
        at: Now.

    Raises:
        DeskSignInGone: 401. No password was given in this browser, or too long ago; or the second
            factor became another one meanwhile.
        SecondFactorFailed: 401. Wrong, used before, or too many attempts. It is counted (writes
            kept).

    Transaction:
        The factor, then the waiting sign-in, then the session: whoever resets the factor, changes
        the password or disables the official does it in this order too, and ends what is here.
    """
    waiting = _find_waiting(session, cookie, at=at)
    attempt = DESK.attempt(keyring, waiting.operator_id, address=address, browser=browser)
    if attempt.must_wait(session, at=at):
        raise SecondFactorFailed(reason="throttled")
    factor = store.find_factor(session, waiting.operator_id)
    secret = _secret_of(keyring, waiting, factor)
    step = find_step(secret, code, at=at)
    if step is None:
        attempt.failed(session, at=at)
        raise SecondFactorFailed(reason="wrong code")
    if factor is None:
        # Who was first has the factor now, and it is not the one that this browser was offered.
        if not enrol(session, keyring, waiting.operator_id, secret, last_step=step, at=at):
            raise DeskSignInGone(reason="enrolled in a race")
    elif not store.spend_step(session, factor, step):
        attempt.failed(session, at=at)
        raise SecondFactorFailed(reason="used before")
    if not attempt.succeeded(session, at=at):
        raise SecondFactorFailed(reason="throttled in a race")
    if not store.take_sign_in(session, waiting):
        raise DeskSignInGone(reason="completed or ended in a race")
    return _open_session(session, waiting.operator_id, replaces=replaces, at=at)


def enrol(
    session: Session,
    keyring: Keyring,
    operator_id: str,
    secret: Secret[bytes],
    *,
    last_step: int = 0,
    at: datetime,
) -> bool:
    """Give an official a second factor; tell whether they had none.

    Args:
        session: The open transaction.
        keyring: Seals the secret.
        operator_id: Of the official.
        secret: Makes the codes.
        last_step: The last of which a code was used.
        at: Now.
    """
    factor_id = new_id(at)
    sealed = keyring.seal_system(
        secret.reveal(), associated_data=_factor_place(operator_id, factor_id)
    )
    factor = store.StoredFactor(operator_id=operator_id, factor_id=factor_id, secret_sealed=sealed)
    is_first = store.insert_factor(session, factor, last_step=last_step, at=at)
    if is_first:
        log.info(SecondFactorEnrolled.action, operator=operator_id)
    return is_first


def reset_second_factor(session: Session, operator_id: str, *, at: datetime) -> None:
    """Let an official enrol anew at the next sign-in; their sessions end.

    Raises:
        UnknownOperator: 404. There is no such official.
        NoSecondFactor: 409. They have none, and enrol at the next sign-in as it is.

    Transaction:
        In the order of `complete`.
    """
    if sessions.find_operator(session, operator_id) is None:
        raise UnknownOperator
    if not store.reset_factor(session, operator_id, at=at):
        raise NoSecondFactor
    sessions.end_sessions(session, operator_id)
    log.info(SecondFactorReset.action, operator=operator_id)


def session_digest(cookie: str | None) -> bytes | None:
    """Return the digest of a session's cookie; None if it is none of ours."""
    return _digest(cookie, COOKIE_PREFIX)


def _digest(cookie: str | None, prefix: str) -> bytes | None:
    if cookie is None:
        return None
    try:
        return parse_token(cookie, prefix)
    except MalformedToken:
        return None


def _find_waiting(session: Session, cookie: str | None, *, at: datetime) -> store.WaitingSignIn:
    digest = _digest(cookie, WAITING_PREFIX)
    waiting = None if digest is None else store.find_sign_in(session, digest, at=at)
    if waiting is None:
        raise DeskSignInGone
    return waiting


def _secret_of(
    keyring: Keyring, waiting: store.WaitingSignIn, factor: store.StoredFactor | None
) -> Secret[bytes]:
    """Return what makes the code that is asked for."""
    if factor is not None:
        # Who was offered a secret of their own would type its code, and it would be wrong.
        if waiting.offered_sealed is not None:
            raise DeskSignInGone(reason="enrolled elsewhere")
        place = _factor_place(factor.operator_id, factor.factor_id)
        return Secret(keyring.unseal_system(factor.secret_sealed, associated_data=place))
    if waiting.offered_sealed is None:
        raise DeskSignInGone(reason="reset meanwhile")
    return Secret(_unseal_offered(keyring, waiting, waiting.offered_sealed))


def _open_session(
    session: Session, operator_id: str, *, replaces: str | None, at: datetime
) -> SignedInAtDesk:
    replaced = session_digest(replaces)
    if replaced is not None:
        sessions.end_session(session, replaced)
    sessions.delete_expired(session, operator_id, at=at)
    cookie = mint_token(COOKIE_PREFIX)
    sessions.insert_session(
        session, operator_id, cookie_digest=cookie.digest, at=at, expires_at=at + SESSION
    )
    log.info("idp.operator.signed_in", operator=operator_id)
    return SignedInAtDesk(operator_id=operator_id, cookie=cookie.token)


def _factor_place(operator_id: str, factor_id: UUID) -> bytes:
    return associated_data("operator_second_factors", "secret_sealed", operator_id, factor_id)


def _offered_place(operator_id: str, cookie_digest: bytes) -> bytes:
    return associated_data("operator_sign_ins", "offered_sealed", operator_id, cookie_digest)


def _unseal_offered(keyring: Keyring, waiting: store.WaitingSignIn, sealed: bytes) -> bytes:
    place = _offered_place(waiting.operator_id, waiting.cookie_digest)
    return keyring.unseal_system(sealed, associated_data=place)
