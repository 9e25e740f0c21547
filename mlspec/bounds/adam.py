"""Adam (Kingma and Ba 2015) for the free parameters of relaxations.

It calls the function behind ``torch.optim.Adam``: the class loads torch's compiler at its first
use, which takes longer than most queries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam


@dataclass(frozen=True)
class Adam:
    """The numbers of an ascent."""

    rate: float
    """The first step."""
    decay: float = 1.0
    """Factor on the step size after each step."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Shares of what is remembered of gradients, and of their squares: Kingma and Ba's."""
    epsilon: float = 1e-8
    """Added to the root of the squares: Kingma and Ba's."""

    def on(self, parameters: Iterable[Tensor]) -> AdamAscent:
        """Return an ascent of ``parameters``, leaves of the graph."""
        return AdamAscent(self, list(parameters))


class AdamAscent:
    """Gradient ascent of parameters by Adam."""

    def __init__(self, method: Adam, parameters: list[Tensor]) -> None:
        self._method, self._rate = method, method.rate
        self._parameters = parameters
        self._means = [torch.zeros_like(each) for each in parameters]
        self._squares = [torch.zeros_like(each) for each in parameters]
        self._steps = [torch.tensor(0.0) for _ in parameters]

    def climb(self, value: Tensor) -> None:
        """Take a step along the gradient of the scalar ``value``."""
        gradients = torch.autograd.grad(value, self._parameters, materialize_grads=True)
        with torch.no_grad():
            adam(
                self._parameters,
                list(gradients),
                self._means,
                self._squares,
                [],
                self._steps,
                amsgrad=False,
                beta1=self._method.betas[0],
                beta2=self._method.betas[1],
                lr=self._rate,
                weight_decay=0.0,
                eps=self._method.epsilon,
                maximize=True,
            )
        self._rate *= self._method.decay
