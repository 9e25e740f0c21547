"""Devices: one choice for bounds and attack, refused in a line where it is not there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attacks import fmn, pgd
from bounding import Bounding
from law import law
from machines import ITERATIONS
from random_ops import SMALL
from second_device import second_device
from strategies import Question, questions

import mlspec
from mlspec import load_spec, run
from mlspec.attack.context import AttackContext
from mlspec.attack.patterns import WitnessPatterns
from mlspec.core.verdict import Outcome, Stage
from mlspec.errors import InputError, SpecError
from mlspec.tensors import CPU, device_of

WITHOUT_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
WITH_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def test_cpu_is_always_there() -> None:
    assert device_of("cpu") == CPU


@WITHOUT_CUDA
def test_auto_is_the_cpu_where_there_is_nothing_else() -> None:
    assert device_of("auto") == CPU


@WITHOUT_CUDA
def test_cuda_is_refused_where_it_is_not() -> None:
    with pytest.raises(InputError, match=r"^cuda: PyTorch .* here; use auto or cpu$"):
        device_of("cuda")
    spec = load_spec("specs/small.yaml", {"verifier.device": "cuda"})
    with pytest.raises(SpecError, match=r"verifier\.device: cuda: PyTorch"):
        run.prepare(spec)


@WITH_CUDA
def test_auto_is_cuda_where_it_is() -> None:
    assert device_of("auto") == device_of("cuda") == torch.device("cuda")


@law(questions(SMALL, None), quick=3, deep=80)
def test_a_second_device_says_what_the_cpu_says(question: Question) -> None:
    with second_device() as device:
        agree(question, device)


@WITH_CUDA
@law(questions(SMALL, None), quick=20, deep=200)
def test_cuda_says_what_the_cpu_says(question: Question) -> None:
    agree(question, torch.device("cuda"))


def agree(question: Question, device: torch.device) -> None:
    """Bounds, attacks and patterns on ``device`` are what they are on the CPU, within rounding."""
    problem, eps = question.problem, question.eps
    box = problem.neighborhood(eps).box
    images = pgd(problem).find(eps).images
    found, margins, refuted = [], [], []
    for where in (CPU, device):
        bounder = Bounding(problem.relaxed, problem.property, ITERATIONS, where)
        linear = bounder.crown(box)
        found.append((bounder.interval(box), linear, bounder.alpha(linear)))
        refuted.append(bounder.violated_throughout(images))
        points = pgd(problem, device=where).find(eps)
        assert points.margins[0] == problem.margin(points.images[:1])[0]
        nearest = fmn(problem, device=where).find(lambda s: np.outer(s, eps))
        assert nearest is None or problem.margin(nearest.image[None])[0] <= 0.0
        patterns = WitnessPatterns(AttackContext(problem, where))
        for image in images:
            patterns.learn(image, eps)
        margins.append([bounder.slopes(box)[0], *problem.margin(patterns.at(eps))])
    assert refuted[0] == refuted[1]
    np.testing.assert_allclose(*margins, rtol=1e-6, atol=1e-6)
    for ours, theirs in zip(*found, strict=True):
        scale = 1.0 + max(np.abs(value).max() for value in ours.bounds().upper)
        assert abs(ours.margin - theirs.margin) <= 1e-6 * scale
        for one, other in zip(
            (*ours.bounds().lower, *ours.bounds().upper),
            (*theirs.bounds().lower, *theirs.bounds().upper),
            strict=True,
        ):
            np.testing.assert_allclose(one, other, atol=1e-6 * scale)


def test_a_verdict_of_a_second_device_is_that_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_spec("specs/small.yaml")
    here = mlspec.verify(spec, 0.00105)
    with second_device() as device:
        monkeypatch.setattr(run, "device_of", lambda choice: device)
        away = mlspec.verify(spec, 0.00105)
    assert (away.outcome, away.stage) == (here.outcome, here.stage) == (Outcome.ROBUST, Stage.MILP)


@pytest.mark.slow
def test_a_whole_search_runs_on_a_second_device(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_spec("specs/small.yaml", {"budget.seconds": 120})
    here = mlspec.solve(spec)
    with second_device() as device:
        monkeypatch.setattr(run, "device_of", lambda choice: device)
        away = mlspec.solve(spec)
    # Looks end by the clock, and this device is slow.
    np.testing.assert_allclose(away["size"], here["size"], rtol=1e-3)


def test_what_cuda_refuses_the_second_device_refuses() -> None:
    with second_device() as device:
        away, here = torch.arange(3.0, device=device), torch.arange(3.0)
        with pytest.raises(RuntimeError, match="two devices"):
            away + here
        with pytest.raises(RuntimeError, match="numpy"):
            away.numpy()
        np.testing.assert_array_equal((away * 2.0 + away[torch.tensor([2])]).cpu(), [2, 4, 6])
