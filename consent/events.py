"""What happened to a consent: for the access log and for those who must be told."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from kernel.ids import ClientId, ConsentId, PartnerId

CONSENT_ENDED_TASK = "consent.record.ended"
"""The job that carries `ConsentEnded` to whoever informs the recipient. Enqueued here by name, in
the transaction that ended the consent; the context that delivers registers the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentGiven:
    """A person agreed to a disclosure."""

    action: ClassVar[str] = "consent.record.given"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentWithdrawn:
    """A person took a consent back."""

    action: ClassVar[str] = "consent.record.withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEnded:
    """A consent covers nothing any more, for whatever reason. What the recipient is told.

    The person appears under the recipient's own pseudonym only (promise 4).
    """

    consent_id: ConsentId
    client_id: ClientId
    partner_id: PartnerId
    subject: str
    purpose: str
    ending: str
    ended_at: datetime

    def as_job_arguments(self) -> dict[str, str]:
        """Return the event as the arguments of its job."""
        return {
            "consent_id": str(self.consent_id),
            "client_id": self.client_id,
            "partner_id": self.partner_id,
            "subject": self.subject,
            "purpose": self.purpose,
            "ending": self.ending,
            "ended_at": self.ended_at.isoformat(),
        }
