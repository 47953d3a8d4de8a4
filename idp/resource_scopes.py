"""Scopes of a client on its own behalf, at resources that are not about signing in. No I/O.

A scope narrows what a client's tokens are good for; it gives nothing. Which agency a client speaks
for, and whether for any, is the resource's to know: a client that registers itself with one of
these can do as little as without.
"""

from typing import Final

RESOURCE_SCOPES: Final = (
    "register.feed",
    "register.feed.report",
    "register.resolve",
    "register.events",
    "register.worklist",
    "register.mandates",
)
"""Agencies' records, reports, questions and work lists; the administration of mandates."""
