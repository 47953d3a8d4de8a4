"""Counts with noise, so that nobody's presence can be told from an answer. No I/O.

The noise is OpenDP's discrete Laplace. One person is one unit in one cell, so an answer, however
many disjoint groups it has, changes by one in one place when a person comes or goes: its
sensitivity is 1 and its price is one ε, whatever the number of groups.

OpenDP draws its randomness from the operating system itself; it must not be made predictable.

Source:
    Dwork and Roth, The Algorithmic Foundations of Differential Privacy, 3.3 and 3.5 (2014);
    Ghosh, Roughgarden, Sundararajan, Universally Utility-Maximizing Privacy Mechanisms (2009).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from population_register.deidentification import DIMENSIONS, Cell, Table, classify
from population_register.errors import CountRefused

MILLI = 1000
"""ε is counted in thousandths, so that a budget adds up exactly."""

MOST_GROUPS = 20_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class CountQuery:
    """How many people are there, in all or in each group?

    Attributes:
        where: Dimension and level to the values that count; a person must fit all of them.
        by: Dimension and level of each grouping; every possible group is answered.
    """

    where: Mapping[tuple[str, int], frozenset[str]]
    by: tuple[tuple[str, int], ...]

    def as_json(self) -> dict[str, object]:
        """Return the query in one form only, to be kept and compared."""
        return {
            "where": {_written(*key): sorted(values) for key, values in sorted(self.where.items())},
            "by": [_written(*key) for key in self.by],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyCounts:
    """The answer: groups and counts with noise.

    Attributes:
        groups: One value of each dimension of `by`; one empty group if there is none.
        counts: As many; below zero becomes zero.
        within: With 95 % confidence a single count is at most this far from the truth, before
            what was below zero became zero.
    """

    groups: tuple[Cell, ...]
    counts: tuple[int, ...]
    within: int


def parse_query(where: Sequence[str], by: Sequence[str]) -> CountQuery:
    """Read a query.

    Args:
        where: `sex=female`, `age.ten_years=20-29`; the same dimension and level twice means either.
        by: `sex`, `region.district`; without a level the finest.

    Raises:
        CountRefused: 400. No such dimension, level or value; a dimension grouped by twice; too
            many groups.
    """
    conditions: dict[tuple[str, int], frozenset[str]] = {}
    for text in where:
        name, separator, value = text.partition("=")
        if not separator:
            raise CountRefused("Write a condition as dimension=value, such as sex=female.")
        key = _parse_level(name)
        known = DIMENSIONS[key[0]].values[key[1]]
        if value not in known:
            raise CountRefused(f"{name} has no such value. It has: {', '.join(known[:30])}.")
        conditions[key] = conditions.get(key, frozenset()) | {value}
    grouping = tuple(_parse_level(text) for text in by)
    if len({name for name, _ in grouping}) < len(grouping):
        raise CountRefused("Group by each dimension once.")
    query = CountQuery(where=conditions, by=grouping)
    if len(_groups(query)) > MOST_GROUPS:
        raise CountRefused(f"That makes more than {MOST_GROUPS} groups: take coarser levels.")
    return query


def _parse_level(text: str) -> tuple[str, int]:
    name, separator, level = text.partition(".")
    dimension = DIMENSIONS.get(name)
    if dimension is None:
        raise CountRefused(f"There is no such dimension. There are: {', '.join(DIMENSIONS)}.")
    if not separator:
        return name, 0
    if level not in dimension.levels:
        raise CountRefused(f"{name} has the levels {', '.join(dimension.levels)}.")
    return name, dimension.levels.index(level)


def _written(name: str, level: int) -> str:
    return f"{name}.{DIMENSIONS[name].levels[level]}"


def _groups(query: CountQuery) -> tuple[Cell, ...]:
    """Return every possible group, whether anybody is in it or not: which are empty is a secret."""
    return tuple(product(*(DIMENSIONS[name].values[level] for name, level in query.by)))


def exact_counts(table: Table, query: CountQuery) -> dict[Cell, int]:
    """Return the true counts of every possible group. Never to be shown."""
    counts = dict.fromkeys(_groups(query), 0)
    names = [name for name, _ in query.by]
    levels = [level for _, level in query.by]
    for cell, people in table.items():
        if all(
            classify(cell, [name], [level])[0] in values
            for (name, level), values in query.where.items()
        ):
            counts[classify(cell, names, levels)] += people
    return counts


def answer(table: Table, query: CountQuery, *, epsilon_milli: int) -> NoisyCounts:
    """Answer a query with noise.

    Args:
        table: Everybody.
        query: What is asked.
        epsilon_milli: The price, in thousandths of ε; the caller has taken it from the budget.
    """
    # Loaded when used: no request and no start needs its 90 ms.
    import opendp.prelude as dp  # noqa: PLC0415

    dp.enable_features("contrib")
    exact = exact_counts(table, query)
    scale = MILLI / epsilon_milli
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l1_distance(T=int)
    mechanism = dp.m.make_laplace(*space, scale=scale)
    assert mechanism.check(1, epsilon_milli / MILLI * (1 + 1e-9))  # the price is the right one
    noisy = mechanism(list(exact.values()))
    return NoisyCounts(
        groups=tuple(exact),
        counts=tuple(max(0, count) for count in noisy),
        within=int(dp.discrete_laplacian_scale_to_accuracy(scale, 1 - CONFIDENCE)),
    )
