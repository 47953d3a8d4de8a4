"""`authorization_details` of type `civitas_disclosure`, in the refusals of OAuth. No I/O."""

from consent.api import InvalidDisclosure, parse_disclosure
from idp.errors import InvalidAuthorizationDetails
from idp.model import Disclosure, JSONObject


def read_disclosure(details: JSONObject) -> Disclosure:
    """Read one member of `authorization_details`.

    Raises:
        InvalidAuthorizationDetails: 400. As `consent.api.parse_disclosure` refuses it.
    """
    try:
        return parse_disclosure(details)
    except InvalidDisclosure as error:
        raise InvalidAuthorizationDetails(error.detail) from error
