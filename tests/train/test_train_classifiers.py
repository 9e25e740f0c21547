"""The classifiers that ship: they fit their specs and reach the accuracies they state."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from mlspec.data import open_dataset
from mlspec.spec.load import load_model
from mlspec.spec.training import TrainingSpec
from mlspec.train.evaluate import scenes
from mlspec.train.losses import all_margin, any_margin

SPECS = Path(__file__).parents[2] / "specs"
NAMES = ("none", "l0", "pgd", "large")
LEAST = {"none": 0.72, "l0": 0.69, "pgd": 0.51, "large": 0.90}
"""Share of test scenes with both digits in the top two that each classifier must reach."""
SCENES = 1000
shipped = pytest.mark.parametrize("name", NAMES)


def model(name: str) -> tuple[onnx.ModelProto, dict[str, str]]:
    proto = onnx.load(SPECS / "classifiers" / f"{name}.onnx")
    return proto, {entry.key: entry.value for entry in proto.metadata_props}


@cache
def first_scenes() -> tuple[torch.Tensor, torch.Tensor]:
    return scenes(open_dataset("double-digits", "test"), SCENES)


@cache
def scores(name: str) -> torch.Tensor:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(SPECS / "classifiers" / f"{name}.onnx", options)
    return torch.tensor(session.run(["scores"], {"image": first_scenes()[0].numpy()})[0])


@shipped
def test_was_trained_by_the_spec_beside_it(name: str) -> None:
    spec = load_model(SPECS / "training" / f"{name}.yaml", TrainingSpec)
    assert (spec.source.folder / spec.output).resolve() == SPECS / "classifiers" / f"{name}.onnx"
    assert TrainingSpec.from_json(model(name)[1]["mlspec.training"]) == spec


@shipped
def test_reaches_its_accuracy(name: str) -> None:
    present = first_scenes()[1]
    both = (all_margin(scores(name), present) > 0).double().mean()
    some = (any_margin(scores(name), present) > 0).double().mean()
    assert both >= LEAST[name]
    assert some >= 0.97
    clean = json.loads(model(name)[1]["mlspec.accuracy"])["rows"][0]
    assert clean["all_in_top"] >= LEAST[name]
    assert float(both) == pytest.approx(clean["all_in_top"], abs=0.04)
    assert float(some) == pytest.approx(clean["any_in_top"], abs=0.02)


@shipped
def test_scene_three_is_right_with_some_margin(name: str) -> None:
    assert float(all_margin(scores(name), first_scenes()[1])[3]) > 0.3


def test_each_defence_helps_against_what_it_is_for() -> None:
    rows = {name: json.loads(model(name)[1]["mlspec.accuracy"])["rows"] for name in NAMES}
    attacked = {name: rows[name][1]["all_in_top"] for name in NAMES}
    covered = {name: rows[name][2]["all_in_top"] for name in NAMES}
    assert attacked["pgd"] > 0.3 > 0.1 > attacked["none"]
    assert covered["l0"] > covered["none"] + 0.03


@shipped
def test_file_is_small_and_of_few_kinds_of_ops(name: str) -> None:
    proto = model(name)[0]
    size = (SPECS / "classifiers" / f"{name}.onnx").stat().st_size
    assert size < (250_000 if name == "large" else 25_000)
    kinds = {node.op_type for node in proto.graph.node}
    assert kinds == {"Conv", "Relu", "MaxPool", "Flatten", "Gemm"}
    for tensor in proto.graph.initializer:
        assert np.isfinite(onnx.numpy_helper.to_array(tensor)).all()
