"""Authorization requests as they are received and stored: in the address, signed, or pushed."""

from datetime import datetime

from sqlalchemy.orm import Session

from idp import checks
from idp.disclosures import read_disclosure
from idp.errors import InvalidRequestObject, InvalidRequestUri, RequestUriNotSupported
from idp.model import Client, JSONObject
from idp.provider import Provider
from idp.remote import FetchText, NotFetched
from idp.remote_keys import FindRemoteKeys, keys_of
from idp.request_objects import RequestObject, open_request_object
from idp.resource_indicators import resources_of
from idp.ring_tokens import REQUEST_URI, REQUEST_URI_PREFIX, RingToken
from idp.store import authorization as store
from kernel.secret import MalformedToken
from kernel.web import Form


def receive(
    session: Session,
    provider: Provider,
    client: Client,
    form: Form,
    *,
    remote_keys: FindRemoteKeys,
    fetch: FetchText,
    at: datetime,
) -> tuple[JSONObject, RingToken | None]:
    """Return the request: what was pushed, what was signed, or what stands in the address.

    Raises:
        InvalidRequestUri: 400. Nothing was pushed, or can be fetched, under this name.
        InvalidRequestObject: 400. What was signed can't be used.
        RequestUriNotSupported: 400. The client has to push.
    """
    request_uri = form.get("request_uri")
    if request_uri is not None and request_uri.startswith(REQUEST_URI_PREFIX):
        return _pushed(session, client, request_uri, at=at)
    compact = form.get("request")
    if request_uri is not None:
        if compact is not None:  # RFC 9101, 5
            raise InvalidRequestObject("request and request_uri exclude each other.")
        compact = _referenced(client, request_uri, fetch)
    stored = stored_request(form, channel="browser", proof_jkt=None)
    if compact is None:
        return stored, None
    opened = open_request_object(
        client,
        compact,
        keys_of(client, compact, remote_keys),
        issuer=provider.issuer,
        policy=provider.policy,
        at=at,
    )
    return signed_request(stored, opened), None


def _pushed(
    session: Session, client: Client, request_uri: str, *, at: datetime
) -> tuple[JSONObject, RingToken]:
    """Return what was pushed (RFC 9126, 4)."""
    try:
        token = REQUEST_URI.parse(request_uri.removeprefix(REQUEST_URI_PREFIX))
    except MalformedToken as error:
        raise InvalidRequestUri(reason="malformed") from error
    pushed = store.find_pushed(session, token, client_id=client.client_id, at=at)
    if pushed is None:
        raise InvalidRequestUri(reason="unknown, used, expired or another client's")
    return pushed, token


def _referenced(client: Client, request_uri: str, fetch: FetchText) -> str:
    """Return the request object at an address that the client registered, and at no other.

    The address is compared whole, fragment included; the fragment is not sent.

    Source:
        OpenID Connect Core, 6.2; RFC 9101, 5.2 and 10.4.
    """
    if client.must_push:
        raise RequestUriNotSupported
    if request_uri not in client.metadata.request_uris:
        raise InvalidRequestUri("The request_uri is not registered.")
    try:
        return fetch(request_uri)
    except NotFetched as error:
        raise InvalidRequestUri("The request_uri can't be read.", reason=str(error)) from error


def submission_of(provider: Provider, client: Client, stored: JSONObject) -> checks.Submission:
    """Return a stored request as the pipeline wants it.

    Args:
        provider: Ourselves.
        client: Whose request it is.
        stored: `parameters`, `resources`, `channel`, `proof_jkt`, as received.
    """
    return checks.Submission(
        client=client,
        parameters=stored["parameters"],
        resources=tuple(stored["resources"]),
        channel=stored["channel"],
        proof_jkt=stored["proof_jkt"],
        known_resources=resources_of(provider.issuer),
        read_disclosure=read_disclosure,
        is_signed=stored.get("is_signed", False),
    )


def signed_request(stored: dict[str, object], opened: RequestObject) -> dict[str, object]:
    """Return the request as it is stored when its client signed it: only what was signed.

    Source:
        RFC 9101, 6.3; RFC 9126, 3.
    """
    return {
        **stored,
        "parameters": dict(opened.parameters),
        "resources": list(opened.resources),
        "is_signed": True,
    }


def stored_request(form: Form, *, channel: str, proof_jkt: str | None) -> dict[str, object]:
    """Return an authorization request as it is stored: as it was received.

    Client credentials are no part of it.
    """
    secrets = {"client_secret", "client_assertion", "client_assertion_type"}
    return {
        "parameters": {name: value for name, value in form.items() if name not in secrets},
        "resources": list(form.every("resource")),
        "channel": channel,
        "proof_jkt": proof_jkt,
    }
