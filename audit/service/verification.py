"""Verify the whole log: rebuild the tree from what is stored, and hold it against what was signed.

The plan; the code below names the steps.

 1. Take stock in one statement, so that a sequencer at work beside us does not disturb: the size of
    the signed tree, and whether places or tiles reach beyond it.
 2. Walk over the leaves in their order, a few thousand at a time. Each place has exactly one entry,
    its leaf is in canonical form, says the entry's own identifier and, if the caller can tell, the
    person's own pseudonym.
 3. Hash each leaf and compare it with its hash in the tiles. Where they differ, or the entry is
    gone, report it and go on with the tile's hash, so that one change is reported once.
 4. Build every tile of every level anew from those hashes and compare it with the stored one.
 5. At the size of each stored checkpoint: verify its signature, that it is of this log, that its
    row says what its note says, and that it signs the root that we came to.
 6. The same for the checkpoints that the caller kept from earlier. This is what finds a log that
    was rolled back as a whole, or written anew by somebody with the signing key.

Not found: an entry deleted before it had a place, a matter of seconds after it was written.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sqlalchemy.orm import Session

from audit import store
from audit.checkpoint import (
    Checkpoint,
    VerifierKey,
    parse_checkpoint,
    unverified_origin,
    verify_checkpoint,
    verify_note,
)
from audit.errors import ProofRefused
from audit.keys import verifier_keys
from audit.leaf import decode_leaf
from audit.merkle import HASH_BYTES, Frontier, hash_leaf
from audit.model import NewEntry
from audit.store import LeafRow, SignedCheckpoint
from audit.tiles import TILE_WIDTH, TilePlace, TileWriter, width_at
from kernel.ids import PersonId
from kernel.signing import SigningKeys

FindingKind: TypeAlias = Literal[
    "leaf_changed",
    "leaf_malformed",
    "person_changed",
    "entry_missing",
    "entry_inserted",
    "tile_changed",
    "tile_missing",
    "checkpoint_forged",
    "root_mismatch",
    "rolled_back",
]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the leaves that were verified and how many there are."""

IsSubject: TypeAlias = Callable[[NewEntry, PersonId], bool]
"""Tells whether the pseudonym in an entry is this person's."""

LEAVES_AT_ONCE = 16 * TILE_WIDTH
MOST_FINDINGS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something in the log is not as it was signed.

    Attributes:
        kind: What.
        leaf_index: Where; for a checkpoint, its tree size.
        detail: A sentence for the operator; no personal data.
    """

    kind: FindingKind
    leaf_index: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """What a verification came to.

    Attributes:
        origin: The log's name; empty when nothing was signed.
        tree_size: Leaves in the largest signed tree.
        root_hash: The root of those leaves as we rebuilt it.
        waiting: Entries that had no place yet.
        checkpoints: Stored checkpoints that were verified.
        kept: Checkpoints of the caller's that were verified.
        findings: The first `MOST_FINDINGS`, in the order of the log.
        finding_count: How many there are in all.
    """

    origin: str
    tree_size: int
    root_hash: bytes
    waiting: int
    checkpoints: int
    kept: int
    findings: tuple[Finding, ...]
    finding_count: int

    @property
    def is_sound(self) -> bool:
        """Whether the log is exactly what was signed."""
        return self.finding_count == 0


def verify_log(
    session: Session,
    signing: SigningKeys,
    *,
    progress: Progress | None = None,
    kept: Iterable[str] = (),
    is_subject: IsSubject | None = None,
    leaves_at_once: int = LEAVES_AT_ONCE,
) -> LogReport:
    """Verify the whole log.

    Args:
        session: Read only; held for as long as it takes, and no row is locked.
        signing: The keys of use `log`, current, retired and next: who may have signed.
        progress: Called now and then.
        kept: Checkpoints that the caller kept outside of the database, as notes. Without any, a
            log that was rolled back as a whole verifies.
        is_subject: See `IsSubject`; None: entries moved to another person are not looked for.
        leaves_at_once: What is held in memory at a time; a multiple of 256.

    Returns:
        The report; `is_sound` says whether there is anything to look at.

    Transaction:
        Reads only; needs no isolation above READ COMMITTED, places once given never change.
    """
    stock = store.take_stock(session)  # step 1
    latest = store.find_checkpoint(session, stock.tree_size) if stock.has_checkpoint else None
    origin = "" if latest is None else unverified_origin(latest.note)
    run = _Run(
        session=session,
        origin=origin,
        tree_size=stock.tree_size,
        keys=verifier_keys(signing, origin=origin) if origin else (),
        is_subject=is_subject,
        kept=_Kept.of(kept),
    )
    run.check_stock(stock)
    run.check_checkpoints(-1, 0)
    for start in range(0, stock.tree_size, leaves_at_once):
        end = min(start + leaves_at_once, stock.tree_size)
        run.check_leaves(start, end)
        if progress is not None:
            progress(end, stock.tree_size)
    run.check_edge()
    for size in run.kept.above(stock.tree_size):
        run.find("rolled_back", size, "A kept checkpoint is of a larger tree than there is now.")
    return LogReport(
        origin=origin,
        tree_size=stock.tree_size,
        root_hash=run.frontier.root(),
        waiting=stock.waiting,
        checkpoints=run.checkpoints,
        kept=run.kept.verified,
        findings=tuple(run.findings),
        finding_count=run.finding_count,
    )


@dataclass(slots=True)
class _Kept:
    """The caller's checkpoints, by the size that they claim; verified when we come to it."""

    notes: Mapping[int, Sequence[str]]
    is_readable: bool
    verified: int = 0

    @classmethod
    def of(cls, notes: Iterable[str]) -> "_Kept":
        by_size: dict[int, list[str]] = {}
        is_readable = True
        for note in notes:
            try:
                text = note.rpartition("\n\n")[0] + "\n"
                size = parse_checkpoint(text.encode()).tree_size
            except (ProofRefused, ValueError):
                is_readable = False
            else:
                by_size.setdefault(size, []).append(note)
        return cls(by_size, is_readable)

    def above(self, tree_size: int) -> Sequence[int]:
        return [size for size in sorted(self.notes) if size > tree_size]


@dataclass(slots=True, kw_only=True)
class _Run:
    """One verification: what was rebuilt so far, and what was found."""

    session: Session
    origin: str
    tree_size: int
    keys: Sequence[VerifierKey]
    is_subject: IsSubject | None
    kept: _Kept
    frontier: Frontier = field(default_factory=Frontier)
    writer: TileWriter = field(default_factory=lambda: TileWriter(0, ()))
    findings: list[Finding] = field(default_factory=list)
    finding_count: int = 0
    checkpoints: int = 0
    sound_size: int = 0

    def find(self, kind: FindingKind, leaf_index: int, detail: str) -> None:
        """Add a finding; keep the first `MOST_FINDINGS`."""
        self.finding_count += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(kind=kind, leaf_index=leaf_index, detail=detail))

    def check_stock(self, stock: store.Stock) -> None:
        """Check that nothing reaches beyond what was signed."""
        if stock.highest_place >= stock.tree_size:
            self.find("rolled_back", stock.tree_size, "Entries have places beyond the signed tree.")
        if stock.has_tiles_beyond:
            self.find("rolled_back", stock.tree_size, "Tiles reach beyond the signed tree.")
        if not self.kept.is_readable:
            self.find("checkpoint_forged", 0, "A kept checkpoint is not a signed note.")

    def check_leaves(self, start: int, end: int) -> None:
        """Check the leaves from `start` up to, not including, `end`, and all that hangs on them."""
        rows: dict[int, LeafRow] = {}
        for row in store.list_leaves(self.session, start=start, end=end):
            assert row.leaf_index is not None
            if row.leaf_index in rows:  # step 2
                self.find("entry_inserted", row.leaf_index, "Two entries have this place.")
                continue
            rows[row.leaf_index] = row
        tiles = self._level_0(start, end)
        sizes = store.list_checkpoints(self.session, above=start, up_to=end)
        by_size = {each.tree_size: each for each in sizes}
        for place in range(start, end):
            leaf_hash = self._leaf_hash(place, rows.get(place), tiles)
            self.frontier.append(leaf_hash)
            self.writer.append(leaf_hash)
            size = place + 1
            if size in by_size:
                self._check_checkpoint(by_size[size])
            if size in self.kept.notes:
                self._check_kept(size)
        self._compare(self.writer.take_full())

    def check_checkpoints(self, above: int, up_to: int) -> None:
        """Check the checkpoints of the empty tree, which no leaf leads to."""
        for signed in store.list_checkpoints(self.session, above=above, up_to=up_to):
            self._check_checkpoint(signed)
        if 0 in self.kept.notes:
            self._check_kept(0)

    def check_edge(self) -> None:
        """Compare the partial tiles, when all leaves are in."""
        self._compare(list(self.writer.take_partial()))

    def _level_0(self, start: int, end: int) -> Mapping[TilePlace, bytes]:
        first, last = start // TILE_WIDTH, (end - 1) // TILE_WIDTH
        return store.load_tiles(
            self.session, [TilePlace(0, index) for index in range(first, last + 1)]
        )

    def _leaf_hash(
        self, place: int, row: LeafRow | None, tiles: Mapping[TilePlace, bytes]
    ) -> bytes:
        """Return the hash to go on with: the tile's, or the leaf's where there is no tile."""
        index, within = divmod(place, TILE_WIDTH)
        tile = tiles.get(TilePlace(0, index), b"")
        stored = tile[within * HASH_BYTES : (within + 1) * HASH_BYTES]
        if row is None:
            self.find("entry_missing", place, "No entry has this place.")
            return stored or bytes(HASH_BYTES)
        self._check_entry(place, row)
        own = hash_leaf(row.leaf)
        if stored and own != stored:  # step 3
            self.find("leaf_changed", place, "The entry is not the one that was hashed here.")
            return stored
        return own

    def _check_entry(self, place: int, row: LeafRow) -> None:
        try:
            entry = decode_leaf(row.leaf)
        except ProofRefused:
            self.find("leaf_malformed", place, "The entry's leaf is not of any known form.")
            return
        if entry.entry_id != row.entry_id:
            self.find(
                "leaf_changed", place, "The entry's row has another identifier than its leaf."
            )
        if self.is_subject is not None and not self.is_subject(entry, row.person_id):
            self.find("person_changed", place, "The entry lies with another person than its own.")

    def _compare(self, expected: Sequence[tuple[TilePlace, bytes]]) -> None:  # step 4
        stored = store.load_tiles(self.session, [place for place, _ in expected])
        for place, hashes in expected:
            first_leaf = place.index * TILE_WIDTH ** (place.level + 1)
            name = f"Tile {place.index} of level {place.level}"
            if place not in stored:
                self.find("tile_missing", first_leaf, f"{name} is missing.")
            # It may have grown since we took stock.
            elif stored[place][: width_at(place, self.tree_size) * HASH_BYTES] != hashes:
                self.find("tile_changed", first_leaf, f"{name} does not follow from its leaves.")

    def _check_checkpoint(self, signed: SignedCheckpoint) -> None:  # step 5
        self.checkpoints += 1
        size = signed.tree_size
        try:
            checkpoint = verify_checkpoint(signed.note, self.keys, origin=self.origin)
        except ProofRefused as error:
            reason = error.context.get("reason")
            self.find("checkpoint_forged", size, f"The checkpoint does not verify: {reason}.")
            return
        if checkpoint.tree_size != size or checkpoint.root_hash != signed.root_hash:
            self.find("checkpoint_forged", size, "The checkpoint's row says another tree.")
        self._check_root(checkpoint)

    def _check_kept(self, size: int) -> None:  # step 6
        for note in self.kept.notes[size]:
            self.kept.verified += 1
            try:
                checkpoint = parse_checkpoint(verify_note(note, self.keys))
            except ProofRefused as error:
                reason = error.context.get("reason")
                self.find("checkpoint_forged", size, f"A kept checkpoint is not ours: {reason}.")
                continue
            if checkpoint.root_hash != self.frontier.root():
                self.find("rolled_back", size, "The log was another one when this was kept.")

    def _check_root(self, checkpoint: Checkpoint) -> None:
        if checkpoint.tree_size != self.frontier.size:
            return  # the row lies about its size: reported
        if checkpoint.root_hash == self.frontier.root():
            self.sound_size = checkpoint.tree_size
            return
        self.find(
            "root_mismatch",
            checkpoint.tree_size,
            f"The leaves have another root than was signed; up to {self.sound_size} they have not.",
        )
