"""How source records and derived records lie in the database: JSON, sealed, bound to their rows.

Every form carries its version in `v`. Fields are added with a default; a field is never given a new
meaning. Digests here are keyed (`Keyring.blind_index`): without the root key they say nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Literal, TypeVar, overload
from uuid import UUID

import msgspec
from typing_extensions import override

from kernel.envelope import associated_data
from kernel.ids import AgencyId, PersonId
from kernel.keyring import Keyring, PersonKey
from kernel.secret import Unprinted
from population_register.attributes import ATTRIBUTES
from population_register.identifiers import Identifier
from population_register.model import (
    AttributeValue,
    History,
    JSONValue,
    RecordKind,
    SourceRecord,
)

V = TypeVar("V")


class _Body(Unprinted, frozen=True, kw_only=True, omit_defaults=True):
    """A source record without what its row says in the clear."""

    v: Literal[1]
    record_number: str
    kind: RecordKind
    corrects: int | None = None
    valid_from: date
    valid_to: date | None = None
    attributes: dict[str, JSONValue]


class _Derived(Unprinted, frozen=True, kw_only=True):
    """A derived record: all values of all times, in order of strength.

    It does not depend on the day of its making: a value that begins tomorrow is in it already, one
    that ended yesterday still is. `CurrentRecord` reads it on a day.

    Attributes:
        said_by: Every agency that has a record about the person, whether a word of it is left or
            not; None of records derived before this was kept.
    """

    v: Literal[1]
    version: int
    history: dict[str, msgspec.Raw]
    said_by: tuple[AgencyId, ...] | None = None


_encoder = msgspec.json.Encoder()
_body_decoder = msgspec.json.Decoder(_Body)
_derived_decoder = msgspec.json.Decoder(_Derived)
_values_decoder = msgspec.json.Decoder(tuple[AttributeValue, ...])


class StoredHistory(Mapping[str, tuple[AttributeValue, ...]]):
    """A person's history that decodes an attribute when it is asked for: a partner asks for few."""

    __slots__ = ("_decoded", "_stored")

    def __init__(self, stored: Mapping[str, msgspec.Raw]) -> None:
        self._stored = stored
        self._decoded: dict[str, tuple[AttributeValue, ...]] = {}

    @override
    def __getitem__(self, name: str) -> tuple[AttributeValue, ...]:
        """Return the values of an attribute, strongest first."""
        values = self.get(name)
        if values is None:
            raise KeyError(name)
        return values

    @overload
    def get(self, name: str, default: None = None, /) -> tuple[AttributeValue, ...] | None: ...
    @overload
    def get(self, name: str, default: V, /) -> tuple[AttributeValue, ...] | V: ...
    @override
    def get(self, name: str, default: object = None, /) -> object:
        """Return the values of an attribute, or the default if it has none."""
        values = self._decoded.get(name)
        if values is None:
            stored = self._stored.get(name)
            if stored is None:
                return default
            values = self._decoded[name] = _values_decoder.decode(stored)
        return values

    @override
    def __iter__(self) -> Iterator[str]:
        """Return the names of attributes in the order of the catalogue."""
        return iter(self._stored)

    @override
    def __len__(self) -> int:
        """Return how many attributes have a value."""
        return len(self._stored)

    def changed(self, changes: History) -> Mapping[str, object]:
        """Return the history with some attributes replaced, as `seal_derived` takes it.

        Attributes that are not among them are not decoded.
        """
        if changes.keys() <= self._stored.keys():
            return {**self._stored, **changes}
        both = {**self._stored, **changes}
        return {name: both[name] for name in ATTRIBUTES if name in both}

    @override
    def __repr__(self) -> str:
        """Say the names only."""
        return f"StoredHistory({', '.join(self._stored)})"


# Source records


def encode_body(record: SourceRecord) -> bytes:
    """Return the body of a source record; equal records give equal bytes."""
    return _encoder.encode(
        _Body(
            v=1,
            record_number=record.record_number,
            kind=record.kind,
            corrects=record.corrects,
            valid_from=record.valid_from,
            valid_to=record.valid_to,
            attributes=dict(record.attributes),
        )
    )


def decode_body(
    body: bytes, *, agency_id: AgencyId, version: int, arrived_at: datetime
) -> SourceRecord:
    """Return the source record of an opened body and the clear columns of its row."""
    read = _body_decoder.decode(body)
    return SourceRecord(
        agency_id=agency_id,
        record_number=read.record_number,
        version=version,
        kind=read.kind,
        corrects=read.corrects,
        valid_from=read.valid_from,
        valid_to=read.valid_to,
        attributes=read.attributes,
        arrived_at=arrived_at,
    )


def body_place(
    person_id: PersonId, agency_id: AgencyId, record_digest: bytes, version: int
) -> bytes:
    """Name the place of a sealed body."""
    return associated_data(
        "source_records", "body_sealed", person_id, agency_id, record_digest, version
    )


def decision_place(person_id: PersonId, decision_id: UUID) -> bytes:
    """Name the place of a decision's sealed evidence."""
    return associated_data("link_decisions", "evidence_sealed", person_id, decision_id)


def early_withdrawal_place(agency_id: AgencyId, record_digest: bytes, version: int) -> bytes:
    """Name the place of a sealed body of which the person is not known yet."""
    return associated_data("early_withdrawals", "body_sealed", agency_id, record_digest, version)


# Derived records


def _record_place(person_id: PersonId) -> bytes:
    return associated_data("persons", "record_sealed", person_id)


def seal_derived(
    key: PersonKey,
    version: int,
    history: Mapping[str, object],
    said_by: Iterable[AgencyId] | None = None,
) -> bytes:
    """Seal a person's derived record for its row.

    Args:
        key: The person's.
        version: Of the record.
        history: A `History`, or what `StoredHistory.changed` returned.
        said_by: Every agency that has a record about the person.
    """
    form: dict[str, object] = {"v": 1, "version": version, "history": history}
    if said_by is not None:
        form["said_by"] = sorted(said_by)
    return key.seal(_encoder.encode(form), associated_data=_record_place(key.person_id))


def unseal_derived(key: PersonKey, sealed_record: bytes) -> tuple[int, History]:
    """Open a person's derived record and return its version and history.

    Raises:
        Undecryptable: Another person's, or changed.
    """
    version, history, _ = unseal_with_sources(key, sealed_record)
    return version, history


def unseal_with_sources(
    key: PersonKey, sealed_record: bytes
) -> tuple[int, StoredHistory, frozenset[AgencyId] | None]:
    """Open a person's derived record; return who has records about the person, too, if kept.

    Raises:
        Undecryptable: Another person's, or changed.
    """
    plaintext = key.unseal(sealed_record, associated_data=_record_place(key.person_id))
    derived = _derived_decoder.decode(plaintext)
    said_by = None if derived.said_by is None else frozenset(derived.said_by)
    return derived.version, StoredHistory(derived.history), said_by


def encode_value(value: JSONValue) -> str:
    """Return a value as text; equal values give equal text, however their parts are ordered."""
    return msgspec.json.encode(value, order="sorted").decode()


# Digests


def record_digest(keyring: Keyring, agency_id: AgencyId, record_number: str) -> bytes:
    """Return the digest under which an agency's record number is found."""
    return keyring.blind_index("record_number", f"{agency_id}\x1f{record_number}")


def content_digest(keyring: Keyring, body: bytes) -> bytes:
    """Return the digest that tells two bodies under one record number and version apart."""
    return keyring.blind_index("record_content", body.decode())


def identifier_digest(keyring: Keyring, identifier: Identifier) -> bytes:
    """Return the digest under which an identifier is found."""
    return keyring.blind_index(identifier.kind.value, identifier.value)
