"""Decide what a request asks for, within what its access token was granted. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

from consent.api import ITEMS, SIGN_IN, ItemName, PurposeCode
from kernel.errors import InvalidRequest
from partner_api.errors import AmbiguousPurpose

MOST_QUERY_BYTES = 4096


class Granted(Protocol):
    """What a token says was granted: one purpose, and items."""

    @property
    def purpose(self) -> str:
        """Code of the purpose."""
        ...

    @property
    def items(self) -> Sequence[str]:
        """Names of items."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What the query string says.

    Attributes:
        purpose: None: the token's own.
        items: None: all of the token's.
    """

    purpose: str | None = None
    items: tuple[ItemName, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is to be read.

    Attributes:
        items: In the order of the request, or of the disclosure.
        is_granted: Whether the token was granted all of it. If not, the read is refused, and the
            attempt is logged like any other.
    """

    purpose: PurposeCode
    items: tuple[ItemName, ...]
    is_granted: bool


def parse_query(query_string: bytes) -> Query:
    """Read `purpose` and `items` (comma-separated) from a query string.

    Raises:
        InvalidRequest: 400. Too long, not of the form, a parameter twice, an item twice, an item
            that does not exist at all: such a name is never written into the log.
    """
    if not query_string:
        return Query()
    if len(query_string) > MOST_QUERY_BYTES:
        raise InvalidRequest("The query is too long.")
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise InvalidRequest("The query is malformed.") from error
    values = dict(pairs)
    if len(values) != len(pairs):
        raise InvalidRequest("A parameter is given twice.")
    return Query(purpose=values.get("purpose"), items=_items(values.get("items")))


def _items(text: str | None) -> tuple[ItemName, ...] | None:
    if text is None:
        return None
    names = tuple(ItemName(name) for name in text.split(","))
    if len(set(names)) != len(names):
        raise InvalidRequest("An item is named twice.")
    if any(name not in ITEMS for name in names):
        raise InvalidRequest("There is no such item.")
    return names


def select_attributes(disclosures: Sequence[Granted], query: Query) -> Selection:
    """Decide which attributes and predicates are to be read, and for which purpose.

    The purpose is the token's only one. What a person agreed to for signing in counts only when
    there is nothing else, or when the request names it.

    Raises:
        AmbiguousPurpose: 400. The token has several purposes and the request names none.
        InvalidRequest: 400. The request names a document: those have their own address.
    """
    if query.items is not None and any(ITEMS[name].is_document for name in query.items):
        raise InvalidRequest("Documents are read at /partner/v1/documents.")
    return _select(disclosures, query, of_documents=False)


def select_documents(disclosures: Sequence[Granted], query: Query) -> Selection:
    """Decide which kinds of documents are to be listed, and for which purpose.

    Raises:
        AmbiguousPurpose: 400. The token has several purposes with documents and the request names
            none.
        InvalidRequest: 400. The request names something that is no document.
    """
    if query.items is not None and not all(ITEMS[name].is_document for name in query.items):
        raise InvalidRequest("Attributes are read at /partner/v1/person.")
    return _select(disclosures, query, of_documents=True)


def _select(disclosures: Sequence[Granted], query: Query, *, of_documents: bool) -> Selection:
    granted: dict[PurposeCode, list[ItemName]] = {}
    for disclosure in disclosures:
        names = [ItemName(name) for name in disclosure.items]
        wanted = [name for name in names if ITEMS[name].is_document is of_documents]
        if wanted:
            granted.setdefault(PurposeCode(disclosure.purpose), []).extend(wanted)
    purpose = _purpose(list(granted), query)
    # Two disclosures of one purpose may name the same item.
    known = tuple(dict.fromkeys(granted.get(purpose, ())))
    items = known if query.items is None else query.items
    return Selection(
        purpose=purpose, items=items, is_granted=bool(items) and set(items) <= set(known)
    )


def _purpose(purposes: Sequence[PurposeCode], query: Query) -> PurposeCode:
    if query.purpose is not None:
        if query.purpose in purposes:
            return PurposeCode(query.purpose)
        raise InvalidRequest("The access token was not granted for this purpose.")
    particular = [purpose for purpose in purposes if purpose != SIGN_IN]
    if len(particular) > 1:
        raise AmbiguousPurpose
    return particular[0] if particular else SIGN_IN
