"""A stage that needs more memory than there is has no say; the others go on."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest
from backend_cases import random_questions
from machines import stages
from strategies import Question

from mlspec.core.deadline import Deadline
from mlspec.core.verdict import Outcome, Stage
from mlspec.errors import MemoryLimitWarning
from mlspec.milp.compile import Compiler
from mlspec.verifier.cascade import Cascade
from mlspec.verifier.memory_limit import is_out_of_memory

TORCH = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 8000000000000 bytes."
)
NUMPY = MemoryError("Unable to allocate 7.28 TiB for an array with shape (1000, 1000000000)")
DEVICE = RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")


@cache
def asked() -> Question:
    """Return a question that all bounds and the attack leave open."""
    for question in random_questions(200):
        if cascade(question).verify(question.eps, Deadline.after(20.0)).stage is Stage.MILP:
            return question
    raise AssertionError("too few questions")


def cascade(question: Question) -> Cascade:
    """Return a verifier of its own, which remembers nothing."""
    return Cascade(question.problem, stages(question.problem))


def raising(error: Exception) -> Callable[..., Any]:
    def work(*_: object, **__: object) -> Any:
        raise error

    return work


@contextmanager
def warned() -> Iterator[list[str]]:
    """Collect the warnings of a memory limit."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MemoryLimitWarning)
        yield said
    assert all(each.category is MemoryLimitWarning for each in caught)
    said.extend(str(each.message) for each in caught)


PLACES = {
    "crown": ("mlspec.bounds.crown.CrownBounder.analyse", Stage.CROWN),
    "alpha": ("mlspec.bounds.alpha.AlphaBounder.analyse", Stage.ALPHA),
    "attack": ("mlspec.attack.pgd.PgdAttack.find", Stage.ATTACK),
    "interval": ("mlspec.bounds.interval.IntervalBounder.analyse", Stage.INTERVAL),
}


@cache
def expected() -> Outcome:
    """Return what all stages together say."""
    return cascade(asked()).verify(asked().eps, Deadline.after(20.0)).outcome


@pytest.mark.parametrize("error", [TORCH, NUMPY, DEVICE], ids=["torch", "numpy", "device"])
@pytest.mark.parametrize("place", PLACES)
def test_the_other_stages_answer(
    place: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    question, outcome = asked(), expected()
    name, stage = PLACES[place]
    verifier = cascade(question)
    monkeypatch.setattr(name, raising(error))
    with warned() as said_once:
        verdict = verifier.verify(question.eps, Deadline.after(20.0))
        verifier.verify(question.eps * 0.999, Deadline.after(20.0))
    (line,) = said_once
    assert line.startswith(f"{stage.value}: it needs more memory than there is; the verifier goes")
    assert verdict.outcome is outcome
    said = {account.stage: account.finding for account in verdict.accounts}
    assert "more memory than there is" in said[stage]


def test_without_any_bounds_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    question = asked()
    verifier = cascade(question)
    for name, stage in PLACES.values():
        if stage.bounds:
            monkeypatch.setattr(name, raising(NUMPY))
    with warned() as said:
        for answer in (verifier.verify, verifier.bound):
            verdict = answer(question.eps, Deadline.after(20.0))
            assert verdict.outcome is not Outcome.ROBUST
            if verdict.outcome is Outcome.UNKNOWN:
                assert verdict.reason == "there are no bounds: it needs more memory than there is"
        assert verifier.level(question.eps, Deadline.after(5.0)).lower == -np.inf
    assert said


def test_a_model_that_does_not_fit_leaves_the_question_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    question = asked()
    monkeypatch.setattr(Compiler, "compile", raising(NUMPY))
    with pytest.warns(MemoryLimitWarning, match="^milp: it needs more memory than there is"):
        verdict = cascade(question).verify(question.eps, Deadline.after(20.0))
    assert verdict.outcome is Outcome.UNKNOWN
    assert (
        verdict.reason == "the complete stage does not answer: it needs more memory than there is"
    )


def test_a_search_asks_on_without_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question that a search has gets its weakest answer."""
    question = asked()
    verifier, eps = cascade(question), question.eps
    monkeypatch.setattr("mlspec.attack.pgd.PgdAttack.find", raising(TORCH))
    monkeypatch.setattr("mlspec.attack.fmn.FmnAttack.find", raising(TORCH))
    monkeypatch.setattr("mlspec.bounds.crown.CrownBounder.slopes", raising(TORCH))
    end = Deadline.after(20.0)
    with warned() as said:
        points = verifier.weakest(eps, end)
        assert points.margins == question.problem.margin(question.problem.image[None])
        assert verifier.certified(eps, end).lost
        assert verifier.nearest(lambda shares: shares[:, None] * eps, end) is None
        refutation = verifier.refute(np.stack([eps, eps]), end)
        assert not refutation.throughout
        assert refutation.unbroken is not None
    assert {each.partition(":")[0] for each in said} == {"attack", "crown"}


def test_another_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    question = asked()
    monkeypatch.setattr(PLACES["interval"][0], raising(RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        cascade(question).verify(question.eps)


REAL = """
import resource
import numpy as np
import torch
from mlspec.verifier.memory_limit import is_out_of_memory
resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
for allocate in (
    lambda: np.ones((2**17, 2**17)),
    lambda: torch.ones((2**17, 2**17)),
    lambda: bytearray(2**36),
):
    try:
        allocate()
    except Exception as error:
        assert is_out_of_memory(error), repr(error)
    else:
        raise SystemExit("there was memory")
print("all known")
"""


def test_what_the_libraries_raise_is_known() -> None:
    """By their real errors, within a real limit."""
    ran = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "all known\n"), ran.stderr
    assert not is_out_of_memory(ValueError("out of memory"))
