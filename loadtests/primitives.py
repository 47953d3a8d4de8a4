"""The primitives of `cryptography`, on one core: what no implementation of ours can be below."""

import statistics
import time
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from loadtests.figures import Figure
from loadtests.machine import Machine

_MESSAGE = bytes(400)  # about the length of a signed token's header and payload
_ROUND_SECONDS = 0.3


def time_of(function: Callable[[], object], *, rounds: int) -> tuple[float, tuple[float, float]]:
    """Return the median time of a call in microseconds, and the fastest and slowest round."""
    for _ in range(200):
        function()
    times = []
    for _ in range(rounds):
        count, started = 0, time.perf_counter()
        ends_at = started + _ROUND_SECONDS
        while time.perf_counter() < ends_at:
            for _ in range(50):
                function()
            count += 50
        times.append(1e6 * (time.perf_counter() - started) / count)
    return statistics.median(times), (min(times), max(times))


def primitives() -> dict[str, Callable[[], object]]:
    """Return each primitive as a call."""
    es256 = ec.generate_private_key(ec.SECP256R1())
    es256_public = es256.public_key()
    signature = es256.sign(_MESSAGE, ec.ECDSA(SHA256()))
    ed25519 = Ed25519PrivateKey.generate()
    aead = AESGCM(bytes(32))
    sealed = {size: aead.encrypt(bytes(12), bytes(size), b"place") for size in (32, 1024)}
    return {
        "es256_verify": lambda: es256_public.verify(signature, _MESSAGE, ec.ECDSA(SHA256())),
        "es256_sign": lambda: es256.sign(_MESSAGE, ec.ECDSA(SHA256())),
        "ed25519_sign": lambda: ed25519.sign(_MESSAGE),
        "aead_open_32": lambda: AESGCM(bytes(32)).decrypt(bytes(12), sealed[32], b"place"),
        "aead_open_1024": lambda: AESGCM(bytes(32)).decrypt(bytes(12), sealed[1024], b"place"),
    }


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure each primitive."""
    figures = []
    with machine.on_core(machine.cores.server):
        for name, call in primitives().items():
            value, spread = time_of(call, rounds=machine.rounds)
            figures.append(Figure(name=f"primitives.{name}", value=value, unit="us", spread=spread))
    return figures


def sum_of(machine: Machine, names: Sequence[str]) -> float:
    """Time some of them, now, on the server's core; return the sum in microseconds."""
    calls = primitives()
    with machine.on_core(machine.cores.server):
        return sum(time_of(calls[name], rounds=1)[0] for name in names)
