"""How the image comes into an ONNX file: flat, with channels last, of open size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import IMAGE, RNG, WEIGHT, assert_as_onnxruntime, model_of, node, saved

from mlspec.core import forward
from mlspec.errors import NetworkError
from mlspec.problem.onnx_import import read_classifier, read_network


@pytest.mark.parametrize("shape", [("batch", 32), (1, 32), (32,), (1, 32, 1), (2, 4, 4)])
def test_flat_inputs_are_read_with_the_shape_of_the_image(
    shape: tuple[Any, ...], tmp_path: Path
) -> None:
    nodes = [
        node("Reshape", "image row", "flat"),
        node("Gemm", "flat weight", "scores", transB=1),
    ]
    model = model_of(nodes, {"weight": WEIGHT, "row": np.array([1, -1])}, shape)
    path = saved(model, tmp_path)
    assert_as_onnxruntime(path, input_shape=IMAGE)
    with pytest.raises(NetworkError, match=r"classifier\.input_shape"):
        read_network(path)
    with pytest.raises(NetworkError):
        read_network(path, input_shape=(1, 4, 4))


def test_channels_may_come_last(tmp_path: Path) -> None:
    kernel = RNG.normal(size=(3, 2, 4, 4)).astype(np.float32)
    nodes = [
        node("Transpose", "image", "first", perm=[0, 3, 1, 2]),
        node("Conv", "first kernel", "maps"),
        node("Flatten", "maps", "scores"),
    ]
    path = saved(model_of(nodes, {"kernel": kernel}, ("batch", 4, 4, 2)), tmp_path)
    assert_as_onnxruntime(path)
    assert [type(op).__name__ for op in read_network(path).ops] == ["Conv", "Flatten"]


def test_channels_that_come_last_into_a_flattening_have_to_be_declared(tmp_path: Path) -> None:
    path = saved(
        model_of(
            [node("Flatten", "image", "flat"), node("Gemm", "flat weight", "scores", transB=1)],
            {"weight": WEIGHT},
            ("batch", 4, 4, 2),
        ),
        tmp_path,
    )
    assert_as_onnxruntime(path, input_shape=IMAGE)
    network = read_network(path, input_shape=IMAGE)
    image = RNG.random(IMAGE)
    np.testing.assert_allclose(
        forward.scores(network, image[None])[0], WEIGHT @ image.transpose(1, 2, 0).ravel()
    )


def test_open_rows_and_columns_are_those_declared(tmp_path: Path) -> None:
    nodes = [
        node("GlobalAveragePool", "image", "means"),
        node("Flatten", "means", "flat"),
        node("Gemm", "flat weight", "scores", transB=1),
    ]
    path = saved(model_of(nodes, {"weight": WEIGHT[:, :2]}, ("n", 2, "h", "w")), tmp_path)
    with pytest.raises(NetworkError, match="one size"):
        read_network(path)
    assert_as_onnxruntime(path, input_shape=(2, 5, 3))


def test_a_declared_shape_that_the_file_has_is_taken_as_it_is(tmp_path: Path) -> None:
    """Though what reads the input looks as if its channels came last."""
    nodes = [
        node("Transpose", "image", "turned", perm=[0, 3, 1, 2]),
        node("Flatten", "turned", "flat"),
        node("Gemm", "flat weight", "scores", transB=1),
    ]
    path = saved(model_of(nodes, {"weight": WEIGHT}), tmp_path)
    found = read_classifier(path, input_shape=IMAGE)
    np.testing.assert_array_equal(found.places.ravel(), np.arange(32))
    assert_as_onnxruntime(path, input_shape=IMAGE)
