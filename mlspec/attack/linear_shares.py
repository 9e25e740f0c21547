"""Where on a path linearised margins fall to zero: at which shares a minimum-norm attack begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlspec.attack.minimax import Margins, MinimaxGame, linearised
from mlspec.attack.path_boxes import PathBoxes
from mlspec.core.bisection import Bisection
from mlspec.core.network import Array


@dataclass(frozen=True)
class LinearShares:
    """Bisects the logarithm of the share."""

    halvings: int = 16
    """Bisection steps."""
    least: float = 1e-6
    """The least share that is looked for."""
    game: MinimaxGame = MinimaxGame()
    """How the least of the largest margins in a box is found."""

    def estimate(self, boxes: PathBoxes, margins: Margins, images: Tensor) -> Array:
        """Return the least shares ``(B,)`` in whose boxes all margins of an image, linearised at
        ``images`` ``(B, C, H, W)``, fall to zero; 1 where they do not."""
        values, slopes = linearised(margins, images)

        def positive(shares: Array) -> NDArray[np.bool_]:
            ends = [images.new_tensor(end) for end in boxes.at(shares)]
            down, up = ((end - images).flatten(1) for end in ends)
            step = self.game.solve(values, slopes, down, up)
            left = (values + torch.einsum("bkn,bn->bk", slopes, step)).amax(1)
            return np.asarray(left.cpu().numpy() > 0.0)

        bisection = Bisection(steps=self.halvings, geometric=True)
        first = np.full(len(images), self.least)
        _, shares = bisection.narrow_each(positive, first, np.ones(len(images)))
        return shares
