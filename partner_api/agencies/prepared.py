"""A question by numbers as it is repeated: what one token asks on one ground for the same values.

As `partner_api.prepared` for partners' reads. What is kept here decides nothing: the statement
asks, each time, whether the token and its client are still good, whether the agency still is of
the revision from which it was prepared, and whether the assertion and the proof are new.
"""

from collections.abc import Sequence

from asyncpg import Record
from msgspec.structs import replace

from audit.api import NewEntry, OfficialEntryForm
from kernel.db import Fetcher
from kernel.ids import EntryId, PersonId, new_id
from kernel.keyring import Keyring
from partner_api.agencies.asking import Asking
from partner_api.agencies.statements import resolve
from partner_api.agencies.subjects import SALT_BIND, entry_salt, salted_subject
from partner_api.events import PersonResolved
from population_register.api import digest_binds

Key = tuple[bytes, int, str, tuple[str, ...], int]


def key_of(asking: Asking, count: int) -> Key:
    """Return by what questions are alike: all but what each request brings.

    The official, what for, and about whom are each question's own. Of one revision of an agency, a
    legal basis gives other values on another day: they are in the key themselves.
    """
    return (
        asking.call.token.token_digest,
        asking.rights.revision,
        asking.frame.legal_basis,
        asking.fields,
        count,
    )


class PreparedQuestion:
    """The statement and the access entry of a question, but for what each request brings."""

    __slots__ = ("_entries", "_statement")

    def __init__(self, asking: Asking, count: int) -> None:
        """Prepare questions like one, by as many numbers."""
        self._statement = resolve(count).fixed(asking.lasting_binds())
        self._entries = OfficialEntryForm(
            asking.entry("", action=PersonResolved.action, items=asking.fields)
        )

    async def run(
        self, on: Fetcher, keyring: Keyring, asking: Asking, digests: Sequence[bytes]
    ) -> tuple[NewEntry, Record]:
        """Ask; return the row, and the access entry that the statement appended if it gave one.

        Transaction:
            One statement.
        """
        call = asking.call
        entry_id = EntryId(new_id(call.at))
        salt = entry_salt(keyring, entry_id)
        entry, entry_binds = self._entries.fill(
            entry_id,
            call.at,
            call.request_id,
            official=asking.official.official_id,
            stated_purpose=asking.frame.purpose,
        )
        row = await self._statement.fetchrow(
            on,
            {**asking.request_binds(), **digest_binds(digests), **entry_binds, SALT_BIND: salt},
        )
        assert row is not None  # it always answers
        if row["entry_id"] is not None:
            entry = replace(entry, subject=salted_subject(salt, PersonId(row["person_id"])))
        return entry, row
