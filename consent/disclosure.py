"""Read what a client asks for: `authorization_details` of type `civitas_disclosure`. No I/O."""

from collections.abc import Mapping
from datetime import timedelta

from consent.catalogue import get_purpose
from consent.errors import InvalidDisclosure
from consent.model import AUTHORIZATION_DETAILS_TYPE, Disclosure, ItemName, Purpose

MOST_USES = 1_000_000
_MEMBERS = frozenset({"type", "purpose", "items", "retention_days", "expires_in_days", "max_uses"})


def parse_disclosure(details: Mapping[str, object]) -> Disclosure:
    """Read one member of `authorization_details` and hold it against its purpose.

    Args:
        details: A JSON object as received. `type`, `purpose` and `items` are required;
            `expires_in_days`, `retention_days` default to the purpose's usual; `max_uses` to any
            number of reads.

    Returns:
        The request with every default filled in; `as_authorization_details` writes it back.

    Raises:
        InvalidDisclosure: 400. Another type; a member that is unknown, missing or of the wrong
            kind; an item that is unknown, repeated, or not proportionate to the purpose; a period
            longer than the purpose allows.

    Source:
        RFC 9396, 2 and 5.
    """
    if details.get("type") != AUTHORIZATION_DETAILS_TYPE:
        raise InvalidDisclosure(f"The one type there is is {AUTHORIZATION_DETAILS_TYPE}.")
    unknown = details.keys() - _MEMBERS  # RFC 9396, 5: unknown fields are refused
    if unknown:
        raise InvalidDisclosure(
            "authorization_details has a member that the type does not define.",
            members=sorted(map(str, unknown)),
        )
    code = details.get("purpose")
    if not isinstance(code, str):
        raise InvalidDisclosure("purpose is a text.")
    purpose = get_purpose(code)
    return Disclosure(
        purpose=purpose.code,
        items=_items(details.get("items"), purpose),
        expires_in=_days(details, "expires_in_days", usual=purpose.usual, longest=purpose.longest),
        retention=_days(
            details,
            "retention_days",
            usual=purpose.usual_retention,
            longest=purpose.longest_retention,
        ),
        max_uses=_max_uses(details),
    )


def _items(value: object, purpose: Purpose) -> tuple[ItemName, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidDisclosure("items is a list of at least one item.")
    items: list[ItemName] = []
    for name in value:
        if not isinstance(name, str):
            raise InvalidDisclosure("Each item is a text.")
        # One answer for "unknown" and "not for this purpose", and the name is not repeated: it
        # may be anything, and the answer may be shown on a page.
        if ItemName(name) not in purpose.items:
            raise InvalidDisclosure("An item can't be asked for under this purpose.", item=name)
        if name in items:
            raise InvalidDisclosure("An item is named twice.", item=name)
        items.append(ItemName(name))
    return tuple(items)


def _whole_number(details: Mapping[str, object], member: str, *, most: int) -> int | None:
    if member not in details:
        return None
    value = details[member]
    # bool is an int in Python; JSON's true is not a number.
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InvalidDisclosure(f"{member} is a whole number from 1 to {most}.")
    return value


def _days(
    details: Mapping[str, object], member: str, *, usual: timedelta, longest: timedelta
) -> timedelta:
    days = _whole_number(details, member, most=longest.days)
    return usual if days is None else timedelta(days=days)


def _max_uses(details: Mapping[str, object]) -> int | None:
    return _whole_number(details, "max_uses", most=MOST_USES)
