"""What the log itself reports to the process log: sizes and keys, never an entry."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSigned:
    """Waiting entries became leaves, and the tree was signed.

    Attributes:
        tree_size: Leaves in the tree that was signed.
        added: How many of them are new.
        kid: The key that signed.
    """

    event: ClassVar[str] = "audit.checkpoint.signed"

    tree_size: int
    added: int
    kid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFoundDamaged:
    """The sequencer refused to go on: the stored tree is not the signed one.

    Attributes:
        tree_size: Leaves in the tree that was signed last.
        finding: What does not fit.
    """

    event: ClassVar[str] = "audit.log.found_damaged"

    tree_size: int
    finding: str
