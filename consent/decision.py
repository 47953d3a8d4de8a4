"""Decide whether a disclosure is covered by consent. No I/O: rows come in, a decision goes out.

The same rule has an SQL form, `consent.store.covering_consent`, for the read that must decide and
fetch in one statement. `tests/consent/test_consent_forms.py` holds the two equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from consent.model import ConsentRecord, Ending, ItemName, PurposeCode
from kernel.ids import ConsentId

Reason: TypeAlias = Literal[
    "never_given", "ended", "expired", "used_up", "withdrawn", "items_missing"
]


@dataclass(frozen=True, slots=True)
class Covered:
    """Every requested item is covered by one live record."""

    consent_id: ConsentId


@dataclass(frozen=True, slots=True)
class NotCovered:
    """No live record covers the request; `reason` is what the caller is told."""

    reason: Reason
    missing: frozenset[ItemName] = frozenset()
    consent_id: ConsentId | None = None


Decision: TypeAlias = Covered | NotCovered

_REASON_OF: dict[Ending, Reason] = {
    Ending.WITHDRAWN: "withdrawn",
    Ending.EXPIRED: "expired",
    Ending.USED_UP: "used_up",
    Ending.DEATH: "ended",  # that a person died is not the partner's to learn from a refusal
    Ending.REPLACED: "ended",
}


def decide(
    records: Iterable[ConsentRecord],
    *,
    purpose: PurposeCode,
    requested: frozenset[ItemName],
    at: datetime,
) -> Decision:
    """Decide whether `requested` may be disclosed for `purpose` at the instant `at`.

    A disclosure is covered only when a single live record covers all of it. Two records that
    cover it between them do not: each was agreed to separately, and the person never saw the
    combination.

    Args:
        records: Every record of one person for one client, in any order, live or not.
        purpose: Purpose code; compared exactly.
        requested: Items asked for. An empty request is covered by nothing.
        at: Instant of the disclosure, timezone-aware UTC. `expires_at` is exclusive.

    Returns:
        `Covered` by the record that costs the person least: one without a limit of uses before
        one with, then the newest. Otherwise `NotCovered`: `items_missing` measured against the
        live record that lacks least, or how the newest record of the purpose ended.

    Source:
        docs/decisions/0007-one-record-must-cover-a-disclosure.md
    """
    considered = sorted(
        (record for record in records if record.purpose == purpose), key=_preference, reverse=True
    )
    live = [record for record in considered if record.is_live(at)]
    for record in live:
        if requested and requested <= record.items:
            return Covered(record.consent_id)
    if live:
        closest = max(live, key=lambda record: len(requested & record.items))
        return NotCovered("items_missing", requested - closest.items, closest.consent_id)
    return _how_the_newest_ended(considered, at=at)


def _preference(record: ConsentRecord) -> tuple[bool, datetime, int]:
    """Order records as `store.covering_consent` does."""
    return record.max_uses is None, record.given_at, record.consent_id.int


def _how_the_newest_ended(records: list[ConsentRecord], *, at: datetime) -> NotCovered:
    # A record that was replaced says nothing: the one in its place is among the records.
    newest = max(
        records,
        key=lambda record: (
            record.ending is not Ending.REPLACED,
            record.given_at,
            record.consent_id.int,
        ),
        default=None,
    )
    if newest is None:
        return NotCovered("never_given")
    ending = newest.ending_at(at)
    assert ending is not None  # the caller found no live record
    return NotCovered(_REASON_OF[ending], consent_id=newest.consent_id)
