"""Models as files: what is written is read, and what is none of this format is refused."""

import json
from typing import Any

import pytest

from population_register.matching_model import Feature, Model
from population_register.model_files import (
    CURRENT_MODEL,
    find_model,
    model_document,
    parse_model,
    shipped_model,
)

MODEL = Model(
    version="test-1",
    features=(
        Feature(
            name="gender",
            kind="category",
            m=(0.9, 0.1),
            u=(0.6, 0.4),
            kin=(0.5, 0.5),
            twin=(0.7, 0.3),
            has_fixed_u=True,
        ),
        Feature(
            name="family_name",
            kind="category",
            m=(0.8, 0.2),
            u=(0.01, 0.99),
            kin=(0.6, 0.4),
            twin=(1.0, 0.0),
            frequencies={"ким": 0.25},
            rarest=0.125,
        ),
    ),
    prior=0.25,
    kin_prior=0.125,
    link=8.0,
    ask=-7.0,
)


def test_model_that_was_written_is_read_back() -> None:
    document = model_document(MODEL, learned="by hand")

    assert parse_model(json.loads(json.dumps(document))) == MODEL
    assert (document["format"], document["learned"]) == (1, "by hand")


@pytest.mark.parametrize("share", ["m", "u", "kin", "twin"])
@pytest.mark.parametrize("count", [1, 3])
def test_feature_with_another_number_of_levels_is_refused(share: str, count: int) -> None:
    document: dict[str, Any] = model_document(MODEL)
    document["features"]["gender"][share] = [1 / count] * count

    with pytest.raises(ValueError, match="gender: a category has 2 levels"):
        parse_model(document)


def test_model_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format 1"):
        parse_model({**model_document(MODEL), "format": 2})


def test_model_of_another_release_is_not_found() -> None:
    assert find_model("persons-0") is None
    assert find_model(CURRENT_MODEL) == shipped_model()
