"""Networks and the reference forward pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from law import law
from oracles import plain_scores
from strategies import SMALL, TINY, networks

from mlspec.core import forward
from mlspec.core.network import (
    Add,
    AffineOp,
    Conv,
    Flatten,
    Linear,
    MaxPool,
    Network,
    Relu,
    Scale,
)
from mlspec.errors import NetworkError
from mlspec.tensors import TensorNetwork


@law(networks(TINY), quick=100, deep=2000)
def test_the_forward_pass_is_the_plain_definition(network: Network) -> None:
    images = np.random.default_rng(0).random((3, *network.input_shape))
    scores = forward.scores(network, images)
    assert scores.shape == (3, network.labels)
    for image, ours in zip(images, scores, strict=True):
        np.testing.assert_allclose(ours, plain_scores(network, image), atol=1e-9, rtol=1e-9)


@law(networks(SMALL), quick=60, deep=1000)
def test_the_forward_pass_is_that_of_torch(network: Network) -> None:
    images = np.random.default_rng(0).random((4, *network.input_shape))
    values = [torch.as_tensor(images)]
    for op, inputs in zip(network.ops, network.inputs, strict=True):
        value, *others = (values[number] for number in inputs)
        match op:
            case Conv():
                weight, bias = torch.as_tensor(op.weight), torch.as_tensor(op.bias)
                value = F.conv2d(value, weight, bias, op.stride, op.padding, groups=op.groups)
            case Scale():
                value = value * torch.as_tensor(op.weight) + torch.as_tensor(op.bias)
            case Add():
                value = torch.stack([value, *others]).sum(0)
            case Linear():
                value = F.linear(value, torch.as_tensor(op.weight), torch.as_tensor(op.bias))
            case Relu():
                value = F.relu(value)
            case MaxPool():
                value = F.max_pool2d(value, op.kernel, op.stride)
                value = F.relu(value) if op.relu else value
            case Flatten():
                value = value.flatten(1)
        values.append(value)
    np.testing.assert_allclose(forward.scores(network, images), value, atol=1e-9, rtol=1e-9)
    exact = TensorNetwork(network, torch.float64).forward(torch.as_tensor(images))
    np.testing.assert_allclose(exact, value, atol=1e-9, rtol=1e-9)


@law(networks(SMALL), quick=40, deep=1000)
def test_shapes_are_those_of_the_values(network: Network) -> None:
    values = forward.values(network, np.zeros((2, *network.input_shape)))
    for number, value in enumerate(values):
        assert network.shape_of(number) == value.shape[1:]
    for position, inputs in enumerate(network.inputs):
        assert network.shape_before(position) == network.shape_of(inputs[0])
        assert network.shapes[position] == network.shape_of(position + 1)


@law(networks(SMALL), quick=40, deep=500)
def test_a_digest_tells_networks_apart(network: Network) -> None:
    assert network.digest == replace(network).digest
    for position, op in enumerate(network.ops):
        if isinstance(op, AffineOp):
            bias = op.bias.copy()
            bias[-1] = np.nextafter(bias[-1], 100.0)
            ops = (*network.ops[:position], replace(op, bias=bias), *network.ops[position + 1 :])
            assert replace(network, ops=ops).digest != network.digest
    longer = (*network.ops, Relu()), network.input_shape, (*network.inputs, (len(network.ops),))
    assert Network(*longer).digest != network.digest


def test_digests_see_strides_and_the_order_of_axes() -> None:
    weight = np.arange(4.0).reshape(1, 1, 2, 2)
    digests = {
        Network((op, Flatten()), (1, 5, 5)).digest
        for op in (
            Conv(weight, np.zeros(1)),
            Conv(weight.transpose(0, 1, 3, 2), np.zeros(1)),
            Conv(weight, np.zeros(1), (2, 1)),
            Conv(weight, np.zeros(1), (1, 2)),
            Conv(weight, np.zeros(1), (1, 1), (1, 0)),
            MaxPool((2, 2), (1, 1)),
            MaxPool((2, 2), (1, 1), relu=True),
        )
    }
    assert len(digests) == 7


LINEAR = Linear(np.ones((2, 9)), np.zeros(2))


@pytest.mark.parametrize(
    ("ops", "word"),
    [
        ((LINEAR,), "vector of 9"),
        ((Relu(),), "vector of scores"),
        ((Flatten(), Linear(np.ones((2, 8)), np.zeros(2))), "op 1"),
        ((Conv(np.ones((1, 2, 2, 2)), np.zeros(1)), Flatten()), "2 channels"),
        ((Conv(np.ones((1, 1, 4, 4)), np.zeros(1)), Flatten()), "leaves nothing"),
        ((MaxPool((4, 1), (1, 1)), Flatten()), "larger"),
        ((Flatten(), MaxPool((1, 1), (1, 1))), "feature map"),
        ((Flatten(), Conv(np.ones((1, 1, 1, 1)), np.zeros(1))), "feature map"),
    ],
)
def test_ops_that_do_not_fit_are_refused(ops: tuple[object, ...], word: str) -> None:
    with pytest.raises(NetworkError, match=word):
        Network(ops, (1, 3, 3))


def test_images_of_another_shape_are_refused() -> None:
    network = Network((Flatten(), LINEAR), (1, 3, 3))
    with pytest.raises(ValueError, match=r"\(1, 3, 4\)"):
        forward.scores(network, np.zeros((1, 1, 3, 4)))
