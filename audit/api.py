"""What other contexts may call. Nothing opens a person's data without passing here (promise 1)."""

from audit.errors import LogDamaged, NotInTreeYet, ProofRefused
from audit.model import Actor, LoggedEntry, NewEntry, RecordedEntry, recorded
from audit.service.access import (
    EntryForm,
    OfficialEntryForm,
    entry_binds,
    get_entry,
    list_entries,
    record_access,
    record_accesses,
)
from audit.service.proving import InclusionProof, latest_checkpoint, prove_inclusion
from audit.service.sequencing import sequence
from audit.service.verification import Finding, IsSubject, LogReport, verify_log
from audit.store import SignedCheckpoint, append_entry

__all__ = [
    "Actor",
    "EntryForm",
    "Finding",
    "InclusionProof",
    "IsSubject",
    "LogDamaged",
    "LogReport",
    "LoggedEntry",
    "NewEntry",
    "NotInTreeYet",
    "OfficialEntryForm",
    "ProofRefused",
    "RecordedEntry",
    "SignedCheckpoint",
    "append_entry",
    "entry_binds",
    "get_entry",
    "latest_checkpoint",
    "list_entries",
    "prove_inclusion",
    "record_access",
    "record_accesses",
    "recorded",
    "sequence",
    "verify_log",
]
