"""An ONNX file as one model in memory, its weights included, wherever they lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import onnx
from onnx import inliner

from mlspec.errors import NetworkError
from mlspec.problem.onnx_sizes import expect_sizes

STANDARD = {"", "ai.onnx"}
"""Names of the domain of ONNX's own operations."""


class Opset(IntEnum):
    """Versions of ONNX's operations."""

    OLDEST = 7
    """Before it constants broadcast in other ways."""


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """A model with all its weights."""

    model: Any
    content: bytes
    """The file as it is, or, where weights lie in other files, one that holds them too."""

    @property
    def opset(self) -> int:
        """The version of ONNX's own operations that its nodes are of."""
        imports = self.model.opset_import
        return next(int(each.version) for each in imports if each.domain in STANDARD)


def load(source: Path | bytes) -> OnnxFile:
    """Return the model in a file, or in the bytes of one.

    Weights that lie in other files are read only from the folder of the model. Raises NetworkError
    for what is no valid model.
    """
    folder = source.parent if isinstance(source, Path) else None
    if isinstance(source, Path) and source.is_dir():
        raise NetworkError("a folder; name the file in it")
    content = valid(source.read_bytes) if isinstance(source, Path) else source
    model = valid(onnx.load_model_from_string, content)
    places = _places(model.graph)
    if places:
        for place in places:
            _expect_beside(place, folder)
        valid(onnx.load_external_data_for_model, model, str(folder))
        for tensor in _tensors(model.graph):
            tensor.ClearField("external_data")
            tensor.data_location = onnx.TensorProto.DEFAULT
        content = valid(model.SerializeToString)
    valid(onnx.checker.check_model, model)
    _expect_opset(model)
    if model.functions:
        model = valid(inliner.inline_local_functions, model)
    expect_sizes(model)
    return OnnxFile(model, content)


def valid(work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what ``work`` returns; whatever it raises says that there is no valid model."""
    try:
        return work(*arguments, **options)
    except Exception as error:
        raise NetworkError(f"not a valid ONNX model ({first_line(error)})") from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _tensors(graph: Any) -> list[Any]:
    """Return all tensors of a graph and of the graphs in its nodes."""
    found = list(graph.initializer)
    for node in graph.node:
        for item in node.attribute:
            found += [item.t] if item.HasField("t") else []
            found += item.tensors
            for inner in ([item.g] if item.HasField("g") else []) + list(item.graphs):
                found += _tensors(inner)
    return found


def _places(graph: Any) -> set[str]:
    """Return the other files that hold weights, as the model names them."""
    return {
        entry.value
        for tensor in _tensors(graph)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }


def _expect_beside(place: str | bytes, folder: Path | None) -> None:
    """Refuse a file that does not lie in the folder of the model."""
    if isinstance(place, bytes):  # as protobuf gives what is not UTF-8
        raise NetworkError(f"its weights lie in {place!r}, which is no name")
    if folder is None:
        raise NetworkError(f"its weights lie in '{place}', and only a file has a folder")
    parts = {*PurePosixPath(place).parts, *PureWindowsPath(place).parts}
    absolute = PurePosixPath(place).is_absolute() or PureWindowsPath(place).is_absolute()
    home = folder.resolve()
    if absolute or ".." in parts or not (folder / place).resolve().is_relative_to(home):
        raise NetworkError(
            f"its weights lie in '{place}', outside of its folder: put them beside the model"
        )
    if not (folder / place).is_file():
        raise NetworkError(f"its weights lie in '{place}', which is missing: put it beside it")


def _expect_opset(model: Any) -> None:
    versions = [each.version for each in model.opset_import if each.domain in STANDARD]
    if not versions:
        raise NetworkError("it says no version of ONNX's operations")
    if min(versions) < Opset.OLDEST:
        raise NetworkError(
            f"it is of opset {min(versions)}, in which constants broadcast in other ways; "
            f"{Opset.OLDEST} is the oldest supported: convert it with onnx.version_converter"
        )
