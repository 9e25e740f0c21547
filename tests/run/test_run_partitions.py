"""Every partition solves, and its answer holds, survives its file, and goes on from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from run_cases import FRUGAL

from mlspec import load_spec, open_result, solve, verify
from mlspec.errors import InputError
from mlspec.report.figure import plot
from mlspec.report.table import comparison, summary
from mlspec.results import eps_of, layering_of, save
from mlspec.run import problem_of, recertify
from mlspec.spec import ExperimentSpec

BOTH = [{"mask": "dataset", "label": "8"}, {"mask": "dataset", "label": "2"}]
CASES: dict[str, dict[str, Any]] = {
    "grid": {"layers": {"box": [16, 16]}},
    "pixels": {"layers": "pixels", "weights": "pixels"},
    "near pixels": {"layers": {"partition": "pixels", "count": 1}},
    "whole": {"layers": "whole"},
    "target": {"around": "target"},
    "each": {"object": BOTH, "around": "each", "target": "2"},
    "asymmetric": {"asymmetric": True},
    "asymmetric grid": {"layers": {"split": [2, 2]}, "asymmetric": True},
}


@pytest.fixture(scope="module", params=CASES)
def result(request: pytest.FixtureRequest) -> xr.Dataset:
    return solve(
        load_spec("specs/small.yaml", {**FRUGAL, "budget.seconds": 2, **CASES[request.param]})
    )


def test_a_partition_solves(result: xr.Dataset, tmp_path: Path) -> None:
    problem, eps = problem_of(result), eps_of(result)
    assert 0.0 < float(result["size"]) <= float(result["upper_bound"])
    assert problem.size(eps) == pytest.approx(float(result["size"]))
    neighborhood = result.mlspec.neighborhood()
    for seed in range(4):
        images = neighborhood.sample(np.random.default_rng(seed), 250)
        assert (problem.margin(images) > 0.0).all()
    down, up = neighborhood.layering.reach(eps)
    np.testing.assert_array_equal(result["epsilon_map"], np.minimum(down, up))
    # A witness refutes the radii that hold it, and no other.
    for witness in result["witness_image"].values:
        extents = layering_of(result).extents(witness - problem.image)
        assert not np.all(extents <= eps)
        assert not neighborhood.box.contains(witness)
    save(result, tmp_path / "r.nc")
    assert (tmp_path / "r.nc").stat().st_size < 2e6
    xr.testing.assert_identical(open_result(tmp_path / "r.nc"), result)
    plot(result, tmp_path / "r.png", dpi=40)
    assert summary(result)
    assert comparison([result, result])


def test_a_result_is_certified_again_and_gone_on_from(result: xr.Dataset) -> None:
    assert recertify(result).robust
    spec = ExperimentSpec.from_json(result.attrs["spec"], load_spec("specs/small.yaml").source)
    again = solve(spec, resume=result)
    assert float(again["size"]) >= float(result["size"])


def test_directions_are_a_dimension() -> None:
    spec = load_spec("specs/small.yaml", {**FRUGAL, "asymmetric": True})
    ds = solve(spec)
    assert ds["epsilon_directed"].dims == ("layer", "direction")
    np.testing.assert_array_equal(ds["epsilon"], ds["epsilon_directed"].min("direction"))
    # Pixels around the object are black: downwards nothing is asked of them.
    assert ds["epsilon_directed"].sel(direction="down")[1:].values.tolist() == [1.0, 1.0]
    assert ds["step_epsilon"].dims == ("step", "layer", "direction")
    with pytest.raises(InputError, match="one of down, up"):
        ds.mlspec.witness(0)
    with pytest.raises(InputError, match=r"layer 1 down has no blocking witness \(blocked by: cap"):
        ds.mlspec.witness(1, "down")
    assert verify(spec, radii := np.array([[0.0005, 0.001], [0.5, 0.001], [1.0, 0.0]])).robust
    assert verify(spec, radii.ravel()).robust


def test_a_result_of_before_is_read_with_defaults() -> None:
    """Format 1 had neither the new keys of specs nor the new variables."""
    spec = load_spec("specs/small.yaml", FRUGAL)
    ds = solve(spec)
    old = json.loads(ds.attrs["spec"])
    for key in ("around", "asymmetric"):
        del old[key]
    del old["layers"]["partition"]
    assert ExperimentSpec.from_json(json.dumps(old)) == ExperimentSpec.from_json(spec.to_json())
    before = ds.drop_vars(["blocking_cut", "layer_distance"]).assign_attrs(
        mlspec_format=1, spec=json.dumps(old)
    )
    del before.attrs["partition"]
    assert recertify(before).robust
    assert summary(before)
