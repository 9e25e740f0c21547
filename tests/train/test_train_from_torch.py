"""Networks in PyTorch that never were a file of the user's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import mlspec
from mlspec.core import forward
from mlspec.errors import InputError, NetworkError
from mlspec.problem.onnx_import import read_network


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.BatchNorm2d(2),
        nn.ReLU(),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


def test_a_module_becomes_a_file_that_is_read_as_it_computes() -> None:
    module, images = network(), torch.rand(5, 1, 4, 4)
    path = mlspec.from_torch(module, images)
    assert module.training, "the mode of the module is changed"
    ours = forward.scores(read_network(path), images.numpy().astype(np.float64))
    with torch.no_grad():
        np.testing.assert_allclose(ours, module.eval()(images).numpy(), rtol=1e-5, atol=1e-5)


def test_it_takes_the_place_of_the_file_of_a_spec(tmp_path: Path) -> None:
    module, image = network(), torch.rand(1, 1, 4, 4)
    np.save(tmp_path / "image.npy", image[0].numpy())
    label = int(module.eval()(image).argmax())
    (tmp_path / "s.yaml").write_text(
        "classifier: {onnx: none.onnx, labels: [a, b, c], decision: {k: 1}}\n"
        "image: {file: image.npy}\n"
        "object: {box: [0, 0, 2, 2]}\n"
        f"target: {'abc'[label]}\n"
    )
    path = mlspec.from_torch(module, image, tmp_path / "own.onnx")
    assert path == tmp_path / "own.onnx"
    spec = mlspec.load_spec(tmp_path / "s.yaml", {"classifier.onnx": str(path)})
    assert mlspec.verify(spec, 0.0).outcome.value == "robust"


def test_what_cannot_be_exported_is_refused() -> None:
    class Broken(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            raise ValueError("it is broken")

    with pytest.raises(NetworkError, match="PyTorch cannot export it"):
        mlspec.from_torch(Broken(), torch.rand(1, 1, 2, 2))
    with pytest.raises(InputError, match="not Tensor"):
        mlspec.from_torch(torch.rand(1), torch.rand(1))  # type: ignore[arg-type]
