"""Grant Management for OAuth 2.0 (FAPI working group, draft 03 of May 2023). No I/O."""

from uuid import UUID

from idp.errors import InvalidAuthorizationRequest, InvalidGrantId
from idp.model import GrantChange
from kernel.ids import GrantId

QUERY = "grant_management_query"
REVOKE = "grant_management_revoke"
SCOPES = (QUERY, REVOKE)
"""What a client manages grants by (Grant Management, 6.1): all of its own with a token of its own,
or one grant with a token that was issued for it."""

CREATE = "create"
REPLACE = "replace"
MERGE = "merge"
UPDATE = "update"  # an earlier draft's name for merge
ACTIONS = (CREATE, MERGE, UPDATE, REPLACE)
SUPPORTED = ("query", "revoke", *ACTIONS)
"""`grant_management_actions_supported` (Grant Management, 7.1)."""


def parse_change(action: str | None, grant_id: str | None) -> GrantChange | None:
    """Read what a request does to a grant; None when it makes a new one.

    Raises:
        InvalidAuthorizationRequest: 400. The action is unknown, or does not go with a grant_id.
        InvalidGrantId: 400. No grant has such a name.

    Source:
        Grant Management for OAuth 2.0, 5.2 and 5.4.
    """
    if action is None and grant_id is None:
        return None
    if action not in ACTIONS:
        raise InvalidAuthorizationRequest("grant_management_action is missing or not supported.")
    if (action == CREATE) != (grant_id is None):
        raise InvalidAuthorizationRequest("grant_id goes with merge and replace, not with create.")
    if grant_id is None:
        return None
    return GrantChange(grant_id=parse_grant_id(grant_id), adds=action in {MERGE, UPDATE})


def parse_grant_id(text: str) -> GrantId:
    """Read a `grant_id` as we write it.

    Raises:
        InvalidGrantId: 400. It is none of ours.
    """
    try:
        grant_id = UUID(text)
    except ValueError as error:
        raise InvalidGrantId(reason="malformed") from error
    if str(grant_id) != text:
        raise InvalidGrantId(reason="malformed")
    return GrantId(grant_id)
