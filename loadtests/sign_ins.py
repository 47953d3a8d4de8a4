"""Password sign-ins, and token calls beside them, on one core.

A sign-in is the whole form: the account found, Argon2id with the recommended parameters (64 MiB,
three passes, four lanes), a session begun. Token calls (`client_credentials` with a secret, opaque)
run alone and then while people sign in without a pause, in turns.
"""

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlencode

import psutil

from idp import argon2id
from idp.api import AssuranceLevel
from idp.passwords import PROFILES, PasswordHasher
from idp.service.accounts import create_account
from kernel.db import unit_of_work_of
from kernel.form_guard import FIELD
from kernel.ids import PersonId, new_id
from kernel.secret import Secret, b64url, random_b64url
from loadtests.contenders import READING_CLIENT, Contender
from loadtests.figures import Figure
from loadtests.machine import Machine, http_request
from loadtests.our_contender import OurWorld, serve_ours
from loadtests.rounds import Round

ACCOUNTS = 32
AT_ONCE = 8
AHEAD_SECONDS = 0.3
PASSWORD = "a long and boring password"  # of accounts that nobody has
UNHARMED = 0.95
"""Of the rate alone: sign-ins may have what token calls leave, and little more."""

UNDELAYED = 0.83
"""The p99 alone divided by that beside sign-ins."""

_COOKIE = random_b64url(32)


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure both alone and together."""
    form_tokens: list[str] = []

    def add_accounts(world: OurWorld) -> None:
        keyring = world.provider.keyring
        form_tokens.append(b64url(keyring.blind_index("form", _COOKIE)))
        hasher = PasswordHasher(PROFILES["recommended"])
        with closing(hasher), unit_of_work_of(world.sessions) as session:
            for number in range(ACCOUNTS):
                create_account(
                    session,
                    keyring,
                    hasher,
                    person_id=PersonId(new_id(world.at)),
                    username=f"person-{number}",
                    password=Secret(PASSWORD),
                    level=AssuranceLevel.STANDARD,
                    at=world.at,
                )

    with serve_ours(machine, "sign_ins", (), also=add_accounts) as ours:
        sign_ins = sign_in_requests(ours, form_tokens[0])
        calls = [ours.post("/token", READING_CLIENT, {"grant_type": "client_credentials"})]
        alone, beside, signed_in, hashing = [], [], [], []
        for number in range(machine.rounds + 1):
            without = call(machine, ours, calls)
            only = sign_in(machine, ours, sign_ins)
            with ThreadPoolExecutor(1) as pool:
                # They begin before the calls, and are still waiting for their turn at their end.
                busy = pool.submit(sign_in, machine, ours, sign_ins)
                time.sleep(AHEAD_SECONDS)
                before = hashing_seconds(ours)
                among = call(machine, ours, calls)
                hashed = hashing_seconds(ours) - before
                busy.result()
            if number:  # the first is to warm up
                alone.append(without)
                beside.append(among)
                signed_in.append(only)
                hashing.append(hashed / among.seconds)
    return _figures(alone, beside, signed_in, hashing)


def _figures(
    alone: Sequence[Round],
    beside: Sequence[Round],
    signed_in: Sequence[Round],
    hashing: Sequence[float],
) -> list[Figure]:
    ratios = [b.rate / a.rate for a, b in zip(alone, beside, strict=True)]
    return [
        Figure(
            name="sign_ins.rate",
            value=statistics.median(each.rate for each in signed_in),
            unit="sign-ins/s",
            against="Argon2id, 64 MiB, 3 passes, 4 lanes; one core",
        ),
        Figure(
            name="sign_ins.cpu",
            value=statistics.median(1e3 * each.cpu_seconds / each.requests for each in signed_in),
            unit="ms/sign-in",
        ),
        Figure(
            name="sign_ins.tokens_beside",
            value=statistics.median(each.rate for each in beside),
            unit="requests/s",
            ratio=statistics.median(ratios),
            target=UNHARMED,
            against="token calls alone, in turns",
        ),
        Figure(
            name="sign_ins.tokens_beside_p99",
            value=statistics.median(each.p99_ms for each in beside),
            unit="ms",
            ratio=statistics.median(
                a.p99_ms / b.p99_ms for b, a in zip(beside, alone, strict=True)
            ),
            target=UNDELAYED,
            against=f"p99 alone, {statistics.median(a.p99_ms for a in alone):.1f} ms, by this",
        ),
        Figure(
            name="sign_ins.share_beside_tokens",
            value=100 * statistics.median(hashing),
            unit="% of a core",
            against="what sign-ins have of it while token calls take all they can get",
        ),
    ]


def sign_in_requests(ours: Contender, form_token: str) -> list[bytes]:
    """Return the form of each account."""
    forms = [
        {"username": f"person-{number}", "password": PASSWORD, FIELD: form_token}
        for number in range(ACCOUNTS)
    ]
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": f"civitas_browser={_COOKIE}",
        "Origin": ours.issuer,
    }
    return [
        http_request(
            "POST", "/sign-in", host=ours.host, headers=headers, body=urlencode(form).encode()
        )
        for form in forms
    ]


def sign_in(machine: Machine, ours: Contender, requests: list[bytes]) -> Round:
    """Let people sign in, a few at a time."""
    return _checked(
        machine.load(ours.server, requests, repeat=True, connections=AT_ONCE), status="303"
    )


def call(machine: Machine, ours: Contender, requests: list[bytes]) -> Round:
    """Ask for tokens."""
    return _checked(machine.load(ours.server, requests, repeat=True), status="200")


def hashing_seconds(ours: Contender) -> float:
    """Return the processor time of the process that hashes, so far."""
    children = psutil.Process(ours.server.process.pid).children(recursive=True)
    times = [each.cpu_times() for each in children if argon2id.__file__ in each.cmdline()]
    return sum(each.user + each.system for each in times)


def _checked(done: Round, *, status: str) -> Round:
    if set(done.statuses) != {status} or done.failures:
        raise RuntimeError(f"not what was meant: {done.statuses}, {done.failures}")
    return done
