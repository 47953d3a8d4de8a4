"""`civitas feed`: take in what agencies send."""

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from app.cli.session import NOT_ALL_GOOD, FileToWrite, as_json, resources, show, table
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId
from population_register.api import (
    FeedFormat,
    FeedReport,
    add_agency,
    guess_format,
    list_agencies,
    list_feeds,
    load_feed,
    parse_agency,
    write_rejections,
)


@click.group()
def feed() -> None:
    """Load feeds of source records and see their reports."""


@feed.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--agency", required=True, help="Who sends it; see `civitas feed agencies`.")
@click.option(
    "--rejections",
    type=FileToWrite(),
    help="Write the rejected rows there: line, field, reason, advice. CSV or NDJSON by its ending.",
)
@as_json
@click.pass_context
def load(
    ctx: click.Context, file: Path, agency: str, rejections: Path | None, *, is_json: bool
) -> None:
    """Load FILE (NDJSON or CSV) into the register.

    A feed that was interrupted goes on where it stopped; one that was finished is not loaded again
    and its report is shown. Exit code 4 if rows were rejected.
    """
    feed_format = guess_format(file.name)
    report_format = FeedFormat.CSV if rejections is None else guess_format(rejections.name)
    with resources() as opened:
        with file.open("rb") as stream, _progress(file, is_hidden=is_json) as tell:
            report = load_feed(
                opened.sessions,
                opened.keyring,
                opened.clock,
                agency_id=AgencyId(agency),
                file=stream,
                feed_format=feed_format,
                progress=tell,
            )
        if rejections is not None:
            with (
                opened.sessions() as session,
                rejections.open("w", encoding="utf-8", newline="") as out,
            ):
                out.writelines(write_rejections(session, report.feed_id, report_format))
        shown: list[str] = []
        if report.counts.rejected and rejections is None and not is_json:
            with opened.sessions() as session:
                shown = [
                    line.rstrip()
                    for line, _ in zip(
                        write_rejections(session, report.feed_id, FeedFormat.CSV),
                        range(_SHOWN_REJECTIONS + 1),
                        strict=False,
                    )
                ]
    show(is_json, _as_json(report), lines=[*_lines(report), *shown])
    if report.counts.rejected:
        ctx.exit(NOT_ALL_GOOD)


_SHOWN_REJECTIONS = 10


@contextmanager
def _progress(file: Path, *, is_hidden: bool) -> Iterator["_Teller"]:
    with click.progressbar(
        length=max(1, file.stat().st_size),
        label=f"Loading {file.name}",
        hidden=is_hidden,
        show_pos=False,
    ) as bar:
        yield _Teller(bar)


class _Teller:
    """Moves the bar to where the feed is."""

    def __init__(self, bar: "click._termui_impl.ProgressBar[int]") -> None:
        self._bar = bar
        self._offset = 0

    def __call__(self, report: FeedReport) -> None:
        self._bar.update(report.offset - self._offset)
        self._offset = report.offset


def _as_json(report: FeedReport) -> dict[str, object]:
    counts = report.counts
    return {
        "feed_id": str(report.feed_id),
        "agency": report.agency_id,
        "rows": report.lines,
        "finished_at": report.finished_at.isoformat() if report.finished_at else None,
        "new": counts.new,
        "linked": counts.linked,
        "ask": counts.ask,
        "held": counts.held,
        "unchanged": counts.unchanged,
        "rejected": counts.rejected,
    }


def _lines(report: FeedReport) -> list[str]:
    counts = report.counts
    return [
        f"Feed {report.feed_id} of {report.agency_id}: {report.lines} lines.",
        (
            f"  {counts.new} new persons, {counts.linked} linked, {counts.unchanged} unchanged, "
            f"{counts.ask} for a human, {counts.held} held back, {counts.rejected} rejected."
        ),
    ]


@feed.command("list")
@click.option("--agency", required=True, help="Whose feeds.")
@as_json
def list_all(agency: str, *, is_json: bool) -> None:
    """List an agency's feeds, latest first."""
    with resources() as opened, opened.sessions() as session:
        reports = list_feeds(session, AgencyId(agency))
    rows = [_as_json(report) for report in reports]
    columns = {
        "feed_id": "FEED",
        "rows": "LINES",
        "rejected": "REJECTED",
        "finished_at": "FINISHED",
    }
    show(is_json, rows, lines=table(rows, columns))


@feed.command()
@as_json
def agencies(*, is_json: bool) -> None:
    """List the agencies that may send records."""
    with resources() as opened, opened.sessions() as session:
        rows = [
            {"agency": agency.agency_id, "name": agency.name_en}
            for agency in list_agencies(session)
        ]
    show(is_json, rows, lines=table(rows, {"agency": "AGENCY", "name": "NAME"}))


@feed.command("add-agency")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
def add(file: Path, *, is_json: bool) -> None:
    """Let an agency send records, or replace what is known of it, as FILE (TOML) says.

    FILE names the agency and maps its columns to ours; docs/feeds.md describes it.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"not TOML: {error}", param_hint="FILE") from error
    agency = parse_agency(document)
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        add_agency(session, agency, opened.clock.now())
    show(
        is_json,
        {"agency": agency.agency_id, "role": agency.role.value, "name": agency.name_en},
        lines=[f"{agency.name_en} sends as {agency.agency_id}."],
    )
