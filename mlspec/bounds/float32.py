"""How far the scores that a classifier computes in float32 may be from those of its real-valued
function, over a box of images.

What is certified is the real-valued function of the network. A deployed network computes in
float32. Its error is bounded forwards, operation by operation, after Higham, Accuracy and Stability
of Numerical Algorithms (2002), chapter 3: an affine operation ``W z + b`` of ``n`` terms turns an
error ``e`` of values up to ``m`` into ``|W| e + gamma_n (|W| (m + e) + |b|)``, with the unit
roundoff ``2^-24``; piecewise-linear operations have slopes up to 1 and pass errors on.

It holds for an evaluation of the operations as they were read, each in float32 with sums in any
order. It does not hold for TF32, float16, fast convolutions (Winograd, FFT), or a graph that an
optimiser has rewritten.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mlspec.bounds.analysis import Intervals
from mlspec.bounds.context import BoundsContext
from mlspec.bounds.interval import propagated
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.property import Property, Threshold
from mlspec.ops.operation import rounded_to_float32
from mlspec.tensors import TensorNetwork
from mlspec.tolerances import FLOAT32_ROUNDOFF


def float32_errors(problem: Problem, box: Box) -> Array:
    """Return bounds ``(M,)`` of ``|score in float32 - exact score|`` over the images of ``box``,
    which are rounded to float32 first; infinite where float32 may overflow."""
    context = BoundsContext(problem.network, problem.property)
    with torch.no_grad():
        return carried(context.net, propagated(context.net, context.boxes(box)))[0].numpy()


def carried(net: TensorNetwork, known: Intervals) -> Tensor:
    """Return the errors ``(B, M)`` of the scores of ``net``, given bounds of its values."""
    pixels = known.magnitude(0)
    errors = [rounded_to_float32(pixels, torch.zeros_like(pixels), 1)]
    for item in net.ops:
        before = [errors[value] for value in item.inputs]
        ends = [
            (known.lower[value] - errors[value], known.upper[value] + errors[value])
            for value in item.inputs
        ]
        errors.append(item.op.float32_error(item, ends, before))
    # What overflowed once may become anything: later values tell nothing.
    finite = all(bool(error.isfinite().all()) for error in errors)
    return errors[-1] if finite else torch.full_like(errors[-1], torch.inf)


def with_float32(problem: Problem, box: Box) -> tuple[Property, Property] | None:
    """Return two properties of the exact scores: where the first holds over ``box``, that of
    ``problem`` holds of the float32 scores; where the second is violated, so is it. None where
    float32 may overflow."""
    errors = float32_errors(problem, box)
    property_ = problem.property
    if isinstance(property_.rule, Threshold):  # a threshold is rounded to float32 as well
        errors = errors + 2.0 * FLOAT32_ROUNDOFF * np.abs(property_.rule.tau)
    if not np.isfinite(errors).all():
        return None
    slack = tuple(errors.tolist())
    return replace(property_, slack=slack), replace(property_, slack=tuple((-errors).tolist()))
