"""Many cases to all solvers, on all cores, in chunks that a later run goes on from."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

import mlspec
from soundness import records
from soundness.asking import BOUNDS, Answer, Mode, answers
from soundness.cases import Case, random_case

CHUNK = 25
"""Cases that are asked about, and noted, together."""
SAY_SECONDS = 60.0
"""Progress is told once in so long a time."""


@dataclass
class Counts:
    """How often was what answered; keys are tuples of words."""

    answered: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """By solver, mode, truth, place, width and answer."""
    reasons: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """By solver, mode, truth and reason."""
    cases: int = 0
    seconds: float = 0.0
    """Time spent on answers, of all processes together."""

    def add(self, case: Case, answer: Answer) -> None:
        """Count one answer."""
        said = "WRONG" if answer.wrong else answer.said
        asked = (answer.solver, answer.mode.value, case.truth)
        self.answered[(*asked, case.place, _decade(case.width), said)] += 1
        if answer.reason:
            self.reasons[(*asked, answer.reason)] += 1
        self.seconds += answer.seconds

    def merge(self, other: Counts) -> None:
        """Add what another counted."""
        self.answered += other.answered
        self.reasons += other.reasons
        self.cases += other.cases
        self.seconds += other.seconds

    @property
    def wrong(self) -> int:
        """How many answers were wrong."""
        return sum(count for key, count in self.answered.items() if key[-1] == "WRONG")


def asked(seed: int, names: Sequence[str]) -> Iterator[tuple[Case, Answer]]:
    """Yield the answers of all solvers to the case of this number.

    Modes and bounds take turns: six cases together have all.
    """
    case = random_case(seed)
    bounds = BOUNDS[seed % len(BOUNDS)]
    mode = [*Mode][seed // len(BOUNDS) % len(Mode)]
    for answer in answers(case, names, [mode], [bounds]):
        yield case, answer


def chunk(
    first: int,
    count: int,
    names: Sequence[str],
    folder: Path | None,
    unclear: frozenset[str] = frozenset(),
) -> Counts:
    """Ask about ``count`` cases from number ``first`` on.

    In ``folder`` are saved those with a wrong answer, and clear ones with an answer in ``unclear``.
    """
    torch.set_num_threads(1)
    counts = Counts(cases=count)
    for seed in range(first, first + count):
        for case, answer in asked(seed, names):
            counts.add(case, answer)
            clear = answer.said in unclear and not case.truth.endswith("hair")
            if folder is not None and (answer.wrong or clear):
                solver = answer.solver.replace(" + ", "-")
                name = f"{seed}-{solver}-{answer.mode}.json"
                records.save(case, answer, folder / name)
    return counts


def sweep(
    first: int,
    count: int,
    names: Sequence[str],
    folder: Path,
    jobs: int,
    unclear: frozenset[str] = frozenset(),
) -> Counts:
    """Ask about ``count`` cases from number ``first`` on, in ``jobs`` processes.

    What was asked before, of the same sources and solvers, is read from ``folder``.
    """
    log = folder / f"counts-{fingerprint(names)}.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    done = dict(_noted(log))
    wanted = [
        (start, min(CHUNK, first + count - start)) for start in range(first, first + count, CHUNK)
    ]
    total = Counts()
    for part in wanted:
        if part in done:
            total.merge(done[part])
    began = said = time.monotonic()
    left = [part for part in wanted if part not in done]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool, log.open("a") as notes:
        running: dict[Future[Counts], tuple[int, int]] = {
            pool.submit(chunk, start, size, names, folder, unclear): (start, size)
            for start, size in left
        }
        for number, future in enumerate(as_completed(running), 1):
            counts = future.result()
            total.merge(counts)
            notes.write(_line(running[future], counts) + "\n")
            notes.flush()
            if time.monotonic() - said > SAY_SECONDS:
                said = time.monotonic()
                rate = number * CHUNK / (said - began)
                print(
                    f"{total.cases:,} of {count:,} cases, {rate:.1f} a second, "
                    f"{total.wrong} wrong answers",
                    flush=True,
                )
    return total


def fingerprint(names: Sequence[str]) -> str:
    """Return a word for the sources of mlspec and of this package, and for the solvers asked."""
    sha = hashlib.sha256(repr(tuple(names)).encode())
    for folder in (Path(mlspec.__file__).parent, Path(__file__).parent):
        for path in sorted(folder.rglob("*.py")):
            sha.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return sha.hexdigest()[:12]


def table(counts: Counts) -> str:
    """Return what was answered, as text."""
    lines = [f"{counts.cases:,} cases, {sum(counts.answered.values()):,} answers"]
    for title, places in (
        ("by solver", (0, 1, 2)),
        ("by place", (1, 2, 3)),
        ("by width of the spike", (1, 2, 4)),
    ):
        sums: Counter[tuple[str, ...]] = Counter()
        for key, count in counts.answered.items():
            sums[(*(key[place] for place in places), key[-1])] += count
        said = sorted({key[-1] for key in sums}, key=_order)
        rows = sorted({key[:-1] for key in sums})
        lines += ["", title, f"{'':52}" + "".join(f"{word:>12}" for word in said)]
        for row in rows:
            cells = "".join(f"{sums[(*row, word)] or '.':>12}" for word in said)
            lines.append(f"{row[0]:16}{row[1]:18}{row[2]:18}{cells}")
    lines += ["", "reasons"]
    for key, count in sorted(counts.reasons.items(), key=lambda item: -item[1]):
        lines.append(f"{count:7}  {key[0]:14}{key[1]:10}{key[2]:20}{key[3]}")
    return "\n".join(lines)


def _order(said: str) -> tuple[int, str]:
    usual = ("WRONG", "robust", "violated", "unknown", "exact", "open")
    return (usual.index(said) if said in usual else len(usual)), said


def _decade(width: float) -> str:
    return "none" if width == 0.0 else f"1e{int(np.floor(np.log10(width))):+d}"


def _line(part: tuple[int, int], counts: Counts) -> str:
    return json.dumps(
        {
            "part": part,
            "answered": [[*key, count] for key, count in counts.answered.items()],
            "reasons": [[*key, count] for key, count in counts.reasons.items()],
            "cases": counts.cases,
            "seconds": counts.seconds,
        }
    )


def _noted(log: Path) -> Iterator[tuple[tuple[int, int], Counts]]:
    """Yield the chunks that ``log`` holds; a last line that was not finished is left out."""
    for line in log.read_text().splitlines() if log.exists() else ():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        answered, reasons = (
            Counter({tuple(words): count for *words, count in record[name]})
            for name in ("answered", "reasons")
        )
        first, size = record["part"]
        yield (first, size), Counts(answered, reasons, record["cases"], record["seconds"])
