"""kill -9 at random moments of a real search: the file stays readable, and never gets smaller."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlspec import open_result
from mlspec.files import claimed

KILLS = int(os.environ.get("KILLS", "4"))
"""How often a search is killed; ``KILLS=200`` for a long run."""
SPEC = "specs/small.yaml"
LATEST = 6.0
"""Seconds after the first save until which a search is killed."""
PATIENCE = 120.0
"""Seconds until a first save, on the slowest machine."""
SAVING_ALL_THE_TIME = """
import sys
from mlspec.results import Saver
Saver.every = 0.0
from mlspec.cli import main
sys.argv = ["mlspec", *sys.argv[1:]]
main()
"""
"""mlspec, but saving whenever something grows, so that kills land within saves too."""


def started(path: Path) -> subprocess.Popen[str]:
    command = ["solve", SPEC, "--set", "layers.count=6", "--budget", "100", "--resume", "-o", path]
    return subprocess.Popen(
        [sys.executable, "-c", SAVING_ALL_THE_TIME, *map(str, command)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.slow
def test_a_search_that_is_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    """After each kill the file is read and proved by itself, and ``--resume`` goes on from it."""
    path, size, moments = tmp_path / "r.nc", 0.0, random.Random(0)
    for _ in range(KILLS):
        before, until = stamp(path), time.monotonic() + PATIENCE
        process = started(path)
        while stamp(path) == before and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, LATEST))
        ended = process.poll() is not None
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate()
        assert "Traceback" not in out, out
        ds = open_result(path)
        assert float(ds["size"]) >= size > -1.0, out
        assert not ended or process.returncode == 0, out
        size = float(ds["size"])
        with claimed(path):  # no lock is left behind that holds
            pass
    assert size > 0.0
    # What a save left half written does no harm, and is no result.
    left = {each.name for each in tmp_path.iterdir()} - {"r.nc"}
    assert all(name.startswith(".r.") and name.endswith(".tmp.nc") for name in left), left
    shutil.rmtree(tmp_path)
