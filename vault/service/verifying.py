"""Tell who signed a PDF, and whether it is still what they signed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from typing_extensions import Buffer

from kernel.errors import PayloadTooLarge
from vault.formats import PDF, recognise
from vault.signatures import Finding, SignatureRoots

MAX_SIGNED_BYTES: Final = 32 << 20
"""A PDF is read whole to be verified; a larger one is not verified."""


def verify_signatures(
    chunks: Iterable[Buffer], *, roots: SignatureRoots, at: datetime
) -> tuple[Finding, ...]:
    """Verify every signature of a document, in the order in which they were made.

    Blocks, and must not be called in a thread that runs an event loop.

    Args:
        chunks: The whole document, such as an `OpenedDocument`.
        roots: Whom to trust.
        at: The instant at which the certificates must have been valid: that of the storing, because
            then the signature was there. Revocation is not asked for: nothing is fetched.

    Returns:
        Nothing if the document is no PDF or is not signed.

    Raises:
        PayloadTooLarge: 413. The document is larger than `MAX_SIGNED_BYTES`.
    """
    document = bytearray()
    for chunk in chunks:
        document += memoryview(chunk)
        if len(document) > MAX_SIGNED_BYTES:
            raise PayloadTooLarge(limit=MAX_SIGNED_BYTES)
    if recognise(bytes(document[:16])) != PDF:
        return ()
    # Loaded when it is needed: it takes half a second, and every process starts without it.
    from vault.pades import verify  # noqa: PLC0415

    return verify(document, roots=roots, at=at)
