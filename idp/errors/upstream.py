"""Refusals on the way to an upstream provider and back; shown as pages that lead back."""

from kernel.errors import DomainError


class UpstreamRefused(DomainError):
    """A sign-in through a regional system did not come about."""

    code = "upstream_refused"
    status = 400
    title = "The sign-in through the regional system did not come about."


class UpstreamDenied(UpstreamRefused):
    """The regional system says no: the person broke off there, or may not sign in."""

    code = "upstream_denied"
    status = 403
    title = "The regional system did not sign you in."


class UpstreamUnavailable(UpstreamRefused):
    """The regional system can't be reached, or answers what nobody can use."""

    code = "upstream_unavailable"
    status = 502
    title = "The regional system can't be reached."


class UpstreamNotVerified(UpstreamRefused):
    """What came back can't be trusted: another's signature, another's request, too old."""

    code = "upstream_not_verified"
    status = 502
    title = "The answer of the regional system can't be trusted."


class UpstreamGone(UpstreamRefused):
    """The answer is for another browser, came twice, or too late: the caller can't tell which."""

    code = "upstream_gone"
    status = 410
    title = "This sign-in through the regional system has ended, or began in another browser."


class UpstreamPersonUnknown(UpstreamRefused):
    """Nobody here is known under the account there."""

    code = "upstream_person_unknown"
    status = 403
    title = "The account in the regional system is not connected with an account here."


class UpstreamAlreadyLinked(UpstreamRefused):
    """The account there, or that region in the account here, is connected already."""

    code = "upstream_already_linked"
    status = 409
    title = "That account is connected already."


class UpstreamNotPossible(DomainError):
    """An operator entered an upstream provider that can't work."""

    code = "upstream_not_possible"
    status = 400
    title = "The upstream provider can't work as it is entered."
