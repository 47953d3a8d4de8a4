"""Refusals of accounts, sessions and pages; the codes are ours."""

from kernel.errors import DomainError


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
