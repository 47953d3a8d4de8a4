"""Tables of shapes that nobody expects: `python -m loadtests.matching.gauntlet [SEED…] [PART…]`.

A person with half of the rows; an employer's telephone; a number of everybody who has none; dates
in the order of another country; ages instead of birth dates; names cut off, swapped, married; the
names of other languages with and without their accents. Each is small and falls from a seed.
"""

import io
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from loadtests.matching import damage, elsewhere
from loadtests.matching.noise import Noise
from loadtests.matching.population import TUNING
from loadtests.matching.worlds import World
from population_register.api import MatchingReport, TruthColumn, evaluate_matching

_NAMED = {"given_name": "first", "family_name": "last"}
_BORN = {**_NAMED, "birthdate": "born"}
_HOME = {"postal_code": "zip", "locality": "town", "street": "street", "house": "house"}
_FULL = {**_BORN, **_HOME, "gender": "sex", "phone": "phone"}


def _world(
    noise: Noise,
    columns: Mapping[str, Any],
    *,
    sizes: damage.Sizes = damage.few,
    change: damage.Change = damage.nothing,
    people: int = 700,
    source: str | None = None,
) -> World:
    return World(
        rows=lambda seed, n: damage.rows(seed, n, noise, sizes, change),
        mapping={"columns": columns, **({"source": source} if source else {})},
        people=people,
    )


_USUAL = Noise(errors=0.05, missing=0.1)

TABLES: Mapping[str, World] = {
    "half of the rows are one person's": _world(
        _USUAL, _FULL, sizes=damage.half_is_one, people=600
    ),
    "half of the rows are one person's, few columns": _world(
        Noise(missing=0.05), _BORN, sizes=damage.half_is_one, people=600
    ),
    "a few people have hundreds of rows": _world(_USUAL, _FULL, sizes=damage.hundreds, people=400),
    "five to thirty rows each": _world(
        _USUAL,
        {**_FULL, "snils": "number"},
        sizes=damage.five_to_thirty,
        people=150,
        source="source",
    ),
    "an employer's telephone and mailbox": _world(
        _USUAL, {**_BORN, "phone": "phone", "email": "mail"}, change=damage.of_an_employer
    ),
    "the number of the head of the house": _world(
        _USUAL, {**_BORN, "phone": "phone", "snils": "number"}, change=damage.of_the_head
    ),
    "placeholders": _world(
        _USUAL,
        {**_BORN, "phone": "phone", "email": "mail", "snils": "number", "postal_code": "zip"},
        change=damage.filled_in,
        people=1_200,
    ),
    "wrong numbers": _world(_USUAL, {**_BORN, "snils": "number"}, change=damage.wrong_number),
    "dates and names as each source writes them": _world(
        _USUAL,
        {"full_name": "name", "birthdate": "born", "locality": "town", "phone": "phone"},
        change=damage.abroad,
        source="source",
    ),
    "ages at several times": _world(
        _USUAL,
        {**_NAMED, "age": {"column": "age", "at": "year"}, **_HOME},
        change=damage.aged,
    ),
    "years of birth": _world(
        _USUAL, {**_BORN, "middle_name": "second", "postal_code": "zip"}, change=damage.aged
    ),
    "address in one column, names swapped": _world(
        Noise(errors=0.05, missing=0.1, swapped_names=0.15),
        {**_BORN, "address": "address"},
        change=damage.in_one_column,
    ),
    "nicknames, initials, double names, titles": _world(
        Noise(errors=0.04, missing=0.1, nicknames=0.2, initials=0.05),
        {**_BORN, "locality": "town", "postal_code": "zip"},
        change=damage.married,
    ),
    "cut off after six letters": _world(_USUAL, {**_BORN, **_HOME}, change=damage.cut_off),
    "six in ten cells are empty": _world(
        Noise(errors=0.04, missing=0.6),
        {**_FULL, "email": "mail", "snils": "number", "middle_name": "second"},
    ),
    "no birth date": _world(_USUAL, {**_NAMED, **_HOME, "phone": "phone"}),
    "fathers and sons of one name": _world(_USUAL, _FULL, change=damage.junior),
    "two sources, name and birth only": World(
        rows=lambda seed, n: damage.rows(
            seed, n, Noise(errors=0.06, missing=0.05), damage.pairs, sources=2
        ),
        mapping={"source": "source", "one_per_source": True, "columns": _BORN},
        people=1_000,
    ),
    "Dutch": World(
        rows=lambda seed, n: elsewhere.elsewhere(seed, n, "dutch", is_family_first=False),
        mapping={"columns": {"full_name": "name", "birthdate": "born", "postal_code": "zip"}},
        people=800,
    ),
    "Brazilian": World(
        rows=lambda seed, n: elsewhere.elsewhere(seed, n, "brazilian", is_family_first=False),
        mapping={"columns": {**_BORN, "locality": "town"}},
        people=800,
    ),
    "Hungarian": World(
        rows=lambda seed, n: elsewhere.elsewhere(seed, n, "hungarian", is_family_first=True),
        mapping={
            "columns": {
                "full_name": {"column": "name", "family_first": True},
                "birthdate": "born",
                "locality": "town",
            }
        },
        people=800,
    ),
    "German": World(
        rows=lambda seed, n: elsewhere.elsewhere(seed, n, "german", is_family_first=False),
        mapping={"columns": {**_BORN, "postal_code": "zip"}},
        people=800,
    ),
    "German, one duplicate in ten": World(
        rows=elsewhere.german_days,
        mapping={"columns": {**_NAMED, "birthdate": ["year", "month", "day"]}},
        people=4_000,
    ),
    "voters of six elections": World(
        rows=elsewhere.voters,
        mapping={
            "source": "source",
            "columns": {
                **_NAMED,
                **_HOME,
                "middle_name": "second",
                "gender": "sex",
                "phone": "phone",
                "age": {"column": "age", "at": "year"},
            },
        },
        people=900,
    ),
}
"""By name, as the bench prints them."""


def score(world: World, seed: int) -> MatchingReport:
    """Return how well a table is matched."""
    return evaluate_matching(
        io.StringIO(world.table(seed)), mapping=world.mapping, truth=TruthColumn(name="truth")
    )


def main(said: Sequence[str]) -> None:
    """Print the figures of tables, those of the tuning seeds unless others are named."""
    seeds = [int(word) for word in said if word.isdigit()] or TUNING[:1]
    parts = [word for word in said if not word.isdigit()]
    for seed in seeds:
        sums = [0.0, 0.0]
        for name, world in TABLES.items():
            if parts and not any(part in name for part in parts):
                continue
            begun = time.process_time()
            report = score(world, seed)
            found = report.clusters
            sums = [sums[0] + found.f1, sums[1] + 1]
            print(
                f"{name:<48} {seed:>4} {report.records:>6,} {report.people:>6,}"
                f" {report.persons:>6,} {found.precision:.4f} {found.recall:.4f} {found.f1:.4f}"
                f" {report.best_pairs[0]:.4f} {report.blocked_recall:8.2%}"
                f" {time.process_time() - begun:5.1f}",
                flush=True,
            )
        print(f"{'mean F1':<48} {seed:>4} {sums[0] / max(1.0, sums[1]):38.4f}")


if __name__ == "__main__":
    main(sys.argv[1:])
