"""The problem at one neighborhood as files for other tools."""

from __future__ import annotations

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
    the name of each is put into the name of its file.
    """
    problem = preflight.problem
    eps = preflight.attack_radius() if eps is None else eps
    targets = [problem.label_names[claim.target] for claim in problem.property.claims]
    written = {}
    for target, model in zip(targets, preflight.whole_models(eps), strict=True):
        file = path if len(targets) == 1 else path.with_stem(f"{path.stem}.{target}")
        write(model, file, form)
        written[file] = ModelSize(eps, model.variables, model.constraints)
    return written
