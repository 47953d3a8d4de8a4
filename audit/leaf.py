"""The leaf: one entry as bytes. Versions 1 and 2.

A leaf is a JSON object in the canonical form of RFC 8785 restricted to what is used here: UTF-8, no
white space, members sorted by name, values that are strings, arrays of strings, null, and the
integer `v`. All fourteen members are always present:

    action actor.id actor.kind client_id consent_id entry_id items occurred_at outcome purpose
    reason request_id subject v

Version 2 has two members more, `actor.official` and `stated_purpose`. It is written where one of
them says something, and nowhere else: an entry has one form.

`occurred_at` has six digits of a second and ends in `Z`. Identifiers are lower-case UUIDs.

The form of a version never changes: what was hashed once is hashed the same for ever. A new member
is a new version, decoded beside the old one (docs/decisions/0005-leaf-format.md).
"""

from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

import orjson

from audit.errors import ProofRefused
from audit.model import Actor, NewEntry
from kernel.ids import ClientId, ConsentId, EntryId

LEAF_VERSION = 1
OFFICIAL_LEAF_VERSION = 2

MOST_LEAF_BYTES = 65535
"""C2SP tlog-tiles gives an entry a 16-bit length; ours are some 500 bytes."""

_SUBJECT_BYTES = 64
"""Room for the subject that a statement fills in: a pseudonym has 43 characters."""

_CANONICAL = orjson.OPT_SORT_KEYS


def encode_leaf(entry: NewEntry) -> bytes:
    """Return the bytes that are hashed and stored for `entry`.

    Raises:
        ValueError: Longer than any leaf may be, or text that is not Unicode: a defect of ours, the
            fields come from checked values.
    """
    actor = entry.actor
    # Written in the sorted order already; the option makes it a promise instead of a habit.
    members: dict[str, object] = {
        "action": entry.action,
        "actor.id": actor.id,
        "actor.kind": actor.kind,
        "client_id": entry.client_id,
        "consent_id": None if entry.consent_id is None else str(entry.consent_id),
        "entry_id": str(entry.entry_id),
        "items": entry.items,
        "occurred_at": _instant(entry.occurred_at),
        "outcome": entry.outcome,
        "purpose": entry.purpose,
        "reason": entry.reason,
        "request_id": entry.request_id,
        "subject": entry.subject,
        "v": LEAF_VERSION,
    }
    if actor.official is not None or entry.stated_purpose is not None:
        members["actor.official"] = actor.official
        members["stated_purpose"] = entry.stated_purpose
        members["v"] = OFFICIAL_LEAF_VERSION
    leaf = orjson.dumps(members, option=_CANONICAL)
    if len(leaf) > MOST_LEAF_BYTES:
        raise ValueError("an entry of the access log is longer than a leaf may be")
    return leaf


class LeafForm:
    """The leaf of entries that differ in their identifier, instant and request alone.

    The rest is encoded once. The form of a leaf is not written twice: this one is cut out of an
    encoded leaf.
    """

    __slots__ = ("_parts",)

    def __init__(self, entry: NewEntry) -> None:
        """Cut the leaf of an entry whose `request_id` is a text."""
        self._parts = _cut(
            entry,
            entry_id=str(entry.entry_id),
            occurred_at=_instant(entry.occurred_at),
            request_id=entry.request_id,
        )

    def fill(self, entry_id: EntryId, occurred_at: datetime, request_id: str) -> bytes:
        """Return the bytes that `encode_leaf` returns for the entry with these three.

        Args:
            entry_id: As in the entry.
            occurred_at: As in the entry.
            request_id: As in the entry; ASCII letters and digits, which need no escaping.
        """
        first, second, third, last = self._parts
        said = _request(entry_id, occurred_at, request_id)
        return b"%b%b%b%b%b%b%b" % (first, said[0], second, said[1], third, said[2], last)


class OfficialLeafForm:
    """The leaf of entries that differ in which official asks, too, for what, and about whom.

    About whom is for a statement to find out, so that what is filled is in two parts: the subject
    belongs between them.
    """

    __slots__ = ("_parts",)

    def __init__(self, entry: NewEntry) -> None:
        """Cut the leaf of an entry that names an official, what for, and a request, but nobody."""
        assert not entry.subject
        self._parts = _cut(
            entry,
            **{"actor.official": entry.actor.official},
            entry_id=str(entry.entry_id),
            occurred_at=_instant(entry.occurred_at),
            request_id=entry.request_id,
            stated_purpose=entry.stated_purpose,
            subject=entry.subject,
        )

    def fill(
        self,
        entry_id: EntryId,
        occurred_at: datetime,
        request_id: str,
        *,
        official: str,
        stated_purpose: str,
    ) -> tuple[bytes, bytes]:
        """Return what `encode_leaf` returns for the entry, before its subject and after it.

        Args:
            entry_id: As in the entry.
            occurred_at: As in the entry.
            request_id: As in the entry; ASCII letters and digits, which need no escaping.
            official: As in the entry.
            stated_purpose: As in the entry.

        Raises:
            ValueError: As `encode_leaf`.
        """
        first, second, third, fourth, fifth, sixth, last = self._parts
        said = _request(entry_id, occurred_at, request_id)
        head = b"".join(
            (
                first, _escaped(official), second, said[0], third, said[1], fourth, said[2],
                fifth, _escaped(stated_purpose), sixth,
            )
        )  # fmt: skip
        if len(head) + _SUBJECT_BYTES + len(last) > MOST_LEAF_BYTES:
            raise ValueError("an entry of the access log is longer than a leaf may be")
        return head, last


def _cut(entry: NewEntry, **texts: str | None) -> tuple[bytes, ...]:
    """Return the leaf of an entry around the texts of some of its members.

    A quote within a text is escaped, so that a member's name with its quotes is met once only.

    Args:
        entry: As it is encoded.
        texts: Of members that are texts, in the order of the leaf.
    """
    leaf = encode_leaf(entry)
    parts = []
    for member, text in texts.items():
        assert text is not None, member
        name = f'"{member}":"'.encode()
        before, found, after = leaf.partition(name + _escaped(text) + b'"')
        assert found, member
        parts.append(before + name)
        leaf = b'"' + after
    return (*parts, leaf)


def _request(entry_id: EntryId, occurred_at: datetime, request_id: str) -> tuple[bytes, ...]:
    """Return what is of one request alone, as it stands in a leaf."""
    if not (request_id.isascii() and request_id.isalnum()):
        raise ValueError("a request's identifier is made of letters and digits")
    return str(entry_id).encode(), _instant(occurred_at).encode(), request_id.encode()


def _escaped(text: str) -> bytes:
    return orjson.dumps(text)[1:-1]


def decode_leaf(leaf: bytes) -> NewEntry:
    """Return the entry that `leaf` says; strict: only what `encode_leaf` would write again.

    Raises:
        ProofRefused: Not a leaf of a known version, or not in canonical form.
    """
    try:
        members = orjson.loads(leaf)
        entry = NewEntry(
            entry_id=EntryId(UUID(members["entry_id"])),
            action=members["action"],
            outcome=members["outcome"],
            actor=Actor(
                kind=members["actor.kind"],
                id=members["actor.id"],
                official=members.get("actor.official"),
            ),
            subject=members["subject"],
            occurred_at=datetime.fromisoformat(members["occurred_at"]),
            reason=members["reason"],
            purpose=members["purpose"],
            items=tuple(members["items"]),
            consent_id=_optional_consent(members["consent_id"]),
            client_id=_optional_client(members["client_id"]),
            request_id=members["request_id"],
            stated_purpose=members.get("stated_purpose"),
        )
        is_canonical = encode_leaf(entry) == leaf
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProofRefused(reason="not a leaf") from error
    if not is_canonical:
        raise ProofRefused(reason="a leaf, but not in canonical form")
    return entry


@lru_cache(64)  # the entries of a batch happen at one instant
def _instant(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _optional_consent(text: str | None) -> ConsentId | None:
    return None if text is None else ConsentId(UUID(text))


def _optional_client(text: str | None) -> ClientId | None:
    return None if text is None else ClientId(text)
