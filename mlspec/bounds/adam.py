"""Adam (Kingma and Ba 2015) for the free parameters of relaxations.

It calls the function behind ``torch.optim.Adam``: the class loads torch's compiler at its first
use, which takes longer than most queries.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adam import adam

BETAS = 0.9, 0.999
EPSILON = 1e-8


class Adam:
    """Moves parameters, leaves of the graph, such that what they are asked to raise rises."""

    def __init__(self, parameters: Iterable[Tensor], rate: float, decay: float = 1.0) -> None:
        self._parameters = list(parameters)
        self._rate, self._decay = rate, decay
        self._means = [torch.zeros_like(each) for each in self._parameters]
        self._squares = [torch.zeros_like(each) for each in self._parameters]
        self._steps = [torch.tensor(0.0) for _ in self._parameters]

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
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=self._rate,
                weight_decay=0.0,
                eps=EPSILON,
                maximize=True,
            )
        self._rate *= self._decay
