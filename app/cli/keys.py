"""`civitas keys`: what signs and wraps now, and how to change it while everything runs."""

from collections.abc import Sequence

import click
from sqlalchemy import func, select

from app.cli.session import NotPossible, as_json, read_settings, resources, show, table
from app.resources import Resources, pkcs11_pin
from kernel.db import AdvisoryLock, lock, unit_of_work_of
from kernel.signing import ALGORITHMS_BY_USE, NextKeyTooYoung
from kernel.tables import person_keys, signing_keys

_BATCH = 500
"""Person keys rewrapped in one transaction: about a tenth of a second of locks."""

# The log's key is in the hands of everybody who verifies it, so it is rotated only when named.
_EVERYDAY = ("oidc", "partner", "consent", "zone")


@click.group()
def keys() -> None:
    """List and rotate keys."""


@keys.command("list")
@as_json
def list_keys(*, is_json: bool) -> None:
    """List signing keys and zone keys; no key itself is shown."""
    with resources() as opened, opened.sessions() as session:
        signing = [
            {
                "kid": row.kid,
                "use": row.use,
                "alg": row.alg,
                "state": row.state,
                "created_at": row.created_at.isoformat(),
            }
            for row in session.execute(
                select(signing_keys).order_by(signing_keys.c.use, signing_keys.c.created_at)
            )
        ]
        by_version = session.execute(
            select(person_keys.c.key_version, func.count())
            .where(person_keys.c.wrapped_key.is_not(None))
            .group_by(person_keys.c.key_version)
            .order_by(person_keys.c.key_version)
        ).all()
        zone = {
            "current_version": opened.keyring.zone_key_version,
            "person_keys": {str(version): count for version, count in by_version},
        }
    columns = {"use": "USE", "alg": "ALG", "state": "STATE", "kid": "KID", "created_at": "CREATED"}
    show(
        is_json,
        {"signing": signing, "zone": zone},
        lines=[
            *table(signing, columns),
            "",
            f"Zone key version {zone['current_version']} wraps new keys.",
            *(f"  {count} person keys under version {v}" for v, count in by_version),
        ],
    )


@keys.command("create-root")
@as_json
def create_root(*, is_json: bool) -> None:
    """Make the root key inside of the security module that CIVITAS_PKCS11_MODULE names, once."""
    settings = read_settings()
    if settings.pkcs11_module is None:
        raise NotPossible("CIVITAS_PKCS11_MODULE names no security module.")
    # Loaded only here: installations without a module need not have the library.
    from kernel.hardware_root import HardwareRoot  # noqa: PLC0415

    HardwareRoot.create(settings.pkcs11_module, settings.pkcs11_token, pkcs11_pin(settings))
    show(
        is_json,
        {"created": True, "token": settings.pkcs11_token},
        lines=[f"The token {settings.pkcs11_token} holds the root key now. Back the token up."],
    )


@keys.command()
@click.argument("what", nargs=-1, type=click.Choice([*ALGORITHMS_BY_USE, "zone"]))
@click.option(
    "--at-once",
    "is_urgent",
    is_flag=True,
    help="Also when the next key is not known everywhere yet: the current one can't be trusted.",
)
@as_json
def rotate(what: Sequence[str], *, is_urgent: bool, is_json: bool) -> None:
    """Rotate keys while everything runs; without WHAT: all but the log's.

    A signing key that was published as next begins to sign, the old one stays published for those
    who verify; a next key that has not been published for six minutes is left as it is. A new zone
    key wraps every person key anew; the data they seal is not touched. If it is interrupted, the
    next run goes on where it stopped.
    """
    with resources() as opened:
        done: dict[str, object] = {}
        for use in what or _EVERYDAY:
            if use == "zone":
                done["zone"] = _rotate_zone(opened, is_quiet=is_json)
            else:
                done[use] = _rotate_signing(opened, use, is_urgent=is_urgent, is_named=bool(what))
        lines = [
            f"{use}: {', '.join(kids)} signs now"
            for use, kids in done.items()
            if isinstance(kids, list) and kids
        ]
        if isinstance(zone := done.get("zone"), dict):
            lines.append(f"zone: version {zone['version']} wraps {zone['rewrapped']} more keys")
        show(is_json, done, lines=lines)


def _rotate_signing(opened: Resources, use: str, *, is_urgent: bool, is_named: bool) -> list[str]:
    at = opened.clock.now()
    try:
        with unit_of_work_of(opened.sessions) as session:
            return [
                opened.signing.rotate(session, use, alg, at=at, is_urgent=is_urgent)
                for alg in ALGORITHMS_BY_USE[use]
            ]
    except NextKeyTooYoung as error:
        if is_named:
            raise NotPossible(
                f"{use} was rotated a moment ago: the next key has to be known everywhere before "
                f"it signs, by {error.until:%H:%M:%S} UTC. With --at-once it signs now, and some "
                "signatures can't be verified until then."
            ) from error
        return []


def _rotate_zone(opened: Resources, *, is_quiet: bool) -> dict[str, int]:
    """Add a zone key, unless an earlier rotation is unfinished; rewrap what is under older ones."""
    keyring = opened.keyring
    with unit_of_work_of(opened.sessions) as session:
        lock(session, AdvisoryLock.KEY_ROTATION)
        left = _left_to_rewrap(opened)
        if left == 0:
            keyring.add_zone_key(session, at=opened.clock.now())
    keyring.reload()
    left = _left_to_rewrap(opened)
    rewrapped = 0
    with click.progressbar(
        length=left, label="Rewrapping", hidden=is_quiet or left < _BATCH
    ) as progress:
        while True:
            with unit_of_work_of(opened.sessions) as session:
                count = keyring.rewrap_person_keys(session, limit=_BATCH)
            if count == 0:
                break
            rewrapped += count
            progress.update(count)
    return {"version": keyring.zone_key_version, "rewrapped": rewrapped}


def _left_to_rewrap(opened: Resources) -> int:
    with opened.sessions() as session:
        return (
            session.scalar(
                select(func.count())
                .select_from(person_keys)
                .where(
                    person_keys.c.key_version < opened.keyring.zone_key_version,
                    person_keys.c.wrapped_key.is_not(None),
                )
            )
            or 0
        )
