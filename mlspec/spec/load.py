"""From a spec file to a model: ``FILE:LINE:COL: path: message`` for every mistake."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TypeVar

from mlspec.files import is_hdf
from mlspec.spec.assets import shipped
from mlspec.spec.base import Document
from mlspec.spec.overrides import Overrides, apply_overrides
from mlspec.spec.schema import ExperimentSpec
from mlspec.spec.source import Complaint, Mark, Source, exists, nearest_file, spec_error
from mlspec.spec.yaml_text import read_yaml

Model = TypeVar("Model", bound=Document)


def load_spec(path: str | Path, overrides: Overrides = ()) -> ExperimentSpec:
    """The experiment of a spec file.

    Args:
        path: the file; one that ships with mlspec is found by its name, as ``specs/small.yaml``.
        overrides: ``{"budget.seconds": 60}``, or texts ``budget.seconds=60`` with YAML values.

    Raises:
        SpecError: one line for every mistake.
    """
    return load_model(path, ExperimentSpec, overrides)


def load_model(path: str | Path, model: type[Model], overrides: Overrides = ()) -> Model:
    """The model of any kind of spec file: an experiment, a training, a solver profile."""
    file = Path(path)
    if not exists(file):
        file = shipped(file) or file
    reading = read_yaml(_text(file), str(file))
    _require_kind(file, reading.data, model)
    if reading.data is not None:
        apply_overrides(reading, overrides, model)
    source = Source(str(file), file.parent, reading.marks)
    return model.read(reading.data, source, reading.complaints)


def _require_kind(file: Path, data: object, model: type[Document]) -> None:
    """Raise SpecError where a file is clearly of another kind than ``model``: it has all keys that
    the other kind needs and none of those that this one does."""
    if not isinstance(data, dict) or model.required_keys() & data.keys():
        return
    for other in Document.__subclasses__():
        if other is not model and other.required_keys() <= data.keys():
            takes_it = other.command.format(file=file)
            raise _unreadable(file, f"{other.title}, not {model.title}: {takes_it} takes it")


def _text(file: Path) -> str:
    try:
        raw = file.read_bytes().removeprefix(codecs.BOM_UTF8)
    except FileNotFoundError:
        raise _unreadable(file, f"no such file{nearest_file(file)}") from None
    except IsADirectoryError:
        raise _unreadable(file, "a folder: name a spec file in it") from None
    except (OSError, ValueError) as error:
        raise _unreadable(file, f"cannot be read: {error}") from None
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        if is_hdf(file):
            message = "a result, not a spec: show, plot and verify take results"
            raise _unreadable(file, message) from None
        before = raw[: error.start].decode()
        mark = Mark(str(file), before.count("\n") + 1, len(before) - before.rfind("\n"))
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8: save the file as UTF-8"
        raise spec_error([Complaint(mark, "(file)", message)]) from None


def _unreadable(file: Path, message: str) -> Exception:
    return spec_error([Complaint(Mark(str(file), 1, 1), "(file)", message)])
