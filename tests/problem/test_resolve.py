"""From spec to problem: what is read is what was written, and it fits together."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from onnx_files import model_of_network

from mlspec import load_spec
from mlspec.attack.sensitivity import sensitivities
from mlspec.core.network import Network
from mlspec.core.problem import Problem
from mlspec.core.property import Threshold, TopK
from mlspec.errors import SpecError
from mlspec.ops.flatten import Flatten
from mlspec.ops.linear import Linear
from mlspec.problem.resolve import Resolved, resolve
from mlspec.spec.assets import asset_dir

SHIPPED = ("small", "none_img3", "l0_img3", "pgd_img3")
LINES = """\
classifier: {onnx: specs/classifiers/none.onnx}
image: {dataset: double-digits, index: 3}
object: {mask: dataset}
"""
"""The 3 beside a 9 may change; 40 layers."""


def resolved(**changes: object) -> Resolved:
    """Resolve the spec of ``LINES`` with four layers and ``changes``; ``__`` stands for a dot."""
    overrides = {"layers": {"count": 4}}
    overrides |= {key.replace("__", "."): value for key, value in changes.items()}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "s.yaml"
        file.write_text(LINES)
        return resolve(load_spec(file, overrides))


def problem(**changes: object) -> Problem:
    return resolved(**changes).problem


def complaint(text: str, folder: Path) -> str:
    (folder / "s.yaml").write_text(f"{LINES}{text}\n")
    with pytest.raises(SpecError) as caught:
        resolve(load_spec(folder / "s.yaml"))
    return str(caught.value).removeprefix(f"{folder}/")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_specs_ask_what_their_classifier_reads_right(name: str) -> None:
    found = resolve(load_spec(f"specs/{name}.yaml"))
    assert found.object_label
    if name != "small":
        assert found.object_label == "3"
        assert found.problem.property.targets == (9,)
    assert found.problem.margin(found.problem.image[None])[0] > 0.0
    assert found.problem.layering.count == len(found.problem.weights)
    assert np.all(found.problem.weights > 0.0)


def test_the_classifier_is_kept_as_it_lies_on_the_disk() -> None:
    file = asset_dir("specs") / "classifiers" / "none.onnx"
    assert resolved().classifier_onnx == file.read_bytes()


def test_targets_are_the_other_objects_or_those_that_are_named() -> None:
    assert problem().property.targets == (9,)
    assert problem(object__index=1).property.targets == (3,)
    assert problem(target="3").property.targets == (3,)
    assert problem(target=["9", "3"]).property.targets == (9, 3)


def test_the_rule_is_that_of_the_spec() -> None:
    assert problem().property.rule == TopK(2)
    assert problem(classifier__decision={"rule": "top_k", "k": 3}).property.rule == TopK(3)


@pytest.mark.parametrize("tau", [0.2, 0.5])
def test_a_threshold_on_the_sigmoid_is_one_on_the_logit(tau: float) -> None:
    decision = {"rule": "threshold", "tau": tau}
    rule = problem(classifier__decision=decision).property.rule
    assert isinstance(rule, Threshold)
    np.testing.assert_allclose(1.0 / (1.0 + np.exp(-np.array(rule.tau))), np.full(10, tau))
    same = {"rule": "threshold", "tau": list(rule.tau), "scale": "logit"}
    assert problem(classifier__decision=same).property.rule == rule


def test_layers_may_be_counted_merged_or_all() -> None:
    every = problem(layers={"count": "all"}).layering
    assert (every.index >= 0).all()
    first = problem(layers={"count": 3}).layering
    assert first.count == 3
    np.testing.assert_array_equal(first.index, np.where(every.index < 3, every.index, -1))
    merged = problem(layers={"groups": [[0], [2, 1]]}).layering
    assert merged.count == 2
    np.testing.assert_array_equal(merged.index == 1, (every.index == 1) | (every.index == 2))


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_the_object_is_layer_0_for_every_distance(norm: str) -> None:
    found = problem(distance=norm, layers={"count": "all"})
    np.testing.assert_array_equal(found.layering.index == 0, found.object_mask)


def test_weights_follow_their_formulas() -> None:
    layers = np.arange(4)
    np.testing.assert_array_equal(problem(weights="uniform").weights, np.ones(4))
    np.testing.assert_allclose(problem(weights="linear").weights, 1 - layers / 4)
    np.testing.assert_allclose(problem(weights="inverse_square").weights, 1 / (1 + layers) ** 2)
    np.testing.assert_allclose(problem(weights="inverse_cube").weights, 1 / (1 + layers) ** 3)
    np.testing.assert_array_equal(problem(weights=[1, 0, 2.5, 3]).weights, [1, 0, 2.5, 3])
    pixels = problem(weights="pixels")
    np.testing.assert_allclose(
        pixels.weights, pixels.layering.pixels / pixels.layering.pixels.sum()
    )
    found = problem(weights="sensitivity")
    slopes = sensitivities(found.network, found.image, found.property, found.layering)
    np.testing.assert_allclose(found.weights, slopes / slopes.max())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target: '7'", "s.yaml:4:9: target: the classifier predicts 3 and 9 for this image"),
        ("target: ['9', '9']", "s.yaml:4:9: target: label '9' is there twice: keep one"),
        ("weights: [1]", "s.yaml:4:10: weights: 1 weights for 40 layers: give one per layer"),
        ("layers: {count: 50}", "s.yaml:4:17: layers.count: 50 layers do not exist"),
        ("layers: {groups: [[50]]}", "s.yaml:4:18: layers.groups: layer 50 does not exist"),
    ],
)
def test_what_does_not_fit_is_an_error_in_its_place(
    text: str, expected: str, tmp_path: Path
) -> None:
    assert complaint(text, tmp_path).startswith(expected)


def test_all_targets_must_be_predicted() -> None:
    with pytest.raises(SpecError, match=r"not 7: there is no robustness to measure"):
        problem(target=["9", "7"])


def test_an_image_that_is_misread_is_refused() -> None:
    """Without a target all objects of the image count."""
    with pytest.raises(SpecError, match=r"predicts 3 for this image, not 9"):
        problem(classifier__decision={"rule": "top_k", "k": 1})


def test_weights_by_sensitivity_need_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlspec.problem.resolve.sensitivities", lambda *_: np.zeros(4))
    with pytest.raises(SpecError, match="no layer has any sensitivity here"):
        problem(weights="sensitivity")


def own(folder: Path, labels: str, target: str = "'2'", decision: str = "{k: 1}") -> Resolved:
    """Return the problem of a network of three scores, of which the last is the highest."""
    weight = np.array([[0.0] * 4, [0.5] * 4, [1.0] * 4])
    network = Network((Flatten(), Linear(weight, np.zeros(3))), (1, 2, 2))
    (folder / "net.onnx").write_bytes(model_of_network(network).SerializeToString())
    np.save(folder / "image.npy", np.full((2, 2), 0.5))
    (folder / "s.yaml").write_text(
        f"classifier: {{onnx: net.onnx, decision: {decision}{labels}}}\n"
        "image: {file: image.npy}\n"
        "object: {box: [0, 0, 1, 1]}\n"
        f"target: {target}\n"
    )
    return resolve(load_spec(folder / "s.yaml"))


def test_labels_are_numbers_a_list_or_a_file(tmp_path: Path) -> None:
    assert own(tmp_path, "").problem.label_names == ("0", "1", "2")
    assert own(tmp_path, ", labels: [a, b, c]", "c").problem.label_names == ("a", "b", "c")
    (tmp_path / "names.txt").write_text("cat\nsmall dog\n\n  bird \n")
    found = own(tmp_path, ", labels: {file: names.txt}", "bird")
    assert found.problem.label_names == ("cat", "small dog", "bird")


@pytest.mark.parametrize(
    ("labels", "target", "decision", "message"),
    [
        ("", "'3'", "{k: 1}", "target: no label '3' in 0, 1, 2"),
        ("", "'2'", "{k: 3}", "classifier.decision.k: k must be below the number of labels, 3"),
        (
            "",
            "'2'",
            "{rule: threshold, tau: [0.5]}",
            "classifier.decision.tau: one tau per label is needed, 3; got 1",
        ),
        (", labels: [a, b]", "a", "{k: 1}", "2 names, but the classifier has 3 scores"),
        (", labels: {file: two.txt}", "a", "{k: 1}", "classifier.labels.file: 2 names, but"),
        (", labels: {file: same.txt}", "a", "{k: 1}", "label 'a' is there twice"),
        (", labels: {file: none.txt}", "a", "{k: 1}", "classifier.labels.file: no such file"),
    ],
)
def test_labels_that_do_not_fit_are_refused_where_they_stand(
    labels: str, target: str, decision: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "two.txt").write_text("a\nb\n")
    (tmp_path / "same.txt").write_text("a\nb\na\n")
    with pytest.raises(SpecError, match=re.escape(message)):
        own(tmp_path, labels, target, decision)
