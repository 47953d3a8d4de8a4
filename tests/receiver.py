"""The other side of what we send over HTTP: logout tokens, notifications, webhooks."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from kernel.outbound import Sender

S = TypeVar("S", bound=Sender)


class Receiver:
    """Answers with the statuses that it is told, one by one, and then 204; keeps what came.

    A status of None is no answer.
    """

    def __init__(self, *statuses: int | None) -> None:
        self.statuses = list(statuses)
        self.got: list[httpx.Request] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        request.read()
        self.got.append(request)
        status = self.statuses.pop(0) if self.statuses else 204
        if status is None:
            raise httpx.ReadTimeout("no answer")
        return httpx.Response(status, headers={"location": "https://rp.example/other"})

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What came, read as JSON."""
        return [json.loads(request.content) for request in self.got]

    def sender(self, kind: type[S]) -> S:
        """Return a sender that reaches nobody else."""
        return sender_to(self.handle, kind)


def sender_to(handle: Callable[[httpx.Request], httpx.Response], kind: type[S]) -> S:
    """Return a sender whose every request is answered by `handle`."""
    return kind(
        allow_local=False,
        resolve=lambda _host, _port: ["93.184.216.34"],
        transport=httpx.MockTransport(handle),
    )
