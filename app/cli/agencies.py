"""`civitas agency`: who sends records and asks, by which clients, keys and names."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click

from app.cli.registering import provider_of, read_json_object
from app.cli.session import as_json, resources, show, table
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId
from partner_api.api import (
    add_agency_client,
    add_agency_official_key,
    list_agency_clients,
    list_raised_alarms,
)
from population_register.api import (
    add_agency,
    authority_of,
    close_agency,
    describe_agency,
    get_agency,
    list_agency_changes,
    parse_agency,
    retire_official_key,
)


@click.group()
def agency() -> None:
    """Enter agencies and change them; register their clients and keys; see alarms."""


@agency.command("set")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
def set_agency(file: Path, *, is_json: bool) -> None:
    """Enter the agency that FILE (TOML) describes, or change it: its role, names, and mapping.

    What it was before stays in its history. docs/feeds.md describes the file.
    """
    described = parse_agency(_read_toml(file))
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        add_agency(session, described, opened.clock.now())
    answer = {"agency": described.agency_id, "role": described.role.value}
    show(is_json, answer, lines=[f"{described.agency_id} is as {file.name} says."])


@agency.command("show")
@click.argument("agency_id")
@as_json
def show_agency(agency_id: str, *, is_json: bool) -> None:
    """Show AGENCY_ID: its mapping, and for which attributes nobody can overrule it."""
    with resources() as opened, opened.sessions() as session:
        found = get_agency(session, AgencyId(agency_id))
    ranks = authority_of(found.role)
    answer = {
        **describe_agency(found),
        "revision": found.revision,
        "answers_for": [name for name, rank in ranks.items() if rank == 0],
        "authority": ranks,
    }
    lines = [
        f"{found.agency_id}, {found.role.value}: {found.name_en}",
        f"Sector {found.pseudonym_sector}, revision {found.revision}.",
        f"Answers for {', '.join(answer['answers_for']) or 'nothing'}.",
        json.dumps(answer["mapping"], ensure_ascii=False, indent=2),
    ]
    show(is_json, answer, lines=lines)


@agency.command("history")
@click.argument("agency_id")
@as_json
def show_history(agency_id: str, *, is_json: bool) -> None:
    """Show what AGENCY_ID was made to be, when and by whom, latest first."""
    with resources() as opened, opened.sessions() as session:
        changes = list_agency_changes(session, AgencyId(agency_id))
    rows = [
        {
            "revision": change.revision,
            "changed_at": change.changed_at.isoformat(),
            "changed_by": change.changed_by,
            "document": change.document,
        }
        for change in changes
    ]
    columns = {"revision": "REVISION", "changed_at": "CHANGED", "changed_by": "BY"}
    show(is_json, rows, lines=table(rows, columns))


@agency.command("close")
@click.argument("agency_id")
@as_json
def close(agency_id: str, *, is_json: bool) -> None:
    """Let AGENCY_ID send and ask nothing any more; what it said stays."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        close_agency(session, AgencyId(agency_id), opened.clock.now(), by="command")
    show(is_json, {"agency": agency_id, "closed": True}, lines=[f"{agency_id} is closed."])


@agency.command("alarms")
@as_json
def show_alarms(*, is_json: bool) -> None:
    """List officials whose questions look like browsing: many asked, few met; latest first."""
    with resources() as opened, opened.sessions() as session:
        rows = [
            {
                "agency": each.agency_id,
                "official": each.official,
                "hour": each.hour.isoformat(),
                "pattern": each.alarm.pattern.value,
                "asked": each.alarm.asked,
                "matched": each.alarm.matched,
            }
            for each in list_raised_alarms(session)
        ]
    columns = {key: key.upper() for key in ("agency", "official", "hour", "pattern", "asked")}
    show(is_json, rows, lines=table(rows, {**columns, "matched": "MATCHED"}))


@agency.group("client")
def client() -> None:
    """Register and list the OAuth clients by which agencies call."""


@client.command("add")
@click.argument("agency_id")
@click.argument("metadata", type=click.File("rb"))
@click.option("--client-id", help="A chosen identifier; a random one otherwise.")
@as_json
def add_one_client(
    agency_id: str, metadata: BinaryIO, client_id: str | None, *, is_json: bool
) -> None:
    """Register a client of AGENCY_ID: METADATA is a JSON file, or - for standard input.

    The fields are those of RFC 7591: `jwks` with its public keys, or the fields of mutual TLS;
    `scope` of register.feed, register.feed.report, register.resolve, register.events and
    register.worklist, all of them when left out.
    The client speaks for this agency for ever.
    """
    asked = read_json_object(metadata)
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        registered = add_agency_client(
            session,
            provider_of(opened),
            AgencyId(agency_id),
            asked,
            client_id=client_id,
            at=opened.clock.now(),
        )
    answer = {
        "client_id": registered.client_id,
        "agency": agency_id,
        "scope": registered.scope,
    }
    lines = [f"Client {registered.client_id} speaks for {agency_id}: {registered.scope}."]
    show(is_json, answer, lines=lines)


@client.command("list")
@click.option("--agency", "agency_id", help="Only this agency's.")
@as_json
def list_clients(agency_id: str | None, *, is_json: bool) -> None:
    """List the clients that speak for agencies; `civitas client disable` ends one."""
    wanted = None if agency_id is None else AgencyId(agency_id)
    with resources() as opened, opened.sessions() as session:
        rows = [
            {"client_id": each.client_id, "agency": each.agency_id or ""}
            for each in list_agency_clients(session, wanted)
        ]
    show(is_json, rows, lines=table(rows, {"client_id": "CLIENT", "agency": "AGENCY"}))


@agency.group("official-key")
def official_key() -> None:
    """Register and retire the keys by which agencies sign which official asks."""


@official_key.command("add")
@click.argument("agency_id")
@click.argument("jwk", type=click.File("rb"))
@as_json
def add_key(agency_id: str, jwk: BinaryIO, *, is_json: bool) -> None:
    """Let AGENCY_ID sign officials' assertions by the public JWK in a file, or - for input."""
    key = read_json_object(jwk)
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        kid = add_agency_official_key(session, AgencyId(agency_id), key, at=opened.clock.now())
    show(is_json, {"agency": agency_id, "kid": kid}, lines=[f"{agency_id} signs by {kid}."])


@official_key.command("retire")
@click.argument("agency_id")
@click.argument("kid")
@as_json
def retire_key(agency_id: str, kid: str, *, is_json: bool) -> None:
    """Accept no more assertions of AGENCY_ID that are signed by KID."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        retire_official_key(session, AgencyId(agency_id), kid, opened.clock.now())
    show(is_json, {"agency": agency_id, "kid": kid}, lines=[f"{kid} is retired."])


def _read_toml(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"not TOML: {error}", param_hint="FILE") from error
