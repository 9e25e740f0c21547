"""The tiny fixed models whose LP files are kept: one per encoding and objective."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mlspec.core.bounds import Bounds
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array, Network, Op
from mlspec.core.property import Claim, Threshold, TopK
from mlspec.milp.choosing import choosing
from mlspec.milp.compile import Compiler
from mlspec.milp.model import MilpModel
from mlspec.ops.clip import Clip
from mlspec.ops.conv import Conv
from mlspec.ops.flatten import Flatten
from mlspec.ops.leaky_relu import LeakyRelu
from mlspec.ops.linear import Linear
from mlspec.ops.max_pool import MaxPool
from mlspec.ops.relu import Relu


def _image(*rows: list[float]) -> Array:
    return np.array([rows], dtype=np.float64)


def _model(
    ops: tuple[Op, ...],
    lower: Array,
    upper: Array,
    inner: list[tuple[Array, Array]],
    claim: Claim,
    *,
    decision: bool,
) -> MilpModel:
    """Return a model with bounds written out, so that no bound computation can change a file."""
    network = Network(ops, lower.shape)
    scores = np.full(network.labels, -100.0), np.full(network.labels, 100.0)
    ends = [(lower, upper), *inner, scores]
    bounds = Bounds(tuple(low for low, _ in ends), tuple(up for _, up in ends))
    compiler = Compiler(network, decision=decision)
    return compiler.compile(Box(lower, upper), bounds, claim, range(len(claim.rows)))


def relu() -> MilpModel:
    """Two pixels, four units: undecided, active, dead, undecided and tiny."""
    hidden = Linear(
        np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, 0.0], [2.0**-20, -(2.0**-20)]]),
        np.array([0.0, 0.5, -0.5, 0.0]),
    )
    last = Linear(np.array([[1.0, 2.0, 3.0, 4.0], [0.5, 0.0, 0.0, 0.0]]), np.array([0.25, 1.0]))
    flat = np.array([0.0, 0.25]), np.array([1.0, 0.75])
    tiny = 2.0**-20
    ends = np.array([-0.75, 0.75, -1.5, -0.75 * tiny]), np.array([0.75, 2.25, -0.5, 0.75 * tiny])
    after = np.maximum(ends[0], 0.0), np.maximum(ends[1], 0.0)
    lower, upper = _image([0.0, 0.25]), _image([1.0, 0.75])
    ops = (Flatten(), hidden, Relu(), last)
    return _model(ops, lower, upper, [flat, ends, after], TopK(1).claim(0, 2), decision=True)


def _activated(op: Op) -> MilpModel:
    """Two pixels, four units: open at both ends of an interval, at either, and nowhere."""
    hidden = Linear(
        np.array([[2.0, -1.0], [1.0, 1.0], [-1.0, 0.0], [0.25, 0.25]]),
        np.array([-0.25, -1.5, 0.5, -0.25]),
    )
    last = Linear(np.array([[1.0, 2.0, 3.0, 4.0], [0.5, 0.0, 0.0, -1.0]]), np.array([0.25, 1.0]))
    flat = np.array([0.0, 0.25]), np.array([1.0, 0.75])
    ends = np.array([-1.0, -1.25, -0.5, -0.1875]), np.array([1.5, 0.25, 0.5, 0.1875])
    after = op.forward(ends[0]), op.forward(ends[1])
    lower, upper = _image([0.0, 0.25]), _image([1.0, 0.75])
    ops = (Flatten(), hidden, op, last)
    return _model(ops, lower, upper, [flat, ends, after], TopK(1).claim(0, 2), decision=True)


def leaky_relu() -> MilpModel:
    """Two candidates for each unit, and a binary for each."""
    return _activated(LeakyRelu(0.25))


def clip() -> MilpModel:
    """Both ends: one unit is cut at both, others at one, one at neither."""
    return _activated(Clip(-0.75, 0.375))


def clip_one_sided() -> MilpModel:
    """Without a lower end."""
    return _activated(Clip(high=0.25))


def _pool(*, fused: bool) -> MilpModel:
    """Overlapping windows over a row of four pixels, of which the third stands still."""
    lower, upper = _image([0.0, 0.25, 0.5, 0.0]), _image([1.0, 0.75, 0.5, 0.25])
    conv = Conv(np.full((1, 1, 1, 1), 2.0), np.array([-0.5]))
    ends = 2.0 * lower - 0.5, 2.0 * upper - 0.5
    low, up = (
        np.array([[[v[0, 0, :2].max(), v[0, 0, 1:3].max(), v[0, 0, 2:].max()]]]) for v in ends
    )
    pooled = (np.maximum(low, 0.0), np.maximum(up, 0.0)) if fused else (low, up)
    flat = pooled[0].ravel(), pooled[1].ravel()
    last = Linear(np.array([[1.0, -1.0, 1.0], [0.0, 1.0, 0.0]]), np.array([0.125, 0.0]))
    ops = (conv, MaxPool((1, 2), (1, 1), relu=fused), Flatten(), last)
    return _model(ops, lower, upper, [ends, pooled, flat], TopK(1).claim(0, 2), decision=True)


def maxpool() -> MilpModel:
    """Pools alone."""
    return _pool(fused=False)


def maxpool_with_relu() -> MilpModel:
    """Pools with the constant candidate 0."""
    return _pool(fused=True)


def _margins(claim: Claim, *, decision: bool) -> MilpModel:
    last = Linear(np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]), np.array([0.5, 0.0, 0.125]))
    flat = np.array([0.25, 0.0]), np.array([0.75, 1.0])
    lower, upper = _image([0.25, 0.0]), _image([0.75, 1.0])
    return _model((Flatten(), last), lower, upper, [flat], claim, decision=decision)


def margin_decision() -> MilpModel:
    """Is any of the two margins non-positive: no objective."""
    return _margins(TopK(1).claim(0, 3), decision=True)


def margin_objective() -> MilpModel:
    """The least level above all active margins."""
    return _margins(TopK(2).claim(0, 3), decision=False)


def margin_threshold() -> MilpModel:
    """The one margin of a threshold."""
    return _margins(Threshold((0.25, 0.5, 0.75)).claim(1, 3), decision=True)


def choosing_competitors() -> MilpModel:
    """The solver chooses the two of three competitors that reach the target: what is exported."""
    last = Linear(
        np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [1.0, 0.25]]),
        np.array([0.5, 0.0, 0.125, 0.0]),
    )
    flat = np.array([0.25, 0.0]), np.array([0.75, 1.0])
    lower, upper = _image([0.25, 0.0]), _image([0.75, 1.0])
    claim = TopK(2).claim(0, 4)
    return choosing(_model((Flatten(), last), lower, upper, [flat], claim, decision=True), 2)


def nothing_moves() -> MilpModel:
    """A single image: constants ride on a variable that is 1."""
    still = _image([0.25, 0.5])
    last = Linear(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.5, 0.0]))
    flat = still.ravel(), still.ravel()
    return _model((Flatten(), last), still, still, [flat], TopK(1).claim(0, 2), decision=True)


MODELS: dict[str, Callable[[], MilpModel]] = {
    maker.__name__: maker
    for maker in (
        relu,
        leaky_relu,
        clip,
        clip_one_sided,
        maxpool,
        maxpool_with_relu,
        margin_decision,
        margin_objective,
        margin_threshold,
        choosing_competitors,
        nothing_moves,
    )
}


def lp_text(model: MilpModel, folder: Path) -> str:
    """Return the LP file that Pyomo writes."""
    path = folder / "model.lp"
    model.pyomo.write(str(path), io_options={"symbolic_solver_labels": True})
    return path.read_text()
