"""Remembers that the demonstration world is whole, so that the next start need not look.

It names the database and the addresses: another database, another port, and the world is looked
after again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

WORLD = 1
"""Goes up when the demonstration gets something that older ones lack."""

_FILE = "demo.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Where a world is whole."""

    database: str
    issuer: str
    bank: str

    @classmethod
    def of(cls, database_url: str, *, issuer: str, bank: str) -> "Marker":
        """Name the database that is at an address: the same one has the same name anywhere."""
        with psycopg.connect(database_url) as connection:
            row = connection.execute(
                "SELECT system_identifier, oid FROM pg_control_system(), pg_database"
                " WHERE datname = current_database()"
            ).fetchone()
        assert row is not None
        return cls(database="/".join(str(part) for part in row), issuer=issuer, bank=bank)

    def read(self, folder: Path) -> list[Mapping[str, Any]] | None:
        """Return the people of the world if it is whole; None if it has to be looked after."""
        try:
            written = json.loads((folder / _FILE).read_text())
        except (FileNotFoundError, ValueError):
            return None
        people: list[Mapping[str, Any]] = written.pop("people", [])
        return people if written == self._as_json() else None

    def write(self, folder: Path, people: list[Mapping[str, Any]]) -> None:
        """Remember that the world is whole."""
        draft = folder / f"{_FILE}.draft"
        draft.write_text(json.dumps({**self._as_json(), "people": people}, ensure_ascii=False))
        draft.rename(folder / _FILE)

    def _as_json(self) -> dict[str, Any]:
        return {
            "world": WORLD,
            "database": self.database,
            "issuer": self.issuer,
            "bank": self.bank,
        }
