"""What a result answers: the parts of the question that must agree for two results to compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from mlspec.results.reading import aim_of, is_asymmetric

QUESTION: Final[Mapping[str, Callable[[xr.Dataset], Any]]] = {
    "image": lambda ds: str(ds.attrs["image_sha256"]),
    "targets": lambda ds: str(ds.attrs["targets"]),
    "decision rule": lambda ds: str(ds.attrs["decision"]),
    "layers": lambda ds: ds["layer_index"].values,
    "objective": aim_of,
    "directions": is_asymmetric,
    "weights": lambda ds: ds["weight"].values,
}
"""The parts of a question besides the classifier, by name."""


def differences(results: Sequence[xr.Dataset]) -> list[str]:
    """Return in which parts of the question the ``results`` differ, the classifier aside; empty if
    their sizes compare."""
    first = results[0] if results else None
    return [
        name
        for name, part in QUESTION.items()
        if any(not np.array_equal(part(ds), part(first)) for ds in results[1:] if first is not None)
    ]


def changed_parts(earlier: xr.Dataset, ds: xr.Dataset) -> list[str]:
    """Return in which parts of the question two results differ, the classifier among them."""
    name = "classifier_sha256"
    other = ["classifier"] if earlier.attrs[name] != ds.attrs[name] else []
    return [*other, *differences([earlier, ds])]
