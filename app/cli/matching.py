"""`civitas matching`: who is one person, by the records and by those who decide."""

import resource
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO
from uuid import UUID

import click

from app.cli.reviewing import COMMANDS
from app.cli.session import FileToWrite, as_json, resources, show
from kernel.ids import PersonId
from population_register.api import (
    MatchingQuality,
    MatchingReport,
    RebuildCounts,
    TruthColumn,
    TruthPairs,
    evaluate_matching,
    rebuild_standings,
    suggest_table_mapping,
)

_KIB = 1024


@click.group()
def matching() -> None:
    """Decide who is one person, and measure how well the records do by themselves."""


for _command in COMMANDS:
    matching.add_command(_command)


@matching.command()
@click.argument("persons", nargs=-1, type=click.UUID)
@click.option("--all", "everybody", is_flag=True, help="Everybody, not only who has none yet.")
@click.option("--after", type=click.UUID, help="Go on after this person.")
@as_json
def rebuild(
    persons: tuple[UUID, ...], after: UUID | None, *, everybody: bool, is_json: bool
) -> None:
    """Derive anew how records stand in matching, and what follows: of whoever has no standings.

    Broken off anywhere, it can be begun again; what stands right is left alone.
    """
    if persons and (everybody or after):
        raise click.BadParameter("name persons, or take everybody", param_hint="PERSONS")

    def tell(counts: RebuildCounts) -> None:
        if not is_json:
            click.echo(f"{counts.persons} looked at, {counts.changed} changed; {counts.last}")

    with resources() as opened:
        counts = rebuild_standings(
            opened.sessions,
            opened.keyring,
            opened.clock,
            person_ids=list(map(PersonId, persons)),
            everybody=everybody,
            after=None if after is None else PersonId(after),
            holidays=opened.settings.holidays,
            progress=tell,
        )
    show(
        is_json,
        {"persons": counts.persons, "changed": counts.changed, "last": counts.last},
        lines=[f"Done: {counts.persons} looked at, {counts.changed} changed."],
    )


@matching.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML: which column is which attribute; see docs/matching.md.",
)
@click.option("--truth-column", help="Equal in rows about one person; not looked at.")
@click.option(
    "--truth-pairs",
    "truth_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Instead: CSV of two columns, the identifiers of two rows about one person.",
)
@click.option("--id-column", help="With --truth-pairs: the column of FILE with the identifiers.")
@click.option("--without", multiple=True, help="Leave an attribute out, e.g. snils. Repeatable.")
@click.option("--encoding", default="utf-8", help="Of FILE, if not UTF-8; e.g. windows-1251.")
@click.option("--mistakes", type=click.IntRange(0, 1000), default=0, help="Show so many mistakes.")
@click.option(
    "--clusters",
    "clusters_file",
    type=FileToWrite(),
    help="Write the person of every row there: line,person; of several files file,line,person.",
)
@click.option(
    "--suggest-mapping",
    "is_suggestion",
    is_flag=True,
    help="Only print a mapping that is guessed from FILE, to be corrected by hand.",
)
@as_json
def evaluate(  # noqa: PLR0917 - one argument per option
    files: tuple[Path, ...],
    mapping_file: Path | None,
    truth_column: str | None,
    truth_file: Path | None,
    id_column: str | None,
    without: tuple[str, ...],
    encoding: str,
    mistakes: int,
    clusters_file: Path | None,
    *,
    is_suggestion: bool,
    is_json: bool,
) -> None:
    """Match the rows of FILE (CSV) and compare the result with who is one person in truth.

    The weights are learned from the file without its truth; the rows then take the same way as the
    records of a feed. Prints precision, recall and F1 of pairs and of persons. Of several files,
    each is a source.
    """
    with ExitStack() as opened:
        tables = [opened.enter_context(_opened(file, encoding)) for file in files]
        with _said_in(encoding):
            if is_suggestion:
                click.echo(suggest_table_mapping(tables[0], truth=truth_column), nl=False)
                return
            if mapping_file is None:
                raise click.UsageError("Say --mapping, or --suggest-mapping to have one guessed.")
            pairs = None
            if truth_file is not None:
                pairs = opened.enter_context(_opened(truth_file, "utf-8"))
            begun = perf_counter()
            report = evaluate_matching(
                *tables,
                mapping=_read_mapping(mapping_file),
                truth=_truth(truth_column, pairs, id_column),
                without=without,
                progress=None if is_json else _tell,
                most_mistakes=mistakes,
            )
    seconds = perf_counter() - begun
    if not is_json:
        click.echo("\r\033[K", err=True, nl=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
    if clusters_file is not None:
        _write_clusters(report, clusters_file, has_files=len(files) > 1)
    show(is_json, _as_json(report, seconds, peak), lines=_lines(report, seconds, peak, files))


def _truth(
    column: str | None, pairs: TextIO | None, id_column: str | None
) -> TruthColumn | TruthPairs:
    if (column is None) == (pairs is None):
        raise click.UsageError("Say who is one person: --truth-column, or --truth-pairs.")
    if (pairs is None) != (id_column is None):
        raise click.UsageError("--id-column goes with --truth-pairs, and only with it.")
    if pairs is not None and id_column is not None:
        return TruthPairs(lines=pairs, id_column=id_column)
    return TruthColumn(name=column or "")


def _read_mapping(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.BadParameter(str(error), param_hint="--mapping") from error


@contextmanager
def _said_in(encoding: str) -> Iterator[None]:
    """Explain a file that is not written as was said."""
    try:
        yield
    except UnicodeError as error:
        raise click.BadParameter(
            f"the file is not written in {encoding}; say how it is: --encoding windows-1251",
            param_hint="FILE",
        ) from error


def _opened(file: Path, encoding: str) -> TextIO:
    try:
        return file.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="")
    except LookupError as error:
        raise click.BadParameter(str(error), param_hint="--encoding") from error


def _write_clusters(report: MatchingReport, file: Path, *, has_files: bool) -> None:
    with file.open("w", encoding="ascii") as out:
        out.write("file,line,person\n" if has_files else "line,person\n")
        for (number, line), person in zip(report.places, report.cluster_of, strict=True):
            out.write(f"{number},{line},{person}\n" if has_files else f"{line},{person}\n")


def _tell(step: str, done: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{done:,} {step} ...", err=True, nl=False)


def _quality(quality: MatchingQuality) -> dict[str, float | int]:
    return {
        "precision": quality.precision,
        "recall": quality.recall,
        "f1": quality.f1,
        "right": quality.right,
        "wrong": quality.wrong,
        "missed": quality.missed,
    }


def _as_json(report: MatchingReport, seconds: float, peak: int) -> dict[str, Any]:
    return {
        "records": report.records,
        "unlabelled": report.unlabelled,
        "people": report.people,
        "persons_found": report.persons,
        "features": list(report.features),
        "unused_columns": list(report.unused_columns),
        "strange_true_pairs": report.strange_pairs,
        "candidate_pairs": report.candidates,
        "blocked_recall": report.blocked_recall,
        "doubtful_pairs": report.doubtful,
        "skipped_blocks": {
            kind: {"blocks": blocks, "largest": largest}
            for kind, (blocks, largest) in report.skipped_blocks.items()
        },
        "pairs": _quality(report.pairs),
        "best_pairs": {"f1": report.best_pairs[0], "threshold": round(report.best_pairs[1], 2)},
        "clusters": _quality(report.clusters),
        "seconds": round(seconds, 3),
        "peak_memory_bytes": peak,
        "mistakes": [
            {
                "files": [number for number, _ in mistake.places],
                "lines": [line for _, line in mistake.places],
                "is_one_person": mistake.is_one_person,
                "bits": round(mistake.bits, 2),
                "evidence": mistake.evidence,
            }
            for mistake in report.mistakes
        ],
    }


def _lines(report: MatchingReport, seconds: float, peak: int, files: Sequence[Path]) -> list[str]:
    lines = [
        f"{report.records:,} records of {report.people:,} people; {report.persons:,} found.",
    ]
    if report.unlabelled:
        lines.append(
            f"  unlabelled   {report.unlabelled:,} records of which the truth says nothing: "
            "matched, but left out of the figures"
        )
    if report.strange_pairs:
        lines.append(
            f"  left out     {report.strange_pairs:,} true pairs of rows that are not there"
        )
    if report.unused_columns:
        lines.append(f"  not used     {', '.join(report.unused_columns)}")
    lines += [
        f"  compared by  {', '.join(report.features)}",
        (
            f"  candidates   {report.candidates:,} pairs, {report.blocked_recall:.4%} of the true "
            f"ones; {report.doubtful:,} for a human"
        ),
    ]
    lines += [
        f"  skipped      {blocks:,} blocks by {kind}, the largest of {largest:,}"
        for kind, (blocks, largest) in report.skipped_blocks.items()
    ]
    for name, quality in (("pairs", report.pairs), ("clusters", report.clusters)):
        lines.append(
            f"  {name:<12} precision {quality.precision:.5f}  recall {quality.recall:.5f}  "
            f"F1 {quality.f1:.5f}  ({quality.wrong:,} wrong, {quality.missed:,} missed)"
        )
    best, threshold = report.best_pairs
    lines.append(
        f"  best pairs   F1 {best:.5f} at a threshold of {threshold:+.1f}, known by the truth only"
    )
    lines.append(
        f"  time         {seconds:.1f} s, {report.records / seconds:,.0f} records a second"
    )
    lines.append(f"  peak memory  {peak / 2**20:.0f} MiB")
    for mistake in report.mistakes:
        what = "one person, not seen" if mistake.is_one_person else "two people, taken for one"
        one, other = (
            f"{files[number - 1].name}:{line}" if len(files) > 1 else f"{line}"
            for number, line in mistake.places
        )
        lines.append(f"  lines {one} and {other}: {what} ({mistake.bits:+.1f})")
        lines += [f"      {words}" for words in mistake.evidence]
    return lines
