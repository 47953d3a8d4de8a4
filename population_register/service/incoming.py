"""A record on its way in: its digests, and the wait of a withdrawal that came early."""

from dataclasses import dataclass, field

from kernel.ids import AgencyId
from kernel.keyring import Keyring
from population_register.linking_store import EarlyWithdrawal
from population_register.model import SourceRecord
from population_register.sealed_forms import (
    content_digest,
    decode_body,
    early_withdrawal_place,
    encode_body,
    record_digest,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A version of a record with what its row will say in the clear."""

    record: SourceRecord
    body: bytes = field(repr=False)
    record_digest: bytes
    content_digest: bytes

    @property
    def key(self) -> tuple[bytes, int]:
        """The record and the version."""
        return self.record_digest, self.record.version


def incoming_of(keyring: Keyring, record: SourceRecord) -> Incoming:
    """Return a record with its digests."""
    body = encode_body(record)
    return Incoming(
        record=record,
        body=body,
        record_digest=record_digest(keyring, record.agency_id, record.record_number),
        content_digest=content_digest(keyring, body),
    )


def seal_early(keyring: Keyring, item: Incoming) -> EarlyWithdrawal:
    """Seal a withdrawal that came before its record: there is no person's key to seal it with."""
    record = item.record
    place = early_withdrawal_place(record.agency_id, item.record_digest, record.version)
    return EarlyWithdrawal(
        record_digest=item.record_digest,
        version=record.version,
        content_digest=item.content_digest,
        body_sealed=keyring.seal_system(item.body, associated_data=place),
        arrived_at=record.arrived_at,
    )


def open_early(keyring: Keyring, agency_id: AgencyId, withdrawal: EarlyWithdrawal) -> Incoming:
    """Open a withdrawal whose record has come."""
    place = early_withdrawal_place(agency_id, withdrawal.record_digest, withdrawal.version)
    body = keyring.unseal_system(withdrawal.body_sealed, associated_data=place)
    record = decode_body(
        body,
        agency_id=agency_id,
        version=withdrawal.version,
        arrived_at=withdrawal.arrived_at,
    )
    return incoming_of(keyring, record)
