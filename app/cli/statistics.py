"""`civitas statistics`: what may be said about the population without naming anybody."""

from decimal import Decimal
from pathlib import Path

import click

from app.cli.session import FileToWrite, as_json, progress, resources, show, table
from kernel.db import unit_of_work_of
from population_register.api import (
    DIMENSIONS,
    add_recipient,
    count_people,
    list_recipients,
    list_releases,
    take_snapshot,
    write_extract,
)

_MILLI = 1000
_EPSILON = click.FloatRange(0.001, 100)
_DIMENSIONS = "; ".join(f"{name}: {', '.join(d.levels)}" for name, d in DIMENSIONS.items())


@click.group(epilog=f"Dimensions and their levels: {_DIMENSIONS}.")
def statistics() -> None:
    """Count people with noise, and write extracts without identities."""


@statistics.group()
def recipient() -> None:
    """Enter and list who may get statistics."""


@recipient.command()
@click.argument("recipient_id")
@click.option("--name", required=True, help="As it is shown.")
@click.option(
    "--budget",
    required=True,
    type=_EPSILON,
    help="Epsilon that all counts for it may use up together; it is never renewed.",
)
@as_json
def add(recipient_id: str, name: str, budget: float, *, is_json: bool) -> None:
    """Let RECIPIENT_ID get statistics."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        add_recipient(
            session,
            recipient_id=recipient_id,
            name=name,
            budget_milli=_milli(budget),
            at=opened.clock.now(),
        )
    show(
        is_json,
        {"recipient_id": recipient_id, "name": name, "budget": budget},
        lines=[f"{name} may get statistics as {recipient_id}, with a budget of {budget:g}."],
    )


@recipient.command("list")
@as_json
def list_all(*, is_json: bool) -> None:
    """List who may get statistics, and what is left of each budget."""
    with resources() as opened, opened.sessions() as session:
        rows = [
            {
                "recipient_id": one.recipient_id,
                "name": one.name,
                "budget": one.budget_milli / _MILLI,
                "left": one.left_milli / _MILLI,
            }
            for one in list_recipients(session)
        ]
    columns = {"recipient_id": "RECIPIENT", "name": "NAME", "budget": "BUDGET", "left": "LEFT"}
    show(is_json, rows, lines=table(rows, columns))


@statistics.command()
@as_json
def snapshot(*, is_json: bool) -> None:
    """Count the population; `count` answers from the latest snapshot.

    Everybody's record is opened once, and everybody sees that in their access log.
    """
    with resources() as opened, progress(is_hidden=is_json) as tell:
        snapshot_id = take_snapshot(opened.sessions, opened.keyring, opened.clock, tell)
    show(
        is_json,
        {"snapshot_id": str(snapshot_id), "people": tell.done},
        lines=[f"Snapshot {snapshot_id}: {tell.done} people were looked at."],
    )


@statistics.command()
@click.option("--recipient", "recipient_id", required=True, help="For whom.")
@click.option("--where", multiple=True, help="Condition: sex=female, age.ten_years=20-29.")
@click.option("--by", multiple=True, help="Grouping: sex, region.district.")
@click.option("--epsilon", required=True, type=_EPSILON, help="The price; less is noisier.")
@as_json
def count(
    recipient_id: str,
    where: tuple[str, ...],
    by: tuple[str, ...],
    epsilon: float,
    *,
    is_json: bool,
) -> None:
    """Count people in the latest snapshot, with noise that hides every single one of them."""
    with resources() as opened:
        counted = count_people(
            opened.sessions,
            opened.keyring,
            recipient_id=recipient_id,
            where=where,
            by=by,
            epsilon_milli=_milli(epsilon),
            at=opened.clock.now(),
        )
    noisy = counted.noisy
    rows: list[dict[str, object]] = [
        {**dict(zip(counted.by, group, strict=True)), "people": people}
        for group, people in zip(noisy.groups, noisy.counts, strict=True)
    ]
    summary = {
        "release_id": str(counted.release_id),
        "taken_at": counted.taken_at.isoformat(),
        "counts": rows,
        "within": noisy.within,
        "confidence": 0.95,
        "epsilon": counted.epsilon_milli / _MILLI,
        "paid": counted.paid_milli / _MILLI,
        "left": counted.left_milli / _MILLI,
    }
    columns = {**{name: name.upper() for name in counted.by}, "people": "PEOPLE"}
    price = (
        f"Paid {counted.paid_milli / _MILLI:g}"
        if counted.paid_milli
        else "The same was asked before: nothing to pay"
    )
    show(
        is_json,
        summary,
        lines=[
            *table(rows, columns),
            "",
            f"Each count is within {noisy.within} of the truth in 95 of 100 cases.",
            f"{price}; {counted.left_milli / _MILLI:g} of the budget is left.",
        ],
    )


@statistics.command()
@click.argument("file", type=FileToWrite())
@click.option("--recipient", "recipient_id", required=True, help="For whom.")
@click.option(
    "--field", "fields", multiple=True, required=True, type=click.Choice(list(DIMENSIONS))
)
@click.option("--k", required=True, type=click.IntRange(5), help="Fewest equal people in a class.")
@click.option(
    "--most-suppressed",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="Share of people that may be left out for finer values.",
)
@as_json
def extract(
    file: Path,
    recipient_id: str,
    fields: tuple[str, ...],
    k: int,
    most_suppressed: float,
    *,
    is_json: bool,
) -> None:
    """Write FILE (CSV): a row for each person, under a pseudonym of this extract alone.

    Values are made coarser until each class of equal rows has at least K people.
    """
    if file.exists():
        raise click.BadParameter("exists already; name a new file", param_hint="FILE")
    draft = file.with_name(f"{file.name}.part")
    try:
        with (
            resources() as opened,
            draft.open("w", encoding="utf-8", newline="") as out,
            progress(is_hidden=is_json) as tell,
        ):
            extracted = write_extract(
                opened.sessions,
                opened.keyring,
                opened.clock,
                out,
                recipient_id=recipient_id,
                fields=fields,
                k=k,
                most_suppressed=most_suppressed,
                progress=tell,
            )
        draft.rename(file)
    finally:
        draft.unlink(missing_ok=True)
    chosen = extracted.generalization
    levels = dict(zip(extracted.fields, extracted.levels, strict=True))
    show(
        is_json,
        {
            "release_id": str(extracted.release_id),
            "k": extracted.k,
            "levels": levels,
            "rows": chosen.rows,
            "suppressed": chosen.suppressed,
            "classes": chosen.classes,
            "smallest_class": chosen.smallest,
        },
        lines=[
            f"{file}: {chosen.rows} rows in {chosen.classes} classes of {chosen.smallest} or more.",
            f"{chosen.suppressed} people were left out.",
            "Levels: " + ", ".join(f"{name} by {level}" for name, level in levels.items()) + ".",
        ],
    )


@statistics.command()
@click.option("--recipient", "recipient_id", required=True, help="Whose.")
@as_json
def releases(recipient_id: str, *, is_json: bool) -> None:
    """List what was given out to a recipient, the latest first."""
    with resources() as opened, opened.sessions() as session:
        rows = [
            {
                "release_id": str(release.release_id),
                "kind": release.kind,
                "released_at": release.released_at.isoformat(timespec="seconds"),
                "request": dict(release.request),
                "report": dict(release.report),
            }
            for release in list_releases(session, recipient_id)
        ]
    columns = {
        "released_at": "WHEN",
        "kind": "KIND",
        "request": "REQUEST",
        "report": "REPORT",
    }
    show(is_json, rows, lines=table(rows, columns))


def _milli(epsilon: float) -> int:
    """Return thousandths, one at least: nothing is free."""
    return max(1, int(Decimal(str(epsilon)) * _MILLI))
