"""Telling clients that a session has ended: logout tokens, and addresses to frame. No I/O.

Source:
    OpenID Connect Back-Channel Logout, 2.4; OpenID Connect Front-Channel Logout, 2 and 3.
"""

from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit, urlunsplit

from idp.tokens import sign
from kernel.ids import ClientId
from kernel.signing import SigningKeys

LOGOUT_TOKEN_TYPE = "logout+jwt"  # noqa: S105  # a media type: Back-Channel Logout, 2.4
EVENT = "http://schemas.openid.net/event/backchannel-logout"
LIFE = timedelta(minutes=2)  # Back-Channel Logout, 4: at most two minutes


def logout_token(
    signing: SigningKeys,
    *,
    issuer: str,
    client_id: ClientId,
    sub: str,
    sid: str,
    jti: str,
    alg: str,
    at: datetime,
) -> str:
    """Return a logout token.

    It has no `nonce`, so that nobody takes it for an ID token (Back-Channel Logout, 2.4).

    Args:
        signing: Our keys.
        issuer: Ours.
        client_id: The audience.
        sub: By which the client knows the person.
        sid: By which the client knows the session.
        jti: Unique.
        alg: As for the client's ID tokens (Back-Channel Logout, 2.6, 1).
        at: Now.
    """
    claims: dict[str, object] = {
        "iss": issuer,
        "aud": client_id,
        "iat": int(at.timestamp()),
        "exp": int((at + LIFE).timestamp()),
        "jti": jti,
        "sub": sub,
        "sid": sid,
        "events": {EVENT: {}},
    }
    return sign(signing, claims, typ=LOGOUT_TOKEN_TYPE, alg=alg)


def frontchannel_address(uri: str, *, issuer: str, sid: str) -> str:
    """Return the address to frame; the query that the client registered is kept.

    Source:
        OpenID Connect Front-Channel Logout, 3: `iss` and `sid`, both or none.
    """
    parts = urlsplit(uri)
    query = urlencode({"iss": issuer, "sid": sid})
    return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))
