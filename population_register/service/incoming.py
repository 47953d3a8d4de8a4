"""A record on its way in: its digests, and the wait of a withdrawal that came early."""

from kernel.ids import AgencyId
from kernel.keyring import Keyring
from kernel.secret import Unprinted
from population_register.linking_store import EarlyWithdrawal
from population_register.model import SourceRecord
from population_register.profiles import profile_of
from population_register.sealed_forms import (
    content_digest,
    decode_body,
    early_withdrawal_place,
    encode_body,
    record_digest,
)
from population_register.sealed_standings import standing_of
from population_register.standings import Ref, Standing


class Incoming(Unprinted, frozen=True, kw_only=True):
    """A version of a record with what its row will say in the clear.

    Attributes:
        standing: How the record stands in matching while this is its only version; None while
            that was not asked for.
    """

    record: SourceRecord
    body: bytes
    record_digest: bytes
    content_digest: bytes
    standing: Standing | None

    @property
    def key(self) -> tuple[bytes, int]:
        """The record and the version."""
        return self.record_digest, self.record.version


def incoming_of(keyring: Keyring, record: SourceRecord, *, is_new: bool = False) -> Incoming:
    """Return a record with its digests.

    Args:
        keyring: Makes them.
        record: A version of it.
        is_new: Whether it may well be the only one; then find out how the record stands by it.
    """
    body = encode_body(record)
    ref = record_digest(keyring, record.agency_id, record.record_number)
    return Incoming(
        record=record,
        body=body,
        record_digest=ref,
        content_digest=content_digest(keyring, body),
        standing=stands_alone(keyring, ref, record) if is_new and record.version == 1 else None,
    )


def stands_alone(keyring: Keyring, ref: Ref, record: SourceRecord) -> Standing:
    """Return how a record stands of which one version has come, and is no withdrawal."""
    return standing_of(keyring, ref, profile_of(record.attributes.items()))


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
