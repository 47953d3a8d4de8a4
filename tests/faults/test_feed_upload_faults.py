"""A worker is killed while it loads a feed that came over HTTP: nothing twice, nothing lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from app.resources import Resources, open_resources
from kernel.clock import SystemClock
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId
from kernel.settings import Settings
from population_register.feed_formats import FeedFormat
from population_register.model import Agency, AgencyRole
from population_register.service.agencies import add_agency
from population_register.service.uploads import begin_upload, get_feed_status, load_upload
from population_register.tables import feed_chunks, feed_rejections, source_records

pytestmark = [pytest.mark.db, pytest.mark.slow, pytest.mark.timeout(120)]

TAX = AgencyId("tax")
ROWS = 6_000


def a_feed() -> bytes:
    """Every tenth row is bad; the others are about people of whom no two are alike."""
    rows = (
        {
            "record_number": f"{number}",
            "version": 0 if number % 10 == 0 else 1,
            "valid_from": "2020-01-01",
            "family_name": "".join(chr(0x430 + (number * k) % 31) for k in (3, 7, 11, 13, 17)),
            "birthdate": f"{1930 + number % 70}-{1 + number % 12:02}-{1 + number % 28:02}",
        }
        for number in range(ROWS)
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def done_lines(sessions: sessionmaker[Session], feed_id: UUID) -> int:
    with sessions() as session:
        return get_feed_status(session, TAX, feed_id).report.lines


def kill_midway(environment: dict[str, str], sessions: sessionmaker[Session], feed: UUID) -> None:
    worker = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], env=environment)
    try:
        give_up_at = time.monotonic() + 60
        while done_lines(sessions, feed) == 0 and time.monotonic() < give_up_at:
            time.sleep(0.02)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()


def check_whole(opened: Resources, feed_id: UUID) -> None:
    with opened.sessions() as session:
        status = get_feed_status(session, TAX, feed_id)
        stored = session.scalar(select(func.count()).select_from(source_records))
        rejected = session.scalar(select(func.count(feed_rejections.c.line.distinct())))
        waiting = session.scalar(select(func.count()).select_from(feed_chunks))
    assert (status.state, status.report.lines) == ("finished", ROWS)
    assert status.report.counts.rows == ROWS
    assert (stored, rejected, waiting) == (ROWS * 9 // 10, ROWS // 10, 0)


def test_killed_worker_is_followed(fresh_database: str, tmp_path: Path) -> None:
    settings = Settings(mode="test", database_url=SecretStr(fresh_database), data=tmp_path)
    environment = os.environ | {
        "CIVITAS_MODE": "test",
        "CIVITAS_PASSWORD_PROFILE": "test",
        "CIVITAS_DATABASE_URL": fresh_database,
        "CIVITAS_DATA": str(tmp_path),
    }
    with open_resources(settings, SystemClock()) as opened:
        at = opened.clock.now()
        with unit_of_work_of(opened.sessions) as session:
            agency = Agency(
                agency_id=TAX, role=AgencyRole.TAX, name_ru="ФНС", name_en="Tax", mapping={}
            )
            add_agency(session, agency, at)
        sending = begin_upload(opened.sessions, opened.keyring, TAX, FeedFormat.NDJSON, at=at)
        sending.take(a_feed())
        report = sending.end(expected_sha256=None, at=at)

        kill_midway(environment, opened.sessions, report.feed_id)
        midway = done_lines(opened.sessions, report.feed_id)
        # What the next worker does with the job that stalled.
        load_upload(opened.sessions, opened.keyring, opened.clock, sending.upload.upload_id)

        assert 0 < midway < ROWS
        check_whole(opened, report.feed_id)
