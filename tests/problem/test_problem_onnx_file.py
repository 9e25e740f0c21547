"""Where weights lie, what numbers they are, how the image comes in, and what is folded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_files import by_onnxruntime

from mlspec.core import forward
from mlspec.errors import NetworkError
from mlspec.problem.onnx_comparison import largest_difference
from mlspec.problem.onnx_import import read_classifier, read_network

RNG = np.random.default_rng(3)
WEIGHT = RNG.normal(size=(3, 32)).astype(np.float32)
IMAGE = (2, 4, 4)


def model_of(
    nodes: list[Any],
    constants: dict[str, Any],
    shape: tuple[Any, ...] = ("batch", *IMAGE),
    *,
    kind: int = TensorProto.FLOAT,
    opset: int = 17,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("scores", kind, ("n", "m"))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(kind: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), [output], name=f"{kind}_{output}", **attributes)


PLAIN = model_of(
    [node("Flatten", "image", "flat"), node("Gemm", "flat weight", "scores", transB=1)],
    {"weight": WEIGHT},
)


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def assert_as_onnxruntime(path: Path, **options: Any) -> None:
    found = read_classifier(path, **options)
    images = RNG.random((3, *found.network.input_shape)).astype(np.float32)
    arranged = images.reshape(3, -1)[:, found.places]
    theirs = np.concatenate([by_onnxruntime(path, each).reshape(1, -1) for each in arranged])
    np.testing.assert_allclose(forward.scores(found.network, images), theirs, rtol=1e-5, atol=1e-5)
    assert largest_difference(found) < 1e-5


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


def constants_in_all_forms() -> list[Any]:
    return [
        helper.make_node("Constant", [], ["one"], value_int=1),
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node("Constant", [], ["tail"], value_ints=[-1]),
        helper.make_node("Constant", [], ["shift"], value_floats=[0.5, -0.5, 0.25]),
    ]


def test_shapes_and_constants_are_folded(tmp_path: Path) -> None:
    nodes = [
        *constants_in_all_forms(),
        node("Shape", "image", "sizes"),
        node("Constant", "", "zero", value=numpy_helper.from_array(np.array(0))),
        node("Gather", "sizes zero", "batch"),
        node("Unsqueeze", "batch axis", "first"),
        node("Concat", "first tail", "target", axis=0),
        node("Reshape", "image target", "flat"),
        node("Transpose", "weight", "turned", perm=[1, 0]),
        node("Mul", "turned half", "halved"),
        node("Cast", "one", "as_float", to=TensorProto.FLOAT),
        node("Sub", "shift as_float", "moved"),
        node("MatMul", "flat halved", "product"),
        node("Add", "product moved", "scores"),
    ]
    path = saved(model_of(nodes, {"weight": WEIGHT, "axis": np.array([0])}), tmp_path)
    assert_as_onnxruntime(path)
    assert [type(op).__name__ for op in read_network(path).ops] == ["Flatten", "Linear", "Scale"]


def test_a_constant_condition_chooses_its_branch(tmp_path: Path) -> None:
    def branch(name: str, kind: str) -> Any:
        made = helper.make_node(kind, ["image"], [name])
        return helper.make_graph([made], name, [], [helper.make_empty_tensor_value_info(name)])

    nodes = [
        node("If", "yes", "maps", then_branch=branch("a", "Neg"), else_branch=branch("b", "Abs")),
        node("Flatten", "maps", "flat"),
        node("Gemm", "flat weight", "scores", transB=1),
    ]
    path = saved(model_of(nodes, {"weight": WEIGHT, "yes": np.array(True)}), tmp_path)
    assert_as_onnxruntime(path)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 15, 18, 21])
def test_opsets_differ_only_in_how_they_are_written(opset: int, tmp_path: Path) -> None:
    """Axes, pads and limits moved from attributes to inputs."""
    kernel = RNG.normal(size=(2, 2, 3, 3)).astype(np.float32)
    pads, axes = [0, 0, 1, 0, 0, 0, 1, 2], [1]
    constants = {"kernel": kernel, "weight": WEIGHT, "pads": np.array(pads)}
    constants |= {"axes": np.array(axes), "low": np.float32(-0.5), "high": np.float32(0.5)}
    padded = (
        node("Pad", "image", "wide", pads=pads) if opset < 11 else node("Pad", "image pads", "wide")
    )
    clip = (
        node("Clip", "maps", "cut", min=-0.5, max=0.5)
        if opset < 11
        else node("Clip", "maps low high", "cut")
    )
    unsqueezed, squeezed = (
        (node("Unsqueeze", "cut", "more", axes=axes), node("Squeeze", "more", "less", axes=axes))
        if opset < 13
        else (node("Unsqueeze", "cut axes", "more"), node("Squeeze", "more axes", "less"))
    )
    total = (
        node("ReduceSum", "less", "sums", axes=axes)
        if opset < 13
        else node("ReduceSum", "less axes", "sums")
    )
    mean = (
        node("ReduceMean", "less", "means", axes=axes)
        if opset < 18
        else node("ReduceMean", "less axes", "means")
    )
    nodes = [
        *(padded, node("Conv", "wide kernel", "maps"), clip, unsqueezed, squeezed, total, mean),
        *(node("Concat", "sums means", "both", axis=1), node("Flatten", "both", "flat")),
        node("Gemm", "flat weight zeros", "scores", transB=1),
    ]
    constants["zeros"] = np.zeros(3, np.float32)
    constants["weight"] = RNG.normal(size=(3, 32)).astype(np.float32)
    assert_as_onnxruntime(saved(model_of(nodes, constants, opset=opset), tmp_path))


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
