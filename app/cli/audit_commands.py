"""`civitas audit`: whether the access log is what was signed."""

from pathlib import Path

import click
from sqlalchemy.orm import Session

from app.cli.session import NOT_ALL_GOOD, as_json, resources, show
from audit.api import IsSubject, LogReport, NewEntry, verify_log
from idp.api import tell_subjects
from kernel.ids import PersonId
from kernel.keyring import Keyring
from partner_api.api import entry_subject


@click.group()
def audit() -> None:
    """Look after the tamper-evident access log."""


@audit.command()
@click.option(
    "--kept",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A checkpoint kept outside of the database; may be given several times.",
)
@as_json
@click.pass_context
def verify(ctx: click.Context, kept: tuple[Path, ...], *, is_json: bool) -> None:
    """Rebuild the whole tree from its entries and hold it against every signed checkpoint.

    A log that was rolled back as a whole verifies, unless you name a checkpoint that you kept: take
    one from /log/checkpoint now and then, and keep it where the database's administrators cannot
    write. Exit code 4 if anything is not as it was signed.
    """
    notes = [path.read_text() for path in kept]
    with (
        resources() as opened,
        opened.sessions() as session,
        click.progressbar(length=1, label="Verifying", hidden=is_json) as bar,
    ):

        def tell(done: int, of: int) -> None:
            bar.length = max(1, of)
            bar.update(done - bar.pos)

        report = verify_log(
            session,
            opened.signing,
            progress=tell,
            kept=notes,
            is_subject=tell_subject(session, opened.keyring),
        )
        bar.finish()
    show(is_json, _as_json(report), lines=_lines(report))
    if not report.is_sound:
        ctx.exit(NOT_ALL_GOOD)


def tell_subject(session: Session, keyring: Keyring) -> IsSubject:
    """Tell an entry that lies with another person by its subject, which is in the signed leaf."""
    sub_at = tell_subjects(session, keyring)

    def is_subject(entry: NewEntry, person_id: PersonId) -> bool:
        if entry.actor.kind == "agency" and entry.client_id is not None:
            return entry.subject == entry_subject(keyring, entry.entry_id, person_id)
        if entry.client_id is None:
            return entry.subject == keyring.pseudonym("audit", person_id)
        return entry.subject == sub_at(entry.client_id, person_id)

    return is_subject


def _as_json(report: LogReport) -> dict[str, object]:
    return {
        "is_sound": report.is_sound,
        "origin": report.origin,
        "tree_size": report.tree_size,
        "root_hash": report.root_hash.hex(),
        "waiting": report.waiting,
        "checkpoints": report.checkpoints,
        "kept": report.kept,
        "findings": [
            {"kind": finding.kind, "leaf_index": finding.leaf_index, "detail": finding.detail}
            for finding in report.findings
        ],
        "finding_count": report.finding_count,
    }


def _lines(report: LogReport) -> list[str]:
    lines = [
        (
            f"Log {report.origin or '(nothing signed yet)'}: {report.tree_size} entries, "
            f"{report.waiting} waiting for their place."
        ),
        f"Root {report.root_hash.hex()}",
        f"{report.checkpoints} checkpoints verified, {report.kept} of them kept by you.",
    ]
    if report.is_sound:
        return [*lines, "Everything is as it was signed."]
    findings = [f"  at {f.leaf_index}: {f.kind}: {f.detail}" for f in report.findings]
    return [*lines, f"{report.finding_count} findings:", *findings]
