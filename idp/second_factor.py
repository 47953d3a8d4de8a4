"""Time-based one-time passwords, the second factor of officials (RFC 6238). No I/O.

The arithmetic is `cryptography`'s; here is which codes count. SHA-1, six digits and thirty seconds
are what every authenticator application can do.
"""

from base64 import b32encode
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from kernel.secret import Secret, equal, random_bytes

DIGITS: Final = 6
STEP_SECONDS: Final = 30
SECRET_BYTES: Final = 20  # RFC 4226, 4, R6: as long as the digest

_WINDOW: Final = (0, -1, 1)
"""Steps by which the clock of a telephone may be wrong (RFC 6238, 5.2)."""
_ISSUER: Final = "Civitas"
_GROUP: Final = 4  # characters of the secret that are read at a time


def new_secret() -> Secret[bytes]:
    """Make the secret of one official."""
    return Secret(random_bytes(SECRET_BYTES))


def step_at(at: datetime) -> int:
    """Return the number of the step that an instant is in (RFC 6238, 4.2)."""
    return int(at.timestamp()) // STEP_SECONDS


def code_of(secret: Secret[bytes], step: int) -> str:
    """Return the code of one step."""
    return _totp(secret).generate(step * STEP_SECONDS).decode()


def code_at(secret: Secret[bytes], *, at: datetime) -> str:
    """Return the code that an application shows at an instant."""
    return code_of(secret, step_at(at))


def find_step(secret: Secret[bytes], typed: str, *, at: datetime) -> int | None:
    """Return the step whose code was typed; None if it is none of those that count now.

    Args:
        secret: The official's.
        typed: As typed: applications show a space in the middle.
        at: Now.
    """
    code = "".join(typed.split())
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    now = step_at(at)
    matching = [
        now + offset
        for offset in _WINDOW
        if equal(code_of(secret, now + offset).encode(), code.encode())
    ]
    return max(matching, default=None)


def readable(secret: Secret[bytes]) -> Secret[str]:
    """Return the secret as it is typed into an application: in groups of four characters."""
    text = b32encode(secret.reveal()).decode()
    return Secret(" ".join(text[i : i + _GROUP] for i in range(0, len(text), _GROUP)))


def address_of(secret: Secret[bytes], operator_id: str) -> Secret[str]:
    """Return the secret as the address that applications on the same device open (`otpauth:`)."""
    return Secret(_totp(secret).get_provisioning_uri(operator_id, _ISSUER))


def _totp(secret: Secret[bytes]) -> TOTP:
    return TOTP(secret.reveal(), DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303  # RFC 6238, 1.2
