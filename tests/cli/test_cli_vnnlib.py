"""``mlspec vnnlib`` and ``mlspec export --format vnnlib``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from onnx_files import by_onnxruntime
from shell import mlspec

from mlspec.problem.onnx_import import read_network
from mlspec.problem.vnnlib_text import parse

SMALL = "specs/small.yaml"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A neighborhood that is robust, as a network and a property."""
    folder = tmp_path_factory.mktemp("vnnlib")
    file = folder / "small.vnnlib"
    said = mlspec("export", SMALL, "--format", "vnnlib", "--eps", "0.001", "-o", file, cwd=folder)
    assert "unsat means robust" in said.out
    assert (folder / "small.onnx").is_file()
    return file


def test_what_is_robust_is_unsat(exported: Path) -> None:
    found = mlspec(
        "vnnlib", exported.with_suffix(".onnx"), exported, "--timeout", "60", cwd=exported.parent
    )
    assert found.out == "unsat\n"


def test_what_is_violated_is_sat_with_a_counterexample(exported: Path) -> None:
    wider = exported.with_name("wide.vnnlib")
    mlspec("export", SMALL, "--format", "vnnlib", "--eps", "0.5", "-o", wider, cwd=exported.parent)
    found = mlspec(
        "vnnlib", wider.with_suffix(".onnx"), wider, "--timeout", "60", cwd=exported.parent
    )
    first, rest = found.out.split("\n", 1)
    assert first == "sat"
    assert re.fullmatch(r"\(\(X_0 \S+\)\n( \([XY]_\d+ \S+\)\n)* \(Y_\d+ \S+\)\)\n", rest)
    values = {name: float(value) for name, value in re.findall(r"\((\w+) (\S+?)\)", rest)}
    question = parse(wider.read_text())
    inputs = np.array([values[f"X_{number}"] for number in range(question.inputs)])
    outputs = np.array([values[f"Y_{number}"] for number in range(question.outputs)])
    shape = read_network(wider.with_suffix(".onnx")).input_shape
    scores = by_onnxruntime(wider.with_suffix(".onnx"), inputs.reshape(1, *shape))[0]
    np.testing.assert_allclose(outputs, scores, atol=1e-4)
    assert any(
        all(
            sum(float(factor) * values[name] for name, factor in each.coefficients.items())
            + float(each.constant)
            <= 0.0
            for each in case
        )
        for case in question.cases
    )


def test_a_property_that_does_not_fit_is_one_line(exported: Path) -> None:
    broken = exported.with_name("broken.vnnlib")
    broken.write_text("(declare-const X_0 Real)\n(declare-const Y_0 Real)\n")
    found = mlspec("vnnlib", exported.with_suffix(".onnx"), broken, cwd=exported.parent)
    assert found.code == 2
    assert found.err.startswith(f"{broken}: the property has 1 inputs and 1 outputs")
