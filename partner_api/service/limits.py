"""How many requests a partner may make."""

from sqlalchemy.orm import Session

from kernel.errors import InvalidRequest
from kernel.ids import PartnerId
from partner_api import store

MOST_REQUESTS_PER_MINUTE = 1_000_000_000


def set_limit(session: Session, partner_id: PartnerId, *, requests_per_minute: int) -> None:
    """Give a partner a limit of its own; it counts from the next minute on at the latest.

    Raises:
        InvalidRequest: 400. Not a whole number from 1 to a thousand million.
    """
    if not 1 <= requests_per_minute <= MOST_REQUESTS_PER_MINUTE:
        raise InvalidRequest(f"A limit is from 1 to {MOST_REQUESTS_PER_MINUTE} requests a minute.")
    store.save_limit(session, partner_id, requests_per_minute=requests_per_minute)
