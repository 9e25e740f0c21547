"""Where the weights of an ONNX file lie, what numbers they are, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from onnx_graphs import PLAIN, RNG, WEIGHT, assert_as_onnxruntime, model_of, node, saved

from mlspec.errors import NetworkError
from mlspec.problem.onnx_comparison import largest_difference
from mlspec.problem.onnx_import import read_classifier, read_network


def beside(folder: Path, place: str = "net.onnx.data") -> Path:
    """Write the model with its weights in another file."""
    path = folder / "net.onnx"
    model = onnx.ModelProto()
    model.CopyFrom(PLAIN)
    onnx.save(
        model, str(path), save_as_external_data=True, location="net.onnx.data", size_threshold=0
    )
    if place != "net.onnx.data":
        plain = onnx.load(str(path), load_external_data=False)
        plain.graph.initializer[0].external_data[0].value = place
        path.write_bytes(plain.SerializeToString())
    return path


def test_weights_beside_the_model_are_read_and_stored_with_it(tmp_path: Path) -> None:
    path = beside(tmp_path)
    assert_as_onnxruntime(path)
    whole = read_classifier(path)
    assert whole.onnx != path.read_bytes()
    (tmp_path / "net.onnx.data").unlink()
    again = read_classifier(whole.onnx)
    assert again.network.digest == whole.network.digest
    assert again.onnx == whole.onnx


def test_a_model_of_one_file_is_stored_as_it_is(tmp_path: Path) -> None:
    path = saved(PLAIN, tmp_path)
    assert read_classifier(path).onnx == path.read_bytes()


@pytest.mark.parametrize("place", ["../secret.data", "sub/../../secret.data", "/etc/hostname"])
def test_weights_outside_of_the_folder_of_the_model_are_refused(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.data").write_bytes(WEIGHT.tobytes())
    with pytest.raises(NetworkError, match="outside of its folder"):
        read_network(beside(folder, place))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.data").write_bytes(WEIGHT.tobytes())
    (folder / "link.data").symlink_to(tmp_path / "secret.data")
    with pytest.raises(NetworkError, match="outside of its folder"):
        read_network(beside(folder, "link.data"))


def test_missing_weights_are_named(tmp_path: Path) -> None:
    path = beside(tmp_path)
    (tmp_path / "net.onnx.data").unlink()
    with pytest.raises(NetworkError, match=r"net\.onnx\.data', which is missing"):
        read_network(path)


def test_float16_is_refused_unless_it_is_taken_as_float32(tmp_path: Path) -> None:
    nodes = [node("Flatten", "image", "flat"), node("Gemm", "flat weight", "scores", transB=1)]
    half = model_of(nodes, {"weight": WEIGHT.astype(np.float16)}, kind=TensorProto.FLOAT16)
    path = saved(half, tmp_path)
    with pytest.raises(NetworkError, match=r"float16.*classifier\.float16: as_float32"):
        read_network(path)
    found = read_classifier(path, float16=True)
    assert largest_difference(found) < 0.05
    np.testing.assert_array_equal(found.network.ops[1].parameters[0], WEIGHT.astype(np.float16))


def test_weights_stored_in_float16_or_whole_numbers_are_no_float16_network(tmp_path: Path) -> None:
    """They are computed with in float32."""
    nodes = [
        node("Cast", "half", "weight", to=TensorProto.FLOAT),
        node("DequantizeLinear", "small scale", "bias"),
        node("Flatten", "image", "flat"),
        node("Gemm", "flat weight bias", "scores", transB=1),
    ]
    constants = {
        "half": WEIGHT.astype(np.float16),
        "small": np.array([1, -2, 3], np.int8),
        "scale": np.float32(0.5),
    }
    assert_as_onnxruntime(saved(model_of(nodes, constants), tmp_path))


def test_a_cast_to_float16_inside_is_refused(tmp_path: Path) -> None:
    nodes = [
        node("Cast", "image", "half", to=TensorProto.FLOAT16),
        node("Flatten", "half", "scores"),
    ]
    with pytest.raises(NetworkError, match=r"Cast node .*float16"):
        read_network(saved(model_of(nodes, {}), tmp_path))


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("Tanh", "ReLU, leaky ReLU or clip"),
        ("HardSwish", "not piecewise linear"),
        ("Sigmoid", "at the end it may stay"),
        ("Ceil", "jumps"),
        ("Det", "nothing says how to bound it"),
    ],
)
def test_an_op_that_is_refused_is_named_with_what_to_do(
    kind: str, word: str, tmp_path: Path
) -> None:
    nodes = [
        node(kind, "image", "curved"),
        node("Relu", "curved", "r"),
        node("Flatten", "r", "scores"),
    ]
    with pytest.raises(
        NetworkError, match=rf"{kind if kind != 'Sigmoid' else 'Relu'} node .*{word}"
    ):
        read_network(saved(model_of(nodes, {}), tmp_path))


@pytest.mark.parametrize("kind", ["Softmax", "Sigmoid", "LogSoftmax"])
def test_an_end_may_be_followed_by_a_flattening(kind: str, tmp_path: Path) -> None:
    attributes = {} if kind == "Sigmoid" else {"axis": 1}
    kernel = RNG.normal(size=(3, 2, 4, 4)).astype(np.float32)
    nodes = [
        node("Conv", "image kernel", "maps"),
        node(kind, "maps", "ended", **attributes),
        node("Flatten", "ended", "scores"),
    ]
    found = read_classifier(saved(model_of(nodes, {"kernel": kernel}), tmp_path))
    assert found.end == kind
    assert largest_difference(found) < 1e-5


def test_what_differs_from_onnxruntime_is_refused(tmp_path: Path) -> None:
    found = read_classifier(saved(PLAIN, tmp_path))
    other = onnx.ModelProto()
    other.CopyFrom(PLAIN)
    changed = numpy_helper.from_array(WEIGHT + np.float32(0.01), "weight")
    other.graph.initializer[0].CopyFrom(changed)
    wrong = type(found)(found.network, other.SerializeToString(), found.end, found.places)
    assert largest_difference(found) < 1e-5
    with pytest.raises(NetworkError, match="differ from those of onnxruntime by up to 0"):
        largest_difference(wrong)
