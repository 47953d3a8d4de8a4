"""Who asks, on what ground, and what they may get. No I/O.

    call            a client's token, and the agency that it speaks for
     └─ rights      what a process remembers of that agency, under a revision
         └─ asking  the official proven, the mandate decided, for one question or a batch

What is remembered decides nothing by itself: the statement that uses it asks whether the agency
still has that revision.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

import msgspec
from msgspec import structs

from audit.api import Actor, NewEntry
from idp.api import VerifiedToken, assertion_binds, lasting_token_binds, request_binds
from kernel.ids import AgencyId, EntryId, PersonId, new_id
from kernel.keyring import Keyring
from kernel.secret import Unprinted
from partner_api.agencies.errors import OfficialUnproven
from partner_api.agencies.official import Official, Officials
from partner_api.agencies.questions import Frame
from partner_api.agencies.subjects import entry_subject
from partner_api.events import PersonConsidered
from population_register.api import (
    AgencyRights,
    Mandated,
    MandateMissing,
    NotMandated,
    civil_date,
    decide_mandate,
)

MOST_DECIDED: Final = 200


class Call(Unprinted, frozen=True, kw_only=True):
    """One request of an agency's client, or of the administration's.

    Attributes:
        token: Verified; its proof and its client are for the statement.
        agency_id: Whose client; None for the administration's.
        assertions: Every header that is to name the official.
        request_id: As in the process log.
    """

    token: VerifiedToken
    agency_id: AgencyId | None
    assertions: Sequence[str]
    request_id: str
    at: datetime

    @property
    def agency(self) -> AgencyId:
        """The agency of a call that is known to be an agency's."""
        assert self.agency_id is not None
        return self.agency_id

    def binds(self) -> dict[str, object]:
        """Return the binds of the statements that admit it."""
        return {**self.lasting_binds(), **request_binds(self.token, at=self.at)}

    def lasting_binds(self) -> dict[str, object]:
        """Return those of its binds that are the same in every call with the same token."""
        return {**lasting_token_binds(self.token), "register_agency_id": self.agency_id}


@dataclass(frozen=True, slots=True)
class Rights:
    """What an agency may ask, with its keys parsed.

    Attributes:
        decided: What each legal basis gives on a day. A mandate that is revoked is another
            revision of the agency; of one revision, only the day decides.
    """

    of: AgencyRights
    officials: Officials
    decided: dict[tuple[str, date], Mandated] = field(default_factory=dict)

    @property
    def revision(self) -> int:
        """As of which the agency is remembered."""
        return self.of.agency.revision

    def official(self, call: Call, *, audience: str) -> Official:
        """Verify who asks.

        Raises:
            OfficialUnproven: 403. It is not proven.
        """
        if len(call.assertions) > 1:
            raise OfficialUnproven("Name one official: send the header once.", reason="not one")
        assertion = call.assertions[0] if call.assertions else None
        return self.officials.verify(assertion, audience=audience, at=call.at)

    def mandated(self, legal_basis: str, at: datetime) -> Mandated:
        """Return what a legal basis gives the agency now.

        Raises:
            MandateMissing: 403. Nothing.
        """
        day = civil_date(at)
        known = self.decided.get((legal_basis, day))
        if known is not None:
            return known
        decision = decide_mandate(self.of.mandates, legal_basis=legal_basis, at=at)
        if isinstance(decision, NotMandated):
            raise MandateMissing(
                reason=decision.reason,
                agency=self.of.agency.agency_id,
                legal_basis=legal_basis,
            )
        if len(self.decided) >= MOST_DECIDED:
            self.decided.clear()
        self.decided[legal_basis, day] = decision
        return decision


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, on what ground, and what they may get.

    Attributes:
        mandated: Of the frame's legal basis, decided from rights that the admission found current.
        fields: The values that are asked for and may be given.
    """

    call: Call
    official: Official
    frame: Frame
    rights: Rights
    mandated: Mandated
    fields: tuple[str, ...]

    @property
    def sector(self) -> str:
        """The sector in which the agency knows people."""
        return self.rights.of.agency.pseudonym_sector

    def binds(self) -> dict[str, object]:
        """Return the binds of the statements that admit it."""
        return {**self.lasting_binds(), **self.request_binds()}

    def lasting_binds(self) -> dict[str, object]:
        """Return those of its binds that are the same for every question like it."""
        return {**self.call.lasting_binds(), "register_revision": self.rights.revision}

    def request_binds(self) -> dict[str, object]:
        """Return those of its binds that are of this request alone."""
        official = self.official
        return {
            **request_binds(self.call.token, at=self.call.at),
            **assertion_binds(official.digest, official.expires_at),
        }

    def entry(self, subject: str, *, action: str, items: tuple[str, ...]) -> NewEntry:
        """Return the access entry of an answer about a person.

        Args:
            subject: Of `entry_subject`; empty, if a statement fills it in.
            action: What was done.
            items: What was asked for and may be given.
        """
        call = self.call
        return NewEntry(
            entry_id=EntryId(new_id(call.at)),
            action=action,
            outcome="allowed",
            actor=Actor(kind="agency", id=call.agency, official=self.official.official_id),
            subject=subject,
            occurred_at=call.at,
            purpose=self.frame.legal_basis,
            items=items,
            client_id=call.token.client_id,
            request_id=call.request_id,
            stated_purpose=self.frame.purpose,
        )

    def entry_about(
        self, keyring: Keyring, person_id: PersonId, *, action: str, items: tuple[str, ...]
    ) -> NewEntry:
        """Return the access entry of an answer about a person who is known already."""
        entry = self.entry("", action=action, items=items)
        return structs.replace(entry, subject=entry_subject(keyring, entry.entry_id, person_id))

    def comparing(self, keyring: Keyring, person_id: PersonId) -> NewEntry:
        """Return the access entry of somebody who is opened to be compared with a question.

        The agency is told nothing by which it could know them, and the entry has a subject of ours.
        """
        call = self.call
        return NewEntry(
            entry_id=EntryId(new_id(call.at)),
            action=PersonConsidered.action,
            outcome="allowed",
            actor=Actor(kind="agency", id=call.agency, official=self.official.official_id),
            subject=keyring.pseudonym("audit", person_id),
            occurred_at=call.at,
            purpose=self.frame.legal_basis,
            request_id=call.request_id,
            stated_purpose=self.frame.purpose,
        )


def decide_asking(call: Call, frame: Frame, rights: Rights, *, audience: str) -> Asking:
    """Decide who asks, and what they may get.

    Args:
        call: Whose token was verified.
        frame: On what ground, and for which values.
        rights: As they are remembered; the statement that admits asks whether they still are.
        audience: Our address as a resource.

    Raises:
        OfficialUnproven: 403. It is not proven which official asks.
        MandateMissing: 403. The legal basis gives nothing.
    """
    official = rights.official(call, audience=audience)
    mandated = rights.mandated(frame.legal_basis, call.at)
    return Asking(
        call=call,
        official=official,
        frame=frame,
        rights=rights,
        mandated=mandated,
        fields=mandated.fields(frame.fields),
    )
