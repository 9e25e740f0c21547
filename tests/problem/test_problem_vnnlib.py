"""Properties in VNN-LIB: what is read, what they become, and what is written."""

from __future__ import annotations

import gzip
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from oracles import level
from random_ops import Rng

from mlspec.core import forward
from mlspec.errors import InputError
from mlspec.problem.onnx_import import Classifier, read_classifier
from mlspec.problem.vnnlib_query import problems, regions_of
from mlspec.problem.vnnlib_second import parse_second
from mlspec.problem.vnnlib_text import parse, text_of

DECLARED = """; a comment
(declare-const X_0 Real) (declare-const X_1 Real)
(declare-const Y_0 Real) (declare-const Y_1 Real)
"""
BOX = """
(assert (>= X_0 -1)) (assert (<= X_0 2))
(assert (and (<= X_1 0.5) (>= X_1 (- 0.25))))
"""


def network(rng: Rng, folder: Path) -> Path:
    """Write a network of two inputs and outputs."""
    constants = {
        "w": rng.normal(size=(4, 2)),
        "a": rng.normal(size=4),
        "v": rng.normal(size=(2, 4)),
        "b": rng.normal(size=2),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w", "a"], ["z"], transB=1),
        helper.make_node("Relu", ["z"], ["h"]),
        helper.make_node("Gemm", ["h", "v", "b"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def read(folder: Path, seed: int = 0) -> Classifier:
    return read_classifier(network(np.random.default_rng(seed), folder), flat=True)


def test_ends_and_constraints_are_read_exactly(tmp_path: Path) -> None:
    text = DECLARED + BOX + "(assert (<= (+ (* 2 Y_0) (- Y_1 0.1)) (* Y_1 3)))"
    (region,) = regions_of(parse(text), read(tmp_path).network)
    np.testing.assert_array_equal(region.outer, [[-1.0, -0.25], [2.0, 0.5]])
    np.testing.assert_allclose(region.rows, [[2.0, -2.0]])
    np.testing.assert_allclose(region.offsets, [-0.1])


def test_ends_that_are_no_floats_are_rounded_to_the_safe_side(tmp_path: Path) -> None:
    text = DECLARED + BOX.replace("0.5)", "0.1)").replace("-1)", "-0.3)") + "(assert (<= Y_0 0))"
    (region,) = regions_of(parse(text), read(tmp_path).network)
    for number, exact in ((0, Fraction("-0.3")), (1, Fraction("-0.25"))):
        assert Fraction(region.outer[0][number]) <= exact
        assert region.inner[0][number] == float(exact)
    for number, exact in ((0, Fraction(2)), (1, Fraction("0.1"))):
        assert exact <= Fraction(region.outer[1][number])
        assert region.inner[1][number] == float(exact)


def test_alternatives_multiply_and_empty_boxes_are_left_out(tmp_path: Path) -> None:
    either = "(assert (or (and (<= X_0 0) (<= Y_0 0)) (and (>= X_0 0) (>= Y_1 0))))"
    text = DECLARED + BOX + either + "(assert (or (<= Y_0 Y_1) (<= X_0 -2)))"
    regions = regions_of(parse(text), read(tmp_path).network)
    assert [region.outer[0][0] for region in regions] == [-1.0, 0.0]
    assert [region.outer[1][0] for region in regions] == [0.0, 2.0]
    assert [len(region.rows) for region in regions] == [2, 2]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("(assert (< X_0 1))", "not a condition"),
        ("(assert (<= X_0 (* X_0 X_1)))", "no linear expression"),
        ("(assert (<= X_0 Y_0))", "neither an end of one input"),
        ("(assert (<= Y_7 0))", "Y_7 is not declared"),
        ("(assert (<= Y_0 0)", "not closed"),
        ("(check-sat)", "neither a declaration of a Real"),
        ("assert", "outside of parentheses"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, word: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=word):
        regions_of(parse(DECLARED + BOX + text), read(tmp_path).network)


def test_inputs_need_both_ends_and_the_right_number(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="X_0 has no lower or no upper end"):
        regions_of(parse(f"{DECLARED}(assert (<= Y_0 0))"), read(tmp_path).network)
    wider = DECLARED + "(declare-const X_2 Real)" + BOX + "(assert (<= Y_0 0))"
    with pytest.raises(InputError, match="3 inputs and 2 outputs, the network 2 and 2"):
        regions_of(parse(wider), read(tmp_path).network)


def test_a_packed_file_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "p.vnnlib.gz").write_bytes(gzip.compress(DECLARED.encode()))
    assert text_of(tmp_path / "p.vnnlib.gz") == DECLARED


SECOND = """(vnnlib-version <2.0>)
(declare-network N (declare-input X float32 [1,2]) (declare-output Y float32 [1,2]))
(assert (and (<= X[0,0] 2.0) (>= X[0,0] -1.0) (<= X[0,1] 0.5) (>= X[0,1] -0.25)))
(assert (or (<= Y[0,0] Y[0,1]) (and (>= Y[0,1] (+ 3.0 (* 2.0 Y[0,0]))) (<= Y[0,0] 1.0))))
"""


def test_the_second_version_says_the_same(tmp_path: Path) -> None:
    pytest.importorskip("vnnlib")
    first = (
        DECLARED
        + BOX
        + "(assert (or (<= Y_0 Y_1) (and (>= Y_1 (+ 3.0 (* 2.0 Y_0))) (<= Y_0 1.0))))"
    )
    classifier = read(tmp_path)
    both = [regions_of(each, classifier.network) for each in (parse(first), parse_second(SECOND))]
    for one, other in zip(*both, strict=True):
        np.testing.assert_array_equal(one.outer, other.outer)
        np.testing.assert_array_equal(one.rows, other.rows)
        np.testing.assert_array_equal(one.offsets, other.offsets)
    with pytest.raises(InputError, match="package vnnlib does not read it"):
        parse_second("(vnnlib-version <2.0>) (assert)")


@pytest.mark.parametrize("seed", range(20))
def test_the_problems_are_robust_exactly_where_nothing_is_found(seed: int, tmp_path: Path) -> None:
    """Against a grid of the box, and the enumeration of activation patterns."""
    rng = np.random.default_rng(seed)
    classifier = read(tmp_path, seed)
    bound = float(rng.normal())
    cases = (
        f"(and (<= Y_0 {bound}) (>= Y_1 {bound}))",
        f"(<= Y_0 {bound - 2.0})",
        f"(>= Y_1 {bound + 2.0})",
    )
    chosen = [case for case in cases if rng.random() < 0.6] or list(cases)
    text = DECLARED + BOX + f"(assert (or {' '.join(chosen)}))"
    regions = regions_of(parse(text), classifier.network)
    least = min(
        level(each.network, each.neighborhood(np.array([0.5])).box, each.property).margin
        for each in problems(classifier, regions)
    )
    x, y = np.meshgrid(np.linspace(-1.0, 2.0, 61), np.linspace(-0.25, 0.5, 61))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    outputs = forward.scores(classifier.network, points.reshape(-1, 1, 1, 2))
    found = [
        any(region.holds(point, output) for region in regions)
        for point, output in zip(points, outputs, strict=True)
    ]
    if any(found):
        assert least <= 1e-9
    if least < -0.3:
        assert any(found), "a point far inside was not on the grid"
