"""`civitas upstream`: regional identity systems through which people sign in."""

from typing import TextIO

import click

from app.cli.registering import provider_of
from app.cli.session import as_json, resources, show, table
from idp.api import (
    Upstream,
    add_upstream,
    disable_upstream,
    list_upstreams,
    parse_level,
    parse_levels,
)
from kernel.db import unit_of_work_of
from kernel.secret import Secret

_LEVELS = click.Choice(["simplified", "standard", "confirmed"])


@click.group()
def upstream() -> None:
    """Enter and list regional identity systems: people sign in with their accounts there."""


@upstream.command("add")
@click.argument("upstream_id")
@click.option("--issuer", required=True, help="Its issuer identifier, an https address.")
@click.option("--client-id", required=True, help="Under which we are registered there.")
@click.option("--name-ru", required=True, help="As it is shown to people, in Russian.")
@click.option("--name-en", required=True, help="As it is shown to people, in English.")
@click.option(
    "--secret-file", type=click.File(), help="Our client secret there; - for standard input."
)
@click.option(
    "--key-file", type=click.File(), help="Our private key as a JWK, instead of a secret."
)
@click.option(
    "--level", "levels", type=(str, _LEVELS), multiple=True,
    help="What an acr of theirs is worth here; amr:<value> for an amr. Repeatable.",
)  # fmt: skip
@click.option(
    "--ceiling", type=_LEVELS, default="standard", show_default=True,
    help="No sign-in from there is worth more.",
)  # fmt: skip
@click.option(
    "--identifies", is_flag=True,
    help="A SNILS that it asserts tells us who somebody is, at their first sign-in.",
)  # fmt: skip
@click.option("--snils-claim", default="snils", show_default=True, help="Where the SNILS stands.")
@click.option("--scope", default="openid profile", show_default=True, help="What we ask for.")
@click.option(
    "--alg", "algorithms", multiple=True, default=("RS256", "ES256"), show_default=True,
    help="With which its ID tokens may be signed. Repeatable.",
)  # fmt: skip
@as_json
def add_one(  # noqa: PLR0917  # click passes them by name
    upstream_id: str,
    issuer: str,
    client_id: str,
    name_ru: str,
    name_en: str,
    secret_file: TextIO | None,
    key_file: TextIO | None,
    levels: tuple[tuple[str, str], ...],
    ceiling: str,
    identifies: bool,  # noqa: FBT001
    snils_claim: str,
    scope: str,
    algorithms: tuple[str, ...],
    *,
    is_json: bool,
) -> None:
    """Enter UPSTREAM_ID, with which we have an agreement; see docs/upstream.md."""
    source = key_file if secret_file is None else secret_file
    if source is None or (secret_file and key_file):
        raise click.UsageError("Name one of --secret-file and --key-file.")
    credential = Secret(source.read().strip())
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        provider = provider_of(opened)
        add_upstream(
            session,
            provider,
            Upstream(
                upstream_id=upstream_id,
                issuer=issuer,
                client_id=client_id,
                auth_method="client_secret_basic" if key_file is None else "private_key_jwt",
                name_ru=name_ru,
                name_en=name_en,
                scope=scope,
                algorithms=algorithms,
                levels=parse_levels(dict(levels)),
                ceiling=parse_level(ceiling),
                identifies=identifies,
                snils_claim=snils_claim,
                created_at=opened.clock.now(),
            ),
            credential,
        )
    redirect_uri = f"{provider.issuer}/upstream/{upstream_id}/callback"
    show(
        is_json,
        {"upstream_id": upstream_id, "redirect_uri": redirect_uri},
        lines=[f"{upstream_id} is entered.", f"Register there as redirect URI: {redirect_uri}"],
    )


@upstream.command("list")
@as_json
def list_all(*, is_json: bool) -> None:
    """List regional identity systems, those out of use too."""
    with resources() as opened, opened.sessions() as session:
        rows = [
            {
                "upstream_id": each.upstream_id,
                "name_ru": each.name_ru,
                "name_en": each.name_en,
                "issuer": each.issuer,
                "client_id": each.client_id,
                "ceiling": each.ceiling.name.lower(),
                "identifies": each.identifies,
                "is_in_use": each.disabled_at is None,
            }
            for each in list_upstreams(session)
        ]
    columns = {"upstream_id": "UPSTREAM", "name_ru": "NAME", "issuer": "ISSUER"}
    more = {"ceiling": "CEILING", "identifies": "IDENTIFIES", "is_in_use": "IN USE"}
    show(is_json, rows, lines=table(rows, columns | more))


@upstream.command("disable")
@click.argument("upstream_id")
@as_json
def disable_one(upstream_id: str, *, is_json: bool) -> None:
    """Take UPSTREAM_ID out of use: nobody signs in through it from now on; links are kept."""
    with resources() as opened, unit_of_work_of(opened.sessions) as session:
        disable_upstream(session, upstream_id, at=opened.clock.now())
    show(is_json, {"upstream_id": upstream_id}, lines=[f"{upstream_id} is out of use."])
