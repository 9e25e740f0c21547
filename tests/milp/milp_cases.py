"""Problems for models: a grey image of one row, all of whose pixels move."""

from __future__ import annotations

import numpy as np
from strategies import problem_of

from mlspec.core.layering import Layering
from mlspec.core.network import Network
from mlspec.core.problem import Problem
from mlspec.core.property import Property, TopK


def question_of(ops: tuple[object, ...], pixels: int) -> Problem:
    return problem_of(
        Network(ops, (1, 1, pixels)),
        np.full((1, 1, pixels), 0.5),
        Layering(np.zeros((1, pixels), dtype=np.int16), 1),
        Property(TopK(1), (0,), 2),
    )
