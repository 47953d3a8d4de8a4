"""Commands of `civitas`, run in the test's own process."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from click.testing import CliRunner, Result

from app.cli import main


@contextmanager
def logging_kept() -> Iterator[None]:
    """Leave logging as it was; a command configures it for its process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@dataclass(frozen=True)
class Installation:
    """An installation: a database, a data folder, and no setting of whoever runs the tests."""

    database_url: str
    data: Path

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        """Run a command. Use with the fixture `logging_as_before`."""
        ours = {name: None for name in os.environ if name.startswith("CIVITAS_")}
        return CliRunner().invoke(
            main,
            arguments,
            input=stdin,
            env={
                **ours,
                "CIVITAS_MODE": "test",
                "CIVITAS_PASSWORD_PROFILE": "test",
                "CIVITAS_DATABASE_URL": self.database_url,
                "CIVITAS_DATA": str(self.data),
                **environment,
            },
        )

    def json(self, *arguments: str, exit_code: int = 0) -> Any:  # noqa: ANN401  # JSON
        """Run a command and read what it prints as JSON."""
        done = self.run(*arguments, "--json")
        assert done.exit_code == exit_code, done.output
        return json.loads(done.stdout)
