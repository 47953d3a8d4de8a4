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
from idp.ring_tokens import UPSTREAM_REQUEST, RingToken
from idp.service.closing import tell_register
from idp.store import upstreams as store
from idp.store.accounts import lock_accounts, open_account
from idp.store.upstreams import UpstreamLink
from idp.upstream import (
    FRESH,
    IDENTIFIES_FROM,
    Asserted,
    Kind,
    ToConfirm,
    Upstream,
    UpstreamRequest,
    dump,
    load_request,
    load_to_confirm,
)
from kernel.envelope import associated_data
from kernel.errors import InvalidRequest, NotFound
from kernel.ids import AccountId, EntryId, PersonId, new_id
from kernel.secret import MalformedToken, Secret, mint_token, parse_token, random_b64url
from population_register.api import IdentifierKind, ValueRefused, find_person, members_of

BINDING_PREFIX = "cvw"
_SUBJECT_INDEX = "upstream.subject"
_VERIFIER_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the browser carries until it comes back: a name in the address, a value in a cookie."""

    token: Secret[str]
    binding: Secret[str]
    stored: RingToken


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


def new_request(
    *,
    return_to: str,
    max_age: int,
    is_renewed: bool,
    link_to: SignInSession | None = None,
    at: datetime,
) -> UpstreamRequest:
    """Begin a sign-in upstream.

    Args:
        return_to: An address of ours.
        max_age: How long ago the person may have authenticated there, in seconds.
        is_renewed: Whether they have to authenticate anew.
        link_to: Whose account is to be connected; None to sign in.
        at: Now.
    """
    return UpstreamRequest(
        kind="sign_in" if link_to is None else "link",
        nonce=random_b64url(_VERIFIER_BYTES),
        code_verifier=random_b64url(_VERIFIER_BYTES),
        return_to=return_to,
        started_at=at,
        max_age=max_age,
        is_renewed=is_renewed,
        person_id=None if link_to is None else link_to.person_id,
        account_id=None if link_to is None else link_to.account_id,
        session_id=None if link_to is None else link_to.session_id,
    )


def keep_request(
    session: Session, provider: Provider, upstream: Upstream, request: UpstreamRequest, kept: Kept
) -> None:
    """Keep a request until the browser comes back with the upstream's answer."""
    _keep(
        session,
        provider,
        upstream,
        kept,
        kind=request.kind,
        content=dump(request),
        at=request.started_at,
    )


def mint_kept(at: datetime) -> Kept:
    """Make what the browser carries."""
    minted = UPSTREAM_REQUEST.mint(at)
    return Kept(token=minted.token, stored=minted.stored, binding=mint_token(BINDING_PREFIX).token)


def take_up(
    session: Session,
    provider: Provider,
    upstream_id: str,
    *,
    state: str,
    binding: str | None,
    at: datetime,
) -> UpstreamRequest:
    """Spend the request that an answer belongs to.

    Raises:
        UpstreamGone: 410. Unknown, of another upstream, another browser's, too late, or answered
            before: the caller can't tell which. Another browser's attempt spends nothing.

    Transaction:
        One statement; of many answers at once, one counts. It commits before the upstream is
        asked for tokens.
    """
    try:
        token = UPSTREAM_REQUEST.parse(state)
        binding_digest = parse_token(binding or "", BINDING_PREFIX)
    except MalformedToken as error:
        raise UpstreamGone(reason="malformed") from error
    content = store.spend_request(
        session,
        token,
        binding_digest=binding_digest,
        upstream_id=upstream_id,
        is_confirmation=False,
        at=at,
    )
    if content is None:
        raise UpstreamGone(reason="unknown, spent, expired, or another browser's")
    place = _place(token.slot, token.digest)
    return load_request(provider.keyring.unseal_system(content, associated_data=place))


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
        return _to_confirm(
            session,
            provider,
            upstream,
            ToConfirm(
                asserted=replace(asserted, snils=None),
                return_to=request.return_to,
                person_id=request.person_id,
                account_id=request.account_id,
                session_id=request.session_id,
                is_by_number=False,
            ),
            at=at,
        )
    if known is not None:
        store.note_use(session, known, upstream.upstream_id, at=at)
        return Entered(signed_in=_signed_in(known, asserted), return_to=request.return_to)
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


def find_confirmation(
    session: Session, provider: Provider, *, confirmation_id: str, binding: str | None, at: datetime
) -> tuple[Upstream, ToConfirm]:
    """Return a link of this browser that waits to be confirmed.

    Raises:
        UpstreamGone: 410. Unknown, too late, confirmed, or another browser's.
    """
    try:
        parsed = UPSTREAM_REQUEST.parse(confirmation_id)
        binding_digest = parse_token(binding or "", BINDING_PREFIX)
    except MalformedToken as error:
        raise UpstreamGone(reason="malformed") from error
    found = store.find_confirmation(session, parsed, binding_digest=binding_digest, at=at)
    kept = None if found is None else store.find_upstream(session, found[0])
    if found is None or kept is None:
        raise UpstreamGone(reason="unknown, confirmed, expired, or another browser's")
    place = _place(parsed.slot, parsed.digest)
    content = provider.keyring.unseal_system(found[1], associated_data=place)
    return kept[0], load_to_confirm(content)


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
    parsed = UPSTREAM_REQUEST.parse(confirmation_id)
    spent = store.spend_request(
        session,
        parsed,
        binding_digest=parse_token(binding or "", BINDING_PREFIX),
        upstream_id=upstream.upstream_id,
        is_confirmation=True,
        at=at,
    )
    if spent is None:
        raise UpstreamGone(reason="confirmed a moment ago")
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
    kept = mint_kept(at)
    _keep(session, provider, upstream, kept, kind="confirm", content=dump(to_confirm), at=at)
    return MustConfirm(kept=kept)


def _keep(
    session: Session,
    provider: Provider,
    upstream: Upstream,
    kept: Kept,
    *,
    kind: Kind,
    content: bytes,
    at: datetime,
) -> None:
    place = _place(kept.stored.slot, kept.stored.digest)
    store.insert_request(
        session,
        kept.stored,
        binding_digest=parse_token(kept.binding.reveal(), BINDING_PREFIX),
        upstream_id=upstream.upstream_id,
        kind=kind,
        content_sealed=provider.keyring.seal_system(content, associated_data=place),
        expires_at=at + provider.policy.interaction,
    )


def _place(slot: int, digest: bytes) -> bytes:
    return associated_data("upstream_requests", "content_sealed", slot, digest)


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
