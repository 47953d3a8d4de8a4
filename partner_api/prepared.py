"""A read of a person as it is repeated: what depends on the token, the query and the consent alone.

A partner reads with one token many times, and each time all but the instant, the request and the
proof is as it was. What is kept here decides nothing: the statement asks, each time, whether the
token and its grant are still good, and whether the very consent that it names still covers it.
"""

from uuid import UUID

from asyncpg import Record

from audit.api import EntryForm, NewEntry
from kernel.db import Fetcher
from kernel.ids import ConsentId, EntryId, new_id
from partner_api.attempt import Attempt
from partner_api.statements import READ_PERSON, READ_PERSON_AGAIN

NO_CONSENT = ConsentId(UUID(int=0))
"""Asked for when none is known: the statement permits nothing, and still spends the proof."""


class PreparedRead:
    """The statement and the access entry of a read, but for what each request brings.

    Attributes:
        consent_id: The consent that the statement asks for, and the entry names.
    """

    __slots__ = ("_entries", "_statement", "consent_id")

    def __init__(
        self,
        attempt: Attempt,
        *,
        consent_id: ConsentId = NO_CONSENT,
        is_limited: bool = False,
        is_spent_already: bool = False,
    ) -> None:
        """Prepare reads like `attempt`.

        Args:
            attempt: The first of them.
            consent_id: The consent that is expected to cover them.
            is_limited: Whether it allows a number of reads only; it is what was signed.
            is_spent_already: For one request alone, whose proof its first statement has spent.
        """
        statements = READ_PERSON_AGAIN if is_spent_already else READ_PERSON
        self.consent_id = consent_id
        self._statement = statements[is_limited].fixed(
            {**attempt.lasting_binds(), "read_consent_id": consent_id}
        )
        self._entries = EntryForm(attempt.entry(consent_id))

    async def run(self, on: Fetcher, attempt: Attempt) -> tuple[NewEntry, Record]:
        """Read; return the row, and the access entry that the statement appended if it permitted.

        Transaction:
            One statement.
        """
        entry, entry_binds = self._entries.fill(
            EntryId(new_id(attempt.at)), attempt.at, attempt.request_id
        )
        row = await self._statement.fetchrow(on, {**attempt.request_binds(), **entry_binds})
        assert row is not None  # it always answers
        return entry, row
