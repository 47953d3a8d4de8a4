"""Refusals of the token endpoint and of what is read with a token: RFC 6749, RFC 6750, RFC 9449."""

from idp.errors.oauth import OAuthError


class InvalidClient(OAuthError):
    """Client authentication failed, whatever the reason. RFC 6749, 5.2."""

    code = "invalid_client"
    status = 401
    title = "Client authentication failed."


class InvalidGrant(OAuthError):
    """The code or refresh token is unknown, expired, spent, or another client's."""

    code = "invalid_grant"
    title = "The code or refresh token is not valid for this client."


class CodeMisused(InvalidGrant):
    """A code was used twice, or with a wrong verifier: its grant is revoked.

    From outside it can't be told from `InvalidGrant`.
    """

    keeps_writes = True


class RefreshTokenReused(InvalidGrant):
    """A rotated refresh token came back: its grant is revoked.

    From outside it can't be told from `InvalidGrant`.
    """

    keeps_writes = True


class UnsupportedGrantType(OAuthError):
    """The grant type is not one of ours. RFC 6749, 5.2."""

    code = "unsupported_grant_type"
    title = "The grant type is not supported."


class InvalidDPoPProof(OAuthError):
    """The proof is missing, malformed, stale, replayed, or for something else. RFC 9449, 5."""

    code = "invalid_dpop_proof"
    title = "The DPoP proof is not valid for this request."


class UseDPoPNonce(OAuthError):
    """The proof has to carry the nonce that is sent along. RFC 9449, 8."""

    code = "use_dpop_nonce"
    title = "The DPoP proof has to contain the nonce in the DPoP-Nonce header."


class InvalidResourceProof(InvalidDPoPProof):
    """The proof that came with an access token is not valid for this request. RFC 9449, 7.1."""

    status = 401


class UseResourceNonce(UseDPoPNonce):
    """The proof that came with an access token has to carry our nonce. RFC 9449, 9."""

    status = 401


class InvalidToken(OAuthError):
    """The access token is expired, revoked, malformed, or for another audience."""

    code = "invalid_token"
    status = 401
    title = "The access token is not valid here."


class InsufficientUserAuthentication(OAuthError):
    """The person signed in too weakly, or too long ago, for what is read. RFC 9470, 3."""

    code = "insufficient_user_authentication"
    status = 401
    title = "The person has to sign in again, as the challenge says."


class InsufficientScope(OAuthError):
    """The access token does not cover this, or what it covered was withdrawn."""

    code = "insufficient_scope"
    status = 403
    title = "The access token does not cover this."
