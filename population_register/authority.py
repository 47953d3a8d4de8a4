"""Which source wins, attribute by attribute. Deciding code: source records in, a history out.

The order of strength is total and knows nothing of the order in which records came in:

1. the agency that answers for the attribute, then the others in the order below;
2. of equal rank, what was said of a later day (a marriage act outweighs a birth act);
3. then the agency's identifier, the record number and the version: nothing is left to chance.

Arrival is not in it on purpose: the same feeds loaded in another order, or late, must end in the
same record.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby, pairwise
from operator import attrgetter

from kernel.ids import AgencyId
from population_register.attributes import ATTRIBUTES
from population_register.model import (
    AgencyRole,
    AttributeValue,
    History,
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
    "guardians": _PERSONAL,
    "birth_certificate": _PERSONAL,
    "citizenships": _STAY,
    "passport": _STAY,
    "foreign_passport": _STAY,
    "residence_permit": _STAY,
    "identity_documents": _STAY,
    "registration_address": _STAY,
    "stay_address": _STAY,
    "arrivals": _STAY,
    "snils": (_PENSION, _TAX, _HEALTH, _INTERIOR, _CIVIL),
    "inn": (_TAX, _PENSION, _INTERIOR, _HEALTH, _CIVIL),
    "enp": (_HEALTH, _PENSION, _TAX, _INTERIOR, _CIVIL),
    "social_insurance": (_PENSION,),
    "entrepreneur": (_TAX,),
    "self_employed": (_TAX,),
    "employment_service": (AgencyRole.EMPLOYMENT, _PENSION),
    "military": (AgencyRole.DEFENCE, _INTERIOR),
    "education": (AgencyRole.EDUCATION, _PENSION),
    "academic_degrees": (AgencyRole.EDUCATION,),
}
"""Who answers for an attribute, strongest first; a role that is not named comes after all named."""

_PLACES = {name: place for place, name in enumerate(ATTRIBUTES)}
_MANY = frozenset(name for name, attribute in ATTRIBUTES.items() if attribute.is_many)
_LAST_RANK = len(AgencyRole)
_RANKS: Mapping[AgencyRole, Mapping[str, int]] = {
    role: {
        name: roles.index(role) if role in roles else _LAST_RANK
        for name, roles in AUTHORITY.items()
    }
    for role in AgencyRole
}


def rank(role: AgencyRole, attribute: str) -> int:
    """Return 0 for the role that answers for the attribute, more for every other."""
    return _RANKS[role][attribute]


class _Span:
    """A value that one source record holds over an interval; it grows while it is derived.

    Attributes:
        start: First day, as an ordinal number.
        end: Day after the last, as an ordinal number.
        ordinal: Of an item of a many-valued attribute: its place in the list that was sent.
        strength: Sort key among the spans of one attribute, set before they are sorted.
    """

    __slots__ = ("end", "name", "ordinal", "said_by", "start", "strength", "value")

    def __init__(
        self,
        name: str,
        value: JSONValue,
        ordinal: int,
        *,
        start: int,
        end: int,
        said_by: SourceRecord,
    ) -> None:
        self.name = name
        self.value = value
        self.ordinal = ordinal
        self.start = start
        self.end = end
        self.said_by = said_by
        self.strength: tuple[object, ...] = ()

    def part(self, start: int, end: int) -> "_Span":
        """Return the part of the span between two days."""
        if start == self.start and end == self.end:
            return self
        part = _Span(
            self.name, self.value, self.ordinal, start=start, end=end, said_by=self.said_by
        )
        part.strength = self.strength
        return part


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
    return [v for v in ordered if v.version > withdrawn_before and v.version not in corrected]


def _live(versions: list[SourceRecord]) -> list[SourceRecord]:
    """Return `live_versions`; most records have one version."""
    if len(versions) == 1 and versions[0].kind is RecordKind.STATEMENT:
        return versions
    return live_versions(versions)


def derive_history(
    records: Iterable[SourceRecord], roles: Mapping[AgencyId, AgencyRole]
) -> dict[str, tuple[AttributeValue, ...]]:
    """Derive the history of a person from everything that was ever said about them.

    Of a single-valued attribute each agency has one word for each day: its stronger record ends
    what its weaker ones said. A word that a stronger agency says too, of the same days, is left
    out: it can neither win nor contradict. Many-valued attributes have one entry per item.

    Args:
        records: All versions of all source records of the person, in any order.
        roles: The role of every agency that occurs.

    Returns:
        Every value not taken back, by attribute, strongest first.
    """
    spans: dict[str, list[_Span]] = {}
    by_record = attrgetter("agency_id", "record_number")
    for (agency_id, record_number), versions in groupby(
        sorted(records, key=by_record), key=by_record
    ):
        ranks = _RANKS[roles[agency_id]]
        for span in _spans(_live(list(versions))):
            said_by = span.said_by
            span.strength = (
                ranks[span.name],
                -said_by.valid_from.toordinal(),
                agency_id,
                record_number,
                -said_by.version,
                span.ordinal,
                span.start,
            )
            known = spans.get(span.name)
            if known is None:
                spans[span.name] = [span]
            else:
                known.append(span)
    history: dict[str, tuple[AttributeValue, ...]] = {}
    for name, attribute in ATTRIBUTES.items():
        found = spans.get(name)
        if found is None:
            continue
        if len(found) > 1:
            found.sort(key=attrgetter("strength"))
            if not attribute.is_many:
                found = _one_word_a_day(found)
        history[name] = tuple(map(_attribute_value, found))
    return history


def begin_history(
    record: SourceRecord, roles: Mapping[AgencyId, AgencyRole]
) -> dict[str, tuple[AttributeValue, ...]]:
    """Return what `derive_history` would make of a statement alone: the first about somebody."""
    said = add_statement({}, record, roles)
    return {name: said[name] for name in sorted(said, key=_PLACES.__getitem__)}


def add_statement(
    history: History, record: SourceRecord, roles: Mapping[AgencyId, AgencyRole]
) -> dict[str, tuple[AttributeValue, ...]]:
    """Return what a record changes in a history: the attributes that are others from then on.

    What `derive_history` would make of all records together, without opening those that the
    history was derived from.

    Args:
        history: Of a person about whom the record's agency had no other record.
        record: The only version of a new record; a statement.
        roles: The role of every agency that occurs.
    """
    changed: dict[str, tuple[AttributeValue, ...]] = {}
    ranks = _RANKS[roles[record.agency_id]]
    since = -record.valid_from.toordinal()
    days = record.valid_from, record.valid_to
    for name, value in record.attributes.items():
        is_many = name in _MANY
        stronger = weaker = known = history.get(name, ())
        if known:
            ours = ranks[name], since, record.agency_id
            place = 0
            while place < len(known) and _strength(known[place], name, roles) < ours:
                place += 1
            stronger, weaker = known[:place], known[place:]
            if not is_many:
                if _says(stronger, value, *days):
                    continue
                weaker = tuple(
                    [
                        word
                        for word in weaker
                        if word.value != value or not _covers(*days, word.valid_from, word.valid_to)
                    ]
                )
        said = tuple(
            AttributeValue(
                value=item,
                source=record.agency_id,
                as_of=record.valid_from,
                recorded_at=record.arrived_at,
                valid_from=record.valid_from,
                valid_to=record.valid_to,
                is_authoritative=ranks[name] == 0,
            )
            for item in (value if is_many else (value,))
        )
        if said:
            changed[name] = (*stronger, *said, *weaker)
    return changed


def _says(words: Iterable[AttributeValue], value: JSONValue, start: date, end: date | None) -> bool:
    """Tell whether one of the words says the value of all these days."""
    for word in words:
        if word.value == value and _covers(word.valid_from, word.valid_to, start, end):
            return True
    return False


def _strength(
    word: AttributeValue, name: str, roles: Mapping[AgencyId, AgencyRole]
) -> tuple[int, int, AgencyId]:
    """Return how strong a word is among those of other agencies; the least is the strongest."""
    return _RANKS[roles[word.source]][name], -word.as_of.toordinal(), word.source


def _covers(start: date, end: date | None, other_start: date, other_end: date | None) -> bool:
    """Tell whether the days of one interval are all in another's; what has no end ends last."""
    return start <= other_start and (end is None or (other_end is not None and other_end <= end))


def _attribute_value(span: _Span) -> AttributeValue:
    said_by = span.said_by
    return AttributeValue(
        value=span.value,
        source=said_by.agency_id,
        as_of=said_by.valid_from,
        recorded_at=said_by.arrived_at,
        valid_from=date.fromordinal(span.start),
        valid_to=None if span.end == _OPEN else date.fromordinal(span.end),
        is_authoritative=span.strength[0] == 0,
    )


def _one_word_a_day(spans: Iterable[_Span]) -> list[_Span]:
    """Leave each agency one word for each day, and leave out words that repeat a stronger agency's.

    Args:
        spans: Of one single-valued attribute, strongest first.
    """
    kept: list[_Span] = []
    taken: dict[AgencyId, list[_Span]] = {}
    for span in spans:
        own = taken.get(span.said_by.agency_id)
        if own is None:
            taken[span.said_by.agency_id] = [span]
            if not _is_said(kept, span.value, span.start, span.end):
                kept.append(span)
            continue
        pieces = [(span.start, span.end)]
        for stronger in own:
            pieces = [
                piece
                for start, end in pieces
                for piece in ((start, min(end, stronger.start)), (max(start, stronger.end), end))
                if piece[0] < piece[1]
            ]
        own.append(span)
        kept.extend(
            span.part(start, end)
            for start, end in pieces
            if not _is_said(kept, span.value, start, end)
        )
    return kept


def _is_said(spans: Iterable[_Span], value: JSONValue, start: int, end: int) -> bool:
    """Tell whether one of the spans says the value of all these days."""
    for span in spans:  # noqa: SIM110 - asked for every value of every record; a loop is faster
        if span.value == value and span.start <= start and end <= span.end:
            return True
    return False


def _spans(versions: Sequence[SourceRecord]) -> list[_Span]:
    """Cut the life of one source record into intervals, each told by its highest version."""
    if len(versions) == 1:
        only = versions[0]
        start, end = _days(only)
        return [
            _Span(name, value, ordinal, start=start, end=end, said_by=only)
            for name, value, ordinal in _items(only)
        ]
    edges = sorted({day for version in versions for day in _days(version)})
    spans: list[_Span] = []
    growing: dict[tuple[str, str], _Span] = {}
    for start, end in pairwise(edges):
        covering = [v for v in versions if _days(v)[0] <= start < _days(v)[1]]
        held: dict[tuple[str, str], _Span] = {}
        for name, value, ordinal in _items(covering[-1]) if covering else ():
            span = growing.get((name, repr(value)))
            if span is None:
                span = _Span(name, value, ordinal, start=start, end=end, said_by=covering[-1])
                spans.append(span)
            else:
                span.ordinal, span.end, span.said_by = ordinal, end, covering[-1]
            held[name, repr(value)] = span
        growing = held
    return spans


_OPEN = date.max.toordinal() + 1
"""The end of what has no end."""


def _days(record: SourceRecord) -> tuple[int, int]:
    """Return the interval of a record in days; the end is exclusive."""
    end = _OPEN if record.valid_to is None else record.valid_to.toordinal()
    return record.valid_from.toordinal(), end


def _items(record: SourceRecord) -> Iterable[tuple[str, JSONValue, int]]:
    """Return the values of a record, the items of a many-valued attribute one by one, numbered."""
    for name, value in record.attributes.items():
        if ATTRIBUTES[name].is_many:
            for ordinal, item in enumerate(value):
                yield name, item, ordinal
        else:
            yield name, value, 0
