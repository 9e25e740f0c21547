"""Parts with another activation than ReLU in their first op, and the same function.

    relu(z) = clip(z, 0, h) + clip(z - h, 0, h)                  where z <= 2 h
    (1 - a^2) relu(z) = leaky(z) + a leaky(-z)                   with slope a

``a`` is a power of two, so both hold exactly; a part with leaky ReLUs becomes ``1 - a^2`` of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from mlspec.core.neighborhood import Box
from mlspec.core.network import Op
from mlspec.ops.clip import Clip
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.linear import Linear
from mlspec.ops.relu import Relu
from soundness.functions import Part, Pooled, largest
from soundness.settings import UnfitError

OFTEN_OTHER = 0.2
"""The share of cases with another activation than ReLU."""


def acted(
    rng: np.random.Generator, parts: Sequence[Part | Pooled], box: Box
) -> tuple[list[Part | Pooled], Op]:
    """Return parts of the same range, or a share of it, and the activation of their first op.

    Raises UnfitError where numbers are not exact.
    """
    if rng.random() >= OFTEN_OTHER:
        return list(parts), Relu()
    dense = [part for part in parts if isinstance(part, Part)]
    if rng.random() < 0.5:
        slope = 2.0 ** -int(rng.integers(1, 7))
        leaky = [_leaky(part, slope) if isinstance(part, Part) else part for part in parts]
        return leaky, LeakyRelu(slope)
    tops = [
        largest(row, bias, box)
        for part in dense
        for row, bias in zip(part.first.weight, part.first.bias, strict=True)
    ]
    top = float(max(tops, default=Fraction(0)))
    if not top > 0.0:
        raise UnfitError("no ReLU of the first op is ever active")
    high = float(np.float32(top * rng.uniform(0.51, 0.9)))
    clipped = [_clipped(part, high) if isinstance(part, Part) else part for part in parts]
    return clipped, Clip(0.0, high)


def _leaky(part: Part, slope: float) -> Part:
    share = 1 - Fraction(slope) ** 2
    first, second = part.first, part.second
    if any(Fraction(float(share) * bias) != share * Fraction(bias) for bias in second.bias):
        raise UnfitError("a bias has too many digits")
    low, high = part.range
    return replace(
        part,
        first=Linear(
            np.concatenate([first.weight, -first.weight]), np.concatenate([first.bias, -first.bias])
        ),
        second=Linear(
            np.concatenate([second.weight, slope * second.weight], axis=1),
            float(share) * second.bias,
        ),
        range=(share * low, share * high),
    )


def _clipped(part: Part, high: float) -> Part:
    first, second = part.first, part.second
    if any(Fraction(bias - high) != Fraction(bias) - Fraction(high) for bias in first.bias):
        raise UnfitError("a bias has too many digits")
    return replace(
        part,
        first=Linear(
            np.concatenate([first.weight, first.weight]),
            np.concatenate([first.bias, first.bias - high]),
        ),
        second=Linear(np.concatenate([second.weight] * 2, axis=1), second.bias),
    )
