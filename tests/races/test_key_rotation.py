"""Several workers whose schedules fall due at one instant: a key is followed once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from kernel.db import unit_of_work_of
from kernel.root_keys import LocalKeyFile
from kernel.signing import ALGORITHMS_BY_USE, SCHEDULED_USES, SigningKeys
from kernel.tables import signing_keys
from tests.idp.pure import NOON

pytestmark = [pytest.mark.db, pytest.mark.timeout(60)]

WORKERS = 4
PERIOD = timedelta(days=1)


def test_of_many_workers_one_rotates(fresh_sessions: sessionmaker[Session], tmp_path: Path) -> None:
    root = LocalKeyFile.create(tmp_path / "root.key")
    workers = [SigningKeys.open(root, fresh_sessions, at=NOON) for _ in range(WORKERS)]
    barrier = Barrier(WORKERS)

    def fall_due(signing: SigningKeys) -> list[str]:
        barrier.wait()
        with unit_of_work_of(fresh_sessions) as session:
            return signing.rotate_due(session, period=PERIOD, at=NOON + PERIOD)

    with ThreadPoolExecutor(WORKERS) as pool:
        done = list(pool.map(fall_due, workers))

    scheduled = sum(len(ALGORITHMS_BY_USE[use]) for use in SCHEDULED_USES)
    assert sorted(map(len, done)) == [0, 0, 0, scheduled]
    with fresh_sessions() as session:
        states = Counter(
            session.scalars(
                select(signing_keys.c.state).where(signing_keys.c.use.in_(SCHEDULED_USES))
            )
        )
    assert states == {"current": scheduled, "next": scheduled, "retired": scheduled}
