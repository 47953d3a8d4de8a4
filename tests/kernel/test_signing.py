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

from idp.policy import Policy
from kernel.db import make_engine, make_sessions, unit_of_work_of
from kernel.errors import Undecryptable
from kernel.root_keys import LocalKeyFile
from kernel.signing import (
    ALGORITHMS_BY_USE,
    JWKS_KEPT_FOR,
    OIDC_RETIRED_FOR,
    PUBLISHED_AHEAD,
    RELOADED_EVERY,
    SCHEDULED_USES,
    NextKeyTooYoung,
    SigningKeys,
)
from tests.databases import KnownKeys

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)

Sessions = sessionmaker[Session]


@pytest.fixture
def sessions(fresh_database: str) -> Iterator[Sessions]:
    engine = make_engine(fresh_database, pool_size=2)
    yield make_sessions(engine)
    engine.dispose()


@pytest.fixture
def signing(sessions: Sessions, tmp_path: Path, known_keys: KnownKeys) -> SigningKeys:
    known_keys.put_root_key_into(tmp_path)
    return known_keys.open_signing(sessions, at=AT)


def published(signing: SigningKeys) -> KeySet:
    """Return a copy of what is published now."""
    return KeySet.import_key_set(json.loads(json.dumps(signing.public_jwks("oidc"))))


def verify(signing: SigningKeys, use: str, token: str, alg: str) -> bytes:
    keys = KeySet.import_key_set(json.loads(json.dumps(signing.public_jwks(use))))
    verified = jws.deserialize_compact(token, keys, algorithms=[alg])
    assert verified.payload is not None
    return verified.payload


# FAPI 2.0, 5.4 names EdDSA; RFC 9864 renamed it since, and joserfc says so.
@pytest.mark.spec("RFC7515-3.1")
@pytest.mark.spec("RFC7518-3.4")
@pytest.mark.spec("RFC7518-3.5")
@pytest.mark.spec("RFC8037-3.1")
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


class TestAge:
    """A key signs only when nobody can have a copy of the key set without it."""

    def rotate(
        self, signing: SigningKeys, sessions: Sessions, at: datetime, *, is_urgent: bool = False
    ) -> str:
        with unit_of_work_of(sessions) as session:
            return signing.rotate(session, "oidc", "ES256", at=at, is_urgent=is_urgent)

    def test_second_rotation_waits_until_every_copy_has_its_key(
        self, signing: SigningKeys, sessions: Sessions
    ) -> None:
        current = self.rotate(signing, sessions, AT + timedelta(seconds=1))
        published = AT + timedelta(seconds=1)

        for too_early in (published, published + PUBLISHED_AHEAD - timedelta(seconds=1)):
            with pytest.raises(NextKeyTooYoung):
                self.rotate(signing, sessions, too_early)
        signing.reload(at=published)
        assert signing.current("oidc").kid == current

        assert self.rotate(signing, sessions, published + PUBLISHED_AHEAD) != current

    def test_in_an_emergency_it_does_not_wait(
        self, signing: SigningKeys, sessions: Sessions
    ) -> None:
        first = self.rotate(signing, sessions, AT + timedelta(seconds=1))

        second = self.rotate(signing, sessions, AT + timedelta(seconds=2), is_urgent=True)

        assert first != second

    def test_keys_are_published_ahead_for_longer_than_copies_are_kept(self) -> None:
        assert PUBLISHED_AHEAD > JWKS_KEPT_FOR + RELOADED_EVERY

    def test_retired_keys_stay_for_longer_than_anything_they_signed_lives(self) -> None:
        policy = Policy()
        longest = max(policy.access_token, policy.id_token, policy.session)

        assert longest + policy.clock_skew + RELOADED_EVERY < OIDC_RETIRED_FOR


class TestSchedule:
    PERIOD = timedelta(days=2)

    def due(self, signing: SigningKeys, sessions: Sessions, at: datetime) -> list[str]:
        with unit_of_work_of(sessions) as session:
            return signing.rotate_due(session, period=self.PERIOD, at=at)

    def test_every_scheduled_key_is_rotated_when_its_time_has_come(
        self, signing: SigningKeys, sessions: Sessions
    ) -> None:
        logs = signing.current("log", "EdDSA").kid

        early = self.due(signing, sessions, AT + self.PERIOD - timedelta(seconds=1))
        rotated = self.due(signing, sessions, AT + self.PERIOD)
        again = self.due(signing, sessions, AT + self.PERIOD + timedelta(hours=1))

        signing.reload(at=AT + self.PERIOD)
        assert early == again == []
        assert len(rotated) == sum(len(ALGORITHMS_BY_USE[use]) for use in SCHEDULED_USES)
        assert signing.current("oidc").kid in rotated
        assert signing.current("log", "EdDSA").kid == logs

    def test_whole_lives_of_keys_fail_no_verification(
        self, signing: SigningKeys, sessions: Sessions, tmp_path: Path
    ) -> None:
        """Five days, two rotations; two processes of ours and verifiers with copies of any age.

        Signatures are those of the process that learns of a rotation last; copies of the key set
        are as old as `Cache-Control` lets them be, of either process.
        """
        slow = SigningKeys.open(LocalKeyFile.open(tmp_path / "root.key"), sessions, at=AT)
        lives = timedelta(minutes=10)
        moments = sorted(
            AT + self.PERIOD * n + delta
            for n in (1, 2)
            for delta in (
                -JWKS_KEPT_FOR, -RELOADED_EVERY, timedelta(0), timedelta(seconds=1),
                RELOADED_EVERY, 2 * RELOADED_EVERY, JWKS_KEPT_FOR, lives, timedelta(hours=30),
            )
        )  # fmt: skip
        copies = [(AT, published(slow))]
        tokens: list[tuple[datetime, str]] = []
        rotations = 0
        reloaded_at = AT
        for now in moments:
            if self.due(signing, sessions, now):
                rotations += 1
            signing.reload(at=now)
            if now - reloaded_at >= RELOADED_EVERY:
                slow.reload(at=now)
                reloaded_at = now
            copies += [(now, published(keys)) for keys in (signing, slow)]
            tokens += [(now, keys.jws("oidc", b"{}", header={})) for keys in (signing, slow)]
            usable = [copy for at, copy in copies if at >= now - JWKS_KEPT_FOR] or [copies[-1][1]]
            for signed_at, token in tokens:
                if signed_at < now - lives:
                    continue  # expired
                for copy in usable:
                    jws.deserialize_compact(token, copy, algorithms=["ES256"])

        assert rotations == 2
        assert len({token.split(".")[0] for _, token in tokens}) == 3


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
