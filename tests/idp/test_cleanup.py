"""Rings of partitions, and what drops the rows that have run out."""

from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, sessionmaker

from idp.buckets import CLIENT_ASSERTIONS, DPOP_PROOFS, RINGS, Ring, partition
from idp.policy import Policy
from idp.ring_tokens import AUTHORIZATION_CODE, INTERACTION, REQUEST_URI
from idp.service.cleanup import KEPT_AFTER_EXPIRY, delete_expired, empty_rings
from idp.tables import grants, refresh_tokens, spent_dpop_proofs
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

    def test_ring_without_a_slot_to_empty_is_no_ring(self) -> None:
        with pytest.raises(ValueError, match="slot"):
            Ring(table="x", width=timedelta(hours=1), slots=3, keeps_back=1, keeps_ahead=1)


class TestRingTokens:
    @pytest.mark.parametrize(
        "kind", [AUTHORIZATION_CODE, INTERACTION, REQUEST_URI], ids=lambda kind: kind.prefix
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
        assert set(emptied) == stale
        with fresh_sessions() as session:
            left = set(session.scalars(select(spent_dpop_proofs.c.slot)))
        assert left == set(range(DPOP_PROOFS.slots)) - set(DPOP_PROOFS.stale(NOON))
        assert empty_rings(fresh_sessions, at=NOON) == []

    @pytest.mark.timeout(60)
    def test_million_rows_cost_no_more_than_one(
        self, fresh_sessions: sessionmaker[Session]
    ) -> None:
        (slot,) = DPOP_PROOFS.stale(NOON)[:1]
        with fresh_sessions.begin() as session:
            session.execute(
                text(
                    f"INSERT INTO {partition(DPOP_PROOFS, slot)} (slot, proof_digest) "
                    "SELECT :slot, sha256(n::text::bytea) FROM generate_series(1, 1000000) n"
                ),
                {"slot": slot},
            )

        started = perf_counter()
        empty_rings(fresh_sessions, at=NOON)
        seconds = perf_counter() - started

        with fresh_sessions() as session:
            assert session.scalar(select(func.count()).select_from(spent_dpop_proofs)) == 0
        assert seconds < 5


class TestDeleteExpired:
    def test_rows_go_a_day_after_they_expired(self, fresh_sessions: sessionmaker[Session]) -> None:
        with fresh_sessions.begin() as session:
            session.execute(
                text(
                    "INSERT INTO grants SELECT gen_random_uuid(), gen_random_uuid(), 'c', 'p', 's', "  # noqa: E501
                    "'{}', '[]', '[]', '{}', false, NULL, 'a', '{}', :at, :at, "
                    ":at + n * interval '1 minute', NULL, NULL FROM generate_series(1, 3000) n"
                ),
                {"at": NOON},
            )
            session.execute(
                text(
                    "INSERT INTO refresh_tokens SELECT sha256(grant_id::text::bytea), grant_id, 'c', "  # noqa: E501
                    "NULL, created_at, expires_at, NULL, NULL FROM grants"
                )
            )

        at = NOON + timedelta(minutes=2500, seconds=30) + KEPT_AFTER_EXPIRY
        deleted = delete_expired(fresh_sessions, at=at)

        assert deleted == 2 * 2500
        with fresh_sessions() as session:
            for table in (grants, refresh_tokens):
                assert session.scalar(select(func.count()).select_from(table)) == 500
