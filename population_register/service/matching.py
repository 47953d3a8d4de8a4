"""Gather what is known about who a record may be about, and let `linking` decide.

One `Matcher` serves one batch. It remembers what the batch itself has decided, so that two rows
about one new person give one person.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from kernel.ids import PersonId
from kernel.keyring import Keyring
from population_register import store
from population_register.linking import Agreement, Candidate, LinkDecision, decide_link
from population_register.model import SourceRecord
from population_register.sealed_forms import (
    TRAITS,
    identifier_digest,
    record_identifiers,
    trait_digest,
    traits_of,
)

if TYPE_CHECKING:
    from population_register.identifiers import IdentifierKind


class Matcher:
    """Decides who records are about, on keyed digests alone: nobody's data is opened."""

    def __init__(
        self,
        session: Session,
        keyring: Keyring,
        records: Iterable[SourceRecord],
        *,
        linked: Iterable[PersonId],
    ) -> None:
        """Load whom the identifiers in `records` belong to.

        Args:
            session: The transaction.
            keyring: Makes the digests.
            records: The records to decide about.
            linked: Persons about whom the batch will `learn` more.

        Transaction:
            The caller holds the linking keys of all these identifiers.
        """
        self._keyring = keyring
        digests = {
            identifier_digest(keyring, identifier)
            for record in records
            for identifier in record_identifiers(record)
        }
        self._holders = store.find_identifier_holders(session, digests) if digests else {}
        known = {person_id for holders in self._holders.values() for person_id in holders}
        known.update(linked)
        self._traits = store.find_traits(session, known) if known else {}

    def decide(self, record: SourceRecord) -> LinkDecision:
        """Decide who a record is about."""
        shared: dict[PersonId, set[IdentifierKind]] = {}
        for identifier in record_identifiers(record):
            for person_id in self._holders.get(identifier_digest(self._keyring, identifier), ()):
                shared.setdefault(person_id, set()).add(identifier.kind)
        traits = _traits(record)
        return decide_link(
            Candidate(
                person_id=person_id,
                identifiers=frozenset(kinds),
                **{field: self._compare(person_id, field, traits) for field in TRAITS},
            )
            for person_id, kinds in shared.items()
        )

    def learn(self, person_id: PersonId, record: SourceRecord) -> None:
        """Remember that `record` is about a person, for the records of the batch that follow."""
        for identifier in record_identifiers(record):
            digest = identifier_digest(self._keyring, identifier)
            self._holders.setdefault(digest, set()).add(person_id)
        self._traits.setdefault(person_id, set()).update(
            (field, trait_digest(self._keyring, person_id, field, key))
            for field, key in _traits(record)
        )

    def _compare(self, person_id: PersonId, field: str, traits: set[tuple[str, str]]) -> Agreement:
        theirs = {digest for name, digest in self._traits.get(person_id, ()) if name == field}
        ours = {
            trait_digest(self._keyring, person_id, field, key)
            for name, key in traits
            if name == field
        }
        if not theirs or not ours:
            return Agreement.UNKNOWN
        return Agreement.AGREES if theirs & ours else Agreement.DIFFERS


def _traits(record: SourceRecord) -> set[tuple[str, str]]:
    """Return the traits of a record, in Latin letters too: the other side may know only those."""
    citizenships = record.attributes.get("citizenships", ["RUS"])
    foreign = "RUS" not in citizenships or "foreign_passport" in record.attributes
    return traits_of(record.attributes.items(), with_latin=foreign)
