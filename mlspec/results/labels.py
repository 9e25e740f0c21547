"""How the labels stand, as a dataset: what ``mlspec labels`` and ``mlspec.labels`` return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr

from mlspec.core import forward
from mlspec.core.layering import DIRECTIONS
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.standing import LabelRelations, Order
from mlspec.results.dataset import now
from mlspec.results.schema import PIXELS, Variable

LABEL_VARIABLES: Final[dict[str, Variable]] = {
    "standing": Variable(
        ("label",),
        "whether the label is predicted within the neighborhood: always, never, either or unknown",
    ),
    "score": Variable(("label",), "score of the image at the centre (logit)"),
    "score_lower": Variable(("label",), "certified lower bound of the score (logit)"),
    "score_upper": Variable(("label",), "certified upper bound of the score (logit)"),
    "margin": Variable(
        ("label",),
        "certified lower bound of the margin by which the label is always, or never, predicted",
    ),
    "stage": Variable(("label",), "stage of the verifier that decided, or gave up last"),
    "proof": Variable(("label",), "what the answer rests on"),
    "reason": Variable(("label",), "why a label is unknown"),
    "milp": Variable(
        ("label",), "whether a MILP was solved for the label", flags="without_milp with_milp"
    ),
    "order": Variable(
        ("label", "other"),
        "whether the label's score exceeds that of the other one on every image",
        flags="open refuted proved",
    ),
    "predicted_image": Variable(
        ("label", *PIXELS),
        "image of the neighborhood on which the label is predicted, pixel intensity",
    ),
    "missing_image": Variable(
        ("label", *PIXELS),
        "image of the neighborhood on which the label is not predicted, pixel intensity",
    ),
    "image": Variable(PIXELS, "image at the centre of the neighborhood, pixel intensity"),
    "epsilon": Variable(("layer",), "epsilon of each layer, pixel intensity"),
    "layer_index": Variable(("y", "x"), "layer of each pixel, -1 where the pixel does not move"),
}
"""Every variable by name; images are NaN where none is known. With directions ``epsilon`` is
``(layer, direction)``. The coordinates ``label`` and ``other`` hold the labels' names."""

ORIGIN: Final = (
    *("name", "spec", "decision", "object_label", "classifier_file"),
    *("classifier_sha256", "image_sha256", "solver", "seed", "versions"),
)
"""Attributes that say where a dataset comes from: taken over from a result."""


def labels_dataset(
    problem: Problem, eps: Array, found: LabelRelations, origin: Mapping[str, Any]
) -> xr.Dataset:
    """Return what was found of the labels in the neighborhood of ``eps`` ``(R,)``."""
    layering, names = problem.layering, np.array(problem.label_names, dtype=np.str_)
    verdicts = found.verdicts
    margins = [np.nan if each.margin is None else each.margin for each in verdicts]
    data: dict[str, Any] = {
        "standing": np.array([each.standing.value for each in verdicts], dtype=np.str_),
        "score": forward.scores(problem.network, problem.image[None])[0],
        "score_lower": found.scores_lower,
        "score_upper": found.scores_upper,
        "margin": np.array(margins, dtype=np.float64),
        "stage": np.array([each.stage.value for each in verdicts], dtype=np.str_),
        "proof": np.array([each.proof.value for each in verdicts], dtype=np.str_),
        "reason": np.array([each.reason for each in verdicts], dtype=np.str_),
        "milp": np.array([each.complete for each in verdicts], dtype=np.int8),
        "order": found.order,
        "predicted_image": _images(found.predicted, problem),
        "missing_image": _images(found.missing, problem),
        "image": problem.image,
        "epsilon": layering.table(eps, 1.0) if layering.asymmetric else eps,
        "layer_index": layering.index,
    }
    coords = {"label": names, "other": ("other", names), "layer": np.arange(layering.layers)}
    dims = {name: entry.dims for name, entry in LABEL_VARIABLES.items()}
    if layering.asymmetric:
        coords["direction"] = ("direction", np.array(DIRECTIONS, dtype=np.str_))
        dims["epsilon"] = ("layer", "direction")
    variables = {
        name: xr.Variable(dims[name], data[name], _attributes(entry))
        for name, entry in LABEL_VARIABLES.items()
    }
    attrs = {
        "Conventions": "CF-1.11",
        "title": f"Labels within one neighborhood: {origin['name']}",
        **{name: origin[name] for name in ORIGIN if name in origin},
        "partition": layering.kind.name,
        "complete_queries": found.complete_queries,
        "wall_seconds": float(found.seconds),
        "created": now(),
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def proved_order(ds: xr.Dataset) -> list[tuple[str, str]]:
    """Return the pairs ``(above, below)`` that are proved."""
    return _pairs(ds["order"].values == Order.PROVED, ds)


def open_order(ds: xr.Dataset) -> list[tuple[str, str]]:
    """Return the pairs ``(above, below)`` that are neither proved nor refuted."""
    return _pairs(ds["order"].values == Order.OPEN, ds)


def order_diagram(ds: xr.Dataset) -> list[tuple[str, str]]:
    """Return the pairs ``(above, below)`` of the proved order that follow from no other two."""
    above = (ds["order"].values == Order.PROVED).astype(np.int64)
    return _pairs((above > 0) & (above @ above == 0), ds)


def _pairs(chosen: Any, ds: xr.Dataset) -> list[tuple[str, str]]:
    names = ds["label"].values
    return [(str(names[a]), str(names[b])) for a, b in np.argwhere(chosen)]


def _images(found: Mapping[int, Array], problem: Problem) -> Array:
    images = np.full((problem.network.labels, *problem.image.shape), np.nan)
    for label, image in found.items():
        images[label] = image
    return images


def _attributes(entry: Variable) -> dict[str, Any]:
    attrs: dict[str, Any] = {"long_name": entry.long_name, "units": entry.units}
    if entry.flags:
        attrs["flag_values"] = np.arange(len(entry.flags.split()), dtype=np.int8)
        attrs["flag_meanings"] = entry.flags
    return attrs
