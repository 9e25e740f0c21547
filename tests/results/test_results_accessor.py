"""``ds.mlspec``."""

from __future__ import annotations

import numpy as np
import pytest
from law import law
from results_cases import Case, cases, random_case

from mlspec.core.trace import Block
from mlspec.errors import InputError
from mlspec.results import ranges


@law(cases(), quick=40, deep=500)
def test_the_heatmap_is_the_radius_of_every_pixel_that_moves(case: Case) -> None:
    heatmap = case.ds.mlspec.heatmap()
    assert heatmap.dims == ("y", "x")
    assert heatmap.attrs["long_name"]
    index = case.problem.layering.index
    np.testing.assert_array_equal(np.isnan(heatmap), index < 0)
    moving = index >= 0
    np.testing.assert_array_equal(heatmap.values[moving], case.trace.best[index[moving]])


@law(cases(), quick=40, deep=500)
def test_witnesses_are_images_or_errors_that_list_the_layers_with_one(case: Case) -> None:
    with_witness = [
        layer for layer, (block, _) in sorted(case.trace.blocked.items()) if block is Block.WITNESS
    ]
    for layer in range(case.problem.layering.count):
        if layer in with_witness:
            witness = case.ds.mlspec.witness(layer)
            assert witness.dims == ("channel", "y", "x")
            assert not witness.isnull().any()
        else:
            with pytest.raises(InputError, match=f"layers with one: {ranges(with_witness)}$"):
                case.ds.mlspec.witness(layer)


def test_layers_that_do_not_exist() -> None:
    ds = random_case(np.random.default_rng(5)).ds
    for layer in (-1, ds.sizes["layer"]):
        with pytest.raises(InputError, match="they count from 0 to"):
            ds.mlspec.witness(layer)


@pytest.mark.parametrize("layer", [1.5, "0", True, None])
def test_a_layer_is_a_whole_number(layer: object) -> None:
    with pytest.raises(InputError, match="layer: a whole number from 0 on; got"):
        random_case(np.random.default_rng(5)).ds.mlspec.witness(layer)


def test_the_trace_is_a_dataset_of_the_steps() -> None:
    case = random_case(np.random.default_rng(5))
    trace = case.ds.mlspec.trace()
    assert "step_epsilon" in trace
    assert "image" not in trace
    np.testing.assert_allclose(trace["step_epsilon"] @ trace["weight"], trace["step_size"])


def test_the_neighborhood_is_that_of_the_certified_radius() -> None:
    case = random_case(np.random.default_rng(5))
    np.testing.assert_array_equal(case.ds.mlspec.neighborhood().eps, case.trace.best)


def test_ranges() -> None:
    assert ranges([]) == "none"
    assert ranges([3]) == "3"
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
