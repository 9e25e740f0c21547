"""One query for Marabou, in this process: ``python -m benchmarks.marabou_worker TASK``.

``TASK`` is JSON: the files ``onnx``, ``query`` and ``answer``, and the limits ``seconds`` and
``bytes``. Nothing of mlspec is imported here, so that the limit of memory is Marabou's alone.
Building its query counts, importing it does not.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def network_of(onnx: str) -> Any:
    """Return the network as Marabou reads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It warns of readers that are not installed.
        from maraboupy import Marabou

    return Marabou.read_onnx(onnx)


def state(network: Any, lower: Array, upper: Array, rows: Array, offsets: Array) -> None:
    """Add a box and the margins ``rows @ scores + offsets <= 0`` to Marabou's network."""
    pixels = network.inputVars[0].ravel().tolist()
    for pixel, low, up in zip(pixels, lower.ravel().tolist(), upper.ravel().tolist(), strict=True):
        network.setLowerBound(pixel, low)
        network.setUpperBound(pixel, up)
    scores = network.outputVars[0].ravel().tolist()
    for row, offset in zip(rows.tolist(), offsets.tolist(), strict=True):
        terms = [(score, factor) for score, factor in zip(scores, row, strict=True) if factor]
        network.addInequality([score for score, _ in terms], [f for _, f in terms], -offset)


def solve(network: Any, seconds: float) -> tuple[str, Array]:
    """Return Marabou's word and the pixels ``(N,)`` of its point, zeros if it has none."""
    from maraboupy import MarabouCore

    options = MarabouCore.Options()
    options._verbosity = 0
    options._timeoutInSeconds = max(1, round(seconds))
    word, values, _ = network.solve(verbose=False, options=options)
    pixels = network.inputVars[0].ravel().tolist()
    return str(word), np.array([values.get(pixel, 0.0) for pixel in pixels])


def main(task: dict[str, Any]) -> None:
    """Answer one query within the limits of ``task``."""
    resource.setrlimit(resource.RLIMIT_AS, (task["bytes"], task["bytes"]))
    with np.load(task["query"]) as asked:
        parts = [asked[name] for name in ("lower", "upper", "rows", "offsets")]
    network_of(task["onnx"])  # The first call imports.
    began = time.perf_counter()
    word, image = "out of memory", np.zeros(0)
    try:
        network = network_of(task["onnx"])
        state(network, *parts)
        word, image = solve(network, task["seconds"] - (time.perf_counter() - began))
    except MemoryError:
        pass
    np.savez(task["answer"], word=word, seconds=time.perf_counter() - began, image=image)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
