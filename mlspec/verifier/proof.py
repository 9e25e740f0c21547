"""One proof for many neighborhoods.

The complete stage compiles a model of the neighborhood that it is asked about. Here the model, with
its bounds and cuts, is that of a larger one, the *ceiling*, and the ends of the pixels alone say
which neighborhood inside it is meant. Then every proved leaf of the tree is a lower bound of the
margin as a function of the radii, and a proof that was found for one radius

- certifies every radius at which all leaves stay above the limit, a polytope but for the ends of
  [0, 1], without any further query;
- can be *extended* to another radius by proving again only the leaves that it loses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mlspec.bounds.analysis import Analysis
from mlspec.core.deadline import NEVER, Deadline
from mlspec.core.neighborhood import Box
from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Outcome, Proof, Stage, Verdict
from mlspec.errors import SolverError
from mlspec.milp.compile import Compiler
from mlspec.milp.model import LeafSlopes, Prover, ProvingSession
from mlspec.tolerances import MILP_MARGIN
from mlspec.verifier.last_sessions import LastSessions
from mlspec.verifier.subset_query import SubsetQuery
from mlspec.verifier.trial import ModelTrial

Noted = Callable[[Array, Verdict, float], Verdict]
"""Takes note of the verdict on a radius that was asked about since a time, in ``time.monotonic()``
seconds, and completes it."""


Weak = Callable[[Box], Sequence[Array]]
"""Returns images ``(C, H, W)`` of a box near which a violation may be, the weakest first."""


@dataclass(frozen=True, eq=False)
class _Part:
    """One open subset, and the session that proves it."""

    query: SubsetQuery
    session: ProvingSession


class NeighborhoodProof:
    """What is proved of the radii up to ``ceiling`` ``(R,)``."""

    def __init__(
        self, problem: Problem, ceiling: Array, parts: Sequence[_Part], noted: Noted, weak: Weak
    ) -> None:
        self._problem = problem
        self._parts = parts
        self._noted = noted
        self._weak = weak
        self.ceiling = ceiling

    def certified(self, eps: Array) -> Verdict | None:
        """Return the verdict on ``eps`` ``(R,)`` if the proof certifies it as it is."""
        began = time.monotonic()
        if not self.slack(eps) > 0.0:
            return None
        return self._noted(eps, self._robust(), began)

    def _robust(self) -> Verdict:
        proof = Proof.DUAL_BOUNDS if self._parts else Proof.BOUNDS
        return Verdict(Outcome.ROBUST, Stage.MILP, MILP_MARGIN, proof=proof, complete=True)

    def slack(self, eps: Array) -> float:
        """Return the least slack of any leaf at ``eps`` ``(R,)``, which is certified where that is
        positive; minus infinity where nothing is proved yet, infinity where bounds suffice."""
        if np.any(eps > self.ceiling):
            return -np.inf
        least = np.inf
        for leaves in self._leaves(eps):
            least = min(least, -np.inf if leaves is None else float(leaves.slack.min()))
        return least

    def half_spaces(self, eps: Array) -> tuple[Array, Array]:
        """Return rows ``(L, R)``, none of them negative, and limits ``(L,)``: radii up to the
        ceiling with ``rows @ eps' <= limits`` are certified, but for rounding, once something is
        proved.

        A leaf falls convexly in each radius, as [0, 1] stops pixels: its tangent at ``eps``
        ``(R,)`` is below it.
        """
        neighborhood = self._problem.neighborhood(eps)
        rows, limits = [np.zeros((0, len(eps)))], [np.zeros(0)]
        for leaves in self._leaves(eps):
            if leaves is None:
                continue
            ends = zip(leaves.by_lower, leaves.by_upper, strict=True)
            falls = -np.stack([neighborhood.derivatives(*each) for each in ends])
            rows.append(falls)
            limits.append(leaves.slack + falls @ eps)
        return np.concatenate(rows), np.concatenate(limits)

    def _leaves(self, eps: Array) -> Iterator[LeafSlopes | None]:
        """Yield the leaves of each open subset at ``eps`` ``(R,)``, None where it is not proved."""
        box = self._problem.neighborhood(eps).box
        for each in self._parts:
            yield each.session.leaves(each.query.subset, each.query.guide, box)

    def extend(self, eps: Array, deadline: Deadline = NEVER) -> Verdict:
        """Prove ``eps`` ``(R,)``, of which no entry is above the ceiling, or find a violation."""
        if np.any(eps > self.ceiling):
            raise ValueError("the proof does not reach so far")
        began = time.monotonic()
        box = self._problem.neighborhood(eps).box
        parts = [replace(each, query=replace(each.query, box=box)) for each in self._parts]
        for each in parts:
            each.session.narrow(box)
        verdict = None if self.slack(eps) > 0.0 else self._nearby(parts, box, deadline)
        for each in parts if verdict is None else ():
            report = each.session.solve(each.query.subset, deadline, each.query.guide)
            verdict = each.query.violated(report)
            if verdict is None and each.query.proved(report) is None:
                verdict = each.query.undecided(report, "branch and cut")
            if verdict is not None:
                break
        return self._noted(eps, self._robust() if verdict is None else verdict, began)

    def _nearby(self, parts: Sequence[_Part], box: Box, deadline: Deadline) -> Verdict | None:
        """Return the verdict if the linear region of a weak image of ``box`` violates."""
        for image in self._weak(box):
            for each in parts:
                query = each.query
                report = each.session.near(image, query.subset, deadline, query.guide)
                verdict = query.violated(report)
                if verdict is not None:
                    return verdict
        return None


@dataclass(frozen=True, eq=False)
class ProofBuilder:
    """Opens proofs."""

    problem: Problem
    compiler: Compiler
    prover: Prover
    sessions: LastSessions
    trial: ModelTrial = field(default_factory=ModelTrial)

    def open(
        self,
        ceiling: Array,
        analysis: Analysis,
        noted: Noted,
        weak: Weak,
    ) -> NeighborhoodProof:
        """Return a proof up to ``ceiling`` ``(R,)``, whose bounds are ``analysis``; nothing is
        proved yet but what those say. Every verdict goes through ``noted``; near images that
        are ``weak`` violations are sought.

        Raises SolverError where there is no model, or where it leaves out an image.
        """
        box = self.problem.neighborhood(ceiling).box
        parts = []
        for item in analysis.claims:
            if not item.subsets:
                continue
            rows = sorted({row for subset in item.subsets for row in subset})
            model = replace(self.compiler, decision=True).compile(
                box, analysis.bounds(), item.claim, rows
            )
            session = self.prover.open(model)
            if not self.trial.passed(session, box):
                raise SolverError("the model leaves out an image of the neighborhood")
            self.sessions.follow(item.claim, session)
            parts += [
                _Part(SubsetQuery(self.problem, box, item, subset), session)
                for subset in item.subsets
            ]
        return NeighborhoodProof(self.problem, ceiling, parts, noted, weak)
