"""Affine maps: the sparse operator of an op is its forward pass."""

from __future__ import annotations

import numpy as np
from law import law
from random_ops import SMALL
from scipy import sparse
from strategies import networks

from mlspec.core.network import Array, Network
from mlspec.ops.affine_map import Affine
from mlspec.ops.weighted import Weighted, operator


def exact(matrix: sparse.csr_array, constant: Array) -> Affine:
    """Return a map that is not the result of rounding."""
    return Affine(matrix, constant, np.zeros(len(constant)))


@law(networks(SMALL), quick=80, deep=2000)
def test_operators_are_the_forward_pass(network: Network) -> None:
    rng = np.random.default_rng(0)
    for position, op in enumerate(network.ops):
        if not isinstance(op, Weighted):
            continue
        shape = network.shape_before(position)
        value = rng.normal(size=(3, *shape))
        matrix, bias = operator(op, shape)
        ours = value.reshape(3, -1) @ matrix.T.toarray() + bias
        theirs = op.forward(value).reshape(3, -1)
        np.testing.assert_allclose(ours, theirs, atol=1e-9, rtol=1e-9)


@law(networks(SMALL), quick=60, deep=1000)
def test_composed_maps_are_composed_functions(network: Network) -> None:
    rng = np.random.default_rng(0)
    width = int(rng.integers(1, 6))
    units = int(np.prod(network.input_shape))
    start = rng.normal(size=(units, width)) * (rng.random((units, width)) < 0.3)
    value = exact(sparse.csr_array(start), rng.normal(size=units))
    variables = rng.normal(size=width)
    image = (start @ variables + value.constant).reshape(1, *network.input_shape)
    for position, op in enumerate(network.ops):
        if not isinstance(op, Weighted) or network.inputs[position] != (position,):
            break
        weight, bias = operator(op, network.shape_before(position))
        value = value.through(weight, bias, np.zeros(len(bias)))
        image = op.forward(image)
    assert value.width == width
    np.testing.assert_allclose(
        value.matrix @ variables + value.constant, image.ravel(), atol=1e-9, rtol=1e-9
    )
    for unit in range(0, image.size, 3):
        columns, coefficients, constant = value.row(unit)
        total = sum(c * variables[v] for c, v in zip(coefficients, columns, strict=True))
        assert abs(total + constant - image.ravel()[unit]) < 1e-9 * (1 + abs(image).max())


def test_after_a_piecewise_op_units_are_kept_fresh_or_zero() -> None:
    value = exact(sparse.csr_array(np.arange(6.0).reshape(3, 2)), np.array([10.0, 20.0, 30.0]))
    after = value.replaced(np.array([0, 3]), np.array([2, 1]), np.array([2, 4]), 5)
    expected = np.zeros((5, 4))
    expected[0, :2], expected[3, :2] = [4.0, 5.0], [2.0, 3.0]
    expected[2, 2] = expected[4, 3] = 1.0
    np.testing.assert_array_equal(after.matrix.toarray(), expected)
    assert after.constant.tolist() == [30.0, 0.0, 0.0, 20.0, 0.0]


def test_nothing_kept_and_nothing_fresh_is_all_zero() -> None:
    value = exact(sparse.csr_array(np.ones((2, 3))), np.ones(2))
    none = np.array([], dtype=np.int64)
    after = value.replaced(none, none, none, 4)
    assert after.matrix.shape == (4, 3)
    assert abs(after.matrix).sum() == 0.0
    assert after.constant.tolist() == [0.0] * 4


def test_values_of_fewer_variables_add_to_those_of_more() -> None:
    value = exact(sparse.csr_array(np.arange(6.0).reshape(3, 2)), np.array([10.0, 20.0, 30.0]))
    wider = exact(sparse.csr_array(np.ones((3, 4))), np.ones(3))
    assert value.over(2) is value
    total = value.over(4).plus(wider, np.zeros(3))
    expected = np.ones((3, 4))
    expected[:, :2] += np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(total.matrix.toarray(), expected)
    assert total.constant.tolist() == [11.0, 21.0, 31.0]
    assert value.matrix.shape == (3, 2)
