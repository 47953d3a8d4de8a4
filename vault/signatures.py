"""What there is to say of a signature of a PDF (PAdES, ETSI EN 319 142).

Three answers for each signature, and they are never mixed: it is of somebody we can name through an
authority that the institution trusts; it is whole, but nobody we trust vouches for the signer; it
is broken, and then nothing in it is worth telling.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Whom a signing certificate names.

    Attributes:
        name: Common name.
        organisation: Where the certificate names one.
        issuer: Common name of the authority that issued the certificate.
        serial_hex: The certificate's serial number, upper case.
        claimed_at: When the signer says it signed; nobody vouches for that.
    """

    name: str
    organisation: str | None
    issuer: str
    serial_hex: str
    claimed_at: datetime | None


@dataclass(frozen=True, slots=True)
class TrustedSignature:
    """The document is as it was signed, and a trusted authority vouches for the signer."""

    signer: Signer


@dataclass(frozen=True, slots=True)
class UntrustedSignature:
    """The document is as it was signed, by a key for which no trusted authority vouches."""

    signer: Signer


@dataclass(frozen=True, slots=True)
class BrokenSignature:
    """The document is not what was signed, or the signature can't be read at all."""

    reason: Literal["changed", "part_not_signed", "unreadable"]


Finding: TypeAlias = TrustedSignature | UntrustedSignature | BrokenSignature


@dataclass(frozen=True, slots=True)
class SignatureRoots:
    """The authorities whose word an institution takes, as DER or PEM certificates."""

    certificates: tuple[bytes, ...]

    @classmethod
    def load(cls, folder: Path) -> "SignatureRoots":
        """Read every `*.pem` of a folder; without the folder nobody is trusted."""
        paths = sorted(folder.glob("*.pem")) if folder.is_dir() else []
        return cls(tuple(path.read_bytes() for path in paths))
