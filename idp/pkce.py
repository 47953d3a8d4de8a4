"""Proof Key for Code Exchange (RFC 7636). No I/O."""

import re
from collections.abc import Mapping

from idp.errors import InvalidAuthorizationRequest, InvalidGrant
from kernel.secret import b64url, equal, sha256

METHODS = ("S256",)
"""`plain` protects against nothing that S256 does not, and is not offered (RFC 9700, 2.1.1)."""

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of a SHA-256: RFC 7636, 4.2
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636, 4.1


def parse_code_challenge(parameters: Mapping[str, str], *, is_required: bool) -> str | None:
    """Return the code challenge of an authorization request.

    Args:
        parameters: Of the authorization request.
        is_required: Whether the client must use PKCE.

    Raises:
        InvalidAuthorizationRequest: 400. Missing though required, `plain`, or not of its form.

    Source:
        RFC 7636, 4.3 and 4.4.1.
    """
    challenge = parameters.get("code_challenge")
    method = parameters.get("code_challenge_method")
    if challenge is None:
        if is_required or method is not None:
            raise InvalidAuthorizationRequest("code_challenge is required.")
        return None
    if method not in METHODS:  # a missing method means plain: RFC 7636, 4.3
        raise InvalidAuthorizationRequest("code_challenge_method has to be S256.")
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidAuthorizationRequest("code_challenge is not the base64url of a SHA-256.")
    return challenge


def verify_code_verifier(code_challenge: str | None, code_verifier: str | None) -> None:
    """Verify that whoever redeems a code is who asked for it.

    Args:
        code_challenge: Of the authorization request; None if it had none.
        code_verifier: Of the token request, as received.

    Raises:
        InvalidGrant: 400. Missing, malformed, another one, or one where none is expected
            (PKCE downgrade: RFC 9700, 4.8.2).

    Source:
        RFC 7636, 4.6.
    """
    if code_challenge is None:
        if code_verifier is not None:
            raise InvalidGrant(reason="verifier without challenge")
        return
    if code_verifier is None or not _VERIFIER.fullmatch(code_verifier):
        raise InvalidGrant(reason="verifier missing or malformed")
    if not equal(b64url(sha256(code_verifier.encode())).encode(), code_challenge.encode()):
        raise InvalidGrant(reason="wrong verifier")
