"""What a browser carries to a regional system and back, and what we keep until it is back.

Two kinds, each spent once: the request with which somebody is sent there, and a link that waits
for its person to confirm it. The browser has a name in the address and a value in a cookie; only
both together find what was kept.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from idp.errors import UpstreamGone
from idp.model import SignInSession
from idp.provider import Provider
from idp.ring_tokens import UPSTREAM_REQUEST, RingToken
from idp.store import upstreams as store
from idp.upstream import (
    Kind,
    ToConfirm,
    Upstream,
    UpstreamRequest,
    dump,
    load_request,
    load_to_confirm,
)
from kernel.envelope import associated_data
from kernel.secret import MalformedToken, Secret, mint_token, parse_token, random_b64url

BINDING_PREFIX = "cvw"
_VERIFIER_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the browser carries until it comes back: a name in the address, a value in a cookie."""

    token: Secret[str]
    binding: Secret[str]
    stored: RingToken


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


def keep_to_confirm(
    session: Session, provider: Provider, upstream: Upstream, to_confirm: ToConfirm, *, at: datetime
) -> Kept:
    """Keep a link until its person confirms it."""
    kept = mint_kept(at)
    _keep(session, provider, upstream, kept, kind="confirm", content=dump(to_confirm), at=at)
    return kept


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


def spend_confirmation(
    session: Session, upstream: Upstream, *, confirmation_id: str, binding: str | None, at: datetime
) -> None:
    """Spend a link that `find_confirmation` found.

    Raises:
        UpstreamGone: 410. Another confirmation was faster.

    Transaction:
        One statement.
    """
    spent = store.spend_request(
        session,
        UPSTREAM_REQUEST.parse(confirmation_id),
        binding_digest=parse_token(binding or "", BINDING_PREFIX),
        upstream_id=upstream.upstream_id,
        is_confirmation=True,
        at=at,
    )
    if spent is None:
        raise UpstreamGone(reason="confirmed a moment ago")


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
