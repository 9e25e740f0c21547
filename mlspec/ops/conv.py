"""Convolution: ``y = W * z + b``."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor

from mlspec.errors import NetworkError
from mlspec.ops.graph import Graph, Value
from mlspec.ops.op import Array, Op, Pair, Shape, as_feature_map, windows_of
from mlspec.ops.operation import LocalView, Relaxation, TensorOp
from mlspec.ops.reading import Node, Pads, Reader
from mlspec.ops.scale import Scale, per_channel
from mlspec.ops.weighted import Terms, Weighted, joined_error
from mlspec.ops.window import Window


@dataclass(frozen=True, eq=False)
class Conv(Weighted):
    """Two-dimensional cross-correlation with zero padding.

    ``weight`` is ``(O, C / groups, kh, kw)``, ``bias`` is ``(O,)``; ``padding`` is added on both
    sides. Output channels and input channels are split into ``groups`` alike, and each part sees
    its own only.
    """

    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1

    @property
    def kernel(self) -> Pair:
        """Rows and columns of the kernel."""
        return self.weight.shape[2], self.weight.shape[3]

    def shape_after(self, *shapes: Shape) -> Shape:
        """Return ``(O, H', W')`` for an input ``(C, H, W)``."""
        (shape,) = shapes
        channels, height, width = as_feature_map(self, shape)
        expected = self.weight.shape[1] * self.groups
        if channels != expected:
            raise NetworkError(f"Conv expects {expected} channels, its input has {channels}")
        if self.weight.shape[0] % self.groups:
            raise NetworkError(
                f"Conv has {self.weight.shape[0]} filters for {self.groups} groups: "
                "they do not share them out evenly"
            )
        out = tuple(
            (size + 2 * p - k) // s + 1
            for size, p, k, s in zip(
                (height, width), self.padding, self.kernel, self.stride, strict=True
            )
        )
        if min(out) < 1:
            raise NetworkError(f"Conv leaves nothing: a kernel {self.kernel} on an input {shape}")
        return (self.weight.shape[0], *out)

    def forward(self, *values: Array) -> Array:
        """Return the outputs, window by window."""
        (value,) = values
        (py, px) = self.padding
        padded = np.pad(value, ((0, 0), (0, 0), (py, py), (px, px)))
        windows = windows_of(padded, self.kernel, self.stride)
        parts = [
            np.tensordot(part, weight, axes=([1, 4, 5], [1, 2, 3]))
            for part, weight in zip(
                np.split(windows, self.groups, axis=1),
                np.split(self.weight, self.groups),
                strict=True,
            )
        ]
        out = np.concatenate(parts, axis=-1)
        return np.ascontiguousarray(np.moveaxis(out, -1, 1)) + self.bias[:, None, None]

    def terms(self, item: TensorOp) -> Terms:
        """Return a kernel's size, and for rows that of what one input goes into."""
        filters, channels, rows, columns = self.weight.shape
        cells = math.prod(item.shape_out[1:])
        window = rows * columns
        return Terms(channels * window + 1, filters // self.groups * window, cells + filters)

    def apply(self, value: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return the outputs."""
        return F.conv2d(value, weight, bias, self.stride, self.padding, groups=self.groups)

    def backward(
        self, item: TensorOp, rows: Tensor, relaxation: Relaxation | None
    ) -> tuple[Tensor, Tensor | None]:
        """Substitute: the rows' coefficients go back through the transposed convolution."""
        weight, bias = item.parameters
        flat = rows.reshape(-1, *item.shape_out)
        missing = tuple(
            size - ((out - 1) * s - 2 * p + k)
            for size, out, s, p, k in zip(
                item.shape_in[1:],
                item.shape_out[1:],
                self.stride,
                self.padding,
                self.kernel,
                strict=True,
            )
        )
        back = F.conv_transpose2d(
            flat, weight, None, self.stride, self.padding, missing, self.groups
        )
        return back.reshape(*rows.shape[:2], *item.shape_in), rows.sum((-1, -2)) @ bias

    def window_before(self, item: TensorOp, window: Window) -> Window | None:
        """Return the receptive field."""
        return window.through(self.kernel, self.stride, self.padding)

    def backward_locally(
        self, item: TensorOp, patch: Tensor, view: LocalView
    ) -> tuple[Tensor, Tensor | None]:
        """Substitute; what lies outside of the output counts for nothing."""
        weight, bias = item.parameters
        if view.window.padding != (0, 0) and not view.inside:
            patch = patch * view.gather(patch.new_ones(1, *item.shape_out))
        flat = F.conv_transpose2d(
            patch.flatten(0, 2), weight, None, self.stride, groups=self.groups
        )
        return flat.reshape(*patch.shape[:3], *flat.shape[1:]), patch.sum((4, 5)) @ bias

    def matrix(self, shape: Shape) -> tuple[sparse.csr_array, Array]:
        """Return the convolution as a sparse matrix, and the bias of each output unit."""
        out = self.shape_after(shape)
        channels, height, width = shape
        rows_out, columns_out = out[1:]
        o, i, j, c, y, x = np.meshgrid(
            np.arange(out[0]),
            np.arange(rows_out),
            np.arange(columns_out),
            np.arange(channels // self.groups),
            np.arange(self.kernel[0]),
            np.arange(self.kernel[1]),
            indexing="ij",
        )
        source_y = i * self.stride[0] - self.padding[0] + y
        source_x = j * self.stride[1] - self.padding[1] + x
        inside = (source_y >= 0) & (source_y < height) & (source_x >= 0) & (source_x < width)
        to = (o * rows_out + i) * columns_out + j
        channel = o // (out[0] // self.groups) * (channels // self.groups) + c
        source = (channel * height + source_y) * width + source_x
        matrix = sparse.csr_array(
            (self.weight[o, c, y, x][inside], (to[inside], source[inside])),
            shape=(int(np.prod(out)), int(np.prod(shape))),
        )
        return matrix, np.repeat(self.bias, rows_out * columns_out)

    def joined_to_next(self, following: Op) -> Op | None:
        """A factor and a shift per channel go into weight and bias."""
        if not isinstance(following, Scale):
            return None
        outputs = len(self.bias)
        weight, bias = (per_channel(each, outputs) for each in following.parameters)
        if weight is None or bias is None:
            return None
        kernel, gains = self.weight * weight[:, None, None, None], np.abs(weight)
        error = joined_error(self, following, 2, gains * np.abs(self.bias) + np.abs(bias), gains)
        return replace(self, weight=kernel, bias=self.bias * weight + bias, error=error)

    def joined_to_previous(self, previous: Op) -> Op | None:
        """A factor per channel goes into the weight; a shift only where there is no padding, which
        would be shifted too."""
        if not isinstance(previous, Scale):
            return None
        inputs = self.weight.shape[1] * self.groups
        weight, bias = (per_channel(each, inputs) for each in previous.parameters)
        if weight is None or bias is None or (bias.any() and self.padding != (0, 0)):
            return None
        group = np.arange(len(self.bias)) // (len(self.bias) // self.groups)
        factor, shift = (
            each.reshape(self.groups, -1)[group][:, :, None, None] for each in (weight, bias)
        )
        moved = (self.weight * shift).sum((1, 2, 3))
        sizes = np.abs(self.bias) + np.abs(self.weight * shift).sum((1, 2, 3))
        terms, gains = self.weight[0].size + 1, np.abs(self.weight).sum((1, 2, 3))
        error = joined_error(previous, self, terms, sizes, gains)
        return replace(self, weight=self.weight * factor, bias=self.bias + moved, error=error)


def _read(node: Node, graph: Graph) -> Value:
    weight = node.constant(1)
    if weight.ndim != 4:
        raise NetworkError("only two-dimensional convolutions are supported")
    if "kernel_shape" in node.attributes and node.pair("kernel_shape") != weight.shape[2:]:
        raise NetworkError(f"kernel_shape {node.pair('kernel_shape')}, but weights {weight.shape}")
    weight = _dilated(weight, node.pair("dilations", [1, 1]))
    bias = node.constant(2) if node.has(2) else np.zeros(len(weight))
    if bias.shape != weight.shape[:1]:
        raise NetworkError(f"its bias has shape {bias.shape}, not one number per filter")
    groups, stride = int(node.attributes.get("group", 1)), node.pair("strides", [1, 1])
    value = node.value()
    graph.expect_feature_map(value)
    size, kernel = (value.shape[2], value.shape[3]), (weight.shape[2], weight.shape[3])
    rows, columns = node.padding(size, kernel, stride)
    value, (top, bottom, left, right) = graph.unpadded(value)
    pads = (rows[0] + top, rows[1] + bottom), (columns[0] + left, columns[1] + right)
    conv = Conv(weight, bias, stride, groups=groups)
    return append_padded(graph, graph.feature_map(value), conv, pads)


def append_padded(graph: Graph, number: int, conv: Conv, pads: Pads) -> Value:
    """Append ``conv`` to value ``number`` with padding that may differ before and after: the kernel
    is made longer by zeros on the other side."""
    weight, rims = conv.weight, [(max(pad) - pad[0], max(pad) - pad[1]) for pad in pads]
    if any(map(any, rims)):
        weight = np.pad(weight, ((0, 0), (0, 0), *rims))
    return graph.add(replace(conv, weight=weight, padding=(max(pads[0]), max(pads[1]))), number)


def _dilated(weight: Array, dilations: Pair) -> Array:
    """Return the kernel with zeros between its weights."""
    if dilations == (1, 1):
        return weight
    (rows, columns), (kh, kw) = dilations, weight.shape[2:]
    dense = np.zeros((*weight.shape[:2], (kh - 1) * rows + 1, (kw - 1) * columns + 1))
    dense[:, :, ::rows, ::columns] = weight
    return dense


READERS: dict[str, Reader] = {"Conv": _read}
