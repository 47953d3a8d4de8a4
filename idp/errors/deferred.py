"""Refusals of what is asked from elsewhere: RFC 8628, CIBA."""

from idp.errors.oauth import OAuthError
from kernel.errors import DomainError


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
    """The hint names nobody whom this client may ask, in a way that tells it nothing. CIBA, 13."""

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
