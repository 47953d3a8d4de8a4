"""SoftHSM: a real PKCS#11 token in software."""

import subprocess
from pathlib import Path

from kernel.secret import Secret

_PLACES = [
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"),
]
MODULE = next((path for path in _PLACES if path.exists()), None)
PIN = Secret("1234")


def make_token(label: str) -> None:
    """Make an empty token where SOFTHSM2_CONF says."""
    arguments = ["--init-token", "--free", "--label", label, "--pin", PIN.reveal()]
    subprocess.run(
        ["softhsm2-util", *arguments, "--so-pin", "5678"], check=True, capture_output=True
    )
