"""Devices: one choice for bounds and attack, refused in a line where it is not there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from law import law
from machines import ITERATIONS
from strategies import SMALL, Question, questions

from mlspec import load_spec, run
from mlspec.attack.pgd import PgdAttack
from mlspec.bounds.analysis import Bounder
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


@WITH_CUDA
@law(questions(SMALL, None), quick=20, deep=200)
def test_bounds_and_attack_say_on_cuda_what_they_say_on_the_cpu(question: Question) -> None:
    problem, eps = question.problem, question.eps
    box = problem.neighborhood(eps).box
    found = []
    for device in (CPU, torch.device("cuda")):
        bounder = Bounder(problem.relaxed, problem.property, ITERATIONS, device)
        linear = bounder.crown(box)
        found.append((bounder.interval(box), linear, bounder.alpha(linear)))
        points = PgdAttack(problem, 8, 12, 0, device).find(eps)
        assert points.margins[0] == problem.margin(points.images[:1])[0]
    for ours, theirs in zip(*found, strict=True):
        scale = 1.0 + max(np.abs(value).max() for value in ours.bounds().upper)
        assert abs(ours.margin - theirs.margin) <= 1e-6 * scale
        for one, other in zip(
            (*ours.bounds().lower, *ours.bounds().upper),
            (*theirs.bounds().lower, *theirs.bounds().upper),
            strict=True,
        ):
            np.testing.assert_allclose(one, other, atol=1e-6 * scale)
