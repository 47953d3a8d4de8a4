"""`civitas register`: is what the register says possible, and who has to look at what is not."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import click

from app.cli.session import as_json, progress, resources, show, table
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId
from population_register.api import (
    ANSWERS,
    MOST_LISTED,
    RULE_WORDS,
    STATUSES,
    WAITING,
    Reader,
    WorkItem,
    answer_work,
    check_register,
    count_work,
    list_work,
)

_OFFICIAL = click.option(
    "--official", required=True, help="Who you are: stands in the citizen's log."
)


@click.group()
def register() -> None:
    """Check the register for what can't be true; see and answer agencies' work lists."""


@register.command("check")
@as_json
def check(*, is_json: bool) -> None:
    """Look at everybody: contradictions between agencies, and impossible histories.

    What is found goes to the work lists of the agencies whose records are concerned, due after ten
    working days; what is no longer found is closed. Everybody sees in their access log that they
    were looked at. It may be broken off and begun again.
    """
    with resources() as opened, progress(is_hidden=is_json) as tell:
        counts = check_register(
            opened.sessions,
            opened.keyring,
            opened.clock,
            holidays=opened.settings.holidays,
            progress=tell,
        )
    lines = [
        f"{counts.people} people were looked at.",
        f"Found: {counts.opened} new, {counts.known} known before.",
        f"No longer so: {counts.corrected}. Said to be corrected, and not: {counts.reopened}.",
    ]
    show(is_json, asdict(counts), lines=lines)


@register.command("worklists")
@as_json
def show_counts(*, is_json: bool) -> None:
    """Count the items of every agency's work list; opens nothing about anybody."""
    with resources() as opened, opened.sessions() as session:
        rows: list[dict[str, object]] = [
            {"agency": agency_id, **dict(counts.items())}
            for agency_id, counts in count_work(session, opened.clock.now())
        ]
    columns = {name: name.upper() for name in ("agency", *STATUSES)}
    show(is_json, rows, lines=table(rows, columns))


@register.command("worklist")
@click.argument("agency_id")
@_OFFICIAL
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES),
    help="Only these; open and overdue ones when left out.",
)
@click.option("--after", type=click.UUID, help="The last item of the part before.")
@as_json
def show_list(
    agency_id: str,
    official: str,
    statuses: tuple[str, ...],
    after: UUID | None,
    *,
    is_json: bool,
) -> None:
    """List what AGENCY_ID has to look at, the oldest first, a hundred at a time.

    Each item opens a person's data, and the person sees that.
    """
    wanted = tuple(each for each in STATUSES if each in statuses) or WAITING
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        items = list_work(
            session,
            opened.keyring,
            by=_reader(agency_id, official, opened.clock.now()),
            statuses=wanted,
            after=after,
        )
    rows = [_row(item) for item in items]
    columns = {
        "item_id": "ITEM",
        "status": "STATUS",
        "due_on": "DUE",
        "found": "FOUND",
        "records": "RECORDS",
    }
    lines = table(rows, columns)
    if len(items) == MOST_LISTED:
        lines.append(f"There may be more: --after {items[-1].item_id}")
    show(is_json, rows, lines=lines)


@register.command("answer")
@click.argument("agency_id")
@click.argument("item_id", type=click.UUID)
@click.argument("answer", type=click.Choice(ANSWERS))
@_OFFICIAL
@click.option("--explanation", default="", help="For the citizen; needed to refuse.")
@as_json
def give_answer(
    agency_id: str, item_id: UUID, answer: str, official: str, explanation: str, *, is_json: bool
) -> None:
    """Answer ITEM_ID of the work list of AGENCY_ID, for the agency.

    `corrected`: the agency has corrected its record, or is about to send the correction.
    `refused`: its record is right, and the explanation says why.
    """
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        item = answer_work(
            session,
            opened.keyring,
            item_id,
            by=_reader(agency_id, official, opened.clock.now()),
            answer=answer,
            explanation=explanation,
        )
    show(is_json, _row(item), lines=[f"{item.item_id}: {answer}."])


def _reader(agency_id: str, official: str, at: datetime) -> Reader:
    return Reader(agency_id=AgencyId(agency_id), official=official, at=at, by_command=True)


def _row(item: WorkItem) -> dict[str, object]:
    _ru, found = RULE_WORDS[item.rule]
    return {
        **asdict(item),
        "item_id": str(item.item_id),
        "found": f"{found}: {', '.join(item.attributes)}",
        "records": ", ".join(item.record_numbers),
    }
