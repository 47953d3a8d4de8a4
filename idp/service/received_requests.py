"""Authorization requests as they are received and stored: in the address, signed, or pushed."""

from datetime import datetime

from sqlalchemy.orm import Session

from idp import checks
from idp.disclosures import read_disclosure
from idp.errors import InvalidRequestObject, InvalidRequestUri
from idp.model import Client, JSONObject
from idp.provider import Provider
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
    at: datetime,
) -> tuple[JSONObject, RingToken | None]:
    """Return the request: what was pushed, what was signed, or what stands in the address."""
    request_uri = form.get("request_uri", "")
    if not request_uri.startswith(REQUEST_URI_PREFIX):
        stored = stored_request(form, channel="browser", proof_jkt=None)
        compact = form.get("request")
        if compact is None:
            return stored, None
        if "request_uri" in form:  # RFC 9101, 5
            raise InvalidRequestObject("request and request_uri exclude each other.")
        opened = open_request_object(
            client,
            compact,
            keys_of(client, compact, remote_keys),
            issuer=provider.issuer,
            policy=provider.policy,
            at=at,
        )
        return signed_request(stored, opened), None
    try:
        token = REQUEST_URI.parse(request_uri.removeprefix(REQUEST_URI_PREFIX))
    except MalformedToken as error:
        raise InvalidRequestUri(reason="malformed") from error
    pushed = store.find_pushed(session, token, client_id=client.client_id, at=at)
    if pushed is None:
        raise InvalidRequestUri(reason="unknown, used, expired or another client's")
    return pushed, token


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
