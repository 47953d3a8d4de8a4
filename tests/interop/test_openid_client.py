"""npm `openid-client`, a certified relying party, against a running instance."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import NODE_PACKAGES, Running

SCRIPT = Path(__file__).parent / "openid_client.mjs"

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        not (NODE_PACKAGES / "openid-client").exists(),
        reason="no interoperability tests: openid-client is missing (make setup)",
    ),
]


def sign_in(running: Running, node: Path, kind: str) -> dict[str, Any]:
    """Let the relying party run, and be its browser; return what it learned."""
    with (
        running.browser() as browser,
        subprocess.Popen(
            [node, SCRIPT, running.issuer, kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        ) as party,
    ):
        assert party.stdout is not None
        assert party.stdin is not None
        assert party.stderr is not None
        for line in party.stdout:
            said: dict[str, Any] = json.loads(line)
            if "done" in said:
                return dict(said["done"])
            came_back = browser.follow(said["open"], running.person)
            party.stdin.write(came_back + "\n")
            party.stdin.flush()
        raise AssertionError(party.stderr.read())


@pytest.mark.spec("OIDCR-3")
@pytest.mark.spec("OIDCC-3.1")
@pytest.mark.parametrize("kind", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_openid_client_registers_and_signs_a_person_in(
    running: Running, node: Path, kind: str
) -> None:
    learned = sign_in(running, node, kind)

    assert learned["issuer"] == running.issuer
    assert learned["nonce"] is True
    assert learned["token_type"] == ("dpop" if kind == "private_key_jwt" else "bearer")
    assert learned["person"]["name"] == "Анна Сергеевна Волкова"
    assert learned["person"]["sub"] == learned["sub"]
    assert learned["again"] is True
    assert learned["active"] is True
    assert learned["rotated"] is True
    assert learned["after_revocation"] == "invalid_token"
    assert learned["own_token"] == "string"
    assert learned["bye"] == "http://localhost:9/bye?state=bye"
