"""Regional identity systems as upstream providers, and what they say of a person. No I/O.

An upstream provider tells that somebody signed in there, and under which `sub`. Who that is here is
told by a link that the person made, never by a name or an address of theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

import orjson

from idp.assurance import AssuranceLevel
from idp.errors import UpstreamNotVerified
from idp.jose import NotVerified, PublicKey, verify_jws
from idp.model import JSONObject
from idp.tokens import left_half
from kernel.ids import AccountId, PersonId, SessionId
from kernel.secret import Secret, equal

AMR_VALUES = frozenset(
    {
        "face", "fpt", "geo", "hwk", "iris", "kba", "mca", "mfa", "otp", "pin", "pop", "pwd",
        "rba", "retina", "sc", "sms", "swk", "tel", "user", "vbm", "wia",
    }
)  # fmt: skip
"""Registered by RFC 8176, 2; others say nothing to a client of ours."""

LONGEST_SUB = 255  # ASCII characters: OpenID Connect Core, 2
FRESH = timedelta(minutes=5)
"""How long ago somebody may have signed in who connects another way to sign in."""

MOST_AUDIENCES = 10
IDENTIFIES_FROM = AssuranceLevel.STANDARD
"""From which level on an upstream's number identifies a person to us."""

Kind: TypeAlias = Literal["sign_in", "link", "confirm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """An upstream provider, as an operator entered it.

    Attributes:
        auth_method: How we authenticate there: `client_secret_basic` or `private_key_jwt`.
        algorithms: With which its ID tokens may be signed.
        levels: Level of an `acr`, and of an `amr` under `amr:<value>`; what is not named says
            nothing.
        ceiling: No sign-in from there is worth more.
        identifies: Whether a national number that it asserts tells us who somebody is.
        snils_claim: In which claim it asserts the number.
    """

    upstream_id: str
    issuer: str
    client_id: str
    auth_method: str
    name_ru: str
    name_en: str
    scope: str
    algorithms: tuple[str, ...]
    levels: Mapping[str, AssuranceLevel]
    ceiling: AssuranceLevel
    identifies: bool
    snils_claim: str
    created_at: datetime
    disabled_at: datetime | None = None

    def name(self, language: str) -> str:
        """Return the name in a language."""
        return self.name_ru if language == "ru" else self.name_en

    def level(self, acr: object, amr: Sequence[str]) -> AssuranceLevel:
        """Return what a sign-in there is worth here: never more than the ceiling."""
        said = [acr, *(f"amr:{value}" for value in amr)]
        found = [
            self.levels[name] for name in said if isinstance(name, str) and name in self.levels
        ]
        return min(max(found, default=AssuranceLevel.SIMPLIFIED), self.ceiling)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRequest:
    """A sign-in that was sent upstream: kept sealed, spent by the answer.

    Attributes:
        kind: Whether somebody signs in, or connects an account in which they are signed in.
        return_to: An address of ours to which the person returns.
        max_age: How long ago they may have authenticated, in seconds.
        is_renewed: Whether they have to authenticate anew (`prompt=login`).
        account_id: To which is linked, for `link`; with `person_id` and `session_id`.
    """

    kind: Kind
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    return_to: str
    started_at: datetime
    max_age: int
    is_renewed: bool = False
    person_id: PersonId | None = None
    account_id: AccountId | None = None
    session_id: SessionId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """What an upstream provider asserted, verified.

    Attributes:
        level: What its sign-in is worth here.
        shown_name: By which the person knows their account there; only ever shown to them.
        snils: The national number, if there is one; not yet looked at.
    """

    sub: str
    level: AssuranceLevel
    amr: tuple[str, ...]
    auth_time: datetime
    shown_name: str = field(default="", repr=False)
    snils: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToConfirm:
    """A link that a person has to confirm: kept sealed until they do.

    Attributes:
        is_by_number: Whether the account was found by the national number: then whoever confirms
            has to sign in to it. Otherwise they are signed in, and it is their own.
    """

    asserted: Asserted
    return_to: str
    person_id: PersonId
    is_by_number: bool
    account_id: AccountId | None = None
    session_id: SessionId | None = None


def verify_id_token(
    id_token: Secret[str],
    keys: Sequence[PublicKey],
    *,
    upstream: Upstream,
    request: UpstreamRequest,
    access_token: Secret[str],
    skew: timedelta,
    at: datetime,
) -> JSONObject:
    """Verify the ID token of an upstream provider.

    1. Signed by one of its keys with an algorithm that it was entered with; 2. by this issuer;
    3. for us, and for nobody whom we don't know; 4. not expired, and not issued in the future or
    before we asked; 5. for this very request; 6. with the access token that came along; 7. about
    somebody; 8. who authenticated when we asked them to.

    Returns:
        Its claims.

    Raises:
        UpstreamNotVerified: 502. Any of it is wrong; which, only the log says.

    Source:
        OpenID Connect Core, 3.1.3.7 and 3.1.3.8.
    """
    try:
        verified = verify_jws(id_token.reveal(), keys, algorithms=upstream.algorithms)  # 1
    except NotVerified as error:
        raise UpstreamNotVerified(reason=f"id_token: {error}") from error
    claims = verified.claims
    if claims.get("iss") != upstream.issuer:  # 2
        raise UpstreamNotVerified(reason="iss")
    _check_audience(claims, upstream.client_id)  # 3
    issued_at, expires_at = (_instant(claims, name) for name in ("iat", "exp"))
    if not at - skew < expires_at:  # 4
        raise UpstreamNotVerified(reason="exp")
    if not request.started_at - skew <= issued_at <= at + skew:
        raise UpstreamNotVerified(reason="iat")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not equal(nonce.encode(), request.nonce.encode()):  # 5
        raise UpstreamNotVerified(reason="nonce")
    at_hash = claims.get("at_hash")
    if at_hash is not None and at_hash != left_half(
        access_token.reveal(), verified.header["alg"]
    ):  # 6
        raise UpstreamNotVerified(reason="at_hash")
    sub = claims.get("sub")
    if not isinstance(sub, str) or not (0 < len(sub) <= LONGEST_SUB and sub.isascii()):  # 7
        raise UpstreamNotVerified(reason="sub")
    auth_time = _instant(claims, "auth_time")  # 8: asked for by max_age, so it has to be there
    earliest = request.started_at if request.is_renewed else at - timedelta(seconds=request.max_age)
    if not earliest - skew <= auth_time <= at + skew:
        raise UpstreamNotVerified(reason="auth_time")
    return claims


def asserted_by(
    claims: JSONObject, upstream: Upstream, request: UpstreamRequest, *, at: datetime
) -> Asserted:
    """Return what verified claims say.

    The clock there is not ours. Who had to authenticate anew did so after we sent them, and nobody
    did after now: within what `verify_id_token` tolerates, our clock decides.
    """
    said = claims.get("amr")
    amr = tuple(
        dict.fromkeys(value for value in said if isinstance(value, str) and value in AMR_VALUES)
        if isinstance(said, list)
        else ()
    )
    auth_time = min(_instant(claims, "auth_time"), at)
    if request.is_renewed:
        auth_time = max(auth_time, request.started_at)
    snils = claims.get(upstream.snils_claim) if upstream.identifies else None
    shown = claims.get("name") or claims.get("preferred_username")
    return Asserted(
        sub=claims["sub"],
        level=upstream.level(claims.get("acr"), said if isinstance(said, list) else ()),
        amr=amr,
        auth_time=auth_time,
        shown_name=shown if isinstance(shown, str) else "",
        snils=snils if isinstance(snils, str) else None,
    )


def check_response_issuer(iss: str | None, upstream: Upstream, *, is_required: bool) -> None:
    """Hold the `iss` of an authorization response against whom it was sent to.

    Raises:
        UpstreamNotVerified: 502. Another's answer, or one without a name that has to have one.

    Source:
        RFC 9207, 2.4; RFC 9700, 2.1 and 4.4.
    """
    if iss is None and not is_required:
        return
    if iss != upstream.issuer:
        raise UpstreamNotVerified(reason="iss of the response")


def _check_audience(claims: JSONObject, client_id: str) -> None:
    aud = claims.get("aud")
    audience = aud if isinstance(aud, list) else [aud]
    if client_id not in audience or len(audience) > MOST_AUDIENCES:
        raise UpstreamNotVerified(reason="aud")
    azp = claims.get("azp")
    if (azp is not None or len(audience) > 1) and azp != client_id:
        raise UpstreamNotVerified(reason="azp")


def _instant(claims: JSONObject, name: str) -> datetime:
    seconds: Any = claims.get(name)
    try:
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise UpstreamNotVerified(reason=name)
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UpstreamNotVerified(reason=name) from error


def dump(kept: UpstreamRequest | ToConfirm) -> bytes:
    """Write what is kept until the person comes back."""
    return orjson.dumps(kept)


def load_request(kept: bytes) -> UpstreamRequest:
    """Read what `dump` wrote of a request."""
    fields = _with_ids(orjson.loads(kept))
    fields["started_at"] = datetime.fromisoformat(fields["started_at"])
    return UpstreamRequest(**fields)


def load_to_confirm(kept: bytes) -> ToConfirm:
    """Read what `dump` wrote of a link that waits to be confirmed."""
    fields = _with_ids(orjson.loads(kept))
    said = fields.pop("asserted")
    return ToConfirm(
        **fields,
        asserted=Asserted(
            sub=said["sub"],
            level=AssuranceLevel(said["level"]),
            amr=tuple(said["amr"]),
            auth_time=datetime.fromisoformat(said["auth_time"]),
            shown_name=said["shown_name"],
            snils=said["snils"],
        ),
    )


def _with_ids(fields: dict[str, Any]) -> dict[str, Any]:
    for name in ("person_id", "account_id", "session_id"):
        if fields[name] is not None:
            fields[name] = UUID(fields[name])
    return fields
