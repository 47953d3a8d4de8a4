"""What commands that register OAuth clients share: ourselves, and the file that describes one."""

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

from app.resources import Resources
from idp.api import Provider, load_authorities, load_issuers, policy_of
from kernel.errors import InvalidRequest


def provider_of(opened: Resources) -> Provider:
    """Return ourselves as an authorization server, as the settings make us."""
    return Provider(
        issuer=opened.settings.issuer,
        keyring=opened.keyring,
        signing=opened.signing,
        policy=policy_of(opened.settings),
        authorities=load_authorities(opened.settings.client_ca_file),
        mtls_url=opened.settings.mtls_url,
        statement_issuers=load_issuers(opened.settings.software_statement_issuers_file),
    )


def read_json_object(file: BinaryIO) -> Mapping[str, Any]:
    """Read a file that holds one JSON object, such as client metadata or a key.

    Raises:
        InvalidRequest: It does not.
    """
    try:
        value = json.load(file)
    except ValueError as error:
        raise InvalidRequest("The file is not JSON.") from error
    if not isinstance(value, dict):
        raise InvalidRequest("The file holds one JSON object.")
    return value
