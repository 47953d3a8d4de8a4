"""Refusals of the authorization endpoint: RFC 6749, 4.1.2.1, and what others add to it."""

from idp.errors.oauth import OAuthError


class InvalidAuthorizationRequest(OAuthError):
    """A parameter is missing, repeated, or not of its form. RFC 6749, 4.1.2.1."""

    code = "invalid_request"
    title = "The request is malformed."


class UnknownClient(OAuthError):
    """No such client, or one that was disabled; shown as a page, never redirected."""

    code = "unknown_client"
    title = "The site that sent you here is not registered with Civitas."
    redirectable = False


class UnregisteredRedirectUri(OAuthError):
    """The `redirect_uri` is not the client's; shown as a page, never redirected."""

    code = "unregistered_redirect_uri"
    title = "The address to return to is not one that the site registered."
    redirectable = False


class UnauthorizedClient(OAuthError):
    """The client may not use this method. RFC 6749, 4.1.2.1 and 5.2."""

    code = "unauthorized_client"
    title = "The client is not registered for this."


class AccessDenied(OAuthError):
    """The person, or a rule of ours, said no. RFC 6749, 4.1.2.1."""

    code = "access_denied"
    title = "The person did not agree."


class UnsupportedResponseType(OAuthError):
    """Only `code` is supported. RFC 6749, 4.1.2.1."""

    code = "unsupported_response_type"
    title = "Only response_type=code is supported."


class InvalidScope(OAuthError):
    """The scope is malformed, or more than was granted. RFC 6749, 4.1.2.1 and 5.2."""

    code = "invalid_scope"
    title = "The scope is malformed or exceeds what was granted."


class InvalidTarget(OAuthError):
    """The resource is not one of ours, or not granted. RFC 8707, 2."""

    code = "invalid_target"
    title = "The resource is unknown or was not granted."


class InvalidGrantId(OAuthError):
    """The grant is unknown, has ended, or is another client's or person's.

    Source:
        Grant Management for OAuth 2.0, 5.4.
    """

    code = "invalid_grant_id"
    title = "The grant_id names no grant of this client."


class InvalidAuthorizationDetails(OAuthError):
    """`authorization_details` are unknown or malformed. RFC 9396, 5."""

    code = "invalid_authorization_details"
    title = "authorization_details are malformed or of an unknown type."


class InvalidRequestUri(OAuthError):
    """The `request_uri` is unknown, expired, used, or another client's. RFC 9126, 2.2 and 4."""

    code = "invalid_request_uri"
    title = "The request_uri is unknown, has expired or was used."


class InvalidRequestObject(OAuthError):
    """A request object is not the client's, has expired, or is malformed. RFC 9101, 7."""

    code = "invalid_request_object"
    title = "The request object can't be used."


class RequestUriNotSupported(OAuthError):
    """A request object by reference that was not pushed. OpenID Connect Core, 3.1.2.6."""

    code = "request_uri_not_supported"
    title = "Only a request_uri that was pushed here is supported."


class RegistrationNotSupported(OAuthError):
    """A self-issued registration. OpenID Connect Core, 3.1.2.6."""

    code = "registration_not_supported"
    title = "The registration parameter is not supported."


class LoginRequired(OAuthError):
    """The person would have to sign in, and `prompt=none` forbids to ask."""

    code = "login_required"
    title = "The person has to sign in."


class InteractionRequired(OAuthError):
    """The person would have to be asked something, and `prompt=none` forbids it."""

    code = "interaction_required"
    title = "The person has to be asked."


class ConsentRequired(OAuthError):
    """The person would have to consent, and `prompt=none` forbids to ask."""

    code = "consent_required"
    title = "The person has to consent."


class UnmetAuthenticationRequirements(OAuthError):
    """The essential `acr` can't be reached.

    Source:
        OpenID Connect Core Error Code unmet_authentication_requirements, 2.
    """

    code = "unmet_authentication_requirements"
    title = "The requested assurance can't be reached."
