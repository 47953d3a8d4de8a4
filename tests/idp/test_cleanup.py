"""Rings of partitions, and what drops the rows that have run out."""

from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, sessionmaker

from idp.buckets import (
    CLIENT_ASSERTIONS,
    DPOP_PROOFS,
    REFRESH_TOKENS,
    RINGS,
    Ring,
    partition,
)
from idp.policy import Policy
from idp.ring_tokens import AUTHORIZATION_CODE, INTERACTION, REFRESH_TOKEN, REQUEST_URI
from idp.service.cleanup import KEPT_AFTER_EXPIRY, delete_expired, empty_rings
from idp.tables import grants, session_cookies, spent_dpop_proofs
from kernel.secret import MalformedToken
from tests.idp.pure import NOON

INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


class TestRings:
    @given(at=INSTANTS)
    @pytest.mark.parametrize("ring", RINGS, ids=lambda ring: ring.table)
    def test_what_may_still_matter_is_never_in_a_stale_slot(self, ring: Ring, at: datetime) -> None:
        stale = set(ring.stale(at))

        assert stale
        for back in range(-ring.keeps_ahead, ring.keeps_back + 1):
            assert ring.slot(at - back * ring.width) not in stale

    @pytest.mark.parametrize("ring", RINGS, ids=lambda ring: ring.table)
    def test_every_slot_becomes_stale_within_a_turn(self, ring: Ring) -> None:
        seen = {slot for turn in range(ring.slots) for slot in ring.stale(NOON + turn * ring.width)}

        assert seen == set(range(ring.slots))

    def test_lifetimes_fit_their_rings(self) -> None:
        policy = Policy()

        assert policy.dpop_proof_age < DPOP_PROOFS.width * DPOP_PROOFS.keeps_back
        assert policy.clock_skew < DPOP_PROOFS.width * DPOP_PROOFS.keeps_ahead
        assert policy.client_assertion + policy.clock_skew < (
            CLIENT_ASSERTIONS.width * CLIENT_ASSERTIONS.keeps_ahead
        )
        assert policy.access_token <= timedelta(hours=1)
        assert policy.interaction < timedelta(hours=1)
        assert policy.pushed_request < timedelta(minutes=10)  # FAPI 2.0, 5.3.2.2
        assert policy.refresh_token <= REFRESH_TOKENS.width * REFRESH_TOKENS.keeps_ahead
        assert policy.deferred_request < timedelta(hours=1)

    def test_ring_without_a_slot_to_empty_is_no_ring(self) -> None:
        with pytest.raises(ValueError, match="slot"):
            Ring(table="x", width=timedelta(hours=1), slots=3, keeps_back=1, keeps_ahead=1)


class TestRingTokens:
    @pytest.mark.parametrize(
        "kind",
        [AUTHORIZATION_CODE, INTERACTION, REFRESH_TOKEN, REQUEST_URI],
        ids=lambda kind: kind.prefix,
    )
    def test_token_tells_where_its_row_lies(self, kind: object) -> None:
        assert isinstance(kind, type(INTERACTION))
        for turn in range(8):
            minted = kind.mint(NOON + turn * kind.ring.width)
            assert kind.parse(minted.token.reveal()) == minted.stored

    @pytest.mark.parametrize(
        "presented",
        ["", "cvc", "cvc9_x", "cvcx_x", "cvc0_x", "cvc٣_x", "cvi0_" + "A" * 52],
        ids=range(7),
    )
    def test_any_other_is_refused(self, presented: str) -> None:
        with pytest.raises(MalformedToken):
            AUTHORIZATION_CODE.parse(presented)

    @pytest.mark.spec("RFC6749-10.10")
    def test_code_has_256_random_bits(self) -> None:
        codes = {AUTHORIZATION_CODE.mint(NOON).token.reveal() for _ in range(100)}

        assert len(codes) == 100
        assert all(len(code) >= 43 for code in codes)


_KEY = {"slot": ":slot"}
_DIGEST = "sha256(n::text::bytea)"
_UUID = "gen_random_uuid()"
_FILLED: dict[str, dict[str, str]] = {
    "spent_dpop_proofs": _KEY | {"proof_digest": _DIGEST},
    "spent_client_assertions": _KEY | {"assertion_digest": _DIGEST},
    "pushed_requests": _KEY
    | {"request_uri_digest": _DIGEST, "client_id": "'c'", "request": "'{}'", "expires_at": ":at"},
    "interactions": _KEY
    | {"interaction_digest": _DIGEST, "binding_digest": _DIGEST, "client_id": "'c'"}
    | {"request": "'{}'", "created_at": ":at", "expires_at": ":at"},
    "authorization_codes": _KEY
    | {"code_digest": _DIGEST, "grant_id": _UUID, "client_id": "'c'", "redirect_uri": "'u'"}
    | {"id_token_claims": "'{}'", "expires_at": ":at"},
    "refresh_tokens": _KEY
    | {"token_digest": _DIGEST, "grant_id": _UUID, "client_id": "'c'"}
    | {"issued_at": ":at", "expires_at": ":at", "rotated_at": ":at"},
    "revoked_access_tokens": _KEY | {"token_digest": _DIGEST, "revoked_at": ":at"},
    "deferred_requests": _KEY
    | {"request_digest": _DIGEST, "kind": "'ciba'", "client_id": "'c'", "request": "'{}'"}
    | {"interval_seconds": "5", "created_at": ":at", "expires_at": ":at"},
    "upstream_requests": _KEY
    | {"request_digest": _DIGEST, "binding_digest": _DIGEST, "upstream_id": "'u'"}
    | {"kind": "'sign_in'", "content_sealed": "'{}'", "expires_at": ":at"},
}
"""A row of each ring, as SQL."""


class TestEmptyRings:
    def test_stale_partitions_are_emptied_and_live_ones_are_not(
        self, fresh_sessions: sessionmaker[Session]
    ) -> None:
        with fresh_sessions.begin() as session:
            for slot in range(DPOP_PROOFS.slots):
                session.execute(
                    spent_dpop_proofs.insert().values(slot=slot, proof_digest=bytes([slot]) * 32)
                )

        emptied = empty_rings(fresh_sessions, at=NOON)

        stale = {f"spent_dpop_proofs_{slot}" for slot in DPOP_PROOFS.stale(NOON)}
        assert {each.partition for each in emptied} == stale
        assert all(each.size > 0 for each in emptied)
        with fresh_sessions() as session:
            left = set(session.scalars(select(spent_dpop_proofs.c.slot)))
        assert left == set(range(DPOP_PROOFS.slots)) - set(DPOP_PROOFS.stale(NOON))
        assert empty_rings(fresh_sessions, at=NOON) == []

    @pytest.mark.slow
    @pytest.mark.timeout(60)
    def test_million_expired_rows_cost_what_one_does(
        self, fresh_sessions: sessionmaker[Session]
    ) -> None:
        """Of every kind, the widest rows included; refresh tokens are what grows elsewhere."""
        each = 1_000_000 // len(RINGS)
        with fresh_sessions.begin() as session:
            session.execute(text("SET LOCAL synchronous_commit = off"))
            for ring in RINGS:
                slot, *_ = ring.stale(NOON)
                session.execute(
                    text(
                        f"INSERT INTO {partition(ring, slot)} ({', '.join(_FILLED[ring.table])}) "
                        f"SELECT {', '.join(_FILLED[ring.table].values())} "
                        "FROM generate_series(1, :rows) AS n"
                    ),
                    {"rows": each + 1, "slot": slot, "at": NOON},
                )

        started = perf_counter()
        emptied = empty_rings(fresh_sessions, at=NOON)
        seconds = perf_counter() - started

        assert {each.partition.rpartition("_")[0] for each in emptied} == {
            ring.table for ring in RINGS
        }
        assert sum(each.size for each in emptied) > 100_000_000
        with fresh_sessions() as session:
            for ring in RINGS:
                assert not session.scalar(text(f"SELECT EXISTS (SELECT FROM {ring.table})"))
        assert seconds < 5


class TestDeleteExpired:
    def test_rows_go_a_day_after_they_expired(self, fresh_sessions: sessionmaker[Session]) -> None:
        with fresh_sessions.begin() as session:
            session.execute(
                text(
                    "INSERT INTO grants (grant_id, person_id, client_id, partner_id, sub, scope, "
                    "authorization_details, claims, resources, is_refreshable, acr, amr, "
                    "auth_time, created_at, expires_at) "
                    "SELECT gen_random_uuid(), gen_random_uuid(), 'c', 'p', 's', '{}', '[]', '[]', "
                    "'{}', false, 'a', '{}', :at, :at, :at + n * interval '1 minute' "
                    "FROM generate_series(1, 3000) n"
                ),
                {"at": NOON},
            )
            session.execute(
                text(
                    "INSERT INTO session_cookies SELECT sha256(grant_id::text::bytea), person_id, "
                    "grant_id, expires_at FROM grants"
                )
            )

        at = NOON + timedelta(minutes=2500, seconds=30) + KEPT_AFTER_EXPIRY
        deleted = delete_expired(fresh_sessions, at=at)

        assert deleted == {"grants": 2500, "session_cookies": 2500}
        with fresh_sessions() as session:
            for table in (grants, session_cookies):
                assert session.scalar(select(func.count()).select_from(table)) == 500
