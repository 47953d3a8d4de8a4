"""Learn the model that the register ships: by Splink, offline, from the tuning seeds.

    python -m loadtests.matching.learn population_register/models/persons-4.json

Our own comparators are registered in DuckDB as functions, so Splink sees the very levels that the
register scores with. Splink estimates `m` by expectation and maximisation within blocks; the two
runs, over blocks in which different features are free, are averaged. `u`, the household and the
number-sharing strangers come from our own learning, which Splink has no notion of. Finally both are
run on the same pairs, and how far their `m` are apart is printed and kept in the file.
"""

import json
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import splink.comparison_level_library as cll
from splink import DuckDBAPI, Linker, SettingsCreator
from splink.comparison_library import CustomComparison

from loadtests.matching.population import TUNING, write_table
from population_register.candidates import BlockingReport, pairs
from population_register.comparison import COMPARATORS, NAME_ORDER, Profile, best_level
from population_register.labelled_tables import TruthColumn, read_tables
from population_register.learning import learn
from population_register.matching_model import Feature, Model
from population_register.maximisation import maximise
from population_register.model_files import model_document
from population_register.scoring import Scorer
from population_register.table_mapping import parse_table_mapping

_PEOPLE = 2_000
_BETWEEN = "\x1f"
_OTHER_NUMBERS = ("enp", "foreign_passport", "birth_certificate")
_REGISTER_PRIOR_BITS = -22.0
"""Two records of a register of some millions; see docs/matching.md."""

_BLOCKS = (
    "l.birthdate = r.birthdate",
    "l.family_name = r.family_name and l.given_name = r.given_name",
)
_LEAST_SHARE = 0.0005
_MOST_COMMON = 400  # values whose frequency is shipped
_RAREST = 0.0002  # of a name that is not: made-up people have too few to tell better


def _function(feature: Feature) -> Callable[[str, str], int]:
    comparator = COMPARATORS[feature.kind]

    def level(left: str, right: str) -> int:
        found, _ = best_level(comparator, tuple(left.split(_BETWEEN)), tuple(right.split(_BETWEEN)))
        return found

    return level


def _linker(profiles: list[Profile], features: list[Feature], prior: float) -> Linker:
    connection = duckdb.connect()
    comparisons = []
    for feature in features:
        name = feature.name
        function = f"level_{name}"
        connection.create_function(function, _function(feature), ["VARCHAR", "VARCHAR"], "INTEGER")
        call = f'{function}("{name}_l", "{name}_r")'
        levels: list[Any] = [cll.NullLevel(name)]
        last = len(feature.m) - 1
        for number, (m, u) in enumerate(zip(feature.m, feature.u, strict=True)):
            shape = cll.ElseLevel() if number == last else cll.CustomLevel(f"{call} = {number}")
            levels.append(shape.configure(m_probability=m, u_probability=u, fix_u_probability=True))
        comparisons.append(
            CustomComparison(
                output_column_name=name, comparison_levels=levels, comparison_description=name
            )
        )
    table = pd.DataFrame(
        [
            {"unique_id": index, **{f.name: _BETWEEN.join(p[f.name]) if f.name in p else None
                                    for f in features}}
            for index, p in enumerate(profiles)
        ]
    )  # fmt: skip
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=comparisons,
        probability_two_random_records_match=prior,
        em_convergence=1e-6,
        max_iterations=200,
    )
    api = DuckDBAPI(connection)
    return Linker(api.register(table), settings)


def _levels_by_splink(linker: Linker) -> dict[str, list[float | None]]:
    """Return `m` by feature as Splink saves it; None of levels that it never saw."""
    for rule in _BLOCKS:
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    saved = linker.misc.save_model_to_json()
    return {
        comparison["output_column_name"]: [
            share if isinstance(share := level.get("m_probability"), float) else None
            for level in comparison["comparison_levels"]
            if not level.get("is_null_level")
        ]
        for comparison in saved["comparisons"]
    }


def _apart(linker: Linker, profiles: list[Profile], model: Model) -> float:
    """Run one block in Splink and in `maximise`; return how far their `m` are apart."""
    session = linker.training.estimate_parameters_using_expectation_maximisation(_BLOCKS[0])
    theirs = {
        comparison.output_column_name: [
            share if isinstance(share := level.m_probability, float) else 0.0
            for level in comparison._comparison_levels_excluding_null  # noqa: SLF001 - no other way
        ]
        for comparison in session.core_model_settings.comparisons
    }
    free = tuple(f for f in model.features if f.name in theirs)
    blocks: dict[str, list[int]] = {}
    for index, profile in enumerate(profiles):
        for born in profile.get("birthdate", ()):
            blocks.setdefault(born, []).append(index)
    start = replace(
        model,
        features=tuple(replace(f, frequencies={}, crowded=frozenset()) for f in free),
        prior=model.prior,
        kin_prior=0.0,
    )
    scorer = Scorer(start)
    counts: Counter[tuple[tuple[int, ...], int]] = Counter()
    for members in blocks.values():
        for position, one in enumerate(members):
            for other in members[position + 1 :]:
                counts[scorer.compare(profiles[one], profiles[other])[0], 0] += 1
    ours = maximise(
        replace(start, prior=0.5),
        counts,
        total_pairs=sum(counts.values()),
        known=[0.0] * len(free),
        smoothing=0.0,
        rounds=200,
    ).model
    return max(
        abs(m - their) for f in ours.features for m, their in zip(f.m, theirs[f.name], strict=True)
    )


def main(path: Path) -> None:
    """Learn and write the model."""
    mapping = parse_table_mapping(
        tomllib.loads((Path(__file__).parent / "population.toml").read_text("utf-8"))
    )
    profiles: list[Profile] = []
    for seed in TUNING:
        out = StringIO()
        write_table(seed, _PEOPLE, out)
        out.seek(0)
        profiles += read_tables([out], mapping, TruthColumn(name="person")).profiles
    learned = learn(profiles, mapping.kinds(), _all_patterns(profiles), version=path.stem).model
    features = [f for f in learned.features if f.name != NAME_ORDER]
    by_splink = _levels_by_splink(_linker(profiles, features, learned.prior))
    apart = _apart(_linker(profiles, features, learned.prior), profiles, learned)
    print(f"m of Splink and ours on the same pairs are at most {apart:.2g} apart")
    shipped = replace(
        learned,
        prior=2.0**_REGISTER_PRIOR_BITS,
        kin_prior=2.0**_REGISTER_PRIOR_BITS,
        link=8.0,
        ask=-4.0,
        features=_with_other_numbers(
            [_shipped(f, by_splink.get(f.name)) for f in learned.features]
        ),
    )
    document = model_document(
        shipped,
        learned_by="splink 5.0.0 over our comparators (m); population_register.learning (the rest)",
        learned_from=f"loadtests.matching.population, seeds {TUNING}, {_PEOPLE} people each",
        taken_over=f"{', '.join(_OTHER_NUMBERS)} as inn: the population has none of them",
        m_apart_from_splink=float(f"{apart:.2g}"),
    )
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _with_other_numbers(features: list[Feature]) -> tuple[Feature, ...]:
    """Add numbers that the population does not have; the order of names stays last."""
    (inn,) = (feature for feature in features if feature.name == "inn")
    others = [replace(inn, name=name) for name in _OTHER_NUMBERS]
    return (*features[:-1], *others, features[-1])


def _all_patterns(profiles: list[Profile]) -> Callable[[Scorer], dict[Any, float]]:
    def patterns(scorer: Scorer) -> dict[Any, float]:
        counts: Counter[Any] = Counter()
        for left, right in zip(*pairs(profiles, BlockingReport()), strict=True):
            levels, rarities = scorer.compare(profiles[left], profiles[right])
            counts[levels, round(sum(rarities))] += 1
        return dict(counts)

    return patterns


def with_floor(shares: Sequence[float]) -> tuple[float, ...]:
    """Return shares of which none says never: a made-up clerk has no gift for some errors."""
    floored = [max(share, _LEAST_SHARE) for share in shares]
    return tuple(share / sum(floored) for share in floored)


def _shipped(feature: Feature, m: list[float | None] | None) -> Feature:
    """Return a feature with Splink's `m`, smoothed, and the frequencies of common names only."""
    if m is not None:
        mixed = [
            ours if their is None else 0.98 * their + 0.02 * ours
            for their, ours in zip(m, feature.m, strict=True)
        ]
        feature = replace(feature, m=with_floor(mixed))
    common: dict[str, float] = {}
    if feature.name in ("family_name", "given_name", "middle_name"):
        ranked = sorted(feature.frequencies.items(), key=lambda item: -item[1])[:_MOST_COMMON]
        common = {name: round(share, 7) for name, share in ranked if share >= _RAREST}
    rarest = min(common.values(), default=0.0)
    return replace(feature, frequencies=common, rarest=rarest, crowded=frozenset())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
