"""What a human would be asked: `python -m loadtests.matching.questions [SEED…] [--people N]`.

The register's own keys, model and clustering over the made-up population, all its columns and then
names and birth dates alone. For each threshold: questions about two persons for a thousand records,
how many of them are one person, and how many joins of persons nobody would be asked about.
"""

import argparse
import csv
import io
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from loadtests.matching.population import TUNING, write_table
from population_register.blocking import MOST_BEARERS, register_keys
from population_register.clustering import cluster, vote
from population_register.comparison import Profile
from population_register.model_files import register_scorer
from population_register.table_mapping import ProfileReader, parse_table_mapping

_THRESHOLDS = (-9, -7, -6, -5, -4, -3, -2, 0, 2, 4, 6)
_ALL_BUT_NAMES_AND_BIRTH = (
    "snils", "inn", "passport", "middle_name", "phone", "postal_code", "region", "locality",
    "street", "house", "flat",
)  # fmt: skip


def records(seed: int, people: int, without: Sequence[str] = ()) -> tuple[list[Profile], list[str]]:
    """Return the profiles of a population, and whose they are."""
    out = io.StringIO()
    write_table(seed, people, out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    said = tomllib.loads((Path(__file__).parent / "population.toml").read_text("utf-8"))
    reader = ProfileReader(parse_table_mapping(said).without(without), rows)
    return [reader.read(row) for row in rows], [row["person"] for row in rows]


def _compared(profiles: Sequence[Profile]) -> Iterator[tuple[int, int]]:
    """Return the pairs of records that the register would compare, each once."""
    bearers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, profile in enumerate(profiles):
        for key in register_keys(profile):
            bearers[key].append(index)
    seen: set[tuple[int, int]] = set()
    for members in bearers.values():
        named = {(profiles[i].get("family_name"), profiles[i].get("given_name")) for i in members}
        if len(named) <= MOST_BEARERS:
            seen.update(combinations(members, 2))
    yield from sorted(seen)


def questions(
    profiles: Sequence[Profile], truth: Sequence[str]
) -> tuple[list[tuple[float, bool]], int]:
    """Return of every two persons that were compared the best score and whether they are one.

    And how many joins are missing: persons found beyond one for each that there is.
    """
    scorer = register_scorer()
    scored = [(a, b, scorer.bits(profiles[a], profiles[b])) for a, b in _compared(profiles)]
    clusters = cluster(
        range(len(profiles)),
        [edge for edge in scored if edge[2] > scorer.model.link],
        lambda a, b: vote(*scorer.bits_and_against(profiles[a], profiles[b])),
    )
    of = {index: number for number, members in enumerate(clusters) for index in members}
    best: dict[tuple[int, int], tuple[float, bool]] = {}
    for one, other, bits in scored:
        pair = (min(of[one], of[other]), max(of[one], of[other]))
        if pair[0] != pair[1] and (pair not in best or bits > best[pair][0]):
            best[pair] = bits, truth[one] == truth[other]
    missing = len({(of[index], person) for index, person in enumerate(truth)}) - len(set(truth))
    return list(best.values()), missing


def main() -> None:
    """Print the figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("seed", nargs="*", type=int, default=list(TUNING[:1]))
    arguments.add_argument("--people", type=int, default=5_000)
    said = arguments.parse_args()
    for seed in said.seed:
        for name, without in (("all columns", ()), ("name, birth", _ALL_BUT_NAMES_AND_BIRTH)):
            profiles, truth = records(seed, said.people, without)
            found, missing = questions(profiles, truth)
            thousands = len(profiles) / 1_000
            print(f"seed {seed}, {name}: {len(profiles):,} records, {missing:,} joins missing")
            for threshold in _THRESHOLDS:
                asked = [is_one for bits, is_one in found if bits > threshold]
                print(
                    f"  above {threshold:>3}: {len(asked) / thousands:8.2f} questions for 1,000 "
                    f"records, {sum(asked) / thousands:8.2f} of them one person",
                    flush=True,
                )


if __name__ == "__main__":
    main()
