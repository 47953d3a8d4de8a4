"""Sign in through a regional system, and connect an account there with one here.

An account there is known by issuer and `sub`, and by nothing else. A link comes about in two ways:

- Somebody who is signed in, a moment ago, connects it, and confirms it when they come back.
- An upstream that is trusted to identify people asserts a national number that one person has.
  Whoever has an account already signs in to it, once, with what opens it here; only somebody who
  has none gets one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from sqlalchemy.orm import Session

from audit.api import Actor, NewEntry, record_access
from idp.errors import SignInFailed, UpstreamAlreadyLinked, UpstreamGone, UpstreamPersonUnknown
from idp.events import UpstreamLinked, UpstreamUnlinked
from idp.model import Account, SignedIn, SignInSession
from idp.provider import Provider
from idp.service.closing import tell_register
from idp.service.upstream_requests import (
    Kept,
    find_confirmation,
    keep_to_confirm,
    spend_confirmation,
)
from idp.store import upstreams as store
from idp.store.accounts import lock_accounts, open_account
from idp.store.upstreams import UpstreamLink
from idp.upstream import (
    FRESH,
    IDENTIFIES_FROM,
    Asserted,
    ToConfirm,
    Upstream,
    UpstreamRequest,
)
from kernel.envelope import associated_data
from kernel.errors import InvalidRequest, NotFound
from kernel.ids import AccountId, EntryId, PersonId, new_id
from kernel.secret import Secret
from population_register.api import IdentifierKind, ValueRefused, find_person, members_of

_SUBJECT_INDEX = "upstream.subject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """Somebody signed in through a link that there is."""

    signed_in: SignedIn
    return_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MustConfirm:
    """A link would come about; the person has to say so."""

    kept: Kept


Settled: TypeAlias = Entered | MustConfirm


def get_upstream(
    session: Session, provider: Provider, upstream_id: str
) -> tuple[Upstream, Secret[str]]:
    """Return an upstream provider that is in use, and our credential there.

    Raises:
        NotFound: 404. Unknown, or out of use.
    """
    found = store.find_upstream(session, upstream_id)
    if found is None:
        raise NotFound
    upstream, sealed = found
    opened = provider.keyring.unseal_system(sealed, associated_data=credential_place(upstream_id))
    return upstream, Secret(opened.decode())


def credential_place(upstream_id: str) -> bytes:
    """Return to what our credential at an upstream provider is bound."""
    return associated_data("upstreams", "credential_sealed", upstream_id)


def offered(session: Session) -> Sequence[Upstream]:
    """Return the upstream providers that are in use."""
    return [each for each in store.list_upstreams(session) if each.disabled_at is None]


def settle(
    session: Session,
    provider: Provider,
    upstream: Upstream,
    request: UpstreamRequest,
    asserted: Asserted,
    *,
    sign_in: SignInSession | None,
    at: datetime,
) -> Settled:
    """Find out who somebody is here who signed in there.

    Args:
        session: The open transaction.
        provider: Ourselves.
        upstream: Where they signed in.
        request: With which they were sent there.
        asserted: What it said of them.
        sign_in: Who is signed in in this browser.
        at: Now.

    Returns:
        `Entered` if a link says who they are; `MustConfirm` if one would come about.

    Raises:
        UpstreamPersonUnknown: 403. No link, and no person who is found by a number; or the
            account is disabled. The caller can't tell which.
        UpstreamAlreadyLinked: 409. What is to be connected is connected already.
        UpstreamGone: 410. Whoever wanted to connect is not signed in any more.

    Transaction:
        Whoever is found by a number is found by one transaction at a time.
    """
    known = store.find_account_of_subject(session, subject_digest(provider, upstream, asserted.sub))
    if request.kind == "link":
        if known is not None:
            raise UpstreamAlreadyLinked(reason="the account there")
        _check_same(sign_in, request.session_id)
        assert request.person_id is not None
        to_connect = ToConfirm(
            asserted=replace(asserted, snils=None),
            return_to=request.return_to,
            person_id=request.person_id,
            account_id=request.account_id,
            session_id=request.session_id,
            is_by_number=False,
        )
        return _to_confirm(session, provider, upstream, to_connect, at=at)
    if known is not None:
        store.note_use(session, known, upstream.upstream_id, at=at)
        return Entered(signed_in=_signed_in(known, asserted), return_to=request.return_to)
    return _bring_by_number(session, provider, upstream, request, asserted, at=at)


def _bring_by_number(
    session: Session,
    provider: Provider,
    upstream: Upstream,
    request: UpstreamRequest,
    asserted: Asserted,
    *,
    at: datetime,
) -> Settled:
    """Find the person by number; open the account of one who has none yet."""
    person_id = _find_by_number(session, provider, upstream, asserted)
    # Of several persons who are one, an account of any is theirs.
    members = members_of(session, person_id)
    # Of two regions that bring a person at once, one opens the account that the other then finds.
    lock_accounts(session, members)
    accounts = [each for member in members for each in store.list_accounts(session, member)]
    if any(account.disabled_at is not None for account in accounts):
        raise UpstreamPersonUnknown(reason="an account of the person is disabled")
    if accounts:
        to_confirm = ToConfirm(
            asserted=replace(asserted, snils=None),
            return_to=request.return_to,
            person_id=person_id,
            is_by_number=True,
        )
        return _to_confirm(session, provider, upstream, to_confirm, at=at)
    account = Account(
        account_id=AccountId(new_id(at)),
        person_id=person_id,
        level=asserted.level,
        created_at=at,
    )
    if not open_account(session, account, members=members):
        raise UpstreamPersonUnknown(reason="the person died")
    tell_register(session, person_id)
    _link(session, provider, upstream, account, asserted.sub, at=at)
    return Entered(signed_in=_signed_in(account, asserted), return_to=request.return_to)


def confirm(
    session: Session,
    provider: Provider,
    *,
    confirmation_id: str,
    binding: str | None,
    sign_in: SignInSession | None,
    signed_in: SignedIn | None,
    at: datetime,
) -> SignedIn | None:
    """Make the link that a person confirmed.

    Args:
        session: The open transaction.
        provider: Ourselves.
        confirmation_id: Names it.
        binding: From the browser's cookie.
        sign_in: Who is signed in in this browser.
        signed_in: Who signed in a moment ago, to confirm; from `accounts.sign_in`.
        at: Now.

    Returns:
        Who is signed in by that; None if somebody was already.

    Raises:
        UpstreamGone: 410. It is not there any more, or not this person's.
        SignInFailed: 401. Who signed in is not whom the number names.
        UpstreamAlreadyLinked: 409. What is to be connected is connected already.

    Transaction:
        Of many that confirm at once, one does.
    """
    upstream, it = find_confirmation(
        session, provider, confirmation_id=confirmation_id, binding=binding, at=at
    )
    if it.is_by_number:
        if signed_in is None or signed_in.person_id not in members_of(session, it.person_id):
            # To whoever types it, a password that is somebody else's is a wrong one.
            raise SignInFailed(reason="somebody else signed in")
        account_id, person_id = signed_in.account_id, signed_in.person_id
    else:
        _check_same(sign_in, it.session_id)
        assert it.account_id is not None
        account_id, person_id = it.account_id, it.person_id
    spend_confirmation(session, upstream, confirmation_id=confirmation_id, binding=binding, at=at)
    account = next(
        each for each in store.list_accounts(session, person_id) if each.account_id == account_id
    )
    _link(session, provider, upstream, account, it.asserted.sub, at=at)
    if signed_in is None:
        return None
    amr = tuple(dict.fromkeys((*signed_in.amr, *it.asserted.amr)))
    return replace(signed_in, amr=amr)


def list_links(session: Session, sign_in: SignInSession) -> Sequence[tuple[Upstream, UpstreamLink]]:
    """Return which accounts elsewhere open the account of a session."""
    known = {each.upstream_id: each for each in store.list_upstreams(session)}
    links = store.list_links(session, sign_in.person_id, sign_in.account_id)
    return [(known[link.upstream_id], link) for link in links]


def unlink(
    session: Session, provider: Provider, sign_in: SignInSession, upstream_id: str, *, at: datetime
) -> None:
    """Take away that an account there opens the account of a session.

    Raises:
        NotFound: 404. It does not.
        InvalidRequest: 400. Nothing else opens the account.

    Transaction:
        One person's links are taken away one after the other.
    """
    # Of two ways that are taken away at once, the second is looked at when the first is gone.
    lock_accounts(session, [sign_in.person_id])
    if not can_unlink(session, sign_in):
        raise InvalidRequest("It is the only way to sign in to this account.")
    if not store.delete_link(session, sign_in.person_id, sign_in.account_id, upstream_id):
        raise NotFound
    _write_down(session, provider, sign_in.person_id, UpstreamUnlinked.action, upstream_id, at=at)


def can_unlink(session: Session, sign_in: SignInSession) -> bool:
    """Tell whether something would still open the account if one link were taken away."""
    links = store.list_links(session, sign_in.person_id, sign_in.account_id)
    return len(links) > 1 or store.has_password(session, sign_in.person_id, sign_in.account_id)


def is_fresh(sign_in: SignInSession, *, at: datetime) -> bool:
    """Tell whether somebody signed in recently enough to connect another way to sign in."""
    return at - sign_in.auth_time <= FRESH


def subject_digest(provider: Provider, upstream: Upstream, sub: str) -> bytes:
    """Return under what an account there is found: issuer and `sub` together."""
    return provider.keyring.blind_index(_SUBJECT_INDEX, f"{upstream.issuer} {sub}")


def _check_same(sign_in: SignInSession | None, session_id: object) -> None:
    if sign_in is None or sign_in.session_id != session_id:
        raise UpstreamGone(reason="another session")


def _signed_in(account: Account, asserted: Asserted) -> SignedIn:
    """Return who signed in: never worth more than the account, nor than the upstream's word."""
    if account.disabled_at is not None:
        raise UpstreamPersonUnknown(reason="disabled")
    return SignedIn(
        account_id=account.account_id,
        person_id=account.person_id,
        level=min(account.level, asserted.level),
        amr=asserted.amr,
        auth_time=asserted.auth_time,
    )


def _find_by_number(
    session: Session, provider: Provider, upstream: Upstream, asserted: Asserted
) -> PersonId:
    if not upstream.identifies or asserted.snils is None or asserted.level < IDENTIFIES_FROM:
        raise UpstreamPersonUnknown(reason="not linked")
    try:
        found = find_person(session, provider.keyring, IdentifierKind.SNILS, asserted.snils)
    except ValueRefused as error:
        raise UpstreamPersonUnknown(reason="malformed number") from error
    if found is None:
        raise UpstreamPersonUnknown(reason="nobody, or several, have the number")
    return found


def _to_confirm(
    session: Session,
    provider: Provider,
    upstream: Upstream,
    to_confirm: ToConfirm,
    *,
    at: datetime,
) -> MustConfirm:
    return MustConfirm(kept=keep_to_confirm(session, provider, upstream, to_confirm, at=at))


def _link(
    session: Session,
    provider: Provider,
    upstream: Upstream,
    account: Account,
    sub: str,
    *,
    at: datetime,
) -> None:
    is_new = store.insert_link(
        session,
        person_id=account.person_id,
        account_id=account.account_id,
        upstream_id=upstream.upstream_id,
        subject_digest=subject_digest(provider, upstream, sub),
        at=at,
    )
    if not is_new:
        raise UpstreamAlreadyLinked(reason="in a race, or another account of that region")
    _write_down(
        session, provider, account.person_id, UpstreamLinked.action, upstream.upstream_id, at=at
    )


def _write_down(
    session: Session,
    provider: Provider,
    person_id: PersonId,
    action: str,
    upstream_id: str,
    *,
    at: datetime,
) -> None:
    """Let the person see it in the access log; `items` names the region."""
    pseudonym = provider.keyring.pseudonym("audit", person_id)
    entry = NewEntry(
        entry_id=EntryId(new_id(at)),
        action=action,
        outcome="allowed",
        actor=Actor(kind="person", id=pseudonym),
        subject=pseudonym,
        items=(f"upstream:{upstream_id}",),
        occurred_at=at,
    )
    record_access(session, entry, person_id=person_id)
