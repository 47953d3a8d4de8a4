"""What an entry about an agency's question says instead of the person: a commitment.

The entry's bytes are made where the person is found, in the statement; and a pseudonym of a sector
can't be made there without its key. So the subject is SHA-256 over a salt of this entry alone and
our identifier of the person. Whoever has the keys can show whose entry it is, and that it was moved
to nobody else; to everybody else it says nothing, not even that two entries are of one person.
"""

from sqlalchemy import ColumnElement, bindparam, func, literal_column
from sqlalchemy.types import LargeBinary, Text

from kernel.ids import EntryId, PersonId
from kernel.keyring import Keyring
from kernel.secret import sha256

SALT_BIND = "agency_entry_salt"


def entry_salt(keyring: Keyring, entry_id: EntryId) -> bytes:
    """Return the salt of one entry: 32 bytes that nobody guesses."""
    return keyring.blind_index("agency_entry", str(entry_id))


def entry_subject(keyring: Keyring, entry_id: EntryId, person_id: PersonId) -> str:
    """Return the subject of an agency's entry about a person: 64 hexadecimal digits."""
    return salted_subject(entry_salt(keyring, entry_id), person_id)


def salted_subject(salt: bytes, person_id: PersonId) -> str:
    """Return the same for an entry whose salt is at hand."""
    return sha256(salt + person_id.bytes).hex()


def subject_of(person_id: ColumnElement[object]) -> ColumnElement[str]:
    """Return the same in SQL; binds `agency_entry_salt`."""
    salt = bindparam(SALT_BIND, type_=LargeBinary())
    salted = salt.op("||", return_type=LargeBinary())(
        func.uuid_send(person_id, type_=LargeBinary())
    )
    return func.encode(
        func.sha256(salted, type_=LargeBinary()), literal_column("'hex'"), type_=Text()
    )
