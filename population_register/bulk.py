"""Arrays of what the register looks up by many."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, LargeBinary, Uuid

from kernel.bulk import Tid, copy_new_rows, copy_rows, execute_later, rows_of
from kernel.bulk import any_of as any_of_kind
from kernel.ids import PersonId


def any_of(digests: Iterable[bytes]) -> ColumnElement[Any]:
    """Return `ANY(array)` of digests."""
    return any_of_kind(LargeBinary, digests)


def any_id_of(person_ids: Iterable[PersonId]) -> ColumnElement[Any]:
    """Return `ANY(array)` of persons."""
    return any_of_kind(Uuid, person_ids)


def any_key_of(keys: Iterable[int]) -> ColumnElement[Any]:
    """Return `ANY(array)` of blocking keys."""
    return any_of_kind(BigInteger, keys)


__all__ = [
    "Tid",
    "any_id_of",
    "any_key_of",
    "any_of",
    "copy_new_rows",
    "copy_rows",
    "execute_later",
    "rows_of",
]
