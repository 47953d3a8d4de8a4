"""Dynamic client registration: what a client gets back, and its sector. No I/O.

Source:
    RFC 7591, 3.2.1; RFC 7592, 3; OpenID Connect Registration, 3.2; OpenID Connect Core, 8.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from idp.client_metadata import as_json
from idp.errors import InvalidClientMetadata
from idp.model import Client, ClientMetadata
from kernel.ids import PartnerId
from kernel.secret import Secret

WITH_SECRET = ("client_secret_basic", "client_secret_post")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A client that was registered, and what is told once."""

    client: Client
    created_at: datetime
    client_secret: Secret[str] | None = None
    registration_access_token: Secret[str] | None = None

    def as_response(self, issuer: str) -> dict[str, object]:
        """Return the client information response."""
        response = as_json(self.client.metadata) | {
            "client_id": self.client.client_id,
            "client_id_issued_at": int(self.created_at.timestamp()),
            "subject_type": "pairwise",
        }
        if self.client_secret is not None:
            response["client_secret"] = self.client_secret.reveal()
            response["client_secret_expires_at"] = 0  # never
        if self.registration_access_token is not None:
            response["registration_access_token"] = self.registration_access_token.reveal()
            response["registration_client_uri"] = f"{issuer}/register/{self.client.client_id}"
        return response


def sector_of(partner_id: PartnerId, metadata: ClientMetadata) -> str:
    """Return the sector of a client: within it a person has one `sub`, outside of it another.

    It is the host of `sector_identifier_uri` or of the redirect URIs, and the partner: two partners
    never share one (promise 4), whatever addresses they use.

    Raises:
        InvalidClientMetadata: 400. The redirect URIs have several hosts and no
            `sector_identifier_uri` says that they belong together.

    Source:
        OpenID Connect Core, 8.1.
    """
    if metadata.sector_identifier_uri is not None:
        return f"{partner_id}/{urlsplit(metadata.sector_identifier_uri).hostname}"
    hosts = {_host(uri) for uri in metadata.redirect_uris}
    if len(hosts) > 1:
        raise InvalidClientMetadata("Redirect URIs on several hosts need a sector_identifier_uri.")
    return f"{partner_id}/{next(iter(hosts), '')}"


def check_sector(document: object, redirect_uris: Sequence[str]) -> None:
    """Hold what `sector_identifier_uri` leads to against the redirect URIs.

    Raises:
        InvalidClientMetadata: 400. Not a list of addresses, or one of ours is missing in it.

    Source:
        OpenID Connect Registration, 5.
    """
    if not isinstance(document, list) or not set(redirect_uris) <= {
        uri for uri in document if isinstance(uri, str)
    }:
        raise InvalidClientMetadata("sector_identifier_uri does not list every redirect URI.")


def _host(uri: str) -> str:
    parts = urlsplit(uri)
    return parts.hostname or f"{parts.scheme}:"
