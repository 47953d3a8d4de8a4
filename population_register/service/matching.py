"""Gather what is known about who a record may be about, and let `linking` decide.

One `Matcher` serves one batch. It remembers what the batch itself has decided, so that two rows
about one new person give one person.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from kernel.ids import PersonId
from kernel.keyring import Keyring
from population_register import linking_store
from population_register.linking import Agreement, Candidate, LinkDecision, decide_link
from population_register.model import SourceRecord
from population_register.sealed_forms import (
    TRAITS,
    identifier_digest,
    record_identifiers,
    record_traits,
    trait_digest,
)

if TYPE_CHECKING:
    from population_register.identifiers import IdentifierKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a record can be recognised by.

    Attributes:
        identifiers: Digests with the kind of each.
        traits: Fields with the keys under which their values are compared.
    """

    identifiers: "tuple[tuple[IdentifierKind, bytes], ...]"
    traits: tuple[tuple[str, str], ...]


def gather_evidence(keyring: Keyring, record: SourceRecord) -> Evidence:
    """Return what a record can be recognised by."""
    return Evidence(
        identifiers=tuple(
            (identifier.kind, identifier_digest(keyring, identifier))
            for identifier in record_identifiers(record)
        ),
        traits=tuple(record_traits(record)),
    )


class Matcher:
    """Decides who records are about, on keyed digests alone: nobody's data is opened."""

    def __init__(
        self,
        session: Session,
        keyring: Keyring,
        evidence: Iterable[Evidence],
        *,
        linked: Iterable[PersonId],
    ) -> None:
        """Load whom the identifiers belong to.

        Args:
            session: The transaction.
            keyring: Makes the digests.
            evidence: Of the records to decide about.
            linked: Persons about whom the batch will `learn` more.

        Transaction:
            The caller holds the linking keys of all these identifiers.
        """
        self._keyring = keyring
        digests = {digest for one in evidence for _, digest in one.identifiers}
        self._holders = linking_store.find_identifier_holders(session, digests) if digests else {}
        known = {person_id for holders in self._holders.values() for person_id in holders}
        known.update(linked)
        self._traits = linking_store.find_traits(session, known) if known else {}

    def decide(self, evidence: Evidence) -> LinkDecision:
        """Decide who a record is about."""
        shared: dict[PersonId, set[IdentifierKind]] = {}
        for kind, digest in evidence.identifiers:
            for person_id in self._holders.get(digest, ()):
                shared.setdefault(person_id, set()).add(kind)
        return decide_link(
            Candidate(
                person_id=person_id,
                identifiers=frozenset(kinds),
                **{field: self._compare(person_id, field, evidence) for field in TRAITS},
            )
            for person_id, kinds in shared.items()
        )

    def learn(self, person_id: PersonId, evidence: Evidence) -> None:
        """Remember that a record is about a person, for the records of the batch that follow."""
        for _, digest in evidence.identifiers:
            self._holders.setdefault(digest, set()).add(person_id)
        self._traits.setdefault(person_id, set()).update(
            (field, trait_digest(self._keyring, person_id, field, key))
            for field, key in evidence.traits
        )

    def _compare(self, person_id: PersonId, field: str, evidence: Evidence) -> Agreement:
        theirs = self._traits.get(person_id, set())
        ours = [
            (field, trait_digest(self._keyring, person_id, field, key))
            for name, key in evidence.traits
            if name == field
        ]
        if not ours or not any(name == field for name, _ in theirs):
            return Agreement.UNKNOWN
        agrees = any(trait in theirs for trait in ours)
        return Agreement.AGREES if agrees else Agreement.DIFFERS
