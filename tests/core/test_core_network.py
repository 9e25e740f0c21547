"""Networks and the reference forward pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from law import law
from plain import plain_scores
from random_ops import SMALL, TINY
from strategies import networks

from mlspec.core import forward
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
from mlspec.ops.select import Select
from mlspec.ops.weighted import Weighted
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
            case LeakyRelu():
                value = F.leaky_relu(value, op.slope)
            case Clip():
                value = F.hardtanh(value, op.low, op.high)
            case MaxPool():
                value = F.max_pool2d(value, op.kernel, op.stride)
                value = F.relu(value) if op.relu else value
            case Flatten():
                value = value.flatten(1)
            case Select():
                flat = torch.cat([value.flatten(1), value.new_zeros(len(value), 1)], 1)
                value = flat[:, torch.tensor(op.index.copy())]  # the last one is the 0 of -1
            case _:
                raise TypeError(op)
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
        if isinstance(op, Weighted):
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


def test_the_digest_of_a_chain_is_what_it_always_was() -> None:
    """Results store digests: ops and fields that came later must not change them."""
    weight = np.arange(8.0).reshape(2, 1, 2, 2)
    chain = (
        *(Conv(weight, np.ones(2), (2, 1), (0, 1)), Relu(), MaxPool((1, 2), (1, 2), relu=True)),
        *(Flatten(), Linear(np.full((2, 8), 0.5), np.zeros(2))),
    )
    network = Network(chain, (1, 5, 3))
    known = "fe3694ffcd3ef7bf1649c4d486b047b0a900dbf7450f74548f8c6ee1b0539865"
    assert network.digest == known
    assert network.inputs == ((0,), (1,), (2,), (3,), (4,))
    assert replace(network, inputs=()).digest == network.digest


def test_digests_see_branches_groups_and_constants() -> None:
    scale = Scale(np.ones((1, 1, 1)), np.ones((1, 1, 1)))
    conv = Conv(np.ones((2, 1, 1, 1)), np.zeros(2))
    networks = [
        Network((scale, Relu(), Add(), Flatten()), (2, 2, 2), ((0,), (1,), inputs, (3,)))
        for inputs in ((0, 2), (1, 2), (2, 2), (2, 1), (2, 0, 0))
    ]
    networks += [
        Network((scale, Relu(), Flatten()), (2, 2, 2)),
        Network((replace(scale, bias=np.zeros((1, 1, 1))), Relu(), Flatten()), (2, 2, 2)),
        Network((replace(conv, groups=2), Flatten()), (2, 2, 2)),
        Network((replace(conv, weight=np.ones((2, 2, 1, 1))), Flatten()), (2, 2, 2)),
    ]
    assert len({network.digest for network in networks}) == len(networks)


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
        ((Conv(np.ones((3, 1, 1, 1)), np.zeros(3), groups=2), Flatten()), "2 channels"),
        ((Scale(np.ones((2, 1, 1)), np.zeros(1)), Flatten()), r"parameters \(2, 1, 1\)"),
        ((Scale(np.ones((1, 1, 1, 1)), np.zeros(1)), Flatten()), "parameters"),
        ((Flatten(), Add()), "one shape"),
    ],
)
def test_ops_that_do_not_fit_are_refused(ops: tuple[object, ...], word: str) -> None:
    with pytest.raises(NetworkError, match=word):
        Network(ops, (1, 3, 3))


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        (((0,), (2,), (3,)), "op 1 reads .2,."),
        (((0,), (-1,), (2,)), "op 1 reads"),
        (((0,), (0,), (2,)), "op 0 .Relu.: nothing reads its output"),
        (((0,), (0, 1), (2,)), "op 1 .Relu. reads 2 values"),
        (((0,), (), (2,)), "op 1 .Relu. reads 0 values"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs: tuple[tuple[int, ...]], word: str) -> None:
    with pytest.raises(NetworkError, match=word):
        Network((Relu(), Relu(), Flatten()), (1, 3, 3), inputs)


def test_branches_of_other_shapes_do_not_add() -> None:
    conv = Conv(np.ones((1, 1, 2, 2)), np.zeros(1))
    with pytest.raises(NetworkError, match=r"op 1: Add takes values of one shape"):
        Network((conv, Add(), Flatten()), (1, 3, 3), ((0,), (0, 1), (2,)))


@law(networks(SMALL), quick=30, deep=500)
def test_gradients_are_those_of_the_forward_pass(network: Network) -> None:
    """What the attack descends along: central differences of the reference."""
    rng = np.random.default_rng(0)
    image, way = rng.random((2, 1, *network.input_shape))
    row = rng.normal(size=network.labels)
    net = TensorNetwork(network, torch.float64)
    point = torch.as_tensor(image).requires_grad_()
    (gradient,) = torch.autograd.grad((net.forward(point) @ net.tensor(row)).sum(), point)
    step = 1e-7
    ends = forward.scores(network, np.concatenate([image + step * way, image - step * way])) @ row
    middle = forward.scores(network, image)[0] @ row
    slope = float((gradient.numpy() * way).sum())
    one_sided = (ends[0] - middle) / step, (middle - ends[1]) / step
    slack = 1e-4 * (1.0 + np.abs(one_sided).max())
    # At a kink the gradient is that of one of its sides, or lies between them.
    assert min(one_sided) - slack <= slope <= max(one_sided) + slack


def test_images_of_another_shape_are_refused() -> None:
    network = Network((Flatten(), LINEAR), (1, 3, 3))
    with pytest.raises(ValueError, match=r"\(1, 3, 4\)"):
        forward.scores(network, np.zeros((1, 1, 3, 4)))
