"""What happened to a consent: for the access log and for those who must be told."""

from dataclasses import dataclass
from typing import ClassVar

CONSENT_ENDED_TASK = "consent.record.ended"
"""The job that tells of an ending to whoever informs the recipient. Enqueued here by name, in the
transaction that ended the consent; the context that delivers registers the task. Its arguments are
texts: consent_id, client_id, partner_id, subject, purpose, ending, ended_at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentGiven:
    """A person agreed to a disclosure."""

    action: ClassVar[str] = "consent.record.given"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEndedByDeath:
    """A consent ended because the person died."""

    action: ClassVar[str] = "consent.record.ended_by_death"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentWithdrawn:
    """A person took a consent back."""

    action: ClassVar[str] = "consent.record.withdrawn"
