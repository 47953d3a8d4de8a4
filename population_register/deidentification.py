"""Data about nobody: people as cells of a table, coarse enough that no row stands alone. No I/O.

A person becomes a *cell*: one value of each dimension, at its finest level. Each dimension has
levels, from fine to coarse; the last says nothing. `choose_levels` takes the finest levels at
which every class of equal people has at least k of them, after leaving out a bounded share.

Source:
    k-anonymity by full-domain generalization and suppression: Samarati, Protecting respondents'
    identities in microdata release, IEEE TKDE 13(6), 2001.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib.resources import files
from itertools import product
from typing import TypeAlias

from population_register.model import CurrentRecord, partial_date_range

ANY = "*"
"""What a dimension says at its coarsest level."""

UNKNOWN = "unknown"
OLDEST = 100  # years; older people are too few to be told apart

Cell: TypeAlias = tuple[str, ...]
"""One value of each dimension, in the order of `DIMENSIONS`."""

Table: TypeAlias = Mapping[Cell, int]
"""How many people are in each cell; cells with nobody are absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One thing that is told about people.

    Attributes:
        name: In requests and in the heading of an extract.
        levels: Name of each level, from fine to coarse.
        coarsen: From a value of the finest level and the number of a level to the value there.
        values: Every value of each level: fixed beforehand, whoever is in the register.
    """

    name: str
    levels: tuple[str, ...]
    coarsen: Callable[[str, int], str]
    values: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Generalization:
    """How coarse an extract must be, and what that costs.

    Attributes:
        levels: The level of each dimension of the extract, by number.
        rows: People in the extract.
        suppressed: People left out: their classes are smaller than k even so.
        classes: Classes of equal people in the extract.
        smallest: People in the smallest class; 0 if the extract is empty.
    """

    levels: tuple[int, ...]
    rows: int
    suppressed: int
    classes: int
    smallest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What an extract shows.

    Attributes:
        levels: The level of every dimension; of those that it does not have, the coarsest.
        k: The least number of people in a class.
        people: Whom it is about; the classes follow from it.
    """

    levels: tuple[int, ...]
    k: int
    people: Table = field(repr=False)

    @classmethod
    def of(cls, table: Table, names: Sequence[str], levels: Sequence[int], *, k: int) -> "View":
        """Return what an extract of a population at the given levels shows."""
        own = dict(zip(names, levels, strict=True))
        return cls(
            levels=tuple(
                own.get(name, len(dimension.levels) - 1) for name, dimension in DIMENSIONS.items()
            ),
            k=k,
            people=released(table, names, levels, k=k),
        )

    def stands_beside(self, given: Collection["View"]) -> bool:
        """Tell whether it tells no more beside each of others than both promise."""
        return all(stands_beside(self, each) for each in given)


# From a person to a cell


def cell_of(record: CurrentRecord) -> Cell | None:
    """Return the cell of a person on the record's day; None for the dead and the not yet born."""
    if record.find("deathdate") is not None:
        return None
    born = record.find("birthdate")
    age = UNKNOWN
    if born is not None:
        _, latest = partial_date_range(born.value)
        years = _years(latest, record.on)
        if years < 0:
            return None
        age = str(min(years, OLDEST))
    gender = record.find("gender")
    status = record.find("marital_status")
    return (
        UNKNOWN if gender is None else str(gender.value),
        age,
        _region(record),
        _citizenship(record),
        UNKNOWN if status is None else str(status.value["status"]),
    )


def _years(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _region(record: CurrentRecord) -> str:
    address = record.find("registration_address") or record.find("stay_address")
    if address is None:
        return UNKNOWN
    return find_region(address.value.get("region") or address.value["formatted"])


def _citizenship(record: CurrentRecord) -> str:
    citizenships = record.find("citizenships")
    if citizenships is None:
        return UNKNOWN
    if not citizenships.value:
        return "stateless"
    return "russian" if "RUS" in citizenships.value else "foreign"


@lru_cache(maxsize=4096)
def find_region(text: str) -> str:
    """Return the federal subject that a text of an address names first, or `UNKNOWN`.

    Of `Московская` it is not enough without `обл`: streets are called so in every town.
    """
    words = _words(text)
    for place in range(len(words)):
        for stem, following, name in _stems():
            rest = words[place : place + len(stem) + 1]
            if tuple(rest[: len(stem)]) == stem and (
                following is None or (rest[len(stem) :][:1] and rest[-1].startswith(following))
            ):
                return name
    return UNKNOWN


_WORD = re.compile(r"\w+")
_GENERIC = {"область", "край", "республика", "автономный", "автономная", "округ"}
_AREA = " область"


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold().replace("ё", "е"))


@lru_cache
def _stems() -> tuple[tuple[tuple[str, ...], str | None, str], ...]:
    """Return the words by which a region is known, how the next one must begin, and its name."""
    return tuple(
        (
            tuple(word for word in _words(name) if word not in _GENERIC),
            "обл" if name.count(" ") == 1 and name.endswith(_AREA) else None,
            name,
        )
        for name in _districts()
    )


@lru_cache
def _districts() -> Mapping[str, str]:
    """Return the federal district of each federal subject, named as in ISO 3166-2:RU."""
    text = (files("population_register") / "models" / "federal_subjects.json").read_text("utf-8")
    return {name: district for district, names in json.loads(text).items() for name in names}


# Dimensions


def _plainly(value: str, level: int) -> str:
    return value if level == 0 else ANY


def _coarsen_age(value: str, level: int) -> str:
    if level == len(_AGE_LEVELS) - 1:
        return ANY
    if value == UNKNOWN or level == 0:
        return value
    years = int(value)
    if level < len(_BANDS) + 1:
        width = _BANDS[level - 1]
        first = min(years // width * width, OLDEST)
        return f"{OLDEST}+" if first == OLDEST else f"{first}-{first + width - 1}"
    return "0-15" if years < _WORKING else ("16-64" if years < _OLD else "65+")


_BANDS = (5, 10)
_WORKING, _OLD = 16, 65
_AGE_LEVELS = ("year", "five_years", "ten_years", "stage_of_life", "any")


def _coarsen_region(value: str, level: int) -> str:
    match level:
        case 0:
            return value
        case 1:
            return _districts().get(value, UNKNOWN)
        case _:
            return ANY


def _values(
    finest: Sequence[str], levels: int, coarsen: Callable[[str, int], str]
) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(dict.fromkeys(coarsen(value, level) for value in finest)) for level in range(levels)
    )


def _dimension(
    name: str, levels: tuple[str, ...], finest: Sequence[str], coarsen: Callable[[str, int], str]
) -> Dimension:
    values = _values((*finest, UNKNOWN), len(levels), coarsen)
    return Dimension(name=name, levels=levels, coarsen=coarsen, values=values)


DIMENSIONS: Mapping[str, Dimension] = {
    dimension.name: dimension
    for dimension in (
        _dimension("sex", ("sex", "any"), ("female", "male"), _plainly),
        _dimension("age", _AGE_LEVELS, [str(years) for years in range(OLDEST + 1)], _coarsen_age),
        _dimension("region", ("subject", "district", "any"), list(_districts()), _coarsen_region),
        _dimension(
            "citizenship",
            ("citizenship", "any"),
            ("russian", "foreign", "stateless"),
            _plainly,
        ),
        _dimension(
            "marital_status",
            ("status", "any"),
            ("single", "married", "divorced", "widowed"),
            _plainly,
        ),
    )
}
"""What is told about people, in the order of a cell."""

POSITION: Mapping[str, int] = {name: place for place, name in enumerate(DIMENSIONS)}


# k-anonymity


def project(table: Table, names: Sequence[str], levels: Sequence[int]) -> Counter[Cell]:
    """Return how many people are in each class of the named dimensions at the given levels."""
    classes: Counter[Cell] = Counter()
    for cell, people in table.items():
        classes[classify(cell, names, levels)] += people
    return classes


def classify(cell: Cell, names: Sequence[str], levels: Sequence[int]) -> Cell:
    """Return the class of a cell."""
    return tuple(
        DIMENSIONS[name].coarsen(cell[POSITION[name]], level)
        for name, level in zip(names, levels, strict=True)
    )


def released(table: Table, names: Sequence[str], levels: Sequence[int], *, k: int) -> Table:
    """Return whom an extract is about: the cells whose class has at least `k` people."""
    classes = project(table, names, levels)
    return {
        cell: people
        for cell, people in table.items()
        if classes[classify(cell, names, levels)] >= k
    }


def choose_levels(
    table: Table,
    names: Sequence[str],
    *,
    k: int,
    most_suppressed: float,
    given: Collection[View] = (),
) -> Generalization:
    """Choose the finest levels at which an extract is k-anonymous.

    Args:
        table: Whom the extract is about.
        names: Dimensions of the extract; all of them count as what a person could be known by.
        k: The least number of equal people in a class; 2 or more.
        most_suppressed: The share of people that may be left out for finer levels, 0 to 1.
        given: Extracts that the recipient has; beside each of them this one must stand.

    Returns:
        Of the combinations that leave out few enough, the one that coarsens least (the sum over
        the dimensions of the share of their levels); of equals, the one that leaves out fewest.
        If no combination does, everything is at its coarsest level.
    """
    total = sum(table.values())
    heights = [len(DIMENSIONS[name].levels) - 1 for name in names]
    best: tuple[float, int, tuple[int, ...]] | None = None
    for levels in product(*(range(height + 1) for height in heights)):
        loss = sum(level / height for level, height in zip(levels, heights, strict=True))
        if best is not None and loss > best[0]:
            continue
        classes = project(table, names, levels)
        suppressed = sum(people for people in classes.values() if people < k)
        if suppressed > most_suppressed * total:
            continue
        candidate = (loss, suppressed, levels)
        if best is not None and candidate >= best:
            continue
        if not given or View.of(table, names, levels, k=k).stands_beside(given):
            best = candidate
    chosen = tuple(heights) if best is None else best[2]
    return describe(table, names, chosen, k=k)


def describe(
    table: Table, names: Sequence[str], levels: tuple[int, ...], *, k: int
) -> Generalization:
    """Return what an extract at the given levels is, smaller classes than k left out."""
    kept = [people for people in project(table, names, levels).values() if people >= k]
    return Generalization(
        levels=levels,
        rows=sum(kept),
        suppressed=sum(table.values()) - sum(kept),
        classes=len(kept),
        smallest=min(kept, default=0),
    )


# Two extracts for one recipient


def stands_beside(new: View, given: View) -> bool:
    """Tell whether two extracts tell no more together than each promises.

    One of them has to be a coarser picture than the other in every dimension, or as coarse: then
    all that both tell beyond the finer one is by how many people their classes differ at the
    coarser levels. Where two are fine in different dimensions there is no such bound.

    Of no class may the difference be of fewer people than either promises: nobody, or k.

    Source:
        Yao, Wang, Jajodia, Checking for k-anonymity violation by views, VLDB 2005.
    """
    coarser = tuple(map(max, new.levels, given.levels))
    if coarser not in {new.levels, given.levels}:
        return False
    names = tuple(DIMENSIONS)
    difference = project(new.people, names, coarser)
    difference.subtract(project(given.people, names, coarser))
    least = max(new.k, given.k)
    return all(people == 0 or abs(people) >= least for people in difference.values())
