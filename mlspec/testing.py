"""What a test suite of your own can ask of a result, and the images that it speaks of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mlspec.core.neighborhood import Neighborhood
from mlspec.errors import InputError
from mlspec.results import eps_of, open_result
from mlspec.resume import problem_of
from mlspec.run import recertify

try:
    from hypothesis.strategies import SearchStrategy, integers
except ImportError:
    raise InputError("mlspec.testing needs hypothesis: pip install hypothesis") from None

Image = NDArray[np.float64]


def assert_certified(
    result: xr.Dataset | str | Path, *, samples: int = 200, seed: int = 0, solver: str | None = None
) -> None:
    """Prove the neighborhood of a result again, from the result alone, and try random images of it.

    Args:
        result: a dataset, or the path of its file.
        samples: how many images are tried, half of them corners of the neighborhood.
        seed: of the random choice of images.
        solver: another solver than that of the result, such as ``highs``.

    Raises:
        AssertionError: where the neighborhood is not proved to be robust, or an image of it loses a
            target label.
    """
    ds = result if isinstance(result, xr.Dataset) else open_result(result)
    problem, neighborhood = problem_of(ds), neighborhood_of(ds)
    images = neighborhood.sample(np.random.default_rng(seed), samples)
    margins = problem.margin(np.concatenate([problem.image[None], images]))
    lost = int((margins <= 0.0).sum())
    if lost:
        raise AssertionError(f"{lost} of {len(margins)} images of the neighborhood lose a target")
    verdict = recertify(ds, solver)
    if not verdict.robust:
        reason = f": {verdict.reason}" if verdict.reason else ""
        raise AssertionError(f"the neighborhood is {verdict.outcome.value}{reason}")


def points(result: xr.Dataset | str | Path) -> SearchStrategy[Image]:
    """Return a strategy of images ``(C, H, W)`` in the neighborhood of a result: random ones, and
    corners."""
    ds = result if isinstance(result, xr.Dataset) else open_result(result)
    neighborhood = neighborhood_of(ds)

    def image(seed: int) -> Image:
        # Every second image that is sampled is a corner.
        images = neighborhood.sample(np.random.default_rng(seed), 2)
        return np.asarray(images[seed % 2])

    return integers(0, 2**32 - 1).map(image)


def neighborhood_of(ds: xr.Dataset) -> Neighborhood:
    """Return the certified neighborhood of a result."""
    return problem_of(ds).neighborhood(eps_of(ds))
