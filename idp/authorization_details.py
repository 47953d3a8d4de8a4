"""The parameter `authorization_details`: a list of typed objects (RFC 9396). No I/O."""

from collections.abc import Collection

from idp.errors import InvalidAuthorizationDetails
from idp.model import JSONObject
from kernel.errors import InvalidRequest
from kernel.strict_json import parse_json

MOST_DISCLOSURES = 8


def parse_authorization_details(text: str, *, registered: Collection[str]) -> list[JSONObject]:
    """Return the members of the parameter; what each asks for, its own type says.

    Args:
        text: As received.
        registered: The types that the client may use; all of them if empty.

    Raises:
        InvalidAuthorizationDetails: 400. Not such a list, or a type that the client may not use.

    Source:
        RFC 9396, 2, 5 and 10.
    """
    try:
        details = parse_json(text)
    except InvalidRequest as error:
        raise InvalidAuthorizationDetails("authorization_details is not JSON.") from error
    if not isinstance(details, list) or not 0 < len(details) <= MOST_DISCLOSURES:
        raise InvalidAuthorizationDetails(
            f"authorization_details is a list of one to {MOST_DISCLOSURES} objects."
        )
    for member in details:
        if not isinstance(member, dict) or not isinstance(member.get("type"), str):
            raise InvalidAuthorizationDetails("A member of authorization_details has no type.")
        if registered and member["type"] not in registered:  # RFC 9396, 10
            raise InvalidAuthorizationDetails("The client is not registered for this type.")
    return details
