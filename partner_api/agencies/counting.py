"""Count officials' questions in memory, and add them to the database every few seconds.

A row per question would make each wait for the one before it. What a killed process had not written
yet is lost: the counts are for alarms, every answer about a person stands in the access log.

Concurrency: one per process; `_lock` guards what was counted and not written.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import Clock
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId
from partner_api.agencies import store
from partner_api.agencies.browsing import Alarm, Counts, find_alarms

log = structlog.get_logger("civitas.agencies")

WRITE_EVERY: Final = timedelta(seconds=5)
WRITE_AT: Final = 500
"""Questions of one official after which nobody waits for the five seconds."""

Key = tuple[AgencyId, str, datetime]


class Tally:
    """What officials asked and this process has not written yet."""

    def __init__(
        self, sessions: sessionmaker[Session], clock: Clock, *, tell: Callable[[str], None]
    ) -> None:
        """Begin with nothing counted.

        Args:
            sessions: Opens a transaction for each writing.
            clock: Tells when the last one was.
            tell: Called with the pattern of each alarm that this process raises.
        """
        self._sessions = sessions
        self._clock = clock
        self._tell = tell
        self._lock = Lock()
        self._counts: dict[Key, Counts] = {}
        self._written_at = clock.now()
        self._waiting: asyncio.AbstractEventLoop | None = None
        self._writing: asyncio.Future[None] | None = None

    def add(self, agency_id: AgencyId, official: str, counts: Counts, *, at: datetime) -> bool:
        """Count questions; tell whether what was counted is to be written."""
        key = agency_id, official, hour_of(at)
        with self._lock:
            so_far = self._counts.get(key)
            total = self._counts[key] = counts if so_far is None else so_far + counts
            return at - self._written_at >= WRITE_EVERY or (
                total.by_name + total.by_number >= WRITE_AT
            )

    def write_later(self) -> None:
        """See to it that what was counted is written, also if nobody asks any more.

        Concurrency: called from the event loop; one timer of a loop at a time.
        """
        loop = asyncio.get_running_loop()
        if self._waiting is not loop:
            self._waiting = loop
            loop.call_later(WRITE_EVERY.total_seconds(), self._write_beside, loop)

    def _write_beside(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waiting = None
        self._writing = loop.run_in_executor(None, self.write)

    def write(self) -> None:
        """Add what was counted to the database, and raise the alarms that it makes."""
        with self._lock:
            counted, self._counts = self._counts, {}
            self._written_at = at = self._clock.now()
        if not counted:
            return
        try:
            raised = raise_alarms(self._sessions, counted, at=at)
        except SQLAlchemyError:  # away: an alarm late is better than a question refused
            log.warning("agencies.counts.not_written", exc_info=True)
            with self._lock:
                for key, counts in counted.items():
                    self._counts[key] = counts + self._counts.get(key, Counts())
        else:
            for alarm in raised:
                self._tell(alarm.pattern.value)


def raise_alarms(
    sessions: sessionmaker[Session], counted: Mapping[Key, Counts], *, at: datetime
) -> list[Alarm]:
    """Add counts to those of every other process; return the alarms that were raised by it.

    Each is raised once an hour, by whichever process comes first.

    Transaction:
        One; rows of counts are changed in the order of their keys.
    """
    raised = []
    with unit_of_work_of(sessions) as session:
        for key in sorted(counted):
            total = store.add_counts(session, *key, counted[key])
            raised += [
                (*key, alarm)
                for alarm in find_alarms(total)
                if store.insert_alarm(session, *key, alarm, at=at)
            ]
    for agency_id, official, hour, alarm in raised:
        log.warning(
            "agencies.browsing.suspected",
            agency_id=agency_id,
            official=official,
            hour=hour.isoformat(),
            pattern=alarm.pattern.value,
            asked=alarm.asked,
            matched=alarm.matched,
        )
    return [alarm for *_, alarm in raised]


def hour_of(at: datetime) -> datetime:
    """Return the first instant of the hour."""
    return at.replace(minute=0, second=0, microsecond=0)
