"""Record what is done with a person's data, and list it for them."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace
from sqlalchemy.orm import Session

from audit import store
from audit.leaf import LeafForm, OfficialLeafForm, encode_leaf
from audit.model import Actor, LoggedEntry, NewEntry, RecordedEntry, recorded
from audit.store import ENTRY_ID_BIND, LEAF_BIND, LEAF_HEAD_BIND, LEAF_TAIL_BIND
from kernel.errors import NotFound
from kernel.ids import EntryId, PersonId

MOST_LISTED = 200


def record_access(session: Session, entry: NewEntry, *, person_id: PersonId) -> RecordedEntry:
    """Write an access, or a refused attempt, into the log.

    Args:
        session: The transaction of the access itself.
        entry: What happened.
        person_id: Whose data it is about.

    Returns:
        The capability without which nothing of this person opens.

    Transaction:
        One INSERT in the caller's. If it is rolled back, so is what the entry allowed; a refusal
        that must be seen has `keeps_writes`.
    """
    store.insert_entry(
        session, person_id=person_id, entry_id=entry.entry_id, leaf=encode_leaf(entry)
    )
    return recorded(entry, person_id)


def record_accesses(
    session: Session, accesses: Sequence[tuple[NewEntry, PersonId]]
) -> list[RecordedEntry]:
    """Write many accesses into the log at once: `record_access` for a batch.

    Args:
        session: The transaction of the accesses themselves.
        accesses: What happened and whose data it is about, one by one.

    Returns:
        The capabilities, in order.

    Transaction:
        One INSERT in the caller's, for all of them or none.
    """
    if accesses:
        store.insert_entries(
            session,
            [(person_id, entry.entry_id, encode_leaf(entry)) for entry, person_id in accesses],
        )
    return [recorded(entry, person_id) for entry, person_id in accesses]


def entry_binds(entry: NewEntry) -> dict[str, object]:
    """Return the values of `append_entry`'s binds."""
    return {ENTRY_ID_BIND: entry.entry_id, LEAF_BIND: encode_leaf(entry)}


class EntryForm:
    """Entries that differ in their identifier, instant and request alone, prepared for many reads.

    Nothing is recorded by it: what comes out is what `entry_binds` gives for the entry.
    """

    __slots__ = ("_entry", "_leaf")

    def __init__(self, entry: NewEntry) -> None:
        """Prepare entries like one.

        Args:
            entry: Its `request_id` is a text.
        """
        self._entry = entry
        self._leaf = LeafForm(entry)

    def fill(
        self, entry_id: EntryId, occurred_at: datetime, request_id: str
    ) -> tuple[NewEntry, dict[str, object]]:
        """Return the entry with these three, and the binds of `append_entry` for it."""
        entry = replace(
            self._entry, entry_id=entry_id, occurred_at=occurred_at, request_id=request_id
        )
        leaf = self._leaf.fill(entry_id, occurred_at, request_id)
        return entry, {ENTRY_ID_BIND: entry_id, LEAF_BIND: leaf}


class OfficialEntryForm:
    """Entries of an agency's questions that are alike but for the official, what for, about whom.

    Nothing is recorded by it, as by `EntryForm`. The statement fills in the subject.
    """

    __slots__ = ("_entry", "_leaf")

    def __init__(self, entry: NewEntry) -> None:
        """Prepare entries like one.

        Args:
            entry: It names an official, what for, and a request; its subject is empty.
        """
        self._entry = entry
        self._leaf = OfficialLeafForm(entry)

    def fill(
        self,
        entry_id: EntryId,
        occurred_at: datetime,
        request_id: str,
        *,
        official: str,
        stated_purpose: str,
    ) -> tuple[NewEntry, dict[str, object]]:
        """Return the entry with these five, and the binds of an `append_entry` that names whom.

        Whoever calls `recorded` afterwards fills in the same subject as the statement.
        """
        actor = self._entry.actor
        entry = replace(
            self._entry,
            entry_id=entry_id,
            occurred_at=occurred_at,
            request_id=request_id,
            actor=Actor(kind=actor.kind, id=actor.id, official=official),
            stated_purpose=stated_purpose,
        )
        head, tail = self._leaf.fill(
            entry_id, occurred_at, request_id, official=official, stated_purpose=stated_purpose
        )
        return entry, {ENTRY_ID_BIND: entry_id, LEAF_HEAD_BIND: head, LEAF_TAIL_BIND: tail}


def list_entries(
    session: Session, person_id: PersonId, *, before: EntryId | None = None, limit: int = 50
) -> Sequence[LoggedEntry]:
    """Return a person's entries, the newest first.

    Args:
        session: The open transaction.
        person_id: Whose.
        before: The last entry of the page before; None for the first page.
        limit: At most this many, and never more than `MOST_LISTED`.
    """
    return store.list_entries(
        session, person_id, before=before, limit=max(0, min(limit, MOST_LISTED))
    )


def get_entry(session: Session, person_id: PersonId, entry_id: EntryId) -> LoggedEntry:
    """Return one entry of one person.

    Raises:
        NotFound: 404. This person has no such entry; somebody else may.
    """
    entry = store.find_entry(session, person_id, entry_id)
    if entry is None:
        raise NotFound(entry_id=entry_id)
    return entry
