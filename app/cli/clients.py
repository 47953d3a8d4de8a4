"""`civitas partner` and `civitas client`: who may speak OAuth with us."""

from datetime import UTC, datetime
from typing import Any, BinaryIO

import click
from sqlalchemy.orm import Session

from app.cli.registering import provider_of, read_json_object
from app.cli.session import as_json, resources, show, table
from idp.api import (
    ClientProfile,
    add_client,
    add_partner,
    disable_client,
    issue_initial_access_token,
    list_clients,
    list_partners,
)
from kernel.db import unit_of_work_of
from kernel.errors import NotFound
from kernel.ids import PartnerId
from partner_api.api import register_webhook, replay_webhooks, set_limit


@click.group()
def partner() -> None:
    """Enter and list partners: organisations that own clients."""


@partner.command("add")
@click.argument("partner_id")
@click.option("--name", required=True, help="As it is shown to people.")
@as_json
def add_one_partner(partner_id: str, name: str, *, is_json: bool) -> None:
    """Enter PARTNER_ID, whose identity you have checked.

    Prints a token with which the partner registers one client by itself (RFC 7591, 3); it is shown
    once and is good for a week. `civitas partner token` makes another one.
    """
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        at = opened.clock.now()
        entered = add_partner(session, partner_id=partner_id, name=name, at=at)
        token = issue_initial_access_token(session, partner_id=partner_id, at=at)
    show(
        is_json,
        {
            "partner_id": entered.partner_id,
            "name": entered.name,
            "initial_access_token": token.reveal(),
        },
        lines=[f"{entered.partner_id} is entered.", f"Initial access token: {token.reveal()}"],
    )


_PROFILES = click.Choice([profile.value for profile in ClientProfile])


@partner.command("token")
@click.argument("partner_id")
@click.option(
    "--profile",
    type=_PROFILES,
    default=ClientProfile.OIDC.value,
    show_default=True,
    help="What the clients are held to.",
)
@click.option(
    "--uses",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="How many clients it registers.",
)
@as_json
def new_token(partner_id: str, profile: str, uses: int, *, is_json: bool) -> None:
    """Make a token with which PARTNER_ID registers one more client; good for a week."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        token = issue_initial_access_token(
            session,
            partner_id=partner_id,
            profile=ClientProfile(profile),
            uses=uses,
            at=opened.clock.now(),
        ).reveal()
    show(is_json, {"initial_access_token": token}, lines=[token])


@partner.command("webhook")
@click.argument("partner_id")
@click.argument("uri")
@as_json
def set_webhook(partner_id: str, uri: str, *, is_json: bool) -> None:
    """Send PARTNER_ID's webhooks to URI, and make a new signing secret; it is shown once.

    A secret that was there before signs beside the new one for a day.
    """
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        secret = register_webhook(
            session,
            opened.keyring,
            known_partner(session, partner_id),
            uri=uri,
            allow_local=opened.settings.mode != "production",
            at=opened.clock.now(),
        ).reveal()
    show(is_json, {"uri": uri, "secret": secret}, lines=[f"Secret: {secret}"])


@partner.command("replay")
@click.argument("partner_id")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d"]),
    required=True,
    help="Made then or later; a day begins in UTC.",
)
@as_json
def replay(partner_id: str, since: datetime, *, is_json: bool) -> None:
    """Send PARTNER_ID its webhooks again, those that were given up too.

    Each comes with the webhook-id that it had. They are kept for thirty days after their end.
    """
    instant = since if since.tzinfo is not None else since.replace(tzinfo=UTC)
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        again = replay_webhooks(session, known_partner(session, partner_id), since=instant)
    answer = {"partner_id": partner_id, "webhooks": again}
    show(is_json, answer, lines=[f"{again} webhooks are sent again."])


@partner.command("limit")
@click.argument("partner_id")
@click.argument("requests_per_minute", type=int)
@as_json
def limit_requests(partner_id: str, requests_per_minute: int, *, is_json: bool) -> None:
    """Let all clients of PARTNER_ID together make REQUESTS_PER_MINUTE reads a minute."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        known = known_partner(session, partner_id)
        set_limit(session, known, requests_per_minute=requests_per_minute)
    answer = {"partner_id": partner_id, "requests_per_minute": requests_per_minute}
    show(is_json, answer, lines=[f"{partner_id}: {requests_per_minute} requests a minute."])


def known_partner(session: Session, partner_id: str) -> PartnerId:
    """Return the partner's identifier.

    Raises:
        NotFound: There is no such partner.
    """
    if all(each.partner_id != partner_id for each in list_partners(session)):
        raise NotFound("There is no such partner.")
    return PartnerId(partner_id)


@partner.command("list")
@as_json
def list_all_partners(*, is_json: bool) -> None:
    """List partners; those that registered themselves are not verified."""
    with resources() as opened, opened.sessions() as session:
        rows = [
            {
                "partner_id": each.partner_id,
                "name": each.name,
                "is_verified": each.is_verified,
                "created_at": each.created_at.isoformat(),
                "disabled_at": each.disabled_at.isoformat() if each.disabled_at else None,
            }
            for each in list_partners(session)
        ]
    columns = {"partner_id": "PARTNER", "name": "NAME", "is_verified": "VERIFIED"}
    show(is_json, rows, lines=table(rows, columns))


@click.group()
def client() -> None:
    """Register, list and disable clients."""


@client.command("add")
@click.option("--partner", "partner_id", required=True, help="Whose client.")
@click.option(
    "--profile",
    type=_PROFILES,
    default=ClientProfile.FAPI2.value,
    show_default=True,
    help="What it is held to; whoever reads data is held to FAPI 2.0.",
)
@click.option("--client-id", help="A chosen identifier; a random one otherwise.")
@click.argument("metadata", type=click.File("rb"))
@as_json
def add_one_client(
    partner_id: str, profile: str, client_id: str | None, metadata: BinaryIO, *, is_json: bool
) -> None:
    """Register the client that METADATA describes: a JSON file, or - for standard input.

    The fields are those of RFC 7591 and OpenID Connect Registration. A client secret, if the client
    has one, is shown once.
    """
    asked = read_json_object(metadata)
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        registered = add_client(
            session,
            provider_of(opened),
            partner_id=partner_id,
            profile=ClientProfile(profile),
            asked=asked,
            at=opened.clock.now(),
            client_id=client_id,
        )
    secret = registered.client_secret
    shown: dict[str, Any] = {"client_id": registered.client.client_id, "profile": profile}
    lines = [f"Client {registered.client.client_id} of {partner_id} is registered."]
    if secret is not None:
        shown["client_secret"] = secret.reveal()
        lines.append(f"Client secret, shown once: {secret.reveal()}")
    show(is_json, shown, lines=lines)


@client.command("list")
@click.option("--partner", "partner_id", help="Only this partner's.")
@as_json
def list_all_clients(partner_id: str | None, *, is_json: bool) -> None:
    """List clients, disabled ones too."""
    with resources() as opened, opened.sessions() as session:
        rows = [
            {
                "client_id": each["client_id"],
                "partner_id": each["partner_id"],
                "profile": each["profile"],
                "client_name": each["metadata"].get("client_name", ""),
                "created_at": each["created_at"].isoformat(),
                "disabled_at": each["disabled_at"].isoformat() if each["disabled_at"] else None,
            }
            for each in list_clients(session, partner_id)
        ]
    columns = {
        "client_id": "CLIENT",
        "partner_id": "PARTNER",
        "profile": "PROFILE",
        "client_name": "NAME",
        "disabled_at": "DISABLED",
    }
    show(is_json, rows, lines=table(rows, columns))


@client.command()
@click.argument("client_id")
@as_json
def disable(client_id: str, *, is_json: bool) -> None:
    """Let CLIENT_ID do nothing any more; everything that people allowed it is revoked."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        disable_client(session, client_id, at=opened.clock.now())
    show(is_json, {"client_id": client_id, "disabled": True}, lines=[f"{client_id} is disabled."])
