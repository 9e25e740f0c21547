"""Attacks on one problem, as tests want them."""

from __future__ import annotations

import torch

from mlspec.attack.context import AttackContext
from mlspec.attack.fmn import Fmn, FmnAttack
from mlspec.attack.pgd import Pgd, PgdAttack
from mlspec.core.problem import Problem
from mlspec.tensors import CPU


def pgd(
    problem: Problem,
    restarts: int = 8,
    steps: int = 12,
    seed: int = 0,
    device: torch.device = CPU,
) -> PgdAttack:
    """Return projected gradient descent on ``problem``."""
    return Pgd(restarts=restarts, steps=steps).on(AttackContext(problem, device), seed)


def fmn(
    problem: Problem,
    restarts: int = 8,
    rounds: int = 2,
    seed: int = 0,
    device: torch.device = CPU,
) -> FmnAttack:
    """Return a minimum-norm attack on ``problem``."""
    return Fmn(restarts=restarts, rounds=rounds).on(AttackContext(problem, device), seed)
