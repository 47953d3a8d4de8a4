"""The refusals of the partner API.

Refusals about the token come from `idp` (401). These are about what the token's holder may read.
"""

from kernel.errors import Conflict, DomainError, InvalidRequest, TooManyRequests


class AmbiguousPurpose(InvalidRequest):
    """The token was granted for several purposes, and the request names none of them."""

    code = "ambiguous_purpose"
    title = "The access token was granted for several purposes: name one as `purpose`."


class ConsentRefusal(DomainError):
    """The person's consent does not cover the read. The attempt is in the person's access log.

    Attributes:
        reason: As in the log entry.
    """

    code = "consent_required"
    status = 403
    keeps_writes = True
    reason = "never_given"
    title = "The person's consent does not cover this."


class ConsentMissing(ConsentRefusal):
    """The person never agreed to this purpose for this client."""

    code = "consent_missing"
    title = "The person has not consented to this purpose."


class ConsentWithdrawn(ConsentRefusal):
    """The person took the consent back."""

    code = "consent_withdrawn"
    reason = "withdrawn"
    title = "The person has withdrawn this consent."


class ConsentExpired(ConsentRefusal):
    """The period of the consent is over."""

    code = "consent_expired"
    reason = "expired"
    title = "This consent has expired."


class ConsentUsedUp(ConsentRefusal):
    """The consent was for a number of reads, and they were made."""

    code = "consent_used_up"
    reason = "used_up"
    title = "This consent was for a limited number of reads, and they were made."


class ConsentOver(ConsentRefusal):
    """The consent ended for another reason."""

    code = "consent_over"
    reason = "ended"
    title = "This consent is over."


class ItemsNotConsented(ConsentRefusal):
    """Something asked for is not among what the person agreed to, or the token was granted."""

    code = "items_not_consented"
    reason = "items_missing"
    title = "The person has not consented to all of the items asked for."


class QuotaExceeded(TooManyRequests):
    """The partner has made all the requests of this minute that it may."""

    code = "quota_exceeded"
    title = "The partner has used up its requests of this minute."

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(retry_after_seconds=retry_after_seconds)
        self.headers = {"Retry-After": str(retry_after_seconds)}  # RFC 6585, 4


class UnacceptableWebhookURI(InvalidRequest):
    """Webhooks go to public https addresses only."""

    code = "unacceptable_webhook_uri"
    title = "A webhook address is a public https address."


class NoEndpoint(Conflict):
    """Webhooks can't be sent again to a partner that has nowhere for them."""

    code = "no_webhook_endpoint"
    title = "This partner has no address for webhooks, or answered 410; enter one first."
