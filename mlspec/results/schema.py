"""The variables of a result: what each one is, its dimensions and its unit.

Dimensions: ``layer`` (K: layers, or the parts of another partition), ``step``, ``iteration`` (of
the strategy ``proposal``), ``query``, ``stage``
(of the verifier), ``witness`` (every violating image seen), ``label`` (M), ``channel``, ``y``,
``x``, and ``byte`` (of the classifier's file). Epsilons and pixel values are intensities in
[0, 1]; like all dimensionless numbers they carry the unit ``1``.

An asymmetric result has a dimension ``direction`` (down, up) beside: ``DIRECTED`` variables have
it right after ``layer``. There ``epsilon(layer)`` is the smaller of both, so that what it says of a
symmetric result stays true, and ``epsilon_directed(layer, direction)`` holds both. A direction in
which no pixel of a layer has room (black downwards, white upwards) has the epsilon 1, the weight 0,
and is blocked by its cap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np


class Layout:
    """Constants of the file layout."""

    version: ClassVar[int] = 2
    """A reader refuses a larger one. 1 had no ``LATER`` variables."""
    most_witness_values: ClassVar[int] = 2**22
    """A ``blocking_witness`` of more values is left out; ``blocking_cut`` says where to find
    each."""
    most_bytes: ClassVar[int] = 2**32
    """Of all variables of a file, unpacked: one that claims to hold more is not read. A search sees
    hundreds of witnesses; a thousand of a colour photograph of 300 by 300 pixels take half of
    it."""
    seconds: ClassVar[float] = 20.0
    """For opening a file, with its bytes by ``bytes_per_second`` on top: HDF5 may never return from
    a damaged one. A result of 1 MB takes a hundredth of a second."""
    bytes_per_second: ClassVar[float] = 1e6
    compressed_from: ClassVar[int] = 4096
    """Bytes; compressing less saves nothing."""


PIXELS: Final = ("channel", "y", "x")
"""Dimensions of an image."""


@dataclass(frozen=True)
class Variable:
    """One variable of a result."""

    dims: tuple[str, ...]
    long_name: str
    units: str = "1"
    flags: str = ""
    """Names of the values 0, 1, ... of an integer variable that stands for words."""


VARIABLES: Final[dict[str, Variable]] = {
    # The answer
    "epsilon": Variable(("layer",), "certified epsilon of each layer, pixel intensity"),
    "size": Variable((), "size of the certified neighborhood, weights times epsilons"),
    "upper_bound": Variable(
        (), "no robust neighborhood whose layers all keep the floor is larger than this"
    ),
    "objective": Variable(
        (), "value of what the search maximises, which the attribute of the same name names"
    ),
    "objective_bound": Variable(
        (), "no robust neighborhood whose layers all keep the floor has a larger value than this"
    ),
    "floor": Variable(("layer",), "least epsilon that the search keeps, pixel intensity"),
    "epsilon_attacked": Variable(
        ("layer",),
        "least epsilon of the layer, the others as certified, with a known violating image, pixel "
        "intensity",
    ),
    "margin_slope": Variable(
        ("layer",),
        "derivative, by the epsilon of the layer, of the margin that bounds certify; NaN where it "
        "was not computed",
    ),
    "blocked_by": Variable(("layer",), "why the layer cannot grow: witness, cap or budget"),
    "blocking_witness": Variable(
        ("layer", *PIXELS), "violating image just beyond the layer's epsilon, pixel intensity"
    ),
    "blocking_scores": Variable(("layer", "label"), "scores of the blocking witness (logits)"),
    "blocking_cut": Variable(("layer",), "number of the blocking witness, -1 where there is none"),
    "epsilon_map": Variable(("y", "x"), "certified epsilon of each pixel, pixel intensity"),
    "epsilon_directed": Variable(
        ("layer", "direction"), "certified epsilon of each layer in each direction, pixel intensity"
    ),
    "epsilon_map_directed": Variable(
        ("direction", "y", "x"),
        "certified epsilon of each pixel in each direction, pixel intensity",
    ),
    # The question
    "weight": Variable(("layer",), "weight of each layer in size and objective"),
    "layer_pixels": Variable(("layer",), "number of pixels of each layer"),
    "layer_distance": Variable(("layer",), "distance of each layer from the object, in pixels"),
    "layer_index": Variable(("y", "x"), "layer of each pixel, -1 where the pixel does not move"),
    "object_mask": Variable(("y", "x"), "pixels of the perturbed object", flags="other object"),
    "image": Variable(PIXELS, "image at the centre of the neighborhood, pixel intensity"),
    "scores": Variable(("label",), "scores of the image (logits)"),
    "classifier_onnx": Variable(("byte",), "the classifier's ONNX file, byte by byte"),
    # The search
    "step_epsilon": Variable(("step", "layer"), "epsilon tried in each step, pixel intensity"),
    "step_size": Variable(("step",), "size tried in each step, weights times epsilons"),
    "step_objective": Variable(("step",), "value of the objective tried in each step"),
    "step_verdict": Variable(("step",), "verdict of each step: robust, violated or unknown"),
    "step_proof": Variable(("step",), "what the verdict of each step rests on"),
    "step_seconds": Variable(("step",), "time of each step since the search began", "s"),
    "step_note": Variable(("step",), "move that led to each step"),
    "iteration_move": Variable(
        ("iteration",), "strategy proposal: whether an iteration is an expansion or a shrinkage"
    ),
    "iteration_verdict": Variable(
        ("iteration",), "verdict of each iteration: robust, violated or unknown"
    ),
    "iteration_epsilon": Variable(
        ("iteration", "layer"), "epsilon tried in each iteration, pixel intensity"
    ),
    "iteration_margin": Variable(
        ("iteration",), "least margin of the weakest images that an iteration began from"
    ),
    "iteration_gradient": Variable(
        ("iteration", "layer"), "derivative of that margin by the epsilon of each layer"
    ),
    "iteration_weight": Variable(
        ("iteration", "layer"),
        "expansion: unit vector of the step; shrinkage: cutting weights, 1 where a layer kept what "
        "it had",
    ),
    "iteration_lambda": Variable(("iteration",), "weight of the gradient in an expansion"),
    "iteration_seconds": Variable(
        ("iteration",), "time of each iteration since the search began", "s"
    ),
    "query_ask": Variable(
        ("query",),
        "what each query asked for: attack, bound, level (the weakest images), complete or "
        "certificate",
    ),
    "query_stage": Variable(("query",), "stage of the verifier that answered each query"),
    "query_verdict": Variable(("query",), "verdict of each query: robust, violated or unknown"),
    "query_proof": Variable(("query",), "what the verdict of each query rests on"),
    "query_seconds": Variable(("query",), "duration of each query", "s"),
    "query_milp": Variable(
        ("query",), "whether a MILP was solved for the query", flags="without_milp with_milp"
    ),
    "stage_asked": Variable(("stage",), "questions that reached each stage of the verifier"),
    "stage_decided": Variable(("stage",), "questions that each stage of the verifier answered"),
    "stage_seconds": Variable(("stage",), "time of each stage of the verifier", "s"),
    "witness_image": Variable(("witness", *PIXELS), "violating image, pixel intensity"),
    "witness_scores": Variable(("witness", "label"), "scores of each violating image (logits)"),
    "cut_extents": Variable(
        ("witness", "layer"),
        "largest change of a pixel of each layer in the violating image, pixel intensity; "
        "every robust neighborhood stays below it in some layer",
    ),
}
"""Every variable by name. The coordinates are ``layer`` (0 to K-1), ``layer_name`` (where layers
have more than a number), ``label``, ``stage`` (names) and ``direction``."""

ATTRIBUTES: Final = (
    *("name", "spec", "targets", "decision", "classifier_file"),
    *("solver", "seed", "stop_reason", "wall_seconds"),
)
"""Attributes that every result has and reports need."""

DIRECTED: Final[dict[str, Any]] = {
    "floor": 1.0,
    "epsilon_attacked": np.nan,
    "margin_slope": 0.0,
    "weight": 0.0,
    "blocked_by": "cap",
    "blocking_witness": np.nan,
    "blocking_scores": np.nan,
    "blocking_cut": -1,
    "step_epsilon": 1.0,
    "iteration_epsilon": 1.0,
    "iteration_gradient": 0.0,
    "iteration_weight": 0.0,
    "cut_extents": 0.0,
}
"""Variables that an asymmetric result has for each direction of a layer, each with its value where
no pixel has room."""

ASYMMETRIC: Final = frozenset({"epsilon_directed", "epsilon_map_directed"})
"""Variables of an asymmetric result only."""

LATER: Final = frozenset(
    {
        "blocking_cut",
        "layer_distance",
        "floor",
        "epsilon_attacked",
        "margin_slope",
        "objective",
        "objective_bound",
        "step_objective",
        "step_proof",
        "iteration_move",
        "iteration_verdict",
        "iteration_epsilon",
        "iteration_margin",
        "iteration_gradient",
        "iteration_weight",
        "iteration_lambda",
        "iteration_seconds",
        "query_proof",
        "stage_asked",
        "stage_decided",
        "stage_seconds",
    }
)
"""Variables that older files lack."""


def dims_of(name: str, asymmetric: bool) -> tuple[str, ...]:
    """Return the dimensions of the variable ``name``."""
    dims = VARIABLES[name].dims
    if not asymmetric or name not in DIRECTED:
        return dims
    at = dims.index("layer") + 1
    return (*dims[:at], "direction", *dims[at:])
