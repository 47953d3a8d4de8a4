"""Document identifiers as one client sees them, so that two partners can't join what they read.

Our own identifier of a document is the same for everybody. A client sees it enciphered under a key
of its own: a UUID is one AES block, so AES-256 on that block is a permutation of all UUIDs. Stable
for the client, unrelated for any other, nothing is stored, and an invented or foreign identifier
deciphers to one that does not exist (promise 4).
"""

from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from kernel.errors import NotFound
from kernel.ids import ClientId, DocumentId
from kernel.keyring import Keyring


def _cipher(keyring: Keyring, client_id: ClientId) -> Cipher[ECB]:
    key = keyring.blind_index("partner_document", client_id)  # 32 bytes, of this client only
    # ECB of exactly one block is the bare permutation; there is no second block to leak equality.
    return Cipher(AES(key), ECB())  # noqa: S305


def external_id(keyring: Keyring, client_id: ClientId, document_id: DocumentId) -> UUID:
    """Return the document's identifier for this client."""
    encryptor = _cipher(keyring, client_id).encryptor()
    return UUID(bytes=encryptor.update(document_id.bytes) + encryptor.finalize())


def internal_id(keyring: Keyring, client_id: ClientId, presented: str) -> DocumentId:
    """Return our identifier of the document that a client names.

    Raises:
        NotFound: 404. Not a UUID in its canonical form. One that we never gave out deciphers to
            some identifier that no document has.
    """
    try:
        external = UUID(presented)
    except ValueError as error:
        raise NotFound(reason="not a UUID") from error
    if str(external) != presented:
        raise NotFound(reason="not canonical")
    decryptor = _cipher(keyring, client_id).decryptor()
    return DocumentId(UUID(bytes=decryptor.update(external.bytes) + decryptor.finalize()))
