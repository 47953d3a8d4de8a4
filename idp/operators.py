"""Officials of whoever runs the register: what they may do at the desk. No I/O."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

SESSION: Final = timedelta(hours=4)
"""Half a working day; then password and code again."""
SESSION_IDLE: Final = timedelta(minutes=15)
"""Without a request: whoever leaves the room is signed out (NIST SP 800-63B-4, 2.2.3)."""

CODE_WITHIN: Final = timedelta(minutes=10)
"""Between the password and the code: to set up an application on a telephone."""

SHORTEST_PASSWORD: Final = 15  # characters; NIST SP 800-63B-4, 3.1.1.2

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")
_LONGEST_NAME = 100  # characters


class OperatorRole(StrEnum):
    """What an official may do; one may have several.

    Nobody confirms what they proposed themselves, whatever their roles.
    """

    CLERK = "clerk"  # takes cases and decides
    APPROVER = "approver"  # confirms merges of two people who both have a confirmed account
    AUDITOR = "auditor"  # reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An official.

    Attributes:
        operator_id: The staff identifier; stands in people's access logs.
        name: As colleagues know them.
    """

    operator_id: str
    name: str
    roles: frozenset[OperatorRole]
    created_at: datetime
    disabled_at: datetime | None = None

    def may(self, *roles: OperatorRole) -> bool:
        """Tell whether the official has one of the roles."""
        return not self.roles.isdisjoint(roles)


def is_identifier(text: str) -> bool:
    """Tell whether a text can name an official: lower-case Latin letters, digits, `.`, `_`, `-`."""
    return _IDENTIFIER.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Tell whether a text can be an official's name."""
    return bool(text.strip()) and len(text) <= _LONGEST_NAME and text.isprintable()
