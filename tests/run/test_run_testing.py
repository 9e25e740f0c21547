"""``mlspec.testing``: what users' own tests ask of results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings

import mlspec
from mlspec.experiment import prepare
from mlspec.results.store import save
from mlspec.testing import assert_certified, neighborhood_of, points

SPEC = """
classifier: {onnx: specs/classifiers/none.onnx}
image: {dataset: double-digits, index: 18}
object: {mask: dataset}
layers: {count: 2}
budget: {seconds: 20}
"""


@pytest.fixture(scope="module")
def unsolved(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    path = tmp_path_factory.mktemp("testing") / "s.yaml"
    path.write_text(SPEC)
    return prepare(mlspec.load_spec(path)).unsolved()


def claiming(ds: xr.Dataset, eps: float) -> xr.Dataset:
    return ds.assign(epsilon=ds["epsilon"].copy(data=np.full(ds["epsilon"].shape, eps)))


def test_what_holds_is_certified_from_the_file(unsolved: xr.Dataset, tmp_path: Path) -> None:
    save(claiming(unsolved, 0.001), tmp_path / "r.nc")
    assert_certified(tmp_path / "r.nc", samples=50)


def test_what_does_not_hold_is_not(unsolved: xr.Dataset) -> None:
    with pytest.raises(AssertionError, match=r"violated|lose a target"):
        assert_certified(claiming(unsolved, 0.5))


def test_points_lie_in_the_neighborhood_and_reach_its_corners(unsolved: xr.Dataset) -> None:
    ds = claiming(unsolved, 0.1)
    box = neighborhood_of(ds).box
    corners = []

    @settings(max_examples=40, database=None, derandomize=True)
    @given(points(ds))
    def check(image: np.ndarray) -> None:
        assert box.contains(image)
        corners.append(bool(((image == box.lower) | (image == box.upper)).all()))

    check()
    assert set(corners) == {False, True}
