"""The base of every refusal that a specification registers."""

from collections.abc import Mapping
from typing import ClassVar

from kernel.errors import DomainError


class OAuthError(DomainError):
    """A refusal that a specification registers.

    Attributes:
        redirectable: Whether it may be sent to the client through the browser, once the
            `redirect_uri` is known to be the client's. An unknown client or an unregistered
            `redirect_uri` never is.
        headers: Sent along: challenges, a fresh DPoP nonce.
    """

    status = 400
    redirectable: ClassVar[bool] = True
    headers: Mapping[str, str]

    def __init__(
        self, detail: str = "", /, *, headers: Mapping[str, str] | None = None, **context: object
    ) -> None:
        super().__init__(detail, **context)
        self.headers = headers or {}
