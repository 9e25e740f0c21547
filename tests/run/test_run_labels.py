"""``mlspec.labels``: how the labels of a real classifier stand, as a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from run_cases import small

import mlspec
from mlspec.core import forward
from mlspec.labelling import labels_of_result
from mlspec.results import open_order, order_diagram, proved_order, save
from mlspec.run import prepare


@pytest.fixture(scope="module")
def near() -> xr.Dataset:
    """Close to the image nothing changes."""
    return mlspec.labels(small(), 0.0009)


@pytest.fixture(scope="module")
def far() -> xr.Dataset:
    """Further away the target may be lost."""
    return mlspec.labels(small(), 0.004)


def test_near_the_image_every_label_keeps_its_place(near: xr.Dataset) -> None:
    standing = near["standing"].to_series()
    assert set(standing[standing == "always"].index) == {"2", "8"}
    assert (standing.drop(["2", "8"]) == "never").all()
    assert near.attrs["complete_queries"] == 0
    assert set(near["proof"].values) == {"bounds"}
    assert (near["margin"].values > 0.0).all()


def test_either_comes_with_two_images_of_the_neighborhood(far: xr.Dataset) -> None:
    either = far["label"].values[far["standing"].values == "either"]
    assert "2" in either
    problem = prepare(small()).problem
    box = problem.neighborhood(np.full(problem.layering.count, 0.004)).box
    for place in np.flatnonzero(far["standing"].values == "either"):
        for name, wanted in (("predicted_image", True), ("missing_image", False)):
            image = far[name].values[place]
            assert box.contains(image)
            scores = forward.scores(problem.network, image[None])
            assert problem.property.rule.predicted(scores)[0, place] == wanted


def test_scores_and_order_hold_on_random_images(far: xr.Dataset) -> None:
    problem = prepare(small()).problem
    neighborhood = problem.neighborhood(np.full(problem.layering.count, 0.004))
    images = neighborhood.sample(np.random.default_rng(0), 200)
    scores = forward.scores(problem.network, images)
    assert (scores >= far["score_lower"].values).all()
    assert (scores <= far["score_upper"].values).all()
    names = far["label"].values.tolist()
    assert len(proved_order(far)) > 20
    for above, below in proved_order(far):
        assert (scores[:, names.index(above)] > scores[:, names.index(below)]).all()
    assert set(order_diagram(far)) <= set(proved_order(far))
    assert not set(open_order(far)) & set(proved_order(far))


def test_it_can_be_saved_and_read(near: xr.Dataset, tmp_path: Path) -> None:
    save(near, tmp_path / "labels.nc")
    read = xr.load_dataset(tmp_path / "labels.nc")
    assert read.attrs.pop("contents_sha256")
    xr.testing.assert_identical(read, near)


def test_of_a_result_the_certified_neighborhood_is_asked(tmp_path: Path) -> None:
    result = mlspec.solve(small(search__strategy="ascent"))
    found = labels_of_result(result)
    assert np.array_equal(found["epsilon"].values, result["epsilon"].values)
    assert found["standing"].sel(label="2").item() == "always"
    assert found.attrs["classifier_sha256"] == result.attrs["classifier_sha256"]


def test_an_image_that_is_misread_is_no_obstacle() -> None:
    spec = mlspec.load_spec("specs/pgd_img3.yaml", {"image.index": 1, "budget.seconds": 60.0})
    found = mlspec.labels(spec, 0.0005)
    assert found["standing"].sel(label="5").item() == "never"
    assert set(found["label"].values[found["standing"].values == "always"]) == {"2", "3"}
