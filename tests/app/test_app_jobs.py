"""The schedule of signing keys."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import obstore.store
import pytest
from sqlalchemy import Engine

from app.jobs import rotate_signing_keys
from app.main import TASKS
from kernel.clock import FrozenClock
from kernel.db import make_sessions
from kernel.jobs import JobContext
from kernel.keyring import Keyring
from kernel.root_keys import LocalKeyFile
from kernel.settings import Settings
from kernel.signing import SigningKeys


@pytest.fixture
def context(fresh_engine: Engine, clock: FrozenClock, tmp_path: Path) -> JobContext:
    sessions = make_sessions(fresh_engine)
    root = LocalKeyFile.create(tmp_path / "root.key")
    return JobContext(
        settings=Settings(mode="test", signing_key_days=30),
        clock=clock,
        sessions=sessions,
        keyring=Keyring.open(root, sessions, at=clock.now()),
        signing=SigningKeys.open(root, sessions, at=clock.now()),
        blobs=obstore.store.MemoryStore(),
    )


def test_keys_are_followed_when_their_days_are_over(
    context: JobContext, clock: FrozenClock
) -> None:
    first = context.signing.current("oidc").kid

    clock.advance(timedelta(days=30, seconds=-1))
    rotate_signing_keys(context)
    assert context.signing.current("oidc").kid == first
    clock.advance(timedelta(seconds=1))
    rotate_signing_keys(context)

    assert context.signing.current("oidc").kid != first


def test_without_days_only_a_command_does_it(context: JobContext, clock: FrozenClock) -> None:
    first = context.signing.current("oidc").kid
    context = replace(context, settings=Settings(mode="test", signing_key_days=0))

    clock.advance(timedelta(days=3650))
    rotate_signing_keys(context)

    assert context.signing.current("oidc").kid == first


def test_workers_have_the_job() -> None:
    assert "app.signing_keys.rotate" in {task.name for tasks in TASKS for task in tasks}
