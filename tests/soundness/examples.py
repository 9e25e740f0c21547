"""Three planted networks written by hand, and cases that a solver once answered wrongly.

Each hand-written network has two pixels ``x``, two labels and one spike at ``p``:

    q = relu(top - sum_i (a_i relu(s_i (x_i - p_i)) + b_i relu(t_i (p_i - x_i))))
    scores = (ground, gain * q)

so label 0 loses where ``gain * q >= ground``. What made solvers fail is the scaling: the two sides
of a pixel have weights that differ by orders of magnitude, or the second op has large ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from strategies import problem_of

from mlspec.core.layering import Layering
from mlspec.core.network import Network
from mlspec.core.property import Property, TopK
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu
from soundness import exact
from soundness.cases import Case
from soundness.functions import single

FOUND = sorted((Path(__file__).parent / "found").glob("*.json"))
"""Cases as ``records`` writes them."""


def two_pixels(
    image: tuple[float, float],
    eps: float,
    point: tuple[float, float],
    slopes: Sequence[float],
    factors: Sequence[float],
    top: float,
    gain: float,
    ground: float,
) -> Case:
    """Return the case of such a network; ``slopes`` are ``s_0, s_1, t_0, t_1``, and ``factors``
    ``a_0, a_1, b_0, b_1``."""
    first = single(np.array([slopes[0], slopes[1], -slopes[2], -slopes[3]]))
    weight = first[:, None] * np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    bias = single(-first * np.array([*point, *point]))
    network = Network(
        (
            Flatten(),
            Linear(weight, bias),
            Relu(),
            Linear(-single(np.array([factors])), single(np.array([top]))),
            Relu(),
            Linear(single(np.array([[0.0], [gain]])), single(np.array([ground, 0.0]))),
        ),
        (1, 1, 2),
    )
    centre, radius = np.array(image).reshape(1, 1, 2), np.array([eps])
    layering = Layering(np.zeros((1, 2), dtype=np.int16), 1)
    problem = problem_of(network, centre, layering, Property(TopK(1), (0,), 2))
    # Rounded to float32, the two sides of a pixel end in different places.
    kinks = -bias / first
    places = [np.array([kinks[i], kinks[j]]) for i in (0, 2) for j in (1, 3)]
    box = problem.neighborhood(radius).box
    images = box.clip(np.array(places).reshape(-1, 1, 1, 2))
    weakest = images[np.argmin(problem.margin(images))]
    margin = exact.margin(network, problem.property, weakest)
    assert margin < 0
    width = top / max(slope * factor for slope, factor in zip(slopes, factors, strict=True))
    return Case(0, "planted", "tent", width, problem, radius, weakest, Fraction(margin), None)


BY_HAND: Mapping[str, Case] = {
    # The default solver, asked to minimise, once ended above the true minimum.
    "uneven sides": two_pixels(
        *((0.7809, 0.6193), 0.0115, (0.78, 0.62)),
        *((58.7, 0.841, 0.617, 0.858), (0.447, 40.0, 42.0, 37.0)),
        *(0.00125, 4.0, 0.0021),
    ),
    # HiGHS's own branch and bound once called this infeasible.
    "one flat side": two_pixels(
        *((0.521, 0.435), 0.022, (0.51, 0.45)),
        *((47.0, 0.17, 0.078, 56.0), (0.3, 100.0, 200.0, 0.2)),
        *(0.04, 1.0, 0.03),
    ),
    # SCIP once called this infeasible: the spike stands at a corner.
    "steep second op": two_pixels(
        *((0.5767, 0.3273), 0.0027, (0.574, 0.33)),
        *((1.0, 1.0, 1.0, 1.0), (300.0, 300.0, 300.0, 300.0)),
        *(0.05, 1.0, 0.048),
    ),
}
