"""ReLU: ``y = max(0, z)``.

For ``l < 0 < u`` (Zhang et al. 2018, CROWN): ``a z <= y <= u (z - l) / (u - l)``, any ``a`` in
[0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mlspec.ops.affine_map import Affine
from mlspec.ops.big_m import encode_relu
from mlspec.ops.elementwise import ElementwiseOperation, Fan, Line, Sides
from mlspec.ops.encoding import ModelBuilder, Needed, Site
from mlspec.ops.graph import Graph, Value
from mlspec.ops.op import Array, Op
from mlspec.ops.operation import Free, TensorOp
from mlspec.ops.reading import Node, Reader


@dataclass(frozen=True, eq=False)
class Relu(ElementwiseOperation):
    """``max(0, z)``, unit by unit."""

    exact: ClassVar[bool] = True
    roundings: ClassVar[int] = 4
    """The chord's slope goes through 2, its bias through 1 more."""

    def forward(self, *values: Array) -> Array:
        """Return the outputs."""
        (value,) = values
        return np.maximum(value, 0.0)

    def run(self, item: TensorOp, values: Sequence[Tensor], softness: float) -> Tensor:
        """Return the outputs."""
        (value,) = values
        return F.relu(value)

    def sides(self, lower: Tensor, upper: Tensor) -> Sides:
        """Any slope from 0 to 1 through the origin below, the chord above."""
        active, dead = lower >= 0, upper <= 0
        width = (upper - lower).clamp_min(torch.finfo(lower.dtype).tiny)
        chord = torch.where(active, 1.0, torch.where(dead, 0.0, upper / width))
        bias = torch.where(active | dead, 0.0, -chord * lower)
        least, most = active.to(lower.dtype), (active | ~dead).to(lower.dtype)
        return Sides(Fan(least, most), Line(chord, bias))

    def first_slopes(self, lower: Tensor, upper: Tensor) -> Free:
        """Return the slope of least area: 1 where the upper end is farther from 0."""
        return ((upper > -lower).to(lower.dtype),)

    def is_open(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Say where the sign is open."""
        return (lower < 0) & (upper > 0)

    def needed(self, site: Site) -> Needed:
        """Return the units that can be positive."""
        return np.asarray(site.needed & (site.upper > 0.0))

    def encode(self, build: ModelBuilder, site: Site, values: Sequence[Affine]) -> Affine:
        """Encode by big-M rows."""
        (value,) = values
        units = np.flatnonzero(site.needed)
        return encode_relu(build, site.tag, value, site.lower, site.upper, units)

    def joined_to_next(self, following: Op) -> Op | None:
        """Two in a row are one."""
        return self if isinstance(following, Relu) else None


def _read(node: Node, graph: Graph) -> Value:
    return graph.elementwise(Relu(), node.value())


READERS: dict[str, Reader] = {"Relu": _read}
