"""Refusals of registration: RFC 7591, 3.2.2."""

from idp.errors.oauth import OAuthError


class InvalidRedirectUri(OAuthError):
    """A redirect URI is not acceptable."""

    code = "invalid_redirect_uri"
    title = "A redirect URI is not acceptable."


class InvalidSoftwareStatement(OAuthError):
    """The software statement is not signed by its issuer, or not valid now."""

    code = "invalid_software_statement"
    title = "The software statement can't be used."


class UnapprovedSoftwareStatement(OAuthError):
    """The software statement is of an issuer that this server does not know."""

    code = "unapproved_software_statement"
    title = "The software statement is of an issuer that is not approved here."


class InvalidClientMetadata(OAuthError):
    """A field of the client's metadata is not acceptable."""

    code = "invalid_client_metadata"
    title = "A field of the client metadata is not acceptable."
