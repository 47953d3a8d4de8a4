"""The refusals of audit."""

from kernel.errors import Conflict, DomainError, InvalidRequest


class NotInTreeYet(Conflict):
    """The entry is written down, but no signed checkpoint covers it yet: that takes seconds."""

    code = "entry_not_in_tree_yet"
    title = "The entry is recorded; its proof is ready in a few seconds."


class ProofRefused(InvalidRequest):
    """A leaf, a Merkle proof, a tile path or a signed note does not prove what it is said to."""

    code = "proof_refused"
    title = "The proof does not hold."


class LogDamaged(DomainError):
    """What is stored of the log is not what was signed: nothing may be added to it.

    Fatal for the log, not for the service: entries go on being recorded and wait, and reads go on
    being accounted for. `civitas audit verify` tells what was changed.
    """

    code = "log_damaged"
    status = 500
    title = "The access log needs its operator."
