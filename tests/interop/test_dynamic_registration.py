"""A certified client registers itself and signs a person in: the one of these in `make test`."""

from pathlib import Path

import pytest

from tests.interop.conftest import NODE_PACKAGES, Running
from tests.interop.javascript import Play


@pytest.mark.timeout(120)
@pytest.mark.skipif(
    not (NODE_PACKAGES / "openid-client").exists(),
    reason="no interoperability tests: openid-client is missing (make setup)",
)
@pytest.mark.spec("OIDCR-3")
@pytest.mark.spec("OIDCC-3.1")
def test_openid_client_is_told_the_issuer_and_does_the_rest(running: Running, node: Path) -> None:
    learned = Play(running, node, "openid_client")("code", method="private_key_jwt", alg="ES256")

    assert learned == {
        "issuer": running.issuer,
        "token_type": "bearer",
        "name": "Анна Сергеевна Волкова",
    }
