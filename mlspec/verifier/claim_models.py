"""The MILP models of one claim, on the solver that is asked and on the one that proves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mlspec.bounds.analysis import OpenClaim
from mlspec.core.bounds import Bounds
from mlspec.core.neighborhood import Box
from mlspec.milp.compile import Compiler
from mlspec.milp.model import Backend, Prover, ProvingSession, Session


@dataclass(frozen=True, eq=False)
class ClaimSessions:
    """The open models of one claim."""

    proving: ProvingSession
    """A decision model on the prover."""
    asking: Session | None
    """The model on the solver that is asked; None where that is the prover."""


@dataclass(frozen=True, eq=False)
class ClaimModels:
    """Opens the models of a claim over a box, with the margins ``rows`` of it."""

    compiler: Compiler
    """Compiles for ``backend``: decisions, or optimisations of the margin."""
    backend: Backend
    """The solver that is asked."""
    prover: Prover
    """Branch and cut, whose answers are certified; may be ``backend`` itself."""

    @property
    def decision(self) -> bool:
        """Whether only the existence of a violation is asked, not the least margin."""
        return self.compiler.decision

    def optimising(self) -> ClaimModels:
        """Return the same, where the least margin is asked for."""
        return replace(self, compiler=replace(self.compiler, decision=False))

    def opened(
        self, box: Box, bounds: Bounds, item: OpenClaim, rows: Sequence[int]
    ) -> ClaimSessions:
        """Open both models; raises SolverError where one of them cannot be."""
        return ClaimSessions(
            self.proving(box, bounds, item, rows), self._asking(box, bounds, item, rows)
        )

    def proving(
        self, box: Box, bounds: Bounds, item: OpenClaim, rows: Sequence[int]
    ) -> ProvingSession:
        """Open a decision model on the prover; raises SolverError where there is none."""
        compiler = replace(self.compiler, decision=True)
        return self.prover.open(compiler.compile(box, bounds, item.claim, rows))

    def _asking(
        self, box: Box, bounds: Bounds, item: OpenClaim, rows: Sequence[int]
    ) -> Session | None:
        """Open a model on the solver that is asked; None where that is the prover."""
        if self.backend is self.prover:
            return None
        return self.backend.open(self.compiler.compile(box, bounds, item.claim, rows))
