"""Models as files: read, written, and those that are shipped with the package."""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from math import log2
from typing import Any

from population_register.comparison import COMPARATORS
from population_register.matching_model import Feature, Model
from population_register.scoring import Scorer

CURRENT_MODEL = "persons-4"
"""The model that the register scores with; the file says how it was learned."""


def parse_model(document: Mapping[str, Any]) -> Model:
    """Read a model file.

    Raises:
        KeyError, ValueError: Not a model of this version of the format.
    """
    if document["format"] != 1:
        raise ValueError("this release reads models of format 1")
    features = []
    for name, said in document["features"].items():
        count = len(COMPARATORS[said["kind"]].words)
        if not all(len(said[share]) == count for share in ("m", "u", "kin", "twin")):
            raise ValueError(f"{name}: a {said['kind']} has {count} levels")
        features.append(
            Feature(
                name=name,
                kind=said["kind"],
                m=tuple(said["m"]),
                u=tuple(said["u"]),
                kin=tuple(said["kin"]),
                twin=tuple(said["twin"]),
                frequencies=said.get("frequencies", {}),
                rarest=said.get("rarest", 0.0),
                has_fixed_u=said.get("has_fixed_u", False),
            )
        )
    return Model(
        version=document["version"],
        features=tuple(features),
        prior=2.0 ** document["prior_bits"],
        kin_prior=2.0 ** document["kin_prior_bits"],
        link=document["link"],
        ask=document["ask"],
    )


def model_document(model: Model, **notes: object) -> dict[str, Any]:
    """Return the file of a model; `notes` say where it comes from."""
    return {
        "format": 1,
        "version": model.version,
        **notes,
        "prior_bits": log2(model.prior),
        "kin_prior_bits": log2(model.kin_prior),
        "link": model.link,
        "ask": model.ask,
        "features": {
            feature.name: {
                "kind": feature.kind,
                "m": [round(share, 9) for share in feature.m],
                "u": [round(share, 12) for share in feature.u],
                "kin": [round(share, 9) for share in feature.kin],
                "twin": [round(share, 9) for share in feature.twin],
                **({"has_fixed_u": True} if feature.has_fixed_u else {}),
                **(
                    {"rarest": feature.rarest, "frequencies": dict(feature.frequencies)}
                    if feature.frequencies
                    else {}
                ),
            }
            for feature in model.features
        },
    }


def shipped_model(version: str = CURRENT_MODEL) -> Model:
    """Return a model that came with this release."""
    return _read_shipped(version)


@lru_cache(4)
def _read_shipped(version: str) -> Model:
    path = files("population_register").joinpath("models", f"{version}.json")
    return parse_model(json.loads(path.read_text("utf-8")))


def find_model(version: str) -> Model | None:
    """Return a model that came with this release, or None: it came with another one."""
    try:
        return shipped_model(version)
    except FileNotFoundError:
        return None


@lru_cache(1)
def register_scorer() -> Scorer:
    """Return the scorer of the register: one for each process, whoever asks."""
    return Scorer(shipped_model())
