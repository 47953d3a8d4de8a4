"""Fill the register with the demonstration's people, by the way every agency takes: the feed."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy.orm import Session, sessionmaker

from app.demo.agencies import DEMO_FEEDS
from app.demo.named_people import demo_population
from kernel.clock import Clock
from kernel.db import unit_of_work_of
from kernel.keyring import Keyring
from population_register.api import FeedReport, add_agency, load_feed


def write_feeds(folder: Path) -> list[Path]:
    """Write the feed of every demo agency into `folder`; the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    people = demo_population()
    return [feed.write(folder, people) for feed in DEMO_FEEDS]


def fill_register(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    clock: Clock,
    folder: Path,
    progress: Callable[[FeedReport], None] | None = None,
) -> list[FeedReport]:
    """Register the demo agencies and load what they send.

    Idempotent: feeds that are loaded already are recognised, one that was interrupted goes on.

    Args:
        sessions: Opens transactions.
        keyring: Seals and finds.
        clock: Tells when records arrive.
        folder: Where the feed files are kept, for visitors to look at.
        progress: Called after each batch.

    Returns:
        The report of each feed.
    """
    reports = []
    for feed, path in zip(DEMO_FEEDS, write_feeds(folder), strict=True):
        with unit_of_work_of(sessions) as session:
            add_agency(session, feed.agency, clock.now())
        with path.open("rb") as file:
            reports.append(
                load_feed(
                    sessions,
                    keyring,
                    clock,
                    agency_id=feed.agency.agency_id,
                    file=file,
                    feed_format=feed.feed_format,
                    progress=progress,
                )
            )
    return reports
