"""The problem at one neighborhood as files for other tools."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mlspec.core.network import Array
from mlspec.errors import InputError
from mlspec.experiment import Experiment
from mlspec.milp.export import FORMATS, write
from mlspec.preflight import ModelSize, Preflight
from mlspec.problem.onnx_import import read_classifier
from mlspec.problem.vnnlib_write import query_text


def write_models(
    preflight: Preflight, path: Path, form: str, eps: Array | None
) -> dict[Path, ModelSize]:
    """Write one file per target label and return the size of the model in each.

    ``form`` is ``lp`` or ``mps``; raises InputError for any other. The model of a file has a
    feasible point iff some image of the neighborhood ``eps`` ``(R,)`` (None: at the attack radius)
    loses the label. With several targets the name of each is put into the name of its file, with
    ``_`` for what no file name should have.
    """
    if form not in FORMATS:
        raise InputError(f"no format '{form}': known are {', '.join(FORMATS)}, vnnlib")
    problem = preflight.problem
    eps = preflight.attack_radius() if eps is None else eps
    targets = [problem.label_names[claim.target] for claim in problem.property.claims]
    written = {}
    files = [path] if len(targets) == 1 else _files(path, targets)
    for file, model in zip(files, preflight.whole_models(eps), strict=True):
        write(model, file, form)
        written[file] = ModelSize(eps, model.variables, model.constraints)
    return written


def write_query(experiment: Experiment, path: Path, eps: Array) -> Path:
    """Write the neighborhood ``eps`` ``(R,)`` and its property in VNN-LIB to ``path``, and the
    network beside it; return the path of the network.

    Some point meets the property iff some image of the neighborhood loses a target label.
    """
    problem, content = experiment.problem, experiment.provenance.classifier_onnx
    asked = experiment.spec.classifier
    classifier = read_classifier(
        content, input_shape=problem.image.shape, float16=asked.float16 == "as_float32"
    )
    text, network = query_text(problem, classifier, eps), path.with_suffix(".onnx")
    try:
        path.write_text(text)
        network.write_bytes(content)
    except OSError as error:
        raise InputError(f"{error.filename} cannot be written: {error.strerror}") from None
    return network


def _files(path: Path, targets: Sequence[str]) -> list[Path]:
    plain = [re.sub(r"[^\w-]+", "_", target) for target in targets]
    if len(set(plain)) < len(plain):
        plain = [f"{number}_{name}" for number, name in enumerate(plain, start=1)]
    return [path.with_stem(f"{path.stem}.{name}") for name in plain]
