"""Standard Webhooks 1.0.0: what a webhook is made of, how it is signed, when it is tried again.

No I/O. `webhook-signature` is `v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body`.
"""

import base64
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec

from kernel.errors import InvalidRequest
from kernel.secret import Secret, random_bytes
from partner_api.errors import UnacceptableWebhookURI

SECRET_PREFIX = "whsec_"  # noqa: S105  # marks a secret, is none
SECRET_BYTES = 32  # the specification: 24 to 64
_LEAST_SECRET, _MOST_SECRET = 24, 64
MOST_URI_LENGTH = 2000

TIMEOUT = timedelta(seconds=20)
"""How long a receiver may take; the specification recommends 15 to 30 seconds."""

RETRY_DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""The specification's example schedule: ten attempts over three days."""

SECRET_OVERLAP = timedelta(days=1)
"""How long the previous secret signs too, after a new one was made."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """The body: an event, thin enough that reading it proves nothing about the person."""

    type: str
    timestamp: datetime
    data: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookHeaders:
    """The three headers of Standard Webhooks."""

    webhook_id: str
    timestamp: int
    signature: str

    def as_headers(self) -> dict[str, str]:
        """Return the headers by name."""
        return {
            "webhook-id": self.webhook_id,
            "webhook-timestamp": str(self.timestamp),
            "webhook-signature": self.signature,
        }


def mint_secret() -> Secret[bytes]:
    """Make a signing secret of 256 random bits."""
    return Secret(random_bytes(SECRET_BYTES))


def format_secret(secret: Secret[bytes]) -> Secret[str]:
    """Write a secret as it is shown to its partner, once: `whsec_` and base64."""
    return Secret(SECRET_PREFIX + base64.b64encode(secret.reveal()).decode())


def parse_secret(text: Secret[str]) -> Secret[bytes]:
    """Read a secret in its serialised form.

    Raises:
        InvalidRequest: 400. No prefix, not base64, or shorter or longer than the specification's
            24 to 64 bytes.
    """
    encoded = text.reveal()
    if not encoded.startswith(SECRET_PREFIX):
        raise InvalidRequest("A webhook secret begins with whsec_.")
    try:
        secret = base64.b64decode(encoded.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError as error:
        raise InvalidRequest("A webhook secret is base64 after its prefix.") from error
    if not _LEAST_SECRET <= len(secret) <= _MOST_SECRET:
        raise InvalidRequest("A webhook secret has 24 to 64 bytes.")
    return Secret(secret)


def sign_webhook(
    body: bytes, *, webhook_id: str, at: datetime, secrets: Iterable[Secret[bytes]]
) -> WebhookHeaders:
    """Sign one attempt to deliver `body`.

    Args:
        body: The bytes that are sent; signed as they are.
        webhook_id: The same for every attempt; a receiver recognises a repetition by it.
        at: Of this attempt. A receiver refuses what is more than a few minutes old.
        secrets: The current one first; during a rotation also the previous one.

    Raises:
        ValueError: A full stop in the identifier would let one message pass for another.
    """
    if "." in webhook_id:
        raise ValueError("a webhook identifier has no full stop")
    timestamp = int(at.timestamp())
    content = f"{webhook_id}.{timestamp}.".encode() + body
    signatures = [
        "v1," + base64.b64encode(hmac.digest(secret.reveal(), content, "sha256")).decode()
        for secret in secrets
    ]
    return WebhookHeaders(
        webhook_id=webhook_id, timestamp=timestamp, signature=" ".join(signatures)
    )


class Outcome(StrEnum):
    """What an attempt came to."""

    DELIVERED = "delivered"
    RETRY = "retry"
    GONE = "gone"  # 410: the receiver wants no more webhooks at all
    ABANDONED = "abandoned"


def judge_attempt(status: int | None, *, attempt: int) -> Outcome:
    """Decide what follows from an attempt.

    Args:
        status: The HTTP status; None if there was no answer. A redirect is a failure: following
            it would take a signed message to where nobody registered.
        attempt: Which one it was, from 1.
    """
    if status is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome.DELIVERED
    if status == HTTPStatus.GONE:
        return Outcome.GONE
    return Outcome.RETRY if attempt <= len(RETRY_DELAYS) else Outcome.ABANDONED


def next_attempt_at(*, attempt: int, at: datetime, spread: float) -> datetime:
    """Return when to try again after the failed `attempt`.

    Args:
        attempt: Which one failed, from 1.
        at: When.
        spread: From 0 to 1, random: adds up to a tenth of the delay, so that what failed together
            is not tried together.
    """
    delay = RETRY_DELAYS[attempt - 1]
    return at + delay + delay * 0.1 * spread


def check_webhook_uri(uri: str, *, allow_local: bool) -> None:
    """Refuse an address that no webhook may go to, as far as its text tells.

    What its name resolves to is looked at again before each attempt (`delivery.py`).

    Args:
        uri: As the partner gave it.
        allow_local: In the demonstration, http to this machine is accepted too.

    Raises:
        UnacceptableWebhookURI: 400. Not https; credentials, a fragment or no host in it; too long.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise UnacceptableWebhookURI from error
    is_local = allow_local and parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if (
        len(uri) > MOST_URI_LENGTH
        or not uri.isascii()
        or any(character.isspace() for character in uri)
        or parts.scheme not in ({"https", "http"} if is_local else {"https"})
        or not parts.hostname
        or parts.username is not None
        or parts.password is not None
        or parts.fragment
        or port == 0
    ):
        raise UnacceptableWebhookURI
