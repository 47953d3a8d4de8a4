"""Signing keys: verified by a library that is not ours, before, during and after a rotation."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from kernel.db import make_engine, make_sessions, unit_of_work_of
from kernel.errors import Undecryptable
from kernel.root_keys import LocalKeyFile
from kernel.signing import OIDC_RETIRED_FOR, SigningKeys

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)

Sessions = sessionmaker[Session]


@pytest.fixture
def sessions(fresh_database: str) -> Iterator[Sessions]:
    engine = make_engine(fresh_database, pool_size=2)
    yield make_sessions(engine)
    engine.dispose()


@pytest.fixture
def signing(sessions: Sessions, tmp_path: Path) -> SigningKeys:
    return SigningKeys.open(LocalKeyFile.create(tmp_path / "root.key"), sessions, at=AT)


def verify(signing: SigningKeys, use: str, token: str, alg: str) -> bytes:
    keys = KeySet.import_key_set(json.loads(json.dumps(signing.public_jwks(use))))
    verified = jws.deserialize_compact(token, keys, algorithms=[alg])
    assert verified.payload is not None
    return verified.payload


# FAPI 2.0, 5.4 names EdDSA; RFC 9864 renamed it since, and joserfc says so.
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.spec("RFC7515-5.1")
@pytest.mark.parametrize(
    ("use", "alg"),
    [("oidc", "ES256"), ("oidc", "RS256"), ("oidc", "PS256"), ("oidc", "EdDSA"), ("log", "EdDSA")],
)
def test_a_signature_verifies_with_the_published_keys(
    signing: SigningKeys, use: str, alg: str
) -> None:
    token = signing.jws(use, b'{"a":1}', header={"typ": "JWT"}, alg=alg)

    assert verify(signing, use, token, alg) == b'{"a":1}'


def test_a_changed_payload_does_not_verify(signing: SigningKeys) -> None:
    head, _, signature = signing.jws("oidc", b"{}", header={}).split(".")

    with pytest.raises(BadSignatureError):
        verify(signing, "oidc", f"{head}.e30x.{signature}", "ES256")


def test_a_rotation_fails_no_verification(signing: SigningKeys, sessions: Sessions) -> None:
    published_before = json.dumps(signing.public_jwks("oidc"))
    before = signing.jws("oidc", b"{}", header={})

    with unit_of_work_of(sessions) as session:
        signing.rotate(session, "oidc", "ES256", at=AT)
    signing.reload(at=AT)
    after = signing.jws("oidc", b"{}", header={})

    assert before.split(".")[0] != after.split(".")[0]
    assert verify(signing, "oidc", before, "ES256") == b"{}"
    old_keys = KeySet.import_key_set(json.loads(published_before))
    jws.deserialize_compact(after, old_keys, algorithms=["ES256"])


def test_a_retired_key_disappears_when_its_tokens_have_expired(
    signing: SigningKeys, sessions: Sessions
) -> None:
    retired = signing.current("oidc").kid
    with unit_of_work_of(sessions) as session:
        signing.rotate(session, "oidc", "ES256", at=AT)

    signing.reload(at=AT + OIDC_RETIRED_FOR - timedelta(seconds=1))
    still = json.dumps(signing.public_jwks("oidc"))
    signing.reload(at=AT + OIDC_RETIRED_FOR)
    no_more = json.dumps(signing.public_jwks("oidc"))

    assert retired in still
    assert retired not in no_more


def test_a_private_key_does_not_show(signing: SigningKeys) -> None:
    assert "private" not in repr(signing.current("oidc"))
    assert '"d"' not in json.dumps(signing.public_jwks("oidc"))


FORGERIES = {
    "a key of somebody else's": (
        "INSERT INTO signing_keys"
        " (kid, use, alg, state, private_key_sealed, public_jwk, created_at, retired_at)"
        " SELECT 'forged', use, alg, 'retired', private_key_sealed,"
        " jsonb_set(public_jwk, '{kid}', '\"forged\"'), created_at, created_at"
        " FROM signing_keys WHERE use = 'log' AND state = 'current'"
    ),
    "somebody else's public key under ours": (
        "UPDATE signing_keys SET public_jwk = jsonb_set(public_jwk, '{x}',"
        " '\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"') WHERE use = 'log'"
    ),
    "two keys exchanged": (
        "UPDATE signing_keys a SET public_jwk = b.public_jwk FROM signing_keys b"
        " WHERE a.use = 'log' AND b.use = 'log' AND a.kid <> b.kid"
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_key_written_into_the_database_is_not_published(
    sessions: Sessions, tmp_path: Path, forgery: str
) -> None:
    root = LocalKeyFile.create(tmp_path / "root.key")
    SigningKeys.open(root, sessions, at=AT)
    with sessions.begin() as session:
        session.execute(text(forgery))

    with pytest.raises(Undecryptable):
        SigningKeys.open(root, sessions, at=AT)


def test_a_forged_key_leaves_a_running_process_with_the_keys_it_had(
    signing: SigningKeys, sessions: Sessions
) -> None:
    before = json.dumps(signing.public_jwks("log"))
    with sessions.begin() as session:
        session.execute(text(FORGERIES["a key of somebody else's"]))

    with pytest.raises(Undecryptable):
        signing.reload(at=AT)

    assert json.dumps(signing.public_jwks("log")) == before
