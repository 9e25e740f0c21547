"""Short real trainings: they learn, repeat bit for bit, and reach their file unchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from mlspec import load_spec, verify
from mlspec.core.verdict import Outcome
from mlspec.data import DIGIT_LABELS, open_dataset
from mlspec.errors import InputError, SpecError
from mlspec.spec.load import load_model
from mlspec.spec.training import Schedule, TrainingSpec
from mlspec.train import TrainedClassifier, save, train
from mlspec.train.evaluate import scenes
from mlspec.train.loop import learning_rate

CHANCE = 1 / 45
"""Two of ten labels guessed."""


def spec(**changes: Any) -> TrainingSpec:
    return TrainingSpec.read(
        {
            "schedule": {"steps": 400, "learning_rate": 0.02, "batch": 64, "averaging": 0.99},
            "evaluation": {"images": 300, "steps": 3},
            "output": "made.onnx",
        }
        | changes
    )


@pytest.fixture(scope="module")
def classifier() -> TrainedClassifier:
    return train(spec())


def weights(trained: TrainedClassifier) -> torch.Tensor:
    return torch.cat([value.flatten() for value in trained.network.parameters()])


def test_short_training_beats_chance(classifier: TrainedClassifier) -> None:
    clean, attacked, covered = classifier.accuracy.rows
    assert classifier.accuracy.images == 300
    assert clean.all_in_top > 8 * CHANCE
    assert clean.any_in_top > 0.8
    for row in (attacked, covered):
        assert row.all_in_top < clean.all_in_top
        assert row.all_in_top <= row.any_in_top
    assert classifier.labels == DIGIT_LABELS
    assert classifier.image_shape == (1, 64, 64)


@pytest.mark.parametrize(
    "defence", [{"kind": "none"}, {"kind": "l0"}, {"kind": "pgd", "steps": 2, "warmup": 0.0}]
)
def test_same_spec_same_bits_whatever_surrounds_it(defence: dict[str, object]) -> None:
    short = spec(defence=defence, schedule={"steps": 6}, evaluation={"images": 20, "steps": 2})
    before = torch.get_rng_state(), torch.get_num_threads()
    first = train(short)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
    assert not torch.are_deterministic_algorithms_enabled()
    torch.rand(3)
    torch.set_num_threads(2)
    try:
        again = train(short)
    finally:
        torch.set_num_threads(before[1])
    assert torch.equal(weights(first), weights(again))
    assert first.accuracy == again.accuracy
    other = train(short.model_copy(update={"seed": 1}))
    assert not torch.equal(weights(first), weights(other))


def test_defences_change_what_is_learnt() -> None:
    learnt = [
        weights(
            train(spec(defence={"kind": kind}, schedule={"steps": 3}, evaluation={"images": 1}))
        )
        for kind in ("none", "l0", "pgd")
    ]
    assert not torch.equal(learnt[0], learnt[1])
    assert not torch.equal(learnt[0], learnt[2])


@pytest.mark.slow
def test_a_residual_network_learns_and_is_verified(tmp_path: Path) -> None:
    schedule = {"steps": 800, "learning_rate": 0.005, "batch": 64, "averaging": 0.99}
    trained = train(spec(architecture="resnet-tiny", schedule=schedule))
    clean, *_ = trained.accuracy.rows
    assert clean.all_in_top > 8 * CHANCE
    with torch.no_grad():  # the order of the scores stays; larger ones would be refused
        for parameter in list(trained.network.parameters())[-2:]:
            parameter.mul_(0.1)
    path = save(trained, tmp_path / "residual.onnx")
    images, present = scenes(open_dataset("double-digits", "test"), 40)
    with torch.no_grad():
        best = trained.network(images).topk(2).indices
    right = present.gather(1, best).all(1)
    changes = {"classifier.onnx": str(path), "image.index": int(right.nonzero()[0])}
    experiment = load_spec("specs/small.yaml", changes | {"object.label": None})
    assert verify(experiment, 1e-5).outcome is Outcome.ROBUST
    assert verify(experiment, 1.0).outcome is Outcome.VIOLATED


def test_progress_is_told() -> None:
    told: list[tuple[int, int, float]] = []
    short = spec(schedule={"steps": 120, "batch": 2}, evaluation={"images": 1, "steps": 1})
    train(short, lambda *progress: told.append(progress))
    assert [(step, total) for step, total, _ in told] == [(50, 120), (100, 120), (120, 120)]
    assert all(np.isfinite(loss) for _, _, loss in told)


def test_learning_rate_rises_then_falls_to_nothing() -> None:
    schedule = Schedule(steps=1000, learning_rate=0.1)
    rates = [learning_rate(schedule, step) for step in range(1000)]
    assert rates[0] < 0.01
    assert max(rates) == pytest.approx(0.1, rel=1e-3)
    assert rates.index(max(rates)) == pytest.approx(50, abs=2)
    assert rates[-1] < 1e-5
    assert learning_rate(Schedule(shape="constant", learning_rate=0.1), 999) == 0.1


@pytest.mark.parametrize("warmup", [0.0, 0.3])
def test_the_learning_rate_is_highest_after_the_warmup(warmup: float) -> None:
    schedule = Schedule(steps=1000, learning_rate=0.1, warmup=warmup)
    rates = [learning_rate(schedule, step) for step in range(1000)]
    assert rates.index(max(rates)) == pytest.approx(1000 * warmup, abs=1)
    assert max(rates) == pytest.approx(0.1, rel=1e-2)


def test_file_computes_what_the_network_does(classifier: TrainedClassifier, tmp_path: Path) -> None:
    path = save(classifier, tmp_path / "new" / "made.onnx")
    images, _ = scenes(open_dataset("double-digits", "test"), 40)
    session = ort.InferenceSession(path)
    (scores,) = session.run(["scores"], {"image": images.numpy()})
    with torch.no_grad():
        expected = classifier.network(images).numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)
    (alone,) = session.run(["scores"], {"image": images[:1].numpy()})
    np.testing.assert_allclose(alone, expected[:1], rtol=1e-4, atol=1e-4)


def test_file_holds_spec_accuracy_and_labels(classifier: TrainedClassifier, tmp_path: Path) -> None:
    path = save(classifier, tmp_path / "made.onnx")
    again = save(classifier, tmp_path / "again.onnx")
    assert path.read_bytes() == again.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again.onnx", "made.onnx"]
    model = onnx.load(path)
    assert [node.op_type for node in model.graph.node] == [
        *("Conv", "Relu", "Conv", "Relu", "MaxPool", "Flatten", "Gemm")
    ]
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert TrainingSpec.from_json(metadata["mlspec.training"]) == classifier.spec
    assert metadata["mlspec.labels"].split(",") == list(DIGIT_LABELS)
    rows = json.loads(metadata["mlspec.accuracy"])["rows"]
    assert rows[0]["all_in_top"] == classifier.accuracy.rows[0].all_in_top


def test_output_that_cannot_be_written(classifier: TrainedClassifier, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        save(classifier, tmp_path / "file" / "made.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(InputError, match=r"folder\.onnx: cannot be written"):
        save(classifier, tmp_path / "folder.onnx")
    assert {file.name for file in tmp_path.iterdir()} == {"file", "folder.onnx"}


def written(folder: Path, text: str) -> Path:
    path = folder / "training.yaml"
    path.write_text(text)
    return path


TINY = "schedule: {steps: 1, batch: 2}\nevaluation: {images: 1, steps: 1}\noutput: out/net.onnx\n"


def test_output_is_relative_to_the_spec(tmp_path: Path) -> None:
    trained = train(load_model(written(tmp_path, TINY), TrainingSpec))
    assert save(trained) == tmp_path / "out" / "net.onnx"
    assert (tmp_path / "out" / "net.onnx").is_file()


def test_output_of_the_command_line_is_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    named = load_model(written(tmp_path, TINY), TrainingSpec, ["output=net.onnx"])
    save(train(named))
    assert (tmp_path / "elsewhere" / "net.onnx").is_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset: {name: double-mnist}\noutput: a.onnx\n", r":1:.*: dataset: .*needs a path"),
        (
            "dataset: {name: double-mnist, path: nowhere}\noutput: a.onnx\n",
            r":1:37: dataset\.path: .*nowhere is not a folder; it must hold the MNIST files",
        ),
        (
            "dataset: {name: double-digits, path: .}\noutput: a.onnx\n",
            r":1:38: dataset\.path: .*takes no path",
        ),
        ("defence: {kind: pdg}\noutput: a.onnx\n", r":1:17: defence\.kind: .*'pgd'"),
        (
            "defence: {kind: pgd, radios: 0.1}\noutput: a.onnx\n",
            r":1:22: defence\.radios: .*'radius'",
        ),
        ("architecture: small\n", r"output"),
        ("schedule: {steps: 0}\noutput: a.onnx\n", r":1:19: schedule\.steps: "),
    ],
)
def test_mistakes_are_placed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        train(load_model(written(tmp_path, text), TrainingSpec))
