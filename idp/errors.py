"""The refusals of idp: one class per registered OAuth error, and ours for accounts and sessions."""

from collections.abc import Mapping
from typing import ClassVar

from kernel.errors import DomainError


class OAuthError(DomainError):
    """A refusal that a specification registers.

    Attributes:
        redirectable: Whether it may be sent to the client through the browser, once the
            `redirect_uri` is known to be the client's. An unknown client or an unregistered
            `redirect_uri` never is.
        headers: Sent along: challenges, a fresh DPoP nonce.
    """

    status = 400
    redirectable: ClassVar[bool] = True
    headers: Mapping[str, str]

    def __init__(
        self, detail: str = "", /, *, headers: Mapping[str, str] | None = None, **context: object
    ) -> None:
        super().__init__(detail, **context)
        self.headers = headers or {}


# Authorization endpoint: RFC 6749, 4.1.2.1


class InvalidAuthorizationRequest(OAuthError):
    """A parameter is missing, repeated, or not of its form. RFC 6749, 4.1.2.1."""

    code = "invalid_request"
    title = "The request is malformed."


class UnknownClient(OAuthError):
    """No such client, or one that was disabled; shown as a page, never redirected."""

    code = "unknown_client"
    title = "The site that sent you here is not registered with Civitas."
    redirectable = False


class UnregisteredRedirectUri(OAuthError):
    """The `redirect_uri` is not the client's; shown as a page, never redirected."""

    code = "unregistered_redirect_uri"
    title = "The address to return to is not one that the site registered."
    redirectable = False


class UnauthorizedClient(OAuthError):
    """The client may not use this method. RFC 6749, 4.1.2.1 and 5.2."""

    code = "unauthorized_client"
    title = "The client is not registered for this."


class AccessDenied(OAuthError):
    """The person, or a rule of ours, said no. RFC 6749, 4.1.2.1."""

    code = "access_denied"
    title = "The person did not agree."


class UnsupportedResponseType(OAuthError):
    """Only `code` is supported. RFC 6749, 4.1.2.1."""

    code = "unsupported_response_type"
    title = "Only response_type=code is supported."


class InvalidScope(OAuthError):
    """The scope is malformed, or more than was granted. RFC 6749, 4.1.2.1 and 5.2."""

    code = "invalid_scope"
    title = "The scope is malformed or exceeds what was granted."


class InvalidTarget(OAuthError):
    """The resource is not one of ours, or not granted. RFC 8707, 2."""

    code = "invalid_target"
    title = "The resource is unknown or was not granted."


class InvalidGrantId(OAuthError):
    """The grant is unknown, has ended, or is another client's or person's.

    Source:
        Grant Management for OAuth 2.0, 5.3.
    """

    code = "invalid_grant_id"
    title = "The grant_id names no grant of this client."


class InvalidAuthorizationDetails(OAuthError):
    """`authorization_details` are unknown or malformed. RFC 9396, 5."""

    code = "invalid_authorization_details"
    title = "authorization_details are malformed or of an unknown type."


class InvalidRequestUri(OAuthError):
    """The `request_uri` is unknown, expired, used, or another client's. RFC 9126, 2.2 and 4."""

    code = "invalid_request_uri"
    title = "The request_uri is unknown, has expired or was used."


class InvalidRequestObject(OAuthError):
    """A request object is not the client's, has expired, or is malformed. RFC 9101, 7."""

    code = "invalid_request_object"
    title = "The request object can't be used."


class RequestUriNotSupported(OAuthError):
    """A request object by reference that was not pushed. OpenID Connect Core, 3.1.2.6."""

    code = "request_uri_not_supported"
    title = "Only a request_uri that was pushed here is supported."


class RegistrationNotSupported(OAuthError):
    """A self-issued registration. OpenID Connect Core, 3.1.2.6."""

    code = "registration_not_supported"
    title = "The registration parameter is not supported."


# OpenID Connect Core, 3.1.2.6


class LoginRequired(OAuthError):
    """The person would have to sign in, and `prompt=none` forbids to ask."""

    code = "login_required"
    title = "The person has to sign in."


class InteractionRequired(OAuthError):
    """The person would have to be asked something, and `prompt=none` forbids it."""

    code = "interaction_required"
    title = "The person has to be asked."


class ConsentRequired(OAuthError):
    """The person would have to consent, and `prompt=none` forbids to ask."""

    code = "consent_required"
    title = "The person has to consent."


class UnmetAuthenticationRequirements(OAuthError):
    """The essential `acr` can't be reached.

    Source:
        OpenID Connect Core Error Code unmet_authentication_requirements, 2.
    """

    code = "unmet_authentication_requirements"
    title = "The requested assurance can't be reached."


# Token endpoint: RFC 6749, 5.2


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


class AuthorizationPending(OAuthError):
    """The person has not decided yet. RFC 8628, 3.5; CIBA, 11."""

    code = "authorization_pending"
    title = "The person has not decided yet."


class SlowDown(OAuthError):
    """The client polls faster than it may; from now on it has to wait longer. RFC 8628, 3.5."""

    code = "slow_down"
    title = "Wait longer between two polls: five seconds more than before."


class ExpiredToken(OAuthError):
    """The device code or the authentication request has expired. RFC 8628, 3.5; CIBA, 11."""

    code = "expired_token"
    title = "The request has expired before the person decided."


class UnknownUserId(OAuthError):
    """The hint names nobody whom this client may ask. CIBA, 13."""

    code = "unknown_user_id"
    title = "The hint names nobody whom this client may ask."


class ExpiredLoginHintToken(OAuthError):
    """The `login_hint_token` has expired. CIBA, 13."""

    code = "expired_login_hint_token"
    title = "The login_hint_token has expired."


class InvalidBindingMessage(OAuthError):
    """The `binding_message` can't be shown, or is missing where it is needed. CIBA, 13."""

    code = "invalid_binding_message"
    title = "The binding_message can't be shown."


class UnsupportedGrantType(OAuthError):
    """The grant type is not one of ours. RFC 6749, 5.2."""

    code = "unsupported_grant_type"
    title = "The grant type is not supported."


# DPoP: RFC 9449


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


# Protected resources: RFC 6750, 3.1


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


# Registration: RFC 7591, 3.2.2


class InvalidRedirectUri(OAuthError):
    """A redirect URI is not acceptable."""

    code = "invalid_redirect_uri"
    title = "A redirect URI is not acceptable."


class InvalidClientMetadata(OAuthError):
    """A field of the client's metadata is not acceptable."""

    code = "invalid_client_metadata"
    title = "A field of the client metadata is not acceptable."


# Ours


class SignInFailed(DomainError):
    """Wrong name, wrong password, or too many attempts: the caller cannot tell which.

    The attempt is counted, so its writes are kept.
    """

    code = "sign_in_failed"
    status = 401
    title = "The name or the password is wrong, or there were too many attempts."
    keeps_writes = True


class UsernameTaken(DomainError):
    """An account with this sign-in name exists."""

    code = "username_taken"
    status = 409
    title = "This sign-in name is taken."


class UnacceptablePassword(DomainError):
    """The password is too short, too long, or among those that are guessed first."""

    code = "unacceptable_password"
    status = 422
    title = "Choose a password of 8 to 256 characters that is not easily guessed."


class InvalidLogoutRequest(DomainError):
    """A sign-out request that must not be followed; shown as a page, never redirected.

    Source:
        OpenID Connect RP-Initiated Logout, 4.
    """

    code = "invalid_logout_request"
    status = 400
    title = "The sign-out request of the site is not valid."


class UnknownUserCode(DomainError):
    """No device waits with this code, it has expired or was decided, or there were too many tries.

    The attempt is counted, so its writes are kept.
    """

    code = "unknown_user_code"
    status = 404
    title = "The code is not right, or it has expired."
    keeps_writes = True


class RequestGone(DomainError):
    """What a device or a partner asked has expired or was decided, or is not this person's."""

    code = "request_gone"
    status = 404
    title = "There is nothing to decide any more."


class NotSignedIn(DomainError):
    """The page needs somebody who is signed in."""

    code = "not_signed_in"
    status = 401
    title = "You need to sign in."


class InteractionGone(DomainError):
    """The sign-in or consent page belongs to another browser, is too old, or was answered."""

    code = "interaction_gone"
    status = 410
    title = "This page has expired. Return to the site you came from and start again."
