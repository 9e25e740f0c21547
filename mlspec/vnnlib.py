"""Properties in VNN-LIB, answered as in the competition of verifiers (VNN-COMP)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mlspec.core.network import Array
from mlspec.core.verdict import Outcome
from mlspec.errors import InputError, NetworkError
from mlspec.problem.onnx_comparison import largest_difference
from mlspec.problem.onnx_import import Classifier, read_classifier
from mlspec.problem.vnnlib_query import Region, counterexample, problems, regions_of
from mlspec.problem.vnnlib_second import parse_second
from mlspec.problem.vnnlib_text import parse, text_of
from mlspec.run import decide
from mlspec.spec import ExperimentSpec


class Answer(StrEnum):
    """The words of the competition."""

    SAT = "sat"
    """There is a counterexample: replayed in float64."""
    UNSAT = "unsat"
    """There is none: proved by bounds, or by dual bounds in float64."""
    UNKNOWN = "unknown"
    TIMEOUT = "timeout"


@dataclass(frozen=True, eq=False)
class Reply:
    """One answer with its evidence."""

    answer: Answer
    inputs: Array | None = None
    """SAT: the counterexample ``(N,)``, in the order of the property's inputs."""
    outputs: Array | None = None
    """SAT: its outputs ``(M,)`` in float64."""
    reason: str = ""
    """UNKNOWN and TIMEOUT: why nothing was decided."""

    @property
    def text(self) -> str:
        """The answer in the form of the competition: the counterexample follows it."""
        if self.inputs is None or self.outputs is None:
            return self.answer.value
        values = [
            f"({kind}_{number} {value!r})"
            for kind, array in (("X", self.inputs), ("Y", self.outputs))
            for number, value in enumerate(array.tolist())
        ]
        return f"{self.answer.value}\n({(chr(10) + ' ').join(values)})"


def answer(network: Path, property_: Path, seconds: float, solver: str = "highs") -> Reply:
    """Answer whether some input meets the property in a file, within ``seconds``.

    Raises InputError for a property that cannot be read or does not fit, NetworkError for such a
    network.
    """
    end = time.monotonic() + seconds
    classifier = _classifier(network)
    try:
        regions = _regions(property_, classifier)
        asked = list(problems(classifier, regions))
    except InputError as error:
        raise InputError(f"{property_}: {error}") from None
    reasons = []
    for problem in asked:
        left = max(end - time.monotonic(), 0.01)
        verdict = decide(problem, _settings(left, solver), problem.layering.eps_meant(0.5))
        if verdict.outcome is Outcome.VIOLATED and verdict.witness is not None:
            found = counterexample(classifier, regions, problem, verdict.witness)
            if found is not None:
                return Reply(Answer.SAT, *found)
            reasons.append("a counterexample was lost to rounding")
        elif verdict.outcome is not Outcome.ROBUST:
            reasons.append(verdict.reason)
    if not reasons:
        return Reply(Answer.UNSAT)
    late = time.monotonic() >= end
    return Reply(Answer.TIMEOUT if late else Answer.UNKNOWN, reason=reasons[0])


def _classifier(network: Path) -> Classifier:
    classifier = read_classifier(network, flat=True)
    if classifier.end:
        raise NetworkError(
            f"{network}: it ends in a {classifier.end}, and the property speaks of what comes "
            "after it: export the network without it"
        )
    try:
        largest_difference(classifier)
    except NetworkError as error:
        raise NetworkError(f"{network}: {error}") from None
    return classifier


def _regions(property_: Path, classifier: Classifier) -> list[Region]:
    text = text_of(property_)
    question = parse_second(text) if "vnnlib-version" in text else parse(text)
    return regions_of(question, classifier.network)


def _settings(seconds: float, solver: str) -> ExperimentSpec:
    """Return a spec of default settings; its image and object are not used."""
    spec = {
        "classifier": {"onnx": "network.onnx"},
        "image": {"file": "image.npy"},
        "object": {"box": [0, 0, 1, 1]},
        "verifier": {"milp": {"seconds": seconds}},
        "solver": solver,
        "budget": {"seconds": seconds},
    }
    return ExperimentSpec.model_validate(spec)
