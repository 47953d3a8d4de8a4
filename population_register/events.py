"""What agencies did, as the access log names it."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAccepted:
    """An agency's source record was kept; it opened what was known, to derive the record anew."""

    action: ClassVar[str] = "population_register.record.accepted"
