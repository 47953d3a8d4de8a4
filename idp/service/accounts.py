"""Accounts: make one, sign in to one."""

import unicodedata
from datetime import datetime

from sqlalchemy.orm import Session

from idp.assurance import PASSWORD, AssuranceLevel
from idp.errors import SignInFailed, UsernameTaken
from idp.model import Account, SignedIn
from idp.passwords import PasswordHasher, PasswordMismatch, check_password
from idp.service.attempts import ACCOUNTS
from idp.service.closing import tell_register
from idp.store import accounts as store
from kernel.envelope import associated_data
from kernel.errors import Conflict
from kernel.ids import AccountId, PersonId, new_id
from kernel.keyring import Keyring
from kernel.secret import Secret
from population_register.api import members_of

_USERNAME_INDEX = "username"
_LONGEST_USERNAME = 254  # characters; an e-mail address fits (RFC 5321, 4.5.3.1.3)


def canonical_username(username: str) -> str:
    """Return the form under which a sign-in name is found: what looks the same is the same."""
    return unicodedata.normalize("NFKC", username).casefold().strip()


def _is_legible(name: str) -> bool:
    """Tell whether a name has nothing that is not seen, and no word of two alphabets.

    With either, a new name could look like one that there is.
    """
    if any(unicodedata.category(character)[0] in "CZ" for character in name):
        return False
    words = "".join(character if character.isalpha() else " " for character in name).split()
    return all(
        len({unicodedata.name(letter, "").partition(" ")[0] for letter in word}) == 1
        for word in words
    )


def username_digest(keyring: Keyring, username: str) -> bytes:
    """Return under what a sign-in name is found."""
    return keyring.blind_index(_USERNAME_INDEX, canonical_username(username))


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
        UsernameTaken: 409. Somebody has this name.
        Conflict: 409. The person died.
        UnacceptablePassword: 422. Too short, too long, or guessed first.

    Transaction:
        The password is hashed before anything is locked.
    """
    name = canonical_username(username)
    if not 0 < len(name) <= _LONGEST_USERNAME or not _is_legible(name):
        raise UsernameTaken("This sign-in name can't be used.")
    check_password(password, username=name)
    username_digest = keyring.blind_index(_USERNAME_INDEX, name)
    # Only to save the hashing: it is the insertion that decides.
    if store.find_by_username(session, username_digest) is not None:
        raise UsernameTaken
    account = Account(
        account_id=AccountId(new_id(at)), person_id=person_id, level=level, created_at=at
    )
    encoded = hasher.hash(password)
    members = members_of(session, person_id)
    store.lock_accounts(session, members)
    if not store.take_name(session, account, username_digest=username_digest):
        raise UsernameTaken
    is_open = store.open_account(
        session, account, members=members, password_hash_sealed=_seal(keyring, account, encoded)
    )
    if not is_open:
        raise Conflict("No account is opened for somebody who died.")
    tell_register(session, person_id)
    return account


def sign_in(
    session: Session,
    keyring: Keyring,
    hasher: PasswordHasher,
    *,
    username: str,
    password: Secret[str],
    address: str,
    browser: str | None = None,
    at: datetime,
) -> SignedIn:
    """Authenticate a person by password.

    A name that does not exist costs as much time as one that does. Who has to wait is not
    verified at all, and a right password that arrives among too many wrong ones is refused too.

    Args:
        session: The open transaction.
        keyring: Opens the hash, finds the name.
        hasher: Verifies the password.
        username: As typed.
        password: As typed.
        address: Of the browser, as a trusted proxy or the socket tells it; throttled like a name.
        browser: What it keeps since somebody signed in from it (`remember_browser`). If that was
            this name, it is counted by itself: neither the name nor the address is locked to it.
        at: Now.

    Raises:
        SignInFailed: 401. Unknown name, wrong password, disabled account, too many attempts: one
            answer for all. The attempt is counted (writes kept).
        TooManyRequests: 429. More sign-ins are waiting than this process verifies. Nothing counted.

    Transaction:
        The counters are written after the hash was verified, so that no row is locked while the
        processor works.
    """
    name = canonical_username(username)
    attempt = ACCOUNTS.attempt(keyring, name, address=address, browser=browser)
    if attempt.must_wait(session, at=at):
        raise SignInFailed(reason="throttled")
    found = store.find_by_username(session, keyring.blind_index(_USERNAME_INDEX, name))
    encoded = None if found is None else _unseal(keyring, found)
    try:
        hasher.verify(password, encoded)
    except PasswordMismatch as error:
        attempt.failed(session, at=at)
        reason = "wrong password" if found else "unknown name"
        raise SignInFailed(reason=reason) from error
    assert found is not None  # `verify` refuses when there is no hash
    assert encoded is not None
    account = found.account
    if account.disabled_at is not None:
        raise SignInFailed(reason="disabled", account_id=account.account_id)
    if not attempt.succeeded(session, at=at):
        raise SignInFailed(reason="throttled in a race", account_id=account.account_id)
    if hasher.needs_rehash(encoded):
        store.replace_password_hash(
            session,
            account,
            password_hash_sealed=_seal(keyring, account, hasher.hash(password)),
        )
    return SignedIn(
        account_id=account.account_id,
        person_id=account.person_id,
        level=account.level,
        amr=PASSWORD,
        auth_time=at,
    )


def remember_browser(keyring: Keyring, browser: str | None, username: str) -> str:
    """Return what a browser is to keep after somebody has signed in from it; see `sign_in`."""
    return ACCOUNTS.remember_browser(keyring, browser, canonical_username(username))


def _place(account: Account) -> bytes:
    return associated_data(
        "accounts", "password_hash_sealed", account.person_id, account.account_id
    )


def _seal(keyring: Keyring, account: Account, encoded: str) -> bytes:
    return keyring.seal_system(encoded.encode(), associated_data=_place(account))


def _unseal(keyring: Keyring, found: store.StoredPassword) -> str:
    return keyring.unseal_system(
        found.password_hash_sealed, associated_data=_place(found.account)
    ).decode()
