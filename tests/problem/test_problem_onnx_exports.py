"""What both exporters of torch write is read, and computes what onnxruntime computes."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_files import by_onnxruntime
from torch_models import MODELS

from mlspec.core import forward
from mlspec.problem.onnx_comparison import ENDS
from mlspec.problem.onnx_import import read_classifier

SAMPLE = ("resnet", "view", "two heads", "max pool, padded", "mlp of a flat image")
"""Models that are exported in every run of the tests."""


def exported(name: str, path: Path, *, dynamo: bool) -> torch.Tensor:
    """Write a model as ``path`` and return images for it."""
    model = MODELS[name]
    torch.manual_seed(0)
    module = model.make().eval()
    images = torch.rand(3, *model.shape).flatten(1) if model.flat else torch.rand(3, *model.shape)
    logging.getLogger("torch.onnx").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            torch.onnx.export(module, (images[:1],), str(path), dynamo=True, verbose=False)
        else:
            torch.onnx.export(
                module,
                (images[:1],),
                str(path),
                dynamo=False,
                input_names=["image"],
                dynamic_axes={"image": {0: "batch"}},
            )
    return images


def check(name: str, path: Path, *, dynamo: bool) -> None:
    images = exported(name, path, dynamo=dynamo).numpy()
    model = MODELS[name]
    found = read_classifier(path, input_shape=model.shape if model.flat else None)
    theirs = by_onnxruntime(path, images, singly=True)
    scores = forward.scores(found.network, images.reshape(3, *model.shape).astype(np.float64))
    scale = 1.0 + np.abs(theirs).max()
    np.testing.assert_allclose(ENDS[found.end](scores), theirs, atol=1e-5 * scale, rtol=1e-5)


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", SAMPLE)
def test_an_exported_model_computes_what_onnxruntime_computes(
    name: str, dynamo: bool, tmp_path: Path
) -> None:
    check(name, tmp_path / "net.onnx", dynamo=dynamo)


@pytest.mark.slow
@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", [name for name in MODELS if name not in SAMPLE])
def test_every_exported_model_computes_what_onnxruntime_computes(
    name: str, dynamo: bool, tmp_path: Path
) -> None:
    check(name, tmp_path / "net.onnx", dynamo=dynamo)
