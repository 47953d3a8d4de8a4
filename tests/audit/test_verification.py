"""Promise 6: tamper with the database in every way one can, and the verification finds it."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text
from sqlalchemy.orm import Session

from audit.api import LogReport, NewEntry, latest_checkpoint, sequence, verify_log
from audit.checkpoint import Checkpoint, VerifierKey, sign_note
from audit.keys import current_key, verifier_key
from audit.leaf import encode_leaf
from audit.merkle import Frontier, hash_leaf, root_of
from audit.service.verification import MOST_FINDINGS
from audit.tiles import TileWriter
from kernel.ids import EntryId, PersonId
from kernel.signing import SigningKeys
from tests.audit.audit_builders import (
    NOON,
    ORIGIN,
    a_log,
    a_person_id,
    an_entry,
    record,
    record_many,
)
from tests.audit.log_oracle import check_log

pytestmark = pytest.mark.db

SIZES = (0, 100, 300, 600)
Tamper = Callable[[Session], None]


def sql(*statements: str) -> Tamper:
    def run(session: Session) -> None:
        for statement in statements:
            session.execute(text(statement))

    return run


def kinds(report: LogReport) -> set[str]:
    return {finding.kind for finding in report.findings}


def places(report: LogReport, kind: str) -> list[int]:
    return [finding.leaf_index for finding in report.findings if finding.kind == kind]


@pytest.fixture
def log(session: Session, signing: SigningKeys) -> Session:
    """A log of 600 entries, signed four times."""
    a_log(session, signing, *SIZES)
    return session


class TestSound:
    @pytest.mark.parametrize("sizes", [(), (0,), (1,), (0, 256), (0, 100, 300, 600)], ids=str)
    def test_log_that_nobody_touched(
        self, session: Session, signing: SigningKeys, sizes: tuple[int, ...]
    ) -> None:
        a_log(session, signing, *sizes)
        seen: list[tuple[int, int]] = []

        report = verify_log(session, signing, progress=lambda *at: seen.append(at))

        size = sizes[-1] if sizes else 0
        assert report.is_sound
        assert report.findings == ()
        assert (report.tree_size, report.checkpoints) == (size, len(sizes))
        assert report.root_hash == (latest_checkpoint(session).root_hash if sizes else root_of([]))
        assert report.origin == (ORIGIN if sizes else "")
        assert seen == ([(size, size)] if size else [])
        check_log(session, signing, size=size)

    def test_entries_that_wait_are_counted(self, log: Session, signing: SigningKeys) -> None:
        record_many(log, 3)

        report = verify_log(log, signing)

        assert report.is_sound
        assert report.waiting == 3

    def test_checkpoints_of_retired_keys_count(self, log: Session, signing: SigningKeys) -> None:
        signing.rotate(log, "log", "EdDSA", at=NOON)
        signing.rotate(log, "log", "EdDSA", at=NOON)
        log.commit()
        signing.reload(at=NOON)

        assert verify_log(log, signing).is_sound

    def test_kept_checkpoints_of_any_size_hold(
        self, session: Session, signing: SigningKeys
    ) -> None:
        kept: list[str] = []
        for added in (0, 100, 156, 44):
            record_many(session, added)
            sequence(session, signing, origin=ORIGIN, at=NOON)
            kept.append(latest_checkpoint(session).note)

        report = verify_log(session, signing, kept=kept)

        assert report.is_sound
        assert (report.kept, report.tree_size) == (4, 300)

    def test_one_batch_after_another(self, log: Session, signing: SigningKeys) -> None:
        seen: list[tuple[int, int]] = []

        report = verify_log(log, signing, progress=lambda *at: seen.append(at), leaves_at_once=256)

        assert report.is_sound
        assert seen == [(256, 600), (512, 600), (600, 600)]


# Each name is what somebody with write access to the database did.
TAMPERINGS: dict[str, tuple[Tamper, set[str], list[int]]] = {
    "changed leaf": (
        sql(
            "UPDATE audit_entries SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'),"
            " 'allowed', 'refused'), 'UTF8') WHERE leaf_index = 7"
        ),
        {"leaf_changed", "leaf_malformed"},
        [7],
    ),
    "changed leaf that is still a leaf": (
        sql(
            "UPDATE audit_entries SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'),"
            " 'sober-bank', 'other-bank'), 'UTF8') WHERE leaf_index = 599"
        ),
        {"leaf_changed"},
        [599],
    ),
    "changed identifier of the row": (
        sql("UPDATE audit_entries SET entry_id = gen_random_uuid() WHERE leaf_index = 300"),
        {"leaf_changed"},
        [300],
    ),
    "deleted entry": (
        sql("DELETE FROM audit_entries WHERE leaf_index = 299"),
        {"entry_missing"},
        [299],
    ),
    "deleted entry, the others moved up": (
        sql(
            "DELETE FROM audit_entries WHERE leaf_index = 597",
            "UPDATE audit_entries SET leaf_index = leaf_index - 1 WHERE leaf_index > 597",
        ),
        {"leaf_changed", "entry_missing"},
        [597, 598, 599],
    ),
    "last entry deleted": (
        sql("DELETE FROM audit_entries WHERE leaf_index = 599"),
        {"entry_missing"},
        [599],
    ),
    "all entries deleted": (sql("DELETE FROM audit_entries"), {"entry_missing"}, []),
    "inserted entry at a taken place": (
        sql(
            "INSERT INTO audit_entries SELECT gen_random_uuid(), 'ffffffff-0000-7000-8000-000000000"
            "000', leaf, 5 FROM audit_entries WHERE leaf_index = 6"
        ),
        {"entry_inserted"},
        [5],
    ),
    "swapped order": (
        sql(
            "UPDATE audit_entries SET leaf_index = 1000 WHERE leaf_index = 10",
            "UPDATE audit_entries SET leaf_index = 10 WHERE leaf_index = 11",
            "UPDATE audit_entries SET leaf_index = 11 WHERE leaf_index = 1000",
        ),
        {"leaf_changed"},
        [10, 11],
    ),
    "entry taken out of the tree": (
        sql(
            "WITH taken AS (DELETE FROM audit_entries WHERE leaf_index = 20 RETURNING *)"
            " INSERT INTO audit_waiting_entries SELECT person_id, entry_id, leaf FROM taken"
        ),
        {"entry_missing"},
        [20],
    ),
    "entry put beyond the tree": (
        sql("UPDATE audit_entries SET leaf_index = 600 WHERE leaf_index = 599"),
        {"rolled_back", "entry_missing"},
        [599, 600],
    ),
    "changed tile of leaf hashes": (
        sql(
            "UPDATE audit_tiles SET hashes = overlay(hashes placing '\\x00000000' from 1)"
            " WHERE level = 0 AND tile_index = 1"
        ),
        {"leaf_changed", "tile_changed", "root_mismatch"},
        [0, 256, 300, 600],
    ),
    "changed tile of a higher level": (
        sql(
            "UPDATE audit_tiles SET hashes = overlay(hashes placing '\\x00000000' from 1)"
            " WHERE level = 1"
        ),
        {"tile_changed"},
        [0],
    ),
    "cut tile": (
        sql("UPDATE audit_tiles SET hashes = substr(hashes, 1, 32) WHERE level = 0"),
        {"tile_changed"},
        [0, 256, 512],
    ),
    "deleted tiles": (
        sql("DELETE FROM audit_tiles"),
        {"tile_missing"},
        [0, 256, 512],
    ),
    "tile beyond the tree": (
        sql(
            "INSERT INTO audit_tiles SELECT 0, 3, hashes FROM audit_tiles WHERE tile_index = 0"
            " AND level = 0"
        ),
        {"rolled_back"},
        [600],
    ),
    "tile of a level that no tree reaches": (
        sql("INSERT INTO audit_tiles SELECT 8, 0, hashes FROM audit_tiles WHERE level = 1"),
        {"rolled_back"},
        [600],
    ),
    "rolled back, entries left": (
        sql("DELETE FROM audit_checkpoints WHERE tree_size = 600"),
        {"rolled_back"},
        [300],
    ),
    "rolled back to nothing": (sql("DELETE FROM audit_checkpoints"), {"rolled_back"}, [0]),
    "rolled back, tiles left": (
        sql(
            "DELETE FROM audit_checkpoints WHERE tree_size = 600",
            "DELETE FROM audit_entries WHERE leaf_index >= 300",
        ),
        {"rolled_back"},
        [300],
    ),
    "forged root": (
        sql("UPDATE audit_checkpoints SET root_hash = sha256('x') WHERE tree_size = 300"),
        {"checkpoint_forged"},
        [300],
    ),
    "forged note": (
        sql("UPDATE audit_checkpoints SET note = replace(note, E'\\n300\\n', E'\\n301\\n')"),
        {"checkpoint_forged"},
        [300],
    ),
    "note of another log": (
        sql(
            "UPDATE audit_checkpoints SET note = replace(note, 'civitas', 'divitas')"
            " WHERE tree_size = 100"
        ),
        {"checkpoint_forged"},
        [100],
    ),
    "no note at all": (
        sql("UPDATE audit_checkpoints SET note = '' WHERE tree_size = 100"),
        {"checkpoint_forged"},
        [100],
    ),
    "true note under another size": (
        sql("UPDATE audit_checkpoints SET tree_size = 301 WHERE tree_size = 300"),
        {"checkpoint_forged"},
        [301],
    ),
}


class TestTampering:
    @pytest.mark.parametrize(("tamper", "expected", "where"), TAMPERINGS.values(), ids=TAMPERINGS)
    def test_is_found(
        self,
        log: Session,
        signing: SigningKeys,
        tamper: Tamper,
        expected: set[str],
        where: list[int],
    ) -> None:
        tamper(log)

        report = verify_log(log, signing)

        assert not report.is_sound
        assert kinds(report) == expected
        assert not where or sorted({each.leaf_index for each in report.findings}) == where

    def test_changed_leaf_with_all_tiles_made_anew(
        self, log: Session, signing: SigningKeys
    ) -> None:
        forged = encode_leaf(an_entry(action="forged", entry_id=self.entry_at(log, 150)))
        log.execute(
            text("UPDATE audit_entries SET leaf = :leaf WHERE leaf_index = 150"), {"leaf": forged}
        )
        self.write_tiles_anew(log)

        report = verify_log(log, signing)

        assert kinds(report) == {"root_mismatch"}
        assert places(report, "root_mismatch") == [300, 600]
        assert "up to 100 they have not" in report.findings[0].detail

    def test_whole_log_made_anew_by_another_key(self, log: Session, signing: SigningKeys) -> None:
        log.execute(text("DELETE FROM audit_entries WHERE leaf_index = 150"))
        log.execute(
            text("UPDATE audit_entries SET leaf_index = leaf_index - 1 WHERE leaf_index > 150")
        )
        root = self.write_tiles_anew(log)
        forger = Ed25519PrivateKey.generate()
        key = VerifierKey(
            name=ORIGIN, public_key=forger.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        )
        head = Checkpoint(origin=ORIGIN, tree_size=599, root_hash=root)
        log.execute(text("DELETE FROM audit_checkpoints WHERE tree_size > 100"))
        self.insert(log, head, sign_note(head.text(), key=key, sign=forger.sign))

        report = verify_log(log, signing)

        assert kinds(report) == {"checkpoint_forged"}
        assert places(report, "checkpoint_forged") == [599]

    def test_whole_log_made_anew_by_the_right_key_needs_a_kept_checkpoint(
        self, log: Session, signing: SigningKeys
    ) -> None:
        kept = latest_checkpoint(log).note
        log.execute(text("DELETE FROM audit_entries WHERE leaf_index = 150"))
        log.execute(
            text("UPDATE audit_entries SET leaf_index = leaf_index - 1 WHERE leaf_index > 150")
        )
        root = self.write_tiles_anew(log)
        key = current_key(signing)
        head = Checkpoint(origin=ORIGIN, tree_size=599, root_hash=root)
        note = sign_note(
            head.text(), key=verifier_key(key.public_jwk, origin=ORIGIN), sign=key.sign
        )
        log.execute(text("DELETE FROM audit_checkpoints WHERE tree_size > 100"))
        self.insert(log, head, note)

        assert verify_log(log, signing).is_sound  # by itself it can't be told
        report = verify_log(log, signing, kept=[kept])
        assert kinds(report) == {"rolled_back"}

        record(log)
        sequence(log, signing, origin=ORIGIN, at=NOON)
        report = verify_log(log, signing, kept=[kept])
        assert kinds(report) == {"rolled_back"}
        assert places(report, "rolled_back") == [600]

    def test_kept_checkpoint_that_we_never_signed(self, log: Session, signing: SigningKeys) -> None:
        kept = latest_checkpoint(log).note
        head, _, line = kept.rpartition("\n\n")
        other = head.replace("civitas", "divitas")

        for wrong in ("", "no note", f"{other}\n\n{line}", kept.replace("\n600\n", "\n300\n")):
            report = verify_log(log, signing, kept=[wrong])
            assert kinds(report) == {"checkpoint_forged"}

    def test_entry_moved_to_another_person(self, log: Session, signing: SigningKeys) -> None:
        rows = log.execute(text("SELECT entry_id, person_id FROM audit_entries")).all()
        owners = {row.entry_id: row.person_id for row in rows}

        def is_subject(entry: NewEntry, person_id: PersonId) -> bool:
            return bool(owners[entry.entry_id] == person_id)

        assert verify_log(log, signing, is_subject=is_subject).is_sound
        log.execute(
            text("UPDATE audit_entries SET person_id = :other WHERE leaf_index = 42"),
            {"other": a_person_id()},
        )

        report = verify_log(log, signing, is_subject=is_subject)

        assert places(report, "person_changed") == [42]

    def test_report_lists_the_first_findings_and_counts_all(
        self, log: Session, signing: SigningKeys
    ) -> None:
        log.execute(text("DELETE FROM audit_entries"))

        report = verify_log(log, signing)

        assert len(report.findings) == MOST_FINDINGS
        assert report.finding_count == 600

    def test_findings_name_no_person(self, log: Session, signing: SigningKeys) -> None:
        log.execute(text("UPDATE audit_entries SET leaf = '\\x00' WHERE leaf_index < 3"))

        for finding in verify_log(log, signing).findings:
            assert "-" not in finding.detail.replace("is-", "")

    def entry_at(self, session: Session, place: int) -> EntryId:
        return EntryId(
            session.execute(
                text("SELECT entry_id FROM audit_entries WHERE leaf_index = :place"),
                {"place": place},
            ).scalar_one()
        )

    def write_tiles_anew(self, session: Session) -> bytes:
        """Do what somebody who knows RFC 6962 would: make all tiles fit the changed leaves."""
        leaves = session.scalars(text("SELECT leaf FROM audit_entries ORDER BY leaf_index")).all()
        writer, frontier = TileWriter(0, ()), Frontier()
        for leaf in leaves:
            writer.append(hash_leaf(leaf))
            frontier.append(hash_leaf(leaf))
        session.execute(text("DELETE FROM audit_tiles"))
        for place, hashes in [*writer.take_full(), *writer.take_partial()]:
            session.execute(
                text("INSERT INTO audit_tiles VALUES (:level, :index, :hashes)"),
                {"level": place.level, "index": place.index, "hashes": hashes},
            )
        return frontier.root()

    def insert(self, session: Session, head: Checkpoint, note: str) -> None:
        session.execute(
            text("INSERT INTO audit_checkpoints VALUES (:size, :root, :note, :at)"),
            {"size": head.tree_size, "root": head.root_hash, "note": note, "at": NOON},
        )
