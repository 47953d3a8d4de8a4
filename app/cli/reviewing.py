"""`civitas matching review`, `decide`, `merge`, `unmerge`, `believed`: humans decide who is who."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import click

from app.cli.session import as_json, resources, show
from audit.api import Actor, NewEntry, record_access
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, EntryId, PersonId, new_id
from population_register.api import (
    CaseView,
    Decider,
    ask_agency,
    attributes_of,
    explain_person,
    list_cases,
    merge_persons,
    read_as_believed,
    read_case,
    rule_apart,
    undo_merge,
    undo_ruling,
)

Command = TypeVar("Command", bound=Callable[..., Any])
_DAY = click.DateTime(["%Y-%m-%d"])
_INSTANT = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d"])


def _deciding(command: Command) -> Command:
    """Add the options of whoever decides."""
    official = click.option("--official", required=True, help="Who decides; it is logged.")
    reason = click.option("--reason", required=True, help="Why, without personal data.")
    return official(reason(as_json(command)))


@click.command()
@click.argument("persons", nargs=-1, type=click.UUID)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--official", default="command line", help="Who looks; it is logged.")
@as_json
def review(persons: tuple[UUID, ...], limit: int, official: str, *, is_json: bool) -> None:
    """List the persons who may be one; of two PERSONS, show the records and the evidence."""
    if len(persons) not in {0, 2}:
        raise click.BadParameter("name two persons, or none to list", param_hint="PERSONS")
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        if persons:
            by = Decider(official=official, reason="review", at=opened.clock.now())
            one, other = map(PersonId, persons)
            view = read_case(session, opened.keyring, one, other, by=by)
            show(is_json, _case(view), lines=_case_lines(view))
            return
        cases = list_cases(session, limit=limit)
    show(
        is_json,
        {
            "cases": [
                {
                    "persons": [str(case.person_id), str(case.other_person_id)],
                    "bits": round(case.bits, 2),
                    "pairs": case.pairs,
                    "found_at": case.found_at.isoformat(),
                    "asked_agency": case.asked_agency,
                }
                for case in cases
            ]
        },
        lines=[
            f"{case.person_id} {case.other_person_id} {case.bits:+.1f}"
            + (f"  asked {case.asked_agency}" if case.asked_agency else "")
            for case in cases
        ]
        or ["Nothing is to be decided."],
    )


def _case(view: CaseView) -> dict[str, Any]:
    return {
        "persons": [str(person_id) for person_id in view.persons],
        "records": [
            [
                {
                    "record": record.ref.hex(),
                    "versions": [
                        {
                            "agency": said.agency_id,
                            "record_number": said.record_number,
                            "version": said.version,
                            "kind": said.kind.value,
                            "attributes": said.attributes,
                        }
                        for said in record.versions
                    ],
                }
                for record in side
            ]
            for side in view.records
        ],
        "compared": [
            {
                "records": [ref.hex() for ref in pair.records],
                "bits": round(pair.bits, 2),
                "evidence": pair.words,
            }
            for pair in view.compared
        ],
        "merges": [
            {
                "merge_id": str(merge.merge_id),
                "persons": [str(person_id) for person_id in merge.persons],
                "kind": merge.kind,
                "decided_by": merge.decided_by,
                "undone_by": merge.undone_by,
            }
            for merge in view.merges
        ],
        "rulings": [
            {
                "ruling_id": str(ruling.ruling_id),
                "verdict": ruling.verdict,
                "decided_by": ruling.decided_by,
                "undone_by": ruling.undone_by,
            }
            for ruling in view.rulings
        ],
    }


def _case_lines(view: CaseView) -> list[str]:
    lines: list[str] = []
    for person_id, side in zip(view.persons, view.records, strict=True):
        lines.append(str(person_id))
        for record in side:
            for said in record.versions:
                lines.append(f"  {said.agency_id} {said.record_number} version {said.version}")
                lines += [f"    {name}: {value}" for name, value in said.attributes.items()]
    for pair in view.compared[:1]:
        lines.append(f"The likest two of their records: {pair.bits:+.1f}")
        lines += [f"  {words}" for words in pair.words]
    return lines


@click.command()
@click.argument("one", type=click.UUID)
@click.argument("other", type=click.UUID)
@click.option("--second-official", help="Who confirms; needed where both have an account.")
@_deciding
def merge(
    one: UUID, other: UUID, second_official: str | None, official: str, reason: str, *,
    is_json: bool,
) -> None:  # fmt: skip
    """Decide that persons ONE and OTHER are one."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        done = merge_persons(
            session,
            opened.keyring,
            PersonId(one),
            PersonId(other),
            by=Decider(
                official=official,
                reason=reason,
                at=opened.clock.now(),
                confirmed_by=second_official,
            ),
        )
    show(is_json, {"merge_id": str(done.merge_id)}, lines=[f"Merged: {done.merge_id}"])


@click.command()
@click.argument("merge_id", type=click.UUID)
@_deciding
def unmerge(merge_id: UUID, official: str, reason: str, *, is_json: bool) -> None:
    """Undo a merge, whoever decided it: both are as if it had never been."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        by = Decider(official=official, reason=reason, at=opened.clock.now())
        undo_merge(session, opened.keyring, merge_id, by=by)
    show(is_json, {"merge_id": str(merge_id)}, lines=["Undone."])


@click.command()
@click.argument("one", type=click.UUID)
@click.argument("other", type=click.UUID)
@click.option("--verdict", type=click.Choice(["same", "different", "ask", "reopen"]), required=True)
@click.option("--agency", help="Whom to ask.")
@click.option("--record", "records", multiple=True, help="Of ONE: to be split off. Repeatable.")
@click.option("--ruling", type=click.UUID, help="Which ruling to take back, with reopen.")
@click.option("--second-official", help="Who confirms; needed where both have an account.")
@_deciding
def decide(  # noqa: PLR0917 - one argument per option
    one: UUID,
    other: UUID,
    verdict: str,
    agency: str | None,
    records: tuple[str, ...],
    ruling: UUID | None,
    second_official: str | None,
    official: str,
    reason: str,
    *,
    is_json: bool,
) -> None:
    """Decide about persons ONE and OTHER; ONE twice to split records off.

    A record is named as `civitas matching review` names it.
    """
    left, right = PersonId(one), PersonId(other)
    if verdict == "ask" and agency is None:
        raise click.BadParameter("name the agency", param_hint="--agency")
    if verdict == "reopen" and ruling is None:
        raise click.BadParameter("name the ruling", param_hint="--ruling")
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        by = Decider(
            official=official, reason=reason, at=opened.clock.now(), confirmed_by=second_official
        )
        match verdict:
            case "same":
                decision_id = merge_persons(session, opened.keyring, left, right, by=by).merge_id
            case "ask":
                decision_id = ask_agency(
                    session,
                    opened.keyring,
                    left,
                    right,
                    AgencyId(agency or ""),
                    by=by,
                    holidays=opened.settings.holidays,
                ).ruling_id
            case "reopen":
                assert ruling is not None
                decision_id = undo_ruling(session, opened.keyring, ruling, by=by).ruling_id
            case _:
                decision_id = rule_apart(
                    session,
                    opened.keyring,
                    left,
                    right,
                    by=by,
                    records=[bytes.fromhex(record) for record in records],
                ).ruling_id
    show(is_json, {"decision_id": str(decision_id)}, lines=[f"Decided: {decision_id}"])


@click.command()
@click.argument("person", type=click.UUID)
@click.option("--official", default="command line", help="Who looks; it is logged.")
@as_json
def explain(person: UUID, official: str, *, is_json: bool) -> None:
    """Show why each record came to a PERSON, or left, with the evidence at the time."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        by = Decider(official=official, reason="explain", at=opened.clock.now())
        decisions = explain_person(session, opened.keyring, PersonId(person), by=by)
    show(
        is_json,
        {
            "decisions": [
                {
                    "agency": one.agency_id,
                    "record": one.record.hex(),
                    "decided_at": one.decided_at.isoformat(),
                    "outcome": one.outcome,
                    "bits": one.bits,
                    "evidence": one.words,
                }
                for one in decisions
            ]
        },
        lines=[
            line
            for one in decisions
            for line in (
                f"{one.decided_at:%Y-%m-%d %H:%M} {one.agency_id} {one.outcome}",
                *(f"  {words}" for words in one.words),
            )
        ],
    )


@click.command()
@click.argument("person", type=click.UUID)
@click.option("--about", type=_DAY, required=True, help="The day in the person's life.")
@click.option("--at", "at", type=_INSTANT, required=True, help="What we believed then.")
@click.option("--official", default="command line", help="Who looks; it is logged.")
@as_json
def believed(person: UUID, about: datetime, at: datetime, official: str, *, is_json: bool) -> None:
    """Show what the register said of a PERSON at one instant about a day."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        now = opened.clock.now()
        entry = NewEntry(
            entry_id=EntryId(new_id(now)),
            action="population_register.case.opened",
            outcome="allowed",
            actor=Actor(kind="operator", id=official),
            subject=opened.keyring.pseudonym("audit", PersonId(person)),
            occurred_at=now,
        )
        record = read_as_believed(
            session,
            opened.keyring,
            record_access(session, entry, person_id=PersonId(person)),
            about=about.date(),
            believed_at=at if at.tzinfo else at.replace(tzinfo=now.tzinfo),
        )
    values = {
        name: {"value": value.value, "source": value.source, "as_of": value.as_of.isoformat()}
        for name, value in attributes_of(record).items()
    }
    show(
        is_json,
        {"attributes": values},
        lines=[f"{name}: {one['value']}  ({one['source']})" for name, one in values.items()]
        or ["Nothing was known."],
    )


COMMANDS = (review, decide, merge, unmerge, explain, believed)
