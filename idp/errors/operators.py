"""Refusals of the desk of officials; the codes are ours."""

from kernel.errors import Conflict, DomainError, InvalidRequest, NotFound


class OperatorSignInFailed(DomainError):
    """Wrong name, wrong password, or too many attempts: the caller cannot tell which.

    The attempt is counted, so its writes are kept.
    """

    code = "desk_sign_in_failed"
    status = 401
    title = "The name or the password is wrong, or there were too many attempts."
    keeps_writes = True


class SecondFactorFailed(DomainError):
    """Wrong code, one that was used before, or too many attempts: the caller cannot tell which.

    The attempt is counted, so its writes are kept.
    """

    code = "second_factor_failed"
    status = 401
    title = "The code is wrong or was used before, or there were too many attempts."
    keeps_writes = True


class DeskSignInGone(DomainError):
    """No password was given in this browser, too long ago, or what followed ended it."""

    code = "desk_sign_in_gone"
    status = 401
    title = "Sign in to the desk again, with the password first."


class NoSecondFactor(Conflict):
    """The official has no second factor, so there is none to reset."""

    code = "no_second_factor"
    title = "The official has no second factor; they set one up when they sign in."


class NobodyAtDesk(DomainError):
    """The page needs an official who is signed in at the desk; a person's session is none."""

    code = "nobody_at_desk"
    status = 401
    title = "You need to sign in at the desk."


class RoleMissing(DomainError):
    """The official may not do this: it is another role's."""

    code = "role_missing"
    status = 403
    title = "Your role does not allow this."


class OperatorRefused(InvalidRequest):
    """An official can't be entered like this."""

    code = "operator_refused"
    title = (
        "An identifier is 2 to 40 lower-case Latin letters, digits, dots, hyphens or underscores, "
        "and was never given; name and roles are not empty."
    )


class UnknownOperator(NotFound):
    """There is no such official, or they were disabled before."""

    code = "unknown_operator"
    title = "There is no such official."
