"""One read that a partner tries: its token, what it asks for, and the access entry it makes."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

import msgspec

from audit.api import Actor, NewEntry
from consent.api import ItemName
from idp.api import (
    InvalidResourceProof,
    InvalidToken,
    VerifiedToken,
    challenge,
    lasting_token_binds,
    request_binds,
)
from kernel.ids import ConsentId, EntryId, PersonId, new_id
from partner_api.selection import Selection


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One read that a partner tries.

    Attributes:
        token: Verified; its proof, its grant and its revocation are for the statement.
        action: As the access log names it.
        request_id: As in the process log.
    """

    token: VerifiedToken
    selection: Selection
    action: str
    request_id: str
    at: datetime

    def about(self, item: str) -> "Attempt":
        """Return the same attempt, narrowed to one item of its selection."""
        selection = replace(self.selection, items=(ItemName(item),))
        return msgspec.structs.replace(self, selection=selection)

    def binds(self) -> dict[str, object]:
        """Return the binds of the statements that decide on it."""
        return {**self.lasting_binds(), **self.request_binds()}

    def lasting_binds(self) -> dict[str, object]:
        """Return the binds that are the same in every such attempt with the same token."""
        selection = self.selection
        return {
            **lasting_token_binds(self.token),
            "read_client_id": self.token.client_id,
            "read_purpose": selection.purpose,
            # Of what the token was not granted nothing is looked at, and no use is counted.
            "read_items": ",".join(selection.items) if selection.is_granted else "",
        }

    def request_binds(self) -> dict[str, object]:
        """Return the binds that are this attempt's own."""
        return request_binds(self.token, at=self.at)

    def entry(self, consent_id: ConsentId | None, *, reason: str | None = None) -> NewEntry:
        """Return the access entry of the read, or with a reason that of its refusal."""
        token = self.token
        return NewEntry(
            entry_id=EntryId(new_id(self.at)),
            action=self.action,
            outcome="allowed" if reason is None else "refused",
            actor=Actor(kind="partner", id=token.partner_id),
            subject=token.sub,
            occurred_at=self.at,
            reason=reason,
            purpose=self.selection.purpose,
            items=self.selection.items,
            consent_id=consent_id,
            client_id=token.client_id,
            request_id=self.request_id,
        )


class Row(Protocol):
    """A statement's row, from either driver."""

    def __getitem__(self, column: str, /) -> Any:  # noqa: ANN401
        """Return a column's value."""
        ...


def person_of(row: Row) -> PersonId:
    """Return the person of a statement's row, if the token and its proof are good.

    Raises:
        InvalidToken: 401. The grant or the token was revoked, or its client disabled.
        InvalidResourceProof: 401. The proof was used before.
    """
    if row["person_id"] is None:
        raise dead_grant()
    if row["proof"] is None:
        raise InvalidResourceProof(
            headers=challenge("dpop", "invalid_dpop_proof"), reason="replayed"
        )
    return PersonId(row["person_id"])


def dead_grant() -> InvalidToken:
    """Return the refusal of a token that is genuine and stands for nothing any more."""
    return InvalidToken(headers=challenge("dpop", "invalid_token"), reason="grant")
