"""Reads broken files in a process of its own, whose time and memory are limited, and reports.

``make fuzz`` runs this file: so many cases of every kind, one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import selectors
import subprocess
import sys
import time
import traceback
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

MEMORY = 5 * 2**30
"""Bytes of address space that reading may take; PyTorch's libraries alone take half of that."""
SECONDS = 60.0
"""Within which every file is read or refused, on the slowest machine."""
STUCK = 15.0
"""After so long a thread may be left behind within HDF5: the process reads nothing more."""
READ, REFUSED, BROKEN, HUNG, DIED = "read", "refused", "broken", "hung", "died"
LONGEST = 4000
"""Characters of a message at most."""


@dataclass(frozen=True)
class Answer:
    """What became of one file."""

    end: str
    message: str = ""
    """The refusal, or the traceback of what should not happen."""
    seconds: float = 0.0
    peak: int = 0
    """Memory of the process so far at its largest, in MiB."""

    @property
    def defect(self) -> str:
        """What is wrong with it, if anything."""
        if self.end in (BROKEN, HUNG, DIED):
            return f"{self.end}: {self.message}"
        if self.end == REFUSED and not self.message.strip():
            return "refused without a word"
        if "Traceback" in self.message or len(self.message) > LONGEST:
            return f"not a clear message: {self.message[:LONGEST]}"
        return ""


class Reader:
    """A process that reads files; it is started anew where it hung or died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(self, kind: str, seed: int) -> Answer:
        """Let it read the file of ``kind`` that ``seed`` breaks."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{kind} {seed}\n".encode())
        process.stdin.flush()
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            if not waiting.select(SECONDS):
                self._end()
                return Answer(HUNG, f"after {SECONDS} s")
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            self._end()
            return Answer(DIED, f"exit code {code}")
        answer = Answer(**json.loads(line))
        if answer.seconds > STUCK:
            self._end()
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__, "--child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
            )
            assert self._process.stdout is not None
            assert self._process.stdout.readline() == b"ready\n"
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def child() -> None:
    """Answer each ``KIND SEED`` of the standard input by one line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print as they like
    from fuzz_files import KINDS, mutated, valid

    for kind in KINDS:
        valid(kind)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        kind, seed = line.split()
        answer = answered(kind, mutated(kind, int(seed)))
        print(json.dumps(asdict(answer)), file=answers, flush=True)


def answered(kind: str, content: bytes) -> Answer:
    """Read a file of ``kind`` with this content."""
    from fuzz_files import ENDINGS, read

    from mlspec.errors import MlspecError

    with TemporaryDirectory() as folder:
        path = Path(folder) / f"file{ENDINGS[kind]}"
        path.write_bytes(content)
        end, message = READ, ""
        began = time.monotonic()
        try:
            read(kind, path)
        except MlspecError as error:
            end, message = REFUSED, str(error)
        except BaseException:
            end, message = BROKEN, traceback.format_exc()
        seconds = time.monotonic() - began
        if {each.name for each in path.parent.iterdir()} != {
            path.name
        } or path.read_bytes() != content:
            end, message = BROKEN, "the folder changed"
    return Answer(end, message, seconds, peak_memory())


def peak_memory() -> int:
    """Return the most memory that this process has held, in MiB.

    ``ru_maxrss`` would not do: it survives ``exec``, and so counts the process that forked.
    """
    status = Path("/proc/self/status")
    if not status.exists():  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) // 1024


def main(arguments: list[str]) -> int:
    """Read many broken files and print what became of them; return 1 where a defect was found."""
    from fuzz_files import KINDS

    parser = argparse.ArgumentParser(prog="make fuzz", description=main.__doc__)
    parser.add_argument("--cases", type=int, default=20_000, help="of each kind")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for each kind")
    chosen = parser.parse_args(arguments)
    defects = 0
    for kind in chosen.kinds:
        ends: Counter[str] = Counter()
        slowest, peak = 0.0, 0
        with Reader() as reader:
            reader.ask(kind, chosen.first)  # the process has to start, and to load what it needs
            began = time.monotonic()
            for seed in range(chosen.first, chosen.first + chosen.cases):
                answer = reader.ask(kind, seed)
                ends[answer.end] += 1
                slowest, peak = max(slowest, answer.seconds), max(peak, answer.peak)
                if answer.defect:
                    defects += 1
                    print(f"{kind} {seed}: {answer.defect}", flush=True)
                if time.monotonic() - began > chosen.seconds:
                    break
        counts: Any = ", ".join(f"{count:,} {end}" for end, count in sorted(ends.items()))
        print(f"{kind}: {counts}; slowest {slowest:.2f} s, peak {peak} MiB", flush=True)
    return int(defects > 0)


if __name__ == "__main__":
    if sys.argv[1:] == ["--child"]:
        child()
    else:
        sys.exit(main(sys.argv[1:]))
