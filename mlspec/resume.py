"""What a stored result answers: its problem, read back to verify it again or to go on from it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import xarray as xr

from mlspec.core.problem import Problem
from mlspec.core.property import TopK
from mlspec.errors import InputError
from mlspec.problem.onnx_import import read_network
from mlspec.results import aim_of, label_names_of, layering_of, per_radius, property_of


def problem_of(result: xr.Dataset) -> Problem:
    """Return the problem that a result answers; it holds the classifier itself."""
    property_ = property_of(result)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "classifier.onnx"
        file.write_bytes(result["classifier_onnx"].values.tobytes())
        network = read_network(file, by_rank=isinstance(property_.rule, TopK))
    return Problem(
        network=network,
        image=result["image"].values,
        object_mask=result["object_mask"].values.astype(bool),
        layering=layering_of(result),
        property=property_,
        weights=per_radius(result, "weight"),
        label_names=label_names_of(result),
        aim=aim_of(result),
    )


def require_same_question(problem: Problem, earlier: xr.Dataset) -> None:
    """Raise InputError where ``earlier`` answers another question than ``problem`` asks."""
    same = problem_of(earlier)
    if (
        same.network.digest != problem.network.digest
        or not np.array_equal(same.image, problem.image)
        or not np.array_equal(same.layering.index, problem.layering.index)
        or same.layering.asymmetric != problem.layering.asymmetric
        or same.property != problem.property
    ):
        raise InputError(
            "the result to resume from answers another question (classifier, image, layers or "
            "target differ): give another output file, or leave --resume out"
        )
