"""From waiting entries to a signed tree; and when not to sign."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from audit.api import LogDamaged, latest_checkpoint, prove_inclusion, sequence
from audit.checkpoint import unverified_origin, verify_checkpoint
from audit.errors import NotInTreeYet, ProofRefused
from audit.jobs import origin_of
from audit.keys import verifier_keys
from audit.merkle import (
    EMPTY_ROOT,
    hash_leaf,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from audit.service.proving import prove_consistency
from audit.tables import audit_checkpoints, audit_entries, audit_tiles
from kernel.errors import NotFound
from kernel.ids import EntryId, PersonId, new_id
from kernel.signing import SigningKeys
from tests.audit.audit_builders import NOON, ORIGIN, a_log, record, record_many
from tests.audit.log_oracle import check_log

pytestmark = pytest.mark.db


def sign(session: Session, signing: SigningKeys, **changes: int) -> int:
    return sequence(session, signing, origin=ORIGIN, at=NOON, **changes)


class TestSequence:
    def test_first_round_signs_the_empty_tree(self, session: Session, signing: SigningKeys) -> None:
        assert sign(session, signing) == 0

        head = latest_checkpoint(session)
        assert (head.tree_size, head.root_hash) == (0, EMPTY_ROOT)
        check_log(session, signing, size=0)

    @pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 700])
    def test_all_that_waits_becomes_leaves(
        self, session: Session, signing: SigningKeys, size: int
    ) -> None:
        record_many(session, size)

        assert sign(session, signing) == size

        leaves = session.scalars(
            select(audit_entries.c.leaf).order_by(audit_entries.c.leaf_index)
        ).all()
        assert latest_checkpoint(session).root_hash == root_of(map(hash_leaf, leaves))
        check_log(session, signing, size=size)

    def test_nothing_waits_nothing_is_signed(self, session: Session, signing: SigningKeys) -> None:
        a_log(session, signing, 3)
        before = latest_checkpoint(session)

        assert sequence(session, signing, origin=ORIGIN, at=NOON + timedelta(hours=1)) == 0

        assert latest_checkpoint(session) == before
        check_log(session, signing, size=3)

    def test_rounds_are_limited_and_resume(self, session: Session, signing: SigningKeys) -> None:
        record_many(session, 10)

        added = [sign(session, signing, limit=4) for _ in range(4)]

        assert added == [4, 4, 2, 0]
        check_log(session, signing, size=10)

    def test_places_follow_time(self, session: Session, signing: SigningKeys) -> None:
        late = record(session, entry_id=EntryId(new_id(NOON + timedelta(seconds=1))))
        early = record(session, entry_id=EntryId(new_id(NOON)))

        sign(session, signing)

        in_order = session.scalars(
            select(audit_entries.c.entry_id).order_by(audit_entries.c.leaf_index)
        ).all()
        assert in_order == [early.entry_id, late.entry_id]

    def test_entry_that_comes_late_gets_a_later_place(
        self, session: Session, signing: SigningKeys
    ) -> None:
        a_log(session, signing, 2)
        record(session, entry_id=EntryId(new_id(NOON - timedelta(days=1))))

        sign(session, signing)

        check_log(session, signing, size=3)

    def test_log_keeps_its_name_when_the_service_moves(
        self, session: Session, signing: SigningKeys
    ) -> None:
        a_log(session, signing, 1)
        record(session)

        sequence(session, signing, origin="elsewhere.example/log", at=NOON)

        assert unverified_origin(latest_checkpoint(session).note) == ORIGIN
        check_log(session, signing, size=2)

    def test_rotated_key_goes_on_signing_the_same_log(
        self, session: Session, signing: SigningKeys
    ) -> None:
        a_log(session, signing, 2)
        before = latest_checkpoint(session).note
        signing.rotate(session, "log", "EdDSA", at=NOON)
        session.commit()
        signing.reload(at=NOON)
        record(session)

        sign(session, signing)

        after = latest_checkpoint(session).note
        assert before.split()[-1][:6] != after.split()[-1][:6]
        for note in (before, after):
            verify_checkpoint(note, verifier_keys(signing, origin=ORIGIN), origin=ORIGIN)
        check_log(session, signing, size=3)

    @pytest.mark.parametrize("origin", ["", "two words", "a+b"])
    def test_log_without_a_proper_name_is_not_begun(
        self, session: Session, signing: SigningKeys, origin: str
    ) -> None:
        record(session)

        with pytest.raises(ValueError, match="origin"):
            sequence(session, signing, origin=origin, at=NOON)

    @pytest.mark.spec("C2SP-tlog-tiles-parameters")
    @pytest.mark.parametrize(
        ("issuer", "origin"),
        [
            ("https://id.example.gov", "id.example.gov/log"),
            ("http://localhost:8000", "localhost:8000/log"),
        ],
    )
    def test_name_is_the_address_without_scheme(self, issuer: str, origin: str) -> None:
        assert origin_of(issuer) == origin


class TestDamage:
    """A log that is not what was signed is not signed again: that would make it true."""

    def damage(self, session: Session, signing: SigningKeys) -> None:
        record(session)

        with pytest.raises(LogDamaged), session.begin_nested():
            sign(session, signing)

        waiting = session.scalar(text("SELECT count(*) FROM audit_waiting_entries"))
        assert waiting == 1, "the entry still waits"

    def test_changed_tile(self, session: Session, signing: SigningKeys) -> None:
        a_log(session, signing, 5)
        session.execute(
            update(audit_tiles).values(hashes=text("overlay(hashes placing '\\x00' from 70)"))
        )

        self.damage(session, signing)

    def test_missing_tile(self, session: Session, signing: SigningKeys) -> None:
        a_log(session, signing, 5)
        session.execute(delete(audit_tiles))

        self.damage(session, signing)

    def test_cut_tile(self, session: Session, signing: SigningKeys) -> None:
        a_log(session, signing, 5)
        session.execute(update(audit_tiles).values(hashes=text("substr(hashes, 1, 32)")))

        self.damage(session, signing)

    def test_note_of_another_tree(self, session: Session, signing: SigningKeys) -> None:
        a_log(session, signing, 5)
        session.execute(
            update(audit_checkpoints).values(note=text("replace(note, E'\\n5\\n', E'\\n4\\n')"))
        )

        self.damage(session, signing)

    def test_signed_note_under_another_size(self, session: Session, signing: SigningKeys) -> None:
        a_log(session, signing, 5)
        session.execute(update(audit_checkpoints).values(tree_size=4))

        self.damage(session, signing)

    def test_checkpoint_that_was_rolled_back(self, session: Session, signing: SigningKeys) -> None:
        a_log(session, signing, 3, 5)
        session.execute(delete(audit_checkpoints).where(audit_checkpoints.c.tree_size == 5))

        self.damage(session, signing)

    def test_all_checkpoints_removed(self, session: Session, signing: SigningKeys) -> None:
        a_log(session, signing, 3, 5)
        session.execute(delete(audit_checkpoints))

        self.damage(session, signing)

    @pytest.mark.parametrize("size", [0, 3, 256, 300])
    def test_rolled_back_but_for_the_tiles(
        self, session: Session, signing: SigningKeys, size: int
    ) -> None:
        sign(session, signing)
        a_log(session, signing, size, 600)
        session.execute(delete(audit_checkpoints).where(audit_checkpoints.c.tree_size > size))
        session.execute(delete(audit_entries).where(audit_entries.c.leaf_index >= size))

        self.damage(session, signing)

    def test_entry_that_rests_and_waits(self, session: Session, signing: SigningKeys) -> None:
        a_log(session, signing, 2)
        session.execute(
            text(
                "INSERT INTO audit_waiting_entries"
                " SELECT person_id, entry_id, leaf FROM audit_entries WHERE leaf_index = 0"
            )
        )

        with pytest.raises(LogDamaged), session.begin_nested():
            sign(session, signing)

        assert latest_checkpoint(session).tree_size == 2

    def test_two_trees_of_one_size(self, session: Session, signing: SigningKeys) -> None:
        a_log(session, signing, 3)

        with pytest.raises(IntegrityError):
            session.execute(
                insert(audit_checkpoints).values(
                    tree_size=3, root_hash=EMPTY_ROOT, note="", signed_at=NOON
                )
            )


class TestProofs:
    @pytest.mark.spec("RFC6962-2.1.1")
    def test_every_entry_is_proven(self, session: Session, signing: SigningKeys) -> None:
        entries = a_log(session, signing, 1, 300)
        keys = verifier_keys(signing, origin=ORIGIN)

        for entry in entries[::13]:
            proof = prove_inclusion(session, entry.person_id, EntryId(entry.entry_id))
            head = verify_checkpoint(proof.checkpoint, keys, origin=ORIGIN)
            verify_inclusion(
                hash_leaf(proof.leaf),
                leaf_index=proof.leaf_index,
                tree_size=head.tree_size,
                proof=proof.hashes,
                root_hash=head.root_hash,
            )
        check_log(session, signing, size=300)

    @pytest.mark.spec("RFC6962-2.1.2")
    def test_log_only_grows(self, session: Session, signing: SigningKeys) -> None:
        sizes = [0, 1, 5, 256, 300, 520]
        sign(session, signing)
        a_log(session, signing, *sizes[1:])
        rows = session.execute(
            select(audit_checkpoints.c.tree_size, audit_checkpoints.c.root_hash)
        ).all()
        roots = {row.tree_size: row.root_hash for row in rows}

        assert sorted(roots) == sizes
        for old in sizes:
            for new in sizes[sizes.index(old) :]:
                verify_consistency(
                    old_size=old,
                    old_root=roots[old],
                    new_size=new,
                    new_root=roots[new],
                    proof=prove_consistency(session, old_size=old, new_size=new),
                )

    def test_waiting_entry_has_no_proof_yet(self, session: Session, signing: SigningKeys) -> None:
        sign(session, signing)
        entry = record(session)

        with pytest.raises(NotInTreeYet):
            prove_inclusion(session, entry.person_id, EntryId(entry.entry_id))

    def test_before_the_first_checkpoint_an_entry_has_no_proof_yet(self, session: Session) -> None:
        entry = record(session)

        with pytest.raises(NotInTreeYet):
            prove_inclusion(session, entry.person_id, EntryId(entry.entry_id))

    def test_another_persons_entry_has_no_proof(
        self, session: Session, signing: SigningKeys
    ) -> None:
        mine, other = a_log(session, signing, 2)

        with pytest.raises(NotFound):
            prove_inclusion(session, mine.person_id, EntryId(other.entry_id))
        with pytest.raises(NotFound):
            prove_inclusion(session, PersonId(new_id(NOON)), EntryId(mine.entry_id))

    def test_proof_from_a_damaged_tree_is_not_given(
        self, session: Session, signing: SigningKeys
    ) -> None:
        entry, _ = a_log(session, signing, 2)
        session.execute(update(audit_tiles).values(hashes=text("substr(hashes, 1, 32)")))

        with pytest.raises(ProofRefused):
            prove_inclusion(session, entry.person_id, EntryId(entry.entry_id))

        session.execute(delete(audit_tiles))
        with pytest.raises(LogDamaged):
            prove_inclusion(session, entry.person_id, EntryId(entry.entry_id))

    def test_before_the_first_checkpoint_there_is_none(self, session: Session) -> None:
        with pytest.raises(NotFound):
            latest_checkpoint(session)
