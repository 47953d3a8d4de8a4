"""Refusals of registration: RFC 7591, 3.2.2."""

from idp.errors.oauth import OAuthError


class InvalidRedirectUri(OAuthError):
    """A redirect URI is not acceptable."""

    code = "invalid_redirect_uri"
    title = "A redirect URI is not acceptable."


class InvalidClientMetadata(OAuthError):
    """A field of the client's metadata is not acceptable."""

    code = "invalid_client_metadata"
    title = "A field of the client metadata is not acceptable."
