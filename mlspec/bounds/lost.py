"""What rounding costs bounds that are propagated backwards.

A step back computes rows ``r`` and a bias ``s`` from rows ``a`` over an op's output ``y``. With its
input ``z``, ``a . y >= r . z + s - sum_i |a_i| e_i`` holds in exact arithmetic, where the op states
the errors ``e_i`` (``Operation.backward_error``). By these sums bounds are lowered. Where the op is
relaxed that is done by moving its lower and upper side apart by ``e_i``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mlspec.rounding import sum_error


class Lost:
    """What is lost on the way, for each row."""

    def __init__(self) -> None:
        self._total: Tensor | float = 0.0

    def of_rows(self, rows: Tensor, error: Tensor | None) -> None:
        """Add ``sum_i |rows_i| error_i``, for rows ``(B, S, ...)`` and errors ``(B, ...)``."""
        if error is not None:
            with torch.no_grad():
                sizes = rows.detach().abs().flatten(2)
                self._total = self._total + (sizes @ error.flatten(1)[..., None])[..., 0]

    def of_patches(self, patch: Tensor, error: Tensor) -> None:
        """Add the same for local rows ``(B, S, P, C, kh, kw)`` and windows of errors."""
        with torch.no_grad():
            sizes, errors = patch.detach().abs().flatten(3), error.flatten(3)
            if sizes.shape[2] == 1:  # the same at every position
                found = sizes[:, :, 0] @ errors[:, 0].mT
            else:
                found = (sizes * errors).sum(3)
            self._total = self._total + found

    def of_sum(self, total: Tensor) -> None:
        """Add what one addition loses that had the result ``total``."""
        self._total = self._total + sum_error(1) * total.detach().abs()

    def taken_from(self, bias: Tensor) -> Tensor:
        """Return ``bias`` less all that was lost."""
        self.of_sum(bias)
        return bias - self._total


def lowered_sum(one: Tensor, other: Tensor | float) -> Tensor:
    """Return a lower bound of the exact sum."""
    total = one + other
    return total - sum_error(1) * total.detach().abs()
