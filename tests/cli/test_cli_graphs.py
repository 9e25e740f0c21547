"""A residual network with batch normalisation and average pools, from its ONNX file to verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from cli_cases import mlspec
from onnx import TensorProto, helper, numpy_helper
from onnx_files import by_onnxruntime
from PIL import Image

from mlspec import open_result
from mlspec.core import forward
from mlspec.core.network import Array
from mlspec.problem.onnx_import import read_network

SIDE = 10
SPEC = """\
classifier:
  onnx: residual.onnx
  labels: [a, b, c, d]
  decision: {rule: top_k, k: 2}
image: {file: image.png}
object: {box: [3, 3, 6, 6]}
target: TARGET
layers: {count: 3}
verifier:
  attack: {restarts: 8, steps: 20}
budget: {seconds: 20, queries: 3}
search: {tolerance: 0.2}
"""


def residual_model(seed: int) -> onnx.ModelProto:
    """Return normalisation, conv, batch norm, two residual blocks, a global mean, a matmul."""
    rng = np.random.default_rng(seed)
    tensors: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def constant(value: Array) -> str:
        name = f"c{len(tensors)}"
        tensors.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    def node(kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind.lower()}{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def conv(value: str, channels: int, filters: int, size: int, stride: int = 1) -> str:
        weight = rng.normal(size=(filters, channels, size, size)) / np.sqrt(channels) / size
        made = node(
            "Conv",
            value,
            constant(weight),
            strides=[stride, stride],
            pads=[size // 2] * 4,
        )
        norm = [1.0 + 0.2 * rng.random(filters), *rng.normal(size=(2, filters)) * 0.1]
        return node("BatchNormalization", made, *map(constant, norm), constant(np.ones(filters)))

    value = node("Div", node("Sub", "image", constant([[[0.4]]])), constant([0.3]))
    value = node("Relu", conv(value, 1, 3, 3))
    body = conv(node("Relu", conv(value, 3, 4, 3, 2)), 4, 4, 3)
    value = node("Relu", node("Add", body, conv(value, 3, 4, 1, 2)))
    body = conv(node("Relu", conv(value, 4, 4, 3)), 4, 4, 3)
    value = node("Relu", node("Add", node("Identity", value), body))
    pool = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    value = node("Flatten", node("AveragePool", value, **pool))
    value = node("MatMul", value, constant(rng.normal(size=(36, 4))))
    nodes.append(helper.make_node("Add", [value, constant(rng.normal(size=4))], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "residual",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 4])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(params=range(3))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A spec, its classifier and its image."""
    model = residual_model(request.param)
    onnx.checker.check_model(model, full_check=True)
    (tmp_path / "residual.onnx").write_bytes(model.SerializeToString())
    pixels = np.random.default_rng(request.param).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    scores = by_onnxruntime(tmp_path / "residual.onnx", pixels[None, None] / 255.0)[0]
    target = "abcd"[int(np.argsort(-scores)[1])]
    (tmp_path / "spec.yaml").write_text(SPEC.replace("TARGET", target))
    return tmp_path


def test_the_file_is_read_as_onnxruntime_reads_it(folder: Path) -> None:
    images = np.random.default_rng(9).random((20, 1, SIDE, SIDE)).astype(np.float32)
    theirs = by_onnxruntime(folder / "residual.onnx", images)
    ours = forward.scores(read_network(folder / "residual.onnx"), images)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


def test_small_neighborhoods_are_robust_and_the_whole_cube_is_not(folder: Path) -> None:
    plan = mlspec("check", "spec.yaml", cwd=folder)
    assert plan.code == 0, plan.err
    assert "add" in plan.out
    for bounds in ("interval", "crown", "alpha"):
        setting = ("--set", f"verifier.bounds={bounds}")
        small = mlspec("verify", "spec.yaml", "--eps", "0.001", *setting, cwd=folder)
        assert (small.code, small.out.split()[0]) == (0, "robust"), small
        large = mlspec("verify", "spec.yaml", "--eps", "1", *setting, cwd=folder)
        assert (large.code, large.out.split()[0]) == (1, "violated"), large


def test_a_search_ends_in_a_neighborhood_without_violations(folder: Path) -> None:
    ran = mlspec("solve", "spec.yaml", "-o", "out.nc", "--budget", "3", cwd=folder)
    assert ran.code == 0, ran.err
    result = open_result(folder / "out.nc")
    assert float(result["size"]) > 0.0
    again = mlspec("verify", "out.nc", cwd=folder)
    assert again.out.split()[0] == "robust", again
    rng = np.random.default_rng(1)
    image, radius = result["image"].values, result["epsilon_map"].values
    moves = np.concatenate(
        [rng.uniform(-1, 1, (500, *image.shape)), rng.choice([-1, 1], (500, *image.shape))]
    )
    images = np.clip(image + moves * radius, 0.0, 1.0)
    scores = by_onnxruntime(folder / "residual.onnx", images)
    (name,) = json.loads(result.attrs["targets"])
    target = result["label"].values.tolist().index(name)
    assert (np.argsort(-scores, axis=1)[:, :2] == target).any(axis=1).all()
