"""Where a person may be sent on after signing in: to plain pages of ours, nowhere else. No I/O."""

import re

AFTER_SIGN_IN = "/account"
"""Where a person goes who signed in without being sent by a client; `next` stays below it."""

_OWN_ADDRESS = re.compile(rf"(?:{AFTER_SIGN_IN}|/device)(?:/[a-z0-9-]+)*")


def parse_own_address(address: str) -> str:
    """Return `address` if it is a plain page for a person, else the account's first page."""
    return address if _OWN_ADDRESS.fullmatch(address) else AFTER_SIGN_IN
