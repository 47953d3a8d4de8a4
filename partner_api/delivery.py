"""Send one webhook attempt, through `kernel.outbound`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from typing_extensions import override

from kernel import outbound
from partner_api.webhooks import TIMEOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender(outbound.Sender):
    """Sends webhooks."""

    user_agent: str = "Civitas-Webhooks/1"
    timeout: timedelta = TIMEOUT

    @override
    def send(self, uri: str, body: bytes, headers: Mapping[str, str]) -> int | None:
        """Post a webhook and return the HTTP status; None if there was no answer."""
        headers = {**headers, "content-type": "application/json"}
        return outbound.Sender.send(self, uri, body, headers)
