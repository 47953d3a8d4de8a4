"""The application as `civitas serve` runs it: filled, served, asked with tokens bound to a key.

What the benchmarks of the hot lane's resources share: the partner's person read, agencies'
questions.
"""

import shutil
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pydantic import SecretStr
from sqlalchemy import insert
from sqlalchemy.orm import Session

import migrations
from app.resources import Resources, open_resources
from idp.dpop import thumbprint
from idp.tables import clients, partners
from idp.tokens import ACCESS_TOKEN_TYPE, Subject, access_token_claims, sign
from kernel.clock import SystemClock
from kernel.ids import ClientId, PartnerId
from kernel.secret import b64url, random_b64url, sha256
from kernel.settings import Settings
from loadtests.ceiling import serve_ceiling
from loadtests.figures import Figure
from loadtests.machine import Load, Machine, Running
from loadtests.primitives import sum_of
from loadtests.signer import Signer
from partner_api.store import save_limit

CLIENT, PARTNER = ClientId("bench"), PartnerId("bench")

W = TypeVar("W")


@contextmanager
def serve_filled(
    machine: Machine,
    name: str,
    fill: Callable[[Resources], W],
    *,
    kept: Path | None = None,
    root_key: str = "",
) -> Iterator[tuple[W, Running]]:
    """Serve the application on a database that `fill` has filled.

    Args:
        machine: Where.
        name: Of the database.
        fill: Returns whatever the benchmark needs to know of it.
        kept: A folder with a database that was filled before; a copy of it is served.
        root_key: The file of its root key, in that folder.
    """
    folder = machine.folder / name
    folder.mkdir()
    url = machine.database(name) if kept is None else machine.copied_database(kept)
    settings = Settings(mode="demo", database_url=SecretStr(url), data=folder)
    if kept is not None:
        shutil.copy(kept / root_key, settings.root_key_path)
    migrations.upgrade(url)
    with open_resources(settings, SystemClock()) as resources:
        filled = fill(resources)
    machine.settle(url)
    environment = {
        "CIVITAS_MODE": "demo",
        "CIVITAS_DATABASE_URL": url,
        "CIVITAS_DATA": str(folder),
    }
    with machine.serve(
        "app.server:from_environment", environment=environment, ready="/readyz"
    ) as server:
        yield filled, server


def register_client(session: Session, at: datetime) -> None:
    """Register the client that asks, without a limit that it would reach."""
    session.execute(
        insert(partners).values(partner_id=PARTNER, name="Bench", is_verified=True, created_at=at)
    )
    session.execute(
        insert(clients).values(
            client_id=CLIENT,
            partner_id=PARTNER,
            profile="fapi2",
            metadata={},
            sector="bench",
            created_at=at,
        )
    )
    save_limit(session, PARTNER, requests_per_minute=1_000_000_000)


class Prover:
    """A client's key, and the tokens that are bound to it."""

    def __init__(self, resources: Resources) -> None:
        self._signing = resources.signing
        self._signer = Signer("dpop+jwt")
        self._jkt = thumbprint(self._signer.jwk)
        self.issuer = resources.settings.issuer

    def token(self, subject: Subject, *, at: datetime) -> "Token":
        """Make an access token that is good for most of an hour."""
        claims = access_token_claims(
            subject,
            issuer=self.issuer,
            client_id=CLIENT,
            partner_id=PARTNER,
            audience=[self.issuer],
            jti=random_b64url(16),
            jkt=self._jkt,
            at=at,
            expires_at=at + timedelta(minutes=55),
        )
        text = sign(self._signing, claims, typ=ACCESS_TOKEN_TYPE, alg="ES256")
        return Token(text, b64url(sha256(text.encode())), self._signer, self.issuer)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and what makes its proofs."""

    text: str
    ath: str
    signer: Signer
    issuer: str

    def headers(self, method: str, path: str, *, at: datetime) -> dict[str, str]:
        """Return the headers of one request, with a proof of its own."""
        proof = self.signer.sign(
            {
                "jti": random_b64url(12),
                "htm": method,
                "htu": self.issuer + path,
                "iat": int(at.timestamp()),
                "ath": self.ath,
            }
        )
        return {"Authorization": f"DPoP {self.text}", "DPoP": proof}


# The floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What no implementation of a request can be below.

    It is the ceiling's time for one request with one write and one read, and the primitives that
    the answer can't do without, all measured in the same run.

    Attributes:
        primitives: Of `loadtests.primitives`.
        words: What they are, for whoever reads the figure.
        request: What is divided by, for the same reader.
        most_rate: Requests a second that are prepared; more than any run has reached.
    """

    primitives: tuple[str, ...]
    words: str
    request: str
    target: float
    most_rate: int


def hold_against_floor(
    machine: Machine,
    name: str,
    floor: Floor,
    server: Running,
    requests: Callable[[datetime], Iterator[bytes]],
) -> list[Figure]:
    """Measure requests in turns with the ceiling.

    Args:
        machine: Where.
        name: Of the benchmark.
        floor: What they are held against.
        server: Who answers them.
        requests: Makes requests of an instant, without end, each one good once.
    """
    added: list[float] = []

    def prepare() -> list[bytes]:
        """Make a round's requests just before it; time the primitives while we are there."""
        added.append(sum_of(machine, floor.primitives))
        return list(islice(requests(datetime.now(UTC)), int(floor.most_rate * machine.seconds)))

    with serve_ceiling(machine, f"{name}_ceiling") as ceiling_load:
        ceiling, rounds = machine.measure_beside(ceiling_load, Load(server, prepare))
    floors = [
        1e6 / bare.rate + primitives
        for bare, primitives in zip(ceiling.rounds, added[1:], strict=True)  # 0: to warm up
    ]
    ratios = [each / (1e6 / ours.rate) for each, ours in zip(floors, rounds.rounds, strict=True)]
    return [
        Figure(
            name=f"{name}.floor",
            value=statistics.median(floors),
            unit="us/request",
            against=f"ceiling + {floor.words}",
        ),
        Figure(
            name=f"{name}.rate",
            value=rounds.rate,
            unit="requests/s",
            ratio=statistics.median(ratios),
            target=floor.target,
            against=f"the floor divided by our time for {floor.request}, in turns",
            spread=rounds.spread,
        ),
        Figure(name=f"{name}.time", value=1e6 / rounds.rate, unit="us/request"),
        Figure(name=f"{name}.server_cpu", value=rounds.cpu_us, unit="us/request"),
        Figure(name=f"{name}.p99", value=rounds.p99_ms, unit="ms"),
    ]
