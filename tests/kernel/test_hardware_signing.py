"""Signing keys that lie in a module: SoftHSM, a real PKCS#11 token in software."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pkcs11
import pytest
from joserfc import jws
from joserfc.jwk import KeySet
from pkcs11 import Attribute, ObjectClass
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.resources import open_signing
from kernel.db import make_engine, make_sessions, unit_of_work_of
from kernel.hardware_root import HardwareRoot, log_in
from kernel.hardware_signing import HardwareKey, HardwareSigning
from kernel.root_keys import RootKeyUnavailable
from kernel.settings import Settings
from kernel.signing import ALGORITHMS_BY_USE, OIDC_RETIRED_FOR, SigningKeys
from kernel.tables import signing_keys
from tests.kernel.softhsm import MODULE, PIN

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)

Sessions = sessionmaker[Session]

pytestmark = pytest.mark.skipif(MODULE is None, reason="SoftHSM (softhsm2) is not installed")


@pytest.fixture(scope="module")
def root(softhsm: None) -> HardwareRoot:  # noqa: ARG001  # makes the tokens
    assert MODULE is not None
    return HardwareRoot.create(MODULE, "signing", PIN)


@pytest.fixture(scope="module")
def module(root: HardwareRoot) -> HardwareSigning:  # noqa: ARG001  # logs in first
    assert MODULE is not None
    return HardwareSigning.open(MODULE, "signing", PIN)


@pytest.fixture
def sessions(fresh_database: str) -> Iterator[Sessions]:
    engine = make_engine(fresh_database, pool_size=2)
    yield make_sessions(engine)
    engine.dispose()


@pytest.fixture
def signing(
    sessions: Sessions, root: HardwareRoot, module: HardwareSigning, monkeypatch: pytest.MonkeyPatch
) -> SigningKeys:
    """Keys of a module that can elliptic curves only: RSA keys take long to make."""
    monkeypatch.setattr(module, "algorithms", frozenset({"ES256", "EdDSA"}))
    return SigningKeys.open(root, sessions, at=AT, module=module)


def private_keys() -> list[pkcs11.Object]:
    assert MODULE is not None
    session = log_in(MODULE, "signing", PIN)
    return list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}))


def verify(keys: SigningKeys, use: str, token: str, alg: str) -> None:
    published = KeySet.import_key_set(json.loads(json.dumps(keys.public_jwks(use))))
    jws.deserialize_compact(token, published, algorithms=[alg])


# FAPI 2.0, 5.4 names EdDSA; RFC 9864 renamed it since, and joserfc says so.
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.spec("RFC7518-3.1")
def test_it_signs_in_every_algorithm_and_in_every_process(
    sessions: Sessions, root: HardwareRoot, module: HardwareSigning
) -> None:
    assert MODULE is not None
    assert module.algorithms == {"ES256", "RS256", "PS256", "EdDSA"}
    signing = SigningKeys.open(root, sessions, at=AT, module=module)
    other = SigningKeys.open(
        root, sessions, at=AT, module=HardwareSigning.open(MODULE, "signing", PIN)
    )

    for use, algs in ALGORITHMS_BY_USE.items():
        for alg in algs:
            verify(other, use, signing.jws(use, b"{}", header={}, alg=alg), alg)
            assert other.current(use, alg).kid == signing.current(use, alg).kid


def test_no_private_key_leaves_it(signing: SigningKeys, sessions: Sessions) -> None:
    assert isinstance(signing.current("oidc").private_key, HardwareKey)
    for key in private_keys():
        assert key[Attribute.SENSITIVE] is True
        assert key[Attribute.EXTRACTABLE] is False
    with sessions() as session:
        sealed = session.scalars(
            select(signing_keys.c.private_key_sealed).where(signing_keys.c.alg == "ES256")
        ).all()
    assert max(map(len, sealed)) < 80  # an identifier; the smallest private key is longer


def test_rotation_uses_it_up_to_the_end(signing: SigningKeys, sessions: Sessions) -> None:
    def rotate(at: datetime) -> None:
        with unit_of_work_of(sessions) as session:
            signing.rotate(session, "oidc", "ES256", at=at)
        signing.reload(at=at)

    before = signing.jws("oidc", b"{}", header={})
    held = len(private_keys())

    rotate(AT)
    after = signing.jws("oidc", b"{}", header={})

    assert len(private_keys()) == held + 1
    for token in (before, after):
        verify(signing, "oidc", token, "ES256")
    rotate(AT + OIDC_RETIRED_FOR + timedelta(seconds=1))
    assert len(private_keys()) == held + 1  # one made, the retired one destroyed
    verify(signing, "oidc", after, "ES256")


def test_installation_moves_in_and_out_by_rotation(
    sessions: Sessions, root: HardwareRoot, module: HardwareSigning
) -> None:
    outside = SigningKeys.open(root, sessions, at=AT)
    first = outside.jws("oidc", b"{}", header={})
    inside = SigningKeys.open(root, sessions, at=AT, module=module)
    for day in (1, 2):
        with unit_of_work_of(sessions) as session:
            inside.rotate(session, "oidc", "ES256", at=AT + timedelta(days=day) / 4)
    inside.reload(at=AT + timedelta(hours=12))

    verify(inside, "oidc", first, "ES256")
    verify(inside, "oidc", inside.jws("oidc", b"{}", header={}), "ES256")
    with pytest.raises(RootKeyUnavailable, match="CIVITAS_PKCS11_SIGNING"):
        SigningKeys.open(root, sessions, at=AT)


def test_installation_signs_in_it_only_if_it_says_so(root: HardwareRoot, tmp_path: Path) -> None:  # noqa: ARG001  # there is a token
    pin = tmp_path / "pin"
    pin.write_text(f"{PIN.reveal()}\n")
    settings = Settings(
        mode="test", pkcs11_module=MODULE, pkcs11_token="signing", pkcs11_pin_file=pin
    )

    opened = open_signing(settings.model_copy(update={"pkcs11_signing": True}))

    assert open_signing(settings) is None
    assert opened is not None
    assert "ES256" in opened.algorithms


def test_key_that_the_token_lost_stops_the_start(
    signing: SigningKeys, sessions: Sessions, root: HardwareRoot
) -> None:
    assert MODULE is not None
    assert signing.current("oidc").kid
    for key in private_keys():
        key.destroy()

    with pytest.raises(RootKeyUnavailable, match="does not hold a signing key"):
        SigningKeys.open(root, sessions, at=AT, module=HardwareSigning.open(MODULE, "signing", PIN))
