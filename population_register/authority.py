"""Which source wins, attribute by attribute. Deciding code: source records in, a history out.

The order of strength is total and knows nothing of the order in which records came in:

1. the agency that answers for the attribute, then the others in the order below;
2. of equal rank, what was said of a later day (a marriage act outweighs a birth act);
3. then the agency's identifier, the record number and the version: nothing is left to chance.

Arrival is not in it on purpose: the same feeds loaded in another order, or late, must end in the
same record.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise
from operator import attrgetter

from kernel.ids import AgencyId
from population_register.attributes import ATTRIBUTES
from population_register.model import (
    AgencyRole,
    AttributeValue,
    JSONValue,
    RecordKind,
    SourceRecord,
)

_CIVIL, _INTERIOR, _TAX = AgencyRole.CIVIL_REGISTRY, AgencyRole.INTERIOR, AgencyRole.TAX
_PENSION, _HEALTH = AgencyRole.PENSION, AgencyRole.HEALTH

_PERSONAL = (_CIVIL, _INTERIOR, _PENSION, _TAX, _HEALTH)
_STAY = (_INTERIOR, _CIVIL, _PENSION, _TAX, _HEALTH)

AUTHORITY: Mapping[str, tuple[AgencyRole, ...]] = {
    "family_name": _PERSONAL,
    "given_name": _PERSONAL,
    "middle_name": _PERSONAL,
    "former_names": _PERSONAL,
    "gender": _PERSONAL,
    "birthdate": _PERSONAL,
    "birthplace": _PERSONAL,
    "deathdate": _PERSONAL,
    "deathplace": _PERSONAL,
    "marital_status": _PERSONAL,
    "civil_acts": _PERSONAL,
    "children": _PERSONAL,
    "parents": _PERSONAL,
    "birth_certificate": _PERSONAL,
    "citizenships": _STAY,
    "passport": _STAY,
    "foreign_passport": _STAY,
    "residence_permit": _STAY,
    "registration_address": _STAY,
    "stay_address": _STAY,
    "arrivals": _STAY,
    "snils": (_PENSION, _TAX, _HEALTH, _INTERIOR, _CIVIL),
    "inn": (_TAX, _PENSION, _INTERIOR, _HEALTH, _CIVIL),
    "enp": (_HEALTH, _PENSION, _TAX, _INTERIOR, _CIVIL),
    "entrepreneur": (_TAX,),
    "military": (AgencyRole.DEFENCE, _INTERIOR),
    "education": (AgencyRole.EDUCATION, _PENSION),
}
"""Who answers for an attribute, strongest first; a role that is not named comes after all named."""

_RANKS: Mapping[tuple[str, AgencyRole], int] = {
    (name, role): rank for name, roles in AUTHORITY.items() for rank, role in enumerate(roles)
}
_LAST_RANK = len(AgencyRole)


def rank(role: AgencyRole, attribute: str) -> int:
    """Return 0 for the role that answers for the attribute, more for every other."""
    return _RANKS.get((attribute, role), _LAST_RANK)


@dataclass(slots=True)
class _Span:
    """A value that one source record holds over an interval; it grows while it is derived."""

    name: str
    value: JSONValue
    ordinal: int  # of an item of a many-valued attribute, in the order in which they were sent
    valid_from: date
    valid_to: date | None
    said_by: SourceRecord


def live_versions(versions: Iterable[SourceRecord]) -> list[SourceRecord]:
    """Return the versions of one source record that still count, in version order.

    A correction removes the version it names, a withdrawal every version before it; both work on
    whatever has arrived by now and on whatever arrives later, so that order does not matter.
    """
    ordered = sorted(versions, key=attrgetter("version"))
    corrected = {v.corrects for v in ordered if v.kind is RecordKind.CORRECTION}
    withdrawn_before = max(
        (v.version for v in ordered if v.kind is RecordKind.WITHDRAWAL), default=0
    )
    return [
        v
        for v in ordered
        if v.version > withdrawn_before
        and v.version not in corrected
        and v.kind is not RecordKind.WITHDRAWAL
    ]


def derive_history(
    records: Iterable[SourceRecord], roles: Mapping[AgencyId, AgencyRole]
) -> dict[str, tuple[AttributeValue, ...]]:
    """Derive the history of a person from everything that was ever said about them.

    Args:
        records: All versions of all source records of the person, in any order.
        roles: The role of every agency that occurs.

    Returns:
        Every value not taken back, by attribute, strongest first. Many-valued attributes have one
        entry per item.
    """
    ranked: list[tuple[tuple[object, ...], _Span]] = []
    by_record = attrgetter("agency_id", "record_number")
    for _, versions in groupby(sorted(records, key=by_record), key=by_record):
        for span in _spans(live_versions(versions)):
            said_by = span.said_by
            strength: tuple[object, ...] = (
                rank(roles[said_by.agency_id], span.name),
                -said_by.valid_from.toordinal(),
                said_by.agency_id,
                said_by.record_number,
                -said_by.version,
                span.ordinal,
            )
            ranked.append((strength, span))
    ranked.sort(key=lambda pair: pair[0])
    history: dict[str, list[AttributeValue]] = {}
    for strength, span in ranked:
        history.setdefault(span.name, []).append(
            AttributeValue(
                value=span.value,
                source=span.said_by.agency_id,
                as_of=span.said_by.valid_from,
                recorded_at=span.said_by.arrived_at,
                valid_from=span.valid_from,
                valid_to=span.valid_to,
                is_authoritative=strength[0] == 0,
            )
        )
    return {name: tuple(history[name]) for name in ATTRIBUTES if name in history}


def _spans(versions: Sequence[SourceRecord]) -> list[_Span]:
    """Cut the life of one source record into intervals, each told by its highest version."""
    if len(versions) == 1:
        only = versions[0]
        return [
            _Span(name, value, ordinal, only.valid_from, only.valid_to, only)
            for name, value, ordinal in _items(only)
        ]
    days = {v.valid_from for v in versions} | {v.valid_to for v in versions if v.valid_to}
    edges: list[date | None] = [*sorted(days), None]
    spans: list[_Span] = []
    growing: dict[tuple[str, str], _Span] = {}
    for start, end in pairwise(edges):
        assert start is not None
        covering = [
            v
            for v in versions
            if v.valid_from <= start and (v.valid_to is None or start < v.valid_to)
        ]
        held: dict[tuple[str, str], _Span] = {}
        for name, value, ordinal in _items(covering[-1]) if covering else ():
            span = growing.get((name, repr(value)))
            if span is None:
                span = _Span(name, value, ordinal, start, end, covering[-1])
                spans.append(span)
            else:
                span.ordinal, span.valid_to, span.said_by = ordinal, end, covering[-1]
            held[name, repr(value)] = span
        growing = held
    return spans


def _items(record: SourceRecord) -> Iterable[tuple[str, JSONValue, int]]:
    """Return the values of a record, the items of a many-valued attribute one by one, numbered."""
    for name, value in record.attributes.items():
        if ATTRIBUTES[name].is_many:
            for ordinal, item in enumerate(value):
                yield name, item, ordinal
        else:
            yield name, value, 0
