"""Solvers that are programs of their own: the model goes to a file, the answer comes from one.

They are stopped by killing their process, which loses the incumbent; first their own time limits
should end them, which are whole seconds.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

import highspy
import numpy as np

from mlspec.backends.engine import Maker, Options, Outcome
from mlspec.backends.held import HeldProgram
from mlspec.backends.highs import as_highs
from mlspec.backends.program import LinearProgram
from mlspec.core.network import Array
from mlspec.errors import MissingSolverError, OptionError, SolverError
from mlspec.milp.model import Termination

POLL_SECONDS = 0.02
PATIENCE_SECONDS = 0.5
"""A command that overruns its time limit by this much is killed."""
STOPPED = Outcome(Termination.LIMIT, None, None, "stopped at the time limit")


class _Executable(HeldProgram):
    """One program for a solver that is run as a command."""

    title: ClassVar[str]
    command: ClassVar[str]
    known: ClassVar[tuple[str, ...]]
    """The options that may be set; a number belongs to each."""

    def __init__(self, program: LinearProgram, options: Options, first: bool) -> None:
        super().__init__(program)
        self._path = _path(self.title, self.command)
        self._options = dict(options)
        self._first = first
        for key, value in options.items():
            if key not in self.known:
                message = f"{self.title} has no option {key!r} here; known: {', '.join(self.known)}"
                raise OptionError(key, message)
            if isinstance(value, bool | str) or not 0.0 <= value < np.inf:
                message = f"{self.title} refuses {value!r} for its option {key!r}: give a number"
                raise OptionError(key, message)

    def run(self, seconds: float) -> Outcome:
        """Minimise from scratch within ``seconds``."""
        self._cancelled.clear()
        with tempfile.TemporaryDirectory(prefix="mlspec-") as name:
            folder = Path(name)
            self._write(folder / "model.mps")
            log = self._call(self._arguments(folder, max(1, int(seconds))), folder, seconds)
            return STOPPED if log is None else self._read(folder, log)

    @abstractmethod
    def _arguments(self, folder: Path, seconds: int) -> list[str]:
        """Return the arguments of the command."""

    @abstractmethod
    def _read(self, folder: Path, log: str) -> Outcome:
        """Return what the files in ``folder`` and the ``log`` say."""

    def _write(self, path: Path) -> None:
        highs = highspy.Highs()
        highs.silent()
        highs.passModel(as_highs(self._program))
        if highs.writeModel(str(path)) == highspy.HighsStatus.kError:
            raise SolverError(f"the model cannot be written to {path}")

    def _call(self, arguments: list[str], folder: Path, seconds: float) -> str | None:
        """Return what the command prints; None if it had to be killed."""
        deadline = time.monotonic() + seconds + PATIENCE_SECONDS
        with (folder / "log.txt").open("w") as log:
            process = subprocess.Popen(
                [self._path, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            try:
                while process.poll() is None:
                    if self._cancelled.is_set() or time.monotonic() > deadline:
                        return None
                    time.sleep(POLL_SECONDS)
            finally:
                process.kill()
                process.wait()
        return (folder / "log.txt").read_text(errors="replace")

    def _values(self, found: dict[int, float]) -> Array:
        """Return all values: those not ``found`` are zero, or their nearest end to it."""
        values = np.clip(np.zeros(self._program.columns), self._program.lower, self._program.upper)
        values[list(found)] = list(found.values())
        return values


class GlpsolEngine(_Executable):
    """One program for GLPK's own command."""

    title, command = "glpsol", "glpsol"
    known = ("mipgap",)

    def _arguments(self, folder: Path, seconds: int) -> list[str]:
        options = [
            text for key, value in self._options.items() for text in (f"--{key}", str(value))
        ]
        files = ["--freemps", str(folder / "model.mps"), "--write", str(folder / "solution.txt")]
        return [*files, "--tmlim", str(seconds), *options]

    def _read(self, folder: Path, log: str) -> Outcome:
        if re.search(r"HAS NO (PRIMAL|INTEGER) FEASIBLE SOLUTION", log):
            return Outcome(Termination.INFEASIBLE, None, None, "no feasible solution")
        if re.search(r"HAS (NO DUAL FEASIBLE|UNBOUNDED|UNBOUNDED PRIMAL) SOLUTION", log):
            return Outcome(Termination.UNBOUNDED, None, None, "unbounded")
        path = folder / "solution.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        summary = next((line.split() for line in lines if line.startswith("s ")), [])
        if not summary:
            return Outcome(Termination.FAILED, None, None, log.strip().rpartition("\n")[2])
        # "s mip ROWS COLUMNS STATUS OBJECTIVE", or "s bas ROWS COLUMNS PRIMAL DUAL OBJECTIVE".
        discrete, status, objective = summary[1] == "mip", "".join(summary[4:-1]), summary[-1]
        cells = [line.split() for line in lines if line.startswith("j ")]
        values = self._values({int(c[1]) - 1: float(c[2 if discrete else 3]) for c in cells})
        if status in {"o", "ff"}:
            slack = float(self._options.get("mipgap", 0.0)) * (abs(float(objective)) + 1e-9)
            return Outcome(Termination.OPTIMAL, values, float(objective) - slack, "optimal")
        if status == "f" and discrete:
            return Outcome(Termination.LIMIT, values, None, "time limit")
        if status == "n":
            return Outcome(Termination.INFEASIBLE, None, None, "no feasible solution")
        return STOPPED


class CbcEngine(_Executable):
    """One program for CBC's command: a second opinion, whose "infeasible" proves nothing."""

    title, command = "CBC", "cbc"
    known = ("ratioGap", "primalTolerance", "integerTolerance", "threads")

    def _arguments(self, folder: Path, seconds: int) -> list[str]:
        options = [text for key, value in self._options.items() for text in (f"-{key}", str(value))]
        first = ["-maxSolutions", "1"] if self._first else []
        limits = ["-timeMode", "elapsed", "-seconds", str(seconds), *first]
        solution = str(folder / "solution.txt")
        return [str(folder / "model.mps"), *limits, *options, "-solve", "-solution", solution]

    def _read(self, folder: Path, log: str) -> Outcome:
        path = folder / "solution.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        if not lines:
            return Outcome(Termination.FAILED, None, None, log.strip().rpartition("\n")[2])
        # A line is "NUMBER NAME VALUE COST"; columns are named c0, c1, ...; "**" marks a violation.
        cells = [line.replace("**", "").split() for line in lines[1:]]
        values = self._values({int(c[1][1:]): float(c[2]) for c in cells if c[1][0] == "c"})
        message = lines[0].strip()
        word = message.split(" - ")[0].strip()
        if word.startswith(("Infeasible", "Integer infeasible")):
            return Outcome(Termination.INFEASIBLE, None, None, message)
        if any("**" in line for line in lines):
            return Outcome(Termination.NUMERICAL, None, None, f"{message}, but rows are violated")
        if word == "Optimal":
            return Outcome(Termination.OPTIMAL, values, None, message)
        if word.startswith("Unbounded"):
            return Outcome(Termination.UNBOUNDED, None, None, message)
        if word.startswith("Stopped on"):
            none = "no integer solution" in message
            return Outcome(Termination.LIMIT, None if none else values, None, message)
        return Outcome(Termination.FAILED, None, None, message)


def _path(title: str, command: str) -> str:
    path = shutil.which(command)
    if path is None:
        raise MissingSolverError(
            f"{title} is not installed: there is no command {command!r} on the path (on Debian and "
            "Ubuntu: apt install glpk-utils coinor-cbc)"
        )
    return path


def _version(title: str, command: str, *arguments: str) -> str:
    said = subprocess.run(
        [_path(title, command), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    ).stdout
    found = re.search(r"(?:Version:|Solver,?) v?([\d.]+)", said)
    return found.group(1) if found else "unknown"


GLPSOL = Maker(
    "glpsol", lambda: _version("glpsol", "glpsol", "--version"), GlpsolEngine, proves=False
)
CBC = Maker("CBC", lambda: _version("CBC", "cbc", "-quit"), CbcEngine, proves=False)
