"""What a model of matching knows: its features, and how likely each of their levels is. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from population_register.comparison import COMPARATORS, Comparator


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature of a model: how it is compared, and how often each level occurs.

    Attributes:
        name: The feature of a profile.
        kind: The comparator.
        m: Of each level, how often in two records of one person who both know the feature.
        u: The same of two strangers.
        kin: The same of two of one household.
        twin: The same of twins, who are `TWINS` of those.
        frequencies: Of values, how many of all have them; empty where values are all equally rare.
        rarest: The frequency of a value that is not listed.
        crowded: Values of which it is known that several people have them.
        has_fixed_u: Whether learning leaves `u` as it is.
    """

    name: str
    kind: str
    m: tuple[float, ...]
    u: tuple[float, ...]
    kin: tuple[float, ...]
    twin: tuple[float, ...]
    frequencies: Mapping[str, float] = field(default_factory=dict)
    rarest: float = 0.0
    crowded: frozenset[str] = frozenset()
    has_fixed_u: bool = False

    @property
    def comparator(self) -> Comparator:
        """Return what compares the feature."""
        return COMPARATORS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """All that a score depends on. Two processes with one model give equal scores.

    Attributes:
        version: Names it; kept with every decision.
        features: In the order of levels.
        prior: The share of pairs that are one person, among all pairs.
        kin_prior: The share of pairs that are two of one household.
        link: The score from which on two records are one person.
        ask: The score from which on a human should look.
    """

    version: str
    features: tuple[Feature, ...]
    prior: float
    kin_prior: float
    link: float = 0.0
    ask: float = -6.0
