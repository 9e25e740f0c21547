"""ONNX files of chains of nodes: what is read computes what onnxruntime computes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from law import law
from onnx_chains import (
    CONV,
    FLAT,
    GEMM,
    NORM,
    POOL,
    SHAPE,
    SMALL_GEMM,
    TWO_GEMM,
    assert_same_scores,
    gemm,
    model_of,
    variant,
    written,
)
from onnx_files import Node, model_of_network
from random_ops import SMALL
from strategies import networks

from mlspec.core.network import Network
from mlspec.problem.onnx_import import read_network


@law(networks(SMALL), quick=60, deep=1000)
def test_a_network_read_from_a_file_computes_what_onnxruntime_computes(network: Network) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for constants in (False, True):
            model = model_of_network(network, constants=constants)
            onnx.checker.check_model(model, full_check=True)
            path = written(model, Path(folder))
            found = read_network(path)
            assert found.input_shape == network.input_shape
            assert found.labels == network.labels
            assert_same_scores(path, found)


RNG = np.random.default_rng(2)
READABLE: dict[str, list[Node]] = {
    "conv without bias": [("Conv", CONV[1], CONV[2][:1]), FLAT, GEMM],
    "conv without kernel_shape": [("Conv", {}, CONV[2]), FLAT, GEMM],
    "gemm without transB": [CONV, FLAT, ("Gemm", {}, [GEMM[2][0].T, GEMM[2][1]])],
    "gemm with alpha and beta": [CONV, FLAT, variant(GEMM, alpha=0.5, beta=2.0)],
    "gemm without bias": [CONV, FLAT, ("Gemm", {"transB": 1}, GEMM[2][:1])],
    "gemm with a bias row": [CONV, FLAT, ("Gemm", {"transB": 1}, [GEMM[2][0], GEMM[2][1][None]])],
    "gemm with one bias for all": [
        CONV,
        FLAT,
        ("Gemm", {"transB": 1}, [GEMM[2][0], np.array([0.5])]),
    ],
    "pool without strides": [
        CONV,
        ("MaxPool", {"kernel_shape": [3, 3]}, []),
        FLAT,
        SMALL_GEMM,
    ],
    "pool that leaves a rim": [
        CONV,
        variant(POOL, kernel_shape=[3, 3]),
        FLAT,
        ("Gemm", {"transB": 1}, [RNG.normal(size=(3, 2))]),
    ],
    "explicit defaults": [
        variant(CONV, group=1, dilations=[1, 1], auto_pad="NOTSET", pads=[0, 0, 0, 0]),
        variant(POOL, ceil_mode=0, dilations=[1, 1], pads=[0, 0, 0, 0], storage_order=0),
        variant(FLAT, axis=1),
        variant(SMALL_GEMM, transA=0),
    ],
    "depthwise conv": [
        CONV,
        ("Conv", {"group": 2}, [RNG.normal(size=(4, 1, 3, 3)), RNG.normal(size=4)]),
        FLAT,
        ("Gemm", {"transB": 1}, [RNG.normal(size=(3, 16))]),
    ],
    "dilated conv": [
        ("Conv", {"dilations": [2, 3], "pads": [1, 1, 1, 1]}, [RNG.normal(size=(2, 1, 3, 2))]),
        FLAT,
        ("Gemm", {"transB": 1}, [RNG.normal(size=(3, 2 * 4 * 5))]),
    ],
    "global average": [CONV, ("GlobalAveragePool", {}, []), FLAT, TWO_GEMM],
    "mean": [CONV, ("ReduceMean", {"axes": [2, 3], "keepdims": 0}, []), TWO_GEMM],
    "mean from the end": [CONV, ("ReduceMean", {"axes": [-1, -2]}, []), FLAT, TWO_GEMM],
    "batch normalisation": [CONV, NORM, FLAT, GEMM],
    "batch normalisation of the image": [
        ("BatchNormalization", {"epsilon": 0.1}, [p[:1] for p in NORM[2]]),
        variant(CONV, pads=[1, 1, 1, 1]),
        ("MaxPool", {"kernel_shape": [3, 3]}, []),
        FLAT,
        GEMM,
    ],
    "batch normalisation of a vector": [
        CONV,
        FLAT,
        GEMM,
        ("BatchNormalization", {}, [np.abs(RNG.normal(size=3)) + 0.1 for _ in range(4)]),
    ],
    "normalised image": [
        ("Sub", {}, [np.array([[[0.3]]])]),
        ("Div", {}, [np.array([[[[0.2]]]])]),
        variant(CONV, pads=[1, 1, 1, 1]),
        ("MaxPool", {"kernel_shape": [3, 3]}, []),
        FLAT,
        GEMM,
    ],
    "normalised by a mean image": [
        ("Sub", {}, [RNG.random((1, 6, 6))]),
        ("Mul", {}, [np.array(2.5)]),
        CONV,
        FLAT,
        GEMM,
    ],
    "rows and columns of constants": [
        ("Add", {}, [RNG.random((6, 1))]),
        ("Mul", {}, [RNG.random(6)]),
        CONV,
        FLAT,
        GEMM,
    ],
    "matmul and add": [
        CONV,
        FLAT,
        ("MatMul", {}, [GEMM[2][0].T]),
        ("Add", {}, [GEMM[2][1]]),
    ],
    "leaky ReLU": [CONV, ("LeakyRelu", {}, []), FLAT, GEMM],
    "leaky ReLU of slope 0": [CONV, ("LeakyRelu", {"alpha": 0.0}, []), FLAT, GEMM],
    "clip": [CONV, ("Clip", {}, [np.array(-0.5), np.array(0.25)]), FLAT, GEMM],
    "ReLU6": [CONV, ("Clip", {}, [np.array(0.0), np.array(6.0)]), FLAT, GEMM],
    "clip from below": [CONV, ("Clip", {}, [np.array(0.125)]), FLAT, GEMM],
    "clip without limits": [CONV, ("Clip", {}, []), FLAT, GEMM],
    "maximum with a number": [CONV, ("Max", {}, [np.array([0.125])]), FLAT, GEMM],
    "maximum with zeros": [CONV, ("Max", {}, [np.zeros((2, 1, 1))]), FLAT, GEMM],
    "minimum with numbers": [CONV, ("Min", {}, [np.array(0.5), np.array(0.25)]), FLAT, GEMM],
    "minimum of a ReLU": [CONV, ("Relu", {}, []), ("Min", {}, [np.array(0.25)]), FLAT, GEMM],
    "asymmetric pads": [variant(CONV, pads=[0, 1, 2, 0]), FLAT, gemm(60)],
    "same-padded conv": [variant(CONV, auto_pad="SAME_UPPER"), FLAT, gemm(72)],
    "same-padded strided conv": [
        variant(CONV, auto_pad="SAME_LOWER", strides=[2, 2]),
        FLAT,
        gemm(18),
    ],
    "valid conv": [variant(CONV, auto_pad="VALID"), FLAT, gemm(32)],
    "padded pool": [CONV, variant(POOL, pads=[1, 1, 1, 1]), FLAT, gemm(18)],
    "padded pool of a ReLU": [
        CONV,
        ("Relu", {}, []),
        variant(POOL, kernel_shape=[3, 3], pads=[1, 0, 1, 2]),
        FLAT,
        gemm(8),
    ],
    "ceiling pool": [CONV, variant(POOL, kernel_shape=[3, 3], ceil_mode=1), FLAT, gemm(8)],
    "ceiling pool without effect": [CONV, variant(POOL, ceil_mode=1), FLAT, SMALL_GEMM],
    "dilated pool": [CONV, variant(POOL, dilations=[2, 3], strides=[1, 1]), FLAT, gemm(4)],
    "same-padded pool": [
        CONV,
        variant(POOL, kernel_shape=[3, 3], auto_pad="SAME_LOWER"),
        FLAT,
        SMALL_GEMM,
    ],
    "ceiling average": [
        CONV,
        ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, []),
        FLAT,
        gemm(8),
    ],
    "global maximum": [CONV, ("GlobalMaxPool", {}, []), FLAT, TWO_GEMM],
    "mean of channels": [CONV, ("ReduceMean", {"axes": [1]}, []), FLAT, gemm(16)],
    "maximum of rows": [CONV, ("ReduceMax", {"axes": [3], "keepdims": 0}, []), FLAT, gemm(8)],
    "flattened with the batch": [CONV, ("Flatten", {"axis": 0}, []), gemm(32)],
    "reshaped to a row": [CONV, ("Squeeze", {}, []), ("Flatten", {"axis": 0}, []), gemm(32)],
    "constants that enlarge": [("Add", {}, [RNG.random((2, 1, 1))]), FLAT, gemm(72)],
    "limits that enlarge": [("Min", {}, [np.array([[[0.3]], [[0.6]]])]), FLAT, gemm(72)],
    "limits unit by unit": [CONV, ("Max", {}, [RNG.normal(size=(4, 4))]), FLAT, GEMM],
    "leaky ReLU of slope 1": [CONV, ("LeakyRelu", {"alpha": 1.0}, []), FLAT, GEMM],
    "leaky ReLU that turns": [CONV, ("LeakyRelu", {"alpha": -0.1}, []), FLAT, GEMM],
    "parametric ReLU": [CONV, ("PRelu", {}, [np.array([[[0.2]], [[1.5]]])]), FLAT, GEMM],
    "hard sigmoid": [CONV, ("HardSigmoid", {"alpha": 0.3}, []), FLAT, GEMM],
    "absolute value": [CONV, ("Abs", {}, []), FLAT, GEMM],
    "negative": [CONV, ("Neg", {}, []), FLAT, GEMM],
    "transposed": [CONV, ("Transpose", {"perm": [0, 2, 3, 1]}, []), FLAT, GEMM],
    "channels last inside": [
        CONV,
        ("Transpose", {"perm": [0, 2, 3, 1]}, []),
        ("Add", {}, [np.array([0.5, -0.5])]),
        ("Relu", {}, []),
        ("Transpose", {"perm": [0, 3, 1, 2]}, []),
        POOL,
        FLAT,
        SMALL_GEMM,
    ],
    "matmul of rows": [("MatMul", {}, [RNG.normal(size=(6, 3))]), ("Relu", {}, []), FLAT, gemm(18)],
    "matmuls of groups": [
        CONV,
        ("MatMul", {}, [RNG.normal(size=(2, 4, 3))]),
        ("Relu", {}, []),
        FLAT,
        gemm(24),
    ],
    "gemm of a column": [
        CONV,
        ("Flatten", {"axis": 4}, []),
        ("Gemm", {"transA": 1, "transB": 1}, [GEMM[2][0], GEMM[2][1]]),
    ],
    "identity and dropout": [CONV, ("Identity", {}, []), ("Dropout", {}, []), FLAT, GEMM],
}


@pytest.mark.parametrize("name", READABLE)
def test_every_way_to_write_an_op_is_read_alike(name: str, tmp_path: Path) -> None:
    path = written(model_of(READABLE[name], SHAPE, 3), tmp_path)
    assert_same_scores(path, read_network(path))
