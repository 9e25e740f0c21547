"""A PyTorch network as an ONNX file of its own."""

from __future__ import annotations

import atexit
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from mlspec.errors import InputError, NetworkError


def from_torch(module: nn.Module, example: Tensor, path: str | Path | None = None) -> Path:
    """Export ``module`` in evaluation mode and return the path of the ONNX file.

    Args:
        module: from images ``(B, C, H, W)`` with values in [0, 1] to scores ``(B, M)``.
        example: images that it takes; one is enough.
        path: the file to write; by default one that lasts as long as this Python process.

    Raises:
        NetworkError: for what PyTorch cannot export.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"from_torch exports a torch.nn.Module, not {type(module).__name__}")
    file = Path(path) if path is not None else Path(tempfile.mkdtemp(dir=_folder())) / "torch.onnx"
    with _evaluating(module), _quiet():
        try:
            torch.onnx.export(
                module,
                (example[:1].detach(),),
                str(file),
                dynamo=False,
                input_names=["image"],
                output_names=["scores"],
                dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}},
            )
        except Exception as error:
            raise NetworkError(
                f"PyTorch cannot export it ({str(error).strip().splitlines()[0]})"
            ) from error
    return file


@cache
def _folder() -> str:
    """Return a folder that is deleted when the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="mlspec_")
    atexit.register(folder.cleanup)
    return folder.name


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Put ``module`` into evaluation mode, and back afterwards."""
    training = [each for each in module.modules() if each.training]
    module.eval()
    try:
        yield
    finally:
        for each in training:
            each.training = True


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from telling about itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
