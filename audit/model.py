"""Entries of the access log, and the proof that one was written."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, final

import msgspec
from typing_extensions import override

from kernel.ids import ClientId, ConsentId, EntryId, PersonId

ActorKind: TypeAlias = Literal["person", "partner", "agency", "operator", "system"]
Outcome: TypeAlias = Literal["allowed", "refused"]


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who did it.

    Attributes:
        kind: What kind of party.
        id: Its identifier; of a person, their pseudonym, never a `PersonId`.
        official: Of an agency: which of its officials asked, by the agency's own staff identifier.
    """

    kind: ActorKind
    id: str
    official: str | None = None


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One access, or one attempt, as it is written into the log and never changed.

    There is no `PersonId` in it: the leaf made from it may leave the service in a proof, and the
    hot lane computes it before its statement knows the person. The row carries the person beside.

    Attributes:
        entry_id: Fresh (`kernel.ids.new_id`); unique for ever.
        action: What was done, `context.subject.happened`.
        outcome: Whether it was allowed.
        reason: Why it was refused, or for what reason it was allowed out of order; a code.
        actor: Who did it.
        subject: The pseudonym by which the actor knows the person; `keyring.pseudonym("audit", …)`
            where the actor has none; of an agency's question a commitment to the person
            (docs/decisions/0032).
        purpose: Purpose code of the consent or legal basis it rested on.
        items: Names of what was asked for; names only, never values.
        consent_id: The consent it rested on.
        client_id: The OAuth client through which it came.
        request_id: The request it belongs to, as in the process log.
        occurred_at: When, timezone-aware.
        stated_purpose: What an agency said it asks for: the number of a case, the name of a
            procedure.
    """

    entry_id: EntryId
    action: str
    outcome: Outcome
    actor: Actor
    subject: str
    occurred_at: datetime
    reason: str | None = None
    purpose: str | None = None
    items: tuple[str, ...] = ()
    consent_id: ConsentId | None = None
    client_id: ClientId | None = None
    request_id: str | None = None
    stated_purpose: str | None = None

    def __post_init__(self) -> None:
        if self.outcome == "refused" and not self.reason:
            raise ValueError("a refused access has a reason")
        if self.occurred_at.tzinfo is None:
            raise ValueError("an access happens at a timezone-aware instant")


_WRITTEN = object()


@final
class RecordedEntry:
    """Proof that an access to one person's data was written down in this transaction (promise 1).

    Everything that opens a person's data takes one. Only audit makes them: `record_access` after
    its INSERT, `recorded` after a composed statement returned the row of its own.

    Attributes:
        entry: What was written down: whoever opens something checks that it is about that.
        person_id: Whose data it is about.
    """

    __slots__ = ("entry", "person_id")

    entry: NewEntry
    person_id: PersonId

    def __init__(self, *, entry: NewEntry, person_id: PersonId, written: object) -> None:
        if written is not _WRITTEN:
            raise TypeError("only audit tells that an entry was recorded")
        object.__setattr__(self, "entry", entry)
        object.__setattr__(self, "person_id", person_id)

    @override
    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError("a recorded entry does not change")

    @override
    def __reduce__(self) -> str:
        raise TypeError("a recorded entry is not copied, and does not outlive its transaction")

    @property
    def entry_id(self) -> EntryId:
        """The entry's identifier."""
        return self.entry.entry_id

    @override
    def __repr__(self) -> str:
        return f"RecordedEntry(entry_id={self.entry_id})"


def recorded(entry: NewEntry, person_id: PersonId) -> RecordedEntry:
    """Tell that the composed statement which carried `append_entry` returned its row.

    Security:
        Called in one place: right after `HotStatement.fetchrow` returned a row, in a `hot.py` or
        beside the statement itself.
        `tests/architecture` holds that. Calling it without the row is opening without a trace.
    """
    return RecordedEntry(entry=entry, person_id=person_id, written=_WRITTEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEntry:
    """An entry as the log holds it.

    Attributes:
        entry: What was recorded.
        leaf: The exact bytes that were hashed.
        leaf_index: Its place in the tree; None for the few seconds until it has one.
    """

    entry: NewEntry
    leaf: bytes
    leaf_index: int | None
