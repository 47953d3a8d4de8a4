"""`civitas event`: which agency is told of which life events."""

import click

from app.cli.session import as_json, resources, show, table
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId
from population_register.api import (
    LifeEventKind,
    derive_life_events,
    list_subscriptions,
    note_birthdays,
    subscribe,
    unsubscribe,
)

_KIND = click.Choice([kind.value for kind in LifeEventKind])


@click.group()
def event() -> None:
    """Let agencies be told of births, deaths, names, moves and birthdays that matter."""


@event.command("subscribe")
@click.argument("agency_id")
@click.argument("kinds", nargs=-1, required=True, type=_KIND)
@click.option("--legal-basis", required=True, help="Its code; see `civitas mandate bases`.")
@as_json
def add(agency_id: str, kinds: tuple[str, ...], legal_basis: str, *, is_json: bool) -> None:
    """Tell AGENCY_ID of KINDS of events from now on; all of them or none."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        for kind in kinds:
            subscribe(
                session,
                AgencyId(agency_id),
                LifeEventKind(kind),
                legal_basis=legal_basis,
                at=opened.clock.now(),
            )
    show(
        is_json,
        {"agency": agency_id, "kinds": list(kinds), "legal_basis": legal_basis},
        lines=[f"{agency_id} is told of: {', '.join(kinds)}."],
    )


@event.command("unsubscribe")
@click.argument("agency_id")
@click.argument("kinds", nargs=-1, required=True, type=_KIND)
@as_json
def remove(agency_id: str, kinds: tuple[str, ...], *, is_json: bool) -> None:
    """Tell AGENCY_ID no more of KINDS of events; what it was told it may still fetch."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        for kind in kinds:
            unsubscribe(session, AgencyId(agency_id), LifeEventKind(kind), at=opened.clock.now())
    show(
        is_json,
        {"agency": agency_id, "kinds": list(kinds)},
        lines=[f"{agency_id} is told no more of: {', '.join(kinds)}."],
    )


@event.command("list")
@as_json
def list_all(*, is_json: bool) -> None:
    """List who is told of what, and who was."""
    with resources() as opened, opened.sessions() as session:
        rows = [
            {
                "agency": one.agency_id,
                "kind": one.kind.value,
                "legal_basis": one.legal_basis,
                "since": one.created_at.isoformat(timespec="seconds"),
                "ended_at": one.ended_at.isoformat(timespec="seconds") if one.ended_at else None,
            }
            for one in list_subscriptions(session)
        ]
    columns = {
        "agency": "AGENCY",
        "kind": "KIND",
        "legal_basis": "LEGAL BASIS",
        "since": "SINCE",
        "ended_at": "ENDED",
    }
    show(is_json, rows, lines=table(rows, columns))


@event.command("derive")
@as_json
def derive(*, is_json: bool) -> None:
    """Derive what waits for it, now; `civitas worker` does so every ten seconds."""
    with resources() as opened:
        with unit_of_work_of(opened.sessions) as session:
            birthdays = note_birthdays(session, opened.keyring, at=opened.clock.now())
        derived = derive_life_events(opened.sessions, opened.keyring, opened.clock.now)
    show(
        is_json,
        {"derived": derived, "birthdays": birthdays},
        lines=[f"{derived} events were derived."],
    )
