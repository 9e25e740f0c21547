"""What a verifier learned of one problem: proofs and witnesses, used by monotonicity.

A proved neighborhood certifies every smaller one; a witness refutes every neighborhood that
contains it. A witness inside a proved neighborhood means that a stage is unsound:
ContradictionError is raised.
"""

from __future__ import annotations

import numpy as np

from mlspec.core.network import Array
from mlspec.core.problem import Problem
from mlspec.core.verdict import Proof, Stage, Verdict
from mlspec.errors import ContradictionError
from mlspec.tolerances import BOX_SLACK


class Memory:
    """Proofs and witnesses so far."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._proofs: list[tuple[Array, Verdict]] = []
        self._extents: list[Array] = []
        self.witnesses: list[Array] = []
        """Violating images ``(C, H, W)``, oldest first."""

    def proof_around(self, eps: Array) -> tuple[float, Proof] | None:
        """Return the margin certified for a neighborhood that contains that of ``eps``, and what
        that rests on, if there is one."""
        for proved, verdict in reversed(self._proofs):
            if np.all(eps <= proved):
                return verdict.margin or 0.0, verdict.proof
        return None

    def witness_inside(self, eps: Array) -> Array | None:
        """Return a violating image inside the neighborhood of ``eps``, replayed, if one is
        known."""
        box = self._problem.neighborhood(eps).box
        for witness, extents in zip(reversed(self.witnesses), reversed(self._extents), strict=True):
            if np.all(extents <= eps + BOX_SLACK):
                inside = box.clip(witness)
                if self._problem.margin(inside[None])[0] <= 0.0:
                    return inside
        return None

    def note_proof(self, eps: Array, verdict: Verdict) -> None:
        """Remember that ``eps`` is robust; raises ContradictionError if a witness is inside."""
        for witness, extents in zip(self.witnesses, self._extents, strict=True):
            # A corner of the box may lie a rounding beyond it; no certified margin vanishes there.
            if np.all(extents <= eps + BOX_SLACK):
                raise self._contradiction(eps, verdict.stage, witness)
        self._proofs.append((eps.copy(), verdict))

    def note_witness(self, witness: Array) -> Array:
        """Remember a violating image and return its extents ``(R,)``.

        Raises ContradictionError if it is inside a proved neighborhood.
        """
        extents = self._problem.layering.extents(witness - self._problem.image)
        for proved, verdict in self._proofs:
            if np.all(extents <= proved + BOX_SLACK):
                raise self._contradiction(proved, verdict.stage, witness)
        if not any(np.array_equal(witness, known) for known in self.witnesses):
            self.witnesses.append(witness)
            self._extents.append(extents)
        return extents

    def _contradiction(self, eps: Array, stage: Stage, witness: Array) -> ContradictionError:
        margin = float(self._problem.margin(witness[None])[0])
        error = ContradictionError(
            f"stage '{stage}' certified a neighborhood that contains a violating image (margin "
            f"{margin:.3g}): one of them is wrong, so nothing is certified; please report the "
            "saved evidence"
        )
        error.evidence = {"eps": eps, "witness": witness, "image": self._problem.image}
        return error
