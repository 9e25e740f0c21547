"""The problem at one neighborhood as files for other tools."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mlspec.core.network import Array
from mlspec.milp.export import write
from mlspec.preflight import ModelSize, Preflight


def write_models(
    preflight: Preflight, path: Path, form: str, eps: Array | None
) -> dict[Path, ModelSize]:
    """Write one file per target label and return the size of the model in each.

    ``form`` is ``lp`` or ``mps``. The model of a file has a feasible point iff some image of the
    neighborhood ``eps`` ``(R,)`` (None: at the attack radius) loses the label. With several targets
    the name of each is put into the name of its file, with ``_`` for what no file name should have.
    """
    problem = preflight.problem
    eps = preflight.attack_radius() if eps is None else eps
    targets = [problem.label_names[claim.target] for claim in problem.property.claims]
    written = {}
    files = [path] if len(targets) == 1 else _files(path, targets)
    for file, model in zip(files, preflight.whole_models(eps), strict=True):
        write(model, file, form)
        written[file] = ModelSize(eps, model.variables, model.constraints)
    return written


def _files(path: Path, targets: Sequence[str]) -> list[Path]:
    plain = [re.sub(r"[^\w-]+", "_", target) for target in targets]
    if len(set(plain)) < len(plain):
        plain = [f"{number}_{name}" for number, name in enumerate(plain, start=1)]
    return [path.with_stem(f"{path.stem}.{name}") for name in plain]
