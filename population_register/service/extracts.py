"""Extracts for statistics: a row for each person, and no row that stands alone."""

import csv
import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Self, TextIO
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import Clock
from kernel.db import unit_of_work_of
from kernel.envelope import associated_data
from kernel.ids import new_id
from kernel.keyring import Keyring
from population_register import statistics_store as store
from population_register.deidentification import (
    DIMENSIONS,
    Cell,
    Generalization,
    Table,
    View,
    choose_levels,
    classify,
    project,
    released,
)
from population_register.errors import CountRefused, ExtractTellsTooMuch, UnknownRecipient
from population_register.service.census import Progress, everybody
from population_register.statistics_store import GivenExtract

_cells = msgspec.msgpack.Decoder(list[tuple[tuple[str, ...], int]])

LEAST_K = 5
"""Smaller classes are never released, whatever is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What an extract is."""

    release_id: UUID
    k: int
    fields: tuple[str, ...]
    levels: tuple[str, ...]
    generalization: Generalization


def write_extract(
    sessions: sessionmaker[Session],
    keyring: Keyring,
    clock: Clock,
    out: TextIO,
    *,
    recipient_id: str,
    fields: Sequence[str],
    k: int,
    most_suppressed: float,
    progress: Progress | None = None,
) -> Extracted:
    """Write one row per living person: a pseudonym of this extract alone, and coarse values.

    Every class of equal rows has at least `k` of them; smaller classes are left out. Rows are in
    the order of their pseudonyms, which says nothing. Beside each extract that the recipient was
    given before, this one tells of nobody or of at least as many people as both promise, by which
    values may become coarser still.

    Args:
        sessions: Opens transactions.
        keyring: Opens records, makes pseudonyms.
        clock: Tells when.
        out: Gets the CSV.
        recipient_id: Whom it is for.
        fields: Names of dimensions, each once.
        k: `LEAST_K` or more.
        most_suppressed: The share of people that may be left out for finer values, 0 to 1.
        progress: Told how far it is.

    Raises:
        CountRefused: 400. No such field, one twice, or k too small.
        UnknownRecipient: 404.
        ExtractTellsTooMuch: 409. A field would have to say nothing, because of what the recipient
            has. Nothing is written.

    Transaction:
        One for each batch of people. The release is stored before the first row is written, and
        those for one recipient one after another: each is held against all before it.
    """
    _check_extract(fields, k, most_suppressed)
    with sessions() as session:
        if store.find_recipient(session, recipient_id) is None:
            raise UnknownRecipient(recipient_id=recipient_id)
    release_id = new_id(clock.now())
    cells: Counter[Cell] = Counter()
    with _Buckets() as rows:
        numbers: dict[Cell, int] = {}
        for batch in everybody(sessions, keyring, clock, progress=progress):
            for person_id, cell in batch:
                cells[cell] += 1
                pseudonym = keyring.pseudonym(f"extract:{release_id}", person_id)
                rows.put(pseudonym, numbers.setdefault(cell, len(numbers)))
        with unit_of_work_of(sessions) as session:
            store.lock_recipient(session, recipient_id)
            given = store.list_extracts(session, recipient_id)
            chosen = _choose(keyring, cells, fields, given, k=k, most_suppressed=most_suppressed)
            extracted = Extracted(
                release_id=release_id,
                k=k,
                fields=tuple(fields),
                levels=tuple(
                    DIMENSIONS[name].levels[level]
                    for name, level in zip(fields, chosen.levels, strict=True)
                ),
                generalization=chosen,
            )
            people = released(cells, fields, chosen.levels, k=k)
            _store_extract(
                session,
                recipient_id,
                extracted,
                most_suppressed,
                people_sealed=keyring.seal_system(
                    msgspec.msgpack.encode(sorted(people.items())),
                    associated_data=_place(release_id),
                ),
                at=clock.now(),
            )
        sizes = project(cells, fields, chosen.levels)
        classes = {
            number: classify(cell, fields, chosen.levels) for cell, number in numbers.items()
        }
        told = {number: values for number, values in classes.items() if sizes[values] >= k}
        _write_rows(out, fields, rows, told)
    return extracted


def _write_rows(
    out: TextIO, fields: Sequence[str], rows: "_Buckets", told: Mapping[int, Sequence[str]]
) -> None:
    writer = csv.writer(out)
    writer.writerow(["pseudonym", *fields])
    for pseudonym, number in rows:
        if number in told:
            writer.writerow([pseudonym, *told[number]])


class _Buckets:
    """Rows of an extract on disk, to be read in the order of their pseudonyms.

    In the order of the register two extracts could be laid side by side and joined row by row.
    A bucket for each first character is sorted in memory: a sixty-fourth of the population.
    """

    def __init__(self) -> None:
        self._open = ExitStack()
        self._files: dict[str, IO[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def put(self, pseudonym: str, number: int) -> None:
        """Keep a row."""
        bucket = self._files.get(pseudonym[0])
        if bucket is None:
            bucket = self._files[pseudonym[0]] = self._open.enter_context(
                tempfile.TemporaryFile("w+", encoding="ascii", newline="")  # noqa: SIM115
            )
        bucket.write(f"{pseudonym} {number}\n")

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Return every row."""
        for first in sorted(self._files):
            bucket = self._files[first]
            bucket.seek(0)
            for row in sorted(bucket):
                pseudonym, number = row.split()
                yield pseudonym, int(number)


def _check_extract(fields: Sequence[str], k: int, most_suppressed: float) -> None:
    if not fields or len(set(fields)) < len(fields) or not set(fields) <= DIMENSIONS.keys():
        raise CountRefused(f"Name fields of: {', '.join(DIMENSIONS)}; each once.")
    if k < LEAST_K:
        raise CountRefused(f"k is {LEAST_K} or more.")
    if not math.isfinite(most_suppressed) or not 0 <= most_suppressed <= 1:
        raise CountRefused("The share that may be left out is between 0 and 1.")


def _choose(
    keyring: Keyring,
    cells: Table,
    fields: Sequence[str],
    given: Sequence[GivenExtract],
    *,
    k: int,
    most_suppressed: float,
) -> Generalization:
    """Choose the levels of an extract beside those that were given before.

    Raises:
        ExtractTellsTooMuch: 409. A field would have to say nothing that could say something.
    """
    alone = choose_levels(cells, fields, k=k, most_suppressed=most_suppressed)
    if not given:
        return alone
    views = [_view(keyring, each) for each in given]
    chosen = choose_levels(cells, fields, k=k, most_suppressed=most_suppressed, given=views)
    coarsest = [len(DIMENSIONS[name].levels) - 1 for name in fields]
    fits = View.of(cells, fields, chosen.levels, k=k).stands_beside(views)
    lost = [
        name
        for name, free, bound, last in zip(
            fields, alone.levels, chosen.levels, coarsest, strict=True
        )
        if free != last and (bound == last or not fits)
    ]
    if lost or not fits:
        raise ExtractTellsTooMuch(_advice(given[0], lost))
    return chosen


def _advice(latest: GivenExtract, lost: Sequence[str]) -> str:
    """Say what is in the way, and what can be done."""
    had = ", ".join(
        f"{name} by {level}"
        for name, level in zip(latest.request["fields"], latest.report["levels"], strict=True)
    )
    return (
        "Laid beside what the recipient has, this extract would tell of fewer than k people, or is "
        f"finer in one field and coarser in another ({', '.join(lost) or 'all of it'}). The latest "
        f"has {had}, of {latest.released_at:%Y-%m-%d}. Ask for the same fields once enough has "
        "changed, for fewer of them, or for counts."
    )


def _view(keyring: Keyring, given: GivenExtract) -> View:
    """Return what an extract that was given shows.

    Raises:
        ExtractTellsTooMuch: 409. It was given before that was kept.
    """
    if given.people_sealed is None:
        raise ExtractTellsTooMuch(
            f"Of the extract of {given.released_at:%Y-%m-%d} nothing was kept that another one "
            "could be held against. Give counts to this recipient."
        )
    people = _cells.decode(
        keyring.unseal_system(given.people_sealed, associated_data=_place(given.release_id))
    )
    names = given.request["fields"]
    levels = [
        DIMENSIONS[name].levels.index(level)
        for name, level in zip(names, given.report["levels"], strict=True)
    ]
    return View.of(dict(people), names, levels, k=given.request["k"])


def _place(release_id: UUID) -> bytes:
    return associated_data("statistics_releases", "people_sealed", release_id)


def _store_extract(
    session: Session,
    recipient_id: str,
    extracted: Extracted,
    most_suppressed: float,
    *,
    people_sealed: bytes,
    at: datetime,
) -> None:
    chosen = extracted.generalization
    store.insert_release(
        session,
        {
            "release_id": extracted.release_id,
            "recipient_id": recipient_id,
            "kind": "extract",
            "people_sealed": people_sealed,
            "released_at": at,
            "request": {
                "fields": list(extracted.fields),
                "k": extracted.k,
                "most_suppressed": most_suppressed,
            },
            "report": {
                "levels": list(extracted.levels),
                "rows": chosen.rows,
                "suppressed": chosen.suppressed,
                "classes": chosen.classes,
                "smallest_class": chosen.smallest,
            },
        },
    )
