"""Marabou 2 on one query, in a process of its own with limits of time and memory.

Marabou reads our ONNX files as they are. The query is the box as bounds of its input variables, and
one linear inequality over its output variables for each competitor of the subset: all margins are
at most zero at once. Its options are its defaults.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.queries import Answer, End, Query
from mlspec.core.network import Array

GRACE = 15.0
"""Seconds beyond its limit after which a process is ended that does not end by itself: Marabou
looks at the time only between steps."""


def ask(query: Query, onnx: bytes, limit: float, gigabytes: float) -> Answer:
    """Return Marabou's answer to ``query`` about the network of the file ``onnx``."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "query.npz", Path(folder) / "answer.npz"
        network = Path(folder) / "network.onnx"
        network.write_bytes(onnx)
        claim, rows = query.item.claim, list(query.subset)
        box = {"lower": query.box.lower, "upper": query.box.upper}
        np.savez(asked, rows=claim.rows[rows], offsets=claim.offsets[rows], **box)
        files = {"onnx": str(network), "query": str(asked), "answer": str(answered)}
        task = json.dumps({**files, "seconds": limit, "bytes": int(gigabytes * 2**30)})
        began = time.perf_counter()
        try:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.marabou_worker", task],
                capture_output=True,
                text=True,
                timeout=limit + GRACE,
                check=False,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            )
        except subprocess.TimeoutExpired:
            return Answer(End.TIMEOUT, limit, note="ended from outside")
        took = time.perf_counter() - began
        if answered.exists():
            with np.load(answered) as found:
                return _answer(query, str(found["word"]), float(found["seconds"]), found["image"])
        last = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        short_of_memory = "bad_alloc" in done.stderr or "MemoryError" in done.stderr
        return Answer(End.MEMORY if short_of_memory else End.FAILED, took, note=last[:100])


def _answer(query: Query, word: str, seconds: float, pixels: Array) -> Answer:
    if word == "sat":
        return query.replayed(pixels.reshape(query.box.lower.shape), seconds)
    ends = {"unsat": End.ROBUST, "TIMEOUT": End.TIMEOUT, "out of memory": End.MEMORY}
    return Answer(ends.get(word, End.FAILED), seconds, note=word)
