"""Fusing: ops that follow each other become one, and the scores stay the same."""

from __future__ import annotations

import numpy as np
import pytest
from law import law
from random_ops import SMALL
from strategies import networks

from mlspec.core import forward
from mlspec.core.fuse import fused
from mlspec.core.network import Network
from mlspec.errors import NetworkError
from mlspec.ops.add import Add
from mlspec.ops.clip import Clip
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu
from mlspec.ops.scale import Scale


@law(networks(SMALL), quick=80, deep=2000)
def test_fusing_changes_nothing_and_leaves_no_pair(network: Network) -> None:
    images = np.random.default_rng(0).normal(size=(20, *network.input_shape))
    joined = fused(network)
    scores = forward.scores(network, images)
    tolerance = 1e-12 * max(np.abs(value).max() for value in forward.values(network, images))
    np.testing.assert_allclose(forward.scores(joined, images), scores, atol=tolerance, rtol=1e-9)
    for value in range(1, len(joined.ops)):
        users = joined.users(value)
        pair = type(joined.ops[value - 1]), type(joined.ops[users[0]])
        if len(users) == 1:
            assert pair not in {(Relu, MaxPool), (MaxPool, Relu), (Relu, Relu), (Scale, Scale)}
            assert pair not in {(Linear, Scale), (Scale, Linear)}
    if not any(isinstance(op, Scale) for op in network.ops):
        np.testing.assert_array_equal(forward.scores(joined, images), scores, strict=True)


def test_a_relu_that_something_else_reads_stays_out_of_a_pool() -> None:
    ops = (Relu(), MaxPool((1, 1), (1, 1)), Add(), Flatten())
    network = Network(ops, (1, 2, 2), ((0,), (1,), (1, 2), (3,)))
    assert fused(network).inputs == network.inputs
    images = np.random.default_rng(0).normal(size=(3, 1, 2, 2))
    np.testing.assert_array_equal(forward.scores(fused(network), images)[:, 0] >= 0, True)


@pytest.mark.parametrize("padding", [(0, 0), (1, 0), (1, 1)])
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_a_shift_goes_into_a_conv_only_where_no_padding_follows(
    padding: tuple[int, int], shift: float
) -> None:
    """The pads are zeros of the normalised image, not of the image."""
    rng = np.random.default_rng(0)
    scale = Scale(rng.normal(size=(2, 1, 1)), np.full((2, 1, 1), shift))
    conv = Conv(rng.normal(size=(4, 1, 3, 3)), rng.normal(size=4), (1, 1), padding, groups=2)
    network = Network((scale, conv, Flatten()), (2, 4, 4))
    kinds = [type(op) for op in fused(network).ops]
    stays = shift != 0.0 and padding != (0, 0)
    assert kinds == ([Scale, Conv, Flatten] if stays else [Conv, Flatten])
    images = rng.random((5, 2, 4, 4))
    np.testing.assert_allclose(
        forward.scores(fused(network), images), forward.scores(network, images), atol=1e-12
    )


def test_clips_and_relus_in_a_row_are_one() -> None:
    linear = Linear(np.eye(4), np.zeros(4))
    images = np.random.default_rng(0).normal(size=(50, 1, 2, 2)) * 3.0
    for chain, kinds in (
        ((Relu(), Clip(high=2.0)), ["Clip"]),
        ((Clip(high=2.0), Relu()), ["Clip"]),
        ((Clip(-3.0, 2.0), Clip(-1.0, 5.0)), ["Clip"]),
        ((Clip(low=-1.0), Relu()), ["Relu"]),
        ((Clip(low=-1.0), Clip(low=-2.0), Clip(high=0.5)), ["Clip"]),
        ((Relu(), Clip(high=-1.0)), ["Relu", "Clip"]),
        ((LeakyRelu(0.1), Relu()), ["Relu"]),
        ((Relu(), LeakyRelu(0.1)), ["Relu"]),
        ((LeakyRelu(0.1), Clip(high=0.5)), ["LeakyRelu", "Clip"]),
    ):
        network = Network((Flatten(), *chain, linear), (1, 2, 2))
        joined = fused(network)
        assert [type(op).__name__ for op in joined.ops] == ["Flatten", *kinds, "Linear"]
        np.testing.assert_array_equal(
            forward.scores(network, images), forward.scores(joined, images)
        )


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, 1.0), (np.nan, 1.0), (-np.inf, np.inf)])
def test_a_clip_has_an_interval(ends: tuple[float, float]) -> None:
    with pytest.raises(NetworkError, match="Clip"):
        Clip(*ends)


@pytest.mark.parametrize("slope", [-0.1, 1.0, 2.0, np.nan, np.inf])
def test_a_leak_is_less_than_all(slope: float) -> None:
    with pytest.raises(NetworkError, match="LeakyRelu"):
        LeakyRelu(slope)
