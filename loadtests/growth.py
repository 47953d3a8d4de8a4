"""What an operation costs when much is stored: tokens, clients, grants and accounts.

The same requests, spread evenly over what there is, at a thousand, a hundred thousand and a million
rows of each table. The ratio is the rate at the most rows divided by that at the fewest. The rows
are made by the database itself; between the sizes it is given the statistics that it has after a
minute.
"""

from collections.abc import Sequence
from hashlib import md5
from uuid import UUID

import psycopg

from idp.ring_tokens import REFRESH_TOKEN
from kernel.ids import GrantId
from loadtests.contenders import (
    CODE_CLIENT,
    READING_CLIENT,
    Contender,
    OurWorld,
    serve_ours,
)
from loadtests.figures import Figure
from loadtests.machine import Load, Machine, Rounds

SIZES = (1_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 5_000)
QUICK_SECONDS = 1.0
ASKED = 300
"""Rows that the requests of an operation are about."""

TARGET = 0.85
"""Deeper indexes and colder caches cost a little; what grows with the rows costs far more."""

# Each takes the number to begin with and the one to end with.
_FILL = (
    """
    INSERT INTO clients (client_id, partner_id, profile, metadata, sector, secret_digest,
      created_at)
    SELECT 'filler-' || n, partner_id, profile, metadata, 'filler-' || n, secret_digest, created_at
    FROM generate_series(%(first)s::int, %(last)s::int) n, clients WHERE client_id = %(like)s
    """,
    """
    INSERT INTO grants (grant_id, person_id, client_id, partner_id, sub, scope,
      authorization_details, claims, resources, is_refreshable, acr, amr, auth_time, created_at,
      expires_at)
    SELECT md5('grant ' || n)::uuid, md5('person ' || n)::uuid, 'filler-' || n, partner_id,
      md5('sub ' || n), scope, authorization_details, claims, resources, is_refreshable, acr, amr,
      auth_time, created_at, expires_at
    FROM generate_series(%(first)s::int, %(last)s::int) n,
      (SELECT * FROM grants WHERE client_id = %(like)s LIMIT 1) one
    """,
    """
    INSERT INTO refresh_tokens (slot, token_digest, grant_id, client_id, issued_at, expires_at)
    SELECT %(refresh_slot)s, sha256(convert_to('token ' || n, 'UTF8')), md5('grant ' || n)::uuid,
      'filler-' || n, now(), now() + interval '1 day'
    FROM generate_series(%(first)s::int, %(last)s::int) n
    """,
    """
    INSERT INTO revoked_access_tokens (slot, token_digest, revoked_at)
    SELECT n %% 5, sha256(convert_to('revoked ' || n, 'UTF8')), now()
    FROM generate_series(%(first)s::int, %(last)s::int) n
    """,
    """
    INSERT INTO accounts (person_id, account_id, level, created_at)
    SELECT md5('person ' || n)::uuid, md5('account ' || n)::uuid, 2, now()
    FROM generate_series(%(first)s::int, %(last)s::int) n
    """,
    """
    INSERT INTO sign_in_names (username_digest, person_id, account_id)
    SELECT sha256(convert_to('name ' || n, 'UTF8')), md5('person ' || n)::uuid,
      md5('account ' || n)::uuid
    FROM generate_series(%(first)s::int, %(last)s::int) n
    """,
)


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure each operation at each size."""
    sizes = QUICK_SIZES if machine.seconds < QUICK_SECONDS else SIZES
    worlds: list[OurWorld] = []
    with serve_ours(machine, "growth", ("refresh",), also=worlds.append) as ours:
        measured: dict[str, list[Rounds]] = {}
        refresh_tokens = list(ours.refresh_tokens)
        share = len(refresh_tokens) // len(sizes)
        filled = 0
        for number, size in enumerate(sizes):
            fill(machine.url_of("growth"), filled + 1, size, worlds[0])
            filled = size
            machine.settle(machine.url_of("growth"))
            mine = refresh_tokens[number * share : (number + 1) * share]
            for name, requests, repeats in operations(ours, worlds[0], size, mine):
                (rounds,) = machine.measure_beside(Load(ours.server, requests, repeat=repeats))
                measured.setdefault(name, []).append(rounds)
    return [figure for name, rounds in measured.items() for figure in figures(name, sizes, rounds)]


def figures(name: str, sizes: Sequence[int], rounds: Sequence[Rounds]) -> list[Figure]:
    """Return a figure for each size, the last one with the ratio."""
    last = len(sizes) - 1
    return [
        Figure(
            name=f"growth.{name}_{size}",
            value=each.rate,
            unit="requests/s",
            ratio=each.rate / rounds[0].rate if number == last else None,
            target=TARGET if number == last else None,
            against=f"the rate at {sizes[0]:,} rows of each table" if number == last else "",
            spread=each.spread,
        )
        for number, (size, each) in enumerate(zip(sizes, rounds, strict=True))
    ]


def fill(url: str, first: int, last: int, world: OurWorld) -> None:
    """Fill every table up to `last` rows."""
    slot = REFRESH_TOKEN.ring.slot(world.at)
    values = {"first": first, "last": last, "like": READING_CLIENT, "refresh_slot": slot}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        for statement in _FILL:
            connection.execute(statement, values)


def operations(
    ours: Contender, world: OurWorld, size: int, refresh_tokens: Sequence[str]
) -> list[tuple[str, list[bytes], bool]]:
    """Return the requests of each operation, and whether they may be sent again."""
    numbers = [1 + step * (size - 1) // (ASKED - 1) for step in range(ASKED)]
    secret = ours.secrets[READING_CLIENT]
    clients = [f"filler-{number}" for number in numbers]
    tokens = {
        client: world.access_token(GrantId(_named(f"grant {number}")), "sub", client)
        for number, client in zip(numbers, clients, strict=True)
    }
    return [
        (
            "client_credentials",
            [
                ours.post("/token", client, {"grant_type": "client_credentials"}, secret=secret)
                for client in clients
            ],
            True,
        ),
        (
            "introspection",
            [
                ours.post("/introspect", client, {"token": token}, secret=secret)
                for client, token in tokens.items()
            ],
            True,
        ),
        (
            "userinfo",
            [
                ours.get("/userinfo", {"Authorization": f"Bearer {token}"})
                for token in tokens.values()
            ],
            True,
        ),
        (
            "refresh",
            [
                ours.post(
                    "/token", CODE_CLIENT, {"grant_type": "refresh_token", "refresh_token": token}
                )
                for token in refresh_tokens
            ],
            False,
        ),
    ]


def _named(text: str) -> UUID:
    """Return the identifier that the database made of a text."""
    return UUID(md5(text.encode(), usedforsecurity=False).hexdigest())
