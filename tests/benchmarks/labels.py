"""How soon all labels of an image are decided: ``make bench-labels``.

Every pixel of each image may move by the same epsilon. A label that two images show is decided as
much as one that is proved.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from benchmarks.tables import footer, markdown
from mlspec import labels, load_spec
from mlspec.core.standing import Standing

HEADS = (
    "classifier",
    "epsilon",
    "images",
    *(standing.value for standing in Standing),
    "decided",
    "without a MILP",
    "seconds, median",
    "seconds, most",
)


def surveys(name: str, eps: float, images: int, seconds: float) -> Iterator[xr.Dataset]:
    """Yield how the labels of the first ``images`` of the test split stand."""
    for index in range(images):
        changes = {"image.index": index, "budget.seconds": seconds}
        yield labels(load_spec(f"specs/{name}.yaml", changes), eps)


def row(name: str, eps: float, found: Sequence[xr.Dataset]) -> list[str]:
    """Return what the images of one classifier came to."""
    standings = np.concatenate([ds["standing"].values for ds in found])
    counts = [int((standings == standing.value).sum()) for standing in Standing]
    unknown = int((standings == Standing.UNKNOWN.value).sum())
    milps = int(sum(ds["milp"].sum() for ds in found))
    seconds = [float(ds.attrs["wall_seconds"]) for ds in found]
    return [
        f"`{name.removesuffix('_img3')}`",
        f"{eps:g}",
        f"{len(found)}",
        *(f"{count}" for count in counts),
        f"{100.0 * (1.0 - unknown / len(standings)):.4g} %",
        f"{100.0 * (1.0 - milps / len(standings)):.4g} %",
        f"{np.median(seconds):.2f}",
        f"{max(seconds):.2f}",
    ]


def main(specs: Sequence[str], epsilons: Sequence[float], images: int, seconds: float) -> None:
    """Print one row for each spec and epsilon; each image has ``seconds``."""
    began = time.perf_counter()
    rows = []
    for eps in epsilons:
        for name in specs:
            rows.append(row(name, eps, list(surveys(name, eps, images, seconds))))
            print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    print(markdown(HEADS, rows))
    print(f"\n{seconds:g} s each at most. {footer(('mlspec', 'torch', 'highspy'), began)}")
