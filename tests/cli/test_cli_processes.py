"""Real processes: signals, exit codes, what is left on the disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import xarray as xr
from cli_cases import SMALL, controls

from mlspec import open_result
from mlspec.cli import main
from mlspec.errors import DataError

LONG = "specs/pgd_img3.yaml"
"""Its search runs for minutes."""
PATIENCE = 60.0
"""Seconds until a first neighborhood is saved, on the slowest machine."""


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start mlspec as a shell does in the foreground: it hears Ctrl-C, even if the tests do not."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        environment.pop(name, None)
    return subprocess.Popen(
        [sys.executable, "-m", "mlspec", *arguments],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def run(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    with start(*arguments, cwd=cwd) as process:
        out, err = process.communicate()
    return process.returncode, out, err


def certified(path: Path) -> xr.Dataset | None:
    """Return the result in ``path`` once it holds a certified neighborhood."""
    try:
        ds = open_result(path)
    except DataError:
        return None
    return ds if float(ds["size"]) > 0.0 else None


@contextmanager
def solving(cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A long search whose first certified neighborhood is saved; it never outlives the test."""
    process = start("solve", LONG, "--budget", "200", "-o", "r.nc", cwd=cwd)
    until = time.monotonic() + PATIENCE
    try:
        while certified(cwd / "r.nc") is None:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until, "nothing was saved in time"
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()


def leftovers(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name != "r.nc")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_search_keeps_its_best(number: signal.Signals, tmp_path: Path) -> None:
    with solving(tmp_path) as process:
        before = certified(tmp_path / "r.nc")
        sent = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert time.monotonic() - sent < 5.0
    assert process.returncode == 130
    assert err == ""
    ds = certified(tmp_path / "r.nc")
    assert ds is not None
    assert before is not None
    assert before.attrs["stop_reason"] == "running"
    assert ds.attrs["stop_reason"] == "interrupted"
    assert float(ds["size"]) >= float(before["size"])
    assert float(ds["upper_bound"]) >= float(ds["size"])
    assert "interrupted, after " in out
    assert out.splitlines()[-1] == "saved in r.nc"
    assert controls(out) == set()
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "pause",
    [0.02, pytest.param(0.0, marks=pytest.mark.slow), pytest.param(0.1, marks=pytest.mark.slow)],
)
def test_impatient_interruptions_leave_a_readable_file(pause: float, tmp_path: Path) -> None:
    """Wherever the second one lands, also within the saving that the first one caused."""
    with solving(tmp_path) as process:
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(pause)
        _, err = process.communicate(timeout=30)
    # Python hands a signal that comes when all is done back to the system.
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in err
    assert certified(tmp_path / "r.nc") is not None
    assert leftovers(tmp_path) == []


def test_a_killed_search_leaves_a_readable_file(tmp_path: Path) -> None:
    with solving(tmp_path) as process:
        process.kill()
        process.communicate()
    ds = certified(tmp_path / "r.nc")
    assert ds is not None
    assert ds.attrs["stop_reason"] == "running"
    assert run("show", "r.nc", cwd=tmp_path)[0] == 0


def test_a_closed_pipe_is_no_error_of_the_search(tmp_path: Path) -> None:
    """``mlspec schema | head -1`` ends quietly."""
    with start("schema", cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_ctrl_c_while_loading_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(began: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "mlspec.cli.entry", SimpleNamespace(run=interrupted))
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 130
    assert capfd.readouterr() == ("", "")


def test_the_module_is_the_command(tmp_path: Path) -> None:
    code, out, err = run("check", SMALL, cwd=tmp_path)
    assert (code, err) == (0, "")
    assert out.startswith("small: ready to solve\n")


def test_a_mistake_reaches_the_shell(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("seed: 1\nseed: 2\n")
    code, out, err = run("solve", "s.yaml", cwd=tmp_path)
    assert (code, out) == (2, "")
    assert (
        err.splitlines()[-1] == "s.yaml:2:1: seed: duplicate key, already given in line 1: keep one"
    )


def test_debug_reaches_the_shell(tmp_path: Path) -> None:
    for arguments in (["--debug", "check", "no.yaml"], ["check", "no.yaml", "--debug"]):
        code, out, err = run(*arguments, cwd=tmp_path)
        assert (code, out) == (1, "")
        assert err.startswith("Traceback (most recent call last):")
        assert err.splitlines()[-1].endswith("no.yaml:1:1: (file): no such file")


def test_violated_reaches_the_shell(tmp_path: Path) -> None:
    code, out, err = run("verify", SMALL, "--eps", "1", cwd=tmp_path)
    assert (code, out.splitlines()[0], err) == (1, "violated", "")
