"""What an operation costs when much is stored: tokens, clients, grants and accounts.

The same requests, about a thousand rows of each table, where there are a thousand of each, a
hundred thousand and a million: three databases and three servers, in turns, so that whatever else
the machine does meets all of them. The rows are made by the database itself, which is given the
statistics that it has after a minute.

The cost of an operation is the processor time of the server and of the database together. Beside
them runs a control (`loadtests.lookups`), a bare route that finds as many rows by their keys: the
depth of indexes and colder caches cost it too. `cost` is the cost at the fewest rows divided by
that at the most; `own` is the same without what the control, too, pays more.
"""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from hashlib import md5
from uuid import UUID

import psycopg

from idp.ring_tokens import REFRESH_TOKEN
from kernel.ids import GrantId
from loadtests.contenders import CODE_CLIENT, READING_CLIENT, Contender
from loadtests.figures import Figure
from loadtests.lookups import serve_lookups, spread
from loadtests.machine import Load, Machine
from loadtests.our_contender import OurWorld, serve_ours
from loadtests.rounds import Rounds

SIZES = (1_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 5_000)
QUICK_SECONDS = 1.0
ASKED = 1_000
"""Rows that the requests of an operation are about, at every size: all of the fewest."""

TARGET = 0.95
"""Of what an operation costs at the most rows without what the control pays more, at least so much
was to be paid at the fewest.
"""

_FILL = (
    """
    INSERT INTO clients (client_id, partner_id, profile, metadata, sector, secret_digest,
      created_at)
    SELECT 'filler-' || n, partner_id, profile, metadata, 'filler-' || n, secret_digest, created_at
    FROM generate_series(1, %(size)s::int) n, clients WHERE client_id = %(like)s
    """,
    """
    INSERT INTO grants (grant_id, person_id, client_id, partner_id, sub, scope,
      authorization_details, claims, resources, is_refreshable, acr, amr, auth_time, created_at,
      expires_at)
    SELECT md5('grant ' || n)::uuid, md5('person ' || n)::uuid, 'filler-' || n, partner_id,
      md5('sub ' || n), scope, authorization_details, claims, resources, is_refreshable, acr, amr,
      auth_time, created_at, expires_at
    FROM generate_series(1, %(size)s::int) n,
      (SELECT * FROM grants WHERE client_id = %(like)s LIMIT 1) one
    """,
    """
    INSERT INTO refresh_tokens (slot, token_digest, grant_id, client_id, issued_at, expires_at)
    SELECT %(refresh_slot)s, sha256(convert_to('token ' || n, 'UTF8')), md5('grant ' || n)::uuid,
      'filler-' || n, now(), now() + interval '1 day'
    FROM generate_series(1, %(size)s::int) n
    """,
    """
    INSERT INTO revoked_access_tokens (slot, token_digest, revoked_at)
    SELECT n %% 5, sha256(convert_to('revoked ' || n, 'UTF8')), now()
    FROM generate_series(1, %(size)s::int) n
    """,
    """
    INSERT INTO accounts (person_id, account_id, level, created_at)
    SELECT md5('person ' || n)::uuid, md5('account ' || n)::uuid, 2, now()
    FROM generate_series(1, %(size)s::int) n
    """,
    """
    INSERT INTO sign_in_names (username_digest, person_id, account_id)
    SELECT sha256(convert_to('name ' || n, 'UTF8')), md5('person ' || n)::uuid,
      md5('account ' || n)::uuid
    FROM generate_series(1, %(size)s::int) n
    """,
)


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure each operation at each size."""
    sizes = QUICK_SIZES if machine.seconds < QUICK_SECONDS else SIZES
    with ExitStack() as stack:
        control = [stack.enter_context(serve_lookups(machine, size, ASKED)) for size in sizes]
        loads: dict[str, list[Load]] = {"control": control}
        for size in sizes:
            for name, load in _serve(machine, stack, size).items():
                loads.setdefault(name, []).append(load)
        names = list(loads)
        # The control takes its turns among the operations: all meet the same machine.
        taken = machine.measure_beside(*(load for name in names for load in loads[name]))
    measured = {
        name: taken[number * len(sizes) : (number + 1) * len(sizes)]
        for number, name in enumerate(names)
    }
    return [
        figure
        for name, rounds in measured.items()
        for figure in figures(name, sizes, rounds, measured["control"])
    ]


def _serve(machine: Machine, stack: ExitStack, size: int) -> dict[str, Load]:
    """Serve a world of this size; return what is sent to it."""
    worlds: list[OurWorld] = []

    def also(world: OurWorld) -> None:
        worlds.append(world)
        fill(machine.url_of(f"growth_{size}"), size, world)

    ours = stack.enter_context(serve_ours(machine, f"growth_{size}", ("refresh",), also=also))
    return {
        name: Load(ours.server, requests, repeat=repeats)
        for name, requests, repeats in operations(ours, worlds[0], size)
    }


def figures(
    name: str, sizes: Sequence[int], rounds: Sequence[Rounds], control: Sequence[Rounds]
) -> list[Figure]:
    """Return the rate at each size, how the cost has grown, and what of it is ours."""
    fewest, most = rounds[0], rounds[-1]
    found = [
        Figure(name=f"growth.{name}_{size}", value=each.rate, unit="requests/s", spread=each.spread)
        for size, each in zip(sizes, rounds, strict=True)
    ]
    found[-1] = replace(
        found[-1],
        ratio=statistics.median(most.ratios_to(fewest)),
        against=f"the rate at {sizes[0]:,} rows of each table",
    )
    cost = Figure(
        name=f"growth.{name}_cost",
        value=most.cost_us,
        unit="us/request",
        ratio=fewest.cost_us / most.cost_us,
        against=f"{fewest.cost_us:.1f} us at {sizes[0]:,} rows, server and database",
    )
    if name == "control":
        return [*found, cost]
    added = control[-1].cost_us - control[0].cost_us
    own = Figure(
        name=f"growth.{name}_own",
        value=most.cost_us - added,
        unit="us/request",
        ratio=fewest.cost_us / (most.cost_us - added),
        target=TARGET,
        against=f"the same without the {added:.1f} us that the control pays more",
    )
    return [*found, cost, own]


def fill(url: str, size: int, world: OurWorld) -> None:
    """Fill every table with `size` rows."""
    slot = REFRESH_TOKEN.ring.slot(world.at)
    values = {"size": size, "like": READING_CLIENT, "refresh_slot": slot}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        for statement in _FILL:
            connection.execute(statement, values)


def operations(ours: Contender, world: OurWorld, size: int) -> list[tuple[str, list[bytes], bool]]:
    """Return the requests of each operation, and whether they may be sent again."""
    numbers = spread(size, ASKED)
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
                for token in ours.refresh_tokens
            ],
            False,
        ),
    ]


def _named(text: str) -> UUID:
    """Return the identifier that the database made of a text."""
    return UUID(md5(text.encode(), usedforsecurity=False).hexdigest())
